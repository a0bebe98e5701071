"""What the checks of tools/ share: which files are the project's, C without its comments, and how
a check says what it found (`ok` and `not ok` lines, which ./test counts)."""

import os
import re

# Not ours to check: what .gitignore names, and what git keeps.
SKIPPED = {".git", "build", "node_modules", "dist", "casement-data", "__pycache__"}
TOKEN = re.compile(
    r"(?P<block>/\*.*?\*/)|(?P<line>//[^\n]*)"
    r"|(?P<string>\"(?:\\.|[^\"\\\n])*\")|(?P<char>'(?:\\.|[^'\\\n])*')", re.DOTALL)
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([\"<])([^\">]+)[\">]", re.MULTILINE)


def files(root, top, extensions=None):
    """The paths below `top`, relative to `root`, in order."""
    found = []
    for folder, folders, names in os.walk(os.path.join(root, top)):
        folders[:] = [f for f in folders if f not in SKIPPED]
        for name in names:
            if name in SKIPPED:  # in a worktree .git is a file
                continue
            if extensions is None or os.path.splitext(name)[1] in extensions:
                found.append(os.path.relpath(os.path.join(folder, name), root))
    return sorted(found)


def read(root, path):
    """The text of a file; None when it is not text."""
    with open(os.path.join(root, path), "rb") as file:
        data = file.read()
    if b"\0" in data:
        return None
    return data.decode("utf-8", errors="replace")


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_only(text):
    """C with comments and the insides of strings as blanks; lines and columns stay."""
    def replace(match):
        if match["block"] or match["line"]:
            return _blank(match[0])
        return match[0][0] + _blank(match[0][1:-1]) + match[0][-1]
    return TOKEN.sub(replace, text)


def includes(text):
    """(line number, '"' or '<', path) of each include that is not in a comment."""
    no_comments = TOKEN.sub(
        lambda m: _blank(m[0]) if m["block"] or m["line"] else m[0], text)
    for match in INCLUDE.finditer(no_comments):
        yield line_of(text, match.start(2)), match[1], match[2]


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Verdicts:
    """Prints one line for each thing checked, the findings first."""

    def __init__(self, tool):
        self.tool = tool
        self.failed = 0

    def say(self, subject, findings):
        for finding in findings:
            print(finding)
        self.failed += bool(findings)
        print(f"{'not ok' if findings else 'ok'} - {self.tool}: {subject}")

    def status(self):
        return 1 if self.failed else 0
