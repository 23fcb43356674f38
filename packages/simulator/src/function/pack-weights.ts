/** Weights in the layout a program wants them: tiles of whole kernel blocks one behind the other. */
import {
  type CanonicalMatrix,
  type GroupShape,
  groupsPerRow,
  packCanonical,
  packRows16,
  packSparse16,
  SPARSE16_TILE,
  unpackCanonical,
} from '@bitloom/formats';
import { weightTileBytes } from '@bitloom/ir';
import { type BandPart, bandedTiles, type MatrixPart, type WeightLayout } from './weight-layout.js';

function partShape(shape: GroupShape, part: MatrixPart): { rows: number; cols: number } {
  const colEnd = Math.min(shape.cols, part.groupEnd * shape.groupSize);
  return { rows: part.rowEnd - part.rowStart, cols: colEnd - part.groupStart * shape.groupSize };
}

function partBytes(layout: WeightLayout, shape: GroupShape, part: MatrixPart): number {
  const { rows, cols } = partShape(shape, part);
  return weightTileBytes(layout.containerBits, shape.groupSize, layout.keep, cols, rows);
}

/** A band of a matrix, or all of it: its layout and its shape. */
export interface PackedBand<S extends GroupShape = GroupShape> {
  readonly layout: WeightLayout;
  readonly shape: S;
}

/** Bytes of a matrix in a layout. */
export function packedBytes(layout: WeightLayout, shape: GroupShape): number {
  return bandedBytes([{ layout, shape }]);
}

/** Bytes of a matrix in bands. */
export function bandedBytes(bands: readonly PackedBand[]): number {
  let total = 0;
  for (const part of tilesOf(bands)) {
    const { layout, shape } = bands[part.band];
    total += partBytes(layout, shape, part);
  }
  return total;
}

function tilesOf(bands: readonly PackedBand[]): Generator<BandPart> {
  const tilings = bands.map(({ layout, shape }) => ({ ...layout, groups: groupsPerRow(shape) }));
  return bandedTiles(tilings, bands[0].shape.rows);
}

/**
 * Packs a matrix into `target`, which has {@link packedBytes} bytes.
 * @throws BitloomError `sparsity-pattern` when a row has more non-zero codes than a sparse layout keeps
 */
export function packWeights(
  layout: WeightLayout,
  matrix: CanonicalMatrix,
  target: Uint8Array<ArrayBufferLike>,
): void {
  packBands([{ layout, shape: matrix }], target);
}

/**
 * Packs a matrix in bands, of as many rows each, into `target`, which has {@link bandedBytes} bytes.
 * @throws BitloomError as {@link packWeights}
 */
export function packBands(
  bands: readonly PackedBand<CanonicalMatrix>[],
  target: Uint8Array<ArrayBufferLike>,
): void {
  const unpacked = bands.map(({ layout, shape }) =>
    layout.kind === 'sparse16' ? unpackCanonical(shape).codes : undefined,
  );
  let at = 0;
  for (const part of tilesOf(bands)) {
    const { layout, shape: matrix } = bands[part.band];
    const codes = unpacked[part.band];
    const bytes = partBytes(layout, matrix, part);
    const out = target.subarray(at, at + bytes);
    if (layout.kind === 'rows16') packRows16(matrix, { ...part, containerBits: layout.containerBits }, out);
    else if (codes !== undefined) out.set(packSparsePart(layout, matrix, codes, part));
    at += bytes;
  }
}

type SparseLayout = Extract<WeightLayout, { readonly kind: 'sparse16' }>;

/** A tile as a sparse matrix of its own, which keeps the same number of values everywhere. */
function packSparsePart(
  { keep, containerBits }: SparseLayout,
  matrix: CanonicalMatrix,
  all: Int8Array,
  part: MatrixPart,
): Uint8Array {
  const { bits, groupSize } = matrix;
  const { rows, cols } = partShape(matrix, part);
  const codes = new Int8Array(rows * cols);
  const groups = groupsPerRow(matrix);
  const partGroups = part.groupEnd - part.groupStart;
  const scales = new Uint16Array(rows * partGroups);
  for (let row = 0; row < rows; row++) {
    const source = part.rowStart + row;
    const from = source * matrix.cols + part.groupStart * groupSize;
    codes.set(all.subarray(from, from + cols), row * cols);
    const first = source * groups + part.groupStart;
    scales.set(matrix.scales.subarray(first, first + partGroups), row * partGroups);
  }
  const tiles = Math.ceil(rows / SPARSE16_TILE) * Math.ceil(cols / SPARSE16_TILE);
  const tile = packCanonical({ rows, cols, bits, groupSize, codes, scales });
  return packSparse16(tile, new Uint8Array(tiles).fill(keep), containerBits);
}
