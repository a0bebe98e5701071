/* The pages of people, homes and the cut for _screens.mjs: a house of its own, with people who watch. */
import { catalogue, openPage, openSignedIn, shot, until } from './helper.mjs';
import { freePort, startCameras, startServer } from './_real.mjs';

const PASSWORD = 'a lamp in the window';

/* {server, stop()}: the house, its cameras, its people, and one of them at a second device. */
export async function openHouse() {
  const cameras = await startCameras(2);
  const camera = (n, id, name) => ({ id, name, main: cameras.url(n), sub: cameras.url(n, 'sub') });
  const account = (name, role, more = {}) => ({ name, role, password_file: 'word', ...more });
  const server = await startServer({
    secrets: { word: PASSWORD },
    config: {
      rtsp: { listen: `127.0.0.1:${await freePort()}` },
      operators: [{ name: 'Olga', password_file: 'word' }],
      homes: [{ id: 'verdi', name: 'Casa Verdi', time_zone: 'Europe/Rome', allow: ['127.0.0.0/8'], cameras: [camera(1, 'door', 'Front door'), camera(2, 'garden', 'Garden')],
        accounts: [account('Anna', 'owner'), account('Marco', 'adult', { cameras: [{ id: 'door', rights: ['view'] }] }), account('Zia Pina', 'guest')] }],
    },
  });
  return { server, stop: async () => { await server.stop(); await cameras.stop(); } };
}

/* One person's browser, and what he asks the server for beside it. */
async function enter(browser, { server }, how, name, path = '/') {
  const page = await openSignedIn(browser, server.tls, { ...how, name, password: PASSWORD, path });
  page.ask = async (method, to, data) => {
    const answer = await page.context().request.fetch(`${server.tls}/api/v1/${to}`, { method, data, headers: { origin: server.tls } });
    return answer.status() === 204 ? null : answer.json();
  };
  return page;
}

const sheet = (page) => page.locator('.sheet');

/* Behind one sheet there may be another. */
const close = (page) => until(async () => {
  if (await sheet(page).count() === 0) return true;
  await page.keyboard.press('Escape');
  return false;
}, 'the sheet to close');

async function links(page, words, save, guest, url) {
  await page.getByRole('button', { name: words['share.do'] }).click();
  await page.getByLabel(words['share.label']).fill('Cat sitter');
  await page.getByLabel(words['share.from']).fill(`${new Date(Date.now() + 26 * 3_600_000).toISOString().slice(0, 11)}18:00`);
  await save(page, 'share');
  await page.getByRole('button', { name: words['share.make'] }).click();
  await page.locator('.qr').waitFor();
  await save(page, 'share-link');
  const early = (await page.locator('.link').textContent()).trim();
  await page.getByRole('button', { name: words['share.done'] }).click();
  await page.locator('.share-links .row').first().waitFor();
  const { secret } = await page.ask('POST', 'cameras/door/links?home=verdi', { label: 'Mr Neri' });
  await guest.goto(early);
  await guest.locator('.look, .door').first().waitFor();
  await save(guest, 'look-early');
  await guest.goto('about:blank');
  await guest.goto(`${url}/#look=${secret}`);
  await guest.locator('.look[data-state=live]').waitFor();
  await save(guest, 'look');
  await close(page);
}

async function programs(page, words, save) {
  await page.getByRole('button', { name: words['programs.new'] }).click();
  await page.getByLabel(words['programs.name']).fill('Home Assistant in the kitchen');
  for (const camera of ['Front door', 'Garden']) await page.getByRole('checkbox', { name: camera }).check();
  await save(page, 'programs-new');
  await page.getByRole('button', { name: words['programs.do'] }).click();
  await page.getByText(words['programs.once']).waitFor();
  await save(page, 'programs-ready');
  await close(page);
  await page.locator('.rows .row').nth(1).waitFor();
  await save(page, 'programs');
  await page.locator('.rows .row button').first().click();
  await page.getByText(words['programs.endNow']).waitFor();
  await save(page, 'programs-end');
  await close(page);
}

async function secondFactor(page, words, save) {
  await page.getByRole('button', { name: words['codes.make'] }).waitFor();
  await save(page, 'passkeys');
  await page.getByRole('button', { name: words['totp.setUp'] }).click();
  await page.getByLabel(words['totp.first']).waitFor();
  await save(page, 'totp');
  await close(page);
}

async function house(page, words, save) {
  await page.getByText(words['house.handWhy']).waitFor();
  await save(page, 'house');
  await page.getByRole('button', { name: words['house.hand'], exact: true }).click();
  await page.getByText(words['house.handYou']).waitFor();
  await save(page, 'house-hand');
  await close(page);
}

/* A home of somebody's own, which he destroys by leaving it. */
async function movingOut(browser, there, how, olga, words, save) {
  const { id } = await olga.ask('POST', 'homes', { name: 'Casa al lago' });
  const { token } = await olga.ask('POST', `homes/${id}/invitation`, { label: 'Anna' });
  const page = await enter(browser, there, how, 'Anna');
  await page.ask('POST', 'invitations/accept', { token });
  await page.goto(`${there.server.tls}/#/house/${id}`);
  await page.reload();
  await page.getByRole('button', { name: words['house.move'], exact: true }).click();
  await page.getByText(words['house.moveForever']).waitFor();
  await save(page, 'house-move');
  for (const _ of ['asked', 'sure']) await sheet(page).locator('.hold').dispatchEvent('click');
  await page.getByRole('button', { name: words['house.keep'] }).waitFor();
  await save(page, 'house-receipt');
  await page.context().close();
}

