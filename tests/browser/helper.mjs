/*
 * What the browser tests share: the built app, a server (the mock, or the real one at CASEMENT_URL),
 * Chromium, and checks that hold on every page.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { makeWorld, Mock } from './mock.mjs';

export const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, '..', '..');
export const WEB = join(ROOT, 'web');
export const DIST = join(WEB, 'dist');
export const SCREENS = join(ROOT, 'build', 'screens');
export const SCRATCH = join(ROOT, 'build', 'browser');
export const GALLERY = join(SCRATCH, 'gallery');

const required = createRequire(join(WEB, 'package.json'));
const { chromium } = required('playwright-core');
const AXE = readFileSync(required.resolve('axe-core/axe.min.js'), 'utf8');

/* For what must happen: a machine that is busy takes long, and no test is about that. */
export const PATIENCE_MS = 60_000;
/* For the end of what was ended: sooner than a server finds that nobody renews it (20 s), or that nobody is there (30 s). */
export const END_MS = 15_000;

export const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1440, height: 900 } };
export const THEMES = ['light', 'dark'];
export const LANGUAGES = ['en', 'hi', 'it'];
export const catalogue = (language) => JSON.parse(readFileSync(join(WEB, 'src', 'i18n', `${language}.json`), 'utf8'));
export const en = catalogue('en');

export const isReal = Boolean(process.env.CASEMENT_URL);
export const NAME = process.env.CASEMENT_NAME ?? 'Anna';
export const PASSWORD = process.env.CASEMENT_PASSWORD ?? 'a long sentence';

export function needsApp() {
  assert.ok(existsSync(join(DIST, 'index.html')), 'web/dist is missing: npm --prefix web run build');
  mkdirSync(SCREENS, { recursive: true });
}

/* {url, mock}: the real server where CASEMENT_URL names one, else a mock with this world. */
export async function openServer(options = {}) {
  if (isReal && !options.mockOnly) return { url: process.env.CASEMENT_URL, mock: null, stop: async () => undefined };
  needsApp();
  const mock = await new Mock({ world: makeWorld(options), isPlain: options.isPlain, folder: SCRATCH, dist: DIST, gallery: GALLERY }).start();
  return { url: mock.url, mock, stop: () => mock.stop() };
}

export const openBrowser = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage'],
});

/*
 * CASEMENT_SLOW=6 makes every page that much slower at computing and each answer late by 50 ms times
 * it: what a test only passes by luck then fails at once, which else a busy machine finds out some day.
 */
const SLOW = Number(process.env.CASEMENT_SLOW ?? 1);

async function slowDown(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: SLOW });
  await cdp.send('Network.emulateNetworkConditions', { offline: false, latency: 50 * SLOW, downloadThroughput: -1, uploadThroughput: -1 });
}

/* A page of its own person: cookies, storage and console are nobody else's. */
export async function openPage(browser, { size = 'desk', theme = 'light', language = 'en', ...rest } = {}) {
  const context = await browser.newContext({
    viewport: SIZES[size] ?? size, colorScheme: theme, locale: language, ignoreHTTPSErrors: true, timezoneId: 'Europe/Rome',
    reducedMotion: rest.hasMotion ? 'no-preference' : 'reduce', acceptDownloads: true,
  });
  const page = await context.newPage();
  page.faults = [];
  page.on('console', (message) => {
    // Chromium reports each answer of 4xx and 5xx as an error of its own: those are the server's to test.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) page.faults.push(message.text());
  });
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.setDefaultTimeout(PATIENCE_MS);
  if (SLOW > 1) await slowDown(page);
  return page;
}

export async function signIn(page, url, { name = NAME, password = PASSWORD, words = en } = {}) {
  await page.goto(url);
  await page.getByLabel(words['field.name']).fill(name);
  await page.getByLabel(words['field.password'], { exact: true }).fill(password);
  await page.getByRole('button', { name: words['signin.do'], exact: true }).click();
  await page.locator('.nav').waitFor();
}

/* A page signed in without the form: for tests of what comes after. */
export async function openSignedIn(browser, url, options = {}) {
  const page = await openPage(browser, options);
  const answer = await page.context().request.post(`${url}/api/v1/session`, {
    data: { name: options.name ?? NAME, password: options.password ?? PASSWORD }, headers: { origin: url },
  });
  assert.equal(answer.status(), 200);
  await page.goto(url + (options.path ?? '/'));
  await page.locator('.nav').waitFor();
  return page;
}

