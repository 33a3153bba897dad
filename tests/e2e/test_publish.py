# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What anybody may have of our keys: the Web Key Directory and the revocation
lists that the portal serves, and records for the name servers. Found and judged
by gpg with dirmngr, openssl and knot's zone checker."""
import hashlib
import http.client
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from harness import Keys, run, wait_for
from peers import unpacked

ADDR, SECOND = "sam@sender.example", "samuel@sender.example"
ZBASE32 = "ybndrfg8ejkmcpqxot1uwisza345h769"


def wkd_hash(local):
    bits = "".join("%08d" % int(bin(o)[2:]) for o in hashlib.sha1(local.encode()).digest())
    return "".join(ZBASE32[int(bits[i:i + 5], 2)] for i in range(0, 160, 5))


def ask(gw, host, path, method="GET"):
    c = http.client.HTTPConnection("127.0.0.1", gw.portal_port, timeout=90)
    c.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    c.putheader("Host", host)
    c.endheaders()
    r = c.getresponse()
    got = r.status, r.read(), r.headers
    c.close()
    return got


@pytest.fixture(name="gw")
def gateway(make_gateway, capture):
    return make_gateway(capture.port)


@pytest.fixture(name="ring", scope="module")
def own_keyring(tmp_path_factory):
    """A keyring of its own: others make keys for the same address."""
    k = Keys(tmp_path_factory.mktemp("keys"))
    yield k
    k.close()


@pytest.fixture(name="sam_sec", scope="module")
def two_addresses(ring):
    """A secret key with two addresses of ours and one of elsewhere."""
    quiet = ["--pinentry-mode", "loopback", "--passphrase", ""]
    ring.gpg(*quiet, "--quick-generate-key", "Sam <%s>" % ADDR, "future-default", "default",
             "never")
    for addr in (SECOND, "sam@elsewhere.example"):
        ring.gpg(*quiet, "--quick-add-uid", "<%s>" % ADDR, "Sam <%s>" % addr)
    out = ring.root / "two-addresses.sec"
    out.write_bytes(ring.gpg(*quiet, "--export-secret-keys", "<%s>" % ADDR).stdout)
    return out


def uids(data):
    shown = run("gpg", "--batch", "--no-default-keyring", "--with-colons", "--show-keys",
                input=data).stdout.decode()
    return [line.split(":")[9] for line in shown.splitlines() if line.startswith("uid:")]


def direct(local):
    return "/.well-known/openpgpkey/hu/%s?l=%s" % (wkd_hash(local), local)


def advanced(local, domain="sender.example"):
    return "/.well-known/openpgpkey/%s/hu/%s?l=%s" % (domain, wkd_hash(local), local)


def test_a_key_is_served_by_both_methods_with_the_address_asked_for_alone(gw, sam_sec):
    gw.cli("key", "import", sam_sec)
    fpr = gw.cli_json("key", "list", "sam")[0]["fingerprint"]
    assert ask(gw, "sender.example", direct("sam"))[0] == 404
    gw.cli("key", "publish", fpr)
    status, key, headers = ask(gw, "sender.example", direct("sam"))
    assert status == 200 and headers["Content-Type"] == "application/octet-stream"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert uids(key) == ["Sam <%s>" % ADDR]
    assert ask(gw, "openpgpkey.sender.example", advanced("sam"))[1] == key
    assert ask(gw, "OpenPGPkey.Sender.Example:443", advanced("sam", "Sender.Example"))[1] == key
    assert uids(ask(gw, "sender.example", direct("samuel"))[1]) == ["Sam <%s>" % SECOND]
    status, body, headers = ask(gw, "sender.example", direct("sam"), "HEAD")
    assert (status, body, int(headers["Content-Length"])) == (200, b"", len(key))
    for host, path in (("sender.example", "/.well-known/openpgpkey/policy"),
                       ("openpgpkey.sender.example",
                        "/.well-known/openpgpkey/sender.example/policy")):
        status, body, headers = ask(gw, host, path)
        assert (status, body) == (200, b"") and headers["Content-Type"].startswith("text/plain")
    # what the record is changed to, and what is withdrawn, follows
    gw.cli("key", "publish", "--off", fpr)
    for path in (direct("sam"), direct("samuel"), "/.well-known/openpgpkey/policy"):
        assert ask(gw, "sender.example", path)[0] == 404
    published = gw.state / "publish"
    assert not [f for f in published.rglob("*") if f.is_file()]


