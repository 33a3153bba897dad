# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Servers that have keys of strangers, for the tests of discovery: name servers
with a signed root of their own, web servers behind a CA of the tests, a
directory. From Debian packages that are unpacked, never installed."""
import hashlib
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import urllib.parse
import urllib.request

from harness import PATIENCE, Problem, free_port, run, wait_for
from peers import port_is_open, stop, unpacked

ZBASE32 = "ybndrfg8ejkmcpqxot1uwisza345h769"


def zbase32(data):
    bits = int.from_bytes(data, "big") << (-len(data) * 8 % 5)
    n = (len(data) * 8 + 4) // 5
    return "".join(ZBASE32[bits >> 5 * (n - 1 - i) & 31] for i in range(n))


def wkd_hash(local):
    return zbase32(hashlib.sha1(local.lower().encode()).digest())


def dane_name(addr, label):
    local, domain = addr.split("@")
    return "%s.%s.%s." % (hashlib.sha256(local.encode()).hexdigest()[:56], label, domain)


def libraries(root):
    """The environment in which a program of an unpacked package runs."""
    paths = [root / "usr/lib/x86_64-linux-gnu", root / "usr/lib", root / "lib/x86_64-linux-gnu"]
    paths += sorted((root / "usr/lib").glob("*-linux-gnu*"))
    return dict(os.environ, LD_LIBRARY_PATH=":".join(str(p) for p in paths if p.is_dir()))


class Dir:
    """A throw-away directory that others may enter."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="sgd."))
        self.root.chmod(0o755)
        self.procs = []

    def spawn(self, *args, **kwargs):
        log = open(self.root / "log", "ab")
        proc = subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log, **kwargs)
        log.close()
        self.procs.append(proc)
        return proc

    def said(self):
        path = self.root / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def await_port(self, what, port):
        def up():
            if self.procs[-1].poll() is not None:
                raise Problem("%s has ended\n%s" % (what, self.said()))
            return port_is_open(port)
        try:
            wait_for(what, up)
        except Problem as p:
            raise Problem("%s\n%s" % (p, self.said()))

    def stop(self):
        for proc in self.procs:
            stop(proc)
        shutil.rmtree(self.root, ignore_errors=True)


