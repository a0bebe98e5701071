/* casement-test: quick
 * What watching and sending by WebRTC share in the app, and the sending, against a peer connection, a
 * server and a clock that are pretended. No browser. The watching: whep.test.mjs.
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

const scratch = mkdtempSync(join(tmpdir(), 'casement-rtc-session-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

let app;
let browser;
let clock;
let seen;

before(async () => {
  const out = join(scratch, 'app.mjs');
  await createRequire(join(WEB, 'package.json'))('esbuild').build({
    stdin: { contents: `export * from './player/rtc-session'; export * from './player/whip';`, resolveDir: join(WEB, 'src'), loader: 'ts' },
    outfile: out, bundle: true, format: 'esm', logLevel: 'error',
  });
  app = await import(pathToFileURL(out));
});
/* Called by each suite's own hooks: in which order those of the file come beside them, versions of Node differ. */
function pretend() {
  browser = pretendBrowser();
  ({ clock } = browser);
  seen = [];
}

const peer = () => FakePeer.made[0];
const problem = (name, status) => () => new Response(JSON.stringify({ type: `/problems/${name}` }), { status });

describe('a session of WebRTC', () => {
  let session;
  beforeEach(() => {
    pretend();
    session = new app.RtcSession('/api/v1/cameras/door/whep?home=h', {
      onConnected: () => seen.push('connected'), onEnd: (end) => seen.push(end),
    });
  });
  afterEach(() => {
    session.close();
    browser.restore();
  });

  async function connected() {
    assert.equal(await session.open(), null);
    peer().become('connected');
  }

  test('posts its offer with the page\'s own credentials, and takes the answer', async () => {
    assert.equal(session.isAnswered, false);
    await connected();
    assert.equal(session.isAnswered, true);
    const [{ url, method, body, headers, credentials, cache }] = browser.requests;
    assert.deepEqual([url, method, body, credentials, cache], ['/api/v1/cameras/door/whep?home=h', 'POST', OFFER(1), 'same-origin', 'no-store']);
    assert.equal(headers['Content-Type'], 'application/sdp');
    assert.equal(peer().currentRemoteDescription.sdp, ANSWER);
    assert.deepEqual(seen, ['connected']);
  });

  test('takes leave once, by a request that outlives the page, and ends without a word', async () => {
    await connected();
    session.close();
    session.close();
    assert.equal(browser.methods(), 'POST DELETE');
    const { url, keepalive, credentials } = browser.requests[1];
    assert.deepEqual([url, keepalive, credentials], ['https://casement.test/api/v1/cameras/door/whep/1?home=h', true, 'same-origin']);
    assert.equal(peer().isClosed, true);
    assert.deepEqual(seen, ['connected']);
    assert.equal(clock.timers.size + browser.listeners, 0, 'nothing waits for anything');
  });

  test('hands back what the server refused, and has nothing to take leave of', async () => {
    browser.answers.POST = problem('no-such-camera', 404);
    const refused = await session.open();
    assert.deepEqual([refused.name_, refused.status], ['no-such-camera', 404]);
    session.close();
    assert.equal(browser.methods(), 'POST');
    assert.deepEqual(seen, []);
  });

  test('rejects when the server is not reached', async () => {
    browser.answers.POST = () => Promise.reject(new TypeError('no network'));
    await assert.rejects(session.open(), TypeError);
  });

  test('closed while the server thinks, leaves what was opened meanwhile', async () => {
    let answer;
    browser.answers.POST = () => new Promise((done) => { answer = done; });
    const opening = session.open();
    await settle();
    session.close();
    assert.equal(browser.requests[0].signal.aborted, true);
    answer(new Response(ANSWER, { status: 201, headers: { location: '/whep/1' } }));
    assert.equal(await opening, null);
    assert.equal(browser.methods(), 'POST DELETE');
    assert.equal(peer().currentRemoteDescription, undefined);
  });

  test('without a way from the start never had one; with one that was it is gone', async () => {
    await session.open();
    peer().become('failed');
    assert.deepEqual(seen, ['never']);
    assert.equal(browser.methods(), 'POST DELETE');
  });

  test('waits a moment for a lost way, then asks once with other credentials', async () => {
    await connected();
    peer().become('disconnected');
    await clock.pass(1_400);
    assert.equal(browser.methods(), 'POST');
    await clock.pass(200);
    const { url, headers, body } = browser.requests[1];
    assert.equal(url, 'https://casement.test/api/v1/cameras/door/whep/1?home=h');
    assert.deepEqual([headers['If-Match'], headers['Content-Type']], ['*', 'application/trickle-ice-sdpfrag']);
    assert.equal(body, 'a=ice-ufrag:page2\r\na=ice-pwd:pagepassword2\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n');
    assert.equal(peer().currentRemoteDescription.sdp, ANSWER.replace('srv1', 'srv2').replace('srvpassword1', 'srvpassword2'));
    peer().become('disconnected'); // said again: one restart is under way
    await clock.pass(4_000);
    assert.equal(browser.methods(), 'POST PATCH');
    peer().become('connected');
    await clock.pass(60_000);
    assert.deepEqual(seen, ['connected', 'connected']);
    peer().become('failed'); // another time: again
    await clock.pass(10);
    assert.equal(browser.methods(), 'POST PATCH PATCH');
  });

  test('a way that comes back by itself is left alone', async () => {
    await connected();
    peer().become('disconnected');
    await clock.pass(1_000);
    peer().become('connected');
    await clock.pass(60_000);
    assert.equal(browser.methods(), 'POST');
  });

  test('a restart without a way, or that the server refuses, is the end', async () => {
    await connected();
    peer().become('failed');
    await clock.pass(4_900);
    assert.deepEqual(seen, ['connected']);
    await clock.pass(200);
    assert.deepEqual(seen, ['connected', 'gone']);
    assert.equal(browser.methods(), 'POST PATCH DELETE');

    browser.answers.PATCH = problem('no-such-viewer', 404);
    const other = new app.RtcSession('/whep', { onEnd: (end) => seen.push(`other ${end}`) });
    await other.open();
    FakePeer.made[1].become('connected');
    FakePeer.made[1].become('failed');
    await clock.pass(10);
    assert.equal(seen[2], 'other gone');
  });

  test('another network is not waited for: ICE is restarted at once, and again only when it is over', async () => {
    await connected();
    browser.say('online');
    browser.say('online');
    await clock.pass(10);
    assert.equal(browser.methods(), 'POST PATCH');
    await clock.pass(60_000); // the former way was never lost, and no state is told
    assert.deepEqual(seen, ['connected']);
    for (const [type, methods] of [['wifi', 'POST PATCH'], ['cellular', 'POST PATCH PATCH']]) {
      browser.connection.type = type;
      browser.connection.dispatchEvent(new Event('change'));
      await clock.pass(10);
      assert.equal(browser.methods(), methods);
    }
  });

  test('a request that is lost with the network is made again', async () => {
    await connected();
    const answer = browser.answers.PATCH;
    browser.answers.PATCH = () => Promise.reject(new TypeError('network changed'));
    browser.say('online');
    await clock.pass(450);
    assert.equal(browser.methods(), 'POST PATCH PATCH PATCH');
    browser.answers.PATCH = answer;
    await clock.pass(200);
    assert.match(peer().currentRemoteDescription.sdp, /srv2/);
    await clock.pass(10_000);
    assert.deepEqual([seen, browser.methods()], [['connected'], 'POST PATCH PATCH PATCH PATCH']);
  });

  test('the server\'s goodbye and a page that is left end it, once', async () => {
    await connected();
    peer().become('closed');
    browser.leave();
    assert.deepEqual(seen, ['connected', 'gone']);
    assert.equal(browser.methods(), 'POST DELETE');

    const other = new app.RtcSession('/whep', { onEnd: (end) => seen.push(`other ${end}`) });
    await other.open();
    browser.leave();
    assert.equal(seen[2], 'other gone');
    assert.equal(browser.methods(), 'POST DELETE POST DELETE');
  });

  test('credentials come from a fragment that has both, and from no other', () => {
    assert.equal(app.restarted(ANSWER, 'a=ice-ufrag:srv2\r\n'), ANSWER);
    assert.equal(app.restarted(ANSWER, ''), ANSWER);
    assert.match(app.restarted(`${ANSWER}a=ice-ufrag:srv1\r\n`, 'a=ice-pwd:b\r\na=ice-ufrag:a\r\n'), /^(?!.*srv)[^]*a=ice-ufrag:a\r\n[^]*a=ice-ufrag:a\r\n$/);
    assert.equal(app.fragmentOf('v=0\r\n'), '\r\n');
  });
});

