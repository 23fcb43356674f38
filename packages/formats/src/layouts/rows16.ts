/**
 * The layout `rows16`: how group integers lie in memory for the kernels and for a device, which use the same bytes.
 *
 * A matrix [rows, cols] becomes blocks of 16 rows (rows past the end hold zero codes and zero scales). One block is
 * contiguous: for each group in order its codes, then 16 fp16 scales (32 bytes, one per row; finite, of either sign).
 * The codes of a group are whole units of a container (`rows16-container.ts` has their bytes); the group is padded to
 * a whole unit with code 0.
 *
 * 32-bit lane r of a step belongs to row r: a product needs no horizontal sums, and the same bytes serve vectors of 128,
 * 256 and 512 bits. The layout is a pure permutation with padding: {@link unpackRows16} loses nothing.
 */
import { BitloomError } from '@bitloom/ir';
import { checkCanonical } from '../scaled/group-integers.js';
import { packBitStream } from './bit-stream.js';
import {
  type CanonicalMatrix,
  canonicalRowBytes,
  checkGroupShape,
  checkLength,
  type GroupShape,
  groupsPerRow,
} from './group-shape.js';
import {
  ROWS16_CONTAINERS,
  type Rows16Container,
  type Rows16ContainerBits,
  rows16Container,
} from './rows16-container.js';
import { everyByte, packUnits, readQuads, unpackUnits } from './rows16-quads.js';
import { packWordRows, type WordRows } from './rows16-words.js';

/** Rows of one block. */
export const ROWS16_BLOCK_ROWS = 16;
const SCALE_BYTES = 32;
/** 32-bit words of one step, and 16-bit words of the scales of a group. */
const LANES = 16;

/**
 * The width of the container of codes of `bits` bits: the same, and 8 for 7. It is also `bits` of the kernel
 * `gemmGroups`.
 *
 * @throws BitloomError `format-shape` unless bits is an integer from 2 to 8.
 */
export function rows16ContainerBits(bits: number): Rows16ContainerBits {
  return rows16Container(bits).bits;
}

/** Layout id, e.g. `rows16.u4.g32`. The group size is part of it; the number of bits of the codes is not. */
export function rows16LayoutId(bits: number, groupSize: number): string {
  return `rows16.${rows16Container(bits).name}.g${groupSize}`;
}

/** Container and group size named by a layout id, or undefined when it is not of this family. */
export function parseRows16LayoutId(
  id: string,
): { containerBits: Rows16ContainerBits; groupSize: number } | undefined {
  const match = /^rows16\.([us][2-8])\.g([1-9][0-9]{0,14})$/.exec(id);
  const found = match === null ? undefined : ROWS16_CONTAINERS.find(({ name }) => name === match[1]);
  if (match === null || found === undefined) return undefined;
  return { containerBits: found.bits, groupSize: Number(match[2]) };
}

/** Bytes of one group of `length` columns in a block of 16 rows, scales included. */
export function rows16GroupBytes(bits: number, length: number): number {
  const { unitColumns, unitBytes } = rows16Container(bits);
  return Math.ceil(length / unitColumns) * unitBytes + SCALE_BYTES;
}

/** Bytes of one block of 16 rows over `cols` columns. Block b of a matrix starts at b times this. */
export function rows16BlockBytes(bits: number, cols: number, groupSize: number): number {
  const groups = Math.ceil(cols / groupSize);
  if (groups === 0) return 0;
  const last = cols - (groups - 1) * groupSize;
  return (groups - 1) * rows16GroupBytes(bits, groupSize) + rows16GroupBytes(bits, last);
}

/** Bytes of a whole matrix in this layout. `bits` may be those of a wider container to lay the codes out in. */
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

/** What to lay out, and in which container. */
export interface Rows16Options extends Rows16Range {
  /** A container of at least the width of the codes; by default the one of {@link rows16ContainerBits}. */
  readonly containerBits?: Rows16ContainerBits;
}

/**
 * The container that options ask for.
 *
 * @throws BitloomError `format-shape` when it is narrower than the codes.
 */
