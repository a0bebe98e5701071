/*
 * Which way pictures come to this browser, and why not by WebRTC, the quickest: whether the server
 * offers it, whether this browser can, and what happened when it was tried here. A failure is
 * remembered for a few minutes, or until the network changes. What is the camera's own trouble and
 * not the network's is remembered by its Picture alone: one camera that is off must not take the
 * quickest way from the others.
 */

export type Way = 'webrtc' | 'mse' | 'stills';

/* not-offered: by the server. no-browser: it has no WebRTC, or is not allowed to. no-path: the
 * server's media port could not be reached. no-time: pictures come without the time of capture, so
 * that they could not be called live. Of one camera: no-picture: there was a way, and nothing came.
 * busy: the server has too many such viewers. codec: this browser did not offer that of the stream.
 * refused: the server did not take the offer. */
export type WhyNot = 'not-offered' | 'no-browser' | 'no-path' | 'no-time' | OfCamera;
export type OfCamera = 'no-picture' | 'busy' | 'codec' | 'refused';

const REMEMBER_MS = 300_000;
const REMEMBER_CAMERA_MS = 60_000;
const ANSWER_MS = 2_000; // a server that does not answer for so long offers nothing

interface Failure {
  why: WhyNot;
  until: number;
}

const isOfCamera = (why: WhyNot): boolean => ['no-picture', 'busy', 'codec', 'refused'].includes(why);

export class Ways {
  isKnown = false; // what the server offers
  private isOffered = false;
  private failure: Failure | null = null;
  private readonly ofCameras = new Map<object, Failure>();
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

  /* `who` tried. */
  fail(why: WhyNot, who: object, now: number): void {
    if (isOfCamera(why)) this.ofCameras.set(who, { why, until: now + REMEMBER_CAMERA_MS });
    else this.failure = { why, until: now + REMEMBER_MS };
  }

  /* Another network: what failed on the one before says nothing. */
  forget(): void {
    this.failure = null;
    this.ofCameras.clear();
  }

  leave(who: object): void {
    this.ofCameras.delete(who);
  }

  /* Null: WebRTC is worth a try for `who`. */
  whyNot(who: object | null, now: number): WhyNot | null {
    if (!this.isOffered) return 'not-offered';
    if (!this.canWebrtc()) return 'no-browser';
    const own = who ? this.ofCameras.get(who) : undefined;
    for (const failure of [this.failure, own]) if (failure && now < failure.until) return failure.why;
    return null;
  }
}

export const ways = new Ways(() => typeof RTCPeerConnection !== 'undefined'
  && 'requestVideoFrameCallback' in HTMLVideoElement.prototype);

if (typeof addEventListener === 'function') addEventListener('online', () => ways.forget());
