#!/usr/bin/python3
"""Receives sound from GStreamer's RTSP server and from casement's own cameras: ingest_sound.py

Each codec, over TCP and UDP: what opens under a lease that may listen is decoded by others' programs
and holds the tone that was sent; none is lost; all pictures come beside it; a codec that
is unknown is named. Exit 77: GStreamer is missing."""

import importlib.util
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
FRAMES, SECONDS, LIMIT_S = 60, 2, 60  # of each case: pictures, and a part of the sound beside them
HERTZ = 440
RATE = 8000  # at which tones are looked for
PICTURES = ("videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=20/1"
            " ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=400 key-int-max=20"
            " ! rtph264pay name=pay0 pt=96 config-interval=0")
TONE = f"audiotestsrc is-live=true wave=sine freq={HERTZ} volume=0.3 ! audioconvert ! audioresample"
SOUNDS = {
    "pcmu": f"{TONE} ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay1 pt=0",
    "pcma": f"{TONE} ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8",
    "aac": f"{TONE} ! audio/x-raw,rate=16000,channels=1 ! voaacenc bitrate=48000 ! rtpmp4gpay name=pay1 pt=97",
    "aac-stereo": f"{TONE} ! audio/x-raw,rate=44100,channels=2 ! voaacenc bitrate=96000 ! rtpmp4gpay name=pay1 pt=97",
    "opus": f"{TONE} ! audio/x-raw,rate=48000,channels=2 ! opusenc bitrate=48000 ! rtpopuspay name=pay1 pt=111",
    "l16": f"{TONE} ! audio/x-raw,rate=44100,channels=1 ! rtpL16pay name=pay1 pt=98",
}
# codec, server's transport, ours: options; what must stand in the output
CASES = [
    ("pcmu", "tcp", [], "sound codec=pcmu rate=8000 channels=1"),
    ("pcma", "udp", ["-U"], "sound codec=pcma rate=8000 channels=1"),
    ("aac", "tcp", [], "sound codec=aac rate=16000 channels=1"),
    ("aac-stereo", "udp", ["-U"], "sound codec=aac rate=44100 channels=2"),
    ("opus", "both", [], "sound codec=opus rate=48000 channels=2"),
    ("opus", "both", ["-U"], "sound codec=opus rate=48000 channels=2"),
    ("l16", "tcp", [], 'detail="its sound is of a codec unknown here: L16"'),
]
counted = failed = 0


def verdict(name, wrong):
    global counted, failed
    counted += 1
    failed += bool(wrong)
    print(f"{'not ok' if wrong else 'ok'} {counted} - {name}", flush=True)
    for line in wrong:
        print("#", line.replace("\n", "\n# "))


def program(name):
    return next(p for p in (f"build/release/tests/tools/{name}", f"build/debug/tests/tools/{name}") if os.path.exists(p))


# ---- what was heard ----

def frames_of(path):
    """Pairs of the time of capture in seconds and the codec's bytes."""
    with open(path, "rb") as file:
        data = file.read()
    at, frames = 0, []
    while at < len(data):
        size, captured = struct.unpack_from(">IQ", data, at)
        frames.append((captured / 1e6, data[at + 12:at + 12 + size]))
        at += 12 + size
    return frames


def adts(config, frame):
    """The frame behind a header that says its configuration (ISO/IEC 13818-7 6.2)."""
    bits = int(config[:4], 16)
    kind, rate, channels = bits >> 11, bits >> 7 & 15, bits >> 3 & 15
    size = len(frame) + 7
    return bytes([0xff, 0xf1, (kind - 1) << 6 | rate << 2 | channels >> 2, (channels & 3) << 6 | size >> 11,
                  size >> 3 & 255, (size & 7) << 5 | 31, 0xfc]) + frame


def ogg_page(number, granule, flags, packet):
    segments = [255] * (len(packet) // 255) + [len(packet) % 255]
    page = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, 1, number, 0, len(segments)) + bytes(segments) + packet
    crc = 0
    for byte in page:  # RFC 3533 6: the polynomial 0x04c11db7, not reflected
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04c11db7 if crc & 1 << 31 else crc << 1) & 0xffffffff
    return page[:22] + struct.pack("<I", crc) + page[26:]


def ogg(frames):
    """Packets of 20 ms as a file (RFC 7845)."""
    head = struct.pack("<8sBBHIHB", b"OpusHead", 1, 2, 0, 48000, 0, 0)
    tags = struct.pack("<8sI4sI", b"OpusTags", 4, b"none", 0)
    pages = [ogg_page(0, 0, 2, head), ogg_page(1, 0, 0, tags)]
    return b"".join(pages + [ogg_page(i + 2, 960 * (i + 1), 0, f) for i, f in enumerate(frames)])


