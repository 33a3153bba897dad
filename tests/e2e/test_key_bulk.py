#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Many keys at once: directories, bundles, PKCS#7, LDIF, keyrings. What is wrong
with one is told of that one, the rest is in; killed at any moment, what was
committed is whole."""
import base64
import contextlib
import os
import pty
import shutil
import signal
import subprocess
import time

import pytest

from harness import Gateway, Keys, run


@pytest.fixture(name="made", scope="module")
def fixture_made(tmp_path_factory):
    """Three certificates, two OpenPGP keys."""
    keys = Keys(tmp_path_factory.mktemp("made"))
    keys.certs = [keys.certificate("user%d@bulk.example" % i, key=(
        "ec", "-pkeyopt", "ec_paramgen_curve:P-256"))[0] for i in range(3)]
    for i in range(2):
        keys.openpgp("pgp%d@bulk.example" % i)
    yield keys
    keys.close()


@pytest.fixture(name="gw")
def fixture_gw(root):
    gw = Gateway(root, 9, portal=False,
                 rules='rule "default" { try = { smime, pgp, hold } }\n')
    (gw.state).mkdir()
    if os.geteuid() == 0:
        os.chown(gw.state, 65534, 65534)
    yield gw
    gw.close()


def imported(gw, *files, status=0):
    done = gw.cli("--json", "key", "import", *files, check=False)
    assert done.returncode == status, done
    import json
    return json.loads(done.stdout)


def addresses(gw):
    return sorted(a for k in gw.cli_json("key", "list") for a in k["addresses"])


SMIME = ["user%d@bulk.example" % i for i in range(3)]
PGP = ["pgp%d@bulk.example" % i for i in range(2)]


def test_a_bundle_with_a_bad_block_gives_the_others(gw, made, tmp_path):
    pem = tmp_path / "bundle.pem"
    first, second, third = [c.read_text() for c in made.certs]
    broken = second.replace("MII", "AAA", 1)
    pem.write_text("some text\n" + first + broken + third)
    said = imported(gw, pem, status=1)
    assert said["kept"] == 2 and said["new"] == 2
    assert [r["file"] for r in said["refused"]] == ["%s, block 2" % pem]
    assert addresses(gw) == [SMIME[0], SMIME[2]]


@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_pkcs7(gw, made, tmp_path, form):
    p7 = tmp_path / "certs.p7b"
    run("openssl", "crl2pkcs7", "-nocrl", "-outform", form, "-out", p7,
        *[x for c in made.certs for x in ("-certfile", c)])
    assert imported(gw, p7)["kept"] == 3
    assert addresses(gw) == SMIME


def der(cert):
    return run("openssl", "x509", "-in", cert, "-outform", "DER").stdout


def test_ldif(gw, made, tmp_path):
    p7 = run("openssl", "crl2pkcs7", "-nocrl", "-outform", "DER",
             "-certfile", made.certs[1]).stdout
    armor = made.gpg("--armor", "--export", PGP[0]).stdout

    def value(name, octets):
        text = "%s:: %s" % (name, base64.b64encode(octets).decode())
        return text[:76] + "".join(
            "\n " + text[i:i + 75] for i in range(76, len(text), 75)) + "\n"

    ldif = tmp_path / "people.ldif"
    ldif.write_text(
        "version: 1\n\ndn: cn=0\nmail: %s\n" % SMIME[0] +
        value("userCertificate;binary", der(made.certs[0])) +
        "\ndn: cn=1\n" + value("userSMIMECertificate;binary", p7) +
        "\ndn: cn=2\nuserCertificate;binary:: AAAA\n" +
        "userCertificate:< file:///etc/passwd\n" +
        "\ndn: cn=3\n" + value("pgpKey", armor))
    said = imported(gw, ldif, status=1)
    assert said["kept"] == 3, said
    assert addresses(gw) == [PGP[0], SMIME[0], SMIME[1]]
    lines = ldif.read_text().splitlines()
    bad = [i + 1 for i, line in enumerate(lines)
           if line.endswith(":: AAAA") or ":<" in line]
    assert [r["file"] for r in said["refused"]] == [
        "%s, line %d" % (ldif, n) for n in bad]


def test_keyrings_and_keyboxes(gw, made, tmp_path):
    ring = tmp_path / "ring.gpg"
    ring.write_bytes(made.gpg("--export").stdout)
    assert imported(gw, ring)["kept"] == 2
    assert addresses(gw) == PGP
    for key in gw.cli_json("key", "list"):
        gw.cli("key", "delete", key["fingerprint"])
    assert addresses(gw) == []
    assert imported(gw, made.gnupg / "pubring.kbx")["kept"] == 2
    assert addresses(gw) == PGP


def test_a_large_keyring_is_cut(gw, made, tmp_path):
    """One key that is no good does not take others along."""
    good = made.gpg("--export").stdout
    # a primary key packet of a version that is none
    bad = bytes([0x99, 0x00, 0x06, 99, 0, 0, 0, 0, 1])
    filler = bytes([0xcd, 0xff, 0x00, 0x01, 0x00, 0x00]) + b"x" * 65536
    ring = tmp_path / "ring.gpg"
    ring.write_bytes(bad + 3 * filler + good)
    said = imported(gw, ring, status=1)
    assert addresses(gw) == PGP
    assert said["kept"] == 2 and len(said["refused"]) == 1, said
    assert said["refused"][0]["file"].startswith(str(ring))


def fill(directory, made, n):
    """n certificates of one key, which is fast to make."""
    directory.mkdir(parents=True, exist_ok=True)
    key = directory.parent / "key.pem"
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-out", key)
    script = "".join(
        "openssl req -x509 -new -key %s -out %s/%d.pem -days 30 -subj /CN=%d "
        "-addext subjectAltName=email:many%d@bulk.example || exit 1\n"
        % (key, directory, i, i, i) for i in range(n))
    run("sh", input=script.encode())
    key.unlink()
    assert len(list(directory.iterdir())) == n


def test_a_directory_with_a_summary_of_all_refusals(gw, made, tmp_path):
    top = tmp_path / "many"
    fill(top / "deep" / "er", made, 20)
    shutil.copy(made.certs[0], top / "one.pem")
    (top / "bad.pem").write_text("no certificate")
    (top / "deep" / "empty").write_bytes(b"")
    (top / ".hidden").write_text("is passed over")
    (top / "link").symlink_to("/etc/passwd")
    if os.geteuid() == 0:
        top.parent.chmod(0o755)
        top.parent.parent.chmod(0o755)
    done = gw.cli("key", "import", top, check=False)
    assert done.returncode == 1
    text = done.stdout.decode()
    assert "21 imported, 21 of them new; 2 refused:" in text, text
    assert "bad.pem: " in text and "deep/empty: " in text
    assert "hidden" not in text and "link" not in text
    assert len(addresses(gw)) == 21
    # once more brings nothing new
    assert "21 imported, 0 of them new" in gw.cli(
        "key", "import", top, check=False).stdout.decode()


def test_the_terminal_shows_how_far_it_is(gw, made, tmp_path):
    fill(tmp_path / "few", made, 3)
    ours, theirs = pty.openpty()
    subprocess.run([gw.build / "sealgate", "-f", gw.conf, "key", "import",
                    tmp_path / "few"], stderr=theirs,
                   stdout=subprocess.DEVNULL, check=True)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: nobody writes any more
        while octets := os.read(ours, 65536):
            shown += octets
    shown = shown.decode()
    os.close(ours)
    assert "100 %  3 keys, 0 refused" in shown and "[####" in shown


def test_killed_while_it_imports_what_is_there_is_whole(gw, made, tmp_path):
    pem = tmp_path / "many.pem"
    directory = tmp_path / "many"
    fill(directory, made, 60)
    one = b"".join(p.read_bytes() for p in sorted(directory.iterdir()))
    # the same over and over takes a while, and is larger than what is few
    pem.write_bytes(one * 40)
    for wait in (0.05, 0.15, 0.3):
        with subprocess.Popen(
                [str(gw.build / "sealgate"), "-f", str(gw.conf), "key", "import",
                 str(pem)], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL) as child:
            time.sleep(wait)
            child.send_signal(signal.SIGKILL)
        done = gw.cli("--json", "key", "list", check=False)
        # so early that there was none yet, or all of it can be read
        assert done.returncode == 0 or b"no keystore yet" in done.stderr, done
    assert gw.cli("key", "import", pem).returncode == 0
    assert len(addresses(gw)) == 60
