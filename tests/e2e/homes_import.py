#!/usr/bin/env python3
"""A landlord's forty flats from a file, and the entrance they share: `casement home import` beside a running server, and the
tenants who move in by its links. casement-test: quick"""

import csv
import os
import stat
import subprocess
import sys

from _server import BINARY, Server, check, finish

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


SERVER = Server({"operators": [{"name": "olga", "password_file": "olga.pw"}]}, {"olga.pw": f"olga {SECRET}"})
try:
    OLGA = SERVER.sign_in("olga", f"olga {SECRET}")
    refused(SERVER, OLGA)
    moved_in(SERVER, imported(SERVER, OLGA))
    check("every problem is told whole", not SERVER.odd_problems, SERVER.odd_problems)
finally:
    SERVER.end()
    SERVER.remove()
sys.exit(finish())
