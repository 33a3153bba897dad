#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""DKIM beside Postfix, as docs/recipes.md has it, with the real OpenDKIM and the
real rspamd as its milter: what leaves is signed as it was sealed, and what comes
is verified before it is opened."""
import base64
import os
import pathlib
import shutil
import smtplib
import tempfile

import dkim
import pytest

from harness import free_port, message, run, wait_for
from peers import Housed, Knot, Postfix, port_is_open
from test_recipes import block, configured

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a server in a name space needs root")
RULES = 'rule "default" { try = { smime, hold } }\n'
SAM, ANN = "sam@sender.example", "ann@sender.example"
ALICE, EVE = "alice@partner.example", "eve@partner.example"


class OpenDkim(Housed):
    package, users = "opendkim", "opendkim"

    def __init__(self, keys, names):
        self.keys, self.names = keys, names
        super().__init__()

    def configure(self):
        places = self.root / "names"
        places.write_text("".join("%s %s\n" % n for n in self.names.items()))
        self.conf = self.root / "opendkim.conf"
        # beside the recipe only where names are looked up: in the test's own file
        self.conf.write_text(block("opendkim.conf dkim", [
            ("example.com", "sender.example"), ("/etc/dkimkeys/gw.private", str(self.keys["gw"])),
            ("8891", str(self.port))]) + "TestPublicKeys %s\nRequireSafeKeys no\n" % places)

    def command(self):
        return ["/usr/sbin/opendkim", "-f", "-x", self.conf]


class Rspamd(Housed):
    """With Debian's configuration, and in local.d what the recipe says; it does the
    work in the process that has the milter's port, and looks names up at dns."""

    package, users = "rspamd", "_rspamd"

    def __init__(self, keys, dns):
        self.keys, self.dns = keys, dns
        super().__init__()

    def configure(self):
        etc = self.root / "etc"
        run("cp", "-r", self.usr / "etc/rspamd", etc)
        run("chmod", "-R", "a+rX", etc)
        for name in ("db", "run", "logs"):
            (self.root / name).mkdir()
            (self.root / name).chmod(0o777)
        local = etc / "local.d"
        local.mkdir(exist_ok=True)
        for name in ("dkim_signing.conf", "milter_headers.conf"):
            (local / name).write_text(block("rspamd " + name))
        signing = local / "dkim_signing.conf"
        signing.write_text(signing.read_text().replace("example.com {", "sender.example {").replace(
            "/var/lib/rspamd/dkim/example.com.gw.key", str(self.keys["gw"])))
        (local / "options.inc").write_text(
            'dns { nameserver = ["127.0.0.1:%d"]; timeout = 30s; retransmits = 1; }\n'
            'filters = "dkim";\nurl_tld = "%s";\ndisable_hyperscan = true;\n' % (
                self.dns, etc / "tld"))
        # patterns of all domains of the world take it half a minute to prepare
        (etc / "tld").write_text("example\n")
        (local / "worker-proxy.inc").write_text(
            'bind_socket = "127.0.0.1:%d";\n'
            'upstream "local" { default = yes; self_scan = yes; }\n' % self.port)
        for name in ("normal", "controller", "fuzzy"):
            (local / ("worker-%s.inc" % name)).write_text("enabled = false;\n")
        # what would ask others, and what needs a database
        for name in ("fuzzy_check", "rbl", "multimap", "phishing", "whitelist", "mime_types"):
            (local / (name + ".conf")).write_text("enabled = false;\n")
        (local / "logging.inc").write_text('type = "file"; filename = "%s/logs/rspamd.log";\n' % self.root)

    def command(self):
        # it is run as its user, whose home there is none
        names = {"CONFDIR": "etc", "LOCAL_CONFDIR": "etc", "DBDIR": "db", "RUNDIR": "run",
                 "LOGDIR": "logs"}
        return ["/usr/bin/rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c",
                self.root / "etc/rspamd.conf",
                *["--var=%s=%s/%s" % (n, self.root, d) for n, d in names.items()]]


