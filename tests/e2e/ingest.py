#!/usr/bin/python3
"""Receives from GStreamer's RTSP server: ingest.py INGEST_DEMO

Each login and transport gives live pictures, all that are sent; what is refused is named.
Exit 77: GStreamer is missing."""

import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FRAMES, LIMIT_S = 60, 60  # of each case: it ends with so many, however long a busy machine takes

# server's login, transport and codec, ours: password, options, path; what must stand in the output
CASES = [
    ("digest", "both", "secret", [], "/live", [r"camera1 live .* 640x360 tcp"]),
    ("digest", "both", "secret", ["-U"], "/live", [r"camera1 live .* 640x360 udp"]),
    ("basic", "both", "secret", [], "/live", [r"camera1 live .* tcp"]),
    ("none", "udp", "", [], "/live", [r"camera1 live .* udp"]),
    ("none", "tcp", "", ["-U"], "/live", [r"camera1 live .* tcp"]),
    ("digest", "both", "other", [], "/live", [r"camera1 wrong_password cause=wrong_password"]),
    ("digest", "both", "secret", [], "/none", [r"camera1 unreachable cause=not_found"]),
    ("digest", "both h265", "secret", [], "/live", [r"camera1 live .*hvc1\.1\.\S* 640x360 tcp"]),
    ("none", "udp h265", "", [], "/live", [r"camera1 live .*hvc1\.1\.\S* 640x360 udp"]),
]


def receive(demo, case, folder):
    login, transport, password, options, path, wanted = case
    password_file = os.path.join(folder, "password")
    with open(password_file, "w", encoding="utf-8") as file:
        file.write(password)
    # Debian's Python: it has the bindings.
    command = ["/usr/bin/python3", os.path.join(HERE, "_rtsp_server.py"), login, *transport.split()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as server:
        port = server.stdout.readline().strip()
        if not port:
            server.wait()
            sys.exit(77 if server.returncode == 77 else 1)
        done = subprocess.run(
            [demo, "-u", "admin", "-p", password_file, "-t", str(LIMIT_S), "-f",
             str(FRAMES if " live" in wanted[0] else 0), *options,
             f"rtsp://127.0.0.1:{port}{path}"], capture_output=True, text=True, timeout=2 * LIMIT_S)
        server.stdin.close()
        server.wait(timeout=LIMIT_S)
    return [f"no {w!r}" for w in wanted if not re.search(w, done.stdout)] + \
        pictures(done, wanted[0]) + \
        (["the password is in the log"] if password and password in done.stderr else []), done


def pictures(done, wanted):
    """What is wrong with what a live camera sent: none lost, at some rate, which a busy machine slows."""
    if " live" not in wanted:
        return []
    found = re.search(r"frames=(\d+) keyframes=(\d+) fps_milli=(\d+) .* lost=(\d+) malformed=(\d+)",
                      done.stdout)
    if not found:
        return ["no figures"]
    frames, keyframes, fps, lost, malformed = map(int, found.groups())
    ok = frames >= FRAMES and keyframes >= FRAMES / 30 and fps > 0
    return [] if ok and lost == malformed == 0 and done.returncode == 0 else [found[0]]


def main():
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES, 1):
            wrong, done = receive(sys.argv[1], case, folder)
            failed = failed or bool(wrong)
            print(f"{'not ok' if wrong else 'ok'} {number} - {case[0]} {case[1]} {' '.join(case[3])} "
                  f"{case[4]}: {case[5][0]}", flush=True)
            if wrong:
                print("\n".join(wrong), done.stdout, done.stderr, sep="\n")
    print(f"1..{len(CASES)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
