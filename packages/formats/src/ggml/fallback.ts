/**
 * What a tensor becomes whose rows are not whole blocks of a GGML format: a format of similar width with blocks of 32,
 * as llama.cpp's quantiser chooses it, and nothing where those do not fit either.
 */
import { GGML_BLOCK_SIZES, type GgmlBlockName } from './block-sizes.js';

const NARROWER: Readonly<Partial<Record<GgmlBlockName, GgmlBlockName>>> = {
  q2_K: 'iq4_nl',
  q3_K: 'iq4_nl',
  iq4_xs: 'iq4_nl',
  q4_K: 'q5_0',
  q5_K: 'q5_1',
  q6_K: 'q8_0',
  q8_K: 'q8_0',
  tq1_0: 'q4_0',
  tq2_0: 'q4_0',
  nvfp4: 'mxfp4',
  q1_0: 'q4_0',
  q2_0: 'q4_0',
};

/** `wanted`, or the format that stands in for it in rows of `cols` elements; undefined: keep the tensor in floats. */
export function ggmlFallback(wanted: GgmlBlockName, cols: number): GgmlBlockName | undefined {
  const fits = (name: GgmlBlockName): boolean => cols % GGML_BLOCK_SIZES[name].elements === 0;
  if (fits(wanted)) return wanted;
  const narrower = NARROWER[wanted];
  return narrower !== undefined && fits(narrower) ? narrower : undefined;
}
