# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""A gateway in a throw-away directory on loopback ports, keys for its users,
and ways to look at its processes. Used by the end-to-end tests, the benchmark
and packaging/quickstart; everything started here is stopped by pid."""
import array
import atexit
import fcntl
import functools
import json
import os
import pathlib
import random
import shutil
import signal
import smtplib
import socket
import stat
import subprocess
import sys
import tempfile
import termios
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SEALGATE_BUILD", TOP / "build"))
SEALGATED = BUILD / "sealgated"
SEALGATE = BUILD / "sealgate"
USERS_BASE = 64200
# Seconds to wait for what must come. Nobody waits longer than it takes, so that
# this is for the slowest machine; only a failure costs them.
PATIENCE = 90.0


class Problem(Exception):
    """Something that was started does not behave."""


# Ports that are given out: below those that the system gives to whoever asks for
# any, and each to one process at a time. A name in the abstract name space says
# which are taken; it goes when its process does.
PORTS = range(10240, 32768)
_taken = {}


def free_port():
    """A port on loopback, for TCP and UDP, that nobody else is given."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind("\0sealgate-test-port-%d" % port)
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as s:
                    s.bind(("127.0.0.1", port))
        except OSError:
            name.close()
            continue
        _taken[port] = name
        return port


def release_port(port):
    """Others may be given it now."""
    _taken.pop(port).close()