@pytest.fixture(name="pairs", scope="module")
def fixture_pairs():
    """Keys: gw of ours, far of a stranger's, and the records that publish them."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge."))
    root.chmod(0o755)  # the milters have users of their own
    files, names = {}, {}
    for name, domain in (("gw", "sender.example"), ("far", "partner.example")):
        files[name] = root / name
        run("openssl", "genrsa", "-traditional", "-out", files[name], "2048")
        files[name].chmod(0o644)
        der = run("openssl", "rsa", "-in", files[name], "-pubout", "-outform", "DER").stdout
        names["%s._domainkey.%s" % (name, domain)] = (
            "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode())
    yield files, names
    shutil.rmtree(root)


@pytest.fixture(name="milter", params=["opendkim", "rspamd"])
def fixture_milter(request, pairs, root):
    files, names = pairs
    dns = None
    if request.param == "opendkim":
        server = OpenDkim(files, names)
    else:
        # a string of a record has 255 octets
        zones = {d: "".join("%s. TXT %s\n" % (n, " ".join('"%s"' % t[i:i + 200] for i in range(
            0, len(t), 200))) for n, t in names.items() if n.endswith(d))
            for d in ("sender.example", "partner.example")}
        dns = Knot(root / "dns", zones).start()
        server = Rspamd(files, dns.port)
    try:
        yield server.start()
    finally:
        print(server.log())
        server.stop()
        if dns is not None:
            dns.stop()


@pytest.fixture(name="stand")
def fixture_stand(milter, make_gateway, capture, keys):
    out, back, into, opened, submission, outside = (free_port() for _ in range(6))
    gw = configured(make_gateway, capture, "conf dkim", [
        ("127.0.0.1:10025", "127.0.0.1:%d" % out), ("127.0.0.1:10026", "127.0.0.1:%d" % back),
        ("127.0.0.1:10027", "127.0.0.1:%d" % into), ("127.0.0.1:10028", "127.0.0.1:%d" % opened),
        ("mx.example.com", "postfix.example")], RULES)
    gw.start()
    gw.cli("key", "import", keys.alice_crt)
    p = Postfix(capture.port, more="smtpd_authorized_xclient_hosts = 127.0.0.0/8\n"
                                   "mynetworks = 127.0.0.0/8 192.0.2.0/24\n")
    master = p.root / "etc/master.cf"
    master.write_text(master.read_text() + block("master.cf dkim", [
        ("submission inet", "127.0.0.1:%d inet" % submission), ("127.0.0.1:10026", "127.0.0.1:%d" % back),
        ("smtp inet", "127.0.0.1:%d inet" % outside), ("127.0.0.1:10028", "127.0.0.1:%d" % opened),
        ("[127.0.0.1]:10025", "[127.0.0.1]:%d" % out), ("[127.0.0.1]:10027", "[127.0.0.1]:%d" % into),
        ("8891", str(milter.port))]))
    p.start()
    for port in (submission, outside):
        wait_for("port %d" % port, lambda p=port: port_is_open(p))
    yield gw, submission, outside
    print(p.log())
    p.stop()


def test_signed_after_sealing_and_verified_before_opening(stand, pairs, capture, keys):
    files, names = pairs
    gw, submission, outside = stand

    def look_up(name, timeout=5):
        return names.get(name.decode().rstrip("."), "").encode()

    with smtplib.SMTP("127.0.0.1", submission, timeout=90) as s:
        s.sendmail(SAM, [ALICE], message(sender=SAM, to=ALICE))
    got = capture.wait(1)[0].data
    assert got.count(b"DKIM-Signature:") == 1 and b"application/pkcs7-mime" in got
    # what the recipient's server sees is what was signed
    assert dkim.verify(got, dnsfunc=look_up)
    assert b"Hello." in keys.open_smime(got, keys.alice_key)

    # and back: encrypted to ann, signed by the stranger's server
    crt, key = keys.certificate(ANN, name="dkim-ann")
    gw.cli("key", "import", crt, key)
    sealed = run("openssl", "cms", "-encrypt", "-aes-256-cbc", "-outform", "DER", crt,
                 input=b"Content-Type: text/plain\r\n\r\nHello.\r\n").stdout
    mail = (b"From: %s\r\nTo: %s\r\nSubject: x\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
            b"Message-ID: <1@partner.example>\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" % (EVE.encode(), ANN.encode())
            + base64.encodebytes(sealed).replace(b"\n", b"\r\n"))
    mail = dkim.sign(mail, b"far", b"partner.example", files["far"].read_bytes()) + mail
    with smtplib.SMTP("127.0.0.1", outside, timeout=90) as s:
        s.ehlo("far.partner.example")
        # somebody from elsewhere
        assert s.docmd("XCLIENT", "ADDR=192.0.2.9 NAME=far.partner.example")[0] == 220
        s.sendmail(EVE, [ANN], mail)
    got = capture.wait(2)[1].data
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"Hello." in body and head.count(b"Sealgate-Verdict:") == 1
    said = b" ".join(head.split())
    assert b"Authentication-Results: postfix.example" in said and b"dkim=pass" in said
    # the broken signature is not taken for what it was before
    assert not dkim.verify(got, dnsfunc=look_up)
