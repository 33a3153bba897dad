# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The recipient's own passphrase: chosen once the first message is open, used
for all later ones, forgotten and chosen anew; and what a stranger who knows
links finds out about it."""
import json
import os
import re
import threading

from escrow import ACCOUNT, NONE, Link, b64, text_of
from harness import PATIENCE, message, wait_for
from pickup import needs_browser, readers

SENDER, CAROL = "sam@sender.example", "carol@partner.example"
RULES = 'rule "own" { try = { escrow } second-factor = account }\n'
FIRST, SECOND = "granite lantern öse teapot", "another copper violin road"
# points of the curve (docs/format-escrow.md, Test vectors)
POINTS = [bytes.fromhex(
    "04c6559d416dfb56af714f146d917c24abf818b2fb121604129649848230a2d2"
    "58b2a6d82dc6c6734cf092ffaa9fc012f10f7008d3952a08d5797e85feaba5d977"), bytes.fromhex(
    "0468ec7cf08cd4106e43b14de895426522bd0a45150c027e45c7953434d747e7"
    "bae3af39a88ebbee8679bb61e7845c3a89cb9b5a3237c3fdb0b0587dbaf415118d")]


class Mailbox:
    """Carol's: what has come, each kind in its order."""

    def __init__(self, capture, gateway):
        self.capture, self.gateway = capture, gateway

    def texts(self):
        return [text_of(m.data).replace("\r\n", "\n") for m in list(self.capture.messages)]

    def links(self):
        return [Link(m.data) for m in list(self.capture.messages)
                if re.search(r"/m/\S+#", text_of(m.data))]

    def codes(self):
        return [code for t in self.texts()
                for code in re.findall(r"^    ([0-9]{3}(?: [0-9]{3}){3})$", t, re.M)]

    def send(self, subject="A test"):
        """A message for Carol; the link of its notice."""
        n = len(self.links())
        self.gateway.send(SENDER, CAROL, message(subject=subject, to=CAROL,
                                                 body=f"The text of {subject}.\r\n"))
        wait_for("the notice", lambda: len(self.links()) > n)
        return self.links()[-1]

    def pass_on_code(self, path):
        """What the reader does with the mailbox beside the browser."""
        n = len(self.codes())

        def work():
            # the browser has to come as far first
            wait_for("the code", lambda: len(self.codes()) > n, 5 * PATIENCE)
            path.write_text(self.codes()[n])
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread


def records(gateway, start):
    return [r["rec"] for r in gateway.audit() if r["rec"]["type"].startswith(start)]


def how_it_goes(gateway):
    return gateway.cli("explain", "--from", SENDER, "--to", CAROL).stdout.decode()


def choose(passphrase, said):
    return [["type", "#account-new", passphrase], ["type", "#account-again", passphrase],
            ["press", "#account-set"], ["see", f"#account-status:has-text('{said}')"]]


