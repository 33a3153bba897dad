# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""An SMTP or LMTP server that keeps what it is sent, octet for octet, and
misbehaves on request: replies are overridden per verb, connections dropped or
left hanging, STARTTLS offered with a test certificate."""
import contextlib
import re
import socket
import ssl
import threading
import time

from harness import PATIENCE

DROP = "drop"  # close the connection instead of replying
HANG = "hang"  # never reply

EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN",
              "ENHANCEDSTATUSCODES", "SIZE 104857600")


class Message:
    """One message as it was accepted."""

    def __init__(self, session):
        self.session = session
        self.mail_from = None
        self.mail_params = ""
        self.rcpts = []
        self.rcpt_params = []
        self.data = b""
        self.chunked = False
        self.tls = session.tls
        self.at = None


class Session:
    """One connection: every octet that arrived, before and after STARTTLS."""

    def __init__(self):
        self.plain = bytearray()  # grows in place
        self.secret = bytearray()
        self.tls = None
        self.helo = None
        self.lines = []


class Capture:
    """verbs: {"RCPT": (550, "5.1.1 no"), "DATA": DROP, ".": HANG, ...}; a value
    may be a list, used up one by one, or a function of the line. Names are those
    of the verbs, "CONNECT" for the greeting and "." for the end of a message."""

    def __init__(self, tls=None, extensions=EXTENSIONS, verbs=None, lmtp=False,
                 port=0, keep=True, address="127.0.0.1"):
        self.tls = tls
        self.extensions = list(extensions)
        self.verbs = dict(verbs or {})
        self.lmtp = lmtp
        self.keep = keep
        self.messages = []
        self.sessions = []
        self.changed = threading.Condition()
        self.open = set()
        self.stopping = False
        self.listener = socket.create_server((address, port), backlog=128)
        self.port = self.listener.getsockname()[1]

    def start(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def stop(self):
        self.stopping = True
        # wakes accept(), which close() alone does not
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.changed:
            for sock in list(self.open):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def wait(self, n=1, seconds=PATIENCE):
        """The messages, once there are n of them."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.messages) >= n, seconds):
                raise AssertionError("%d messages arrived in %.0f s, not %d" % (
                    len(self.messages), seconds, n))
            return list(self.messages)

    def wait_sessions(self, n=1, seconds=PATIENCE):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.sessions) >= n, seconds)
            return list(self.sessions)

    def hung_up(self, seconds=PATIENCE):
        """Nobody is connected any more: all that was sent has arrived."""
        with self.changed:
            assert self.changed.wait_for(lambda: not self.open, seconds)

    def everything(self):
        """All octets that ever arrived."""
        return b"".join(s.plain + s.secret for s in self.sessions)

    def in_clear(self):
        """All octets that arrived outside of TLS."""
        return b"".join(bytes(s.plain) for s in self.sessions)

    # --- serving

    def accept(self):
        while not self.stopping:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        session = Session()
        with self.changed:
            self.sessions.append(session)
            self.open.add(sock)
            self.changed.notify_all()
        try:
            Dialogue(self, session, sock).run()
        except (OSError, ssl.SSLError, EOFError):
            pass
        finally:
            with self.changed:
                self.open.discard(sock)
                self.changed.notify_all()
            sock.close()

    def took(self, message):
        message.at = time.time()
        with self.changed:
            if self.keep:
                self.messages.append(message)
            self.changed.notify_all()

    def behaviour(self, verb, line):
        with self.changed:
            b = self.verbs.get(verb)
            if isinstance(b, list):
                b = b.pop(0) if b else None
        return b(line) if callable(b) else b


