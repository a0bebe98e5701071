#!/usr/bin/env python3
# casement-test: quick
"""A camera whose pictures are brought by WebRTC (WHIP): aiortc publishes pictures with a code, and
viewers see that code by live.mp4 and by WHEP. Then who may not, what ends it, and that strangers at
the media port harm nobody."""

import os
import re
import secrets
import signal
import socket
import struct
import sys

from _server import CUT_S, PATIENCE_S, Cameras, Program, Server, check, command, decode, finish, record, until

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's: the packages of Debian's are its own
WIDTH = 640
PASSWORD = "correct horse battery"


class Publisher(Program):
    def __init__(self, server, camera, token, number, *more):
        url = f"{server.origin}/api/v1/cameras/{camera}/whip"
        super().__init__(SYSTEM_PYTHON, os.path.join(HERE, "_webrtc_publisher.py"), url, token, str(number), *more)

    def says(self, pattern):
        return until(lambda: re.search(pattern, self.output) or self.process.poll() is not None) and \
            re.search(pattern, self.output)

    def leave(self):
        self.process.stdin.close()
        until(lambda: self.process.poll() is not None)
        return self.end()


class Viewer(Program):
    def __init__(self, server, camera, token):
        url = f"{server.origin}/api/v1/cameras/{camera}/whep"
        super().__init__(SYSTEM_PYTHON, os.path.join(HERE, "_webrtc_aiortc.py"), url, token)

    @property
    def codes(self):
        return [tuple(line.split()[1:]) for line in self.output.splitlines() if line.startswith("frame ")]

    def has(self, pictures):
        return until(lambda: len(self.codes) >= pictures or self.process.poll() is not None) and len(self.codes) >= pictures


def token_of(server, account, camera, rights):
    made = command(server, "token", "create", "--home", "verdi", "--account", account, "--camera", camera,
                   "--rights", rights, "--days", "1")
    return made.stdout.strip()


def camera_of(server, owner, camera="phone"):
    return server.ask("GET", f"/api/v1/cameras/{camera}?home=verdi", cookie=owner).json


def is_in(server, owner, state, cause=None, seconds=PATIENCE_S):
    return until(lambda: (lambda c: c.get("state") == state and c.get("cause") == cause)(camera_of(server, owner)), seconds)


def metric(server, name):
    text = server.ask("GET", "/metrics").body.decode()
    found = re.search(rf"^casement_{re.escape(name)} (\d+)$", text, re.M)
    return int(found[1]) if found else None


def are_of(codes, number):
    """All are, each once and in its turn. Their decoder makes something of what reached it in part, on a busy machine: fewer
    than the others."""
    counters = [int(code[1]) for code in codes if len(code) == 2]
    return {code[0] for code in codes} - {"none"} == {str(number)} and counters == sorted(set(counters)) and len(counters) > len(codes) / 2


# ---- seen ----

def it_is_seen(server, owner, tokens):
    check("a camera that nobody brings pictures is off",
          is_in(server, owner, "off") and camera_of(server, owner)["kind"] == "whip", camera_of(server, owner))
    publisher = Publisher(server, "phone", tokens["publish"], 77, "sound")
    check("it is live once somebody does", is_in(server, owner, "live"),
          f"{camera_of(server, owner)} {publisher.output} {publisher.log[-800:]}")
    viewer = Viewer(server, "phone", tokens["view"])
    check("its pictures come by WHEP", viewer.has(60), viewer.output[-500:] + viewer.log[-500:])
    check("they are the publisher's, in order", are_of(viewer.codes, 77), viewer.codes[:20])
    codes, complaints = decode(record(server, "/api/v1/cameras/phone/live.mp4?home=verdi", 60, cookie=owner), WIDTH)
    check("and by MP4, with the same code", codes and {code and code[0] for code in codes} == {77}, f"{codes[:10]} {complaints}")
    figures = until(lambda: (f := camera_of(server, owner)["streams"]["main"])["fps"] and f)
    check("its stream is described", figures and figures["codec"].startswith("avc1.42") and
          (figures["width"], figures["height"]) == (640, 360) and 0 < figures["fps"] < 30, figures)
    sound = until(lambda: camera_of(server, owner).get("sound"))
    check("so is its sound", sound and sound["codec"] == "opus" and sound["rate"] == 48000, sound)
    check("who publishes does not watch", camera_of(server, owner)["viewers"] == 1, camera_of(server, owner))
    return publisher, viewer


