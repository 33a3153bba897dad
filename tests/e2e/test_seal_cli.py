# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""`sealgate seal` writes what the gateway would send, and writes nothing where
the gateway would send nothing at once."""
import email
import email.policy
import json
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from harness import Gateway, free_port, message, opened_body, run
from test_sign import gpg_verify
from test_sign_smime import bundle, verified

SENDER = "sam@sender.example"
ALICE, BOB, CAROL = "alice@partner.example", "bob@partner.example", "carol@partner.example"
CANARY = "canary 1712 canary"
RULES = '''
rule "tagged" { subject-tag = "[secure]" try = { smime, pgp, reject } }
rule "bulk" { to = "@bulk.example" try = { smime, drop } }
rule "held" { to = "@held.example" try = { smime, hold } }
rule "open" { to = "@open.example" try = { clear } }
rule "must" { subject-tag = "[sign]" try = { smime, pgp, hold } sign = required }
rule "signed" { to = "@signed.example" try = { smime, clear } sign = required }
rule "wanted" { to = "@wanted.example" try = { smime, clear } sign = if-possible }
rule "default" { from = "@sender.example" try = { smime, pgp, escrow } }
'''


@pytest.fixture(scope="module")
def gateway(keys):
    """One that has run once, so that there is a keystore; the verb needs no
    running gateway."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge."))
    root.chmod(0o755)
    g = Gateway(root, free_port(), rules=RULES)
    g.start()
    g.cli("key", "import", keys.alice_crt, keys.bob_asc)
    g.stop()
    yield g
    g.close()
    shutil.rmtree(root, ignore_errors=True)


def fingerprint(crt):
    out = run("openssl", "x509", "-in", crt, "-noout", "-fingerprint", "-sha256").stdout
    return out.decode().strip().partition("=")[2].replace(":", "").lower()


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def seal(gw, to, text, sender=SENDER, options=()):
    return gw.cli(*options, "seal", "--from", sender, "--to", to, input=text, check=False)


def test_smime_opens_to_what_went_in(gateway, keys):
    sent = message(body=CANARY + "\r\n", extra="Bcc: hidden@partner.example\r\n")
    done = seal(gateway, ALICE, sent)
    assert done.returncode == 0, done.stderr
    assert CANARY.encode() not in done.stdout and b"hidden@" not in done.stdout
    got = parse(done.stdout)
    assert got["From"] and got.get_content_type() == "application/pkcs7-mime"
    opened = keys.open_smime(done.stdout, keys.alice_key)
    assert opened_body(opened) == (CANARY + "\r\n").encode()


def test_pgp_opens_and_the_scratch_home_is_gone(gateway, keys, monkeypatch):
    memory = pathlib.Path(tempfile.mkdtemp(prefix="sgh.", dir="/dev/shm"))
    memory.chmod(0o1777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(memory))
    done = seal(gateway, BOB, message(to=BOB, body=CANARY + "\r\n"))
    assert done.returncode == 0, done.stderr
    got = parse(done.stdout)
    assert got.get_content_type() == "multipart/encrypted"
    armor = got.get_payload(1).get_payload(decode=True)
    assert CANARY.encode() in keys.open_pgp(armor)
    assert CANARY.encode() not in done.stdout
    memory.rmdir()  # fails if anything was left in it


def test_line_ends_of_a_file_do(gateway, keys):
    sent = message(body="one\r\ntwo\r\n").replace(b"\r\n", b"\n")
    done = seal(gateway, ALICE, sent)
    assert b"\n" not in done.stdout.replace(b"\r\n", b"")
    assert keys.open_smime(done.stdout, keys.alice_key).endswith(b"one\r\ntwo\r\n")


def test_tag_is_removed_and_clear_leaves_all_else(gateway):
    sent = message(subject="plain", body="readable\r\n", to="x@open.example")
    done = seal(gateway, "x@open.example", sent)
    assert done.returncode == 0 and done.stdout == sent


@pytest.mark.parametrize("to,subject,says", [
    (CAROL, "x", b"escrowed"),
    (CAROL, "[secure] x", b"refused"),
    ("x@bulk.example", "x", b"dropped"),
    ("x@held.example", "x", b"held"),
    ("x@signed.example", "x", b"refused"),
    (ALICE, "x", b"refused"),
])
def test_what_is_not_sent_at_once_is_not_written(gateway, to, subject, says):
    sender = "nobody@elsewhere.example" if to == ALICE else SENDER
    done = seal(gateway, to, message(subject=subject, to=to, body=CANARY + "\r\n"), sender)
    assert done.returncode == 1 and done.stdout == b""
    assert says in done.stderr and to.encode() in done.stderr
    assert CANARY.encode() not in done.stderr


