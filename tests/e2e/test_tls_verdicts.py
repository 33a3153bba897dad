#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Postfix agrees with what we say of a server's TLS: its posttls-finger looks at
the same servers at the same level, over the same signed zone (knot) and the same
validating resolver (unbound), and a Postfix that sends sends what we send."""
import concurrent.futures
import contextlib
import os
import pathlib
import random
import re
import shutil
import smtplib
import subprocess
import tempfile

import pytest

from capture import Capture
from harness import Gateway, free_port, message, wait_for
from mail_domain import Authority, tlsa
from peers import Knot, Postfix, Unbound, certificate, unpacked

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a resolver at port 53 of an "
                                "address of its own needs root")

SENDER, DOMAIN = "sam@sender.example", "partner.example"
CANARY = "canary 7672 canary"
# its port cannot be said in resolv.conf: an address that nobody else here has
RESOLVER = "127.%d.%d.%d" % tuple(random.SystemRandom().randrange(1, 255) for _ in range(3))
WRONG = "3 1 1 " + "ab" * 32

# host, names of its certificate (none: signed by itself; None: no TLS), TLSA
# records ({}: the right one)
SERVERS = [
    ("good", ("good." + DOMAIN,), []),
    ("plain", None, []),
    ("other", ("x.example",), []),
    ("self", (), []),
    ("dane", ("x1.example",), ["{}"]),
    ("one-of-two", ("x2.example",), [WRONG, "{}"]),
    ("dane-wrong", ("dane-wrong." + DOMAIN,), [WRONG]),
    ("dane-plain", None, [WRONG]),
]

# our level, that of Postfix, what it says of a session that is good enough, the
# servers that have one, those that have not. Where there are TLSA records they
# bind us at any level, and Postfix only at those of DANE.
VERDICTS = [
    ("encrypt", "encrypt", "(Verified|Trusted|Untrusted|Anonymous)",
     ("good", "other", "self"), ("plain",)),
    ("verify", "secure", "Verified", ("good",), ("plain", "other", "self")),
    ("opportunistic", "dane", "Verified", ("dane", "one-of-two"),
     ("dane-wrong", "dane-plain")),
    ("dane", "dane-only", "Verified", ("dane", "one-of-two"),
     ("good", "plain", "other", "self", "dane-wrong", "dane-plain")),
]
# level, servers that get the mail with TLS that posttls-finger calls no good: they
# have no records
LOOSE = {"opportunistic": ("good", "other", "self")}
# our level, those of a Postfix that sends
SENDS = {"encrypt": ("encrypt",), "verify": ("secure", "verify"),
         "opportunistic": ("dane",), "dane": ("dane-only",)}
PAIRS = [(h, row[0]) for row in VERDICTS for h in LOOSE.get(row[0], ()) + row[3] + row[4]]


@pytest.fixture(scope="module")
def world():
    """All servers at one port of addresses of their own, in one zone."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="sgv."))
    root.chmod(0o755)
    ca = Authority(root / "ca")
    port, peers, zone = free_port(), {}, ""
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        for i, (host, names, tlsas) in enumerate(SERVERS):
            cert = ca.issue(*names) if names else None
            if names == ():
                cert = certificate(root, "%s.%s" % (host, DOMAIN))
            address = "127.0.0.%d" % (i + 2)
            peers[host] = Capture(tls=cert, port=port, address=address).start()
            stack.callback(peers[host].stop)
            zone += "%s A %s\n" % (host, address)
            zone += "".join("_%d._tcp.%s TLSA %s\n" % (
                port, host, t.format(tlsa(cert[0]) if cert else "")) for t in tlsas)
        knot = Knot(root / "knot", {DOMAIN: zone}).start()
        stack.callback(knot.stop)
        anchors = knot.anchors(root / "anchors")
        anchors.chmod(0o644)
        resolver = Unbound(root / "unbound", {DOMAIN: knot}, anchors, RESOLVER, 53).start()
        stack.callback(resolver.stop)
        (root / "resolv.conf").write_text(
            "nameserver %s\noptions edns0 trust-ad\n" % RESOLVER)
        (root / "finger").mkdir()
        (root / "finger/main.cf").write_text(
            "compatibility_level = 3.6\nmyhostname = client.example\n"
            "inet_protocols = ipv4\nmail_owner = daemon\nsetgid_group = bin\n")
        yield root, ca, port, peers, anchors


