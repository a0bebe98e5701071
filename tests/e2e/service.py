#!/usr/bin/env python3
"""casement serve as a service: it tells systemd when it is ready and when it ends, writes nothing that
opens it into the journal, and hands the first link out to who may use its data directory.

casement-test: quick"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from _server import BINARY, check, failures, free_port, until


def run(*words):
    return subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=60, check=False)


class Service:
    """The server with a supervisor's socket, and all that it says."""

    def __init__(self, place, name, port):
        self.told = ""
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(name.replace("@", "\0"))
        self.notify.setblocking(False)
        self.path = os.path.join(place, "said")
        # pylint: disable=consider-using-with
        with open(self.path, "w", encoding="utf-8") as said:
            self.process = subprocess.Popen([BINARY, "serve", "-c", os.path.join(place, "casement.yaml"), "--data",
                                             os.path.join(place, "data"), "--port", str(port)], stdout=said, stderr=said,
                                            env={**os.environ, "NOTIFY_SOCKET": name})

    def hears(self, word):
        try:
            self.told += self.notify.recv(4096).decode() + "\n"
        except BlockingIOError:
            pass
        return word in self.told

    def said(self):
        with open(self.path, encoding="utf-8") as said:
            return said.read()

    def end(self):
        self.process.terminate()
        status = self.process.wait(60)
        self.hears("")
        self.notify.close()
        return status


def ask(port, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode() if body else None,
                                     {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}",
                                      "Sec-Fetch-Site": "same-origin"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def token_of(done):
    found = re.search(r"#setup=([A-Za-z0-9_-]+)", done.stdout)
    return found.group(1) if found else None


place = tempfile.mkdtemp(prefix="casement-service-")
port, data = free_port(), os.path.join(place, "data")
with open(os.path.join(place, "casement.yaml"), "w", encoding="utf-8") as f:
    json.dump({"listen": {"http": f"127.0.0.1:{port}", "https": f"127.0.0.1:{free_port()}", "media": "127.0.0.1:0"}}, f)
check("setup-link makes no data directory", run("setup-link", "--data", data).returncode == 2 and not os.path.exists(data))
for name in ("@casement-test-" + str(os.getpid()), os.path.join(place, "notify")):
    kind = "abstract" if name[0] == "@" else "plain"
    service = Service(place, name, port)
    check(f"READY=1 on an {kind} socket", until(lambda: service.hears("READY=1"), 60), service.said())
    check("it answers then", ask(port, "/healthz") == 200)
    if kind == "abstract":
        first, second = run("setup-link", "--data", data), run("setup-link", "-c", place + "/casement.yaml", "--data", data)
        check("a link is handed out", token_of(first) is not None, first.stdout + first.stderr)
        check("for this machine, at the configured port, and for others",
              f"http://127.0.0.1:{port}/#setup=" in second.stdout and "https://" in second.stdout, second.stdout)
        account = {"name": "anna", "password": "correct horse battery staple", "home_name": "Casa"}
        check("the later link voids the earlier", ask(port, "/api/v1/setup", {**account, "token": token_of(first)}) >= 400)
        check("the later one makes the account", ask(port, "/api/v1/setup", {**account, "token": token_of(second)}) == 201)
        done = run("setup-link", "--data", data)
        check("with an account there is none any more", done.returncode == 1 and "there are accounts" in done.stderr,
              done.stdout + done.stderr)
    check("nothing that opens the server is in what it said",
          "setup=" not in service.said() and "listen" not in service.told, service.said())
    check("it says how to get in", kind == "plain" or "casement setup-link" in service.said(), service.said())
    check("it ends with 0, and says so before", service.end() == 0 and "STOPPING=1" in service.told, service.told)

shutil.rmtree(place)
sys.exit(1 if failures else 0)
