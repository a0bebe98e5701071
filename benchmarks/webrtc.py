#!/usr/bin/env python3
"""`./bench webrtc`: what WebRTC viewers cost, beside the least that sending as many bytes to as many
sockets can cost in the same run. Prints a table and leaves build/bench/webrtc.json.

Viewers answer as browsers do: reports every 100 ms with transport-cc, 0.5 % of the packets said lost.
Server and limit run on one core, cameras and viewers on the other."""

import os
import shutil
import statistics
import subprocess
import sys
import time

import rig
from report import GB, Figures, machine, say
from rig import LOAD, MEASURED, Process, program

CAMERAS, PER_ACCOUNT, FPS = 50, 60, 20
QUICK = "--quick" in sys.argv[1:]
VIEWERS = 100 if QUICK else 300
ROUNDS, WINDOWS, SECONDS = (1, 3, 2) if QUICK else (3, 2, 4)


def watch(server, notes):
    """One round: join, steady windows."""
    before_cpu, before_pss = rig.cpu_seconds(server.id), rig.pss_bytes(server.id)
    with Process(LOAD, [program("webrtc_viewers"), "--port", server.HTTP, "--viewers", VIEWERS,
                        "--cameras", CAMERAS, "--seconds", SECONDS, "--windows", WINDOWS, "--warm", 3,
                        "--probes", 8, "--cookies", server.cookies_path], "webrtc_viewers.log") as load:
        notes["joined"].append(load.json()["joined_s"] / VIEWERS * 1000)
        notes["join_cpu"].append((rig.cpu_seconds(server.id) - before_cpu) / VIEWERS * 1000)
        if load.line() != "steady":
            raise RuntimeError("webrtc_viewers said something else")
        notes["pss"].append((rig.pss_bytes(server.id) - before_pss) / VIEWERS / 1000)
        for _ in range(WINDOWS):
            before = rig.cpu_seconds(server.id)
            window = load.json()
            if window["silent"] > 0:
                raise RuntimeError(f"{window['silent']} viewers got nothing")
            notes["cost"].append((rig.cpu_seconds(server.id) - before) / window["bytes"] * GB)
            notes["windows"].append(window)
    rig.wait_for("all viewers gone", lambda: server.metrics()["casement_rtc_sessions"] == 0, 45)


def bare(window, costs):
    """As many packets of the same size, at the same rate, to as many sockets."""
    per_picture = max(1, round(window["packets"] / window["seconds"] / VIEWERS / FPS))
    size = round(window["bytes"] / window["packets"])
    with Process(LOAD, [program("webrtc_viewers"), "--sink", "--viewers", VIEWERS, "--seconds", SECONDS,
                        "--windows", WINDOWS + 2], "sinks.log") as sinks:
        ports = [sinks.line() for _ in range(VIEWERS)]
        if sinks.line() != "listening":
            raise RuntimeError("the sinks said something else")
        with Process(MEASURED, [program("bare_rtc"), "--viewers", VIEWERS, "--cameras", CAMERAS, "--fps",
                                FPS, "--packets", per_picture, "--size", min(size, 1400), "--seconds",
                                SECONDS, "--windows", WINDOWS], "bare_rtc.log",
                     stdin=subprocess.PIPE) as sender:
            sender.child.stdin.write("\n".join(ports) + "\n")
            sender.child.stdin.close()
            for _ in range(WINDOWS):
                told = sender.json()
                costs.append(told["cpu_s"] / told["bytes"] * GB)


def receive(server, shares):
    """What receiving costs with nobody watching."""
    for _ in range(WINDOWS):
        before, began = rig.cpu_seconds(server.id), time.monotonic()
        time.sleep(SECONDS)
        shares.append((rig.cpu_seconds(server.id) - before) / (time.monotonic() - began))


def tell(notes, costs, shares, figures):
    windows = notes["windows"]
    limit = statistics.median(costs)
    rate = statistics.median(window["bytes"] / window["seconds"] for window in windows)
    ingest = statistics.median(shares) / rate * GB
    sending = [cost - ingest for cost in notes["cost"]]
    figures.add(f"{VIEWERS} viewers on {CAMERAS} cameras: CPU", "s/GB", notes["cost"], limit / 0.6,
                costs, "the same packets, bare")
    figures.add("  of it sending alone", "s/GB", sending, None)
    figures.add("  sending alone, of the limit", "%", [limit / cost * 100 for cost in sending], None)
    # Of the first round: later ones find the memory that it left.
    figures.add("a viewer: PSS", "KB", notes["pss"][:1], 20)
    figures.add("a join: CPU of the server", "ms", notes["join_cpu"], 2)
    figures.add("a join: wall time, all at once", "ms", notes["joined"], None)
    figures.add("packet in to packet out, p50", "ms", [w["age_p50_ms"] for w in windows], 2)
    figures.add("packet in to packet out, p99", "ms", [w["age_p99_ms"] for w in windows], 8)
    figures.add("gaps over 150 ms", "", [w["late"] for w in windows], None)
    figures.add("said lost, sent again", "%",
                [w["resent"] / w["nacked"] * 100 if w["nacked"] else 100 for w in windows], None)


def measure(server, figures):
    notes = {key: [] for key in ("joined", "join_cpu", "pss", "cost", "windows")}
    costs, shares = [], []
    for i in range(ROUNDS):
        say(f"round {i + 1} of {ROUNDS}: {VIEWERS} viewers")
        receive(server, shares)
        watch(server, notes)
        say(f"round {i + 1} of {ROUNDS}: the limit")
        bare(notes["windows"][-1], costs)
    tell(notes, costs, shares, figures)


def main():
    shutil.rmtree(rig.SCRATCH, ignore_errors=True)
    os.makedirs(rig.SCRATCH)
    figures, about = Figures(), machine()
    scenes = os.path.join(rig.ROOT, "build/bench/scenes")
    with Process(LOAD, [program("bench_simcam"), "--cameras", CAMERAS, "--auth", "none", "--sound", "none", "--port",
                        0, "--helper", os.path.join(rig.BUILD, "casement-helper"), "--cache",
                        scenes], "cameras.log") as cameras:
        say(f"starting {CAMERAS} cameras and the server")
        port = cameras.line().rsplit(":", 1)[1]
        with rig.Server(CAMERAS, port, VIEWERS // PER_ACCOUNT + 1) as server:
            server.cookies, server.cookies_path = server.sign_in()
            time.sleep(4)  # a whole group of pictures of each
            measure(server, figures)
    figures.report("webrtc", about, is_quick=QUICK, cameras=CAMERAS, viewers=VIEWERS)


main()
