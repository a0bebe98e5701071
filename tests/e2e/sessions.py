#!/usr/bin/env python3
"""A person's sessions through the API: where one is signed in, ending them, showing again who one is,
and clocks that jump. casement-test: quick"""

import hashlib
import os
import subprocess
import sys
import time

from _clock import Clock
from _server import BINARY, CUT_S, PATIENCE_S, Cameras, Server, check, finish, until

DAY_S = 86400

PASSWORDS = {name: f"{name} looks out of the window" for name in ("anna", "bruno", "olga")}
ANDROID = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
MEMBERS = {"id", "is_this", "method", "device", "network", "created", "last_used", "authenticated", "expires"}


def home(cameras):
    camera = {"id": "door", "name": "Door", "main": cameras.url(1), "sub": cameras.url(1, "sub")}
    return {"operators": [{"name": "olga", "password_file": "olga.pw"}], "homes": [{"id": "verdi", "name": "Casa Verdi", "allow": ["127.0.0.1/32"], "cameras": [camera], "accounts": [
        {"name": "anna", "role": "owner", "password_file": "anna.pw"},
        {"name": "bruno", "role": "owner", "password_file": "bruno.pw"}]}]}


def sign_in(server, name, agent):
    headers = {"Origin": server.origin, "Sec-Fetch-Site": "same-origin", "User-Agent": agent}
    answer = server.ask("POST", "/api/v1/session", {"name": name, "password": PASSWORDS[name]}, headers=headers)
    return answer.headers["Set-Cookie"].split(";")[0]


def sessions_of(server, cookie):
    return server.ask("GET", "/api/v1/sessions", cookie=cookie).json.get("sessions", [])


def named(server, cookie, device):
    return next((one for one in sessions_of(server, cookie) if one["device"] == device), None)


class Live:
    """Pictures of the door, read until they end."""

    def __init__(self, server, cookie):
        def begin():
            self.stream, status = server.open("/api/v1/cameras/door/live.mp4?home=verdi&stream=sub", cookie=cookie)
            if status != 200:
                self.stream.close()
            return status == 200
        self.is_there = until(begin, PATIENCE_S, 0.5)
        self.stream.settimeout(0.5)

    def is_over(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if not self.stream.recv(65536):
                    return True
            except TimeoutError:
                continue
            except OSError:
                return True
        return False

    def moves(self):
        """It is not over, and more comes; what waits in the socket counts too."""
        read, end = 0, time.monotonic() + PATIENCE_S
        while read < 200_000 and time.monotonic() < end:
            try:
                part = self.stream.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return False
            if not part:
                return False
            read += len(part)
        return read >= 200_000


def listed(server):
    phone, desk = sign_in(server, "anna", ANDROID), sign_in(server, "anna", FIREFOX)
    other = sign_in(server, "bruno", ANDROID)
    seen = sessions_of(server, desk)
    check("one's own sessions are listed, and nobody else's", len(seen) == 2 and all(set(one) == MEMBERS for one in seen), seen)
    check("each with the words of its device", {one["device"] for one in seen} == {"Chrome on Android", "Firefox on Linux"}, seen)
    check("with its network and how it was made", all(one["network"] == "127.0.0.1" and one["method"] == "password" for one in seen), seen)
    check("this one is marked", [one["device"] for one in seen if one["is_this"]] == ["Firefox on Linux"], seen)
    check("a name leads to no token", all(one["id"] not in phone + desk for one in seen))
    people = server.ask("GET", "/api/v1/people?home=verdi", cookie=other).json["people"]
    check("another owner sees their number only", all("devices" not in one for one in people) and
          next(one for one in people if one["name"] == "anna")["sessions"] == 2, people)
    check("without a session there is no list", server.ask("GET", "/api/v1/sessions").status == 401)
    return phone, desk, other


def ended(server, phone, desk, other):
    live_phone, live_desk, live_other = (Live(server, cookie) for cookie in (phone, desk, other))
    check("all three watch", live_phone.is_there and live_desk.is_there and live_other.is_there)
    theirs = named(server, phone, "Chrome on Android")["id"]
    refused = server.ask("DELETE", f"/api/v1/sessions/{theirs}", cookie=other)
    check("somebody else's session does not exist", refused.status == 404 and refused.problem == "no-such-session", refused)
    check("nor does one that never was", server.ask("DELETE", "/api/v1/sessions/0123456789abcdef01234567", cookie=desk).status == 404)
    cross = server.ask("DELETE", f"/api/v1/sessions/{theirs}", cookie=desk, headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})
    check("another site's page ends nothing", cross.status == 403 and named(server, phone, "Chrome on Android"), cross)
    done = server.ask("DELETE", f"/api/v1/sessions/{theirs}", cookie=desk)
    check("one is ended", done.status == 204, done)
    check("its live pictures end", live_phone.is_over(CUT_S))
    check("its token is worth nothing", server.ask("GET", "/api/v1/session", cookie=phone).status == 401)
    check("who ended it goes on watching", live_desk.moves())
    check("and so does everybody else", live_other.moves())
    check("it is gone from the list", [one["device"] for one in sessions_of(server, desk)] == ["Firefox on Linux"])
    check("ended once", server.ask("DELETE", f"/api/v1/sessions/{theirs}", cookie=desk).status == 404)
    for live in (live_phone, live_desk, live_other):
        live.stream.close()


