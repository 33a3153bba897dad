# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What opens mail for pick-up beside the link: asked for by rules, chosen by
the sender or made here, told to the sender alone, and gone from everything that
leaves."""
import json
import re
import smtplib

import pytest

from escrow import ANSWER, GENERATED, NONE, PASSPHRASE, Link, mail_of, text_of
from harness import message, wait_for

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
SECRET = "Zug um 9:15 nach Ulm"
ANSWERED = "  Tante Erna! "
HIDDEN = (SECRET, "Tante Erna", "tanteerna", "Welche Tante")
CHOSEN = "Sealgate-Passphrase: %s\r\n" % SECRET
ASKED = "Sealgate-Question: Welche Tante?\r\nSealgate-Answer: %s\r\n" % ANSWERED
TAGGED = "[pick-up:%s] Plan" % SECRET

RULES = '''
rule "link" { to = "none@partner.example" try = { escrow } }
rule "made" { to = "made@partner.example" try = { escrow } second-factor = generated }
rule "own" { to = "own@partner.example" try = { escrow } second-factor = passphrase
    passphrase-tag = "pick-up" }
rule "ask" { to = "ask@partner.example" try = { escrow } second-factor = answer }
rule "clear" { to = "clear@partner.example" try = { clear } }
rule "default" { try = { smime, pgp, escrow } }
'''


@pytest.fixture
def gateway(make_gateway, capture, keys):
    return make_gateway(capture.port, rules=RULES, portal="receipts = false",
                        inbound=capture.port, listen_in="",
                        import_keys=[keys.alice_crt, keys.bob_asc])


def notices(capture, rcpt):
    return [m for m in capture.messages if m.rcpts == [rcpt]]


def spelled_code(text):
    return re.search(r"with the passphrase (\S+),", text).group(1).replace("-", "")


def check_hidden(capture):
    for m in capture.messages:
        for word in HIDDEN:
            assert word.encode() not in m.data, (m.rcpts, word)


CASES = [  # recipient's name, fields, subject, kind of link, what opens it
    ("none", "", "Plan", NONE, None),
    ("none", CHOSEN, "Plan", PASSPHRASE, SECRET),
    ("none", ASKED, "Plan", ANSWER, "tanteerna"),
    ("none", "", TAGGED, GENERATED, None),
    ("made", "", "Plan", GENERATED, None),
    ("made", CHOSEN, "Plan", GENERATED, None),
    ("own", "", "Plan", GENERATED, None),
    ("own", CHOSEN, "Plan", PASSPHRASE, SECRET),
    ("own", "", TAGGED, PASSPHRASE, SECRET),
    ("own", ASKED, "Plan", GENERATED, None),
    ("ask", ASKED, "Plan", ANSWER, "tanteerna"),
    ("ask", "", "Plan", GENERATED, None),
]


def test_what_opens_it_is_what_was_asked_for(gateway, capture):
    """One message after the other: who may open, who was told what."""
    for i, (name, fields, subject, kind, spelled) in enumerate(CASES):
        rcpt = name + "@partner.example"
        del capture.messages[:]
        gateway.send(SENDER, rcpt, message(subject=subject, to=rcpt, extra=fields))
        wait_for("the notice of %d" % i, lambda: notices(capture, rcpt))
        link = Link(notices(capture, rcpt)[0].data)
        assert link.factor == kind, (name, fields, subject)
        if kind == GENERATED:
            wait_for("the sent-notice of %d" % i, lambda: notices(capture, SENDER))
            told = notices(capture, SENDER)[0].data
            spelled = spelled_code(text_of(told))
            assert len(spelled) == 20
            code = re.search(r"passphrase (\S+),", text_of(told)).group(1).encode()
            assert code not in notices(capture, rcpt)[0].data
            assert "/m/" not in text_of(told)
        else:
            assert not notices(capture, SENDER), (name, fields)
        assert link.question == ("Welche Tante?" if kind == ANSWER else None)
        check_hidden(capture)
        if kind != NONE:
            assert link.open("wrong").status == 404
        assert link.open(spelled).status == 200
    words = ("none", "passphrase", "generated", "answer")
    wait_for("the audit log", lambda: [
        r["rec"]["factor"] for r in gateway.audit() if r["rec"]["type"] == "escrowed"
    ] == [words[c[3]] for c in CASES])


def test_nothing_of_it_is_on_the_disk(gateway, capture):
    gateway.send(SENDER, "made@partner.example", message(to="made@partner.example", extra=ASKED))
    gateway.send(SENDER, "own@partner.example",
                 message(to="own@partner.example", subject=TAGGED, extra="Thread-Topic: %s\r\n"
                         % TAGGED))
    wait_for("both notices and the one to the sender", lambda: len(capture.messages) >= 3)
    told = text_of(notices(capture, SENDER)[0].data)
    words = [w.encode() for w in (*HIDDEN, spelled_code(told),
                                  re.search(r"passphrase (\S+),", told).group(1))]
    gateway.stop()
    for path in gateway.root.rglob("*"):
        if path.is_file() and path.name != "sealgate.conf":
            octets = path.read_bytes()
            for word in words:
                assert word not in octets, (path, word)


@pytest.mark.parametrize("rcpt", ["alice@partner.example", "bob@partner.example",
                                  "clear@partner.example"])
def test_it_goes_by_no_rung(gateway, capture, keys, rcpt):
    extra = CHOSEN + ASKED + "Thread-Topic: %s\r\n" % TAGGED
    extra = extra.replace(CHOSEN, "")  # the tag is the one passphrase
    gateway.send(SENDER, rcpt, message(to=rcpt, subject=TAGGED, extra=extra))
    wait_for("the message", lambda: notices(capture, rcpt))
    check_hidden(capture)
    data = notices(capture, rcpt)[0].data
    if rcpt.startswith("alice"):
        data += keys.open_smime(data, keys.alice_key)
    elif rcpt.startswith("bob"):
        armor = mail_of(data).get_payload(1).get_content()
        data += keys.open_pgp(armor if isinstance(armor, bytes) else armor.encode())
    assert b"Subject: Plan" in data
    for word in (*HIDDEN, "Sealgate-", "pick-up:"):
        assert word.encode() not in data, word


BAD = [("not closed", "Plan [pick-up:%s" % SECRET, ""), ("empty", "[pick-up:] Plan", ""),
       ("twice", "[pick-up:%s] [pick-up:%s]" % (SECRET, SECRET), ""),
       ("short", "[pick-up:abc] Plan", ""),
       ("tag and field", TAGGED, CHOSEN), ("two fields", "Plan", CHOSEN + CHOSEN),
       ("question alone", "Plan", "Sealgate-Question: Welche Tante?\r\n"),
       ("answer of nothing", "Plan", "Sealgate-Question: x\r\nSealgate-Answer: ...\r\n")]


def test_what_cannot_be_understood_is_refused(gateway, capture):
    for name, subject, fields in BAD:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            gateway.send(SENDER, "own@partner.example",
                         message(to="own@partner.example", subject=subject, extra=fields))
        assert refused.value.smtp_code == 550, name
        assert b"5.7.1" in refused.value.smtp_error, name
        assert SECRET.encode() not in refused.value.smtp_error, name
    assert not capture.messages


def in_a_part(fields, wrapped=False):
    """A body whose signed part repeats the header, or is a message."""
    text = "Content-Type: text/plain; hp=clear\r\n%s\r\nHello\r\n"
    part = text % ("" if wrapped else fields)
    if wrapped:
        part = "Content-Type: message/rfc822\r\n\r\nFrom: %s\r\n%s%s" % (
            SENDER, fields, "\r\nHello\r\n")
    return ("--b\r\n%s\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n"
            "--b--\r\n" % part)


SIGNED = "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b;\r\n" \
         " micalg=pgp-sha256; protocol=\"application/pgp-signature\"\r\n"


def test_what_a_signed_part_repeats_is_refused(gateway, capture):
    for rcpt in ("own@partner.example", "clear@partner.example"):
        for subject, fields, inside in ((TAGGED, "", "Subject: %s\r\n" % TAGGED),
                                        ("Plan", CHOSEN, CHOSEN), ("Plan", ASKED, ASKED),
                                        ("Plan", CHOSEN, ASKED)):
            for wrapped in (False, True):
                with pytest.raises(smtplib.SMTPDataError) as refused:
                    gateway.send(SENDER, rcpt, message(
                        to=rcpt, subject=subject, extra=fields + SIGNED,
                        body=in_a_part(inside, wrapped)))
                assert refused.value.smtp_code == 550, (subject, wrapped)
                assert b"the header of a part" in refused.value.smtp_error
    assert not capture.messages
    gateway.send(SENDER, "own@partner.example", message(
        to="own@partner.example", subject=TAGGED, extra=SIGNED,
        body=in_a_part("Subject: Plan\r\n")))
    wait_for("the notice", lambda: notices(capture, "own@partner.example"))


def test_who_sends_to_many_is_told_once(make_gateway, capture):
    gateway = make_gateway(capture.port, rules=RULES, portal="sent-notice = true",
                           inbound=capture.port, listen_in="")
    to = ["made@partner.example", "none@partner.example", "own@partner.example"]
    gateway.send(SENDER, to, message(to=", ".join(to)))
    wait_for("three notices and one to the sender", lambda: len(capture.messages) == 4)
    told = notices(capture, SENDER)
    assert len(told) == 1 and told[0].mail_from == ""
    text = text_of(told[0].data)
    assert all(r in text for r in to)
    codes = re.findall(r"with the passphrase (\S+),", text)
    assert len(codes) == 2 and codes[0] != codes[1]
    made, own = (Link(notices(capture, r)[0].data) for r in (to[0], to[2]))
    assert made.open(codes[0].replace("-", "")).status == 200
    assert own.open(codes[0].replace("-", "")).status == 404


def test_a_passphrase_for_a_sender_outside_needs_tls(gateway, capture):
    """It never travels as the link may."""
    gateway.send("guest@elsewhere.example", "made@partner.example",
                 message(to="made@partner.example", sender="guest@elsewhere.example"))
    wait_for("the notice", lambda: notices(capture, "made@partner.example"))
    wait_for("a refusal of the next hop without TLS",
             lambda: "TLS is required and cannot be had" in gateway.log())
    assert not notices(capture, "guest@elsewhere.example")


def test_a_passphrase_for_a_sender_of_ours_without_a_server_inside_needs_tls(make_gateway,
                                                                             capture):
    """The way out is that of the link, whoever's the domain is."""
    gateway = make_gateway(capture.port, rules=RULES, portal="receipts = false")
    gateway.send(SENDER, "made@partner.example", message(to="made@partner.example"))
    wait_for("the notice", lambda: notices(capture, "made@partner.example"))
    wait_for("a refusal of the next hop without TLS",
             lambda: "TLS is required and cannot be had" in gateway.log())
    assert not notices(capture, SENDER)