@pytest.mark.parametrize("text", [
    b"Subject: " + b"x" * (70 * 1024) + b"\r\n\r\n",
    b"".join(b"Received: from a by b; x\r\n" for _ in range(60)) + b"\r\nx\r\n",
])
def test_what_the_gateway_refuses_is_refused(gateway, text):
    done = seal(gateway, ALICE, text)
    assert done.returncode == 1 and done.stdout == b"" and done.stderr


def test_what_is_only_wanted_signed_is_written_with_a_word(gateway):
    done = seal(gateway, "x@wanted.example", message(to="x@wanted.example"))
    assert done.returncode == 0 and done.stdout
    assert b"not signed" in done.stderr and b"there is no" in done.stderr


@pytest.fixture(scope="module")
def signer(gateway, keys):
    """An address with private keys of both kinds in the keystore."""
    addr = "signer@sender.example"
    crt, both = bundle(keys, addr, "seal-signer")
    keys.openpgp(addr, "seal-signer-pgp")
    secret = keys.root / "seal-signer.secret.asc"
    secret.write_bytes(keys.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--armor",
                                "--export-secret-keys", addr).stdout)
    gateway.cli("key", "import", both, secret)
    return addr, crt


def test_who_has_the_master_key_signs(gateway, keys, signer, root):
    addr, crt = signer
    to = "x@signed.example"
    done = seal(gateway, to, message(to=to, sender=addr, body=CANARY + "\r\n"), addr,
                options=["--json"])
    assert parse(done.stdout).get_content_type() == "multipart/signed"
    assert CANARY.encode() in verified(keys, done.stdout, crt)
    said = json.loads(done.stderr)["signature"]
    assert (said["kind"], said["algorithm"]) == ("smime", "rsa-pkcs1-sha256")
    to = "alice@wanted.example"
    alice = keys.certificate(to, "alice-wanted")
    gateway.cli("key", "import", alice[0])
    done = seal(gateway, to, message(to=to, sender=addr, body=CANARY + "\r\n"), addr)
    assert done.stderr == b"" and CANARY.encode() not in done.stdout
    opened = keys.open_smime(done.stdout, alice[1])
    assert CANARY.encode() in verified(keys, opened, crt)
    # OpenPGP: inside, and beside
    done = seal(gateway, BOB, message(to=BOB, sender=addr, subject="[sign] x",
                                      body=CANARY + "\r\n"), addr)
    armor = parse(done.stdout).get_payload(1).get_payload(decode=True)
    opened = keys.gpg("--status-fd", "1", "--decrypt", input=armor).stdout
    assert b"GOODSIG" in opened and CANARY.encode() in opened
    gateway.cli("key", "delete", fingerprint(crt))
    try:
        to = "x@signed.example"
        done = seal(gateway, to, message(to=to, sender=addr, body=CANARY + "\r\n"), addr)
        assert "GOODSIG" in gpg_verify(keys, done.stdout, root)
    finally:
        gateway.cli("key", "import", keys.root / "seal-signer.both.pem")


def test_who_has_not_the_master_key_does_not(gateway, signer):
    addr, _ = signer
    key = gateway.root / "master.key"
    away = key.with_suffix(".away")
    key.rename(away)
    try:
        to = "x@signed.example"
        done = seal(gateway, to, message(to=to, sender=addr), addr)
        assert done.returncode == 1 and done.stdout == b"" and b"master key" in done.stderr
        to = "x@wanted.example"
        done = seal(gateway, to, message(to=to, sender=addr), addr)
        assert done.returncode == 0 and b"not signed" in done.stderr
        assert parse(done.stdout).get_content_type() == "text/plain"
    finally:
        away.rename(key)
    assert not away.exists() and key.exists()


def test_json_tells_the_decision(gateway):
    sent = message(to=CAROL)
    done = seal(gateway, CAROL, sent, options=["--json"])
    d = json.loads(done.stderr)
    assert done.returncode == 1 and done.stdout == b""
    assert d["result"] == "escrowed" and d["rung"] == "escrow" and d["reason"]
    d = json.loads(seal(gateway, ALICE, sent, options=["--json"]).stderr)
    assert d["result"] == "sealed" and "reason" not in d


def test_usage(gateway):
    for args in (["--from", SENDER], ["--to", ALICE],
                 ["--from", SENDER, "--to", ALICE, "--to", BOB], ["x"]):
        assert gateway.cli("seal", *args, check=False).returncode == 2
    assert seal(gateway, "not an address", message()).returncode in (1, 2)


def test_full_output_is_a_failure(gateway):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [str(gateway.build / "sealgate"), "-f", str(gateway.conf), "seal",
             "--from", SENDER, "--to", ALICE], input=message(), stdout=full,
            stderr=subprocess.PIPE)
    assert done.returncode == 3 and done.stderr
