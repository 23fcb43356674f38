/**
 * The types a matrix can be written in: how float32 becomes bytes, and what `general.file_type` calls a file made of
 * them. Where a row is no whole number of blocks, another type stands in: the one `formats` names, else F16.
 *
 * Not for: reading (`types.ts` knows every type GGUF has), mixtures of types by tensor, or Q8_K, which GGML has for
 * activations only.
 *
 * Source of the numbers: `llama_ftype` of llama.cpp.
 */
import {
  encodeBf16Array,
  encodeFp16Array,
  encodeGgmlBlocks,
  FP16_MAX,
  type GgmlBlockName,
  ggmlFallback,
} from '@bitloom/formats';
import { BitloomError } from '@bitloom/ir';
import type { TensorEncoding } from '../tensors/encoding.js';
import { ggufTensorType } from './writer.js';

/** A type that matrices can be written in. */
export interface GgufStorageType {
  /** As the table of GGUF types has it, e.g. `Q4_K`. */
  readonly name: string;
  readonly encoding: TensorEncoding;
  /** Value of `general.file_type` for a file whose matrices are of this type. */
  readonly fileType: number;
  /** The block format in `formats`; the plain types have none. */
  readonly block?: GgmlBlockName;
  /**
   * Bytes of whole blocks.
   *
   * @throws BitloomError `quantize-not-finite`, `quantize-scale-overflow`, `export-value-outside`
   */
  readonly encode: (values: Float32Array) => Uint8Array;
}

type Row = readonly [fileType: number, storage: GgmlBlockName | ((values: Float32Array) => Uint8Array)];

const TYPES: Readonly<Record<string, Row>> = {
  F32: [0, (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)],
  F16: [1, encodeHalves],
  BF16: [32, (values) => bytesOf(encodeBf16Array(values))],
  Q8_0: [7, 'q8_0'],
  Q6_K: [18, 'q6_K'],
  Q5_K: [16, 'q5_K'],
  Q5_1: [9, 'q5_1'],
  Q5_0: [8, 'q5_0'],
  Q4_K: [14, 'q4_K'],
  Q4_1: [3, 'q4_1'],
  Q4_0: [2, 'q4_0'],
  IQ4_NL: [25, 'iq4_nl'],
  IQ4_XS: [30, 'iq4_xs'],
  MXFP4: [38, 'mxfp4'],
  NVFP4: [39, 'nvfp4'],
  Q3_K: [11, 'q3_K'],
  Q2_K: [10, 'q2_K'],
  Q2_0: [41, 'q2_0'],
  TQ2_0: [37, 'tq2_0'],
  TQ1_0: [36, 'tq1_0'],
  Q1_0: [40, 'q1_0'],
};

/** Names of the types that matrices can be written in, wide ones first. */
export const GGUF_STORAGE_TYPES: readonly string[] = /* @__PURE__ */ Object.keys(TYPES);

/**
 * The type of that name, in either case.
 *
 * @throws BitloomError `export-type-unknown`
 */
export function ggufStorageType(name: string): GgufStorageType {
  const upper = name.toUpperCase();
  if (!Object.hasOwn(TYPES, upper)) {
    throw new BitloomError({
      code: 'export-type-unknown',
      message: 'matrices cannot be written in this type',
      where: 'GGUF',
      expected: GGUF_STORAGE_TYPES.join(', '),
      got: JSON.stringify(name),
      hint: 'choose one of these types; Q8_0 is close to the original at a quarter of its size',
    });
  }
  const [fileType, storage] = TYPES[upper];
  const { encoding } = ggufTensorType(upper, 'a matrix');
  if (typeof storage === 'function') return { name: upper, encoding, fileType, encode: storage };
  const encode = (values: Float32Array): Uint8Array => encodeGgmlBlocks(storage, values);
  return { name: upper, encoding, fileType, block: storage, encode };
}

/** The type itself, or what stands in for it in rows of this length. */
export function fittingType(wanted: GgufStorageType, rowLength: number): GgufStorageType {
  if (wanted.block === undefined) return wanted;
  const block = ggmlFallback(wanted.block, rowLength);
  return block === wanted.block ? wanted : ggufStorageType(block ?? 'F16');
}

/** F16, refusing what would become an infinity. */
function encodeHalves(values: Float32Array): Uint8Array {
  const words = encodeFp16Array(values);
  const lost = values.findIndex((value, i) => (words[i] & 0x7fff) === 0x7c00 && Number.isFinite(value));
  if (lost === -1) return bytesOf(words);
  throw new BitloomError({
    code: 'export-value-outside',
    message: 'a value is too large for F16',
    where: `element ${lost}`,
    expected: `at most ${FP16_MAX} in magnitude`,
    got: String(values[lost]),
    hint: 'export as bf16 or f32',
  });
}

function bytesOf(words: Uint16Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
