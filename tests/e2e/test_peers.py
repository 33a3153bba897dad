# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Postfix, Exim and OpenSMTPD in front of and behind the gateway, Dovecot's
LMTP behind it: what they hand in leaves sealed, and what they are given they
pass on octet for octet."""
import os
import re
import smtplib

import pytest

from capture import Capture
from harness import message, wait_for
from peers import DovecotLmtp, Exim, OpenSMTPD, Postfix

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="their users and paths need root")

ALICE = "alice@partner.example"
CANARY = b"canary-7731-canary"
LINES = "".join("%03d %s\r\n" % (n, "z" * (n % 70)) for n in range(300))
# a dot at the start of a line, and one alone
BODY = CANARY.decode() + "\r\n.dot\r\n..\r\n" + LINES


@pytest.fixture
def peer():
    made = []

    def make(kind, *args):
        made.append(kind(*args))
        return made[-1].start()
    yield make
    for p in made:
        p.stop()


def body_of(octets):
    return octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2].rstrip(b"\n")


@pytest.mark.parametrize("kind", [Postfix, Exim, OpenSMTPD])
def test_a_server_hands_in_and_takes_on(make_gateway, capture, keys, peer, kind):
    """client -> server -> gateway -> another of its kind -> capture"""
    behind = peer(kind, capture.port)
    gw = make_gateway(behind.port, import_keys=[keys.alice_crt])
    before = peer(kind, gw.port)
    with smtplib.SMTP("127.0.0.1", before.port, timeout=90) as s:
        s.sendmail("sam@sender.example", [ALICE, "erin@partner.example"],
                   message(body=BODY, to=ALICE))
        s.sendmail("sam@sender.example", [ALICE], message(body=BODY, to=ALICE))
    got = [m for m in capture.wait(2) if ALICE in m.rcpts]
    wait_for("both", lambda: len([m for m in capture.messages if ALICE in m.rcpts]) == 2)
    for m in got:
        opened = keys.open_smime(m.data, keys.alice_key)
        assert opened.replace(b"\r\n", b"\n").endswith(
            BODY.replace("\r\n", "\n").encode())
    assert CANARY not in capture.everything()
    assert wait_for("an empty queue", lambda: [
        e for e in gw.cli_json("queue", "list") if e["kind"] == "ready"] == [])


def test_dovecot_takes_each_recipient_by_lmtp(make_gateway, keys, peer):
    """Mail from outside to the internal server, which refuses one of two."""
    dovecot = peer(DovecotLmtp)
    sink = Capture().start()
    try:
        gw = make_gateway(sink.port, start=False, listen_in="", inbound=dovecot.port,
                          rules='rule "default" { try = { clear } }\n')
        gw.conf.write_text(gw.conf.read_text().replace(
            'relay inbound { via = "127.0.0.1:', 'relay inbound { via = "lmtp://127.0.0.1:'))
        gw.start()
        msg = message(body=BODY, sender="eve@partner.example", to="ann@sender.example")
        gw.send_in("eve@partner.example", ["ann@sender.example", "ben@sender.example"], msg)
        for user in "ann", "ben":
            kept = wait_for(user, lambda u=user: dovecot.messages(u))
            assert body_of(kept[0]) == body_of(msg)
            assert re.search(rb"Return-Path: <eve@partner.example>", kept[0])
        assert wait_for("an empty queue", lambda: gw.cli_json("queue", "list") == [])
    finally:
        sink.stop()
