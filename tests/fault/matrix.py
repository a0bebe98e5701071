#!/usr/bin/env python3
"""The fault matrix: the server made wrong on purpose, hook by hook and output by output, and every picture looked at.

    matrix.py BUILD [--fired N] [--only HOOK|OUTPUT|HOOK/OUTPUT] [--share K/N] [--report FILE]

BUILD is a build folder with -Dfault_injection=true. Two homes with 8 cameras each; their owners, a member of both, guests
with some cameras, and people who ask for what is not theirs. A cell runs until its hook has fired N times (50; 1,000 when
CASEMENT_TEST is long). It passes when no foreign picture was seen, each refusal that is an alarm was counted and logged, and
the server is alive. Then the other way round: with the wall taken away the same hooks must show foreign pictures, or the
first half would prove nothing.
"""
import argparse
import datetime
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import world  # noqa: E402  (its folder is not a package)

LIVE = ("main", "sub", "h2", "slow")
OUTPUTS = LIVE + ("webrtc", "sound", "rtsp", "still")
IDENTITY = {"store.session.swap": "1/6", "store.membership.swap": "1/3", "store.grant.swap": "1/3",
            "store.camera.swap": "1/3", "store.cache.foreign": "1/8", "store.row.stale": "1/6"}
BYTES = {"ring.swap": "1/5", "frame.reuse": "1/7", "frame.replay": "1/5", "write.neighbour": "1/5", "part.swap": "1/5"}
# What a WebRTC viewer's pictures pass, on their way and once more.
SESSIONS = {"ring.swap": "1/5", "frame.reuse": "1/7", "frame.replay": "1/5", "rtp.neighbour": "1/5", "rtx.swap": "1/2"}
# Sound: a tone comes again each second, so an old one can't be told; nothing of it is sent twice.
SOUNDS = {"ring.swap": "1/5", "frame.reuse": "1/7", "rtp.neighbour": "1/5"}
# What a program's pictures and sound pass.
PROGRAMS = {"ring.swap": "1/5", "frame.reuse": "1/7", "frame.replay": "1/5", "rtp.neighbour": "1/5"}
# A picture that goes astray leaves a gap like that of an old one in its place: nobody has a group again then.
STRAIGHT = {"rtp.neighbour"}
STILLS = {"still.swap": "1/2", "helper.mix": "1/3"}
# A still is asked for by its camera's name, and so is a program's connection: a swapped row only gives a lease that does not fit,
# which the seal notices, or the last look before the connection.
HELD_BY_THE_OTHER_WALL = {("store.camera.swap", "still"), ("store.camera.swap", "rtsp")}
CELL_LIMIT_S, LIMIT_S_A_FAULT, ALARM_LIMIT_S, LEAST_S = 150, 0.6, 20, 1.5
ALARM = re.compile(r"event=(alarm|evidence-alarm|row-refused|open-refused)")
failed = 0


def verdict(name, is_good, detail=""):
    global failed
    print(f"{'ok' if is_good else 'not ok'} - {name}{' # ' + str(detail) if detail and not is_good else ''}", flush=True)
    failed += not is_good


def rate_of(hook):
    return {**IDENTITY, **BYTES, **SESSIONS, **SOUNDS, **PROGRAMS, **STILLS}[hook]


def cells(only):
    every = [(hook, output) for hook in IDENTITY for output in OUTPUTS]
    every += [(hook, output) for hook in BYTES for output in LIVE]
    every += [(hook, "webrtc") for hook in SESSIONS]
    every += [(hook, "sound") for hook in SOUNDS]
    every += [(hook, "rtsp") for hook in PROGRAMS]
    every += [(hook, "still") for hook in ("ring.swap", *STILLS)]
    return [cell for cell in every if not only or only in (*cell, "/".join(cell))]


# ---- who asks for what ----