class CA:
    """A CA that vouches for names of the tests."""

    def __init__(self, root, name="Test CA"):
        self.root = pathlib.Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.crt, self.key = self.root / "ca.crt", self.root / "ca.key"
        run("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-keyout", self.key, "-out", self.crt,
            "-days", "30", "-subj", "/CN=" + name)

    def server(self, *names):
        """Certificate and key for these names or addresses."""
        base = self.root / hashlib.sha1(",".join(names).encode()).hexdigest()[:12]
        crt, key, csr = base.with_suffix(".crt"), base.with_suffix(".key"), base.with_suffix(".csr")
        run("openssl", "req", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-keyout", key, "-out", csr, "-subj", "/CN=server")
        ext = base.with_suffix(".ext")
        ext.write_text("subjectAltName=" + ",".join(
            ("IP:" if n[0].isdigit() or ":" in n else "DNS:") + n for n in names))
        run("openssl", "x509", "-req", "-in", csr, "-CA", self.crt, "-CAkey", self.key,
            "-CAcreateserial", "-days", "30", "-extfile", ext, "-out", crt)
        key.chmod(0o644)
        return crt, key


class Names(Dir):
    """Knot with a root zone of its own, signed; behind an unbound that does not
    validate, so that the gateway has to. tamper: a function from the lines of
    the signed zone to those that are served."""

    KNOT = """\
server:
    listen: 127.0.0.1@{port}
    rundir: "{root}"
database:
    storage: "{root}/db"
log:
  - target: stderr
    any: warning
policy:
  - id: own
    algorithm: ecdsap256sha256
    single-type-signing: on
    manual: on
    nsec3: off
    rrsig-lifetime: 30d
    rrsig-refresh: 1d
zone:
  - domain: .
    storage: "{root}"
    file: "{file}"
    dnssec-policy: own
    semantic-checks: off
"""
    UNBOUND = """\
server:
    interface: 127.0.0.1
    port: {port}
    directory: "{root}"
    chroot: ""
    username: ""
    pidfile: "{root}/unbound.pid"
    use-syslog: no
    do-daemonize: no
    do-ip6: no
    do-not-query-localhost: no
    module-config: "{modules}"
    access-control: 127.0.0.0/8 allow
    cache-max-negative-ttl: 0
    cache-max-ttl: 0
{anchor}
stub-zone:
    name: "."
    stub-addr: 127.0.0.1@{knot}
remote-control:
    control-enable: no
"""

    def __init__(self, records, tamper=None, validating=False):
        super().__init__()
        self.knot, self.bound = unpacked("knot"), unpacked("unbound")
        self.utils = unpacked("knot-dnssecutils")
        self.knot_port, self.port = free_port(), free_port()
        self.anchor = self.root / "anchor"
        self.validating = validating
        zone = self.root / "root.zone"
        zone.write_text(". 60 SOA ns. root. 1 3600 600 86400 60\n. 60 NS ns.\n"
                        "ns. 60 A 127.0.0.1\n" + records)
        (self.root / "db").mkdir()
        self.conf = self.root / "knot.conf"
        self.conf.write_text(self.KNOT.format(port=self.knot_port, root=self.root, file=zone))
        # a key that was there long ago, to sign with as if it were then
        run(self.knot / "usr/sbin/keymgr", "-c", self.conf, ".", "generate",
            "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes",
            *("%s=20190101000000" % t for t in ("created", "publish", "ready", "active")),
            env=libraries(self.knot))
        self.sign(zone, tamper)

    def signed(self, zone, *options):
        out = pathlib.Path(tempfile.mkdtemp(dir=self.root))
        run(self.utils / "usr/bin/kzonesign", "-c", self.conf, "-o", out, *options, ".",
            env=libraries(self.utils))
        return sorted(out.iterdir())[0].read_text().splitlines()

    def sign(self, zone, tamper):
        lines = self.signed(zone)
        if tamper:
            lines = tamper(lines, self, zone)
        text = "\n".join(lines) + "\n"
        zone.with_suffix(".signed").write_text(text)
        keys = [l for l in lines if "\tDNSKEY\t" in l or " DNSKEY " in l]
        self.anchor.write_text(". IN DNSKEY " + keys[0].split("DNSKEY")[1].strip() + "\n")
        self.anchor.chmod(0o644)
        # what is served is what was signed, and nothing is signed again
        conf = self.conf.read_text().replace(str(zone), str(zone.with_suffix(".signed")))
        self.conf.write_text("\n".join(
            l for l in conf.splitlines() if "dnssec-policy" not in l) + "\n")

    def start(self):
        self.spawn(self.knot / "usr/sbin/knotd", "-c", self.conf, env=libraries(self.knot))
        self.await_port("knotd", self.knot_port)
        conf = self.root / "unbound.conf"
        conf.write_text(self.UNBOUND.format(
            port=self.port, root=self.root, knot=self.knot_port,
            modules="validator iterator" if self.validating else "iterator",
            anchor='    trust-anchor-file: "%s"' % self.anchor if self.validating else ""))
        self.spawn(self.bound / "usr/sbin/unbound", "-c", conf, "-d", env=libraries(self.bound))
        self.await_port("unbound", self.port)
        return self

    def options(self):
        """What a gateway's configuration says to use these."""
        return 'resolver = { "127.0.0.1:%d" }\ndnssec-anchors = "%s"\n' % (self.port, self.anchor)


class Turncoat:
    """A name server that says one address for a host at first and another ever
    after, each to be forgotten at once. Nothing of it is signed. It says so by TCP
    alone: by UDP the same question comes again when the answer takes its time."""

    def __init__(self, host, first, then):
        self.host, self.first, self.then = host.lower().rstrip("."), first, then
        self.asked = 0
        self.port = free_port()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def serve_udp(self):
        while True:
            try:
                question, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            end = question.index(b"\0", 12) + 5
            self.udp.sendto(question[:2] + b"\x86\0\0\1\0\0\0\0\0\0" + question[12:end], peer)

    def serve_tcp(self):
        while True:
            try:
                c, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(c,), daemon=True).start()

    def talk(self, c):
        with c, c.makefile("rb") as questions:
            while size := questions.read(2):
                answer = self.answer(questions.read(int.from_bytes(size, "big")))
                c.sendall(len(answer).to_bytes(2, "big") + answer)

    def answer(self, q):
        labels, at = [], 12
        while q[at]:
            labels.append(q[at + 1:at + 1 + q[at]].decode().lower())
            at += 1 + q[at]
        end = at + 5
        known = ".".join(labels) == self.host
        if not known or q[at + 1:at + 3] != b"\0\x01":
            return q[:2] + (b"\x84\0" if known else b"\x84\x03") + b"\0\1\0\0\0\0\0\0" + q[12:end]
        addr = self.then if self.asked else self.first
        self.asked += 1
        return (q[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + q[12:end] +
                b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(addr))

    def options(self):
        return 'resolver = { "127.0.0.1:%d" }\ndnssec-anchors = none\n' % self.port

    def stop(self):
        self.udp.close()
        self.tcp.close()


class Nginx(Dir):
    """nginx with HTTPS; sites: {names: text of its server block}."""

    CONF = """\
daemon off;
master_process off;
pid {root}/pid;
error_log {root}/log info;
events {{ }}
http {{
    access_log {root}/access combined;
    client_body_temp_path {root}/tmp; proxy_temp_path {root}/tmp;
    fastcgi_temp_path {root}/tmp; uwsgi_temp_path {root}/tmp; scgi_temp_path {root}/tmp;
{servers}
}}
"""

    def __init__(self, ca, sites, port=None):
        super().__init__()
        self.usr = unpacked("nginx-light")
        self.port = port or free_port()
        (self.root / "www").mkdir()
        text = ""
        for names, block in sites.items():
            crt, key = ca.server(*names)
            text += ("server {{ listen 127.0.0.1:{port} ssl; server_name {names};\n"
                     "ssl_certificate {crt}; ssl_certificate_key {key};\n"
                     "root {www}; {block} }}\n").format(
                         port=self.port, names=" ".join(names), crt=crt, key=key,
                         www=self.root / "www", block=block)
        (self.root / "conf").write_text(self.CONF.format(root=self.root, servers=text))

    def put(self, path, octets):
        at = self.root / "www" / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        whole = self.root / "new"  # nobody may get the half of it
        whole.write_bytes(octets)
        whole.replace(at)

    def put_wkd(self, addr, octets, advanced=True):
        local, domain = addr.split("@")
        self.put("/.well-known/openpgpkey/%shu/%s" % (
            domain + "/" if advanced else "", wkd_hash(local)), octets)

    def start(self):
        self.spawn(self.usr / "usr/sbin/nginx", "-p", self.root, "-c", self.root / "conf",
                   env=libraries(self.usr))
        self.await_port("nginx", self.port)
        return self

    def requests(self):
        path = self.root / "access"
        return path.read_text().splitlines() if path.exists() else []


class Sks(Dir):
    """The key server of Debian, behind an nginx that speaks TLS for it."""

    CONF = """\
hostname: localhost
hkp_address: 127.0.0.1
hkp_port: {port}
recon_address: 127.0.0.1
recon_port: {other}
"""

    def __init__(self, ca, name, keys):
        super().__init__()
        self.usr = unpacked("sks")
        self.http = free_port()
        self.nginx = Nginx(ca, {(name,): "location / { proxy_pass http://127.0.0.1:%d; }"
                                % self.http})
        self.port = self.nginx.port
        for d in ("var/log/sks", "var/lib/sks", "var/run/sks", "etc/sks"):
            (self.root / d).mkdir(parents=True)
        (self.root / "etc/sks/sksconf").write_text(
            self.CONF.format(port=self.http, other=free_port()))
        self.first = self.root / "keys.pgp"
        self.first.write_bytes(keys)

    def start(self):
        env, sks = libraries(self.usr), self.usr / "usr/sbin/sks"
        run(sks, "build", self.first, "-n", "1", "-basedir", ".", cwd=self.root, env=env)
        self.spawn(sks, "db", "-basedir", ".", cwd=self.root, env=env)
        self.await_port("sks", self.http)
        self.nginx.start()
        return self

    def add(self, armored):
        """As anybody may."""
        urllib.request.urlopen("http://127.0.0.1:%d/pks/add" % self.http, timeout=90,
                               data=urllib.parse.urlencode({"keytext": armored}).encode()).read()

    def down(self):
        stop(self.procs.pop())

    def stop(self):
        self.nginx.stop()
        super().stop()


class Rude:
    """An HTTPS server that does with each connection what a function says:
    answer(path, connection)."""

    def __init__(self, ca, names, answer):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*ca.server(*names))
        self.answer = answer
        self.seen = []
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.ended = False
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                raw, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(raw,), daemon=True).start()

    def talk(self, raw):
        raw.settimeout(PATIENCE)
        try:
            with self.context.wrap_socket(raw, server_side=True) as c:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = c.recv(4096)
                    if not piece:
                        return
                    head += piece
                path = head.split(b" ")[1].decode()
                self.seen.append((path, head))
                self.answer(path, c)
        except (OSError, ssl.SSLError):
            pass

    def stop(self):
        self.ended = True
        self.sock.close()


