#!/usr/bin/env python3
"""The real server through its API, as programs and as attackers use it. casement-test: quick"""

import datetime
import glob
import itertools
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from _server import (BINARY, CUT_S, FPS, PATIENCE_S, Cameras, Recording, Server, check, command, decode, failures, finish, free_port,
                     misses, picture_size, record, until)

PASSWORDS = {name: f"{name} looks out of the window" for name in ("anna", "marco", "bruno", "olga", "gina")}
CAMERA_LOGIN = ("admin", "camera secret 7")


def homes(cameras):
    """Two homes with a camera of the same id, an owner in both, one home without `allow`."""
    def account(name, role):
        return {"name": name, "role": role, "password_file": f"{name}.pw"}

    def camera(of, which):
        return {"id": of, "name": of.title(), "main": cameras.url(which), "sub": cameras.url(which, "sub"),
                "user": CAMERA_LOGIN[0], "password_file": "camera.pw"}
    return {
        "operators": [{"name": "olga", "password_file": "olga.pw"}],
        "homes": [
            {"id": "verdi", "name": "Casa Verdi", "allow": ["127.0.0.1/32"],
             "accounts": [account("anna", "owner"), {**account("marco", "adult"), "cameras": ["door"]}, account("gina", "guest")],
             "cameras": [camera("door", 1), camera("yard", 2)]},
            {"id": "lago", "name": "Lago", "allow": ["127.0.0.1/32"],
             "accounts": [account("bruno", "owner"), account("anna", "adult")], "cameras": [camera("door", 3)]},
            {"id": "hotel", "name": "Hotel", "accounts": [account("bruno", "owner")]},
        ]}


# ---- the first run ----

def first_run():
    server = Server({})
    token = server.setup_token
    check("a setup link is printed", token)
    check("the server says that setup is needed", server.ask("GET", "/api/v1/server").json.get("setup_needed") is True)
    body = {"token": token, "name": "Eve", "password": "quite long enough", "home_name": "Casa"}
    wrong = server.ask("POST", "/api/v1/setup", {**body, "token": token[:-4] + "AAAA"})
    check("a wrong setup token is refused", wrong.status in (401, 403, 404) and "Set-Cookie" not in wrong.headers, wrong)
    short = server.ask("POST", "/api/v1/setup", {**body, "password": "short"})
    check("a short password is refused by name", short.status == 400 and short.problem, short)
    made = server.ask("POST", "/api/v1/setup", body)
    check("the right one makes the owner", made.status == 201 and made.json["homes"][0]["role"] == "owner", made)
    cookie = made.headers.get("Set-Cookie", "")
    parts = {part.strip().lower().partition("=")[0] for part in cookie.split(";")[1:]}
    check("the cookie: __Host-, Path=/, Secure, HttpOnly, SameSite=Strict, no Domain",
          cookie.startswith("__Host-casement=") and "Path=/" in cookie and "SameSite=Strict" in cookie
          and {"secure", "httponly"} <= parts and "domain" not in parts, cookie)
    again = server.ask("POST", "/api/v1/setup", body)
    check("setup works once", again.status in (401, 403, 404, 409, 410), again)
    check("and is not needed any more", server.ask("GET", "/api/v1/server").json.get("setup_needed") is False)
    session = cookie.split(";")[0]
    check("the session holds", server.ask("GET", "/api/v1/session", cookie=session).status == 200)
    check("signing out", server.ask("DELETE", "/api/v1/session", cookie=session).status == 204)
    check("ends it", server.ask("GET", "/api/v1/session", cookie=session).status == 401)
    over_tls(server)
    check("it ends with 0", server.end() == 0, server.log)
    later = Server({}, place=server.place)
    check("no link is printed once there is an account", later.setup_token is None, later.output)
    later.end()
    secrets_in(later.log + server.log, [token, "quite long enough", session.partition("=")[2]])
    server.remove()


