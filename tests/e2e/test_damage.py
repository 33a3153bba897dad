# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P1, P2: files of our own that are damaged, full or gone. The sender is asked
to come again, nothing goes out weaker, and who is not concerned gets theirs."""
import os
import shutil
import smtplib
import subprocess

import pytest

from harness import message, run, wait_for

SENDER = "sam@sender.example"
ALICE, BOB, CAROL = "alice@partner.example", "bob@partner.example", "carol@partner.example"
CANARY = b"canary-0819-canary"
OPPORTUNISTIC = 'rule "opportunistic" { try = { smime, pgp, clear } }\n'


def text(to, size=0):
    return message(body=CANARY.decode() + "\r\n" + ("z" * 70 + "\r\n") * (size // 72), to=to)


def outcome(gw, rcpts, msg):
    try:
        gw.send(SENDER, rcpts, msg)
        return 250
    except smtplib.SMTPResponseException as e:
        return e.smtp_code
    except smtplib.SMTPRecipientsRefused as e:
        return list(e.recipients.values())[0][0]


def alter(path, old, new):
    """Write new over each old in the file."""
    data = bytearray(path.read_bytes())
    at = data.find(old)
    assert at >= 0
    while at >= 0:
        data[at:at + len(new)] = new
        at = data.find(old, at + 1)
    path.write_bytes(data)


@pytest.mark.parametrize("where", ["start", "modulus", "end", "openpgp"])
def test_a_damaged_key_fails_and_others_get_theirs(make_gateway, capture, keys, where):
    """One octet of what the keystore has is not what was imported."""
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC,
                      import_keys=[keys.alice_crt, keys.ec_crt, keys.bob_asc])
    gw.stop()
    if where == "openpgp":
        victim = BOB
        whole = keys.gpg("--export", BOB).stdout
    else:
        victim = ALICE
        whole = run("openssl", "x509", "-in", keys.alice_crt, "-outform", "DER").stdout
    at = {"start": 0, "modulus": 200, "end": len(whole) - 70, "openpgp": 20}[where]
    old = whole[at:at + 64]
    alter(gw.state / "keystore" / "data.mdb", old, bytes([old[0] ^ 1]) + old[1:])
    gw.start()
    assert outcome(gw, victim, text(victim)) == 451
    assert outcome(gw, [victim, "erin@partner.example"],
                   text(victim + ", erin@partner.example")) == 250
    got = capture.wait(1)
    assert got[0].rcpts == ["erin@partner.example"] and b"pkcs7-mime" in got[0].data
    wait_for("one to wait", lambda: [
        (r["addr"], e["why"]) for e in gw.cli_json("queue", "list") for r in e["rcpts"]
    ] == [(victim, "undecided")])
    assert CANARY not in capture.everything()


@pytest.mark.parametrize("name, rcpt", [("bodies", ALICE), ("escrow", CAROL)])
def test_a_directory_that_is_gone_bounces_nothing(make_gateway, capture, keys, name, rcpt):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt])
    shutil.rmtree(gw.state / name)
    assert outcome(gw, rcpt, text(rcpt, 400000)) == 451
    assert "event=not-written dir=\"%s\"" % (gw.state / name) in gw.log()
    assert not capture.messages


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize("name, rcpt", [("bodies", ALICE), ("escrow", CAROL)])
def test_one_directory_full_while_others_have_room(make_gateway, capture, keys, name, rcpt):
    capture.extensions = ["8BITMIME"]
    capture.verbs["MAIL"] = lambda line: (451, "4.3.0 later")
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt],
                      retry="first = 200ms max = 400ms")
    gw.stop()
    place = gw.state / name
    run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place)
    try:
        gw.start()
        codes = [outcome(gw, rcpt, text(rcpt, 400000)) for _ in range(4)]
        assert 250 in codes and 452 in codes and set(codes) == {250, 452}
        # nothing half-made is left, and small mail goes on
        wait_for("what was half-made to go", lambda: len(list(place.iterdir())) ==
                 codes.count(250))
        assert outcome(gw, ALICE, text(ALICE)) == 250
        # one for whom there is no room: all or nothing
        assert outcome(gw, [ALICE, CAROL], text(ALICE, 400000)) == 452
        capture.verbs.clear()
        capture.wait(codes.count(250) + 1)
        wait_for("nothing to be left", lambda: not gw.cli_json("queue", "list"))
        assert len(capture.messages) == codes.count(250) + 1
        assert CANARY not in capture.everything()
    finally:
        gw.stop()
        subprocess.run(["umount", "-l", str(place)], check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_disk_without_files_left_refuses_and_recovers(make_gateway, capture, keys):
    """Space there is, inodes there are not: 452 before it comes to that, what is
    in the queue goes on, and mail is taken again once there is room."""
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], retry="first = 200ms")
    gw.stop()
    moved = gw.root / "moved"
    gw.state.rename(moved)
    gw.state.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=300m,nr_inodes=400", "tmpfs", gw.state)
    run("cp", "-a", str(moved) + "/.", gw.state)
    try:
        gw.start()
        assert outcome(gw, ALICE, text(ALICE, 400000)) == 250
        fill = gw.state / "fill"
        fill.mkdir()
        with pytest.raises(OSError):
            for n in range(1000):
                (fill / str(n)).touch()
        codes = [wait_for("a refusal", lambda: outcome(gw, ALICE, text(ALICE)) == 452)]
        codes += [outcome(gw, rcpt, text(rcpt, size)) for rcpt in (ALICE, CAROL)
                  for size in (0, 400000)]
        assert set(codes) == {True, 452}
        assert "intake-closed" in gw.log()
        shutil.rmtree(fill)
        wait_for("room", lambda: outcome(gw, ALICE, text(ALICE)) == 250)
        assert outcome(gw, CAROL, text(CAROL)) == 250
        wait_for("nothing to wait", lambda: gw.cli_json("queue", "list") == [])
        assert CANARY not in capture.everything()
        gw.cli("audit", "verify")
    finally:
        gw.stop()
        subprocess.run(["umount", "-l", str(gw.state)], check=False)
