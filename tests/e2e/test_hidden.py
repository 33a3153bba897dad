# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P8: nobody learns of a hidden recipient, whatever form the message takes for
whom, and however Bcc is written."""
import re

import pytest

from harness import message, run, wait_for

SENDER = "sam@sender.example"
SHOWN = ["s1@partner.example", "s2@partner.example", "p1@partner.example",
         "v1@clear.example", "v2@clear.example", "e1@partner.example"]
HIDDEN = ["s3@partner.example", "p2@partner.example", "h1@clear.example", "e2@partner.example"]
RULES = '''
rule "readable" { to = "@clear.example" try = { clear } }
rule "default" { try = { smime, pgp, escrow } }
'''
FORMS = {
    "not named": "",
    "folded": "Bcc:\r\n %s,\r\n\t%s,\r\n %s, %s\r\n" % tuple(HIDDEN),
    "space before the colon": "BCC : %s\r\nbcc: %s, %s\r\nbCC: Hidden <%s>\r\n" % tuple(HIDDEN),
    "resent": "Resent-To: x@y.example\r\nResent-Bcc: %s, %s, %s, %s\r\n" % tuple(HIDDEN),
    "broken": "Bcc: %s, (%s, <%s> \"%s\r\n" % tuple(HIDDEN),
}


@pytest.fixture
def crowd(make_gateway, capture, keys):
    smime = [keys.certificate("s%d@partner.example" % i)[0] for i in (1, 2, 3)]
    pgp = [keys.openpgp("p%d@partner.example" % i) for i in (1, 2)]
    return make_gateway(capture.port, rules=RULES, import_keys=smime + pgp)


def test_nobody_learns_of_a_hidden_recipient(crowd, capture):
    expected = 0
    for name, extra in FORMS.items():
        before = len(capture.messages)
        crowd.send(SENDER, SHOWN + HIDDEN, message(to=", ".join(SHOWN), extra=extra))
        expected += 8  # s1+s2, v1+v2 together, six alone
        for m in capture.wait(expected)[before:]:
            others = [h for h in HIDDEN if h not in m.rcpts]
            assert not [h for h in others if h.encode() in m.data], (name, m.rcpts)
            assert len(m.rcpts) == 1 or not set(m.rcpts) & set(HIDDEN), (name, m.rcpts)
            assert b"\tfor <" not in m.data and not re.search(rb"(?im)^bcc", m.data), name
            for param in m.rcpt_params + [m.mail_params]:
                assert not [h for h in others if h in param], name
            if b"enveloped-data" in m.data:
                shown = run("openssl", "cms", "-cmsout", "-print", input=m.data).stdout
                assert shown.count(b"d.ktri") == len(m.rcpts), name
    wait_for("the queue to be empty", lambda: not crowd.cli_json("queue", "list"))
