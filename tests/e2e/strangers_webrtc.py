#!/usr/bin/env python3
"""The media ports as strangers meet them, while people watch by WebRTC.

    strangers_webrtc.py [BUILD] [--each N]

casement-test: quick

Floods of N datagrams a kind (5,000; 50,000 when CASEMENT_TEST is long): binding requests for nobody, and for somebody with
a wrong or no MESSAGE-INTEGRITY; ClientHellos, SRTP and noise from addresses that no check has proven; then forged SRTP and
SRTCP, a report over and over, reports cut short, noise, ClientHellos and checks from a viewer's own address. Nobody is answered, the server's
memory does not grow, /metrics tells each by its cause, and those who watch miss no picture.
"""
import argparse
import binascii
import hashlib
import hmac
import http.client
import os
import re
import shutil
import socket
import struct
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path[0] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")
import world  # noqa: E402  (its folder is not a package)

WATCHERS, SOCKETS, BURST = 4, 32, 100
PATIENCE_S = 60  # for what must happen, on a machine that is busy
LOOPS_TRIED = 8  # offers by hand, to meet the port of every loop
PSS_GROWTH_KB = 1500
ROUNDS = 3  # what those who watch need grows too, for a while, on a busy machine: what each datagram costs grows every time
FORGERIES = ("RTP", "RTCP", "replay", "noise", "ClientHello", "check", "truncated")  # enum rtc_forgery of tests/tools/rtc_watch.h
OFFER = ("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
         "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd1234\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 " +
         ":".join(["AB"] * 32) + "\r\na=setup:actpass\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 H264/90000\r\n"
         "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n")
failed = 0


def verdict(name, is_good, detail=""):
    global failed
    print(f"{'ok' if is_good else 'not ok'} - {name}{' # ' + str(detail) if detail and not is_good else ''}", flush=True)
    failed += not is_good


# ---- what they send ----

def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def check(username, key):
    """A binding request that nominates (RFC 8489, RFC 8445); without a key it has no MESSAGE-INTEGRITY."""
    body = attribute(0x0006, username.encode()) + attribute(0x0024, bytes(4)) + attribute(0x0025, b"") + attribute(0x802A, bytes(8))
    transaction = os.urandom(12)

    def head(size):
        return struct.pack(">HHI", 1, size, 0x2112A442) + transaction

    if key:
        body += attribute(0x0008, hmac.new(key, head(len(body) + 24) + body, hashlib.sha1).digest())
    crc = binascii.crc32(head(len(body) + 8) + body) ^ 0x5354554E
    return head(len(body) + 8) + body + attribute(0x8028, struct.pack(">I", crc))


def client_hello():
    """A record of DTLS 1.2 whose handshake message is a ClientHello's, whatever it says."""
    body = b"\x01" + os.urandom(180)
    return b"\x16\xfe\xfd" + bytes(8) + struct.pack(">H", len(body)) + body


def srtp():
    return b"\x80" + os.urandom(300)


def noise():
    return bytes([os.urandom(1)[0] % 64 + 64]) + os.urandom(os.urandom(1)[0])


# ---- the server ----

