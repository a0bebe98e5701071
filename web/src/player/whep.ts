/*
 * Pictures by WebRTC (WHEP): one session of one camera in one <video> of its own. Begins with
 * start(), ends once (onEnd says why) and is never used again, like Run, which it stands in for.
 *
 * The server is an ICE-lite agent whose answer names its addresses, so the offer goes out at once,
 * without candidates of ours: the server learns where we are from our checks. A connection that is
 * lost is asked for again once (ICE restart: a phone that changes networks goes on); a session that
 * does not come to a picture within FIRST_PICTURE_MS is given up.
 */

import { problemOf } from '../api/client';
import { clock } from '../state/clock';
import type { RunEnd, RunStats, Shown } from './run';
import type { WhyNot } from './ways';

const FIRST_PICTURE_MS = 5_000;
const LOST_MS = 1_500; // without a way for so long, ICE is restarted
const RESTART_MS = 5_000; // and the restart has so long
const NO_TIME_MS = 4_000; // pictures without a time of capture are borne for so long
const STATS_MS = 1_000;
const NTP_OF_UNIX_MS = 2_208_988_800_000; // from 1900 to 1970
const DAY_MS = 86_400_000;
const NEIGHBOURS_MS = 5_000;

export interface WhepStats extends RunStats {
  lossShare: number | null; // of the packets of the last seconds
  roundTripMs: number | null;
  protocol: string; // "udp", "tcp"
}

/* `whyNot`: this way is not to be tried again for a while. */
export interface WhepEvents {
  onFrame(shown: Shown): void;
  onEnd(end: RunEnd, whyNot: WhyNot | null): void;
}

type Sync = RTCRtpSynchronizationSource & { captureTimestamp?: number };
type FrameMetadata = VideoFrameCallbackMetadata & { captureTime?: number; rtpTimestamp?: number };

/*
 * The time of capture in milliseconds since 1970 on the server's clock, or null. Browsers tell it as
 * NTP or since 1970: whichever lies near `serverNow` is meant.
 */
export function captureOf(told: number | undefined, serverNow: number): number | null {
  if (told === undefined) return null;
  for (const captureMs of [told - NTP_OF_UNIX_MS, told])
    if (Math.abs(captureMs - serverNow) < DAY_MS) return captureMs;
  return null;
}

/* Milliseconds from one picture to another on RTP's clock, which turns over. 0 where either is not
 * known, or they are no neighbours. */
export function rtpMs(from: number | undefined, to: number | undefined): number {
  if (from === undefined || to === undefined) return 0;
  const ms = ((to - from) | 0) / 90;
  return Math.abs(ms) < NEIGHBOURS_MS ? ms : 0;
}

const CAPTURE_TIME = '/rtp-hdrext/abs-capture-time'; // the end of its URI

/* Chromium knows the extension and offers it to those who ask. Others offer it or have it not. */
function askForCaptureTime(transceiver: RTCRtpTransceiver): void {
  const it = transceiver as RTCRtpTransceiver & {
    getHeaderExtensionsToNegotiate?(): { uri: string; direction: string }[];
    setHeaderExtensionsToNegotiate?(extensions: { uri: string; direction: string }[]): void;
  };
  const extensions = it.getHeaderExtensionsToNegotiate?.();
  if (!extensions) return;
  for (const extension of extensions)
    if (extension.uri.endsWith(CAPTURE_TIME)) extension.direction = 'sendrecv';
  it.setHeaderExtensionsToNegotiate?.(extensions);
}

/* Null: who asks may not see the camera by any way. */
function whyRefused(status: number): WhyNot | null {
  if ([401, 403, 404].includes(status)) return null;
  if (status === 406) return 'codec';
  return status === 429 || status === 503 ? 'busy' : 'refused';
}

/* A fragment (RFC 8840) with the credentials of an offer, for the PATCH of a restart. */
export function fragmentOf(offer: string): string {
  const line = (name: string) => offer.split('\r\n').find((text) => text.startsWith(name));
  return [line('a=ice-ufrag:'), line('a=ice-pwd:'), line('m=video'), line('a=mid:')]
    .filter((text) => text !== undefined).join('\r\n') + '\r\n';
}

/* The answer with the credentials of a fragment in place of its own. */
export function restarted(answer: string, fragment: string): string {
  const value = (name: string) => new RegExp(`^${name}.*$`, 'm').exec(fragment)?.[0].trim();
  const ufrag = value('a=ice-ufrag:');
  const password = value('a=ice-pwd:');
  if (!ufrag || !password) return answer;
  return answer.replace(/^a=ice-ufrag:.*$/gm, ufrag).replace(/^a=ice-pwd:.*$/gm, password);
}

export class WhepRun {
  readonly video: HTMLVideoElement;
  readonly startedAt = performance.now();
  lastByteAt = performance.now();

