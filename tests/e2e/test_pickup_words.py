# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The sender answers what was told of mail for pick-up with one word; nobody
else can, and no such answer leaves. How much may wait has a bound."""
import email.message
import pathlib
import re
import shutil
import smtplib
import tempfile

import pytest

from capture import Capture
from escrow import Link, mail_of, text_of
from harness import PATIENCE, Gateway, message, wait_for

SENDER, CAROL, DAN = "sam@sender.example", "carol@partner.example", "dan@partner.example"
RULES = '''
rule "soon" { to = "soon@partner.example" try = { escrow } expires = 1h }
rule "clear" { to = "@clear.example" try = { clear } }
rule "default" { try = { escrow } }
'''


class Site:
    def __init__(self, gateway, capture):
        self.gateway, self.capture = gateway, capture

    def mails(self, rcpt):
        return [m for m in self.capture.messages if m.rcpts == [rcpt]]

    def told(self, start):
        return [m for m in self.mails(SENDER) if mail_of(m.data)["Subject"].startswith(start)]

    def next(self, start, before):
        wait_for(start, lambda: len(self.told(start)) > before)
        assert len(self.told(start)) == before + 1
        return mail_of(self.told(start)[-1].data)

    def send(self, *rcpts):
        """A message; the links of its recipients and its sent-notice."""
        before = {r: len(self.mails(r)) for r in rcpts}
        notes = len(self.told("For pick-up:"))
        self.gateway.send(SENDER, list(rcpts), message(to=", ".join(rcpts)))
        for r in rcpts:
            wait_for("the notice", lambda r=r: len(self.mails(r)) > before[r])
        return [Link(self.mails(r)[-1].data) for r in rcpts], self.next("For pick-up:", notes)

    def answer(self, note, body, sender=SENDER, port=None, **fields):
        mail = email.message.EmailMessage()
        mail["From"], mail["To"] = sender, note["Reply-To"]
        mail["Subject"] = "Re: " + note["Subject"]
        for name, value in fields.items():
            mail[name.replace("_", "-")] = value
        mail.set_content(body)
        with smtplib.SMTP("127.0.0.1", port or self.gateway.port, timeout=PATIENCE) as s:
            return s.sendmail(sender, [note["Reply-To"]], mail.as_bytes(
                policy=mail.policy.clone(linesep="\r\n")))

    def say(self, note, body, start, **more):
        before = len(self.told(start))
        self.answer(note, body, **more)
        return self.next(start, before).get_content()

    def objects(self):
        return {o["object"]: o for o in self.gateway.cli_json("escrow", "list")}

    def records(self, **members):
        return [r["rec"] for r in self.gateway.audit()
                if all(r["rec"].get(k) == v for k, v in members.items())]


@pytest.fixture(name="site", scope="module")
def fixture_site():
    top = pathlib.Path(tempfile.mkdtemp(prefix="sge."))
    top.chmod(0o755)
    capture = Capture().start()
    gateway = Gateway(top / "gw", capture.port, rules=RULES, inbound=capture.port, listen_in="",
                      portal='sent-notice = true languages = { "en", "de" } extend = 90d')
    gateway.start()
    yield Site(gateway, capture)
    gateway.close()
    capture.stop()
    print(gateway.log())
    shutil.rmtree(top, ignore_errors=True)


def test_who_recalls_it_stops_who_has_read_it(site):
    [carol, dan], note = site.send(CAROL, DAN)
    assert re.fullmatch(r"pickup-[0-9a-f]{48}@gw\.sender\.example", note["Reply-To"])
    assert "recall" in note.get_content() and "zurückrufen" in note.get_content()
    assert carol.open().status == 200
    proof = {"Authorization": "Sealgate-Proof " + carol.proof()}
    assert carol.ask("GET", "/api/object/" + carol.id, **proof).status == 200
    text = site.say(note, "Recall " + CAROL + "\n\n> extend\n", "Recalled:")
    assert CAROL in text and DAN not in text and "stays read" in text
    wait_for("it to be gone", lambda: carol.open().status == 404)
    assert carol.ask("GET", "/api/object/" + carol.id, **proof).status == 404
    assert dan.open().status == 200
    text = site.say(note, "zurückrufen\n-- \nSam\n", "Recalled:")
    assert DAN in text
    wait_for("it to be gone", lambda: dan.open().status == 404)
    wait_for("the list", lambda: not {carol.id, dan.id} & set(site.objects()))
    wait_for("the log", lambda: len(site.records(type="revoked", who="sender")) == 2)
    assert {r["object"] for r in site.records(type="revoked", who="sender")} == {carol.id, dan.id}
    text = site.say(note, "recall", "Recalled:")
    assert "any more" in text and CAROL not in text


def test_who_asks_for_it_keeps_it_longer_and_has_a_report(site):
    [soon, dan], note = site.send("soon@partner.example", DAN)
    before = site.objects()
    assert "not opened yet" in site.say(note, "report", "Report:")
    assert soon.open().status == 200
    wait_for("the opening", lambda: site.objects()[soon.id]["views"] == 1)
    text = site.say(note, "Report.\n\nSam\n", "Report:")
    assert "127.0.0.1" in text and "opened 1 time" in text and "not opened yet" in text
    # what was told of the opening can be answered as well
    wait_for("the word", lambda: site.told("Opened: your message to soon@"))
    opened = mail_of(site.told("Opened: your message to soon@")[-1].data)
    assert opened["Reply-To"] == note["Reply-To"] and "bericht" in opened.get_content()
    assert "opened 1 time" in site.say(opened, "report", "Report:")
    text = site.say(note, "extend soon@partner.example nobody@partner.example", "Kept longer:")
    assert "kept longer" in text and "nothing of the message waits for this" in text
    after = site.objects()
    assert after[soon.id]["expires"][:10] > before[soon.id]["expires"][:10]
    assert after[dan.id] == before[dan.id]
    wait_for("the log", lambda: site.records(type="extended", who="sender", object=soon.id))


def test_what_is_not_understood_does_nothing_and_says_so(site):
    [link], note = site.send(CAROL)
    for body in ("Please recall this at once!", "recall\nextend\n", "> recall\n", ""):
        text = site.say(note, body, "Not understood:")
        assert "recall" in text and "report" in text and "bericht" in text, body
    assert link.open().status == 200


def words(site):
    """How often the sender was answered; receipts come when they come."""
    return len(site.mails(SENDER)) - len(site.told("Opened:"))


def test_an_automatic_answer_is_none(site):
    [link], note = site.send(CAROL)
    mails = words(site)
    for fields in ({"Auto_Submitted": "auto-replied"}, {"Auto_Submitted": "auto-generated"}):
        site.answer(note, "recall", **fields)
    text = site.say(note, "report", "Report:")  # what came before it is done
    assert "not opened yet" in text and words(site) == mails + 1
    wait_for("the log", lambda: len(site.records(type="pickup-word", word="automatic")) == 2)
    assert link.open().status == 200


def refused(site, *args, **more):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as e:
        site.answer(*args, **more)
    return list(e.value.recipients.values())[0][0]


def test_nobody_else_can_say_anything(site):
    """Not from outside, not in another name, not with another address; and none
    of it leaves."""
    [link], note = site.send(CAROL)
    [_], other = site.send(DAN)
    addr = note["Reply-To"]
    out = len(site.capture.messages)
    for sender in (SENDER, CAROL, "eve@elsewhere.example"):
        assert refused(site, note, "recall", sender=sender, port=site.gateway.in_port) == 550
    for sender in ("eve@sender.example", CAROL, ""):
        assert refused(site, note, "recall", sender=sender) == 550
    # From alone says nothing: the envelope does
    mail = message(to=addr, body="recall\r\n")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        site.gateway.send("eve@sender.example", addr, mail)
    # the digest of another message, one that is none, one digit changed
    mixed = addr[:23] + other["Reply-To"][23:]
    for forged in (mixed, addr[:23] + 32 * "0" + addr[55:],
                   addr[:54] + ("1" if addr[54] != "1" else "2") + addr[55:]):
        assert refused(site, {"Reply-To": forged, "Subject": "x"}, "recall") == 550
    # together with others it does not go
    refusals = site.gateway.send(SENDER, [addr, "x@clear.example"], mail)
    assert refusals["x@clear.example"][0] == 452
    refusals = site.gateway.send(SENDER, ["y@clear.example", addr], message(
        to="y@clear.example", body="recall\r\n"))
    assert refusals[addr][0] == 452
    wait_for("both words", lambda: site.told("Recalled:") and site.mails("y@clear.example"))
    wait_for("the first is heard", lambda: link.open().status == 404)
    for m in site.capture.messages[out:]:
        assert not any("pickup-" in r for r in m.rcpts)
    wait_for("nothing to be left", lambda: not site.gateway.cli_json("queue", "list"))


def test_a_quota_answers_452_and_makes_room_again(make_gateway, capture):
    gateway = make_gateway(capture.port, rules=RULES,
                           portal="receipts = false quota-objects = 3 sender-quota = 20000")
    site = Site(gateway, capture)

    def code_of(sender, size):
        try:
            gateway.send(sender, CAROL, message(body="x" * 70 + "\r\n" * (size // 2)))
        except smtplib.SMTPDataError as e:
            return e.smtp_code
        return 250
    assert code_of(SENDER, 30000) == 452
    assert [code_of(SENDER, 12000), code_of(SENDER, 12000)] == [250, 452]
    assert code_of("tom@sender.example", 100) == code_of("uta@sender.example", 100) == 250
    assert code_of("vic@sender.example", 100) == 452
    wait_for("the notices", lambda: len(site.mails(CAROL)) == 3)
    wait_for("what was refused to be gone",
             lambda: len(list((gateway.state / "escrow").iterdir())) == 3)
    assert "3 of 3 messages" in gateway.cli("escrow", "list").stdout.decode()
    status = gateway.cli_json("status")["store"]
    assert status["escrow_objects"] == 3 and status["escrow_quota_objects"] == 3
    gateway.kill()
    gateway.start()
    assert code_of("vic@sender.example", 100) == 452
    link = Link(site.mails(CAROL)[0].data)
    gateway.cli("escrow", "revoke", link.id)
    wait_for("room", lambda: len(site.objects()) == 2)
    assert code_of("vic@sender.example", 100) == 250
    wait_for("the notice", lambda: len(site.mails(CAROL)) == 4)
    wait_for("the log", lambda: [
        r["error"] for r in site.records(type="refused")] == ["ERR_QUOTA"] * 4)
