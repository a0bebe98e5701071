/*
 * What a page looks like at its rarer moments: errors, sheets, empty places, odd states of one large
 * picture. As pages.test.mjs two sizes, two themes, three languages and a screenshot of each to look
 * at; each moment is come to once a language.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  axe, bigTargets, catalogue, isReal, LANGUAGES, noOverflow, nothingClipped, openBrowser, openPage, openServer, openSignedIn, shot, SIZES,
  THEMES,
} from './helper.mjs';

async function look(page, what, { language }) {
  for (const size of Object.keys(SIZES)) {
    await page.setViewportSize(SIZES[size]);
    for (const theme of THEMES) {
      const name = `${what}-${size}-${theme}-${language}`;
      await page.emulateMedia({ colorScheme: theme });
      await shot(page, name);
      if (theme === 'light') {
        await noOverflow(page, name);
        await nothingClipped(page, name);
      }
      if (language !== 'en') continue;
      await bigTargets(page, name);
      await axe(page, name);
    }
  }
  assert.deepEqual(page.faults, [], `console of ${what} in ${language}`);
}

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

describe('moments', { skip: isReal }, () => {
  let browser;
  let server;
  let fresh;

  before(async () => {
    browser = await openBrowser();
    server = await openServer({ cameras: 6 });
    fresh = await openServer({ isNew: true });
    const { mock } = server;
    mock.setState('kitchen', 'unreachable', 'connection_refused', mock.now() + 600_000);
    mock.camera('kitchen').hasOldStill = true;
    mock.setState('gate', 'wrong_password', 'wrong_password');
    mock.setState('stairs', 'unsupported', 'codec_unsupported');
    mock.camera('garage').stalledAt = Date.now() - 40_000;
    mock.world.accounts.set('leo', { id: 'leo', name: 'Leo', password: 'a long sentence', isOperator: false });
    mock.world.homes.get('verdi').members.set('leo', 'child');
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await fresh?.stop();
  });

  for (const language of LANGUAGES) {
    const how = { language };
    const words = catalogue(language);
    const goTo = (page, hash) => page.evaluate((to) => { location.hash = to; }, hash);

    test(`at the door: ${language}`, async () => {
      const page = await openPage(browser, how);
      await page.goto(server.url);
      await page.getByLabel(words['field.name']).fill('Anna');
      await page.getByLabel(words['field.password'], { exact: true }).fill('not this one');
      await page.getByRole('button', { name: words['signin.do'], exact: true }).click();
      await page.getByRole('alert').waitFor();
      server.mock.world.tries = 0;
      await look(page, 'signin-wrong', how);
      await page.goto(`${fresh.url}/#setup=worn-out`);
      await page.getByRole('button', { name: words['do.next'] }).click();
      await page.locator('.error').waitFor();
      await look(page, 'setup-empty', how);
      await page.getByLabel(words['setup.you']).fill('Anna');
      await page.keyboard.press('Enter');
      await page.getByLabel(words['setup.secret']).fill('a lamp in the window');
      await look(page, 'setup-password', how);
      await page.keyboard.press('Enter');
      await page.getByLabel(words['setup.home']).fill('Casa Verdi');
      await page.keyboard.press('Enter');
      await page.getByText(words['setup.used']).waitFor();
      await page.getByRole('link', { name: words['signin.do'] }).waitFor();
      await look(page, 'setup-used', how);
      await page.context().close();
    });

    test(`one camera and its troubles: ${language}`, async () => {
      const page = await openSignedIn(browser, server.url, how);
      for (const [id, state] of [['garage', 'frozen'], ['kitchen', 'unreachable'], ['gate', 'wrong-password'], ['stairs', 'unsupported']]) {
        await goTo(page, `#/camera/verdi/${id}`);
        await page.locator(`.stage[data-state=${state}]`).waitFor();
        await page.waitForTimeout(200);
        await look(page, `camera-${state}`, how);
      }
      await goTo(page, '#/camera/verdi/nowhere');
      await page.getByText(words['camera.goneHow']).waitFor();
      await look(page, 'camera-gone', how);
      await page.context().close();
    });

    test(`on the wall: ${language}`, async () => {
      const page = await openSignedIn(browser, server.url, how);
      await page.locator('.tile[data-state=live]').first().waitFor();
      await page.locator('.tile[data-state=unreachable] img').waitFor({ state: 'attached' });
      for (let n = 0; n < 40 && !await page.evaluate(() => document.activeElement?.matches('.tile-open')); n++) await page.keyboard.press('Tab');
      await look(page, 'wall-focus', how);
      await page.getByRole('button', { name: words['wall.arrange'] }).click();
      await look(page, 'wall-arrange', how);
      await page.context().close();
      const leo = await openSignedIn(browser, server.url, { ...how, name: 'Leo' });
      await leo.getByText(words['wall.emptyMember']).waitFor();
      await look(leo, 'wall-empty-member', how);
      await leo.route('**/api/v1/cameras?*', (route) => route.abort());
      await leo.reload();
      await leo.locator('.banner').waitFor();
      await look(leo, 'wall-offline', how);
      await leo.context().close();
    });

    test(`forms and sheets: ${language}`, async () => {
      const page = await openSignedIn(browser, server.url, { ...how, path: '/#/add/verdi' });
      await page.getByRole('button', { name: words['add.test'] }).click();
      await page.locator('.error').waitFor();
      await look(page, 'add-empty', how);
      await page.getByLabel(words['add.address']).fill('rtsp://192.168.1.50/stream1');
      await page.getByLabel(words['add.sub']).fill('rtsp://codec_unsupported.test/stream2');
      await page.getByRole('button', { name: words['add.test'] }).click();
      await page.getByText(words['add.isSub']).waitFor();
      await look(page, 'add-failed-sub', how);
      await goTo(page, '#/people/verdi');
      await page.getByRole('button', { name: fill(words['people.change'], { name: 'Marco' }) }).click();
      await page.getByRole('button', { name: words['people.remove'] }).waitFor();
      await look(page, 'people-role', how);
      await page.getByRole('button', { name: words['people.remove'] }).click();
      await page.getByText(words['people.removeRights']).waitFor();
      await look(page, 'people-remove', how);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: words['people.add'] }).click();
      await page.getByRole('button', { name: words['people.make'] }).click();
      await page.getByRole('button', { name: words['people.addDo'], exact: true }).click();
      await page.locator('.error').waitFor();
      await page.getByLabel(words['people.firstPassword']).first().fill('aaaa-bbbb-cccc-2345');
      await look(page, 'people-add-empty', how);
      await page.keyboard.press('Escape');
      await goTo(page, '#/settings');
      await page.getByRole('button', { name: words['settings.password'] }).click();
      await page.getByLabel(words['settings.oldPassword'], { exact: true }).fill('wrong');
      await page.getByLabel(words['settings.newPassword'], { exact: true }).fill('short');
      await page.keyboard.press('Enter');
      await page.locator('.error').waitFor();
      await look(page, 'settings-password', how);
      await page.context().close();
    });
  }
});
