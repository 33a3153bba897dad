# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The rungs tls and tls-encrypt: asked before the message is accepted, enforced
when it goes, and never a way to send something readable with less."""
import contextlib
import smtplib
import socket

import pytest

from harness import message, wait_for
from mail_domain import DOMAIN, Authority, MailDomain, policy

SENDER, CAROL = "sam@sender.example", "carol@" + DOMAIN
CANARY = "canary 8461 canary"
RETRY = "first = 300ms max = 600ms"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    root = tmp_path_factory.mktemp("ca")
    for p in (root, *list(root.parents)[:2]):
        p.chmod(0o755)
    return Authority(root)


@pytest.fixture
def domain(root, ca):
    made = []

    def make(**options):
        d = MailDomain(root / ("domain%d" % len(made)), ca, **options)
        made.append(d)
        return d

    yield make
    for d in made:
        d.stop()


@pytest.fixture
def gateway_to(make_gateway):
    """A gateway whose mail for others goes by MX, to that domain."""
    def make(d, ladder, proven=False, retry=RETRY, relay="", rule="", start=True, **more):
        rules = 'rule "default" { try = { %s } %s }\n' % (ladder, rule)
        g = make_gateway(d.peer.port, rules=rules, start=False, retry=retry,
                         options=d.options(proven), **more)
        text = g.conf.read_text()
        old = next(s for s in text.splitlines() if s.startswith("relay outbound"))
        g.conf.write_text(text.replace(
            old, 'relay outbound { via = "mx" port = %d %s }' % (d.peer.port, relay))
            + d.sections())
        return g.start() if start else g
    return make


def mail():
    return message(sender=SENDER, to=CAROL, body=CANARY + "\r\n")


def records(g, kind):
    return [r["rec"] for r in g.audit() if r["rec"].get("type") == kind]


def nothing_said(d):
    """Not even whom it is for."""
    assert not d.peer.messages
    assert CANARY.encode() not in d.peer.everything()
    assert CAROL.encode() not in d.peer.everything()


def rejected(g):
    with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused)) as e:
        g.send(SENDER, CAROL, mail())
    return str(e.value)


MATCHING = "_{port}._tcp.mx TLSA 3 1 1 %s\n"

# name, what the domain has, whether DNSSEC proves it, by what the hop counts
HOLDS = [
    ("a certificate for the domain", {}, False, " name "),
    ("a policy that is enforced", {"names": ("mx." + DOMAIN,), "sts": "1",
                                   "answer": policy()}, False, "mta-sts:1"),
]


@pytest.mark.parametrize("row", HOLDS, ids=[r[0] for r in HOLDS])
def test_the_rung_holds(domain, gateway_to, row):
    _, has, proven, by = row
    d = domain(**has)
    g = gateway_to(d, "tls, reject", proven)
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    (row,) = wait_for("the record", lambda: records(g, "sent"))
    assert by in row["tls"]
    assert CANARY.encode() not in d.peer.in_clear()
    assert not g.cli_json("queue", "list")


# name, what the domain has
LACKS = [
    ("no STARTTLS", {"names": None}),
    ("STARTTLS refused", {"verbs": {"STARTTLS": (454, "4.7.0 not now")}}),
    ("a certificate for the unproven MX alone", {"names": ("mx." + DOMAIN,)}),
    ("a policy that is only tested", {"names": ("mx." + DOMAIN,), "sts": "1",
                                      "answer": policy("testing")}),
]


@pytest.mark.parametrize("row", LACKS, ids=[r[0] for r in LACKS])
def test_a_domain_without_it_gets_the_next_rung(domain, gateway_to, row):
    d = domain(**row[1])
    g = gateway_to(d, "tls, reject")
    assert "tls" in rejected(g)
    nothing_said(d)


def test_absent_is_a_definite_no_and_failed_is_not(domain, gateway_to):
    """Where nobody answers the message is not refused for good, and does not go
    in clear either."""
    d = domain()
    d.peer.stop()
    g = gateway_to(d, "tls, clear")
    with pytest.raises(smtplib.SMTPDataError) as e:
        g.send(SENDER, CAROL, mail())
    assert e.value.smtp_code == 451


def test_clear_after_tls_takes_what_there_is(domain, gateway_to):
    d = domain(names=None)
    g = gateway_to(d, "tls, clear")
    g.send(SENDER, CAROL, mail())
    d.peer.wait()


def test_encrypted_with_whomever(domain, gateway_to):
    d = domain(names=("other.example",))
    g = gateway_to(d, "tls, tls-encrypt, reject")
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    assert CANARY.encode() not in d.peer.in_clear()


# --- it was there before, and is not when the message goes


def strip(d):
    """From now on the mail server has no TLS."""
    tls, d.peer.tls = d.peer.tls, None
    d.peer.messages.clear()
    for s in d.peer.sessions:
        s.secret.clear()
    with d.peer.changed:
        for sock in list(d.peer.open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
    return tls


def on_disk(g, text):
    return any(text.encode() in p.read_bytes() for p in g.state.rglob("*") if p.is_file())


SPENT = [
    # ladder, more of the rule, keys to import, what becomes of it in the end
    ("tls, smime, reject", "", "alice", "sealed"),
    ("tls, hold", "", None, "held"),
]


@pytest.mark.parametrize("row", SPENT, ids=[r[0] for r in SPENT])
def test_a_promise_that_fails_sends_it_down_the_ladder(domain, gateway_to, keys, row):
    """Sealed all the time; the other rung comes after tls-wait and not before."""
    ladder, rule, who, fate = row
    d = domain()
    to = "alice@" + DOMAIN if who else CAROL
    g = gateway_to(d, ladder, retry=RETRY + " tls-wait = 2s")
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    if who:
        g.cli("key", "import", keys.alice_crt)
    tls = strip(d)
    g.send(SENDER, to, message(sender=SENDER, to=to, body=CANARY + "\r\n"))
    wait_for("a deferral", lambda: records(g, "deferred"))
    (entry,) = g.cli_json("queue", "list")
    assert entry["kind"] == "ready"
    assert not on_disk(g, CANARY)
    if fate == "sealed":
        (m,) = d.peer.wait(seconds=15)
        assert b"pkcs7-mime" in m.data and CANARY.encode() not in m.data
        wait_for("the record", lambda: records(g, "tls-spent"))
        assert len(records(g, "tls-spent")) == 1
        wait_for("the end", lambda: not g.cli_json("queue", "list"))
    else:
        def held():
            (e,) = g.cli_json("queue", "list")
            return e["state"] == "held"
        wait_for("the hold", held, 15)
        d.peer.tls = tls
    assert CANARY.encode() not in d.peer.everything()
    assert len(d.peer.messages) == (1 if fate == "sealed" else 0)


@pytest.mark.parametrize("ladder,fate", [("tls, reject", "bounced"),
                                         ("tls, drop", "dropped")])
def test_a_refusal_comes_when_all_time_is_over(domain, gateway_to, capture, ladder, fate):
    """Forced and exclusive TLS."""
    d = domain()
    g = gateway_to(d, ladder, retry=RETRY + " tls-wait = 100ms warn = 2s hold = 2s expire = 3s",
                   inbound=capture.port)
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    strip(d)
    g.send(SENDER, CAROL, mail())
    wait_for("a deferral", lambda: len(records(g, "deferred")) > 1)
    assert not records(g, fate)
    wait_for("the end", lambda: records(g, fate), 15)
    wait_for("an empty queue", lambda: not g.cli_json("queue", "list"))
    nothing_said(d)
    def bounced():
        return [m for m in capture.messages if b"Action: failed" in m.data]
    if fate == "bounced":
        wait_for("the notification", bounced)
    assert len(bounced()) == (1 if fate == "bounced" else 0)
    assert all(CANARY.encode() not in m.data for m in capture.messages)


def test_back_before_the_time_is_over(domain, gateway_to):
    """Tried again, delivered once; the original that was parked is gone."""
    d = domain()
    g = gateway_to(d, "tls, hold")
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    tls = strip(d)
    g.send(SENDER, CAROL, mail())
    wait_for("a deferral", lambda: records(g, "deferred"))
    g.stop()
    d.peer.tls = tls
    g.start()
    wait_for("the second", lambda: len(d.peer.messages) == 1, 15)
    wait_for("an empty queue", lambda: not g.cli_json("queue", "list"))
    assert not on_disk(g, CANARY)
    assert CANARY.encode() not in d.peer.in_clear()


# --- fixed next hops


HOPS = [
    ("it says no more than TLS", (), "", False),
    ("it promises REQUIRETLS", ("REQUIRETLS",), "", True),
    ("somebody has seen to it", (), "next-hop-delivers = tls", True),
]


@pytest.mark.parametrize("row", HOPS, ids=[r[0] for r in HOPS])
def test_through_a_fixed_next_hop(make_gateway, ca, row):
    from capture import EXTENSIONS, Capture
    _, more, option, holds = row
    p = Capture(tls=ca.issue("hub.example"), extensions=EXTENSIONS + more).start()
    try:
        g = make_gateway(p.port, rules='rule "default" { try = { tls, reject } }\n',
                         start=False, retry=RETRY, options='tls-anchors = "%s"\n' % ca.file)
        text = g.conf.read_text()
        old = next(s for s in text.splitlines() if s.startswith("relay outbound"))
        g.conf.write_text(text.replace(
            old, 'relay outbound { via = "127.0.0.1:%d" tls-names = "hub.example" %s }'
            % (p.port, option)))
        g.start()
        if not holds:
            assert "REQUIRETLS" in rejected(g)
            assert CANARY.encode() not in p.everything()
            return
        g.send(SENDER, CAROL, mail())
        (m,) = p.wait()
        assert ("REQUIRETLS" in m.mail_params) == bool(more)
    finally:
        p.stop()


# --- MTA-STS


HOSTILE = [
    ("a redirect", (302, "text/plain", b"", {"Location": "https://mta-sts.%s/" % DOMAIN})),
    ("a page", (200, "text/html", policy()[2], {})),
    ("not found", (404, "text/plain", policy()[2], {})),
    ("more than 64 KiB", (200, "text/plain", policy()[2] + b"\r\n" * 40000, {})),
    ("every server there is", policy(mx="*")),
    ("every server below a label", policy(mx="*.example")),
    ("no answer", None),
]


@pytest.mark.parametrize("row", HOSTILE, ids=[r[0] for r in HOSTILE])
def test_what_is_no_policy_promises_nothing(domain, gateway_to, row):
    """The mail server's name is in its certificate, and nobody vouches for it."""
    d = domain(names=("mx." + DOMAIN,), sts="1", answer=row[1])
    g = gateway_to(d, "tls, reject")
    with pytest.raises(smtplib.SMTPDataError):
        g.send(SENDER, CAROL, mail())
    assert len(d.web.requests) == 1
    nothing_said(d)


