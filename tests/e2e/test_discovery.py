# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Keys that the gateway finds by itself: a message to an address that only a
source knows leaves sealed, one look-up serves all who wait, an outage is no
answer. Real servers (nginx, knot behind unbound, slapd, sks); stand-ins only where
Debian has none that speaks the protocol (VKS) or for what misbehaves."""
import json
import os
import re
import shutil
import signal
import smtplib
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import message, run, wait_for
from key_sources import (CA, Names, Nginx, Rude, Sks, Slapd, Turncoat, dane_name, reply,
                         wkd_hash)

OPPORTUNISTIC = 'rule "default" { try = { smime, pgp, clear } }\n'


@pytest.fixture(scope="module")
def ca():
    root = tempfile.mkdtemp(prefix="sge-ca.")
    os.chmod(root, 0o755)  # discovery reads the CA's certificate as its own user
    yield CA(root)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def started():
    """Servers to stop at the end."""
    made = []

    def keep(server):
        made.append(server)
        return server.start() if hasattr(server, "start") else server

    yield keep
    for server in reversed(made):
        server.stop()


def options(ca, names, sources, more="", sections="", domain_keys=False):
    """Nobody gives up soon, unless a test says so: the machine may be slow."""
    if "timeout" not in more:
        more += " timeout = 45s"
    for source in sources:
        if "discovery %s {" % source not in sections:
            sections += "discovery %s { }\n" % source
    sections = re.sub(r"(discovery \w+ \{)(?![^}]*timeout)", r"\1 timeout = 45s", sections)
    return names.options() + (
        'discovery { sources = { %s } ca-file = "%s" allow = { "127.0.0.0/8" }'
        ' domain-keys = %s %s }\n%s' % (
            ", ".join('"%s"' % s for s in sources), ca.crt,
            "true" if domain_keys else "false", more, sections))


def sealed_to(mail):
    return b"BEGIN PGP MESSAGE" in mail.data


def test_wkd_end_to_end(make_gateway, capture, keys, ca, started):
    """Advanced method; found once, kept, and asked for once."""
    dora = keys.openpgp("dora@wkd.example")
    names = started(Names("openpgpkey.wkd.example. 60 A 127.0.0.1\n"
                          "wkd.example. 60 A 127.0.0.1\n"))
    web = Nginx(ca, {("openpgpkey.wkd.example",): ""})
    web.put_wkd("dora@wkd.example", keys.gpg("--export", "dora@wkd.example").stdout)
    started(web)
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
        ca, names, ["wkd"], sections="discovery wkd { port = %d }\n" % web.port))
    gw.send("sam@sender.example", "Dora@WKD.example", message(to="dora@wkd.example"))
    mail = capture.wait(1)[0]
    assert sealed_to(mail)
    assert b"Hello." in keys.open_pgp(mail.data)
    gw.send("sam@sender.example", "dora@wkd.example", message(to="dora@wkd.example"))
    assert sealed_to(capture.wait(2)[1])
    shown = gw.cli_json("key", "list")
    assert [(k["source"], k["trust"]) for k in shown] == [("wkd", "discovered")]
    assert "/hu/%s?l=dora" % wkd_hash("dora") in shown[0]["url"]
    # nobody there has a key: that is an answer
    gw.send("sam@sender.example", "nobody@wkd.example", message(to="nobody@wkd.example"))
    assert b"Hello." in capture.wait(3)[2].data
    # the web server writes down in turn what it was asked
    wait_for("its log", lambda: any("l=nobody" in r for r in web.requests()))
    assert re.findall(r"\?l=(\w+)", " ".join(web.requests())) == ["dora", "nobody"]
    assert dora.exists()


def lookup(gw, addr):
    """What `sealgate key lookup` says: ({source: answer}, results by kind)."""
    done = gw.cli("--json", "key", "lookup", addr, check=False)
    said = json.loads(done.stdout)
    sources = {s["source"]: s for s in said[0]["sources"]}
    return sources, {r["kind"]: r for r in said[1:]}


def test_explain_asks_when_it_is_told_to(make_gateway, capture, keys, ca, started):
    keys.openpgp("ada@ask.example")
    names = started(Names("openpgpkey.ask.example. 60 A 127.0.0.1\n"))
    web = Nginx(ca, {("openpgpkey.ask.example",): ""})
    web.put_wkd("ada@ask.example", keys.gpg("--export", "ada@ask.example").stdout)
    started(web)
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
        ca, names, ["wkd"], sections="discovery wkd { port = %d }\n" % web.port))
    words = ["explain", "--from", "sam@sender.example", "--to", "ada@ask.example"]
    assert gw.cli_json(*words)[0]["result"] == "deferred" and not web.requests()
    said = gw.cli_json(*words, "--ask")[0]
    assert said["result"] == "sealed" and said["rung"] == "pgp", said
    assert said["asked"]["sources"][0]["answer"] == "found"
    taken = [k for k in said["keys"] if k.get("chosen")][0]
    assert taken["source"] == "wkd" and "openpgpkey.ask.example" in taken["url"]
    out = gw.cli(*words[:-1], "nobody@ask.example", "--ask", check=False).stdout.decode()
    assert "wkd   absent" in out and "nobody@ask.example: clear (clear)" in out, out


def test_direct_method_only_without_the_advanced_host(make_gateway, capture, keys, ca, started):
    """draft-koch-openpgp-webkey-service: the host openpgpkey decides alone when
    it exists, also when it says no and when it is down."""
    keys.openpgp("di@plain.example")
    key = keys.gpg("--export", "di@plain.example").stdout
    names = started(Names("plain.example. 60 A 127.0.0.1\n"
                          "openpgpkey.both.example. 60 A 127.0.0.1\nboth.example. 60 A 127.0.0.1\n"
                          "openpgpkey.down.example. 60 A 127.0.0.9\ndown.example. 60 A 127.0.0.1\n"))
    web = Nginx(ca, {("plain.example", "both.example", "openpgpkey.both.example",
                      "down.example"): ""})
    for domain in ("plain", "both", "down"):
        web.put_wkd("di@%s.example" % domain, key, advanced=False)
    started(web)
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
        ca, names, ["wkd"], sections="discovery wkd { port = %d }\n" % web.port))
    sources, kinds = lookup(gw, "di@plain.example")
    assert sources["wkd"]["answer"] == "found"
    assert "//plain.example" in sources["wkd"]["url"]
    assert kinds["openpgp"]["state"] == "holds"
    sources, kinds = lookup(gw, "di@both.example")
    assert sources["wkd"]["answer"] == "absent" and "404" in sources["wkd"]["why"]
    assert kinds["openpgp"]["state"] == "absent"
    sources, kinds = lookup(gw, "di@down.example")
    assert sources["wkd"]["answer"] == "failed"
    assert kinds["openpgp"]["state"] == "failed"
    assert not any("both.example/.well-known/openpgpkey/hu" in r for r in web.requests())


def test_one_lookup_for_all_who_wait(make_gateway, capture, keys, ca, started):
    keys.openpgp("ed@slow.example")
    key = keys.gpg("--export", "ed@slow.example").stdout

    def answer(path, c):
        time.sleep(1)
        reply(c, 200, key)

    web = started(Rude(ca, ["openpgpkey.slow.example"], answer))
    names = started(Names("openpgpkey.slow.example. 60 A 127.0.0.1\n"))
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
        ca, names, ["wkd"], sections="discovery wkd { port = %d }\n" % web.port))
    senders = [threading.Thread(target=gw.send, args=(
        "sam@sender.example", "ed@slow.example", message(to="ed@slow.example")))
        for _ in range(4)]
    for t in senders:
        t.start()
    for t in senders:
        t.join()
    assert all(sealed_to(m) for m in capture.wait(4))
    assert len(web.seen) == 1


def test_an_outage_waits_and_never_clears(make_gateway, capture, keys, ca, started):
    """A message to one who has a key and one whose server is down: the first
    is served, the second waits; when the server is back it leaves sealed."""
    keys.openpgp("flo@wkd.example")
    names = started(Names("openpgpkey.wkd.example. 60 A 127.0.0.1\n"))
    web = Nginx(ca, {("openpgpkey.wkd.example",): ""})
    web.put_wkd("flo@wkd.example", keys.gpg("--export", "flo@wkd.example").stdout)
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC, retry="first = 500ms max = 1s",
                      import_keys=[keys.bob_asc], options=options(
        ca, names, ["wkd"], "failed-for = 1s", "discovery wkd { port = %d }\n" % web.port))
    with pytest.raises(smtplib.SMTPDataError) as e:
        gw.send("sam@sender.example", "flo@wkd.example", message(to="flo@wkd.example"))
    assert e.value.smtp_code == 451
    gw.send("sam@sender.example", ["bob@partner.example", "flo@wkd.example"], message())
    assert sealed_to(capture.wait(1)[0])
    asked = gw.log().count('event=source addr="flo@')
    wait_for("more tries", lambda: gw.log().count('event=source addr="flo@') > asked + 1)
    assert len(capture.messages) == 1 and b"Hello." not in capture.in_clear()
    started(web)
    got = capture.wait(2)[1]
    assert sealed_to(got) and b"Hello." in keys.open_pgp(got.data)


def test_rcpt_knows_what_was_answered(make_gateway, capture, ca, keys, started):
    """Not asked is not definite: the first recipient is let in and refused when
    the source has said no; the next is refused at RCPT, also after a restart."""
    names = started(Names("openpgpkey.wkd.example. 60 A 127.0.0.1\n"))
    web = started(Nginx(ca, {("openpgpkey.wkd.example",): ""}))
    gw = make_gateway(capture.port, rules='rule "default" { try = { smime, pgp, reject } }\n',
                      options=options(ca, names, ["wkd"], sections=(
                          "discovery wkd { port = %d }\n" % web.port)))
    with pytest.raises(smtplib.SMTPDataError) as e:
        gw.send("sam@sender.example", "gil@wkd.example", message())
    assert e.value.smtp_code == 550
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        gw.send("sam@sender.example", "gil@wkd.example", message())
    gw.stop()
    gw.start()
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        gw.send("sam@sender.example", "gil@wkd.example", message())
    wait_for("the log of the web server", web.requests)
    assert len(web.requests()) == 1


def test_the_key_of_a_domain(make_gateway, capture, keys, ca, started):
    """Who has no key gets mail sealed to that of the domain, which is looked
    for once; while nobody knows whether there is one, nothing leaves."""
    keys.openpgp("_domain@gate.example")
    gate = keys.gpg("--export", "_domain@gate.example").stdout
    up = threading.Event()

    def answer(path, c):
        if "l=_domain" in path:
            reply(c, *((200, gate) if up.is_set() else (503, b"later")))
        else:
            reply(c, 404)

    web = started(Rude(ca, ["openpgpkey.gate.example"], answer))
    names = started(Names("openpgpkey.gate.example. 60 A 127.0.0.1\n"))
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
        ca, names, ["wkd"], "failed-for = 1s", "discovery wkd { port = %d }\n" % web.port, True))
    with pytest.raises(smtplib.SMTPDataError) as e:
        gw.send("sam@sender.example", "una@gate.example", message(to="una@gate.example"))
    assert e.value.smtp_code == 451
    up.set()
    time.sleep(1.2)
    for n, to in enumerate(["una@gate.example", "vic@gate.example", "una@gate.example"]):
        gw.send("sam@sender.example", to, message(to=to))
        mail = capture.wait(n + 1)[n]
        assert sealed_to(mail) and b"Hello." in keys.open_pgp(mail.data)
    asked = [path.split("l=")[1] for path, _ in web.seen]
    assert sorted(asked) == ["_domain", "_domain", "una", "vic"], asked


def endless(c):
    c.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        c.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def dripping(c):
    c.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n")
    while True:
        c.sendall(b"x")
        time.sleep(0.2)


def headers(c):
    c.sendall(b"HTTP/1.1 200 X\r\n")
    while True:
        c.sendall(b"X-More: " + b"y" * 4000 + b"\r\n")


def flooded(key, octets):
    """The key with junk signatures of strangers behind its user ID, as many as
    fit."""
    body = (b"\x04\x10\x16\x08\x00\x06\x05\x02\x60\x00\x00\x00"
            b"\x00\x0a\x09\x10" + b"STRANGER" + b"\x12\x34" + b"\x01\x00\xff" * 2)
    junk = b"\xc2" + bytes([len(body)]) + body
    return key + junk * ((octets - len(key)) // len(junk))


def secret(keys, addr):
    return keys.gpg("--pinentry-mode", "loopback", "--passphrase", "",
                    "--export-secret-keys", addr).stdout


def test_hostile_web_servers(make_gateway, capture, keys, ca, started):
    """threats 2.10 and 2.15: what a server may answer with. None of it is
    sealed to but the flooded key, which is taken without its flood."""
    good = {}
    for local in ("flood", "own", "weak", "revoked"):
        addr = "%s@evil.example" % local
        keys.openpgp(addr, algo="rsa1024" if local == "weak" else "default")
    weak = keys.gpg("--list-keys", "--with-colons", "weak@evil.example").stdout
    weak = re.search(rb"fpr:::::::::([0-9A-F]+):", weak).group(1).decode()
    keys.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--quick-add-key", weak,
             "rsa1024", "encr", "never")
    rev = keys.gnupg / "openpgp-revocs.d"
    fpr = keys.gpg("--list-keys", "--with-colons", "revoked@evil.example").stdout
    fpr = re.search(rb"fpr:::::::::([0-9A-F]+):", fpr).group(1).decode()
    text = (rev / (fpr + ".rev")).read_text().replace(":-----BEGIN", "-----BEGIN")
    (keys.root / "rev").write_text(text)
    keys.gpg("--import", keys.root / "rev")
    for local in ("flood", "own", "weak", "revoked"):
        good[local] = keys.gpg("--export", local + "@evil.example").stdout
    private = secret(keys, "own@evil.example")
    others = keys.gpg("--export", "bob@partner.example").stdout
    v6 = bytes([0xC6, 42, 6, 0x60, 0, 0, 0, 27, 0, 0, 0, 32]) + b"k" * 32
    uid = b"v6@evil.example"
    rows = {
        # local part: (what the server does, answer, a word of the reason)
        "huge": (endless, "failed", "large"),
        "drip": (dripping, "failed", "imeout"),
        "heads": (headers, "failed", "large"),
        "cut": (lambda c: c.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 999\r\n\r\nabc"),
                "failed", ""),
        "nothttp": (lambda c: c.sendall(b"220 smtp.example ESMTP\r\n"), "failed", ""),
        "gzip": (lambda c: reply(c, 200, b"\x1f\x8b\x08" + b"z" * 99, "Content-Encoding: gzip"),
                 "absent", ""),
        "html": (lambda c: reply(c, 200, b"<html>all is well</html>", "Content-Type: text/html"),
                 "absent", ""),
        "empty": (lambda c: reply(c, 200), "absent", ""),
        "down": (lambda c: reply(c, 503, b"later"), "failed", "503"),
        "slowly": (lambda c: reply(c, 429, b"later"), "failed", "429"),
        "gone": (lambda c: reply(c, 410, b"no"), "absent", "410"),
        "tohttp": (lambda c: reply(c, 302, b"", "Location: http://openpgpkey.evil.example/k"),
                   "failed", "redirect"),
        "toother": (lambda c: reply(c, 301, b"", "Location: https://other.example/k"),
                    "failed", "another site"),
        "tolookalike": (lambda c: reply(c, 301, b"", "Location: https://notevil.example/k"),
                        "failed", "another site"),
        "touser": (lambda c: reply(c, 301, b"", "Location: https://u:p@openpgpkey.evil.example/k"),
                   "failed", "redirect"),
        "tofile": (lambda c: reply(c, 301, b"", "Location: file:///etc/passwd"),
                   "failed", "redirect"),
        "toport": (lambda c: reply(c, 301, b"", "Location: https://openpgpkey.evil.example:25/k"),
                   "failed", "another port"),
        "private": (lambda c: reply(c, 200, private), "absent", "private key"),
        "uid": (lambda c: reply(c, 200, others), "absent", "user ID"),
        "weak": (lambda c: reply(c, 200, good["weak"]), "found", ""),
        "revoked": (lambda c: reply(c, 200, good["revoked"]), "found", ""),
        "v6": (lambda c: reply(c, 200, v6 + bytes([0xCD, len(uid)]) + uid), "absent", "version 6"),
        "flood": (lambda c: reply(c, 200, flooded(good["flood"], 1 << 20)), "found", ""),
        "toobig": (lambda c: reply(c, 200, flooded(good["flood"], (1 << 20) + 5000)),
                   "failed", "large"),
    }
    by_hash = {wkd_hash(local): row[0] for local, row in rows.items()}

    def answer(path, c):
        if path.startswith("/loop"):
            reply(c, 302, b"", "Location: /loop%d" % (int(path[5:]) + 1))
            return
        h = path.split("/hu/")[1].split("?")[0]
        if h == wkd_hash("loop"):
            reply(c, 302, b"", "Location: /loop1")
        else:
            by_hash[h](c)

    rows["loop"] = (None, "failed", "too many redirects")
    web = started(Rude(ca, ["openpgpkey.evil.example"], answer))
    names = started(Names("openpgpkey.evil.example. 60 A 127.0.0.1\n"
                          "openpgpkey.wrong.example. 60 A 127.0.0.1\n"
                          "other.example. 60 A 127.0.0.1\nnotevil.example. 60 A 127.0.0.1\n"))
    gw, hasty = (make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
        ca, names, ["wkd"], sections="discovery wkd { port = %d timeout = %s }\n" % (
            web.port, soon))) for soon in ("45s", "3s"))
    found = {}

    def ask(local):
        found[local] = lookup(hasty if local == "drip" else gw, local + "@evil.example")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(ask, rows))
    for local, (_, want, word) in rows.items():
        sources, kinds = found[local]
        said = sources["wkd"]
        assert said["answer"] == want, (local, said)
        assert word in said["why"], (local, said)
        holds = kinds["openpgp"]["state"] == "holds"
        assert holds == (local == "flood"), (local, kinds)
    # the certificate of the server names another
    sources, _ = lookup(gw, "x@wrong.example")
    assert sources["wkd"]["answer"] == "failed", sources
    assert "private-key-offered" in gw.log()
    assert b"GET /loop4" not in b"".join(h for _, h in web.seen)
    assert not any(b"Authorization" in h for _, h in web.seen)
    # the flood is not in the keystore
    flood = [k for k in gw.cli_json("key", "list") if "flood@evil.example" in k["addresses"]]
    assert len(flood) == 1
    size = sum(f.stat().st_size for f in (gw.state / "keystore").iterdir())
    assert size < 1 << 20
    # gpg is still in one piece, and so are its judges
    assert "event=ended" not in gw.log()
    # why a key is not used stays with it
    shown = gw.cli("key", "show", "weak@evil.example").stdout.decode()
    assert "2048" in shown, shown


def test_addresses_that_may_not_be_connected_to(make_gateway, capture, ca, started):
    """Only what the configuration allows: here one address of loopback. The
    server would answer at every one of them."""
    web = started(Rude(ca, ["openpgpkey.x.example"], lambda path, c: reply(c, 404)))
    rows = {
        "loop": "A 127.0.0.2", "ten": "A 10.0.0.1", "meta": "A 169.254.169.254",
        "lan": "A 192.168.1.1", "cgn": "A 100.64.0.1", "zero": "A 0.0.0.0",
        "multi": "A 224.0.0.1", "mapped": "AAAA ::ffff:127.0.0.2", "six": "AAAA ::1",
        "ula": "AAAA fd00::1", "link": "AAAA fe80::1", "nat64": "AAAA 64:ff9b::7f00:2",
        "sixtofour": "AAAA 2002:7f00:0002::1",
    }
    names = started(Names("".join("openpgpkey.%s.example. 60 %s\n" % r for r in rows.items())))
    text = options(ca, names, ["wkd"], sections="discovery wkd { port = %d }\n" % web.port)
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC,
                      options=text.replace("127.0.0.0/8", "127.0.0.1/32"))
    for local in rows:
        sources, kinds = lookup(gw, "a@%s.example" % local)
        assert sources["wkd"]["answer"] == "failed", (local, sources)
        assert "not allowed" in sources["wkd"]["why"], (local, sources)
        assert kinds["openpgp"]["state"] == "failed"
    # an address literal is asked of nobody
    sources, kinds = lookup(gw, "a@[127.0.0.1]")
    assert sources["wkd"]["answer"] == "absent" and kinds["openpgp"]["state"] == "absent"
    assert web.seen == []


def test_a_name_that_changes_between_check_and_connection(make_gateway, capture, keys, ca,
                                                          started):
    """The address that was checked is the one that is connected to; the second
    answer of the name server is for the second look-up."""
    keys.openpgp("wim@turn.example")
    key = keys.gpg("--export", "wim@turn.example").stdout
    web = started(Rude(ca, ["openpgpkey.turn.example"], lambda path, c: reply(c, 200, key)))
    names = started(Turncoat("openpgpkey.turn.example", "127.0.0.1", "127.0.0.2"))
    text = options(ca, names, ["wkd"], sections="discovery wkd { port = %d }\n" % web.port)
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC,
                      options=text.replace("127.0.0.0/8", "127.0.0.1/32"))
    sources, kinds = lookup(gw, "wim@turn.example")
    assert sources["wkd"]["answer"] == "found", sources
    assert names.asked == 1 and kinds["openpgp"]["state"] == "holds"
    sources, _ = lookup(gw, "wim@turn.example")
    assert names.asked == 2
    assert sources["wkd"]["answer"] == "failed" and "not allowed" in sources["wkd"]["why"]


def test_dane(make_gateway, capture, keys, ca, started):
    """OPENPGPKEY and SMIMEA from a signed zone; forged and outdated records
    are failures, whoever tells of them."""
    keys.openpgp("pia@dane.example")
    key = keys.gpg("--export", "pia@dane.example").stdout
    crt, pem = keys.certificate("sue@dane.example")
    der = run("openssl", "x509", "-in", crt, "-outform", "DER").stdout
    locals_ = {"pia": "OPENPGPKEY", "bog": "OPENPGPKEY", "old": "OPENPGPKEY"}

    def rr(local, domain="dane.example"):
        return "%s 60 TYPE61 \\# %d %s\n" % (
            dane_name("%s@%s" % (local, domain), "_openpgpkey"), len(key), key.hex())

    zone = "".join(rr(l) for l in locals_)
    zone += "%s 60 TYPE53 \\# %d 030000%s\n" % (
        dane_name("sue@dane.example", "_smimecert"), len(der) + 3, der.hex())
    zone += "%s 60 TYPE53 \\# 35 030001%s\n" % (
        dane_name("sha@dane.example", "_smimecert"), "ab" * 32)

    def tamper(lines, names, path):
        past = names.signed(path, "-t", "1577836800")
        bog = dane_name("bog@dane.example", "_openpgpkey").rstrip(".")
        old = dane_name("old@dane.example", "_openpgpkey").rstrip(".")
        out = []
        for line in lines:
            if line.startswith(bog) and "RRSIG" not in line and "NSEC" not in line:
                line = line[:-6] + ("AAAAA=" if not line.endswith("AAAAA=") else "BBBBB=")
            if line.startswith(old) and "RRSIG" in line and (
                    "TYPE61" in line or "OPENPGPKEY" in line):
                line = [p for p in past if p.startswith(old) and "RRSIG" in p and (
                    "TYPE61" in p or "OPENPGPKEY" in p)][0]
            out.append(line)
        return out

    names = started(Names(zone, tamper))
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(ca, names, ["dane"]))
    sources, kinds = lookup(gw, "pia@dane.example")
    assert sources["dane"]["answer"] == "found", sources
    assert kinds["openpgp"]["state"] == "holds", kinds
    sources, kinds = lookup(gw, "sue@dane.example")
    assert sources["dane"]["answer"] == "found", sources
    assert kinds["smime"]["state"] == "holds", kinds
    for local in ("nobody", "sha"):
        sources, kinds = lookup(gw, local + "@dane.example")
        assert sources["dane"]["answer"] == "absent", (local, sources)
        assert kinds["openpgp"]["state"] == "absent"
    for local in ("bog", "old"):
        sources, kinds = lookup(gw, local + "@dane.example")
        assert sources["dane"]["answer"] == "failed", (local, sources)
        assert "DNSSEC" in sources["dane"]["why"], (local, sources)
        assert kinds["openpgp"]["state"] == "failed"
    gw.send("sam@sender.example", "sue@dane.example", message(to="sue@dane.example"))
    assert b"Hello." in keys.open_smime(capture.wait(1)[0].data, pem)
    # a name server that validates says SERVFAIL: no answer either
    names.procs[-1].kill()
    names.procs[-1].wait()
    names.validating = True
    names.procs[0].kill()
    names.procs[0].wait()
    names.start()
    sources, kinds = lookup(gw, "bog@dane.example")
    assert sources["dane"]["answer"] == "failed", sources


def test_ldap(make_gateway, capture, keys, ca, started):
    """ldaps and STARTTLS; a chain to an anchor makes a certificate usable, a
    name that is a filter finds nobody."""
    keys.openpgp("lea@dir.example")
    crt, pem = keys.certificate("max@dir.example")
    der = run("openssl", "x509", "-in", crt, "-outform", "DER").stdout
    bundle = run("openssl", "crl2pkcs7", "-nocrl", "-certfile", crt, "-outform", "DER").stdout
    names = started(Names("ldap.example. 60 A 127.0.0.1\nwrong.example. 60 A 127.0.0.1\n"))
    server = started(Slapd(ca, ["ldap.example"], {
        "lea@dir.example": {"pgpKey": [keys.gpg("--armor", "--export", "lea@dir.example").stdout]},
        "max@dir.example": {"userCertificate;binary": [der]},
        "mia@dir.example": {"userSMIMECertificate": [bundle]},
    }))

    def gateway(url, more=""):
        return make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
            ca, names, ["ldap"], sections=(
                'discovery ldap { url = "%s" base = "dc=example" %s }\n'
                "trust { ldap = discovered }\n" % (url, more))))

    for url in ("ldaps://ldap.example:%d" % server.tls_port,
                "ldap://ldap.example:%d" % server.port):
        gw = gateway(url)
        sources, kinds = lookup(gw, "lea@dir.example")
        assert sources["ldap"]["answer"] == "found", sources
        assert kinds["openpgp"]["state"] == "holds", kinds
        sources, kinds = lookup(gw, "max@dir.example")
        assert sources["ldap"]["answer"] == "found", sources
        # nobody vouches for it: shown with the reason, not used
        assert kinds["smime"]["state"] == "absent", kinds
        assert kinds["smime"]["candidates"], kinds
        sources, kinds = lookup(gw, "mia@dir.example")
        assert sources["ldap"]["answer"] == "absent", sources
        for addr in ('"*)(mail=*"@dir.example', "*@dir.example", "nobody@dir.example"):
            sources, kinds = lookup(gw, addr)
            assert sources["ldap"]["answer"] == "absent", (addr, sources)
    # without TLS nobody vouches for the directory
    sources, kinds = lookup(gateway("ldap://ldap.example:%d" % server.port,
                                    "starttls = false"), "lea@dir.example")
    assert sources["ldap"]["answer"] == "found"
    assert kinds["openpgp"]["state"] == "absent", kinds
    # the certificate names another, and nothing listens
    for url in ("ldaps://wrong.example:%d" % server.tls_port, "ldaps://ldap.example:1"):
        sources, kinds = lookup(gateway(url), "lea@dir.example")
        assert sources["ldap"]["answer"] == "failed", sources
        assert kinds["openpgp"]["state"] == "failed"


def test_a_directory_that_wants_a_password(make_gateway, capture, keys, ca, started, tmp_path):
    """It is shown to a verified directory, or one on this machine, and to
    nobody else; a wrong one is a failure, never an absence."""
    keys.openpgp("lea@dir.example")
    names = started(Names("ldap.example. 60 A 127.0.0.1\n"))
    server = started(Slapd(ca, ["ldap.example"], {
        "lea@dir.example": {"pgpKey": [keys.gpg("--armor", "--export", "lea@dir.example").stdout]},
    }, password="open sesame"))
    secret = tmp_path / "password"
    secret.write_text("open sesame\nanother line\n")
    login = 'bind-dn = "%s" password-file = "%s"' % (server.GATEWAY, secret)

    def gateway(url, more=login):
        return make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
            ca, names, ["ldap"], sections=(
                'discovery ldap { url = "%s" base = "dc=example" %s }\n' % (url, more))))

    def answer(gw, addr="lea@dir.example"):
        return lookup(gw, addr)[0]["ldap"]["answer"]

    tls = "ldaps://ldap.example:%d" % server.tls_port
    gw = gateway(tls)
    assert answer(gw) == "found"
    assert answer(gw, "nobody@dir.example") == "absent"
    # another password is a failure, and a new one is taken when it is told of
    secret.write_text("close sesame\n")
    gw.cli("reload")
    wait_for("the wrong password", lambda: answer(gw) == "failed")
    assert answer(gw, "nobody@dir.example") == "failed"
    secret.write_text("open sesame")
    gw.cli("reload")
    wait_for("the right password", lambda: answer(gw) == "found")
    for text in ("open sesame", "close sesame"):
        assert text not in gw.log(), "the password stands in the log"
    assert answer(gateway("ldap://ldap.example:%d" % server.port)) == "found"
    # in clear on this machine only
    assert answer(gateway("ldap://127.0.0.1:%d" % server.port,
                          login + " starttls = false")) == "found"
    # without one nobody is told anything
    assert answer(gateway(tls, "")) != "found"


def test_key_servers(make_gateway, capture, keys, ca, started):
    """A verifying key server is believed, one that takes anything is not; of
    two the second is asked when the first fails."""
    keys.openpgp("ria@ks.example")
    key = keys.gpg("--armor", "--export", "ria@ks.example").stdout

    def answer(path, c):
        known = path in ("/vks/v1/by-email/ria%40ks.example",
                         "/pks/lookup?op=get&options=mr&exact=on&search=ria%40ks.example")
        reply(c, 200 if known else 404, key if known else b"no")

    broken = started(Rude(ca, ["keys.example"], lambda path, c: reply(c, 500)))
    web = started(Rude(ca, ["keys.example"], answer))
    names = started(Names("keys.example. 60 A 127.0.0.1\n"))
    urls = '{ "https://keys.example:%d", "https://keys.example:%d" }' % (broken.port, web.port)
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
        ca, names, ["hkp"], sections="discovery hkp { url = %s }\n" % urls))
    sources, kinds = lookup(gw, "ria@ks.example")
    assert sources["hkp"]["answer"] == "found" and len(broken.seen) == 1
    assert kinds["openpgp"]["state"] == "absent"
    assert "candidate" in kinds["openpgp"]["candidates"][0]["why"]
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
        ca, names, ["vks", "hkp"], sections=(
            "discovery vks { url = %s }\ndiscovery hkp { url = %s }\n" % (urls, urls))))
    sources, kinds = lookup(gw, "ria@ks.example")
    assert sources["vks"]["answer"] == "found" and sources["hkp"]["answer"] == "found"
    assert kinds["openpgp"]["state"] == "holds"
    sources, kinds = lookup(gw, "sia@ks.example")
    assert kinds["openpgp"]["state"] == "absent"


def test_a_real_key_server(make_gateway, capture, keys, ca, started):
    """sks hands out whatever anybody gave it: a candidate, for the address that
    was asked for and no other; without its database it has failed."""
    keys.openpgp("ria@ks.example")
    server = started(Sks(ca, "keys.example", keys.gpg("--export", "ria@ks.example").stdout))
    names = started(Names("keys.example. 60 A 127.0.0.1\n"))
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
        ca, names, ["hkp"], sections='discovery hkp { url = "https://keys.example:%d" }\n'
        % server.port))
    sources, kinds = lookup(gw, "ria@ks.example")
    assert sources["hkp"]["answer"] == "found", sources
    assert kinds["openpgp"]["state"] == "absent"
    assert "candidate" in kinds["openpgp"]["candidates"][0]["why"]
    # a word of the user ID is enough for sks, and not for us
    for addr in ("ks@example.example", "nobody@ks.example"):
        sources, kinds = lookup(gw, addr)
        assert sources["hkp"]["answer"] == "absent", (addr, sources)
    keys.openpgp("sia@ks.example")
    server.add(keys.gpg("--armor", "--export", "sia@ks.example").stdout)
    sources, kinds = lookup(gw, "sia@ks.example")
    assert sources["hkp"]["answer"] == "found", sources
    server.down()
    sources, kinds = lookup(gw, "tia@ks.example")
    assert sources["hkp"]["answer"] == "failed", sources
    assert kinds["openpgp"]["state"] == "failed"


def test_a_judge_that_dies_is_a_failure(make_gateway, capture, keys, ca, started):
    keys.openpgp("tom@wkd.example")
    names = started(Names("openpgpkey.wkd.example. 60 A 127.0.0.1\n"))
    web = Nginx(ca, {("openpgpkey.wkd.example",): ""})
    web.put_wkd("tom@wkd.example", keys.gpg("--export", "tom@wkd.example").stdout)
    started(web)
    gw = make_gateway(capture.port, rules=OPPORTUNISTIC, options=options(
        ca, names, ["wkd"], "timeout = 2s failed-for = 1s", (
            "discovery wkd { port = %d }\n" % web.port)))
    pid = gw.pids()["admission"][0]
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(smtplib.SMTPDataError) as e:
        gw.send("sam@sender.example", "tom@wkd.example", message(to="tom@wkd.example"))
    assert e.value.smtp_code == 451
    os.kill(pid, signal.SIGKILL)

    def sent():
        try:
            gw.send("sam@sender.example", "tom@wkd.example", message(to="tom@wkd.example"))
            return True
        except smtplib.SMTPDataError:
            return False

    wait_for("the key to be judged", sent)
    assert all(sealed_to(m) for m in capture.wait(1))
    assert b"Hello." not in capture.in_clear()
