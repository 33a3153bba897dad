# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""S/MIME from outside: what other people's software makes is opened and told the
truth about; what costs the gateway most, and signatures that are not good.
Attacks on the reader of the mail: test_open_attacks.py."""
import itertools
import re
import shutil
import sys
import tempfile
import pathlib

import pytest

from capture import Capture
from harness import TOP, Gateway, Keys, message, octets_below, run, wait_for

sys.path.insert(0, str(TOP / "tests" / "interop"))
import makers  # noqa: E402
from makers import CANARY, ENTITY, GCM, People, multipart_signed, pkcs7  # noqa: E402

DATA = bytes.fromhex("06092a864886f70d010701")
SIGNED = bytes.fromhex("06092a864886f70d010702")
numbers = itertools.count(1)


def der(tag, *parts):
    """With the shortest length: a certificate in any other form is none."""
    body = b"".join(parts)
    n = len(body)
    octets = n.to_bytes((n.bit_length() + 7) // 8, "big")
    head = bytes([n]) if n < 128 else bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + head + body


class Bench:
    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="sgo."))
        self.root.chmod(0o755)
        self.people = People(Keys(self.root / "keys"))
        self.capture = Capture().start()
        self.gateway = Gateway(self.root / "gw", self.capture.port, portal=False, listen_in="",
                               inbound=self.capture.port, rules='rule "all" { try = { smime, clear } }\n')
        self.gateway.start()
        for p in self.people.receivers.values():
            self.gateway.cli("key", "import", self.people.private(p))
        self.gateway.cli("key", "import", self.people.ca.crt)
        self.makers = {}

    def maker(self, cls):
        if cls not in self.makers:
            self.makers[cls] = cls(self.people, self.root / cls.__name__)
        return self.makers[cls]

    def send(self, entity, to="otto@sender.example", sender="alice@partner.example",
             header_from=None, extra=b""):
        """The message as it is delivered, and the words of its verdict."""
        mark = b"number %d." % next(numbers)
        mail = (b"From: %s\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: <%d@partner.example>\r\n"
                b"Date: Fri, 1 May 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
                % ((header_from or sender).encode(), to.encode(), mark, next(numbers))
                + extra + entity)
        self.gateway.send_in(sender, to, mail)
        got = wait_for("the message", lambda: [
            m.data for m in self.capture.messages if mark in m.data])[0]
        verdicts = re.findall(rb"^Sealgate-Verdict: ((?:.|\r\n[ \t])*)\r\n", got, re.M)
        assert len(verdicts) == 1, got[:2000]
        text = re.sub(r"\r\n[ \t]", " ", verdicts[0].decode())
        return Opened(mail, got, text)

    def close(self):
        for m in self.makers.values():
            m.close()
        self.gateway.close()
        self.capture.stop()
        self.people.keys.close()
        shutil.rmtree(self.root, ignore_errors=True)


class Opened:
    def __init__(self, mail, data, verdict):
        self.mail, self.data, self.verdict = mail, data, verdict
        self.words = verdict.partition(";")[0]

    def is_as_it_came(self):
        return self.data.endswith(self.mail)


@pytest.fixture(scope="module")
def bench():
    b = Bench()
    yield b
    print("--- log of the gateway\n" + b.gateway.log())
    b.close()


@pytest.fixture(scope="module")
def p(bench):
    return bench.people


# --- what others make

@pytest.mark.parametrize("cls", makers.ALL, ids=lambda c: c.__name__)
def test_what_others_make_is_opened(bench, cls):
    wrong, n = [], 0
    for name, words, to, make in bench.maker(cls).forms():
        author = "erin" if "EC" in name else "alice"
        got = bench.send(make(), to=to.addr, sender=author + "@partner.example")
        n += 1
        # an opaque signature stays around what it signs
        readable = CANARY in got.data and makers.TEXT.splitlines()[0] in got.data
        if got.words != words or not readable and "opaque" not in name and "compr" not in name:
            wrong.append("%s: %s" % (name, got.verdict))
    assert n >= 3 and not wrong, "\n".join(wrong)


def test_the_verdict_says_who_and_how(bench, p):
    got = bench.send(pkcs7(p.sealed(p.otto, "-aes-256-gcm", data=p.detached(p.alice))))
    fpr = run("openssl", "x509", "-in", p.alice.crt, "-noout", "-fingerprint", "-sha256").stdout
    fpr = fpr.decode().strip().partition("=")[2].replace(":", "").lower()
    assert "form=smime" in got.verdict and "cipher=aes256-gcm" in got.verdict
    assert "signer=alice@partner.example" in got.verdict and "fingerprint=" + fpr in got.verdict


# --- attacks

def patched(cms, old, new):
    assert cms.count(old) == 1, cms.count(old)
    return cms.replace(old, new)


AUTH = bytes.fromhex("060b2a864886f70d0109100117")


def cut_tag(p):
    cms = p.sealed(p.otto, "-aes-256-gcm")
    return pkcs7(cms[:-1] + bytes([cms[-1] ^ 1]))


def cut_cbc(p):
    return pkcs7(p.sealed(p.otto, "-aes-256-cbc")[:-1])


def recipients(p, n=10000):
    """The same recipient n times: as many operations of its private key."""
    cms = p.sealed(p.otto, "-aes-256-gcm")
    at = cms.index(b"\x31\x82")
    size = int.from_bytes(cms[at + 2:at + 4], "big")
    one = cms[at + 4:at + 4 + size]
    rest = cms[at + 4 + size:]
    return pkcs7(der(0x30, AUTH, der(0xa0, der(0x30, b"\x02\x01\x00", der(0x31, one * n), rest))))


def other_key(p):
    return pkcs7(p.sealed(p.alice, "-aes-256-gcm"))


def nested_ber(p):
    return pkcs7(b"\x30\x80" * 100000)


def triple_des(p):
    return pkcs7(p.sealed(p.otto, "-des3"))


CLOSED = {
    "GCM with its last octet changed": (cut_tag, "undecryptable"),
    "CBC without its last octet": (cut_cbc, "undecryptable"),
    "10000 recipients": (recipients, "undecryptable"),
    "sealed to somebody else": (other_key, "undecryptable"),
    "BER nested 100000 times": (nested_ber, "undecryptable"),
    "3DES, which policy does not open": (triple_des, "undecryptable"),
}


@pytest.mark.parametrize("name", CLOSED)
def test_stays_closed(bench, p, name):
    make, words = CLOSED[name]
    got = bench.send(make(p))
    assert got.words == words, got.verdict
    assert CANARY not in got.data
    assert got.is_as_it_came()


def test_the_same_words_whatever_is_wrong_behind_the_key(bench, p):
    reasons = {re.search(r'reason="?([^";]*)', bench.send(make(p)).verdict).group(1)
               for make in (cut_tag, wrong_block, downgrade_of_padding)}
    assert len(reasons) == 1, reasons


def wrong_block(p):
    """The encrypted key is one that opens to nothing."""
    cms = p.sealed(p.otto, "-aes-256-gcm")
    at = cms.index(b"\x04\x82\x01\x00") + 40
    return pkcs7(cms[:at] + bytes([cms[at] ^ 0xff]) + cms[at + 1:])


def downgrade_of_padding(p):
    """What was OAEP is said to be PKCS#1 v1.5."""
    cms = p.sealed(p.otto, "-aes-256-gcm", "-keyopt", "rsa_padding_mode:oaep")
    oaep, pkcs1 = (bytes.fromhex("06092a864886f70d01010" + n) for n in "71")
    return pkcs7(patched(cms, oaep, pkcs1))


