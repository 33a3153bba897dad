#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""`sealgate key`: what an administrator imports can be used, is shown with its
reasons, and nothing is left behind. Runs the real program on a keystore of its
own."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
SEALGATE = pathlib.Path(os.environ.get("SEALGATE", TOP / "build" / "sealgate"))
DATA = TOP / "tests" / "crypto" / "data"

CONF = """
hostname = "gw.example.com"
state = "{dir}/state"
runtime = "{dir}/run"
master-key = "{dir}/master"
domains = {{ "example.com" }}
listen outbound {{ address = "127.0.0.1:10025" clients = {{ "127.0.0.0/8" }} }}
relay outbound {{ via = "127.0.0.1:2526" }}
keystore {{ url = "lmdb:{dir}/keystore" }}
rule "default" {{ try = {{ smime, pgp, hold }} }}
"""


class Gateway:
    def __init__(self, directory):
        self.dir = directory
        self.conf = directory / "sealgate.conf"
        self.conf.write_text(CONF.format(dir=directory))
        (directory / "keystore").mkdir()
        # gpg's homes are made here, so that nobody else's are counted
        self.memory = pathlib.Path(tempfile.mkdtemp(prefix="sgh.", dir="/dev/shm"))
        self.memory.chmod(0o1777)

    def run(self, *args, stdin=None, conf=True):
        command = [str(SEALGATE)]
        if conf:
            command += ["-f", str(self.conf)]
        return subprocess.run(
            command + [str(a) for a in args], input=stdin,
            capture_output=True, timeout=90, check=False,
            env=dict(os.environ, XDG_RUNTIME_DIR=str(self.memory)))

    def json(self, *args, status=0):
        done = self.run("--json", *args)
        assert done.returncode == status, done
        return json.loads(done.stdout)

    def fingerprints(self):
        return sorted(k["fingerprint"] for k in self.json("key", "list"))


