# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What could not be decided at once waits, sealed, and is decided later; what
is held waits for an administrator. Nothing of it is lost or gets weaker."""
import os
import signal

from harness import message, wait_for

SENDER = "sam@sender.example"
ALICE, CAROL = "alice@partner.example", "carol@partner.example"
OURS = "otto@sender.example"
CANARY = b"canary-0818-canary"


def queue(gw):
    got = gw.cli_json("queue", "list")
    return got if isinstance(got, list) else got["entries"]


def freeze(gw, role, signo):
    for pid in gw.pids()[role]:
        os.kill(pid, signo)


def test_an_undecided_recipient_waits_and_is_decided_later(make_gateway, capture, keys):
    """Discovery is silent: alice's key is here, carol's may be anywhere."""
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], inbound=capture.port,
                      options="discovery { timeout = 300ms }\n", retry="first = 300ms max = 1s",
                      rules='rule "all" { try = { smime, escrow } }\n')
    freeze(gw, "discovery", signal.SIGSTOP)
    to = [ALICE, CAROL, OURS]
    gw.send(SENDER, to, message(body=CANARY.decode() + "\r\n", to=", ".join(to)))
    assert [m.rcpts for m in capture.wait(1)] == [[ALICE]]
    freeze(gw, "discovery", signal.SIGCONT)
    got = capture.wait(3)
    assert sorted(m.rcpts[0] for m in got) == sorted(to)
    assert CANARY not in capture.everything()
    wait_for("an empty queue", lambda: not queue(gw))


def test_undecided_mail_survives_a_power_cut(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt],
                      options="discovery { timeout = 300ms }\n", retry="first = 1s max = 1s",
                      rules='rule "all" { try = { smime, escrow } }\n')
    freeze(gw, "discovery", signal.SIGSTOP)
    gw.send(SENDER, [ALICE, CAROL], message(body=CANARY.decode() + "\r\n"))
    capture.wait(1)
    gw.kill()
    gw.start()
    capture.wait(2)
    assert CANARY not in capture.everything()


def test_what_is_given_up_and_has_no_sender_is_held(make_gateway, capture, keys):
    """It is too long for the spool: the file it lies in is another then."""
    long, short = "warn = 1h hold = 1h expire = 1h", "warn = 1s hold = 1s expire = 1s"
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt],
                      options="discovery { timeout = 300ms }\n",
                      retry="first = 1h max = 1h " + long,
                      rules='rule "all" { try = { smime, escrow } }\n')
    freeze(gw, "discovery", signal.SIGSTOP)
    gw.send("", [ALICE, CAROL], message(body=(CANARY.decode() + "\r\n") * 20000))
    assert [m.rcpts for m in capture.wait(1)] == [[ALICE]]
    (entry,) = wait_for("hers to go", lambda: queue(gw) if len(queue(gw)) == 1 else None)
    (before,) = wait_for("the file", lambda: (
        lambda names: names if len(names) == 1 else None)(
            [p.name for p in (gw.state / "bodies").iterdir()]))
    assert entry["state"] == "queued" and before == entry["entry"]
    gw.change_conf(long, short)
    wait_for("its time to be over", lambda: queue(gw)[0]["age_s"] >= 1)

    def held():  # a try that is under way has been told the old times
        gw.cli("queue", "flush")
        return [e for e in queue(gw) if e["state"] == "held"]
    wait_for("it to be held", held)
    (body,) = wait_for("the new file", lambda: [
        p for p in (gw.state / "bodies").iterdir() if p.name != before])
    assert CANARY not in body.read_bytes()
    assert len(capture.messages) == 1


def test_held_mail_goes_on_when_there_is_a_key_and_it_is_released(make_gateway, capture, keys):
    gw = make_gateway(capture.port, rules='rule "all" { try = { smime, hold } }\n')
    gw.send(SENDER, ALICE, message(body=CANARY.decode() + "\r\n"))
    entry = wait_for("the held entry", lambda: queue(gw))[0]
    # released without a key it is held again
    gw.cli("queue", "release", entry["id"])
    held = wait_for("it to be held again", lambda: [
        e for e in queue(gw) if e["id"] != entry["id"] or e.get("state") == "held"])
    gw.cli("key", "import", keys.alice_crt)
    gw.cli("queue", "release", held[0]["id"])
    got = capture.wait(1)[0]
    assert CANARY in keys.open_smime(got.data, keys.alice_key)
    wait_for("an empty queue", lambda: not queue(gw))
    gw.cli("audit", "verify")


def test_held_mail_that_is_deleted_is_gone_and_recorded(make_gateway, capture):
    gw = make_gateway(capture.port, rules='rule "all" { try = { hold } }\n')
    gw.send(SENDER, ALICE, message(body=CANARY.decode() + ("x" * 70 + "\r\n") * 6000))
    entry = wait_for("the held entry", lambda: queue(gw))[0]
    gw.cli("queue", "delete", entry["id"])
    wait_for("an empty queue", lambda: not queue(gw))
    wait_for("the body's file to go", lambda: not any((gw.state / "bodies").iterdir()))
    wait_for("the record", lambda: any(
        "delete" in str(r["rec"].get("type")) for r in gw.audit()))
