/*
 * Splits a fragmented MP4 stream (ISO/IEC 14496-12) into initialisation segments and fragments as
 * its bytes arrive, and reads from them what playing at the live edge needs: codec, time of each
 * picture on the media clock and its time of capture (prft, 8.16.5).
 *
 * Sizes come from the network: a box above MAX_BOX_BYTES or shorter than its own header ends the
 * stream with a BoxError.
 */

export class BoxError extends Error {}

export interface InitSegment {
  kind: 'init';
  bytes: Uint8Array;
  codec: string; // "avc1.42C01F", "hvc1.1.6.L93.90"; empty of sound, which the answer's type names
  timescale: number;
  width: number;
  height: number;
}

export interface Fragment {
  kind: 'fragment';
  bytes: Uint8Array; // prft, moof and mdat as received
  mediaTime: number; // seconds on the media clock
  captureMs: number | null; // milliseconds since 1970, server's clock; null without a prft
  isKey: boolean;
}

const MAX_BOX_BYTES = 32 * 1024 * 1024;
const NTP_TO_UNIX_S = 2_208_988_800;
const SAMPLE_IS_NON_SYNC = 0x10000;
const SOUND = 0x736f756e; // "soun", a handler (8.4.3)

interface Box {
  type: string;
  bytes: Uint8Array; // whole
  body: DataView; // after the header
}

function viewOf(bytes: Uint8Array, offset = 0): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + offset, bytes.byteLength - offset);
}

/* The first box of `bytes`, or null when more bytes are needed. */
function firstBox(bytes: Uint8Array): Box | null {
  if (bytes.byteLength < 8) return null;
  const view = viewOf(bytes);
  const type = String.fromCharCode(bytes[4]!, bytes[5]!, bytes[6]!, bytes[7]!);
  let size = view.getUint32(0);
  let header = 8;
  if (size === 1) {
    if (bytes.byteLength < 16) return null;
    size = Number(view.getBigUint64(8));
    header = 16;
  }
  if (size < header || size > MAX_BOX_BYTES) throw new BoxError(`box ${type} of ${size} bytes`);
  if (bytes.byteLength < size) return null;
  const whole = bytes.subarray(0, size);
  return { type, bytes: whole, body: viewOf(whole, header) };
}

function* boxesIn(body: DataView, from = 0): Generator<Box> {
  let rest = new Uint8Array(body.buffer, body.byteOffset + from, body.byteLength - from);
  while (rest.byteLength > 0) {
    const box = firstBox(rest);
    if (!box) throw new BoxError('a box larger than the one around it');
    yield box;
    rest = rest.subarray(box.bytes.byteLength);
  }
}

function child(body: DataView, type: string, from = 0): Box {
  for (const box of boxesIn(body, from)) if (box.type === type) return box;
  throw new BoxError(`no ${type}`);
}

function firstOf(body: DataView, from: number): Box {
  for (const box of boxesIn(body, from)) return box;
  throw new BoxError('an empty box');
}

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(2, '0');

/* ISO/IEC 14496-15, E.3: profile, compatibility in reverse, tier and level, constraints. */
function hevcCodec(hvcc: DataView): string {
  const first = hvcc.getUint8(1);
  let compatibility = 0;
  for (let bit = 0; bit < 32; bit++) if (hvcc.getUint32(2) & (1 << bit)) compatibility |= 1 << (31 - bit);
  const constraints = [6, 7, 8, 9, 10, 11].map((at) => hvcc.getUint8(at));
  while (constraints.length > 0 && constraints[constraints.length - 1] === 0) constraints.pop();
  return [
    'hvc1', `${['', 'A', 'B', 'C'][first >> 6]}${first & 31}`, (compatibility >>> 0).toString(16).toUpperCase(),
    `${first & 32 ? 'H' : 'L'}${hvcc.getUint8(12)}`, ...constraints.map((value) => value.toString(16).toUpperCase()),
  ].join('.');
}

/* RFC 6381, of a sample entry. */
function codecOf(entry: Box): string {
  if (entry.type === 'hvc1') return hevcCodec(child(entry.body, 'hvcC', 78).body);
  if (entry.type !== 'avc1') throw new BoxError(`a track of ${entry.type}`);
  const avcc = child(entry.body, 'avcC', 78).body;
  return `avc1.${hex(avcc.getUint8(1))}${hex(avcc.getUint8(2))}${hex(avcc.getUint8(3))}`;
}

