#!/usr/bin/env python3
"""Speaking to cameras, with the server made wrong on purpose: two homes, in each a camera of the same id and somebody who says a
tone of his own to it. Whatever look-up answers wrongly, and into whatever hands a packet or a lease falls, a home's camera hears
that home's voice, or nothing; and nobody goes on speaking whose right was taken, also when the messages that say so are lost.

    talk.py BUILD

BUILD is a build folder with -Dfault_injection=true. At the end the other way round: with the wall taken away the same hooks must
make a foreign voice heard, and one whose right was taken, or the first half would prove nothing."""

import os
import re
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import _server  # noqa: E402  (its folder is not a package)
from _server import Cameras, Program, Server, check, command, finish, until  # noqa: E402
from _speech import RATE, Heard  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
_server.BINARY = os.path.join(BUILD, "casement")
VIEWER = os.path.join(os.path.dirname(os.path.abspath(_server.__file__)), "_webrtc_aiortc.py")
HOMES = {"verdi": ("anna", 440, 1), "rossi": ("rosa", 1000, 2)}
PITCHES = (440, 1000)
JOINS = {"store.session.swap": "1/4", "store.membership.swap": "1/3", "store.grant.swap": "1/3",
         "store.camera.swap": "1/3", "store.cache.foreign": "1/6", "fleet.swap": "1/3"}
SPEECH = {"talk.neighbour": "~1/3", "talk.lease.swap": "~1/3"}
ALARMS = ("fleet.swap", "talk.neighbour", "talk.lease.swap")
CUTS = {"grants.drop.viewer": "1/2", "grants.drop.source": "1/4"}
LIMIT_S, JOINS_FIRED, SPEECH_FIRED, CUT_REPS = 120, 3, 100, 6


class Home:
    """Who speaks there, and what its camera heard since this run began."""

    def __init__(self, server, name, folder):
        self.server, self.name = server, name
        account, self.pitch, number = HOMES[name]
        self.other = next(pitch for pitch in PITCHES if pitch != self.pitch)
        self.token = self.token_of(account)
        self.heard, self.speaker = Heard(folder, number), None
        self.begin = self.heard.size

    def token_of(self, account):
        return command(self.server, "token", "create", "--home", self.name, "--account", account, "--camera", "door",
                       "--rights", "view,talk", "--days", "1").stdout.strip()

    def speak(self, token=None):
        self.end()
        url = f"{self.server.origin}/api/v1/cameras/door/whep?home={self.name}&stream=sub"
        self.speaker = Program("/usr/bin/python3", VIEWER, url, token or self.token, f"speak={self.pitch}")

    def end(self):
        if self.speaker is not None:
            self.speaker.end()

    @property
    def tones(self):
        return self.heard.tones(PITCHES, self.begin)

    @property
    def foreign(self):
        return self.tones[self.other]


def fired(server, hook):
    found = re.search(rf'faults_total{{[^}}]*"{re.escape(hook)}"[^}}]*}} (\d+)', server.ask("GET", "/metrics").body.decode())
    return int(found[1]) if found else 0


class Stage:
    """Both homes, under these faults."""

    def __init__(self, cameras, folder, faults):
        homes = [{"id": name, "name": name, "allow": ["127.0.0.0/8"],
                  "cameras": [{"id": "door", "main": cameras.url(number), "sub": cameras.url(number, "sub"), "talk": True}],
                  "accounts": [{"name": account, "role": "owner", "password_file": "pw"},
                               {"name": f"guest-{name}", "role": "guest", "password_file": "pw",
                                "cameras": [{"id": "door", "rights": ["view", "talk"]}]}]}
                 for name, (account, _, number) in HOMES.items()]
        os.environ["CASEMENT_FAULTS"] = faults
        self.server = Server({"homes": homes}, {"pw": "correct horse battery"})
        os.environ["CASEMENT_FAULTS"] = ""
        self.both = [Home(self.server, name, folder) for name in HOMES]
        self.verdi, self.rossi = self.both

    def close(self):
        for home in self.both:
            home.end()
        log, status = self.server.log, self.server.end()
        self.server.remove()
        return log, status

    def rights(self, owner, rights):
        """Those of verdi's guest."""
        people = self.server.ask("GET", "/api/v1/people?home=verdi", cookie=owner).json["people"]
        account = next(person["account"] for person in people if person["name"] == "guest-verdi")
        return self.server.ask("PUT", f"/api/v1/people/{account}/cameras/door?home=verdi", {"rights": rights}, cookie=owner).status


def join_again(stage, hook, is_done):
    """Both speak, for a moment each time: identity is looked up when somebody begins."""
    end, count = time.monotonic() + LIMIT_S, 0
    while time.monotonic() < end and not is_done(stage, count):
        for home in stage.both:
            home.speak()
        for home in stage.both:
            home.speaker.told(r"state connected|^$", 5)
        time.sleep(1.5)
        count = fired(stage.server, hook)
    return count


