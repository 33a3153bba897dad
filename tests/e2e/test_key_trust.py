#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Trust is the administrator's: what is listed, what a level is used for, what
is set for recipients and domains, and that every change of a key is in its
history and, once, in the audit log, whether the gateway ran or not."""
import json
import os
import pathlib
import shutil
import tempfile

import pytest

from harness import Gateway, Keys, wait_for

BOB = "bob@receiver.example"
ALICE = "alice@receiver.example"


@pytest.fixture(name="keys", scope="module")
def fixture_keys(tmp_path_factory):
    keys = Keys(tmp_path_factory.mktemp("keys"))
    keys.alice = keys.certificate(ALICE, days=10)[0]
    keys.bob = keys.openpgp(BOB)
    yield keys
    keys.close()


def make(root, keys, more=""):
    gw = Gateway(root, 9, portal=False,
                 rules=more + 'rule "default" { try = { smime, pgp, hold } }\n')
    gw.start()
    gw.cli("key", "import", keys.alice, keys.bob)
    return gw


@pytest.fixture(name="gw")
def fixture_gw(root, keys):
    gw = make(root, keys)
    yield gw
    gw.close()


@pytest.fixture(name="still", scope="module")
def fixture_still(keys):
    """One that the tests only look at."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge."))
    gw = make(root, keys)
    yield gw
    gw.close()
    shutil.rmtree(root, ignore_errors=True)


def events(gw):
    return [r["rec"] for r in gw.audit() if "event" in r["rec"]]


def fingerprint(gw, addr):
    return gw.cli_json("key", "show", addr)[0]["fingerprint"]


def found(gw, *args):
    done = gw.cli("--json", "key", "list", *args, check=False)
    return sorted(a for k in json_of(done) for a in k["addresses"])


def json_of(done):
    assert done.returncode in (0, 1), done
    return json.loads(done.stdout)


@pytest.mark.parametrize("args,want", [
    ((), [ALICE, BOB]),
    (("--kind", "smime"), [ALICE]),
    (("--kind", "openpgp"), [BOB]),
    (("--domain", "Receiver.Example"), [ALICE, BOB]),
    (("--domain", "other.example"), []),
    (("--trust", "trusted"), [ALICE, BOB]),
    (("--trust", "pinned"), []),
    (("--source", "manual"), [ALICE, BOB]),
    (("--source", "wkd"), []),
    (("--expires-in", "30d"), [ALICE]),
    (("--expires-in", "5d"), []),
    (("--expires-in", "2w", "--kind", "openpgp"), []),
    (("--expires-in", "1y", "alice"), [ALICE]),
])
def test_lists_are_filtered(still, args, want):
    assert found(still, *args) == want
    status = still.cli("key", "list", *args, check=False).returncode
    assert status == (0 if want else 1)


@pytest.mark.parametrize("args", [
    ("--trust", "some"), ("--source", "me"), ("--kind", "pgp"),
    ("--expires-in", "30"), ("--expires-in", "d"), ("--expires-in", "-1d"),
    ("--domain", "a b"), ("--color", "red"), ("a", "b"),
])
def test_a_wrong_filter_is_told(still, args):
    done = still.cli("key", "list", *args, check=False)
    assert done.returncode == 2 and done.stderr


def test_every_change_is_in_the_history_and_once_in_the_audit_log(gw):
    fpr = fingerprint(gw, BOB)
    gw.cli("key", "distrust", fpr)
    gw.cli("key", "trust", "--level", "pinned", fpr)
    wait_for("the audit log to have it", lambda: len(events(gw)) >= 3)
    # while it does not run, the keystore remembers
    gw.stop()
    gw.cli("key", "delete", fpr)
    gw.start()
    wait_for("the audit log to have it", lambda: len(events(gw)) >= 4)
    gw.kill()
    gw.start()
    gw.stop()
    said = events(gw)
    # the import, then what was done to bob's key
    assert [e["type"] for e in said if e["type"] != "keys-imported"] == [
        "trust-changed", "trust-changed", "key-deleted"]
    assert [e["event"] for e in said] == list(range(1, len(said) + 1))
    mine = [e for e in said if e.get("fingerprint") == fpr]
    assert [(e["was"], e["trust"]) for e in mine[:2]] == [
        ("trusted", "distrusted"), ("distrusted", "pinned")]
    assert all(e["who"] == "user %d" % os.getuid() and e["addr"] == BOB for e in mine)
    history = gw.cli_json("key", "history", BOB)
    assert [e["event"] for e in history["events"]] == ["trust", "trust", "deleted"]
    assert history["keys"] == []
    text = gw.cli("key", "history", ALICE).stdout.decode()
    assert "has" in text and ALICE in text
    assert gw.cli("key", "history", "nobody@receiver.example",
                  check=False).returncode == 1