def over_tls(server):
    """The printed fingerprint is the CA's, and the CA's certificate makes the connection good."""
    pem = server.ask("GET", "/ca.crt").body.decode()
    done = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=pem, text=True,
                          capture_output=True, check=False)
    printed = re.search(r"[0-9A-F]{2}(:[0-9A-F]{2}){31}", server.output)
    check("the fingerprint printed is that of /ca.crt", printed and printed[0] in done.stdout, done.stdout)
    context = ssl.create_default_context(cadata=pem)
    for host in ("127.0.0.1", "localhost"):
        with urllib.request.urlopen(f"https://{host}:{server.tls_port}/healthz", context=context) as answer:
            check(f"https://{host} is good with that certificate", answer.status == 200)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        done = subprocess.run(["curl", "-s", "--cacert", file.name, "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
                               f"https://127.0.0.1:{server.tls_port}/api/v1/server"], capture_output=True, text=True, check=False)
    check("HTTP/2 over TLS", done.stdout == "2 200", done.stdout)


# ---- who may what ----

def roles(server, who):
    door, yard = "/api/v1/cameras/door", "/api/v1/cameras/yard"
    home = "?home=verdi"
    expected = [  # path, then the status for nobody, operator, owner, adult with a grant, guest without, foreign owner
        ("GET", "/api/v1/homes", 401, 200, 200, 200, 200, 200),
        ("GET", "/api/v1/cameras" + home, 401, 404, 200, 200, 200, 404),
        ("GET", door + home, 401, 404, 200, 200, 404, 404),
        ("GET", yard + home, 401, 404, 200, 404, 404, 404),
        ("GET", door + "/still.jpg" + home, 401, 404, 200, 200, 404, 404),
        ("GET", yard + "/still.jpg" + home, 401, 404, 200, 404, 404, 404),
        ("GET", yard + "/live.mp4" + home, 401, 404, None, 404, 404, 404),
        ("GET", "/api/v1/people" + home, 401, 404, 200, 403, 403, 404),
        ("GET", "/api/v1/tokens" + home, 401, 404, 200, 403, 403, 404),
        ("DELETE", yard + home, 401, 404, None, 403, 403, 404),
        ("PUT", "/api/v1/people/x/cameras/door" + home, 401, 404, None, 403, 403, 404),
        ("GET", "/metrics", 200, 200, 200, 200, 200, 200),  # asked directly over loopback
    ]
    wrong = []
    for method, path, *statuses in expected:
        for name, status in zip((None, "olga", "anna", "marco", "gina", "bruno"), statuses):
            body = {"rights": ["view"]} if method == "PUT" else None
            if status is None:
                continue
            got = server.ask(method, path, body, cookie=who.get(name))
            # Who is in no home at all is told so in one of two ways; neither tells a camera apart.
            if got.status != status and not (status == 404 and got.status == 403):
                wrong.append(f"{name} {method} {path}: {got.status} {got.problem}, not {status}")
    check("roles and routes", not wrong, "\n".join(wrong))
    listed = {name: [c["id"] for c in server.ask("GET", "/api/v1/cameras" + home, cookie=who[name]).json.get("cameras", [])]
              for name in ("anna", "marco", "gina")}
    check("each sees the own cameras only", listed == {"anna": ["door", "yard"], "marco": ["door"], "gina": []}, listed)
    adult = server.ask("GET", door + home, cookie=who["marco"]).json
    check("addresses are the owner's only", not {"main", "sub", "user", "has_password"} & set(adult), adult)
    owner = server.ask("GET", door + home, cookie=who["anna"])
    check("no answer holds a camera's password", CAMERA_LOGIN[1] not in owner.body.decode(), owner)
    for name in ("anna",):
        got = server.ask("GET", "/api/v1/cameras", cookie=who[name])
        check("who is in two homes must name one", (got.status, got.problem) == (409, "which-home"), got)
    one = server.ask("GET", "/api/v1/cameras", cookie=who["marco"])
    check("who is in one need not", one.status == 200, one)


