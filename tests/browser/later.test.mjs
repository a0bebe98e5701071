/* Pages that are fetched when they are wanted: early, at once, and not at all. casement-test: quick */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { catalogue, DIST, en, hasFocus, isReal, openBrowser, openPage, openServer, openSignedIn, PASSWORD, NAME, shot, until } from './helper.mjs';

const it = catalogue('it');
const fileOf = (page) => readdirSync(join(DIST, 'assets')).find((name) => name.startsWith(`${page}.`) && name.endsWith('.js'));

describe('pages that come later', { skip: isReal }, () => {
  let browser;
  let server;

  before(async () => {
    browser = await openBrowser();
    server = await openServer({ cameras: 2 });
  });
  afterEach(async () => { for (const context of browser.contexts()) await context.close(); });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const asked = () => server.mock.world.requests.filter((one) => /^GET \/assets\/.*\.js$/.test(one)).map((one) => one.slice('GET /assets/'.length));
  const wasAsked = (page) => asked().includes(fileOf(page));

  /* On the wall; where `savesData`, nothing is fetched at a quiet moment. */
  async function enter({ savesData = true, refused = [], ...how } = {}) {
    server.mock.world.requests.length = 0;
    const page = await openPage(browser, how);
    if (savesData) await page.addInitScript(() => Object.defineProperty(navigator, 'connection', { value: { saveData: true } }));
    for (const pattern of refused) await page.route(pattern, (route) => route.abort());
    await page.context().request.post(`${server.url}/api/v1/session`, { data: { name: NAME, password: PASSWORD }, headers: { origin: server.url } });
    await page.goto(server.url);
    return page;
  }
  const onWall = (page) => page.locator('.tile').first().waitFor();
  const link = (page, name) => page.getByRole('navigation').getByRole('link', { name, exact: true });
  const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true });
  const isFocused = (locator) => locator.evaluate((element) => element === document.activeElement);

  test('the first load is the wall, in one language', async () => {
    const page = await enter({ language: 'it' });
    await onWall(page);
    const html = readFileSync(join(DIST, 'index.html'), 'utf8');
    const first = [...html.matchAll(/\/assets\/([\w.-]+\.js)/g)].map((found) => found[1]);
    const extra = asked().filter((name) => !first.includes(name));
    assert.deepEqual(extra, [fileOf('it')]);
  });

  test('a page opens by keyboard: its link asks for it, and Enter waits for nothing', async () => {
    const page = await enter();
    await onWall(page);
    assert.ok(!wasAsked('people'));
    const people = link(page, en['nav.people']);
    for (let n = 0; n < 12 && !(await isFocused(people)); n++) await page.keyboard.press('Tab');
    await until(() => wasAsked('people'), 'the code of the page, on focus');
    await page.keyboard.press('Enter');
    await heading(page, en['people.title']).waitFor();
    await until(async () => (await page.title()).startsWith(`${en['people.title']} · `), 'the title of the page');
    assert.equal(asked().filter((name) => name === fileOf('people')).length, 1);
    await page.getByRole('link', { name: en['invite.title'] }).focus();
    await page.keyboard.press('Enter');
    await hasFocus(heading(page, en['invite.title'])); // the link, which had it, is gone
    assert.deepEqual(page.faults, []);
  });

  test('pointing at a link asks for its page; nothing else does for who saves data', async () => {
    const page = await enter();
    await onWall(page);
    await link(page, en['nav.safety']).hover();
    await until(() => wasAsked('safety'), 'the code of the page, on pointing at it');
    assert.ok(!wasAsked('people') && !wasAsked('settings'));
  });

  test('at a quiet moment the pages of the bar come by themselves', async () => {
    const page = await enter({ savesData: false });
    await onWall(page);
    await until(() => ['people', 'safety', 'camera-form', 'invitations', 'settings', 'sessions', 'passkeys'].every(wasAsked), 'the pages');
    assert.ok(!wasAsked('publish') && !wasAsked('homes') && !wasAsked('hi'));
  });

  test('a page that is there no more is told in words, and a button brings the app of today', async () => {
    const page = await enter();
    await onWall(page);
    await page.route('**/assets/people.*', (route) => route.fulfill({ status: 404, contentType: 'application/problem+json', body: '{}' }));
    await page.evaluate(() => { location.hash = '#/people/verdi'; });
    await hasFocus(heading(page, en['later.title']));
    await until(async () => (await page.title()).startsWith(`${en['later.title']} · `), 'the title of the page');
    await page.getByRole('alert').getByText(en['later.why']).waitFor();
    await shot(page, 'later-missing');
    await link(page, en['nav.home']).waitFor(); // the rest of the app goes on
    await page.unroute('**/assets/people.*');
    await page.keyboard.press('Tab');
    await hasFocus(page.getByRole('button', { name: en['later.again'] }));
    await page.keyboard.press('Enter');
    await heading(page, en['people.title']).waitFor();
    assert.match(page.url(), /#\/people\/verdi$/);
  });

  test('where the server is not reached, the button says so, and stays', async () => {
    const page = await enter();
    await onWall(page);
    await page.route('**', (route) => route.abort('internetdisconnected'));
    await page.evaluate(() => { location.hash = '#/settings'; });
    await heading(page, en['later.title']).waitFor();
    await page.getByRole('button', { name: en['later.again'] }).click();
    await page.getByRole('alert').getByText(en['error.offline']).waitFor();
    await page.unroute('**');
    await page.getByRole('button', { name: en['later.again'] }).click();
    await heading(page, en['settings.title']).waitFor();
  });

  test('without the words of a language there is English, and without any an honest line', async () => {
    const english = await enter({ language: 'it', refused: ['**/assets/it.*'] });
    await link(english, en['nav.people']).waitFor();
    const none = await enter({ language: 'it', refused: ['**/assets/it.*', '**/assets/en.*'] });
    await none.getByRole('button', { name: it['later.again'] }).waitFor();
    assert.match(await none.getByRole('alert').textContent(), /casement/);
    await none.unroute('**/assets/it.*');
    await none.getByRole('button').click();
    await link(none, it['nav.people']).waitFor();
  });

  test('a language that does not come is not chosen', async () => {
    const page = await openSignedIn(browser, server.url, { path: '/#/settings' });
    await heading(page, en['settings.title']).waitFor();
    await page.route('**/assets/it.*', (route) => route.abort());
    await page.getByLabel('Italiano').click({ force: true }); // not check(): the choice may be taken back at once
    await page.locator('.notice').getByText(en['later.why']).waitFor();
    await page.reload();
    await heading(page, en['settings.title']).waitFor();
  });
});