def decoded(codec, config, frames):
    """Samples at RATE, by ffmpeg."""
    kind, data = {
        "pcmu": (["-f", "mulaw", "-ar", "8000", "-ac", "1"], b"".join(frames)),
        "pcma": (["-f", "alaw", "-ar", "8000", "-ac", "1"], b"".join(frames)),
        "aac": (["-f", "aac"], b"".join(adts(config, f) for f in frames) if config else b""),
        "opus": (["-f", "ogg"], ogg(frames) if codec == "opus" else b""),
    }[codec]
    done = subprocess.run(["ffmpeg", "-v", "error", *kind, "-i", "pipe:0", "-f", "s16le", "-ac", "1", "-ar", str(RATE),
                           "pipe:1"], input=data, capture_output=True, check=False)
    return struct.unpack(f"<{len(done.stdout) // 2}h", done.stdout[:len(done.stdout) // 2 * 2]), done.stderr.decode()


def share(samples, hertz):
    """How much of the samples' power is a tone (Goertzel): near 1 for a pure one."""
    turn = 2 * math.pi * hertz / RATE
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + 2 * math.cos(turn) * last - before
    power = before * before + last * last - 2 * math.cos(turn) * before * last
    return 2 * power / len(samples) / max(1, sum(s * s for s in samples))


# ---- receiving ----

def receive(address, options, folder):
    path = os.path.join(folder, "heard")
    done = subprocess.run([program("ingest_demo"), "-t", str(LIMIT_S), "-f", str(FRAMES), "-s", path, *options, address],
                          capture_output=True, text=True, timeout=2 * LIMIT_S, check=False)
    return done, frames_of(path)


def wrong_with_pictures(done):
    """None lost, whatever the sound is."""
    found = re.search(r"camera1 live frames=(\d+) .* lost=0 malformed=0", done.stdout)
    if not found or int(found[1]) < FRAMES or done.returncode != 0:
        return [done.stdout, done.stderr]
    return []


def wrong_with_sound(done, frames, codec, hertz):
    found = re.search(r"sound .* frames=(\d+) lost=0 malformed=0 heard=(\d+) gaps=0 config=(\w*)", done.stdout)
    if not found:
        return [done.stdout]
    heard = int(found[2])
    if heard != len(frames) or int(found[1]) - heard > 2:
        return [f"{found[1]} frames, {heard} opened, {len(frames)} written"]
    samples, errors = decoded(codec, found[3], [f for _, f in frames])
    if len(samples) < RATE * SECONDS:
        return [f"{len(samples)} samples of {len(frames)} frames", errors]
    tone = share(samples[RATE // 4:RATE // 4 + RATE], hertz)
    steps = [b - a for (a, _), (b, _) in zip(frames, frames[1:])]
    lasts = len(samples) / RATE
    spans = frames[-1][0] - frames[0][0] + max(steps)
    return ([] if tone > 0.9 else [f"only {tone:.2f} of the power is at {hertz} Hz"]) + \
        ([] if min(steps) > 0 else ["times of capture stand still"]) + \
        ([] if abs(lasts - spans) < lasts / 4 else [f"{lasts:.2f} s of sound, captured within {spans:.2f} s"])


def serve(codec, transport):
    """GStreamer's server, in a process of its own."""
    spec = importlib.util.spec_from_file_location("_rtsp_server", os.path.join(HERE, "_rtsp_server.py"))
    server = importlib.util.module_from_spec(spec)
    sys.argv = ["_rtsp_server.py", "none", transport]
    spec.loader.exec_module(server)
    server.launch_of = lambda *_: f"( {PICTURES} {SOUNDS[codec]} )"
    server.main()


def from_gstreamer(folder):
    for codec, transport, options, wanted in CASES:
        command = ["/usr/bin/python3", os.path.abspath(__file__), "--serve", codec, transport]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            port = server.stdout.readline().strip()
            if not port:
                server.wait()
                sys.exit(77 if server.returncode == 77 else 1)
            done, frames = receive(f"rtsp://127.0.0.1:{port}/live", options, folder)
            server.stdin.close()
            server.wait(timeout=LIMIT_S)
        wrong = wrong_with_pictures(done) + ([] if wanted in done.stdout else [f"no {wanted}", done.stdout])
        if codec != "l16":
            wrong = wrong or wrong_with_sound(done, frames, codec.partition("-")[0], HERTZ)
        verdict(f"GStreamer: {codec} {transport} {' '.join(options)}", wrong)


def from_simcam(folder):
    """Its tones: src/simcam/tone.h."""
    helper = next(p for p in ("build/release/casement-helper", "build/debug/casement-helper") if os.path.exists(p))
    for codec in ("pcmu", "pcma", "aac", "opus"):
        with subprocess.Popen([program("simcam"), "--port", "0", "--cameras", "3", "--variants", "1", "--kbps", "800",
                               "--sound", codec, "--helper", helper, "--cache", folder], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as simcam:
            address = re.search(r"rtsp:\S+", simcam.stdout.readline())[0]
            threading.Thread(target=simcam.stdout.read, daemon=True).start()
            for number, path, options in ((1, "cam1", []), (3, "cam3/sub", ["-U"])):
                done, frames = receive(f"{address}/{path}", options, folder)
                wrong = wrong_with_pictures(done) or wrong_with_sound(done, frames, codec, 400 + 50 * number)
                if wrong and "of the power" in wrong[0]:  # a beep each second: most of it
                    wrong = wrong if float(re.search(r"0\.\d+", wrong[0])[0]) < 0.4 else wrong[1:]
                verdict(f"simcam: {codec} {path} {' '.join(options)}", wrong)
            simcam.terminate()
            simcam.wait(LIMIT_S)


def main():
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:4])
        return 0
    with tempfile.TemporaryDirectory() as folder:
        from_gstreamer(folder)
        from_simcam(folder)
    print(f"1..{counted}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
