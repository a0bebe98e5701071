#!/usr/bin/env python3
"""Asks Janus's streaming plugin for viewers, over its HTTP API on loopback, and answers its offers.

    janus_viewers.py PORT CAMERAS ADDRESS UFRAG PASSWORD FINGERPRINT UDP-PORT…

The latter are those of who will connect: a port for each viewer, for whom it prints what
webrtc_viewers --answered reads. Viewers are of one camera after the other."""

import http.client
import json
import re
import sys

PORT, CAMERAS = (int(word) for word in sys.argv[1:3])
ADDRESS, UFRAG, PASSWORD, FINGERPRINT, *OWN_PORTS = sys.argv[3:]

ANSWER = f"""v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE {{mid}}
m=video 9 UDP/TLS/RTP/SAVPF {{type}} {{rtx}}
c=IN IP4 0.0.0.0
a=ice-ufrag:{UFRAG}
a=ice-pwd:{PASSWORD}
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:active
a=mid:{{mid}}
a=recvonly
a=rtcp-mux
a=rtpmap:{{type}} H264/90000
a=rtcp-fb:{{type}} nack
a=rtcp-fb:{{type}} nack pli
a=rtcp-fb:{{type}} transport-cc
a=fmtp:{{type}} profile-level-id=42e01f;packetization-mode=1
a=rtpmap:{{rtx}} rtx/90000
a=fmtp:{{rtx}} apt={{type}}
a=candidate:1 1 udp 2130706431 {ADDRESS} {{own_port}} typ host
a=end-of-candidates
""".replace("\n", "\r\n")


def found(pattern, offer):
    match = re.search(pattern, offer)
    if match is None:
        raise RuntimeError(f"the offer lacks {pattern}: {offer}")
    return match.groups()


class Api:
    """Janus's, on one connection that stays open."""

    def __init__(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)

    def ask(self, method, path, **body):
        text = json.dumps(body | {"transaction": "t"}) if body else None
        self.connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = json.loads(self.connection.getresponse().read())
        if answer["janus"] == "error":
            raise RuntimeError(f"{path}: {answer}")
        return answer

    def offer(self, session):
        """What comes before it are other events."""
        while True:
            event = self.ask("GET", f"{session}?maxev=1")
            if "jsep" in event:
                return event["jsep"]["sdp"]


def watch(api, camera, own_port):
    session = f'/janus/{api.ask("POST", "/janus", janus="create")["data"]["id"]}'
    handle = f'{session}/{api.ask("POST", session, janus="attach", plugin="janus.plugin.streaming")["data"]["id"]}'
    api.ask("POST", handle, janus="message", body={"request": "watch", "id": camera})
    offer = api.offer(session)
    kind, rtx = found(r"m=video 9 UDP/TLS/RTP/SAVPF (\d+) (\d+)", offer)
    mid, = found(r"a=mid:(\S+)", offer)
    answer = {"type": "answer", "sdp": ANSWER.format(mid=mid, type=kind, rtx=rtx, own_port=own_port)}
    api.ask("POST", handle, janus="message", body={"request": "start"}, jsep=answer)
    ufrag, = found(r"a=ice-ufrag:(\S+)", offer)
    password, = found(r"a=ice-pwd:(\S+)", offer)
    address, port = found(r"a=candidate:\S+ 1 udp \d+ ([0-9.]+) (\d+) typ host", offer)
    ssrc, = found(r"a=ssrc-group:FID (\d+)", offer)
    print(address, port, ufrag, password, kind, rtx, ssrc, flush=True)


def main():
    api = Api()
    for i, own_port in enumerate(OWN_PORTS):
        watch(api, i % CAMERAS + 1, own_port)


main()
