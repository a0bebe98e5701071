"""A whole casement for a test: simulated cameras, the real server with two homes, and viewers who look at every picture.

Everything listens on 127.0.0.1 at free ports, and ends with close(). Homes: `verdi` with cameras c1 to c8 (codes 1 to 8)
and `rossi` with c9 to c16. Accounts: anna owns verdi, rosa owns rossi, both is a guest of both homes with every other camera,
gina a guest of verdi with c1 and c2, gino one of rossi with c9 and c10. Owners hear what they see, and so does both.
"""
import http.client
import json
import os
import re
import subprocess
import threading
import time

PASSWORD = "a long enough passphrase"
VERDI, ROSSI = "verdi", "rossi"
ACCOUNTS = {"anna": "owner", "rosa": "owner", "both": "guest", "gina": "guest", "gino": "guest"}


def home_of(camera):
    return VERDI if camera <= 8 else ROSSI


def may_see(account, camera):
    return {"anna": camera <= 8, "rosa": camera > 8, "both": camera % 2 == 0, "gina": camera in (1, 2),
            "gino": camera in (9, 10)}[account]


def may_hear(account, camera):
    return account in ("anna", "rosa", "both") and may_see(account, camera)


def tool(build, name):
    """A program of tests/tools; the release step builds none."""
    for folder in (build, "build/debug", "build/fault"):
        path = f"{folder}/tests/tools/{name}"
        if os.path.exists(path):
            return os.path.abspath(path)
    raise RuntimeError(f"{name} is built nowhere: ninja -C build/debug")


