#!/usr/bin/env python3
"""Who publishes (WHIP) and loses the right, with every message to him lost: nobody tells his session
that it is over, so it stays, connected, and goes on sending. From the commit on nothing that it
sends, pictures or sound, gets into the camera: the lease is looked at before each unit. By a token
that is revoked, and by everyone being logged out. A home that is held off has no camera at work:
his session ends with it, whatever is lost.

    whip_cut.py BUILD

BUILD is a build folder with -Dfault_injection=true. Judged by counters: what came in by WebRTC must
rise, what was sealed must not."""

import os
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import _server  # noqa: E402  (its folder is not a package)
from _server import CUT_S, Program, Server, check, command, finish, until  # noqa: E402

_server.BINARY = os.path.join(os.path.abspath(sys.argv[1]), "casement")
PUBLISHER = os.path.join(os.path.dirname(os.path.abspath(_server.__file__)), "_webrtc_publisher.py")
PASSWORD = "correct horse battery"
HOOK = "grants.drop.viewer"
# Of a million messages in a row the second comes through: his lease, once he has asked again.
RATE = "999999/1000000"
GRACE_S = 1  # ten times what src/api/whip.c grants after a lease was last seen live
MORE_BYTES = 20_000  # some seconds of a still picture and silence


def metric(server, name):
    text = server.ask("GET", "/metrics").body.decode()
    found = re.search(rf"^casement_{re.escape(name)} (\d+)$", text, re.M)
    return int(found[1]) if found else 0


def rises(server, name, by, seconds=60):
    start = metric(server, name)
    return until(lambda: metric(server, name) >= start + by, seconds, 0.5)


def goes_on_for_nothing(server):
    """Whether a time comes in which he sends, and nothing of it is sealed: what was sealed before may be told late, on a busy
    machine, but it ends. What he goes on sending does not."""
    def is_so():
        sealed = metric(server, "frames_in_total")
        has_sent = rises(server, "rtc_bytes_in_total", MORE_BYTES)
        time.sleep(GRACE_S + 1.2)  # loops tell their counters each second
        return has_sent and metric(server, "frames_in_total") == sealed
    return until(is_so)


def token_revoked(server, owner, _):
    listed = server.ask("GET", "/api/v1/tokens?home=verdi", cookie=owner).json["tokens"]
    return server.ask("DELETE", f"/api/v1/tokens/{listed[0]['id']}?home=verdi", cookie=owner)


def home_held_off(server, _, olga):
    return server.ask("PUT", "/api/v1/homes/verdi/suspension", {"why": "a rehearsal"}, cookie=olga)


def everyone_logged_out(server, owner, _):
    return server.ask("POST", "/api/v1/everyone/log-out?home=verdi", {"programs": False}, cookie=owner)


def goes_on(name, server, publisher):
    check(f"{name}: he goes on sending, and nothing of it gets in", goes_on_for_nothing(server), publisher.output)
    check(f"{name}: though nobody told his session", metric(server, "rtc_sessions") == 1 and
          "transport closed" not in publisher.output, publisher.output)


def ends(name, server, publisher):
    check(f"{name}: his session ends", until(lambda: metric(server, "rtc_sessions") == 0, CUT_S) and publisher.told("transport closed", 60),
          publisher.output)
    check(f"{name}: and no other picture gets in", until(lambda: is_still(server)), publisher.output)


def is_still(server):
    sealed = metric(server, "frames_in_total")
    time.sleep(GRACE_S + 1.2)
    return metric(server, "frames_in_total") == sealed


def cut(name, is_program, take, then):
    """By a program's token, or from a browser that is signed in."""
    server = Server({"homes": [{"id": "verdi", "name": "Casa Verdi", "cameras": [{"id": "phone", "whip": True}],
                                "accounts": [{"name": "anna", "role": "owner", "password_file": "pw"}]}],
                     "operators": [{"name": "olga", "password_file": "pw"}]}, {"pw": PASSWORD})
    owner, olga = server.sign_in("anna", PASSWORD), server.sign_in("olga", PASSWORD)
    by = command(server, "token", "create", "--home", "verdi", "--account", "anna", "--camera", "phone", "--rights", "publish",
                 "--days", "1").stdout.strip() if is_program else server.sign_in("anna", PASSWORD)
    publisher = Program("/usr/bin/python3", PUBLISHER, server.origin + "/api/v1/cameras/phone/whip?home=verdi", by, "77", "sound", "no-delete")
    check(f"{name}: he publishes: pictures and sound are sealed", publisher.told("state connected", 60) and
          rises(server, "frames_in_total", 60), publisher.output + publisher.log[-500:] + server.log[-800:])

    taken = take(server, owner, olga)
    check(f"{name}: it is done", taken.status in (200, 204), taken)
    then(name, server, publisher)
    lost = metric(server, f'faults_total{{fault="{HOOK}"}}')
    check(f"{name}: as the messages were lost", lost > 1, lost)
    publisher.end()
    check(f"{name}: the server ends in order", server.end() == 0, server.log[-1500:])
    server.remove()


def main():
    os.environ["CASEMENT_FAULTS"] = f"{HOOK}={RATE}"
    cut("token revoked", True, token_revoked, goes_on)
    cut("home held off", True, home_held_off, ends)
    cut("everyone logged out", False, everyone_logged_out, goes_on)
    return finish()


sys.exit(main())
