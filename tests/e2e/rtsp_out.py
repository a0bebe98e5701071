#!/usr/bin/env python3
# casement-test: quick
"""RTSP out: ffmpeg, GStreamer's rtspsrc and casement itself take cameras from casement. H.265 with AAC, and H.264; over TCP when UDP
was asked for first; over TLS; who has no token, another camera's, or no right to listen; and the cut while somebody plays."""

import base64
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from _server import CUT_S, PATIENCE_S, Cameras, Program, Recording, Server, check, command, decode, finish, record, until

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's: the packages of Debian's are its own
MAIN, SUB = 1280, 640
PICTURES = 80  # that a player takes
TONE = 450  # Hz, of the first camera (src/simcam/tone.h)
PASSWORD = "correct horse battery"


def token_of(server, camera, rights="view"):
    made = command(server, "token", "create", "--home", "verdi", "--account", "anna", "--camera", camera, "--rights", rights,
                   "--days", "1")
    return made.stdout.strip()


class Places:
    def __init__(self, server):
        server.told("rtsps://")
        self.plain = re.search(r"rtsp://(127\.0\.0\.1:\d+)/HOME", server.output)[1]
        self.tls = re.search(r"rtsps://(127\.0\.0\.1:\d+)/HOME", server.output)[1]

    def url(self, token, path="verdi/door", is_tls=False):
        who = f"viewer:{token}@" if token else ""
        return f"rtsp{'s' if is_tls else ''}://{who}{self.tls if is_tls else self.plain}/{path}"


def ffmpeg(url, pictures, *options):
    """(Matroska as it came, complaints)"""
    done = subprocess.run(["ffmpeg", "-v", "error", *options, "-i", url, "-frames:v", str(pictures), "-c", "copy", "-f", "matroska", "-"],
                          capture_output=True, check=False, timeout=2 * PATIENCE_S)
    return done.stdout, done.stderr.decode()


def codecs_of(film):
    done = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "json", "-"], input=film,
                          capture_output=True, check=False)
    return sorted(s["codec_name"] for s in json.loads(done.stdout or "{}").get("streams", []))


def order(codes, camera):
    """What is wrong with them: a picture of another camera, unreadable, or out of turn. What the camera left out is not."""
    wrong = [f"{b} after {a}" for a, b in zip(codes, codes[1:]) if not a or not b or b[1] <= a[1]]
    return wrong + [str(code) for code in codes if not code or code[0] != camera]


