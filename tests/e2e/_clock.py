"""The wall clock of a server, as a test sets it while it runs."""

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
        with open(self.file + ".new", "w", encoding="ascii") as file:
            file.write(str(seconds))
        os.rename(self.file + ".new", self.file)

    def start(self, make):
        os.environ.update({"LD_PRELOAD": self.library, "CASEMENT_CLOCK": self.file})
        try:
            return make()
        finally:
            del os.environ["LD_PRELOAD"], os.environ["CASEMENT_CLOCK"]

    def remove(self):
        shutil.rmtree(self.place, ignore_errors=True)
