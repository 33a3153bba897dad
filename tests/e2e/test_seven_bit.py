# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Towards a next hop without 8BITMIME (RFC 6152 section 3) or without SMTPUTF8:
converted part by part where that breaks nothing, else back to the sender, and
never mangled."""
import base64
import email
import email.policy
import os
import quopri
import smtplib

import pytest

from capture import Capture
from harness import wait_for
from peers import Postfix

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
CLEAR = 'rule "default" { try = { clear } }\n'
RETRY = "first = 300ms max = 1s"
HEAD = ("From: %s\r\nTo: %s\r\nSubject: 8 bits\r\nMessage-ID: <8@sender.example>\r\n"
        "Date: Sat, 21 Nov 2026 09:08:07 +0000\r\nMIME-Version: 1.0\r\n" % (SENDER, CAROL)).encode()
TEXT = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
LINE = "gr\u00fc\u00dfe aus K\u00f6ln \r\n.\r\n".encode()
IMAGE = bytes(range(128, 256)) * 3
SIGNED = (b"Content-Type: multipart/signed; boundary=s; micalg=pgp-sha256;\r\n"
          b" protocol=\"application/pgp-signature\"\r\n\r\n--s\r\n" + TEXT + b"\r\n" + LINE +
          b"\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\nnone\r\n--s--\r\n")
MIXED = (b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
         b"--b\r\n" + TEXT + b"\r\n" + LINE +
         b"\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + IMAGE +
         b"\r\n--b--\r\n")
OLD = {"data": ("PIPELINING", "SIZE 104857600", "DSN"),
       "bdat": ("PIPELINING", "CHUNKING", "SIZE 104857600"),
       "plain": ()}


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.SMTP)


def is_ascii(data):
    return all(octet < 128 for octet in data)


@pytest.fixture
def inside():
    """Our own mail server, where notifications go."""
    c = Capture().start()
    yield c
    c.stop()


@pytest.mark.parametrize("kind", OLD)
def test_readable_mail_is_converted_part_by_part(make_gateway, inside, kind):
    """Small and larger than what is sent at once; the size that is said is the
    size that comes."""
    peer = Capture(extensions=OLD[kind]).start()
    try:
        g = make_gateway(peer.port, rules=CLEAR, retry=RETRY, inbound=inside.port)
        for times in (1, 20000):
            text = LINE * times
            sent = HEAD + MIXED.replace(LINE, text, 1)
            g.send(SENDER, CAROL, sent, mail_options=["BODY=8BITMIME"])
            got = peer.wait(1)[0]
            peer.messages.clear()
            assert is_ascii(got.data) and "8BITMIME" not in got.mail_params
            if OLD[kind]:
                assert "SIZE=%d" % len(got.data) in got.mail_params.split()
            m = parse(got.data)
            assert m["Content-Transfer-Encoding"] == "7bit"
            first, second = m.iter_parts()
            assert first["Content-Transfer-Encoding"] == "quoted-printable"
            got_text = quopri.decodestring(first.get_payload())
            assert got_text.replace(b"\r\n", b"\n") == text.replace(b"\r\n", b"\n")
            assert second["Content-Transfer-Encoding"] == "base64"
            assert base64.b64decode(second.get_payload()) == IMAGE
        assert not inside.messages
    finally:
        peer.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix wants to be started by root")
def test_a_postfix_that_takes_none(make_gateway, capture):
    p = Postfix(next_hop=capture.port, more="smtpd_discard_ehlo_keywords = 8bitmime, chunking")
    try:
        p.start()
        g = make_gateway(p.port, rules=CLEAR, retry=RETRY)
        g.send(SENDER, CAROL, HEAD + MIXED, mail_options=["BODY=8BITMIME"])
        got = capture.wait(1)[0]
        assert is_ascii(got.data)
        assert base64.b64decode(list(parse(got.data).iter_parts())[1].get_payload()) == IMAGE
    finally:
        p.stop()


def test_where_8_bits_are_taken_nothing_is_touched(make_gateway, capture):
    g = make_gateway(capture.port, rules=CLEAR)
    g.send(SENDER, CAROL, HEAD + MIXED, mail_options=["BODY=8BITMIME"])
    got = capture.wait(1)[0]
    assert got.data.endswith(MIXED) and "BODY=8BITMIME" in got.mail_params


@pytest.mark.parametrize("what,body", [
    ("signed", SIGNED),
    ("no label", b"\r\n" + LINE),
    ("between parts", MIXED.replace(b"\r\n\r\n--b", b"\r\n\r\n" + LINE + b"--b", 1)),
], ids=["signed", "no label", "between parts"])
def test_what_conversion_would_break_goes_back(make_gateway, inside, what, body):
    peer = Capture(extensions=OLD["data"]).start()
    try:
        g = make_gateway(peer.port, rules=CLEAR, retry=RETRY, inbound=inside.port)
        head = HEAD if what != "no label" else HEAD.replace(b"MIME-Version: 1.0\r\n", b"")
        g.send(SENDER, CAROL, head + body, mail_options=["BODY=8BITMIME"])
        m = inside.wait(1)[0]
        assert m.rcpts == [SENDER] and b"Status: 5.6.3" in m.data, (what, m.data)
        assert not any(line.startswith(b"DATA") for s in peer.sessions for line in s.lines)
        assert not peer.messages
    finally:
        peer.stop()


def test_sealed_mail_needs_no_conversion(make_gateway, keys):
    peer = Capture(extensions=OLD["data"]).start()
    try:
        g = make_gateway(peer.port, import_keys=[keys.alice_crt])
        g.send(SENDER, "alice@partner.example", HEAD + MIXED, mail_options=["BODY=8BITMIME"])
        got = peer.wait(1)[0]
        assert is_ascii(got.data) and b"pkcs7-mime" in got.data
        opened = parse(keys.open_smime(got.data, keys.alice_key))
        assert IMAGE in opened.as_bytes() or base64.b64decode(
            list(opened.iter_parts())[1].get_payload()) == IMAGE
    finally:
        peer.stop()


def utf8_outcome(port, sender, rcpt, subject):
    with smtplib.SMTP("127.0.0.1", port, timeout=90) as s:
        s.ehlo("client.sender.example")
        code, _ = s.docmd("MAIL", "FROM:<%s> SMTPUTF8 BODY=8BITMIME" % sender)
        assert code == 250
        s.command_encoding = "utf-8"
        code, text = s.docmd("RCPT", "TO:<%s>" % rcpt)
        assert code == 250, text
        head = "From: %s\r\nTo: %s\r\nSubject: %s\r\nMIME-Version: 1.0\r\n" % (sender, rcpt, subject)
        return s.data(head.encode() + TEXT + b"\r\n" + LINE)[0]


@pytest.mark.parametrize("rcpt,subject", [(CAROL, "Gr\u00fc\u00dfe"),
                                          ("j\u00f6rg@partner.example", "plain")])
def test_internationalised_mail_is_never_mangled(make_gateway, inside, rcpt, subject):
    """RFC 6531 section 3.5: to a hop without SMTPUTF8 not a word of it; with it,
    as it came."""
    old = Capture(extensions=("PIPELINING", "8BITMIME", "DSN")).start()
    try:
        g = make_gateway(old.port, rules=CLEAR, retry=RETRY, inbound=inside.port)
        assert utf8_outcome(g.port, SENDER, rcpt, subject) == 250
        m = inside.wait(1)[0]
        assert m.rcpts == [SENDER] and b"Status: 5.6.7" in m.data, m.data
        assert not old.messages and not any(
            line.startswith(b"DATA") for s in old.sessions for line in s.lines)
    finally:
        old.stop()


def test_internationalised_mail_goes_where_it_is_taken(make_gateway, capture):
    g = make_gateway(capture.port, rules=CLEAR)
    assert utf8_outcome(g.port, SENDER, "j\u00f6rg@partner.example", "Gr\u00fc\u00dfe") == 250
    got = capture.wait(1)[0]
    assert "SMTPUTF8" in got.mail_params and "Subject: Gr\u00fc\u00dfe".encode() in got.data
    wait_for("the end", lambda: g.cli_json("queue", "list") == [])
