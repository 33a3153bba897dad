# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""One message stays one message: no sequence of line ends, dots and NULs but
CRLF.CRLF ends it, in DATA or BDAT, however it is cut. The same suite finds a
server that believes others. And TLS that ends inside of a message ends it."""
import os
import socket
import ssl
import time

import pytest

from capture import EXTENSIONS, Capture
from harness import wait_for
from peers import Postfix
from test_auth import Tls
from test_smtp_in import Raw

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
CLEAR = 'rule "all" { try = { clear } }\n'
SEQUENCES = {
    "A1": b"\n.\n", "A2": b"\n.\r\n", "A3": b"\r.\r", "A4": b"\r.\r\n", "A5": b"\r\n.\n",
    "A6": b"\r\n.\r", "A8": b"\r\n\0.\r\n", "A9": b"\r\0\n.\r\n", "A11": b"\r\n.\0\r\n",
    "A12": b"\r\n.\r\0\n", "B1": b"\r\n.\r\r\n", "B2": b"\r\r\n.\r\r\n", "B3": b"\n.\r",
    "B4": b"\r.\n", "B5": b"\n\r.\n\r", "B6": b"\r\n..\n", "B7": b"\n..\r\n", "B8": b"\r\n.\n\r\n",
}
# the true end is in these: what is before it is spoilt, what is behind it is no message's
ENDS = {"A7": b"\0\r\n.\r\n", "A13": b"\r\n.\r\n\0", "B9": b"\n\r\n.\r\n", "B10": b"\r\r\n.\r\n"}
HEAD = b"Subject: outer\r\n\r\nfirst"
INNER = (b"MAIL FROM:<evil@sender.example>\r\nRCPT TO:<victim@partner.example>\r\nDATA\r\n"
         b"Subject: smuggled\r\n\r\nx")


class At:
    def __init__(self, port):
        self.port = port


def replies(c):
    out = []
    try:
        while not out or not out[-1].startswith(("221", "421")):
            out.append(c.reply()[-1])
    except (EOFError, ConnectionError):
        pass
    return out


def attack(port, data, cut, bdat=False):
    """Send data as the contents of a message, in two pieces; what was said."""
    with Raw(At(port)) as c:
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c.greet()
        c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
        c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode()).reply(250)
        if bdat:
            data = b"BDAT %d LAST\r\n" % len(data) + data
            cut += len(data) - len(data.split(b"\r\n", 1)[1])
        else:
            c.say(b"DATA\r\n").reply(354)
            data += b"\r\n.\r\n"
        c.say(data[:cut])
        time.sleep(0.001)
        c.say(data[cut:] + b"QUIT\r\n")
        return replies(c)


def cuts(seq):
    return range(len(HEAD) - 1, len(HEAD) + len(seq) + 2)


def is_smuggled(said):
    return any(x.startswith("354") for x in said)


@pytest.fixture
def gw(make_gateway, capture):
    return make_gateway(capture.port, rules=CLEAR, portal=False, limits="errors = 100")


def test_nothing_but_crlf_dot_crlf_ends_a_message(gw, capture):
    for name, seq in SEQUENCES.items():
        for cut in cuts(seq):
            said = attack(gw.port, HEAD + seq + INNER, cut)
            assert [x[:3] for x in said] == ["554", "221"], (name, cut, said)
    for name, seq in ENDS.items():
        for cut in cuts(seq):
            said = attack(gw.port, HEAD + seq, cut)
            first = "250" if name == "A13" else "554"
            assert said[0].startswith(first), (name, cut, said)
            assert not is_smuggled(said)
    wait_for("nothing to be left", lambda: not gw.cli_json("queue", "list"))
    assert not [m for m in capture.messages if "evil" in m.mail_from]
    assert all(b"smuggled" not in m.data for m in capture.messages)


def test_a_chunk_is_counted_not_read(gw, capture):
    every = {**SEQUENCES, **ENDS}
    for name, seq in every.items():
        for cut in cuts(seq):
            said = attack(gw.port, HEAD + seq + INNER, cut, bdat=True)
            assert [x[:3] for x in said] == ["554", "221"], (name, cut, said)
    assert not capture.messages
    said = attack(gw.port, HEAD + b"\r\n.\r\n" + INNER + b"\r\n..\r\n", 30, bdat=True)
    assert [x[:3] for x in said] == ["250", "221"], said
    got = wait_for("it", lambda: capture.messages)
    assert len(got) == 1 and got[0].data.endswith(b"first\r\n.\r\n" + INNER + b"\r\n..\r\n")


def test_what_goes_out_in_data_has_its_dots_stuffed(make_gateway):
    plain = Capture(extensions=[x for x in EXTENSIONS if x != "CHUNKING"]).start()
    gw = make_gateway(plain.port, rules=CLEAR, portal=False)
    data = HEAD + b"\r\n.\r\n" + INNER + b"\r\n.\r\n..\r\n.x\r\n"
    assert attack(gw.port, data, 30, bdat=True)[0].startswith("250")
    got = wait_for("it", lambda: plain.messages)[0]
    assert not got.chunked and got.data.endswith(data) and got.mail_from == SENDER
    wire = b"".join(bytes(s.plain) for s in plain.sessions)
    assert b"\r\n..\r\nMAIL FROM:<evil" in wire and b"\r\n.\r\nMAIL" not in wire
    rest = wire.replace(b"\r\n", b"")
    assert b"\r" not in rest and b"\n" not in rest and b"\0" not in rest
    wait_for("nothing to be left", lambda: not gw.cli_json("queue", "list"))
    assert len(plain.messages) == 1
    plain.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")
def test_the_suite_finds_a_server_that_believes_others(capture):
    peer = Postfix(next_hop=capture.port).start()
    try:
        found = {name for name, seq in SEQUENCES.items()
                 if is_smuggled(attack(peer.port, HEAD + seq + INNER, len(HEAD)))}
    finally:
        peer.stop()
    assert {"A1", "A2", "A5"} <= found, found


def end_tls(c):
    """close_notify, then octets in the clear; what came back to those."""
    sock = c.sock
    try:
        raw = sock.unwrap()
    except (OSError, ssl.SSLError):
        return b""
    got = b""
    try:
        raw.sendall(b"x" * 2000 + b"\r\nNOOP\r\nMAIL FROM:<evil@sender.example>\r\n")
        raw.settimeout(5)
        while True:
            more = raw.recv(4096)
            if not more:
                break
            got += more
    except OSError:
        pass
    raw.close()
    return got


def test_tls_that_ends_ends_the_message(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, tls=True)
    before = gw.pids()["listener"]
    starts = (b"BDAT 1000 LAST\r\nSubject: x", b"BDAT 1000\r\nSubject: x", b"DATA\r\nSubject: x\r\n\r\n",
              b"BDAT 10\r\n0123456789BDAT 1000 LAST\r\n", b"RSET\r\nNOO", b"")
    for start in starts:
        with Tls(gw) as c:
            c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
            c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode()).reply(250)
            c.say(start)
            assert end_tls(c) == b"", start
    with Tls(gw) as c:  # cut without a word
        c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
        c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode()).reply(250)
        c.say(b"BDAT 1000 LAST\r\nx")
        os.close(c.sock.detach())
    with Tls(gw) as c:
        c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
        c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode()).reply(250)
        c.say(b"BDAT 13 LAST\r\nSubject: y\r\n\r").reply(554)
    assert gw.pids()["listener"] == before
    assert not capture.messages