def ended_all(server, desk, other):
    more = [sign_in(server, "anna", ANDROID) for _ in range(3)]
    live = Live(server, more[0])
    done = server.ask("DELETE", "/api/v1/sessions", cookie=desk)
    check("all others are ended at once", done.status == 204 and live.is_over(CUT_S), done)
    check("each of them", all(server.ask("GET", "/api/v1/session", cookie=one).status == 401 for one in more))
    check("this one stays", [one["is_this"] for one in sessions_of(server, desk)] == [True])
    check("another person's too", server.ask("GET", "/api/v1/session", cookie=other).status == 200)
    live.stream.close()


def again(server, cookie, password):
    answer = server.ask("POST", "/api/v1/session/again", {"password": password}, cookie=cookie)
    fresh = answer.headers["Set-Cookie"]
    return answer, fresh.split(";")[0] if fresh else None


def sensitive(server, cookie, operator):
    """What each route that wants a fresh session answers; none of them changes anything when it refuses."""
    people = server.ask("GET", "/api/v1/people?home=verdi", cookie=cookie).json["people"]
    bruno = next(one["account"] for one in people if one["name"] == "bruno")
    asks = {
        "add a person": ("POST", "/api/v1/people?home=verdi", {"name": "mia", "password": "mia looks at the sea", "role": "guest"}),
        "change a role": ("PATCH", f"/api/v1/people/{bruno}?home=verdi", {"role": "adult"}),
        "remove a person": ("DELETE", f"/api/v1/people/{bruno}?home=verdi", None),
        "give a right": ("PUT", f"/api/v1/people/{bruno}/cameras/door?home=verdi", {"rights": ["view"]}),
        "revoke a token": ("DELETE", "/api/v1/tokens/0123456789abcdef?home=verdi", None),
        "remove a camera": ("DELETE", "/api/v1/cameras/door?home=verdi", None),
        "make a passkey": ("POST", "/api/v1/passkeys/challenge", {}),
        "remove a passkey": ("DELETE", "/api/v1/passkeys/0123456789abcdef", None),
        "make recovery codes": ("POST", "/api/v1/recovery", {}),
        "end all sessions": ("DELETE", "/api/v1/sessions", None)}
    got = {what: server.ask(*ask, cookie=cookie) for what, ask in asks.items()}
    got["make a home"] = server.ask("POST", "/api/v1/homes", {"name": "Nuova"}, cookie=operator)
    return got


def elevated(server, clock):
    anna, second, operator = sign_in(server, "anna", FIREFOX), sign_in(server, "anna", ANDROID), sign_in(server, "olga", FIREFOX)
    live, other = Live(server, anna), Live(server, second)
    clock.set(150)  # with time to spare for a slow machine: the unit tests know the exact moment
    made = server.ask("POST", "/api/v1/people?home=verdi", {"name": "nino", "password": "nino looks at the sea", "role": "guest"}, cookie=anna)
    check("within five minutes nothing is asked", made.status == 201, made)
    clock.set(302)
    got = sensitive(server, anna, operator)
    for what, answer in got.items():
        check(f"to {what}, the server wants to know again", answer.status == 403 and answer.problem == "sign-in-again", answer)
    people = server.ask("GET", "/api/v1/people?home=verdi", cookie=anna).json["people"]
    check("and nothing was changed", sorted((one["name"], one["role"]) for one in people) ==
          [("anna", "owner"), ("bruno", "owner"), ("nino", "guest")] and len(sessions_of(server, anna)) == 3, people)
    nino = next(one["account"] for one in people if one["name"] == "nino")
    cut = server.ask("DELETE", f"/api/v1/people/{nino}/cameras/door?home=verdi", cookie=anna)
    check("a cut waits for no password", cut.status in (204, 404) and cut.problem != "sign-in-again", cut)
    theirs = server.ask("POST", "/api/v1/homes", {"name": "Mia"}, cookie=anna)
    check("who may not at all is told so, and not asked", theirs.problem == "not-allowed", theirs)
    wrong, _ = again(server, anna, "not her password")
    check("a wrong password is refused", wrong.status == 401 and wrong.problem == "wrong-name-or-password", wrong)
    check("and the session stays as it was", server.ask("GET", "/api/v1/session", cookie=anna).status == 200 and live.moves())
    right, fresh = again(server, anna, PASSWORDS["anna"])
    check("the right one gives another token", right.status == 200 and fresh and fresh != anna and right.json["account"]["name"] == "anna", right)
    check("the former one is worth nothing", server.ask("GET", "/api/v1/session", cookie=anna).status == 401)
    check("the pictures it opened end", live.is_over(CUT_S))
    check("those of another session do not", other.moves())
    again_live = Live(server, fresh)
    check("and come again with the new one", again_live.is_there and again_live.moves())
    mia = server.ask("POST", "/api/v1/people?home=verdi", {"name": "mia", "password": "mia looks at the sea", "role": "guest"}, cookie=fresh)
    check("now it is done", mia.status == 201, mia)
    check("another session of the same person is as old as before",
          server.ask("DELETE", "/api/v1/sessions", cookie=second).problem == "sign-in-again")
    nobody, _ = again(server, anna, PASSWORDS["anna"])
    check("a dead token shows nothing again", nobody.status == 401, nobody)
    for one in (live, other, again_live):
        one.stream.close()
    return fresh


