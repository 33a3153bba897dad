# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Forms of S/MIME signatures, the chain that goes along, and what the audit log
and `sealgate explain` say of them."""
import pytest

from harness import message, opened_body, run
from test_forms import certificate_with_caps, parse, printed
from test_sign_smime import ALICE, CANARY, CAROL, MAY, SENDER, bundle, rule, verified


def decided(gw):
    gw.stop()
    return [r["rec"] for r in gw.audit() if r["rec"].get("type") == "decided"]


def explained(gw, to):
    return gw.cli_json("explain", "--from", SENDER, "--to", to)[0]


def test_rsa_signs_with_pss_where_a_rule_says_so(make_gateway, capture, keys):
    crt, both = bundle(keys, SENDER, "sam-pss")
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both],
                      rules=rule("required", "smime-signature = pss"))
    said = explained(gw, CAROL)["signature"]
    assert (said["algorithm"], said["shape"]) == ("rsa-pss-sha256", "detached")
    gw.send(SENDER, CAROL, message(to=CAROL, body=CANARY + "\r\n"))
    got = capture.wait(1)[0].data
    assert CANARY in parse(verified(keys, got, crt)).get_content()
    signature = parse(got).get_payload()[1].get_payload(decode=True)
    text = run("openssl", "cms", "-inform", "DER", "-cmsout", "-print", input=signature).stdout
    assert b"rsassaPss" in text and b"sha256WithRSA" not in text.partition(b"signerInfos")[2]
    assert decided(gw)[0]["signature"]["algorithm"] == "rsa-pss-sha256"


@pytest.mark.parametrize("key", [("rsa:2048",), ("ec", "-pkeyopt", "ec_paramgen_curve:P-384")],
                         ids=["rsa", "ec"])
def test_opaque_holds_the_message_inside(make_gateway, capture, keys, key):
    crt, both = bundle(keys, SENDER, "sam-opaque-" + key[0][:2], key)
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both, keys.alice_crt],
                      rules=rule("required", "smime-signed = opaque"))
    gw.send(SENDER, CAROL, message(to=CAROL, body=CANARY + "\r\n"))
    got = capture.wait(1)[0].data
    outer = parse(got)
    assert outer.get_content_type() == "application/pkcs7-mime"
    assert outer.get_param("smime-type") == "signed-data" and outer["Subject"] == "A test"
    assert CANARY.encode() not in got
    entity = parse(verified(keys, got, crt))
    assert CANARY in entity.get_content() and entity.get_param("hp") == "clear"
    # sealed: the signed-data is inside
    gw.send(SENDER, ALICE, message(body=CANARY + "\r\n"))
    opened = keys.open_smime(capture.wait(2)[1].data, keys.alice_key)
    assert parse(opened).get_param("smime-type") == "signed-data"
    assert opened_body(verified(keys, opened, crt)) == CANARY.encode() + b"\r\n"
    rows = decided(gw)
    assert [r["signature"]["shape"] for r in rows] == ["opaque", "opaque"]
    assert rows[1]["signature"]["algorithm"] == {
        "rsa:2048": "rsa-pkcs1-sha256", "ec": "ecdsa-p384-sha384"}[key[0]]


def test_what_no_transport_takes_is_signed_inside(make_gateway, capture, keys):
    """Beside a signed part with 8-bit octets nothing may be re-encoded; inside
    of base64 nothing has to be."""
    crt, both = bundle(keys, SENDER, "sam-inside")
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both],
                      rules=rule("required", "smime-signed = opaque"))
    body = "--b\r\nContent-Type: text/plain; charset=utf-8\r\n" \
           "Content-Transfer-Encoding: 8bit\r\n\r\ngr\u00fc\u00dfe\r\n--b--\r\n"
    gw.send(SENDER, CAROL, message(to=CAROL, body=body, extra=
            'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n'))
    got = capture.wait(1)[0].data
    assert max(got) < 128
    assert "gr\u00fc\u00dfe" in parse(verified(keys, got, crt)).get_payload()[0].get_content()


def authority(keys, name, issuer=None):
    """A CA certificate, self-signed or by another; (certificate, key)."""
    crt, pem = keys.root / (name + ".crt"), keys.root / (name + ".key")
    by = ["-CA", issuer[0], "-CAkey", issuer[1]] if issuer else []
    run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", pem,
        "-out", crt, "-days", "30", "-subj", "/CN=" + name, *by,
        "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    return crt, pem


def person(keys, issuer, name="chained"):
    """A certificate of the sender's by this issuer, in one file with its key."""
    crt, pem = keys.root / (name + ".crt"), keys.root / (name + ".key")
    run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", pem,
        "-out", crt, "-days", "30", "-subj", "/CN=" + name, "-CA", issuer[0],
        "-CAkey", issuer[1], "-addext", "subjectAltName=email:" + SENDER,
        "-addext", "keyUsage=critical,digitalSignature",
        "-addext", "basicConstraints=critical,CA:FALSE")
    both = keys.root / (name + ".both.pem")
    both.write_bytes(crt.read_bytes() + pem.read_bytes())
    return both


