#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""DKIM: what leaves is signed as its next hop gets it, and python3-dkim verifies
it; without its signature nothing leaves."""
import contextlib
import os
import re
import signal
import smtplib

import dkim
import pytest

from capture import EXTENSIONS, Capture
from harness import Problem, run, wait_for

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
CLEAR = 'rule "default" { try = { clear } }\n'
DKIM = 'dkim "sender.example" { selector = "s1" }\n'
RETRY = "first = 300ms max = 600ms"


@pytest.fixture
def peer():
    made = []

    def make(**options):
        made.append(Capture(**options).start())
        return made[-1]

    yield make
    for c in made:
        c.stop()


@pytest.fixture
def signing(make_gateway):
    """A gateway that signs, and the record of its key."""
    def make(port, rules=CLEAR, key=True, dkim=DKIM, **more):
        g = make_gateway(port, rules=rules + dkim, start=False, retry=RETRY, **more)
        g.start()
        record = g.cli_json("dkim", "generate", "Sender.Example", "S1") if key else None
        return g, record
    return make


def text(body="Dear Carol,\r\n  a  line \t\r\n.\r\n..dots\r\n\r\n\r\n", more=""):
    return ("From: Sam <%s>\r\nTo: %s\r\nSubject:  a\r\n folded   subject\r\n"
            "Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n"
            "%s\r\n%s" % (SENDER, CAROL, more, body)).encode()


def verified(record, data, n=0):
    """The field of that number, by python3-dkim, with the record as the DNS would
    have it."""
    value = "".join(re.findall('"([^"]*)"', record["record"])).encode()
    asked = []

    def lookup(name, timeout=5):
        asked.append(name.decode())
        return value

    try:
        good = dkim.DKIM(data).verify(n, dnsfunc=lookup)
    except dkim.ValidationError:
        return False
    assert asked == [record["name"] + "."], asked
    return good


@pytest.mark.parametrize("extensions", [
    EXTENSIONS,
    [x for x in EXTENSIONS if x != "CHUNKING"],
    [x for x in EXTENSIONS if x not in ("CHUNKING", "8BITMIME")],
], ids=["BDAT", "DATA", "without 8BITMIME"])
def test_what_leaves_is_signed_as_it_arrives(signing, peer, extensions):
    p = peer(extensions=extensions)
    g, record = signing(p.port)
    assert record["name"] == "s1._domainkey.sender.example"
    g.send(SENDER, CAROL, text())
    g.send(SENDER, CAROL, text(
        "Gr\u00fc\u00dfe\r\n" * 3, "MIME-Version: 1.0\r\nContent-Type: text/plain; "
        "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n").decode().encode("utf-8"),
           mail_options=["BODY=8BITMIME"])
    g.send(SENDER, CAROL, text("x" * 70 + "\r\n" + ("large line\r\n" * 60000)))
    for m in p.wait(3):
        assert m.data.startswith(b"DKIM-Signature: ")
        assert verified(record, m.data)
        if "8BITMIME" not in extensions:
            m.data.decode("ascii")
    # it can fail
    data = next(m.data for m in p.messages if b"Dear Carol" in m.data)
    assert not verified(record, data.replace(b"Dear Carol", b"Dear Coral"))
    assert not verified(record, b"From: other@x.example\r\n" + data)
    assert not verified(record, b"Subject: other\r\n" + data)


def test_what_the_gateway_writes_is_signed(signing, peer):
    """A bounce."""
    p = peer(verbs={"RCPT": [(550, "5.1.1 no")]})
    g, record = signing(p.port)
    g.send(SENDER, CAROL, text())
    (m,) = wait_for("the bounce", lambda: [m for m in p.messages if m.mail_from == ""])
    assert m.rcpts == [SENDER]
    assert re.search(rb"^From: .*sender\.example", m.data, re.M)
    assert verified(record, m.data)


def test_mail_of_others_is_not(signing, peer):
    p = peer()
    g, _ = signing(p.port)
    g.send(SENDER, CAROL, text().replace(b"Sam <sam@sender.example>", b"x@other.example"))
    (m,) = p.wait()
    assert b"DKIM-Signature" not in m.data


def test_what_others_send_in_our_name_is_not(signing, peer):
    """Forwarded: From says what a stranger likes, and so does the rest of the header
    of what has no sender."""
    p = peer()
    g, record = signing(p.port)
    rows = [("mallory@other.example", "", False), ("", "", False), (SENDER, "", True),
            ("mallory@other.example", "Auto-Submitted: auto-replied\r\n", False),
            ("", "Auto-Submitted: no\r\n", False),
            ("", "Auto-Submitted: auto-replied\r\n", False),
            ("", "MIME-Version: 1.0\r\nContent-Type: multipart/report; "
             "report-type=delivery-status; boundary=b\r\n", False)]
    for n, (sender, more, signed) in enumerate(rows, 1):
        g.send(sender, CAROL, text(more=more))
        m = p.wait(n)[-1]
        assert (b"DKIM-Signature" in m.data) == signed, (sender, more)
        assert not signed or verified(record, m.data)
    wait_for("the log", lambda: g.log().count("event=unsigned") == 6)


def test_automatic_answers_of_our_own_server_are_where_asked_for(signing, peer):
    """Of clients that may sign, from our domain, and of nothing that came in here."""
    p = peer()
    g, record = signing(p.port, listen='may-sign = "127.0.0.1" clients = "127.0.0.0/8"',
                        dkim=DKIM.replace("}", "null-sender = true }"),
                        rules='rule "held" { to = "dan@partner.example" try = { hold } }\n' + CLEAR)
    passed_on = ("Received: from far.example ([192.0.2.1])\r\n\tby gw.sender.example with ESMTP id "
                 "1;\r\n\tSun, 22 Nov 2026 08:00:00 +0000\r\n")
    rows = [("", text(more="Auto-Submitted: auto-replied\r\n"), "127.0.0.1", True),
            ("", text(), "127.0.0.1", True),
            ("", text(), "127.0.0.2", False),
            ("", text(more=passed_on), "127.0.0.1", False),
            ("", text().replace(b"<sam@sender", b"<sam@other"), "127.0.0.1", False),
            ("", text().replace(b"From: Sam <", b"From: x@other.example, <"), "127.0.0.1", False),
            ("mallory@other.example", text(), "127.0.0.1", False)]
    for n, (sender, octets, client, signed) in enumerate(rows, 1):
        with smtplib.SMTP("127.0.0.1", g.port, timeout=60, source_address=(client, 0)) as s:
            s.sendmail(sender, [CAROL], octets)
        m = p.wait(n)[-1]
        assert (b"DKIM-Signature" in m.data) == signed, rows[n - 1]
        assert not signed or verified(record, m.data)
    # one that was held is looked at again
    held = text(more=passed_on).replace(CAROL.encode(), b"dan@partner.example")
    for octets in (held, text()):
        with smtplib.SMTP("127.0.0.1", g.port, timeout=60) as s:
            s.sendmail("", ["dan@partner.example"], octets)
    for entry in g.cli_json("queue", "list", "--state", "held"):
        g.cli("queue", "release", entry["entry"])
    signed = [b"DKIM-Signature" in m.data for m in p.wait(len(rows) + 2)[-2:]]
    assert sorted(signed) == [False, True]


def test_a_second_key_signs_as_well(signing, peer):
    """RFC 8463, beside RSA; without one of the keys nothing leaves."""
    p = peer(extensions=[x for x in EXTENSIONS if x not in ("CHUNKING", "8BITMIME")])
    g, rsa = signing(p.port, dkim='dkim "sender.example" { selector = "s1"'
                     ' ed25519-selector = "e1" }\n')
    g.send(SENDER, CAROL, text())
    g.send(SENDER, CAROL, text(
        "Gr\u00fc\u00dfe\r\n" * 3, "MIME-Version: 1.0\r\nContent-Type: text/plain; "
        "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n").decode().encode("utf-8"),
           mail_options=["BODY=8BITMIME"])
    wait_for("a refusal", lambda: 'key="e1._domainkey.sender.example"' in g.log())
    assert not p.sessions
    key = g.cli_json("dkim", "generate", "--ed25519", "sender.example", "e1")
    assert re.fullmatch('"v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}="', key["record"])
    assert g.cli_json("dkim", "show", "sender.example", "e1") == key
    for m in p.wait(2):
        assert m.data.count(b"DKIM-Signature: ") == 2
        assert verified(rsa, m.data) and verified(key, m.data, 1)
    bad = p.messages[0].data.replace(b"Subject:", b"Subject: no", 1)
    assert not verified(rsa, bad) and not verified(key, bad, 1)


def test_keys_that_die_while_they_are_needed(signing, peer):
    """Mail that waits is signed anew each time: never sent without."""
    # nothing is said behind what was refused
    p = peer(verbs={"MAIL": (451, "4.3.0 later")}, extensions=["8BITMIME"])
    g, record = signing(p.port)
    g.send(SENDER, CAROL, text())
    wait_for("a deferral", lambda: [r for r in g.audit() if r["rec"]["type"] == "deferred"])
    assert "not-signed" not in g.log()

    def seen():
        for pid in g.pids().get("keys", []):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return "event=not-signed" in g.log()
    wait_for("a try without keys", seen)
    p.verbs.clear()
    (m,) = p.wait()
    assert m.rcpts == [CAROL] and verified(record, m.data)
    assert p.everything().count(b"Dear Carol") == 1


def test_a_domain_below_is_signed_for(signing, peer):
    p = peer()
    g, record = signing(p.port)
    g.send(SENDER, CAROL, text().replace(b"sam@sender.example", b"sam@a.sender.example"))
    (m,) = p.wait()
    assert b"d=sender.example;" in m.data and verified(record, m.data)


def test_without_its_key_mail_waits(signing, peer):
    p = peer()
    g, _ = signing(p.port, key=False)
    g.send(SENDER, CAROL, text())
    wait_for("the refusal", lambda: "not-signed" in g.log())
    (row,) = wait_for("the record", lambda: [
        r["rec"] for r in g.audit() if r["rec"].get("type") == "deferred"][:1])
    assert "there is no such DKIM key" in row["reply"]
    assert not p.messages and not p.sessions
    record = g.cli_json("dkim", "generate", "sender.example", "s1")
    (m,) = p.wait(1)
    assert verified(record, m.data)


def test_keys_on_the_command_line(signing, peer, tmp_path):
    p = peer()
    g, record = signing(p.port)
    assert record["record"].startswith('"v=DKIM1; k=rsa; p=')
    assert all(len(s) <= 255 for s in re.findall('"([^"]*)"', record["record"]))
    assert g.cli_json("dkim", "show", "sender.example", "s1") == record
    shown = g.cli("dkim", "show", "sender.example", "s1").stdout.decode()
    assert shown == "%s. IN TXT ( %s )\n" % (record["name"], record["record"])
    assert g.cli("dkim", "generate", "sender.example", "s1", check=False).returncode == 1
    assert g.cli("dkim", "show", "sender.example", "s2", check=False).returncode == 1
    assert g.cli("dkim", "show", "sender.example", "s_2", check=False).returncode == 2
    ec, rsa, ed = (tmp_path / name for name in ("ec.pem", "rsa.pem", "ed.pem"))
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-out", ec)
    run("openssl", "genrsa", "-out", rsa, "2048")
    assert g.cli("dkim", "import", "sender.example", "s3", ec, check=False).returncode != 0
    run("openssl", "genpkey", "-algorithm", "ED25519", "-out", ed)
    assert "k=ed25519" in g.cli_json("dkim", "import", "sender.example", "s3", ed)["record"]
    g.cli("dkim", "delete", "sender.example", "s1")
    taken = g.cli_json("dkim", "import", "sender.example", "s1", rsa)
    assert taken["record"] != record["record"]
    g.send(SENDER, CAROL, text())
    (m,) = p.wait()
    assert verified(taken, m.data) and not verified(record, m.data)


def test_mail_by_mx_without_it_is_warned_of(make_gateway):
    g = make_gateway(1, rules=CLEAR, start=False)
    conf = g.conf.read_text()
    old = next(s for s in conf.splitlines() if s.startswith("relay outbound"))
    g.conf.write_text(conf.replace(old, 'relay outbound { via = "mx" }'))
    said = run(g.build / "sealgated", "-n", "-f", g.conf)
    assert b"leaves by MX without a DKIM signature" in said.stderr + said.stdout
    g.conf.write_text(g.conf.read_text() + DKIM)
    said = run(g.build / "sealgated", "-n", "-f", g.conf)
    assert b"DKIM" not in said.stderr + said.stdout
    g.conf.write_text(g.conf.read_text() + DKIM)
    with pytest.raises(Problem, match="a second time"):
        run(g.build / "sealgated", "-n", "-f", g.conf)
