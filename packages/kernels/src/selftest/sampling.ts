/** Self-test cases of the reductions over logits. */
import type { SamplingKernels } from '../interface/sampling.js';
import type { SelfTestCases } from './places.js';

export const SAMPLING_CASES: SelfTestCases<SamplingKernels> = {
  argMax: (k, p) => k.argMax(4, 27, p.floats + 64, 112, p.out),
  softmaxStatistics: (k, p) => k.softmaxStatistics(4, 27, p.floats, 112, 0.5, p.out),
};
