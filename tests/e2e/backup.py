#!/usr/bin/env python3
"""Backup and restore with the real binary: beside a running server, on a disk that fills up, killed in
the middle, to another machine, and what the person is told.

casement-test: quick"""

import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

from _server import BINARY, Server, check, failures

PASSPHRASE = "a passphrase of some length\n"
HEAD = b"casement-backup\n"


def run(*words, feed="", limit_bytes=None):
    before = None
    if limit_bytes is not None:
        import resource  # pylint: disable=import-outside-toplevel
        def before():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    return subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=120, input=feed,
                          preexec_fn=before, check=False)


def expect(name, done, status, out="", err=""):
    check(name, done.returncode == status and re.search(out, done.stdout) and re.search(err, done.stderr),
          f"status {done.returncode}, wanted {status} with /{out}/ and /{err}/:\n{done.stdout}{done.stderr}")


def parts_of(folder):
    return [name for name in os.listdir(folder) if name.endswith(".part")]


def make_home(data):
    run("home", "add", "--data", data, "--id", "verdi", "Casa Verdi")
    for account, role in (("anna", "owner"), ("bruno", "guest")):
        run("user", "add", "--data", data, "--home", "verdi", "--role", role, "--password-file", "-", account,
            feed="correct horse battery staple")
    run("camera", "add", "--data", data, "--home", "verdi", "--id", "door", "--whip")


place = tempfile.mkdtemp(prefix="casement-backup-")
data = os.path.join(place, "data")
plain, sealed = os.path.join(place, "plain.backup"), os.path.join(place, "sealed.backup")
phrase = os.path.join(place, "phrase")
with open(phrase, "w", encoding="utf-8") as f:
    f.write(PASSPHRASE)

server = Server({}, place=place, data=data)
try:
    make_home(data)

    # ---- beside a running server ----
    done = run("backup", "--data", data, plain)
    expect("a backup is made while the server runs", done, 0, "", "master key is NOT in it.*Keep a copy")
    check("it is for its owner alone", stat.S_IMODE(os.stat(plain).st_mode) == 0o600)
    with open(plain, "rb") as f:
        content = f.read()
    with open(os.path.join(data, "master.key"), "rb") as f:
        key = f.read().strip()
    check("it begins with its name, and nothing else can be read in it",
          content.startswith(HEAD) and key not in content and bytes.fromhex(key.decode()) not in content
          and b"SQLite" not in content and b"BEGIN" not in content and b"verdi" not in content)
    expect("with the key, under a passphrase", run("backup", "--data", data, "--with-key", "--password-file", phrase,
                                                   sealed), 0, "", "sealed under the passphrase")
    piped = subprocess.run([BINARY, "backup", "--data", data, "-"], capture_output=True, timeout=60, check=False)
    check("to standard output", piped.returncode == 0 and piped.stdout.startswith(HEAD))
    expect("a short passphrase is refused",
           run("backup", "--data", data, "--with-key", "--password-file", "-", sealed, feed="short\n"), 2, "", "12 bytes")
    expect("no passphrase without a file or a terminal", run("backup", "--data", data, "--with-key", sealed), 2, "",
           "no terminal")
    expect("a passphrase goes with the key only", run("backup", "--data", data, "--password-file", phrase, sealed), 2,
           "", "--with-key")
    expect("where nothing can be written it is told", run("backup", "--data", data, os.path.join(place, "no", "x")), 1,
           "", "No such file")
    expect("restore is refused while a server runs", run("restore", "--data", data, "--replace", plain), 1, "",
           "stop it first")
    check("and leaves nothing behind", not [n for n in os.listdir(place) if "restoring" in n], os.listdir(place))
    expect("rollback too", run("store", "rollback", "--data", data), 1, "", "stop it first")

    # ---- a disk that fills up; kill -9 ----
    before = content
    for limit in (0, 1000, 20000):
        full = run("backup", "--data", data, plain, limit_bytes=limit)
        with open(plain, "rb") as f:
            check(f"a disk with room for {limit} bytes: refused, the backup before it stays, no half one",
                  full.returncode == 1 and f.read() == before and not parts_of(place), full.stderr)
    lucky = random.Random(3)
    for _ in range(12):
        # pylint: disable=consider-using-with
        victim = subprocess.Popen([BINARY, "backup", "--data", data, plain], stderr=subprocess.DEVNULL)
        time.sleep(lucky.random() * 0.06)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    check("killed in the middle: what has the name is whole",
          run("restore", "--data", os.path.join(place, "probe"), "--key-file", os.path.join(data, "master.key"),
              plain).returncode == 0)
    for name in parts_of(place):
        os.unlink(os.path.join(place, name))
    check("nothing of it is in the data directory", not [n for n in os.listdir(data) if "snapshot" in n],
          os.listdir(data))
    expect("the database is sound", run("store", "check", "--data", data), 0)

    # ---- something is taken away, then the older state comes back ----
    run("backup", "--data", data, plain)
    run("backup", "--data", data, "--with-key", "--password-file", phrase, sealed)
    expect("bruno leaves", run("user", "remove", "--data", data, "--home", "verdi", "bruno"), 0)
