#!/usr/bin/env python3
"""Viewers by WebRTC who lose packets and ask for them again: with RTX, and without.

    lost.py [BUILD]

casement-test: quick

Each loses one packet of 50, and more of those that begin a picture, before anything of it knows of them, and asks for keyframes
it does not need. What it asked for must come: with RTX as another packet, without RTX as the very same, which its SRTP takes
only if it is the same to the byte. A viewer beside them who loses nothing misses no picture.
"""
import argparse
import os
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path[0] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")
import world  # noqa: E402  (its folder is not a package)

PATH = "/api/v1/cameras/c1/whep?home=verdi&stream=main"
RESTORED, LIMIT_S = 40, 120
failed = 0


def verdict(name, is_good, detail=""):
    global failed
    print(f"{'ok' if is_good else 'not ok'} - {name}{' # ' + str(detail) if detail and not is_good else ''}", flush=True)
    failed += not is_good


def watch(viewers, names):
    """What each saw, once both troubled ones got enough again."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        seen = {name: viewers.tell(name) for name in names}
        if all(seen[name]["restored"] >= RESTORED for name in ("rtx", "rtn")):
            break
        time.sleep(0.1)
    return seen


def play(server, viewers):
    anna = server.sign_in("anna")
    names = ("rtc", "rtx", "rtn")
    for how in names:
        viewers.open(how, how, server.http, anna, PATH, 1)
    seen = watch(viewers, names)
    for how, name in (("rtx", "with RTX"), ("rtn", "without RTX")):
        one = seen[how]
        verdict(f"{name}: what was lost comes once more", one["restored"] >= RESTORED and one["is_open"], one)
        verdict(f"{name}: pictures are the camera's, and whole",
                one["pictures"] > 0 and one["foreign"] == one["broken"] == one["unstamped"] == 0, one)
    calm = seen["rtc"]
    verdict("who loses nothing misses nothing", calm["is_open"] and calm["missed"] == calm["old"] == calm["foreign"] == 0, calm)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default="build/release")
    build = os.path.abspath(parser.parse_args().build)
    directory = tempfile.mkdtemp(prefix="casement-lost-")
    simcam = world.Simcam(build, directory, "--gop", "20", "--kbps", "2000")
    server = viewers = None
    try:
        world.write_config(directory, simcam.address)
        server = world.Server(build, directory, "server")
        server.wait_for_pictures(range(1, 2))
        viewers = world.Viewers(build, directory, 0)
        play(server, viewers)
    finally:
        if viewers is not None:
            viewers.close()
        if server is not None:
            verdict("the server ends by itself, clean", server.close() == 0, server.log_path)
        simcam.close()
    verdict("no alarm was raised", "alarm" not in server.read_log(), server.log_path)
    if failed:
        print(f"# logs are kept in {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if failed else 0


sys.exit(main())
