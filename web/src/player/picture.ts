/*
 * The picture of one camera inside one element: a dated still first, then moving pictures, and at
 * every moment a status that says how old what is on screen is. Nothing is called live unless its
 * time of capture and the server's clock are both known.
 *
 * One Picture belongs to one camera for life. destroy() and a refusal take every pixel off the page.
 */

import { api, GUEST, livePath, soundPath, stillPath, whepPath } from '../api/client';
import type { SoundInfo, Speech, StreamName } from '../api/types';
import { clock } from '../state/clock';
import { mediaSourceClass, Run, type RunEnd, type RunStats, type Shown } from './run';
import { waitForPlace, type Release } from './slots';
import { SoundRun, type SoundEnd } from './sound';
import { ways, type Way, type WhyNot } from './ways';
import { WhepRun, type WhepStats } from './whep';

export type StillsWhy = 'connections' | 'no-mse' | 'codec';

export type PictureStatus =
  | { kind: 'idle'; takenMs: number | null }
  | { kind: 'connecting'; takenMs: number | null }
  | { kind: 'live'; ageMs: number }
  | { kind: 'behind'; ageMs: number | null } // null: how far is not known
  | { kind: 'frozen'; takenMs: number | null }
  | { kind: 'stills'; takenMs: number | null; why: StillsWhy }
  | { kind: 'no-right' };

/* off: not wanted. starting: on its way. on: it sounds. Else why it does not: way: this codec comes
 * by WebRTC alone, which does not work here now; none: the server sends none. */
export type SoundStatus = 'off' | 'starting' | 'on' | 'none' | Exclude<SoundEnd, 'closed'>;

/* Whether the camera can be spoken to. starting: it is being connected. way: that needs WebRTC, which
 * does not work here now. none: the server takes no speech in. */
export type SpeechWay = 'ready' | 'starting' | 'way' | 'none';

export interface PictureStats extends Partial<RunStats>,
  Partial<Pick<WhepStats, 'lossShare' | 'roundTripMs' | 'protocol' | 'speechBitsPerSecond'>> {
  ageMs: number | null;
  way: Way | null; // null: no pictures are asked for
  whyNotWebrtc: WhyNot | null;
}

