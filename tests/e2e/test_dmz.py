# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The portal on another machine: everything that works with a portal here works
with one there, whatever breaks off in between."""
import hashlib
import json
import os
import re
import shutil

import pytest

from dmz import CANARY, CAROL, HERE, OWN, SENDER, pair  # noqa: F401
from escrow import ACCOUNT, Link, b64, hkdf, mail_of, text_of, unb64
from harness import Keys, message, octets_below, portal_page, run, wait_for
from pickup import run_node
from test_pickup_sender import memory_of
from test_publish import ask, wkd_hash

CODED = "coded@partner.example"


def answer(link, octets):
    return link.ask("POST", "/api/reply/" + link.id, octets, **{
        "Authorization": "Sealgate-Proof " + link.proof(),
        "Content-Type": "application/octet-stream"})


def troubles(pair):
    """What is said of the portal there."""
    done = pair.gateway.cli("--json", "status", check=False)
    return [t["text"] for t in json.loads(done.stdout)["troubles"] if "DMZ" in t["text"]]


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
    path = pair.dmz.state / "escrow" / link.id
    before = path.read_bytes()[88:96]
    pair.gateway.cli("escrow", "extend", link.id, "--for", "60d")
    wait_for("the other expiry", lambda: path.read_bytes()[88:96] > before)
    assert link.open().status == 200
    pair.gateway.cli("escrow", "revoke", link.id)
    wait_for("its end there", lambda: not path.exists())
    assert link.open().status == 404
    wait_for("its end here", lambda: link.id not in [
        o["object"] for o in pair.gateway.cli_json("escrow", "list")])
    wait_for("its file to go", lambda: not (pair.gateway.state / "escrow" / link.id).exists())


def test_what_is_opened_while_nobody_can_take_it_back_is_told(pair):
    link = pair.send()
    pair.wire.break_off()
    wait_for("the trouble", lambda: troubles(pair))
    done = pair.gateway.cli("escrow", "revoke", link.id)
    assert b"as soon as the portal in the DMZ is reached" in done.stdout
    assert link.open().status == 200
    assert not pair.records("viewed", link)
    pair.wire.mend()
    wait_for("the log", lambda: pair.records("viewed", link))
    wait_for("its end there", lambda: link.open().status == 404)


def test_a_code_goes_by_mail_and_no_file(pair):
    link = pair.send(CODED)
    proof = link.proof()
    reply = link.post("/api/code", proof=proof)
    assert reply.status == 202
    ticket = json.loads(reply.text)["ticket"]
    wait_for("the code", lambda: len(pair.mails(CODED)) > 1)
    code = [w for w in text_of(pair.mails(CODED)[-1].data).split()
            if len(w) == 6 and w.isdigit()][0]
    for path, kept in octets_below(pair.dmz.state / "portal"):
        assert path.name == "attempts" or code.encode() not in kept, path
    assert link.open(ticket=ticket, code="000000" if code != "000000" else "1").status == 403
    assert link.open(ticket=ticket, code=code).status == 200


class Owner:
    """Who reads mail for OWN, and sets an account there."""

    def __init__(self, pair):
        self.pair = pair

    def codes(self):
        return [code.replace(" ", "") for m in self.pair.mails(OWN) for code in
                re.findall(r"^    ([0-9]{3}(?: [0-9]{3}){3})\r?$", text_of(m.data), re.M)]

    def ask(self, link, path, **members):
        """(ticket, code) of a mail that is asked for."""
        n = len(self.codes())
        reply = link.post(path, **members)
        assert reply.status == 202
        wait_for("the code", lambda: len(self.codes()) > n)
        return json.loads(reply.text)["ticket"], self.codes()[-1]

    def make(self, passphrase):
        return json.loads(run_node(HERE / "make_account.mjs", str(self.pair.dmz.page()),
                                   stdin=passphrase))

    @staticmethod
    def put(link, made, ticket, code, **more):
        return link.post("/api/account", ticket=ticket, code=code[:6], digits=code[6:],
                         **made, **more).status

    def settled(self, *args, **more):
        last = []
        wait_for("an answer", lambda: last.append(self.put(*args, **more)) or last[-1] != 202)
        return last[-1]

    @staticmethod
    def key(link, passphrase):
        """What the portal says to this passphrase."""
        account = unb64(link.account)
        key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), account, 600000)
        return link.post("/api/key", account=link.account,
                         proof=b64(hkdf(key, account, b"sealgate account v1 proof"))).status


def opens(link, passphrase):
    return CANARY in run_node(portal_page() / "open-link.mjs", link.url, stdin=passphrase + "\n")


def test_an_account_is_set_there_and_opens_what_comes_later(pair):
    chosen, another = "granite lantern teapot", "another copper violin"
    owner, link = Owner(pair), pair.send(OWN)
    ticket, code = owner.ask(link, "/api/code", proof=link.proof())
    made = owner.make(chosen)
    wrong = "%s%06d" % (code[:6], (int(code[6:]) + 1) % 10 ** 6)
    given = (link, made, ticket)
    assert owner.settled(*given, wrong, proof=link.proof()) == 403
    # what is asked for while nobody is there goes once somebody is, and into no file
    pair.wire.break_off()
    for _ in range(2):
        assert owner.put(*given, code, proof=link.proof()) == 202
    for path, kept in octets_below(pair.dmz.state / "portal"):
        for secret in (code[6:].encode(), unb64(made["wrapped"]), unb64(made["proof_hash"])):
            assert path.name == "attempts" or secret not in kept, path
    pair.wire.mend()
    # a word on the wrong digits may be late
    wait_for("the account", lambda: owner.put(*given, code, proof=link.proof()) == 201)
    later = pair.send(OWN)
    assert later.factor == ACCOUNT
    # the machine forgets all of it, and is told again
    pair.dmz.kill()
    for path in pair.dmz.state.rglob("*"):
        assert not path.is_file() or unb64(made["wrapped"]) not in path.read_bytes(), path
    pair.dmz.start()
    wait_for("the accounts", lambda: owner.key(later, chosen) == 200)
    assert opens(later, chosen)
    # forgotten: what was sealed to it opens no more, and what comes then does
    ticket, code = owner.ask(later, "/api/reset")
    assert owner.settled(later, owner.make(another), ticket, code) == 201
    wait_for("the end of the old one", lambda: owner.key(later, chosen) == 404)
    newest = pair.send(OWN)
    assert newest.factor == ACCOUNT and newest.account != later.account
    assert opens(newest, another)

    def told():
        return {r["rec"]["type"] for r in pair.gateway.audit()
                if r["rec"]["type"].startswith("account-")}
    wait_for("the log", lambda: told() == {"account-refused", "account-set", "account-reset"})
    # an administrator takes it away
    pair.gateway.cli("escrow", "account", "remove", OWN)
    wait_for("its end there", lambda: owner.key(newest, another) == 404)


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
    wait_for("the gateway to have taken it", lambda: not list(
        (pair.gateway.state / "portal").glob("answer.*")))
    wait_for("the log", lambda: pair.records("replied", link))
    assert len(pair.records("replied", link)) == 1


def test_no_link_goes_before_its_object_is_there(pair):
    pair.wire.break_off()
    before = len(pair.notices(CAROL))
    pair.send(wait=False)
    calls = pair.wire.calls
    wait_for("an attempt", lambda: pair.wire.calls > calls)
    assert len(pair.notices(CAROL)) == before
    waits = [o for o in pair.gateway.cli_json("escrow", "list") if o["state"] == "waiting"]
    assert len(waits) == 1
    # neither a restart here nor one there changes it
    pair.gateway.kill()
    pair.gateway.start()
    pair.dmz.stop()
    pair.wire.mend()
    assert len(pair.notices(CAROL)) == before
    pair.dmz.start()
    wait_for("the notice", lambda: len(pair.notices(CAROL)) > before)
    link = Link(pair.notices(CAROL)[-1].data)
    assert link.open().status == 200


def test_what_happens_without_a_gateway_is_told_once_it_is_back(pair):
    link, other = pair.send(), pair.send()
    events = pair.dmz.state / "portal" / "events"
    pair.wire.break_off()
    assert link.open().status == 200
    size = events.stat().st_size
    # one client is told of once an hour
    assert [link.open().status for _ in range(3)] == [200] * 3
    assert events.stat().st_size == size
    assert other.open().status == 200
    assert events.stat().st_size > size
    pair.dmz.kill()
    pair.dmz.start()
    pair.wire.mend()
    wait_for("all of it", lambda: pair.object(other)["views"] >= 1)
    assert pair.object(link)["views"] == 1
    # what comes later has passed all that was to be said of it
    assert link.open().status == 200
    wait_for("one more", lambda: pair.object(link)["views"] >= 2)
    assert (pair.object(link)["views"], pair.object(other)["views"]) == (2, 1)


def test_a_machine_that_was_lost_gets_everything_again(pair):
    link = pair.send(body=(CANARY + "\r\n") * 3000)
    pair.dmz.stop()
    shutil.rmtree(pair.dmz.state)
    pair.dmz.start()
    path = pair.dmz.state / "escrow" / link.id
    wait_for("the object", path.exists)
    wait_for("the index", lambda: link.open().status == 200)


def test_large_ones_go_on_where_they_broke_off(pair):
    before = len(pair.notices(CAROL))
    pair.gateway.send(SENDER, CAROL, message(to=CAROL, body=("x" * 70 + "\r\n") * 300000))
    for _ in range(3):
        wait_for("a beginning", lambda: list((pair.dmz.state / "escrow").glob("*.part")) or
                 len(pair.notices(CAROL)) > before)
        pair.wire.drop()
    pair.dmz.kill()
    pair.dmz.start()
    wait_for("the notice", lambda: len(pair.notices(CAROL)) > before)
    link = Link(pair.notices(CAROL)[-1].data)
    assert link.open().status == 200
    here = (pair.gateway.state / "escrow" / link.id).read_bytes()
    assert here == (pair.dmz.state / "escrow" / link.id).read_bytes()
    assert not list((pair.dmz.state / "escrow").glob("*.part"))


def test_a_full_disk_there_keeps_notices_here(pair):
    if shutil.disk_usage(pair.root).free >= 1 << 40:
        pytest.skip("the largest free-space there can be is free here")
    pair.dmz.stop()
    pair.dmz.limits = "free-space = 1024G"
    pair.dmz.write_conf()
    pair.dmz.start()
    before = len(pair.notices(CAROL))
    try:
        pair.send(wait=False)
        wait_for("the trouble", lambda: b"takes no message" in
                 pair.gateway.cli("status", check=False).stdout)
        assert len(pair.notices(CAROL)) == before
    finally:
        pair.dmz.stop()
        pair.dmz.limits = ""
        pair.dmz.write_conf()
        pair.dmz.start()
    wait_for("the notice", lambda: len(pair.notices(CAROL)) > before)
    assert Link(pair.notices(CAROL)[-1].data).open().status == 200
    wait_for("the end of the trouble", lambda: b"takes no message" not in
             pair.gateway.cli("status", check=False).stdout)


def test_status_and_doctor_say_that_it_is_away(pair):
    wait_for("the connection", lambda: not troubles(pair))
    pair.wire.break_off()
    wait_for("the trouble", lambda: troubles(pair))
    pair.wire.mend()
    wait_for("its end", lambda: not troubles(pair))


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
    for path, kept in octets_below(pair.dmz.state):
        for i, secret in enumerate(secrets):
            assert secret not in kept, (path, i)


def test_one_configuration_is_not_the_other(pair):
    done = run(pair.dmz.build / "sealgated", "-n", "-f", pair.gateway.conf, "--role", "portal",
               check=False)
    assert done.returncode == 78 and b"section portal gateway" in done.stderr
    done = run(pair.dmz.build / "sealgated", "-n", "-f", pair.dmz.conf)
    assert b"no mail passes here" in done.stdout
    killed = pair.dmz.log().count("event=killed")
    assert pair.dmz.stop() == 0
    assert pair.dmz.log().count("event=killed") == killed, "it ends by itself"
    pair.dmz.start()


def test_what_the_gateway_publishes_is_there(pair, tmp_path):
    """Served there, also while the gateway is away, and gone when it is withdrawn."""
    path = "/.well-known/openpgpkey/hu/%s?l=sam" % wkd_hash("sam")

    def there():
        return ask(pair.dmz, "sender.example", path)
    ring = Keys(tmp_path)
    quiet = ["--pinentry-mode", "loopback", "--passphrase", ""]
    try:
        ring.gpg(*quiet, "--quick-generate-key", "Sam <%s>" % SENDER, "future-default",
                 "default", "never")
        secret = tmp_path / "published.sec"
        secret.write_bytes(ring.gpg(*quiet, "--export-secret-keys", "<%s>" % SENDER).stdout)
    finally:
        ring.close()
    pair.gateway.cli("key", "import", secret)
    fpr = pair.gateway.cli_json("key", "list", SENDER)[0]["fingerprint"]
    assert there()[0] == 404
    pair.gateway.cli("key", "publish", fpr)
    wait_for("the key", lambda: there()[0] == 200)
    key = there()[1]
    pair.wire.break_off()
    pair.dmz.kill()
    pair.dmz.start()
    assert there()[:2] == (200, key)
    pair.gateway.cli("key", "publish", "--off", fpr)
    pair.wire.mend()
    wait_for("it to go", lambda: there()[0] == 404)
