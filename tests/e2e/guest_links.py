#!/usr/bin/env python3
"""Guest links: one camera's live picture for somebody without an account, and nothing else; how it is counted, cut and
ends by itself; and that its secret is nowhere. casement-test: quick"""

import datetime
import glob
import os
import re
import sqlite3
import sys
import time
import zoneinfo

from _clock import Clock
from _server import CUT_S, PATIENCE_S, Cameras, Program, Server, check, decode, finish, record, until

HERE = os.path.dirname(os.path.abspath(__file__))
PASSWORDS = {name: f"{name} looks out of the window" for name in ("anna", "bruno", "carla")}
LINK = {"id", "camera", "label", "state", "made_by", "created", "from", "until", "opened", "opened_max", "last_opened", "looks"}
LOOK = {"camera", "has_sub", "from", "until", "now"}
LIVE = "/api/v1/look/live.mp4?stream=sub"
SUB = 640
HOUR_S = 3600
ZONE = "Asia/Kolkata"


def home(cameras):
    def camera(number, name):
        return {"id": name.lower(), "name": name, "main": cameras.url(number), "sub": cameras.url(number, "sub")}

    people = [{"name": name, "role": role, "password_file": f"{name}.pw"}
              for name, role in (("anna", "owner"), ("bruno", "adult"), ("carla", "owner"))]
    return {"homes": [{"id": "verdi", "name": "Casa Verdi", "allow": ["127.0.0.1/32"], "time_zone": ZONE,
                       "cameras": [camera(1, "Garden"), camera(2, "Bedroom")], "accounts": people}]}


class World:
    def __init__(self, cameras, clock):
        secrets = {f"{name}.pw": password for name, password in PASSWORDS.items()}
        self.clock = clock
        self.server = clock.start(lambda: Server(home(cameras), secrets))
        self.cookies = {name: self.server.sign_in(name, password) for name, password in PASSWORDS.items()}
        self.told = []

    def ask(self, who, method, path, body=None):
        return self.server.ask(method, "/api/v1/" + path, body, cookie=self.cookies.get(who))

    def make(self, who="anna", camera="garden", **body):
        answer = self.ask(who, "POST", f"cameras/{camera}/links?home=verdi", {"label": "Mr Neri", **body})
        if answer.status == 201:
            self.told.append(answer.json["secret"])
        return answer

    def open(self, secret, cookie=None):
        """(answer, cookie of the look or None)."""
        answer = self.server.ask("POST", "/api/v1/look", {"secret": secret}, cookie=cookie)
        given = answer.headers.get("Set-Cookie")
        if given:
            self.told.append(re.match(r"__Host-casement-look=(\S+?);", given)[1])
        return answer, given and given.split(";")[0]

    def guest(self, **body):
        """(the link, the cookie of one who opened it)."""
        made = self.make(**body).json
        return made, self.open(made["secret"])[1]

    def look(self, cookie):
        return self.server.ask("GET", "/api/v1/look", cookie=cookie)

    def links(self):
        return {one["id"]: one for one in self.ask("anna", "GET", "links?home=verdi").json["links"]}

    def entries(self):
        return self.ask("anna", "GET", "audit?home=verdi&limit=200").json["entries"]


class Watching:
    """Live pictures of whoever has a look, read until they end."""

    def __init__(self, server, cookie):
        def begin():
            self.stream, status = server.open(LIVE, cookie=cookie)
            if status != 200:
                self.stream.close()
            return status == 200
        self.is_there = until(begin, every=0.5)
        self.stream.settimeout(0.5)

    def read(self):
        """Bytes; b"" when it is over, None when nothing came."""
        try:
            return self.stream.recv(65536)
        except TimeoutError:
            return None
        except OSError:
            return b""

    def moves(self):
        """Pictures come, more than wait in the sockets."""
        read, end = 0, time.monotonic() + PATIENCE_S
        while read < 200_000 and time.monotonic() < end:
            part = self.read()
            if part == b"":
                return False
            read += len(part or b"")
        return read >= 200_000

    def is_over(self, seconds=CUT_S):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.read() == b"":
                return True
        return False


