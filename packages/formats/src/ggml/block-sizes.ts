/**
 * Names and exact sizes of the GGML block formats, as data. Source: ggml's type table; every row ends in
 * bits = 8 · bytes / elements. Separate from the codecs, so that asking for a size does not load them.
 */

/** Sizes of one block, and what an element costs with its share of the scales. */
export interface GgmlBlockSize {
  readonly elements: number;
  readonly bytes: number;
  readonly bitsPerWeight: number;
}

/** Block formats by GGML's name, in order of bits per family. */
export const GGML_BLOCK_SIZES = {
  q1_0: { elements: 128, bytes: 18, bitsPerWeight: 1.125 },
  q2_0: { elements: 64, bytes: 18, bitsPerWeight: 2.25 },
  q4_0: { elements: 32, bytes: 18, bitsPerWeight: 4.5 },
  q4_1: { elements: 32, bytes: 20, bitsPerWeight: 5 },
  q5_0: { elements: 32, bytes: 22, bitsPerWeight: 5.5 },
  q5_1: { elements: 32, bytes: 24, bitsPerWeight: 6 },
  q8_0: { elements: 32, bytes: 34, bitsPerWeight: 8.5 },
  q2_K: { elements: 256, bytes: 84, bitsPerWeight: 2.625 },
  q3_K: { elements: 256, bytes: 110, bitsPerWeight: 3.4375 },
  q4_K: { elements: 256, bytes: 144, bitsPerWeight: 4.5 },
  q5_K: { elements: 256, bytes: 176, bitsPerWeight: 5.5 },
  q6_K: { elements: 256, bytes: 210, bitsPerWeight: 6.5625 },
  q8_K: { elements: 256, bytes: 292, bitsPerWeight: 9.125 },
  iq4_nl: { elements: 32, bytes: 18, bitsPerWeight: 4.5 },
  iq4_xs: { elements: 256, bytes: 136, bitsPerWeight: 4.25 },
  tq1_0: { elements: 256, bytes: 54, bitsPerWeight: 1.6875 },
  tq2_0: { elements: 256, bytes: 66, bitsPerWeight: 2.0625 },
  mxfp4: { elements: 32, bytes: 17, bitsPerWeight: 4.25 },
  nvfp4: { elements: 64, bytes: 36, bitsPerWeight: 4.5 },
} as const satisfies Record<string, GgmlBlockSize>;

/** A block format that can be read and written here, as GGML spells it. */
export type GgmlBlockName = keyof typeof GGML_BLOCK_SIZES;