def clocks(server, clock, cookie):
    """The clock of the machine is set, forth and back, while the server runs."""
    def is_signed_in():
        return server.ask("GET", "/api/v1/session", cookie=cookie).status == 200
    clock.set(302 - 3600)
    refused = server.ask("DELETE", "/api/v1/sessions", cookie=cookie)
    check("a clock set back makes nobody fresh", refused.problem == "sign-in-again" and is_signed_in(), refused)
    clock.set(302 + 14 * DAY_S - 3600)
    check("just before 14 days unused it is alive", is_signed_in())
    clock.set(302 + 28 * DAY_S)
    check("twice that is too long, whatever of it was remembered as a use", not is_signed_in())
    clock.set(302)
    check("set right again, it is there", is_signed_in())
    clock.set(302 - 3 * DAY_S)
    check("by a clock that is days behind when it was made, it is nobody's", not is_signed_in())
    clock.set(302)


def leaked(server, cookie):
    """A list that is imported while the server runs; from then on nobody may choose what stands on it."""
    word = "a door that leads nowhere"
    path = os.path.join(CLOCK.place, "leaked")
    with open(path, "w", encoding="ascii") as file:
        file.write(hashlib.sha1(word.encode()).hexdigest() + ":7\n")
    done = subprocess.run([BINARY, "passwords", "build", "--data", server.data, path], capture_output=True, text=True, check=False)
    check("a list of leaked passwords is imported", done.returncode == 0 and "1 of 1" in done.stdout, done)
    change = {"old_password": PASSWORDS["anna"], "new_password": word}
    refused = server.ask("POST", "/api/v1/session/password", change, cookie=cookie)
    check("one of them is refused, in a plain sentence", refused.status == 400 and refused.problem == "bad-password" and
          "leaked" in refused.json["detail"], refused)
    with open(os.path.join(server.data, "passwords.list"), "r+b") as file:
        file.truncate(7)
    broken = server.ask("POST", "/api/v1/session/password", change, cookie=cookie)
    check("with a list that can't be read no password is set", broken.status >= 500 and
          until(lambda: "password-list-unreadable" in server.log), broken)
    os.unlink(os.path.join(server.data, "passwords.list"))
    taken = server.ask("POST", "/api/v1/session/password", {**change, "new_password": "a door that leads home"}, cookie=cookie)
    check("without one it is, and this session has another token", taken.status == 200 and taken.headers["Set-Cookie"] and
          server.ask("GET", "/api/v1/session", cookie=cookie).status == 401, taken)
    PASSWORDS["anna"] = "a door that leads home"


def after_a_restart(server, desk):
    before = sessions_of(server, desk)
    server.end()
    restarted = Server(CONFIG, place=server.place, data=server.data)
    names = [{one["id"] for one in of} for of in (before, sessions_of(restarted, desk))]
    check("sessions outlive a restart, with their names", names[0] and names[0] == names[1], names)
    return restarted


cameras = Cameras(1, "--gop", "20")
CONFIG = home(cameras)
CLOCK = Clock()
server = CLOCK.start(lambda: Server(CONFIG, {f"{name}.pw": password for name, password in PASSWORDS.items()}))
try:
    PHONE, DESK, OTHER = listed(server)
    ended(server, PHONE, DESK, OTHER)
    ended_all(server, DESK, OTHER)
    FRESH = elevated(server, CLOCK)
    clocks(server, CLOCK, FRESH)
    CLOCK.set(0)
    server = after_a_restart(server, DESK)
    leaked(server, DESK)
    check("every problem is told whole", not server.odd_problems, server.odd_problems)
    check("nothing told is stored by anybody", not server.unstored, server.unstored)
finally:
    server.end()
    cameras.end()
    server.remove()
    CLOCK.remove()
sys.exit(finish())
