# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""The portal's role by itself, objects for it, and a reader with Chromium: what
the tests of pick-up share."""
import atexit
import base64
import fcntl
import http.client
import http.server
import json
import os
import pathlib
import select
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from harness import BUILD, PATIENCE

HERE = pathlib.Path(__file__).resolve().parent
DRIVER = BUILD / "tests/lib/portal_driver"  # `make check` builds it
CHROMIUM = "/usr/bin/chromium"

needs_browser = pytest.mark.skipif(
    not os.path.exists(CHROMIUM), reason="Chromium is not installed")


def run_node(script, *args, stdin=None, env=None, rc=0):
    done = subprocess.run(
        ["node", str(script), *args], input=stdin, text=True,
        capture_output=True, timeout=300, env={**os.environ, **(env or {})})
    assert done.returncode == rc, done.stdout + done.stderr
    return done.stdout if rc == 0 else done.stderr


def fetch_browser_modules():
    """What drives the browser, from npm as the lock file pins it."""
    directory = BUILD / "tests/e2e"
    directory.mkdir(parents=True, exist_ok=True)
    lock = HERE / "package-lock.json"
    mark = directory / "node_modules/.sealgate-lock"
    with open(directory / ".lock", "w") as alone:  # of the test processes
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_bytes() != lock.read_bytes():
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(HERE / name, directory)
            subprocess.run(["npm", "ci", "--ignore-scripts", "--loglevel=error",
                            "--cache", str(directory / ".npm")],
                           cwd=directory, check=True, timeout=300)
            shutil.rmtree(directory / ".npm", ignore_errors=True)
            shutil.copy(lock, mark)
    return directory


class Portal:
    """The role by itself; what it tells store is in `told`. settings: variables
    of portal_driver, without PORTAL_."""

    def __init__(self, tmp, page, tls=None, url=None, **settings):
        self.objects = tmp / "objects"
        self.index = tmp / "index"
        for directory in (self.objects, self.index):
            directory.mkdir(exist_ok=True)
        scheme = "https" if tls else "http"
        self.tls = tls
        self.log = open(tmp / "log", "ab")
        self.process = subprocess.Popen(
            [str(DRIVER), "127.0.0.1:0", url or f"{scheme}://127.0.0.1:PORT",
             str(page), str(self.objects), str(self.index), *(tls or ())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0",
                 **{"PORTAL_" + k.upper(): str(int(v) if isinstance(v, float) else v) for k, v in settings.items()}})
        self.told = []
        self.heard = threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()
        self.port = int(self.wait_for("port ").split()[1])
        self.wait_for("ready")
        self.url = (url or f"{scheme}://127.0.0.1:PORT").replace("PORT", str(self.port))

    def listen(self):
        for line in self.process.stdout:
            with self.heard:
                self.told.append(line.decode().rstrip("\n"))
                self.heard.notify_all()

    def wait_for(self, start, seconds=PATIENCE):
        def found():
            return next((t for t in self.told if t.startswith(start)), None)
        with self.heard:
            assert self.heard.wait_for(found, seconds), (start, self.told)
            return found()

    def opened(self, n=0):
        """What it has told of openings, once there are n of them."""
        def found():
            return [t for t in self.told if t.startswith("opened ")]
        with self.heard:
            assert self.heard.wait_for(lambda: len(found()) >= n, PATIENCE), self.told
            return found()

    def forget(self):
        with self.heard:
            self.told.clear()

    def make(self, parts, **more):
        """The file of an object that it has not heard of."""
        spec = {"dir": str(self.objects), "expires_in": 3600,
                "from": "Alice <alice@example.org>", "to": "carol@example.net",
                "subject": "Quarterly figures", "parts": parts, **more}
        made = json.loads(run_node(HERE / "make_object.mjs",
                                   stdin=json.dumps(spec)))
        made["url"] = f"{self.url}/m/{made['id']}#{made['link']}"
        return made

    def add(self, made):
        self.process.stdin.write(f"add {made['id']}\n".encode())
        self.process.stdin.flush()

    def put(self, parts, **more):
        made = self.make(parts, **more)
        self.add(made)
        self.wait_for(f"object-have {made['id']}")
        return made

    def ask(self, method, path, body=None, source=None, **headers):
        more = {"timeout": PATIENCE, "source_address": (source, 0) if source else None}
        if self.tls:
            context = ssl.create_default_context(cafile=self.tls[0])
            c = http.client.HTTPSConnection(
                "127.0.0.1", self.port, context=context, **more)
        else:
            c = http.client.HTTPConnection("127.0.0.1", self.port, **more)
        c.request(method, path, body,
                  {k.replace("_", "-"): v for k, v in headers.items()})
        reply = c.getresponse()
        reply.text = reply.read()
        c.close()
        return reply

    def raw(self, octets, seconds=PATIENCE):
        """What comes back, and whether the connection was ended by the portal."""
        return raw(self.port, octets, seconds)

    def open(self, object_id, proof, **headers):
        return self.ask("POST", "/api/open",
                        json.dumps({"id": object_id, "proof": proof}),
                        **{"Content-Type": "application/json", **headers})

    def stop(self):
        self.process.stdin.close()
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.log.close()


def raw(port, octets, seconds=PATIENCE):
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as s:
        got = b""
        try:
            s.sendall(octets)
            while piece := s.recv(65536):
                got += piece
        except TimeoutError:
            return got, False
        except (ConnectionResetError, BrokenPipeError):
            pass
        return got, True


def text_part(text, kind="text/plain", **more):
    return {"type": kind, "charset": "utf-8", "encoding": "8bit",
            "body": base64.b64encode(text.encode()).decode(), **more}


def file_part(octets, name="report.bin", **more):
    encoded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return {"type": "application/octet-stream", "encoding": "base64",
            "disposition": "attachment", "name": name,
            "body": base64.b64encode(encoded).decode(), **more}


def read_with_browser(modules, url, steps, **more):
    return readers(modules, {"url": url, "steps": steps, **more})[0]


class Browser:
    """Chromium and who drives it: started once, for all readers of a process of
    the tests, each of whom has a profile of his own."""

    one = None

    def __init__(self, modules):
        self.process = subprocess.Popen(
            ["node", str(HERE / "browser.mjs"), str(modules), str(int(PATIENCE * 1000))],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        atexit.register(self.stop)

    @classmethod
    def get(cls, modules):
        if cls.one is None or cls.one.process.poll() is not None:
            cls.one = cls(modules)
        return cls.one

    def read(self, specs):
        self.process.stdin.write(json.dumps(specs) + "\n")
        self.process.stdin.flush()
        # each step has PATIENCE; this is for a browser that has hung up
        ready, _, _ = select.select([self.process.stdout], [], [], 5 * PATIENCE)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.stop()
            raise AssertionError("the browser does not answer")
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["seen"]

    def stop(self):
        atexit.unregister(self.stop)
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        Browser.one = None


def readers(modules, *specs):
    """Several readers, one after the other. In what they had a picture taken of
    nothing may be cut, nor hinder a screen reader."""
    seen = Browser.get(modules).read(specs)
    for one in seen:
        assert one.get("misfits", []) == []
        assert one.get("axe", []) == []
    return seen


class Witness(http.server.BaseHTTPRequestHandler):
    """A server that the mail's HTML would like to call."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.headers.append(str(self.headers))
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *args):
        pass


class AnswerTaker(http.server.BaseHTTPRequestHandler):
    """In front of the portal, what docs/format-escrow.md says of answers; all
    else goes through. `refuse` are the statuses the next answers get."""

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/api/reply/"):
            self.take(body)
            return
        c = http.client.HTTPConnection("127.0.0.1", self.server.portal_port, timeout=PATIENCE)
        c.request(self.command, self.path, body or None, dict(self.headers))
        reply = c.getresponse()
        octets = reply.read()
        self.send_response(reply.status)
        for name, value in reply.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(octets)
        c.close()

    do_GET = do_HEAD = do_POST = pass_on

    def take(self, body):
        status = self.server.refuse.pop(0) if self.server.refuse else 201
        if status == 201:
            assert self.headers["Content-Type"] == "application/octet-stream"
            assert self.headers["Authorization"].startswith("Sealgate-Proof ")
            self.server.answers.append(body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass
