/* What is built: its size, its catalogues, its C source; and the splitter of the player on bytes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { catalogue, DIST, en, needsApp, ROOT, SCRATCH, WEB } from './helper.mjs';
import { FPS, frameAt, loadMedia } from './media.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'casement-web-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

describe('the built app', () => {
  before(needsApp);

  const sizeOf = (name) => gzipSync(readFileSync(join(DIST, name)), { level: 9 }).length;
  const first = () => ['index.html', ...[...readFileSync(join(DIST, 'index.html'), 'utf8').matchAll(/"\/(assets\/[^"]+)"/g)].map((found) => found[1])];
  const scripts = () => readdirSync(join(DIST, 'assets')).filter((name) => name.endsWith('.js'));
  const isLanguage = (name) => /^(en|hi|it)\./.test(name);

  test('the first load is at most 76 KB with any language, and holds the words of none', () => {
    assert.ok(!first().some((name) => isLanguage(name.slice('assets/'.length))));
    const sizes = first().map(sizeOf).reduce((a, b) => a + b);
    for (const name of scripts().filter(isLanguage)) assert.ok(sizes + sizeOf(join('assets', name)) <= 76 * 1024, name);
  });

  test('what comes later is small, and has its hash in its name', () => {
    const later = scripts().filter((name) => !isLanguage(name) && !first().includes(`assets/${name}`));
    assert.ok(later.length >= 10);
    for (const name of later) assert.ok(sizeOf(join('assets', name)) <= 12 * 1024, name);
    for (const name of readdirSync(join(DIST, 'assets'))) assert.match(name, /^[\w-]+\.[0-9A-Z]{8}\.\w+$/);
  });

  test('nothing inline, nothing of others, no handle for tests', () => {
    const html = readFileSync(join(DIST, 'index.html'), 'utf8');
    assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/);
    const all = readdirSync(join(DIST, 'assets')).map((name) => readFileSync(join(DIST, 'assets', name), 'utf8')).join('\n') + html;
    const addresses = [...all.matchAll(/https?:\/\/[\w.-]+/g)].map((m) => m[0]).filter((a) => !a.startsWith('http://www.w3.org'));
    assert.deepEqual([...new Set(addresses)], []);
    assert.doesNotMatch(all, /__casement(?!=)|gallery/);
  });

  test('the lock file names no registry', () => {
    assert.doesNotMatch(readFileSync(join(WEB, 'package-lock.json'), 'utf8'), /resolved|https?:\/\/(?!opencollective|github|dequeuniversity|tidelift|paypal|www\.patreon)/);
  });

  test('a catalogue that lacks a key, or has one too many, fails the build', async () => {
    const { catalogueFaults } = await import(pathToFileURL(join(WEB, 'build.mjs')));
    const whole = { en, hi: catalogue('hi'), it: catalogue('it') };
    assert.deepEqual(catalogueFaults(whole, () => true), []);
    const { 'nav.home': _, ...lacking } = whole.hi;
    assert.deepEqual(catalogueFaults({ ...whole, hi: lacking }, () => true), ['hi.json: nav.home is missing']);
    assert.deepEqual(catalogueFaults({ ...whole, it: { ...whole.it, odd: 'x' } }, () => true), ['it.json: odd is not in en.json']);
    assert.match(catalogueFaults({ ...whole, it: { ...whole.it, 'wall.open': 'Apri' } }, () => true)[0], /other \{names\}/);
    assert.match(catalogueFaults(whole, (key) => key !== 'nav.home')[0], /nav\.home is used nowhere/);
    const undated = { ...whole.it, 'tile.unreachable': { clock: 'Non raggiungibile dalle {time}' } };
    assert.match(catalogueFaults({ ...whole, it: undated }, () => true)[0], /lacks "day"/);
  });

  test('every cause of docs/api.md has a sentence and a remedy', () => {
    const line = readFileSync(join(ROOT, 'docs', 'api.md'), 'utf8').split('\n').find((l) => l.startsWith('CAUSE'));
    const causes = [...line.matchAll(/`([a-z_]+)`/g)].map((m) => m[1]).filter((c) => !['failure', 'detail'].includes(c));
    assert.ok(causes.length >= 13);
    for (const cause of causes) for (const part of ['what', 'fix']) assert.ok(en[`cause.${cause}.${part}`], `${cause} ${part}`);
  });

  test('the C source compiles with both compilers and holds the very files', () => {
    mkdirSync(join(scratch, 'api'));
    mkdirSync(join(scratch, 'base'));
    writeFileSync(join(scratch, 'base', 'slice.h'), '#pragma once\n#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\ntypedef struct cm_slice { const uint8_t *bytes; size_t size; } cm_slice;\n');
    writeFileSync(join(scratch, 'api', 'assets.h'), '#pragma once\n#include "base/slice.h"\ntypedef struct cm_asset { const char *path; const char *content_type; const char *etag; cm_slice gzip; bool is_immutable; } cm_asset;\nextern const cm_asset CM_ASSETS[];\nextern const size_t CM_ASSET_COUNT;\n');
    writeFileSync(join(scratch, 'main.c'), '#include "api/assets.h"\n#include <stdio.h>\nint main(void) { for (size_t i = 0; i < CM_ASSET_COUNT; i++) { printf("%s %zu %d\\n", CM_ASSETS[i].path, CM_ASSETS[i].gzip.size, CM_ASSETS[i].is_immutable); } fwrite(CM_ASSETS[0].gzip.bytes, 1, CM_ASSETS[0].gzip.size, stderr); }\n');
    const out = join(scratch, 'assets.c');
    execFileSync(process.execPath, [join(WEB, 'embed.mjs'), DIST, out]);
    for (const compiler of ['gcc', 'clang']) {
      execFileSync(compiler, ['-std=c2x', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-I', scratch, out, join(scratch, 'main.c'), '-o', join(scratch, compiler)]);
      const page = join(scratch, 'page.gz');
      const rows = execFileSync('sh', ['-c', `"${join(scratch, compiler)}" 2>"${page}"`]).toString().trim().split('\n').map((row) => row.split(' '));
      assert.equal(rows.length, 1 + readdirSync(join(DIST, 'assets')).length);
      assert.equal(rows[0][0], '/');
      assert.equal(rows[0][2], '0');
      assert.ok(rows.slice(1).every(([path, size, immutable]) => path.startsWith('/assets/') && Number(size) > 20 && immutable === '1'));
      assert.equal(gunzipSync(readFileSync(page)).toString(), readFileSync(join(DIST, 'index.html'), 'utf8'));
    }
    const again = join(scratch, 'again.c');
    execFileSync(process.execPath, [join(WEB, 'embed.mjs'), DIST, again]);
    assert.ok(readFileSync(out).equals(readFileSync(again)), 'the same source each time');
  });
});

describe('the splitter', () => {
  let Mp4Splitter;
  let BoxError;
  let media;
  const captureOf = (index) => 1_700_000_000_000 + (index * 1000) / FPS;

  before(async () => {
    const out = join(scratch, 'boxes.mjs');
    await createRequire(join(WEB, 'package.json'))('esbuild').build({ entryPoints: [join(WEB, 'src/player/boxes.ts')], outfile: out, format: 'esm', logLevel: 'error' });
    ({ Mp4Splitter, BoxError } = await import(pathToFileURL(out)));
    media = loadMedia(join(SCRATCH, 'media'))[0].sub;
  });

  const stream = () => Buffer.concat([media.init, ...Array.from({ length: 80 }, (_, n) => frameAt(media, n, captureOf(n)))]);

  test('cut anywhere, it finds the same segments', () => {
    const whole = stream();
    for (const size of [1, 7, 100, 1_000, whole.length]) {
      const splitter = new Mp4Splitter();
      const found = [];
      for (let at = 0; at < whole.length; at += size) found.push(...splitter.push(new Uint8Array(whole.subarray(at, at + size))));
      assert.equal(found.length, 81);
      assert.deepEqual([found[0].kind, found[0].timescale, found[0].width, found[0].height], ['init', 90_000, 640, 360]);
      assert.match(found[0].codec, /^avc1\.42[0-9A-F]{4}$/);
      found.slice(1).forEach((fragment, n) => {
        assert.ok(Math.abs(fragment.mediaTime - n / FPS) < 1e-9);
        assert.ok(Math.abs(fragment.captureMs - captureOf(n)) < 0.01);
        assert.equal(fragment.isKey, n % 40 === 0, `picture ${n}`);
      });
    }
  });

  test('a picture without prft has no time of capture, nor its neighbour\'s', () => {
    const splitter = new Mp4Splitter();
    const found = splitter.push(new Uint8Array(Buffer.concat([media.init, frameAt(media, 0, captureOf(0)), frameAt(media, 1, 0, { hasPrft: false })])));
    assert.equal(found[2].captureMs, null);
  });

  test('nonsense ends it with a BoxError, never with a hang', () => {
    const bad = (bytes) => assert.throws(() => new Mp4Splitter().push(new Uint8Array(bytes)), (error) => error instanceof BoxError || error instanceof RangeError);
    bad([0, 0, 0, 4, 0x6d, 0x6f, 0x6f, 0x76]);
    bad([0x7f, 0xff, 0xff, 0xff, 0x6d, 0x6f, 0x6f, 0x76]);
    bad(frameAt(media, 0, 0));
    const whole = stream().subarray(0, media.init.length + 4_000);
    for (let n = 0; n < 2_000; n++) {
      const broken = Buffer.from(whole);
      for (let flips = 0; flips < 4; flips++) broken[(n * 7_919 + flips * 104_729) % media.init.length] ^= 1 << (n + flips) % 8;
      try {
        new Mp4Splitter().push(new Uint8Array(broken));
      } catch (error) {
        assert.ok(error instanceof BoxError || error instanceof RangeError, String(error));
      }
    }
  });
});
