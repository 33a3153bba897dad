# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What the sender's client wrote is inside, bit for bit: sealed, nothing is
re-encoded; signed, only the parts that some transport would change, one by one.
Signatures that were there stay good."""
import base64
import os

import pytest

from harness import run
from test_forms import ALICE, BOB, SENDER, armor_of, parse
from test_sign_smime import CAROL, MAY, bundle, verified

TNEF = base64.encodebytes(bytes.fromhex("789f3e22") + os.urandom(3000)).replace(b"\n", b"\r\n")
ODD = base64.b64encode(os.urandom(200)) + b"\r\n"  # one long line of base64
CALENDAR = ("BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:K\u00f6ln\r\n"
            "DESCRIPTION:a blank at the end \r\nEND:VEVENT\r\nEND:VCALENDAR\r\n").encode()
TEXT = "Gr\u00fc\u00dfe \r\nFrom here on\r\n.\r\n..dots\r\n".encode() + b"x" * 1500 + b"\r\n"
PARTS = [
    ("text/plain; charset=utf-8", b"8bit", TEXT),
    ("text/calendar; method=REQUEST; charset=utf-8", b"8bit", CALENDAR),
    ("application/ms-tnef; name=winmail.dat", b"base64", TNEF),
    ("application/octet-stream; name=odd", b"base64", ODD),
    ("text/plain; charset=us-ascii", b"7bit", b"plain\r\n"),
]


def body(signed):
    out = b"a preamble\r\n"
    for kind, encoding, octets in PARTS:
        out += (b"--=-x\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n%s\r\n"
                % (kind.encode(), encoding, octets))
    return out + (b"--=-x\r\nContent-Type: message/rfc822\r\n\r\nFrom: e@f.example\r\n"
                  b"Subject: forwarded\r\nMIME-Version: 1.0\r\n" + signed + b"\r\n--=-x--\r\n")


@pytest.fixture(scope="module")
def sent(keys):
    """A message with everything that is easily broken, and the CA for the
    signature in the message that is forwarded."""
    crt, pem = keys.certificate("e@f.example", "exact")
    entity = b"Content-Type: text/plain\r\n\r\nforwarded and signed\r\n"
    signed = run("openssl", "cms", "-sign", "-binary", "-crlfeol", "-signer", crt, "-inkey", pem,
                 input=entity).stdout
    signed = signed.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    signed = signed.partition(b"MIME-Version: 1.0\r\n")[2]
    return crt, signed, body(signed)


def message(body, to, head=""):
    return (("Received: from inside by mta; Sat, 21 Nov 2026 09:00:00 +0000\r\n"
             "From: Sam <%s>\r\nTo: <%s>\r\nSubject: exact\r\nMIME-Version: 1.0\r\n%s"
             'Content-Type: multipart/mixed; boundary="=-x"\r\n\r\n' % (SENDER, to, head)).encode()
            + body)


def inside(keys, data, to):
    return keys.open_smime(data, keys.alice_key) if to == ALICE else keys.open_pgp(armor_of(data))


def nested(entity):
    """The signed message in the message/rfc822 part."""
    return entity.partition(b"Subject: forwarded\r\n")[2].rpartition(b"\r\n--=-x--")[0]


def assert_nested_signature_is_good(crt, entity):
    got = run("openssl", "cms", "-verify", "-CAfile", crt, "-purpose", "any",
              input=nested(entity)).stdout
    assert b"forwarded and signed" in got


@pytest.mark.parametrize("to", [ALICE, BOB])
def test_sealed_it_is_the_same_octets(make_gateway, capture, keys, sent, to):
    crt, _, octets = sent
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt, keys.bob_asc], rules='''
rule "bare" { subject-tag = "[bare]" try = { smime, pgp, hold } }
rule "all" { try = { smime, pgp, reject } header-protection = none }
''')
    gw.send(SENDER, to, message(octets, to, "X-Odd:  kept \r\n"), mail_options=["BODY=8BITMIME"])
    got = capture.wait(1)[0].data
    opened = inside(keys, got, to)
    assert opened.partition(b"\r\n\r\n")[2] == octets
    assert b"Received" not in opened and got.startswith(b"Received:")
    assert b"Received: from inside by mta" in got.partition(b"\r\n\r\n")[0]
    assert_nested_signature_is_good(crt, opened)


def test_with_header_protection_the_first_text_alone_is_touched(
        make_gateway, capture, keys, sent):
    _, _, octets = sent
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt],
                      rules='rule "all" { try = { smime, reject } }\n')
    gw.send(SENDER, ALICE, message(octets, ALICE), mail_options=["BODY=8BITMIME"])
    opened = inside(keys, capture.wait(1)[0].data, ALICE)
    # behind the legacy display in the text comes every octet as it was sent
    assert octets.partition(TEXT)[2] == opened.partition(TEXT)[2]
    assert opened.partition(TEXT)[0].endswith(b"Subject: exact\r\n\r\n")


@pytest.mark.parametrize("more", ["", "smime-signed = opaque"], ids=["detached", "opaque"])
def test_signed_each_part_is_the_same_when_decoded(make_gateway, capture, keys, sent, more):
    crt, signed, octets = sent
    mine, both = bundle(keys, SENDER, "sam-exact")
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both],
                      rules='rule "all" { try = { clear } sign = required %s }\n' % more)
    gw.send(SENDER, CAROL, message(octets, CAROL), mail_options=["BODY=8BITMIME"])
    got = capture.wait(1)[0].data
    entity = verified(keys, got, mine)
    assert max(entity) < 128 and max(map(len, entity.split(b"\r\n"))) <= 998
    parts = [p for p in parse(entity).iter_parts()]
    for (kind, encoding, sent_octets), part in zip(PARTS, parts):
        assert part.get_content_type() == kind.partition(";")[0]
        want = base64.b64decode(sent_octets) if encoding == b"base64" else sent_octets
        have = part.get_payload(decode=True)
        assert have == want or have + b"\r\n" == want, kind
    # whatever needs no change has none: the octets are those that were sent
    for same in (TNEF, ODD, b"plain\r\n", signed):
        assert same in entity
    assert b"quoted-printable" in entity
    assert_nested_signature_is_good(crt, entity)


def test_utf8_in_the_header_survives(make_gateway, capture, keys):
    mine, both = bundle(keys, SENDER, "sam-utf8")
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both, keys.alice_crt],
                      rules='rule "all" { try = { smime, clear } sign = required }\n')
    subject = "K\u00f6ln \u2708"
    text = ("From: Sam <%s>\r\nTo: %s\r\nSubject: %s\r\nX-Note: %s\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\ngr\u00fc\u00df dich\r\n")
    for to in (ALICE, CAROL):
        gw.send(SENDER, to, (text % (SENDER, to, subject, subject)).encode(),
                mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    got = {m.rcpts[0]: m.data for m in capture.wait(2)}
    sealed, clear = got[ALICE], got[CAROL]
    for entity in (verified(keys, keys.open_smime(sealed, keys.alice_key), mine),
                   verified(keys, clear, mine)):
        assert ("\r\nX-Note: %s\r\n" % subject).encode() in b"\r\n" + entity
        assert "gr\u00fc\u00df dich" in parse(entity).get_content()
    assert ("Subject: " + subject).encode() not in sealed and b"Subject: [...]" in sealed