def test_a_policy_outlives_restarts_and_outages(domain, gateway_to):
    """Fetched once; what is no server of the domain's is not called."""
    d = domain(names=("mx." + DOMAIN,), sts="1", answer=policy())
    g = gateway_to(d, "clear")
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    (row,) = wait_for("the record", lambda: records(g, "sent"))
    assert "mta-sts:1" in row["tls"]
    g.stop()
    d.web.answer = None
    d.peer.messages.clear()
    d.peer.tls = None
    g.start()
    g.send(SENDER, CAROL, mail())
    wait_for("a deferral", lambda: records(g, "deferred"))
    assert not d.peer.messages and len(d.web.requests) == 1
    d.peer.tls = d.cert
    d.peer.wait(seconds=15)
    assert CANARY.encode() not in d.peer.in_clear()


def test_a_server_that_the_policy_does_not_name_is_not_called(domain, gateway_to):
    d = domain(names=("mx." + DOMAIN,), sts="1", answer=policy(mx="mail." + DOMAIN))
    g = gateway_to(d, "clear")
    g.send(SENDER, CAROL, mail())
    (row,) = wait_for("a deferral", lambda: records(g, "deferred")[:1])
    assert "does not name it" in row["reply"]
    assert not d.peer.sessions


# --- what an administrator sees