def a_second_one_is_refused(server, owner, tokens, publisher):
    other = Publisher(server, "phone", tokens["other"], 78)
    check("another publisher is told 409", other.says(r"refused 409 already-publishing"), other.output + other.log)
    other.end()
    check("and the first goes on", is_in(server, owner, "live"), camera_of(server, owner))
    again = Publisher(server, "phone", tokens["publish"], 79)
    check("the same one takes over", again.says(r"state connected"), again.output + again.log[-500:])
    check("its former session is closed", publisher.says(r"transport closed"), publisher.output)
    publisher.end(signal.SIGKILL)
    codes = []

    def shows():
        codes[:] = decode(record(server, "/api/v1/cameras/phone/live.mp4?home=verdi", 20, cookie=owner, seconds=5), WIDTH)[0]
        return codes and codes[-1] and codes[-1][0] == 79
    check("its pictures are shown", until(shows), codes[:10])
    return again


def strangers_harm_nobody(server, owner, viewer):
    """Noise, checks for nobody's ufrag, forged DTLS and SRTP, at the port that the pictures come to."""
    target = ("127.0.0.1", port_of(server))
    refused = 'rtc_refused_total{cause="%s"}'
    counted = {cause: metric(server, refused % cause) for cause in ("check-unknown", "stranger")}
    before = len(viewer.codes)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
        for n in range(20000):
            kind = n % 4
            user = secrets.token_hex(8).encode()
            stun = struct.pack(">HHI12sHH", 1, 20, 0x2112A442, secrets.token_bytes(12), 6, 16) + user
            flood.sendto([secrets.token_bytes(40), stun, b"\x16\xfe\xfd" + secrets.token_bytes(60),
                          b"\x80\x60" + secrets.token_bytes(200)][kind], target)
    check("strangers at the port are counted",
          until(lambda: all(metric(server, refused % cause) > was for cause, was in counted.items())), counted)
    check("and nobody's pictures suffer", viewer.has(before + 40) and are_of(viewer.codes[before:], 79), viewer.codes[before:][:10])
    check("the camera is live", is_in(server, owner, "live"), camera_of(server, owner))


def spoilt_packets_harm_nobody(server, owner, token, viewing):
    """From the publisher's own address: each of its packets once more, cut short twice, and forged goodbyes."""
    causes = ("srtp-replayed", "srtp-forged", "srtp-malformed")
    refused = {cause: metric(server, f'rtc_refused_total{{cause="{cause}"}}') for cause in causes}
    malformed = 'camera_malformed_total{home="verdi",camera="phone",stream="main"}'
    before = metric(server, malformed)
    bystander = Viewer(server, "door", viewing["door"])
    publisher = Publisher(server, "phone", token, 87, "spoils")
    viewer = Viewer(server, "phone", viewing["phone"])
    check("a publisher whose packets somebody repeats, cuts and forges is seen", viewer.has(100),
          viewer.output[-300:] + viewer.log[-500:] + publisher.output)
    check("with its own pictures, in order", are_of(viewer.codes, 87), viewer.codes[:20])
    for cause in causes:
        check(f"what is {cause} is counted",
              until(lambda cause=cause: metric(server, f'rtc_refused_total{{cause="{cause}"}}') > refused[cause] + 100),
              refused)
    check("none of it got as far as the camera", metric(server, malformed) == before, metric(server, malformed))
    check("its session goes on", "transport closed" not in publisher.output and is_in(server, owner, "live"), publisher.output)
    check("and another camera's viewer sees his own", bystander.has(60) and are_of(bystander.codes, 1), bystander.codes[:20])
    publisher.leave()
    for one in (viewer, bystander):
        one.end()


