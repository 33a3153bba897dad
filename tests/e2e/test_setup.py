#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The first run: `sealgate setup` writes what is right or nothing, makes keys
where they are wanted and can be interrupted anywhere, `sealgate doctor` says
what is wrong and what to do."""
import json
import os
import pathlib
import pty
import shutil
import subprocess
import tempfile

import pytest

from harness import SEALGATE, SEALGATED, TOP, message, run, wait_for
from peers import Knot

MAIN_CF = """\
# myhostname = old.example.com
myhostname = gw.sender.example
mydomain = sender.example
relayhost = [smtp.provider.example]:587
"""
NAMES = ("--hostname", "gw.sender.example", "--domain", "sender.example")


def setup(conf, *args, wrap=(), **kwargs):
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    users = () if os.geteuid() != 0 else ("--users", "64200")
    return subprocess.run([*wrap, str(SEALGATE), "-f", str(conf), "setup", *users, *args],
                          capture_output=True, text=True, timeout=90, check=False, **kwargs)


def places(root):
    """Options for directories that nobody else uses."""
    root.chmod(0o755)
    return ["--state", str(root / "state"), "--runtime", tempfile.mkdtemp(dir=root)]


def checked(conf):
    return subprocess.run([str(SEALGATED), "-n", "-f", str(conf)], capture_output=True, text=True,
                          check=False)


@pytest.fixture(name="etc")
def fixture_etc(tmp_path):
    etc = tmp_path / "etc"
    etc.mkdir()
    return etc


@pytest.fixture(name="short")
def fixture_short(tmp_path):
    """A place whose sockets have names that are short enough; users that are others
    can pass it."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="sgs."))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def test_what_this_machine_tells_is_not_asked(short, etc):
    tmp_path = short
    (etc / "postfix").mkdir()
    (etc / "postfix/main.cf").write_text(MAIN_CF)
    conf = tmp_path / "new/sealgate.conf"
    done = setup(conf, "--etc", str(etc), "--portal", "https://post.sender.example", "--sign",
                 *places(tmp_path))
    assert done.returncode == 0, done.stderr
    text = conf.read_text()
    for part in ('hostname = "gw.sender.example"', 'domains  = { "sender.example" }',
                 'via = "smtp.provider.example:587"', "auto-issue = true", "escrow"):
        assert part in text
    key = conf.parent / "master.key"
    assert key.stat().st_mode & 0o777 == 0o400 and key.stat().st_size == 32
    assert "postconf -e 'relayhost = [127.0.0.1]:10025'" in done.stdout
    assert "COPY IT OFF" in done.stdout and "certificate of your CA" in done.stdout
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


def test_the_lines_for_each_mail_server_are_those_of_the_recipes(short, etc):
    """And those are run with the real programs (test_recipes.py)."""
    recipes = (TOP / "docs/recipes.md").read_text()
    for i, (place, block) in enumerate([
            ("postfix/main.cf", None), ("exim4/exim4.conf.template", "exim router"),
            ("smtpd.conf", "smtpd.conf relay"), (None, None)]):
        there = etc / str(i)
        there.mkdir()
        if place is not None:
            (there / place).parent.mkdir(exist_ok=True)
            (there / place).write_text("")
        done = setup(short / str(i) / "sealgate.conf", *NAMES, "--etc", str(there),
                     *places(short))
        assert done.returncode == 0, done.stderr
        said = [" ".join(line.split()) for line in done.stdout.splitlines()]
        if block is not None:
            lines = recipes.split("```%s\n" % block)[1].split("```")[0].splitlines()
            # OpenSMTPD: mail of this machine, where the recipe has that of others, too
            wanted = [" ".join(line.split()).replace("from any", "from local") for line in lines]
            at = said.index(wanted[0])
            assert said[at:at + len(wanted)] == wanted
        elif place is not None:
            assert "postconf -e 'relayhost = [127.0.0.1]:10025'" in said
            assert "relayhost = [127.0.0.1]:10025" in recipes
        else:
            assert any("hand all mail that leaves to 127.0.0.1:10025" in line for line in said)


WAYS = [
    ("nothing more", []),
    ("two domains", ["--domain", "other.example"]),
    ("a server elsewhere", ["--mail-server", "10.0.0.5:25", "--listen", "10.0.0.2:10025"]),
    ("from outside", ["--inbound", "0.0.0.0:25"]),
    ("all of it", ["--inbound", "[::]:25", "--tls-cert", "CRT", "--tls-key", "KEY", "--portal",
                   "https://post.sender.example", "--portal-cert", "CRT", "--portal-key", "KEY",
                   "--sign", "--next-hop", "[2001:db8::1]:25", "--listen", "[::1]:10025"]),
]


