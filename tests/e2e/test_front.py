# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Who the client is when others stand in between: PROXY headers (a real
HAProxy among those who send them), XCLIENT, XFORWARD; how often one may come;
line ends of peers that are named."""
import os
import socket
import struct
import subprocess

import pytest

from capture import Capture
from harness import free_port, message, run, wait_for
from peers import Postfix, port_is_open, stop, unpacked
from test_auth import TRUST, Tls, plain, users_file
from test_smtp_in import Raw

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
STRANGER = "eve@partner.example"
CLEAR = 'rule "all" { try = { clear } }\n'
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(addr="192.0.2.7", command=0x21, tail=b""):
    if ":" in addr:
        block, family = socket.inet_pton(socket.AF_INET6, addr) + bytes(16), 0x21
    else:
        block, family = socket.inet_aton(addr) + bytes(4), 0x11
    block += struct.pack("!HH", 1234, 25) + tail
    return SIGNATURE + bytes((command, family)) + struct.pack("!H", len(block)) + block


def envelope(c, code=250):
    c.say(b"MAIL FROM:<%s>\r\n" % SENDER.encode()).reply(250)
    c.say(b"RCPT TO:<%s>\r\n" % CAROL.encode()).reply(code)


def hand_in(c, data):
    envelope(c)
    c.say(b"DATA\r\n").reply(354)
    return c.say(data + b"\r\n.\r\n").reply()[0]


def hello_name(c):
    return [x for x in c.greet() if "greets" in x][0].split()[-1]


def is_cut_off(c):
    try:
        c.line()
    except (EOFError, ConnectionError):
        return True
    return False


def test_of_a_load_balancer_the_client_is_whom_it_names(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR, portal=False,
                      listen='clients = "192.0.2.0/24" proxies = "127.0.0.0/29"')
    for head, name in ((v2(), "192.0.2.7"), (v2("2001:db8::7"), "2001:db8::7"),
                       (v2(tail=b"\x04\0\x03abc"), "192.0.2.7"),
                       (v2(command=0x20), "127.0.0.1"),
                       (b"PROXY TCP4 192.0.2.9 10.0.0.1 999 25\r\n", "192.0.2.9"),
                       (b"PROXY TCP6 2001:db8::9 ::1 999 25\r\n", "2001:db8::9"),
                       (b"PROXY UNKNOWN\r\n", "127.0.0.1")):
        with Raw(gw) as c:
            for octet in head:  # however it is cut
                c.say(bytes((octet,)))
            assert hello_name(c) == name
            envelope(c, 250 if name.startswith("192.0.2.") else 550)
    for head in (b"EHLO x\r\n", b"PROXY TCP4 192.0.2.9\r\n", b"PROXY TCP4 x 10.0.0.1 9 25\r\n",
                 b"PROXY " + b"x" * 200, v2()[:12] + b"\x31" + v2()[13:],
                 v2()[:13] + b"\x31" + v2()[14:], SIGNATURE + b"\x21\x11\xff\xff",
                 SIGNATURE + b"\x21\x11\0\x04abcd"):
        with Raw(gw) as c:
            assert is_cut_off(c.say(head)), head
    with Raw(gw, source="127.0.0.77") as c:  # a stranger's is nothing
        c.reply(220)
        c.say(b"PROXY TCP4 192.0.2.9 10.0.0.1 999 25\r\n").reply(500)
        c.say(b"EHLO x.example\r\n").reply(250)
        envelope(c, 550)


def test_a_real_load_balancer_with_tls_behind_it(make_gateway, capture, root):
    front = free_port()
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, tls=True,
                      listen='clients = "127.0.0.9" proxies = "127.0.0.1" tls = implicit')
    conf = root / "haproxy.cfg"
    conf.write_text("""
defaults
  mode tcp
  timeout connect 30s
  timeout client 90s
  timeout server 90s
listen smtp
  bind 127.0.0.1:%d
  server gw 127.0.0.1:%d send-proxy-v2
