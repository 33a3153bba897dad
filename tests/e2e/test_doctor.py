# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""`sealgate doctor` sees what a client sees: certificates that are for another
host, over, or of nobody whom others know, ports that are closed, hang or belong to
another program, servers that mail cannot be handed to; and on a machine in a DMZ
what such a machine needs, and no more."""
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading

import pytest

from capture import Capture
from dmz import Dmz, Inside, Wire, certificate
from harness import SEALGATED, USERS_BASE, Gateway, free_port, run, wait_for
from mail_domain import Authority
from peers import Knot

OURS = "gw.sender.example"
CLEAR = 'rule "clear" { try = { clear } }\n'


@pytest.fixture(name="place", scope="module")
def fixture_place():
    root = pathlib.Path(tempfile.mkdtemp(prefix="sgd."))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(name="dns", scope="module")
def fixture_dns(place):
    """Options of a configuration that asks a name server of ours."""
    knot = Knot(place / "dns", {"sender.example": (
        '@ MX 10 gw\n@ TXT "x"\ngw A 127.0.0.1\npost A 127.0.0.1\n')})
    knot.start()
    yield 'resolver = { "127.0.0.1:%d" }\ndnssec-anchors = "%s"\n' % (
        knot.port, knot.anchors(place / "anchors"))
    knot.stop()


@pytest.fixture(name="certs", scope="module")
def fixture_certs(place):
    """{what is wrong with it: the options of a section}, and the CA's file."""
    ca = Authority(place / "ca")
    (place / "own").mkdir()
    self_signed = certificate(place / "own", OURS)[:2]
    pairs = {"right": ca.issue(OURS), "another": ca.issue("mail.other.example"),
             "over": ca.issue("sub." + OURS, OURS, days=-1), "self-signed": self_signed}
    for _, key in pairs.values():
        os.chmod(key, 0o600)
    made = {k: 'tls-cert = "%s" tls-key = "%s"' % v for k, v in pairs.items()}
    made["files"] = pairs
    made["ca"] = str(ca.file)
    return made


def doctor(gw):
    """({what: [(level, text)]}, whether all is well)."""
    done = gw.cli("--json", "doctor", check=False, timeout=90)
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["ok"] else 1)
    out = {}
    for c in said["checks"]:
        assert (c["level"] == "ok") == (c["remedy"] is None), c
        assert c["remedy"] is None or len(c["remedy"]) > 9, c
        out.setdefault(c["what"], []).append((c["level"], c["text"]))
    return out, said["ok"]


def doctor_sees(gw, what, condition):
    """The first run that does: all servers of one share its time, and a busy machine
    may be too slow for some."""
    return wait_for(what, lambda: next(
        ((said, well) for said, well in [doctor(gw)] if condition(said)), None))


def levels(said, what):
    return [level for level, _ in said.get(what, [])]


def about(lines, where):
    """Of the lines with this place in front, in their order."""
    return [(level, text[len(str(where)) + 2:]) for level, text in lines
            if text.startswith("%s: " % where)]


