# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The relay in the whole gateway, behind its walls: retries, bounces, MX."""
import email
import email.policy
import socket
import struct
import threading

import pytest

from capture import DROP, Capture
from harness import free_port, message, wait_for

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
CLEAR = 'rule "default" { try = { clear } }\n'
CANARY = "canary 1953 canary"
RETRY = "first = 300ms max = 1s"


class Names:
    """A name server on loopback. records: {(name, type): [rdata, ...]}; a name
    that is nowhere in it is NXDOMAIN."""

    A, MX, AAAA = 1, 15, 28

    def __init__(self, records):
        self.records = records
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.asked = []
        threading.Thread(target=self.serve, daemon=True).start()

    @staticmethod
    def name(text):
        return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".") if p) + b"\0"

    @classmethod
    def mx(cls, preference, host):
        return struct.pack(">H", preference) + cls.name(host)

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += query[at] + 1
        name, at = ".".join(labels).lower(), at + 5
        kind = struct.unpack(">H", query[at - 4:at - 2])[0]
        self.asked.append((name, kind))
        found = self.records.get((name, kind), [])
        known = not name or any(n == name for n, _ in self.records)
        out = query[:2] + bytes([0x84 | query[2] & 1, 0x80 | (0 if known else 3)])
        out += struct.pack(">HHHH", 1, len(found), 0, 0) + query[12:at]
        for rdata in found:
            out += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(rdata)) + rdata
        return out

    def serve(self):
        while True:
            try:
                query, peer = self.sock.recvfrom(4096)
                self.sock.sendto(self.answer(query), peer)
            except OSError:
                return

    def stop(self):
        self.sock.close()


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def use_mx(gateway, names, port):
    """Deliver by MX, to this port of every host, asking that name server."""
    text = gateway.conf.read_text()
    text = text.replace('via = "127.0.0.1:%d"' % gateway.out_port,
                        'via = "mx" port = %d' % port)
    gateway.conf.write_text('resolver = "127.0.0.1:%d"\ndnssec-anchors = none\n'
                            % names.port + text)


@pytest.fixture
def inside():
    """Our own mail server, where notifications go."""
    c = Capture().start()
    yield c
    c.stop()


def test_mail_waits_for_a_next_hop_that_is_down(make_gateway):
    port = free_port()
    g = make_gateway(port, rules=CLEAR, retry=RETRY)
    g.send(SENDER, CAROL, message(body=CANARY + "\r\n", to=CAROL))
    wait_for("a try", lambda: "deferred" in g.log())
    peer = Capture(port=port).start()
    try:
        assert CANARY.encode() in peer.wait(1)[0].data
    finally:
        peer.stop()


def test_a_reply_that_got_lost_is_asked_for_again(make_gateway, inside):
    peer = Capture(verbs={".": [DROP]}, extensions=["PIPELINING"]).start()
    try:
        g = make_gateway(peer.port, rules=CLEAR, retry=RETRY, inbound=inside.port)
        g.send(SENDER, CAROL, message(body=CANARY + "\r\n", to=CAROL))
        peer.wait(1)
        assert "maybe-twice" in g.log()
        assert not inside.messages
    finally:
        peer.stop()


def test_a_refusal_comes_back_to_the_sender(make_gateway, inside):
    # with DATA nothing of the message is said to who takes no recipient
    peer = Capture(verbs={"RCPT": (550, "5.1.1 nobody here")},
                   extensions=["8BITMIME"]).start()
    try:
        g = make_gateway(peer.port, rules=CLEAR, retry=RETRY, inbound=inside.port)
        g.send(SENDER, CAROL, message(body=CANARY + "\r\n", to=CAROL))
        m = inside.wait(1)[0]
        assert m.rcpts == [SENDER] or m.rcpts == [SENDER.encode()], m.rcpts
        assert not m.mail_from
        dsn = parse(m.data)
        assert dsn.get_content_type() == "multipart/report"
        assert b"5.1.1" in m.data and b"nobody here" in m.data
        assert b"Action: failed" in m.data
        # never the text of the message
        assert CANARY.encode() not in m.data
        assert CANARY.encode() not in peer.everything()
    finally:
        peer.stop()


def test_mail_finds_its_way_by_mx(make_gateway, capture):
    names = Names({
        ("partner.example", Names.MX): [Names.mx(20, "b.partner.example"),
                                        Names.mx(10, "a.partner.example")],
        # nobody listens at the better one
        ("a.partner.example", Names.A): [socket.inet_aton("127.0.0.2")],
        ("b.partner.example", Names.A): [socket.inet_aton("127.0.0.1")],
    })
    try:
        g = make_gateway(capture.port, start=False, rules=CLEAR, retry=RETRY)
        use_mx(g, names, capture.port)
        g.start()
        g.send(SENDER, CAROL, message(body=CANARY + "\r\n", to=CAROL))
        assert CANARY.encode() in capture.wait(1)[0].data
        assert ("partner.example", Names.MX) in names.asked
        peer = 'peer="b.partner.example [127.0.0.1]:%d"' % capture.port
        wait_for("the result", lambda: peer in g.log())
    finally:
        names.stop()


@pytest.mark.parametrize("name,records,status", [
    ("null MX", {("partner.example", Names.MX): [Names.mx(0, "")]}, b"5.1.10"),
    ("no such domain", {("other.example", Names.A): [b"\x7f\0\0\1"]}, b"5.1.2"),
])
def test_a_domain_without_mail_is_a_definite_answer(make_gateway, inside, capture,
                                                    name, records, status):
    names = Names(records)
    try:
        g = make_gateway(capture.port, start=False, rules=CLEAR, retry=RETRY,
                         inbound=inside.port)
        use_mx(g, names, capture.port)
        g.start()
        g.send(SENDER, CAROL, message(body=CANARY + "\r\n", to=CAROL))
        m = inside.wait(1)[0]
        assert b"Status: " + status in m.data, (name, m.data)
        assert not capture.sessions
    finally:
        names.stop()


def test_a_stop_ends_cleanly_with_mail_waiting(make_gateway):
    port = free_port()
    g = make_gateway(port, rules=CLEAR, retry=RETRY)
    g.send(SENDER, CAROL, message(body=CANARY + "\r\n", to=CAROL))
    wait_for("a try", lambda: "deferred" in g.log())
    assert g.stop() == 0
    peer = Capture(port=port).start()
    try:
        g.start()
        assert CANARY.encode() in peer.wait(1)[0].data
    finally:
        peer.stop()