@needs_browser
def test_a_passphrase_is_chosen_used_and_chosen_anew(
        make_gateway, capture, browser_modules, shots, tmp_path):
    gateway = make_gateway(capture.port, rules=RULES)
    box = Mailbox(capture, gateway)

    def read(*specs):
        return readers(browser_modules, *specs)

    assert "pick-up: first message: code by mail;" in how_it_goes(gateway)
    first = box.send("One")
    also_first = box.send("Two")
    assert (first.factor, also_first.factor) == (NONE, NONE)
    mailed = box.pass_on_code(tmp_path / "code")
    [seen] = read({"url": first.url, "mobile": True, "steps": [
        "click", "click", ["see", "#code:visible"], ["text", "#code-row label"],
        ["file", "#code", str(tmp_path / "code")], "click",
        ["see", "#message:visible"], ["see", "#account:visible"], "axe",
        ["shot", shots("account-offer")],
        ["type", "#account-new", "too short"], ["press", "#account-set"],
        ["text", "#account-problem"],
        ["type", "#account-new", "aaaaaaaaaaaaaaaa"], ["press", "#account-set"],
        ["text", "#account-problem"],
        ["type", "#account-new", FIRST], ["type", "#account-again", "something else"],
        ["press", "#account-set"], ["text", "#account-problem"], "axe",
        ["shot", shots("account-differs")], *choose(FIRST, "is set"),
        ["text", "#account-title"], "axe", ["shot", shots("account-set")]]})
    mailed.join()
    assert seen["texts"] == [
        "Code with twelve digits", "The passphrase needs at least 12 characters; this has 9.",
        "This is too easy to guess. Take more different characters, or several words.",
        "The two are not the same.", "Your passphrase"]
    assert seen["text"] == "The text of One.\n"
    assert seen["axe"] == [] and not seen["wide"]
    assert seen["focus"] == "account-title"
    # nothing of the passphrase leaves the browser
    assert "granite" not in str(seen["asked"])
    wait_for("the word about it", lambda: any(
        "A passphrase was chosen for encrypted messages" in t for t in box.texts()))
    assert "pick-up: account (in the key);" in how_it_goes(gateway)

    # it outlives a restart, and opens what comes later; what was sent before opens
    # as it did; forgotten, another takes its place
    gateway.stop()
    gateway.start()
    later = box.send("Three")
    assert later.factor == ACCOUNT
    [notice] = [t for t in box.texts() if later.url in t.replace("\n", "")]
    assert "passphrase that you have chosen" in notice
    mailed = box.pass_on_code(tmp_path / "other-code")
    desktop, before = read(
        {"url": later.url, "dark": True, "steps": [
            ["evaluate", "document.querySelector('#factor-input').autocomplete"],
            ["type", "#factor-input", "not the passphrase"], "click", ["text", "#error"],
            "axe", ["shot", shots("account-wrong")],
            ["type", "#factor-input", FIRST.replace("ö", "o\u0308")], "click",
            ["see", "#message:visible"],
            ["evaluate", "document.querySelector('#account').hidden"],
            ["shot", shots("account-opened")]]},
        {"url": also_first.url, "steps": [
            "click", "click", ["see", "#code:visible"],
            ["file", "#code", str(tmp_path / "other-code")], "click",
            ["see", "#message:visible"], *choose(SECOND, "already"),
            ["text", "#account-status"]]})
    mailed.join()
    assert desktop["values"] == ["current-password", True]
    assert "This passphrase does not open the message" in desktop["texts"][0]
    assert desktop["text"] == "The text of Three.\n"
    assert desktop["axe"] == []
    assert before["text"] == "The text of Two.\n"
    assert before["texts"] == [
        "A passphrase was chosen for your address already. You can set a new one at a "
        "message that asks for it."]

    mailed = box.pass_on_code(tmp_path / "reset-code")
    [forgot] = read({"url": later.url, "mobile": True, "steps": [
        ["press", "#forgot"], ["see", "#account-send:visible"], "axe",
        ["shot", shots("account-forgot")], ["press", "#account-send"],
        ["see", "#account-code:visible"],
        ["file", "#account-code", str(tmp_path / "reset-code")], "axe",
        ["shot", shots("account-reset")], *choose(SECOND, "new passphrase is set"),
        ["shot", shots("account-reset-done")]]})
    mailed.join()
    assert forgot["axe"] == [] and not forgot["wide"]
    wait_for("the word about it", lambda: any(
        "A new passphrase was chosen for encrypted messages" in t for t in box.texts()))
    newest = box.send("Four")
    assert newest.factor == ACCOUNT and newest.account != later.account
    old, new = read(
        {"url": later.url, "steps": [
            step for p in (SECOND, FIRST)
            for step in (["type", "#factor-input", p], "click", ["text", "#error"])]},
        {"url": newest.url, "steps": [
            ["type", "#factor-input", SECOND], "click", ["see", "#message:visible"]]})
    assert all("This passphrase does not open the message" in t for t in old["texts"])
    assert len(old["texts"]) == 2 and "The text of" not in old["visible"]
    assert new["text"] == "The text of Four.\n"

    # an administrator sees who has one, and takes it away
    [listed] = gateway.cli_json("escrow", "account", "list")
    assert (listed["address"], listed["resets"]) == (CAROL, 1)
    assert gateway.cli_json("escrow", "account", "show", "Carol@Partner.Example") == [listed]
    assert gateway.cli("escrow", "account", "show", "dave@partner.example",
                       check=False).returncode == 1
    assert gateway.cli("escrow", "account", "remove", CAROL).stdout == b"1 removed\n"
    assert gateway.cli("escrow", "account", "remove", CAROL, check=False).returncode == 1
    assert box.send("Five").factor == NONE
    wait_for("the removal in the log", lambda: records(gateway, "account-removed"))
    told = records(gateway, "account-")
    assert [r["type"] for r in told] == ["account-set", "account-reset", "account-removed"]
    assert {r["addr"] for r in told} == {CAROL}
    assert told[2]["account"] == listed["account"] == told[1]["account"] != told[0]["account"]
    wait_for("the last of what was made", lambda: len(records(gateway, "escrowed")) >= 5)
    made = [(r["factor"], r.get("door")) for r in records(gateway, "escrowed")]
    assert made == [("none", "code")] * 2 + [("account", None)] * 2 + [("none", "code")]