describe('the sending by WebRTC', () => {
  let run;
  beforeEach(() => {
    pretend();
    globalThis.RTCRtpSender = { getCapabilities: () => ({ codecs: ['VP8', 'H264', 'rtx'].map((name) => ({ mimeType: `video/${name}` })) }) };
    run = new app.WhipRun('/api/v1/cameras/door/whip', { onConnected: () => seen.push('connected'), onEnd: (end) => seen.push(end.kind) });
  });
  afterEach(() => {
    run.stop();
    delete globalThis.RTCRtpSender;
    browser.restore();
  });
  const begin = async () => {
    run.start({ kind: 'video' }, null);
    await clock.pass(10);
  };

  test('prefers H.264, and is connected', async () => {
    await begin();
    peer().become('connected');
    assert.deepEqual(peer().transceivers[0].preferred.map(({ mimeType }) => mimeType), ['video/H264', 'video/rtx']);
    assert.equal(peer().transceivers[0].init.direction, 'sendonly');
    await clock.pass(60_000);
    assert.deepEqual(seen, ['connected']);
    run.stop();
    assert.equal(browser.methods(), 'POST DELETE');
    assert.deepEqual(seen, ['connected'], 'who stops it is not told');
  });

  test('sound has a line of its own from the start, and comes and goes without another offer', async () => {
    await begin();
    const [pictures, sound] = peer().transceivers;
    assert.deepEqual([sound.what, sound.init.direction], ['audio', 'sendonly']);
    const microphone = { kind: 'audio' };
    await run.hear(microphone);
    assert.equal(sound.what, microphone);
    await run.hear(null);
    assert.equal(sound.what, null);
    await run.replace({ kind: 'video', of: 'front' });
    assert.equal(pictures.what.of, 'front');
    assert.equal(browser.methods(), 'POST');

    const other = new app.WhipRun('/whip', { onConnected: () => undefined, onEnd: () => undefined });
    other.start({ kind: 'video' }, microphone);
    await clock.pass(10);
    assert.equal(FakePeer.made[1].transceivers[1].what, microphone);
    other.stop();
  });

  test('a browser without H.264 is told before anybody is asked; a server that refuses it too', async () => {
    RTCRtpSender.getCapabilities = () => ({ codecs: [{ mimeType: 'video/VP8' }] });
    await begin();
    assert.deepEqual([seen, browser.methods()], [['no-codec'], '']);
    for (const [name, status, kind] of [['codec-not-offered', 406, 'no-codec'], ['already-publishing', 409, 'refused']]) {
      RTCRtpSender.getCapabilities = () => null;
      browser.answers.POST = problem(name, status);
      const other = new app.WhipRun('/whip', { onConnected: () => undefined, onEnd: (end) => seen.push(`${end.kind} ${end.problem?.name_}`) });
      other.start({ kind: 'video' }, null);
      await clock.pass(10);
      assert.equal(seen.pop(), `${kind} ${kind === 'refused' ? name : undefined}`);
    }
  });

  test('not connected in ten seconds, not reached, or lost for good it is lost', async () => {
    await begin();
    await clock.pass(9_900);
    assert.deepEqual(seen, []);
    await clock.pass(200);
    assert.deepEqual([seen, browser.methods()], [['lost'], 'POST DELETE']);

    browser.answers.POST = () => Promise.reject(new TypeError('no network'));
    const other = new app.WhipRun('/whip', { onConnected: () => undefined, onEnd: (end) => seen.push(`other ${end.kind}`) });
    other.start({ kind: 'video' }, null);
    await clock.pass(10);
    assert.equal(seen[1], 'other lost');
  });

  test('a lost way is asked for again, as for watching', async () => {
    await begin();
    peer().become('connected');
    peer().become('failed');
    await clock.pass(10);
    assert.equal(browser.methods(), 'POST PATCH');
    await clock.pass(6_000);
    assert.deepEqual([seen, browser.methods()], [['connected', 'lost'], 'POST PATCH DELETE']);
  });
});
