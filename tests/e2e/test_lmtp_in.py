# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""LMTP handed in, as a content filter's client does: an answer for each
recipient, from raw sockets, from swaks, and from Postfix's own client."""
import os
import signal
import smtplib

from capture import Capture
from harness import all_heard, free_port, message, run, wait_for
from peers import Postfix
from test_smtp_in import Raw

SENDER = "sam@sender.example"
CAROL, DAVE, ERIN = "carol@partner.example", "dave@other.example", "erin@partner.example"
RULES = """
rule "not" { to = { "@other.example" } try = { reject } }
rule "secret" { subject-tag = "[secret]" to = "@partner.example" try = { smime, reject } }
rule "all" { try = { clear } }
"""


def lmtp(make_gateway, port, wait=False, **options):
    options.setdefault("rules", RULES)
    gw = make_gateway(port, portal=False, start=False,
                      listen="lmtp = true " + options.pop("listen", ""), **options)
    if wait:
        gw.conf.write_text(gw.conf.read_text().replace(
            "relay outbound { ", "relay outbound { wait = true "))
    gw.start()
    return gw


def lhlo(c):
    c.reply(220)
    return c.say(b"LHLO filter.example\r\n").reply(250)


def rcpts(c, *to):
    c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
    for rcpt in to:
        c.say(b"RCPT TO:<%s>\r\n" % rcpt.encode()).reply(250)


def codes(c, n):
    return [int(c.reply()[-1][:3]) for _ in range(n)]


def nothing_more(c):
    """What is said next is the answer to this."""
    c.say(b"NOOP\r\n").reply(250)
    c.say(b"XYZZY\r\n").reply(500)


def test_each_recipient_has_an_answer(make_gateway, capture):
    own = Capture().start()
    gw = lmtp(make_gateway, capture.port, inbound=own.port)
    text = message(subject="[secret] x", to=CAROL) + b".\r\n"
    plain = message(to=CAROL) + b".\r\n"
    with Raw(gw) as c:
        words = [w[4:] for w in lhlo(c)]
        assert "PIPELINING" in words and "ENHANCEDSTATUSCODES" in words
        # RFC 2033: SMTP's greetings are not known, and without a recipient no DATA
        c.say(b"EHLO x.example\r\n").reply(500)
        c.say(b"HELO x.example\r\n").reply(500)
        c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
        c.say(b"DATA\r\n").reply(503)
        c.say(b"RSET\r\n").reply(250)
        # the same recipient twice is two answers and one copy
        rcpts(c, CAROL, CAROL, ERIN)
        c.say(b"DATA\r\n").reply(354)
        assert codes(c.say(plain), 3) == [250, 250, 250]
        nothing_more(c)
        # refused when it has been read: each by itself, and nobody by mail
        rcpts(c, "x@elsewhere.example", CAROL)
        c.say(b"DATA\r\n").reply(354)
        assert codes(c.say(text), 2) == [250, 550]
        # the same by chunks: one answer for a chunk, one each behind the last
        rcpts(c, CAROL, "x@elsewhere.example")
        c.say(b"BDAT %d\r\n" % len(text[:20]) + text[:20]).reply(250)
        c.say(b"BDAT %d LAST\r\n" % len(text[20:-3]) + text[20:-3])
        assert codes(c, 2) == [550, 250]
        # what is wrong with the message itself is said of all
        rcpts(c, CAROL, ERIN)
        c.say(b"DATA\r\n").reply(354)
        assert codes(c.say(b"Subject: x\n\r\nbare\r\n.\r\n"), 2) == [554, 554]
        c.say(b"NOOP\r\n").reply(250)
        c.say(b"QUIT\r\n").reply(221)
    got = capture.wait(4)
    assert sorted(r for m in got for r in m.rcpts) == sorted(
        [CAROL, ERIN] + 2 * ["x@elsewhere.example"])
    assert b"with LMTP id" in got[0].data
    wait_for("nothing to be left", lambda: not gw.cli_json("queue", "list"))
    assert own.messages == []


def test_smtp_knows_no_lhlo(make_gateway, capture):
    gw = make_gateway(capture.port, rules=RULES, portal=False)
    with Raw(gw) as c:
        c.reply(220)
        c.say(b"LHLO x.example\r\n").reply(500)
        c.say(b"EHLO x.example\r\n").reply(250)


