# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Before-queue delivery: where wait is set, a client hears what the next hop
says of its message, or 250 and the gateway answers for it; whoever dies."""
import os
import signal
import smtplib
import socket
import threading
import time

import pytest

from capture import Capture
from harness import PATIENCE, message, wait_for
from peers import Postfix
from test_open_smime import EVE, INNER, OTTO, p7m, people, seal  # noqa: F401
from test_smtp_in import Raw

SENDER = "sam@sender.example"
CAROL, DAVE = "carol@partner.example", "dave@partner.example"
CLEAR = 'rule "all" { try = { clear } }\n'


def waiting(make_gateway, port, route="outbound", **options):
    limits = options.pop("limits", "")
    start = options.pop("start", True)
    gw = make_gateway(port, rules=CLEAR, portal=False, limits=limits, start=False, **options)
    text = gw.conf.read_text()
    gw.conf.write_text(text.replace("relay %s { " % route, "relay %s { wait = true " % route))
    if start:
        gw.start()
    return gw


def answer(gw, to=CAROL, data=None, sender=SENDER):
    """The reply behind the final dot."""
    rcpts = [to] if isinstance(to, str) else to
    with smtplib.SMTP("127.0.0.1", gw.port, timeout=90) as s:
        s.ehlo("client.sender.example")
        s.mail(sender)
        for rcpt in rcpts:
            assert s.rcpt(rcpt)[0] == 250
        # nobody is hidden: one variant
        code, text = s.data(data or message(to=", ".join(rcpts)))
    return code, text.decode()


def records(gw, *types):
    return [r["rec"] for r in gw.audit() if r["rec"]["type"] in types]


def whole(capture):
    """Where MAIL is refused the rest is pipelined all the same, and an end."""
    return [m for m in capture.messages if m.data.strip()]


def queue(gw):
    return gw.cli_json("queue", "list")


def test_the_client_hears_the_next_hop(make_gateway, capture):
    own = Capture().start()
    capture.extensions.remove("CHUNKING")
    gw = waiting(make_gateway, capture.port, inbound=own.port)
    for verbs, code, text in (
            ({}, 250, "2.0.0 taken"),
            ({".": (250, "2.0.0 Ok: queued as 4711")}, 250, "2.0.0 Ok: queued as 4711"),
            ({".": (554, "5.7.1 this is spam")}, 554, "5.7.1 this is spam"),
            ({".": (452, "4.2.2 mailbox full")}, 452, "4.2.2 mailbox full"),
            ({"DATA": (550, "5.7.1 not from you")}, 550, "5.7.1 not from you"),
            ({"MAIL": (451, "4.7.1 greylisted")}, 451, "4.7.1 greylisted"),
            ({"RCPT": (550, "5.1.1 no such user")}, 550, "5.1.1 no such user")):
        capture.verbs = verbs
        assert answer(gw, [CAROL, DAVE]) == (code, text)
        assert queue(gw) == []
    assert len(whole(capture)) == 2 and own.messages == []
    gw.stop()
    assert [r["code"] for r in records(gw, "answered")] == [250, 250, 554, 452, 550, 451, 550]
    # every recipient's fate is in the log
    assert [len(records(gw, x)) for x in ("sent", "bounced", "deferred")] == [4, 6, 4]


def test_what_is_not_alike_is_ours(make_gateway, capture):
    own = Capture().start()
    gw = waiting(make_gateway, capture.port, inbound=own.port, limits="wait-limit = 5min")
    capture.verbs = {"RCPT": lambda line: (550, "5.1.1 no") if b"dave" in line else None}
    code, text = answer(gw, [CAROL, DAVE])
    assert code == 250 and "accepted as" in text
    assert b"dave@partner.example" in own.wait(1)[0].data  # told by mail
    capture.verbs = {"RCPT": lambda line: (450, "4.2.1 later") if b"dave" in line else None}
    assert answer(gw, [CAROL, DAVE])[0] == 250
    assert [r["state"] for e in queue(gw) for r in e["rcpts"]] == ["delivered", "open"]
    capture.verbs = {}
    gw.cli("queue", "flush", queue(gw)[0]["entry"])
    capture.wait(3)
    # nobody says anything
    wait_for("both to be gone", lambda: queue(gw) == [])
    gw.stop()
    gw.change_conf("wait-limit = 5min", "wait-limit = 2s")
    gw.start()
    capture.stop()
    assert answer(gw)[0] == 250
    assert len(queue(gw)) == 1
    assert [m.mail_from for m in own.messages] == [""]


def test_nobody_waits_longer_than_the_limit(make_gateway, capture):
    held = threading.Event()

    def slowly(line):
        held.wait(PATIENCE)
        return (550, "5.7.1 too late")
    own = Capture().start()
    gw = waiting(make_gateway, capture.port, inbound=own.port, limits="wait-limit = 2s")
    capture.verbs = {".": slowly}
    began = time.monotonic()
    code, text = answer(gw)
    assert code == 250 and "accepted as" in text
    assert time.monotonic() - began > 1.9
    held.set()
    own.wait(1)  # 250 was said: the refusal comes by mail
    assert not records(gw, "answered")


def test_several_variants_are_answered_at_once(make_gateway, capture, keys):
    held = threading.Event()
    alice = keys.certificate("alice@partner.example")
    gw = waiting(make_gateway, capture.port, start=False)
    gw.conf.write_text(gw.conf.read_text().replace(
        CLEAR, 'rule "all" { try = { smime, clear } }\n'))
    gw.start()
    gw.cli("key", "import", alice[0])
    capture.verbs = {".": lambda line: held.wait(PATIENCE) and None}
    code, text = answer(gw, ["alice@partner.example", CAROL])
    assert code == 250 and "accepted as" in text
    held.set()
    capture.wait(2)


def test_mail_from_outside(make_gateway, capture, people):  # noqa: F811
    """What is plain waits for our own server; of what is encrypted no word and
    no delay tells what became of it."""
    outside = capture
    own = Capture().start()
    gw = waiting(make_gateway, outside.port, route="inbound", inbound=own.port, listen_in="")
    gw.cli("key", "import", people.otto_pem)

    def stranger(data):
        with smtplib.SMTP("127.0.0.1", gw.in_port, timeout=90) as s:
            s.ehlo("mx.partner.example")
            s.mail(EVE)
            assert s.rcpt(OTTO)[0] == 250
            return s.data(data)
    plain = message(sender=EVE, to=OTTO)
    own.verbs = {".": (554, "5.7.1 a virus")}
    assert stranger(plain) == (554, b"5.7.1 a virus")
    own.verbs = {}
    assert stranger(plain) == (250, b"2.0.0 taken")
    held = threading.Event()
    own.verbs = {".": lambda line: held.wait(PATIENCE) and (554, "5.7.1 a virus inside")}
    code, text = stranger(p7m(seal(INNER, people.otto[0])))
    assert code == 250 and b"accepted as" in text
    held.set()
    wait_for("its end", lambda: records(gw, "held"))
    assert outside.messages == []  # and no notification tells


def test_a_real_mail_server_refuses(make_gateway):
    postfix = Postfix(more="header_checks = regexp:{ {/^Subject: .*lottery/ REJECT no lotteries} }\n"
                           "smtpd_recipient_restrictions = check_recipient_access "
                           "inline:{ dave@partner.example=450_later }, permit\n").start()
    try:
        gw = waiting(make_gateway, postfix.port)
        code, text = answer(gw)
        assert code == 250 and "queued as" in text and "accepted as" not in text
        code, text = answer(gw, data=message(subject="You won a lottery", to=CAROL))
        assert code == 550 and "no lotteries" in text
        assert queue(gw) == []
    finally:
        postfix.stop()


def kill_role(gw, role):
    for pid in gw.pids()[role]:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("role", ["store", "relay", "worker"])
def test_whoever_dies_meanwhile_the_client_is_answered_once(make_gateway, capture, role):
    held = threading.Event()
    gw = waiting(make_gateway, capture.port)
    capture.verbs = {".": [lambda line: held.wait(PATIENCE) and None]}
    got = []
    t = threading.Thread(target=lambda: got.append(answer(gw)))
    t.start()
    capture.wait_sessions(1)
    wait_for("the delivery", lambda: any(b"DATA" in s.lines or any(
        line.startswith(b"BDAT") for line in s.lines) for s in capture.sessions))
    old = gw.pids()[role]
    kill_role(gw, role)

    def is_another():
        now = gw.pids().get(role, [])
        return len(now) == len(old) and not set(now) & set(old)
    wait_for("another", is_another)
    held.set()
    t.join(2 * PATIENCE)
    assert got and got[0][0] == 250, got
    wait_for("an empty queue", lambda: queue(gw) == [])
    # a reply that was lost is the only way to a second one
    assert len(capture.messages) <= (1 if role == "worker" else 2)


def test_who_has_closed_the_sending_end_is_answered(make_gateway, capture):
    held = threading.Event()
    capture.extensions.remove("CHUNKING")
    gw = waiting(make_gateway, capture.port)
    capture.verbs = {".": lambda line: held.wait(PATIENCE) and (250, "2.0.0 as 4711")}
    with Raw(gw) as c:
        c.greet()
        c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
        c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode()).reply(250)
        c.say(b"DATA\r\n").reply(354)
        c.say(message(to=CAROL) + b".\r\n")
        c.sock.shutdown(socket.SHUT_WR)
        time.sleep(1.5)  # it is looked after every so often
        held.set()
        c.reply(250)
    wait_for("its end", lambda: queue(gw) == [])
    assert len(whole(capture)) == 1 and "event=abandoned" not in gw.log()


@pytest.mark.parametrize("what", ["client", "listener", "all"])
def test_what_lost_its_client_is_not_delivered_again(make_gateway, capture, what):
    held = threading.Event()
    capture.extensions.remove("CHUNKING")
    gw = waiting(make_gateway, capture.port,
                 limits="wait-limit = %s" % ("20s" if what == "client" else "5min"))
    capture.verbs = {"MAIL": [lambda line: held.wait(PATIENCE) and (451, "4.3.0 no")] * 3}
    with Raw(gw) as c:
        c.greet()
        c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
        c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode()).reply(250)
        c.say(b"DATA\r\n").reply(354)
        c.say(message(to=CAROL) + b".\r\n")
        wait_for("the delivery", lambda: any(
            line.startswith(b"MAIL") for s in capture.sessions for line in s.lines))
        if what == "all":
            gw.kill()
        elif what == "listener":
            kill_role(gw, "listener")
    if what == "client":  # it might read on: until the limit is over
        wait_for("that it is noticed", lambda: "event=abandoned" in gw.log())
    held.set()
    if what == "all":
        gw.start()
    capture.verbs = {}
    wait_for("its end", lambda: queue(gw) == [])
    assert not whole(capture)
    # the client sends it again
    assert answer(gw)[0] == 250
    assert len(whole(capture)) == 1
