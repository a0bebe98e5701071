/* Where one is signed in, and "Is it still you?", as people use them. casement-test: quick */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { axe, bigTargets, counts, en, hold, isReal, openBrowser, openServer, openSignedIn, PASSWORD, shot } from './helper.mjs';

const PHONE = 'phone-of-anna-0123456789ab';

describe('sessions', { skip: isReal }, () => {
  let browser;
  let server;
  let world;

  before(async () => {
    browser = await openBrowser();
    server = await openServer({ cameras: 2 });
    world = server.mock.world;
  });
  afterEach(async () => { for (const context of browser.contexts()) await context.close(); });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const visit = async (hash, how = {}) => {
    const page = await openSignedIn(browser, server.url, how);
    await page.evaluate((to) => { location.hash = to; }, hash);
    return page;
  };
  const addPhone = () => {
    world.sessions.set(PHONE, 'anna');
    world.devices.set(PHONE, { device: 'Chrome on Android', network: '192.168.1.31' });
  };
  const own = () => [...world.sessions].filter(([, account]) => account === 'anna').map(([token]) => token);
  const sheet = (page) => page.getByRole('dialog', { name: en['again.title'] });

  test('a lost phone is ended from settings, and this device stays', async () => {
    addPhone();
    const page = await visit('#/settings');
    await page.getByRole('link', { name: en['sessions.title'] }).click();
    const phone = page.locator('.row').filter({ hasText: 'Chrome on Android' });
    await phone.getByText('192.168.1.31').waitFor();
    await counts(page.locator('.row').filter({ hasText: en['sessions.this'] }), 1);
    await phone.getByRole('button').click();
    await hold(page, page.getByRole('dialog').getByRole('button', { name: en['sessions.end'] }));
    await phone.waitFor({ state: 'detached' });
    assert.ok(!world.sessions.has(PHONE));
    assert.deepEqual(page.faults, []);
  });

  test('all others are ended at once', async () => {
    addPhone();
    await (await visit('#/settings')).context().close();
    const page = await visit('#/sessions');
    await page.getByRole('button', { name: en['sessions.endAll'] }).click();
    await hold(page, page.getByRole('dialog').getByRole('button', { name: en['sessions.endAll'] }));
    await page.getByText(en['sessions.only']).waitFor();
    assert.equal(own().length, 1);
    await page.reload();
    await page.getByText(en['sessions.only']).waitFor();
  });

  test('what only the person himself should do asks whether it is still he, and then goes on', async () => {
    const page = await visit('#/people/verdi');
    world.stale.add('anna');
    await page.getByRole('button', { name: en['people.add'] }).click();
    await page.getByRole('dialog').getByLabel(en['people.name']).fill('Nina');
    await page.getByLabel(en['people.firstPassword']).fill('a very long word');
    await page.getByRole('dialog').getByRole('button', { name: en['people.addDo'], exact: true }).click();
    await sheet(page).waitFor();
    await shot(page, 'again-desk-light-en');
    await axe(page, 'again');
    await bigTargets(page, 'again');
    const before = own();
    await sheet(page).getByLabel(en['field.password'], { exact: true }).fill('a wrong guess');
    await sheet(page).getByRole('button', { name: en['again.do'] }).click();
    await sheet(page).getByText(en['settings.passwordWrong']).waitFor();
    assert.ok(![...world.accounts.values()].some((one) => one.name === 'Nina'), 'nothing happens before');
    await sheet(page).getByLabel(en['field.password'], { exact: true }).fill(PASSWORD);
    await sheet(page).getByRole('button', { name: en['again.do'] }).click();
    await sheet(page).waitFor({ state: 'detached' });
    await page.getByText('Nina').first().waitFor();
    assert.notDeepEqual(own(), before, 'the session goes on under another token');
    assert.ok(await page.locator('.nav').isVisible(), 'and stays signed in');
    assert.deepEqual(page.faults, []);
  });

  test('who closes the question changes nothing, and is told so', async () => {
    addPhone();
    const page = await visit('#/sessions', { size: 'phone', theme: 'dark' });
    world.stale.add('anna');
    await page.getByRole('button', { name: en['sessions.endAll'] }).click();
    await hold(page, page.getByRole('dialog').getByRole('button', { name: en['sessions.endAll'] }));
    await sheet(page).waitFor();
    await shot(page, 'again-phone-dark-en');
    await page.keyboard.press('Escape');
    await page.getByText(en['problem.sign-in-again']).waitFor();
    assert.ok(world.sessions.has(PHONE));
    world.stale.delete('anna');
  });

  test('a token that is replaced meanwhile signs nobody out; one that has ended does', async () => {
    const page = await visit('#/settings');
    const token = (await page.context().cookies()).find((one) => one.name === '__Host-casement').value;
    const asks = page.waitForResponse(/\/api\/v1\/session$/);
    await page.route(/\/api\/v1\/sessions$/, (route) => route.fulfill({
      status: 401, contentType: 'application/problem+json', body: JSON.stringify({ type: '/problems/sign-in', status: 401 }),
    }), { times: 1 });
    await page.evaluate(() => { location.hash = '#/sessions'; });
    assert.equal((await asks).status(), 200);
    await page.waitForTimeout(300); // what must not happen has had its time
    assert.ok(await page.locator('.nav').isVisible());
    world.sessions.delete(token);
    await page.evaluate(() => { location.hash = '#/settings'; });
    await page.getByRole('heading', { level: 1, name: en['settings.title'] }).waitFor();
    await page.evaluate(() => { location.hash = '#/sessions'; });
    await page.getByText(en['signin.ended']).waitFor();
    await counts(page.locator('.nav'), 0, 'the door');
  });
});
