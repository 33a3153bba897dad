# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What a gateway sends is opened, octet for octet, by the software that should
open it, the defaults by all, as docs/interoperability.md says.
tests/interop/matrix writes that page from the same forms and programs."""
import pathlib
import shutil
import sys
import tempfile

import pytest

from harness import TOP

sys.path.insert(0, str(TOP / "tests" / "interop"))
from forms import FORMS, Mail, People, Sender  # noqa: E402
from software import ALL, No  # noqa: E402

PAGE = TOP / "docs" / "interoperability.md"


class Bench:
    """A gateway, everybody's keys, and the programs, each started when it is
    first asked for."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="sgi."))
        self.root.chmod(0o755)
        self.people = People(self.root / "keys")
        self.sender = Sender(self.root / "gw", self.people)
        self.programs = {}
        self.made = {}

    def program(self, cls):
        if cls not in self.programs:
            self.programs[cls] = cls(self.people, self.root / cls.__name__)
        return self.programs[cls]

    def mail(self, form):
        """[(person, Mail)], sent once for all programs."""
        if form not in self.made:
            to = self.people.named(*form.to)
            got = self.sender.send(to, form)
            form.check(got.values())
            self.made[form] = [(p, got[p.name]) for p in to]
        return self.made[form]

    def close(self):
        for p in self.programs.values():
            p.close()
        self.sender.close()
        self.people.close()
        shutil.rmtree(self.root, ignore_errors=True)


@pytest.fixture(scope="module")
def bench():
    b = Bench()
    yield b
    print("--- log of the gateway\n" + b.sender.gateway.log())
    b.close()


@pytest.mark.parametrize("program", ALL, ids=lambda c: c.__name__)
def test_every_form_is_opened(bench, program):
    p = bench.program(program)
    opened = 0
    for form in FORMS:
        for person, mail in bench.mail(form):
            if form.kind(person) not in p.opens.split():
                continue
            where = "%s, %s, %s" % (p.name, form.name, form.key_name(person))
            try:
                assert mail.wrong(p.read(person, mail)) is None, where
                opened += 1
            except No as said:
                assert not p.should_open(person, form), "%s: %s" % (where, said)
    assert opened > 0


@pytest.mark.parametrize("program", [c for c in ALL if c.opens != "escrow"],
                         ids=lambda c: c.__name__)
def test_a_changed_text_is_noticed(bench, program):
    """Else a good signature would mean nothing."""
    p = bench.program(program)
    tried = 0
    for form in FORMS:
        for person, mail in bench.mail(form):
            if mail.type != "multipart/signed" or form.kind(person) not in p.opens.split():
                continue
            changed = Mail(mail.data.replace(b"figures.bin", b"figured.bin"), mail.sent,
                           mail.signer)
            try:
                assert p.read(person, changed)["signed"] != ["good"]  # a mail program
            except No:
                pass
            tried += 1
    assert tried > 0


def test_nothing_else_of_the_text_is_readable(bench):
    for form in FORMS:
        for person, mail in bench.mail(form):
            if mail.type == "multipart/signed":
                continue
            assert b"K\xc3\xb6ln,\r\n" not in mail.data
            assert b"figures.bin" not in mail.data, (form.name, form.key_name(person))


def test_the_page_names_every_form(bench):
    page = PAGE.read_text()
    for form in FORMS:
        for person in bench.people.named(*form.to):
            assert "| %s | %s | %s | " % (form.name, form.key_name(person), form.when) in page
    for program in ALL:
        assert " %s " % program.name in page
