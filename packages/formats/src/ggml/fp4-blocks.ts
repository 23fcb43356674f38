/**
 * mxfp4 and nvfp4 as GGML stores them: fp4 e2m1 elements, 32 with a power of two (e8m0), or 64 with an unsigned e4m3
 * for every 16. GGML has no scale of the tensor here: what an nvfp4 scale cannot reach saturates at 2688 and vanishes
 * below 2^-11, and its conversions to e8m0 and e4m3 are its own, not those of the OCP.
 * Source of the rules: ggml `quantize_row_mxfp4_ref`, `..._nvfp4_ref` and their `dequantize_row` mates.
 */
import { type ElementFormat, floatFormat } from '@bitloom/ir';
import { blockType, type GgmlBlock, scaleLevel } from './block-format.js';
import { float32Bits, float32FromBits } from './c-conversions.js';

const f = Math.fround;

/** Twice the value of each code; scales below are halved in turn. Code 8 is a zero without a sign. */
const DOUBLED: readonly number[] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/** Code nearest to value / scale, of two that are equally near the smaller magnitude. `scale` is a halved one. */
function nearestCode(value: number, scale: number): number {
  const size = Math.abs(value);
  let code = 0;
  let nearest = size;
  for (let candidate = 1; candidate < 8; candidate += 1) {
    // In float32, so that far beyond the largest value, where GGML cannot tell the candidates apart, neither can this.
    const distance = Math.abs(f(f(DOUBLED[candidate] * scale) - size));
    if (distance < nearest) {
      nearest = distance;
      code = candidate;
    }
  }
  return value < 0 && code > 0 ? code + 8 : code;
}

function largestMagnitude(values: Float32Array, from: number, count: number): number {
  let amax = 0;
  for (let j = from; j < from + count; j += 1) amax = Math.max(amax, Math.abs(values[j]));
  return amax;
}

function element(): ElementFormat {
  return floatFormat('fp4_e2m1', 2, 1, { specials: 'none' });
}

/** Half of 2^(code − 127). GGML reads 255, the NaN of e8m0, as a number like any other. */
function halfPowerOfTwo(code: number): number {
  return float32FromBits(code < 2 ? 0x200000 << code : (code - 1) << 23);
}

/**
 * The exponent whose window holds `amax`: floor(log2 amax) − 2, plus 127. The logarithm is rounded to float32 before
 * the floor, as in the C code, so a number just below a power of two counts as that power. Below 2^-125, where that
 * goes negative and the C code's conversion is undefined, 0.
 */
function sharedExponent(amax: number): number {
  return amax > 0 ? Math.max(0, Math.floor(f(Math.log2(amax))) + 125) : 0;
}

/** The e8m0 scale, then 16 bytes: element j in the low nibble of byte j, element j + 16 in the high one. */
export const MXFP4: GgmlBlock = {
  name: 'mxfp4',
  elements: 32,
  bytes: 17,
  halves: [],
  decode(blocks, at, out, outAt) {
    const d = halfPowerOfTwo(blocks[at]);
    for (let j = 0; j < 16; j += 1) {
      const byte = blocks[at + 1 + j];
      out[outAt + j] = DOUBLED[byte & 15] * d;
      out[outAt + j + 16] = DOUBLED[byte >> 4] * d;
    }
  },
  encode(values, from, out, outAt) {
    const exponent = sharedExponent(largestMagnitude(values, from, 32));
    const d = halfPowerOfTwo(exponent);
    out[outAt] = exponent;
    for (let j = 0; j < 16; j += 1) {
      out[outAt + 1 + j] = nearestCode(values[from + j], d) | (nearestCode(values[from + j + 16], d) << 4);
    }
  },
  type: (shape) =>
    blockType('mxfp4', shape, element(), [
      scaleLevel(floatFormat('e8m0', 8, 0, { signed: false, specials: 'nan-only' }), 32, 'floor'),
    ]),
};

/** Half of the e4m3 value of the seven low bits. 0x7f is 0, though 0xff, which is never written, is 240. */
function halfScale(code: number): number {
  if (code === 0x7f) return 0;
  const magnitude = code & 0x7f;
  return magnitude < 8 ? magnitude / 1024 : float32FromBits((magnitude << 20) + (119 << 23));
}

/**
 * The e4m3 code for a scale of 0 or more: halves up, not to even. From 256 on it is the largest, 448: GGML leaves out
 * the steps between.
 */
function scaleCode(scale: number): number {
  const limited = Math.min(scale, 448);
  const bits = float32Bits(limited);
  const exponent = (bits >> 23) - 120;
  if (exponent <= 0) return Math.min(7, Math.floor(f(f(limited * 512) + 0.5)));
  if (exponent >= 15) return 0x7e;
  const code = (exponent << 3) + ((bits >> 20) & 7) + ((bits >> 19) & 1);
  return code >= 0x78 ? 0x7e : code;
}

/** Four e4m3 scales, then 8 bytes for each: of group g, element j is in the low nibble of byte j, j + 8 in the high. */
export const NVFP4: GgmlBlock = {
  name: 'nvfp4',
  elements: 64,
  bytes: 36,
  halves: [],
  decode(blocks, at, out, outAt) {
    for (let group = 0; group < 4; group += 1) {
      const d = halfScale(blocks[at + group]);
      const codesAt = at + 4 + 8 * group;
      const to = outAt + 16 * group;
      for (let j = 0; j < 8; j += 1) {
        const byte = blocks[codesAt + j];
        out[to + j] = DOUBLED[byte & 15] * d;
        out[to + j + 8] = DOUBLED[byte >> 4] * d;
      }
    }
  },
  encode(values, from, out, outAt) {
    for (let group = 0; group < 4; group += 1) {
      const start = from + 16 * group;
      const code = scaleCode(f(largestMagnitude(values, start, 16) / 6));
      const d = halfScale(code);
      out[outAt + group] = code;
      const codesAt = outAt + 4 + 8 * group;
      for (let j = 0; j < 8; j += 1) {
        out[codesAt + j] = nearestCode(values[start + j], d) | (nearestCode(values[start + j + 8], d) << 4);
      }
    }
  },
  type: (shape) =>
    blockType('nvfp4', shape, element(), [
      scaleLevel(floatFormat('ue4m3', 4, 3, { signed: false, specials: 'fn' }), 16, 'amax/6'),
    ]),
};
