# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P1 and P2 on a disk that fails while the gateway works: strace has system calls
of store and worker return EIO or ENOSPC. Whoever was told 250 has the mail
there, whoever was not is told 4xx, and all is well again afterwards. The number
of rounds for each fault is SEALGATE_FAULTS (default 2)."""
import os
import random
import smtplib
import threading

import pytest

from harness import PATIENCE, message, octets_below, wait_for
from test_kill_calls import Traced

ALICE, CAROL = "alice@partner.example", "carol@partner.example"
CANARY = b"canary-4410-canary"
ROUNDS = int(os.environ.get("SEALGATE_FAULTS", "2"))
SEED = int(os.environ.get("SEALGATE_SEED", "0")) or random.SystemRandom().randrange(1 << 30)

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="another user's process is traced by root alone")


class Faulty(Traced):
    """The process meets that error at its nth call of that name, and `more` after it."""

    def __init__(self, pid, out, call, error, n, more):
        self.rule = "inject=%s:error=%s:when=%d..%d" % (call, error, n, n + more)
        super().__init__(pid, out)

    def command(self, out, inject):
        return ["strace", "-f", "-qq", "-o", str(out), "-e", "trace=" + self.rule.split(":")[0][7:],
                "-e", self.rule]


class Mail:
    def __init__(self, gw, capture):
        self.gw, self.capture = gw, capture
        self.n, self.accepted, self.codes = 0, set(), []
        self.lock = threading.Lock()

    def hand_in(self, to, size):
        with self.lock:
            self.n += 1
            name = "s%d@sender.example" % self.n
        body = CANARY.decode() + "\r\n" + ("z" * 70 + "\r\n") * (size // 72)
        try:
            self.gw.send(name, to, message(body=body, sender=name, to=to))
            code = 250
        except smtplib.SMTPResponseException as e:
            code = e.smtp_code
        except smtplib.SMTPRecipientsRefused as e:
            code = list(e.recipients.values())[0][0]
        except (OSError, smtplib.SMTPException):
            code = 0
        with self.lock:
            self.codes.append(code)
            if code == 250:
                self.accepted.add(name)

    def several(self):
        t = [threading.Thread(target=self.hand_in, args=(to, size))
             for to in (ALICE, CAROL) for size in (0, 300000)]
        for x in t:
            x.start()
        for x in t:
            x.join(2 * PATIENCE)  # the client has its own
            assert not x.is_alive(), "a client got no answer"

    def all_there(self):
        return self.accepted <= {m.mail_from for m in list(self.capture.messages)}


@pytest.mark.parametrize("role,call,error", [
    ("store", "fdatasync", "EIO"),
    ("store", "pwrite64", "ENOSPC"),
    ("store", "pwritev", "EIO"),
    ("worker", "fsync", "EIO"),
    ("worker", "write", "ENOSPC"),
])
def test_a_disk_that_fails_under_a_running_gateway(make_gateway, capture, keys, root,
                                                   role, call, error):
    rng = random.Random("%d %s %s" % (SEED, role, call))
    print("seed", SEED)
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], limits="workers = 1",
                      retry="first = 100ms max = 300ms")
    mail = Mail(gw, capture)
    for _ in range(ROUNDS):
        pid = wait_for(role, lambda: gw.pids().get(role))[0]
        t = Faulty(pid, root / "faults", call, error, rng.randrange(1, 4), rng.randrange(0, 4))
        mail.several()
        t.end()
        # a store that could not sync begins anew before it commits again
        wait_for("it to work again", lambda: gw.cli("status", check=False).returncode == 0)
    # 0: the listener's patience, or the connection, was over
    assert set(mail.codes) <= {250, 421, 451, 452, 0}, mail.codes
    before = len(mail.accepted)
    wait_for("mail to be taken", lambda: mail.several() or len(mail.accepted) >= before + 4)
    wait_for("everything that was accepted", mail.all_there)
    wait_for("nothing to wait", lambda: gw.cli_json("queue", "list") == [])
    assert CANARY not in capture.everything()
    gw.stop()
    for path, data in octets_below(gw.state):
        assert CANARY not in data, path
    gw.cli("audit", "verify")
    print("figure: %s met %s at %s in %d rounds: %d of %d messages accepted, none lost"
          % (role, error, call, ROUNDS, len(mail.accepted), mail.n))
