# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What a link asks for beside itself, as its reader meets it: typed as people
type, wrong before it is right, with words that help."""
import base64
import json

from pickup import needs_browser, read_with_browser, readers, text_part

pytestmark = needs_browser

LETTER = [text_part("The secret plan.\r\n")]
GENERATED = "7k2mx9qr04htvbdnw5ze"
INPUT = "#factor-input"


def test_a_chosen_passphrase_opens(portal, browser_modules, shots):
    made = portal.put(LETTER, passphrase="Zug um 9:15 nach Köln", factor=1)
    seen = read_with_browser(
        browser_modules, made["url"],
        ["axe", ["shot", shots("passphrase")], "click", ["text", "#factor-problem"],
         ["type", INPUT, "Zug um 9:15"], "click", ["text", "#error"], "axe",
         ["shot", shots("passphrase-wrong")],
         ["press", "#reveal"], ["evaluate", "document.querySelector('#factor-input').type"],
         # the letter o with its dots as two characters, as some keyboards send it
         ["type", INPUT, "Zug um 9:15 nach Ko\u0308ln"], ["key", "Enter"],
         ["see", "#message:visible"]], mobile=True)
    assert seen["texts"][0] == "Please fill in this field."
    assert "This does not open the message" in seen["texts"][1]
    assert "What you typed does not fit" in seen["texts"][1]
    assert seen["values"] == ["text"]
    assert seen["text"] == "The secret plan.\n"
    assert seen["axe"] == []
    assert len(portal.opened(1)) == 1
    # nothing of it goes to the portal: only the proof that is made from it
    assert "Zug" not in str(seen["asked"])


def test_a_made_passphrase_opens_however_it_is_typed(portal, browser_modules, shots):
    made = portal.put(LETTER, passphrase=GENERATED, factor=2)
    seen = read_with_browser(
        browser_modules, made["url"],
        [["type", INPUT, "7k2m-x9qr-04ht"], "click", ["text", "#factor-problem"], "axe",
         ["shot", shots("generated")],
         ["type", INPUT, " 7K2M X9QR O4HT vbdn_w5ze "], "click"], dark=True)
    assert seen["texts"] == ["The passphrase has 20 letters and digits; these are 12."]
    assert seen["text"] == "The secret plan.\n"
    assert seen["axe"] == []
    # what cannot be right is not tried
    assert sum("/api/open" in url for url in seen["asked"]) == 1


def test_a_question_is_asked_before_anything_else(portal, browser_modules, shots):
    question = "Wie heißt <b>unser</b> Hund?\u202e\n"
    made = portal.put(LETTER, passphrase="bellovomberg", factor=3, question=question)
    seen = read_with_browser(
        browser_modules, made["url"],
        [["text", "#question"], "axe", ["shot", shots("question")],
         ["type", INPUT, "?!"], "click", ["text", "#factor-problem"],
         ["type", INPUT, "Bello, vom Berg!"], "click"], mobile=True, language="de")
    assert seen["texts"] == ["Wie heißt <b>unser</b> Hund?", "Bitte füllen Sie dieses Feld aus."]
    assert seen["text"] == "The secret plan.\n"
    assert seen["axe"] == []


def test_who_tries_too_often_is_told_to_wait(portal, browser_modules, shots):
    made = portal.put(LETTER, passphrase="right", factor=1)
    wrong = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
    # right before: one is forgotten in half a minute
    guess = "fetch('/api/open', {method: 'POST', headers: {'Content-Type': 'application/json'}," \
        " body: '%s'})" % json.dumps({"id": made["id"], "proof": wrong})
    seen = read_with_browser(
        browser_modules, made["url"],
        [["type", INPUT, "not this"],
         ["evaluate", "(async () => { while ((await %s).status !== 429); })()" % guess],
         "click", ["text", "#error"],
         ["evaluate", "document.querySelector('#show').disabled"],
         ["shot", shots("wait")]])
    assert "Too many attempts" in seen["texts"][0]
    assert "You can try again after " in seen["texts"][0]
    assert seen["values"] == [None, True]
    assert portal.opened() == []


def test_the_second_factor_keeps_programs_out(portal, browser_modules):
    """One that follows the link and presses the button learns nothing."""
    made = portal.put(LETTER, passphrase="right", factor=1)
    plain = portal.put(LETTER)
    shut, open_ = readers(browser_modules, *(
        {"url": one["url"], "steps": ["click", "wait"]} for one in (made, plain)))
    assert "The secret plan." not in str(shut)
    assert "/api/" not in str(shut["asked"])
    # a link that asks for nothing shows the message to who presses; the
    # receipt says from where and with what
    assert open_["text"] == "The secret plan.\n"
    [receipt] = portal.opened(1)
    assert receipt.startswith(f"opened {plain['id']} 127.0.0.1 Mozilla/")
    assert "HeadlessChrome" in receipt
