/*
 * One answer to live.mp4 played in one <video> of its own, at the live edge. A run begins with
 * start(), ends once (onEnd says why) and is never used again: element, MediaSource and buffer go
 * with it, so that nothing of a picture can remain for another camera.
 *
 * Playing at the edge: the cached group of pictures arrives in one burst; its first picture is shown
 * at once, then one seek goes to the newest. From there edge.ts says how far behind to stay, and small
 * changes of speed hold it there.
 */

import { problemOf } from '../api/client';
import { Mp4Splitter, type Fragment, type InitSegment } from './boxes';
import { Edge } from './edge';

export type RunEnd =
  | { kind: 'refused'; status: number; retryAfterS: number | null }
  | { kind: 'closed' } // the server or the network ended it
  | { kind: 'unplayable' } // this browser has no decoder for it
  | { kind: 'broken'; why: string }; // what came cannot be played

export interface Shown {
  captureMs: number | null; // of the picture on screen, server's clock
  displayedAt: number; // performance.now() at which it reached the screen
}

export interface RunStats {
  codec: string;
  width: number;
  height: number;
  fps: number;
  bitsPerSecond: number;
  dropped: number;
  aheadS: number;
}

interface Events {
  onFrame(shown: Shown): void;
  onEnd(end: RunEnd): void;
}

type SourceConstructor = typeof MediaSource;

export function mediaSourceClass(): SourceConstructor | null {
  const scope = globalThis as unknown as {
    ManagedMediaSource?: SourceConstructor;
    MediaSource?: SourceConstructor;
  };
  return scope.ManagedMediaSource ?? scope.MediaSource ?? null;
}

const hasFrameCallbacks = typeof HTMLVideoElement !== 'undefined'
  && 'requestVideoFrameCallback' in HTMLVideoElement.prototype;

const KEEP_BEHIND_S = 8;
const GAP_NEAR_S = 0.02;
const BURST_QUIET_MS = 25; // the cached pictures are in when nothing came for so long
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
const MAX_GAP_S = 10; // a larger jump of the media clock starts a new run

export class Run {
  readonly video: HTMLVideoElement;
  readonly startedAt = performance.now();
  lastByteAt = performance.now();

  private readonly abort = new AbortController();
  private readonly source: MediaSource;
  private readonly objectUrl: string;
  private readonly splitter = new Mp4Splitter();
  private buffer: SourceBuffer | null = null;
  private init: InitSegment | null = null;
  private queue: (InitSegment | Fragment)[] = [];
  private queuedBytes = 0;
  private captures: { at: number; captureMs: number | null }[] = [];
  private firstTime: number | null = null; // media time that stands at 0 in the buffer
  private lastTime = 0;
  private intervalS = 0.05;
  private readonly edge = new Edge();
  private appending: number[] = []; // times in the buffer of the pictures being added to it
  private burstTimer: ReturnType<typeof setTimeout> | null = null;
  private isAtEdge = false;
  private edgeAt = Infinity; // figures are counted from then on: before, cached pictures came and were skipped
  private droppedBefore: number | null = null;
  private isOver = false;
  private control: ReturnType<typeof setInterval> | null = null;
  private frameCallback = 0;
  private seenFrames = 0;
  private rate = { bytes: 0, frames: 0, since: performance.now(), bits: 0, fps: 0 };

  constructor(
    private readonly url: string, private readonly sourceClass: SourceConstructor, private readonly events: Events,
  ) {
    this.source = new sourceClass();
    this.video = document.createElement('video');
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.autoplay = true;
    this.video.disableRemotePlayback = true; // asked for by ManagedMediaSource
    this.video.tabIndex = -1;
    this.objectUrl = URL.createObjectURL(this.source);
    this.video.src = this.objectUrl;
  }

  start(): void {
    this.source.addEventListener('sourceopen', () => this.pump(), { once: true });
    this.video.addEventListener('error', () =>
      this.end({ kind: 'broken', why: this.video.error?.message ?? 'decoder' }));
    this.control = setInterval(() => this.holdEdge(), 100);
    this.watchFrames();
    void this.receive();
  }

  stop(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.abort.abort();
    if (this.control) clearInterval(this.control);
    if (this.burstTimer) clearTimeout(this.burstTimer);
    if (this.frameCallback) this.video.cancelVideoFrameCallback(this.frameCallback);
    this.queue = [];
    this.captures = [];
    this.video.pause();
    this.video.removeAttribute('src');
    this.video.load();
    this.video.remove();
    URL.revokeObjectURL(this.objectUrl);
  }

