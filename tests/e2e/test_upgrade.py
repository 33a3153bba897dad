# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Another version, another master key, another machine in turn: states that
earlier builds made are taken over whole, later ones are not touched, a change
of the master key can be interrupted anywhere, and two gateways behind a load
balancer are exchanged one by one while mail flows."""
import json
import os
import pathlib
import shutil
import smtplib
import subprocess
import tarfile
import threading
import time

import pytest

from capture import Capture
from harness import PATIENCE, SEALGATED, TOP, free_port, message, run, wait_for
from peers import port_is_open, stop, unpacked
from test_seal import open_link

STATES = sorted((TOP / "tests/e2e/states").glob("*.tar.xz"))
SENDER, HELD = "sam@sender.example", "held@partner.example"
CLEAR = 'rule "all" { try = { clear } }\n'
HOLD = 'rule "held" { to = "held@partner.example" try = { hold } }\n' + CLEAR
EXPIRES_AT = 88  # in the header of an object: docs/format-escrow.md
OFF_LINE = 3


def refused(gw):
    done = subprocess.run([str(SEALGATED), "-f", str(gw.conf)], capture_output=True, timeout=90)
    assert done.returncode not in (0, 1)
    return done.stderr.decode()


# --- versions


def unpack(archive, gw):
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            assert not member.name.startswith(("/", ".."))
        tar.extractall(gw.root, numeric_owner=True)
    # the objects of a state that is older than their expiry are still wanted
    for name in (gw.state / "escrow").iterdir():
        with open(name, "r+b") as f:
            f.seek(EXPIRES_AT)
            f.write(int(time.time() + 86400).to_bytes(8, "big"))
    shutil.rmtree(gw.state / "portal")
    return json.loads((gw.root / "facts.json").read_text())


@pytest.mark.parametrize("archive", STATES, ids=lambda p: p.name)
def test_the_state_of_an_earlier_build_is_taken_over_whole(make_gateway, capture, archive):
    gw = make_gateway(capture.port, start=False)
    facts = unpack(archive, gw)
    gw.write_conf(rules=facts["rules"])
    gw.start()
    text = facts["text"]
    # mail that waited goes on
    gw.cli("queue", "flush")
    assert text["queued"].encode() in capture.wait(1)[0].data
    held = gw.cli_json("queue", "list", "--state", "held")
    gw.cli("queue", "release", held[0]["id"])
    sealed = capture.wait(2)[1].data
    opened = run("openssl", "cms", "-decrypt", "-inkey", gw.root / "held.key", input=sealed)
    assert text["held"].encode() in opened.stdout
    # a link that was sent opens at the portal of today
    fragment = facts["link"].split("/m/")[1]
    assert text["link"] in open_link("http://127.0.0.1:%d/m/%s" % (gw.portal_port, fragment))
    # keys are there and open mail
    assert sorted(k["fingerprint"] for k in gw.cli_json("key", "list")) == facts["keys"]
    opened = gw.cli("open", "--to", SENDER, input=(gw.root / "for-sam.eml").read_bytes())
    assert text["inbound"].encode() in opened.stdout
    assert gw.cli_json("domain", "show", "partner.example")["by_hand"] is True
    # and the log goes on where it ended
    gw.cli("audit", "verify")
    assert (gw.state / "format").read_text().startswith("1 ")


def test_the_state_of_a_later_version_is_not_touched(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR, portal=False)
    gw.stop()
    mark = gw.state / "format"
    for text, says in (("2 9.0.0\n", "a later version"), ("1000001 x\n", "is damaged"),
                       ("-1\n", "is damaged"), ("one\n", "is damaged"), ("", "is damaged"),
                       ("1x\n", "is damaged"), ("1" * 100, "is damaged")):
        mark.unlink()
        mark.write_text(text)
        before = sorted((p, p.stat().st_mtime_ns) for p in gw.state.rglob("*"))
        assert says in refused(gw), text
        done = gw.cli("key", "list", check=False)
        assert done.returncode == OFF_LINE and says in done.stderr.decode(), text
        assert sorted((p, p.stat().st_mtime_ns) for p in gw.state.rglob("*")) == before
    mark.unlink()  # as earlier builds left it
    gw.start()
    assert mark.read_text().startswith("1 ")


# --- the master key


def test_another_master_key_opens_what_the_old_one_did(make_gateway, capture, keys):
    gw = make_gateway(capture.port, rules=HOLD, portal=False, import_keys=[keys.alice_crt])
    gw.cli("key", "generate", "--kind", "openpgp", "--name", "Sam", SENDER)
    gw.send(SENDER, HELD, message(body="canary 3141\r\n", to=HELD))
    held = wait_for("it", lambda: gw.cli_json("queue", "list"))[0]["id"]
    running = gw.cli("master-key", "rotate", check=False)
    assert running.returncode == OFF_LINE and b"stop it first" in running.stderr
    gw.stop()
    path = gw.root / "master.key"
    old, mode = path.read_bytes(), path.stat().st_mode
    said = gw.cli("master-key", "rotate").stderr.decode()
    assert str(path) in said and "off this machine" in said
    new = path.read_bytes()
    assert len(new) == 32 and new != old and path.stat().st_mode == mode
    assert sorted(p.name for p in gw.root.glob("master.key*")) == ["master.key"]
    # the old one opens nothing any more
    path.chmod(0o600)
    path.write_bytes(old)
    path.chmod(0o400)
    assert "not the master key" in refused(gw)
    path.chmod(0o600)
    path.write_bytes(new)
    path.chmod(0o400)
    gw.start()
    gw.write_conf(rules=CLEAR, portal=False)
    gw.cli("reload")
    gw.cli("queue", "release", held)
    assert b"canary 3141" in capture.wait(1)[0].data
    fpr = [k["fingerprint"] for k in gw.cli_json("key", "list") if k["private"]][0]
    secret = gw.root / "passphrase"
    secret.write_text("one two three\n")
    gw.cli("key", "export", "--secret", "--passphrase-file", secret, "--out",
           gw.root / "sam.asc", fpr)


def test_a_change_of_the_master_key_can_be_interrupted_anywhere(make_gateway, capture):
    """Killed at each system call that changes a file; the gateway then starts
    with the old key, or says what ends the change."""
    gw = make_gateway(capture.port, rules=HOLD, portal=False)
    gw.send(SENDER, HELD, message(body="canary\r\n", to=HELD))
    gw.stop()
    calls = "openat,write,fsync,linkat,renameat,unlinkat,fchownat"
    killed = 0
    for name in calls.split(","):
        for n in range(1, 40):
            if not killed_at(gw, name, n):
                break
            killed += 1
            if list(gw.root.glob("master.key.new")):
                assert "master-key rotate again" in refused(gw)
                gw.cli("master-key", "rotate")
            assert not list(gw.root.glob("master.key.new"))
    assert killed > 20
    gw.start()
    assert len(gw.cli_json("queue", "list", "--state", "held")) == 1
    gw.cli("audit", "verify")


def killed_at(gw, name, n):
    """Whether the command was killed at its n-th call of this name that is
    about the keys; opening for reading does not count."""
    where = ["-P", str(gw.root / "master.key.new"), "-P", str(gw.root),
             "-P", str(gw.state / "keys")]
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", *(where if name == "openat" else ()),
         "-e", "trace=" + name, "-e", "inject=%s:signal=KILL:when=%d" % (name, n),
         str(gw.build / "sealgate"), "-f", str(gw.conf), "master-key", "rotate"],
        capture_output=True, timeout=90)
    return done.returncode != 0


def test_what_cannot_be_changed_stays(make_gateway, capture):
    gw = make_gateway(capture.port, rules=CLEAR, portal=False)
    gw.stop()
    path = gw.root / "master.key"
    old = path.read_bytes()
    assert gw.cli("master-key", "rotate", "more", check=False).returncode == 2
    short = gw.root / "short"
    short.write_bytes(b"short")
    assert gw.cli("master-key", "rotate", "--file", short, check=False).returncode != 0
    other = gw.root / "other"
    other.write_bytes(os.urandom(32))
    done = gw.cli("master-key", "rotate", "--file", other, check=False)
    assert done.returncode == OFF_LINE and b"not the master key" in done.stderr
    assert path.read_bytes() == old
    gw.start()


# --- one after the other


class Balancer:
    """HAProxy before two gateways; it goes to the other when one is not there."""

    def __init__(self, root, ports):
        self.port = free_port()
        conf = root / "haproxy.cfg"
        conf.write_text("""