def test_every_way_is_right(tmp_path, etc, make_gateway, capture, short):
    gw = make_gateway(capture.port, start=False, tls=True)
    for i, (name, args) in enumerate(WAYS):
        (short / str(i)).mkdir()
        args = [{"CRT": gw.tls_cert[0], "KEY": gw.tls_cert[1]}.get(a, a) for a in args]
        conf = tmp_path / ("way%d" % i) / "sealgate.conf"
        done = setup(conf, *NAMES, *args, "--etc", str(etc), *places(short / str(i)))
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
             b"two words\n" b"10.0.0.2:10025\n" b"\n" b"\n" b"https://post.sender.example\n"
             b"\n" b"\n" b"perhaps\n" b"no\n")
    # the name of this machine, or of its domain, must not be what is taken
    done = setup(conf, "--etc", str(etc), stdin=its)
    os.close(ours)
    os.close(its)
    assert done.returncode == 0, done.stderr
    text = conf.read_text()
    assert 'address  = "10.0.0.2:10025"' in text and 'via = "mx"' in text
    assert '"127.0.0.0/8", "10.0.0.5"' in text and "One word" in done.stderr
    assert "listen inbound" not in text and "https://post.sender.example" in text
    assert "sign =" not in text and not (conf.parent / "ca.pem").exists()


def test_a_person_wants_keys(short, etc):
    conf = short / "c/sealgate.conf"
    ours, its = pty.openpty()
    os.write(ours, b"\n" * 7 + b"yes\n" b"yes\n")
    done = setup(conf, *NAMES, "--etc", str(etc), *places(short), stdin=its)
    os.close(ours)
    os.close(its)
    assert done.returncode == 0, done.stderr
    assert "sign = if-possible" in conf.read_text()
    made(conf)


def test_a_person_who_goes_leaves_nothing(tmp_path, etc):
    conf = tmp_path / "c/sealgate.conf"
    ours, its = pty.openpty()
    os.write(ours, b"gw.sender.example\n" b"sender.example\n\x04")
    done = setup(conf, "--etc", str(etc), stdin=its)
    os.close(ours)
    os.close(its)
    assert done.returncode == 3 and not conf.parent.exists(), done.stderr


# --- keys

def listed(conf, *words):
    return json.loads(run(SEALGATE, "-f", conf, "--json", *words).stdout)


def made(conf, domains=("sender.example",)):
    """One CA, and for each domain one certificate of it and one OpenPGP key."""
    keys = listed(conf, "key", "list")
    assert all(k["private"] for k in keys)
    assert sorted(str(k["addresses"]) for k in keys) == sorted(
        ["[]"] + 2 * ["['_domain@%s']" % d for d in domains]), keys
    pem = conf.parent / "ca.pem"
    shown = run("openssl", "x509", "-in", pem, "-noout", "-fingerprint", "-sha256")
    fpr = shown.stdout.decode().strip().partition("=")[2].replace(":", "").lower()
    assert [k["fingerprint"] for k in keys if not k["addresses"]] == [fpr]
    assert sorted(p.name for p in conf.parent.iterdir()) == [
        "ca.pem", "master.key", "sealgate.conf"]
    return {k["fingerprint"] for k in keys}


def test_keys_are_made_once_whatever_interrupts_it(short, etc):
    """Killed at each call by which it makes something, again and again, until it
    comes to its end: there is one of each, and nothing half made."""
    conf = short / "etc/sealgate.conf"
    conf.parent.mkdir()
    names = (*NAMES, "--domain", "other.example", "--domain", "*.other.example", "--etc", str(etc),
             "--sign", "--domain-keys", *places(short))
    for call in ("clone", "linkat", "mkdir,renameat,rename"):
        for n in range(1, 100):
            done = again(conf, *names, wrap=(
                "strace", "-qq", "-o", os.devnull, "-e", "trace=" + call, "-e",
                "inject=%s:signal=KILL:when=%d" % (call, n)))
            if done.returncode >= 0 and done.returncode not in (128 + 9, 137):
                break
            assert not conf.exists() or call == "linkat"
        assert done.returncode in (0, 1), done.stderr
        before = made(conf, ("sender.example", "other.example"))
        if call == "clone":
            assert n > 5, "it was not interrupted"
        # from here on with what is there
        conf.unlink()
    done = again(conf, *names)
    assert done.returncode == 0, done.stderr
    assert made(conf, ("sender.example", "other.example")) == before
    assert checked(conf).returncode == 0


def again(conf, *args, wrap=()):
    """What the one before was at may still go on for a moment: then it says so."""
    def run_it():
        done = setup(conf, *args, wrap=wrap)
        return None if "another sealgated" in done.stderr else done
    return wait_for("the one before to end", run_it)


