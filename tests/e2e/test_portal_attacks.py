# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The portal against who means harm: requests that two readers would read
differently, other sites, names that are not its own, ways out of its directory,
bombs of ranges, and the tools that hold connections. Each is refused, and others
are served meanwhile."""
import base64
import concurrent.futures
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from harness import PATIENCE, wait_for
from key_sources import Dir, libraries
from peers import free_port, unpacked
from pickup import Portal, file_part, needs_browser, raw, read_with_browser, text_part

ID = "A" * 22
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def portal(tmp_path_factory, page):
    p = Portal(tmp_path_factory.mktemp("portal"), page, request_ms=PATIENCE * 1000)
    yield p
    assert p.stop() == 0


@pytest.fixture(scope="module")
def letter(portal):
    return portal.put([text_part("Hello\r\n"), file_part(os.urandom(200_000))])


@pytest.fixture
def with_tls(tmp_path, page, certificate):
    """With TLS of its own nobody is a proxy."""
    made = []

    def make(**settings):
        made.append(Portal(tmp_path, page, tls=certificate, **settings))
        return made[0]
    yield make
    assert made[0].stop() == 0


# --- where does a request end?

NEXT = "GET /frame HTTP/1.1\r\nHost: {host}\r\n\r\n"  # what would be smuggled in
GET = "GET /frame HTTP/1.1\r\nHost: {host}\r\n"
POST = "POST /api/open HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
REPLY = ("POST /api/reply/" + ID + " HTTP/1.1\r\nHost: {host}\r\n"
         "Content-Type: application/octet-stream\r\n")
AMBIGUOUS = {
    "length and chunks": POST + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "chunks and length": POST + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
                                "5c\r\n" + NEXT,
    "chunks alone": POST + "Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n" + NEXT,
    "chunks that do not end": POST + "Transfer-Encoding: chunked\r\n\r\n400\r\n" + "x" * 1024,
    "a chunk with an extension": POST + "Transfer-Encoding: chunked\r\n\r\n2;a\n\r\n{{}}\r\n0\r\n\r\n",
    "chunks of an answer": REPLY + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT,
    "a coding that nobody knows": POST + "Transfer-Encoding: xchunked\r\n\r\n" + NEXT,
    "chunks and identity": POST + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + NEXT,
    "a coding behind a tab": POST + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + NEXT,
    "a coding on the next line": POST + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + NEXT,
    "a coding behind a bare line feed": POST + "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT,
    "two codings": POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + NEXT,
    "two lengths": POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n{{\"a\":1}}" + NEXT,
    "the same length twice": POST + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}" + NEXT,
    "two lengths in one": POST + "Content-Length: 2, 2\r\n\r\n{{}}" + NEXT,
    "a length less than nothing": POST + "Content-Length: -1\r\n\r\n" + NEXT,
    "a length with a sign": POST + "Content-Length: +2\r\n\r\n{{}}" + NEXT,
    "a length in hexadecimal": POST + "Content-Length: 0x2\r\n\r\n{{}}" + NEXT,
    "a length that is no number": POST + "Content-Length: two\r\n\r\n{{}}" + NEXT,
    "a length beyond all numbers": POST + "Content-Length: 99999999999999999999999\r\n\r\n{{}}",
    "a huge length": POST + "Content-Length: 999999999\r\n\r\n",
    "a body that is too large": POST + "Content-Length: 9999\r\n\r\n" + "x" * 9999,
    "a body where none belongs": GET + "Content-Length: 3\r\n\r\nabc" + NEXT,
    "chunks where none belong": GET + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT,
    "an answer without a length": REPLY + "\r\n" + NEXT,
    "two hosts": GET + "Host: x\r\n\r\n" + NEXT,
    "a host and who knows what": "GET /frame HTTP/1.1\r\nHost: {host}@elsewhere\r\n\r\n" + NEXT,
    "a host and a blank": "GET /frame HTTP/1.1\r\nHost: {host} elsewhere\r\n\r\n" + NEXT,
    "a host with a dot behind": "GET /frame HTTP/1.1\r\nHost: {host}.\r\n\r\n" + NEXT,
    "no host": "GET /frame HTTP/1.1\r\n\r\n" + NEXT,
    "an old version": "GET /frame HTTP/1.0\r\n\r\n",
    "an odd version": "GET /frame HTTP/3.7\r\nHost: {host}\r\n\r\n",
    "no version": "GET /frame\r\n\r\n",
    "another protocol": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an absolute address": "GET http://elsewhere/frame HTTP/1.1\r\nHost: {host}\r\n"
                           "Connection: close\r\n\r\n",
    "a proxy's method": "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a huge header": GET + "X: " + "y" * 60000 + "\r\n\r\n",
    "a huge address": "GET /" + "y" * 60000 + " HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "ten thousand headers": GET + "X: y\r\n" * 10000 + "\r\n",
    "octets of no kind": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + "\r\n\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_could_be_read_in_two_ways_is_refused(portal, name):
    text = AMBIGUOUS[name].format(host="127.0.0.1:%d" % portal.port)
    got, ended = portal.raw(text.encode("latin-1"))
    assert ended, got[:200]
    # refused, and no answer to what was smuggled in (the library may say
    # twice what it does not like)
    assert set(re.findall(rb"^HTTP/1\.1 (\d)", got, re.M)) <= {b"4", b"5"}, got
    assert portal.ask("GET", "/frame").status == 200


HARMLESS = {  # answered as the one request that they are
    "a header over two lines": GET + "X: y\r\n Content-Length: 100\r\n\r\n",
    "a carriage return alone": GET + "X: y\rContent-Length: 100\r\n\r\n",
    "an upgrade": GET + "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "a host that a proxy names": GET + "X-Forwarded-Host: elsewhere\r\nForwarded: host=x\r\n\r\n",
    "another method by header": GET + "X-HTTP-Method-Override: DELETE\r\n\r\n",
    "another address by header": GET + "X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\n\r\n",
}


def test_headers_that_mean_nothing_change_nothing(portal):
    host = "127.0.0.1:%d" % portal.port
    frame = portal.ask("GET", "/frame").text
    end = "GET /m/" + ID + " HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    for name, text in HARMLESS.items():
        got, ended = portal.raw((text + end).format(host=host).encode())
        first, second = re.split(rb"(?=^HTTP/1\.1 )", got, flags=re.M)[1:]
        assert ended and first.startswith(b"HTTP/1.1 200") and first.endswith(frame), name
        assert second.startswith(b"HTTP/1.1 200") and b"sealgate-brand" in second, name


class Front(Dir):
    """nginx before the portal, which keeps one connection to it for all."""

    CONF = """\
