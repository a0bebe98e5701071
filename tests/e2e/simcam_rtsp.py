#!/usr/bin/env python3
"""The simulated cameras as RTSP servers: what a client sees, also when they are told to misbehave.

The client here is written for this test alone, so that it shares no mistake with ours; pictures are
judged by ffmpeg.
"""
import hashlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

SIMCAM = next(p for p in ("build/release/tests/tools/simcam", "build/debug/tests/tools/simcam") if os.path.exists(p))
HELPER = next(p for p in ("build/release/casement-helper", "build/debug/casement-helper") if os.path.exists(p))
CODES = "build/debug/tests/tools/codes"
CLOCK = 90000
PATIENCE_S = 60  # for what must happen: a machine that is busy takes long, and no test is about that
failed = 0


def verdict(name, good, detail=""):
    global failed
    print(f"{'ok' if good else 'not ok'} - {name}{f' # {detail}' if not good else ''}", flush=True)
    failed += not good


class Simcam:
    def __init__(self, folder, *options):
        password = os.path.join(folder, "pw")
        with open(password, "w", encoding="ascii") as file:
            file.write("se cret\n")
        self.process = subprocess.Popen(
            [SIMCAM, "--port", "0", "--cameras", "3", "--variants", "1", "--names", "Front door,Garden", "--gop", "20",
             "--kbps", "800", "--helper", HELPER, "--cache", folder, "--user", "admin", "--password-file", password,
             *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening rtsp://"), self.process.stderr.read().decode()
        self.port = int(line.rsplit(":", 1)[1])

    def wish(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S), self.process.stderr.read().decode()


class Client:
    def __init__(self, port, path="/cam1", password="se cret"):
        self.base = f"rtsp://127.0.0.1:{port}{path}"
        self.password = password
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.data = b""
        self.cseq = 0
        self.challenges = []
        self.session = None
        self.reports = 0  # of the sender, so far
        self.first = self.last = None  # RTP timestamps

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise EOFError
        self.data += got

    def take(self, size):
        while len(self.data) < size:
            self.more()
        out, self.data = self.data[:size], self.data[size:]
        return out

    def frame(self):
        """The next interleaved frame; None if something else stands there."""
        while len(self.data) < 4 or (self.data[0] == 0x24 and len(self.data) < 4 + self.size()):
            self.more()  # whole or not at all: a timeout in the middle loses nothing
        if self.data[0] != 0x24:
            return None
        size = self.size()
        return self.take(4)[1], self.take(size)

    def size(self):
        return struct.unpack(">H", self.data[2:4])[0]

    def authorization(self, method, uri):
        challenge = next((c for c in self.challenges if "SHA-256" in c), self.challenges[0])
        if challenge.startswith("Basic"):
            import base64
            return "Basic " + base64.b64encode(f"admin:{self.password}".encode()).decode()
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge.split(" ", 1)[1]))
        hasher = hashlib.sha256 if fields.get("algorithm") == "SHA-256" else hashlib.md5

        def hashed(text):
            return hasher(text.encode()).hexdigest()
        a1, a2 = hashed(f"admin:{fields['realm']}:{self.password}"), hashed(f"{method}:{uri}")
        answer = hashed(f"{a1}:{fields['nonce']}:00000001:abc:auth:{a2}")
        return (f'Digest username="admin", realm="{fields["realm"]}", nonce="{fields["nonce"]}", uri="{uri}", '
                f'algorithm={fields.get("algorithm", "MD5")}, qop=auth, nc=00000001, cnonce="abc", response="{answer}"')

    def once(self, method, path="", headers=(), body=b""):
        self.cseq += 1
        uri = self.base + path
        lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {self.cseq}", *headers]
        if self.session:
            lines.append(f"Session: {self.session}")
        if self.challenges:
            lines.append("Authorization: " + self.authorization(method, uri))
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        while True:
            while self.data[:1] == b"$":
                self.frame()
            if b"\r\n\r\n" in self.data and self.data[:1] != b"$":
                break
            self.more()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        first, *rest = head.decode().split("\r\n")
        fields = [tuple(line.split(": ", 1)) for line in rest]
        found = dict(fields)
        assert found["CSeq"] == str(self.cseq)
        found["body"] = self.take(int(found.get("Content-Length", 0)))
        status = int(first.split()[1])
        if status == 401:
            self.challenges = [v for k, v in fields if k == "WWW-Authenticate"]
            found["challenges"] = self.challenges
        return status, found

    def ask(self, method, path="", headers=(), body=b""):
        status, found = self.once(method, path, headers, body)
        if status == 401:
            status, found = self.once(method, path, headers, body)
        return status, found

    def setup(self):
        status, found = self.ask("SETUP", "/trackID=0", ["Transport: RTP/AVP/TCP;unicast;interleaved=4-5"])
        if status == 200:
            self.session = found["Session"].split(";")[0]
        return status

    def play(self):
        assert self.setup() == 200
        status, _ = self.ask("PLAY")
        assert status == 200
        return self

    def packets(self, enough, seconds=PATIENCE_S):
        """RTP packets as (sequence, timestamp, marker, payload), until enough(packets), or for so many seconds; None if
        something else stands there. Counts sender reports."""
        end, out = time.time() + seconds, []
        self.socket.settimeout(0.2)
        while time.time() < end and not enough(out):
            try:
                frame = self.frame()
            except TimeoutError:
                continue
            if frame is None:
                return None
            channel, data = frame
            if channel == 5:
                self.reports += data[1] == 200
                continue
            _, mark, sequence, timestamp = struct.unpack(">BBHI", data[:8])
            self.first, self.last = timestamp if self.first is None else self.first, timestamp
            out.append((sequence, timestamp, mark >> 7, data[12:]))
        self.socket.settimeout(PATIENCE_S)
        return out

    def pictures(self, count):
        return self.packets(lambda packets: len({p[1] for p in packets}) > count)

    def quiet(self):
        """Whether there comes a second and a half without a packet, of a camera that has 20 pictures a second."""
        end = time.time() + PATIENCE_S
        while time.time() < end:
            if self.packets(lambda packets: packets, 1.5) == []:
                return True
        return False


