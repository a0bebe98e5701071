/*
 * Pictures for the mock server: a few seconds of H.264 made by ffmpeg at test time, cut into one
 * fragment a picture, so that each answer can be given its own clock (tfdt, prft) and pace.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

export const FPS = 20;
export const GOP = 40;
export const TIMESCALE = 90_000;
const SECONDS = 6;

const LOOKS = [
  ['0x23395d', '0x8fb3d9', '0xf2c98a'], ['0x1f3d2b', '0x7fae7a', '0xe8e2b8'], ['0x4a2c2a', '0xc98b5e', '0xf3e2c7'], ['0x2b2440', '0x7d6fb0', '0xe6b7a9'],
];

function make(folder, look, width, height) {
  const file = join(folder, `${look}-${width}.mp4`);
  if (existsSync(file)) return file;
  const colours = LOOKS[look].map((c, n) => `c${n}=${c}`).join(':');
  const source = `gradients=s=${width}x${height}:r=${FPS}:d=${SECONDS}:n=3:${colours}:speed=0.03:seed=${look + 3}`;
  const words = `drawbox=x='mod(t*${Math.round(width / SECONDS)},${width})':y=${Math.round(height * 0.6)}:w=${Math.round(width / 12)}:h=${Math.round(height / 5)}:color=white@0.5:t=fill`;
  execFileSync('ffmpeg', [
    '-v', 'error', '-y', '-f', 'lavfi', '-i', source, '-vf', `${words},format=yuv420p`,
    '-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'baseline', '-g', String(GOP), '-keyint_min', String(GOP),
    '-sc_threshold', '0', '-bf', '0', '-b:v', width > 700 ? '1500k' : '300k', '-video_track_timescale', String(TIMESCALE),
    '-movflags', 'frag_every_frame+empty_moov+default_base_moof', '-f', 'mp4', `${file}.${process.pid}`,
  ]);
  renameSync(`${file}.${process.pid}`, file); // test files may run side by side
  return file;
}

function still(folder, look, width, height) {
  const file = join(folder, `${look}-${width}.jpg`);
  if (!existsSync(file)) {
    const part = `${file}.${process.pid}.jpg`;
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', make(folder, look, width, height), '-frames:v', '1', '-q:v', '4', part]);
    renameSync(part, file);
  }
  return readFileSync(file);
}

/* {init, frames}: the initialisation segment, and a {moof, mdat} for each picture. */
function cut(bytes) {
  const media = { init: [], frames: [] };
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    const box = bytes.subarray(at, at + size);
    if (type === 'ftyp' || type === 'moov') media.init.push(box);
    if (type === 'moof') media.frames.push({ moof: box, mdat: null });
    if (type === 'mdat') media.frames[media.frames.length - 1].mdat = box;
    at += size;
  }
  media.init = Buffer.concat(media.init);
  media.frames = media.frames.filter((frame) => frame.mdat);
  media.frames.length -= media.frames.length % GOP;
  return media;
}

export function loadMedia(folder) {
  mkdirSync(folder, { recursive: true });
  return LOOKS.map((_, look) => ({
    main: cut(readFileSync(make(folder, look, 1280, 720))),
    sub: cut(readFileSync(make(folder, look, 640, 360))),
    still: still(folder, look, 640, 360),
  }));
}

const NTP_OFFSET_S = 2_208_988_800;

function prft(captureMs, mediaTime) {
  const box = Buffer.alloc(32);
  box.writeUInt32BE(32, 0);
  box.write('prft', 4, 'latin1');
  box.writeUInt8(1, 8); // version: 64-bit media time
  box.writeUInt32BE(1, 12);
  box.writeUInt32BE(Math.floor(captureMs / 1000) + NTP_OFFSET_S, 16);
  box.writeUInt32BE(Math.floor(((captureMs % 1000) / 1000) * 2 ** 32), 20);
  box.writeBigUInt64BE(BigInt(mediaTime), 24);
  return box;
}

/* Picture `index` of an endless stream: its loop's fragment with this time and sequence number. */
export function frameAt(media, index, captureMs, { hasPrft = true } = {}) {
  const { moof, mdat } = media.frames[index % media.frames.length];
  const copy = Buffer.from(moof);
  const time = (index * TIMESCALE) / FPS;
  const sequence = copy.indexOf('mfhd', 0, 'latin1');
  copy.writeUInt32BE(index + 1, sequence + 8);
  const tfdt = copy.indexOf('tfdt', 0, 'latin1');
  if (copy.readUInt8(tfdt + 4) === 1) copy.writeBigUInt64BE(BigInt(time), tfdt + 8);
  else copy.writeUInt32BE(time, tfdt + 8);
  return Buffer.concat(hasPrft ? [prft(captureMs, time), copy, mdat] : [copy, mdat]);
}