def finger(world, host, level):
    """All that posttls-finger says."""
    root, ca, port = world[:3]
    usr = unpacked("postfix")
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c",
         'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"', "sh",
         root / "resolv.conf", usr / "usr/sbin/posttls-finger", "-c", "-l", level, "-L",
         "summary", "-F", ca.file, "[%s.%s]:%d" % (host, DOMAIN, port)],
        env=dict(os.environ, MAIL_CONFIG=str(root / "finger"),
                 LD_LIBRARY_PATH="%s/usr/lib/postfix" % usr),
        capture_output=True, text=True, timeout=90)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def ours(world):
    """{(host, level): whether the gateway gave it the mail}: one gateway with a
    route for each."""
    root, ca, port, peers, anchors = world
    g = Gateway(root, 1, rules='rule "default" { try = { clear } }\n',
                retry="first = 1s max = 2s",
                options='resolver = "%s:53"\ndnssec-anchors = "%s"\ntls-anchors = "%s"\n'
                % (RESOLVER, anchors, ca.file))
    g.conf.write_text(g.conf.read_text() + "".join(
        'route "%s.%s.test" { via = "%s.%s:%d" tls = %s }\n' % (h, l, h, DOMAIN, port, l)
        for h, l in PAIRS))
    g.start()
    try:
        for h, l in PAIRS:
            to = "carol@%s.%s.test" % (h, l)
            g.send(SENDER, to, message(sender=SENDER, to=to, body=CANARY + "\r\n"))

        def verdicts():
            rows = [r["rec"] for r in g.audit()]
            return {r["rcpt"]: r["type"] == "sent" for r in rows
                    if r.get("type") in ("sent", "deferred")}

        wait_for("the verdicts", lambda: len(verdicts()) == len(PAIRS))
        found = verdicts()
    finally:
        g.close()
    yield {(h, l): found["carol@%s.%s.test" % (h, l)] for h, l in PAIRS}


@pytest.mark.parametrize("row", VERDICTS, ids=[r[0] for r in VERDICTS])
def test_postfix_agrees(world, ours, row):
    level, theirs, says, good, bad = row
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        all_said = pool.map(lambda h: finger(world, h, theirs), good + bad)
    for host, said in zip(good + bad, all_said):
        # without records it looks at the name instead, as no Postfix does
        found = (re.search(says + " TLS connection established", said)
                 and "no TLSA records found" not in said)
        assert bool(found) == (host in good), said
        assert ours[host, level] == (host in good), (host, said)


@pytest.fixture(scope="module")
def theirs(world):
    """{(host, level of theirs): (whether Postfix gave it the mail, its reason)}."""
    root, ca, port = world[:3]
    pairs = [(h, theirs) for h, l in PAIRS for theirs in SENDS[l]]
    services = "".join(
        "to-%s unix - - n - - smtp -o smtp_tls_security_level=%s\n" % (s, s)
        for names in SENDS.values() for s in names)
    table = ", ".join("{ %s.%s.test = to-%s:[%s.%s]:%d }" % (h, s, s, h, DOMAIN, port)
                      for h, s in pairs)
    p = Postfix(services=services, resolver=root / "resolv.conf", more=(
        "transport_maps = inline:{ %s }\nsmtp_tls_CAfile = %s\n"
        "smtp_dns_support_level = dnssec\nsmtp_host_lookup = dns\n" % (table, ca.file)))

    def verdicts():
        said = re.findall(r"to=<carol@(\S+)\.([a-z-]+)\.test>.* status=(\w+) (.*)", p.log())
        return {(h, s): (status == "sent", why) for h, s, status, why in said}

    try:
        p.start()
        with smtplib.SMTP("127.0.0.1", p.port, timeout=90) as smtp:
            for h, s in pairs:
                to = "carol@%s.%s.test" % (h, s)
                smtp.sendmail(SENDER, to, message(sender=SENDER, to=to, body=CANARY + "\r\n"))
        wait_for("the verdicts of Postfix", lambda: len(verdicts()) == len(pairs))
        yield verdicts()
    finally:
        print("--- %s" % p.said())
        p.stop()


@pytest.mark.parametrize("level", SENDS)
def test_postfix_sends_what_we_send(ours, theirs, level):
    (row,) = [r for r in VERDICTS if r[0] == level]
    sent = LOOSE.get(level, ()) + row[3]
    for host in sent + row[4]:
        for name in SENDS[level]:
            went, why = theirs[host, name]
            assert went == (host in sent) == ours[host, level], (host, name, why)
            assert went or re.search("TLS|certificate|DNSSEC", why), (host, name, why)


def test_who_was_refused_saw_nothing(world, ours, theirs):
    for host in ("plain", "dane-wrong", "dane-plain"):
        assert CANARY.encode() not in world[3][host].everything()
