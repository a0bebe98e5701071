/* What an operator does with homes: holding one off, and many from a file. casement-test: quick */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { counts, en, hold, isReal, openBrowser, openServer, openSignedIn, until } from './helper.mjs';

describe('an operator', { skip: isReal }, () => {
  let browser;
  let server;

  before(async () => {
    browser = await openBrowser();
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await server?.stop();
  });
  after(async () => browser?.close());

  const open = async () => {
    server = await openServer({ cameras: 2 });
    const page = await openSignedIn(browser, server.url, { name: 'Olga' });
    await page.getByText('Casa Verdi').first().waitFor();
    return page;
  };
  const row = (page) => page.locator('.row').filter({ hasText: 'Casa Verdi' });

  test('holds a home off; its people are told who, since when and why, and see it come back', async () => {
    const olga = await open();
    const anna = await openSignedIn(browser, server.url);
    await anna.locator('.tile').first().waitFor();
    await row(olga).getByRole('button').click();
    const held = () => hold(olga, olga.getByRole('dialog').getByRole('button', { name: en['held.do'] }));
    await held();
    await olga.getByText(en['field.required']).waitFor();
    await olga.getByLabel(en['held.why']).fill('ä'.repeat(64));
    await held();
    await olga.getByText(en['held.long']).waitFor();
    assert.ok(!server.mock.world.homes.get('verdi').suspended, 'nothing happens without a reason');
    await olga.getByLabel(en['held.why']).fill('A court asked for it');
    await held();
    await row(olga).getByText('A court asked for it').waitFor();
    await anna.getByText(en['held.title']).waitFor();
    await anna.getByText(/Olga has held it off since .*: “A court asked for it”/).waitFor();
    assert.equal(await anna.locator('.banner').count(), 0, 'the server is reached');
    await anna.getByRole('link', { name: en['nav.people'] }).click();
    await anna.getByText('Zia Pina').first().waitFor();
    await anna.getByRole('link', { name: en['nav.home'] }).click();
    await anna.getByText(en['held.title']).waitFor();
    await row(olga).getByRole('button').click();
    await olga.locator('.notice').waitFor();
    await counts(anna.locator('.tile'), 2, 'the pictures to come back');
    assert.deepEqual([...olga.faults, ...anna.faults], []);
  });

  test('open pages of its people are told at once, by the events alone', async () => {
    const olga = await open();
    server.mock.world.homes.get('verdi').cameras.clear(); // no picture ends, and none is asked for
    const anna = await openSignedIn(browser, server.url);
    await until(() => [...server.mock.world.events].some((client) => client.account === 'anna'), 'her events');
    await anna.route('**/api/v1/session', (route) => route.abort());
    const put = (method) => olga.evaluate((how) => fetch('/api/v1/homes/verdi/suspension', {
      method: how, headers: { 'content-type': 'application/json' }, body: how === 'PUT' ? JSON.stringify({ why: 'A court asked for it' }) : undefined,
    }).then((answer) => answer.status), method);
    assert.equal(await put('PUT'), 204);
    await anna.getByText(en['held.title']).waitFor();
    assert.equal(await put('DELETE'), 204);
    await anna.getByText(en['held.title']).waitFor({ state: 'detached' });
    assert.deepEqual([...olga.faults, ...anna.faults], []);
  });

  test('invites the first owner of a home in which nobody lives, and of no other', async () => {
    const page = await open();
    await page.getByLabel(en['homes.name']).fill('Flat 8');
    await page.getByRole('button', { name: en['homes.addDo'], exact: true }).click();
    const flat = page.locator('.row').filter({ hasText: 'Flat 8' });
    await flat.getByText(en['homes.nobody']).waitFor();
    assert.equal(await row(page).getByRole('button', { name: en['homes.invite'] }).count(), 0, 'somebody lives there');
    await flat.getByRole('button', { name: en['homes.invite'] }).click();
    await page.getByLabel(en['invite.label']).fill('Gina');
    await page.getByRole('button', { name: en['invite.do'] }).click();
    await page.locator('.qr').waitFor();
    const link = await page.locator('.link').textContent();
    const [made] = [...server.mock.world.invitations.values()];
    assert.deepEqual([made.home, made.role, made.label], ['flat-8', 'owner', 'Gina']);
    assert.equal(link, `${server.url}/#join=${made.token}`);
    await page.keyboard.press('Escape');
    await page.locator('.qr').waitFor({ state: 'detached' });
    assert.deepEqual(page.faults, []);
  });

  test('makes many homes from a file: what is wrong is told by line, then all are made and their links saved', async () => {
    const page = await open();
    const choose = (text) => page.getByLabel(en['import.file'], { exact: true }).setInputFiles({ name: 'homes.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
    await choose(`home,owner\n${Array.from({ length: 22 }, (_, n) => `wrong ${n},x`).join('\n')}\n`);
    await page.getByText(en['import.faults']).waitFor();
    await counts(page.locator('.faults li'), 21);
    await page.getByText(`Line 2, column 1 (home): ${en['import.cause.home-taken']}`).waitFor();
    await page.getByText('Line 9, column 1 (home): there is a home of this name on the server').waitFor(); // of a later server
    await choose('home,owner,camera,address\nFlat 1,"Elena",Hall,rtsp://192.168.1.4/main\nFlat 2,Franco,Hall,rtsp://192.168.1.5/main\n');
    await page.getByText('The file is fine: 2 homes, 2 cameras.').waitFor();
    await counts(page.locator('.faults'), 0);
    assert.equal(server.mock.world.homes.size, 2, 'nothing is made before the button');
    await page.getByRole('button', { name: en['import.do'] }).click();
    const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: en['import.save'] }).click()]);
    const links = readFileSync(await saved.path(), 'utf8').split('\r\n');
    assert.equal(links[0], 'home,owner,link');
    assert.equal(links[2], `Flat 2,Franco,${server.url}/#join=cmi_1`);
    await page.getByRole('button', { name: en['do.done'] }).click();
    await page.locator('.row').filter({ hasText: 'Flat 2' }).waitFor();
    assert.deepEqual(page.faults, []);
  });
});
