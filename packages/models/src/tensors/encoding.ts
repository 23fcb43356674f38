/**
 * How a stored tensor's bytes become float32: one record per encoding, in blocks. Readers of files share it.
 * An encoding without `decode` has a known size (so that a file's layout can be checked) but no reader yet;
 * asking for its values is a typed error, never a guess.
 *
 * Not for: what a bit pattern means (`formats`).
 */
import {
  decodeBf16Array,
  decodeFp16Array,
  decodeGgmlBlocks,
  GGML_BLOCK_NAMES,
  GGML_BLOCK_SIZES,
  type GgmlBlockName,
  ggmlGroupBytes,
  ggmlGroupCodes,
  ggmlGroupScales,
  ggmlGroupScheme,
  isGgmlGroupBlock,
} from '@bitloom/formats';
import type { BlockCodes } from './stored-codes.js';

/** Decodes whole blocks; `out` has as many elements as `bytes` holds. */
export type DecodeBlocks = (bytes: Uint8Array, out: Float32Array<ArrayBuffer>) => void;

export interface TensorEncoding {
  readonly name: string;
  /** Elements of one block. */
  readonly blockElements: number;
  /** Bytes of one block. */
  readonly blockBytes: number;
  readonly decode?: DecodeBlocks;
  /** Where the blocks are symmetric group integers: how they are taken as such. */
  readonly codes?: BlockCodes;
}

/** An encoding in blocks of several elements. */
export function blockEncoding(
  name: string,
  blockElements: number,
  blockBytes: number,
  decode?: DecodeBlocks,
): TensorEncoding {
  return { name, blockElements, blockBytes, ...(decode === undefined ? {} : { decode }) };
}

/** A plain element type: one element per block. */
export function elementEncoding(name: string, bytes: number, decode?: DecodeBlocks): TensorEncoding {
  return blockEncoding(name, 1, bytes, decode);
}

/** The bytes as 16-bit words; copies only where they are misaligned. */
function words(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
}

export const F32_ENCODING = elementEncoding('F32', 4, (bytes, out) => {
  new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
});

export const F16_ENCODING = elementEncoding('F16', 2, (bytes, out) => {
  decodeFp16Array(words(bytes), out);
});

export const BF16_ENCODING = elementEncoding('BF16', 2, (bytes, out) => {
  decodeBf16Array(words(bytes), out);
});

/** The encoding of a block format of GGML, called as GGUF calls it: in capitals. */
export function ggmlEncoding(block: GgmlBlockName): TensorEncoding {
  const { elements, bytes } = GGML_BLOCK_SIZES[block];
  const encoding = blockEncoding(block.toUpperCase(), elements, bytes, (blocks, out) => {
    decodeGgmlBlocks(block, blocks, out);
  });
  const codes = ggmlCodes(block);
  return codes === undefined ? encoding : { ...encoding, codes };
}

function ggmlCodes(block: GgmlBlockName): BlockCodes | undefined {
  if (!isGgmlGroupBlock(block)) return undefined;
  const bytes = ggmlGroupBytes(block);
  return {
    scheme: ggmlGroupScheme(block),
    codes: { bytes: bytes.codes, move: (blocks, out) => ggmlGroupCodes(block, blocks, out) },
    scales: { bytes: bytes.scales, move: (blocks, out) => ggmlGroupScales(block, blocks, out) },
  };
}

/** Names of the types whose values can be read. */
export function readableEncodings(): string[] {
  const floats = [F32_ENCODING, F16_ENCODING, BF16_ENCODING].map(({ name }) => name);
  return [...floats, ...GGML_BLOCK_NAMES.map((block) => ggmlEncoding(block).name)];
}