def test_another_ca_file_is_not_touched(short, etc):
    conf = short / "etc/sealgate.conf"
    conf.parent.mkdir()
    (conf.parent / "ca.pem").write_text("mine\n")
    names = (*NAMES, "--etc", str(etc), "--sign", *places(short))
    done = setup(conf, *names)
    assert done.returncode == 3 and "is not the certificate" in done.stderr, done.stderr
    assert "run this again" in done.stderr and not conf.exists()
    assert (conf.parent / "ca.pem").read_text() == "mine\n"
    (conf.parent / "ca.pem").unlink()
    done = setup(conf, *names)
    assert done.returncode == 0, done.stderr
    assert len(listed(conf, "key", "list")) == 1


def test_an_ordinary_user_can(short, capture):
    """With nothing but -f: programs, state and sockets are below a home."""
    home = short / "home"
    home.mkdir()
    who = {}
    if os.geteuid() == 0:
        who = {"user": 64199, "group": 64199, "extra_groups": []}
        os.chown(home, 64199, 64199)
    for program in (SEALGATE, SEALGATED):
        shutil.copy(program, short / program.name)

    def as_user(*args, **kwargs):
        return subprocess.run([str(a) for a in args], capture_output=True, text=True, cwd=home,
                              stdin=subprocess.DEVNULL, check=False, **who, **kwargs)
    conf = home / "gw/sealgate.conf"
    done = as_user(short / "sealgate", "-f", "gw/sealgate.conf", "setup", *NAMES, "--etc", home,
                   "--sign", "--domain-keys", "--next-hop", "127.0.0.1:%d" % capture.port)
    assert done.returncode == 0, done.stderr
    text = conf.read_text()
    assert 'state    = "%s/gw/state"' % home in text and 'runtime  = "%s/gw/run"' % home in text
    assert "\nusers" not in text and "systemctl" not in done.stdout
    for program, words in (("sealgated", ["-n"]), ("sealgate", ["key", "list"])):
        done = as_user(short / program, "-f", conf, *words)
        assert done.returncode == 0, done.stderr
    # and where nothing may be written it says so
    done = as_user(short / "sealgate", "-f", "/etc/sealgate-of-nobody/x", "setup", *NAMES)
    assert done.returncode == 3 and "not permitted" in done.stderr, done.stderr


def test_what_it_writes_runs(etc, make_gateway, capture, keys):
    gw = make_gateway(capture.port, start=False)
    gw.conf.unlink()
    done = setup(gw.conf, *NAMES, "--etc", str(etc), "--state", str(gw.state), "--listen",
                 "127.0.0.1:%d" % gw.port, "--next-hop", "127.0.0.1:%d" % capture.port,
                 "--mail-server", "127.0.0.1:%d" % capture.port, "--runtime", str(gw.runtime),
                 "--sign", "--domain-keys")
    assert done.returncode == 0, done.stderr
    # nobody is asked for keys here
    text = gw.conf.read_text()
    asked = 'discovery { sources = { "wkd", "dane", "vks" } }\n'
    assert asked in text
    gw.conf.write_text(text.replace(asked, ""))
    gw.start()
    # while it runs a second one must not touch its state
    done = setup(gw.root / "second.conf", *NAMES, "--etc", str(etc), "--state", str(gw.state),
                 "--runtime", str(gw.runtime), "--sign")
    assert done.returncode == 3 and "another sealgated" in done.stderr, done.stderr
    gw.cli("key", "import", keys.alice_crt)
    gw.send("sam@sender.example", "alice@partner.example", message())
    opened = keys.open_smime(capture.wait(1)[0].data, keys.alice_key)
    # signed, with a certificate of the CA that was made before the first start
    assert b"Hello." in run("openssl", "cms", "-verify", "-CAfile", gw.root / "ca.pem", "-purpose",
                            "smimesign", input=opened).stdout


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


def test_the_doctor_with_a_broken_configuration(make_gateway, capture):
    """What runs says which configuration it has; without anybody there, this machine
    is looked at."""
    gw = make_gateway(capture.port)
    gw.conf.write_text(gw.conf.read_text() + "hostnam = 1\n")
    ok, checks = doctor(gw)
    assert not ok and "hostnam" in str(checks) and "that is in use" in str(checks)
    assert levels(checks, "port") == ["ok", "ok"] and levels(checks, "next hop") == ["ok"]
    gw.stop()
    ok, checks = doctor(gw)
    assert not ok and "hostnam" in str(checks)
    assert levels(checks, "OpenSSL") == ["ok"] and levels(checks, "port") == []
    assert levels(checks, "gateway") == ["bad"]
    gw.conf.unlink()
    assert levels(doctor(gw)[1], "configuration")[0] == "bad"
    assert run(SEALGATE, "doctor", "more", check=False).returncode == 2
