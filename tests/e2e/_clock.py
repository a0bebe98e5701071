"""A wall clock that a test sets, for a server that it starts."""

import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


class Clock:
    """The server's wall clock, as a test sets it."""

    def __init__(self):
        self.place = tempfile.mkdtemp(prefix="casement-clock-")
        self.library, self.file = os.path.join(self.place, "clock.so"), os.path.join(self.place, "ahead")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", self.library, os.path.join(HERE, "_clock.c")], check=True)
        self.set(0)

    def set(self, seconds):
        """So far ahead of the machine's."""
        with open(self.file + ".new", "w", encoding="ascii") as file:
            file.write(str(seconds))
        os.rename(self.file + ".new", self.file)

    def start(self, make):
        """What `make` returns; the processes that it starts go by this clock."""
        os.environ.update({"LD_PRELOAD": self.library, "CASEMENT_CLOCK": self.file})
        try:
            return make()
        finally:
            del os.environ["LD_PRELOAD"], os.environ["CASEMENT_CLOCK"]

    def remove(self):
        shutil.rmtree(self.place, ignore_errors=True)
