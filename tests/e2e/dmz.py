# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""A gateway and its portal on another machine: two instances that know each other
by their certificates, and between them a wire that can be cut."""
import base64
import json
import os
import pathlib
import shutil
import socket
import ssl
import struct
import tempfile
import threading
import time

import pytest

from capture import Capture
from escrow import Link, text_of
from harness import PATIENCE, USERS_BASE, Gateway, free_port, message, run, wait_for
from pickup import run_node

HERE = pathlib.Path(__file__).resolve().parent
SENDER, CAROL = "sam@sender.example", "carol@partner.example"
OWN = "own@partner.example"
RULES = '''
rule "inside" { to = "@sender.example" try = { clear } }
rule "coded" { to = "coded@partner.example" try = { escrow } second-factor = code }
rule "own" { to = "own@partner.example" try = { escrow } second-factor = account }
rule "default" { try = { escrow } }
'''
CANARY = "Kanarienvogel im Grubenschacht"


def certificate(root, name):
    """(certificate, key, fingerprint) of a machine."""
    crt, key = root / (name + ".crt"), root / (name + ".key")
    run("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-keyout", key, "-out", crt, "-days", "30",
        "-subj", "/CN=" + name)
    done = run("openssl", "x509", "-in", crt, "-noout", "-fingerprint", "-sha256")
    return crt, key, done.stdout.decode().split("=")[1].strip().replace(":", "").lower()


class Wire:
    """Goes between the two, counts what passes, and can be cut."""

    def __init__(self, port):
        self.to = port
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.cut = False
        self.calls = 0
        self.drops = 0
        self.open = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            self.calls += 1
            with self.lock:
                drops, to = self.drops, self.to
            if self.cut:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", to))
            except OSError:
                near.close()
                continue
            with self.lock:
                # not one more that was begun before all were dropped
                good = drops == self.drops
                self.open += [near, far] if good else []
            if not good:
                near.close()
                far.close()
                continue
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        try:
            while True:
                octets = a.recv(65536)
                if not octets:
                    break
                b.sendall(octets)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def drop(self, to=None):
        """End all connections; those to come lead to another port."""
        with self.lock:
            self.to = to or self.to
            self.drops += 1
            ended, self.open = self.open, []
        for s in ended:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def break_off(self):
        self.cut = True
        self.drop()

    def mend(self):
        self.cut = False

    def close(self):
        self.server.close()
        self.drop()


# frames of docs/format-dmz.md
(HELLO, PING, OBJECT, DATA, NOTED, ANSWER_GET, ANSWER_TAKEN, WANT, HAVE, EVENT, ANSWER,
 ANSWER_DATA) = (1, 2, 16, 17, 19, 20, 21, 32, 33, 36, 37, 38)


def octets(b):
    return struct.pack(">I", len(b)) + b


class Impostor:
    """Has the certificate of the portal in the DMZ and says what it likes, to the
    gateway that the wire leads to it."""

    def __init__(self, wire, own, instance=b"impostor........"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*own[:2])
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(PATIENCE)
        self.wire, self.back = wire, wire.to
        wire.drop(server.getsockname()[1])
        raw, _ = server.accept()
        server.close()
        raw.settimeout(PATIENCE)
        self.s = context.wrap_socket(raw, server_side=True)
        self.rest = b""
        self.say(HELLO, struct.pack(">IQQ", 1, int(time.time()), 0) + instance)
        assert self.hear(HELLO)

    def say(self, kind, payload=b""):
        self.s.sendall(struct.pack(">IB", 1 + len(payload), kind) + payload)

    def event(self, number, kind, payload):
        self.say(EVENT, struct.pack(">QI", number, kind) + octets(payload))

    def frame(self):
        """The next one; None when the gateway has hung up."""
        while True:
            if len(self.rest) >= 4:
                size = struct.unpack(">I", self.rest[:4])[0]
                if len(self.rest) >= 4 + size:
                    frame, self.rest = self.rest[4:4 + size], self.rest[4 + size:]
                    return frame[0], frame[1:]
            try:
                more = self.s.recv(65536)
            except (ssl.SSLError, ConnectionError):
                return None
            if not more:
                return None
            self.rest += more

    def hear(self, kind):
        """The payload of the next frame of this kind; others are passed over, but an
        object is said to be there."""
        while True:
            frame = self.frame()
            if frame is None or frame[0] == kind:
                return frame and frame[1]
            if frame[0] == OBJECT:
                self.say(HAVE, frame[1][16:32])

    def is_cut(self):
        return self.hear(-1) is None

    def close(self):
        self.s.close()
        self.wire.drop(self.back)


class Dmz(Gateway):
    """The portal; `peer` is the fingerprint of its gateway."""

    def __init__(self, root, own, peer, options="", section=""):
        self.own, self.peer, self.section, self.limits = own, peer, section, ""
        self.link_port = free_port()
        super().__init__(root, 0, options=options)
        # a supervisor and one process, started as the unit does it
        self.wrap = ["sh", "-c", 'exec "$@" --role portal', "sh"]

    def write_conf(self, rules=None, inbound=None, portal=True, options="", listen="",
                   limits="", retry=""):
        text = 'hostname = "post.sender.example"\nstate = "%s"\n' % self.state
        if os.geteuid() == 0:
            text += "users = %d\n" % USERS_BASE
        text += options
        text += ('portal { address = "127.0.0.1:%d" url = "http://127.0.0.1:%d" page = "%s" %s }\n'
                 % (self.portal_port, self.portal_port, self.page(), self.section))
        text += ('portal gateway { address = "127.0.0.1:%d" tls-cert = "%s" tls-key = "%s"'
                 ' peer = "%s" }\n' % (self.link_port, self.own[0], self.own[1], self.peer))
        if self.limits:
            text += "limits { %s }\n" % self.limits
        self.conf.write_text(text)


class Inside(Gateway):
    """The gateway, with the wire to its portal."""

    def __init__(self, root, out_port, url_port, at, own, peer, **options):
        self.url_port, self.at, self.own, self.peer = url_port, at, own, peer
        super().__init__(root, out_port, **options)

    def write_conf(self, *args, **options):
        super().write_conf(*args, **options)
        text = self.conf.read_text().replace(
            'portal { address = "127.0.0.1:%d" url = "http://127.0.0.1:%d"'
            % (self.portal_port, self.portal_port),
            'portal { url = "http://127.0.0.1:%d"' % self.url_port)
        self.conf.write_text(text + 'portal dmz { at = "127.0.0.1:%d" tls-cert = "%s"'
                             ' tls-key = "%s" peer = "%s" }\n'
                             % (self.at, self.own[0], self.own[1], self.peer))


class Pair:
    def __init__(self, root):
        self.root = root
        self.out, self.back = Capture().start(), Capture().start()
        self.a, self.b = certificate(root, "inside"), certificate(root, "outside")
        self.stranger = certificate(root, "stranger")
        self.dmz = Dmz(root / "dmz", self.b, self.a[2])
        self.wire = Wire(self.dmz.link_port)
        self.gateway = Inside(
            root / "gw", self.out.port, self.dmz.portal_port, self.wire.port, self.a, self.b[2],
            rules=RULES, inbound=self.back.port, listen_in="",
            portal="answer-size = 1M", retry="first = 1s")
        for path in (self.a[1], self.b[1]):
            path.chmod(0o600)
        self.dmz.start()
        self.gateway.start()

    def close(self):
        for what in (self.gateway, self.dmz, self.wire):
            what.close()
        self.out.stop()
        self.back.stop()

    def mails(self, rcpt):
        return [m for m in self.out.messages + self.back.messages if rcpt in m.rcpts]

    def notices(self, rcpt):
        """Of these, those with a link: other mail comes when it comes."""
        return [m for m in self.mails(rcpt) if "/m/" in text_of(m.data)]

    def send(self, rcpt=CAROL, body=CANARY, wait=True):
        before = len(self.notices(rcpt))
        self.gateway.send(SENDER, rcpt, message(to=rcpt, body=body + "\r\n"))
        if wait:
            wait_for("the notice", lambda: len(self.notices(rcpt)) > before)
            return Link(self.notices(rcpt)[-1].data)
        return None

    def object(self, link):
        return {o["object"]: o for o in self.gateway.cli_json("escrow", "list")}[link.id]

    def records(self, kind, link):
        return [r["rec"] for r in self.gateway.audit()
                if r["rec"]["type"] == kind and r["rec"].get("object") == link.id]

    def seal(self, link, text):
        done = json.loads(run_node(HERE / "seal_answer.mjs", str(self.dmz.page()), link.url,
                                   stdin=text.decode()))
        return base64.b64decode(done["sealed"])


@pytest.fixture(scope="module")
def pair():
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge."))
    root.chmod(0o755)
    p = Pair(root)
    yield p
    try:
        p.close()
    finally:
        print("--- gateway\n%s\n--- portal\n%s" % (p.gateway.log(), p.dmz.log()))
        shutil.rmtree(root, ignore_errors=True)
