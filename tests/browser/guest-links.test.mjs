/* Guest links, as those who make them and those who open them use them. casement-test: quick */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { axe, bigTargets, catalogue, en, isReal, noOverflow, nothingClipped, openBrowser, openPage, openServer, openSignedIn, shot } from './helper.mjs';

const HOUR_S = 3600;

describe('guest links', { skip: isReal }, () => {
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

  const cameraOf = () => [...world.homes.get('verdi').cameras.values()][0];
  const openSheet = async (how = {}, words = en) => {
    const page = await openSignedIn(browser, server.url, { ...how, words });
    await page.evaluate((to) => { location.hash = to; }, `#/camera/verdi/${cameraOf().id}`);
    await page.getByRole('button', { name: words['share.do'] }).click();
    await page.getByRole('dialog', { name: words['share.title'] }).waitFor();
    return page;
  };
  const makeLink = async (page, name, words = en) => {
    await page.getByLabel(words['share.label']).fill(name);
    await page.getByRole('button', { name: words['share.make'] }).click();
    await page.locator('.qr').waitFor();
    return (await page.locator('.link').textContent()).trim();
  };
  /* What stands in the world, as if an owner had made it. */
  const put = (more = {}) => {
    const id = `p${world.links.size}`;
    const at = (s) => new Date(server.mock.now() + s * 1000).toISOString();
    world.links.set(id, {
      id, home: 'verdi', camera: cameraOf().id, secret: `cmg_${id}`, token: null, label: 'Mr Neri', state: 'open', made_by: 'Anna',
      created: at(0), from: at(0), until: at(2 * HOUR_S), opened: 0, opened_max: null, last_opened: null, looks: [], ...more,
    });
    return world.links.get(id);
  };
  const follow = async (link, how = {}) => {
    const page = await openPage(browser, how);
    await page.goto(`${server.url}/#look=${link.secret}`);
    return page;
  };
  const plays = (page) => page.locator('.look[data-state="live"]').waitFor();

  test('an owner shares a look, a guest opens it without an account, and the owner ends it', async () => {
    const owner = await openSheet();
    const address = await makeLink(owner, 'Mr Neri');
    assert.match(address, /\/#look=cmg_[\w-]{43}$/);
    const guest = await openPage(browser);
    await guest.goto(address);
    await plays(guest);
    assert.equal(await guest.evaluate(() => location.hash), '#/look'); // no secret over anybody's shoulder
    assert.equal(await guest.getByRole('heading').textContent(), cameraOf().name);
    assert.equal(await guest.getByRole('navigation').count(), 0); // nothing else of the app
    await guest.reload();
    await plays(guest);
    assert.equal([...world.links.values()][0].opened, 1);
    await owner.getByRole('button', { name: en['share.done'] }).click();
    const row = owner.locator('.share-links .row').filter({ hasText: 'Mr Neri' });
    await row.getByText(/Chrome on Linux/).waitFor();
    await row.getByRole('button').click();
    await row.getByText(en['share.state.revoked']).waitFor();
    await guest.getByText(en['look.cut']).waitFor();
    assert.equal(await guest.locator('video, canvas, img').count(), 0, 'not a pixel stays'); // not for a moment: no wait
    assert.deepEqual(owner.faults, []);
  });

  test('a link that is over, or was never one, says so in words', async () => {
    for (const link of [put({ state: 'revoked' }), { secret: `cmg_${'A'.repeat(43)}` }]) {
      const page = await follow(link);
      await page.getByText(en['look.none'], { exact: true }).waitFor();
      await page.context().close();
    }
  });

  /* Homes of the mock are in this machine's zone, which the field's words are of as well. */
  test('an owner says from when, by the clock of the home', async () => {
    const owner = await openSheet();
    const asField = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    const make = async (from) => {
      await owner.getByLabel(en['share.from']).fill(asField(from));
      await owner.getByRole('button', { name: en['share.make'] }).click();
    };
    await owner.getByLabel(en['share.label']).fill('Cat sitter');
    await make(server.mock.now() + 40 * 24 * HOUR_S * 1000);
    await owner.getByText(en['share.badTime']).waitFor();
    const from = Math.ceil(server.mock.now() / 60_000) * 60_000 + 26 * HOUR_S * 1000;
    await make(from);
    await owner.locator('.qr').waitFor();
    const made = [...world.links.values()].find(({ label }) => label === 'Cat sitter');
    assert.deepEqual([Date.parse(made.from), Date.parse(made.until)], [from, from + 2 * HOUR_S * 1000]);
    await owner.getByText(/It begins on .* and ends on /).waitFor();
    await owner.getByRole('button', { name: en['share.done'] }).click();
    await owner.locator('.share-links .row').filter({ hasText: 'Cat sitter' }).getByText(/begins on /).waitFor();
    assert.deepEqual(owner.faults, []);
  });

  test('one that begins later says when, and one that ends takes the picture away', async () => {
    const early = await follow(put({ from: new Date(server.mock.now() + 5 * HOUR_S * 1000).toISOString(), until: new Date(server.mock.now() + 7 * HOUR_S * 1000).toISOString() }));
    await early.getByText(/You can look from/).waitFor();
    const page = await follow(put({ lookMs: 2_000 }));
    await page.getByText(en['look.ended']).waitFor();
    assert.equal(await page.locator('video, canvas, img').count(), 0, 'not a pixel stays'); // not for a moment: no wait
  });

  /* One of each page in every look; the languages differ in the length of their words. */
  test('the pages are whole on a phone and on a desk, light and dark, in every language', async () => {
    const inTwoDays = new Date(server.mock.now() + 50 * HOUR_S * 1000).toISOString();
    put({ label: 'Cat sitter', until: inTwoDays, opened: 2, looks: [{ opened: inTwoDays, device: 'Chrome on Android', network: '192.0.2.7', may_look: true }] });
    const whole = async (page, name, how) => {
      const what = `${name}-${how.size}-${how.theme}-${how.language}`;
      await shot(page, what);
      await noOverflow(page, what);
      await nothingClipped(page, what);
      if (how.language === 'en') {
        await axe(page, what);
        await bigTargets(page, what);
      }
    };
    const hows = [['phone', 'light', 'en'], ['desk', 'dark', 'en'], ['desk', 'light', 'hi'], ['phone', 'dark', 'it']];
    for (const [size, theme, language] of hows) {
      const how = { size, theme, language };
      const words = catalogue(language);
      const owner = await openSheet(how, words);
      await owner.locator('.share-links .row').first().waitFor();
      await whole(owner, 'share', how);
      await makeLink(owner, 'Nina', words);
      await whole(owner, 'share-link', how);
      const guest = await follow(put(), how);
      await plays(guest);
      await whole(guest, 'look', how);
      const none = await follow(put({ state: 'revoked' }), how);
      await none.getByText(words['look.none'], { exact: true }).waitFor();
      await whole(none, 'look-none', how);
      for (const context of browser.contexts()) await context.close();
    }
  });
});
