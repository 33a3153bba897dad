# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Recipients of mail from outside are verified at RCPT: asked of the internal
server, or looked up in a list. Who is unknown is refused, not returned."""
import os
import signal
import smtplib

import pytest

from capture import Capture, DROP
from harness import all_heard, free_port, message, octets_below, run, wait_for
from test_smtp_in import Raw

CLEAR = 'rule "all" { try = { clear } }\n'
STRANGER = "eve@partner.example"


class In(Raw):
    def __init__(self, gateway):
        class At:
            port = gateway.in_port
        super().__init__(At)
        self.greet()
        self.say(b"MAIL FROM:<%s>\r\n" % STRANGER.encode()).reply(250)

    def rcpt(self, addr, *codes):
        return self.say(b"RCPT TO:<%s>\r\n" % addr.encode()).reply(*codes)


def known(line):
    addr = line.decode().split("<")[1].split(">")[0]
    if addr.startswith("slow"):
        return (451, "4.2.1 not now")
    return None if addr.startswith(("sam@", "sue@", "postmaster@")) else (550, "5.1.1 no such user")


@pytest.fixture
def inside():
    c = Capture(verbs={"RCPT": known}).start()
    yield c
    c.stop()


def asked(inside, addr):
    return sum(1 for s in inside.sessions for x in s.lines if b"RCPT TO:<%s>" % addr.encode() in x)


def test_our_own_server_is_asked_once(make_gateway, capture, inside):
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, inbound=inside.port,
                      listen_in="verify-recipients = server")
    with In(gw) as c:
        c.rcpt("sam@sender.example", 250)
        got = c.rcpt("nobody@sender.example", 550)[0]
        assert got.startswith("550 5.1.1") and "no such user" not in got  # its words stay inside
        c.rcpt("slow@sender.example", 451)
        c.rcpt("x@elsewhere.example", 550)
        c.rcpt("postmaster", 250)
    with In(gw) as c:  # pipelined answers keep their order
        c.say(b"".join(b"RCPT TO:<%s@sender.example>\r\n" % n.encode() for n in
                       ("sue", "nobody", "sam", "none", "slow")))
        assert [c.reply()[0][:3] for _ in range(5)] == ["250", "550", "250", "550", "451"]
    assert asked(inside, "sam@sender.example") == 1
    assert asked(inside, "nobody@sender.example") == 1
    assert asked(inside, "slow@sender.example") == 2  # not to be known is not remembered
    assert not inside.messages and not [x for s in inside.sessions for x in s.lines
                                        if x.startswith((b"DATA", b"BDAT"))]
    gw.send_in(STRANGER, ["sam@sender.example"], message(sender=STRANGER, to="sam@sender.example"))
    assert wait_for("the mail", lambda: inside.messages)[0].rcpts == ["sam@sender.example"]
    gw.cli("reload")  # it may be another server now

    def asked_again():
        with In(gw) as c:
            c.rcpt("nobody@sender.example", 550)
        return asked(inside, "nobody@sender.example") == 2
    wait_for("it to be asked again", asked_again)


def test_a_restart_forgets_nothing_that_was_asked(make_gateway, capture, inside):
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, inbound=inside.port,
                      listen_in="verify-recipients = server")
    with In(gw) as c:
        c.rcpt("sam@sender.example", 250)
        c.rcpt("nobody@sender.example", 550)
        c.rcpt("slow@sender.example", 451)
    for how in (gw.stop, gw.kill):
        how()
        gw.start()
        with In(gw) as c:
            c.rcpt("sam@sender.example", 250)
            c.rcpt("nobody@sender.example", 550)
            c.rcpt("slow@sender.example", 451)
    assert asked(inside, "sam@sender.example") == 1
    assert asked(inside, "nobody@sender.example") == 1
    assert asked(inside, "slow@sender.example") == 3
    for path, data in octets_below(gw.state / "spool"):
        assert b"nobody@sender" not in data, path
    # another server has never been asked
    other = Capture(verbs={"RCPT": known}).start()
    gw.stop()
    gw.conf.write_text(gw.conf.read_text().replace(
        'relay inbound { via = "127.0.0.1:%d"' % inside.port,
        'relay inbound { via = "127.0.0.1:%d"' % other.port))
    gw.start()
    with In(gw) as c:
        c.rcpt("nobody@sender.example", 550)
    assert asked(other, "nobody@sender.example") == 1


POLICY = {"list": (550, "5.7.1 no mail without a sender"), "helo": (504, "5.5.2 helo refused"),
          "full": (552, "5.2.2 over quota"), "plain": (554, "go away"),
          "moved": (551, "5.1.6 moved"), "bare": (550, "no such user")}


def test_a_refusal_for_another_reason_is_not_remembered_as_unknown(make_gateway, capture):
    """A list refuses mail without a sender, as a probe is, but no other."""
    def policy(line):
        name = line.decode().split("<")[1].split("@")[0]
        return None if inside.messages or name == "real" else POLICY[name]
    inside = Capture(verbs={"RCPT": policy}).start()
    try:
        gw = make_gateway(capture.port, rules=CLEAR, portal=False, inbound=inside.port,
                          listen_in="verify-recipients = server")
        for name in ("list", "helo", "full", "plain", "list"):
            with In(gw) as c:
                c.rcpt(name + "@sender.example", 250)
        for name in ("moved", "bare"):
            with In(gw) as c:
                assert c.rcpt(name + "@sender.example", 550)[0].startswith("550 5.1.1")
        gw.send_in(STRANGER, ["real@sender.example"],
                   message(sender=STRANGER, to="real@sender.example"))
        wait_for("the first", lambda: inside.messages)
        gw.send_in(STRANGER, ["list@sender.example"],
                   message(sender=STRANGER, to="list@sender.example"))
        wait_for("the list's", lambda: len(inside.messages) == 2)
        assert inside.messages[1].rcpts == ["list@sender.example"]
    finally:
        inside.stop()


def test_guessing_names_ends_the_session(make_gateway, capture, inside):
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, inbound=inside.port,
                      listen_in="verify-recipients = server", limits="errors = 5")
    with In(gw) as c, pytest.raises((EOFError, AssertionError)):
        for i in range(20):
            c.rcpt("guess%d@sender.example" % i, 550)
    assert len({x for s in inside.sessions for x in s.lines if b"guess" in x}) <= 7


def test_what_cannot_be_known_is_put_off(make_gateway, capture, inside):
    dead = free_port()
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, inbound=dead,
                      listen_in="verify-recipients = server")
    with In(gw) as c:
        c.rcpt("sam@sender.example", 451)
        c.rcpt("postmaster@sender.example", 250)
    gw.stop()
    broken = Capture(verbs={"RCPT": DROP}, port=dead).start()
    gw.start()
    try:
        with In(gw) as c:
            c.rcpt("sam@sender.example", 451)
    finally:
        broken.stop()
    refuses = Capture(verbs={"MAIL": (550, "5.7.1 no null sender")}, port=dead).start()
    gw.stop()
    gw.start()
    try:
        with In(gw) as c:  # that says nothing of the recipient
            c.rcpt("sam@sender.example", 451)
    finally:
        refuses.stop()


def test_who_asks_may_die(make_gateway, capture, inside):
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, inbound=inside.port,
                      listen_in="verify-recipients = server")
    os.kill(gw.pids()["relay"][0], signal.SIGSTOP)
    with In(gw) as c:
        c.say(b"RCPT TO:<sam@sender.example>\r\n")
        all_heard(c.sock)
        with In(gw):  # who is served later: that question was asked
            pass
        os.kill(gw.pids()["relay"][0], signal.SIGKILL)
        c.reply(451)
        wait_for("relay to come back", lambda: c.rcpt("sam@sender.example")[0].startswith("250"))


def test_a_list_says_it_all(make_gateway, capture, inside, root):
    listed = root / "recipients"
    listed.write_text("# ours\nsam@sender.example OK\n@team.sender.example x\n")
    listed.chmod(0o644)
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, inbound=inside.port,
                      options='', listen_in='recipients = "%s"' % listed)
    with In(gw) as c:
        c.rcpt("Sam@Sender.example", 250)
        c.rcpt("sue@sender.example", 550)
        c.rcpt("postmaster@sender.example", 250)
    assert not inside.sessions
    listed.write_text("sam@sender.example\nsue@sender.example\n")
    with In(gw) as c:
        c.rcpt("sue@sender.example", 250)
    old = listed.stat()  # the next is of the same size, and has its mtime

    def written():  # at a time that the kernel's time stamps tell apart
        listed.write_text("sam@sender.example\nzoe@sender.example\n")
        os.utime(listed, ns=(old.st_atime_ns, old.st_mtime_ns))
        return listed.stat().st_ctime_ns != old.st_ctime_ns
    wait_for("another time stamp", written)
    with In(gw) as c:
        c.rcpt("zoe@sender.example", 250)
        c.rcpt("sue@sender.example", 550)
    fresh = root / "recipients.new"  # another file, without a reload
    fresh.write_text("sam@sender.example\nsue@sender.example\n")
    fresh.chmod(0o644)
    fresh.rename(listed)

    def says(addr, code):
        with In(gw) as c:
            return c.rcpt(addr)[0].startswith(code)
    wait_for("the new file", lambda: says("sue@sender.example", "250"))
    assert says("zoe@sender.example", "550")
    os.kill(gw.pids()["accounts"][0], signal.SIGSTOP)
    with In(gw) as c:
        c.say(b"RCPT TO:<sue@sender.example>\r\n")
        all_heard(c.sock)
        with In(gw):
            pass
        os.kill(gw.pids()["accounts"][0], signal.SIGKILL)
        c.reply(451)
    with pytest.raises(smtplib.SMTPException):
        gw.send_in(STRANGER, ["none@sender.example"], message(sender=STRANGER))


def test_a_list_that_is_being_written_refuses_nobody(make_gateway, capture, inside, root):
    whole = "sam@sender.example\nsue@sender.example\n"
    listed = root / "recipients"
    listed.write_text(whole)
    listed.chmod(0o644)
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, inbound=inside.port,
                      options='', listen_in='recipients = "%s"' % listed)
    for broken in ("", "# all of ours\n", "sam@sender.example\nsue@sen", "sam@sender.example",
                   "nonsense\n"):
        listed.write_text(broken)
        with In(gw) as c:
            c.rcpt("sam@sender.example", 250)
            c.rcpt("sue@sender.example", 250)
            c.rcpt("zoe@sender.example", 550)
        check = run(gw.build / "sealgated", "-n", "-f", gw.conf, check=False)
        assert check.returncode != 0 and b"recipients" in check.stdout + check.stderr, broken
    log = gw.log()
    assert "does not end" in log and "no address" in log and "line 1" in log
    listed.write_text("")
    dead = gw.pids()["accounts"]
    os.kill(dead[0], signal.SIGKILL)  # the next one has never read it

    def put_off():
        with In(gw) as c:
            return c.rcpt("sam@sender.example")[0].startswith("451")
    wait_for("accounts to come back", lambda: gw.pids().get("accounts", dead) != dead)
    for _ in range(3):
        assert put_off()
    listed.write_text(whole)
    wait_for("the list", lambda: not put_off())