daemon off;
master_process off;
pid {root}/pid;
error_log {root}/log info;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {root}/tmp; proxy_temp_path {root}/tmp;
    fastcgi_temp_path {root}/tmp; uwsgi_temp_path {root}/tmp; scgi_temp_path {root}/tmp;
    upstream portal {{ server 127.0.0.1:{back}; keepalive 1; }}
    server {{ listen 127.0.0.1:{front};
        client_header_buffer_size 64k;
        large_client_header_buffers 4 128k;
        underscores_in_headers on;
        ignore_invalid_headers off;
        location / {{
            proxy_pass http://portal;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host 127.0.0.1:{back};
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }} }}
}}
"""

    def __init__(self, back):
        super().__init__()
        usr = unpacked("nginx-light")
        self.port = free_port()
        (self.root / "conf").write_text(
            self.CONF.format(root=self.root, front=self.port, back=back))
        self.spawn(usr / "usr/sbin/nginx", "-p", self.root, "-c", self.root / "conf",
                   env=libraries(usr))
        self.await_port("nginx", self.port)


@pytest.fixture(scope="module")
def front(portal):
    nginx = Front(portal.port)
    yield nginx
    nginx.stop()


def ask_front(front, path, source="127.0.0.1", more=""):
    with socket.create_connection(("127.0.0.1", front.port), timeout=PATIENCE,
                                  source_address=(source, 0)) as s:
        s.sendall(("GET %s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n"
                   % (path, more)).encode())
        got = b""
        while piece := s.recv(65536):
            got += piece
    return got


# the library takes the first for the end of the header
ODD_LINES = {
    "a header without a name": GET + ": x\r\n" + NEXT,
    "a header with a blank in its name": GET + "Content Length: 50\r\n\r\n",
    "a blank before the colon": POST + "Content-Length : 50\r\n\r\n",
    "a line without a colon": GET + "Content-Length\r\n\r\n",
    "a NUL": GET + "X: y\0\r\nContent-Length: 50\r\n\r\n",
}


def test_nobody_gets_the_answer_to_what_another_smuggled_in(portal, front):
    icon = portal.ask("GET", "/a/icon.svg").text
    for name, text in {**AMBIGUOUS, **HARMLESS, **ODD_LINES}.items():
        raw(front.port, (text.format(host="127.0.0.1:%d" % portal.port) + NEXT.format(
            host="x")).encode("latin-1"), seconds=0.2)
        for _ in range(2):
            got = ask_front(front, "/a/icon.svg")
            assert got.startswith(b"HTTP/1.1 200") and got.endswith(icon), name


# --- who asks?

FORWARDED = [  # what the client wrote, behind a proxy that adds "203.0.113.9"
    (["192.0.2.66, 203.0.113.9"], "203.0.113.9"),
    (["192.0.2.66", "203.0.113.9"], "203.0.113.9"),
    (["192.0.2.1, 192.0.2.2 ,\t203.0.113.9"], "203.0.113.9"),
    (["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
    (["::ffff:203.0.113.9"], "203.0.113.9"),
    (["2001:DB8:0:0::1"], "2001:db8::1"),
    (["203.0.113.10, nonsense"], "127.0.0.1"),
    (["203.0.113.10,"], "127.0.0.1"),
    (["203.0.113.10:80"], "127.0.0.1"),
    (["\"203.0.113.10\""], "127.0.0.1"),
    ([""], "127.0.0.1"),
    (["1" * 5000], "127.0.0.1"),
]


def opened_from(portal, made, headers, source="127.0.0.1"):
    """Whom the portal tells of as the client."""
    portal.forget()
    body = '{"id":"%s","proof":"%s"}' % (made["id"], made["proof"])
    text = "POST /api/open HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n" \
        "Content-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s" % (
            portal.port, len(body), "".join(h + "\r\n" for h in headers), body)
    with socket.create_connection(("127.0.0.1", portal.port), timeout=PATIENCE,
                                  source_address=(source, 0)) as s:
        if portal.tls:
            s = ssl.create_default_context(cafile=portal.tls[0]).wrap_socket(
                s, server_hostname="127.0.0.1")
        s.sendall(text.encode())
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
        s.close()
    return portal.wait_for("opened " + made["id"]).split()[2]


def test_a_proxy_is_believed_and_nobody_else(portal, letter, front, tmp_path, page):
    for lines, want in FORWARDED:
        headers = ["X-Forwarded-For: " + line for line in lines]
        assert opened_from(portal, letter, headers) == want, lines
    # what its client says of itself goes through the proxy and is not taken
    portal.forget()
    body = '{"id":"%s","proof":"%s"}' % (letter["id"], letter["proof"])
    with socket.create_connection(("127.0.0.1", front.port), timeout=PATIENCE,
                                  source_address=("127.0.0.9", 0)) as s:
        s.sendall(("POST /api/open HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n"
                   "X-Forwarded-For: 192.0.2.2\r\nX-Real-IP: 192.0.2.3\r\n"
                   "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                   % (len(body), body)).encode())
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
    assert portal.wait_for("opened ").split()[2] == "127.0.0.9"
    # where one is named it is that one alone
    named = Portal(tmp_path, page, proxy="127.0.0.7")
    made = named.put([text_part("Hello\r\n")])
    headers = ["X-Forwarded-For: 203.0.113.9"]
    assert opened_from(named, made, headers) == "127.0.0.1"
    assert opened_from(named, made, headers, source="127.0.0.7") == "203.0.113.9"
    assert named.stop() == 0


def test_with_tls_nobody_is_a_proxy(with_tls):
    portal = with_tls()
    made = portal.put([text_part("Hello\r\n")])
    headers = ["X-Forwarded-For: 203.0.113.9"]
    assert opened_from(portal, made, headers, source="127.0.0.5") == "127.0.0.5"


# --- other sites

FOREIGN = ["https://elsewhere.example", "null", "http://127.0.0.1", "https://127.0.0.1:PORT",
           "http://127.0.0.1:PORT.example", "http://127.0.0.1:PORT/", "http://x@127.0.0.1:PORT",
           "http://localhost:PORT", "file://"]


def test_other_sites_can_ask_for_nothing(portal, letter):
    body = '{"id":"%s","proof":"%s"}' % (letter["id"], letter["proof"])
    portal.forget()
    for origin in FOREIGN:
        origin = origin.replace("PORT", str(portal.port))
        for path in ("/api/open", "/api/code"):
            reply = portal.ask("POST", path, body, Origin=origin, **JSON)
            assert (reply.status, reply.getheader("Access-Control-Allow-Origin")) == (403, None)
        reply = portal.ask("POST", "/api/reply/" + letter["id"], b"x" * 100, Origin=origin,
                           **{"Content-Type": "application/octet-stream"})
        assert reply.status == 403
    # a form of another site needs no leave to send these
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert portal.ask("POST", "/api/open", body, **{"Content-Type": kind}).status == 415
    # and what needs leave gets none
    reply = portal.ask("OPTIONS", "/api/open", Origin="https://elsewhere.example",
                       **{"Access-Control-Request-Method": "POST"})
    assert reply.status == 405
    assert not [h for h in reply.getheaders() if h[0].startswith("Access-Control")]
    assert portal.opened() == []
    assert portal.ask("POST", "/api/open", body, Origin=portal.url, **JSON).status == 200


PLACES = ["/m/" + ID, "/frame", "/frame-images", "/a/view.js", "/nothing", "/api/open",
          "/api/object/" + ID]


def test_nothing_can_be_framed_or_kept(portal):
    for path in PLACES:
        reply = portal.ask("GET", path)
        policy = reply.getheader("Content-Security-Policy")
        if path.startswith("/frame"):
            assert "frame-ancestors 'self'" in policy, path
        else:
            assert reply.getheader("X-Frame-Options") == "DENY", path
            assert "frame-ancestors 'none'" in policy, path
        assert "script-src 'unsafe" not in policy and "form-action 'none'" in policy
        assert reply.getheader("Referrer-Policy") == "no-referrer"
        assert reply.getheader("X-Content-Type-Options") == "nosniff"
        assert reply.getheader("Cache-Control") == (
            "no-cache" if path.startswith("/a/") else "no-store"), path
        assert reply.getheader("Set-Cookie") is None
        assert reply.getheader("Server") is None


FRAMED = """(async url => {
  const frame = document.createElement('iframe');
  frame.src = url;
  const loaded = new Promise(resolve => { frame.onload = resolve; });
  document.body.append(frame);
  await loaded;
})"""


@needs_browser
def test_another_site_cannot_show_it_in_a_frame(portal, letter, witness, browser_modules):
    seen = read_with_browser(
        browser_modules, witness.url,
        [["evaluate", f"{FRAMED}('{portal.url}/m/{letter['id']}#{letter['link']}')"],
         ["evaluate", f"{FRAMED}('{portal.url}/frame')"], "frames"], alone=True)
    assert seen["frames"][1:] == ["chrome-error://chromewebdata/"] * 2


# --- ways out of the directory

WAYS = ["/a/../index.html", "/a/%2e%2e/view.js", "/a/..%2fview.js", "/a/%2e%2e%2fview.js",
        "/a/..\\view.js", "/a/....//view.js", "//a/view.js", "/a//view.js", "/a/./view.js",
        "/a/view.js/", "/a/view.js%00", "/a/view.js%00.css", "/A/view.js", "/a/VIEW.JS",
        "/m/../a/view.js", "//etc/passwd", "/../../../../etc/passwd", "/a/" + "../" * 60 + "etc/passwd",
        "/a/%c0%ae%c0%ae/view.js", "/a/node_modules/", "/a/lang", "/a/lang/", "/a/.npmrc",
        "/m/" + ID + "/../../a/view.js", "/frame/..", "/api/object/../../index/data.mdb",
        "/api/object/data.mdb", "/api/object/" + "%2e" * 22, "/api/object/", "/api/",
        "/.well-known/openpgpkey/../../data.mdb", "/.well-known/../../../etc/passwd",
        "/.well-known/openpgpkey/hu/../../../x", "/server-status", "/a/view.js;x", "/%"]


@pytest.mark.parametrize("way", WAYS)
def test_there_is_no_way_out(portal, way):
    got, _ = portal.raw(("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n"
                         % (way, portal.port)).encode())
    assert got.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ")), got[:100]


# --- ranges

def bombs(size):
    return ["bytes=0-1,2-3", "bytes=" + ",".join("0-" for _ in range(1000)),
            "bytes=" + ",".join("%d-%d" % (i, size) for i in range(1000)),
            "bytes=0-,0-,0-", "bytes=-1,-2", "bytes=5-0,5-1,5-2,5-3",
            f"bytes={size}-", "bytes=5-4", "bytes=-0", "bytes=-", "bytes=", "bytes=--1", "bytes=a-b",
            "bytes=0x0-0x5", "bytes=+0-1", "bytes=18446744073709551616-", "bytes=-1-2", "bytes 0-1",
            "octets=0-1", "bytes=0-1;2-3", "bytes=0 - 1", "bytes=1e1-2e1"]


def test_bombs_of_ranges_do_not_go_off(portal, letter):
    path = f"/api/object/{letter['id']}"
    proof = {"Authorization": f"Sealgate-Proof {letter['proof']}"}
    for spec in bombs(letter["size"]):
        reply = portal.ask("GET", path, Range=spec, **proof)
        assert (reply.status, len(reply.text) < 100) == (416, True), spec[:60]
    # one range is cut to what there is; of the rest of the page ranges mean nothing
    for spec, want in (("bytes=0-18446744073709551615", letter["size"]),
                       ("bytes=-18446744073709551615", letter["size"]), ("bytes=9-9", 1)):
        reply = portal.ask("GET", path, Range=spec, **proof)
        assert (reply.status, len(reply.text)) == (206, want), spec
    whole = portal.ask("GET", "/a/style.css")
    for spec in bombs(10):
        reply = portal.ask("GET", "/a/style.css", Range=spec)
        assert (reply.status, reply.text) == (200, whole.text)


# --- one after the other

def test_what_is_not_there_looks_like_what_is_kept_from_you(portal, letter):
    other = portal.put([text_part("x\r\n")])
    hidden = portal.put([text_part("x\r\n")], passphrase="right", factor=1)
    over = portal.put([text_part("x\r\n")], expires_in=1)
    wrong = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
    portal.wait_for("object-expired " + over["id"])

    def shown(object_id, proof):
        # each from another place: the brake is not what is looked at here
        where = {"X-Forwarded-For": "198.51.100.%d" % shown.n}
        shown.n += 1
        replies = [portal.open(object_id, proof, **where),
                   portal.ask("POST", "/api/code", '{"id":"%s","proof":"%s"}' % (
                       object_id, proof), **JSON, **where),
                   portal.ask("GET", "/api/object/" + object_id,
                              Authorization="Sealgate-Proof " + proof, **where),
                   portal.ask("HEAD", "/api/object/" + object_id,
                              Authorization="Sealgate-Proof " + proof, **where)]
        return [(r.status, r.text, [h for h in r.getheaders() if h[0] != "Date"])
                for r in replies]
    shown.n = 1
    unknown = shown(ID, wrong)
    assert [r[0] for r in unknown] == [404] * 4
    assert shown(letter["id"], wrong) == unknown
    assert shown(letter["id"], "") == unknown
    assert shown(other["id"], letter["proof"][:-1]) == unknown
    assert shown(other["id"], letter["proof"]) == unknown
    assert shown(hidden["id"], wrong) == unknown
    assert shown(over["id"], over["proof"]) == unknown
    assert shown("A" * 21, wrong)[0] == unknown[0]


# --- who holds connections

def dawdle(portal, begin, piece):
    """Seconds until the portal has had enough of who says a little now and then."""
    start = time.monotonic()
    context = ssl.create_default_context(cafile=portal.tls[0])
    try:
        with socket.create_connection(("127.0.0.1", portal.port), timeout=PATIENCE) as plain, \
                context.wrap_socket(plain, server_hostname="127.0.0.1") as s:
            s.sendall(begin)
            s.settimeout(0.2)
            while time.monotonic() - start < PATIENCE:
                try:
                    if s.recv(1000) == b"":
                        break
                except TimeoutError:
                    if piece:
                        s.sendall(piece)
    except OSError:
        pass
    return time.monotonic() - start


def test_who_is_slow_is_cut_off(with_tls):
    portal = with_tls(request_ms=2000)
    attempts = ((b"GET /frame HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n"),
                (b"POST /api/open HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                 b"Content-Length: 500\r\n\r\n" % portal.port, b"x"), (b"", b""))
    with concurrent.futures.ThreadPoolExecutor(len(attempts)) as pool:
        for seconds in pool.map(lambda a: dawdle(portal, *a), attempts):
            assert 1.5 < seconds < PATIENCE


def sockets_of(process):
    n = 0
    for fd in os.listdir("/proc/%d/fd" % process.pid):
        try:
            n += os.readlink("/proc/%d/fd/%s" % (process.pid, fd)).startswith("socket:")
        except OSError:
            pass
    return n


def test_one_client_does_not_take_all_the_places(tmp_path, page, certificate):
    portal = Portal(tmp_path, page, tls=certificate, per_client=10, connections=30,
                    request_ms=90000)
    before = sockets_of(portal.process)
    held = [socket.create_connection(("127.0.0.1", portal.port), timeout=PATIENCE) for _ in range(60)]
    try:
        wait_for("most to be closed", lambda: sum(is_closed(s) for s in held) >= 50)
        assert sum(is_closed(s) for s in held) == 50
        wait_for("those to be gone", lambda: sockets_of(portal.process) - before <= 10)
        assert sockets_of(portal.process) - before == 10
        assert portal.ask("GET", "/frame", source="127.0.0.2").status == 200
        # of a place that is given back somebody else has the use
        next(s for s in held if not is_closed(s)).close()
        wait_for("a place", lambda: can_ask(portal))
    finally:
        for s in held:
            s.close()
    assert portal.stop() == 0


def is_closed(s):
    s.setblocking(False)
    try:
        return s.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def can_ask(portal):
    try:
        return portal.ask("GET", "/frame").status == 200
    except OSError:
        return False


class Neighbour(threading.Thread):
    """Somebody else, who wants to be served all the while."""

    def __init__(self, portal):
        super().__init__(daemon=True)
        self.portal, self.over = portal, threading.Event()
        self.statuses, self.most = set(), 0

    def run(self):
        while not self.over.wait(0.1):
            try:
                status = self.portal.ask("GET", "/m/" + ID, source="127.0.0.2").status
            except OSError as e:
                status = repr(e)
            self.statuses.add(status)
            self.most = max(self.most, sockets_of(self.portal.process))


ATTACKS = {
    "slow headers": ["-H", "-u", "/m/" + ID],
    "slow body": ["-B", "-s", "900", "-f", "application/json", "-u", "/api/open"],
    "slow read": ["-X", "-n", "1", "-z", "1", "-w", "1", "-y", "2", "-k", "2",
                  "-u", "/a/style.css"],
    "ranges": ["-R", "-u", "/a/style.css"],
}


@pytest.mark.skipif(not os.path.exists("/usr/bin/slowhttptest"),
                    reason="slowhttptest is not installed")
def test_slowhttptest(with_tls, tmp_path):
    """All its kinds of attack at the same time, 200 connections; the limit for a
    client is 150."""
    portal = with_tls(request_ms=8000, per_client=150)
    base = "https://127.0.0.1:%d" % portal.port
    before = sockets_of(portal.process)
    neighbour = Neighbour(portal)
    neighbour.start()
    tools = {}
    for name, args in ATTACKS.items():
        args = args[:-1] + [base + args[-1]]
        tools[name] = subprocess.Popen(
            ["slowhttptest", "-c", "50", "-r", "50", "-i", "1", "-l", "90", "-p", "3", *args],
            stdin=subprocess.DEVNULL, stdout=open(tmp_path / name, "wb"),
            stderr=subprocess.STDOUT, cwd=tmp_path)
    # while the attackers still hold on, their connections are gone
    wait_for("the attack", lambda: neighbour.most - before > 30)
    wait_for("all of them to be cut off", lambda: sockets_of(portal.process) - before < 10)
    for tool in tools.values():
        tool.send_signal(signal.SIGINT)
        tool.wait(PATIENCE)
    neighbour.over.set()
    neighbour.join()
    assert neighbour.statuses == {200}
    assert neighbour.most - before <= 155
    for name in tools:
        said = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", (tmp_path / name).read_text(errors="replace"))
        assert "slow HTTP test status" in said, said[-500:]