class Audience:
    """Sessions of everybody, also of those who lost theirs."""

    def __init__(self, server):
        self.who = {name: server.sign_in(name) for name in world.ACCOUNTS}
        self.own = [(name, n) for name in world.ACCOUNTS for n in range(1, 17) if world.may_see(name, n)]
        # Not theirs: of another home, of their home but not granted.
        self.strange = [("anna", 9), ("anna", 16), ("rosa", 1), ("rosa", 8), ("gina", 3), ("gina", 8), ("gino", 12),
                        ("gino", 1), ("both", 1), ("both", 15)]
        # Of programs, which know nothing but tokens: each for one camera of one account.
        self.tokens = {(name, n): server.token(name, n, "view,listen" if world.may_hear(name, n) else "view") for name, n in self.own}
        self.take_away(server)

    def take_away(self, server):
        """Grants, memberships and sessions that were there once: what store.row.stale serves again."""
        anna = self.who["anna"]

        def call(method, path, body=None):
            status, _, answer = server.call(method, f"/api/v1/{path}", anna, body)
            if status not in (200, 201, 204):
                raise RuntimeError(f"{method} {path}: {status} {answer}")
            return answer

        people = json.loads(call("GET", "people?home=verdi"))["people"]
        ids = {person["name"]: person["account"] for person in people}
        made = json.loads(call("POST", "people?home=verdi", {"name": "mia", "password": world.PASSWORD, "role": "adult"}))
        ids["mia"] = made["account"]
        for camera in ("c3", "c8"):
            call("PUT", f"people/{ids['gina']}/cameras/{camera}?home=verdi", {"rights": ["view"]})
            call("PUT", f"people/{ids['mia']}/cameras/{camera}?home=verdi", {"rights": ["view"]})
        self.who["mia"] = server.sign_in("mia")
        self.who["gone"] = server.sign_in("anna")
        for name, camera in (("gina", 3), ("gina", 8), ("mia", 3)):
            self.tokens[(name, camera)] = server.token(name, camera)
        self.tokens[("gone", 1)] = server.token("anna", 1)
        tokens = json.loads(call("GET", "tokens?home=verdi"))["tokens"]
        call("DELETE", f"tokens/{max(tokens, key=lambda token: token['created'])['id']}?home=verdi")
        for camera in ("c3", "c8"):
            call("DELETE", f"people/{ids['gina']}/cameras/{camera}?home=verdi")
        call("DELETE", f"people/{ids['mia']}?home=verdi")
        server.call("DELETE", "/api/v1/session", self.who["gone"])
        self.strange += [("mia", 3), ("mia", 5), ("gone", 1), ("gone", 2)]

    def token_for(self, name, camera):
        """For this camera, or what else there is of that person: it may not be good for it."""
        return self.tokens.get((name, camera)) or next(token for (who, _), token in self.tokens.items() if who == name)

    def invite(self, viewers, server, hook, output):
        """Identity is looked up when somebody asks: then everyone does, again and again."""
        is_brief = hook in IDENTITY
        asks = [(name, n, n) for name, n in self.own] + [(name, n, 0) for name, n in self.strange]
        for i, (name, camera, wanted) in enumerate(asks):
            home = world.home_of(camera)
            path = f"/api/v1/cameras/c{camera}/"
            if output == "still":
                width = (160, 320, 640, 1280)[i % 4]
                viewers.open(f"v{i}", ("h1", "h2")[i % 2], (server.http, server.https)[i % 2], self.who[name],
                             f"{path}still.jpg?home={home}&width={width}", wanted, link=f"l{name}", again_ms=20)
                continue
            stream = output if output in ("main", "sub") else ("main", "sub")[i % 2]
            if output == "rtsp":
                kind = "ss" if name in world.ACCOUNTS and world.may_hear(name, camera) else "sd"
                slow = i % 5 == 4 and hook not in STRAIGHT and not is_brief
                viewers.open(f"v{i}", kind, server.rtsp, self.token_for(name, camera),
                             f"{home}/c{camera}{'/sub' if stream == 'sub' else ''}", wanted, rate=45000 if slow else 0, again_ms=20,
                             pictures=2 if is_brief else 0)
                continue
            if output == "sound":
                # Who has the right to see alone asks for the sound all the same.
                kind = "rts" if name in world.ACCOUNTS and world.may_hear(name, camera) else "rtd"
                viewers.open(f"v{i}", kind, server.http, self.who[name], f"{path}whep?home={home}&stream={stream}", wanted,
                             again_ms=20, pictures=2 if is_brief else 0)
                continue
            if output == "webrtc":
                kind = "rtc" if hook in STRAIGHT else ("rtx", "rtx", "rtc", "rtn")[i // 2 % 4]
                viewers.open(f"v{i}", kind, server.http, self.who[name], f"{path}whep?home={home}&stream={stream}", wanted,
                             rate=20000 if i % 7 == 6 and hook not in STRAIGHT else 0, again_ms=20, pictures=2 if is_brief else 0)
                continue
            rate = 0 if output != "slow" else 60000 if is_brief else (45000, 9000)[i % 2]
            how = "h2" if output == "h2" or (output == "slow" and i % 4 == 3) else "t1" if output == "slow" and i % 2 else "h1"
            viewers.open(f"v{i}", how, server.http if how == "h1" else server.https, self.who[name],
                         f"{path}live.mp4?home={home}&stream={stream}", wanted, link=f"l{name}" if output == "h2" else "-",
                         rate=rate, again_ms=20, pictures=2 if is_brief else 0)


# ---- one cell ----

def report_of(viewers, output):
    report = viewers.report()
    if output == "sound":
        report["pictures"] = report["heard"]  # what is looked at there: frames of sound
    return report


class Bench:
    def __init__(self, build, directory):
        self.build, self.directory = build, directory
        # As most are: the main stream is H.265, the sub stream H.264. So every hook meets both.
        self.simcam = world.Simcam(build, directory, "--gop", "4", "--kbps", "800", "--main-codec", "h265")
        world.write_config(directory, self.simcam.address)
        server = world.Server(build, directory, "prepare")
        try:
            server.wait_for_pictures()
            self.audience = Audience(server)
        finally:
            server.close()

    def run(self, hook, output, faults, is_done, name, limit_s=CELL_LIMIT_S):
        """Runs until is_done(fired, report) or the limit; a dictionary with what was seen."""
        server = world.Server(self.build, self.directory, name, faults)
        viewers = world.Viewers(self.build, self.directory, 8)
        seen = {"hook": hook, "output": output, "log": server.log_path}
        try:
            if output == "sound" and hook not in IDENTITY:
                self.wait_for_sound(server)  # whether it comes is said when a session begins
            self.audience.invite(viewers, server, hook, output)
            began = time.monotonic()
            while True:
                time.sleep(0.2)
                took = time.monotonic() - began
                metrics = server.metrics() if server.is_alive() else {}
                fired = int(metrics.get(f'casement_faults_total{{fault="{hook}"}}', 0))
                seen.update(report_of(viewers, output), fired=fired)
                if (took > LEAST_S and is_done(fired, seen)) or took > limit_s or not server.is_alive():
                    break
            viewers.say(*(f"close v{i}" for i in range(100)))
            seen.update(report_of(viewers, output), took_s=round(took, 1), alive=server.is_alive(), wrong=viewers.wrong[:3])
            seen["counted"] = self.count_alarms(server)
        finally:
            viewers.close()
            seen["status"] = server.close()
        seen["logged"] = len(ALARM.findall(server.read_log()))
        return seen

    @staticmethod
    def count_alarms(server):
        """Counters of the loops reach /metrics once a second; on a busy machine not as soon."""
        counted, end = 0, time.monotonic() + ALARM_LIMIT_S
        time.sleep(1.1)
        while server.is_alive() and (counted := alarms_counted(server.metrics())) == 0 and time.monotonic() < end:
            time.sleep(0.2)
        return counted if server.is_alive() else -1

    def wait_for_sound(self, server):
        for name, home in (("anna", world.VERDI), ("rosa", world.ROSSI)):
            for _ in range(900):
                cameras = json.loads(server.call("GET", f"/api/v1/cameras?home={home}", self.audience.who[name])[2])["cameras"]
                if all(camera["sound"] for camera in cameras):
                    break
                time.sleep(0.1)

    def close(self):
        self.simcam.close()


def alarms_counted(metrics):
    refused = sum(metrics.get(f'casement_open_refused_total{{cause="{cause}"}}', 0) for cause in ("foreign", "key", "replay", "seal"))
    return int(refused + metrics["casement_stills_refused_total"] + metrics["casement_evidence_alarms_total"])


def is_clean(seen):
    return seen["foreign"] + seen["foreign_heard"] + seen["old"] + seen["unstamped"] + seen["broken"] == 0


def forward(bench, hook, output, least):
    seen = bench.run(hook, output, f"{hook}={rate_of(hook)}", lambda fired, s: fired >= least and s["pictures"] > 50,
                     f"{hook}-{output}", max(CELL_LIMIT_S, least * LIMIT_S_A_FAULT))
    seen["ok"] = (is_clean(seen) and seen["fired"] >= least and seen["pictures"] > 50 and seen["alive"] and
                  seen["status"] == 0 and seen["counted"] > 0 and seen["logged"] >= seen["counted"])
    if output == "webrtc" and hook not in IDENTITY and hook not in STRAIGHT:
        seen["ok"] = seen["ok"] and seen["again"] > 0  # else nothing was looked at that is sent for a decoder's sake
    verdict(f"{hook} × {output}: {seen['fired']} faults, no foreign picture in {seen['pictures']}", seen["ok"], seen)
    return seen


def backward(bench, hook, output):
    """With its wall off the hook must be seen to do harm."""
    wall = "evidence.off" if hook in IDENTITY else "sealing.off"
    harm = "old" if hook == "frame.replay" else "foreign_heard" if output == "sound" else "foreign"
    is_held = (hook, output) in HELD_BY_THE_OTHER_WALL
    seen = bench.run(hook, output, f"{hook}={rate_of(hook)},{wall}=1/1",
                     lambda fired, s: fired > 50 if is_held else s[harm] > 0, f"{hook}-{output}-{wall}")
    seen.update(wall=wall, harm=harm, ok=is_clean(seen) and seen["counted"] > 0 if is_held else seen[harm] > 0)
    verdict(f"{hook} × {output} with {wall}: {'held by the seal' if is_held else 'wrong pictures are seen'}", seen["ok"], seen)
    return seen


# ---- the report ----

def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def foreign(seen):
    """Pictures, and of sound tones."""
    return seen["foreign"] + seen["foreign_heard"]


def tables(ahead, back):
    first = table(("hook", "output", "fired", "alarms counted", "alarm lines logged", "pictures looked at", "decoded", "foreign",
                   "old", "server alive", "verdict"),
                  [(s["hook"], s["output"], s["fired"], s["counted"], s["logged"], s["pictures"], s["decoded"], foreign(s),
                    s["old"], "yes" if s["alive"] else "NO", "pass" if s["ok"] else "FAIL") for s in ahead])
    second = table(("hook", "output", "wall taken away", "fired", "pictures looked at", "foreign", "old", "verdict"),
                   [(s["hook"], s["output"], s["wall"], s["fired"], s["pictures"], foreign(s), s["old"],
                     ("held by the seal" if (s["hook"], s["output"]) in HELD_BY_THE_OTHER_WALL else "pass") if s["ok"] else "FAIL")
                    for s in back])
    return first, second


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    return f"{model[1] if model else platform.machine()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}"


def write_report(path, least, first, second, took_s):
    now = datetime.datetime.now(datetime.timezone.utc)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"""# The fault matrix

Made by `tests/fault/matrix.py build/fault --fired {least} --report tests/fault/report.md` on {now:%Y-%m-%d}, {machine()}; {took_s:.0f} s.

Two homes with 8 simulated cameras each, whose main streams are H.265 and sub streams H.264; owners, guests, a member of both homes, and people who ask for what is not theirs. Every
picture's stamp was read, a part was decoded and its code read. Outputs: `main` and `sub` are live.mp4 over plain HTTP/1.1, `h2` over
HTTPS and HTTP/2 (many on one connection), `slow` readers that take less than is sent, `still` is still.jpg at several widths.
`rtsp` are programs by RTSP, each with a token for one camera, who ask for sound as well; some read slowly. A tone for one who may not hear is foreign there too.
`webrtc` are WHEP viewers of both streams: half lose packets and ask for them again (RTX), a quarter lose them and have no RTX, all of
those ask for keyframes they need not (the group begins again), some read so slowly that their sockets overflow.
`sound` are WHEP viewers who ask for sound as well: the owners and the member of both homes hear, everybody else may only see; what is counted as looked at are frames
of sound whose tone told the camera, and a tone for one who may not hear is foreign.
A hook that does not stand in an output's way has no row for it (a still is no MP4 part; a film asks no helper).

A fault may fire where it harms nobody (the row swapped in is the right one; the viewer waits for a keyframe anyway), so there can be
fewer alarms than faults; one wrong frame served to several viewers gives several. A row that does not fit is logged where it is read
and where the decision falls.

## With both walls: no foreign picture

{first}
## With the wall taken away: the same hooks do show them

{second}""")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--fired", type=int, default=1000 if os.environ.get("CASEMENT_TEST") == "long" else 50)
    parser.add_argument("--only")
    parser.add_argument("--share", default="1/1", help="every N-th cell, from the K-th on: some can run at once")
    parser.add_argument("--report")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="casement-matrix-")
    began = time.monotonic()
    bench = Bench(os.path.abspath(options.build), directory)
    kth, of = (int(number) for number in options.share.split("/"))
    ours = cells(options.only)[kth - 1::of]
    try:
        ahead = [forward(bench, hook, output, options.fired) for hook, output in ours]
        back = [backward(bench, hook, output) for hook, output in ours if output in ("main", "webrtc", "sound", "rtsp", "still")]
    finally:
        bench.close()
    first, second = tables(ahead, back)
    print(first + "\n" + second)
    if options.report:
        write_report(options.report, options.fired, first, second, time.monotonic() - began)
    if failed:
        print(f"# logs are kept in {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if failed else 0


sys.exit(main())
