#!/usr/bin/python3
"""A WHEP viewer made of GStreamer's webrtcbin: writes the H.264 (or H.265) that it depacketizes to a
file, and prints `state NAME` for each state of the connection. With another file it asks for sound of
PCMU too, and writes its samples there. Ends when standard input does.

  _webrtc_gstreamer.py URL TOKEN FILE [h264|h265] [SOUND-FILE]"""

import sys
import urllib.request

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # pylint: disable=wrong-import-position

URL, TOKEN, FILE = sys.argv[1:4]
CODECS = {"h264": "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,"
                  "packetization-mode=(string)1,profile-level-id=(string)42e01f",
          "h265": "application/x-rtp,media=video,encoding-name=H265,payload=96,clock-rate=90000,"
                  "profile-id=(string)1,tier-flag=(string)0,level-id=(string)93,tx-mode=(string)SRST"}
CODEC = next((word for word in sys.argv[4:] if word in CODECS), "h264")
CAPS = CODECS[CODEC]
SOUND_FILE = next((word for word in sys.argv[4:] if word not in CODECS), None)
SOUND_CAPS = "application/x-rtp,media=audio,encoding-name=PCMU,payload=0,clock-rate=8000"


def say(*words):
    print(*words, flush=True)


def on_offer(promise, webrtc):
    reply = promise.get_reply()  # kept while what it holds is used
    offer = reply.get_value("offer")
    webrtc.emit("set-local-description", offer, Gst.Promise.new())


def on_gathered(webrtc, _):
    if webrtc.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        return
    offer = webrtc.get_property("local-description").sdp.as_text()
    request = urllib.request.Request(URL, offer.encode(), {
        "Content-Type": "application/sdp", "Authorization": "Bearer " + TOKEN})
    with urllib.request.urlopen(request, timeout=60) as answer:
        _, message = GstSdp.SDPMessage.new_from_text(answer.read().decode())
    answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
    webrtc.emit("set-remote-description", answer, Gst.Promise.new())


def on_pad(_, pad, pipeline):
    if pad.direction != Gst.PadDirection.SRC:
        return
    is_sound = pad.get_current_caps().get_structure(0).get_string("media") == "audio"
    taker = Gst.parse_bin_from_description(
        "rtppcmudepay ! mulawdec ! audioconvert ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! "
        f"filesink buffer-mode=2 async=false location={SOUND_FILE}" if is_sound else
        f"rtp{CODEC}depay ! {CODEC}parse config-interval=-1 ! "
        f"video/x-{CODEC},stream-format=byte-stream,alignment=au ! filesink buffer-mode=2 location={FILE}", True)
    pipeline.add(taker)
    taker.sync_state_with_parent()
    pad.link(taker.get_static_pad("sink"))


def main():
    Gst.init(None)
    loop = GLib.MainLoop()
    pipeline = Gst.Pipeline.new("viewer")
    webrtc = Gst.ElementFactory.make("webrtcbin", "webrtc")
    webrtc.set_property("latency", 1000)  # ms: it gives up what comes later, and this machine is shared
    webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    pipeline.add(webrtc)
    agent = webrtc.get_property("ice-agent")  # kept: the binding takes a reference that is not its own
    agent.emit("add-local-ip-address", "127.0.0.1")
    webrtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
                Gst.Caps.from_string(CAPS))
    if SOUND_FILE:
        webrtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
                    Gst.Caps.from_string(SOUND_CAPS))
    webrtc.connect("pad-added", on_pad, pipeline)
    webrtc.connect("notify::ice-gathering-state", on_gathered)
    webrtc.connect("notify::connection-state",
                   lambda w, _: say("state", w.get_property("connection-state").value_nick))
    webrtc.connect("on-negotiation-needed", lambda w: w.emit(
        "create-offer", None, Gst.Promise.new_with_change_func(on_offer, w)))
    GLib.io_add_watch(sys.stdin, GLib.IO_HUP | GLib.IO_IN, lambda *_: loop.quit())
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    del agent
    pipeline.set_state(Gst.State.NULL)


main()
