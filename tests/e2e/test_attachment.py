# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""escrow = attachment: the whole message in one file, which opens in a browser
without a server, by a passphrase that the sender was told, and by nothing
else."""
import base64
import hashlib
import io
import json
import pathlib
import re
import shutil
import tempfile
import zipfile

import pytest

from capture import Capture
from escrow import mail_of, text_of
from harness import Gateway, message, wait_for
from pickup import needs_browser, read_with_browser, readers
from test_reader_hostile import SHOW_ALL, hostile_list

SENDER, CAROL = "sam@sender.example", "carol@partner.example"

RULES = '''
rule "attached" { try = { smime, pgp, escrow, reject } escrow = attachment
    second-factor = generated }
'''

PNG = ("iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEUlEQVR4nGP4z8AARAwQCkIBABSYAv6f"
       "VQyUAAAAAElFTkSuQmCC")
INPUT = "#factor-input"

# whose file it is, in words that would be markup, or a mark of the page
NAME = "Müller & Söhne @OBJECT@ <img src=x onerror=alert(1)>"
HELP = 'Call +49 30 1234. "Monday" to \'Friday\' </script><script>alert(2)</script> @LINK@'
LOGO = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30">'
        '<script>alert(3)</script><rect width="90" height="30" fill="#b00"/></svg>')


class Files:
    """A gateway without a portal, and the files that it sends."""

    def __init__(self, root):
        self.root = root
        self.capture = Capture().start()
        self.gateway = Gateway(root / "gw", self.capture.port, portal=False,
                               inbound=self.capture.port, listen_in="")
        self.gateway.write_conf(
            rules=RULES, portal=False, inbound=self.capture.port,
            options=self.section(root), limits="message-size = 100M")
        self.gateway.start()
        self.n = 0

    def section(self, root):
        logo = root / "logo.svg"
        logo.write_text(LOGO)
        return (
            'escrow { page = "%s" attachment-size = 60M languages = { "en", "de" }\n'
            '  name = "%s" logo = "%s" colour = "#ffdd00" help = "%s"\n'
            '  imprint = "https://example.org/imprint?a=1&b=%%22" }\n'
            % (self.gateway.page(), NAME, logo, HELP.replace('"', '\\"')))

    def close(self):
        try:
            self.gateway.close()
        finally:
            self.capture.stop()
            print("--- log\n" + self.gateway.log())

    def send(self, data):
        """(notice, sent-notice) of a message."""
        del self.capture.messages[:]
        self.gateway.send(SENDER, CAROL, data)
        wait_for("two mails", lambda: len(self.capture.messages) >= 2)
        found = {m.rcpts[0]: m.data for m in self.capture.messages}
        return found[CAROL], found[SENDER]

    def file(self, data, *changes):
        """Files of one message, saved by its reader and changed, and what opens
        them: (URL, ..., passphrase)."""
        notice, told = self.send(data)
        _, attached = mail_of(notice).iter_parts()
        code = re.search(r"with the passphrase (\S+),", text_of(told)).group(1)
        uris = []
        for change in changes or (lambda text: text,):
            self.n += 1
            path = self.root / ("message%d.html" % self.n)
            path.write_bytes(change(attached.get_content().encode()))
            uris.append(path.as_uri())
        return (*uris, code)


@pytest.fixture(scope="module")
def files():
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge."))
    root.chmod(0o755)
    f = Files(root)
    yield f
    f.close()
    shutil.rmtree(root, ignore_errors=True)


def letter(witness):
    """Text and formatted text, an image in it, one from the web, two files."""
    html = ('<style>b { color: rgb(200, 0, 0) }</style><p>Dear <b>Carol</b></p>'
            '<img src="cid:logo@x" alt="logo"><img src="%s/i.png" alt="far">' % witness.url)
    body = (
        '--o\r\nContent-Type: multipart/alternative; boundary="i"\r\n\r\n'
        '--i\r\nContent-Type: text/plain; charset=utf-8\r\n'
        'Content-Transfer-Encoding: 8bit\r\n\r\nDear Carol, Gr\u00fc\u00dfe  \r\n.\r\n'
        '--i\r\nContent-Type: text/html; charset=utf-8\r\n\r\n' + html + '\r\n--i--\r\n'
        '--o\r\nContent-Type: image/png; name="logo.png"\r\nContent-ID: <logo@x>\r\n'
        'Content-Disposition: inline\r\nContent-Transfer-Encoding: base64\r\n\r\n' + PNG +
        '\r\n--o\r\nContent-Type: application/pdf; name="plan.pdf"\r\n'
        'Content-Disposition: attachment; filename="plan.pdf"\r\n'
        'Content-Transfer-Encoding: base64\r\n\r\nUExBTg==\r\n'
        '--o\r\nContent-Type: text/csv; name="<img src=x>.csv"\r\n'
        'Content-Disposition: attachment; filename="<img src=x>.csv"\r\n\r\na,b\r\n--o--\r\n')
    return message(subject="<b>Plan</b>", to=CAROL, body=body, extra=(
        'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="o"\r\n'))


@needs_browser
def test_the_file_opens_without_a_server(files, witness, browser_modules, shots):
    data = letter(witness)
    uri, code = files.file(data)
    opened = ["axe", ["text", "#expires"], "format", "axe", ["save", "#zip"],
              ["save", "#eml"], ["save", "#attachment-list li:nth-child(1) button"]]
    desk, phone = readers(
        browser_modules,
        {"url": uri, "steps": [
            "axe", ["shot", shots("file-start")], "click", ["text", "#factor-problem"],
            ["type", INPUT, "7k2m-x9qr-04ht-vbdn-w5ze"], "click", ["text", "#error"], "axe",
            ["focus"],
            ["shot", shots("file-wrong")],
            ["type", INPUT, " " + code.replace("-", "").upper()], "click",
            ["shot", shots("file-text")], *opened,
            ["shot", shots("file-letter")],
            ["evaluate", "window.print = () => { window.printed = true; }"],
            ["press", "#print"], ["evaluate", "window.printed"]]},
        {"url": uri, "mobile": True, "dark": True, "language": "de-DE", "steps": [
            "axe", ["type", INPUT, code], "click", *opened, ["shot", shots("file-phone")]]})
    for seen in (desk, phone):
        assert seen["axe"] == []
        assert seen["console"] == [] and seen["dialogs"] == 0 and seen["popups"] == 0
        assert not seen["wide"]
        archive, mail, plan = seen["saved"]
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(archive["octets"]))) as z:
            assert {i.filename: z.read(i) for i in z.infolist()} == {
                "plan.pdf": b"PLAN", "_img src=x_.csv": b"a,b"}
        # but for the trace field in front it is what the sender's client wrote
        assert base64.b64decode(mail["octets"]).endswith(data)
        assert base64.b64decode(plan["octets"]) == b"PLAN"
        assert seen["frame"]["color"] == "rgb(200, 0, 0)"
        assert seen["frame"]["loaded"] == [3, 0]
        assert seen["title"] == "<b>Plan</b>"
        # no request but for what is in the file
        assert {u.split(":")[0] for u in seen["asked"]} <= {"file", "data", "blob"}
    assert desk["focused"] == ["factor-input"]  # to be typed anew
    assert desk["texts"][0] == "Please fill in this field."
    assert "This does not open the message" in desk["texts"][1]
    assert "does not expire" in desk["texts"][2] and "cannot take it back" in desk["texts"][2]
    assert "Images from the web are never loaded" in desk["visible"]
    assert desk["values"][-1] is True
    assert phone["language"] == "de" and "läuft nicht ab" in phone["texts"][0]
    assert witness.asked == []


@needs_browser
def test_the_file_is_its_owners(files, browser_modules, shots):
    """As the portal's page is: the same words, as text; the logo is in the file."""
    uri, code = files.file(message(to=CAROL, body="Hello\r\n"))
    logo = ("document.querySelector('#brand-logo').decode().then(() => "
            "document.querySelector('#brand-logo').naturalWidth)")
    for dark, seen in zip((False, True), readers(browser_modules, *(
            {"url": uri, "dark": dark, "mobile": dark, "steps": [
                ["press", ".help summary"],
                ["shot", shots("file-brand-dark" if dark else "file-brand-light")],
                ["text", "#brand"], ["text", "#help-own"], ["evaluate", logo],
                ["evaluate", "document.querySelector('#imprint a').href"],
                ["evaluate", "getComputedStyle(document.querySelector('#show'))"
                             ".backgroundColor"],
                ["type", INPUT, code], "click", "axe"]} for dark in (False, True)))):
        assert seen["texts"] == [NAME, HELP]
        wide, imprint, colour = seen["values"]
        assert wide > 0 and imprint == "https://example.org/imprint?a=1&b=%22"
        # a yellow that nobody could read on white was made darker
        assert (colour == "rgb(255, 221, 0)") == dark
        assert "Hello" in seen["text"] and NAME in seen["visible"]
        assert seen["dialogs"] == 0 and seen["popups"] == 0 and seen["console"] == []
        assert {u.split(":")[0] for u in seen["asked"]} <= {"file", "data", "blob"}


