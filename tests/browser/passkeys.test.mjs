/*
 * Passkeys in Chromium, with its virtual authenticator, at the real server: one is made, signs in,
 * and is lost. The page is opened as localhost: browsers keep none for an address.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { axe, counts, en, noOverflow, openBrowser, openPage, shot, until } from './helper.mjs';
import { startServer } from './_real.mjs';

const NAME = 'Anna';
const PASSWORD = 'a lamp in the window';

/* A phone that keeps passkeys and knows its person; `touches()`: the person agrees from here on. */
async function addPhone(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: {
    protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: false,
  } });
  return {
    touches: (enabled) => cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled }),
    verifies: (isUserVerified) => cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
    credentials: async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    lose: () => cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId }),
  };
}

describe('passkeys', () => {
  let browser;
  let server;
  let url;
  let page;
  let phone;
  let codes;
  let isOffered = false; // the passkey, in the list of the field for names
  const button = (key) => page.getByRole('button', { name: en[key], exact: true });

  before(async () => {
    browser = await openBrowser();
    server = await startServer({});
    url = server.plain.replace('127.0.0.1', 'localhost');
    page = await openPage(browser, { size: 'phone' });
    /* Else the field for names may have its answer before a button is pressed, or after: as the machine is fast. */
    await page.exposeFunction('isOffered', () => isOffered);
    await page.addInitScript(() => { globalThis.PublicKeyCredential.isConditionalMediationAvailable = () => globalThis.isOffered(); });
    phone = await addPhone(page);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function signOut() {
    await phone.touches(false);
    await page.goto(`${url}/#/settings`);
    await button('settings.signOut').click();
    await button('signin.passkey').waitFor();
  }

  test('after the first run one is offered, and made', async () => {
    await page.goto(server.link.replace('127.0.0.1', 'localhost'));
    await page.getByLabel(en['setup.you']).fill(NAME);
    await page.keyboard.press('Enter');
    await page.getByLabel(en['setup.secret']).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByLabel(en['setup.home']).fill('Casa Verdi');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: en['passkeys.first'] }).waitFor();
    await page.getByRole('link', { name: en['passkeys.later'] }).waitFor();
    await shot(page, 'passkeys-first');
    await axe(page, 'passkeys-first');
    await phone.touches(true);
    await button('passkeys.make').click();
    await page.getByLabel(en['passkeys.name']).fill('My phone');
    await button('passkeys.make').click();
    await page.locator('.row').getByText('My phone').waitFor();
    const [kept, ...others] = await phone.credentials();
    assert.equal(others.length, 0);
    assert.equal(kept.rpId, 'localhost');
    assert.equal(kept.isResidentCredential, true);
  });

  test('this phone is told that it has one already', async () => {
    await button('passkeys.make').click();
    await page.getByLabel(en['passkeys.name']).waitFor();
    await button('passkeys.make').click();
    await page.getByRole('alert').getByText(en['problem.passkey-there']).waitFor();
    await button('do.cancel').click();
    assert.equal((await phone.credentials()).length, 1);
  });

  test('recovery codes are shown once, and are left when they were saved', async () => {
    await button('codes.make').click();
    await page.getByText(en['codes.once']).waitFor();
    await counts(page.locator('.code-list code'), 10);
    codes = await page.locator('.code-list code').allTextContents();
    assert.equal(new Set(codes).size, 10);
    for (const code of codes) assert.match(code, /^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$/);
    await page.emulateMedia({ media: 'print' });
    assert.equal(await page.locator('.nav').evaluate((nav) => getComputedStyle(nav).visibility), 'hidden');
    assert.ok(await page.locator('.code-list').isVisible());
    assert.ok(!(await button('codes.print').isVisible()), 'no buttons on paper');
    await shot(page, 'passkeys-print');
    await page.emulateMedia({ media: null });
    await button('codes.done').dispatchEvent('click');
    assert.ok(await page.locator('.code-list').isVisible(), 'not before they are saved');
    await page.getByLabel(en['codes.saved'], { exact: true }).check();
    await button('codes.done').click();
    await page.getByText(en['codes.left'].other.replace('{count}', '10')).waitFor();
    await page.locator('.code-list').waitFor({ state: 'detached' });
    await page.getByRole('link', { name: en['passkeys.goOn'] }).click();
    await page.getByRole('heading', { name: 'Casa Verdi' }).waitFor();
  });

  test('it signs in without a name', async () => {
    await signOut();
    await shot(page, 'passkeys-signin');
    await noOverflow(page, 'passkeys-signin');
    await phone.touches(true);
    await button('signin.passkey').click();
    await page.getByRole('heading', { name: 'Casa Verdi' }).waitFor();
    await page.goto(`${url}/#/passkeys`);
    await page.getByText(en['passkeys.used'].split(' {')[0]).waitFor();
  });

  test('the person must be known to the phone', async () => {
    await signOut();
    await phone.verifies(false);
    await phone.touches(true);
    await button('signin.passkey').click();
    await page.getByRole('alert').getByText(en['problem.passkey-cancelled']).waitFor();
    await phone.touches(false);
    await phone.verifies(true);
  });

  test('the field for names offers it as well, and no button is needed', async () => {
    isOffered = true;
    await phone.touches(true);
    await page.goto(url);
    await page.getByRole('heading', { name: 'Casa Verdi' }).waitFor();
    isOffered = false;
    await signOut();
  });

  test('the phone is lost: a recovery code signs in, and ends what it held', async () => {
    /* Somebody is signed in elsewhere, as on the lost phone. */
    const elsewhere = await openPage(browser);
    await elsewhere.goto(url);
    await elsewhere.getByLabel(en['field.name']).fill(NAME);
    await elsewhere.getByLabel(en['field.password'], { exact: true }).fill(PASSWORD);
    await elsewhere.getByRole('button', { name: en['signin.do'], exact: true }).click();
    await elsewhere.getByRole('heading', { name: 'Casa Verdi' }).waitFor();
    await phone.lose();
    await page.goto(url);
    await button('signin.lost').click();
    await page.getByLabel(en['field.name']).fill(NAME);
    await page.getByLabel(en['recover.code']).fill('AAAA-BBBB-CCCC-DDDD');
    await button('signin.do').click();
    await page.getByRole('alert').getByText(en['problem.wrong-name-or-code'].slice(0, 30)).waitFor();
    await page.getByLabel(en['recover.code']).fill(codes[3].toLowerCase());
    await shot(page, 'passkeys-recover');
    await button('signin.do').click();
    await page.getByText(en['passkeys.none']).waitFor();
    await page.getByText(en['codes.left'].other.replace('{count}', '9')).waitFor();
    await until(async () => (await page.context().request.get(`${url}/api/v1/sessions`)).json().then((all) => all.sessions.length === 1), 'one session');
    await elsewhere.reload();
    await elsewhere.getByLabel(en['field.name']).waitFor();
    await elsewhere.context().close();
  });

  test('under an address it says which name to use', async () => {
    const other = await openPage(browser);
    await other.goto(server.plain);
    await other.getByLabel(en['field.name']).fill(NAME);
    assert.equal(await other.getByRole('button', { name: en['signin.passkey'] }).count(), 0);
    await other.getByLabel(en['field.password'], { exact: true }).fill(PASSWORD);
    await other.getByRole('button', { name: en['signin.do'], exact: true }).click();
    await other.getByRole('heading', { name: 'Casa Verdi' }).waitFor();
    await other.goto(`${server.plain}/#/passkeys`);
    await other.getByText(en['passkeys.needName'].slice(0, 30)).waitFor();
    await shot(other, 'passkeys-address');
    await axe(other, 'passkeys-address');
    await other.getByRole('link', { name: url }).click();
    await other.waitForURL(`${url}/#/passkeys`);
    assert.deepEqual([...page.faults, ...other.faults], []);
    await other.context().close();
  });
});
