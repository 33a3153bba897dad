#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""make_state.py FILE: fills the state directory of a gateway with one of
everything that must survive an upgrade, and packs it. Made once for each
release, with its build (SEALGATE_BUILD), and kept in tests/e2e/states."""
import json
import pathlib
import shutil
import sys
import tarfile
import tempfile

from capture import Capture
from harness import Gateway, Keys, message, run, wait_for
from test_seal import link_of

SENDER = "sam@sender.example"
HELD, CAROL = "held@partner.example", "carol@partner.example"
TEXT = {"held": "what was held 2718", "queued": "what was queued 3141",
        "link": "what was up for pick-up 1618", "inbound": "what came in 5772"}
RULES = """rule "held"    { to = { "held@partner.example" }    try = { hold } }
rule "queued"  { to = { "queued@partner.example" }  try = { clear } }
rule "default" { try = { smime, pgp, escrow } }
"""


def body(what):
    return TEXT[what] + "\r\n"


def fill(gw, capture, keys, top):
    gw.start()
    sam_crt, sam_key = keys.certificate(SENDER, days=36500)
    alice_crt, _ = keys.certificate("alice@partner.example", days=36500)
    pem = top / "sam.pem"
    pem.write_bytes(sam_crt.read_bytes() + sam_key.read_bytes())
    held_crt, held_key = keys.certificate(HELD, days=36500)
    shutil.copy(held_key, top / "held.key")
    gw.cli("key", "import", pem, alice_crt, held_crt)
    gw.cli("key", "generate", "--kind", "openpgp", "--expires", "never", "pia@sender.example")
    gw.cli("ca", "init", "--name", "Old CA", "--valid", "36500d")
    gw.cli("domain", "set", "--keys", "by-hand", "partner.example")
    gw.send(SENDER, CAROL, message(body=body("link"), to=CAROL))
    link = link_of(capture.wait(1)[0].data)
    gw.send(SENDER, HELD, message(body=body("held"), to=HELD))
    capture.stop()  # from here on nobody takes mail
    gw.send(SENDER, "queued@partner.example", message(body=body("queued")))
    sealed = run("openssl", "cms", "-encrypt", "-aes256", "-binary", "-from",
                 "alice@partner.example", "-to", SENDER, "-subject", "In", sam_crt,
                 input=b"Content-Type: text/plain\r\n\r\n" + body("inbound").encode()).stdout
    wait_for("both entries", lambda: len(gw.cli_json("queue", "list")) == 2)
    (top / "for-sam.eml").write_bytes(sealed)
    return {"link": link, "text": TEXT, "rules": RULES,
            "keys": sorted(k["fingerprint"] for k in gw.cli_json("key", "list"))}


def owner_kept(info):
    """Owners as numbers: what counts is who of the gateway's users has it."""
    info.uname = info.gname = ""
    return info


def main():
    target = pathlib.Path(sys.argv[1])
    top = pathlib.Path(tempfile.mkdtemp(prefix="sgs."))
    top.chmod(0o755)
    capture = Capture().start()
    keys = Keys(top / "keys")
    gw = Gateway(top / "gw", capture.port, rules=RULES)
    try:
        facts = fill(gw, capture, keys, top)
        gw.stop()
        (top / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")
        with tarfile.open(target, "w:xz") as tar:
            for name, path in (("state", gw.state), ("master.key", gw.root / "master.key"),
                               ("facts.json", top / "facts.json"),
                               ("for-sam.eml", top / "for-sam.eml"),
                               ("held.key", top / "held.key")):
                tar.add(path, name, filter=owner_kept)
    finally:
        gw.close()
        keys.close()
        shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    main()
