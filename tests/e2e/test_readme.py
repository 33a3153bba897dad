#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What people read is true: every command in README, SECURITY, the guide and the
recipes is run, and every option is accepted where they say it belongs, or it says
below where else that is done. So are the examples of the manuals, and what the
documents of formats name. Blocks of the guide and of the recipes: test_guide.py,
test_recipes.py, test_recipes_dkim.py."""
import os
import pathlib
import re
import shlex
import smtplib
import subprocess

import pytest

from harness import BUILD, SEALGATE, SEALGATED, TOP, message, portal_page, run, wait_for
from peers import Postfix
from test_guide import FRAME, adapted

DOCUMENTS = ("README.md", "SECURITY.md", "docs/guide.md", "docs/recipes.md")
FORMATS = tuple(str(p.relative_to(TOP)) for p in sorted(TOP.glob("docs/format-*.md")))
TEXT = {d: (TOP / d).read_text() for d in DOCUMENTS + FORMATS}
SENDER = "you@example.com"

# Commands that are not for a running gateway: the file that has what does it, and
# the words there. A reason stands where no file could have them.
ELSEWHERE = {
    "git clone REPOSITORY sealgate && cd sealgate": "whoever runs this has done it",
    "packaging/quickstart": ("packaging/check", "packaging/quickstart --once"),
    "packaging/install-packages build check": (
        "packaging/check", "packaging/install-packages build check"),
    "make bench": ("tests/bench/module.am", "bench: tests/bench/load"),
    "packaging/debian/build": ("packaging/check", "packaging/debian/build build/debian"),
    "apt-get install ./build/debian/sealgate_*.deb": (
        "tests/e2e/package_inside.sh", 'apt-get install -y -qq "$@"'),
    "sealgate setup": ("tests/e2e/test_setup.py", "def test_a_person_is_asked"),
    "sealgate setup --role portal": (
        "tests/e2e/test_setup_dmz.py", "def test_each_makes_its_own_key"),
    "systemctl enable --now sealgated": (
        "tests/e2e/package_inside.sh", "systemctl enable --now sealgated"),
    "systemctl enable --now sealgate-portal": (
        "tests/e2e/package_inside.sh", "systemctl enable --now sealgate-portal"),
    "sealgated --role portal": ("tests/e2e/dmz.py", "--role portal"),
    "sealgate doctor": ("tests/e2e/test_setup.py", 'gw.cli("doctor"'),
    "sealgate -f /etc/sealgate/portal.conf doctor": (
        "tests/e2e/test_doctor.py", "def test_a_machine_in_a_dmz_needs_what_it_needs"),
    "sealgate domain check partner.example": (
        "tests/e2e/test_tls_published.py", '"domain", "check"'),
    "sealgate domain check bank.example": (
        "tests/e2e/test_tls_published.py", '"domain", "check"'),
    "sealgate backup FILE": ("tests/e2e/test_backup.py", 'gw.cli("backup"'),
    "sealgate queue salvage": ("tests/e2e/test_salvage.py", '"queue", "salvage"'),
    "sealgate master-key rotate": ("tests/e2e/test_upgrade.py", 'gw.cli("master-key", "rotate")'),
    "sealgate user hash you@example.com": ("tests/e2e/test_auth.py", '"user", "hash"'),
    "sealgate user hash sam sam@example.com @lab.example.com >>/etc/sealgate/users": (
        "tests/e2e/test_auth.py", '"user", "hash"'),
    "postconf -e 'relayhost = [127.0.0.1]:10025' && postfix reload": (
        "tests/e2e/test_readme.py", "def test_postfix_hands_in_after_the_last_command"),
    "packaging/build && make -C build -s page && make -C build -s install": (
        "tests/e2e/test_readme.py", "def test_it_installs_without_packages"),
    "systemd-sysusers && systemd-tmpfiles --create": (
        "tests/e2e/test_readme.py", "def test_it_installs_without_packages"),
    "make -C build bench": ("tests/long/run", "make -C build bench"),
    "tests/long/run bench": ("tests/long/run", '"bench": bench'),
    "packaging/check --long": "it is what runs the longest tests; the others are in it",
    "openssl genrsa -traditional -out gw.private 2048": (
        "tests/e2e/test_recipes_dkim.py", '"openssl", "genrsa", "-traditional", "-out"'),
    "Set-RemoteDomain Default -TNEFEnabled $false": "of Exchange Server, as the document says",
}

# Words with a blank or "=" that are neither a command nor an option.
PROSE = {
    'GROUP=sealgate-portal RELOAD="systemctl reload sealgate-portal"': "of the hook, run by "
    "test_recipes.py",
    "forged-verdict=inside": "a word of a verdict",
    "NOTIFY=NEVER RET=HDRS": "words of SMTP",
    "from any": "of OpenSMTPD", "from local": "of OpenSMTPD",
    "listen outbound": "a section", "listen inbound": "a section", "relay inbound": "a section",
}

# Where an option stands that is named without its section.
SECTION = {
    "try": "rule", "sign": "rule", "notice": "rule", "header-protection": "rule",
    "already-encrypted": "rule", "escrow": "rule", "second-factor": "rule", "verify-recipients": "listen inbound",
    "next-hop-delivers": "relay outbound", "xforward": "relay inbound",
    "xclient": "relay inbound", "users": "",
}


def fences(document):
    return re.findall(r"^```(\S*.*?)\n(.*?)^```$", TEXT[document], re.M | re.S)


def spans(document):
    """Words that are set as code, once each, in their order."""
    text = re.sub(r"^```.*?^```$", "", TEXT[document], flags=re.M | re.S)
    return list(dict.fromkeys(" ".join(s.split()) for s in re.findall(r"`([^`]+)`", text)))


VERBS = {}
for row in run(SEALGATE, "--help").stdout.decode().splitlines():
    words = row.split()
    if row.startswith("  sealgate "):
        noun = words[1:3] if len(words) > 2 and re.fullmatch("[a-z]+(-[a-z]+)*", words[2]) \
            else words[1:2]
        VERBS[" ".join(noun)] = row


def as_command(span):
    """The command that a span is, with its first word; None: it is none."""
    if span.startswith(("sealgate ", "sealgated ")) or span in ELSEWHERE:
        return span
    if " ".join(span.split()[:2]) in VERBS and " " in span:
        return "sealgate " + span
    return None


def lines_of_readme():
    """The commands of its blocks; a picture is no command."""
    return [re.sub(r" +# .*", "", line).strip() for _, block in fences("README.md")
            for line in block.splitlines() if line.strip() and "──" not in line
            and not line.startswith(" ")]


def examples(manual):
    """The literal blocks of its EXAMPLES."""
    text = (TOP / "packaging/man" / manual).read_text().split(".Sh EXAMPLES\n")[1]
    return re.findall(r"(?ms)^\.Bd -literal.*?\n(.*?)^\.Ed$", text.split("\n.Sh ")[0])


COMMANDS = list(dict.fromkeys(
    [c for c in lines_of_readme() + "".join(examples("sealgate.8")).splitlines()]
    + [c for d in DOCUMENTS for c in map(as_command, spans(d)) if c is not None]))
SNIPPETS = list(dict.fromkeys(
    [s for d in DOCUMENTS for s in spans(d)
     if as_command(s) is None and s not in PROSE and re.search(r"[^!<>]=|\{ ", s)]
    + [s for d in FORMATS for s in spans(d)
       if re.fullmatch(r"[a-z]+( [a-z]+)? \{ .* = .* \}|[a-z-]+ = [a-z]+", s)]))


def test_nothing_is_passed_over():
    assert len(COMMANDS) > 40 and len(SNIPPETS) > 10
    assert {k for k, _ in fences("README.md")} == {""} and not fences("SECURITY.md")
    told = [c for c in COMMANDS if not c.startswith(("sealgate ", "sealgated "))]
    assert set(told) <= set(ELSEWHERE), set(told) - set(ELSEWHERE)
    every = {s for d in DOCUMENTS for s in spans(d)}
    assert len(examples("sealgate.8")) == 4 and len(examples("sealgate.conf.5")) == 2
    for span in ELSEWHERE:
        assert span in every or span in COMMANDS, "nobody says %s" % span
    for span in PROSE:
        assert span in every, "nobody says %s" % span
    # what is set as code and has a blank is one of the three
    for d in DOCUMENTS:
        for span in spans(d):
            if " " in span:
                assert as_command(span) or span in PROSE or span in SNIPPETS, (
                    "%s has `%s`: run it, or say in ELSEWHERE where it is run" % (d, span))


def test_every_verb_that_any_document_names_is_one():
    nouns = {v.split()[0] for v in VERBS}
    seen = 0
    for path in [*TOP.glob("*.md"), *TOP.glob("docs/*.md")]:
        for span in re.findall(r"`(sealgate [^`]+)`", path.read_text()):
            words = span.split()[1:]
            words = words[2:] if words[0] == "-f" else words
            if words[-1].isdigit():
                continue  # words that go into a hash
            for last in words[1].split("|") if len(words) > 1 else [""]:
                assert " ".join([words[0], last]) in VERBS or words[0] in VERBS or (
                    not last and words[0] in nouns), "%s: `%s`" % (path.name, span)
                seen += 1
            rows = " ".join(r for v, r in VERBS.items() if v.split()[0] == words[0])
            for option in re.findall(r"--[a-z-]+", span):
                assert option == "--json" or option in rows, "%s: `%s`" % (path.name, span)
    assert seen > 60


def test_every_command_that_a_manual_names_is_one():
    seen, prose = 0, {"as", "full?", "command"}
    for path in TOP.glob("packaging/man/*.[1-9]"):
        for line in re.findall(r"\bsealgate (?:--json |-f \S+ )*([a-z].*)", path.read_text()):
            words = [w.strip(".,:;)") for w in line.split()]
            verb = next((v for v in (" ".join(words[:2]), words[0]) if v in VERBS), None)
            assert verb or words[0] in prose or any(
                v.startswith(words[0] + " ") for v in VERBS), (path.name, line)
            for option in re.findall(r"--[a-z-]+", line) if verb else ():
                assert option == "--json" or option in VERBS[verb], (path.name, line)
            seen += verb is not None
    assert seen > 50


def test_what_is_done_elsewhere_is_done_there():
    for command, where in ELSEWHERE.items():
        if isinstance(where, tuple):
            assert where[1] in (TOP / where[0]).read_text(), (command, where)


# --- options

@pytest.fixture(name="place", scope="module")
def fixture_place(tmp_path_factory):
    root = tmp_path_factory.mktemp("options")
    run("openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "30", "-subj",
        "/CN=localhost", "-keyout", root / "tls.key", "-out", root / "tls.crt")
    (root / "users").write_text(run(
        SEALGATE, "user", "hash", "--passphrase-fd", "0", SENDER, input=b"secret\n").stdout.decode())
    return root


def merged(conf, section, body):
    """The configuration with these options in the section, which may be there."""
    if section == "":
        return re.sub(r"(?m)^%s .*$" % body.split()[0], body, conf)
    head = re.compile(r"(?m)^%s +\{" % re.escape(section))
    if head.search(conf):
        return head.sub(lambda m: "%s %s" % (m.group(0), body), conf, count=1)
    named = {"rule": "rule \"more\" { to = { \"@partner.example\" } "}.get(section, section + " { ")
    return conf + named + body + " }\n"


def section_of(option):
    """By the table above, or the first that the manual has it in."""
    if option in SECTION:
        return SECTION[option]
    section = None
    for line in (TOP / "packaging/man/sealgate.conf.5").read_text().splitlines():
        if line.startswith(".Ss "):
            section = line[4:]
        elif line == ".It Ic " + option and section is not None:
            return section
    raise AssertionError("no section has an option " + option)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_an_option_is_accepted_where_it_belongs(snippet, place):
    conf = place / "sealgate.conf"
    whole = re.fullmatch(r"([a-z]+(?: [a-z]+)?) \{ (.*) \}", snippet)
    section, body = whole.groups() if whole else (
        section_of(snippet.split()[0]), snippet)
    text = FRAME + ("listen inbound { address = \"0.0.0.0:25\" tls-cert = \"/etc/sealgate/x.pem\""
                    " tls-key = \"/etc/sealgate/x.key\" }\n")
    if section == "rule" and "try" not in body:
        # what is attached may be too large, and needs the page that was built
        text += 'escrow { page = "%s" }\n' % portal_page()
        body += " try = { smime, escrow%s }%s" % (
            ", hold" if "attachment" in body else "",
            "" if "second-factor" in body else " second-factor = generated")
    body = body.replace("lmdb:DIR", "lmdb:%s" % (place / "keystore"))
    if "next-hop" in body:
        text = text.replace('via = "mx"', 'via = "smtp.provider.example:587"')
    if "users = FILE" in body:
        body = body.replace("FILE", '"%s"' % (place / "users")) + (
            ' tls-cert = "%s" tls-key = "%s"' % (place / "tls.crt", place / "tls.key"))
    if "ldap" in body:
        text += 'discovery ldap { url = "ldaps://directory.example.com"  base = "dc=example" }\n'
    text = merged(adapted(text, place), section, body)
    conf.write_text(text + 'rule "default" { try = { smime, hold } }\n')
    done = run(SEALGATED, "-n", "-f", conf, check=False)
    assert done.returncode == 0, "%s\n%s\n%s" % (snippet, done.stderr.decode(), conf.read_text())


@pytest.mark.parametrize("n", range(2))
def test_an_example_of_the_manual_is_accepted(n, place):
    text = examples("sealgate.conf.5")[n].replace("/etc/sealgate/users", str(place / "users"))
    conf = place / "sealgate.conf"
    conf.write_text(adapted(text, place))
    done = run(SEALGATED, "-n", "-f", conf, check=False)
    assert done.returncode == 0, done.stderr.decode() + conf.read_text()


# --- commands

@pytest.fixture(name="stand")
def fixture_stand(make_gateway, capture, keys, tmp_path):
    gw = make_gateway(capture.port, start=False, rules=(
        'rule "held" { to = { "held@partner.example" }  try = { hold } }\n'
        'rule "default" { try = { smime, pgp, escrow } }\n'))
    gw.conf.write_text(gw.conf.read_text().replace(
        'domains = { "sender.example" }', 'domains = { "example.com" }'))
    gw.start()
    tmp_path.chmod(0o755)
    crt, key = keys.certificate("user@example.com", name="readme-user")
    run("openssl", "pkcs12", "-export", "-passout", "pass:", "-in", crt, "-inkey", key, "-out",
        tmp_path / "user.p12")
    for name, source in (("alice.crt", keys.alice_crt), ("bob.asc", keys.bob_asc)):
        (tmp_path / name).write_bytes(source.read_bytes())
    gw.cli("key", "import", tmp_path / "bob.asc")
    (tmp_path / "message.eml").write_bytes(message(sender=SENDER))
    (tmp_path / "message").write_bytes(run(
        "openssl", "cms", "-encrypt", "-aes-256-cbc", crt, input=b"\r\n" + message()).stdout)
    gw.send(SENDER, ["held@partner.example"], message(sender=SENDER))
    gw.send(SENDER, ["carol@partner.example"], message(sender=SENDER))
    capture.wait(1)  # the link that carol gets
    return gw


def test_every_command_does_what_it_is_there_for(stand, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ident = wait_for("the held entry", lambda: stand.cli_json(
        "queue", "list", "--state", "held"))[0]["id"]
    wait_for("the record in the files", lambda: stand.cli(
        "audit", "show", ident, check=False).returncode == 0)
    head = stand.cli_json("audit", "verify")
    names = {"ID": ident, "1N7Q2ZK4H8XVC": ident, "ADDRESS": "bob@partner.example", "DOMAIN": "partner.example",
             "OBJECT": stand.cli_json("escrow", "list")[0]["id"], "NUMBER": "1", "NUMBER:HASH": "%d:%s" % (head["last"], head["hash"])}
    # what needs something that another one makes comes after it, what ends it last
    order = sorted((c for c in COMMANDS if c not in ELSEWHERE), key=lambda c: (
        "queue release" in c, "ca init" not in c, "key import" not in c))
    ran, wrong = 0, []
    for command in order:
        words = [names.get(w, w) for w in shlex.split(command)]
        stdin = subprocess.DEVNULL
        if "<" in command:
            stdin = open(command.partition("<")[2].strip(), "rb")
            words = shlex.split(command.partition("<")[0])
        program = {"sealgate": SEALGATE, "sealgated": SEALGATED}[words[0]]
        done = run(program, "-f", stand.conf, *words[1:], check=False, stdin=stdin)
        said = done.stdout.decode() + done.stderr.decode()
        # the name of a verb, with an option or not, that wants more than was said
        verb = " ".join(w for w in words[1:] if not w.startswith("-"))
        if done.returncode == 2 or verb == "audit":
            known = [row for name, row in VERBS.items() if name == verb or
                     name.startswith(verb + " ")]
            assert known, (command, said)
            assert all(w in known[0] for w in words if w.startswith("-")), (command, known)
            continue
        # 1 is "no": nothing is known of a domain's TLS yet, no key ends soon
        may = (0, 1) if "domain show" in command or "--expires-in" in command else (0,)
        if done.returncode not in may:
            wrong.append((command, done.returncode, said))
        ran += 1
    assert not wrong
    assert ran > 20
    assert stand.cli_json("queue", "list", "--state", "held") == []


# --- the last command of the ten, and the way without packages

@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")
def test_postfix_hands_in_after_the_last_command(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt])
    line = lines_of_readme()[-1]
    assert line.startswith("postconf ")
    p = Postfix()
    p.start()
    try:
        done = run("nsenter", "-t", p.proc.pid, "-m", "sh", "-c",
                   "export MAIL_CONFIG=%s/etc; postconf -e default_transport=smtp && %s" % (
                       p.root, line.replace("10025", str(gw.port))), check=False)
        assert done.returncode == 0, done.stderr.decode() + p.log()
        with smtplib.SMTP("127.0.0.1", p.port, timeout=90) as s:
            s.sendmail(SENDER, ["alice@partner.example"], message(sender=SENDER))
        assert b"application/pkcs7-mime" in capture.wait(1)[0].data
    finally:
        p.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="users of another root are made by root")
def test_it_installs_without_packages(tmp_path):
    """As the README says, into another root: every user and directory is there."""
    run("make", "-C", BUILD, "-s", "page")
    run("make", "-C", BUILD, "-s", "install", "DESTDIR=%s" % tmp_path)
    for name in ("bin/sealgate", "sbin/sealgated", "share/sealgate/portal/node_modules",
                 "share/man/man5/sealgate.conf.5", "lib/systemd/system/sealgated.service"):
        assert (tmp_path / "usr/local" / name).exists(), name
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", "--root=%s" % tmp_path,
        tmp_path / "usr/local/lib/sysusers.d/sealgate.conf")
    users = (tmp_path / "etc/passwd").read_text()
    wanted = re.findall(r"(?m)^u (\S+)", (TOP / "packaging/systemd/sealgate.sysusers").read_text())
    assert len(wanted) > 10 and all("\n%s:" % u in "\n" + users for u in wanted)
    run("systemd-tmpfiles", "--root=%s" % tmp_path, "--create",
        tmp_path / "usr/local/lib/tmpfiles.d/sealgate.conf")
    ids = dict(re.findall(r"(?m)^([^:]+):[^:]*:(\d+):", users))
    bodies = pathlib.Path(tmp_path, "var/lib/sealgate/bodies").stat()
    assert bodies.st_uid == int(ids["sealgate-store"]) and bodies.st_mode & 0o7777 == 0o3770
