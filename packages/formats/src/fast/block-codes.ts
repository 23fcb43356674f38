/** Whole matrices: values to codes and scales, codes and scales to values, piece by piece. */

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
 * Codes and scales of `values`, row-major.
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
  if (workshop === undefined) return values.length === 0;
  setVectors(workshop, { index: packIndex(element.bits), ...element.encode, ...scale.vectors });
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
 * The values of codes and scales, row-major, to `out`.
 *
 * @returns whether it was done; if not, `out` is untouched
 */
export function decodeBlocks(
  { codes, scales }: BlockBuffers,
  shape: BlockShape,
  element: ElementCoding,
  scale: ScaleCoding,
  out: Float32Array,
  source: DecodeSource,
): boolean {
  const workshop = openWorkshop(shape, element.bits, source);
  if (workshop === undefined) return out.length === 0;
  setVectors(workshop, { index: unpackIndex(element.bits), ...element.decode });
  for (const piece of workshop.pieces) {
    scale.decode(workshop, piece, scales);
    storeValues(workshop, element, piece, codes, out);
  }
  return true;
}
