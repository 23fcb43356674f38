/**
 * The AWQ packing of AutoAWQ, version GEMM: 4 bits, eight outputs to a word, in the order 0, 2, 4, 6, 1, 3, 5, 7 from
 * the lowest nibble up.
 *
 * | tensor | dtype | shape |
 * |---|---|---|
 * | `qweight` | int32 | [K, N / 8] |
 * | `qzeros` | int32 | [K / groupSize, N / 8] |
 * | `scales` | fp16 (also bf16, fp32) | [K / groupSize, N] |
 *
 * Arithmetic: (code − zero) · scale, exact in float32 for fp16 scales; AutoAWQ multiplies in fp16, so its weights are
 * these rounded to it. The versions gemv, gemv_fast and marlin order their words otherwise and are refused.
 *
 * Source: `WQLinear_GEMM.from_linear` and `dequantize_gemm` of AutoAWQ.
 */
import { uintFormat } from '@bitloom/ir';
import { checkPackedLinear, type PackedLinear, type RowRange, resolveRows } from './packed-linear.js';
import { packingError, requireBits, requireLength, requirePositive } from './packing-error.js';
import { decodeStoredFloats, encodeStoredFloats, type StoredFloats } from './stored-floats.js';

export interface AwqTensors {
  readonly qweight: Int32Array;
  readonly qzeros: Int32Array;
  readonly scales: StoredFloats;
}

export interface AwqShape {
  /** N, a multiple of 8. */
  readonly rows: number;
  /** K, a multiple of the group size. */
  readonly cols: number;
  readonly groupSize: number;
  /** Only 4. */
  readonly bits?: number;
  /** Only `gemm`. */
  readonly version?: string;
}

/** Bits from which the code of each of eight outputs is taken: the nibbles hold outputs 0, 2, 4, 6, 1, 3, 5, 7. */
const SHIFTS = [0, 16, 4, 20, 8, 24, 12, 28];

/** Lengths of the tensors of a matrix. @throws BitloomError `packing-bits`, `packing-shape`, `packing-unsupported` */
export function awqLengths(shape: AwqShape): {
  qweight: number;
  qzeros: number;
  scales: number;
  groups: number;
} {
  const { rows, cols, groupSize, bits = 4, version = 'gemm' } = shape;
  requireBits(bits, [4]);
  if (version !== 'gemm') throw packingError('packing-unsupported', 'awq version', 'gemm', version);
  for (const [name, value] of Object.entries({ rows, cols, groupSize })) requirePositive(name, value);
  if (rows % 8 !== 0) throw packingError('packing-shape', 'rows', 'a multiple of 8', String(rows));
  if (cols % groupSize !== 0) {
    throw packingError('packing-shape', 'cols', `a multiple of the group size ${groupSize}`, String(cols));
  }
  const groups = cols / groupSize;
  return { qweight: cols * (rows / 8), qzeros: groups * (rows / 8), scales: groups * rows, groups };
}

/**
 * Reads AWQ tensors, or the rows of a range.
 * @throws BitloomError `packing-bits`, `packing-shape`, `packing-length`, `packing-unsupported`,
 *   `packing-scale-not-finite`
 */
export function readAwq(tensors: AwqTensors, shape: AwqShape, range?: RowRange): PackedLinear {
  const lengths = awqLengths(shape);
  const { rows, cols, groupSize } = shape;
  requireLength('qweight', tensors.qweight.length, lengths.qweight);
  requireLength('qzeros', tensors.qzeros.length, lengths.qzeros);
  requireLength('scales', tensors.scales.data.length, lengths.scales);
  const { start, end } = resolveRows(rows, range);
  const taken = end - start;
  const codes = new Uint8Array(taken * cols);
  unpackColumns(tensors.qweight, cols, rows, start, end, codes);
  const zeros = new Float32Array(taken * lengths.groups);
  unpackColumns(tensors.qzeros, lengths.groups, rows, start, end, zeros);
  const stored = decodeStoredFloats(tensors.scales, 'scales');
  const scales = new Float32Array(taken * lengths.groups);
  for (let row = 0; row < taken; row += 1) {
    for (let group = 0; group < lengths.groups; group += 1) {
      scales[row * lengths.groups + group] = stored[group * rows + start + row];
    }
  }
  return {
    rows: taken,
    cols,
    firstRow: start,
    element: uintFormat(4),
    codes,
    groups: { kind: 'columns', groupSize },
    scales,
    scaleFormat: tensors.scales.format,
    zeros,
  };
}

/** Words of a row handled together, so that a cache line is used whole. */
const TILE = 16;

/** Transposes words [count, rows / 8] to one code per element [end − start, count]. */
function unpackColumns(
  words: Int32Array,
  count: number,
  rows: number,
  start: number,
  end: number,
  out: Uint8Array | Float32Array,
): void {
  const width = rows / 8;
  const last = Math.ceil(end / 8);
  for (let tile = Math.floor(start / 8); tile < last; tile += TILE) {
    for (let i = 0; i < count; i += 1) {
      for (let column = tile; column < Math.min(last, tile + TILE); column += 1) {
        const word = words[i * width + column];
        for (let j = 0; j < 8; j += 1) {
          const row = column * 8 + j;
          if (row >= start && row < end) out[(row - start) * count + i] = (word >>> SHIFTS[j]) & 15;
        }
      }
    }
  }
}

/** The inverse of {@link unpackColumns} for all rows. */
function packColumns(codes: Uint8Array, count: number, rows: number): Int32Array {
  const width = rows / 8;
  const words = new Int32Array(count * width);
  for (let tile = 0; tile < width; tile += TILE) {
    for (let i = 0; i < count; i += 1) {
      for (let column = tile; column < Math.min(width, tile + TILE); column += 1) {
        let word = 0;
        for (let j = 0; j < 8; j += 1) word |= codes[(column * 8 + j) * count + i] << SHIFTS[j];
        words[i * width + column] = word;
      }
    }
  }
  return words;
}

/**
 * AWQ tensors of a packed matrix: the inverse of {@link readAwq}.
 * @throws BitloomError `packing-bits`, `packing-shape`, `packing-length`, `packing-unsupported`, `packing-code-range`,
 *   `packing-zero-range`, `packing-scale-inexact`, `packing-scale-not-finite`
 */
export function writeAwq(packed: PackedLinear): AwqTensors {
  checkPackedLinear(packed);
  const { rows, cols, element, groups, codes, scales, zeros = new Float32Array(scales.length) } = packed;
  if (element.kind !== 'int' || element.signed || groups.kind !== 'columns') {
    throw packingError(
      'packing-unsupported',
      'awq',
      'unsigned integers in groups of columns',
      `${element.name} in ${groups.kind}`,
    );
  }
  const lengths = awqLengths({ rows, cols, groupSize: groups.groupSize, bits: element.bits });
  const bad = zeros.findIndex((zero) => !(Number.isInteger(zero) && zero >= 0 && zero <= 15));
  if (bad >= 0) {
    throw packingError(
      'packing-zero-range',
      `zero point ${bad}`,
      'an integer from 0 to 15',
      String(zeros[bad]),
    );
  }
  const transposed = new Float32Array(scales.length);
  for (let row = 0; row < rows; row += 1) {
    for (let group = 0; group < lengths.groups; group += 1) {
      transposed[group * rows + row] = scales[row * lengths.groups + group];
    }
  }
  return {
    qweight: packColumns(Uint8Array.from(codes), cols, rows),
    qzeros: packColumns(Uint8Array.from(zeros), lengths.groups, rows),
    scales: encodeStoredFloats(transposed, packed.scaleFormat, 'scales'),
  };
}
