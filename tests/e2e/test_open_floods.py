# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Mail from outside that is made to cost: thousands of recipients, signers and
signatures, keys of 65535 bits, what unpacks without end. Each is delivered as
it came, with a verdict, for less than five seconds of processor time of all
processes together; nobody dies of it, and the next message comes through. And
250 comes before any of this is looked at."""
import base64
import hashlib
import os
import pathlib
import shutil
import signal
import tempfile
import zlib

import pytest

from capture import Capture
from harness import Gateway, message, run, state_of, wait_for
from test_open_attacks import COMPRESSED, DATA, ZLIB, content_info, tlv
from test_open_makers import AUTH, ENTITY, SIGNED, children, der, multipart_signed, pkcs7
from test_open_path import CLEAR, OLGA, OTTO, verdicts
from test_open_pgp import multipart_signed as pgp_signed
from test_open_pgp import EVE, MALLORY, SECRET, TEXT, TRUST, autocrypt, head, pgp_mime
from test_open_pgp import people as pgp_people  # noqa: F401
from test_open_pgp import seal as pgp_seal
from test_open_smime import INNER, b64, people, seal, sign  # noqa: F401

MANY = 10000
CPU_SECONDS = 5.0


@pytest.fixture(scope="module")
def flooded(people, pgp_people):  # noqa: F811
    """A gateway for all rows; both kinds of keys."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge-flood."))
    root.chmod(0o755)
    capture = Capture().start()
    gw = Gateway(root / "gw", capture.port, portal=False, rules=CLEAR, inbound=capture.port,
                 listen_in="").start()
    gw.capture = capture
    gw.cli("key", "import", people.otto_pem, people.olga_pem, people.eve[0], pgp_people.otto_sec,
           pgp_people.eve_asc)
    yield gw
    print("--- log of the gateway\n" + gw.log())
    gw.close()
    capture.stop()
    shutil.rmtree(root, ignore_errors=True)


