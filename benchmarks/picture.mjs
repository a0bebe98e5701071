/*
 * What a person sees, measured in Chromium through the app's own players (web/src/player): the time
 * from fetch, or from the POST of the offer, to the first requestVideoFrameCallback, and the age of
 * the pictures on screen (by their capture time against this machine's clock, which is also the
 * server's and the cameras').
 *
 *   picture.mjs URL COOKIE STARTS AGE_SECONDS [whep]   →  {"first_ms": […], "ages_ms": […]}
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WEB = join(dirname(fileURLToPath(import.meta.url)), '..', 'web');
const required = createRequire(join(WEB, 'package.json'));
const { chromium } = required('playwright-core');
const { build } = required('esbuild');

const [url, cookie, starts, ageSeconds, way = 'mp4'] = process.argv.slice(2);

const player = await build({
  stdin: {
    contents: `import { Run, mediaSourceClass } from './player/run';
      import { WhepRun } from './player/whep';
      globalThis.player = { Run, WhepRun, mediaSourceClass };`,
    resolveDir: join(WEB, 'src'),
    loader: 'ts',
  },
  bundle: true, format: 'iife', target: 'es2022', write: false,
});

/* In the page. One run of `camera` that lasts `lastMs` after its first picture. */
async function watch({ camera, lastMs, way }) {
  const { Run, WhepRun, mediaSourceClass } = globalThis.player;
  const wallMs = Date.now() - performance.now();
  const seen = { firstMs: null, ages: [] };
  let began = 0;
  let run;
  const ended = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`no picture of ${camera} within 8 s`)), 8000 + lastMs);
    const events = {
      onFrame: (shown) => {
        if (seen.firstMs === null) {
          seen.firstMs = performance.now() - began;
          setTimeout(resolve, lastMs);
        }
        if (shown.captureMs !== null) {
          seen.ages.push({ afterMs: performance.now() - began, ageMs: wallMs + shown.displayedAt - shown.captureMs });
        }
      },
      onEnd: (end) => reject(new Error(JSON.stringify(end))),
    };
    const at = `/api/v1/cameras/${camera}`;
    run = way === 'whep' ? new WhepRun(`${at}/whep?stream=main`, events)
      : new Run(`${at}/live.mp4?stream=main`, mediaSourceClass(), events);
  });
  document.body.append(run.video);
  began = performance.now();
  run.start();
  try {
    await ended;
  } finally {
    run.stop();
    run.video.remove();
  }
  return seen;
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage'],
});
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, bypassCSP: true, viewport: { width: 1280, height: 720 } });
  const [name, ...value] = cookie.split('=');
  await context.addCookies([{ name, value: value.join('='), url, secure: true, httpOnly: true, sameSite: 'Strict' }]);
  const page = await context.newPage();
  await page.goto(`${url}/healthz`);
  await page.evaluate(player.outputFiles[0].text);
  await page.evaluate(watch, { camera: 'cam50', lastMs: 500, way }); // Chromium starts its decoder
  const first = [];
  for (let n = 0; n < Number(starts); n++) {
    first.push((await page.evaluate(watch, { camera: `cam${(n % 49) + 1}`, lastMs: 50, way })).firstMs);
    await page.waitForTimeout(40 + ((n * 137) % 200)); // another place of the group of pictures each time
  }
  const { ages } = await page.evaluate(watch, { camera: 'cam1', lastMs: Number(ageSeconds) * 1000 + 2000, way });
  const settled = ages.filter(({ afterMs }) => afterMs > 2000).map(({ ageMs }) => ageMs);
  console.log(JSON.stringify({ first_ms: first, ages_ms: settled }));
} finally {
  await browser.close();
}
