# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Other people's software that opens what Sealgate sends. Each class is one
program: version() says which, open() gives the octets that it got out of a
protected entity or raises No with what the program said."""
import email
import email.policy
import json
import os
import pathlib
import re
import shutil
import subprocess

from harness import portal_page, run

HERE = pathlib.Path(__file__).resolve().parent
JARS = ":".join("/usr/share/java/%s.jar" % j for j in ("bcmail", "bcpkix", "bcprov", "bcutil"))
PASS = "interop"

# gpg-agent asks this instead of a person.
PINENTRY = """#!/bin/sh
echo OK
while read -r command rest; do
	case $command in
	GETPIN) echo "D %s" ;;
	BYE) echo OK; exit ;;
	esac
	echo OK
done
""" % PASS


class No(Exception):
    """The program could not, and said this."""


def reason(said, scratch):
    """The complaint without what is different in every run."""
    return re.sub(r"\s+", " ", said.replace(str(scratch) + "/", "")).strip()


def tried(*args, **kwargs):
    """Run a program; No with its complaint if it fails or dies."""
    done = run(*args, check=False, **kwargs)
    if done.returncode < 0:
        raise No("killed by signal %d" % -done.returncode)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        raise No(said[-1] if said else "exit %d" % done.returncode)
    return done


def first_version(*args):
    done = run(*args, check=False)
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    return re.search(r"\d+(\.\d+)+", text).group(0)


def package_version(package):
    text = run("dpkg-query", "-W", "-f", "${Version}", package).stdout.decode()
    return re.match(r"(?:\d+:)?([\d.]+\d)", text).group(1)


class Software:
    name = ""
    opens = ""  # "smime", "pgp" or both
    needs = ()  # programs

    def __init__(self, people, scratch):
        self.people = people
        self.scratch = pathlib.Path(scratch)
        self.scratch.mkdir()
        self.prepare()

    def prepare(self):
        pass

    def should_open(self, person, form):
        """Nothing is known that keeps it from opening this person's mail."""
        return True

    def file(self, name, octets=None):
        path = self.scratch / name
        if octets is not None:
            path.write_bytes(octets)
        elif path.exists():
            path.unlink()
        return path

    def read(self, person, mail):
        """Open it, if it is sealed, and verify it, if it is signed: what was
        sealed or signed, or what a mail program shows."""
        entity = mail.data if mail.body is None else self.open(person, mail)
        if mail.signer is None or mail.type == "multipart/encrypted":
            return entity
        signed = email.message_from_bytes(entity, policy=email.policy.default)
        if signed.get_content_type() == "application/pkcs7-mime":
            return self.verify_opaque(self.file("p7m", signed.get_payload(decode=True)))
        entity, signature = split_signed(entity)
        self.verify(mail.signer, self.file("entity", entity), self.file("sig", signature))
        return entity

    def close(self):
        pass


def split_signed(data):
    """The octets of the first part of a multipart/signed, and the signature."""
    parsed = email.message_from_bytes(data, policy=email.policy.default)
    if parsed.get_content_type() != "multipart/signed":
        raise No("it is not signed")
    boundary = b"--" + parsed.get_boundary().encode()
    first = data.split(b"\r\n" + boundary)[1].partition(b"\r\n")[2]
    return first, list(parsed.iter_parts())[1].get_payload(decode=True)


# --- S/MIME

class OpenSSL(Software):
    name, opens, needs = "OpenSSL", "smime", ("openssl",)

    def version(self):
        return first_version("openssl", "version")

    def open(self, person, mail):
        out = self.file("out")
        tried("openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-recip", person.crt,
              "-inkey", person.key, "-in", self.file("in", mail.body), "-out", out)
        return out.read_bytes()

    def verify(self, signer, entity, signature):
        tried("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-CAfile",
              self.people.ca, "-content", entity, "-in", signature, "-out", self.file("out"))

    def verify_opaque(self, signed):
        out = self.file("out")
        tried("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-CAfile",
              self.people.ca, "-in", signed, "-out", out)
        return out.read_bytes()


