/* Sound in Chromium, from the real server and cameras that hum a tone: only after a tap, by WebRTC or
 * as AAC beside the picture; in words where it can't be; and not at all without the right. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { axe, en, END_MS, openBrowser, openPage, signIn, until } from './helper.mjs';
import { startForeignCamera, startServer } from './_real.mjs';

const ANNA = { name: 'Anna', password: 'a lamp in the window' };
const BRUNO = { name: 'Bruno', password: 'the boat on the lake' };
const SHOWN = ['live', 'behind', 'frozen']; // a busy machine may make a picture late: there is one all the same
const SOUNDS = { door: 'pcmu:440', attic: 'aac:600', yard: 'opus:1000', cellar: '' };

let browser;
let server;
const cameras = {};

before(async () => {
  browser = await openBrowser();
  for (const [id, sound] of Object.entries(SOUNDS)) cameras[id] = await startForeignCamera({ login: 'none', transport: 'tcp', sound });
  server = await startServer({
    config: {
      homes: [{
        id: 'verdi', name: 'Casa Verdi', allow: ['127.0.0.0/8'],
        cameras: Object.keys(SOUNDS).map((id) => ({ id, name: id, main: cameras[id].url })),
        accounts: [{ name: ANNA.name, role: 'owner', password_file: 'anna' },
          { name: BRUNO.name, role: 'guest', password_file: 'bruno', cameras: ['door'] }],
      }],
    },
    secrets: { anna: ANNA.password, bruno: BRUNO.password },
  });
});
afterEach(async () => { for (const context of browser.contexts()) await context.close(); });
after(async () => {
  await browser?.close();
  await server?.stop();
  for (const camera of Object.values(cameras)) await camera.stop();
});

function withoutWebrtc() {
  delete globalThis.RTCPeerConnection;
}

/* Remembers every connection, so that what came in them can be asked for. */
function watchPeers() {
  globalThis.peers = [];
  const Real = globalThis.RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Real {
    constructor(...args) {
      super(...args);
      globalThis.peers.push(this);
    }
  };
}

/* Bytes of sound that came by WebRTC so far, in the connections that are still open. */
const audioBytes = (page) => page.evaluate(async () => {
  let bytes = 0;
  for (const peer of globalThis.peers) {
    if (peer.connectionState === 'closed') continue;
    (await peer.getStats()).forEach((entry) => { if (entry.type === 'inbound-rtp' && entry.kind === 'audio') bytes += entry.bytesReceived; });
  }
  return bytes;
});

/* Hertz of what an element of the stage plays, 0 for silence: the loudest of a spectrum. */
const pitchOf = (page, selector) => page.evaluate(async (which) => {
  const element = [...document.querySelectorAll(which)].find((one) => !one.muted && !one.paused);
  const stream = element?.srcObject ?? element?.captureStream();
  if (!stream || stream.getAudioTracks().length === 0) return 0;
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  context.createMediaStreamSource(stream).connect(analyser);
  await new Promise((done) => setTimeout(done, 1_000));
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const loudest = levels.indexOf(Math.max(...levels));
  const hertz = loudest * context.sampleRate / analyser.fftSize;
  const isSilent = levels[loudest] < -60;
  await context.close();
  return isSilent ? 0 : hertz;
}, selector);

async function openCamera(who, id, prepare) {
  const page = await openPage(browser, {});
  await page.addInitScript(watchPeers);
  if (prepare) await page.addInitScript(prepare);
  await signIn(page, server.plain, who);
  await page.goto(`${server.plain}/#/camera/verdi/${id}`);
  await page.locator('.stage[data-state=live]').waitFor();
  return page;
}

const button = (page) => page.getByRole('button', { name: en['camera.sound'], exact: true });
const isPressed = async (page) => await button(page).getAttribute('aria-pressed') === 'true';

const areMuted = (page) => until(() => page.locator('.stage video').evaluateAll((videos) => videos.length > 0 && videos.every((video) => video.muted)), 'silence');

async function sounds(page, selector, hertz) {
  await until(async () => Math.abs(await pitchOf(page, selector) - hertz) < 20, `a tone of ${hertz} Hz`);
}