def processor_time(gw):
    """Seconds of all processes and of the children that they had."""
    ticks = 0
    for pids in gw.pids().values():
        for pid in pids:
            text = pathlib.Path("/proc/%d/stat" % pid).read_text()
            ticks += sum(int(x) for x in text.rpartition(")")[2].split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def pgp_message(octets, kind=b"MESSAGE"):
    return run("gpg", "--enarmor", input=octets).stdout.replace(
        b"PGP ARMORED FILE", b"PGP " + kind)


# --- CMS

def many_recipients(p, who, n):
    """who n times: as many operations of the private key, if nobody counts."""
    cms = seal(INNER, who)
    content = children(children(cms)[0][1])[1][1]
    version, recipients, *rest = [whole for whole, _ in children(children(content)[0][1])]
    return der(0x30, AUTH, der(0xa0, der(
        0x30, version, der(0x31, children(recipients)[0][1] * n), *rest)))


def one_recipient(p, q):
    return pkcs7(many_recipients(p, p.otto[0], 1))


def rsa_recipients(p, q):
    return pkcs7(many_recipients(p, p.otto[0], MANY))


def ec_recipients(p, q):
    """Each with an ephemeral key of its own to be agreed with."""
    return pkcs7(many_recipients(p, p.olga[0], MANY))


def signed_data(who, change):
    """A signature of who, and change(certificates, signers) in place of those."""
    cms = run("openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", who[0],
              "-inkey", who[1], input=ENTITY).stdout
    content = children(children(cms)[0][1])[1][1]
    version, hashes, inner, certs, signers = [
        whole for whole, _ in children(children(content)[0][1])]
    certs, signers = change(children(certs)[0][1], children(signers)[0][1])
    return multipart_signed(ENTITY, der(0x30, SIGNED, der(0xa0, der(
        0x30, version, hashes, inner, der(0xa0, certs), der(0x31, signers)))))


def real_signers(p, q):
    """Each of them is right."""
    return signed_data(p.eve, lambda certs, signers: (certs, signers * MANY))


def many_certificates(p, q):
    """Hers is the last of them, and known."""
    other = run("openssl", "x509", "-in", p.mallory[0], "-outform", "DER").stdout
    return signed_data(p.eve, lambda certs, signers: (other * 3000 + certs, signers))


def with_key(p, modulus, exponent):
    """A certificate that nobody knows, with another key in it. Had anything been
    done with the key, the signature would be a bad one."""
    def change(cert, signers):
        tbs, algorithm, signature = children(children(cert)[0][1])
        fields = [whole for whole, _ in children(tbs[1])]
        fields[6] = der(0x30, bytes.fromhex("300d06092a864886f70d0101010500"), der(
            0x03, b"\0" + der(0x30, der(0x02, modulus), der(0x02, exponent))))
        return der(0x30, der(0x30, *fields), algorithm[0], signature[0]), signers
    return signed_data(p.mallory, change)


def rsa_65535(p, q):
    return with_key(p, b"\x7f" + b"\xff" * 8191, b"\x01\0\x01")


def exponent_of_2048_bits(p, q):
    return with_key(p, b"\0" + b"\xff" * 256, b"\x7f" + b"\xff" * 255)


def exponent_of_65535_bits(p, q):
    return with_key(p, b"\x7f" + b"\xff" * 8191, b"\x7f" + b"\xff" * 8190 + b"\xfd")


def packed(octets):
    """CompressedData around octets."""
    return content_info(COMPRESSED, [tlv(2, b"\0"), tlv(0x30, ZLIB), tlv(
        0x30, DATA + tlv(0xa0, tlv(4, zlib.compress(octets, 9))))])


def packed_1000_times(p, q):
    """A thousand octets for each of them, four levels deep."""
    entity = b"Content-Type: text/plain\r\n\r\n" + b"0" * (40 << 20)
    for _ in range(4):
        entity = (b"Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n"
                  b"Content-Transfer-Encoding: binary\r\n\r\n" + packed(entity))
    return pkcs7(packed(entity), "compressed-data")


def each_level_within_bounds(p, q):
    """None of the levels unpacks to a hundred times; all together do."""
    entity = b"Content-Type: text/plain\r\n\r\n"
    entity += b"".join(os.urandom(12) + b"0" * 1000 for _ in range(30000))
    for _ in range(7):
        entity = (b"Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n"
                  b"Content-Transfer-Encoding: base64\r\n\r\n" + b64(packed(entity)))
    return entity


def packed_in_sealed(p, q):
    bomb = (b"Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + b64(packed(
                b"Content-Type: text/plain\r\n\r\n" + b"0" * (150 << 20))))
    return pkcs7(seal(bomb, p.otto[0]))


# --- OpenPGP

def packet(tag, body):
    return bytes([0xc0 | tag, 0xff]) + len(body).to_bytes(4, "big") + body


def literal(text):
    return packet(11, b"b\0" + bytes(4) + text)


def sealed_packets(q, octets):
    """gpg seals packets as they are with --no-literal."""
    return pgp_mime(q.gpg(*TRUST, "--armor", "-o", "-", "--no-literal", "-z", "0", "-r", OTTO,
                          "-e", input=octets).stdout)


def signature_of(q, text):
    return q.gpg("-o", "-", "-u", EVE, "-b", input=text).stdout


def one_pass(n, signature, n_behind):
    """n one-pass signatures, the text, and n_behind times the signature."""
    key_and_last = bytes(8) + b"\0"
    before = packet(4, b"\3\0" + signature[5:6] + signature[4:5] + key_and_last)
    last = before[:-1] + b"\1"
    return before * (n - 1) + last + literal(TEXT) + signature * n_behind


def one_signature(p, q):
    return sealed_packets(q, one_pass(1, signature_of(q, TEXT), 1))


def one_pass_signatures(p, q):
    return sealed_packets(q, one_pass(MANY, signature_of(q, TEXT), MANY))


def one_pass_without_end(p, q):
    """Their second halves are missing."""
    return sealed_packets(q, one_pass(MANY, signature_of(q, TEXT), 0))


