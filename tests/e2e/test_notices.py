# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What senders are told (RFC 3461, RFC 3464): one notification for all
recipients of a message, whatever became of the gateway meanwhile, and nothing to
who may not have sent it."""
import email
import email.policy

import pytest

from capture import Capture
from harness import message, wait_for

SENDER, ALICE, BOB = "sam@sender.example", "alice@partner.example", "bob@partner.example"
ERIN, FRED = "erin@partner.example", "fred@partner.example"
RULES = 'rule "all" { try = { smime, clear } }\n'
RETRY = "first = 300ms max = 1s"
CANARY = "canary 1953 canary"


def blocks(data):
    """The per-recipient fields of a notification, by recipient."""
    m = email.message_from_bytes(data, policy=email.policy.default)
    status = [p for p in m.walk() if p.get_content_type() == "message/delivery-status"]
    assert len(status) == 1, data
    return {part["Final-Recipient"].split(";")[1].strip(): part
            for part in status[0].iter_parts() if part["Final-Recipient"]}


@pytest.fixture
def inside():
    """Our own mail server, where notifications go."""
    c = Capture().start()
    yield c
    c.stop()


def settled(gw):
    return wait_for("an empty queue", lambda: gw.cli_json("queue", "list") == [])


def no_more(gw, inside, n):
    """Nothing else comes, of what is noted either: the notification is the last
    that is done of a message."""
    settled(gw)
    assert len(inside.messages) == n


def test_one_notification_for_several_copies(make_gateway, inside, keys):
    """A sealed copy and a readable one, refused at different moments."""
    peer = Capture(verbs={"RCPT": (550, "5.1.1 nobody here")}).start()
    try:
        gw = make_gateway(peer.port, rules=RULES, retry=RETRY, inbound=inside.port,
                          import_keys=[keys.alice_crt])
        gw.send(SENDER, [ALICE, ERIN, FRED],
                message(body=CANARY + "\r\n", to=", ".join([ALICE, ERIN, FRED])))
        got = blocks(inside.wait(1)[0].data)
        assert sorted(got) == [ALICE, ERIN, FRED]
        assert {part["Action"] for part in got.values()} == {"failed"}
        assert {part["Status"] for part in got.values()} == {"5.1.1"}
        assert CANARY.encode() not in inside.messages[0].data
        no_more(gw, inside, 1)
    finally:
        peer.stop()


def test_a_crash_between_result_and_notification(make_gateway, inside, keys):
    peer = Capture(verbs={"RCPT": (550, "5.1.1 nobody here")}).start()
    try:
        gw = make_gateway(peer.port, rules=RULES, retry=RETRY, inbound=inside.port,
                          import_keys=[keys.alice_crt])
        gw.send(SENDER, [ALICE, ERIN], message(body=CANARY + "\r\n", to=ALICE + ", " + ERIN))
        wait_for("both results", lambda: gw.log().count('result="failed"') >= 2)
        # it takes a second until something is made of them, as a rule
        settled(gw)
        gw.kill()
        inside.hung_up()
        told = len(inside.messages)
        gw.start()
        assert sorted(blocks(inside.wait(1)[0].data)) == [ALICE, ERIN]
        if told == 0:
            no_more(gw, inside, 1)
    finally:
        peer.stop()


def test_delivered_by_lmtp_and_handed_on_by_smtp(make_gateway, inside):
    """RFC 3464 section 2.3.3: "delivered" is into the mailbox, "relayed" to a
    server that tells nobody."""
    plain = ("PIPELINING", "8BITMIME")
    for lmtp, action in ((True, "delivered"), (False, "relayed")):
        peer = Capture(extensions=plain, lmtp=lmtp).start()
        try:
            gw = make_gateway(peer.port, start=False, retry=RETRY, inbound=inside.port,
                              rules='rule "all" { try = { clear } }\n')
            if lmtp:
                gw.conf.write_text(gw.conf.read_text().replace(
                    'via = "127.0.0.1:%d"' % peer.port, 'via = "lmtp://127.0.0.1:%d"' % peer.port))
            gw.start()
            gw.send(SENDER, [ALICE], message(body=CANARY + "\r\n", to=ALICE),
                    rcpt_options=["NOTIFY=SUCCESS"])
            got = blocks(inside.wait(1)[0].data)
            assert got[ALICE]["Action"] == action and got[ALICE]["Status"][0] == "2"
            no_more(gw, inside, 1)
            inside.messages.clear()
            gw.stop()
        finally:
            peer.stop()


def test_a_stranger_is_told_nothing(make_gateway, capture):
    """Whose name stands there as the sender of mail from outside may not have
    written it: what our own server refuses is held with an alarm."""
    own = Capture(verbs={"RCPT": (550, "5.1.1 nobody here")}).start()
    try:
        gw = make_gateway(capture.port, retry=RETRY, inbound=own.port, listen_in="")
        gw.send_in("stranger@far.example", "sam@sender.example",
                   message(body=CANARY + "\r\n", sender="stranger@far.example",
                           to="sam@sender.example"))
        held = wait_for("it to be held", lambda: [
            e for e in gw.cli_json("queue", "list") if e["state"] == "held"])
        assert len(held) == 1
        wait_for("the alarm", lambda: any(
            r["rec"]["type"] == "held" and "must not be told" in r["rec"]["reason"]
            for r in gw.audit()))
        assert not capture.messages
        # an administrator lets it go once the recipient is there
        own.verbs.clear()
        gw.cli("queue", "release", held[0]["id"])
        assert CANARY.encode() in own.wait(1)[0].data
        settled(gw)
        assert not capture.messages
    finally:
        own.stop()


def test_what_one_took_is_kept_while_another_hangs(make_gateway, keys):
    """One variant for two next hops, one of which takes its time: the other's
    recipient has it once, though the gateway is killed meanwhile."""
    quick, slow = Capture().start(), Capture(verbs={"MAIL": "hang"}).start()
    try:
        gw = make_gateway(quick.port, start=False, retry=RETRY,
                          rules='rule "all" { try = { clear } }\n',
                          options='route "slow.example" { via = "127.0.0.1:%d" }\n' % slow.port)
        gw.start()
        there = "erin@slow.example"
        gw.send(SENDER, [ALICE, there], message(body=CANARY + "\r\n", to=ALICE + ", " + there))
        quick.wait(1)
        wait_for("the other to be asked", lambda: any(
            line.startswith(b"MAIL") for s in slow.sessions for line in s.lines))
        wait_for("the result of the first", lambda: any(
            r["rec"]["type"] == "sent" for r in gw.audit()))
        gw.kill()
        slow.verbs.clear()
        gw.start()
        assert CANARY.encode() in slow.wait(1)[0].data
        settled(gw)
        assert len(quick.messages) == 1
    finally:
        quick.stop()
        slow.stop()
