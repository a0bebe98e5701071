#!/usr/bin/env python3
"""Old rows and old databases: what was taken away does not come back with them.

    stale.py BUILD

Rows from before they were taken away, pasted into the database of a running server, give no picture and are logged. An old copy of
the whole database put in the place of the present one: the server does not start, and says why. The present one put back: it does.
"""
import json
import os
import shutil
import sqlite3
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import world  # noqa: E402  (its folder is not a package)

failed = 0


def verdict(name, is_good, detail=""):
    global failed
    print(f"{'ok' if is_good else 'not ok'} - {name}{' # ' + str(detail) if detail and not is_good else ''}", flush=True)
    failed += not is_good


def copy_database(source, target):
    """As it stands, with what is still in the write-ahead log."""
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)


def put_back(copy, database):
    for suffix in ("-wal", "-shm"):
        if os.path.exists(database + suffix):
            os.remove(database + suffix)
    shutil.copyfile(copy, database)


def paste(database, old, *tables_and_conditions):
    """Rows of the old database that the present one no longer has."""
    connection = sqlite3.connect(database, timeout=10)
    connection.execute("ATTACH ? AS old", (old,))
    pasted = 0
    with connection:
        for table, condition in tables_and_conditions:
            pasted += connection.execute(f"INSERT OR IGNORE INTO main.{table} SELECT * FROM old.{table} WHERE {condition}").rowcount
    connection.close()
    return pasted


def picture_status(server, who, camera):
    return server.call("GET", f"/api/v1/cameras/{camera}/still.jpg?home=verdi&width=320", who)[0]


def pasted_rows(server, directory):
    """Everything as it was, then some of it taken, then its old rows put back."""
    anna, gina, leaving = server.sign_in("anna"), server.sign_in("gina"), server.sign_in("anna")
    people = json.loads(server.call("GET", "/api/v1/people?home=verdi", anna)[2])["people"]
    account = next(person["account"] for person in people if person["name"] == "gina")
    grant = f"/api/v1/people/{account}/cameras/c3?home=verdi"
    server.call("PUT", grant, anna, {"rights": ["view"]})
    verdict("the guest sees the camera that was granted", picture_status(server, gina, "c3") == 200)
    database, old = (os.path.join(directory, *path) for path in (("data", "casement.db"), ("old.db",)))
    copy_database(database, old)
    verdict("the grant is taken", server.call("DELETE", grant, anna)[0] == 204)
    verdict("a session is signed out", server.call("DELETE", "/api/v1/session", leaving)[0] == 204)
    verdict("both see nothing", (picture_status(server, gina, "c3"), picture_status(server, leaving, "c1")) == (404, 401))
    pasted = paste(database, old, ("grants", f"account='{account}' AND camera='c3'"), ("sessions", "1"))
    verdict("their old rows stand in the database again", pasted >= 2, pasted)
    seen = [picture_status(server, who, camera) for who, camera in ((gina, "c3"), (leaving, "c1")) for _ in range(20)]
    verdict("and give no picture", 200 not in seen, seen)
    log = server.read_log()
    verdict("each is named in the log", all(f"event=row-refused table={t} cause=stale" in log for t in ("grants", "sessions")), server.log_path)
    verdict("who did not lose anything still sees", picture_status(server, anna, "c1") == 200)
    return database, old


def old_database(build, directory, database, old):
    present = os.path.join(directory, "present.db")
    copy_database(database, present)
    put_back(old, database)
    try:
        server = world.Server(build, directory, "with-the-old")
        server.close()
        verdict("the server does not start with an old database", False, server.log_path)
    except RuntimeError as refusal:
        verdict("the server does not start with an old database", True)
        verdict("and says why", "older" in str(refusal) or "old copy" in str(refusal), refusal)
    put_back(present, database)
    server = world.Server(build, directory, "with-the-present")
    try:
        server.wait_for_pictures(range(1, 9))
        verdict("with the present one it starts", picture_status(server, server.sign_in("anna"), "c1") == 200)
    finally:
        server.close()


def main():
    build, directory = os.path.abspath(sys.argv[1]), tempfile.mkdtemp(prefix="casement-stale-")
    simcam = world.Simcam(build, directory, "--gop", "10", "--kbps", "800")
    try:
        world.write_config(directory, simcam.address)
        server = world.Server(build, directory, "server")
        try:
            server.wait_for_pictures(range(1, 9))
            database, old = pasted_rows(server, directory)
        finally:
            verdict("the server ends by itself, clean", server.close() == 0, server.log_path)
        old_database(build, directory, database, old)
    finally:
        simcam.close()
    if failed:
        print(f"# logs are kept in {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if failed else 0


sys.exit(main())
