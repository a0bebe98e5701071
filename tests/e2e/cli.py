#!/usr/bin/env python3
"""The command line with the real binary: what each command does, refuses, and leaves alone.

casement-test: quick
  tests/e2e/cli.py [PROGRAM]   (build/release/casement)"""

import hashlib
import json
import os
import random
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time

import urllib.error  # noqa: E402
import urllib.request  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/release/casement")
SECRETS = ("correct horse battery", "door-hunter-2", "bruno's long password")
failed = 0
said = []  # everything that any command wrote to standard error


def case(name, is_right, more=""):
    global failed
    print("ok" if is_right else "not ok", "-", name)
    if not is_right:
        print("   ", str(more).replace("\n", "\n    "))
        failed += 1


def run(*words, feed=None):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60,
                          input=feed if feed is not None else "")
    said.append(done.stderr)
    return done


def expect(name, status, *words, out=None, err=None, feed=None):
    """Runs and judges: the status, and patterns that standard output and error must hold."""
    done = run(*words, feed=feed)
    is_right = (done.returncode == status
                and (out is None or re.search(out, done.stdout) is not None)
                and (err is None or re.search(err, done.stderr) is not None))
    case(name, is_right, f"{words}: status {done.returncode}, wanted {status}\n"
                         f"{done.stdout}{done.stderr}")
    return done.stdout


def rows(*words):
    done = run(*words, "--json")
    try:
        return json.loads(done.stdout)
    except ValueError:
        return [{"not": "JSON", "out": done.stdout, "err": done.stderr}]


def write(name, text, mode=0o600):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(name, mode)
    return name


def free_port():
    """Below those that the kernel gives to others by itself."""
    while True:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", random.randrange(15000, 32000)))
                return s.getsockname()[1]
            except OSError:
                continue


HOME = """  - id: verdi
    name: Casa Verdi
    allow: ["192.0.2.0/24"]
    accounts: [{name: anna, role: owner, password_file: anna.pw}]
    cameras:
      - {id: door, name: Front door, main: "rtsp://192.0.2.1/main", user: admin, password_file: door.pw, keep: on-demand}
"""


def write_config(http, https, name="casement.yaml", homes=HOME):
    write("anna.pw", SECRETS[0] + "\n")
    write("door.pw", SECRETS[1])
    return write(name, f'listen: {{http: "127.0.0.1:{http}", https: "127.0.0.1:{https}", media: "127.0.0.1:0"}}\n'
                       f"homes:\n{homes}")


def test_words():
    expect("--version", 0, "--version", out=r"^casement \d+\.\d+\.\d+\n$")
    expect("--help lists the commands", 0, "--help", out=r"(?s)serve.*camera.*token.*doctor")
    expect("no word", 2, err="usage: casement")
    expect("a word that is none", 2, "frobnicate", err="there is no command 'frobnicate'")
    expect("a subcommand that is none", 2, "camera", "frob", err="there is no command 'frob'")
    for words in (["serve"], ["camera", "add"], ["camera", "list"], ["camera", "remove"],
                  ["user", "add"], ["user", "list"], ["user", "reset"], ["user", "hold-off"], ["user", "restore"], ["user", "remove"],
                  ["home", "add"], ["home", "list"], ["home", "remove"], ["token", "create"],
                  ["token", "list"], ["token", "revoke"], ["doctor"], ["store", "check"],
                  ["store", "accept-restore"], ["passwords", "build"]):
        name = " ".join(words)
        expect(f"{name} --help", 0, *words, "--help", out=f"^usage: casement {name}")
        expect(f"{name} --frob", 2, *words, "--frob", err="unknown option --frob")
    expect("a value that is missing", 2, "serve", "--data", err="--data wants a value: DIR")
    expect("a number that is none", 2, "serve", "--port", "x", err="--port: 'x' is not a number")
    expect("help of a command", 0, "help", "serve", out="usage: casement serve")


