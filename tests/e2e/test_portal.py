# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The portal cannot read what it stores, and shows nothing to programs that
follow links: the portal's role behind its walls, and a reader with Chromium."""
import base64
import hashlib
import http.client
import json
import os
import subprocess
import threading
import time

import pytest

from harness import PATIENCE
from pickup import (HERE, Portal, file_part, needs_browser, read_with_browser,
                    readers, run_node, text_part)

# --- the page's code

@pytest.mark.parametrize("name", ["test_page.mjs", "test_page_parts.mjs"])
def test_page_code_does_what_the_document_says(page, name):
    run_node("--test", str(HERE / name), env={"PAGE": str(page)})


def test_link_opens_on_the_command_line(portal, page):
    made = portal.put([text_part("The figures are fine: 42 €.\r\n")])
    out = run_node(page / "open-link.mjs", made["url"])
    assert "Subject: Quarterly figures" in out
    assert out.endswith("\nThe figures are fine: 42 €.\n")
    wrong = made["url"][:-2] + ("AA" if made["url"][-2:] != "AA" else "BB")
    assert "gone" in run_node(page / "open-link.mjs", wrong, rc=1)
    assert "link" in run_node(page / "open-link.mjs", made["url"][:-1], rc=1)


# --- a reader

@needs_browser
def test_reader_sees_the_message_and_saves_the_attachment(portal, browser_modules):
    octets = os.urandom(300_000)
    made = portal.put([text_part("Dear Carol,\r\nall is well.\r\n"),
                       file_part(octets, "Figures 2026.xlsx")])
    seen = read_with_browser(browser_modules, made["url"], ["click", "download"])
    assert seen["text"] == "Dear Carol,\nall is well.\n"
    assert "Alice <alice@example.org>" in seen["visible"]
    assert seen["title"] == "Quarterly figures"
    [file] = seen["saved"]
    assert (file["name"], file["size"]) == ("Figures 2026.xlsx", len(octets))
    assert file["sha256"] == hashlib.sha256(octets).hexdigest()
    assert seen["console"] == []
    [opened] = portal.opened(1)
    assert opened.startswith(f"opened {made['id']} 127.0.0.1 Mozilla/")


@needs_browser
def test_page_fits_a_phone_and_moves_the_focus(portal, browser_modules):
    made = portal.put([text_part("wide" * 200 + "\r\n")],
                      subject="x" * 300)
    seen = read_with_browser(browser_modules, made["url"], ["click"],
                             mobile=True)
    assert not seen["wide"]
    assert seen["focus"] == "message"


@needs_browser
def test_reader_is_told_what_to_do(portal, browser_modules):
    made = portal.put([text_part("Hello\r\n")])
    cases = [(made["url"][:-4], "This link is not complete"),
             (made["url"].replace(made["id"], "A" * 22), "There is no message"),
             (made["url"].split("#")[0], "This link is not complete")]
    for (url, want), seen in zip(cases, readers(browser_modules, *(
            {"url": url, "steps": ["click"]} for url, _ in cases))):
        assert want in seen["visible"]
        assert "Hello" not in seen["visible"]
    # damaged on the portal's disk: nothing of it is shown
    path = portal.objects / made["id"]
    octets = bytearray(path.read_bytes())
    octets[-1] ^= 1
    path.write_bytes(octets)
    seen = read_with_browser(browser_modules, made["url"], ["click"])
    assert "This message does not open" in seen["visible"]


