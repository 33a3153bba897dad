# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""`sealgate queue`, `status`, `reload`, `check` and `audit` against a gateway
whose next hop is away, and P4: what waits says why."""
import json
import os
import signal

from harness import free_port, message, wait_for

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
ALICE = "alice@partner.example"
CANARY = "canary-4471-canary"


def text(result):
    return result.stdout.decode() if isinstance(result.stdout, bytes) else result.stdout


def test_an_administrator_sees_and_rules_the_queue(make_gateway, keys):
    gw = make_gateway(free_port(), import_keys=[keys.alice_crt])
    gw.send(SENDER, ALICE, message(subject=CANARY, body=CANARY + "\r\n"))
    wait_for("a try", lambda: gw.cli_json("queue", "list")[0]["tries"] > 0)

    entry = gw.cli_json("queue", "list")[0]
    assert entry["rcpts"] == [{"addr": ALICE, "state": "open"}]
    assert entry["from"] == SENDER and entry["last"]
    shown = text(gw.cli("queue", "list")) + text(gw.cli("queue", "show", entry["id"]))
    assert ALICE in shown and entry["last"] in shown and CANARY not in shown

    gw.cli("queue", "hold", entry["entry"])
    assert gw.cli_json("queue", "show", entry["entry"])[0]["state"] == "held"
    gw.cli("queue", "flush")
    assert gw.cli_json("queue", "list")[0]["state"] == "held"
    gw.cli("queue", "release", entry["id"])
    assert gw.cli_json("queue", "list")[0]["state"] == "queued"
    gw.cli("queue", "delete", entry["id"])
    wait_for("the end of it", lambda: gw.cli_json("queue", "list") == [])
    assert "empty" in text(gw.cli("queue", "list"))
    assert gw.cli("queue", "show", entry["id"], check=False).returncode == 1
    assert gw.cli("queue", "delete", "nonsense", check=False).returncode == 1

    wait_for("records", lambda: {"admin-hold", "released", "admin-delete"} <=
             {r["rec"]["type"] for r in gw.audit()})
    assert "deferred" in text(gw.cli("audit", "list", "--rcpt", ALICE))
    assert gw.cli("audit", "show", "999999", check=False).returncode == 1


FILTERS = [
    (["--from", SENDER], 2),
    (["--from", "@SENDER.example"], 3),
    (["--from", "<>"], 0),
    (["--to", "alice@partner.example"], 1),
    (["--to", "@partner.example"], 2),
    (["--domain", "other.example"], 1),
    (["--domain", "ther.example"], 0),
    (["--state", "held"], 1),
    (["--state", "queued"], 2),
    (["--state", "parked"], 0),
    (["--state", "held", "--domain", "partner.example"], 0),
    (["--reason", "QUARANTINE"], 1),
    (["--reason", "refused"], 2),
    (["--larger", "100K"], 1),
    (["--smaller", "100K"], 2),
    (["--older", "1h"], 0),
    (["--newer", "1h"], 3),
    (["--older", "1h", "--from", SENDER], 0),
]
REFUSED = [["--state", "lost"], ["--older", "x"], ["--older", "1y"], ["--larger", "1T"],
           ["--from", ""], ["--who", "me"], ["--older", "1h", "00000000000Z8"]]


def test_entries_are_chosen_by_what_they_are(make_gateway):
    gw = make_gateway(free_port(), rules=(
        'rule "quarantine" { to = "@other.example" try = { hold } }\n'
        'rule "default" { try = { clear } }\n'))
    gw.send(SENDER, ALICE, message())
    gw.send("tom@sender.example", "bob@partner.example",
            message(body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 3000))
    gw.send(SENDER, "dora@other.example", message())
    wait_for("tries", lambda: len(gw.cli_json("queue", "list", "--reason", "refused")) == 2)
    for options, n in FILTERS:
        assert len(gw.cli_json("queue", "list", *options)) == n, options
    for options in REFUSED:
        for verb in "list", "delete":
            assert gw.cli("queue", verb, *options, check=False).returncode == 2, options
    for verb in "hold", "release", "delete":
        assert gw.cli("queue", verb, check=False).returncode == 2
    assert "Nothing fits" in text(gw.cli("queue", "list", "--older", "1w"))

    assert text(gw.cli("queue", "hold", "--domain", "partner.example")) == "2 held\n"
    assert len(gw.cli_json("queue", "list", "--state", "held")) == 3
    assert gw.cli_json("queue", "release", "--larger", "100K")["changed"] == 1
    assert gw.cli_json("queue", "delete", "--state", "held")["changed"] == 2
    assert [e["from"] for e in gw.cli_json("queue", "list")] == ["tom@sender.example"]
    assert gw.cli_json("queue", "flush", "--state", "held")["changed"] == 0


def test_what_a_rule_only_holds_goes_on_when_released(make_gateway, capture, keys):
    """The other rules decide then; where there is none it stays held."""
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=(
        'rule "look" { subject-tag = "[look]" try = { hold } }\n'
        'rule "quarantine" { to = "@other.example" try = { hold } }\n'
        'rule "default" { to = "@partner.example" try = { smime, hold } }\n'))
    gw.send(SENDER, ALICE, message(subject="[look] " + CANARY, body=CANARY + "\r\n"))
    gw.send(SENDER, "dora@other.example", message(to="dora@other.example"))
    assert len(gw.cli_json("queue", "list", "--state", "held")) == 2
    assert gw.cli_json("queue", "release", "--state", "held")["changed"] == 2
    got = capture.wait(1)
    assert got[0].rcpts == [ALICE] and b"pkcs7-mime" in got[0].data
    assert CANARY.encode() not in capture.everything()
    left = wait_for("the other one", lambda: gw.cli_json("queue", "list", "--state", "held"))
    assert [r["addr"] for e in left for r in e["rcpts"]] == ["dora@other.example"]
    wait_for("no other", lambda: len(gw.cli_json("queue", "list")) == 1)
    assert len(capture.messages) == 1


def test_what_is_released_goes_as_it_would_have_without_the_hold(make_gateway, capture, keys):
    """By the other rules: not more strictly, and not less."""
    gw = make_gateway(capture.port, rules=(
        'rule "look" { subject-tag = "[look]" try = { hold } }\n'
        'rule "asked" { subject-tag = "[secure]" try = { smime, escrow } }\n'
        'rule "default" { try = { clear } }\n'))
    gw.send(SENDER, CAROL, message(subject="[look] one", body=CANARY + "\r\n"))
    gw.send(SENDER, CAROL, message(subject="[look] [secure] two", body="second " + CANARY))
    assert len(gw.cli_json("queue", "list", "--state", "held")) == 2
    assert gw.cli_json("queue", "release", "--state", "held")["changed"] == 2
    got = capture.wait(2)
    assert len([m for m in got if CANARY.encode() in m.data]) == 1
    assert len([m for m in got if b"/m/" in m.data]) == 1
    assert b"second " + CANARY.encode() not in capture.everything()


def test_what_was_delivered_is_in_a_log_that_verifies(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt])
    gw.send(SENDER, ALICE, message())
    wait_for("delivery", lambda: capture.messages)
    wait_for("its record", lambda: any(
        r["rec"]["type"] == "sent" for r in gw.audit()))
    gw.stop()
    good = gw.cli_json("audit", "verify")
    assert good["ok"] and good["signed"] == good["last"]
    head = "%d:%s" % (good["last"], good["hash"])
    gw.cli("audit", "verify", "--head", head)

    path = sorted((gw.state / "audit").glob("*.jsonl"))[-1]
    lines = path.read_text().splitlines(True)
    path.write_text("".join(lines[:-1]))
    assert gw.cli("audit", "verify", "--head", head, check=False).returncode == 1
    path.write_text("".join(lines))
    gw.cli("audit", "verify", "--head", head)


def test_status_reload_and_check(make_gateway, capture):
    gw = make_gateway(capture.port)
    wait_for("all to be up", lambda: gw.cli("status", check=False).returncode == 0)
    status = gw.cli_json("status")
    assert {"store", "relay", "worker"} <= {p["process"] for p in status["processes"]}
    assert status["well"] and status["store"]["intake"] == "open"

    gw.cli("check")
    gw.cli("reload")
    # a file that is broken, or not loaded, changes nothing of what runs
    good = gw.conf.read_text()
    gw.conf.write_text(good + "nonsense = 1\n")
    assert gw.cli("check", check=False).returncode == 1
    done = gw.cli("status", check=False)
    assert done.returncode == 0
    assert b"nonsense" in done.stdout and b"not in use yet" in done.stdout
    assert b"worker       0   ready" in done.stdout
    gw.conf.write_text(good + "# a word\n")
    assert "sealgate reload" in [t["remedy"] for t in gw.cli_json("status")["troubles"]]
    gw.cli("reload")
    assert "sealgate reload" not in [t["remedy"] for t in gw.cli_json("status")["troubles"]]
    # what stands still comes first, with what to do
    os.kill(gw.pids()["store"][0], signal.SIGSTOP)
    done = gw.cli("--json", "status", check=False)
    os.kill(gw.pids()["store"][0], signal.SIGCONT)
    said = json.loads(done.stdout)
    assert done.returncode == 1 and not said["well"] and said["running"]
    assert said["troubles"][0]["level"] == "bad" and "store" in said["troubles"][0]["text"]
    gw.stop()
    gw.conf.write_text(good + "nonsense = 1\n")
    done = gw.cli("status", check=False)
    assert done.returncode == 3 and b"nonsense" in done.stdout
    assert b"systemctl start" in done.stdout and b"not running" in done.stderr
    # the file is right: what else keeps it from starting?
    gw.conf.write_text(good)
    (gw.root / "master.key").rename(gw.root / "elsewhere")
    done = gw.cli("status", check=False)
    assert done.returncode == 3 and b"master key" in done.stdout
    (gw.root / "elsewhere").rename(gw.root / "master.key")
    assert b"master key" not in gw.cli("status", check=False).stdout
