# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Mail is signed with the key of its sender, for clients that may, as rules ask
for it; what must be signed and cannot be is refused."""
import base64
import email
import email.policy
import os
import signal
import smtplib
import threading
import time

import pytest

from harness import message, run

SENDER = "sam@sender.example"
ALICE, BOB, CAROL = "alice@partner.example", "bob@partner.example", "carol@partner.example"
CANARY = "canary 1618 canary"
MAY = 'may-sign = "127.0.0.1"'


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def rule(sign, more=""):
    return 'rule "all" { try = { smime, pgp, clear } sign = %s %s }\n' % (sign, more)


@pytest.fixture(scope="module")
def signers(keys):
    """A secret OpenPGP key for sam, in keys' own keyring, too."""
    keys.openpgp(SENDER, "sam")
    secret = keys.root / "sam.secret.asc"
    secret.write_bytes(keys.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--armor",
                                "--export-secret-keys", SENDER).stdout)
    return secret


def refusal(gw, *args, **kwargs):
    try:
        gw.send(*args, **kwargs)
    except smtplib.SMTPDataError as e:
        return e.smtp_code, e.smtp_error.decode()
    except smtplib.SMTPRecipientsRefused as e:
        code, text = list(e.recipients.values())[0]
        return code, text.decode()
    return None


def decided(gw):
    gw.stop()
    return [r["rec"] for r in gw.audit() if r["rec"].get("type") == "decided"]


def split_signed(data):
    """The octets of the first part of a multipart/signed, and the second part."""
    boundary = b"--" + parse(data).get_boundary().encode()
    first = data.split(b"\r\n" + boundary)[1].partition(b"\r\n")[2]
    return first, list(parse(data).iter_parts())[1]


def gpg_verify(keys, data, root):
    entity, part = split_signed(data)
    (root / "entity").write_bytes(entity)
    (root / "sig").write_bytes(part.get_payload(decode=True))
    return run("gpg", "--homedir", keys.gnupg, "--batch", "--status-fd", "1", "--verify",
               root / "sig", root / "entity").stdout.decode()


def test_readable_mail_gets_a_signature_beside_it(make_gateway, capture, keys, signers, root):
    gw = make_gateway(capture.port, listen=MAY, import_keys=[signers],
                      rules=rule("required"))
    body = "gr\u00fc\u00dfe " + CANARY + " \r\nFrom here on\r\n" + "x" * 1200 + "\r\n"
    gw.send(SENDER, CAROL, message(
        to=CAROL, body=body, extra="MIME-Version: 1.0\r\nContent-Type: text/plain; "
        "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"),
        mail_options=["BODY=8BITMIME"])
    got = capture.wait(1)[0].data
    outer = parse(got)
    assert outer.get_content_type() == "multipart/signed"
    assert outer.get_param("protocol") == "application/pgp-signature"
    assert outer.get_param("micalg").startswith("pgp-sha")
    assert outer["Subject"] == "A test"
    assert "GOODSIG" in gpg_verify(keys, got, root)
    entity, _ = split_signed(got)
    assert parse(entity).get_param("hp") == "clear" and parse(entity)["Subject"] == "A test"
    text = parse(entity).get_payload(decode=True).decode()
    assert text == body
    assert max(entity) < 128 and max(map(len, entity.split(b"\r\n"))) <= 998
    row = decided(gw)[0]
    assert row["signature"]["kind"] == "openpgp" and row["result"] == "clear"


def test_pgp_mime_is_signed_inside(make_gateway, capture, keys, signers):
    gw = make_gateway(capture.port, listen=MAY, import_keys=[signers, keys.bob_asc],
                      rules=rule("if-possible"))
    gw.send(SENDER, BOB, message(to=BOB, body=CANARY + "\r\n"))
    got = capture.wait(1)[0].data
    armor = [p for p in parse(got).walk()
             if p.get_content_type() == "application/octet-stream"][0].get_payload(decode=True)
    opened = keys.gpg("--status-fd", "1", "--decrypt", input=armor).stdout
    assert b"GOODSIG" in opened and CANARY.encode() in opened
    assert CANARY.encode() not in capture.everything()


def test_a_key_of_the_other_kind_does_not_sign(make_gateway, capture, keys, signers):
    """Alice gets S/MIME; the only key is for OpenPGP."""
    gw = make_gateway(capture.port, listen=MAY, import_keys=[signers, keys.alice_crt],
                      rules=rule("if-possible"))
    gw.send(SENDER, ALICE, message(body=CANARY + "\r\n"))
    opened = keys.open_smime(capture.wait(1)[0].data, keys.alice_key)
    assert CANARY.encode() in opened and b"multipart/signed" not in opened
    assert "certificate" in decided(gw)[0]["signature"]["none"]


def test_who_may_not_sign_is_refused_at_rcpt_where_it_must(make_gateway, capture, keys, signers):
    gw = make_gateway(capture.port, import_keys=[signers], rules=rule("required"))
    with smtplib.SMTP("127.0.0.1", gw.port) as s:
        s.ehlo("x.sender.example")
        s.mail(SENDER)
        code, text = s.rcpt(CAROL)
    assert code == 550 and text.startswith(b"5.7.1") and b"may-sign" in text
    assert not capture.messages


