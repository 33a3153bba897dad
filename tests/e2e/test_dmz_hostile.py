# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""A portal in a DMZ and its gateway talk to nobody else; and what the portal says
is checked, as it may be in other hands."""
import socket
import ssl
import struct
import time

import dmz
from dmz import CAROL, OWN, SENDER, Impostor, octets, pair  # noqa: F401
from escrow import unb64
from harness import PATIENCE, wait_for


def shake(port, pair_of=None):
    """What somebody is told at the inner port: b"", nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if pair_of is not None:
        context.load_cert_chain(*pair_of[:2])
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as raw:
            with context.wrap_socket(raw) as s:
                return s.recv(100)
    except (ssl.SSLError, ConnectionError):
        return b""


def test_nobody_else_gets_past_the_handshake(pair):
    for name, who in (("no certificate", None), ("another one", pair.stranger)):
        assert shake(pair.dmz.link_port, who) == b"", name
    # the right one is greeted: that was the only reason
    assert shake(pair.dmz.link_port, pair.a)[4] == 1
    # and more strangers than there are places keep nobody out
    held = [socket.create_connection(("127.0.0.1", pair.dmz.link_port)) for _ in range(40)]
    pair.wire.drop()
    link = pair.send()
    assert link.open().status == 200
    for s in held:
        s.close()


def test_a_portal_with_another_certificate_is_told_nothing(pair):
    pair.dmz.stop()
    pair.dmz.own, own = pair.stranger, pair.dmz.own
    pair.dmz.write_conf()
    pair.dmz.start()
    before = len(pair.notices(CAROL))
    try:
        pair.send(wait=False)
        wait_for("the log", lambda: "its certificate is not one of those in peer" in
                 pair.gateway.log())
        assert len(pair.notices(CAROL)) == before
    finally:
        pair.dmz.stop()
        pair.dmz.own = own
        pair.dmz.write_conf()
        pair.dmz.start()
    wait_for("the notice", lambda: len(pair.notices(CAROL)) > before)


OPENED, EXPIRED, LOCKED, CODE, ACCOUNT_SET = 112, 113, 117, 118, 260
# a point of the curve (docs/format-escrow.md, Test vectors)
POINT = bytes.fromhex(
    "04c6559d416dfb56af714f146d917c24abf818b2fb121604129649848230a2d2"
    "58b2a6d82dc6c6734cf092ffaa9fc012f10f7008d3952a08d5797e85feaba5d977")


def opened(link, client="192.0.2.7", at_ms=None, name=None):
    at_ms = int(time.time() * 1000) if at_ms is None else at_ms
    return (octets((name or link.id).encode()) + octets(client.encode()) + octets(b"agent") +
            struct.pack(">Q", at_ms))


def account(link, digits="000000", client="192.0.2.7", name=None):
    return (octets((name or link.id).encode()) + octets(digits.encode()) +
            octets(client.encode()) + POINT + b"p" * 32 + b"w" * 48)


FORGED = [("another's object", OPENED, lambda k: opened(k, name="A" * 22)),
          ("no name", OPENED, lambda k: opened(k, name="../../spool")),
          ("no address", OPENED, lambda k: opened(k, client="evil\nrecord")),
          ("cut", OPENED, lambda k: opened(k)[:-1]),
          ("something behind", OPENED, lambda k: opened(k) + b"x"),
          ("an expiry", EXPIRED, lambda k: octets(k.id.encode())),
          ("an unknown one", 40, lambda k: b""),
          ("too much", OPENED, lambda k: opened(k) + b"x" * 5000),
          ("an account by another's object", ACCOUNT_SET, lambda k: account(k, name="A" * 22)),
          ("an account from nowhere", ACCOUNT_SET, lambda k: account(k, client="me\nsaid")),
          ("an account and many digits", ACCOUNT_SET, lambda k: account(k, digits="0" * 17)),
          ("an account that is cut", ACCOUNT_SET, lambda k: account(k)[:-1]),
          ("an account with more behind", ACCOUNT_SET, lambda k: account(k) + b"x"),
          ("what store says of one", ACCOUNT_SET + 1, lambda k: b"i" * 16 + bytes(4)),
          ("words for a code", CODE, lambda k: octets(k.id.encode()) + octets(b"call me"))]


