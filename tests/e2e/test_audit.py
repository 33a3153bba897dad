# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""P4 and P5: the audit log says what happened and why, in documented words, and
is found again; `sealgate explain` says the same beforehand."""
import json
import os
import pathlib
import re
import shutil
import socket
import threading

import pytest

from harness import message, run, wait_for

SENDER = "sam@sender.example"
ALICE = "alice@partner.example"
BOB = "bob@partner.example"
CAROL = "carol@partner.example"
DORA = "dora@partner.example"
DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
RULES = '''
rule "plain" { to = { "dora@partner.example" } try = { clear } }
rule "asked" { subject-tag = "[secure]" try = { smime, pgp, hold } }
rule "default" { try = { smime, pgp, escrow } }
'''


def documented_records():
    types = {}
    for line in (DOCS / "format-audit.md").read_text().splitlines():
        if line.startswith("| `"):
            first, _, members = line.strip("|").split("|")
            for name in re.findall("`([^`]+)`", first):
                types[name] = set(re.findall("`([^`]+)`", members))
    return types


def documented_trace():
    return {name for line in (DOCS / "format-trace.md").read_text().splitlines()
            if line.startswith("| `")
            for name in re.findall("`([^`]+)`", line.split("|")[1])}


def members(value, within=""):
    """a, a.b for every member of an object, through lists."""
    if isinstance(value, list):
        for v in value:
            yield from members(v, within)
    elif isinstance(value, dict):
        for name, v in value.items():
            yield within + name
            yield from members(v, within + name + ".")


@pytest.fixture
def gw(make_gateway, capture, keys):
    return make_gateway(capture.port, import_keys=[keys.alice_crt, keys.bob_asc], rules=RULES)


def with_id(msg, message_id):
    return re.sub(rb"Message-ID: \S+", lambda m: b"Message-ID: " + message_id.encode(), msg)


def sent(gw, capture):
    """Mail of every kind, and the records of it."""
    msg = with_id(message(subject="[secure] a canary-5512", to=ALICE), '<one@"odd".example>')
    gw.send(SENDER, [ALICE, CAROL], msg)
    gw.send(SENDER, [BOB, CAROL, DORA], message(subject="b"))
    return wait_for("the records", lambda: [
        rows for rows in [gw.audit()]
        if [r["rec"]["type"] for r in rows].count("sent") >= 4])[0]


def test_every_record_has_the_members_that_are_documented(gw, capture):
    rows = sent(gw, capture)
    known, trace = documented_records(), documented_trace()
    for r in rows:
        assert set(r["rec"]) - {"type"} <= known[r["rec"]["type"]], r
    decided = [r["rec"] for r in rows if r["rec"]["type"] == "decided"]
    common = {"type", "id", "from", "client", "user", "size", "entry", "object", "key",
              "config", "answers-encrypted", "cut", "rule", "smime"}
    for d in decided:
        assert set(members(d)) - common <= trace, set(members(d)) - common - trace
    said = gw.cli_json("explain", "--from", SENDER, "--to", ALICE, "--to", CAROL, "--to", DORA)
    assert set(members(said)) - common <= trace
    types = [r["rec"]["type"] for r in rows]
    assert types[:3].count("started") == 1 and "config-loaded" in types
    assert {"accepted", "decided", "sealed", "escrowed", "sent"} <= set(types)
    assert "canary-5512" not in json.dumps(rows)
    accepted = [r["rec"] for r in rows if r["rec"]["type"] == "accepted"]
    assert [a["rcpts"] for a in accepted] == [[ALICE, CAROL], [BOB, CAROL, DORA]]
    assert accepted[0]["message-id"] == '<one@"odd".example>'
    digest = [r["rec"]["config"] for r in rows if r["rec"]["type"] == "config-loaded"][-1]
    assert all(d["config"] == digest for d in decided)


def test_what_was_decided_is_what_is_explained(gw, capture):
    """The trace beforehand and the one in the log are the same."""
    rows = sent(gw, capture)
    mail = message(subject="b")
    for to in (BOB, CAROL, DORA):
        said = json.loads(gw.cli("--json", "explain", "--from", SENDER, "--to", to, "--file", "-",
                                 input=mail).stdout)[0]
        kept = [r["rec"] for r in rows if r["rec"]["type"] == "decided"
                and r["rec"]["rcpt"] == to][-1]
        for name, value in said.items():
            if name != "smime":
                assert kept[name] == value, (to, name)
    bob = [r["rec"] for r in rows if r["rec"]["type"] == "decided" and r["rec"]["rcpt"] == BOB][0]
    assert [(r["name"], r["role"]) for r in bob["rules"]] == [
        ("plain", "no match"), ("asked", "no match"), ("default", "decides")]
    assert [r.get("condition") for r in bob["rules"]] == ["to", "subject-tag", None]
    assert [k["chosen"] for k in bob["keys"] if "chosen" in k] == [True]


def test_show_tells_the_whole_story(gw, capture):
    rows = sent(gw, capture)
    first = [r["rec"] for r in rows if r["rec"]["type"] == "accepted"][0]["id"]
    second = [r["rec"] for r in rows if r["rec"]["type"] == "accepted"][1]["id"]
    out = gw.cli("audit", "show", second).stdout.decode()
    for words in ("message %s accepted from %s" % (second, SENDER),
                  "bob@partner.example: sealed (pgp)", "dora@partner.example: clear (clear)",
                  'rule "plain" (line', "no match: ", "ladder: smime, pgp, escrow",
                  "OpenPGP key", "taken", "sealed entry=", "escrowed entry=",
                  DORA + " sent by ", ": 250 2.0.0"):
        assert words in out, (words, out)
    assert first not in out
    said = gw.cli_json("audit", "show", second)
    assert [r["number"] for r in said if r["record"]["type"] != "object-ready"] == [
        r["seq"] for r in rows if r["rec"].get("id") == second]
    assert gw.cli("audit", "show", '<one@"odd".example>').stdout.decode().startswith(
        "%d " % [r["seq"] for r in rows if r["rec"].get("id") == first][0])
    assert gw.cli("audit", "show", "0000000000001", check=False).returncode == 1
    assert gw.cli("audit", "show", "some/thing", check=False).returncode == 2


def numbers(gw, *words):
    out = gw.cli("audit", "list", "--json", *words, check=False).stdout.decode()
    return [json.loads(line)["seq"] for line in out.splitlines()]


def test_list_finds_by_everything(gw, capture):
    rows = sent(gw, capture)
    one = [r["rec"] for r in rows if r["rec"]["type"] == "accepted"][0]

    def where(test):
        return [r["seq"] for r in rows if test(r["rec"])]
    asked = [
        (["--rcpt", "CAROL@partner.example"],
         lambda r: r.get("rcpt") == CAROL or CAROL in r.get("rcpts", [])),
        (["--address", SENDER], lambda r: r.get("from") == SENDER or r.get("rcpt") == SENDER),
        (["--from", SENDER, "--type", "decided"],
         lambda r: r.get("from") == SENDER and r["type"] == "decided"),
        (["--rung", "pgp"], lambda r: r.get("rung") == "pgp"),
        (["--result", "escrowed"], lambda r: r.get("result") == "escrowed"),
        (["--rule", "asked"], lambda r: "asked" in json.dumps(r.get("rule", {}))),
        (["--message-id", one["message-id"]], lambda r: r.get("message-id") == one["message-id"]),
        (["--id", one["id"]], lambda r: r.get("id") == one["id"]),
        (["--type", "sent", "--rcpt", DORA],
         lambda r: r["type"] == "sent" and r.get("rcpt") == DORA),
        (["--rcpt", "nobody@partner.example"], lambda r: False),
    ]
    last = rows[-1]["seq"]
    for words, test in asked:
        assert [n for n in numbers(gw, *words) if n <= last] == where(test), words
    assert len(numbers(gw, "--last", "3")) == 3
    assert numbers(gw, "--since", "1h")[0] == 1 and numbers(gw, "--until", "1h") == []
    assert numbers(gw, "--since", "2026-01")[0] == 1
    for bad in (["--since", "tomorrow"], ["--what", "x"], ["--rcpt"], ["--rcpt", ""]):
        assert gw.cli("audit", "list", *bad, check=False).returncode == 2, bad
    # the same with every index gone, and made anew
    for f in (gw.state / "audit").glob("*.idx"):
        f.unlink()
    for words, test in asked:
        assert [n for n in numbers(gw, *words) if n <= last] == where(test), words
    gw.cli("audit", "reindex")


def test_a_record_can_be_read_as_soon_as_mail_is_accepted(gw, capture):
    gw.send(SENDER, [DORA], with_id(message(subject="x"), "<soon@sender.example>"))
    assert gw.cli("audit", "list", "--message-id", "<soon@sender.example>").returncode == 0


def test_pseudonyms_take_the_place_of_addresses(make_gateway, capture, keys):
    """In the files, in what is exported, and for who has no master key; who has it
    reads and finds as ever."""
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=RULES,
                      options="audit { pseudonyms = true }\n")
    gw.send(SENDER, [ALICE, DORA], message(subject="x"))
    wait_for("delivery", lambda: len(capture.messages) >= 2)
    unknown = (550, "5.1.1 Dora, <Dora@partner.example>, is unknown")
    capture.verbs["RCPT"] = lambda line: unknown if b"dora" in line.lower() else (250, "2.1.5 ok")
    gw.send(SENDER, [DORA], message(subject="y"))
    wait_for("the records", lambda: {"sent", "bounced"} <= {
        r["rec"]["type"] for r in gw.audit()})
    text = json.dumps(gw.audit()).lower()
    for hidden in (SENDER, "alice@", "@partner", "<dora", "dora,"):
        assert hidden not in text, hidden
    gw.cli("audit", "verify")
    found = gw.cli("audit", "list", "--rcpt", "ALICE@partner.example").stdout.decode()
    assert ALICE in found and "~" not in found
    assert numbers(gw, "--from", SENDER, "--type", "accepted")
    assert numbers(gw, "--address", "nobody@partner.example") == []
    one = [r["rec"]["id"] for r in gw.audit() if r["rec"]["type"] == "accepted"][0]
    said = json.dumps(gw.cli_json("audit", "show", one))
    assert ALICE in said and SENDER in said and "~" not in said
    exported = gw.cli("audit", "export", "--format", "syslog").stdout
    assert b"~" in exported and ALICE.encode() not in exported
    gw.stop()
    # without the master key it says so, and shows what there is
    (gw.root / "master.key").rename(gw.root / "elsewhere")
    done = gw.cli("audit", "show", one)
    assert ALICE.encode() not in done.stdout and b"~" in done.stdout
    assert b"pseudonyms stay as they are" in done.stderr
    gw.cli("audit", "verify")


def test_what_peers_and_senders_write_stays_in_its_place(make_gateway, capture, keys):
    """Nobody writes a record of his own by what he says."""
    evil = '250 2.0.0 ok","type":"stopped"}\x1b[31m'
    capture.verbs["."] = lambda line: evil.encode() + b"\r\n"
    gw = make_gateway(capture.port, rules='rule "d" { try = { clear } }')
    msg = with_id(message(subject="x"), '<a"},{"type":"stopped@x>')
    gw.send('"a\\"}{b"@sender.example', DORA, msg)
    wait_for("the records", lambda: any(r["rec"]["type"] == "sent" for r in gw.audit()))
    gw.cli("audit", "verify")
    rows = gw.audit()
    assert [r["rec"]["type"] for r in rows].count("stopped") == 0
    assert [r["seq"] for r in rows] == list(range(1, len(rows) + 1))
    said = [r["rec"] for r in rows if r["rec"]["type"] == "sent"][0]
    assert '"type":"stopped"' in said["reply"]
    out = gw.cli("audit", "show", said["id"]).stdout
    assert b"\x1b" not in out


def test_checkpoints_go_elsewhere(make_gateway, capture, root):
    """To the system's log and by mail, and are good for `verify --head`."""
    path = str(root / "log.socket")
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(path)
    os.chmod(path, 0o777)
    log.settimeout(90)
    gw = make_gateway(capture.port, rules='rule "d" { try = { clear } }', options='''
audit { checkpoint-mail = "auditor@elsewhere.example"  syslog = "%s"  checkpoint-records = 5 }
''' % path)
    said = log.recv(4096).decode()
    number, digest, key = re.fullmatch(
        r"<85>sealgate: audit-checkpoint number=(\d+) hash=([0-9a-f]{64}) key=([0-9a-f]{64})",
        said).groups()
    wait_for("the record", lambda: len(gw.audit()) >= int(number))
    gw.cli("audit", "verify", "--head", "%s:%s" % (number, digest), "--key", key)
    gw.send(SENDER, DORA, message(subject="canary-7719"))
    mail = wait_for("the mail", lambda: [m for m in capture.messages
                                         if m.rcpts == ["auditor@elsewhere.example"]])[0]
    assert mail.mail_from == "" and b"canary" not in mail.data and b"dora" not in mail.data
    head = re.search(rb"--head (\d+:[0-9a-f]{64})", mail.data).group(1).decode()
    wait_for("records behind it", lambda: len(gw.audit()) > int(head.split(":")[0]))
    gw.cli("audit", "verify", "--head", head)
    gw.stop()
    log.close()
    # the same on another machine, cut off there
    copy = gw.root / "copy"
    shutil.copytree(gw.state / "audit", copy)
    os.chmod(copy, 0o755)
    verify = [gw.build / "sealgate", "-f", "/nonexistent", "audit", "verify", "--dir", copy, "--head", head]
    if os.geteuid() == 0:
        for f in [copy, *copy.iterdir()]:
            os.chown(f, 65534, 65534)
    assert run(*verify).returncode == 0
    newest = sorted(copy.glob("*.jsonl"))[-1]
    lines = newest.read_bytes().splitlines(keepends=True)
    newest.write_bytes(b"".join(lines[:int(head.split(":")[0]) - 1]))
    out = run(*verify, check=False)
    assert out.returncode == 1 and b"a later one was noted" in out.stdout


