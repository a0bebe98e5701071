/*
 * QR codes (ISO/IEC 18004): bytes, error correction level M, versions 1 to 10: up to 213 bytes, which
 * a link with its secret never fills. Made here, so that the secret goes to nobody who draws pictures.
 */

/* Of each version: error correction codewords of a block, and the data codewords of each block. */
const VERSIONS: [number, number[]][] = [
  [10, [16]], [16, [28]], [26, [44]], [18, [32, 32]], [24, [43, 43]], [16, [27, 27, 27, 27]], [18, [31, 31, 31, 31]],
  [22, [38, 38, 39, 39]], [22, [36, 36, 36, 37, 37]], [26, [43, 43, 43, 43, 44]],
];
const CENTRES = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);

/* ---- arithmetic in GF(256), by the polynomial 0x11d ---- */

const EXP: number[] = [];
for (let i = 0, value = 1; i < 255; i++) {
  EXP.push(value);
  value = (value << 1) ^ (value & 0x80 ? 0x11d : 0);
}
const LOG: number[] = [];
EXP.forEach((value, i) => { LOG[value] = i; });
const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : EXP[(LOG[a]! + LOG[b]!) % 255]!);

/* The remainder of the block, times x^count, by the generator polynomial: Reed and Solomon's check. */
function checkOf(block: number[], count: number): number[] {
  let generator = [1];
  for (let i = 0; i < count; i++)
    generator = [...generator, 0].map((value, n) => value ^ (n > 0 ? times(generator[n - 1]!, EXP[i]!) : 0));
  const rest = [...block, ...new Array<number>(count).fill(0)];
  for (let i = 0; i < block.length; i++) {
    const lead = rest[i]!;
    for (let n = 0; n <= count; n++) rest[i + n]! ^= times(generator[n]!, lead);
  }
  return rest.slice(block.length);
}

/* ---- the bits ---- */

