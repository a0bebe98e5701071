/*
 * Pictures by WebRTC (WHEP): one session of one camera in one <video> of its own. Begins with
 * start(), ends once (onEnd says why) and is never used again, like Run, which it stands in for. A
 * session that does not come to a picture within FIRST_PICTURE_MS is given up.
 */

import type { Speech } from '../api/types';
import { clock } from '../state/clock';
import { RtcSession, type RtcEnd } from './rtc-session';
import type { RunEnd, RunStats, Shown } from './run';
import type { WhyNot } from './ways';

const FIRST_PICTURE_MS = 5_000;
const NO_TIME_MS = 4_000; // pictures without a time of capture are borne for so long
const STATS_MS = 1_000;
const OFTEN_MS = 125; // pictures come at least so often,
const STALL_MS = 500; // and then none for so long: browsers take seconds to find that a network is gone
const NTP_OF_UNIX_MS = 2_208_988_800_000; // from 1900 to 1970
const DAY_MS = 86_400_000;
const NEIGHBOURS_MS = 5_000;

export interface WhepStats extends RunStats {
  lossShare: number | null; // of the packets of the last seconds
  roundTripMs: number | null;
  protocol: string; // "udp", "tcp"
  speechBitsPerSecond: number | null; // what is said; null: nothing may be
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

export class WhepRun {
  readonly video: HTMLVideoElement;
  readonly startedAt = performance.now();
  lastByteAt = performance.now();

  private readonly session: RtcSession;
  private receiver: RTCRtpReceiver | null = null;
  private isOver = false;
  private hasPicture = false;
  private timedAt = 0; // when a picture with its time of capture came last
  private firstAt = 0;
  private frameCallback = 0;
  private shownAt = 0; // the newest picture
  private usualMs = Infinity; // between two of them, of late
  private stall: ReturnType<typeof setTimeout> | undefined;
  private limit: ReturnType<typeof setTimeout> | undefined;
  private statsTimer: ReturnType<typeof setInterval> | undefined;
  private known: WhepStats | null = null;
  private last = { bytes: 0, frames: 0, received: 0, lost: 0, said: 0, at: 0 };

  private audio: RTCRtpTransceiver | null = null;
  private microphone: MediaStreamTrack | null = null;

  /* `wantsSound`: the camera is to be heard, once setMuted(false) says so. `maySpeak`: it is to be
   * spoken to, once setMicrophone() brings somebody's voice. */
  constructor(url: string, private readonly events: WhepEvents, readonly wantsSound = false, readonly maySpeak = false) {
    this.session = new RtcSession(url, { onEnd: (end) => this.noteEnd(end) });
    this.video = document.createElement('video');
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.autoplay = true;
    this.video.tabIndex = -1;
  }

  start(): void {
    this.limit = setTimeout(() => this.giveUp(), FIRST_PICTURE_MS);
    this.statsTimer = setInterval(() => void this.readStats(), STATS_MS);
    this.session.peer.addEventListener('track', (event) => {
      const tracks = (this.video.srcObject as MediaStream | null)?.getTracks() ?? [];
      this.video.srcObject = new MediaStream([...tracks, event.track]);
    });
    this.watchFrames();
    this.join().catch((error: unknown) => this.end({ kind: 'closed' },
      error instanceof DOMException && error.name !== 'AbortError' ? 'no-browser' : null));
  }

