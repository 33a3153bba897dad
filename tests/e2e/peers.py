# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Real servers for the tests, from Debian packages that are unpacked into
build/peers (packaging/unpack-peers) and never installed. Where one wants fixed
paths or users it runs in a mount namespace of its own. Everything is stopped
by pid."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import BUILD, PATIENCE, TOP, Problem, free_port, run, wait_for

PEERS = BUILD / "peers"


def unpacked(package):
    """The directory of an unpacked package."""
    root = PEERS / package
    if not (root / ".unpacked").exists():
        run("sh", TOP / "packaging/unpack-peers", PEERS, package)
    return root


def port_is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def stop(proc, seconds=PATIENCE):
    """End a process that was started here."""
    if proc is None or proc.poll() is not None:
        return
    proc.send_signal(signal.SIGTERM)
    try:
        proc.wait(seconds)
    except subprocess.TimeoutExpired:
        proc.kill()
        proc.wait()


def certificate(root, name="localhost"):
    """A self-signed certificate: (certificate, key) files."""
    crt, key = pathlib.Path(root) / "tls.crt", pathlib.Path(root) / "tls.key"
    run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", key,
        "-out", crt, "-days", "30", "-subj", "/CN=" + name,
        "-addext", "subjectAltName=DNS:%s,IP:127.0.0.1" % name)
    return crt, key


def smtp_source(*args):
    """Postfix's load generator, to its end."""
    root = unpacked("postfix")
    return run(root / "usr/sbin/smtp-source", *args,
               env=dict(os.environ, LD_LIBRARY_PATH=str(root / "usr/lib/postfix")))


