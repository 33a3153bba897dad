# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""A reader of mail for pick-up without a browser: the keys of
docs/format-escrow.md from the link and what the reader knows, and what is asked
of the portal with them."""
import base64
import email
import email.policy
import hashlib
import hmac
import http.client
import json
import re

NONE, PASSPHRASE, GENERATED, ANSWER, ACCOUNT = 0, 1, 2, 3, 4


def b64(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def hkdf(key, salt, info, size=32):
    secret = hmac.digest(salt, key, "sha256")
    return hmac.digest(secret, info + b"\x01", "sha256")[:size]


def mail_of(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def text_of(data):
    return mail_of(data).get_body(("plain",)).get_content()


class Link:
    """A pick-up link as the notice has it."""

    def __init__(self, notice):
        url = re.search(r"(https?://\S+?):?(\d+)/m/(\S+)#(\S+)", text_of(notice))
        self.url, self.port, self.id = url.group(0), int(url.group(2)), url.group(3)
        secret, _, beside = url.group(4).partition(".")
        raw = unb64(secret)
        self.factor, self.secret = raw[0] & 15, raw[1:]
        self.question = unb64(beside).decode() if self.factor == ANSWER else None
        self.account = beside and b64(unb64(beside)[:16])

    def proof(self, spelled=None):
        salt = unb64(self.id)
        key = self.secret
        if self.factor != NONE:
            key += hashlib.pbkdf2_hmac("sha256", spelled.encode(), salt, 600000)
        return b64(hkdf(key, salt, b"sealgate escrow v1 proof"))

    def ask(self, method, path, body=None, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        c.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        reply = c.getresponse()
        reply.text = reply.read()
        c.close()
        return reply

    def post(self, path, **members):
        return self.ask("POST", path, json.dumps({"id": self.id, **members}),
                        Content_Type="application/json")

    def scan(self):
        """What a program that looks at links does: nobody's counters move."""
        for method in ("HEAD", "GET"):
            assert self.ask(method, "/m/" + self.id).status == 200

    def open(self, spelled=None, **more):
        self.scan()
        return self.post("/api/open", proof=self.proof(spelled), **more)
