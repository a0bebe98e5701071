#!/usr/bin/env python3
"""The audit through the real server: who saw what, what was taken away, who may read of it, and what is found when somebody
changes it. casement-test: quick"""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from _server import BINARY, PATIENCE_S, Cameras, Server, check, finish, until

PASSWORDS = {name: f"{name} looks out of the window" for name in ("anna", "bruno", "carla", "olga")}


def config(cameras):
    def home(ident, people, number):
        return {"id": ident, "name": ident.title(), "allow": ["127.0.0.1/32"], "accounts": people,
                "cameras": [{"id": "door", "name": "Door", "main": cameras.url(number), "sub": cameras.url(number, "sub")}]}

    def person(name, role, **more):
        return {"name": name, "role": role, "password_file": f"{name}.pw", **more}
    return {"homes": [home("verdi", [person("anna", "owner"), person("bruno", "guest")], 1), home("rossi", [person("carla", "owner")], 2)],
            "operators": [{"name": "olga", "password_file": "olga.pw"}]}


def sign_in(server, name, password=None):
    answer = server.ask("POST", "/api/v1/session", {"name": name, "password": password or PASSWORDS[name]},
                        headers={"Origin": server.origin, "Sec-Fetch-Site": "same-origin"})
    return answer.headers.get("Set-Cookie", "").split(";")[0] if answer.status == 200 else answer


def entries(server, cookie, query="", path="/api/v1/audit"):
    answer = server.ask("GET", f"{path}?{query}", cookie=cookie)
    if "entries" not in answer.json:
        sys.exit(f"no entries: {answer}")
    return answer.json["entries"]


def kinds(server, cookie, query=""):
    return [one["kind"] for one in entries(server, cookie, query)]


def watch(server, cookie):
    """Pictures, for a moment: (bytes, whether it ended by itself)."""
    def begin():
        stream, status = server.open("/api/v1/cameras/door/live.mp4?home=verdi&stream=sub", cookie=cookie)
        if status == 200:
            return stream
        stream.close()
        return None
    return until(begin, PATIENCE_S, 0.5)


def read_some(stream, wanted=150_000):
    stream.settimeout(PATIENCE_S)
    read = 0
    while read < wanted:
        part = stream.recv(65536)
        if not part:
            break
        read += len(part)
    return read


def is_over(stream):
    try:
        while stream.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    stream.close()
    return True


def ended_views(server, cookie):
    return [one for one in entries(server, cookie, "home=verdi&groups=views") if one["kind"] == "view-end"]


def who_saw(server, owner, bruno):
    """View, cut, and what is told of them."""
    account = server.ask("GET", "/api/v1/session", cookie=bruno).json["account"]["id"]
    refused = server.ask("GET", "/api/v1/cameras/door/live.mp4?home=verdi", cookie=bruno)
    check("without a grant there is nothing to see", refused.status == 404, refused)
    told = until(lambda: [one for one in entries(server, owner, "home=verdi&groups=refusals") if one["kind"] == "view-refused"])
    check("the refusal is told, with its cause", told and told[0]["cause"] == "no-grant" and told[0]["account"] == account, told)
    server.ask("PUT", f"/api/v1/people/{account}/cameras/door?home=verdi", {"rights": ["view"]}, cookie=owner)
    stream = watch(server, bruno)
    check("with one there is", stream is not None and read_some(stream) > 0)
    now = until(lambda: server.ask("GET", "/api/v1/watching?home=verdi", cookie=owner).json.get("watching"))
    check("who is watching now is told", now and [(one["name"], one["camera"], one["path"]) for one in now] == [("bruno", "door", "mp4")], now)
    gone = server.ask("DELETE", f"/api/v1/people/{account}/cameras/door?home=verdi", cookie=owner)
    check("the grant is taken", gone.status == 204, gone)
    told = entries(server, owner, "home=verdi&groups=rights")
    check("and told before the answer, with the cut", {"grant-removed", "cut", "grant-put"} <= {one["kind"] for one in told}, told)
    removed = next(one for one in told if one["kind"] == "grant-removed")
    check("by whom and from whom", (removed["name"], removed["other_name"], removed["camera"]) == ("anna", "bruno", "door"), removed)
    check("the cut says how many keys turned", next(one for one in told if one["kind"] == "cut")["count"] == 1, told)
    check("the pictures end", is_over(stream))
    view = until(lambda: ended_views(server, owner))
    check("the view's end is told", len(view) == 1 and view[0]["cause"] == "no-grant" and view[0]["path"] == "mp4", view)
    return account


