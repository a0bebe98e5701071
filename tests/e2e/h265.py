#!/usr/bin/env python3
# casement-test: quick
"""A camera whose main stream is H.265 and whose sub stream is H.264, as most are: what the API says
of it, live.mp4 and stills decoded by ffmpeg, WebRTC by GStreamer's webrtcbin, and what an offer is
told that lacks H265. Then one that changes its codec while it is watched."""

import os
import re
import sys
import tempfile

from _server import PATIENCE_S, Cameras, Program, Server, check, command, decode, finish, misses, picture_size, record, until

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's: the packages of Debian's are its own
MAIN, SUB = 1280, 640
PASSWORD = "correct horse battery"
OFFER = b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n" \
        b"c=IN IP4 0.0.0.0\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n" \
        b"a=fingerprint:sha-256 " + b":".join([b"AB"] * 32) + b"\r\na=setup:actpass\r\na=mid:0\r\na=recvonly\r\n" \
        b"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n" \
        b"a=rtpmap:97 VP8/90000\r\n"


def streams_of(server, cookie, camera):
    rows = server.ask("GET", "/api/v1/cameras?home=verdi", cookie=cookie).json["cameras"]
    return next(row["streams"] for row in rows if row["id"] == camera)


def live(server, cookie, stream, width, codec):
    path = f"/api/v1/cameras/door/live.mp4?home=verdi&stream={stream}"
    socket, status = server.open(path, cookie=cookie)
    socket.close()
    check(f"{stream}: live.mp4 is there", status == 200, status)
    data = record(server, path, 90, cookie=cookie)
    check(f"{stream}: in a track of {codec}", codec in data[:2000] and (b"avc1" if codec == b"hvc1" else b"hvc1") not in
          data[:2000], data[:200])
    codes, wrong = misses(data, width)
    check(f"{stream}: every picture is of camera 1, none is missing", len(codes) > 60 and not wrong and
          {code and code[0] for code in codes} == {1}, (len(codes), wrong[:5]))


def still(server, cookie, query, size):
    got = until(lambda: (a := server.ask("GET", f"/api/v1/cameras/door/still.jpg?home=verdi{query}", cookie=cookie)).status == 200
                and a)
    check(f"a still {query or 'of its own size'}", got and picture_size(got.body) == size, got)
    codes, _ = decode(got.body, int(size.split(",")[0]), ".jpg")
    check("shows the camera", codes and codes[0] and codes[0][0] == 1, codes)


def token_of(server):
    made = command(server, "token", "create", "--home", "verdi", "--account", "anna", "--camera", "door", "--rights", "view",
                   "--days", "1")
    return made.stdout.strip()


def gstreamer_sees(server, token, stream, width, codec):
    with tempfile.NamedTemporaryFile(suffix="." + codec) as file:
        viewer = Program(SYSTEM_PYTHON, os.path.join(HERE, "_webrtc_gstreamer.py"),
                         f"{server.origin}/api/v1/cameras/door/whep?stream={stream}", token, file.name, codec)
        check(f"WebRTC {stream}: GStreamer is connected with {codec}", viewer.told("state connected"),
              viewer.output + viewer.log[-800:])
        until(lambda: os.path.getsize(file.name) > 150000)
        viewer.process.stdin.close()
        until(lambda: viewer.process.poll() is not None)
        viewer.end()
        with open(file.name, "rb") as film:
            codes, complaints = decode(film.read(), width, "." + ("hevc" if codec == "h265" else "h264"))
    codes = [code for code in codes[:-1] if code]
    check(f"WebRTC {stream}: ffmpeg decodes what it got, of camera 1 alone", len(codes) > 20 and
          {code[0] for code in codes} == {1}, (len(codes), complaints[:500]))
    steps = [b[1] - a[1] for a, b in zip(codes, codes[1:])]
    # Those of a cached group may be left out, and what came too late on a busy machine.
    check(f"WebRTC {stream}: one after the other", min(steps) > 0 and steps.count(1) >= 10, steps)


