# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""From the sender's client to the reader's screen and disk: the notice in the
languages of its readers, and the message as it was written."""
import base64
import datetime
import email
import email.policy
import os
import re
import threading

from capture import Capture
from escrow import Link, mail_of, text_of
from harness import PATIENCE, message, run, wait_for
from pickup import needs_browser, read_with_browser

SENDER, CAROL = "sam@sender.example", "carol@partner.example"

RULES = 'rule "default" { try = { smime, pgp, escrow } }\n'
PORTAL = 'name = "Müller & Söhne" languages = { "de", "en" }'

MESSAGE = b"""From: Sam <sam@sender.example>\r
To: Carol <carol@partner.example>\r
Subject: =?utf-8?q?Pl=C3=A4ne?=\r
Date: Sun, 22 Nov 2026 10:00:00 +0100\r
Message-ID: <plan.1@sender.example>\r
X-Odd:   two  spaces \tand a tab\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="b"\r
\r
Preamble that nobody sees.\r
--b\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
Gr\xc3\xbc\xc3\x9fe  \r
.\r
--b\r
Content-Type: application/pdf; name="plan.pdf"\r
Content-Disposition: attachment; filename="plan.pdf"\r
Content-Transfer-Encoding: base64\r
\r
UExBTg==\r
--b--\r
Epilogue.\r
"""


# --- the notice

def nothing_to_open(data):
    """There is no attachment in it, nor anything that would show as one, but
    for the signature."""
    leaves = [p for p in mail_of(data).walk() if not p.is_multipart()]
    if mail_of(data).get_content_type() == "multipart/signed":
        assert leaves.pop().get_content_type() in (
            "application/pkcs7-signature", "application/x-pkcs7-signature",
            "application/pgp-signature")
    [text] = leaves
    assert text.get_content_type() == "text/plain"
    assert text.get_filename() is None and text.get_content_disposition() is None


def days_from_now(days):
    return (datetime.datetime.now(datetime.timezone.utc)
            + datetime.timedelta(days=days)).date().isoformat()


def test_the_notice_says_who_why_until_when_and_how_to_check(make_gateway, capture):
    gateway = make_gateway(capture.port, rules=RULES, portal=PORTAL + " expires = 12d")
    days = {days_from_now(12)}
    gateway.send(SENDER, CAROL, MESSAGE)
    wait_for("the notice", lambda: capture.messages)
    days.add(days_from_now(12))  # midnight may have been in between
    notice = capture.messages[0].data
    nothing_to_open(notice)
    link = Link(notice)
    for words, (who, why, until, check, other_way) in zip(
            text_of(notice).replace("\r\n", "\n").split("\n* * *\n"), (
                ("{} hat Ihnen eine Nachricht gesendet", "zu vertraulich",
                 "kann dort bis {} gelesen werden",
                 "Woran Sie erkennen, dass das echt ist: Der Link beginnt mit {}/ und Sie "
                 "müssen keinen Anhang öffnen.", "nicht als Antwort auf diese Mail"),
                ("{} has sent you a message", "too confidential for ordinary mail",
                 "can be read there until {}.",
                 "How to tell that this is genuine: the link begins with {}/ and there is no "
                 "attachment to open.", "not by answering this mail")), strict=True):
        words = " ".join(words.split())
        assert who.format(SENDER) in words
        assert why in words and other_way in words
        assert any(until.format(day) in words for day in days), words
        url = "http://127.0.0.1:%d" % gateway.portal_port
        assert check.format(url) in words and link.url.startswith(url + "/")
    # nothing of the message is in it
    for secret in ("Grüße", "Pläne", "plan.pdf", "UExBTg"):
        assert secret not in str(mail_of(notice)) and secret not in text_of(notice)
    # it is what it says that opens it
    assert link.open().status == 200


@needs_browser
def test_the_reader_gets_what_the_sender_wrote(
        make_gateway, capture, browser_modules, shots):
    gateway = make_gateway(capture.port, rules=RULES, portal=PORTAL)
    gateway.send(SENDER, CAROL, MESSAGE)
    wait_for("the notice", lambda: capture.messages)
    notice = capture.messages[0].data
    mail, text = mail_of(notice), text_of(notice).replace("\r\n", "\n")
    assert mail["Subject"] == "Verschlüsselte Nachricht von " + SENDER
    german, english = text.split("\n* * *\n")
    assert "hat Ihnen eine Nachricht gesendet" in german
    assert "has sent you a message" in english
    link = Link(notice)
    for words in (german, english):
        # who, the link, how to tell, and whose gateway it is
        assert SENDER in words and link.url.split("#")[0] in words
        assert "\nhttp://127.0.0.1:%d/ " % gateway.portal_port in words
        assert words.rstrip().endswith("Müller & Söhne")
    seen = read_with_browser(
        browser_modules, link.url,
        ["click", ["shot", shots("letter")], ["save", "#eml"],
         ["save", "#attachment-list button"]], language="en")
    assert "Müller & Söhne" in seen["visible"]
    assert seen["title"] == "Pläne"
    assert "Sam <sam@sender.example>" in seen["visible"]
    assert seen["text"] == "Grüße  \n.\n"
    whole, plan = (base64.b64decode(s["octets"]) for s in seen["saved"])
    assert plan == b"PLAN"
    # the body is the same octets; the header has trace fields more, no others
    head, body = MESSAGE.split(b"\r\n\r\n", 1)
    got_head, got_body = whole.split(b"\r\n\r\n", 1)
    assert got_body == body
    assert got_head.endswith(head)
    added = email.message_from_bytes(got_head[:-len(head)], policy=email.policy.default)
    assert set(added.keys()) <= {"Received"}


# --- a code by mail

def pass_on_code(capture, path):
    """What the reader does with the mailbox beside the browser."""
    def codes():
        return [found for m in capture.messages
                for found in re.findall(r"^    ([0-9]{6})\s*$", text_of(m.data), re.M)]
    # the browser has to come as far first
    wait_for("the code", codes, 5 * PATIENCE)
    path.write_text(codes()[0])


@needs_browser
def test_a_code_is_asked_for_and_typed_in(
        make_gateway, capture, browser_modules, shots, tmp_path):
    gateway = make_gateway(
        capture.port, rules='rule "c" { try = { escrow } second-factor = code }\n')
    gateway.send(SENDER, CAROL, message(to=CAROL))
    wait_for("the notice", lambda: capture.messages)
    link = Link(capture.messages[0].data)
    # who presses the button once, as some programs do, has no code sent
    pressed = read_with_browser(browser_modules, link.url, ["click", "axe", "wait"])
    assert pressed["axe"] == [] and "Send me a code" in pressed["visible"]
    assert len(capture.messages) == 1
    mailed = threading.Thread(target=pass_on_code, args=(capture, tmp_path / "code"),
                              daemon=True)
    mailed.start()
    seen = read_with_browser(
        browser_modules, link.url,
        ["click", ["shot", shots("code-ask")], "click", ["see", "#code:visible"], "axe",
         ["evaluate", "document.activeElement.id"],
         ["type", "#code", "12"], "click", ["text", "#code-problem"],
         ["file", "#code", str(tmp_path / "code"), True], "click",
         ["text", "#code-problem"], "axe", ["shot", shots("code-wrong")],
         ["file", "#code", str(tmp_path / "code")], "click",
         ["see", "#message:visible"],
         # the browser is known for an hour
         "reload", "click", ["see", "#message:visible"]], mobile=True)
    mailed.join()
    assert seen["texts"][0] == "The code has six digits."
    assert seen["texts"][1].startswith("This code does not fit")
    assert seen["values"] == ["code"]
    assert seen["axe"] == []
    # another browser is asked for a code of its own
    other = read_with_browser(browser_modules, link.url, ["click"])
    assert "Send me a code" in other["visible"]


# --- a notice that proves from whom it is

def test_the_notice_is_signed_where_the_key_of_its_sender_is(make_gateway, capture, keys):
    crt, pem = keys.certificate(SENDER, "sam-notice")
    both = keys.root / "sam-notice.both.pem"
    both.write_bytes(crt.read_bytes() + pem.read_bytes())
    gateway = make_gateway(
        capture.port, rules=RULES, import_keys=[both], listen='may-sign = { "127.0.0.0/8" }',
        portal='receipts = false languages = { "fr", "en" }')
    gateway.send(SENDER, CAROL, message(to=CAROL))
    wait_for("the notice", lambda: capture.messages)
    notice = capture.messages[0].data
    assert mail_of(notice).get_content_type() == "multipart/signed"
    entity = run("openssl", "cms", "-verify", "-CAfile", crt, "-purpose", "any",
                 input=notice).stdout
    assert "vous a envoyé un message" in text_of(entity)
    nothing_to_open(notice)
    assert mail_of(notice)["From"] == SENDER
    assert Link(notice).open().status == 200
    # nobody's key is used for another: this sender has none
    del capture.messages[:]
    gateway.send("tom@sender.example", CAROL, message(to=CAROL))
    wait_for("the notice", lambda: capture.messages)
    assert mail_of(capture.messages[0].data).get_content_type() == "text/plain"


def test_an_openpgp_key_signs_the_notice_and_the_domain_where_a_rule_lets_it(
        make_gateway, capture, keys):
    tom = "tom@sender.example"
    keys.openpgp(tom, "tom-notice")
    secret = keys.root / "tom-notice.sec.asc"
    secret.write_bytes(keys.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--armor",
                                "--export-secret-keys", tom).stdout)
    crt, pem = keys.certificate("gateway@sender.example", "domain-notice")
    both = keys.root / "domain-notice.both.pem"
    both.write_bytes(crt.read_bytes() + pem.read_bytes())
    gateway = make_gateway(
        capture.port, import_keys=[secret], listen='may-sign = { "127.0.0.0/8" }',
        portal="receipts = false",
        rules='rule "for" { to = "dan@partner.example" try = { escrow } sign = if-possible '
              'sign-as-domain = true }\n' + RULES)
    gateway.cli("key", "import", "--domain", "sender.example", both)
    gateway.send(tom, CAROL, message(to=CAROL, sender=tom))
    notice = capture.wait(1)[0].data
    mail = mail_of(notice)
    assert mail.get_content_type() == "multipart/signed"
    nothing_to_open(notice)
    part = notice.split(b"--" + mail.get_boundary().encode())[1]
    signed, armor = keys.root / "tom-notice.part", keys.root / "tom-notice.sig"
    signed.write_bytes(part[2:-2])  # its own line ends belong to the boundaries
    armor.write_bytes(mail.get_payload()[1].get_payload(decode=True))
    keys.gpg("--verify", armor, signed)
    assert Link(notice).open().status == 200
    # who has no key: the domain's, for whom a rule says so, and for nobody else
    for i, (rcpt, kind) in enumerate(((CAROL, "text/plain"),
                                      ("dan@partner.example", "multipart/signed"))):
        gateway.send(SENDER, rcpt, message(to=rcpt))
        notice = capture.wait(2 + i)[1 + i].data
        assert mail_of(notice).get_content_type() == kind, rcpt
        nothing_to_open(notice)
    run("openssl", "cms", "-verify", "-CAfile", crt, "-purpose", "any", input=notice)


# --- an answer from the page

@needs_browser
def test_an_answer_written_on_the_page_is_delivered_inside(
        make_gateway, capture, browser_modules, shots, tmp_path):
    inside = Capture().start()
    try:
        gateway = make_gateway(
            capture.port, inbound=inside.port, listen_in="", portal="receipts = false",
            rules='rule "inside" { to = "@sender.example" try = { clear } }\n'
                  'rule "all" { try = { escrow } }\n')
        gateway.send(SENDER, [CAROL, "ina@sender.example"],
                     message(to=CAROL + ", ina@sender.example"))
        wait_for("the notice", lambda: capture.messages and inside.messages)
        del inside.messages[:]
        octets = os.urandom(500_000)
        (tmp_path / "Plan ü.bin").write_bytes(octets)
        seen = read_with_browser(
            browser_modules, Link(capture.messages[0].data).url,
            ["click", ["press", "#reply-all"],
             ["type", "#compose-text", "Grüße\n.\nCarol"],
             ["files", "#compose-files", [{"path": str(tmp_path / "Plan ü.bin")}]],
             ["press", "#compose-send"], ["see", "#compose-more:visible"], "axe",
             ["text", "#compose-status"], ["shot", shots("answered")]],
            mobile=True)
        assert seen["texts"] == [
            f"Your answer to {SENDER}, ina@sender.example was sent encrypted."]
        assert seen["axe"] == [] and seen["console"] == []
        wait_for("the answer", lambda: sorted(
            r for m in inside.messages for r in m.rcpts) == ["ina@sender.example", SENDER])
        mail = mail_of(inside.messages[0].data)
        assert (mail["From"], mail["Subject"]) == (CAROL, "Re: A test")
        assert mail["Sealgate-Received"] == "through the portal, from who had the link"
        text, plan = mail.iter_parts()
        assert text.get_content().replace("\r\n", "\n") == "Grüße\n.\nCarol\n"
        assert (plan.get_filename(), plan.get_content()) == ("Plan ü.bin", octets)
    finally:
        inside.stop()