@needs_browser
def test_nothing_of_hostile_mail_runs(files, witness, browser_modules):
    uri, code = files.file(message(to=CAROL, body="<p>Hello</p>\r\n",
                                   extra="Content-Type: text/html\r\n"))
    show = SHOW_ALL.replace("'FRAME'", "document.querySelector('#html').dataset.frame")
    seen = read_with_browser(
        browser_modules, uri,
        [["type", INPUT, code], "click", "frame",
         ["evaluate", f"{show}({json.dumps(hostile_list(witness))})"]])
    assert seen["values"] == [[]]
    assert witness.asked == []
    assert seen["dialogs"] == 0 and seen["popups"] == 0
    assert "Hello" in seen["frame"]["text"]


def changed(at, character=None):
    """The file with another character there in the object, or with the object
    cut there."""
    def change(text):
        start = text.index(b">", text.index(b'id="object"')) + 1
        end = text.index(b"</script>", start)
        i = (start if at >= 0 else end) + at
        if character is None:
            return text[:i] + text[end:]
        assert text[i:i + 1] != character
        return text[:i] + character + text[i + 1:]
    return change


@needs_browser
def test_a_file_that_was_changed_says_so(files, browser_modules, shots):
    plain = message(to=CAROL, body="The secret plan.\r\n" * 5000)
    cases = {"whole": lambda text: text, "a chunk": changed(60000, b"!"),
             "not base64": changed(300, b"!"), "cut": changed(-400), "nothing": changed(0)}
    # one bit of a character, whatever it is
    cases["a bit"] = lambda text: changed(60000, bytes(
        [b"BA"[text[text.index(b">", text.index(b'id="object"')) + 60001] == 66]]))(text)
    *uris, code = files.file(plain, *cases.values())
    shown = ["see", "#message:visible, #error:visible"]
    pictures = {"cut": [["shot", shots("file-damaged")]]}
    for name, seen in zip(cases, readers(browser_modules, *(
            {"url": uri, "steps": [["type", INPUT, code], "click", shown,
                                   *pictures.get(name, [])]}
            for name, uri in zip(cases, uris)))):
        opened = name == "whole"
        assert ("The secret plan" in seen["text"]) == opened, name
        assert ("This message does not open" in seen["visible"]) != opened, name


