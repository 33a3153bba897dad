# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What the tests of TLS towards a domain share: a gateway that sends to it by
MX, fixtures, and ways to look at what became of the mail."""
import contextlib
import pathlib
import shutil
import smtplib
import socket
import tempfile

import pytest

from harness import message, octets_below
from mail_domain import DOMAIN, Authority, MailDomain

SENDER, CAROL = "sam@sender.example", "carol@" + DOMAIN
CANARY = "canary 8461 canary"
RETRY = "first = 300ms max = 600ms"


@pytest.fixture(scope="module")
def ca():
    """Not below pytest's own directory, which another session makes private."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="sgc."))
    root.chmod(0o755)
    yield Authority(root)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def domain(root, ca):
    made = []

    def make(**options):
        d = MailDomain(root / ("domain%d" % len(made)), ca, **options)
        made.append(d)
        return d

    yield make
    for d in made:
        d.stop()


@pytest.fixture
def gateway_to(make_gateway):
    """A gateway whose mail for others goes by MX, to that domain."""
    def make(d, ladder, proven=False, retry=RETRY, relay="", rule="", start=True, **more):
        rules = 'rule "default" { try = { %s } %s }\n' % (ladder, rule)
        g = make_gateway(d.peer.port, rules=rules, start=False, retry=retry,
                         options=d.options(proven), **more)
        text = g.conf.read_text()
        old = next(s for s in text.splitlines() if s.startswith("relay outbound"))
        g.conf.write_text(text.replace(
            old, 'relay outbound { via = "mx" port = %d %s }' % (d.peer.port, relay))
            + d.sections())
        return g.start() if start else g
    return make


def mail():
    return message(sender=SENDER, to=CAROL, body=CANARY + "\r\n")


def records(g, kind):
    return [r["rec"] for r in g.audit() if r["rec"].get("type") == kind]


def nothing_said(d):
    """Not even whom it is for."""
    assert not d.peer.messages
    assert CANARY.encode() not in d.peer.everything()
    assert CAROL.encode() not in d.peer.everything()


def rejected(g):
    with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused)) as e:
        g.send(SENDER, CAROL, mail())
    return str(e.value)


def strip(d):
    """From now on the mail server has no TLS."""
    tls, d.peer.tls = d.peer.tls, None
    d.peer.messages.clear()
    for s in d.peer.sessions:
        s.secret.clear()
    with d.peer.changed:
        for sock in list(d.peer.open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
    return tls


def on_disk(g, text):
    return any(text.encode() in data for _, data in octets_below(g.state))
