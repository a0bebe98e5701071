#!/usr/bin/env python3
# casement-test: quick
"""Pictures through a TURN server that is not ours (coturn), to a viewer who can reach the server in no
other way: each of the three is in a network namespace of its own, and nothing is forwarded between
them. The path outlives refreshes of the allocation and nonces that go stale. Then a wrong password,
which the log names without saying it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM_PYTHON = "/usr/bin/python3"
SERVER, VIEWER = ("10.78.1.1", "10.78.1.2"), ("10.78.2.1", "10.78.2.2")  # itself, and the relay beside it
TURN_PORT = 3478
PASSWORD = "orange-lamp-31"


def inside(name, *words):
    """Not `ip netns exec`, nor `ip -n`: those mount /sys anew, which a changed root does not bear."""
    return ["nsenter", f"--net=/run/netns/{name}", *words]


def run(*words):
    subprocess.run(words, check=True, capture_output=True)


def ip(name, *words):
    run(*inside(name, "ip", *words))


class Networks:
    """server -- relay -- viewer"""

    def __init__(self):
        self.names = {part: f"casement-{part}-{os.getpid()}" for part in ("server", "relay", "viewer")}

    def make(self):
        for name in self.names.values():
            run("ip", "netns", "add", name)
            ip(name, "link", "set", "lo", "up")
        for part, (own, relay) in (("server", SERVER), ("viewer", VIEWER)):
            ip(self.names[part], "link", "add", "out", "type", "veth", "peer", "name", part, "netns",
               self.names["relay"])
            ip(self.names[part], "addr", "add", own + "/24", "dev", "out")
            ip(self.names["relay"], "addr", "add", relay + "/24", "dev", part)
            ip(self.names[part], "link", "set", "out", "up")
            ip(self.names["relay"], "link", "set", part, "up")

    def remove(self):
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def missing():
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nsenter", "turnserver"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None


def outside():
    """Makes the networks and runs this file once more, where the server is."""
    why = missing()
    networks = Networks()
    try:
        if not why:
            networks.make()
            command = inside(networks.names["server"], sys.executable, os.path.abspath(__file__),
                             networks.names["relay"], networks.names["viewer"])
            return subprocess.run(command, check=False).returncode
    except subprocess.CalledProcessError as refused:
        why = f"no network namespaces here: {refused.stderr.decode().strip()[:200]}"
    finally:
        networks.remove()
    print(f"ok - pictures through coturn # SKIP {why}")
    return 0


if len(sys.argv) == 1:
    sys.exit(outside())

from _server import PATIENCE_S, Cameras, Program, Server, check, command, finish, until  # pylint: disable=wrong-import-position

RELAY, VIEW = sys.argv[1:3]


def coturn(place):
    """Short lives: what a day brings comes in seconds."""
    turn = Program(*inside(RELAY, "turnserver"), "-n", "--no-cli", "--no-tls", "--no-dtls",
                   "--listening-ip", SERVER[1], "--relay-ip", VIEWER[1], "--listening-port", str(TURN_PORT),
                   "--lt-cred-mech", "--realm", "example.org", "--user", f"casement:{PASSWORD}",
                   "--stale-nonce=5", "--max-allocate-lifetime=12", "--log-file", "stdout", "--verbose",
                   "--userdb", os.path.join(place, "turndb"), "--pidfile", os.path.join(place, "turn.pid"))
    turn.told("Relay ports initialization done|Total auth threads|listener opened")
    return turn


class Viewer(Program):
    """aiortc where no HTTP reaches: its offer and the answer go by way of this test."""

    def __init__(self, server, token):
        super().__init__(*inside(VIEW, SYSTEM_PYTHON, os.path.join(HERE, "_webrtc_aiortc.py")), "-", "-",
                         "address=" + VIEWER[0])
        found = self.told(r"(?m)^offer (.*)$")
        check("the viewer makes an offer", found, self.log[-1000:])
        self.answer = server.ask("POST", "/api/v1/cameras/door/whep?stream=sub", json.loads(found[1]).encode(),
                                 bearer=token, headers={"Content-Type": "application/sdp"})
        self.sdp = self.answer.body.decode()
        self.process.stdin.write(json.dumps(self.sdp) + "\n")
        self.process.stdin.flush()

    @property
    def codes(self):
        return [tuple(line.split()[1:]) for line in self.output.splitlines() if line.startswith("frame ")]

    def has(self, pictures):
        return until(lambda: len(self.codes) >= pictures or self.process.poll() is not None) and len(self.codes) >= pictures

    def leave(self):
        self.process.stdin.close()
        until(lambda: self.process.poll() is not None)
        return self.end()


def metric(server, name):
    text = server.ask("GET", "/metrics").body.decode()
    found = re.search(rf"^casement_{re.escape(name)} (\d+)$", text, re.M)
    return int(found[1]) if found else None


def open_server(camera, password):
    server = Server({"listen": {"media": SERVER[0] + ":0",
                                "turn": {"address": f"{SERVER[1]}:{TURN_PORT}", "user": "casement",
                                         "password_file": "turn.pw"}},
                     "homes": [{"id": "verdi", "allow": ["127.0.0.0/8"],
                                "cameras": [{"id": "door", "main": camera, "sub": camera, "keep": "always"}],
                                "accounts": [{"name": "anna", "role": "owner", "password_file": "pw"}]}]},
                    {"pw": "correct horse battery", "turn.pw": password})
    owner = server.sign_in("anna", "correct horse battery")
    until(lambda: all(c["state"] == "live" for c in server.ask("GET", "/api/v1/cameras", cookie=owner).json["cameras"]))
    token = command(server, "token", "create", "--home", "verdi", "--account", "anna", "--camera", "door",
                    "--rights", "view", "--days", "1").stdout.strip()
    return server, token


def end_server(server):
    check("the password is in no line of the log", PASSWORD not in server.log and "not-this-one" not in server.log)
    check("the server ends in order", server.end() == 0, server.log[-1500:])
    server.remove()


def check_codes(name, codes):
    cameras = [code[0] for code in codes]  # "none": their decoder had a picture in part
    check(f"{name}: every picture is of camera 1", set(cameras) - {"none"} == {"1"} and
          cameras.count("none") <= len(codes) / 2, sorted(set(cameras)) + codes[:20])


def pictures_come_relayed(camera, turn):
    server, token = open_server(camera, PASSWORD)
    check("the server has an allocation", until(lambda: metric(server, "turn_allocations_total") == 1),
          server.log[-1000:] + turn.output[-2000:])
    viewer = Viewer(server, token)
    check("the answer is no lite agent's", viewer.answer.status == 201 and "a=ice-lite" not in viewer.sdp, viewer.sdp)
    relayed = re.search(rf"^a=candidate:\S+ 1 udp (\d+) {re.escape(VIEWER[1])} \d+ typ relay raddr "
                        rf"{re.escape(SERVER[0])} rport \d+\r$", viewer.sdp, re.M)
    check("it names the relay, with what it is related to", relayed and int(relayed[1]) < 1 << 24, viewer.sdp)
    check("the viewer is connected", viewer.told(r"state connected"), viewer.output[-500:] + viewer.log[-500:] +
          server.log[-1000:] + turn.output[-3000:])
    check("and sees pictures", viewer.has(60), viewer.output[-500:] + viewer.log[-800:])
    check_codes("through the relay", viewer.codes)
    check("which went relayed", until(lambda: (metric(server, "turn_datagrams_out_total") or 0) > 60), metric(server, "turn_datagrams_out_total"))
    outlives(server, viewer, turn)
    viewer.leave()
    end_server(server)


def outlives(server, viewer, turn):
    """Refreshed allocations and stale nonces: both were seen by coturn, and the pictures went on."""
    def refreshed():
        return len(re.findall(r"refreshed, realm", turn.output))
    before, began = refreshed(), len(viewer.codes)
    check("the allocation is refreshed", until(lambda: refreshed() >= before + 3, 2 * PATIENCE_S), turn.output[-3000:])
    check("nonces went stale", until(lambda: "Wrong nonce" in turn.output or "stale nonce" in turn.output.lower()),
          turn.output[-3000:])
    check("pictures came all the while", viewer.has(began + 100), (began, len(viewer.codes)))
    check("and go on", viewer.has(len(viewer.codes) + 40), viewer.output[-300:])
    check_codes("all along", viewer.codes)
    check("it is the first allocation still", metric(server, "turn_allocations_total") == 1 and
          metric(server, "turn_losses_total") == 0, server.log[-1000:])


def a_wrong_password_is_named(camera):
    server, token = open_server(camera, "not-this-one")
    named = until(lambda: re.search(r"warn turn event=refused server=\S+ error=401 cause=wrong-user-or-password", server.log))
    check("a wrong password is named in the log", named, server.log[-1000:])
    check("and counted", until(lambda: metric(server, "turn_refusals_total") == 1), metric(server, "turn_refusals_total"))
    viewer = Viewer(server, token)
    check("the answer has no relay then", viewer.answer.status == 201 and "typ relay" not in viewer.sdp, viewer.sdp)
    viewer.leave()
    end_server(server)


def main():
    place = tempfile.mkdtemp(prefix="casement-turn-")
    turn, cameras = coturn(place), Cameras(1)
    pictures_come_relayed(cameras.url(1, "sub"), turn)
    a_wrong_password_is_named(cameras.url(1, "sub"))
    cameras.end()
    turn.end(signal.SIGTERM)
    shutil.rmtree(place, ignore_errors=True)
    return finish()


sys.exit(main())
