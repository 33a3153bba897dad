# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Conditions of rules, from the octets that a client sends to what leaves."""
import base64
import json
import smtplib
import subprocess
import time

import pytest

from harness import message, wait_for

SENDER, ALICE = "sam@sender.example", "alice@partner.example"
IBAN = "GB82 WEST 1234 5698 7654 32"

RULES = '''
rule "own-machines" { client = { "127.0.0.0/8", "!127.0.0.9" } to = "never@partner.example" try = { reject } }
rule "asked-by-header" { header = { "X-Encrypt", "Importance: high" } try = { smime, reject } }
rule "marked" { sensitivity = { "company-confidential", "Secret" } try = { smime, reject } }
rule "label" { classification = "Restricted" try = { smime, reject } }
rule "large" { size = 60K try = { smime, reject } }
rule "papers" { attachment = { "*.dwg", "application/pdf" } try = { smime, reject } }
rule "numbers" { content = { "@iban", "@cards >= 2", "strictly confidential", "/proj-[0-9]{4}/i" }
    try = { smime, reject } }
rule "invitations" { calendar = true try = { smime, reject } }
rule "tagged" { subject-tag = { "[secure]", "secure:" } try = { smime, reject } }
rule "default" { try = { clear } }
'''


def part(fields, body, multipart=True):
    if not multipart:
        return message().replace(b"\r\n\r\n", b"\r\n" + fields.encode() + b"\r\n\r\n", 1)
    head, _ = message(to=ALICE).split(b"\r\n\r\n", 1)
    return (head + b"\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=xx\r\n\r\n"
            b"--xx\r\nContent-Type: text/plain\r\n\r\nHello\r\n--xx\r\n" + fields.encode() +
            b"\r\n\r\n" + body + b"\r\n--xx--\r\n")


def header(line):
    return line.encode() + b"\r\n" + message(to=ALICE)


B64 = "Content-Transfer-Encoding: base64"
RAISED = [
    ("a header", header("X-Encrypt: 1")),
    ("words in a header", header("Importance: High")),
    ("an encoded header", header("Importance: =?utf-8?q?h=69gh?=")),
    ("sensitivity", header("Sensitivity: Company-Confidential")),
    ("a label of Microsoft's", header(
        "msip_labels: MSIP_Label_11111111-2222-3333-4444-555555555555_Enabled=True;"
        "MSIP_Label_11111111-2222-3333-4444-555555555555_Name=Secret")),
    ("a classification", header("X-Classification: RESTRICTED")),
    ("size", message(to=ALICE, body="0123456789" * 7 + "\r\n") +
     b"0123456789\r\n" * 6000),
    ("a name", part('Content-Type: application/octet-stream; name="plan.DWG"', b"x")),
    ("what it is", part('Content-Type: text/plain; name="a.txt"\r\n' + B64,
                        base64.b64encode(b"%PDF-1.7 x"))),
    ("an account in text", message(to=ALICE, body="to " + IBAN + "\r\n")),
    ("an account in HTML", part("Content-Type: text/html\r\n" + B64, base64.b64encode(
        b"<p>GB82&nbsp;<b>WE</b>ST 1234<!-- x --> 5698 7654 32</p>"))),
    ("words over two lines", message(to=ALICE, body="This is strictly\r\n CONFIDENTIAL.\r\n")),
    ("words in the subject", message(to=ALICE, subject="Strictly confidential")),
    ("a pattern", part("Content-Type: text/csv; name=a.csv; charset=utf-16le\r\n" + B64,
                       base64.b64encode("x;PROJ-0815".encode("utf-16le")))),
    ("a charset that nobody knows", part("Content-Type: text/plain; charset=x-nope", b"abc")),
    ("text sent as octets", part('Content-Type: application/octet-stream; name="a.txt"',
                                 b"to " + IBAN.encode())),
    ("text behind an empty comment", part("Content-Type: text/html",
                                          b"<!-->" + IBAN.encode() + b"<!-- x -->")),
    ("a name that cannot be read", part("Content-Type: image/png; name*=x-nope''a.%FFwg",
                                        b"x")),
    ("broken base64", part("Content-Type: text/plain\r\n" + B64, b"####")),
    ("an invitation", part("Content-Type: text/calendar", b"BEGIN:VCALENDAR")),
    ("a tag", message(to=ALICE, subject="[Secure] hello")),
    ("the other spelling", message(to=ALICE, subject="SECURE: hello")),
    ("a tag in an encoded word", message(to=ALICE, subject="=?utf-8?q?=5Bsecure=5D_hello?=")),
]
PLAIN = [
    ("nothing", message(to=ALICE)),
    ("another importance", header("Importance: low")),
    ("a wrong check digit", message(to=ALICE, body=IBAN.replace("32", "33") + "\r\n")),
    ("one card only", message(to=ALICE, body="4111 1111 1111 1111\r\n")),
    ("no such label", header("Sensitivity: Private")),
    ("an attachment", part('Content-Type: image/png; name="a.png"', b"x")),
]


