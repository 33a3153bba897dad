# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""What an AppArmor profile allows, without a kernel that has AppArmor: the profile
as its parser expands it, and what strace saw a program do with files. Only rules
for files are read; a rule for something else is passed over."""
import os
import re

PERMISSIONS = re.compile(r"[rwalkmixpucdPUCD]+")
VARIABLE = re.compile(r"@\{(\w+)\}")


def expand(text, variables):
    """Every value of a text with variables, each of which has one or several."""
    found = VARIABLE.search(text)
    if found is None:
        return [text]
    return [value for v in variables[found.group(1)]
            for value in expand(text[:found.start()] + v + text[found.end():], variables)]


def pattern(glob):
    """The regular expression of a path in a rule (apparmor.d(5), GLOBBING)."""
    glob = re.sub(r"/+", "/", glob)
    out, depth, i = "", 0, 0
    while i < len(glob):
        c = glob[i]
        if c == "*":
            stars = 2 if glob[i:i + 2] == "**" else 1
            # a whole name cannot be empty
            alone = glob[i - 1] == "/" and glob[i + stars:i + stars + 1] in ("", "/")
            out += (".", "[^/]")[stars == 1] + ("+" if alone else "*")
            i += stars - 1
        elif c == "?":
            out += "[^/]"
        elif c == "[":
            end = glob.index("]", i)
            out += glob[i:end + 1]
            i = end
        elif c == "{":
            depth, out = depth + 1, out + "(?:"
        elif c == "}":
            depth, out = depth - 1, out + ")"
        elif c == "," and depth:
            out += "|"
        else:
            out += re.escape(c)
        i += 1
    return re.compile(out + r"\Z")


class Profile:
    """text: what `apparmor_parser --preprocess` prints of one profile."""

    def __init__(self, text):
        self.rules = []  # (deny, pattern, permissions)
        variables, inside = {}, False
        for line in text.splitlines():
            line = line.strip()
            found = re.match(r"@\{(\w+)\}\s*\+?=\s*(.*)", line)
            if found and not inside:
                variables.setdefault(found.group(1), []).extend(
                    v.strip('"') for v in found.group(2).split())
            inside = inside or line.startswith("profile ")
            if inside and line.endswith(","):
                self.rule(line[:-1].split(), variables)

    def rule(self, words, variables):
        deny = False
        while words and words[0] in ("owner", "audit", "deny", "allow", "file"):
            deny = deny or words[0] == "deny"
            words = words[1:]
        if len(words) < 2:
            return
        path, may = words[:2] if words[0][0] in "/@" else (words[1], words[0])
        if path[0] not in "/@" or not PERMISSIONS.fullmatch(may):
            return
        for value in expand(path, variables):
            self.rules.append((deny, pattern(value), set(may)))

    def lacks(self, path, wanted):
        """The permissions that it does not give for a path."""
        given, denied = set(), set()
        for deny, matches, may in self.rules:
            if matches.match(path):
                (denied if deny else given).update(may)
        if "w" in given:
            given.add("a")
        return set(wanted) - (given - denied)


# --- what was done

CALLS = ("open,openat,creat,execve,execveat,mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,"
         "renameat2,link,linkat,symlink,symlinkat,chmod,fchmodat,chown,lchown,fchownat,truncate,"
         "mmap,bind,connect,flock,fcntl,sendto,sendmsg")
LINE = re.compile(r"(\w+)\((.*)\) += (-?\d+|\?)(?:<([^>]*)>)?")
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?')
AT = re.compile(r'(?:AT_FDCWD|\d+)<([^>]*)>, "((?:[^"\\]|\\.)*)"')


def arguments():
    """Words for strace, but for the -o: follow everything, say what descriptors are,
    and only what was done. Each process gets a file of its own, so that no line is
    broken by one of another."""
    return ["strace", "-D", "-ff", "--seccomp-bpf", "-z", "-y", "-qq", "-s", "4096", "-e",
            "trace=" + CALLS, "-e", "signal=none"]


def paths_of(call, args):
    """The paths that a call names, as they are after links: those of the directory
    that it is relative to, too."""
    if call.endswith("at") or call in ("renameat2", "openat"):
        return [os.path.join(d, n) for d, n in AT.findall(args)]
    return [m[0] for m in TEXT.findall(args)]


def of_open(args, result):
    flags = args.partition('", ')[2].split(",")[0]
    wanted = ""
    if "O_PATH" in flags:
        return []
    if "O_WRONLY" not in flags:
        wanted += "r"
    if "O_WRONLY" in flags or "O_RDWR" in flags or "O_CREAT" in flags or "O_TRUNC" in flags:
        wanted += "w"
    return [(result, wanted)]


def of_descriptor(call, args):
    """What is asked of a file that is open."""
    path = re.search(r"\d+<([^>]*)>", args)
    if call == "mmap":
        return [(path.group(1), "m")] if path and "PROT_EXEC" in args else []
    if call == "flock":
        return [(path.group(1), "k")]
    return [(path.group(1), "k")] if re.search(r"F_(OFD_)?SETLKW?\b", args) else []


def needs(line):
    """[(path, permissions)] of a line of strace."""
    found = LINE.match(line)
    if found is None:
        return []
    call, args, _, result = found.groups()
    if call in ("open", "openat", "creat"):
        return of_open(args, result)
    if call in ("mmap", "flock", "fcntl"):
        return of_descriptor(call, args)
    if call in ("bind", "connect", "sendto", "sendmsg"):
        path = re.search(r'sun_path="(/[^"]*)"', args)
        return [(path.group(1), "rw" if call == "connect" else "w")] if path else []
    if call in ("execve", "execveat"):
        return [(p, "rx") for p in paths_of(call, args)[:1]]
    return [(p, "wl" if call in ("link", "linkat") else "w")
            for p in paths_of(call, args)[-2 if "rename" in call else -1:]]
