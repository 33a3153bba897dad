# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""TLS towards next hops: by name, by DANE with a signed zone of knot's, and
what happens when what was promised cannot be had: nothing is sent."""
import base64
import subprocess

import pytest

from capture import Capture
from harness import message, run, wait_for
from mail_domain import tlsa
from peers import Knot

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
CLEAR = 'rule "default" { try = { clear } }\n'
CANARY = "canary 6698 canary"
RETRY = "first = 300ms max = 1s"


@pytest.fixture(scope="module")
def ca(module_root):
    """(anchors, certificate, key): a CA and its certificate for two names."""
    root = module_root
    run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout",
        root / "ca.key", "-out", root / "ca.pem", "-days", "30", "-subj", "/CN=Test CA")
    run("openssl", "req", "-nodes", "-newkey", "rsa:2048", "-keyout", root / "mx.key",
        "-out", root / "mx.csr", "-subj", "/CN=mx.partner.example")
    (root / "ext").write_text("subjectAltName=DNS:mx.partner.example,DNS:partner.example\n")
    run("openssl", "x509", "-req", "-in", root / "mx.csr", "-CA", root / "ca.pem",
        "-CAkey", root / "ca.key", "-CAcreateserial", "-days", "20", "-extfile",
        root / "ext", "-out", root / "mx.pem")
    for p in root.rglob("*"):
        p.chmod(0o644)
    return root / "ca.pem", root / "mx.pem", root / "mx.key"


@pytest.fixture
def peer(ca):
    made = []

    def make(**options):
        c = Capture(**{"tls": (str(ca[1]), str(ca[2])), **options}).start()
        made.append(c)
        return c

    yield make
    for c in made:
        c.stop()


def mail():
    return message(sender=SENDER, to=CAROL, body=CANARY + "\r\n")


def relay(gateway, line, before=""):
    """Write another way for outbound mail."""
    text = gateway.conf.read_text()
    old = next(s for s in text.splitlines() if s.startswith("relay outbound"))
    gateway.conf.write_text(before + text.replace(old, line))


def refused(gateway, peer, says):
    """The mail waits, and nothing of it was said."""
    wait_for("a deferral", lambda: says in gateway.log())
    (entry,) = gateway.cli_json("queue", "list")
    assert entry["kind"] == "ready"
    assert not peer.messages
    assert CANARY.encode() not in peer.everything()
    assert CAROL.encode() not in peer.everything()


def delivered(gateway):
    """What the audit log says of the session."""
    def rows():
        found = [r["rec"] for r in gateway.audit()]
        return [r for r in found if r.get("type") == "sent"]
    wait_for("the audit record", rows)
    (row,) = rows()
    return row


# --- by name


@pytest.mark.parametrize("names,options,says", [
    ('"mx.partner.example"', {}, None),
    ('{ "other.example", "partner.example" }', {}, None),
    ('"other.example"', {}, "not authenticated"),
    ('"mx.partner.example"', {"tls": None}, "TLS is required"),
    ('"mx.partner.example"', {"verbs": {"STARTTLS": (454, "4.7.0 not now")}},
     "TLS is required"),
])
def test_a_next_hop_proves_its_name(make_gateway, peer, ca, names, options, says):
    p = peer(**options)
    g = make_gateway(p.port, rules=CLEAR, start=False, retry=RETRY,
                     options='tls-anchors = "%s"\n' % ca[0])
    relay(g, 'relay outbound { via = "127.0.0.1:%d" tls = verify tls-names = %s }'
          % (p.port, names))
    g.start()
    g.send(SENDER, CAROL, mail())
    if says:
        refused(g, p, says)
        return
    p.wait()
    row = delivered(g)
    assert row["tls-demanded"] == row["tls-had"] == "verify"
    assert row["tls-name"] in names and len(row["tls-cert"]) == 64
    assert row["tls-protocol"] == "TLSv1.3" and row["tls-cipher"].startswith("TLS_")
    assert not {"tlsa", "sts"} & set(row)
    assert "TLS: verify; demanded verify; name " + row["tls-name"] in g.cli(
        "audit", "show", row["id"]).stdout.decode()
    assert CANARY.encode() not in p.in_clear()


def test_an_unknown_authority_is_not_believed(make_gateway, peer):
    """The system's anchors do not know the test's CA."""
    p = peer()
    g = make_gateway(p.port, rules=CLEAR, start=False, retry=RETRY)
    relay(g, 'relay outbound { via = "127.0.0.1:%d" tls = verify '
          'tls-names = "mx.partner.example" }' % p.port)
    g.start()
    g.send(SENDER, CAROL, mail())
    refused(g, p, "not authenticated")


def test_a_route_is_for_its_domain_alone(make_gateway, peer, ca):
    """What is demanded of one domain's next hop is not asked of another's."""
    strict, lax = peer(tls=None), peer(tls=None)
    g = make_gateway(lax.port, rules=CLEAR, start=False, retry=RETRY,
                     options='tls-anchors = "%s"\n' % ca[0])
    g.conf.write_text(g.conf.read_text() + 'route "partner.example" {'
                      ' via = "127.0.0.1:%d" tls = encrypt }\n' % strict.port)
    g.start()
    g.send(SENDER, [CAROL, "dan@elsewhere.example"], mail())
    (m,) = lax.wait()
    assert m.rcpts == ["dan@elsewhere.example"]
    wait_for("a deferral", lambda: "TLS is required" in g.log())
    assert not strict.messages and CANARY.encode() not in strict.everything()


def test_anchors_that_cannot_be_read_stop_the_start(make_gateway, capture):
    g = make_gateway(capture.port, rules=CLEAR, start=False,
                     options='tls-anchors = "/nonexistent/ca.pem"\n')
    done = subprocess.run([str(g.build / "sealgated"), "-f", str(g.conf)],
                          capture_output=True, text=True, timeout=90,
                          stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert "/nonexistent/ca.pem" in done.stderr


# --- DANE


WRONG = "3 1 1 " + "ab" * 32
PKIX = "1 1 1 " + "cd" * 32

# name, TLSA records (None: the right one), capture options, level, anchors,
# what the log says (None: delivered), what the record of delivery says
DANE = [
    ("the record matches", [None], {}, "opportunistic", True, None, "dane"),
    ("one of two matches", [WRONG, None], {}, "dane", True, None, "dane"),
    ("no record matches", [WRONG], {}, "opportunistic", True, "not authenticated", None),
    ("STARTTLS is not offered", [None], {"tls": None}, "opportunistic",
     True, "TLS is required", None),
    ("no record is usable: TLS all the same", [PKIX], {}, "opportunistic", True, None,
     "encrypt"),
    ("no record is usable, and no TLS", [PKIX], {"tls": None},
     "opportunistic", True, "TLS is required", None),
    ("no records", [], {}, "opportunistic", True, None, "encrypt"),
    ("no records where they must be", [], {}, "dane", True, "no TLSA records", None),
    ("nothing proves the records", [WRONG], {}, "opportunistic", False, None,
     "encrypt"),
    ("nothing proves them, and they must be", [None], {}, "dane", False,
     "no TLSA records", None),
]


@pytest.fixture
def zone(root):
    made = []

    def make(port, records):
        text = "@ MX 10 mx\nmx A 127.0.0.1\n"
        text += "".join("_%d._tcp.mx TLSA %s\n" % (port, r) for r in records)
        k = Knot(root / ("knot%d" % len(made)), {"partner.example": text}).start()
        made.append(k)
        return k

    yield make
    for k in made:
        k.stop()


@pytest.mark.parametrize("row", DANE, ids=[r[0] for r in DANE])
def test_dane(make_gateway, peer, ca, zone, root, row):
    _, records, options, level, proven, says, verified = row
    p = peer(**options)
    k = zone(p.port, [tlsa(ca[1]) if r is None else r for r in records])
    if proven:
        k.anchors(root / "anchors")
        (root / "anchors").chmod(0o644)
    g = make_gateway(p.port, rules=CLEAR, start=False, retry=RETRY)
    relay(g, 'relay outbound { via = "mx" port = %d tls = %s }' % (p.port, level),
          'resolver = "127.0.0.1:%d"\ndnssec-anchors = %s\n'
          % (k.port, '"%s"' % (root / "anchors") if proven else "none"))
    g.start()
    g.send(SENDER, CAROL, mail())
    if says:
        refused(g, p, says)
        return
    p.wait()
    row = delivered(g)
    assert row["tls-had"] == verified
    if verified == "dane":
        assert row["tls-demanded"] == "dane" and row["tlsa"] == tlsa(ca[1]).lower()
    assert CANARY.encode() not in p.in_clear()


def test_a_forged_zone_is_waited_for(make_gateway, peer, ca, zone, root):
    """The anchor is another zone's: every answer is bogus, and nobody is even
    called."""
    p = peer()
    k = zone(p.port, [tlsa(ca[1])])
    other = zone(p.port, [])
    (root / "anchors").write_text(other.ds("partner.example"))
    (root / "anchors").chmod(0o644)
    g = make_gateway(p.port, rules=CLEAR, start=False, retry=RETRY)
    relay(g, 'relay outbound { via = "mx" port = %d }' % p.port,
          'resolver = "127.0.0.1:%d"\ndnssec-anchors = "%s"\n' % (k.port, root / "anchors"))
    g.start()
    g.send(SENDER, CAROL, mail())
    refused(g, p, "DNSSEC validation failed")
    assert not p.sessions


# --- login


PASSWORD = "pass word\u00e9 4954"
PLAIN = base64.b64encode(("\0gw@partner.example\0" + PASSWORD).encode())


@pytest.fixture
def login(make_gateway, ca, root):
    """A gateway that logs in at its next hop."""
    def make(port, password=PASSWORD, names="mx.partner.example"):
        secret = root / "password"
        secret.write_text(password + "\n")
        secret.chmod(0o600)
        g = make_gateway(port, rules=CLEAR, start=False, retry=RETRY,
                         options='tls-anchors = "%s"\n' % ca[0])
        relay(g, 'relay outbound { via = "127.0.0.1:%d" tls = verify tls-names = "%s"'
              ' user = "gw@partner.example" password-file = "%s" }' % (port, names, secret))
        return g.start()
    return make


AUTH = ("PIPELINING", "8BITMIME", "AUTH LOGIN PLAIN")


def test_the_relay_logs_in(peer, login):
    p = peer(extensions=AUTH, verbs={"AUTH": (235, "2.7.0 welcome")})
    g = login(p.port)
    g.send(SENDER, CAROL, mail())
    p.wait()
    lines = [s for s in p.sessions[0].lines if s.startswith(b"AUTH")]
    assert lines == [b"AUTH PLAIN " + PLAIN]
    assert PLAIN not in p.in_clear()
    for text in (PASSWORD, PLAIN.decode()):
        assert text not in g.log() and text not in str(g.audit())


@pytest.mark.parametrize("options,names,says", [
    ({"extensions": AUTH, "verbs": {"AUTH": (535, "5.7.8 who?")}}, "mx.partner.example",
     "refuses the login"),
    ({}, "mx.partner.example", "offers no login"),
    ({"extensions": AUTH + ("AUTH=PLAIN",)}, "other.example", "not authenticated"),
    ({"extensions": AUTH, "tls": None}, "mx.partner.example", "TLS is required"),
])
def test_a_login_that_cannot_be_had_is_waited_for(peer, login, options, names, says):
    p = peer(**options)
    g = login(p.port, names=names)
    g.send(SENDER, CAROL, mail())
    refused(g, p, says)
    if "refuses" not in says:
        assert PLAIN not in p.everything()


def test_a_new_password_counts_after_a_reload(peer, login, root):
    p = peer(extensions=AUTH, verbs={
        "AUTH": lambda line: (235, "2.7.0 ok") if PLAIN in line else (535, "5.7.8 who?")})
    g = login(p.port, password="an old one")
    g.send(SENDER, CAROL, mail())
    refused(g, p, "refuses the login")
    (root / "password").write_text(PASSWORD + "\n")
    g.cli("reload")
    p.wait()


def test_a_password_that_cannot_be_read_stops_the_start(make_gateway, capture, root):
    g = make_gateway(capture.port, rules=CLEAR, start=False)
    relay(g, 'relay outbound { via = "mx.example:25" tls = verify user = "u" '
          'password-file = "%s" }' % (root / "none"))
    done = subprocess.run([str(g.build / "sealgated"), "-n", "-f", str(g.conf)],
                          capture_output=True, text=True, timeout=90,
                          stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert "password-file" in done.stdout + done.stderr