def gaps(packets):
    return sum((b[0] - a[0]) & 0xFFFF != 1 for a, b in zip(packets, packets[1:]))


def types(packets):
    return [p[3][1] & 0x1F if p[3][0] & 0x1F == 28 else p[3][0] & 0x1F for p in packets]


def auth_tests(folder):
    for auth, offered in (("digest", 2), ("digest-sha256", 1), ("digest-md5", 1), ("basic", 1)):
        cam = Simcam(folder, "--auth", auth)
        status, found = Client(cam.port).once("DESCRIBE")
        verdict(f"{auth}: challenged", status == 401 and len(found["challenges"]) == offered, found)
        verdict(f"{auth}: the right password", Client(cam.port).ask("DESCRIBE")[0] == 200)
        verdict(f"{auth}: the wrong password", Client(cam.port, password="secret").ask("DESCRIBE")[0] == 401)
        verdict(f"{auth}: setup needs it too", Client(cam.port).once("SETUP", "/trackID=0", [
            "Transport: RTP/AVP/TCP;interleaved=0-1"])[0] == 401)
        cam.stop()
    cam = Simcam(folder, "--auth", "none")
    verdict("none: no password", Client(cam.port).once("DESCRIBE")[0] == 200)
    cam.stop()


def protocol_tests(cam):
    client = Client(cam.port)
    status, found = client.once("OPTIONS")
    verdict("OPTIONS without a password", status == 200 and "DESCRIBE" in found["Public"], found)
    status, found = client.ask("DESCRIBE")
    sdp = found["body"].decode()
    verdict("the description names track, codec and parameter sets",
            "s=Front door" in sdp and "a=rtpmap:96 H264/90000" in sdp and "a=control:trackID=0" in sdp and
            "profile-level-id=42C01F" in sdp.upper().replace("PROFILE-LEVEL-ID", "profile-level-id") and
            "sprop-parameter-sets=" in sdp and found["Content-Base"].endswith("/cam1/"), sdp)
    verdict("no such camera", all(Client(cam.port, path).ask("DESCRIBE")[0] == 404 for path in
                                  ("/cam0", "/cam4", "/cam", "/", "/cam1/other", "/camx", "/cam99999999999")))
    verdict("PLAY before SETUP", client.ask("PLAY")[0] == 455)
    verdict("TEARDOWN before SETUP", client.ask("TEARDOWN")[0] == 455)
    verdict("an unknown method", client.ask("RECORD")[0] == 501)
    verdict("multicast only", client.ask("SETUP", "/trackID=0", ["Transport: RTP/AVP;multicast"])[0] == 461)
    verdict("no transport", client.ask("SETUP", "/trackID=0")[0] == 461)
    client.play()
    verdict("SETUP while playing", client.ask("SETUP", "/trackID=0", ["Transport: RTP/AVP;client_port=9-10"])[0] == 455)
    session, client.session = client.session, "0123456789abcdef"
    verdict("another's session", client.ask("TEARDOWN")[0] == 454)
    client.session = session
    verdict("a keepalive", client.ask("GET_PARAMETER")[0] == 200)
    verdict("TEARDOWN", client.ask("TEARDOWN")[0] == 200)
    client.session = None
    verdict("and again", client.play() is client)
    other = Client(cam.port)
    other.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        other.more()
        verdict("HTTP is refused", False, other.data)
    except (EOFError, ConnectionResetError):
        verdict("HTTP is refused", True)


