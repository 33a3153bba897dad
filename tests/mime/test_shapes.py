#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
#
# The messages that mime/ makes, read by a parser that is not ours: Python's.
import email
import email.policy
import os
import re
import subprocess
import sys
import unittest

EMIT = os.path.join(os.environ.get("TOP_BUILDDIR", "."), "tests/mime/emit_shapes")
BODY = "<p>grüße</p>\r\n".encode()


def emit(what):
    raw = subprocess.run([EMIT, what], check=True, stdout=subprocess.PIPE).stdout
    return raw, email.message_from_bytes(raw, policy=email.policy.default)


class Shapes(unittest.TestCase):
    def check_wire(self, raw):
        self.assertTrue(raw.endswith(b"\r\n"))
        self.assertNotRegex(raw, rb"[^\r]\n|\r[^\n]|\0")
        self.assertLessEqual(max(map(len, raw.split(b"\r\n"))), 78)

    def check_clean(self, msg):
        for part in msg.walk():
            self.assertEqual(part.defects, [])
            for value in part.values():
                self.assertEqual(list(getattr(value, "defects", [])), [])

    def check_outer(self, msg):
        self.assertEqual(msg.keys()[0], "Received")
        self.assertEqual(msg["Subject"], "s")
        self.assertEqual(msg["From"].addresses[0].display_name, "Jörg")
        self.assertEqual(msg["From"].addresses[0].addr_spec, "alice@example.com")
        self.assertNotIn("Bcc", msg)
        for name in set(msg.keys()):
            self.assertEqual(len(msg.get_all(name)), 1, name)

    def check_inner(self, raw):
        inner = email.message_from_bytes(raw, policy=email.policy.default)
        self.assertEqual(inner.get_content_type(), "text/html")
        self.assertEqual(inner.get_content_charset(), "utf-8")
        self.assertTrue(raw.endswith(b"\r\n\r\n" + BODY))
        self.assertNotIn(b"hidden", raw)

    def test_smime(self):
        raw, msg = emit("smime")
        self.check_wire(raw)
        self.check_clean(msg)
        self.check_outer(msg)
        self.assertEqual(msg.get_content_type(), "application/pkcs7-mime")
        self.assertEqual(msg.get_param("smime-type"), "authEnveloped-data")
        self.assertEqual(msg.get_filename(), "smime.p7m")
        self.check_inner(msg.get_payload(decode=True))

    def test_pgp(self):
        raw, msg = emit("pgp")
        self.check_wire(raw)
        self.check_clean(msg)
        self.check_outer(msg)
        self.assertEqual(msg.get_content_type(), "multipart/encrypted")
        self.assertEqual(msg.get_param("protocol"), "application/pgp-encrypted")
        version, data = msg.get_payload()
        self.assertEqual(version.get_content_type(), "application/pgp-encrypted")
        self.assertEqual(version.get_payload(decode=True).strip(), b"Version: 1")
        self.assertEqual(data.get_content_type(), "application/octet-stream")
        self.check_inner(data.get_payload(decode=True))

    def check_rich(self, inner, display):
        """The parts of the rich message; display: the text put before."""
        for line in inner.as_bytes().split(b"\n"):
            self.assertFalse(line.startswith(b"From "))
        alternative, tnef, message = inner.get_payload()
        plain, html, calendar = alternative.get_payload()
        text = "From grüße \r\nflowed\r\n-- "
        self.assertEqual(
            plain.get_payload(decode=True).decode("iso-8859-1"), display + text
        )
        self.assertEqual(plain.get_param("format"), "flowed")
        body = html.get_payload(decode=True).decode()
        self.assertTrue(body.startswith('<html><body class="x>">'))
        self.assertTrue(body.endswith("<p>grüße</p>\r\n"))
        self.assertEqual("header-protection-legacy-display" in body, bool(display))
        self.assertEqual(
            calendar.get_payload(decode=True).decode(),
            "BEGIN:VCALENDAR\r\nSUMMARY:grüße",
        )
        self.assertEqual(calendar.get_param("method"), "REQUEST")
        self.assertEqual(tnef.get_payload(decode=True), b"\x78\x9f\x3e\x22\xff\r\n")
        (forwarded,) = message.get_payload()
        self.assertEqual(forwarded["Subject"], "inner")
        self.assertEqual(
            forwarded.get_payload(decode=True).decode().rstrip("\r\n"), "grüße"
        )
        marks = [p.get_param("hp-legacy-display") for p in (plain, html, calendar)]
        self.assertEqual(marks, ["1", "1", None] if display else [None] * 3)

    def test_signed(self):
        raw, msg = emit("signed")
        self.check_wire(raw)
        self.check_clean(msg)
        self.assertTrue(raw.isascii())
        self.assertEqual(msg.get_content_type(), "multipart/signed")
        self.assertEqual(msg.get_param("micalg"), "pgp-sha512")
        self.assertEqual(msg["Subject"], "Grüße")
        self.assertNotIn("Bcc", msg)
        inner, sig = msg.get_payload()
        self.assertEqual(sig.get_content_type(), msg.get_param("protocol"))
        self.assertEqual(inner["Subject"], "Grüße")
        self.assertEqual(inner.get_param("hp"), "clear")
        self.assertNotIn("HP-Outer", inner)
        self.assertNotIn("Received", inner)
        self.check_rich(inner, "")

    def check_protected(self, what, outer, display):
        raw, msg = emit(what)
        self.check_wire(raw)
        self.check_clean(msg)
        self.assertEqual(msg["Message-ID"], "<1@example.com>")
        self.assertEqual(len(msg.get_all("Received")), 2)
        self.assertNotIn("Bcc", msg)
        for name, value in outer.items():
            self.assertEqual(msg[name], value)
        inner = email.message_from_bytes(
            msg.get_payload(decode=True), policy=email.policy.default
        )
        self.check_clean(inner)
        self.assertEqual(inner.get_param("hp"), "cipher")
        self.assertEqual(inner.get_param("protected-headers"), "v1")
        self.assertEqual(inner["Subject"], "Grüße")
        self.assertEqual(inner["Date"].datetime.utcoffset().total_seconds(), -18000)
        self.assertEqual(inner["From"].addresses[0].display_name, "Jörg")
        self.assertNotIn("Bcc", inner)
        record = dict(v.split(": ", 1) for v in inner.get_all("HP-Outer"))
        self.assertEqual(
            list(record), ["From", "To", "Subject", "Date", "Message-ID"]
        )
        self.assertEqual(record["Subject"], "[...]")
        self.check_rich(inner, display)

    def test_protected(self):
        self.check_protected(
            "protected",
            {
                "Subject": "[...]",
                "From": "Jörg <alice@example.com>",
                "Date": "Sat, 20 Feb 2021 10:09:02 -0500",
            },
            "Subject: Grüße\r\n\r\n",
        )

    def test_shy(self):
        self.check_protected(
            "shy",
            {
                "Subject": "[...]",
                "From": "alice@example.com",
                "To": "bob@example.org",
                "Date": "Sat, 20 Feb 2021 15:09:02 +0000",
            },
            "From: Jörg <alice@example.com>\r\nTo: Bob <bob@example.org>\r\n"
            "Subject: Grüße\r\nDate: Sat, 20 Feb 2021 10:09:02 -0500\r\n\r\n",
        )

    def test_plain(self):
        raw, msg = emit("plain")
        self.check_clean(msg)
        self.check_outer(msg)
        self.assertTrue(raw.endswith(b"\r\n\r\n" + BODY))
        self.assertNotIn(b"hidden", raw)

    def test_dsn(self):
        raw, msg = emit("dsn")
        self.check_wire(raw)
        self.check_clean(msg)
        self.assertEqual(msg.get_content_type(), "multipart/report")
        self.assertEqual(msg["Auto-Submitted"], "auto-replied")
        self.assertEqual(msg["To"].addresses[0].addr_spec, "alice@example.com")
        text, status, header = msg.get_payload()
        self.assertIn("bob@example.org", text.get_content())
        self.assertIn("no such usär", text.get_content())
        self.assertEqual(status.get_content_type(), "message/delivery-status")
        about, rcpt = status.get_payload()
        self.assertEqual(about["Reporting-MTA"], "dns; gw.example.com")
        self.assertEqual(rcpt["Final-Recipient"], "rfc822; bob@example.org")
        self.assertEqual(rcpt["Action"], "failed")
        self.assertEqual(rcpt["Status"], "5.1.1")
        self.assertEqual(header.get_content_type(), "text/rfc822-headers")
        self.assertIn("Subject: s", header.get_content())
        self.assertNotIn("hidden", header.get_content())
        self.assertNotIn(b"<p>", raw)

    def test_notice(self):
        raw, msg = emit("notice")
        self.check_wire(raw)
        self.check_clean(msg)
        self.assertEqual(
            msg["From"].addresses[0].display_name, 'Jörg, "the" postmaster'
        )
        self.assertTrue(re.match("Grüße: .* folded$", msg["Subject"]))
        self.assertEqual(msg["Auto-Submitted"], "auto-generated")
        self.assertEqual(msg["Date"].datetime.timestamp(), 1795298280)
        lines = msg.get_content().splitlines()
        self.assertEqual(lines[0], "Grüße")
        self.assertTrue(lines[1].endswith("#" + "0123456789" * 8))
        self.assertEqual(lines[2:], [".", "From here =3D"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
