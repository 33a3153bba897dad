#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Metrics, health and readiness: well-formed by Prometheus's own tool, true, free
of addresses; rules, dashboard and manual name what there is."""
import json
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from harness import TOP, free_port, message, wait_for
from peers import unpacked

MONITORING = TOP / "packaging/monitoring"
RULES = 'rule "default" { try = { smime, pgp, hold } }\n'


def get(port, path, method="GET"):
    req = urllib.request.Request("http://127.0.0.1:%d%s" % (port, path), method=method)
    try:
        with urllib.request.urlopen(req, timeout=20) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def value(port, series):
    for line in get(port, "/metrics")[1].splitlines():
        if line.startswith(series + " "):
            return int(line.rpartition(" ")[2])
    return None


def promtool(*args, **kwargs):
    tool = unpacked("prometheus") / "usr/bin/promtool"
    return subprocess.run([str(tool), *map(str, args)], capture_output=True, text=True,
                          check=False, **kwargs)


@pytest.fixture(name="watched")
def fixture_watched(make_gateway, capture, keys):
    port = free_port()
    gw = make_gateway(capture.port, tls=True,
                      rules='metrics { address = "127.0.0.1:%d" }\n' % port + RULES)
    gw.cli("key", "import", keys.alice_crt, keys.bob_asc)
    return gw, port


def test_what_is_told_is_true(watched, capture):
    gw, port = watched
    assert get(port, "/healthz") == (200, "ok\n")
    assert get(port, "/readyz") == (200, "ready\n")
    assert get(port, "/nothing")[0] == 404
    assert get(port, "/metrics", "POST")[0] == 405
    gw.send("sam@sender.example", ["alice@partner.example", "bob@partner.example",
                                   "carol@partner.example"], message())
    capture.wait(2)
    wait_for("the deliveries", lambda: (value(
        port, 'sealgate_audit_records_total{type="sent"}') or 0) == 2)
    status, text = get(port, "/metrics")
    assert status == 200
    for rung in ("smime", "pgp"):
        assert re.search(r'sealgate_decided_total\{result="[a-z]+",rung="%s"\} 1\n' % rung, text)
    assert 'sealgate_queue_entries{state="held"} 1' in text
    assert value(port, "sealgate_keystore_records") == 2
    assert value(port, "sealgate_intake_open") == 1
    assert 'sealgate_process_up{process="relay",index="0"} 1' in text
    assert re.search(r'sealgate_certificate_end_seconds\{path="[^"]*tls.crt"\} \d{10}\n', text)
    # neither people nor rules
    for word in ("partner", "sender", "alice", "default"):
        assert word not in re.sub(r'path="[^"]*"', "", text), word
    done = promtool("check", "metrics", input=text)
    assert done.returncode == 0, done.stdout + done.stderr
    # a record is counted once, however often it is asked for
    gw.cli("audit", "list")
    assert value(port, 'sealgate_audit_records_total{type="sent"}') == 2


def test_who_is_not_ready_says_why(watched):
    gw, port = watched
    store = gw.pids()["store"][0]
    os.kill(store, signal.SIGSTOP)
    try:
        status, text = get(port, "/readyz")
        assert status == 503 and "store does not answer" in text
        assert get(port, "/healthz")[0] == 200
        status, text = get(port, "/metrics")
        assert status == 200 and "sealgate_store_answers 0\n" in text
    finally:
        os.kill(store, signal.SIGCONT)
    wait_for("it to be ready", lambda: get(port, "/readyz")[0] == 200)


def test_idle_connections_keep_nobody_out(watched):
    """More of them than there are places, and then none for long."""
    gw, port = watched
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    gw.cli("status")
    idle[0].sendall(b"GET /metrics")
    wait_for("them to be ended", lambda: reachable(port), 20)
    assert get(port, "/healthz") == (200, "ok\n")
    for s in idle:
        s.close()


def reachable(port):
    try:
        return get(port, "/healthz")[0] == 200
    except (OSError, urllib.error.URLError):
        return False


def test_an_address_that_others_reach_is_warned_of(make_gateway, capture):
    gw = make_gateway(capture.port, rules=RULES, start=False)
    gw.conf.write_text(gw.conf.read_text() + 'metrics { address = "0.0.0.0:9155" }\n')
    assert b"firewall" in gw.cli("check").stdout


def named():
    """Every metric that the programs can tell."""
    found = set()
    for f in ("gateway/store/tally.c", "gateway/store/metrics.c", "gateway/control/exposition.c"):
        found |= set(re.findall(r'"(?:# TYPE )?(sealgate_[a-z_]+)', (TOP / f).read_text()))
    return found


def test_rules_dashboard_and_manual_name_what_there_is():
    metrics = named()
    assert len(metrics) > 20
    rules = (MONITORING / "sealgate.rules.yml").read_text()
    manual = (TOP / "packaging/man/sealgate-metrics.7").read_text()
    dashboard = json.loads((MONITORING / "sealgate-dashboard.json").read_text())
    exprs = " ".join(t["expr"] for p in dashboard["panels"] for t in p["targets"])
    for name in set(re.findall(r"sealgate_[a-z_]+", rules + exprs)):
        assert name in metrics, name
    assert set(re.findall(r"(?m)^\.It Cm (sealgate_[a-z_]+)$", manual)) == metrics
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert len(alerts) > 10
    assert set(re.findall(r"(?m)^\.It Cm (Sealgate\w+)$", manual)) == set(alerts)
    done = promtool("check", "rules", MONITORING / "sealgate.rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr
