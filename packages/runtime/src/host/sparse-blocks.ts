/**
 * N:M sparse matrices on their way into the arena: packed codes (layout `nm`) become `sparse16`, the layout of the sparse
 * products, some rows at a time. Where groups are of fewer than 16 columns, a tile of 16 keeps what its groups keep
 * together: every 2:4 pattern is an 8:16 pattern.
 */
import {
  type FixedQuantizedType,
  type GroupShape,
  type NmDirectory,
  type NmSparsity,
  nmCodes,
  nmDirectory,
  packCanonical,
  packSparse16,
  SPARSE16_KEEPS,
  SPARSE16_TILE,
  type SparseShape,
  sparse16Bytes,
  sparse16ContainerBits,
  unpackNmRows,
} from '@bitloom/formats';
import type { BitloomError } from '@bitloom/ir';
import { roundUp } from './workspace.js';

/** Elements unpacked at a time. */
const STEP_ELEMENTS = 2 ** 20;

/** A sparse matrix that is known and not laid out yet. */
export interface SparseMatrix {
  readonly shape: GroupShape;
  readonly packed: Uint8Array;
  readonly codes: SparseShape;
  readonly sparsity: NmSparsity;
  readonly directory: NmDirectory;
  /** Kept values of each tile of 16 x 16, [blocks of rows, tiles]. */
  readonly keeps: Uint8Array;
  /** Bytes in the layout of the products. */
  readonly bytes: number;
  /** Rows that {@link packSparseRows} takes at a time; whole blocks. */
  readonly stepRows: number;
  /** What the kernel is told. */
  readonly container: {
    readonly rows: number;
    readonly cols: number;
    readonly bits: number;
    readonly group: number;
  };
}

/**
 * @param refuse makes the error for a sparsity, or groups of scales, that the kernel does not know
 * @throws BitloomError of `refuse`; `quantized-type`, `sparsity-shape`, `sparsity-packed`
 */
export function sparseMatrix(
  type: FixedQuantizedType,
  group: number,
  packed: Uint8Array,
  refuse: (expected: string, got: string) => BitloomError,
): SparseMatrix {
  const { shape: codes, sparsity } = nmCodes(type);
  const { rows, cols, bits } = codes;
  const { m, block } = sparsity;
  const isTiled = SPARSE16_TILE % m === 0 && block[0] === SPARSE16_TILE && block[1] === SPARSE16_TILE;
  if (!isTiled)
    throw refuse('with blocks of 16 x 16 of groups that divide 16', `${m} in blocks of ${block.join(' x ')}`);
  if (group % SPARSE16_TILE !== 0 && group < cols)
    throw refuse(`with scales per multiple of ${SPARSE16_TILE} columns`, String(group));
  const directory = nmDirectory(packed, codes, sparsity);
  const keepOf = (kept: number): number =>
    SPARSE16_KEEPS.find((keep) => keep >= (kept * SPARSE16_TILE) / m) ?? SPARSE16_TILE;
  const keeps = Uint8Array.from(directory.keeps, keepOf);
  const shape = { rows, cols, bits, groupSize: group };
  return {
    shape,
    packed,
    codes,
    sparsity,
    directory,
    keeps,
    bytes: sparse16Bytes(shape, keeps),
    stepRows: Math.max(1, Math.floor(STEP_ELEMENTS / Math.max(1, cols) / SPARSE16_TILE)) * SPARSE16_TILE,
    container: { rows, cols, bits: sparse16ContainerBits(bits), group },
  };
}

/**
 * Writes the blocks of the next `stepRows` rows, from `row` on, and their entries of the directory. Rows come in order:
 * the end of the blocks before is where these begin.
 *
 * @param scales fp16 of these rows
 * @param out all bytes of the matrix
 */
export function packSparseRows(
  { shape, packed, codes, sparsity, directory, keeps, stepRows }: SparseMatrix,
  row: number,
  scales: Uint16Array,
  out: Uint8Array,
): void {
  const count = Math.min(stepRows, shape.rows - row);
  const rows = { start: row, end: row + count };
  const values = unpackNmRows(packed, codes, sparsity, rows, new Int8Array(count * shape.cols), directory);
  const tiles = Math.ceil(shape.cols / SPARSE16_TILE);
  const first = row / SPARSE16_TILE;
  const blocks = Math.ceil(count / SPARSE16_TILE);
  const piece = { ...shape, rows: count };
  const own = keeps.subarray(first * tiles, (first + blocks) * tiles);
  const laid = packSparse16(packCanonical({ ...piece, codes: values, scales }), own);
  // The blocks lie behind a directory of their own; in the whole they lie behind that of all rows, and those before.
  const before = sparse16Bytes({ ...shape, rows: first * SPARSE16_TILE }, keeps.subarray(0, first * tiles));
  const allBlocks = Math.ceil(shape.rows / SPARSE16_TILE);
  const target = directoryBytes(allBlocks) + before - directoryBytes(first);
  const shift = target - directoryBytes(blocks);
  out.set(laid.subarray(directoryBytes(blocks)), target);
  const from = new DataView(laid.buffer, laid.byteOffset);
  const to = new DataView(out.buffer, out.byteOffset);
  for (let block = 0; block < blocks; block += 1) {
    // An entry counts from itself.
    const start = block * 4 + from.getUint32(block * 4, true) + shift;
    const entry = (first + block) * 4;
    to.setUint32(entry, start - entry, true);
  }
}

/** Bytes of the directory of so many blocks. */
function directoryBytes(blocks: number): number {
  return roundUp(blocks * 4, 16);
}
