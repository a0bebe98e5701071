#!/usr/bin/env python3
"""The whole server under everything at once: viewers of every kind, changes, probes, faults, ends.

  tests/e2e/soak.py [BUILD] [SECONDS]   (build/debug, 15; BUILD made with a sanitizer)

Simulated cameras, two homes, two loops. Meanwhile: the server answers /healthz, every picture is
of the camera (or home) that was asked for, a cut ends what it should; at the end each camera still
shows, and SIGTERM in the middle of it all ends the server with 0 within 10 s and not one word of
the sanitizer's, leaks included."""

import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

import http.client  # noqa: E402

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/debug")
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 15
END_LIMIT_S = 10
PASSWORD = "a long enough passphrase"
CAMERAS = {"verdi": (1, 2, 3), "rossi": (4, 5, 6)}
OWNERS = {"verdi": "anna", "rossi": "rosa"}
# src/simcam/stamp.c; the camera's number follows in 16 bits.
STAMP = bytes.fromhex("6b1ed4903c574fa29d082e71c5b364fa")
SAID_BY_SANITIZER = re.compile(r"Sanitizer|runtime error:|Assertion|DEADLYSIGNAL")
failed = 0


def case(name, is_right, more=""):
    global failed
    print("ok" if is_right else "not ok", "-", name, flush=True)
    if not is_right:
        print("   ", str(more).replace("\n", "\n    "), flush=True)
        failed += 1


class Tally:
    """What the threads saw: counts by name, and what was wrong."""

    def __init__(self):
        self.lock, self.counts, self.wrong = threading.Lock(), {}, []

    def add(self, name, number=1):
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + number

    def complain(self, text):
        with self.lock:
            self.wrong.append(text)

    def count(self, name):
        return self.counts.get(name, 0)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def make_pair(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "9", "-subj", "/CN=" + name,
                    "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"],
                   check=True, capture_output=True)