async function operators(page, words, save) {
  const { homes } = await page.ask('GET', 'homes');
  if (!homes.some(({ name }) => name === 'Flat 8')) await page.ask('POST', 'homes', { name: 'Flat 8' });
  await page.reload();
  const row = page.locator('.row').filter({ hasText: 'Flat 8' });
  await row.getByText(words['homes.nobody']).waitFor();
  await save(page, 'homes');
  await row.getByRole('button', { name: words['homes.invite'] }).click();
  await page.getByLabel(words['invite.label']).fill('Gina');
  await save(page, 'homes-invite');
  await page.getByRole('button', { name: words['invite.do'] }).click();
  await page.locator('.qr').waitFor();
  await save(page, 'homes-link');
  await close(page);
  const choose = (text) => page.getByLabel(words['import.file'], { exact: true }).setInputFiles({ name: 'homes.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
  await choose(`home,owner,camera,address\nFlat 8,Gina,,\nFlat 9,Elena,Hall,192.168.1.4\nFlat 9,Marco,,\n${'x'.repeat(130)},,,\n`);
  await page.locator('.faults').waitFor();
  await save(page, 'import-faults');
  await choose('home,owner,camera,address\nFlat 1,Elena,Hall,rtsp://192.168.1.4/main\nFlat 2,Franco,,\n');
  await page.getByRole('button', { name: words['import.do'] }).waitFor();
  await save(page, 'import');
  await page.locator('.row').filter({ hasText: 'Casa Verdi' }).getByRole('button').click();
  await page.getByText(words['held.told']).waitFor();
  await save(page, 'hold-off');
  await close(page);
}

async function heldOff(browser, there, how, olga, words, save) {
  const page = await enter(browser, there, how, 'Marco');
  await page.locator('.tile').first().waitFor();
  await olga.ask('PUT', 'homes/verdi/suspension', { why: 'A court asked for it' });
  await page.getByText(words['held.title']).waitFor();
  await save(page, 'held-off');
  await olga.ask('DELETE', 'homes/verdi/suspension');
  await page.getByText(words['held.title']).waitFor({ state: 'detached' });
  await page.context().close();
}

async function safety(page, words, save) {
  await page.getByRole('button', { name: words['safety.ask'] }).click();
  await page.locator('[aria-labelledby=safety-saw] .row').first().waitFor();
  await save(page, 'safety');
  await page.getByRole('button', { name: words['everyone.open'] }).click();
  await page.getByText(words['everyone.this']).waitFor();
  await sheet(page).locator('input[type=checkbox]').check();
  await save(page, 'everyone');
  for (const _ of ['asked', 'sure']) await sheet(page).locator('.hold').dispatchEvent('click');
  await sheet(page).locator('.is-done').waitFor();
  await save(page, 'everyone-receipt');
  await close(page);
}

export async function shootPeople(browser, there, how) {
  const words = catalogue(how.language);
  const save = (page, name) => shot(page, `people-${name}-${how.size}-${how.theme}-${how.language}`);
  const marco = await enter(browser, there, how, 'Marco');
  const page = await enter(browser, there, how, 'Anna');
  const visit = (hash) => page.evaluate((to) => { location.hash = to; }, hash);
  await page.locator('.tile[data-state=live]').nth(1).waitFor();
  await page.locator('button.tile-viewers').first().waitFor();
  await save(page, 'wall');
  await page.locator('button.tile-viewers').first().click();
  await until(async () => await sheet(page).locator('.row').count() > 0, 'who watches');
  await save(page, 'watchers');
  await sheet(page).getByRole('button', { name: words['watchers.end'] }).first().click();
  await page.getByText(words['watchers.signOutNow']).waitFor();
  await save(page, 'watchers-end');
  await close(page);
  await visit('#/camera/verdi/door');
  const guest = await openPage(browser, how);
  await links(page, words, save, guest, there.server.tls);
  await guest.context().close();
  const group = await page.ask('POST', 'groups?home=verdi', { name: 'Outside', cameras: ['door', 'garden'] });
  await visit('#/groups/verdi');
  await page.getByText('Outside').first().waitFor();
  await save(page, 'groups');
  await visit('#/people/verdi');
  await page.getByText('Zia Pina').first().waitFor();
  await save(page, 'people');
  await visit('#/programs/verdi');
  await programs(page, words, save);
  await visit('#/passkeys');
  await secondFactor(page, words, save);
  await visit('#/house/verdi');
  await house(page, words, save);
  const olga = await enter(browser, there, how, 'Olga');
  await operators(olga, words, save);
  await movingOut(browser, there, how, olga, words, save);
  await visit('#/safety/verdi');
  await safety(page, words, save);
  await marco.context().close();
  await heldOff(browser, there, how, olga, words, save);
  await page.ask('DELETE', `groups/${group.id}?home=verdi`); // as it was, for the next look
  for (const one of [page, olga]) await one.context().close();
}
