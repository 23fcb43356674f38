/**
 * Floats as compressed-tensors stores them.
 *
 * | format | codes | scales |
 * |---|---|---|
 * | `float-quantized`, `naive-quantized` | `weight` fp8_e4m3fn [N, K] | `weight_scale` bf16, fp16, fp32, by strategy |
 * | `nvfp4-pack-quantized` | `weight_packed` uint8 [N, K / 2] | `weight_scale` fp8_e4m3fn [N, K / 16], `weight_global_scale` fp32 [1] |
 * | `mxfp4-pack-quantized` | `weight_packed` uint8 [N, K / 2] | `weight_scale` uint8 (e8m0) [N, K / 32] |
 *
 * Two neighbours make a byte, the left one low. `weight_global_scale` is what the scales are divided by, the reciprocal
 * of the factor that torchao and ModelOpt store; here it is `tensorDivisor`.
 *
 * Arithmetic: code · (scale / divisor), one float32 rounding for the quotient and one for the product; fp8 scales times
 * fp4 codes without a divisor, and powers of two, are exact. compressed-tensors rounds the result once more to bf16.
 *
 * Source: `NVFP4PackedCompressor`, `MXFP4PackedCompressor`, `FloatQuantizationCompressor` of compressed-tensors.
 */

import { elementFormat } from '../elements/element-formats.js';
import { type CompressedStrategy, strategyScales } from './compressed-strategy.js';
import { checkPackedLinear, type PackedLinear } from './packed-linear.js';
import { packingError, requireLength, requirePositive } from './packing-error.js';
import { decodeStoredFloats, encodeStoredFloats, type StoredFloats } from './stored-floats.js';

export interface CompressedFloatShape {
  readonly rows: number;
  readonly cols: number;
  readonly scaling: CompressedStrategy;
}

export interface Fp8Tensors {
  /** Bits of fp8_e4m3fn [rows, cols]. */
  readonly codes: Uint8Array;
  readonly scales: StoredFloats;
}

export interface Fp4Tensors {
  /** [rows, cols / 2]. */
  readonly packed: Uint8Array;
  /** fp8_e4m3fn or e8m0, [rows, cols / groupSize]. */
  readonly scales: StoredFloats;
  /** `weight_global_scale`: the scales are divided by it. */
  readonly tensorDivisor?: number;
}

/**
 * Reads fp8 codes with their scales.
 * @throws BitloomError `packing-shape`, `packing-length`, `packing-scale-not-finite`, `packing-code-range` naming the
 *   first element whose code is NaN
 */
export function readFp8(tensors: Fp8Tensors, shape: CompressedFloatShape): PackedLinear {
  const { rows, cols, scaling } = shape;
  const { groups, shape: scaleShape } = strategyScales(scaling, rows, cols);
  requireLength('weight', tensors.codes.length, rows * cols);
  requireLength('weight_scale', tensors.scales.data.length, scaleShape[0] * scaleShape[1]);
  requireNoNan(tensors.codes);
  return {
    rows,
    cols,
    element: elementFormat('fp8_e4m3fn'),
    codes: tensors.codes.slice(),
    groups,
    scales: decodeStoredFloats(tensors.scales, 'weight_scale'),
    scaleFormat: tensors.scales.format,
  };
}

/**
 * The inverse of {@link readFp8}.
 * @throws BitloomError `packing-unsupported`, `packing-shape`, `packing-length`, `packing-code-range`,
 *   `packing-scale-inexact`, `packing-scale-not-finite`
 */
export function writeFp8(packed: PackedLinear): Fp8Tensors {
  requireFloats(packed, 'fp8_e4m3fn');
  requireNoNan(packed.codes);
  return {
    codes: Uint8Array.from(packed.codes),
    scales: encodeStoredFloats(packed.scales, packed.scaleFormat, 'weight_scale'),
  };
}

/**
 * Reads fp4 codes with their block scales: NVFP4 with a divisor, MXFP4 without.
 * @throws BitloomError `packing-shape`, `packing-length`, `packing-scale-not-finite`
 */
