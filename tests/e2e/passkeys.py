#!/usr/bin/env python3
"""Passkeys and recovery codes of the real server, with a security key in software. casement-test: quick"""

import re
import signal
import sys

from _authenticator import BACKED_UP, ELIGIBLE, PRESENT, VERIFIED, Key, text_of
from _server import Server, check, failures, finish, until

PASSWORDS = {name: f"{name} looks out of the window" for name in ("anna", "bruno", "carla")}


def config():
    def home(of, who):
        return {"id": of, "name": of.title(), "accounts": [{"name": who, "role": "owner", "password_file": f"{who}.pw"}]}
    return {"homes": [home("verdi", "anna"), home("rossi", "bruno"), home("neri", "carla")],
            "tls": {"names": ["casement.test", "192.0.2.1"]}}


class Door:
    """The server under one of its names, as a browser there asks it."""

    def __init__(self, server, name="localhost"):
        self.server = server
        self.origin = f"http://{name}:{server.port}"
        self.headers = {"Host": f"{name}:{server.port}", "Origin": self.origin, "Sec-Fetch-Site": "same-origin"}

    def ask(self, method, path, body=None, cookie=None):
        return self.server.ask(method, path, body, cookie=cookie, headers=self.headers)

    def sign_in(self, name):
        return self.cookie(self.ask("POST", "/api/v1/session", {"name": name, "password": PASSWORDS[name]}))

    @staticmethod
    def cookie(answer):
        return answer.headers.get("Set-Cookie", "").split(";")[0]

    def make_options(self, cookie):
        return self.ask("POST", "/api/v1/passkeys/challenge", {}, cookie).json

    def make(self, cookie, key, **bent):
        return self.ask("POST", "/api/v1/passkeys", key.make(self.make_options(cookie), self.origin, **bent), cookie)

    def show_options(self):
        return self.ask("POST", "/api/v1/session/passkey/challenge", {}).json

    def show(self, key, **bent):
        return self.ask("POST", "/api/v1/session/passkey", key.show(self.show_options(), self.origin, **bent))

    def who(self, cookie):
        return self.ask("GET", "/api/v1/session", cookie=cookie).json.get("account", {}).get("name")


def names(server, door):
    told = door.ask("GET", "/api/v1/server").json.get("passkeys", {})
    check("the server says under which names passkeys work", told.get("here") is True and "casement.test" in told["names"] and
          "localhost" in told["names"] and "192.0.2.1" not in told["names"], told)
    by_address = Door(server, "127.0.0.1")
    check("and that they do not under an address", by_address.ask("GET", "/api/v1/server").json["passkeys"]["here"] is False)
    cookie = by_address.sign_in("anna")
    for path, who in (("/api/v1/passkeys/challenge", cookie), ("/api/v1/session/passkey/challenge", None)):
        answer = by_address.ask("POST", path, {}, who)
        check(f"{path}: under an address it says which name to use", answer.status == 409 and
              answer.problem == "passkeys-need-a-name" and "localhost" in answer.json["detail"], answer)
    elsewhere = server.ask("POST", "/api/v1/session/passkey/challenge", {},
                           headers={**door.headers, "Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site"})
    check("another site's page is not answered", elsewhere.status == 403, elsewhere)
    check("making one takes a session", door.ask("POST", "/api/v1/passkeys/challenge", {}).status == 401)


