/* What people do, as they do it. Tests that steer the server's cameras need the mock. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import {
  counts, en, hasFocus, hold, isReal, isTicked, late, NAME, noOverflow, openBrowser, openPage, openServer, openSignedIn, shot, signIn, tile, until, waitForState,
} from './helper.mjs';

let browser;
const open = [];
const serve = async (options) => {
  const server = await openServer(options);
  open.push(server);
  return server;
};
const states = (page) => page.locator('.tile').evaluateAll((tiles) => tiles.map((t) => t.dataset.state));
/* A machine that is too busy to decode so many shows a picture late, and says so. */
const isPlaying = (state) => ['live', 'behind', 'frozen'].includes(state);
const text = (key, values = {}) => en[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

before(async () => { browser = await openBrowser(); });
afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  while (open.length > 0) await open.pop().stop();
});
after(async () => { await browser?.close(); });

/* Presses Tab until the wanted element has the focus. */
async function tabTo(page, selector) {
  for (let n = 0; n < 60; n++) {
    if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`no way by Tab to ${selector}`);
}

/* Pretends the tab was put away: what browsers tell a page then. */
const setHidden = (page, isHidden) => page.evaluate((hidden) => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event('visibilitychange'));
}, isHidden);

describe('invitations', { skip: isReal }, () => {
  test('a link is made, told once, taken by somebody else, and then used up', async () => {
    const { url, mock } = await serve();
    const owner = await openSignedIn(browser, url);
    await owner.evaluate(() => { location.hash = '#/people/verdi'; });
    await owner.getByRole('link', { name: en['invite.title'] }).click();
    await owner.getByText(en['invite.none']).waitFor();
    await owner.getByRole('button', { name: en['invite.new'] }).click();
    await owner.getByLabel(en['invite.label']).fill('Elena');
    await owner.getByLabel('Garden').check();
    await owner.getByRole('button', { name: en['invite.do'] }).click();
    await owner.locator('.link').waitFor(); // seen: else the sheet is not yet open, and Escape would close none
    const link = await owner.locator('.link').textContent();
    assert.ok(link.startsWith(`${url}/#join=cmi_`), link);
    await owner.keyboard.press('Escape');
    await owner.getByText('Elena').first().waitFor();
    await counts(owner.getByText(link), 0, 'the link, which is told once, to be gone');
    const guest = await openPage(browser);
    await guest.goto(link);
    await guest.getByRole('heading', { name: text('join.title', { home: 'Casa Verdi' }) }).waitFor();
    await guest.getByRole('button', { name: en['join.do'] }).click();
    await guest.getByText(en['field.required']).waitFor();
    await guest.getByLabel(en['setup.you']).fill('Elena');
    await guest.getByLabel(en['setup.secret']).fill('a lamp in the window');
    await guest.getByRole('button', { name: en['join.do'] }).click();
    await guest.getByRole('heading', { name: 'Casa Verdi' }).waitFor();
    await counts(guest.locator('.tile'), 1, 'the camera that it gives');
    assert.ok(!guest.url().includes('cmi_'), 'the secret leaves the address');
    assert.ok(mock.world.requests.every((one) => !one.includes('cmi_')), 'it stood in no address that was asked for');
    const late = await openPage(browser);
    await late.goto(link);
    await late.getByText(en['join.gone']).waitFor();
  });

  test('who has an account signs in and joins with it', async () => {
    const { url, mock } = await serve();
    mock.world.accounts.set('leo', { id: 'leo', name: 'Leo', password: 'a long sentence', isOperator: false });
    mock.world.invitations.set('i', { id: 'i', home: 'verdi', token: 'cmi_i', role: 'adult', label: '', state: 'open', cameras: [], used_by: null, made_by: { id: 'anna', name: 'Anna' }, expires: new Date(mock.now() + 86_400_000).toISOString() });
    const page = await openPage(browser);
    await page.goto(`${url}/#join=cmi_i`);
    await page.getByRole('button', { name: en['join.have'] }).click();
    await page.getByLabel(en['field.name']).fill('Leo');
    await page.getByLabel(en['field.password'], { exact: true }).fill('a long sentence');
    await page.getByRole('button', { name: en['signin.do'], exact: true }).click();
    await page.getByRole('button', { name: text('join.as', { name: 'Leo' }) }).click();
    await page.getByRole('heading', { name: 'Casa Verdi' }).waitFor();
    assert.equal(mock.world.homes.get('verdi').members.get('leo'), 'adult');
  });
});

