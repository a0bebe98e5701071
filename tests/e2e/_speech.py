"""What a simulated camera heard (casement simcam --talk … --heard DIR): whose tone it was."""

import math
import os
import time

RATE, PACKET = 8000, 160  # a second, and what one packet of those who speak here has
ENDS_S = 12  # for what was on its way: less than a lease lasts that nobody renews


def linear(byte):
    """G.711, mu-law."""
    byte = ~byte & 0xFF
    size = ((byte & 0x0F) << 3 | 0x84) << (byte >> 4 & 7)
    return 0x84 - size if byte & 0x80 else size - 0x84


LINEAR = [linear(byte) for byte in range(256)]


class Heard:
    """The file of one camera, which grows as it hears."""

    def __init__(self, folder, number):
        self.path = os.path.join(folder, f"cam{number}.ulaw")

    @property
    def size(self):
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0

    @property
    def seconds(self):
        return self.size / RATE

    def goes_on(self, spoken=None):
        """Bytes that still come, of somebody who speaks all the time: none in a second, once what was on its way when he was cut
        has come. On a busy machine that takes a while, but it ends. `spoken`: how many packets of his have come to the server, of
        which a second's must have been refused meanwhile."""
        until = time.monotonic() + ENDS_S
        while True:
            size, heard_of = self.size, spoken() if spoken else 0
            time.sleep(1)
            while spoken and spoken() < heard_of + RATE / PACKET and time.monotonic() < until:
                time.sleep(0.05)
            more = self.size - size
            if more == 0 or time.monotonic() > until:
                return more

    def tones(self, pitches, begin=0):
        """For each of these tones, of how many packets from byte `begin` on it is the loudest thing; "none" of silence, "other"
        of what is none of them."""
        counts = dict.fromkeys((*pitches, "none", "other"), 0)
        if self.size == 0:
            return counts
        with open(self.path, "rb") as file:
            file.seek(begin)
            data = file.read()
        for at in range(0, len(data) - PACKET + 1, PACKET):
            counts[tone_of([LINEAR[byte] for byte in data[at:at + PACKET]], pitches)] += 1
        return counts


def power(samples, pitch):
    """Goertzel: how much of the whole power is at `pitch`, 0 to 1."""
    turn = 2 * math.cos(2 * math.pi * pitch / RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + turn * last - before
    whole = sum(sample * sample for sample in samples)
    return 2 * (last * last + before * before - turn * last * before) / (len(samples) * whole) if whole else 0


def tone_of(samples, pitches):
    if max(abs(sample) for sample in samples) < 300:
        return "none"
    loudest = max(pitches, key=lambda pitch: power(samples, pitch))
    return loudest if power(samples, loudest) > 0.5 else "other"
