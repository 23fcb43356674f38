/**
 * The K-quants without a minimum: q3_K and q6_K, 256 elements in groups of 16 with a small signed integer scale each
 * and an fp16 unit per block, and q8_K, 256 int8 codes with one float32 scale and their sums by 16 (the form in
 * which GGML keeps activations). Value = (d·scale)·code.
 * Source of the rules: ggml `quantize_row_q3_K_ref`, `..._q6_K_ref`, `..._q8_K_ref` and their `dequantize_row` mates.
 */
import { FP16, FP32, intFormat } from '@bitloom/ir';
import { blockType, type GgmlBlock, readHalf, scaleLevel, writeHalf } from './block-format.js';
import { float32Bits, float32FromBits, nearestInt } from './c-conversions.js';
import { packTwoBit, twoBitByte, twoBitShift } from './k-quants-range.js';
import { clamp, fitSymmetricGroups, GROUP_EPSILON, refineSymmetric } from './scale-search.js';

const f = Math.fround;

/** The number of largest magnitude among the first 16, with its sign; NaN where one of them is not finite. */
function extremeScale(scales: Float32Array): number {
  let extreme = 0;
  for (let i = 0; i < 16; i += 1) {
    // A sum of cubes that overflowed; the values are beyond any scale that fp16 holds.
    if (!Number.isFinite(scales[i])) return Number.NaN;
    if (Math.abs(scales[i]) > Math.abs(extreme)) extreme = scales[i];
  }
  return extreme;
}

/** Codes of a group of 16 again, for the scale that was stored; as searched where that is 0. */
function requantize(
  values: Float32Array,
  from: number,
  group: number,
  scale: number,
  half: number,
  codes: Int8Array,
): void {
  if (scale === 0) return;
  for (let i = 16 * group; i < 16 * group + 16; i += 1) {
    codes[i] = half + clamp(nearestInt(f(values[from + i] / scale)), -half, half - 1);
  }
}

/**
 * 32 bytes of third bits (bit g of byte i is that of element 32·g + i), 64 bytes of the two low bits, 12 bytes of
 * six-bit scales less 32, d. Value = (d·scale)·(code − 4).
 */
export const Q3_K: GgmlBlock = {
  name: 'q3_K',
  elements: 256,
  bytes: 110,
  halves: [108],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at + 108);
    for (let group = 0; group < 16; group += 1) {
      const scale = d * q3Scale(blocks, at + 96, group);
      const codesAt = at + 32 + twoBitByte(group);
      const shift = twoBitShift(group);
      const thirdAt = at + 16 * (group & 1);
      const to = outAt + 16 * group;
      for (let i = 0; i < 16; i += 1) {
        const third = ((blocks[thirdAt + i] >> (group >> 1)) & 1) << 2;
        out[to + i] = scale * ((((blocks[codesAt + i] >> shift) & 3) | third) - 4);
      }
    }
  },
  encode(values, from, out, outAt, { codes, scales }) {
    for (let group = 0; group < 16; group += 1) {
      scales[group] = refineSymmetric(values, from + 16 * group, 4, codes, 16 * group);
    }
    const extreme = extremeScale(scales);
    if (extreme !== 0) {
      const inverse = f(-32 / extreme);
      for (let group = 0; group < 16; group += 1) {
        const code = clamp((nearestInt(f(inverse * scales[group])) << 24) >> 24, -32, 31) + 32;
        out[outAt + 96 + (group & 7)] |= (code & 15) << (group < 8 ? 0 : 4);
        out[outAt + 104 + (group & 3)] |= (code >> 4) << (2 * (group >> 2));
      }
      writeHalf(out, outAt + 108, f(1 / inverse));
    }
    const d = readHalf(out, outAt + 108);
    for (let group = 0; group < 16; group += 1) {
      requantize(values, from, group, f(d * q3Scale(out, outAt + 96, group)), 4, codes);
    }
    for (let j = 0; j < 256; j += 1) out[outAt + (j & 31)] |= (codes[j] >> 2) << (j >> 5);
    packTwoBit(codes, out, outAt + 32);
  },
  type: (shape) =>
    blockType('q3_K', shape, intFormat(3), [
      scaleLevel(intFormat(6), 16, 'search'),
      scaleLevel(FP16, 256, 'extreme/-32'),
    ]),
};

/** Low nibbles of 16 scales in bytes 0..7 (two each, eight apart), their two high bits in bytes 8..11; less 32. */
function q3Scale(blocks: Uint8Array, at: number, group: number): number {
  const low = (blocks[at + (group & 7)] >> (group < 8 ? 0 : 4)) & 15;
  const high = (blocks[at + 8 + (group & 3)] >> (2 * (group >> 2))) & 3;
  return (low | (high << 4)) - 32;
}

