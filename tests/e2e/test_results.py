# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What rules do beside choosing a rung: copies for an archive, and a word to
the sender on how it went."""
import json
import smtplib

import pytest

from capture import Capture
from harness import message, wait_for

SENDER, ALICE, CAROL = "sam@sender.example", "alice@partner.example", "carol@partner.example"
VAULT = "vault@archive.example"
KEPT = '''
rule "kept" { header = "X-Keep" archive = "%s" try = { smime, clear } }
rule "default" { try = { smime, clear } }
''' % VAULT
SECRET = "The numbers of the third quarter.\r\n"


@pytest.fixture(scope="module")
def vault(keys):
    return keys.certificate(VAULT)


@pytest.fixture
def inside():
    c = Capture().start()
    yield c
    c.stop()


def keep(text):
    return b"X-Keep: 1\r\n" + text


def by_rcpt(messages):
    return {r.lower(): m.data for m in messages for r in m.rcpts}


def test_an_archive_gets_a_copy_that_only_its_key_opens(make_gateway, capture, keys, vault):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt, vault[0]], rules=KEPT)
    gw.send(SENDER, [ALICE, CAROL], keep(message(to=ALICE, body=SECRET)))
    got = by_rcpt(capture.wait(3))
    assert set(got) == {ALICE, CAROL, VAULT}
    assert SECRET.encode() in got[CAROL], "the rule says that it may leave readable"
    assert SECRET.strip().encode() not in got[VAULT] and b"pkcs7-mime" in got[VAULT]
    assert b"A test" not in got[VAULT], "nor its subject"
    assert SECRET.encode() in keys.open_smime(got[VAULT], vault[1])
    for who in (ALICE, CAROL):
        assert VAULT.encode() not in got[who], "nobody learns of the archive"
    # without the header no copy
    gw.send(SENDER, CAROL, message(to=CAROL))
    capture.wait(4)
    gw.stop()
    assert len(capture.messages) == 4
    rows = [r["rec"] for r in gw.audit()]
    decided = {r["rcpt"]: r for r in rows if r.get("type") == "decided" and "archive" in r}
    assert set(decided) == {ALICE, CAROL} and decided[CAROL]["archive"] == [VAULT]
    copy = [r for r in rows if r.get("type") == "decided" and r.get("copy")]
    assert [(r["rcpt"], r["rung"]) for r in copy] == [(VAULT, "smime")]


def test_without_a_copy_nothing_is_sent(make_gateway, capture, keys, vault):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "kept" { to = "%s" archive = "%s" try = { smime, clear } }
rule "default" { try = { clear } }
''' % (ALICE, VAULT))
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        gw.send(SENDER, ALICE, message(to=ALICE))
    assert refused.value.smtp_code == 451 and b"archive" in refused.value.smtp_error
    assert VAULT.encode() not in refused.value.smtp_error
    assert "event=archive" in gw.log()
    told = gw.cli("explain", "--from", SENDER, "--to", ALICE).stdout.decode()
    assert "deferred" in told and VAULT in told, told
    # beside somebody who needs none it waits, and goes with its copy once there is a key
    gw.send(SENDER, [ALICE, CAROL], message(to=ALICE, body=SECRET))
    assert set(by_rcpt(capture.wait(1))) == {CAROL}
    gw.cli("key", "import", vault[0])
    gw.cli("queue", "flush")
    got = by_rcpt(capture.wait(3))
    assert set(got) == {ALICE, CAROL, VAULT}
    assert SECRET.encode() in keys.open_smime(got[VAULT], vault[1])
    wait_for("an empty queue", lambda: json.loads(
        gw.cli("--json", "queue", "list").stdout) == [])
    told = gw.cli("explain", "--from", SENDER, "--to", ALICE).stdout.decode()
    assert "an encrypted copy for " + VAULT in told, told


def test_a_copy_that_cannot_be_delivered_is_held(make_gateway, keys, vault, inside):
    refuses = Capture(verbs={"RCPT": lambda line: (550, "5.1.1 no") if b"vault" in (
        line if isinstance(line, bytes) else line.encode()) else None}).start()
    try:
        gw = make_gateway(refuses.port, import_keys=[keys.alice_crt, vault[0]],
                          inbound=inside.port, rules=KEPT)
        gw.send(SENDER, ALICE, keep(message(to=ALICE)))
        refuses.wait(1)
        wait_for("the copy to be held", lambda: [
            e["state"] for e in json.loads(gw.cli("--json", "queue", "list").stdout)] == ["held"])
        assert inside.messages == [], "the sender knows of no copy"
    finally:
        refuses.stop()


NOTIFIED = '''
rule "partners" { to = "@partner.example" notify = true try = { smime, escrow } }
rule "never" { to = "@never.example" notify = true try = { smime, reject } }
rule "silent" { try = { clear } }
'''


def test_the_sender_is_told_once_how_it_went(make_gateway, capture, keys, inside):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], inbound=inside.port,
                      rules=NOTIFIED)
    mail = message(to="%s, x@other.example" % ALICE, subject="Third quarter", body=SECRET)
    # carol is a hidden recipient
    gw.send(SENDER, [ALICE, CAROL, "x@other.example"], mail)
    note = inside.wait(1)[0]
    assert note.mail_from == "" and [r.lower() for r in note.rcpts] == [SENDER]
    text = note.data.decode()
    for words in (ALICE + "\r\n    sent encrypted for this recipient (S/MIME).",
                  CAROL + "\r\n    kept encrypted for this recipient, who gets a link",
                  "Auto-Submitted: auto-generated", "In-Reply-To: <t"):
        assert words in text, text
    for word in ("x@other.example", "Third quarter", SECRET.strip(), "/m/"):
        assert word not in text, text
    capture.wait(3)
    for m in capture.messages:
        if CAROL not in m.rcpts:
            assert CAROL.encode() not in m.data
    # nobody else is told, and nothing of what has no such rule
    gw.send("", ALICE, message(to=ALICE))
    gw.send("stranger@other.example", ALICE, message(to=ALICE))
    gw.send(SENDER, ALICE, b"Auto-Submitted: auto-replied\r\n" + message(to=ALICE))
    gw.send(SENDER, "x@other.example", message(to="x@other.example"))
    with pytest.raises(smtplib.SMTPException):
        gw.send(SENDER, "a@never.example", message(to="a@never.example"))
    capture.wait(7)
    gw.send(SENDER, ALICE, message(to=ALICE))
    assert len(inside.wait(2)) == 2
    gw.stop()
    assert len(inside.messages) == 2


def test_the_sender_is_told_of_what_waits_and_again_when_it_goes(
        make_gateway, capture, keys, inside, vault):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], inbound=inside.port,
                      rules='''
rule "kept" { to = "%s" archive = "%s" notify = true try = { smime, clear } }
rule "default" { try = { clear } }
''' % (ALICE, VAULT))
    gw.send(SENDER, [ALICE, CAROL], message(to=ALICE))
    first = inside.wait(1)[0].data.decode()
    assert ALICE + "\r\n    not sent yet: " in first and CAROL not in first, first
    gw.cli("key", "import", vault[0])
    gw.cli("queue", "flush")
    second = inside.wait(2)[1].data.decode()
    assert "sent encrypted for this recipient (S/MIME)" in second and VAULT not in second, second
