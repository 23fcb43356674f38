/**
 * Symmetric group integers at machine speed, straight to and from the canonical layout. The definition is
 * `scaled/group-integers.ts`; the results, errors among them, are its own, bit for bit.
 */
import {
  type CanonicalMatrix,
  canonicalBytes,
  checkGroupShape,
  checkLength,
  type GroupShape,
  symmetricMaxCode,
} from '../layouts/group-shape.js';
import {
  checkCanonical,
  dequantizeCanonical,
  packCanonical,
  quantizeGroups,
} from '../scaled/group-integers.js';
import { type BlockSource, sharedBlockSource } from './block-functions.js';
import { type BlockFormat, bytes, decodeBlocks, encodeBlocks, floats } from './blocks.js';

/** Quotients below this round to a finite fp16. */
const FP16_OVERFLOW = 65520;
const FP16_INFINITY = 0x7c00;

function groupFormat(bits: number): BlockFormat {
  const maxCode = symmetricMaxCode(bits);
  return {
    bits,
    scale: 'fp16',
    element: 'int',
    mantissaBits: 0,
    encode: { divisor: floats(maxCode), low: bytes(-maxCode), high: bytes(maxCode) },
    decode: {},
  };
}

/**
 * Quantises `values` [rows, cols] row-major to the canonical layout: `packCanonical(quantizeGroups(values, shape))`
 * at the speed of memory.
 *
 * @param source where the block functions come from; another one than the shared is for tests
 * @throws BitloomError as `quantizeGroups`.
 */
export function quantizeGroupsPacked(
  values: Float32Array,
  shape: GroupShape,
  source: BlockSource = sharedBlockSource,
): CanonicalMatrix {
  checkGroupShape(shape);
  const { rows, cols, bits, groupSize } = shape;
  checkLength('values', values.length, rows * cols);
  const size = canonicalBytes(shape);
  const codes = new Uint8Array(size.codes);
  const scales = new Uint16Array(size.scales / 2);
  const format = groupFormat(bits);
  const out = { codes, scales: new Uint8Array(scales.buffer) };
  const largest = encodeBlocks(values, { rows, cols, group: groupSize }, format, out, source);
  // NaN compares as false.
  if (largest !== undefined && Math.fround(largest / symmetricMaxCode(bits)) < FP16_OVERFLOW) {
    return { rows, cols, bits, groupSize, codes, scales };
  }
  return packCanonical(quantizeGroups(values, shape));
}

/**
 * The float32 values [rows, cols] of a canonical matrix: `dequantizeCanonical` at the speed of memory.
 *
 * @param out where to put them; new by default
 * @param source where the block functions come from; another one than the shared is for tests
 * @throws BitloomError `format-shape`, `format-length`.
 */
export function dequantizeGroupsPacked(
  matrix: CanonicalMatrix,
  out: Float32Array = new Float32Array(matrix.rows * matrix.cols),
  source: BlockSource = sharedBlockSource,
): Float32Array {
  checkCanonical(matrix);
  const { rows, cols, bits, groupSize, codes, scales } = matrix;
  checkLength('values', out.length, rows * cols);
  const scaleBytes = new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
  const shape = { rows, cols, group: groupSize };
  const largest = decodeBlocks({ codes, scales: scaleBytes }, shape, groupFormat(bits), out, source);
  // Scales that are negative, infinite or NaN are left to the definition.
  if (largest === undefined || largest >= FP16_INFINITY) out.set(dequantizeCanonical(matrix));
  return out;
}
