"""What `./bench access` says of a storm of sign-ins beside live pictures: as many at once as a machine's people would never make, each
from an address of its own, so that each is hashed."""

import http.client
import json
import os
import threading

import rig
from rig import LOAD, Process, Server, program

CAMERAS, VIEWERS, AT_ONCE, WARM_S, SECONDS = 10, 50, 32, 2, 5


class Storm:
    """Blows while it is used in `with`."""

    def __init__(self, port):
        self.port, self.is_over, self.hashed, self.refused = port, False, 0, 0
        self.threads = [threading.Thread(target=self.blow, args=(n,), daemon=True) for n in range(AT_ONCE)]

    def blow(self, number):
        tries = 0
        while not self.is_over:
            tries += 1
            source = (f"127.{number + 1}.{tries // 250}.{tries % 250 + 1}", 0)
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=source)
            connection.request("POST", "/api/v1/session", json.dumps({"name": f"stranger{number}-{tries}", "password": "a long enough guess"}),
                               {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"})
            is_hashed = b"wrong-name-or-password" in connection.getresponse().read()
            connection.close()
            self.hashed += is_hashed
            self.refused += not is_hashed

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def measure(figures):
    scenes = os.path.join(rig.ROOT, "build/bench/scenes")
    with Process(LOAD, [program("bench_simcam"), "--cameras", CAMERAS, "--auth", "none", "--sound", "none", "--port", 0, "--helper",
                        os.path.join(rig.BUILD, "casement-helper"), "--cache", scenes], "cameras.log") as cameras:
        port = cameras.line().rsplit(":", 1)[1]
        with Server(CAMERAS, port) as server:
            _, path = server.sign_in()
            before = server.metrics()
            with Process(LOAD, [program("http_viewers"), "--port", server.HTTP, "--viewers", VIEWERS, "--cameras", CAMERAS, "--seconds", SECONDS,
                                "--windows", 2, "--warm", WARM_S, "--probes", 8, "--cookies", path], "viewers.log") as load:
                if load.line() != "steady":
                    raise RuntimeError("http_viewers said something else")
                calm = load.json()
                with Storm(server.HTTP) as storm:
                    rough = load.json()
            after = server.metrics()
    lost = sum(after[name] - before[name] for name in ("casement_frames_dropped_total", "casement_frames_skipped_total"))
    figures.add("a storm of sign-ins: hashed", "/s", [storm.hashed / SECONDS], None)
    figures.add(f"  pictures that {VIEWERS} viewers did not get", "", [lost], 0)
    figures.add("  gaps over 150 ms, all viewers", "", [rough["late"]], 0, [calm["late"]], "before it")
