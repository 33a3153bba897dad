# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Groups of a directory as conditions of rules, with a real slapd: who is in
one is known from the last answer, and where nothing is known mail is
protected."""
import os
import shutil
import smtplib
import subprocess
import tempfile

import pytest

from harness import message, wait_for
from key_sources import CA, Slapd

SENDER, ALICE, CAROL = "sam@sender.example", "alice@partner.example", "carol@partner.example"
LIMITS = "sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited\n"


class Directory(Slapd):
    """People by address, and groups of names: {cn: [address]}. It can be
    started again with others, on the port it had."""

    def __init__(self, ca, people, groups, more=LIMITS):
        super().__init__(ca, ["localhost"], {
            addr: {"description": [d.encode() for d in words]} for addr, words in people.items()})
        self.conf.write_text(self.conf.read_text() + more)
        text = self.ldif.read_text()
        for cn, members in groups.items():
            text += "dn: cn=%s,dc=example\nobjectClass: groupOfNames\ncn: %s\n" % (cn, cn)
            for addr in members:
                text += "member: cn=p%d,dc=example\n" % list(people).index(addr)
            # one who has left, and one without an address
            text += "member: cn=gone,dc=example\nmember: dc=example\n\n"
        self.ldif.write_text(text)


@pytest.fixture(scope="module")
def ca():
    root = tempfile.mkdtemp(prefix="sge-ca.")
    os.chmod(root, 0o755)
    yield CA(root)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def directory(ca):
    made = []

    def make(people, groups=None, port=None):
        d = Directory(ca, people, groups or {})
        made.append(d)
        if port is not None:
            d.port = port
        return d.start()

    yield make
    for d in made:
        d.stop()


def options(port, more=""):
    return ('discovery { allow = { "127.0.0.0/8" } }\n'
            'discovery ldap { url = "ldap://127.0.0.1:%d" starttls = false timeout = 2s }\n%s'
            % (port, more))


RULES = '''
rule "lawyers" { to = "ldap:legal" try = { smime, reject } }
rule "default" { try = { clear } }
'''
LEGAL = 'group "legal" { base = "dc=example" filter = "(description=legal)" refresh = 1s %s }\n'


def fate(gw, capture, to):
    before = len(capture.messages)
    try:
        gw.send(SENDER, to, message(to=to))
    except smtplib.SMTPResponseException as e:
        return e.smtp_code
    except smtplib.SMTPRecipientsRefused as e:
        return e.recipients[to][0]
    data = capture.wait(before + 1)[before].data
    return "smime" if b"pkcs7-mime" in data else "clear"


def told(gw, to):
    return gw.cli("explain", "--from", SENDER, "--to", to, check=False).stdout.decode()


def test_members_are_known_from_the_directory(make_gateway, capture, keys, directory):
    people = {"p%d@partner.example" % n: ["legal"] for n in range(700)}
    d = directory({**people, ALICE: ["legal"], CAROL: ["sales"]})
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=RULES,
                      options=options(d.port, LEGAL % ""))
    wait_for("the group", lambda: "perhaps" not in told(gw, CAROL))
    assert fate(gw, capture, ALICE) == "smime"
    assert fate(gw, capture, CAROL) == "clear"
    # beyond what one answer may hold: it comes in pages
    assert fate(gw, capture, "p699@partner.example") == 550
    assert "to in ldap:legal" in told(gw, ALICE), told(gw, ALICE)
    # an outage changes nothing of what is known, a new answer does; and so after a restart
    d.stop()
    assert fate(gw, capture, ALICE) == "smime" and fate(gw, capture, CAROL) == "clear"
    gw.stop()
    gw.start()
    assert fate(gw, capture, ALICE) == "smime" and fate(gw, capture, CAROL) == "clear"
    directory({ALICE: ["sales"], CAROL: ["legal"]}, port=d.port)
    wait_for("the new answer", lambda: "to in ldap:legal" in told(gw, CAROL))
    wait_for("everybody to know", lambda: fate(gw, capture, ALICE) == "clear")
    assert fate(gw, capture, CAROL) == 550


def test_what_is_not_known_protects(make_gateway, capture, keys, directory):
    """No directory, one that knows nobody, an answer that is too old, a value
    that is no address: whoever it is, the rule raises and decides nothing."""
    d = directory({CAROL: ["legal"]})
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=RULES,
                      options=options(d.port, LEGAL % "keep = 8s"))
    wait_for("the group", lambda: "perhaps" not in told(gw, ALICE))
    assert fate(gw, capture, ALICE) == "clear"
    d.stop()
    wait_for("the answer to be too old", lambda: "perhaps" in told(gw, ALICE))
    assert "could not be found out" in told(gw, ALICE)
    assert fate(gw, capture, ALICE) == "smime" and fate(gw, capture, CAROL) == 550
    for people in ({ALICE: ["sales"]}, {"no address": ["legal"], CAROL: ["legal"]}):
        other = directory(people, port=d.port)
        wait_for("it to be asked", lambda: gw.log().count("event=group-not-read") > 3)
        assert fate(gw, capture, ALICE) == "smime"
        other.stop()
    directory({CAROL: ["legal"]}, port=d.port)
    wait_for("the group again", lambda: fate(gw, capture, ALICE) == "clear")


def test_members_that_a_group_names(make_gateway, capture, keys, directory):
    d = directory({ALICE: [], CAROL: []}, {"board": [ALICE]})
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "board" { to = { "@partner.example", "!ldap:board" } try = { clear } }
rule "default" { try = { smime, reject } }
test "on the board" { from = "a@sender.example" to = "x@partner.example" to-group = "board" has = smime expect = smime }
test "else" { from = "a@sender.example" to = "x@partner.example" from-group = "board" expect = clear }
''', options=options(d.port, 'group "board" { base = "dc=example" filter = "(cn=board)"'
                     ' member = "member" refresh = 1s }\n'))
    wait_for("the group", lambda: "perhaps" not in told(gw, CAROL))
    assert fate(gw, capture, ALICE) == "smime" and fate(gw, capture, CAROL) == "clear"
    gw.cli("check")


@pytest.mark.parametrize("more,said", [
    ("", 'no section group "legal"'),
    ('group "legal" { filter = "x" }\n', "filter: expected"),
    ('group "legal" { filter = "(x=y)" refresh = 1h keep = 5min }\n', "keep is shorter"),
    ('group "le gal" { filter = "(x=y)" }\n', "expected a name"),
    ('group "legal" { filter = "(x=y)" }\ngroup "legal" { filter = "(x=y)" }\n', "second time"),
    ('group "legal" { }\n', '"filter" is missing'),
])
def test_a_group_that_is_not_defined_is_refused(make_gateway, more, said):
    gw = make_gateway(1, start=False, rules=RULES, options=options(1, more))
    out = subprocess.run([gw.build / "sealgated", "-n", "-f", gw.conf], text=True,
                         capture_output=True, timeout=90, check=False)
    assert out.returncode != 0 and said in out.stderr, out.stderr
