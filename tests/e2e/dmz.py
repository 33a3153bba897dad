# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""A gateway and its portal on another machine: two instances that know each other
by their certificates, and between them a wire that can be cut."""
import os
import socket
import threading

from harness import USERS_BASE, Gateway, free_port, run


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
        self.open = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            self.calls += 1
            if self.cut:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                near.close()
                continue
            self.open += [near, far]
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

    def drop(self):
        for s in self.open:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open = []

    def break_off(self):
        self.cut = True
        self.drop()

    def mend(self):
        self.cut = False

    def close(self):
        self.server.close()
        self.drop()


class Dmz(Gateway):
    """The portal; `peer` is the fingerprint of its gateway."""

    def __init__(self, root, own, peer, options="", section=""):
        self.own, self.peer, self.section = own, peer, section
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
