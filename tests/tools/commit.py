"""When a change of the server's was committed, as a connection of one's own to its database sees it."""
import sqlite3
import threading
import time


def now_us():
    return time.monotonic_ns() // 1000


class Commit:
    """Looks for the next commit to the database below `data`: `at_us` is the last moment at which it was not there yet."""

    def __init__(self, data):
        self.database = sqlite3.connect(f"file:{data}/casement.db?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
        self.before, self.at_us, self.is_over = self.version(), now_us(), False
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def version(self):
        return self.database.execute("PRAGMA data_version").fetchone()[0]

    def look(self):
        while not self.is_over:
            at_us = now_us()
            if self.version() != self.before:
                return
            self.at_us = at_us
            time.sleep(0.0005)

    def end(self):
        self.is_over = True
        self.thread.join()
        self.database.close()
        return self.at_us