export async function axe(page, what) {
  await page.evaluate(AXE);
  const result = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const found = result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(' ')} ${n.any.map((a) => a.message).join('; ')}`).slice(0, 3).join(' | ')}`);
  assert.ok(result.passes.length > 10, `axe looked at ${what}`);
  assert.deepEqual(found, [], `axe on ${what}`);
}

export async function noOverflow(page, what) {
  const wide = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > width + 1)
      .map((e) => `${e.tagName}.${e.className}`).slice(0, 5);
  });
  assert.deepEqual(wide, [], `horizontal overflow on ${what}`);
}

/* Words that don't fit the box they stand in. */
export async function nothingClipped(page, what) {
  const clipped = await page.evaluate(() =>
    [...document.querySelectorAll('.button, .tool, .nav li a, .veil, .chip, h1, label')]
      .filter((e) => e.clientWidth > 0 && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 2))
      .filter((e) => !e.closest('.unseen') && !e.classList.contains('unseen'))
      .map((e) => `${e.className || e.tagName}: ${e.textContent.trim().slice(0, 60)}`));
  assert.deepEqual(clipped, [], `clipped words on ${what}`);
}

/* Everything that can be pressed is at least 44 px either way (or stands in a line of text). */
export async function bigTargets(page, what) {
  const small = await page.evaluate(() =>
    [...document.querySelectorAll('button, a[href], select, summary, label:has(input[type=radio])')]
      .filter((e) => e.checkVisibility() && !e.classList.contains('skip') && !e.closest('.nav-brand'))
      .map((e) => ({ e, box: e.getBoundingClientRect() }))
      .filter(({ box }) => box.width > 0 && (box.width < 43.5 || box.height < 43.5))
      .map(({ e, box }) => `${e.className || e.tagName} ${Math.round(box.width)}×${Math.round(box.height)}`));
  assert.deepEqual(small, [], `small targets on ${what}`);
}

/* The whole page in one picture, its fixed bar at the bottom where a person would have it. */
export async function shot(page, name) {
  const size = page.viewportSize();
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width: size.width, height: Math.max(size.height, Math.min(height, 3000)) });
  await page.waitForTimeout(height > size.height ? 500 : 50);
  await page.screenshot({ path: join(SCREENS, `${name}.png`) });
  await page.setViewportSize(size);
}

export const tile = (page, name) => page.locator('.tile').filter({ has: page.getByRole('heading', { name, exact: true }) });

export async function until(check, what, ms = PATIENCE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) assert.fail(`waited ${ms} ms for ${typeof what === 'function' ? what() : what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/* For page.route(): the answer takes its time. */
export async function late(route) {
  await new Promise((done) => setTimeout(done, 700));
  await route.continue();
}

/* So many of them, at last. */
export const counts = (locator, wanted, what) =>
  until(async () => await locator.count() === wanted, what ?? (() => `${wanted} of ${locator}`));

/* It has the focus, which what comes to the page gets a moment after it is seen. */
export const hasFocus = (locator) => until(() => locator.evaluate((element) => element === document.activeElement), () => `the focus on ${locator}`);

/* A switch of the browser's, or of ours, once it stands so. */
export const isTicked = (locator, wanted = true) => until(async () => await locator.isChecked() === wanted, () => `${locator} to be ${wanted}`);

export const waitForState = (page, name, state, ms = PATIENCE_MS) =>
  until(async () => (await tile(page, name).getAttribute('data-state').catch(() => null)) === state, `${name} to be ${state}`, ms);

/* Builds the gallery of tile states from the app's own sources. */
export async function buildGallery() {
  const { buildGallery: build } = await import(pathToFileURL(join(HERE, 'gallery', 'build.mjs')));
  await build(GALLERY);
}

/* Presses a button that wants to be held until it has been held long enough by the page's own clock. */
export async function hold(page, locator) {
  await locator.scrollIntoViewIfNeeded();
  await locator.hover();
  await locator.evaluate((button) => {
    globalThis.isHeldEnough = new Promise((done) => {
      let wasHeld = false;
      new MutationObserver((_, observer) => {
        const isHeld = button.isConnected && button.classList.contains('is-held');
        if (wasHeld && !isHeld) {
          observer.disconnect();
          done();
        }
        wasHeld ||= isHeld;
      }).observe(document, { subtree: true, childList: true, attributes: true });
    });
  });
  await page.mouse.down();
  await page.evaluate(() => globalThis.isHeldEnough);
  await page.mouse.up();
}