  stop(): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.limit);
    clearTimeout(this.stall);
    clearInterval(this.statsTimer);
    if (this.frameCallback) this.video.cancelVideoFrameCallback(this.frameCallback);
    this.session.close();
    this.video.srcObject = null;
    this.video.remove();
  }

  /* Whether the server sends sound: it says so in its answer. */
  get hasSound(): boolean {
    return ['recvonly', 'sendrecv'].includes(this.audio?.currentDirection ?? '');
  }

  /* Whether it takes speech in: likewise. */
  get takesSpeech(): boolean {
    return ['sendonly', 'sendrecv'].includes(this.audio?.currentDirection ?? '');
  }

  /* What is said from here on; null: nothing. Without a track not a packet is sent. */
  setMicrophone(track: MediaStreamTrack | null): void {
    this.microphone = track;
    if (this.takesSpeech && !this.isOver) void this.audio?.sender.replaceTrack(track).catch(() => undefined);
  }

  /* What becomes of what is said; null: that is not known. */
  async readSpeech(): Promise<Speech | null> {
    return (await this.session.read<{ speech: Speech | null }>())?.speech ?? null;
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

  private end(end: RunEnd, whyNot: WhyNot | null): void {
    if (this.isOver) return;
    this.events.onEnd(end, whyNot);
    this.stop();
  }

  /* Connected, and no picture: that is the camera's trouble, not the path's. No answer: the server's. */
  private giveUp(): void {
    if (!this.session.isAnswered) this.end({ kind: 'closed' }, null);
    else if (this.session.peer.connectionState === 'connected') this.end({ kind: 'broken', why: 'no picture' }, 'no-picture');
    else this.end({ kind: 'broken', why: 'no path' }, 'no-path');
  }

  private noteEnd(end: RtcEnd): void {
    if (end === 'never') this.end({ kind: 'broken', why: 'no path' }, 'no-path');
    else this.end({ kind: 'closed' }, null);
  }

  private async join(): Promise<void> {
    const { peer } = this.session;
    const transceiver = peer.addTransceiver('video', { direction: 'recvonly' });
    this.receiver = transceiver.receiver;
    askForCaptureTime(transceiver);
    if ('jitterBufferTarget' in this.receiver) this.receiver.jitterBufferTarget = 0;
    if (this.wantsSound || this.maySpeak) {
      const direction = !this.maySpeak ? 'recvonly' : this.wantsSound ? 'sendrecv' : 'sendonly';
      this.audio = peer.addTransceiver('audio', { direction });
    }
    const problem = await this.session.open();
    if (problem) this.end({ kind: 'refused', status: problem.status, retryAfterS: problem.retryAfterS }, whyRefused(problem.status));
    else if (this.microphone) this.setMicrophone(this.microphone);
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
    this.awaitNext(now);
    const captureMs = this.captureMs(metadata);
    if (captureMs !== null) this.timedAt = now;
    this.events.onFrame({ captureMs, displayedAt });
    /* Only if it never had one: a clock that was lost for a moment (a sleep) is not the path's. */
    if (captureMs === null && this.timedAt === this.firstAt && now - this.firstAt > NO_TIME_MS && clock.now() !== null)
      this.end({ kind: 'broken', why: 'no time of capture' }, 'no-time');
  }

  /* The picture that stands may be the camera's doing, or the network's. A page that nobody looks at is shown none. */
  private awaitNext(now: number): void {
    const betweenMs = now - (this.shownAt || now - OFTEN_MS);
    this.usualMs = this.usualMs === Infinity ? betweenMs : this.usualMs * 0.9 + betweenMs * 0.1;
    this.shownAt = now;
    clearTimeout(this.stall);
    if (this.usualMs > OFTEN_MS) return;
    this.stall = setTimeout(() => {
      if (!document.hidden) this.session.doubt();
    }, STALL_MS);
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
    const report = await this.session.peer.getStats();
    if (this.isOver) return;
    let inbound: Record<string, number | string> | undefined;
    let pair: Record<string, number | string | boolean> | undefined;
    let said = 0;
    report.forEach((entry: { type: string } & Record<string, string>) => {
      if (entry.type === 'inbound-rtp' && entry.kind === 'video') inbound = entry;
      if (entry.type === 'outbound-rtp' && entry.kind === 'audio') said = Number(entry.bytesSent ?? 0);
      if (entry.type === 'candidate-pair' && entry.nominated) pair = entry;
    });
    if (inbound) this.takeStats(inbound, pair, report, said);
  }

  private takeStats(
    inbound: Record<string, number | string>,
    pair: Record<string, number | string | boolean> | undefined, report: RTCStatsReport, said: number,
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
      speechBitsPerSecond: this.takesSpeech ? (said - this.last.said) * 8 / seconds : null,
    };
    this.last = {
      bytes: of('bytesReceived'), frames: of('framesDecoded'), received: of('packetsReceived'),
      lost: of('packetsLost'), said, at: now,
    };
  }
}