def pitch_of(samples, rate):
    """Of most tenths of a second: a camera beeps in one or two of ten, and what a busy machine leaves out is in few."""
    samples = memoryview(samples[:len(samples) // 2 * 2]).cast("h")
    tenth = rate // 10
    rises = [sum(a < 0 <= b for a, b in zip(samples[at:at + tenth], samples[at + 1:at + 1 + tenth]))
             for at in range(0, len(samples) - tenth, tenth)]
    return statistics.median(rises) * 10 if rises else 0


def sound_of(film):
    return subprocess.run(["ffmpeg", "-v", "error", "-i", "-", "-vn", "-ac", "1", "-ar", "16000", "-f", "s16le", "-"], input=film,
                          capture_output=True, check=False).stdout


def plays(name, url, camera, width, wanted, witness, *options):
    """`witness`: a recording of what the server has of that stream meanwhile. What a busy machine did not let the camera take
    is not missing."""
    witness.has(1)
    film, complaints = ffmpeg(url, PICTURES, *options)
    check(f"{name}: ffmpeg takes it", len(film) > 100000, complaints)
    check(f"{name}: it is {' and '.join(wanted)}", codecs_of(film) == wanted, (codecs_of(film), complaints))
    codes, decoding = decode(film, width, ".mkv")
    wrong = order(codes, camera)
    check(f"{name}: every picture is of camera {camera}, one after the other", len(codes) > PICTURES / 2 and not wrong and not decoding,
          (len(codes), wrong[:5], decoding[:500]))
    had = {code[1] for code in decode(witness.end(), width)[0] if code}
    got = {code[1] for code in codes if code}
    there = {number for number in had if min(got, default=0) <= number <= max(got, default=0)}
    check(f"{name}: none is missing of those that the server had", len(there) > PICTURES / 2 and there <= got, (len(there), sorted(there - got)))
    return film


def by_ffmpeg(server, places, tokens, anna):
    def witness(camera, stream="main"):
        return Recording(server, f"/api/v1/cameras/{camera}/live.mp4?home=verdi&stream={stream}", cookie=anna)
    film = plays("main", places.url(tokens["door"]), 1, MAIN, ["aac", "hevc"], witness("door"), "-rtsp_transport", "tcp")
    sound = sound_of(film)
    tone = pitch_of(sound, 16000)
    check("main: its tone is heard", len(sound) > 60000 and abs(tone - TONE) < TONE * 0.05, (len(sound), tone))
    plays("sub, UDP asked for first", places.url(tokens["door"], "verdi/door/sub"), 1, SUB, ["aac", "h264"], witness("door", "sub"))
    plays("over TLS", places.url(tokens["gate"], "verdi/gate/main?x=1", True), 2, MAIN, ["hevc"], witness("gate"))


def by_gstreamer(places, tokens):
    with tempfile.NamedTemporaryFile() as film, tempfile.NamedTemporaryFile() as sound:
        player = Program(SYSTEM_PYTHON, os.path.join(HERE, "_rtsp_gstreamer.py"), places.url(None), "viewer", tokens["door"], film.name,
                         sound.name)
        until(lambda: os.path.getsize(film.name) > 400000 and os.path.getsize(sound.name) > 16000)
        player.process.stdin.close()
        until(lambda: player.process.poll() is not None)
        player.end()
        codes, _ = decode(film.read(), MAIN, ".hevc")
        codes = [code for code in codes[:-1] if code]
        check("GStreamer sees the camera", len(codes) > 20 and {code[0] for code in codes} == {1},
              (len(codes), player.output, player.log[-800:]))
        heard = pitch_of(sound_of(sound.read()), 16000)
        check("and hears its tone", abs(heard - TONE) < TONE * 0.05, (heard, player.output))


def by_casement(places, tokens):
    """A second casement has the first one's camera as its own."""
    rows = [{"id": "door", "main": f"rtsp://{places.plain}/verdi/door", "user": "casement", "password_file": "token", "keep": "always"}]
    other = Server({"homes": [{"id": "rossi", "name": "Casa Rossi", "allow": ["127.0.0.0/8"], "cameras": rows,
                               "accounts": [{"name": "rosa", "role": "owner", "password_file": "pw"}]}]},
                   {"pw": PASSWORD, "token": tokens["door"]})
    rosa = other.sign_in("rosa", PASSWORD)

    def door():
        return other.ask("GET", "/api/v1/cameras?home=rossi", cookie=rosa).json["cameras"][0]
    check("casement takes the camera from casement", until(lambda: str(door()["streams"]["main"]["codec"]).startswith("hvc1")), door())
    codes, _ = decode(record(other, "/api/v1/cameras/door/live.mp4?home=rossi&stream=main", PICTURES, cookie=rosa), MAIN)
    wrong = order(codes, 1)
    check("and shows its pictures", len(codes) > 40 and not wrong, (len(codes), wrong[:5]))
    check("and hears it", until(lambda: door()["sound"]) and door()["sound"]["codec"] == "aac", door())
    other.end()
    other.remove()


class Raw:
    """A connection of our own, for what no program does."""

    def __init__(self, place, token=None):
        host, port = place.split(":")
        self.place, self.token, self.cseq = place, token, 0
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self.bytes = b""

    def ask(self, method, path, *headers):
        self.cseq += 1
        lines = [f"{method} rtsp://{self.place}/{path} RTSP/1.0", f"CSeq: {self.cseq}", *headers]
        if self.token:
            lines.append("Authorization: Basic " + base64.b64encode(f"any:{self.token}".encode()).decode())
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return self.answer()

    def read(self):
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("closed")
        self.bytes += part

    def answer(self):
        """(status, head, body); interleaved frames before it are dropped"""
        while True:
            while self.bytes[:1] == b"$":
                while len(self.bytes) < 4 or len(self.bytes) < 4 + int.from_bytes(self.bytes[2:4], "big"):
                    self.read()
                self.bytes = self.bytes[4 + int.from_bytes(self.bytes[2:4], "big"):]
            if b"\r\n\r\n" in self.bytes:
                break
            self.read()
        head, _, rest = self.bytes.partition(b"\r\n\r\n")
        size = re.search(rb"Content-Length: (\d+)", head)
        size = int(size[1]) if size else 0
        while len(rest) < size:
            self.read()
            rest = self.bytes.partition(b"\r\n\r\n")[2]
        self.bytes = rest[size:]
        return int(head.split()[1]), head.decode(), rest[:size].decode()

    def play(self, path):
        status, _, _ = self.ask("DESCRIBE", path)
        if status != 200:
            return status
        _, head, _ = self.ask("SETUP", path + "/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        session = re.search(r"Session: (\w+)", head)[1]
        return self.ask("PLAY", path, f"Session: {session}")[0]

    def is_over(self):
        """Reads to the end: whether there is one soon."""
        end = time.monotonic() + CUT_S
        self.socket.settimeout(CUT_S)
        try:
            while part := self.socket.recv(65536):
                if time.monotonic() > end:
                    break
            return not part
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def refusals(server, places, tokens):
    raw = Raw(places.plain)
    status, head, _ = raw.ask("DESCRIBE", "verdi/door")
    check("without credentials: 401, and Basic is asked for", status == 401 and 'WWW-Authenticate: Basic realm="casement"' in head, head)
    check("OPTIONS needs none", raw.ask("OPTIONS", "verdi/door")[0] == 200)
    check("SETUP before DESCRIBE is out of turn", raw.ask("SETUP", "verdi/door/trackID=0", "Transport: RTP/AVP/TCP")[0] == 455)
    wrong = Raw(places.plain, "cmt_" + "A" * 43)
    seen = [wrong.ask("DESCRIBE", "verdi/door")[0] for _ in range(4)]
    check("a wrong token: 401, four times, then the end", seen == [401] * 4 and wrong.is_over(), seen)
    known = Raw(places.plain, tokens["gate"])
    check("another camera's token: 404", known.ask("DESCRIBE", "verdi/door")[0] == 404)
    check("and no camera at all looks the same", known.ask("DESCRIBE", "verdi/nothing")[0] == 404 and
          known.ask("DESCRIBE", "nobody/door")[0] == 404)
    check("UDP is refused", known.ask("DESCRIBE", "verdi/gate")[0] == 200 and
          known.ask("SETUP", "verdi/gate/trackID=0", "Transport: RTP/AVP;unicast;client_port=5000-5001")[0] == 461)
    status, _, sdp = Raw(places.plain, tokens["deaf"]).ask("DESCRIBE", "verdi/door")
    check("without the right to listen no sound is told of", status == 200 and "m=video" in sdp and "m=audio" not in sdp, sdp)
    check("a request that is none ends the connection", is_dropped(places, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    check("so does one that has no end", is_dropped(places, b"DESCRIBE rtsp://x/ RTSP/1.0\r\nX: " + b"x" * 40000))
    log = server.log + server.output
    check("no token stands in the log", not any(token in log for token in tokens.values()))


def is_dropped(places, request):
    raw = Raw(places.plain)
    try:
        raw.socket.sendall(request)
    except ConnectionError:
        return True
    return raw.is_over()


def metric(server, cookie, name):
    page = server.ask("GET", "/metrics", cookie=cookie).body.decode()
    found = re.search(rf"^casement_{name} (\d+)$", page, re.M)
    return int(found[1]) if found else None


def cut(server, places):
    """The token is taken away while three play: by a program like another, and by connections that read, or don't."""
    token = token_of(server, "door", "view,listen")
    ffmpeg_player = Program("ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", places.url(token), "-c", "copy", "-f", "null", "-")
    reader, lazy = Raw(places.plain, token), Raw(places.plain, token)
    check("two play", reader.play("verdi/door") == 200 and lazy.play("verdi/door") == 200)
    check("and ffmpeg does", until(lambda: metric(server, None, "rtsp_playing") == 3), metric(server, None, "rtsp_playing"))
    listed = command(server, "token", "list", "--json").stdout
    newest = max(json.loads(listed)["tokens"], key=lambda row: row["created"])["id"] if '"tokens"' in listed else None
    anna = server.sign_in("anna", PASSWORD)
    if newest is None:
        newest = max(server.ask("GET", "/api/v1/tokens?home=verdi", cookie=anna).json["tokens"], key=lambda row: row["created"])["id"]
    gone = server.ask("DELETE", f"/api/v1/tokens/{newest}?home=verdi", cookie=anna)
    check("the cut ends the connection", gone.status == 204 and reader.is_over(), gone)
    check("also of one that reads nothing", lazy.is_over())
    check("and ffmpeg", until(lambda: ffmpeg_player.process.poll() is not None, CUT_S))
    ffmpeg_player.end()
    again = Raw(places.plain, token)
    check("nobody comes back with it", again.ask("DESCRIBE", "verdi/door")[0] == 401)
    check("it was counted", until(lambda: metric(server, anna, "rtsp_cuts_total") == 3), metric(server, anna, "rtsp_cuts_total"))


def main():
    cameras = Cameras(2, "--main-codec", "h265", "--sound", "aac")
    rows = [{"id": name, "main": cameras.url(n), "sub": cameras.url(n, "sub"), "keep": "always"} for n, name in ((1, "door"), (2, "gate"))]
    # Two loops share the ports; cameras live on either.
    server = Server({"rtsp": {"listen": "127.0.0.1:0", "listen_tls": "127.0.0.1:0"}, "loops": 2,
                     "homes": [{"id": "verdi", "name": "Casa Verdi", "allow": ["127.0.0.0/8"], "cameras": rows,
                                "accounts": [{"name": "anna", "role": "owner", "password_file": "pw"}]}]}, {"pw": PASSWORD})
    anna = server.sign_in("anna", PASSWORD)
    until(lambda: all(row["sound"] and row["streams"]["sub"]["codec"] for row in
                      server.ask("GET", "/api/v1/cameras?home=verdi", cookie=anna).json["cameras"]))
    places = Places(server)
    tokens = {"door": token_of(server, "door", "view,listen"), "gate": token_of(server, "gate"), "deaf": token_of(server, "door")}
    refusals(server, places, tokens)
    by_ffmpeg(server, places, tokens, anna)
    by_gstreamer(places, tokens)
    by_casement(places, tokens)
    cut(server, places)
    check("no alarm was raised", "alarm" not in server.log, server.log[-1000:])
    check("and it ends well", server.end() == 0, server.log[-2000:])
    cameras.end()
    server.remove()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