@pytest.fixture(name="gw")
def gateway():
    """A keystore directory whose owner is not root, so that root can be given
    up; within a directory that every user may pass."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sealgate-test-"))
    directory.chmod(0o755)
    gw = Gateway(directory)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(directory / "keystore", nobody.pw_uid, nobody.pw_gid)
    yield gw
    left = list(gw.memory.iterdir())
    shutil.rmtree(directory)
    shutil.rmtree(gw.memory)
    assert not left, "a home of gpg was left behind"


def test_certificates_and_keys_in_every_form_are_taken(gw):
    done = gw.run("key", "import", DATA / "p256.pem", DATA / "rsa2048.der",
                  DATA / "bob.asc", DATA / "rita.pgp", DATA / "chain.pem")
    assert done.returncode == 0, done
    assert done.stdout.count(b"imported ") == 6
    assert b"(anchor)" in done.stdout
    keys = gw.json("key", "list")
    assert len(keys) == 6
    assert {k["trust"] for k in keys} == {"trusted"}
    assert sum(k["issues"] for k in keys) == 1


def test_what_is_refused_is_told_and_the_rest_is_in(gw):
    done = gw.json("key", "import", DATA / "withkey.pem", DATA / "bob.sec.asc",
                   DATA / "v6.asc", DATA / "rita.asc", gw.dir / "missing",
                   gw.conf, status=1)
    assert len(done["refused"]) == 5
    assert all(r["why"] for r in done["refused"])
    assert [k["addresses"] for k in done["imported"]] == [["rita@example.org"]]
    assert len(gw.json("key", "list")) == 1


SIGN = DATA / "sign"


@pytest.fixture(name="started")
def started_gateway(gw):
    """As if sealgated had been started once: the public half to seal private
    keys to is there."""
    keys = gw.dir / "state" / "keys"
    keys.mkdir(parents=True)
    (keys / "public").write_bytes(b"SGPK\1\5" + bytes([9]) + bytes(31))
    return gw


def stored(gw):
    return b"".join(p.read_bytes() for p in (gw.dir / "keystore").iterdir())


def test_a_secret_key_is_taken_in_and_sealed(started):
    done = started.run("key", "import", SIGN / "sam.sec.pgp",
                       SIGN / "offline.sec.pgp")
    assert done.returncode == 0, done
    assert done.stdout.count(b"imported secret openpgp") == 2
    assert b"sam@example.com" in done.stdout
    assert len(started.json("key", "list")) == 2
    # the last octets of the key are the number itself and its checksum
    secret = (SIGN / "sam.sec.pgp").read_bytes()
    start = secret.index(b"sam <sam@example.com>") - 40
    canary = secret[start:start + 32]
    assert canary not in stored(started)
    assert (SIGN / "sam.pgp").read_bytes()[:40] in stored(started)


def test_a_passphrase_comes_from_a_file_or_a_descriptor(started):
    key = SIGN / "pass.sec.asc"
    right, wrong = started.dir / "right", started.dir / "wrong"
    right.write_text("correct horse\nsecond line\n")
    wrong.write_text("incorrect\n")
    for args in ([], ["--passphrase-file", wrong]):
        done = started.run("key", "import", *args, key)
        assert done.returncode == 1, done
        assert b"passphrase" in done.stdout, done
        assert not started.json("key", "list")
    done = started.run("key", "import", "--passphrase-file", right, key)
    assert done.returncode == 0, done
    assert b"signs with RSA" in done.stdout
    done = started.run("key", "import", "--passphrase-fd", "0",
                       SIGN / "passoffline.sec.pgp", stdin=b"correct horse")
    assert done.returncode == 0, done
    for args in (["--passphrase-fd", "x"], ["--passphrase-fd", "77"],
                 ["--passphrase-file", started.dir / "none"],
                 ["--passphrase-file", right, "--passphrase-fd", "0"]):
        assert started.run("key", "import", *args, key).returncode == 2


def test_secret_keys_that_cannot_sign_say_why(started):
    for name, word in [("v6", "version 6"), ("expired", "expired"),
                       ("revoked", "revoked"), ("certonly", "no signing key")]:
        done = started.json("key", "import", SIGN / (name + ".sec.pgp"),
                            status=1)
        assert word in done["refused"][0]["why"], done
        assert not any("secret" in k for k in done["imported"])


def test_secret_keys_that_only_open_are_kept_for_that(started):
    done = started.json("key", "import", SIGN / "stub.sec.pgp")
    secret = [k for k in done["imported"] if "secret" in k][0]
    assert not secret["signs"] and not done["refused"], done
    said = started.run("key", "import", SIGN / "stub.sec.pgp").stdout
    assert b"opens mail, does not sign" in said


def test_a_secret_key_needs_a_gateway_that_was_started(gw):
    done = gw.json("key", "import", SIGN / "sam.sec.pgp", status=1)
    assert "start" in done["refused"][0]["why"], done
    assert not gw.json("key", "list")


def test_standard_input_is_a_file_too(gw):
    blob = (DATA / "p256.pem").read_bytes()
    assert gw.run("key", "import", "-", stdin=blob).returncode == 0
    assert gw.run("key", "import", "-", stdin=b"").returncode == 1


def test_lookup_says_why(gw):
    gw.run("key", "import", DATA / "bob.asc", DATA / "expired.asc",
           DATA / "revoked.asc", DATA / "signonly.asc")
    found = gw.json("key", "lookup", "--kind", "openpgp", "BOB@Example.ORG")
    assert found[0]["state"] == "holds"
    assert found[0]["candidates"][0]["chosen"]
    for address, state, verdict in [
            ("past@example.org", "lapsed", "ERR_KEY_EXPIRED"),
            ("sig@example.org", "absent", "ERR_KEY_UNUSABLE")]:
        found = gw.json("key", "lookup", "--kind", "openpgp", address, status=1)
        assert found[0]["state"] == state
        assert found[0]["candidates"][0]["verdict"] == verdict
        assert found[0]["candidates"][0]["why"]
    found = gw.json("key", "lookup", "nobody@example.org", status=1)
    assert [f["state"] for f in found] == ["absent", "absent"]
    assert b"expired" in gw.run("key", "lookup", "past@example.org").stdout
    states = {k["addresses"][0]: k["state"] for k in gw.json("key", "list") if k["addresses"]}
    assert states["past@example.org"] == "expired" and "expired" not in states["bob@example.org"]


def test_a_candidate_seals_nothing_until_it_is_trusted(gw):
    gw.run("key", "import", "--candidate", DATA / "bob.asc")
    fpr = gw.fingerprints()[0]
    assert gw.run("key", "lookup", "bob@example.org").returncode == 1
    assert gw.run("key", "trust", fpr[:12]).returncode == 0
    assert gw.run("key", "lookup", "bob@example.org").returncode == 0
    assert gw.run("key", "distrust", fpr).returncode == 0
    assert gw.run("key", "lookup", "bob@example.org").returncode == 1
    done = gw.run("key", "import", DATA / "bob.asc")
    assert b"stays distrusted" in done.stdout
    assert gw.run("key", "lookup", "bob@example.org").returncode == 1
    assert gw.run("key", "trust", "--level", "pinned", fpr).returncode == 0
    assert gw.json("key", "show", fpr)[0]["trust"] == "pinned"


def test_keys_are_named_by_fingerprint_beginning_or_key_id(gw):
    gw.run("key", "import", DATA / "bob.asc", DATA / "rita.asc")
    fpr = gw.json("key", "show", "rita@example.org")[0]["fingerprint"]
    for name in [fpr, fpr.upper(), fpr[:8], fpr[:9], "0x" + fpr[-16:],
                 " ".join(fpr[i:i + 4] for i in range(0, 40, 4))]:
        shown = gw.json("key", "show", name)
        assert [k["fingerprint"] for k in shown] == [fpr], name
    for name, status in [("0" * 40, 1), (fpr[:7], 2), ("xyz", 2),
                         ("x@@y", 2), ("nobody@example.org", 1)]:
        assert gw.run("key", "show", name).returncode == status, name


def test_a_deleted_key_comes_back(gw):
    gw.run("key", "import", DATA / "p256.pem")
    before = gw.json("key", "list")
    assert gw.run("key", "delete", before[0]["fingerprint"]).returncode == 0
    fpr = before[0]["fingerprint"]
    assert gw.json("key", "list") == before[1:]
    kept = gw.json("key", "list", "--deleted")
    assert [k["fingerprint"] for k in kept] == [fpr] and "deleted" in kept[0]["state"]
    assert gw.run("key", "undelete", fpr[:12]).returncode == 0
    assert gw.json("key", "list") == before and gw.json("key", "list", "--deleted", status=1) == []
    assert gw.run("key", "undelete", fpr).returncode == 1
    # and is gone for good, deleted before or now
    assert gw.run("key", "delete", fpr).returncode == 0
    assert gw.run("key", "delete", "--deleted", fpr).returncode == 2
    assert gw.run("key", "delete", "--purge", "--deleted", fpr).returncode == 0
    assert gw.json("key", "list", "--deleted", status=1) == []
    gw.run("key", "import", DATA / "p256.pem")
    assert gw.run("key", "delete", "--purge", fpr).returncode == 0
    assert gw.json("key", "list", "--deleted", status=1) == []
    assert gw.run("key", "undelete", fpr).returncode == 1


def test_an_older_copy_takes_nothing_back(gw):
    home = tempfile.mkdtemp(prefix="sgk.", dir="/dev/shm")  # sockets want a short path

    def gpg(when, *args):
        return subprocess.run(
            ["gpg", "--homedir", home, "--batch", "--quiet",
             "--faked-system-time", when, "--pinentry-mode", "loopback",
             "--passphrase", "", *args],
            check=True, capture_output=True, timeout=90).stdout

    try:
        gpg("20260101T000000", "--quick-gen-key", "old@example.org",
            "future-default", "default", "20y")
        older = gpg("20260102T000000", "--export")
        listing = gpg("20260102T000000", "--with-colons", "--list-keys")
        fpr = next(l.split(b":")[9] for l in listing.splitlines()
                   if l.startswith(b"fpr")).decode()
        gpg("20260103T000000", "--quick-set-expire", fpr, "2099-01-01")
        newer = gpg("20260104T000000", "--export")
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"],
                       check=False, timeout=90)
        shutil.rmtree(home, ignore_errors=True)
    assert gw.run("key", "import", "-", stdin=newer).returncode == 0
    until = gw.json("key", "show", fpr)[0]["not_after"]
    assert gw.run("key", "import", "-", stdin=older).returncode == 0
    assert gw.json("key", "show", fpr)[0]["not_after"] == until
    assert gw.run("key", "delete", fpr).returncode == 0
    assert gw.run("key", "import", "-", stdin=older).returncode == 0
    assert gw.json("key", "show", fpr)[0]["not_after"] < until


def test_what_is_deleted_is_gone(gw):
    gw.run("key", "import", DATA / "bob.asc", DATA / "p256.pem")
    for fpr in gw.fingerprints():
        assert gw.run("key", "delete", fpr).returncode == 0
        assert gw.run("key", "delete", fpr).returncode == 1
    assert gw.json("key", "list") == []
    assert gw.run("key", "lookup", "bob@example.org").returncode == 1


def test_a_list_is_for_people(gw):
    gw.run("key", "import", DATA / "bob.asc", DATA / "p256.pem")
    done = gw.run("key", "list")
    assert b"FINGERPRINT" in done.stdout and b"bob@example.org" in done.stdout
    assert gw.run("key", "list", "BELLA").stdout.count(b"\n") == 2
    assert gw.run("key", "list", "nobody").returncode == 1


@pytest.mark.parametrize("args", [
    (), ("key",), ("key", "eat"), ("key", "import"), ("key", "show"),
    ("key", "delete"), ("key", "trust", "--level", "full", "12345678"),
    ("key", "lookup", "--kind", "x509", "a@b.example"),
    ("key", "list", "--color"), ("key", "list", "a", "b"), ("key", "list", "-f"),
])
def test_wrong_usage_is_told(gw, args):
    done = gw.run(*args)
    assert done.returncode == 2, done
    assert done.stderr


def test_help_is_no_error(gw):
    done = gw.run("--help")
    assert done.returncode == 0
    assert b"key import" in done.stdout


def test_a_configuration_that_is_wrong_is_told_with_its_line(gw):
    gw.conf.write_text(gw.conf.read_text().replace("smime, pgp, hold", "smime"))
    done = gw.run("key", "list")
    assert done.returncode == 3
    assert f"{gw.conf}:".encode() in done.stderr
    done = gw.run("-f", gw.dir / "missing", "key", "list", conf=False)
    assert done.returncode == 3


def test_without_a_keystore_there_is_nothing_to_find(gw):
    assert gw.run("key", "list").returncode == 1
    assert not list((gw.dir / "keystore").iterdir()), "reading made it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")
def test_root_is_given_up(gw):
    gw.run("key", "import", DATA / "bob.asc")
    for file in (gw.dir / "keystore").iterdir():
        assert file.owner() == "nobody"
        assert file.stat().st_gid == pwd.getpwnam("nobody").pw_gid
    os.chown(gw.dir / "keystore", 0, 0)
    done = gw.run("key", "list")
    assert done.returncode == 3
    assert b"belongs to root" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")
def test_root_may_import_before_the_first_start(gw):
    gw.conf.write_text("users = 61000\n" + gw.conf.read_text())
    (gw.dir / "keystore").rmdir()
    assert gw.run("key", "list").returncode == 1
    assert not (gw.dir / "keystore").exists(), "reading made it"
    assert gw.run("key", "import", DATA / "bob.asc").returncode == 0
    paths = [gw.dir / "keystore", *(gw.dir / "keystore").iterdir()]
    owners = {p.stat().st_uid for p in paths}
    assert len(paths) == 4 and len(owners) == 1 and 0 not in owners
    assert oct(paths[0].stat().st_mode)[-4:] == "2750"
    for path in paths:
        os.chown(path, 0, 0)
    assert gw.run("key", "import", DATA / "rita.asc").returncode == 0
    assert {p.stat().st_uid for p in paths} == owners
    assert len(gw.json("key", "list")) == 2
    assert oct((gw.dir / "keystore" / "lock.mdb").stat().st_mode)[-3:] == "660"


# --- private keys with certificates

def openssl(*args):
    subprocess.run(["openssl", *[str(a) for a in args]], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(name="p12")
def pkcs12(started):
    """A certificate issued by a CA, both in a PKCS#12 file, the CA first."""
    d = started.dir
    ext = d / "ext"
    ext.write_text("basicConstraints=critical,CA:FALSE\n"
                   "keyUsage=critical,digitalSignature,keyEncipherment\n"
                   "extendedKeyUsage=emailProtection\n"
                   "subjectAltName=email:erna@example.com\n")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", d / "ca.key",
            "-out", d / "ca.pem", "-subj", "/CN=Our CA", "-days", "99")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", d / "erna.key",
            "-out", d / "erna.csr", "-subj", "/CN=Erna")
    openssl("x509", "-req", "-in", d / "erna.csr", "-CA", d / "ca.pem",
            "-CAkey", d / "ca.key", "-set_serial", "7", "-days", "99",
            "-extfile", ext, "-out", d / "erna.pem")
    both = d / "both.pem"
    both.write_text((d / "ca.pem").read_text() + (d / "erna.pem").read_text())
    openssl("pkcs12", "-export", "-inkey", d / "erna.key", "-in", both,
            "-out", d / "erna.p12", "-passout", "pass:gehe\u00efm")
    (d / "pass").write_text("gehe\u00efm\nanother line\n")
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", d / "erna.key",
            "-outform", "DER", "-out", d / "erna.p8")
    for f in d.iterdir():
        if f.is_file():
            f.chmod(0o644)
    return d


