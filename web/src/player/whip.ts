/*
 * This device as a camera: one session (WHIP, RFC 9725) that sends one track of pictures and, while
 * there is one, one of sound. Begins with start(), ends once (onEnd says why) and is never used again.
 */

import type { Problem } from '../api/client';
import { RtcSession } from './rtc-session';

const CONNECT_MS = 10_000;
const MOST_BITS = 2_500_000;

export type WhipEnd =
  | { kind: 'refused'; problem: Problem }
  | { kind: 'no-codec' } // this browser sends no H.264
  | { kind: 'lost' };

export interface WhipEvents {
  onConnected(): void;
  onEnd(end: WhipEnd): void;
}

/* H.264 first: it is what cameras' viewers play. False: this browser has it not. */
function preferH264(transceiver: RTCRtpTransceiver): boolean {
  const codecs = RTCRtpSender.getCapabilities('video')?.codecs;
  if (!codecs) return true; // it does not say
  const isH264 = (codec: { mimeType: string }) => codec.mimeType.toLowerCase() === 'video/h264';
  if (!codecs.some(isH264)) return false;
  const isRtx = (codec: { mimeType: string }) => codec.mimeType.toLowerCase() === 'video/rtx';
  transceiver.setCodecPreferences([...codecs.filter(isH264), ...codecs.filter(isRtx)]);
  return true;
}

export class WhipRun {
  private readonly session: RtcSession;
  private pictures: RTCRtpSender | null = null;
  private sound: RTCRtpSender | null = null;
  private isOver = false;
  private limit: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, private readonly events: WhipEvents) {
    this.session = new RtcSession(url, {
      onConnected: () => {
        clearTimeout(this.limit);
        events.onConnected();
      },
      onEnd: () => this.end({ kind: 'lost' }),
    });
  }

  start(pictures: MediaStreamTrack, sound: MediaStreamTrack | null): void {
    this.limit = setTimeout(() => this.end({ kind: 'lost' }), CONNECT_MS);
    this.join(pictures, sound).catch(() => this.end({ kind: 'lost' }));
  }

  /* Another camera of this device, in the same session. */
  async replace(pictures: MediaStreamTrack): Promise<void> {
    await this.pictures?.replaceTrack(pictures);
  }

  /* Null: from here on no sound is sent. */
  async hear(sound: MediaStreamTrack | null): Promise<void> {
    await this.sound?.replaceTrack(sound);
  }

  stop(): void {
    this.isOver = true;
    clearTimeout(this.limit);
    this.session.close();
  }

  private end(end: WhipEnd): void {
    if (this.isOver) return;
    this.stop();
    this.events.onEnd(end);
  }

  private async join(pictures: MediaStreamTrack, sound: MediaStreamTrack | null): Promise<void> {
    const { peer } = this.session;
    const transceiver = peer.addTransceiver(pictures, { direction: 'sendonly', sendEncodings: [{ maxBitrate: MOST_BITS }] });
    this.pictures = transceiver.sender;
    /* Its line is there from the start, so that sound may come and go without another offer. */
    this.sound = peer.addTransceiver(sound ?? 'audio', { direction: 'sendonly' }).sender;
    if (!preferH264(transceiver)) {
      this.end({ kind: 'no-codec' });
      return;
    }
    const problem = await this.session.open();
    if (problem) this.end(problem.name_ === 'codec-not-offered' ? { kind: 'no-codec' } : { kind: 'refused', problem });
  }
}