HOSTILE = """<html><head>
<style>@import url("{w}/import.css"); b {{ color: rgb(170, 0, 0) }}
body {{ background: url({w}/body.png) }}
@font-face {{ font-family: f; src: url({w}/font.woff) }} p {{ font-family: f }}</style>
<link rel="stylesheet" href="{w}/link.css"><link rel="prefetch" href="{w}/prefetch">
<link rel="dns-prefetch" href="{w}"><base href="{w}/"><script src="{w}/head.js"></script>
<meta http-equiv="refresh" content="0;url={w}/refresh"></head>
<body background="{w}/background.png" onload="fetch('{w}/onload')">
<p>The <b>bold</b> one.</p>
<img src="{w}/img.png"><img srcset="{w}/set.png 2x" src=x onerror="fetch('{w}/onerror')">
<img src="cid:logo@example"><img src="data:image/svg+xml,<svg onload=alert(1)>">
<picture><source srcset="{w}/source.png"><img src="{w}/picture.png"></picture>
<video src="{w}/video" poster="{w}/poster" autoplay></video><audio src="{w}/audio" autoplay></audio>
<iframe src="{w}/iframe"></iframe><iframe srcdoc="<script>alert(2)</script>"></iframe>
<object data="{w}/object"></object><embed src="{w}/embed">
<script>fetch("{w}/script"); alert(3); top.location = "{w}/top"</script>
<svg><script>fetch("{w}/svg")</script><image href="{w}/svg.png"/><use href="{w}/use#x"/></svg>
<math><mtext><style><img src=x onerror="alert(4)"></style></mtext></math>
<form action="{w}/form" method="post"><input name="password" autofocus onfocus="alert(5)"><button>Go</button></form>
<a href="javascript:fetch('{w}/href')">script link</a> <a id="ok" href="https://example.org/">good link</a>
<a href="{w}/a" ping="{w}/ping">link</a>
<div style="background-image: url({w}/style.png)">styled</div>
<table background="{w}/table.png"><tr><td>cell</td></tr></table>
<noscript><p title="</noscript><img src=x onerror=alert(6)>"></noscript>
</body></html>"""

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEUlEQVR4nGP4z8AARAwQCkIB"
    "ABSYAv6fVQyUAAAAAElFTkSuQmCC")


@needs_browser
def test_hostile_html_is_shown_and_can_do_nothing(portal, browser_modules, witness):
    html = HOSTILE.format(w=witness.url)
    made = portal.put([
        text_part("plain\r\n", alternative=1),
        text_part(html, "text/html", alternative=1),
        file_part(PNG, "logo.png", type="image/png", disposition="inline",
                  content_id="logo@example")])
    seen = read_with_browser(browser_modules, made["url"],
                             ["click", "format", "wait"])
    assert witness.asked == []
    assert seen["dialogs"] == 0 and seen["popups"] == 0
    frame = seen["frame"]
    assert "The bold one." in frame["text"]
    assert frame["color"] == "rgb(170, 0, 0)"  # the mail keeps its styles
    assert 3 in frame["loaded"]  # the image that came with it
    low = frame["html"].lower()
    for word in ("<script", "<form", "<input", "<iframe", "<object", "<embed",
                 "<link", "<base", "<meta", "javascript:", "onerror", "onload",
                 "ping=", "srcset"):
        assert word not in low.replace("&lt;", ""), word
    assert 'href="https://example.org/" target="_blank" rel="noopener' in low
    assert "Images from the web are not loaded:" in seen["visible"]


@needs_browser
def test_mail_that_has_only_html_is_shown_in_the_frame(portal, browser_modules):
    made = portal.put([text_part("<h1>Only</h1><p>this</p>", "text/html")])
    seen = read_with_browser(browser_modules, made["url"], ["click", "frame"])
    assert seen["frame"]["text"].split() == ["Only", "this"]


@needs_browser
def test_portal_may_be_beneath_a_path(tmp_path, page, browser_modules):
    portal = Portal(tmp_path, page, url="http://127.0.0.1:PORT/post/box")
    made = portal.put([text_part("<p>in a <b>frame</b></p>", "text/html")])
    seen = read_with_browser(browser_modules, made["url"], ["click", "frame"])
    assert seen["frame"]["text"] == "in a frame"
    assert seen["console"] == []
    assert "in a" in run_node(page / "open-link.mjs", made["url"])
    # a proxy may have taken the path off; nothing is beneath another one
    assert portal.ask("GET", "/m/" + made["id"]).status == 200
    assert portal.ask("GET", "/post/m/" + made["id"]).status == 404
    assert portal.ask("GET", "/post/boxm/" + made["id"]).status == 404
    assert portal.stop() == 0


# --- programs that follow links

