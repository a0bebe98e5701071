/* This device as a camera: the page in Chromium, whose own camera is Chromium's fake one, brings the
 * real server pictures; another person sees them move. casement-test: quick */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import {
  axe, bigTargets, catalogue, en, noOverflow, nothingClipped, openPage, shot, signIn, until, WEB,
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
  await until(async () => await stageState(page) === 'off', 'the preview', 20_000);
  await page.getByRole('button', { name: en['publish.start'] }).click();
  await until(async () => await stageState(page) === 'on', 'sending', 20_000);
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
  }, 'another picture', 10_000);
}

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
    await until(async () => await tileState(viewer) === 'live', 'live', 20_000);
    console.log(`# a viewer's tile was live ${Date.now() - began} ms after the page said that it sends`);
    await moves(viewer);
    await publisher.getByRole('button', { name: en['publish.stop'] }).click();
    await until(async () => await tileState(viewer) === 'off', 'off again', 20_000);
  });

  test('a page that is left ends it, and one that is loaded anew takes over', async () => {
    const publisher = await enter(ANNA);
    await toPublish(publisher);
    await start(publisher);
    const viewer = await enter(BRUNO);
    await until(async () => await tileState(viewer) === 'live', 'live', 20_000);
    await publisher.reload();
    await start(publisher);
    await until(async () => await tileState(viewer) === 'live', 'live again', 20_000);
    await moves(viewer);
    await publisher.goto('about:blank');
    await until(async () => await tileState(viewer) === 'off', 'off', 20_000);
  });

  test('another device that sends is named, and so is a right that was lost', async () => {
    const first = await enter(ANNA);
    await toPublish(first);
    await start(first);
    const second = await enter(ANNA);
    await toPublish(second);
    await until(async () => await stageState(second) === 'off', 'the preview', 20_000);
    await second.getByRole('button', { name: en['publish.start'] }).click();
    await second.getByText(en['publish.already.what']).waitFor();
    await first.evaluate(() => fetch('/api/v1/session', { method: 'DELETE' }));
    await until(async () => (await second.evaluate(async () => (await (await fetch('/api/v1/cameras/phone?home=verdi')).json()).state)) === 'off',
      'its session is over, and with it the pictures', 10_000);
    await second.getByRole('button', { name: en['publish.again'] }).click();
    await until(async () => await stageState(second) === 'on', 'sending', 20_000);
  });

  test('is begun from the page that adds cameras, by keyboard, on a phone', async () => {
    const page = await enter(ANNA, { size: 'phone' });
    await page.goto(`${server.plain}/#/add/verdi`);
    const field = page.getByPlaceholder(en['publish.nameExample']);
    await field.focus();
    await page.keyboard.type('Tablet');
    await page.keyboard.press('Enter');
    await page.locator('.publish-stage').waitFor();
    await until(async () => await stageState(page) === 'off', 'the preview', 20_000);
    await page.getByRole('button', { name: en['publish.start'] }).focus();
    await page.keyboard.press('Enter');
    await until(async () => await stageState(page) === 'on', 'sending', 20_000);
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
        await until(async () => await stageState(page) === 'off', 'the preview', 20_000);
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
      await until(async () => await stageState(page) === 'off', 'the preview', 20_000);
      const what = `publish-${size}-${theme}-${language}`;
      for (const check of [noOverflow, nothingClipped, bigTargets, axe]) await check(page, what);
      await shot(page, what);
      assert.deepEqual(page.faults, []);
      await page.context().close();
    }
  });
});