def made_and_used(door):
    anna = door.sign_in("anna")
    options = door.make_options(anna)
    check("the options want a passkey that is found by itself and verifies its person",
          options["rp"]["id"] == "localhost" and options["attestation"] == "none" and
          options["authenticatorSelection"] == {"residentKey": "required", "requireResidentKey": True, "userVerification": "required"} and
          len(options["challenge"]) == 43 and [k["alg"] for k in options["pubKeyCredParams"]] == [-8, -7, -257], options)
    keys = []
    for kind in ("ES256", "EdDSA", "RS256"):
        key = Key(kind)
        made = door.make(anna, key, name=f"Key {kind}")
        check(f"{kind}: a passkey is made", made.status == 201 and made.json["name"] == f"Key {kind}" and
              made.json["last_used"] is None and made.json["site"] == "localhost", made)
        shown = door.show(key)
        cookie = door.cookie(shown)
        check(f"{kind}: it signs in, without a name", shown.status == 200 and shown.json["account"]["name"] == "anna", shown)
        check(f"{kind}: with a session of its own", cookie not in ("", anna) and door.who(cookie) == "anna" and door.who(anna) == "anna")
        keys.append(key)
    methods = [s["method"] for s in door.ask("GET", "/api/v1/sessions", cookie=anna).json["sessions"]]
    check("the list of sessions says how", sorted(methods) == ["passkey"] * 3 + ["password"] * 2, methods)
    listed = door.ask("GET", "/api/v1/passkeys", cookie=anna).json
    check("they are listed, with their last use", len(listed["passkeys"]) == 3 and all(p["last_used"] for p in listed["passkeys"]), listed)
    excluded = [c["id"] for c in door.make_options(anna)["excludeCredentials"]]
    check("a device that has one is told not to make another", sorted(excluded) == sorted(text_of(k.id) for k in keys), excluded)
    synced = Key()
    check("a synchronised one is made and said to be", door.make(anna, synced, flags=PRESENT | VERIFIED | ELIGIBLE | BACKED_UP).json["synced"] is True)
    return anna, keys


def refused(server, door, anna, keys):
    key = keys[0]
    bruno = door.sign_in("bruno")
    bends = {"another origin": {"origin": "http://evil.test"}, "another type": {"type": "webauthn.create"}, "a frame": {"crossOrigin": True},
             "another relying party": {"rp": "evil.test"}, "nobody there": {"flags": VERIFIED}, "nobody verified": {"flags": PRESENT},
             "an invented challenge": {"challenge": text_of(bytes(32))}, "another's account": {"handle": b"bruno"}}
    for name, bent in bends.items():
        answer = door.show(key, **bent)
        check(f"signing in with {name} is refused", answer.status == 401 and answer.problem == "passkey-refused" and
              "Set-Cookie" not in answer.headers, answer)
        check("and the right way is still open", door.show(key).status == 200)
    body = key.show(door.show_options(), door.origin)
    check("what signed in once", door.ask("POST", "/api/v1/session/passkey", body).status == 200)
    check("does not sign in again", door.ask("POST", "/api/v1/session/passkey", body).status == 401)
    copied = door.show(key, steps=-1)
    check("a counter that went back is refused", copied.status == 401, copied)
    check("and is an alarm in the log", until(lambda: "passkey-alarm cause=counter-went-back" in server.log), server.log[-500:])
    key.count += 1
    check("the key with the true counter goes on", door.show(key).status == 200)
    fresh = Key()
    for name, bent in {"another origin": {"origin": "http://evil.test"}, "a frame": {"crossOrigin": True}, "nobody verified": {"flags": PRESENT}}.items():
        check(f"making one with {name} is refused", door.make(anna, fresh, **bent).status == 400)
    stolen = fresh.make(door.make_options(anna), door.origin)
    check("a challenge is no use in another's session", door.ask("POST", "/api/v1/passkeys", stolen, bruno).status == 400)
    check("nobody claims another's credential", door.make(bruno, key).status == 400)
    for member in ("client_data", "attestation"):
        body = fresh.make(door.make_options(anna), door.origin)
        answer = door.ask("POST", "/api/v1/passkeys", {**body, member: "not base64url!"}, anna)
        check(f"bad {member} is named", answer.status == 400 and answer.json.get("field") == member, answer)
        answer = door.ask("POST", "/api/v1/passkeys", {**body, member: "A" * 12000}, anna)
        check(f"a {member} that is too long is named", answer.status == 400 and answer.json.get("field") == member, answer)


def kept(door, anna, keys):
    listed = door.ask("GET", "/api/v1/passkeys", cookie=anna).json["passkeys"]
    first = next(p for p in listed if p["name"] == "Key EdDSA")
    path = f"/api/v1/passkeys/{first['id']}"
    bruno = door.sign_in("bruno")
    check("nobody else's passkeys are listed", door.ask("GET", "/api/v1/passkeys", cookie=bruno).json["passkeys"] == [])
    check("nobody else names it", door.ask("PATCH", path, {"name": "Mine"}, bruno).status == 404)
    check("nobody else removes it", door.ask("DELETE", path, cookie=bruno).status == 404)
    check("it is named", door.ask("PATCH", path, {"name": "Tablet"}, anna).json.get("name") == "Tablet")
    check("and not without a name", door.ask("PATCH", path, {"name": ""}, anna).status == 400)
    check("it is removed", door.ask("DELETE", path, cookie=anna).status == 204)
    check("and signs in no more", door.show(keys[1]).status == 401)
    check("and is not there a second time", door.ask("DELETE", path, cookie=anna).status == 404)
    check("sessions stay", door.who(anna) == "anna")


