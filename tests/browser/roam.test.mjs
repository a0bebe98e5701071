/* A phone that changes networks while it watches by WebRTC: Chromium and the server in network namespaces of their own,
 * two links between them, of which the first goes. casement-test: quick */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openPage, signIn, until, WEB } from './helper.mjs';
import { codesOf, startCameras, startServer } from './_real.mjs';

const { chromium } = createRequire(join(WEB, 'package.json'))('playwright-core');
const ANNA = { name: 'Anna', password: 'a lamp in the window' };
const SERVER = '10.79.0.1';
const LINKS = [1, 2].map((n) => ({ server: `to${n}`, phone: `net${n}`, from: `10.79.${n}.1`, to: `10.79.${n}.2` }));
const names = { server: `casement-roam-server-${process.pid}`, phone: `casement-roam-phone-${process.pid}` };

/* Not `ip netns exec`: it mounts /sys anew, which a changed root does not bear. */
const inside = (name) => ['nsenter', `--net=/run/netns/${names[name]}`];

function run(...words) {
  const { status, stderr, error } = spawnSync(words[0], words.slice(1), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${words.join(' ')}: ${error ?? stderr}`);
}

const ip = (name, words) => run(...inside(name), 'ip', ...words.split(' '));

function linkUp(n) {
  const { phone, from } = LINKS[n];
  ip('phone', `link set ${phone} up`);
  ip('phone', `route replace default via ${from} dev ${phone} metric ${10 * (n + 1)}`);
}

function makeNetworks() {
  for (const name of Object.keys(names)) {
    run('ip', 'netns', 'add', names[name]);
    ip(name, 'link set lo up');
  }
  ip('server', `addr add ${SERVER}/32 dev lo`);
  for (const [n, link] of LINKS.entries()) {
    ip('server', `link add ${link.server} type veth peer name ${link.phone} netns ${names.phone}`);
    ip('server', `addr add ${link.from}/24 dev ${link.server}`);
    ip('phone', `addr add ${link.to}/24 dev ${link.phone}`);
    ip('server', `link set ${link.server} up`);
    linkUp(n);
  }
}

/* Why not here; null: they are made. */
function whyNoNetworks() {
  if (process.getuid() !== 0) return 'network namespaces need root';
  try {
    makeNetworks();
    return null;
  } catch (error) {
    return `no network namespaces here: ${error.message}`;
  }
}

function removeNetworks() {
  for (const name of Object.values(names)) spawnSync('ip', ['netns', 'del', name]);
}

const whyNot = whyNoNetworks();
const scratch = mkdtempSync(join(tmpdir(), 'casement-roam-'));
let browser;
let cameras;
let server;

before(async () => {
  if (whyNot) return;
  const wrapper = join(scratch, 'chromium');
  writeFileSync(wrapper, `#!/bin/sh\nexec ${inside('phone').join(' ')} ${process.env.CHROMIUM ?? '/usr/bin/chromium'} "$@"\n`, { mode: 0o755 });
  browser = await chromium.launch({ executablePath: wrapper, args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage'] });
  cameras = await startCameras(1, [], inside('server'));
  server = await startServer({
    inside: inside('server'),
    config: {
      listen: { https: `${SERVER}:8443`, media: `${SERVER}:0` },
      homes: [{
        id: 'verdi', name: 'Casa Verdi', allow: ['127.0.0.0/8'], accounts: [{ name: ANNA.name, role: 'owner', password_file: 'anna' }],
        cameras: [{ id: 'cam1', name: 'Camera 1', main: cameras.url(1), sub: cameras.url(1, 'sub') }],
      }],
    },
    secrets: { anna: ANNA.password },
  });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await cameras?.stop();
  removeNetworks();
  rmSync(scratch, { recursive: true, force: true });
});

/* Times at which the page showed a picture of the tile, and its sessions. */
function watchPage() {
  globalThis.shown = [];
  globalThis.peers = [];
  const Real = globalThis.RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Real {
    constructor(...args) {
      super(...args);
      globalThis.peers.push(this);
    }
  };
  const ask = HTMLVideoElement.prototype.requestVideoFrameCallback;
  HTMLVideoElement.prototype.requestVideoFrameCallback = function counted(callback) {
    return ask.call(this, (now, metadata) => {
      globalThis.shown.push(performance.now());
      callback(now, metadata);
    });
  };
}

/* The longest time without a picture since the page's clock showed `since`. */
const longestGap = (page, since) => page.evaluate((from) => {
  const times = globalThis.shown.filter((at) => at >= from - 200);
  return Math.round(Math.max(...times.slice(1).map((at, n) => at - times[n])));
}, since);

describe('a phone that changes networks', { skip: whyNot ?? false }, () => {
  test('goes on watching by the other one, there and back', async () => {
    const page = await openPage(browser, {});
    await page.addInitScript(watchPage);
    await signIn(page, server.tls, ANNA);
    const state = () => page.locator('.tile').first().getAttribute('data-state');
    await until(async () => await state() === 'live', 'a live tile');
    await until(async () => await page.evaluate(() => globalThis.shown.length > 20), 'pictures');
    const gaps = [];
    for (const [gone, other] of [[0, 1], [1, 0], [0, 1], [1, 0]]) {
      linkUp(other);
      const since = await page.evaluate(() => performance.now());
      const shown = await page.evaluate(() => globalThis.shown.length);
      ip('phone', `link set ${LINKS[gone].phone} down`);
      await until(async () => await page.evaluate(() => globalThis.shown.length) > shown + 40, 'pictures by the other link');
      await until(async () => (await codesOf(page, '.tile video'))[0]?.camera === 1, 'a picture of the camera');
      gaps.push(await longestGap(page, since));
    }
    const sessions = await page.evaluate(() => globalThis.peers.length);
    console.log(`# the longest time without a picture at each change: ${gaps.join(', ')} ms; sessions: ${sessions}`);
    await until(async () => await state() === 'live', 'live');
  });
});
