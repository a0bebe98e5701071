/* A camera whose main stream is H.265, which Debian's Chromium does not play, and whose sub stream is
 * H.264: the wall plays the small one, the camera's page says in words what is the matter, shows
 * stills, and offers the small one. casement-test: quick */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { counts, en, openBrowser, openPage, signIn, until, WEB } from './helper.mjs';
import { codesOf, startCameras, startServer } from './_real.mjs';

const ANNA = { name: 'Anna', password: 'a lamp in the window' };

let browser;
let cameras;
let server;

before(async () => {
  browser = await openBrowser();
  cameras = await startCameras(1, ['--main-codec', 'h265']);
  server = await startServer({
    config: {
      homes: [{
        id: 'verdi', name: 'Casa Verdi', allow: ['127.0.0.0/8'],
        cameras: [{ id: 'cam1', name: 'Camera 1', main: cameras.url(1), sub: cameras.url(1, 'sub'), keep: 'always' }],
        accounts: [{ name: ANNA.name, role: 'owner', password_file: 'anna' }],
      }],
    },
    secrets: { anna: ANNA.password },
  });
});
afterEach(async () => { for (const context of browser.contexts()) await context.close(); });
after(async () => {
  await browser?.close();
  await server?.stop();
  await cameras?.stop();
});

/* The player's own reading of an init segment. */
async function codecOf(bytes) {
  const scratch = mkdtempSync(join(tmpdir(), 'casement-boxes-'));
  const out = join(scratch, 'boxes.mjs');
  await createRequire(join(WEB, 'package.json'))('esbuild').build({
    stdin: { contents: `export * from './player/boxes';`, resolveDir: join(WEB, 'src'), loader: 'ts' },
    outfile: out, bundle: true, format: 'esm', logLevel: 'error',
  });
  const { Mp4Splitter } = await import(pathToFileURL(out));
  rmSync(scratch, { recursive: true, force: true });
  return new Mp4Splitter().push(bytes)[0].codec;
}

const isItsOwn = (page, selector) => until(async () => (await codesOf(page, selector))[0]?.camera === 1, 'a picture of the camera');

const words = (text) => new RegExp(text.replace(/[.?()]/g, '\\$&'));

describe('H.265', () => {
  test('on the wall the small stream plays, which is H.264', async () => {
    const page = await openPage(browser, {});
    await signIn(page, server.plain, ANNA);
    await counts(page.locator('.tile[data-state="live"]'), 1, 'a live tile');
    await isItsOwn(page, '.tile video');
  });

  test('the player reads the codec out of the boxes as the server tells it', async () => {
    const page = await openPage(browser, {});
    await signIn(page, server.plain, ANNA);
    const { type, bytes } = await page.evaluate(async () => {
      const response = await fetch('/api/v1/cameras/cam1/live.mp4?home=verdi&stream=main');
      const reader = response.body.getReader();
      const taken = [];
      while (taken.length < 4096) for (const byte of (await reader.read()).value) taken.push(byte);
      await reader.cancel();
      return { type: response.headers.get('Content-Type'), bytes: taken };
    });
    assert.match(type, /codecs="hvc1\.1\./);
    assert.equal(`video/mp4; codecs="${await codecOf(new Uint8Array(bytes))}"`, type);
  });

  test('large it is said in words, stills are shown, and the small one is a press away', async () => {
    const page = await openPage(browser, {});
    await signIn(page, server.plain, ANNA);
    const canPlay = await page.evaluate(() => MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L93.90"'));
    await page.locator('.tile').first().click();
    if (canPlay) { // a Chromium with a decoder: then it plays
      await counts(page.locator('.stage[data-state="live"]'), 1, 'it to play');
      return;
    }
    const said = en['camera.cannotPlay'].replace('{codec}', 'H.265');
    await page.getByText(said).waitFor();
    await isItsOwn(page, 'main .picture img');
    await page.getByRole('button', { name: en['camera.details'] }).click();
    await until(async () => words(en['details.why.codec']).test(await page.locator('dl.facts').innerText()), 'why not WebRTC');
    await page.getByRole('button', { name: en['camera.playSub'] }).click();
    await counts(page.locator('.stage[data-state="live"]'), 1, 'the small one to be live');
    await counts(page.getByText(said), 0, 'nothing more to be said');
    await isItsOwn(page, 'main video');
  });
});
