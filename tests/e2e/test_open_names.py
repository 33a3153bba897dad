# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Addresses in certificates that a CA was talked into, and that another parser
than ours takes for the one in From: blanks, NUL, line ends, comments, letters
that look alike. Whoever signs with one is not bound to From."""
import pytest

from harness import run
from test_open_makers import CANARY, bench, children, der, p  # noqa: F401

ALICE = "alice@partner.example"
MAIL_OTHER_NAME = bytes.fromhex("06082b06010505070809")  # SmtpUTF8Mailbox, RFC 9598


def general_names(*names):
    return "DER:" + der(0x30, *names).hex(":")


def rfc822(octets):
    return general_names(der(0x81, octets))


def utf8_mailbox(text):
    return general_names(der(0xa0, MAIL_OTHER_NAME, der(0xa0, der(0x0c, text.encode()))))


GOOD, OTHER = "signed-good", "signed-by-other"
A = ALICE.encode()
ROWS = {
    # the subjectAltName, From, the verdict
    "the address": (rfc822(A), ALICE, GOOD),
    "ASCII case is none": (rfc822(b"Alice@PARTNER.example"), ALICE, GOOD),
    "blank before": (rfc822(b" " + A), ALICE, OTHER),
    "blank behind": (rfc822(A + b" "), ALICE, OTHER),
    "tab before": (rfc822(b"\t" + A), ALICE, OTHER),
    "line end behind": (rfc822(A + b"\r\n"), ALICE, OTHER),
    "blank before @": (rfc822(b"alice @partner.example"), ALICE, OTHER),
    "NUL and another domain": (rfc822(A + b"\0.evil.example"), ALICE, OTHER),
    "NUL behind": (rfc822(A + b"\0"), ALICE, OTHER),
    "NUL before": (rfc822(b"\0" + A), ALICE, OTHER),
    "NUL in the middle": (rfc822(b"alice\0@partner.example"), ALICE, OTHER),
    "a dot behind": (rfc822(A + b"."), ALICE, OTHER),
    "brackets": (rfc822(b"<" + A + b">"), ALICE, OTHER),
    "two in one": (rfc822(b"x@evil.example," + A), ALICE, OTHER),
    "a comment": (rfc822(A + b"(x)"), ALICE, OTHER),
    "a name and brackets": (rfc822(b'"' + A + b'" <x@evil.example>'), ALICE, OTHER),
    "a domain behind %": (rfc822(b"alice%partner.example@evil.example"), ALICE, OTHER),
    "full-width @": (rfc822("alice\uff20partner.example".encode()), ALICE, OTHER),
    "Cyrillic a": (rfc822("\u0430lice@partner.example".encode()), ALICE, OTHER),
    "Cyrillic a, as UTF-8 by the book": (utf8_mailbox("\u0430lice@partner.example"), ALICE, OTHER),
    "Cyrillic a in the domain": (rfc822("alice@p\u0430rtner.example".encode()), ALICE, OTHER),
    "the A-label of that": (
        rfc822(b"alice@" + "p\u0430rtner.example".encode("idna")), ALICE, OTHER),
    "soft hyphen": (rfc822("ali\u00adce@partner.example".encode()), ALICE, OTHER),
    "dotless i": (utf8_mailbox("al\u0131ce@partner.example"), ALICE, OTHER),
    "overlong @": (rfc822(b"alice\xc1\x80partner.example"), ALICE, OTHER),
    "UTF-16": (rfc822(ALICE.encode("utf-16-be")), ALICE, OTHER),
    "as the name of a host": (general_names(der(0x82, A)), ALICE, OTHER),
    "as a URI": (general_names(der(0x86, b"mailto:" + A)), ALICE, OTHER),
}


def reissued(p, who, san):  # noqa: F811
    """Another certificate by the CA for who's key."""
    p.file("names.ext", ("subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\n"
                         "keyUsage=critical,digitalSignature\n"
                         "extendedKeyUsage=emailProtection\n" % san).encode())
    run("openssl", "x509", "-req", "-in", p.file("names.csr"), "-CA", p.ca.crt, "-CAkey", p.ca.key,
        "-CAcreateserial", "-out", who.crt, "-extfile", p.file("names.ext"), "-days", "20")


@pytest.fixture(scope="module")
def signer(p):  # noqa: F811
    return p.issued("x@partner.example", "names")


@pytest.mark.parametrize("name", ROWS)
def test_who_signs_is_who_the_certificate_names(bench, p, signer, name):  # noqa: F811
    san, author, words = ROWS[name]
    reissued(p, signer, san)
    got = bench.send(p.detached(signer), sender=author)
    assert got.words == words, got.verdict
    assert (b"smime=pass" in got.data) == (words == GOOD)
    assert CANARY in got.data and got.is_as_it_came()


def subject_address(octets):
    """A Name of one emailAddress, which counts where there is no other name."""
    return der(0x30, der(0x31, der(0x30, bytes.fromhex("06092a864886f70d010901"),
                                   der(0x16, octets))))


@pytest.mark.parametrize("address, words", [
    (A, GOOD), (b" " + A, OTHER), (A + b" ", OTHER), (A + b"\0.evil.example", OTHER),
    ("\u0430lice@partner.example".encode(), OTHER),
], ids=["the address", "blank before", "blank behind", "NUL", "Cyrillic a"])
def test_the_same_in_the_subject(bench, p, address, words):  # noqa: F811
    who = p.issued("x", "subject", san="DNS:partner.example")
    reissue_with_subject(p, who, subject_address(address))
    got = bench.send(p.detached(who), sender=ALICE)
    assert got.words == words, got.verdict
    assert (b"smime=pass" in got.data) == (words == GOOD)


def reissue_with_subject(p, who, subject):  # noqa: F811
    """Written behind openssl's back, and signed by the CA again."""
    whole = run("openssl", "x509", "-in", who.crt, "-outform", "DER").stdout
    tbs, algorithm, _ = children(children(whole)[0][1])
    fields = [w for w, _ in children(tbs[1])]
    fields[5] = subject
    # version 3 with its extensions, but for subjectAltName
    extensions = children(children(children(fields[-1])[0][1])[0][1])
    keep = [w for w, _ in extensions if bytes.fromhex("0603551d11") not in w[:12]]
    assert len(keep) == len(extensions) - 1
    fields[-1] = der(0xa3, der(0x30, *keep))
    tbs = der(0x30, *fields)
    signature = run("openssl", "dgst", "-sha256", "-sign", p.ca.key, input=tbs).stdout
    whole = der(0x30, tbs, algorithm[0], der(0x03, b"\0" + signature))
    who.crt.write_bytes(run("openssl", "x509", "-inform", "DER", input=whole).stdout)