export function readFp4(
  tensors: Fp4Tensors,
  shape: { readonly rows: number; readonly cols: number; readonly groupSize: number },
): PackedLinear {
  const { rows, cols, groupSize } = shape;
  requirePositive('rows', rows);
  requirePositive('cols', cols);
  requirePositive('groupSize', groupSize);
  if (cols % 2 !== 0) throw packingError('packing-shape', 'cols', 'an even number', String(cols));
  if (cols % groupSize !== 0) {
    throw packingError('packing-shape', 'cols', `a multiple of the group size ${groupSize}`, String(cols));
  }
  requireLength('weight_packed', tensors.packed.length, rows * (cols / 2));
  requireLength('weight_scale', tensors.scales.data.length, rows * (cols / groupSize));
  const codes = new Uint8Array(rows * cols);
  for (let i = 0; i < tensors.packed.length; i += 1) {
    codes[2 * i] = tensors.packed[i] & 15;
    codes[2 * i + 1] = tensors.packed[i] >>> 4;
  }
  const { tensorDivisor } = tensors;
  if (tensorDivisor !== undefined) requireDivisor(tensorDivisor);
  return {
    rows,
    cols,
    element: elementFormat('fp4_e2m1'),
    codes,
    groups: { kind: 'columns', groupSize },
    scales: decodeStoredFloats(tensors.scales, 'weight_scale'),
    scaleFormat: tensors.scales.format,
    ...(tensorDivisor === undefined ? {} : { tensorDivisor }),
  };
}

/**
 * The inverse of {@link readFp4}.
 * @throws BitloomError `packing-unsupported`, `packing-shape`, `packing-length`, `packing-code-range`,
 *   `packing-scale-inexact`, `packing-scale-not-finite`
 */
export function writeFp4(packed: PackedLinear): Fp4Tensors {
  requireFloats(packed, 'fp4_e2m1');
  const { rows, cols, codes, tensorDivisor } = packed;
  if (cols % 2 !== 0) throw packingError('packing-shape', 'cols', 'an even number', String(cols));
  const bytes = new Uint8Array(rows * (cols / 2));
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = codes[2 * i] | (codes[2 * i + 1] << 4);
  if (tensorDivisor !== undefined) requireDivisor(tensorDivisor);
  return {
    packed: bytes,
    scales: encodeStoredFloats(packed.scales, packed.scaleFormat, 'weight_scale'),
    ...(tensorDivisor === undefined ? {} : { tensorDivisor }),
  };
}

/**
 * A weight that is NaN makes every output NaN; no tool writes one.
 * @throws BitloomError `packing-code-range`
 */
function requireNoNan(codes: Uint8Array | Int8Array): void {
  // fp8_e4m3fn has one NaN of each sign, all bits below the sign set.
  const bad = codes.findIndex((code: number) => (code & 0x7f) === 0x7f);
  if (bad < 0) return;
  const got = `0x${(codes[bad] & 0xff).toString(16)} (NaN)`;
  throw packingError('packing-code-range', `weight, element ${bad}`, 'a code of a finite fp8_e4m3fn', got);
}

/** @throws BitloomError `packing-scale-not-finite` */
function requireDivisor(divisor: number): void {
  if (Number.isFinite(divisor) && divisor > 0) return;
  throw packingError('packing-scale-not-finite', 'weight_global_scale', 'a positive number', String(divisor));
}

function requireFloats(packed: PackedLinear, format: 'fp8_e4m3fn' | 'fp4_e2m1'): void {
  checkPackedLinear(packed);
  const { element, groups, zeros, tensorDivisor } = packed;
  const known = groups.kind === 'columns' || (groups.kind === 'blocks' && format === 'fp8_e4m3fn');
  const divided = tensorDivisor !== undefined && format === 'fp8_e4m3fn';
  if (element.name === format && known && zeros === undefined && !divided) return;
  throw packingError(
    'packing-unsupported',
    'compressed-tensors',
    `${format} without zero points`,
    `${element.name} in ${groups.kind}${zeros === undefined ? '' : ' with zero points'}`,
  );
}