finally:
    server.end()

expect("what is there is not overwritten by accident", run("restore", "--data", data, plain), 1, "", "--replace")
done = run("restore", "--data", data, "--replace", plain)
expect("with --replace it is, and the person is told what is given again", done, 0,
       r"(?s)is restored from the backup of 20\d\d-.*signed out.*! home verdi: bruno is guest.*marked with !")
check("what did not change is not marked", re.search(r"(?m)^  home verdi: anna is owner$", done.stdout), done.stdout)
asides = [n for n in os.listdir(place) if ".replaced-" in n]
check("what was there is kept", len(asides) == 1 and "casement.db" in os.listdir(os.path.join(place, asides[0])), asides)
check("the files are for their owner alone",
      all(stat.S_IMODE(os.stat(os.path.join(data, n)).st_mode) == 0o600 for n in ("casement.db", "master.key", "ca.key")))
with open(os.path.join(data, "ca.crt"), "rb") as new, open(os.path.join(place, asides[0], "ca.crt"), "rb") as old:
    check("the household's devices still know the certificate", new.read() == old.read())
again = Server({}, place=place, data=data)
check("the server starts with it, without a word about older data", "accept-restore" not in again.log, again.log)
again.end()

# ---- to another machine ----
there = os.path.join(place, "there")
expect("without the key it is told what is missing", run("restore", "--data", there, plain), 1, "", "--key-file")
wrong = os.path.join(place, "wrong.key")
with open(wrong, "w", encoding="utf-8") as f:
    f.write("00" * 32 + "\n")
os.chmod(wrong, 0o600)
expect("another server's key is told from its own", run("restore", "--data", there, "--key-file", wrong, plain), 1, "",
       "not that of the server")
kept = os.path.join(place, "kept.key")
shutil.copy(os.path.join(data, "master.key"), kept)
expect("with the kept key it works", run("restore", "--data", there, "--key-file", kept, plain), 0,
       "can't be known here")
expect("and is sound", run("store", "check", "--data", there), 0)
shutil.rmtree(there)
expect("a wrong passphrase is told", run("restore", "--data", there, "--password-file", "-", sealed,
                                         feed="another passphrase\n"), 1, "", "passphrase is not its own")
check("and makes nothing", not os.path.exists(there))
os.mkdir(there)
expect("with the passphrase it needs no key, and an empty directory will do",
       run("restore", "--data", there + "/", "--password-file", phrase, sealed), 0, "bruno")
expect("it is sound too", run("store", "check", "--data", there), 0)

# ---- files that are none ----
for name, content, words in (("short", before[:5000], "cut off"), ("empty", b"", "no backup"),
                             ("foreign", b"SQLite format 3\0" + bytes(200), "no backup of casement"),
                             ("damaged", before[:6000] + bytes([before[6000] ^ 1]) + before[6001:], "damaged")):
    odd = os.path.join(place, name)
    with open(odd, "wb") as f:
        f.write(content)
    expect(f"a {name} file is told what it is",
           run("restore", "--data", os.path.join(place, "odd"), "--key-file", kept, odd), 1, "", words)
check("none of them made anything", not [n for n in os.listdir(place) if n.startswith("odd")])

shutil.rmtree(place)
sys.exit(1 if failures else 0)
