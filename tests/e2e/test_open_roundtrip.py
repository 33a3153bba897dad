# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What one Sealgate seals, another one opens: form by form, the header that
was protected back in its place, and nothing said to differ that does not."""
import email
import email.policy

import pytest

from harness import message
from test_open_path import parts, verdicts
from test_open_smime import EVE, OTTO, field, people  # noqa: F401

BODY = "a body with \u00e4 in it\r\n"


@pytest.fixture(scope="module")
def pgp(people):  # noqa: F811
    people.otto_asc = people.openpgp(OTTO, name="otto-pgp")
    people.otto_sec = people.root / "otto.sec"
    people.otto_sec.write_bytes(people.gpg("--armor", "--export-secret-keys", OTTO).stdout)
    return people


@pytest.mark.parametrize("form, options, sealed", [
    ("smime", "", "encrypted-unauthenticated"),
    ("smime", "smime-cipher = aes256-gcm smime-padding = oaep", "encrypted"),
    ("smime", "header-protection = shy smime-cipher = aes256-gcm", "encrypted"),
    ("smime", "header-protection = none smime-cipher = aes256-gcm", "encrypted"),
    ("pgp", "", "encrypted"),
])
def test_round_trip(make_gateway, capture, pgp, form, options, sealed):
    rules = 'rule "all" { try = { %s, reject } %s }\n' % (form, options)
    theirs = make_gateway(capture.port, portal=False, rules=rules,
                          import_keys=[pgp.otto[0] if form == "smime" else pgp.otto_asc])
    ours = make_gateway(capture.port, portal=False, inbound=capture.port, listen_in="",
                        rules='rule "c" { try = { clear } }\n')
    ours.cli("key", "import", pgp.otto_pem if form == "smime" else pgp.otto_sec)
    sent = message(sender=EVE, to=OTTO, subject="the real subject", body=BODY, extra=(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n"))
    theirs.send(EVE, OTTO, sent)
    outside = capture.wait(1)[0].data
    ours.send_in(EVE, OTTO, outside)
    got = capture.wait(2)[1].data
    assert verdicts(got)[0].split(b";")[0].decode() == sealed
    assert b"differ" not in verdicts(got)[0], verdicts(got)
    assert field(got, b"Subject") == [b"the real subject"]
    opened = email.message_from_bytes(got, policy=email.policy.default)
    assert BODY.strip() in opened.get_content()
    for name in (b"From", b"To", b"Date", b"Message-ID"):
        assert len(field(got, name)) == 1, (name, parts(got)[0])
