/**
 * Symmetric integers with one fp16 scale per group of columns: quantise and dequantise.
 *
 * Rule (`amax/qmax`): with qmax = 2^(bits−1) − 1, scale = fp16(fround(amax / qmax)) to nearest even, and
 * code = clamp(rne(fround(x / f32(scale))), ±qmax); a scale of 0 gives codes 0. The value read back is
 * fround(code · f32(scale)).
 */
import { BitloomError } from '@bitloom/ir';
import { decodeFp16Array, encodeFp16Array } from '../elements/half-precision.js';
import { packBitStream, unpackBitStream } from '../layouts/bit-stream.js';
import {
  type CanonicalMatrix,
  canonicalBytes,
  checkGroupShape,
  checkLength,
  type GroupShape,
  groupsPerRow,
  symmetricMaxCode,
} from '../layouts/group-shape.js';

const f = Math.fround;

/** Group integers with one code per byte. */
export interface GroupCodes extends GroupShape {
  /** [rows, cols] row-major. */
  readonly codes: Int8Array;
  /** fp16 bits [rows, ceil(cols / groupSize)]. */
  readonly scales: Uint16Array;
}

const MAX_FLOAT32 = 3.4028234663852886e38;
/** 1.5·2^23. */
const ROUND = 12582912;
/** Bits of the fp16 +inf; scales are not negative, so what is not below overflowed. */
const FP16_INFINITY = 0x7c00;

/** Visits every group: its row, its index in the row, and the range of its elements in the row-major matrix. */
function forGroups(
  shape: GroupShape,
  visit: (row: number, group: number, start: number, end: number) => void,
): void {
  const { rows, cols, groupSize } = shape;
  const groups = groupsPerRow(shape);
  for (let row = 0; row < rows; row += 1) {
    for (let group = 0; group < groups; group += 1) {
      const start = row * cols + group * groupSize;
      visit(row, group, start, Math.min(start + groupSize, (row + 1) * cols));
    }
  }
}

/** Largest |value| of a range; NaN when one is NaN. */
function largestMagnitude(values: Float32Array, start: number, end: number): number {
  let amax = 0;
  for (let i = start; i < end; i += 1) {
    const magnitude = Math.abs(values[i]);
    if (magnitude > amax) amax = magnitude;
    else if (Number.isNaN(magnitude)) return magnitude;
  }
  return amax;
}

/** Codes of one group. Clamped before rounding, as a subnormal scale may lie far below amax / maxCode. */
function roundGroup(
  values: Float32Array,
  codes: Int8Array,
  start: number,
  end: number,
  scale: number,
  maxCode: number,
): void {
  for (let i = start; i < end; i += 1) {
    const quotient = f(values[i] / scale);
    const clamped = quotient > maxCode ? maxCode : quotient < -maxCode ? -maxCode : quotient;
    // A float32 near 1.5·2^23 has no fraction bits, so the sum rounds to the nearest integer, ties to even.
    codes[i] = (f(clamped + ROUND) - ROUND) | 0;
  }
}

/**
 * Quantises `values` [rows, cols] row-major.
 *
 * @throws BitloomError `quantize-not-finite` when a value is NaN or infinite, `quantize-scale-overflow` when a
 *   scale does not fit fp16; both name the row and the group. `format-shape`, `format-length`.
 */
