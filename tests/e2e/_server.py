"""What the tests of the real server share: build/release/casement and its simulated cameras as
processes, requests to it, and what pictures say of themselves."""

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(ROOT, "build", "release", "casement")
SCENES = os.path.join(ROOT, "build", "scenes")  # encoding them takes seconds: kept between runs
START_S = 300  # the first start encodes scenes
PATIENCE_S = 60  # for what must happen: a machine that is busy takes long, and no test is about that
CUT_S = 15  # for the end of what was cut: a lease that nobody renews holds for 20 and more, so that was not it
FPS = 20

failures = []


def check(name, is_good, seen=""):
    """One case. `seen` is shown when it failed."""
    print(f"{'ok' if is_good else 'not ok'} - {name}", flush=True)
    if not is_good:
        failures.append(name)
        print("# " + str(seen)[:2000].replace("\n", "\n# "), flush=True)
    return is_good


def free_port():
    """One at which nobody is: below those that the kernel gives to others, and it gives all servers here theirs."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def until(what, seconds=PATIENCE_S, every=0.1):
    """What `what()` returns once it is true; else its last value."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value
        time.sleep(every)


class Program:
    """A process whose output is kept as it comes."""

    def __init__(self, *arguments):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.output, self.log = "", ""
        self.readers = [threading.Thread(target=self.keep, args=of, daemon=True)
                        for of in ((self.process.stdout, "output"), (self.process.stderr, "log"))]
        for reader in self.readers:
            reader.start()

    def keep(self, stream, name):
        for line in stream:
            setattr(self, name, getattr(self, name) + line)

    def told(self, pattern, seconds=START_S):
        """The match of `pattern` in the output, or None when the program ended or said nothing."""
        until(lambda: re.search(pattern, self.output) or self.process.poll() is not None, seconds)
        time.sleep(0.05)
        return re.search(pattern, self.output)

    def end(self, number=signal.SIGTERM, seconds=PATIENCE_S):
        """The exit status, or None when it had to be killed."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = None
        for reader in self.readers:
            reader.join(5)
        return status


class Cameras(Program):
    def __init__(self, count, *options):
        os.makedirs(SCENES, exist_ok=True)
        super().__init__(BINARY, "simcam", "--cameras", str(count), "--listen", "127.0.0.1:0", "--cache", SCENES, *options)
        found = self.told(r"listening (rtsp:\S+)")
        if not found:
            sys.exit("no simulated cameras: " + self.log)
        self.address = found[1]

    def url(self, number, stream="main"):
        return f"{self.address}/cam{number}{'/sub' if stream == 'sub' else ''}"

    def wish(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def problem(self):
        return str(self.json.get("type", "")).rpartition("/")[2]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]!r}"


class Server(Program):
    """casement serve in a folder of its own. `secrets`: files beside the YAML (which is JSON)."""

    def __init__(self, config, secrets=None, place=None, data=None, options=()):
        self.place = place or tempfile.mkdtemp(prefix="casement-server-")
        self.data = data or os.path.join(self.place, "data")
        self.yaml = os.path.join(self.place, "casement.yaml")
        self.unstored, self.odd_problems, self.opened = [], [], []
        self.names = {}  # who signed in, by his cookie
        for name, text in (secrets or {}).items():
            with open(os.path.join(self.place, name), "w", encoding="utf-8") as file:
                file.write(text + "\n")
        listen = {"http": "127.0.0.1:0", "https": "127.0.0.1:0", "media": "127.0.0.1:0"}
        with open(self.yaml, "w", encoding="utf-8") as file:
            json.dump({**config, "listen": {**listen, **config.get("listen", {})}}, file)
        super().__init__(BINARY, "serve", "-c", self.yaml, "--data", self.data, *options)
        https = self.told(r"From other devices: +https://\S+:(\d+)/")
        http = self.told(r"http://127\.0\.0\.1:(\d+)/")
        if not http or not https:
            sys.exit("the server did not start: " + self.output + self.log)
        self.port, self.tls_port = int(http[1]), int(https[1])
        self.origin = f"http://127.0.0.1:{self.port}"

    @property
    def setup_token(self):
        found = re.search(r"#setup=(\S+)", self.output)
        return found and found[1]

    def ask(self, method, path, body=None, cookie=None, bearer=None, headers=None):
        """A request as the app makes it; `headers` replaces the app's own of the origin."""
        answer = self.ask_once(method, path, body, cookie, bearer, headers)
        if answer.status == 403 and answer.problem == "sign-in-again" and cookie in self.names:
            # A test that takes longer than a session is fresh, on a busy machine: by a session of now.
            answer = self.ask_once(method, path, body, self.sign_in(*self.names[cookie]), bearer, headers)
        return answer

    def ask_once(self, method, path, body, cookie, bearer, headers):
        sent = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"} if headers is None else dict(headers)
        if cookie:
            sent["Cookie"] = cookie
        if bearer:
            sent["Authorization"] = "Bearer " + bearer
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, data, sent)
            got = connection.getresponse()
            answer = Answer(got.status, got.headers, got.read())
        finally:
            connection.close()
        self.look_at(method, path, answer)
        return answer

    def look_at(self, method, path, answer):
        """What holds of every answer: checked at the end, by check_answers."""
        if not path.startswith("/assets") and path != "/" and answer.headers.get("Cache-Control") != "no-store":
            self.unstored.append(f"{method} {path} {answer.status}")
        if any(name.lower().startswith("access-control-") for name in answer.headers):
            self.opened.append(f"{method} {path} {answer.status}")
        if answer.status >= 400:
            document = answer.json
            is_whole = answer.headers.get("Content-Type") == "application/problem+json" and \
                all(document.get(k) for k in ("type", "title", "detail")) and \
                document.get("status") == answer.status and document["type"].startswith("/problems/")
            if not is_whole:
                self.odd_problems.append(f"{method} {path}: {answer}")

    def sign_in(self, name, password):
        answer = self.ask("POST", "/api/v1/session", {"name": name, "password": password})
        if answer.status != 200:
            sys.exit(f"{name} can't sign in: {answer}\n{self.log}")
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        self.names[cookie] = (name, password)
        return cookie

    def open(self, path, cookie=None, bearer=None):
        """An endless answer: (socket, status). The body is chunked."""
        stream = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        who = f"Cookie: {cookie}\r\n" if cookie else f"Authorization: Bearer {bearer}\r\n"
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{who}\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            part = stream.recv(1)
            if not part:
                break
            head += part
        return stream, int(head.split()[1]) if head else 0

    def remove(self):
        shutil.rmtree(self.place, ignore_errors=True)


