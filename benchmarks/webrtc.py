"""`./bench webrtc`: what WebRTC viewers cost, beside the least that sending as many bytes to as many
sockets can cost, and beside Debian's Janus, in the same run. Prints a table and leaves
build/bench/webrtc.json.

Viewers answer as browsers do: reports every 100 ms with transport-cc, 0.5 % of the packets said lost.
What is measured runs on one core, cameras and viewers on the other. A thousand viewers, and a
thousand cameras, or as many as the costs of a first look say that fit on both: costs are per GB, so
that what they say of a thousand holds.

A part that fails, or for which no time is left, is a row that says so, and the status is 1; the
others are still worth their time, and what is known is always printed."""

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
ROUNDS, WINDOWS, SECONDS = (1, 2, 2) if QUICK else (5, 2, 4)
WATCHING = 20 if QUICK else 100  # while others join
MANY = 60 if QUICK else 1000  # cameras, each with its viewer
FEW = 30 if QUICK else 100  # viewers: a first look at ours, and those of Janus
STARTS = 5 if QUICK else 30  # of Chromium
# Of a core: above it viewers wait for one another, and that is another figure. Many cost less each
# than the few by whom it is judged.
FULL = 0.85
PROBES = 8
ENDS = time.monotonic() + 560  # what has not begun by then is not begun
LIMIT_S = 100  # of one load; more than any needs


# ---- viewers of casement ----

def viewers(server, count, cameras, windows, *more):
    return Process(LOAD, [program("webrtc_viewers"), "--port", server.HTTP, "--viewers", count,
                          "--cameras", cameras, "--seconds", SECONDS, "--windows", windows, "--warm",
                          3, "--probes", min(PROBES, count), "--cookies", server.cookies_path, *more],
                   "webrtc_viewers.log", LIMIT_S)


def joined(load, count):
    """What the viewers say when they have media. Some may not be there: the others go on."""
    told = load.json()
    if told["joined"] < count:
        say(f"{count - told['joined']} of {count} viewers got no media{load.last_words()}")
    if told["joined"] * 2 < count:
        raise RuntimeError(f"{told['joined']} of {count} viewers got media{load.last_words()}")
    return told


def steady(load):
    if load.line() != "steady":
        raise RuntimeError("webrtc_viewers said something else")


def observe(server, count, load, windows):
    """Of each window: (cost per GB, what the viewers say)."""
    seen = []
    for _ in range(windows):
        pss_bytes, before = rig.pss_bytes(server.id), rig.cpu_seconds(server.id)
        window = load.json() | {"pss_bytes": pss_bytes}  # of its beginning
        if (window["silent"] + window["given_up"]) * 2 > count:
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


def share_of(seconds, *pids):
    """Of a core, each."""
    before, began = [rig.cpu_seconds(pid) for pid in pids], time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - began
    return [(rig.cpu_seconds(pid) - cpu) / elapsed for pid, cpu in zip(pids, before)]


def cpu_of(*pids):
    return sum(map(rig.cpu_seconds, pids))


