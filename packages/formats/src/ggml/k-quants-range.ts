/**
 * The K-quants with a minimum, q2_K, q4_K and q5_K: 256 elements in groups of 16 or 32. A group has a small integer
 * scale and a small integer minimum; the block has an fp16 unit for each. Value = (d·scale)·code − dmin·minimum.
 * Source of the rules: ggml `quantize_row_q2_K_ref`, `..._q4_K_ref`, `..._q5_K_ref` and their `dequantize_row` mates.
 */
import { FP16, uintFormat } from '@bitloom/ir';
import {
  blockType,
  type EncodeScratch,
  type GgmlBlock,
  readHalf,
  scaleLevel,
  writeHalf,
} from './block-format.js';
import { nearestInt } from './c-conversions.js';
import { clamp, fitRanges, type RangeSearch } from './scale-search.js';

const f = Math.fround;

const Q2_SEARCH: RangeSearch = { groupSize: 16, maxCode: 3, first: -0.5, steps: 15, absolute: true };
const Q4_SEARCH: RangeSearch = { groupSize: 32, maxCode: 15, first: -1, steps: 20, absolute: false };
const Q5_SEARCH: RangeSearch = { groupSize: 32, maxCode: 31, first: -0.5, steps: 15, absolute: false };

/** 16 bytes of scale (low nibble) and minimum (high), 64 bytes of codes, d, dmin. */
export const Q2_K: GgmlBlock = {
  name: 'q2_K',
  elements: 256,
  bytes: 84,
  halves: [80, 82],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at + 80);
    const dmin = readHalf(blocks, at + 82);
    for (let group = 0; group < 16; group += 1) {
      const packed = blocks[at + group];
      const scale = d * (packed & 15);
      const minimum = dmin * (packed >> 4);
      const codesAt = at + 16 + twoBitByte(group);
      const shift = twoBitShift(group);
      const to = outAt + 16 * group;
      for (let i = 0; i < 16; i += 1) out[to + i] = scale * ((blocks[codesAt + i] >> shift) & 3) - minimum;
    }
  },
  encode(values, from, out, outAt, scratch) {
    const { scales, minimums, codes } = scratch;
    fitRanges(values, from, 16, Q2_SEARCH, scratch);
    const maxScale = largest(scales, 16);
    const maxMinimum = largest(minimums, 16);
    const inverseScale = maxScale > 0 ? f(15 / maxScale) : 0;
    const inverseMinimum = maxMinimum > 0 ? f(15 / maxMinimum) : 0;
    const d = writeHalf(out, outAt + 80, f(maxScale / 15));
    const dmin = writeHalf(out, outAt + 82, f(maxMinimum / 15));
    for (let group = 0; group < 16; group += 1) {
      const packed =
        nearestInt(f(inverseScale * scales[group])) | (nearestInt(f(inverseMinimum * minimums[group])) << 4);
      out[outAt + group] = packed;
      requantize(values, from, 16, group, f(d * (packed & 15)), f(dmin * ((packed >> 4) & 15)), 3, codes);
    }
    packTwoBit(codes, out, outAt + 16);
  },
  type: (shape) =>
    blockType('q2_K', shape, uintFormat(2), [
      scaleLevel(uintFormat(4), 16, 'search', uintFormat(4)),
      scaleLevel(FP16, 256, 'max/15', FP16),
    ]),
};

/** d, dmin, 12 bytes of six-bit scales and minimums, 128 bytes of codes. */
export const Q4_K: GgmlBlock = {
  name: 'q4_K',
  elements: 256,
  bytes: 144,
  halves: [0, 2],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at);
    const dmin = readHalf(blocks, at + 2);
    for (let group = 0; group < 8; group += 1) {
      const scale = d * sixBitScale(blocks, at + 4, group);
      const minimum = dmin * sixBitMinimum(blocks, at + 4, group);
      const codesAt = at + 16 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      const to = outAt + 32 * group;
      for (let i = 0; i < 32; i += 1) out[to + i] = scale * ((blocks[codesAt + i] >> shift) & 15) - minimum;
    }
  },
  encode(values, from, out, outAt, scratch) {
    encodeSixBitBlock(values, from, out, outAt, Q4_SEARCH, scratch);
    packNibbles(scratch.codes, out, outAt + 16);
  },
  type: (shape) =>
    blockType('q4_K', shape, uintFormat(4), [
      scaleLevel(uintFormat(6), 32, 'search', uintFormat(6)),
      scaleLevel(FP16, 256, 'max/63', FP16),
    ]),
};

/** As q4_K, with 32 bytes of fifth bits before the codes: bit g of byte i is that of element i of group g. */
export const Q5_K: GgmlBlock = {
  name: 'q5_K',
  elements: 256,
  bytes: 176,
  halves: [0, 2],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at);
    const dmin = readHalf(blocks, at + 2);
    for (let group = 0; group < 8; group += 1) {
      const scale = d * sixBitScale(blocks, at + 4, group);
      const minimum = dmin * sixBitMinimum(blocks, at + 4, group);
      const codesAt = at + 48 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      const to = outAt + 32 * group;
      for (let i = 0; i < 32; i += 1) {
        const fifth = ((blocks[at + 16 + i] >> group) & 1) << 4;
        out[to + i] = scale * (((blocks[codesAt + i] >> shift) & 15) | fifth) - minimum;
      }
    }
  },
  encode(values, from, out, outAt, scratch) {
    encodeSixBitBlock(values, from, out, outAt, Q5_SEARCH, scratch);
    const { codes } = scratch;
    for (let j = 0; j < 256; j += 1) out[outAt + 16 + (j & 31)] |= (codes[j] >> 4) << (j >> 5);
    packNibbles(codes, out, outAt + 48);
  },
  type: (shape) =>
    blockType('q5_K', shape, uintFormat(5), [
      scaleLevel(uintFormat(6), 32, 'search', uintFormat(6)),
      scaleLevel(FP16, 256, 'max/63', FP16),
    ]),
};

