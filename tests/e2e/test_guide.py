# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The administrator's guide is true: every configuration in it is correct and
passes its own tests, and every command in it does what it is there for, one
after the other in the order of the guide, against one running gateway."""
import os
import re
import shlex
import sys

import pytest

from harness import SEALGATED, TOP, USERS_BASE, free_port, message, portal_page, run, wait_for

sys.path.insert(0, str(TOP / "tests/long"))
import sizing  # noqa: E402

GUIDE = (TOP / "docs" / "guide.md").read_text()
SENDER = "sam@example.com"


def blocks(kind):
    """(line number, text) of every fenced block of this kind."""
    return [(GUIDE[:m.start()].count("\n") + 1, m.group(1))
            for m in re.finditer(r"^```%s\n(.*?)^```$" % kind, GUIDE, re.M | re.S)]


FRAME = blocks("conf")[0][1]
FRAGMENTS = blocks("conf")[1:]
COMMANDS = [(at, line) for at, text in blocks("sh") for line in text.splitlines() if line]


def adapted(text, root):
    """The guide's names and places as they are on this machine."""
    for name in re.findall(r'"(/etc/sealgate/[^"]+)"', text):
        kind = "tls.key" if name.endswith(".key") else "tls.crt"
        text = text.replace(name, str(root / kind))
    text = text.replace("/var/lib/sealgate", str(root / "state"))
    text = re.sub(r"\b(?:10\.0\.0\.2|0\.0\.0\.0):\d+",
                  lambda _: "127.0.0.1:%d" % free_port(), text)
    users = "users    = %d" % USERS_BASE if os.geteuid() == 0 else ""
    return re.sub(r'^users .*$', users, text, flags=re.M)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    root = tmp_path_factory.mktemp("guide")
    run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "30",
        "-subj", "/CN=localhost", "-keyout", root / "tls.key", "-out", root / "tls.crt")
    return root


def test_there_is_something_to_test():
    assert len(FRAGMENTS) >= 10 and len(COMMANDS) >= 20
    assert FRAME.startswith("hostname")
    # what is fenced is configuration, commands, or neither of them
    assert set(re.findall(r"^```(\S+)$", GUIDE, re.M)) <= {"conf", "sh"}


@pytest.mark.parametrize("at,fragment", [pytest.param(*f, id="line%d" % f[0]) for f in FRAGMENTS])
def test_the_fragment_fits_the_frame(at, fragment, tls):
    conf = tls / "sealgate.conf"
    # the rule of the frame comes before those of the fragment, as the guide says;
    # what names its host is a whole configuration
    whole = fragment if fragment.startswith("hostname") else FRAME + fragment
    if "escrow = attachment" in whole:  # which needs the page that was built
        whole += 'escrow { page = "%s" }\n' % portal_page()
    conf.write_text(adapted(whole, tls))
    done = run(SEALGATED, "-n", "-f", conf, check=False)
    assert done.returncode == 0, "guide.md:%d: %s" % (at, done.stderr.decode())


def test_a_test_of_a_fragment_can_fail(tls):
    """Turned round, what a fragment expects is refused."""
    at, fragment = next(f for f in FRAGMENTS if "expect = wait" in f[1])
    conf = tls / "sealgate.conf"
    conf.write_text(adapted(FRAME + fragment.replace("expect = wait", "expect = clear"), tls))
    assert run(SEALGATED, "-n", "-f", conf, check=False).returncode != 0, at


def test_its_figures_are_those_of_the_proof():
    proof = (TOP / "docs" / "proof.md").read_text()
    assert sizing.BEGIN + sizing.block(proof) + sizing.END in GUIDE, "tests/long/sizing.py writes them"
    def near(said, measured):
        return abs(float(re.search(said, GUIDE).group(1)) / measured - 1) < 0.05
    logged, index, octets = map(int, re.search(
        r"An audit log of (\d+) records.*?\((\d+) MB of index for (\d+) MB\)", proof,
        re.S).groups())
    assert near(r"(\d+) octets a record with its index", 1e6 * (index + octets) / logged)
    keys, disk = map(int, re.search(r"A key store of (\d+) records.*?(\d+) MB on disk", proof,
                                    re.S).groups())
    assert near(r"The keystore: ([\d.]+) KB a key", 1e3 * disk / keys)
    [memory] = re.findall(r"100000 entries: .* (\d+) KB of anonymous memory", proof)
    assert near(r"the process store has (\d+) MB", int(memory) / 1000)


RULES = ('rule "held" { to = { "held@partner.example" }  try = { hold } }\n'
         'rule "default" { try = { smime, pgp, escrow } }\n')


@pytest.fixture
def stand(make_gateway, capture, keys, tmp_path):
    gw = make_gateway(capture.port, rules=RULES, start=False)
    gw.conf.write_text(gw.conf.read_text().replace(
        'domains = { "sender.example" }', 'domains = { "example.com" }'))
    gw.start()
    (tmp_path / "alice.crt").write_bytes(keys.alice_crt.read_bytes())
    (tmp_path / "bob.asc").write_bytes(keys.bob_asc.read_bytes())
    (tmp_path / "passphrase").write_text("correct horse battery staple\n")
    (tmp_path / "message.eml").write_bytes(message(
        sender=SENDER, to="carol@partner.example"))
    gw.send(SENDER, ["held@partner.example"], message(sender=SENDER))
    gw.send(SENDER, ["carol@partner.example"], message(sender=SENDER))
    capture.wait(1)  # the link that carol gets
    return gw


def test_the_commands_do_what_they_are_there_for(stand, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    ident = wait_for("the held entry", lambda: stand.cli_json(
        "queue", "list", "--state", "held"))[0]["id"]
    named = {"ID": ident, "OBJECT": stand.cli_json("escrow", "list")[0]["id"]}
    wait_for("the record in the files", lambda: stand.cli(
        "audit", "show", ident, check=False).returncode == 0)
    for at, line in COMMANDS:
        words = [named.get(w, w) for w in shlex.split(line)]
        assert words[0] in ("sealgate", "openssl"), "guide.md:%d" % at
        done = (stand.cli(*words[1:], check=False) if words[0] == "sealgate"
                else run(*words, check=False))
        # 1 is "no": nothing bounced
        none = (0, 1) if words[1:3] == ["audit", "list"] else (0,)
        assert done.returncode in none, "guide.md:%d: %s\n%s%s" % (
            at, line, done.stdout.decode(), done.stderr.decode())
    assert (tmp_path / "keystore.backup").stat().st_size > 0
    assert b"BEGIN CERTIFICATE" in (tmp_path / "ca.pem").read_bytes()