  stats(): RunStats | null {
    if (!this.init) return null;
    return {
      codec: this.init.codec,
      width: this.init.width,
      height: this.init.height,
      fps: this.rate.fps,
      bitsPerSecond: this.rate.bits,
      dropped: this.droppedBefore === null ? 0 : this.droppedSoFar() - this.droppedBefore,
      aheadS: this.aheadS(),
    };
  }

  private end(end: RunEnd): void {
    if (this.isOver) return;
    this.events.onEnd(end);
    this.stop();
  }

  private async receive(): Promise<void> {
    try {
      const response = await fetch(this.url, {
        signal: this.abort.signal, cache: 'no-store', credentials: 'same-origin',
      });
      if (!response.ok || !response.body) {
        const problem = await problemOf(response);
        this.end({ kind: 'refused', status: response.status, retryAfterS: problem.retryAfterS });
        return;
      }
      if (!this.sourceClass.isTypeSupported(response.headers.get('Content-Type') ?? '')) {
        this.end({ kind: 'unplayable' });
        return;
      }
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.isOver) break;
        this.take(value);
      }
      this.end({ kind: 'closed' });
    } catch (error) {
      this.end(error instanceof TypeError || (error as Error).name === 'AbortError'
        ? { kind: 'closed' } : { kind: 'broken', why: String(error) });
    }
  }

  private take(chunk: Uint8Array): void {
    const now = performance.now();
    this.lastByteAt = now;
    for (const segment of this.splitter.push(chunk)) {
      if (segment.kind === 'fragment') this.noteFragment(segment);
      this.queue.push(segment);
      this.queuedBytes += segment.bytes.byteLength;
    }
    this.rate.bytes += chunk.byteLength;
    if (now - this.rate.since >= 1000) {
      const seconds = (now - this.rate.since) / 1000;
      const isAfterBurst = this.rate.since >= this.edgeAt;
      if (isAfterBurst) this.droppedBefore ??= this.droppedSoFar();
      this.rate = {
        bytes: 0, frames: 0, since: now,
        bits: isAfterBurst ? (this.rate.bytes * 8) / seconds : 0, fps: isAfterBurst ? this.rate.frames / seconds : 0,
      };
    }
    if (this.queuedBytes > MAX_QUEUED_BYTES) throw new Error('the browser takes no more pictures');
    this.pump();
  }

  private droppedSoFar(): number {
    return this.video.getVideoPlaybackQuality?.().droppedVideoFrames ?? 0;
  }

  private noteFragment(fragment: Fragment): void {
    this.rate.frames++;
    if (this.firstTime === null) this.firstTime = fragment.mediaTime;
    else {
      const step = fragment.mediaTime - this.lastTime;
      if (step < 0 || step > MAX_GAP_S) throw new Error('the clock of the stream jumped');
      if (step > 0) this.intervalS += (Math.min(step, 2) - this.intervalS) * 0.1;
    }
    this.lastTime = fragment.mediaTime;
    this.captures.push({ at: fragment.mediaTime - this.firstTime, captureMs: fragment.captureMs });
  }

  /* Gives the browser everything that waits, in one piece up to the next change of parameters. */
  private pump(): void {
    if (this.isOver || this.source.readyState !== 'open' || this.buffer?.updating) return;
    const head = this.queue[0];
    if (!head) return;
    if (head.kind === 'init') {
      this.queue.shift();
      this.queuedBytes -= head.bytes.byteLength;
      this.openBuffer(head);
      this.buffer?.appendBuffer(head.bytes as BufferSource);
      return;
    }
    if (!this.buffer || this.firstTime === null) return;
    const until = this.queue.findIndex((segment) => segment.kind === 'init');
    const batch = this.queue.splice(0, until < 0 ? this.queue.length : until);
    const size = batch.reduce((n, segment) => n + segment.bytes.byteLength, 0);
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const segment of batch) {
      bytes.set(segment.bytes, at);
      at += segment.bytes.byteLength;
    }
    this.queuedBytes -= size;
    this.appending = this.isAtEdge ? batch.map((segment) => (segment as Fragment).mediaTime - this.firstTime!) : [];
    this.buffer.timestampOffset = -this.firstTime;
    this.buffer.appendBuffer(bytes);
  }

  private openBuffer(init: InitSegment): void {
    const type = `video/mp4; codecs="${init.codec}"`;
    if (!this.buffer) {
      this.buffer = this.source.addSourceBuffer(type);
      this.buffer.mode = 'segments';
      this.buffer.addEventListener('updateend', () => this.afterAppend());
      this.buffer.addEventListener('error', () => this.end({ kind: 'broken', why: 'append' }));
    } else if (this.init?.codec !== init.codec) this.buffer.changeType(type);
    this.init = init;
  }

  private afterAppend(): void {
    if (this.isOver) return;
    const nowS = performance.now() / 1000;
    for (const mediaS of this.appending.splice(0)) this.edge.arrived(nowS, mediaS);
    try {
      if (!this.isAtEdge && this.video.buffered.length > 0) {
        if (this.video.paused) void this.video.play().catch(() => undefined);
        if (this.burstTimer) clearTimeout(this.burstTimer);
        this.burstTimer = setTimeout(() => this.goToEdge(), BURST_QUIET_MS);
      }
      this.trim();
      this.pump();
    } catch (error) {
      this.end({ kind: 'broken', why: String(error) });
    }
  }

  private trim(): void {
    const { buffered, currentTime } = this.video;
    if (!this.buffer || this.buffer.updating || buffered.length === 0) return;
    if (currentTime - buffered.start(0) > 3 * KEEP_BEHIND_S)
      this.buffer.remove(0, currentTime - KEEP_BEHIND_S);
  }

  private aheadS(): number {
    const { buffered, currentTime } = this.video;
    return buffered.length === 0 ? 0 : buffered.end(buffered.length - 1) - currentTime;
  }

  private goToEdge(): void {
    this.isAtEdge = true;
    if (this.aheadS() > this.intervalS + this.edge.slackS + 0.1) this.seekToEdge();
    this.edgeAt = performance.now();
  }

  private seekToEdge(): void {
    this.video.currentTime += this.aheadS() - this.intervalS - this.edge.slackS;
  }

  private holdEdge(): void {
    if (!this.isAtEdge || this.isOver || this.video.seeking) return;
    const { rate, mustSeek } = this.edge.judge(performance.now() / 1000, this.video.currentTime);
    if (mustSeek || this.isBeforeGap()) this.seekToEdge();
    if (this.video.playbackRate !== rate) this.video.playbackRate = rate;
    if (this.video.paused && !document.hidden) void this.video.play().catch(() => undefined);
  }

  /* The server left pictures out, for a slow reader: browsers wait there for what never comes. */
  private isBeforeGap(): boolean {
    const { buffered, currentTime } = this.video;
    for (let n = 0; n + 1 < buffered.length; n++)
      if (currentTime > buffered.end(n) - GAP_NEAR_S && currentTime < buffered.start(n + 1)) return true;
    return false;
  }

  private watchFrames(): void {
    if (hasFrameCallbacks) {
      const next = () => {
        this.frameCallback = this.video.requestVideoFrameCallback((_now, frame) => {
          if (this.isAtEdge) this.edge.shown(frame.expectedDisplayTime / 1000, this.intervalS);
          this.report(frame.mediaTime, frame.expectedDisplayTime);
          next();
        });
      };
      next();
    } else {
      this.video.addEventListener('timeupdate', () => this.reportByCount());
      this.video.addEventListener('waiting', () => {
        if (this.isAtEdge && !this.video.seeking) this.edge.stalled(performance.now() / 1000);
      });
    }
  }

  /* Browsers without frame callbacks: a picture is new when the count of pictures has grown. */
  private reportByCount(): void {
    const frames = this.video.getVideoPlaybackQuality().totalVideoFrames;
    if (frames === this.seenFrames) return;
    this.seenFrames = frames;
    this.report(this.video.currentTime, performance.now());
  }

  private report(mediaTime: number, displayedAt: number): void {
    if (this.isOver) return;
    let index = this.captures.length - 1;
    while (index > 0 && this.captures[index]!.at > mediaTime + 0.002) index--;
    const entry = this.captures[index];
    const isNear = entry && Math.abs(mediaTime - entry.at) < Math.max(0.1, this.intervalS * 1.5);
    this.captures.splice(0, Math.max(0, index - 1));
    this.events.onFrame({ captureMs: isNear ? entry.captureMs : null, displayedAt });
  }
}