class Look:
    """What a few viewers and cameras cost here and now."""

    def __init__(self, server):
        own, cameras = share_of(SECONDS, server.id, server.feeds_id)
        with viewers(server, FEW, CAMERAS, WINDOWS) as load:
            joined(load, FEW)
            steady(load)
            seen = observe(server, FEW, load, WINDOWS)
            all_gone(server, load)
        self.costs = [cost for cost, _ in seen]
        self.cost = statistics.median(self.costs)  # of as many as are measured, later
        self.window = seen[-1][1] | {"viewers": FEW}
        self.count = FEW
        self.sending = self.cost - own / rate(self.window) * GB
        self.viewer = {MEASURED: self.sending * rate(self.window) / GB / FEW,
                       LOAD: self.window["own_cpu_s"] / SECONDS / FEW}
        self.camera = {MEASURED: own / CAMERAS, LOAD: cameras / CAMERAS}

    def fit(self, most, has_own_cameras):
        """How many viewers, perhaps with a camera for each, have room on both cores beside what
        runs there now."""
        fits = [FULL * rig.idle_share(core)
                / (self.viewer[core] + (self.camera[core] if has_own_cameras else 0))
                for core in (MEASURED, LOAD)]
        return max(CAMERAS, min(most, int(min(fits)) // 50 * 50))


# ---- their figures ----

def watch(server, count, alone_bytes, look, notes):
    """One round: join, steady windows."""
    before_cpu = rig.cpu_seconds(server.id)
    with viewers(server, count, CAMERAS, WINDOWS, "--timed", PROBES) as load:
        told = joined(load, count)
        notes["there"].append(told["joined"])
        notes["joined"].append(told["joined_s"] / told["joined"] * 1000)
        notes["join_cpu"].append((rig.cpu_seconds(server.id) - before_cpu) / told["joined"] * 1000)
        steady(load)
        for cost, window in observe(server, count, load, WINDOWS):
            notes["cost"].append(cost)
            notes["windows"].append(window | {"viewers": told["joined"]})
        notes["pss"].append((window["pss_bytes"] - alone_bytes) / told["joined"] / 1000)
        if told["joined"] > look.count:
            notes["further"].append((window["pss_bytes"] - look.window["pss_bytes"])
                                    / (told["joined"] - look.count) / 1000)
        all_gone(server, load)


def packets_of(window):
    """(packets a picture, bytes of each) that a viewer got."""
    per_picture = max(1, round(window["packets"] / window["seconds"] / window["viewers"] / FPS))
    return per_picture, min(1400, round(window["bytes"] / window["packets"]))


def bare(cameras, window):
    """As many packets of the same size, at the same rate, to as many sockets: their cost per GB in
    each window."""
    costs = []
    per_picture, size = packets_of(window)
    count = window["viewers"]
    with Process(LOAD, [program("webrtc_viewers"), "--sink", "--viewers", count, "--seconds", SECONDS,
                        "--windows", WINDOWS + 2], "sinks.log", LIMIT_S) as sinks:
        ports = [sinks.line() for _ in range(count)]
        if sinks.line() != "listening":
            raise RuntimeError("the sinks said something else")
        with Process(MEASURED, [program("bare_rtc"), "--viewers", count, "--cameras", cameras, "--fps",
                                FPS, "--packets", per_picture, "--size", size, "--seconds", SECONDS,
                                "--windows", WINDOWS], "bare_rtc.log", LIMIT_S,
                     stdin=subprocess.PIPE) as sender:
            sender.child.stdin.write("\n".join(ports) + "\n")
            sender.child.stdin.close()
            for _ in range(WINDOWS):
                told = sender.json()
                costs.append(told["cpu_s"] / told["bytes"] * GB)
    return costs


def share_of_limit(costs, limits):
    """Of each window, by the limit as it was measured right after it: the machine's speed drifts by
    a third within minutes, and takes both along."""
    return [limit / cost * 100 for cost, limit in zip(costs, limits)]


def cores_for(count, cost, window):
    """That so many viewers would take."""
    return cost * rate(window) / GB / window["viewers"] * count


def add_costs(figures, name, notes, costs, ingest):
    """`costs`: the limit's. `ingest`: a core's share."""
    windows = notes["windows"]
    figures.add(f"{name}: CPU", "s/GB", notes["cost"], None, costs, "the same packets, bare")
    if costs:
        limits = notes["limit"]
        sending = [cost - ingest / rate(window) * GB for cost, window in zip(notes["cost"], windows)]
        figures.add("  of the limit", "%", share_of_limit(notes["cost"], limits), 60, is_least=True)
        figures.add("  sending alone", "s/GB", sending, None)
        figures.add("  sending alone, of the limit", "%", share_of_limit(sending, limits), None)
    figures.add("  cores for 1,000", "", [cores_for(1000, cost, window) for cost, window
                                         in zip(notes["cost"], windows)], None)


def add_many_viewers(figures, count, notes, costs, ingest):
    windows = notes["windows"]
    add_costs(figures, f"{count} viewers on {CAMERAS} cameras", notes, costs, ingest)
    figures.add("viewers that got media", "", notes["there"], count, is_least=True)
    figures.add("a viewer: PSS", "KB", notes["pss"], 20)
    figures.add(f"  each beyond the first {FEW}", "KB", notes["further"], None)
    figures.add("a join: CPU of the server, with pictures meanwhile", "ms", notes["join_cpu"], 2)
    figures.add("a join: wall time, all at once", "ms", notes["joined"], None)
    figures.add("packet in to packet out, p50", "ms", [w["age_p50_ms"] for w in windows], 2)
    figures.add("packet in to packet out, p99", "ms", [w["age_p99_ms"] for w in windows], 8)
    figures.add("gaps over 150 ms", "", [w["late"] for w in windows], None)
    figures.add("viewers that got nothing in a window", "", [w["silent"] for w in windows], 0)
    figures.add("said lost, sent again", "%",
                [w["resent"] / w["nacked"] * 100 if w["nacked"] else 100 for w in windows], None)


def many_viewers(server, look, alone_bytes, figures):
    count = look.fit(MOST, False)
    notes = {key: [] for key in ("there", "joined", "join_cpu", "pss", "further", "cost", "limit",
                               "windows")}
    costs, shares = [], []
    try:
        for i in range(ROUNDS):
            say(f"round {i + 1} of {ROUNDS}: {count} viewers on {CAMERAS} cameras")
            shares += share_of(SECONDS, server.id)
            watch(server, count, alone_bytes, look, notes)
            say(f"round {i + 1} of {ROUNDS}: the limit")
            of_round = bare(CAMERAS, notes["windows"][-1])
            costs += of_round
            notes["limit"] += [statistics.median(of_round)] * WINDOWS
    finally:  # one round is a figure too
        if notes["windows"]:
            add_many_viewers(figures, count, notes, costs, statistics.median(shares))
            look.window, look.count = notes["windows"][-1], count
            look.cost = statistics.median(notes["cost"])


def one_camera(server, look, figures):
    count = look.count
    say(f"{count} viewers on one camera")
    with viewers(server, count, 1, WINDOWS, "--timed", count) as load:
        joined(load, count)
        steady(load)
        seen = observe(server, count, load, WINDOWS)
        all_gone(server, load)
    figures.add(f"{count} viewers on one camera: CPU", "s/GB", [cost for cost, _ in seen], None)
    figures.add("  its last viewer has a picture after, p50", "ms",
                [window["last_p50_ms"] for _, window in seen], 25)
    figures.add("  the worst picture", "ms", [window["last_max_ms"] for _, window in seen], None)


def joining(server, look, figures):
    """Some watch; all others join at once."""
    others = max(1, look.count - WATCHING)
    say(f"{others} viewers join while {WATCHING} watch")
    with viewers(server, WATCHING, CAMERAS, 3, "--timed", WATCHING) as load:
        joined(load, WATCHING)
        steady(load)
        before, load_before = rig.cpu_seconds(server.id), cpu_of(load.id, server.feeds_id)
        with viewers(server, others, CAMERAS, 1) as crowd:
            told = joined(crowd, others)
            spent = rig.cpu_seconds(server.id) - before
            took = told["joined_s"]
            load_busy = cpu_of(load.id, server.feeds_id) - load_before + told["own_cpu_s"]
            seen = [load.json() for _ in range(max(1, min(3, round(took / SECONDS + 0.5))))]
            all_gone(server, crowd, load)
    watching = rate(look.window) / look.window["viewers"] * WATCHING * took
    pictures = (told["bytes"] + watching) / GB * look.cost
    figures.add(f"{others} join at once: wall time", "s", [took], 2 * others / 1000)
    figures.add("  CPU of the server, pictures included", "s", [spent], 2 * others / 1000)
    figures.add("  of it joining, by what their bytes cost", "s", [spent - pictures], None)
    figures.add("  the core of viewers and cameras was busy", "%", [load_busy / took * 100], None)
    figures.add("  gaps over 150 ms of those watching", "", [w["late"] for w in seen], 0)
    figures.add("  their packet in to packet out, p99", "ms", [w["age_p99_ms"] for w in seen], None)


# ---- many cameras ----

def many_cameras(look, figures):
    """The cameras of their own are the same again, so the costs per GB of those that fit are those
    of all."""
    count = look.fit(MANY, True)
    notes = {"cost": [], "windows": []}
    with House(count, count) as server:
        say(f"{count} cameras, a viewer each")
        ingest, = share_of(SECONDS, server.id)
        with viewers(server, count, count, WINDOWS, "--timed", PROBES) as load:
            told = joined(load, count)
            steady(load)
            for cost, window in observe(server, count, load, WINDOWS):
                notes["cost"].append(cost)
                notes["windows"].append(window | {"viewers": told["joined"]})
    costs = bare(count, notes["windows"][-1])
    limits = [statistics.median(costs)] * WINDOWS
    figures.add(f"{count} cameras, a viewer each, received and sent: CPU", "s/GB", notes["cost"], None,
                costs, "sent alone, bare")
    figures.add("  of the limit", "%", share_of_limit(notes["cost"], limits), 30, is_least=True)
    figures.add("  cores for 1,000", "", [cores_for(1000, cost, window) for cost, window
                                         in zip(notes["cost"], notes["windows"])], None)
    figures.add("  receiving alone, a camera", "% of a core", [ingest / count * 100], None)
    figures.add("  packet in to packet out, p99", "ms", [w["age_p99_ms"] for w in notes["windows"]],
                None)


# ---- Janus ----

def beside_janus(look, figures):
    """As many viewers as the first look had, with the packets that casement's get."""
    say(f"{FEW} viewers of Janus")
    with janus.Janus(CAMERAS, FPS, *packets_of(look.window)) as peer:
        peer.receive(1)
        receiving = peer.receive(SECONDS)
        count, seen, pss_bytes = peer.watch(FEW, CAMERAS, SECONDS, WINDOWS)
    costs = [cpu / window["bytes"] * GB for cpu, window in seen]
    sending = [(cpu - receiving * window["seconds"]) / window["bytes"] * GB for cpu, window in seen]
    figures.add(f"Debian's Janus, {count} viewers on {CAMERAS} cameras: CPU", "s/GB", costs, None,
                look.costs, f"{FEW} of casement")
    figures.add("  of it sending alone", "s/GB", sending, None, [look.sending], "of casement")
    ours = statistics.median(look.costs)
    figures.add("  of casement's", "times", [cost / ours for cost in costs], 10, is_least=True)
    figures.add("  of casement's, both sending alone", "times",
                [cost / look.sending for cost in sending], None)
    figures.add(f"  of casement's with {look.count} viewers", "times",
                [cost / look.cost for cost in costs], None)
    figures.add("  a viewer: PSS", "KB", [pss_bytes / 1000], None)


# ---- Chromium ----

def first_pictures(server, figures):
    say(f"{STARTS} starts of Chromium")
    answer = subprocess.run(["node", os.path.join(rig.ROOT, "benchmarks/picture.mjs"),
                             f"https://127.0.0.1:{server.HTTPS}", server.cookies[0], str(STARTS),
                             "2", "whep"],
                            capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if answer.returncode != 0:
        raise RuntimeError(answer.stderr.strip()[-200:])
    told = json.loads(answer.stdout)
    first = told["first_ms"]
    figures.add("POST to first picture in Chromium, p50", "ms", [share(first, 0.5)], 250, samples=first)
    figures.add("POST to first picture in Chromium, worst", "ms", [max(first)], 500)
    if told["ages_ms"]:  # where Chromium tells capture times
        figures.add("age on screen in Chromium, p50", "ms", [share(told["ages_ms"], 0.5)], None)


# ---- all of it ----

FAILED = []


def attempt(name, figures, measure, *arguments):
    """What it returns; None if it failed."""
    try:
        if time.monotonic() > ENDS:
            raise RuntimeError("no time was left")
        return measure(*arguments, figures)
    except janus.Absent as error:
        figures.add(name, "", [], None, beside_name=f"not measured: {error}")
        return None
    except Exception as error:  # whatever it is: the other parts are still worth their time
        why = " ".join(str(error).split())[:150] or repr(error)
        say(f"{name}: {why}")
        FAILED.append(name)
        figures.add(name, "", [], None, beside_name=f"not measured: {why}")
        return None


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
        # They share a core with the viewers: a camera that waits for them would send its pictures
        # late, which is not the server's doing.
        self.feeds.go_first()
        try:
            port = self.feeds.line().rsplit(":", 1)[1]
            self.server = rig.Server(self.cameras, port, self.accounts)
            self.server.__enter__()
        except BaseException:
            self.feeds.__exit__()
            raise
        self.server.cookies, self.server.cookies_path = self.server.sign_in()
        self.server.feeds_id = self.feeds.id
        time.sleep(4)  # a whole group of pictures of each
        return self.server

    def __exit__(self, *how):
        self.server.__exit__(*how)
        self.feeds.__exit__(*how)


def fifty_cameras(figures):
    with House(CAMERAS, MOST + WATCHING) as server:
        alone_bytes = rig.pss_bytes(server.id)
        look = Look(server)
        attempt("many viewers", figures, many_viewers, server, look, alone_bytes)
        attempt("viewers on one camera", figures, one_camera, server, look)
        attempt("joins while others watch", figures, joining, server, look)
        attempt("first picture in Chromium", figures, first_pictures, server)
    return look


def main():
    shutil.rmtree(rig.SCRATCH, ignore_errors=True)
    os.makedirs(rig.SCRATCH)
    figures, about = Figures(), machine()
    look = None
    try:
        look = attempt("fifty cameras", figures, fifty_cameras)
        if look is not None:
            attempt("Debian's Janus", figures, beside_janus, look)
            attempt("many cameras", figures, many_cameras, look)
    finally:
        figures.report("webrtc", about, is_quick=QUICK, cameras=CAMERAS,
                       viewers=look.count if look else 0, failed=FAILED)
    if FAILED:
        sys.exit("bench: not measured: " + ", ".join(FAILED))


main()
