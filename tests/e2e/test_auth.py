# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Who has signed in may hand in mail from anywhere, as itself: AUTH PLAIN and
EXTERNAL, inside TLS alone, with curl, smtplib and raw sockets."""
import base64
import os
import signal
import smtplib
import ssl
import time

import pytest

from harness import Problem, message, run, wait_for
from test_smtp_in import Raw

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
CLEAR = 'rule "all" { try = { clear } }\n'
NOBODY = 'clients = "192.0.2.0/24"'
TRUST = ssl._create_unverified_context()  # whom we talk to is no question here


def users_file(root, *users):
    """users: (name, password, address...)"""
    lines = []
    for name, password, *addrs in users:
        word = root / "word"
        word.write_text(password + "\n")
        lines.append(run(os.environ.get("SEALGATE_BUILD", "build") + "/sealgate", "user", "hash",
                         "--passphrase-file", word, name, *addrs).stdout.decode())
    path = root / "users"
    path.write_text("# who may sign in\n" + "".join(lines))
    return path


def plain(user, password, authzid=""):
    return base64.b64encode(("%s\0%s\0%s" % (authzid, user, password)).encode())


class Tls(Raw):
    """A session inside TLS; implicit: from the first octet on."""

    def __init__(self, gateway, implicit=False, context=TRUST, **options):
        super().__init__(gateway, **options)
        if not implicit:
            self.greet()
            self.say(b"STARTTLS\r\n").reply(220)
        self.sock = context.wrap_socket(self.sock)
        if implicit:
            self.hello = self.greet()
        else:
            self.say(b"EHLO client.sender.example\r\n")
            self.hello = self.reply(250)

    def auth(self, *codes, mech=b"PLAIN", response=b""):
        return self.say(b"AUTH " + mech + b" " + response + b"\r\n").reply(*codes)


@pytest.fixture
def alice_file(root):
    return users_file(root, ("alice", "wonder land", SENDER, "@other.example"))


def test_with_curl_and_smtplib(make_gateway, capture, root, alice_file):
    gw = make_gateway(capture.port, rules=CLEAR, tls=True, portal=False,
                      listen='%s users = "%s"' % (NOBODY, alice_file))
    mail = root / "mail"
    mail.write_bytes(message(to=CAROL))
    curl = ["curl", "-sS", "--insecure", "--ssl-reqd", "--mail-from", SENDER, "--mail-rcpt", CAROL,
            "--upload-file", mail, "smtp://127.0.0.1:%d/client.example" % gw.port]
    run(*curl, "--user", "alice:wonder land")
    with pytest.raises(Problem, match="67|Login denied"):
        run(*curl, "--user", "alice:wonderland")
    with smtplib.SMTP("127.0.0.1", gw.port, timeout=90) as s:
        s.starttls(context=TRUST)
        s.login("alice", "wonder land")
        s.sendmail("x@other.example", [CAROL], message(to=CAROL))
    wait_for("both", lambda: len(capture.messages) == 2)
    got = {m.mail_from: m.data for m in capture.messages}
    assert set(got) == {SENDER, "x@other.example"}
    assert b"with ESMTPSA id" in got[SENDER]
    assert b"alice" not in got[SENDER]  # a login is nobody's business
    wait_for("the audit log", lambda: [
        r for r in gw.audit() if r["rec"].get("user") == "alice"])
    assert "wonder" not in gw.log()


def test_tls_from_the_first_octet_on(make_gateway, capture, root, alice_file):
    gw = make_gateway(capture.port, rules=CLEAR, tls=True, portal=False,
                      listen='%s users = "%s" tls = implicit' % (NOBODY, alice_file))
    mail = root / "mail"
    mail.write_bytes(message(to=CAROL))
    run("curl", "-sS", "--insecure", "--mail-from", SENDER, "--mail-rcpt", CAROL,
        "--upload-file", mail, "--user", "alice:wonder land", "smtps://127.0.0.1:%d" % gw.port)
    wait_for("it", lambda: capture.messages)
    with Tls(gw, implicit=True) as c:
        assert not [x for x in c.hello if "STARTTLS" in x]
        c.say(b"STARTTLS\r\n").reply(503)
    with Raw(gw) as c:  # in the clear it is told nothing
        c.say(b"EHLO x.example\r\n")
        with pytest.raises((EOFError, ConnectionError, AssertionError)):
            c.reply(220, 250)


def test_what_is_refused(make_gateway, capture, alice_file):
    gw = make_gateway(capture.port, rules=CLEAR, tls=True, portal=False,
                      listen='%s users = "%s"' % (NOBODY, alice_file))
    good = plain("alice", "wonder land")
    with Raw(gw) as c:
        assert not [x for x in c.greet() if "AUTH" in x]
        c.say(b"AUTH PLAIN " + good + b"\r\n").reply(538)
        c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
        c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode()).reply(530)
        c.say(b"RCPT TO:<postmaster>\r\n").reply(250)
    with Raw(gw) as c:  # what stands behind STARTTLS was said by anybody
        c.greet()
        c.say(b"STARTTLS\r\nAUTH PLAIN " + good + b"\r\n").reply(554)
        with pytest.raises(EOFError):
            c.line()
    with Tls(gw) as c:
        assert [x for x in c.hello if x[4:] == "AUTH PLAIN"]
        c.auth(504, mech=b"LOGIN")
        c.auth(504, mech=b"EXTERNAL", response=b"=")
        c.say(b"AUTH\r\n").reply(501)
        c.auth(501, response=b"!!!")
        assert c.auth(334)[-1] == "334 "
        c.say(b"*\r\n").reply(501)
        c.say(b"AUTH PLAIN\r\n").reply(334)
        c.say(good + b"\r\n").reply(235)
        c.auth(503, response=good)
        c.say(b"EHLO again.example\r\n")
        assert not [x for x in c.reply(250) if "AUTH" in x]
        c.say(b"MAIL FROM:<boss@sender.example>\r\n").reply(553)
        c.say(b"MAIL FROM:<sam@sender.example> AUTH=<>\r\n").reply(250)
        c.auth(503, response=good)  # not inside a transaction
        c.say(b"RSET\r\nMAIL FROM:<any@other.example> AUTH=x+40y.example\r\n").reply(250)
        c.reply(250)
        c.say(b"RSET\r\nMAIL FROM:<>\r\n").reply(250)
        c.reply(250)
    with Tls(gw) as c:
        c.auth(535, response=plain("alice", "wonder land", "bob"))
        at = time.monotonic()
        c.auth(535, response=plain("nobody", "wonder land"))
        assert time.monotonic() - at > 1.5  # later each time
        assert c.auth(421, response=plain("alice", "x"))[0].startswith("421 4.7.0")
        with pytest.raises(EOFError):
            c.line()


def test_trying_out_passwords_ends_soon(make_gateway, capture, alice_file):
    """What is counted is the client, not the session; others go on, and a
    refusal that waits holds nobody up."""
    gw = make_gateway(capture.port, rules=CLEAR, tls=True, portal=False,
                      listen='%s users = "%s"' % (NOBODY, alice_file))
    clients = [Tls(gw) for _ in range(12)]
    for i, c in enumerate(clients):
        c.say(b"AUTH PLAIN " + plain("alice", "guess%d" % i) + b"\r\n")
    for c in clients:
        c.reply(535)
        c.sock.close()
    with Tls(gw) as c:
        c.auth(454, response=plain("alice", "wonder land"))
        c.say(b"NOOP\r\n").reply(250)
    other = Raw(gw, source="127.0.0.2")
    other.greet()
    other.say(b"STARTTLS\r\n").reply(220)
    other.sock = TRUST.wrap_socket(other.sock)
    other.say(b"EHLO x.example\r\n").reply(250)
    other.say(b"AUTH PLAIN " + plain("alice", "wonder land") + b"\r\n").reply(235)
    other.sock.close()


def test_the_file_may_change_and_its_process_die(make_gateway, capture, root, alice_file):
    gw = make_gateway(capture.port, rules=CLEAR, tls=True, portal=False,
                      listen='%s users = "%s"' % (NOBODY, alice_file))
    text = alice_file.read_text()
    line = users_file(root, ("bob", "builder", "bob@sender.example")).read_text()
    with Tls(gw) as c:
        c.auth(235, response=plain("bob", "builder"))
    alice_file.write_text("nonsense\n")  # what was known goes on
    with Tls(gw) as c:
        c.auth(235, response=plain("bob", "builder"))
    assert "line 1" in gw.log()
    alice_file.unlink()
    alice_file.write_text(text + line)
    gw.cli("reload")
    with Tls(gw) as c:
        c.auth(235, response=plain("alice", "wonder land"))
    fresh = root / "users.new"  # as most editors write, and no reload
    fresh.write_text(line)
    fresh.chmod(0o644)
    fresh.rename(alice_file)

    def gone():
        with Tls(gw) as c:
            c.say(b"AUTH PLAIN " + plain("alice", "wonder land") + b"\r\n")
            return c.reply()[0].startswith("535")
    wait_for("alice to be gone", gone)
    alice_file.write_text("")  # that is none with nobody in it
    with Tls(gw) as c:
        c.auth(235, response=plain("bob", "builder"))
    alice_file.write_text(text + line)
    os.kill(gw.pids()["accounts"][0], signal.SIGSTOP)
    with Tls(gw) as c:
        c.say(b"AUTH PLAIN " + plain("alice", "wonder land") + b"\r\n")
        with Raw(gw) as other:  # who is served later: that question was asked
            other.greet()
        os.kill(gw.pids()["accounts"][0], signal.SIGKILL)
        c.reply(454)

    def again():
        with Tls(gw) as c:
            c.say(b"AUTH PLAIN " + plain("alice", "wonder land") + b"\r\n")
            return c.reply()[0].startswith("235")
    wait_for("accounts to come back", again)
    alice_file.write_text("alice:secret\n")
    check = run(gw.build / "sealgated", "-n", "-f", gw.conf, check=False)
    assert check.returncode != 0 and b"line 1" in check.stdout + check.stderr


def test_a_certificate_instead_of_a_password(make_gateway, capture, root, keys):
    ca, ca_key = root / "ca.crt", root / "ca.key"
    run("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=clients")
    other, other_key = root / "other.crt", root / "other.key"
    run("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-keyout", other_key, "-out", other, "-days", "2", "-subj", "/CN=clients")

    def issue(name, alt, by=(ca, ca_key)):
        csr, crt, key, ext = (root / (name + x) for x in (".csr", ".crt", ".key", ".ext"))
        ext.write_text("subjectAltName=%s\nextendedKeyUsage=clientAuth\n" % alt)
        run("openssl", "req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-keyout", key, "-out", csr, "-subj", "/CN=" + name)
        run("openssl", "x509", "-req", "-in", csr, "-CA", by[0], "-CAkey", by[1], "-days", "2",
            "-extfile", ext, "-out", crt)
        context = ssl._create_unverified_context()
        context.load_cert_chain(crt, key)
        return context

    good = issue("sam", "email:Sam@sender.example,email:desk@sender.example")
    none = issue("host", "DNS:host.sender.example")
    bad = issue("forged", "email:sam@sender.example", (other, other_key))
    gw = make_gateway(capture.port, rules=CLEAR, tls=True, portal=False,
                      listen='%s client-ca = "%s"' % (NOBODY, ca))
    with Tls(gw, context=good) as c:
        assert [x for x in c.hello if x[4:] == "AUTH EXTERNAL"]
        c.auth(535, mech=b"EXTERNAL", response=base64.b64encode(b"boss@sender.example"))
        c.auth(235, mech=b"EXTERNAL", response=b"=")
        c.say(b"MAIL FROM:<boss@sender.example>\r\n").reply(553)
        c.say(b"MAIL FROM:<sam@sender.example>\r\n").reply(250)
        c.say(b"RSET\r\nMAIL FROM:<desk@sender.example>\r\n").reply(250)
        c.reply(250)
        c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode()).reply(250)
    for context in (none, bad, TRUST):
        with Tls(gw, context=context) as c:
            assert not [x for x in c.hello if "AUTH" in x]
            c.auth(535, mech=b"EXTERNAL", response=b"=")
    gw.stop()

    conf, index, both = root / "ca.conf", root / "index", root / "both.pem"
    index.write_text("")
    conf.write_text("[ca]\ndefault_ca = it\n[it]\ndatabase = %s\ndefault_md = sha256\n" % index)
    command = ["openssl", "ca", "-config", conf, "-cert", ca, "-keyfile", ca_key]
    revoked = issue("left", "email:left@sender.example")
    run(*command, "-revoke", root / "left.crt")
    old = ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200102000000Z"]
    for dates, believed in ((["-crldays", "2"], (good,)), (old, ())):
        run(*command, "-gencrl", *dates, "-out", root / "list.pem")
        both.write_text(ca.read_text() + (root / "list.pem").read_text())
        gw = make_gateway(capture.port, rules=CLEAR, tls=True, portal=False,
                          listen='%s client-ca = "%s"' % (NOBODY, both))
        for context in (good, revoked):
            with Tls(gw, context=context) as c:
                c.auth(235 if context in believed else 535, mech=b"EXTERNAL", response=b"=")
        gw.stop()
        said = run(gw.build / "sealgated", "-n", "-f", gw.conf)
        assert (b"has expired: no certificate" in said.stderr + said.stdout) == (not believed)
    both.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    said = run(gw.build / "sealgated", "-n", "-f", gw.conf, check=False)
    assert said.returncode == 1 and b"client-ca: " in said.stderr + said.stdout


def test_a_ca_between_is_revoked_as_well(make_gateway, capture, root):
    """The list of the CA above counts, and each CA of a chain must have one."""
    ca, ca_key = root / "ca.crt", root / "ca.key"
    run("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=root")
    conf, index = root / "ca.conf", root / "index"
    conf.write_text("[ca]\ndefault_ca = it\n[it]\ndatabase = %s\ndefault_md = sha256\n" % index)

    def issue(name, ext, by):
        csr, crt, key, more = (root / (name + x) for x in (".csr", ".crt", ".key", ".ext"))
        more.write_text(ext)
        run("openssl", "req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-keyout", key, "-out", csr, "-subj", "/CN=" + name)
        run("openssl", "x509", "-req", "-in", csr, "-CA", by[0], "-CAkey", by[1], "-days", "2",
            "-extfile", more, "-out", crt)
        return crt, key

    def a_list(of, revoked=()):
        index.write_text("")
        command = ["openssl", "ca", "-config", conf, "-cert", of[0], "-keyfile", of[1]]
        for crt in revoked:
            run(*command, "-revoke", crt)
        run(*command, "-gencrl", "-crldays", "2", "-out", root / "list.pem")
        return (root / "list.pem").read_text()

    middle = issue("middle", "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign,cRLSign\n",
                   (ca, ca_key))
    leaf = issue("sam", "subjectAltName=email:sam@sender.example\n"
                 "extendedKeyUsage=clientAuth\n", middle)
    chain = root / "chain.pem"
    chain.write_text(leaf[0].read_text() + middle[0].read_text())
    context = ssl._create_unverified_context()
    context.load_cert_chain(chain, leaf[1])
    both = root / "both.pem"
    own, above = a_list(middle), a_list((ca, ca_key))
    bad = a_list((ca, ca_key), [middle[0]])
    for lists, believed in (("", True), (own + above, True), (own + bad, False), (own, False),
                            (above, False)):
        both.write_text(ca.read_text() + lists)
        gw = make_gateway(capture.port, rules=CLEAR, tls=True, portal=False,
                          listen='%s client-ca = "%s"' % (NOBODY, both))
        with Tls(gw, context=context) as c:
            c.auth(235 if believed else 535, mech=b"EXTERNAL", response=b"=")
        gw.stop()


def test_another_address_of_the_user_is_signed_for(make_gateway, capture, root, keys):
    """The envelope may name another address than From, if who has signed in
    may use both; with @domain alone keys are not let loose."""
    crt, key = keys.certificate("desk@sender.example", name="front-desk")
    users = users_file(root, ("sam", "x", SENDER, "desk@sender.example"),
                       ("all", "x", "@sender.example"))
    rules = 'rule "all" { try = { clear } sign = required }\n'
    gw = make_gateway(capture.port, rules=rules, tls=True, portal=False,
                      listen='%s users = "%s" auth-may-sign = true' % (NOBODY, users))
    gw.cli("key", "import", crt, key)
    mail = message(sender="desk@sender.example", to=CAROL)
    for user, code in (("sam", 250), ("all", 550)):
        with Tls(gw) as c:
            c.auth(235, response=plain(user, "x"))
            c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
            c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode())
            if c.reply()[0].startswith("250"):
                c.say(b"DATA\r\n").reply(354)
                got = c.say(mail + b".\r\n").reply()[0]
                assert int(got[:3]) == code, got
            else:
                assert code == 550
    wait_for("it", lambda: capture.messages)
    assert b"multipart/signed" in capture.messages[0].data
    assert len(capture.messages) == 1