def test_wrong_config():
    """Status 2, file and line, and nothing made."""
    bad = write_config(1, 2, "bad.yaml", HOME.replace("keep: on-demand", "keep: never"))
    for words in (["serve", "-c", bad, "--data", "untouched"],
                  ["camera", "list", "-c", bad, "--data", "untouched"],
                  ["token", "create", "-c", bad, "--data", "untouched", "--home", "verdi",
                   "--account", "anna", "--camera", "door", "--rights", "view"]):
        expect(f"{words[0]}: a wrong value", 2, *words,
               err=r"bad\.yaml:\d+:\d+: homes\[0\]\.cameras\[0\]\.keep: \"never\" is not allowed "
                   r"here; allowed: always, on-demand")
        case(f"{words[0]}: nothing is made", not os.path.exists("untouched"))
    expect("doctor tells it as bad", 1, "doctor", "-c", bad, "--data", "untouched",
           out=r"bad +config +bad\.yaml:")
    write("anna.pw", "short")
    weak = write("weak.yaml", f"homes:\n{HOME}")
    expect("a password too short", 2, "serve", "-c", weak, "--data", "untouched",
           err=r"weak\.yaml:\d+:\d+: homes\[0\]\.accounts\[0\]: password_file: .*too short")
    case("nothing is made then either", not os.path.exists("untouched"))
    expect("no such file", 2, "serve", "-c", "none.yaml", "--data", "untouched",
           err="none.yaml: No such file")
    leak = write("leak.yaml", f"homes: [{{id: a, cameras: [{{id: c, main: "
                              f"\"rtsp://admin:{SECRETS[1]}@192.0.2.1/\"}}]}}]")
    expect("an address with a password in it", 2, "serve", "-c", leak, "--data", "untouched",
           err="without user name and password")
    expect("without -c the directory must be there", 2, "camera", "list", "--data", "untouched",
           err="no such data directory")
    case("and is not made", not os.path.exists("untouched"))


def create_token(config, data):
    return expect("token create prints only the token", 0, "token", "create", "-c", config,
                  "--data", data, "--home", "verdi", "--account", "anna", "--camera", "door",
                  "--rights", "view", "--days", "7", "--name", "Küche", out=r"^cmt_[A-Za-z0-9_-]{43}\n$").strip()


def test_tokens(config, data):
    """On a data directory where no server ever ran: the YAML is taken in first."""
    token = create_token(config, data)
    case("the data directory is this user's alone", os.stat(data).st_mode & 0o077 == 0)
    listed = rows("token", "list", "--data", data)
    case("token list", len(listed) == 1 and listed[0]["account"] == "anna"
         and listed[0]["camera"] == "door" and listed[0]["rights"] == ["view"]
         and listed[0]["name"] == "Küche" and listed[0]["last_used"] is None, listed)
    case("it does not tell the token", token not in json.dumps(listed))
    ask = ["token", "create", "--data", data, "--rights", "view"]
    expect("no such home", 1, *ask, "--home", "nope", "--account", "anna", "--camera", "door",
           err="no such account in this home, or no such camera")
    expect("no such account", 1, *ask, "--home", "verdi", "--account", "zoe", "--camera", "door")
    expect("no such camera", 1, *ask, "--home", "verdi", "--account", "anna", "--camera", "attic")
    expect("rights that are none", 2, "token", "create", "--data", data, "--home", "verdi",
           "--account", "anna", "--camera", "door", "--rights", "all", err="allowed: view")
    expect("hearing without seeing", 2, "token", "create", "--data", data, "--home", "verdi",
           "--account", "anna", "--camera", "door", "--rights", "listen", err="allowed: view")
    expect("a name that is too long", 1, *ask, "--home", "verdi", "--account", "anna", "--camera", "door",
           "--name", "x" * 65, err="--name: at most 64 bytes")
    expect("no days", 2, *ask, "--home", "verdi", "--account", "anna", "--camera", "door",
           "--days", "0", err="not a number from 1 to 3650")
    case("refusals made no token", len(rows("token", "list", "--data", data)) == 1)
    expect("token revoke", 0, "token", "revoke", "--data", data, listed[0].get("id", "x"))
    case("it is gone", rows("token", "list", "--data", data) == [])
    expect("revoked twice", 1, "token", "revoke", "--data", data, listed[0].get("id", "x"),
           err="no token with this id")
    expect("a token to publish", 0, "token", "create", "--data", data, "--home", "verdi",
           "--account", "anna", "--camera", "door", "--rights", "publish", out=r"^cmt_[A-Za-z0-9_-]{43}\n$")
    publishing = rows("token", "list", "--data", data)
    case("it may publish, and nothing else", [t["rights"] for t in publishing] == [["publish"]], publishing)
    expect("and is revoked", 0, "token", "revoke", "--data", data, publishing[0].get("id", "x"))


