#!/usr/bin/python3
"""A WHEP viewer made of aiortc (Debian's python3-aiortc): prints `frame CAMERA COUNTER` for each
decoded picture (`frame none` when its code can't be read), `state NAME` for each state of the
connection, and `session URL` once it is answered. With `sound` it asks for that too, and prints how
its line was answered, `audio DIRECTION`, and `tone HZ` for each half second of it. With `speak=HZ` it
says that tone to the camera, in the same line if it asks for sound as well. Ends when standard input
does.

  _webrtc_aiortc.py URL TOKEN [wrong-fingerprint|sound] [speak=HZ] [address=IP]

With `-` for URL the offer is printed as `offer JSON`, and the answer is read as a line of JSON: for a
viewer whom no HTTP reaches. `address`: which of this machine's it speaks from."""

import array
import asyncio
import fractions
import json
import math
import re
import sys
import time
import urllib.error
import urllib.request

import aioice.ice
import aiortc
import av

import _server

# Tests stay on loopback, which aioice leaves out, or in a namespace of their own.
OWN = [word.removeprefix("address=") for word in sys.argv if word.startswith("address=")] or ["127.0.0.1"]
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: OWN if use_ipv4 else []


def say(*words):
    print(*words, flush=True)


def post(url, token, offer):
    if url == "-":
        say("offer", json.dumps(offer))
        return json.loads(sys.stdin.readline())
    who = {"Cookie": token, "Sec-Fetch-Site": "same-origin"} if "=" in token else {"Authorization": "Bearer " + token}  # a guest has a cookie
    request = urllib.request.Request(url, offer.encode(), {"Content-Type": "application/sdp", **who})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            say("session", answer.headers["Location"])
            return answer.read().decode()
    except urllib.error.HTTPError as problem:
        sys.exit(f"{problem.code}: {problem.read().decode()}")


def code_of(frame):
    plane = frame.reformat(format="gray").planes[0]
    rows = bytes(plane)
    line, width = plane.line_size, frame.width
    strip = b"".join(rows[y * line:y * line + width] for y in range(width // 40 * 2))
    return _server.code_of(strip, width)


async def watch(track):
    while True:
        try:
            frame = await track.recv()
        except aiortc.mediastreams.MediaStreamError:
            say("ended")
            return
        say("frame", *(code_of(frame) or ["none"]))


def pitch_of(samples, rate):
    """Of a pure tone: how often it rises through zero."""
    rises = sum(a < 0 <= b for a, b in zip(samples, samples[1:]))
    return round(rises * rate / len(samples))


async def listen(track):
    samples = array.array("h")
    while True:
        try:
            frame = await track.recv()
        except aiortc.mediastreams.MediaStreamError:
            say("silent")
            return
        plane = array.array("h", bytes(frame.planes[0])[:frame.samples * 2 * len(frame.layout.channels)])
        samples += plane[::len(frame.layout.channels)]
        if len(samples) >= frame.sample_rate / 2:
            say("tone", pitch_of(samples, frame.sample_rate) if max(samples) > 1000 else 0)
            del samples[:]


class Voice(aiortc.mediastreams.AudioStreamTrack):
    """A tone, in packets of 20 ms."""

    def __init__(self, pitch):
        super().__init__()
        self.pitch, self.at, self.began = pitch, 0, None

    async def recv(self):
        self.began = self.began or time.monotonic()
        await asyncio.sleep(max(0, self.began + self.at / 8000 - time.monotonic()))
        samples = array.array("h", (round(8000 * math.sin(2 * math.pi * self.pitch * (self.at + n) / 8000)) for n in range(160)))
        frame = av.AudioFrame(format="s16", layout="mono", samples=160)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate, frame.pts, frame.time_base = 8000, self.at, fractions.Fraction(1, 8000)
        self.at += 160
        return frame


async def until_input_ends():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def main(url, token, *more):
    connection = aiortc.RTCPeerConnection()
    connection.addTransceiver("video", direction="recvonly")
    pitch = next((int(word.removeprefix("speak=")) for word in more if word.startswith("speak=")), 0)
    if pitch:
        connection.addTransceiver(Voice(pitch), direction="sendrecv" if "sound" in more else "sendonly")
    elif "sound" in more:
        connection.addTransceiver("audio", direction="recvonly")
    connection.on("connectionstatechange", lambda: say("state", connection.connectionState))
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    if "wrong-fingerprint" in more:
        lines = [line[:-2] + ("00" if not line.endswith("00") else "11")
                 if line.startswith("a=fingerprint:") else line for line in offer.split("\r\n")]
        offer = "\r\n".join(lines)
    answer = post(url, token, offer)
    for line in re.findall(r"^m=audio.*?^a=(\w+only|sendrecv|inactive)", answer, re.M | re.S):
        say("audio", line)
    await connection.setRemoteDescription(aiortc.RTCSessionDescription(answer, "answer"))
    takers = {"video": watch, "audio": listen}
    tracks = [receiver.track for receiver in connection.getReceivers()]  # None of a line that is inactive
    tasks = [asyncio.ensure_future(takers[track.kind](track)) for track in tracks if track]
    await until_input_ends()
    for task in tasks:
        task.cancel()
    await connection.close()

asyncio.run(main(*sys.argv[1:]))
