# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P2: a spool that cannot be used is moved aside with an alarm, mail goes on,
and `sealgate queue salvage` brings back what was in it: held, each once, and
without what the audit log calls delivered."""
import os
import re
import signal

import pytest

from capture import HANG
from harness import message, wait_for
from tls_domain import CAROL, RETRY, ca, domain, gateway_to, mail, records, strip  # noqa: F401

SENDER = "sam@sender.example"
ALICE, DORA = "alice@partner.example", "dora@other.example"
CANARY = b"canary-6620-canary"
RULES = ('rule "quarantine" { to = "@other.example" try = { hold } }\n'
         'rule "default" { try = { smime, hold } }\n')


def text(n, size=0):
    return message(subject="number %d" % n, body=CANARY.decode() + "\r\n" + "n=%d\r\n" % n
                   + ("z" * 70 + "\r\n") * (size // 72))


def answers(gw):
    return gw.cli("queue", "list", check=False).returncode == 0


def damage(gw):
    """Neither of the two pages that say where everything is."""
    path = gw.state / "spool" / "data.mdb"
    data = bytearray(path.read_bytes())
    data[:8192] = bytes(8192)
    path.write_bytes(data)


def destroy(gw):
    gw.stop()
    damage(gw)
    gw.start()


def fault(gw):
    """Twice in a row store dies of what it finds."""
    for _ in range(2):
        wait_for("a store at work", lambda: answers(gw))
        pid = gw.pids()["store"][0]
        os.kill(pid, signal.SIGSEGV)
        wait_for("its end", lambda p=pid: p not in gw.pids().get("store", []))
    wait_for("the alarm", lambda: "spool-moved-aside" in gw.log())


@pytest.mark.parametrize("break_it", [destroy, fault])
def test_a_spool_moved_aside_gives_back_its_mail(make_gateway, capture, keys, break_it):
    gw = make_gateway(capture.port, rules=RULES, import_keys=[keys.alice_crt],
                      retry="first = 1h")
    gw.send(SENDER, ALICE, text(0))
    capture.wait(1)
    wait_for("its record", lambda: any(r["rec"]["type"] == "sent" for r in gw.audit()))
    capture.verbs["."] = lambda line: (451, "4.3.0 later")
    gw.send(SENDER, ALICE, text(1))
    gw.send(SENDER, ALICE, text(2, 400000))  # a file of its own
    gw.send(SENDER, DORA, text(3))
    assert gw.cli("queue", "salvage", check=False).returncode == 1
    wait_for("tries", lambda: len(gw.cli_json("queue", "list", "--reason", "later")) == 2)
    before = {e["entry"]: e for e in gw.cli_json("queue", "list")}
    assert len(before) == 3

    break_it(gw)
    wait_for("a gateway that answers", lambda: answers(gw))
    assert gw.cli_json("queue", "list") == []
    wait_for("its record", lambda: any(
        r["rec"]["type"] == "spool-moved-aside" for r in gw.audit()))
    capture.verbs.clear()
    gw.send(SENDER, ALICE, text(4))
    capture.wait(2)

    assert gw.cli("queue", "salvage", "../etc", check=False).returncode == 2
    said = gw.cli_json("queue", "salvage")
    assert (said["taken"], said["present"], said["refused"]) == (3, 0, 0), said
    after = {e["entry"]: e for e in gw.cli_json("queue", "list")}
    assert set(after) == set(before)
    for name, e in after.items():
        assert e["state"] == "held" and e["last"] == "salvaged from " + said["directory"]
        assert e["rcpts"] == before[name]["rcpts"] and e["kind"] == before[name]["kind"]
    assert not (gw.state / "spool" / "salvage").exists()
    # again changes nothing
    assert gw.cli_json("queue", "salvage")["present"] == 3
    assert gw.cli_json("queue", "release", "--to", ALICE)["changed"] == 2
    got = capture.wait(4)
    assert sorted(re.search(rb"\nn=(\d)", keys.open_smime(m.data, keys.alice_key)).group(1)
                  for m in got) == [b"0", b"1", b"2", b"4"]
    gw.cli("queue", "delete", "--to", DORA)
    wait_for("records", lambda: sum(
        r["rec"]["type"] in ("sent", "admin-delete") for r in gw.audit()) == 5)
    said = gw.cli_json("queue", "salvage")
    assert (said["taken"], said["present"], said["refused"]) == (0, 0, 0), said
    assert CANARY not in capture.everything()
    gw.cli("audit", "verify")


def lost(gw):
    """What the spool that was destroyed gives back, by id."""
    destroy(gw)
    wait_for("a gateway that answers", lambda: answers(gw))
    assert gw.cli_json("queue", "list") == []
    said = gw.cli_json("queue", "salvage")
    assert said["refused"] == 0 and "last second" in said["note"], said
    found = gw.cli_json("queue", "list")
    return said, {e["entry"]: e for e in found}


def test_a_notification_is_not_the_senders_own_copy(make_gateway, capture, keys):
    """Who writes to himself, too, and hears of another recipient, has had
    no mail of his own yet: not by a notification that was delivered, and not by
    one that is still there."""
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], retry="first = 1h",
                      rules='rule "own" { to = "%s" try = { hold } }\n' % SENDER + RULES)
    capture.verbs["RCPT"] = lambda line: (550, "5.1.1 no") if b"alice" in line else None
    gw.send(SENDER, [ALICE, SENDER], text(1))
    wait_for("the record of its notification",
             lambda: [r["rcpt"] for r in records(gw, "sent")] == [SENDER])
    capture.verbs["RCPT"] = lambda line: (
        (550, "5.1.1 no") if b"alice" in line else (451, "4.3.0 later"))
    gw.send(SENDER, [ALICE, SENDER], text(2))
    wait_for("the notification that waits",
             lambda: gw.cli_json("queue", "list", "--reason", "later"))
    before = gw.cli_json("queue", "list")
    own = {e["entry"] for e in before if e["kind"] == "pending"}
    assert len(before) == 3 and len(own) == 2

    said, found = lost(gw)
    assert said["taken"] == 3
    assert set(found) == {e["entry"] for e in before}
    assert all(found[e]["state"] == "held" for e in own)
    gw.cli("audit", "verify")


def test_what_a_decision_has_closed_stays_closed(make_gateway, capture, keys):
    """Held, and refused when it was released: its sender has heard of it, though the
    pages of the spool that is moved aside still have the sealed original."""
    gw = make_gateway(capture.port, rules=RULES, import_keys=[keys.alice_crt], retry="first = 1h")
    eve = "eve@other.example"
    for n, to in enumerate((DORA, eve)):
        gw.send(SENDER, to, text(n))
    held = wait_for("both to be held", lambda: [
        e for e in gw.cli_json("queue", "list") if e["state"] == "held"][1:] and
        gw.cli_json("queue", "list"))
    gw.stop()
    data = gw.state / "spool" / "data.mdb"
    before = data.read_bytes()
    gw.conf.write_text(gw.conf.read_text().replace("try = { hold }", "try = { reject }"))
    gw.start()
    gw.cli("queue", "release", *[e["id"] for e in held if e["rcpts"][0]["addr"] == DORA])
    wait_for("the refusal", lambda: [r["rcpt"] for r in records(gw, "closed")] == [DORA])
    capture.wait(1)  # the notification
    gw.stop()
    data.write_bytes(before)
    said, found = lost(gw)
    assert said["told"] == 0
    assert [e["rcpts"][0]["addr"] for e in found.values()] == [eve]


def test_a_sender_is_told_once_of_what_had_failed(make_gateway, capture, keys):
    """The spool goes after a bounce and before a notification was made of it, for others
    of the message are under way. What nobody can be told of was held, and is again."""
    bob = "bob@other.example"
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], retry="first = 1h",
                      rules='rule "clear" { to = "@other.example" try = { clear } }\n'
                            'rule "default" { try = { smime, hold } }\n')

    def taken(rcpt):
        return [m for m in capture.wait(0) if m.rcpts == [rcpt]]

    capture.verbs["RCPT"] = lambda line: (
        (550, "5.1.1 no") if b"bob" in line else (451, "4.3.0 later") if b"dora" in line
        else HANG if b"alice" in line else None)
    gw.send(SENDER, [bob, DORA], text(0))
    told = wait_for("its notification, known to the log", lambda: records(gw, "notified"))
    assert [r["rcpt"] for r in told] == [bob]
    wait_for("the notification", lambda: taken(SENDER))
    gw.send("", bob, text(1))
    wait_for("it to be held", lambda: [
        r for r in records(gw, "held") if "no sender to tell" in r["reason"]])
    # an entry that stays for one of its two recipients, and another under way
    gw.send(SENDER, [bob, DORA, ALICE], text(2))
    wait_for("the bounce", lambda: len(records(gw, "bounced")) == 3)
    gw.kill()
    assert len(records(gw, "notified")) == 1
    damage(gw)
    capture.verbs.clear()
    gw.start()

    wait_for("a gateway that answers", lambda: answers(gw))
    said = gw.cli_json("queue", "salvage")
    assert (said["taken"], said["told"], said["refused"]) == (4, 1, 0), said
    assert not (gw.state / "spool" / "salvage").exists()
    gw.kill()  # before anything is made of it
    gw.start()
    wait_for("a gateway that answers", lambda: answers(gw))
    said = gw.cli_json("queue", "salvage")
    assert (said["taken"], said["told"], said["present"]) == (0, 0, 4), said
    wait_for("the record", lambda: len(records(gw, "notified")) == 2)
    assert gw.cli_json("queue", "salvage")["told"] == 0
    gw.cli("queue", "release", "--to", DORA)
    wait_for("the ends", lambda: len(records(gw, "sent")) == 4)
    assert len(taken(DORA)) == 2 and all(m.mail_from == "" for m in taken(SENDER))
    _, notice = [m.data for m in taken(SENDER)]
    assert b"\nFinal-Recipient: rfc822; %s" % bob.encode() in notice
    assert b"\nAction: failed" in notice and b"\nStatus: 5.1.1" in notice
    assert ALICE.encode() not in notice
    assert [r["rcpt"] for r in records(gw, "notified")] == [bob, bob]
    gw.cli("audit", "verify")


def test_a_sender_is_told_although_nothing_of_his_mail_is_left(make_gateway, capture):
    """The places of its entries were used again: what store had noted itself is found."""
    bob, gone = "bob@other.example", ("r%d@other.example" % n for n in range(9))
    gw = make_gateway(capture.port, retry="first = 1h",
                      rules='rule "all" { try = { clear } }\n')
    capture.verbs["RCPT"] = lambda line: HANG if b"dora" in line else (550, "5.1.1 no")
    gw.send(SENDER, [bob, DORA, *gone], text(0))
    wait_for("the bounces", lambda: len(records(gw, "bounced")) == 10)
    gw.kill()
    assert not records(gw, "notified")
    damage(gw)
    path = gw.state / "spool" / "data.mdb"
    path.write_bytes(path.read_bytes().replace(b"SGSB", b"XXXX"))
    capture.verbs.clear()
    gw.start()
    wait_for("a gateway that answers", lambda: answers(gw))
    said = gw.cli_json("queue", "salvage")
    assert (said["taken"], said["told"], said["done"]) == (0, 1, 0), said
    (notice,) = wait_for("the notification", lambda: [
        m.data for m in capture.wait(0) if m.rcpts == [SENDER]])
    assert notice.count(b"Action: failed") == 10 and bob.encode() in notice
    wait_for("the records", lambda: len(records(gw, "notified")) == 10)
    assert gw.cli_json("queue", "salvage")["told"] == 0


def test_twins_come_back_as_twins(domain, gateway_to):
    """Mail by TLS comes back with the original that is parked for it; what was
    deleted or dropped does not, nor what its original has taken over from."""
    d = domain()
    dan = "dan@" + CAROL.partition("@")[2]
    g = gateway_to(d, "tls, hold", start=False)
    conf = g.conf.read_text().replace(
        'rule "default"', 'rule "drop" { to = "%s" try = { tls, drop } }\nrule "default"' % dan)
    assert conf.count(RETRY) == 1
    g.conf.write_text(conf)
    g.start()
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    wait_for("its record", lambda: records(g, "sent"))
    strip(d)
    entries = []
    for to in (CAROL, CAROL, dan):
        g.send(SENDER, to, mail())
        new = wait_for("its entry", lambda: [
            e for e in g.cli_json("queue", "list") if e["kind"] == "ready"
            and e["entry"] not in entries])
        g.cli("queue", "hold", new[0]["entry"])
        entries.append(new[0]["entry"])
    spent, deleted, dropped = entries

    g.conf.write_text(conf.replace(  # from its next start on
        RETRY, RETRY + " tls-wait = 100ms warn = 2s hold = 2s expire = 3s"))
    # what is parked is in no list
    said, found = lost(g)
    assert said["taken"] == 5 and set(found) == set(entries)
    assert all(e["state"] == "held" for e in found.values())
    back = wait_for("the records", lambda: (
        lambda r: r if len(r) == 5 else None)({r["entry"] for r in records(g, "salvaged")}))
    parked = back - set(entries)
    assert len(parked) == 2
    # an original alone cannot be deleted, and goes with the other
    for e in parked:
        g.cli("queue", "delete", e)
    g.cli("queue", "delete", deleted)
    (rec,) = wait_for("its record", lambda: records(g, "admin-delete"))
    assert rec["entry"] == deleted and rec["twin"] in parked
    g.cli("queue", "release", spent, dropped)
    wait_for("the ends", lambda: records(g, "tls-spent") and records(g, "dropped"))
    assert g.cli_json("queue", "salvage")["taken"] == 1
    again = wait_for("its record", lambda: records(g, "salvaged")[5:])
    assert {r["entry"] for r in again} == parked - {rec["twin"]}
    g.cli("audit", "verify")