def test_homes(data):
    expect("home add", 0, "home", "add", "--data", data, "--id", "rossi", "Casa Rossi",
           out="^rossi\n$")
    expect("home add, id at random", 0, "home", "add", "--data", data, "Third", out="^[a-z0-9]{16}\n$")
    expect("home add twice", 1, "home", "add", "--data", data, "--id", "rossi", "X", err="taken")
    expect("an id that is none", 2, "home", "add", "--data", data, "--id", "Rossi!", "X",
           err="'Rossi!' is no home's id")
    homes = {row["id"]: row for row in rows("home", "list", "--data", data)}
    case("home list", homes.get("rossi", {}).get("name") == "Casa Rossi"
         and homes.get("verdi", {}).get("declared") is True and len(homes) == 3, homes)
    expect("home list as a table", 0, "home", "list", "--data", data,
           out=r"(?m)^id +name +cameras +declared +created\n")
    expect("a declared home", 1, "home", "remove", "--data", data, "verdi", err="in the YAML")
    expect("no such home", 1, "home", "remove", "--data", data, "nope", err="no such home")


def test_cameras(data):
    write("door.pw", SECRETS[1])
    add = ["camera", "add", "--data", data, "--home", "rossi"]
    expect("camera add", 0, *add, "--id", "yard", "--name", "Yard", "--main",
           "rtsp://192.0.2.9/main", "--sub", "rtsp://192.0.2.9/sub", "--user", "admin",
           "--password-file", "door.pw", "--keep", "on-demand", "--talk", out="^yard\n$")
    expect("camera add, password on standard input", 0, *add, "--name", "Gate", "--main",
           "rtsp://192.0.2.8/", "--user", "admin", "--password-file", "-", feed=SECRETS[1] + "\n",
           out="^[a-z0-9]{16}\n$")
    expect("a camera whose pictures are brought", 0, *add, "--id", "phone", "--whip", out="^phone\n$")
    expect("camera add: whip and an address", 2, *add, "--id", "x", "--whip", "--main",
           "rtsp://h/", err="--main URL is wanted, or --whip")
    expect("camera add: whip and a loudspeaker", 2, *add, "--id", "x", "--whip", "--talk", err="--talk goes with --main")
    expect("camera add: neither", 2, *add, "--id", "x", err="--main URL is wanted, or --whip")
    expect("the id is taken", 1, *add, "--id", "yard", "--main", "rtsp://192.0.2.9/", err="taken")
    expect("no such home", 1, "camera", "add", "--data", data, "--home", "nope", "--id", "x",
           "--main", "rtsp://192.0.2.9/", err="no such home")
    expect("no RTSP", 2, *add, "--id", "x", "--main", "http://h/", err="--main: allowed: rtsp://")
    expect("a login in the address", 2, *add, "--id", "x", "--main",
           f"rtsp://admin:{SECRETS[1]}@h/", err="--main: allowed: rtsp://")
    expect("keep", 2, *add, "--id", "x", "--main", "rtsp://h/", "--keep", "often",
           err="allowed: always, on-demand")
    expect("neither name nor id", 2, *add, "--main", "rtsp://h/", err="--name NAME is missing")
    expect("a password without a user", 2, *add, "--id", "x", "--main", "rtsp://h/",
           "--password-file", "door.pw", err="goes with --user")
    expect("no password file", 2, *add, "--id", "x", "--main", "rtsp://h/", "--user", "a",
           "--password-file", "none.pw", err="none.pw: No such file")
    expect("no terminal", 2, *add, "--id", "x", "--main", "rtsp://h/", "--user", "a",
           err="no terminal")
    listed = {row["id"]: row for row in rows("camera", "list", "--data", data, "--home", "rossi")}
    case("camera list, one that is brought", listed.get("phone", {}).get("whip") is True
         and listed["phone"]["main"] is None, listed)
    expect("camera remove, one that is brought", 0, "camera", "remove", "--data", data, "--home", "rossi", "phone")
    listed.pop("phone", None)
    case("camera list", len(listed) == 2 and listed.get("yard", {}).get("keep") == "on-demand"
         and listed["yard"]["talk"] is True and listed["yard"]["password"] is True and listed["yard"]["user"] == "admin", listed)
    case("camera list of all", len(rows("camera", "list", "--data", data)) == 3)
    expect("list of no home", 1, "camera", "list", "--data", data, "--home", "nope")
    expect("a declared camera", 1, "camera", "remove", "--data", data, "--home", "verdi", "door",
           err="in the YAML")
    expect("a home with cameras", 1, "home", "remove", "--data", data, "rossi",
           err=r"has cameras \(2\)")
    expect("camera remove", 0, "camera", "remove", "--data", data, "--home", "rossi", "yard")
    expect("removed twice", 1, "camera", "remove", "--data", data, "--home", "rossi", "yard",
           err="no such camera")
    expect("another home's camera", 1, "camera", "remove", "--data", data, "--home", "rossi",
           "door", err="no such camera")


