#!/usr/bin/env python3
# casement-test: full
"""Sound, from cameras of GStreamer's that hum a tone each to programs that are not ours: aiortc hears
G.711, Opus and what is made of AAC, GStreamer G.711, and ffmpeg decodes sound.mp4 of all of them. That each hears its own camera's tone; that nothing at all
comes without the right to listen; and that taking it away ends the sound and leaves the picture."""

import os
import re
import subprocess
import sys
import tempfile

from _server import CUT_S, Program, Server, check, command, finish, record, until

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's: the packages of Debian's are its own
TONES = {"door": ("pcmu", 440), "gate": ("pcma", 700), "yard": ("opus", 1000), "attic": ("aac", 600), "cellar": (None, 0)}


class Camera(Program):
    def __init__(self, sound):
        codec, pitch = sound
        super().__init__(SYSTEM_PYTHON, os.path.join(HERE, "_rtsp_server.py"), "none", "tcp", f"{codec}:{pitch}" if codec else "")
        found = self.told(r"^(\d+)$", 30)
        if not found:
            sys.exit("no camera: " + self.log)
        self.url = f"rtsp://127.0.0.1:{found[1]}/live"


class Hearer(Program):
    """aiortc at one camera, asking for pictures and sound."""

    def __init__(self, server, camera, token):
        url = f"{server.origin}/api/v1/cameras/{camera}/whep"
        super().__init__(SYSTEM_PYTHON, os.path.join(HERE, "_webrtc_aiortc.py"), url, token, "sound")

    @property
    def pictures(self):
        return len(re.findall(r"^frame ", self.output, re.M))

    @property
    def tones(self):
        return [int(hz) for hz in re.findall(r"^tone (\d+)$", self.output, re.M)]

    @property
    def line(self):
        found = re.search(r"^audio (\w+)$", self.output, re.M)
        return found and found[1]

    def sees(self, pictures):
        return until(lambda: self.pictures >= pictures or self.process.poll() is not None) and self.pictures >= pictures

    def hears(self, pitch, times=5):
        """Whether it hears that tone so often more, and nothing of another camera's. What a jitter buffer makes of it at the
        beginning, and on a busy machine, is neither."""
        begin = len(self.tones)

        def near(wanted):
            return sum(abs(hz - wanted) <= wanted * 0.03 for hz in self.tones[begin:])
        until(lambda: near(pitch) >= times or self.process.poll() is not None)
        return near(pitch) >= times and all(near(other) < near(pitch) / 2 for _, other in TONES.values() if other not in (0, pitch))

    def leave(self):
        self.process.stdin.close()
        until(lambda: self.process.poll() is not None)
        return self.end()

    def __repr__(self):
        return self.output[-600:] + self.log[-900:]


def token_of(server, account, camera, rights):
    made = command(server, "token", "create", "--home", "verdi", "--account", account, "--camera", camera,
                   "--rights", rights, "--days", "1")
    return made.stdout.strip()


# ---- heard ----

def each_tone_is_its_own(server):
    for camera in ("door", "gate", "yard", "attic"):
        hearer = Hearer(server, camera, token_of(server, "anna", camera, "view,listen"))
        check(f"aiortc hears {camera}, its own tone", hearer.hears(TONES[camera][1], 8) and hearer.line == "sendonly", (hearer.tones, hearer))
        check("and sees pictures beside it", hearer.sees(20), hearer)
        hearer.leave()


def gstreamer(server):
    """webrtcbin: of a camera that sounds, and of one that does not, whose pictures it gets all the same."""
    for camera, is_heard in (("door", True), ("cellar", False)):
        with tempfile.NamedTemporaryFile() as film, tempfile.NamedTemporaryFile() as sound:
            viewer = Program(SYSTEM_PYTHON, os.path.join(HERE, "_webrtc_gstreamer.py"),
                             f"{server.origin}/api/v1/cameras/{camera}/whep", token_of(server, "anna", camera, "view,listen"),
                             film.name, sound.name)
            until(lambda: os.path.getsize(film.name) > 50000 and os.path.getsize(sound.name) > (32000 if is_heard else -1))
            viewer.process.stdin.close()
            until(lambda: viewer.process.poll() is not None)
            viewer.end()
            samples = memoryview(sound.read()[8000:32000]).cast("h")  # a second and a half, behind the beginning
            check(f"GStreamer sees {camera}", os.path.getsize(film.name) > 50000, viewer.output + viewer.log[-800:])
            rises = sum(a < 0 <= b for a, b in zip(samples, samples[1:]))
            pitch = rises * 8000 / len(samples) if samples else 0
            check(f"and hears {'its tone' if is_heard else 'nothing'}", abs(pitch - TONES[camera][1]) < 15, pitch)


