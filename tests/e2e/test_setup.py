#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The first run: `sealgate setup` writes what is right or nothing, `sealgate
doctor` says what is wrong and what to do."""
import json
import os
import pty
import subprocess

import pytest

from harness import SEALGATE, SEALGATED, message, run
from peers import Knot

MAIN_CF = """\
# myhostname = old.example.com
myhostname = gw.sender.example
mydomain = sender.example
relayhost = [smtp.provider.example]:587
"""
NAMES = ("--hostname", "gw.sender.example", "--domain", "sender.example")


def setup(conf, *args, **kwargs):
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    users = () if os.geteuid() != 0 else ("--users", "64200")
    return subprocess.run([str(SEALGATE), "-f", str(conf), "setup", *users, *args],
                          capture_output=True, text=True, timeout=60, check=False, **kwargs)


def checked(conf):
    return subprocess.run([str(SEALGATED), "-n", "-f", str(conf)], capture_output=True, text=True,
                          check=False)


@pytest.fixture(name="etc")
def fixture_etc(tmp_path):
    etc = tmp_path / "etc"
    etc.mkdir()
    return etc


def test_what_this_machine_tells_is_not_asked(tmp_path, etc):
    (etc / "postfix").mkdir()
    (etc / "postfix/main.cf").write_text(MAIN_CF)
    conf = tmp_path / "new/sealgate.conf"
    done = setup(conf, "--etc", str(etc), "--portal", "https://post.sender.example", "--sign")
    assert done.returncode == 0, done.stderr
    text = conf.read_text()
    for part in ('hostname = "gw.sender.example"', 'domains  = { "sender.example" }',
                 'via = "smtp.provider.example:587"', "auto-issue = true", "escrow"):
        assert part in text
    key = conf.parent / "master.key"
    assert key.stat().st_mode & 0o777 == 0o400 and key.stat().st_size == 32
    assert "postconf -e 'relayhost = [127.0.0.1]:10025'" in done.stdout
    assert "COPY IT OFF" in done.stdout and "sealgate ca init" in done.stdout
    assert checked(conf).returncode == 0
    # never again
    before = key.read_bytes()
    again = setup(conf, *NAMES)
    assert again.returncode == 1 and "is there already" in again.stderr
    assert conf.read_text() == text and key.read_bytes() == before
    # a key that is there is the key
    conf.unlink()
    done = setup(conf, *NAMES, "--etc", str(etc))
    assert done.returncode == 0 and "as it was" in done.stdout
    assert key.read_bytes() == before


WAYS = [
    ("nothing more", []),
    ("two domains", ["--domain", "other.example"]),
    ("a server elsewhere", ["--mail-server", "10.0.0.5:25", "--listen", "10.0.0.2:10025"]),
    ("from outside", ["--inbound", "0.0.0.0:25"]),
    ("all of it", ["--inbound", "[::]:25", "--tls-cert", "CRT", "--tls-key", "KEY", "--portal",
                   "https://post.sender.example", "--portal-cert", "CRT", "--portal-key", "KEY",
                   "--sign", "--next-hop", "[2001:db8::1]:25", "--listen", "[::1]:10025"]),
]


def test_every_way_is_right(tmp_path, etc, make_gateway, capture):
    gw = make_gateway(capture.port, start=False, tls=True)
    for i, (name, args) in enumerate(WAYS):
        args = [{"CRT": gw.tls_cert[0], "KEY": gw.tls_cert[1]}.get(a, a) for a in args]
        conf = tmp_path / ("way%d" % i) / "sealgate.conf"
        done = setup(conf, *NAMES, *args, "--etc", str(etc))
        assert done.returncode == 0, (name, done.stderr)
        done = checked(conf)
        assert done.returncode == 0, (name, done.stderr)
        # by default nothing leaves readable
        assert 'rule "default"' not in done.stdout or "--portal" in args, (name, done.stdout)


WRONG = [
    ("a quote", ["--hostname", 'a"b', "--domain", "x.example"], 2),
    ("a line", ["--hostname", "gw.x.example", "--domain", 'x.example" }\nusers = 0'], 2),
    ("empty", ["--hostname", "", "--domain", "x.example"], 2),
    ("too long", ["--hostname", "a" * 300, "--domain", "x.example"], 2),
    ("an unknown option", [*NAMES, "--frobnicate"], 2),
    ("a word too much", [*NAMES, "more"], 2),
    ("no name of a host", ["--hostname", "gw_/x", "--domain", "x.example"], 3),
    ("half a certificate", [*NAMES, "--inbound", "127.0.0.1:25", "--tls-cert", "/nowhere"], 3),
    ("no certificate there", [*NAMES, "--portal", "https://x.example", "--portal-cert",
                              "/nowhere", "--portal-key", "/nowhere"], 3),
    ("no address", [*NAMES, "--listen", "here"], 3),
]


def test_what_is_wrong_leaves_nothing_behind(tmp_path, etc):
    for name, args, status in WRONG:
        conf = tmp_path / "wrong" / "sealgate.conf"
        done = setup(conf, *args, "--etc", str(etc))
        assert done.returncode == status, (name, done.returncode, done.stderr)
        assert done.stderr and not conf.parent.exists(), name
    done = setup(tmp_path / "x/sealgate.conf", *NAMES, "--etc", str(etc), "--dry-run")
    assert done.returncode == 0 and 'rule "default"' in done.stdout
    assert not (tmp_path / "x").exists()


def test_values_with_variables_are_not_believed(tmp_path, etc):
    (etc / "postfix").mkdir()
    (etc / "postfix/main.cf").write_text(
        "myhostname = $x\nmydomain = a,b\nrelayhost = provider.example\n")
    (etc / "mailname").write_text("sender.example\n")
    conf = tmp_path / "c/sealgate.conf"
    done = setup(conf, "--hostname", "gw.sender.example", "--etc", str(etc))
    assert done.returncode == 0, done.stderr
    text = conf.read_text()
    assert 'hostname = "gw.sender.example"' in text and 'via = "mx"' in text
    assert 'domains  = { "sender.example" }' in text


def test_a_person_is_asked(tmp_path, etc):
    conf = tmp_path / "c/sealgate.conf"
    ours, its = pty.openpty()
    os.write(ours, b"gw.sender.example\n" b"sender.example\n" b"10.0.0.5:25\n"
             b"two words\n" b"10.0.0.2:10025\n" b"\n" b"\n" b"https://post.sender.example\n")
    # the name of this machine, or of its domain, must not be what is taken
    done = setup(conf, "--etc", str(etc), stdin=its)
    os.close(ours)
    os.close(its)
    assert done.returncode == 0, done.stderr
    text = conf.read_text()
    assert 'address  = "10.0.0.2:10025"' in text and 'via = "mx"' in text
    assert '"127.0.0.0/8", "10.0.0.5"' in text and "One word" in done.stderr
    assert "listen inbound" not in text and "https://post.sender.example" in text


def test_what_it_writes_runs(tmp_path, etc, make_gateway, capture):
    gw = make_gateway(capture.port, start=False)
    gw.conf.unlink()
    done = setup(gw.conf, *NAMES, "--etc", str(etc), "--state", str(gw.state), "--listen",
                 "127.0.0.1:%d" % gw.port, "--next-hop", "127.0.0.1:%d" % capture.port,
                 "--mail-server", "127.0.0.1:%d" % capture.port)
    assert done.returncode == 0, done.stderr
    gw.conf.write_text('runtime = "%s"\n' % gw.runtime + gw.conf.read_text())
    gw.start()
    gw.send("sam@sender.example", "ann@sender.example", message())
    capture.wait(1)


# --- doctor

def doctor(gw):
    done = gw.cli("--json", "doctor", check=False)
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["ok"] else 1)
    for c in said["checks"]:
        assert (c["level"] == "ok") == (c["remedy"] is None), c
    return said["ok"], said["checks"]


def levels(checks, what):
    return [c["level"] for c in checks if c["what"] == what]


def test_the_doctor_finds_what_is_wrong(root, make_gateway, capture):
    dns = Knot(root / "dns", {"sender.example": "@ MX 10 gw\n@ TXT \"x\"\ngw A 127.0.0.1\n"})
    dns.start()
    try:
        gw = make_gateway(
            capture.port, rules='rule "clear" { try = { clear } }\n', listen_in="",
            inbound=capture.port, tls=True,
            options='resolver = { "127.0.0.1:%d" }\ndnssec-anchors = "%s"\n' % (
                dns.port, dns.anchors(root / "anchors")))
        ok, checks = doctor(gw)
        # the clock, swap and free space are this machine's
        assert not [c for c in checks if c["level"] == "bad" and c["what"] != "disk"], checks
        assert levels(checks, "port") == ["ok"] * 3
        assert levels(checks, "next hop") == ["ok"] * 2
        assert levels(checks, "portal") == levels(checks, "gateway") == ["ok"]
        assert levels(checks, "DNSSEC") == levels(checks, "DNS") == levels(checks, "MX") == ["ok"]
        assert "here among them" in str(checks)
        # for people, too
        text = gw.cli("doctor", check=False).stdout.decode()
        assert "ok    gateway" in text and "-> sealgate key import" in text
        # and now without it all
        dns.stop()
        capture.stop()
        gw.stop()
        os.chmod(gw.root / "master.key", 0o644)
        ok, checks = doctor(gw)
        assert not ok
        for what in ("port", "next hop", "gateway", "portal", "master key"):
            assert set(levels(checks, what)) == {"bad"}, (what, checks)
        assert "bad" in levels(checks, "DNS")
    finally:
        dns.stop()


def test_the_doctor_needs_a_configuration(make_gateway, capture):
    gw = make_gateway(capture.port, start=False)
    gw.conf.write_text("hostnam = 1\n")
    done = gw.cli("doctor", check=False)
    assert done.returncode == 3 and b"hostnam" in done.stderr
    assert run(SEALGATE, "doctor", "more", check=False).returncode == 2
