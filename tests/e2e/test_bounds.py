# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""All variants of a message together are bounded; OpenPGP messages are never
compressed; the key of a domain is the last one of a rung."""
import smtplib

import pytest

from harness import message, wait_for
from test_engine_failure import leftovers
from test_forms import ALICE, BOB, SENDER, armor_of, parse
from test_sign import MAY, signers

__all__ = ["signers"]  # a fixture
CANARY = "canary 2020 canary"


def test_variants_of_a_message_are_bounded(make_gateway, capture, keys):
    """Hidden recipients get one each; twenty times the limit is the end."""
    crt, pem = keys.certificate("gateway@many.example", "many")
    gw = make_gateway(capture.port, limits="message-size = 64K",
                      rules='rule "all" { try = { smime, clear } }\n')
    gw.cli("key", "import", "--domain", "many.example", crt)
    hidden = ["x%d@many.example" % n for n in range(30)]
    body = CANARY + "\r\n" + "y" * 70 + "\r\n"
    body += ("0123456789" * 7 + "\r\n") * 570
    with pytest.raises(smtplib.SMTPDataError) as refused:
        gw.send(SENDER, hidden, message(to="list@sender.example", body=body))
    assert refused.value.smtp_code == 552
    assert not capture.messages
    wait_for("nothing to be left", lambda: leftovers(gw) == [])
    assert not gw.cli_json("queue", "list")
    # fewer go out, each to one
    gw.send(SENDER, hidden[:10], message(to="list@sender.example", body=body))
    got = capture.wait(10)
    assert sorted(m.rcpts for m in got) == sorted([h] for h in hidden[:10])
    assert CANARY.encode() in keys.open_smime(got[0].data, pem)
    assert CANARY.encode() not in capture.everything()


def test_openpgp_is_never_compressed(make_gateway, capture, keys, signers):
    gw = make_gateway(capture.port, listen=MAY, import_keys=[signers, keys.bob_asc], rules='''
rule "sign" { subject-tag = "[sign]" try = { pgp, hold } sign = required }
rule "all" { try = { pgp, reject } }
''')
    for n, subject in enumerate(("x", "[sign] x"), 1):
        gw.send(SENDER, BOB, message(to=BOB, subject=subject, body="z" * 60 + "\r\n"))
        armor = armor_of(capture.wait(n)[n - 1].data)
        packets = keys.gpg("--list-packets", "--verbose", input=armor).stdout
        assert b":literal data packet:" in packets and b":compressed packet:" not in packets
        assert (b":onepass_sig packet:" in packets) == (n == 2)
        assert b"mode b" in packets


def test_the_key_of_a_domain_comes_last(make_gateway, capture, keys):
    domain = keys.openpgp("gateway@partner.example", "domain-pgp")
    gw = make_gateway(capture.port, import_keys=[keys.bob_asc],
                      rules='rule "all" { try = { pgp, reject } }\n')
    gw.cli("key", "import", "--domain", "partner.example", domain)
    gw.send(SENDER, "anybody@partner.example",
            message(to="anybody@partner.example", body=CANARY + "\r\n"))
    gw.send(SENDER, BOB, message(to=BOB, body=CANARY + "\r\n"))
    for m in capture.wait(2):
        whose = BOB if m.rcpts == [BOB] else "gateway@partner.example"
        ids = keys.gpg("--list-only", "--list-packets", input=armor_of(m.data)).stdout
        listed = keys.gpg("--with-colons", "--list-keys", whose).stdout.decode().splitlines()
        subkeys = [line.split(":")[4] for line in listed if line.startswith("sub:")]
        assert any(k.encode() in ids for k in subkeys), whose
        assert CANARY.encode() in keys.open_pgp(armor_of(m.data))
    assert parse(capture.messages[0].data)["To"] and ALICE not in capture.messages[0].rcpts
