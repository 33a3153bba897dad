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


def quoted(words):
    return " ".join("'%s'" % w for w in words)


def bash(script, *lines):
    """What is offered at the end of each line, by one shell."""
    text = ". %s\n" % script
    for words in lines:
        text += "COMP_WORDS=(%s)\nCOMP_CWORD=%d\nCOMPREPLY=()\n_sealgate\n" \
            'echo "${COMPREPLY[*]}"\n' % (quoted(words), len(words) - 1)
    got = out("bash", "--norc", "-c", text).split("\n")
    assert len(got) == len(lines) + 1
    return [set(line.split()) for line in got[:-1]]


def zsh(script, *lines):
    text = "compadd() { shift; print -n -- \"$@ \" }\n_files() { }\n. %s\n" % script
    for words in lines:
        text += "words=(%s)\nCURRENT=%d\nPREFIX='%s'\n_sealgate\nprint\n" % (
            quoted(words), len(words), words[-1])
    got = out("zsh", "-f", "-c", text).split("\n")
    assert len(got) == len(lines) + 1
    return [{w for w in line.split() if w.startswith(words[-1])}
            for line, words in zip(got, lines)]


@pytest.mark.parametrize("shell", [bash, zsh])
def test_every_verb_and_option_is_offered(verbs, tmp_path, shell):
    assert shutil.which(shell.__name__), "is among the packages of the tests"
    script = tmp_path / "script"
    script.write_text(out(SEALGATE, "completion", shell.__name__))
    nouns = {}
    for words, _ in verbs:
        if len(words) == 2:
            nouns.setdefault(words[0], set()).add(words[1])
    assert len(nouns) > 5
    wanted = [(["sealgate", ""], {words[0] for words, _ in verbs} | {"-f", "--json", "--help"}),
              (["sealgate", "key", "tr"], {"trust"}),
              # where a file stands, files
              (["sealgate", "key", "import", "x"], set()),
              (["sealgate", "-f", ""], set()),
              (["sealgate", "nothing", "at", ""], set())]
    wanted += [(["sealgate", "--json", "-f", "x", noun, ""], known)
               for noun, known in nouns.items()]
    wanted += [(["sealgate", *words, "--"], set(options) | {"--json"})
               for words, options in verbs]
    got = shell(script, *(words for words, _ in wanted))
    for (words, known), offered in zip(wanted, got):
        assert offered == known, words


def test_another_shell_is_wrong_usage():
    for args in ((), ("fish",), ("bash", "zsh")):
        done = subprocess.run([SEALGATE, "completion", *args], capture_output=True,
                              check=False)
        assert done.returncode == 2 and done.stderr