function readInit(bytes: Uint8Array, moov: Box): InitSegment {
  const mdia = child(child(moov.body, 'trak').body, 'mdia').body;
  const mdhd = child(mdia, 'mdhd').body;
  const timescale = mdhd.getUint32(mdhd.getUint8(0) === 1 ? 20 : 12);
  if (timescale === 0) throw new BoxError('timescale 0');
  if (child(mdia, 'hdlr').body.getUint32(8) === SOUND) return { kind: 'init', bytes, codec: '', timescale, width: 0, height: 0 };
  const stbl = child(child(mdia, 'minf').body, 'stbl').body;
  const entry = firstOf(child(stbl, 'stsd').body, 8);
  return {
    kind: 'init',
    bytes,
    codec: codecOf(entry),
    timescale,
    width: entry.body.getUint16(24),
    height: entry.body.getUint16(26),
  };
}

function readCapture(prft: Box): number {
  const seconds = prft.body.getUint32(8);
  const fraction = prft.body.getUint32(12);
  return (seconds - NTP_TO_UNIX_S) * 1000 + (fraction / 2 ** 32) * 1000;
}

/* Whether the first sample of a track fragment is a sync sample (8.8.3.1, 8.8.7, 8.8.8). */
function readIsKey(traf: DataView): boolean {
  const tfhd = child(traf, 'tfhd').body;
  const tfhdFlags = tfhd.getUint32(0) & 0xffffff;
  let flags: number | null = null;
  if (tfhdFlags & 0x20) {
    let at = 8;
    if (tfhdFlags & 0x01) at += 8; // base_data_offset
    for (const bit of [0x02, 0x08, 0x10]) if (tfhdFlags & bit) at += 4;
    flags = tfhd.getUint32(at);
  }
  const trun = child(traf, 'trun').body;
  const trunFlags = trun.getUint32(0) & 0xffffff;
  const afterOffset = 8 + (trunFlags & 0x01 ? 4 : 0);
  if (trunFlags & 0x04) flags = trun.getUint32(afterOffset);
  else if (trunFlags & 0x400)
    flags = trun.getUint32(afterOffset + (trunFlags & 0x100 ? 4 : 0) + (trunFlags & 0x200 ? 4 : 0));
  return flags === null || (flags & SAMPLE_IS_NON_SYNC) === 0;
}

function readDecodeTime(traf: DataView): number {
  const tfdt = child(traf, 'tfdt').body;
  return tfdt.getUint8(0) === 1 ? Number(tfdt.getBigUint64(4)) : tfdt.getUint32(4);
}

function join(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

export class Mp4Splitter {
  private rest: Uint8Array = new Uint8Array(0);
  private pending: Uint8Array[] = []; // boxes of the segment being gathered
  private captureMs: number | null = null;
  private moof: Box | null = null;
  private timescale = 0;

  push(chunk: Uint8Array): (InitSegment | Fragment)[] {
    this.rest = this.rest.byteLength === 0 ? chunk : join([this.rest, chunk]);
    const found: (InitSegment | Fragment)[] = [];
    for (let box = firstBox(this.rest); box; box = firstBox(this.rest)) {
      this.rest = this.rest.subarray(box.bytes.byteLength);
      const segment = this.take(box);
      if (segment) found.push(segment);
    }
    return found;
  }

  private take(box: Box): InitSegment | Fragment | null {
    switch (box.type) {
      case 'ftyp':
        this.pending = [box.bytes];
        return null;
      case 'moov': {
        const init = readInit(join([...this.pending, box.bytes]), box);
        this.timescale = init.timescale;
        this.pending = [];
        return init;
      }
      case 'prft':
        this.captureMs = readCapture(box);
        return null;
      case 'moof':
        if (this.timescale === 0) throw new BoxError('a fragment before the first moov');
        this.moof = box;
        return null;
      case 'mdat':
        return this.finish(box);
      default:
        return null; // styp, sidx, free: nothing a player at the live edge needs
    }
  }

  private finish(mdat: Box): Fragment {
    if (!this.moof) throw new BoxError('mdat without moof');
    const traf = child(this.moof.body, 'traf').body;
    const fragment: Fragment = {
      kind: 'fragment',
      bytes: join([this.moof.bytes, mdat.bytes]),
      mediaTime: readDecodeTime(traf) / this.timescale,
      captureMs: this.captureMs,
      isKey: readIsKey(traf),
    };
    this.moof = null;
    this.captureMs = null;
    return fragment;
  }
}