""" % (front, gw.port))
    home = unpacked("haproxy")
    libs = ":".join(str(p) for p in home.glob("usr/lib/*-linux-gnu"))
    proc = subprocess.Popen([str(home / "usr/sbin/haproxy"), "-db", "-f", str(conf)],
                            env=dict(os.environ, LD_LIBRARY_PATH=libs),
                            stdin=subprocess.DEVNULL)

    class Front:
        port = front
    try:
        wait_for("haproxy", lambda: port_is_open(front))
        with Raw(Front, source="127.0.0.9") as c:
            c.sock = TRUST.wrap_socket(c.sock)
            assert hello_name(c) == "127.0.0.9"
            assert hand_in(c, message(to=CAROL)).startswith("250")
        wait_for("it", lambda: capture.messages)
        assert b"([127.0.0.9])" in capture.messages[0].data
        with Raw(Front, source="127.0.0.8") as c:
            c.sock = TRUST.wrap_socket(c.sock)
            assert hello_name(c) == "127.0.0.8"
            envelope(c, 550)
    finally:
        stop(proc)


def test_clients_behind_a_proxy_are_counted_one_by_one(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, limits="connections-per-client = 2",
                      listen='clients = "192.0.2.0/24" proxies = "127.0.0.1"')
    held = []
    for n in range(6):
        held.append(Raw(gw).say(v2("192.0.2.%d" % (n // 2))))
        held[-1].reply(220)
    c = Raw(gw).say(v2("192.0.2.1"))
    c.reply(421)
    assert is_cut_off(c)
    for h in held[2:4]:
        h.say(b"QUIT\r\n").reply(221)
        assert is_cut_off(h)
    with Raw(gw) as c:
        c.say(v2("192.0.2.1"))
        c.reply(220)


def test_a_trusted_host_speaks_for_its_clients(make_gateway, capture):
    inside = Capture(extensions=("PIPELINING", "8BITMIME", "XFORWARD NAME ADDR PROTO HELO")).start()
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, inbound=inside.port, limits="errors = 50",
                      listen='clients = "192.0.2.0/24" xclient = "127.0.0.1"',
                      listen_in='xclient = "127.0.0.1"', start=False)
    gw.conf.write_text(gw.conf.read_text().replace(
        "relay inbound { ", "relay inbound { xforward = true "))
    gw.start()
    with Raw(gw) as c:
        assert [x for x in c.greet() if "XCLIENT" in x]
        envelope(c, 550)
        c.say(b"XCLIENT ADDR=192.0.2.9\r\n").reply(503)  # not in a transaction
        c.say(b"RSET\r\n").reply(250)
        for bad in (b"", b"ADDR=nonsense", b"ADDR=192.0.2.9 ADDR=192.0.2.8", b"COLOUR=red",
                    b"NAME=a+0Ab", b"NAME=a b", b"HELO=<x>", b"ADDR=IPV6:192.0.2.9"):
            c.say(b"XCLIENT " + bad + b"\r\n").reply(501)
        c.say(b"XCLIENT NAME=mx.far.example ADDR=192.0.2.9 PORT=1 PROTO=ESMTP\r\n").reply(220)
        c.say(b"MAIL FROM:<x@y.example>\r\n").reply(503)
        assert [x for x in c.greet_again() if "192.0.2.9" in x]
        assert hand_in(c, message(to=CAROL)).startswith("250")
        c.say(b"XCLIENT ADDR=127.0.0.1\r\n").reply(550)  # it is that client now
    assert b"(mx.far.example [192.0.2.9])" in wait_for(
        "it", lambda: capture.messages)[0].data
    with Raw(gw, source="127.0.0.2") as c:
        assert not [x for x in c.greet() if "XCLIENT" in x or "XFORWARD" in x]
        c.say(b"XCLIENT ADDR=192.0.2.9\r\n").reply(550)
        c.say(b"XFORWARD ADDR=192.0.2.9\r\n").reply(550)

    class In:
        port = gw.in_port
    with Raw(In) as c:
        c.greet()
        c.say(b"XFORWARD NAME=spam.far.example ADDR=IPV6:2001:db8::5 HELO=far SOURCE=REMOTE\r\n")
        c.reply(250)
        c.say(b"MAIL FROM:<%s>\r\n" % STRANGER.encode()).reply(250)
        c.say(b"RCPT TO:<%s>\r\n" % SENDER.encode()).reply(250)
        c.say(b"DATA\r\n").reply(354)
        c.say(message(sender=STRANGER, to=SENDER) + b".\r\n").reply(250)
    got = wait_for("it inside", lambda: inside.messages)[0]
    assert b"Received: from far (spam.far.example [IPv6:2001:db8::5])" in got.data
    (told,) = [x for s in inside.sessions for x in s.lines if x.startswith(b"XFORWARD")]
    assert told == b"XFORWARD NAME=spam.far.example ADDR=IPV6:2001:db8::5 HELO=far"
    inside.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")
def test_a_real_server_is_told_who_the_client_was(make_gateway, capture):
    """Postfix on both sides: its client says XFORWARD to us, its server hears it
    from us, as our internal server and as a filter on the way out."""
    server = Postfix(more="smtpd_authorized_xforward_hosts = 127.0.0.0/8\n").start()
    gw = make_gateway(server.port, rules=CLEAR, portal=False, inbound=server.port, start=False,
                      listen='xclient = "127.0.0.1"', listen_in='xclient = "127.0.0.1"')
    gw.conf.write_text(gw.conf.read_text().replace(
        "relay inbound { ", "relay inbound { xforward = true ").replace(
        "relay outbound { ", "relay outbound { xforward = true "))
    gw.start()
    front = Postfix(gw.port, more="smtp_send_xforward_command = yes\n"
                                  "smtpd_authorized_xclient_hosts = 127.0.0.0/8\n"
                                  "mynetworks = 127.0.0.0/8 192.0.2.0/24\n").start()
    try:
        with Raw(front) as c:
            c.greet()
            c.say(b"XCLIENT NAME=pc.far.example ADDR=192.0.2.66\r\n").reply(220)
            c.greet_again()
            assert hand_in(c, message(to=CAROL)).startswith("250")
        wait_for("it through both", lambda: "orig_client=" in server.log())
        (line,) = [x for x in server.log().splitlines() if "orig_client=" in x]
        assert "orig_client=pc.far.example[192.0.2.66]" in line and "orig_queue_id=" in line

        class In:
            port = gw.in_port
        with Raw(In) as c:
            c.greet()
            c.say(b"XFORWARD NAME=mx.far.example ADDR=192.0.2.9 HELO=far\r\n").reply(250)
            c.say(b"MAIL FROM:<%s>\r\n" % STRANGER.encode()).reply(250)
            c.say(b"RCPT TO:<%s>\r\n" % SENDER.encode()).reply(250)
            c.say(b"DATA\r\n").reply(354)
            got = c.say(message(sender=STRANGER, to=SENDER) + b".\r\n").reply(250)[0]
        wait_for("it inside", lambda: "orig_client=mx.far.example[192.0.2.9]" in server.log())
        assert "orig_queue_id=%s" % got.split()[-1].rstrip(")") in server.log()
    finally:
        front.stop()
        server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")
def test_a_real_server_treats_a_session_as_the_clients(make_gateway, capture):
    """Postfix hears XCLIENT from us inside TLS: the client stands in its log and in
    what it adds, and its rules for clients hold for that client."""
    server = Postfix(capture.port, tls=True,
                     more="smtpd_authorized_xclient_hosts = 127.0.0.0/8\n"
                          "mynetworks = 127.0.0.0/8 192.0.2.0/24\n").start()
    gw = make_gateway(server.port, rules=CLEAR, portal=False, inbound=server.port, start=False,
                      listen='clients = "192.0.2.0/24" xclient = "127.0.0.1"',
                      listen_in='xclient = "127.0.0.1"')
    gw.conf.write_text(gw.conf.read_text().replace(
        "relay inbound { ", "relay inbound { xclient = true ").replace(
        "relay outbound { ", "relay outbound { xclient = true "))
    gw.start()

    def come_in(address):
        class In:
            port = gw.in_port
        with Raw(In) as c:
            c.greet()
            c.say(b"XCLIENT NAME=mx.far.example ADDR=%s\r\n" % address).reply(220)
            c.greet_again()
            c.say(b"MAIL FROM:<%s>\r\n" % STRANGER.encode()).reply(250)
            c.say(b"RCPT TO:<%s>\r\n" % SENDER.encode()).reply(250)
            c.say(b"DATA\r\n").reply(354)
            c.say(message(sender=STRANGER, to=SENDER) + b".\r\n").reply(250)
    try:
        for n in (66, 67):
            with Raw(gw) as c:
                c.greet()
                c.say(b"XCLIENT NAME=pc.far.example ADDR=192.0.2.%d\r\n" % n).reply(220)
                c.greet_again()
                assert hand_in(c, message(to=CAROL)).startswith("250")
            capture.wait(n - 65)
            assert b"(pc.far.example [192.0.2.%d])" % n in capture.messages[-1].data.split(
                b"by postfix.example")[0]
            wait_for("its log", lambda: "client=pc.far.example[192.0.2.%d]" % n in server.log())
        come_in(b"192.0.2.9")
        capture.wait(3)
        assert b"(mx.far.example [192.0.2.9])" in capture.messages[-1].data.split(
            b"by postfix.example")[0]
        come_in(b"203.0.113.9")  # whom it takes nothing from for others
        wait_for("a refusal", lambda: "reject: RCPT from mx.far.example[203.0.113.9]: 554" in
                 server.log())
    finally:
        server.stop()


def test_no_stranger_is_told_who_our_clients_are(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, start=False)
    text = gw.conf.read_text()
    for options, complaint in (("xforward = true via = \"mx\"", b"xforward: who our clients are is told to no"),
                               ("xclient = true via = \"mx\"", b"xclient: who our clients are is told to no"),
                               ("xclient = true xforward = true via = \"127.0.0.1:25\"", b"expected one of them"),
                               ("xclient = true user = \"u\" password-file = \"/x\" tls = verify "
                                "via = \"mx.example:25\"", b"xclient: ends the login")):
        gw.conf.write_text(text.replace("relay outbound { via = \"127.0.0.1:%d\"" % capture.port,
                                        "relay outbound { " + options))
        said = run(gw.build / "sealgated", "-n", "-f", gw.conf, check=False)
        assert said.returncode == 1 and complaint in said.stderr + said.stdout
    gw.conf.write_text(text)
    capture.extensions.append("XFORWARD NAME ADDR HELO IDENT SOURCE")
    capture.extensions.append("XCLIENT NAME ADDR HELO")
    gw.start()
    with Raw(gw) as c:
        c.greet()
        assert hand_in(c, message(to=CAROL)).startswith("250")
    capture.wait(1)
    assert not [x for s in capture.sessions for x in s.lines
                if b"XFORWARD" in x or b"XCLIENT" in x]


def test_what_is_forwarded_is_told_and_gives_no_right(make_gateway, capture, keys):
    gw = make_gateway(capture.port, portal=False, limits="errors = 50",
                      listen='xclient = "127.0.0.1" may-sign = "192.0.2.0/24"',
                      rules='rule "it" { client = "192.0.2.0/24" try = { reject } }\n'
                            'rule "all" { try = { clear } sign = if-possible }\n')
    gw.cli("key", "import", *keys.certificate(SENDER, name="sam"))
    with Raw(gw) as c:
        c.greet()
        c.say(b"XFORWARD NAME=far.example ADDR=192.0.2.9 HELO=far\r\n").reply(250)
        assert hand_in(c, message(to=CAROL)).startswith("250")
        assert hand_in(c, message(to=CAROL)).startswith("250")  # of nobody else
        c.say(b"XFORWARD NAME=far.example ADDR=192.0.2.9 HELO=far\r\nRSET\r\n").reply(250)
        c.reply(250)
        assert hand_in(c, message(to=CAROL)).startswith("250")
        c.say(b"XCLIENT ADDR=192.0.2.9\r\n").reply(220)
    got = wait_for("all", lambda: len(capture.messages) == 3 and capture.messages)
    told = [b"from far (far.example [192.0.2.9])" in m.data for m in got]
    assert sorted(told) == [False, False, True]
    assert sum(b"([127.0.0.1])" in m.data for m in got) == 2
    assert not [m for m in got if b"multipart/signed" in m.data]
    gw.stop()
    assert sorted(r["rec"]["client"] for r in gw.audit() if r["rec"].get("type") == "decided") == [
        "127.0.0.1", "127.0.0.1", "192.0.2.9"]


def test_a_client_that_is_not_known_may_nothing(make_gateway, capture, root):
    users = users_file(root, ("alice", "x", SENDER))
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, tls=True,
                      listen='clients = "127.0.0.1" xclient = { "127.0.0.1", "127.0.0.3" }'
                             ' users = "%s"' % users)
    for word in (b"ADDR=[UNAVAILABLE]", b"NAME=far.example ADDR=[TEMPUNAVAIL]"):
        with Raw(gw) as c:
            c.greet()
            c.say(b"XCLIENT " + word + b"\r\n").reply(220)
            c.say(b"EHLO far.example\r\n")
            assert not [x for x in c.reply(250) if "XCLIENT" in x or "XFORWARD" in x]
            envelope(c, 530)
            c.say(b"RSET\r\n").reply(250)
            c.say(b"XCLIENT ADDR=127.0.0.1\r\n").reply(550)

    # 127.0.0.3 may speak for others, and hand in nothing itself
    for word in (b"NAME=far.example", b"ADDR=[UNAVAILABLE]", b"ADDR=192.0.2.9"):
        with Tls(gw, source="127.0.0.3") as c:
            envelope(c, 530)
            c.say(b"RSET\r\n").reply(250)
            c.auth(235, response=plain("alice", "x"))
            envelope(c)
            c.say(b"RSET\r\n").reply(250)
            c.say(b"XCLIENT " + word + b"\r\n").reply(220)
            c.say(b"EHLO far.example\r\n").reply(250)
            envelope(c, 530)


def test_who_comes_too_often_waits(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, listen='clients = "127.0.0.2"',
                      limits="connection-rate = 10 error-rate = 4")
    for _ in range(10):
        with Raw(gw) as c:
            c.reply(220)
    with Raw(gw) as c:
        c.reply(421)
    for _ in range(12):  # who is listed may
        with Raw(gw, source="127.0.0.2") as c:
            c.reply(220)
    with Raw(gw, source="127.0.0.3") as c:
        c.greet()
        for _ in range(4):
            c.say(b"NONSENSE\r\n").reply(500)
    with Raw(gw, source="127.0.0.3") as c:
        c.reply(421)


def test_line_ends_of_named_peers_are_mended(make_gateway, capture):
    inside = Capture().start()
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, inbound=inside.port,
                      listen_in='normalise-line-ends = "127.0.0.1"')

    class In:
        port = gw.in_port

    def send(source, data, code, bdat=False):
        with Raw(In, source=source) as c:
            c.greet()
            c.say(b"MAIL FROM:<%s>\r\n" % STRANGER.encode()).reply(250)
            c.say(b"RCPT TO:<%s>\r\n" % SENDER.encode()).reply(250)
            if bdat:
                c.say(b"BDAT %d LAST\r\n" % len(data) + data)
            else:
                c.say(b"DATA\r\n").reply(354)
                c.say(data + b"\r\n.\r\n")
            c.reply(code)

    bare = (b"From: <eve@partner.example>\nTo: <sam@sender.example>\nSubject: x\n\n"
            b"one\ntwo\rthree\r\n.\n\r\n\n.\r\rfour")
    good = b"Subject: x\r\n\r\none\r\ntwo\r\nthree\r\n"
    send("127.0.0.2", bare, 554)
    send("127.0.0.1", bare.replace(b"\r\n.\n\r\n\n.\r\r", b""), 250)
    send("127.0.0.1", bare.replace(b"\r\n.\n\r\n\n.\r\r", b""), 250, bdat=True)
    for m in wait_for("both", lambda: len(inside.messages) == 2 and inside.messages):
        assert good.replace(b"three\r\n", b"threefour") in m.data
        assert b"\n" not in m.data.replace(b"\r\n", b"") and b"\r" not in m.data.replace(b"\r\n", b"")
    send("127.0.0.1", b"Subject: x\n\na\0b", 554)
    send("127.0.0.1", b"Subject: x\n\na\n.\nMAIL FROM:<a@b.example>\n.\r\nb", 250)
    wait_for("one more", lambda: len(inside.messages) == 3)
    assert b"a\r\n.\r\nMAIL FROM:<a@b.example>\r\n.\r\nb" in inside.messages[2].data
    wait_for("nothing to be left", lambda: not gw.cli_json("queue", "list"))
    assert len(inside.messages) == 3
    inside.stop()