def test_a_stranger_learns_nothing_of_accounts(make_gateway, capture):
    """Ids that are not there, proofs that are wrong and resets that lead nowhere
    look like those that are; nobody sets an account without the mailed digits."""
    gateway = make_gateway(capture.port, rules=RULES)
    box = Mailbox(capture, gateway)
    link = box.send()
    nowhere = b64(os.urandom(16))

    def random(n):
        return b64(os.urandom(n))

    def said(reply):
        return (reply.status, reply.text, reply.getheader("Content-Type"))

    def key(object_id, **more):
        return link.post("/api/key", **{"id": object_id, "account": random(16),
                                        "proof": random(32), **more})

    # 503 until store has told the portal of all accounts
    wait_for("the accounts", lambda: key(nowhere).status == 404)
    assert said(key(link.id)) == said(key(nowhere)) == said(key(nowhere, account=random(16)))
    for bad in ({"account": "x"}, {"account": random(15)}, {"proof": random(31)},
                {"proof": None}, {"account": 7}, {"id": "x"}):
        assert key(link.id, **bad).status == 400, bad
    # a reset of what is no account's: a ticket, and no mail
    for reply in [link.post("/api/reset", id=i) for i in (nowhere, link.id)]:
        assert reply.status == 202
        assert re.fullmatch(rb'{"ticket":"[\w-]{43}","digits":12}\n', reply.text)
    assert link.post("/api/reset", id="x").status == 400

    made = {"public": b64(POINTS[0]), "proof_hash": random(32), "wrapped": random(48)}

    def put(**more):
        return link.post("/api/account", **{"ticket": random(32), "code": "123456",
                                            "digits": "123456", **made, **more})

    refused = {said(put(id=i, **more)) for i in (link.id, nowhere)
               for more in ({}, {"ticket": ""}, {"code": ""})}
    assert refused == {(403, b'{"need":"code"}\n', "application/json")}
    assert put(proof=link.proof(), code="").status == 403
    assert put(public=random(64)).status == 400
    assert put(wrapped=None).status == 400
    assert put(digits="1" * 17).status == 400
    # with the code of the door, and without the digits behind it
    ticket = json.loads(link.post("/api/code", proof=link.proof()).text)["ticket"]
    wait_for("the code", box.codes)
    code = box.codes()[0].replace(" ", "")
    wrong = f"{(int(code[6:]) + 1) % 10**6:06}"

    def settled(digits):
        reply = None

        def is_over():
            nonlocal reply
            reply = put(proof=link.proof(), ticket=ticket, code=code[:6], digits=digits)
            return reply.status != 202
        wait_for("an answer", is_over)
        return reply.status

    assert settled(wrong) == 403
    wait_for("the record", lambda: records(gateway, "account-refused"))
    assert gateway.cli_json("escrow", "account", "list") == []
    assert settled(code[6:]) == 201
    # the same again is no new one, with whatever digits: they were good once
    assert settled(wrong) == 201
    made = {**made, "public": b64(POINTS[1])}
    assert settled(code[6:]) == 403
    # who has a link of the account guesses slowly, and then not at all
    later = box.send()
    statuses = [later.post("/api/key", account=later.account, proof=random(32)).status
                for _ in range(12)]
    assert statuses[0] == 404 and set(statuses) == {404, 429}
