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
from software import PASS, PINENTRY, old_pkcs12

SUBJECT = "Angebot f\u00fcr K\u00f6ln"
TEXT = ("Gr\u00fc\u00dfe aus K\u00f6ln,\r\n\r\n.a dot, a blank at the end \r\n"
        "From the beginning of a line\r\n\tand a tab\r\n")
ATTACHMENT = bytes(range(256)) * 9
# SMIMECapabilities in a certificate: aes256-GCM, aes256-CBC
NAMES_GCM = ("-addext", "1.2.840.113549.1.9.15=DER:301a300b0609608648016503040"
             "12e300b060960864801650304012a")
NAMES_AES128 = ("-addext", "1.2.840.113549.1.9.15=DER:300d300b06096086480165030401"
                "02")
# Who signs: as the table says it, and how the key is made
SIGNERS = {
    "rsa-signer": ("RSA-2048", "rsa:2048"),
    "pss-signer": ("RSA-2048", "rsa:2048"),
    "opaque-signer": ("RSA-2048", "rsa:2048"),
    "ec-signer": ("P-256", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "ed-signer": ("Ed25519",),
    "pgp-rsa-signer": ("RSA-3072", "rsa3072"),
}
CURVES = {"p256": "P-256", "p384": "P-384", "p521": "P-521"}


class Person:
    """kind: what this person opens, as in Software.opens."""

    def __init__(self, name, key, kind, domain="partner.example"):
        self.name = name
        self.key_name = key  # as the table says it
        self.kind = kind
        self.addr = "%s@%s" % (name, domain)
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
        self.smime += [
            self.with_certificate("oldrsa", "RSA-2048 that names AES-128", "rsa:2048",
                                  *NAMES_AES128),
            self.with_certificate("gcmrsa", "RSA-2048 that names GCM", "rsa:2048", *NAMES_GCM),
            self.with_certificate("gcmec", "P-256 that names GCM", "ec", "-pkeyopt",
                                  "ec_paramgen_curve:P-256", *NAMES_GCM)]
        self.pgp = [self.with_openpgp("cv25519", "Cv25519"),
                    self.with_openpgp("pgprsa", "RSA-3072", "rsa3072")]
        self.make_ca()
        self.smime_signers = [self.with_signer(name, *SIGNERS[name]) for name in
                              ("rsa-signer", "pss-signer", "opaque-signer", "ec-signer")]
        self.pgp_signers = [
            self.with_openpgp(name, *SIGNERS[name], domain="sender.example") for name in
            ("ed-signer", "pgp-rsa-signer")]
        self.nobody = Person("nobody", "none", "escrow")

    def make_ca(self):
        self.ca, self.ca_key = self.keys.root / "ca.crt", self.keys.root / "ca.key"
        run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", self.ca_key,
            "-out", self.ca, "-days", "30", "-subj", "/CN=Interop CA",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        said = run("openssl", "x509", "-in", self.ca, "-noout", "-fingerprint", "-sha1").stdout
        (self.keys.gnupg / "trustlist.txt").write_text(
            said.decode().partition("=")[2].strip() + " S\n")
        (self.keys.gnupg / "gpgsm.conf").write_text("disable-crl-checks\n")

    def with_signer(self, name, key_name, *key):
        """Somebody of ours with a certificate of the CA, and the PKCS#12 file
        that the gateway imports."""
        p = Person(name, key_name, "smime", "sender.example")
        p.crt, p.key = self.keys.root / (name + ".crt"), self.keys.root / (name + ".key")
        request = self.keys.root / (name + ".csr")
        run("openssl", "req", "-new", "-nodes", "-newkey", *key, "-keyout", p.key,
            "-out", request, "-subj", "/CN=" + name)
        extensions = self.keys.root / (name + ".ext")
        extensions.write_text("subjectAltName=email:%s\nkeyUsage=critical,digitalSignature\n"
                              "extendedKeyUsage=emailProtection\n"
                              "basicConstraints=critical,CA:FALSE\n" % p.addr)
        run("openssl", "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key,
            "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", p.crt)
        p.p12 = p.crt.with_suffix(".p12")
        run("openssl", "pkcs12", "-export", "-in", p.crt, "-inkey", p.key, "-certfile", self.ca,
            "-out", p.p12, "-passout", "pass:" + PASS)
        return p

    def with_certificate(self, name, key_name, *key):
        p = Person(name, key_name, "smime")
        p.crt, p.key = self.keys.certificate(p.addr, name, key)
        p.p12 = p.crt.with_suffix(".p12")
        old_pkcs12(p.p12, p.crt, p.key)
        return p

    def with_openpgp(self, name, key_name, algo=None, domain="partner.example"):
        p = Person(name, key_name, "pgp", domain)
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

    def signer(self, name):
        return {p.name: p for p in [*self.smime_signers, *self.pgp_signers]}.get(name)

    def close(self):
        self.keys.close()


# What header protection puts in front of the text for software that does not
# know it (RFC 9788 section 5.2.2): the fields that are hidden outside.
LEGACY = r"(?:[A-Z][\w-]*: .*\r?\n(?:[ \t].*\r?\n)*)+\r?\n"


def without_legacy_display(body):
    marked = re.sub(rb';\s+hp-legacy-display="1"', b"", body)
    if marked == body:
        return body
    block = re.search(b"(?<=\r\n\r\n)" + LEGACY.encode(), marked)
    if block is None or b"Subject: " + SUBJECT.encode() not in block[0]:
        return body
    return marked[:block.start()] + marked[block.end():]


class Mail:
    """A message as it left: what a program is given, and what it must find."""

    def __init__(self, data, sent, signer=None):
        self.data = data
        self.sent = sent
        self.signer = signer
        self.head = email.message_from_bytes(data, policy=email.policy.default)
        self.type = self.head.get_content_type()
        self.body = None
        self.is_opaque = self.head.get_param("smime-type") == "signed-data"
        if self.type == "application/pkcs7-mime" and not self.is_opaque:
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
        if self.signer:
            return self.wrong_parts(got)
        if self.body is None:
            return self.wrong_at_pick_up(got)
        return self.wrong_entity(got)

    def wrong_parts(self, got):
        """What is signed is fit for every transport: 8-bit parts are encoded
        anew, and are the same when they are decoded."""
        opened = email.message_from_bytes(got, policy=email.policy.default)
        parts = [p for p in opened.walk() if not p.is_multipart()]
        if SUBJECT not in (opened["Subject"], self.head["Subject"]):
            return "not the subject that was sent"
        if len(parts) != 2 or parts[1].get_payload(decode=True) != ATTACHMENT:
            return "not the attachment that was sent"
        text = parts[0].get_payload(decode=True).decode()
        legacy = re.match(LEGACY, text)
        return None if text[legacy.end() if legacy else 0:] == TEXT else "not the text"

    def wrong_entity(self, got):
        head, _, body = got.partition(b"\r\n\r\n")
        sent_head, _, sent_body = self.sent.partition(b"\r\n\r\n")
        kind = re.search(rb"^Content-Type: .*(?:\r\n[ \t].*)*", sent_head, re.M | re.I)[0]
        if kind.rstrip() not in head:
            return "not the Content-Type that was sent"
        opened = email.message_from_bytes(got, policy=email.policy.default)
        if SUBJECT not in (opened["Subject"], self.head["Subject"]):
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
        legacy = re.match(LEGACY, text)
        if SUBJECT not in (legacy[0] if legacy else "") + seen["subject"]:
            return "shows the subject %r" % seen["subject"]
        if text[legacy.end() if legacy else 0:] != TEXT.replace("\r\n", "\n").rstrip("\n"):
            return "shows another text"
        if seen["attachments"] != {"figures.bin": ATTACHMENT}:
            return "has another attachment"
        if seen["signed"] != (["good"] if self.signer else []):
            return "says of the signature %r" % seen["signed"]
        if not seen["encrypted"] and not self.is_opaque and self.type != "multipart/signed":
            return "does not say that it was encrypted"
        return None


def compose(to, sender):
    """8-bit text, an attachment, a subject that is not ASCII."""
    head = ("From: Sam <%s>\r\nTo: %s\r\nSubject: =?utf-8?b?%s?=\r\n"
            "Date: Sat, 21 Nov 2026 09:00:00 +0000\r\nMessage-ID: <%s@sender.example>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=-parts-=\"\r\n\r\n"
            % (sender, ", ".join(p.addr for p in to),
               base64.b64encode(SUBJECT.encode()).decode(), "-".join(p.name for p in to) + "-" + sender.split("@")[0]))
    octets = base64.encodebytes(ATTACHMENT).decode().replace("\n", "\r\n")
    body = ("--=-parts-=\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n%s\r\n--=-parts-=\r\n"
            "Content-Type: application/octet-stream; name=figures.bin\r\n"
            "Content-Disposition: attachment; filename=figures.bin\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n%s--=-parts-=--\r\n" % (TEXT, octets))
    return (head + body).encode()


class Form:
    """A form, who gets it, what `openssl cms -print` must say of it for the name
    to be true, and the options of a rule that ask for it. easy: all software is
    expected to open it, given that it knows the kind of key."""

    def __init__(self, name, to, *marks, options="", easy=True, signer=None):
        self.signer = signer
        if signer:
            options = ("sign = required " + options).strip()
        self.name, self.to, self.marks = name, to, marks
        self.options, self.easy = options, easy
        self.when = "`%s`" % options if options else "default"
        self.sender = "%s@sender.example" % (
            signer or re.sub(r"\W+", "-", options) or "sam")

    def rule(self):
        return 'rule "%s" { from = "%s" try = { smime, pgp, %s } %s }\n' % (
            self.sender, self.sender, "clear" if self.signer else "escrow", self.options)

    def kind(self, person):
        """Which software opens it, as in Software.opens."""
        if self.signer is None or person.kind != "escrow":
            return person.kind
        return "pgp" if self.signer in ("ed-signer", "pgp-rsa-signer") else "smime"

    def key_name(self, person):
        if self.signer is None:
            return person.key_name
        signed = "signed with " + SIGNERS[self.signer][0]
        return signed if person.kind == "escrow" else "%s, %s" % (person.key_name, signed)

    def check(self, mails):
        for m in mails if self.marks else ():
            said = run("openssl", "cms", "-inform", "DER", "-cmsout", "-print",
                       input=m.body).stdout.decode()
            for mark in self.marks:
                if mark not in said:
                    raise Problem("%s: there is no %s in it" % (self.name, mark))


CBC = ("pkcs7-envelopedData", "aes-256-cbc")
GCM = ("id-smime-ct-authEnvelopedData", "aes-256-gcm")
KTRI = ("d.ktri:", "algorithm: rsaEncryption")
OAEP = ("d.ktri:", "algorithm: rsaesOaep")
KARI = ("d.kari:", "dhSinglePass-stdDH-sha")
RSA, EC, ALL_EC = ["rsa2048"], ["p256"], ["p256", "p384", "p521"]
ASK_GCM, ASK_OAEP = "smime-cipher = aes256-gcm", "smime-padding = oaep"
FORMS = [
    Form("EnvelopedData AES-256-CBC, RSA PKCS#1 v1.5", RSA, *CBC, *KTRI),
    Form("EnvelopedData AES-256-CBC, RSA PKCS#1 v1.5", ["rsa3072"], *CBC, *KTRI),
    Form("EnvelopedData AES-256-CBC, two RSA recipients", ["rsa2048", "rsa3072"], *CBC, *KTRI),
    Form("EnvelopedData AES-256-CBC, ECDH", ["p256"], *CBC, *KARI),
    Form("EnvelopedData AES-256-CBC, ECDH", ["p384"], *CBC, *KARI),
    Form("EnvelopedData AES-256-CBC, ECDH", ["p521"], *CBC, *KARI),
    Form("EnvelopedData AES-256-CBC, three EC recipients", ALL_EC, *CBC, *KARI),
    Form("EnvelopedData AES-256-CBC, RSA and EC, a variant each", RSA + EC, *CBC),
    Form("EnvelopedData AES-128-CBC, RSA PKCS#1 v1.5", ["oldrsa"], CBC[0], "aes-128-cbc", *KTRI,
         options="smime-cipher = aes128-cbc"),
    Form("AuthEnvelopedData AES-256-GCM, RSA PKCS#1 v1.5", ["gcmrsa"], *GCM, *KTRI, easy=False),
    Form("AuthEnvelopedData AES-256-GCM, ECDH", ["gcmec"], *GCM, *KARI, easy=False),
    Form("AuthEnvelopedData AES-256-GCM, RSA and EC in one", ["gcmrsa", "gcmec"], *GCM,
         "d.ktri:", "d.kari:", easy=False),
    Form("EnvelopedData AES-256-CBC, RSA OAEP", RSA, *CBC, *OAEP, options=ASK_OAEP, easy=False),
    Form("AuthEnvelopedData AES-128-GCM, RSA PKCS#1 v1.5", RSA,
         "id-smime-ct-authEnvelopedData", "aes-128-gcm", *KTRI,
         options="smime-cipher = aes128-gcm", easy=False),
    Form("AuthEnvelopedData AES-256-GCM, RSA PKCS#1 v1.5", RSA, *GCM, *KTRI, options=ASK_GCM,
         easy=False),
    Form("AuthEnvelopedData AES-256-GCM, RSA OAEP", RSA, *GCM, *OAEP,
         options=ASK_GCM + " " + ASK_OAEP, easy=False),
    Form("AuthEnvelopedData AES-256-GCM, three EC recipients", ALL_EC, *GCM, *KARI,
         options=ASK_GCM, easy=False),
    Form("S/MIME, names hidden, too", RSA, *CBC, *KTRI, options="header-protection = shy"),
    Form("S/MIME without header protection", RSA, *CBC, *KTRI,
         options="header-protection = none"),
    Form("PGP/MIME", ["cv25519"]),
    Form("PGP/MIME", ["pgprsa"]),
    Form("PGP/MIME, two recipients", ["cv25519", "pgprsa"]),
    Form("PGP/MIME, names hidden, too", ["cv25519"], options="header-protection = shy"),
    Form("PGP/MIME without header protection", ["cv25519"], options="header-protection = none"),
    Form("multipart/signed", ["nobody"], signer="rsa-signer"),
    Form("multipart/signed", ["nobody"], signer="ec-signer"),
    Form("multipart/signed, RSA-PSS", ["nobody"], signer="pss-signer",
         options="smime-signature = pss"),
    Form("signed-data with the message inside", ["nobody"], signer="opaque-signer",
         options="smime-signed = opaque"),
    Form("multipart/signed", ["nobody"], signer="ed-signer"),
    Form("multipart/signed", ["nobody"], signer="pgp-rsa-signer"),
    Form("Signed, then EnvelopedData AES-256-CBC", RSA, *CBC, *KTRI, signer="rsa-signer"),
    Form("Signed, then EnvelopedData AES-256-CBC", RSA, *CBC, *KTRI, signer="ec-signer"),
    Form("Signed, then EnvelopedData AES-256-CBC", EC, *CBC, *KARI, signer="ec-signer"),
    Form("Signed with RSA-PSS, then EnvelopedData AES-256-CBC", RSA, *CBC, *KTRI,
         signer="pss-signer", options="smime-signature = pss"),
    Form("signed-data in EnvelopedData AES-256-CBC", RSA, *CBC, *KTRI, signer="opaque-signer",
         options="smime-signed = opaque"),
    Form("PGP/MIME, signed inside", ["cv25519"], signer="ed-signer"),
    Form("PGP/MIME, signed inside", ["pgprsa"], signer="pgp-rsa-signer"),
    Form("Pick-up link", ["nobody"]),
]


class Sender:
    """One gateway, and what came out of it."""

    def __init__(self, root, people):
        self.capture = Capture().start()
        rules = {f.sender: f.rule() for f in FORMS}
        self.gateway = Gateway(root, self.capture.port, rules="".join(rules.values()),
                               listen='may-sign = { "127.0.0.0/8" }')
        self.gateway.start()
        self.gateway.cli("key", "import", *[p.crt for p in people.smime],
                         *[p.cert for p in people.pgp], *[p.secret for p in people.pgp_signers])
        passphrase = people.keys.root / "passphrase"
        passphrase.write_text(PASS + "\n")
        self.gateway.cli("key", "import", "--passphrase-file", passphrase,
                         *[p.p12 for p in people.smime_signers])
        self.people = people

    def send(self, to, form):
        """{person: Mail} for a message to these people."""
        sent = compose(to, form.sender)
        before = len(self.capture.messages)
        with smtplib.SMTP("127.0.0.1", self.gateway.port, timeout=90) as s:
            s.ehlo("client.sender.example")
            s.sendmail(form.sender, [p.addr for p in to], sent, mail_options=["BODY=8BITMIME"])
        got = {}
        n = before
        while len(got) < len(to):
            n += 1
            m = self.capture.wait(n)[n - 1]
            for p in to:
                if p.addr in m.rcpts:
                    got[p.name] = Mail(m.data, sent, self.people.signer(form.signer))
        return got

    def close(self):
        self.gateway.close()
        self.capture.stop()