def test_notice_and_log_say_what_it_is(files):
    notice, told = files.send(message(to=CAROL, subject="Secret plan", body="canary 4711\r\n"))
    words = text_of(notice)
    _, attached = mail_of(notice).iter_parts()
    assert attached.get_filename() == "message.html"
    assert attached.get_content_disposition() == "attachment"
    assert "The file does not expire" in words and "läuft nicht ab" in words
    assert "/m/" not in words
    code = re.search(r"with the passphrase (\S+),", text_of(told)).group(1)
    for secret in (b"canary 4711", b"Secret plan", code.encode(), code.replace("-", "").encode()):
        assert secret not in notice
    assert base64.b64encode(b"canary 4711") not in notice
    assert "It cannot be recalled and does not expire" in " ".join(text_of(told).split())
    row = wait_for("the audit log", lambda: [
        r["rec"] for r in files.gateway.audit() if r["rec"]["type"] == "escrowed"])[-1]
    assert row["attached"] is True and row["factor"] == "generated"
    assert "expires" not in row
    # nobody keeps it
    assert not list((files.gateway.state / "escrow").glob("*"))


def test_explain_and_the_proof_tell_of_it(files):
    out = files.gateway.cli("explain", "--from", SENDER, "--to", CAROL).stdout.decode()
    assert "cannot be recalled, does not expire and gives no receipt" in out
    [trace] = files.gateway.cli_json("explain", "--from", SENDER, "--to", CAROL)
    assert trace["pick-up"] == {"notice": "any", "second-factor": "generated",
                                "factor-is": "in the key", "attached": True}


@needs_browser
def test_a_large_file_is_not_held_in_memory(files, browser_modules):
    """50 MiB: as text the file is large, and that is let go of when it is read;
    saving it holds a few MiB at a time."""
    octets = bytes(range(256)) * (37 << 12)
    body = base64.encodebytes(octets).replace(b"\n", b"\r\n").decode()
    data = message(to=CAROL, body=body, extra=(
        'MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name="film.mp4"\r\n'
        "Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n"))
    assert len(data) > 50 << 20
    uri, code = files.file(data)
    seen = read_with_browser(
        browser_modules, uri,
        [["type", INPUT, code], "click", ["measure", "#attachment-list button"]],
        mobile=True, timeout=100000)
    assert seen["saved"][0]["sha256"] == hashlib.sha256(octets).hexdigest()
    late = [n for percent, n in seen["held"][0] if percent >= 40]
    assert late and max(late) < 32 << 20, seen["held"]