describe('coming in', () => {
  test('the setup link makes an owner in three steps, once', { skip: isReal }, async () => {
    const { url } = await serve({ isNew: true });
    const page = await openPage(browser);
    await page.goto(`${url}/#setup=first-light`);
    await page.getByRole('button', { name: en['do.next'] }).click();
    await page.getByText(en['field.required']).waitFor();
    await page.getByLabel(en['setup.you']).fill('Anna');
    await page.keyboard.press('Enter');
    await page.getByLabel(en['setup.secret']).fill('short');
    await page.keyboard.press('Enter');
    await page.locator('.error').getByText(en['field.short']).waitFor();
    await page.getByLabel(en['setup.secret']).fill('a lamp in the window');
    await page.keyboard.press('Enter');
    await page.getByLabel(en['setup.home']).fill('Casa Verdi');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Casa Verdi' }).waitFor();
    assert.ok(!page.url().includes('first-light'), 'the token leaves the address');
    await page.getByText(en['wall.emptyOwner']).waitFor();
    const second = await openPage(browser);
    await second.goto(`${url}/#setup=first-light`);
    await second.getByLabel(en['setup.you']).fill('Eve');
    await second.keyboard.press('Enter');
    await second.getByLabel(en['setup.secret']).fill('a lamp in the window');
    await second.keyboard.press('Enter');
    await second.getByLabel(en['setup.home']).fill('Elsewhere');
    await second.keyboard.press('Enter');
    await second.getByText(en['setup.used']).waitFor();
    assert.deepEqual(page.faults, []);
  });

  test('what the server said before the first account, and was late, brings no setup back', { skip: isReal }, async () => {
    const { url } = await serve({ isNew: true });
    const page = await openPage(browser);
    let asked = 0;
    let go;
    const held = new Promise((done) => { go = done; });
    await page.route('**/api/v1/server', async (route) => {
      const response = await route.fetch();
      if (++asked > 1) await held;
      await route.fulfill({ response });
    });
    await page.goto(`${url}/#setup=first-light`);
    await until(() => asked > 1, 'the server to be asked again');
    for (const [key, words] of [['you', 'Anna'], ['secret', 'a lamp in the window'], ['home', 'Casa Verdi']]) {
      await page.getByLabel(en[`setup.${key}`]).fill(words);
      await page.keyboard.press('Enter');
    }
    await page.getByRole('heading', { name: 'Casa Verdi' }).waitFor();
    const late = page.waitForResponse('**/api/v1/server');
    go();
    await (await late).finished();
    await page.getByRole('link', { name: en['nav.settings'] }).click();
    await page.getByRole('button', { name: en['settings.signOut'] }).click();
    await page.getByRole('heading', { name: en['signin.title'] }).waitFor();
  });

  test('a wrong password says so, too many tries say how long', async () => {
    const { url } = await serve();
    const page = await openPage(browser);
    await page.goto(url);
    await page.getByLabel(en['field.name']).fill(NAME);
    await page.getByLabel(en['field.password'], { exact: true }).fill('not this one');
    await page.getByRole('button', { name: en['signin.do'], exact: true }).click();
    await page.getByRole('alert').getByText(en['signin.wrong']).waitFor();
    if (isReal) return;
    for (let n = 0; n < 4; n++) {
      const answer = page.waitForResponse((response) => response.request().method() === 'POST');
      await page.getByRole('button', { name: en['signin.do'], exact: true }).click();
      await answer;
      await page.locator('[aria-disabled=true]').waitFor({ state: 'detached' });
    }
    await page.getByText(en['signin.wait'].other.replace('{count}', '30')).waitFor();
  });

  test('signing in and out; the address never holds name or password', async () => {
    const { url } = await serve();
    const page = await openPage(browser);
    const seen = [];
    page.on('request', (request) => seen.push(request.url()));
    await signIn(page, url);
    await page.locator('.tile').first().waitFor();
    await page.getByRole('link', { name: en['nav.settings'] }).click();
    await page.getByRole('button', { name: en['settings.signOut'] }).click();
    await page.getByRole('heading', { name: en['signin.title'] }).waitFor();
    assert.ok(seen.every((address) => address.startsWith(url) || address.startsWith('blob:') || address.startsWith('data:')), 'no request to anyone else');
    assert.ok(!seen.some((address) => /sentence|password=|token/.test(address)));
    assert.equal(await page.evaluate(() => '__casement' in window), false);
    assert.deepEqual(page.faults, []);
  });

  test('a session that ends shows the door and no picture', { skip: isReal }, async () => {
    const { url, mock } = await serve();
    const page = await openSignedIn(browser, url);
    await waitForState(page, 'Garden', 'live');
    mock.world.sessions.clear();
    mock.tell(() => true, 'session-ended', { cause: 'password' });
    await page.getByText(en['signin.ended']).waitFor();
    assert.equal(await page.locator('video, .picture img, canvas').count(), 0, 'they go with the word');
    await until(() => mock.world.streams.size === 0, 'the streams to end');
  });
});

