#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Metrics, health and readiness: well-formed by Prometheus's own tool, true, free
of addresses; rules, dashboard and manual name what there is."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from capture import Capture
from harness import TOP, Gateway, free_port, message, run, wait_for
from peers import stop, unpacked

MONITORING = TOP / "packaging/monitoring"
RULES = ('rule "later" { to = { "dan@partner.example" }  try = { escrow } }\n'
         'rule "default" { try = { smime, pgp, hold } }\n')
OTTO = "otto@sender.example"


def get(port, path, method="GET"):
    req = urllib.request.Request("http://127.0.0.1:%d%s" % (port, path), method=method)
    try:
        with urllib.request.urlopen(req, timeout=90) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def values(port):
    """{series: value} of all that is told, once everybody has answered in time."""
    def told():
        try:
            text = get(port, "/metrics")[1]
        except (OSError, http.client.HTTPException):
            return None
        return text if all("sealgate_%s_answers 1\n" % who in text
                           for who in ("store", "discovery")) else None
    lines = [line for line in wait_for("answers", told).splitlines() if line[:1] != "#"]
    return {series: float(number) for series, _, number in
            (line.rpartition(" ") for line in lines)}


def value(port, series):
    return values(port).get(series)


def promtool(*args, **kwargs):
    tool = unpacked("prometheus") / "usr/bin/promtool"
    return subprocess.run([str(tool), *map(str, args)], capture_output=True, text=True,
                          check=False, **kwargs)