/** The largest of the first `count` numbers, at least 0. */
function largest(numbers: Float32Array, count: number): number {
  let max = 0;
  for (let i = 0; i < count; i += 1) if (numbers[i] > max) max = numbers[i];
  return max;
}

/** Codes of a group again, for the scale and minimum that were stored; as searched where the scale is 0. */
function requantize(
  values: Float32Array,
  from: number,
  groupSize: number,
  group: number,
  scale: number,
  minimum: number,
  maxCode: number,
  codes: Int8Array,
): void {
  if (scale === 0) return;
  const start = group * groupSize;
  for (let i = start; i < start + groupSize; i += 1) {
    codes[i] = clamp(nearestInt(f(f(values[from + i] + minimum) / scale)), 0, maxCode);
  }
}

/** Scales, minimums and codes of q4_K and q5_K: all but the packing of the codes. */
function encodeSixBitBlock(
  values: Float32Array,
  from: number,
  out: Uint8Array,
  outAt: number,
  search: RangeSearch,
  scratch: EncodeScratch,
): void {
  const { scales, minimums, codes } = scratch;
  fitRanges(values, from, 8, search, scratch);
  const maxScale = largest(scales, 8);
  const maxMinimum = largest(minimums, 8);
  const inverseScale = maxScale > 0 ? f(63 / maxScale) : 0;
  const inverseMinimum = maxMinimum > 0 ? f(63 / maxMinimum) : 0;
  const d = writeHalf(out, outAt, f(maxScale / 63));
  const dmin = writeHalf(out, outAt + 2, f(maxMinimum / 63));
  for (let group = 0; group < 8; group += 1) {
    const scale = Math.min(63, nearestInt(f(inverseScale * scales[group])) & 255);
    const minimum = Math.min(63, nearestInt(f(inverseMinimum * minimums[group])) & 255);
    writeSixBit(out, outAt + 4, group, scale, minimum);
    requantize(values, from, 32, group, f(d * scale), f(dmin * minimum), search.maxCode, codes);
  }
}

/**
 * Eight pairs of six-bit numbers in 12 bytes: of groups 0..3 the scales in the low bits of bytes 0..3 and the
 * minimums in those of bytes 4..7; of groups 4..7 the low nibbles of both in bytes 8..11, and their two high bits
 * on top of bytes 0..3 and 4..7.
 */
function writeSixBit(out: Uint8Array, at: number, group: number, scale: number, minimum: number): void {
  if (group < 4) {
    out[at + group] |= scale;
    out[at + group + 4] |= minimum;
  } else {
    out[at + group + 4] = (scale & 15) | ((minimum & 15) << 4);
    out[at + group - 4] |= (scale >> 4) << 6;
    out[at + group] |= (minimum >> 4) << 6;
  }
}

function sixBitScale(blocks: Uint8Array, at: number, group: number): number {
  if (group < 4) return blocks[at + group] & 63;
  return (blocks[at + group + 4] & 15) | ((blocks[at + group - 4] >> 6) << 4);
}

function sixBitMinimum(blocks: Uint8Array, at: number, group: number): number {
  if (group < 4) return blocks[at + group + 4] & 63;
  return (blocks[at + group + 4] >> 4) | ((blocks[at + group] >> 6) << 4);
}

/** Low nibbles of 256 codes: groups of 32 in pairs, the first in the low nibbles of 32 bytes, the second on top. */
function packNibbles(codes: Int8Array, out: Uint8Array, at: number): void {
  for (let pair = 0; pair < 4; pair += 1) {
    for (let i = 0; i < 32; i += 1) {
      out[at + 32 * pair + i] = (codes[64 * pair + i] & 15) | ((codes[64 * pair + 32 + i] & 15) << 4);
    }
  }
}

/** First byte of group `group` of 16 among two-bit codes packed by {@link packTwoBit}. */
export function twoBitByte(group: number): number {
  return 32 * (group >> 3) + 16 * (group & 1);
}

export function twoBitShift(group: number): number {
  return group & 6;
}

/** Two low bits of 256 codes: of each half, byte i holds elements i, i + 32, i + 64, i + 96, from its low bits on. */
export function packTwoBit(codes: Int8Array, out: Uint8Array, at: number): void {
  for (let half = 0; half < 2; half += 1) {
    for (let i = 0; i < 32; i += 1) {
      const j = 128 * half + i;
      out[at + 32 * half + i] =
        (codes[j] & 3) | ((codes[j + 32] & 3) << 2) | ((codes[j + 64] & 3) << 4) | ((codes[j + 96] & 3) << 6);
    }
  }
}
