#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""`tls = LEVEL` in a rule: what the hop must have, whatever protects the message."""
import pytest

from harness import wait_for
from mail_domain import DOMAIN, policy
from tls_domain import (CANARY, CAROL, SENDER, ca, domain, gateway_to,  # noqa: F401
                        mail, nothing_said, records)

TLSA = "_{port}._tcp.mx TLSA {tlsa}\n"
STS = {"names": ("mx." + DOMAIN,), "sts": "1", "answer": policy()}
OTHER = {"names": ("x.example",)}

# level, what the domain has, proven, by what it was recognised (None: it waits)
FLOORS = [
    ("encrypt", OTHER, False, "encrypt"),
    ("encrypt", {"names": None}, False, None),
    ("verify", {}, False, "verify"),
    ("verify", OTHER, False, None),
    ("mta-sts", {}, False, None),
    ("mta-sts", STS, False, "mta-sts"),
    ("mta-sts", {"names": ("x.example",), "records": TLSA}, True, "dane"),
    ("dane", STS, False, None),
    ("dane", {"names": ("x.example",), "records": TLSA}, True, "dane"),
]


@pytest.mark.parametrize("row", FLOORS, ids=["%s %d" % (r[0], i)
                                             for i, r in enumerate(FLOORS)])
def test_a_floor_of_a_rule(domain, gateway_to, row):
    """Whatever the rung: here it is clear."""
    level, has, proven, by = row
    d = domain(**has)
    g = gateway_to(d, "clear", proven, rule="tls = " + level)
    g.send(SENDER, CAROL, mail())
    if by is None:
        (row,) = wait_for("the record", lambda: records(g, "deferred")[:1])
        assert row["status"] == "4.7.5" and row["tls-demanded"] == level
        nothing_said(d)
        return
    d.peer.wait()
    (row,) = wait_for("the record", lambda: records(g, "sent"))
    assert row["tls-had"] == by
    assert CANARY.encode() not in d.peer.in_clear()


def test_the_strictest_floor_counts_and_is_told(domain, gateway_to):
    d = domain(**OTHER)
    g = gateway_to(d, "clear", rule="tls = verify }\n"
                   'rule "marked" { subject-tag = "[x]" try = { clear } tls = encrypt')
    (told,) = g.cli_json("explain", "--from", SENDER, "--to", CAROL)
    assert told["tls"] == "verify"
    g.send(SENDER, CAROL, mail().replace(b"Subject: ", b"Subject: [x] "))
    wait_for("the record", lambda: records(g, "deferred"))
    nothing_said(d)


# --- notices of mail for pick-up

@pytest.mark.parametrize("has,by", [({}, "verify"), (OTHER, None)],
                         ids=["authenticated", "nobody knows who it is"])
def test_a_notice_travels_as_the_rung_tls_goes(domain, gateway_to, has, by):
    d = domain(**has)
    g = gateway_to(d, "escrow", rule="notice = tls", portal=True)
    g.send(SENDER, CAROL, mail())
    if by is None:
        (row,) = wait_for("the record", lambda: records(g, "deferred")[:1])
        assert row["tls-demanded"] == "verify" and row["status"] == "4.7.5"
        nothing_said(d)
        return
    (m,) = d.peer.wait()
    (row,) = wait_for("the record", lambda: records(g, "sent"))
    assert row["tls-had"] == by and m.tls
    assert b"/m/" in m.data and b"/m/" not in d.peer.in_clear()
    assert CANARY.encode() not in m.data
