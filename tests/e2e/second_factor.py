#!/usr/bin/env python3
"""The second factor through the API, with an authenticator app of this test's own (RFC 6238 by Python's
hmac): made, asked for, guessed at, replaced by a recovery code or a passkey, removed. casement-test: quick"""

import base64
import sys
import time
import urllib.parse

from _authenticator import App, Key
from _clock import Clock
from _server import Server, check, finish

PASSWORD = "anna looks out of the window"
CONFIG = {"homes": [{"id": "verdi", "name": "Casa Verdi", "accounts": [{"name": "anna", "role": "owner", "password_file": "anna.pw"}]}]}


class Stage:
    """One server under a clock of its own, asked as by the app at http://localhost."""

    def __init__(self):
        self.clock, self.ahead, self.app = Clock(), 0, None
        self.logs, self.odd, self.unstored = "", [], []
        self.server = self.start()

    def start(self, **more):
        return self.clock.start(lambda: Server(CONFIG, {"anna.pw": PASSWORD}, **more))

    def restart(self):
        """Limits and first steps live in the process alone."""
        self.end()
        self.server = self.start(place=self.server.place, data=self.server.data)

    def end(self):
        self.server.end()
        self.logs += self.server.log
        self.odd += self.server.odd_problems
        self.unstored += self.server.unstored

    def later(self, seconds=60):
        """Another code is shown, and none that was used is in the window."""
        self.ahead += seconds
        self.clock.set(self.ahead)

    def code(self, steps=0):
        return self.app.code(time.time() + self.ahead + 30 * steps)

    @property
    def wrong(self):
        return self.code(1000)

    @property
    def origin(self):
        return f"http://localhost:{self.server.port}"

    def ask(self, method, path, body=None, cookie=None):
        headers = {"Host": f"localhost:{self.server.port}", "Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        return self.server.ask(method, "/api/v1/" + path, body, cookie=cookie, headers=headers)

    def first(self, password=PASSWORD):
        return self.ask("POST", "session", {"name": "anna", "password": password})

    def second(self, pending, code):
        return self.ask("POST", "session/code", {"pending": pending, "code": code})

    def sign_in(self):
        """With password and code; the cookie."""
        self.later()
        return cookie_of(self.second(self.first().json.get("pending", ""), self.code()))

    def is_somebody(self, cookie):
        return self.ask("GET", "session", cookie=cookie).status == 200

    def methods(self, cookie):
        return sorted(one["method"] for one in self.ask("GET", "sessions", cookie=cookie).json["sessions"])


def cookie_of(answer):
    return (answer.headers.get("Set-Cookie") or "").split(";")[0]


def made(stage):
    anna = cookie_of(stage.first())
    check("at first there is none", stage.ask("GET", "totp", cookie=anna).json == {"state": "off", "since": None} and
          stage.ask("GET", "session", cookie=anna).json["account"]["has_totp"] is False)
    stage.later(302)
    stale = stage.ask("POST", "totp", {}, anna)
    check("to make one, the server wants to know again", stale.problem == "sign-in-again", stale)
    anna = cookie_of(stage.ask("POST", "session/again", {"password": PASSWORD}, anna))
    early = stage.ask("POST", "totp/confirm", {"code": "123456"}, anna)
    check("before one is begun nothing is confirmed", early.status == 404 and early.problem == "totp-not-begun", early)
    told = stage.ask("POST", "totp", {}, anna)
    uri = urllib.parse.urlsplit(told.json.get("uri", ""))
    query = urllib.parse.parse_qs(uri.query)
    check("a secret is told, and what a QR code holds of it", told.status == 201 and len(told.json["secret"]) == 32 and
          (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/casement:anna") and query["secret"] == [told.json["secret"]] and
          query["issuer"] == ["casement"] and query["digits"] == ["6"] and query["period"] == ["30"], told)
    stage.app = App(told.json["secret"])
    wrong = stage.ask("POST", "totp/confirm", {"code": stage.wrong}, anna)
    check("a wrong first code is refused, by its field", wrong.status == 400 and wrong.problem == "wrong-code" and wrong.json["field"] == "code", wrong)
    check("and nothing is asked for yet", bool(cookie_of(stage.first())))
    done = stage.ask("POST", "totp/confirm", {"code": stage.code()}, anna)
    state = stage.ask("GET", "totp", cookie=anna).json
    check("the right one turns it on", done.status == 204 and state["state"] == "on" and state["since"], (done, state))
    check("who is signed in stays, and is told", stage.ask("GET", "session", cookie=anna).json.get("account", {}).get("has_totp") is True)
    again = stage.ask("POST", "totp", {}, anna)
    check("a second one is not made", again.status == 409 and again.problem == "totp-there", again)
    check("what was told is told once", all("secret" not in stage.ask("GET", path, cookie=anna).json for path in ("totp", "session", "passkeys")))
    return anna


def two_steps(stage, anna):
    first = stage.first()
    pending = first.json.get("pending", "")
    check("the password alone gives no session", first.status == 200 and first.json.get("factor") == "totp" and
          pending.startswith("cmp_") and not first.headers.get("Set-Cookie"), first)
    check("what it gives is no session, and no token", not stage.is_somebody(f"__Host-casement={pending}") and
          stage.server.ask("GET", "/api/v1/cameras?home=verdi", bearer=pending).status in (400, 401))
    used = stage.second(pending, stage.code())
    check("the code that confirmed it is used up", used.status == 401 and used.problem == "wrong-code", used)
    stage.later()
    wrong = stage.second(pending, stage.wrong)
    check("a wrong code is refused", wrong.status == 401 and wrong.problem == "wrong-code" and not wrong.headers.get("Set-Cookie"), wrong)
    code = stage.code()
    done = stage.second(pending, f"{code[:3]} {code[3:]}")
    fresh = cookie_of(done)
    check("the right one signs in, grouped as the app shows it", done.status == 200 and stage.is_somebody(fresh), done)
    check("the list says how", stage.methods(anna).count("password-and-code") == 1, stage.methods(anna))
    over = stage.second(pending, stage.code(1))
    check("the first step is good for one session", over.status == 401 and over.problem == "sign-in-over", over)
    replayed = stage.second(stage.first().json["pending"], code)
    check("nor is a code good twice", replayed.status == 401 and replayed.problem == "wrong-code", replayed)
    check("a wrong password is told as ever", stage.first("not hers").problem == "wrong-name-or-password")


def recovered(stage):
    stage.restart()
    anna = stage.sign_in()
    codes = stage.ask("POST", "recovery", {}, anna).json.get("codes", [""])
    pending = stage.first().json["pending"]
    other = stage.second(pending, "AAAA-BBBB-CCCC-DDDD")
    check("a recovery code that is none is refused", other.status == 401 and other.problem == "wrong-code", other)
    done = stage.second(pending, codes[0].lower())
    check("one of hers does for a code", done.status == 200 and "recovery" in stage.methods(cookie_of(done)), done)
    check("and is used up", stage.second(stage.first().json["pending"], codes[0]).problem == "wrong-code" and
          stage.ask("GET", "passkeys", cookie=anna).json["recovery"]["left"] == 9)


def guessed(stage):
    """As fast as it goes: the right password buys no further tries."""
    stage.restart()
    told = []
    for _ in range(20):
        first = stage.first()
        told.append((first if first.status == 429 else stage.second(first.json["pending"], stage.wrong)).problem)
    check("guesses are slowed down, whatever the password", set(told) == {"wrong-code", "too-many-tries"} and
          1 <= told.count("wrong-code") <= 4, told)
    pending = "cmp_" + "A" * 43
    limited = stage.second(pending, stage.code())
    check("and by the address", limited.status == 429 and int(limited.headers["Retry-After"]) > 0, limited)
    stage.restart()
    over = stage.second(pending, stage.code())
    check("a first step that never was is over", over.status == 401 and over.problem == "sign-in-over", over)


def again(stage):
    stage.restart()
    anna = stage.sign_in()
    stage.later(302)
    stale = stage.ask("DELETE", "totp", cookie=anna)
    check("to remove it, the server wants to know again", stale.problem == "sign-in-again", stale)
    short = stage.ask("POST", "session/again", {"password": PASSWORD}, anna)
    check("by password and code", short.status == 400 and short.problem == "code-wanted", short)
    wrong = [stage.ask("POST", "session/again", {"password": password, "code": code}, anna)
             for password, code in ((PASSWORD, stage.wrong), ("not hers", stage.code()))]
    check("which of the two was wrong is not said", [(one.status, one.problem) for one in wrong] == 2 * [(401, "wrong-password-or-code")] and
          wrong[0].json["detail"] == wrong[1].json["detail"], wrong)
    right = stage.ask("POST", "session/again", {"password": PASSWORD, "code": stage.code()}, anna)
    fresh = cookie_of(right)
    check("both give another token", right.status == 200 and stage.is_somebody(fresh) and not stage.is_somebody(anna), right)
    return fresh


def by_passkey(stage, anna):
    key = Key()
    kept = stage.ask("POST", "passkeys", key.make(stage.ask("POST", "passkeys/challenge", {}, anna).json, stage.origin), anna)
    check("a passkey is kept", kept.status == 201, kept)
    other = stage.sign_in()
    stage.later(302)
    options = stage.ask("POST", "session/again/challenge", {}, anna).json
    check("it is asked for by its id", [one["id"] for one in options["allowCredentials"]] and options["userVerification"] == "required", options)
    theirs = stage.ask("POST", "session/again", key.show(options, stage.origin), other)
    check("a challenge is of its session", theirs.status == 401 and theirs.problem == "passkey-refused", theirs)
    for_signing_in = stage.ask("POST", "session/passkey/challenge", {}).json
    wrong = stage.ask("POST", "session/again", key.show(for_signing_in, stage.origin), anna)
    check("and not one for signing in", wrong.status == 401, wrong)
    shown = key.show(stage.ask("POST", "session/again/challenge", {}, anna).json, stage.origin)
    done = stage.ask("POST", "session/again", shown, anna)
    fresh = cookie_of(done)
    check("the passkey shows who it is, and another token comes", done.status == 200 and stage.is_somebody(fresh) and not stage.is_somebody(anna), done)
    check("which is fresh", stage.ask("POST", "passkeys/challenge", {}, fresh).status == 200)
    check("once", stage.ask("POST", "session/again", shown, fresh).status == 401 and stage.is_somebody(fresh))
    alone = stage.ask("POST", "session/passkey", key.show(stage.ask("POST", "session/passkey/challenge", {}).json, stage.origin))
    check("who signs in with a passkey is asked for no code", alone.status == 200 and cookie_of(alone), alone)
    return fresh


def another_password(stage, anna):
    """ASVS 5.0 7.4.3; the declared one is as it was again after the next start."""
    other = stage.sign_in()
    done = stage.ask("POST", "session/password", {"old_password": PASSWORD, "new_password": "a door that leads home"}, anna)
    fresh = cookie_of(done)
    check("another password gives another token", done.status == 200 and stage.is_somebody(fresh) and not stage.is_somebody(anna), done)
    check("and ends the others", not stage.is_somebody(other))
    check("the second factor stays", stage.first("a door that leads home").json.get("factor") == "totp")
    return fresh


def removed(stage, anna):
    done = stage.ask("DELETE", "totp", cookie=anna)
    check("it is removed", done.status == 204 and stage.ask("GET", "totp", cookie=anna).json["state"] == "off", done)
    check("once", stage.ask("DELETE", "totp", cookie=anna).problem == "no-totp")
    check("and the password alone signs in", bool(cookie_of(stage.first("a door that leads home"))))
    entries = stage.ask("GET", "audit?home=verdi&limit=200", cookie=anna).json["entries"]
    told = [(one["kind"], one.get("method") or one.get("cause")) for one in entries]
    check("all of it is accounted for", {("totp-added", None), ("totp-removed", None), ("recovery-used", None), ("password-changed", None),
          ("sign-in", "password-and-code"), ("sign-in", "recovery"), ("sign-in-refused", "wrong-code")} <= set(told), told)
    check("showing again who one is is no sign-in", told.count(("sign-in", "passkey")) == 1, told)
    again = [told.count(("sign-in-again", method)) for method in ("password", "password-and-code", "passkey")]
    check("it has an entry of its own, that says how", again == [1, 1, 1], told)


def kept_quiet(stage):
    stage.end()
    secrets = [base64.b32encode(stage.app.key).decode(), "cmp_", "cms_", PASSWORD]
    check("nothing secret stands in the log", stage.logs and not [one for one in secrets if one in stage.logs], stage.logs[-2000:])
    check("every problem is told whole", not stage.odd, stage.odd)
    check("nothing told is stored by anybody", not stage.unstored, stage.unstored)


STAGE = Stage()
try:
    ANNA = made(STAGE)
    two_steps(STAGE, ANNA)
    recovered(STAGE)
    guessed(STAGE)
    ANNA = again(STAGE)
    ANNA = by_passkey(STAGE, ANNA)
    ANNA = another_password(STAGE, ANNA)
    removed(STAGE, ANNA)
    kept_quiet(STAGE)
finally:
    STAGE.server.end()
    STAGE.server.remove()
    STAGE.clock.remove()
sys.exit(finish())
