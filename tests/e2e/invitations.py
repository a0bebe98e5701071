#!/usr/bin/env python3
"""Invitations through the API: who may make, look at and accept one, and what nobody gets by them. casement-test: quick"""

import sqlite3
import sys

from _server import Cameras, Server, check, finish

PASSWORDS = {name: f"{name} looks out of the window" for name in ("anna", "bruno", "carla", "olga")}
SECRET = "elena looks out of the window"
MEMBERS = {"id", "role", "label", "state", "cameras", "made_by", "created", "expires", "used", "used_by"}


def home(cameras):
    camera = {"id": "door", "name": "Door", "main": cameras.url(1), "sub": cameras.url(1, "sub")}
    people = {name: {"name": name, "role": role, "password_file": f"{name}.pw"}
              for name, role in (("anna", "owner"), ("bruno", "adult"), ("carla", "owner"))}
    return {"homes": [
        {"id": "entrance", "name": "The Entrance", "allow": ["127.0.0.1/32"], "cameras": [camera], "accounts": [people["anna"], people["bruno"]]},
        {"id": "flat", "name": "Flat 7", "accounts": [people["carla"]]}],
        "operators": [{"name": "olga", "password_file": "olga.pw"}]}


class World:
    def __init__(self, cameras):
        self.server = Server(home(cameras), {f"{name}.pw": password for name, password in PASSWORDS.items()})
        self.cookies = {name: self.server.sign_in(name, password) for name, password in PASSWORDS.items()}
        self.told = []

    def ask(self, who, method, path, body=None):
        return self.server.ask(method, "/api/v1/" + path, body, cookie=self.cookies.get(who))

    def invite(self, who="anna", at="entrance", **body):
        answer = self.ask(who, "POST", f"invitations?home={at}", {"role": "guest", **body})
        if answer.status == 201:
            self.told.append(answer.json["token"])
        return answer

    def look(self, who, token):
        return self.ask(who, "POST", "invitations/look", {"token": token})

    def accept(self, who, token, **body):
        return self.ask(who, "POST", "invitations/accept", {"token": token, **body})

    def listed(self):
        return {one["id"]: one for one in self.ask("anna", "GET", "invitations?home=entrance").json["invitations"]}


def a_fresh_account(w):
    made = w.invite(label="Elena", cameras=[{"camera": "door", "rights": ["view"]}], days=3)
    check("an owner invites", made.status == 201 and set(made.json) == MEMBERS | {"token"}, made)
    token, named = made.json["token"], made.json["id"]
    check("the list tells everything but the secret", set(w.listed()[named]) == MEMBERS and w.listed()[named]["state"] == "open", w.listed())
    seen = w.look(None, token)
    check("who holds it sees what it leads to", seen.status == 200 and seen.json["home"]["name"] == "The Entrance" and
          seen.json["role"] == "guest" and seen.json["made_by"] == "anna" and seen.json["cameras"] == 1, seen)
    check("without a name nobody joins", w.accept(None, token).problem == "missing-field")
    check("nor with a weak password", w.accept(None, token, name="elena", password="elena").problem == "bad-password")
    check("nor under another's name", w.accept(None, token, name="ANNA", password=SECRET).problem == "name-taken")
    check("none of that used it up", w.listed()[named]["state"] == "open")
    joined = w.accept(None, token, name="elena", password=SECRET)
    check("a fresh account joins in one step", joined.status == 201 and [h["id"] for h in joined.json["homes"]] == ["entrance"], joined)
    w.cookies["elena"] = joined.headers["Set-Cookie"].split(";")[0]
    cameras = w.ask("elena", "GET", "cameras").json.get("cameras", [])
    check("signed in, with the cameras it gives", [(c["id"], c["rights"]) for c in cameras] == [("door", ["view"])], cameras)
    used = w.listed()[named]
    check("the list says who used it", used["state"] == "used" and used["used_by"]["name"] == "elena" and used["used"], used)
    again = w.accept(None, token, name="franco", password=SECRET)
    check("it works once", again.status == 404 and again.problem == "no-such-invitation", again)
    check("and nobody was made by the second try", w.server.ask("POST", "/api/v1/session", {"name": "franco", "password": SECRET}).status == 401)


def a_neighbour(w):
    """Shared cameras: a member of another home joins the entrance, as whom he is signed in."""
    token = w.invite(role="adult").json["token"]
    check("who is signed in sends no name", w.accept("carla", token, name="x", password=SECRET).problem == "signed-in")
    check("he is no member yet", w.look("carla", token).json.get("is_member") is False)
    joined = w.accept("carla", token)
    roles = {h["id"]: h["role"] for h in joined.json.get("homes", [])}
    check("a neighbour joins with his account", joined.status == 200 and roles == {"entrance": "adult", "flat": "owner"}, joined)
    check("which keeps its session", "Set-Cookie" not in joined.headers and w.ask("carla", "GET", "session").status == 200)
    other = w.invite(role="adult").json["token"]
    check("twice he does not", w.accept("carla", other).problem == "already-member" and w.look("carla", other).json["is_member"])
    check("the entrance does not see his flat", w.ask("anna", "GET", "people?home=flat").status == 404)


