# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""A domain of somebody else's, partner.example: its zone, its mail server, the
web server of its MTA-STS policy, and a CA that both are certified by."""
import hashlib
import http.server
import pathlib
import ssl
import threading

from capture import Capture
from harness import run
from peers import Knot

DOMAIN = "partner.example"
POLICY = "version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: %d\r\n"


def tlsa(cert, usage=3):
    """The data of a TLSA record for the key of a certificate."""
    pub = run("openssl", "x509", "-in", cert, "-noout", "-pubkey").stdout
    spki = run("openssl", "pkey", "-pubin", "-outform", "DER", input=pub).stdout
    return "%d 1 1 %s" % (usage, hashlib.sha256(spki).hexdigest())


class Authority:
    """A CA, and certificates by it."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.file = self.root / "ca.pem"
        run("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-keyout", self.root / "ca.key", "-out", self.file,
            "-days", "30", "-subj", "/CN=Test CA")
        self.file.chmod(0o644)

    def issue(self, *names, days=20):
        """(certificate, key) files; a negative number of days: it is over."""
        stem = self.root / names[0]
        run("openssl", "req", "-nodes", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-keyout", "%s.key" % stem, "-out",
            "%s.csr" % stem, "-subj", "/CN=%s" % names[0])
        ext = pathlib.Path("%s.ext" % stem)
        ext.write_text("subjectAltName=%s\n" % ",".join("DNS:" + n for n in names))
        run("openssl", "x509", "-req", "-in", "%s.csr" % stem, "-CA", self.file, "-CAkey",
            self.root / "ca.key", "-CAcreateserial", "-days", days, "-extfile", ext,
            "-out", "%s.pem" % stem)
        return "%s.pem" % stem, "%s.key" % stem


class Web:
    """Answers every request as self.answer says: (status, type, octets, headers);
    None: not at all. Counts the requests."""

    def __init__(self, cert, answer):
        self.answer = answer
        self.requests = []
        self.posts = []  # (path, headers, octets), each answered with receipt
        self.receipt = 201
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.requests.append(self.path)
                if web.answer is None:
                    self.close_connection = True
                    return
                status, kind, body, more = web.answer
                self.send_response(status)
                if kind:
                    self.send_header("Content-Type", kind)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                web.posts.append((self.path, dict(self.headers), self.rfile.read(
                    int(self.headers["Content-Length"]))))
                self.send_response(web.receipt)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*cert)
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def policy(mode="enforce", mx="mx." + DOMAIN, max_age=86400):
    return 200, "text/plain", (POLICY % (mode, mx, max_age)).encode(), {}


class MailDomain:
    """records: more of the zone, with {port} for that of the mail server, {web} for
    that of the web server and {tlsa} for what its certificate matches. sts: the
    id that the zone announces, None: none."""

    def __init__(self, root, ca, names=(DOMAIN,), records="", sts=None, answer=None,
                 **options):
        self.ca = ca
        self.cert = ca.issue(*names) if names else None
        if self.cert:
            options.setdefault("tls", self.cert)
        self.peer = Capture(**options).start()
        self.sts = sts
        self.records = records.replace("{port}", str(self.peer.port))
        if self.cert:
            self.records = self.records.replace("{tlsa}", tlsa(self.cert[0]))
        self.web = Web(ca.issue("mta-sts." + DOMAIN), answer)
        self.knot = Knot(pathlib.Path(root) / "knot", {DOMAIN: self.zone()}).start()
        self.anchors = self.knot.anchors(pathlib.Path(root) / "anchors")
        self.anchors.chmod(0o644)

    def zone(self):
        text = ("@ MX 10 mx\nmx A 127.0.0.1\nmta-sts A 127.0.0.1\n"
                + self.records.replace("{web}", str(self.web.port)))
        if self.sts:
            text += '_mta-sts TXT "v=STSv1; id=%s;"\n' % self.sts
        return text

    def options(self, proven=False):
        """What a gateway must be told to meet this domain and no other."""
        return ('resolver = "127.0.0.1:%d"\ndnssec-anchors = %s\ntls-anchors = "%s"\n'
                % (self.knot.port, '"%s"' % self.anchors if proven else "none",
                   self.ca.file))

    def sections(self):
        return ('discovery { allow = { "127.0.0.0/8" } ca-file = "%s" timeout = 1min }\n'
                'discovery mta-sts { port = %d timeout = 1min }\n'
                % (self.ca.file, self.web.port))

    def stop(self):
        self.peer.stop()
        self.web.stop()
        self.knot.stop()
