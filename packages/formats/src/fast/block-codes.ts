/** Whole matrices, piece by piece: values to codes, codes to values. */
import type { ScaleCoding } from './block-scales.js';
import {
  type BlockShape,
  findLargest,
  loadValues,
  openWorkshop,
  packIndex,
  setVectors,
  storeCodes,
  storeValues,
  unpackIndex,
} from './blocks.js';
import type { ElementCoding } from './element-coding.js';
import type { DecodeSource, EncodeSource } from './simd-module.js';

/** Codes as a stream per row, rows starting on a byte, and the stored scales in their bytes. */
export interface BlockBuffers {
  readonly codes: Uint8Array;
  readonly scales: Uint8Array;
}

/** The float32 with these bits. */
function float32(bits: number): number {
  return new Float32Array(Int32Array.of(bits).buffer)[0];
}

/**
 * Codes and scales of `values`, row-major, each block under a scale of its own.
 *
 * @returns whether it was done. If not, `out` holds nothing of use, and the definition says what is to become of these
 *   values: one is not finite, a scale does not fit, or this engine or this shape has no fast path.
 */
export function encodeBlocks(
  values: Float32Array,
  shape: BlockShape,
  element: ElementCoding,
  scale: ScaleCoding,
  out: BlockBuffers,
  source: EncodeSource,
): boolean {
  const workshop = openWorkshop(shape, element.bits, source);
  if (workshop === undefined) return false;
  setVectors(workshop, { index: packIndex(element.bits), ...element.vectors, ...scale.vectors });
  let largest = 0;
  for (const piece of workshop.pieces) {
    loadValues(workshop, values, piece);
    largest = Math.max(largest, findLargest(workshop, piece));
    scale.encode(workshop, piece, out.scales);
    storeCodes(workshop, element, piece, out.codes);
  }
  return scale.holds(float32(largest));
}

/**
 * The largest magnitude of every block, row by row.
 *
 * @returns undefined where a value is not finite, or this engine or this shape has no fast path
 */
export function largestOfBlocks(
  values: Float32Array,
  shape: BlockShape,
  bits: number,
  source: EncodeSource,
): Float32Array | undefined {
  const workshop = openWorkshop(shape, bits, source);
  if (workshop === undefined) return undefined;
  const { words, scales, pieces } = workshop;
  const out = new Float32Array(shape.rows * Math.ceil(shape.cols / shape.group));
  let largest = 0;
  for (const piece of pieces) {
    loadValues(workshop, values, piece);
    largest = Math.max(largest, findLargest(workshop, piece));
    out.set(words.subarray(scales / 4, scales / 4 + piece.blocks), piece.block);
  }
  return float32(largest) < Number.POSITIVE_INFINITY ? out : undefined;
}

/**
 * Codes of `values` under given scales, one per block: not NaN, not negative. Values are finite; divided by their
 * scale they are below 2^22 for integers.
 *
 * @returns whether it was done
 */
export function encodeUnder(
  scales: Float32Array,
  values: Float32Array,
  shape: BlockShape,
  element: ElementCoding,
  out: Uint8Array,
  source: EncodeSource,
): boolean {
  const workshop = openWorkshop(shape, element.bits, source);
  if (workshop === undefined) return false;
  setVectors(workshop, { index: packIndex(element.bits), ...element.vectors });
  for (const piece of workshop.pieces) {
    loadValues(workshop, values, piece);
    const { block, blocks } = piece;
    workshop.words.set(scales.subarray(block, block + blocks), workshop.scales / 4);
    storeCodes(workshop, element, piece, out);
  }
  return true;
}

/**
 * Values of codes under given scales, one per block, to `out`.
 *
 * @returns whether it was done
 */
export function decodeUnder(
  scales: Float32Array,
  codes: Uint8Array,
  shape: BlockShape,
  element: ElementCoding,
  out: Float32Array,
  source: DecodeSource,
): boolean {
  const workshop = openWorkshop(shape, element.bits, source);
  if (workshop === undefined) return false;
  setVectors(workshop, { index: unpackIndex(element.bits), ...element.vectors });
  for (const piece of workshop.pieces) {
    const { block, blocks } = piece;
    workshop.words.set(scales.subarray(block, block + blocks), workshop.scales / 4);
    storeValues(workshop, element, piece, codes, out);
  }
  return true;
}
