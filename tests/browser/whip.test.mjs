/* This device as a camera: the page in Chromium, whose own camera is Chromium's fake one, brings the
 * real server pictures; another person sees them move. casement-test: quick */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import {
  axe, bigTargets, catalogue, en, END_MS, noOverflow, nothingClipped, openPage, shot, signIn, until, WEB,
} from './helper.mjs';
import { startServer } from './_real.mjs';

const { chromium } = createRequire(join(WEB, 'package.json'))('playwright-core');
const ANNA = { name: 'Anna', password: 'a lamp in the window' };
const BRUNO = { name: 'Bruno', password: 'the boat on the lake' };

let browser;
let server;

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage',
      '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  });
  server = await startServer({
    config: {
      homes: [{
        id: 'verdi', name: 'Casa Verdi', allow: ['127.0.0.0/8'], cameras: [{ id: 'phone', name: 'Old phone', whip: true }],
        accounts: [{ name: ANNA.name, role: 'owner', password_file: 'anna' },
          { name: BRUNO.name, role: 'guest', password_file: 'bruno', cameras: ['phone'] }],
      }],
    },
    secrets: { anna: ANNA.password, bruno: BRUNO.password },
  });
});
afterEach(async () => { for (const context of browser.contexts()) await context.close(); });
after(async () => {
  await browser?.close();
  await server?.stop();
});

const enter = async (who, options = {}) => {
  const page = await openPage(browser, options);
  for (const script of [options.prepare ?? []].flat()) await page.addInitScript(script);
  await signIn(page, server.plain, { ...who, words: options.words ?? en });
  return page;
};
const tileState = (page) => page.locator('.tile').first().getAttribute('data-state');
const stageState = (page) => page.locator('.publish-stage').getAttribute('data-state');
const toPublish = async (page) => {
  await page.goto(`${server.plain}/#/publish/verdi/phone`);
  await page.locator('.publish-stage').waitFor();
};
const start = async (page) => {
  await until(async () => await stageState(page) === 'off', 'the preview');
  await page.getByRole('button', { name: en['publish.start'] }).click();
  await until(async () => await stageState(page) === 'on', 'sending');
};

/* What the middle of a video looks like: Chromium's fake camera draws a disc that turns, and a clock. */
const looks = (page) => page.locator('.tile video').first().evaluate((video) => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [64, 48];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0, 64, 48);
  return Array.from(context.getImageData(0, 0, 64, 48).data);
});
async function moves(page) {
  const first = await looks(page);
  await until(async () => {
    const second = await looks(page);
    return second.filter((value, n) => Math.abs(value - first[n]) > 24).length > 40;
  }, 'another picture');
}

/* Remembers connections, and the tracks of microphones that the page was given. */
function watchPage() {
  globalThis.peers = [];
  globalThis.microphones = [];
  const Real = globalThis.RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Real {
    constructor(...args) {
      super(...args);
      globalThis.peers.push(this);
    }
  };
  const open = MediaDevices.prototype.getUserMedia;
  MediaDevices.prototype.getUserMedia = async function remembered(wanted) {
    const stream = await open.call(this, wanted);
    globalThis.microphones.push(...stream.getAudioTracks());
    return stream;
  };
}

/* Bytes of sound that came by WebRTC so far, in the connections that are still open. */
const audioBytes = (page) => page.evaluate(async () => {
  let bytes = 0;
  for (const peer of globalThis.peers.filter((one) => one.connectionState !== 'closed'))
    (await peer.getStats()).forEach((entry) => { if (entry.type === 'inbound-rtp' && entry.kind === 'audio') bytes += entry.bytesReceived; });
  return bytes;
});

/* The loudest that the picture's element plays in a second and a half: Chromium's fake microphone beeps twice a second. */
const loudest = (page) => page.evaluate(async () => {
  const element = [...document.querySelectorAll('.stage video')].find((one) => !one.muted && !one.paused);
  if (!element?.srcObject?.getAudioTracks().length) return 0;
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  context.createMediaStreamSource(element.srcObject).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let most = 0;
  for (let n = 0; n < 15; n++) {
    await new Promise((done) => setTimeout(done, 100));
    analyser.getFloatTimeDomainData(samples);
    most = Math.max(most, ...samples.map(Math.abs));
  }
  await context.close();
  return most;
});

