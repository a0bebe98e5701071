/*
 * The real server for the browser tests: build/release/casement with a data folder, ports and
 * cameras of its own, all of which end with it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HERE, PATIENCE_MS, ROOT, until } from './helper.mjs';

const BINARY = join(ROOT, 'build', 'release', 'casement');
const SCENES = join(ROOT, 'build', 'scenes'); // encoding them takes seconds: kept between runs
const START_MS = 300_000; // the first start encodes the demo's scenes
const STOP_MS = 60_000;

/* One at which nobody is: below those that the kernel gives to others, and it gives all servers here theirs. */
export async function freePort() {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    const server = createServer();
    const isFree = await new Promise((done) => server.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)));
    if (!isFree) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}

/* A program that is waited for until it has printed `pattern`, and ended with stop(). */
class Program {
  constructor(command, args) {
    this.output = '';
    this.log = '';
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.isOver = false;
    this.ended = new Promise((done) => {
      const end = (how) => { this.isOver = true; done(how); };
      this.process.once('exit', (code, signal) => end(code ?? signal));
      this.process.once('error', (error) => { this.log += error; end('not started'); });
    });
    this.process.stdin.on('error', () => undefined); // nobody reads it any more
    this.process.stdout.on('data', (text) => { this.output += text; });
    this.process.stderr.on('data', (text) => { this.log += text; });
  }

