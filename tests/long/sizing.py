#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The figures of the guide's chapter "How large a machine", taken from the
comparison with Postfix in docs/proof.md: tests/long/run writes them when it has
measured anew, and so does this by itself; tests/e2e/test_guide.py compares."""
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]
PROOF, GUIDE = TOP / "docs/proof.md", TOP / "docs/guide.md"
BEGIN, END = "<!-- figures of docs/proof.md -->\n", "<!-- end of figures -->\n"
SIZES = (("10K", "10 KB"), ("100K", "100 KB"), ("1024K", "1 MB"))
# what a row is called, and of which lines it is the most
ROWS = (
    ("as it is (`clear`, `tls`)", ("clear",)),
    ("S/MIME, to RSA or P-256", ("S/MIME RSA-2048", "S/MIME RSA-3072", "S/MIME P-256")),
    ("the same, signed with P-256, as the gateway's own CA issues", ("sign + S/MIME P-256",)),
    ("the same, signed with RSA-3072", ("sign + S/MIME RSA-3072",)),
    ("for pick-up", ("escrow",)),
    ("OpenPGP (gpg)", ("OpenPGP Cv25519",)),
    ("Postfix, which only relays", ("Postfix relay",)),
)
EXAMPLE = """
**CPU.** Take the busiest hour. Ten messages a second of 100 KB, half of them S/MIME with a signature, the other half for pick-up, take %s ms
of each second of one core; a core that does nothing else would seal about %d of them a second. The same ten by OpenPGP take %s ms. `workers` is the
number of cores. Incoming mail costs the same as outgoing: `openers`.
"""


def measured(proof):
    """{(subject, size): milliseconds of CPU} of the section, {} without one."""
    section = re.search(r"<!-- bench -->\n(.*?)(?=<!-- |\Z)", proof, re.S)
    rows = re.findall(r"(?m)^(?:Sealgate )?(\S.*?) +(\d+K) +[\d.]+ +[\d.]+ +([\d.]+) ",
                      section.group(1) if section else "")
    return {(name, size): float(ms) for name, size, ms in rows}


def in_words(ms):
    """Two digits that mean something."""
    return "%d" % round(ms) if ms >= 10 else ("%.1f" % ms).removesuffix(".0")


def block(proof):
    """What stands between BEGIN and END in the guide."""
    ms = measured(proof)
    lines = ["", "| | %s |" % " | ".join(name for _, name in SIZES),
             "|" + "---|" * (1 + len(SIZES))]
    for title, names in ROWS:
        lines.append("| %s | %s |" % (title, " | ".join(
            in_words(max(ms[n, size] for n in names)) for size, _ in SIZES)))
    each = (ms["sign + S/MIME P-256", "100K"] + ms["escrow", "100K"]) / 2
    return "\n".join(lines) + "\n" + EXAMPLE % (
        in_words(10 * each), round(1000 / each, -1), in_words(10 * ms["OpenPGP Cv25519", "100K"]))


def write():
    before, rest = GUIDE.read_text().split(BEGIN)
    GUIDE.write_text(before + BEGIN + block(PROOF.read_text()) + END + rest.split(END)[1])


if __name__ == "__main__":
    write()
