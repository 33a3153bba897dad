# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Certificates that their issuer takes back: lists served by nginx, answers by
`openssl ocsp`, the gateway fetches both by itself. Nobody gets S/MIME by a
certificate that is revoked; what an outage means is configured."""
import json
import signal
import smtplib
import time

import pytest

from harness import free_port, message, run, wait_for
from key_sources import Dir, Names, Nginx

RULES = 'rule "default" { try = { smime, escrow } }\n'
HOLD = 'rule "default" { try = { smime, hold } }\n'

CONF = """\
[ca]
default_ca = d
[d]
dir = {dir}
database = {dir}/index.txt
serial = {dir}/serial
crlnumber = {dir}/crlnumber
new_certs_dir = {dir}
certificate = {dir}/ca.crt
private_key = {dir}/ca.key
default_md = sha256
default_days = 30
default_crl_days = 1
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[responder]
keyUsage = critical,digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = emailProtection
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Issuer(Dir):
    """A CA, by openssl; its list is served by nginx, its answers by
    `openssl ocsp`."""

    def __init__(self, name="Revoking CA"):
        super().__init__()
        self.conf = self.root / "ca.conf"
        self.conf.write_text(CONF.format(dir=self.root))
        for file, text in (("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "01\n")):
            (self.root / file).write_text(text)
        self.crt, self.key = self.root / "ca.crt", self.root / "ca.key"
        run("openssl", "req", "-x509", "-config", self.conf, "-extensions", "root",
            "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", self.key, "-out", self.crt, "-subj", "/CN=" + name, "-days", "100")
        self.web = Nginx(None, {})
        self.ocsp_port = free_port()
        (self.web.root / "conf").write_text(Nginx.CONF.format(
            root=self.web.root, servers="server {{ listen 127.0.0.1:{0}; root {1}; }}".format(
                self.web.port, self.web.root / "www")))
        self.ocsp = None
        self.issue("responder", extensions="responder")

    def issue(self, name, addr=None, extensions="leaf", crl="ca.crl", ocsp=False):
        """A certificate; returns (certificate, key) files."""
        crt, key, csr = (self.root / (name + e) for e in (".crt", ".key", ".csr"))
        text = self.conf.read_text()
        if addr:
            text += "subjectAltName = email:%s\n" % addr
            if crl:
                text += "crlDistributionPoints = URI:http://crl.example:%d/%s\n" % (
                    self.web.port, crl)
            if ocsp:
                text += "authorityInfoAccess = OCSP;URI:http://ocsp.example:%d/\n" % self.ocsp_port
        conf = self.root / (name + ".conf")
        conf.write_text(text)
        run("openssl", "req", "-new", "-config", conf, "-newkey", "rsa:2048", "-nodes",
            "-keyout", key, "-out", csr, "-subj", "/CN=" + name)
        run("openssl", "ca", "-batch", "-notext", "-config", conf, "-extensions", extensions,
            "-in", csr, "-out", crt)
        return crt, key

    def revoke(self, crt, reason="keyCompromise"):
        run("openssl", "ca", "-config", self.conf, "-revoke", crt, "-crl_reason", reason)

    def publish(self, *options):
        run("openssl", "ca", "-config", self.conf, "-gencrl", "-out", self.root / "crl.pem",
            *options)
        run("openssl", "crl", "-in", self.root / "crl.pem", "-outform", "DER",
            "-out", self.root / "crl.der")
        self.web.put("/ca.crl", (self.root / "crl.der").read_bytes())

    def start(self):
        self.web.start()
        return self

    def answer(self):
        """Start `openssl ocsp`; it reads what is revoked once."""
        self.ocsp = self.spawn(
            "openssl", "ocsp", "-index", self.root / "index.txt", "-port", self.ocsp_port,
            "-CA", self.crt, "-rsigner", self.root / "responder.crt",
            "-rkey", self.root / "responder.key", "-nmin", "60")
        # a connection without a request is more than it can bear
        wait_for("openssl ocsp", lambda: "waiting for OCSP client" in self.said())

    def stop(self):
        self.web.stop()
        super().stop()


@pytest.fixture
def issuer():
    made = Issuer().start()
    yield made
    made.stop()


@pytest.fixture
def names():
    made = Names("crl.example. 60 A 127.0.0.1\nocsp.example. 60 A 127.0.0.1\n").start()
    yield made
    made.stop()


def options(names, revocation="soft"):
    return names.options() + (
        'discovery { allow = { "127.0.0.0/8" } }\n'
        'certificates { revocation = %s }\n' % revocation)


def fingerprint(crt):
    text = run("openssl", "x509", "-in", crt, "-noout", "-fingerprint", "-sha256").stdout
    return text.decode().split("=")[1].strip().replace(":", "").lower()


def shown(gw, crt):
    return gw.cli_json("key", "show", fingerprint(crt))[0]["chain"]


def is_smime(mail):
    return b"application/pkcs7-mime" in mail.data


def state_of(gw, addr, expected):
    """What a look-up makes of the address's certificate, once it is so."""
    def ask():
        said = json.loads(gw.cli("--json", "key", "lookup", addr, check=False).stdout)
        got = [r for r in said if r.get("kind") == "smime"]
        return got and any(c["verdict"] == expected for c in got[0]["candidates"])
    wait_for("%s to be %s" % (addr, expected), ask)


def wake(gw, addr):
    """A worker that looks the address up says what it would like to know."""
    with smtplib.SMTP("127.0.0.1", gw.port, timeout=90) as s:
        s.ehlo()
        s.mail("sam@sender.example")
        return s.rcpt(addr)


def send(gw, addr):
    """As a client does: again while the gateway says 451."""
    def taken():
        try:
            gw.send("sam@sender.example", addr, message(to=addr))
            return True
        except smtplib.SMTPDataError as e:
            assert e.smtp_code == 451
            return False
    wait_for("%s to be taken" % addr, taken)


def test_a_revoked_recipient_gets_no_smime_by_list(make_gateway, capture, issuer, names):
    good, key = issuer.issue("good", "good@peer.example")
    bad, _ = issuer.issue("bad", "bad@peer.example")
    issuer.revoke(bad)
    issuer.publish()
    gw = make_gateway(capture.port, rules=HOLD, options=options(names, "hard"))
    gw.cli("key", "import", "--anchor-for", "peer.example", issuer.crt)
    gw.cli("key", "import", "--candidate", good, bad)
    # hard: as long as nothing is known it fails, and then it is decided
    (server,) = issuer.web.procs
    server.send_signal(signal.SIGSTOP)
    with pytest.raises(smtplib.SMTPDataError, match="may be revoked"):
        gw.send("sam@sender.example", "good@peer.example", message(to="good@peer.example"))
    server.send_signal(signal.SIGCONT)
    send(gw, "good@peer.example")
    send(gw, "bad@peer.example")
    mail = capture.wait(1)[0]
    assert is_smime(mail) and "good@peer.example" in mail.rcpts[0]
    state_of(gw, "bad@peer.example", "ERR_KEY_REVOKED")
    chain = shown(gw, good)
    assert chain["result"] == "ERR_OK" and chain["revocation"] == "good"
    chain = shown(gw, bad)
    assert chain["result"] == "ERR_KEY_REVOKED"
    assert chain["path"][0]["reason"] == 1
    text = gw.cli("key", "show", fingerprint(bad)).stdout.decode()
    assert "revoked" in text and "key compromised" in text
    states = {k["fingerprint"]: k["state"] for k in json.loads(
        gw.cli("--json", "key", "list", "peer.example").stdout)}
    assert states[fingerprint(good)] == "" and states[fingerprint(bad)] == "revoked"
    # one list for both, asked for once
    assert len([r for r in issuer.web.requests() if "/ca.crl" in r]) == 1
    assert len(capture.messages) == 1


def test_a_revoked_recipient_gets_no_smime_by_answer(make_gateway, capture, issuer, names):
    good, _ = issuer.issue("good", "good@peer.example", crl=None, ocsp=True)
    bad, _ = issuer.issue("bad", "bad@peer.example", crl=None, ocsp=True)
    issuer.revoke(bad, "superseded")
    issuer.answer()
    gw = make_gateway(capture.port, rules=RULES, options=options(names))
    gw.cli("key", "import", issuer.crt)
    # an administrator's word for a certificate does not outweigh its issuer's
    gw.cli("key", "import", good, bad)
    for addr in ("good@peer.example", "bad@peer.example"):
        wake(gw, addr)
    state_of(gw, "bad@peer.example", "ERR_KEY_REVOKED")
    wait_for("the answer about the other",
             lambda: shown(gw, good)["revocation"] == "good")
    gw.send("sam@sender.example", "bad@peer.example", message(to="bad@peer.example"))
    gw.send("sam@sender.example", "good@peer.example", message(to="good@peer.example"))
    mails = capture.wait(2)
    by = {m.rcpts[0].strip("<>"): m for m in mails}
    assert is_smime(by["good@peer.example"])
    assert not is_smime(by["bad@peer.example"])
    assert b"/m/" in by["bad@peer.example"].data


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_what_an_outage_means_is_configured(make_gateway, capture, issuer, names, mode):
    """The server of the list is gone: soft seals, hard waits."""
    crt, key = issuer.issue("good", "good@peer.example")
    gw = make_gateway(capture.port, rules=HOLD, options=options(names, mode))
    issuer.web.stop()
    gw.cli("key", "import", issuer.crt)
    gw.cli("key", "import", "--candidate", crt)
    if mode == "soft":
        gw.send("sam@sender.example", "good@peer.example", message(to="good@peer.example"))
        assert is_smime(capture.wait(1)[0])
    else:
        with pytest.raises(smtplib.SMTPDataError, match="may be revoked"):
            gw.send("sam@sender.example", "good@peer.example", message(to="good@peer.example"))
    wait_for("a word about the failure", lambda: shown(gw, crt)["trouble"])
    chain = shown(gw, crt)
    assert chain["revocation"] == "unknown"
    if mode == "hard":
        assert chain["result"] == "ERR_RUNG_FAILED"
        assert not capture.messages


def test_what_comes_for_a_list_is_verified(make_gateway, capture, issuer, names):
    """A list of another CA, an altered or truncated one, a page: none says
    anything, and the trouble is named."""
    other = Issuer("Other CA")
    try:
        other.publish()
        issuer.publish()
        whole = (issuer.root / "crl.der").read_bytes()
        lists = {
            "cut": (whole[:-40], "not a revocation list"),
            "page": (b"<html>sorry</html>", "not a revocation list"),
            "other": ((other.root / "crl.der").read_bytes(), "of another issuer"),
            "altered": (whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:], "wrong signature"),
            "gone": (None, "404"),
        }
        gw = make_gateway(capture.port, rules=HOLD, options=options(names))
        gw.cli("key", "import", issuer.crt)
        certs = {}
        for name, (octets, _) in lists.items():
            certs[name], _ = issuer.issue(name, name + "@peer.example", crl=name + ".crl")
            if octets is not None:
                issuer.web.put(name + ".crl", octets)
            gw.cli("key", "import", "--candidate", certs[name])
            wake(gw, name + "@peer.example")
        for name, (_, why) in lists.items():
            wait_for("a word about %s" % name, lambda: why in shown(gw, certs[name])["trouble"])
            assert shown(gw, certs[name])["revocation"] == "unknown"
    finally:
        other.stop()


def test_a_certificate_cannot_send_us_to_an_address_of_our_own(make_gateway, capture, issuer,
                                                               names):
    """RFC 5280 lets a certificate name any place; without leave none of this
    machine and of this network is asked."""
    crt, _ = issuer.issue("good", "good@peer.example", ocsp=True)
    issuer.publish()
    gw = make_gateway(capture.port, rules=HOLD, options=names.options())
    gw.cli("key", "import", issuer.crt)
    gw.cli("key", "import", "--candidate", crt)
    wake(gw, "good@peer.example")
    wait_for("a refusal", lambda: "not allowed" in shown(gw, crt)["trouble"])
    assert not issuer.web.requests()


def another_key(issuer, name, signed_by_old):
    """A certificate of the CA's name for a new key, and a list that the new
    key has signed."""
    crt, key, csr = (issuer.root / (name + e) for e in (".crt", ".key", ".csr"))
    subject = ["-config", issuer.conf, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-keyout", key, "-subj", "/CN=Revoking CA"]
    if signed_by_old:
        run("openssl", "req", "-new", *subject, "-out", csr)
        run("openssl", "x509", "-req", "-in", csr, "-CA", issuer.crt, "-CAkey", issuer.key,
            "-set_serial", "77", "-days", "90", "-extfile", issuer.conf, "-extensions", "root",
            "-out", crt)
    else:
        run("openssl", "req", "-x509", "-extensions", "root", *subject, "-days", "90",
            "-out", crt)
    crl = issuer.root / (name + ".pem")
    run("openssl", "ca", "-config", issuer.conf, "-gencrl", "-keyfile", key, "-cert", crt,
        "-out", crl)
    return crt, crl


def test_a_list_by_hand(make_gateway, capture, issuer, names):
    """Nothing can be fetched: the certificates name no place. An administrator
    brings the list; one that the CA has not signed changes nothing."""
    good, _ = issuer.issue("good", "good@peer.example", crl=None)
    bad, _ = issuer.issue("bad", "bad@peer.example", crl=None)
    issuer.revoke(bad)
    stranger, forged = another_key(issuer, "stranger", False)
    gw = make_gateway(capture.port, rules=HOLD, options=options(names, "hard"))
    gw.cli("key", "import", issuer.crt)
    gw.cli("key", "import", "--candidate", good, bad, stranger)

    def bring(*args):
        return gw.cli("ca", "import-crl", *args, check=False)

    # signed by a key that only says that it is the CA's: counts for its own
    bring(forged)
    assert shown(gw, good)["revocation"] == "unknown"
    assert shown(gw, bad)["revocation"] == "unknown"
    assert bring("--issuer", issuer.crt, forged).returncode == 1
    # no list, and one whose issuer nobody knows
    assert bring(good).returncode == 1
    other = Issuer("Another CA")
    other.publish()
    assert b"no CA certificate" in bring(other.root / "crl.pem").stderr
    other.stop()
    issuer.publish()
    first = (issuer.root / "crl.pem").read_bytes()
    said = json.loads(gw.cli("--json", "ca", "import-crl", issuer.root / "crl.der").stdout)
    assert [s["issuer"] for s in said] == [fingerprint(issuer.crt)]
    assert shown(gw, good)["revocation"] == "good"
    assert shown(gw, bad)["result"] == "ERR_KEY_REVOKED"
    state_of(gw, "bad@peer.example", "ERR_KEY_REVOKED")
    gw.send("sam@sender.example", "good@peer.example", message(to="good@peer.example"))
    assert is_smime(capture.wait(1)[0])
    # a newer one, signed by the key that the CA has changed to (RFC 5280, 6.3.3)
    issuer.revoke(good)
    time.sleep(1.1)
    new, crl = another_key(issuer, "new", True)
    gw.cli("key", "import", "--candidate", new)
    said = json.loads(gw.cli("--json", "ca", "import-crl", crl).stdout)
    assert sorted(s["issuer"] for s in said) == sorted(
        [fingerprint(issuer.crt), fingerprint(new)])
    assert shown(gw, good)["result"] == "ERR_KEY_REVOKED"
    # and not back again
    (issuer.root / "first.pem").write_bytes(first)
    done = bring(issuer.root / "first.pem")
    assert done.returncode != 0 and b"newer" in done.stderr
    assert shown(gw, good)["result"] == "ERR_KEY_REVOKED"


@pytest.mark.parametrize("vouched", [True, False])
def test_a_ca_that_signs_lists_with_another_key(make_gateway, capture, issuer, names, vouched):
    """RFC 5280, 6.3.3: the list that is fetched is signed with the key that the
    CA has changed to. One that only bears its name has no say."""
    good, _ = issuer.issue("good", "good@peer.example")
    bad, _ = issuer.issue("bad", "bad@peer.example")
    issuer.revoke(bad)
    other, crl = another_key(issuer, "other", vouched)
    issuer.web.put("/ca.crl", crl.read_bytes())
    gw = make_gateway(capture.port, rules=HOLD, options=options(names))
    gw.cli("key", "import", issuer.crt)
    gw.cli("key", "import", "--candidate", good, bad, other)
    wake(gw, "bad@peer.example")
    if vouched:
        state_of(gw, "bad@peer.example", "ERR_KEY_REVOKED")
        assert shown(gw, good)["revocation"] == "good"
    else:
        wait_for("the list to be refused", lambda: shown(gw, bad)["trouble"])
        assert shown(gw, bad)["revocation"] == "unknown"