def test_a_domain_that_drops_below_what_it_had(domain, gateway_to):
    """The table, the look, the alarm; and no rung tls holds any more."""
    d = domain()
    g = gateway_to(d, "tls, clear")
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    (row,) = g.cli_json("domain", "list", "--tls")
    assert (row["domain"], row["level"], row["by"]) == (DOMAIN, "authenticated", "name")
    (told,) = [s for s in g.cli_json("explain", "--from", SENDER, "--to", CAROL)[0]["steps"]
               if s["rung"] == "tls"]
    assert told["state"] == "holds"
    strip(d)
    assert g.cli("domain", "check", DOMAIN, check=False).returncode == 1
    (row,) = wait_for("the alarm", lambda: records(g, "tls-dropped"))
    assert (row["had"], row["has"]) == ("authenticated", "none")
    shown = g.cli_json("domain", "show", "--tls", DOMAIN)
    assert shown["dropped"] and shown["best"] == "authenticated"
    # not even to clear, which would follow where there was never any
    with pytest.raises(smtplib.SMTPDataError) as e:
        g.send(SENDER, CAROL, mail())
    assert e.value.smtp_code == 451
    nothing_said(d)


def test_a_domain_nobody_knows(domain, gateway_to):
    d = domain()
    g = gateway_to(d, "tls, reject")
    assert g.cli("domain", "show", "--tls", "other.example", check=False).returncode == 1
    assert g.cli("domain", "check", "nowhere.invalid", check=False).returncode in (1, 3)
    assert g.cli("domain", "check", check=False).returncode == 2


def test_the_sender_may_waive_what_the_domain_published(domain, gateway_to):
    """TLS-Required: No (RFC 8689), and not what a rule asks for."""
    d = domain(names=("other.example",), sts="1", answer=policy())
    g = gateway_to(d, "clear")
    g.send(SENDER, CAROL, mail())
    wait_for("a deferral", lambda: records(g, "deferred"))
    assert not d.peer.messages
    g.send(SENDER, CAROL, b"TLS-Required: No\r\n" + mail())
    (m,) = d.peer.wait()
    assert b"TLS-Required: No" in m.data