describe('the wall', () => {
  test('cameras play, one opens large and says how old its picture is', async () => {
    const { url } = await serve({ cameras: 2 });
    const page = await openSignedIn(browser, url);
    await until(async () => (await states(page)).includes('live'), 'a live tile');
    await page.locator('.tile[data-state=live] .tile-open').first().click();
    await page.locator('.stage[data-state=live]').waitFor();
    await page.getByRole('button', { name: en['camera.details'] }).click();
    const age = page.locator('.facts.is-table dd').first();
    await until(async () => /^0\.\d s$/.test(await age.innerText()), 'an age below a second');
    assert.deepEqual(page.faults, []);
  });

  test('sixteen tiles play at once in one tab and in two, over HTTP/2', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 16 });
    const page = await openSignedIn(browser, url, { size: { width: 1440, height: 1300 } });
    await until(async () => (await states(page)).filter(isPlaying).length === 16, '16 tiles that play');
    const second = await page.context().newPage();
    await second.setViewportSize({ width: 1440, height: 1300 });
    await second.goto(url);
    await until(async () => (await states(second)).filter(isPlaying).length === 16, '16 more');
    await until(() => mock.world.streams.size === 32, '32 streams');
    const before = await second.evaluate(() => [...document.querySelectorAll('video')].map((v) => v.currentTime));
    await until(async () => (await second.evaluate(() => [...document.querySelectorAll('video')].map((v) => v.currentTime)))
      .every((t, n) => t > before[n] + 0.4), 'all of them to move');
    assert.ok(mock.world.requests.filter((r) => r.includes('live.mp4')).every((r) => r.includes('stream=sub')));
  });

  test('the first picture does not wait for a keyframe, and is soon at the edge', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 1 });
    const page = await openSignedIn(browser, url, { path: '/#/settings' });
    const firsts = [];
    const isEarly = ({ at, keyframeMs }) => at < keyframeMs;
    for (let n = 0; n < 7 || (n < 30 && !firsts.some(isEarly)); n++) {
      await page.evaluate(() => { location.hash = '#/settings'; });
      await page.locator('.fingerprint').waitFor();
      await until(() => mock.streamsOf('front-door').length === 0, 'the stream before to end');
      const first = await page.evaluate(() => new Promise((done) => {
        const start = performance.now();
        const observer = new MutationObserver(() => {
          const video = document.querySelector('video');
          if (!video) return;
          observer.disconnect();
          video.requestVideoFrameCallback((now) => done({ ms: now - start, at: performance.timeOrigin + now }));
        });
        observer.observe(document.body, { subtree: true, childList: true });
        location.hash = '#/camera/verdi/front-door';
      }));
      firsts.push({ ...first, keyframeMs: mock.streamsOf('front-door')[0].keyframeMs });
    }
    console.log(`  first picture, ms: ${firsts.map(({ ms }) => Math.round(ms)).join(' ')}`);
    /* A keyframe comes every two seconds: what is shown before the next one is there has not waited for it. A busy machine
     * needs more than one try; how fast it is, is for ./bench to say. */
    assert.ok(firsts.some(isEarly), JSON.stringify(firsts));
    await page.locator('.stage[data-state=live]').waitFor();
    await page.getByRole('button', { name: en['camera.details'] }).click();
    const ages = [];
    await until(async () => {
      ages.push(Number.parseFloat(await page.locator('.facts.is-table dd').first().innerText()));
      return ages.filter((age) => age <= 0.6).length >= 5;
    }, () => `pictures at the edge: ${ages}`);
  });

  test('only tiles in view stream', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 12 });
    const page = await openSignedIn(browser, url, { size: 'phone' });
    await waitForState(page, 'Front door', 'live');
    assert.ok(mock.world.streams.size <= 6, `${mock.world.streams.size} streams`);
    assert.equal(mock.streamsOf('yard').length, 0);
    await tile(page, 'Yard').scrollIntoViewIfNeeded();
    await waitForState(page, 'Yard', 'live');
    await until(() => mock.streamsOf('front-door').length === 0, 'the first tile to rest');
  });

  test('a tab hidden for half a minute rests and comes back at once', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 2 });
    const page = await openSignedIn(browser, url);
    await page.addInitScript(() => { // half a minute is a second here, and is counted
      globalThis.halfMinutes = 0;
      const set = globalThis.setTimeout;
      globalThis.setTimeout = (run, ms, ...rest) => (ms === 30_000 ? set(() => { globalThis.halfMinutes++; run(); }, 1_000) : set(run, ms, ...rest));
    });
    await page.reload();
    for (const name of ['Front door', 'Garden']) await waitForState(page, name, 'live');
    assert.equal(await page.evaluate(() => globalThis.halfMinutes), 0);
    await setHidden(page, true);
    await until(() => mock.world.streams.size === 0 && mock.world.events.size === 0, 'streams and events to rest');
    assert.ok(await page.evaluate(() => globalThis.halfMinutes) > 0, 'after half a minute');
    await until(async () => await page.locator('.picture canvas').count() >= 2, 'the last pictures to stay');
    await setHidden(page, false);
    await waitForState(page, 'Garden', 'live');
  });

  test('a stalled stream is frozen and dated; a late one is behind; both recover', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 3 });
    const page = await openSignedIn(browser, url);
    for (const name of ['Front door', 'Garden', 'Garage']) await waitForState(page, name, 'live');
    mock.camera('garden').stalledAt = Date.now();
    mock.camera('garage').delayMs = 1_600;
    mock.endStreams('garage');
    await waitForState(page, 'Garden', 'frozen');
    await until(async () => /^picture of \d\d:\d\d:\d\d, .* ago$/.test(await tile(page, 'Garden').locator('.chip').innerText()), 'the time of the picture');
    await waitForState(page, 'Garage', 'behind');
    await until(async () => Number.parseFloat(/^(\d+\.\d) s behind$/.exec(await tile(page, 'Garage').locator('.chip').innerText())?.[1]) >= 1.5,
      'how far it is behind');
    await waitForState(page, 'Front door', 'live');
    await shot(page, 'flow-frozen-behind');
    mock.camera('garden').stalledAt = null;
    mock.camera('garage').delayMs = 0;
    mock.endStreams('garage');
    await waitForState(page, 'Garden', 'live');
    await waitForState(page, 'Garage', 'live');
  });

  test('pictures that the server leaves out are passed over', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 1 });
    const page = await openSignedIn(browser, url);
    await waitForState(page, 'Front door', 'live');
    const from = Date.now() + 300;
    mock.camera('front-door').leftOut = (captureMs) => captureMs > from && captureMs < from + 1_000;
    await page.waitForTimeout(3_000);
    let times;
    await until(async () => {
      times = await page.locator('.tile video').evaluate(async (video) => {
        const before = video.currentTime;
        await new Promise((done) => setTimeout(done, 500));
        return [before, video.currentTime, video.buffered.length > 0 ? video.buffered.end(video.buffered.length - 1) : Infinity];
      });
      return times[1] > times[0] + 0.3 && times[2] - times[1] < 0.8;
    }, () => `it to go on at the edge: ${times}`);
    await waitForState(page, 'Front door', 'live');
  });

  test('a picture without a time of capture is never live', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 1 });
    mock.camera('front-door').hasPrft = false;
    const page = await openSignedIn(browser, url);
    await waitForState(page, 'Front door', 'behind');
    await tile(page, 'Front door').getByText(en['tile.ageUnknown']).waitFor();
  });

  test('ages follow the server, not the clock of the phone', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 1 });
    mock.world.clockSkewMs = 3_600_000;
    const page = await openSignedIn(browser, url);
    await waitForState(page, 'Front door', 'live');
  });

  test('a right taken away while watching: no picture stays', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 4 });
    const page = await openSignedIn(browser, url, { name: 'Marco' });
    await waitForState(page, 'Front door', 'live');
    await waitForState(page, 'Garden', 'live');
    await counts(page.locator('.tile'), 2, 'two of four');
    mock.cut('marco', 'garden');
    await waitForState(page, 'Garden', 'no-right');
    assert.equal(await tile(page, 'Garden').locator('video, img, canvas').count(), 0, 'it goes with the word');
    await waitForState(page, 'Front door', 'live');
    await tile(page, 'Garden').getByRole('button', { name: en['tile.dismiss'] }).click();
    await counts(page.locator('.tile'), 1, 'the tile to go');
  });

  test('a right taken away is seen from the stream alone, without an event', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 2 });
    const page = await openSignedIn(browser, url, { name: 'Marco' });
    await waitForState(page, 'Garden', 'live');
    mock.tell = () => undefined;
    mock.cut('marco', 'garden');
    await waitForState(page, 'Garden', 'no-right');
    assert.equal(await tile(page, 'Garden').locator('video, img, canvas').count(), 0, 'it goes with the word');
  });

  test('over HTTP/1.1 some tiles play, the rest show dated stills and say why', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 8, isPlain: true });
    const page = await openSignedIn(browser, url, { size: { width: 1440, height: 1300 } });
    await until(async () => {
      const all = await states(page);
      return all.filter((s) => s === 'live').length === 4 && all.filter((s) => s === 'stills').length === 4;
    }, '4 live and 4 stills');
    await until(() => mock.world.streams.size === 4, () => `4 streams, not ${mock.world.streams.size}`);
    const still = page.locator('.tile[data-state=stills]').first();
    const first = await until(async () => /^picture of .*/.exec(await still.locator('.chip').innerText())?.[0], 'a dated still');
    await page.getByText(en['tile.stillsConnections']).waitFor();
    await until(async () => (await still.locator('.chip').innerText()) !== first, 'a newer still');
    const second = await page.context().newPage();
    await second.goto(url);
    await until(async () => (await states(second)).length === 8, 'the second tab to answer');
    await shot(page, 'flow-http1');
  });

  test('the order is mine: by buttons and by dragging, and it stays', { skip: isReal }, async () => {
    const { url } = await serve({ cameras: 4 });
    const page = await openSignedIn(browser, url);
    const names = () => page.locator('.tile-name').allInnerTexts();
    await page.getByRole('button', { name: en['wall.arrange'] }).click();
    await page.getByRole('button', { name: text('wall.earlier', { name: 'Garage' }) }).click();
    await until(async () => (await names()).join() === 'Front door,Garage,Garden,Kitchen', 'it to be earlier');
    const from = await tile(page, 'Kitchen').boundingBox();
    const to = await tile(page, 'Front door').boundingBox();
    await page.mouse.move(from.x + from.width / 2, from.y + 30);
    await page.mouse.down();
    await page.mouse.move(to.x + to.width / 2, to.y + 40, { steps: 8 });
    await page.mouse.up();
    await until(async () => (await names()).join() === 'Kitchen,Front door,Garage,Garden', 'it to be first');
    await page.getByRole('button', { name: en['do.done'] }).click();
    await page.reload();
    await until(async () => (await names()).join() === 'Kitchen,Front door,Garage,Garden', 'it to stay so');
  });

  test('arrow keys walk the wall, Enter opens, Escape comes back', { skip: isReal }, async () => {
    const { url } = await serve({ cameras: 4 });
    const page = await openSignedIn(browser, url);
    await page.locator('.tile').nth(3).waitFor();
    await tabTo(page, '.tile-open');
    const isOn = (name) => hasFocus(tile(page, name).locator('.tile-open'));
    await isOn('Front door');
    for (const [key, name] of [['Right', 'Garden'], ['Down', 'Kitchen'], ['Left', 'Garage'], ['Up', 'Front door'], ['Right', 'Garden']]) {
      await page.keyboard.press(`Arrow${key}`);
      await isOn(name);
    }
    await page.keyboard.press('Enter');
    const arrived = (name) => hasFocus(page.getByRole('heading', { level: 1, name })); // and keys are heard
    await arrived('Garden');
    await page.keyboard.press('ArrowRight');
    await arrived('Garage');
    await page.keyboard.press('Escape');
    await page.getByRole('heading', { level: 1, name: 'Casa Verdi' }).waitFor();
  });
});

