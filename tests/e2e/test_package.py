#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The Debian package in a clean Debian with the real init: installed, configured,
run, upgraded, removed and purged. The root is made once, by debootstrap, in
build/debian/root, and never written to: each run has a layer of its own. What
happens inside is package_inside.sh."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from harness import BUILD, TOP, run

DEBS = BUILD / "debian"
PEERS = BUILD / "peers"
ROOT = DEBS / "root"

CONF = """\
hostname = "gw.example.com"
state    = "/var/lib/sealgate"
users    = "sealgate"
domains  = { "example.com" }
master-key = credential
listen outbound { address = "127.0.0.1:10025" }
relay outbound { via = "127.0.0.1:2526" }
portal { address = "127.0.0.1:8443" url = "https://post.example.com"
         tls-cert = "/etc/sealgate/portal.pem" tls-key = "credential:portal-key" }
limits { workers = 1 }
rule "default" { try = { clear } }
"""

SERVICE = """\
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/root/inside
[Install]
WantedBy=default.target
"""


def why_not():
    """What this machine lacks, or None."""
    if os.geteuid() != 0:
        return "booting a root needs root"
    if not list(DEBS.glob("sealgate_*.deb")):
        return "no packages: packaging/debian/build makes them"
    for name in ("debootstrap", "systemd-container"):
        if not (PEERS / name).exists():
            return "%s is not unpacked in build/peers" % name
    if run("unshare", "-m", "--propagation", "private", "mount", "-t", "tmpfs", "none", "/mnt",
           check=False).returncode != 0:
        return "nothing can be mounted here"
    return None


def mirrors():
    """[(address, suite)]: where this machine has Debian 12 from, with its updates."""
    said = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)",
               "Created-By: Packages", "Origin: Debian", "Component: main", check=False)
    found = [tuple(line.split()) for line in said.stdout.decode().splitlines()]
    return [f for f in found if len(f) == 2 and f[1].startswith("bookworm")]


def needed(deb):
    """The names a package depends on, the first of alternatives."""
    said = run("dpkg-deb", "-f", deb, "Pre-Depends", "Depends").stdout.decode()
    said = re.sub(r"(?m)^[A-Za-z-]+:", ",", said)
    names = [re.sub(r"\(.*?\)|\|.*", "", part).strip() for part in said.split(",")]
    return sorted({n for n in names if n})


@pytest.fixture(name="base", scope="module")
def fixture_base():
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    deb = next(DEBS.glob("sealgate_*.deb"))
    wanted = ["procps", *needed(deb)]
    if (ROOT / "root/wanted").exists() and (
            ROOT / "root/wanted").read_text().split() == wanted:
        return ROOT
    found = mirrors()
    main = [url for url, suite in found if suite == "bookworm"]
    if not main:
        pytest.skip("no mirror of Debian 12 is known to apt")
    shutil.rmtree(ROOT, ignore_errors=True)
    tool = PEERS / "debootstrap"
    run(tool / "usr/sbin/debootstrap", "--variant=minbase", "--include=systemd-sysv",
        "bookworm", ROOT, main[0],
        env=dict(os.environ, DEBOOTSTRAP_DIR=str(tool / "usr/share/debootstrap")))
    # what a package depends on may be in the security updates only
    (ROOT / "etc/apt/sources.list").write_text(
        "".join("deb %s %s main\n" % f for f in found))
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8")
    for words in (["update"], ["install", "-y", "--no-install-recommends", *wanted]):
        run("chroot", ROOT, "apt-get", "-qq", *words, env=env)
    shutil.rmtree(ROOT / "var/cache/apt/archives", ignore_errors=True)
    (ROOT / "root/wanted").write_text(" ".join(wanted))
    return ROOT


def next_version(deb, to):
    """The same package under a higher version."""
    with tempfile.TemporaryDirectory() as tmp:
        run("dpkg-deb", "-R", deb, tmp)
        control = pathlib.Path(tmp, "DEBIAN/control")
        control.write_text(re.sub(r"(?m)^Version: .*$", r"\g<0>.1", control.read_text()))
        run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tmp, to)


