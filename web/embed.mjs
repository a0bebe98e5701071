/*
 * Writes the built app as a C source: node embed.mjs DIST_FOLDER OUT.c
 * Each file stands gzipped in a table of cm_asset (src/api/assets.h), "/" first.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};
const HASHED = /\.[0-9A-Z]{8}\.[a-z]+$/;
const BYTES_A_LINE = 24;

/* The same bytes on every machine: gzip's field for the operating system is set to "unknown". */
function gzip(bytes) {
  const packed = gzipSync(bytes, { level: 9 });
  packed[9] = 255;
  return packed;
}

export function readAssets(dist) {
  const names = readdirSync(dist, { recursive: true }).map((name) => name.replaceAll('\\', '/')).sort();
  return names.filter((name) => statSync(join(dist, name)).isFile()).map((name) => {
    const type = TYPES[extname(name)];
    if (!type) throw new Error(`${name}: no content type for this kind of file`);
    const bytes = readFileSync(join(dist, name));
    return {
      path: name === 'index.html' ? '/' : `/${name}`,
      type,
      etag: `\\"${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}\\"`,
      gzip: gzip(bytes),
      isImmutable: HASHED.test(name),
    };
  }).sort((a, b) => (a.path < b.path ? -1 : 1));
}

function bytesOf(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += BYTES_A_LINE)
    lines.push(`    ${[...bytes.subarray(at, at + BYTES_A_LINE)].join(', ')},`);
  return lines.join('\n');
}

export function sourceOf(assets) {
  const data = assets.map((asset, n) => `static const uint8_t BYTES_${n}[] = { /* ${asset.path} */\n${bytesOf(asset.gzip)}\n};\n`);
  const rows = assets.map((asset, n) => `    {
        .path = "${asset.path}",
        .content_type = "${asset.type}",
        .etag = "${asset.etag}",
        .gzip = {.bytes = BYTES_${n}, .size = sizeof(BYTES_${n})},
        .is_immutable = ${asset.isImmutable},
    },`);
  return `/* Made by web/embed.mjs from the built web app. */
#include "api/assets.h"

${data.join('\n')}
const cm_asset CM_ASSETS[] = {
${rows.join('\n')}
};
const size_t CM_ASSET_COUNT = sizeof(CM_ASSETS) / sizeof(CM_ASSETS[0]);
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [dist, out] = process.argv.slice(2);
  if (!dist || !out) {
    console.error('usage: node embed.mjs DIST_FOLDER OUT.c');
    process.exit(2);
  }
  writeFileSync(out, sourceOf(readAssets(dist)));
}
