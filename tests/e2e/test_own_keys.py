# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Keys of our own: made here, certified by the gateway's CA or by another, taken
back, handed out under a passphrase. What was made is judged by openssl, gpgsm,
NSS and gpg; a kill at any moment leaves nothing half made."""
import base64
import os
import random
import re
import signal
import subprocess
import tempfile
import time

import pytest

from harness import SEALGATE, Keys, message, run

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
MAY = 'may-sign = "127.0.0.1"'
RULES = 'rule "all" { try = { smime, pgp, clear } sign = required sign-as-domain = true }\n'


@pytest.fixture(name="ring", scope="module")
def own_keyring(tmp_path_factory):
    """A keyring of its own: others make keys for the same address."""
    k = Keys(tmp_path_factory.mktemp("keys"))
    yield k
    k.close()


@pytest.fixture(name="gw")
def gateway(make_gateway, capture):
    return make_gateway(capture.port, listen=MAY, rules=RULES)


def made(gw, *args):
    return gw.cli_json("ca", *args)["key"]["fingerprint"]


def openssl(*args, **kwargs):
    return run("openssl", *args, **kwargs)


def verifies(ca, leaf, *args):
    return openssl("verify", "-x509_strict", "-CAfile", ca, *args, leaf, check=False).returncode == 0


def test_what_the_ca_issues_and_revokes_is_good_for_openssl(gw, root):
    ca, leaf, crl = root / "ca.pem", root / "leaf.pem", root / "crl.pem"
    made(gw, "init", "--name", "Sender CA", "--out", ca)
    fpr = made(gw, "issue", "--out", leaf, SENDER)
    text = openssl("x509", "-in", leaf, "-noout", "-text").stdout.decode()
    assert "email:%s" % SENDER in text and "S/MIME Capabilities" in text
    assert "/crl/" in text and "E-mail Protection" in text
    serial = re.search(r"Serial Number:\s+((?:[0-9a-f]{2}:){15,}[0-9a-f]{2})", text)
    assert serial, "fewer than 128 bits of serial number"
    gw.cli("ca", "crl", "--out", crl)
    assert verifies(ca, leaf, "-crl_check", "-CRLfile", crl, "-purpose", "smimesign")
    gw.cli("ca", "revoke", "--reason", "key-compromise", fpr)
    again = root / "again.pem"
    gw.cli("ca", "crl", "--out", again)
    assert not verifies(ca, leaf, "-crl_check", "-CRLfile", again)
    listed = openssl("crl", "-in", again, "-noout", "-text").stdout.decode()
    assert "Key Compromise" in listed
    numbers = [int(re.search(r"CRL Number:\s+(\S+)", openssl(
        "crl", "-in", f, "-noout", "-text").stdout.decode()).group(1), 0) for f in (crl, again)]
    assert numbers[0] < numbers[1]
    assert gw.cli_json("key", "show", fpr)[0]["revoked"]
    done = gw.cli("ca", "revoke", fpr, check=False)
    assert done.returncode == 1 and b"already" in done.stderr


@pytest.mark.parametrize("profile,alg", [("both", "p256"), ("both", "rsa3072"),
                                         ("sign", "p384"), ("encrypt", "p256")])
def test_mail_is_signed_with_what_the_ca_issued(gw, capture, root, profile, alg):
    ca = root / "ca.pem"
    made(gw, "init", "--out", ca)
    fpr = made(gw, "issue", "--profile", profile, "--alg", alg, SENDER)
    if profile == "encrypt":
        done = gw.cli_json("key", "lookup", "--kind", "smime", SENDER)
        assert fpr in str(done)
        return
    gw.send(SENDER, CAROL, message(to=CAROL))
    got = capture.wait(1)[0].data
    openssl("cms", "-verify", "-CAfile", ca, "-purpose", "smimesign", input=got)


def test_gpgsm_and_nss_take_what_was_issued(gw, root):
    ca, leaf, p12 = root / "ca.pem", root / "leaf.pem", root / "leaf.p12"
    made(gw, "init", "--out", ca)
    fpr = made(gw, "issue", "--alg", "rsa3072", "--out", leaf, SENDER)
    nss = root / "nss"
    nss.mkdir()
    run("certutil", "-N", "-d", "sql:%s" % nss, "--empty-password")
    run("certutil", "-A", "-d", "sql:%s" % nss, "-n", "ca", "-t", ",C,", "-i", ca)
    word = root / "word"
    word.write_text("a b c\n")
    gw.cli("key", "export", "--secret", "--passphrase-file", word, "--out", p12, fpr)
    assert p12.stat().st_mode & 0o777 == 0o600
    run("pk12util", "-i", p12, "-d", "sql:%s" % nss, "-W", "a b c")
    names = run("certutil", "-L", "-d", "sql:%s" % nss).stdout.decode()
    assert "u,u,u" in names
    nick = next(line for line in names.splitlines() if "u,u,u" in line)
    nick = nick[:nick.index("  ")].strip()
    for usage in "SR":  # signs mail, is sealed to
        run("certutil", "-V", "-d", "sql:%s" % nss, "-n", nick, "-u", usage)
    with tempfile.TemporaryDirectory(prefix="sgs.", dir="/dev/shm") as home:
        try:
            der = openssl("x509", "-in", ca, "-outform", "DER").stdout
            digest = openssl("dgst", "-sha1", "-r", input=der).stdout.decode().split()[0]
            with open(os.path.join(home, "trustlist.txt"), "w", encoding="ascii") as f:
                f.write("%s S\n" % digest.upper())
            gpgsm = ["gpgsm", "--homedir", home, "--batch", "--disable-crl-checks"]
            run(*gpgsm, "--import", ca, leaf)
            shown = run(*gpgsm, "--with-validation", "--list-keys", SENDER).stdout.decode()
            assert "certificate is good" in shown, shown
        finally:
            run("gpgconf", "--homedir", home, "--kill", "all", check=False)


def test_a_certificate_of_another_ca_comes_back_to_its_key(gw, capture, root):
    csr = root / "sam.csr"
    done = gw.cli("key", "generate", "--alg", "rsa3072", "--out", csr, SENDER)
    assert not done.stdout
    assert not gw.cli_json("key", "list")
    gw.cli("key", "generate", "--out", root / "other.csr", "other@sender.example")
    openssl("req", "-in", csr, "-verify", "-noout")
    ca, key, crt = root / "x.pem", root / "x.key", root / "sam.crt"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", ca,
            "-subj", "/CN=Elsewhere", "-days", "30")
    ext = root / "ext"
    ext.write_text("subjectAltName=email:%s\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
                   "extendedKeyUsage=emailProtection\n" % SENDER)
    openssl("x509", "-req", "-in", csr, "-CA", ca, "-CAkey", key, "-CAcreateserial",
            "-extfile", ext, "-days", "30", "-out", crt)
    done = gw.cli("key", "import", crt)
    assert b"with its private key" in done.stdout
    gw.send(SENDER, CAROL, message(to=CAROL))
    openssl("cms", "-verify", "-CAfile", ca, input=capture.wait(1)[0].data)
    # our own CA signs requests, too, and only good ones
    made(gw, "init")
    good = root / "good.pem"
    gw.cli("ca", "issue", "--csr", root / "other.csr", "--out", good, "other@sender.example")
    assert b"with its private key" in gw.cli("key", "import", good).stdout
    bad = bytearray(openssl("req", "-in", root / "other.csr", "-outform", "DER").stdout)
    bad[-3] ^= 1
    (root / "bad.csr").write_bytes(bad)
    done = gw.cli("ca", "issue", "--csr", root / "bad.csr", "mallory@sender.example", check=False)
    assert done.returncode != 0 and b"signature is wrong" in done.stderr
    assert not any("mallory" in str(k) for k in gw.cli_json("key", "list"))


def test_openpgp_keys_are_made_and_handed_out_under_a_passphrase(gw, capture, root, ring):
    made_key = gw.cli_json("key", "generate", "--kind", "openpgp", "--name", "Sam", SENDER)["key"]
    fpr = made_key["fingerprint"]
    gw.send(SENDER, CAROL, message(to=CAROL))
    assert b"application/pgp-signature" in capture.wait(1)[0].data
    word, sec, pub = root / "word", root / "sec.asc", root / "pub.asc"
    word.write_text("correct horse\n")
    gw.cli("key", "export", "--out", pub, fpr)
    gw.cli("key", "export", "--secret", "--passphrase-file", word, "--out", sec, fpr)
    ring.gpg("--import", pub)
    wrong = ring.gpg("--pinentry-mode", "loopback", "--passphrase", "x", "--import", sec, check=False)
    assert wrong.returncode == 0  # locked parts are taken as they are
    sign = ["--pinentry-mode", "loopback", "-u", fpr.upper()]
    assert ring.gpg(*sign, "--passphrase", "x", "--sign", input=b"x", check=False).returncode != 0
    run("gpgconf", "--homedir", ring.gnupg, "--kill", "all")
    assert ring.gpg(*sign, "--passphrase", "correct horse", "--sign", input=b"x").stdout


def test_nothing_secret_leaves_without_a_passphrase_or_a_master_key(gw, root):
    made(gw, "init")
    fpr = made(gw, "issue", SENDER)
    empty = root / "empty"
    empty.write_text("\n")
    out = root / "out"
    for args in ([], ["--passphrase-file", empty]):
        done = gw.cli("key", "export", "--secret", *args, "--out", out, fpr, check=False)
        assert done.returncode == 3 or done.returncode == 1, done
        assert out.read_bytes() == b""
        out.unlink()
    word = root / "word"
    word.write_text("abc\n")
    out.write_text("mine")
    done = gw.cli("key", "export", "--secret", "--passphrase-file", word, "--out", out, fpr,
                  check=False)
    assert done.returncode != 0 and out.read_text() == "mine"
    gw.stop()
    os.rename(root / "gw0" / "master.key", root / "away")
    for args in (("ca", "issue", "x@sender.example"), ("ca", "crl"), ("ca", "init"),
                 ("key", "export", "--secret", "--passphrase-file", word, fpr)):
        done = gw.cli(*args, check=False)
        assert done.returncode == 3 and b"master" in done.stderr, done
    assert not (root / "gw0" / "master.key").exists()


def test_a_domain_has_keys_of_its_own_and_changes_them(gw, capture, root):
    ca = root / "ca.pem"
    made(gw, "init", "--out", ca)
    first = gw.cli_json("ca", "issue", "--domain", "sender.example")["key"]
    assert first["addresses"] == ["_domain@sender.example"]
    gw.send(SENDER, CAROL, message(to=CAROL))
    openssl("cms", "-verify", "-CAfile", ca, input=capture.wait(1)[0].data)
    # begins later: within a second none is newer
    time.sleep(1.1)
    second = gw.cli_json("ca", "issue", "--domain", "sender.example")["key"]
    signers = set()
    for n in (2, 3):
        gw.send(SENDER, CAROL, message(to=CAROL))
        pem = root / "signer.pem"
        openssl("cms", "-verify", "-CAfile", ca, "-signer", pem, input=capture.wait(n)[n - 1].data)
        shown = openssl("x509", "-in", pem, "-noout", "-fingerprint", "-sha256").stdout.decode()
        signers.add(shown.strip().partition("=")[2].replace(":", "").lower())
    assert signers == {second["fingerprint"]} != {first["fingerprint"]}
    # both are there to open mail with, and to be sealed to by our own users
    assert {k["private"] for k in gw.cli_json("key", "list", "_domain")} == {True}


@pytest.mark.parametrize("alg", ["p256", "rsa3072"])
def test_old_keys_and_those_of_the_domain_go_on_opening_mail(make_gateway, capture, root, alg):
    gw = make_gateway(capture.port, portal=False, rules=RULES, inbound=capture.port, listen_in="")
    made(gw, "init")
    sealed_to = []
    for n, whom in enumerate(([SENDER], [SENDER], ["--domain", "sender.example"])):
        crt = root / ("%d.pem" % n)
        fpr = made(gw, "issue", "--alg", alg, "--out", crt, *whom)
        sealed_to.append(crt)
        if n == 0:  # taken back, too: what was sealed before must open
            gw.cli("ca", "revoke", "--reason", "superseded", fpr)
    for n, crt in enumerate(sealed_to):
        secret = b"canary-%d-canary" % n
        der = run("openssl", "cms", "-encrypt", "-binary", "-aes-256-gcm", "-outform", "DER", crt,
                  input=b"From: <%s>\r\nTo: <%s>\r\nSubject: sealed\r\n"
                  b'Content-Type: text/plain; hp="cipher"\r\n\r\n%s\r\n'
                  % (CAROL.encode(), SENDER.encode(), secret)).stdout
        gw.send_in(CAROL, SENDER, message(sender=CAROL, to=SENDER, extra=(
            "MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; "
            "smime-type=enveloped-data; name=smime.p7m\r\n"
            "Content-Transfer-Encoding: base64\r\n"),
            body=base64.encodebytes(der).decode().replace("\n", "\r\n")))
        assert secret in capture.wait(n + 1)[n].data
    gw.stop()
    said = [r["rec"] for r in gw.audit() if r["rec"].get("type", "").startswith("key-")]
    assert [r["reason"] for r in said] == [
        "a CA of our own was made", "issued", "revoked: superseded", "issued", "issued"]
    assert all(r["who"].startswith("user") for r in said)


def test_a_kill_leaves_nothing_half_made(gw, root):
    made(gw, "init")
    quick = time.monotonic()
    gw.cli("ca", "issue", "first@sender.example")
    quick = time.monotonic() - quick
    rng = random.Random(5)
    for i in range(40):
        proc = subprocess.Popen([str(SEALGATE), "-f", str(gw.conf), "ca", "issue",
                                 "u%d@sender.example" % i], stdout=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.0, 1.2 * quick))
        proc.send_signal(signal.SIGKILL)
        proc.wait()
    issued = [k for k in gw.cli_json("key", "list") if k["addresses"]]
    assert 1 <= len(issued) <= 41
    assert all(k["private"] for k in issued), "a certificate without its key"
    # each can be taken back, and the list has them all
    gw.cli("ca", "revoke", *[k["fingerprint"] for k in issued])
    crl = root / "crl.pem"
    gw.cli("ca", "crl", "--out", crl)
    text = openssl("crl", "-in", crl, "-noout", "-text").stdout.decode()
    assert text.count("Serial Number:") == len(issued)
    # a kill while it is revoked: revoked with its list, or not at all
    before = int(re.search(r"CRL Number:\s+(\S+)", text).group(1), 0)
    names = [made(gw, "issue", "r%d@sender.example" % i) for i in range(8)]
    for name in names:
        proc = subprocess.Popen([str(SEALGATE), "-f", str(gw.conf), "ca", "revoke", name],
                                stdout=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.0, 1.2 * quick))
        proc.send_signal(signal.SIGKILL)
        proc.wait()
    crl.unlink()
    # readers may see what a killed one has committed only once somebody writes again
    gw.cli("ca", "crl", "--out", crl)
    revoked = [n for n in names if gw.cli_json("key", "show", n)[0]["revoked"]]
    text = openssl("crl", "-in", crl, "-noout", "-text").stdout.decode()
    assert text.count("Serial Number:") == len(issued) + len(revoked)
    after = int(re.search(r"CRL Number:\s+(\S+)", text).group(1), 0)
    assert after == before + len(revoked) + 1