class Viewer(Program):
    """aiortc, as a guest."""

    def __init__(self, server, cookie):
        super().__init__("/usr/bin/python3", os.path.join(HERE, "_webrtc_aiortc.py"),
                         server.origin + "/api/v1/look/whep?stream=sub", cookie)

    @property
    def codes(self):
        return [line.split()[1] for line in self.output.splitlines() if line.startswith("frame ")]

    def is_over(self):
        return until(lambda: re.search(r"^(ended|state closed|state failed)", self.output, re.M) or self.process.poll() is not None, CUT_S)


# ---- stories ----

def who_makes_one(w):
    for who, status in (("bruno", 403), (None, 401)):
        answer = w.make(who)
        check(f"{who or 'nobody'} makes none", answer.status == status, answer)
    for body, problem in (({"label": ""}, "not-acceptable"), ({"label": None}, "missing-field"), ({"lasts_s": 59}, "bad-number"),
                          ({"lasts_s": 30 * 24 * HOUR_S + 1}, "bad-number"), ({"from": "soon"}, "bad-time"), ({"from": 5}, "missing-field"),
                          ({"opened_max": 101}, "bad-number"), ({"opened_max": "2"}, "bad-number")):
        answer = w.make(**body)
        check(f"{body} is refused", answer.problem == problem, answer)
    check("of a camera that is not there there is none", w.make(camera="cellar").problem == "no-such-camera")
    made = w.make(lasts_s=2 * HOUR_S)
    check("an owner makes one", made.status == 201 and set(made.json) == LINK | {"secret"}, made)
    check("it has 256 bits of its own kind", re.fullmatch(r"cmg_[\w-]{43}", made.json["secret"]), made.json)
    listed = w.ask("carla", "GET", "links?home=verdi")
    check("the list tells everything but the secret", set(listed.json["links"][0]) == LINK and made.json["secret"] not in str(listed.json), listed)
    check("a member who is no owner is not told of it", w.ask("bruno", "GET", "links?home=verdi").status == 403)
    return made.json


def opened(w, link):
    answer, cookie = w.open(link["secret"])
    given = answer.headers["Set-Cookie"] or ""
    check("whoever has the secret opens it", answer.status == 201 and set(answer.json) == LOOK | {"is_open"}, answer)
    check("the cookie is no script's, of no other site, and ends with the link", all(word in given for word in (
        "HttpOnly", "Secure", "SameSite=Strict", "Path=/")) and 0 < int(re.search(r"Max-Age=(\d+)", given)[1]) <= 2 * HOUR_S, given)
    seen = w.look(cookie)
    check("he is told the camera's name and the time, and nothing of the home", seen.status == 200 and set(seen.json) == LOOK and
          seen.json["camera"] == "Garden" and "erdi" not in str(seen.json) and "anna" not in str(seen.json), seen)
    again, fresh = w.open(link["secret"], cookie)
    check("the same browser is the same look", again.status == 200 and fresh is None, again)
    one = w.links()[link["id"]]
    check("it was opened once, and by what", one["opened"] == 1 and one["last_opened"] and len(one["looks"]) == 1 and
          one["looks"][0]["network"] == "127.0.0.1" and one["looks"][0]["may_look"], one)
    cross = w.server.ask("POST", "/api/v1/look", {"secret": link["secret"]}, headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})
    check("another site's page opens none", cross.status == 403, cross)
    return cookie