/* In place of the camera: frames as a phone's that is upright gives them, white above and black below, or lies on its
 * side, white on the left, as `globalThis.isUpright` says. */
function turnCamera() {
  globalThis.isUpright = true;
  const open = MediaDevices.prototype.getUserMedia;
  const light = (width, height, isWhite) => {
    const frame = new Uint8Array(width * height * 3 / 2).fill(128); // I420: its colours are gray
    for (let at = 0; at < width * height; at++) frame[at] = isWhite(at % width, Math.floor(at / width)) ? 235 : 16;
    return [frame, { format: 'I420', codedWidth: width, codedHeight: height }];
  };
  MediaDevices.prototype.getUserMedia = async function turning(wanted) {
    if (!wanted.video) return open.call(this, wanted);
    const track = new MediaStreamTrackGenerator({ kind: 'video' });
    const writer = track.writable.getWriter();
    const upright = light(360, 640, (_, y) => y < 320);
    const lying = light(640, 360, (x) => x < 320);
    const timer = setInterval(() => {
      const [frame, form] = globalThis.isUpright ? upright : lying;
      writer.write(new VideoFrame(frame, { ...form, timestamp: Math.round(performance.now() * 1000) })).catch(() => clearInterval(timer));
    }, 50);
    return new MediaStream([track]);
  };
}

/* Width, height and the light of the middle of each edge of what the tile shows, 0 to 255. */
const edges = (page) => page.locator('.tile video').first().evaluate((video) => {
  const { videoWidth: width, videoHeight: height } = video;
  if (!width) return null;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0);
  const light = (x, y) => context.getImageData(Math.floor(x * width), Math.floor(y * height), 1, 1).data[1];
  return { width, height, left: light(0.1, 0.5), right: light(0.9, 0.5), top: light(0.5, 0.1), bottom: light(0.5, 0.9) };
});