describe('one camera', () => {
  test('the main stream, a still to a file, zoom, and nobody else\'s picture', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 2 });
    const page = await openSignedIn(browser, url, { path: '/#/camera/verdi/garden' });
    await page.locator('.stage[data-state=live]').waitFor();
    assert.equal(mock.streamsOf('garden')[0].stream, 'main');
    const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('s')]);
    assert.match(download.suggestedFilename(), /^Garden-\d{4}-.*\.png$/);
    await page.locator('.stage').hover();
    await page.mouse.wheel(0, -600);
    await page.getByRole('button', { name: en['camera.zoomReset'] }).click();
    await until(() => page.locator('.stage .picture').evaluate((e) => e.style.transform === ''), 'the whole picture');
    const old = await page.locator('.stage video').elementHandle();
    await page.keyboard.press('ArrowRight');
    await page.getByRole('heading', { level: 1, name: 'Front door' }).waitFor();
    await until(() => mock.streamsOf('garden').length === 0, 'the other stream to end');
    await until(() => old.evaluate((video) => !video.isConnected && !video.hasAttribute('src')), 'the other picture to be gone');
    await page.keyboard.press('f');
    await until(() => page.evaluate(() => document.fullscreenElement !== null), 'full screen');
    assert.deepEqual(page.faults, []);
  });

  test('who watches is shown, and can be cut', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 2 });
    const marco = await openSignedIn(browser, url, { name: 'Marco' });
    await waitForState(marco, 'Garden', 'live');
    const page = await openSignedIn(browser, url, { path: '/#/camera/verdi/garden' });
    await page.locator('.watching').getByText('Marco').waitFor();
    await page.locator('.watching').getByRole('button', { name: en['cut.do'], exact: true }).click();
    const button = page.getByRole('button', { name: text('do.hold', { what: en['cut.do'] }) });
    await button.click();
    assert.ok(mock.world.homes.get('verdi').rights.get('marco').has('garden'), 'a short press does nothing');
    await hold(page, button);
    await waitForState(marco, 'Garden', 'no-right');
    await page.getByText(en['camera.nobody'], { exact: true }).waitFor(); // its sheet has such words too
  });
});

