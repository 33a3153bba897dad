# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""From the sender's client to the reader's screen and disk: the notice in the
languages of its readers, and the message as it was written."""
import base64
import email
import email.policy

from escrow import Link, mail_of, text_of
from harness import wait_for
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
    assert not mail.is_multipart()
    seen = read_with_browser(
        browser_modules, link.url,
        ["click", ["shot", shots("letter")], ["save", "#eml"],
         ["save", "#attachment-list button"]], language="en")
    assert "Müller & Söhne" in seen["visible"]
    assert seen["title"] == "Pläne"
    assert "Sam <sam@sender.example>" in seen["visible"]
    assert seen["text"] == "Grüße  \n.\n"
    message, plan = (base64.b64decode(s["octets"]) for s in seen["saved"])
    assert plan == b"PLAN"
    # the body is the same octets; the header has trace fields more, no others
    head, body = MESSAGE.split(b"\r\n\r\n", 1)
    got_head, got_body = message.split(b"\r\n\r\n", 1)
    assert got_body == body
    assert got_head.endswith(head)
    added = email.message_from_bytes(got_head[:-len(head)], policy=email.policy.default)
    assert set(added.keys()) <= {"Received"}
