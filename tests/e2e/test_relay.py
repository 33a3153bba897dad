# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The relay against real servers and a capture peer. Its store is played by
tests/lib/relay_send; what is looked at is what arrives."""
import collections
import os
import subprocess

import pytest

from capture import Capture
from harness import BUILD, free_port, wait_for
from peers import Postfix, Sink, certificate

SEND = BUILD / "tests/lib/relay_send"
MESSAGE = (b"From: a@sender.example\r\nTo: b@partner.example\r\nSubject: hello\r\n"
           b"Date: Sat, 21 Nov 2026 09:08:07 +0000\r\n"
           b"Message-ID: <1@sender.example>\r\n\r\n"
           b"first\r\n.a dot\r\n..\r\n.\r\nlast\r\n")
FLOOR = {"opportunistic": "0", "encrypt": "1", "authenticated": "2"}

Result = collections.namedtuple("Result", "outcome code status peer tls text")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix wants to be started by root")


def send(port, message=MESSAGE, rcpts=("b@partner.example",), floor="opportunistic",
         lmtp=False):
    """Deliver once; the results by recipient."""
    args = [str(SEND), "-t", FLOOR[floor]] + (["-l"] if lmtp else [])
    args += [str(port), "a@sender.example", *rcpts]
    done = subprocess.run(args, input=message, capture_output=True, timeout=90,
                          check=True)
    return [Result(*line.split("\t")) for line in done.stdout.decode().splitlines()]


def same_text(got, sent):
    """Postfix puts its trace field first and changes nothing else."""
    return got.endswith(sent) and got[:-len(sent)].startswith((b"Received:", b""))


@pytest.fixture
def postfix():
    made = []

    def make(**options):
        p = Postfix(**options)
        made.append(p)
        return p.start()

    yield make
    for p in made:
        print("--- %s" % p.said())
        p.stop()


@as_root
def test_postfix_takes_it_and_passes_on_the_same_octets(postfix, capture):
    p = postfix(next_hop=capture.port)
    (r,) = send(p.port)
    assert r.outcome == "delivered" and r.code == "250", r
    assert r.tls == ""
    (m,) = capture.wait(1)
    assert same_text(m.data, MESSAGE), m.data


@as_root
def test_tls_is_used_when_postfix_offers_it(postfix, capture):
    p = postfix(next_hop=capture.port, tls=True)
    for floor in ("opportunistic", "encrypt"):
        (r,) = send(p.port, floor=floor)
        assert r.outcome == "delivered", r
        assert r.tls.startswith("TLSv1.3 TLS_") and r.tls.endswith(" encrypt"), r
    assert len(capture.wait(2)) == 2


@as_root
def test_without_tls_nothing_that_needs_it_is_said(postfix):
    p = postfix()
    for floor in ("encrypt", "authenticated"):
        (r,) = send(p.port, floor=floor)
        assert r.outcome == "deferred" and r.status == "4.7.5", r
    assert "from=<a@sender.example>" not in p.log()


@as_root
def test_a_large_message_in_chunks(postfix, capture):
    p = postfix(next_hop=capture.port, more="message_size_limit = 50000000")
    lines = b"".join(b".%07d 0123456789 abcdefghijklmnopqrstuvwxyz\r\n" % i
                     for i in range(100000))
    (r,) = send(p.port, b"Subject: large\r\n\r\n" + lines)
    assert r.outcome == "delivered", r
    (m,) = capture.wait(1)
    assert m.data.endswith(lines)


@as_root
def test_what_postfix_refuses_is_told_apart(postfix):
    p = postfix(more="smtpd_recipient_restrictions = check_recipient_access "
                     "inline:{no@partner.example=REJECT,later@partner.example=DEFER}")
    got = send(p.port, rcpts=("no@partner.example", "b@partner.example",
                              "later@partner.example"))
    assert [r.outcome for r in got] == ["failed", "delivered", "deferred"], got
    assert got[0].status == "5.7.1" and got[0].code == "554", got


@as_root
def test_postfix_would_refuse_the_size(postfix):
    p = postfix(more="message_size_limit = 10000")
    (r,) = send(p.port, b"Subject: x\r\n\r\n" + b"x" * 76 * 1 + b"\r\n" * 10000)
    assert r.outcome == "failed" and r.status == "5.3.4", r


# Every way of writing an end of message that some server takes for one
# (SEC Consult 2023; Wang et al., USENIX Security 2025). None of them may leave.
SMUGGLED = [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r",
            b"\0\r\n.\r\n", b"\r\n\0.\r\n", b"\r\0\n.\r\n", b"\r\n.\0\r\n",
            b"\r\n.\r\0\n", b"\r\n.\r\n\0", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n",
            b"\n.\r", b"\r.\n"]
SECOND = (b"MAIL FROM:<x@evil.example>\r\nRCPT TO:<y@evil.example>\r\nDATA\r\n"
          b"smuggled\r\n")


@pytest.mark.parametrize("chunking", [False, True])
def test_nothing_is_smuggled(chunking):
    extensions = ["PIPELINING", "8BITMIME"] + (["CHUNKING"] if chunking else [])
    peer = Capture(extensions=extensions).start()
    try:
        for sequence in SMUGGLED:
            (r,) = send(peer.port, MESSAGE + b"x" + sequence + SECOND)
            assert r.outcome == "failed" and r.status == "5.6.0", (sequence, r)
        assert b"smuggled" not in peer.everything()
        # the real end of a message inside one is stuffed, or counted
        (r,) = send(peer.port, MESSAGE + b"x\r\n.\r\n" + SECOND)
        assert r.outcome == "delivered", r
        (m,) = peer.wait(1)
        assert m.data == MESSAGE + b"x\r\n.\r\n" + SECOND
        assert m.mail_from is not None and len(peer.messages) == 1
    finally:
        peer.stop()


def test_lmtp(capture):
    peer = Capture(lmtp=True).start()
    try:
        got = send(peer.port, rcpts=("b@partner.example", "c@partner.example"),
                   lmtp=True)
        assert [r.outcome for r in got] == ["delivered", "delivered"], got
        assert peer.wait(1)[0].data == MESSAGE
    finally:
        peer.stop()


def test_a_closed_port_is_waited_for():
    (r,) = send(free_port())
    assert r.outcome == "deferred" and r.status == "4.4.1", r
    assert "refused" in r.text


def test_many_messages_through_few_sessions():
    sink = Sink().start()
    try:
        done = subprocess.run([str(SEND), "-n", "2000", str(sink.port),
                               "a@sender.example", "b@partner.example"],
                              input=MESSAGE, capture_output=True, timeout=120,
                              check=True)
        seconds, n = done.stdout.split()
        assert int(n) == 2000
        print("2000 messages in %s s" % seconds.decode())
    finally:
        sink.stop()


def test_tls_with_a_capture_peer_shows_nothing_in_clear(root):
    crt, key = certificate(root)
    peer = Capture(tls=(str(crt), str(key))).start()
    try:
        (r,) = send(peer.port, floor="encrypt")
        assert r.outcome == "delivered", r
        wait_for("the message", lambda: peer.messages)
        assert b"MAIL" not in peer.in_clear() and b"hello" not in peer.in_clear()
        assert peer.messages[0].data == MESSAGE
    finally:
        peer.stop()
