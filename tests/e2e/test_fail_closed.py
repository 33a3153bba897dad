# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P1: no error leads to a weaker rung. A canary must never be seen on the wire."""
import os
import signal
import smtplib
import subprocess
import threading
import time

import pytest

from harness import Gateway, message, wait_for

SENDER = "sam@sender.example"
ALICE, BOB, CAROL = "alice@partner.example", "bob@partner.example", "carol@partner.example"
CANARY = b"canary-0816-canary"
OPPORTUNISTIC = 'rule "opportunistic" { try = { smime, pgp, clear } }\n'


def text(to):
    return message(body=CANARY.decode() + "\r\n", to=to)


def send_outcome(gw, to):
    """The reply code that the client saw in the end."""
    try:
        gw.send(SENDER, to, text(to))
        return 250
    except smtplib.SMTPResponseException as e:
        return e.smtp_code
    except smtplib.SMTPRecipientsRefused as e:
        return list(e.recipients.values())[0][0]


def test_a_dead_engine_never_leads_to_clear(make_gateway, capture, keys):
    """gpg is killed again and again while mail for a key comes in."""
    gw = make_gateway(capture.port, import_keys=[keys.bob_asc], rules=OPPORTUNISTIC)
    stop = threading.Event()

    def kill_pgp():
        while not stop.is_set():
            for pid in gw.pids().get("pgp", []):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)

    killer = threading.Thread(target=kill_pgp)
    killer.start()
    try:
        codes = {send_outcome(gw, BOB) for _ in range(3)}
    finally:
        stop.set()
        killer.join()
    assert codes <= {451, 250}
    for m in capture.messages:
        assert b"multipart/encrypted" in m.data
    assert CANARY not in capture.everything()


def test_an_expired_key_never_leads_to_clear(make_gateway, capture, keys):
    expired = keys.root / "late.asc"
    keys.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--faked-system-time",
             "20200101T000000", "--quick-generate-key", "Late <late@partner.example>",
             "future-default", "default", "30d")
    expired.write_bytes(keys.gpg("--armor", "--export", "late@partner.example").stdout)
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC)
    gw.cli("key", "import", expired)
    assert send_outcome(gw, "late@partner.example") == 451
    assert send_outcome(gw, CAROL) == 250
    assert [m.rcpts for m in capture.wait(1)] == [[CAROL]]


def test_a_dead_discovery_never_leads_to_a_weaker_rung(make_gateway, capture, keys):
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC,
                      options="discovery { timeout = 3s }\n")
    assert send_outcome(gw, CAROL) == 250  # definitely no key: the rule says clear
    capture.wait(1)
    for pid in gw.pids()["discovery"]:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert send_outcome(gw, CAROL) == 451
    finally:
        for pid in gw.pids()["discovery"]:
            os.kill(pid, signal.SIGCONT)
    assert len(capture.messages) == 1
    wait_for("discovery to answer again", lambda: send_outcome(gw, CAROL) == 250)


def test_a_malformed_message_matches_every_raising_rule(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "asked-for" { subject-tag = "[secure]" try = { smime, reject } }
rule "default" { try = { clear } }
''')
    twice = text(ALICE).replace(b"Subject: A test\r\n",
                                b"Subject: A test\r\nSubject: another\r\n")
    gw.send(SENDER, ALICE, twice)
    got = capture.wait(1)[0]
    assert b"pkcs7-mime" in got.data
    assert CANARY not in capture.everything()


def test_a_key_store_that_breaks_defers(make_gateway, capture, keys):
    """The workers' view of the keystore goes bad under them: no answer, no clear."""
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=OPPORTUNISTIC)
    assert send_outcome(gw, ALICE) == 250
    capture.wait(1)
    data = gw.state / "keystore" / "data.mdb"
    size = data.stat().st_size
    with open(data, "r+b") as f:
        f.write(b"\xff" * size)
    codes = [send_outcome(gw, ALICE) for _ in range(3)]
    gw.stop()
    assert CANARY not in capture.everything()
    assert all(b"pkcs7-mime" in m.data for m in capture.messages)
    assert all(c in (250, 451) for c in codes)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_refuses_and_loses_nothing(capture, keys, root):
    mount = root / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", str(mount)],
                   check=True)
    gw = Gateway(mount / "gw", capture.port, limits="free-space = 4M",
                 retry="first = 1s max = 2s")
    try:
        capture.verbs["MAIL"] = lambda line: (451, "4.3.0 later")
        gw.start()
        gw.cli("key", "import", keys.alice_crt)
        body = ("z" * 70 + "\r\n") * 4000
        accepted, codes = 0, []
        for _ in range(120):
            try:
                gw.send(SENDER, ALICE, message(body=CANARY.decode() + "\r\n" + body))
                accepted += 1
            except smtplib.SMTPResponseException as e:
                codes.append(e.smtp_code)
                if len(codes) > 5:
                    break
        assert codes and set(codes) <= {451, 452}
        assert accepted > 3
        del capture.verbs["MAIL"]
        gw.cli("queue", "flush")
        capture.wait(accepted)
        assert CANARY not in capture.everything()
        # room again: mail is taken again
        wait_for("room", lambda: send_outcome(gw, ALICE) == 250)
    finally:
        gw.close()
        subprocess.run(["umount", "-l", str(mount)], check=False)