@pytest.fixture(name="layer")
def fixture_layer(base):
    """Directories for what the run writes: a file system of its own that
    overlayfs takes."""
    with tempfile.TemporaryDirectory(prefix="sgp.") as tmp:
        for name in ("upper/root/debs", "work", "merged"):
            pathlib.Path(tmp, name).mkdir(parents=True)
        upper = pathlib.Path(tmp, "upper")
        upper.chmod(0o755)
        (upper / "root").chmod(0o700)
        deb = next(DEBS.glob("sealgate_*.deb"))
        shutil.copy(deb, upper / "root/debs")
        next_version(deb, upper / "root/debs/next.deb")
        (upper / "root/sealgate.conf").write_text(CONF)
        shutil.copy(TOP / "tests/e2e/package_inside.sh", upper / "root/inside")
        (upper / "root/inside").chmod(0o755)
        units = upper / "etc/systemd/system"
        (units / "default.target.wants").mkdir(parents=True)
        (units / "inside.service").write_text(SERVICE)
        (units / "default.target.wants/inside.service").symlink_to("../inside.service")
        local = upper / "etc/apparmor.d/local"
        local.mkdir(parents=True)
        (local / "usr.sbin.sealgated").write_text("# mine\n")
        yield base, pathlib.Path(tmp)


@pytest.mark.long
def test_the_package_lives_a_whole_life(layer):
    base, tmp = layer
    nspawn = PEERS / "systemd-container"
    libs = [str(p) for p in nspawn.glob("usr/lib/*/systemd")] + [
        str(p) for p in nspawn.glob("usr/lib/*-linux-gnu")] + [
        str(p) for p in nspawn.glob("lib/*-linux-gnu")]
    script = (
        'mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/merged" &&'
        ' exec timeout 480 "$3" -D "$2/merged" --register=no --keep-unit --private-network'
        ' --console=pipe --quiet --system-call-filter="landlock_create_ruleset'
        ' landlock_add_rule landlock_restrict_self" -b')
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", str(base),
         str(tmp), str(nspawn / "usr/bin/systemd-nspawn")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
        env=dict(os.environ, LD_LIBRARY_PATH=":".join(libs)))
    result = tmp / "upper/root/result"
    said = result.read_text(errors="replace") if result.exists() else ""
    assert said.endswith("all good\n"), said[-20000:] + done.stdout[-3000:] + done.stderr[-2000:]


@pytest.fixture(name="unpacked", scope="module")
def fixture_unpacked(tmp_path_factory):
    """What the three packages have, one beside the other."""
    root = tmp_path_factory.mktemp("debs")
    debs = list(DEBS.glob("sealgate*.deb"))
    if not debs:
        pytest.skip("no packages: packaging/debian/build makes them")
    assert len(debs) == 3, debs
    for deb in debs:
        run("dpkg-deb", "-x", deb, root)
    return root


@pytest.mark.long
def test_debuggers_find_what_belongs_to_the_programs(unpacked):
    for program in ("usr/sbin/sealgated", "usr/bin/sealgate"):
        notes = run("readelf", "-n", unpacked / program).stdout.decode()
        build = re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)
        symbols = unpacked / "usr/lib/debug/.build-id" / build[:2] / (build[2:] + ".debug")
        assert ".debug_info" in run("readelf", "-SW", symbols).stdout.decode()


@pytest.mark.long
def test_documents_lead_to_what_is_installed(unpacked):
    """But README.md, which is about the sources, too."""
    doc = unpacked / "usr/share/doc/sealgate"
    seen = 0
    for page in [p for p in doc.rglob("*.md") if p.name != "README.md"]:
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), (page, link)
                seen += 1
    ours = {str(p.relative_to(TOP)) for p in (TOP / "docs").glob("*.md")}
    assert {str(p.relative_to(doc)) for p in (doc / "docs").glob("*.md")} == ours
    assert seen > 20
    for example in (TOP / "packaging/examples").glob("*.conf"):
        assert (doc / "examples" / example.name).exists(), example
