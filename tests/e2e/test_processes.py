# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The processes and their walls, on the running gateway."""
import os
import pathlib
import re
import signal
import smtplib
import socket

import pytest

from harness import PATIENCE, children, is_zombie, message, run, wait_for

SENDER = "sam@sender.example"
ALICE = "alice@partner.example"
ROLES = {"keys", "store", "pgp", "discovery", "admission", "worker", "relay", "portal", "control",
         "listener", "issuer"}


def status(pid):
    text = pathlib.Path("/proc/%d/status" % pid).read_text()
    return dict(re.findall(r"^(\w+):[ \t]*(.*)$", text, re.M))


def test_every_role_runs_behind_its_walls(gateway):
    pids = gateway.pids()
    assert set(pids) == ROLES
    uids = {}
    for role, ps in pids.items():
        for pid in ps:
            st = status(pid)
            assert st["NoNewPrivs"] == "1", role
            assert st["Seccomp"] == "2", role
            uids.setdefault(role, set()).add(st["Uid"].split()[0])
            assert "CapEff" in st and (os.geteuid() != 0 or int(st["CapEff"], 16) == 0), role
    if os.geteuid() == 0:
        each = [next(iter(u)) for u in uids.values()]
        assert all(len(u) == 1 for u in uids.values())
        assert len(set(each)) == len(ROLES) and "0" not in each


@pytest.mark.skipif(os.geteuid() != 0, reason="reading another user's files needs root")
def test_what_a_role_may_not_have_is_closed(gateway):
    """File modes keep the roles apart even without the sandbox."""
    pids = gateway.pids()

    def ids(role):
        st = status(pids[role][0])
        groups = {int(g) for g in st["Groups"].split()} | {int(st["Gid"].split()[0])}
        return int(st["Uid"].split()[0]), groups

    def may(role, path, bit):
        uid, groups = ids(role)
        st = path.stat()
        shift = 6 if st.st_uid == uid else 3 if st.st_gid in groups else 0
        return bool(st.st_mode >> shift & bit)

    spool, keystore = gateway.state / "spool", gateway.state / "keystore"
    for role in ("listener", "relay", "portal", "discovery", "worker", "pgp", "control", "keys"):
        assert not may(role, spool, 1), role
    for role in ("listener", "relay", "portal", "discovery", "pgp", "control"):
        assert not may(role, keystore, 1), role
    for role in ("worker", "keys"):
        assert may(role, keystore, 1) and not may(role, keystore / "data.mdb", 2), role
    for role in ROLES - {"keys"}:
        assert not may(role, gateway.state / "keys", 4), role
        for file in (gateway.state / "keys").iterdir():
            assert may(role, file, 4) == (file.name == "public"), (role, file)
        assert not may(role, gateway.root / "master.key", 4), role


def test_worker_memory_holds_no_private_key(gateway, capture, keys):
    """The octets of the master key are in the keys process and in no other."""
    if os.geteuid() != 0:
        pytest.skip("reading another process's memory needs root")
    gateway.send(SENDER, ALICE, message(body="x\r\n"))
    capture.wait(1)
    master = (gateway.root / "master.key").read_bytes()
    assert len(master) == 32
    assert in_memory(gateway.pids()["keys"][0], master)
    for role, ps in gateway.pids().items():
        if role != "keys":
            for pid in ps:
                assert not in_memory(pid, master), role


def in_memory(pid, needle):
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not m or "[v" in line:
                continue
            start, end = (int(x, 16) for x in m.groups())
            if end - start > 1 << 30:
                continue
            try:
                mem.seek(start)
                if needle in mem.read(end - start):
                    return True
            except (OSError, ValueError):
                pass
    return False


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_that_dies_comes_back_and_mail_goes_on(gateway, capture, role):
    old = gateway.pids()[role]
    for pid in old:
        os.kill(pid, signal.SIGKILL)

    def is_back():
        new = gateway.pids().get(role, [])
        return len(new) == len(old) and not set(new) & set(old)
    wait_for("%s to be restarted" % role, is_back)

    def goes():
        try:
            gateway.send(SENDER, ALICE, message(body="x\r\n"))
            return True
        except (smtplib.SMTPException, OSError):
            return False
    wait_for("mail to go on", goes)
    capture.wait(1)


def test_sigterm_answers_421_to_the_idle_and_ends_clean(gateway):
    s = socket.create_connection(("127.0.0.1", gateway.port))
    s.settimeout(90)
    assert s.recv(1000).startswith(b"220")
    every = [p for ps in gateway.pids().values() for p in ps]
    gateway.proc.send_signal(signal.SIGTERM)
    assert s.recv(1000).startswith(b"421")
    s.close()
    assert gateway.stop() == 0
    wait_for("the processes to go", lambda: all(is_zombie(p) for p in every))