def type_password(words, lines):
    """At a terminal of its own; what it shows comes back."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(PROGRAM, [PROGRAM, *words])
    shown = b""
    for line in lines:
        until = time.time() + 60
        while not shown.endswith(b": ") and time.time() < until:
            shown += os.read(terminal, 1024)
        while termios.tcgetattr(terminal)[3] & termios.ECHO and time.time() < until:
            time.sleep(0.01)  # the prompt stands; the line is read with echo off
        os.write(terminal, line.encode() + b"\n")
        shown += b"|"
    try:
        while more := os.read(terminal, 1024):
            shown += more
    except OSError:
        pass
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    said.append(shown.decode())
    return status, shown.decode()


def test_people(data):
    add = ["user", "add", "--data", data]
    write("bruno.pw", SECRETS[2] + "\n")
    expect("user add", 0, *add, "--home", "verdi", "--role", "guest", "--password-file",
           "bruno.pw", "bruno")
    expect("an account that is there joins", 0, *add, "--home", "rossi", "--role", "owner", "bruno")
    expect("it is a member already", 1, *add, "--home", "rossi", "--role", "adult", "bruno",
           err="member already")
    expect("its password stays", 1, *add, "--home", "verdi", "--role", "adult", "--password-file",
           "bruno.pw", "bruno", err="keeps its password")
    expect("an operator", 0, *add, "--operator", "--password-file", "-", "ops", feed=SECRETS[2])
    expect("an operator has no home", 2, *add, "--operator", "--home", "verdi", "x")
    expect("neither", 2, *add, "x", err="--home HOME and --role ROLE are missing")
    expect("a role that is none", 2, *add, "--home", "verdi", "--role", "boss", "x",
           err="allowed: owner, adult, child, guest")
    expect("a password too short", 1, *add, "--home", "verdi", "--role", "child",
           "--password-file", "-", "carl", feed="short\n", err="too short")
    expect("an empty password", 2, *add, "--home", "verdi", "--role", "child", "--password-file",
           "-", "carl", feed="\n", err="must hold one line")
    expect("no such home", 1, *add, "--home", "nope", "--role", "child", "--password-file",
           "bruno.pw", "carl", err="no such home")
    people = {row["name"]: row for row in rows("user", "list", "--data", data)}
    case("user list", sorted(people.get("bruno", {}).get("homes", [])) == ["rossi:owner", "verdi:guest"]
         and people.get("ops", {}).get("operator") is True and "carl" not in people, people)
    names = [row["name"] for row in rows("user", "list", "--data", data, "--home", "rossi")]
    case("user list of a home", names == ["bruno"], names)
    status, shown = type_password([*add, "--home", "verdi", "--role", "adult", "dora"],
                                  [SECRETS[2], SECRETS[2]])
    case("a password typed at the terminal", status == 0 and "once more" in shown, shown)
    case("it is not shown", SECRETS[2] not in shown, shown)
    status, shown = type_password([*add, "--home", "verdi", "--role", "adult", "emil"],
                                  [SECRETS[2], SECRETS[2] + "x"])
    case("typed differently", status == 2 and "not the same" in shown, shown)
    expect("user reset", 0, "user", "reset", "--data", data, "bruno", out=r"^[A-Za-z0-9_-]{20}\n$")
    expect("reset of nobody", 1, "user", "reset", "--data", data, "zoe", err="no account of this")
    expect("hold-off of nobody", 1, "user", "hold-off", "--data", data, "zoe", err="no account of this")
    expect("restored without being held off", 1, "user", "restore", "--data", data, "bruno", err="is not held off")
    expect("user hold-off", 0, "user", "hold-off", "--data", data, "bruno", out="^$")
    expect("held off twice", 1, "user", "hold-off", "--data", data, "bruno", err="held off already")
    held = {row["name"]: row["active"] for row in rows("user", "list", "--data", data)}
    case("the list tells who is held off", [name for name in held if not held[name]] == ["bruno"], held)
    expect("user restore", 0, "user", "restore", "--data", data, "bruno", out="^$")
    expect("a declared account", 1, "user", "remove", "--data", data, "anna", err="in the YAML")
    expect("a home's last owner", 1, "user", "remove", "--data", data, "bruno",
           err="without an owner")
    expect("out of one home", 0, "user", "remove", "--data", data, "--home", "verdi", "bruno")
    expect("not twice", 1, "user", "remove", "--data", data, "--home", "verdi", "bruno")
    expect("user remove", 0, "user", "remove", "--data", data, "dora")
    expect("removed twice", 1, "user", "remove", "--data", data, "dora", err="no account")


def test_passwords(data):
    """A password on an imported list can't be chosen by a command either."""
    leaked = "a door that leads nowhere"
    with open("leaked", "w", encoding="ascii") as file:
        file.write(f"{hashlib.sha1(leaked.encode()).hexdigest().upper()}:3\n")
    with open("leaked.pw", "w", encoding="ascii") as file:
        file.write(leaked + "\n")
    with open("unsorted", "w", encoding="ascii") as file:
        file.write("F" * 40 + "\n" + "0" * 40 + "\n")
    add = ["user", "add", "--data", data, "--home", "verdi", "--role", "guest", "--password-file", "leaked.pw"]
    expect("passwords build", 0, "passwords", "build", "--data", data, "leaked", out="1 of 1 lines")
    expect("a leaked password", 1, *add, "elena", err="leaked elsewhere")
    expect("a list out of order", 1, "passwords", "build", "--data", data, "unsorted", err="line 2 is out of order")
    expect("the former list stays", 1, *add, "elena", err="leaked elsewhere")
    expect("no such list", 2, "passwords", "build", "--data", data, "nothing", err="nothing: No such file")
    expect("an empty list", 0, "passwords", "build", "--data", data, "--least", "4", "leaked", out="0 of 1 lines")
    expect("refuses nobody", 0, *add, "elena")
    expect("and she goes again", 0, "user", "remove", "--data", data, "elena")