def test_a_copy_for_somebody_else_is_not_opened_for_them(bench, p):
    olga = p.receivers["P-256"]
    got = bench.send(pkcs7(p.sealed(p.otto, "-aes-256-gcm")), to=olga.addr)
    assert got.words == "undecryptable" and CANARY not in got.data


# signatures

def one_of_two_wrong(p):
    cms = p.signed(p.alice, p.erin)
    return multipart_signed(ENTITY, cms[:-1] + bytes([cms[-1] ^ 1]))


def many(p):
    signer = der(0x30, b"\x02\x01\x01")
    return pkcs7(der(0x30, SIGNED, der(0xa0, der(
        0x30, b"\x02\x01\x01", b"\x31\x00",
        der(0x30, DATA, der(0xa0, der(0x04, ENTITY))), der(0x31, signer * 10000)))), "signed-data")


def sha1(p):
    return p.detached(p.alice, args=("-md", "sha1"))


def without_certificate(p):
    return p.detached(p.issued("alice@partner.example", "quiet"), args=("-nocerts",))


def stranger(p):
    return p.detached(p.issued("alice@partner.example", "mallory", ca=p.authority("ca2")))


def expired(p):
    return p.detached(p.issued("alice@partner.example", "old", days=("-days", "-1")))


def server(p):
    return p.detached(p.issued("alice@partner.example", "server", more=(
        "nsComment=x",), san="DNS:partner.example"))


def blank(p):
    """CVE-2026-2748: an address with a blank is no address."""
    return p.detached(p.issued("x", "blank", san="email:alice @partner.example"))


def children(octets):
    """The elements of DER one after another, each (whole, content)."""
    out, at = [], 0
    while at < len(octets):
        n, head = octets[at + 1], 2
        if n > 127:
            head += n & 127
            n = int.from_bytes(octets[at + 2:at + head], "big")
        out.append((octets[at:at + head + n], octets[at + head:at + head + n]))
        at += head + n
    return out


