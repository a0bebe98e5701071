#!/usr/bin/python3
"""A real RTSP server for tests: GStreamer's, with a test picture in H.264 or H.265, 20 a second, and
beside it a tone if one is asked for.

  _rtsp_server.py [digest|basic|none] [tcp|udp|both] [h264|h265] [pcmu|pcma|opus|aac:HZ]

Listens on 127.0.0.1, prints its port, and runs until its standard input ends. User "admin",
password "secret", path /live. Exit 77: GStreamer or its Python bindings are missing."""

import sys
import threading

try:
    import gi
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtsp", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtsp, GstRtspServer
except (ImportError, ValueError):
    sys.exit(77)

AUTH = {"digest": GstRtsp.RTSPAuthMethod.DIGEST, "basic": GstRtsp.RTSPAuthMethod.BASIC}
TRANSPORT = {"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP,
             "both": GstRtsp.RTSPLowerTrans.TCP | GstRtsp.RTSPLowerTrans.UDP}
VIDEO = ("( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=640,height=360,framerate=20/1"
         " ! x26{0}enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max=20"
         " ! h26{0}parse ! rtph26{0}pay name=pay0 pt=96 config-interval=0 {1} )")
TONE = ("audiotestsrc is-live=true wave=sine volume=0.5 freq=%s samplesperbuffer=%d"
        " ! audioconvert ! audioresample ! audio/x-raw,rate=%d,channels=1 ! %s name=pay1 pt=%d")
SOUNDS = {"pcmu": (160, 8000, "mulawenc ! rtppcmupay", 0), "pcma": (160, 8000, "alawenc ! rtppcmapay", 8),
          "opus": (960, 48000, "opusenc ! rtpopuspay", 111), "aac": (1024, 16000, "voaacenc ! rtpmp4gpay", 97)}


def launch_of(video, sound):
    tone = ""
    if sound:
        codec, _, pitch = sound.partition(":")
        samples, rate, rest, payload_type = SOUNDS[codec]
        tone = TONE % (pitch, samples, rate, rest, payload_type)
    return VIDEO.format(video[-1], tone)


def protect(server, factory, method):
    role = "viewer"
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(AUTH[method])
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", role)
    if method == "digest":
        auth.add_digest("admin", "secret", token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("admin", "secret"), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(role, "media.factory.access", True)
    permissions.add_permission_for_role(role, "media.factory.construct", True)
    factory.set_permissions(permissions)


def make_server():
    return GstRtspServer.RTSPServer()


def make_factory():
    return GstRtspServer.RTSPMediaFactory()


def main():
    method, transport = (sys.argv[1:] + ["digest", "both"][len(sys.argv) - 1:])[:2]
    codec = next((word for word in sys.argv[3:] if word in ("h264", "h265")), "h264")
    sound = next((word for word in sys.argv[3:] if word.partition(":")[0] in SOUNDS), "")
    Gst.init(None)
    if Gst.ElementFactory.find(f"x{codec[1:]}enc") is None:
        sys.exit(77)
    server = make_server()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = make_factory()
    factory.set_launch(launch_of(codec, sound))
    factory.set_shared(True)
    factory.set_protocols(TRANSPORT[transport])
    if method != "none":
        protect(server, factory, method)
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