class Target:
    def __init__(self, build, directory, simcam):
        world.write_config(directory, simcam.address)
        self.server = world.Server(build, directory, "server")
        self.viewers = world.Viewers(build, directory, 0)
        self.server.wait_for_pictures(range(1, 9))
        self.anna = self.server.sign_in("anna")
        self.ports = {}  # ufrag of a session there
        self.offers, self.offered = 0, 0.0  # how many, and when the last one was made

    def close(self):
        self.viewers.close()
        return self.server.close()

    def offer(self):
        """A session that never gets its peer: its port, and its ufrag for checks that somebody knows."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=PATIENCE_S)
        connection.request("POST", "/api/v1/cameras/c1/whep?home=verdi&stream=main", OFFER,
                           {"Content-Type": "application/sdp", "Sec-Fetch-Site": "same-origin",
                            "Cookie": "__Host-casement=" + self.anna[2:]})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != 201:
            raise RuntimeError(f"no answer: {answer.status} {text}")
        port = re.search(r"a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) ", text, re.I)[1]
        self.offers, self.offered = self.offers + 1, time.monotonic()
        self.ports[int(port)] = re.search(r"a=ice-ufrag:(\S+)", text)[1]
        return int(port)

    def watch(self, names):
        for name in names:
            how = "h1" if name == "witness" else "rtc"
            path = "whep" if how == "rtc" else "live.mp4"
            self.viewers.open(name, how, self.server.http, self.anna, f"/api/v1/cameras/c1/{path}?home=verdi&stream=main", 1)
        until = time.monotonic() + PATIENCE_S
        while any(self.viewers.tell(name)["pictures"] < 30 for name in names):
            if time.monotonic() > until:
                raise RuntimeError(f"no pictures: {[self.viewers.tell(name) for name in names]}")
            time.sleep(0.1)

    def pss_kb(self):
        with open(f"/proc/{self.server.process.pid}/smaps_rollup", encoding="ascii") as file:
            return int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M)[1])

    def refused(self):
        """By cause; the loops tell theirs each second."""
        return {re.search(r'cause="([\w-]+)"', name)[1]: int(value) for name, value in self.server.metrics().items()
                if name.startswith("casement_rtc_refused_total{")}

    def overflown(self):
        """Datagrams for the server's ports that the kernel had no room for, as nobody let the server read: they prove nothing."""
        with open("/proc/net/udp", encoding="ascii") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        return sum(int(row[12]) for row in rows if int(row[1].split(":")[1], 16) in self.ports)

    def risen(self, before, causes, wanted):
        """By how much these causes rose, once that is as many as wanted and stays so, and what is told of all."""
        end, seen = time.monotonic() + PATIENCE_S, self.refused()
        while True:
            time.sleep(1.2)
            earlier, seen = rise(before, seen, causes), self.refused()
            now = rise(before, seen, causes)
            if (now == earlier and now >= wanted()) or time.monotonic() > end:
                return now, seen

    def sessions(self):
        """Made so far; the loops tell theirs each second."""
        return int(self.server.metrics()["casement_rtc_sessions_total"])


# ---- strangers ----

