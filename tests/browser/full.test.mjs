/* WebRTC in Chromium against a full ICE agent: a server that names a STUN server checks the way to
 * each viewer itself. Nobody answers at that address here: host candidates have to do.
 * casement-test: quick */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { openBrowser, openPage, signIn, until } from './helper.mjs';
import { byWebrtc, codesOf, freePort, startCameras, startServer } from './_real.mjs';

const ANNA = { name: 'Anna', password: 'a lamp in the window' };

let browser;
let cameras;
let server;

before(async () => {
  browser = await openBrowser();
  cameras = await startCameras(1);
  server = await startServer({
    config: {
      listen: { stun: `127.0.0.1:${await freePort()}` },
      homes: [{
        id: 'verdi', name: 'Casa Verdi', allow: ['127.0.0.0/8'],
        cameras: [{ id: 'cam1', name: 'Camera 1', main: cameras.url(1), sub: cameras.url(1, 'sub') }],
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

const metric = async (name) => {
  const page = await (await fetch(`${server.plain}/metrics`)).text();
  return Number(new RegExp(`^casement_${name} (\\d+)$`, 'm').exec(page)?.[1]);
};

test('a full agent connects Chromium, and keeps its consent', async () => {
  const page = await openPage(browser, {});
  await signIn(page, server.plain, ANNA);
  const reloads = await byWebrtc(page, 1);
  await until(async () => await metric('rtc_checks_succeeded_total') >= 1, 'a check of ours that was answered');
  const code = () => until(async () => (await codesOf(page, '.tile video'))[0], 'a picture that says which it is');
  const first = await code();
  /* RFC 7675: asked for about every five seconds. */
  await until(async () => await metric('rtc_checks_succeeded_total') >= 4, 'consent, asked for again and again');
  assert.equal(first.camera, 1);
  await until(async () => {
    const { camera, counter } = await code();
    assert.equal(camera, 1);
    return counter > first.counter;
  }, 'the picture to go on');
  if (reloads === 0) assert.equal(await metric('rtc_connected_total'), await metric('rtc_sessions_total'), 'no attempt was in vain');
});
