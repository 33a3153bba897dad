# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The portal's own TLS, as testssl.sh sees it: nothing that matters but what a
certificate is blamed for that a test signed itself."""
import json
import os
import subprocess

import pytest

from harness import wait_for
from pickup import Portal, text_part

TESTSSL = "/usr/bin/testssl"

# what is allowed to be found, and why
ALLOWED = {
    "cert_chain_of_trust": "the certificate is signed by itself",
    "cert_revocation": "such a certificate names no list",
    "cert_expirationStatus": "and is good for two days",
    "cert_notAfter": "likewise",
    "cert_validityPeriod": "likewise",
    "DNS_CAArecord": "127.0.0.1 is in no zone",
    "overall_grade": "for want of trust in the certificate",
    "grade_cap_reason_1": "likewise",
    # testssl.sh 3.0 looks at the end of what s_client says for "closed", and at
    # its status: test_who_renegotiates_is_disconnected looks itself
    "secure_client_renego": "the connection ends instead",
}


@pytest.fixture
def tls_portal(tmp_path, page, certificate):
    p = Portal(tmp_path, page, tls=certificate)
    yield p
    assert p.stop() == 0


def look(portal, directory, *args):
    report = directory / "report.json"
    done = subprocess.run(
        [TESTSSL, "--quiet", "--warnings", "off", "--nodns", "none", "--color", "0",
         "--ip", "127.0.0.1", "--jsonfile", str(report), *args,
         "https://127.0.0.1:%d" % portal.port],
        cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=540)
    assert report.exists(), done.stdout[-2000:]
    found = json.loads(report.read_text())
    return {f["id"]: f for f in found}


def is_bad(finding):
    return finding["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")


def check(found):
    bad = {i: f for i, f in found.items() if is_bad(f) and i not in ALLOWED}
    assert bad == {}
    # it was our server that was looked at, and it is what we say
    assert found["TLS1_2"]["finding"] == "offered"
    assert found["TLS1_3"]["finding"].startswith("offered")
    for old in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
        assert found[old]["finding"] == "not offered", old


@pytest.mark.skipif(not os.path.exists(TESTSSL), reason="testssl.sh is not installed")
def test_versions(tls_portal, tmp_path):
    check(look(tls_portal, tmp_path, "-p"))


@pytest.mark.long
@pytest.mark.skipif(not os.path.exists(TESTSSL), reason="testssl.sh is not installed")
def test_everything_that_testssl_looks_at(tls_portal, tmp_path):
    found = look(tls_portal, tmp_path)
    check(found)
    assert {"heartbleed", "ROBOT", "BREACH", "SWEET32", "LOGJAM", "LUCKY13"} <= set(found)


def test_who_renegotiates_is_disconnected(tls_portal):
    made = tls_portal.put([text_part("Hello\r\n")])
    client = subprocess.Popen(
        ["openssl", "s_client", "-tls1_2", "-connect", "127.0.0.1:%d" % tls_portal.port],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said = b""
        while b"Extended master secret" not in said:
            piece = os.read(client.stdout.fileno(), 65536)
            assert piece, said
            said += piece
        client.stdin.write(b"R\n")
        client.stdin.flush()
        wait_for("the end", lambda: client.poll() is not None)
        rest = client.stdout.read()
        assert b"RENEGOTIATING" in rest
        assert b"verify return" not in rest.split(b"RENEGOTIATING")[1]
    finally:
        client.kill()
        client.wait()
    assert tls_portal.open(made["id"], made["proof"]).status == 200