def speak_on(stage, hook, is_done):
    """Both speak all the time; whose session ended begins another."""
    end, count = time.monotonic() + LIMIT_S, 0
    while time.monotonic() < end and not is_done(stage, count):
        for home in stage.both:
            if home.speaker is None or home.speaker.process.poll() is not None:
                home.speak()
        time.sleep(0.5)
        count = fired(stage.server, hook)
    return count


def forward(cameras, folder, hook, rate, play, least):
    stage = Stage(cameras, folder, f"{hook}={rate}")
    count = play(stage, hook, lambda stage, count: count >= least and all(home.tones[home.pitch] > 50 for home in stage.both))
    time.sleep(0.5)
    tones = {home.name: home.tones for home in stage.both}
    foreign = {home.name: home.foreign for home in stage.both}
    said = [home.speaker.log[-300:] for home in stage.both]
    log, status = stage.close()
    name = f"{hook} {rate}"
    check(f"{name}: it fired", count > 0, log[-800:])
    check(f"{name}: each camera heard its own home, or nothing", not any(foreign.values()), tones)
    check(f"{name}: its own among that", any(tones[home.name][home.pitch] for home in stage.both), (tones, said, log[-800:]))
    check(f"{name}: the server ends in order", status == 0, log[-1500:])
    if hook in ALARMS:
        check(f"{name}: the mistake was an alarm", "foreign-camera-alarm" in log, log[-800:])


def backward(cameras, folder, hook, play):
    """With the wall off the hook must be heard to do harm."""
    stage = Stage(cameras, folder, f"{hook}=~1/2,evidence.off=1/1")
    play(stage, hook, lambda stage, _count: any(home.foreign for home in stage.both))
    tones = {home.name: home.tones for home in stage.both}
    harm = any(home.foreign for home in stage.both)
    stage.close()
    check(f"{hook} without the wall: a foreign voice is heard", harm, tones)


def borrowed(cameras, folder, wall):
    """Speech judged by another's lease, once the right was taken."""
    stage = Stage(cameras, folder, "talk.lease.swap=~1/2" + wall)
    owner = stage.server.sign_in("anna", "correct horse battery")
    stage.verdi.speak(stage.verdi.token_of("guest-verdi"))
    stage.rossi.speak()
    is_heard = until(lambda: all(home.tones[home.pitch] > 50 for home in stage.both))
    taken = stage.rights(owner, ["view"])
    more = stage.verdi.heard.goes_on()
    count = fired(stage.server, "talk.lease.swap")
    log, _ = stage.close()
    return is_heard and taken == 200 and count > 0, more, log


def cut_with_messages_lost(cameras, folder, hook, rate):
    stage = Stage(cameras, folder, f"{hook}={rate}")
    owner = stage.server.sign_in("anna", "correct horse battery")
    home = stage.verdi
    home.speak(home.token_of("guest-verdi"))
    heard, more = [], []
    for _ in range(CUT_REPS):
        begin = home.heard.size
        heard.append(until(lambda: home.heard.size > begin + RATE / 2))  # pylint: disable=cell-var-from-loop
        stage.rights(owner, ["view"])
        more.append(home.heard.goes_on())
        stage.rights(owner, ["view", "talk"])
    count = fired(stage.server, hook)
    log, status = stage.close()
    check(f"cut, {hook} {rate}: she is heard each time that she may be", all(heard), (heard, log[-800:]))
    check(f"cut, {hook} {rate}: and not a packet reaches the camera when she may not", not any(more), more)
    check(f"cut, {hook} {rate}: messages were lost", count > 0, count)
    check(f"cut, {hook} {rate}: the server ends in order", status == 0, log[-1500:])


def main():
    folder = tempfile.mkdtemp(prefix="casement-heard-")
    cameras = Cameras(2, "--talk", "pcmu", "--heard", folder)
    for hook, rate in JOINS.items():
        forward(cameras, folder, hook, rate, join_again, JOINS_FIRED)
    for hook, rate in SPEECH.items():
        forward(cameras, folder, hook, rate, speak_on, SPEECH_FIRED)
    is_played, more, log = borrowed(cameras, folder, "")
    check("by another's lease nobody goes on whose right was taken", is_played and more == 0, (is_played, more, log[-800:]))
    for hook, rate in CUTS.items():
        cut_with_messages_lost(cameras, folder, hook, rate)
    backward(cameras, folder, "fleet.swap", join_again)
    backward(cameras, folder, "talk.neighbour", speak_on)
    is_played, more, log = borrowed(cameras, folder, ",evidence.off=1/1")
    check("without the wall he does", is_played and more > 0, (is_played, more, log[-800:]))
    cameras.end()
    return finish()


sys.exit(main())
