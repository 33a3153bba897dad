#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Reports on TLS (RFC 8460): what sessions with a domain's mail servers had is
counted, kept over restarts, and told to whoever the domain names, by mail and by
HTTPS, once, and even where its TLS is broken."""
import datetime
import email
import email.policy
import gzip
import json
import re
import time

import pytest

from harness import BUILD, run, wait_for
from mail_domain import DOMAIN, policy
from test_dkim import DKIM, verified
from test_relay_tls import WRONG, PKIX
from tls_domain import (CANARY, CAROL, SENDER, ca, domain, gateway_to,  # noqa: F401
                        mail, records, strip)

RUA = ('_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls%40' + DOMAIN + ","
       "https://mta-sts." + DOMAIN + ':{web}/report"\n')
SECTION = ('tls-reports { contact = "tls@sender.example" organization = "Sender Ltd" '
           "delay = 0s }\n")


@pytest.fixture(autouse=True)
def one_day():
    """What is counted here must not be of two days (UTC): shortly before midnight
    the next one is waited for."""
    left = 86400 - time.time() % 86400
    if left < 120:
        time.sleep(left)


@pytest.fixture
def reporting(gateway_to):
    """gateway_to, with reports."""
    def make(d, ladder="clear", **more):
        g = gateway_to(d, ladder, start=False, **more)
        g.conf.write_text(g.conf.read_text() + SECTION)
        return g.start()
    return make


def counted(g):
    """What is in the table once the gateway has stopped."""
    text = run(BUILD / "tests/lib/tls_reports", g.state / "tls", "show").stdout
    return json.loads(text)["policies"]


def age(g, days=1):
    run(BUILD / "tests/lib/tls_reports", g.state / "tls", "age", str(days))


def reports(d):
    return [m for m in d.peer.messages if b"TLS-Report-Domain" in m.data]


def by_type(elements):
    return {e["policy"]["policy-type"]: e for e in elements}


def check_report(report):
    """Member by member as RFC 8460 4.4 has them."""
    assert set(report) == {"organization-name", "date-range", "contact-info",
                           "report-id", "policies"}
    assert report["organization-name"] == "Sender Ltd"
    assert report["contact-info"] == "tls@sender.example"
    day = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(1)
    assert report["date-range"] in [
        {"start-datetime": "%sT00:00:00Z" % x, "end-datetime": "%sT23:59:59Z" % x}
        for x in (day, day - datetime.timedelta(1))]  # midnight may have passed
    (element,) = report["policies"]
    assert set(element) == {"policy", "summary", "failure-details"}
    assert element["policy"] == {
        "policy-type": "sts", "policy-domain": DOMAIN,
        "policy-string": ["version: STSv1", "mode: enforce", "mx: mx." + DOMAIN,
                          "max_age: 86400"],
        "mx-host": ["mx." + DOMAIN]}
    summary = element["summary"]
    assert set(summary) == {"total-successful-session-count",
                            "total-failure-session-count"}
    assert summary["total-successful-session-count"] == 1
    (detail,) = element["failure-details"]
    assert detail.pop("failed-session-count") == summary["total-failure-session-count"] > 0
    assert "TLS is required" in detail.pop("failure-reason-code")
    assert detail == {"result-type": "starttls-not-supported",
                      "sending-mta-ip": "127.0.0.1", "receiving-ip": "127.0.0.1",
                      "receiving-mx-hostname": "mx." + DOMAIN,
                      "receiving-mx-helo": "capture.example"}


def test_a_day_is_reported_where_the_domain_wants_it(domain, reporting):
    d = domain(names=("mx." + DOMAIN,), sts="1", answer=policy(), records=RUA)
    g = reporting(d)
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    wait_for("the record", lambda: records(g, "sent"))
    strip(d)
    g.send(SENDER, CAROL, mail())
    wait_for("a deferral", lambda: records(g, "deferred"))
    g.stop()
    age(g)
    d.web.receipt = 500
    g.start()
    # its TLS is still broken: the report comes all the same, in clear
    (m,) = wait_for("the report", lambda: reports(d))
    assert m.mail_from == "" and m.rcpts == ["tls@" + DOMAIN] and m.tls is None
    msg = email.message_from_bytes(m.data, policy=email.policy.default)
    host = re.search('hostname = "(.*)"', g.conf.read_text()).group(1)
    assert msg["TLS-Report-Domain"] == DOMAIN and msg["TLS-Report-Submitter"] == host
    assert msg["From"] == "tls@sender.example"
    assert msg["Subject"].startswith("Report Domain: %s Submitter: %s Report-ID: <" % (
        DOMAIN, host))
    assert msg.get_content_type() == "multipart/report"
    assert msg.get_param("report-type") == "tlsrpt"
    text, file = msg.get_payload()
    assert text.get_content_type() == "text/plain"
    assert file.get_content_type() == "application/tlsrpt+gzip"
    assert re.fullmatch(r"%s!%s!\d+!\d+\.json\.gz" % (re.escape(host), DOMAIN),
                        file.get_filename())
    body = file.get_payload(decode=True)
    report = json.loads(gzip.decompress(body))
    check_report(json.loads(gzip.decompress(body)))
    assert report["report-id"] in msg["Subject"]
    assert CANARY.encode() not in gzip.decompress(body)
    (path, headers, posted), = wait_for("the post", lambda: d.web.posts)
    assert path == "/report" and headers["Content-Type"] == "application/tlsrpt+gzip"
    assert json.loads(gzip.decompress(posted)) == report
    # the web server had no room: it is tried again, and nothing is forgotten
    wait_for("the failure", lambda: "the web server answered 500" in g.log())
    wait_for("the mail", lambda: g.log().count('result="sent"') == 1)
    # nor is who has it already: the web server alone is asked again
    d.web.receipt = 201
    g.stop()
    age(g, 0)
    g.start()
    wait_for("the post", lambda: g.log().count('result="sent"') == 2)
    g.stop()
    assert len(reports(d)) == 1 and len(d.web.posts) == 2


def test_sessions_for_reports_are_in_no_report(domain, reporting):
    """Its TLS is broken, and the report says so of mail alone."""
    d = domain(names=("mx." + DOMAIN,), sts="1", answer=policy(), records=RUA)
    g = reporting(d)
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    wait_for("the record", lambda: records(g, "sent"))
    strip(d)
    g.stop()
    age(g)
    d.web.receipt = 500
    g.start()
    wait_for("the report", lambda: reports(d))
    wait_for("the failure", lambda: "the web server answered 500" in g.log())
    g.stop()
    # sessions for reports are in no report
    (element,) = counted(g)
    assert element["policy"]["policy-type"] == "sts"
    assert element["summary"]["total-successful-session-count"] == 1


def test_a_report_is_sent_once_and_signed(domain, reporting):
    """RFC 8460 3: by mail it is believed only with a signature."""
    d = domain(records=RUA)
    g = reporting(d)
    g.stop()
    g.conf.write_text(g.conf.read_text() + DKIM)
    g.start()
    record = g.cli_json("dkim", "generate", "sender.example", "s1")
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    wait_for("the record", lambda: records(g, "sent"))
    g.stop()
    age(g)
    g.start()
    wait_for("the report", lambda: reports(d) and d.web.posts)
    wait_for("the end", lambda: g.log().count('result="sent"') == 2)
    assert verified(record, reports(d)[0].data)
    g.stop()
    assert counted(g) == []


def test_one_that_is_refused_goes(domain, reporting):
    """Nobody can be told, and it is not worth an alarm."""
    d = domain(records=RUA)
    g = reporting(d)
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    wait_for("the record", lambda: records(g, "sent"))
    g.stop()
    age(g)
    d.peer.verbs["RCPT"] = (550, "5.1.1 no such user")
    g.start()
    wait_for("the refusal", lambda: records(g, "bounced"))
    wait_for("an empty queue", lambda: not g.cli_json("queue", "list"))
    assert not records(g, "held")


def test_nobody_asks_for_it(domain, reporting):
    """No record: what was counted is forgotten. Too old: the same."""
    d = domain()
    g = reporting(d)
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    wait_for("the record", lambda: records(g, "sent"))
    g.stop()
    assert len(counted(g)) == 1
    age(g)
    g.start()
    wait_for("the answer", lambda: "nobody wants it" in g.log())
    g.stop()
    assert counted(g) == []
    assert not reports(d) and not d.web.posts


def test_without_the_section_nothing_is_counted(domain, gateway_to):
    d = domain(records=RUA)
    g = gateway_to(d, "clear")
    g.send(SENDER, CAROL, mail())
    d.peer.wait()
    wait_for("the record", lambda: records(g, "sent"))
    g.stop()
    assert counted(g) == []


# name, what the domain has, proven, policy type, result type
TYPES = [
    ("no TLS and no policy", {"names": None}, False, "no-policy-found",
     "starttls-not-supported"),
    ("another's certificate", {"names": ("x.example",), "sts": "1", "answer": policy()},
     False, "sts", "certificate-host-mismatch"),
    ("another's certificate, tested", {"names": ("x.example",), "sts": "1",
                                       "answer": policy("testing")},
     False, "sts", "certificate-host-mismatch"),
    ("a server that is not named", {"sts": "1", "answer": policy(mx="y." + DOMAIN)},
     False, "sts", "validation-failure"),
    ("a server that is not named, tested",
     {"sts": "1", "answer": policy("testing", mx="y." + DOMAIN)},
     False, "sts", "validation-failure"),
    ("a policy that is none", {"sts": "1", "answer": (200, "text/plain", b"x", {})},
     False, "sts", "sts-policy-invalid"),
    ("no policy behind the record", {"sts": "1", "answer": (404, "", b"", {})},
     False, "sts", "sts-policy-fetch-error"),
    ("a record that does not match",
     {"records": "_{port}._tcp.mx TLSA " + WRONG + "\n"}, True, "tlsa",
     "validation-failure"),
    ("records of no use", {"records": "_{port}._tcp.mx TLSA " + PKIX + "\n"}, True,
     "tlsa", "tlsa-invalid"),
]


@pytest.mark.parametrize("row", TYPES, ids=[r[0] for r in TYPES])
def test_every_failure_has_its_type(domain, reporting, row):
    _, has, proven, kind, says = row
    d = domain(**has)
    g = reporting(d, proven=proven)
    g.send(SENDER, CAROL, mail())
    wait_for("an attempt", lambda: records(g, "sent") or records(g, "deferred"))
    g.stop()
    element = by_type(counted(g))[kind]
    assert element["summary"]["total-failure-session-count"] > 0
    (detail,) = element["failure-details"]
    assert detail["result-type"] == says
    if kind == "tlsa" and WRONG in str(has):
        assert element["policy"]["policy-string"] == [WRONG]
