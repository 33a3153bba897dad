# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What takes hours and days, in seconds: the clocks of the gateway are set ahead
while it runs, and the times are those that nobody has configured."""
import os
import time

import pytest

from clock_shift import Clock
from harness import free_port, message, wait_for
from mail_domain import DOMAIN
from tls_domain import (CANARY, CAROL, SENDER, ca, domain, gateway_to, mail,  # noqa: F401
                        records, strip)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="an /etc of its own needs root")

MINUTE, HOUR, DAY = 60, 3600, 86400


class Waiting:
    """The message that is in the queue, and the clock it waits by."""

    def __init__(self, g, clock):
        self.g, self.clock, self.tries, self.ahead_at = g, clock, 0, time.monotonic()

    def next_try(self):
        """What the queue says of it after one more try."""
        self.tries += 1

        def tried():
            for e in self.g.cli_json("queue", "list"):
                if e["from"] == SENDER and e["tries"] >= self.tries and not e["under_way"]:
                    return e
            return None
        e = wait_for("try %d" % self.tries, tried)
        self.tries = e["tries"]
        return e

    def ahead(self, seconds):
        self.ahead_at = time.monotonic()
        self.clock.ahead(seconds)

    def late(self):
        """What may have gone by since the try, in seconds, and what is rounded."""
        return time.monotonic() - self.ahead_at + 3


def test_tries_double_then_a_warning_then_the_end(make_gateway, capture):
    """5 minutes, doubled up to 4 hours, a quarter more or less; a try at the age of
    4 hours, with which the sender is warned once; given up at 5 days."""
    g = make_gateway(free_port(), start=False, inbound=capture.port,
                     rules='rule "default" { try = { clear } }\n')
    w = Waiting(g, Clock(g))
    g.start()
    g.send(SENDER, CAROL, message(sender=SENDER, to=CAROL, body=CANARY + "\r\n"))
    e = w.next_try()
    while e["age_s"] < 12 * HOUR:
        step = min(5 * MINUTE * 2 ** (w.tries - 1), 4 * HOUR)
        assert e["next_s"] <= min(step * 5 / 4, 4 * HOUR)
        due = e["age_s"] + e["next_s"]
        if e["age_s"] < 4 * HOUR:
            assert not capture.messages
            assert due <= 4 * HOUR
        assert e["next_s"] >= step * 3 / 4 - w.late() or abs(due - 4 * HOUR) < 3, e
        w.ahead(e["next_s"] + 1)
        e = w.next_try()
        if e["age_s"] >= 4 * HOUR:
            assert b"Action: delayed" in capture.wait(1)[0].data
    assert w.tries >= 8
    # an hour before the end it is tried, and once more at the end
    w.ahead(5 * DAY - HOUR - e["age_s"])
    e = w.next_try()
    assert abs(e["age_s"] + e["next_s"] - 5 * DAY) < 3, e
    assert len(capture.messages) == 1
    w.ahead(e["next_s"] + 1)
    failed = capture.wait(2)[1]
    assert b"Action: failed" in failed.data and failed.rcpts == [SENDER]
    wait_for("an empty queue", lambda: g.cli_json("queue", "list") == [])
    (end,) = wait_for("the record", lambda: records(g, "bounced"))
    assert end["rcpt"] == CAROL
    assert len(records(g, "deferred")) == w.tries
    assert len(capture.messages) == 2
    assert all(CANARY.encode() not in m.data for m in capture.messages)


def test_a_domain_is_looked_at_again_every_day(domain, gateway_to):
    """Without mail, so that what it drops is known before there is some; forgotten
    after 60 days."""
    d = domain()
    g = gateway_to(d, "tls, clear", start=False)
    clock = Clock(g)
    g.start()
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    wait_for("the record", lambda: records(g, "sent"))

    def shown():
        return g.cli_json("domain", "show", "--tls", DOMAIN)

    first, sessions = shown(), len(d.peer.sessions)
    clock.ahead(23 * HOUR)
    time.sleep(3)
    assert shown() == first and len(d.peer.sessions) == sessions
    clock.ahead(HOUR)
    wait_for("a look", lambda: shown()["seen"] > first["seen"])
    assert len(d.peer.sessions) > sessions
    assert shown()["level"] == "authenticated" and not records(g, "tls-dropped")
    strip(d)
    clock.ahead(DAY + 1)
    (row,) = wait_for("the alarm", lambda: records(g, "tls-dropped"))
    assert (row["had"], row["has"]) == ("authenticated", "none")
    assert shown()["used"] == first["used"] and not d.peer.messages
    clock.ahead(60 * DAY)
    wait_for("it to be forgotten", lambda: g.cli_json("domain", "list", "--tls") == [])
