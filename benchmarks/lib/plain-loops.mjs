/** Conversions of number formats as plain loops, as one writes them: no options, no checks, no rows that end in a group. */
import { decodeFp16Array, encodeFp16Array } from '@bitloom/formats';

/** INT4 in groups of 32 with float32 scales rounded to fp16 by a table of the package. */
export function plainInt4(x) {
  const groups = x.length / 32;
  const quotients = new Float32Array(groups);
  for (let g = 0; g < groups; g += 1) {
    let amax = 0;
    for (let i = g * 32; i < g * 32 + 32; i += 1) amax = Math.max(amax, Math.abs(x[i]));
    quotients[g] = amax / 7;
  }
  const scales = encodeFp16Array(quotients);
  const factors = decodeFp16Array(scales);
  const codes = new Uint8Array(x.length / 2);
  for (let g = 0; g < groups; g += 1) {
    // What is divided by infinity has the code 0.
    const scale = factors[g] || Number.POSITIVE_INFINITY;
    for (let i = g * 32; i < g * 32 + 32; i += 2) {
      const low = Math.fround(Math.fround(Math.max(-7, Math.min(7, x[i] / scale))) + 12582912);
      const high = Math.fround(Math.fround(Math.max(-7, Math.min(7, x[i + 1] / scale))) + 12582912);
      codes[i >> 1] = ((low - 12582912) & 15) | ((high - 12582912) << 4);
    }
  }
  return { codes, scales };
}

export function plainInt4Back({ codes, scales }, out) {
  const factors = decodeFp16Array(scales);
  for (let i = 0; i < out.length; i += 2) {
    const scale = factors[i >> 5];
    const byte = codes[i >> 1];
    out[i] = ((byte << 28) >> 28) * scale;
    out[i + 1] = ((byte << 24) >> 28) * scale;
  }
  return out;
}

const FP4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
/** MXFP4 by the rule floor: thresholds for the elements. */
export function plainMxfp4(x) {
  const blocks = x.length / 32;
  const scales = new Uint8Array(blocks);
  const codes = new Uint8Array(x.length / 2);
  const float = new Float32Array(1);
  const word = new Int32Array(float.buffer);
  // Between neighbours the even code takes the middle.
  const upper = (size) => (size <= 2.5 ? 4 : size < 3.5 ? 5 : size <= 5 ? 6 : 7);
  const lower = (size) => (size <= 0.25 ? 0 : size < 0.75 ? 1 : size <= 1.25 ? 2 : 3);
  const code = (value) => {
    const size = Math.abs(value);
    const magnitude = size < 1.75 ? lower(size) : upper(size);
    return value < 0 || Object.is(value, -0) ? magnitude | 8 : magnitude;
  };
  for (let block = 0; block < blocks; block += 1) {
    const start = block * 32;
    float[0] = 0;
    for (let i = start; i < start + 32; i += 1) float[0] = Math.max(float[0], Math.abs(x[i]));
    const exponent = Math.max(0, (word[0] >> 23) - 2);
    scales[block] = exponent;
    const factor = 2 ** (127 - exponent);
    for (let i = start; i < start + 32; i += 2)
      codes[i >> 1] = code(x[i] * factor) | (code(x[i + 1] * factor) << 4);
  }
  return { codes, scales };
}

export function plainMxfp4Back({ codes, scales }, out) {
  const table = Float32Array.from({ length: 16 }, (_, k) => (k < 8 ? FP4[k] : -FP4[k - 8]));
  for (let block = 0; block < scales.length; block += 1) {
    const scale = 2 ** (scales[block] - 127);
    for (let i = block * 32; i < block * 32 + 32; i += 2) {
      const byte = codes[i >> 1];
      out[i] = table[byte & 15] * scale;
      out[i + 1] = table[byte >> 4] * scale;
    }
  }
  return out;
}