def offers(server, token):
    kind = {"Content-Type": "application/sdp"}
    path = "/api/v1/cameras/door/whep?stream="
    without = server.ask("POST", path + "main", OFFER, bearer=token, headers=kind)
    check("an offer without H265: 406, and names what both have", without.status == 406 and
          without.problem == "codec-not-offered" and "is H265 hvc1.1." in without.json["detail"] and
          "receives H264, VP8." in without.json["detail"], without)
    sub = server.ask("POST", path + "sub", OFFER, bearer=token, headers=kind)
    check("the same for the sub stream is answered with H264", sub.status == 201 and b"H264/90000" in sub.body, sub)
    server.ask("DELETE", sub.headers["Location"], bearer=token)
    both = OFFER.replace(b"VP8/90000", b"H265/90000\r\na=fmtp:97 level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST")
    main = server.ask("POST", path + "main", both, bearer=token, headers=kind)
    check("one with H265 is answered with it, at the stream's level", main.status == 201 and b"H264" not in main.body and
          re.search(rb"a=fmtp:97 level-id=(\d+);profile-id=1;tier-flag=0;tx-mode=SRST", main.body), main)
    server.ask("DELETE", main.headers["Location"], bearer=token)


def change(cameras, server, cookie):
    """The camera is set to H.264 and starts again on the same port, while somebody watches."""
    port = cameras.address.rpartition(":")[2]
    stream, _ = server.open("/api/v1/cameras/door/live.mp4?home=verdi&stream=main", cookie=cookie)
    stream.settimeout(PATIENCE_S)
    cameras.end()
    other = Cameras(1, "--listen", f"127.0.0.1:{port}")
    got = until(lambda: str(streams_of(server, cookie, "door")["main"]["codec"]).startswith("avc1"), 2 * PATIENCE_S)
    check("a camera that changes its codec is told as what it is now", got, streams_of(server, cookie, "door"))
    ended = False
    try:
        while stream.recv(65536):
            pass
        ended = True
    except ConnectionError:
        ended = True
    except TimeoutError:
        pass
    check("the response in the other codec ends", ended)
    stream.close()
    data = record(server, "/api/v1/cameras/door/live.mp4?home=verdi&stream=main", 60, cookie=cookie)
    codes, wrong = misses(data, MAIN)
    check("and the next one is of the new codec", b"avc1" in data[:2000] and len(codes) > 30 and not wrong, wrong[:5])
    other.end()


def main():
    cameras = Cameras(1, "--main-codec", "h265")
    rows = [{"id": "door", "main": cameras.url(1), "sub": cameras.url(1, "sub"), "keep": "always"}]
    server = Server({"homes": [{"id": "verdi", "name": "Casa Verdi", "allow": ["127.0.0.0/8"], "cameras": rows,
                                "accounts": [{"name": "anna", "role": "owner", "password_file": "pw"}]}]}, {"pw": PASSWORD})
    anna = server.sign_in("anna", PASSWORD)
    until(lambda: all(s["codec"] for s in streams_of(server, anna, "door").values()))
    streams = streams_of(server, anna, "door")
    check("the API tells both codecs and sizes", streams["main"]["codec"].startswith("hvc1.1.") and
          streams["sub"]["codec"].startswith("avc1.") and streams["main"]["width"] == MAIN and
          streams["main"]["height"] == 720, streams)
    live(server, anna, "main", MAIN, b"hvc1")
    live(server, anna, "sub", SUB, b"avc1")
    still(server, anna, "", f"{MAIN},720")
    still(server, anna, "&width=320", "320,180")
    token = token_of(server)
    gstreamer_sees(server, token, "main", MAIN, "h265")
    gstreamer_sees(server, token, "sub", SUB, "h264")
    offers(server, token)
    change(cameras, server, anna)
    check("no alarm was raised", "alarm" not in server.log, server.log[-1000:])
    server.end()
    cameras.end()
    server.remove()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
