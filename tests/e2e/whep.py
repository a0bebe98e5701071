#!/usr/bin/env python3
# casement-test: quick
"""Pictures by WebRTC, as programs that are not ours see them: aiortc decodes them and GStreamer's
webrtcbin depacketizes them for ffmpeg. Whose picture it is says its code. Then what is refused, and
that a session ends with its right, its DELETE, its token and its certificate."""

import os
import re
import socket
import sys
import tempfile
import time

from _server import CUT_S, PATIENCE_S, Cameras, Program, Server, check, command, decode, finish, until

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's: the packages of Debian's are its own
MAIN, SUB = 1280, 640
IN_ROW = 20  # pictures that must follow each other, of the 60 that are looked at


class Viewer(Program):
    """aiortc at one camera."""

    def __init__(self, server, camera, token, stream="main", *more):
        url = f"{server.origin}/api/v1/cameras/{camera}/whep?stream={stream}"
        super().__init__(SYSTEM_PYTHON, os.path.join(HERE, "_webrtc_aiortc.py"), url, token, *more)

    @property
    def codes(self):
        return [tuple(line.split()[1:]) for line in self.output.splitlines() if line.startswith("frame ")]

    @property
    def location(self):
        found = re.search(r"^session (\S+)", self.output, re.M)
        return found and found[1]

    def has(self, pictures):
        """So many, and among them enough that follow each other."""
        def enough():
            return len(self.codes) >= pictures and follow(self.codes) >= min(pictures, IN_ROW)
        return until(lambda: enough() or self.process.poll() is not None) and enough()

    def leave(self):
        """As a person does: the peer is told."""
        self.process.stdin.close()
        until(lambda: self.process.poll() is not None)
        return self.end()


def counters_of(codes):
    return [int(code[1]) for code in codes if len(code) == 2]


def follow(codes):
    """How many are the very next after the one before them."""
    counters = counters_of(codes)
    return sum((b - a) % 2 ** 32 == 1 for a, b in zip(counters, counters[1:]))


