/*
 * How far behind the newest picture to play, and how fast to get there: the decisions of a player at
 * the live edge, without the player. All times are seconds; the caller brings the clock.
 *
 * A picture's offset is when it came less its place on the media clock. The smallest offset of the
 * last seconds is the best the path can do; what a picture has more than that is its lateness. The
 * playhead is held behind the best by `slackS`: nearly the largest lateness of the last four seconds,
 * so that jitter is covered before it is seen and a single hiccup costs age for four seconds only.
 * What the arrivals can't tell, a decoder that is late, shows as gaps between pictures on screen: each
 * widens the slack, and half of that is forgotten every two seconds. (A browser's own `waiting` is no
 * such sign: at the edge Chromium says it before every picture, and shows each as it comes.)
 */

const MIN_SLACK_S = 0.03;
const MAX_SLACK_S = 0.5;
const BEST_WINDOW_S = 10; // clocks drift and routes change: the best is not for ever
const LATE_WINDOW_S = 4;
const COVERED = 0.95; // of the pictures of that window come within the slack
const STALL_S = 0.04;
const STALL_HALF_LIFE_S = 2;
const LEAST_GAP_S = 0.05; // beyond two pictures' time
const SKIP_S = 1.5; // further behind than this, a seek: it stands still while it decodes from a keyframe

/* From so much too far behind on, this speed: small enough not to be seen. */
const SPEEDS: readonly [number, number][] = [[0.5, 1.6], [0.25, 1.3], [0.12, 1.15], [0.06, 1.08], [0.025, 1.03]];
const TOO_NEAR_S = -0.04;
const SLOWER = 0.97;

interface Arrival {
  at: number;
  offset: number;
}

export interface Course {
  rate: number;
  mustSeek: boolean; // to `slackS` behind the newest picture
}

export class Edge {
  slackS = MIN_SLACK_S + 0.02;

  private arrivals: Arrival[] = [];
  private newestS = -Infinity;
  private stallS = 0;
  private stallAt = 0;
  private shownAt = Infinity;

  /* The picture at `mediaS` can be played from now on. */
  arrived(nowS: number, mediaS: number): void {
    this.newestS = mediaS;
    this.arrivals.push({ at: nowS, offset: nowS - mediaS });
    let old = 0;
    while (this.arrivals[old]!.at < nowS - BEST_WINDOW_S) old++;
    if (old > 0) this.arrivals.splice(0, old);
  }

  /* A picture reaches the screen; they come every `intervalS`. */
  shown(nowS: number, intervalS: number): void {
    if (nowS - this.shownAt > 2 * intervalS + LEAST_GAP_S) this.stalled(nowS);
    this.shownAt = nowS;
  }

  stalled(nowS: number): void {
    this.stallS = Math.min(MAX_SLACK_S, this.forgotten(nowS) + STALL_S);
    this.stallAt = nowS;
  }

  /* What to do about a playhead at `playedS` on the media clock. */
  judge(nowS: number, playedS: number): Course {
    if (this.arrivals.length === 0) return { rate: 1, mustSeek: false };
    const best = this.arrivals.reduce((least, { offset }) => Math.min(least, offset), Infinity);
    const late = this.arrivals.filter(({ at }) => at >= nowS - LATE_WINDOW_S).map(({ offset }) => offset - best).sort((a, b) => a - b);
    const covered = late[Math.floor(late.length * COVERED)] ?? 0;
    this.slackS = Math.min(MAX_SLACK_S, MIN_SLACK_S + Math.max(covered, this.forgotten(nowS)));
    /* When pictures stop coming there is nothing to hurry to. */
    const excess = Math.min(nowS - best - playedS - this.slackS, Math.max(0, this.newestS - playedS));
    if (excess > SKIP_S) return { rate: 1, mustSeek: true };
    const speed = SPEEDS.find(([from]) => excess > from);
    return { rate: speed ? speed[1] : excess < TOO_NEAR_S ? SLOWER : 1, mustSeek: false };
  }

  private forgotten(nowS: number): number {
    return this.stallS * 0.5 ** ((nowS - this.stallAt) / STALL_HALF_LIFE_S);
  }
}