def test_a_key_that_is_deleted_or_not_trusted_any_more_is_withdrawn(gw, sam_sec):
    gw.cli("key", "import", sam_sec)
    fpr = gw.cli_json("key", "list", "sam")[0]["fingerprint"]
    for away, back in (("distrust", "trust"), ("delete", None)):
        gw.cli("key", "publish", fpr)
        wait_for("the key", lambda: ask(gw, "sender.example", direct("sam"))[0] == 200)
        gw.cli("key", away, fpr)
        wait_for("the key to go",
                 lambda: ask(gw, "sender.example", direct("sam"))[0] == 404)
        if back:
            gw.cli("key", back, fpr)


def test_nothing_else_is_found_there(gw, keys, sam_sec):
    gw.cli("key", "import", sam_sec, keys.bob_asc)
    fpr = gw.cli_json("key", "list", "sam")[0]["fingerprint"]
    gw.cli("key", "publish", fpr)
    bob = gw.cli_json("key", "list", "bob")[0]["fingerprint"]
    done = gw.cli("key", "publish", bob, check=False)
    assert done.returncode == 1 and b"only own keys" in done.stderr
    name = wkd_hash("sam")
    for host, path in (
            ("partner.example", "/.well-known/openpgpkey/hu/" + wkd_hash("bob")),
            ("elsewhere.example", direct("sam")),
            ("sender.example", advanced("sam")),
            ("openpgpkey.elsewhere.example", advanced("sam")),
            ("openpgpkey.elsewhere.example", advanced("sam", "elsewhere.example")),
            ("sender.example", direct("nobody")),
            ("sender.example", "/.well-known/openpgpkey/"),
            ("sender.example", "/.well-known/openpgpkey/hu/"),
            ("sender.example", "/.well-known/openpgpkey/hu"),
            ("sender.example", "/.well-known/openpgpkey/hu/" + name[:-1]),
            ("sender.example", "/.well-known/openpgpkey/hu/" + name + "/"),
            ("sender.example", "/.well-known/openpgpkey/hu/" + name.upper()),
            ("sender.example", "/.well-known/openpgpkey/hu/../policy"),
            ("..", "/.well-known/openpgpkey/hu/" + name),
            ("sender.example/hu", "/.well-known/openpgpkey/policy"),
            (".", "/.well-known/openpgpkey/policy"),
            ("", "/.well-known/openpgpkey/policy"),
            ("openpgpkey...", "/.well-known/openpgpkey/../policy"),
            ("openpgpkey.%2e%2e", "/.well-known/openpgpkey/%2e%2e/policy"),
            ("sender.example", "/crl/"), ("sender.example", "/crl/../wkd"),
            ("sender.example", "/crl/" + 64 * "0" + ".crl"),
            ("sender.example", "/crl/" + 64 * "0")):
        status = ask(gw, host, path)[0]
        assert status in (400, 404), (host, path, status)
    assert ask(gw, "sender.example", direct("sam"), "POST")[0] in (405, 421)


def test_the_list_of_the_ca_is_where_its_certificates_say(gw, root):
    ca, leaf = root / "ca.pem", root / "leaf.pem"
    gw.cli("ca", "init", "--out", ca)
    fpr = gw.cli_json("ca", "issue", "--out", leaf, ADDR)["key"]["fingerprint"]
    text = run("openssl", "x509", "-in", leaf, "-noout", "-text").stdout.decode()
    url = re.search(r"URI:(http://127\.0\.0\.1:%d)(/crl/[0-9a-f]{64}\.crl)" % gw.portal_port, text)
    assert url, text

    def is_good():
        status, der, headers = ask(gw, "crl.sender.example", url.group(2))
        assert status == 200 and headers["Content-Type"] == "application/pkix-crl"
        (root / "crl.pem").write_bytes(
            run("openssl", "crl", "-inform", "DER", "-CAfile", ca, input=der).stdout)
        return run("openssl", "verify", "-crl_check", "-CRLfile", root / "crl.pem",
                   "-CAfile", ca, leaf, check=False).returncode == 0

    assert is_good()
    gw.cli("ca", "revoke", fpr)
    wait_for("the list with it", lambda: not is_good())


