#!/usr/bin/env python3
"""Routes and roles with the store made wrong on purpose: nobody is told anything of a home that is not his, nobody is somebody
else, and what was taken away stays so.

    people.py BUILD

Two homes, each with owner, guest, cameras, groups, invitations, tokens, passkeys, recovery codes, guest links and an authenticator
app, all of whose words carry their home's mark. Hook by hook everybody asks every route, of his own home and of the other. No
answer may carry another home's mark; who asks who he is is told that it is himself, or nothing; sessions, invitations, passkeys,
codes, guest links, tokens of programs (by RTSP) and members from before give nothing, nor does a password without the code that
is asked for beside it. Then, without faults, both homes must be as they were left: one owner, no row of the other's. Of a copy
each owner logs everyone out: that ends his own home's sessions, whatever is looked up wrongly then, and none of the other's.
With the wall taken away the same hooks must do harm, of every kind, or all this would prove nothing.
"""
import base64
import contextlib
import http.client
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "tools"), os.path.join(HERE, "..", "e2e")]
import world  # noqa: E402  (its folder is not a package)
from _authenticator import App, Key  # noqa: E402

HOMES = {"verdi": ("anna", "gina"), "rossi": ("rosa", "gino")}  # owner, guest
MARKS = {home: home.upper() for home in HOMES}
HOOKS = {"store.session.swap": "~1/3", "store.membership.swap": "~9/10", "store.grant.swap": "~1/3", "store.camera.swap": "~9/10",
         "store.cache.foreign": "~1/3", "store.row.stale": "~1/3", "store.find.swap": "~1/8", "store.find.stale": "~1/4",
         "store.list.swap": "~1/3"}
LOOK = "__Host-casement-look="
FIRED_LEAST, ROUNDS_MAX, ASKED_MOST, HARM_ROUNDS_MAX = 20, 12, 8, 60
failed = 0


def verdict(name, is_good, detail=""):
    global failed
    print(f"{'ok' if is_good else 'not ok'} - {name}{' # ' + str(detail)[:1500] if detail and not is_good else ''}", flush=True)
    failed += not is_good


def other(home):
    return next(one for one in HOMES if one != home)


def write_config(directory):
    with open(os.path.join(directory, "account.pw"), "w", encoding="ascii") as file:
        file.write(world.PASSWORD)

    def person(name, role, home):
        return {"name": f"{name} {MARKS[home]}", "role": role, "password_file": "account.pw"}

    def cameras(home):
        return [{"id": ident, "name": f"{ident} {MARKS[home]}", "main": "rtsp://127.0.0.1:9/x", "keep": "on-demand"} for ident in ("door", "yard")]
    homes = [{"id": home, "name": f"Casa {MARKS[home]}", "allow": ["127.0.0.1/32"], "cameras": cameras(home),
              "accounts": [person(owner, "owner", home), person(guest, "guest", home)]} for home, (owner, guest) in HOMES.items()]
    config = {"listen": {"http": "127.0.0.1:0", "https": "127.0.0.1:0", "media": "127.0.0.1:0"},
              "rtsp": {"listen": "127.0.0.1:0"}, "homes": homes,
              "operators": [{"name": "olga", "password_file": "account.pw"}]}
    with open(os.path.join(directory, "casement.yaml"), "w", encoding="utf-8") as file:
        file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in config.items())