export function quantizeGroups(values: Float32Array, shape: GroupShape): GroupCodes {
  checkGroupShape(shape);
  const { rows, cols, bits, groupSize } = shape;
  checkLength('values', values.length, rows * cols);
  const groups = groupsPerRow(shape);
  const maxCode = symmetricMaxCode(bits);
  // Two passes over the matrix, with all scales rounded between them.
  const quotients = new Float32Array(rows * groups);
  forGroups(shape, (row, group, start, end) => {
    const amax = largestMagnitude(values, start, end);
    if (!(amax <= MAX_FLOAT32)) throw notFinite(values, row, group, start, row * cols);
    quotients[row * groups + group] = amax / maxCode;
  });
  const scales = encodeFp16Array(quotients);
  const overflow = scales.findIndex((scale) => scale >= FP16_INFINITY);
  if (overflow >= 0) {
    throw scaleOverflow(
      quotients[overflow] * maxCode,
      maxCode,
      Math.floor(overflow / groups),
      overflow % groups,
    );
  }
  const factors = decodeFp16Array(scales);
  const codes = new Int8Array(rows * cols);
  forGroups(shape, (row, group, start, end) => {
    const scale = factors[row * groups + group];
    if (scale !== 0) roundGroup(values, codes, start, end, scale, maxCode);
  });
  return { rows, cols, bits, groupSize, codes, scales };
}

/**
 * The float32 values [rows, cols] that group integers stand for.
 *
 * @throws BitloomError `format-shape`, `format-length`.
 */
export function dequantizeGroups(matrix: GroupCodes): Float32Array<ArrayBuffer> {
  checkGroupShape(matrix);
  const { rows, cols, codes, scales } = matrix;
  const groups = groupsPerRow(matrix);
  checkLength('codes', codes.length, rows * cols);
  checkLength('scales', scales.length, rows * groups);
  const factors = decodeFp16Array(scales);
  const out = new Float32Array(rows * cols);
  forGroups(matrix, (row, group, start, end) => {
    const scale = factors[row * groups + group];
    for (let i = start; i < end; i += 1) out[i] = codes[i] * scale;
  });
  return out;
}

/** The canonical layout of group integers: codes as a bit stream, the same scales. */
export function packCanonical(matrix: GroupCodes): CanonicalMatrix {
  checkGroupShape(matrix);
  const { rows, cols, bits, groupSize, scales } = matrix;
  checkLength('scales', scales.length, rows * groupsPerRow(matrix));
  return { rows, cols, bits, groupSize, codes: packBitStream(matrix.codes, matrix), scales };
}

/** One code per byte again; the inverse of {@link packCanonical}. */
export function unpackCanonical(matrix: CanonicalMatrix): GroupCodes {
  checkCanonical(matrix);
  const { rows, cols, bits, groupSize, scales } = matrix;
  return { rows, cols, bits, groupSize, codes: unpackBitStream(matrix.codes, matrix), scales };
}

/** The float32 values [rows, cols] of a matrix in canonical layout. */
export function dequantizeCanonical(matrix: CanonicalMatrix): Float32Array<ArrayBuffer> {
  return dequantizeGroups(unpackCanonical(matrix));
}

/**
 * Checks the shape and both buffer lengths of a canonical matrix.
 *
 * @throws BitloomError `format-shape`, `format-length`.
 */
export function checkCanonical(matrix: CanonicalMatrix): void {
  checkGroupShape(matrix);
  checkLength('packed codes', matrix.codes.length, canonicalBytes(matrix).codes);
  checkLength('scales', matrix.scales.length, matrix.rows * groupsPerRow(matrix));
}

function notFinite(
  values: Float32Array,
  row: number,
  group: number,
  start: number,
  rowStart: number,
): BitloomError {
  const at = values.findIndex((value, i) => i >= start && !Number.isFinite(value));
  return new BitloomError({
    code: 'quantize-not-finite',
    message: 'a value to quantise is not finite',
    where: `row ${row}, group ${group}, column ${at - rowStart}`,
    expected: 'a finite float32',
    got: String(values[at]),
    hint: 'the checkpoint is damaged or was stored after an overflow; check the tensor before quantising',
  });
}

function scaleOverflow(amax: number, maxCode: number, row: number, group: number): BitloomError {
  return new BitloomError({
    code: 'quantize-scale-overflow',
    message: 'the scale of a group does not fit fp16',
    where: `row ${row}, group ${group}`,
    expected: `amax / ${maxCode} below 65520`,
    got: `amax ${amax}`,
    hint: 'keep this tensor in floating point',
  });
}
