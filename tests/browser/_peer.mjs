/*
 * A browser that is pretended, for the app's WebRTC code without one: a clock that goes when told to,
 * a peer connection whose states the test sets, and a server whose answers it gives.
 */

export const OFFER = (n) => ['v=0', 'm=video 9 UDP/TLS/RTP/SAVPF 96', `a=ice-ufrag:page${n}`, `a=ice-pwd:pagepassword${n}`, 'a=mid:0', ''].join('\r\n');
export const ANSWER = ['v=0', 'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=ice-ufrag:srv1', 'a=ice-pwd:srvpassword1', 'a=mid:0', ''].join('\r\n');
export const FRAGMENT = ['a=ice-ufrag:srv2', 'a=ice-pwd:srvpassword2', 'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=mid:0', ''].join('\r\n');

/* Time that passes when told to: timers and performance.now(). */
export class Clock {
  nowMs = 0;
  timers = new Map();
  count = 0;

  set(run, afterMs, everyMs = null) {
    this.timers.set(++this.count, { run, atMs: this.nowMs + (afterMs ?? 0), everyMs });
    return this.count;
  }

  async pass(ms) {
    const end = this.nowMs + ms;
    for (;;) {
      await settle();
      const [id, timer] = [...this.timers].filter(([, { atMs }]) => atMs <= end).sort(([, a], [, b]) => a.atMs - b.atMs)[0] ?? [];
      if (!timer) break;
      this.nowMs = Math.max(this.nowMs, timer.atMs);
      if (timer.everyMs === null) this.timers.delete(id);
      else timer.atMs += timer.everyMs;
      timer.run();
    }
    this.nowMs = end;
  }
}

const realImmediate = setImmediate;
export const settle = async () => { for (let n = 0; n < 8; n++) await new Promise((done) => realImmediate(done)); };

export class FakePeer extends EventTarget {
  static made = [];
  connectionState = 'new';
  offers = 0;
  isClosed = false;
  sources = [];
  transceivers = [];

  constructor() {
    super();
    FakePeer.made.push(this);
  }

  addTransceiver(what, init) {
    const transceiver = {
      what, init, preferred: null,
      receiver: { getSynchronizationSources: () => this.sources, jitterBufferTarget: null },
      sender: { replaceTrack: async (track) => { transceiver.what = track; } },
      setCodecPreferences: (codecs) => { transceiver.preferred = codecs; },
    };
    this.transceivers.push(transceiver);
    return transceiver;
  }

  async createOffer() {
    return { type: 'offer', sdp: OFFER(++this.offers) };
  }

  async setLocalDescription(description) {
    this.localDescription = description;
  }

  async setRemoteDescription(description) {
    this.currentRemoteDescription = description;
    this.dispatchEvent(Object.assign(new Event('track'), { track: {} }));
  }

  async getStats() {
    return new Map();
  }

  close() {
    this.isClosed = true;
  }

  become(state) {
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }
}

/* Puts all of it in place of the globals, until restore(). say('online') tells the window; `leave()` is the page that is
 * left; `connection` is what the browser knows of its network. */
export function pretendBrowser() {
  const clock = new Clock();
  const requests = [];
  const page = new EventTarget();
  let listeners = 0;
  const connection = Object.assign(new EventTarget(), { type: 'wifi' });
  const answers = {
    POST: () => new Response(ANSWER, { status: 201, headers: { location: '/api/v1/cameras/door/whep/1?home=h', etag: '"a"' } }),
    PATCH: () => new Response(FRAGMENT, { status: 200 }),
    DELETE: () => new Response(null, { status: 204 }),
  };
  const pretended = {
    performance: { now: () => clock.nowMs },
    setTimeout: (callback, ms) => clock.set(callback, ms),
    setInterval: (callback, ms) => clock.set(callback, ms, ms),
    clearTimeout: (id) => clock.timers.delete(id),
    clearInterval: (id) => clock.timers.delete(id),
    navigator: { connection },
    addEventListener: (name, listener) => { listeners++; page.addEventListener(name, listener); },
    removeEventListener: (name, listener) => { listeners--; page.removeEventListener(name, listener); },
    RTCPeerConnection: FakePeer,
    fetch: async (url, init) => {
      requests.push({ url: String(url), ...init });
      const response = await answers[init.method]();
      Object.defineProperty(response, 'url', { value: new URL(url, 'https://casement.test').href });
      return response;
    },
  };
  const kept = Object.keys(pretended).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
  for (const [name, value] of Object.entries(pretended))
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  FakePeer.made = [];
  return {
    clock, requests, answers, connection,
    get listeners() { return listeners; },
    say: (name) => page.dispatchEvent(new Event(name)),
    leave: () => page.dispatchEvent(new Event('pagehide')),
    methods: () => requests.map(({ method }) => method).join(' '),
    restore() {
      for (const [name, descriptor] of kept) {
        if (descriptor) Object.defineProperty(globalThis, name, descriptor);
        else delete globalThis[name];
      }
    },
  };
}
