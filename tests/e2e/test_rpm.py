#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The RPM spec builds the same tree as the Debian package: it is really built,
from the tarball, without a network, and every file of the one is in the other
with the same content. What its macros are elsewhere stands here, because Debian's
rpm has not those of systemd; what it requires to be installed has other names."""
import os
import pathlib
import re
import shutil
import tarfile

import pytest

from harness import BUILD, TOP, portal_page, run

pytestmark = pytest.mark.long

MACROS = """\
%_unitdir /usr/lib/systemd/system
%_sysusersdir /usr/lib/sysusers.d
%_tmpfilesdir /usr/lib/tmpfiles.d
%sysusers_create_compat() : users %1
%tmpfiles_create_package() : directories %1 %2
%systemd_post() : enable %*
%systemd_preun() : stop %*
%systemd_postun_with_restart() : restart %*
%_source_payload w1.gzdio
%_binary_payload w1.gzdio
"""

# Where both put the same thing in a place of their own.
PLACES = [
    ("/lib/systemd/", "/usr/lib/systemd/"),
    ("/usr/share/zsh/vendor-completions/", "/usr/share/zsh/site-functions/"),
]
# Debian's own; licence and changelog of either.
OWN = re.compile(r"/usr/share/(doc|lintian|licenses|doc-base|apparmor)/|/etc/apparmor\.d/|"
                 r"/usr/lib/\.build-id|/usr/lib/debug|/usr/src")


@pytest.fixture(name="built", scope="module")
def fixture_built(tmp_path_factory):
    """{name of the package: its file}"""
    top = tmp_path_factory.mktemp("rpm")
    for name in ("SOURCES", "SPECS", "BUILD", "RPMS", "SRPMS"):
        (top / name).mkdir()
    run("make", "-C", BUILD, "-s", "dist-xz", env=dict(os.environ, XZ_OPT="-0"))
    spec = (TOP / "packaging/rpm/sealgate.spec").read_text()
    version = re.search(r"(?m)^Version: +(\S+)", spec).group(1)
    shutil.copy(BUILD / ("sealgate-%s.tar.xz" % version), top / "SOURCES")
    with tarfile.open(top / "SOURCES/sealgate-page-modules.tar.xz", "w:xz", preset=0) as tar:
        tar.add(portal_page() / "node_modules", "node_modules")
    shutil.copy(TOP / "packaging/rpm/sealgate.spec", top / "SPECS")
    (top / "macros").write_text(MACROS)
    # in a network of its own, which has nobody in it
    offline = ["unshare", "-n"] if os.geteuid() == 0 else []
    said = run(*offline, "rpmbuild", "-bb", "--nodeps", "--load", top / "macros",
               "--define", "_topdir %s" % top, "--define", "_smp_mflags -j%d" % os.cpu_count(),
               "--define", "optflags -O1",
               top / "SPECS/sealgate.spec", check=False)
    assert said.returncode == 0, (said.stdout + said.stderr).decode()[-6000:]
    return {re.match(r"(sealgate(?:-doc)?)-\d", p.name).group(1): p
            for p in top.rglob("RPMS/*/*.rpm") if re.match(r"sealgate(-doc)?-\d", p.name)}


def tree(root):
    """{path: what is there}, in the places of an RPM."""
    found = {}
    for p in sorted(pathlib.Path(root).rglob("*")):
        name = "/" + str(p.relative_to(root))
        for ours, theirs in PLACES:
            if name.startswith(ours):
                name = theirs + name[len(ours):]
        if p.is_dir() or OWN.match(name):
            continue
        octets = b"" if p.is_symlink() else p.read_bytes()
        if octets.startswith(b"\x7fELF"):
            octets = b"a program"  # of other flags
        elif name.endswith(".gz"):
            # Debian's rpm does not compress them, others do
            name, octets = name[:-3], run("gzip", "-dc", input=octets).stdout
        found[name] = octets
    return found


def test_both_packages_have_the_same_files(built, tmp_path):
    assert set(built) == {"sealgate", "sealgate-doc"}
    deb = list((BUILD / "debian").glob("sealgate_*.deb"))
    assert deb, "packaging/debian/build makes it"
    run("dpkg-deb", "-x", deb[0], tmp_path / "deb")
    (tmp_path / "rpm").mkdir()
    archive = run("rpm2archive", "-", input=built["sealgate"].read_bytes()).stdout
    (tmp_path / "rpm.tgz").write_bytes(archive)
    with tarfile.open(tmp_path / "rpm.tgz") as tar:
        tar.extractall(tmp_path / "rpm", numeric_owner=True)
    ours, theirs = tree(tmp_path / "deb"), tree(tmp_path / "rpm")
    assert len(ours) > 30 and set(ours) == set(theirs), set(ours) ^ set(theirs)
    assert [n for n in ours if ours[n] != theirs[n]] == []


def test_what_it_does_when_installed(built):
    """The scripts say to systemd what Debian's do; nothing is started."""
    said = run("rpm", "-qp", "--scripts", built["sealgate"]).stdout.decode()
    for part in ("users packaging/systemd/sealgate.sysusers", "directories sealgate",
                 "enable sealgated.service", "stop sealgated.service", "restart sealgated.service"):
        assert part in said, said
    requires = run("rpm", "-qp", "--requires", built["sealgate"]).stdout.decode()
    assert "gnupg2" in requires and "libssl.so.3" in requires
    doc = run("rpm", "-qlp", built["sealgate-doc"]).stdout.decode()
    for name in ("guide.md", "recipes.md", "SECURITY.md", "mandatory.conf", "sealgated.socket",
                 "sealgate.rules.yml", "certbot-deploy"):
        assert "/" + name in doc, doc
    for name, licence in (("sealgate", "ISC AND (MPL-2.0 OR Apache-2.0) AND MIT-0"),
                          ("sealgate-doc", "ISC")):
        said = run("rpm", "-qp", "--qf", "%{LICENSE}", built[name]).stdout.decode()
        assert said == licence
