# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""BINARYMIME (RFC 3030): contents of any octets come by BDAT and leave
re-encoded, sealed or not; what is signed is never touched."""
import email
import email.policy
import os
import signal
import threading

from capture import Capture
from harness import children, cmdline, is_zombie, wait_for
from test_documents import pdf, program
from test_pending import queue
from test_lmtp_in import lhlo
from test_smtp_in import Raw

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
ALICE = "alice@partner.example"
RULES = 'rule "all" { try = { smime, clear } }\n'
OCTETS = bytes(range(256)) * 40 + b"\r\n.\r\nQUIT\r\n\n\r"
HEAD = (b"From: sam@sender.example\r\nTo: %s\r\nSubject: binary\r\nDate: Fri, 1 May 2026 10:00:00 "
        b"+0000\r\nMessage-ID: <b@sender.example>\r\nMIME-Version: 1.0\r\n")


def mixed(to):
    return HEAD % to.encode() + (
        b"Content-Type: multipart/mixed; boundary=sep\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        b"--sep\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n"
        b"--sep\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n" + OCTETS + b"\r\n--sep--\r\n")


def begin(c, to, body=b"BINARYMIME"):
    c.say(b"MAIL FROM:<%s> BODY=%s\r\n" % (SENDER.encode(), body)).reply(250)
    c.say(b"RCPT TO:<%s>\r\n" % to.encode()).reply(250)


def chunks(c, data, n=3):
    size = len(data) // n + 1
    parts = [data[i:i + size] for i in range(0, len(data), size)]
    for part in parts[:-1]:
        c.say(b"BDAT %d\r\n" % len(part) + part).reply(250)
    last = parts[-1]
    return c.say(b"BDAT %d LAST\r\n" % len(last) + last).reply()[0]


def attachment(entity):
    got = email.message_from_bytes(entity, policy=email.policy.default)
    return [p for p in got.walk() if p.get_content_type() == "application/octet-stream"][0]


def test_any_octets_arrive(make_gateway, capture, keys):
    capture.extensions = [x for x in capture.extensions if x != "8BITMIME"]
    gw = make_gateway(capture.port, rules=RULES, portal=False)
    gw.cli("key", "import", keys.alice_crt)
    with Raw(gw) as c:
        assert "250-BINARYMIME" in c.greet()
        for to in (CAROL, ALICE):
            begin(c, to)
            assert chunks(c, mixed(to)).startswith("250")
        begin(c, CAROL)
        c.say(b"DATA\r\n").reply(503)  # RFC 3030 3
        c.say(b"RSET\r\n").reply(250)
        begin(c, CAROL, b"8BITMIME")  # that is lines
        assert chunks(c, mixed(CAROL), 1).startswith("554 5.6.0")
    got = {m.rcpts[0]: m for m in capture.wait(2)}
    plain = got[CAROL].data
    assert b"\0" not in plain and all(x.endswith(b"\r") for x in plain.split(b"\n")[:-1])
    part = attachment(plain)
    assert part["Content-Transfer-Encoding"] == "base64" and part.get_content() == OCTETS
    assert "BODY=BINARYMIME" not in got[CAROL].mail_params
    assert OCTETS[:64] not in got[ALICE].data
    opened = keys.open_smime(got[ALICE].data, keys.alice_key)
    assert attachment(opened).get_content() == OCTETS


def test_what_cannot_be_said_in_lines(make_gateway, capture):
    gw = make_gateway(capture.port, rules='rule "all" { try = { clear } }\n', portal=False,
                      limits="errors = 50 message-size = 200K")
    to = HEAD % CAROL.encode()
    signed = to + (b"Content-Type: multipart/signed; boundary=s; micalg=sha-256;\r\n"
                   b" protocol=\"application/pkcs7-signature\"\r\n\r\n--s\r\n"
                   b"Content-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\n"
                   b"\0\r\n--s\r\nContent-Type: application/pkcs7-signature\r\n"
                   b"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--s--\r\n")
    with Raw(gw) as c:
        c.greet()
        for data, said in (
                (signed, "554 5.6.2"),
                (b"From: sam@sender.example\r\n\r\n\0", "554 5.6.3"),
                (to + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n\0", "554 5.6.3"),
                (to.replace(b"Subject: binary", b"Subject: b\nSubject: x"), "554 5.6.0"),
                (to + b"\r\n" + b"\0" * 300000, "552 5.3.4"),
                (to + b"Content-Type: text/plain\r\n\r\nfine\r\n", "250 ")):
            begin(c, CAROL)
            got = chunks(c, data, 1)
            assert got.startswith(said), (data[-60:], got)
    assert len(capture.wait(1)) == 1


def test_from_outside_and_by_lmtp(make_gateway, capture):
    own = Capture().start()
    gw = make_gateway(capture.port, rules='rule "all" { try = { clear } }\n', portal=False,
                      inbound=own.port, listen="lmtp = true", listen_in="")

    class In:
        port = gw.in_port
    with Raw(In) as c:
        c.greet()
        begin(c, SENDER)
        assert chunks(c, mixed(SENDER)).startswith("250")
    with Raw(gw) as c:
        lhlo(c)
        c.say(b"MAIL FROM:<%s> BODY=BINARYMIME\r\n" % SENDER.encode()).reply(250)
        for rcpt in (CAROL, ALICE):
            c.say(b"RCPT TO:<%s>\r\n" % rcpt.encode()).reply(250)
        data = mixed(CAROL + ", " + ALICE)
        c.say(b"BDAT %d LAST\r\n" % len(data) + data)
        assert c.reply()[0].startswith("250") and c.reply()[0].startswith("250")
    assert attachment(own.wait(1)[0].data).get_content() == OCTETS
    assert attachment(capture.wait(1)[0].data).get_content() == OCTETS


def put_aside(gw, tool):
    """Kill the worker whenever it has a document read, and who reads it, until the
    message is not looked into any more."""
    def reading():
        return [p for e in gw.pids().get("extract", []) for p in children(e)
                if cmdline(p)[:1] == [str(tool)]]
    for n in (1, 2, 3):
        programs = wait_for("the program", reading)
        pids = gw.pids()["worker"] + programs
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_for("the death", lambda: gw.log().count("event=worker-died") >= n and
                 all(is_zombie(pid) for pid in pids))


def test_what_was_put_aside_goes_on(make_gateway, capture, keys, root):
    tool = program(root, "sleeps", "pause();")
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], portal=False,
                      limits="workers = 1", rules=(
        'rule "words" { content = { "secret" } try = { smime, reject } }\n'
        'rule "default" { try = { clear } }\n'),
        options='extract { pdf = "%s" timeout = 25s }\n' % tool)
    octets = pdf("x") + OCTETS
    with Raw(gw) as c:
        c.greet()
        begin(c, ALICE)
        killer = threading.Thread(target=put_aside, args=(gw, tool))
        killer.start()
        assert chunks(c, mixed(ALICE).replace(OCTETS, octets)).startswith("250")
        killer.join()
    (held,) = queue(gw)
    program(root, "sleeps", "return 1;")
    gw.cli("queue", "release", held["id"])
    opened = keys.open_smime(capture.wait(1)[0].data, keys.alice_key)
    assert attachment(opened).get_content() == octets