def test_doctor_and_store(config, data, http):
    expect("store check", 0, "store", "check", "--data", data)
    expect("store accept-restore, with nothing to accept", 0, "store", "accept-restore", "--data",
           data, out="nothing to accept")
    expect("doctor", 0, "doctor", "-c", config, "--data", data,
           out=r"(?s)ok +config.*ok +data.*ok +master key.*ok +database.*ok +helper.*"
               r"ok +ports +http.*open files.*ciphers")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", http))
        taken.listen()
        expect("a port in use", 0, "doctor", "-c", config, "--data", data,
               out=r"warn +ports +http 127\.0\.0\.1:\d+ is in use")
    expect("no helper", 1, "doctor", "-c", config, "--data", data, "--helper", "./none",
           out=r"bad +helper +\./none: No such file")
    fake = write("fake-helper", "#!/bin/sh\necho casement-helper 0.0.0\n", 0o700)
    expect("another version's helper", 1, "doctor", "-c", config, "--data", data, "--helper",
           os.path.abspath(fake), out=r"bad +helper .* says 'casement-helper 0\.0\.0'")
    os.chmod(data, 0o777)
    expect("a directory open to all", 1, "doctor", "-c", config, "--data", data,
           out="bad +data +.*chmod 0700")
    os.chmod(data, 0o700)
    key = os.path.join(data, "master.key")
    right = open(key, encoding="ascii").read()
    write(key, "0" * 64 + "\n")
    expect("another database's master key", 1, "doctor", "-c", config, "--data", data,
           out="bad +database +.*master key is not the one")
    expect("store check with it", 1, "store", "check", "--data", data, err="master key")
    expect("other commands with it", 2, "home", "list", "--data", data, err="master key")
    write(key, right)
    # An older copy put back is refused until it is accepted, and then tokens are gone.
    older = data + "-older"
    token = create_token(config, data)
    shutil.copytree(data, older)
    identifier = rows("token", "list", "--data", data)[0].get("id", "x")
    expect("revoked after the copy", 0, "token", "revoke", "--data", data, identifier)
    for name in os.listdir(data):
        if name.startswith("casement.db"):
            os.unlink(os.path.join(data, name))
    for name in os.listdir(older):
        if name.startswith("casement.db"):
            shutil.copy2(os.path.join(older, name), os.path.join(data, name))
    expect("an older copy is refused", 2, "token", "list", "--data", data, err="accept-restore")
    expect("doctor says so", 1, "doctor", "--data", data, out="bad +database +.*older")
    expect("store accept-restore", 0, "store", "accept-restore", "--data", data,
           out="Everybody is signed out")
    case("no token lives again", rows("token", "list", "--data", data) == [])
    return token


