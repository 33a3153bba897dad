# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P3: no content at rest in the clear, and no state without its master key."""
import subprocess

from harness import message, octets_below, wait_for

SENDER = "sam@sender.example"
CANARY = b"canary-0815-canary"


def test_no_file_shows_content_while_mail_waits(make_gateway, capture, keys):
    """Small and large, ready, held and clear: all of them wait in the spool."""
    capture.verbs["MAIL"] = (451, "4.3.0 later")
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt, keys.bob_asc], rules='''
rule "held" { to = "@held.example" try = { hold } }
rule "clear" { to = "@clear.example" try = { clear } }
rule "default" { try = { smime, pgp, escrow } }
''')
    body = CANARY.decode() + "\r\n"
    large = body + ("y" * 70 + "\r\n") * 8000 + body
    for to in ("alice@partner.example", "bob@partner.example", "carol@partner.example",
               "x@held.example", "x@clear.example"):
        for text in (body, large):
            gw.send(SENDER, to, message(subject="topsecretsubject", body=text, to=to))
    wait_for("the spool to be written", lambda: any((gw.state / "bodies").iterdir()))
    n = 0
    for path, data in octets_below(gw.state, gw.runtime):
        n += 1
        assert CANARY not in data, path
        if "audit" not in str(path):
            assert b"topsecretsubject" not in data, path
        # nor inside base64 of it
        assert b"Y2FuYXJ5LTA4MTUtY2FuYXJ5" not in data, path
    assert n > 10
    assert CANARY not in gw.log().encode()
    assert b"topsecretsubject" not in gw.log().encode()


def test_state_without_its_master_key_is_refused(make_gateway, capture):
    gw = make_gateway(capture.port)
    gw.stop()
    master = gw.root / "master.key"
    assert master.stat().st_mode & 0o777 == 0o400
    saved = master.read_bytes()
    master.unlink()
    rc = refused(gw)
    assert "master" in rc
    assert not master.exists(), "a new one must not be made for old state"
    master.write_bytes(bytes(len(saved)))
    master.chmod(0o400)
    assert "master" in refused(gw)
    master.chmod(0o600)
    master.write_bytes(saved)
    master.chmod(0o400)
    gw.start()


def refused(gw):
    done = subprocess.run([str(gw.build / "sealgated"), "-f", str(gw.conf)],
                          capture_output=True, timeout=90)
    assert done.returncode != 0
    return done.stderr.decode()


def test_audit_verify_is_content_with_what_happened(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt])
    for _ in range(3):
        gw.send(SENDER, "alice@partner.example", message(body="x\r\n"))
    capture.wait(3)
    wait_for("the rows to be written", lambda: sum(
        r["rec"].get("type") == "sent" for r in gw.audit()) == 3)
    gw.cli("audit", "verify")
    decided = [r["rec"] for r in gw.audit() if r["rec"].get("type") == "decided"]
    assert all(d["rung"] == "smime" and len(d["key"]) == 64 for d in decided)
    # one octet anywhere is found
    gw.stop()
    path, data = next((p, bytearray(p.read_bytes())) for p in sorted(
        (gw.state / "audit").glob("*.jsonl")) if b"smime" in p.read_bytes())
    at = data.index(b"smime")
    data[at] = ord("S")
    path.write_bytes(data)
    assert gw.cli("audit", "verify", check=False).returncode == 1
