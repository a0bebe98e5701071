"""What benchmarks/live.py and webrtc.py stand on: programs started and ended, where they run, what they cost,
and the server asked as a person's browser asks it."""

import base64
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build/bench/build")
SCRATCH = os.path.join(ROOT, "build/bench/scratch")
CORES = sorted(os.sched_getaffinity(0))
MEASURED, LOAD = CORES[-1], CORES[0]  # the core of what is measured, and of everything else


def program(name):
    return os.path.join(BUILD, "benchmarks", name)


class Process:
    """A program on one core. Used in `with`: it is ended there, by its own id. With `limit_s` it is
    killed when it takes longer, so that whoever reads its lines does not wait for ever."""

    def __init__(self, core, arguments, log=None, limit_s=None, **how):
        self.log = open(os.path.join(SCRATCH, log), "w") if log else subprocess.DEVNULL
        self.child = subprocess.Popen(["taskset", "-c", str(core), *map(str, arguments)],
                                      stderr=self.log, text=True,
                                      **({"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
                                         | how))
        self.id = self.child.pid
        self.limit = threading.Timer(limit_s or 0, self.child.kill)
        self.limit.daemon = True
        if limit_s:
            self.limit.start()

    def go_first(self):
        """Whatever else wants its core does not delay it, as if it had one of its own. Needs root;
        without, it waits its turn like all."""
        try:
            os.sched_setscheduler(self.id, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.limit.cancel()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(15)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        if self.child.stdout:
            self.child.stdout.close()

    def line(self):
        text = self.child.stdout.readline()
        if not text:
            name, status = os.path.basename(self.child.args[3]), self.child.wait()
            raise RuntimeError(f"{name} ended with status {status}{self.last_words()}")
        return text.strip()

    def json(self):
        return json.loads(self.line())

    def last_words(self):
        if self.log == subprocess.DEVNULL:
            return ""
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            words = file.read().strip().rsplit("\n", 1)[-1]
        return f": {words[:200]}" if words else ""


def cpu_seconds(pid):
    """User and system time of all threads of a process, finer than /proc's ticks
    (clock_getcpuclockid(3): the clock's number is made of the process's)."""
    return time.clock_gettime((~pid << 3) | 2)


def idle_share(core, seconds=0.5):
    """What other work leaves of a core: tried, by wanting all of it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        until, cpu = time.monotonic() + seconds, time.process_time()
        while time.monotonic() < until:
            pass
        return min(1, (time.process_time() - cpu) / seconds)
    finally:
        os.sched_setaffinity(0, before)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def pss_bytes(pid):
    """Proportional set size: shared pages count in parts (helpers are processes of their own)."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no Pss")


def wait_for(what, is_true, seconds):
    until = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > until:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.1)


class Server:
    """The real server over simulated cameras, in a home whose people each may have so many pictures
    open (64)."""

    HTTP, HTTPS, MEDIA, RTSP = 18980, 18943, 18989, 18954
    ACCOUNTS, PASSWORD = 5, "correct horse battery"
    STARTS_S = 40  # and a tenth of a second for each camera

    def __init__(self, cameras, camera_port, accounts=ACCOUNTS, pictures=64):
        """`pictures`: how many each person may have open."""
        self.cameras, self.accounts = cameras, accounts
        self.folder = os.path.join(SCRATCH, f"server-{cameras}")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        with open(os.path.join(self.folder, "password"), "w", encoding="ascii") as file:
            file.write(self.PASSWORD + "\n")
        accounts = "".join(f"      - {{name: viewer{i}, role: owner, password_file: password}}\n"
                           for i in range(accounts))
        rows = "".join(f"      - {{id: cam{i}, name: Camera {i}, keep: always, "
                       f"main: \"rtsp://127.0.0.1:{camera_port}/cam{i}\"}}\n"
                       for i in range(1, cameras + 1))
        with open(os.path.join(self.folder, "casement.yaml"), "w", encoding="ascii") as file:
            file.write(f"listen: {{http: \"127.0.0.1:{self.HTTP}\", "
                       f"https: \"127.0.0.1:{self.HTTPS}\", media: \"127.0.0.1:{self.MEDIA}\"}}\n"
                       f"rtsp: {{listen: \"127.0.0.1:{self.RTSP}\"}}\npictures_at_once: {pictures}\n"
                       f"homes:\n  - id: bench\n    name: Bench\n    allow: [\"127.0.0.0/8\"]\n"
                       f"    accounts:\n{accounts}    cameras:\n{rows}")
        self.process = None

    def __enter__(self):
        self.process = Process(MEASURED, [os.path.join(BUILD, "casement"), "serve", "-c",
                                          os.path.join(self.folder, "casement.yaml"), "--data",
                                          os.path.join(self.folder, "data")], "server.log",
                               stdout=subprocess.DEVNULL)
        wait_for("all cameras live", self.is_live, self.STARTS_S + self.cameras / 10)
        return self

    def __exit__(self, *how):
        self.process.__exit__(*how)

    @property
    def id(self):
        return self.process.id

    def metrics(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.HTTP, timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    def is_live(self):
        try:
            live = [value for name, value in self.metrics().items()
                    if name.startswith("casement_camera_live{")]
        except OSError:
            return False
        return sum(live) == self.cameras

    def sign_in(self):
        """A cookie for each account, also as a file for http_viewers."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # a certificate of this run, over loopback
        cookies = []
        for i in range(self.accounts):
            connection = http.client.HTTPSConnection("127.0.0.1", self.HTTPS, context=context)
            connection.request("POST", "/api/v1/session",
                               json.dumps({"name": f"viewer{i}", "password": self.PASSWORD}),
                               {"Content-Type": "application/json",
                                "Sec-Fetch-Site": "same-origin"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"signing in: {answer.status} {answer.read()[:200]}")
            cookies.append(answer.getheader("Set-Cookie").split(";")[0])
            connection.close()
        path = os.path.join(SCRATCH, "cookies")
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(cookies) + "\n")
        return cookies, path

    def make_tokens(self):
        """A file with Basic credentials of a token for each camera, for http_viewers --rtsp: of one person after the other."""
        path = os.path.join(SCRATCH, "tokens")
        with open(path, "w", encoding="ascii") as file:
            for i in range(self.cameras):
                made = subprocess.run([os.path.join(BUILD, "casement"), "token", "create", "--data", os.path.join(self.folder, "data"),
                                       "--home", "bench", "--account", f"viewer{i % self.accounts}", "--camera", f"cam{i + 1}",
                                       "--rights", "view", "--days", "1"], check=True, capture_output=True, text=True)
                file.write(base64.b64encode(b"bench:" + made.stdout.strip().encode()).decode() + "\n")
        return path