class Simcam:
    def __init__(self, folder):
        self.log = open(f"{folder}/simcam.log", "ab")
        self.process = subprocess.Popen(
            [f"{BUILD}/casement", "simcam", "--cameras", "6", "--listen", "127.0.0.1:0", "--user",
             "admin", "--password-file", f"{folder}/camera.pw", "--variants", "1", "--kbps", "600",
             "--cache", f"{folder}/scenes", "--helper", f"{BUILD}/casement-helper"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if "rtsp://" not in line:
            raise RuntimeError("no simulated cameras")
        self.address = re.search(r"rtsp://([\d.:]+)", line)[1]
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def wish(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.process.stdin.close()
        self.log.close()


def configuration(address):
    def camera(number):
        keep = "on-demand" if number % 3 == 0 else "always"
        return (f"{{id: c{number}, name: Camera {number}, main: \"rtsp://{address}/cam{number}\", "
                f"sub: \"rtsp://{address}/cam{number}/sub\", user: admin, "
                f"password_file: camera.pw, keep: {keep}}}")

    def home(name):
        return (f"  {{id: {name}, name: Casa {name}, allow: [\"127.0.0.0/8\"],\n   accounts: ["
                f"{{name: {OWNERS[name]}, role: owner, password_file: account.pw}}],\n"
                f"   cameras: [{', '.join(camera(n) for n in CAMERAS[name])}]}}")

    return ("listen: {http: \"127.0.0.1:0\", https: \"127.0.0.1:0\", media: \"127.0.0.1:0\"}\nloops: 2\n"
            "tls: {certificate: own.pem, key: own.key}\n"
            "homes: [\n" + ",\n".join(home(name) for name in CAMERAS) + "]\n")


class Server:
    def __init__(self, folder, name):
        self.log_path = f"{folder}/{name}.log"
        self.log = open(self.log_path, "wb")
        environment = {**os.environ, "TSAN_OPTIONS": "exitcode=99:second_deadlock_stack=1",
                       "ASAN_OPTIONS": "halt_on_error=1:exitcode=99:detect_leaks=1",
                       "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99"}
        self.process = subprocess.Popen(
            [f"{BUILD}/casement", "serve", "-c", f"{folder}/casement.yaml", "--data",
             f"{folder}/data"], stdout=subprocess.PIPE, stderr=self.log, text=True,
            env=environment)
        self.ports, said = {}, ""
        self.names, self.fresh = {}, {}  # who signed in, and by which session of late, by the first cookie
        while len(self.ports) < 2:
            line = self.process.stdout.readline()
            said += line
            if not line:
                raise RuntimeError("the server did not start: " + said + self.read_log())
            for found in re.finditer(r"(https?)://127\.0\.0\.1:(\d+)/", line):
                self.ports[found[1]] = int(found[2])
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def read_log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def connect(self, scheme="http", timeout=20):
        if scheme == "http":
            return http.client.HTTPConnection("127.0.0.1", self.ports["http"], timeout=timeout)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.ports["https"], timeout=timeout,
                                           context=context)

    def ask(self, connection, method, path, who=None, body=None):
        headers = {"Sec-Fetch-Site": "same-origin"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body),
                           {**headers, **(who or {})})
        return connection.getresponse()

    def call(self, method, path, who=None, body=None, timeout=20):
        """(status, headers, bytes). Where the server wants to know again who asks, by a session of now: the one
        that watches goes on."""
        answer = self.call_once(method, path, who, body, timeout)
        cookie = (who or {}).get("Cookie")
        for make in (lambda: self.fresh.get(cookie, who), lambda: self.sign_in(*self.names[cookie])):
            if cookie not in self.names or answer[0] != 403 or b"sign-in-again" not in answer[2]:
                break
            self.fresh[cookie] = make()
            answer = self.call_once(method, path, self.fresh[cookie], body, timeout)
        return answer

    def call_once(self, method, path, who, body, timeout):
        connection = self.connect(timeout=timeout)
        try:
            answer = self.ask(connection, method, path, who, body)
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def sign_in(self, name, password=PASSWORD):
        status, headers, body = self.call("POST", "/api/v1/session",
                                          body={"name": name, "password": password}, timeout=60)
        if status != 200:
            raise RuntimeError(f"{name} can't sign in: {status} {body}")
        token = re.search(r"__Host-casement=([^;]+)", headers["Set-Cookie"])[1]
        cookie = "__Host-casement=" + token
        self.names[cookie] = (name, password)
        return {"Cookie": cookie}

    def end(self):
        """SIGTERM; (exit status or None when it had to be killed, seconds)"""
        begun = time.monotonic()
        self.process.terminate()
        try:
            status = self.process.wait(END_LIMIT_S * 3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = None
        self.log.close()
        return status, time.monotonic() - begun


def abort(connection):
    """Closes with a reset, as a machine that went away."""
    if connection.sock is not None:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Scan:
    """Finds the stamps in a stream of bytes and judges whose they are."""

    def __init__(self, tally, what, codes):
        self.tally, self.what, self.codes, self.rest = tally, what, codes, b""
        self.count = 0

    def feed(self, data):
        data = self.rest + data
        at = data.find(STAMP)
        while 0 <= at <= len(data) - 18:
            code = int.from_bytes(data[at + 16:at + 18], "big")
            self.count += 1
            self.tally.add("pictures")
            self.tally.add(f"pictures of {code}")
            if code not in self.codes:
                self.tally.complain(f"{self.what} showed camera {code}")
            at = data.find(STAMP, at + 18)
        self.rest = data[-17:] if at < 0 else data[at:]


class World:
    def __init__(self, folder, simcam, server):
        self.folder, self.simcam, self.server = folder, simcam, server
        self.tally, self.over = Tally(), threading.Event()
        self.owner = {home: server.sign_in(name) for home, name in OWNERS.items()}
        # Not of the YAML, whose grants every start and every command puts back.
        self.account, self.guest = {}, {}
        for home in CAMERAS:
            name = f"guest{random.randrange(10**9)}"
            answer = server.call("POST", "/api/v1/people", self.owner[home], timeout=60, body={
                "name": name, "password": PASSWORD, "role": "guest"})
            self.account[home] = json.loads(answer[2])["account"]
            self.guest[home] = server.sign_in(name)
        self.token = {}
        for home, cameras in CAMERAS.items():
            made = subprocess.run(
                [f"{BUILD}/casement", "token", "create", "-c", f"{folder}/casement.yaml", "--data",
                 f"{folder}/data", "--home", home, "--account", OWNERS[home], "--camera",
                 f"c{cameras[0]}", "--rights", "view", "--days", "1"],
                capture_output=True, text=True, timeout=60)
            self.token[home] = {"Authorization": "Bearer " + made.stdout.strip()}
            if made.returncode != 0:
                raise RuntimeError("no token: " + made.stderr)
        self.threads = []

    def begin(self, act, *arguments):
        self.threads.append(threading.Thread(target=self.repeat, args=(act, *arguments)))
        self.threads[-1].start()

    def repeat(self, act, *arguments):
        """Whatever the network says of a server that ends is as it should be."""
        while not self.over.is_set():
            try:
                act(self, *arguments)
                self.tally.add(act.__name__)
            except (OSError, http.client.HTTPException) as error:
                self.tally.add(f"{act.__name__} {type(error).__name__}")
                self.over.wait(0.05)
            except Exception as error:  # pylint: disable=broad-except
                self.tally.complain(f"{act.__name__}: {error!r}")
                self.over.wait(0.5)

    def join(self):
        self.over.set()
        for thread in self.threads:
            thread.join(60)

    def expect(self, what, answer, *statuses):
        status = answer[0] if isinstance(answer, tuple) else answer.status
        self.tally.add(f"{what} {status}")
        if status not in statuses and not self.over.is_set():
            self.tally.complain(f"{what}: {status} {answer[2][:300] if isinstance(answer, tuple) else ''}")
        return status


def random_camera(home):
    return random.choice(CAMERAS[home])


def watch(world, home, scheme, seconds, pace, is_abrupt):
    """A viewer who reads for a while, quickly or not, and leaves politely or not."""
    number = random_camera(home)
    connection = world.server.connect(scheme, timeout=8)
    try:
        stream = random.choice(("main", "sub"))
        who = world.owner[home]
        if number == CAMERAS[home][0] and random.random() < 0.5:
            who = world.token[home]
        answer = world.server.ask(connection, "GET", f"/api/v1/cameras/c{number}/live.mp4"
                                  f"?stream={stream}", who)
        if world.expect("live", answer, 200, 503) != 200:
            return
        scan = Scan(world.tally, f"live c{number}", {number})
        until = time.monotonic() + seconds
        while time.monotonic() < until and not world.over.is_set():
            data = answer.read1(65536) if pace == 0 else answer.read1(3000)
            if not data:
                return
            scan.feed(data)
            world.over.wait(pace)
    finally:
        if is_abrupt:
            abort(connection)
        connection.close()


def watch_h2(world, home):
    """Three streams of one HTTP/2 connection."""
    each = ["-sk", "--http2", "--max-time", str(random.choice((0.3, 1.5, 3)))]
    command, files = ["curl", "-Z"], []
    for index, number in enumerate(CAMERAS[home]):
        path = f"{world.folder}/h2-{threading.get_ident()}-{index}"
        files.append((number, path))
        command += [*each, "-H", "Cookie: " + world.owner[home]["Cookie"], "-o", path,
                    f"https://127.0.0.1:{world.server.ports['https']}/api/v1/cameras/c{number}"
                    "/live.mp4?stream=sub", "--next"]
    subprocess.run(command[:-1], capture_output=True, timeout=30, check=False)
    for number, path in files:
        if os.path.exists(path):
            with open(path, "rb") as file:
                Scan(world.tally, f"h2 c{number}", {number}).feed(file.read())
            os.unlink(path)


def take_still(world, home):
    number = random_camera(home)
    width = random.choice(("", "?width=64", "?width=320", "?width=640", "?width=3840"))
    if random.random() < 0.2:  # gone before the answer
        connection = world.server.connect(random.choice(("http", "https")))
        connection.request("GET", f"/api/v1/cameras/c{number}/still.jpg{width}", None,
                           world.owner[home])
        abort(connection)
        return
    answer = world.server.call("GET", f"/api/v1/cameras/c{number}/still.jpg{width}",
                               world.owner[home])
    if world.expect("still", answer, 200, 502, 503) == 200 and answer[2][:2] != b"\xff\xd8":
        world.tally.complain("a still is no JPEG")


def listen(world, home):
    connection = world.server.connect(random.choice(("http", "https")), timeout=8)
    try:
        answer = world.server.ask(connection, "GET", "/api/v1/events", world.owner[home])
        world.expect("events", answer, 200)
        until = time.monotonic() + random.uniform(0.1, 4)
        text = b""
        while time.monotonic() < until and not world.over.is_set():
            data = answer.read1(4096)
            if not data:
                break
            text += data
        other = "rossi" if home == "verdi" else "verdi"
        if f'"home":"{other}"'.encode() in text:
            world.tally.complain(f"events of {other} told to {home}")
    finally:
        abort(connection)


def look_around(world, home):
    for path in ("/api/v1/cameras", "/api/v1/people", "/api/v1/tokens", "/api/v1/homes",
                 "/api/v1/session"):
        answer = world.server.call("GET", path, world.owner[home])
        world.expect("GET " + path, answer, 200)
    world.expect("metrics", world.server.call("GET", "/metrics"), 200)
    if random.random() < 0.3:  # asked and not waited for
        connection = world.server.connect()
        connection.request("GET", "/api/v1/people", None, world.owner[home])
        abort(connection)
    world.over.wait(0.1)


def change_cameras(world, home):
    """A camera comes, is watched, moves, is deleted; often the same id again at once."""
    camera = random.choice(("x1", "x2"))
    rtsp = "rtsp://" + world.simcam.address
    allowed = set(CAMERAS[home])
    body = {"id": camera, "name": "Extra", "main": f"{rtsp}/cam{random_camera(home)}",
            "sub": f"{rtsp}/cam{random_camera(home)}/sub", "user": "admin",
            "password": "simulated"}
    owner, path = world.owner[home], "/api/v1/cameras/" + camera
    world.expect("create", world.server.call("POST", "/api/v1/cameras", owner, body), 201, 400, 409)
    viewers = [threading.Thread(target=watch_extra, args=(world, home, path, allowed))
               for _ in range(2)]
    for viewer in viewers:
        viewer.start()
    world.over.wait(random.uniform(0, 1.5))
    for _ in range(random.randrange(3)):
        change = random.choice(({"main": f"{rtsp}/cam{random_camera(home)}"}, {"sub": None},
                                {"sub": f"{rtsp}/cam{random_camera(home)}/sub"},
                                {"name": "Another"}, {"password": "wrong"},
                                {"password": "simulated"}))
        world.expect("patch", world.server.call("PATCH", path, owner, change), 200, 404)
        world.over.wait(random.uniform(0, 0.5))
    world.expect("delete", world.server.call("DELETE", path, owner, timeout=40), 204, 404)
    begun = time.monotonic()
    for viewer in viewers:
        viewer.join(10)
    if time.monotonic() - begun > 6 and not world.over.is_set():
        world.tally.complain("viewers of a deleted camera went on")


def watch_extra(world, home, path, allowed):
    connection = world.server.connect(timeout=8)
    try:
        answer = world.server.ask(connection, "GET", path + "/live.mp4", world.owner[home])
        world.expect("live of extra", answer, 200, 404, 503)
        scan = Scan(world.tally, "live " + path, allowed)
        until = time.monotonic() + 8
        while answer.status == 200 and time.monotonic() < until and not world.over.is_set():
            data = answer.read1(65536)
            if not data:
                break
            scan.feed(data)
    except (OSError, http.client.HTTPException):
        pass  # the cut
    finally:
        connection.close()


def change_people(world, home):
    """A member comes, is given and refused cameras, and goes."""
    owner = world.owner[home]
    answer = world.server.call("POST", "/api/v1/people", owner, timeout=60, body={
        "name": f"m{random.randrange(10**9)}", "password": PASSWORD, "role": "guest"})
    if world.expect("person", answer, 201, 503) != 201:
        return
    path = "/api/v1/people/" + json.loads(answer[2])["account"]
    grant = f"{path}/cameras/c{random_camera(home)}"
    world.expect("grant", world.server.call("PUT", grant, owner, {"rights": ["view"]}), 200)
    world.expect("role", world.server.call("PATCH", path, owner, {"role": "adult"}), 200)
    world.expect("ungrant", world.server.call("DELETE", grant, owner), 204, 404)
    world.expect("remove", world.server.call("DELETE", path, owner), 204)


def cut(world, home):
    """A guest watches; the grant is taken; the pictures end; it is given again."""
    number = CAMERAS[home][0]
    grant = f"/api/v1/people/{world.account[home]}/cameras/c{number}"
    world.expect("give", world.server.call("PUT", grant, world.owner[home], {"rights": ["view"]}),
                 200)
    connection = world.server.connect(timeout=8)
    try:
        answer = world.server.ask(connection, "GET", f"/api/v1/cameras/c{number}/live.mp4"
                                  "?stream=sub", world.guest[home])
        if world.expect("live of guest", answer, 200, 503) != 200:
            return
        scan = Scan(world.tally, f"guest c{number}", {number})
        scan.feed(answer.read1(65536))
        world.expect("take", world.server.call("DELETE", grant, world.owner[home]), 204)
        until = time.monotonic() + 5
        try:
            while answer.read1(65536):
                if time.monotonic() > until and not world.over.is_set():
                    world.tally.complain("a guest watched 5 s after the cut")
                    return
        except (OSError, http.client.HTTPException):
            pass
        world.tally.add("cuts")
    finally:
        connection.close()


def probe(world, home):
    rtsp = "rtsp://" + world.simcam.address
    body, wanted = random.choice((
        ({"main": f"{rtsp}/cam{random_camera(home)}", "user": "admin", "password": "simulated"},
         None),
        ({"main": f"{rtsp}/cam{random_camera(home)}", "user": "admin", "password": "wrong",
          "sub": f"{rtsp}/cam{random_camera(home)}/sub"}, "wrong_password"),
        ({"main": "rtsp://10.1.2.3/cam"}, "address_refused"),
        ({"main": "rtsp://127.0.0.1:9/cam"}, "connection_refused"),
        ({"main": f"rtsp://127.0.0.1:{world.server.ports['http']}/cam"}, "protocol")))
    if random.random() < 0.2:
        connection = world.server.connect()
        connection.request("POST", "/api/v1/cameras/probe", json.dumps(body),
                           {**world.owner[home], "Sec-Fetch-Site": "same-origin",
                            "Content-Type": "application/json"})
        world.over.wait(random.uniform(0, 0.3))
        abort(connection)
        return
    answer = world.server.call("POST", "/api/v1/cameras/probe", world.owner[home], body,
                               timeout=40)
    if world.expect("probe", answer, 200, 503) == 200:
        failure = json.loads(answer[2])["failure"]
        world.tally.add(f"probe {failure}")
        if wanted is not None and failure != wanted:
            world.tally.complain(f"probe of {body['main']}: {failure}, not {wanted}")


def sign_in_and_out(world, home):
    is_right = random.random() < 0.5
    answer = world.server.call("POST", "/api/v1/session", timeout=60, body={
        "name": OWNERS[home], "password": PASSWORD if is_right else "not the passphrase"})
    status = world.expect("sign-in", answer, 200, 401, 429, 503)
    if not is_right and status == 200:
        world.tally.complain("signed in with a wrong password")
    if status == 200:
        token = re.search(r"__Host-casement=([^;]+)", answer[1]["Set-Cookie"])[1]
        who = {"Cookie": "__Host-casement=" + token}
        world.expect("sign-out", world.server.call("DELETE", "/api/v1/session", who), 204)
    world.over.wait(0.5)


def trouble(world):
    kind = random.choice(("stall", "garbage", "close", "parameters", "clock", "lie", "busy",
                          "stale", "drop", "flood"))
    world.simcam.wish(f"cam{random.randint(1, 6)}:{kind}+{random.choice((1, 2))}s")
    world.over.wait(0.7)


def helpers_of(server):
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                    command, rest = re.match(r"\d+ \((.*)\) \S+ (\d+)", file.read()).groups()
            except OSError:
                continue
            if int(rest) == server.process.pid and command.startswith("casement-help"):
                yield int(name)


def kill_helper(world):
    helpers = list(helpers_of(world.server))
    if helpers:
        try:
            os.kill(random.choice(helpers), signal.SIGKILL)
            world.tally.add("helpers killed")
        except ProcessLookupError:
            pass
    world.over.wait(1.5)


def replace_certificate(world):
    for name in ("two", "one"):
        for suffix in ("key", "pem"):
            shutil.copy(f"{world.folder}/{name}.{suffix}", f"{world.folder}/fresh")
            os.rename(f"{world.folder}/fresh", f"{world.folder}/own.{suffix}")
        world.over.wait(2)


def change_outside(world, home):
    """Another process changes what is stored: nobody else may stutter."""
    done = subprocess.run(
        [f"{BUILD}/casement", "token", "create", "-c", f"{world.folder}/casement.yaml", "--data",
         f"{world.folder}/data", "--home", home, "--account", OWNERS[home], "--camera",
         f"c{random_camera(home)}", "--rights", "view"],
        capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        world.tally.complain(f"token create: {done.returncode} {done.stderr}")
    world.over.wait(3)


def look_at_health(world):
    begun = time.monotonic()
    world.expect("health", world.server.call("GET", "/healthz", timeout=20), 200)
    if time.monotonic() - begun > 5:
        world.tally.complain(f"/healthz took {time.monotonic() - begun:.1f} s")
    world.over.wait(0.2)


def begin_all(world):
    for home in CAMERAS:
        for scheme in ("http", "https"):
            world.begin(watch, home, scheme, 6, 0, False)
            world.begin(watch, home, scheme, 3, 0.4, True)  # slow
            world.begin(watch, home, scheme, 0.3, 0, True)
        for act in (watch_h2, take_still, take_still, listen, listen, look_around, change_cameras,
                    change_people, cut, probe, probe, probe, sign_in_and_out, change_outside):
            world.begin(act, home)
    for act in (trouble, kill_helper, replace_certificate, look_at_health):
        world.begin(act)


def still_shows(world, number):
    """After all troubles: does this camera show again?"""
    home = next(name for name in CAMERAS if number in CAMERAS[name])
    scan = Scan(world.tally, f"c{number} at the end", {number})
    until = time.monotonic() + 40
    while time.monotonic() < until and scan.count == 0:
        connection = world.server.connect(timeout=10)
        try:
            answer = world.server.ask(connection, "GET", f"/api/v1/cameras/c{number}/live.mp4",
                                      world.owner[home])
            while answer.status == 200 and scan.count == 0:
                data = answer.read1(65536)
                if not data:
                    break
                scan.feed(data)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    return scan.count > 0


def judge_end(world, name):
    """Ends the server in the middle of everything that runs."""
    is_running = world.server.process.poll() is None
    status, seconds = world.server.end()
    world.join()
    log = world.server.read_log()
    said = SAID_BY_SANITIZER.search(log)
    case(f"{name}: the sanitizer says nothing", said is None,
         log[max(0, said.start() - 200):said.start() + 6000] if said else "")
    case(f"{name}: SIGTERM ends it with 0 within {END_LIMIT_S} s",
         is_running and status == 0 and seconds < END_LIMIT_S,
         f"ran {is_running}, status {status}, {seconds:.1f} s\n" + log[-1500:])
    case(f"{name}: it was not ended by its own limit", "event=stopped-late" not in log)
    case(f"{name}: no alarm", "alarm" not in log,
         "\n".join(re.findall(r".*alarm.*", log)[:5]))
    case(f"{name}: every picture was the right one, every answer one that may be",
         not world.tally.wrong, "\n".join(world.tally.wrong[:12]))


def soak(folder, simcam):
    world = World(folder, simcam, Server(folder, "soak"))
    begin_all(world)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and world.server.process.poll() is None:
        time.sleep(0.1)
    world.join()
    for number in range(1, 7):
        simcam.wish(f"cam{number}:none")
    world.over = threading.Event()
    world.threads = []
    if world.server.process.poll() is None:
        shows = [number for number in range(1, 7) if still_shows(world, number)]
        case("every camera shows again after its troubles", shows == list(range(1, 7)), shows)
        begin_all(world)
        time.sleep(3)
    judge_end(world, "soak")
    counts = world.tally.counts
    for number in range(1, 7):
        case(f"camera {number} was seen", world.tally.count(f"pictures of {number}") > 20, counts)
    for what in ("cuts", "probe None", "still 200", "create 201", "delete 204", "helpers killed",
                 "person 201", "change_outside"):
        case(f"{what}: happened", world.tally.count(what) > 0, counts)
    print("#", {name: counts[name] for name in sorted(counts)})


def ends(folder, simcam, rounds):
    """Ends at odd moments."""
    for index in range(rounds):
        world = World(folder, simcam, Server(folder, f"end{index}"))
        begin_all(world)
        time.sleep(random.uniform(0, 2))
        judge_end(world, f"end {index}")


def main():
    if not os.path.exists(f"{BUILD}/casement"):
        print("not ok - there is no", f"{BUILD}/casement")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        keep = os.environ.get("CASEMENT_SOAK_KEEP")
        write(f"{folder}/account.pw", PASSWORD)
        write(f"{folder}/camera.pw", "simulated")
        for name in ("one", "two"):
            make_pair(folder, name)
        for suffix in ("pem", "key"):
            shutil.copy(f"{folder}/one.{suffix}", f"{folder}/own.{suffix}")
        for name in os.listdir(folder):
            os.chmod(f"{folder}/{name}", 0o600)
        simcam = Simcam(folder)
        try:
            write(f"{folder}/casement.yaml", configuration(simcam.address))
            soak(folder, simcam)
            ends(folder, simcam, max(1, int(SECONDS // 15)))
        finally:
            simcam.close()
            if keep:
                shutil.copytree(folder, keep, dirs_exist_ok=True,
                                ignore=shutil.ignore_patterns("data", "scenes"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