describe('adding and editing a camera', () => {
  // of cameras without an address, and of speaking: no test of an address ends so
  const brought = ['publisher_lost', 'not_allowed', 'talk_refused', 'no_loudspeaker'];
  const causes = Object.keys(en).filter((key) => /^cause\..*\.what$/.test(key)).map((key) => key.split('.')[1])
    .filter((cause) => !brought.includes(cause));

  test('each failure of the test is named, with what to do', { skip: isReal }, async () => {
    assert.equal(causes.length, 13);
    const { url } = await serve({ cameras: 1 });
    const page = await openSignedIn(browser, url, { path: '/#/add/verdi' });
    for (const cause of causes) {
      await page.getByLabel(en['add.address']).fill(`rtsp://${cause}.test/stream`);
      await page.getByRole('button', { name: en['add.test'] }).click();
      await page.getByRole('alert').getByText(en[`cause.${cause}.what`]).waitFor();
      await page.getByRole('alert').getByText(en[`cause.${cause}.fix`]).waitFor();
    }
    assert.equal(await page.getByLabel(en['add.nameLabel']).count(), 0, 'what fails can\'t be added');
    await page.getByLabel(en['add.address']).fill('rtsp://192.168.1.77/main');
    await page.getByLabel(en['add.sub']).fill('rtsp://no_pictures.test/sub');
    await page.getByRole('button', { name: en['add.test'] }).click();
    await page.getByRole('alert').getByText(en['add.isSub']).waitFor();
    await page.getByRole('alert').getByText(text('add.said', { detail: 'told by the server' })).waitFor();
  });

  test('test, name, add: the camera is on the wall and plays; the password is only sent', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 1 });
    const page = await openSignedIn(browser, url);
    await page.getByRole('link', { name: en['nav.add'] }).click();
    await page.getByRole('button', { name: en['add.test'] }).click();
    await page.getByText(en['field.required']).waitFor();
    await page.getByLabel(en['add.address']).fill('rtsp://192.168.1.77/main');
    await page.getByLabel(en['add.sub']).fill('rtsp://192.168.1.77/sub');
    await page.getByLabel(en['add.user']).fill('admin');
    await page.getByLabel(en['add.password'], { exact: false }).first().fill('camera secret');
    await page.getByRole('button', { name: en['add.test'] }).click();
    await page.getByText(en['add.works'], { exact: true }).waitFor();
    await until(() => page.locator('.probe-still').evaluate((i) => i.complete && i.naturalWidth > 0), 'its picture');
    assert.deepEqual(mock.world.probes[0], { main: 'rtsp://192.168.1.77/main', sub: 'rtsp://192.168.1.77/sub', user: 'admin', password: 'camera secret' });
    await page.getByLabel(en['add.nameLabel']).fill('Letter box');
    await page.keyboard.press('Enter');
    await waitForState(page, 'Letter box', 'live');
  });

  test('a loudspeaker is said when adding, and taken back when editing; what failed is named', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 1 });
    const page = await openSignedIn(browser, url, { path: '/#/add/verdi' });
    await page.getByLabel(en['add.address']).fill('rtsp://192.168.1.77/main');
    await page.getByRole('button', { name: en['add.test'] }).click();
    await page.getByText(en['add.works'], { exact: true }).waitFor();
    await page.getByLabel(en['add.nameLabel']).fill('Gate');
    const tick = page.getByRole('checkbox', { name: en['add.talk'] });
    await isTicked(tick, false); // nobody is asked to listen without being told so
    await tick.check();
    await page.getByRole('button', { name: en['add.do'], exact: true }).click();
    await waitForState(page, 'Gate', 'live');
    assert.equal(mock.camera('gate').talk, true);
    assert.ok(!('talk' in mock.world.probes[0]), 'the test does not ask for it');
    mock.camera('gate').talkCause = 'no_loudspeaker';
    mock.setState('gate', 'live', null);
    await page.goto(`${url}/#/edit/verdi/gate`);
    await page.getByText(en['cause.no_loudspeaker.what']).waitFor();
    await isTicked(tick);
    await tick.uncheck();
    await page.getByRole('button', { name: en['do.save'] }).click();
    await page.locator('.stage').waitFor();
    assert.equal(mock.camera('gate').talk, false);
  });

  test('a refused password is changed from the tile; removing wants a long press', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 2 });
    mock.setState('garden', 'wrong_password', 'wrong_password');
    const page = await openSignedIn(browser, url);
    await tile(page, 'Garden').getByRole('link', { name: en['tile.changePassword'] }).click();
    await page.getByText(en['cause.wrong_password.fix']).waitFor();
    await page.getByRole('button', { name: en['add.test'] }).click();
    await page.getByText(en['add.works'], { exact: true }).waitFor();
    assert.deepEqual(mock.world.probes[0], { camera: 'garden', main: 'rtsp://192.168.1.21/main', sub: 'rtsp://192.168.1.21/sub', user: 'admin' },
      'without a password typed, the kept one is tried');
    await page.getByLabel(en['add.password'], { exact: false }).first().fill('the right one');
    await page.getByRole('button', { name: en['do.save'] }).click();
    await page.locator('.stage[data-state=live]').waitFor();
    assert.equal(mock.camera('garden').password, 'the right one');
    await page.getByRole('link', { name: en['camera.edit'] }).click();
    await page.getByRole('button', { name: en['edit.remove'] }).click();
    await hold(page, page.getByRole('button', { name: text('do.hold', { what: en['edit.removeDo'] }) }));
    await page.getByRole('heading', { level: 1, name: 'Casa Verdi' }).waitFor();
    await counts(page.locator('.tile'), 1);
  });
});

