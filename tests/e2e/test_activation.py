#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Ports that the service manager keeps: over a restart of the gateway a client
waits instead of being refused, and one nobody configured is told of."""
import fcntl
import socket
import smtplib
import threading

import harness
from harness import PATIENCE, free_port, message, wait_for

CLEAR = 'rule "clear" { try = { clear } }\n'


def listening(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(16)
    s.setblocking(True)
    return s


def wrapped(gw, sockets):
    """Have the gateway started as systemd does, with these as 3, 4 ..."""
    places = " ".join("%d<&%d" % (3 + i, s.fileno()) for i, s in enumerate(sockets))
    # bash: dash takes no descriptor above 9; exec keeps the number of the process
    gw.wrap = ["bash", "-c", "export LISTEN_PID=$$ LISTEN_FDS=%d; exec \"$@\" %s" % (
        len(sockets), places), "-"]


def started(gw, sockets, monkeypatch):
    popen = harness.subprocess.Popen
    monkeypatch.setattr(harness.subprocess, "Popen", lambda *a, **k: popen(
        *a, pass_fds=[s.fileno() for s in sockets], **k))
    try:
        gw.start()
    finally:
        monkeypatch.undo()


def test_a_client_is_not_refused_while_the_gateway_restarts(make_gateway, capture, monkeypatch):
    gw = make_gateway(capture.port, rules=CLEAR, start=False)
    unused = free_port()
    sockets = [listening(gw.port), listening(gw.portal_port), listening(unused)]
    # above those that bash puts them at; a number of its own choice may be in use
    moved = [socket.socket(fileno=fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, 40))
             for s in sockets]
    for s in sockets:
        s.close()
    wrapped(gw, moved)
    started(gw, moved, monkeypatch)
    gw.send("sam@sender.example", "carol@partner.example", message())
    capture.wait(1)
    wait_for("the warning", lambda: "event=socket-unused" in gw.log())
    assert "127.0.0.1:%d" % unused in gw.log()
    assert gw.log().count("event=socket-unused") == 1
    assert gw.stop() == 0
    # nobody serves the port, and yet it takes connections
    got = []

    def hand_in():
        with smtplib.SMTP("127.0.0.1", gw.port, timeout=90) as s:
            s.ehlo("client.sender.example")
            got.append(s.sendmail("sam@sender.example", ["carol@partner.example"], message()))
    client = threading.Thread(target=hand_in)
    client.start()
    started(gw, moved, monkeypatch)
    client.join(PATIENCE)
    assert got == [{}]
    capture.wait(2)
    for s in moved:
        s.close()
