"""Runs the steps of tools/steps/table and counts test cases; ./test is the way to call it.

Every step runs, whether or not one before it failed. Its output goes to build/test/NAME.log; the
end of that is printed when it fails. The last line is `N passed, N failed`, counting test cases.
"""

import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

TABLE = "tools/steps/table"
LOGS = "build/test"
REPORT = "tests/long/report.md"
WHEN = ("quick", "full", "long")
LONG_FACTOR = 10
TAIL_LINES = 60
# A test case in TAP, at any depth of indentation; "ok" alone, or with a number, a dash, a name.
CASE = re.compile(r"^(?P<indent>\s*)(?P<verdict>ok|not ok)(?P<rest>$|\s.*$)")
PLAN = re.compile(r"^\s*1\.\.(\d+)\b")
PROGRAM = re.compile(r"^# program .*$", re.MULTILINE)
UNSTEADY = re.compile(r"^# unsteady: (.+)$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Step:
    name: str
    when: str
    waits: bool
    limit_s: int
    count: str
    needs: str
    command: list


@dataclass
class Outcome:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    why: list = field(default_factory=list)
    unsteady: list = field(default_factory=list)  # programs that failed once and not again (tools/steps/each)
    seconds: float = 0.0

    def fail(self, why):
        self.failed += 1
        self.why.append(why)


class TableError(Exception):
    pass


def read_table(text):
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = line.split()
        if len(columns) < 5:
            raise TableError(f"{TABLE}:{number}: five columns at least, found {len(columns)}")
        name, when, limit_s, count, needs = columns[:5]
        waits = when.startswith("wait:")
        when = when.removeprefix("wait:")
        if when not in WHEN:
            raise TableError(f"{TABLE}:{number}: when is one of {', '.join(WHEN)}, not '{when}'")
        if not limit_s.isdigit() or int(limit_s) == 0:
            raise TableError(f"{TABLE}:{number}: limit_s is a number of seconds, not '{limit_s}'")
        if count != "lines" and not count.startswith("build/"):
            raise TableError(f"{TABLE}:{number}: count is lines or a build folder, not '{count}'")
        if any(step.name == name for step in steps):
            raise TableError(f"{TABLE}:{number}: a second step '{name}'")
        steps.append(Step(name, when, waits, int(limit_s), count, needs,
                          columns[5:] or [f"tools/steps/{name}"]))
    return steps


def choose(steps, arguments):
    """The mode (quick, full, long) and the steps asked for."""
    if not arguments:
        return "full", [s for s in steps if s.when in ("quick", "full")]
    if arguments == ["quick"]:
        return "quick", [s for s in steps if s.when == "quick"]
    if arguments == ["long"]:
        return "long", steps
    by_name = {s.name: s for s in steps}
    unknown = [a for a in arguments if a not in by_name]
    if unknown:
        raise TableError(f"no step '{unknown[0]}'; there are: {' '.join(by_name)}")
    return "full", [by_name[a] for a in arguments]


def count_lines(text, outcome):
    """Adds the TAP cases of `text`: of one program, or of several with a line `# program …` before each."""
    for program in PROGRAM.split(COLOUR.sub("", text)):
        count_program(program, outcome)


def count_program(text, outcome):
    """A case with deeper ones before it stands for their sum: it counts only when it failed and none
    of them did."""
    above = []  # the cases no sum has been seen for yet: (indent, failed)
    cases = planned = 0
    for line in text.splitlines():
        plan = PLAN.match(line)
        if plan:
            planned += int(plan[1])
        match = CASE.match(line)
        if not match:
            continue
        indent, failed = len(match["indent"]), match["verdict"] == "not ok"
        below = []
        while above and above[-1][0] > indent:
            below.append(above.pop())
        above.append((indent, failed))
        cases += 1
        if failed and not any(child_failed for _, child_failed in below):
            outcome.fail(match["rest"].strip(" -"))
        elif below or failed:
            continue
        elif "# SKIP" in match["rest"].upper():
            outcome.skipped += 1
        else:
            outcome.passed += 1
    if planned and planned != cases:
        outcome.fail(f"{planned} cases planned, {cases} reported")


def count_meson(path, outcome):
    """Adds the cases of a testlog.json (a JSON object a line): TAP in a program's output, else the
    program is one case."""
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            one = Outcome()
            count_lines(test.get("stdout", ""), one)
            if test["result"] == "SKIP":
                one.skipped += 1
            elif test["result"] not in ("OK", "EXPECTEDFAIL"):
                if not one.failed:
                    one.fail(f"ended with {test['result']}")
            elif one.passed + one.failed == 0:
                one.passed = 1
            outcome.passed += one.passed
            outcome.failed += one.failed
            outcome.skipped += one.skipped
            outcome.why += [f"{test['name']}: {why}" for why in one.why]


def group_is_there(process):
    process.poll()  # so that the step itself does not stay as a zombie
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def end_group(process):
    """Ends the step and all it started: politely, then not."""
    for sign, wait_s in ((signal.SIGTERM, 5), (signal.SIGKILL, 2)):
        give_up = time.monotonic() + wait_s
        while group_is_there(process) and time.monotonic() < give_up:
            with contextlib.suppress(ProcessLookupError):  # gone in between
                os.killpg(process.pid, sign)
            time.sleep(0.05)


def run_command(step, mode, log, outcome):
    limit_s = step.limit_s * (LONG_FACTOR if mode == "long" else 1)
    # cmocka then says each case in TAP; a test's own stray output does not look like one.
    environment = dict(os.environ, CASEMENT_TEST=mode, CMOCKA_MESSAGE_OUTPUT="TAP", NO_COLOR="1")
    process = subprocess.Popen(step.command, stdin=subprocess.DEVNULL, stdout=log,
                               stderr=subprocess.STDOUT, env=environment, start_new_session=True)
    try:
        status = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        outcome.fail(f"not done after {limit_s} s")
        return -1
    finally:
        # Also after success: what a test left behind must not disturb the next one.
        end_group(process)
    return status


def run_step(step, mode, logs=LOGS):
    outcome = Outcome()
    started = time.monotonic()
    path = os.path.join(logs, step.name + ".log")
    with open(path, "w", encoding="utf-8", errors="replace") as log:
        if not os.path.exists(step.needs):
            outcome.fail(f"{step.needs} is missing")
            return outcome
        testlog = os.path.join(step.count, "meson-logs", "testlog.json")
        if step.count != "lines" and os.path.exists(testlog):
            os.remove(testlog)
        try:
            status = run_command(step, mode, log, outcome)
        except OSError as error:
            outcome.fail(f"{step.command[0]}: {error.strerror}")
            return outcome
    if step.count != "lines":
        if os.path.exists(testlog):
            count_meson(testlog, outcome)
    else:
        with open(path, encoding="utf-8", errors="replace") as log:
            text = log.read()
        count_lines(text, outcome)
        outcome.unsteady = UNSTEADY.findall(text)
    if status != 0 and not outcome.failed:
        outcome.fail(f"ended with status {status}")
    if outcome.passed + outcome.failed == 0:
        outcome.fail("no test case ran")
    outcome.seconds = time.monotonic() - started
    return outcome


def is_pass(line):
    case = CASE.match(line)
    return case is not None and case["verdict"] == "ok"


def print_outcome(step, outcome, logs=LOGS):
    verdict = "FAILED" if outcome.failed else "ok"
    counts = f"{outcome.passed} passed"
    if outcome.failed:
        counts += f", {outcome.failed} failed"
    if outcome.skipped:
        counts += f", {outcome.skipped} skipped"
    if outcome.unsteady:
        counts += f", unsteady: {', '.join(outcome.unsteady)}"
    print(f"{verdict:<7} {step.name:<10} {outcome.seconds:6.1f} s  {counts}", flush=True)
    if not outcome.failed:
        return
    # The names first: what shows this to people may cut it at the end.
    for why in outcome.why[:20]:
        print("    " + why)
    path = os.path.join(logs, step.name + ".log")
    with open(path, encoding="utf-8", errors="replace") as log:
        lines = [line for line in log.read().splitlines() if not is_pass(line)]
    for line in shown(lines):
        print("    | " + line)
    print(f"    whole log: {path}", flush=True)


def shown(lines):
    """The last lines, and of those before them what failed, with what was said of it."""
    before = len(lines) - TAIL_LINES
    failed = [at for at, line in enumerate(lines[:max(before, 0)]) if line.lstrip().startswith("not ok")]
    for at in failed[:20]:
        yield from lines[at:min(at + 3, before)]
    yield from lines[max(before, 0):]


def forgotten(step):
    outcome = Outcome()
    outcome.fail(f"{step.needs} is in the tree: turn the step on in {TABLE} (wait:{step.when})")
    return outcome


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def write_report(results, passed, failed):
    def git(*arguments):
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()
    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    if git("status", "--porcelain", "--", ":!" + REPORT):
        commit += " with changes"
    lines = [
        "# Report of `./test long`", "",
        f"Commit {commit}, {time.strftime('%Y-%m-%d', time.gmtime())}, "
        f"{os.cpu_count()} cores of {processor()}, {platform.freedesktop_os_release()['PRETTY_NAME']}.",
        "", "| step | passed | failed | skipped | seconds |", "|---|---:|---:|---:|---:|"]
    for step, outcome in results:
        lines.append(f"| {step.name} | {outcome.passed} | {outcome.failed} | {outcome.skipped} "
                     f"| {outcome.seconds:.0f} |")
    lines += ["", f"{passed} passed, {failed} failed"]
    for step, outcome in results:
        lines += [f"- {step.name}: {why}" for why in outcome.why]
    with open(REPORT, "w", encoding="utf-8") as report:
        report.write("\n".join(lines) + "\n")


def main(arguments):
    os.makedirs(LOGS, exist_ok=True)
    results = []
    mode = "full"
    # A signal becomes an exception, so that the step that runs is ended and the sum is printed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with open(TABLE, encoding="utf-8") as table:
            steps = read_table(table.read())
        if arguments == ["--list"]:
            for step in steps:
                waits = f"  (waits for {step.needs})" if step.waits else ""
                print(f"{step.name:<10} {step.when}{waits}")
            return 0
        mode, chosen = choose(steps, arguments)
        for step in chosen:
            if step.waits and not os.path.exists(step.needs):
                if arguments and mode == "full":
                    raise TableError(f"step '{step.name}' waits for {step.needs}")
                continue
            outcome = forgotten(step) if step.waits else run_step(step, mode)
            if step.waits:
                print(f"FAILED  {step.name}: {outcome.why[0]}", flush=True)
            else:
                print_outcome(step, outcome)
            results.append((step, outcome))
    except TableError as error:
        print(error)
        results.append((None, Outcome(failed=1)))
    except (KeyboardInterrupt, SystemExit):
        print("interrupted")
        results.append((None, Outcome(failed=1)))
    passed = sum(outcome.passed for _, outcome in results)
    failed = sum(outcome.failed for _, outcome in results)
    for step, outcome in results:
        for program in outcome.unsteady:
            print(f"unsteady: {step.name}: {program} failed once, and not when it was run again")
        for why in outcome.why[:20]:
            print(f"failed: {step.name + ': ' if step else ''}{why}")
    if mode == "long":
        write_report([r for r in results if r[0]], passed, failed)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
