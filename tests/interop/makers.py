# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Other people's software that makes the S/MIME messages which Sealgate opens.
Each class is one program: forms() gives (name, what the verdict must begin
with, a function that makes the entity)."""
import base64
import pathlib
import shutil
import subprocess

from harness import run
from software import HERE, JARS, PASS, PINENTRY, No, old_pkcs12

TEXT = b"gr\xc3\xbc\xc3\x9fe, .dots\r\n.\r\n \r\nFrom the beginning\r\n"
CANARY = b"canary-4410-canary"
ENTITY = (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
          + CANARY + b"\r\n" + TEXT)
GCM, CBC = "encrypted", "encrypted-unauthenticated"


def lines(octets):
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def pkcs7(cms, kind="enveloped-data", subtype=b"pkcs7-mime"):
    """The part that carries a CMS object."""
    return (b"Content-Type: application/%s; smime-type=%s; name=smime.p7m\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" % (subtype, kind.encode()) + lines(cms))


def multipart_signed(entity, signature, boundary=b"=_sig"):
    return (b"Content-Type: multipart/signed; micalg=sha-256;\r\n"
            b" protocol=\"application/pkcs7-signature\"; boundary=\"%s\"\r\n\r\n"
            b"--%s\r\n%s\r\n--%s\r\n"
            b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n%s--%s--\r\n"
            % (boundary, boundary, entity, boundary, lines(signature), boundary))


class Person:
    def __init__(self, addr, crt, key):
        self.addr, self.crt, self.key = addr, crt, key


class People:
    """A CA, who writes (its certificates) and who gets (their own)."""

    def __init__(self, keys):
        self.keys = keys
        self.root = keys.root
        self.ca = self.authority("ca")
        self.otto = Person("otto@sender.example",
                           *keys.certificate("otto@sender.example", "otto"))
        self.receivers = {"rsa": self.otto}
        for name, curve in (("olga", "P-256"), ("oskar", "P-384"), ("orla", "P-521")):
            addr = name + "@sender.example"
            self.receivers[curve] = Person(addr, *keys.certificate(
                addr, name, key=("ec", "-pkeyopt", "ec_paramgen_curve:" + curve)))
        self.alice = self.issued("alice@partner.example")
        self.erin = self.issued("erin@partner.example",
                                key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"))

    def file(self, name, octets=None):
        path = self.root / name
        if octets is not None:
            path.write_bytes(octets)
        return path

    def authority(self, name):
        crt, key = self.root / (name + ".crt"), self.root / (name + ".key")
        run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", key, "-out", crt,
            "-days", "30", "-subj", "/CN=Test " + name,
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        return Person(name, crt, key)

    def issued(self, addr, name=None, key=("rsa:2048",), ca=None, san=None, more=(),
               days=("-days", "20")):
        """A certificate by the CA; san: other names in it, as openssl.cnf has
        them."""
        name, ca = name or addr.split("@")[0], ca or self.ca
        crt, pem, csr = (self.root / (name + end) for end in (".crt", ".key", ".csr"))
        ext = self.file(name + ".ext", "\n".join((
            "subjectAltName=" + (san or "email:" + addr), "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature,keyEncipherment,keyAgreement",
            "extendedKeyUsage=emailProtection", *more)).encode())
        run("openssl", "req", "-new", "-nodes", "-newkey", *key, "-keyout", pem, "-out", csr,
            "-subj", "/CN=" + name)
        run("openssl", "x509", "-req", "-in", csr, "-CA", ca.crt, "-CAkey", ca.key,
            "-CAcreateserial", "-out", crt, "-extfile", ext, *days)
        return Person(addr, crt, pem)

    def private(self, who):
        """Certificate and key in one file, for `sealgate key import`."""
        return self.file(who.crt.stem + ".both.pem",
                         who.crt.read_bytes() + who.key.read_bytes())

    # what openssl makes, with these options

    def sealed(self, who, *args, data=ENTITY):
        return run("openssl", "cms", "-encrypt", "-binary", "-outform", "DER", *args[:1],
                   "-recip", who.crt, *args[1:], input=data).stdout

    def signed(self, *who, args=(), data=ENTITY):
        signers = [a for p in who for a in ("-signer", p.crt, "-inkey", p.key)]
        return run("openssl", "cms", "-sign", "-binary", "-outform", "DER", *signers, *args,
                   input=data).stdout

    def detached(self, *who, args=(), data=ENTITY):
        return multipart_signed(data, self.signed(*who, args=args, data=data))


class Maker:
    name = ""
    needs = ()

    def __init__(self, people, scratch):
        self.people = people
        self.scratch = pathlib.Path(scratch)
        self.scratch.mkdir()
        self.prepare()

    def prepare(self):
        pass

    def close(self):
        pass


class OpenSSL(Maker):
    name, needs = "openssl", ("openssl",)

    def forms(self):
        p, r = self.people, self.people.receivers
        oaep = ("-keyopt", "rsa_padding_mode:oaep")
        for cipher, word in (("-aes-128-cbc", CBC), ("-aes-256-cbc", CBC),
                             ("-aes-128-gcm", GCM), ("-aes-256-gcm", GCM)):
            yield "rsa " + cipher, word, r["rsa"], lambda c=cipher: pkcs7(p.sealed(r["rsa"], c))
            yield ("oaep " + cipher, word, r["rsa"],
                   lambda c=cipher: pkcs7(p.sealed(r["rsa"], c, *oaep)))
        for curve in ("P-256", "P-384", "P-521"):
            yield (curve, GCM, r[curve],
                   lambda c=curve: pkcs7(p.sealed(r[c], "-aes-256-gcm", "-keyopt",
                                                  "ecdh_kdf_md:sha256")))
            yield curve + ", its default", CBC, r[curve], lambda c=curve: pkcs7(
                p.sealed(r[c], "-aes-256-cbc"))
        yield "detached", "signed-good", p.otto, lambda: p.detached(p.alice)
        yield "detached, EC", "signed-good", p.otto, lambda: p.detached(p.erin)
        yield "detached, PSS", "signed-good", p.otto, lambda: p.detached(
            p.alice, args=("-keyopt", "rsa_padding_mode:pss"))
        yield "opaque", "signed-good", p.otto, lambda: pkcs7(
            p.signed(p.alice, args=("-nodetach",)), "signed-data")
        yield "signed, then sealed", "encrypted, signed-good", p.otto, lambda: pkcs7(
            p.sealed(p.otto, "-aes-256-gcm", data=p.detached(p.alice)))
        yield "three layers", "encrypted, signed-good", p.otto, lambda: p.detached(
            p.alice, data=pkcs7(p.sealed(p.otto, "-aes-256-gcm", data=p.detached(p.alice))))


class Gpgsm(Maker):
    name, needs = "gpgsm", ("gpgsm",)

    def prepare(self):
        home = self.people.keys.gnupg
        pinentry = home / "pinentry"
        pinentry.write_text(PINENTRY)
        pinentry.chmod(0o700)
        (home / "gpg-agent.conf").write_text("pinentry-program %s\ndisable-scdaemon\n" % pinentry)
        ca, otto = self.people.ca.crt, self.people.otto.crt
        # who gets mail has a certificate that only it itself vouches for
        (home / "trustlist.txt").write_text("".join(
            run("openssl", "x509", "-in", crt, "-noout", "-fingerprint", "-sha1").stdout
            .decode().strip().partition("=")[2] + " S relax\n" for crt in (ca, otto)))
        p12 = self.scratch / "alice.p12"
        alice = self.people.alice
        for path in (ca, otto):
            self.gpgsm("--import", path)
        for _ in range(8):  # until it has a salt that gpgsm can read
            old_pkcs12(p12, alice.crt, alice.key, "-certfile", ca)
            if self.gpgsm("--import", p12, check=False).returncode == 0:
                return
        self.gpgsm("--import", p12)

    def gpgsm(self, *args, **kwargs):
        return run("gpgsm", "--homedir", self.people.keys.gnupg, "--batch", "--yes", "--no-tty",
                   "--disable-crl-checks", *args, **kwargs)

    def made(self, *args, data=ENTITY):
        out = self.scratch / "out"
        self.gpgsm("--output", out, *args, self.people.file("gpgsm.in", data))
        return out.read_bytes()

    def forms(self):
        p = self.people
        yield "sealed", CBC, p.otto, lambda: pkcs7(
            self.made("--recipient", p.otto.addr, "--encrypt"))
        yield "detached", "signed-good", p.otto, lambda: multipart_signed(ENTITY, self.made(
            "--local-user", p.alice.addr, "--detach-sign"))
        yield "opaque", "signed-good", p.otto, lambda: pkcs7(
            self.made("--local-user", p.alice.addr, "--sign"), "signed-data")


class Nss(Maker):
    name, needs = "NSS", ("cmsutil", "certutil", "pk12util")

    def prepare(self):
        self.db = "sql:%s" % self.scratch
        alice = self.people.alice
        p12 = self.scratch / "alice.p12"
        run("certutil", "-N", "-d", self.db, "--empty-password")
        run("openssl", "pkcs12", "-export", "-in", alice.crt, "-inkey", alice.key, "-name", "alice",
            "-passout", "pass:" + PASS, "-out", p12)
        run("pk12util", "-i", p12, "-d", self.db, "-W", PASS)
        run("certutil", "-A", "-d", self.db, "-n", "ca", "-t", ",C,", "-i", self.people.ca.crt)
        run("certutil", "-A", "-d", self.db, "-n", "otto", "-t", ",P,", "-i", self.people.otto.crt)

    def made(self, *args, data=ENTITY):
        out = self.scratch / "out"
        run("cmsutil", *args, "-d", self.db, "-i", self.people.file("nss.in", data), "-o", out)
        return out.read_bytes()

    def forms(self):
        p = self.people
        yield "sealed", CBC, p.otto, lambda: pkcs7(self.made("-E", "-r", p.otto.addr))
        yield "detached", "signed-good", p.otto, lambda: multipart_signed(ENTITY, self.made(
            "-S", "-T", "-N", "alice", "-H", "SHA256", "-G", "-P"))
        yield "opaque", "signed-good", p.otto, lambda: pkcs7(
            self.made("-S", "-N", "alice", "-H", "SHA256", "-G"), "signed-data")


class BouncyCastle(Maker):
    name, needs = "Bouncy Castle", ("java",)

    def prepare(self):
        self.java = subprocess.Popen(
            ["java", "-cp", JARS, str(HERE / "Bouncy.java")], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if not self.java.stdout.readline().startswith("version "):
            raise No("Bouncy Castle does not start")

    def command(self, *words):
        self.java.stdin.write("\t".join(str(w) for w in words) + "\n")
        self.java.stdin.flush()
        answer = self.java.stdout.readline().strip()
        if answer != "ok":
            raise No(answer.removeprefix("no "))

    def made(self, *args, data=ENTITY):
        out = self.scratch / "out"
        self.command(*args, self.people.file("bc.in", data), out)
        return out.read_bytes()

    def sign(self, who, algorithm, how, data=ENTITY, capabilities="-"):
        key = self.scratch / "p8"
        run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", who.key, "-out", key)
        return self.made("sign", key, who.crt, algorithm, how, capabilities, data=data)

    def forms(self):
        p, r = self.people, self.people.receivers
        for cipher, word in (("aes256-cbc", CBC), ("aes256-gcm", GCM)):
            for hash_ in ("-", "SHA-1", "SHA-256"):
                yield ("%s rsa %s" % (cipher, hash_), word, r["rsa"],
                       lambda c=cipher, h=hash_: pkcs7(self.made("seal", r["rsa"].crt, c, h)))
            for curve, hash_ in (("P-256", "SHA-256"), ("P-384", "SHA-384"), ("P-521", "SHA-512")):
                yield ("%s %s" % (cipher, curve), word, r[curve],
                       lambda c=cipher, v=curve, h=hash_: pkcs7(
                           self.made("seal", r[v].crt, c, h)))
        for who, algorithm in ((p.alice, "SHA256withRSA"), (p.alice, "SHA256withRSAandMGF1"),
                               (p.erin, "SHA512withECDSA")):
            yield algorithm, "signed-good", p.otto, lambda w=who, a=algorithm: multipart_signed(
                ENTITY, self.sign(w, a, "detached"))
        yield "opaque", "signed-good", p.otto, lambda: pkcs7(
            self.sign(p.alice, "SHA256withRSA", "opaque"), "signed-data")
        yield "compressed", "none", p.otto, lambda: pkcs7(self.made("pack"), "compressed-data")
        yield "compressed, then signed", "signed-good", p.otto, lambda: p.detached(
            p.alice, data=pkcs7(self.made("pack"), "compressed-data"))

    def close(self):
        self.java.stdin.close()
        self.java.wait(10)
        self.java.stdout.close()


ALL = [c for c in (OpenSSL, Gpgsm, Nss, BouncyCastle) if all(shutil.which(n) for n in c.needs)]
