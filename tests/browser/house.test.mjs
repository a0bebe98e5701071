/* A home's clock, handing it over, moving out: as people do it. casement-test: quick */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { counts, en, hold, isReal, openBrowser, openServer, openSignedIn } from './helper.mjs';

const text = (key, values) => en[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

describe('one home', { skip: isReal }, () => {
  let browser;
  let server;
  let homes;

  before(async () => {
    browser = await openBrowser();
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await server?.stop();
  });
  after(async () => browser?.close());

  async function open(home, name = 'Anna') {
    server = await openServer({ cameras: 2 });
    ({ homes } = server.mock.world);
    const page = await openSignedIn(browser, server.url, { path: '/#/settings', name });
    await page.getByRole('link', { name: homes.get(home).name }).click();
    await page.getByRole('heading', { level: 1, name: homes.get(home).name }).waitFor();
    return page;
  }
  const press = (page, key) => page.getByRole('button', { name: en[key], exact: true }).click();
  const held = (page, key) => hold(page, page.getByRole('dialog').getByRole('button', { name: en[key] }));

  test('name and clock are changed, and the app knows at once', async () => {
    const page = await open('verdi');
    await page.getByLabel(en['homes.name']).fill('Casa Bianca');
    await page.getByLabel(en['house.zone']).selectOption('Asia/Kolkata');
    await press(page, 'do.save');
    await page.getByRole('heading', { level: 1, name: 'Casa Bianca' }).waitFor();
    assert.deepEqual([homes.get('verdi').name, homes.get('verdi').zone], ['Casa Bianca', 'Asia/Kolkata']);
    assert.deepEqual(page.faults, []);
  });

  test('it is handed over in one step, and the former owner is what he said', async () => {
    const page = await open('verdi');
    await page.getByText(en['house.lastOwner']).waitFor();
    await press(page, 'house.hand');
    await page.getByLabel('Zia Pina').check({ force: true });
    await page.getByLabel(en['role.guest'], { exact: false }).last().check({ force: true });
    await held(page, 'house.hand');
    await page.locator('.notice').getByText(text('house.handed', { name: 'Zia Pina' })).waitFor();
    assert.deepEqual([homes.get('verdi').members.get('zia'), homes.get('verdi').members.get('anna')], ['owner', 'guest']);
    await page.getByRole('link', { name: en['nav.people'] }).waitFor({ state: 'detached' });
  });

  test('moving out of a home alone destroys it, and a receipt is kept', async () => {
    const page = await open('lago');
    await press(page, 'house.move');
    await page.getByText(text('house.moveDestroys', { home: 'Casa al lago' })).waitFor();
    await held(page, 'house.move');
    await page.getByText(text('house.destroyed', { home: 'Casa al lago' })).waitFor();
    assert.ok(!homes.has('lago'));
    const [saved] = await Promise.all([page.waitForEvent('download'), press(page, 'house.keep')]);
    const receipt = readFileSync(await saved.path(), 'utf8');
    assert.match(receipt, /Casa al lago/);
    assert.match(receipt, /"destroyed": true/);
    await press(page, 'do.done');
    await page.getByRole('link', { name: en['nav.home'] }).waitFor();
    await counts(page.locator('.nav-home'), 0, 'one home to be left');
    assert.deepEqual(page.faults, []);
  });

  test('a guest moves out, and sees neither clock nor handing over', async () => {
    const page = await open('verdi', 'Zia Pina');
    assert.equal(await page.getByLabel(en['house.zone']).count(), 0);
    assert.equal(await page.getByRole('button', { name: en['house.hand'], exact: true }).count(), 0);
    await press(page, 'house.move');
    await page.getByText(en['house.moveOthers']).waitFor();
    await held(page, 'house.move');
    await page.getByText(text('house.left', { home: 'Casa Verdi' })).waitFor();
    assert.ok(homes.has('verdi') && !homes.get('verdi').members.has('zia'));
  });
});
