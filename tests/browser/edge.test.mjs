/* casement-test: quick
 * Where the player stays behind the newest picture, on virtual time: no browser, no clock.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { WEB } from './helper.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'casement-edge-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const FRAME_S = 0.05;
const TICK_S = 0.01;

/* The same numbers each time, evenly between 0 and 1. */
function dice(seed) {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

describe('the edge', () => {
  let Edge;
  before(async () => {
    const out = join(scratch, 'edge.mjs');
    await createRequire(join(WEB, 'package.json'))('esbuild').build({ entryPoints: [join(WEB, 'src/player/edge.ts')], outfile: out, format: 'esm', logLevel: 'error' });
    ({ Edge } = await import(pathToFileURL(out)));
  });

  /*
   * A camera of 20 pictures a second, whose picture n comes `delayOf(n * FRAME_S)` after it was
   * taken (in order), and a player that shows what has come, `decodeOf(now)` false: not now.
   */
  function play({ seconds, delayOf = () => 0, decodeOf = () => true, drift = 0 }) {
    const edge = new Edge();
    const seen = { ages: [], gaps: [], seeks: 0, edge };
    let [played, newest, next, shown, shownAt, rate, isSeeking] = [-0.05, -Infinity, 0, null, 0, 1, false];
    let due = delayOf(0);
    for (let tick = 0; tick * TICK_S < seconds; tick++) {
      const now = tick * TICK_S;
      while (due <= now) {
        newest = next++ * FRAME_S * (1 - drift);
        edge.arrived(now, newest);
        due = Math.max(due, next * FRAME_S + delayOf(next * FRAME_S));
      }
      if (tick % 10 === 0 && !isSeeking) {
        const course = edge.judge(now, played);
        if (course.mustSeek) {
          played = newest - edge.slackS;
          isSeeking = true;
          seen.seeks++;
        }
        rate = course.rate;
      }
      if (!decodeOf(now)) continue;
      isSeeking = false;
      played = Math.min(played + TICK_S * rate, newest + FRAME_S);
      const picture = Math.floor(Math.min(played, newest) / FRAME_S / (1 - drift) + 1e-6);
      if (picture < 0 || picture === shown) continue;
      if (shown !== null) seen.gaps.push({ now, gap: now - shownAt });
      [shown, shownAt] = [picture, now];
      edge.shown(now, FRAME_S);
      seen.ages.push({ now, age: now - picture * FRAME_S });
    }
    return seen;
  }

  const between = (list, from, to) => list.filter(({ now }) => now >= from && now < to);
  const worst = (list) => Math.max(...list.map(({ age, gap }) => age ?? gap));
  const middle = (list) => list.map(({ age }) => age).sort((a, b) => a - b)[list.length >> 1];

  test('pictures on time are shown within a tenth of a second, at their own pace', () => {
    const { ages, gaps, edge } = play({ seconds: 30 });
    assert.ok(worst(between(ages, 3, 30)) <= 0.1);
    assert.ok(worst(between(gaps, 3, 30)) <= FRAME_S + 2 * TICK_S);
    assert.ok(edge.slackS < 0.05);
  });

  test('jitter of 120 ms is covered: no gap is seen, and the age stays small', () => {
    const random = dice(1);
    const { ages, gaps } = play({ seconds: 60, delayOf: () => random() * 0.12 });
    assert.ok(worst(between(gaps, 5, 60)) < 0.1, `${worst(between(gaps, 5, 60))}`);
    assert.ok(middle(between(ages, 5, 60)) < 0.25, `${middle(between(ages, 5, 60))}`);
  });

  test('a hiccup of 600 ms costs age for a few seconds, then none', () => {
    const { ages, seeks } = play({ seconds: 40, delayOf: (t) => (t >= 10 && t < 10.6 ? 10.6 - t : 0) });
    assert.ok(worst(between(ages, 10, 12)) > 0.3);
    assert.ok(worst(between(ages, 18, 40)) <= 0.12, `${worst(between(ages, 18, 40))}`);
    assert.equal(seeks, 0, 'it hurries, it does not jump');
  });

  test('hiccups again and again: most are covered, the rest stay short', () => {
    const { ages, gaps } = play({ seconds: 60, delayOf: (t) => (t % 1 < 0.2 ? 0.2 - (t % 1) : 0) });
    assert.ok(between(gaps, 8, 60).filter(({ gap }) => gap > 0.15).length <= 5);
    assert.ok(middle(between(ages, 8, 60)) < 0.35);
  });

  test('a decoder that was late for ten seconds is forgiven within ten', () => {
    const { ages, edge } = play({ seconds: 40, decodeOf: (t) => t < 5 || t > 15 || t % 0.5 > 0.25 });
    assert.ok(worst(between(ages, 26, 40)) <= 0.13, `${worst(between(ages, 26, 40))}`);
    assert.ok(edge.slackS < 0.06);
  });

  test('a starved player jumps when it is far behind, once', () => {
    const { ages, seeks } = play({ seconds: 20, decodeOf: (t) => t < 5 || t > 8 });
    assert.equal(seeks, 1);
    assert.ok(worst(between(ages, 12, 20)) <= 0.15);
  });

  test('a stream that stops is left alone, and hurried after when it goes on', () => {
    const { ages, gaps, seeks } = play({ seconds: 30, delayOf: (t) => (t >= 5 && t < 12 ? 12 - t : 0) });
    assert.equal(gaps.filter(({ now }) => now > 5.2 && now < 12).length, 0, 'nothing moves while nothing comes');
    assert.equal(seeks, 1, 'seven seconds are jumped over once they are there');
    assert.ok(worst(between(ages, 18, 30)) <= 0.15);
  });

  test('a longer way is followed, and a shorter one again', () => {
    const { ages } = play({ seconds: 60, delayOf: (t) => (t > 10 && t < 35 ? 0.2 : 0) });
    assert.ok(worst(between(ages, 25, 34)) <= 0.32, `${worst(between(ages, 25, 34))}`);
    assert.ok(worst(between(ages, 50, 60)) <= 0.12, `${worst(between(ages, 50, 60))}`);
  });

  test('a camera whose clock is a thousandth slow or fast is followed for an hour', () => {
    for (const drift of [0.001, -0.001]) {
      const { ages, gaps } = play({ seconds: 3_600, drift });
      assert.ok(worst(between(ages, 3_000, 3_600)) <= 0.16, `${drift}: ${worst(between(ages, 3_000, 3_600))}`);
      assert.ok(worst(between(gaps, 3_000, 3_600)) <= 0.12, `${drift}: ${worst(between(gaps, 3_000, 3_600))}`);
    }
  });

  test('before the first picture it decides nothing', () => {
    assert.deepEqual(new Edge().judge(5, 0), { rate: 1, mustSeek: false });
  });
});
