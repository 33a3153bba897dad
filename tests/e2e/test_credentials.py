#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Keys that the service manager hands over: the master key and a private TLS key
are read from its directory of credentials and from nowhere else, and without
them nothing starts. With systemd itself: test_package.py."""
import pathlib
import smtplib
import ssl
import subprocess

import pytest

from harness import SEALGATED, message

CLEAR = 'rule "clear" { try = { clear } }\n'


@pytest.fixture(name="gw")
def fixture_gw(make_gateway, capture, root):
    """A gateway whose keys are in a directory that the environment names."""
    gw = make_gateway(capture.port, rules=CLEAR, portal=False, tls=True, start=False)
    given = root / "credentials"
    given.mkdir(mode=0o700)
    (given / "master-key").write_bytes(bytes(range(32)))
    (given / "tls-key").write_bytes(pathlib.Path(gw.tls_cert[1]).read_bytes())
    for name in given.iterdir():
        name.chmod(0o400)
    pathlib.Path(gw.tls_cert[1]).unlink()
    text = gw.conf.read_text().replace('"%s"' % gw.tls_cert[1], '"credential:tls-key"')
    gw.conf.write_text(text.replace('master-key = "%s"' % (gw.root / "master.key"),
                                    "master-key = credential"))
    gw.given = given
    gw.wrap = ["env", "CREDENTIALS_DIRECTORY=%s" % given]
    return gw


def ended(gw, *args, wrap=()):
    return subprocess.run([*wrap, str(SEALGATED), "-f", str(gw.conf), *args], capture_output=True,
                          text=True, check=False, timeout=90)


def test_keys_come_from_the_service_manager(gw, capture):
    # what everybody can see is checked without them, and it is said what was not
    checked = ended(gw, "-n")
    assert checked.returncode == 0 and "it was not looked at" in checked.stderr, checked.stderr
    gw.start()
    context = ssl.create_default_context(cafile=gw.tls_cert[0])
    with smtplib.SMTP("localhost", gw.port, timeout=90) as s:
        s.starttls(context=context)
        s.sendmail("sam@sender.example", ["ann@partner.example"], message())
    capture.wait(1)
    # a reload reads it again, by the process that has it
    gw.cli("reload")
    with smtplib.SMTP("localhost", gw.port, timeout=90) as s:
        s.starttls(context=context)
    assert gw.stop() == 0
    assert not (gw.root / "master.key").exists()


def test_without_them_nothing_starts(gw):
    done = ended(gw)
    assert done.returncode == 78 and "LoadCredential=tls-key:FILE" in done.stderr, done.stderr
    (gw.given / "tls-key").rename(gw.given / "other")
    done = ended(gw, wrap=gw.wrap)
    assert done.returncode == 78 and "tls-key" in done.stderr, done.stderr
    (gw.given / "other").rename(gw.given / "tls-key")
    (gw.given / "master-key").unlink()
    done = ended(gw, wrap=gw.wrap)
    assert done.returncode not in (0, 1) and "master key" in done.stderr, done.stderr
