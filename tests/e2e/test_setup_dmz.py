#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The first run where the portal is on another machine: what `sealgate setup` makes
for the two carries a message, in either way: each makes its own key and is told
the other's fingerprint, or the gateway makes both. What is there is never
overwritten, and what is interrupted goes on."""
import os
import pty
import re
import shlex
import shutil

import pytest

from escrow import Link
from harness import USERS_BASE, message, portal_page, run
from pickup import run_node
from test_setup import NAMES, checked, fixture_short, places, setup  # noqa: F401

CAROL = "carol@partner.example"
CANARY = "Kanarienvogel im Grubenschacht"
NOBODY = "3f" * 32


@pytest.fixture(name="two")
def fixture_two(make_gateway, capture):
    """(portal, gateway) without configurations."""
    portal, gateway = make_gateway(0, start=False), make_gateway(capture.port, start=False)
    portal.wrap = ["sh", "-c", 'exec "$@" --role portal', "sh"]
    for machine in (portal, gateway):
        machine.conf.unlink()
    return portal, gateway


def way(portal):
    return ["--portal", "http://127.0.0.1:%d" % portal.portal_port,
            "--portal-dmz", "127.0.0.1:%d" % portal.port]


def of_gateway(gw, portal, etc, *more):
    return setup(gw.conf, *NAMES, *way(portal), "--etc", str(etc), "--state", str(gw.state),
                 "--runtime", str(gw.runtime), "--listen", "127.0.0.1:%d" % gw.port,
                 "--next-hop", "127.0.0.1:%d" % gw.out_port,
                 "--mail-server", "127.0.0.1:%d" % gw.out_port, *more)


def of_portal(portal, words):
    """Words as they are printed, with what is special to this test."""
    assert words[:3] == ["sealgate", "setup", "--role"], words
    return setup(portal.conf, *words[2:], "--state", str(portal.state), "--portal-address",
                 "127.0.0.1:%d" % portal.portal_port)


def told(done):
    """The line that is to be run on the other machine."""
    line = [x for x in done.stdout.splitlines() if x.startswith("    sealgate setup ")]
    assert len(line) == 1, done.stdout
    return shlex.split(line[0])


def fingerprint(crt):
    shown = run("openssl", "x509", "-in", crt, "-noout", "-fingerprint", "-sha256")
    return shown.stdout.decode().strip().partition("=")[2].replace(":", "").lower()


def carry(portal, gateway, capture):
    """A message through the two, to who has only the link."""
    for machine in (portal, gateway):
        done = checked(machine.conf)
        assert done.returncode == 0, done.stderr
    portal.conf.write_text(portal.conf.read_text().replace(
        "\turl      = ", '\tpage = "%s"\n\turl      = ' % portal.page()))
    # nobody is asked for keys here
    gateway.conf.write_text(re.sub(r"(?m)^discovery.*\n", "", gateway.conf.read_text()))
    portal.start()
    gateway.start()
    gateway.send("sam@sender.example", CAROL, message(to=CAROL, body=CANARY + "\r\n"))
    link = Link(capture.wait(1)[0].data)
    assert link.port == portal.portal_port
    assert CANARY in run_node(portal_page() / "open-link.mjs", link.url)
    assert (portal.state / "escrow" / link.id).exists()


def test_each_makes_its_own_key(two, capture, tmp_path):
    portal, gateway = two
    done = of_portal(portal, ["sealgate", "setup", "--role", "portal", *way(portal)])
    assert done.returncode == 0, done.stderr
    assert not portal.conf.exists() and "no configuration yet" in done.stdout
    words = told(done)
    ours = fingerprint(portal.root / "link.pem")
    assert words[-2:] == ["--peer", ours] and words[2:-2] == way(portal)
    done = of_gateway(gateway, portal, tmp_path, "--peer", ours)
    assert done.returncode == 0, done.stderr
    assert not (gateway.root / "dmz").exists()
    words = told(done)
    assert words[-1] == fingerprint(gateway.root / "link.pem")
    before = [(portal.root / n).read_bytes() for n in ("link.pem", "link.key")]
    done = of_portal(portal, words)
    assert done.returncode == 0, done.stderr
    assert before == [(portal.root / n).read_bytes() for n in ("link.pem", "link.key")]
    assert not (portal.root / "master.key").exists()
    assert not list(portal.root.glob(".tmp.*"))
    key = (portal.root / "link.key").stat()
    if os.geteuid() == 0:  # the service is never root, and reads it by its group
        assert key.st_mode & 0o777 == 0o440 and key.st_uid == 0 and key.st_gid > USERS_BASE
    else:
        assert key.st_mode & 0o777 == 0o400
    carry(portal, gateway, capture)


def test_a_narrow_umask_hides_nothing_from_the_services(short):
    """They read it as users of their own; what is secret stays so."""
    dmz = ("--portal", "https://post.sender.example", "--portal-dmz", "127.0.0.1:9443",
           "--peer", NOBODY)
    for mask in (0o027, 0o077):
        for role, words in (("gateway", (*NAMES, "--sign", *dmz)),
                            ("portal", ("--role", "portal", *dmz))):
            root = short / ("%s.%o" % (role, mask))
            root.mkdir()
            etc = root / "etc"
            done = setup(etc / "new.conf", *words, "--state", str(root / "state"), umask=mask)
            assert done.returncode == 0, done.stderr
            assert etc.stat().st_mode & 0o777 == 0o755
            modes = {p.name: p.stat().st_mode & 0o777 for p in etc.iterdir()}
            secret = {n: modes.pop(n) for n in ("link.key", "master.key") if n in modes}
            assert len(modes) > 1 and set(modes.values()) == {0o644}, modes
            assert secret and not any(m & 0o337 for m in secret.values()), secret


def test_the_gateway_makes_both(two, capture, tmp_path):
    portal, gateway = two
    done = of_gateway(gateway, portal, tmp_path, "--portal-address",
                      "127.0.0.1:%d" % portal.portal_port)
    assert done.returncode == 0, done.stderr
    bundle = gateway.root / "dmz"
    assert bundle.stat().st_mode & 0o777 == 0o700
    assert (bundle / "link.key").stat().st_mode & 0o777 == 0o400
    for part in ("scp -p %s/* root@127.0.0.1:" % bundle, "chgrp sealgate-portal link.key",
                 "rm -r %s" % bundle, "enable --now sealgate-portal"):
        assert part in done.stdout, done.stdout
    # as it is said there; the places are this test's
    for name in ("link.pem", "link.key"):
        shutil.copy(bundle / name, portal.root)
    if os.geteuid() == 0:
        shutil.chown(portal.root / "link.key", group=USERS_BASE + 7)
    text = (bundle / "portal.conf").read_text()
    assert 'hostname = "localhost"' in text and 'users    = "sealgate"' in text
    text = text.replace('"/var/lib/sealgate-portal"', '"%s"' % portal.state)
    text = re.sub(r'(?m)^users .*$', "users = %d" % USERS_BASE if os.geteuid() == 0 else "", text)
    text = re.sub(r'"[^"]*/(link\.\w+)"', r'"%s/\1"' % portal.root, text)
    portal.conf.write_text(text)
    carry(portal, gateway, capture)


def test_whatever_interrupts_it_the_two_fit(two, tmp_path):
    """Killed at each file that it puts into its place."""
    portal, gateway = two
    for n in range(1, 20):
        strace = ("strace", "-qq", "-o", os.devnull, "-e", "trace=linkat", "-e",
                  "inject=linkat:signal=KILL:when=%d" % n)
        done = setup(gateway.conf, *NAMES, *way(portal), "--etc", str(tmp_path),
                     *places(gateway.root), wrap=strace)
        if done.returncode in (0, 1):
            break
        assert done.returncode in (-9, 128 + 9), done.stderr
    assert 2 < n < 19 and gateway.conf.exists()
    bundle = gateway.root / "dmz"
    assert fingerprint(bundle / "link.pem") in gateway.conf.read_text()
    assert fingerprint(gateway.root / "link.pem") in (bundle / "portal.conf").read_text()
    for place in (gateway.root, bundle):
        public = [run("openssl", *words, place / name).stdout for words, name in (
            (("x509", "-noout", "-pubkey", "-in"), "link.pem"),
            (("pkey", "-pubout", "-in"), "link.key"))]
        assert public[0] == public[1]
    assert sorted(p.name for p in bundle.iterdir()) == ["link.key", "link.pem", "portal.conf"]
    assert checked(gateway.conf).returncode == 0


def test_what_is_there_is_not_touched(two, tmp_path):
    portal, gateway = two
    args = (*NAMES, *way(portal), "--etc", str(tmp_path), *places(gateway.root))
    (gateway.root / "link.pem").write_text("mine\n")
    for more in ("move it away", "link.pem: "):
        done = setup(gateway.conf, *args)
        assert done.returncode == 3 and more in done.stderr, done.stderr
        assert (gateway.root / "link.pem").read_text() == "mine\n"
        assert not gateway.conf.exists() and not (gateway.root / "master.key").exists()
        (gateway.root / "link.key").write_text("mine, too\n")
    for name in ("link.pem", "link.key"):
        (gateway.root / name).unlink()
    (gateway.root / "dmz").mkdir()
    (gateway.root / "dmz/portal.conf").write_text("mine\n")
    done = setup(gateway.conf, *args)
    assert done.returncode != 0 and "dmz/portal.conf is there" in done.stderr, done.stderr
    assert not gateway.conf.exists()
    assert (gateway.root / "dmz/portal.conf").read_text() == "mine\n"
    (gateway.root / "dmz/portal.conf").unlink()
    assert setup(gateway.conf, *args).returncode == 0


HERE = ["--portal", "https://post.x.example"]
DMZ = [*HERE, "--portal-dmz", "10.1.0.2:8443"]
WRONG = [
    ("another role", ["--role", "gateway", *DMZ], 2, "expected portal"),
    ("mail there", ["--role", "portal", *DMZ, "--domain", "x.example"], 2, "no mail passes"),
    ("signing there", ["--role", "portal", *DMZ, "--sign"], 2, "no mail passes"),
    ("no address there", ["--role", "portal", *HERE], 2, "--portal-dmz are needed"),
    ("nowhere to go", ["--role", "portal", "--portal-dmz", "10.1.0.2:1"], 2, "are needed"),
    ("no portal", [*NAMES, "--portal-dmz", "10.1.0.2:8443"], 2, "--portal is needed"),
    ("nobody's peer", [*NAMES, *HERE, "--peer", NOBODY], 2, "--portal-dmz beside it"),
    ("a certificate there", [*NAMES, *DMZ, "--peer", NOBODY, "--portal-cert", "x"], 2,
     "set up on its machine"),
    ("no fingerprint", [*NAMES, *DMZ, "--peer", "3f2a"], 3, "peer"),
    ("no address", [*NAMES, *HERE, "--portal-dmz", "post.x.example"], 3, "expected a port"),
    ("no address there at all", ["--role", "portal", *HERE, "--portal-dmz", "here"], 3, "expected a port"),
    ("half a certificate", [*NAMES, *DMZ, "--portal-cert", "/x"], 3, "tls-key: "),
]


def test_what_is_wrong_leaves_nothing_behind(tmp_path):
    for name, args, status, why in WRONG:
        conf = tmp_path / "wrong" / "sealgate.conf"
        done = setup(conf, *args, "--etc", str(tmp_path))
        assert done.returncode == status and why in done.stderr, (name, done.stderr)
        assert not conf.parent.exists(), name
    done = setup(tmp_path / "x/portal.conf", "--role", "portal", *DMZ, "--peer", NOBODY,
                 "--dry-run")
    assert done.returncode == 0 and not (tmp_path / "x").exists(), done.stderr
    assert 'peer     = "%s"' % NOBODY in done.stdout and "rule" not in done.stdout
    assert 'hostname = "post.x.example"' in done.stdout


def asked(conf, answers, *args):
    ours, its = pty.openpty()
    os.write(ours, answers)
    done = setup(conf, *args, stdin=its)
    os.close(ours)
    os.close(its)
    assert done.returncode == 0, done.stderr
    return done, conf.read_text()


def test_a_person_is_asked(tmp_path, short):
    done, text = asked(
        tmp_path / "g/sealgate.conf", b"\n" * 6 + b"https://post.x.example\n10.1.0.2:8443\n"
        + NOBODY.encode() + b"\n\n\n", *NAMES, "--etc", str(tmp_path), *places(short))
    assert 'at       = "10.1.0.2:8443"' in text and NOBODY in text
    assert told(done)[2:4] == ["--role", "portal"]
    done, text = asked(
        tmp_path / "p/portal.conf", b"https://post.x.example\n10.1.0.2:8443\n\n"
        + NOBODY.encode() + b"\n", "--role", "portal", "--state", str(tmp_path / "s"))
    assert 'portal gateway {\n\taddress  = "10.1.0.2:8443"' in text and NOBODY in text
    assert "Let the web server of https://post.x.example" in done.stdout


def test_what_is_of_the_other_machine_is_not_looked_at_here(tmp_path, short):
    conf = tmp_path / "c/sealgate.conf"
    done = setup(conf, *NAMES, *DMZ, "--portal-cert", "/nowhere.pem", "--portal-key",
                 "/nowhere.key", "--etc", str(tmp_path), *places(short))
    assert done.returncode == 0, done.stderr
    bundle = (conf.parent / "dmz/portal.conf").read_text()
    assert 'tls-cert = "/nowhere.pem"' in bundle and 'address  = "0.0.0.0:443"' in bundle
    assert "must be able to read /nowhere.key" in done.stdout
    assert "/nowhere" not in conf.read_text()
    # and what was made for it is not made anew while it is not brought there
    conf.unlink()
    done = setup(conf, *NAMES, *DMZ, "--portal-cert", "/nowhere.pem", "--portal-key",
                 "/nowhere.key", "--etc", str(tmp_path), *places(short))
    assert done.returncode == 0, done.stderr
    assert (conf.parent / "dmz/portal.conf").read_text() == bundle
    assert not list(conf.parent.rglob(".tmp.*"))