def test_each_condition_raises_and_nothing_else_does(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=RULES)
    with smtplib.SMTP("127.0.0.1", gw.port, timeout=90) as client:
        for _, msg in RAISED + PLAIN:
            client.sendmail(SENDER, ALICE, msg)
    got = capture.wait(len(RAISED + PLAIN))
    sealed = sum(b"pkcs7-mime" in m.data for m in got)
    assert sealed == len(RAISED), [m.data[:400] for m in got]
    for m in got:
        assert IBAN.encode() not in m.data and b"[secure]" not in m.data.lower()
    gw.stop()
    rows = [r["rec"] for r in gw.audit() if r["rec"].get("type") == "decided"]
    for (what, _), row in zip(RAISED + PLAIN, rows):
        raised = what in dict(RAISED)
        assert row["rung"] == ("smime" if raised else "clear"), what
        assert (len(row["rule"]["raising"]) > 0) == raised, what


def test_a_condition_may_lower_where_the_rule_says_so(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "public" { classification = "Public" may-lower = true try = { clear } }
rule "default" { try = { smime, reject } }
''')
    # what cannot be read for sure lowers nothing
    for i, (mail, sealed) in enumerate([
            (header("X-Classification: public"), False), (message(to=ALICE), True),
            (header("X-Classification: =?x-nope?q?public?="), True)]):
        gw.send(SENDER, ALICE, mail)
        assert (b"pkcs7-mime" in capture.wait(i + 1)[i].data) == sealed, i


def test_time_and_client_decide_at_rcpt(make_gateway, capture, keys):
    # and tomorrow: it may begin meanwhile; and yesterday: of another time zone
    days = ",".join(time.strftime("%a", time.localtime(time.time() + s)).lower()
                    for s in (-86400, 0, 86400))
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=f'''
rule "from-elsewhere" {{ client = "!127.0.0.0/8" try = {{ reject }} }}
rule "never-now" {{ time = "!{days}" try = {{ reject }} }}
rule "here" {{ client = "127.0.0.1" to = "no@partner.example" try = {{ reject }} }}
rule "today" {{ time = "{days}" try = {{ smime, reject }} }}
rule "default" {{ try = {{ clear }} }}
''')
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        gw.send(SENDER, "no@partner.example", message())
    gw.send(SENDER, ALICE, message(to=ALICE))
    assert b"pkcs7-mime" in capture.wait(1)[0].data


@pytest.mark.parametrize("rule,said", [
    ('content = "/(/" try = { hold }', "malformed"),
    ('content = "@visa" try = { hold }', "no detector"),
    ('header = "A b: c" try = { hold }', "expected"),
    ('client = "10.0.0.0/99" try = { hold }', "network"),
    ('time = "noon" try = { hold }', "expected days"),
    ('size = "big" try = { hold }', "size"),
    ('calendar = maybe try = { hold }', "true or false"),
    ('attachment = { } try = { hold }', "empty"),
    ('to = { "a@b.example", "!@b.example" } try = { hold }', "never match"),
])
def test_what_makes_no_sense_is_refused_with_its_line(make_gateway, rule, said):
    gw = make_gateway(1, start=False, rules='rule "x" { %s }\nrule "d" { try = { hold } }\n' % rule)
    out = subprocess.run([gw.build / "sealgated", "-n", "-f", gw.conf], text=True,
                         capture_output=True, timeout=90, check=False)
    assert out.returncode != 0 and said in out.stderr and ".conf:" in out.stderr, out.stderr


def test_the_configuration_proves_what_cannot_leave_and_tests_itself(make_gateway):
    gw = make_gateway(1, start=False, portal=False, rules='''
rule "words" { content = "secret" try = { hold } }
rule "default" { try = { smime, pgp, hold } }
test "a word" { from = "a@sender.example" to = "b@x.example" body = "Secret!" has = pgp expect = hold }
''')
    out = gw.cli("check").stdout.decode()
    assert "No mail can leave readable" in out and "1 tests passed" in out, out
    daemon = subprocess.run([gw.build / "sealgated", "-n", "-f", gw.conf], text=True,
                            capture_output=True, timeout=90, check=True)
    assert "No mail can leave readable" in daemon.stdout
    gw.write_conf(portal=False, rules='''
rule "default" { try = { smime, clear } on-error = weaker }
test "never readable" { from = "a@sender.example" to = "b@x.example" expect = smime }
''')
    found = json.loads(gw.cli("--json", "check", check=False).stdout)
    assert found["ok"] is False and "expected smime, found clear" in str(found["findings"])
    assert [(p["rule"], p["rung"], p["inside"]) for p in found["paths"]] == [
        ("default", "clear", False)]
    assert subprocess.run([gw.build / "sealgated", "-n", "-f", gw.conf], timeout=90,
                          capture_output=True, check=False).returncode == 1


def test_rules_anonymise_and_label_what_leaves(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "quiet" { header = "X-Quiet" anonymise = true try = { clear } }
rule "inside" { classification = "Internal" classify = "Internal" try = { clear } }
rule "numbers" { content = "@iban" classify = "Payment" expires = 2h try = { smime, escrow } }
rule "default" { try = { clear } classify = "Default" }
''')
    telling = (b"X-Quiet: 1\r\nX-Mailer: Mailer 1.0\r\nX-Originating-IP: [10.9.8.7]\r\n"
               b"Received: from pc17 ([10.9.8.7]) by mta17; Sat, 21 Nov 2026 09:00:00 +0000\r\n")
    gw.send(SENDER, "bob@partner.example", telling + message())
    plain = capture.wait(1)[0].data
    for word in (b"pc17", b"10.9.8.7", b"Mailer 1.0", b"127.0.0.1", b"mta17"):
        assert word not in plain, word
    assert plain.count(b"\r\nReceived:") + plain.startswith(b"Received:") == 2
    assert plain.count(b"X-Classification: Default\r\n") == 1
    # of sealed mail the label is protected, and there as well
    body = message(to=ALICE, body=IBAN + "\r\n")
    gw.send(SENDER, ALICE, body)
    sealed = capture.wait(2)[1].data
    assert b"Received: from" in sealed
    opened = keys.open_smime(sealed, keys.alice_key)
    assert b"X-Classification: Payment" in opened and b"X-Classification: Default" in opened
    # who has no key picks it up for two hours; a label that is there stays alone
    gw.send(SENDER, "carol@partner.example", b"X-Classification: Internal\r\n" +
            message(body=IBAN + "\r\n"))
    wait_for("the notice", lambda: b"/m/" in capture.everything())
    gw.stop()
    row = [r["rec"] for r in gw.audit() if r["rec"].get("type") == "escrowed"][0]
    assert 3600 < row["expires"] - time.time() < 7300


