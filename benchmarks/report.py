"""What a benchmark says: rows of figures, each with its target and what stands beside it."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time

import rig

GB, MB = 1e9, 1e6


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def share(values, part):
    values = sorted(values)
    return values[round(part * (len(values) - 1))]


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                     platform.machine())
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) * 1024
    commit = subprocess.run(["git", "-C", rig.ROOT, "describe", "--always", "--dirty"],
                            capture_output=True, text=True, check=False).stdout.strip()
    return {"processor": model, "cores": len(rig.CORES), "memory_bytes": memory,
            "kernel": platform.release(), "load": os.getloadavg(), "commit": commit,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


class Figures:
    """Rows of the report: a value, its target, and the limit or peer beside it."""

    def __init__(self):
        self.rows = []

    def add(self, name, unit, values, target, beside=None, beside_name="", is_least=False, **more):
        """The target is the most that the median may be, or the least. Without values it says
        beside what stands for them."""
        value = statistics.median(values) if values else None
        is_met = None
        if value is not None and target is not None:
            is_met = value >= target if is_least else value <= target
        self.rows.append({"name": name, "unit": unit, "value": value, "target": target,
                          "is_met": is_met, "is_least": is_least,
                          "beside": beside and statistics.median(beside),
                          "beside_name": beside_name, "runs": list(values),
                          "beside_runs": beside and list(beside)} | more)

    def write_table(self, out):
        head = ("figure", "casement", "target", "", "beside it in the same run")
        rows = [(row["name"], "-" if row["value"] is None else f"{row['value']:.4g} {row['unit']}",
                 "-" if row["target"] is None
                 else ("≥ " if row["is_least"] else "") + f"{row['target']:.4g}",
                 {True: "met", False: "UNDER" if row["is_least"] else "OVER", None: ""}[row["is_met"]],
                 row["beside_name"] if row["beside"] is None
                 else f"{row['beside']:.4g} {row['beside_name']}")
                for row in self.rows]
        widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
        for line in [head, *rows]:
            out.write("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip()
                      + "\n")

    def report(self, name, about, **more):
        """The table on standard output, and the JSON of it in build/bench as well."""
        report = {"machine": about} | more | {"figures": self.rows}
        path = os.path.join(rig.ROOT, f"build/bench/{name}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
        print(json.dumps(report))
        print(f"\n{about['processor']}, {about['cores']} cores, {about['memory_bytes'] / GB:.0f} GB, "
              f"Linux {about['kernel']}, load {about['load'][0]:.1f} at the start, {about['commit']}")
        self.write_table(sys.stdout)