@needs_browser
def test_scanner_learns_and_consumes_nothing(portal, browser_modules):
    made = portal.put([text_part("secret figures\r\n")])
    path = f"/m/{made['id']}"
    unknown = portal.ask("GET", "/m/" + "A" * 22)
    replies = []

    def scan(i):
        replies.append(portal.ask("GET" if i % 2 else "HEAD", path))
    threads = [threading.Thread(target=scan, args=(i,)) for i in range(50)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(replies) == 50
    for reply in replies:
        assert reply.status == 200
        assert reply.text in (b"", unknown.text)
        drop = ("Date",)
        assert [h for h in reply.getheaders() if h[0] not in drop] == \
            [h for h in unknown.getheaders() if h[0] not in drop]
    seen = read_with_browser(browser_modules, made["url"], ["wait", "wait"])
    assert "secret figures" not in json.dumps(seen)
    assert portal.opened() == []
    seen = read_with_browser(browser_modules, made["url"], ["click"])
    assert seen["text"] == "secret figures\n"
    assert len(portal.opened(1)) == 1


# --- the interface

def test_nothing_is_given_without_the_proof(portal):
    made = portal.put([text_part("Hello\r\n")])
    path = f"/api/object/{made['id']}"
    wrong = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
    nothing = portal.open("A" * 22, made["proof"])
    assert nothing.status == 404
    for reply in (portal.open(made["id"], wrong),
                  portal.open(made["id"], ""),
                  portal.open("../index/data.mdb", made["proof"]),
                  portal.ask("GET", path),
                  portal.ask("HEAD", path),
                  portal.ask("GET", path, Authorization=f"Sealgate-Proof {wrong}"),
                  portal.ask("GET", path, Authorization=f"Bearer {made['proof']}"),
                  portal.ask("GET", path + "?proof=" + made["proof"])):
        assert reply.status == 404
        assert reply.text in (nothing.text, b"")
    assert portal.opened() == []


def test_proof_opens_ranges_of_the_file(portal):
    made = portal.put([file_part(os.urandom(200_000))])
    octets = (portal.objects / made["id"]).read_bytes()
    first = portal.open(made["id"], made["proof"])
    assert first.status == 200 and octets.startswith(first.text)
    assert first.getheader("Cache-Control") == "no-store"
    path = f"/api/object/{made['id']}"
    proof = {"Authorization": f"Sealgate-Proof {made['proof']}"}
    whole = portal.ask("GET", path, **proof)
    assert whole.status == 200 and whole.text == octets
    for spec, want in (("bytes=0-0", octets[:1]), ("bytes=-5", octets[-5:]),
                       ("bytes=70000-140000", octets[70000:140001])):
        part = portal.ask("GET", path, Range=spec, **proof)
        assert part.status == 206 and part.text == want
        assert part.getheader("Content-Range").endswith(f"/{len(octets)}")
    for spec in ("bytes=0-1,2-3", f"bytes={len(octets)}-", "octets=0-1"):
        assert portal.ask("GET", path, Range=spec, **proof).status == 416


def test_many_wrong_proofs_are_slowed_but_lock_nobody_out(portal):
    made = portal.put([text_part("Hello\r\n")])
    wrong = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
    statuses = [portal.open(made["id"], wrong).status for _ in range(40)]
    assert statuses[0] == 404 and set(statuses) == {404, 429}
    assert portal.open(made["id"], made["proof"]).status == 200


def test_client_behind_a_proxy_is_the_last_one_named(portal):
    made = portal.put([text_part("Hello\r\n")])
    portal.open(made["id"], made["proof"],
                **{"X-Forwarded-For": "192.0.2.66, 203.0.113.9"})
    portal.wait_for(f"opened {made['id']} 203.0.113.9")
    portal.open(made["id"], made["proof"],
                **{"X-Forwarded-For": "203.0.113.10, nonsense"})
    portal.wait_for(f"opened {made['id']} 127.0.0.1")


REQUESTS = [
    ("GET", "/m/" + "A" * 22, {}, 200),
    ("GET", "/a/view.js", {}, 200),
    ("GET", "/frame", {}, 200),
    ("GET", "/", {}, 404),
    ("GET", "/m/", {}, 404),
    ("GET", "/m/short", {}, 404),
    ("GET", "/m/" + "A" * 22 + "/", {}, 404),
    ("GET", "/a/", {}, 404),
    ("GET", "/a/../view.js", {}, 404),
    ("GET", "/a/package.json", {}, 404),
    ("GET", "/a/open-link.mjs", {}, 404),
    ("GET", "/a/%2e%2e/%2e%2e/etc/passwd", {}, 404),
    ("POST", "/m/" + "A" * 22, {}, 405),
    ("PUT", "/frame", {}, 405),
    ("DELETE", "/api/object/" + "A" * 22, {}, 405),
    ("OPTIONS", "/api/open", {}, 405),
    ("TRACE", "/frame", {}, 405),
    ("GET", "/api/open", {}, 405),
    ("POST", "/api/open", {}, 415),
    ("POST", "/api/open", {"Content-Type": "text/plain"}, 415),
    ("POST", "/api/open", {"Content-Type": "application/json"}, 400),
    ("POST", "/api/open", {"Content-Type": "application/json",
                           "Origin": "https://elsewhere.example"}, 403),
    ("GET", "/frame", {"Host": "elsewhere.example"}, 421),
    ("GET", "/frame", {"Host": ""}, 421),
    ("GET", "/frame", {"Host": "127.0.0.1"}, 421),
]


@pytest.mark.parametrize("method,path,headers,status", REQUESTS)
def test_requests_are_strict(portal, method, path, headers, status):
    reply = portal.ask(method, path, **headers)
    assert reply.status == status
    assert reply.getheader("X-Content-Type-Options") == "nosniff"
    assert "default-src 'none'" in reply.getheader("Content-Security-Policy")


def test_object_that_cannot_be_read_yet_is_taken_in_later(portal, tmp_path):
    made = portal.put([text_part("Hello\r\n")])
    path = portal.objects / made["id"]
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")  # not followed: an I/O error
    portal.forget()
    portal.add(made)
    # what is announced behind it is there
    portal.put([text_part("Hello\r\n")])
    assert not [t for t in portal.told if made["id"] in t]
    (tmp_path / "elsewhere").rename(path)
    portal.wait_for(f"object-have {made['id']}")


def test_idle_connections_do_not_hold_up_the_end(tmp_path, page):
    portal = Portal(tmp_path, page, stop_ms=PATIENCE * 1000)
    idle = [http.client.HTTPConnection("127.0.0.1", portal.port)
            for _ in range(5)]
    for c in idle:
        c.request("GET", "/frame")
        c.getresponse().read()
    start = time.monotonic()
    assert portal.stop() == 0
    assert time.monotonic() - start < PATIENCE / 2


def test_index_is_rebuilt_and_expiry_is_kept(tmp_path, page):
    portal = Portal(tmp_path, page)
    kept = portal.put([text_part("kept\r\n")])
    assert portal.stop() == 0
    short = portal.make([text_part("short\r\n")], expires_in=2)
    for path in portal.index.iterdir():
        path.unlink()
    portal = Portal(tmp_path, page)
    assert portal.open(kept["id"], kept["proof"]).status == 200
    portal.wait_for(f"object-expired {short['id']}")
    assert portal.open(short["id"], short["proof"]).status == 404
    assert not (portal.objects / short["id"]).exists()
    assert (portal.objects / kept["id"]).exists()
    assert portal.stop() == 0


# --- TLS

def test_tls_is_1_2_or_better_and_says_so(tmp_path, page, certificate):
    portal = Portal(tmp_path, page, tls=certificate)
    made = portal.put([text_part("over TLS\r\n")])
    out = run_node(page / "open-link.mjs", made["url"],
                   env={"NODE_EXTRA_CA_CERTS": certificate[0]})
    assert out.endswith("\nover TLS\n")
    reply = portal.ask("GET", "/m/" + made["id"])
    assert reply.getheader("Strict-Transport-Security") == "max-age=31536000"
    for args, works in ((["-tls1_3"], True), (["-tls1_2"], True),
                        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
                        (["-tls1_2", "-cipher", "AES256-GCM-SHA384"], False),
                        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384"], False)):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{portal.port}",
             *args], input=b"", capture_output=True, timeout=PATIENCE)
        assert (done.returncode == 0) == works, (args, done.stderr)
    assert portal.stop() == 0