def test_what_a_taken_over_portal_says_is_checked(pair):
    link = pair.send()
    wait_for("rest", lambda: not pair.gateway.cli_json("queue", "list"))
    mails = len(pair.out.messages)
    liar = Impostor(pair.wire, pair.b)
    try:
        for number, (name, kind, payload) in enumerate(FORGED, 1):
            liar.event(number, kind, payload(link))
            assert liar.hear(dmz.NOTED) == struct.pack(">Q", number), name
        # a good one is written down, once, and not in time to come
        for _ in range(3):
            liar.event(100, OPENED, opened(link, at_ms=2 ** 62))
            assert liar.hear(dmz.NOTED) == struct.pack(">Q", 100)
        liar.event(99, LOCKED, opened(link))
        assert liar.hear(dmz.NOTED) == struct.pack(">Q", 99)
    finally:
        liar.close()
    wait_for("the log", lambda: pair.records("viewed", link))
    [seen] = pair.records("viewed", link)
    assert seen["client"] == "192.0.2.7" and seen["at_ms"] <= time.time() * 1000 + 1000
    assert pair.object(link)["state"] == "opened" and not pair.records("expired", link)
    assert len([m for m in pair.out.messages[mails:] if SENDER not in m.rcpts]) == 0
    wait_for("the real one", lambda: link.open().status == 200 and
             len(pair.records("viewed", link)) > 1)


def test_an_account_takes_the_digits_that_were_mailed(pair):
    """Whoever has the machine has a code mailed and guesses: store counts."""
    link = pair.send(OWN)
    before = len(pair.mails(OWN))
    liar = Impostor(pair.wire, pair.b, instance=b"guesses accounts")
    numbers = iter(range(1, 100))

    def say(kind, payload):
        number = next(numbers)
        liar.event(number, kind, payload)
        assert liar.hear(dmz.NOTED) == struct.pack(">Q", number)

    def refused():
        return len(pair.records("account-refused", link))

    try:
        say(ACCOUNT_SET, account(link))
        say(CODE, octets(link.id.encode()) + octets(b"123456"))
        wait_for("the code", lambda: len(pair.mails(OWN)) > before)
        # five are compared, then none is
        for i in range(8):
            say(ACCOUNT_SET, account(link, digits="x%d" % i))
    finally:
        liar.close()
    wait_for("the log", lambda: refused() == 5)
    # what comes later has passed all that was to be said of it
    later = pair.send()
    assert later.open().status == 200
    wait_for("the view", lambda: pair.records("viewed", later))
    assert refused() == 5
    assert pair.gateway.cli_json("escrow", "account", "list") == []
    assert len(pair.mails(OWN)) == before + 1


BROKEN = [("no frame", lambda s, k: s.s.sendall(b"\xff" * 64)),
          ("the gateway's own", lambda s, k: s.say(dmz.OBJECT, b"\0" * 96)),
          ("two events at once", lambda s, k: [s.event(n, OPENED, opened(k)) for n in (1, 2, 3)])]


def test_who_does_not_keep_to_the_frames_is_cut(pair):
    link = pair.send()
    for name, speak in BROKEN:
        liar = Impostor(pair.wire, pair.b, instance=(name + "." * 16).encode()[:16])
        try:
            speak(liar, link)
            assert liar.is_cut(), name
        finally:
            liar.close()
    assert pair.send().open().status == 200


def test_answers_of_a_taken_over_portal_take_no_room(pair):
    link = pair.send()
    kept = lambda: sorted(p.name for p in (pair.gateway.state / "portal").iterdir())
    before = kept()

    def announce(liar, number, name, size):
        liar.say(dmz.ANSWER, struct.pack(">QQ", number, size) + unb64(name))

    liar = Impostor(pair.wire, pair.b)
    try:
        announce(liar, 1, link.id, 100 << 20)
        announce(liar, 2, "A" * 22, 1000)
        announce(liar, 3, link.id, 2 ** 63)
        announce(liar, 4, link.id, 1000)
        # the others were not asked for
        assert liar.hear(dmz.ANSWER_GET) == struct.pack(">Q", 4)
        liar.say(dmz.ANSWER_DATA, struct.pack(">QQ", 4, 0) + octets(b"x" * 1000))
        announce(liar, 4, link.id, 1000)
        announce(liar, 5, link.id, 2000)
        assert liar.hear(dmz.ANSWER_GET) == struct.pack(">Q", 5)
        # more than was announced
        liar.say(dmz.ANSWER_DATA, struct.pack(">QQ", 5, 0) + octets(b"x" * 2001))
        announce(liar, 6, link.id, 3000)
        assert liar.hear(dmz.ANSWER_GET) == struct.pack(">Q", 6)
    finally:
        liar.close()
    assert pair.send().open().status == 200
    assert kept() == before
