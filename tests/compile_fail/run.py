#!/usr/bin/env python3
"""A route without a permission does not compile: the dispatcher with a row of ours as its table.

  run.py ROOT COMPILER...

The row with a permission compiles, so that it is the permission that makes the difference."""

import subprocess
import sys

ROOT, COMPILER = sys.argv[1], sys.argv[2:]
FLAGS = ["-std=c2x", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
         '-DCM_VERSION="0"', f"-I{ROOT}/tests/compile_fail", f"-I{ROOT}/src"]
SOURCE = f"{ROOT}/tests/compile_fail/route_without_permission.c"
# what stands in the row, and what the compiler has to say about it (None: it compiles)
ROWS = {
    "ROW_WITH_PERMISSION": None,
    "ROW_UNSET": "route health needs a permission",
    "ROW_EMPTY": "CM_PERMISSION_",
    "ROW_SHORT": "CM_ROUTE",
    "ROW_UNKNOWN": "CM_PERMISSION_EVERYBODY",
}

failed = 0
for row, wanted in ROWS.items():
    done = subprocess.run([*COMPILER, *FLAGS, f"-D{row}", SOURCE], capture_output=True, text=True)
    if wanted is None:
        is_right = done.returncode == 0
    else:
        is_right = done.returncode != 0 and wanted in done.stderr
    print("ok" if is_right else "not ok", "-", row)
    if not is_right:
        print(done.stderr)
        failed = 1
sys.exit(failed)
