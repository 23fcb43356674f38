/**
 * The first GGML formats: 32 elements with one fp16 scale, and in the `_1` formats an fp16 minimum. Every scale
 * follows from the extremes of its block; nothing is searched.
 * Source of the rules: ggml `quantize_row_q4_0_ref`, `..._q4_1_ref`, `..._q5_0_ref`, `..._q5_1_ref`,
 * `..._q8_0_ref` and their `dequantize_row` mates.
 */
import { FP16, intFormat, uintFormat } from '@bitloom/ir';
import { blockType, type GgmlBlock, readHalf, scaleLevel, writeHalf } from './block-format.js';
import { roundHalfAway } from './c-conversions.js';

const f = Math.fround;

/** The first of the values of largest magnitude, with its sign. */
function extremeOf(values: Float32Array, from: number, count: number): number {
  let extreme = 0;
  let magnitude = 0;
  for (let j = from; j < from + count; j += 1) {
    const size = Math.abs(values[j]);
    if (size > magnitude) {
      magnitude = size;
      extreme = values[j];
    }
  }
  return extreme;
}

/** 1 / d in float32, and 0 for a block of zeros. */
function reciprocal(d: number): number {
  return d === 0 ? 0 : f(1 / d);
}

/** Codes of five bits: a little-endian word of their fifth bits, then their low nibbles as in q4_0. */
function writeFiveBit(codes: Int8Array, out: Uint8Array, at: number): void {
  for (let j = 0; j < 32; j += 1) out[at + (j >> 3)] |= (codes[j] >> 4) << (j & 7);
  for (let j = 0; j < 16; j += 1) out[at + 4 + j] = (codes[j] & 15) | ((codes[j + 16] & 15) << 4);
}

/** The word of fifth bits at byte `at`. */
function readFifthBits(blocks: Uint8Array, at: number): number {
  return blocks[at] | (blocks[at + 1] << 8) | (blocks[at + 2] << 16) | (blocks[at + 3] << 24);
}

/** d, then 16 bytes: element j in the low nibble of byte j, element j + 16 in the high one. Value = (code − 8)·d. */
export const Q4_0: GgmlBlock = {
  name: 'q4_0',
  elements: 32,
  bytes: 18,
  halves: [0],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at);
    for (let j = 0; j < 16; j += 1) {
      const byte = blocks[at + 2 + j];
      out[outAt + j] = ((byte & 15) - 8) * d;
      out[outAt + j + 16] = ((byte >> 4) - 8) * d;
    }
  },
  encode(values, from, out, outAt) {
    // The extreme becomes exactly −8, so d carries its opposite sign.
    const d = f(extremeOf(values, from, 32) / -8);
    const inverse = reciprocal(d);
    writeHalf(out, outAt, d);
    for (let j = 0; j < 16; j += 1) {
      const low = Math.min(15, f(f(values[from + j] * inverse) + 8.5) | 0);
      const high = Math.min(15, f(f(values[from + j + 16] * inverse) + 8.5) | 0);
      out[outAt + 2 + j] = low | (high << 4);
    }
  },
  type: (shape) => blockType('q4_0', shape, intFormat(4), [scaleLevel(FP16, 32, 'extreme/-8')]),
};

/** d, m, then nibbles as in q4_0. Value = code·d + m. */
export const Q4_1: GgmlBlock = {
  name: 'q4_1',
  elements: 32,
  bytes: 20,
  halves: [0, 2],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at);
    const m = readHalf(blocks, at + 2);
    for (let j = 0; j < 16; j += 1) {
      const byte = blocks[at + 4 + j];
      out[outAt + j] = (byte & 15) * d + m;
      out[outAt + j + 16] = (byte >> 4) * d + m;
    }
  },
  encode(values, from, out, outAt, { minimums }) {
    const inverse = writeRange(values, from, 15, out, outAt, minimums);
    const minimum = minimums[0];
    for (let j = 0; j < 16; j += 1) {
      const low = Math.min(15, rangeCode(values[from + j], minimum, inverse));
      const high = Math.min(15, rangeCode(values[from + j + 16], minimum, inverse));
      out[outAt + 4 + j] = low | (high << 4);
    }
  },
  type: (shape) => blockType('q4_1', shape, uintFormat(4), [scaleLevel(FP16, 32, 'range/15', FP16)]),
};