def names_sent(data):
    """Whose certificates are in a multipart/signed."""
    p7 = parse(data).get_payload()[1].get_payload(decode=True)
    lines = run("openssl", "pkcs7", "-inform", "DER", "-print_certs", "-noout",
                input=p7).stdout.decode().splitlines()
    return sorted(line.partition("CN = ")[2] for line in lines if line.startswith("subject"))


def test_the_issuers_go_along_and_the_root_does_not(make_gateway, capture, keys):
    root = authority(keys, "chain-root")
    upper = authority(keys, "chain-upper", root)
    lower = authority(keys, "chain-lower", upper)
    both = person(keys, lower)
    with both.open("ab") as f:
        for crt, _ in (lower, upper, root):
            f.write(crt.read_bytes())
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both], rules=rule("required"))
    gw.send(SENDER, CAROL, message(to=CAROL, body=CANARY + "\r\n"))
    got = capture.wait(1)[0].data
    # with the root alone everything else has to come from the message
    entity = run("openssl", "cms", "-verify", "-CAfile", root[0], "-no-CApath",
                 "-purpose", "any", input=got).stdout
    assert CANARY.encode() in entity
    assert names_sent(got) == ["chain-lower", "chain-upper", "chained"]


def test_a_long_chain_is_cut(make_gateway, capture, keys):
    issuer, files = None, []
    for n in range(12):
        issuer = authority(keys, "long-%d" % n, issuer)
        files.append(issuer[0])
    both = person(keys, issuer, "long")
    with both.open("ab") as f:
        for crt in files:
            f.write(crt.read_bytes())
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both], rules=rule("required"))
    gw.send(SENDER, CAROL, message(to=CAROL))
    assert names_sent(capture.wait(1)[0].data) == sorted(
        ["long"] + ["long-%d" % n for n in range(11, 3, -1)])


def test_issuers_in_a_circle_are_each_sent_once(make_gateway, capture, keys):
    first = authority(keys, "circle-a")
    second = authority(keys, "circle-b", first)
    again = keys.root / "circle-a2.crt"
    run("openssl", "req", "-x509", "-new", "-key", first[1], "-out", again, "-days", "30",
        "-subj", "/CN=circle-a", "-CA", second[0], "-CAkey", second[1],
        "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    both = person(keys, (again, first[1]), "circled")
    with both.open("ab") as f:
        f.write(again.read_bytes() + second[0].read_bytes())
    gw = make_gateway(capture.port, listen=MAY, import_keys=[both], rules=rule("required"))
    gw.send(SENDER, CAROL, message(to=CAROL))
    assert names_sent(capture.wait(1)[0].data) == ["circle-a", "circle-b", "circled"]


def test_cipher_and_padding_are_written_down(make_gateway, capture, keys):
    crt, _ = certificate_with_caps(keys, "greta@partner.example")
    ec, _ = keys.certificate("emil@partner.example",
                             key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"))
    gw = make_gateway(capture.port, import_keys=[crt, ec, keys.alice_crt], rules='''
rule "oaep" { subject-tag = "[oaep]" try = { smime, reject } smime-padding = oaep }
rule "all" { try = { smime, reject } }
''')
    for to, form in (("greta@partner.example", ("aes256-gcm", "rsa-pkcs1")),
                     (ALICE, ("aes256-cbc", "rsa-pkcs1")),
                     ("emil@partner.example", ("aes256-cbc", "ecdh-p256-sha256"))):
        said = explained(gw, to)["smime"]
        assert (said["cipher"], said["key"]) == form
        gw.send(SENDER, to, message(to=to))
    gw.send(SENDER, ALICE, message(subject="[oaep] x"))
    # a group gets what all of it opens, and that is what is written down
    both = ["greta@partner.example", ALICE]
    gw.send(SENDER, both, message(to=", ".join(both)))
    got = capture.wait(5)
    assert "rsaesOaep" in printed(got[3].data) and "aes-256-cbc" in printed(got[4].data)
    out = gw.cli("explain", "--from", SENDER, "--to", ALICE).stdout.decode()
    assert "S/MIME: aes256-cbc, key by rsa-pkcs1" in out
    rows = [(r["rcpt"], r["smime"]["cipher"], r["smime"]["key"]) for r in decided(gw)]
    assert rows == [("greta@partner.example", "aes256-gcm", "rsa-pkcs1"),
                    (ALICE, "aes256-cbc", "rsa-pkcs1"),
                    ("emil@partner.example", "aes256-cbc", "ecdh-p256-sha256"),
                    (ALICE, "aes256-cbc", "rsa-oaep-sha256"),
                    ("greta@partner.example", "aes256-cbc", "rsa-pkcs1"),
                    (ALICE, "aes256-cbc", "rsa-pkcs1")]
