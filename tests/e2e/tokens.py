#!/usr/bin/env python3
"""Tokens of programs through the API: who may make one, what it gives, and its end. casement-test: quick"""

import sys

from _server import Cameras, Server, check, finish, record, until

PASSWORDS = {name: f"{name} looks out of the window" for name in ("anna", "bruno", "carla", "olga")}
MEMBERS = {"id", "name", "account", "camera", "rights", "created", "expires", "last_used"}


def houses(cameras):
    camera = {"id": "door", "name": "Door", "main": cameras.url(1), "sub": cameras.url(1, "sub")}

    def owned(home, name, *more):
        people = [{"name": name, "role": "owner", "password_file": f"{name}.pw"}, *more]
        return {"id": home, "name": home, "allow": ["127.0.0.1/32"], "cameras": [camera], "accounts": people}
    return {"rtsp": {"listen": "127.0.0.1:0"},
            "homes": [owned("verdi", "anna", {"name": "bruno", "role": "adult", "password_file": "bruno.pw"}), owned("neri", "carla")],
            "operators": [{"name": "olga", "password_file": "olga.pw"}]}


class World:
    def __init__(self, cameras):
        self.server = Server(houses(cameras), {f"{name}.pw": password for name, password in PASSWORDS.items()})
        self.rtsp = int(self.server.told(r"rtsp://127\.0\.0\.1:(\d+)/HOME")[1])
        self.cookies = {name: self.server.sign_in(name, password) for name, password in PASSWORDS.items()}

    def ask(self, who, method, path, body=None):
        return self.server.ask(method, "/api/v1/" + path, body, cookie=self.cookies[who])

    def make(self, who="anna", home="verdi", **body):
        return self.ask(who, "POST", f"tokens?home={home}", {"camera": "door", "rights": ["view"], **body})

    def listed(self):
        return self.ask("anna", "GET", "tokens?home=verdi").json

    def watch(self, token):
        stream, status = self.server.open("/api/v1/cameras/door/live.mp4", bearer=token)
        if status == 200:
            return stream
        return stream.close()

    def reaches(self, token):
        return self.server.ask("GET", "/api/v1/cameras", bearer=token)


def one_is_made(w):
    made = w.make(rights=["view", "listen"], days=2, name="Home Assistant in the kitchen")
    check("an owner makes a token", made.status == 201 and set(made.json) == MEMBERS | {"token"}, made)
    token, named = made.json["token"], made.json["id"]
    told = w.listed()
    check("the list tells everything but the secret", [set(one) for one in told["tokens"]] == [MEMBERS] and token not in str(told), told)
    check("among it the name that it was given", [one["name"] for one in told["tokens"]] == ["Home Assistant in the kitchen"], told)
    check("and on which ports programs are heard", told["rtsp"] == {"port": w.rtsp, "tls_port": None}, told["rtsp"])
    seen = w.reaches(token)
    check("it reaches its camera, with these rights", [(c["id"], c["rights"]) for c in seen.json.get("cameras", [])] == [("door", ["view", "listen"])], seen)
    film = until(lambda: record(w.server, "/api/v1/cameras/door/live.mp4", 40, bearer=token)) or b""
    check("and its pictures", len(film) > 10000, len(film))
    live = until(lambda: w.watch(token))
    watching = until(lambda: w.ask("anna", "GET", "watching?home=verdi").json["watching"])
    check("who watches by it is told by its name", [(one["device"], one["is_program"]) for one in watching] == [("Home Assistant in the kitchen", True)], watching)
    live.close()
    check("no other token can be made with it", w.server.ask("POST", "/api/v1/tokens?home=verdi", {"camera": "door", "rights": ["view"]}, bearer=token).status in (401, 403))
    entries = w.ask("anna", "GET", "audit?home=verdi&groups=rights").json["entries"]
    about = [e for e in entries if e["kind"] == "token-made"]
    check("the audit names it", len(about) == 1 and about[0]["other"] == named and about[0]["camera"] == "door" and
          about[0]["other_name"] == "Home Assistant in the kitchen" and about[0]["rights"] == ["view", "listen"], entries)
    check("it is ended", w.ask("anna", "DELETE", f"tokens/{named}?home=verdi").status == 204)
    check("and reaches nothing", w.reaches(token).status == 401)
    check("nor is it listed", w.listed()["tokens"] == [])
    check("the secret stands in no log", token not in w.server.output + w.server.log)


def what_is_refused(w):
    for body, problem in (({"rights": []}, "bad-rights"), ({"rights": ["listen"]}, "bad-rights"), ({"rights": "view"}, "bad-rights"),
                          ({"rights": ["view", 7]}, "bad-rights"), ({"rights": ["owner"]}, "bad-rights"), ({"rights": None}, "bad-rights"),
                          ({"days": 0}, "bad-days"), ({"days": 3651}, "bad-days"), ({"days": "7"}, "bad-days"), ({"days": 1.5}, "bad-days"),
                          ({"name": "x" * 65}, "bad-name"), ({"name": " x"}, "bad-name"), ({"name": "a\nb"}, "bad-name"), ({"name": 5}, "missing-field"),
                          ({"camera": "garage"}, "no-such-camera"), ({"camera": "../x"}, "no-such-camera"), ({"camera": None}, "missing-field")):
        answer = w.make(**body)
        check(f"{body} is refused", answer.problem == problem, answer)
        check("the problem names the member", answer.problem != "bad-name" or answer.json["field"] == "name", answer)
    check("an adult makes none", w.make("bruno").status == 403)
    check("nor an operator", w.make("olga").status in (403, 404))
    check("nor the owner of another home", w.make("carla").status == 404)
    check("none of them was made", w.listed()["tokens"] == [])


def it_gives_no_more_than_he_has(w):
    made = w.make().json
    token = made["token"]
    check("without a name it has none", made["name"] == "", made)
    bruno = next(p["account"] for p in w.ask("anna", "GET", "people?home=verdi").json["people"] if p["name"] == "bruno")
    check("it works while she is an owner", w.reaches(token).json.get("cameras"))
    check("bruno is made an owner", w.ask("anna", "PATCH", f"people/{bruno}?home=verdi", {"role": "owner"}).status == 200)
    w.ask("anna", "POST", f"people/{bruno}/hand-over?home=verdi", {"then": "guest"})
    check("as a guest without grants she sees nothing by it", not w.reaches(token).json.get("cameras"))
    check("nor lists it", w.ask("anna", "GET", "tokens?home=verdi").status == 403)
    listed = w.ask("bruno", "GET", "tokens?home=verdi").json["tokens"]
    check("the owner of today sees it, and ends it", len(listed) == 1 and
          w.ask("bruno", "DELETE", f"tokens/{listed[0]['id']}?home=verdi").status == 204, listed)


CAMERAS = Cameras(1, "--gop", "20")
WORLD = World(CAMERAS)
try:
    for story in (one_is_made, what_is_refused, it_gives_no_more_than_he_has):
        story(WORLD)
    check("every problem is told whole", not WORLD.server.odd_problems, WORLD.server.odd_problems)
    check("nothing told is stored by anybody", not WORLD.server.unstored, WORLD.server.unstored)
finally:
    WORLD.server.end()
    CAMERAS.end()
    WORLD.server.remove()
sys.exit(finish())
