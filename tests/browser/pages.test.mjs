/*
 * Every page and every tile state at two sizes, in two themes and three languages: a screenshot for
 * its maker to look at, axe, no overflow, no clipped words, large targets, a silent console.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  axe, bigTargets, buildGallery, catalogue, isReal, LANGUAGES, noOverflow, nothingClipped, openBrowser, openPage, openServer,
  openSignedIn, shot, SIZES, THEMES, until,
} from './helper.mjs';

/* Each size in each theme once, over the languages, unless there is time for all (./test long). */
const SHORT = { en: ['phone light', 'desk dark'], hi: ['desk light'], it: ['phone dark'] };
const combinations = LANGUAGES.flatMap((language) =>
  Object.keys(SIZES).flatMap((size) => THEMES.map((theme) => ({ language, size, theme }))))
  .filter(({ language, size, theme }) =>
    process.env.CASEMENT_TEST === 'long' || SHORT[language].includes(`${size} ${theme}`));

const nameOf = (page, { language, size, theme }) => `${page}-${size}-${theme}-${language}`;

/* Axe judges colours and structure; words don't change them, so one language of each suffices. */
async function look(page, what, how) {
  const name = nameOf(what, how);
  await shot(page, name);
  await noOverflow(page, name);
  await nothingClipped(page, name);
  if (how.language === 'en') {
    await bigTargets(page, name);
    await axe(page, name);
  }
  assert.deepEqual(page.faults, [], `console of ${name}`);
}

const walls = async (page) =>
  until(() => page.locator('.tile').evaluateAll((tiles) => tiles.length > 0 && tiles.every((t) =>
    t.getBoundingClientRect().top > innerHeight || ['live', 'unreachable', 'wrong-password'].includes(t.dataset.state))), 'the wall to settle');

