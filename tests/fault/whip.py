#!/usr/bin/env python3
"""Pictures that are brought (WHIP), with the server made wrong on purpose: two homes, in each a camera
of the same id and somebody who brings it pictures with a code of his own. Whatever look-up answers
wrongly, who watches a home's camera sees the code of that home's publisher, or nothing.

    whip.py BUILD

BUILD is a build folder with -Dfault_injection=true. At the end the other way round: with the wall
taken away the same hook must show a foreign picture, or the first half would prove nothing."""

import os
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import _server  # noqa: E402  (its folder is not a package)
from _server import Program, Server, check, command, decode, finish, record  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
_server.BINARY = os.path.join(BUILD, "casement")
PUBLISHER = os.path.join(os.path.dirname(os.path.abspath(_server.__file__)), "_webrtc_publisher.py")
HOMES = {"verdi": ("anna", 101), "rossi": ("rosa", 102)}
HOOKS = {"store.session.swap": "1/4", "store.membership.swap": "1/3", "store.grant.swap": "1/3",
         "store.camera.swap": "1/3", "store.cache.foreign": "1/6", "fleet.swap": "1/2"}
WIDTH, SECONDS, FIRED = 640, 120, 3


class Home:
    """Its publisher, begun again each round; and what its viewers saw."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.account, self.code = HOMES[name]
        self.tokens = {rights: command(server, "token", "create", "--home", name, "--account", self.account, "--camera",
                                       "phone", "--rights", rights, "--days", "1").stdout.strip()
                       for rights in ("view", "publish")}
        self.publisher, self.codes = None, set()

    def publish(self):
        self.end()
        url = f"{self.server.origin}/api/v1/cameras/phone/whip?home={self.name}"
        self.publisher = Program("/usr/bin/python3", PUBLISHER, url, self.tokens["publish"], str(self.code), "no-delete")

    def watch(self):
        self.publisher.told(r"state (connected|failed|closed)|refused", 20)
        path = f"/api/v1/cameras/phone/live.mp4?home={self.name}"
        data = record(self.server, path, 40, bearer=self.tokens["view"], seconds=3)
        if data:
            self.codes |= {code[0] for code in decode(data, WIDTH)[0] if code}

    def end(self):
        if self.publisher is not None:
            self.publisher.end()


def fired(server, hook):
    found = re.search(rf'faults_total{{[^}}]*"{re.escape(hook)}"[^}}]*}} (\d+)', server.ask("GET", "/metrics").body.decode())
    return int(found[1]) if found else 0


def run(faults, hook, is_done):
    """Both publish and are watched until is_done(homes, fired) or the limit."""
    homes = [{"id": name, "name": name, "cameras": [{"id": "phone", "whip": True}],
              "accounts": [{"name": account, "role": "owner", "password_file": "pw"}]} for name, (account, _) in HOMES.items()]
    os.environ["CASEMENT_FAULTS"] = faults
    server = Server({"homes": homes}, {"pw": "correct horse battery"})
    os.environ["CASEMENT_FAULTS"] = ""
    both = [Home(server, name) for name in HOMES]
    end, count = time.monotonic() + SECONDS, 0
    while time.monotonic() < end and not is_done(both, count):
        for home in both:
            home.publish()
        for home in both:
            home.watch()
        count = fired(server, hook)
    for home in both:
        home.end()
    log, status = server.log, server.end()
    server.remove()
    return both, count, log, status


def main():
    for hook, rate in HOOKS.items():
        def is_done(both, count):
            return count >= FIRED and all(home.codes for home in both)
        both, count, log, status = run(f"{hook}={rate}", hook, is_done)
        name = f"{hook} {rate}"
        check(f"{name}: it fired", count > 0, log[-800:])
        foreign = {home.name: home.codes - {home.code} for home in both}
        check(f"{name}: each home saw its own pictures, or none", not any(foreign.values()), foreign)
        check(f"{name}: own ones among them", any(home.codes for home in both), [home.publisher.output[-300:] for home in both])
        check(f"{name}: the server ends in order", status == 0, log[-1500:])
        if hook == "fleet.swap":
            check(f"{name}: the mistake was an alarm", "foreign-camera-alarm" in log, log[-800:])

    def is_foreign(both, _count):
        return any(home.codes - {home.code} for home in both)
    both, count, _, _ = run("fleet.swap=1/1,evidence.off=1/1", "fleet.swap", is_foreign)
    check("without the wall a foreign picture is seen", is_foreign(both, count), [home.codes for home in both])
    return finish()


sys.exit(main())
