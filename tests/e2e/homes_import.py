#!/usr/bin/env python3
"""A landlord's forty flats from a file, and the entrance they share: `casement home import` beside a running server, and the
tenants who move in by its links; and the same through the API. casement-test: quick"""

import csv
import os
import stat
import subprocess
import sys

from _server import BINARY, Server, check, finish, until

FLATS = 40
SECRET = "looks out of the window"


def import_homes(server, text, *options):
    path = os.path.join(server.place, "homes.csv")
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return subprocess.run([BINARY, "home", "import", "--data", server.data, *options, path], capture_output=True, text=True, check=False, timeout=60)


def homes_of(server, cookie):
    return server.ask("GET", "/api/v1/homes", cookie=cookie).json["homes"]


def house():
    lines = ["home,owner,camera,address"]
    lines += [f'"Flat {n}",tenant{n}@example.org,{"Hall" if n % 2 else ""},{f"rtsp://192.168.7.{n}/main" if n % 2 else ""}' for n in range(1, FLATS + 1)]
    return "\r\n".join([*lines, 'The Entrance,"Landlord, Ltd",Door,rtsp://192.168.7.200/main', ""])


def refused(server, olga):
    before = homes_of(server, olga)
    wrong = house().replace("rtsp://192.168.7.3/main", "http://192.168.7.3/main")
    done = import_homes(server, wrong, "--links", os.path.join(server.place, "links.csv"))
    check("one wrong line, and nothing is made", done.returncode == 1 and homes_of(server, olga) == before, done)
    check("it is told with line and column", "line 4, column 4 (address): an address begins with rtsp://" in done.stderr, done.stderr)
    check("and no links are kept", not os.path.exists(os.path.join(server.place, "links.csv")))
    done = import_homes(server, house(), "--check")
    check("a file can be checked alone", done.returncode == 0 and "41 homes, 21 cameras: fine" in done.stdout and homes_of(server, olga) == before, done)
    check("a month is the most", import_homes(server, house(), "--days", "31").returncode == 2)


def imported(server, olga):
    path = os.path.join(server.place, "links.csv")
    done = import_homes(server, house(), "--links", path, "--url", server.origin, "--days", "30")
    check("forty flats and their entrance are made at once", done.returncode == 0 and len(homes_of(server, olga)) == FLATS + 1, done)
    check("no link is printed beside the file", "join=" not in done.stdout + done.stderr, done)
    check("the file of links is its maker's alone", stat.S_IMODE(os.stat(path).st_mode) == 0o600)
    with open(path, encoding="utf-8", newline="") as file:
        links = {row["home"]: row for row in csv.DictReader(file)}
    check("each home has its link", len(links) == FLATS + 1 and links["Flat 7"]["owner"] == "tenant7@example.org" and
          links["The Entrance"]["owner"] == "Landlord, Ltd" and all(row["link"].startswith(server.origin + "/#join=cmi_") for row in links.values()), links)
    again = import_homes(server, house(), "--links", path)
    check("a second time nothing is made", again.returncode == 1 and "there is a home of this name" in again.stderr and
          len(homes_of(server, olga)) == FLATS + 1, again.stderr)
    other = import_homes(server, "home\nFlat 99\n", "--links", path)
    check("a file that is there is not written over", other.returncode == 1 and len(homes_of(server, olga)) == FLATS + 1, other)
    return {name: row["link"].rpartition("=")[2] for name, row in links.items()}


def accept(server, token, name=None, cookie=None):
    body = {"token": token, **({"name": name, "password": f"{name} {SECRET}"} if name else {})}
    answer = server.ask("POST", "/api/v1/invitations/accept", body, cookie=cookie)
    return answer, answer.headers.get("Set-Cookie", "").split(";")[0]


def moved_in(server, tokens):
    """Three tenants, and the landlord who has the entrance and lets them in there."""
    answer, landlord = accept(server, tokens["The Entrance"], "landlord")
    check("the landlord takes the entrance", answer.status == 201 and answer.json["homes"][0]["role"] == "owner", answer)
    door = server.ask("GET", "/api/v1/cameras", cookie=landlord).json["cameras"][0]["id"]
    homes = {}
    for n in (1, 2, 3):
        answer, cookie = accept(server, tokens[f"Flat {n}"], f"tenant{n}")
        invited = server.ask("POST", "/api/v1/invitations", {"role": "guest", "cameras": [{"camera": door, "rights": ["view"]}]}, cookie=landlord)
        joined, _ = accept(server, invited.json["token"], cookie=cookie)
        homes[n] = {home["name"]: home["role"] for home in joined.json["homes"]}
        entrance = next(home["id"] for home in joined.json["homes"] if home["name"] == "The Entrance")
        flat = next(home["id"] for home in joined.json["homes"] if home["name"] != "The Entrance")
        shared = server.ask("GET", f"/api/v1/cameras?home={entrance}", cookie=cookie).json["cameras"]
        own = server.ask("GET", f"/api/v1/cameras?home={flat}", cookie=cookie).json["cameras"]
        check(f"tenant {n} sees the door, and his own hall if he has one", [c["id"] for c in shared] == [door] and len(own) == n % 2, (shared, own))
        check(f"and the landlord nothing of flat {n}", server.ask("GET", f"/api/v1/cameras?home={flat}", cookie=landlord).status == 404)
    check("each owns his flat and is a guest of the entrance",
          all(homes[n] == {f"Flat {n}": "owner", "The Entrance": "guest"} for n in homes), homes)
    check("a link works once", accept(server, tokens["Flat 1"], "somebody")[0].status == 404)


