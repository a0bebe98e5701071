/*
 * Builds web/dist: index.html, one script, one style sheet, a script per language, icon, manifest.
 * Fails when a catalogue is incomplete or the first load is above its budget.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const HERE = dirname(fileURLToPath(import.meta.url));
const DIST = join(HERE, 'dist');
const ASSETS = join(DIST, 'assets');
const FIRST_LOAD_BYTES = 90 * 1024;
const LANGUAGES = ['en', 'hi', 'it'];

export const ESBUILD = {
  bundle: true,
  format: 'esm',
  target: ['es2022', 'safari16'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  minify: true,
  charset: 'utf8',
  legalComments: 'none',
  absWorkingDir: HERE,
  nodePaths: [join(HERE, 'node_modules')],
};

const read = (path) => readFileSync(join(HERE, path), 'utf8');

/* text, or forms: of a number (one, other) or of a time of day and a day (clock, day). */
const kindOf = (message) => (typeof message === 'string' ? 'text' : 'clock' in message ? 'time' : 'plural');

function namesIn(message) {
  const texts = typeof message === 'string' ? [message] : Object.values(message);
  return [...new Set(texts.flatMap((text) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1])))].sort();
}

/* Every key that stands in the sources, whole or as the fixed start of a template. */
function keysUsed(folder) {
  const text = readdirSync(join(HERE, folder), { recursive: true, withFileTypes: false })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => read(join(folder, name)))
    .join('\n');
  return (key) => {
    if (text.includes(`'${key}'`)) return true;
    for (let at = key.lastIndexOf('.'); at > 0; at = key.lastIndexOf('.', at - 1))
      if (text.includes(`\`${key.slice(0, at + 1)}\${`)) return true;
    return false;
  };
}

/* What is wrong with the catalogues, a line each. */
export function catalogueFaults(catalogues, isUsed) {
  const faults = [];
  const { en } = catalogues;
  for (const key of Object.keys(en)) if (!isUsed(key)) faults.push(`en.json: ${key} is used nowhere`);
  for (const [language, catalogue] of Object.entries(catalogues)) {
    for (const key of Object.keys(en)) if (!(key in catalogue)) faults.push(`${language}.json: ${key} is missing`);
    for (const [key, message] of Object.entries(catalogue)) {
      if (!(key in en)) {
        faults.push(`${language}.json: ${key} is not in en.json`);
        continue;
      }
      const kind = kindOf(message);
      if ((kind === 'plural') !== (kindOf(en[key]) === 'plural')) faults.push(`${language}.json: ${key} differs in plural forms`);
      else if (kind === 'plural' && !('other' in message && 'one' in message)) faults.push(`${language}.json: ${key} lacks "one" or "other"`);
      else if (kind === 'time' && !('day' in message && namesIn(message).includes('time'))) faults.push(`${language}.json: ${key} lacks "day" or {time}`);
      if (namesIn(message).join() !== namesIn(en[key]).join()) faults.push(`${language}.json: ${key} has other {names} than English`);
      if (namesIn(message).length === 0 && message === '') faults.push(`${language}.json: ${key} is empty`);
    }
  }
  return faults;
}

function checkCatalogues() {
  const catalogues = Object.fromEntries(LANGUAGES.map((l) => [l, JSON.parse(read(`src/i18n/${l}.json`))]));
  const faults = catalogueFaults(catalogues, keysUsed('src'));
  if (faults.length > 0) throw new Error(`message catalogues:\n  ${faults.join('\n  ')}`);
}

function writeHashed(name, text) {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8).toUpperCase();
  const [stem, extension] = name.split('.');
  const file = `${stem}.${hash}.${extension}`;
  writeFileSync(join(ASSETS, file), text);
  return `/assets/${file}`;
}

async function bundle() {
  const result = await build({
    ...ESBUILD,
    entryPoints: { app: 'src/main.tsx' },
    splitting: true,
    outdir: 'dist/assets',
    entryNames: '[name].[hash]',
    chunkNames: '[name].[hash]',
    metafile: true,
    logLevel: 'warning',
  });
  const outputs = Object.entries(result.metafile.outputs);
  const [script, entry] = outputs.find(([, output]) => output.entryPoint === 'src/main.tsx');
  const eager = entry.imports.filter((i) => i.kind === 'import-statement').map((i) => basename(i.path));
  return { script: basename(script), style: basename(entry.cssBundle), eager };
}

function checkBudget(files) {
  const sizes = files.map((file) => [file, gzipSync(readFileSync(join(DIST, file)), { level: 9 }).byteLength]);
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  for (const [file, size] of sizes) console.log(`${String(size).padStart(7)}  ${file}`);
  console.log(`${String(total).padStart(7)}  first load, of ${FIRST_LOAD_BYTES} allowed`);
  if (total > FIRST_LOAD_BYTES) throw new Error('the first load is above its budget');
}

async function main() {
  checkCatalogues();
  rmSync(DIST, { recursive: true, force: true });
  mkdirSync(ASSETS, { recursive: true });
  const { script, style, eager } = await bundle();
  const icon = writeHashed('icon.svg', read('src/icon.svg'));
  const manifest = writeHashed('manifest.webmanifest', read('src/manifest.webmanifest').replaceAll('ICON', icon));
  const html = read('src/index.html')
    .replaceAll('ICON', icon).replaceAll('MANIFEST', manifest)
    .replaceAll('SCRIPT', `/assets/${script}`).replaceAll('STYLE', `/assets/${style}`)
    .replaceAll('PRELOADS', eager.map((file) => `<link rel="modulepreload" href="/assets/${file}">`).join('\n'));
  writeFileSync(join(DIST, 'index.html'), html);
  const languages = readdirSync(ASSETS).filter((file) => /^(hi|it)\./.test(file));
  const largest = languages.sort((a, b) => readFileSync(join(ASSETS, b)).length - readFileSync(join(ASSETS, a)).length)[0];
  const assets = [script, style, ...eager, largest, basename(icon), basename(manifest)].map((file) => `assets/${file}`);
  checkBudget(['index.html', ...assets]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
