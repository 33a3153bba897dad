# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""`together`: nobody gets what another recipient of the message does not get."""
import os
import signal
import smtplib

import pytest

from harness import message, wait_for

SENDER = "sam@sender.example"
ALICE, BOB, CAROL = "alice@partner.example", "bob@partner.example", "carol@partner.example"
CANARY = "canary 2718 canary"


def text(to, **more):
    return message(body=CANARY + "\r\n", to=", ".join(to), **more)


def results(gw):
    """{recipient: result} of the audit log, once the gateway has stopped."""
    gw.stop()
    return {r["rec"]["rcpt"]: r["rec"]["result"] for r in gw.audit()
            if r["rec"].get("type") == "decided"}


def test_all_get_the_rung_of_the_weakest_placed(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "together" { to = { "@partner.example" } try = { smime, escrow } together = true }
''')
    gw.send(SENDER, [ALICE, CAROL], text([ALICE, CAROL]))
    got = capture.wait(2)
    assert sorted(m.rcpts[0] for m in got) == [ALICE, CAROL]
    for m in got:
        assert b"pkcs7-mime" not in m.data and b"/m/" in m.data
    # alone she gets what is best for her
    gw.send(SENDER, ALICE, text([ALICE]))
    assert b"pkcs7-mime" in capture.wait(3)[2].data
    assert CANARY.encode() not in capture.everything()


def test_equally_strong_rungs_stay_what_they_are(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt, keys.bob_asc], rules='''
rule "together" { try = { smime, pgp, reject } together = true }
''')
    gw.send(SENDER, [ALICE, BOB], text([ALICE, BOB]))
    got = {m.rcpts[0]: m.data for m in capture.wait(2)}
    assert b"pkcs7-mime" in got[ALICE] and b"multipart/encrypted" in got[BOB]


def test_one_refused_and_nobody_gets_it(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "together" { try = { smime, reject } together = true }
''')
    with pytest.raises(smtplib.SMTPDataError) as refused:
        gw.send(SENDER, [ALICE, CAROL], text([ALICE, CAROL]))
    assert refused.value.smtp_code == 550
    reason = refused.value.smtp_error.decode()
    assert "together" in reason and "@" not in reason
    assert results(gw) == {ALICE: "refused", CAROL: "refused"}
    assert not capture.messages


def test_a_tag_can_ask_for_it(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "asked-for" { subject-tag = "[together]" try = { smime, escrow } together = true }
rule "default" { try = { smime, escrow } }
''')
    gw.send(SENDER, [ALICE, CAROL], text([ALICE, CAROL], subject="[together] x"))
    for m in capture.wait(2):
        assert b"pkcs7-mime" not in m.data and b"/m/" in m.data


def test_one_fails_and_all_wait(make_gateway, capture, keys):
    """Alice's certificate would do, but nobody can tell about carol."""
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt],
                      options="discovery { timeout = 500ms }\n", rules='''
rule "together" { try = { smime, clear } together = true }
''')

    def code():
        try:
            gw.send(SENDER, [ALICE, CAROL], text([ALICE, CAROL]))
            return 250
        except smtplib.SMTPResponseException as e:
            return e.smtp_code

    for pid in gw.pids()["discovery"]:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert code() == 451
        assert not capture.messages
    finally:
        for pid in gw.pids()["discovery"]:
            os.kill(pid, signal.SIGCONT)
    wait_for("discovery to answer again", lambda: code() == 250)
    # and then the rule lets both have it readable, together
    assert CANARY.encode() in capture.wait(1)[0].data
    assert sorted(r for m in capture.messages for r in m.rcpts) == [ALICE, CAROL]


def test_held_together_and_explained_together(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "together" { try = { smime, hold } together = true }
''')
    out = gw.cli("explain", "--from", SENDER, "--to", ALICE, "--to", CAROL).stdout.decode()
    assert out.count(": held") == 2 and "together" in out
    gw.send(SENDER, [ALICE, CAROL], text([ALICE, CAROL]))
    entries = gw.cli_json("queue", "list")
    entries = entries if isinstance(entries, list) else entries["entries"]
    assert len(entries) == 1
    assert not capture.messages