function chosenContainer(bits: number, containerBits: number = bits): Rows16Container {
  if (containerBits < bits) {
    throw new BitloomError({
      code: 'format-shape',
      message: 'the container is narrower than the codes',
      where: 'containerBits',
      expected: `at least ${bits} bits`,
      got: String(containerBits),
    });
  }
  return rows16Container(containerBits);
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
  options: Rows16Options = {},
  out?: Uint8Array<ArrayBufferLike>,
): Uint8Array<ArrayBufferLike> {
  checkCanonical(matrix);
  checkRows16(matrix);
  const { cols, bits, groupSize, codes, scales } = matrix;
  const container = chosenContainer(bits, options.containerBits);
  const groups = groupsPerRow(matrix);
  const part = resolveRange(options, matrix.rows, groups);
  const partCols = Math.min(cols, part.groupEnd * groupSize) - Math.min(cols, part.groupStart * groupSize);
  const rows = part.rowEnd - part.rowStart;
  const bytes = rows16Bytes({ rows, cols: partCols, bits: container.bits, groupSize });
  const given = out ?? new Uint8Array(bytes);
  checkLength('rows16 bytes', given.length, bytes);
  if (bytes === 0) return given;

  // Words need their alignment; a target that has not got it receives a copy.
  const target = given.byteOffset % 4 === 0 ? given : new Uint8Array(bytes);
  const words = new Int32Array(target.buffer, target.byteOffset, bytes / 4);
  const halves = new Uint16Array(target.buffer, target.byteOffset, bytes / 2);
  const rowBytes = canonicalRowBytes(matrix);
  const wordRows = container.bits === bits ? inWords(matrix, part) : undefined;
  if (wordRows !== undefined) {
    packWordRows(wordRows, words, halves);
    if (target !== given) given.set(target);
    return given;
  }
  const blockBytes = rows16BlockBytes(container.bits, partCols, groupSize);
  const groupBytes = rows16GroupBytes(container.bits, Math.min(groupSize, partCols));
  const line = new Line(container, bits, Math.min(groupSize, partCols));
  const partGroups = part.groupEnd - part.groupStart;
  for (let block = 0, at = 0; block < rows; block += ROWS16_BLOCK_ROWS, at += blockBytes) {
    for (let r = 0; r < ROWS16_BLOCK_ROWS; r += 1) {
      const row = part.rowStart + block + r;
      const isReal = row < part.rowEnd;
      for (let i = 0; i < partGroups; i += 1) {
        const group = part.groupStart + i;
        const start = group * groupSize;
        const length = Math.min(groupSize, cols - start);
        const units = isReal ? line.read(codes, row * rowBytes, start, length) : line.clear(length);
        const word = (at + i * groupBytes) / 4;
        packUnits(container, line.quads, 0, units, words, word + r);
        const scaleAt = 2 * word + (units * container.unitBytes) / 2;
        halves[scaleAt + r] = isReal ? scales[row * groups + group] : 0;
      }
    }
  }
  if (target !== given) given.set(target);
  return given;
}

/** The part in words, where its rows and groups are whole ones. */
function inWords(matrix: CanonicalMatrix, part: Required<Rows16Range>): WordRows | undefined {
  const { cols, bits, groupSize, codes, scales } = matrix;
  if ((bits !== 4 && bits !== 8) || codes.byteOffset % 4 !== 0) return undefined;
  const wordColumns = 32 / bits;
  const lastColumns = cols - (groupsPerRow(matrix) - 1) * groupSize;
  if (cols % wordColumns !== 0 || (groupSize % wordColumns !== 0 && groupSize < cols)) return undefined;
  return {
    ...part,
    bits,
    codes: new Int32Array(codes.buffer, codes.byteOffset, codes.length / 4),
    rowWords: cols / wordColumns,
    scales,
    rowGroups: groupsPerRow(matrix),
    groupWords: Math.min(groupSize, cols) / wordColumns,
    lastWords: lastColumns / wordColumns,
  };
}

