/* Tokens of programs, as an owner makes and ends them. casement-test: quick */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { counts, en, hold, isReal, openBrowser, openServer, openSignedIn, until } from './helper.mjs';

describe('other programs', { skip: isReal }, () => {
  let browser;
  let server;

  before(async () => {
    browser = await openBrowser();
    server = await openServer({ cameras: 3 });
  });
  afterEach(async () => { for (const context of browser.contexts()) await context.close(); });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function open(rtsp) {
    server.mock.world.tokens = [];
    server.mock.world.rtsp = rtsp;
    const page = await openSignedIn(browser, server.url, { path: '/#/people/verdi' });
    await page.getByRole('link', { name: en['programs.title'] }).click();
    await page.getByText(en['programs.none']).waitFor();
    return page;
  }
  async function make(page, ...cameras) {
    await page.getByRole('button', { name: en['programs.new'] }).click();
    for (const camera of cameras) await page.getByRole('checkbox', { name: camera }).check();
    await page.getByRole('button', { name: en['programs.do'] }).click();
  }
  const tokens = () => server.mock.world.tokens;

  test('two cameras for Frigate: addresses with their tokens, told once', async () => {
    const page = await open({ port: 8554, tls_port: 8322 });
    await make(page);
    await page.getByText(en['programs.choose']).waitFor();
    assert.equal(tokens().length, 0, 'nothing is made without a camera');
    for (const camera of ['Front door', 'Garden']) await page.getByRole('checkbox', { name: camera }).check();
    await page.getByLabel(en['programs.name']).fill(' Frigate ');
    await page.getByLabel(en['programs.kind.hear'], { exact: false }).check({ force: true });
    await page.getByRole('button', { name: en['programs.do'] }).click();
    await page.getByText(en['programs.once']).waitFor();
    await counts(page.locator('.link'), 6);
    const [main, sub, token] = await page.locator('.link').allTextContents();
    assert.match(token, /^cma_/);
    assert.equal(main, `rtsps://program:${token}@localhost:8322/verdi/front-door`);
    assert.equal(sub, `${main}/sub`);
    assert.deepEqual(tokens().map(({ camera, rights }) => [camera, rights]), [['front-door', ['view', 'listen']], ['garden', ['view', 'listen']]]);
    await page.keyboard.press('Escape');
    await counts(page.locator('.row').filter({ hasText: en['programs.unused'] }), 2);
    await counts(page.getByText(token), 0, 'the token is told once');
    assert.deepEqual(tokens().map(({ name }) => name), ['Frigate', 'Frigate']);
    await counts(page.locator('.row strong').filter({ hasText: 'Frigate' }), 2);
    await page.getByText(/^Front door · /).waitFor();
    assert.deepEqual(page.faults, []);
  });

  test('without RTSP it says so; with the plain port alone that one is told', async () => {
    const off = await open({ port: null, tls_port: null });
    await make(off, 'Garden');
    await off.getByText(en['programs.noRtsp']).waitFor();
    await counts(off.locator('.link'), 1);
    const plain = await open({ port: 8554, tls_port: null });
    await make(plain, 'Garden');
    assert.match(await plain.locator('.link').first().textContent(), /^rtsp:\/\/program:cma_[^@]+@localhost:8554\/verdi\/garden$/);
  });

  test('one is ended by press and hold; the password is asked for when it was long ago', async () => {
    const page = await open({ port: null, tls_port: null });
    await make(page, 'Garden');
    await page.getByText(en['programs.once']).waitFor();
    await page.keyboard.press('Escape');
    server.mock.world.stale.add('anna');
    await page.locator('.row').getByRole('button').click();
    await hold(page, page.getByRole('dialog').getByRole('button', { name: en['programs.end'] }));
    const again = page.getByRole('dialog', { name: en['again.title'] });
    await again.getByLabel(en['field.password'], { exact: true }).fill('a long sentence');
    await again.getByRole('button', { name: en['again.do'] }).click();
    await page.getByText(en['programs.none']).waitFor();
    await until(() => tokens().length === 0, 'the token to be gone');
  });
});