class BouncyCastle(Software):
    name, opens, needs = "Bouncy Castle", "smime", ("java",)

    def prepare(self):
        self.java = subprocess.Popen(
            ["java", "-cp", JARS, str(HERE / "Bouncy.java")], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said = self.java.stdout.readline()
        if not self.said.startswith("version "):
            raise No(self.java.stderr.read())

    def version(self):
        return self.said.split()[1]

    def command(self, *words):
        self.java.stdin.write("\t".join(str(w) for w in words) + "\n")
        self.java.stdin.flush()
        answer = self.java.stdout.readline().strip()
        if answer != "ok":
            raise No(answer.removeprefix("no "))

    def open(self, person, mail):
        out = self.file("out")
        self.command("open", person.key, person.crt, self.file("in", mail.body), out)
        return out.read_bytes()

    def verify(self, signer, entity, signature):
        self.command("verify", self.people.ca, signature, entity, self.file("out"))

    def verify_opaque(self, signed):
        out = self.file("out")
        self.command("verify", self.people.ca, signed, "-", out)
        return out.read_bytes()

    def close(self):
        self.java.stdin.close()
        self.java.wait(10)
        self.java.stdout.close()
        self.java.stderr.close()


def old_pkcs12(path, crt, key, *more):
    """As gpgsm 2.2 reads it: the oldest algorithms. It derives another key than
    everybody else from about one salt in fifty."""
    run("openssl", "pkcs12", "-export", "-in", crt, "-inkey", key, *more, "-out", path,
        "-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1",
        "-passout", "pass:" + PASS)


class Gpgsm(Software):
    name, opens, needs = "gpgsm", "smime", ("gpgsm",)

    def prepare(self):
        self.home = self.people.keys.gnupg
        for p in self.people.smime:
            if p.is_rsa:  # it crashes on a PKCS#12 file with an EC key
                self.take_in(p.p12, lambda p=p: old_pkcs12(p.p12, p.crt, p.key))
        self.take_in(self.people.ca)

    def take_in(self, path, make_anew=lambda: None):
        """A PKCS#12 file may have a salt that it cannot read: it gets another
        one. Opening and verifying are never tried twice."""
        for _ in range(8):
            try:
                return self.gpgsm("--import", path)
            except No:
                make_anew()
        return self.gpgsm("--import", path)

    def should_open(self, person, form):
        return person.is_rsa and form.easy  # 2.2 knows no ECDH in CMS

    def gpgsm(self, *args):
        return tried("gpgsm", "--homedir", self.home, "--batch", "--yes", "--no-tty",
                     "--disable-crl-checks", *args)

    def version(self):
        return first_version("gpgsm", "--version")

    def open(self, person, mail):
        if not person.is_rsa:
            raise No("it cannot import the key, and knows no ECDH in CMS")
        out = self.file("out")
        self.gpgsm("--output", out, "--decrypt", self.file("in", mail.body))
        return out.read_bytes()

    def verify(self, signer, entity, signature):
        self.gpgsm("--verify", signature, entity)

    def verify_opaque(self, signed):
        out = self.file("out")
        self.gpgsm("--output", out, "--verify", signed)
        return out.read_bytes()


class Nss(Software):
    name, opens, needs = "NSS cmsutil", "smime", ("cmsutil", "certutil", "pk12util")

    def prepare(self):
        self.db = "sql:%s" % self.scratch
        run("certutil", "-N", "-d", self.db, "--empty-password")
        for p in self.people.smime:
            run("pk12util", "-i", p.p12, "-d", self.db, "-W", PASS)
        run("certutil", "-A", "-d", self.db, "-n", "ca", "-t", ",C,", "-i", self.people.ca)

    def should_open(self, person, form):
        return person.is_rsa and form.easy  # it takes others' ECDH for malformed

    def version(self):
        return package_version("libnss3-tools")

    def open(self, person, mail):
        out = self.file("out")
        tried("cmsutil", "-D", "-d", self.db, "-i", self.file("in", mail.body), "-o", out)
        return out.read_bytes()

    def verify(self, signer, entity, signature):
        tried("cmsutil", "-D", "-d", self.db, "-u", "4", "-i", signature, "-c", entity,
              "-o", self.file("out"))

    def verify_opaque(self, signed):
        out = self.file("out")
        tried("cmsutil", "-D", "-d", self.db, "-u", "4", "-i", signed, "-o", out)
        return out.read_bytes()


# --- OpenPGP

class Gpg(Software):
    name, opens, needs = "gpg", "pgp", ("gpg",)

    def version(self):
        return first_version("gpg", "--version")

    def open(self, person, mail):
        out = self.file("out")
        said = self.gpg("--output", out, "--decrypt", self.file("in", mail.body))
        if mail.signer and b"GOODSIG" not in said:
            raise No("it finds no good signature")
        return out.read_bytes()

    def verify(self, signer, entity, signature):
        if b"GOODSIG" not in self.gpg("--verify", signature, entity):
            raise No("it finds no good signature")

    def gpg(self, *args):
        return tried("gpg", "--homedir", self.people.keys.gnupg, "--batch", "--yes", "--quiet",
                     "--status-fd", "1", *args).stdout


class Sq(Software):
    name, opens, needs = "sq", "pgp", ("sq",)

    def version(self):
        return first_version("sq", "--version")

    def open(self, person, mail):
        out = self.file("out")
        signer = ["--signer-cert", mail.signer.cert] if mail.signer else []
        tried("sq", "decrypt", *signer, "--recipient-key", person.secret, "--output", out,
              self.file("in", mail.body))
        return out.read_bytes()

    def verify(self, signer, entity, signature):
        tried("sq", "verify", "--signer-cert", signer.cert, "--detached", signature, entity)


class Rnp(Software):
    name, opens, needs = "rnp", "pgp", ("rnp", "rnpkeys")

    def prepare(self):
        for p in self.people.pgp + self.people.pgp_signers:
            run("rnpkeys", "--homedir", self.scratch, "--import-keys", p.secret)

    def version(self):
        return first_version("rnp", "--version")

    def open(self, person, mail):
        out = self.file("out")
        said = self.rnp("--overwrite", "--output", out, "--decrypt", self.file("in", mail.body))
        if mail.signer and b"Good signature" not in said:
            raise No("it finds no good signature")
        return out.read_bytes()

    def verify(self, signer, entity, signature):
        if b"Good signature" not in self.rnp("--source", entity, "--verify", signature):
            raise No("it finds no good signature")

    def rnp(self, *args):
        done = tried("rnp", "--homedir", self.scratch, *args)
        return done.stdout + done.stderr


# --- as a message

# Parts of a protected message that are no attachments.
SHAPES = ("application/pkcs7-mime", "application/pkcs7-signature", "application/pgp-signature")


class Notmuch(Software):
    """Reads the message as a mail program does: subject, text, attachments."""
    name, opens, needs = "notmuch", "smime pgp", ("notmuch",)

    def prepare(self):
        self.mail = self.scratch / "mail"
        (self.mail / "cur").mkdir(parents=True)
        config = self.scratch / "config"
        config.write_text("[database]\npath=%s\n[user]\nname=x\nprimary_email=x@partner.example\n"
                          "[new]\ntags=new\n[crypto]\ngpg_path=gpg\n" % self.mail)
        self.env = dict(os.environ, NOTMUCH_CONFIG=str(config), HOME=str(self.scratch),
                        GNUPGHOME=str(self.people.keys.gnupg))
        self.count = 0

    def version(self):
        return first_version("notmuch", "--version")

    def should_open(self, person, form):
        return person.kind == "pgp" or person.is_rsa and form.easy  # it asks gpgsm

    def notmuch(self, *args):
        return tried("notmuch", *args, env=self.env).stdout

    def show(self, mail):
        for old in (self.mail / "cur").iterdir():
            old.unlink()
        self.count += 1
        (self.mail / "cur" / ("%d:2,S" % self.count)).write_bytes(mail.data)
        shutil.rmtree(self.mail / ".notmuch", ignore_errors=True)
        self.notmuch("new", "--quiet")
        found = json.loads(self.notmuch("show", "--format=json", "--decrypt=true",
                                        "--include-html", "*"))
        return found[0][0][0]

    def read(self, person, mail):
        """What the reader sees: {subject, text, attachments, encrypted, signed}"""
        m = self.show(mail)
        seen = {"subject": m["headers"]["Subject"], "text": "", "attachments": {},
                "encrypted": m.get("crypto", {}).get("decrypted", {}).get("status") == "full",
                "signed": [s["status"] for s in
                           m.get("crypto", {}).get("signed", {}).get("status", [])]}
        self.walk(m["body"], seen)
        if not seen["text"]:
            raise No("it shows no text")
        return seen

    def walk(self, parts, seen):
        for part in parts:
            content = part.get("content")
            if part.get("filename") and part["content-type"] not in SHAPES:
                seen["attachments"][part["filename"]] = self.notmuch(
                    "show", "--format=raw", "--decrypt=true", "--part=%d" % part["id"], "*")
            elif isinstance(content, list):
                self.walk(content, seen)
            elif isinstance(content, str) and part["content-type"] == "text/plain":
                seen["text"] += content


# --- pick-up

class PickUpPage(Software):
    """What the page does to open a link, in an engine without a browser; the
    page itself is tested with Chromium."""
    name, opens, needs = "Node.js WebCrypto", "escrow", ("node",)

    def version(self):
        return first_version("node", "--version")

    def read(self, person, mail):
        link = re.search(r"https?://\S+/m/\S+#\S+", mail.text())
        if link is None:
            raise No("there is no link in the notice")
        return tried("node", portal_page() / "open-link.mjs", link[0]).stdout


ALL = (OpenSSL, BouncyCastle, Gpgsm, Nss, Gpg, Sq, Rnp, Notmuch, PickUpPage)