class Sink:
    """Postfix's smtp-sink: takes everything and counts."""

    def __init__(self, *options):
        self.root = unpacked("postfix")
        self.port = free_port()
        self.options = options
        self.proc = None

    def start(self):
        args = [self.root / "usr/sbin/smtp-sink", *self.options]
        if os.geteuid() == 0:
            args += ["-u", "nobody"]
        args += ["127.0.0.1:%d" % self.port, "200"]
        env = dict(os.environ, LD_LIBRARY_PATH=str(self.root / "usr/lib/postfix"))
        self.proc = subprocess.Popen([str(a) for a in args], env=env,
                                     stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
        wait_for("smtp-sink", lambda: port_is_open(self.port))
        return self

    def stop(self):
        stop(self.proc)


MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = {usr}/etc/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.example
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtp_dns_support_level = disabled
smtp_host_lookup = native
maillog_file = {root}/log
maillog_file_prefixes = {root}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
{next_hop}
{more}
"""

# A private /usr with Postfix in it, users that it wants, and master in the
# foreground under the pid that was started.
ENTER = """\
set -eu
mount -t overlay overlay -o "lowerdir=$1/usr:/usr" /usr
cp /etc/passwd "$2/passwd"
cp /etc/group "$2/group"
grep -q '^postfix:' "$2/passwd" ||
	echo 'postfix:x:64005:64005::/nonexistent:/bin/false' >>"$2/passwd"
grep -q '^postfix:' "$2/group" || echo 'postfix:x:64005:' >>"$2/group"
grep -q '^postdrop:' "$2/group" || echo 'postdrop:x:64006:' >>"$2/group"
mount --bind "$2/passwd" /etc/passwd
mount --bind "$2/group" /etc/group
[ -z "$3" ] || mount --bind "$3" /etc/resolv.conf
export MAIL_CONFIG="$2/etc"
mkdir -p "$2/queue" "$2/data"
chown 64005 "$2/data"
/usr/sbin/postfix -c "$2/etc" check >"$2/check" 2>&1
exec /usr/lib/postfix/sbin/master -c "$2/etc" -d >>"$2/check" 2>&1
"""


class Postfix:
    """A real Postfix that relays everything to 127.0.0.1:next_hop, or throws it
    away; more and services are text for its main.cf and master.cf, resolver is
    its resolv.conf."""

    def __init__(self, next_hop=None, more="", tls=False, services="", resolver=""):
        self.usr = unpacked("postfix")
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="sgp."))
        self.root.chmod(0o755)
        self.port = free_port()
        self.resolver = resolver
        self.proc = None
        (self.root / "etc").mkdir()
        if tls:
            crt, key = certificate(self.root)
            more += ("\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s"
                     "\nsmtpd_tls_key_file = %s\n" % (crt, key))
        hop = ("relayhost = [127.0.0.1]:%d" % next_hop if next_hop
               else "default_transport = discard")
        (self.root / "etc/main.cf").write_text(
            MAIN_CF.format(root=self.root, usr=self.usr, next_hop=hop,
                           more=more))
        (self.root / "etc/master.cf").write_text(
            MASTER_CF.format(port=self.port) + services)

    def start(self):
        self.proc = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", ENTER, "sh",
             str(self.usr), str(self.root), str(self.resolver)],
            stdin=subprocess.DEVNULL)
        try:
            wait_for("Postfix", self.is_up)
        except Problem as p:
            self.proc.kill()
            raise Problem("%s\n%s" % (p, self.said()))
        return self

    def is_up(self):
        """By its own word, which comes when all its ports are open. Who connects
        before has smtpd log, to a socket that holds ten lines and is read by a
        process that master has yet to start: full, it stops master for good."""
        if self.proc.poll() is not None:
            raise Problem("Postfix has ended\n" + self.said())
        return "daemon started" in self.log()

    def said(self):
        return "".join(p.read_text(errors="replace") for p in
                       (self.root / "check", self.root / "log") if p.exists())

    def log(self):
        path = self.root / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self):
        stop(self.proc)
        time.sleep(0.1)
        shutil.rmtree(self.root, ignore_errors=True)


# A private /usr with a server in it, users that it wants, and room for what it
# writes at fixed places.
HOUSE = """\
set -eu
usr=$1 root=$2 users=$3 places=$4
shift 4
mount -t overlay overlay -o "lowerdir=$usr/usr:/usr" /usr
cp /etc/passwd "$root/passwd"
cp /etc/group "$root/group"
id=64010
for user in $users; do
	grep -q "^$user:" "$root/passwd" ||
		echo "$user:x:$id:$id::/nonexistent:/bin/false" >>"$root/passwd"
	grep -q "^$user:" "$root/group" || echo "$user:x:$id:" >>"$root/group"
	id=$((id + 1))
done
mount --bind "$root/passwd" /etc/passwd
mount --bind "$root/group" /etc/group
for place in $places; do
	mount -t tmpfs -o mode=0755 tmpfs "$place"
done
exec "$@"
"""


class Housed:
    """A server in a mount namespace of its own; what it says is in root/log."""

    package = users = places = ""

    def __init__(self):
        self.usr = unpacked(self.package)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="sgp."))
        self.root.chmod(0o755)
        self.port = free_port()
        self.proc = None
        self.configure()

    def start(self):
        with open(self.root / "log", "ab") as log:
            self.proc = subprocess.Popen(
                ["unshare", "-m", "--propagation", "private", "sh", "-c", HOUSE, "sh",
                 str(self.usr), str(self.root), self.users, self.places,
                 *[str(a) for a in self.command()]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(self.package, self.is_up)
        except Problem as p:
            self.proc.kill()
            raise Problem("%s\n%s" % (p, self.log()))
        return self

    def is_up(self):
        if self.proc.poll() is not None:
            raise Problem("%s has ended\n%s" % (self.package, self.log()))
        return port_is_open(self.port)

    def log(self):
        return "".join(p.read_text(errors="replace")
                       for p in sorted(self.root.rglob("*log*")) if p.is_file())

    def stop(self):
        stop(self.proc)
        time.sleep(0.1)
        shutil.rmtree(self.root, ignore_errors=True)


class Exim(Housed):
    """Relays everything to 127.0.0.1:next_hop."""

    package, users = "exim4-daemon-light", "Debian-exim"

    def __init__(self, next_hop):
        self.next_hop = next_hop
        super().__init__()

    def configure(self):
        (self.root / "spool").mkdir()
        (self.root / "spool").chmod(0o777)
        self.conf = pathlib.Path("/dev/shm") / (self.root.name + ".exim")
        self.conf.write_text("""\
primary_hostname = exim.example
spool_directory = %s/spool
log_file_path = %s/spool/log-%%s
keep_environment =
daemon_smtp_ports = %d
local_interfaces = 127.0.0.1
exim_user = Debian-exim
exim_group = Debian-exim
acl_smtp_rcpt = accept
chunking_advertise_hosts = *
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
queue_run_in_order = true
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = on
begin transports
on:
  driver = smtp
  port = %d
  hosts_try_fastopen =
begin retry
* * F,1h,1s
""" % (self.root, self.root, self.port, self.next_hop))
        self.conf.chmod(0o644)

    def command(self):
        # the queue is run often, for what could not go at once
        return ["/usr/sbin/exim4", "-C", self.conf, "-bdf", "-q2s"]

    def stop(self):
        super().stop()
        self.conf.unlink(missing_ok=True)


class OpenSMTPD(Housed):
    """Relays everything to 127.0.0.1:next_hop."""

    package, users = "opensmtpd", "opensmtpd opensmtpq"
    places = "/var/lib /var/spool /run"

    def __init__(self, next_hop):
        self.next_hop = next_hop
        super().__init__()

    def configure(self):
        self.conf = self.root / "smtpd.conf"
        self.conf.write_text("""\
listen on 127.0.0.1 port %d hostname opensmtpd.example
action "on" relay host "smtp://127.0.0.1:%d"
match from any for any action "on"
""" % (self.port, self.next_hop))

    def command(self):
        # what its package makes
        return ["sh", "-c", "mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd;"
                " chmod 711 /var/spool/smtpd; exec /usr/sbin/smtpd -d -f \"$1\"",
                "sh", self.conf]


class DovecotLmtp(Housed):
    """Keeps what it is given in root/mail/USER/new."""

    package, users = "dovecot-lmtpd", "dovecot dovenull vmail"

    def configure(self):
        mail = self.root / "mail"
        mail.mkdir()
        mail.chmod(0o777)
        (self.root / "base").mkdir()
        self.conf = self.root / "dovecot.conf"
        self.conf.write_text("""\
protocols = lmtp
base_dir = %s/base
listen = 127.0.0.1
log_path = %s/dovecot.log
ssl = no
mail_location = maildir:%s/%%n
first_valid_uid = 1
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=%s/%%n
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = %d
  }
}
""" % (self.root, self.root, mail, mail, self.port))

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", self.conf]

    def messages(self, user):
        return [p.read_bytes() for p in sorted((self.root / "mail" / user / "new").glob("*"))]


KNOT_CONF = """\
server:
  rundir: "{root}"
  listen: 127.0.0.1@{port}
