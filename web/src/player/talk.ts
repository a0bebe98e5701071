/*
 * Speaking to a camera: this device's microphone, opened when somebody first wants to speak and let
 * go a minute after the last word, and what becomes of what is said. Belongs to one camera's page;
 * close() lets go of the microphone.
 *
 * What is said goes by whatever session the picture has (Picture.setMicrophone); nothing is sent, and
 * the microphone is not asked for, before start().
 */

import type { Cause, Speech } from '../api/types';
import type { Picture } from './picture';

/* asking: for the microphone. connecting: what is said does not arrive yet. on: it does. */
export type TalkPhase = 'off' | 'asking' | 'connecting' | 'on';

/* Why nothing is heard at the camera. insecure: browsers give a microphone to HTTPS only. denied,
 * absent, busy: of the microphone. way: it needs WebRTC. none: the server takes no speech in.
 * taken: somebody else speaks. notAllowed: the right is gone. camera: its own, which `cause` names. */
export type TalkTrouble = 'insecure' | 'denied' | 'absent' | 'busy' | 'way' | 'none' | 'taken' | 'notAllowed' | 'camera';

export interface TalkStatus {
  phase: TalkPhase;
  trouble: TalkTrouble | null; // stays until the next start()
  cause: Cause | null;
}

const LOOK_MS = 300;
const LEVEL_MS = 80;
const KEEP_MS = 60_000; // question and answer need no second look for the microphone
const LONGEST_MS = 180_000; // a button that was forgotten

export const QUIET: TalkStatus = { phase: 'off', trouble: null, cause: null };

function troubleOfMicrophone(error: unknown): TalkTrouble {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'denied';
  return name === 'NotFoundError' || name === 'OverconstrainedError' ? 'absent' : 'busy';
}

/* What the server says of a session, as a phase or a trouble. Silence: the first packets are on their way. */
export function talkStatusOf(speech: Speech): TalkStatus {
  switch (speech.state) {
    case 'open': return { ...QUIET, phase: 'on' };
    case 'taken': return { ...QUIET, phase: 'connecting', trouble: 'taken' };
    case 'not_allowed': return { ...QUIET, phase: 'connecting', trouble: 'notAllowed' };
    case 'failed': return { phase: 'connecting', trouble: 'camera', cause: speech.cause };
    default: return { ...QUIET, phase: 'connecting' };
  }
}

/* 0 to 1, as ears tell loudness: of samples from -1 to 1. */
export function levelOf(samples: ArrayLike<number>): number {
  let sum = 0;
  for (let n = 0; n < samples.length; n++) sum += (samples[n] ?? 0) ** 2;
  const decibels = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-9);
  return Math.min(1, Math.max(0, (decibels + 60) / 50));
}

export class Talk {
  status: TalkStatus = QUIET;

  private stream: MediaStream | null = null;
  private audio: AudioContext | null = null;
  private isWanted = false;
  private isClosed = false;
  private look: ReturnType<typeof setInterval> | undefined;
  private meter: ReturnType<typeof setInterval> | undefined;
  private keep: ReturnType<typeof setTimeout> | undefined;
  private longest: ReturnType<typeof setTimeout> | undefined;
  private readonly onHidden = () => { if (document.hidden) this.stop(true); };

  constructor(private readonly picture: () => Picture | null, private readonly onStatus: (status: TalkStatus) => void,
    private readonly onLevel: (level: number) => void) {
    document.addEventListener('visibilitychange', this.onHidden);
  }

  /* Speaks from here on, as soon as that can be. */
  start(): void {
    if (this.isWanted || this.isClosed) return;
    this.isWanted = true;
    clearTimeout(this.keep);
    this.tell({ ...QUIET, phase: 'asking' });
    void this.begin();
  }

  /* Nothing more is sent. `letsGo`: the microphone is given back at once. */
  stop(letsGo = false): void {
    this.isWanted = false;
    clearInterval(this.look);
    clearInterval(this.meter);
    clearTimeout(this.keep);
    clearTimeout(this.longest);
    this.picture()?.setMicrophone(null);
    this.onLevel(0);
    if (letsGo) this.dropMicrophone();
    else this.keep = setTimeout(() => this.dropMicrophone(), KEEP_MS);
    this.tell({ ...this.status, phase: 'off' });
  }

  close(): void {
    this.isClosed = true;
    document.removeEventListener('visibilitychange', this.onHidden);
    this.stop(true);
  }

  private tell(status: TalkStatus): void {
    const isSame = JSON.stringify(status) === JSON.stringify(this.status);
    this.status = status;
    if (!isSame && !this.isClosed) this.onStatus(status);
  }

  private fail(trouble: TalkTrouble): void {
    this.stop();
    this.tell({ ...QUIET, trouble });
  }

  private async begin(): Promise<void> {
    if (!window.isSecureContext || !navigator.mediaDevices) {
      this.fail('insecure');
      return;
    }
    const way = this.picture()?.speechWay ?? 'starting';
    if (way === 'way' || way === 'none') {
      this.fail(way);
      return;
    }
    try {
      await this.openMicrophone();
    } catch (error) {
      this.fail(troubleOfMicrophone(error));
      return;
    }
    const track = this.stream?.getAudioTracks()[0];
    if (!this.isWanted || !track) { // let go while the browser asked
      if (!this.isWanted) this.stop(this.isClosed || document.hidden);
      return;
    }
    this.picture()?.setMicrophone(track);
    this.tell({ ...QUIET, phase: 'connecting' });
    this.look = setInterval(() => void this.lookAtSession(), LOOK_MS);
    this.longest = setTimeout(() => this.stop(), LONGEST_MS);
    this.beginMeter();
  }

  private async openMicrophone(): Promise<void> {
    if (this.stream) return;
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    /* Another app took it, or it was unplugged. */
    stream.getAudioTracks()[0]?.addEventListener('ended', () => {
      if (this.stream !== stream) return;
      this.dropMicrophone();
      if (this.isWanted) this.fail('busy');
    });
    this.stream = stream;
  }

  private dropMicrophone(): void {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    void this.audio?.close();
    this.audio = null;
  }

  private async lookAtSession(): Promise<void> {
    const picture = this.picture();
    if (picture?.speechWay === 'none' || picture?.speechWay === 'way') {
      this.fail(picture.speechWay);
      return;
    }
    const speech = await picture?.readSpeech();
    if (speech && this.isWanted) this.tell(talkStatusOf(speech));
  }

  private beginMeter(): void {
    if (!this.stream) return;
    this.audio ??= new AudioContext();
    const analyser = this.audio.createAnalyser();
    const source = this.audio.createMediaStreamSource(this.stream);
    const samples = new Float32Array(analyser.fftSize);
    source.connect(analyser);
    clearInterval(this.meter);
    this.meter = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      this.onLevel(levelOf(samples));
    }, LEVEL_MS);
  }
}