def test_certificates_as_who_connects_sees_them(place, dns, certs, request):
    out = Capture().start()
    request.addfinalizer(out.stop)
    gw = Gateway(place / "gw", out.port, options='%stls-anchors = "%s"\n' % (dns, certs["ca"]),
                 listen="@OUT", listen_in="@IN", inbound=out.port)
    request.addfinalizer(gw.close)
    ports = ["127.0.0.1:%d" % p for p in (gw.port, gw.in_port, gw.portal_port)]
    # a portal that shows browsers a certificate for another host
    conf = gw.conf.read_text().replace(
        'url = "http://127.0.0.1:', '%s url = "https://127.0.0.1:' % certs["another"])

    def with_sections(outbound, inbound):
        gw.conf.write_text(conf.replace("@OUT", outbound).replace("@IN", inbound))

    all_answer = [("ok", p + " answers") for p in ports]

    def tls(said):
        return [about(said.get("TLS", []), p) for p in ports]

    def shown(what, condition):
        said, well = doctor_sees(gw, what, lambda said: (
            said.get("port") == all_answer and condition(*tls(said))))
        assert not well
        return said, tls(said)

    right = [("ok", "TLSv1.3, for %s, issued by who is known, until " % OURS)]

    def is_right(lines):
        return [(level, text[:len(right[0][1])]) for level, text in lines] == right

    def in_use(what, condition):
        """Once a reload has come to every process, which may be after its answer."""
        gw.cli("reload")
        shown(what, condition)

    with_sections(certs["right"], certs["another"])
    gw.start()
    said, (_, inbound, web) = shown("the first", lambda outbound, inbound, web: (
        is_right(outbound) and [level for level, _ in inbound] == ["warn"] and len(web) == 2))
    assert inbound == [("warn", "the certificate is for mail.other.example and not for " + OURS)]
    # who gets a link has other anchors, and looks at the host in it
    assert [x for x, _ in web] == ["bad", "bad"] and "and not for 127.0.0.1" in web[0][1]
    assert "others do not know who issued" in web[1][1]
    assert said["portal"][0][0] == "bad"
    # what is served counts, and not what the file has become
    for old, new in zip(certs["files"]["another"], certs["files"]["right"]):
        os.rename(old, old + ".old")
        shutil.copy(new, old)
    shown("the same", lambda _, now, web: now == inbound)
    in_use("the renewed one", lambda _, inbound, web: is_right(inbound)
           and "is for %s and not" % OURS in web[0][1])
    for old in certs["files"]["another"]:
        os.rename(old + ".old", old)
    # url is in links that have been sent
    before = gw.conf.read_text()
    gw.conf.write_text(before.replace("https://127.0.0.1:", "https://localhost:"))
    assert b"portal: url cannot change" in gw.cli("reload", check=False).stderr
    # TLS at once, and a load balancer in front
    with_sections(certs["right"] + ' proxies = { "127.0.0.1" }', certs["over"] + " tls = implicit")
    in_use("these", lambda outbound, inbound, _: is_right(outbound)
           and [level for level, text in inbound if "the certificate ended on" in text] == ["bad"])
    with_sections(certs["right"] + " lmtp = true", certs["self-signed"])
    in_use("those", lambda outbound, inbound, _: is_right(outbound)
           and [level for level, text in inbound if "self-signed" in text] == ["warn"])
    # without TLS there is nothing to look at
    with_sections("", "")
    in_use("none", lambda outbound, inbound, _: not outbound and not inbound)


def test_a_portal_without_its_page_is_told_beforehand(place):
    gw = Gateway(place / "nopage", free_port())
    try:
        assert run(SEALGATED, "-n", "-f", gw.conf).stderr.count(b"no portal starts") == 0
        gw.conf.write_text(gw.conf.read_text().replace(str(gw.page()), "/nonexistent"))
        done = run(SEALGATED, "-n", "-f", gw.conf)
        assert b"page: /nonexistent/index.html: No such file" in done.stderr
    finally:
        gw.close()


def user_of(s):
    """Who made the connection that this is the other end of, as the kernel says."""
    def kernel(at):
        # the address as it lies in memory
        return "%08X:%04X" % (int.from_bytes(socket.inet_aton(at[0]), sys.byteorder), at[1])

    # the port can be one of another connection, too, and of one that is over
    ours = [kernel(s.getpeername()), kernel(s.getsockname()), "01"]

    def look():
        lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
        return [f[7] for f in map(str.split, lines) if f[1:4] == ours]
    return int(wait_for("the line of %s" % ours, look)[0])


