#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The recipes of docs/recipes.md with the real programs: every block is taken from
there, only addresses are changed."""
import os
import pathlib
import re
import shutil
import smtplib
import socket
import ssl
import subprocess

import pytest

from harness import SEALGATE, TOP, Gateway, free_port, message, run, wait_for
from peers import DovecotLmtp, Exim, OpenSMTPD, Postfix, port_is_open, stop, unpacked

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a server in a name space needs root")
TEXT = (TOP / "docs/recipes.md").read_text()
BLOCKS = dict((m[1], m[2]) for m in re.finditer(r"```(\S+ ?\S*)\n(.*?)```", TEXT, re.S))
CLEAR = 'rule "default" { try = { clear } }\n'
ALICE, SAM, ANN = "alice@partner.example", "sam@sender.example", "ann@sender.example"


def block(name, changes=()):
    text = BLOCKS[name]
    for old, new in changes:
        assert old in text, (name, old)
        text = text.replace(old, new)
    return text


@pytest.fixture(name="peer")
def fixture_peer():
    made = []

    def start(p):
        made.append(p)
        return p.start()
    yield start
    for p in made:
        p.stop()


def configured(make_gateway, capture, name, changes, rules, **options):
    """A gateway with the sections of a recipe in place of its own."""
    gw = make_gateway(capture.port, start=False, rules=rules, **options)
    recipe = block(name, changes)
    kept = [row for row in gw.conf.read_text().splitlines()
            if not any(row.startswith(" ".join(s.split()[:2 if s.split()[1] != "{" else 1]))
                       for s in re.findall(r"(?m)^\w+ +\S+", recipe))]
    gw.conf.write_text("\n".join(kept) + "\n" + recipe)
    return gw


def hand_in(port, sender, rcpt, **headers):
    # a server with several ports opens them one after the other
    wait_for("port %d" % port, lambda: port_is_open(port))
    with smtplib.SMTP("127.0.0.1", port, timeout=90) as s:
        s.sendmail(sender, [rcpt], message(sender=sender, to=rcpt, **headers))


def sealed(got):
    assert b"application/pkcs7-mime" in got.data and b"Hello." not in got.data


@needs_root
def test_postfix_relayhost(make_gateway, capture, keys, peer):
    port = str(free_port())
    gw = configured(make_gateway, capture, "conf relayhost", [
        ("10025", port), ('"mx"', '"127.0.0.1:%d"' % capture.port)], Gateway.RULES)
    gw.start()
    gw.cli("key", "import", keys.alice_crt)
    # this one throws away by default what it has no way for
    p = Postfix(more="default_transport = smtp\n" + block("main.cf relayhost", [("10025", port)]))
    peer(p)
    hand_in(p.port, SAM, ALICE)
    sealed(capture.wait(1)[0])


@needs_root
def test_postfix_content_filter(make_gateway, capture, keys, peer):
    back, front = free_port(), free_port()
    gw = configured(make_gateway, capture, "conf filter", [
        ("127.0.0.1:10025", "127.0.0.1:%d" % front),
        ("127.0.0.1:10026", "127.0.0.1:%d" % back)], 'rule "default" { try = { smime, hold } }\n')
    gw.start()
    gw.cli("key", "import", keys.alice_crt)
    p = Postfix(capture.port)
    master = p.root / "etc/master.cf"
    submission = free_port()
    master.write_text(master.read_text() + block("master.cf filter", [
        ("submission inet", "127.0.0.1:%d inet" % submission), ("10026", str(back)),
        ("[127.0.0.1]:10025", "[127.0.0.1]:%d" % front)]))
    peer(p)
    hand_in(submission, SAM, ALICE)
    got = capture.wait(1)[0]
    sealed(got)
    assert b"Received: from gw.sender.example" in got.data
    # and what comes from elsewhere is not filtered
    hand_in(p.port, "eve@partner.example", ALICE)
    assert b"Hello." in capture.wait(2)[1].data


@needs_root
@pytest.mark.parametrize("kind", ["before", "after"])
def test_postfix_inbound(make_gateway, capture, peer, kind):
    out, into, back, front = (free_port() for _ in range(4))
    gw = configured(make_gateway, capture, "conf " + kind, [
        ("127.0.0.1:10025", "127.0.0.1:%d" % out), ("127.0.0.1:10027", "127.0.0.1:%d" % into),
        ("127.0.0.1:10028", "127.0.0.1:%d" % back)], CLEAR)
    gw.start()
    p = Postfix(capture.port)
    master = p.root / "etc/master.cf"
    master.write_text(master.read_text() + block("master.cf " + kind, [
        ("smtp inet", "127.0.0.1:%d inet" % front), ("10028", str(back)), ("10027", str(into))]))
    peer(p)
    hand_in(front, "eve@partner.example", ANN, extra="Sealgate-Verdict: forged\r\n")
    got = capture.wait(1)[0].data
    assert got.count(b"Sealgate-Verdict:") == 1 and b"Sealgate-Verdict: forged" not in got
    assert b"Hello." in got


@needs_root
def test_exim_and_opensmtpd(make_gateway, capture, keys, peer):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt])
    exim = Exim(gw.port)
    conf = exim.conf.read_text()
    head, _, tail = conf.partition("begin routers\n")
    transports = tail[tail.index("begin retry"):]
    exim.conf.write_text(
        "domainlist local_domains = sender.example\n" + head + "begin routers\n"
        + block("exim router", [("10025", str(gw.port))])
        + "begin transports\nremote_smtp:\n  driver = smtp\n  hosts_try_fastopen =\n"
        + transports)
    peer(exim)
    hand_in(exim.port, SAM, ALICE)
    sealed(capture.wait(1)[0])
    smtpd = OpenSMTPD(gw.port)
    smtpd.conf.write_text("listen on 127.0.0.1 port %d hostname x.example\n" % smtpd.port
                          + block("smtpd.conf relay", [("10025", str(gw.port))]))
    peer(smtpd)
    hand_in(smtpd.port, SAM, ALICE)
    sealed(capture.wait(2)[1])


@needs_root
def test_dovecot(make_gateway, capture, peer):
    dovecot = peer(DovecotLmtp())
    gw = configured(make_gateway, capture, "conf lmtp",
                    [("127.0.0.1:24", "127.0.0.1:%d" % dovecot.port)], CLEAR, listen_in="")
    gw.start()
    gw.send_in("eve@partner.example", [ANN], message(sender="eve@partner.example", to=ANN))
    assert b"Hello." in wait_for("it", lambda: dovecot.messages("ann"))[0]


def test_haproxy(make_gateway, capture, root):
    front, back = free_port(), [free_port(), free_port()]
    gateways = [configured(make_gateway, capture, "conf haproxy", [
        ("127.0.0.1:10025", "127.0.0.1:%d" % port)], CLEAR, portal=False) for port in back]
    for gw in gateways:
        gw.start()
    conf = root / "haproxy.cfg"
    conf.write_text(block("haproxy smtp", [
        ("127.0.0.1:25", "127.0.0.1:%d" % front), ("127.0.0.1:10025", "127.0.0.1:%d" % back[0]),
        ("127.0.0.1:10035", "127.0.0.1:%d" % back[1])]))
    home = unpacked("haproxy")
    libs = ":".join(str(p) for p in home.glob("usr/lib/*-linux-gnu"))
    proc = subprocess.Popen([str(home / "usr/sbin/haproxy"), "-db", "-f", str(conf)],
                            env=dict(os.environ, LD_LIBRARY_PATH=libs),
                            stdin=subprocess.DEVNULL)
    try:
        wait_for("haproxy", lambda: port_is_open(front))
        for source, good in (("127.0.0.9", True), ("127.0.0.8", False)):
            with smtplib.SMTP("127.0.0.1", front, timeout=90,
                              source_address=(source, 0)) as s:
                s.ehlo("x")
                s.mail(SAM)
                assert (s.rcpt(ALICE)[0] == 250) == good
        # while one is away the other has all the mail, whoever's turn it is
        gateways[0].stop()
        for _ in range(2):
            with smtplib.SMTP("127.0.0.1", front, timeout=90,
                              source_address=("127.0.0.9", 0)) as s:
                s.sendmail(SAM, [ALICE], message())
        capture.wait(2)
    finally:
        stop(proc)


def test_nginx_before_the_portal(make_gateway, capture, root):
    gw = configured(make_gateway, capture, "conf portal", [], CLEAR, tls=True)
    page = gw.page()
    gw.conf.write_text(gw.conf.read_text().replace(
        '"127.0.0.1:8443"', '"127.0.0.1:%d" page = "%s"' % (gw.portal_port, page)))
    gw.start()
    front = free_port()
    crt, key = gw.tls_cert
    for place in ("logs", "tmp"):
        (root / place).mkdir(exist_ok=True)
    temp = "".join("%s_temp_path %s/tmp/%s;\n" % (n, root, n) for n in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf = root / "nginx.conf"
    conf.write_text("daemon off;\nerror_log %s/logs/error;\npid %s/pid;\n%sevents {}\nhttp {\n"
                    "access_log %s/logs/access;\n%s%s}\n" % (
                        root, root, "user root;\n" if os.geteuid() == 0 else "", root, temp,
                        block("nginx portal", [
                            ("127.0.0.1:443", "127.0.0.1:%d" % front),
                            ("127.0.0.1:8443", "127.0.0.1:%d" % gw.portal_port),
                            ("/etc/sealgate/post.crt", crt), ("/etc/sealgate/post.key", key)])))
    usr = unpacked("nginx-light")
    proc = subprocess.Popen([str(usr / "usr/sbin/nginx"), "-p", str(root), "-c", str(conf)],
                            stdin=subprocess.DEVNULL)
    try:
        wait_for("nginx", lambda: port_is_open(front))
        context = ssl.create_default_context(cafile=crt)
        with socket.create_connection(("127.0.0.1", front), timeout=90) as plain, \
                context.wrap_socket(plain, server_hostname="localhost") as s:
            s.sendall(b"GET /frame HTTP/1.1\r\nHost: post.example.com\r\nConnection: close\r\n\r\n")
            got = b""
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        assert got.startswith(b"HTTP/1.1 200") and b"sandbox" in got
    finally:
        stop(proc)


def served(port):
    """The certificate that STARTTLS shows now."""
    with smtplib.SMTP("127.0.0.1", port, timeout=90) as s:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        s.starttls(context=context)
        return s.sock.getpeercert(binary_form=True)


@pytest.mark.parametrize("hook", ["certbot-deploy", "uacme-renew"])
def test_a_renewed_certificate_is_in_use_without_loss(make_gateway, capture, tmp_path, hook):
    gw = make_gateway(capture.port, rules=CLEAR, tls=True)
    crt, key = gw.tls_cert
    before = served(gw.port)
    lineage = tmp_path / "store"
    names = ("fullchain.pem", "privkey.pem")
    if hook == "uacme-renew":
        names = ("gw.example.com/cert.pem", "private/gw.example.com/key.pem")
    for name in names:
        (lineage / name).parent.mkdir(parents=True, exist_ok=True)
    run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=new", "-days",
        "90", "-out", lineage / names[0], "-keyout", lineage / names[1])
    # uacme itself wants a CA: here it says by its status that there is a new one, or none
    env = dict(os.environ, SEALGATE_CONF=str(gw.conf), SEALGATE=str(SEALGATE), CERTIFICATE=crt,
               KEY=key, RENEWED_LINEAGE=str(lineage), STORE=str(lineage), UACME="true")
    args = [TOP / "packaging/recipes" / hook] + (["gw.example.com"] if "uacme" in hook else [])
    with smtplib.SMTP("127.0.0.1", gw.port, timeout=90) as s:
        s.ehlo("x")
        s.mail(SAM)
        run(*args, env=env)
        # who is in the middle of a message goes on
        assert s.rcpt(ALICE)[0] == 250
        assert s.data(message())[0] == 250
    capture.wait(1)
    wait_for("the new one", lambda: served(gw.port) != before)
    after = served(gw.port)
    # a pair that does not fit is refused, and the one in use stays
    shutil.copy(lineage / names[1], lineage / "good")
    (lineage / names[1]).write_text("no key\n")
    assert run(*args, env=env, check=False).returncode != 0
    assert served(gw.port) == after
    shutil.copy(lineage / "good", lineage / names[1])
    # for a portal in a DMZ: a key for its group, and another way of telling it
    run(*args, env=dict(env, GROUP=str(os.getgid()), SEALGATE="false",
                        RELOAD="touch %s/told" % tmp_path))
    assert (tmp_path / "told").exists() and os.stat(key).st_mode & 0o777 == 0o640
    if "uacme" in hook:
        assert run(*args, env=dict(env, UACME="false"), check=False).returncode == 0


def test_every_block_is_run():
    """By the names that the tests above ask for."""
    here = pathlib.Path(__file__)
    source = here.read_text() + here.with_name("test_recipes_dkim.py").read_text()
    for name in BLOCKS:
        base = name.rpartition(" ")[0] + " "
        assert ('"%s"' % name in source or '"%s" + ' % base in source), name
    assert len(BLOCKS) > 12
