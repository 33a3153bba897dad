# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""One message for several recipients: each of them whose key opens it gets it
opened, whatever the key and the message are made of; and what opens into more
than a message may be is delivered as it came, not held."""
from harness import wait_for
from test_open_path import OLGA, OTTO, parts, queue, verdicts
from test_open_pgp import (  # noqa: F401
    EVE, SECRET, TEXT, TRUST, attachment, gw, head, mixed, people, pgp_mime, seal, text_part)

SALES = "sales@sender.example"


def add_key(gw, people, addr):  # noqa: F811
    file = people.root / (addr + ".sec")
    people.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--armor", "-o", file,
               "--export-secret-keys", addr)
    gw.cli("key", "import", file)


def by_recipient(capture, n):
    """What each got, in the order of what came."""
    came = capture.wait(1)
    while sum(len(m.rcpts) for m in came) < n:
        came = capture.wait(len(came) + 1)
    return {r: m.data for m in came for r in m.rcpts}


def test_pieces_are_opened_for_each_recipient(gw, capture, people):  # noqa: F811
    people.openpgp(OLGA)
    add_key(gw, people, OLGA)
    both = lambda text: people.gpg(*TRUST, "--armor", "-o", "-", "-r", OTTO, "-r", OLGA, "-e",
                                   input=text).stdout
    gw.send_in(EVE, [OTTO, OLGA], head() + mixed(
        text_part(both(SECRET + b"\n")), attachment(b"a.txt.pgp", both(b"file\n"))))
    got = by_recipient(capture, 2)
    for addr in (OTTO, OLGA):
        assert verdicts(got[addr])[0].startswith(b"encrypted;"), (addr, verdicts(got[addr]))
        assert SECRET in got[addr], addr


def test_a_key_of_two_opens_for_both(gw, capture, people):  # noqa: F811
    alice = "alice@sender.example"
    people.openpgp(alice)
    people.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--quick-add-uid", alice,
               "Sales <%s>" % SALES)
    add_key(gw, people, alice)
    gw.send_in(EVE, [alice, SALES, OTTO], head() + pgp_mime(seal(people, TEXT, to=alice)))
    got = by_recipient(capture, 3)
    for addr in (alice, SALES):
        assert verdicts(got[addr])[0].startswith(b"encrypted;"), (addr, verdicts(got[addr]))
        assert SECRET in got[addr], addr
    # not his
    assert SECRET not in got[OTTO] and verdicts(got[OTTO])[0].startswith(b"undecryptable")


def test_what_has_too_many_fields_together_comes_as_it_is(gw, capture, people):  # noqa: F811
    inner = (b"Content-Type: text/plain; charset=utf-8; hp=\"cipher\"\r\nFrom: Eve <%s>\r\n"
             b"To: <%s>\r\nSubject: inside\r\n" % (EVE.encode(), OTTO.encode())
             + b"".join(b"X-In-%d: x\r\n" % i for i in range(500)) + b"\r\n" + SECRET + b"\r\n")
    outer = b"".join(b"X-Out-%d: x\r\n" % i for i in range(600))
    body = pgp_mime(seal(people, inner))
    gw.send_in(EVE, OTTO, outer + head() + body)
    got = capture.wait(1)[0].data
    said = verdicts(got)[0]
    assert said.startswith(b"undecryptable") and len(verdicts(got)) == 1, said
    assert SECRET not in got and b"X-In-1:" not in got
    assert b"X-Out-599: x" in parts(got)[0] and b"BEGIN PGP MESSAGE" in got
    assert b"Subject: inside" not in got
    wait_for("an empty queue", lambda: queue(gw) == [])
    # each alone is no flood: with fewer outside it opens
    gw.send_in(EVE, OTTO, b"X-Out-0: x\r\n" + head() + body)
    got = capture.wait(2)[1].data
    assert verdicts(got)[0].startswith(b"encrypted") and SECRET in got, verdicts(got)
