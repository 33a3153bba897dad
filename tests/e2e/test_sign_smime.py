# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""S/MIME signatures, and keys that stand for a whole domain."""
import email
import email.policy
import os

import pytest

from harness import message, run
from test_processes import in_memory

SENDER = "sam@sender.example"
ALICE, CAROL = "alice@partner.example", "carol@partner.example"
CANARY = "canary 2236 canary"
MAY = 'may-sign = "127.0.0.1"'


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def rule(sign, more=""):
    return 'rule "all" { try = { smime, pgp, clear } sign = %s %s }\n' % (sign, more)


def bundle(keys, addr, name, key=("rsa:2048",)):
    crt, pem = keys.certificate(addr, name, key=key)
    both = keys.root / (name + ".both.pem")
    both.write_bytes(crt.read_bytes() + pem.read_bytes())
    return crt, both


def verified(keys, data, crt):
    """The entity in a multipart/signed, once `openssl cms` has verified it."""
    return run("openssl", "cms", "-verify", "-CAfile", crt, "-purpose", "any",
               input=data).stdout


@pytest.mark.parametrize("key", [("rsa:2048",), ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")],
                         ids=["rsa", "ec"])
def test_readable_mail_gets_a_signature_beside_it(make_gateway, capture, keys, key):
    crt, both = bundle(keys, SENDER, "sam-" + key[0][:2], key)
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both], rules=rule("required"))
    gw.send(SENDER, CAROL, message(to=CAROL, body="gr\u00fc\u00dfe " + CANARY + "\r\n", extra=
                                   "MIME-Version: 1.0\r\nContent-Type: text/plain; "
                                   "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"))
    got = capture.wait(1)[0].data
    outer = parse(got)
    assert outer.get_content_type() == "multipart/signed"
    assert outer.get_param("protocol") == "application/pkcs7-signature"
    assert outer.get_param("micalg") == "sha-256"
    entity = verified(keys, got, crt)
    assert parse(entity)["Subject"] == "A test" and parse(entity).get_param("hp") == "clear"
    assert CANARY in parse(entity).get_content() and max(entity) < 128


def test_sealed_mail_is_signed_inside(make_gateway, capture, keys):
    crt, both = bundle(keys, SENDER, "sam-in")
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both, keys.alice_crt],
                      rules=rule("if-possible"))
    gw.send(SENDER, ALICE, message(body=CANARY + "\r\n"))
    got = capture.wait(1)[0].data
    assert CANARY.encode() not in capture.everything()
    opened = keys.open_smime(got, keys.alice_key)
    assert parse(opened).get_content_type() == "multipart/signed"
    entity = parse(verified(keys, opened, crt))
    assert entity["Subject"] == "A test" and entity.get_param("hp") == "cipher"
    gw.stop()
    row = [r["rec"] for r in gw.audit() if r["rec"].get("type") == "decided"][0]
    fpr = run("openssl", "x509", "-in", crt, "-noout", "-fingerprint", "-sha256").stdout
    assert row["signature"]["key"].lower() == \
        fpr.decode().strip().partition("=")[2].replace(":", "").lower()
    assert row["header-protection"] == "baseline"


def test_the_domain_signs_only_where_a_rule_lets_it(make_gateway, capture, keys):
    crt, both = bundle(keys, "gateway@sender.example", "domain-sender")
    gw = make_gateway(capture.port, listen=MAY, rules='''
rule "no" { to = { "@strict.example" } try = { clear } sign = if-possible }
rule "all" { try = { clear } sign = required sign-as-domain = true }
''')
    gw.cli("key", "import", "--domain", "sender.example", both)
    gw.send(SENDER, CAROL, message(to=CAROL))
    assert CAROL in str(parse(verified(keys, capture.wait(1)[0].data, crt))["To"])
    gw.send(SENDER, "x@strict.example", message(to="x@strict.example"))
    assert parse(capture.wait(2)[1].data).get_content_type() == "text/plain"
    gw.stop()
    rows = [r["rec"] for r in gw.audit() if r["rec"].get("type") == "decided"]
    assert rows[0]["signature"]["of-domain"] and "none" in rows[1]["signature"]


def test_a_certificate_of_the_domain_is_the_last_key(make_gateway, capture, keys):
    crt, pem = keys.certificate("gateway@partner.example", "domain-partner")
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt],
                      rules='rule "all" { try = { smime, reject } }\n')
    gw.cli("key", "import", "--domain", "partner.example", crt)
    gw.send(SENDER, CAROL, message(to=CAROL, body=CANARY + "\r\n"))
    assert CANARY.encode() in keys.open_smime(capture.wait(1)[0].data, pem)
    gw.send(SENDER, ALICE, message(body=CANARY + "\r\n"))
    assert CANARY.encode() in keys.open_smime(capture.wait(2)[1].data, keys.alice_key)
    assert CANARY.encode() not in capture.everything()


def prime_of(pem):
    """Octets of a prime of the RSA key, as a number lies in memory: the least
    significant first."""
    dump = run("openssl", "rsa", "-in", pem, "-traditional", "-outform", "DER").stdout
    lines = run("openssl", "asn1parse", "-inform", "DER", input=dump).stdout.decode().splitlines()
    numbers = [line.rpartition(":")[2] for line in lines if "INTEGER" in line]
    return bytes.fromhex(numbers[4])[::-1][32:64]


def test_the_private_key_is_in_no_process_but_keys(make_gateway, capture, keys):
    if os.geteuid() != 0:
        pytest.skip("reading another process's memory needs root")
    crt, both = bundle(keys, SENDER, "sam-mem")
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both], rules=rule("required"))
    gw.send(SENDER, CAROL, message(to=CAROL, body="x\r\n"))
    verified(keys, capture.wait(1)[0].data, crt)
    prime = prime_of(both)
    for role, pids in gw.pids().items():
        for pid in pids:
            assert in_memory(pid, prime) == (role == "keys"), role