describe('events and answers', () => {
  test('an event that overtakes an answer is not undone by it', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 2 });
    mock.world.overtake = (camera) => mock.setState(camera.id, 'wrong_password', 'wrong_password');
    const page = await openSignedIn(browser, url, { path: '/#/edit/verdi/garden' });
    await page.getByLabel(en['add.password'], { exact: false }).first().fill('out of date');
    await page.getByRole('button', { name: en['do.save'] }).click();
    mock.endStreams('garden');
    await page.locator('.stage[data-state=wrong-password]').waitFor();
  });
});

describe('people and settings', () => {
  test('add a person, let them see a camera, take it away, remove them', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 2 });
    const page = await openSignedIn(browser, url, { path: '/#/people/verdi' });
    await page.getByRole('button', { name: en['people.add'] }).click();
    await page.getByLabel(en['people.name'], { exact: true }).fill('Lia');
    await page.getByRole('button', { name: en['people.make'] }).click();
    await until(async () => await page.getByLabel(en['people.firstPassword']).first().getAttribute('type') === 'text'
      && await page.getByLabel(en['people.firstPassword']).first().inputValue() !== '', 'a password to be read and told');
    await page.getByRole('radio', { name: en['role.guest'] }).check({ force: true });
    await page.getByRole('button', { name: en['people.addDo'], exact: true }).click();
    const right = page.getByRole('switch', { name: text('people.may', { person: 'Lia', camera: 'Garden' }) });
    await right.click();
    await until(async () => (await right.getAttribute('aria-checked')) === 'true', 'the right');
    const account = [...mock.world.accounts.values()].find((one) => one.name === 'Lia');
    assert.match(account.password, /^(\w{4}-){3}\w{4}$/);
    assert.ok(mock.world.homes.get('verdi').rights.get(account.id).has('garden'));
    const hears = page.getByRole('switch', { name: text('people.mayHear', { person: 'Lia', camera: 'Garden' }) });
    const rights = () => mock.world.homes.get('verdi').rights.get(account.id)?.get('garden');
    await hears.click();
    await until(async () => (await hears.getAttribute('aria-checked')) === 'true', 'the right to hear');
    assert.deepEqual(rights(), ['view', 'listen']);
    await hears.click();
    await page.getByText(text('mute.picture', { person: 'Lia', camera: 'Garden' })).waitFor();
    await hold(page, page.getByRole('button', { name: text('do.hold', { what: en['cut.do'] }) }));
    await until(async () => (await hears.getAttribute('aria-checked')) === 'false', 'the end of hearing');
    assert.deepEqual(rights(), ['view']);
    await right.click();
    await page.getByText(en['cut.now']).waitFor();
    await hold(page, page.getByRole('button', { name: text('do.hold', { what: en['cut.do'] }) }));
    await until(async () => (await right.getAttribute('aria-checked')) === 'false', 'the cut');
    await until(() => hears.isDisabled(), 'who may not see not to hear');
    await page.getByRole('button', { name: text('people.change', { name: 'Lia' }) }).click();
    await page.getByRole('button', { name: en['people.remove'] }).click();
    await hold(page, page.getByRole('button', { name: text('do.hold', { what: en['people.removeDo'] }) }));
    await counts(page.getByText('Lia'), 0, 'Lia to be gone');
    await page.getByRole('button', { name: text('people.change', { name: 'Anna' }) }).click();
    await page.getByRole('radio', { name: en['role.guest'] }).click({ force: true });
    await page.getByText(en['people.lastOwner']).waitFor();
  });

  test('speaking is a right of its own, where there is a loudspeaker', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 2 });
    mock.camera('front-door').talk = true;
    const page = await openSignedIn(browser, url, { path: '/#/people/verdi' });
    const of = (camera) => page.getByRole('switch', { name: text('people.maySpeak', { person: 'Marco', camera }) });
    const rights = () => mock.world.homes.get('verdi').rights.get('marco').get('front-door');
    await of('Front door').click();
    await until(async () => (await of('Front door').getAttribute('aria-checked')) === 'true', 'the right to speak');
    assert.deepEqual(rights(), ['view', 'talk']);
    assert.equal(await of('Garden').count(), 0, 'a camera that takes no talk has no such right');
    await of('Front door').click();
    await page.getByText(en['hush.now']).waitFor();
    await hold(page, page.getByRole('button', { name: text('do.hold', { what: en['cut.do'] }) }));
    await until(async () => (await of('Front door').getAttribute('aria-checked')) === 'false', 'the end of speaking');
    assert.deepEqual(rights(), ['view']);
  });

  test('two rights given one right after the other are both given', { skip: isReal }, async () => {
    const { url, mock } = await serve({ cameras: 2 });
    mock.camera('front-door').talk = true;
    const page = await openSignedIn(browser, url, { path: '/#/people/verdi' });
    const of = (key) => page.getByRole('switch', { name: text(key, { person: 'Marco', camera: 'Front door' }) });
    await of('people.maySpeak').waitFor();
    await page.route(/\/people\?/, late);
    for (const key of ['people.mayHear', 'people.maySpeak']) {
      const given = page.waitForResponse((response) => response.request().method() === 'PUT');
      await of(key).click();
      await given;
    }
    assert.deepEqual([...mock.world.homes.get('verdi').rights.get('marco').get('front-door')].sort(), ['listen', 'talk', 'view']);
  });

  test('language and theme change at once and are remembered; nothing else is stored', async () => {
    const { url } = await serve();
    const page = await openSignedIn(browser, url, { path: '/#/settings' });
    await page.getByRole('radio', { name: 'Italiano' }).check({ force: true });
    await page.getByRole('heading', { level: 1, name: 'Impostazioni' }).waitFor();
    await page.getByRole('radio', { name: 'Scuro' }).check({ force: true });
    await until(() => page.evaluate(() => localStorage.getItem('theme') !== null), 'the theme to be kept');
    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'Impostazioni' }).waitFor();
    await until(() => page.evaluate(() => document.documentElement.lang === 'it'), 'Italian');
    await until(() => page.evaluate(() => getComputedStyle(document.body).backgroundColor === 'rgb(17, 19, 23)'), 'the dark');
    assert.deepEqual(await page.evaluate(() => Object.keys(localStorage).sort()), ['language', 'theme']);
  });

  test('a password is changed only with the old one', { skip: isReal }, async () => {
    const { url } = await serve();
    const page = await openSignedIn(browser, url, { path: '/#/settings' });
    await page.getByRole('button', { name: en['settings.password'] }).click();
    await page.getByLabel(en['settings.oldPassword'], { exact: true }).fill('wrong');
    await page.getByLabel(en['settings.newPassword'], { exact: true }).fill('another long sentence');
    await page.keyboard.press('Enter');
    await page.getByText(en['settings.passwordWrong']).waitFor();
    await page.getByLabel(en['settings.oldPassword'], { exact: true }).fill('a long sentence');
    await page.keyboard.press('Enter');
    await page.getByText(en['settings.passwordDone']).waitFor();
  });

  test('the keyboard reaches everything and the sheet keeps and returns the focus', { skip: isReal }, async () => {
    const { url } = await serve({ cameras: 2 });
    const page = await openSignedIn(browser, url, { path: '/#/people/verdi' });
    await page.getByText('Marco').first().waitFor();
    await tabTo(page, '.page-tools button.button');
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none');
    await page.keyboard.press('Enter');
    await page.locator('dialog[open]').waitFor();
    for (let n = 0; n < 12; n++) {
      await page.keyboard.press('Tab');
      assert.ok(await page.evaluate(() => document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))), 'the focus stays in the sheet');
    }
    await page.keyboard.press('Escape');
    await page.locator('dialog[open]').waitFor({ state: 'detached' });
    await hasFocus(page.locator('.page-tools button.button')); // it returns
    await noOverflow(page, 'people');
  });
});
