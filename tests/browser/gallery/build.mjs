/* Bundles the gallery with the app's own settings into a folder outside what ships. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const WEB = join(HERE, '..', '..', '..', 'web');

export async function buildGallery(folder) {
  mkdirSync(folder, { recursive: true });
  const { build } = createRequire(join(WEB, 'package.json'))('esbuild');
  const { ESBUILD } = await import(pathToFileURL(join(WEB, 'build.mjs')));
  await build({ ...ESBUILD, entryPoints: { gallery: join(HERE, 'gallery.tsx') }, splitting: true, outdir: folder });
  writeFileSync(join(folder, 'index.html'), `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tile states</title><link rel="icon" href="/gallery/still.jpg"><link rel="stylesheet" href="gallery.css">
<script type="module" src="gallery.js"></script></head><body><div id="app"></div></body></html>
`);
}