def test_two_verify_and_read_while_it_is_written(gw, capture):
    """Nobody is told of damage that is only a line under way."""
    stop, said = threading.Event(), []

    def look(*words):
        while True:  # at least once, however late it comes to that
            done = gw.cli("audit", *words, check=False)
            said.append((words, done.returncode, done.stdout[-300:], done.stderr))
            if stop.is_set():
                return
    readers = [threading.Thread(target=look, args=words) for words in (
        ("verify",), ("verify",), ("list", "--last", "3"))]
    for r in readers:
        r.start()
    try:
        for _ in range(30):
            gw.send(SENDER, [DORA, BOB], message(subject="x"))
    finally:
        stop.set()
        for r in readers:
            r.join()
    assert len(said) >= 3 and all(rc == 0 for _, rc, _, _ in said), [
        s for s in said if s[1] != 0][:2]


def test_a_message_with_very_many_recipients_is_all_in_the_log(make_gateway, capture):
    """In several records, each of which is found by each of its recipients."""
    rcpts = ["r%03d-%s@partner.example" % (n, "x" * 40) for n in range(900)]
    gw = make_gateway(capture.port, rules='rule "d" { try = { clear } }')
    gw.send(SENDER, rcpts, message(subject="many"))
    accepted = [r["rec"] for r in map(json.loads, gw.cli(
        "audit", "list", "--json", "--type", "accepted").stdout.splitlines())]
    assert [x for a in accepted for x in a["rcpts"]] == rcpts and len(accepted) > 1
    assert len({a["id"] for a in accepted}) == 1
    assert len(numbers(gw, "--type", "decided")) == len(rcpts)
    for x in (rcpts[0], rcpts[450], rcpts[-1]):
        assert len(numbers(gw, "--rcpt", x, "--type", "accepted")) == 1
        assert len(numbers(gw, "--rcpt", x, "--type", "decided")) == 1
    gw.cli("audit", "verify")
    assert gw.cli("audit", "show", accepted[0]["id"]).stdout.count(b"partner.example: clear") == 900


