#!/usr/bin/python3
"""GStreamer's rtspsrc as a player: _rtsp_gstreamer.py URL USER PASSWORD FILE SOUND. Writes the pictures as a byte stream to FILE and
AAC as ADTS to SOUND until its input ends. Says `pad ENCODING` for each stream, `error …`, `end`."""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402  (gi must be told the version first)

BRANCHES = {"H264": "rtph264depay ! h264parse ! video/x-h264,stream-format=byte-stream ! filesink name=film sync=false buffer-mode=2 location={film}",
            "H265": "rtph265depay ! h265parse ! video/x-h265,stream-format=byte-stream ! filesink name=film sync=false buffer-mode=2 location={film}",
            "MPEG4-GENERIC": "rtpmp4gdepay ! aacparse ! audio/mpeg,stream-format=adts ! filesink sync=false buffer-mode=2 "
                             "location={sound}"}


def say(*words):
    print(*words, flush=True)


def main():
    url, user, password, film, sound = sys.argv[1:6]
    Gst.init(None)
    loop = GLib.MainLoop()
    pipeline = Gst.Pipeline()
    source = Gst.ElementFactory.make("rtspsrc")
    for name, value in (("location", url), ("user-id", user), ("user-pw", password), ("latency", 100)):
        source.set_property(name, value)
    pipeline.add(source)

    def on_pad(_, pad):
        encoding = pad.get_current_caps().get_structure(0).get_string("encoding-name")
        say("pad", encoding)
        branch = Gst.parse_bin_from_description(BRANCHES[encoding].format(film=film, sound=sound), True)
        pipeline.add(branch)
        branch.sync_state_with_parent()
        pad.link(branch.get_static_pad("sink"))

    def on_message(_, message):
        if message.type == Gst.MessageType.ERROR:
            say("error", message.parse_error()[0].message.replace("\n", " "))
            loop.quit()
        elif message.type == Gst.MessageType.EOS:
            say("end")
            loop.quit()

    source.connect("pad-added", on_pad)
    pipeline.get_bus().add_signal_watch()
    pipeline.get_bus().connect("message", on_message)
    pipeline.set_state(Gst.State.PLAYING)
    threading.Thread(target=lambda: (sys.stdin.read(), GLib.idle_add(loop.quit)), daemon=True).start()
    loop.run()
    pipeline.set_state(Gst.State.NULL)


main()
