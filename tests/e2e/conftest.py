# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Fixtures of the end-to-end tests. Each gateway has directories and ports of
its own; what a failing test leaves is shown with the gateway's log."""
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from capture import Capture  # noqa: E402
from harness import Gateway, Keys  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "alone: measures time or memory, and runs beside no other test")


@pytest.fixture(scope="session")
def keys():
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge-keys."))
    k = Keys(root)
    k.alice_crt, k.alice_key = k.certificate("alice@partner.example")
    k.ec_crt, k.ec_key = k.certificate(
        "erin@partner.example", key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"))
    k.bob_asc = k.openpgp("bob@partner.example")
    yield k
    k.close()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def capture():
    c = Capture().start()
    yield c
    c.stop()


@pytest.fixture
def root():
    path = pathlib.Path(tempfile.mkdtemp(prefix="sge."))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_gateway(root, request):
    """Make gateways with any options; they are stopped at the end, and their
    logs shown when the test failed."""
    made = []

    def make(out_port, start=True, import_keys=(), **options):
        g = Gateway(root / ("gw%d" % len(made)), out_port, **options)
        made.append(g)
        if start:
            g.start()
            if import_keys:
                g.cli("key", "import", *import_keys)
        return g

    yield make
    for g in made:
        try:
            g.close()
        finally:
            print("--- log of %s\n%s" % (g.root, g.log()))


@pytest.fixture
def gateway(make_gateway, capture, keys):
    """The usual one: alice has a certificate, erin one with an EC key, bob an
    OpenPGP key."""
    return make_gateway(capture.port,
                        import_keys=[keys.alice_crt, keys.ec_crt, keys.bob_asc])