@pytest.mark.skipif(os.geteuid() != 0, reason="it is about root")
def test_root_reads_no_copy_that_is_its_own(gw, capture, root):
    """It would parse what strangers wrote with all rights: it says what to do."""
    copy = root / "copy"
    gw.stop()  # no line is under way
    shutil.copytree(gw.state / "audit", copy)
    for f in [copy, *copy.iterdir()]:
        os.chown(f, 0, 0)
    verify = [gw.build / "sealgate", "-f", "/nonexistent", "audit", "verify", "--dir", copy]
    done = run(*verify, check=False)
    assert done.returncode == 3 and b"root" in done.stderr and not done.stdout
    for f in [copy, *copy.iterdir()]:
        os.chown(f, 65534, 65534)
    os.chmod(copy, 0o755)
    assert run(*verify, check=False).returncode == 0


def test_alarms_go_to_postmaster_and_raise_none(make_gateway, capture):
    """Collected, with nothing of the mail they are about; one that cannot be delivered
    is no alarm."""
    admin = "admin@elsewhere.example"
    refused = [b"<" + SENDER.encode(), b"<" + DORA.encode()]
    capture.verbs["RCPT"] = lambda line: (
        (550, "5.1.1 no canary-8812") if any(r in line for r in refused) else (250, "2.1.5 ok"))
    gw = make_gateway(capture.port, rules='rule "d" { try = { clear } }',
                      options='postmaster = "%s"\nalarm-interval = 1s\n' % admin)
    for _ in range(3):
        gw.send(SENDER, [DORA], message(subject="canary-8812"))
    mail = wait_for("the mail", lambda: [m for m in capture.messages if m.rcpts == [admin]])[0]
    assert mail.mail_from == "" and b"Auto-Submitted: auto-generated" in mail.data
    for hidden in (b"canary", b"dora", b"sam@"):
        assert hidden not in mail.data
    number = re.search(rb"held: \d.*?audit show (\d+)", mail.data, re.S).group(1).decode()
    assert "held" in gw.cli("audit", "show", number).stdout.decode()
    wait_for("the rest", lambda: sum(
        int(n) for m in capture.messages if m.rcpts == [admin]
        for n in re.findall(rb"held: (\d+)", m.data)) == 3)
    # nobody takes it any more
    refused.append(b"<" + admin.encode())
    gw.send(SENDER, [DORA], message(subject="x"))

    def of_admin():
        return [r["rec"]["type"] for r in gw.audit() if r["rec"].get("rcpt") == admin
                and r["rec"]["type"] != "sent"]
    wait_for("the end of it", lambda: of_admin() == ["bounced"])
    # and the next mail tells nothing of that one
    refused.pop()
    before = len(capture.messages)
    gw.send(SENDER, [DORA], message(subject="x"))
    mail = wait_for("the next", lambda: [m for m in capture.messages[before:]
                                         if m.rcpts == [admin]])[0]
    assert re.findall(rb"(?m)^([a-z-]+): (\d+)\r$", mail.data) == [(b"held", b"1")]
    assert of_admin() == ["bounced"]
    assert len([r for r in gw.audit() if r["rec"]["type"] == "held"]) == 5


