/*
 * Which way pictures come to this browser, and why not by WebRTC, the quickest: whether the server
 * offers it, whether this browser can, and what happened when it was tried here. A failure is
 * remembered for a few minutes, or until the network changes.
 */

export type Way = 'webrtc' | 'mse' | 'stills';

/* not-offered: by the server. no-browser: it has no WebRTC, or is not allowed to. no-path: the
 * server's media port could not be reached. no-time: pictures come without the time of capture, so
 * that they could not be called live. ended: it broke after it had worked. */
export type WhyNot = 'not-offered' | 'no-browser' | 'no-path' | 'no-time' | 'ended';

const REMEMBER_MS = 300_000;
const ANSWER_MS = 2_000; // a server that does not answer for so long offers nothing

export class Ways {
  isKnown = false; // what the server offers
  private isOffered = false;
  private failure: { why: WhyNot; until: number } | null = null;
  private tellKnown: () => void = () => undefined;
  private readonly known = new Promise<void>((done) => { this.tellKnown = done; });

  constructor(private readonly canWebrtc: () => boolean) {}

  /* As the server says in GET /api/v1/server. */
  offer(isOffered: boolean): void {
    this.isOffered = isOffered;
    this.isKnown = true;
    this.tellKnown();
  }

  /* A picture that is asked for before the server has said what it offers waits for that. */
  async whenKnown(): Promise<void> {
    await Promise.race([this.known, new Promise((done) => { setTimeout(done, ANSWER_MS); })]);
    this.isKnown = true;
  }

  fail(why: WhyNot, now: number): void {
    this.failure = { why, until: now + REMEMBER_MS };
  }

  /* Another network: what failed on the one before says nothing. */
  forget(): void {
    this.failure = null;
  }

  /* Null: WebRTC is worth a try. */
  whyNot(now: number): WhyNot | null {
    if (!this.isOffered) return 'not-offered';
    if (!this.canWebrtc()) return 'no-browser';
    if (this.failure && now < this.failure.until) return this.failure.why;
    return null;
  }
}

export const ways = new Ways(() => typeof RTCPeerConnection !== 'undefined'
  && 'requestVideoFrameCallback' in HTMLVideoElement.prototype);

if (typeof addEventListener === 'function') addEventListener('online', () => ways.forget());
