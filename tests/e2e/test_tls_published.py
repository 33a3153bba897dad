# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What a domain publishes of its TLS (MTA-STS), what is remembered of it, and what
an administrator sees when it drops below what it had."""
import smtplib

import pytest

from harness import wait_for
from key_sources import Nginx
from mail_domain import DOMAIN, policy
from peers import Unbound
from tls_domain import (CANARY, CAROL, SENDER, ca, domain, gateway_to,  # noqa: F401
                        mail, nothing_said, records, rejected, strip)

HOSTILE = [
    ("a redirect", (302, "text/plain", b"", {"Location": "https://mta-sts.%s/" % DOMAIN})),
    ("a page", (200, "text/html", policy()[2], {})),
    ("not found", (404, "text/plain", policy()[2], {})),
    ("more than 64 KiB", (200, "text/plain", policy()[2] + b"\r\n" * 40000, {})),
]


@pytest.mark.parametrize("row", HOSTILE, ids=[r[0] for r in HOSTILE])
def test_what_is_no_policy_promises_nothing(domain, gateway_to, row):
    """The mail server's name is in its certificate, and nobody vouches for it."""
    d = domain(names=("mx." + DOMAIN,), sts="1", answer=row[1])
    g = gateway_to(d, "tls, reject")
    with pytest.raises(smtplib.SMTPDataError) as e:
        g.send(SENDER, CAROL, mail())
    assert e.value.smtp_code == 550
    assert len(d.web.requests) == 1
    nothing_said(d)


SILENT = {"names": ("mx." + DOMAIN,), "sts": "1"}
# name, what the domain has, the ladder
UNSURE = [
    ("no answer", SILENT, "tls, reject"),
    ("no answer, not in clear", SILENT, "tls, clear"),
    ("no answer, not dropped", SILENT, "tls, drop"),
    ("no answer, and no TLS", {"names": None, "sts": "1"}, "tls, clear"),
    ("a fault of the server", {**SILENT, "answer": (503, "text/plain", b"", {})},
     "tls, clear"),
    # cut off on the way, perhaps
    ("half a policy", {**SILENT, "answer": (200, "text/plain", policy()[2][:40], {})},
     "tls, clear"),
    ("every server there is", {**SILENT, "answer": policy(mx="*")}, "tls, reject"),
    ("every server below a label", {**SILENT, "answer": policy(mx="*.example")},
     "tls, reject"),
    # an alias to where the name server knows nothing
    ("a record that cannot be looked up",
     {"names": None, "records": "_mta-sts CNAME sts.elsewhere.example.\n"}, "tls, clear"),
]


@pytest.mark.parametrize("row", UNSURE, ids=[r[0] for r in UNSURE])
def test_whoever_keeps_the_policy_from_us_gains_nothing(domain, gateway_to, row):
    """Not knowing is no definite no: the message stays with the sender."""
    d = domain(**row[1])
    g = gateway_to(d, row[2])
    with pytest.raises(smtplib.SMTPDataError) as e:
        g.send(SENDER, CAROL, mail())
    assert e.value.smtp_code == 451
    nothing_said(d)


def test_a_server_left_out_for_its_dane_records_leaves_a_doubt(domain, gateway_to):
    """Whoever keeps them from us would have the mail of the other server."""
    d = domain(names=("other.example",), records="@ MX 20 mx2\nmx2 A 127.0.0.1\n"
               "_{port}._tcp.mx CNAME tlsa.elsewhere.example.\n")
    g = gateway_to(d, "tls, clear", proven=True)
    with pytest.raises(smtplib.SMTPDataError) as e:
        g.send(SENDER, CAROL, mail())
    assert e.value.smtp_code == 451
    assert d.peer.sessions
    nothing_said(d)


def test_what_is_authenticated_needs_no_policy(domain, gateway_to):
    d = domain(sts="1")
    g = gateway_to(d, "tls, reject")
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    assert CANARY.encode() not in d.peer.in_clear()


def test_a_policy_outlives_restarts_and_outages(domain, gateway_to):
    """Fetched once; what is no server of the domain's is not called."""
    d = domain(names=("mx." + DOMAIN,), sts="1", answer=policy())
    g = gateway_to(d, "clear")
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    (row,) = wait_for("the record", lambda: records(g, "sent"))
    assert row["tls-had"] == "mta-sts" and row["sts"] == "1"
    g.stop()
    d.web.answer = None
    d.peer.messages.clear()
    d.peer.tls = None
    g.start()
    g.send(SENDER, CAROL, mail())
    wait_for("a deferral", lambda: records(g, "deferred"))
    assert not d.peer.messages and len(d.web.requests) == 1
    d.peer.tls = d.cert
    d.peer.wait()
    assert CANARY.encode() not in d.peer.in_clear()