def who_may_not(w):
    token = w.invite(role="owner").json["token"]
    check("an adult invites nobody", w.invite("bruno").status == 403)
    check("an owner of another home neither", w.ask("carla", "POST", "invitations?home=entrance", {"role": "guest"}).status == 403)
    check("an operator neither", w.invite("olga").status == 403)
    check("nor does he join", w.look("olga", token).status == 403 and w.accept("olga", token).status == 403)
    check("nobody reads the list but owners", w.ask("bruno", "GET", "invitations?home=entrance").status == 403 and
          w.ask(None, "GET", "invitations?home=entrance").status == 401)
    for body, problem in (({"role": "king"}, "bad-role"), ({"days": 0}, "bad-days"), ({"days": 31}, "bad-days"), ({"days": "7"}, "bad-days"),
                          ({"cameras": "door"}, "bad-cameras"), ({"cameras": [{"camera": "door", "rights": []}]}, "bad-cameras"),
                          ({"cameras": [{"camera": "door", "rights": ["talk"]}]}, "bad-cameras"),
                          ({"cameras": [{"camera": "door", "rights": ["view"]}] * 2}, "bad-cameras"),
                          ({"role": "owner", "cameras": [{"camera": "door", "rights": ["view"]}]}, "bad-cameras"),
                          ({"cameras": [{"camera": "cellar", "rights": ["view"]}]}, "no-such-camera"), ({"label": "a\nb"}, "not-acceptable")):
        answer = w.invite(**body)
        check(f"{body} is refused", answer.problem == problem, answer)


def taken_back(w):
    made = w.invite().json
    check("another home's owner can't take it back", w.ask("carla", "DELETE", f"invitations/{made['id']}?home=flat").status == 404)
    check("an owner can", w.ask("anna", "DELETE", f"invitations/{made['id']}?home=entrance").status == 204)
    check("then it is worth nothing", w.look(None, made["token"]).problem == "no-such-invitation")
    check("and is gone from the list", made["id"] not in w.listed())


def of_one_who_left(w):
    w.accept("elena", w.invite().json["token"])  # a member already: used up by nobody
    people = {p["name"]: p["account"] for p in w.ask("anna", "GET", "people?home=entrance").json["people"]}
    w.ask("anna", "PATCH", f"people/{people['elena']}?home=entrance", {"role": "owner"})
    token = w.invite("elena").json["token"]
    check("one more owner invites", w.look(None, token).status == 200)
    w.ask("anna", "PATCH", f"people/{people['elena']}?home=entrance", {"role": "guest"})
    check("what he sent ends with his role", w.look(None, token).status == 404)
    w.ask("anna", "PATCH", f"people/{people['elena']}?home=entrance", {"role": "owner"})
    check("and does not come back with it", w.look(None, token).status == 404)
    w.ask("anna", "PATCH", f"people/{people['elena']}?home=entrance", {"role": "guest"})


def first_owner(w):
    w.ask("olga", "POST", "homes", {"id": "flat8", "name": "Flat 8"})
    people = {home["id"]: home["people"] for home in w.ask("olga", "GET", "homes").json["homes"]}
    check("an operator is told where nobody lives", people["flat8"] == 0 and people["entrance"] > 0, people)
    made = w.ask("olga", "POST", "homes/flat8/invitation", {"label": "Gina"})
    check("an operator invites a first owner", made.status == 201 and made.json["role"] == "owner" and made.json["made_by"] is None, made)
    w.told.append(made.json["token"])
    check("not into a home that somebody lives in", w.ask("olga", "POST", "homes/entrance/invitation", {}).problem == "home-has-members")
    check("nor into none", w.ask("olga", "POST", "homes/nowhere/invitation", {}).problem == "no-such-home")
    check("nobody else does that", w.ask("anna", "POST", "homes/flat8/invitation", {}).status == 403)
    second = w.ask("olga", "POST", "homes/flat8/invitation", {}).json["token"]
    w.told.append(second)
    check("a later one ends the earlier", w.look(None, made.json["token"]).status == 404)
    check("he himself can't use it", w.accept("olga", second).status == 403)
    joined = w.accept(None, second, name="gina", password=SECRET)
    check("the first owner moves in", joined.status == 201 and joined.json["homes"][0]["role"] == "owner", joined)


def guessed(w):
    """The limits of sign-in hold; the address is this machine's own, so it comes last."""
    wrong = "cmi_" + "A" * 43
    answers = [w.look(None, wrong) for _ in range(8)]
    check("guesses are limited", [a.status for a in answers[:2]] == [404, 404] and answers[-1].status == 429, [a.status for a in answers])
    check("and told how long to wait", answers[-1].json.get("retry_after_s", 0) > 0, answers[-1])


def nothing_told(w):
    database = sqlite3.connect(f"file:{w.server.data}/casement.db?mode=ro", uri=True)
    dump = "\n".join(database.iterdump())
    database.close()
    check("no secret is in the database", not any(token in dump for token in w.told))
    check("nor in the log", not any(token in w.server.log + w.server.output for token in w.told))


CAMERAS = Cameras(1, "--gop", "20")
WORLD = World(CAMERAS)
try:
    for story in (a_fresh_account, a_neighbour, who_may_not, taken_back, of_one_who_left, first_owner, nothing_told, guessed):
        WORLD.server.sign_in("anna", PASSWORDS["anna"])  # whoever signs in is no guesser: his address starts anew
        story(WORLD)
    check("every problem is told whole", not WORLD.server.odd_problems, WORLD.server.odd_problems)
    check("nothing told is stored by anybody", not WORLD.server.unstored, WORLD.server.unstored)
finally:
    WORLD.server.end()
    CAMERAS.end()
    WORLD.server.remove()
sys.exit(finish())
