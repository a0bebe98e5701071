/*
 * This device as a camera: one session (WHIP, RFC 9725) that sends one track of pictures. Begins with
 * start(), ends once (onEnd says why) and is never used again. As in whep.ts the offer goes out at
 * once, without candidates of ours, and a way that is lost is asked for again once (ICE restart).
 */

import { problemOf, type Problem } from '../api/client';
import { fragmentOf, restarted } from './whep';

const CONNECT_MS = 10_000;
const LOST_MS = 1_500; // without a way for so long, ICE is restarted
const RESTART_MS = 6_000; // and the restart has so long
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
  private readonly abort = new AbortController();
  private readonly peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  private sender: RTCRtpSender | null = null;
  private session: string | null = null; // its address
  private isOver = false;
  private limit: ReturnType<typeof setTimeout> | undefined;
  private lost: ReturnType<typeof setTimeout> | undefined;

  /* Browsers say no goodbye for a page that is left. */
  private readonly onLeft = () => this.stop();

  constructor(private readonly url: string, private readonly events: WhipEvents) {}

  start(track: MediaStreamTrack): void {
    this.limit = setTimeout(() => this.end({ kind: 'lost' }), CONNECT_MS);
    this.peer.addEventListener('connectionstatechange', () => this.noteState());
    addEventListener('pagehide', this.onLeft);
    this.join(track).catch(() => this.end({ kind: 'lost' }));
  }

  /* Another camera of this device, in the same session. */
  async replace(track: MediaStreamTrack): Promise<void> {
    await this.sender?.replaceTrack(track);
  }

  stop(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.abort.abort();
    clearTimeout(this.limit);
    clearTimeout(this.lost);
    removeEventListener('pagehide', this.onLeft);
    this.peer.close();
    if (this.session) this.leave(this.session);
  }

  /* The peer's goodbye may be lost; this is not. */
  private leave(session: string): void {
    fetch(session, { method: 'DELETE', credentials: 'same-origin', keepalive: true }).catch(() => undefined);
  }

  private end(end: WhipEnd): void {
    if (this.isOver) return;
    this.events.onEnd(end);
    this.stop();
  }

  private async join(track: MediaStreamTrack): Promise<void> {
    const transceiver = this.peer.addTransceiver(track, {
      direction: 'sendonly', sendEncodings: [{ maxBitrate: MOST_BITS }],
    });
    this.sender = transceiver.sender;
    if (!preferH264(transceiver)) {
      this.end({ kind: 'no-codec' });
      return;
    }
    await this.peer.setLocalDescription(await this.peer.createOffer());
    const response = await this.send('POST', this.url, 'application/sdp', this.peer.localDescription?.sdp ?? '');
    if (!response.ok) {
      const problem = await problemOf(response);
      this.end(problem.name_ === 'codec-not-offered' ? { kind: 'no-codec' } : { kind: 'refused', problem });
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

  private noteState(): void {
    const state = this.peer.connectionState;
    if (state === 'connected') {
      clearTimeout(this.limit);
      clearTimeout(this.lost);
      this.lost = undefined;
      this.events.onConnected();
    } else if ((state === 'disconnected' || state === 'failed') && this.lost === undefined) {
      this.lost = setTimeout(() => void this.restart(), state === 'failed' ? 0 : LOST_MS);
    } else if (state === 'closed') {
      this.end({ kind: 'lost' });
    }
  }

  private async restart(): Promise<void> {
    this.lost = setTimeout(() => this.end({ kind: 'lost' }), RESTART_MS);
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
      this.end({ kind: 'lost' });
    }
  }
}