def frames_are_right(server, owner, bruno, account):
    """Every frame that is counted was received, and none twice: a part is a frame."""
    server.ask("PUT", f"/api/v1/people/{account}/cameras/door?home=verdi", {"rights": ["view"]}, cookie=owner)
    before = len(ended_views(server, owner))
    stream = watch(server, bruno)
    stream.settimeout(PATIENCE_S)
    data = b""
    while data.count(b"moof") < 60:
        data += stream.recv(65536)
    stream.close()
    views = until(lambda: len(ended_views(server, owner)) > before and ended_views(server, owner))
    seen = views[0]["frames"][0]
    parts = data.count(b"moof")
    check("the frames seen are counted", seen["stream"] == "sub" and parts <= seen["frames"], (seen, parts))
    check("from the first to the last, none between them left out", seen["last"] - seen["first"] + 1 == seen["frames"], seen)
    check("by him who went himself", views[0]["cause"] == "left" and views[0]["name"] == "bruno", views[0])


def exposure(server, owner, carla):
    def ask(query, cookie):
        return server.ask("GET", f"/api/v1/cameras/door/viewings?{query}", cookie=cookie)
    seen = ask("home=verdi", owner).json["viewings"]
    check("who saw the camera: twice bruno", [one["name"] for one in seen] == ["bruno", "bruno"] and all(one["is_over"] for one in seen), seen)
    check("nobody saw the other home's", ask("home=rossi", carla).json["viewings"] == [])
    check("nor this one in another year", ask("home=verdi&from=2020-01-01T00:00:00Z&to=2021-01-01T00:00:00Z", owner).json["viewings"] == [])
    around = f"home=verdi&from={seen[0]['begin']}&to={seen[0]['end']}"
    check("between two times", len(ask(around, owner).json["viewings"]) == 1, ask(around, owner))
    for wrong in ("from=yesterday", "to=2026-13-01T00:00:00Z", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"):
        answer = ask("home=verdi&" + wrong, owner)
        check(f"{wrong} is refused", answer.status == 400 and answer.problem == "bad-query", answer)


def who_may_read(server, cookies):
    owner, bruno, carla, olga = (cookies[name] for name in ("anna", "bruno", "carla", "olga"))
    wrong = sign_in(server, "bruno", "not his password")
    check("a wrong password is refused", wrong.status == 400 or wrong.status == 401, wrong)
    told = until(lambda: [one for one in entries(server, owner, "home=verdi&groups=refusals") if one["kind"] == "sign-in-refused"])
    check("and told to the owner", told and told[0]["name"] == "bruno" and told[0]["cause"] == "wrong-name-or-password", told)
    ins = [one for one in entries(server, owner, "home=verdi&groups=people") if one["kind"] == "sign-in"]
    check("sign-ins of the home's people, and of nobody else", {one["name"] for one in ins} == {"anna", "bruno"}, ins)
    check("where from is for one's own eyes", all(("network" in one) == (one["name"] == "anna") for one in ins), ins)
    others = entries(server, carla, "home=rossi&limit=500")
    check("another home hears nothing of it", all(one["name"] in ("carla", None) and one["kind"] in ("sign-in", "changed-outside") for one in others), others)
    for path in ("/api/v1/audit?home=verdi", "/api/v1/cameras/door/viewings?home=verdi", "/api/v1/watching?home=verdi"):
        seen = [server.ask("GET", path, cookie=cookie).status for cookie in (bruno, carla, olga, None)]
        check(f"{path.split('?')[0]} is its owner's", seen == [403, 404, 403, 401] or seen == [403, 404, 404, 401], seen)
    told = entries(server, olga, "limit=500", "/api/v1/server/audit")
    check("an operator hears of the server", {"server-start", "sign-in"} <= {one["kind"] for one in told}, told)
    check("and of no home", not any(one["camera"] or one["kind"].startswith(("view", "grant", "cut")) for one in told), told)
    check("an owner does not hear of the server", server.ask("GET", "/api/v1/server/audit", cookie=owner).status == 403)
    for wrong in ("limit=0", "limit=501", "before=x", "groups=gossip", "camera=A%20B"):
        answer = server.ask("GET", "/api/v1/audit?home=verdi&" + wrong, cookie=owner)
        check(f"{wrong} is refused", answer.status == 400 and answer.problem == "bad-query", answer)
    first = server.ask("GET", "/api/v1/audit?home=verdi&limit=2", cookie=owner).json
    rest = entries(server, owner, f"home=verdi&limit=500&before={first['entries'][1]['number']}")
    check("pages follow each other", first["has_more"] and rest[0]["number"] < first["entries"][1]["number"], first)


def casement(*words):
    return subprocess.run([BINARY, "audit", *words], capture_output=True, text=True, timeout=60, check=False)


def killed(server):
    """Right behind an answer: what it acknowledged is there."""
    cookie = sign_in(server, "anna")
    done = server.ask("DELETE", "/api/v1/sessions", cookie=cookie)
    server.end(signal.SIGKILL)
    shown = casement("show", "--data", server.data, "-n", "500").stdout
    last = [line.split()[2] for line in shown.splitlines()][-3:]
    check("killed behind an answer, the entry is there", done.status == 204 and "sessions-ended" in last, shown[-600:])
    verdict = casement("verify", "--data", server.data)
    check("and the log is sound", verdict.returncode == 0 and verdict.stdout.startswith("Sound"), verdict)
    return Server(CONFIG, place=server.place, data=server.data)


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def tampered(server):
    """Each way, on a copy."""
    key, head = (line.split()[1] for line in casement("key", "--data", server.data).stdout.splitlines())
    folder = tempfile.mkdtemp(prefix="casement-audit-")

    def judge(name, change, *more, expected=1):
        log = os.path.join(folder, "audit")
        shutil.rmtree(log, ignore_errors=True)
        shutil.copytree(os.path.join(server.data, "audit"), log)
        change(log)
        seen = casement("verify", "--log", log, "--key", key, *more)
        check(name, seen.returncode == expected and (expected == 0 or "WRONG" in seen.stdout or expected == 2), seen)

    def newest(log):
        return sorted(glob.glob(os.path.join(log, "*.log")))[-1]
    judge("elsewhere, with the key alone: sound", lambda log: None, "--head", head, expected=0)
    judge("a byte changed", lambda log: flip(newest(log), 400))
    judge("the beginning changed", lambda log: flip(newest(log), 20))
    judge("cut back", lambda log: os.truncate(newest(log), 136), "--head", head)
    judge("an address changed", lambda log: flip(glob.glob(os.path.join(log, "*.private"))[0], 92))
    judge("another key", lambda log: None, "--key", "00" * 32, expected=2)  # --key twice
    other = casement("verify", "--log", os.path.join(server.data, "audit"), "--key", "00" * 32)
    check("a key that signed nothing", other.returncode == 1 and "not signed by this key" in other.stderr, other)
    shutil.rmtree(folder)
    # In the data directory itself the store knows the head.
    log = sorted(glob.glob(os.path.join(server.data, "audit", "*.log")))[-1]
    with open(log, "rb") as file:
        whole = file.read()
    os.truncate(log, 136)
    seen = casement("verify", "--data", server.data)
    check("cut back at home: the store knows better", seen.returncode == 1 and "cut off" in seen.stderr, seen)
    with open(log, "wb") as file:
        file.write(whole)
    check("put right again", casement("verify", "--data", server.data).returncode == 0)


def erased(server, account):
    def erase():
        return casement("erase", "--data", server.data, "--account", account)
    check("what tells who somebody is is erased", erase().stdout.startswith("Erased: ") and erase().stdout == "Erased: 0.\n", erase())
    seen = casement("verify", "--data", server.data)
    check("and the log is sound", seen.returncode == 0 and "Erased private parts: " in seen.stdout, seen)


cameras = Cameras(2, "--gop", "20")
CONFIG = config(cameras)
server = Server(CONFIG, {f"{name}.pw": password for name, password in PASSWORDS.items()})
try:
    COOKIES = {name: sign_in(server, name) for name in PASSWORDS}
    BRUNO = who_saw(server, COOKIES["anna"], COOKIES["bruno"])
    frames_are_right(server, COOKIES["anna"], COOKIES["bruno"], BRUNO)
    exposure(server, COOKIES["anna"], COOKIES["carla"])
    who_may_read(server, COOKIES)
    server = killed(server)
    check("the server ends in order", server.end() == 0)
    tampered(server)
    erased(server, BRUNO)
finally:
    server.end()
    cameras.end()
    server.remove()
sys.exit(finish())
