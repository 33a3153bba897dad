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