def cross_site(server, who):
    cases = [({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403), ({"Origin": "https://evil.example"}, 403),
             ({"Origin": "null"}, 403), ({}, 403), ({"Sec-Fetch-Site": "none"}, 403),
             ({"Sec-Fetch-Site": "cross-site", "Origin": server.origin}, 403)]
    wrong = []
    for headers, status in cases:
        got = server.ask("POST", "/api/v1/people?home=verdi", {"name": "Mallory", "password": "a password long enough", "role": "owner"},
                         cookie=who["anna"], headers=headers)
        if got.status != status or got.problem != "cross-site":
            wrong.append(f"{headers}: {got}")
    check("a page of another site changes nothing", not wrong, wrong)
    people = server.ask("GET", "/api/v1/people?home=verdi", cookie=who["anna"]).json["people"]
    check("and nothing was changed", "Mallory" not in [p["name"] for p in people], people)
    got = server.ask("POST", "/api/v1/session", {"name": "anna", "password": PASSWORDS["anna"]}, headers={"Origin": "https://evil.example"})
    check("nor does it sign anybody in", got.status == 403, got)


def problems(server, who):
    anna = who["anna"]
    add = "/api/v1/cameras?home=verdi"
    cases = [
        ("no such page", ("GET", "/api/v1/nothing", None), 404, "no-such-page"),
        ("method", ("PUT", "/api/v1/server", None), 405, "method-not-allowed"),
        ("no such camera", ("GET", "/api/v1/cameras/none?home=verdi", None), 404, "no-such-camera"),
        ("no such home", ("GET", "/api/v1/cameras?home=none", None), 404, "no-such-home"),
        ("not JSON", ("POST", add, b"{"), 400, "bad-json"),
        ("not an object", ("POST", add, b"[]"), 400, "bad-json"),
        ("a name twice", ("POST", add, b'{"name":"a","name":"b"}'), 400, "bad-json"),
        ("no field", ("POST", add, {"name": "x"}), 400, "missing-field"),
        ("a number for text", ("POST", add, {"name": 1, "main": "rtsp://h/"}), 400, "missing-field"),
        ("address", ("POST", add, {"name": "x", "main": "http://192.168.1.1/"}), 400, "bad-address"),
        ("a password in an address", ("POST", add, {"name": "x", "main": "rtsp://u:pw@192.168.1.1/"}), 400, "bad-address"),
        ("neither true nor false", ("POST", add, {"name": "x", "main": "rtsp://192.168.1.1/", "talk": "yes"}), 400, "bad-field"),
        ("a phone with a loudspeaker", ("POST", add, {"name": "x", "kind": "whip", "talk": True}), 400, "bad-kind"),
        ("stream", ("GET", "/api/v1/cameras/door/live.mp4?home=verdi&stream=third", None), 400, "bad-stream"),
        ("width", ("GET", "/api/v1/cameras/door/still.jpg?home=verdi&width=9", None), 400, "bad-width"),
        ("role", ("POST", "/api/v1/people?home=verdi", {"name": "Zoe", "password": "a password long enough", "role": "king"}), 400, "bad-role"),
        ("name taken", ("POST", "/api/v1/people?home=verdi", {"name": "bruno", "password": "a password long enough", "role": "adult"}), 409, "name-taken"),
        ("too large", ("POST", "/api/v1/session", b"{" + b" " * 5000 + b"}"), 413, None),
    ]
    for name, (method, path, body), status, kind in cases:
        got = server.ask(method, path, body, cookie=anna)
        check(f"problem: {name}", got.status == status and kind in (None, got.problem), got)
    got = server.ask("POST", add, b"x=1", cookie=anna,
                     headers={"Origin": server.origin, "Content-Type": "application/x-www-form-urlencoded"})
    check("problem: a form", (got.status, got.problem) == (415, "json-wanted"), got)
    owner = next(p["account"] for p in server.ask("GET", "/api/v1/people?home=verdi", cookie=anna).json["people"] if p["role"] == "owner")
    got = server.ask("DELETE", f"/api/v1/people/{owner}?home=verdi", cookie=anna)
    check("problem: the last owner", (got.status, got.problem) == (409, "last-owner"), got)
    two = server.ask("GET", "/api/v1/session", cookie=anna, bearer="nonsense")
    check("problem: a credential that is none", two.status in (400, 401), two)


def too_many_tries(server):
    got = [server.ask("POST", "/api/v1/session", {"name": "nobody", "password": f"wrong password {n}"}) for n in range(40)]
    slowed = [answer for answer in got if answer.status == 429]
    check("guessing is slowed down", got[0].status == 401 and got[0].problem == "wrong-name-or-password"
          and len(slowed) > 20 and all(answer.json.get("retry_after_s", 0) > 0 for answer in slowed), f"{got[0]} {got[-1]}")


# ---- pictures ----

def is_dated(came, still):
    """The age is that of the time of capture when the answer was made, which was before it came, and not long."""
    captured = datetime.datetime.fromisoformat(still.headers["Casement-Capture-Time"].replace("Z", "+00:00")).timestamp()
    made = captured + int(still.headers["Casement-Age-Ms"]) / 1000
    return captured <= made + 0.01 and came - PATIENCE_S < made < came + 0.01


def pictures(server, who):
    anna = who["anna"]
    states = until(lambda: all(c["state"] == "live" and c["streams"]["main"]["codec"] for c in
                               server.ask("GET", "/api/v1/cameras?home=verdi", cookie=anna).json["cameras"]))
    check("the declared cameras are live", states, server.log)
    for path, size in (("", "1280,720"), ("&width=320", "320,180"), ("&stream=sub", "640,360"), ("&stream=sub&width=64", "64,36")):
        got = until(lambda p=path: (a := server.ask("GET", f"/api/v1/cameras/door/still.jpg?home=verdi{p}", cookie=anna)).status == 200 and (time.time(), a))
        check(f"a still {path or 'of its own size'}", got and picture_size(got[1].body) == size, got)
        check("its time and age are told, and agree", is_dated(*got), got[1].headers)
    codes, wrong = misses(record(server, "/api/v1/cameras/door/live.mp4?home=verdi", 4 * FPS, cookie=anna), 1280)
    check("live.mp4 is that camera's", len(codes) > FPS and {code and code[0] for code in codes} == {1}, codes)
    check("no picture is missing, or spoilt", not wrong, wrong)
    apart(server, who)


def loudspeaker(server, who):
    """That it takes talk is told, by an owner, and to all who see the camera; it is the same picture."""
    yard = "/api/v1/cameras/yard?home=verdi"

    def talk(name="anna"):
        return server.ask("GET", yard, cookie=who[name]).json.get("talk", "none")
    check("a camera takes no talk unless it is told so", talk() is None, talk())
    got = server.ask("PATCH", yard, {"talk": True}, cookie=who["marco"])
    check("only an owner may tell", got.status == 403, got)
    got = server.ask("PATCH", yard, {"talk": True}, cookie=who["anna"])
    check("an owner tells", got.status == 200 and until(lambda: talk() == {"state": "idle", "cause": None, "detail": None}), got)
    check("and its pictures go on", server.ask("GET", yard, cookie=who["anna"]).json["state"] == "live")
    got = server.ask("PATCH", yard, {"talk": None}, cookie=who["anna"])
    check("null is neither true nor false", (got.status, got.problem) == (400, "bad-field") and talk() is not None, got)
    got = server.ask("PATCH", yard, {"talk": False}, cookie=who["anna"])
    check("and takes it back", got.status == 200 and until(lambda: talk() is None), got)


def camera_of(server, path, **who):
    got = until(lambda: (a := server.ask("GET", path, **who)).status == 200 and a)
    codes, _ = decode(got.body, 1280, ".jpg") if got else ([], "")
    return codes[0][0] if codes and codes[0] else None


def apart(server, who):
    """The same camera id in two homes: never the other's picture."""
    seen = {(name, home): camera_of(server, f"/api/v1/cameras/door/still.jpg?home={home}", cookie=who[name])
            for name, home in (("anna", "verdi"), ("bruno", "lago"), ("marco", "verdi"))}
    check("equal ids in two homes stay apart in stills",
          seen == {("anna", "verdi"): 1, ("bruno", "lago"): 3, ("marco", "verdi"): 1}, seen)
    found = {}

    def look(name, home):
        data = record(server, f"/api/v1/cameras/door/live.mp4?home={home}&stream=sub", 3 * FPS, cookie=who[name])
        found[home] = {code and code[0] for code in decode(data, 640)[0]}
    threads = [threading.Thread(target=look, args=of) for of in (("anna", "verdi"), ("bruno", "lago"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check("and in live pictures", found == {"verdi": {1}, "lago": {3}}, found)


def cut(server, who):
    """A grant taken away while two watch: one ends, the other misses nothing."""
    people = server.ask("GET", "/api/v1/people?home=verdi", cookie=who["anna"]).json["people"]
    marco = next(p["account"] for p in people if p["name"] == "marco")
    stream, status = server.open("/api/v1/cameras/door/live.mp4?home=verdi&stream=sub", cookie=who["marco"])
    check("a member with a grant watches", status == 200)
    other = Recording(server, "/api/v1/cameras/door/live.mp4?home=verdi&stream=sub", cookie=who["anna"])
    come, last = threading.Event(), []

    def drain():
        try:
            while stream.recv(65536):
                last.append(time.monotonic())
                come.set()
        except OSError:
            pass
    drainer = threading.Thread(target=drain)
    drainer.start()
    check("both have pictures", come.wait(PATIENCE_S) and other.has(FPS))

    def watching():
        seen = server.ask("GET", "/api/v1/people?home=verdi", cookie=who["anna"]).json["people"]
        return next(p["watching"] for p in seen if p["account"] == marco)
    check("the owner sees who watches what", until(lambda: watching() == ["door"]), watching())
    path = f"/api/v1/people/{marco}/cameras/door?home=verdi"
    done = server.ask("DELETE", path, cookie=who["anna"])
    answered = time.monotonic()
    drainer.join(CUT_S)
    print(f"# last byte {(last[-1] - answered) * 1000:.0f} ms after the answer to the cut")  # what it may be: cut.py
    check("cut means cut", done.status == 204 and not drainer.is_alive(), done)
    check("who keeps the right watches on", other.has(other.parts + 2 * FPS))
    codes, wrong = misses(other.end(), 640)
    check("and misses no picture", len(codes) > FPS and not wrong, f"{len(codes)} pictures, {wrong}")
    check("the camera is gone for who lost it", server.ask("GET", "/api/v1/cameras/door?home=verdi", cookie=who["marco"]).status == 404)
    back = server.ask("PUT", path, {"rights": ["view"]}, cookie=who["anna"])
    for rights, wanted in ((["listen"], "view"), (["see"], "view, listen, talk"), (["view", 7], "view, listen, talk"), ([], "view, listen, talk")):
        refused = server.ask("PUT", path, {"rights": rights}, cookie=who["anna"])
        check(f"rights {rights} are refused", refused.status == 400 and refused.problem == "bad-rights" and
              wanted in refused.json["detail"], refused)
    check("and comes back with the right", back.status == 200 and
          server.ask("GET", "/api/v1/cameras/door?home=verdi", cookie=who["marco"]).status == 200, back)


def hearing(server, who):
    """A right of its own, told to whom it concerns."""
    def told(name):
        camera = server.ask("GET", "/api/v1/cameras/door?home=verdi", cookie=who[name])
        return camera.status, camera.json.get("rights")
    marco = next(p["account"] for p in server.ask("GET", "/api/v1/people?home=verdi", cookie=who["anna"]).json["people"] if p["name"] == "marco")
    path = f"/api/v1/people/{marco}/cameras/door?home=verdi"
    check("an owner may all", told("anna") == (200, ["view", "listen", "talk", "publish", "move", "history", "export"]), told("anna"))
    check("who may see may not hear by that", told("marco") == (200, ["view"]), told("marco"))
    given = server.ask("PUT", path, {"rights": ["listen", "view"]}, cookie=who["anna"])
    check("hearing is given", given.status == 200 and
          next(c for c in given.json["cameras"] if c["camera"] == "door")["rights"] == ["view", "listen"] and
          told("marco") == (200, ["view", "listen"]), given)
    server.ask("PUT", path, {"rights": ["view"]}, cookie=who["anna"])
    check("and taken away", told("marco") == (200, ["view"]), told("marco"))


def tokens(server, who):
    made = command(server, "token", "create", "--home", "verdi", "--account", "anna", "--camera", "door", "--rights", "view", "--days", "1")
    found = re.search(r"\b\w{3}_[\w-]{20,}\S*", made.stdout)
    if not check("a token is made while the server runs", made.returncode == 0 and found, made):
        return
    token = found[0]
    listed = server.ask("GET", "/api/v1/cameras", bearer=token)
    check("it sees its camera only", [c["id"] for c in listed.json.get("cameras", [])] == ["door"], listed)
    check("without addresses", "main" not in listed.json["cameras"][0], listed)
    check("and its pictures", camera_of(server, "/api/v1/cameras/door/still.jpg", bearer=token) == 1)
    data = record(server, "/api/v1/cameras/door/live.mp4?stream=sub", 2 * FPS, bearer=token)
    codes, complaints = decode(data, 640)
    check("live too", len(codes) > FPS, f"{len(data)} bytes, {len(codes)} pictures, {complaints}")
    refused = {path: server.ask(method, path, body, bearer=token).status for method, path, body in (
        ("GET", "/api/v1/cameras/yard", None), ("GET", "/api/v1/cameras/yard/still.jpg", None), ("GET", "/api/v1/people", None),
        ("GET", "/api/v1/tokens", None), ("DELETE", "/api/v1/cameras/door", None), ("GET", "/api/v1/session", None),
        ("POST", "/api/v1/cameras", {"name": "x", "main": "rtsp://192.168.1.1/"}))}
    check("nothing else", all(status in (401, 403, 404) for status in refused.values()), refused)
    rows = server.ask("GET", "/api/v1/tokens?home=verdi", cookie=who["anna"])
    check("it is listed without its secret", len(rows.json["tokens"]) == 1 and token not in rows.body.decode(), rows)
    stream, _ = server.open("/api/v1/cameras/door/live.mp4?stream=sub", bearer=token)
    stream.settimeout(CUT_S)
    server.ask("DELETE", f"/api/v1/tokens/{rows.json['tokens'][0]['id']}?home=verdi", cookie=who["anna"])
    ended, begun = False, time.monotonic()
    try:
        while (part := stream.recv(65536)) and time.monotonic() - begun < CUT_S:
            pass
        ended = not part
    except OSError as error:
        ended = isinstance(error, ConnectionError)
    check("revoked, its pictures end", ended, f"{time.monotonic() - begun:.1f} s")
    check("and it is worth nothing", server.ask("GET", "/api/v1/cameras", bearer=token).status == 401)
    secrets_in(server.log, [token])


# ---- addresses as weapons ----

class Trap:
    """Listens on 127.0.0.1 and ::1 at one port and counts who comes."""

    def __init__(self):
        self.count = 0
        self.port = free_port()
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            listener = socket.socket(family)
            try:
                listener.bind((host, self.port))
            except OSError:
                continue
            listener.listen()
            threading.Thread(target=self.take, args=(listener,), daemon=True).start()

    def take(self, listener):
        while True:
            listener.accept()[0].close()
            self.count += 1


def own_addresses():
    shown = subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True, check=False).stdout
    found = re.findall(r"inet6? ([0-9a-f.:]+)/", shown)
    return [f"[{a}]" if ":" in a else a for a in found]


def weapons(server, who):
    trap = Trap()
    hosts = ["127.0.0.1", "127.8.9.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "169.254.169.254", "0.0.0.0", "[::]", "localhost",
             "[fe80::1]", "[fd00:ec2::254]", "224.0.0.1", "255.255.255.255", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", *own_addresses()]
    wrong = []
    for host in hosts:
        got = server.ask("POST", "/api/v1/cameras/probe?home=hotel", {"main": f"rtsp://{host}:{trap.port}/x"}, cookie=who["bruno"])
        if host == "[fd00:ec2::254]":
            continue  # a private address like any other: only no connection to us
        if got.json.get("failure") != "address_refused":
            wrong.append(f"{host}: {got}")
    check("addresses of this machine, link-local and metadata are refused", not wrong, "\n".join(wrong))
    for odd in ("2130706433", "0x7f000001", "127.1", "0177.0.0.1", "localhost."):
        got = server.ask("POST", "/api/v1/cameras/probe?home=hotel", {"main": f"rtsp://{odd}:{trap.port}/x"}, cookie=who["bruno"])
        check(f"{odd} is not a way round", got.json.get("failure") in ("address_refused", "name_not_found") or got.status == 400, got)
    made = server.ask("POST", "/api/v1/cameras?home=hotel", {"name": "Trap", "main": f"rtsp://127.0.0.1:{trap.port}/x"}, cookie=who["bruno"])
    state = until(lambda: (c := server.ask("GET", f"/api/v1/cameras/{made.json['id']}?home=hotel", cookie=who["bruno"]).json)
                  ["cause"] == "address_refused" and c)
    check("a stored camera there is refused too", state and state["state"] == "unreachable", state)
    outside = server.ask("POST", "/api/v1/cameras/probe?home=verdi", {"main": "rtsp://192.168.77.7/x"}, cookie=who["anna"])
    check("with `allow`, everything else is refused", outside.json.get("failure") == "address_refused", outside)
    check("nothing connected", trap.count == 0, trap.count)
    server.ask("DELETE", f"/api/v1/cameras/{made.json['id']}?home=hotel", cookie=who["bruno"])


# ---- the whole ----

def secrets_in(log, secrets):
    found = [s for s in secrets if s and s in log]
    check("no secret is in the log", not found, found)


def main_flow(cameras, loops):
    print(f"# loops: {loops}")
    server = Server({**homes(cameras), "loops": loops},
                    {**{f"{n}.pw": p for n, p in PASSWORDS.items()}, "camera.pw": CAMERA_LOGIN[1]})
    who = {name: server.sign_in(name, password) for name, password in PASSWORDS.items()}
    who[None] = None
    pictures(server, who)
    loudspeaker(server, who)
    roles(server, who)
    cross_site(server, who)
    problems(server, who)
    cut(server, who)
    hearing(server, who)
    tokens(server, who)
    weapons(server, who)
    too_many_tries(server)
    check("every answer is no-store", not server.unstored, server.unstored)
    server.ask("OPTIONS", "/api/v1/session", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"})
    check("no answer lets pages of other origins read it (CORS)", not server.opened, server.opened)
    check("every refusal is a problem document", not server.odd_problems, server.odd_problems)
    check("/openapi.json describes the routes", "/api/v1/cameras/{camera}/live.mp4" in server.ask("GET", "/openapi.json").json.get("paths", {}))
    watching = server.open("/api/v1/cameras/door/live.mp4?home=verdi", cookie=who["anna"])
    listening = server.open("/api/v1/events?home=verdi", cookie=who["anna"])
    status = server.end()
    check("SIGTERM while somebody watches: it ends by itself, with 0", status == 0, f"{status}\n{server.log[-1500:]}")
    for stream, _ in (watching, listening):
        stream.close()
    secrets_in(server.log, [*PASSWORDS.values(), CAMERA_LOGIN[1], *(c.partition("=")[2] for c in who.values() if c)])
    check("no alarm", "alarm" not in server.log, [line for line in server.log.splitlines() if "alarm" in line])
    kept = glob.glob(os.path.join(server.data, "**"), recursive=True)
    loose = [f for f in kept if os.path.isfile(f) and os.stat(f).st_mode & 0o077 and not f.endswith(".crt")]
    check("the data is its user's only", not loose, loose)
    clear = [f for f, secret in itertools.product(kept, [CAMERA_LOGIN[1], *PASSWORDS.values()])
             if os.path.isfile(f) and secret.encode() in open(f, "rb").read()]
    check("no password is kept in the clear", not clear, clear)
    server.remove()


def wrong_config():
    with tempfile.TemporaryDirectory() as place:
        path, data = os.path.join(place, "casement.yaml"), os.path.join(place, "data")
        for name, text, line in (
                ("an unknown key", 'listen: {http: "127.0.0.1:0"}\nlisten_on: 3\n', 2),
                ("plain HTTP for everybody", 'listen:\n  http: "0.0.0.0:8080"\n', 2),
                ("a range that is none", "homes:\n  - id: a\n    allow: [\"192.168.0.0/33\"]\n", 3),
                ("a password file that is not there",
                 "homes:\n  - id: a\n    accounts:\n      - {name: anna, role: owner, password_file: none.pw}\n", 4),
                ("a camera twice", "homes:\n  - id: a\n    cameras:\n      - {id: c, main: \"rtsp://h/\"}\n      - {id: c, main: \"rtsp://h/\"}\n", 2),
                ("no YAML", "listen: {http: [\n", None)):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            done = subprocess.run([BINARY, "serve", "-c", path, "--data", data], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
            where = f"{path}:{line}:" if line else f"{path}:"
            check(f"config: {name}: status 2 and where", done.returncode == 2 and where in done.stderr, f"{done.returncode} {done.stderr}")
        check("nothing was started or made", not os.path.exists(data), os.listdir(place))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"listen": {"http": f"127.0.0.1:{taken.getsockname()[1]}", "https": f"127.0.0.1:{free_port()}",
                                      "media": "127.0.0.1:0"}}, file)
            done = subprocess.run([BINARY, "serve", "-c", path, "--data", data], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
            check("a port in use is told", done.returncode in (1, 2) and "in-use" in done.stderr, f"{done.returncode} {done.stderr}")


def main():
    wrong_config()
    first_run()
    with tempfile.NamedTemporaryFile("w", suffix=".pw") as file:
        file.write(CAMERA_LOGIN[1] + "\n")
        file.flush()
        cameras = Cameras(3, "--user", CAMERA_LOGIN[0], "--password-file", file.name)
    try:
        for loops in (1, 2):
            main_flow(cameras, loops)
    finally:
        cameras.end()
    return finish()


if __name__ == "__main__":
    assert failures == []
    sys.exit(main())