class Recording:
    """A live answer, taken down as it comes. By curl: it reads as fast as it comes, whatever goes on here."""

    def __init__(self, server, path, cookie=None, bearer=None):
        who = f"Cookie: {cookie}" if cookie else f"Authorization: Bearer {bearer}"
        # pylint: disable=consider-using-with
        self.file, self.head = tempfile.NamedTemporaryFile(), tempfile.NamedTemporaryFile()
        self.process = subprocess.Popen(["curl", "-s", "-N", "-D", self.head.name, "-o", self.file.name, "-H", who, server.origin + path],
                                        stdout=subprocess.DEVNULL)
        self.at, self.count = 0, 0  # what was looked at, and the parts in it

    @property
    def parts(self):
        """How many have come so far: of pictures each is one."""
        with open(self.file.name, "rb") as file:
            file.seek(self.at)
            come = whole_boxes(file.read())
        self.at += len(come)
        self.count += sum(kind == b"mdat" for kind, _ in boxes(come))
        return self.count

    def has(self, parts, seconds=PATIENCE_S):
        return until(lambda: self.parts >= parts or self.process.poll() is not None, seconds) and self.parts >= parts

    def end(self):
        """All that came, cut at a box; nothing of an answer that is not 200."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        with self.file as file, self.head as head:
            status, data = head.read().split()[1:2], whole_boxes(file.read())
        return data if status == [b"200"] else b""


def record(server, path, parts, cookie=None, bearer=None, seconds=PATIENCE_S):
    """What a live answer holds, once so many parts have come."""
    recording = Recording(server, path, cookie, bearer)
    recording.has(parts, seconds)
    return recording.end()


def whole_boxes(data):
    end = 0
    while end + 8 <= len(data):
        size = int.from_bytes(data[end:end + 4], "big")
        if size < 8 or end + size > len(data):
            break
        end += size
    return data[:end]


# ---- what pictures say of themselves: src/simcam/code.h ----

def crc16(bits):
    crc = 0xFFFF
    for bit in bits:
        crc = (crc << 1 & 0xFFFF) ^ (0x1021 if (crc >> 15 & 1) != bit else 0)
    return crc


def number(bits):
    return int("".join(map(str, bits)), 2)


def code_of(gray, width):
    """(camera, counter) of a picture's luma, or None."""
    cell = width / 40
    spot = max(1, int(cell / 2))

    def mean(n):
        left, top = int((n % 40 + 0.25) * cell), int((n // 40 + 0.25) * cell)
        rows = [gray[y * width + left:y * width + left + spot] for y in range(top, top + spot)]
        return sum(map(sum, rows)) / spot / spot
    means = [mean(n) for n in range(80)]
    middle = (min(means) + max(means)) / 2
    bits = [int(m > middle) for m in means]
    if number(bits[:8]) != 0xA6 or number(bits[72:]) != 0x59 or number(bits[56:72]) != crc16(bits[8:56]):
        return None
    return number(bits[8:24]), number(bits[24:56])


def decode(data, width, suffix=".mp4"):
    """(codes of all pictures, what ffmpeg complained about). Only the strip is decoded to gray."""
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(data)
        file.flush()
        rows = width // 40 * 2
        done = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", file.name, "-vf", f"crop={width}:{rows}:0:0", "-vsync", "0",
             "-pix_fmt", "gray", "-f", "rawvideo", "-"], capture_output=True, check=False)
    size = width * rows
    pictures = [done.stdout[at:at + size] for at in range(0, len(done.stdout), size)]
    return [code_of(picture, width) for picture in pictures], done.stderr.decode()