describe('this device as a camera', () => {
  test('is off on the wall, then moves for another person as soon as it sends', async () => {
    const viewer = await enter(BRUNO);
    await until(async () => await tileState(viewer) === 'off', 'off');
    await viewer.getByText(en['tile.notBrought']).waitFor();
    const publisher = await enter(ANNA);
    await toPublish(publisher);
    await start(publisher);
    await publisher.getByText(en['publish.on']).first().waitFor();
    const began = Date.now();
    await until(async () => await tileState(viewer) === 'live', 'live');
    console.log(`# a viewer's tile was live ${Date.now() - began} ms after the page said that it sends`);
    await moves(viewer);
    await publisher.getByRole('button', { name: en['publish.stop'] }).click();
    await until(async () => await tileState(viewer) === 'off', 'off again', END_MS);
  });

  test('a page that is left ends it, and one that is loaded anew takes over', async () => {
    const publisher = await enter(ANNA);
    await toPublish(publisher);
    await start(publisher);
    const viewer = await enter(BRUNO);
    await until(async () => await tileState(viewer) === 'live', 'live');
    await publisher.reload();
    await start(publisher);
    await until(async () => await tileState(viewer) === 'live', 'live again');
    await moves(viewer);
    await publisher.goto('about:blank');
    await until(async () => await tileState(viewer) === 'off', 'off', END_MS);
  });

  test('another device that sends is named, and so is a right that was lost', async () => {
    const first = await enter(ANNA);
    await toPublish(first);
    await start(first);
    const second = await enter(ANNA);
    await toPublish(second);
    await until(async () => await stageState(second) === 'off', 'the preview');
    await second.getByRole('button', { name: en['publish.start'] }).click();
    await second.getByText(en['publish.already.what']).waitFor();
    await first.evaluate(() => fetch('/api/v1/session', { method: 'DELETE' }));
    await until(async () => (await second.evaluate(async () => (await (await fetch('/api/v1/cameras/phone?home=verdi')).json()).state)) === 'off',
      'its session is over, and with it the pictures', END_MS);
    await second.getByRole('button', { name: en['publish.again'] }).click();
    await until(async () => await stageState(second) === 'on', 'sending');
  });

  test('is heard once its sound is turned on, and not before or after; the page always says which', async () => {
    const publisher = await enter(ANNA, { prepare: watchPage });
    await toPublish(publisher);
    await start(publisher);
    const sound = (name) => publisher.getByRole('radio', { name: en[`publish.${name}`], exact: true });
    const says = (word, is) => publisher.locator(`.publish-sound[data-sound=${is}]`).getByText(en[`publish.${word}`], { exact: true }).waitFor();
    await says('silent', 'off');
    const viewer = await enter(ANNA, { prepare: watchPage });
    await viewer.goto(`${server.plain}/#/camera/verdi/phone`);
    await viewer.locator('.stage[data-state=live]').waitFor();
    const described = () => viewer.evaluate(async () => (await (await fetch('/api/v1/cameras/phone?home=verdi')).json()).sound);
    assert.equal(await described(), null, 'no sound is sent');
    assert.deepEqual(await publisher.evaluate(() => globalThis.microphones.length), 0, 'nobody asked for the microphone');

    await sound('soundOn').click({ force: true });
    await says('heard', 'on');
    await until(async () => (await described())?.codec === 'opus', 'Opus');
    const button = viewer.getByRole('button', { name: en['camera.sound'], exact: true });
    await button.click();
    await until(async () => await loudest(viewer) > 0.02, 'beeps');
    await viewer.locator('.stage[data-state=live]').waitFor();

    await sound('soundOff').click({ force: true });
    await says('silent', 'off');
    await until(() => publisher.evaluate(() => globalThis.microphones.map(({ readyState }) => readyState).join() === 'ended'), 'the microphone to be let go');
    await until(async () => {
      const before = await audioBytes(viewer);
      await viewer.waitForTimeout(1_500);
      return await audioBytes(viewer) === before;
    }, 'silence', END_MS);
    assert.equal(await stageState(publisher), 'on');
    await until(async () => await viewer.locator('.stage').getAttribute('data-state') === 'live', 'the picture goes on');
    assert.deepEqual(publisher.faults, []);
  });

  test('names what keeps it from the microphone, and sends its pictures all the same', async () => {
    for (const [name, error] of [['micDenied', 'NotAllowedError'], ['micAbsent', 'NotFoundError'], ['micBusy', 'NotReadableError']]) {
      const page = await openPage(browser, {});
      await page.addInitScript((spoilt) => {
        const open = MediaDevices.prototype.getUserMedia;
        MediaDevices.prototype.getUserMedia = function refused(wanted) {
          return wanted.audio ? Promise.reject(new DOMException('', spoilt)) : open.call(this, wanted);
        };
      }, error);
      await signIn(page, server.plain, ANNA);
      await toPublish(page);
      await start(page);
      await page.getByRole('radio', { name: en['publish.soundOn'], exact: true }).click({ force: true });
      await page.getByRole('alert').getByText(en[`publish.${name}`]).waitFor();
      await until(async () => page.getByRole('radio', { name: en['publish.soundOff'], exact: true }).isChecked(), 'the choice to be off again');
      await page.locator('.publish-sound[data-sound=off]').waitFor();
      assert.equal(await stageState(page), 'on');
      await page.context().close();
    }
  });

  test('says when the device itself mutes the microphone', async () => {
    const page = await enter(ANNA, { prepare: watchPage });
    await toPublish(page);
    await page.getByRole('radio', { name: en['publish.soundOn'], exact: true }).click({ force: true });
    await page.locator('.publish-sound[data-sound=on]').getByText(en['publish.soundReady']).waitFor();
    await page.evaluate(() => globalThis.microphones[0].dispatchEvent(new Event('mute')));
    await page.locator('.publish-sound[data-sound=off]').getByText(en['publish.micMuted']).waitFor();
    await page.evaluate(() => globalThis.microphones[0].dispatchEvent(new Event('unmute')));
    await page.locator('.publish-sound[data-sound=on]').waitFor();
    await page.evaluate(() => globalThis.microphones[0].dispatchEvent(new Event('ended')));
    await page.getByRole('alert').getByText(en['publish.micBusy']).waitFor();
    await page.locator('.publish-sound[data-sound=off]').waitFor();
  });

  /* Not every viewer heeds the RTP extension that would turn a picture. The server's answer leaves it out: a browser that
   * would have named the turn there turns the picture before it encodes it. */
  test('a phone that is turned sends upright pictures, and others when it is turned back', async () => {
    const publisher = await enter(ANNA, { prepare: [watchPage, turnCamera] });
    await toPublish(publisher);
    await start(publisher);
    const [offer, answer] = await publisher.evaluate(() => [globalThis.peers[0].localDescription.sdp, globalThis.peers[0].remoteDescription.sdp]);
    assert.match(offer, /a=extmap:\d+ urn:3gpp:video-orientation/, 'Chromium offers it');
    assert.match(answer, /a=extmap:\d+ /);
    assert.doesNotMatch(answer, /video-orientation/);
    const viewer = await enter(BRUNO);
    const shows = (what, is) => until(async () => {
      const seen = await edges(viewer);
      return seen && is(seen);
    }, what);
    const isUpright = (seen) => seen.width < seen.height && seen.top > 180 && seen.bottom < 80;
    const isLying = (seen) => seen.width > seen.height && seen.left > 180 && seen.right < 80;
    await shows('an upright picture', isUpright);
    await publisher.evaluate(() => { globalThis.isUpright = false; });
    await shows('a wide one', isLying);
    await publisher.evaluate(() => { globalThis.isUpright = true; });
    await shows('an upright one again', isUpright);
    assert.equal(await stageState(publisher), 'on');
  });

  test('is begun from the page that adds cameras, by keyboard, on a phone', async () => {
    const page = await enter(ANNA, { size: 'phone' });
    await page.goto(`${server.plain}/#/add/verdi`);
    const field = page.getByPlaceholder(en['publish.nameExample']);
    await field.focus();
    await page.keyboard.type('Tablet');
    await page.keyboard.press('Enter');
    await page.locator('.publish-stage').waitFor();
    await until(async () => await stageState(page) === 'off', 'the preview');
    await page.getByRole('button', { name: en['publish.start'] }).focus();
    await page.keyboard.press('Enter');
    await until(async () => await stageState(page) === 'on', 'sending');
    await noOverflow(page, 'the sending page');
    await page.keyboard.press('Enter');
    await until(async () => await stageState(page) === 'off', 'stopped');
    await page.evaluate(async () => {
      const { cameras } = await (await fetch('/api/v1/cameras?home=verdi')).json();
      const made = cameras.find((camera) => camera.name === 'Tablet');
      await fetch(`/api/v1/cameras/${made.id}?home=verdi`, { method: 'DELETE' });
    });
  });

  test('says what keeps it from the camera', async () => {
    const faults = [
      ['denied', () => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError')); }],
      ['busy', () => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotReadableError')); }],
      ['absent', () => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError')); }],
      ['insecure', () => { Object.defineProperty(window, 'isSecureContext', { get: () => false }); }],
      ['noCodec', () => { RTCRtpSender.getCapabilities = () => ({ codecs: [{ mimeType: 'video/VP8' }], headerExtensions: [] }); }],
    ];
    for (const [name, spoil] of faults) {
      const page = await openPage(browser, {});
      await page.addInitScript(spoil);
      await signIn(page, server.plain, ANNA);
      await toPublish(page);
      if (name === 'noCodec') {
        await until(async () => await stageState(page) === 'off', 'the preview');
        await page.getByRole('button', { name: en['publish.start'] }).click();
      }
      await page.getByText(en[`publish.${name}.what`]).waitFor();
      await page.getByText(en[`publish.${name}.fix`]).waitFor();
      await page.context().close();
    }
  });

  test('looks right in each language and theme, on a phone and at a desk', async () => {
    for (const [size, theme, language] of [['phone', 'light', 'en'], ['phone', 'dark', 'hi'], ['desk', 'light', 'it']]) {
      const words = catalogue(language);
      const page = await enter(ANNA, { size, theme, language, words });
      await toPublish(page);
      await until(async () => await stageState(page) === 'off', 'the preview');
      const what = `publish-${size}-${theme}-${language}`;
      for (const check of [noOverflow, nothingClipped, bigTargets, axe]) await check(page, what);
      await shot(page, what);
      assert.deepEqual(page.faults, []);
      await page.context().close();
    }
  });
});