def stream_tests(cam):
    client = Client(cam.port).play()
    packets = client.packets(lambda packets: len({p[1] for p in packets}) > 60 and client.reports > 0)
    verdict("packets in order, none missing", packets and gaps(packets) == 0)
    verdict("sender reports", client.reports >= 1)
    verdict("starts with parameter sets, stamp and an IDR picture", types(packets)[:4] == [7, 8, 6, 5], types(packets)[:6])
    stamps = sorted({p[1] for p in packets})
    steps = [b - a for a, b in zip(stamps, stamps[1:])]
    # A busy machine may not let the camera take each picture; what it leaves out are whole ones. A clock that is set right
    # meanwhile moves them by less than a millisecond.
    one = CLOCK // 20
    whole = [max(1, round(step / one)) * one for step in steps]
    verdict("20 pictures a second", all(abs(a - b) < CLOCK // 1000 for a, b in zip(steps, whole)) and whole.count(one) >= 10, steps)
    ends = [p[1] for p in packets if p[2]]
    verdict("one marker a picture", len(ends) == len(set(ends)) and len(stamps) - len(ends) <= 1)
    first = []
    for path in ("/cam1/sub", "/cam2/sub"):
        for _ in range(3):  # a busy machine may not let ffmpeg receive all
            seen = subprocess.run(["ffmpeg", "-v", "error", "-rtsp_transport", "udp", "-i",
                                   f"rtsp://admin:se%20cret@127.0.0.1:{cam.port}{path}", "-frames:v", "40", "-an", "-vsync", "0", "-f",
                                   "rawvideo", "-pix_fmt", "gray", "-"], capture_output=True, check=False, timeout=2 * PATIENCE_S)
            ended = time.time()
            if not seen.stderr:
                break
        codes = subprocess.run([CODES, "gray", "640x360"], input=seen.stdout, capture_output=True,
                               check=False).stdout.decode().split("\n")[:-1]
        numbers = [int(line.split()[1]) for line in codes if line.startswith(path[4] + " ")]
        # A busy machine may not let the camera take each of the 40.
        verdict(f"{path} over UDP: its own pictures, in their order",
                len(numbers) == len(codes) >= 20 and all(a < b for a, b in zip(numbers, numbers[1:])) and
                not seen.stderr, (codes, seen.stderr))
        age = ended - numbers[-1] / 20 if numbers else 0
        verdict(f"{path}: the counter tells the time", abs((age + 2**31 / 20) % (2**32 / 20) - 2**31 / 20) < PATIENCE_S, age)
        first.append(numbers[0] % 20 if numbers else None)
    verdict("keyframes of two cameras come at different times", first[0] != first[1], first)


def slow_test(cam):
    slow, quick = Client(cam.port).play(), Client(cam.port).play()
    packets = quick.pictures(160)  # many times what a socket holds
    verdict("a viewer that does not read disturbs nobody", packets and gaps(packets) == 0 and len({p[1] for p in packets}) >= 160)
    late = slow.pictures(20)
    verdict("and goes on with what it missed left out", late and len({p[1] for p in late}) >= 20)


def wished(cam, wish, camera=2):
    cam.wish(f"cam{camera}:none")
    cam.wish(f"cam{camera}:{wish}")


def media_trouble_tests(cam):
    watch = Client(cam.port, "/cam2").play()
    beside = Client(cam.port, "/cam1").play()
    watch.pictures(24)
    wished(cam, "stall")
    verdict("stall: nothing comes", watch.quiet())
    wished(cam, "none")
    packets = watch.pictures(20)
    verdict("stall ends: goes on at an IDR picture", packets and types(packets)[:2] == [7, 8], types(packets or [])[:4])
    wished(cam, "drop=50")
    packets = watch.packets(lambda packets: gaps(packets) > 20)
    verdict("drop: gaps", packets and gaps(packets) > 20)

    seen = packets[-1:] if packets else []  # the first packet that comes may be behind the jump

    def jump(packets):
        """The first step back or forth by more than a minute."""
        stamps = [p[1] for p in seen + packets]
        steps = [(b - a + 2**31) % 2**32 - 2**31 for a, b in zip(stamps, stamps[1:])]
        return next((step for step in steps if abs(step) > 60 * CLOCK), 0)
    wished(cam, "clock=3600")
    packets = watch.packets(jump) or []
    forth = jump(packets)
    seen = packets[-1:]
    wished(cam, "none")
    back = jump(watch.packets(jump) or [])
    verdict("clock: jumped before by an hour, and back", all(abs(abs(step) - 3600 * CLOCK) < PATIENCE_S * CLOCK for step in (forth, back)) and
            forth * back < 0, (forth, back))

    def sets(packets):
        return {p[3] for p in packets if p[3][0] & 0x1F == 7}
    before = sets(watch.packets(sets))
    wished(cam, "parameters")
    others = sets(watch.packets(lambda packets: sets(packets) - before))
    verdict("parameters: another SPS in band", others - before)
    wished(cam, "garbage=50")

    def odd(packets):
        return set(types(packets)) - {1, 5, 6, 7, 8}
    packets = watch.packets(lambda packets: len(odd(packets)) > 5)
    verdict("garbage: what no camera sends", packets is not None and len(odd(packets)) > 5)
    wished(cam, "flood=20")

    def size(packets):
        """Of a picture, in bytes."""
        return sum(len(p[3]) for p in packets) / len({p[1] for p in packets})
    calm = size(beside.pictures(40))
    watch.packets(lambda packets: packets and size(packets[-40:]) > 5 * calm)
    flood = size(watch.pictures(40))
    verdict("flood: many times the bytes", flood > 5 * calm, (flood, calm))
    wished(cam, "lie")
    verdict("lie: frames end elsewhere than they say", watch.packets(lambda packets: False) is None)
    packets = beside.pictures(20)
    verdict("the camera beside it was itself all the time", packets and gaps(packets) == 0)


def until(what):
    end = time.time() + PATIENCE_S
    while not (value := what()) and time.time() < end:
        time.sleep(0.05)
    return value


def session_trouble_tests(cam):
    wished(cam, "password")
    verdict("password: refused", until(lambda: Client(cam.port, "/cam2").ask("DESCRIBE")[0] == 401))
    wished(cam, "busy")
    verdict("busy: 453", until(lambda: Client(cam.port, "/cam2").setup() == 453))
    wished(cam, "none")
    until(lambda: Client(cam.port, "/cam2").setup() == 200)
    client = Client(cam.port, "/cam2").play()
    wished(cam, "stale")
    status, found = until(lambda: (answer := client.once("GET_PARAMETER"))[0] == 401 and answer) or (0, {})
    verdict("stale: said so", status == 401 and "stale=true" in found["challenges"][0].lower(), found)
    verdict("stale: and the new nonce is good", client.once("GET_PARAMETER")[0] == 200)
    wished(cam, "close")
    try:
        client.packets(lambda packets: False)
        verdict("close: closed", False)
    except (EOFError, ConnectionResetError):
        verdict("close: closed", True)
    other = Client(cam.port, "/cam3").play()
    other.pictures(5)
    verdict("SET_PARAMETER asks for it too", other.ask("SET_PARAMETER", "", [], b"fault: stall+4s\r\n")[0] == 200)
    verdict("for a time", other.quiet() and len(other.pictures(10)) > 10)
    verdict("a wish that is none", other.ask("SET_PARAMETER", "", [], b"fault: explode\r\n")[0] == 451)


def option_tests(folder):
    for seconds in (2, 10, 40):  # before which a slow machine must have its first picture
        cam = Simcam(folder, "--fault", f"cam1:stall@{seconds}s", "--first-code", "500")
        client = Client(cam.port).play()
        if client.packets(lambda packets: packets, seconds):
            break
        cam.stop()
    verdict("a fault by option, at its time", client.quiet() and (client.last - client.first) % 2**32 <= seconds * CLOCK,
            (client.first, client.last))
    status, errors = cam.stop()
    verdict("ends well", status == 0 and "trouble=stall" in errors, errors)
    for options in (["--cameras", "0"], ["--fault", "cam1:explode"], ["--auth", "digest"], ["--auth", "kerberos"],
                    ["--wrong"], ["--listen", "nowhere"], ["--cache", "/dev/null"]):
        done = subprocess.run([SIMCAM, "--helper", HELPER, "--cache", folder, "--variants", "1", "--gop", "20", "--kbps",
                               "800", *options], capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
        verdict(f"refused: {' '.join(options)}", done.returncode == 2 and done.stderr, done)


def main():
    with tempfile.TemporaryDirectory() as folder:
        auth_tests(folder)
        cam = Simcam(folder)
        protocol_tests(cam)
        stream_tests(cam)
        slow_test(cam)
        media_trouble_tests(cam)
        session_trouble_tests(cam)
        status, errors = cam.stop()
        verdict("ends when told", status == 0 and "Sanitizer" not in errors, errors[-2000:])
        option_tests(folder)
    sys.exit(1 if failed else 0)


main()
