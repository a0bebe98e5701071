#!/usr/bin/env python3
"""Homes held off, handed over and moved out of, through the API: a house with a shared entrance, whose tenant leaves while
he watches. casement-test: quick"""

import json
import re
import sqlite3
import sys

from _server import CUT_S, Cameras, Server, check, command, finish, until

NAMES = ("anna", "bruno", "carla", "olga")
PASSWORDS = {name: f"{name} looks out of the window" for name in NAMES}


def house(cameras):
    camera = {"id": "door", "name": "Door", "main": cameras.url(1), "sub": cameras.url(1, "sub")}
    return {"homes": [{"id": "entrance", "name": "The Entrance", "allow": ["127.0.0.1/32"], "cameras": [camera],
                       "accounts": [{"name": "anna", "role": "owner", "password_file": "anna.pw"},
                                    {"name": "bruno", "role": "owner", "password_file": "bruno.pw"}]},
                      {"id": "flat", "name": "Not theirs", "allow": ["127.0.0.1/32"], "cameras": [camera], "accounts": [
                          {"name": "carla", "role": "owner", "password_file": "carla.pw"}]}],
            "operators": [{"name": "olga", "password_file": "olga.pw"}]}


class Live:
    """Pictures, read until they end."""

    def __init__(self, w, who, home, camera="door"):
        def begin():
            path = f"/api/v1/cameras/{camera}/live.mp4?home={home}&stream=sub"
            self.stream, status = w.server.open(path, **w.credentials(who))
            if status != 200:
                self.stream.close()
            return status == 200
        self.is_there = until(begin, 60, 0.5)
        self.stream.settimeout(0.5)

    def is_over(self):
        return bool(until(lambda: self.read() is None, CUT_S, 0))

    def read(self):
        """How much came; None at the end."""
        try:
            return len(self.stream.recv(65536)) or None
        except TimeoutError:
            return 0
        except OSError:
            return None

    def moves(self):
        read = 0
        while read < 100_000:  # more than waits in a socket: those who were cut end before it
            part = self.read()
            if part is None:
                return False
            read += part
        return True


class Events:
    """What the events of a home say of its being held off, one after the other."""

    def __init__(self, w, who, home):
        self.text = ""
        self.seen = 0
        self.stream, _ = w.server.open(f"/api/v1/events?home={home}", **w.credentials(who))
        self.stream.settimeout(0.5)

    def all(self):
        try:
            self.text += self.stream.recv(65536).decode(errors="replace")
        except OSError:
            pass
        return re.findall(r"event: home\ndata: (.*)\n\n", self.text)

    def told(self):
        """The next; "nothing" if none comes."""
        found = until(lambda: self.all()[self.seen:], every=0)
        self.seen += 1
        return json.loads(found[0])["suspended"] if found else "nothing"


class World:
    def __init__(self, cameras):
        self.cameras = cameras
        self.server = Server(house(cameras), {f"{name}.pw": password for name, password in PASSWORDS.items()})
        self.cookies = {name: self.server.sign_in(name, password) for name, password in PASSWORDS.items()}
        self.tokens = {}

    def credentials(self, who):
        return {"bearer": self.tokens[who]} if who in self.tokens else {"cookie": self.cookies.get(who)}

    def ask(self, who, method, path, body=None):
        return self.server.ask(method, "/api/v1/" + path, body, **self.credentials(who))

    def account(self, name, home="entrance"):
        people = self.ask("anna", "GET", f"people?home={home}").json["people"]
        return next((one["account"] for one in people if one["name"] == name), None)

    def join(self, name, maker, path, **body):
        token = self.ask(maker, "POST", path, body).json["token"]
        fresh = {} if name in self.cookies else {"name": name, "password": f"{name} looks out of the window"}
        joined = self.ask(name, "POST", "invitations/accept", {"token": token, **fresh})
        if "Set-Cookie" in joined.headers:
            self.cookies[name] = joined.headers["Set-Cookie"].split(";")[0]
        return joined


def connections(w):
    """How many connections to the simulated cameras stand."""
    port = f":{int(w.cameras.address.rpartition(':')[2]):04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:
        return sum(line.split()[2].endswith(port) and line.split()[3] == "01" for line in table)


def is_at_work(w, home):
    """Does the server speak of cameras of this home?"""
    return f'home="{home}"' in w.server.ask("GET", "/metrics").body.decode()


