# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Mail servers that misbehave around STARTTLS, as data: where a level of TLS is
promised none of them hears a word of the message, of its envelope or of a login
in clear. All are called at once, each by a route of its own."""
import contextlib
import socket
import ssl
import threading
import warnings

from harness import message, wait_for
from mail_domain import Authority

SENDER = "sam@sender.example"
CANARY = "canary 0411 canary"
HELLO = b"250-mx\r\n250-PIPELINING\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n"
BARE = b"250-mx\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN\r\n"
GREETING = b"220 mx ESMTP\r\n"
CLOSE, RESET, TLS = object(), object(), object()

# name: what is said at the greeting and to each verb; a list is several steps.
# What is not written is as in GOOD.
GOOD = {"greeting": GREETING, "EHLO": HELLO, "HELO": b"250 mx\r\n",
        "STARTTLS": [b"220 go\r\n", TLS], "RSET": b"250 ok\r\n", "QUIT": b"221 bye\r\n"}


ODD = [
    ("nothing", [CLOSE]), ("a reset", [RESET]), ("421", [b"421 4.3.2 no\r\n", CLOSE]),
    ("354", b"354 go on\r\n"), ("450", b"450 4.7.0 later\r\n"),
    ("554", b"554 5.7.1 never\r\n"), ("garbage", [b"\x16\x03\x01\x00\x05hello\r\n", CLOSE]),
    ("no code", b"hello there\r\n"), ("a code too long", b"2200 hello\r\n"),
    ("two lines of two codes", b"250-a\r\n220 b\r\n"), ("NUL", [b"220 a\0b\r\n", CLOSE]),
    ("a line without end", [b"220 " + b"x" * 70000, CLOSE]),
    ("lines without end", [b"250-x\r\n" * 20000, CLOSE]),
]

CASES = []
CASES += [("greeting: " + n, {"greeting": r}) for n, r in ODD if n not in ("garbage",)]
CASES += [("greeting: and a reply to EHLO", {"greeting": GREETING + BARE}),
          ("greeting: and the whole of a session", {
              "greeting": GREETING + BARE + b"250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"}),
          ("greeting: TLS from the start", {"greeting": [TLS]})]
CASES += [("EHLO: " + n, {"EHLO": r}) for n, r in ODD]
CASES += [("EHLO: no STARTTLS", {"EHLO": BARE}),
          ("EHLO: STARTTLS cut off", {"EHLO": HELLO.replace(b"STARTTLS", b"STARTTL")}),
          ("EHLO: STARTTLS overwritten", {"EHLO": HELLO.replace(b"STARTTLS", b"XXXXXXXX")}),
          ("EHLO: unknown, and HELO is known", {"EHLO": b"500 5.5.2 what?\r\n"}),
          ("EHLO: unknown, and so is HELO", {"EHLO": b"502 no\r\n", "HELO": b"502 no\r\n"}),
          ("EHLO: and a reply to STARTTLS", {"EHLO": HELLO + b"220 go\r\n"}),
          ("EHLO: twice", {"EHLO": BARE + HELLO})]
CASES += [("STARTTLS: " + n, {"STARTTLS": r}) for n, r in ODD]
CASES += [("STARTTLS: 502", {"STARTTLS": b"502 5.5.1 not here\r\n"}),
          ("STARTTLS: 454", {"STARTTLS": b"454 4.7.0 not now\r\n"}),
          ("STARTTLS: a reply is injected", {"STARTTLS": [b"220 go\r\n250 ok\r\n", TLS]}),
          ("STARTTLS: EHLO's is", {"STARTTLS": [b"220 go\r\n" + BARE, TLS]}),
          ("STARTTLS: 220 and on in clear", {"STARTTLS": [b"220 go\r\n", BARE, b"250 ok\r\n"]}),
          ("STARTTLS: 220 and closed", {"STARTTLS": [b"220 go\r\n", CLOSE]}),
          ("STARTTLS: 220 and a reset", {"STARTTLS": [b"220 go\r\n", RESET]}),
          ("STARTTLS: 250 and on in clear", {"STARTTLS": b"250 ok\r\n"}),
          ("STARTTLS: another certificate", {"STARTTLS": [b"220 go\r\n", "other"]}),
          ("STARTTLS: an old protocol", {"STARTTLS": [b"220 go\r\n", "old"]})]


class Peer:
    """One case, on a port of its own."""

    def __init__(self, steps, contexts):
        self.steps = {**GOOD, **steps}
        self.contexts = contexts
        self.clear = bytearray()
        self.calls = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.calls += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        sock.settimeout(4)  # each may wait for the other one
        with contextlib.suppress(OSError, ssl.SSLError, EOFError):
            self.play(sock, "greeting")
            data = b""
            while True:
                got = sock.recv(4096)
                if not got:
                    break
                self.clear += got
                data += got
                while b"\n" in data:
                    line, data = data.split(b"\n", 1)
                    verb = line.split(b" ")[0].strip().decode("latin-1").upper()
                    self.play(sock, verb)
        sock.close()

    def play(self, sock, verb):
        steps = self.steps.get(verb, b"250 ok\r\n")
        for step in steps if isinstance(steps, list) else [steps]:
            if step is CLOSE:
                raise EOFError
            if step is RESET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                b"\1\0\0\0\0\0\0\0")
                raise EOFError
            if isinstance(step, bytes):
                sock.sendall(step)
            else:
                # what is said in there is another matter; the end of it is known
                kind = "good" if step is TLS else step
                self.contexts[kind].wrap_socket(sock, server_side=True)
                raise EOFError

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def context(cert, old=False):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(*cert)
    if old:
        c.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            c.minimum_version = ssl.TLSVersion.TLSv1
            c.maximum_version = ssl.TLSVersion.TLSv1_1
    return c


def test_none_of_them_hears_a_word(make_gateway, root, capture):
    ca = Authority(root / "ca")
    good = ca.issue("hub.example")
    contexts = {"good": context(good), "other": context(ca.issue("other.example")),
                "old": context(good, old=True)}
    assert len(CASES) >= 57 and len({n for n, _ in CASES}) == len(CASES)
    peers = [Peer(steps, contexts) for _, steps in CASES]
    try:
        g = make_gateway(capture.port, rules='rule "default" { try = { clear } }\n',
                         start=False, retry="first = 1s max = 2s",
                         options='tls-anchors = "%s"\n' % ca.file)
        g.conf.write_text(g.conf.read_text() + "".join(
            'route "c%d.example" { via = "127.0.0.1:%d" tls = verify'
            ' tls-names = "hub.example" }\n' % (i, p.port) for i, p in enumerate(peers)))
        g.start()
        rcpts = ["carol@c%d.example" % i for i in range(len(peers))]
        g.send(SENDER, rcpts, message(sender=SENDER, to=rcpts[0], body=CANARY + "\r\n"))

        def deferred():
            rows = [r["rec"] for r in g.audit() if r["rec"].get("type") == "deferred"]
            return {r["rcpt"] for r in rows} == set(rcpts)
        wait_for("every one to be tried", deferred)
        wait_for("every one to be called", lambda: all(p.calls for p in peers))
        for (name, _), p in zip(CASES, peers):
            lines = bytes(p.clear).upper()
            for word in (b"MAIL", b"RCPT", b"AUTH", b"DATA", b"BDAT", b"CANARY", b"CAROL"):
                assert word not in lines, "%s: %r" % (name, bytes(p.clear))
        (entry,) = {e["id"]: e for e in g.cli_json("queue", "list")}.values()
        assert entry["state"] == "queued"
        assert not [r for r in g.audit() if r["rec"].get("type") in ("sent", "bounced")]
    finally:
        for p in peers:
            p.stop()
