# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Certificates are believed by their chain, whoever brings them: a directory
has somebody's certificate with its issuer's, an administrator trusts the root,
and mail is sealed. Distrust anywhere on the way ends that."""
import json
import smtplib

import pytest

from harness import message, run
from key_sources import CA, Names, Slapd

RULES = 'rule "default" { try = { smime, hold } }\n'

EXTENSIONS = {
    "root": "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
            "subjectKeyIdentifier=hash\n",
    "leaf": "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyEncipherment\n"
            "extendedKeyUsage=emailProtection\nsubjectAltName=email:%s\n",
    "sign": "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=emailProtection\nsubjectAltName=email:%s\n",
}


class Pki:
    """A root, a CA below it, and people below that."""

    def __init__(self, root):
        self.dir = root
        self.make("root", None, "root")
        self.make("sub", "root", "root")

    def make(self, name, issuer, kind, addr=""):
        """A certificate; returns (certificate, key) files."""
        crt, key, csr, ext = (self.dir / (name + e) for e in (".crt", ".key", ".csr", ".ext"))
        text = EXTENSIONS[kind]
        ext.write_text(text % addr if "%s" in text else text)
        run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
            "-out", csr, "-subj", "/CN=" + name)
        signer = ["-signkey", key] if issuer is None else [
            "-CA", self.dir / (issuer + ".crt"), "-CAkey", self.dir / (issuer + ".key"),
            "-CAcreateserial"]
        run("openssl", "x509", "-req", "-in", csr, "-days", "30", "-extfile", ext, "-out", crt,
            *signer)
        return crt, key


@pytest.fixture
def pki(root):
    (root / "pki").mkdir()
    return Pki(root / "pki")


def der(crt):
    return run("openssl", "x509", "-in", crt, "-outform", "DER").stdout


def fingerprint(crt):
    text = run("openssl", "x509", "-in", crt, "-noout", "-fingerprint", "-sha256").stdout
    return text.decode().split("=")[1].strip().replace(":", "").lower()


def test_the_chain_of_a_directory_is_enough(make_gateway, capture, pki, root):
    crt, key = pki.make("max", "sub", "leaf", "max@dir.example")
    ca = CA(root / "ca")
    names = Names("ldap.example. 60 A 127.0.0.1\n").start()
    server = Slapd(ca, ["ldap.example"], {
        "max@dir.example": {"userCertificate;binary": [der(crt), der(pki.dir / "sub.crt")]},
    }).start()
    try:
        gw = make_gateway(capture.port, rules=RULES, options=names.options() + (
            'discovery { sources = { "ldap" } ca-file = "%s" allow = { "127.0.0.0/8" }'
            ' timeout = 45s }\n'
            'discovery ldap { url = "ldaps://ldap.example:%d" base = "dc=example" timeout = 45s }\n'
            % (ca.crt, server.tls_port)))
        gw.cli("key", "import", pki.dir / "root.crt")
        gw.send("sam@sender.example", "max@dir.example", message(to="max@dir.example"))
        mail = capture.wait(1)[0]
        assert b"application/pkcs7-mime" in mail.data
        assert b"Hello." in run("openssl", "cms", "-decrypt", "-inkey", key,
                                input=mail.data).stdout
        kept = {k["subject"]: k for k in gw.cli_json("key", "list")}
        assert kept["CN=max"]["trust"] == kept["CN=sub"]["trust"] == "candidate"
        chain = gw.cli_json("key", "show", fingerprint(crt))[0]["chain"]
        assert [c["subject"] for c in chain["path"]] == ["CN=max", "CN=sub", "CN=root"]
        # the CA in between falls out of favour
        gw.cli("key", "distrust", fingerprint(pki.dir / "sub.crt"))
        gw.send("sam@sender.example", "max@dir.example", message(to="max@dir.example"))
        assert len(gw.cli_json("queue", "list")) == 1
        assert len(capture.messages) == 1
    finally:
        server.stop()
        names.stop()


def test_two_certificates_of_one_address_each_for_its_purpose(make_gateway, capture, pki):
    """One to sign with and one to be sealed to, as cards have them: the right
    one is taken, whichever came first or ends later."""
    sign, _ = pki.make("sign", "sub", "sign", "card@peer.example")
    seal, key = pki.make("seal", "sub", "leaf", "card@peer.example")
    gw = make_gateway(capture.port, rules=RULES)
    gw.cli("key", "import", "--anchor-for", "peer.example", pki.dir / "root.crt")
    gw.cli("key", "import", "--candidate", pki.dir / "sub.crt", sign, seal)
    gw.send("sam@sender.example", "card@peer.example", message(to="card@peer.example"))
    mail = capture.wait(1)[0]
    assert b"Hello." in run("openssl", "cms", "-decrypt", "-inkey", key, input=mail.data).stdout
    chain = gw.cli_json("key", "show", fingerprint(sign))[0]["chain"]
    assert chain["result"] == "ERR_OK", chain


def test_an_anchor_counts_only_for_its_domain(make_gateway, capture, pki):
    here, _ = pki.make("here", "sub", "leaf", "a@peer.example")
    there, _ = pki.make("there", "sub", "leaf", "a@other.example")
    gw = make_gateway(capture.port, rules='rule "default" { try = { smime, reject } }\n')
    gw.cli("key", "import", "--anchor-for", "peer.example", pki.dir / "root.crt")
    gw.cli("key", "import", "--candidate", pki.dir / "sub.crt", here, there)
    gw.send("sam@sender.example", "a@peer.example", message(to="a@peer.example"))
    assert b"application/pkcs7-mime" in capture.wait(1)[0].data
    said = json.loads(gw.cli("--json", "key", "lookup", "a@other.example", check=False).stdout)
    why = [c["why"] for r in said if r.get("kind") == "smime" for c in r["candidates"]]
    assert len(why) == 1 and "only a candidate" in why[0] and "nobody we know" in why[0]
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        gw.send("sam@sender.example", "a@other.example", message(to="a@other.example"))
    assert len(capture.messages) == 1