class Fake:
    """A server that does one thing with whoever connects."""

    def __init__(self, behave, context=None):
        self.behave, self.context = behave, context
        self.server = socket.create_server(("127.0.0.1", 0))
        self.at = "127.0.0.1:%d" % self.server.getsockname()[1]
        self.open = []
        self.users = set()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.server.accept()
            except OSError:
                return
            self.open.append(s)
            threading.Thread(target=self.talk, args=(s,), daemon=True).start()

    def talk(self, s):
        try:
            getattr(self, self.behave)(s)
        except OSError:
            pass  # it has hung up

    @staticmethod
    def hang(s):
        s.recv(1, socket.MSG_PEEK)

    @staticmethod
    def drip(s):
        """A greeting that never ends."""
        s.settimeout(0.2)
        while True:
            s.sendall(b"220-x\r\n")
            try:
                if not s.recv(1):
                    return
            except TimeoutError:
                pass

    @staticmethod
    def cut(s):
        s.close()

    @staticmethod
    def other(s):
        s.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        s.recv(1)

    @staticmethod
    def no(s):
        s.sendall(b"554 5.7.1 not from there\r\n")
        s.recv(1)

    @staticmethod
    def ehlo(s, *words):
        s.sendall(b"220 mx.example ESMTP\r\n")
        s.recv(512)
        s.sendall(b"".join(b"250-%s\r\n" % w for w in words) + b"250 SIZE\r\n")

    def plain(self, s):
        self.ehlo(s, b"mx.example", b"XSTARTTLS", b"8BITMIME")
        s.recv(512)

    def refuse(self, s):
        self.ehlo(s, b"mx.example", b"STARTTLS")
        s.recv(512)
        s.sendall(b"454 4.7.0 TLS is not available\r\n")
        s.recv(1)

    def no_tls(self, s):
        self.ehlo(s, b"mx.example", b"STARTTLS")
        s.recv(512)
        s.sendall(b"220 go on\r\n")
        s.recv(512)
        s.sendall(b"500 what was that\r\n")
        s.recv(1)

    def silent_tls(self, s):
        self.ehlo(s, b"mx.example", b"STARTTLS")
        s.recv(512)
        s.sendall(b"220 go on\r\n")
        s.recv(1, socket.MSG_PEEK)
        threading.Event().wait()

    def shake(self, s):
        self.ehlo(s, b"mx.example", b"STARTTLS")
        s.recv(512)
        s.sendall(b"220 go on\r\n")
        with self.context.wrap_socket(s, server_side=True) as inside:
            inside.recv(1)

    def who(self, s):
        self.users.add(user_of(s))
        self.ehlo(s, b"mx.example")
        s.recv(512)

    def who_web(self, s):
        self.users.add(user_of(s))
        s.recv(4096)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    def close(self):
        self.server.close()
        for s in self.open:
            s.close()


# (what it does, what is said of a port of ours that does it, of a next hop, where tls is)
PORTS = [
    ("hang", "port", "says nothing for"),
    ("drip", "port", "says nothing for"),
    ("cut", "port", "expected a greeting"),
    ("other", "port", "SSH-2.0"),
    ("plain", "TLS", "offers no STARTTLS"),
    ("refuse", "TLS", "454 4.7.0"),
    ("no_tls", "TLS", "wrong version number"),
    ("silent_tls", "TLS", "does not end the handshake"),
]
HOPS = [
    ("hang", "opportunistic", "says nothing for"),
    ("drip", "opportunistic", "says nothing for"),
    ("no", "opportunistic", "554 5.7.1 not from there"),
    ("plain", "encrypt", "offers no STARTTLS"),
    ("refuse", "encrypt", "454 4.7.0"),
    ("no_tls", "encrypt", "wrong version number"),
    ("silent_tls", "verify", "says nothing for"),
    ("another", "verify", "is for mail.other.example"),
    ("self-signed", "verify", "self-signed"),
    ("over", "verify", "expired"),
]
GOOD_HOPS = [("plain", "opportunistic"), ("refuse", "opportunistic"), ("right", "verify"),
             ("self-signed", "encrypt")]


def context(pair):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*pair[:2])
    return made


def fake(certs, behave):
    pair = certs["files"].get(behave)
    return Fake("shake", context(pair)) if pair else Fake(behave)


