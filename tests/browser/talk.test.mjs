/* Push to talk in Chromium, whose microphone is a file, at simulated cameras that write down what they
 * hear: only while the button is held or after a tap, one person at a time, and in words where it can't
 * be. casement-test: quick */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import {
  axe, bigTargets, catalogue, counts, en, END_MS, noOverflow, nothingClipped, openPage, shot, signIn, until, WEB,
} from './helper.mjs';
import { startCameras, startServer } from './_real.mjs';

const { chromium } = createRequire(join(WEB, 'package.json'))('playwright-core');
const ANNA = { name: 'Anna', password: 'a lamp in the window' };
const BRUNO = { name: 'Bruno', password: 'the boat on the lake' };
const CARLA = { name: 'Carla', password: 'three birds on a wire' };
const PITCH = 700;
const place = mkdtempSync(join(tmpdir(), 'casement-talk-'));

/* A tone as a voice comes: on and off, or the browser takes it for noise and suppresses it. 16 bits,
 * 48 kHz, mono, a second. */
function voice() {
  const rate = 48_000;
  const data = Buffer.alloc(44 + rate * 2);
  data.write('RIFF', 0);
  data.writeUInt32LE(36 + rate * 2, 4);
  data.write('WAVEfmt ', 8);
  for (const [at, size, value] of [[16, 4, 16], [20, 2, 1], [22, 2, 1], [24, 4, rate], [28, 4, rate * 2], [32, 2, 2], [34, 2, 16]])
    data.writeUIntLE(value, at, size);
  data.write('data', 36);
  data.writeUInt32LE(rate * 2, 40);
  for (let n = 0; n < rate; n++) {
    const isOn = n % 12_000 < 7_000;
    data.writeInt16LE(isOn ? Math.round(16_000 * Math.sin(2 * Math.PI * PITCH * n / rate)) : 0, 44 + n * 2);
  }
  return data;
}

/* ---- what a camera heard: G.711 mu-law, 8 kHz ---- */

const fileOf = (camera) => join(place, `cam${camera}.ulaw`);
const sizeOf = (camera) => (existsSync(fileOf(camera)) ? statSync(fileOf(camera)).size : 0);

function linear(byte) {
  const value = ~byte & 0xff;
  const size = ((value & 0x0f) << 3 | 0x84) << (value >> 4 & 7);
  return value & 0x80 ? 0x84 - size : size - 0x84;
}

/* Of so many pieces of 20 ms from byte `begin` on the tone is the loudest thing. */
function piecesOfTone(camera, begin) {
  if (sizeOf(camera) <= begin) return 0;
  const bytes = readFileSync(fileOf(camera)).subarray(begin);
  let count = 0;
  for (let at = 0; at + 160 <= bytes.length; at += 160) {
    const samples = Array.from(bytes.subarray(at, at + 160), linear);
    const turn = 2 * Math.cos(2 * Math.PI * PITCH / 8_000);
    let [earlier, last, whole] = [0, 0, 0];
    for (const sample of samples) {
      [earlier, last] = [last, sample + turn * last - earlier];
      whole += sample * sample;
    }
    const share = 2 * (last * last + earlier * earlier - turn * last * earlier) / (samples.length * whole || 1);
    if (Math.max(...samples) > 300 && share > 0.5) count++;
  }
  return count;
}

const hears = async (camera, begin, what) => until(() => piecesOfTone(camera, begin) > 25, `the camera to hear ${what}`);

/* What was on its way may still come, nothing after that. */
async function isSilent(camera) {
  await until(async () => {
    const size = sizeOf(camera);
    await new Promise((done) => { setTimeout(done, 1_500); });
    return sizeOf(camera) === size;
  }, 'silence', END_MS);
}

/* ---- the stage ---- */

let browser;
let server;
let cameras;
let deaf;

