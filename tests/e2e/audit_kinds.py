#!/usr/bin/env python3
"""Every kind of entry that the routes and the commands leave in the audit: once each, with who, whom and which home; nothing
secret in it; and none lost by a server that is killed right behind its answer. casement-test: quick"""

import glob
import os
import signal
import subprocess
import sys
import time

from _authenticator import App, Key
from _server import BINARY, Server, check, finish, until

PASSWORDS = {name: f"{name} looks out of the window" for name in ("anna", "bruno", "carla", "olga", "elena", "marco")}
NEW_PASSWORD = "anna looks out of another window"


def config():
    def home(ident, *people):
        return {"id": ident, "name": ident.title(), "allow": ["127.0.0.1/32"],
                "accounts": [{"name": name, "role": role, "password_file": f"{name}.pw"} for name, role in people],
                "cameras": [{"id": "door", "name": "Door", "main": "rtsp://127.0.0.1:9/door", "keep": "on-demand"}]}
    return {"homes": [home("verdi", ("anna", "owner"), ("bruno", "guest")), home("rossi", ("carla", "owner"))],
            "operators": [{"name": "olga", "password_file": "olga.pw"}]}


def lines(server):
    """What `casement audit show` says: [{"kind", "home", …}], the oldest first."""
    shown = subprocess.run([BINARY, "audit", "show", "--data", server.data, "-n", "500"], capture_output=True, text=True, timeout=60, check=False)
    found = []
    for line in shown.stdout.splitlines():
        number, when, kind, *members = line.split()
        found.append({"number": int(number), "when": when, "kind": kind, **dict(member.split("=", 1) for member in members)})
    return found


def is_once(server, kind, **members):
    """One entry of this kind with these members, and no other that differs in those alone."""
    found = until(lambda: [one for one in lines(server) if one["kind"] == kind and all(one.get(k) == v for k, v in members.items())])
    check(f"{kind}: one entry, with {', '.join(sorted(members)) or 'nothing else'}", len(found) == 1,
          found or [one for one in lines(server) if one["kind"] == kind])
    return found[0] if found else {}


