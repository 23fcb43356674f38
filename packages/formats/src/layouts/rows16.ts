/**
 * The layout `rows16`: how group integers lie in memory for the kernels and for a device, which use the same bytes.
 *
 * A matrix [rows, cols] becomes blocks of 16 rows (rows past the end hold zero codes and zero scales). One block is
 * contiguous: for each group in order its codes, then 16 fp16 scales (32 bytes, one per row).
 * - `s8` container (5 to 8 bits): the group's columns are padded to a multiple of 4 with code 0; each step of 4
 *   columns is 64 bytes, byte r·4 + j = signed code of row r, column k + j.
 * - `u4` container (2 to 4 bits): padded to a multiple of 8; each step of 8 columns is 64 bytes, byte r·4 + j has
 *   code + 8 of (row r, column k + j) in its low nibble and of column k + 4 + j in its high nibble.
 *
 * So 32-bit lane r of a step belongs to row r: a product needs no horizontal sums, and the same bytes serve vectors
 * of 128, 256 and 512 bits. The layout is a pure permutation with padding: {@link unpackRows16} loses nothing.
 */
import { BitloomError } from '@bitloom/ir';
import { checkCanonical } from '../scaled/group-integers.js';
import { packBitStream } from './bit-stream.js';
import { unpackNarrow } from './codes.js';
import {
  type CanonicalMatrix,
  canonicalRowBytes,
  checkGroupShape,
  checkLength,
  type GroupShape,
  groupsPerRow,
} from './group-shape.js';

/** Rows of one block. */
export const ROWS16_BLOCK_ROWS = 16;
const STEP_BYTES = 64;
const SCALE_BYTES = 32;

/** Width of a stored code and the columns of one 64-byte step. */
interface Container {
  readonly name: 'u4' | 's8';
  readonly bits: 4 | 8;
  readonly stepColumns: 8 | 4;
}

const U4: Container = { name: 'u4', bits: 4, stepColumns: 8 };
const S8: Container = { name: 's8', bits: 8, stepColumns: 4 };

/** The container of codes of `bits` bits: 4 for 2 to 4, 8 for 5 to 8. It is also `bits` of the kernel `gemmGroups`. */
export function rows16ContainerBits(bits: number): 4 | 8 {
  return containerOf(bits).bits;
}

function containerOf(bits: number): Container {
  return bits <= 4 ? U4 : S8;
}

/** Layout id, e.g. `rows16.u4.g32`. The group size is part of it; the number of bits of the codes is not. */
export function rows16LayoutId(bits: number, groupSize: number): string {
  return `rows16.${containerOf(bits).name}.g${groupSize}`;
}

/** Container and group size named by a layout id, or undefined when it is not of this family. */
export function parseRows16LayoutId(id: string): { containerBits: 4 | 8; groupSize: number } | undefined {
  const match = /^rows16\.(u4|s8)\.g([1-9][0-9]{0,14})$/.exec(id);
  if (match === null) return undefined;
  return { containerBits: match[1] === 'u4' ? 4 : 8, groupSize: Number(match[2]) };
}

/** Bytes of one group of `length` columns in a block of 16 rows, scales included. */
export function rows16GroupBytes(bits: number, length: number): number {
  return Math.ceil(length / containerOf(bits).stepColumns) * STEP_BYTES + SCALE_BYTES;
}

/** Bytes of one block of 16 rows over `cols` columns. Block b of a matrix starts at b times this. */
export function rows16BlockBytes(bits: number, cols: number, groupSize: number): number {
  const groups = Math.ceil(cols / groupSize);
  if (groups === 0) return 0;
  const last = cols - (groups - 1) * groupSize;
  return (groups - 1) * rows16GroupBytes(bits, groupSize) + rows16GroupBytes(bits, last);
}

/** Bytes of a whole matrix in this layout. */
export function rows16Bytes(shape: GroupShape): number {
  return (
    Math.ceil(shape.rows / ROWS16_BLOCK_ROWS) * rows16BlockBytes(shape.bits, shape.cols, shape.groupSize)
  );
}

/**
 * Checks that the layout can hold a shape: groups start on a whole step.
 *
 * @throws BitloomError `format-shape`; `format-group-size` unless groupSize is a multiple of 8 or at least cols.
 */
export function checkRows16(shape: GroupShape): void {
  checkGroupShape(shape);
  if (shape.groupSize % 8 !== 0 && shape.groupSize < shape.cols) {
    throw new BitloomError({
      code: 'format-group-size',
      message: 'the layout rows16 cannot hold groups of this size',
      expected: `a multiple of 8, or at least ${shape.cols} columns`,
      got: String(shape.groupSize),
      hint: 'quantise with a group of 32, 64 or 128',
    });
  }
}

/** A part of a matrix, for tiles: rows [rowStart, rowEnd) and whole groups [groupStart, groupEnd). */
export interface Rows16Range {
  readonly rowStart?: number;
  readonly rowEnd?: number;
  readonly groupStart?: number;
  readonly groupEnd?: number;
}

/**
 * Transforms a canonical matrix, or a part of it, to `rows16`. A part is laid out as if it were the whole matrix,
 * so a tile is a run of whole kernel blocks wherever it is cut.
 *
 * @param out where the bytes go; as long as the part needs. A new array by default.
 * @throws BitloomError `format-shape`, `format-length`, `format-group-size`, `format-range` for a bad part.
 */