before(async () => {
  writeFileSync(join(place, 'voice.wav'), voice());
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage', '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream', `--use-file-for-fake-audio-capture=${join(place, 'voice.wav')}`],
  });
  cameras = await startCameras(3, ['--sound', 'pcmu', '--talk', 'pcmu', '--heard', place]);
  deaf = await startCameras(1, ['--talk', 'refused', '--first-code', '9']);
  const row = (id, name, url, talk) => ({ id, name, main: url('main'), sub: url('sub'), talk });
  server = await startServer({
    config: {
      homes: [{
        id: 'verdi', name: 'Casa Verdi', allow: ['127.0.0.0/8'],
        cameras: [row('door', 'Front door', (stream) => cameras.url(1, stream), true), row('gate', 'Gate', (stream) => cameras.url(2, stream), true),
          row('attic', 'Attic', (stream) => cameras.url(3, stream), false), row('cellar', 'Cellar', (stream) => deaf.url(1, stream), true)],
        accounts: [{ name: ANNA.name, role: 'owner', password_file: 'anna' },
          { name: BRUNO.name, role: 'guest', password_file: 'bruno', cameras: ['door'] },
          { name: CARLA.name, role: 'guest', password_file: 'carla', cameras: [{ id: 'door', rights: ['view', 'talk'] }] }],
      }],
    },
    secrets: { anna: ANNA.password, bruno: BRUNO.password, carla: CARLA.password },
  });
});
afterEach(async () => { for (const context of browser.contexts()) await context.close(); });
after(async () => {
  await browser?.close();
  await server?.stop();
  await cameras?.stop();
  await deaf?.stop();
  rmSync(place, { recursive: true, force: true });
});

/* How often the microphone was asked for. */
function countAsks() {
  globalThis.asks = 0;
  const { mediaDevices } = navigator;
  if (!mediaDevices) return;
  const ask = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = (what) => {
    globalThis.asks++;
    return ask(what);
  };
}

async function open(who, camera, { prepare, words = en, ...how } = {}) {
  const page = await openPage(browser, how);
  await page.addInitScript(countAsks);
  if (prepare) await page.addInitScript(prepare);
  await signIn(page, server.plain, { ...who, words });
  await page.goto(`${server.plain}/#/camera/verdi/${camera}`);
  await page.locator('.stage[data-state=live]').waitFor();
  return page;
}

const button = (page, words = en) => page.getByRole('button', { name: words['talk.do'], exact: true });
const phase = (page) => page.locator('.talk').getAttribute('data-phase');
const isPhase = (page, wanted) => until(async () => await phase(page) === wanted, `the phase ${wanted}`);
const says = (page, key, words = en) => page.locator('.talk-status').getByText(words[key]).waitFor();

async function press(page) {
  await button(page).scrollIntoViewIfNeeded();
  await button(page).hover();
  await page.mouse.down();
}

/* Down and up at once, as a finger that does not wait until the page has heard of the first. */
async function tap(page, words = en) {
  await button(page, words).scrollIntoViewIfNeeded();
  await button(page, words).hover();
  await Promise.all([page.mouse.down(), page.mouse.up()]);
}
const tapKey = (page, key) => Promise.all([page.keyboard.down(key), page.keyboard.up(key)]);

