#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The AppArmor profile allows what the gateway does: each file that one of its
processes, or a program that one of them runs, opens, makes, locks, maps or runs
while mail goes both ways in every form is named by a rule. This machine's kernel
need not have AppArmor: strace looks, and the profile is read as its parser expands
it. What is elsewhere in a test than in a package is put into its place first."""
import os

import pytest

import apparmor
from capture import Capture
from dmz import CAROL, SENDER, Dmz, Inside, certificate
from escrow import Link
from harness import BUILD, SEALGATED, free_port, message, run, until_taken, wait_for
from peers import unpacked
from test_packaging import PROFILE

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root sees what processes that are not dumpable have open")
INTERNAL = ("/memfd:", "/dev/pts/", "anon_inode:", "socket:", "pipe:", "/SYSV")


@pytest.fixture(name="profile", scope="module")
def fixture_profile():
    home = unpacked("apparmor")
    done = run(home / "sbin/apparmor_parser", "--preprocess", "--base", home / "etc/apparmor.d",
               "--config-file", "/dev/null", PROFILE)
    made = apparmor.Profile(done.stdout.decode())
    assert len(made.rules) > 100
    return made


RULES = [  # (path, permissions, what is not given)
    ("/usr/sbin/sealgated", "rxm", ""),
    ("/usr/bin/gpg", "rx", ""),
    ("/usr/bin/python3", "x", "x"),
    ("/bin/sh", "x", "x"),
    ("/etc/sealgate/sealgate.conf", "rw", "w"),
    ("/etc/sealgate/", "r", ""),
    ("/etc/shadow", "r", "r"),
    ("/var/lib/sealgate/spool/data.mdb", "rwk", ""),
    ("/var/lib/sealgate/spool/data.mdb", "m", "m"),
    ("/var/lib/other/x", "r", "r"),
    ("/proc/123/status", "r", ""),
    ("/proc/123/environ", "r", "r"),
    ("/usr/lib/x86_64-linux-gnu/libssl.so.3", "rm", ""),
    ("/lib/x86_64-linux-gnu/libc.so.6", "rm", ""),
    ("/root/.ssh/id_rsa", "r", "r"),
    ("/run/systemd/notify", "w", ""),
]


def test_the_profile_is_read_as_it_is_meant(profile):
    for path, wanted, lacking in RULES:
        assert profile.lacks(path, wanted) == set(lacking), path


LINES = [
    ('openat(AT_FDCWD</a>, "x/y", O_RDONLY|O_CLOEXEC) = 3</b/y>', [("/b/y", "r")]),
    ('openat(5</a>, "y", O_RDWR|O_CREAT|O_EXCL, 0600) = 3</a/y>', [("/a/y", "rw")]),
    ('openat(5</a>, "y", O_WRONLY) = 3</a/y>', [("/a/y", "w")]),
    ('openat(5</a>, ".", O_RDONLY|O_PATH) = 3</a>', []),
    ('unlinkat(5</a>, "y", 0) = 0', [("/a/y", "w")]),
    ('renameat(5</a>, "x", 6</b>, "y") = 0', [("/a/x", "w"), ("/b/y", "w")]),
    ('rename("/a/x", "/a/y") = 0', [("/a/x", "w"), ("/a/y", "w")]),
    ('linkat(5</a>, "x", 5</a>, "y", 0) = 0', [("/a/y", "wl")]),
    ('execve("/usr/bin/gpg", ["gpg", "/x"], 0x7ff /* 3 vars */) = 0', [("/usr/bin/gpg", "rx")]),
    ('mmap(NULL, 10, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3</l/x.so>, 0) = 0x7f',
     [("/l/x.so", "m")]),
    ('mmap(NULL, 10, PROT_READ, MAP_SHARED, 3</l/x>, 0) = 0x7f', []),
    ('mmap(NULL, 10, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f', []),
    ('fcntl(3</a/x>, F_SETLK, {l_type=F_RDLCK}) = 0', [("/a/x", "k")]),
    ('fcntl(3</a/x>, F_GETFL) = 2', []),
    ('flock(3</a>, LOCK_EX|LOCK_NB) = 0', [("/a", "k")]),
    ('connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/r/s"}, 8) = 0', [("/r/s", "rw")]),
    ('connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(25)}, 8) = 0', []),
    ('bind(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/r/s"}, 8) = 0', [("/r/s", "w")]),
    ('+++ exited with 0 +++', []),
]


def test_what_strace_says_is_read_as_it_is_meant():
    for line, wanted in LINES:
        assert apparmor.needs(line) == wanted, line


CONF = """\
discovery { sources = { "wkd" } timeout = 1s }
resolver = { "127.0.0.1:%d" }
metrics { address = "127.0.0.1:%d" }
ca { }
"""
RULE = """\
rule "inside" { to = "@sender.example" try = { clear } }
rule "carol" { to = "carol@partner.example" try = { escrow } }
rule "default" { try = { smime, pgp, escrow } sign = if-possible auto-issue = true }
"""


def places(gw, state="/var/lib/sealgate"):
    """[(where it is here, where a package has it)], the longest first."""
    names = [(SEALGATED, "/usr/sbin/sealgated"), (gw.page(), "/usr/share/sealgate/portal"),
             (BUILD, "/usr/share/sealgate"), (gw.state, state),
             ("%s.notify" % gw.runtime, "/run/systemd/notify"), (gw.runtime, "/run/sealgate"),
             (gw.root, "/etc/sealgate"), ("/proc/self/exe", "/usr/sbin/sealgated")]
    return sorted(((str(a), b) for a, b in names), key=lambda n: -len(n[0]))


def packaged(path, names):
    for here, there in names:
        if path == here or path.startswith(here + "/"):
            return there + path[len(here):]
    return path


def refused(profile, trace, names):
    """{path: what the profile does not give}"""
    out = {}
    for f in trace.glob("t.*"):
        for line in f.read_text(errors="replace").splitlines():
            for path, wanted in apparmor.needs(line):
                path = packaged(path, names)
                # what cannot be named by a rule: of no file system that is mounted
                if path.startswith(INTERNAL) or path.endswith(" (deleted)"):
                    continue
                # a directory has a slash at its end there, and none here
                lacking = profile.lacks(path, wanted) & profile.lacks(path + "/", wanted)
                if lacking:
                    out.setdefault(path, set()).update(lacking)
    return out


def work(gw, capture, back, keys):
    """A day of mail."""
    gw.cli("ca", "init")
    gw.cli("key", "import", keys.alice_crt, keys.bob_asc)
    made = gw.cli_json("key", "generate", "--kind", "openpgp", "sam@sender.example")["key"]["fingerprint"]
    for rcpt in ("alice", "bob", "carol"):
        to = rcpt + "@partner.example"
        until_taken(gw.send, "sam@sender.example", to, message(to=to, body="x\r\n" * 200000))
    got = {m.rcpts[0].partition("@")[0]: m.data for m in capture.wait(3)}
    assert b"pkcs7" in got["alice"] and b"BEGIN PGP" in got["bob"]
    assert Link(got["carol"]).open().status == 200
    own = gw.root / "own.asc"
    own.write_bytes(gw.cli("key", "export", made).stdout)
    sealed = keys.gpg("--armor", "--trust-model", "always", "--encrypt", "--recipient-file", own,
                      input=b"Content-Type: text/plain\r\n\r\nHello.\r\n").stdout
    to = "sam@sender.example"
    kind = 'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n'
    body = ("--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\n"
            "Content-Type: application/octet-stream\r\n\r\n%s\r\n--b--\r\n"
            % sealed.decode().replace("\n", "\r\n"))
    until_taken(gw.send_in, "eve@partner.example", [to], message(
        sender="eve@partner.example", to=to, extra="MIME-Version: 1.0\r\n" + kind, body=body))
    wait_for("what was opened", lambda: [m for m in back.messages if b"\r\nHello." in m.data])
    gw.cli("reload")
    gw.cli("audit", "verify")
    gw.cli("status", check=False)


def watched(trace):
    """What runs a program and leaves in a directory what it did."""
    trace.mkdir()
    return [*apparmor.arguments(), "-o", str(trace / "t")]


@needs_root
def test_it_allows_what_the_gateway_does(profile, make_gateway, capture, keys, root):
    back = Capture().start()
    try:
        gw = make_gateway(
            capture.port, start=False, rules=RULE, inbound=back.port, listen_in="", tls=True,
            listen='may-sign = { "127.0.0.0/8" }', options=CONF % (free_port(), free_port()))
        trace = root / "trace"
        gw.wrap = watched(trace)
        gw.start()
        names = places(gw)
        work(gw, capture, back, keys)
        assert gw.stop() == 0
    finally:
        back.stop()
    roles = sum("--role" in f.read_text(errors="replace") for f in trace.glob("t.*"))
    assert roles >= 10, "strace followed them"
    assert refused(profile, trace, names) == {}
    # and a profile that forgets something is found out
    for gone in ("/var/lib/sealgate/spool/data.mdb", "/usr/bin/gpg-agent",
                 "/etc/sealgate/sealgate.conf", "/run/systemd/notify"):
        less = apparmor.Profile("")
        less.rules = [r for r in profile.rules if not r[1].match(gone)]
        assert gone in refused(less, trace, names), gone


@needs_root
def test_it_allows_what_a_portal_in_a_dmz_does(profile, capture, root):
    ours, theirs = certificate(root, "inside"), certificate(root, "outside")
    portal = Dmz(root / "dmz", theirs, ours[2])
    gateway = Inside(root / "gw", capture.port, portal.portal_port, portal.link_port, ours,
                     theirs[2], rules='rule "default" { try = { escrow } }\n')
    for key in (ours[1], theirs[1]):
        key.chmod(0o600)
    trace = root / "trace"
    portal.wrap += watched(trace)
    try:
        portal.start()
        gateway.start()
        gateway.send(SENDER, CAROL, message(to=CAROL))
        link = Link(capture.wait(1)[0].data)
        assert link.open().status == 200
        wait_for("what it told", lambda: [r for r in gateway.audit()
                                          if r["rec"]["type"] == "viewed"])
        assert portal.stop() == 0
    finally:
        gateway.close()
        portal.close()
    names = places(portal, "/var/lib/sealgate-portal") + [(str(root), "/etc/sealgate")]
    assert refused(profile, trace, names) == {}
    less = apparmor.Profile("")
    less.rules = [r for r in profile.rules if not r[1].match("/var/lib/sealgate-portal/escrow/x")]
    assert any(p.startswith("/var/lib/sealgate-portal/escrow/") for p in refused(
        less, trace, names))
