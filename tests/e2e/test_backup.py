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

from harness import Gateway, Keys

DATA = pathlib.Path(__file__).resolve().parents[2] / "tests" / "crypto" / "data"
RULES = 'rule "default" { try = { smime, pgp, hold } }\n'


@pytest.fixture(name="saved", scope="module")
def fixture_saved(tmp_path_factory):
    """A gateway that was used, and its backups."""
    top = tmp_path_factory.mktemp("saved")
    for path in (top, *top.parents):
        if path.is_relative_to("/tmp") and path != pathlib.Path("/tmp"):
            path.chmod(0o755)
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
    fresh.cli("restore", "--passphrase-file", saved.top / "pass",
              saved.top / "by-pass")
    assert whole(fresh) == whole(saved)