def watched(w, cookie):
    live = Watching(w.server, cookie)
    check("he sees live pictures", live.is_there and live.moves())
    names = [(one["name"], one["account"], bool(one["link"])) for one in w.ask("anna", "GET", "watching?home=verdi").json["watching"]]
    check("who watches is said by the link's label", names == [("Mr Neri", "", True)], names)
    live.stream.close()
    still = until(lambda: (got := w.server.ask("GET", "/api/v1/look/still.jpg?stream=sub", cookie=cookie)).status == 200 and got)
    check("and stills", still and still.headers["Content-Type"] == "image/jpeg", still)
    codes = [code and code[0] for code in decode(record(w.server, LIVE, 40, cookie), SUB)[0]]
    check("all of them of that camera", len(codes) >= 40 and set(codes) == {1}, codes)


def watched_by_webrtc(w):
    link, cookie = w.guest(label="By WebRTC")
    viewer = Viewer(w.server, cookie)
    try:
        check("he sees pictures by WebRTC", until(lambda: len(viewer.codes) >= 20 or viewer.process.poll() is not None) and
              set(viewer.codes) - {"none"} == {"1"}, viewer.output[-500:] + viewer.log[-800:])
        place = re.search(r"^session (\S+)", viewer.output, re.M)
        check("at an address that names neither home nor camera", place and re.fullmatch(r"/api/v1/look/whep/\w+", place[1]), place)
        other = w.guest(label="Somebody else")[1]
        check("which is nobody else's", w.server.ask("DELETE", place[1], cookie=other).problem == "no-such-viewer")
        check("nor a member's by another way", w.ask("anna", "DELETE", f"cameras/garden/whep/{place[1].rsplit('/', 1)[1]}?home=verdi").status == 404)
        check("revoked: it ends", w.ask("anna", "DELETE", f"links/{link['id']}?home=verdi").status == 204 and viewer.is_over(), viewer.output[-300:])
    finally:
        viewer.process.stdin.close()
        viewer.end()


def nothing_else(w, cookie):
    """Every route that there is, as the server itself lists them, with a guest's cookie: also as a session, and as a token."""
    token = cookie.partition("=")[2]
    own = {("GET", "/api/v1/look"), ("GET", "/api/v1/look/live.mp4"), ("GET", "/api/v1/look/still.jpg"), ("POST", "/api/v1/look/whep"),
           ("PATCH", "/api/v1/look/whep/{viewer}"), ("DELETE", "/api/v1/look/whep/{viewer}")}
    # What is anybody's, and those that show their own secret in the body.
    anybodys = {"anyone", "setup-token", "invitation", "operator-or-loopback"}
    paths = w.server.ask("GET", "/openapi.json").json["paths"]
    routes = [(method.upper(), path, operation) for path, of in paths.items() for method, operation in of.items()]
    asked, given = 0, []
    names = {"camera": "garden", "home": "verdi", "account": "anna"}
    for method, path, operation in routes:
        if (method, path) in own or operation["x-permission"] in anybodys:
            continue
        asked += 1
        real = re.sub(r"\{(\w+)\}", lambda m: names.get(m[1], "x1"), path)
        kind = {"Content-Type": next(iter(operation.get("requestBody", {}).get("content", ["application/json"])))}
        headers = {"Origin": w.server.origin, "Sec-Fetch-Site": "same-origin", **kind}
        body = b"{}" if method in ("POST", "PUT", "PATCH") else None
        for sent in ({"cookie": cookie}, {"cookie": "__Host-casement=" + token}, {"bearer": token}):
            answer = w.server.ask(method, real + "?home=verdi", body, headers=headers, **sent)
            if answer.status not in (401, 403, 404) and not (answer.status == 400 and "bearer" in sent):
                given.append((method, real, sent, answer))
    check(f"none of the {asked} other routes does anything for him", asked > 60 and not given, given[:3])
    check("the guest's routes are all that the table has", {(m, p) for m, p, operation in routes if operation["x-permission"] == "guest-link"} == own)
    for who in ("anna", None):
        answer = w.server.ask("GET", "/api/v1/look", cookie=w.cookies.get(who))
        check(f"{who or 'nobody'} without a link is no guest", answer.status == 401 and answer.problem == "link-over", answer)
    both = w.server.ask("GET", "/api/v1/session", cookie=f"{w.cookies['anna']}; {cookie}")
    check("who is signed in stays so with a link open", both.status == 200 and both.json["account"]["name"] == "anna", both)
    bedroom = w.server.ask("GET", "/api/v1/look/live.mp4?home=verdi&camera=bedroom&stream=sub&id=bedroom", cookie="__Host-casement-look=" + "cml_" + "A" * 43)
    check("a token that nobody made shows nothing", bedroom.problem == "link-over", bedroom)


