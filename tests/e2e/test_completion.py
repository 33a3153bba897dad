#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What the shells complete is what the program knows: the scripts come from the
table of verbs, and every verb and option of the usage is offered."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
SEALGATE = pathlib.Path(os.environ.get("SEALGATE", TOP / "build" / "sealgate"))


def out(*args):
    return subprocess.run([str(a) for a in args], check=True, capture_output=True,
                          text=True).stdout


@pytest.fixture(name="verbs", scope="module")
def fixture_verbs():
    """[(words, options)] by the help."""
    verbs = []
    for line in out(SEALGATE, "--help").splitlines():
        if line.startswith("  sealgate "):
            words = []
            for word in line.split()[1:]:
                if not re.fullmatch("[a-z]+(-[a-z]+)*", word):
                    break
                words.append(word)
            verbs.append((words[:2], re.findall(r"--[a-z0-9-]+", line)))
    assert len(verbs) > 30
    return verbs


def bash(script, words):
    text = ". %s\nCOMP_WORDS=(%s)\nCOMP_CWORD=%d\n_sealgate\n" \
        'printf "%%s\\n" "${COMPREPLY[@]}"\n' % (
            script, " ".join("'%s'" % w for w in words), len(words) - 1)
    return set(out("bash", "--norc", "-c", text).split())


def zsh(script, words):
    text = "compadd() { shift; print -l -- $@ }\n_files() { print FILES }\n" \
        ". %s\nwords=(%s)\nCURRENT=%d\nPREFIX='%s'\n_sealgate\n" % (
            script, " ".join("'%s'" % w for w in words), len(words), words[-1])
    got = set(out("zsh", "-f", "-c", text).split()) - {"FILES"}
    return {w for w in got if w.startswith(words[-1])}


@pytest.mark.parametrize("shell", [bash, zsh])
def test_every_verb_and_option_is_offered(verbs, tmp_path, shell):
    assert shutil.which(shell.__name__), "is among the packages of the tests"
    script = tmp_path / "script"
    script.write_text(out(SEALGATE, "completion", shell.__name__))
    first = shell(script, ["sealgate", ""])
    assert {words[0] for words, _ in verbs} | {"-f", "--json", "--help"} == first
    nouns = {}
    for words, _ in verbs:
        if len(words) == 2:
            nouns.setdefault(words[0], set()).add(words[1])
    for noun in ("key", "queue", "domain"):
        assert shell(script, ["sealgate", "--json", "-f", "x", noun, ""]) == nouns[noun]
    assert shell(script, ["sealgate", "key", "tr"]) == {"trust"}
    for words, options in verbs:
        if words[0] in ("key", "explain", "backup", "dkim"):
            got = shell(script, ["sealgate", *words, "--"])
            assert got == set(options) | {"--json"}, words
    # where a file stands, files
    assert shell(script, ["sealgate", "key", "import", "x"]) == set()
    assert shell(script, ["sealgate", "-f", ""]) == set()
    assert shell(script, ["sealgate", "nothing", "at", ""]) == set()


def test_another_shell_is_wrong_usage():
    for args in ((), ("fish",), ("bash", "zsh")):
        done = subprocess.run([SEALGATE, "completion", *args], capture_output=True,
                              check=False)
        assert done.returncode == 2 and done.stderr