const STRANGER_MS = 1_000; // who is told to sign in, and is signed in, has a token that is being replaced
const BEHIND_MS = 1_000;
const BEHIND_END_MS = 800; // so that the words don't flicker
const FROZEN_MS = 3_000;
const SETTLE_MS = 1_500; // a run may catch up from the cached pictures for so long
const SILENT_MS = 12_000; // no byte for so long: the connection is dead
const STUCK_MS = 6_000; // bytes come and no picture
const STILL_EVERY_MS = 2_000;
const SOUND_AGAIN_MS = 2_000;
const LOWERED = 0.15; // the camera's sound while it is spoken to: it would hear itself
const CODEC_AGAIN_MS = 60_000; // a camera may be set to another codec
const BACK_OFF_MS = [250, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

export class Picture {
  status: PictureStatus = { kind: 'idle', takenMs: null };

  private run: Run | WhepRun | null = null;
  private next: WhepRun | null = null; // a better way that is tried while another one plays
  sound: SoundStatus = 'off';
  onSound: (status: SoundStatus) => void = () => undefined;

  private codec: SoundInfo['codec'] | null = null; // of the sound that is wanted
  private soundRun: SoundRun | null = null;
  private soundTimer: ReturnType<typeof setTimeout> | undefined;
  private maySpeak = false;
  private microphone: MediaStreamTrack | null = null;
  private whyNotWebrtc: WhyNot | null = null;
  private release: Release | null = null;
  private stopWaiting: Release | null = null;
  private still: HTMLElement | null = null;
  private stillUrl: string | null = null;
  private stillTakenMs: number | null = null;
  private stillsWhy: StillsWhy | null = null;
  private stillTimer: ReturnType<typeof setTimeout> | undefined;
  private stillAbort: AbortController | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private retries = 0;
  private shown: Shown | null = null;
  private firstShownAt = 0;
  private isSettled = false;
  private isBehind = false;
  private isActive = false;
  private isOver = false;
  private readonly watch: ReturnType<typeof setInterval>;

  constructor(
    private readonly host: HTMLElement,
    private readonly home: string,
    private readonly camera: string,
    private stream: StreamName,
    private readonly stillWidth: number,
    private readonly onStatus: (status: PictureStatus) => void,
  ) {
    this.watch = setInterval(() => this.judge(), 200);
  }

  get video(): HTMLVideoElement | null {
    return this.run?.video ?? null;
  }

  /* Starts or stops moving pictures; what was on screen stays, dated. */
  setActive(isActive: boolean): void {
    if (this.isOver || isActive === this.isActive || this.status.kind === 'no-right') return;
    this.isActive = isActive;
    if (isActive) {
      this.retries = 0;
      this.mindSound();
      if (this.stillTakenMs === null) void this.fetchStill();
      this.connect();
    } else {
      this.keepLast();
      this.stopAll();
    }
    this.judge();
  }

  setStream(stream: StreamName): void {
    if (stream === this.stream) return;
    this.stream = stream;
    if (!this.isActive) return;
    this.setActive(false);
    this.setActive(true);
  }

  /* The sound of this codec is wanted; null: none is. Off goes at once, on as soon as it can. */
  setSound(codec: SoundInfo['codec'] | null): void {
    this.codec = codec;
    this.soundRun?.stop();
    this.soundRun = null;
    if (this.run instanceof WhepRun) void this.run.setMuted(true);
    this.mindSound();
  }

  /* The camera is to be spoken to, now and then: speech goes by the session of the pictures. */
  setMaySpeak(maySpeak: boolean): void {
    if (maySpeak === this.maySpeak) return;
    this.maySpeak = maySpeak;
    if (!maySpeak) this.setMicrophone(null);
    this.rejoin();
  }

  get speechWay(): SpeechWay {
    if (!(this.run instanceof WhepRun)) return this.run || this.stillsWhy ? 'way' : 'starting';
    if (this.run.takesSpeech) return 'ready';
    return this.run.maySpeak && this.shown ? 'none' : 'starting';
  }

  /* What is said from here on, by whatever session there is; null: nothing. */
  setMicrophone(track: MediaStreamTrack | null): void {
    this.microphone = track;
    if (this.run instanceof WhepRun) this.run.setMicrophone(track);
    this.mindVolume();
  }

  readSpeech(): Promise<Speech | null> {
    return this.run instanceof WhepRun ? this.run.readSpeech() : Promise.resolve(null);
  }

  destroy(): void {
    this.isOver = true;
    clearInterval(this.watch);
    this.stopAll();
    ways.leave(this);
    this.dropStill();
  }

  stats(): PictureStats {
    const way = this.run instanceof WhepRun ? 'webrtc' : this.run ? 'mse' : this.stillsWhy ? 'stills' : null;
    return { ...(this.run?.stats() ?? {}), ageMs: this.ageOfShown(), way, whyNotWebrtc: this.whyNotWebrtc };
  }

  /* The picture on screen as a PNG with its time of capture. */
  async grab(): Promise<{ blob: Blob; takenMs: number | null } | null> {
    const source = this.shown && this.video?.videoWidth ? this.video : this.still;
    if (!(source instanceof HTMLVideoElement || source instanceof HTMLImageElement
      || source instanceof HTMLCanvasElement)) return null;
    const takenMs = source === this.video ? (this.shown?.captureMs ?? null) : this.stillTakenMs;
    const canvas = copyOf(source, Infinity);
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'));
    return blob && { blob, takenMs };
  }

  /* ---- sound ---- */

  private tellSound(status: SoundStatus): void {
    if (status === this.sound) return;
    this.sound = status;
    this.onSound(status);
  }

  /* The server makes over what the one or the other way does not carry. */
  private get soundByWebrtc(): boolean {
    return this.codec !== null;
  }

  /* Brings about what is wanted, by what plays now. Called whenever that changes. */
  private mindSound(): void {
    clearTimeout(this.soundTimer);
    if (this.codec === null || !this.isActive) {
      this.closeSound();
      this.tellSound('off');
      this.rejoin();
    } else if (this.run instanceof WhepRun) {
      this.closeSound();
      this.mindTrack(this.run);
    } else if (this.run || this.stillsWhy) {
      if (!this.soundRun) this.openSound();
    } else {
      this.tellSound('starting');
    }
  }

  /* Sound and speech go by the session that asks for them: the picture goes on in the one there is
   * until the other shows one. */
  private rejoin(): void {
    const isOther = this.run instanceof WhepRun && this.shown
      && (this.run.wantsSound !== this.soundByWebrtc || this.run.maySpeak !== this.maySpeak);
    if (isOther && !this.next && this.isActive) this.beginNext();
  }

  private mindVolume(): void {
    const volume = this.microphone ? LOWERED : 1;
    if (this.run) this.run.video.volume = volume;
    if (this.soundRun) this.soundRun.element.volume = volume;
  }

  private mindTrack(run: WhepRun): void {
    if (!run.wantsSound) {
      this.tellSound('starting');
      this.rejoin();
    } else if (this.shown) {
      const { hasSound } = run;
      void run.setMuted(!hasSound).then((isAllowed) => {
        if (this.run === run && this.soundByWebrtc) this.tellSound(!isAllowed ? 'blocked' : hasSound ? 'on' : 'none');
      });
    }
  }

  private closeSound(): void {
    this.soundRun?.stop();
    this.soundRun = null;
  }

  private openSound(): void {
    const run: SoundRun = new SoundRun(soundPath(this.home, this.camera), () => this.ageOfShown(), (end) => {
      if (this.soundRun !== run) return;
      this.soundRun = null;
      this.tellSound(end === 'closed' ? 'starting' : end);
      if (end === 'closed') this.soundTimer = setTimeout(() => this.mindSound(), SOUND_AGAIN_MS);
      else this.codec = null;
    });
    this.soundRun = run;
    run.element.addEventListener('playing', () => this.soundRun === run && this.tellSound('on'));
    this.host.append(run.element);
    this.mindVolume();
    this.tellSound('starting');
    run.start();
  }

  /* ---- pictures ---- */

  /* The quickest way first; each that fails says so, and the next one is taken. */
  private connect(): void {
    if (!ways.isKnown) {
      void ways.whenKnown().then(() => this.isIdle() && this.connect());
      return;
    }
    this.whyNotWebrtc = ways.whyNot(this, Date.now());
    if (this.whyNotWebrtc === null) this.begin(this.makeWhep());
    else this.connectByHttp();
  }

  /* Wanted, and nothing under way. */
  private isIdle(): boolean {
    return this.isActive && !this.isOver && !this.run && !this.stopWaiting && !this.stillsWhy;
  }

  private makeWhep(): WhepRun {
    const run: WhepRun = new WhepRun(whepPath(this.home, this.camera, this.stream), {
      onFrame: (shown) => {
        if (this.next === run) this.promote(run);
        if (this.run === run) this.noteFrame(shown);
      },
      onEnd: (end, whyNot) => {
        if (this.next === run) this.giveUpNext(whyNot);
        else if (this.run === run) this.noteWhepEnd(end, whyNot);
      },
    }, this.soundByWebrtc, this.maySpeak);
    return run;
  }

  /* The reason against the quickest way is over: it is tried beside the one that plays. */
  private tryBetter(): void {
    const plays = (this.run instanceof Run && this.isSettled) || this.stillsWhy !== null;
    if (!plays || this.next || document.hidden || ways.whyNot(this, Date.now()) !== null) return;
    this.beginNext();
  }

  private beginNext(): void {
    this.next = this.makeWhep();
    this.next.video.hidden = true;
    this.host.append(this.next.video);
    this.next.start();
  }

  private promote(run: WhepRun): void {
    this.next = null;
    this.run?.stop();
    this.letGo();
    this.stillsWhy = null;
    this.whyNotWebrtc = null;
    this.run = run;
    this.shown = null;
    run.setMicrophone(this.microphone);
    this.mindVolume();
    run.video.hidden = false;
  }

  private giveUpNext(whyNot: WhyNot | null): void {
    this.next = null;
    if (this.run instanceof WhepRun) { // that way works: it was for the sound
      if (this.codec !== null) this.tellSound('none');
      return;
    }
    this.whyNotWebrtc = whyNot ?? 'refused';
    ways.fail(this.whyNotWebrtc, this, Date.now());
  }

  /* A way that does not work is left at once: the next one is tried without a wait. */
  private noteWhepEnd(end: RunEnd, whyNot: WhyNot | null): void {
    if (whyNot === null) {
      this.noteEnd(end);
      return;
    }
    ways.fail(whyNot, this, Date.now());
    this.keepLast();
    this.run = null;
    this.shown = null;
    this.connect();
  }

  private connectByHttp(): void {
    const sourceClass = mediaSourceClass();
    if (!sourceClass) {
      this.pollStills('no-mse');
      return;
    }
    this.stopWaiting = waitForPlace(
      (release) => {
        this.release = release;
        this.stillsWhy = null;
        this.openRun(sourceClass);
      },
      () => this.pollStills('connections'),
    );
  }

  private openRun(sourceClass: typeof MediaSource): void {
    const run: Run = new Run(livePath(this.home, this.camera, this.stream), sourceClass, {
      onFrame: (shown) => this.run === run && this.noteFrame(shown),
      onEnd: (end) => this.run === run && this.noteEnd(end),
    });
    this.begin(run);
  }

  private begin(run: Run | WhepRun): void {
    this.run = run;
    this.shown = null;
    this.isSettled = false;
    this.isBehind = false;
    run.video.hidden = true;
    if (run instanceof WhepRun) run.setMicrophone(this.microphone);
    this.mindVolume();
    this.host.append(run.video);
    run.start();
  }

  private noteFrame(shown: Shown): void {
    if (!this.shown) {
      this.firstShownAt = performance.now();
      if (this.run) this.run.video.hidden = false;
      clearTimeout(this.stillTimer);
      this.stillAbort?.abort();
    }
    const isFirst = this.shown === null;
    this.shown = shown;
    if (isFirst) this.mindSound();
    if (!this.isSettled) this.judge();
  }

  private noteEnd(end: RunEnd): void {
    this.keepLast();
    this.run = null;
    this.shown = null;
    if (end.kind === 'refused' && end.status === 401 && this.home !== GUEST) {
      void api.session().catch(() => undefined); // tells the app, if we are signed out
      this.retryLater(STRANGER_MS);
      return;
    }
    if (end.kind === 'refused' && this.isRefusal(end.status)) {
      this.refuse();
      return;
    }
    if (end.kind === 'unplayable') {
      this.showStillsFor(CODEC_AGAIN_MS);
      return;
    }
    const asked = end.kind === 'refused' ? end.retryAfterS : null;
    this.retryLater(asked === null ? null : Math.min(30, Math.max(0.5, asked)) * 1000);
  }

  /* A guest has nobody to sign in as: his look is over. */
  private isRefusal(status: number): boolean {
    return [403, 404].includes(status) || (status === 401 && this.home === GUEST);
  }

  /* No way plays what this camera sends: single pictures, and another try now and then. */
  private showStillsFor(ms: number): void {
    this.letGo();
    this.pollStills('codec');
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => {
      if (!this.isActive || this.stillsWhy !== 'codec') return;
      this.stillsWhy = null;
      clearTimeout(this.stillTimer);
      this.connect();
    }, ms);
    this.judge();
  }

  private retryLater(afterMs: number | null): void {
    const wait = afterMs ?? BACK_OFF_MS[Math.min(this.retries, BACK_OFF_MS.length - 1)]!;
    this.retries++;
    this.dropNext();
    this.letGo();
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.isActive && this.connect(), wait * (0.8 + Math.random() * 0.4));
    this.judge();
  }

  /* No right to this camera: nothing of it stays, and nothing says whether there is a picture. */
  private refuse(): void {
    this.isActive = false;
    this.stopAll();
    this.dropStill();
    this.publish({ kind: 'no-right' });
  }

  private letGo(): void {
    this.stopWaiting?.();
    this.stopWaiting = null;
    this.release?.();
    this.release = null;
  }

  private dropNext(): void {
    this.next?.stop();
    this.next = null;
  }

  private stopAll(): void {
    this.dropNext();
    clearTimeout(this.soundTimer);
    this.soundRun?.stop();
    this.soundRun = null;
    this.tellSound('off');
    this.run?.stop();
    this.run = null;
    this.shown = null;
    this.stillsWhy = null;
    clearTimeout(this.retryTimer);
    clearTimeout(this.stillTimer);
    this.stillAbort?.abort();
    this.letGo();
  }

  /* Copies the picture on screen into a canvas that stays, dated, when its video goes. */
  private keepLast(): void {
    const video = this.video;
    if (!video || !this.shown || !video.videoWidth) return;
    this.showStill(copyOf(video, 1280), this.shown.captureMs);
  }

  private showStill(element: HTMLElement, takenMs: number | null): void {
    this.dropStill();
    this.still = element;
    this.stillTakenMs = takenMs;
    this.host.prepend(element);
  }

  private dropStill(): void {
    this.still?.remove();
    this.still = null;
    this.stillTakenMs = null;
    if (this.stillUrl) URL.revokeObjectURL(this.stillUrl);
    this.stillUrl = null;
  }

  private async fetchStill(): Promise<void> {
    this.stillAbort?.abort();
    const abort = new AbortController();
    this.stillAbort = abort;
    try {
      const response = await fetch(stillPath(this.home, this.camera, this.stillWidth), {
        signal: abort.signal, cache: 'no-store', credentials: 'same-origin',
      });
      if (this.isRefusal(response.status)) {
        this.refuse();
        return;
      }
      const takenMs = Date.parse(response.headers.get('Casement-Capture-Time') ?? '');
      if (!response.ok || Number.isNaN(takenMs)) return; // an undated picture is not shown
      const url = URL.createObjectURL(await response.blob());
      const image = new Image();
      image.alt = '';
      image.src = url;
      await image.decode().catch(() => undefined);
      if (abort.signal.aborted || this.isOver || this.shown) {
        URL.revokeObjectURL(url);
        return;
      }
      this.showStill(image, takenMs);
      this.stillUrl = url;
      this.judge();
    } catch {
      /* The stream's own retries say what is wrong. */
    }
  }

  private pollStills(why: StillsWhy): void {
    if (this.stillsWhy === why) return;
    this.stillsWhy = why;
    const next = async () => {
      await this.fetchStill();
      if (this.isActive && this.stillsWhy) this.stillTimer = setTimeout(next, STILL_EVERY_MS);
    };
    void next();
  }

  private ageOfShown(): number | null {
    const now = clock.now();
    if (!this.shown || this.shown.captureMs === null || now === null) return null;
    return Math.max(0, now - performance.now() + this.shown.displayedAt - this.shown.captureMs);
  }

  private judge(): void {
    if (this.isOver || this.status.kind === 'no-right') return;
    if (this.run) this.checkRun(this.run);
    if (this.isActive) this.tryBetter();
    this.publish(this.statusNow());
  }

  private checkRun(run: Run | WhepRun): void {
    const now = performance.now();
    if (document.hidden) return; // browsers show no frames then
    const lastSign = Math.max(run.startedAt, this.shown?.displayedAt ?? 0);
    if (now - run.lastByteAt > SILENT_MS || (run.lastByteAt - lastSign > STUCK_MS && now - lastSign > STUCK_MS)) {
      this.keepLast();
      run.stop();
      this.run = null;
      this.shown = null;
      this.retryLater(null);
    }
  }

  private statusNow(): PictureStatus {
    const takenMs = this.stillTakenMs;
    if (!this.isActive) return { kind: 'idle', takenMs };
    if (this.stillsWhy) return { kind: 'stills', takenMs, why: this.stillsWhy };
    if (!this.shown) {
      if (this.retries > 0 && takenMs !== null) return { kind: 'frozen', takenMs };
      return { kind: 'connecting', takenMs };
    }
    const now = performance.now();
    if (!document.hidden && now - this.shown.displayedAt >= FROZEN_MS)
      return { kind: 'frozen', takenMs: this.shown.captureMs };
    const ageMs = this.ageOfShown();
    this.isBehind = ageMs === null || ageMs >= (this.isBehind ? BEHIND_END_MS : BEHIND_MS);
    if (!this.isSettled) {
      if (this.isBehind && now - this.firstShownAt < SETTLE_MS)
        return { kind: 'connecting', takenMs: this.shown.captureMs };
      this.isSettled = true;
      this.retries = 0;
    }
    return ageMs === null || this.isBehind ? { kind: 'behind', ageMs } : { kind: 'live', ageMs };
  }

  private publish(status: PictureStatus): void {
    const isSame = sayingOf(status) === sayingOf(this.status);
    this.status = status;
    if (!isSame) this.onStatus(status);
  }
}

/* What a person would read of a status: the age of a live picture changes all the time, silently. */
function sayingOf(status: PictureStatus): string {
  if (status.kind === 'live') return 'live';
  if (status.kind === 'behind')
    return `behind ${status.ageMs === null ? '?' : Math.round(status.ageMs / 100)}`;
  return JSON.stringify(status);
}

function copyOf(
  source: HTMLVideoElement | HTMLImageElement | HTMLCanvasElement, maxWidth: number,
): HTMLCanvasElement {
  const [width, height] =
    source instanceof HTMLVideoElement ? [source.videoWidth, source.videoHeight]
    : source instanceof HTMLImageElement ? [source.naturalWidth, source.naturalHeight]
    : [source.width, source.height];
  const scale = Math.min(1, maxWidth / width);
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext('2d')?.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}