/** The stored quads of one group of one row. */
class Line {
  readonly quads: Int32Array;
  readonly #bits: number;
  readonly #unitColumns: number;
  /** stored = ((raw bits ^ flip) + lift) ^ sign, in every byte; no byte carries into the next. */
  readonly #flip: number;
  readonly #lift: number;
  readonly #sign: number;
  readonly #isPlain: boolean;

  constructor(container: Rows16Container, bits: number, length: number) {
    const unitQuads = container.unitColumns / 4;
    this.quads = new Int32Array(Math.ceil(length / container.unitColumns) * unitQuads);
    this.#bits = bits;
    this.#unitColumns = container.unitColumns;
    const half = 2 ** (bits - 1);
    this.#flip = everyByte(half);
    this.#lift = everyByte(2 ** (container.bits - 1) - half);
    this.#sign = container.offset === 0 ? everyByte(128) : 0;
    this.#isPlain = this.#lift === 0 && this.#flip === this.#sign;
  }

  /** Fills `quads` with a group and its padding; returns the number of units. */
  read(codes: Uint8Array, rowStart: number, start: number, length: number): number {
    const { quads } = this;
    const units = Math.ceil(length / this.#unitColumns);
    const count = (units * this.#unitColumns) / 4;
    for (let i = length >> 2; i < count; i += 1) quads[i] = 0;
    readQuads(codes, rowStart, this.#bits, start, length, quads, 0);
    this.#store(count);
    return units;
  }

  /** Fills `quads` with code 0. */
  clear(length: number): number {
    const units = Math.ceil(length / this.#unitColumns);
    const count = (units * this.#unitColumns) / 4;
    this.quads.fill(0, 0, count);
    this.#store(count);
    return units;
  }

  #store(count: number): void {
    if (this.#isPlain) return;
    const { quads } = this;
    const flip = this.#flip;
    const lift = this.#lift;
    const sign = this.#sign;
    for (let i = 0; i < count; i += 1) quads[i] = ((quads[i] ^ flip) + lift) ^ sign;
  }
}

/**
 * The inverse of {@link packRows16}: the canonical matrix of `shape` from its rows16 bytes. `shape.bits` chooses the
 * width of the canonical codes; it must be the one that was packed.
 *
 * @throws BitloomError `format-shape`, `format-length`, `format-group-size`.
 */
export function unpackRows16(
  bytes: Uint8Array<ArrayBufferLike>,
  shape: GroupShape,
  options: Pick<Rows16Options, 'containerBits'> = {},
): CanonicalMatrix {
  checkRows16(shape);
  const { rows, cols, bits, groupSize } = shape;
  const container = chosenContainer(bits, options.containerBits);
  checkLength('rows16 bytes', bytes.length, rows16Bytes({ ...shape, bits: container.bits }));
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2);
  const groups = groupsPerRow(shape);
  const codes = new Int8Array(rows * cols);
  const scales = new Uint16Array(rows * groups);
  const quads = new Int32Array(
    (Math.ceil(Math.min(groupSize, cols) / container.unitColumns) * container.unitColumns) / 4,
  );
  const stored = new Uint8Array(quads.buffer);
  let at = 0;
  for (let block = 0; block < rows; block += ROWS16_BLOCK_ROWS) {
    for (let group = 0; group < groups; group += 1) {
      const start = group * groupSize;
      const length = Math.min(groupSize, cols - start);
      const units = Math.ceil(length / container.unitColumns);
      const scaleAt = at * 2 + (units * container.unitBytes) / 2;
      for (let row = block; row < Math.min(rows, block + ROWS16_BLOCK_ROWS); row += 1) {
        unpackUnits(container, words, at + row - block, units, quads, 0);
        const to = row * cols + start;
        for (let k = 0; k < length; k += 1) codes[to + k] = stored[k] - container.offset;
        scales[row * groups + group] = halves[scaleAt + row - block];
      }
      at = scaleAt / 2 + LANES / 2;
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
