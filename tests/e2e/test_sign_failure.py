# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P1 for signatures: a gpg that fails, lies, dies or hangs while it signs, and a
process with the private keys that dies or hangs, never lead to mail that leaves
unsigned although there is a key, let alone readable although it was to be
sealed."""
import os
import signal
import smtplib
import threading
import time

import pytest

from harness import message, wait_for
from test_engine_failure import (ALICE, BOB, CANARY, MODES, RULES, SENDER,
                                 assert_nothing_came_out, misbehave, outcome, start)
from test_sign import MAY, signers
from test_sign_smime import bundle

CAROL = "carol@partner.example"
RULES.update({
    "sign-clear": 'rule "r" { try = { clear } sign = if-possible }\n',
    "sign-must": 'rule "r" { try = { clear } sign = required }\n',
    "sign-both": 'rule "r" { try = { pgp, clear } sign = required }\n',
    "sign-pgp": 'rule "r" { try = { pgp, clear } sign = if-possible }\n',
})
__all__ = ["start", "signers"]  # fixtures

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="putting a program in the place "
                                "of gpg needs root")


def listed(gw):
    """Let the client sign; what start() writes does not."""
    text = gw.conf.read_text().replace("listen outbound {", "listen outbound { " + MAY)
    gw.conf.write_text(text)
    gw.cli("reload")


@needs_root
@pytest.mark.parametrize("rules, to", [("sign-clear", CAROL), ("sign-must", CAROL),
                                       ("sign-pgp", BOB)])
def test_a_gpg_that_fails_while_it_signs(start, capture, keys, signers, rules, to):
    gw = start(rules, signers, keys.bob_asc)
    listed(gw)
    wait_for("a first signature", lambda: outcome(gw, [to]) == 250)
    first = capture.wait(1)[0].data
    assert b"multipart/signed" in first or b"multipart/encrypted" in first
    capture.messages.clear()
    capture.sessions.clear()
    for mode in MODES:
        misbehave(gw, mode)
        assert outcome(gw, [to]) == 451, mode
        assert_nothing_came_out(gw, capture)
    misbehave(gw, "")
    wait_for("gpg to sign again", lambda: outcome(gw, [to]) == 250)
    assert b"multipart/signed" in capture.wait(1)[0].data or to == BOB


def hand_in(gw, to, results):
    try:
        with smtplib.SMTP("127.0.0.1", gw.port, timeout=120) as s:
            s.ehlo("client.sender.example")
            s.sendmail(SENDER, [to], message(to=to, body=CANARY + "\r\n"))
        results[to] = 250
    except smtplib.SMTPResponseException as e:
        results[to] = e.smtp_code


def hand_in_at_once(gw, recipients, results):
    threads = [threading.Thread(target=hand_in, args=(gw, to, results)) for to in recipients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


@needs_root
def test_an_engine_that_takes_too_long(start, capture, keys, signers):
    """One message is to be sealed, the other only to be signed."""
    gw, results = start("sign-both", signers, keys.bob_asc), {}
    gw.stop()
    gw.conf.write_text(gw.conf.read_text() + "limits { engine = 5s }\n")
    gw.start()
    listed(gw)
    for to in (CAROL, BOB):
        wait_for("a first signature", lambda: (hand_in(gw, to, results),
                                               results[to] == 250)[1])
    capture.wait(2)
    capture.messages.clear()
    capture.sessions.clear()
    before = gw.pids()["pgp"]
    misbehave(gw, "hang")
    hand_in_at_once(gw, (BOB, CAROL), results)
    assert results == {BOB: 451, CAROL: 451}
    assert_nothing_came_out(gw, capture)
    misbehave(gw, "")
    wait_for("another pgp process", lambda: set(gw.pids().get("pgp", before)) - set(before))
    for to in (CAROL, BOB):
        wait_for("gpg to work again", lambda: (hand_in(gw, to, results),
                                               results[to] == 250)[1])


@pytest.fixture
def signing(make_gateway, capture, keys, signers):
    """alice gets S/MIME, bob PGP/MIME, carol readable mail; all signed."""
    both = bundle(keys, SENDER, "sam-failing")[1]
    return make_gateway(capture.port, listen=MAY, limits="workers = 3",
                        import_keys=[both, signers, keys.alice_crt, keys.bob_asc],
                        rules='rule "all" { try = { smime, pgp, clear } sign = if-possible }\n')


def test_keys_that_hang_while_they_are_needed(signing, capture):
    gw, results = signing, {}
    pid = gw.pids()["keys"][0]
    os.kill(pid, signal.SIGSTOP)
    try:
        hand_in_at_once(gw, (ALICE, BOB, CAROL), results)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert results == {ALICE: 451, BOB: 451, CAROL: 451}
    assert not capture.messages
    assert CANARY.encode() not in capture.everything() + gw.log().encode()
    for to in (ALICE, BOB, CAROL):
        wait_for("a signature for " + to, lambda: (hand_in(gw, to, results),
                                                   results[to] == 250)[1])


def test_keys_that_die_while_they_are_needed(signing, capture):
    gw, stop = signing, threading.Event()

    def kill():
        while not stop.is_set():
            for pid in gw.pids().get("keys", []):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)

    killer, seen = threading.Thread(target=kill), []
    killer.start()
    try:
        for to in (ALICE, BOB, CAROL):
            results = {}
            hand_in(gw, to, results)
            seen.append(results[to])
    finally:
        stop.set()
        killer.join()
    assert set(seen) <= {250, 451} and 451 in seen
    for m in capture.messages:
        assert b"multipart/signed" in m.data or CANARY.encode() not in m.data