def held_off(w):
    mine, others = Live(w, "anna", "entrance"), Live(w, "carla", "flat")
    check("two homes watch", mine.is_there and others.is_there)
    both = until(lambda: connections(w) >= 2 and is_at_work(w, "entrance") and connections(w))
    check("both homes' cameras are connected to", both and both % 2 == 0, both)
    check("nobody but an operator holds a home off", w.ask("anna", "PUT", "homes/flat/suspension", {"why": "x"}).status == 403)
    check("and he says why", w.ask("olga", "PUT", "homes/entrance/suspension", {"why": ""}).problem == "not-acceptable" and
          w.ask("olga", "PUT", "homes/entrance/suspension", {}).problem == "missing-field")
    check("there must be one", w.ask("olga", "PUT", "homes/nowhere/suspension", {"why": "x"}).problem == "no-such-home")
    events = Events(w, "bruno", "entrance")
    check("events say first that it is not held off", events.told() is None, events.text)
    done = w.ask("olga", "PUT", "homes/entrance/suspension", {"why": "The contract has ended"})
    check("a home is held off", done.status == 204, done)
    check("its pictures stop", mine.is_over())
    held = events.told()
    check("open events tell its members at once", held and (held["by"], held["why"]) == ("olga", "The contract has ended"), events.text)
    fresh = Events(w, "bruno", "entrance")
    check("and whoever asks for them meanwhile", fresh.told() == held, fresh.text)
    check("its cameras are not connected to any more", until(lambda: connections(w) == both // 2 and not is_at_work(w, "entrance"), 60),
          (both, connections(w)))
    check("another's go on", others.moves())
    changed = w.ask("anna", "PATCH", "cameras/door?home=entrance", {"name": "The door"})
    check("not by a change of one either", not is_at_work(w, "entrance"), changed)
    for path in ("cameras?home=entrance", "cameras/door/still.jpg?home=entrance", "cameras/door/live.mp4?home=entrance"):
        told = w.ask("anna", "GET", path)
        check(f"{path} says who and why", told.status == 403 and told.problem == "home-suspended" and
              "olga" in told.json["detail"] and "The contract has ended" in told.json["detail"], told)
    told = w.ask("bruno", "GET", "session").json["homes"][0]["suspended"]
    check("its members are told", told["by"] == "olga" and told["why"] == "The contract has ended" and told["since"], told)
    check("its owners may see to its people", w.ask("anna", "GET", "people?home=entrance").status == 200)
    seen = {one["id"]: one["suspended"] for one in w.ask("olga", "GET", "homes").json["homes"]}
    check("the operator sees which", seen["entrance"] and seen["flat"] is None, seen)
    check("and no picture", w.ask("olga", "GET", "cameras/door/still.jpg?home=entrance").status == 403)
    check("he lets go of it", w.ask("olga", "DELETE", "homes/entrance/suspension").status == 204)
    check("which they tell as well", events.told() is None and fresh.told() is None, events.text)
    again = Live(w, "anna", "entrance")
    check("then there are pictures again", again.is_there and again.moves())
    check("of its cameras, connected to again", until(lambda: connections(w) == both and is_at_work(w, "entrance"), 60), (both, connections(w)))
    for live in (mine, others, again, events, fresh):
        live.stream.close()


def handed_over(w):
    bruno = w.account("bruno")
    check("bruno becomes an adult", w.ask("anna", "PATCH", f"people/{bruno}?home=entrance", {"role": "adult"}).status == 200)
    path = f"people/{bruno}/hand-over?home=entrance"
    for body, problem in (({}, "missing-field"), ({"then": "owner"}, "bad-then"), ({"then": "king"}, "bad-then")):
        check(f"handing over with {body} is refused", w.ask("anna", "POST", path, body).problem == problem)
    mine = w.account("anna")
    check("to oneself as well", w.ask("anna", "POST", f"people/{mine}/hand-over?home=entrance", {"then": "adult"}).problem == "already-owner")
    live = Live(w, "anna", "entrance")
    check("an owner hands his home over", w.ask("anna", "POST", path, {"then": "adult"}).status == 204)
    check("and sees no more than he is granted", live.is_over())
    check("the new owner has all of it", w.ask("bruno", "GET", "people?home=entrance").status == 200 and
          w.ask("anna", "GET", "people?home=entrance").status == 403)
    w.ask("bruno", "POST", f"people/{mine}/hand-over?home=entrance", {"then": "adult"})
    w.ask("anna", "PATCH", f"people/{bruno}?home=entrance", {"role": "owner"})
    live.stream.close()


def a_tenant(w):
    """Tina: owner of flat 12, which the operator set up, and guest of the entrance; she watches both."""
    w.ask("olga", "POST", "homes", {"id": "flat12", "name": "Flat 12"})
    check("the tenant moves in", w.join("tina", "olga", "homes/flat12/invitation").status == 201)
    joined = w.join("tina", "anna", "invitations?home=entrance", role="guest", cameras=[{"camera": "door", "rights": ["view"]}])
    check("and joins the entrance", {home["id"] for home in joined.json.get("homes", [])} == {"flat12", "entrance"}, joined)
    w.join("marco", "anna", "invitations?home=entrance", role="guest", cameras=[{"camera": "door", "rights": ["view"]}])
    # A flat that came by the API reaches no address of this machine: its camera is brought its pictures.
    made = w.ask("tina", "POST", "cameras?home=flat12", {"name": "Hall", "id": "hall", "kind": "whip"})
    check("she adds a camera", made.status == 201 and until(lambda: is_at_work(w, "flat12")), made)
    told = command(w.server, "token", "create", "--home", "entrance", "--account", "tina", "--camera", "door", "--rights", "view", "--days", "1")
    w.tokens["frigate"] = told.stdout.strip()


def moves_out(w):
    tina = w.account("tina")
    hers, program, neighbour = (Live(w, who, "entrance") for who in ("tina", "frigate", "marco"))
    invitation = w.ask("tina", "POST", "invitations?home=flat12", {"role": "guest"}).json["token"]
    check("she watches, and so do a program of hers and a neighbour", hers.is_there and program.is_there and neighbour.is_there)
    for body in ({}, {"homes": []}, {"homes": "flat12"}, {"homes": [7]}, {"homes": ["flat12"] * 33}):
        check(f"moving out of {str(body)[:30]} is refused", w.ask("tina", "POST", "session/moving-out", body).problem == "bad-homes")
    check("of another's home too", w.ask("tina", "POST", "session/moving-out", {"homes": ["flat12", "flat"]}).problem == "no-such-home")
    check("then nothing has ended", hers.moves() and len(w.ask("tina", "GET", "session").json["homes"]) == 2)
    check("an adult moves nobody out", w.ask("marco", "POST", f"people/{tina}/moving-out?home=entrance", {}).status == 403)
    check("nor does an operator", w.ask("olga", "POST", f"people/{tina}/moving-out?home=entrance", {}).status == 403)
    answer = w.ask("tina", "POST", "session/moving-out", {"homes": ["flat12", "entrance"]})
    check("she moves out in one action", answer.status == 200, answer)
    check("her pictures stop", hers.is_over())
    check("and her program's", program.is_over())
    check("her neighbour's do not", neighbour.moves())
    receipt = answer.json
    flat, entrance = receipt["homes"]
    check("a receipt says when and who", receipt["at"] and receipt["account"] == {"id": tina, "name": "tina"} == receipt["by"], receipt)
    check("that the flat is gone with its keys", flat["destroyed"] and flat["name"] == "Flat 12" and flat["role"] == "owner" and
          flat["invitations"] == 1 and flat["cameras"] == [{"id": "hall", "epoch": None}], flat)
    check("that the entrance is not, and whose keys turned", not entrance["destroyed"] and entrance["grants"] == 1 and
          entrance["tokens"] == 1 and entrance["cameras"][0]["id"] == "door" and entrance["cameras"][0]["epoch"] > 1, entrance)
    check("she has no home", w.ask("tina", "GET", "session").json["homes"] == [])
    check("nor her program a token", w.ask("frigate", "GET", "cameras").status == 401)
    check("what she sent is worth nothing", w.ask(None, "POST", "invitations/look", {"token": invitation}).status == 404)
    check("nor are its cameras at work", until(lambda: not is_at_work(w, "flat12")), w.server.ask("GET", "/metrics").body[:500])
    check("the flat is not among the homes", "flat12" not in [one["id"] for one in w.ask("olga", "GET", "homes").json["homes"]])
    database = sqlite3.connect(f"file:{w.server.data}/casement.db?mode=ro", uri=True)
    left = [table for (table,) in database.execute("SELECT name FROM sqlite_schema WHERE type='table'")
            if any("flat12" in map(str, row) for row in database.execute(f"SELECT * FROM {table}"))]
    database.close()
    check("nothing of it is left in the database, its salt least", not left, left)
    for live in (hers, program, neighbour):
        live.stream.close()


def moved_out_by_an_owner(w):
    marco, live = w.account("marco"), Live(w, "marco", "entrance")
    answer = w.ask("anna", "POST", f"people/{marco}/moving-out?home=entrance", {})
    check("an owner moves somebody out", answer.status == 200 and answer.json["by"]["name"] == "anna" and
          answer.json["account"]["name"] == "marco" and answer.json["homes"][0]["grants"] == 1, answer)
    check("who watched", live.is_over())
    check("twice he does not", w.ask("anna", "POST", f"people/{marco}/moving-out?home=entrance", {}).problem == "no-such-person")
    bruno = w.account("bruno")
    w.ask("anna", "PATCH", f"people/{bruno}?home=entrance", {"role": "adult"})
    refused = w.ask("anna", "POST", "session/moving-out", {"homes": ["entrance"]})
    check("the last owner does not leave the others", refused.status == 409 and refused.problem == "last-owner", refused)
    live.stream.close()


CAMERAS = Cameras(1, "--gop", "20")
WORLD = World(CAMERAS)
try:
    for story in (held_off, handed_over, a_tenant, moves_out, moved_out_by_an_owner):
        story(WORLD)
    check("every problem is told whole", not WORLD.server.odd_problems, WORLD.server.odd_problems)
    check("nothing told is stored by anybody", not WORLD.server.unstored, WORLD.server.unstored)
finally:
    WORLD.server.end()
    CAMERAS.end()
    WORLD.server.remove()
sys.exit(finish())
