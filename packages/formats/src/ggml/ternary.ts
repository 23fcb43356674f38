/**
 * tq1_0 and tq2_0: 256 elements of −1, 0 or 1 with one fp16 scale, for networks that were trained so. tq1_0 packs
 * five of them into a byte in base 3, tq2_0 four in two bits each.
 * Source of the rules: ggml `quantize_row_tq1_0_ref`, `..._tq2_0_ref` and their `dequantize_row` mates.
 */
import { codebookFormat, FP16 } from '@bitloom/ir';
import { blockType, type GgmlBlock, readHalf, scaleLevel, writeHalf } from './block-format.js';
import { roundHalfAway } from './c-conversions.js';

const f = Math.fround;

/** Writes the scale, the largest magnitude, and leaves code + 1 of every element: 0, 1 or 2. */
function encodeTrits(
  values: Float32Array,
  from: number,
  out: Uint8Array,
  scaleAt: number,
  codes: Int8Array,
): void {
  let d = 0;
  for (let j = from; j < from + 256; j += 1) d = Math.max(d, Math.abs(values[j]));
  writeHalf(out, scaleAt, d);
  const inverse = d === 0 ? 0 : f(1 / d);
  for (let j = 0; j < 256; j += 1) {
    const scaled = f(values[from + j] * inverse);
    // A reciprocal that overflowed; its scale is stored as 0, and GGML's conversion makes every such code 0.
    codes[j] = Number.isFinite(scaled) ? roundHalfAway(scaled) + 1 : 1;
  }
}

/** Runs of bytes in base 3: how many bytes, and how many elements each holds, one every `bytes` elements. */
interface TritRun {
  readonly at: number;
  readonly bytes: number;
  readonly perByte: number;
  readonly element: number;
}

const TRIT_RUNS: readonly TritRun[] = [
  { at: 0, bytes: 32, perByte: 5, element: 0 },
  { at: 32, bytes: 16, perByte: 5, element: 160 },
  { at: 48, bytes: 4, perByte: 4, element: 240 },
];

/**
 * 52 bytes in base 3, then d. A byte is its number of five digits as a fraction of 256, rounded up, so that digit n
 * is the whole part of 3 · (byte · 3^n mod 256) / 256.
 */
export const TQ1_0: GgmlBlock = {
  name: 'tq1_0',
  elements: 256,
  bytes: 54,
  halves: [52],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at + 52);
    for (const run of TRIT_RUNS) {
      for (let i = 0; i < run.bytes; i += 1) {
        let rest = blocks[at + run.at + i];
        for (let digit = 0; digit < run.perByte; digit += 1) {
          out[outAt + run.element + digit * run.bytes + i] = (((rest * 3) >> 8) - 1) * d;
          rest = (rest * 3) & 255;
        }
      }
    }
  },
  encode(values, from, out, outAt, { codes }) {
    encodeTrits(values, from, out, outAt + 52, codes);
    for (const run of TRIT_RUNS) {
      for (let i = 0; i < run.bytes; i += 1) {
        let number = 0;
        for (let digit = 0; digit < 5; digit += 1) {
          const trit = digit < run.perByte ? codes[run.element + digit * run.bytes + i] : 0;
          number = number * 3 + trit;
        }
        out[outAt + run.at + i] = Math.ceil((number * 256) / 243);
      }
    }
  },
  type: (shape) =>
    blockType('tq1_0', shape, codebookFormat('ternary', 2, [-1, 0, 1]), [scaleLevel(FP16, 256, 'amax')]),
};

/** 64 bytes, then d: of each half, byte i holds elements i, i + 32, i + 64, i + 96, from its low bits on. */
export const TQ2_0: GgmlBlock = {
  name: 'tq2_0',
  elements: 256,
  bytes: 66,
  halves: [64],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at + 64);
    for (let part = 0; part < 8; part += 1) {
      const codesAt = at + 32 * (part >> 2);
      const shift = 2 * (part & 3);
      const to = outAt + 32 * part;
      for (let i = 0; i < 32; i += 1) out[to + i] = (((blocks[codesAt + i] >> shift) & 3) - 1) * d;
    }
  },
  encode(values, from, out, outAt, { codes }) {
    encodeTrits(values, from, out, outAt + 64, codes);
    for (let part = 0; part < 8; part += 1) {
      for (let i = 0; i < 32; i += 1) {
        out[outAt + 32 * (part >> 2) + i] |= codes[32 * part + i] << (2 * (part & 3));
      }
    }
  },
  // The fourth code is never written; it would mean 2.
  type: (shape) =>
    blockType('tq2_0', shape, codebookFormat('ternary+2', 2, [-1, 0, 1, 2]), [scaleLevel(FP16, 256, 'amax')]),
};
