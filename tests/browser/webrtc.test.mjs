/* Pictures by WebRTC in Chromium, from the real server: first choice, the details say so, what is
 * done without it, and that the cut ends them. casement-test: quick */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { en, END_MS, openBrowser, openPage, shot, signIn, until } from './helper.mjs';
import { byWebrtc, codesOf, freePort, isByWebrtc, liveTiles, startCameras, startServer } from './_real.mjs';

const ANNA = { name: 'Anna', password: 'a lamp in the window' };
const BRUNO = { name: 'Bruno', password: 'the boat on the lake' };
const text = (key, values = {}) => en[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

let browser;
let cameras;
let server;

before(async () => {
  browser = await openBrowser();
  cameras = await startCameras(2);
  const camera = (n) => ({ id: `cam${n}`, name: `Camera ${n}`, main: cameras.url(n), sub: cameras.url(n, 'sub') });
  server = await startServer({
    config: {
      homes: [{
        id: 'verdi', name: 'Casa Verdi', allow: ['127.0.0.0/8'], cameras: [camera(1), camera(2)],
        accounts: [{ name: ANNA.name, role: 'owner', password_file: 'anna' },
          { name: BRUNO.name, role: 'guest', password_file: 'bruno', cameras: ['cam1'] }],
      }],
    },
    secrets: { anna: ANNA.password, bruno: BRUNO.password },
  });
});
afterEach(async () => { for (const context of browser.contexts()) await context.close(); });
after(async () => {
  await browser?.close();
  await server?.stop();
  await cameras?.stop();
});

const enter = async (who) => {
  const page = await openPage(browser, {});
  await signIn(page, server.plain, who);
  return page;
};
async function openDetails(page) {
  await page.locator('.tile').first().click();
  await page.getByRole('button', { name: en['camera.details'] }).click();
  const path = page.locator('dl.facts div', { has: page.getByText(en['details.path'], { exact: true }) }).locator('dd');
  return { path, facts: page.locator('dl.facts') };
}

/* Each video shows its own camera whenever it is looked at, and soon ten pictures further on. */
async function moves(page, selector, wanted) {
  let first = null;
  await until(async () => {
    const codes = await codesOf(page, selector);
    assert.equal(codes.length, wanted.length);
    for (const [n, code] of codes.entries()) if (code) assert.equal(code.camera, wanted[n]);
    if (!codes.every((code) => code)) return false;
    first ??= codes;
    return codes.every((code, n) => code.counter - first[n].counter >= 10);
  }, `pictures of ${wanted.join(' and ')} that move`);
}

describe('WebRTC', () => {
  test('is the first choice of the wall, and each tile shows its own camera', async () => {
    const page = await enter(ANNA);
    await byWebrtc(page, 2);
    await moves(page, '.tile video', [1, 2]);
  });

  test('is named by the details of a camera, with round trip and loss', async () => {
    const page = await enter(ANNA);
    await byWebrtc(page, 2);
    const { path, facts } = await openDetails(page);
    await until(async () => await path.innerText() === text('details.pathWebrtc', { protocol: 'UDP' }), 'WebRTC over UDP');
    for (const fact of ['roundTrip', 'loss']) await facts.getByText(en[`details.${fact}`], { exact: true }).waitFor();
    await shot(page, 'camera-details-webrtc-desk-light-en');
    await moves(page, 'main video', [1]);
  });

  test('that finds no path is left for MSE, and the details say why', async () => {
    const page = await openPage(browser, {});
    /* As behind a firewall: nothing answers at the addresses of the answer. */
    await page.addInitScript(() => {
      const take = RTCPeerConnection.prototype.setRemoteDescription;
      RTCPeerConnection.prototype.setRemoteDescription = function without(answer) {
        return take.call(this, { type: answer.type, sdp: answer.sdp.replace(/a=candidate:.*\r\n/g, '') });
      };
    });
    await signIn(page, server.plain, ANNA);
    await until(async () => await liveTiles(page) === 2, 'two live tiles');
    assert.deepEqual(await isByWebrtc(page, '.tile video'), [false, false]);
    const { path, facts } = await openDetails(page);
    await until(async () => (await path.innerText()).startsWith('MSE'), 'MSE');
    await facts.getByText(en['details.why.no-path'].slice(0, 30)).waitFor();
    await moves(page, 'main video', [1]);
  });

  test('takes over from MSE, without a gap, once nothing speaks against it', async () => {
    const page = await openPage(browser, {});
    await page.addInitScript(() => {
      globalThis.kept = RTCPeerConnection;
      delete globalThis.RTCPeerConnection;
    });
    await signIn(page, server.plain, ANNA);
    await until(async () => await liveTiles(page) === 2, 'two live tiles');
    assert.deepEqual(await isByWebrtc(page, '.tile video:not([hidden])'), [false, false]);
    await page.evaluate(() => {
      globalThis.left = [];
      for (const tile of document.querySelectorAll('.tile'))
        new MutationObserver(() => globalThis.left.push(tile.dataset.state)).observe(tile, { attributeFilter: ['data-state'] });
      globalThis.RTCPeerConnection = globalThis.kept;
    });
    await until(async () => (await isByWebrtc(page, '.tile video')).join() === 'true,true', 'WebRTC alone');
    /* A busy machine may make a picture late, and the tile says so; it is never without one. */
    const others = (await page.evaluate(() => globalThis.left)).filter((state) => !['live', 'behind', 'frozen'].includes(state));
    assert.deepEqual(others, [], 'the tiles keep showing pictures');
    await moves(page, '.tile video', [1, 2]);
  });

  test('is not taken from the others by a camera that is off', async () => {
    const port = await freePort();
    const home = {
      id: 'lago', name: 'Lago', allow: ['127.0.0.0/8'], accounts: [{ name: ANNA.name, role: 'owner', password_file: 'anna' }],
      cameras: [
        { id: 'off', name: 'Off', main: `rtsp://127.0.0.1:${port}/live` },
        { id: 'cam1', name: 'Camera 1', main: cameras.url(1), sub: cameras.url(1, 'sub') },
      ],
    };
    const other = await startServer({ config: { homes: [home] }, secrets: { anna: ANNA.password } });
    try {
      const page = await openPage(browser, {});
      await signIn(page, other.plain, ANNA);
      await until(async () => await liveTiles(page) === 1, 'a live tile');
      await page.waitForTimeout(6_000); // the camera that is off has had its five seconds
      await page.getByRole('link', { name: en['nav.settings'] }).click();
      await page.locator('.fingerprint').waitFor();
      await page.getByRole('link', { name: en['nav.home'] }).click();
      await until(async () => await liveTiles(page) === 1, 'it is live again');
      assert.deepEqual(await isByWebrtc(page, '.tile[data-state=live] video'), [true]);
    } finally {
      await other.stop();
    }
  });

  test('ends at once when the right is taken, and nothing of the picture stays', async () => {
    const page = await enter(BRUNO);
    await byWebrtc(page, 1);
    const owner = await enter(ANNA);
    const taken = await owner.evaluate(async () => {
      const { people } = await (await fetch('/api/v1/people?home=verdi')).json();
      const bruno = people.find((person) => person.name === 'Bruno');
      return (await fetch(`/api/v1/people/${bruno.account}/cameras/cam1?home=verdi`, { method: 'DELETE' })).status;
    });
    assert.equal(taken, 204);
    await until(async () => await page.locator('.tile video').count() === 0, 'no video', END_MS);
    assert.equal(await page.locator('.tile canvas').count(), 0, 'no last picture stays'); // not for a moment: no wait
  });

  test('sessions of a page that is left are ended', async () => {
    const page = await enter(ANNA);
    await until(async () => await liveTiles(page) === 2, 'two live tiles');
    await page.goto('about:blank');
    const sessions = async () => {
      const metrics = await (await fetch(`${server.plain}/metrics`)).text();
      return Number(/^casement_rtc_sessions (\d+)$/m.exec(metrics)[1]);
    };
    await until(async () => await sessions() === 0, 'no session', END_MS);
  });
});