def check_pictures(name, codes, camera):
    """All of one camera, each once and in its turn, and some in a row. Some can't be read: their decoder makes something of
    what reached it in part. Some are left out: the rest of a cached group that is too large for the
    path, those that a busy machine did not let the camera take or their decoder receive; that the server keeps none back
    is told by its own numbers elsewhere (cut.py, lost.py)."""
    cameras = [code[0] for code in codes]
    check(f"{name}: every picture is of camera {camera}", set(cameras) - {"none"} == {str(camera)} and
          cameras.count("none") <= len(codes) / 2, sorted(set(cameras)) + codes[:20])
    counters = counters_of(codes)
    steps = [(b - a) % 2 ** 32 for a, b in zip(counters, counters[1:])]
    check(f"{name}: none comes twice or out of turn", all(1 <= step < 2 ** 31 for step in steps), steps)
    check(f"{name}: and {follow(codes)} directly after another", follow(codes) >= min(IN_ROW, len(codes) // 2), steps)


def token_of(server, account, camera):
    made = command(server, "token", "create", "--home", "verdi", "--account", account, "--camera", camera,
                   "--rights", "view", "--days", "1")
    return made.stdout.strip()


def metric(server, name):
    text = server.ask("GET", "/metrics").body.decode()
    found = re.search(rf"^casement_{re.escape(name)} (\d+)$", text, re.M)
    return int(found[1]) if found else None


# ---- seen by others' programs ----

def aiortc_sees(server, token):
    viewer = Viewer(server, "door", token)
    check("aiortc is connected", viewer.told(r"state connected"), viewer.output[-500:] + viewer.log[-500:])
    check("and decodes pictures", viewer.has(60), viewer.output[-500:] + viewer.log[-800:])
    check_pictures("main", viewer.codes, 1)
    viewer.leave()
    viewer = Viewer(server, "door", token, "sub")
    check("the sub stream too", viewer.has(60), viewer.output[-500:] + viewer.log[-800:])
    check_pictures("sub", viewer.codes, 1)
    viewer.leave()


def two_see_their_own(server, tokens):
    viewers = [Viewer(server, camera, tokens[camera], "sub") for camera in ("door", "yard", "door")]
    check("three at once", all([viewer.has(60) for viewer in viewers]), [v.output[-200:] for v in viewers])
    for viewer, camera in zip(viewers, (1, 2, 1)):
        check_pictures(f"of {camera}", viewer.codes, camera)
        viewer.leave()


def gstreamer_sees(server, token):
    with tempfile.NamedTemporaryFile(suffix=".h264") as file:
        viewer = Program(SYSTEM_PYTHON, os.path.join(HERE, "_webrtc_gstreamer.py"),
                         f"{server.origin}/api/v1/cameras/yard/whep?stream=sub", token, file.name)
        check("GStreamer is connected", viewer.told("state connected"), viewer.output + viewer.log[-800:])
        until(lambda: os.path.getsize(file.name) > 100000)
        viewer.process.stdin.close()
        until(lambda: viewer.process.poll() is not None)
        viewer.end()
        with open(file.name, "rb") as film:
            codes, complaints = decode(film.read(), SUB, ".h264")
    check("ffmpeg decodes what it got", len(codes) > 30, (len(codes), complaints[:500]))
    codes = [code for code in codes if code]
    check_pictures("GStreamer", [(str(a), str(b)) for a, b in codes[:-1]], 2)


# ---- how it ends ----

def frames_stop(viewer):
    """Whether pictures end, of a camera that has 20 a second. What was on its way may still be decoded, which takes its time."""
    def stand():
        before = len(viewer.codes)
        time.sleep(1)
        return len(viewer.codes) == before
    return until(stand, CUT_S)


def cut_ends_it(server, owner):
    token = token_of(server, "bruno", "door")
    cut, other = Viewer(server, "door", token, "sub"), Viewer(server, "door", token_of(server, "anna", "door"), "sub")
    check("a guest and an owner watch", cut.has(20) and other.has(20), cut.output[-300:] + other.output[-300:])
    people = server.ask("GET", "/api/v1/people?home=verdi", cookie=owner).json["people"]
    bruno = next(p["account"] for p in people if p["name"] == "bruno")
    path = f"/api/v1/people/{bruno}/cameras/door?home=verdi"
    taken = server.ask("DELETE", path, cookie=owner)
    check("the guest's grant is taken", taken.status == 204, taken)
    check("his pictures end", frames_stop(cut), cut.output[-300:])
    before = len(other.codes)
    check("the owner's go on", other.has(before + 20), other.output[-300:])
    check_pictures("through the cut", other.codes, 1)
    server.ask("PUT", path, {"rights": ["view"]}, cookie=owner)
    cut.leave()
    other.leave()


def delete_ends_it(server, token, foreign):
    viewer = Viewer(server, "door", token, "sub")
    viewer.has(10)
    refused = server.ask("DELETE", viewer.location, bearer=foreign)
    check("another's token can't end a session", refused.status == 404, refused)
    before = len(viewer.codes)
    check("which goes on", viewer.has(before + 10), viewer.output[-300:])
    ended = server.ask("DELETE", viewer.location, bearer=token)
    check("its own does", ended.status == 204, ended)
    check("pictures end", frames_stop(viewer), viewer.output[-300:])
    again = server.ask("DELETE", viewer.location, bearer=token)
    check("once", again.status == 404 and again.problem == "no-such-viewer", again)
    viewer.leave()


def a_restart_is_answered(server, token):
    viewer = Viewer(server, "door", token, "sub")
    viewer.has(10)
    kind = {"Content-Type": "application/trickle-ice-sdpfrag"}
    fragment = b"a=ice-ufrag:other1234\r\na=ice-pwd:otherotherotherotherother1\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    missing = server.ask("PATCH", viewer.location, fragment, bearer=token, headers=kind)
    check("a PATCH without If-Match is refused", missing.status == 428, missing)
    stale = server.ask("PATCH", viewer.location, fragment, bearer=token, headers={**kind, "If-Match": '"old"'})
    check("one for another ICE session too", stale.status == 412, stale)
    broken = server.ask("PATCH", viewer.location, b"a=ice-ufrag:x\r\n", bearer=token, headers={**kind, "If-Match": "*"})
    check("a malformed fragment names its line", broken.status == 400 and "line 1" in broken.json["detail"], broken)
    done = server.ask("PATCH", viewer.location, fragment, bearer=token, headers={**kind, "If-Match": "*"})
    check("a restart gets our credentials", done.status == 200 and b"a=ice-ufrag:" in done.body and done.headers["ETag"], done)
    before = len(viewer.codes)
    check("and pictures go on on the former path", viewer.has(before + 20), viewer.output[-300:])
    viewer.leave()


# ---- what is refused ----

OFFER = b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n" \
    b"c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd1234\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 " + \
    b":".join([b"AB"] * 32) + b"\r\na=setup:actpass\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 H264/90000\r\n" \
    b"a=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n"


def bad_offers(server, token):
    sessions = metric(server, "rtc_sessions_total")
    path = "/api/v1/cameras/door/whep"
    kind = {"Content-Type": "application/sdp"}
    good = server.ask("POST", path, OFFER, bearer=token, headers=kind)
    check("an offer by hand is answered", good.status == 201 and good.headers["Location"] and good.headers["ETag"] and
          b"a=ice-lite" in good.body and b"a=setup:passive" in good.body, good)
    server.ask("DELETE", good.headers["Location"], bearer=token)
    for name, change, wanted in (
            ("a line that is none", (b"a=mid:0", b"nonsense"), "line 12"),
            ("a fingerprint of SHA-1", (b"sha-256 ", b"sha-1 "), "fingerprint"),
            ("no password", (b"a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n", b""), "ice-pwd"),
            ("an ICE-lite agent like us", (b"t=0 0", b"t=0 0\r\na=ice-lite"), "ice-lite"),
            ("no rtcp-mux", (b"a=rtcp-mux\r\n", b""), ""),
            ("a peer that is passive too", (b"actpass", b"passive"), "setup")):
        answer = server.ask("POST", path, OFFER.replace(*change), bearer=token, headers=kind)
        check(f"{name}: 400, and says what", answer.status == 400 and answer.problem == "bad-offer" and
              wanted in answer.json["detail"], answer)
    vp8 = server.ask("POST", path, OFFER.replace(b"H264/90000", b"VP8/90000"), bearer=token, headers=kind)
    check("VP8 alone: 406, and names both codecs", vp8.status == 406 and vp8.problem == "codec-not-offered" and
          "is H264" in vp8.json["detail"] and "receives VP8." in vp8.json["detail"], vp8)
    wrong = server.ask("POST", path, OFFER, bearer=token, headers={"Content-Type": "text/plain"})
    check("another media type is refused", wrong.status == 415, wrong)
    large = server.ask("POST", path, OFFER + b"a=x\r\n" * 20000, bearer=token, headers=kind)
    check("a huge one too", large.status == 413, large)
    foreign = server.ask("POST", "/api/v1/cameras/yard/whep", OFFER, bearer=token, headers=kind)
    check("a camera that the token is not for does not exist", foreign.status == 404, foreign)
    last = server.ask("POST", path, OFFER, bearer=token, headers=kind)
    server.ask("DELETE", last.headers["Location"], bearer=token)
    # Figures are told each second: with the last session's all that were before it are told.
    made = until(lambda: (n := metric(server, "rtc_sessions_total") - sessions) >= 2 and n)
    check("no session was made for all that, but for the good offers before and after", made == 2, made)


def wrong_fingerprint(server, token):
    viewer = Viewer(server, "door", token, "sub", "wrong-fingerprint")
    ended = until(lambda: (metric(server, 'rtc_ended_total{cause="foreign"}') or 0) > 0)
    check("another certificate than announced ends it, counted", ended, server.ask("GET", "/metrics").body.decode()[-2000:])
    check("before any picture", not viewer.codes, viewer.output)
    viewer.leave()


def over_ipv6(cameras):
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as own:
            own.bind(("::1", 0))
    except OSError as refused:
        print(f"ok - pictures over IPv6 # SKIP this machine has no ::1: {refused}")
        return
    server = Server({"listen": {"media": "[::1]:0"},
                     "homes": [{"id": "verdi", "allow": ["127.0.0.0/8"],
                                "cameras": [{"id": "door", "main": cameras.url(1, "sub"), "keep": "always"}],
                                "accounts": [{"name": "anna", "role": "owner", "password_file": "pw"}]}]},
                    {"pw": "correct horse battery"})
    token = token_of(server, "anna", "door")
    answer = server.ask("POST", "/api/v1/cameras/door/whep", OFFER, bearer=token, headers={"Content-Type": "application/sdp"})
    hosts = set(re.findall(rb"a=candidate:\S+ 1 \S+ \d+ (\S+) ", answer.body))
    check("a server at [::1] names that address alone", hosts == {b"::1"}, answer)
    server.ask("DELETE", answer.headers["Location"], bearer=token)
    viewer = Viewer(server, "door", token, "main", "address=::1")
    check("aiortc at ::1 is connected", viewer.told(r"state connected"), viewer.output[-500:] + viewer.log[-500:])
    check("and decodes pictures that came over IPv6", viewer.has(60), viewer.output[-500:] + viewer.log[-800:])
    check_pictures("over IPv6", viewer.codes, 1)
    viewer.leave()
    check("that server ends in order", server.end() == 0, server.log[-1500:])
    server.remove()


def main():
    cameras = Cameras(2)
    rows = [{"id": name, "main": cameras.url(n), "sub": cameras.url(n, "sub"), "keep": "always"}
            for n, name in ((1, "door"), (2, "yard"))]
    server = Server({"homes": [{"id": "verdi", "name": "Casa Verdi", "allow": ["127.0.0.0/8"], "cameras": rows,
                                "accounts": [{"name": "anna", "role": "owner", "password_file": "pw"},
                                             {"name": "bruno", "role": "guest", "password_file": "pw",
                                              "cameras": ["door"]}]}]},
                    {"pw": "correct horse battery"})
    owner = server.sign_in("anna", "correct horse battery")
    until(lambda: all(c["state"] == "live" for c in server.ask("GET", "/api/v1/cameras", cookie=owner).json["cameras"]))
    tokens = {camera: token_of(server, "anna", camera) for camera in ("door", "yard")}
    aiortc_sees(server, tokens["door"])
    two_see_their_own(server, tokens)
    gstreamer_sees(server, tokens["yard"])
    cut_ends_it(server, owner)
    delete_ends_it(server, tokens["door"], tokens["yard"])
    a_restart_is_answered(server, tokens["door"])
    bad_offers(server, tokens["door"])
    wrong_fingerprint(server, tokens["door"])
    check("every session is gone at the end", until(lambda: metric(server, "rtc_sessions") == 0, 2 * PATIENCE_S), metric(server, "rtc_sessions"))
    check("no alarm was raised", not re.search("alarm", server.log), server.log[-1000:])
    check("the server ends in order", server.end() == 0, server.log[-1500:])
    server.remove()
    over_ipv6(cameras)
    cameras.end()
    return finish()


sys.exit(main())