def test_dns_records_stand_in_a_zone_that_knot_takes(gw, root):
    made = gw.cli_json("key", "generate", "--kind", "openpgp", "--domain", "sender.example")["key"]
    gw.cli("ca", "init")
    crt = gw.cli_json("ca", "issue", ADDR)["key"]["fingerprint"]
    records = gw.cli("key", "publish", "--dns", made["fingerprint"], crt).stdout.decode()
    assert gw.cli("key", "publish", "--dns", check=False).returncode == 1
    gw.cli("key", "publish", made["fingerprint"], crt)
    assert sorted(gw.cli("key", "publish", "--dns").stdout.decode().splitlines()) == \
        sorted(records.splitlines())
    zone = root / "sender.example.zone"
    zone.write_text("$ORIGIN sender.example.\n@ 3600 SOA ns admin 1 3600 600 86400 60\n"
                    "@ NS ns\nns A 127.0.0.1\n" + records)
    knot = unpacked("knot-dnssecutils")
    env = dict(os.environ, LD_LIBRARY_PATH=":".join(
        str(p) for p in (knot / "usr/lib").glob("*-linux-*")))
    checker = [knot / "usr/bin/kzonecheck", "-o", "sender.example"]
    run(*checker, zone, env=env)
    for kind, local in (("_openpgpkey", "_domain"), ("_smimecert", "sam")):
        owner = hashlib.sha256(local.encode()).hexdigest()[:56]
        assert "%s.%s.sender.example. 3600 IN " % (owner, kind) in records
    # and it does look at what is in them
    zone.write_text(zone.read_text() + records.replace("SMIMEA 3 0 0 ", "SMIMEA 3 0 zero "))
    assert run(*checker, zone, env=env, check=False).returncode != 0


ENTER = r"""
import fcntl, os, socket, struct, subprocess, sys
s = socket.socket()
fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))
for there, here in (a.split("=") for a in sys.argv[1].split(",")):
    subprocess.run(["mount", "--bind", here, there], check=True)
os.execvp(sys.argv[2], sys.argv[2:])
"""
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists(BUNDLE),
                    reason="needs root for a network of its own, and a list of anchors")
def test_gpg_finds_a_key_that_the_portal_serves(make_gateway, capture, root):
    """In a network of its own, so that the port and the name are the real ones."""
    ca, ca_key, crt, key = (root / n for n in ("ca.crt", "ca.key", "tls.crt", "tls.key"))
    run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", ca_key, "-out", ca,
        "-days", "30", "-subj", "/CN=Anchor")
    run("openssl", "req", "-nodes", "-newkey", "rsa:2048", "-keyout", key, "-out", root / "csr",
        "-subj", "/CN=portal")
    ext = root / "ext"
    ext.write_text("subjectAltName=DNS:openpgpkey.sender.example,DNS:localhost\n")
    run("openssl", "x509", "-req", "-in", root / "csr", "-CA", ca, "-CAkey", ca_key,
        "-CAcreateserial", "-extfile", ext, "-days", "30", "-out", crt)
    hosts = root / "hosts"
    hosts.write_text("127.0.0.1 localhost openpgpkey.sender.example\n")
    gw = make_gateway(capture.port, start=False)
    gw.conf.write_text(re.sub(
        r'portal \{ address = "[^"]*" url = "[^"]*"',
        'portal { address = "127.0.0.1:443" url = "https://localhost" tls-cert = "%s" '
        'tls-key = "%s"' % (crt, key), gw.conf.read_text()))
    gw.wrap = ["unshare", "-n", "-m", "--propagation", "private", "/usr/bin/python3", "-c", ENTER,
               "/etc/hosts=%s,%s=%s" % (hosts, BUNDLE, ca)]
    gw.start()
    fpr = gw.cli_json("key", "generate", "--kind", "openpgp", ADDR)["key"]["fingerprint"]
    gw.cli("key", "publish", fpr)
    home = tempfile.mkdtemp(prefix="sgl.", dir="/dev/shm")
    try:
        with open(os.path.join(home, "dirmngr.conf"), "w", encoding="ascii") as f:
            f.write("standard-resolver\n")
        inside = ["nsenter", "-t", str(gw.proc.pid), "-n", "-m"]
        found = subprocess.run(
            [*inside, "gpg", "--homedir", home, "--batch", "--no-auto-check-trustdb",
             "--auto-key-locate", "clear,nodefault,wkd", "--locate-external-keys", ADDR],
            capture_output=True, timeout=90, check=False)
        assert found.returncode == 0, found.stderr.decode()
        listed = run("gpg", "--homedir", home, "--batch", "--with-colons", "--list-keys", ADDR)
        assert fpr.upper() in listed.stdout.decode()
        assert uids(run("gpg", "--homedir", home, "--export", ADDR).stdout) == ["<%s>" % ADDR]
    finally:
        run("gpgconf", "--homedir", home, "--kill", "all", check=False)
        shutil.rmtree(home, ignore_errors=True)
