/* casement-test: quick
 * The WebRTC player against a peer connection, a server and a clock that are pretended: each way it
 * can begin, be lost, come back and end. No browser.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ANSWER, FakePeer, OFFER, pretendBrowser, settle } from './_peer.mjs';
import { WEB } from './helper.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'casement-whep-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const SERVER_MS = 1_800_000_000_000; // the server's time when the page's clock shows 0
const NTP_OF_UNIX_MS = 2_208_988_800_000;

class FakeVideo {
  callbacks = [];
  isRemoved = false;
  srcObject = null;
  requestVideoFrameCallback(callback) { return this.callbacks.push(callback); }
  cancelVideoFrameCallback() { this.callbacks = []; }
  remove() { this.isRemoved = true; }
}

describe('the WebRTC player', () => {
  let whep;
  let clockOf;
  let Ways;
  let browser;
  let clock;
  let requests;
  let answers;
  let run;
  let seen;

  before(async () => {
    const out = join(scratch, 'whep.mjs');
    await createRequire(join(WEB, 'package.json'))('esbuild').build({
      stdin: {
        contents: `export * from './player/whep'; export { Ways } from './player/ways'; export { clock } from './state/clock';`,
        resolveDir: join(WEB, 'src'), loader: 'ts',
      },
      outfile: out, bundle: true, format: 'esm', logLevel: 'error',
    });
    ({ Ways, clock: clockOf, ...whep } = await import(pathToFileURL(out)));
  });

  beforeEach(() => {
    browser = pretendBrowser();
    ({ clock, requests, answers } = browser);
    seen = { frames: [], end: null };
    globalThis.document = { createElement: () => new FakeVideo(), hidden: false };
    globalThis.MediaStream = class { constructor(tracks) { this.tracks = tracks; } getTracks() { return this.tracks; } };
    clockOf.now = () => SERVER_MS + clock.nowMs;
    run = new whep.WhepRun('/api/v1/cameras/door/whep?home=h&stream=sub', {
      onFrame: (shown) => seen.frames.push(shown),
      onEnd: (end, whyNot) => { seen.end = { ...end, whyNot }; },
    });
  });
  afterEach(() => {
    run.stop();
    browser.restore();
  });

  const peer = () => FakePeer.made[0];
  const methods = () => browser.methods();
  /* A picture taken `ageMs` ago reaches the screen. */
  const show = (ageMs = 40, metadata = {}) => {
    if (ageMs !== null) peer().sources = [{ captureTimestamp: SERVER_MS + clock.nowMs - ageMs + NTP_OF_UNIX_MS, rtpTimestamp: 0 }];
    for (const callback of run.video.callbacks.splice(0)) callback(clock.nowMs, { expectedDisplayTime: clock.nowMs, rtpTimestamp: 0, ...metadata });
  };
  async function playing() {
    run.start();
    await clock.pass(50);
    peer().become('connected');
    show();
  }

  test('posts its offer, takes the answer, says when a picture was taken, and takes leave', async () => {
    await playing();
    assert.equal(requests[0].url, '/api/v1/cameras/door/whep?home=h&stream=sub');
    assert.equal(requests[0].headers['Content-Type'], 'application/sdp');
    assert.equal(requests[0].credentials, 'same-origin');
    assert.equal(requests[0].body, OFFER(1));
    assert.equal(peer().currentRemoteDescription.sdp, ANSWER);
    assert.ok(run.video.srcObject && run.video.muted && run.video.playsInline);
    assert.equal(seen.frames.length, 1);
    assert.ok(Math.abs(SERVER_MS + clock.nowMs - 40 - seen.frames[0].captureMs) < 1);
    run.stop();
    await settle();
    assert.equal(methods(), 'POST DELETE');
    assert.equal(requests[1].url, 'https://casement.test/api/v1/cameras/door/whep/1?home=h');
    assert.equal(requests[1].keepalive, true);
    assert.ok(peer().isClosed && run.video.isRemoved && run.video.srcObject === null);
    assert.equal(clock.timers.size, 0, 'nothing ticks on');
  });

  test('without a way to the server for five seconds it has none', async () => {
    run.start();
    await clock.pass(4_900);
    assert.equal(seen.end, null);
    await clock.pass(200);
    assert.equal(seen.end.whyNot, 'no-path');
    assert.equal(methods(), 'POST DELETE');
  });

  test('a server that does not answer is no missing way', async () => {
    answers.POST = () => new Promise(() => undefined);
    run.start();
    await clock.pass(5_100);
    assert.deepEqual({ ...seen.end }, { kind: 'closed', whyNot: null });
    assert.equal(requests[0].signal.aborted, true);
  });

  test('a connection that fails before the first picture is not waited for', async () => {
    run.start();
    await clock.pass(100);
    peer().become('failed');
    assert.equal(seen.end.whyNot, 'no-path');
  });

  test('a camera that is not ours is refused, and there is nothing to take leave of', async () => {
    answers.POST = () => new Response(JSON.stringify({ type: '/problems/no-such-camera' }), { status: 404 });
    run.start();
    await clock.pass(100);
    assert.deepEqual({ ...seen.end }, { kind: 'refused', status: 404, retryAfterS: null, whyNot: null });
    assert.equal(methods(), 'POST');
  });

  test('stopped while the server thinks, it leaves what was opened meanwhile', async () => {
    let answer;
    answers.POST = () => new Promise((done) => { answer = done; });
    run.start();
    await clock.pass(10);
    const opened = new Response(ANSWER, { status: 201, headers: { location: '/api/v1/cameras/door/whep/1?home=h' } });
    run.stop();
    answer(opened);
    await settle();
    assert.equal(methods(), 'POST DELETE');
    assert.equal(requests[0].signal.aborted, true);
  });

  test('a network that changes: ICE is restarted once, with the server\'s new credentials', async () => {
    await playing();
    peer().become('disconnected');
    await clock.pass(1_000);
    assert.equal(methods(), 'POST', 'what comes back by itself is left alone');
    await clock.pass(1_000);
    assert.equal(methods(), 'POST PATCH');
    assert.equal(requests[1].headers['Content-Type'], 'application/trickle-ice-sdpfrag');
    assert.equal(requests[1].headers['If-Match'], '*');
    assert.match(requests[1].body, /a=ice-ufrag:page2\r\na=ice-pwd:pagepassword2\r\n/);
    assert.match(peer().currentRemoteDescription.sdp, /a=ice-ufrag:srv2\r\na=ice-pwd:srvpassword2\r\n/);
    peer().become('connected');
    await clock.pass(10_000);
    assert.equal(seen.end, null);
  });

  test('pictures that stop are not waited for: the way is asked for again, once, and goes on meanwhile', async () => {
    await playing();
    for (let n = 0; n < 20; n++) {
      await clock.pass(50);
      show();
    }
    await clock.pass(400);
    assert.equal(methods(), 'POST');
    await clock.pass(200);
    assert.equal(methods(), 'POST PATCH');
    await clock.pass(60_000); // it was the camera: the way is as good as it was
    assert.equal(methods(), 'POST PATCH');
    assert.equal(seen.end, null);
    show();
    await clock.pass(1_000);
    assert.equal(methods(), 'POST PATCH', 'after a minute without, another is no sign');
  });

  test('where pictures are rare, or nobody looks, one that stands is no sign', async () => {
    await playing();
    for (let n = 0; n < 20; n++) {
      await clock.pass(200);
      show();
    }
    await clock.pass(5_000);
    assert.equal(methods(), 'POST');
    for (let n = 0; n < 100; n++) {
      await clock.pass(50);
      show();
    }
    globalThis.document.hidden = true;
    await clock.pass(5_000);
    assert.equal(methods(), 'POST');
  });

  test('a failed connection restarts at once; a restart without a way ends it', async () => {
    await playing();
    peer().become('failed');
    await clock.pass(50);
    assert.equal(methods(), 'POST PATCH');
    await clock.pass(6_000);
    assert.deepEqual({ ...seen.end }, { kind: 'closed', whyNot: null });
    assert.equal(methods(), 'POST PATCH DELETE');
  });

  test('a session that the server has ended can\'t be restarted', async () => {
    answers.PATCH = () => new Response('{}', { status: 404 });
    await playing();
    peer().become('failed');
    await clock.pass(50);
    assert.deepEqual({ ...seen.end }, { kind: 'closed', whyNot: null });
  });

  test('pictures that never say when they were taken are not shown for long', async () => {
    run.start();
    await clock.pass(50);
    peer().become('connected');
    for (let n = 0; n < 100 && !seen.end; n++) {
      show(null);
      await clock.pass(50);
    }
    assert.equal(seen.end.whyNot, 'no-time');
    assert.ok(seen.frames.every(({ captureMs }) => captureMs === null));
  });

  test('a browser that tells the time of capture on its own clock is believed', async () => {
    run.start();
    await clock.pass(500);
    peer().become('connected');
    show(null, { captureTime: 430 });
    assert.equal(seen.frames[0].captureMs, SERVER_MS + 430);
  });

  test('capture times since 1900 and since 1970 are told apart', () => {
    assert.equal(whep.captureOf(SERVER_MS + NTP_OF_UNIX_MS - 5, SERVER_MS), SERVER_MS - 5);
    assert.equal(whep.captureOf(SERVER_MS - 5, SERVER_MS), SERVER_MS - 5);
    assert.equal(whep.captureOf(12_345, SERVER_MS), null);
    assert.equal(whep.captureOf(undefined, SERVER_MS), null);
  });

  test('connected without a picture is the camera\'s trouble, not the network\'s', async () => {
    run.start();
    await clock.pass(100);
    peer().become('connected');
    await clock.pass(5_000);
    assert.equal(seen.end.whyNot, 'no-picture');
  });

  test('a server with too many viewers, or that knows no form of picture that fits, sends us another way', async () => {
    for (const [status, whyNot] of [[503, 'busy'], [429, 'busy'], [406, 'codec'], [400, 'refused'], [500, 'refused']]) {
      answers.POST = () => new Response('{}', { status });
      const other = new whep.WhepRun('/api/v1/cameras/door/whep', { onFrame: () => undefined, onEnd: (end, why) => { seen.end = { ...end, whyNot: why }; } });
      other.start();
      await clock.pass(50);
      assert.deepEqual([seen.end.status, seen.end.whyNot], [status, whyNot]);
    }
  });

  test('the picture on screen is dated, not the newest that came', async () => {
    run.start();
    await clock.pass(1_000);
    peer().become('connected');
    peer().sources = [{ captureTimestamp: SERVER_MS + 900 + NTP_OF_UNIX_MS, rtpTimestamp: 2 ** 32 - 4_500 }];
    show(null, { rtpTimestamp: 4_500 });
    assert.equal(seen.frames[0].captureMs, SERVER_MS + 900 + 100, 'over the turn of RTP\'s clock');
    show(null, { rtpTimestamp: 2 ** 32 - 9_000 });
    assert.equal(seen.frames[1].captureMs, SERVER_MS + 900 - 50);
  });

  test('a network\'s failure is remembered five minutes for all, or until the network changes', () => {
    let can = true;
    const [ways, door, garden] = [new Ways(() => can), {}, {}];
    assert.equal(ways.whyNot(door, 0), 'not-offered');
    ways.offer(true);
    assert.equal(ways.whyNot(door, 0), null);
    ways.fail('no-path', door, 1_000);
    for (const who of [door, garden, null]) assert.equal(ways.whyNot(who, 300_000), 'no-path');
    assert.equal(ways.whyNot(garden, 301_001), null);
    ways.fail('no-path', door, 400_000);
    ways.forget();
    assert.equal(ways.whyNot(door, 400_001), null);
    can = false;
    assert.equal(ways.whyNot(door, 400_001), 'no-browser');
  });

  test('a camera\'s failure is its own, for a minute', () => {
    const [ways, door, garden] = [new Ways(() => true), {}, {}];
    ways.offer(true);
    for (const why of ['no-picture', 'busy', 'refused']) {
      ways.fail(why, door, 1_000);
      assert.equal(ways.whyNot(door, 60_000), why);
      assert.equal(ways.whyNot(garden, 1_000), null);
      assert.equal(ways.whyNot(null, 1_000), null);
      assert.equal(ways.whyNot(door, 61_001), null);
    }
    ways.fail('busy', door, 100_000);
    ways.leave(door);
    assert.equal(ways.whyNot(door, 100_001), null);
  });
});