database:
  storage: "{root}/db"
log:
  - target: stderr
    any: error
policy:
  - id: p
    algorithm: ecdsap256sha256
    single-type-signing: on
    reproducible-signing: on
template:
  - id: default
    storage: "{root}/zones"
    zonefile-sync: -1
    journal-content: none
    dnssec-signing: on
    dnssec-policy: p
zone:
{zones}"""


class Knot:
    """knotd on loopback. zones: {"partner.example": records below it as text};
    they are signed. The DS record of each is a trust anchor."""

    def __init__(self, root, zones):
        self.dir = unpacked("knot")
        self.root = pathlib.Path(root)
        self.port = free_port()
        self.zones = zones
        self.proc = None
        libs = [str(p) for p in self.dir.glob("usr/lib/*-linux-gnu")]
        self.env = dict(os.environ, LD_LIBRARY_PATH=":".join(libs))
        (self.root / "zones").mkdir(parents=True)
        (self.root / "db").mkdir()
        for zone in zones:
            self.write(zone)
        self.conf = self.root / "knot.conf"
        self.conf.write_text(KNOT_CONF.format(
            root=self.root, port=self.port,
            zones="".join("  - domain: %s\n" % z for z in zones)))

    def write(self, zone):
        (self.root / "zones" / (zone + ".zone")).write_text(
            "$ORIGIN %s.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n"
            "@ NS ns\nns A 127.0.0.1\n%s\n" % (zone, self.zones[zone]))

    def start(self):
        self.proc = subprocess.Popen(
            [str(self.dir / "usr/sbin/knotd"), "-c", str(self.conf)],
            env=self.env, stdin=subprocess.DEVNULL,
            stdout=open(self.root / "log", "ab"), stderr=subprocess.STDOUT)
        wait_for("knotd", lambda: port_is_open(self.port))
        for zone in self.zones:
            wait_for("keys of " + zone, lambda z=zone: self.ds(z))
        return self

    def ds(self, zone):
        """DS records of the zone, one a line; empty while there is no key."""
        done = subprocess.run(
            [str(self.dir / "usr/sbin/keymgr"), "-c", str(self.conf), zone, "ds"],
            env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""

    def anchors(self, path):
        """Write the trust anchors of all zones to a file."""
        pathlib.Path(path).write_text("".join(self.ds(z) for z in self.zones))
        return path

    def stop(self):
        stop(self.proc)


UNBOUND_CONF = """\
server:
    interface: {address}@{port}
    do-ip6: no
    use-syslog: no
    username: ""
    chroot: ""
    directory: "{root}"
    pidfile: "{root}/pid"
    do-not-query-localhost: no
    module-config: "validator iterator"
    trust-anchor-file: "{anchors}"
remote-control:
    control-enable: no
"""


class Unbound:
    """A resolver that validates. zones: {"partner.example": the Knot that has it};
    anchors: a file of trust anchors."""

    def __init__(self, root, zones, anchors, address="127.0.0.1", port=None):
        self.dir = unpacked("unbound")
        self.root = pathlib.Path(root)
        self.root.mkdir(parents=True)
        self.address, self.port = address, port or free_port()
        self.proc = None
        (self.root / "conf").write_text(UNBOUND_CONF.format(
            root=self.root, address=self.address, port=self.port, anchors=anchors)
            + "".join("stub-zone:\n    name: %s\n    stub-addr: 127.0.0.1@%d\n"
                      % (zone, knot.port) for zone, knot in zones.items()))

    def start(self):
        libs = [str(p) for p in self.dir.glob("usr/lib/*-linux-gnu")]
        self.proc = subprocess.Popen(
            [str(self.dir / "usr/sbin/unbound"), "-d", "-p", "-c", str(self.root / "conf")],
            env=dict(os.environ, LD_LIBRARY_PATH=":".join(libs)), stdin=subprocess.DEVNULL,
            stdout=open(self.root / "log", "ab"), stderr=subprocess.STDOUT)

        def up():
            if self.proc.poll() is not None:
                raise Problem("unbound has ended\n" + (self.root / "log").read_text())
            with socket.socket() as s:
                return s.connect_ex((self.address, self.port)) == 0

        wait_for("unbound", up)
        return self

    def stop(self):
        stop(self.proc)