def detached_signatures(p, q):
    return pgp_signed(TEXT[:-2], pgp_message(signature_of(q, TEXT[:-2]) * MANY, b"SIGNATURE"))


def session_keys(body, n):
    return packet(1, body) * n


def hidden_session_keys(p, q):
    """For anybody: each may be tried with each key that otto has."""
    real = pgp_seal(q, TEXT, "--no-armor", "-z", "0")
    return pgp_mime(pgp_message(session_keys(
        b"\3" + bytes(8) + b"\x12\1\7\x40" + b"\5" * 32 + b"\x30" + b"\7" * 48, 4000) + real))


def session_keys_for_otto(p, q):
    """They name his key, and are wrong."""
    real = pgp_seal(q, TEXT, "--no-armor", "-z", "0")
    assert real[0] in (0x84, 0xc1) and real[2] == 3
    first = real[2:2 + real[1]]
    wrong = first[:-8] + bytes(8)
    return pgp_mime(pgp_message(session_keys(wrong, 4000) + real))


def more_session_keys(p, q):
    real = pgp_seal(q, TEXT, "--no-armor", "-z", "0")
    first = real[2:2 + real[1]]
    return pgp_mime(pgp_message(session_keys(first, MANY) + real))


def passwords(p, q):
    """SKESK with the largest count, a second of work for each password that is
    tried: there is none, and otto's key opens it."""
    skesk = packet(3, bytes.fromhex("04090308") + bytes(8) + b"\xff")
    return pgp_mime(pgp_message(skesk * 4000 + pgp_seal(q, TEXT, "--no-armor", "-z", "0")))


def zipped(octets):
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packet(8, b"\1" + deflate.compress(octets) + deflate.flush())


def one_zip(p, q):
    return sealed_packets(q, zipped(literal(TEXT)))


def zip_bomb(p, q):
    return sealed_packets(q, zipped(literal(bytes(150 << 20))))


def zip_in_zip(p, q):
    octets = literal(TEXT)
    for _ in range(1000):
        octets = zipped(octets)
    return sealed_packets(q, octets)


def zip_bomb_in_zip(p, q):
    return sealed_packets(q, zipped(zipped(literal(bytes(40 << 20)))))


ROWS = [
    # construction, the words of its verdict; the first three are as it should be
    (one_recipient, "encrypted"),
    (one_signature, "encrypted, signed-good"),
    (one_zip, "encrypted"),
    (rsa_recipients, "undecryptable"),
    (ec_recipients, "undecryptable"),
    (real_signers, "signed-bad"),
    (many_certificates, "signed-good"),
    (rsa_65535, "signed-unknown-key"),
    (exponent_of_2048_bits, "signed-unknown-key"),
    (exponent_of_65535_bits, "signed-unknown-key"),
    (packed_1000_times, "none"),
    (each_level_within_bounds, "none"),
    (packed_in_sealed, "encrypted"),
    (one_pass_signatures, "undecryptable"),
    (one_pass_without_end, "undecryptable"),
    (detached_signatures, "signed-bad"),
    (hidden_session_keys, "undecryptable"),
    (session_keys_for_otto, "undecryptable"),
    (more_session_keys, "undecryptable"),
    (passwords, "encrypted"),
    (zip_bomb, "undecryptable"),
    (zip_in_zip, "undecryptable"),
    (zip_bomb_in_zip, "undecryptable"),
]


@pytest.mark.parametrize("make, verdict", ROWS, ids=[r[0].__name__ for r in ROWS])
def test_a_flood_costs_little(flooded, people, pgp_people, make, verdict):  # noqa: F811
    to = OLGA if make is ec_recipients else OTTO
    text = head().replace(OTTO.encode(), to.encode()) + make(people, pgp_people)
    n, alive, before = len(flooded.capture.messages), flooded.pids(), processor_time(flooded)
    flooded.send_in(EVE, to, text)
    got = flooded.capture.wait(n + 1)[n].data
    spent = processor_time(flooded) - before
    said = verdicts(got)
    assert len(said) == 1 and said[0].decode().split(";")[0] == verdict, said
    assert spent < CPU_SECONDS, spent
    assert flooded.pids() == alive and "opener-died" not in flooded.log()
    assert len(got) < len(text) + 10000
    if verdict == "undecryptable":
        assert got.endswith(text) and SECRET not in got
    # and honest mail
    flooded.send_in(EVE, OTTO, message(sender=EVE, to=OTTO, body="fine\r\n"))
    assert b"fine" in flooded.capture.wait(n + 2)[n + 1].data


