/* QR codes of the app, read by a program that is not ours (libzbar). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isReal, WEB } from './helper.mjs';

const READER = fileURLToPath(new URL('_qr.py', import.meta.url));

describe('QR codes', { skip: isReal }, () => {
  let qr;
  const scratch = mkdtempSync(join(tmpdir(), 'casement-qr-'));

  before(async () => {
    const esbuild = createRequire(join(WEB, 'package.json'))('esbuild');
    const outfile = join(scratch, 'qr.mjs');
    esbuild.buildSync({ entryPoints: [join(WEB, 'src', 'ui', 'qr.ts')], outfile, format: 'esm' });
    qr = await import(pathToFileURL(outfile));
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  const lines = (square) => square.map((row) => row.map(Number).join(''));
  const read = (squares) => JSON.parse(execFileSync('/usr/bin/python3', [READER], { input: JSON.stringify(squares) }));

  test('texts of every size of square come back whole', () => {
    const counts = [1, 14, 15, 26, 27, 42, 43, 62, 63, 84, 85, 93, 106, 107, 122, 123, 152, 153, 180, 181, 213]; // most and least of each
    const letters = 'https://casement.example:8443/#join=cmi_0123456789-ABCDEFabcdef_';
    const texts = counts.map((count) => Array.from({ length: count }, (_, i) => letters[(i * 7 + count) % letters.length]).join(''));
    const squares = texts.map((text) => lines(qr.qrOf(text)));
    assert.deepEqual([...new Set(squares.map((square) => (square.length - 17) / 4))], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.deepEqual(read(squares), texts);
  });

  test('a text that is too long is none', () => assert.equal(qr.qrOf('x'.repeat(214)), null));

  test('the reader is no believer: a square with a third of it wrong says nothing', () => {
    const square = lines(qr.qrOf('https://casement.example/#join=cmi_0')).map((row, r) => (r % 3 ? row : row.replace(/[01]/g, (bit) => 1 - bit)));
    assert.deepEqual(read([square]), [null]);
  });
});
