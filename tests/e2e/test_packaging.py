#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What is packaged can be read by what it is for: the AppArmor profile by its
parser, the unit by systemd. What they have to agree with: tests/check-packaging;
that they work: test_package.py."""
import os
import re
import subprocess

import pytest

from harness import TOP, run
from peers import unpacked

PROFILE = TOP / "packaging/apparmor/usr.sbin.sealgated"
UNIT = TOP / "packaging/systemd/sealgated.service.in"


def parsed(path):
    """By apparmor_parser with Debian's abstractions; the kernel is not asked."""
    home = unpacked("apparmor")
    return subprocess.run(
        [str(home / "sbin/apparmor_parser"), "--skip-kernel-load", "--skip-cache", "--base",
         str(home / "etc/apparmor.d"), "--config-file", "/dev/null", str(path)],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def test_the_profile_is_one(tmp_path):
    done = parsed(PROFILE)
    said = [line for line in done.stderr.splitlines() if not line.startswith("Cache ")]
    assert done.returncode == 0 and not said, said
    for old, new in (("capability setuid,", "capability setuidd,"), ("rwkl,\n", "rwklq,\n"),
                     ("include <tunables/global>", "include <tunables/none>")):
        assert old in PROFILE.read_text()
        broken = tmp_path / "profile"
        broken.write_text(PROFILE.read_text().replace(old, new, 1))
        assert parsed(broken).returncode != 0, new


def test_the_profile_lets_through_what_the_unit_gives():
    text, unit = PROFILE.read_text(), UNIT.read_text()
    given = re.search(r"(?m)^CapabilityBoundingSet=(.*)$", unit).group(1).split()
    allowed = ["CAP_" + c.upper() for c in re.findall(r"(?m)^  capability (\w+),$", text)]
    assert sorted(given) == sorted(allowed)
    assert "/run/credentials/sealgated.service/* r," in text


@pytest.fixture(name="unit")
def fixture_unit(tmp_path):
    """The unit with programs that are here."""
    def write(change=lambda text: text):
        text = UNIT.read_text()
        for name, value in (("@sysconfdir@", "/etc"), ("@sbindir@/sealgated", "/bin/true"),
                            ("@bindir@/sealgate", "/bin/true")):
            text = text.replace(name, value)
        path = tmp_path / "sealgated.service"
        path.write_text(change(text))
        return run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path,
                   check=False)
    return write


@pytest.mark.skipif(os.geteuid() != 0, reason="systemd-analyze looks at units of the system as root")
def test_systemd_takes_the_unit(unit):
    done = unit()
    assert done.returncode == 0 and b"sealgated" not in done.stderr, done.stderr
    done = unit(lambda text: text.replace("WatchdogSec=", "WatchdogSecs="))
    assert b"WatchdogSecs" in done.stderr
