#!/usr/bin/env python3
"""`./bench live`: the figures of the live path, each with what the same work costs at least, or in
Debian's peer, in the same run. Prints a table and leaves build/bench/live.json.

CPU is user and system time of the server's process over a steady window; memory is PSS without the
helpers. Each figure is the median of three windows or more. Server and limits run on one core,
cameras and viewers on the other."""

import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import rig
from report import GB, MB, Figures, machine, say, share
from rig import LOAD, MEASURED, Process, program

CAMERAS, VIEWERS = 50, 200
RECORD = 16384
# The second row of viewers: as many on fewer cameras, so that what a camera costs and what a viewer
# costs can be told apart.
FEW_CAMERAS = 10
QUICK, ONLY_VIEWERS = "--quick" in sys.argv[1:], "--only" in sys.argv[1:]
# Rounds of everything, so that each figure and its limit see the same weather; windows in a round.
ROUNDS, WINDOWS, SECONDS = (1, 3, 2) if QUICK else (3, 2, 4)
STARTS, AGE_SECONDS = (12, 4) if QUICK else (30, 20)
STILLS, KEYFRAMES = (200, 12) if QUICK else (600, 40)


# ---- 1: cameras in ----

def receive(server, cpu):
    """CPU shares of the server with nobody watching, and of the bare receiver."""
    for _ in range(WINDOWS):
        frames = server.metrics()["casement_frames_in_total"]
        before, began = rig.cpu_seconds(server.id), time.monotonic()
        time.sleep(SECONDS)
        took = time.monotonic() - began
        cpu["in"].append((rig.cpu_seconds(server.id) - before) / took * 100)
        frames = server.metrics()["casement_frames_in_total"] - frames
        cpu["frames"].append(frames / took / CAMERAS)
    with Process(MEASURED, [program("bare_receiver"), "--port", server.camera_port, "--cameras",
                            CAMERAS, "--seconds", SECONDS, "--windows", WINDOWS], "receiver.log") as bare:
        for _ in range(WINDOWS):
            window = bare.json()
            cpu["in_bare"].append(window["cpu_s"] / window["seconds"] * 100)


def note_memory(server, cpu):
    cpu["pss"].append(rig.pss_bytes(server.id) / MB)
    cpu["cached"].append(server.metrics()["casement_cached_bytes"] / MB)


# ---- 2: viewers ----

def viewers(port, seconds, windows, *more, cameras=CAMERAS):
    return Process(LOAD, [program("http_viewers"), "--port", port, "--viewers", VIEWERS,
                          "--cameras", cameras, "--seconds", seconds, "--windows", windows,
                          "--warm", 2, *more], "viewers.log")


def watch(process_id, load, notes=None, windows=WINDOWS):
    """CPU seconds per GB of a process that serves `load`, a window each."""
    if load.line() != "steady":
        raise RuntimeError("http_viewers said something else")
    costs = []
    for _ in range(windows):
        before = rig.cpu_seconds(process_id)
        window = load.json()
        costs.append((rig.cpu_seconds(process_id) - before) / window["bytes"] * GB)
        if window["silent"] > 0:
            raise RuntimeError(f"{window['silent']} viewers got nothing")
        if notes is not None:
            notes.append(window)
    return costs


def bare_write(sizes, *more):
    with Process(MEASURED, [program("bare_writer"), "--sizes", sizes, "--viewers", VIEWERS,
                            "--cameras", CAMERAS, "--seconds", SECONDS, "--windows", WINDOWS,
                            *more], "writer.log") as bare:
        tls = ["--tls"] if "--tls" in more else []
        # One window that is long enough: the writer ends first.
        with viewers(bare.line(), SECONDS * WINDOWS + 10, 1, *tls):
            windows = [bare.json() for _ in range(WINDOWS)]
    return [window["cpu_s"] / window["bytes"] * GB for window in windows]


def send(server, cost, notes):
    sizes = os.path.join(rig.SCRATCH, "sizes")
    own = ["--cookies", server.cookies_path, "--probes", 4]
    with viewers(server.HTTP, SECONDS, WINDOWS, "--sizes", sizes, *own) as load:
        cost["plain"] += watch(server.id, load, notes["plain"])
    cost["plain_bare"] += bare_write(sizes)
    with viewers(server.HTTPS, SECONDS, WINDOWS, "--tls", *own) as load:
        cost["tls"] += watch(server.id, load, notes["tls"])
    cost["tls_bare"] += bare_write(sizes, "--tls", "--block", RECORD)
    with viewers(server.RTSP, SECONDS, WINDOWS, "--rtsp", "--cookies", server.tokens_path) as load:
        cost["rtsp"] += watch(server.id, load, notes["rtsp"])
    if not QUICK:
        cost["tls_pictures"] += bare_write(sizes, "--tls")
    if shutil.which("nginx") and not QUICK:
        cost["nginx"] += nginx(notes["plain"][-1]["bytes"] / notes["plain"][-1]["seconds"])


