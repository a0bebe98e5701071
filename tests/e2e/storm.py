#!/usr/bin/env python3
"""A storm of sign-ins beside live pictures: from many addresses, with names that there are and are not, each hashed for as long as a
right one. The pool's threads hash, never a loop, and whoever watches misses nothing: told by counters and by what each thread's
processor time went up by, never by a clock. casement-test: quick"""

import http.client
import json
import os
import shutil
import sys
import tempfile
import threading

from _server import check, finish, until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import world  # noqa: E402  # pylint: disable=wrong-import-position

BUILD = os.path.abspath("build/release")
AT_ONCE, TRIES = 16, 2
LOST = ("casement_frames_dropped_total", "casement_frames_skipped_total")
UTIME, STIME, NICE = 13, 14, 18  # of /proc/PID/task/TID/stat, proc(5), counted from 0


class Storm:
    """Each try comes from an address of its own: what is refused without hashing would be no storm."""

    def __init__(self, server):
        self.server, self.answers, self.lock = server, [], threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(AT_ONCE)]

    def run(self, number):
        for attempt in range(TRIES):
            name = "gina" if (number + attempt) % 4 == 0 else f"stranger{number}-{attempt}"
            connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=120,
                                                    source_address=(f"127.0.{number + 1}.{attempt + 1}", 0))
            connection.request("POST", "/api/v1/session", json.dumps({"name": name, "password": f"guess {number} {attempt}"}),
                               {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"})
            answer = connection.getresponse()
            problem = json.loads(answer.read())["type"].rpartition("/")[2]
            connection.close()
            with self.lock:
                self.answers.append(problem)

    def go_through(self):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()


def ticks(server):
    """(the loops', the pool's) processor time: the pool's threads are the nicer ones (src/loop/pool.h)."""
    of_loops = of_pool = 0
    tasks = f"/proc/{server.process.pid}/task"
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/stat", encoding="ascii") as file:
            fields = [task, "its name", *file.read().rpartition(")")[2].split()]
        took = int(fields[UTIME]) + int(fields[STIME])
        if int(fields[NICE]) > 0:
            of_pool += took
        else:
            of_loops += took
    return of_loops, of_pool


def lost(server):
    metrics = server.metrics()
    return {name: metrics[name] for name in LOST}


def play(server, viewers):
    anna, both = server.sign_in("anna"), server.sign_in("both")
    ways = {"h1": ("h1", server.http, anna, "live.mp4"), "h2": ("h2", server.https, both, "live.mp4"), "rtc": ("rtc", server.http, anna, "whep")}
    for name, (how, port, who, what) in ways.items():
        viewers.open(name, how, port, who, f"/api/v1/cameras/c2/{what}?home=verdi&stream=main", 2)

    def pictures():
        return {name: viewers.tell(name)["pictures"] for name in ways}

    def have_more_than(before):
        return until(lambda: all(seen > before[name] + 5 for name, seen in pictures().items()), 60)
    check("they watch", have_more_than(dict.fromkeys(ways, 0)))
    before, had, ticks_before = lost(server), pictures(), ticks(server)
    storm = Storm(server)
    storm.go_through()
    of_loops, of_pool = (now - then for now, then in zip(ticks(server), ticks_before))
    hashed = storm.answers.count("wrong-name-or-password")
    check("a storm went through, most of it hashed", len(storm.answers) == AT_ONCE * TRIES and hashed > AT_ONCE * TRIES / 2,
          {answer: storm.answers.count(answer) for answer in set(storm.answers)})
    check("the pool hashed, not the loops", of_pool > hashed and of_loops < of_pool / 2, (of_loops, of_pool, hashed))
    check("pictures came meanwhile, and come", have_more_than(had), (had, pictures()))
    check("the server left none out", lost(server) == before, (before, lost(server)))
    seen = {name: viewers.tell(name) for name in ways}
    # Over WebRTC a picture has no number of the server's: what the camera left out can't be told from what was lost.
    check("nobody missed one", all(one["is_open"] for one in seen.values()) and seen["h1"]["missed"] + seen["h2"]["missed"] == 0, seen)
    check("the right password signs in", server.sign_in("rosa"))


def main():
    directory = tempfile.mkdtemp(prefix="casement-storm-")
    simcam = world.Simcam(BUILD, directory, "--gop", "20", "--kbps", "500")
    server = viewers = None
    try:
        world.write_config(directory, simcam.address)
        server = world.Server(BUILD, directory, "server")
        viewers = world.Viewers(BUILD, directory, 0)
        server.wait_for_pictures((2,), 60)
        play(server, viewers)
    finally:
        if viewers is not None:
            viewers.close()
        if server is not None:
            check("the server ends by itself, clean", server.close() == 0, server.read_log()[-2000:])
        simcam.close()
    shutil.rmtree(directory)
    return finish()


sys.exit(main())
