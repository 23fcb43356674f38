/**
 * The block formats of GGML, as GGUF files store them: names, sizes, and whole tensors in both directions. Decoding
 * is bit for bit that of GGML; encoding is byte for byte its reference quantisation without an importance matrix, so
 * that files come out the same as those of GGML's own tools. Each format is a record; the families have a file each.
 */
import { BitloomError } from '@bitloom/ir';
import type { GgmlBlock } from './block-format.js';
import { GGML_BLOCK_SIZES, type GgmlBlockName } from './block-sizes.js';
import { MXFP4, NVFP4 } from './fp4-blocks.js';
import { IQ4_NL, IQ4_XS } from './iq4.js';
import { Q2_K, Q4_K, Q5_K } from './k-quants-range.js';
import { Q3_K, Q6_K, Q8_K } from './k-quants-symmetric.js';
import { Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 } from './legacy-blocks.js';
import { Q1_0, Q2_0 } from './one-two-bit.js';
import { TQ1_0, TQ2_0 } from './ternary.js';
import { decodeBlocks, encodeBlocks } from './whole-blocks.js';

/** Every block format, by GGML's name. */
export const GGML_BLOCKS: Readonly<Record<GgmlBlockName, GgmlBlock>> = {
  q1_0: Q1_0,
  q2_0: Q2_0,
  q4_0: Q4_0,
  q4_1: Q4_1,
  q5_0: Q5_0,
  q5_1: Q5_1,
  q8_0: Q8_0,
  q2_K: Q2_K,
  q3_K: Q3_K,
  q4_K: Q4_K,
  q5_K: Q5_K,
  q6_K: Q6_K,
  q8_K: Q8_K,
  iq4_nl: IQ4_NL,
  iq4_xs: IQ4_XS,
  tq1_0: TQ1_0,
  tq2_0: TQ2_0,
  mxfp4: MXFP4,
  nvfp4: NVFP4,
};

function isBlockName(name: string): name is GgmlBlockName {
  return Object.hasOwn(GGML_BLOCK_SIZES, name);
}

/** Names of all block formats. */
export const GGML_BLOCK_NAMES: readonly GgmlBlockName[] = Object.keys(GGML_BLOCK_SIZES).filter(isBlockName);

/**
 * The block format called `name`, spelt as GGML does (`q4_K`, `iq4_nl`).
 *
 * @throws BitloomError `format-unknown`.
 */
export function ggmlBlock(name: string): GgmlBlock {
  if (isBlockName(name)) return GGML_BLOCKS[name];
  throw new BitloomError({
    code: 'format-unknown',
    message: 'there is no GGML block format of this name',
    expected: GGML_BLOCK_NAMES.join(', '),
    got: name,
  });
}

/** Elements and bytes of one block. */
export function ggmlBlockSize(name: GgmlBlockName): { elements: number; bytes: number } {
  const { elements, bytes } = GGML_BLOCK_SIZES[name];
  return { elements, bytes };
}

/**
 * Decodes whole blocks to float32, bit for bit as GGML does. Any bytes decode: a scale that is stored as an infinity
 * or a NaN gives values that are not finite.
 *
 * @param out as long as the blocks have elements; a new array by default
 * @throws BitloomError `ggml-length` when the bytes are not whole blocks or `out` has another length,
 *   `format-unknown` for a name that is none.
 */
export function decodeGgmlBlocks(
  name: GgmlBlockName,
  blocks: Uint8Array,
  out?: Float32Array,
): Float32Array<ArrayBufferLike> {
  return decodeBlocks(ggmlBlock(name), blocks, out);
}

/**
 * Encodes float32 values as whole blocks, byte for byte as GGML's reference does without an importance matrix. Where
 * GGML would write an infinite scale, this throws instead; where it would write what its buffer happened to hold (the
 * codes of an `iq4_nl` block of zeros, the sums of a `q8_K` one), this writes fixed bytes of the same meaning.
 *
 * @throws BitloomError `ggml-length` unless the number of values is a multiple of the block's elements,
 *   `quantize-not-finite` for a NaN or an infinity, `quantize-scale-overflow` for a block whose scale or minimum
 *   does not fit its format, `format-unknown` for a name that is none.
 */
export function encodeGgmlBlocks(name: GgmlBlockName, values: Float32Array): Uint8Array<ArrayBuffer> {
  return encodeBlocks(ggmlBlock(name), values);
}
