# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Mail from outside: taken in for own domains only, committed as it came before
250, handed to the internal server with one verdict that nobody can forge."""
import os
import re
import signal
import smtplib

import pytest

from harness import message, octets_below, run, wait_for

STRANGER, OTTO, OLGA = "eve@partner.example", "otto@sender.example", "olga@sender.example"
CANARY = b"canary-3307-canary"
CLEAR = 'rule "all" { try = { clear } }\n'


def queue(gw):
    got = gw.cli_json("queue", "list")
    return got if isinstance(got, list) else got["entries"]


@pytest.fixture
def gw(make_gateway, capture):
    return make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="")


def rows_of(gw, n, types=("accepted", "opened", "sent")):
    """The first rows of these types in the audit log; it is written late."""
    return wait_for("audit rows", lambda: [
        rows for rows in [[r["rec"] for r in gw.audit() if r["rec"].get("type") in types]]
        if len(rows) >= n])[0]


def parts(data):
    """The fields, unfolded, and the rest with its empty line."""
    head, sep, body = data.partition(b"\r\n\r\n")
    fields = re.sub(rb"\r\n(?=[ \t])", b"", head).split(b"\r\n")
    return fields, sep + body


def verdicts(data):
    return [f.split(b":", 1)[1].strip() for f in parts(data)[0]
            if f.lower().startswith(b"sealgate-verdict:")]


def sealed_to_nobody(keys, to=OTTO, body=b"Content-Type: text/plain\r\n\r\n" + CANARY + b"\r\n",
                     crt=None):
    """An S/MIME message that no key of the gateway opens, but for that of crt."""
    cms = run("openssl", "cms", "-encrypt", "-aes-256-cbc", "-outform", "DER",
              crt or keys.alice_crt, input=body).stdout
    import base64
    lines = base64.encodebytes(cms).replace(b"\n", b"\r\n")
    return (b"From: <%s>\r\nTo: <%s>\r\nSubject: sealed\r\nMessage-ID: <s@x>\r\n"
            b"Date: Fri, 1 May 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data;\r\n"
            b" name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            % (STRANGER.encode(), to.encode())) + lines


def test_plain_mail_passes_octet_for_octet(gw, capture):
    text = message(sender=STRANGER, to=OTTO, body="dots:\r\n.\r\n..\r\n \r\n",
                   extra="X-Odd :  two  blanks\r\n\tfolded \r\n")
    gw.send_in(STRANGER, [OTTO, OLGA], text)
    got = capture.wait(1)[0]
    assert got.mail_from == STRANGER and sorted(got.rcpts) == [OLGA, OTTO]
    assert got.data.endswith(text)
    names = [f.split(b":")[0] for f in parts(got.data[:-len(text)] + b"\r\n")[0] if f]
    assert names == [b"Received", b"Sealgate-Verdict"], got.data
    assert verdicts(got.data) == [b"none"]
    wait_for("an empty queue", lambda: not queue(gw))
    rows = rows_of(gw, 4)
    assert [r["type"] for r in rows] == ["accepted", "opened", "sent", "sent"]
    assert rows[1]["result"] == "delivered" and sorted(rows[1]["rcpts"]) == [OLGA, OTTO]


def test_forged_verdicts_are_taken_out(gw, capture):
    forged = ("SEALGATE-verdict : encrypted, signed-good\r\n"
              "Sealgate-Verdict:\r\n signed-good;\r\n\tsigner=boss@sender.example\r\n"
              "Authentication-Results: (x) \"GW.sender.example\" 1; smime=pass\r\n"
              "Authentication-Results: =?utf-8?q?gw.sender.example?=; openpgp=pass\r\n"
              "Authentication-Results: mx.partner.example; dkim=pass\r\n")
    gw.send_in(STRANGER, OTTO, message(sender=STRANGER, to=OTTO, extra=forged))
    got = capture.wait(1)[0].data
    assert verdicts(got) == [b"none"]
    results = [f for f in parts(got)[0] if f.lower().startswith(b"authentication-results")]
    assert results == [b"Authentication-Results: mx.partner.example; dkim=pass"]
    # in front of all, to be taken for a part of ours
    gw.send_in(STRANGER, OTTO, b" Sealgate-Verdict: signed-good\r\nno field\r\n"
               b"Sealgate-Verdict: signed-good\r\nSubject: x\r\n\r\nx\r\n")
    got = capture.wait(2)[1].data
    assert verdicts(got) == [b"none"] and b"signed-good" not in got
    assert b"no field\r\nSubject: x\r\n\r\nx\r\n" in got


def test_tags_of_strangers_go_where_ours_are_written(make_gateway, capture):
    gw = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="",
                      options="opening { subject-tags = true }\n")
    gw.send_in(STRANGER, OTTO, message(
        sender=STRANGER, to=OTTO, subject="=?utf-8?q?=5BEncrypted,_signed=5D_pay?= [SIGNED]"))
    assert b"\r\nSubject: pay\r\n" in capture.wait(1)[0].data


def test_only_own_domains_and_only_clients(make_gateway, capture):
    gw = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port,
                      listen_in='clients = "127.0.0.2"')
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        gw.send_in(STRANGER, OTTO, message())
    assert refused.value.recipients[OTTO][0] == 550
    gw.send_in(STRANGER, "postmaster@sender.example", message())
    open_to_all = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        open_to_all.send_in(STRANGER, "carol@partner.example", message())
    assert b"Relaying denied" in refused.value.recipients["carol@partner.example"][1]
    refused = open_to_all.send_in(STRANGER, [OTTO, "x@else.example"], message())
    assert list(refused) == ["x@else.example"]


def test_what_no_key_opens_is_delivered_as_it_came(gw, capture, keys):
    text = sealed_to_nobody(keys)
    gw.send_in(STRANGER, OTTO, text)
    got = capture.wait(1)[0].data
    assert got.endswith(text)
    assert [v.split(b";")[0] for v in verdicts(got)] == [b"undecryptable"]
    assert "undecryptable" in str(rows_of(gw, 1, ("opened",))[0]["verdict"])


def test_or_held_until_it_is_released(make_gateway, capture, keys):
    gw = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="",
                      options="opening { undecryptable = hold }\n")
    gw.send_in(STRANGER, OTTO, sealed_to_nobody(keys))
    held = wait_for("a held entry", lambda: [e for e in queue(gw) if e["state"] == "held"])[0]
    assert held["route"] == "inbound" and held["kind"] == "pending"
    assert "no key opens it" in held["reason"]
    assert capture.everything() == b""
    gw.cli("queue", "release", held["id"])
    assert verdicts(capture.wait(1)[0].data)[0].startswith(b"undecryptable")
    wait_for("an empty queue", lambda: not queue(gw))


def test_per_recipient_answers_by_lmtp(make_gateway, capture):
    from capture import Capture
    server = Capture(lmtp=True, verbs={"RCPT": lambda line: (
        (550, "5.1.1 nobody here") if b"olga" in line else None)}).start()
    try:
        gw = make_gateway(capture.port, portal=False, rules=CLEAR, listen_in="",
                          inbound=None,
                          options='relay inbound { via = "lmtp://127.0.0.1:%d" }\n' % server.port)
        gw.send_in(STRANGER, [OTTO, OLGA], message(sender=STRANGER, to=OTTO))
        assert server.wait(1)[0].rcpts == [OTTO]
        # whose name stands there as the sender is told nothing
        (held,) = wait_for("it to be held for the other", lambda: [
            e for e in queue(gw) if e["state"] == "held"])
        assert "must not be told" in held["last"]
        assert not capture.messages
    finally:
        server.stop()


def kill_openers(gw):
    for pid in gw.pids().get("opener", []):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_a_crash_at_any_time_loses_nothing(gw, capture):
    """The opener dies while it works; so does everything."""
    for i in range(10):
        gw.send_in(STRANGER, OTTO, message(sender=STRANGER, to=OTTO, body="m%d\r\n" % i))
        if i in (3, 6):  # the third time would be taken for the message's fault
            kill_openers(gw)
    gw.kill()
    gw.start()

    def all_there():
        text = b"".join(m.data for m in capture.wait(1))
        return all(b"m%d\r\n" % i in text for i in range(10))
    wait_for("all messages", all_there)


def test_the_third_crash_puts_it_aside(make_gateway, capture, keys):
    """A message that kills whoever opens it waits for an administrator; others
    go on."""
    gw = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="",
                      limits="openers = 1", options="retry { first = 200ms max = 1s }\n")
    crt, pem = keys.certificate(OTTO, "otto-crash")
    both = keys.root / "otto-crash.pem"
    both.write_bytes(crt.read_bytes() + pem.read_bytes())
    gw.cli("key", "import", both)
    (pid,) = gw.pids()["keys"]
    os.kill(pid, signal.SIGSTOP)
    try:
        gw.send_in(STRANGER, OTTO, sealed_to_nobody(keys, crt=crt))

        def held():
            (e,) = queue(gw)
            # who has it waits for the key, and is killed at that
            if e["under_way"]:
                kill_openers(gw)
            return e if e["state"] == "held" else None
        entry = wait_for("the entry to be held", held)
        assert (entry["why"], entry["crashes"]) == ("crashed", 3)
    finally:
        os.kill(pid, signal.SIGCONT)
    gw.send_in(STRANGER, OTTO, message(sender=STRANGER, to=OTTO, body="harmless\r\n"))
    assert b"harmless" in capture.wait(1)[0].data


def test_nothing_readable_at_rest(make_gateway, capture, root):
    gw = make_gateway(1, portal=False, rules=CLEAR, inbound=1, listen_in="")
    gw.send_in(STRANGER, OTTO, message(sender=STRANGER, to=OTTO, body=CANARY.decode() + "\r\n"))
    wait_for("a try", lambda: [e for e in queue(gw) if e["kind"] == "ready"])
    gw.stop()
    for path, data in octets_below(gw.state):
        assert CANARY not in data, path
