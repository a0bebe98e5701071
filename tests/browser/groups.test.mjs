/* Groups of cameras, and the rights beyond seeing and hearing, as an owner gives and takes them. casement-test: quick */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { counts, en, hold, isReal, isTicked, openBrowser, late, openServer, openSignedIn, until } from './helper.mjs';

const text = (key, values) => en[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

describe('groups of cameras', { skip: isReal }, () => {
  let browser;
  let server;
  let home;

  before(async () => {
    browser = await openBrowser();
    server = await openServer({ cameras: 3 });
    home = server.mock.world.homes.get('verdi');
  });
  afterEach(async () => { for (const context of browser.contexts()) await context.close(); });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function open(groups) {
    home.groups = groups;
    const page = await openSignedIn(browser, server.url, { path: '/#/groups/verdi' });
    await page.getByRole('heading', { level: 1, name: en['groups.title'] }).waitFor();
    return page;
  }
  const outside = (people) => ({ home: 'verdi', id: 'outside', name: 'Outside', cameras: ['front-door', 'garden'], people });
  const marco = (more = {}) => ({ account: 'marco', rights: ['view'], days: null, from: null, to: null, not_before: null, not_after: null, ...more });
  const may = (page, person) => page.getByRole('switch', { name: text('people.may', { person, camera: 'Outside' }) });

  test('one is made, given to somebody, and taken from him again', async () => {
    const page = await open([]);
    await page.getByText(en['groups.none']).waitFor();
    await page.getByRole('button', { name: en['groups.new'] }).click();
    await page.getByRole('button', { name: en['groups.do'] }).click();
    await page.getByText(en['field.required']).waitFor();
    await page.getByLabel(en['groups.name']).fill('Outside');
    await page.getByRole('checkbox', { name: 'Garden' }).check();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Outside' }).waitFor();
    assert.deepEqual(home.groups.map(({ name, cameras }) => [name, cameras]), [['Outside', ['garden']]]);
    await may(page, 'Marco').click();
    await until(() => home.groups[0].people.some(({ account }) => account === 'marco'), 'the right');
    await page.getByRole('switch', { checked: true }).click();
    await hold(page, page.getByRole('dialog').getByRole('button', { name: en['cut.do'] }));
    await page.getByRole('switch', { checked: true }).waitFor({ state: 'detached' });
    assert.deepEqual(home.groups[0].people, []);
    assert.deepEqual(page.faults, []);
  });

  test('a camera that leaves is the cut, and says so; adding one waits for nothing', async () => {
    const page = await open([outside([marco()])]);
    const edit = () => page.getByRole('button', { name: text('groups.change', { name: 'Outside' }) }).click();
    await edit();
    await page.getByRole('checkbox', { name: 'Garden' }).uncheck();
    await page.getByText(text('groups.lessNow', { cameras: 'Garden' })).waitFor();
    await hold(page, page.getByRole('dialog').getByRole('button', { name: en['rights.less'] }));
    await until(() => home.groups[0].cameras.length === 1, 'the camera to leave');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await edit();
    await page.getByRole('checkbox', { name: 'Garage' }).check();
    await page.getByRole('button', { name: en['do.save'] }).click();
    await until(() => home.groups[0].cameras.includes('garage'), 'the camera to join');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await edit();
    await page.getByRole('button', { name: en['groups.remove'] }).click();
    await hold(page, page.getByRole('dialog').getByRole('button', { name: en['groups.removeDo'] }));
    await page.getByText(en['groups.none']).waitFor();
  });

  test('turning, looking back and taking along are ticks; nobody takes along what he may not look back at', async () => {
    const page = await open([outside([marco()])]);
    await page.route(/\/groups\?/, late); // a sheet is over once its page shows what it changed
    await page.locator('.group-people .terms').click();
    const tick = (right) => page.getByRole('checkbox', { name: en[`rights.may.${right}`] });
    assert.ok(await tick('export').isDisabled());
    for (const right of ['move', 'history', 'export']) await tick(right).check();
    await page.getByRole('button', { name: en['rights.save'] }).click();
    await until(() => home.groups[0].people[0].rights.includes('export'), 'the rights');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.locator('.group-people .terms').click();
    await tick('history').uncheck();
    await isTicked(tick('export'), false);
    await hold(page, page.getByRole('dialog').getByRole('button', { name: en['rights.less'] }));
    await until(() => home.groups[0].people[0].rights.join() === 'view,move', 'the rights to go');
  });

  test('people × cameras says that somebody sees a camera by a group', async () => {
    const page = await open([outside([{ ...marco(), account: 'zia' }])]);
    await page.evaluate(() => { location.hash = '#/people/verdi'; });
    const name = text('rights.byGroup', { groups: 'Outside' });
    await counts(page.locator('.grid .terms').filter({ hasText: name }), 2);
  });
});