def run(*args, **kwargs):
    """Run a program to its end; Problem with its output if it fails."""
    check = kwargs.pop("check", True)
    kwargs.setdefault("stdin", None if "input" in kwargs else subprocess.DEVNULL)
    if kwargs["stdin"] is None:
        del kwargs["stdin"]
    done = subprocess.run([str(a) for a in args], capture_output=True, **kwargs)
    if check and done.returncode != 0:
        raise Problem("%s: exit %d\n%s%s" % (
            " ".join(str(a) for a in args), done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace")))
    return done


def wait_for(what, condition, seconds=PATIENCE):
    """Poll until condition() is true and return what it returned. Less and less
    often: asking costs time, too, of which what is waited for has less then."""
    until, pause = time.monotonic() + seconds, 0.01
    while True:
        late = time.monotonic() >= until
        got = condition()
        if got:
            return got
        if late:
            raise Problem("waited %.0f s in vain for %s" % (seconds, what))
        time.sleep(pause)
        pause = min(pause * 1.3, 0.1)


def until_taken(send, *args):
    """Send until it is taken: a new certificate takes its time on a busy machine,
    and 451 says so."""
    def taken():
        try:
            send(*args)
        except smtplib.SMTPDataError as e:
            assert e.smtp_code == 451, e
            return False
        return True
    wait_for("the message to be taken", taken)


def all_heard(sock):
    """Wait until who listens on this machine has read all that was said to it on
    this connection, over TCP on IPv4."""
    def ends():
        host, port = sock.getsockname()
        there_host, there_port = sock.getpeername()
        names = ["%08X:%04X" % (int.from_bytes(socket.inet_aton(h), sys.byteorder), p)
                 for h, p in ((there_host, there_port), (host, port))]
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines():
            words = line.split()
            if words[1:3] == names:
                return int(words[4].partition(":")[2], 16) == 0
        return True  # nobody is there any more
    sent = array.array("i", [0])

    def arrived():
        fcntl.ioctl(sock, termios.TIOCOUTQ, sent)
        return sent[0] == 0
    wait_for("it to arrive", arrived)
    wait_for("it to be read", ends)


class Keys:
    """People: alice has a certificate, bob an OpenPGP key, carol nothing."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        # agent sockets want a short path
        self.gnupg = pathlib.Path(tempfile.mkdtemp(prefix="sgk.", dir="/dev/shm"))
        self.gnupg.chmod(0o700)

    def certificate(self, addr, name=None, key=("rsa:2048",), days=365):
        """A self-signed S/MIME certificate; returns (certificate, key) files."""
        name = name or addr.split("@")[0]
        crt, pem = self.root / (name + ".crt"), self.root / (name + ".key")
        args = ["openssl", "req", "-x509", "-nodes", "-newkey", *key,
                "-keyout", pem, "-out", crt, "-days", days,
                "-subj", "/CN=%s" % name,
                "-addext", "subjectAltName=email:%s" % addr,
                "-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyAgreement",
                "-addext", "extendedKeyUsage=emailProtection",
                "-addext", "basicConstraints=critical,CA:FALSE"]
        run(*args)
        return crt, pem

    def gpg(self, *args, **kwargs):
        return run("gpg", "--homedir", self.gnupg, "--batch", "--quiet",
                   "--no-autostart" if args[0] == "--export" else "--yes",
                   *args, **kwargs)

    def openpgp(self, addr, name=None, algo="default"):
        """An OpenPGP key; returns the file of its certificate (armored)."""
        name = name or addr.split("@")[0]
        self.gpg("--pinentry-mode", "loopback", "--passphrase", "",
                 "--quick-generate-key", "%s <%s>" % (name.title(), addr),
                 *(["future-default", "default", "never"] if algo == "default"
                   else [algo, "default", "never"]))
        out = self.root / (name + ".asc")
        out.write_bytes(self.gpg("--armor", "--export", addr).stdout)
        return out

    def open_smime(self, message, key):
        """What `openssl cms` makes of an S/MIME message."""
        return run("openssl", "cms", "-decrypt", "-inkey", key,
                   input=message).stdout

    def open_pgp(self, armor):
        return self.gpg("--decrypt", input=armor).stdout

    def close(self):
        run("gpgconf", "--homedir", self.gnupg, "--kill", "all", check=False)
        shutil.rmtree(self.gnupg, ignore_errors=True)


@functools.cache
def portal_page(build=BUILD):
    """The page that opens messages, complete with its modules from npm."""
    page = build / "gateway/portal/page"
    run("sh", TOP / "gateway/portal/page/fetch-modules", page)
    return page


@functools.cache
def open_page(build=BUILD):
    """The same for every user: started by root, the portal has one of its own, who
    may not reach a checkout below a home directory, and is given a copy."""
    if os.geteuid() != 0:
        return portal_page(build)
    top = pathlib.Path(tempfile.mkdtemp(prefix="sge-page."))
    atexit.register(shutil.rmtree, top, ignore_errors=True)
    top.chmod(0o755)
    return shutil.copytree(portal_page(build), top / "page")


class Gateway:
    """sealgated with a configuration of its own. listen_in: options of `listen
    inbound`, "" for none of them; without it there is no such section."""

    RULES = 'rule "default" { try = { smime, pgp, escrow } }\n'

    def __init__(self, root, out_port, rules=None, inbound=None, portal=True,
                 options="", listen="", limits="", retry="", build=None, tls=False,
                 listen_in=None):
        self.root = pathlib.Path(root)
        self.build = pathlib.Path(build or BUILD)
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        self.runtime = pathlib.Path(tempfile.mkdtemp(prefix="sgr.", dir="/dev/shm"))
        self.runtime.chmod(0o755)
        self.state = self.root / "state"
        self.ports = [free_port() for _ in range(3)]
        self.port, self.portal_port, self.in_port = self.ports
        self.listen_in = listen_in
        self.conf = self.root / "sealgate.conf"
        self.log_path = self.root / "log"
        self.proc = None
        self.wrap = []  # a command that runs sealgated, in the same process
        self.out_port = out_port
        self.tls_cert = None
        if tls:
            self.make_tls()
            listen += ' tls-cert = "%s" tls-key = "%s"' % self.tls_cert
        self.write_conf(rules, inbound, portal, options, listen, limits, retry)

    def make_tls(self):
        crt, key = self.root / "tls.crt", self.root / "tls.key"
        run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048",
            "-keyout", key, "-out", crt, "-days", "30", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        self.tls_cert = (str(crt), str(key))

    def write_conf(self, rules=None, inbound=None, portal=True, options="",
                   listen="", limits="", retry=""):
        users = "users = %d\n" % USERS_BASE if os.geteuid() == 0 else ""
        text = 'hostname = "gw.sender.example"\n'
        text += 'state = "%s"\nruntime = "%s"\n' % (self.state, self.runtime)
        text += 'master-key = "%s"\n' % (self.root / "master.key")
        text += users + options
        text += 'domains = { "sender.example" }\n'
        text += 'listen outbound { address = "127.0.0.1:%d" %s }\n' % (self.port, listen)
        text += 'relay outbound { via = "127.0.0.1:%d" }\n' % self.out_port
        if self.listen_in is not None:
            text += 'listen inbound { address = "127.0.0.1:%d" %s }\n' % (
                self.in_port, self.listen_in)
        if inbound:
            text += 'relay inbound { via = "127.0.0.1:%d" }\n' % inbound
        if portal:
            text += ('portal { address = "127.0.0.1:%d" url = "http://127.0.0.1:%d"'
                     ' page = "%s" %s }\n'
                     % (self.portal_port, self.portal_port, self.page(),
                        portal if isinstance(portal, str) else ""))
        if limits:
            text += "limits { %s }\n" % limits
        if retry:
            text += "retry { %s }\n" % retry
        self.conf.write_text(text + (self.RULES if rules is None else rules))

    def page(self):
        return open_page(self.build)

    def change_conf(self, old, new):
        """What stands there once, for who runs, too."""
        text = self.conf.read_text()
        assert text.count(old) == 1, old
        self.conf.write_text(text.replace(old, new))
        if self.proc is not None:
            self.cli("reload")

    # --- running

    def start(self, seconds=PATIENCE):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = str(self.runtime) + ".notify"
        notify.bind(path)
        os.chmod(path, 0o777)
        notify.settimeout(0.1)
        log = open(self.log_path, "ab")
        env = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": path}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        self.proc = subprocess.Popen([*self.wrap, str(self.build / "sealgated"), "-f", str(self.conf)],
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     env=env)
        log.close()
        try:
            self.await_ready(notify, seconds)
        finally:
            notify.close()
            os.unlink(path)
        return self

    def await_ready(self, notify, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.proc.poll() is not None:
                raise Problem("sealgated ended with %d:\n%s" % (
                    self.proc.returncode, self.log()))
            try:
                if b"READY=1" in notify.recv(4096):
                    return
            except socket.timeout:
                pass
        self.kill()
        raise Problem("sealgated is not ready:\n" + self.log())

    def stop(self, seconds=PATIENCE):
        """SIGTERM; returns the exit status."""
        if self.proc is None:
            return None
        self.proc.send_signal(signal.SIGTERM)
        try:
            rc = self.proc.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Problem("sealgated does not stop:\n" + self.log())
        self.proc = None
        return rc

    def kill(self):
        """SIGKILL to every process at once, as a power cut does."""
        # it starts no others from here on
        self.proc.send_signal(signal.SIGSTOP)
        wait_for("the supervisor to stand still", lambda: self.proc.poll() is not None
                 or state_of(self.proc.pid) in "tT")
        pids = [self.proc.pid] + [p for ps in self.pids().values() for p in ps]
        # and none of them sees another die
        for signo in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                try:
                    os.kill(pid, signo)
                except ProcessLookupError:
                    pass
        self.proc.wait()
        wait_for("the processes to go", lambda: not any(
            pathlib.Path("/proc/%d" % p).exists() and not is_zombie(p) for p in pids))
        self.proc = None

    def close(self):
        if self.proc is not None and self.proc.poll() is None:
            self.stop()
        shutil.rmtree(self.runtime, ignore_errors=True)
        while self.ports:
            release_port(self.ports.pop())

    def pids(self):
        """{role: [pid, ...]} of the running processes."""
        out = {}
        if self.proc is None:
            return out
        for child in children(self.proc.pid):
            args = cmdline(child)
            if "--role" in args:
                out.setdefault(args[args.index("--role") + 1], []).append(child)
        return out

    def log(self):
        """All whole lines of its log."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return text[:text.rfind("\n") + 1]

    # --- talking to it

    def cli(self, *args, check=True, **kwargs):
        return run(self.build / "sealgate", "-f", self.conf, *args, check=check, **kwargs)

    def cli_json(self, *args):
        return json.loads(self.cli("--json", *args).stdout)

    def send(self, sender, recipients, message, **options):
        """Hand in a message; raises what smtplib raises, returns refusals."""
        if isinstance(recipients, str):
            recipients = [recipients]
        with smtplib.SMTP("127.0.0.1", self.port, timeout=90) as s:
            s.ehlo("client.sender.example")
            return s.sendmail(sender, recipients, message, **options)

    def send_in(self, sender, recipients, message, **options):
        """The same by `listen inbound`, as a stranger does."""
        if isinstance(recipients, str):
            recipients = [recipients]
        with smtplib.SMTP("127.0.0.1", self.in_port, timeout=90) as s:
            s.ehlo("mx.partner.example")
            return s.sendmail(sender, recipients, message, **options)

    def audit(self):
        """All audit records, in order, but one that is just being written: a reader
        can see the beginning of a write (of two pages, for instance) without its end."""
        out = []
        for f in sorted((self.state / "audit").glob("*.jsonl")):
            whole, _, _ = f.read_bytes().rpartition(b"\n")
            out += [json.loads(line) for line in whole.split(b"\n") if line]
        return out


def octets_below(*tops):
    """(path, octets) of every file below directories that are in use: what goes
    meanwhile is left out."""
    for top in tops:
        for folder, _, names in os.walk(top):
            for path in (pathlib.Path(folder, name) for name in names):
                try:
                    if stat.S_ISREG(path.lstat().st_mode):
                        yield path, path.read_bytes()
                except FileNotFoundError:
                    pass


def children(pid):
    out = []
    for task in pathlib.Path("/proc/%d/task" % pid).glob("*/children"):
        try:
            out += [int(c) for c in task.read_text().split()]
        except OSError:
            pass
    return out


def cmdline(pid):
    try:
        return pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().decode().split("\0")
    except OSError:
        return []


def state_of(pid):
    """The letter of its state; of one that is gone as of one that is to be reaped."""
    try:
        text = pathlib.Path("/proc/%d/status" % pid).read_text()
    except OSError:
        return "Z"
    return text.partition("\nState:\t")[2][:1]


def is_zombie(pid):
    return state_of(pid) == "Z"


def opened_body(entity):
    """The text of an opened entity of one part as it was sent: without the
    legacy display element that header protection may put in front of it."""
    head, _, body = entity.partition(b"\r\n\r\n")
    if b'hp-legacy-display="1"' in head:
        body = body.partition(b"\r\n\r\n")[2]
    return body


def message(subject="A test", body="Hello.\r\n", sender="sam@sender.example",
            to="alice@partner.example", extra=""):
    """A small message as octets, CRLF line ends."""
    text = ("From: Sam <%s>\r\nTo: %s\r\nSubject: %s\r\n"
            "Date: Sat, 21 Nov 2026 09:00:00 +0000\r\n"
            "Message-ID: <t%d@sender.example>\r\n%s\r\n%s" %
            (sender, to, subject, time.monotonic_ns(), extra, body))
    return text.encode("utf-8")
