#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A source that brings another key than the one in use: it waits, mail goes on
to the old one, and an administrator says what becomes of it. A real web server
speaks for the source."""
import json
import pathlib
import subprocess
import tempfile
import time

import pytest

from harness import message, wait_for
from key_sources import CA, Names, Nginx

RULES = 'rule "default" { try = { smime, pgp, hold } }\n'
ADDR = "gina@change.example"


@pytest.fixture(name="web")
def fixture_web():
    with tempfile.TemporaryDirectory(prefix="sgw.") as top:
        pathlib.Path(top).chmod(0o755)
        ca = CA(pathlib.Path(top))
        names = Names("openpgpkey.change.example. 60 A 127.0.0.1\n")
        names.start()
        web = Nginx(ca, {("openpgpkey.change.example",): ""})
        web.start()
        web.options = names.options() + (
            'discovery { sources = { "wkd" } ca-file = "%s" '
            'allow = { "127.0.0.0/8" } found-for = 1s timeout = 45s }\n'
            'discovery wkd { port = %d timeout = 45s }\n' % (ca.crt, web.port))
        yield web
        web.stop()
        names.stop()


def publish(web, keys, fpr):
    web.put_wkd(ADDR, keys.gpg("--export", fpr).stdout)


def generate(keys, until="never"):
    keys.gpg("--pinentry-mode", "loopback", "--passphrase", "",
             "--quick-generate-key", "Gina <%s>" % ADDR, "future-default",
             "default", until)
    listed = keys.gpg("--with-colons", "--list-keys", ADDR).stdout.decode()
    prints = [line.split(":")[9].lower() for line in listed.splitlines()
              if line.startswith("fpr:")]
    return prints


def primaries(keys):
    listed = keys.gpg("--with-colons", "--list-keys", ADDR).stdout.decode()
    found, take = [], False
    for line in listed.splitlines():
        if line.startswith("pub:"):
            take = True
        elif line.startswith("fpr:") and take:
            found.append(line.split(":")[9].lower())
            take = False
    return found


def chosen(gw):
    done = gw.cli("--json", "key", "lookup", "--offline", "--kind", "openpgp",
                  ADDR, check=False)
    import json
    for said in json.loads(done.stdout):
        for c in said.get("candidates", []):
            if c["chosen"]:
                return c["fingerprint"]
    return None


def test_another_key_waits_until_an_administrator_says_so(
        make_gateway, capture, keys, web):
    generate(keys)
    first = primaries(keys)[0]
    keys.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--allow-freeform-uid",
             "--quick-generate-key", "Gina again <%s>" % ADDR, "future-default",
             "default", "never")
    second = [f for f in primaries(keys) if f != first][0]
    publish(web, keys, first)
    gw = make_gateway(capture.port, rules=RULES, options=web.options)
    gw.send("sam@sender.example", ADDR, message(to=ADDR))
    assert b"BEGIN PGP MESSAGE" in capture.wait(1)[0].data
    assert chosen(gw) == first

    publish(web, keys, second)
    assert gw.cli("key", "refresh", ADDR).returncode == 0
    waiting = gw.cli_json("key", "pending")
    assert [(w["fingerprint"], w["against"], w["for"]) for w in waiting] == [
        (second, first, ADDR)]
    assert "another key" in waiting[0]["why"]
    assert chosen(gw) == first
    gw.send("sam@sender.example", ADDR, message(to=ADDR))
    assert b"BEGIN PGP MESSAGE" in capture.wait(2)[1].data

    gw.cli("key", "approve", second[:16])
    assert gw.cli_json("key", "pending") == []
    assert chosen(gw) == second
    assert [e["event"] for e in gw.cli_json("key", "history", ADDR)["events"]] == [
        "added", "waits", "trust", "approved"]
    gw.send("sam@sender.example", ADDR, message(to=ADDR))
    mail = capture.wait(3)[2]
    opened = keys.gpg("--decrypt", "--status-fd", "2", input=mail.data)
    assert b"Hello." in opened.stdout

    shown = gw.cli("key", "show", second).stdout
    assert b"brought by   manual, wkd" in shown

    # back again: the first is a candidate now, and would rise beside another
    publish(web, keys, first)
    gw.cli("key", "refresh")
    assert [w["fingerprint"] for w in gw.cli_json("key", "pending")] == [first]
    gw.cli("key", "refuse", "--for", ADDR, first)
    assert gw.cli_json("key", "pending") == []
    gw.cli("key", "refresh")
    assert gw.cli_json("key", "pending") == []
    assert gw.cli_json("key", "pending", "--all")[0]["refused"]
    assert chosen(gw) == second
    wait_for("the audit log to have it", lambda: [
        r["rec"]["type"] for r in gw.audit() if "event" in r["rec"]] == [
            "key-added", "key-waits", "trust-changed", "key-approved",
            "key-waits", "key-refused"])


def test_a_key_that_is_gone_has_lapsed(make_gateway, capture, keys, web):
    """Mail waits instead of leaving readable or being taken for an absence."""
    publish(web, keys, primaries(keys)[0])
    gw = make_gateway(capture.port, options=web.options, rules=(
        'rule "default" { try = { pgp, clear } }\n'))
    gw.cli("key", "refresh", ADDR)
    assert chosen(gw)
    for path in pathlib.Path(web.root).rglob("hu/*"):
        path.unlink()
    gw.cli("key", "refresh", ADDR, check=False)
    done = gw.cli("key", "lookup", ADDR, check=False)
    assert done.returncode == 1
    assert b"its source has it no more" in done.stdout
    try:
        gw.send("sam@sender.example", ADDR, message(to=ADDR))
    except Exception as problem:  # deferred at once, or taken and kept
        assert "45" in str(problem)
    assert not [m for m in capture.messages if b"Hello." in m.data]


def events(gw, kind):
    return [r["rec"]["addr"] for r in gw.audit() if r["rec"]["type"] == kind]


def test_what_is_refused_can_be_asked_for(make_gateway, capture, keys, web):
    """A key that is not let in leaves its reason behind, until it is let in."""
    fpr = generate(keys)[0]
    other = "olga@change.example"
    web.put_wkd(other, keys.gpg("--export", fpr).stdout)
    web.put_wkd("junk@change.example", b"this is no key")
    gw = make_gateway(capture.port, rules=RULES, options=web.options)
    gw.cli("key", "lookup", other, "junk@change.example", check=False)
    wait_for("the refusals", lambda: len(gw.cli_json("key", "refused")) == 2)
    [said] = gw.cli_json("key", "refused", other)
    assert said["fingerprint"] == fpr and said["source"] == "wkd", said
    assert "user ID" in said["why"] and said["url"].startswith("https://"), said
    for name in (other, fpr):
        shown = gw.cli("key", "show", name, check=False)
        assert shown.returncode == 1 and b"user ID" in shown.stdout, shown.stdout
    [said] = gw.cli_json("key", "refused", "junk@change.example")
    assert said["fingerprint"] == "" and said["why"], said
    # what was wrong with it is put right
    keys.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--quick-add-uid", fpr,
             "Olga <%s>" % other)
    web.put_wkd(other, keys.gpg("--export", fpr).stdout)
    gw.cli("key", "refresh", other)
    wait_for("the key", lambda: gw.cli_json("key", "list", "--source", "wkd"))
    assert gw.cli_json("key", "refused", other) == []


def test_keys_are_looked_at_in_turn_and_the_last_one_is_missed(
        make_gateway, capture, keys, web):
    """Nobody sends mail: the gateway asks again by itself, and tells once that
    an address has no key any more."""
    old, lost = "otto@change.example", "lola@change.example"
    # often for this source, whatever holds for the others
    gw = make_gateway(capture.port, rules=RULES, options=web.options.replace(
        "found-for = 1s", "found-for = 1d absent-for = 3s").replace(
            "discovery wkd {", "discovery wkd { refresh = 3s"))
    quiet = ("--pinentry-mode", "loopback", "--passphrase", "")
    for addr in (lost, old):
        keys.gpg(*quiet, "--quick-generate-key", addr, "future-default", "default", "never")
        web.put_wkd(addr, keys.gpg("--export", addr).stdout)

    def both():  # a source that was slow is asked again
        gw.cli("key", "refresh", old, lost, check=False)
        done = gw.cli("--json", "key", "list", "--source", "wkd", check=False)
        return done.returncode == 0 and len(json.loads(done.stdout)) == 2
    wait_for("the keys", both)
    [old_key] = [k["fingerprint"] for k in gw.cli_json("key", "list", old)]
    keys.gpg(*quiet, "--quick-set-expire", old_key, "seconds=1")
    web.put_wkd(old, keys.gpg("--export", old).stdout)
    wait_for("the alarm of what is over", lambda: events(gw, "key-expired"))
    asked = len(web.requests())
    for path in pathlib.Path(web.root).rglob("hu/*"):
        path.unlink()
    wait_for("the alarm of what is lost", lambda: events(gw, "key-lost"))
    assert len(web.requests()) > asked
    wait_for("another round", lambda: len(web.requests()) > asked + 3)
    assert events(gw, "key-expired") == [old]
    assert events(gw, "key-lost") == [lost]


def test_killed_while_it_refreshes_nothing_is_half_done(make_gateway, capture, keys, web):
    """Records, history and audit log agree whenever everything was killed."""
    addrs = ["kim%d@change.example" % i for i in range(6)]
    for addr in addrs:
        keys.gpg("--pinentry-mode", "loopback", "--passphrase", "",
                 "--quick-generate-key", addr, "future-default", "default", "never")
        web.put_wkd(addr, keys.gpg("--export", addr).stdout)
    gw = make_gateway(capture.port, rules=RULES, options=web.options)
    for wait in (0.02, 0.1, 0.25):
        with subprocess.Popen(
                [str(gw.build / "sealgate"), "-f", str(gw.conf), "key", "refresh",
                 *addrs], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL) as child:
            time.sleep(wait)
            gw.kill()
            child.wait()
        gw.start()
    gw.cli("key", "refresh", *addrs)
    assert sorted(a for k in gw.cli_json("key", "list") for a in k["addresses"]) == addrs
    for addr in addrs:
        assert [e["event"] for e in gw.cli_json("key", "history", addr)["events"]] == [
            "added"]
    wait_for("the audit log to have all", lambda: len(events(gw, "key-added")) >= 6)
    gw.stop()
    assert sorted(events(gw, "key-added")) == addrs
    assert gw.cli("audit", "verify").returncode == 0
