/*
 * The second factor in Chromium at the real server, with an authenticator app of this test's own (RFC
 * 6238 by node's crypto) and Chromium's virtual authenticator for the passkey. The server's clock is
 * set, so that no code is waited for. casement-test: quick
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { axe, bigTargets, counts, en, HERE, hold, noOverflow, openBrowser, openPage, shot, SIZES, until } from './helper.mjs';
import { startServer } from './_real.mjs';

const NAME = 'Anna';
const PASSWORD = 'a lamp in the window';
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function bytesOf(base32) {
  const bits = [...base32].map((letter) => LETTERS.indexOf(letter).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

function codeAt(secret, seconds) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(seconds / 30)));
  const mac = createHmac('sha1', bytesOf(secret)).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/* The wall clock of the server alone: tests/e2e/_clock.c. */
class Clock {
  constructor() {
    this.place = mkdtempSync(join(tmpdir(), 'casement-clock-'));
    this.file = join(this.place, 'ahead');
    this.library = join(this.place, 'clock.so');
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', this.library, join(HERE, '..', 'e2e', '_clock.c')]);
    this.ahead = 0;
    this.later(0);
  }

  get inside() { return ['env', `LD_PRELOAD=${this.library}`, `CASEMENT_CLOCK=${this.file}`]; }
  get now() { return Date.now() / 1000 + this.ahead; }

  later(seconds) {
    this.ahead += seconds;
    writeFileSync(`${this.file}.new`, String(this.ahead));
    renameSync(`${this.file}.new`, this.file);
  }

  remove() { rmSync(this.place, { recursive: true, force: true }); }
}

async function addPhone(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: {
    protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true,
  } });
  return () => cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
}

