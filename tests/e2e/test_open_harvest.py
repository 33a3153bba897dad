# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What is learned from mail that comes in, and what never is: certificates of
verified signatures, Autocrypt; not from forged mail, and nothing that replaces
a key somebody trusts. Forged senders hear nothing."""
import base64

import pytest

from harness import message, run, wait_for
from test_open_path import CLEAR, OTTO, queue
from test_open_smime import EVE, INNER, head, people, sign  # noqa: F401

FRED = "fred@partner.example"


@pytest.fixture(scope="module")
def pki(people):  # noqa: F811
    """A CA, and a certificate of fred by it."""
    root = people.root
    ca, ca_key = root / "ca.crt", root / "ca.key"
    run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", ca_key, "-out", ca,
        "-days", "30", "-subj", "/CN=Partner CA", "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    crt, key, csr, ext = (root / ("fred" + s) for s in (".crt", ".key", ".csr", ".ext"))
    run("openssl", "req", "-nodes", "-newkey", "rsa:2048", "-keyout", key, "-out", csr,
        "-subj", "/CN=Fred")
    ext.write_text("subjectAltName=email:%s\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
                   "extendedKeyUsage=emailProtection\nbasicConstraints=critical,CA:FALSE\n" % FRED)
    run("openssl", "x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
        "-days", "20", "-out", crt, "-extfile", ext)
    people.ca, people.fred = ca, (crt, key)
    return people


@pytest.fixture
def gw(make_gateway, capture, pki):
    g = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="",
                     limits="openers = 1",
                     options='opening { trusted-authserv = "mx.sender.example" }\n')
    g.cli("key", "import", pki.ca)
    return g


def keys_of(gw, addr):
    got = gw.cli_json("key", "list")
    got = got if isinstance(got, list) else got["keys"]
    return [k for k in got if addr in str(k.get("addresses", k))]


def no_more(gw, pki):
    """What was to be kept of mail that has arrived is kept: somebody else's key,
    which came behind it, is."""
    gina = "gina@partner.example"
    if not (pki.root / "gina-pgp.asc").exists():
        pki.openpgp(gina, name="gina-pgp")
    key = base64.b64encode(pki.gpg("--export", gina).stdout)
    gw.send_in(gina, OTTO, b"Autocrypt: addr=%s; keydata=%s\r\n" % (gina.encode(), key)
               + message(sender=gina, to=OTTO))
    wait_for("the key that came behind", lambda: keys_of(gw, gina))


FAILED = b"Authentication-Results: mx.sender.example; spf=pass; dmarc=fail\r\n"


def test_a_certificate_of_verified_mail_is_kept(gw, capture, pki):
    gw.send_in(FRED, OTTO, FAILED + head(sender=FRED) + sign(INNER, *pki.fred))
    gw.send_in("", OTTO, head(sender=FRED) + sign(INNER, *pki.fred))
    gw.send_in(FRED, OTTO, head(sender=EVE) + sign(INNER, *pki.fred))
    capture.wait(3)
    no_more(gw, pki)
    assert not keys_of(gw, FRED), "from a forged, an automatic, another author's message"
    gw.send_in(FRED, OTTO, head(sender=FRED) + sign(INNER, *pki.fred))
    got = wait_for("the certificate", lambda: keys_of(gw, FRED))
    assert got[0]["source"] == "harvested"
    # its chain checks out, whoever brought it
    assert b"discovered, harvested" in gw.cli("key", "lookup", FRED).stdout


def test_intermediates_come_with_signed_mail(gw, capture, pki):
    """Nobody imported them; the chain of another certificate leads through
    them afterwards. They are believed in nothing by themselves."""
    root = pki.root

    def issue(name, ext, ca, ca_key):
        crt, key, csr, conf = (root / (name + s) for s in (".crt", ".key", ".csr", ".ext"))
        run("openssl", "req", "-nodes", "-newkey", "rsa:2048", "-keyout", key, "-out", csr,
            "-subj", "/CN=" + name)
        conf.write_text(ext)
        run("openssl", "x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key,
            "-CAcreateserial", "-days", "20", "-out", crt, "-extfile", conf)
        return crt, key

    def user(name, addr, ca):
        return issue(name, "subjectAltName=email:%s\nkeyUsage=critical,digitalSignature,"
                     "keyEncipherment\nextendedKeyUsage=emailProtection\n"
                     "basicConstraints=critical,CA:FALSE\n" % addr, *ca)

    middle = issue("middle", "basicConstraints=critical,CA:TRUE\n"
                   "keyUsage=critical,keyCertSign,cRLSign\n", pki.ca, root / "ca.key")
    stray = issue("stray", "basicConstraints=critical,CA:TRUE\n"
                  "keyUsage=critical,keyCertSign,cRLSign\n", pki.ca, root / "ca.key")
    fred = user("fred-below", FRED, middle)
    gina, _ = user("gina-below", "gina@partner.example", middle)
    gw.cli("key", "import", "--candidate", gina)
    assert gw.cli_json("key", "show", "gina@partner.example")[0]["chain"]["result"] != "ERR_OK"
    bundle = root / "bundle.pem"
    bundle.write_bytes(middle[0].read_bytes() + stray[0].read_bytes())
    gw.send_in(FRED, OTTO, head(sender=FRED) + sign(INNER, *fred, more=["-certfile", bundle]))
    wait_for("the certificate", lambda: keys_of(gw, FRED))
    wait_for("its issuer", lambda: gw.cli_json(
        "key", "show", "gina@partner.example")[0]["chain"]["result"] == "ERR_OK")
    cas = {k["subject"]: k["trust"] for k in gw.cli_json("key", "list")
           if "CN=middle" in k["subject"] or "CN=stray" in k["subject"]}
    assert list(cas.values()) == ["candidate"], cas


def test_autocrypt_is_a_candidate(gw, capture, pki):
    asc = pki.openpgp(FRED, name="fred-pgp")
    binary = pki.gpg("--export", FRED).stdout
    field = b"Autocrypt: addr=%s; keydata=%s\r\n" % (FRED.encode(), base64.b64encode(binary))
    assert asc.exists()
    gw.send_in(FRED, OTTO, FAILED + field + message(sender=FRED, to=OTTO))
    gw.send_in(EVE, OTTO, field + message(sender=EVE, to=OTTO))
    capture.wait(2)
    no_more(gw, pki)
    assert not keys_of(gw, FRED)
    gw.send_in(FRED, OTTO, field + message(sender=FRED, to=OTTO))
    got = wait_for("the key", lambda: keys_of(gw, FRED))
    assert got[0]["trust"] == "candidate"


def test_a_forged_sender_hears_nothing(make_gateway, pki):
    from capture import Capture
    server, world = Capture(verbs={"RCPT": (550, "5.1.1 nobody here")}).start(), Capture().start()
    try:
        gw = make_gateway(world.port, portal=False, rules=CLEAR, inbound=server.port, listen_in="",
                          options='opening { trusted-authserv = "mx.sender.example" }\n')
        gw.send_in(FRED, OTTO, FAILED + message(sender=FRED, to=OTTO))
        held = wait_for("the held entry", lambda: [e for e in queue(gw) if e["state"] == "held"])
        assert "sender must not be told" in held[0]["last"]
        # nor does who was not: nobody outside is told by us
        gw.send_in(FRED, OTTO, message(sender=FRED, to=OTTO))
        wait_for("both", lambda: [e["state"] for e in queue(gw)] == ["held"] * 2)
        assert not world.sessions
    finally:
        server.stop()
        world.stop()