def cut(w):
    link, cookie = w.guest(label="To be cut")
    other = w.guest(label="Another")[1]
    live, stays = Watching(w.server, cookie), Watching(w.server, other)
    check("two watch by two links", live.moves() and stays.moves())
    check("nobody else revokes", w.ask("bruno", "DELETE", f"links/{link['id']}?home=verdi").status == 403)
    check("an owner does", w.ask("carla", "DELETE", f"links/{link['id']}?home=verdi").status == 204)
    check("his pictures end", live.is_over())
    check("the other's go on", stays.moves())
    check("he is told that it is over", w.look(cookie).problem == "link-over")
    check("the secret is worth nothing", w.open(link["secret"])[0].problem == "no-such-link")
    check("the list says that it was revoked", w.links()[link["id"]]["state"] == "revoked")
    check("revoking once more is fine, of none not", w.ask("anna", "DELETE", f"links/{link['id']}?home=verdi").status == 204 and
          w.ask("anna", "DELETE", "links/x1?home=verdi").problem == "no-such-link")
    stays.stream.close()


def counted(w):
    link = w.make(label="Twice", opened_max=2).json
    first, second = w.open(link["secret"])[1], w.open(link["secret"])[1]
    third = w.open(link["secret"])[0]
    check("one for two openings opens twice", first and second and third.status == 404 and third.problem == "no-such-link", third)
    check("who opened it goes on", w.look(first).status == 200 and w.look(second).status == 200)
    check("the list says so", (one := w.links()[link["id"]])["state"] == "used-up" and one["opened"] == 2 and one["opened_max"] == 2, one)