def pitch_of(data):
    done = subprocess.run(["ffmpeg", "-v", "error", "-f", "mp4", "-i", "-", "-ac", "1", "-ar", "16000", "-f", "s16le", "-"],
                          input=data, capture_output=True, check=False)
    samples = memoryview(done.stdout[:len(done.stdout) // 2 * 2]).cast("h")
    rises = sum(a < 0 <= b for a, b in zip(samples, samples[1:]))
    return (rises * 16000 / len(samples) if samples else 0), len(samples) / 16000, done.stderr.decode()


def as_mp4(server):
    path = "/api/v1/cameras/attic/sound.mp4"
    token = token_of(server, "anna", "attic", "view,listen")
    stream, status = server.open(path, bearer=token)
    check("sound.mp4 is answered", status == 200, status)
    stream.close()
    data = record(server, path, 60, bearer=token)  # of 64 ms
    pitch, seconds, complaints = pitch_of(data)
    check("ffmpeg hears its tone in it", abs(pitch - 600) < 20 and seconds > 2 and not complaints, (pitch, seconds, complaints[:300]))
    deaf = server.ask("GET", path, bearer=token_of(server, "anna", "attic", "view"))
    check("without the right there is none", deaf.status == 404 and deaf.problem == "no-sound", deaf)
    yard = record(server, "/api/v1/cameras/yard/sound.mp4", 180, bearer=token_of(server, "anna", "yard", "view,listen"))
    pitch, seconds, complaints = pitch_of(yard)
    check("and Opus as it is", abs(pitch - 1000) < 30 and seconds > 2 and not complaints, (pitch, seconds, complaints[:300]))
    for camera in ("door", "gate"):
        path = f"/api/v1/cameras/{camera}/sound.mp4"
        data = record(server, path, 180, bearer=token_of(server, "anna", camera, "view,listen"))
        pitch, seconds, complaints = pitch_of(data)
        check(f"and G.711 of {camera} as FLAC",
              abs(pitch - TONES[camera][1]) < 20 and seconds > 2 and not complaints and b"fLaC" in data[:2000],
              (pitch, seconds, complaints[:300]))
    none = server.ask("GET", "/api/v1/cameras/cellar/sound.mp4", bearer=token_of(server, "anna", "cellar", "view,listen"))
    check("nor is silence", none.status == 404 and none.problem == "no-sound", none)
    foreign = server.ask("GET", "/api/v1/cameras/door/sound.mp4", bearer=token)
    check("another's token hears nothing of it", foreign.status == 404, foreign)


# ---- not heard ----

def without_the_right(server):
    for who, camera, rights, why in (("anna", "door", "view", "a token to see"), ("bruno", "door", "view,listen", "who may only see"),
                                     ("anna", "cellar", "view,listen", "a camera without sound"),
                                     ("anna", "attic", "view", "a token to see, of sound made over")):
        hearer = Hearer(server, camera, token_of(server, who, camera, rights))
        check(f"{why}: pictures come", hearer.sees(60), hearer)
        check(f"{why}: and no sound", hearer.line == "inactive" and not hearer.tones, hearer)
        hearer.leave()


def rights_of(server, owner, name, camera, rights):
    people = server.ask("GET", "/api/v1/people?home=verdi", cookie=owner).json["people"]
    account = next(p["account"] for p in people if p["name"] == name)
    return server.ask("PUT", f"/api/v1/people/{account}/cameras/{camera}?home=verdi", {"rights": rights}, cookie=owner)


def the_cut(server, owner, camera):
    token = token_of(server, "carla", camera, "view,listen")
    cut, other = Hearer(server, camera, token), Hearer(server, camera, token_of(server, "anna", camera, "view,listen"))
    pitch = TONES[camera][1]
    check("a guest and an owner hear", cut.hears(pitch, 3) and other.hears(pitch, 3), (cut, other))
    taken = rights_of(server, owner, "carla", camera, ["view"])
    check("hearing is taken from the guest", taken.status == 200, taken)

    def is_deaf():
        """What was on its way may still be decoded: a tone is two a second, pictures twenty."""
        before = len(cut.tones)
        return cut.sees(cut.pictures + 40) and len(cut.tones) == before
    check("her sound ends, her pictures go on", until(is_deaf, CUT_S), cut)
    check("the owner's does not", other.hears(pitch), other)
    cut.leave()
    again = Hearer(server, camera, token)
    check("nor does asking again help", again.sees(20) and again.line == "inactive" and not again.tones, again)
    again.leave()
    rights_of(server, owner, "carla", camera, ["view", "listen"])
    back = Hearer(server, camera, token)
    check("given back it is heard again", back.hears(pitch), back)
    back.leave()
    other.leave()


def main():
    cameras = {name: Camera(sound) for name, sound in TONES.items()}
    server = Server({"homes": [{"id": "verdi", "name": "Casa Verdi", "allow": ["127.0.0.0/8"],
                                "cameras": [{"id": name, "main": camera.url, "keep": "always"} for name, camera in cameras.items()],
                                "accounts": [{"name": "anna", "role": "owner", "password_file": "pw"},
                                             {"name": "bruno", "role": "guest", "password_file": "pw", "cameras": ["door"]},
                                             {"name": "carla", "role": "guest", "password_file": "pw",
                                              "cameras": [{"id": "door", "rights": ["view", "listen"]},
                                                          {"id": "attic", "rights": ["view", "listen"]}]}]}]},
                    {"pw": "correct horse battery"})
    owner = server.sign_in("anna", "correct horse battery")
    known = lambda: {c["id"]: c["sound"] and c["sound"]["codec"]
                     for c in server.ask("GET", "/api/v1/cameras", cookie=owner).json["cameras"] if c["state"] == "live"}
    until(lambda: known() == {name: codec for name, (codec, _) in TONES.items()})
    check("each camera says what it sounds like", known() == {name: codec for name, (codec, _) in TONES.items()}, known())
    each_tone_is_its_own(server)
    gstreamer(server)
    as_mp4(server)
    without_the_right(server)
    the_cut(server, owner, "door")
    the_cut(server, owner, "attic")  # made over, by the right of whoever is left
    check("no alarm was raised", not re.search("alarm", server.log), server.log[-1000:])
    check("every answer is no-store", not server.unstored, server.unstored)
    check("the server ends in order", server.end() == 0, server.log[-1500:])
    for camera in cameras.values():
        camera.process.stdin.close()
        camera.end()
    server.remove()
    return finish()


sys.exit(main())
