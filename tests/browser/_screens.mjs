/*
 * Screenshots of every page against the real server, for somebody to look at: build/screens/real-*.png.
 *   node tests/browser/_screens.mjs [WORD…]
 * A WORD is a part (cameras, people), a language, a size or a theme; of what none is named, all are shown.
 */
import { catalogue, LANGUAGES, openBrowser, openPage, shot, SIZES, THEMES, until } from './helper.mjs';
import { startServer } from './_real.mjs';
import { openHouse, shootPeople } from './_screens_people.mjs';

const NAME = 'Anna';
const PASSWORD = 'a lamp in the window';
const wanted = (all) => {
  const named = all.filter((one) => process.argv.slice(2).includes(one));
  return named.length > 0 ? named : all;
};
const parts = wanted(['cameras', 'people']);
const hows = wanted(LANGUAGES).flatMap((language) => wanted(Object.keys(SIZES)).flatMap((size) => wanted(THEMES).map((theme) => ({ language, size, theme }))));
const server = parts.includes('cameras') ? await startServer({ isDemo: true }) : null;
const browser = await openBrowser();

async function enter(how) {
  const page = await openPage(browser, how);
  const { url, data } = home
    ? { url: '/api/v1/session', data: { name: NAME, password: PASSWORD } }
    : { url: '/api/v1/setup', data: { token: server.link.split('=')[1], name: NAME, password: PASSWORD, home_name: 'Casa Verdi' } };
  const answer = await page.context().request.post(server.tls + url, { data, headers: { origin: server.tls } });
  home = (await answer.json()).homes[0].id;
  return page;
}

/* A camera whose pictures this device brings; made once. */
async function phone(page) {
  const api = page.context().request;
  const headers = { origin: server.tls };
  const { cameras } = await (await api.get(`${server.tls}/api/v1/cameras?home=${home}`)).json();
  const there = cameras.find((camera) => camera.kind === 'whip');
  if (there) return there.id;
  const made = await api.post(`${server.tls}/api/v1/cameras?home=${home}`, { data: { name: 'Phone', kind: 'whip' }, headers });
  return (await made.json()).id;
}

/* The garden's camera as one that takes talk; `speech`: what becomes of what is said. */
async function pretendTalk(page, speech) {
  const asJson = (route, value) => route.fulfill({ status: 200, contentType: 'application/json', body: JSON.stringify(value) });
  await page.route(/\/api\/v1\/events/, (route) => route.abort());
  await page.route(/\/api\/v1\/cameras\?/, async (route) => {
    const answer = await (await route.fetch()).json();
    for (const camera of answer.cameras) if (camera.id === 'garden') camera.talk = { state: speech.state === 'open' ? 'open' : 'idle', cause: null, detail: null };
    await asJson(route, answer);
  });
  await page.route(/\/whep\/[^?]+\?/, (route) => (route.request().method() === 'GET' ? asJson(route, { speech }) : route.continue()));
  await page.addInitScript(() => {
    /* A session that takes speech in, of a server whose camera does not. */
    Object.defineProperty(RTCRtpTransceiver.prototype, 'currentDirection', { get() { return this.direction; } });
    navigator.mediaDevices.getUserMedia = async () => new AudioContext().createMediaStreamDestination().stream;
  });
}

const SPEECHES = {
  open: { state: 'open', cause: null, detail: null, packets: 50, dropped: 0 },
  taken: { state: 'taken', cause: null, detail: null, packets: 50, dropped: 0 },
  failed: { state: 'failed', cause: 'no_loudspeaker', detail: null, packets: 50, dropped: 0 },
};

const live = (page, selector, count) => until(async () => await page.locator(`${selector}[data-state=live]`).count() === count, selector, 30_000);
let home = null;

async function shootCameras(how) {
  const { language, size, theme } = how;
  const words = catalogue(language);
  const save = (page, name) => shot(page, `real-${name}-${size}-${theme}-${language}`);
  const door = await openPage(browser, how);
  await door.goto(home ? server.tls : `${server.tls}/${server.link.slice(server.link.indexOf('#'))}`);
  await door.locator('.door input').first().waitFor();
  await save(door, home ? 'signin' : 'setup');
  await door.context().close();
  const page = await enter(how);
  const visit = async (hash) => {
    await page.goto(`${server.tls}/${hash}`);
    await page.locator('h1').waitFor();
  };
  await visit(`#/wall/${home}`);
  await live(page, '.tile', 2);
  await page.waitForTimeout(700);
  await save(page, 'wall');
  await visit(`#/camera/${home}/garden`);
  await live(page, '.stage', 1);
  await page.getByRole('button', { name: words['camera.details'] }).click();
  await page.waitForTimeout(1_200);
  await save(page, 'camera');
  await visit(`#/add/${home}`);
  await page.getByLabel(words['add.address']).fill('rtsp://127.0.0.1/stream1');
  await page.getByRole('button', { name: words['add.test'] }).click();
  await page.getByText(words['cause.address_refused.what']).waitFor();
  await save(page, 'add-failed');
  await visit(`#/people/${home}`);
  await page.locator('.person').first().waitFor();
  await save(page, 'people');
  await visit(`#/edit/${home}/garden`);
  await page.waitForTimeout(200);
  await save(page, 'edit');
  await visit(`#/publish/${home}/${await phone(page)}`);
  await page.waitForTimeout(1_500);
  await save(page, 'publish');
  await visit('#/settings');
  await page.locator('.fingerprint').waitFor();
  await save(page, 'settings');
  await page.context().close();
  for (const [name, speech] of Object.entries(SPEECHES)) {
    const speaker = await enter(how);
    await pretendTalk(speaker, speech);
    await speaker.goto(`${server.tls}/#/camera/${home}/garden`);
    const button = speaker.getByRole('button', { name: words['talk.do'], exact: true });
    await button.waitFor();
    await live(speaker, '.stage', 1);
    if (name === 'open') await save(speaker, 'talk-off');
    await button.click();
    await speaker.waitForTimeout(1_000);
    await save(speaker, `talk-${name}`);
    await speaker.context().close();
  }
}

if (server) {
  for (const how of hows) await shootCameras(how);
  await server.stop();
}
if (parts.includes('people')) {
  const house = await openHouse();
  for (const how of hows) await shootPeople(browser, house, how);
  await house.stop();
}
await browser.close();