export function packRows16(
  matrix: CanonicalMatrix,
  range: Rows16Range = {},
  out?: Uint8Array<ArrayBufferLike>,
): Uint8Array<ArrayBufferLike> {
  checkCanonical(matrix);
  checkRows16(matrix);
  const { cols, bits, groupSize, codes, scales } = matrix;
  const groups = groupsPerRow(matrix);
  const part = resolveRange(range, matrix.rows, groups);
  const partCols = Math.min(cols, part.groupEnd * groupSize) - Math.min(cols, part.groupStart * groupSize);
  const bytes = rows16Bytes({ rows: part.rowEnd - part.rowStart, cols: partCols, bits, groupSize });
  const target = out ?? new Uint8Array(bytes);
  checkLength('rows16 bytes', target.length, bytes);

  const container = containerOf(bits);
  const rowBytes = canonicalRowBytes(matrix);
  // Codes of one row of one group, padded with zeros to whole steps.
  const line = new Int8Array(Math.ceil(Math.min(groupSize, cols) / 8) * 8);
  let at = 0;
  for (let block = part.rowStart; block < part.rowEnd; block += ROWS16_BLOCK_ROWS) {
    for (let group = part.groupStart; group < part.groupEnd; group += 1) {
      const start = group * groupSize;
      const length = Math.min(groupSize, cols - start);
      const scaleAt = at + rows16GroupBytes(bits, length) - SCALE_BYTES;
      for (let r = 0; r < ROWS16_BLOCK_ROWS; r += 1) {
        const row = block + r;
        if (row < part.rowEnd) {
          unpackNarrow(codes, row * rowBytes, bits, start, length, line, 0);
          line.fill(0, length);
        } else {
          line.fill(0);
        }
        if (container === U4) storeNibbles(line, length, target, at + r * 4);
        else storeBytes(line, length, target, at + r * 4);
        const scale = row < part.rowEnd ? scales[row * groups + group] : 0;
        target[scaleAt + r * 2] = scale & 255;
        target[scaleAt + r * 2 + 1] = scale >> 8;
      }
      at = scaleAt + SCALE_BYTES;
    }
  }
  return target;
}

function storeNibbles(
  line: Int8Array,
  length: number,
  target: Uint8Array<ArrayBufferLike>,
  at: number,
): void {
  for (let k = 0, to = at; k < length; k += 8, to += STEP_BYTES) {
    for (let j = 0; j < 4; j += 1) target[to + j] = (line[k + j] + 8) | ((line[k + 4 + j] + 8) << 4);
  }
}

function storeBytes(line: Int8Array, length: number, target: Uint8Array<ArrayBufferLike>, at: number): void {
  for (let k = 0, to = at; k < length; k += 4, to += STEP_BYTES) {
    for (let j = 0; j < 4; j += 1) target[to + j] = line[k + j];
  }
}

/**
 * The inverse of {@link packRows16}: the canonical matrix of `shape` from its rows16 bytes. `shape.bits` chooses the
 * width of the canonical codes; it must be the one that was packed.
 *
 * @throws BitloomError `format-shape`, `format-length`, `format-group-size`.
 */
export function unpackRows16(bytes: Uint8Array<ArrayBufferLike>, shape: GroupShape): CanonicalMatrix {
  checkRows16(shape);
  const { rows, cols, bits, groupSize } = shape;
  checkLength('rows16 bytes', bytes.length, rows16Bytes(shape));
  const container = containerOf(bits);
  const groups = groupsPerRow(shape);
  const codes = new Int8Array(rows * cols);
  const scales = new Uint16Array(rows * groups);
  let at = 0;
  for (let block = 0; block < rows; block += ROWS16_BLOCK_ROWS) {
    for (let group = 0; group < groups; group += 1) {
      const start = group * groupSize;
      const length = Math.min(groupSize, cols - start);
      const scaleAt = at + rows16GroupBytes(bits, length) - SCALE_BYTES;
      for (let row = block; row < Math.min(rows, block + ROWS16_BLOCK_ROWS); row += 1) {
        const lane = at + (row - block) * 4;
        for (let k = 0; k < length; k += 1) {
          const step = Math.floor(k / container.stepColumns) * STEP_BYTES;
          const byte = bytes[lane + step + (k % 4)];
          codes[row * cols + start + k] =
            container === S8 ? (byte << 24) >> 24 : (k % 8 < 4 ? byte & 15 : byte >> 4) - 8;
        }
        const scale = scaleAt + (row - block) * 2;
        scales[row * groups + group] = bytes[scale] | (bytes[scale + 1] << 8);
      }
      at = scaleAt + SCALE_BYTES;
    }
  }
  return { rows, cols, bits, groupSize, codes: packBitStream(codes, shape), scales };
}

function resolveRange(range: Rows16Range, rows: number, groups: number): Required<Rows16Range> {
  const part = {
    rowStart: range.rowStart ?? 0,
    rowEnd: range.rowEnd ?? rows,
    groupStart: range.groupStart ?? 0,
    groupEnd: range.groupEnd ?? groups,
  };
  const ordered = (start: number, end: number, limit: number): boolean =>
    Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= limit;
  if (!ordered(part.rowStart, part.rowEnd, rows) || !ordered(part.groupStart, part.groupEnd, groups)) {
    throw new BitloomError({
      code: 'format-range',
      message: 'the part of a matrix to lay out does not lie inside it',
      expected: `rows within 0..${rows}, groups within 0..${groups}`,
      got: `rows ${part.rowStart}..${part.rowEnd}, groups ${part.groupStart}..${part.groupEnd}`,
    });
  }
  return part;
}
