# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Recipients of mail from outside are looked for in a directory, a real slapd:
who is not there is refused, and what the directory does not answer is 451."""
import os
import signal
import socket
import threading

import pytest

from harness import run
from key_sources import Names, Slapd
from test_discovery import ca, started  # noqa: F401
from test_recipients import CLEAR, In

SAM, SUE, GONE = "sam@sender.example", "sue@sender.example", "gone@sender.example"


def gateway(make_gateway, capture, ca, url, more="", names=None, timeout="20s"):  # noqa: F811
    return make_gateway(
        capture.port, rules=CLEAR, portal=False, inbound=capture.port,
        listen_in="verify-recipients = ldap", limits="errors = 100 error-rate = 1000",
        options=(names.options() if names else "") + 'discovery { sources = { "wkd" } ca-file = "%s" allow = { "127.0.0.0/8" } }\n'
                'discovery ldap { url = %s timeout = %s %s }\n' % (ca.crt, url, timeout, more))


@pytest.fixture
def slapd(ca, started):  # noqa: F811
    return started(Slapd(ca, ["ldap.example"], {
        SAM: {}, SUE: {}, "star@sender.example": {}, "Mixed.Case@Sender.Example": {}}))


def url(server):
    return '"ldap://127.0.0.1:%d"' % server.port


PLAIN = 'starttls = false base = "dc=example" '


def test_who_is_in_the_directory(make_gateway, capture, ca, slapd):  # noqa: F811
    gw = gateway(make_gateway, capture, ca, url(slapd), PLAIN)
    with In(gw) as c:
        for n in range(3):
            c.rcpt(SAM, 250)
            assert c.rcpt(GONE, 550)[0].startswith("550 5.1.1")
        c.rcpt("mixed.case@sender.example", 250)
        c.rcpt("postmaster", 250)
        # the address is a value and no filter
        for odd in ("*@sender.example", "s*@sender.example", '"a)(mail=*"@sender.example',
                    '"a\\\\2a"@sender.example'):
            c.rcpt(odd, 550)
        # pipelined, answers keep their order
        names = [SUE if n % 2 else "none%d@sender.example" % n for n in range(40)]
        c.say(b"".join(b"RCPT TO:<%s>\r\n" % n.encode() for n in names))
        got = [c.reply()[0][:3] for _ in names]
        assert got == ["250" if n % 2 else "550" for n in range(40)]
    # what was answered is remembered; what was not is neither yes nor no
    slapd.stop()
    with In(gw) as c:
        c.rcpt(SAM, 250)
        c.rcpt(GONE, 550)
        assert c.rcpt("star@sender.example", 451)[0].startswith("451 4.4.3")
    gw.stop()
    gw.start()
    with In(gw) as c:
        c.rcpt(SAM, 250)
        c.rcpt("star@sender.example", 451)


def test_the_filter_decides(make_gateway, capture, ca, slapd):  # noqa: F811
    for more, codes in ((PLAIN + 'recipient-filter = "(&(mail=%s)(cn=p0))"', (250, 550)),
                        (PLAIN + 'recipient-filter = "(|(mail=%s)(sn=%s))"', (250, 250)),
                        # a base that is not there says nothing of anybody
                        ('starttls = false base = "ou=typo,dc=example"', (451, 451))):
        gw = gateway(make_gateway, capture, ca, url(slapd), more)
        with In(gw) as c:
            for addr, code in zip((SAM, SUE), codes):
                c.rcpt(addr, code)
        gw.stop()


def test_tls_or_nothing(make_gateway, capture, ca, started, slapd):  # noqa: F811
    names = started(Names("ldap.example. 60 A 127.0.0.1\nwrong.example. 60 A 127.0.0.1\n"))
    for where, code in (('"ldaps://ldap.example:%d"' % slapd.tls_port, 250),
                        ('"ldap://ldap.example:%d"' % slapd.port, 250),  # STARTTLS
                        ('{ "ldaps://ldap.example:1", "ldaps://ldap.example:%d" }'
                         % slapd.tls_port, 250),
                        ('"ldaps://wrong.example:%d"' % slapd.tls_port, 451)):
        gw = gateway(make_gateway, capture, ca, where, 'base = "dc=example"', names)
        with In(gw) as c:
            c.rcpt(SAM, code)
        gw.stop()


def test_a_directory_that_says_nothing_or_nonsense(make_gateway, capture, ca):  # noqa: F811
    """Silence, garbage, a closed connection; and discovery that hangs or dies."""
    says = [b""]

    def serve(sock):
        while True:
            try:
                c, _ = sock.accept()
            except OSError:
                return
            if says[0] is None:
                c.close()
                continue
            c.sendall(says[0])
            held.append(c)
    held = []
    sock = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(sock,), daemon=True).start()
    gw = gateway(make_gateway, capture, ca, '"ldap://127.0.0.1:%d"' % sock.getsockname()[1], PLAIN,
                 timeout="1s")
    with In(gw) as c:
        for answer in (b"", None, b"\xff" * 1000, b"0\x84\x7f\xff\xff\xff",
                       # the end of a search that nobody has begun: busy, no such thing
                       b"0\x0c\x02\x01\x02e\x07\n\x01\x33\x04\x00\x04\x00"):
            says[0] = answer
            c.rcpt(SAM, 451)
        says[0] = b""
        c.say(b"RCPT TO:<%s>\r\n" % SAM.encode())
        os.kill(gw.pids()["discovery"][0], signal.SIGKILL)
        c.reply(451)
    sock.close()


def test_what_is_missing_is_said(make_gateway, capture, ca):  # noqa: F811
    for options, said in (("", b"needs the url of discovery ldap"),
                          ('discovery ldap { url = "ldap://127.0.0.1" recipient-filter = "(mail=x)" }\n',
                           b"recipient-filter: expected"),
                          ('discovery ldap { url = "ldap://127.0.0.1" recipient-filter = "(mail=%d)" }\n',
                           b"recipient-filter: expected")):
        gw = make_gateway(capture.port, rules=CLEAR, portal=False, start=False, options=options, inbound=capture.port,
                          listen_in="verify-recipients = ldap")
        got = run(gw.build / "sealgated", "-n", "-f", gw.conf, check=False)
        assert got.returncode == 1 and said in got.stderr + got.stdout