describe('sound', () => {
  test('comes by WebRTC after a tap, in the picture that goes on, and goes with the next', async () => {
    const page = await openCamera(ANNA, 'door');
    await button(page).waitFor();
    await page.waitForTimeout(1_500);
    assert.equal(await isPressed(page), false);
    assert.equal(await audioBytes(page), 0, 'nothing of it is sent before');
    await areMuted(page);
    await page.evaluate(() => {
      globalThis.left = [];
      const stage = document.querySelector('.stage');
      new MutationObserver(() => globalThis.left.push(stage.dataset.state)).observe(stage, { attributeFilter: ['data-state'] });
    });
    await button(page).click();
    await until(async () => await isPressed(page), 'the button pressed');
    await until(async () => await audioBytes(page) > 8_000, 'a second of sound');
    await sounds(page, '.stage video', 440);
    assert.deepEqual((await page.evaluate(() => globalThis.left)).filter((state) => !SHOWN.includes(state)), [], 'the picture stays');
    await axe(page, 'the camera page with sound');
    await page.keyboard.press('m');
    await until(async () => !await isPressed(page), 'the button let go');
    await areMuted(page);
    await until(async () => await page.evaluate(() => globalThis.peers.filter((peer) => peer.connectionState !== 'closed')
      .every((peer) => peer.getReceivers().every((receiver) => receiver.track.kind === 'video'))), 'a session without sound');
    assert.deepEqual(page.faults, []);
  });

  test('is remembered for the visit, and for no other', async () => {
    const page = await openCamera(ANNA, 'door');
    await button(page).click();
    await sounds(page, '.stage video', 440);
    await page.getByRole('button', { name: en['camera.next'] }).click();
    await page.getByRole('heading', { level: 1, name: 'attic' }).waitFor();
    await sounds(page, '.stage video', 600);
    await page.reload();
    await page.locator('.stage[data-state=live]').waitFor();
    assert.equal(await isPressed(page), false);
    assert.equal(await page.locator('.stage audio').count(), 0);
  });

  test('that is AAC is made over for WebRTC, and says so', async () => {
    const page = await openCamera(ANNA, 'attic');
    await button(page).click();
    await sounds(page, '.stage video', 600);
    assert.ok(await audioBytes(page) > 0, 'by WebRTC');
    assert.equal(await page.locator('.stage audio').count(), 0, 'and by it alone');
    await page.getByText(en['camera.details'], { exact: true }).click();
    await page.getByText(en['details.soundMade'].replace('{codec}', 'Opus').replace('{from}', 'AAC')).waitFor();
  });

  test('that is AAC plays beside a picture without WebRTC, and no further behind than it must', async () => {
    const page = await openCamera(ANNA, 'attic', withoutWebrtc);
    await button(page).click();
    await sounds(page, '.stage audio', 600);
    await until(async () => await page.locator('.stage audio').evaluate((audio) =>
      audio.buffered.end(audio.buffered.length - 1) - audio.currentTime < 1), 'the edge');
    await page.keyboard.press('m');
    await until(async () => await page.locator('.stage audio').count() === 0, 'silence');
  });

  test('that is Opus plays there as it is, and G.711 made over', async () => {
    for (const [id, hertz] of [['yard', 1000], ['door', 440]]) {
      const page = await openCamera(ANNA, id, withoutWebrtc);
      await button(page).click();
      await sounds(page, '.stage audio', hertz);
      await page.context().close();
    }
  });

  test('that the browser holds back is told, and the picture stays', async () => {
    const page = await openCamera(ANNA, 'door', () => {
      const { play } = HTMLMediaElement.prototype;
      HTMLMediaElement.prototype.play = function held() {
        return this.muted || globalThis.allowsSound ? play.call(this) : Promise.reject(new DOMException('no tap', 'NotAllowedError'));
      };
    });
    await button(page).click();
    await page.getByText(en['sound.blocked']).waitFor();
    await page.locator('.stage[data-state=live]').waitFor();
    await until(() => page.locator('.stage video').evaluateAll((videos) => videos.every((video) => video.muted && !video.paused)), 'pictures without sound');
    await page.evaluate(() => { globalThis.allowsSound = true; });
    await button(page).click();
    await sounds(page, '.stage video', 440);
  });

  test('has no button where there is none, and none for who may not hear', async () => {
    const silent = await openCamera(ANNA, 'cellar');
    assert.equal(await button(silent).count(), 0);
    const page = await openCamera(BRUNO, 'door');
    const asked = [];
    page.on('request', (request) => asked.push(request.url()));
    assert.equal(await button(page).count(), 0);
    await page.keyboard.press('m');
    await page.waitForTimeout(1_500);
    assert.equal(await audioBytes(page), 0);
    assert.deepEqual(asked.filter((url) => /sound|whep/.test(url)), []);
  });

  test('ends with the right to it; the picture goes on', async () => {
    const people = await openPage(browser, {});
    await signIn(people, server.plain, ANNA);
    const give = (rights) => people.evaluate(async (list) => {
      const all = await (await fetch('/api/v1/people?home=verdi')).json();
      const { account } = all.people.find((one) => one.name === 'Bruno');
      return (await fetch(`/api/v1/people/${account}/cameras/door?home=verdi`, {
        method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ rights: list }),
      })).status;
    }, rights);
    assert.equal(await give(['view', 'listen']), 200);
    const page = await openCamera(BRUNO, 'door');
    await button(page).click();
    await sounds(page, '.stage video', 440);
    assert.equal(await give(['view']), 200);
    await until(async () => await button(page).count() === 0, 'the button gone', END_MS);
    await until(async () => {
      const before = await audioBytes(page);
      await page.waitForTimeout(2_000);
      return await audioBytes(page) === before;
    }, 'silence', END_MS);
    await page.locator('.stage[data-state=live]').waitFor();
  });
});