def wait_for(port, process):
    until = time.time() + 60
    while time.time() < until and process.poll() is None:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


def http_get(port, path, token):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}",
                                     headers={"authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_beside_a_server(config, data, port):
    """Commands while the server runs; it takes them up."""
    log = open("serve.log", "w+", encoding="utf-8")
    server = subprocess.Popen([PROGRAM, "serve", f"--config={config}", "--data", data,
                               f"--port={port}"], stdout=log, stderr=log)
    try:
        is_up = wait_for(port, server)
        case("serve listens at --port", is_up)
        if not is_up:
            return
        token = create_token(config, data)
        status, body = http_get(port, "/api/v1/cameras", token)
        case("a token made beside it works", status == 200 and '"door"' in body, f"{status} {body}")
        identifier = rows("token", "list", "--data", data)[0].get("id", "x")
        expect("revoked beside it", 0, "token", "revoke", "--data", data, identifier)
        status, _ = http_get(port, "/api/v1/cameras", token)
        case("a revoked token does not", status == 401, status)
        expect("camera add beside it", 0, "camera", "add", "--data", data, "--home", "verdi",
               "--id", "late", "--main", "rtsp://192.0.2.77/", "--keep", "on-demand")
        token = create_token(config, data)
        expect("doctor beside it", 0, "doctor", "-c", config, "--data", data)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            status = server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            server.kill()
            status = server.wait()
        log.seek(0)
        text = log.read()
        log.close()
        case("SIGTERM ends it with status 0", status == 0, text[-2000:])
        said.append(text)


def main():
    directory = tempfile.mkdtemp(prefix="casement-cli-")
    os.chdir(directory)
    try:
        http, https = free_port(), free_port()
        test_words()
        test_wrong_config()
        config = write_config(http, https)
        test_tokens(config, "data")
        test_homes("data")
        test_cameras("data")
        test_people("data")
        test_passwords("data")
        test_doctor_and_store(config, "data", http)
        test_beside_a_server(config, "data", free_port())
        everything = "".join(said)
        for secret in SECRETS:
            case("no secret in any message or log line", secret not in everything)
        case("nor a token", re.search(r"cm[stu]_[A-Za-z0-9_-]{20}", everything) is None)
    finally:
        os.chdir("/")
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if failed else 0)


main()