class World:
    def __init__(self):
        self.server = Server(config(), {f"{name}.pw": password for name, password in PASSWORDS.items()})
        self.origin = f"http://localhost:{self.server.port}"
        self.headers = {"Host": f"localhost:{self.server.port}", "Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        self.cookies = {name: self.server.sign_in(name, PASSWORDS[name]) for name in ("anna", "bruno", "carla", "olga")}
        self.ids = {name: self.ask(name, "GET", "session").json["account"]["id"] for name in self.cookies}
        self.secrets = list(PASSWORDS.values()) + [NEW_PASSWORD]

    def ask(self, who, method, path, body=None):
        return self.server.ask(method, "/api/v1/" + path, body, cookie=self.cookies.get(who), headers=self.headers)

    def done(self, *what):
        answer = self.ask(*what)
        if answer.status >= 300:
            check(f"{what[:3]} is done", False, answer)
        return answer

    def take(self, who, answer):
        self.cookies[who] = answer.headers["Set-Cookie"].split(";")[0]
        self.ids[who] = self.ask(who, "GET", "session").json["account"]["id"]

    def run(self, *words, given=None):
        told = subprocess.run([BINARY, *words[:2], "--data", self.server.data, *words[2:]], capture_output=True, text=True, timeout=60,
                              check=False, input=given)
        check(f"casement {' '.join(words[:2])}", told.returncode == 0, told)
        return told.stdout.strip()


def passkeys(w):
    anna = w.ids["anna"]
    key = Key("EdDSA")

    def make(**bent):
        options = w.done("anna", "POST", "passkeys/challenge", {}).json
        return w.ask("anna", "POST", "passkeys", key.make(options, w.origin, **bent))
    check("a passkey of another page is refused", make(origin="http://evil.test").problem == "passkey-refused")
    is_once(w.server, "passkey-refused", account=anna, count="1")
    made = make().json["id"]
    is_once(w.server, "passkey-added", account=anna, other=made)

    def show(**bent):
        options = w.ask(None, "POST", "session/passkey/challenge", {}).json
        return w.ask(None, "POST", "session/passkey", key.show(options, w.origin, **bent))
    before = len([one for one in lines(w.server) if one["kind"] == "sign-in" and one["account"] == anna])
    check("she signs in with it", show().status == 200)
    after = len([one for one in lines(w.server) if one["kind"] == "sign-in" and one["account"] == anna])
    check("which is a sign-in like any other", after == before + 1, (before, after))
    check("a copy is refused", show(steps=0).problem == "passkey-refused")
    is_once(w.server, "passkey-refused", account=anna, cause="counter-went-back")
    w.done("anna", "DELETE", f"passkeys/{made}")
    is_once(w.server, "passkey-removed", account=anna, other=made)


def recovery(w):
    bruno = w.ids["bruno"]
    codes = w.done("bruno", "POST", "recovery", {}).json["codes"]
    w.secrets += codes + [code.replace("-", "") for code in codes]
    is_once(w.server, "recovery-made", account=bruno, count="10")
    check("a wrong code is refused", w.ask(None, "POST", "session/recovery", {"name": "bruno", "code": "0000-0000-0000-0000"}).status == 401)
    is_once(w.server, "sign-in-refused", account=bruno, cause="wrong-name-or-code")
    w.take("bruno", w.done(None, "POST", "session/recovery", {"name": "bruno", "code": codes[0]}))
    is_once(w.server, "recovery-used", account=bruno)


def second_factor(w):
    """Carla's: asked for a code, and for none any more."""
    carla = w.ids["carla"]
    begun = w.done("carla", "POST", "totp", {}).json
    w.secrets.append(begun["secret"])
    code = App(begun["secret"]).code(time.time())
    w.done("carla", "POST", "totp/confirm", {"code": code})
    is_once(w.server, "totp-added", account=carla)
    w.done("carla", "DELETE", "totp")
    is_once(w.server, "totp-removed", account=carla)


def groups(w):
    of = {"home": "verdi", "account": w.ids["anna"]}
    group = w.done("anna", "POST", "groups?home=verdi", {"name": "Outside", "cameras": ["door"]}).json["id"]
    is_once(w.server, "group-made", group=group, **of)
    w.done("anna", "PATCH", f"groups/{group}?home=verdi", {"name": "Yard"})
    is_once(w.server, "group-changed", group=group, **of)
    terms = {"rights": ["view", "listen"], "days": ["mon", "fri"], "from": "08:00", "to": "18:30", "not_before": "2026-01-02T03:04:05Z",
             "not_after": "2099-12-24T18:00:00Z"}
    said = {"days": "mon,fri", "hours": "08:00-18:30", "from": "2026-01-02T03:04:05Z", "until": "2099-12-24T18:00:00Z", "other": w.ids["bruno"]}
    w.done("anna", "PUT", f"people/{w.ids['bruno']}/groups/{group}?home=verdi", terms)
    is_once(w.server, "group-grant-put", group=group, **said, **of)
    w.done("anna", "PUT", f"people/{w.ids['bruno']}/cameras/door?home=verdi", terms)
    is_once(w.server, "grant-put", camera="door", **said, **of)
    told = w.ask("anna", "GET", "audit?home=verdi&groups=rights").json["entries"]
    for kind in ("group-grant-put", "grant-put"):
        one = next((entry for entry in told if entry["kind"] == kind), {})
        check(f"{kind}: the API tells its hours", all(one.get(k) == v for k, v in terms.items() if not k.startswith("not_")) and
              one["not_after"].startswith("2099-12-24T18:00:00") and one["other_name"] == "bruno", one)
    w.done("anna", "DELETE", f"people/{w.ids['bruno']}/groups/{group}?home=verdi")
    is_once(w.server, "group-grant-removed", group=group, other=w.ids["bruno"], **of)
    w.done("anna", "DELETE", f"groups/{group}?home=verdi")
    is_once(w.server, "group-deleted", group=group, **of)


def invitations(w):
    of = {"home": "verdi", "account": w.ids["anna"]}

    def invite(home="verdi", **body):
        made = w.done("anna", "POST", f"invitations?home={home}", {"role": "guest", "label": "for a friend", **body}).json
        w.secrets.append(made["token"])
        return made
    kept, taken_back = invite(cameras=[{"camera": "door", "rights": ["view", "listen"]}]), invite()
    is_once(w.server, "invitation-made", other=kept["id"], **of)
    w.take("elena", w.done(None, "POST", "invitations/accept", {"token": kept["token"], "name": "elena", "password": PASSWORDS["elena"]}))
    is_once(w.server, "invitation-taken", other=kept["id"], home="verdi", account=w.ids["elena"])
    number = is_once(w.server, "grant-put", camera="door", other=w.ids["elena"], **of).get("number")
    told = next((one for one in w.ask("anna", "GET", "audit?home=verdi&groups=rights").json["entries"] if one["number"] == number), {})
    check("what an invitation gave is told like any right", told.get("rights") == ["view", "listen"] and told["name"] == "anna", told)
    w.done("anna", "DELETE", f"invitations/{taken_back['id']}?home=verdi")
    is_once(w.server, "invitation-ended", other=taken_back["id"], **of)
    check("one that was used is refused", w.ask("bruno", "POST", "invitations/look", {"token": kept["token"]}).status == 404)
    is_once(w.server, "invitation-refused", cause="no-such-invitation")
    again = invite()
    check("a member does not join again", w.ask("elena", "POST", "invitations/accept", {"token": again["token"]}).problem == "already-member")
    is_once(w.server, "invitation-refused", cause="already-member", account=w.ids["elena"], home="verdi")


def homes(w):
    olga = w.ids["olga"]
    w.done("anna", "PATCH", "homes/verdi?home=verdi", {"time_zone": "Europe/Rome"})
    is_once(w.server, "home-changed", home="verdi", account=w.ids["anna"])
    w.done("olga", "PUT", "homes/rossi/suspension", {"why": "The contract has ended"})
    is_once(w.server, "home-suspended", home="rossi", account=olga)
    w.done("olga", "DELETE", "homes/rossi/suspension")
    is_once(w.server, "home-resumed", home="rossi", account=olga)
    w.done("olga", "POST", "homes", {"id": "flat12", "name": "Flat 12"})
    is_once(w.server, "home-added", home="flat12", account=olga)
    made = w.done("olga", "POST", "homes/flat12/invitation", {}).json
    w.secrets.append(made["token"])
    is_once(w.server, "invitation-made", home="flat12", account=olga, other=made["id"])
    w.take("marco", w.done(None, "POST", "invitations/accept", {"token": made["token"], "name": "marco", "password": PASSWORDS["marco"]}))
    token = w.done("marco", "POST", "invitations?home=flat12", {"role": "adult"}).json["token"]
    w.secrets.append(token)
    w.done("elena", "POST", "invitations/accept", {"token": token})
    w.done("marco", "POST", f"people/{w.ids['elena']}/hand-over?home=flat12", {"then": "adult"})
    is_once(w.server, "home-handed-over", home="flat12", account=w.ids["marco"], other=w.ids["elena"])
    w.done("elena", "POST", f"people/{w.ids['marco']}/moving-out?home=flat12", {})
    is_once(w.server, "moved-out", home="flat12", account=w.ids["elena"], other=w.ids["marco"])
    w.done("elena", "POST", "session/moving-out", {"homes": ["verdi", "flat12"]})
    for home in ("verdi", "flat12"):
        is_once(w.server, "moved-out", home=home, account=w.ids["elena"], other=w.ids["elena"])
    is_once(w.server, "home-removed", home="flat12", account=w.ids["elena"])


def sessions(w):
    anna = w.ids["anna"]
    other = w.server.sign_in("anna", PASSWORDS["anna"])
    listed = w.done("anna", "GET", "sessions").json["sessions"]
    named = next(one["id"] for one in listed if not one["is_this"])
    w.done("anna", "DELETE", f"sessions/{named}")
    is_once(w.server, "session-ended", account=anna, other=named)
    w.done("anna", "DELETE", "sessions")
    is_once(w.server, "sessions-ended", account=anna)
    check("which ended them", w.server.ask("GET", "/api/v1/session", cookie=other).status == 401)
    w.take("anna", w.done("anna", "POST", "session/again", {"password": PASSWORDS["anna"]}))
    is_once(w.server, "sign-in-again", account=anna)
    w.done("anna", "POST", "session/password", {"old_password": PASSWORDS["anna"], "new_password": NEW_PASSWORD})
    w.cookies["anna"] = w.server.sign_in("anna", NEW_PASSWORD)
    is_once(w.server, "password-changed", account=anna)
    told = [one["kind"] for one in w.done("anna", "GET", "audit?home=verdi&limit=500").json["entries"]]
    check("her own matters are told to her home", {"session-ended", "sessions-ended", "sign-in-again", "password-changed", "passkey-added"} <= set(told), told)
    told = [one["kind"] for one in w.ask("carla", "GET", "audit?home=rossi&limit=500").json["entries"]]
    check("and another home hears of none", not {"session-ended", "passkey-added", "group-made", "invitation-made", "grant-put"} & set(told), told)


def commands(w):
    """Beside the running server."""
    w.run("home", "add", "--id", "cellar", "Cellar")
    is_once(w.server, "home-added", home="cellar", by="command")
    w.run("camera", "add", "--home", "cellar", "--id", "stairs", "--name", "Stairs", "--main", "rtsp://127.0.0.1:9/stairs")
    is_once(w.server, "camera-added", home="cellar", camera="stairs", by="command")
    w.run("user", "add", "--home", "cellar", "--role", "owner", "--password-file", "-", "gino", given="gino looks out of the window\n")
    gino = is_once(w.server, "member-added", home="cellar", by="command").get("other")
    token = w.run("token", "create", "--home", "verdi", "--account", "anna", "--camera", "door", "--rights", "view")
    w.secrets.append(token)
    made = is_once(w.server, "token-made", home="verdi", camera="door", by="command")
    told = w.ask("anna", "GET", "audit?home=verdi&groups=rights").json["entries"]
    check("the API says that it was a command, and nobody", any(one["kind"] == "token-made" and one.get("command") is True and
                                                              one["account"] is None for one in told), told)
    w.run("token", "revoke", made["other"])
    is_once(w.server, "token-revoked", home="verdi", other=made["other"], by="command")
    w.secrets.append(w.run("user", "reset", "gino"))
    is_once(w.server, "password-reset", other=gino, by="command")
    w.run("user", "hold-off", "gino")
    is_once(w.server, "account-held-off", other=gino, by="command")
    w.run("user", "restore", "gino")
    is_once(w.server, "account-restored", other=gino, by="command")
    w.run("camera", "remove", "--home", "cellar", "stairs")
    is_once(w.server, "camera-removed", home="cellar", camera="stairs", by="command")
    w.run("home", "remove", "cellar")
    is_once(w.server, "home-removed", home="cellar", by="command")
    w.run("home", "log-out", "rossi")
    is_once(w.server, "everyone-out", home="rossi", by="command", count="1")
    w.run("user", "remove", "gino")
    is_once(w.server, "account-removed", other=gino, by="command")
    check("no command says who gave it", all("account" not in one for one in lines(w.server) if one.get("by") == "command"))


def killed(w):
    """Right behind an answer, and right behind a command: what was acknowledged is there."""
    place, data = w.server.place, w.server.data
    acts = [("group-made", "POST", "groups?home=verdi", {"name": "Inside", "cameras": []}),
            ("invitation-made", "POST", "invitations?home=verdi", {"role": "guest"}),
            ("recovery-made", "POST", "recovery", {})]
    for kind, method, path, body in acts:
        before = sum(one["kind"] == kind for one in lines(w.server))
        answer = w.done("anna", method, path, body)
        w.server.end(signal.SIGKILL)
        after = sum(one["kind"] == kind for one in lines(w.server))
        check(f"{kind}: killed behind the answer, the entry is there", after == before + 1, (before, after, answer))
        w.server = Server(config(), place=place, data=data)
        w.headers = {"Host": f"localhost:{w.server.port}", "Origin": f"http://localhost:{w.server.port}", "Sec-Fetch-Site": "same-origin"}
        w.cookies["anna"] = w.server.sign_in("anna", NEW_PASSWORD)
    w.run("home", "add", "--id", "attic", "Attic")
    w.server.end(signal.SIGKILL)
    w.run("home", "remove", "attic")
    w.server = Server(config(), place=place, data=data)
    for kind in ("home-added", "home-removed"):
        is_once(w.server, kind, home="attic", by="command")


def nothing_secret(w):
    written = b"".join(open(path, "rb").read() for path in sorted(glob.glob(os.path.join(w.server.data, "audit", "*"))))
    w.secrets += [cookie.split("=", 1)[1] for cookie in w.cookies.values()] + ["for a friend", "The contract has ended", "Outside", "Yard"]
    found = [secret for secret in w.secrets if secret.encode() in written]
    check("nothing secret, and no words of anybody, stand in the log", not found and len(written) > 5000, found)
    verdict = subprocess.run([BINARY, "audit", "verify", "--data", w.server.data], capture_output=True, text=True, timeout=60, check=False)
    check("the log is sound", verdict.returncode == 0 and verdict.stdout.startswith("Sound"), verdict)


world = World()
try:
    for part in (passkeys, recovery, second_factor, groups, invitations, homes, sessions, commands, killed, nothing_secret):
        part(world)
finally:
    world.server.end()
    world.server.remove()
sys.exit(finish())
