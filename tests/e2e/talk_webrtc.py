#!/usr/bin/env python3
# casement-test: quick
"""Speaking to a camera by WebRTC: aiortc says tones, the simulated cameras write down what they hear, and whose voice came out
where is told by its tone. Then that nobody is heard who may not be: without the right, at a camera that takes no talk, at
another home's, while somebody else speaks, and once the right was taken."""

import os
import re
import sys
import tempfile
import time

from _server import CUT_S, Cameras, Program, Server, check, command, finish, until
from _speech import Heard

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's: the packages of Debian's are its own
LOW, HIGH = 440, 1000
CAMERAS = {"door": 1, "yard": 2, "attic": 3, "lake": 4}  # attic takes no talk; lake is another home's
CAVE = "cave"  # a server of cameras by itself: its sound is made over, and it hears the other law


class Speaker(Program):
    """aiortc at one camera, saying a tone."""

    def __init__(self, server, camera, token, pitch, *more):
        url = f"{server.origin}/api/v1/cameras/{camera}/whep?stream=sub"
        super().__init__(SYSTEM_PYTHON, os.path.join(HERE, "_webrtc_aiortc.py"), url, token, f"speak={pitch}", *more)
        self.server, self.token, self.pitch = server, token, pitch

    @property
    def line(self):
        found = self.told(r"(?m)^audio (\w+)$")
        return found and found[1]

    @property
    def location(self):
        found = self.told(r"(?m)^session (\S+)$")
        return found and found[1]

    @property
    def pictures(self):
        return len(re.findall(r"(?m)^frame ", self.output))

    def sees(self, more):
        wanted = self.pictures + more
        return until(lambda: self.pictures >= wanted or self.process.poll() is not None) and self.pictures >= wanted

    @property
    def speech(self):
        """What the server says becomes of it; None: nothing is taken in."""
        answer = self.server.ask("GET", self.location, bearer=self.token)
        return answer.json["speech"] if answer.status == 200 else answer.status

    def is_said(self, state):
        return until(lambda: (self.speech or {}).get("state") == state)

    def said(self):
        """Packets of his that came to the server, also those that it kept from the camera."""
        return self.speech["packets"]

    def leave(self):
        self.process.stdin.close()
        until(lambda: self.process.poll() is not None)
        return self.end()

    def __repr__(self):
        return re.sub(r"(?m)^frame .*\n", "", self.output)[-300:] + self.log[-900:]


def token_of(server, account, camera, rights, home="verdi"):
    return command(server, "token", "create", "--home", home, "--account", account, "--camera", camera,
                   "--rights", rights, "--days", "1").stdout.strip()


def hears(heard, seconds):
    """Whether so much more was heard."""
    begin = heard.seconds
    return until(lambda: heard.seconds >= begin + seconds)


def is_all(tones, pitch):
    """Speech begins and ends where it may; nothing else is in it."""
    return tones[pitch] >= 25 and tones[pitch] >= 0.95 * sum(tones.values())


def grows(heard, seconds):
    size = heard.size
    time.sleep(seconds)
    return heard.size - size


# ---- heard ----

def one_speaks(server, heard):
    speaker = Speaker(server, "door", token_of(server, "anna", "door", "view,talk"), LOW)
    check("who may speak is taken in, and by G.711", speaker.line == "recvonly", speaker)
    check("the camera hears", hears(heard["door"], 1), (speaker, server.log[-800:]))
    check("and the server says so", speaker.is_said("open"), speaker.speech)
    tones = heard["door"].tones((LOW, HIGH))
    check("it is that tone", is_all(tones, LOW), tones)
    check("pictures come by the same session", speaker.sees(10), speaker)
    check("no other camera hears anything", not any(heard[name].size for name in ("yard", "attic", "lake")))
    stranger = server.ask("GET", speaker.location, bearer=token_of(server, "bruno", "door", "view"))
    check("nobody else is told of the session", stranger.status == 404 and stranger.problem == "no-such-viewer", stranger)
    speaker.leave()
    check("it ends with him", until(lambda: not grows(heard["door"], 1), CUT_S))


def both_ways(server, heard, camera, sound):
    speaker = Speaker(server, camera, token_of(server, "anna", camera, "view,listen,talk"), HIGH, "sound")
    check(f"{sound}: one line goes both ways", speaker.line == "sendrecv", speaker)
    check(f"{sound}: the camera hears him", hears(heard[camera], 1), speaker)
    check(f"{sound}: and he hears the camera", until(lambda: re.findall(r"(?m)^tone [1-9]", speaker.output)), speaker)
    tones = heard[camera].tones((LOW, HIGH))
    check(f"{sound}: its own sound is no part of what it hears", is_all(tones, HIGH), tones)
    speaker.leave()


# ---- not heard ----

def without_the_right(server, heard):
    for who, camera, rights, why in (("anna", "door", "view,listen", "a token to see and hear"), ("bruno", "door", "view,talk", "who may only see"),
                                     ("anna", "attic", "view,talk", "a camera that takes no talk")):
        sizes = {name: one.size for name, one in heard.items()}
        speaker = Speaker(server, camera, token_of(server, who, camera, rights), LOW)
        check(f"{why}: pictures come", speaker.sees(10), speaker)
        check(f"{why}: no speech is taken in", speaker.line == "inactive" and speaker.speech is None, (speaker, speaker.speech))
        time.sleep(1)
        check(f"{why}: and nothing is heard", sizes == {name: one.size for name, one in heard.items()}, sizes)
        speaker.leave()
    for who, own, camera, home in (("anna", "door", "yard", "verdi"), ("anna", "door", "lake", "verdi"), ("rosa", "lake", "door", "rossi")):
        speaker = Speaker(server, camera, token_of(server, who, own, "view,talk", home), LOW)
        until(lambda: speaker.process.poll() is not None)  # pylint: disable=cell-var-from-loop
        check(f"{camera} is not there for who may speak to {own}", "404" in speaker.log and speaker.location is None, speaker)
        speaker.end()