def boxes(data):
    """(type, body) of the boxes that `data` is made of."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        yield data[at + 4:at + 8], data[at + 8:at + size]
        at += max(size, 8)


def numbers_of(data):
    """The numbers that the server gave to the pictures of a live answer (mfhd): those of its camera's, one by one."""
    inside = (body for kind, moof in boxes(data) if kind == b"moof" for kind, body in boxes(moof) if kind == b"mfhd")
    return [int.from_bytes(body[4:8], "big") for body in inside]


def misses(data, width):
    """(codes of all pictures, what is wrong with their order). A picture that the server had and did not send is
    wrong, and so is one that is unreadable, another's, or out of turn. What the simulated camera left out, as
    this machine did not let it run, is not: the server never had it."""
    codes, complaints = decode(data, width)
    numbers = numbers_of(data)
    wrong = [complaints] if complaints else []
    if len(numbers) != len(codes):
        wrong.append(f"{len(numbers)} parts, {len(codes)} pictures")
    wrong += [f"number {b} after {a}" for a, b in zip(numbers, numbers[1:]) if b != a + 1]
    for before, after in zip(codes, codes[1:]):
        if not before or not after or before[0] != after[0] or after[1] <= before[1]:
            wrong.append(f"{after} after {before}")
    return codes, wrong


def picture_size(jpeg):
    done = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0",
                           "-f", "jpeg_pipe", "-"], input=jpeg, capture_output=True, check=False)
    return done.stdout.decode().strip()


def command(server, *arguments):
    return subprocess.run([BINARY, *arguments[:2], "-c", server.yaml, "--data", server.data, *arguments[2:]],
                          capture_output=True, text=True, check=False, timeout=2 * PATIENCE_S)


def finish():
    print(f"# {len(failures)} failed", flush=True)
    return 1 if failures else 0
