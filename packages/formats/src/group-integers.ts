/**
 * Symmetric integers with one fp16 scale per group of columns: quantise and dequantise.
 *
 * Rule (`amax/qmax`): with qmax = 2^(bits−1) − 1, scale = fp16(fround(amax / qmax)) to nearest even, and
 * code = clamp(rne(fround(x / f32(scale))), ±qmax); a scale of 0 gives codes 0. The value read back is
 * fround(code · f32(scale)).
 */
import { BitloomError } from '@bitloom/ir';
import { packBitStream, unpackBitStream } from './bit-stream.js';
import {
  type CanonicalMatrix,
  canonicalBytes,
  checkGroupShape,
  checkLength,
  type GroupShape,
  groupsPerRow,
  symmetricMaxCode,
} from './group-shape.js';
import { decodeFp16, encodeFp16 } from './half-precision.js';

const f = Math.fround;

/** Group integers with one code per byte. */
export interface GroupCodes extends GroupShape {
  /** [rows, cols] row-major. */
  readonly codes: Int8Array;
  /** fp16 bits [rows, ceil(cols / groupSize)]. */
  readonly scales: Uint16Array;
}

/** Nearest integer, ties to even, for |value| < 2^22: adding 1.5·2^23 leaves no fraction bits in a float32. */
function roundEven(value: number): number {
  return f(f(value + 12582912) - 12582912);
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
  const codes = new Int8Array(rows * cols);
  const scales = new Uint16Array(rows * groups);
  for (let row = 0; row < rows; row += 1) {
    for (let group = 0; group < groups; group += 1) {
      const start = row * cols + group * groupSize;
      const end = Math.min(start + groupSize, (row + 1) * cols);
      let amax = 0;
      for (let i = start; i < end; i += 1) {
        const magnitude = Math.abs(values[i]);
        // Written so that a NaN is caught as well.
        if (!(magnitude <= 3.4028234663852886e38)) throw notFinite(values[i], row, group, i - row * cols);
        if (magnitude > amax) amax = magnitude;
      }
      const scaleBits = encodeFp16(f(amax / maxCode));
      if (scaleBits >= 0x7c00) throw scaleOverflow(amax, maxCode, row, group);
      scales[row * groups + group] = scaleBits;
      if (scaleBits === 0) continue;
      const scale = decodeFp16(scaleBits);
      for (let i = start; i < end; i += 1) {
        // Clamp before rounding: a subnormal scale may lie far below amax / maxCode.
        const quotient = f(values[i] / scale);
        codes[i] = roundEven(quotient > maxCode ? maxCode : quotient < -maxCode ? -maxCode : quotient);
      }
    }
  }
  return { rows, cols, bits, groupSize, codes, scales };
}

/**
 * The float32 values [rows, cols] that group integers stand for.
 *
 * @throws BitloomError `format-shape`, `format-length`.
 */
export function dequantizeGroups(matrix: GroupCodes): Float32Array<ArrayBuffer> {
  checkGroupShape(matrix);
  const { rows, cols, groupSize, codes, scales } = matrix;
  const groups = groupsPerRow(matrix);
  checkLength('codes', codes.length, rows * cols);
  checkLength('scales', scales.length, rows * groups);
  const out = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row += 1) {
    for (let group = 0; group < groups; group += 1) {
      const start = row * cols + group * groupSize;
      const end = Math.min(start + groupSize, (row + 1) * cols);
      const scale = decodeFp16(scales[row * groups + group]);
      for (let i = start; i < end; i += 1) out[i] = codes[i] * scale;
    }
  }
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

function notFinite(value: number, row: number, group: number, col: number): BitloomError {
  return new BitloomError({
    code: 'quantize-not-finite',
    message: 'a value to quantise is not finite',
    where: `row ${row}, group ${group}, column ${col}`,
    expected: 'a finite float32',
    got: String(value),
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
