/** Self-test cases of attention. */
import type { AttentionKernels } from '../interface/attention.js';
import { FLAG_CONTINUE, FLAG_FINISH } from '../interface/group-products.js';
import type { SelfTestCases } from './places.js';

export const ATTENTION_CASES: SelfTestCases<AttentionKernels> = {
  attentionScores: (k, p) =>
    k.attentionScores(
      2,
      3,
      7,
      21,
      p.bytes,
      99,
      33,
      p.floats,
      12,
      4,
      p.bytes + 512,
      300,
      23,
      p.floats + 64,
      0,
      2,
      p.out,
      128,
      32,
    ),
  softmaxQuantize(k, p) {
    k.softmaxQuantize(
      2,
      2,
      21,
      p.scratch,
      168,
      84,
      p.floats + 512,
      0,
      2,
      20,
      1,
      0.125,
      p.out,
      64,
      32,
      24,
      p.out + 512,
      8,
      4,
    );
  },
  attentionMix: (k, p) =>
    k.attentionMix(
      2,
      2,
      29,
      7,
      p.bytes,
      20,
      9,
      p.floats,
      8,
      4,
      p.bytes + 256,
      0,
      31,
      2,
      p.out,
      256,
      128,
      p.out + 1024,
      256,
      128,
      FLAG_CONTINUE | FLAG_FINISH,
    ),
  attentionScoresF32: (k, p) =>
    k.attentionScoresF32(2, 2, 3, 23, p.floats, 200, 96, p.floats + 512, 0, 92, 2, p.out, 32, 16),
  softmaxF32: (k, p) => k.softmaxF32(2, 2, 27, p.floats, 240, 108, 26, 1, 0.5, p.out, 256, 112),
  attentionMixF32: (k, p) =>
    k.attentionMixF32(2, 2, 27, 5, p.floats, 64, 20, p.floats + 512, 0, 108, 2, p.out, 256, 112),
  maskScores: (k, p) => k.maskScores(2, 3, 23, p.out, 400, 100, 5, 6, p.bytes, 7, 4, 2, 6),
};
