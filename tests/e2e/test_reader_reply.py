# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Answers as their writer sees them: to one or to all, with files, refused with
words that help and nothing lost; sealed in the browser for the gateway alone."""
import base64
import email
import email.policy
import http.server
import json
import os
import subprocess
import threading

import pytest

from harness import PATIENCE
from pickup import (HERE, AnswerTaker, Portal, file_part, needs_browser,
                    read_with_browser, run_node, text_part)

pytestmark = needs_browser


@pytest.fixture
def taker(tmp_path, page):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), AnswerTaker)
    server.answers, server.refuse = [], []
    server.key = json.loads(run_node(HERE / "open_answer.mjs", "key"))
    portal = Portal(tmp_path, page, url=f"http://127.0.0.1:{server.server_port}")
    server.portal_port, server.portal = portal.port, portal
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
    assert portal.stop() == 0


def put(taker, **more):
    return taker.portal.put(
        [text_part("Shall we?\r\n"), file_part(b"x", "a.txt")],
        subject="Dinner on Friday?", reply_key=taker.key["public"],
        reply_to=["alice@example.org", "bob@example.org"], reply_max=2_000_000,
        **more)


def opened(taker, octets):
    done = subprocess.run(
        ["node", str(HERE / "open_answer.mjs"), taker.key["private"]],
        input=octets, capture_output=True, timeout=PATIENCE, check=True)
    got = json.loads(done.stdout)
    return got["id"], email.message_from_bytes(
        base64.b64decode(got["message"]), policy=email.policy.default)


def test_an_answer_reaches_the_gateway_sealed(taker, browser_modules, shots, tmp_path):
    made = put(taker)
    octets = os.urandom(700_000)
    (tmp_path / "Plän.bin").write_bytes(octets)
    small = {"name": "../evil\u202efdp.exe", "mimeType": "text/html",
             "base64": base64.b64encode(b"<script>").decode()}
    seen = read_with_browser(
        browser_modules, made["url"],
        ["click", ["press", "#reply-all"], ["see", "#compose:visible"], "axe",
         ["shot", shots("reply-empty")],
         ["evaluate", "document.querySelector('#compose-subject').value"],
         ["press", "#compose-send"], ["text", "#compose-problem"],
         ["type", "#compose-text", "Gern!\n.\nUm 8?"],
         ["files", "#compose-files", [{"path": str(tmp_path / "Plän.bin")}]],
         ["files", "#compose-files", [small]], "axe", ["shot", shots("reply-full")],
         ["press", "#compose-send"], ["see", "#compose-more:visible"], "axe",
         ["text", "#compose-status"], ["shot", shots("reply-sent")],
         # one more in the same thread, to the sender alone
         ["press", "#reply"], ["type", "#compose-text", "PS"],
         ["press", "#compose-send"], ["see", "#compose-more:visible"],
         ["text", "#compose-status"]], mobile=True)
    assert seen["axe"] == [] and seen["console"] == []
    assert seen["values"] == ["Re: Dinner on Friday?"]
    assert seen["texts"] == [
        "Please write something or add a file.",
        "Your answer to alice@example.org, bob@example.org was sent encrypted.",
        "Your answer to alice@example.org was sent encrypted."]
    first, second = taker.answers
    assert b"Gern" not in first and b"example.org" not in first
    object_id, mail = opened(taker, first)
    assert object_id == made["id"]
    assert mail["From"] == "carol@example.net"
    assert (mail["To"], mail["Cc"]) == ("alice@example.org", "bob@example.org")
    assert mail["Subject"] == "Re: Dinner on Friday?"
    assert mail["In-Reply-To"] == "<original@example.org>"
    assert mail["References"].split() == ["<first@example.org>", "<original@example.org>"]
    text, plan, evil = mail.iter_parts()
    assert text.get_content() == "Gern!\r\n.\r\nUm 8?\r\n"
    assert (plan.get_filename(), plan.get_content()) == ("Plän.bin", octets)
    assert evil.get_filename() == "_evilfdp.exe"
    assert evil.get_content_disposition() == "attachment"
    _, mail = opened(taker, second)
    assert (mail["To"], mail["Cc"]) == ("alice@example.org", None)
    assert mail.get_content() == "PS\r\n"


def test_what_is_refused_is_kept_and_explained(taker, browser_modules, shots, tmp_path):
    made = put(taker)
    (tmp_path / "large.bin").write_bytes(bytes(1_600_000))
    taker.refuse = [409, 503, 404, 403, 500]
    send = [["press", "#compose-send"], ["see", "#compose-problem:visible"],
            ["text", "#compose-problem"]]
    seen = read_with_browser(
        browser_modules, made["url"],
        ["click", ["press", "#reply"], ["type", "#compose-text", "Hello"],
         *(send * 5),
         ["files", "#compose-files", [{"path": str(tmp_path / "large.bin")}]], *send,
         ["shot", shots("reply-refused")], "axe",
         ["press", "#compose-list button"], ["press", "#compose-send"],
         ["see", "#compose-more:visible"]])
    limit, room, over, door, server, large = seen["texts"]
    assert limit.startswith("No more answers can be sent")
    assert room.startswith("The server cannot take the answer at the moment.")
    assert over == door and over.startswith("This message is no longer there")
    assert server.startswith("The server did not answer")
    assert large.startswith("This is too large: 2.2 MB of at most 2 MB.")
    assert seen["axe"] == []
    assert opened(taker, taker.answers[0])[1].get_content() == "Hello\r\n"
    # what is too large is not even sent
    assert len(taker.answers) == 1 and taker.refuse == []


def test_without_a_key_there_is_no_answer(taker, browser_modules):
    made = taker.portal.put([text_part("Hello\r\n")], reply_to=["alice@example.org"])
    seen = read_with_browser(browser_modules, made["url"], ["click"])
    assert "Reply" not in seen["visible"]


def test_keys_are_enough_from_the_passphrase_to_the_answer(taker, browser_modules):
    """Nothing is pressed with a mouse, and the focus is never lost: where it is
    after each step is where the next begins."""
    made = put(taker, passphrase="right enough", factor=1)
    taker.refuse = [503]
    enter, focus = ["key", "Enter"], "focus"
    seen = read_with_browser(
        browser_modules, made["url"],
        [["see", "#show:enabled"], ["tab", "factor-input"], ["write", "not this"], enter,
         ["see", "#error:visible"], ["see", "#show:enabled"], focus,
         ["key", "Control+a"], ["write", "right enough"], enter,
         ["see", "#message:visible"], focus,
         ["tab", "eml"], enter, ["see", "#task-status:has-text('saved')"], focus,
         ["key", "Shift+Tab"], ["key", "Shift+Tab"], ["key", "Shift+Tab"], focus, enter,
         ["see", "#compose:visible"], focus,
         ["tab", "compose-text"], ["write", "Yes"],
         ["tab", "compose-send"], enter, ["see", "#compose-problem:visible"],
         ["see", "#compose-send:enabled"], focus, enter,
         ["see", "#compose-more:visible"], focus])
    assert seen["focused"] == ["factor-input", "message", "eml", "reply", "compose-title",
                               "compose-send", "compose-more"]
    assert seen["passed"] == [
        ["factor-input"], ["reply", "reply-all", "print", "eml"],
        ["compose-subject", "compose-text"], ["compose-files", "compose-send"]]
    assert opened(taker, taker.answers[0])[1].get_content() == "Yes\r\n"


def test_what_changes_is_told_to_who_does_not_see_it(taker, browser_modules):
    """Live regions: they are there before what they tell."""
    made = put(taker)
    seen = read_with_browser(
        browser_modules, made["url"],
        [["evaluate", "Object.fromEntries(['status', 'error', 'task-status', 'compose-status',"
          " 'compose-problem', 'factor-problem', 'code-problem', 'code-ask'].map("
          "id => [id, document.getElementById(id).getAttribute('role')]))"]])
    assert seen["values"] == [{
        "status": "status", "task-status": "status", "compose-status": "status",
        "code-ask": "status", "error": "alert", "compose-problem": "alert",
        "factor-problem": "alert", "code-problem": "alert"}]
