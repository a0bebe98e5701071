#!/usr/bin/env python3
"""`./bench webrtc`: what WebRTC viewers cost, beside the least that sending as many bytes to as many
sockets can cost, and beside Debian's Janus, in the same run. Prints a table and leaves
build/bench/webrtc.json.

Viewers answer as browsers do: reports every 100 ms with transport-cc, 0.5 % of the packets said lost.
What is measured runs on one core, cameras and viewers on the other. A thousand viewers, or as many
as the costs of a first look say that fit on both."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import janus
import rig
from report import GB, Figures, machine, say, share
from rig import LOAD, MEASURED, Process, program

CAMERAS, FPS, PER_ACCOUNT = 50, 20, 60
QUICK = "--quick" in sys.argv[1:]
MOST = 100 if QUICK else 1000  # viewers
ROUNDS, WINDOWS, SECONDS = (1, 2, 2) if QUICK else (3, 2, 4)
WATCHING = 20 if QUICK else 100  # while others join
MANY = 60 if QUICK else 500  # cameras, each with its viewer
FEW = 30 if QUICK else 100  # viewers: a first look at ours, and those of Janus
STARTS = 5 if QUICK else 30  # of Chromium
FULL = 0.7  # of a core: above it viewers wait for one another, and that is another figure
PROBES = 8


# ---- viewers of casement ----

def viewers(server, count, cameras, windows, *more):
    return Process(LOAD, [program("webrtc_viewers"), "--port", server.HTTP, "--viewers", count,
                          "--cameras", cameras, "--seconds", SECONDS, "--windows", windows, "--warm",
                          3, "--probes", min(PROBES, count), "--cookies", server.cookies_path, *more],
                   "webrtc_viewers.log")


def steady(load):
    if load.line() != "steady":
        raise RuntimeError("webrtc_viewers said something else")


def observe(server, count, load, windows):
    """Of each window: (cost per GB, what the viewers say)."""
    seen = []
    for _ in range(windows):
        pss_bytes, before = rig.pss_bytes(server.id), rig.cpu_seconds(server.id)
        window = load.json() | {"pss_bytes": pss_bytes}  # of its beginning
        if window["silent"] * 2 > count:
            raise RuntimeError(f"{window['silent']} of {count} viewers got nothing")
        seen.append(((rig.cpu_seconds(server.id) - before) / window["bytes"] * GB, window))
    return seen


def all_gone(server, *loads):
    """They have said goodbye; who was not heard is given up after 30 s."""
    for load in loads:
        load.child.wait(20)
    rig.wait_for("all viewers gone", lambda: server.metrics()["casement_rtc_sessions"] == 0, 45)


def rate(window):
    return window["bytes"] / window["seconds"]


def first_look(server):
    """What a few viewers cost here and now, and how many fit therefore, on either core."""
    with viewers(server, FEW, CAMERAS, WINDOWS) as load:
        load.json()
        steady(load)
        seen = observe(server, FEW, load, WINDOWS)
        all_gone(server, load)
    cost, window = seen[-1]
    ours = cost * rate(window) / GB / FEW
    theirs = window["own_cpu_s"] / window["seconds"] / FEW
    fit = min(MOST, int(FULL / max(ours, theirs)) // 50 * 50)
    return [cost for cost, _ in seen], max(FEW, fit)


# ---- their figures ----

def watch(server, count, alone_bytes, notes):
    """One round: join, steady windows."""
    before_cpu = rig.cpu_seconds(server.id)
    with viewers(server, count, CAMERAS, WINDOWS, "--timed", PROBES) as load:
        notes["joined"].append(load.json()["joined_s"] / count * 1000)
        notes["join_cpu"].append((rig.cpu_seconds(server.id) - before_cpu) / count * 1000)
        steady(load)
        for cost, window in observe(server, count, load, WINDOWS):
            notes["cost"].append(cost)
            notes["windows"].append(window)
        notes["pss"].append((window["pss_bytes"] - alone_bytes) / count / 1000)
        all_gone(server, load)


def bare(count, cameras, window, costs):
    """As many packets of the same size, at the same rate, to as many sockets."""
    per_picture = max(1, round(window["packets"] / window["seconds"] / count / FPS))
    size = round(window["bytes"] / window["packets"])
    with Process(LOAD, [program("webrtc_viewers"), "--sink", "--viewers", count, "--seconds", SECONDS,
                        "--windows", WINDOWS + 2], "sinks.log") as sinks:
        ports = [sinks.line() for _ in range(count)]
        if sinks.line() != "listening":
            raise RuntimeError("the sinks said something else")
        with Process(MEASURED, [program("bare_rtc"), "--viewers", count, "--cameras", cameras, "--fps",
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


def share_of_limit(costs, limit):
    return [limit / cost * 100 for cost in costs]


def many_viewers(server, count, alone_bytes, figures):
    notes = {key: [] for key in ("joined", "join_cpu", "pss", "cost", "windows")}
    costs, shares = [], []
    for i in range(ROUNDS):
        say(f"round {i + 1} of {ROUNDS}: {count} viewers on {CAMERAS} cameras")
        receive(server, shares)
        try:
            watch(server, count, alone_bytes, notes)
        except RuntimeError as error:
            if i == 0:  # one round is a figure too
                raise
            say(f"round {i + 1} of {ROUNDS}: {error}")
            break
        say(f"round {i + 1} of {ROUNDS}: the limit")
        bare(count, CAMERAS, notes["windows"][-1], costs)
    windows, limit = notes["windows"], statistics.median(costs)
    ingest = statistics.median(shares) / statistics.median(map(rate, windows)) * GB
    sending = [cost - ingest for cost in notes["cost"]]
    figures.add(f"{count} viewers on {CAMERAS} cameras: CPU", "s/GB", notes["cost"], None, costs,
                "the same packets, bare")
    figures.add("  of it sending alone", "s/GB", sending, None)
    figures.add("  of the limit", "%", share_of_limit(notes["cost"], limit), 60, is_least=True)
    figures.add("  sending alone, of the limit", "%", share_of_limit(sending, limit), None)
    figures.add("a viewer: PSS", "KB", notes["pss"], 20)
    figures.add("a join: CPU of the server, with pictures meanwhile", "ms", notes["join_cpu"], 2)
    figures.add("a join: wall time, all at once", "ms", notes["joined"], None)
    figures.add("packet in to packet out, p50", "ms", [w["age_p50_ms"] for w in windows], 2)
    figures.add("packet in to packet out, p99", "ms", [w["age_p99_ms"] for w in windows], 8)
    figures.add("gaps over 150 ms", "", [w["late"] for w in windows], None)
    figures.add("viewers that got nothing in a window", "", [w["silent"] for w in windows], 0)
    figures.add("said lost, sent again", "%",
                [w["resent"] / w["nacked"] * 100 if w["nacked"] else 100 for w in windows], None)
    return windows[-1]


def one_camera(server, count, figures):
    say(f"{count} viewers on one camera")
    with viewers(server, count, 1, WINDOWS, "--timed", count) as load:
        load.json()
        steady(load)
        seen = observe(server, count, load, WINDOWS)
        all_gone(server, load)
    figures.add(f"{count} viewers on one camera: CPU", "s/GB", [cost for cost, _ in seen], None)
    figures.add("  its last viewer has a picture after, p50", "ms",
                [window["last_p50_ms"] for _, window in seen], 25)
    figures.add("  the worst picture", "ms", [window["last_max_ms"] for _, window in seen], None)


def joining(server, count, figures):
    """Some watch; all others join at once."""
    others = max(1, count - WATCHING)
    say(f"{others} viewers join while {WATCHING} watch")
    with viewers(server, WATCHING, CAMERAS, 3, "--timed", WATCHING) as load:
        load.json()
        steady(load)
        before = rig.cpu_seconds(server.id)
        with viewers(server, others, CAMERAS, 1) as crowd:
            joined = crowd.json()["joined_s"]
            spent = rig.cpu_seconds(server.id) - before
            seen = [load.json() for _ in range(max(1, min(3, round(joined / SECONDS + 0.5))))]
            all_gone(server, crowd, load)
    figures.add(f"{others} join at once: wall time", "s", [joined], 2 * others / 1000)
    figures.add("  CPU of the server, pictures included", "s", [spent], None)
    figures.add("  gaps over 150 ms of those watching", "", [w["late"] for w in seen], 0)
    figures.add("  their packet in to packet out, p99", "ms", [w["age_p99_ms"] for w in seen], None)


# ---- many cameras ----

def many_cameras(figures):
    costs = []
    with House(MANY, MANY) as server:
        say(f"{MANY} cameras, a viewer each")
        with viewers(server, MANY, MANY, WINDOWS, "--timed", PROBES) as load:
            load.json()
            steady(load)
            seen = observe(server, MANY, load, WINDOWS)
    bare(MANY, MANY, seen[-1][1], costs)
    limit = statistics.median(costs)
    figures.add(f"{MANY} cameras, a viewer each, received and sent: CPU", "s/GB",
                [cost for cost, _ in seen], None, costs, "sent alone, bare")
    figures.add("  of the limit", "%", share_of_limit([cost for cost, _ in seen], limit), 30,
                is_least=True)
    figures.add("  packet in to packet out, p99", "ms", [w["age_p99_ms"] for _, w in seen], None)


# ---- Janus ----

def beside_janus(window, count, ours, figures):
    """`ours`: the costs of as many viewers of casement; `window`: one of `count`."""
    say(f"{FEW} viewers of Janus")
    per_picture = max(1, round(window["packets"] / window["seconds"] / count / FPS))
    size = round(window["bytes"] / window["packets"])
    with janus.Janus(CAMERAS, FPS, per_picture, size) as peer:
        peer.receive(1)
        receiving = peer.receive(SECONDS)
        seen, pss_bytes = peer.watch(FEW, CAMERAS, SECONDS, WINDOWS)
    costs = [cpu / window["bytes"] * GB for cpu, window in seen]
    sending = [(cpu - receiving * window["seconds"]) / window["bytes"] * GB for cpu, window in seen]
    figures.add(f"Debian's Janus, {FEW} viewers on {CAMERAS} cameras: CPU", "s/GB", costs, None,
                ours, "as many of casement")
    figures.add("  of it sending alone", "s/GB", sending, None)
    figures.add("  of casement's", "times", [cost / statistics.median(ours) for cost in costs], 10,
                is_least=True)
    figures.add("  a viewer: PSS", "KB", [pss_bytes / 1000], None)


# ---- Chromium ----

def first_pictures(server, figures):
    say(f"{STARTS} starts of Chromium")
    answer = subprocess.run(["node", os.path.join(rig.ROOT, "benchmarks/picture.mjs"),
                             f"https://127.0.0.1:{server.HTTPS}", server.cookies[0], str(STARTS),
                             "2", "whep"],
                            capture_output=True, text=True, timeout=240, check=False)
    if answer.returncode != 0:
        raise RuntimeError(answer.stderr.strip()[-200:])
    told = json.loads(answer.stdout)
    first = told["first_ms"]
    figures.add("POST to first picture in Chromium, p50", "ms", [share(first, 0.5)], 250, samples=first)
    figures.add("POST to first picture in Chromium, worst", "ms", [max(first)], 500)
    if told["ages_ms"]:  # where Chromium tells capture times
        figures.add("age on screen in Chromium, p50", "ms", [share(told["ages_ms"], 0.5)], None)


# ---- all of it ----

def attempt(name, figures, measure, *arguments):
    """One part that fails is a row that says so; the others are still worth their time."""
    try:
        measure(*arguments, figures)
    except (janus.Absent, RuntimeError, OSError, subprocess.SubprocessError) as error:
        figures.add(name, "", [], None, beside_name=f"not measured: {error}")


class House:
    """Cameras and the server over them, while in `with`."""

    def __init__(self, cameras, most):
        self.cameras, self.accounts = cameras, most // PER_ACCOUNT + 2

    def __enter__(self):
        say(f"starting {self.cameras} cameras and the server")
        scenes = os.path.join(rig.ROOT, "build/bench/scenes")
        self.feeds = Process(LOAD, [program("bench_simcam"), "--cameras", self.cameras, "--auth",
                                    "none", "--sound", "none", "--port", 0, "--helper",
                                    os.path.join(rig.BUILD, "casement-helper"), "--cache", scenes],
                             "cameras.log")
        try:
            port = self.feeds.line().rsplit(":", 1)[1]
            self.server = rig.Server(self.cameras, port, self.accounts)
            self.server.__enter__()
        except BaseException:
            self.feeds.__exit__()
            raise
        self.server.cookies, self.server.cookies_path = self.server.sign_in()
        time.sleep(4)  # a whole group of pictures of each
        return self.server

    def __exit__(self, *how):
        self.server.__exit__(*how)
        self.feeds.__exit__(*how)


def main():
    shutil.rmtree(rig.SCRATCH, ignore_errors=True)
    os.makedirs(rig.SCRATCH)
    figures, about = Figures(), machine()
    with House(CAMERAS, MOST + WATCHING) as server:
        alone_bytes = rig.pss_bytes(server.id)
        few, count = first_look(server)
        say(f"{count} viewers fit")
        try:
            window = many_viewers(server, count, alone_bytes, figures)
        except RuntimeError as error:
            say(f"{count} viewers: {error}; half as many")
            all_gone(server)
            count //= 2
            window = many_viewers(server, count, alone_bytes, figures)
        attempt("viewers on one camera", figures, one_camera, server, count)
        attempt("joins while others watch", figures, joining, server, count)
        attempt("first picture in Chromium", figures, first_pictures, server)
    attempt("Debian's Janus", figures, beside_janus, window, count, few)
    attempt(f"{MANY} cameras", figures, many_cameras)
    figures.report("webrtc", about, is_quick=QUICK, cameras=CAMERAS, viewers=count)


main()
