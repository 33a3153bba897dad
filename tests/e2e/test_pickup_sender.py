# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Mail for pick-up stays its sender's: who opened it is told and written down,
it can be taken back and kept longer, and guessing locks it."""
import hashlib
import os
import time

import pytest

from escrow import Link, b64, hkdf, mail_of, text_of, unb64
from harness import message, wait_for

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
RULES = '''
rule "own" { to = "own@partner.example" try = { escrow } second-factor = passphrase }
rule "soon" { to = "soon@partner.example" try = { escrow } expires = 1h }
rule "default" { try = { escrow } }
'''
CHOSEN = "Sealgate-Passphrase: correct horse\r\n"


@pytest.fixture
def gateway(make_gateway, capture):
    return make_gateway(capture.port, rules=RULES)


def send(gateway, capture, rcpt, fields=""):
    before = len(mails(capture, rcpt))
    gateway.send(SENDER, rcpt, message(to=rcpt, extra=fields))
    wait_for("the notice", lambda: len(mails(capture, rcpt)) > before)
    return Link(mails(capture, rcpt)[-1].data)


def mails(capture, rcpt):
    return [m for m in capture.messages if m.rcpts == [rcpt]]


def told(capture, word):
    return [m for m in mails(capture, SENDER)
            if mail_of(m.data)["Subject"].startswith(word)]


def objects(gateway):
    return {o["object"]: o for o in gateway.cli_json("escrow", "list")}


def records(gateway, link):
    gateway.cli("audit", "list", "--object", link.id, check=False)
    return [r["rec"] for r in gateway.audit() if r["rec"].get("object") == link.id]


def test_who_opened_it_is_told_once_and_written_down_each_time(gateway, capture):
    link = send(gateway, capture, CAROL)
    assert objects(gateway)[link.id]["state"] == "unopened"
    for _ in range(50):  # a scanner
        assert link.ask("GET", "/m/" + link.id).status == 200
        assert link.ask("HEAD", "/m/" + link.id).status == 200
    for _ in range(3):
        assert link.open().status == 200
    wait_for("the receipt", lambda: told(capture, "Opened:"))
    wait_for("three openings", lambda: objects(gateway)[link.id]["views"] == 3)
    shown = gateway.cli_json("escrow", "show", link.id)[0]
    assert shown["state"] == "opened" and shown["client"] == "127.0.0.1"
    assert shown["rcpt"] == CAROL and shown["from"] == SENDER
    def viewed():
        return [(r["client"], r.get("times", 1)) for r in records(gateway, link)
                if r["type"] == "viewed"]
    wait_for("the log", lambda: viewed() == [("127.0.0.1", 1)])
    assert len(told(capture, "Opened:")) == 1
    text = text_of(told(capture, "Opened:")[0].data)
    assert CAROL in text and "127.0.0.1" in text and "read by" not in text
    gateway.cli("escrow", "revoke", link.id)  # what was only counted is said then
    wait_for("the rest", lambda: viewed() == [("127.0.0.1", 1), ("127.0.0.1", 2)])


def test_what_is_revoked_is_gone_also_for_who_has_read_it(gateway, capture):
    link, other = (send(gateway, capture, CAROL) for _ in range(2))
    assert link.open().status == 200
    proof = {"Authorization": "Sealgate-Proof " + link.proof()}
    assert link.ask("GET", "/api/object/" + link.id, **proof).status == 200
    assert "1 revoked" in gateway.cli("escrow", "revoke", link.id).stdout.decode()
    wait_for("it to be gone", lambda: link.open().status == 404)
    assert link.ask("GET", "/api/object/" + link.id, **proof).status == 404
    wait_for("the list", lambda: list(objects(gateway)) == [other.id])
    assert other.open().status == 200
    assert not (gateway.state / "escrow" / link.id).exists()
    wait_for("the log", lambda: any(
        r["type"] == "revoked" and r["who"].startswith("uid ") for r in records(gateway, link)))
    assert gateway.cli("escrow", "revoke", link.id, check=False).returncode == 1


def test_what_is_revoked_while_the_portal_is_gone_stays_so(gateway, capture):
    link = send(gateway, capture, CAROL)
    gateway.cli("escrow", "revoke", link.id)
    gateway.kill()
    gateway.start()
    wait_for("it to be gone", lambda: link.open().status == 404)
    wait_for("the list", lambda: not objects(gateway))


def test_what_the_spool_has_lost_is_listed_and_taken_back(gateway, capture):
    link, other = (send(gateway, capture, CAROL) for _ in range(2))
    gateway.stop()
    for path in (gateway.state / "spool").glob("*.mdb"):
        path.unlink()
    gateway.start()
    wait_for("both", lambda: {o["state"] for o in objects(gateway).values()} == {"unknown"})
    assert set(objects(gateway)) == {link.id, other.id}
    assert link.open().status == other.open().status == 200
    gateway.cli("escrow", "revoke", link.id)
    wait_for("it to be gone", lambda: link.open().status == 404)
    wait_for("the list", lambda: list(objects(gateway)) == [other.id])
    wait_for("the log", lambda: [r["rec"]["count"] for r in gateway.audit()
                                 if r["rec"]["type"] == "object-unknown"] == [2])


def test_it_can_be_kept_longer_and_shorter(gateway, capture):
    link = send(gateway, capture, "soon@partner.example")
    before = objects(gateway)[link.id]["expires"]
    gateway.cli("escrow", "extend", "--for", "90d", link.id)
    assert objects(gateway)[link.id]["expires"] > before
    gateway.stop()
    (gateway.state / "portal/data.mdb").unlink()  # made anew from the files
    gateway.start()
    assert link.open().status == 200
    gateway.cli("escrow", "extend", "--for", "2s", link.id)
    wait_for("the end", lambda: link.open().status == 404)
    wait_for("the list", lambda: not objects(gateway))
    assert not told(capture, "Expired:")  # somebody has opened it
    assert gateway.cli("escrow", "extend", "--for", "nonsense", link.id,
                       check=False).returncode == 2


def test_who_guesses_is_slowed_down_and_locked_out_whatever_is_restarted(gateway, capture):
    link = send(gateway, capture, "own@partner.example", CHOSEN)
    proof = link.proof("correct horse")

    def guess():
        return link.post("/api/open", proof=b64(os.urandom(32))).status
    began = time.monotonic()
    replies = [guess() for _ in range(12)]
    assert replies[:10] == [404] * 10 and replies[10:] == [429] * 2, replies
    assert link.post("/api/open", proof=proof).status == 429
    gateway.kill()
    gateway.start()
    # one is forgotten in half a minute
    replies = [guess()]
    while replies[-1] != 429:
        replies.append(guess())
    assert len(replies) <= 1 + (time.monotonic() - began) / 30, replies
    assert link.post("/api/open", proof=proof).status == 429
    # no id tells whether there is such an object
    unknown = Link(mails(capture, "own@partner.example")[0].data)
    unknown.id = "A" * 22
    assert unknown.open("wrong").text == b"There is nothing here.\n"
    assert objects(gateway)[link.id]["state"] == "unopened"


def test_nobody_has_opened_it_and_its_time_is_over(make_gateway, capture):
    gateway = make_gateway(capture.port, rules='rule "all" { try = { escrow } }\n',
                           portal="expires = 8s")
    link = send(gateway, capture, CAROL)
    wait_for("a warning", lambda: told(capture, "Not opened yet:"))
    wait_for("the end", lambda: told(capture, "Expired:"))
    assert CAROL in text_of(told(capture, "Expired:")[0].data)
    assert link.open().status == 404
    assert len(mails(capture, SENDER)) == 2


def test_a_sender_who_wants_no_word_gets_none(make_gateway, capture):
    gateway = make_gateway(capture.port, rules='rule "all" { try = { escrow } }\n',
                           portal="receipts = false")
    link = send(gateway, capture, CAROL)
    assert link.open().status == 200
    wait_for("the opening", lambda: objects(gateway)[link.id]["views"] == 1)
    # what were made of it would wait or have gone before this is there
    send(gateway, capture, CAROL)
    wait_for("an empty queue", lambda: not gateway.cli_json("queue", "list"))
    assert not mails(capture, SENDER)


def test_a_word_that_is_refused_goes(gateway, capture):
    """Nobody can be told that it failed, and it is not worth an alarm."""
    link = send(gateway, capture, CAROL)
    capture.verbs["RCPT"] = (550, "5.1.1 no such user")
    assert link.open().status == 200
    wait_for("the refusal", lambda: [
        r for r in gateway.audit() if r["rec"]["type"] == "bounced"])
    wait_for("an empty queue", lambda: not gateway.cli_json("queue", "list"))
    assert not [r for r in gateway.audit() if r["rec"]["type"] == "held"]


def memory_of(pid):
    """Every readable octet of a process but the index, which is a file, too."""
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("r") or line.rstrip().endswith(
                    ("[vvar]", "[vsyscall]", "/data.mdb")):
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            if end - start > 1 << 30:  # the shadow of a sanitizer
                continue
            try:
                mem.seek(start)
                yield mem.read(end - start)
            except OSError:
                pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of another process")
def test_the_portal_has_served_it_and_knows_neither_key_nor_text(make_gateway, capture):
    gateway = make_gateway(capture.port, rules=RULES, portal="receipts = false")
    canary = "Kanarienvogel-%d" % time.monotonic_ns()
    gateway.send(SENDER, "own@partner.example", message(
        to="own@partner.example", subject=canary, body=canary + "\r\n" * 2000, extra=CHOSEN))
    wait_for("the notice", lambda: mails(capture, "own@partner.example"))
    link = Link(mails(capture, "own@partner.example")[0].data)
    assert link.open("correct horse").status == 200
    proof = link.proof("correct horse")
    assert link.ask("GET", "/api/object/" + link.id,
                    Authorization="Sealgate-Proof " + proof).status == 200
    salt = unb64(link.id)
    factor = hashlib.pbkdf2_hmac("sha256", b"correct horse", salt, 600000)
    key = hkdf(link.secret + factor, salt, b"sealgate escrow v1 content")
    secrets = [canary.encode(), b"correct horse", link.secret, b64(link.secret).encode(), key,
               factor, link.url.partition("#")[2].encode()]
    [pid] = gateway.pids()["portal"]
    try:
        open("/proc/%d/mem" % pid, "rb").close()
    except PermissionError:
        pytest.skip("this machine lets nobody read the memory of a process")
    seen = False
    for octets in memory_of(pid):
        seen = seen or link.id.encode() in octets
        for i, secret in enumerate(secrets):
            assert secret not in octets, i
    assert seen  # it was its memory, and it has served it
    for directory in ("escrow", "portal"):
        for path in (gateway.state / directory).rglob("*"):
            for i, secret in enumerate(secrets):
                assert not path.is_file() or secret not in path.read_bytes(), (path, i)
