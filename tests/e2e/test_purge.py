#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What purging the Debian package takes along: its script is run as dpkg runs it,
for a root of its own, and this test is debconf. That the package as a whole does
so: test_package.py."""
import os
import pathlib
import re
import subprocess

import pytest

from harness import TOP

POSTRM = TOP / "packaging/debian/sealgate.postrm"
CONFMODULE = pathlib.Path("/usr/share/debconf/confmodule")
QUESTION = "sealgate/purge-state"
# what tmpfiles makes before anything is configured
MADE = ("etc/sealgate", "var/lib/sealgate/bodies", "var/lib/sealgate/keystore",
        "var/lib/sealgate-portal", "run/sealgate")
CONFS = ("etc/sealgate/sealgate.conf", "etc/sealgate/portal.conf")

pytestmark = pytest.mark.skipif(not CONFMODULE.exists(), reason="no debconf here")


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x\n")


def purge(root, answer="false", on=None):
    """What the script asked debconf; on(words) is called before each is answered."""
    # run by root it must not get at this machine
    assert not re.search(r"(?m)^[^#\n]*(?<!\$\{DPKG_ROOT-\})/(etc|var|run)\b", POSTRM.read_text())
    env = {k: v for k, v in os.environ.items() if not k.startswith("DEBCONF")}
    env |= {"DPKG_ROOT": str(root), "DEBIAN_HAS_FRONTEND": "1"}
    said = []
    with subprocess.Popen(["sh", str(POSTRM), "purge"], env=env, text=True, bufsize=1,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as proc:
        for line in proc.stdout:
            words = line.split()
            said.append(words)
            if on is not None:
                on(words)
            proc.stdin.write("0 %s\n" % (answer if words[0] == "GET" else ""))
        err = proc.stderr.read()
    assert proc.returncode == 0, err
    return [words for words in said if words[0] != "VERSION"]


@pytest.fixture(name="root")
def fixture_root(tmp_path):
    for name in MADE:
        (tmp_path / name).mkdir(parents=True)
    put(tmp_path, *CONFS)
    return tmp_path


HELD = [
    ("the master key", ["etc/sealgate/master.key"]),
    ("one sealed by systemd, all else elsewhere", ["etc/sealgate/master.cred"]),
    ("a gateway beside", ["etc/sealgate/gw2/sealgate.conf", "etc/sealgate/gw2/master.key",
                          "var/lib/sealgate/gw2/spool/data.mdb"]),
    ("its state only", ["var/lib/sealgate/gw2/spool/data.mdb"]),
    ("the mail only", ["var/lib/sealgate/bodies/3f/3f3f"]),
    ("what the portal keeps", ["var/lib/sealgate-portal/format"]),
    ("and in a place of its own", ["var/lib/sealgate-portal/two/escrow/3f"]),
    ("the audit log", ["var/lib/sealgate/audit/audit.1"]),
    ("a key of TLS", ["etc/sealgate/portal.pem"]),
    ("one with the name of the configuration", ["var/lib/sealgate/sealgate.conf"]),
]


def test_nothing_goes_without_a_word(root):
    for name, files in HELD:
        put(root, *CONFS, *files)
        said = purge(root)
        assert ["INPUT", "high", QUESTION] in said and ["GET", QUESTION] in said, name
        assert all((root / f).read_text() == "x\n" for f in files), name
        assert not any((root / f).exists() for f in CONFS), name
        for f in files:
            (root / f).unlink()
    (root / "etc/sealgate/master.key").symlink_to("/nowhere/key")
    purge(root)
    assert (root / "etc/sealgate/master.key").is_symlink()


def test_what_is_said_to_go_goes(root):
    for name, files in HELD:
        put(root, *CONFS, *files)
        assert ["GET", QUESTION] in purge(root, "true"), name
        left = [p for p in root.rglob("*") if "sealgate" in p.name]
        assert not left, (name, left)


def test_an_answer_holds_once(root):
    """It is forgotten before anything goes: whatever stops that, the next asks."""
    there = []

    def on(words):
        there.append((words[0], (root / "etc/sealgate/master.key").exists()))

    put(root, "etc/sealgate/master.key")
    said = purge(root, "true", on)
    at = said.index(["GET", QUESTION])
    assert said[at + 1:] == [["RESET", QUESTION], ["FSET", QUESTION, "seen", "false"]]
    assert all(was for _, was in there) and not (root / "etc/sealgate").exists()


def test_a_directory_elsewhere_is_emptied(root):
    """One that cannot be removed itself, here a link, is no reason to stop."""
    state = root / "var/lib/sealgate"
    state.rename(root / "elsewhere")
    state.symlink_to(root / "elsewhere")
    put(root, "elsewhere/spool/data.mdb", "beyond/mine")
    (root / "elsewhere/link").symlink_to(root / "beyond")
    purge(root)
    assert (root / "elsewhere/spool/data.mdb").exists()
    purge(root, "true")
    assert not list((root / "elsewhere").iterdir()) and (root / "beyond/mine").exists()
    assert not (root / "var/lib/sealgate-portal").exists()


def test_what_was_never_used_goes_without_a_question(root):
    assert purge(root) == []
    assert not [p for p in root.rglob("*") if "sealgate" in p.name]
