# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""An answer from the page: sealed by the browser for the gateway, kept where
nobody can read it, delivered inside as mail from a stranger who had the link,
once, to nobody but those who may be answered."""
import base64
import json
import pathlib

import pytest

from capture import Capture
from escrow import Link, mail_of
from harness import message, wait_for
from pickup import run_node

HERE = pathlib.Path(__file__).resolve().parent
SENDER, CAROL, INSIDE = "sam@sender.example", "carol@partner.example", "ina@sender.example"
RULES = 'rule "inside" { to = "@sender.example" try = { clear } }\n' \
        'rule "all" { try = { escrow } }\n'
WORD = "Die Antwort ist zweiundvierzig"


@pytest.fixture
def inside():
    c = Capture().start()
    yield c
    c.stop()


@pytest.fixture
def gateway(make_gateway, capture, inside):
    return make_gateway(capture.port, rules=RULES, inbound=inside.port, listen_in="",
                        portal="receipts = false answer-size = 1M")


def pick_up(gateway, capture, to=(CAROL,), header_to=CAROL):
    before = len(capture.messages)
    gateway.send(SENDER, list(to), message(to=header_to))
    wait_for("the notice", lambda: len(capture.messages) > before)
    return Link(capture.messages[-1].data)


def mail(to=SENDER, sender=CAROL, extra="", body=WORD):
    return message(subject="Re: A test", sender=sender, to=to, extra=extra, body=body + "\r\n")


def seal(gateway, link, text, *bad):
    done = json.loads(run_node(HERE / "seal_answer.mjs", str(gateway.page()), link.url, *bad,
                               stdin=text.decode()))
    return done["index"], base64.b64decode(done["sealed"])


def answer(link, octets, **headers):
    return link.ask("POST", "/api/reply/" + link.id, octets, **{
        "Authorization": "Sealgate-Proof " + link.proof(),
        "Content-Type": "application/octet-stream", **headers})


def records(gateway, kind):
    return [r["rec"] for r in gateway.audit() if r["rec"]["type"] == kind]


def test_it_is_delivered_inside_marked_and_only_once(gateway, capture, inside):
    link = pick_up(gateway, capture, (CAROL, INSIDE, "hidden@sender.example"),
                   "%s, %s" % (CAROL, INSIDE))
    wait_for("the mail inside", lambda: len(inside.messages) >= 2)
    del inside.messages[:]
    index, sealed = seal(gateway, link, mail(
        to="%s, %s" % (SENDER, INSIDE),
        extra="Sealgate-Verdict: signed\r\nSealgate-Received: forged\r\n"))
    assert index["reply_to"] == [SENDER, INSIDE] and index["reply_max"] == 1 << 20
    assert WORD.encode() not in sealed
    assert answer(link, sealed).status == 201
    wait_for("the answer", lambda: inside.messages)
    wait_for("both", lambda: sorted(r for m in inside.messages for r in m.rcpts) ==
             sorted([SENDER, INSIDE]))
    got = inside.messages[0]
    assert got.mail_from == CAROL and WORD.encode() in got.data
    head = mail_of(got.data)
    assert head.get_all("Sealgate-Received") == ["through the portal, from who had the link"]
    assert len(head.get_all("Sealgate-Verdict")) == 1
    assert "signed" != head["Sealgate-Verdict"].strip()
    assert "from the portal by gw.sender.example with HTTPS" in got.data.decode()
    wait_for("the log", lambda: records(gateway, "replied"))
    assert records(gateway, "replied")[0]["object"] == link.id
    wait_for("the portal to forget it", lambda: not list(
        (gateway.state / "portal").glob("answer.*")))
    n = len(inside.messages)
    gateway.kill()
    gateway.start()
    # what comes behind it is delivered, and it is not once more
    again = seal(gateway, link, mail(to=SENDER, body="the last"))[1]
    assert answer(link, again).status == 201
    wait_for("the last", lambda: len(inside.messages) > n)
    wait_for("an empty queue", lambda: not gateway.cli_json("queue", "list"))
    assert len(inside.messages) == n + 1 and b"the last" in inside.messages[-1].data


def test_it_waits_sealed_for_who_is_not_there(gateway, capture, inside):
    link = pick_up(gateway, capture)
    _, sealed = seal(gateway, link, mail())
    inside.verbs["CONNECT"] = (421, "4.3.2 later")
    assert answer(link, sealed).status == 201
    wait_for("its entry", lambda: gateway.cli_json("queue", "list"))
    gateway.kill()
    for path in gateway.state.rglob("*"):
        if path.is_file():
            assert WORD.encode() not in path.read_bytes(), path
    del inside.verbs["CONNECT"]
    gateway.start()
    # an attempt that was refused may be under way at the first flush
    wait_for("the answer", lambda: gateway.cli("queue", "flush") and inside.messages)
    wait_for("an empty queue", lambda: not gateway.cli_json("queue", "list"))
    assert len(inside.messages) == 1


def test_a_long_one_is_taken_too(gateway, capture, inside):
    """It lies beside the spool in a file, whose name is synced first."""
    link = pick_up(gateway, capture)
    text = (WORD + "\r\n") * 12000
    _, sealed = seal(gateway, link, mail(body=text))
    inside.verbs["CONNECT"] = (421, "4.3.2 later")
    assert answer(link, sealed).status == 201
    wait_for("its entry", lambda: gateway.cli_json("queue", "list"))
    assert list((gateway.state / "bodies").iterdir())
    del inside.verbs["CONNECT"]
    # the attempt that is refused may still be under way at the first flush
    wait_for("the answer", lambda: gateway.cli("queue", "flush") and inside.messages)
    assert inside.messages[0].data.count(WORD.encode()) == 12000


REFUSED = [("another sender", dict(sender="eve@partner.example")),
           ("somebody else", dict(to="ina@sender.example")),
           ("somebody outside", dict(to=SENDER + ", eve@elsewhere.example")),
           ("nobody", dict(to="undisclosed:;")),
           ("a copy", dict(extra="Cc: boss@sender.example\r\n")),
           ("hidden", dict(extra="Bcc: sam@sender.example\r\n")),
           ("two fields", dict(extra="To: sam@sender.example\r\n"))]


def test_what_it_may_not_be_is_refused_and_written_down(gateway, capture, inside):
    link = pick_up(gateway, capture)
    for name, options in REFUSED:
        _, sealed = seal(gateway, link, mail(**options))
        assert answer(link, sealed).status == 201, name
    _, sealed = seal(gateway, link, mail(), "bad")
    assert answer(link, sealed).status == 201
    wait_for("the log", lambda: len(records(gateway, "answer-refused")) == len(REFUSED) + 1)
    wait_for("the portal to forget them", lambda: not list(
        (gateway.state / "portal").glob("answer.*")))
    assert not inside.messages and not gateway.cli_json("queue", "list")


def test_an_object_has_so_many_answers_and_no_more(gateway, capture, inside):
    link = pick_up(gateway, capture)
    _, sealed = seal(gateway, link, mail())
    assert [answer(link, sealed).status for _ in range(21)] == [201] * 20 + [409]
    wait_for("the portal to forget them", lambda: not list(
        (gateway.state / "portal").glob("answer.*")))
    # what was delivered counts, after a restart, too
    gateway.kill()
    gateway.start()
    assert answer(link, sealed).status == 409


def test_one_to_what_the_spool_has_lost_waits_for_an_administrator(gateway, capture, inside):
    """Whom it is from and for it says itself; nobody outside gets it."""
    link = pick_up(gateway, capture)
    sealed = [seal(gateway, link, mail(to=to))[1] for to in (SENDER, "eve@elsewhere.example")]
    gateway.stop()
    for path in (gateway.state / "spool").glob("*.mdb"):
        path.unlink()
    gateway.start()
    wait_for("it to be known by its file", lambda: gateway.cli_json("escrow", "list"))
    for octets in sealed:
        assert answer(link, octets).status == 201
    wait_for("a refusal", lambda: records(gateway, "answer-refused"))
    (entry,) = wait_for("it to be held", lambda: gateway.cli_json("queue", "list"))
    assert entry["state"] == "held" and "the spool does not know" in entry["reason"]
    assert entry["from"] == CAROL and [r["addr"] for r in entry["rcpts"]] == [SENDER]
    wait_for("the portal to forget it", lambda: not list(
        (gateway.state / "portal").glob("answer.*")))
    assert records(gateway, "held")[0]["why"] == "unknown-object"
    assert not inside.messages
    gateway.cli("queue", "release", entry["entry"])
    wait_for("the answer", lambda: inside.messages)
    assert WORD.encode() in inside.messages[0].data and inside.messages[0].rcpts == [SENDER]


def test_what_the_portal_refuses(gateway, capture, inside):
    link = pick_up(gateway, capture)
    _, sealed = seal(gateway, link, mail())
    cases = [(400, sealed[:-1]), (400, sealed + b"x"), (400, b"x" * 200), (400, sealed[:64]),
             (400, b"SGANSWER" + b"\0" * 16 + sealed[24:])]
    for status, octets in cases:
        assert answer(link, octets).status == status, len(octets)
    # before any of it is sent
    assert answer(link, None, **{"Content-Length": str(2 << 20)}).status == 413
    assert answer(link, None, **{"Content-Length": "-1"}).status == 400
    assert answer(link, sealed, Authorization="Sealgate-Proof " + "A" * 43).status == 404
    assert answer(link, sealed, Origin="https://evil.example").status == 403
    assert answer(link, sealed, **{"Content-Type": "text/plain"}).status == 415
    assert link.ask("GET", "/api/reply/" + link.id).status == 404
    assert not list((gateway.state / "portal").glob("upload.*"))
    gateway.cli("escrow", "revoke", link.id)
    wait_for("it to be gone", lambda: answer(link, sealed).status == 404)
    assert not inside.messages
