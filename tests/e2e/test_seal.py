# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""A message goes in, leaves protected in the form its recipient can open, and
opens to what was sent."""
import email
import email.policy
import json
import os
import re
import smtplib

import pytest

from harness import BUILD, message, opened_body, run, wait_for
from peers import Postfix

SENDER = "sam@sender.example"
ALICE, ERIN = "alice@partner.example", "erin@partner.example"
BOB, CAROL = "bob@partner.example", "carol@partner.example"
CANARY = "canary 4711 canary"


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def armor_of(data):
    parts = [p for p in parse(data).walk()
             if p.get_content_type() == "application/octet-stream"]
    assert len(parts) == 1
    return parts[0].get_payload(decode=True)


def body_of(sent):
    return sent.partition(b"\r\n\r\n")[2]


def link_of(data):
    return re.search(r"https?://\S+/m/\S+#\S+", parse(data).get_content()).group(0)


def open_link(link):
    page = BUILD / "gateway" / "portal" / "page"
    return run("node", page / "open-link.mjs", link).stdout.decode()


@pytest.mark.parametrize("who", ["alice", "erin"])
def test_certificate_gets_smime_that_openssl_opens(gateway, capture, keys, who):
    addr = {"alice": ALICE, "erin": ERIN}[who]
    key = {"alice": keys.alice_key, "erin": keys.ec_key}[who]
    sent = message(body=CANARY + "\r\n..dots\r\n.\r\nend\r\n", to=addr)
    gateway.send(SENDER, addr, sent)
    got = capture.wait(1)[0]
    assert CANARY.encode() not in capture.everything()
    outer = parse(got.data)
    assert outer.get_content_type() == "application/pkcs7-mime"
    assert outer.get_param("smime-type") == "enveloped-data"
    assert outer["Subject"] == "[...]"
    assert got.mail_from == SENDER and got.rcpts == [addr]
    opened = keys.open_smime(got.data, key)
    assert parse(opened)["Subject"] == "A test"
    assert opened_body(opened) == body_of(sent)


def test_openpgp_key_gets_pgp_mime_that_gpg_opens(gateway, capture, keys):
    sent = message(body="h\u00e4llo " + CANARY + "\r\n", to=BOB,
                   extra="MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                         "Content-Transfer-Encoding: 8bit\r\n")
    gateway.send(SENDER, BOB, sent, mail_options=["BODY=8BITMIME"])
    got = capture.wait(1)[0]
    assert CANARY.encode() not in capture.everything()
    outer = parse(got.data)
    assert outer.get_content_type() == "multipart/encrypted"
    assert outer.get_param("protocol") == "application/pgp-encrypted"
    first, second = outer.iter_parts()
    assert first.get_content_type() == "application/pgp-encrypted"
    assert "Version: 1" in first.as_string()
    opened = keys.open_pgp(armor_of(got.data))
    assert opened_body(opened) == body_of(sent)
    inner = parse(opened)
    assert inner["Content-Transfer-Encoding"] == "8bit"
    assert inner.get_content_type() == "text/plain" and inner.get_param("charset") == "utf-8"


def test_nobody_without_a_key_gets_text_but_a_link_that_opens(gateway, capture, keys):
    gateway.send(SENDER, CAROL, message(subject="Very secret", body=CANARY + "\r\n", to=CAROL))
    got = capture.wait(1)[0]
    assert CANARY.encode() not in capture.everything()
    assert b"Very secret" not in capture.everything()
    assert CANARY in open_link(link_of(got.data))


def test_every_recipient_gets_the_form_that_fits(gateway, capture, keys):
    everybody = [ALICE, ERIN, BOB, CAROL]
    gateway.send(SENDER, everybody, message(body=CANARY + "\r\n", to=", ".join(everybody)))
    got = {tuple(m.rcpts): m for m in capture.wait(4)}
    assert set(got) == {(ALICE,), (ERIN,), (BOB,), (CAROL,)}
    assert CANARY.encode() in keys.open_smime(got[(ALICE,)].data, keys.alice_key)
    assert CANARY.encode() in keys.open_smime(got[(ERIN,)].data, keys.ec_key)
    assert CANARY.encode() in keys.open_pgp(armor_of(got[(BOB,)].data))
    assert CANARY in open_link(link_of(got[(CAROL,)].data))
    assert CANARY.encode() not in capture.everything()


def test_shown_recipients_share_a_variant_and_a_hidden_one_does_not(
        make_gateway, capture, keys):
    second, _ = keys.certificate("adam@partner.example")
    third, _ = keys.certificate("hidden@partner.example")
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt, second, third])
    to = [ALICE, "adam@partner.example", "hidden@partner.example"]
    gw.send(SENDER, to, message(body=CANARY + "\r\n", to=", ".join(to[:2]),
                                extra="Bcc: hidden@partner.example\r\n"))
    got = {tuple(sorted(m.rcpts)): m for m in capture.wait(2)}
    assert set(got) == {("adam@partner.example", ALICE), ("hidden@partner.example",)}
    for m in got.values():
        assert b"hidden@partner.example" not in m.data
        assert b"Bcc" not in m.data
    # the shared variant names two keys, the hidden one only its own
    counts = {}
    for rcpts, m in got.items():
        der = parse(m.data).get_payload(decode=True)
        text = run("openssl", "cms", "-inform", "DER", "-cmsout", "-print", input=der).stdout
        counts[len(rcpts)] = text.count(b"d.ktri:")
    assert counts == {2: 2, 1: 1}


def test_tag_raises_and_is_removed_everywhere(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "asked-for" { subject-tag = "[secure]" try = { smime, pgp, escrow } }
rule "default" { try = { clear } }
''')
    gw.send(SENDER, ALICE, message(subject="plain mail", body="readable\r\n"))
    first = capture.wait(1)[0]
    assert b"readable" in first.data
    for subject in ("[Secure] budget", "=?utf-8?Q?=5Bsecure=5D_budget?="):
        gw.send(SENDER, [ALICE], message(subject=subject, body=CANARY + "\r\n"))
    for got in capture.wait(3)[1:]:
        assert b"secure" not in got.data.lower()
        opened = keys.open_smime(got.data, keys.alice_key)
        assert parse(opened)["Subject"].strip() == "budget"
        assert CANARY.encode() in opened
    gw.send(SENDER, [CAROL], message(subject="[secure] x", body=CANARY + "\r\n", to=CAROL))
    capture.wait(4)
    assert CANARY.encode() not in capture.everything()


def test_clear_leaves_the_message_as_it_was(make_gateway, capture):
    gw = make_gateway(capture.port, rules='rule "all" { try = { clear } }\n')
    sent = message(body="line\r\n.dot\r\n\r\n  odd \r\n", extra="X-Odd:  kept   as is\r\n")
    gw.send(SENDER, ALICE, sent)
    got = capture.wait(1)[0].data
    trace, _, rest = got.partition(b"From: ")
    assert trace.startswith(b"Received: ") and b"From: " + rest == sent


def test_no_key_and_no_way_is_said_at_rcpt(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt],
                      rules='rule "must" { try = { smime, reject } }\n')
    with smtplib.SMTP("127.0.0.1", gw.port) as s:
        s.ehlo("x.sender.example")
        s.mail(SENDER)
        assert s.rcpt(ALICE)[0] == 250
        code, text = s.rcpt(CAROL)
        assert code == 550 and text.startswith(b"5.7.1")
    assert not capture.messages


def test_some_refused_after_data_get_the_sender_a_dsn(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "tagged" { subject-tag = "[strict]" try = { smime, reject } }
rule "default" { try = { smime, escrow } }
''')
    gw.send(SENDER, [ALICE, CAROL], message(subject="[strict] x", body=CANARY + "\r\n"))
    got = capture.wait(2)
    dsn = [m for m in got if m.mail_from == ""][0]
    assert dsn.rcpts == [SENDER]
    report = parse(dsn.data)
    assert report.get_content_type() == "multipart/report"
    assert CAROL in report.as_string() and CANARY not in report.as_string()
    assert "[strict]" not in report.as_string()
    assert [m.rcpts for m in got if m.mail_from] == [[ALICE]]


def test_all_refused_is_a_550_and_nothing_leaves(make_gateway, capture, keys):
    gw = make_gateway(capture.port, rules='''
rule "tagged" { subject-tag = "[strict]" try = { smime, reject } }
rule "default" { try = { escrow } }
''')
    with pytest.raises(smtplib.SMTPDataError) as refused:
        gw.send(SENDER, CAROL, message(subject="[strict] x", body=CANARY + "\r\n"))
    assert refused.value.smtp_code == 550
    assert not capture.messages
    gw.stop()
    assert [r["rec"]["result"] for r in gw.audit() if r["rec"].get("type") == "decided"] \
        == ["refused"]


def test_held_mail_waits_and_drop_sends_nothing(make_gateway, capture, keys):
    gw = make_gateway(capture.port, rules='''
rule "bulk" { to = { "@bulk.example" } try = { smime, drop } }
rule "default" { try = { smime, hold } }
''')
    gw.send(SENDER, CAROL, message(body=CANARY + "\r\n", to=CAROL))
    gw.send(SENDER, "x@bulk.example", message(body=CANARY + "\r\n"))
    entries = gw.cli_json("queue", "list")
    entries = entries if isinstance(entries, list) else entries["entries"]
    assert len(entries) == 1
    assert not capture.messages
    assert CANARY not in json.dumps(entries)


def test_large_message_leaves_whole(gateway, capture, keys):
    body = ("0123456789" * 7 + "\r\n") * 90000  # 6.5 MB
    gateway.send(SENDER, ALICE, message(body=body + CANARY + "\r\n"))
    got = capture.wait(1)[0]
    opened = keys.open_smime(got.data, keys.alice_key)
    assert opened_body(opened) == (body + CANARY + "\r\n").encode()
    # the file of a large body goes with its entry
    wait_for("the body's file to go",
             lambda: not any((gateway.state / "bodies").iterdir()))


def test_bdat_and_smtputf8_and_8bit_survive(gateway, capture, keys):
    body = "gr\u00fc\u00df dich " + CANARY + "\r\n"
    sent = message(body=body, to="j\u00f6rg@partner.example", extra="MIME-Version: 1.0\r\n"
                   "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
    with smtplib.SMTP("127.0.0.1", gateway.port) as s:
        s.ehlo("x.sender.example")
        s.docmd("MAIL FROM:<%s> BODY=8BITMIME SMTPUTF8" % SENDER)
        assert s.docmd("RCPT TO:<%s>" % BOB)[0] == 250
        half = len(sent) // 2
        s.send(b"BDAT %d\r\n" % half + sent[:half])
        assert s.getreply()[0] == 250
        s.send(b"BDAT %d LAST\r\n" % (len(sent) - half) + sent[half:])
        assert s.getreply()[0] == 250
    got = capture.wait(1)[0]
    assert body.encode() in keys.open_pgp(armor_of(got.data))


def test_explain_tells_beforehand_what_then_happens(gateway, capture, keys):
    out = gateway.cli("explain", "--from", SENDER, "--to", ALICE, "--to", CAROL).stdout.decode()
    assert "alice@partner.example: sealed (smime)" in out
    assert "carol@partner.example: escrowed (escrow)" in out
    answer = gateway.cli_json("explain", "--from", SENDER, "--to", BOB)
    assert answer[0]["rung"] == "pgp" and answer[0]["rule"]["decider"] == "default"
    assert any(k.get("chosen") for k in answer[0]["keys"])


@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix wants to be started by root")
def test_sealed_mail_survives_a_real_mail_server(make_gateway, capture, keys):
    """swaks → Sealgate → Postfix → the recipient's server: every form opens."""
    postfix = Postfix(next_hop=capture.port).start()
    try:
        gw = make_gateway(postfix.port, import_keys=[keys.alice_crt, keys.bob_asc])
        for to in (ALICE, BOB, CAROL):
            run("swaks", "--server", "127.0.0.1:%d" % gw.port, "--from", SENDER, "--to", to,
                "--body", CANARY, "--header", "Subject: through a server")
        got = {m.rcpts[0]: m.data for m in capture.wait(3)}
    finally:
        postfix.stop()
    assert CANARY.encode() in keys.open_smime(got[ALICE], keys.alice_key)
    assert CANARY.encode() in keys.open_pgp(armor_of(got[BOB]))
    assert CANARY in open_link(link_of(got[CAROL]))
    assert CANARY.encode() not in capture.everything()
