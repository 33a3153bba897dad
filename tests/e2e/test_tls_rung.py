# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The rungs tls and tls-encrypt: asked before the message is accepted, enforced
when it goes, and never a way to send something readable with less."""
import smtplib

import pytest

from harness import message, wait_for
from mail_domain import DOMAIN, policy
from tls_domain import (CANARY, CAROL, RETRY, SENDER, ca, domain, gateway_to,  # noqa: F401
                        mail, nothing_said, on_disk, records, rejected, strip)

TLSA = "_{port}._tcp.mx TLSA {tlsa}\n"

# name, what the domain has, whether DNSSEC proves it, by what the hop counts
HOLDS = [
    ("a certificate for the domain", {}, False, "verify"),
    ("a policy that is enforced", {"names": ("mx." + DOMAIN,), "sts": "1",
                                   "answer": policy()}, False, "mta-sts"),
    ("TLSA records", {"names": ("x.example",), "records": TLSA}, True, "dane"),
]


@pytest.mark.parametrize("row", HOLDS, ids=[r[0] for r in HOLDS])
def test_the_rung_holds(domain, gateway_to, row):
    _, has, proven, by = row
    d = domain(**has)
    g = gateway_to(d, "tls, reject", proven)
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    (row,) = wait_for("the record", lambda: records(g, "sent"))
    assert row["tls-had"] == by and row["tls-demanded"] in (by, "verify")
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
    g = gateway_to(d, ladder, retry=RETRY + " tls-wait = 1h")
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
    g.change_conf("tls-wait = 1h", "tls-wait = 1s")
    if fate == "sealed":
        (m,) = d.peer.wait()
        assert b"pkcs7-mime" in m.data and CANARY.encode() not in m.data
        wait_for("the record", lambda: records(g, "tls-spent"))
        assert len(records(g, "tls-spent")) == 1
        wait_for("the end", lambda: not g.cli_json("queue", "list"))
    else:
        wait_for("the hold", lambda: [
            e["state"] for e in g.cli_json("queue", "list")] == ["held"])
        d.peer.tls = tls
    assert CANARY.encode() not in d.peer.everything()
    assert len(d.peer.messages) == (1 if fate == "sealed" else 0)


@pytest.mark.parametrize("ladder,fate", [("tls, reject", "bounced"),
                                         ("tls, drop", "dropped")])
def test_a_refusal_comes_when_all_time_is_over(domain, gateway_to, capture, ladder, fate):
    """Forced and exclusive TLS."""
    d = domain()
    long, short = "warn = 1h hold = 1h expire = 1h", "warn = 1s hold = 1s expire = 1s"
    g = gateway_to(d, ladder, retry=RETRY + " tls-wait = 100ms " + long, inbound=capture.port)
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    strip(d)
    g.send(SENDER, CAROL, mail())
    wait_for("a deferral", lambda: len(records(g, "deferred")) > 1)
    assert not records(g, fate)
    g.change_conf(long, short)
    wait_for("the end", lambda: records(g, fate))
    wait_for("an empty queue", lambda: not g.cli_json("queue", "list"))
    nothing_said(d)
    def bounced():
        return [m for m in capture.messages if b"Action: failed" in m.data]
    if fate == "bounced":
        wait_for("the notification", bounced)
    assert len(bounced()) == (1 if fate == "bounced" else 0)
    assert all(CANARY.encode() not in m.data for m in capture.messages)


# ladders of the first and the second recipient, what becomes of each in the end
MIXED = [
    ("tls, drop", "tls, reject", "dropped", "bounced"),
    ("tls, reject", "tls, drop", "bounced", "dropped"),
    ("tls, reject", "tls, hold", None, "held"),
]


@pytest.mark.parametrize("row", MIXED, ids=["%s and %s" % r[:2] for r in MIXED])
def test_each_recipient_has_the_end_of_its_own_rule(domain, gateway_to, capture, row):
    """One message, one domain, two rules."""
    first, second, *fates = row
    dave = "dave@" + DOMAIN
    d = domain()
    end = " tls-wait = 1s" + ("" if "held" in fates else " warn = 2s hold = 2s expire = 3s")
    g = gateway_to(d, second, retry=RETRY + end, inbound=capture.port, start=False)
    text = g.conf.read_text()
    g.conf.write_text(text.replace('rule "default"', 'rule "first" { to = { "%s" } try = { %s } }\n'
                                   'rule "default"' % (CAROL, first)))
    g.start()
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    strip(d)
    g.send(SENDER, [CAROL, dave],
           message(sender=SENDER, to=CAROL + ", " + dave, body=CANARY + "\r\n"))
    for who, fate in zip((CAROL, dave), fates):
        if fate == "held":
            wait_for("the hold", lambda: any(
                e["state"] == "held" for e in g.cli_json("queue", "list")))
        elif fate:
            wait_for("the end of " + who, lambda: any(
                r["rcpt"] == who for r in records(g, fate)))
    nothing_said(d)


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
    wait_for("the second", lambda: len(d.peer.messages) == 1)
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
