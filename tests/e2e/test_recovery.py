# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The recovery certificate: who has its private key, which no gateway has, opens
what stands for pick-up, and the audit log says so."""
import pathlib
import re
import shutil
import tempfile

import pytest

from capture import Capture
from escrow import GENERATED, Link, text_of
from harness import SEALGATED, Gateway, Keys, message, run, wait_for

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
RULES = 'rule "default" { try = { escrow } }\n'


class Setup:
    def __init__(self, root):
        self.root = root
        self.keys = Keys(root / "keys")
        self.capture = Capture().start()
        self.key = {}
        for name, kind in (("rsa", ("rsa:3072",)),
                           ("ec", ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")),
                           ("other", ("rsa:2048",))):
            crt, key = self.keys.certificate("recovery@sender.example", name, key=kind)
            both = root / (name + ".both")
            both.write_bytes(crt.read_bytes() + key.read_bytes())
            self.key[name] = (crt, both)
        crt = self.key["rsa"][0]
        crt.chmod(0o644)
        self.keys.root.chmod(0o755)
        self.gateway = Gateway(root / "gw", self.capture.port, rules=RULES,
                               inbound=self.capture.port, listen_in="",
                               portal="receipts = false",
                               options='escrow { recovery-certificate = "%s" }\n' % crt)
        self.gateway.start()

    def send(self, data):
        del self.capture.messages[:]
        self.gateway.send(SENDER, CAROL, data)
        wait_for("the notice", lambda: [m for m in self.capture.messages
                                        if m.rcpts == [CAROL]])
        return Link([m for m in self.capture.messages if m.rcpts == [CAROL]][0].data)

    def close(self):
        try:
            self.gateway.close()
        finally:
            self.capture.stop()
            self.keys.close()
            print("--- log\n" + self.gateway.log())


@pytest.fixture(scope="module")
def setup():
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge."))
    root.chmod(0o755)
    s = Setup(root)
    yield s
    s.close()
    shutil.rmtree(root, ignore_errors=True)


def test_who_has_the_key_opens_what_stands_for_pick_up(setup):
    data = message(to=CAROL, subject="Secret", body="line of it\r\n" * 20000)
    link = setup.send(data)
    gateway = setup.gateway
    both = setup.key["rsa"][1]
    done = gateway.cli("escrow", "recover", "--key", both, "--", link.id)
    assert done.stdout.endswith(data)
    [row] = wait_for("the audit log", lambda: [
        r["rec"] for r in gateway.audit() if r["rec"]["type"] == "recovered"])
    assert row["object"] == link.id and row["who"].startswith("uid ")
    # by the message's id, too; and nothing changes for the reader
    [object_] = gateway.cli_json("escrow", "list")
    done = gateway.cli("escrow", "recover", "--key", both, "--", object_["id"])
    assert done.stdout.endswith(data)
    assert link.open().status == 200
    # a copy of the object, from a portal that is elsewhere
    copy = setup.root / "copy"
    octets = (gateway.state / "escrow" / link.id).read_bytes()
    copy.write_bytes(octets)
    done = gateway.cli("escrow", "recover", "--object", copy, "--key", both, "--", link.id)
    assert done.stdout.endswith(data)
    for bad in (octets[:-1], octets[:-300] + bytes([octets[-300] ^ 1]) + octets[-299:], b""):
        copy.write_bytes(bad)
        done = gateway.cli("escrow", "recover", "--object", copy, "--key", both, "--", link.id,
                           check=False)
        assert done.returncode != 0 and done.stdout == b"", len(bad)


def test_nobody_else_does(setup):
    link = setup.send(message(to=CAROL, body="canary 4711\r\n"))
    gateway = setup.gateway
    for name in ("other", "ec"):
        done = gateway.cli("escrow", "recover", "--key", setup.key[name][1], "--", link.id, check=False)
        assert done.returncode != 0 and done.stdout == b"", name
    # it was recorded all the same, before
    wait_for("the audit log", lambda: len([
        r for r in gateway.audit() if r["rec"]["type"] == "recovered"
        and r["rec"]["object"] == link.id]) == 2)
    # the keys are inside: neither the object nor the portal's index has them
    cms_oid = bytes.fromhex("060b2a864886f70d0109100117")  # authEnvelopedData
    assert (gateway.state / "escrow" / link.id).exists()
    for directory in ("escrow", "portal"):
        for path in (gateway.state / directory).rglob("*"):
            if path.is_file():
                assert cms_oid not in path.read_bytes(), path
    assert any(cms_oid in path.read_bytes() for path in (gateway.state / "spool").rglob("*")
               if path.is_file())
    # what is taken back has nothing left
    gateway.cli("escrow", "revoke", link.id)
    wait_for("the object to go", lambda: not (gateway.state / "escrow" / link.id).exists())
    done = gateway.cli("escrow", "recover", "--key", setup.key["rsa"][1], "--", link.id, check=False)
    assert done.returncode != 0 and done.stdout == b""


def test_a_certificate_that_cannot_do_is_refused(setup, tmp_path):
    signing = tmp_path / "signing.crt"
    run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout",
        tmp_path / "k", "-out", signing, "-days", "9", "-subj", "/CN=x",
        "-addext", "keyUsage=critical,digitalSignature")
    text = setup.gateway.conf.read_text()
    for path, want in ((signing, b"recovery-certificate"),
                       (tmp_path / "none", b"recovery-certificate"),
                       (setup.gateway.conf, b"recovery-certificate")):
        conf = tmp_path / "bad.conf"
        conf.write_text(text.replace(str(setup.key["rsa"][0]), str(path)))
        done = run(SEALGATED, "-n", "-f", conf, check=False)
        assert done.returncode != 0 and want in done.stderr + done.stdout, path
    conf = tmp_path / "ec.conf"
    conf.write_text(text.replace(str(setup.key["rsa"][0]), str(setup.key["ec"][0])))
    assert run(SEALGATED, "-n", "-f", conf, check=False).returncode == 0


def test_a_new_link_opens_and_the_old_one_does_not(setup):
    """From the recovery key, and from the sender's own copy."""
    gateway = setup.gateway
    data = message(to=CAROL, subject="Again", body="line of it\r\n" * 30000)
    copy = setup.root / "sent.eml"
    copy.write_bytes(data.replace(b"\r\n", b"\n"))
    for how in (("--key", setup.key["rsa"][1]), ("--from", copy)):
        old = setup.send(data.replace(b"<t", b"<%s." % how[0][2:].encode()))
        copy.write_bytes(data.replace(b"<t", b"<from.").replace(b"\r\n", b"\n"))
        assert old.open().status == 200
        del setup.capture.messages[:]
        gateway.cli("escrow", "resend", *how, "--", old.id)
        wait_for("notice and word to the sender", lambda: {
            m.rcpts[0] for m in setup.capture.messages} >= {CAROL, SENDER})
        new = Link([m for m in setup.capture.messages if m.rcpts == [CAROL]][0].data)
        told = text_of([m for m in setup.capture.messages if m.rcpts == [SENDER]][0].data)
        assert "an administrator has sent a message of yours again" in told
        assert new.id != old.id and new.secret != old.secret
        assert new.open().status == 200
        wait_for("the old one to go", lambda: old.open().status == 404)
        done = gateway.cli("escrow", "recover", "--key", setup.key["rsa"][1], "--", new.id)
        assert done.stdout.endswith(b"line of it\r\n" * 30000)
        wait_for("the audit log", lambda: [
            r["rec"]["type"] for r in gateway.audit() if r["rec"].get("object") == old.id
            and r["rec"]["type"] in ("resent", "revoked")] == ["resent", "revoked"])
        # once more there is nothing to send
        done = gateway.cli("escrow", "resend", *how, "--", old.id, check=False)
        assert done.returncode != 0
    # what needed a passphrase before needs one again, which the sender is told
    old = setup.send(message(to=CAROL, extra="Sealgate-Passphrase: Zug um 9:15\r\n"))
    del setup.capture.messages[:]
    gateway.cli("escrow", "resend", "--key", setup.key["rsa"][1], "--", old.id)
    wait_for("notice and word to the sender", lambda: {
        m.rcpts[0] for m in setup.capture.messages} >= {CAROL, SENDER})
    new = Link([m for m in setup.capture.messages if m.rcpts == [CAROL]][0].data)
    told = text_of([m for m in setup.capture.messages if m.rcpts == [SENDER]][0].data)
    code = re.search(r"with the passphrase (\S+),", told).group(1).replace("-", "")
    assert new.factor == GENERATED and new.open(code).status == 200


def test_another_message_is_not_sent_in_its_place(setup):
    gateway = setup.gateway
    link = setup.send(message(to=CAROL, body="mine\r\n"))
    other = setup.root / "other.eml"
    data = message(to=CAROL, body="not mine\r\n")
    for bad in (data, data.replace(b"Message-ID", b"X-ID"), b"", b"\x00" * 100):
        other.write_bytes(bad)
        done = gateway.cli("escrow", "resend", "--from", other, "--", link.id, check=False)
        assert done.returncode != 0 and b"Message-ID" in done.stderr, bad[:40]
    for args in ((), ("--from", other, "--key", setup.key["rsa"][1])):
        assert gateway.cli("escrow", "resend", *args, "--", link.id, check=False).returncode == 2
    # the right id of another sender
    [accepted] = [r["rec"] for r in gateway.audit() if r["rec"]["type"] == "accepted"][-1:]
    other.write_bytes(b"From: mallory@sender.example\r\nMessage-ID: "
                      + accepted["message-id"].encode() + b"\r\n\r\nx\r\n")
    done = gateway.cli("escrow", "resend", "--from", other, "--", link.id, check=False)
    assert done.returncode != 0
    assert link.open().status == 200
    assert not list((gateway.state / "spool").glob("salvage"))
