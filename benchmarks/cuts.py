"""What `./bench access` says of cuts of many: the real server and real viewers (tests/tools/viewers.c: streams of HTTP/2, of which a
connection carries many, as a server takes 1,024 connections), each of whom looks at every picture. The clock runs from the commit, as
a connection of our own to the database sees it, to the last byte that each was sent and to the end of his stream."""

import http.client
import json
import os
import sys
import threading
import time

import rig
from report import say, share
from rig import LOAD, Process, Server, program

sys.path.append(os.path.join(rig.ROOT, "tests", "tools"))
from commit import Commit  # noqa: E402  (its folder is not a package)

CAMERAS, FPS, GOP = 4, 2, 20
EACH = 1000        # viewers of an account
A_CONNECTION = 100
A_PROCESS = 2500   # viewers.c has room for 4,096
AT_ONCE = 200      # the pool's queue is bounded: more are told that the server is busy
STEADY_S, END_S = 120, 60


class Crowd:
    """Viewers in as many processes as they need: number i has cookie i / EACH."""

    def __init__(self, server, cookies, count):
        self.server, self.count, self.ends, self.reports = server, count, {}, []
        self.processes = [Process(LOAD, [program("bench_viewers"), 0], f"viewers{first}.log", stdin=-1, bufsize=1)
                          for first in range(0, count, A_PROCESS)]
        for process in self.processes:
            threading.Thread(target=self.listen, args=(process.child.stdout,), daemon=True).start()
        for i in range(count):
            cookie = cookies[i // EACH].split("=", 1)[1]
            camera = i % CAMERAS + 1
            self.say(self.processes[i // A_PROCESS], f"open v{i} h2 {server.HTTPS} l{i // A_CONNECTION} 0 {camera} 0 -1 c:{cookie} "
                     f"/api/v1/cameras/cam{camera}/live.mp4?home=bench&stream=main")
            if (i + 1) % AT_ONCE == 0:
                rig.wait_for(f"{i + 1} viewers", lambda: self.server.metrics()["casement_viewers"] > i or self.ends, STEADY_S)  # pylint: disable=cell-var-from-loop

    @staticmethod
    def say(process, line):
        process.child.stdin.write(line + "\n")
        process.child.stdin.flush()

    def listen(self, output):
        for line in output:
            if line.startswith("{"):
                self.reports.append(json.loads(line))
            elif line.startswith("end "):
                name, _, last, ended = line.split()[1:5]
                self.ends[int(name[1:])] = (int(last), int(ended))

    def ask_all(self, what):
        self.reports = []
        for process in self.processes:
            self.say(process, what)
        rig.wait_for("reports", lambda: len(self.reports) == len(self.processes), 60)

    def report(self):
        self.ask_all("report")
        return {key: sum(one[key] for one in self.reports) for key in ("open", "pictures", "missed", "foreign", "refused")}

    def settle(self):
        """Every one has pictures: on the whole three times as many as there are viewers."""
        def is_steady():
            seen = self.report()
            if self.ends or seen["refused"]:
                raise RuntimeError(f"{len(self.ends)} viewers ended by themselves, {seen['refused']} were refused")
            return seen["open"] == self.count and seen["pictures"] > 3 * self.count
        rig.wait_for("pictures for all", is_steady, STEADY_S)
        say(f"{self.count:,} viewers watch")

    def cut(self, count, take):
        """The first `count` are cut: of each milliseconds from the commit to the last byte, and to the end; and how many pictures
        the others missed."""
        self.ask_all("reset")
        commit = Commit(os.path.join(self.server.folder, "data"))
        try:
            take()
            rig.wait_for("the end of all", lambda: len(self.ends) >= count, END_S)
        finally:
            committed = commit.end()
        time.sleep(2)  # a miss is seen when another picture has come
        seen = self.report()
        if sorted(self.ends) != list(range(count)) or seen["foreign"]:
            raise RuntimeError(f"{len(self.ends)} of {count} ended; {seen}")
        return seen["missed"], *[[(at - committed) / 1000 for at in times] for times in zip(*self.ends.values())]

    def close(self):
        for process in self.processes:
            process.child.stdin.close()
            process.__exit__()


def ask(server, cookie, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.HTTP, timeout=60)
    connection.request(method, "/api/v1/" + path, body and json.dumps(body),
                       {"Cookie": cookie, "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status not in (200, 204):
        raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]}")


def watch_and_cut(figures, server, people, name, target, count, take):
    cookies, _ = server.sign_in()
    crowd = Crowd(server, cookies, people * EACH)
    try:
        crowd.settle()
        missed, last, end = crowd.cut(count, lambda: take(cookies[0]))
    finally:
        crowd.close()
    figures.add(f"{name}: stream ended, p99", "ms", [share(end, .99)], target)
    figures.add("  the last of them", "ms", [max(end)], None)
    figures.add("  last byte, p99", "ms", [share(last, .99)], None)
    if count < people * EACH:
        figures.add("  pictures that the others missed", "", [missed], 0)


def measure(figures, is_quick):
    people = 2 if is_quick else 10
    with Process(LOAD, [program("bench_simcam"), "--cameras", CAMERAS, "--auth", "none", "--sound", "none", "--fps", FPS, "--gop", GOP,
                        "--kbps", 64, "--port", 0, "--helper", os.path.join(rig.BUILD, "casement-helper"), "--cache",
                        os.path.join(rig.ROOT, "build/bench/scenes")], "cameras.log") as cameras:
        port = cameras.line().rsplit(":", 1)[1]
        with Server(CAMERAS, port, people, EACH) as server:
            watch_and_cut(figures, server, 2, f"one account of {EACH:,} live viewers cut, {EACH:,} others watch on", 100, EACH,
                          lambda cookie: ask(server, cookie, "DELETE", "session"))
            watch_and_cut(figures, server, people, f"everyone logged out, {people * EACH:,} live viewers", 500, people * EACH,
                          lambda cookie: ask(server, cookie, "POST", "everyone/log-out", {"programs": True}))
