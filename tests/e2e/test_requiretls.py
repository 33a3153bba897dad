# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""RFC 8689: REQUIRETLS is taken inside TLS alone and kept on the way, or the mail
does not go; TLS-Required: No waives what a domain has published, not our rules."""
import smtplib
import ssl

import pytest

from capture import EXTENSIONS, Capture
from harness import message, wait_for
from mail_domain import Authority

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
CLEAR = 'rule "default" { try = { clear } }\n'
CANARY = "canary 8689 canary"


@pytest.fixture(scope="module")
def ca(module_root):
    return Authority(module_root / "ca")


@pytest.fixture
def hub(ca):
    made = []

    def make(*more, names=("hub.example",)):
        c = Capture(tls=ca.issue(*names), extensions=EXTENSIONS + more).start()
        made.append(c)
        return c

    yield make
    for c in made:
        c.stop()


def gateway(make_gateway, ca, hub, **more):
    g = make_gateway(hub.port, rules=CLEAR, start=False, tls=True,
                     options='tls-anchors = "%s"\n' % ca.file, **more)
    text = g.conf.read_text()
    old = next(s for s in text.splitlines() if s.startswith("relay outbound"))
    g.conf.write_text(text.replace(
        old, 'relay outbound { via = "127.0.0.1:%d" tls-names = "hub.example" }' % hub.port))
    return g.start()


def hand_in(g, text=None, tls=True):
    with smtplib.SMTP("127.0.0.1", g.port, timeout=90) as s:
        s.ehlo("client.sender.example")
        assert not s.has_extn("requiretls")
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            s.starttls(context=context)
            s.ehlo("client.sender.example")
            assert s.has_extn("requiretls")
        s.sendmail(SENDER, [CAROL], text or message(
            sender=SENDER, to=CAROL, subject="subject " + CANARY, body=CANARY + "\r\n"),
            mail_options=["REQUIRETLS"])


def records(g, kind):
    return [r["rec"] for r in g.audit() if r["rec"].get("type") == kind]


def test_it_goes_on_to_who_promises_the_same(make_gateway, ca, hub):
    p = hub("REQUIRETLS")
    g = gateway(make_gateway, ca, p)
    hand_in(g)
    (m,) = p.wait()
    assert "REQUIRETLS" in m.mail_params.split()
    assert CANARY.encode() not in p.in_clear()


def test_who_does_not_take_it_of_a_client_is_told_of_at_once(make_gateway, ca, hub, capture):
    """The server offers it to us, and no more once it knows whose mail it is."""
    p = hub("REQUIRETLS", "XCLIENT NAME ADDR HELO")
    p.verbs.update({"XCLIENT": (220, "again"), "EHLO": [None, None, b"250 hub.example\r\n"]})
    g = gateway(make_gateway, ca, p, inbound=capture.port, retry="first = 1h max = 1h")
    g.conf.write_text(g.conf.read_text().replace(
        "relay outbound { ", "relay outbound { xclient = true "))
    g.stop()
    g.start()
    hand_in(g)
    (m,) = capture.wait()
    assert b"Action: failed" in m.data and b"5.7.30" in m.data
    assert [x for x in p.sessions[0].lines if x.startswith(b"XCLIENT ")]
    assert not p.messages and CANARY.encode() not in p.everything()


def test_it_is_for_sessions_with_tls(make_gateway, ca, hub):
    g = gateway(make_gateway, ca, hub("REQUIRETLS"))
    with pytest.raises(smtplib.SMTPSenderRefused) as e:
        hand_in(g, tls=False)
    assert e.value.smtp_code == 530 and b"5.7.10" in e.value.smtp_error


@pytest.mark.parametrize("more,names,retry", [
    # it proves who it is and does not take it: a definite answer, told at once
    ((), ("hub.example",), "first = 300ms max = 500ms"),
    # who it is may be proven next time
    (("REQUIRETLS",), ("other.example",),
     "first = 300ms max = 500ms warn = 1s hold = 1s expire = 2s"),
], ids=["without it", "not who it should be"])
def test_else_it_comes_back_without_its_header(make_gateway, ca, hub, capture, more, names, retry):
    p = hub(*more, names=names)
    g = gateway(make_gateway, ca, p, inbound=capture.port, retry=retry)
    hand_in(g)
    wait_for("the end", lambda: records(g, "bounced"))

    def told():
        return [m for m in capture.messages if b"Action: failed" in m.data]
    (m,) = wait_for("the notification", told)
    assert b"5.7.30" in m.data and CANARY.encode() not in m.data
    assert not p.messages and CANARY.encode() not in p.everything()