  async told(pattern, ms = START_MS) {
    const end = Date.now() + ms;
    for (;;) {
      const found = pattern.exec(this.output);
      if (found) return found;
      const { isOver } = this;
      if (isOver || Date.now() > end) {
        if (!isOver) await this.stop();
        assert.fail(`${this.process.spawnargs.join(' ')} ${isOver ? 'ended' : 'is silent'}:\n${this.output}${this.log}`);
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /* The exit status; 'late' when the program had to be killed. */
  async stop() {
    this.process.stdin.end();
    this.process.kill('SIGTERM');
    const late = new Promise((done) => setTimeout(() => done('late'), STOP_MS).unref());
    const status = await Promise.race([this.ended, late]);
    if (status === 'late') this.process.kill('SIGKILL');
    return status;
  }
}

const folder = (name) => mkdtempSync(join(tmpdir(), `casement-${name}-`));

/* The YAML the server starts with is JSON: that is YAML too. `secrets` become files beside it. `inside`: the words that
 * start a program in the server's network namespace. */
export async function startServer({ isDemo = false, config = {}, secrets = {}, inside = [] }) {
  assert.ok(existsSync(BINARY), `${BINARY} is missing: ./run --build-only`);
  const place = folder('browser');
  const data = join(place, 'data');
  mkdirSync(data, { mode: 0o700 });
  if (isDemo && existsSync(SCENES)) cpSync(SCENES, join(data, 'scenes'), { recursive: true });
  for (const [name, text] of Object.entries(secrets)) writeFileSync(join(place, name), `${text}\n`, { mode: 0o600 });
  const listen = { http: '127.0.0.1:0', https: '127.0.0.1:0', media: '127.0.0.1:0', ...config.listen };
  writeFileSync(join(place, 'casement.yaml'), JSON.stringify({ ...config, listen }));
  const words = [...inside, BINARY, 'serve', '-c', join(place, 'casement.yaml'), '--data', data, ...(isDemo ? ['--demo'] : [])];
  const program = new Program(words[0], words.slice(1));
  const [, https] = await program.told(/From other devices: +https:\/\/([\d.:]+)/);
  const [, http] = await program.told(/http:\/\/(127\.0\.0\.1:\d+)\//);
  await program.told(/(?:[0-9A-F]{2}:){31}[0-9A-F]{2}/);
  return {
    plain: `http://${http}`,
    tls: `https://${https}`,
    link: /http:\S+#setup=\S+/.exec(program.output)?.[0] ?? null,
    fingerprint: /(?:[0-9A-F]{2}:){31}[0-9A-F]{2}/.exec(program.output)[0],
    get log() { return program.log; },
    async stop() {
      const status = await program.stop();
      if (isDemo && existsSync(join(data, 'scenes'))) cpSync(join(data, 'scenes'), SCENES, { recursive: true });
      rmSync(place, { recursive: true, force: true });
      assert.equal(status, 0, `the server ends by itself:\n${program.log.slice(-2000)}`);
    },
  };
}

/* Simulated cameras, in a process of their own. wish('cam2:stall') makes trouble. */
export async function startCameras(count, options = [], inside = []) {
  mkdirSync(SCENES, { recursive: true });
  const words = [...inside, BINARY, 'simcam', '--cameras', String(count), '--listen', '127.0.0.1:0', '--cache', SCENES, ...options];
  const program = new Program(words[0], words.slice(1));
  const [, address] = await program.told(/listening (rtsp:\S+)/);
  return {
    url: (number, stream = 'main') => `${address}/cam${number}${stream === 'sub' ? '/sub' : ''}`,
    wish: (text) => program.process.stdin.write(`${text}\n`),
    stop: () => program.stop(),
  };
}

/* A camera of another make: GStreamer's RTSP server, Digest, user admin, password secret, /live.
 * `sound`: "pcmu:440", a tone of 440 Hz. */
export async function startForeignCamera({ login = 'digest', transport = 'both', sound = '' } = {}) {
  const program = new Program('/usr/bin/python3', [join(HERE, '..', 'e2e', '_rtsp_server.py'), login, transport, sound]);
  const [, port] = await program.told(/^(\d+)$/m);
  return { port: Number(port), url: `rtsp://127.0.0.1:${port}/live`, stop: () => program.stop() };
}

/* ---- what pictures say of themselves: src/simcam/code.h ---- */

/* Reads the block code of each element: {camera, counter}, or null. Runs in the page. */
function readCodes(elements) {
  const columns = 40;
  const bits = (cells, at, count) => cells.slice(at, at + count).reduce((value, bit) => value * 2 + bit, 0);
  const crc = (cells) => cells.reduce((sum, bit) => {
    const isCarry = (sum >> 15 & 1) !== bit;
    return (sum << 1 & 0xffff) ^ (isCarry ? 0x1021 : 0);
  }, 0xffff);
  return elements.map((element) => {
    const width = element.videoWidth ?? element.naturalWidth ?? element.width;
    const height = element.videoHeight ?? element.naturalHeight ?? element.height;
    if (!width) return null;
    const cell = width / columns;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [width, Math.min(height, Math.ceil(cell * 2))];
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(element, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const mean = (n) => {
      const [left, top] = [Math.floor((n % columns + 0.25) * cell), Math.floor((Math.floor(n / columns) + 0.25) * cell)];
      const size = Math.max(1, Math.floor(cell / 2));
      let sum = 0;
      for (let y = top; y < top + size; y++) for (let x = left; x < left + size; x++) sum += data[(y * width + x) * 4 + 1];
      return sum / size / size;
    };
    const means = Array.from({ length: 80 }, (_, n) => mean(n));
    const middle = (Math.min(...means) + Math.max(...means)) / 2;
    const cells = means.map((value) => (value > middle ? 1 : 0));
    if (bits(cells, 0, 8) !== 0xa6 || bits(cells, 72, 8) !== 0x59 || bits(cells, 56, 16) !== crc(cells.slice(8, 56))) return null;
    return { camera: bits(cells, 8, 16), counter: bits(cells, 24, 32) };
  });
}

export const liveTiles = (page) => page.locator('.tile[data-state="live"]').count();
export const isByWebrtc = (page, selector) => page.locator(selector).evaluateAll((videos) => videos.map((video) => video.srcObject !== null));

/* So many tiles play, all by WebRTC. A machine that is too busy to connect within what the app allows has chosen another way,
 * which the page keeps for minutes, and by which not all may play at once: then it is loaded anew. How often it was. */
export async function byWebrtc(page, count) {
  const isSettled = () => page.locator('.tile').evaluateAll((tiles, wanted) =>
    tiles.length === wanted && tiles.every((tile) => ['live', 'stills'].includes(tile.dataset.state)), count);
  for (let attempt = 0; ; attempt++) {
    await until(isSettled, `${count} tiles that play`, 2 * PATIENCE_MS);
    const ways = await isByWebrtc(page, '.tile[data-state=live] video:not([hidden])');
    if (ways.length === count && ways.every((one) => one)) return attempt;
    assert.ok(attempt < 4, `${ways}`);
    await page.reload();
  }
}

export const codesOf = (page, selector) => page.locator(selector).evaluateAll(readCodes);
