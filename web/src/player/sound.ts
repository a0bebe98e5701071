/*
 * Sound that does not come by WebRTC: sound.mp4 played in one <audio> of its own, beside the
 * picture. Begins with start(), ends once (onEnd says why) and is never used again.
 *
 * In step with the picture: each part tells when it was heard (prft). What plays is held as old as
 * the picture on screen, as far as the network lets it: small changes of speed, and a leap when they
 * would take too long.
 */

import { problemOf } from '../api/client';
import { clock } from '../state/clock';
import { Mp4Splitter } from './boxes';
import { mediaSourceClass } from './run';

/* gone: the right, or the sound. codec: this browser does not play it. closed: the connection.
 * blocked: the browser wants a tap first. */
export type SoundEnd = 'gone' | 'codec' | 'closed' | 'blocked';

const HOLD_MS = 250;
const LEAST_AHEAD_S = 0.15; // in the buffer, or it stutters
const LEAP_S = 0.8;
const NEAR_S = 0.06; // ears don't notice
const KEEP_S = 10;
const MAX_QUEUED = 500; // parts; a browser that takes none is given up

export class SoundRun {
  private readonly abort = new AbortController();
  private readonly audio = document.createElement('audio');
  private readonly splitter = new Mp4Splitter();
  private source: MediaSource | null = null;
  private buffer: SourceBuffer | null = null;
  private objectUrl = '';
  private queue: Uint8Array[] = [];
  private heard: { at: number; captureMs: number | null }[] = []; // of parts, by their place in the buffer
  private arriving: (number | null)[] = []; // times of capture of parts that are being added
  private timer: ReturnType<typeof setInterval> | undefined;
  private isOver = false;

  /* `pictureAgeMs`: of the picture on screen, null when it is not known. */
  constructor(private readonly url: string, private readonly pictureAgeMs: () => number | null,
    private readonly onEnd: (end: SoundEnd) => void) {}

  start(): void {
    void this.receive().catch((error: unknown) =>
      this.end(error instanceof TypeError || (error as Error).name === 'AbortError' ? 'closed' : 'codec'));
  }

  stop(): void {
    this.isOver = true;
    this.abort.abort();
    clearInterval(this.timer);
    this.audio.pause();
    this.audio.removeAttribute('src');
    this.audio.load();
    this.audio.remove();
    if (this.objectUrl) URL.revokeObjectURL(this.objectUrl);
    this.objectUrl = '';
  }

  get element(): HTMLAudioElement {
    return this.audio;
  }

  private end(end: SoundEnd): void {
    if (this.isOver) return;
    this.stop();
    this.onEnd(end);
  }

  private async receive(): Promise<void> {
    const response = await fetch(this.url, { signal: this.abort.signal, cache: 'no-store', credentials: 'same-origin' });
    if (!response.ok || !response.body) {
      const { status } = await problemOf(response);
      this.end(status === 503 ? 'closed' : status === 409 ? 'codec' : 'gone');
      return;
    }
    const type = response.headers.get('Content-Type') ?? '';
    const sourceClass = mediaSourceClass();
    if (!sourceClass?.isTypeSupported(type)) {
      this.end('codec');
      return;
    }
    await this.open(sourceClass, type);
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.isOver) break;
      for (const segment of this.splitter.push(value)) {
        this.queue.push(segment.bytes);
        if (segment.kind === 'fragment') this.arriving.push(segment.captureMs);
      }
      if (this.queue.length > MAX_QUEUED) throw new Error('the browser takes no more sound');
      this.pump();
    }
    this.end('closed');
  }

  private async open(sourceClass: typeof MediaSource, type: string): Promise<void> {
    const source = new sourceClass();
    this.source = source;
    this.audio.disableRemotePlayback = true;
    this.audio.src = this.objectUrl = URL.createObjectURL(source);
    await new Promise((done) => { source.addEventListener('sourceopen', done, { once: true }); });
    if (this.isOver) return;
    this.buffer = source.addSourceBuffer(type);
    this.buffer.mode = 'sequence'; // parts follow one another to the sample, whatever their jitter
    this.buffer.addEventListener('updateend', () => this.afterAppend());
    this.buffer.addEventListener('error', () => this.end('codec'));
    this.audio.addEventListener('error', () => this.end('codec'));
    this.timer = setInterval(() => this.hold(), HOLD_MS);
  }

  /* One segment at a time, so that where each stands in the buffer is known. */
  private pump(): void {
    const next = this.buffer?.updating ? undefined : this.queue.shift();
    if (this.isOver || !next || this.source?.readyState !== 'open') return;
    this.buffer?.appendBuffer(next as BufferSource);
  }

  private bufferEnd(): number {
    const { buffered } = this.audio;
    return buffered.length === 0 ? 0 : buffered.end(buffered.length - 1);
  }

  private afterAppend(): void {
    if (this.isOver) return;
    const end = this.bufferEnd();
    const last = this.heard[this.heard.length - 1];
    if (end > (last?.at ?? 0) && this.arriving.length > 0)
      this.heard.push({ at: end, captureMs: this.arriving.shift() ?? null });
    if (this.audio.paused && end > LEAST_AHEAD_S) this.play();
    if (this.buffer && !this.buffer.updating && this.audio.currentTime > 2 * KEEP_S)
      this.buffer.remove(0, this.audio.currentTime - KEEP_S);
    this.heard.splice(0, this.heard.findIndex((one) => one.at > this.audio.currentTime - 1));
    this.pump();
  }

  private play(): void {
    this.audio.play().catch((error: unknown) => {
      if ((error as Error).name === 'NotAllowedError') this.end('blocked');
    });
  }

  /* How old what plays is; null when that is not known. `at` is where a part ends. */
  private ageS(): number | null {
    const now = clock.now();
    const part = this.heard.find((one) => one.at > this.audio.currentTime);
    if (now === null || !part || part.captureMs === null) return null;
    return (now - part.captureMs) / 1000 - (this.audio.currentTime - part.at);
  }

  private hold(): void {
    if (this.isOver || this.audio.paused || this.audio.seeking) return;
    const ahead = this.bufferEnd() - this.audio.currentTime;
    const age = this.ageS();
    const wanted = this.pictureAgeMs();
    /* Positive: it is too late. Never nearer to the end of the buffer than what it needs. */
    let late = age === null || wanted === null ? ahead - 2 * LEAST_AHEAD_S : age - wanted / 1000;
    late = Math.min(late, ahead - LEAST_AHEAD_S);
    if (late > LEAP_S) {
      this.audio.currentTime += late;
      this.audio.playbackRate = 1;
    } else {
      this.audio.playbackRate = Math.abs(late) < NEAR_S ? 1 : Math.min(1.06, Math.max(0.94, 1 + late / 4));
    }
  }
}
