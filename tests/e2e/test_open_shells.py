# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What anybody can put around or beside a message that is not his: a shell
sealed to himself, a fresh tag around what was changed, a field that excuses
another, an address more in a certificate."""
import pytest

from harness import run
from test_open_path import CLEAR, OLGA, OTTO, verdicts
from test_open_smime import (  # noqa: F401
    EVE, INNER, SECRET, b64, field, gw, head, p7m, people, seal, sign, words)

CEO = "ceo@victim.example"


def shell(der):
    """A sealed object as an entity that can be sealed again."""
    return (b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + b64(der))


@pytest.mark.parametrize("inner", ["-aes-256-cbc", "-aes-256-gcm"])
def test_a_shell_of_ones_own_opens_nothing_of_another(gw, capture, people, inner):  # noqa: F811
    """What was sealed to otto, caught, and sealed again to olga: sent to both,
    the keys of both are at hand, and olga must not get it all the same."""
    text = p7m(seal(shell(seal(INNER, people.otto[0], cipher=inner)), people.olga[0]))
    gw.send_in(EVE, [OTTO, OLGA], text)
    got = {r: m.data for m in capture.wait(1) for r in m.rcpts}
    while OLGA not in got:
        got = {r: m.data for m in capture.wait(2) for r in m.rcpts}
    assert SECRET not in got[OLGA] and words(got[OLGA])[0] == "undecryptable"


def test_a_shell_does_not_authenticate_what_is_in_it(gw, capture, people):  # noqa: F811
    text = p7m(seal(shell(seal(INNER, people.otto[0], cipher="-aes-256-cbc")), people.otto[0]))
    gw.send_in(EVE, OTTO, text)
    got = capture.wait(1)[0].data
    assert SECRET in got and words(got)[0] == "encrypted-unauthenticated"


def test_a_signed_part_excuses_no_other_author(gw, capture, people):  # noqa: F811
    """Eve signs with right, and says that somebody else's name outside is fine."""
    signed = sign(b'Content-Type: text/plain; hp="clear"\r\nFrom: %s\r\nSubject: pay\r\n'
                  b"HP-Outer: From: %s\r\nHP-Outer: Subject: urgent\r\n\r\npay them\r\n"
                  % (EVE.encode(), CEO.encode()), *people.eve)
    outer = head(subject=b"urgent").replace(b"Eve <%s>" % EVE.encode(), CEO.encode())
    gw.send_in(EVE, OTTO, outer + signed)
    got = capture.wait(1)[0].data
    assert b"signed-good" in verdicts(got)[0]
    assert field(got, b"From") == [EVE.encode()] and field(got, b"Subject") == [b"pay"]


def test_an_anchor_of_one_domain_vouches_for_no_other(make_gateway, capture, root):
    """A CA that is trusted for partner.example writes two addresses into one
    certificate."""
    run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", root / "ca.key",
        "-out", root / "ca.pem", "-days", "30", "-subj", "/CN=Partner CA",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign,cRLSign")
    run("openssl", "req", "-nodes", "-newkey", "rsa:2048", "-keyout", root / "x.key",
        "-out", root / "x.csr", "-subj", "/CN=Eve")
    (root / "ext").write_text("subjectAltName=email:%s,email:%s\nkeyUsage=digitalSignature\n"
                              "extendedKeyUsage=emailProtection\n" % (EVE, CEO))
    run("openssl", "x509", "-req", "-in", root / "x.csr", "-CA", root / "ca.pem", "-CAkey",
        root / "ca.key", "-CAcreateserial", "-days", "20", "-extfile", root / "ext",
        "-out", root / "x.pem")
    g = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="")
    g.cli("key", "import", "--anchor-for", "partner.example", root / "ca.pem")
    both = (root / "x.pem", root / "x.key")
    g.send_in(EVE, OTTO, head() + sign(INNER, *both))
    assert b"signed-good" in verdicts(capture.wait(1)[0].data)[0]
    inside = (b'Content-Type: text/plain; hp="clear"\r\nFrom: %s\r\n\r\npay them\r\n'
              % CEO.encode())
    g.send_in(EVE, OTTO, head() + sign(inside, *both))
    got = capture.wait(2)[1].data
    assert b"signer=" + EVE.encode() in verdicts(got)[0]
    assert field(got, b"From") == [b"Eve <%s>" % EVE.encode()]