class Dialogue:
    def __init__(self, server, session, sock):
        self.server = server
        self.session = session
        self.sock = sock
        self.buffer = b""
        self.message = Message(session)
        self.chunks = []  # of BDAT

    # --- octets

    def fill(self):
        got = self.sock.recv(65536)
        if not got:
            raise EOFError
        if self.session.tls:
            self.session.secret += got if self.server.keep else b""
        else:
            self.session.plain += got if self.server.keep else b""
        self.buffer += got

    def line(self):
        while b"\n" not in self.buffer:
            self.fill()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def octets(self, n):
        parts, have = [], 0
        while have < n:
            if not self.buffer:
                self.fill()
            take = self.buffer[:n - have]
            self.buffer = self.buffer[len(take):]
            parts.append(take)
            have += len(take)
        return b"".join(parts)

    # --- the dialogue

    def answer(self, verb, line, code, text, first=None):
        """Reply as told, or with code and text. True if the reply was positive;
        first is called before such a one, and nobody sees what it did until the
        reply is on its way."""
        b = self.server.behaviour(verb, line)
        if b == DROP:
            raise EOFError
        if b == HANG:
            while True:
                self.fill()
        if b is not None and not isinstance(b, bytes):
            code, text = b
        good = b[:1] in (b"2", b"3") if isinstance(b, bytes) else code < 400
        reply = b if isinstance(b, bytes) else b"%d %s\r\n" % (code, text.encode())
        with self.server.changed if first else contextlib.nullcontext():
            if good and first:
                first()
            self.sock.sendall(reply)
        return good

    def run(self):
        if not self.answer("CONNECT", b"", 220, "capture.example ESMTP"):
            return
        while True:
            line = self.line()
            self.session.lines.append(line)
            verb = line.split(b" ")[0].upper().decode("ascii", "replace")
            handler = getattr(self, "do_" + verb.lower(), None)
            if handler is None:
                self.answer(verb, line, 500, "5.5.2 what?")
            elif handler(line) == "end":
                return

    def do_ehlo(self, line):
        self.session.helo = line
        self.message = Message(self.session)
        b = self.server.behaviour("EHLO", line)
        if b is not None:
            if b == DROP:
                raise EOFError
            self.sock.sendall(b if isinstance(b, bytes) else
                              ("%d %s\r\n" % b).encode())
            return
        words = ["capture.example"] + self.server.extensions
        if self.server.tls and not self.session.tls:
            words.append("STARTTLS")
        self.sock.sendall("".join("250%s%s\r\n" % (
            " " if i == len(words) - 1 else "-", w)
            for i, w in enumerate(words)).encode())

    do_lhlo = do_ehlo

    def do_helo(self, line):
        self.session.helo = line
        self.answer("HELO", line, 250, "capture.example")

    def do_starttls(self, line):
        if not self.answer("STARTTLS", line, 220, "2.0.0 go"):
            return
        if self.buffer:
            raise EOFError
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.server.tls)
        old = self.sock
        self.sock = context.wrap_socket(old, server_side=True)
        self.session.tls = "%s %s" % (self.sock.version(), self.sock.cipher()[0])
        self.message = Message(self.session)
        with self.server.changed:
            self.server.open.discard(old)
            self.server.open.add(self.sock)

    def do_mail(self, line):
        m = re.match(rb"MAIL FROM:<(.*?)>(.*)$", line, re.I)
        self.message = Message(self.session)
        self.chunks = []
        self.message.mail_from = m.group(1).decode()
        self.message.mail_params = m.group(2).decode().strip()
        self.answer("MAIL", line, 250, "2.1.0 ok")

    def do_rcpt(self, line):
        m = re.match(rb"RCPT TO:<(.*?)>(.*)$", line, re.I)
        if self.answer("RCPT", line, 250, "2.1.5 ok"):
            self.message.rcpts.append(m.group(1).decode())
            self.message.rcpt_params.append(m.group(2).decode().strip())

    def finish(self, line):
        """Who has read that it was taken finds it here."""
        taken, self.message = self.message, Message(self.session)

        def take():
            if taken.at is None:
                self.server.took(taken)

        for _ in taken.rcpts if self.server.lmtp else [None]:
            self.answer(".", line, 250, "2.0.0 taken", take)

    def do_data(self, line):
        if not self.message.rcpts:
            self.sock.sendall(b"503 5.5.1 no recipients\r\n")
            return
        if not self.answer("DATA", line, 354, "go on"):
            return
        while b"\r\n.\r\n" not in b"\r\n" + self.buffer:
            self.fill()
        data, _, self.buffer = (b"\r\n" + self.buffer).partition(b"\r\n.\r\n")
        self.message.data = (data + b"\r\n")[2:].replace(b"\r\n..", b"\r\n.")
        if self.message.data.startswith(b".."):
            self.message.data = self.message.data[1:]
        self.finish(line)

    def do_bdat(self, line):
        words = line.split()
        self.message.chunked = True
        self.chunks.append(self.octets(int(words[1])))
        if len(words) > 2 and words[2].upper() == b"LAST":
            self.message.data = b"".join(self.chunks)
            self.finish(line)
        else:
            self.answer("BDAT", line, 250, "2.0.0 more")

    def do_rset(self, line):
        self.message = Message(self.session)
        self.answer("RSET", line, 250, "2.0.0 ok")

    def do_noop(self, line):
        self.answer("NOOP", line, 250, "2.0.0 ok")

    def do_quit(self, line):
        self.answer("QUIT", line, 221, "2.0.0 bye")
        return "end"
