# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The portal on another machine: everything that works with a portal here works
with one there, whatever breaks off in between, and neither side talks to anybody
but the other."""
import base64
import json
import os
import pathlib
import shutil
import socket
import ssl
import tempfile
import time

import pytest

from capture import Capture
from dmz import Dmz, Inside, Wire, certificate
from escrow import Link, mail_of, text_of
from harness import message, portal_page, run, wait_for
from pickup import run_node
from test_pickup_sender import memory_of

HERE = pathlib.Path(__file__).resolve().parent
SENDER, CAROL = "sam@sender.example", "carol@partner.example"
CODED = "coded@partner.example"
RULES = '''
rule "inside" { to = "@sender.example" try = { clear } }
rule "coded" { to = "coded@partner.example" try = { escrow } second-factor = code }
rule "default" { try = { escrow } }
'''
CANARY = "Kanarienvogel im Grubenschacht"


class Pair:
    def __init__(self, root):
        self.root = root
        self.out, self.back = Capture().start(), Capture().start()
        self.a, self.b = certificate(root, "inside"), certificate(root, "outside")
        self.stranger = certificate(root, "stranger")
        self.dmz = Dmz(root / "dmz", self.b, self.a[2])
        self.wire = Wire(self.dmz.link_port)
        self.gateway = Inside(
            root / "gw", self.out.port, self.dmz.portal_port, self.wire.port, self.a, self.b[2],
            rules=RULES, inbound=self.back.port, listen_in="",
            portal="answer-size = 1M", retry="first = 1s")
        for path in (self.a[1], self.b[1]):
            path.chmod(0o600)
        self.dmz.start()
        self.gateway.start()

    def close(self):
        for what in (self.gateway, self.dmz, self.wire):
            what.close()
        self.out.stop()
        self.back.stop()

    def mails(self, rcpt):
        return [m for m in self.out.messages + self.back.messages if rcpt in m.rcpts]

    def send(self, rcpt=CAROL, body=CANARY, wait=True):
        before = len(self.mails(rcpt))
        self.gateway.send(SENDER, rcpt, message(to=rcpt, body=body + "\r\n"))
        if wait:
            wait_for("the notice", lambda: len(self.mails(rcpt)) > before)
            return Link(self.mails(rcpt)[-1].data)
        return None

    def object(self, link):
        return {o["object"]: o for o in self.gateway.cli_json("escrow", "list")}[link.id]

    def records(self, kind, link):
        return [r["rec"] for r in self.gateway.audit()
                if r["rec"]["type"] == kind and r["rec"].get("object") == link.id]

    def seal(self, link, text):
        done = json.loads(run_node(HERE / "seal_answer.mjs", str(self.dmz.page()), link.url,
                                   stdin=text.decode()))
        return base64.b64decode(done["sealed"])


@pytest.fixture(scope="module")
def pair():
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge."))
    root.chmod(0o755)
    p = Pair(root)
    yield p
    try:
        p.close()
    finally:
        print("--- gateway\n%s\n--- portal\n%s" % (p.gateway.log(), p.dmz.log()))
        shutil.rmtree(root, ignore_errors=True)


def answer(link, octets):
    return link.ask("POST", "/api/reply/" + link.id, octets, **{
        "Authorization": "Sealgate-Proof " + link.proof(),
        "Content-Type": "application/octet-stream"})


def test_a_reader_opens_it_there_and_the_sender_hears_of_it(pair):
    link = pair.send()
    assert link.port == pair.dmz.portal_port
    out = run_node(portal_page() / "open-link.mjs", link.url)
    assert CANARY in out
    wait_for("the receipt", lambda: [m for m in pair.mails(SENDER) if mail_of(
        m.data)["Subject"].startswith("Opened")])
    wait_for("the log", lambda: pair.records("viewed", link))
    assert pair.object(link)["state"] == "opened"
    assert sorted(pair.dmz.pids()) == ["portal"]
    names = sorted(p.name for p in pair.dmz.state.iterdir())
    assert names == ["escrow", "format", "portal"], names


def test_it_is_taken_back_and_kept_longer_there(pair):
    link = pair.send()
    until = pair.object(link)["expires"]
    pair.gateway.cli("escrow", "extend", link.id, "--for", "60d")
    path = pair.dmz.state / "escrow" / link.id
    header = path.read_bytes()[:96]
    wait_for("the other expiry", lambda: path.read_bytes()[88:96] != header[88:] or
             pair.object(link)["expires"] != until)
    assert link.open().status == 200
    pair.gateway.cli("escrow", "revoke", link.id)
    wait_for("its end there", lambda: not path.exists())
    assert link.open().status == 404
    wait_for("its end here", lambda: link.id not in [
        o["object"] for o in pair.gateway.cli_json("escrow", "list")])
    assert not (pair.gateway.state / "escrow" / link.id).exists()


def test_a_code_goes_by_mail_and_no_file(pair):
    link = pair.send(CODED)
    proof = link.proof()
    reply = link.post("/api/code", proof=proof)
    assert reply.status == 202
    ticket = json.loads(reply.text)["ticket"]
    wait_for("the code", lambda: len(pair.mails(CODED)) > 1)
    code = [w for w in text_of(pair.mails(CODED)[-1].data).split()
            if len(w) == 6 and w.isdigit()][0]
    for path in (pair.dmz.state / "portal").iterdir():
        assert path.name == "attempts" or code.encode() not in path.read_bytes(), path
    assert link.open(ticket=ticket, code="000000" if code != "000000" else "1").status == 403
    assert link.open(ticket=ticket, code=code).status == 200


def test_an_answer_comes_in_once(pair):
    link = pair.send()
    text = message(subject="Re: A test", sender=CAROL, to=SENDER, body="Die Antwort\r\n" * 9000)
    sealed = pair.seal(link, text)
    pair.wire.break_off()
    before = len(pair.mails(SENDER))
    assert answer(link, sealed).status == 201
    left = list((pair.dmz.state / "portal").glob("answer.*"))
    assert len(left) == 1
    pair.dmz.kill()
    pair.dmz.start()
    assert left[0].exists()
    pair.wire.mend()
    wait_for("the answer", lambda: [m for m in pair.mails(SENDER)[before:]
                                    if b"Die Antwort" in m.data])
    wait_for("the portal to forget it", lambda: not left[0].exists())
    assert not list((pair.gateway.state / "portal").glob("answer.*"))
    wait_for("the log", lambda: pair.records("replied", link))
    assert len(pair.records("replied", link)) == 1


def test_no_link_goes_before_its_object_is_there(pair):
    pair.wire.break_off()
    before = len(pair.mails(CAROL))
    pair.send(wait=False)
    calls = pair.wire.calls
    wait_for("an attempt", lambda: pair.wire.calls > calls)
    assert len(pair.mails(CAROL)) == before
    waits = [o for o in pair.gateway.cli_json("escrow", "list") if o["state"] == "waiting"]
    assert len(waits) == 1
    # neither a restart here nor one there changes it
    pair.gateway.kill()
    pair.gateway.start()
    pair.dmz.stop()
    pair.wire.mend()
    assert len(pair.mails(CAROL)) == before
    pair.dmz.start()
    wait_for("the notice", lambda: len(pair.mails(CAROL)) > before)
    link = Link(pair.mails(CAROL)[-1].data)
    assert link.open().status == 200


def test_what_happens_without_a_gateway_is_told_once_it_is_back(pair):
    link = pair.send()
    pair.wire.break_off()
    for _ in range(3):
        assert link.open().status == 200
    pair.dmz.kill()
    pair.dmz.start()
    pair.wire.mend()
    wait_for("the log", lambda: len(pair.records("viewed", link)) >= 3)
    # what comes later has passed all that was to be said of it
    assert link.open().status == 200
    wait_for("one more", lambda: len(pair.records("viewed", link)) == 4)
    assert pair.object(link)["views"] == 4


def test_a_machine_that_was_lost_gets_everything_again(pair):
    link = pair.send(body=(CANARY + "\r\n") * 3000)
    pair.dmz.stop()
    shutil.rmtree(pair.dmz.state)
    pair.dmz.start()
    path = pair.dmz.state / "escrow" / link.id
    wait_for("the object", path.exists)
    wait_for("the index", lambda: link.open().status == 200)


def test_large_ones_go_on_where_they_broke_off(pair):
    before = len(pair.mails(CAROL))
    pair.gateway.send(SENDER, CAROL, message(to=CAROL, body=("x" * 70 + "\r\n") * 300000))
    for _ in range(3):
        wait_for("a beginning", lambda: list((pair.dmz.state / "escrow").glob("*.part")) or
                 len(pair.mails(CAROL)) > before)
        pair.wire.drop()
    wait_for("the notice", lambda: len(pair.mails(CAROL)) > before)
    link = Link(pair.mails(CAROL)[-1].data)
    assert link.open().status == 200
    here = (pair.gateway.state / "escrow" / link.id).read_bytes()
    assert here == (pair.dmz.state / "escrow" / link.id).read_bytes()
    assert not list((pair.dmz.state / "escrow").glob("*.part"))


def shake(port, pair_of=None):
    """What a stranger is told at the inner port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if pair_of is not None:
        context.load_cert_chain(*pair_of[:2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        with context.wrap_socket(raw) as s:
            return s.recv(100)


def test_nobody_else_gets_past_the_handshake(pair):
    for name, who in (("no certificate", None), ("another one", pair.stranger)):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            assert shake(pair.dmz.link_port, who) == b"", name
    # the right one is greeted: that was the only reason
    assert shake(pair.dmz.link_port, pair.a)[4] == 1
    # and more strangers than there are places keep nobody out
    held = [socket.create_connection(("127.0.0.1", pair.dmz.link_port)) for _ in range(40)]
    pair.wire.drop()
    link = pair.send()
    assert link.open().status == 200
    for s in held:
        s.close()


def test_a_portal_with_another_certificate_is_told_nothing(pair):
    pair.dmz.stop()
    pair.dmz.own, own = pair.stranger, pair.dmz.own
    pair.dmz.write_conf()
    pair.dmz.start()
    before = len(pair.mails(CAROL))
    try:
        pair.send(wait=False)
        wait_for("the log", lambda: "its certificate is not one of those in peer" in
                 pair.gateway.log())
        assert len(pair.mails(CAROL)) == before
    finally:
        pair.dmz.stop()
        pair.dmz.own = own
        pair.dmz.write_conf()
        pair.dmz.start()
    wait_for("the notice", lambda: len(pair.mails(CAROL)) > before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of another process")
def test_the_machine_knows_neither_key_nor_text(pair):
    link = pair.send(body=(CANARY + "\r\n") * 500)
    assert CANARY in run_node(portal_page() / "open-link.mjs", link.url)
    secrets = [CANARY.encode(), link.secret, link.url.partition("#")[2].encode(),
               pair.b[1].read_bytes().split(b"\n")[1],
               (pair.gateway.root / "master.key").read_bytes()]
    [pid] = pair.dmz.pids()["portal"]
    try:
        open("/proc/%d/mem" % pid, "rb").close()
    except PermissionError:
        pytest.skip("this machine lets nobody read the memory of a process")
    seen = False
    for octets in memory_of(pid):
        seen = seen or link.id.encode() in octets
        for i, secret in enumerate(secrets):
            assert secret not in octets, i
    assert seen
    for path in pair.dmz.state.rglob("*"):
        for i, secret in enumerate(secrets):
            assert not path.is_file() or secret not in path.read_bytes(), (path, i)


def test_one_configuration_is_not_the_other(pair):
    done = run(pair.dmz.build / "sealgated", "-n", "-f", pair.gateway.conf, "--role", "portal",
               check=False)
    assert done.returncode == 78 and b"section portal gateway" in done.stderr
    done = run(pair.dmz.build / "sealgated", "-n", "-f", pair.dmz.conf)
    assert b"no mail passes here" in done.stdout
    started = time.monotonic()
    assert pair.dmz.stop() == 0 and time.monotonic() - started < 20
    pair.dmz.start()