class Door:
    """One server of the data directory that all share, asked as by a browser at localhost. Who is nobody asks from an address of
    his own each time: what is tried in vain is limited by it, and a limit would hide what this is about."""

    ADDRESSES = (f"127.1.{n >> 8 & 255}.{n & 255}" for n in itertools.count(1))

    def __init__(self, build, directory, name, faults=""):
        self.server = world.Server(build, directory, name, faults)
        self.origin = f"http://localhost:{self.server.http}"
        self.leaks = []

    def ask(self, cookie, method, path, body=None):
        headers = {"Host": self.origin[7:], "Origin": self.origin, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
        if cookie:
            headers["Cookie"] = cookie if "=" in cookie else "__Host-casement=" + cookie
        source = None if cookie else (next(self.ADDRESSES), 0)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=60, source_address=source)
        try:
            connection.request(method, "/api/v1/" + path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            set_cookie = re.search(rf"__Host-casement=([^;]+)|{LOOK}[^;]+", answer.headers.get("Set-Cookie") or "")
            return answer.status, answer.read().decode(), set_cookie and (set_cookie[1] or set_cookie[0])
        finally:
            connection.close()

    def done(self, *what):
        status, text, cookie = self.ask(*what)
        if status >= 300:
            raise RuntimeError(f"{what[1:3]}: {status} {text}")
        return json.loads(text) if text else {}, cookie

    def look(self, who, home, cookie, method, path, body=None):
        """Asks as somebody of `home` (None: of none), and notes what of another home stands in the answer."""
        status, text, fresh = self.ask(cookie, method, path, body)
        for mark in (mark for of, mark in MARKS.items() if of != home):
            if mark in text:
                self.leaks.append((who, method, path, status, mark))
        return status, text, fresh

    def describe(self, token, home, camera):
        """A program's first request by RTSP: its answer's status. Whoever is let in waits for a picture of a camera that has none."""
        secret = base64.b64encode(f"viewer:{token}".encode()).decode()
        with socket.create_connection(("127.0.0.1", self.server.rtsp), timeout=60) as stream:
            stream.sendall(f"DESCRIBE rtsp://127.0.0.1/{home}/{camera} RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Basic {secret}\r\n\r\n".encode())
            return int((stream.recv(4096).split() or [b"", b"0"])[1])

    def close(self):
        return self.server.close()


class People:
    """Everybody, and what each of them has and had."""

    def __init__(self, door):
        self.cookies, self.ids, self.keys, self.old_keys, self.codes, self.old_codes = {}, {}, {}, {}, {}, {}
        self.old_cookies, self.invitations, self.old_invitations, self.groups, self.former = {}, {}, {}, {}, {}
        self.links, self.looks, self.old_links, self.old_looks, self.tokens, self.old_tokens = {}, {}, {}, {}, {}, {}
        self.apps, self.old_apps, self.confirmed = {}, {}, {}
        self.of = {name: home for home, names in HOMES.items() for name in names}
        for name in [*self.of, "olga"]:
            self.cookies[name] = self.sign_in(door, name)
            self.ids[name] = door.done(self.cookies[name], "GET", "session")[0]["account"]["id"]
        for home in HOMES:
            self.furnish(door, home)

    def full_name(self, name):
        return f"{name} {MARKS[self.of[name]]}" if name in self.of else name

    def sign_in(self, door, name):
        return door.done(None, "POST", "session", {"name": self.full_name(name), "password": world.PASSWORD})[1]

    def passkey(self, door, name):
        key = Key("EdDSA")
        options = door.done(self.cookies[name], "POST", "passkeys/challenge", {})[0]
        made = door.done(self.cookies[name], "POST", "passkeys", key.make(options, door.origin, f"Phone {MARKS[self.of[name]]}"))[0]
        return key, made["id"]

    def link(self, door, home, label):
        """(the link, the cookie of somebody who opened it)"""
        made = door.done(self.cookies[HOMES[home][0]], "POST", f"cameras/door/links?home={home}", {"label": f"{label} {MARKS[home]}"})[0]
        return made, door.done(None, "POST", "look", {"secret": made["secret"]})[1]

    def app(self, door, name):
        app = App(door.done(self.cookies[name], "POST", "totp", {})[0]["secret"])
        self.confirmed[name] = time.time()
        door.done(self.cookies[name], "POST", "totp/confirm", {"code": app.code(self.confirmed[name])})
        return app

    def code(self, name):
        """What the app shows, of a step after that which was used up."""
        return self.apps[name].code(max(time.time(), self.confirmed[name] + App.STEP_S))

    def furnish(self, door, home):
        owner, guest = HOMES[home]
        mark, cookie, at = MARKS[home], self.cookies[owner], f"?home={home}"

        def invite(label):
            return door.done(cookie, "POST", f"invitations{at}", {"role": "guest", "label": f"{label} {mark}"})[0]
        self.groups[home] = door.done(cookie, "POST", f"groups{at}", {"name": f"Outside {mark}", "cameras": ["door", "yard"]})[0]["id"]
        door.done(cookie, "PUT", f"people/{self.ids[guest]}/groups/{self.groups[home]}{at}", {"rights": ["view"]})
        door.done(cookie, "PUT", f"people/{self.ids[guest]}/cameras/door{at}", {"rights": ["view"]})
        self.invitations[home] = invite("friend")["token"]
        revoked = invite("nobody")
        door.done(cookie, "DELETE", f"invitations/{revoked['id']}{at}")
        self.old_invitations[home] = revoked["token"]
        self.keys[owner], _ = self.passkey(door, owner)
        self.old_keys[owner], gone = self.passkey(door, owner)
        door.done(cookie, "DELETE", f"passkeys/{gone}")
        self.cookies[guest] = self.recover(door, guest)
        ended = self.sign_in(door, owner)
        door.done(ended, "DELETE", "session")
        self.old_cookies[owner] = ended
        # Somebody who was a member, and may sign in still.
        left = door.done(None, "POST", "invitations/accept", {"token": invite("left")["token"], "name": f"left {mark}", "password": world.PASSWORD})[1]
        account = door.done(left, "GET", "session")[0]["account"]["id"]
        door.done(cookie, "PUT", f"people/{account}/cameras/door{at}", {"rights": ["view"]})
        self.old_tokens[home] = [self.token(door, home, "door", f"left {mark}")]
        door.done(cookie, "POST", f"people/{account}/moving-out{at}", {})
        self.former[home] = left
        # Programs: one that may, of the other camera, and one whose token is revoked.
        self.tokens[home] = self.token(door, home, "yard", self.full_name(owner))
        revoked = door.done(cookie, "POST", f"tokens{at}", {"camera": "door", "rights": ["view"]})[0]
        door.done(cookie, "DELETE", f"tokens/{revoked['id']}{at}")
        self.old_tokens[home].append(revoked["token"])
        # Who looks by a link, and who did.
        self.links[home], self.looks[home] = self.link(door, home, "looks")
        self.old_links[home], self.old_looks[home] = self.link(door, home, "looked")
        door.done(cookie, "DELETE", f"links/{self.old_links[home]['id']}{at}")
        # An app that was lost, and another one instead.
        self.old_apps[guest] = self.app(door, guest)
        door.done(self.cookies[guest], "DELETE", "totp")
        self.apps[guest] = self.app(door, guest)

    def token(self, door, home, camera, account):
        """By the command: for somebody else than who asks."""
        made = subprocess.run([door.server.program, "token", "create", "--data", door.server.data, "--home", home, "--account", account,
                               "--camera", camera, "--rights", "view", "--days", "1"], capture_output=True, text=True, check=True)
        return made.stdout.strip()

    def recover(self, door, name):
        codes = door.done(self.cookies[name], "POST", "recovery", {})[0]["codes"]
        cookie = door.done(None, "POST", "session/recovery", {"name": self.full_name(name), "code": codes[0]})[1]
        self.old_codes[name] = codes[0]
        return cookie


def show(door, key):
    status, text, _ = door.ask(None, "POST", "session/passkey/challenge", {})
    if status != 200:
        return status, None
    status, _, cookie = door.ask(None, "POST", "session/passkey", key.show(json.loads(text), door.origin))
    return status, cookie


def everything_asked(door, people):
    """All that can be read, by everybody, of both homes."""
    for name, cookie in people.cookies.items():
        home = people.of.get(name)
        status, text, _ = door.look(name, home, cookie, "GET", "session")
        if status == 200 and json.loads(text)["account"]["id"] != people.ids[name]:
            door.leaks.append((name, "is", json.loads(text)["account"]))
        status, text, _ = door.look(name, home, cookie, "GET", "totp")
        if status == 200 and (json.loads(text)["state"] == "on") != (name in people.apps):
            door.leaks.append((name, "totp", text))
        for path in ("sessions", "passkeys", "server/audit", "server/everyone") + (("homes",) if home else ()):
            door.look(name, home, cookie, "GET", path)
        for at in HOMES:
            guest, group = people.ids[HOMES[at][1]], people.groups[at]
            for path in ("cameras", "cameras/door", "people", f"people/{guest}/cameras/door", "groups", "tokens", "audit", "watching", "links",
                         "everyone", "invitations", "cameras/door/viewings", "cameras/door/still.jpg"):
                door.look(name, home, cookie, "GET", f"{path}?home={at}")
            if home != at:  # what would change something there
                for method, path, body in (("PATCH", f"groups/{group}", {"name": f"Taken {MARKS[home or 'verdi']}"}), ("DELETE", f"groups/{group}", None),
                                           ("DELETE", f"people/{guest}", None), ("POST", "invitations", {"role": "guest"}),
                                           ("POST", f"people/{guest}/hand-over", {"then": "leave"}), ("POST", f"people/{guest}/moving-out", {}),
                                           ("POST", "cameras/door/links", {"label": "Taken"}), ("DELETE", f"links/{people.links[at]['id']}", None),
                                           ("POST", "everyone/log-out", {"programs": True})):
                    status, _, _ = door.look(name, home, cookie, method, f"{path}?home={at}", body)
                    if status < 300:
                        door.leaks.append((name, method, path, at, status))
    for home, cookie in people.looks.items():
        for path in ("look", "look/still.jpg", f"cameras?home={home}", f"links?home={home}", "session"):
            status, text, _ = door.look("a guest", home, cookie, "GET", path)
            if status == 200 and path != "look":
                door.leaks.append(("a guest", path, status, text))


def owners_at_work(door, people):
    """What owners change: their own alone."""
    for home, (owner, guest) in HOMES.items():
        mark, cookie, at = MARKS[home], people.cookies[owner], f"?home={home}"
        for method, path, body in (
                ("PATCH", f"groups/{people.groups[home]}{at}", {"name": f"Outside {mark}"}),
                ("PUT", f"people/{people.ids[guest]}/groups/{people.groups[home]}{at}", {"rights": ["view"], "from": "08:00", "to": "20:00"}),
                ("PUT", f"people/{people.ids[guest]}/cameras/door{at}", {"rights": ["view", "listen"]}),
                ("PATCH", f"people/{people.ids[guest]}{at}", {"role": "guest"}),
                ("POST", "passkeys/challenge", {})):
            door.look(owner, home, cookie, method, path, body)
        status, text, _ = door.look(owner, home, cookie, "POST", f"cameras/door/links{at}", {"label": f"fresh {mark}"})
        if status == 201:
            door.look("a guest", home, None, "POST", "look", {"secret": json.loads(text)["secret"]})
            door.look(owner, home, cookie, "DELETE", f"links/{json.loads(text)['id']}{at}")
        status, text, _ = door.look(owner, home, cookie, "POST", f"invitations{at}", {"role": "guest", "label": f"fresh {mark}"})
        if status != 201:
            continue
        made = json.loads(text)
        _, text, fresh = door.look("nobody", home, None, "POST", "invitations/accept",
                                   {"token": made["token"], "name": f"{made['id']} {mark}", "password": world.PASSWORD})
        found = re.search(r'"id":\s*"([a-z0-9]+)"', text) if fresh else None
        if found:  # the account is the first that an answer names
            door.look(owner, home, cookie, "POST", f"people/{found[1]}/moving-out{at}", {})
        door.look(owner, home, cookie, "DELETE", f"invitations/{made['id']}{at}")


def had_once(door, people, home):
    """By a session that ended, an invitation that was taken back, a passkey that was removed, a code that was used, and as a member."""
    owner, guest = HOMES[home]
    again = []
    if door.look(owner, home, people.old_cookies[owner], "GET", "session")[0] == 200:
        again.append((owner, "session"))
    if door.look("nobody", home, None, "POST", "invitations/look", {"token": people.old_invitations[home]})[0] == 200:
        again.append((home, "invitation"))
    if show(door, people.old_keys[owner])[0] == 200:
        again.append((owner, "passkey"))
    if door.ask(None, "POST", "session/recovery", {"name": people.full_name(guest), "code": people.old_codes[guest]})[0] == 200:
        again.append((guest, "code"))
    again += [("left", path) for path in ("cameras", "cameras/door", "people")
              if door.look("left", None, people.former[home], "GET", f"{path}?home={home}")[0] == 200]
    return again


def looked_again(door, people, home):
    """By a link that was revoked, behind somebody whose link is good."""
    again = []
    for path in ("look", "look/still.jpg"):
        door.look("a guest", other(home), people.looks[other(home)], "GET", path)
        again.append(door.look("a guest", home, people.old_looks[home], "GET", path)[0])
    again.append(door.look("a guest", home, None, "POST", "look", {"secret": people.old_links[home]["secret"]})[0])
    return [(home, "link", again)] if 200 in again or 201 in again else []


def with_a_password(door, people, home):
    """Alone: (what it gave, what leads on to the code)."""
    name = HOMES[home][1]
    status, text, cookie = door.ask(None, "POST", "session", {"name": people.full_name(name), "password": world.PASSWORD})
    return [(name, "password alone")] if cookie else [], json.loads(text).get("pending") if status == 200 else None


def with_a_code(door, people, home):
    """Behind the password a code of somebody else's app, of the app that was lost, and the one that was used."""
    name = HOMES[home][1]
    given, pending = with_a_password(door, people, home)
    now = time.time()
    codes = {"another's": people.apps[HOMES[other(home)][1]].code(now), "of the lost one": people.old_apps[name].code(now),
             "used": people.apps[name].code(people.confirmed[name])} if pending else {}
    return given + [(name, "code", whose) for whose, code in codes.items()
                    if door.ask(None, "POST", "session/code", {"pending": pending, "code": code})[2]]


def by_program(door, people, home):
    """With tokens that were revoked, or ended with their maker, with the other home's, and with one of another camera."""
    tokens = (*people.old_tokens[home], people.tokens[other(home)], people.tokens[home])
    return [(home, "program", status) for status in (door.describe(token, home, "door") for token in tokens) if status not in (401, 404)]


def what_was(door, people):
    """Secrets that were good once, and those that are: (who got in with the first, sessions by the second)."""
    came_back, sessions = [], []
    for home, (owner, _) in HOMES.items():
        for way in (had_once, looked_again, with_a_code, by_program):
            came_back += way(door, people, home)
        door.look("nobody", home, None, "POST", "invitations/look", {"token": people.invitations[home]})
        door.look("a guest", home, None, "POST", "look", {"secret": people.links[home]["secret"]})
        sessions.append((owner, show(door, people.keys[owner])[1]))
    return came_back, [(name, cookie) for name, cookie in sessions if cookie]


def fired_of(door, hook):
    return int(door.server.metrics().get(f'casement_faults_total{{fault="{hook}"}}', 0))


def forward(build, directory, people, hook):
    """With all walls: (sessions that passkeys gave, to be looked at by a server that is right)."""
    door = Door(build, directory, hook, f"{hook}={HOOKS[hook]}")
    came_back, sessions = [], []
    try:
        for _ in range(ROUNDS_MAX):
            everything_asked(door, people)
            owners_at_work(door, people)
            back, fresh = what_was(door, people)
            came_back += back
            sessions += fresh
            fired = fired_of(door, hook)
            if fired >= FIRED_LEAST:
                break
        is_alive = door.server.is_alive()
    finally:
        status = door.close()
    alarms = door.server.read_log().count("event=row-refused")
    verdict(f"{hook}: {fired} faults, nothing of another home, nothing that was taken away",
            fired >= FIRED_LEAST and not door.leaks and not came_back and is_alive and status == 0 and alarms > 0,
            (fired, door.leaks[:4], came_back[:4], is_alive, status, alarms, door.server.log_path))
    return sessions


@contextlib.contextmanager
def on_a_copy(directory):
    data, kept = os.path.join(directory, "data"), os.path.join(directory, "kept")
    shutil.copytree(data, kept)
    try:
        yield
    finally:
        shutil.rmtree(data)
        os.rename(kept, data)


def log_out(door, people, home):
    """All of a home, by its owner; what was answered, for he may be refused by what was looked up wrongly. His own session is made
    fresh if it is not."""
    cookie = people.cookies[HOMES[home][0]]
    for _ in range(ASKED_MOST):
        status, text, _ = door.ask(cookie, "POST", f"everyone/log-out?home={home}", {"programs": True})
        if status == 200:
            break
        if "sign-in-again" in text:
            cookie = door.ask(cookie, "POST", "session/again", {"password": world.PASSWORD})[2] or cookie
    return status


def still_in(door, people, home):
    """Whose cookies and tokens of that home are good."""
    cookies = {name: (people.cookies[name], "session") for name in HOMES[home]} | {f"guest of {home}": (people.looks[home], "look")}
    return {name for name, (cookie, path) in cookies.items() if door.look(name, home, cookie, "GET", path)[0] == 200}


def everyone_out(build, directory, people, hook, were):
    """True if it was answered. What became of it a server tells that is right. `were`: who was in before, of each home; a look-up that
    was wrong may have cost somebody his session until then."""
    with on_a_copy(directory):
        door = Door(build, directory, f"{hook}-out", f"{hook}={HOOKS[hook]}")
        try:
            is_done = log_out(door, people, "verdi") == 200
            back = [still_in(door, people, "verdi") for _ in range(ASKED_MOST)] if is_done else []
        finally:
            door.close()
        right = Door(build, directory, f"{hook}-out-right")
        try:
            verdi, rossi = still_in(right, people, "verdi"), still_in(right, people, "rossi")
            by_program = right.describe(people.tokens["verdi"], "verdi", "yard") if is_done else 401
        finally:
            right.close()
    # Her answer may be lost by a look-up, and nobody's session: then they are all out, or nobody is but by her own doing.
    verdict(f"{hook}: everyone of a home is out, and nobody of the other{'' if is_done else ' (not answered)'}",
            not any(back) and (not verdi or (not is_done and verdi | {"anna"} == were["verdi"] | {"anna"})) and
            rossi == were["rossi"] and by_program == 401 and not door.leaks, (is_done, back, were, verdi, rossi, by_program, door.leaks[:4]))
    return is_done


def told(door, people, home):
    """Of both homes at once."""
    if home == "verdi":
        everything_asked(door, people)
    return door.leaks


def out_again(door, people, home):
    if home == "verdi" and log_out(door, people, home) != 200:
        return []
    return [name for _ in range(ASKED_MOST) for name in still_in(door, people, home)] if home == "verdi" else []


# What the same hooks do without the wall.
HARMFUL = {"store.session.swap": (told,), "store.cache.foreign": (looked_again,), "store.row.stale": (by_program, out_again),
           "store.find.swap": (told, with_a_password), "store.find.stale": (had_once,), "store.list.swap": (told,)}


def backward(build, directory, people, hook):
    with on_a_copy(directory):
        door = Door(build, directory, f"{hook}-off", f"{hook}={HOOKS[hook]},evidence.off=1/1")
        try:
            for way in HARMFUL[hook]:
                is_harmful = any(way(door, people, home) for _ in range(HARM_ROUNDS_MAX) for home in HOMES)
                verdict(f"{hook} with evidence.off: harm is seen: {way.__name__}", is_harmful, door.server.log_path)
        finally:
            door.close()


def as_they_were(build, directory, people, sessions):
    """By a server that is right: both homes are whole, and hold nothing of each other."""
    door = Door(build, directory, "right")
    try:
        for home, (owner, guest) in HOMES.items():
            cookie, at = people.cookies[owner], f"?home={home}"
            for path in ("cameras", "people", "groups", "tokens", "invitations", "audit", "watching"):
                status, text, _ = door.look(owner, home, cookie, "GET", path + at)
                verdict(f"{home}: {path} can be read", status == 200, (status, text))
            members = door.done(cookie, "GET", f"people{at}")[0]["people"]
            verdict(f"{home}: its people are its own, with one owner", [one["name"] for one in members if one["role"] == "owner"] ==
                    [people.full_name(owner)] and all(MARKS[home] in one["name"] for one in members) and
                    any(one["account"] == people.ids[guest] for one in members), members)
        wrong = [(name, text) for name, cookie in sessions for status, text, _ in (door.ask(cookie, "GET", "session"),)
                 if status == 200 and json.loads(text)["account"]["id"] != people.ids[name]]
        for home, (_, guest) in HOMES.items():
            verdict(f"{home}: who has a link looks by it", door.look("a guest", home, people.looks[home], "GET", "look")[0] == 200)
            pending = door.done(None, "POST", "session", {"name": people.full_name(guest), "password": world.PASSWORD})[0]["pending"]
            sessions.append((guest, door.ask(None, "POST", "session/code", {"pending": pending, "code": people.code(guest)})[2]))
            verdict(f"{home}: password and code let its guest in", sessions[-1][1])
        verdict(f"{len(sessions)} times somebody was let in, each as whose it is", sessions and not wrong, wrong)
        verdict("nothing of the other home is in either", not door.leaks, door.leaks[:4])
        checked = subprocess.run([f"{build}/casement", "audit", "verify", "--data", os.path.join(directory, "data")],
                                 capture_output=True, text=True, check=False)
        verdict("the audit is sound", checked.returncode == 0, checked)
    finally:
        door.close()


def who_is_in(build, directory, people):
    door = Door(build, directory, "before")
    try:
        return {home: still_in(door, people, home) for home in HOMES}
    finally:
        door.close()


def main():
    build, directory = os.path.abspath(sys.argv[1]), tempfile.mkdtemp(prefix="casement-people-")
    write_config(directory)
    door = Door(build, directory, "prepare")
    try:
        people = People(door)
        door.look("anna", "verdi", people.cookies["anna"], "GET", "people?home=verdi")
        verdict("marks are looked for where they are", not door.leaks and "VERDI" in door.ask(people.cookies["anna"], "GET", "people?home=verdi")[1])
    finally:
        door.close()
    sessions = []
    for hook in HOOKS:
        sessions += forward(build, directory, people, hook)
    as_they_were(build, directory, people, sessions)
    were = who_is_in(build, directory, people)
    verdict("somebody of each home is in", all(owner in were[home] for home, (owner, _) in HOMES.items()), were)
    out = [hook for hook in HOOKS if everyone_out(build, directory, people, hook, were)]
    verdict("everyone was logged out, with wrong look-ups on the way", len(out) >= 3, out)
    for hook in HARMFUL:
        backward(build, directory, people, hook)
    if failed:
        print(f"# logs are kept in {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if failed else 0


sys.exit(main())
