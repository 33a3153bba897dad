#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A backup made while the gateway runs fills the keystore of another one, with
its private keys, history and settings; altered, cut or under another
passphrase it fills nothing."""
import pathlib
import signal
import subprocess
import time

import pytest

from harness import Gateway, Keys, message, wait_for
from test_seal import link_of, open_link

DATA = pathlib.Path(__file__).resolve().parents[2] / "tests" / "crypto" / "data"
RULES = 'rule "default" { try = { smime, pgp, hold } }\n'


@pytest.fixture(name="saved", scope="module")
def fixture_saved(module_root):
    """A gateway that was used, and its backups."""
    top = module_root
    keys = Keys(top / "keys")
    gw = Gateway(top / "gw", 9, portal=False, rules=RULES)
    gw.start()
    alice = keys.certificate("alice@saved.example")[0]
    gw.cli("key", "import", alice, DATA / "nina.sec.asc")
    gw.cli("key", "trust", "--level", "pinned", gw.cli_json(
        "key", "show", "alice@saved.example")[0]["fingerprint"])
    gw.cli("domain", "set", "--keys", "by-hand", "saved.example")
    gw.top = top
    gw.recovery = keys.certificate("recovery@saved.example", key=("rsa:3072",))
    (top / "pass").write_text("correct horse battery\n")
    gw.cli("backup", "--passphrase-file", top / "pass", top / "by-pass")
    gw.cli("backup", "--certificate", gw.recovery[0], top / "by-cert")
    yield gw
    gw.close()
    keys.close()


@pytest.fixture(name="fresh")
def fixture_fresh(root):
    gw = Gateway(root, 9, portal=False, rules=RULES)
    gw.start()
    yield gw
    gw.close()


def whole(gw):
    return (gw.cli_json("key", "list"), gw.cli_json("domain", "list"),
            gw.cli_json("key", "history", "alice@saved.example"))


def keys_of(gw):
    return gw.cli_json("key", "list")


@pytest.mark.parametrize("how", ["by-pass", "by-cert"])
def test_what_was_saved_is_restored(saved, fresh, how):
    key = fresh.root / "recovery.pem"
    key.write_bytes(saved.recovery[0].read_bytes() + saved.recovery[1].read_bytes())
    opener = (("--passphrase-file", saved.top / "pass") if how == "by-pass"
              else ("--key", key))
    fresh.cli("restore", *opener, saved.top / how)
    assert whole(fresh) == whole(saved)
    private = [k["fingerprint"] for k in keys_of(fresh) if k["private"]]
    assert private
    # sealed to this gateway now: it can be opened here
    fresh.cli("key", "export", "--secret", "--passphrase-file",
              saved.top / "pass", "--out", fresh.root / "bob.key", *private)
    again = fresh.cli("restore", *opener, saved.top / how, check=False)
    assert again.returncode == 1 and b"empty" in again.stderr


def test_it_is_sealed_and_nobody_elses(saved):
    for name in ("by-pass", "by-cert"):
        path = saved.top / name
        assert oct(path.stat().st_mode)[-3:] == "600"
        octets = path.read_bytes()
        assert octets.startswith(b"sealgate-backup\n")
        assert b"alice@saved.example" not in octets
    # and none is written over
    done = saved.cli("backup", "--passphrase-file", saved.top / "pass",
                     saved.top / "by-pass", check=False)
    assert done.returncode != 0
    assert (saved.top / "by-pass").stat().st_size > 1000


def damage(octets, how):
    if how == "header":
        return octets[:25] + bytes([octets[25] ^ 1]) + octets[26:]
    if how == "body":
        return octets[:-200] + bytes([octets[-200] ^ 1]) + octets[-199:]
    if how == "cut":
        return octets[:-1]
    if how == "longer":
        return octets + b"x"
    if how == "headless":
        return octets[1:]
    return octets[:10]


def test_what_was_altered_fills_nothing(saved, fresh):
    whole_file = (saved.top / "by-pass").read_bytes()
    for how in ("header", "body", "cut", "longer", "headless", "short"):
        bad = fresh.root / how
        bad.write_bytes(damage(whole_file, how))
        done = fresh.cli("restore", "--passphrase-file", saved.top / "pass", bad,
                         check=False)
        assert done.returncode in (1, 3) and done.stderr, (how, done)
        assert keys_of(fresh) == [], how


def test_another_passphrase_or_key_opens_nothing(saved, fresh):
    wrong = fresh.root / "wrong"
    wrong.write_text("another\n")
    done = fresh.cli("restore", "--passphrase-file", wrong, saved.top / "by-pass",
                     check=False)
    assert done.returncode in (1, 3)
    done = fresh.cli("restore", "--passphrase-file", saved.top / "pass",
                     saved.top / "by-cert", check=False)
    assert done.returncode in (1, 3) and b"certificate" in done.stderr
    assert keys_of(fresh) == []


def test_killed_while_it_restores_nothing_is_there(saved, fresh):
    for wait in (0.02, 0.2, 0.5):
        with subprocess.Popen(
                [str(fresh.build / "sealgate"), "-f", str(fresh.conf), "restore",
                 "--passphrase-file", str(saved.top / "pass"),
                 str(saved.top / "by-pass")], stderr=subprocess.DEVNULL) as child:
            time.sleep(wait)
            child.send_signal(signal.SIGKILL)
        if keys_of(fresh):
            assert whole(fresh) == whole(saved)
            return
    # the last one may have died with its commit in the file and not yet in the lock
    # file: who reads sees nothing until the next writer has put that right
    done = fresh.cli("restore", "--passphrase-file", saved.top / "pass",
                     saved.top / "by-pass", check=False)
    assert done.returncode == 0 or b"an empty one" in done.stderr, done
    assert whole(fresh) == whole(saved)


# --- the whole state

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
CANARY = "canary-9313-canary"
HOLD = ('rule "held" { to = "held@partner.example" try = { hold } }\n'
        'rule "clear" { to = "@clear.example" try = { clear } }\n'
        'rule "default" { try = { smime, pgp, escrow } }\n')


def moved(make_gateway, capture, old, copy):
    """A gateway on the copy, as another machine has it."""
    new = make_gateway(capture.port, start=False, rules=HOLD)
    copy.rename(new.state)
    (new.root / "master.key").write_bytes((old.root / "master.key").read_bytes())
    (new.root / "master.key").chmod(0o400)
    return new.start()


def test_the_whole_state_moves_to_another_machine(make_gateway, capture, root, keys):
    old = make_gateway(capture.port, rules=HOLD, import_keys=[keys.alice_crt])
    old.send(SENDER, CAROL, message(body=CANARY + "\r\n", to=CAROL))
    link = link_of(capture.wait(1)[0].data)
    old.send(SENDER, "done@clear.example", message(body="done already\r\n"))
    capture.wait(2)
    wait_for("their records", lambda: {CAROL, "done@clear.example"} <= {
        r["rec"].get("rcpt") for r in old.audit() if r["rec"]["type"] == "sent"})
    capture.verbs["."] = lambda line: (451, "4.3.0 later")
    large = CANARY + "\r\n" + ("z" * 70 + "\r\n") * 6000
    old.send(SENDER, "held@partner.example", message(body="held " + CANARY + "\r\n"))
    old.send(SENDER, "queued@clear.example", message(body=large))
    wait_for("a try", lambda: old.cli_json("queue", "list", "--reason", "later"))
    copy = root / "copy"
    said = old.cli("backup", "--state", copy).stderr.decode()
    assert "master key is not among them" in said and not (root / "copy.partial").exists()
    # nothing in it is readable, as nothing was where it comes from
    whole_copy = b"".join(p.read_bytes() for p in copy.rglob("*") if p.is_file())
    assert CANARY.encode() not in whole_copy
    assert (old.root / "master.key").read_bytes() not in whole_copy
    # who guessed goes on with the tries that are left
    assert (copy / "portal" / "attempts").read_bytes() == (
        old.state / "portal" / "attempts").read_bytes()
    assert (copy / "portal" / "data.mdb").stat().st_size > 0
    again = old.cli("backup", "--state", copy, check=False)
    assert again.returncode != 0 and b"exists" in again.stderr
    # the old one goes on, and its mail is delivered; then it burns
    capture.verbs.clear()
    old.cli("queue", "flush")
    assert CANARY.encode() in capture.wait(3)[2].data
    old.stop()

    new = moved(make_gateway, capture, old, copy)
    # it sends nothing by itself: somebody else may have
    assert new.cli_json("queue", "list") == []
    assert [k["fingerprint"] for k in keys_of(new)] == [k["fingerprint"] for k in keys_of(old)]
    assert new.cli_json("queue", "salvage")["taken"] == 2
    listed = {e["rcpts"][0]["addr"]: e for e in new.cli_json("queue", "list")}
    assert set(listed) == {"held@partner.example", "queued@clear.example"}
    assert all(e["state"] == "held" for e in listed.values())
    new.cli("queue", "release", listed["queued@clear.example"]["entry"])
    assert CANARY.encode() in capture.wait(4)[3].data
    assert capture.messages[3].data.count(b"z" * 70) == 6000
    assert CANARY in open_link("http://127.0.0.1:%d/m/%s" % (
        new.portal_port, link.split("/m/")[1]))
    new.cli("audit", "verify")


def test_a_copy_of_the_state_while_mail_flows(make_gateway, capture, root):
    """Whatever is committed while it is made: each message that was accepted
    before is in the copy or was delivered, and the copy is whole."""
    old = make_gateway(capture.port, rules=HOLD)
    senders = ["s%d@sender.example" % n for n in range(30)]
    for sender in senders[:10]:
        old.send(sender, "held@partner.example", message(body=CANARY + "\r\n"))
    making = subprocess.Popen([str(old.build / "sealgate"), "-f", str(old.conf), "backup",
                               "--state", str(root / "copy")], stderr=subprocess.PIPE)
    for sender in senders[10:]:
        old.send(sender, "held@partner.example", message(body=("x" * 70 + "\r\n") * 4300))
    assert making.communicate(timeout=90) and making.returncode == 0
    assert len(old.cli_json("queue", "list")) == 30
    old.stop()
    new = moved(make_gateway, capture, old, root / "copy")
    said = new.cli_json("queue", "salvage")
    assert said["taken"] >= 10 and said["refused"] == 0
    assert set(senders[:10]) <= {e["from"] for e in new.cli_json("queue", "list")}
    new.cli("audit", "verify")


def test_a_copy_of_the_state_that_cannot_be_made(make_gateway, capture, root):
    gw = make_gateway(capture.port, rules=HOLD)
    for bad in (("--state", root / "no" / "such"), ("--state", "--no-private", root / "x"),
                ("--state", "--certificate", "y", root / "x"), ("--state",)):
        assert gw.cli("backup", *bad, check=False).returncode in (1, 2, 3), bad
    assert not (root / "x").exists()
    # what somebody put there in place of a file is not read
    link = gw.state / "escrow" / "evil"
    link.symlink_to("/etc/hostname")
    fifo = gw.state / "bodies" / "fifo"
    subprocess.run(["mkfifo", str(fifo)], check=True)
    gw.cli("backup", "--state", root / "good")
    assert not (root / "good" / "escrow" / "evil").exists()
    assert not list((root / "good" / "bodies").rglob("fifo"))
    assert gw.cli("restore", "--state", root / "good", check=False).returncode == 2
