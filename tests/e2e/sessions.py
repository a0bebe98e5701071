#!/usr/bin/env python3
"""A person's sessions through the API: where one is signed in, and ending them. casement-test: quick"""

import sys
import time

from _server import Cameras, Server, check, finish, until

PASSWORDS = {name: f"{name} looks out of the window" for name in ("anna", "bruno")}
ANDROID = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
MEMBERS = {"id", "is_this", "method", "device", "network", "created", "last_used", "authenticated", "expires"}


def home(cameras):
    camera = {"id": "door", "name": "Door", "main": cameras.url(1), "sub": cameras.url(1, "sub")}
    return {"homes": [{"id": "verdi", "name": "Casa Verdi", "allow": ["127.0.0.1/32"], "cameras": [camera], "accounts": [
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
        self.is_there = until(begin, 60, 0.5)
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
        read, end = 0, time.monotonic() + 20
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
    check("its live pictures end", live_phone.is_over(20))
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
    check("all others are ended at once", done.status == 204 and live.is_over(20), done)
    check("each of them", all(server.ask("GET", "/api/v1/session", cookie=one).status == 401 for one in more))
    check("this one stays", [one["is_this"] for one in sessions_of(server, desk)] == [True])
    check("another person's too", server.ask("GET", "/api/v1/session", cookie=other).status == 200)
    live.stream.close()


def after_a_restart(server, desk):
    before = sessions_of(server, desk)
    server.end()
    again = Server(CONFIG, place=server.place, data=server.data)
    check("sessions outlive a restart, with their names", sessions_of(again, desk)[0]["id"] == before[0]["id"])
    return again


cameras = Cameras(1, "--gop", "20")
CONFIG = home(cameras)
server = Server(CONFIG, {f"{name}.pw": password for name, password in PASSWORDS.items()})
try:
    PHONE, DESK, OTHER = listed(server)
    ended(server, PHONE, DESK, OTHER)
    ended_all(server, DESK, OTHER)
    server = after_a_restart(server, DESK)
    check("every problem is told whole", not server.odd_problems, server.odd_problems)
    check("nothing told is stored by anybody", not server.unstored, server.unstored)
finally:
    server.end()
    cameras.end()
    server.remove()
sys.exit(finish())