/**
 * 128 bytes of low nibbles, 64 bytes of the two high bits, 16 int8 scales, d. Value = (d·scale)·(code − 32).
 * Of each half of the block, byte i of its 64 low bytes holds elements i and i + 64, and the high bits of elements
 * i, i + 32, i + 64, i + 96 share byte i of its 32 high ones.
 */
export const Q6_K: GgmlBlock = {
  name: 'q6_K',
  elements: 256,
  bytes: 210,
  halves: [208],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at + 208);
    for (let group = 0; group < 16; group += 1) {
      const scale = d * ((blocks[at + 192 + group] << 24) >> 24);
      const half = group >> 3;
      const lowAt = at + 64 * half + 16 * (group & 3);
      const lowShift = group & 4;
      const highAt = at + 128 + 32 * half + 16 * (group & 1);
      const highShift = group & 6;
      const to = outAt + 16 * group;
      for (let i = 0; i < 16; i += 1) {
        const low = (blocks[lowAt + i] >> lowShift) & 15;
        const high = (blocks[highAt + i] >> highShift) & 3;
        out[to + i] = scale * ((low | (high << 4)) - 32);
      }
    }
  },
  encode(values, from, out, outAt, scratch) {
    const { codes, scales } = scratch;
    fitSymmetricGroups(values, from, 32, scratch);
    const extreme = extremeScale(scales);
    // A block of zeros stays a block of zero bytes.
    if (Math.abs(extreme) < GROUP_EPSILON) return;
    const inverse = f(-128 / extreme);
    const d = writeHalf(out, outAt + 208, f(1 / inverse));
    for (let group = 0; group < 16; group += 1) {
      const code = (Math.min(127, nearestInt(f(inverse * scales[group]))) << 24) >> 24;
      out[outAt + 192 + group] = code;
      requantize(values, from, group, f(d * code), 32, codes);
    }
    for (let half = 0; half < 2; half += 1) {
      for (let i = 0; i < 32; i += 1) {
        const j = 128 * half + i;
        const low = outAt + 64 * half + i;
        out[low] = (codes[j] & 15) | ((codes[j + 64] & 15) << 4);
        out[low + 32] = (codes[j + 32] & 15) | ((codes[j + 96] & 15) << 4);
        out[outAt + 128 + 32 * half + i] =
          (codes[j] >> 4) |
          ((codes[j + 32] >> 4) << 2) |
          ((codes[j + 64] >> 4) << 4) |
          ((codes[j + 96] >> 4) << 6);
      }
    }
  },
  type: (shape) =>
    blockType('q6_K', shape, intFormat(6), [
      scaleLevel(intFormat(8), 16, 'search'),
      scaleLevel(FP16, 256, 'extreme/-128'),
    ]),
};

/** d as float32, 256 int8 codes, then sixteen int16 sums of 16 codes each, which decoding does not need. */
export const Q8_K: GgmlBlock = {
  name: 'q8_K',
  elements: 256,
  bytes: 292,
  halves: [],
  floats: [0],
  decode(blocks, at, out, outAt) {
    const d = float32FromBits(
      blocks[at] | (blocks[at + 1] << 8) | (blocks[at + 2] << 16) | (blocks[at + 3] << 24),
    );
    for (let j = 0; j < 256; j += 1) out[outAt + j] = d * ((blocks[at + 4 + j] << 24) >> 24);
  },
  encode(values, from, out, outAt) {
    let extreme = 0;
    for (let j = from; j < from + 256; j += 1) {
      if (Math.abs(values[j]) > Math.abs(extreme)) extreme = values[j];
    }
    if (extreme === 0) return;
    const inverse = f(-127 / extreme);
    const d = f(1 / inverse);
    // Two divisions make the scale of the largest float32 a little too large to decode.
    const bits = float32Bits(Number.isFinite(f(127 * d)) ? d : Number.POSITIVE_INFINITY);
    for (let byte = 0; byte < 4; byte += 1) out[outAt + byte] = bits >> (8 * byte);
    for (let group = 0; group < 16; group += 1) {
      let sum = 0;
      for (let j = 16 * group; j < 16 * group + 16; j += 1) {
        const code = (Math.min(127, nearestInt(f(inverse * values[from + j]))) << 24) >> 24;
        out[outAt + 4 + j] = code;
        sum += code;
      }
      out[outAt + 260 + 2 * group] = sum;
      out[outAt + 261 + 2 * group] = sum >> 8;
    }
  },
  type: (shape) => blockType('q8_K', shape, intFormat(8), [scaleLevel(FP32, 256, 'extreme/-127')]),
};
