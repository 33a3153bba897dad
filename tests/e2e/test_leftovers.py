# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P1, P2: what waits in the spool, for whatever reason, is there after a power
cut and goes on; what nobody can be told of is held, never dropped."""
import json
import os
import signal
import smtplib

import pytest

from capture import Capture
from harness import message, wait_for

SENDER = "sam@sender.example"
ALICE, BOB, CAROL = "alice@partner.example", "bob@partner.example", "carol@partner.example"
LATE = "late@partner.example"
CANARY = b"canary-0818-canary"
QUICK = "first = 200ms max = 400ms"


def entries(gw):
    """{recipient: entry} of the queue."""
    return {r["addr"]: e for e in gw.cli_json("queue", "list") for r in e["rcpts"]}


def signal_role(gw, role, signo):
    for pid in gw.pids()[role]:
        os.kill(pid, signo)


def expired_key(keys):
    out = keys.root / "late-expired.asc"
    if not out.exists():
        keys.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--faked-system-time",
                 "20200101T000000", "--quick-generate-key", "Late <%s>" % LATE,
                 "future-default", "default", "30d")
        out.write_bytes(keys.gpg("--armor", "--export", LATE).stdout)
    return out


def audit_types(gw):
    return [r["rec"].get("type") for r in gw.audit()]


def test_all_that_waits_survives_a_power_cut(make_gateway, capture, keys):
    """Delayed, held, undecided, and a notice whose object the portal lacks."""
    capture.extensions = ["8BITMIME"]  # nothing is said behind what was refused
    capture.verbs["MAIL"] = lambda line: (451, "4.3.0 later")
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt, expired_key(keys)],
                      retry=QUICK, rules='''
rule "held" { to = "held@partner.example" try = { smime, hold } }
rule "late" { to = "late@partner.example" try = { smime, pgp, clear } }
rule "default" { try = { smime, pgp, escrow } }
''')
    signal_role(gw, "portal", signal.SIGSTOP)
    text = message(body=CANARY.decode() + "\r\n", to="%s, %s" % (ALICE, LATE))
    gw.send(SENDER, [ALICE, LATE], text)
    gw.send(SENDER, "held@partner.example", message(body=CANARY.decode() + "\r\n"))
    gw.send(SENDER, CAROL, message(body=CANARY.decode() + "\r\n"))
    before = entries(gw)
    assert {a: e["state"] for a, e in before.items()} == {
        ALICE: "queued", LATE: "queued", "held@partner.example": "held", CAROL: "waiting"}
    gw.kill()
    gw.start()
    after = entries(gw)
    assert set(after) == set(before)
    assert after["held@partner.example"]["state"] == "held"
    assert all(after[a]["entry"] == before[a]["entry"] for a in (ALICE, CAROL))
    # the portal is back, the next hop is back, a key has come
    late = keys.certificate(LATE)[0]
    held = keys.certificate("held@partner.example", name="held")
    gw.cli("key", "import", late, held[0])
    gw.cli("queue", "release", after["held@partner.example"]["entry"])
    capture.verbs.clear()
    got = {m.rcpts[0]: m.data for m in capture.wait(4)}
    assert set(got) == {ALICE, LATE, "held@partner.example", CAROL}
    assert b"pkcs7-mime" in got[LATE] and b"pkcs7-mime" in got["held@partner.example"]
    assert b"/m/" in got[CAROL]
    assert CANARY not in capture.everything()
    assert CANARY in keys.open_smime(got["held@partner.example"], held[1])
    wait_for("the queue to be empty", lambda: not entries(gw))
    wait_for("the rows", lambda: audit_types(gw).count("sent") == 4)
    assert {"released", "object-ready", "decided"} <= set(audit_types(gw))
    gw.cli("audit", "verify")


def test_a_late_message_is_warned_of_then_returned(make_gateway, capture):
    """The clock of its age goes on through a power cut: the next try is the last."""
    inside = Capture().start()
    capture.verbs["MAIL"] = lambda line: (451, "4.3.0 later")
    long, short = "hold = 1h expire = 1h", "hold = 1s expire = 1s"
    try:
        gw = make_gateway(capture.port, rules='rule "clear" { try = { clear } }\n',
                          inbound=inside.port, retry=QUICK + " warn = 500ms " + long)
        gw.send(SENDER, CAROL, message(subject="outer", body=CANARY.decode() + "\r\n"))
        warning = inside.wait(1)[0]
        assert b"Action: delayed" in warning.data and CANARY not in warning.data
        # killed before that is noted, it would be sent once more
        wait_for("the warning to be noted, and a second", lambda: {
            a: e["age_s"] >= 1 for a, e in entries(gw).items()} == {CAROL: True})
        gw.kill()
        capture.hung_up()
        before = len(capture.sessions)
        assert long in gw.conf.read_text()
        gw.conf.write_text(gw.conf.read_text().replace(long, short))
        gw.start()
        failure = inside.wait(2)[1]
        assert b"Action: failed" in failure.data and CANARY not in failure.data
        assert failure.mail_from == "" and failure.rcpts == [SENDER]
        wait_for("the queue to be empty", lambda: not entries(gw))
        assert len(inside.messages) == 2
        assert sum(line.startswith(b"MAIL") for s in capture.sessions[before:]
                   for line in s.lines) == 1
    finally:
        inside.stop()


def test_what_has_no_sender_is_held_not_dropped(make_gateway, capture, keys):
    """Refused by a rule after DATA for one of two, and refused by the next hop."""
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], retry=QUICK, rules='''
rule "tagged" { subject-tag = "[strict]" try = { smime, reject } }
rule "default" { try = { smime, clear } }
''')
    capture.extensions = ["8BITMIME"]  # no octets to who takes no recipient
    capture.verbs["RCPT"] = lambda line: (550, "5.1.1 nobody") if b"alice" in line else None
    with smtplib.SMTP("127.0.0.1", gw.port, timeout=90) as s:
        s.sendmail("", [ALICE, CAROL],
                   message(subject="[strict] x", body=CANARY.decode() + "\r\n",
                           to="%s, %s" % (ALICE, CAROL)))
    wait_for("both to be held", lambda: {a: e["state"] for a, e in entries(gw).items()} == {
        ALICE: "held", CAROL: "held"})
    wait_for("the log", lambda: gw.log().count("event=held") >= 2)
    gw.kill()
    gw.start()
    held = entries(gw)
    assert set(held) == {ALICE, CAROL}
    assert all("no sender to tell" in e["last"] + e["reason"] for e in held.values())
    assert not capture.messages
    # mended: both go on, carol by the certificate that she has now
    capture.verbs.clear()
    gw.cli("key", "import", keys.certificate(CAROL)[0])
    gw.cli("queue", "release", held[ALICE]["entry"], held[CAROL]["entry"])
    got = capture.wait(2)
    assert all(b"pkcs7-mime" in m.data for m in got)
    wait_for("the queue to be empty", lambda: not entries(gw))
    wait_for("the rows", lambda: audit_types(gw).count("held") == 2)
    gw.cli("audit", "verify")


def test_a_peer_that_was_silent_is_asked_again(make_gateway, capture, keys):
    """keys does not answer for longer than a worker waits: nothing goes out,
    and afterwards everything goes on without a restart."""
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], retry=QUICK,
                      limits="workers = 1",
                      rules='rule "held" { try = { smime, hold } }\n')
    gw.send(SENDER, CAROL, message(body=CANARY.decode() + "\r\n"))
    silent = gw.pids()["keys"]
    signal_role(gw, "keys", signal.SIGSTOP)
    gw.cli("key", "import", keys.certificate(CAROL)[0])
    gw.cli("queue", "release", entries(gw)[CAROL]["entry"])
    wait_for("a try", lambda: entries(gw)[CAROL]["tries"] > 0)
    assert not capture.messages
    signal_role(gw, "keys", signal.SIGCONT)
    assert b"pkcs7-mime" in capture.wait(1)[0].data
    assert gw.pids()["keys"] == silent


def test_a_notice_waits_for_a_portal_that_is_down_with_an_alarm(make_gateway, capture):
    gw = make_gateway(capture.port, retry=QUICK + " hold = 1s")
    signal_role(gw, "portal", signal.SIGSTOP)
    gw.send(SENDER, CAROL, message(body=CANARY.decode() + "\r\n"))
    wait_for("the alarm", lambda: "event=waiting" in gw.log())
    wait_for("its row", lambda: "waiting" in audit_types(gw))
    assert not capture.messages
    signal_role(gw, "portal", signal.SIGCONT)
    assert b"/m/" in capture.wait(1)[0].data


def test_what_is_refused_at_rcpt_is_in_the_audit_log(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], portal=False, rules='''
rule "default" { to = "@partner.example" try = { smime, reject } }
''')
    with smtplib.SMTP("127.0.0.1", gw.port, timeout=90) as s:
        s.ehlo("x")
        s.mail(SENDER)
        assert s.rcpt(CAROL)[0] == 550
        assert s.rcpt("x@other.example")[0] == 550
        assert s.rcpt(ALICE)[0] == 250
    wait_for("the rows", lambda: [
        (r["rec"]["rcpt"], r["rec"]["from"], r["rec"]["client"]) for r in gw.audit()
        if r["rec"].get("type") == "refused"] == [
            (CAROL, SENDER, "127.0.0.1"), ("x@other.example", SENDER, "127.0.0.1")])
    gw.cli("audit", "verify")


def refusals(gw):
    return [r["rec"] for r in gw.audit() if r["rec"].get("type") == "refused"]


def test_what_is_refused_at_data_is_in_the_audit_log(make_gateway, capture, keys):
    """For good and for the moment, with the reason; nothing else of it is."""
    late = keys.root / "late.asc"
    keys.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--faked-system-time",
             "20200101T000000", "--quick-generate-key", "Late <late@partner.example>",
             "future-default", "default", "30d")
    late.write_bytes(keys.gpg("--armor", "--export", "late@partner.example").stdout)
    gw = make_gateway(capture.port, import_keys=[late], portal=False, rules='''
rule "private" { sensitivity = "company-confidential" try = { reject } }
rule "default" { try = { smime, pgp, clear } }
''')

    def send(to, msg, code):
        with pytest.raises(smtplib.SMTPResponseException) as e:
            gw.send(SENDER, to, msg)
        assert e.value.smtp_code == code
        return e.value.smtp_error.decode()
    for_good = send(ALICE, b"Sensitivity: Company-Confidential\r\n" + message(), 550)
    later = send("late@partner.example", message(), 451)
    rows = wait_for("the rows", lambda: len(refusals(gw)) >= 2 and refusals(gw))
    assert [r["code"] for r in rows] == [550, 451]
    assert [r["rcpts"] for r in rows] == [[ALICE], ["late@partner.example"]]
    for row, said in zip(rows, (for_good, later)):
        assert row["at"] == "data" and row["from"] == SENDER
        assert row["reason"].split()[0] in said and row["status"] in said
    # why nobody could be decided stands beside it
    for row, result in zip(rows, ("refused", "deferred")):
        out = gw.cli("audit", "list", "--json", "--id", row["id"], "--result", result).stdout
        decided = json.loads(out)["rec"]
        assert decided["rcpt"] in row["rcpts"] and decided["rules"]
    # nothing of them is here
    assert json.loads(gw.cli("--json", "queue", "list").stdout) in ([], {"entries": []})
    gw.cli("audit", "verify")