describe('push to talk', () => {
  test('speaks while it is held, and asks for the microphone then', async () => {
    const page = await open(ANNA, 'door');
    await button(page).waitFor();
    await page.waitForTimeout(1_000);
    assert.equal(await page.evaluate(() => globalThis.asks), 0, 'not before');
    assert.equal(sizeOf(1), 0, 'and not a byte is sent');
    await press(page);
    await isPhase(page, 'on');
    assert.equal(await button(page).getAttribute('aria-pressed'), 'true');
    await says(page, 'talk.on');
    await hears(1, 0, 'her');
    await until(async () => page.locator('.talk-do').evaluate((one) => Number(one.style.getPropertyValue('--level')) > 0.2), 'the level to show');
    await until(() => page.locator('.stage video').first().evaluate((video) => video.volume < 0.5), 'the camera to be lowered');
    await axe(page, 'the camera page while speaking');
    await page.mouse.up();
    await isPhase(page, 'off');
    await isSilent(1);
    assert.equal(sizeOf(2) + sizeOf(3), 0, 'no other camera heard a thing');
    await until(() => page.locator('.stage video').first().evaluate((video) => video.volume === 1), 'the camera to be loud again');
    const begin = sizeOf(1);
    await press(page);
    await hears(1, begin, 'her again');
    await page.mouse.up();
    assert.equal(await page.evaluate(() => globalThis.asks), 1, 'one ask for both');
    assert.deepEqual(page.faults, []);
  });

  test('by keyboard: held, and tapped', async () => {
    const page = await open(ANNA, 'door');
    let begin = sizeOf(1);
    await button(page).focus();
    await page.keyboard.down(' ');
    await hears(1, begin, 'the key held');
    await page.keyboard.up(' ');
    await isPhase(page, 'off');
    await isSilent(1);
    begin = sizeOf(1);
    await tapKey(page, 'Enter');
    await hears(1, begin, 'after a tap');
    await says(page, 'talk.onLocked');
    await tapKey(page, 'Enter');
    await isPhase(page, 'off');
    await isSilent(1);
  });

  test('by taps, and by a click that no pointer made', async () => {
    const page = await open(ANNA, 'gate', { size: 'phone' });
    await tap(page);
    await hears(2, 0, 'after a tap');
    await tap(page);
    await isPhase(page, 'off');
    await isSilent(2);
    const begin = sizeOf(2);
    await button(page).evaluate((one) => one.click());
    await hears(2, begin, 'after a click of a screen reader');
    await button(page).evaluate((one) => one.click());
    await isPhase(page, 'off');
  });

  test('by a tap that the page hears of late', async () => {
    const page = await open(ANNA, 'gate');
    await button(page).waitFor();
    await page.evaluate(() => addEventListener('pointerdown', () => {
      const end = performance.now() + 800;
      while (performance.now() < end);
    }, { once: true }));
    await tap(page);
    await says(page, 'talk.onLocked');
    await tap(page);
    await isPhase(page, 'off');
  });

  test('ends with the tab in view, and with the page', async () => {
    const page = await open(ANNA, 'door');
    const begin = sizeOf(1);
    await tap(page);
    await hears(1, begin, 'her');
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { get: () => true, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await isPhase(page, 'off');
    await isSilent(1);
    await page.evaluate(() => { delete document.hidden; });
    await tap(page);
    await isPhase(page, 'on');
    await page.goto(`${server.plain}/#/wall/verdi`);
    await page.locator('.tile').first().waitFor();
    await isSilent(1);
  });

  test('says that somebody else speaks, and is heard when he has ended', async () => {
    const first = await open(ANNA, 'door');
    await tap(first);
    await isPhase(first, 'on');
    const second = await open(CARLA, 'door');
    await tap(second);
    await says(second, 'talk.trouble.taken');
    await tap(first);
    await isPhase(second, 'on');
    await tap(second);
    await isPhase(second, 'off');
  });

  test('ends with the right to it; the picture goes on', async () => {
    const owner = await openPage(browser, {});
    await signIn(owner, server.plain, ANNA);
    const give = (rights) => owner.evaluate(async (list) => {
      const all = await (await fetch('/api/v1/people?home=verdi')).json();
      const { account } = all.people.find((one) => one.name === 'Carla');
      return (await fetch(`/api/v1/people/${account}/cameras/door?home=verdi`, {
        method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ rights: list }),
      })).status;
    }, rights);
    const page = await open(CARLA, 'door');
    const begin = sizeOf(1);
    await tap(page);
    await hears(1, begin, 'her');
    assert.equal(await give(['view']), 200);
    await isSilent(1);
    await counts(button(page), 0, 'the button to go');
    await page.locator('.stage[data-state=live]').waitFor();
    assert.equal(await give(['view', 'talk']), 200);
    await button(page).waitFor();
  });

  test('is not there without the right, nor at a camera that takes no talk', async () => {
    const guest = await open(BRUNO, 'door');
    assert.equal(await guest.locator('.talk').count(), 0);
    const page = await open(ANNA, 'attic');
    assert.equal(await page.locator('.talk').count(), 0);
    assert.equal(sizeOf(3), 0);
  });

  test('says what keeps it from the camera, or from the microphone', async () => {
    const cellar = await open(ANNA, 'cellar');
    await tap(cellar);
    await says(cellar, 'cause.talk_refused.what');
    await cellar.context().close();
    const faults = [
      ['denied', () => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError')); }],
      ['busy', () => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotReadableError')); }],
      ['absent', () => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError')); }],
      ['insecure', () => { Object.defineProperty(window, 'isSecureContext', { get: () => false }); }],
      ['way', () => { delete globalThis.RTCPeerConnection; }],
    ];
    for (const [name, prepare] of faults) {
      const page = await open(ANNA, 'gate', { prepare });
      await tap(page);
      await says(page, `talk.trouble.${name}`);
      assert.equal(await button(page).getAttribute('aria-pressed'), 'false');
      await page.context().close();
    }
  });

  test('looks right in each language and theme, on a phone and at a desk', async () => {
    for (const [size, theme, language] of [['phone', 'light', 'en'], ['phone', 'dark', 'hi'], ['desk', 'light', 'it'], ['desk', 'dark', 'en']]) {
      const words = catalogue(language);
      const page = await open(ANNA, 'gate', { size, theme, language, words });
      const what = `talk-${size}-${theme}-${language}`;
      for (const check of [noOverflow, nothingClipped, bigTargets, axe]) await check(page, what);
      await tap(page, words);
      await isPhase(page, 'on');
      for (const check of [noOverflow, nothingClipped, axe]) await check(page, `${what}-on`);
      await shot(page, what);
      await page.context().close();
    }
  });
});
