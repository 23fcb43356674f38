/**
 * GGML blocks that hold symmetric integers under one fp16 scale and nothing else: their codes and scales in the layout
 * `canonical`, so that a checkpoint can run from the codes it has. Only bits move: a scale may be negative, as GGML's
 * may, and a code may be the lowest one, which rounding to nearest never gives.
 *
 * Not for: formats with minimums, scales of scales or code books, which have no such form.
 */
import { BitloomError, type TensorScheme } from '@bitloom/ir';
import { ggmlScheme } from '../schemes/ggml-scheme.js';
import { GGML_BLOCK_SIZES, type GgmlBlockName } from './block-sizes.js';
import { badLength } from './whole-blocks.js';

/** A block format whose blocks are group integers. */
export type GgmlGroupBlock = 'q4_0' | 'q8_0';

/** Writes the codes of whole blocks; lengths are right. */
type MoveCodes = (blocks: Uint8Array, out: Uint8Array) => void;

const CODES: Readonly<Record<GgmlGroupBlock, { readonly bytes: number; readonly move: MoveCodes }>> = {
  q4_0: { bytes: 16, move: nibbleCodes },
  q8_0: { bytes: 32, move: byteCodes },
};

/** Bytes of a scale. */
const SCALE_BYTES = 2;

/** Whether the blocks of a format are group integers. */
export function isGgmlGroupBlock(block: GgmlBlockName): block is GgmlGroupBlock {
  return Object.hasOwn(CODES, block);
}

/** The scheme of the format with its components in the layout `canonical`; called as GGUF calls it, in capitals. */
export function ggmlGroupScheme(block: GgmlGroupBlock): TensorScheme {
  return { ...ggmlScheme(block), name: block.toUpperCase(), layout: 'canonical' };
}

/** Bytes that one block has in each canonical component. */
export function ggmlGroupBytes(block: GgmlGroupBlock): { readonly codes: number; readonly scales: number } {
  return { codes: CODES[block].bytes, scales: SCALE_BYTES };
}

/**
 * The codes of whole blocks as a canonical bit stream.
 *
 * @param out as long as the blocks have codes; a new array by default
 * @throws BitloomError `ggml-length` when the bytes are not whole blocks or `out` has another length
 */
export function ggmlGroupCodes(
  block: GgmlGroupBlock,
  blocks: Uint8Array,
  out: Uint8Array = new Uint8Array(wholeBlocks(block, blocks) * CODES[block].bytes),
): Uint8Array {
  const { bytes, move } = CODES[block];
  requireLength(block, out, wholeBlocks(block, blocks) * bytes);
  move(blocks, out);
  return out;
}

/**
 * The fp16 scales of whole blocks, two bytes each.
 *
 * @param out as long as the blocks have scales; a new array by default
 * @throws BitloomError `ggml-length`; `ggml-scale-not-finite` for an infinity or a NaN, which no product can take
 */
export function ggmlGroupScales(
  block: GgmlGroupBlock,
  blocks: Uint8Array,
  out: Uint8Array = new Uint8Array(wholeBlocks(block, blocks) * SCALE_BYTES),
): Uint8Array {
  const count = wholeBlocks(block, blocks);
  requireLength(block, out, count * SCALE_BYTES);
  const step = GGML_BLOCK_SIZES[block].bytes;
  for (let i = 0, at = 0; i < count; i += 1, at += step) {
    const high = blocks[at + 1];
    if ((high & 0x7c) === 0x7c) throw scaleNotFinite(block, i, blocks[at] | (high << 8));
    out[2 * i] = blocks[at];
    out[2 * i + 1] = high;
  }
  return out;
}

/** Elements 0..15 of a block are its low nibbles, 16..31 the high ones, each code plus 8; here neighbours share a byte. */
function nibbleCodes(blocks: Uint8Array, out: Uint8Array): void {
  const source = wordsOf(blocks);
  const target = isWordAligned(out) ? wordsOf(out) : new Uint16Array(out.length / 2);
  for (let from = 0, to = 0; to < target.length; from += 9, to += 8) {
    for (let i = 0; i < 4; i += 1) {
      const four = source[from + 1 + 2 * i] | (source[from + 2 + 2 * i] << 16);
      // Four nibbles in the low halves of four bytes become 16 bits; the flip of the top bits takes 8 off each.
      const low = four & 0x0f0f0f0f;
      const high = (four >>> 4) & 0x0f0f0f0f;
      const lowPairs = (low | (low >>> 4)) & 0x00ff00ff;
      const highPairs = (high | (high >>> 4)) & 0x00ff00ff;
      target[to + i] = (lowPairs | (lowPairs >>> 8)) ^ 0x8888;
      target[to + 4 + i] = (highPairs | (highPairs >>> 8)) ^ 0x8888;
    }
  }
  if (target.buffer !== out.buffer) out.set(new Uint8Array(target.buffer));
}

function byteCodes(blocks: Uint8Array, out: Uint8Array): void {
  const pairs = blocks.byteOffset % 4 === 0 && out.byteOffset % 4 === 0 ? out.length >> 6 : 0;
  if (pairs > 0) byteCodesOfPairs(blocks, out, pairs);
  const source = wordsOf(blocks.subarray(68 * pairs));
  const rest = out.subarray(64 * pairs);
  const target = isWordAligned(rest) ? wordsOf(rest) : new Uint16Array(rest.length / 2);
  for (let from = 0, to = 0; to < target.length; from += 17, to += 16) {
    for (let i = 0; i < 16; i += 1) target[to + i] = source[from + 1 + i];
  }
  if (target.buffer !== rest.buffer) rest.set(new Uint8Array(target.buffer));
}

/** Two blocks are 17 words of 32 bits: the codes of the first begin in the middle of one, those of the second do not. */
function byteCodesOfPairs(blocks: Uint8Array, out: Uint8Array, pairs: number): void {
  const source = new Int32Array(blocks.buffer, blocks.byteOffset, 17 * pairs);
  const target = new Int32Array(out.buffer, out.byteOffset, 16 * pairs);
  for (let from = 0, to = 0; to < target.length; from += 17, to += 16) {
    for (let i = 0; i < 8; i += 1) {
      target[to + i] = (source[from + i] >>> 16) | (source[from + i + 1] << 16);
      target[to + 8 + i] = source[from + 9 + i];
    }
  }
}

function isWordAligned(bytes: Uint8Array): boolean {
  return bytes.byteOffset % 2 === 0;
}

/** The bytes as little-endian 16-bit words; copies only where they are misaligned. */
function wordsOf(bytes: Uint8Array): Uint16Array {
  const aligned = isWordAligned(bytes) ? bytes : new Uint8Array(bytes);
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
}

function wholeBlocks(block: GgmlGroupBlock, blocks: Uint8Array): number {
  const { bytes } = GGML_BLOCK_SIZES[block];
  if (blocks.length % bytes === 0) return blocks.length / bytes;
  throw badLength(`${block} bytes`, `a multiple of ${bytes}`, blocks.length);
}

function requireLength(block: GgmlGroupBlock, out: Uint8Array, expected: number): void {
  if (out.length !== expected) throw badLength(`output bytes of ${block}`, String(expected), out.length);
}

function scaleNotFinite(block: GgmlGroupBlock, index: number, bits: number): BitloomError {
  return new BitloomError({
    code: 'ggml-scale-not-finite',
    message: `a scale of ${block} blocks is an infinity or a NaN`,
    where: `block ${index}`,
    expected: 'a finite fp16',
    got: `0x${bits.toString(16)}`,
    hint: 'the checkpoint is damaged; fetch it again',
  });
}
