# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P1: an engine that fails, lies, dies or hangs while it seals has failed in
the sense of the ladder: another rung at least as strong, or the message waits,
whatever the ladder ends in. The text is nowhere, and what was half made is
gone. gpg itself is replaced, in a mount namespace of the gateway's own."""
import os
import smtplib

import pytest

from harness import BUILD, message, octets_below, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="putting a program in the place "
                                "of gpg needs root")
SENDER = "sam@sender.example"
ALICE, BOB = "alice@partner.example", "bob@partner.example"
CANARY = "canary-2718-canary"
BIG = CANARY + "\r\n" + ("z" * 70 + "\r\n") * 8000  # its body is a file of its own
RULES = {
    "opportunistic": 'rule "r" { try = { smime, pgp, clear } }\n',
    "escrow": 'rule "r" { try = { smime, pgp, escrow } }\n',
    "together": 'rule "r" { together = true try = { smime, pgp, clear } }\n',
}
IN_PLACE = """\
set -eu
mount --bind /usr/bin/gpg /usr/bin/gpgsm
mount --bind "$1" /usr/bin/gpg
shift
exec "$@"
"""
MODES = ("fail", "nothing", "garbage", "echo", "armor", "part", "die")


@pytest.fixture
def start(make_gateway, capture):
    """A gateway with a gpg that will misbehave on request."""
    def make(rules, *keys):
        gw = make_gateway(capture.port, start=False, rules=RULES[rules])
        gw.wrap = ["unshare", "-m", "--propagation", "private", "sh", "-c", IN_PLACE, "sh",
                   str(BUILD / "tests/lib/fake_gpg")]
        gw.start()
        if keys:
            gw.cli("key", "import", *keys)
        return gw
    return make


def misbehave(gw, mode):
    path = gw.runtime / "pgp" / "mode"
    path.write_text(mode)
    path.chmod(0o644)


def outcome(gw, rcpts, body=CANARY + "\r\n"):
    try:
        gw.send(SENDER, rcpts, message(body=body, to=", ".join(rcpts)))
        return 250
    except smtplib.SMTPResponseException as e:
        return e.smtp_code


def leftovers(gw):
    return [p for d in ("bodies", "escrow") for p in (gw.state / d).rglob("*")
            if p.is_file() and p.suffix not in (".mdb",)]


def everywhere(gw, capture):
    """All that left and all that lies on a disk or in the runtime directory."""
    return b"".join([capture.everything(), gw.log().encode(),
                     *(data for _, data in octets_below(gw.state, gw.runtime))])


def assert_nothing_came_out(gw, capture):
    assert not capture.messages
    assert CANARY.encode() not in everywhere(gw, capture)
    wait_for("nothing to be left", lambda: leftovers(gw) == [])


def test_the_gpg_in_the_middle_works(start, capture, keys):
    """Else the tests below would show nothing."""
    gw = start("opportunistic", keys.bob_asc)
    assert outcome(gw, [BOB]) == 250
    got = capture.wait(1)[0]
    assert b"multipart/encrypted" in got.data and CANARY.encode() not in got.data


@pytest.mark.parametrize("rules", ["opportunistic", "escrow"])
def test_a_failed_engine_makes_the_message_wait(start, capture, keys, rules):
    gw = start(rules, keys.bob_asc)
    failed = 0
    for mode in MODES:
        for body in (CANARY + "\r\n", BIG):
            misbehave(gw, mode)
            assert outcome(gw, [BOB], body) == 451, mode
            failed += 1
            assert gw.log().count("event=seal-failed") == failed, mode
            assert_nothing_came_out(gw, capture)
    misbehave(gw, "")
    wait_for("gpg to seal again", lambda: outcome(gw, [BOB]) == 250)
    assert b"multipart/encrypted" in capture.wait(1)[0].data


def test_a_rung_as_strong_takes_its_place(start, capture, keys):
    crt, key = keys.certificate(BOB, "bob-too")
    gw = start("opportunistic", keys.bob_asc, crt)
    rule = gw.conf.read_text().replace("smime, pgp, clear", "pgp, smime, clear")
    gw.conf.write_text(rule)
    gw.cli("reload")
    for n, mode in enumerate(MODES, 1):
        misbehave(gw, mode)
        assert outcome(gw, [BOB]) == 250, mode
        got = capture.wait(n)[n - 1]
        assert b"application/pkcs7-mime" in got.data, mode
        assert CANARY.encode() in keys.open_smime(got.data, key)
    assert CANARY.encode() not in everywhere(gw, capture)


def test_those_it_does_not_concern_get_their_mail(start, capture, keys):
    """alice's certificate seals; bob waits, sealed, and gets his in the end."""
    gw = start("opportunistic", keys.alice_crt, keys.bob_asc)
    misbehave(gw, "echo")
    assert outcome(gw, [ALICE, BOB], BIG) == 250
    assert capture.wait(1)[0].rcpts == [ALICE]
    failed = gw.log().count("event=seal-failed")

    def tried():
        gw.cli("queue", "flush")
        return gw.log().count("event=seal-failed") > failed
    wait_for("another try", tried)
    assert len(capture.messages) == 1
    assert CANARY.encode() not in everywhere(gw, capture)
    misbehave(gw, "")

    def flushed():  # an entry that is under way is not
        gw.cli("queue", "flush")
        return len(capture.messages) > 1
    wait_for("bob's", flushed)
    got = capture.wait(2)[1]
    assert got.rcpts == [BOB] and b"multipart/encrypted" in got.data
    assert CANARY.encode() not in everywhere(gw, capture)
    wait_for("the bodies' files to go", lambda: leftovers(gw) == [])


def test_what_was_half_made_is_gone(start, capture, keys):
    """Together: alice's variant is made, a file, before bob's fails."""
    gw = start("together", keys.alice_crt, keys.bob_asc)
    for mode in MODES:
        misbehave(gw, mode)
        assert outcome(gw, [ALICE, BOB], BIG) == 451, mode
        assert_nothing_came_out(gw, capture)


def test_a_key_that_expires_between_lookup_and_use(start, capture, keys):
    addr = "brief@partner.example"
    gw = start("opportunistic")
    keys.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--quick-generate-key",
             "Brief <%s>" % addr, "future-default", "default", "30d")
    brief = keys.root / "brief.asc"
    brief.write_bytes(keys.gpg("--armor", "--export", addr).stdout)
    gw.cli("key", "import", brief)
    misbehave(gw, "later")
    assert gw.cli_json("explain", "--from", SENDER, "--to", addr)[0]["rung"] == "pgp"
    assert outcome(gw, [addr]) == 451
    assert_nothing_came_out(gw, capture)
    assert 'rung="pgp"' in gw.log()  # it was tried, and had not expired then
