/*
 * The server's clock as seen from this page. Ages of pictures are differences on this clock, so the
 * phone's own idea of the time of day does not matter.
 *
 * An offset is only as good as the round trip it was measured over; the sample with the shortest
 * round trip wins until it is ten minutes old. performance.now() may stand still while a laptop
 * sleeps, so a jump between it and Date.now() discards what we knew.
 */

const SAMPLE_LIFE_MS = 600_000;
const SLEEP_JUMP_MS = 2_000;

export class ServerClock {
  onLost: () => void = () => undefined; // a sleep was noticed: somebody should take a sample

  private offsetMs: number | null = null; // server time - performance.now()
  private roundTripMs = Infinity;
  private takenAt = 0;
  private dateMinusPerf = Date.now() - performance.now();

  sample(serverMs: number, sentAt: number, receivedAt: number): void {
    if (!Number.isFinite(serverMs)) return;
    this.noticeSleep();
    const roundTripMs = Math.max(0, receivedAt - sentAt);
    const isOld = receivedAt - this.takenAt > SAMPLE_LIFE_MS;
    if (this.offsetMs !== null && !isOld && roundTripMs > this.roundTripMs) return;
    this.offsetMs = serverMs - (sentAt + roundTripMs / 2);
    this.roundTripMs = roundTripMs;
    this.takenAt = receivedAt;
  }

  /* Milliseconds since 1970 on the server, or null before the first sample (and after a sleep). */
  now(): number | null {
    this.noticeSleep();
    return this.offsetMs === null ? null : performance.now() + this.offsetMs;
  }

  private noticeSleep(): void {
    const difference = Date.now() - performance.now();
    if (Math.abs(difference - this.dateMinusPerf) > SLEEP_JUMP_MS) {
      this.offsetMs = null;
      this.roundTripMs = Infinity;
      this.dateMinusPerf = difference;
      this.onLost();
    }
    this.dateMinusPerf = difference;
  }
}

export const clock = new ServerClock();