def test_export_carries_every_line(gw, capture, root):
    """As it stands, to a syslog server by UDP and TCP, and to a socket."""
    sent(gw, capture)
    gw.stop()
    lines = b"".join(f.read_bytes() for f in sorted((gw.state / "audit").glob("*.jsonl")))
    assert gw.cli("audit", "export").stdout == lines
    lines = lines.splitlines()
    assert gw.cli("audit", "export", "--from", "3").stdout.splitlines() == lines[2:]
    head = rb"<86>1 (\d{4}-\d\d-\d\dT[\d:.]+Z) gw\.sender\.example sealgate - audit - "
    for got, line in zip(gw.cli("audit", "export", "--format", "syslog").stdout.splitlines(),
                         lines, strict=True):
        assert re.match(head, got).group(1).decode() == json.loads(line)["time"]
        assert got.endswith(b" - " + line)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    udp.settimeout(90)
    gw.cli("audit", "export", "--format", "syslog", "--from", str(len(lines)),
           "--to", "udp:127.0.0.1:%d" % udp.getsockname()[1])
    assert udp.recv(65536).endswith(lines[-1])
    udp.close()
    tcp = socket.create_server(("127.0.0.1", 0))
    tcp.settimeout(90)
    gw.cli("audit", "export", "--format", "syslog", "--from", str(len(lines)),
           "--to", "tcp:127.0.0.1:%d" % tcp.getsockname()[1])
    peer = tcp.accept()[0]
    said = b"".join(iter(lambda: peer.recv(65536), b""))
    count, rest = said.split(b" ", 1)
    assert int(count) == len(rest) and rest.endswith(lines[-1])
    peer.close()
    tcp.close()
    path = str(root / "journal.socket")
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind(path)
    journal.settimeout(90)
    os.chmod(path, 0o777)
    gw.cli("audit", "export", "--format", "journal", "--from", str(len(lines)), "--to", path)
    entry = dict(f.split(b"=", 1) for f in journal.recv(65536).splitlines())
    assert entry[b"MESSAGE"] == lines[-1] and entry[b"SEALGATE_TYPE"] == b"audit-checkpoint"
    journal.close()
    assert gw.cli("audit", "export", "--to", path + ".none", check=False).returncode == 3
    assert gw.cli("audit", "export", "--format", "xml", check=False).returncode == 2