def test_what_does_not_answer_costs_no_more_than_its_time(place, dns, certs, request):
    """Other programs have our ports, and nobody runs."""
    servers, text = {}, ""

    def make(key, behave):
        servers[key] = fake(certs, behave)
        request.addfinalizer(servers[key].close)
        return servers[key].at

    ports = ", ".join('"%s"' % make(("port", behave), behave) for behave, _, _ in PORTS)
    implicit = make("implicit", "hang")
    for i, (behave, tls, *_) in enumerate(HOPS + GOOD_HOPS):
        names = ' tls-names = { "%s" }' % OURS if tls == "verify" else ""
        text += 'route "d%d.example" { via = "%s" tls = %s%s }\n' % (
            i, make(("hop", i), behave), tls, names)
    text += 'route "none.example" { via = "nowhere.sender.example:25" }\n'
    gw = Gateway(place / "fakes", free_port(), portal=False, rules=text + CLEAR,
                 options='%stls-anchors = "%s"\n' % (dns, certs["ca"]), listen=certs["right"],
                 listen_in=certs["right"] + " tls = implicit", inbound=free_port())
    conf = gw.conf.read_text()
    closed = '"127.0.0.1:%d"' % gw.port
    conf = conf.replace(closed, "{ %s, %s }" % (closed, ports))
    gw.conf.write_text(conf.replace("127.0.0.1:%d" % gw.in_port, implicit))
    request.addfinalizer(gw.close)

    def all_heard(said):
        """Nobody lacked the time who would have answered."""
        wanted = [(what, servers["port", b].at + ": ", words) for b, what, words in PORTS]
        wanted += [("next hop", servers["hop", i].at + ": ", words)
                   for i, (_, _, words) in enumerate(HOPS)]
        wanted += [("next hop", servers["hop", i].at, " answers")
                   for i, _ in enumerate(GOOD_HOPS, len(HOPS))]
        return all(any(text.startswith(at) and words in text for _, text in said.get(what, []))
                   for what, at, words in wanted)

    said, well = doctor_sees(gw, "all of them", all_heard)
    assert not well and "port" in said, said
    for behave, what, words in PORTS:
        [(level, line)] = about(said[what], servers["port", behave].at)
        assert level == "bad" and words in line, (behave, said[what])
    [(level, line)] = about(said["TLS"], implicit)
    assert level == "bad" and "does not end the handshake" in line
    [(level, line)] = about(said["port"], "127.0.0.1:%d" % gw.port)
    assert level == "bad" and "refused" in line
    hops = said["next hop"]
    for i, (behave, _, words) in enumerate(HOPS):
        [(level, line)] = about(hops, servers["hop", i].at)
        assert level == "bad" and words in line, (behave, hops)
    for i, (behave, tls) in enumerate(GOOD_HOPS, len(HOPS)):
        assert any(level == "ok" and text.startswith(servers["hop", i].at + " answers")
                   for level, text in hops), (behave, tls, hops)
    [(level, line)] = about(hops, "nowhere.sender.example:25")
    assert level == "bad"
    assert about(hops, "127.0.0.1:%d" % gw.out_port)[0][0] == "bad"


def test_who_talks_to_strangers_is_not_root(place, dns, request):
    hop, web = Fake("who"), Fake("who_web")
    for server in (hop, web):
        request.addfinalizer(server.close)
    gw = Gateway(place / "who", int(hop.at.split(":")[1]), options=dns)
    request.addfinalizer(gw.close)
    gw.change_conf('url = "http://127.0.0.1:%d"' % gw.portal_port, 'url = "http://%s"' % web.at)
    said, _ = doctor_sees(gw, "their answers", lambda said: all(
        levels(said, what)[:1] == ["ok"] for what in ("next hop", "portal", "DNSSEC")))
    # relay is the sixth
    assert hop.users == web.users == {USERS_BASE + 6 if os.geteuid() == 0 else os.geteuid()}
    assert said["next hop"][0] == ("ok", hop.at + " answers, without STARTTLS")
    assert said["portal"] == [("ok", "http://%s opens" % web.at)]
    assert said["DNSSEC"] == [("ok", "works")]
    # and nobody else does it where there is no such user
    if os.geteuid() == 0:
        gw.change_conf("users = %d\n" % USERS_BASE, "")
        for server in (hop, web):
            server.users.clear()
        said, well = doctor(gw)
        assert not well and not {"next hop", "portal", "DNS"} & set(said), said
        assert "neither ports nor servers nor names were looked at" in said["port"][0][1]
        assert not hop.users and not web.users