def test_sigterm_lets_a_message_in_progress_finish(gateway, capture):
    s = smtplib.SMTP("127.0.0.1", gateway.port, timeout=90)
    s.ehlo("c.sender.example")
    s.mail(SENDER)
    assert s.rcpt(ALICE)[0] == 250
    assert s.docmd("DATA")[0] == 354
    gateway.proc.send_signal(signal.SIGTERM)
    wait_for("the end to begin", lambda: "event=stopping" in gateway.log())
    s.send(message(body="late\r\n") + b".\r\n")
    assert s.getreply()[0] == 250
    s.close()
    assert gateway.proc.wait(PATIENCE) == 0
    gateway.proc = None
    gateway.start()
    # what was answered with 250 arrives, before the end or after the restart
    capture.wait(1)


def test_sighup_takes_a_good_configuration_and_keeps_a_bad_one_out(gateway, capture, keys):
    s = smtplib.SMTP("127.0.0.1", gateway.port, timeout=90)
    s.ehlo("c.sender.example")
    gateway.write_conf(rules='rule "now" { try = { smime, reject } }\n')
    gateway.proc.send_signal(signal.SIGHUP)

    def refuses():
        with smtplib.SMTP("127.0.0.1", gateway.port, timeout=PATIENCE) as t:
            t.ehlo("c.sender.example")
            t.mail(SENDER)
            return t.rcpt("carol@partner.example")[0] == 550
    wait_for("the new rules", refuses)
    assert s.noop()[0] == 250, "a connection was dropped"
    good = gateway.conf.read_text()
    gateway.conf.write_text(good.replace("smime, reject", "smime, nonsense"))
    gateway.proc.send_signal(signal.SIGHUP)
    wait_for("the complaint", lambda: "nonsense" in gateway.log())
    assert refuses()
    s.quit()
    # -n says the same with file and line
    done = run(gateway.build / "sealgated", "-n", "-f", gateway.conf, check=False)
    assert done.returncode == 1
    assert re.search(r"sealgate\.conf:\d+:.*nonsense", (done.stdout + done.stderr).decode())


def test_no_process_is_left_when_the_supervisor_is_killed(gateway):
    every = [p for ps in gateway.pids().values() for p in ps]
    every += [c for p in every for c in children(p)]
    gateway.proc.kill()
    gateway.proc.wait()
    # whoever inherits them may be slow to reap them
    wait_for("the processes to go", lambda: all(is_zombie(p) for p in every))
    gateway.proc = None


@pytest.mark.skipif(os.geteuid() != 0, reason="a passwd file of its own needs root")
@pytest.mark.parametrize("shared, ok", [(False, True), (True, False)])
def test_roles_with_one_group_are_refused(make_gateway, capture, shared, ok):
    """useradd -g with a common group would open the keystore to everybody."""
    gw = make_gateway(capture.port, start=False)
    text = gw.conf.read_text()
    gw.conf.write_text(re.sub(r"(?m)^users = .*$", 'users = "sgtest"', text))
    users = "".join("sgtest-%s:x:%d:%d::/:/bin/false\n" % (
        role, 64300 + n, 64300 if shared else 64300 + n)
        for n, role in enumerate(sorted(ROLES | {"opener", "accounts", "extract"})))
    passwd = gw.root / "passwd"
    passwd.write_text(pathlib.Path("/etc/passwd").read_text() + users)
    done = run("unshare", "-m", "--propagation", "private", "sh", "-c",
               'mount --bind "$1" /etc/passwd && exec "$2" -n -f "$3"', "sh", passwd,
               gw.build / "sealgated", gw.conf, check=False)
    said = (done.stdout + done.stderr).decode()
    assert (done.returncode == 0) == ok, said
    assert ok or "a group of its own" in said


@pytest.mark.parametrize("role", ["listener", "store", "relay", "control", "portal",
                                  "worker", "keys", "pgp"])
def test_a_process_that_hangs_is_replaced(make_gateway, capture, keys, role):
    """Stopped, it neither dies nor answers."""
    g = make_gateway(capture.port, limits="hang = 500ms engine = 1s workers = 1",
                     import_keys=[keys.alice_crt])
    (pid,) = g.pids()[role]
    os.kill(pid, signal.SIGSTOP)
    wait_for("another " + role, lambda: pid not in g.pids().get(role, [pid]))
    assert 'event=hung process="%s"' % role in g.log()

    def sent():
        try:
            g.send(SENDER, ALICE, message(sender=SENDER, to=ALICE))
            return True
        except (OSError, smtplib.SMTPException):
            return False
    wait_for("a message to be taken", sent)
    capture.wait()


@pytest.mark.alone
def test_a_process_at_work_is_left_alone(make_gateway, capture, keys):
    """Who answers late, but answers, stays: with a hundred messages at a time no
    process is taken for one that hangs."""
    g = make_gateway(capture.port, limits="hang = 3s engine = 6s", import_keys=[keys.alice_crt])
    before = g.pids()
    for _ in range(100):
        g.send(SENDER, ALICE, message(sender=SENDER, to=ALICE))
    capture.wait(100)
    assert g.pids() == before
    assert "event=hung" not in g.log()