function dataOf(bytes: Uint8Array, version: number, size: number): number[] {
  const bits: number[] = [];
  const put = (value: number, count: number) => {
    for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  put(4, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  bytes.forEach((byte) => put(byte, 8));
  put(0, Math.min(4, size * 8 - bits.length));
  while (bits.length % 8 > 0) bits.push(0);
  for (let pad = 0xec; bits.length < size * 8; pad ^= 0xec ^ 0x11) put(pad, 8);
  const data: number[] = [];
  for (let i = 0; i < bits.length; i += 8) data.push(bits.slice(i, i + 8).reduce((a, b) => a * 2 + b));
  return data;
}

function codewordsOf(bytes: Uint8Array, version: number): number[] {
  const [checks, sizes] = VERSIONS[version - 1]!;
  const data = dataOf(bytes, version, sum(sizes));
  let at = 0;
  const blocks = sizes.map((size) => data.slice(at, (at += size)));
  const check = blocks.map((block) => checkOf(block, checks));
  const out: number[] = [];
  for (let i = 0; i < Math.max(...sizes); i++) for (const block of blocks) if (i < block.length) out.push(block[i]!);
  for (let i = 0; i < checks; i++) for (const one of check) out.push(one[i]!);
  return out;
}

/* ---- the square ---- */

type Square = (boolean | undefined)[][]; // [row][column]; undefined: not drawn yet

function drawFrame(square: Square, version: number): void {
  const size = square.length;
  const set = (row: number, column: number, isDark: boolean) => {
    if (row >= 0 && column >= 0 && row < size && column < size) square[row]![column] = isDark;
  };
  for (const [top, left] of [[0, 0], [0, size - 7], [size - 7, 0]] as const)
    for (let row = -1; row < 8; row++)
      for (let column = -1; column < 8; column++) {
        const ring = Math.max(Math.abs(row - 3), Math.abs(column - 3));
        set(top + row, left + column, ring !== 2 && ring < 4);
      }
  const centres = CENTRES[version - 1]!;
  const last = centres.length - 1;
  centres.forEach((row, r) => centres.forEach((column, c) => {
    if ((r === 0 && c === 0) || (r === 0 && c === last) || (r === last && c === 0)) return;
    for (let y = -2; y <= 2; y++) for (let x = -2; x <= 2; x++) set(row + y, column + x, Math.max(Math.abs(x), Math.abs(y)) !== 1);
  }));
  for (let i = 8; i < size - 8; i++) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
}

/* `value` followed by its remainder by `generator`, of `count` bits. */
function withRemainder(value: number, generator: number, count: number): number {
  let rest = value << count;
  for (let bit = 31 - Math.clz32(rest); bit >= count; bit--) if (rest & (1 << bit)) rest ^= generator << (bit - count);
  return (value << count) | rest;
}

function drawFormat(square: Square, version: number, mask: number): void {
  const size = square.length;
  const format = withRemainder(mask, 0x537, 10) ^ 0x5412; // level M is 00
  for (let i = 0; i < 15; i++) {
    const isDark = ((format >> i) & 1) === 1;
    const near = i < 6 ? i : i < 8 ? i + 1 : 0;
    if (i < 8) square[near]![8] = isDark;
    else square[8]![i === 8 ? 7 : 14 - i] = isDark;
    if (i < 8) square[8]![size - 1 - i] = isDark;
    else square[size - 15 + i]![8] = isDark;
  }
  square[size - 8]![8] = true;
  if (version < 7) return;
  const about = withRemainder(version, 0x1f25, 12);
  for (let i = 0; i < 18; i++) {
    const isDark = ((about >> i) & 1) === 1;
    const [a, b] = [Math.floor(i / 3), size - 11 + (i % 3)];
    square[a]![b] = isDark;
    square[b]![a] = isDark;
  }
}

const MASKS: ((row: number, column: number) => boolean)[] = [
  (r, c) => (r + c) % 2 === 0, (r) => r % 2 === 0, (_, c) => c % 3 === 0, (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0, (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0, (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
];

/* Two columns at a time from the right, up and down in turn, around what is drawn. */
function drawData(square: Square, codewords: number[], mask: number): void {
  const size = square.length;
  let bit = 0;
  for (let right = size - 1, isUp = true; right > 0; right -= 2, isUp = !isUp) {
    if (right === 6) right = 5;
    for (let i = 0; i < size; i++) {
      const row = isUp ? size - 1 - i : i;
      for (const column of [right, right - 1]) {
        if (square[row]![column] !== undefined) continue;
        const isOne = (((codewords[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1;
        square[row]![column] = isOne !== MASKS[mask]!(row, column);
        bit++;
      }
    }
  }
}

/* How hard a square is to read: runs, blocks, what looks like a corner, and too much of one colour. */
function penaltyOf(square: boolean[][]): number {
  const size = square.length;
  let penalty = 0;
  const lines = [...square, ...square.map((_, n) => square.map((row) => row[n]!))];
  for (const line of lines) {
    const text = line.map((isDark) => (isDark ? '1' : '0')).join('');
    for (const run of text.match(/0{5,}|1{5,}/g) ?? []) penalty += run.length - 2;
    for (const corner of ['10111010000', '00001011101'])
      for (let at = text.indexOf(corner); at >= 0; at = text.indexOf(corner, at + 1)) penalty += 40;
  }
  let dark = 0;
  for (let r = 0; r < size; r++)
    for (let c = 0; c < size; c++) {
      const here = square[r]![c]!;
      dark += here ? 1 : 0;
      if (r + 1 < size && c + 1 < size && [square[r]![c + 1], square[r + 1]![c], square[r + 1]![c + 1]].every((one) => one === here)) penalty += 3;
    }
  return penalty + 10 * Math.floor(Math.abs((dark * 20) / (size * size) - 10));
}

/* The square of a text, row by row: true is dark. Null: the text is too long. */
export function qrOf(text: string): boolean[][] | null {
  const bytes = new TextEncoder().encode(text);
  const version = VERSIONS.findIndex(([, sizes], n) => bytes.length <= sum(sizes) - (n < 9 ? 2 : 3)) + 1;
  if (version === 0) return null;
  const codewords = codewordsOf(bytes, version);
  const size = 17 + 4 * version;
  let best: boolean[][] | null = null;
  for (let mask = 0; mask < MASKS.length; mask++) {
    const square: Square = Array.from({ length: size }, () => new Array<boolean | undefined>(size).fill(undefined));
    drawFrame(square, version);
    drawFormat(square, version, mask);
    drawData(square, codewords, mask);
    const whole = square as boolean[][];
    if (best === null || penaltyOf(whole) < penaltyOf(best)) best = whole;
  }
  return best;
}

/* The same as the path of a drawing whose unit is a module, with the quiet edge of four. */
export function qrPath(square: boolean[][]): string {
  return square.map((row, r) => row.map((isDark, c) => (isDark ? `M${c + 4} ${r + 4}h1v1h-1z` : '')).join('')).join('');
}