  private readonly abort = new AbortController();
  private readonly peer: RTCPeerConnection;
  private receiver: RTCRtpReceiver | null = null;
  private session: string | null = null; // its address
  private isOver = false;
  private hasPicture = false;
  private timedAt = 0; // when a picture with its time of capture came last
  private firstAt = 0;
  private frameCallback = 0;
  private limit: ReturnType<typeof setTimeout> | undefined;
  private lost: ReturnType<typeof setTimeout> | undefined;
  private statsTimer: ReturnType<typeof setInterval> | undefined;
  private known: WhepStats | null = null;
  private last = { bytes: 0, frames: 0, received: 0, lost: 0, at: 0 };

  /* Browsers say no goodbye for a page that is left; the server would wait for its consent to end. */
  private readonly onLeft = () => this.end({ kind: 'closed' }, null);

  private audio: RTCRtpTransceiver | null = null;

  /* `wantsSound`: the camera is to be heard, once setMuted(false) says so. */
  constructor(private readonly url: string, private readonly events: WhepEvents, readonly wantsSound = false) {
    this.peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.video = document.createElement('video');
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.autoplay = true;
    this.video.tabIndex = -1;
  }

  start(): void {
    this.limit = setTimeout(() => this.giveUp(), FIRST_PICTURE_MS);
    this.statsTimer = setInterval(() => void this.readStats(), STATS_MS);
    this.peer.addEventListener('track', (event) => {
      const tracks = (this.video.srcObject as MediaStream | null)?.getTracks() ?? [];
      this.video.srcObject = new MediaStream([...tracks, event.track]);
    });
    this.peer.addEventListener('connectionstatechange', () => this.noteState());
    addEventListener('pagehide', this.onLeft);
    this.watchFrames();
    this.join().catch((error: unknown) => this.end({ kind: 'closed' },
      error instanceof DOMException && error.name !== 'AbortError' ? 'no-browser' : null));
  }

  stop(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.abort.abort();
    clearTimeout(this.limit);
    clearTimeout(this.lost);
    clearInterval(this.statsTimer);
    removeEventListener('pagehide', this.onLeft);
    if (this.frameCallback) this.video.cancelVideoFrameCallback(this.frameCallback);
    this.peer.close();
    this.video.srcObject = null;
    this.video.remove();
    if (this.session) this.leave(this.session);
  }

  /* Whether the server sends sound: it says so in its answer. */
  get hasSound(): boolean {
    return this.audio?.currentDirection === 'recvonly';
  }

  /* False: the browser wants a tap first, and it stays muted. */
  async setMuted(isMuted: boolean): Promise<boolean> {
    this.video.muted = isMuted;
    if (isMuted) return true;
    try {
      await this.video.play();
      return true;
    } catch (error) {
      if ((error as Error).name !== 'NotAllowedError') return true; // another picture came in between
      this.video.muted = true;
      void this.video.play().catch(() => undefined);
      return false;
    }
  }

  stats(): WhepStats | null {
    return this.known;
  }

  /* The peer's goodbye may be lost; this is not. */
  private leave(session: string): void {
    fetch(session, { method: 'DELETE', credentials: 'same-origin', keepalive: true }).catch(() => undefined);
  }

  private end(end: RunEnd, whyNot: WhyNot | null): void {
    if (this.isOver) return;
    this.events.onEnd(end, whyNot);
    this.stop();
  }

  /* Connected, and no picture: that is the camera's trouble, not the path's. No answer: the server's. */
  private giveUp(): void {
    if (!this.session) this.end({ kind: 'closed' }, null);
    else if (this.peer.connectionState === 'connected') this.end({ kind: 'broken', why: 'no picture' }, 'no-picture');
    else this.end({ kind: 'broken', why: 'no path' }, 'no-path');
  }

  private async join(): Promise<void> {
    const transceiver = this.peer.addTransceiver('video', { direction: 'recvonly' });
    this.receiver = transceiver.receiver;
    askForCaptureTime(transceiver);
    if ('jitterBufferTarget' in this.receiver) this.receiver.jitterBufferTarget = 0;
    if (this.wantsSound) this.audio = this.peer.addTransceiver('audio', { direction: 'recvonly' });
    await this.peer.setLocalDescription(await this.peer.createOffer());
    const response = await this.send('POST', this.url, 'application/sdp', this.peer.localDescription?.sdp ?? '');
    if (!response.ok) {
      const problem = await problemOf(response);
      this.end({ kind: 'refused', status: response.status, retryAfterS: problem.retryAfterS }, whyRefused(response.status));
      return;
    }
    const location = response.headers.get('Location');
    this.session = location && new URL(location, response.url).href;
    const sdp = await response.text();
    if (this.isOver) {
      if (this.session) this.leave(this.session);
      return;
    }
    await this.peer.setRemoteDescription({ type: 'answer', sdp });
  }

  private send(method: string, url: string, type: string, body: string, more: Record<string, string> = {}): Promise<Response> {
    return fetch(url, {
      method, body, headers: { 'Content-Type': type, ...more },
      signal: this.abort.signal, credentials: 'same-origin', cache: 'no-store',
    });
  }

  /* ---- the connection ---- */

