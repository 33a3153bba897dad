# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""A message as large as can be streams: what all processes together have in
memory beside the memfds of the message stays within 64 MiB above idle."""
import pathlib
import threading
import time

import pytest

from harness import children, message
from test_forms import BOB
from test_sign_smime import ALICE, SENDER, bundle

BOUND = 64 * 1024  # KiB
SIZE = 100 * 1024 * 1024 - 20000  # octets; 100 MiB is the most that can be configured
LINE = "0123456789" * 7 + "\r\n"
RULE = 'rule "r" { try = { %s } sign = %s smime-signed = %s }\n'


def resident(pid):
    """KiB of anonymous memory and of mapped files; memfds are neither."""
    try:
        lines = pathlib.Path("/proc/%d/status" % pid).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines
               if line.startswith(("RssAnon", "RssFile")))


def everybody(pid):
    """gpg and its agents, too."""
    return [pid] + [p for child in children(pid) for p in everybody(child)]


class Watch(threading.Thread):
    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.over = pid, 0, threading.Event()

    def now(self):
        return sum(resident(p) for p in everybody(self.pid))

    def run(self):
        while not self.over.wait(0.01):
            self.peak = max(self.peak, self.now())


@pytest.fixture(scope="module")
def senders(keys):
    """Private keys of the sender, of both kinds."""
    both = bundle(keys, SENDER, "sam-large")[1]
    keys.openpgp(SENDER, "sam-large-pgp")
    secret = keys.root / "sam-large.secret.asc"
    secret.write_bytes(keys.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--armor",
                                "--export-secret-keys", SENDER).stdout)
    return [both, secret]


@pytest.mark.parametrize("ladder, to, sign, shape", [
    ("clear", "carol@partner.example", "no", "detached"),
    ("clear", "carol@partner.example", "required", "detached"),
    ("smime, reject", ALICE, "required", "opaque"),
    ("pgp, reject", BOB, "required", "detached"),
    ("escrow", "carol@partner.example", "no", "detached"),
], ids=["clear", "signed", "smime", "pgp", "escrow"])
def test_a_large_message_streams(make_gateway, capture, keys, senders, ladder, to, sign, shape):
    # sealed it is larger than the usual peer takes
    capture.extensions = [e for e in capture.extensions if not e.startswith("SIZE")]
    gw = make_gateway(capture.port, listen='may-sign = "127.0.0.1"',
                      limits="message-size = 100M memory = 1G",
                      rules=RULE % (ladder, sign, shape),
                      import_keys=[keys.alice_crt, keys.bob_asc, *senders])
    # what is loaded at the first message counts as idle
    gw.send(SENDER, to, message(to=to))
    capture.wait(1)
    time.sleep(0.3)
    watch = Watch(gw.proc.pid)
    idle = watch.now()
    watch.start()
    gw.send(SENDER, to, message(to=to, body=LINE * (SIZE // len(LINE))))
    got = capture.wait(2)[1]
    watch.over.set()
    watch.join()
    assert ladder == "escrow" or len(got.data) > SIZE
    print("idle %d KiB, above it %d KiB" % (idle, watch.peak - idle))
    assert watch.peak - idle < BOUND
    assert watch.peak > idle > 0