def flood(target, make, count, is_taken=lambda: True):
    """`count` datagrams from many sockets to every media port: how many bytes came back, once they are taken."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
    answered = 0
    ports = list(target.ports)
    for i in range(count):
        port = ports[i % len(ports)]
        sockets[i % SOCKETS].sendto(make(target.ports[port]), ("127.0.0.1", port))
        if i % BURST == BURST - 1:
            time.sleep(0.002)  # what the kernel has no room for proves nothing
    is_taken()
    for one in sockets:
        one.setblocking(False)
        try:
            while True:
                answered += len(one.recv(4096)) + 1
        except BlockingIOError:
            one.close()
    return answered


STRANGERS = (
    ("checks for nobody", lambda ufrag: check("nobody42:abcd1234", b"whatever it is"), ("check-unknown",)),
    ("checks under a wrong password", lambda ufrag: check(ufrag + ":abcd1234", b"not the password at all"),
     ("check-forged", "check-excessive")),
    ("checks without integrity", lambda ufrag: check(ufrag + ":abcd1234", b""), ("check-forged", "check-excessive")),
    ("ClientHellos from addresses not proven", lambda ufrag: client_hello(), ("stranger",)),
    ("SRTP from there", lambda ufrag: srtp(), ("stranger",)),
    ("noise", lambda ufrag: noise(), ("malformed",)),
)
# From a viewer's own address, in the order of FORGERIES.
CAUSES = (("srtp-forged", "srtp-malformed"), ("srtp-forged", "srtp-malformed"), ("srtp-replayed",), ("malformed",),
          ("dtls-malformed", "dtls-dropped"), ("check-forged", "check-excessive"), ("srtp-forged", "srtp-malformed"))


def rise(before, after, causes):
    return sum(after[cause] - before[cause] for cause in causes)


def renew(target):
    """Nobody came to the sessions by hand, which therefore end after 30 s: others at the same ports, on a slow machine."""
    wanted = set(target.ports) if time.monotonic() > target.offered + 15 else set()
    while wanted:
        wanted.discard(target.offer())


def judge(target, name, causes, sent):
    """`sent`: how many, and what was told before."""
    each, before, lost = sent

    def wanted():
        return 0.9 * (each - (target.overflown() - lost))
    risen, after = target.risen(before, causes, wanted)
    verdict(f"{name}: {risen} of {each} are counted as {' or '.join(causes)}", wanted() <= risen <= each,
            (before, after, target.overflown() - lost))


def strangers_flood(target, each):
    for name, make, causes in STRANGERS:
        renew(target)
        before, lost = target.refused(), target.overflown()
        answered = flood(target, make, each, lambda: judge(target, name, causes, (each, before, lost)))  # pylint: disable=cell-var-from-loop
        verdict(f"{name}: not one byte is answered", answered == 0, answered)


def forgers_flood(target, each, victim):
    for kind, (name, causes) in enumerate(zip(FORGERIES, CAUSES)):
        before, lost, sent = target.refused(), target.overflown(), 0
        while sent < each:
            target.viewers.say(f"forge {victim} {kind} {BURST}")
            if not target.viewers.answer()["is_done"]:
                break
            sent += BURST
            time.sleep(0.002)
        verdict(f"from a viewer's address, {name}: all are sent", sent >= each, sent)
        judge(target, f"from a viewer's address, {name}", causes, (sent, before, lost))


def watched(target, names):
    """Everybody has the newest picture, and has missed none."""
    newest = max(target.viewers.tell(name)["number"] for name in names)
    until = time.monotonic() + PATIENCE_S
    while any(target.viewers.tell(name)["number"] < newest for name in names) and time.monotonic() < until:
        time.sleep(0.02)
    seen = [target.viewers.tell(name) for name in names]
    wrong = sum(one[key] for one in seen for key in ("missed", "old", "again", "foreign", "broken", "unstamped"))
    verdict(f"who watches meanwhile misses none of {sum(one['pictures'] for one in seen)} pictures",
            wrong == 0 and all(one["is_open"] and one["number"] >= newest for one in seen), seen)


def play(target, each):
    names = [f"w{i}" for i in range(WATCHERS)]
    for _ in range(LOOPS_TRIED):
        target.offer()
    target.watch(["witness"] + names)
    flood(target, lambda ufrag: noise(), 2000)  # buffers that are filled once
    for _ in range(ROUNDS):
        pss, began = target.pss_kb(), time.monotonic()
        strangers_flood(target, each)
        forgers_flood(target, each, names[0])
        grown = target.pss_kb() - pss
        sent = (len(STRANGERS) + len(FORGERIES)) * each
        print(f"# {sent} datagrams in {time.monotonic() - began:.0f} s: memory grew by {grown} KB of {pss}", flush=True)
        if grown <= PSS_GROWTH_KB:
            break
    verdict(f"{sent} datagrams: memory grew by {grown} KB, at most {PSS_GROWTH_KB}", grown <= PSS_GROWTH_KB)
    watched(target, names)
    made = len(names) + target.offers
    end = time.monotonic() + PATIENCE_S
    while target.sessions() < made and time.monotonic() < end:
        time.sleep(0.2)
    verdict(f"no session was made by it: {target.sessions()} of {made}", target.sessions() == made)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default="build/release")
    parser.add_argument("--each", type=int, default=50000 if os.environ.get("CASEMENT_TEST") == "long" else 5000)
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    directory = tempfile.mkdtemp(prefix="casement-strangers-")
    simcam = world.Simcam(build, directory, "--gop", "20", "--kbps", "1000")
    target = None
    try:
        target = Target(build, directory, simcam)
        play(target, options.each)
    finally:
        if target is not None:
            verdict("the server ends by itself, clean", target.close() == 0, target.server.log_path)
        simcam.close()
    verdict("no alarm was raised", "alarm" not in target.server.read_log(), target.server.log_path)
    if failed:
        print(f"# logs are kept in {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if failed else 0


sys.exit(main())