def test_a_machine_in_a_dmz_needs_what_it_needs(place, dns, request):
    out = Capture().start()
    request.addfinalizer(out.stop)
    (place / "link").mkdir()
    inside, outside = certificate(place / "link", "in"), certificate(place / "link", "out")
    for pair in (inside, outside):
        pair[1].chmod(0o600)
    dmz = Dmz(place / "dmz", outside, inside[2], options=dns)
    request.addfinalizer(dmz.close)
    wire = Wire(dmz.link_port)
    request.addfinalizer(wire.close)
    gw = Inside(place / "in", out.port, dmz.portal_port, wire.port, inside, outside[2],
                inbound=out.port, options=dns)
    request.addfinalizer(gw.close)
    wire.break_off()
    gw.start()
    said, well = doctor(dmz)
    assert not well and [x for x, _ in said["port"]] == ["bad", "bad"]
    dmz.start()
    said, well = doctor_sees(dmz, "its ports", lambda said: all(
        levels(said, what) == ["ok"] * n for what, n in (("port", 2), ("DNS", 1), ("portal", 1))))
    [(level, text)] = said["gateway"]
    assert not well and level == "bad" and "is not connected" in text
    # of the machine with the mail, and of no other
    assert not {"next hop", "MX", "DNSSEC", "keystore", "GnuPG"} & set(said), said
    assert said["master key"] == [("ok", "none is here, and none is needed")]
    assert outside[2] in said["fingerprint"][0][1]
    # who has shown no certificate is somebody, and not the gateway
    with socket.create_connection(("127.0.0.1", dmz.link_port)):
        [(level, text)] = doctor(dmz)[0]["gateway"]
        assert level == "bad" and "is not connected" in text
    said, _ = doctor(gw)
    assert any(level == "bad" and "no connection to the portal in the DMZ" in text
               for level, text in said["gateway"])
    wire.mend()
    said, _ = doctor_sees(dmz, "the gateway and all else", lambda said: (
        levels(said, "gateway")[:1] == ["ok"] and levels(said, "port") == ["ok", "ok"]
        and levels(said, "DNS") == levels(said, "portal") == ["ok"]))
    # what is left to say is of this machine: its clock, swap, disk
    assert {what for what, lines in said.items() if "bad" in dict(lines)} <= {"disk"}, said
    wire.break_off()
    wait_for("its end", lambda: not (dmz.state / "portal" / "connected").exists())
    with socket.create_connection(("127.0.0.1", dmz.link_port)):
        assert doctor(dmz)[0]["gateway"][0][0] == "bad"
    wire.mend()
    wait_for("its return", (dmz.state / "portal" / "connected").exists)
    # what a process has left that was killed says nothing
    dmz.kill()
    (dmz.state / "portal" / "connected").touch()
    assert doctor(dmz)[0]["gateway"][0][0] == "bad"
    dmz.start()
    (dmz.root / "master.key").write_bytes(bytes(32))
    outside[1].chmod(0o644)
    said, _ = doctor(dmz)
    assert said["master key"][0][0] == "bad"
    assert any(level == "bad" and str(outside[1]) in text for level, text in said["permissions"])
    done = dmz.cli("status", check=False)
    assert done.returncode == 3 and b"doctor looks at it" in done.stderr


def test_a_certificate_renewed_in_a_dmz_is_seen(place, dns, certs, request):
    """No socket is there to ask for it: a signal does, as `systemctl reload` sends."""
    (place / "renewed").mkdir()
    own = certificate(place / "renewed", "out")
    dmz = Dmz(place / "dmz-tls", own, own[2], options=dns, section=certs["another"])
    request.addfinalizer(dmz.close)
    where = "127.0.0.1:%d" % dmz.portal_port

    def named(name):
        doctor_sees(dmz, name, lambda said: any(
            "is for " + name in text for _, text in about(said.get("TLS", []), where)[:1]))

    dmz.start()
    named("mail.other.example and not for 127.0.0.1")
    for old, new in zip(certs["files"]["another"], certs["files"]["right"]):
        shutil.copy(new, old)
    named("mail.other.example")
    dmz.proc.send_signal(signal.SIGHUP)
    named(OURS)
