# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Header protection and the forms of S/MIME, as rules ask for them and as
recipients are known to open them."""
import email
import email.policy

import pytest

from harness import Problem, message, opened_body, run

SENDER = "sam@sender.example"
ALICE, ERIN = "alice@partner.example", "erin@partner.example"
BOB = "bob@partner.example"
SUBJECT = "canary 1414 canary"
RULE = 'rule "all" { try = { smime, pgp, reject } %s }\n'
# SMIMECapabilities: aes256-GCM, aes256-CBC (RFC 4262 puts them in certificates)
GCM_CAPS = "1.2.840.113549.1.9.15=DER:301a300b0609608648016503040" \
           "12e300b060960864801650304012a"


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def armor_of(data):
    return [p for p in parse(data).walk()
            if p.get_content_type() == "application/octet-stream"][0].get_payload(decode=True)


def printed(data):
    """What `openssl cms` says of the CMS object in an S/MIME message."""
    der = parse(data).get_payload(decode=True)
    return run("openssl", "cms", "-inform", "DER", "-cmsout", "-print",
               input=der).stdout.decode(errors="replace")


def fields_named_hp_outer(entity):
    return [v for k, v in parse(entity).items() if k.lower() == "hp-outer"]


@pytest.mark.parametrize("to", [ALICE, BOB])
def test_baseline_hides_the_subject_and_protects_the_header(
        make_gateway, capture, keys, to):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt, keys.bob_asc],
                      rules=RULE % "")
    gw.send(SENDER, to, message(subject=SUBJECT, body="hello\r\n", to=to))
    got = capture.wait(1)[0].data
    assert SUBJECT.encode() not in capture.everything()
    outer = parse(got)
    assert outer["Subject"] == "[...]" and outer["From"] and outer["Date"]
    opened = keys.open_smime(got, keys.alice_key) if to == ALICE \
        else keys.open_pgp(armor_of(got))
    inner = parse(opened)
    assert inner["Subject"] == SUBJECT and inner["From"] == outer["From"]
    assert inner.get_param("hp") == "cipher"
    assert any("[...]" in v for v in fields_named_hp_outer(opened))
    # who does not know header protection still sees it
    assert SUBJECT in inner.get_content()
    assert opened_body(opened) == b"hello\r\n"


def test_shy_hides_names_and_none_hides_nothing(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "open" { subject-tag = "[open]" try = { smime, reject } }
rule "shy" { to = { "alice@partner.example" } try = { smime, reject } header-protection = shy }
rule "none" { try = { smime, reject } header-protection = none }
''')
    second, key = keys.certificate("nina@partner.example")
    gw.cli("key", "import", second)
    gw.send(SENDER, ALICE, message(subject=SUBJECT))
    shy = parse(capture.wait(1)[0].data)
    assert shy["Subject"] == "[...]" and "Sam" not in str(shy["From"])
    assert SENDER in str(shy["From"])
    gw.send(SENDER, "nina@partner.example",
            message(subject=SUBJECT, body="as it is\r\n", to="nina@partner.example"))
    none = capture.wait(2)[1].data
    assert parse(none)["Subject"] == SUBJECT
    opened = keys.open_smime(none, key)
    assert b"Subject" not in opened and opened_body(opened) == b"as it is\r\n"


def test_a_raising_rule_asks_for_more_never_less(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules='''
rule "more" { subject-tag = "[more]" try = { smime, reject } header-protection = baseline
              smime-cipher = aes256-gcm }
rule "less" { subject-tag = "[less]" try = { smime, reject } header-protection = none
              smime-cipher = aes128-cbc }
rule "all" { from = { "!nina@sender.example" } try = { smime, reject } header-protection = none }
rule "nina" { try = { smime, reject } smime-cipher = aes256-gcm }
''')
    gw.send(SENDER, ALICE, message(subject="[more] x"))
    got = capture.wait(1)[0].data
    assert parse(got)["Subject"] == "[...]"
    assert parse(got).get_param("smime-type") == "authEnveloped-data"
    gw.send("nina@sender.example", ALICE,
            message(subject="[less] x", sender="nina@sender.example"))
    got = capture.wait(2)[1].data
    assert parse(got)["Subject"] == "[...]"
    assert "aes-256-gcm" in printed(got)


def test_nothing_known_gets_what_everybody_opens(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=RULE % "")
    gw.send(SENDER, ALICE, message())
    text = printed(capture.wait(1)[0].data)
    assert "aes-256-cbc" in text and "rsaEncryption" in text


def test_the_floor_of_a_rule_is_never_undercut(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt],
                      rules=RULE % "smime-cipher = aes128-gcm smime-padding = oaep")
    gw.send(SENDER, ALICE, message(body=SUBJECT + "\r\n"))
    got = capture.wait(1)[0].data
    assert parse(got).get_param("smime-type") == "authEnveloped-data"
    text = printed(got)
    assert "-gcm" in text and "rsaesOaep" in text
    assert SUBJECT.encode() in keys.open_smime(got, keys.alice_key)


def certificate_with_caps(keys, addr, key=("rsa:2048",)):
    """A certificate whose owner's software is known to open GCM."""
    name = addr.split("@")[0]
    crt, pem = keys.root / (name + ".crt"), keys.root / (name + ".key")
    run("openssl", "req", "-x509", "-nodes", "-newkey", *key, "-keyout", pem, "-out", crt,
        "-days", "30", "-subj", "/CN=" + name,
        "-addext", "subjectAltName=email:" + addr,
        "-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyAgreement",
        "-addext", "extendedKeyUsage=emailProtection",
        "-addext", "basicConstraints=critical,CA:FALSE", "-addext", GCM_CAPS)
    return crt, pem


