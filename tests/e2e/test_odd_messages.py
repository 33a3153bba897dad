# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P1, P2: messages that nobody should write. Each is taken or refused for good,
for everybody at once and with the gateway unharmed; nothing readable leaves,
no content and no link secret lies anywhere."""
import smtplib

import pytest

from harness import octets_below, wait_for

SENDER = "sam@sender.example"
ALICE, BOB, CAROL = "alice@partner.example", "bob@partner.example", "carol@partner.example"
CANARY = b"canary-0820-canary"
HEAD = (b"From: Sam <sam@sender.example>\r\nTo: alice@partner.example\r\n"
        b"Subject: topsecretsubject\r\nMIME-Version: 1.0\r\n")
BODY = b"\r\n" + CANARY + b"\r\n"


def nested(n):
    head = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
                    for i in range(n))
    tail = b"".join(b"--b%d--\r\n" % i for i in reversed(range(n)))
    return HEAD + head + b"Content-Type: text/plain\r\n" + BODY + tail


def parts(n):
    return (HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
            b"--b\r\n\r\nx\r\n" * n + b"--b--\r\n" + BODY)


ODD = {
    "8-bit From": HEAD.replace(b"Sam", b"S\xff\xfe") + BODY,
    "8-bit field name": HEAD + b"X\xff: 1\r\n" + BODY,
    "8-bit Content-ID": HEAD + b"Content-ID: <\xff\xfe>\r\nContent-Disposition: \xfe\r\n" + BODY,
    "no header": CANARY + b"\r\n",
    "continuation first": b" \r\nx: y\r\n" + BODY,
    "no From": b"Subject: x\r\n" + BODY,
    "empty": b"\r\n",
    "odd encoded words": b"From: =?utf-8?B?//79?= <a@b.c>\r\nSubject: =?x-nope?Q?a?=\r\n" + BODY,
    "controls": HEAD + b'Content-Type: te\x01xt/pl\x02ain; charset="\xff"\r\n' + BODY,
    "boundary of a quote": HEAD + b'Content-Type: multipart/mixed; boundary="\\""\r\n\r\n'
                           b'--"\r\n' + BODY + b'--"--\r\n',
    "long boundary": HEAD + b'Content-Type: multipart/mixed; boundary="' + b"q" * 60000 +
                     b'"\r\n' + BODY,
    "open comments": HEAD + b"Cc: " + b"(" * 30000 + b"\r\n " + b")" * 30000 + b"\r\n" + BODY,
    "parameters": HEAD + b"Content-Type: text/plain" +
                  b"".join(b";\r\n a%d=%d" % (i, i) for i in range(4000)) + b"\r\n" + BODY,
    "two Subjects": HEAD + b"Subject: another\r\n" + BODY,
    "deep": nested(40),
    "very deep": nested(5000),
    "many parts": parts(1100),
    "a great many parts": parts(100000),
    "messages in messages": HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 3000 + BODY,
}


def outcome(gw, rcpt, msg):
    try:
        gw.send(SENDER, rcpt, msg)
        return 250
    except smtplib.SMTPResponseException as e:
        return e.smtp_code


def test_odd_messages_harm_nobody(gateway, capture):
    gw = gateway
    taken = 0
    for name, msg in ODD.items():
        for rcpt in (ALICE, BOB, CAROL):
            code = outcome(gw, rcpt, msg)
            assert code in (250, 550, 552, 554), (name, rcpt, code)
            taken += code == 250
    assert taken > len(ODD)
    capture.wait(taken)
    assert "worker-died" not in gw.log() and "event=ended" not in gw.log()
    assert CANARY not in capture.everything()
    wait_for("the queue to be empty", lambda: not gw.cli_json("queue", "list"))
    assert len(capture.messages) == taken
    links = [m.data.split(b"/m/")[1].split(b"#")[1].split()[0] for m in capture.messages
             if b"Subject: Encrypted message from" in m.data]
    assert len(links) > 10
    # killed: nothing that a clean end would have removed
    gw.kill()
    for path, data in octets_below(gw.root, gw.runtime):
        if "/page/" in str(path):
            continue
        assert CANARY not in data and b"topsecretsubject" not in data, path
        assert not [x for x in links if x[:24] in data], path
    gw.start()
    gw.cli("audit", "verify")


@pytest.mark.parametrize("bad", [b"a\rb\r\n", b"a\nb\r\n", b"a\0b\r\n", b"x\r", b"\n"])
def test_line_ends_are_strict_in_chunks(gateway, capture, bad):
    msg = HEAD + b"\r\n" + bad
    with smtplib.SMTP("127.0.0.1", gateway.port, timeout=90) as s:
        s.ehlo("x")
        s.mail(SENDER)
        s.rcpt(CAROL)
        s.send(b"BDAT %d LAST\r\n" % len(msg) + msg)
        assert s.getreply()[0] == 554
    assert not capture.messages