NGINX = """daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  sendfile on; server {{ listen 127.0.0.1:18990; root {folder}; limit_rate {rate}; }} }}
"""


def nginx(rate):
    """Debian's nginx sends a file from the page cache, at the same rate to as many viewers."""
    folder = os.path.join(rig.SCRATCH, "nginx")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "film"), "wb") as file:
        file.write(os.urandom(1 << 20) * 64)
    with open(os.path.join(folder, "conf"), "w", encoding="ascii") as file:
        file.write(NGINX.format(folder=folder, rate=int(rate / VIEWERS)))
    with Process(MEASURED, [shutil.which("nginx"), "-c", os.path.join(folder, "conf"),
                            "-e", os.path.join(folder, "error")], "nginx.log") as peer:
        time.sleep(0.5)
        with viewers(18990, SECONDS, WINDOWS, "--path", "/film") as load:
            return watch(peer.id, load)


# ---- 3: what a person sees ----

def see(server):
    answer = subprocess.run(["node", os.path.join(rig.ROOT, "benchmarks/picture.mjs"),
                             f"https://127.0.0.1:{server.HTTPS}", server.cookies[0], str(STARTS),
                             str(AGE_SECONDS)], check=True, capture_output=True, text=True,
                            timeout=240)
    return json.loads(answer.stdout)


# ---- 4: stills ----

