# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Groups of a directory as conditions of rules, with a real slapd: who is in
one is known from the last answer, and where nothing is known mail is
protected."""
import os
import shutil
import smtplib
import socketserver
import subprocess
import tempfile
import threading

import pytest

from harness import message, wait_for
from key_sources import CA, Slapd

SENDER, ALICE, CAROL = "sam@sender.example", "alice@partner.example", "carol@partner.example"
LIMITS = "sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited\n"


class Directory(Slapd):
    """People by address, and groups of names: {cn: [address, or the cn of another]}.
    It can be started again with others, on the port it had."""

    def __init__(self, ca, people, groups, more=LIMITS):
        super().__init__(ca, ["localhost"], {
            addr: {"description": [d.encode() for d in words]} for addr, words in people.items()})
        self.conf.write_text(self.conf.read_text() + more)
        text = self.ldif.read_text()
        for cn, members in groups.items():
            text += "dn: cn=%s,dc=example\nobjectClass: groupOfNames\ncn: %s\n" % (cn, cn)
            for addr in members:
                text += "member: cn=%s,dc=example\n" % (
                    addr if addr in groups else "p%d" % list(people).index(addr))
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
            'discovery ldap { url = "ldap://127.0.0.1:%d" starttls = false timeout = 45s }\n%s'
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


BOARD = '''
rule "board" { to = "ldap:board" try = { smime, reject } }
rule "default" { try = { clear } }
'''


def board(port, more=""):
    return options(port, 'group "board" { base = "dc=example" filter = "(cn=board)"'
                   ' member = "member" refresh = 1s %s }\n' % more)


@pytest.mark.parametrize("nested", [True, False])
def test_groups_in_groups(make_gateway, capture, keys, directory, nested):
    """However deep, and though they contain each other."""
    d = directory({ALICE: [], CAROL: [], "bob@partner.example": []}, {
        "board": ["bob@partner.example", "inner"], "inner": ["deep", "board"],
        "deep": [ALICE, "deep", "inner"], "other": [CAROL]})
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=BOARD, options=board(
        d.port, "" if nested else "nested = false"))
    wait_for("the group", lambda: "perhaps" not in told(gw, CAROL))
    assert fate(gw, capture, CAROL) == "clear"
    assert fate(gw, capture, "bob@partner.example") == 550
    assert fate(gw, capture, ALICE) == ("smime" if nested else "clear")


def ber(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    return bytes([tag]) + (bytes([size]) if size < 128 else
                           b"\x84" + size.to_bytes(4, "big")) + body


def unber(data, at=0):
    """(tag, contents, where it ends)"""
    size, start = data[at + 1], at + 2
    if size & 0x80:
        n = size & 0x7f
        size, start = int.from_bytes(data[start:start + n], "big"), start + n
    return data[at], data[start:start + size], start + size


class InParts(socketserver.StreamRequestHandler):
    """A directory that gives three members at a time, as Active Directory gives
    1500, or says that it does and gives others: server.lie of what was asked."""

    def handle(self):
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            more = self.rfile.read(head[1] & 0x7f) if head[1] & 0x80 else b""
            size = int.from_bytes(more, "big") if more else head[1]
            _, number, end = unber(body := self.rfile.read(size))
            tag, op, _ = unber(body, end)
            if tag != 0x63:  # no search: good bye
                return
            for reply in (*self.entries(op), ber(0x65, b"\x0a\x01\0\x04\0\x04\0")):
                self.wfile.write(ber(0x30, ber(2, number), reply))

    def entries(self, op):
        _, base, at = unber(op)
        for _ in range(6):  # scope to typesOnly, and the filter
            _, _, at = unber(op, at)
        wanted, names, end = unber(op, at)[1], [], 0
        while end < len(wanted):
            _, name, end = unber(wanted, end)
            names.append(name.decode())
        base = base.decode()
        self.server.asked.append((base, names))
        if base in self.server.people:
            yield self.entry(base, {"mail": [self.server.people[base]]})
        elif "member" in names:
            yield self.entry("cn=board,dc=example", self.part(0))
        elif names and names[0].startswith("member;range="):
            yield self.entry(base, self.part(int(names[0].split("=")[1].split("-")[0])))

    def part(self, first):
        all_of, n = list(self.server.people), 3
        last = first + n >= len(all_of)
        name = "member;range=%d-%s" % (first, "*" if last else first + n - 1)
        return self.server.lie(first, name, all_of[first:first + n])

    @staticmethod
    def entry(dn, values):
        return ber(0x64, ber(4, dn.encode()), ber(0x30, *(
            ber(0x30, ber(4, name.encode()), ber(0x31, *(ber(4, v.encode()) for v in vs)))
            for name, vs in values.items())))


@pytest.fixture
def in_parts():
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = allow_reuse_address = True

    with Server(("127.0.0.1", 0), InParts) as server:
        server.asked, server.lie = [], lambda first, name, values: {name: values}
        server.people = {"cn=p%d,dc=example" % i: "p%d@partner.example" % i for i in range(10)}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_members_in_parts(make_gateway, capture, in_parts):
    """All of them count; parts that do not fit together are no answer."""
    gw = make_gateway(capture.port, rules=BOARD, options=board(in_parts.server_address[1]))
    wait_for("the group", lambda: "perhaps" not in told(gw, CAROL))
    for n in (0, 2, 3, 9):
        assert "to in ldap:board" in told(gw, "p%d@partner.example" % n), n
    assert fate(gw, capture, CAROL) == "clear"
    assert [names for base, names in in_parts.asked if names[0].startswith("member;")][:3] == [
        ["member;range=%d-*" % n] for n in (3, 6, 9)]
    for lie in (lambda first, name, values: {name.replace("=3-", "=4-"): values},
                lambda first, name, values: {name: values if first == 0 else []},
                lambda first, name, values: {name: values[:1 if first == 3 else 3]},
                lambda first, name, values: {name: values, "mail": ["x"]} if first != 6 else {},
                lambda first, name, values: {name: values, "Member;range=%d-*" % first: values}):
        in_parts.lie = lie
        before = gw.log().count("do not fit together")
        wait_for("it to be refused", lambda: gw.log().count("do not fit together") > before)


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