def test_a_group_file_is_read_again_and_fails_closed(make_gateway, capture, keys, tmp_path):
    """In the file: protected or not at all. Not in it: readable. Not to be known: protected."""
    tmp_path.chmod(0o755)
    group, new = tmp_path / "partners", tmp_path / "new"
    group.write_text("# partners\n" + "".join("x%d@partner.example\n" % i for i in range(100000)))
    # one worker: each has its own look at the file
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], limits="workers = 1",
                      rules=f'''
rule "partners" {{ to = "file:{group}" try = {{ smime, reject }} }}
rule "default" {{ try = {{ clear }} }}
''')

    def fate(to):
        before = len(capture.messages)
        try:
            gw.send(SENDER, to, message(to=to))
        except smtplib.SMTPResponseException as e:
            return e.smtp_code
        except smtplib.SMTPRecipientsRefused as e:
            return e.recipients[to][0]
        data = capture.wait(before + 1)[before].data
        return "smime" if b"pkcs7-mime" in data else "clear"

    def replace(text):
        new.write_text(text)
        new.rename(group)

    assert fate(ALICE) == "clear" and fate("x99999@partner.example") == 550
    replace("x@other.example\nAlice@Partner.Example\n@whole.example\n")
    wait_for("the new file", lambda: fate(ALICE) == "smime")
    assert fate("a@whole.example") == 550 and fate("x99999@partner.example") == "clear"
    # half written, gone: nobody is known not to be in it
    for broken in ("bob@part", None):
        if broken is None:
            group.unlink()
        else:
            replace(broken)
        wait_for("the file to be found broken", lambda: fate("bob@other.example") == 550)
        assert fate(ALICE) == "smime"
        replace("x@other.example\n")
        wait_for("a good one", lambda: fate("bob@other.example") == "clear")
    group.unlink()
    bad = subprocess.run([gw.build / "sealgated", "-n", "-f", gw.conf], timeout=90, text=True,
                         capture_output=True, check=False)
    assert bad.returncode == 1 and str(group) in bad.stderr