def test_known_capabilities_get_the_stronger_form(make_gateway, capture, keys):
    crt, pem = certificate_with_caps(keys, "greta@partner.example")
    gw = make_gateway(capture.port, import_keys=[crt, keys.alice_crt], rules=RULE % "")
    gw.send(SENDER, "greta@partner.example",
            message(body=SUBJECT + "\r\n", to="greta@partner.example"))
    got = capture.wait(1)[0].data
    assert parse(got).get_param("smime-type") == "authEnveloped-data"
    assert "aes-256-gcm" in printed(got)
    assert SUBJECT.encode() in keys.open_smime(got, pem)
    # together with somebody of whom nothing is known: what both open
    both = ["greta@partner.example", ALICE]
    gw.send(SENDER, both, message(body=SUBJECT + "\r\n", to=", ".join(both)))
    got = capture.wait(2)[1]
    assert sorted(got.rcpts) == sorted(both)
    assert "aes-256-cbc" in printed(got.data)
    assert SUBJECT.encode() in keys.open_smime(got.data, pem)
    assert SUBJECT.encode() in keys.open_smime(got.data, keys.alice_key)


def test_what_is_set_for_a_recipient_or_a_domain_goes_first(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt, keys.ec_crt], rules=RULE % "")

    def form(to, n):
        gw.send(SENDER, to, message(to=to, body=SUBJECT + "\r\n"))
        return capture.wait(n)[n - 1].data

    gw.cli("recipient", "set", "--smime", "aes256-gcm,oaep", ALICE)
    got = form(ALICE, 1)
    assert "aes-256-gcm" in printed(got) and "rsaesOaep" in printed(got)
    assert SUBJECT.encode() in keys.open_smime(got, keys.alice_key)
    said = gw.cli_json("explain", "--from", SENDER, "--to", ALICE)[0]["smime"]
    assert said == {"cipher": "aes256-gcm", "key": "rsa-oaep-sha256"}
    assert "S/MIME oaep,aes256-gcm" in gw.cli("recipient", "show", ALICE).stdout.decode()
    # of the domain, for who has no setting of its own
    gw.cli("domain", "set", "--smime", "aes128-gcm", "partner.example")
    assert "aes-128-gcm" in printed(form(ERIN, 2))
    assert "aes-256-gcm" in printed(form(ALICE, 3))
    gw.cli("recipient", "set", "--smime", "aes128-cbc", ALICE)
    assert "aes-256-cbc" in printed(form(ALICE, 4))  # never below the floor
    gw.cli("recipient", "set", "--smime", "known", ALICE)
    gw.cli("domain", "delete", "partner.example")
    assert "aes-256-cbc" in printed(form(ALICE, 5)) and "rsaesOaep" not in printed(form(ALICE, 6))
    for bad in ("3des", "oaep", ""):
        assert gw.cli("recipient", "set", "--smime", bad, ALICE, check=False).returncode == 2


def test_rsa_and_ec_share_only_when_all_is_known(make_gateway, capture, keys):
    rsa, rsa_key = certificate_with_caps(keys, "rita@partner.example")
    ec, ec_key = certificate_with_caps(
        keys, "emil@partner.example", ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"))
    gw = make_gateway(capture.port, import_keys=[rsa, ec, keys.alice_crt, keys.ec_crt],
                      rules=RULE % "")
    known = ["rita@partner.example", "emil@partner.example"]
    gw.send(SENDER, known, message(body=SUBJECT + "\r\n", to=", ".join(known)))
    got = capture.wait(1)[0]
    assert sorted(got.rcpts) == sorted(known)
    for key in (rsa_key, ec_key):
        assert SUBJECT.encode() in keys.open_smime(got.data, key)
    gw.send(SENDER, [ALICE, ERIN], message(to="%s, %s" % (ALICE, ERIN)))
    assert sorted(m.rcpts for m in capture.wait(3)[1:]) == [[ALICE], [ERIN]]


def test_words_that_mean_nothing_are_refused(make_gateway, capture):
    gw = make_gateway(capture.port, start=False)
    for bad in ("header-protection = full", "smime-cipher = 3des", "smime-cipher = cbc",
                "smime-padding = none", 'header-protection = "baseline"'):
        gw.write_conf(rules=RULE % bad, portal=False)
        with pytest.raises(Problem) as problem:
            run(gw.build / "sealgated", "-n", "-f", gw.conf)
        assert "expected" in str(problem.value)