def test_pkcs12_is_taken_in_and_sealed(started, p12):
    done = started.run("key", "import", "--passphrase-file", p12 / "pass",
                       p12 / "erna.p12")
    assert done.returncode == 0, done
    assert done.stdout.count(b"imported smime") == 2
    assert done.stdout.count(b"(with its private key)") == 1
    assert b"anchor" not in done.stdout
    keys = {k["subject"]: k for k in started.json("key", "list")}
    assert keys["CN=Erna"]["private"] and keys["CN=Erna"]["trust"] == "trusted"
    assert not keys["CN=Our CA"]["private"]
    assert keys["CN=Our CA"]["trust"] == "candidate"
    shown = started.run("key", "show", "erna@example.com").stdout
    assert b"private key  sealed" in shown
    # the numbers of the key are nowhere, those of the certificate are
    secret = (p12 / "erna.p8").read_bytes()
    db = stored(started)
    for at in range(400, len(secret) - 32, 64):
        assert secret[at:at + 32] not in db, at
    assert b"erna@example.com" in db


def test_a_ca_beside_a_key_is_an_anchor_only_if_asked_for(started, p12):
    with open(p12 / "pass", "rb") as f:
        done = subprocess.run(
            [SEALGATE, "-f", started.conf, "key", "import", "--anchor",
             "--passphrase-fd", str(f.fileno()), p12 / "erna.p12"],
            pass_fds=[f.fileno()], stdin=subprocess.DEVNULL,
            capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done
    assert b"(anchor)" in done.stdout


def test_a_wrong_or_missing_passphrase_takes_nothing_in(started, p12):
    (p12 / "wrong").write_text("nope\n")
    for args, says in [(["--passphrase-file", p12 / "wrong"], "wrong"),
                       ([], "--passphrase-file")]:
        done = started.json("key", "import", *args, p12 / "erna.p12", status=1)
        assert says in done["refused"][0]["why"], done
        assert not done["imported"]
    assert not started.json("key", "list")
    # never from the command line
    assert started.run("key", "import", "--passphrase", "x",
                       p12 / "erna.p12").returncode == 2


def test_a_passphrase_is_asked_for_without_echo(started, p12):
    import pty
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(str(SEALGATE), [str(SEALGATE), "-f", str(started.conf), "key",
                                 "import", str(p12 / "erna.p12")])
    seen = b""
    while b": " not in seen:
        seen += os.read(fd, 1000)
    assert b"erna.p12" in seen
    os.write(fd, "gehe\u00efm\n".encode())
    try:
        while True:
            seen += os.read(fd, 1000)
    except OSError:
        pass
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen
    assert "gehe\u00efm".encode() not in seen
    assert b"(with its private key)" in seen


def test_a_key_alone_finds_its_certificate(started, p12):
    done = started.json("key", "import", p12 / "erna.key", status=1)
    assert "no certificate" in done["refused"][0]["why"]
    assert started.run("key", "import", p12 / "erna.pem").returncode == 0
    assert not started.json("key", "list")[0]["private"]
    done = started.run("key", "import", p12 / "erna.key")
    assert done.returncode == 0, done
    assert b"(with its private key)" in done.stdout
    assert started.json("key", "list")[0]["private"]


def test_deleting_a_certificate_deletes_its_private_key(started, p12):
    def erna():
        return {k["subject"]: k for k in started.json("key", "list")}["CN=Erna"]
    assert started.run("key", "import", "--passphrase-file", p12 / "pass",
                       p12 / "erna.p12").returncode == 0
    # the certificate again does not touch it
    assert started.run("key", "import", p12 / "erna.pem").returncode == 0
    assert erna()["private"]
    assert started.run("key", "delete", erna()["fingerprint"]).returncode == 0
    assert started.run("key", "import", p12 / "erna.pem").returncode == 0
    assert not erna()["private"]


def test_keys_stand_for_a_domain_if_told(started, p12):
    assert started.run("key", "import", "--domain", "not a domain",
                       p12 / "erna.pem").returncode == 2
    assert started.run("key", "import", "--domain", "Example.COM",
                       "--passphrase-file", p12 / "pass",
                       p12 / "erna.p12").returncode == 0
    keys = {k["subject"]: k for k in started.json("key", "list")}
    assert keys["CN=Erna"]["domain"] == "example.com"
    assert keys["CN=Our CA"]["domain"] == ""
    found = started.json("key", "lookup", "--kind", "smime",
                         "anybody@example.com")
    assert found[0]["state"] == "holds"


def test_a_private_key_needs_a_gateway_that_was_started(gw):
    done = gw.json("key", "import", DATA / "withkey.pem", status=1)
    assert "start" in done["refused"][0]["why"], done
    assert not gw.json("key", "list")
