# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Mail that its sender's own software has encrypted: it passes where a rule lets
it and a key of the recipient is named in it; what only looks encrypted, or may
open otherwise, goes down the ladder."""
import base64

import pytest

from harness import message, run
from test_forms import ALICE, BOB, SENDER, armor_of, parse
from test_sign_smime import CAROL, MAY, bundle

CANARY = "canary 3141 canary"
PASS = 'rule "all" { try = { smime, pgp, reject } already-encrypted = pass %s }\n'
ENTITY = ("Content-Type: text/plain\r\n\r\n" + CANARY + "\r\n").encode()


def cms(verb, *args, data=ENTITY):
    return run("openssl", "cms", verb, "-binary", "-outform", "DER", *args, input=data).stdout


def as_smime(der, to=ALICE, kind="enveloped-data", extra=""):
    text = base64.encodebytes(der).decode().replace("\n", "\r\n")
    return message(subject="the sender's own", to=to, body=text, extra=extra +
                   "MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n"
                   'Content-Type: application/pkcs7-mime; smime-type=%s; name="smime.p7m"\r\n'
                   % kind)


def as_pgp(armor, to=BOB):
    body = ("--x\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n"
            "--x\r\nContent-Type: application/octet-stream\r\n\r\n"
            + armor.decode().replace("\n", "\r\n") + "\r\n--x--\r\n")
    return message(subject="the sender's own", to=to, body=body, extra="MIME-Version: 1.0\r\n"
                   'Content-Type: multipart/encrypted; boundary="x";\r\n'
                   ' protocol="application/pgp-encrypted"\r\n')


def sealed_for_bob(keys, *more):
    return keys.gpg("--armor", "--trust-model", "always", "-r", BOB, *more, "--encrypt",
                    input=ENTITY).stdout


def body_of(data):
    return data.partition(b"\r\n\r\n")[2]


def decided(gw):
    gw.stop()
    return [r["rec"] for r in gw.audit() if r["rec"].get("type") == "decided"]


def test_what_is_encrypted_to_the_recipient_passes(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt, keys.bob_asc],
                      rules=PASS % "")
    smime = as_smime(cms("-encrypt", "-aes256", keys.alice_crt),
                     extra="Bcc: hidden@partner.example\r\n")
    pgp = as_pgp(sealed_for_bob(keys))
    inline = message(to=BOB, body=sealed_for_bob(keys).decode().replace("\n", "\r\n"))
    got = []
    for to, sent in ((ALICE, smime), (BOB, pgp), (BOB, inline)):
        gw.send(SENDER, to, sent)
        got.append(capture.wait(len(got) + 1)[-1].data)
        data = got[-1]
        assert body_of(data) == body_of(sent)
        assert data.startswith(b"Received:") and b"\r\nBcc:" not in data
    assert parse(got[0])["Subject"] == "the sender's own"
    assert keys.open_smime(got[0], keys.alice_key) == ENTITY
    assert keys.open_pgp(armor_of(got[1])) == ENTITY
    rows = decided(gw)
    assert [(r["rung"], r["result"], r["already-encrypted"]["passes"]) for r in rows] == \
        [("smime", "sealed", True), ("pgp", "sealed", True), ("pgp", "sealed", True)]
    assert all(r["key"] == r["already-encrypted"]["key"] for r in rows)
    assert "smime" not in rows[0] and "header-protection" not in rows[0]


def mallory(keys):
    return keys.certificate("mallory@partner.example")[0]


def opaque(keys):
    return as_smime(cms("-sign", "-nodetach", "-signer", keys.alice_crt,
                        "-inkey", keys.alice_key), kind="enveloped-data")


NOT_FOR_ALICE = {
    "to somebody else": lambda k: as_smime(cms("-encrypt", "-aes256", mallory(k))),
    "signed, whatever it is called": opaque,
    "3DES": lambda k: as_smime(cms("-encrypt", "-des3", k.alice_crt)),
    "AES-128, below the floor": lambda k: as_smime(cms("-encrypt", "-aes128", k.alice_crt)),
    "a password, too": lambda k: as_smime(
        cms("-encrypt", "-aes256", "-pwri_password", "secret", k.alice_crt)),
    "something behind it": lambda k: as_smime(
        cms("-encrypt", "-aes256", k.alice_crt) + b"\x04\x02hi"),
    "no CMS at all": lambda k: as_smime(CANARY.encode()),
}
NOT_FOR_BOB = {
    "around plain text": lambda k: as_pgp(CANARY.encode()),
    "armor in a quoted text": lambda k: message(
        to=BOB, body=CANARY + "\r\n> " + sealed_for_bob(k).decode().replace("\n", "\r\n> ")),
    "armor, then a text": lambda k: message(
        to=BOB, body=sealed_for_bob(k).decode().replace("\n", "\r\n") + CANARY + "\r\n"),
    "a password, too": lambda k: as_pgp(sealed_for_bob(
        k, "--pinentry-mode", "loopback", "--passphrase", "secret", "--symmetric")),
    "only signed": lambda k: as_pgp(k.gpg("--armor", "-u", BOB, "--sign", input=ENTITY).stdout),
    "recipients not named": lambda k: as_pgp(sealed_for_bob(k, "--throw-keyids")),
    "a line beside the parts": lambda k: as_pgp(sealed_for_bob(k)).replace(
        b"\r\n--x--\r\n", b"\r\n--x--\r\n" + CANARY.encode() + b"\r\n"),
}


def test_what_only_looks_encrypted_is_encrypted(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt, keys.bob_asc],
                      rules=PASS % "")
    cases = [(ALICE, name, make(keys)) for name, make in NOT_FOR_ALICE.items()] + \
            [(BOB, name, make(keys)) for name, make in NOT_FOR_BOB.items()]
    for i, (to, name, sent) in enumerate(cases):
        gw.send(SENDER, to, sent)
        got = capture.wait(i + 1)[i].data
        opened = keys.open_smime(got, keys.alice_key) if to == ALICE \
            else keys.open_pgp(armor_of(got))
        inner = body_of(sent)
        assert inner.strip()[:60] in opened, name
    assert CANARY.encode() not in capture.everything()
    rows = decided(gw)
    assert len(rows) == len(cases)
    assert not any(r.get("already-encrypted", {"passes": False})["passes"] for r in rows)


def test_each_recipient_has_an_answer_of_its_own(make_gateway, capture, keys):
    dora, dora_key = keys.certificate("dora@partner.example")
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt, dora], rules=PASS % "")
    to = [ALICE, "dora@partner.example"]
    sent = as_smime(cms("-encrypt", "-aes256", keys.alice_crt), to=", ".join(to))
    gw.send(SENDER, to, sent)
    got = {m.rcpts[0]: m.data for m in capture.wait(2)}
    assert keys.open_smime(got[ALICE], keys.alice_key) == ENTITY
    again = keys.open_smime(got[to[1]], dora_key)
    assert parse(again).get_content_type() == "application/pkcs7-mime"


@pytest.mark.parametrize("rules", [
    'rule "all" { try = { smime, reject } }\n',
    'rule "all" { try = { smime, reject } already-encrypted = ladder }\n',
    'rule "more" { subject-tag = "own" try = { smime, reject } already-encrypted = ladder }\n'
    + PASS % "",
    'rule "more" { subject-tag = "own" try = { smime, reject } already-encrypted = pass }\n'
    'rule "all" { try = { smime, reject } }\n',
    PASS % "smime-cipher = aes256-gcm",
    PASS % "smime-padding = oaep",
], ids=["default", "ladder", "raised", "raised in vain", "cipher", "padding"])
def test_rules_that_do_not_let_it_pass(make_gateway, capture, keys, rules):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=rules)
    gw.send(SENDER, ALICE, as_smime(cms("-encrypt", "-aes256", keys.alice_crt)))
    opened = keys.open_smime(capture.wait(1)[0].data, keys.alice_key)
    assert parse(opened).get_content_type() == "application/pkcs7-mime"
    assert decided(gw)[0]["already-encrypted"]["why"]


def test_what_must_be_signed_is_signed(make_gateway, capture, keys):
    crt, both = bundle(keys, SENDER, "sam-already")
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both, keys.alice_crt],
                      rules='rule "may" { to = { "bob@partner.example" } '
                            'try = { smime, pgp, reject } sign = if-possible '
                            'already-encrypted = pass }\n' + PASS % "sign = required")
    gw.cli("key", "import", keys.bob_asc)
    gw.send(SENDER, ALICE, as_smime(cms("-encrypt", "-aes256", keys.alice_crt)))
    opened = keys.open_smime(capture.wait(1)[0].data, keys.alice_key)
    assert parse(opened).get_content_type() == "multipart/signed"
    gw.send(SENDER, BOB, as_pgp(sealed_for_bob(keys)))
    assert keys.open_pgp(armor_of(capture.wait(2)[1].data)) == ENTITY
    rows = decided(gw)
    assert rows[0]["already-encrypted"]["why"] == "it must be signed"
    assert rows[1]["signature"]["none"] == "it is encrypted already"


def test_a_key_that_may_not_be_used_does_not_count(make_gateway, capture, keys):
    crt, pem = keys.certificate(CAROL)
    gw = make_gateway(capture.port, rules='rule "all" { try = { smime, clear } '
                                          'already-encrypted = pass }\n')
    gw.cli("key", "import", "--candidate", crt)
    sent = as_smime(cms("-encrypt", "-aes256", crt), to=CAROL)
    gw.send(SENDER, CAROL, sent)
    assert keys.open_smime(capture.wait(1)[0].data, pem) == ENTITY
    row = decided(gw)[0]
    assert row["result"] == "clear" and not row["already-encrypted"]["passes"]


def test_the_command_line_says_and_does_the_same(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=PASS % "")
    sent = as_smime(cms("-encrypt", "-aes256", keys.alice_crt))
    out = gw.cli("explain", "--from", SENDER, "--to", ALICE, "--file", "-", input=sent).stdout
    assert b"passes as it is" in out
    sealed = gw.cli("seal", "--from", SENDER, "--to", ALICE, input=sent).stdout
    assert body_of(sealed) == body_of(sent)
    signed = opaque(keys)
    out = gw.cli("explain", "--from", SENDER, "--to", ALICE, "--file", "-",
                 input=signed).stdout
    assert b"passes as it is" not in out
