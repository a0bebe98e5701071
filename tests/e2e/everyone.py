#!/usr/bin/env python3
"""Logging everyone out: a home watched in every way there is, one POST, and all of it ends; its programs go on, or end too if that
is asked for; who asked goes on with another token; another home's people miss nothing. By an operator and by the command line too.
An account held off by a command, and let be again. casement-test: quick"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from _server import PATIENCE_S, check, finish, until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import world  # noqa: E402  # pylint: disable=wrong-import-position

BUILD = os.path.abspath("build/release")
PICTURES_S = 60  # until pictures come, or go on, on a machine that is busy


class Events:
    """Server-sent events, as they come."""

    def __init__(self, server, who, home):
        self.text = ""
        self.socket = socket.create_connection(("127.0.0.1", server.http), timeout=PATIENCE_S)
        self.socket.sendall(f"GET /api/v1/events?home={home} HTTP/1.1\r\nHost: 127.0.0.1:{server.http}\r\n"
                            f"Cookie: __Host-casement={who[2:]}\r\n\r\n".encode())
        self.socket.settimeout(0.2)

    def read(self):
        """False: it is over."""
        try:
            part = self.socket.recv(65536)
        except TimeoutError:
            return True
        except OSError:
            return False
        self.text += part.decode(errors="replace")
        return bool(part)

    def has(self, event):
        return bool(until(lambda: f"event: {event}" in self.text or not self.read(), PATIENCE_S, 0)) and f"event: {event}" in self.text

    def is_over(self):
        """The last chunk came, or the connection ended."""
        return bool(until(lambda: "\r\n0\r\n\r\n" in self.text or not self.read(), PATIENCE_S, 0))


class Stage:
    def __init__(self, directory, simcam):
        world.write_config(directory, simcam.address, "operators: [{name: olga, password_file: account.pw}]\n")
        self.server = world.Server(BUILD, directory, "server")
        self.viewers = world.Viewers(BUILD, directory, 0)
        self.server.wait_for_pictures((1, 2, 3, 9, 10), PICTURES_S)
        self.opened = 0

    def ask(self, who, method, path, body=None):
        """(status, document, headers)"""
        status, headers, answer = self.server.call_once(method, "/api/v1/" + path, who, body, 30)
        return status, json.loads(answer) if answer else {}, headers

    def is_somebody(self, who):
        return self.ask(who, "GET", "session" if who.startswith("c:") else "cameras?home=verdi")[0] == 200

    def watch(self, who, camera, how):
        self.opened += 1
        name, home = f"w{self.opened}", world.home_of(camera)
        if how == "sp":
            port, path = self.server.rtsp, f"{home}/c{camera}"
        else:
            port = self.server.https if how in ("h2", "t1") else self.server.http
            path = f"/api/v1/cameras/c{camera}/{'whep' if how.startswith('r') else 'live.mp4'}?home={home}&stream=main"
        self.viewers.open(name, how, port, who, path, camera)
        return name

    def moves(self, names):
        """Pictures come, and more of them."""
        before = {name: self.viewers.tell(name)["pictures"] for name in names}
        return until(lambda: all(self.viewers.tell(name)["pictures"] > before[name] + 3 for name in names), PICTURES_S)

    def are_over(self, names):
        return until(lambda: not any(self.viewers.tell(name)["is_open"] for name in names), PICTURES_S)

    def told(self, names):
        return {name: self.viewers.tell(name) for name in names}

    def run(self, *words):
        done = subprocess.run([self.server.program, *words[:2], "--data", self.server.data, *words[2:]], capture_output=True,
                              text=True, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr


def fresh_cookie(headers):
    return "c:" + re.search(r"__Host-casement=([^;]+)", headers["Set-Cookie"])[1]


def people(stage):
    """Everybody signs in; what stands in the sheet before."""
    p = {name: stage.server.sign_in(name) for name in ("anna", "gina", "both", "rosa", "gino", "olga")}
    p["second"] = stage.server.sign_in("anna")
    p["program"] = stage.server.token("anna", 1)
    status, made, _ = stage.ask(p["anna"], "POST", "invitations?home=verdi", {"role": "guest"})
    p["invitation"] = made.get("token", "")
    check("somebody is invited", status == 201, made)
    return p


def refused(stage, p):
    for who, status in (("gina", 403), ("olga", 403), ("rosa", 404), (None, 401)):
        for method, path, body in (("GET", "everyone?home=verdi", None), ("POST", "everyone/log-out?home=verdi", {"programs": True})):
            got = stage.ask(p[who] if who else "-", method, path, body)
            check(f"{method} {path} by {who}: {status}", got[0] == status, got)
    for who, status in (("anna", 403), (None, 401)):
        got = stage.ask(p[who] if who else "-", "POST", "server/everyone/log-out", {"programs": True})
        check(f"of the server by {who}: {status}", got[0] == status, got)
    check("nor by a program", stage.ask(p["program"], "POST", "everyone/log-out?home=verdi", {"programs": True})[0] == 403)
    for body in ({}, {"programs": "yes"}, {"programs": None}):
        got = stage.ask(p["anna"], "POST", "everyone/log-out?home=verdi", body)
        check(f"{body} is refused", got[0] == 400 and got[1]["field"] == "programs", got)


def of_a_home(stage, p):
    members = [stage.watch(p["second"], 1, "h1"), stage.watch(p["anna"], 3, "t1"), stage.watch(p["gina"], 1, "h2"),
               stage.watch(p["gina"], 2, "rtc"), stage.watch(p["both"], 2, "rts"), stage.watch(p["both"], 10, "h1")]
    programs = [stage.watch(p["program"], 1, "h1"), stage.watch(p["program"], 1, "sp"), stage.watch(p["program"], 1, "rtc")]
    others = [stage.watch(p["rosa"], 9, "h1"), stage.watch(p["gino"], 10, "h2"), stage.watch(p["rosa"], 10, "rtc")]
    events = [Events(stage.server, p[who], home) for who, home in (("gina", "verdi"), ("both", "rossi"), ("anna", "verdi"))]
    rosas = Events(stage.server, p["rosa"], "rossi")
    check("a home is watched in every way", stage.moves(members + programs + others), stage.told(members + programs + others))
    check("and hears what happens", all(one.has("camera") for one in (*events, rosas)))
    refused(stage, p)
    check("all that is refused ends nothing", all(stage.viewers.tell(name)["is_open"] for name in members + programs))

    want = {"people": 3, "elsewhere": 1, "sessions": 3, "programs": 1, "invitations": 1, "links": 0, "watching": 5, "programs_watching": 3}
    status, told, _ = stage.ask(p["anna"], "GET", "everyone?home=verdi")
    check("the sheet says what will end", status == 200 and told == want, told)
    status, receipt, headers = stage.ask(p["anna"], "POST", "everyone/log-out?home=verdi", {"programs": False})
    check("one POST", status == 200, receipt)
    check("the receipt says what ended", {key: receipt.get(key) for key in want} == {**want, "programs": 0, "programs_watching": 0} and receipt["cameras"] >= 9 and
          receipt["by"]["name"] == "anna" and receipt["at"], receipt)
    check("all who watched by a session are out", stage.are_over(members), stage.told(members))
    check("their streams of events end, and say so", all(one.has("session-ended") and one.is_over() for one in events),
          [one.text[-300:] for one in events])
    former = [p.pop("anna"), p.pop("second"), p.pop("gina"), p.pop("both")]
    p["anna"] = fresh_cookie(headers)
    check("their tokens are worth nothing", not any(stage.is_somebody(who) for who in former))
    check("also the former one of who asked; the new one is good", stage.is_somebody(p["anna"]))
    again = stage.watch(p["anna"], 1, "h2")
    check("with which he watches on", stage.moves([again]))
    check("the invitation is worth nothing", stage.ask("-", "POST", "invitations/look", {"token": p["invitation"]})[0] == 404)
    check("programs go on", stage.moves(programs), stage.told(programs))
    check("and another home's people", stage.moves(others), stage.told(others))
    seen = stage.told(programs + others)
    check("who miss no picture", all(one["missed"] == 0 and one["foreign"] == 0 for one in seen.values()), seen)
    check("and are told of nothing", rosas.read() and "session-ended" not in rosas.text)
    entries = stage.ask(p["anna"], "GET", "audit?home=verdi&groups=people")[1]["entries"]
    check("the audit has it", any(e["kind"] == "everyone-out" and e["name"] == "anna" and e["count"] == 3 for e in entries), entries[:3])
    for name in ("gina", "both"):
        p[name] = stage.server.sign_in(name)
    back = [stage.watch(p["gina"], 1, "h1"), stage.watch(p["both"], 10, "rtc")]
    check("who belongs here signs in again and watches", stage.moves(back))
    return programs, others, back + [again]


def one_viewer(stage, p):
    """Who watches, by what; and the end of one device, and of one program."""
    elsewhere = stage.server.sign_in("gina")
    program = stage.server.token("anna", 2)
    names = {who: stage.watch(by, 2, how) for who, by, how in (("here", p["gina"], "h1"), ("elsewhere", elsewhere, "rtc"), ("program", program, "sp"))}
    check("two devices of one person and a program watch", stage.moves(list(names.values())))

    def told(**wanted):
        all_of_them = stage.ask(p["anna"], "GET", "watching?home=verdi")[1]["watching"]
        return [one for one in all_of_them if one["camera"] == "c2" and all(one[key] == value for key, value in wanted.items())]
    devices = {one["id"]: one["is_this"] for one in stage.ask(p["gina"], "GET", "sessions")[1]["sessions"]}
    there = next(one for one in devices if not devices[one])
    views = told(path="webrtc", name="gina")
    check("an owner is told by which device", len(views) == 1 and views[0]["session"] == there and not views[0]["is_program"] and
          not views[0]["is_this"], views)
    by_rtsp = told(path="rtsp", is_program=True)
    check("and by which program", len(by_rtsp) == 1 and by_rtsp[0]["session"] in
          [one["id"] for one in stage.ask(p["anna"], "GET", "tokens?home=verdi")[1]["tokens"]], by_rtsp)
    for who, status in (("gina", 403), ("olga", 403), ("rosa", 404)):
        check(f"nobody else ends it: {who}", stage.ask(p[who], "DELETE", f"watching/{there}?home=verdi")[0] == status)
    check("nor an owner of another home", stage.ask(p["rosa"], "DELETE", f"watching/{there}?home=rossi")[0] == 404)
    check("nor who is not there", stage.ask(p["anna"], "DELETE", "watching/nobody?home=verdi")[1]["type"].endswith("no-such-viewer"))
    check("then all watch on", stage.moves(list(names.values())))
    check("one device is ended", stage.ask(p["anna"], "DELETE", f"watching/{there}?home=verdi")[0] == 204)
    check("with its pictures and its session", stage.are_over([names["elsewhere"]]) and not stage.is_somebody(elsewhere))
    check("and no other", stage.moves([names["here"], names["program"]]) and stage.is_somebody(p["gina"]))
    check("the program's token is revoked", stage.ask(p["anna"], "DELETE", f"watching/{by_rtsp[0]['session']}?home=verdi")[0] == 204)
    check("with its pictures", stage.are_over([names["program"]]) and stage.moves([names["here"]]))
    kinds = [entry["kind"] for entry in stage.ask(p["anna"], "GET", "audit?home=verdi")[1]["entries"]]
    check("the audit has both", "person-signed-out" in kinds and "token-revoked" in kinds, kinds[:12])
    missed = stage.viewers.tell(names["here"])["missed"]
    check("who was not meant misses no picture", missed == 0, missed)
    stage.viewers.say("close " + names["here"])


def programs_too(stage, p, programs, others, members):
    status, receipt, headers = stage.ask(p["anna"], "POST", "everyone/log-out?home=verdi", {"programs": True})
    check("once more, with the programs", status == 200 and receipt["programs"] == 1, receipt)
    p["anna"] = fresh_cookie(headers)
    check("these end as well", stage.are_over(programs + members), stage.told(programs + members))
    check("and have no token", not stage.is_somebody(p["program"]) and
          stage.ask(p["anna"], "GET", "tokens?home=verdi")[1]["tokens"] == [])
    check("another home's people go on", stage.moves(others), stage.told(others))


def by_the_command_line(stage, p, others):
    p["gina"] = stage.server.sign_in("gina")
    member = stage.watch(p["gina"], 1, "h1")
    check("somebody of the first home is there again", stage.moves([member]))
    check("there must be such a home", stage.run("home", "log-out", "nowhere")[0] == 1)
    code, said = stage.run("home", "log-out", "rossi")
    check("a command logs the other home out", code == 0 and re.match(r"people 2 sessions 2 programs 0 invitations 0 links 0 cameras 8\n", said), said)
    check("whose pictures end", stage.are_over(others), stage.told(others))
    check("whose people are signed out", not stage.is_somebody(p["rosa"]) and not stage.is_somebody(p["gino"]))
    check("and nobody of the first", stage.moves([member]) and stage.is_somebody(p["gina"]))
    for words in ((), ("--everyone", "gina"), ("gina", "--with-programs")):
        check(f"user log-out {' '.join(words)} is misused", stage.run("user", "log-out", *words)[0] == 2)
    check("of an account that is not there", stage.run("user", "log-out", "nobody")[0] == 1)
    check("one account", stage.run("user", "log-out", "gina")[0] == 0)
    check("ends with its pictures", stage.are_over([member]) and not stage.is_somebody(p["gina"]) and stage.is_somebody(p["anna"]))


def of_the_server(stage, p):
    p["rosa"] = stage.server.sign_in("rosa")
    names = [stage.watch(p["anna"], 1, "rtc"), stage.watch(p["rosa"], 9, "h2")]
    check("two homes watch", stage.moves(names))
    status, told, _ = stage.ask(p["olga"], "GET", "server/everyone")
    check("an operator reads how many it would be", status == 200 and told["people"] == 2 and told["watching"] == 2, told)
    status, receipt, headers = stage.ask(p["olga"], "POST", "server/everyone/log-out", {"programs": True})
    check("and logs everyone out", status == 200 and receipt["sessions"] == 2 and receipt["cameras"] == 16, receipt)
    check("of all homes", stage.are_over(names), stage.told(names))
    check("but for himself", not any(stage.is_somebody(p[name]) for name in ("anna", "rosa", "olga")) and
          stage.is_somebody(fresh_cookie(headers)))
    p["anna"] = stage.server.sign_in("anna")
    code, said = stage.run("user", "log-out", "--everyone", "--with-programs")
    check("so does a command, and keeps nobody", code == 0 and said.startswith("people 2 sessions 2 "), said)
    check("who is asked within a second", until(lambda: not stage.is_somebody(p["anna"])) and not stage.is_somebody(fresh_cookie(headers)))


def one_account_held_off(stage, p):
    def try_to_sign_in(password):
        status, told, _ = stage.ask("-", "POST", "session", {"name": "gina", "password": password})
        return status, told.get("type"), told.get("detail")

    p["anna"], p["gina"], token = stage.server.sign_in("anna"), stage.server.sign_in("gina"), stage.server.token("gina", 1)
    hers, others = [stage.watch(p["gina"], 1, "h1"), stage.watch(token, 1, "sp")], [stage.watch(p["anna"], 1, "h2")]
    check("somebody watches, and a program in her name", stage.moves(hers + others), stage.told(hers + others))
    wrong = try_to_sign_in("not her password")
    check("there must be such an account", stage.run("user", "hold-off", "nobody")[0] == 1)
    check("an account is held off", stage.run("user", "hold-off", "gina") == (0, ""))
    check("its pictures end, and the program's", stage.are_over(hers), stage.told(hers))
    check("its sessions and tokens are worth nothing", not stage.is_somebody(p["gina"]) and not stage.is_somebody(token))
    check("a right password is refused in the words of a wrong one", wrong[0] == 401 and try_to_sign_in(world.PASSWORD) == wrong, wrong)
    check("others go on", stage.moves(others), stage.told(others))
    check("not twice", stage.run("user", "hold-off", "gina")[0] == 1)
    code, listed = stage.run("user", "list", "--json")
    check("the list says so", code == 0 and [one["name"] for one in json.loads(listed) if not one["active"]] == ["gina"], listed)
    check("it is restored", stage.run("user", "restore", "gina") == (0, ""))
    check("once", stage.run("user", "restore", "gina")[0] == 1)
    check("her session does not come back, her program does", not stage.is_somebody(p["gina"]) and until(lambda: stage.is_somebody(token)))
    p["gina"] = stage.server.sign_in("gina")
    check("and she signs in again", stage.is_somebody(p["gina"]))
    again = [stage.watch(p["gina"], 1, "h1")]
    check("and watches", stage.moves(again), stage.told(again))


def main():
    directory = tempfile.mkdtemp(prefix="casement-everyone-")
    simcam = world.Simcam(BUILD, directory, "--gop", "20", "--kbps", "500")
    stage = None
    try:
        stage = Stage(directory, simcam)
        p = people(stage)
        programs, others, members = of_a_home(stage, p)
        one_viewer(stage, p)
        programs_too(stage, p, programs, others, members)
        by_the_command_line(stage, p, others)
        of_the_server(stage, p)
        one_account_held_off(stage, p)
        check("no viewer saw what is not his", not stage.viewers.wrong, stage.viewers.wrong)
    finally:
        if stage is not None:
            stage.viewers.close()
            check("the server ends by itself, clean", stage.server.close() == 0, stage.server.read_log()[-2000:])
        simcam.close()
    shutil.rmtree(directory)
    return finish()


sys.exit(main())