  private noteState(): void {
    const state = this.peer.connectionState;
    if (state === 'connected') {
      clearTimeout(this.lost);
      this.lost = undefined;
    } else if (state === 'failed' && !this.hasPicture) {
      this.end({ kind: 'broken', why: 'no path' }, 'no-path');
    } else if ((state === 'disconnected' || state === 'failed') && this.lost === undefined) {
      this.lost = setTimeout(() => void this.restart(), state === 'failed' ? 0 : LOST_MS);
    } else if (state === 'closed') {
      this.end({ kind: 'closed' }, null);
    }
  }

  private async restart(): Promise<void> {
    this.lost = setTimeout(() => this.end({ kind: 'closed' }, null), RESTART_MS);
    const answer = this.peer.currentRemoteDescription?.sdp;
    if (!this.session || !answer) return;
    try {
      const offer = await this.peer.createOffer({ iceRestart: true });
      await this.peer.setLocalDescription(offer);
      const response = await this.send('PATCH', this.session, 'application/trickle-ice-sdpfrag',
        fragmentOf(offer.sdp ?? ''), { 'If-Match': '*' });
      if (!response.ok) throw new Error(`${response.status}`);
      await this.peer.setRemoteDescription({ type: 'answer', sdp: restarted(answer, await response.text()) });
    } catch {
      this.end({ kind: 'closed' }, null);
    }
  }

  /* ---- pictures ---- */

  private watchFrames(): void {
    const next = (now: number, metadata: FrameMetadata) => {
      if (this.isOver) return;
      this.noteFrame(metadata.expectedDisplayTime || now, metadata);
      this.frameCallback = this.video.requestVideoFrameCallback(next);
    };
    this.frameCallback = this.video.requestVideoFrameCallback(next);
  }

  private noteFrame(displayedAt: number, metadata: FrameMetadata): void {
    const now = performance.now();
    if (!this.hasPicture) {
      this.hasPicture = true;
      this.firstAt = this.timedAt = now;
      clearTimeout(this.limit);
    }
    const captureMs = this.captureMs(metadata);
    if (captureMs !== null) this.timedAt = now;
    this.events.onFrame({ captureMs, displayedAt });
    /* Only if it never had one: a clock that was lost for a moment (a sleep) is not the path's. */
    if (captureMs === null && this.timedAt === this.firstAt && now - this.firstAt > NO_TIME_MS && clock.now() !== null)
      this.end({ kind: 'broken', why: 'no time of capture' }, 'no-time');
  }

  private captureMs(metadata: FrameMetadata): number | null {
    const serverNow = clock.now();
    if (serverNow === null) return null;
    const source = this.receiver?.getSynchronizationSources()[0] as Sync | undefined;
    const told = captureOf(source?.captureTimestamp, serverNow);
    if (told !== null) return told + rtpMs(source?.rtpTimestamp, metadata.rtpTimestamp);
    /* From sender reports: on our own clock. */
    return metadata.captureTime === undefined ? null : serverNow - (performance.now() - metadata.captureTime);
  }

  /* ---- figures ---- */

  private async readStats(): Promise<void> {
    const report = await this.peer.getStats();
    if (this.isOver) return;
    let inbound: Record<string, number | string> | undefined;
    let pair: Record<string, number | string | boolean> | undefined;
    report.forEach((entry: { type: string } & Record<string, string>) => {
      if (entry.type === 'inbound-rtp' && entry.kind === 'video') inbound = entry;
      if (entry.type === 'candidate-pair' && entry.nominated) pair = entry;
    });
    if (inbound) this.takeStats(inbound, pair, report);
  }

  private takeStats(
    inbound: Record<string, number | string>,
    pair: Record<string, number | string | boolean> | undefined, report: RTCStatsReport,
  ): void {
    const now = performance.now();
    const of = (name: string) => Number(inbound[name] ?? 0);
    const seconds = (now - this.last.at) / 1000;
    const received = of('packetsReceived') - this.last.received;
    const lost = of('packetsLost') - this.last.lost;
    const codec = report.get(String(inbound.codecId)) as { mimeType?: string; sdpFmtpLine?: string } | undefined;
    const local = report.get(String(pair?.localCandidateId)) as { protocol?: string } | undefined;
    if (of('bytesReceived') > this.last.bytes) this.lastByteAt = now;
    this.known = {
      codec: codec?.mimeType?.replace('video/', '') ?? '',
      width: of('frameWidth'),
      height: of('frameHeight'),
      fps: (of('framesDecoded') - this.last.frames) / seconds,
      bitsPerSecond: (of('bytesReceived') - this.last.bytes) * 8 / seconds,
      dropped: of('framesDropped'),
      aheadS: of('jitterBufferEmittedCount') ? of('jitterBufferDelay') / of('jitterBufferEmittedCount') : 0,
      lossShare: received + lost > 0 ? Math.max(0, lost) / (received + lost) : null,
      roundTripMs: pair?.currentRoundTripTime === undefined ? null : Number(pair.currentRoundTripTime) * 1000,
      protocol: local?.protocol ?? '',
    };
    this.last = {
      bytes: of('bytesReceived'), frames: of('framesDecoded'), received: of('packetsReceived'),
      lost: of('packetsLost'), at: now,
    };
  }
}