def early(w):
    tomorrow = time.time() + 24 * HOUR_S
    by_the_home = datetime.datetime.fromtimestamp(tomorrow, zoneinfo.ZoneInfo(ZONE)).strftime("%Y-%m-%dT%H:%M")
    link = w.make(label="Tomorrow", **{"from": by_the_home}, lasts_s=HOUR_S).json
    begins, ends = (datetime.datetime.fromisoformat(link[at].replace("Z", "+00:00")).timestamp() for at in ("from", "until"))
    check("it begins by the clock of the home", begins == tomorrow // 60 * 60 and ends == begins + HOUR_S, link)
    far = w.make(**{"from": by_the_home}, lasts_s=30 * 24 * HOUR_S)
    check("none is over later than in 30 days", far.problem == "bad-time" and far.json["field"] == "from", far)
    past = w.make(**{"from": "2020-01-01T00:00:00Z"}, lasts_s=HOUR_S).json
    check("what begins before its making begins with it", past["state"] == "open" and past["from"] == past["created"], past)
    answer, cookie = w.open(link["secret"])
    check("who opens one early is told when", answer.status == 200 and cookie is None and answer.json["is_open"] is False and
          answer.json["from"] == link["from"], answer)
    check("which counts for nothing", w.links()[link["id"]]["opened"] == 0)


def ended_by_the_clock(w):
    link, cookie = w.guest(label="For an hour", lasts_s=HOUR_S)
    live = Watching(w.server, cookie)
    check("for an hour he watches", live.moves())
    w.clock.set(HOUR_S + 60)
    check("then it ends by itself", live.is_over())
    check("for him", w.look(cookie).problem == "link-over")
    check("and for the next", w.open(link["secret"])[0].problem == "no-such-link")
    w.clock.set(0)
    check("the list knew", until(lambda: w.links()[link["id"]]["state"] == "open"))  # by a clock that was put right


def maker_lost_his_say(w):
    made = w.make("carla", label="Carla's").json
    cookie = w.open(made["secret"])[1]
    live = Watching(w.server, cookie)
    check("by carla's link somebody watches", live.moves())
    people = {p["name"]: p["account"] for p in w.ask("anna", "GET", "people?home=verdi").json["people"]}
    check("carla is an owner no more", w.ask("anna", "PATCH", f"people/{people['carla']}?home=verdi", {"role": "adult"}).status == 200)
    check("then her guest's pictures end", live.is_over())
    check("her link is over", w.look(cookie).problem == "link-over" and w.open(made["secret"])[0].problem == "no-such-link" and
          w.links()[made["id"]]["state"] == "without-maker")
    w.ask("anna", "PATCH", f"people/{people['carla']}?home=verdi", {"role": "owner"})
    check("and does not come back with the role", w.look(cookie).problem == "link-over")


def told_of(w, link):
    """The account: by the link's id and label, never by its secret."""
    entries = w.entries()
    kinds = {kind: [e for e in entries if e["kind"] == f"guest-link-{kind}"] for kind in ("made", "opened", "refused", "revoked")}
    check("making, opening, refusing and revoking are kept", all(kinds.values()), {k: len(v) for k, v in kinds.items()})
    check("by the link's name", any(e["other"] == link["id"] and e["other_name"] == "Mr Neri" and e["camera"] == "garden" for e in kinds["opened"]), kinds["opened"])
    viewings = w.ask("anna", "GET", "cameras/garden/viewings?home=verdi").json["viewings"]
    check("who saw the camera says the link's label", any(v["account"] == link["id"] and v["name"] == "Mr Neri" and v["by_link"] for v in viewings), viewings[:3])
    check("and nothing of them as anna's", not any(v["name"] == "anna" for v in viewings), viewings[:3])


def guessed(w):
    """The limits of sign-in hold; the address is this machine's own, so it comes last."""
    answers = [w.open("cmg_" + str(i) * 43)[0] for i in range(8)]
    check("guesses are limited", [a.status for a in answers[:2]] == [404, 404] and answers[-1].status == 429, [a.status for a in answers])
    check("and told how long to wait", answers[-1].json.get("retry_after_s", 0) > 0, answers[-1])
    check("what is no secret at all counts too", w.open("hello")[0].status == 429)


def nothing_told(w):
    database = sqlite3.connect(f"file:{w.server.data}/casement.db?mode=ro", uri=True)
    dump = "\n".join(database.iterdump())
    database.close()
    check("no secret and no token is in the database", w.told and not any(token in dump for token in w.told))
    check("nor in the log", not any(token in w.server.log + w.server.output for token in w.told))
    kept = b"".join(open(path, "rb").read() for path in glob.glob(f"{w.server.data}/audit/*") if os.path.isfile(path))
    check("nor in the audit", kept and not any(token.encode() in kept for token in w.told))


def main():
    cameras, clock = Cameras(2, "--gop", "20"), Clock()
    w = World(cameras, clock)
    try:
        link = who_makes_one(w)
        cookie = opened(w, link)
        watched(w, cookie)
        nothing_else(w, cookie)
        watched_by_webrtc(w)
        for story in (cut, counted, early, maker_lost_his_say, ended_by_the_clock):
            w.server.sign_in("anna", PASSWORDS["anna"])  # a right password: the tries of this address begin anew
            story(w)
        told_of(w, link)
        guessed(w)
        nothing_told(w)
        check("every problem is told whole", not w.server.odd_problems, w.server.odd_problems)
        check("nothing told is stored by anybody", not w.server.unstored, w.server.unstored)
    finally:
        w.server.end()
        cameras.end()
        w.server.remove()
        clock.remove()
    return finish()


sys.exit(main())