def test_a_code_by_mail_lets_in_the_browser_that_asked(make_gateway, capture):
    gateway = make_gateway(capture.port, rules='''
rule "code" { try = { escrow } second-factor = code }
''')
    rcpt = "carol@partner.example"
    gateway.send(SENDER, rcpt, message(to=rcpt))
    wait_for("the notice", lambda: notices(capture, rcpt))
    link = Link(notices(capture, rcpt)[0].data)
    assert link.factor == NONE and "a code is sent" in text_of(notices(capture, rcpt)[0].data)
    proof = link.proof()
    auth = {"Authorization": "Sealgate-Proof " + proof}

    assert link.open().status == 403 and b'"need"' in link.open().text
    assert link.ask("GET", "/api/object/" + link.id, **auth).status == 403
    assert link.post("/api/code", proof="A" * 43).status == 404
    assert link.ask("GET", "/api/code").status == 405
    asked = link.post("/api/code", proof=proof)
    assert asked.status == 202
    ticket = json.loads(asked.text)["ticket"]
    wait_for("the code", lambda: len(notices(capture, rcpt)) == 2)
    mail = notices(capture, rcpt)[1]
    code = re.search(r"^    ([0-9]{6})\s*$", text_of(mail.data), re.M).group(1)
    assert mail.mail_from == "" and code not in mail_of(mail.data)["Subject"]

    other = json.loads(link.post("/api/code", proof=proof).text)["ticket"]
    assert link.open(ticket=other, code=code).status == 403
    assert link.open(code=code).status == 403
    assert link.open(ticket=ticket, code="000000" if code != "000000" else "1").status == 403
    assert link.open(ticket=ticket, code=code).status == 200
    assert link.open(ticket=ticket).status == 200
    assert link.ask("GET", "/api/object/" + link.id, Sealgate_Ticket=ticket, **auth).status == 200
    assert link.ask("GET", "/api/object/" + link.id, Sealgate_Ticket=other, **auth).status == 403
    replies = [link.post("/api/code", proof=proof).status for _ in range(4)]
    assert replies == [202, 202, 202, 429]
    for word in (code, ticket):
        assert word not in gateway.log()
    wait_for("the log", lambda: sum(
        r["rec"]["type"] == "code-sent" for r in gateway.audit()) == 5)
