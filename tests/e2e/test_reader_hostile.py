# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Mail that means harm to who opens it: no script runs, no request leaves, no
name misleads, and nothing is so large that the page stops."""
import base64
import io
import json
import zipfile

from pickup import HERE, file_part, needs_browser, read_with_browser, run_node, text_part

pytestmark = needs_browser

# One after the other in frames as the page has them; what was said, and what
# is left that could be harmful.
SHOW_ALL = """(async list => {
  let pwned = [];
  let bad = [];
  for (const [i, html] of list.entries()) {
    const frame = document.createElement('iframe');
    frame.setAttribute('sandbox', document.querySelector('#html').getAttribute('sandbox'));
    await new Promise(resolve => {
      const hear = event => {
        if (event.data === 'pwn')
          pwned.push(i);
        if (event.source !== frame.contentWindow)
          return;
        if (event.data.sealgate === 'ready')
          frame.contentWindow.postMessage({sealgate: 'show', html, images: {}}, '*');
        if (event.data.sealgate === 'shown') {
          setTimeout(() => { removeEventListener('message', hear); resolve(); }, 20);
        }
      };
      addEventListener('message', hear);
      /* in sight: what is not is not laid out */
      Object.assign(frame.style, {position: 'fixed', inset: '0'});
      frame.src = 'FRAME';
      document.body.append(frame);
    });
    frame.remove();
  }
  return pwned;
})"""


def hostile_list(witness):
    text = run_node("--input-type=module", "-e",
                    f"import l from '{(HERE / 'hostile.mjs').as_uri()}';"
                    "console.log(JSON.stringify(l))")
    return json.loads(text.replace("WITNESS", witness.url))


def test_no_script_runs_and_no_request_leaves(portal, browser_modules, witness):
    made = portal.put([text_part("<p>Hello</p>", "text/html")])
    snippets = hostile_list(witness)
    assert len(snippets) > 80
    show = SHOW_ALL.replace("FRAME", "../frame")
    seen = read_with_browser(
        browser_modules, made["url"],
        ["click", "frame", ["evaluate", f"{show}({json.dumps(snippets)})"], "wait"])
    assert seen["values"] == [[]]
    assert witness.asked == []
    assert seen["dialogs"] == 0 and seen["popups"] == 0
    # nothing but the page's own was ever loaded, and the page is still there
    assert "Hello" in seen["frame"]["text"]
    assert seen["title"] == "Quarterly figures"
    # with images from the web asked for, images are all that is fetched
    show = SHOW_ALL.replace("FRAME", "../frame-images").replace(
        "images: {}", "images: {}, remote: true")
    calling = [snippet for snippet in snippets if witness.url in snippet]
    seen = read_with_browser(
        browser_modules, made["url"],
        ["click", "frame", ["evaluate", f"{show}({json.dumps(calling)})"], "wait"])
    assert seen["values"] == [[]]
    assert set(witness.asked) <= {"/i.png", "/b.png", "/is.png", "/l.png", "/st.png",
                                  "/c.cur"}


NAMES = [  # as the sender wrote them, and as they are saved
    ("../../../etc/passwd", "_.._.._etc_passwd"),
    ("..\\..\\autoexec.bat", "_.._autoexec.bat"),
    ("invoice\u202efdp.exe", "invoicefdp.exe"),
    ("a\r\nContent-Type: text/html\r\n.txt", "aContent-Type_ text_html.txt"),
    ("<img src=x onerror=alert(1)>.png", "_img src=x onerror=alert(1)_.png"),
    ("CON.txt", "_CON.txt"), (".htaccess", "htaccess"), ("x" * 500 + ".pdf", "x" * 116 + ".pdf"),
    ("", "attachment-9.bin"), ("\x00\x07", "attachment-10.bin"), ("a.html .", "a.html"),
]


def test_names_and_subjects_are_text_and_nothing_else(portal, browser_modules, witness):
    subject = ("<script>alert(1)</script><img src=x onerror=alert(2)>"
               "\u202egnirts\u202c\r\nBcc: x {to} ${1+1} $& " + "W" * 3000)
    made = portal.put(
        [text_part(f"<script>alert(3)</script> {witness.url}/x javascript:alert(4)\r\n"),
         *(file_part(b"<svg onload=alert(5)>", name, type="image/svg+xml")
           for name, _ in NAMES)],
        subject=subject, to="\"<img src=x>\" <carol@example.net>\u202e",
        **{"from": "Bank <service@bank.example>\u202e\u2066 <mallory@example.org>"})
    seen = read_with_browser(
        browser_modules, made["url"],
        ["click", ["save", "#zip"], ["save", "#attachment-list li:nth-child(3) button"],
         "axe"], mobile=True)
    assert seen["dialogs"] == 0 and witness.asked == []
    archive, single = seen["saved"]
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(archive["octets"]))) as z:
        assert [i.filename for i in z.infolist()] == [want for _, want in NAMES]
        assert {z.read(i) for i in z.infolist()} == {b"<svg onload=alert(5)>"}
    assert archive["name"].endswith(".zip")
    assert single["name"] == NAMES[2][1]
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>gnirts" in seen["visible"]
    assert not set("\u202e\u2066\u202c") & set(seen["visible"])
    assert "Bank <service@bank.example> <mallory@example.org>" in seen["visible"]
    assert not seen["wide"]
    assert seen["axe"] == []


def test_what_is_too_much_does_not_stop_the_page(portal, browser_modules):
    parts = [text_part("x" * 3_900_000, alternative=1),
             text_part("<div>" * 50_000 + "deep", "text/html", alternative=1),
             text_part("y" * 5_000_000),
             *(file_part(b"", f"{i}.txt") for i in range(996))]
    made = portal.put(parts)
    seen = read_with_browser(
        browser_modules, made["url"],
        ["click", "format", ["save", "#zip"],
         ["evaluate", "document.querySelectorAll('#attachment-list li').length"]])
    assert seen["values"] == [997]  # the text that is too long is one of them
    assert "deep" in seen["frame"]["text"]
    assert seen["console"] == []