def reply(connection, status=200, body=b"", *fields):
    head = ["HTTP/1.1 %d X" % status, "Connection: close", "Content-Length: %d" % len(body)]
    connection.sendall("\r\n".join(head + list(fields)).encode() + b"\r\n\r\n" + body)


class Slapd(Dir):
    """OpenLDAP with an entry for each address: {addr: {attribute: [octets]}}."""

    CONF = """\
modulepath {usr}/usr/lib/ldap
moduleload back_mdb
include {usr}/etc/ldap/schema/core.schema
include {usr}/etc/ldap/schema/cosine.schema
include {usr}/etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.3401.8.2.11 NAME 'pgpKey'
    EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.3401.8.2.99 NAME 'pgpPerson' AUXILIARY MAY ( pgpKey ) )
pidfile {root}/pid
TLSCACertificateFile {ca}
TLSCertificateFile {crt}
TLSCertificateKeyFile {key}
database mdb
maxsize 10485760
suffix "dc=example"
directory {root}/db
"""
    GATEWAY = "cn=gateway,dc=example"

    def __init__(self, ca, names, entries, password=None):
        """password: of GATEWAY, and nobody else reads anything."""
        super().__init__()
        self.password = password
        self.usr = unpacked("slapd")
        self.port, self.tls_port = free_port(), free_port()
        (self.root / "db").mkdir()
        crt, key = ca.server(*names)
        self.conf = self.root / "slapd.conf"
        self.conf.write_text(self.CONF.format(usr=self.usr, root=self.root, ca=ca.crt,
                                              crt=crt, key=key) + (
            "access to * by users read by anonymous auth\n" if password
            else "access to * by * read\n"))
        self.ldif = self.root / "all.ldif"
        self.ldif.write_text(self.entries(entries))

    def entries(self, entries):
        import base64
        text = "dn: dc=example\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n\n"
        if self.password:
            text += ("dn: %s\nobjectClass: organizationalRole\nobjectClass: "
                     "simpleSecurityObject\ncn: gateway\nuserPassword: %s\n\n"
                     % (self.GATEWAY, self.password))
        for n, (addr, attrs) in enumerate(entries.items()):
            text += ("dn: cn=p%d,dc=example\nobjectClass: inetOrgPerson\n"
                     "objectClass: pgpPerson\ncn: p%d\nsn: p\nmail: %s\n" % (n, n, addr))
            for name, values in attrs.items():
                for v in values:
                    text += "%s:: %s\n" % (name, base64.b64encode(v).decode())
            text += "\n"
        return text

    def start(self):
        env = libraries(self.usr)
        run(self.usr / "usr/sbin/slapd", "-T", "add", "-f", self.conf, "-l", self.ldif, env=env)
        self.spawn(self.usr / "usr/sbin/slapd", "-d", "0", "-f", self.conf, "-h",
                   "ldap://127.0.0.1:%d ldaps://127.0.0.1:%d" % (self.port, self.tls_port), env=env)
        self.await_port("slapd", self.port)
        return self