class Simcam:
    """One process with 16 cameras; `options` go to `casement simcam`."""

    def __init__(self, build, directory, *options):
        self.directory = directory
        secret = os.path.join(directory, "camera.pw")
        with open(secret, "w", encoding="ascii") as file:
            file.write("simulated")
        self.log = open(os.path.join(directory, "simcam.log"), "ab")
        self.process = subprocess.Popen(
            [tool(build, "simcam"), "--cameras", "16", "--listen", "127.0.0.1:0", "--user", "admin",
             "--password-file", secret, "--variants", "1", "--cache", os.path.join(directory, "scenes"),
             "--helper", f"{build}/casement-helper", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if "rtsp://" not in line:
            raise RuntimeError("the simulated cameras did not start, see " + self.log.name)
        self.address = line.split("rtsp://")[1].strip()

    def close(self):
        end(self.process)
        self.log.close()


def end(process, limit_s=60):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def camera_lines(home, address):
    return ", ".join(f"{{id: c{n}, name: Camera {n}, main: \"rtsp://{address}/cam{n}\", sub: \"rtsp://{address}/cam{n}/sub\", "
                     "user: admin, password_file: camera.pw, keep: always}"
                     for n in range(1, 17) if home_of(n) == home)


def account_lines(home):
    own = [n for n in range(1, 17) if home_of(n) == home]
    lines = []
    for name, role in ACCOUNTS.items():
        seen = [n for n in own if may_see(name, n)]
        granted = ", ".join(f"{{id: c{n}, rights: [view, listen]}}" if may_hear(name, n) else f"c{n}" for n in seen)
        if seen:
            lines.append(f"{{name: {name}, role: {role}, password_file: account.pw"
                         + (f", cameras: [{granted}]" if role == "guest" else "") + "}")
    return ", ".join(lines)


def write_config(directory, address, more=""):
    with open(os.path.join(directory, "account.pw"), "w", encoding="ascii") as file:
        file.write(PASSWORD)
    homes = ",\n".join(f"  {{id: {home}, name: Casa {home}, allow: [\"127.0.0.1/32\"],\n   accounts: [{account_lines(home)}],\n"
                       f"   cameras: [{camera_lines(home, address)}]}}" for home in (VERDI, ROSSI))
    path = os.path.join(directory, "casement.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("listen: {http: \"127.0.0.1:0\", https: \"127.0.0.1:0\", media: \"127.0.0.1:0\"}\n"
                   "rtsp: {listen: \"127.0.0.1:0\"}\n" + more + "homes: [\n" + homes + "]\n")
    return path


class Server:
    """`casement serve`; its log is a file of its own. `faults` is CASEMENT_FAULTS."""

    def __init__(self, build, directory, name, faults="", data="data"):
        self.directory, self.log_path = directory, os.path.join(directory, name + ".log")
        self.program, self.data = f"{build}/casement", os.path.join(directory, data)
        self.environment = {**os.environ, "CASEMENT_FAULTS": faults}
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(
            [f"{build}/casement", "serve", "-c", os.path.join(directory, "casement.yaml"),
             "--data", self.data],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.environment)
        self.http = self.https = self.rtsp = 0
        with open(os.path.join(directory, "casement.yaml"), encoding="utf-8") as file:
            self.has_rtsp = "\nrtsp:" in file.read()
        self.names = {}  # who signed in, by his token
        said = ""
        for line in self.process.stdout:
            said += line
            found = re.search(r" http://127\.0\.0\.1:(\d+)/", line)
            self.http = int(found[1]) if found else self.http
            found = re.search(r" https://127\.0\.0\.1:(\d+)/", line)
            self.https = int(found[1]) if found else self.https
            found = re.search(r" rtsp://127\.0\.0\.1:(\d+)/", line)
            self.rtsp = int(found[1]) if found else self.rtsp
            if self.http and self.https and (self.rtsp or not self.has_rtsp):
                break
        self.drain = threading.Thread(target=self.process.stdout.read, daemon=True)
        self.drain.start()
        if not self.https:
            self.close()
            raise RuntimeError(f"the server did not start: {said} {self.read_log()}")

    def is_alive(self):
        return self.process.poll() is None

    def read_log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def call(self, method, path, who="-", body=None, timeout=60):
        """(status, headers, bytes). Where the server wants to know again who asks, by a session of now."""
        answer = self.call_once(method, path, who, body, timeout)
        if who not in self.names or answer[0] != 403 or b"sign-in-again" not in answer[2]:
            return answer
        return self.call_once(method, path, self.sign_in(*self.names[who]), body, timeout)

    def call_once(self, method, path, who, body, timeout):
        headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
        if who.startswith("c:"):
            headers["Cookie"] = "__Host-casement=" + who[2:]
        elif who.startswith("b:"):
            headers["Authorization"] = "Bearer " + who[2:]
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def sign_in(self, name, password=PASSWORD):
        status, headers, body = self.call("POST", "/api/v1/session", body={"name": name, "password": password})
        if status != 200:
            raise RuntimeError(f"{name} can't sign in: {status} {body}")
        who = "c:" + re.search(r"__Host-casement=([^;]+)", headers["Set-Cookie"])[1]
        self.names[who] = (name, password)
        return who

    def token(self, account, camera, rights="view"):
        """An API token of that account for that camera: a number, or a name in verdi."""
        home, camera = (home_of(camera), f"c{camera}") if isinstance(camera, int) else (VERDI, camera)
        made = subprocess.run([self.program, "token", "create", "--data", self.data, "--home", home, "--account", account,
                               "--camera", camera, "--rights", rights, "--days", "1"], capture_output=True, text=True, check=True)
        return "b:" + made.stdout.strip()

    def metrics(self):
        """{"name{labels}": value}"""
        text = self.call("GET", "/metrics")[2].decode()
        return {name: float(value) for name, value in
                (line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")}

    def wait_for_pictures(self, cameras=range(1, 17), limit_s=90):
        wanted = {(f"c{n}", stream) for n in cameras for stream in ("main", "sub")}
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            seen = {re.search(r'camera="(c\d+)",stream="(\w+)"', name).groups() for name, value in self.metrics().items()
                    if name.startswith("casement_camera_live{") and value == 1}
            if wanted <= seen:
                return
            time.sleep(0.05)
        raise RuntimeError(f"no pictures after {limit_s} s: {sorted(wanted - seen)[:4]}, see {self.log_path}")

    def close(self):
        end(self.process)
        self.log.close()
        return self.process.returncode


class Viewers:
    """tests/tools/viewers.c"""

    def __init__(self, build, directory, decode_one_of=16):
        self.log = open(os.path.join(directory, "viewers.log"), "ab")
        self.process = subprocess.Popen([tool(build, "viewers"), str(decode_one_of)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1)
        self.wrong, self.ends = [], {}

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines))
        self.process.stdin.flush()

    def open(self, name, how, port, who, path, wanted, link="-", rate=0, pictures=0, again_ms=-1):
        self.say(f"open {name} {how} {port} {link} {rate} {wanted} {pictures} {again_ms} {who} {path}")

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
            if line.startswith("wrong "):
                self.wrong.append(line.strip())
            if line.startswith("end "):
                name, status, last, ended = line.split()[1:5]
                self.ends[name] = (int(status), int(last), int(ended))
        raise RuntimeError("the viewers ended, see " + self.log.name)

    def tell(self, name):
        self.say("tell " + name)
        return self.answer()

    def report(self):
        self.say("report")
        return self.answer()

    def reset(self):
        self.say("reset")
        self.answer()

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended: its log says why
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