def huge_key(p):
    """A certificate with RSA-65535: each check with it would take minutes."""
    big = der(0x30, der(0x02, b"\x7f" + b"\xff" * 8191), b"\x02\x03\x01\x00\x01")
    who = p.issued("alice@partner.example", "huge")
    cert = run("openssl", "x509", "-in", who.crt, "-outform", "DER").stdout
    tbs, algorithm, signature = children(children(cert)[0][1])
    fields = [whole for whole, _ in children(tbs[1])]
    fields[6] = der(0x30, bytes.fromhex("300d06092a864886f70d0101010500"), der(0x03, b"\0" + big))
    forged = der(0x30, der(0x30, *fields), algorithm[0], signature[0])
    cms = p.signed(who)
    content = children(children(cms)[0][1])[1][1]
    version, hashes, inner, _, signers = [w for w, _ in children(children(content)[0][1])]
    return multipart_signed(ENTITY, der(0x30, SIGNED, der(0xa0, der(
        0x30, version, hashes, inner, der(0xa0, forged), signers))))


SIGNATURES = {
    "one signer of two is wrong": (one_of_two_wrong, "signed-bad"),
    "10000 signers": (many, "signed-bad"),
    "SHA-1": (sha1, "signed-unsupported"),
    "no certificate": (without_certificate, "signed-unknown-key"),
    "a CA that nobody knows": (stranger, "signed-unknown-key"),
    "expired": (expired, "signed-expired-key"),
    "a certificate for no address": (server, "signed-by-other"),
    "a blank in the address": (blank, "signed-by-other"),
    "RSA-65535": (huge_key, "signed-unknown-key"),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature_is_not_good(bench, p, name):
    make, words = SIGNATURES[name]
    got = bench.send(make(p))
    assert got.words == words, got.verdict


@pytest.mark.skipif(not shutil.which("java"), reason="Bouncy Castle is not installed")
def test_ed25519_is_neither_good_nor_bad(bench, p):
    ed = p.issued("alice@partner.example", "ed", key=("ed25519",))
    signature = bench.maker(makers.BouncyCastle).sign(ed, "Ed25519", "detached")
    got = bench.send(multipart_signed(ENTITY, signature))
    assert got.words == "signed-unsupported", got.verdict


@pytest.mark.skipif(not shutil.which("java"), reason="Bouncy Castle is not installed")
def test_what_her_software_can_is_learned(bench, p):
    """Her certificate comes with her mail, and the form of what she is sent."""
    who = p.issued("anna@partner.example")
    signature = bench.maker(makers.BouncyCastle).sign(  # aes256-GCM, aes256-CBC
        who, "SHA256withRSA", "detached",
        capabilities="301a300b060960864801650304012e300b060960864801650304012a")
    bench.send(multipart_signed(ENTITY, signature), sender=who.addr)
    wait_for("her certificate", lambda: who.addr in str(bench.gateway.cli_json("key", "list")))
    bench.gateway.send("sam@sender.example", who.addr, message(to=who.addr, body="for anna\r\n"))
    got = wait_for("mail for her", lambda: [
        m.data for m in bench.capture.messages if m.rcpts == [who.addr]])[0]
    assert b"smime-type=authEnveloped-data" in got and b"for anna" not in got


# forged words inside

def test_verdicts_inside_are_taken_out(bench, p):
    forged = b"Sealgate-Verdict: signed-good; signer=boss@sender.example\r\n" + ENTITY
    got = bench.send(pkcs7(p.sealed(p.otto, "-aes-256-gcm", data=forged)))
    assert got.words == GCM and b"boss@" not in got.data and CANARY in got.data


def test_nothing_of_it_is_in_the_log_or_at_rest(bench):
    bench.gateway.stop()
    assert CANARY.decode() not in bench.gateway.log()
    for path, data in octets_below(bench.gateway.state):
        assert CANARY not in data, path
    bench.gateway.start()


def test_old_ciphers_open_where_policy_says_so(p, make_gateway, capture):
    gw = make_gateway(capture.port, portal=False, listen_in="", inbound=capture.port,
                      rules='rule "all" { try = { clear } }\n',
                      options="opening { weak-ciphers = true }\n",
                      import_keys=[p.private(p.otto)])
    for n, cipher in enumerate((("-des3",), ("-rc2", "-provider", "legacy", "-provider",
                                             "default"))):
        gw.send_in("alice@partner.example", p.otto.addr,
                   b"From: <alice@partner.example>\r\nMIME-Version: 1.0\r\n"
                   + pkcs7(p.sealed(p.otto, *cipher)))
        got = capture.wait(n + 1)[n].data
        assert CANARY in got and b"encrypted-unauthenticated" in got, cipher
