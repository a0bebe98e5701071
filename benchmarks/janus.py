"""Debian's Janus as a peer of `./bench webrtc`: its streaming plugin gets the cameras as RTP
(rtp_feed.c) and offers them to viewers that answer as those of casement do (webrtc_viewers.c).

Janus gathers no address of loopback, so it, the cameras and the viewers run in a network namespace
of their own, which has another. What is missing for that, or the package itself, is said in
Absent."""

import os
import shutil
import subprocess
import time

import rig

from rig import LOAD, MEASURED, Process, program

ADDRESS, API_PORT, FIRST_PORT = "10.77.0.1", 18088, 25001
LIMIT_S = 100  # of its viewers
LIBRARIES = "/usr/lib/x86_64-linux-gnu/janus"
PLUGIN, TRANSPORT = "libjanus_streaming.so", "libjanus_http.so"


class Absent(Exception):
    """Why there is no Janus to be measured."""


# ---- where it runs ----

class Namespace:
    """A network of its own, as long as its holder lives."""

    SCRIPT = (f"ip link set lo up && ip link add j0 type veth peer name j1 && "
              f"ip address add {ADDRESS}/24 dev j0 && ip link set j0 up && ip link set j1 up && "
              f"echo ready && exec sleep 900")

    def __enter__(self):
        self.holder = Process(LOAD, ["unshare", "--user", "--map-root-user", "--net", "sh", "-c",
                                     self.SCRIPT], "namespace.log")
        try:
            ready = self.holder.line()
        except RuntimeError as error:
            raise Absent("no network namespace may be made here") from error
        if ready != "ready":
            raise Absent(f"the network namespace says {ready}")
        return self

    def __exit__(self, *how):
        self.holder.__exit__(*how)

    def process(self, core, arguments, log, limit_s=None, **how):
        return Process(core, ["nsenter", "--target", self.holder.id, "--user", "--net",
                              "--preserve-credentials", *arguments], log, limit_s, **how)


# ---- its configuration ----

def others(folder, but):
    names = os.listdir(os.path.join(LIBRARIES, folder))
    return ",".join(name for name in names if name.endswith(".so") and name != but)


def write_configuration(folder, cameras):
    texts = {
        "janus.jcfg": f"""general: {{ configs_folder = "{folder}", debug_level = 2, session_timeout = 0,
    plugins_folder = "{LIBRARIES}/plugins", transports_folder = "{LIBRARIES}/transports",
    events_folder = "{folder}/none", loggers_folder = "{folder}/none" }}
media: {{ ipv6 = false }}
plugins: {{ disable = "{others("plugins", PLUGIN)}" }}
transports: {{ disable = "{others("transports", TRANSPORT)}" }}
""",
        "janus.transport.http.jcfg": f"""general: {{ json = "compact", base_path = "/janus", http = true,
    port = {API_PORT}, ip = "127.0.0.1", https = false }}
admin: {{ admin_http = false }}
""",
        "janus.plugin.streaming.jcfg": "".join(
            f"""cam{i}: {{ type = "rtp", id = {i}, media = ( {{ type = "video", mid = "v",
    port = {FIRST_PORT + i - 1}, pt = 96, codec = "h264",
    fmtp = "profile-level-id=42e01f;packetization-mode=1" }} ) }}
""" for i in range(1, cameras + 1)),
    }
    os.makedirs(folder)
    for name, text in texts.items():
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write(text)


# ---- its viewers ----

# Asks Janus for one viewer of a camera, inside the namespace: reads lines of camera numbers, and
# writes what webrtc_viewers wants to know of each.
SIGNALLING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "janus_viewers.py")


class Janus:
    """It runs, with the cameras, while in `with`."""

    def __init__(self, cameras, fps, packets, size):
        if shutil.which("janus") is None:
            raise Absent("the package janus is not installed")
        self.folder = os.path.join(rig.SCRATCH, "janus")
        self.feed = ["--cameras", cameras, "--port", FIRST_PORT, "--fps", fps, "--packets", packets,
                     "--size", size]
        self.parts = []
        write_configuration(self.folder, cameras)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        self.namespace = self.take(Namespace())
        self.server = self.take(self.namespace.process(
            MEASURED, ["janus", "-F", self.folder], "janus.log", stdout=subprocess.DEVNULL))
        feed = self.take(self.namespace.process(LOAD, [program("rtp_feed"), *self.feed], "feed.log"))
        if feed.line() != "feeding":
            raise RuntimeError("rtp_feed said something else")
        time.sleep(2)  # its plugins
        if self.server.child.poll() is not None:
            raise Absent(f"janus ended with status {self.server.child.returncode}")

    def take(self, part):
        part.__enter__()
        self.parts.append(part)
        return part

    def __exit__(self, *_):
        while self.parts:
            self.parts.pop().__exit__()

    def watch(self, viewers, cameras, seconds, windows):
        """How many of them got media, [(CPU seconds, window)…] when they are steady, and the PSS of
        each in bytes."""
        before_pss = rig.pss_bytes(self.server.id)
        with self.namespace.process(
                LOAD, [program("webrtc_viewers"), "--answered", "--viewers", viewers, "--cameras",
                       cameras, "--seconds", seconds, "--windows", windows, "--warm", 3],
                "janus_viewers.log", LIMIT_S, stdin=subprocess.PIPE) as load:
            about = load.line().split()
            ports = [load.line() for _ in range(viewers)]
            asking = self.namespace.process(
                LOAD, ["python3", SIGNALLING, API_PORT, cameras, ADDRESS, *about, *ports],
                "janus_signalling.log", LIMIT_S, stdout=load.child.stdin)
            with asking:
                load.child.stdin.close()  # theirs is the only one
                count = load.json()["joined"]
                if load.line() != "steady":
                    raise RuntimeError("webrtc_viewers said something else")
                pss = (rig.pss_bytes(self.server.id) - before_pss) / count
                seen = []
                for _ in range(windows):
                    before = rig.cpu_seconds(self.server.id)
                    window = load.json()
                    seen.append((rig.cpu_seconds(self.server.id) - before, window))
        return count, seen, pss

    def receive(self, seconds):
        """Share of a core, with nobody watching."""
        before, began = rig.cpu_seconds(self.server.id), time.monotonic()
        time.sleep(seconds)
        return (rig.cpu_seconds(self.server.id) - before) / (time.monotonic() - began)