def state(gw, addr):
    done = gw.cli("--json", "key", "lookup", addr, check=False)
    return {r["kind"]: (r["state"], [c["why"] for c in r["candidates"]])
            for r in json_of(done)}


def test_what_is_sealed_to_is_set_for_a_domain_and_a_recipient(gw):
    assert state(gw, BOB)["openpgp"][0] == "holds"
    gw.cli("domain", "set", "--seal-from", "pinned", "Receiver.Example")
    assert state(gw, BOB)["openpgp"] == (
        "absent", ["trusted, but only pinned keys are used here"])
    gw.cli("recipient", "set", "--seal-from", "trusted", "Bob@receiver.example")
    assert state(gw, BOB)["openpgp"][0] == "holds"
    assert state(gw, ALICE)["smime"][0] == "absent"
    assert gw.cli_json("recipient", "list") == [
        {"name": BOB, "seal_from": "trusted", "by_hand": False, "smime": ""}]
    assert gw.cli_json("domain", "show", "receiver.example")["seal_from"] == "pinned"
    assert gw.cli_json("recipient", "show", ALICE)["seal_from"] == "pinned"
    gw.cli("domain", "set", "--keys", "by-hand", "receiver.example")
    assert gw.cli_json("recipient", "show", BOB) == {
        "name": BOB, "seal_from": "trusted", "by_hand": True, "smime": ""}
    gw.cli("domain", "delete", "receiver.example")
    assert gw.cli_json("domain", "list") == []
    assert state(gw, ALICE)["smime"][0] == "holds"
    wait_for("the audit log to have it", lambda: [
        e["addr"] for e in events(gw) if e["type"] == "key-setting"] == [
            "@receiver.example", BOB, "@receiver.example", "@receiver.example"])


@pytest.mark.parametrize("args", [
    ("recipient", "set", BOB), ("recipient", "set", "--keys", "some", BOB),
    ("recipient", "set", "--seal-from", "distrusted", BOB),
    ("domain", "set", "--keys", "any"), ("domain", "show"),
    ("recipient", "show", "nobody"), ("domain", "set", "--keys", "any", "a b"),
    ("key", "approve"), ("key", "refuse", "--for"), ("key", "approve", "--level",
                                                     "distrusted", "00112233"),
    ("key", "pending", "more"), ("key", "history"),
])
def test_wrong_usage_is_told(still, args):
    done = still.cli(*args, check=False)
    assert done.returncode == 2 and done.stderr


def test_it_is_shown_who_brought_a_key(still):
    assert still.cli_json("key", "show", ALICE)[0]["sources"] == ["manual"]
    assert b"brought by" not in still.cli("key", "show", ALICE).stdout


def test_nothing_waits_unless_a_source_brings_another_key(still):
    assert still.cli_json("key", "pending") == []
    assert still.cli("key", "approve", "00112233", check=False).returncode == 1
    assert still.cli("key", "refuse", "00112233", check=False).returncode == 1


def test_a_configuration_says_what_is_sealed_to(root, keys):
    gw = make(root, keys, "trust { seal-from = pinned }\n")
    try:
        assert state(gw, BOB)["openpgp"][0] == "absent"
        gw.cli("key", "trust", "--level", "pinned", fingerprint(gw, BOB))
        assert state(gw, BOB)["openpgp"][0] == "holds"
    finally:
        gw.close()
