"""`./bench access`: what deciding and keeping account cost. Decisions with a million accounts and ten
million grants in the database (a hundredth with --quick). Of the audit: entries a second in durable
batches, and how long questions take over ten million of them (a million with --quick). And cuts of many (cuts.py), and a
storm of sign-ins beside live pictures (storm.py)."""

import json
import os
import shutil
import subprocess
import sys

import cuts
import rig
import storm
from report import Figures, machine, say

QUICK = "--quick" in sys.argv
ENTRIES = 1_000_000 if QUICK else 10_000_000
LEAST_PER_SECOND = 50_000
ANSWER_S = 5
QUESTIONS = (("newest_of_home", "newest 100 of a home"), ("newest_of_account", "newest 100 of a person"),
             ("old_minute_of_account", "a person in a minute long ago"),
             ("exposure", "who saw a camera in a minute long ago"))


def audit_write(*options):
    done = subprocess.run([rig.program("audit_write"), "--directory", rig.SCRATCH,
                           *map(str, options)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def decisions(figures):
    homes = 100 if QUICK else 10_000
    say(f"{homes * 1000:,} grants of {homes * 100:,} accounts: making them takes minutes")
    folder = os.path.join(rig.SCRATCH, "grants")
    os.makedirs(folder)
    done = subprocess.run([rig.program("grant_store"), "--directory", folder, "--homes", str(homes)],
                          capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    shutil.rmtree(folder)
    figures.add("a decision", "ns", [told["decide_ns"]], 200)
    figures.add("evidence of a lease, whole chain, warm: p50", "us", [told["evidence_p50_us"]], 50)
    figures.add("  p99", "us", [told["evidence_p99_us"]], None)
    figures.add("a grant in the database, with its indexes", "bytes", [told["bytes_per_grant"]], 200)
    figures.add("memory of the process that asked", "MB", [told["resident_mb"]], None)


def main():
    shutil.rmtree(rig.SCRATCH, ignore_errors=True)
    os.makedirs(rig.SCRATCH)
    figures, about = Figures(), machine()
    if "cuts" in sys.argv:
        cuts.measure(figures, QUICK)
        figures.report("access", about, is_quick=QUICK)
        return
    if "storm" in sys.argv:
        storm.measure(figures)
        figures.report("access", about, is_quick=QUICK)
        return
    if "audit" not in sys.argv:
        decisions(figures)
        cuts.measure(figures, QUICK)
        storm.measure(figures)
    say("8 threads, of whose entries each 50th is waited for")
    waited = audit_write("--entries", 200_000, "--writers", 8, "--every", 50)
    figures.add("audit: entries durable, with waiters", "/s", [waited["per_second"]],
                LEAST_PER_SECOND, is_least=True)
    say(f"{ENTRIES:,} entries")
    many = audit_write("--entries", ENTRIES, "--writers", 2)
    figures.add("audit: entries durable", "/s", [many["per_second"]], LEAST_PER_SECOND,
                is_least=True)
    figures.add("audit: CPU an entry, writing", "us", [many["cpu_us_per_entry"]], None)
    for name, words in QUESTIONS:
        figures.add(f"audit: {words}", "s", [many[name + "_s"]], ANSWER_S)
    figures.add("audit: verify all", "s", [many["verify_s"]], None)
    figures.report("access", about, is_quick=QUICK, entries=ENTRIES)


main()
