# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Every form that Sealgate sends, made by a real gateway, and the people who
get it: each has one kind of key."""
import base64
import email
import email.policy
import re
import smtplib

from capture import Capture
from harness import Gateway, Keys, Problem, run
from software import PASS, PINENTRY

SENDER = "sam@sender.example"
SUBJECT = "Angebot f\u00fcr K\u00f6ln"
TEXT = ("Gr\u00fc\u00dfe aus K\u00f6ln,\r\n\r\n.a dot, a blank at the end \r\n"
        "From the beginning of a line\r\n\tand a tab\r\n")
ATTACHMENT = bytes(range(256)) * 9
CURVES = {"p256": "P-256", "p384": "P-384", "p521": "P-521"}


class Person:
    """kind: what this person opens, as in Software.opens."""

    def __init__(self, name, key, kind):
        self.name = name
        self.key_name = key  # as the table says it
        self.kind = kind
        self.addr = name + "@partner.example"
        self.is_rsa = key.startswith("RSA")
        self.crt = self.key = self.p12 = None  # S/MIME
        self.cert = self.secret = None  # OpenPGP


class People:
    """Recipients and their keys, in all the forms in which software wants
    them; one GnuPG home with the keys of all."""

    def __init__(self, root):
        self.keys = Keys(root)
        agent = self.keys.gnupg / "gpg-agent.conf"
        pinentry = self.keys.gnupg / "pinentry"
        pinentry.write_text(PINENTRY)
        pinentry.chmod(0o700)
        agent.write_text("pinentry-program %s\ndisable-scdaemon\n" % pinentry)
        self.smime = [self.with_certificate("rsa2048", "RSA-2048", "rsa:2048"),
                      self.with_certificate("rsa3072", "RSA-3072", "rsa:3072")]
        self.smime += [self.with_certificate(name, curve, "ec", "-pkeyopt",
                                             "ec_paramgen_curve:" + curve)
                       for name, curve in CURVES.items()]
        self.pgp = [self.with_openpgp("cv25519", "Cv25519"),
                    self.with_openpgp("pgprsa", "RSA-3072", "rsa3072")]
        self.nobody = Person("nobody", "none", "escrow")

    def with_certificate(self, name, key_name, *key):
        p = Person(name, key_name, "smime")
        p.crt, p.key = self.keys.certificate(p.addr, name, key)
        p.p12 = p.crt.with_suffix(".p12")
        # what gpgsm reads is old
        run("openssl", "pkcs12", "-export", "-in", p.crt, "-inkey", p.key, "-out", p.p12,
            "-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1",
            "-passout", "pass:" + PASS)
        return p

    def with_openpgp(self, name, key_name, algo=None):
        p = Person(name, key_name, "pgp")
        if algo is None:
            p.cert = self.keys.openpgp(p.addr, name)
        else:
            gpg = ("--pinentry-mode", "loopback", "--passphrase", "")
            self.keys.gpg(*gpg, "--quick-generate-key", p.addr, algo, "cert,sign", "never")
            listed = self.keys.gpg("--with-colons", "--list-keys", p.addr).stdout.decode()
            self.keys.gpg(*gpg, "--quick-add-key", re.search(r"^fpr:+(\w+):", listed, re.M)[1],
                          algo, "encr", "never")
            p.cert = self.keys.root / (name + ".asc")
            p.cert.write_bytes(self.keys.gpg("--armor", "--export", p.addr).stdout)
        p.secret = self.keys.root / (name + ".secret.asc")
        p.secret.write_bytes(self.keys.gpg("--pinentry-mode", "loopback", "--passphrase", "",
                                           "--armor", "--export-secret-keys", p.addr).stdout)
        return p

    def named(self, *names):
        by_name = {p.name: p for p in [*self.smime, *self.pgp, self.nobody]}
        return [by_name[n] for n in names]

    def close(self):
        self.keys.close()


def without_legacy_display(body):
    """The body without what header protection puts in front of its text."""
    marked = re.sub(rb';\s+hp-legacy-display="1"', b"", body)
    if marked == body:
        return body
    return marked.replace(b"\r\n\r\nSubject: %s\r\n\r\n" % SUBJECT.encode(), b"\r\n\r\n", 1)


class Mail:
    """A message as it left: what a program is given, and what it must find."""

    def __init__(self, data, sent):
        self.data = data
        self.sent = sent
        self.head = email.message_from_bytes(data, policy=email.policy.default)
        self.type = self.head.get_content_type()
        self.body = None
        if self.type == "application/pkcs7-mime":
            self.body = self.head.get_payload(decode=True)
        elif self.type == "multipart/encrypted":
            self.body = self.head.get_payload(1).get_payload(decode=True)

    def text(self):
        return self.head.get_content()

    def wrong(self, got):
        """What a program made of it against what was sent: None, or what is
        not the same."""
        if isinstance(got, dict):
            return self.wrong_to_see(got)
        if self.body is None:
            return self.wrong_at_pick_up(got)
        return self.wrong_entity(got)

    def wrong_entity(self, got):
        head, _, body = got.partition(b"\r\n\r\n")
        sent_head, _, sent_body = self.sent.partition(b"\r\n\r\n")
        kind = re.search(rb"^Content-Type: .*(?:\r\n[ \t].*)*", sent_head, re.M | re.I)[0]
        if kind.rstrip() not in head:
            return "not the Content-Type that was sent"
        if email.message_from_bytes(got, policy=email.policy.default)["Subject"] != SUBJECT:
            return "not the subject that was sent"
        if without_legacy_display(body) != sent_body:
            return "not the octets that were sent"
        return None

    def wrong_at_pick_up(self, got):
        shown = got.decode()
        for line in (SUBJECT, "figures.bin", *TEXT.split("\r\n")):
            if line.strip() not in shown:
                return "does not show %r" % line
        return None

    def wrong_to_see(self, seen):
        # who knows of header protection (RFC 9788) shows the subject as such, who does
        # not, in the text
        text = seen["text"].replace("\r\n", "\n").rstrip("\n")
        legacy = "Subject: %s\n\n" % SUBJECT
        if seen["subject"] != SUBJECT and not text.startswith(legacy):
            return "shows the subject %r" % seen["subject"]
        if text.removeprefix(legacy) != TEXT.replace("\r\n", "\n").rstrip("\n"):
            return "shows another text"
        if seen["attachments"] != {"figures.bin": ATTACHMENT}:
            return "has another attachment"
        return None if seen["encrypted"] else "does not say that it was encrypted"


def compose(to):
    """8-bit text, an attachment, a subject that is not ASCII."""
    head = ("From: Sam <%s>\r\nTo: %s\r\nSubject: =?utf-8?b?%s?=\r\n"
            "Date: Sat, 21 Nov 2026 09:00:00 +0000\r\nMessage-ID: <%s@sender.example>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=-parts-=\"\r\n\r\n"
            % (SENDER, ", ".join(p.addr for p in to),
               base64.b64encode(SUBJECT.encode()).decode(), "-".join(p.name for p in to)))
    octets = base64.encodebytes(ATTACHMENT).decode().replace("\n", "\r\n")
    body = ("--=-parts-=\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n%s\r\n--=-parts-=\r\n"
            "Content-Type: application/octet-stream; name=figures.bin\r\n"
            "Content-Disposition: attachment; filename=figures.bin\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n%s--=-parts-=--\r\n" % (TEXT, octets))
    return (head + body).encode()


class Form:
    """A form, who gets it, and what `openssl cms -print` must say of it for the
    name to be true."""

    def __init__(self, name, to, *marks):
        self.name, self.to, self.marks = name, to, marks

    def check(self, mails):
        for m in mails if self.marks else ():
            said = run("openssl", "cms", "-inform", "DER", "-cmsout", "-print",
                       input=m.body).stdout.decode()
            for mark in self.marks:
                if mark not in said:
                    raise Problem("%s: there is no %s in it" % (self.name, mark))


RULES = 'rule "default" { try = { smime, pgp, escrow } }\n'
CBC = ("pkcs7-envelopedData", "aes-256-cbc")
RSA = (*CBC, "d.ktri:", "algorithm: rsaEncryption")
ECDH = (*CBC, "d.kari:", "dhSinglePass-stdDH-sha")
FORMS = [
    Form("EnvelopedData AES-256-CBC, RSA PKCS#1 v1.5", ["rsa2048"], *RSA),
    Form("EnvelopedData AES-256-CBC, RSA PKCS#1 v1.5", ["rsa3072"], *RSA),
    Form("EnvelopedData AES-256-CBC, two RSA recipients", ["rsa2048", "rsa3072"], *RSA),
    Form("EnvelopedData AES-256-CBC, ECDH", ["p256"], *ECDH),
    Form("EnvelopedData AES-256-CBC, ECDH", ["p384"], *ECDH),
    Form("EnvelopedData AES-256-CBC, ECDH", ["p521"], *ECDH),
    Form("EnvelopedData AES-256-CBC, three EC recipients", ["p256", "p384", "p521"], *ECDH),
    Form("EnvelopedData AES-256-CBC, RSA and EC, a variant each", ["rsa2048", "p256"], *CBC),
    Form("PGP/MIME", ["cv25519"]),
    Form("PGP/MIME", ["pgprsa"]),
    Form("PGP/MIME, two recipients", ["cv25519", "pgprsa"]),
    Form("Pick-up link", ["nobody"]),
]


class Sender:
    """One gateway, and what came out of it."""

    def __init__(self, root, people, rules=RULES):
        self.capture = Capture().start()
        self.gateway = Gateway(root, self.capture.port, rules=rules)
        self.gateway.start()
        self.gateway.cli("key", "import", *[p.crt for p in people.smime],
                         *[p.cert for p in people.pgp])

    def send(self, to):
        """{person: Mail} for a message to these people."""
        sent = compose(to)
        before = len(self.capture.messages)
        with smtplib.SMTP("127.0.0.1", self.gateway.port, timeout=60) as s:
            s.ehlo("client.sender.example")
            s.sendmail(SENDER, [p.addr for p in to], sent, mail_options=["BODY=8BITMIME"])
        got = {}
        n = before
        while len(got) < len(to):
            n += 1
            m = self.capture.wait(n)[n - 1]
            for p in to:
                if p.addr in m.rcpts:
                    got[p.name] = Mail(m.data, sent)
        return got

    def close(self):
        self.gateway.close()
        self.capture.stop()
