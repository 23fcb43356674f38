/**
 * q1_0 and q2_0: signs of 128 elements with the mean magnitude as their scale, and two-bit codes of 64 elements with
 * the largest magnitude as theirs, both in fp16.
 * Source of the rules: ggml `quantize_row_q1_0_ref`, `..._q2_0_ref` and their `dequantize_row` mates.
 */
import { codebookFormat, FP16 } from '@bitloom/ir';
import { blockType, type GgmlBlock, readHalf, scaleLevel, writeHalf } from './block-format.js';
import { roundHalfAway } from './c-conversions.js';

const f = Math.fround;

/** d, then one bit per element, set where the value is not negative. Value = ±d. */
export const Q1_0: GgmlBlock = {
  name: 'q1_0',
  elements: 128,
  bytes: 18,
  halves: [0],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at);
    for (let j = 0; j < 128; j += 1) {
      out[outAt + j] = ((blocks[at + 2 + (j >> 3)] >> (j & 7)) & 1) === 1 ? d : -d;
    }
  },
  encode(values, from, out, outAt) {
    let sum = 0;
    for (let j = 0; j < 128; j += 1) {
      sum = f(sum + Math.abs(values[from + j]));
      if (values[from + j] >= 0) out[outAt + 2 + (j >> 3)] |= 1 << (j & 7);
    }
    writeHalf(out, outAt, f(sum / 128));
  },
  type: (shape) =>
    blockType('q1_0', shape, codebookFormat('binary', 1, [-1, 1]), [scaleLevel(FP16, 128, 'mean')]),
};

/** d, then four codes a byte from the low bits on. Value = (code − 1)·d; code 3 is never written. */
export const Q2_0: GgmlBlock = {
  name: 'q2_0',
  elements: 64,
  bytes: 18,
  halves: [0],
  decode(blocks, at, out, outAt) {
    const d = readHalf(blocks, at);
    for (let j = 0; j < 64; j += 1) {
      out[outAt + j] = (((blocks[at + 2 + (j >> 2)] >> (2 * (j & 3))) & 3) - 1) * d;
    }
  },
  encode(values, from, out, outAt) {
    let d = 0;
    for (let j = from; j < from + 64; j += 1) d = Math.max(d, Math.abs(values[j]));
    writeHalf(out, outAt, d);
    const inverse = d === 0 ? 0 : f(1 / d);
    for (let j = 0; j < 64; j += 1) {
      const scaled = f(values[from + j] * inverse);
      // A reciprocal that overflowed; its scale is stored as 0, and GGML's conversion makes every such code the first.
      const code = Number.isFinite(scaled) ? roundHalfAway(scaled) + 1 : 0;
      out[outAt + 2 + (j >> 2)] |= code << (2 * (j & 3));
    }
  },
  type: (shape) =>
    blockType('q2_0', shape, codebookFormat('ternary+2', 2, [-1, 0, 1, 2]), [scaleLevel(FP16, 64, 'amax')]),
};