def test_a_server_that_the_policy_does_not_name_is_not_called(domain, gateway_to):
    d = domain(names=("mx." + DOMAIN,), sts="1", answer=policy(mx="mail." + DOMAIN))
    g = gateway_to(d, "clear")
    g.send(SENDER, CAROL, mail())
    (row,) = wait_for("a deferral", lambda: records(g, "deferred")[:1])
    assert "does not name it" in row["reply"]
    assert not d.peer.sessions


# --- what an administrator sees


def test_a_domain_that_drops_below_what_it_had(domain, gateway_to):
    """The table, the look, the alarm; and no rung tls holds any more."""
    d = domain()
    g = gateway_to(d, "tls, clear")
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    (row,) = g.cli_json("domain", "list", "--tls")
    assert (row["domain"], row["level"], row["by"]) == (DOMAIN, "authenticated", "name")
    (told,) = [s for s in g.cli_json("explain", "--from", SENDER, "--to", CAROL)[0]["steps"]
               if s["rung"] == "tls"]
    assert told["state"] == "holds"
    strip(d)
    assert g.cli("domain", "check", DOMAIN, check=False).returncode == 1
    (row,) = wait_for("the alarm", lambda: records(g, "tls-dropped"))
    assert (row["had"], row["has"]) == ("authenticated", "none")
    shown = g.cli_json("domain", "show", "--tls", DOMAIN)
    assert shown["dropped"] and shown["best"] == "authenticated"
    # not even to clear, which would follow where there was never any
    with pytest.raises(smtplib.SMTPDataError) as e:
        g.send(SENDER, CAROL, mail())
    assert e.value.smtp_code == 451
    nothing_said(d)


def test_a_domain_nobody_knows(domain, gateway_to):
    d = domain()
    g = gateway_to(d, "tls, reject")
    assert g.cli("domain", "show", "--tls", "other.example", check=False).returncode == 1
    assert g.cli("domain", "check", "nowhere.invalid", check=False).returncode in (1, 3)
    assert g.cli("domain", "check", check=False).returncode == 2


def test_the_sender_may_waive_what_the_domain_published(domain, gateway_to):
    """TLS-Required: No (RFC 8689), and not what a rule asks for."""
    d = domain(names=("other.example",), sts="1", answer=policy())
    g = gateway_to(d, "clear")
    g.send(SENDER, CAROL, mail())
    wait_for("a deferral", lambda: records(g, "deferred"))
    assert not d.peer.messages
    g.send(SENDER, CAROL, b"TLS-Required: No\r\n" + mail())
    (m,) = d.peer.wait()
    assert b"TLS-Required: No" in m.data


def test_seal_writes_nothing_that_only_a_hop_protects(domain, gateway_to):
    d = domain()
    g = gateway_to(d, "tls, reject")

    def seal():
        return g.cli("seal", "--from", SENDER, "--to", CAROL, input=mail(), check=False)

    done = seal()
    assert done.returncode != 0 and done.stdout == b""
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    done = seal()
    assert done.returncode == 1 and done.stdout == b""
    assert b"TLS only the gateway can see to" in done.stderr


# --- with the servers that others run


class Certified:
    """An Authority as Nginx wants it."""

    def __init__(self, ca):
        self.server = ca.issue


@pytest.fixture
def real(root, ca, domain, gateway_to):
    """A domain whose policy nginx hands out, seen through a validating unbound."""
    made = []

    def make(ladder, text, **has):
        d = domain(names=("mx." + DOMAIN,), sts="1", **has)
        web = Nginx(Certified(ca), {("mta-sts." + DOMAIN,): "default_type text/plain;"})
        made.append(web)
        if text is not None:
            web.put("/.well-known/mta-sts.txt", text)
        web.start()
        resolver = Unbound(root / "unbound", {DOMAIN: d.knot}, d.anchors).start()
        made.append(resolver)
        g = gateway_to(d, ladder, start=False)
        conf = g.conf.read_text()
        for old, new in ((d.knot.port, resolver.port), (d.web.port, web.port)):
            assert conf.count(str(old)) == 1
            conf = conf.replace(str(old), str(new))
        g.conf.write_text(conf)
        return d, g.start(), web

    yield make
    for m in made:
        m.stop()


def test_a_policy_from_nginx_through_unbound(real):
    d, g, web = real("tls, reject", policy()[2])
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    (row,) = wait_for("the record", lambda: records(g, "sent"))
    assert row["tls-had"] == "mta-sts" and row["sts"] == "1"
    assert CANARY.encode() not in d.peer.in_clear()
    assert len(web.requests()) == 1 and " 200 " in web.requests()[0]


def test_no_policy_at_nginx(real):
    """A definite no: the certificate is for the MX name, which nobody vouches for."""
    d, g, web = real("tls, reject", None)
    assert "tls" in rejected(g)
    assert " 404 " in web.requests()[0]
    nothing_said(d)