# --- keys in mail

def mpi(bits, fill):
    return bits.to_bytes(2, "big") + fill * (bits // 8 - 1) + b"\xfb"


def key_with_exponent(addr):
    """RSA-16384: gpg takes seconds for the signature that it has of its own."""
    key = b"\4" + (1700000000).to_bytes(4, "big") + b"\1" + mpi(16384, b"\xff") * 2
    name = hashlib.sha1(b"\x99" + len(key).to_bytes(2, "big") + key).digest()[-8:]
    octets = packet(6, key) + packet(13, b"<" + addr.encode() + b">")
    octets += packet(2, b"\4\x13\1\x08" + bytes.fromhex("00090502655a0000021b23") +
                     b"\0\x0a\x09\x10" + name + b"\0\0" + mpi(16376, b"\xff"))
    return b"Autocrypt: addr=%s; keydata=%s\r\n" % (addr.encode(), base64.b64encode(octets))


def test_a_key_that_costs_is_not_looked_at(flooded, pgp_people):  # noqa: F811
    before, alive = processor_time(flooded), flooded.pids()
    n = len(flooded.capture.messages)
    fred = "fred@partner.example"
    flooded.send_in(fred, OTTO, key_with_exponent(fred) + message(sender=fred, to=OTTO))
    flooded.capture.wait(n + 1)
    # what comes behind it has its turn, and is kept
    flooded.send_in(MALLORY, OTTO, autocrypt(pgp_people, MALLORY) + message(
        sender=MALLORY, to=OTTO))
    wait_for("mallory's key", lambda: MALLORY in str(flooded.cli_json("key", "list")))
    assert processor_time(flooded) - before < CPU_SECONDS and flooded.pids() == alive
    refused = [line for line in flooded.log().splitlines() if "event=key-refused" in line]
    assert len(refused) == 1 and "exponent is absurdly large" in refused[0], refused


# --- nobody outside can tell what can be opened

def test_250_comes_before_anything_is_opened(
        make_gateway, capture, people, pgp_people):  # noqa: F811
    """Who has the private keys, gpg and all who open stand still."""
    gw = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="")
    gw.cli("key", "import", people.otto_pem, people.eve[0], pgp_people.otto_sec,
           pgp_people.eve_asc)
    cms = seal(sign(INNER, *people.eve), people.otto[0])
    texts = [head() + body for body in (
        pkcs7(cms), pkcs7(cms[:-1] + bytes([cms[-1] ^ 1])), pkcs7(seal(INNER, people.mallory[0])),
        pkcs7(b"\x30\x80" * 1000), pgp_mime(pgp_seal(pgp_people, TEXT)),
        pgp_mime(pgp_seal(pgp_people, TEXT, to="mallory@evil.example")),
        pgp_mime(b"-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n"),
        b"Content-Type: text/plain\r\n\r\nnothing\r\n")]
    stopped = [pid for role in ("opener", "keys", "pgp") for pid in gw.pids()[role]]
    assert len(stopped) >= 3
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        for n, text in enumerate(texts):
            assert gw.send_in(EVE, OTTO, text) == {}, n
            # nobody has given up on one of them
            assert all(state_of(pid) == "T" for pid in stopped) and "ERR_TIMEOUT" not in gw.log(), n
        assert not capture.messages
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    got = capture.wait(len(texts))
    said = sorted(verdicts(g.data)[0].split(b";")[0] for g in got)
    assert said == [b"encrypted", b"encrypted, signed-good", b"none"] + [
        b"undecryptable"] * 5
    wait_for("an empty queue", lambda: not gw.cli_json("queue", "list"))
