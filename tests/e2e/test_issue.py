# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Certificates that the gateway issues by itself: to a sender at the first
message, before they end, and lists of those taken back before theirs does. When
it cannot, nothing leaves unsigned that must be signed; a kill at any moment
leaves nothing half made."""
import os
import pathlib
import random
import re
import signal
import smtplib
import time

import pytest

from harness import message, run, until_taken, wait_for
from peers import Postfix

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
MAY = 'may-sign = "127.0.0.1"'


def rules(sign, more=""):
    return 'rule "all" { try = { smime, clear } sign = %s auto-issue = true %s }\n' % (sign, more)


def own(gw, addr=SENDER):
    return [k for k in gw.cli_json("key", "list") if k["addresses"] == [addr]]


def signer(ca, data, root):
    """The fingerprint of who signed, once openssl has verified it."""
    pem = root / "signer.pem"
    run("openssl", "cms", "-verify", "-CAfile", ca, "-purpose", "smimesign", "-signer", pem,
        input=data)
    shown = run("openssl", "x509", "-in", pem, "-noout", "-fingerprint", "-sha256").stdout.decode()
    return shown.strip().partition("=")[2].replace(":", "").lower()


def send_patiently(gw, sender=SENDER):
    until_taken(gw.send, sender, CAROL, message(to=CAROL, sender=sender))


@pytest.fixture(name="ca")
def ca_file(root):
    return root / "ca.pem"


@pytest.fixture(name="make")
def make_with_ca(make_gateway, capture, ca):
    def make(sign="required", options="", more=""):
        gw = make_gateway(capture.port, listen=MAY, rules=rules(sign, more), options=options)
        gw.cli("ca", "init", "--out", ca)
        return gw
    return make


def test_the_first_message_is_signed_with_a_certificate_of_its_sender(make, capture, ca, root):
    gw = make()
    said = gw.cli("explain", "--from", SENDER, "--to", CAROL).stdout.decode()
    assert "issued when it is sent" in said and not own(gw)
    for n in (1, 2):
        send_patiently(gw)
        fpr = signer(ca, capture.wait(n)[n - 1].data, root)
        made = own(gw)
        assert [k["fingerprint"] for k in made] == [fpr]
        assert made[0]["source"] == "ca" and made[0]["private"]
    send_patiently(gw, "uta@sender.example")
    assert signer(ca, capture.wait(3)[2].data, root) != fpr
    gw.stop()
    rows = [r["rec"] for r in gw.audit() if r["rec"].get("type") == "key-added"]
    assert {r["addr"] for r in rows if r.get("who") == "issuer"} >= {SENDER}
    assert fpr in {r["fingerprint"] for r in rows}


@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")
def test_mail_from_postfix_is_signed_so_too(make, capture, ca, root):
    gw = make()
    postfix = Postfix(next_hop=gw.port)
    postfix.start()
    try:
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=90) as smtp:
            smtp.sendmail(SENDER, [CAROL], message(to=CAROL))
        got = capture.wait(1)[0].data
    finally:
        postfix.stop()
    assert signer(ca, got, root) == own(gw)[0]["fingerprint"]


def test_nothing_is_issued_to_others_and_without_a_ca(make_gateway, capture):
    gw = make_gateway(capture.port, listen=MAY, rules=rules("required"))
    with pytest.raises(smtplib.SMTPException) as refused:
        gw.send(SENDER, CAROL, message(to=CAROL))
    assert "550" in str(refused.value) and "no CA" in str(refused.value)
    gw.cli("ca", "init")
    other = "mallory@elsewhere.example"
    with pytest.raises(smtplib.SMTPException) as refused:
        gw.send(other, CAROL, message(to=CAROL, sender=other))
    assert "own domains" in str(refused.value)
    # the name in From must be the envelope's
    with pytest.raises(smtplib.SMTPException):
        gw.send(SENDER, CAROL, message(to=CAROL, sender="ceo@sender.example"))
    assert not [k for k in gw.cli_json("key", "list") if k["addresses"]]
    assert not capture.messages


def test_a_client_that_may_not_sign_gets_none(make_gateway, capture):
    gw = make_gateway(capture.port, rules=rules("if-possible"))
    gw.cli("ca", "init")
    gw.send(SENDER, CAROL, message(to=CAROL))
    assert b"multipart/signed" not in capture.wait(1)[0].data
    assert not own(gw)


def test_while_it_cannot_be_issued_mail_waits_that_must_be_signed(make, capture, ca, root):
    gw = make(more='', options='retry { first = 1s }\n')
    pid = gw.pids()["issuer"][0]
    os.kill(pid, signal.SIGSTOP)
    try:
        try:
            gw.send(SENDER, CAROL, message(to=CAROL))
            accepted = True
        except smtplib.SMTPException as e:
            assert "45" in str(e)
            accepted = False
        assert not capture.messages
    finally:
        os.kill(pid, signal.SIGCONT)
    if not accepted:
        send_patiently(gw)
    got = capture.wait(1)[0].data
    assert signer(ca, got, root) in {k["fingerprint"] for k in own(gw)}


def test_keys_that_were_silent_once_are_asked_again(make, capture, ca, root):
    gw = make()
    pid = gw.pids()["keys"][0]
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for("keys to stand still", lambda: pathlib.Path(
            "/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[0] == "T")
        with pytest.raises(smtplib.SMTPException) as refused:
            gw.send(SENDER, CAROL, message(to=CAROL))
        assert "45" in str(refused.value) and not capture.messages
    finally:
        os.kill(pid, signal.SIGCONT)
    send_patiently(gw)
    got = capture.wait(1)[0].data
    assert gw.pids()["keys"] == [pid]
    assert signer(ca, got, root) in {k["fingerprint"] for k in own(gw)}


def test_what_is_taken_back_for_good_is_not_issued_again(make, capture, ca, root):
    gw = make("if-possible")
    send_patiently(gw)
    first = signer(ca, capture.wait(1)[0].data, root)
    gw.cli("ca", "revoke", "--reason", "superseded", first)
    send_patiently(gw)
    second = signer(ca, capture.wait(2)[1].data, root)
    assert second != first
    gw.cli("ca", "revoke", "--reason", "cessation", second)
    send_patiently(gw)
    assert b"multipart/signed" not in capture.wait(3)[2].data
    assert {k["fingerprint"] for k in own(gw)} == {first, second}


def test_it_is_renewed_before_its_end_and_the_old_key_stays(make, capture, ca, root):
    gw = make(options='ca { validity = 1h renew = 3597s crl-validity = 4s }\n')
    send_patiently(gw)
    first = signer(ca, capture.wait(1)[0].data, root)
    keys = wait_for("a second certificate", lambda: len(own(gw)) > 1 and own(gw))
    assert all(k["private"] for k in keys)
    send_patiently(gw)
    assert signer(ca, capture.wait(2)[1].data, root) != first
    # the list is made anew, too, and the portal has it
    [listed] = wait_for("the list", lambda: list(
        (gw.state / "publish" / "crl").glob("*.crl")))

    def number():
        text = run("openssl", "crl", "-inform", "DER", "-in", listed, "-noout",
                   "-text").stdout.decode()
        return int(re.search(r"CRL Number:\s+(\S+)", text).group(1), 0)

    before = number()
    wait_for("a newer list", lambda: number() > before)
    run("openssl", "crl", "-inform", "DER", "-in", listed, "-CAfile", ca, "-noout")


@pytest.mark.parametrize("word, shown", [("p384", "P-384"), ("rsa3072", "RSA 3072")])
def test_the_algorithm_is_chosen(make, capture, ca, root, word, shown):
    gw = make(options="ca { algorithm = %s }\n" % word)
    send_patiently(gw)
    assert signer(ca, capture.wait(1)[0].data, root) == own(gw)[0]["fingerprint"]
    assert own(gw)[0]["algorithm"] == shown


def test_certificates_of_domains_are_renewed_and_of_those_taken_back_none(make, capture, ca, root):
    """A domain's, and a person's that an administrator wants renewed; not one
    without that, nor of an address another certificate of which was taken
    back for good."""
    gw = make("if-possible", options='ca { validity = 1h renew = 3597s }\n')
    gw.stop()
    gw.cli("ca", "issue", "--domain", "sender.example")
    for addr in ("pat@sender.example", "gone@sender.example"):
        gw.cli("ca", "issue", "--renew", addr)
    gw.cli("ca", "issue", "stays@sender.example")
    second = gw.cli_json("ca", "issue", "gone@sender.example")["key"]
    gw.cli("ca", "revoke", "--reason", "cessation", second["fingerprint"])
    assert gw.cli("ca", "issue", "--renew", "a@sender.example", "b@sender.example",
                  check=False).returncode == 2

    def of_domain():
        return [k for k in gw.cli_json("key", "list") if k["domain"] == "sender.example"]

    gw.start()
    keys = wait_for("the domain's second", lambda: len(of_domain()) > 1 and of_domain())
    assert all(k["private"] for k in keys)
    wait_for("pat's second", lambda: len(own(gw, "pat@sender.example")) > 1)
    assert len(own(gw, "stays@sender.example")) == 1 and len(own(gw, "gone@sender.example")) == 2
    wait_for("the other to be passed over", lambda: "its certificate was revoked" in gw.log())


def test_a_kill_while_it_is_issued_leaves_nothing_half_made(make, capture, ca, root):
    gw = make("if-possible")
    rng = random.Random(7)
    for i in range(6):
        addr = "u%d@sender.example" % i
        try:
            s = smtplib.SMTP("127.0.0.1", gw.port, timeout=90)
            s.mail(addr)
            s.rcpt(CAROL)
            s.putcmd("DATA")
            s.getreply()
            s.send(message(to=CAROL, sender=addr) + b"\r\n.\r\n")
            time.sleep(rng.uniform(0.0, 0.06))
        except (OSError, smtplib.SMTPException):
            pass
        gw.kill()
        gw.start()
    issued = [k for k in gw.cli_json("key", "list") if k["addresses"]]
    assert all(k["private"] for k in issued), "a certificate without its key"
    for k in issued:
        gw.cli("ca", "revoke", k["fingerprint"])
    crl = root / "crl.pem"
    gw.cli("ca", "crl", "--out", crl)
    text = run("openssl", "crl", "-in", crl, "-CAfile", ca, "-noout", "-text").stdout.decode()
    assert text.count("Serial Number:") == len(issued)