def test_without_a_key_required_refuses_and_if_possible_does_not(make_gateway, capture, keys):
    gw = make_gateway(capture.port, listen=MAY, rules=rule("required"))
    code, text = refusal(gw, SENDER, CAROL, message(to=CAROL))
    assert code == 550 and "signature" in text and "no key" in text
    assert not capture.messages
    gw = make_gateway(capture.port, listen=MAY, rules=rule("if-possible"))
    gw.send(SENDER, CAROL, message(to=CAROL))
    assert parse(capture.wait(1)[0].data).get_content_type() == "text/plain"


@pytest.mark.parametrize("extra,sender", [
    ("", "other@sender.example"),
    ("From: Also <also@sender.example>\r\n", SENDER),
])
def test_another_name_in_from_is_never_signed(
        make_gateway, capture, keys, signers, extra, sender):
    gw = make_gateway(capture.port, listen=MAY, import_keys=[signers], rules=rule("required"))
    code, text = refusal(gw, SENDER, CAROL, message(to=CAROL, sender=sender, extra=extra))
    assert code == 550 and "From" in text
    assert not capture.messages


def test_mail_for_pick_up_that_must_be_signed_is_refused(make_gateway, capture, keys, signers):
    gw = make_gateway(capture.port, listen=MAY, import_keys=[signers],
                      rules='rule "all" { try = { smime, escrow } sign = required }\n')
    code, text = refusal(gw, SENDER, CAROL, message(to=CAROL))
    assert code == 550 and "pick-up" in text


def test_a_tag_makes_it_required(make_gateway, capture, keys):
    gw = make_gateway(capture.port, listen=MAY, rules='''
rule "asked-for" { subject-tag = "[sign]" try = { clear } sign = required }
rule "all" { try = { clear } }
''')
    gw.send(SENDER, CAROL, message(to=CAROL))
    code, text = refusal(gw, SENDER, CAROL, message(to=CAROL, subject="[sign] x"))
    assert code == 550 and "asked-for" in text


def test_what_is_signed_already_is_not_signed_again(make_gateway, capture, keys, signers):
    entity = b"Content-Type: text/plain\r\n\r\nhello\r\n"
    sig = keys.gpg("--local-user", SENDER, "--armor", "--detach-sign", input=entity).stdout
    sig = sig.replace(b"\n", b"\r\n")
    sent = (b"From: <%s>\r\nTo: <%s>\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; "
            b"micalg=pgp-sha512; boundary=\"b\"\r\n\r\n--b\r\n%s\r\n--b\r\n"
            b"Content-Type: application/pgp-signature\r\n\r\n%s\r\n--b--\r\n"
            % (SENDER.encode(), CAROL.encode(), entity, sig))
    gw = make_gateway(capture.port, listen=MAY, import_keys=[signers], rules=rule("required"))
    gw.send(SENDER, CAROL, sent)
    got = capture.wait(1)[0].data
    assert got.endswith(sent.partition(b"\r\n\r\n")[2])
    # a Content-Type alone is no signature
    fake = sent.replace(sig, b"no signature\r\n")
    gw.send(SENDER, CAROL, fake)
    got = capture.wait(2)[1].data
    assert got.count(b"BEGIN PGP SIGNATURE") == 1


def test_an_engine_that_dies_never_leads_to_unsigned_mail(
        make_gateway, capture, keys, signers):
    """Also where a signature is only wanted if possible: there is a key."""
    gw = make_gateway(capture.port, listen=MAY, import_keys=[signers],
                      rules=rule("if-possible"))
    stop = threading.Event()

    def kill_pgp():
        while not stop.is_set():
            for pid in gw.pids().get("pgp", []):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)

    killer = threading.Thread(target=kill_pgp)
    killer.start()
    try:
        got = [refusal(gw, SENDER, CAROL, message(to=CAROL)) for _ in range(3)]
    finally:
        stop.set()
        killer.join()
    assert {g[0] for g in got if g is not None} <= {451}
    for m in capture.messages:
        assert parse(m.data).get_content_type() == "multipart/signed"


def test_explain_tells_the_key(make_gateway, capture, keys, signers):
    gw = make_gateway(capture.port, listen=MAY, import_keys=[signers], rules=rule("required"))
    out = gw.cli("explain", "--from", SENDER, "--to", CAROL).stdout.decode()
    assert "signed with the sender's OpenPGP key" in out
    out = gw.cli("explain", "--from", "x@sender.example", "--to", CAROL, check=False)
    assert out.returncode == 1 and b"refused" in out.stdout


def test_autocrypt_goes_with_senders_that_have_a_key(make_gateway, capture, keys, signers):
    gw = make_gateway(capture.port, listen=MAY, import_keys=[signers, keys.alice_crt],
                      rules='''
rule "out" { to = { "@quiet.example" } try = { clear } autocrypt = false }
rule "all" { try = { smime, clear } }
''')
    gw.send(SENDER, [CAROL, ALICE], message(to=", ".join([CAROL, ALICE])))
    for m in capture.wait(2):
        field = parse(m.data)["Autocrypt"]
        assert field.startswith("addr=%s;" % SENDER)
        key = base64.b64decode("".join(field.partition("keydata=")[2].split()))
        shown = keys.gpg("--show-keys", "--with-colons", input=key).stdout.decode()
        assert SENDER in shown
    gw.send(SENDER, "x@quiet.example", message(to="x@quiet.example"))
    gw.send("nobody@sender.example", CAROL, message(to=CAROL, sender="nobody@sender.example"))
    for m in capture.wait(4)[2:]:
        assert b"Autocrypt" not in m.data