def by_api(server, olga, tenant):
    """A second house, as an operator sends it from the app."""
    def send(text, query="", cookie=olga, kind="text/csv"):
        headers = {"Origin": server.origin, "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
        return server.ask("POST", f"/api/v1/homes/import{query}", text.encode(), cookie=cookie, headers=headers)
    before = homes_of(server, olga)
    house_2 = house().replace("Flat ", "Loft ").replace("The Entrance", "The Court")
    check("a tenant imports nothing", send(house_2, cookie=tenant).status == 403)
    check("nor does who is not signed in", send(house_2, cookie=None).status == 401)
    check("JSON is no file", send(house_2, kind="application/json").problem == "csv-wanted")
    for query in ("?days=0", "?days=31", "?days=x", "?check=yes"):
        check(f"{query} is refused", send(house_2, query).problem == "bad-query")
    wrong = send(house_2.replace("rtsp://192.168.7.3/main", "http://192.168.7.3/main").replace("Loft 5", ""))
    faults = wrong.json.get("faults", [])
    check("what is wrong is told line by line", wrong.status == 400 and wrong.problem == "bad-homes-file" and wrong.json["fault_count"] == 2 and
          [(f["line"], f["column"], f["name"]) for f in faults] == [(4, 4, "address"), (6, 1, "home")], wrong)
    check("in a word for programs, and a sentence", [f["cause"] for f in faults] == ["bad-address", "home-name"] and
          all(" " in f["detail"] for f in faults), faults)
    many = send("home,camera\n" + "".join(f"Loft {n},Hall\n" for n in range(50)))
    check("the first twenty, and how many there are", len(many.json["faults"]) == 20 and many.json["fault_count"] == 50, many)
    check("names that are taken are faults", send(house()).json.get("fault_count") == FLATS + 1)
    large = send("home\n" + "x" * 1048576)
    check("a file of more than a mebibyte is not taken", large.status == 413, large)
    checked = send(house_2, "?check=1")
    check("a file can be checked alone", checked.status == 200 and len(checked.json["homes"]) == FLATS + 1 and
          set(checked.json["homes"][0]) == {"name", "owner", "cameras"} and checked.json["homes"][0]["cameras"] == 1, checked)
    check("none of that made anything", homes_of(server, olga) == before)
    made = send(house_2, "?days=30")
    check("then they are made at once", made.status == 201 and len(made.json["homes"]) == FLATS + 1 and
          len(homes_of(server, olga)) == len(before) + FLATS + 1, made)
    court = next(one for one in made.json["homes"] if one["name"] == "The Court")
    check("each with its owner's name and secret", court["owner"] == "Landlord, Ltd" and court["token"].startswith("cmi_"), court)
    answer, owner = accept(server, court["token"], "caretaker")
    check("whose link works", answer.status == 201 and [home["id"] for home in answer.json["homes"]] == [court["id"]], answer)

    def doors():
        return server.ask("GET", "/api/v1/cameras", cookie=owner).json["cameras"]
    check("the server connects to its cameras without a new start", until(lambda: [d["name"] for d in doors() if d["state"] != "stopped"] == ["Door"], 60), doors())
    entries = server.ask("GET", "/api/v1/audit", cookie=owner).json["entries"]
    check("the audit names home and camera", {"home-added", "camera-added"} <= {entry["kind"] for entry in entries}, entries)
    secrets = [one["token"] for one in made.json["homes"]]
    check("no secret stands in the log", not any(token in server.output + server.log for token in secrets))


SERVER = Server({"operators": [{"name": "olga", "password_file": "olga.pw"}]}, {"olga.pw": f"olga {SECRET}"})
try:
    OLGA = SERVER.sign_in("olga", f"olga {SECRET}")
    refused(SERVER, OLGA)
    TOKENS = imported(SERVER, OLGA)
    moved_in(SERVER, TOKENS)
    by_api(SERVER, OLGA, accept(SERVER, TOKENS["Flat 9"], "tenant9")[1])
    check("every problem is told whole", not SERVER.odd_problems, SERVER.odd_problems)
finally:
    SERVER.end()
    SERVER.remove()
sys.exit(finish())