@pytest.fixture(name="watched", scope="module")
def fixture_watched(keys):
    """One gateway for all: what is counted is compared with what was before."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="sge."))
    root.chmod(0o755)
    out = Capture().start()
    port = free_port()
    gw = Gateway(root / "gw", out.port, tls=True, listen_in="", inbound=out.port,
                 rules='metrics { address = "127.0.0.1:%d" }\n' % port + RULES)
    crt, key = keys.certificate(OTTO)
    pem = keys.root / "otto.pem"
    pem.write_bytes(crt.read_bytes() + key.read_bytes())
    try:
        gw.start()
        gw.cli("key", "import", keys.alice_crt, keys.bob_asc, pem)
        yield gw, port, out, crt
    finally:
        gw.close()
        out.stop()
        print("--- log\n" + gw.log())
        shutil.rmtree(root, ignore_errors=True)


def seal(crt, body):
    made = run("openssl", "cms", "-encrypt", "-binary", "-aes256", "-from",
               "eve@partner.example", "-to", OTTO, "-subject", "x", crt, input=body).stdout
    return made.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def test_what_is_told_is_true(watched):
    gw, port, out, otto = watched
    before = values(port)
    had = len(out.messages)

    def grown(series):
        return values(port).get(series, 0) - before.get(series, 0)

    assert get(port, "/healthz") == (200, "ok\n")
    assert get(port, "/readyz") == (200, "ready\n")
    assert get(port, "/nothing")[0] == 404
    assert get(port, "/metrics", "POST")[0] == 405
    gw.send("sam@sender.example", ["alice@partner.example", "bob@partner.example",
                                   "carol@partner.example", "dan@partner.example"], message())
    gw.send_in("eve@partner.example", OTTO, seal(otto, message()))
    # two variants, the notice, and what was opened
    out.wait(had + 4)
    wait_for("the deliveries", lambda: grown('sealgate_audit_records_total{type="sent"}') >= 4)
    for result, rung in (("sealed", "smime"), ("sealed", "pgp"), ("escrowed", "escrow")):
        assert grown('sealgate_decided_total{result="%s",rung="%s"}' % (result, rung)) == 1, rung
    wait_for("the keys to be counted", lambda: value(
        port, 'sealgate_keystore_keys{owner="ours",kind="smime",state="good"}') == 1)
    now = values(port)
    for work in (("smime", "seal"), ("pgp", "seal"), ("escrow", "seal"), ("smime", "open")):
        label = '{engine="%s",operation="%s"}' % work
        assert grown("sealgate_engine_seconds_count" + label) == 1, work
        assert grown("sealgate_engine_seconds_sum" + label) > 0, work
        assert grown("sealgate_engine_failures_total" + label) == 0, work
    assert grown('sealgate_engine_seconds_count{engine="pgp",operation="sign"}') == 0
    for way in ("inbound", "outbound"):
        assert grown('sealgate_messages_accepted_total{direction="%s"}' % way) == 1
        assert grown('sealgate_received_total{direction="%s",tls=""}' % way) == 1
        assert grown('sealgate_message_size_bytes_bucket{direction="%s",le="+Inf"}' % way) == 1
    assert grown('sealgate_delivery_seconds_count{direction="outbound"}') >= 3
    assert now["sealgate_escrow_objects"] == 1
    assert now['sealgate_queue_entries{state="held"}'] == 1
    assert now["sealgate_keystore_up"] == 1
    assert now["sealgate_keystore_records"] == 3
    assert now["sealgate_intake_open"] == 1
    assert now["sealgate_discovery_answers"] == 1
    assert now['sealgate_process_up{process="relay",index="0"}'] == 1
    assert now['sealgate_certificate_end_seconds{path="%s"}' % gw.tls_cert[0]] > time.time()
    status, text = get(port, "/metrics")
    assert status == 200
    # neither people nor rules
    for word in ("partner", "sender", "alice", "default", "later"):
        assert word not in re.sub(r'path="[^"]*"', "", text), word
    done = promtool("check", "metrics", input=text)
    assert done.returncode == 0, done.stdout + done.stderr
    # a record is counted once, however often it is asked for
    sent = grown('sealgate_audit_records_total{type="sent"}')
    gw.cli("audit", "list")
    assert grown('sealgate_audit_records_total{type="sent"}') == sent


def test_who_is_not_ready_says_why(watched):
    gw, port, _, _ = watched
    store = gw.pids()["store"][0]
    os.kill(store, signal.SIGSTOP)
    try:
        # each waits for store, for a while
        with concurrent.futures.ThreadPoolExecutor() as pool:
            ready = pool.submit(get, port, "/readyz")
            metrics = pool.submit(get, port, "/metrics")
            assert get(port, "/healthz")[0] == 200
            status, text = ready.result()
            assert status == 503 and "store does not answer" in text
            status, text = metrics.result()
            assert status == 200 and "sealgate_store_answers 0\n" in text
    finally:
        os.kill(store, signal.SIGCONT)
    wait_for("it to be ready", lambda: get(port, "/readyz")[0] == 200)


def test_prometheus_itself_reads_it(watched, tmp_path):
    _, port, _, _ = watched
    api = free_port()
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        "rule_files: [%s]\n"
        "scrape_configs:\n"
        "  - job_name: sealgate\n"
        "    static_configs: [{targets: ['127.0.0.1:%d']}]\n"
        % (MONITORING / "sealgate.rules.yml", port))
    server = subprocess.Popen(
        [str(unpacked("prometheus") / "usr/bin/prometheus"),
         "--config.file=%s" % (tmp_path / "prometheus.yml"),
         "--storage.tsdb.path=%s" % (tmp_path / "data"),
         "--web.listen-address=127.0.0.1:%d" % api],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def query(expr):
        try:
            return json.loads(get(api, "/api/v1/query?query=" + urllib.parse.quote(expr))[1]
                              )["data"]["result"]
        except (OSError, urllib.error.URLError, ValueError, KeyError):
            return []

    try:
        # one that took longer than a second has failed, and the next need not
        for expr in ("sealgate_store_answers == 1", 'up{job="sealgate"} == 1',
                     'sealgate_delivery_seconds_bucket{le="+Inf"}'):
            wait_for(expr, lambda e=expr: query(e))
        loaded = json.loads(get(api, "/api/v1/rules")[1])["data"]["groups"][0]["rules"]
        assert len(loaded) > 15
    finally:
        stop(server)


def test_counters_of_a_process_begin_anew_with_it(watched):
    """A monitoring system takes a smaller value for a new beginning: it must be
    right from there on. Those of others go on."""
    gw, port, _, _ = watched
    restarts = 'sealgate_process_restarts_total{process="store",index="0"}'
    accepted = 'sealgate_messages_accepted_total{direction="outbound"}'
    before = value(port, restarts)
    os.kill(gw.pids()["store"][0], signal.SIGKILL)
    wait_for("a new store", lambda: value(port, restarts) == before + 1
             and value(port, "sealgate_store_answers") == 1
             and get(port, "/readyz")[0] == 200)
    assert value(port, accepted) == 0
    gw.send("sam@sender.example", ["alice@partner.example"], message())
    assert value(port, accepted) == 1


def test_idle_connections_keep_nobody_out(watched):
    """More of them than there are places, and then none for long."""
    gw, port, _, _ = watched
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    gw.cli("status")
    with contextlib.suppress(OSError):  # it may have had its time
        idle[0].sendall(b"GET /metrics")
    wait_for("them to be ended", lambda: reachable(port))
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
    for folder in ("store", "discovery", "control"):
        for f in (TOP / "gateway" / folder).glob("*.c"):
            found |= set(re.findall(r'"(sealgate_[a-z_]+)', f.read_text()))
    return found


def test_rules_dashboard_and_manual_name_what_there_is():
    metrics = named()
    assert len(metrics) > 20
    rules = (MONITORING / "sealgate.rules.yml").read_text()
    manual = (TOP / "packaging/man/sealgate-metrics.7").read_text()
    dashboard = json.loads((MONITORING / "sealgate-dashboard.json").read_text())
    exprs = " ".join(t["expr"] for p in dashboard["panels"] for t in p["targets"])
    for name in set(re.findall(r"sealgate_[a-z_]+", rules + exprs)):
        assert name in metrics or re.sub("_(bucket|sum|count)$", "", name) in metrics, name
    # and everything is on the dashboard or raises an alert, but what only says what runs
    for name in metrics - {"sealgate_build_info", "sealgate_audit_records_total",
                           "sealgate_sealed_total", "sealgate_intake_open"}:
        assert name in rules + exprs, name
    assert set(re.findall(r"(?m)^\.It Cm (sealgate_[a-z_]+)$", manual)) == metrics
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert len(alerts) > 10
    assert set(re.findall(r"(?m)^\.It Cm (Sealgate\w+)$", manual)) == set(alerts)
    done = promtool("check", "rules", MONITORING / "sealgate.rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr


# For each alert what raises it: {series: values, one a minute}; "0+2x450" grows by 2 in
# each of 450.
RAISED_BY = {
    "SealgateDown": {'up{job="sealgate"}': "0x450"},
    "SealgateProcessDown": {'sealgate_process_up{process="relay"}': "0x450"},
    "SealgateProcessRestarts": {'sealgate_process_restarts_total{process="relay"}': "0+1x450"},
    "SealgateRefusesMail": {"sealgate_intake_open": "0x450"},
    "SealgateDiskFull": {"sealgate_disk_free_bytes": "1000000x450"},
    "SealgateQueueOld": {"sealgate_queue_oldest_seconds": "20000x450"},
    "SealgateMailHeld": {'sealgate_queue_entries{state="held"}': "1x450"},
    "SealgateDeliveriesFail": {'sealgate_deliveries_total{type="bounced"}': "0+1x450",
                               'sealgate_deliveries_total{type="sent"}': "0+2x450"},
    "SealgateKeysLost": {'sealgate_keys_total{type="key-lost"}': "0x400 1x50"},
    "SealgateTlsDropped": {"sealgate_tls_dropped_total": "0x400 1x50"},
    "SealgateCertificateEnds": {'sealgate_certificate_end_seconds{path="/c"}': "1000000x450"},
    "SealgateAuditUnsigned": {"sealgate_audit_signs": "0x450"},
    "SealgateEngineFails": {
        'sealgate_engine_failures_total{engine="pgp",operation="seal"}': "0+1x450"},
    "SealgateEngineSlow": {
        'sealgate_engine_seconds_bucket{engine="pgp",operation="seal",le="10"}': "0+1x450",
        'sealgate_engine_seconds_bucket{engine="pgp",operation="seal",le="30"}': "0+9x450",
        'sealgate_engine_seconds_bucket{engine="pgp",operation="seal",le="+Inf"}': "0+9x450"},
    "SealgateSourceFails": {'sealgate_lookups_total{source="vks",result="failed"}': "0+1x450",
                            'sealgate_lookups_total{source="vks",result="found"}': "0x450"},
    "SealgateDiscoveryDown": {"sealgate_discovery_answers": "0x450"},
    "SealgateKeystoreDown": {"sealgate_keystore_up": "0x450"},
    "SealgateRevocationUnknown": {
        'sealgate_revocation_known{kind="list",state="over"}': "1x450"},
    "SealgatePickupNearlyFull": {"sealgate_escrow_quota_bytes": "1000x450",
                                 "sealgate_escrow_bytes": "950x450"},
    "SealgateDmzDown": {"sealgate_dmz_up": "0x450"},
    "SealgateCaEnds": {'sealgate_ca_end_seconds{ca="ab"}': "1000000x450"},
    "SealgateCaListEnds": {'sealgate_ca_list_end_seconds{ca="ab"}': "10000x450"},
}
# A gateway that is well, at work.
WELL = {
    'up{job="sealgate"}': "1x450",
    'sealgate_process_up{process="relay"}': "1x450",
    'sealgate_process_restarts_total{process="relay"}': "3x450",
    "sealgate_intake_open": "1x450",
    "sealgate_store_answers": "1x450",
    "sealgate_discovery_answers": "1x450",
    "sealgate_keystore_up": "1x450",
    "sealgate_disk_free_bytes": "100000000000x450",
    "sealgate_queue_oldest_seconds": "100x450",
    'sealgate_queue_entries{state="held"}': "0x450",
    'sealgate_deliveries_total{type="bounced"}': "0+1x450",
    'sealgate_deliveries_total{type="sent"}': "0+100x450",
    'sealgate_keys_total{type="key-lost"}': "1x450",
    "sealgate_tls_dropped_total": "2x450",
    'sealgate_certificate_end_seconds{path="/c"}': "10000000x450",
    "sealgate_audit_signs": "1x450",
    "sealgate_audit_records_unsigned": "10x450",
    'sealgate_engine_failures_total{engine="pgp",operation="seal"}': "7x450",
    'sealgate_engine_seconds_bucket{engine="pgp",operation="seal",le="10"}': "0+9x450",
    'sealgate_engine_seconds_bucket{engine="pgp",operation="seal",le="+Inf"}': "0+9x450",
    'sealgate_lookups_total{source="vks",result="failed"}': "0+1x450",
    'sealgate_lookups_total{source="vks",result="absent"}': "0+20x450",
    'sealgate_revocation_known{kind="list",state="good"}': "9x450",
    'sealgate_revocation_known{kind="list",state="over"}': "0x450",
    'sealgate_ca_end_seconds{ca="ab"}': "10000000x450",
    'sealgate_ca_list_end_seconds{ca="ab"}': "100000x450",
    "sealgate_dmz_up": "1x450",
    "sealgate_escrow_quota_bytes": "1000x450",
    "sealgate_escrow_bytes": "100x450",
    "sealgate_escrow_quota_objects": "0x450",
    "sealgate_escrow_objects": "100x450",
}


def of_instance(name, series):
    """These series as input of promtool, told by a gateway of this name."""
    label = 'instance="%s"' % name
    return [{"series": s[:-1] + "," + label + "}" if s.endswith("}") else "%s{%s}" % (s, label),
             "values": values} for s, values in series.items()]


def test_each_alert_is_raised_by_what_it_is_for_and_by_nothing_else(tmp_path):
    """A gateway for each, with one thing wrong, beside one that is well."""
    rules = MONITORING / "sealgate.rules.yml"
    assert set(RAISED_BY) == set(re.findall(r"- alert: (\w+)", rules.read_text()))
    series = of_instance("well", WELL)
    for alert, wrong in RAISED_BY.items():
        series += of_instance(alert, wrong)
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [{
        "expr": 'count by (alertname, instance) (ALERTS{alertstate="firing"})',
        "eval_time": "7h", "exp_samples": [
            {"labels": '{alertname="%s",instance="%s"}' % (a, a), "value": 1}
            for a in RAISED_BY]}]}
    (tmp_path / "tests.yml").write_text(json.dumps(
        {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}))
    done = promtool("test", "rules", tmp_path / "tests.yml")
    assert done.returncode == 0, done.stdout + done.stderr
