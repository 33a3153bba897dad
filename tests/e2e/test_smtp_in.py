# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Mail handed in: the dialogue, strict line ends, who may relay, STARTTLS,
limits. With swaks, with raw sockets, and with other servers' tools."""
import re
import smtplib
import socket
import ssl
import time

import pytest

from harness import PATIENCE, message, run, wait_for
from peers import smtp_source

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
CLEAR = 'rule "all" { try = { clear } }\n'


class Raw:
    """An SMTP client that sends what it is told, octet for octet."""

    def __init__(self, gateway, source="127.0.0.1"):
        self.sock = socket.create_connection(
            ("127.0.0.1", gateway.port), PATIENCE, (source, 0))
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def say(self, data):
        self.sock.sendall(data)
        return self

    def line(self):
        while b"\n" not in self.rest:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError(self.rest)
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        assert line.endswith(b"\r"), line
        return line[:-1].decode("ascii")

    def reply(self, *codes):
        """All lines of one answer; its code must be one of these."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        assert not codes or int(lines[-1][:3]) in codes, lines
        return lines

    def greet(self):
        self.reply(220)
        return self.greet_again()

    def greet_again(self):
        self.say(b"EHLO client.sender.example\r\n")
        return self.reply(250)

    def envelope(self, sender=SENDER, rcpt=CAROL):
        self.say(b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\n"
                 % (sender.encode(), rcpt.encode()))
        self.reply(250)
        self.reply(250)
        return self

    def ended(self):
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True


@pytest.fixture
def clear(make_gateway, capture):
    return make_gateway(capture.port, rules=CLEAR, portal=False)


@pytest.fixture
def with_tls(make_gateway, capture):
    return make_gateway(capture.port, rules=CLEAR, portal=False, tls=True)


def test_swaks_and_smtplib_hand_in(with_tls, capture):
    for extra in ([], ["--pipeline"]):
        run("swaks", "--server", "127.0.0.1:%d" % with_tls.port,
            "--from", SENDER, "--to", CAROL, "--ehlo", "client.sender.example",
            *extra)
    context = ssl.create_default_context(cafile=with_tls.tls_cert[0])
    with smtplib.SMTP("localhost", with_tls.port, timeout=90) as s:
        s.starttls(context=context)
        s.sendmail(SENDER, [CAROL], message(to=CAROL))
    got = capture.wait(3)
    protocols = [re.search(rb"with (\S+) id", m.data).group(1) for m in got]
    assert sorted(protocols) == [b"ESMTP", b"ESMTP", b"ESMTPS"]


def test_announces_what_it_does(with_tls):
    with Raw(with_tls) as c:
        words = {line[4:].split()[0] for line in c.greet()}
    assert words >= {"SIZE", "PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING",
                     "BINARYMIME", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "LIMITS"}
    assert not words & {"AUTH", "REQUIRETLS"}


def test_every_octet_by_itself_is_the_same_message(clear, capture):
    body = b"..\r\n.x\r\n" + bytes(range(128, 256)) + b"\r\n"
    with Raw(clear) as c:
        c.greet()
        for octet in (b"MAIL FROM:<%s> BODY=8BITMIME\r\nRCPT TO:<%s>\r\nDATA\r\n"
                      % (SENDER.encode(), CAROL.encode())):
            c.say(bytes([octet]))
        c.reply(250), c.reply(250), c.reply(354)
        data = b"From: <%s>\r\nSubject: x\r\n\r\n" % SENDER.encode() + body
        for octet in re.sub(rb"(?m)^\.", b"..", data) + b".\r\n":
            c.say(bytes([octet]))
        c.reply(250)
    assert capture.wait(1)[0].data.endswith(b"\r\n\r\n" + body)


def test_chunks_and_data_come_to_the_same(clear, capture):
    sent = message(body="one\r\n.\r\n..\r\ntwo\r\n", to=CAROL)
    clear.send(SENDER, CAROL, sent)
    with Raw(clear) as c:
        c.greet()
        c.envelope()
        half = len(sent) // 2
        c.say(b"BDAT %d\r\n" % half + sent[:half] +
              b"BDAT %d LAST\r\n" % (len(sent) - half) + sent[half:])
        c.reply(250), c.reply(250)
    got = [re.sub(rb"(?s)\AReceived:.*?\r\n(?![ \t])", b"", m.data)
           for m in capture.wait(2)]
    assert got[0] == got[1] == sent


SMUGGLING = [
    b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r",
    b"\r\n\0.\r\n", b"\r\0\n.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\0\n",
    b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\n.\r", b"\r.\n"]


def test_no_false_end_is_taken_for_one(clear, capture):
    tail = (b"MAIL FROM:<evil@sender.example>\r\nRCPT TO:<v@partner.example>\r\n"
            b"DATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n")
    for seq in SMUGGLING:
        for cut in range(len(seq) + 1):
            with Raw(clear) as c:
                c.greet()
                c.envelope()
                c.say(b"DATA\r\n").reply(354)
                c.say(b"Subject: x\r\n\r\nbody" + seq[:cut])
                time.sleep(0.002)
                c.say(seq[cut:] + tail + b"QUIT\r\n")
                assert c.reply(554)[0].startswith("554 5.6.0"), seq
                c.reply(221)
                assert c.ended()
    assert clear.cli_json("queue", "list") == []
    assert capture.everything() == b""


def test_starttls_injection_and_state(with_tls):
    with Raw(with_tls) as c:
        c.greet()
        c.say(b"STARTTLS\r\nNOOP x\r\n").reply(554)
        assert c.ended()
    with Raw(with_tls) as c:
        c.greet()
        c.say(b"STARTTLS\r\n").reply(220)
        context = ssl.create_default_context(cafile=with_tls.tls_cert[0])
        c.sock = context.wrap_socket(c.sock, server_hostname="localhost")
        c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(503)
        c.say(b"EHLO again\r\n")
        assert "250-STARTTLS" not in c.reply(250)
        c.say(b"STARTTLS\r\n").reply(503)


def test_nobody_outside_clients_relays(make_gateway, capture):
    g = make_gateway(capture.port, rules=CLEAR, portal=False,
                     listen='clients = { "127.0.0.77" }',
                     limits="errors = 1000")
    tricks = [CAROL, "carol%partner.example@sender.example",
              '"carol@partner.example"@sender.example',
              "@sender.example:carol@partner.example",
              "partner.example!carol@sender.example",
              "carol@partner.example@sender.example", "carol@[127.0.0.1]",
              "carol@partner.example.", "sam@sender.example"]
    with Raw(g) as c:
        c.greet()
        c.say(b"MAIL FROM:<>\r\n").reply(250)
        for t in tricks:
            c.say(b"RCPT TO:<%s>\r\n" % t.encode()).reply(550, 501)
        c.say(b"DATA\r\n").reply(503)
        c.say(b"RCPT TO:<postmaster>\r\n").reply(250)
    with Raw(g, "127.0.0.77") as c:
        c.greet()
        c.envelope()


def test_limits_are_said_and_kept(make_gateway, capture):
    g = make_gateway(capture.port, rules=CLEAR, portal=False,
                     limits="errors = 3 connections-per-client = 4 recipients = 2 "
                            "message-size = 100K memory = 1M")
    with Raw(g) as c:
        assert "250-SIZE 102400" in c.greet()
        c.say(b"MAIL FROM:<> SIZE=102401\r\n")
        assert c.reply(552)[0].startswith("552 5.3.4")
        c.say(b"MAIL FROM:<>\r\n").reply(250)
        for code in (250, 250, 452):
            c.say(b"RCPT TO:<r%d@partner.example>\r\n" % time.monotonic_ns()).reply(code)
        c.say(b"DATA\r\n").reply(354)
        c.say(b"x: y\r\n\r\n" + (b"z" * 998 + b"\r\n") * 150 + b".\r\n")
        assert c.reply(552)[0].startswith("552 5.3.4")
        c.say(b"NOOP\r\n").reply(250)
    with Raw(g) as c:
        c.reply(220)
        c.say(b"X\r\nX\r\nX\r\n")
        for code in (500, 500, 500, 421):
            c.reply(code)
        assert c.ended()
    many = [Raw(g) for _ in range(5)]
    try:
        assert [int(c.reply()[0][:3]) for c in many] == [220] * 4 + [421]
    finally:
        for c in many:
            c.sock.close()


def test_who_says_nothing_is_hung_up_on(make_gateway, capture):
    with Raw(make_gateway(capture.port, rules=CLEAR, portal=False, limits="idle = 1s")) as c:
        c.reply(220)
        assert c.reply(421)[0].startswith("421 4.4.2")
        assert c.ended()


def test_hops_are_counted(clear, capture):
    hop = b"Received: from a by b; Sat, 21 Nov 2026 09:00:00 +0000\r\n"
    with Raw(clear) as c:
        c.greet()
        for n, code in ((50, 250), (51, 554)):
            c.envelope().say(b"DATA\r\n").reply(354)
            c.say(hop * n + b"Subject: x\r\n\r\nx\r\n.\r\n")
            assert c.reply(code)[0].split()[1] in ("2.0.0", "5.4.6")
    capture.wait(1)


def test_no_rule_no_hope_is_said_at_rcpt(make_gateway, capture):
    g = make_gateway(capture.port, portal=False,
                     rules='rule "no" { try = { reject } }\n')
    with Raw(g) as c:
        c.greet()
        c.say(b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nRCPT TO:<postmaster>\r\n"
              % (SENDER.encode(), CAROL.encode()))
        c.reply(250)
        assert re.match(r"550 5\.7\.\d+ \S+", c.reply(550)[0])
        c.reply(250)


def test_many_sessions_at_once(clear, capture):
    smtp_source("-s", "15", "-m", "300", "-l", "10240", "-f", SENDER,
                "-t", CAROL, "127.0.0.1:%d" % clear.port)
    capture.wait(300)


def test_stopping_says_421_and_finishes(clear, capture):
    idle, busy = Raw(clear), Raw(clear)
    with idle, busy:
        idle.greet()
        busy.greet()
        busy.envelope().say(b"DATA\r\n").reply(354)
        busy.say(b"Subject: x\r\n\r\n")
        clear.proc.terminate()
        assert idle.reply(421)[0].startswith("421 4.3.2")
        assert idle.ended()
        busy.say(b"last words\r\n.\r\n").reply(250)
    assert clear.stop() == 0
    wait_for("the log's end", lambda: "last words" not in clear.log())


def passes(n, host):
    return "".join("Received: from x (x [192.0.2.1])\r\n\tby %s with ESMTP id %013d;\r\n"
                   "\tSat, 21 Nov 2026 09:00:00 +0000\r\n" % (host, i) for i in range(n))


@pytest.mark.parametrize("inbound", [False, True])
def test_mail_that_was_here_too_often_goes_in_circles(make_gateway, capture, inbound):
    """Our own trace fields are the marker; those of others have a limit of their own."""
    gw = make_gateway(capture.port, rules='rule "default" { try = { clear } }\n',
                      listen_in="", inbound=capture.port)
    hand_in = gw.send_in if inbound else gw.send
    ends = ("eve@partner.example", "ann@sender.example") if inbound else (
        "ann@sender.example", "eve@partner.example")
    rows = [(passes(11, "gw.sender.example"), 554), (passes(11, "GW.Sender.example"), 554),
            (passes(10, "gw.sender.example"), 250), (passes(11, "gw.sender.example.net"), 250),
            (passes(11, "other.example"), 250), (passes(51, "other.example"), 554)]
    for trace, wanted in rows:
        msg = trace.encode() + message(sender=ends[0], to=ends[1])
        try:
            hand_in(*ends, msg)
            code, said = 250, b""
        except smtplib.SMTPDataError as e:
            code, said = e.smtp_code, e.smtp_error
        assert code == wanted, (trace[:80], said)
        assert code == 250 or b"5.4.6" in said
    capture.wait(3)


def test_the_limits_that_are_told_are_kept(make_gateway, capture):
    """RFC 9422: MAILMAX and RCPTMAX; of domains there is no limit, and none is told."""
    gw = make_gateway(capture.port, rules=CLEAR, portal=False,
                      limits="messages = 2 recipients = 3")
    with Raw(gw) as c:
        limits = [x[4:] for x in c.greet() if x[4:].startswith("LIMITS")]
        assert limits == ["LIMITS MAILMAX=2 RCPTMAX=3"]
        for _ in range(2):
            c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
            for n in range(3):
                c.say(b"RCPT TO:<x@d%d.example>\r\n" % n).reply(250)
            c.say(b"RCPT TO:<x@d3.example>\r\n").reply(452)
            c.say(b"RSET\r\n").reply(250)
        c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(421)
        with pytest.raises((EOFError, ConnectionError)):
            c.line()
