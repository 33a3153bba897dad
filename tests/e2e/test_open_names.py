# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Addresses that one parser takes for another than the next one does. In
certificates that a CA was talked into: blanks, NUL, line ends, comments,
letters that look alike. In From: routes, comments, encoded words, two fields.
Whoever signs with such a one, or under it, is not bound to it."""
import pytest

from harness import run
from test_open_makers import CANARY, bench, children, der, p  # noqa: F401
from test_open_path import verdicts

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


B = b"boss@partner.example"
NONE = "none"  # whose From can be read in two ways is not looked into
FROM = {
    # the header field or fields, and the verdict of alice's signature below them
    "the address": (b"From: " + A, GOOD),
    "with a name": (b"From: \"Boss\" <" + A + b">", GOOD),
    "comments around": (b"From: (boss) " + A + b" (boss)", GOOD),
    "another case": (b"FROM: ALICE@Partner.Example", GOOD),
    "in a comment": (b"From: " + B + b"\r\n\t(" + A + b")", OTHER),
    "in a comment in a comment": (b"From: (x (y\\) <" + A + b">)) " + B, OTHER),
    "in the name": (b"From: " + A + b" <" + B + b">", NONE),
    "in the name, quoted": (b"From: \"" + A + b"\" <" + B + b">", OTHER),
    "in the name, encoded": (
        b"From: =?utf-8?q?Alice_=3Calice=40partner.example=3E?= <" + B + b">", OTHER),
    "nothing but encoded": (b"From: =?utf-8?q?alice=40partner.example?=", NONE),
    "encoded in brackets": (b"From: <=?utf-8?q?alice?=@partner.example>", OTHER),
    "two in brackets": (b"From: <" + A + b"> <" + B + b">", NONE),
    "brackets in brackets": (b"From: <" + B + b"<" + A + b">>", NONE),
    "a route": (b"From: <@boss.example:" + A + b">", NONE),
    "quoted as a local part": (b'From: "' + A + b'"@evil.example', OTHER),
    "two @": (b"From: " + A + b"@evil.example", NONE),
    "a domain behind %": (b"From: alice%partner.example@evil.example", OTHER),
    "a blank in it": (b"From: alice @partner.example.evil.example", OTHER),
    "a list": (b"From: " + A + b", " + B, OTHER),
    "a list by ;": (b"From: " + A + b"; " + B, NONE),
    "a group of two": (b"From: Team: " + A + b", " + B + b";", OTHER),
    "an empty group": (b"From: Alice:;", NONE),
    "Cyrillic a": (b"From: " + "\u0430lice@partner.example".encode(), NONE),
    "nothing": (b"From:", NONE),
    "no field": (b"X-From: " + A, NONE),
    "Sender only": (b"From: " + B + b"\r\nSender: " + A, OTHER),
    "resent": (b"Resent-From: " + A + b"\r\nFrom: " + B, OTHER),
    "two fields": (b"From: " + B + b"\r\nFrom: " + A, NONE),
    "two fields, the other way": (b"From: " + A + b"\r\nFrom: " + B, NONE),
    "a blank before the colon": (b"From: " + A + b"\r\nFrom : " + B, NONE),
    "a tab before the colon": (b"From\t: " + B + b"\r\nFrom: " + A, NONE),
    "the same twice": (b"From: " + A + b"\r\nFrom: " + A, NONE),
}


@pytest.mark.parametrize("name", FROM)
def test_who_is_the_author_is_read_in_one_way(bench, p, name):  # noqa: F811
    fields, words = FROM[name]
    seen = len(bench.capture.messages)
    text = (fields + b"\r\nTo: <otto@sender.example>\r\nMIME-Version: 1.0\r\n"
            b"Message-ID: <m@partner.example>\r\n" + p.detached(p.alice))
    bench.gateway.send_in(ALICE, "otto@sender.example", text)
    got = bench.capture.wait(seen + 1)[seen].data
    said = verdicts(got)
    assert len(said) == 1 and said[0].decode().split(";")[0] == words, said
    assert (b"smime=pass" in got) == (words == GOOD)
    assert CANARY in got and got.endswith(text)