class Stills:
    """Asks for stills on a connection that stays open."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.HTTP, timeout=10)
        self.fields = {"Cookie": server.cookies[1]}

    def get(self, camera):
        """(milliseconds, time of capture)"""
        began = time.perf_counter()
        self.connection.request("GET", f"/api/v1/cameras/cam{camera}/still.jpg", headers=self.fields)
        answer = self.connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200 or not body.startswith(b"\xff\xd8"):
            raise RuntimeError(f"still: {answer.status} {body[:200]}")
        return took, answer.getheader("Casement-Capture-Time")


def ask_stills(server):
    """Times of stills of the same keyframe again, and of the first one of a new keyframe. Cameras
    have theirs at different moments; one after the other is asked, so that none waits for another."""
    stills = Stills(server)
    warm, fresh, last = [], [], {}
    turn = 0
    while len(warm) < STILLS or len(fresh) < KEYFRAMES:
        camera = turn % 8 + 1
        turn += 1
        took, captured = stills.get(camera)
        is_fresh = last.get(camera) != captured
        if camera in last:
            (fresh if is_fresh else warm).append(took)
        last[camera] = captured
        time.sleep(0.005)
    return warm, fresh


# ---- all ----

def measure(server, figures):
    cpu = {key: [] for key in ("in", "in_bare", "pss", "cached", "frames")}
    cost = {key: [] for key in ("plain", "plain_bare", "tls", "tls_bare", "tls_pictures",
                                  "rtsp", "nginx")}
    notes = {"plain": [], "tls": [], "rtsp": []}
    for i in range(ROUNDS):
        say(f"round {i + 1} of {ROUNDS}: 50 cameras in")
        for _ in range(3 if i == 0 else 0):
            note_memory(server, cpu)
        receive(server, cpu)
        say(f"round {i + 1} of {ROUNDS}: 200 viewers")
        send(server, cost, notes)
    pss, cached = statistics.median(cpu["pss"]), statistics.median(cpu["cached"])
    figures.add("50 cameras in: CPU", "% of a core", cpu["in"], 3.5, cpu["in_bare"],
                "recv and throw away", goal=2.5)
    # On a machine with other work the cameras may be too slow: then the figure above flatters us.
    figures.add("  pictures a second that each sent, of 20", "", cpu["frames"], None)
    figures.add("50 cameras in: PSS", "MB", cpu["pss"], 15 + 2 * cached, [cached],
                "MB cached, sealed")
    figures.add("200 viewers: CPU", "s/GB", cost["plain"], 1.2, cost["plain_bare"],
                "bare writes, nothing received")
    if cost["nginx"]:
        figures.rows[-1]["nginx_runs"] = cost["nginx"]
        figures.rows[-1]["beside_name"] += f"; nginx file {statistics.median(cost['nginx']):.3g}"
    rate = statistics.median(note["bytes"] / note["seconds"] for note in notes["plain"])
    ingest = statistics.median(cpu["in"]) / 100 / rate * GB
    figures.add("  of it sending alone", "s/GB", [value - ingest for value in cost["plain"]], None)
    tls_bare = statistics.median(cost["tls_bare"])
    figures.add("200 viewers, TLS 1.3: CPU", "s/GB", cost["tls"], 1.5 * tls_bare, cost["tls_bare"],
                "SSL_write of 16 KiB")
    if cost["tls_pictures"]:
        figures.rows[-1]["pictures_runs"] = cost["tls_pictures"]
        figures.rows[-1]["beside_name"] += (
            f"; of pictures {statistics.median(cost['tls_pictures']):.3g}")
    figures.add("  of it sending alone", "s/GB", [value - ingest for value in cost["tls"]], None)
    figures.add("200 programs by RTSP: CPU", "s/GB", cost["rtsp"], None, cost["plain"], "live.mp4 over plain HTTP")
    figures.add("  of it sending alone", "s/GB", [value - ingest for value in cost["rtsp"]], None)
    figures.add("  late pictures", "gaps > 150 ms", [note["late"] for note in notes["rtsp"]], 0)
    figures.add("200 viewers: late pictures", "gaps > 150 ms", [note["late"] for note in
                                                                notes["plain"] + notes["tls"]], 0)
    figures.add("200 viewers: age at the socket, p99", "ms",
                [note["age_p99_ms"] for note in notes["plain"] + notes["tls"]], None)


def measure_few_cameras(camera_port, figures):
    """200 viewers on a server with few cameras."""
    say(f"200 viewers on {FEW_CAMERAS} cameras")
    with rig.Server(FEW_CAMERAS, camera_port) as server:
        own = ["--cookies", server.sign_in()[1]]
        time.sleep(4)
        with viewers(server.HTTP, SECONDS, ROUNDS, *own, cameras=FEW_CAMERAS) as load:
            plain = watch(server.id, load, windows=ROUNDS)
        with viewers(server.HTTPS, SECONDS, ROUNDS, "--tls", *own, cameras=FEW_CAMERAS) as load:
            tls = watch(server.id, load, windows=ROUNDS)
    figures.add(f"200 viewers on {FEW_CAMERAS} cameras: CPU", "s/GB", plain, None)
    figures.add(f"200 viewers on {FEW_CAMERAS} cameras, TLS 1.3: CPU", "s/GB", tls, None)


def measure_people(server, figures):
    say("Chromium")
    seen = see(server)
    figures.add("fetch to first picture, p50", "ms", [share(seen["first_ms"], 0.5)], 150,
                samples=seen["first_ms"])
    figures.add("fetch to first picture, worst", "ms", [max(seen["first_ms"])], 400)
    figures.add("age on screen, p50", "ms", [share(seen["ages_ms"], 0.5)], 250,
                samples=len(seen["ages_ms"]))
    figures.add("age on screen, p99", "ms", [share(seen["ages_ms"], 0.99)], 600)
    say("stills")
    warm, fresh = ask_stills(server)
    figures.add("still again, p50", "ms", [share(warm, 0.5)], 3, samples=len(warm))
    figures.add("still of a new keyframe, worst", "ms", [max(fresh)], 80, [share(fresh, 0.5)],
                "ms, p50", samples=fresh)


def measure_seals(figures):
    for backend, target in (("ipsec-mb", 0.4), ("evp", 1.2)):
        done = subprocess.run([program("seal_cost")], check=True, capture_output=True, text=True,
                              env=os.environ | {"CASEMENT_AEAD": backend})
        cost = json.loads(done.stdout)
        if cost["backend"] != backend:
            continue  # this machine has it not
        figures.add(f"seal a granule, {backend}", "us", [cost["seal_us"]], target)
        figures.add(f"open a granule, {backend}", "us", [cost["open_us"]], target)


def main():
    shutil.rmtree(rig.SCRATCH, ignore_errors=True)
    os.makedirs(rig.SCRATCH)
    figures, about = Figures(), machine()
    if not ONLY_VIEWERS:
        measure_seals(figures)
    scenes = os.path.join(rig.ROOT, "build/bench/scenes")
    with Process(LOAD, [program("bench_simcam"), "--cameras", CAMERAS, "--auth", "none", "--sound", "none", "--port",
                        0, "--helper", os.path.join(rig.BUILD, "casement-helper"), "--cache",
                        scenes], "cameras.log") as cameras:
        say("starting 50 cameras and the server")
        port = cameras.line().rsplit(":", 1)[1]
        with rig.Server(CAMERAS, port) as server:
            server.camera_port = port
            server.cookies, server.cookies_path = server.sign_in()
            server.tokens_path = server.make_tokens()
            time.sleep(4)  # a whole group of pictures of each
            measure(server, figures)
            if not ONLY_VIEWERS:
                measure_people(server, figures)
        if not QUICK:
            measure_few_cameras(port, figures)
    figures.report("live", about, is_quick=QUICK, cameras=CAMERAS, viewers=VIEWERS)


main()
