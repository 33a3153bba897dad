# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Fixtures of the end-to-end tests. Each gateway has directories and ports of
its own; what a failing test leaves is shown with the gateway's log."""
import http.server
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from capture import Capture  # noqa: E402
from harness import BUILD, Gateway, Keys, portal_page  # noqa: E402
from pickup import Portal, Witness, fetch_browser_modules  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "alone: measures time or memory, and runs beside no other test")
    config.addinivalue_line(
        "markers", "long: takes minutes, for packaging/check --long")
    config.addinivalue_line(
        "markers", "counted: quick, and reaches much of the gateway: for tests/coverage")


# Files that take long, longest first: side by side with others they begin before
# them, so that none is left over at the end.
SLOW = ("test_reader", "test_discovery", "test_portal", "test_relay_tls", "test_attachment",
        "test_reader_hostile", "test_pickup_account", "test_issue", "test_key_approval",
        "test_key_cli", "test_open_floods", "test_audit", "test_crash", "test_pickup_factor",
        "test_reader_reply", "test_tls_published", "test_salvage", "test_reader_factor",
        "test_pickup_reader", "test_interop", "test_open_makers", "test_revocation", "test_wait",
        "test_auth", "test_leftovers", "test_setup", "test_readme", "test_tls_rung",
        "test_tls_reports", "test_recipes")

# Files that packaging/check runs a second time, against a build that counts what is
# reached: seconds each, and together through every process of the gateway.
COUNTED = ("test_key_trust", "test_lmtp_in", "test_notices", "test_open_harvest",
           "test_open_roundtrip", "test_pickup_words", "test_recipients", "test_tls_verdicts")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem in COUNTED:
            item.add_marker("counted")
    items.sort(key=lambda item: SLOW.index(item.path.stem) if item.path.stem in SLOW
               else len(SLOW))


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


def open_directory():
    """One that every user may enter, as pytest's own is not."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="sge."))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


root = pytest.fixture(open_directory, name="root")
module_root = pytest.fixture(open_directory, scope="module", name="module_root")


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


# --- pick-up

@pytest.fixture(scope="session")
def page():
    return portal_page()


@pytest.fixture(scope="session")
def browser_modules():
    return fetch_browser_modules()


@pytest.fixture
def portal(tmp_path, page):
    p = Portal(tmp_path, page)
    yield p
    assert p.stop() == 0, (tmp_path / "log").read_text()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    d = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-keyout", d / "key.pem",
         "-out", d / "cert.pem", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True)
    return (str(d / "cert.pem"), str(d / "key.pem"))


@pytest.fixture
def witness():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Witness)
    server.asked, server.headers = [], []
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def shots():
    """Where the pictures of a page go; they are there to be looked at."""
    directory = BUILD / "tests/e2e/shots"
    directory.mkdir(parents=True, exist_ok=True)
    return lambda name: str(directory / name)
