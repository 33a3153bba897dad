# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P2: a spool that cannot be used is moved aside with an alarm, mail goes on,
and `sealgate queue salvage` brings back what was in it: held, each once, and
without what the audit log calls delivered."""
import os
import re
import signal

import pytest

from harness import message, wait_for

SENDER = "sam@sender.example"
ALICE, DORA = "alice@partner.example", "dora@other.example"
CANARY = b"canary-6620-canary"
RULES = ('rule "quarantine" { to = "@other.example" try = { hold } }\n'
         'rule "default" { try = { smime, hold } }\n')


def text(n, size=0):
    return message(subject="number %d" % n, body=CANARY.decode() + "\r\n" + "n=%d\r\n" % n
                   + ("z" * 70 + "\r\n") * (size // 72))


def answers(gw):
    return gw.cli("queue", "list", check=False).returncode == 0


def destroy(gw):
    """Neither of the two pages that say where everything is."""
    gw.stop()
    path = gw.state / "spool" / "data.mdb"
    data = bytearray(path.read_bytes())
    data[:8192] = bytes(8192)
    path.write_bytes(data)
    gw.start()


def fault(gw):
    """Twice in a row store dies of what it finds."""
    for _ in range(2):
        wait_for("a store at work", lambda: answers(gw), 20)
        pid = gw.pids()["store"][0]
        os.kill(pid, signal.SIGSEGV)
        wait_for("its end", lambda p=pid: p not in gw.pids().get("store", []))
    wait_for("the alarm", lambda: "spool-moved-aside" in gw.log(), 20)


@pytest.mark.parametrize("break_it", [destroy, fault])
def test_a_spool_moved_aside_gives_back_its_mail(make_gateway, capture, keys, break_it):
    gw = make_gateway(capture.port, rules=RULES, import_keys=[keys.alice_crt],
                      retry="first = 1h")
    gw.send(SENDER, ALICE, text(0))
    capture.wait(1)
    wait_for("its record", lambda: any(r["rec"]["type"] == "sent" for r in gw.audit()))
    capture.verbs["."] = lambda line: (451, "4.3.0 later")
    gw.send(SENDER, ALICE, text(1))
    gw.send(SENDER, ALICE, text(2, 400000))  # a file of its own
    gw.send(SENDER, DORA, text(3))
    assert gw.cli("queue", "salvage", check=False).returncode == 1
    wait_for("tries", lambda: len(gw.cli_json("queue", "list", "--reason", "later")) == 2)
    before = {e["entry"]: e for e in gw.cli_json("queue", "list")}
    assert len(before) == 3

    break_it(gw)
    wait_for("a gateway that answers", lambda: answers(gw), 20)
    assert gw.cli_json("queue", "list") == []
    wait_for("its record", lambda: any(
        r["rec"]["type"] == "spool-moved-aside" for r in gw.audit()))
    capture.verbs.clear()
    gw.send(SENDER, ALICE, text(4))
    capture.wait(2)

    assert gw.cli("queue", "salvage", "../etc", check=False).returncode == 2
    said = gw.cli_json("queue", "salvage")
    assert (said["taken"], said["present"], said["refused"]) == (3, 0, 0), said
    after = {e["entry"]: e for e in gw.cli_json("queue", "list")}
    assert set(after) == set(before)
    for name, e in after.items():
        assert e["state"] == "held" and e["last"] == "salvaged from " + said["directory"]
        assert e["rcpts"] == before[name]["rcpts"] and e["kind"] == before[name]["kind"]
    assert not (gw.state / "spool" / "salvage").exists()
    # again changes nothing
    assert gw.cli_json("queue", "salvage")["present"] == 3
    assert gw.cli_json("queue", "release", "--to", ALICE)["changed"] == 2
    got = capture.wait(4)
    assert sorted(re.search(rb"\nn=(\d)", keys.open_smime(m.data, keys.alice_key)).group(1)
                  for m in got) == [b"0", b"1", b"2", b"4"]
    gw.cli("queue", "delete", "--to", DORA)
    wait_for("records", lambda: sum(
        r["rec"]["type"] in ("sent", "admin-delete") for r in gw.audit()) == 5)
    said = gw.cli_json("queue", "salvage")
    assert (said["taken"], said["present"], said["refused"]) == (0, 0, 0), said
    assert CANARY not in capture.everything()
    gw.cli("audit", "verify")
