# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The message as its reader sees it, on a desk and on a phone: text, formatting,
attachments, everything that can be saved, in six languages, for eyes and for
screen readers."""
import base64
import hashlib
import io
import os
import socket
import threading
import zipfile

from pickup import (Portal, file_part, needs_browser, read_with_browser, readers,
                    text_part)

pytestmark = needs_browser

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEUlEQVR4nGP4z8AARAwQCkIB"
    "ABSYAv6fVQyUAAAAAElFTkSuQmCC")

LETTER = [
    text_part("Dear Carol,\r\n\r\nall is well.\r\n", alternative=1),
    text_part("<p>Dear Carol,</p><p>all is <b>well</b>.</p>", "text/html",
              alternative=1)]


def contents(saved):
    return base64.b64decode(saved["octets"])


def test_everything_can_be_saved_as_it_was_sent(portal, browser_modules):
    one, two = os.urandom(5000), os.urandom(200_000)
    made = portal.put([*LETTER, file_part(one, "Report.pdf"),
                       file_part(two, "report.pdf"), file_part(b"", "Empty ü.txt")])
    seen = read_with_browser(
        browser_modules, made["url"],
        ["click", ["save", "#zip"], ["save", "#eml"],
         ["save", "#attachment-list li:nth-child(2) button"],
         ["evaluate", "window.print = () => { window.printed = true; }"],
         ["press", "#print"], ["evaluate", "window.printed"],
         ["media", {"media": "print"}],
         ["evaluate", "[...document.querySelectorAll('button')]"
                      ".filter(b => b.getClientRects().length > 0).length"]])
    archive, message, file = seen["saved"]
    assert archive["name"] == "Quarterly figures.zip"
    with zipfile.ZipFile(io.BytesIO(contents(archive))) as z:
        assert z.testzip() is None
        assert {i.filename: z.read(i) for i in z.infolist()} == {
            "Report.pdf": one, "report (2).pdf": two, "Empty ü.txt": b""}
    # the message octet for octet, as it was put into the object
    assert message["name"] == "Quarterly figures.eml"
    assert message["sha256"] == made["message_sha256"]
    assert file["sha256"] == hashlib.sha256(two).hexdigest()
    assert seen["values"] == [None, True, 0]
    assert seen["console"] == []
    # what was saved did not have the message fetched once more in vain
    assert sum("/api/open" in url for url in seen["asked"]) == 1


def test_images_from_the_web_are_loaded_when_asked_for(
        portal, browser_modules, witness):
    html = (f'<p>Look: <img src="{witness.url}/one.png" alt="one">'
            f'<img src="cid:Logo@x"><img srcset="{witness.url}/set.png 1x"></p>'
            f'<script src="{witness.url}/script.js"></script>'
            f'<link rel=stylesheet href="{witness.url}/style.css">')
    made = portal.put([text_part(html, "text/html"),
                       file_part(PNG, "logo.png", type="image/png",
                                 disposition="inline", content_id="logo@x")])
    steps = ["click", "frame", "wait"]
    before = read_with_browser(browser_modules, made["url"], steps)
    assert witness.asked == []
    assert 3 in before["frame"]["loaded"]
    assert "Load images from the web" in before["visible"]
    after = read_with_browser(browser_modules, made["url"],
                              [*steps, "images"])
    assert set(witness.asked) == {"/one.png"}
    assert "Load images from the web" not in after["visible"]
    assert made["id"] not in str(witness.headers)  # nobody learns from where


LANGUAGES = {
    "de-DE": ["Eine geschützte Nachricht wartet auf Sie", "Von", "Anhänge",
              "Sie können diese Nachricht bis ", "Herunterladen"],
    "fr-FR": ["Un message protégé vous attend", "De", "Pièces jointes",
              "Vous pouvez ouvrir ce message jusqu’au ", "Télécharger"],
    "es-ES": ["Le espera un mensaje protegido", "Para", "Archivos adjuntos",
              "Puede abrir este mensaje hasta el ", "Descargar"],
    "it-IT": ["Un messaggio protetto La attende", "Da", "Allegati",
              "Può aprire questo messaggio fino a ", "Scarica"],
    "nl-NL": ["Er wacht een beveiligd bericht op u", "Van", "Bijlagen",
              "U kunt dit bericht openen tot ", "Downloaden"],
    "pl-PL": ["A protected message is waiting for you", "From", "Attachments",
              "You can open this message until ", "Download"]}


def test_page_speaks_the_language_of_the_browser(portal, browser_modules, shots):
    made = portal.put([*LETTER, file_part(b"x", "a.txt"), file_part(b"y", "b.txt")])
    for language, seen in zip(LANGUAGES, readers(browser_modules, *(
            {"url": made["url"], "language": language, "mobile": True,
             "steps": [["text", "body"], ["shot", shots(f"start-{language}")], "click",
                       ["shot", shots(f"letter-{language}")]]}
            for language in LANGUAGES))):
        first, *others = LANGUAGES[language]
        assert first in seen["texts"][0]
        for word in others:
            assert word in seen["visible"], word
        assert seen["language"] == (language[:2] if language != "pl-PL" else "en")
        assert seen["console"] == []


def test_nothing_hinders_a_screen_reader(portal, browser_modules, shots):
    made = portal.put([text_part("<h1>A</h1><p><img src='https://x.example/'></p>",
                                 "text/html", alternative=1),
                       text_part("plain\r\n", alternative=1),
                       file_part(b"x" * 3000, "a.txt"), file_part(b"y", "b.txt")])
    for seen in readers(browser_modules, *(
            {"url": made["url"], "mobile": mobile, "dark": dark, "steps": [
                ["press", ".help summary"], ["shot", shots(f"help-{name}")], "click",
                "axe", "format", ["shot", shots(f"html-{name}")]]}
            for name, mobile, dark in (("light", False, False), ("dark", True, True)))):
        assert seen["axe"] == []


def test_every_state_fits_a_phone_and_a_desk(portal, browser_modules, shots):
    long = portal.put(
        [text_part("שלום רב,\r\n\r\nהתוכנית מצורפת: https://example.org/"
                   + "x" * 120 + "\r\n"),
         file_part(b"x" * 900, "Donaudampfschifffahrtsgesellschaftskapitän" * 3 + ".docx"),
         file_part(b"y" * 4_000_000, "תוכנית סופית.pdf"), file_part(b"", "z" * 200)],
        subject="תוכנית רבעונית סודית: הגרסה הסופית לעיון הדירקטוריון " * 2,
        to=", ".join("someone.with.a.long.name.%d@department.example.net" % i for i in range(8)),
        reply_key="BA" * 32, reply_to=["alice@example.org"], reply_max=1000,
        **{"from": '"Dr. Wolfeschlegelsteinhausenbergerdorff" <w@a-long-domain.example.org>'})
    damaged = portal.put(LETTER)
    path = portal.objects / damaged["id"]
    octets = bytearray(path.read_bytes())
    octets[-1] ^= 1
    path.write_bytes(octets)
    states = {
        "long": (long["url"], [], "Save all as ZIP"),
        "gone": (long["url"].replace(long["id"], "A" * 22), [], "There is no message for this"),
        "incomplete": (long["url"][:-4], [], "This link is not complete"),
        "damaged": (damaged["url"], [], "This message does not open"),
        "offline": (long["url"], ["offline"], "The server did not answer"),
    }
    for (name, (_, _, want)), seen in zip(states.items(), readers(browser_modules, *(
            {"url": url, "dark": name in ("gone", "long"),
             "steps": [*before, "click", ["shot", shots(f"state-{name}")]]}
            for name, (url, before, _) in states.items()))):
        assert want in seen["visible"], name


def test_the_page_is_its_owners(tmp_path, page, browser_modules, shots):
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30">'
                    '<rect width="90" height="30" fill="#b00"/></svg>')
    portal = Portal(
        tmp_path, page, name="Müller & Söhne <script>alert(1)</script>", logo=logo,
        colour="#ffdd00", imprint="https://example.org/imprint",
        help='Call +49 30 1234.\n"Monday" to \'Friday\' </p>')
    made = portal.put(LETTER)
    for dark, seen in zip((False, True), readers(browser_modules, *(
            {"url": made["url"], "dark": dark, "mobile": dark, "steps": [
                ["press", ".help summary"],
                ["shot", shots("brand-dark" if dark else "brand-light")],
                ["text", "body"],
                ["evaluate", "document.querySelector('#brand-logo').decode().then(() => true)"],
                ["evaluate", "document.querySelector('#imprint a').href"],
                "click", "axe"]} for dark in (False, True)))):
        assert "Müller & Söhne <script>alert(1)</script>" in seen["texts"][0]
        assert 'Call +49 30 1234.\n"Monday" to \'Friday\' </p>' in seen["texts"][0]
        assert seen["values"] == [True, "https://example.org/imprint"]
        # a yellow that nobody could read on white was made darker
        assert seen["axe"] == []
        assert seen["dialogs"] == 0 and seen["console"] == []
    assert portal.ask("GET", "/a/logo").getheader("Content-Type") == "image/svg+xml"
    assert portal.stop() == 0


def test_keys_are_enough(portal, browser_modules):
    made = portal.put([*LETTER, file_part(b"x", "a.txt")])
    tab = ["key", "Tab"]
    seen = read_with_browser(
        browser_modules, made["url"],
        [["see", "#show:enabled"], tab,
         ["evaluate", "document.activeElement.id"], ["key", "Enter"],
         ["see", "#message:visible"], ["evaluate", "document.activeElement.id"],
         tab, ["evaluate", "document.activeElement.id"], tab, tab,
         ["key", "Space"], ["see", "#html:visible"], tab])
    assert seen["values"] == ["show", "message", "print"]


def test_without_javascript_the_page_says_so(portal, browser_modules, shots):
    made = portal.put(LETTER)
    seen = read_with_browser(browser_modules, made["url"],
                             [["shot", shots("no-javascript")]],
                             javascript=False, mobile=True)
    for sentence in ("Please allow JavaScript", "Bitte erlauben Sie es",
                     "Autorisez-le pour cette page", "Permítalo en esta página",
                     "Lo consenta per questa pagina", "Sta het toe"):
        assert sentence in " ".join(seen["visible"].split())
    assert portal.opened() == []


# --- large messages

def test_a_large_message_is_not_held_in_memory(portal, browser_modules):
    """100 MiB, as an attachment and as a whole, each twice on a desk and once on a
    phone: the page holds a few MiB of it at a time."""
    size = 100 << 20
    made = portal.put([text_part("Hello\r\n"),
                       {"type": "video/mp4", "encoding": "binary", "name": "film.mp4",
                        "disposition": "attachment", "size": size}])
    film, whole = ["measure", "#attachment-list button"], ["measure", "#eml"]
    films, messages, late = [], [], []
    for seen in readers(browser_modules, *(
            {"url": made["url"], "mobile": mobile, "timeout": 300000,
             "steps": ["click", film, whole, *again]}
            for mobile, again in ((False, [["save", film[1]], ["save", whole[1]]]),
                                  (True, [])))):
        films += seen["saved"][::2]
        messages += seen["saved"][1::2]
        late += [octets for samples in seen["held"] for percent, octets in samples
                 if percent >= 50]
        assert all(octets < 40 << 20 for octets in late), seen["held"]
    # a download can be over before there was a second look at it
    assert late
    assert [f["size"] for f in films] == [size] * 3
    assert len({f["sha256"] for f in films}) == 1
    assert [m["sha256"] for m in messages] == [made["message_sha256"]] * 3


# --- a bad line

class Cutter:
    """A way to the portal that breaks each of the first connections that bring
    more than so many octets."""

    def __init__(self, octets, times):
        self.octets, self.times, self.broken = octets, times, 0
        self.to = None
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.to))
            threading.Thread(target=self.pump, args=(client, server, None),
                             daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, self.octets),
                             daemon=True).start()

    def pump(self, source, sink, limit):
        got = 0
        try:
            while piece := source.recv(65536):
                got += len(piece)
                if limit and got > limit and self.broken < self.times:
                    self.broken += 1
                    break
                sink.sendall(piece)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.socket.close()


def test_a_download_goes_on_where_the_line_broke(tmp_path, page, browser_modules):
    cutter = Cutter(700_000, 3)
    portal = Portal(tmp_path, page, url=f"http://127.0.0.1:{cutter.port}")
    cutter.to = portal.port
    octets = os.urandom(2_000_000)
    made = portal.put([text_part("Hello\r\n"), file_part(octets)])
    seen = read_with_browser(browser_modules, made["url"], ["click", "download"])
    assert cutter.broken == 3
    assert seen["saved"][0]["sha256"] == hashlib.sha256(octets).hexdigest()
    ranges = [u for u in seen["asked"] if "/api/object/" in u]
    assert len(ranges) == 1 + 1 + 3  # text, file, and what was asked for again
    cutter.close()
    assert portal.stop() == 0
