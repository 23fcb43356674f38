/**
 * Symmetric group integers at machine speed, straight to and from the canonical layout. The definition is
 * `scaled/group-integers.ts`; the results, errors among them, are its own, bit for bit.
 */
import { decodeFp16Array } from '../elements/half-precision.js';
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
import { decodeUnder, encodeBlocks } from './block-codes.js';
import { fp16Coding } from './block-scales.js';
import { integerCoding, integerReading } from './element-coding.js';
import {
  type DecodeSource,
  type EncodeSource,
  sharedDecodeSource,
  sharedEncodeSource,
} from './simd-module.js';

/**
 * Quantises `values` [rows, cols] row-major to the canonical layout: `packCanonical(quantizeGroups(values, shape))`
 * at the speed of memory.
 *
 * @param source where the SIMD functions come from; another one than the shared is for tests
 * @throws BitloomError as `quantizeGroups`.
 */
export function quantizeGroupsPacked(
  values: Float32Array,
  shape: GroupShape,
  source: EncodeSource = sharedEncodeSource,
): CanonicalMatrix {
  checkGroupShape(shape);
  const { rows, cols, bits, groupSize } = shape;
  checkLength('values', values.length, rows * cols);
  const size = canonicalBytes(shape);
  const codes = new Uint8Array(size.codes);
  const scales = new Uint16Array(size.scales / 2);
  const maxCode = symmetricMaxCode(bits);
  const done = encodeBlocks(
    values,
    { rows, cols, group: groupSize },
    integerCoding(bits, -maxCode, maxCode),
    fp16Coding(maxCode),
    { codes, scales: new Uint8Array(scales.buffer) },
    source,
  );
  if (done) return { rows, cols, bits, groupSize, codes, scales };
  return packCanonical(quantizeGroups(values, shape));
}

/**
 * The float32 values [rows, cols] of a canonical matrix: `dequantizeCanonical` at the speed of memory.
 *
 * @param out where to put them; new by default
 * @param source where the SIMD functions come from; another one than the shared is for tests
 * @throws BitloomError `format-shape`, `format-length`.
 */
export function dequantizeGroupsPacked(
  matrix: CanonicalMatrix,
  out: Float32Array = new Float32Array(matrix.rows * matrix.cols),
  source: DecodeSource = sharedDecodeSource,
): Float32Array {
  checkCanonical(matrix);
  const { rows, cols, bits, groupSize, codes, scales } = matrix;
  checkLength('values', out.length, rows * cols);
  const factors = decodeFp16Array(scales);
  const element = integerReading(bits);
  const shape = { rows, cols, group: groupSize };
  if (!decodeUnder(factors, codes, shape, element, out, source)) out.set(dequantizeCanonical(matrix));
  return out;
}