def test_a_thousand_answers(make_gateway, capture):
    gw = lmtp(make_gateway, capture.port)
    with Raw(gw) as c:
        lhlo(c)
        c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
        for _ in range(0, 1000, 50):
            c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode() * 50)
            for _ in range(50):
                c.reply(250)
        c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode()).reply(452)
        c.say(b"DATA\r\n").reply(354)
        assert codes(c.say(message(to=CAROL) + b".\r\n"), 1000) == [250] * 1000
        nothing_more(c)
    assert capture.wait(1)[0].rcpts == [CAROL]


def test_the_next_hop_answers_each(make_gateway, capture):
    gw = lmtp(make_gateway, capture.port, wait=True)
    text = message(subject="[secret] x", to="x@elsewhere.example") + b".\r\n"
    capture.verbs = {".": [(554, "5.7.1 spam"), (250, "2.0.0 queued as 7")]}
    for code in (554, 250):
        with Raw(gw) as c:
            lhlo(c)
            rcpts(c, CAROL, "x@elsewhere.example")
            c.say(b"DATA\r\n").reply(354)
            # carol was refused by a rule, whatever the next hop says
            assert codes(c.say(text), 2) == [550, code]
    assert len(capture.messages) == 1


def test_swaks(make_gateway, capture):
    gw = lmtp(make_gateway, capture.port)
    run("swaks", "--protocol", "LMTP", "--server", "127.0.0.1:%d" % gw.port, "--helo",
        "x.example", "--from", SENDER, "--to", CAROL, "--silent", "2")
    run("swaks", "--protocol", "LMTP", "--server", "127.0.0.1:%d" % gw.port, "--helo",
        "x.example", "--from", SENDER, "--to", CAROL + "," + ERIN, "--silent", "2")
    wait_for("three", lambda: len([r for m in capture.messages for r in m.rcpts]) == 3)


def test_postfix_filters_through_it(make_gateway, capture):
    """Its content_filter speaks LMTP to us; mail comes back to a port without
    the filter, and what a rule refuses it bounces for that recipient alone."""
    back = free_port()
    gw = lmtp(make_gateway, back)
    postfix = Postfix(capture.port, more="content_filter = lmtp:inet:127.0.0.1:%d\n" % gw.port)
    master = postfix.root / "etc/master.cf"
    master.write_text(master.read_text() + (
        "lmtp unix - - n - - lmtp\n"
        "127.0.0.1:%d inet n - n - - smtpd -o content_filter=\n" % back))
    postfix.start()
    try:
        with smtplib.SMTP("127.0.0.1", postfix.port) as s:
            s.ehlo("pc.sender.example")
            s.sendmail(SENDER, [CAROL, "x@elsewhere.example"],
                       message(subject="[secret] x", to="x@elsewhere.example"))
        # one arrives, and Postfix itself tells of the other
        got = capture.wait(2)
        assert sorted(m.mail_from for m in got) == ["", SENDER]
        bounce = [m for m in got if m.mail_from == ""][0].data
        assert CAROL.encode() in bounce and b"x@elsewhere.example" not in \
            bounce.split(b"Content-Type: message/delivery-status")[1].split(b"--")[0]
        wait_for("its log", lambda: "relay=127.0.0.1[127.0.0.1]:%d" % gw.port in postfix.log())
        wait_for("nothing to be left", lambda: gw.cli_json("queue", "list") == [])
    finally:
        postfix.stop()


def test_a_client_that_leaves_and_a_worker_that_dies(make_gateway, capture):
    gw = lmtp(make_gateway, capture.port)
    with Raw(gw) as c:
        lhlo(c)
        rcpts(c, CAROL, ERIN)
        c.say(b"DATA\r\n").reply(354)
        c.say(message(to=CAROL)[:30])
    with Raw(gw) as c:
        lhlo(c)
        rcpts(c, CAROL, ERIN)
        c.say(b"DATA\r\n").reply(354)
        for pid in gw.pids()["worker"]:
            os.kill(pid, signal.SIGSTOP)
        c.say(message(to=CAROL + ", " + ERIN) + b".\r\n")
        all_heard(c.sock)
        for pid in gw.pids()["worker"]:
            os.kill(pid, signal.SIGKILL)
        assert codes(c, 2) == [250, 250]
        nothing_more(c)
    assert sorted(capture.wait(1)[0].rcpts) == [CAROL, ERIN]
    assert len(capture.messages) == 1


def test_not_on_the_port_of_smtp(make_gateway, capture):
    gw = make_gateway(capture.port, portal=False, start=False, listen="lmtp = true")
    gw.conf.write_text(gw.conf.read_text().replace(":%d" % gw.port, ":25"))
    said = run(gw.build / "sealgated", "-n", "-f", gw.conf, check=False)
    assert said.returncode != 0 and b"another port than 25" in said.stderr + said.stdout