describe('pages', { skip: isReal }, () => {
  let browser;
  let server;
  let fresh;

  before(async () => {
    await buildGallery();
    browser = await openBrowser();
    server = await openServer({ cameras: 6 });
    fresh = await openServer({ isNew: true });
    const { mock } = server;
    mock.world.sessions.set('phone-of-anna-0123456789ab', 'anna');
    mock.world.devices.set('phone-of-anna-0123456789ab', { device: 'Chrome on Android', network: '2001:db8:12:34::/64', method: 'passkey' });
    mock.world.passkeys.here = true;
    mock.world.keys = [
      { id: 'one', name: 'Pixel', site: 'localhost', synced: true, created: '2026-05-01T08:00:00.000Z', last_used: '2026-11-20T18:30:00.000Z' },
      { id: 'two', name: 'Windows', site: 'casement.local', synced: false, created: '2026-06-01T08:00:00.000Z', last_used: null },
    ];
    const invited = (id, more) => mock.world.invitations.set(id, { id, home: 'verdi', token: `cmi_${id}`, role: 'guest', label: id, state: 'open', cameras: [], used_by: null, made_by: { id: 'anna', name: 'Anna' }, expires: new Date(mock.now() + 5 * 86_400_000).toISOString(), ...more });
    invited('Elena', {});
    invited('Franco', { state: 'used', used_by: { id: 'marco', name: 'Marco' } });
    invited('', { state: 'expired' });
    mock.world.homes.get('verdi').groups = [{ home: 'verdi', id: 'outside', name: 'Outside', cameras: ['front-door', 'garden'], people: [{ account: 'marco', rights: ['view'], days: null, from: '18:00', to: '22:00', not_before: null, not_after: null }] }];
    mock.world.rtsp = { port: 8554, tls_port: 8322 };
    const token = (id, more) => mock.world.tokens.push({ id, home: 'verdi', account: 'anna', camera: 'garden', rights: ['view'], created: '2026-05-01T08:00:00.000Z', expires: '2027-05-01T08:00:00.000Z', last_used: null, ...more });
    token('frigate', { rights: ['view', 'listen'], last_used: new Date(mock.now() - 60_000).toISOString() });
    token('old', { account: 'zia', camera: 'front-door', expires: '2026-06-01T08:00:00.000Z' });
    mock.setState('kitchen', 'unreachable', 'timeout', mock.now() + 600_000);
    mock.setState('gate', 'wrong_password', 'wrong_password');
    mock.camera('garden').guests = [{ account: 'marco', name: 'Marco', stream: 'sub', since: new Date(mock.now() - 300_000).toISOString() }];
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await fresh?.stop();
  });

  for (const how of combinations) {
    const words = catalogue(how.language);
    const title = `${how.language} ${how.size} ${how.theme}`;

    test(`tile states: ${title}`, async () => {
      const page = await openPage(browser, how);
      await page.goto(`${server.url}/gallery/`);
      await page.locator('.tile').last().waitFor();
      await page.waitForLoadState('networkidle');
      await look(page, 'states', how);
      await page.context().close();
    });

    test(`before signing in: ${title}`, async () => {
      const page = await openPage(browser, how);
      await page.goto(server.url);
      await page.getByLabel(words['field.name']).waitFor();
      assert.equal(await page.locator('html').getAttribute('lang'), how.language);
      await look(page, 'signin', how);
      await page.getByRole('button', { name: words['signin.lost'] }).click();
      await page.getByLabel(words['recover.code']).waitFor();
      await look(page, 'recover', how);
      await page.goto('about:blank');
      await page.goto(`${server.url}/#join=cmi_Elena`);
      await page.getByLabel(words['setup.you']).waitFor();
      await look(page, 'join', how);
      await page.goto(`${fresh.url}/#setup=first-light`);
      await page.getByLabel(words['setup.you']).waitFor();
      await look(page, 'setup', how);
      await page.goto('about:blank');
      await page.goto(fresh.url);
      await page.getByText(words['setup.needed']).waitFor();
      await look(page, 'setup-needed', how);
      await page.context().close();
    });

    test(`signed in: ${title}`, async () => {
      const page = await openSignedIn(browser, server.url, how);
      await walls(page);
      await look(page, 'wall', how);
      const visit = async (hash, what, ready) => {
        await page.evaluate((to) => { location.hash = to; }, hash);
        await ready();
        await look(page, what, how);
      };
      const heading = (key, values = {}) => () =>
        page.getByRole('heading', { level: 1, name: words[key].replace(/\{(\w+)\}/g, (_, n) => values[n]) }).waitFor();
      await visit('#/camera/verdi/garden', 'camera', async () => {
        await page.locator('.stage[data-state=live]').waitFor();
        await page.getByRole('button', { name: words['camera.details'] }).click();
        await page.getByText('MSE').waitFor();
      });
      await visit('#/wall/verdi', 'wall-watched', () => page.locator('[data-camera=garden] button.tile-viewers').waitFor());
      await page.locator('[data-camera=garden] button.tile-viewers').click();
      await page.locator('.sheet').getByText('Chrome on Android').waitFor();
      await look(page, 'watchers', how);
      await page.locator('.sheet').getByRole('button', { name: words['watchers.end'] }).first().click();
      await page.getByText(words['watchers.signOutNow']).waitFor();
      await look(page, 'watchers-end', how);
      await page.keyboard.press('Escape');
      await page.keyboard.press('Escape');
      await visit('#/add/verdi', 'add', heading('add.title'));
      await page.getByLabel(words['add.address']).fill('rtsp://timeout.test/stream1');
      await page.getByRole('button', { name: words['add.test'] }).click();
      await page.getByText(words['cause.timeout.fix']).waitFor();
      await look(page, 'add-failed', how);
      await page.getByLabel(words['add.address']).fill('rtsp://192.168.1.50/stream1');
      await page.getByRole('button', { name: words['add.test'] }).click();
      await page.getByText(words['add.works'], { exact: true }).waitFor();
      await look(page, 'add-works', how);
      await visit('#/people/verdi', 'people', () => page.getByText('Zia Pina').first().waitFor());
      await page.getByRole('switch', { checked: true, disabled: false }).first().click();
      await page.getByText(words['cut.now']).waitFor();
      await look(page, 'people-cut', how);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: words['people.add'] }).click();
      await page.getByLabel(words['people.firstPassword']).waitFor();
      await look(page, 'people-add', how);
      await page.keyboard.press('Escape');
      await visit('#/safety/verdi', 'safety', async () => {
        await page.getByText(words['audit.other']).or(page.getByRole('button', { name: words['safety.more'] })).first().waitFor();
        await page.getByText('Marco').first().waitFor();
      });
      await page.getByRole('button', { name: words['safety.ask'] }).click();
      await page.getByText(words['safety.gone'], { exact: true }).first().waitFor();
      await page.getByRole('button', { name: words['safety.more'] }).click();
      await page.getByText(words['audit.other']).waitFor();
      await look(page, 'safety-saw', how);
      await page.getByLabel(words['safety.filter.refusals']).check({ force: true });
      await until(async () => await page.locator('[aria-labelledby=safety-what]').getByText('Chrome on Android').count() === 0, 'refusals alone');
      await look(page, 'safety-refused', how);
      await page.getByRole('button', { name: words['everyone.open'] }).click();
      await page.getByText(words['everyone.this']).waitFor();
      await page.locator('.sheet input[type=checkbox]').check();
      await look(page, 'everyone', how);
      for (const _ of ['asked', 'sure']) await page.locator('.sheet .hold').dispatchEvent('click');
      await page.locator('.sheet .is-done').waitFor();
      await look(page, 'everyone-receipt', how);
      await page.keyboard.press('Escape');
      await visit('#/invitations/verdi', 'invitations', () => page.getByText('Elena').first().waitFor());
      await page.getByRole('button', { name: words['invite.new'] }).click();
      await page.getByLabel(words['invite.label']).waitFor();
      await look(page, 'invite', how);
      await page.getByRole('button', { name: words['invite.do'] }).click();
      await page.locator('.qr').waitFor();
      await look(page, 'invite-link', how);
      await page.keyboard.press('Escape');
      await visit('#/groups/verdi', 'groups', () => page.getByText('Outside').waitFor());
      await page.getByRole('button', { name: words['groups.change'].replace('{name}', 'Outside') }).click();
      await page.getByRole('checkbox', { name: 'Garden' }).uncheck();
      await look(page, 'groups-less', how);
      await page.keyboard.press('Escape');
      await page.locator('.group-people .terms').click();
      await page.getByRole('checkbox', { name: words['rights.may.history'] }).check();
      await look(page, 'groups-terms', how);
      await page.keyboard.press('Escape');
      await visit('#/programs/verdi', 'programs', () => page.getByText(words['programs.unused']).first().waitFor());
      await page.getByRole('button', { name: new RegExp(words['programs.end']) }).first().click();
      await page.getByText(words['programs.endNow']).waitFor();
      await look(page, 'programs-end', how);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: words['programs.new'] }).click();
      await page.getByRole('checkbox', { name: 'Garden' }).check();
      await look(page, 'programs-new', how);
      await page.getByRole('button', { name: words['programs.do'] }).click();
      await page.getByText(words['programs.once']).waitFor();
      await look(page, 'programs-ready', how);
      server.mock.world.tokens = server.mock.world.tokens.filter(({ id }) => ['frigate', 'old'].includes(id));
      await page.keyboard.press('Escape');
      await visit('#/edit/verdi/gate', 'edit', heading('edit.title', { name: 'Gate' }));
      await page.getByRole('button', { name: words['edit.remove'] }).click();
      await page.getByText(words['edit.removeKeys']).waitFor();
      await look(page, 'edit-remove', how);
      await page.keyboard.press('Escape');
      await visit('#/settings', 'settings', heading('settings.title'));
      await visit('#/house/verdi', 'house', () => page.getByText(words['house.handWhy']).waitFor());
      await page.getByRole('button', { name: words['house.hand'], exact: true }).click();
      await page.getByText(words['house.handYou']).waitFor();
      await look(page, 'house-hand', how);
      await page.keyboard.press('Escape');
      await visit('#/house/lago', 'house-alone', () => page.getByText(words['house.handNobody']).waitFor());
      await page.getByRole('button', { name: words['house.move'], exact: true }).click();
      await page.getByText(words['house.moveForever']).waitFor();
      await look(page, 'house-move', how);
      await page.keyboard.press('Escape');
      await visit('#/sessions', 'sessions', () => page.getByText('Chrome on Android').first().waitFor());
      await page.getByRole('button', { name: words['sessions.endAll'] }).click();
      await page.getByText(words['sessions.endAllThis']).waitFor();
      await look(page, 'sessions-end', how);
      await page.keyboard.press('Escape');
      server.mock.world.codes = { left: 0, made: null };
      await visit('#/passkeys', 'passkeys', () => page.getByText('Pixel').waitFor());
      await page.getByRole('button', { name: new RegExp(`${words['passkeys.remove']}.*Pixel`) }).click();
      await page.getByText(words['passkeys.removeNow']).waitFor();
      await look(page, 'passkeys-remove', how);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: words['codes.make'] }).click();
      await page.getByText(words['codes.once']).waitFor();
      await look(page, 'passkeys-codes', how);
      await page.getByLabel(words['codes.saved'], { exact: true }).check();
      await page.getByRole('button', { name: words['codes.done'] }).click();
      await page.getByRole('button', { name: words['totp.setUp'] }).click();
      await page.getByLabel(words['totp.first']).waitFor();
      await look(page, 'totp-setup', how);
      await page.keyboard.press('Escape');
      await visit('#/wall/lago', 'wall-empty', () => page.getByText(words['wall.empty']).waitFor());
      await page.context().close();
    });

    test(`held off: ${title}`, async () => {
      server.mock.world.homes.get('verdi').suspended = { since: new Date(server.mock.now() - 600_000).toISOString(), by: 'Olga', why: 'A court asked for it' };
      const page = await openSignedIn(browser, server.url, how);
      try {
        await page.getByText(words['held.title']).waitFor();
        await look(page, 'held-off', how);
      } finally {
        server.mock.world.homes.get('verdi').suspended = null; // which the page would soon find
      }
      await page.context().close();
    });

    test(`operator: ${title}`, async () => {
      const page = await openSignedIn(browser, server.url, { ...how, name: 'Olga' });
      await page.getByText('Casa Verdi').first().waitFor();
      await look(page, 'homes', how);
      await page.locator('.row button').first().click();
      await page.getByText(words['held.told']).waitFor();
      await look(page, 'hold-off', how);
      await page.keyboard.press('Escape');
      await page.getByLabel(words['import.file'], { exact: true }).setInputFiles({ name: 'homes.csv', mimeType: 'text/csv', buffer: Buffer.from('home\nwrong\nwrong\n') });
      await page.getByText(words['import.faults']).waitFor();
      await look(page, 'import-faults', how);
      assert.equal(await page.locator('video, img').count(), 0);
      await page.context().close();
    });
  }

  test('at 360 px, and at 320 px as when zoomed to 400 %, nothing overflows', async () => {
    for (const width of [360, 320]) {
      const page = await openSignedIn(browser, server.url, { size: { width, height: 700 }, language: 'hi' });
      await walls(page);
      for (const hash of ['#/wall/verdi', '#/camera/verdi/garden', '#/add/verdi', '#/people/verdi', '#/safety/verdi', '#/settings', '#/passkeys']) {
        await page.evaluate((to) => { location.hash = to; }, hash);
        await page.locator(`.shell.is-${hash.split('/')[1]} main:not([aria-busy=true]) h1`).waitFor();
        await page.waitForTimeout(200); // for what comes into it later
        await noOverflow(page, `${hash} at ${width}`);
      }
      await page.context().close();
    }
  });
});
