# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P2 and P3: store, worker and relay killed at each system call of a delivery
that changes something outside of the process. strace counts the calls and
kills at one of them. A seeded sample of SEALGATE_CALLS calls for each process
(default 3, 0: all of them; the seed is SEALGATE_SEED)."""
import collections
import os
import pathlib
import random
import re
import smtplib
import subprocess
import threading
import time

import pytest

from harness import PATIENCE, is_zombie, message, octets_below, wait_for

CALLS = ("sendmsg,sendto,write,writev,pwrite64,pwritev,fdatasync,fsync,ftruncate,"
         "memfd_create,connect,shutdown,unlink,unlinkat,rename,renameat,close")
SAMPLE = int(os.environ.get("SEALGATE_CALLS", "3"))
SEED = int(os.environ.get("SEALGATE_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
SIZES = (0, 300000)  # a body beside its entry, and one in a file
ALICE, CAROL = "alice@partner.example", "carol@partner.example"
CANARY = b"canary-5512-canary"


class Traced:
    """strace on a process, from now on; inject: (name, n), the call to kill at."""

    def __init__(self, pid, out, inject=None):
        self.pid = pid
        args = self.command(out, inject)
        self.proc = subprocess.Popen(args + ["-p", str(pid)], stdin=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
        wait_for("strace", lambda: self.proc.poll() is not None or self.is_attached())

    def command(self, out, inject):
        args = ["strace", "-f", "-qq", "-o", str(out), "-e", "trace=" + CALLS]
        if inject:
            args += ["-e", "inject=%s:signal=KILL:when=%d" % inject]
        return args

    def is_attached(self):
        try:
            status = pathlib.Path("/proc/%d/status" % self.pid).read_text()
        except OSError:
            return True
        return "TracerPid:\t0\n" not in status

    def is_killed(self):
        return not pathlib.Path("/proc/%d" % self.pid).exists() or is_zombie(self.pid)

    def end(self):
        self.proc.terminate()
        self.proc.wait()


class Deliveries:
    def __init__(self, gw, capture):
        self.gw, self.capture = gw, capture
        self.n = 0
        self.accepted = set()

    def hand_in(self, to, size):
        """One message with a sender of its own; it has arrived if it was accepted."""
        self.n += 1
        name = "s%d@sender.example" % self.n
        body = CANARY.decode() + "\r\n" + ("z" * 70 + "\r\n") * (size // 72)
        try:
            self.gw.send(name, to, message(body=body, sender=name, to=to))
            self.accepted.add(name)
        except (OSError, smtplib.SMTPException):
            return
        wait_for("what was accepted", lambda: self.arrived(name))

    def arrived(self, name):
        return any(m.mail_from == name for m in list(self.capture.messages))

    def pid(self, role):
        return wait_for(role, lambda: self.gw.pids().get(role))[0]


def is_ready(gw, role, old):
    pids = gw.pids().get(role)
    return pids and old not in pids


def list_calls(d, role, root, size):
    """The (name, n) of the calls of one delivery, of a gateway that has just begun
    and has connections to make. strace counts those of each name."""
    out = root / "calls"
    t = Traced(d.pid(role), out)
    d.hand_in(ALICE, size)
    time.sleep(0.3)
    t.end()
    seen = collections.Counter()
    calls = []
    for name in re.findall(r"^(?:\d+ +)?([a-z0-9_]+)\(", out.read_text(), re.M):
        seen[name] += 1
        calls.append((name, seen[name]))
    return calls


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's process is traced by root alone")
@pytest.mark.parametrize("role", ["store", "worker", "relay"])
def test_killed_at_a_call_nothing_is_lost(make_gateway, capture, keys, root, role):
    rng = random.Random("%d %s" % (SEED, role))
    print("seed", SEED)
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], limits="workers = 1",
                      retry="first = 100ms max = 200ms")
    d = Deliveries(gw, capture)
    calls = []
    for size in SIZES:
        found = list_calls(d, role, root, size)
        assert len(found) >= 3
        calls += [(size, call) for call in found]
        gw.kill()
        gw.start()
    total = len(calls)
    wanted = min(SAMPLE, total) or total
    rng.shuffle(calls)
    killed = 0
    for n, (size, call) in enumerate(calls):
        if killed == wanted:
            break
        # a power cut meanwhile, so that what is counted is the same again
        gw.kill()
        gw.start()
        pid = d.pid(role)
        t = Traced(pid, root / "calls", inject=call)
        hand = threading.Thread(target=d.hand_in, args=(ALICE if n % 3 else CAROL, size))
        hand.start()
        hand.join(3 * PATIENCE)
        assert not hand.is_alive(), "%s %d: the client got no answer" % call
        # the last calls come after the delivery
        until = time.monotonic() + 0.5
        while not t.is_killed() and time.monotonic() < until:
            time.sleep(0.02)
        if t.is_killed():
            killed += 1
            wait_for("another one", lambda: is_ready(gw, role, pid))
        t.end()
    # some calls come by the clock and not with a message
    assert killed >= (wanted if SAMPLE else total // 2)
    # who was told 250 has his mail there, whatever was killed when
    wait_for("everything", lambda: all(d.arrived(x) for x in d.accepted))
    assert d.accepted
    assert CANARY not in capture.everything()
    wait_for("nothing to wait", lambda: gw.cli_json("queue", "list") == [])
    gw.stop()
    for path, data in octets_below(gw.state):
        assert CANARY not in data, path
    gw.cli("audit", "verify")
    print("figure: %s killed at %d of the %d calls of a delivery: %d messages accepted, "
          "none lost, nothing readable" % (role, killed, total, len(d.accepted)))