def one_at_a_time(server, heard):
    token = token_of(server, "anna", "door", "view,talk")
    first = Speaker(server, "door", token, LOW)
    check("the first has the floor", first.is_said("open"), first)
    second = Speaker(server, "door", token_of(server, "dora", "door", "view,talk"), HIGH)
    check("the second is told that it is taken", second.is_said("taken"), (second, second.speech))
    begin = heard["door"].size
    hears(heard["door"], 1)
    tones = heard["door"].tones((LOW, HIGH), begin)
    check("and not heard", tones[HIGH] == 0 and tones[LOW] > 25, tones)
    first.leave()
    check("when the first has ended he is", second.is_said("open"), second.speech)
    until(lambda: heard["door"].tones((LOW, HIGH), begin)[HIGH] > 0)  # what the first had said was on its way until then
    begin = heard["door"].size
    hears(heard["door"], 1)
    tones = heard["door"].tones((LOW, HIGH), begin)
    check("alone", tones[LOW] == 0 and tones[HIGH] > 25, tones)
    second.leave()


# ---- the cut ----

def rights_of(server, owner, name, rights):
    people = server.ask("GET", "/api/v1/people?home=verdi", cookie=owner).json["people"]
    account = next(person["account"] for person in people if person["name"] == name)
    path = f"/api/v1/people/{account}/cameras/door?home=verdi"
    return server.ask("PUT", path, {"rights": rights}, cookie=owner) if rights else server.ask("DELETE", path, cookie=owner)


def the_cut(server, owner, heard):
    token = token_of(server, "dora", "door", "view,talk")
    speaker = Speaker(server, "door", token, HIGH)
    check("a guest with the right is heard", hears(heard["door"], 1) and speaker.is_said("open"), speaker)
    taken = rights_of(server, owner, "dora", ["view"])
    check("speaking is taken from her", taken.status == 200, taken)
    check("not a word more is heard", heard["door"].goes_on(speaker.said) == 0)
    check("she is told", speaker.is_said("not_allowed"), speaker.speech)
    check("and sees on", speaker.sees(10), speaker)
    rights_of(server, owner, "dora", ["view", "talk"])
    check("given back she is heard again", hears(heard["door"], 1), speaker.speech)
    rights_of(server, owner, "dora", None)
    check("with the whole right taken too nothing is", heard["door"].goes_on() == 0)
    check("and the session is over", until(lambda: speaker.speech == 404, CUT_S), speaker.speech)
    speaker.leave()
    rights_of(server, owner, "dora", ["view", "talk"])


def main():
    folder = tempfile.mkdtemp(prefix="casement-heard-")
    cameras = Cameras(4, "--sound", "opus", "--talk", "pcmu", "--heard", folder)
    cave_folder = tempfile.mkdtemp(prefix="casement-heard-")
    cave = Cameras(1, "--sound", "aac", "--talk", "pcma", "--heard", cave_folder)
    heard = {name: Heard(folder, number) for name, number in CAMERAS.items()}
    heard[CAVE] = Heard(cave_folder, 1)

    def row(name):
        source, number = (cave, 1) if name == CAVE else (cameras, CAMERAS[name])
        return {"id": name, "main": source.url(number), "sub": source.url(number, "sub"), "keep": "always", "talk": name != "attic"}
    server = Server({"loops": 2, "homes": [{"id": "verdi", "name": "Casa Verdi", "allow": ["127.0.0.0/8"], "cameras": [row(name) for name in ("door", "yard", "attic", CAVE)],
                                "accounts": [{"name": "anna", "role": "owner", "password_file": "pw"},
                                             {"name": "bruno", "role": "guest", "password_file": "pw", "cameras": ["door"]},
                                             {"name": "dora", "role": "guest", "password_file": "pw",
                                              "cameras": [{"id": "door", "rights": ["view", "talk"]}]}]},
                               {"id": "rossi", "name": "Casa Rossi", "allow": ["127.0.0.0/8"], "cameras": [row("lake")],
                                "accounts": [{"name": "rosa", "role": "owner", "password_file": "pw"}]}]},
                    {"pw": "correct horse battery"})
    owner = server.sign_in("anna", "correct horse battery")
    told = lambda: {c["id"]: c["talk"] is not None for c in server.ask("GET", "/api/v1/cameras?home=verdi", cookie=owner).json["cameras"]
                    if c["state"] == "live" and c["sound"]}
    check("which cameras take talk is told", until(lambda: len(told()) == 4) and
          told() == {"door": True, "yard": True, "attic": False, CAVE: True}, told())
    one_speaks(server, heard)
    both_ways(server, heard, "yard", "sound as it is")
    both_ways(server, heard, CAVE, "sound made over")
    without_the_right(server, heard)
    one_at_a_time(server, heard)
    the_cut(server, owner, heard)
    check("the lake heard nothing at all", heard["lake"].size == 0 and heard["attic"].size == 0)
    check("no alarm was raised", not re.search("alarm", server.log), server.log[-1000:])
    check("every answer is no-store", not server.unstored, server.unstored)
    check("the server ends in order", server.end() == 0, server.log[-1500:])
    cameras.end()
    cave.end()
    server.remove()
    return finish()


sys.exit(main())
