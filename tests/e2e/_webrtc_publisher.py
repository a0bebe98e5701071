#!/usr/bin/python3
"""A WHIP publisher made of aiortc (Debian's python3-aiortc), as a browser is one: it encodes pictures
that carry the code of CAMERA and a counter, as H.264, answers NACKs by RTX and keyframe requests by a
keyframe. Prints `session URL` once it is answered, `state NAME` for each state of the connection,
`transport NAME` for those of DTLS, `refused STATUS PROBLEM` when it is not. Ends when standard input does, by DELETE.

  _webrtc_publisher.py URL TOKEN CAMERA [sound|wrong-fingerprint|recvonly|no-delete|spoils]

`spoils`: each protected packet is followed, from the same address, by itself once more, by itself cut
short in two places, and by a goodbye that nobody protected."""

import asyncio
import fractions
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import aioice.ice
import aiortc
import av

import _server

# Tests stay on loopback, which aioice leaves out.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"] if use_ipv4 else []

WIDTH, HEIGHT, CELL = 640, 360, 16
PICTURE_S = 0.05


def say(*words):
    print(*words, flush=True)


def request(method, url, token, body=None):
    who = {"Cookie": token, "Sec-Fetch-Site": "same-origin"} if "=" in token else {"Authorization": "Bearer " + token}  # a browser has a cookie
    sent = urllib.request.Request(url, body, {"Content-Type": "application/sdp", **who}, method=method)
    return urllib.request.urlopen(sent, timeout=60)


def bits_of(value, count):
    return [value >> (count - 1 - i) & 1 for i in range(count)]


def picture(camera, counter):
    """src/simcam/code.h: 80 cells in two rows, the rest gray."""
    said = bits_of(camera, 16) + bits_of(counter, 32)
    bits = bits_of(0xA6, 8) + said + bits_of(_server.crc16(said), 16) + bits_of(0x59, 8)
    rows = [b"".join(bytes([235 if bit else 16]) * CELL for bit in bits[row * 40:row * 40 + 40]) * CELL
            for row in range(2)]
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    luma = b"".join(rows) + bytes([96]) * (WIDTH * (HEIGHT - 2 * CELL))
    frame.planes[0].update(luma)
    for plane in frame.planes[1:]:
        plane.update(bytes([128]) * (WIDTH * HEIGHT // 4))
    return frame


class Pictures(aiortc.VideoStreamTrack):
    def __init__(self, camera):
        super().__init__()
        self.camera, self.counter, self.began = camera, 0, None

    async def recv(self):
        self.began = self.began or time.monotonic()
        await asyncio.sleep(max(0, self.began + self.counter * PICTURE_S - time.monotonic()))
        frame = picture(self.camera, self.counter)
        frame.pts, frame.time_base = int(self.counter * PICTURE_S * 90000), fractions.Fraction(1, 90000)
        self.counter += 1
        return frame


def post(url, token, offer):
    try:
        with request("POST", url, token, offer.encode()) as answer:
            location = urllib.parse.urljoin(url, answer.headers["Location"])
            say("session", location)
            return location, answer.read().decode()
    except urllib.error.HTTPError as problem:
        document = json.loads(problem.read())
        say("refused", problem.code, document["type"].rpartition("/")[2])
        sys.exit(1)


def spoil_fingerprint(offer):
    return "\r\n".join(line[:-2] + ("00" if not line.endswith("00") else "11")
                       if line.startswith("a=fingerprint:") else line for line in offer.split("\r\n"))


def is_protected(datagram):
    return 128 <= datagram[0] <= 191  # RFC 7983


def spoil(ice):
    send = ice._send  # pylint: disable=protected-access
    goodbye = b"\x81\xcb\x00\x01" + bytes(40)

    async def spoiled(datagram):
        await send(datagram)
        if is_protected(datagram):
            for other in (datagram, datagram[:-1], datagram[:9], goodbye):
                await send(other)
    ice._send = spoiled  # pylint: disable=protected-access


async def until_input_ends():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def main(url, token, camera, *more):
    connection = aiortc.RTCPeerConnection()
    direction = "recvonly" if "recvonly" in more else "sendonly"
    connection.addTransceiver("video" if direction == "recvonly" else Pictures(int(camera)), direction=direction)
    if "sound" in more:
        connection.addTransceiver(aiortc.mediastreams.AudioStreamTrack(), direction="sendonly")
    connection.on("connectionstatechange", lambda: say("state", connection.connectionState))
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    if "wrong-fingerprint" in more:
        offer = spoil_fingerprint(offer)
    location, answer = post(url, token, offer)
    transport = connection.getTransceivers()[0].sender.transport
    if "spoils" in more:
        spoil(transport.transport)
    transport.on("statechange", lambda: say("transport", transport.state))
    await connection.setRemoteDescription(aiortc.RTCSessionDescription(answer, "answer"))
    await until_input_ends()
    if "no-delete" not in more:
        with request("DELETE", location, token):
            pass
    await connection.close()

asyncio.run(main(*sys.argv[1:]))
