#!/usr/bin/python3
"""Speaks to casement's own cameras and to GStreamer's RTSP server by ONVIF's backchannel: talk.py

What the camera heard is the tone that was spoken, whole, and nothing else; pictures come beside it
as ever; what a camera does not offer, or refuses, is named. Exit 77: GStreamer is missing."""

import importlib.util
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 2  # of speech
PATIENCE = 9  # seconds until what was said is heard: the session is kept open for 10
RATE = 8000
PACKET = 160  # samples
EARS = {"pcmu": ("PCMU", 0, "rtppcmudepay"), "pcma": ("PCMA", 8, "rtppcmadepay")}
counted = failed = 0


def verdict(name, wrong):
    global counted, failed
    counted += 1
    failed += bool(wrong)
    print(f"{'not ok' if wrong else 'ok'} {counted} - {name}", flush=True)
    for line in wrong:
        print("#", str(line).replace("\n", "\n# "))


def program(name):
    return next(p for p in (f"build/release/tests/tools/{name}", f"build/debug/tests/tools/{name}") if os.path.exists(p))


# ---- what was heard ----

def samples_of(path, codec):
    """Linear samples of a file of G.711, by ffmpeg."""
    kind = "mulaw" if codec == "pcmu" else "alaw"
    done = subprocess.run(["ffmpeg", "-v", "error", "-f", kind, "-ar", str(RATE), "-ac", "1", "-i", path, "-f", "s16le",
                           "pipe:1"], capture_output=True, check=False)
    return struct.unpack(f"<{len(done.stdout) // 2}h", done.stdout)


def share(samples, hertz):
    """How much of the samples' power is a tone (Goertzel): near 1 for a pure one."""
    turn = 2 * math.pi * hertz / RATE
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + 2 * math.cos(turn) * last - before
    power = before * before + last * last - 2 * math.cos(turn) * before * last
    return 2 * power / len(samples) / max(1, sum(s * s for s in samples))


def wrong_with(done, path, codec, hertz):
    if done.returncode != 0 or "left_out=0 pictures=live lost=0" not in done.stdout:
        return [done.stdout, done.stderr]
    samples = samples_of(path, codec) if os.path.exists(path) else ()
    if len(samples) != sent_of(done) * PACKET:
        return [f"{sent_of(done)} packets sent, {len(samples) / PACKET} heard", done.stdout]
    tone = share(samples[:RATE], hertz)
    return [] if tone > 0.98 else [f"only {tone:.2f} of the power is at {hertz} Hz"]


def sent_of(done):
    found = re.search(r"^sent=(\d+) ", done.stdout, re.M)
    return int(found[1]) if found else 0


