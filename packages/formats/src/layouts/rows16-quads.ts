/**
 * Codes of one row as quads: 32-bit words with the codes of four neighbouring columns, one byte each. Between the
 * canonical bit stream and the planes of `rows16` everything is done on quads, because a word moves four codes at once;
 * this is what loading a model waits for. Words are little-endian, as on every machine that runs JavaScript today.
 */
import type { Rows16Container } from './rows16-container.js';

/** `value` in each byte of a word. */
export function everyByte(value: number): number {
  return Math.imul(value, 0x01010101);
}

/**
 * Reads `count` columns (from a quad on, so `start` is a multiple of 4) of the row of `bits`-bit codes that begins at byte
 * `rowStart`, as raw bits, into `quads` from `to` on. Bytes of the last quad past `count` are 0.
 */
export function readQuads(
  stream: Uint8Array,
  rowStart: number,
  bits: number,
  start: number,
  count: number,
  quads: Int32Array,
  to: number,
): void {
  const whole = count >> 2;
  if (bits === 8) readBytes(stream, rowStart + start, whole, quads, to);
  else if (bits === 4) readNibbles(stream, rowStart + start / 2, whole, quads, to);
  else readBits(stream, rowStart, bits, start, whole, quads, to);
  const rest = count & 3;
  if (rest > 0) {
    readBits(stream, rowStart, bits, start + whole * 4, 1, quads, to + whole);
    quads[to + whole] &= (1 << (8 * rest)) - 1;
  }
}

function readBytes(stream: Uint8Array, at: number, count: number, quads: Int32Array, to: number): void {
  for (let i = to, from = at; i < to + count; i += 1, from += 4) {
    quads[i] = fourBytes(stream, from);
  }
}

function readNibbles(stream: Uint8Array, at: number, count: number, quads: Int32Array, to: number): void {
  for (let i = to, from = at; i < to + count; i += 1, from += 2) {
    const bytes = stream[from] | (stream[from + 1] << 16);
    quads[i] = (bytes | (bytes << 4)) & 0x0f0f0f0f;
  }
}

/** Any width up to 8: a quad of `bits` bits starts on a nibble, and so ends within four bytes. */
function readBits(
  stream: Uint8Array,
  rowStart: number,
  bits: number,
  start: number,
  count: number,
  quads: Int32Array,
  to: number,
): void {
  const mask = (1 << bits) - 1;
  let bit = start * bits;
  for (let i = to; i < to + count; i += 1, bit += 4 * bits) {
    const at = rowStart + (bit >> 3);
    // Reading past the end would give undefined, and bit operations on that are many times slower for good.
    const bytes = at + 4 <= stream.length ? fourBytes(stream, at) : lastBytes(stream, at);
    const four = bytes >>> (bit & 7);
    quads[i] =
      (four & mask) |
      (((four >>> bits) & mask) << 8) |
      (((four >>> (2 * bits)) & mask) << 16) |
      (((four >>> (3 * bits)) & mask) << 24);
  }
}

function fourBytes(stream: Uint8Array, at: number): number {
  return stream[at] | (stream[at + 1] << 8) | (stream[at + 2] << 16) | (stream[at + 3] << 24);
}

/** The bytes from `at` to the end, fewer than four, and zeros. */
function lastBytes(stream: Uint8Array, at: number): number {
  let bytes = 0;
  for (let i = stream.length - 1; i >= at; i -= 1) bytes = (bytes << 8) | stream[i];
  return bytes;
}

/**
 * Puts `units` units of stored quads into the bytes of one row: `target` from word `at` on, which is the row's word of
 * the first step; its words of later steps follow at distances of 16.
 */
export function packUnits(
  container: Rows16Container,
  quads: Int32Array,
  from: number,
  units: number,
  target: Int32Array,
  at: number,
): void {
  if (container.bits === 8) {
    for (let i = 0, to = at; i < units; i += 1, to += 16) target[to] = quads[from + i];
  } else if (container.bits === 4) {
    for (let i = from, to = at; i < from + 2 * units; i += 2, to += 16) {
      target[to] = quads[i] | (quads[i + 1] << 4);
    }
  } else {
    const unitQuads = container.unitColumns >> 2;
    const unitWords = container.unitBytes >> 2;
    let planeAt = at;
    for (const { bits, shift } of container.planes) {
      const mask = everyByte((1 << bits) - 1);
      for (let unit = 0, to = planeAt, i = from; unit < units; unit += 1, to += unitWords) {
        const end = i + unitQuads;
        for (let step = to; i < end; step += 16) {
          let word = 0;
          for (let position = 0; position < 8; position += bits, i += 1) {
            word |= ((quads[i] >>> shift) & mask) << position;
          }
          target[step] = word;
        }
      }
      planeAt += (unitQuads * bits * 16) >> 3;
    }
  }
}

/** The inverse of {@link packUnits}. */
export function unpackUnits(
  container: Rows16Container,
  source: Int32Array,
  at: number,
  units: number,
  quads: Int32Array,
  to: number,
): void {
  const unitQuads = container.unitColumns / 4;
  quads.fill(0, to, to + units * unitQuads);
  let from = at;
  for (let unit = 0; unit < units; unit += 1) {
    for (const { bits, shift } of container.planes) {
      const mask = everyByte((1 << bits) - 1);
      const end = to + (unit + 1) * unitQuads;
      for (let i = to + unit * unitQuads; i < end; from += 16) {
        for (let position = 0; position < 8; position += bits, i += 1) {
          quads[i] |= ((source[from] >>> position) & mask) << shift;
        }
      }
    }
  }
}