/** d, a word of fifth bits, then nibbles as in q4_0. Value = (code − 16)·d. */
export const Q5_0: GgmlBlock = {
  name: 'q5_0',
  elements: 32,
  bytes: 22,
  halves: [0],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at);
    const fifth = readFifthBits(blocks, at + 2);
    for (let j = 0; j < 16; j += 1) {
      const byte = blocks[at + 6 + j];
      out[outAt + j] = (((byte & 15) | (((fifth >> j) & 1) << 4)) - 16) * d;
      out[outAt + j + 16] = (((byte >> 4) | (((fifth >> (j + 16)) & 1) << 4)) - 16) * d;
    }
  },
  encode(values, from, out, outAt, { codes }) {
    const d = f(extremeOf(values, from, 32) / -16);
    const inverse = reciprocal(d);
    writeHalf(out, outAt, d);
    for (let j = 0; j < 32; j += 1) codes[j] = Math.min(31, f(f(values[from + j] * inverse) + 16.5) | 0);
    writeFiveBit(codes, out, outAt + 2);
  },
  type: (shape) => blockType('q5_0', shape, intFormat(5), [scaleLevel(FP16, 32, 'extreme/-16')]),
};

/** d, m, a word of fifth bits, then nibbles. Value = code·d + m. */
export const Q5_1: GgmlBlock = {
  name: 'q5_1',
  elements: 32,
  bytes: 24,
  halves: [0, 2],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at);
    const m = readHalf(blocks, at + 2);
    const fifth = readFifthBits(blocks, at + 4);
    for (let j = 0; j < 16; j += 1) {
      const byte = blocks[at + 8 + j];
      out[outAt + j] = ((byte & 15) | (((fifth >> j) & 1) << 4)) * d + m;
      out[outAt + j + 16] = ((byte >> 4) | (((fifth >> (j + 16)) & 1) << 4)) * d + m;
    }
  },
  encode(values, from, out, outAt, { codes, minimums }) {
    const inverse = writeRange(values, from, 31, out, outAt, minimums);
    const minimum = minimums[0];
    for (let j = 0; j < 32; j += 1) codes[j] = rangeCode(values[from + j], minimum, inverse) & 31;
    writeFiveBit(codes, out, outAt + 4);
  },
  type: (shape) => blockType('q5_1', shape, uintFormat(5), [scaleLevel(FP16, 32, 'range/31', FP16)]),
};

/** d, then 32 int8 codes. Value = code·d. */
export const Q8_0: GgmlBlock = {
  name: 'q8_0',
  elements: 32,
  bytes: 34,
  halves: [0],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at);
    for (let j = 0; j < 32; j += 1) out[outAt + j] = ((blocks[at + 2 + j] << 24) >> 24) * d;
  },
  encode(values, from, out, outAt) {
    const d = f(Math.abs(extremeOf(values, from, 32)) / 127);
    const inverse = reciprocal(d);
    writeHalf(out, outAt, d);
    for (let j = 0; j < 32; j += 1) out[outAt + 2 + j] = roundHalfAway(f(values[from + j] * inverse));
  },
  type: (shape) => blockType('q8_0', shape, intFormat(8), [scaleLevel(FP16, 32, 'amax/127')]),
};

/**
 * Spreads `maxCode` steps from the lowest value of a block, left in `minimums[0]`, to the highest; writes d, then m.
 * Gives 1 / d.
 */
function writeRange(
  values: Float32Array,
  from: number,
  maxCode: number,
  out: Uint8Array,
  outAt: number,
  minimums: Float32Array,
): number {
  let minimum = values[from];
  let maximum = values[from];
  for (let j = from + 1; j < from + 32; j += 1) {
    if (values[j] < minimum) minimum = values[j];
    if (values[j] > maximum) maximum = values[j];
  }
  const d = f(f(maximum - minimum) / maxCode);
  writeHalf(out, outAt, d);
  writeHalf(out, outAt + 2, minimum);
  minimums[0] = minimum;
  return reciprocal(d);
}

function rangeCode(value: number, minimum: number, inverse: number): number {
  return f(f(f(value - minimum) * inverse) + 0.5) | 0;
}
