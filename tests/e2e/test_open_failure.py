# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""An engine that fails, lies, dies or hangs while it opens costs time and
nothing else: the mail waits as it came, nothing of it and nothing false is
delivered, and it is opened when the engine works again."""
import os

import pytest

from harness import BUILD, wait_for
from test_engine_failure import IN_PLACE, misbehave
from test_open_path import CLEAR, OTTO, queue, verdicts
from test_open_pgp import (EVE, SECRET, TEXT, head, multipart_signed, people,  # noqa: F401
                           pgp_mime, seal, sign)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="putting a program in the place "
                                "of gpg needs root")


@pytest.fixture
def gw(make_gateway, capture, people):  # noqa: F811
    g = make_gateway(capture.port, start=False, portal=False, rules=CLEAR, inbound=capture.port,
                     listen_in="", options="retry { first = 200ms max = 1s }\n")
    g.wrap = ["unshare", "-m", "--propagation", "private", "sh", "-c", IN_PLACE, "sh",
              str(BUILD / "tests/lib/fake_gpg")]
    g.start()
    g.cli("key", "import", people.otto_sec, people.eve_asc)
    return g


def test_what_cannot_be_opened_now_waits_and_is_opened_later(gw, capture, people):  # noqa: F811
    signed = multipart_signed(TEXT[:-2], sign(people, TEXT[:-2], EVE))
    for n, mode in enumerate(("fail", "nothing", "garbage", "echo")):
        misbehave(gw, mode)
        seen = len(gw.log())
        gw.send_in(EVE, OTTO, head() + pgp_mime(seal(people, TEXT, by=EVE)))
        gw.send_in(EVE, OTTO, head() + signed)
        wait_for("both to be tried (%s)" % mode, lambda: all(
            gw.log()[seen:].count("event=" + what) > 1 for what in ("pgp-open", "pgp-verify")))
        assert len(queue(gw)) == 2, mode
        assert len(capture.messages) == 2 * n, mode
        misbehave(gw, "")
        got = capture.wait(2 * n + 2)[2 * n:]
        said = sorted(verdicts(g.data)[0].split(b";")[0] for g in got)
        assert said == [b"encrypted, signed-good", b"signed-good"], (mode, said)
        assert all(SECRET in g.data for g in got), mode
        wait_for("an empty queue", lambda: not queue(gw))
