/*
 * One session of WebRTC with the server by HTTP (WHEP, WHIP: RFC 9725): its peer connection, the offer
 * and its answer, a restart when the way is lost, and the leave. What is sent or shown is its owner's:
 * transceivers are added to `peer` before open(). It ends once, and is never used again.
 *
 * The server's answer names its addresses, so the offer goes out at once, without candidates of ours:
 * the server learns where we are from our checks. A way that is lost is asked for again once (ICE
 * restart), and at once when the browser says that the network is another one, or the owner that
 * nothing comes: a phone goes on.
 */

import { problemOf, type Problem } from '../api/client';

const LOST_MS = 1_500; // without a way for so long, ICE is restarted
const RESTART_MS = 5_000; // and the restart has so long
const AGAIN_MS = 200; // after a request that was lost with the network

/* never: no way to the server was found. gone: there was one; or the server ended the session, or the
 * page was left. */
export type RtcEnd = 'never' | 'gone';

export interface RtcEvents {
  onConnected?(): void; // also after each restart
  onEnd(end: RtcEnd): void; // never after close(), nor inside open()
}

/* A fragment (RFC 8840) with the credentials of an offer, for the PATCH of a restart. */
export function fragmentOf(offer: string): string {
  const line = (name: string) => offer.split('\r\n').find((text) => text.startsWith(name));
  return [line('a=ice-ufrag:'), line('a=ice-pwd:'), line('m='), line('a=mid:')]
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

/* Where the browser knows by which kind of network it is connected (Android's do). */
type Connection = EventTarget & { type?: string };
const connection = () => (navigator as Navigator & { connection?: Connection }).connection;

export class RtcSession {
  readonly peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });

  private readonly abort = new AbortController();
  private address: string | null = null;
  private isOver = false;
  private hadWay = false;
  private lost: ReturnType<typeof setTimeout> | undefined;

  /* Browsers say no goodbye for a page that is left; the server would wait for its consent to end. */
  private readonly onLeft = () => this.end('gone');

  private readonly onNetwork = () => this.doubt(); // another one

  private network = connection()?.type; // "wifi", "cellular"

  /* It tells other things too: how fast the network seems to be. */
  private readonly onConnection = () => {
    const { network } = this;
    this.network = connection()?.type;
    if (this.network !== network) this.onNetwork();
  };

  constructor(private readonly url: string, private readonly events: RtcEvents) {}

  /* The server has answered the offer. */
  get isAnswered(): boolean {
    return this.address !== null;
  }

  /* Null: it is answered, or was closed meanwhile. Rejects with what the browser or the network says. */
  async open(): Promise<Problem | null> {
    this.peer.addEventListener('connectionstatechange', () => this.noteState());
    addEventListener('pagehide', this.onLeft);
    addEventListener('online', this.onNetwork);
    connection()?.addEventListener('change', this.onConnection);
    await this.peer.setLocalDescription(await this.peer.createOffer());
    const response = await this.send('POST', this.url, 'application/sdp', this.peer.localDescription?.sdp ?? '');
    if (!response.ok) return problemOf(response);
    const location = response.headers.get('Location');
    this.address = location && new URL(location, response.url).href;
    const sdp = await response.text();
    if (this.isOver) this.leave();
    else await this.peer.setRemoteDescription({ type: 'answer', sdp });
    return null;
  }

  /* The way may be gone without a word: another is asked for, and it is used until there is a better one. Nothing while a
   * restart is under way. */
  doubt(): void {
    if (this.hadWay && !this.isOver && this.lost === undefined) void this.restart();
  }

  /* What the server says of the session; null: that is not known. */
  async read<T>(): Promise<T | null> {
    if (!this.address || this.isOver) return null;
    try {
      const response = await fetch(this.address, { signal: this.abort.signal, credentials: 'same-origin', cache: 'no-store' });
      return response.ok ? ((await response.json()) as T) : null;
    } catch {
      return null;
    }
  }

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.abort.abort();
    clearTimeout(this.lost);
    removeEventListener('pagehide', this.onLeft);
    removeEventListener('online', this.onNetwork);
    connection()?.removeEventListener('change', this.onConnection);
    this.peer.close();
    this.leave();
  }

  /* The peer's goodbye may be lost; this is not. */
  private leave(): void {
    if (!this.address) return;
    fetch(this.address, { method: 'DELETE', credentials: 'same-origin', keepalive: true }).catch(() => undefined);
  }

  private end(end: RtcEnd): void {
    if (this.isOver) return;
    this.close();
    this.events.onEnd(end);
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
      this.hadWay = true;
      clearTimeout(this.lost);
      this.lost = undefined;
      this.events.onConnected?.();
    } else if (state === 'closed') {
      this.end('gone');
    } else if (state === 'failed' && !this.hadWay) {
      this.end('never');
    } else if ((state === 'disconnected' || state === 'failed') && this.lost === undefined) {
      this.lost = setTimeout(() => void this.restart(), state === 'failed' ? 0 : LOST_MS);
    }
  }

  /* A way that was never lost is not said to be there again. */
  private endRestart(): void {
    this.lost = undefined;
    if (this.peer.connectionState !== 'connected') this.end('gone');
  }

  /* Requests on connections of the former network fail: again, for as long as the restart has. */
  private async ask(address: string, fragment: string): Promise<Response> {
    for (;;) {
      try {
        return await this.send('PATCH', address, 'application/trickle-ice-sdpfrag', fragment, { 'If-Match': '*' });
      } catch (error) {
        if (this.isOver) throw error;
        await new Promise((done) => { setTimeout(done, AGAIN_MS); });
      }
    }
  }

  private async restart(): Promise<void> {
    this.lost = setTimeout(() => this.endRestart(), RESTART_MS);
    const answer = this.peer.currentRemoteDescription?.sdp;
    if (!this.address || !answer) return;
    try {
      const offer = await this.peer.createOffer({ iceRestart: true });
      await this.peer.setLocalDescription(offer);
      const response = await this.ask(this.address, fragmentOf(offer.sdp ?? ''));
      if (!response.ok) throw new Error(`${response.status}`);
      await this.peer.setRemoteDescription({ type: 'answer', sdp: restarted(answer, await response.text()) });
    } catch {
      this.end('gone');
    }
  }
}