describe('the second factor', () => {
  let browser;
  let clock;
  let server;
  let url;
  let page;
  let secret;
  let recovery;
  const button = (key, on = page) => on.getByRole('button', { name: en[key], exact: true });
  const field = (key, on = page) => on.getByLabel(en[key], { exact: true });
  const home = (on = page) => on.getByRole('heading', { name: 'Casa Verdi' });
  const code = () => codeAt(secret, clock.now);

  before(async () => {
    browser = await openBrowser();
    clock = new Clock();
    server = await startServer({ inside: clock.inside });
    url = server.plain.replace('127.0.0.1', 'localhost');
    page = await openPage(browser, { size: 'phone' });
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    clock?.remove();
  });

  /* As it is on a phone by day and on a desk by night. */
  async function look(what) {
    for (const [size, theme] of [['desk', 'dark'], ['phone', 'light']]) {
      await page.setViewportSize(SIZES[size]);
      await page.emulateMedia({ colorScheme: theme });
      await shot(page, `${what}-${size}-${theme}`);
      await axe(page, `${what} ${size} ${theme}`);
      await noOverflow(page, `${what} ${size}`);
      await bigTargets(page, `${what} ${size}`);
    }
  }

  async function passwordOn(on) {
    await on.goto(url);
    await field('field.name', on).fill(NAME);
    await field('field.password', on).fill(PASSWORD);
    await button('signin.do', on).click();
  }

  async function signOut() {
    clock.later(60);
    await page.goto(`${url}/#/settings`);
    await button('settings.signOut').click();
    await field('field.name').waitFor();
  }

  test('it is set up, and the other sign-ins may be ended', async () => {
    await page.goto(server.link.replace('127.0.0.1', 'localhost'));
    await page.getByLabel(en['setup.you']).fill(NAME);
    await page.keyboard.press('Enter');
    await page.getByLabel(en['setup.secret']).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByLabel(en['setup.home']).fill('Casa Verdi');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: en['passkeys.first'] }).waitFor();
    const elsewhere = await openPage(browser);
    await passwordOn(elsewhere);
    await home(elsewhere).waitFor();

    await page.goto(`${url}/#/passkeys`);
    await button('totp.setUp').click();
    await page.getByRole('img', { name: en['totp.qr'] }).waitFor();
    await counts(page.locator('.secret span'), 8);
    const groups = await page.locator('.secret span').allTextContents();
    assert.ok(groups.every((group) => group.length === 4), String(groups));
    secret = groups.join('');
    const link = await page.getByRole('link', { name: en['totp.open'] }).getAttribute('href');
    assert.equal(new URL(link).searchParams.get('secret'), secret);
    await look('factor-setup');
    await field('totp.first').fill('12');
    await button('totp.confirm').click();
    await page.getByText(en['code.six']).waitFor();
    await field('totp.first').fill(codeAt(secret, clock.now + 30_000));
    await button('totp.confirm').click();
    await page.getByRole('alert').getByText(en['totp.wrong'].slice(0, 40)).waitFor();
    await field('totp.first').fill(code());
    await button('totp.confirm').click();
    await page.getByText(en['totp.since'].split(' {')[0]).waitFor();
    await page.getByText(en['totp.noCodes']).waitFor();
    await page.getByText(en['totp.others'].one.replace('{count}', '1')).waitFor();
    await look('factor-on');
    await button('sessions.endAll').click();
    await button('sessions.endAll').waitFor({ state: 'detached' });
    await elsewhere.reload();
    await field('field.name', elsewhere).waitFor();
    await elsewhere.context().close();
    await button('codes.make').click();
    await counts(page.locator('.code-list code'), 10);
    recovery = await page.locator('.code-list code').allTextContents();
  });

  test('the password alone asks for a code, and a wrong one says what to do', async () => {
    await signOut();
    await passwordOn(page);
    await page.getByRole('heading', { name: en['code.title'] }).waitFor();
    const input = field('code.label');
    assert.equal(await input.getAttribute('autocomplete'), 'one-time-code');
    assert.equal(await input.getAttribute('inputmode'), 'numeric');
    await look('factor-code');
    await input.fill(codeAt(secret, clock.now + 30_000));
    await button('signin.do').click();
    await page.getByRole('alert').getByText(en['problem.wrong-code'].slice(0, 30)).waitFor();
    await until(async () => await input.inputValue() === '', 'room for the next one');
    await input.fill(code());
    await button('signin.do').click();
    await home().waitFor();
  });

  test('a recovery code does as well', async () => {
    await signOut();
    await passwordOn(page);
    await button('code.recovery').click();
    await shot(page, 'factor-recovery-phone-light');
    await field('recover.code').fill(recovery[2].toLowerCase());
    await button('signin.do').click();
    await home().waitFor();
    await page.goto(`${url}/#/passkeys`);
    await page.getByText(en['codes.left'].other.replace('{count}', '9')).waitFor();
  });

  test('what only she should do wants password and code, or a passkey', async () => {
    const sheet = page.getByRole('dialog', { name: en['again.title'] });
    const losePhone = await addPhone(page);
    clock.later(302);
    await button('passkeys.make').click();
    await field('passkeys.name').waitFor();
    await button('passkeys.make').click();
    await field('code.label', sheet).waitFor();
    assert.equal(await button('again.passkey', sheet).count(), 0, 'there is none yet');
    await field('field.password', sheet).fill(PASSWORD);
    await field('code.label', sheet).fill(codeAt(secret, clock.now + 30_000));
    await button('again.do', sheet).click();
    await sheet.getByRole('alert').getByText(en['problem.wrong-password-or-code'].slice(0, 30)).waitFor();
    await field('code.label', sheet).fill(code());
    await button('again.do', sheet).click();
    await sheet.waitFor({ state: 'detached' });
    await page.locator('.row').first().waitFor();

    clock.later(302);
    await button('totp.remove').click();
    await hold(page, page.getByRole('dialog').getByRole('button', { name: en['totp.remove'] }));
    await button('again.passkey', sheet).waitFor();
    await look('factor-again');
    await button('again.passkey', sheet).click();
    await sheet.waitFor({ state: 'detached' });
    await button('totp.setUp').waitFor();
    const all = await (await page.context().request.get(`${url}/api/v1/sessions`)).json();
    assert.deepEqual(all.sessions.map((one) => one.method), ['passkey']);
    await losePhone(); // else it signs in by itself
    await signOut();
    await passwordOn(page);
    await home().waitFor();
    assert.deepEqual(page.faults, []);
  });
});