defaults
  mode tcp
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  option redispatch 1
  retries 3
listen smtp
  bind 127.0.0.1:%d
  default-server check inter 100ms fall 1 rise 1
%s""" % (self.port, "".join("  server gw%d 127.0.0.1:%d\n" % (n, p)
                            for n, p in enumerate(ports))))
        home = unpacked("haproxy")
        libs = ":".join(str(p) for p in home.glob("usr/lib/*-linux-gnu"))
        self.proc = subprocess.Popen(
            [str(home / "usr/sbin/haproxy"), "-db", "-f", str(conf)],
            env=dict(os.environ, LD_LIBRARY_PATH=libs), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("haproxy", lambda: port_is_open(self.port))


class Flow:
    """A server that hands in mail all the time and tries again what was refused
    for now, as every mail server does."""

    def __init__(self, port):
        self.port, self.accepted, self.refused = port, 0, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            self.hand_in("<m%d@sender.example>" % self.accepted)

    def hand_in(self, ident):
        text = message(extra="X-Number: %s\r\n" % ident)
        while True:
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=90) as s:
                    s.sendmail(SENDER, ["carol@partner.example"], text)
                self.accepted += 1
                return
            except (OSError, smtplib.SMTPServerDisconnected):
                pass
            except smtplib.SMTPRecipientsRefused as e:
                if any(code >= 500 for code, _ in e.recipients.values()):
                    self.refused.append(str(e))
                    return
            except smtplib.SMTPResponseException as e:
                if e.smtp_code >= 500:
                    self.refused.append(str(e))
                    return
            time.sleep(0.02)

    def end(self):
        self.over.set()
        self.thread.join(2 * PATIENCE)
        assert not self.thread.is_alive()


def test_two_gateways_are_exchanged_one_by_one(make_gateway, capture, root):
    gws = [make_gateway(capture.port, rules=CLEAR, portal=False) for _ in range(2)]
    balancer = Balancer(root, [gw.port for gw in gws])
    try:
        flow = Flow(balancer.port)
        for gw in gws:
            wait_for("mail to flow", lambda at=flow.accepted: flow.accepted > at + 5)
            assert gw.stop() == 0
            wait_for("the other to take it", lambda at=flow.accepted: flow.accepted > at + 5)
            gw.start()
        wait_for("mail to flow", lambda at=flow.accepted: flow.accepted > at + 5)
        flow.end()
        assert flow.refused == []
        wanted = {"<m%d@sender.example>" % n for n in range(flow.accepted)}
        wait_for("everything", lambda: wanted <= numbers(capture))
    finally:
        stop(balancer.proc)


def numbers(capture):
    out = set()
    for m in list(capture.messages):
        for line in m.data.split(b"\r\n\r\n")[0].split(b"\r\n"):
            if line.startswith(b"X-Number: "):
                out.add(line[10:].decode())
    return out
