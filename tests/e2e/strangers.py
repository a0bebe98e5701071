#!/usr/bin/env python3
"""The HTTP server as strangers meet it: curl, openssl, raw sockets and a hostile HTTP/2 client.

strangers.py HTTP_DEMO H2_ABUSE: starts the demo on free loopback ports, ends it, fails on any surprise.
"""
import os
import re
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import time

DEMO, ABUSE = sys.argv[1:3]
PATIENCE_S = 60  # for what must happen: a machine that is busy takes long
failures = []


def check(name, is_good, seen=""):
    print(("ok   " if is_good else "FAIL ") + name, "" if is_good else repr(seen))
    if not is_good:
        failures.append(name)


class Demo:
    def __init__(self, directory, *arguments, **environment):
        self.process = subprocess.Popen(
            [DEMO, directory, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
        line = self.process.stdout.readline()
        found = re.match(r"plain=(\d+) tls=(\d+) fingerprint=(\S*)", line)
        if not found:
            raise SystemExit("the demo did not start: " + self.process.stderr.read())
        self.plain, self.tls, self.fingerprint = int(found[1]), int(found[2]), found[3]

    def end(self):
        _, log = self.process.communicate("", timeout=PATIENCE_S)
        self.log = log
        check("the demo ends by itself, clean", self.process.returncode == 0, log[-2000:])
        return dict(re.findall(r"(\w+)=(\d+)", log.splitlines()[-1] if log else ""))


def curl(*arguments):
    return subprocess.run(["curl", "-sk", "-m", "120", *arguments], capture_output=True).stdout


def raw(port, *pieces, pause=0.0, is_slow=False):
    """Sends the pieces, `pause` between them or less once something comes, and if `is_slow` none after that. Returns everything
    until the server ends the connection; None if it does not."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as s:
        try:
            for number, piece in enumerate(pieces):
                if number > 0 and select.select([s], [], [], pause)[0] and is_slow:
                    break
                s.sendall(piece)
            while True:
                part = s.recv(65536)
                if not part:
                    break
                got += part
        except ConnectionError:
            pass
        except TimeoutError:
            return None
    return got


def statuses(answer):
    return [int(x) for x in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


HOST = b"Host: h\r\n"
CLOSE = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def versions(demo):
    for name, options, port, scheme in (
            ("h1 plain", ["--http1.1"], demo.plain, "http"),
            ("h1 tls", ["--http1.1"], demo.tls, "https"),
            ("h2", ["--http2"], demo.tls, "https")):
        base = f"{scheme}://127.0.0.1:{port}"
        get = lambda path, *more: curl(*options, *more, base + path)
        version = b"2" if name == "h2" else b"1.1"
        check(name + " version", get("/a", "-o", "/dev/null", "-w", "%{http_version}") == version)
        check(name + " path decoded once", b"path=/a %41 " in get("/a%20%2541"))
        check(name + " echo", get("/echo", "--data-binary", "x" * 60000) == b"x" * 60000)
        chunked = get("/echo", "-H", "Transfer-Encoding: chunked", "--data-binary", "y" * 5000)
        check(name + " echo without length", chunked == b"y" * 5000, chunked[:100])
        check(name + " static and copied bodies are the same",
              len(get("/big")) == 8 << 20 and get("/big") == get("/copied"))
        check(name + " stream", len(get("/stream?count=500")) == 500 * 12288)
        check(name + " paced stream", len(get("/stream?count=5&paced")) == 5 * 12288)
        head = get("/big", "-I")
        check(name + " HEAD", b"content-length: 8388608" in head.lower() and len(head) < 300, head)
        code = lambda *a: curl("-o", "/dev/null", "-w", "%{http_code}", *options, *a)
        check(name + " 204", code(base + "/none") == b"204")
        check(name + " 413 by length", code("--data-binary", "x" * 70000, base + "/echo") == b"413")
        check(name + " 413 where no body is taken", code("-d", "x", base + "/a") == b"413")
        check(name + " 413 without length",
              code("-H", "Transfer-Encoding: chunked", "--data-binary", "x" * 70000,
                   base + "/echo") == b"413")
        check(name + " refused at its head", code("-d", "x" * 5000, base + "/refused") == b"403")
        check(name + " dot segments", code("--path-as-is", base + "/a/../b") == b"400")
        check(name + " escaped slash", code(base + "/a%2fb") == b"400")
        check(name + " NUL", code(base + "/a%00") == b"400")
        check(name + " unknown method", code("-X", "BREW", base + "/") == b"501")
        check(name + " too many fields",
              code(*[x for i in range(70) for x in ("-H", f"x{i}: 1")], base + "/") == b"431")
        problem = get("/a/../b", "--path-as-is", "-i")
        check(name + " problem document",
              b"application/problem+json" in problem and b'"type":"/problems/bad-request"' in problem
              and b"no-store" in problem, problem)
        check(name + " says no Server", b"server:" not in get("/", "-I").lower())
        own = f"{scheme}://127.0.0.1:{port}"
        check(name + " own origin", b"own=1" in get("/", "-H", "Origin: " + own))
        check(name + " other origin", b"own=0" in get("/", "-H", f"Origin: {own}1"))
        check(name + " no proxy is trusted",
              b"peer=127.0.0.1 " in get("/", "-H", "X-Forwarded-For: 9.9.9.9"))
        check(name + " a forwarded request is not direct",
              b"direct=0" in get("/", "-H", "X-Forwarded-For: 9.9.9.9"))
        cut = subprocess.run(["curl", "-sk", *options, base + "/cut?count=3&paced"],
                             capture_output=True)
        check(name + " a cut is an error for the peer", cut.returncode in (18, 52, 56, 92),
              cut.returncode)


def http1(demo):
    answer = raw(demo.plain, b"GET /a HTTP/1.1\r\n" + HOST + b"\r\nGET /b HTTP/1.1\r\n" + HOST +
                 b"\r\n" + CLOSE)
    check("pipelined requests in order", statuses(answer) == [200] * 3 and
          answer.index(b"path=/a") < answer.index(b"path=/b") < answer.index(b"path=/last"))
    answer = raw(demo.plain, *[bytes([b]) for b in b"POST /echo HTTP/1.1\r\n" + HOST +
                               b"Content-Length: 5\r\n\r\nhello" + CLOSE], pause=0.001)
    check("a byte at a time", statuses(answer) == [200, 200] and b"hello" in answer, answer)
    check("HTTP/1.0 closes", statuses(raw(demo.plain, b"GET / HTTP/1.0\r\n\r\n")) == [200])
    streamed = raw(demo.plain, b"GET /stream?count=2 HTTP/1.0\r\n\r\n")
    check("HTTP/1.0 streams unchunked", len(streamed.split(b"\r\n\r\n", 1)[1]) == 2 * 12288)
    expect = (b"POST /echo HTTP/1.1\r\n" + HOST +
              b"Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
    check("100-continue", statuses(raw(demo.plain, expect, b"hi", pause=PATIENCE_S)) == [100, 200])
    smuggled = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    for name, head, body in (
            ("CL.TE", b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
            ("TE.TE", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", b"0\r\n\r\n"),
            ("CL.CL", b"Content-Length: 0\r\nContent-Length: 5\r\n", b"hello"),
            ("space before colon", b"Content-Length : 5\r\n", b""),
            ("folding", b"X: a\r\n Content-Length: 5\r\n", b""),
            ("bare LF", b"X: a\nContent-Length: 5\r\n", b""),
            ("bare CR", b"X: a\rContent-Length: 5\r\n", b""),
            ("two hosts", b"Host: other\r\n", b""),
            ("coding", b"Transfer-Encoding: xchunked\r\n", b""),
            ("signed length", b"Content-Length: +0\r\n", b"")):
        answer = raw(demo.plain, b"POST /echo HTTP/1.1\r\n" + HOST + head + b"\r\n" + body +
                     smuggled)
        check("smuggling: " + name, statuses(answer) in ([400], [501]) and
              b"path=/smuggled" not in answer, answer)
    chunk = b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    check("smuggling: chunk size", statuses(raw(demo.plain, chunk + b"0x1\r\na\r\n0\r\n\r\n" +
                                                smuggled)) == [400])
    check("line too long", statuses(raw(demo.plain, b"GET /" + b"a" * 9000)) == [414])
    check("head too large", statuses(raw(demo.plain, b"GET / HTTP/1.1\r\n" + (b"X: " + b"a" * 4000 +
                                                                          b"\r\n") * 5)) == [431])
    check("HTTP/2 preface on plain", statuses(raw(demo.plain, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
          == [505])
    check("no upgrade to h2c",
          statuses(raw(demo.plain, b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade, "
                       b"HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n" +
                       CLOSE)) == [200, 200])


def slow_peers(directory):
    demo = Demo(directory, "400", "500", "800")
    for name, pieces, want in (("head", [b"GET / HTTP/1.1\r\n"] + [b"X: 1\r\n"] * 30, [408]),
                               ("nothing", [b""], []),
                               ("body", [b"POST /echo HTTP/1.1\r\n" + HOST +
                                         b"Content-Length: 9999\r\n\r\n"] + [b"x"] * 30, [408])):
        answer = raw(demo.plain, *pieces, pause=0.05, is_slow=True)
        check("slow " + name, answer is not None and statuses(answer) == want, answer)
    check("slow handshake", raw(demo.tls, b"\x16\x03\x01") == b"")
    counters = demo.end()
    check("timeouts are counted", int(counters.get("timeouts", 0)) >= 3, counters)
    demo = Demo(directory, "60000", "500", "800")
    tls = ssl._create_unverified_context()
    tls.set_alpn_protocols(["h2"])
    with tls.wrap_socket(socket.create_connection(("127.0.0.1", demo.tls), timeout=PATIENCE_S)) as s:
        s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
        try:
            while s.recv(4096):
                pass
            check("an idle HTTP/2 connection ends", True)
        except TimeoutError:
            check("an idle HTTP/2 connection ends", False)
    demo.end()


def tls_versions(demo):
    def client(*options):
        return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{demo.tls}", *options],
                              input=b"", capture_output=True).stdout.decode(errors="replace")
    check("TLS 1.3 with AES-128-GCM", "TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256" in
          client("-tls1_3"))
    check("TLS 1.2", "TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256" in client("-tls1_2"))
    check("no TLS 1.1", "Cipher is (NONE)" in client("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"))
    check("no CBC", "Cipher is (NONE)" in client("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"))
    check("no tickets", "session ticket" not in client("-tls1_2").lower() and
          "New Session Ticket" not in client("-tls1_3"))
    check("ALPN h2", "ALPN protocol: h2" in client("-alpn", "http/1.1,h2"))
    check("ALPN of another protocol", "Cipher is (NONE)" in client("-alpn", "smtp"))


def abuse(demo):
    def run(*arguments):
        out = subprocess.run([ABUSE, str(demo.tls), *arguments], capture_output=True, text=True,
                             timeout=3 * PATIENCE_S).stdout
        return {k: v for k, v in re.findall(r"(\w+)=(\S+)", out)}
    for kind, count in (("reset", "2000"), ("ping", "3000"), ("settings", "3000")):
        seen = run(kind, count)
        check("h2 flood: " + kind, seen.get("closed") == "1", seen)
    seen = run("reset", "100")
    check("h2: some resets are fine", seen.get("closed") == "0", seen)
    seen = run("ping", "50")
    check("h2: some pings are fine", seen.get("closed") == "0" and seen.get("goaway") == "-1", seen)
    seen = run("continuation", "5000")
    check("h2: endless continuation", seen.get("closed") == "1", seen)
    seen = run("slow")
    first, second = (int(x) for x in seen.get("bytes", "0,0").split(","))
    check("h2: a stream that is not read does not hold up its neighbour",
          first <= 65535 and second == 100 * 12288, seen)


def certificates(demo, directory):
    der = subprocess.run(["openssl", "x509", "-in", directory + "/ca.crt", "-noout", "-fingerprint",
                          "-sha256"], capture_output=True, text=True).stdout
    check("fingerprint", der.strip().endswith(demo.fingerprint) and len(demo.fingerprint) == 95)
    for name in ("localhost", "127.0.0.1"):
        trusted = subprocess.run(["curl", "-s", "--cacert", directory + "/ca.crt",
                                  f"https://{name}:{demo.tls}/"], capture_output=True)
        check("the CA's certificate is enough for " + name, trusted.returncode == 0)
    for name in ("ca.key", "server.key"):
        check(name + " is 0600", os.stat(f"{directory}/{name}").st_mode & 0o777 == 0o600)
    check("nothing half-written", sorted(os.listdir(directory)) ==
          ["ca.crt", "ca.key", "server.crt", "server.key"], os.listdir(directory))


def main():
    with tempfile.TemporaryDirectory() as directory:
        demo = Demo(directory)
        versions(demo)
        http1(demo)
        tls_versions(demo)
        certificates(demo, directory)
        abuse(demo)
        check("still serving", b"path=/" in curl(f"http://127.0.0.1:{demo.plain}/"))
        first = demo.fingerprint
        counters = demo.end()
        check("floods are counted", int(counters.get("floods", 0)) >= 3, counters)
        check("no request is left open", counters.get("open") == "0", counters)
        again = Demo(directory)
        check("the CA stays over a restart", again.fingerprint == first)
        again.end()
        slow_peers(directory)
    print(f"{len(failures)} failed" if failures else "all good")
    return 1 if failures else 0


sys.exit(main())
