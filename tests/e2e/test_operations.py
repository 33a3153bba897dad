# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What an administrator meets at night: each message says what to do, and
nothing that goes wrong at a start damages what is there."""
import os
import shutil
import signal
import smtplib
import subprocess

import pytest

from harness import PATIENCE, SEALGATED, message, run, wait_for

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
CLEAR = 'rule "clear" { try = { clear } }\n'
LATER = (451, "4.3.0 later")


def start_fails(conf):
    """Standard error of a start that is refused."""
    done = subprocess.run([str(SEALGATED), "-f", str(conf)], capture_output=True, timeout=90)
    assert done.returncode not in (0, 1), done.stderr.decode()
    return done.stderr.decode()


def check(gw):
    done = subprocess.run([str(SEALGATED), "-n", "-f", str(gw.conf)], capture_output=True,
                          timeout=90)
    return done.returncode, done.stderr.decode()


def test_a_second_gateway_on_the_same_state_is_refused(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR)
    assert "another sealgated is using %s" % gw.state in start_fails(gw.conf)
    # and the first did not notice
    assert gw.cli_json("status")["ok"]
    gw.send(SENDER, CAROL, message())
    capture.wait(1)


def test_a_port_in_use_is_named_with_a_way_out(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR)
    other = make_gateway(capture.port, rules=CLEAR, start=False)
    other.conf.write_text(other.conf.read_text().replace(
        "127.0.0.1:%d" % other.port, "127.0.0.1:%d" % gw.port))
    said = start_fails(other.conf)
    assert "127.0.0.1:%d" % gw.port in said and "ss -ltnp" in said


def test_keys_that_are_missing_are_not_made_anew(make_gateway, capture, keys):
    """New ones would not open the mail that waits: it would be lost."""
    capture.extensions = ["8BITMIME"]
    capture.verbs["MAIL"] = lambda line: LATER
    gw = make_gateway(capture.port, rules=CLEAR, retry="first = 200ms max = 400ms")
    gw.send(SENDER, CAROL, message())
    gw.stop()
    aside = gw.state / "keys.aside"
    shutil.move(str(gw.state / "keys"), str(aside))
    said = start_fails(gw.conf)
    assert str(gw.state / "keys") in said and "backup" in said
    assert not (gw.state / "keys").exists()
    shutil.move(str(aside), str(gw.state / "keys"))
    capture.verbs.clear()
    gw.start()
    capture.wait(1)


def test_the_command_line_says_that_no_gateway_runs(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR, start=False)
    for words in (["status"], ["reload"], ["queue", "list"], ["queue", "flush"]):
        done = gw.cli(*words, check=False)
        assert done.returncode == 3, words
        assert b"not running" in done.stderr, words


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_another_user_learns_and_changes_nothing(make_gateway, capture):
    capture.verbs["MAIL"] = lambda line: LATER
    gw = make_gateway(capture.port, rules=CLEAR)
    gw.send(SENDER, CAROL, message())
    for words in (["status"], ["queue", "list"], ["queue", "flush"], ["audit", "list"],
                  ["key", "list"]):
        done = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                   gw.build / "sealgate", "-f", gw.conf, *words, check=False)
        assert done.returncode == 3, words
        assert CAROL.encode() not in done.stdout + done.stderr, words


def test_a_sigterm_to_every_process_is_an_orderly_end(make_gateway, capture):
    """As service managers send it: what is in progress is finished all the same."""
    gw = make_gateway(capture.port, rules=CLEAR)
    s = smtplib.SMTP("127.0.0.1", gw.port, timeout=90)
    s.ehlo("x")
    s.mail(SENDER)
    s.rcpt(CAROL)
    s.putcmd("DATA")
    assert s.getreply()[0] == 354
    for pids in gw.pids().values():
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
    gw.proc.send_signal(signal.SIGTERM)
    wait_for("the end to begin", lambda: "event=stopping" in gw.log())
    s.send(message() + b".\r\n")
    assert s.getreply()[0] == 250
    s.close()
    assert gw.proc.wait(PATIENCE) == 0
    gw.proc = None
    assert "signal=15" not in gw.log()
    gw.start()
    capture.wait(1)


def test_what_an_administrator_does_is_in_the_audit_log(make_gateway, capture):
    capture.verbs["MAIL"] = lambda line: LATER
    gw = make_gateway(capture.port, rules=CLEAR)
    gw.send(SENDER, CAROL, message())
    entry = gw.cli_json("queue", "list")[0]["entry"]
    for verb in ("hold", "release", "delete"):
        gw.cli("queue", verb, entry)
    gw.kill()
    gw.start()
    wait_for("the rows", lambda: [
        (r["rec"]["type"], r["rec"]["entry"], r["rec"]["uid"]) for r in gw.audit()
        if "uid" in r["rec"]] == [
            ({"release": "released"}.get(verb, "admin-%s" % verb), entry, os.geteuid())
            for verb in ("hold", "release", "delete")])
    gw.cli("audit", "verify")
    wait_for("the queue to be empty", lambda: not gw.cli_json("queue", "list"))


def test_an_expired_certificate_of_the_server_is_warned_of(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR, start=False, tls=True)
    assert check(gw) == (0, "")
    crt, key = gw.tls_cert
    renew = ["openssl", "req", "-x509", "-key", key, "-out", crt, "-subj", "/CN=localhost"]
    run(*renew, "-days", "3")
    rc, said = check(gw)
    assert rc == 0 and "expires in " in said and crt in said
    # one that ended before it began is the only expired one openssl(1) makes
    run("openssl", "x509", "-in", crt, "-signkey", key, "-out", crt, "-days", "-1")
    rc, said = check(gw)
    assert rc == 0 and "has expired" in said
    gw.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_an_ordinary_user_can_run_it(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR, start=False, portal=False)
    gw.conf.write_text(gw.conf.read_text().replace("users = 64200\n", ""))
    for path in (gw.root, gw.runtime):
        os.chown(path, 65534, 65534)
    proc = subprocess.Popen(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(SEALGATED),
         "-f", str(gw.conf)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=open(gw.log_path, "ab"))
    gw.proc = proc
    wait_for("it to be ready", lambda: "event=ready" in gw.log())
    gw.send(SENDER, CAROL, message())
    capture.wait(1)
    for pids in gw.pids().values():
        for pid in pids:
            with open("/proc/%d/status" % pid) as f:
                assert "\nUid:\t65534\t65534\t65534\t65534\n" in f.read()
    assert gw.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="users of their own need root")
def test_a_link_in_the_keystore_does_not_lead_root_elsewhere(make_gateway, capture):
    """Who took over store owns that directory: the next start, as root, must not
    give away another file."""
    gw = make_gateway(capture.port, rules=CLEAR)
    gw.stop()
    victim = gw.root / "victim"
    victim.write_text("mine")
    victim.chmod(0o600)
    data = gw.state / "keystore" / "data.mdb"
    for put in (data.symlink_to, data.hardlink_to):
        data.unlink()
        put(victim)
        assert "keystore" in start_fails(gw.conf)
        st = victim.stat()
        assert (st.st_mode & 0o777, st.st_uid) == (0o600, 0)