def speak(address, options, heard):
    """Until the file `heard` has what was sent, or no longer can."""
    with subprocess.Popen([program("talk_demo"), "-t", str(SECONDS), *options, address], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        errors = []
        threading.Thread(target=lambda: errors.append(demo.stderr.read()), daemon=True).start()
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if line.startswith("sent="):
                break
        done = subprocess.CompletedProcess([], 0, "".join(lines))
        end = time.monotonic() + PATIENCE
        while sent_of(done) > 0 and time.monotonic() < end and \
                (not os.path.exists(heard) or os.path.getsize(heard) < sent_of(done) * PACKET):
            time.sleep(0.02)
        demo.stdin.close()
        done.returncode = demo.wait(60)
        done.stderr = "".join(errors)
    return done


# ---- GStreamer's server ----

def serve(codec, method, heard):
    """With a test picture, and an ear whose samples go to a file. In a process of its own."""
    spec = importlib.util.spec_from_file_location("_rtsp_server", os.path.join(HERE, "_rtsp_server.py"))
    server = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(server)
    encoding, payload_type, depay = EARS[codec]
    launch_of = server.launch_of
    # Its pictures run in a session of the ear alone too, where they go nowhere: which is no error then.
    server.launch_of = lambda *words: launch_of(*words).replace(" ! x264enc", " ! tee allow-not-linked=true ! x264enc")

    def factory():
        made = server.GstRtspServer.RTSPOnvifMediaFactory()
        made.set_media_gtype(server.GstRtspServer.RTSPOnvifMedia.__gtype__)
        made.set_backchannel_launch(
            f'( capsfilter caps="application/x-rtp, media=audio, payload={payload_type}, clock-rate={RATE},'
            f' encoding-name={encoding}" name=depay_backchannel ! {depay} ! filesink location={heard} async=false'
            " sync=false buffer-mode=unbuffered append=true )")
        return made
    server.make_server, server.make_factory = server.GstRtspServer.RTSPOnvifServer, factory
    sys.argv = ["_rtsp_server.py", method, "both"]
    server.main()


def to_gstreamer(folder):
    password = os.path.join(folder, "password")
    with open(password, "w", encoding="utf-8") as file:
        file.write("secret\n")
    for codec, method, options, hertz in (("pcmu", "none", [], 440), ("pcma", "digest", ["-U"], 700)):
        heard = os.path.join(folder, f"gstreamer.{codec}")
        command = ["/usr/bin/python3", os.path.abspath(__file__), "--serve", codec, method, heard]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            port = server.stdout.readline().strip()
            if not port:
                server.wait()
                sys.exit(77 if server.returncode == 77 else 1)
            login = ["-u", "admin", "-p", password] if method != "none" else []
            done = speak(f"rtsp://127.0.0.1:{port}/live", ["-f", str(hertz), *options, *login], heard)
            server.stdin.close()
            server.wait(timeout=60)
        verdict(f"GStreamer: {codec} {method} {' '.join(options)}", wrong_with(done, heard, codec, hertz))


# ---- casement's own cameras ----

# what the cameras want, our options, the failure that must be named
CASES = [
    ("pcmu", [], None),
    ("pcmu", ["-U"], None),
    ("pcma", ["-U"], None),
    ("pcma", ["-a"], None),
    ("refused", [], 'talk failed cause=talk_refused detail="answers 551 to DESCRIBE"'),
    ("none", [], 'talk failed cause=no_loudspeaker detail="it offers no way to speak to it"'),
]


def wrong_with_failure(done, wanted):
    """The failure is named, nothing was sent, and the pictures came all the same."""
    is_right = wanted in done.stdout and "sent=0 left_out=0 pictures=live" in done.stdout
    return [] if is_right else [f"no {wanted}", done.stdout, done.stderr]


def to_simcam(folder):
    helper = next(p for p in ("build/release/casement-helper", "build/debug/casement-helper") if os.path.exists(p))
    for number, (talk, options, failure) in enumerate(CASES):
        heard = os.path.join(folder, str(number))
        with subprocess.Popen([program("simcam"), "--port", "0", "--cameras", "2", "--variants", "1", "--kbps", "800",
                               "--talk", talk, "--heard", heard, "--helper", helper, "--cache", folder],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as simcam:
            address = re.search(r"rtsp:\S+", simcam.stdout.readline())[0]
            threading.Thread(target=simcam.stdout.read, daemon=True).start()
            done = speak(f"{address}/cam2", ["-f", "520", *options], os.path.join(heard, "cam2.ulaw"))
            simcam.terminate()
            simcam.wait(60)
        wrong = wrong_with_failure(done, failure) if failure else \
            wrong_with(done, os.path.join(heard, "cam2.ulaw"), "pcmu", 520)
        others = [name for name in os.listdir(heard) if name != "cam2.ulaw"]
        verdict(f"simcam: {talk} {' '.join(options)}", wrong + ([f"heard elsewhere: {others}"] if others else []))


def main():
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:5])
        return 0
    with tempfile.TemporaryDirectory() as folder:
        to_gstreamer(folder)
        to_simcam(folder)
    print(f"1..{counted}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
