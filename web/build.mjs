/*
 * Builds web/dist: index.html, the scripts of the first load, one for each language and each page that
 * is fetched when it is wanted, one style sheet, icon, manifest. Fails when a catalogue is incomplete,
 * or the first load or a page is above its budget.
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
const FIRST_LOAD_BYTES = 76 * 1024; // gzipped, with the largest language: what was reached and some room, below app.md's 90 KB
const PAGE_BYTES = 12 * 1024; // what comes with one page beyond the first load
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
  plugins: [{
    name: 'words', // a catalogue as one value: esbuild would export each message by its name as well
    setup(build) {
      build.onLoad({ filter: /i18n[\\/]\w+\.json$/ }, ({ path }) => ({ contents: `export default ${readFileSync(path, 'utf8')}`, loader: 'js' }));
    },
  }],
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

/* The output made of a source, and what it imports at once and, in turn, they do. */
function closureOf(outputs, source) {
  const [path] = Object.entries(outputs).find(([, output]) => output.entryPoint === source);
  const found = new Set([path]);
  for (const one of found)
    for (const { path: next, kind } of outputs[one].imports) if (kind === 'import-statement') found.add(next);
  return [...found];
}

async function bundle() {
  const { metafile: { outputs } } = await build({
    ...ESBUILD,
    entryPoints: { app: 'src/main.ts' },
    splitting: true,
    outdir: 'dist/assets',
    entryNames: '[name].[hash]',
    chunkNames: '[name].[hash]',
    metafile: true,
    logLevel: 'warning',
  });
  const first = [...new Set([...closureOf(outputs, 'src/main.ts'), ...closureOf(outputs, 'src/app.tsx')])];
  const sources = Object.values(outputs).map((output) => output.entryPoint).filter(Boolean);
  const pages = sources.filter((source) => source.startsWith('src/pages/'))
    .map((source) => ({ source, files: closureOf(outputs, source).filter((file) => !first.includes(file)) }));
  const languages = LANGUAGES.map((language) => closureOf(outputs, `src/i18n/${language}.json`)[0]);
  return { script: first[0], eager: first.slice(1), style: outputs[first[0]].cssBundle, pages, languages };
}

const sizeOf = (file) => gzipSync(readFileSync(file), { level: 9 }).byteLength;
const sumOf = (files) => files.reduce((sum, file) => sum + sizeOf(join(HERE, file)), 0);
const tell = (size, what) => console.log(`${String(size).padStart(7)}  ${what}`);

/* Also what the gzipped sizes are, for whoever builds. */
function checkBudget(first, pages) {
  for (const file of first) tell(sizeOf(join(HERE, file)), file);
  const total = sumOf(first);
  tell(total, `first load, of ${FIRST_LOAD_BYTES} allowed`);
  for (const { source, files } of pages) tell(sumOf(files), `with ${source}`);
  if (total > FIRST_LOAD_BYTES) throw new Error('the first load is above its budget');
  for (const { source, files } of pages) if (sumOf(files) > PAGE_BYTES) throw new Error(`${source} is above its budget of ${PAGE_BYTES}`);
}

async function main() {
  checkCatalogues();
  rmSync(DIST, { recursive: true, force: true });
  mkdirSync(ASSETS, { recursive: true });
  const { script, eager, style, pages, languages } = await bundle();
  const icon = writeHashed('icon.svg', read('src/icon.svg'));
  const manifest = writeHashed('manifest.webmanifest', read('src/manifest.webmanifest').replaceAll('ICON', icon));
  const address = (file) => `/assets/${basename(file)}`;
  const html = read('src/index.html')
    .replaceAll('ICON', icon).replaceAll('MANIFEST', manifest)
    .replaceAll('SCRIPT', address(script)).replaceAll('STYLE', address(style))
    .replaceAll('PRELOADS', eager.map((file) => `<link rel="modulepreload" href="${address(file)}">`).join('\n'));
  writeFileSync(join(DIST, 'index.html'), html);
  const largest = languages.sort((a, b) => sizeOf(join(HERE, b)) - sizeOf(join(HERE, a)))[0];
  checkBudget(['dist/index.html', style, script, ...eager, largest, `dist${icon}`, `dist${manifest}`], pages);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