def recovery(door, anna, keys):
    check("there are no codes until they are made", door.ask("GET", "/api/v1/passkeys", cookie=anna).json["recovery"] == {"left": 0, "made": None})
    codes = door.ask("POST", "/api/v1/recovery", {}, anna).json.get("codes", [])
    check("ten codes are told", len(set(codes)) == 10 and all(re.fullmatch(r"([0-9A-Z]{4}-){3}[0-9A-Z]{4}", c) for c in codes), codes)
    check("and counted", door.ask("GET", "/api/v1/passkeys", cookie=anna).json["recovery"]["left"] == 10)

    def use(code, name="anna", **more):
        return door.ask("POST", "/api/v1/session/recovery", {"name": name, "code": code, **more})
    typed = use(codes[0].lower().replace("-", " "))
    check("a code signs in, as it is typed", typed.status == 200 and door.who(door.cookie(typed)) == "anna", typed)
    again = use(codes[0])
    check("once", again.status == 401 and again.problem == "wrong-name-or-code", again)
    stranger, other = use(codes[1], "nobody"), use(codes[1], "bruno")
    check("for its account alone, and nobody learns which names there are",
          stranger.status == other.status == 401 and stranger.body == other.body == again.body, (stranger, other))
    check("a flag must be a flag", use(codes[1], end_sessions="yes").status == 400)
    lost = use(codes[1], end_sessions=True, remove_passkeys=True)
    cookie = door.cookie(lost)
    check("after a loss the sessions end", lost.status == 200 and door.who(anna) is None and door.who(cookie) == "anna", lost)
    check("and the passkeys are gone", door.ask("GET", "/api/v1/passkeys", cookie=cookie).json["passkeys"] == [] and
          door.show(keys[0]).status == 401)
    fresh = door.ask("POST", "/api/v1/recovery", {}, cookie).json["codes"]
    check("codes made anew make the earlier ones void", use(codes[2]).status == 401 and use(fresh[0]).status == 200)
    return cookie, fresh


def limited(door):
    answers = [door.ask("POST", "/api/v1/session/recovery", {"name": "carla", "code": "AAAA"}).status for _ in range(12)]
    check("guesses are slowed down", 429 in answers and set(answers) <= {401, 429}, answers)
    key = Key()
    body = key.show(door.show_options(), door.origin, handle=b"x")
    check("so are passkeys that are none, from there", door.ask("POST", "/api/v1/session/passkey", body).status in (401, 429))


def killed(server, door, cookie, fresh):
    key = Key()
    check("a passkey, before the power goes", door.make(cookie, key).status == 201)
    used = door.ask("POST", "/api/v1/session/recovery", {"name": "anna", "code": fresh[1]})
    check("and a code", used.status == 200, used)
    server.end(signal.SIGKILL)
    second = Server(config(), {f"{name}.pw": word for name, word in PASSWORDS.items()}, place=server.place)
    again = Door(second)
    check("the passkey is there after it", again.show(key).status == 200)
    check("the used code is not", again.ask("POST", "/api/v1/session/recovery", {"name": "anna", "code": fresh[1]}).status == 401)
    return second


def main():
    server = Server(config(), {f"{name}.pw": word for name, word in PASSWORDS.items()})
    door = Door(server)
    names(server, door)
    anna, keys = made_and_used(door)
    refused(server, door, anna, keys)
    kept(door, anna, keys)
    cookie, fresh = recovery(door, anna, keys)
    second = killed(server, door, cookie, fresh)
    limited(Door(second))
    logs = server.log + second.log
    check("no code and no token is in the log", not any(word in logs for word in (*fresh, "cms_")))
    check("every answer is as all answers are", not server.unstored + server.odd_problems + second.unstored + second.odd_problems,
          server.unstored + server.odd_problems + second.odd_problems)
    check("the server ends well", second.end() == 0)
    if not failures:
        server.remove()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