def port_of(server):
    """Of the media, from what the kernel says of the server's sockets."""
    inodes = set()
    folder = f"/proc/{server.process.pid}/fd"
    for name in os.listdir(folder):
        try:
            found = re.match(r"socket:\[(\d+)\]", os.readlink(os.path.join(folder, name)))
        except OSError:
            continue
        if found:
            inodes.add(found[1])
    with open("/proc/net/udp", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and fields[1].startswith("0100007F:"):
                return int(fields[1].split(":")[1], 16)
    return 0


# ---- refused ----

def who_may_not(server, owner, tokens):
    rows = [("a token that may view", "phone", tokens["view"], "404 no-such-camera"),
            ("a token of another camera", "phone", tokens["door"], "404 no-such-camera"),
            ("an adult's token, whose account was not granted it", "phone", tokens["adult"], "404 no-such-camera"),
            ("a camera with an address", "door", tokens["door"], "409 not-a-whip-camera"),
            ("no such camera", "attic", tokens["publish"], "404 no-such-camera")]
    for name, camera, token, wanted in rows:
        publisher = Publisher(server, camera, token, 80)
        check(f"refused: {name}", publisher.says("refused " + wanted), publisher.output + publisher.log[-500:])
        publisher.end()
    watching = Viewer(server, "phone", tokens["publish"])
    check("who may publish may not see by that", until(lambda: "404" in watching.log), watching.log + watching.output)
    watching.end()
    receiver = Publisher(server, "phone", tokens["publish"], 80, "recvonly")
    check("an offer that brings nothing", receiver.says("refused 406 codec-not-offered"), receiver.output + receiver.log)
    receiver.end()
    bad = server.ask("POST", "/api/v1/cameras/phone/whip", b"nonsense", bearer=tokens["publish"],
                     headers={"Content-Type": "application/sdp"})
    check("an offer that is none, and its line is named",
          bad.status == 400 and bad.problem == "bad-offer" and "line 1" in bad.json["detail"], bad)
    check("the camera stays off", is_in(server, owner, "off"), camera_of(server, owner))


# ---- how it ends ----

def its_ends(server, owner, tokens):
    publisher = Publisher(server, "phone", tokens["publish"], 81)
    is_in(server, owner, "live")
    foreign = publisher.says(r"session (\S+)")[1].replace(server.origin, "")
    refused = server.ask("DELETE", foreign, bearer=tokens["other"])
    check("another's token can't end it", refused.status == 404 and refused.problem == "no-such-publisher", refused)
    publisher.leave()
    check("who leaves turns the camera off", is_in(server, owner, "off"), camera_of(server, owner))

    spoilt = Publisher(server, "phone", tokens["publish"], 82, "wrong-fingerprint")
    check("another certificate than announced ends it", is_in(server, owner, "off", "protocol"),
          f"{camera_of(server, owner)} {spoilt.output}")
    spoilt.end()

    publisher = Publisher(server, "phone", tokens["other"], 83)
    is_in(server, owner, "live")
    listed = server.ask("GET", "/api/v1/tokens?home=verdi", cookie=owner).json["tokens"]
    mine = [t for t in listed if t["rights"] == ["publish"] and t["camera"] == "phone"]
    for token in mine:
        server.ask("DELETE", f"/api/v1/tokens/{token['id']}?home=verdi", cookie=owner)
    check("a revoked token publishes no longer", is_in(server, owner, "off", "not_allowed", CUT_S), camera_of(server, owner))
    check("and its peer is told", publisher.says(r"transport closed"), publisher.output)
    publisher.end()
    later = Publisher(server, "phone", tokens["other"], 84)
    check("nor does it come again", later.says("refused 401 sign-in"), later.output + later.log)
    later.end()


def cut(server, publisher):
    """Its session ended, and it was told."""
    return bool(publisher.says(r"transport closed")) and until(lambda: metric(server, "rtc_sessions") == 0, CUT_S)


def the_home_is_held_off(server, owner, olga, token):
    publisher = Publisher(server, "phone", token, 88)
    is_in(server, owner, "live")
    held_off = server.ask("PUT", "/api/v1/homes/verdi/suspension", {"why": "a rehearsal"}, cookie=olga)
    check("who publishes is cut when his home is held off", held_off.status == 204 and cut(server, publisher), f"{held_off} {publisher.output}")
    publisher.end()
    again = Publisher(server, "phone", token, 89)
    check("and does not come again", again.says("refused 403 home-suspended"), again.output + again.log)
    again.end()
    server.ask("DELETE", "/api/v1/homes/verdi/suspension", cookie=olga)
    check("when it is held off no more, the camera waits for pictures", is_in(server, owner, "off"), camera_of(server, owner))


def everyone_is_logged_out(server, owner, token):
    """The owner's cookie since."""
    def log_out(programs):
        answer = server.ask("POST", "/api/v1/everyone/log-out?home=verdi", {"programs": programs}, cookie=owner)
        return answer, (answer.headers["Set-Cookie"] or "").split(";")[0]
    browser = Publisher(server, "phone", server.sign_in("anna", PASSWORD), 90)
    check("from a browser that is signed in", is_in(server, owner, "live"), browser.output + browser.log[-500:])
    answer, owner = log_out(False)
    check("who publishes is cut when everyone is logged out", answer.status == 200 and cut(server, browser), f"{answer} {browser.output}")
    check("and the camera says so", is_in(server, owner, "off", "not_allowed"), camera_of(server, owner))
    browser.end()
    program = Publisher(server, "phone", token, 91)
    check("a program publishes", is_in(server, owner, "live"), program.output + program.log[-500:])
    answer, owner = log_out(False)
    check("it goes on when only people are logged out", answer.status == 200 and
          record_of(server, owner, 91), f"{answer} {program.output}")
    answer, owner = log_out(True)
    check("and is cut with the programs", answer.status == 200 and cut(server, program), f"{answer} {program.output}")
    program.end()
    return owner


def record_of(server, owner, number):
    """Pictures of that publisher come, more than the camera had kept."""
    codes, _ = decode(record(server, "/api/v1/cameras/phone/live.mp4?home=verdi", 60, cookie=owner), WIDTH)
    return len(codes) >= 60 and {code and code[0] for code in codes} == {number}


def a_lost_one_is_told_of(server, owner, token):
    publisher = Publisher(server, "phone", token, 85)
    is_in(server, owner, "live")
    publisher.end(signal.SIGKILL)
    check("pictures that stop are told of", is_in(server, owner, "connecting", "no_pictures"), camera_of(server, owner))
    check("who is not heard any more is lost", is_in(server, owner, "off", "publisher_lost", 2 * PATIENCE_S), camera_of(server, owner))


def main():
    cameras = Cameras(1)
    rows = [{"id": "door", "main": cameras.url(1), "keep": "on-demand"}, {"id": "phone", "name": "Phone", "whip": True}]
    server = Server({"homes": [{"id": "verdi", "name": "Casa Verdi", "allow": ["127.0.0.0/8"], "cameras": rows,
                                "accounts": [{"name": "anna", "role": "owner", "password_file": "pw"},
                                             {"name": "bruno", "role": "adult", "password_file": "pw",
                                              "cameras": ["phone"]}]}],
                     "operators": [{"name": "olga", "password_file": "pw"}]}, {"pw": PASSWORD})
    owner = server.sign_in("anna", PASSWORD)
    tokens = {name: token_of(server, account, camera, rights) for name, account, camera, rights in
              (("publish", "anna", "phone", "publish"), ("other", "anna", "phone", "publish"),
               ("view", "anna", "phone", "view"), ("door", "anna", "door", "publish"),
               ("see-door", "anna", "door", "view"), ("adult", "bruno", "phone", "publish"))}
    who_may_not(server, owner, tokens)
    publisher, viewer = it_is_seen(server, owner, tokens)
    viewer.end()
    publisher = a_second_one_is_refused(server, owner, tokens, publisher)
    viewer = Viewer(server, "phone", tokens["view"])
    check("a viewer of the one who took over", viewer.has(20), viewer.output[-300:])
    strangers_harm_nobody(server, owner, viewer)
    publisher.leave()
    viewer.end()
    spoilt_packets_harm_nobody(server, owner, tokens["publish"], {"phone": tokens["view"], "door": tokens["see-door"]})
    its_ends(server, owner, tokens)
    the_home_is_held_off(server, owner, server.sign_in("olga", PASSWORD), token_of(server, "anna", "phone", "publish"))
    owner = everyone_is_logged_out(server, owner, token_of(server, "anna", "phone", "publish"))
    fresh = token_of(server, "anna", "phone", "publish")
    a_lost_one_is_told_of(server, owner, fresh)
    last = Publisher(server, "phone", fresh, 86)
    is_in(server, owner, "live")
    check("no alarm was raised", not re.search("alarm", server.log), server.log[-1000:])
    check("the server ends in order, with somebody publishing", server.end() == 0, server.log[-1500:])
    last.end()
    cameras.end()
    server.remove()
    return finish()


sys.exit(main())
