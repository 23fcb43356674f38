/**
 * The layout `sparse16`: how N:M sparse group integers lie in memory for the kernels, in the tiles of FlightLLM's
 * sparsity (0, 2, 4, 8 or all of 16 columns kept, one number per tile of 16 x 16).
 *
 * A matrix [rows, cols] becomes blocks of 16 rows, of different lengths, behind a directory: one uint32 per block, the
 * bytes from that entry to its block, so that a part of the directory is the directory of a part of the rows. One block
 * holds, padded to 16 bytes:
 *
 * 1. its **keeps**: one byte per tile of 16 columns, padded to a multiple of 16 bytes;
 * 2. for each group of columns in order its **tiles** and then 16 fp16 **scales** (32 bytes, one per row). A group is
 *    whole tiles; a tile past the last column holds code 0.
 *
 * A tile of `keep` values has for each row r the kept codes 0..keep−1 in the order of their columns, and where in the
 * tile each lies (its index, 4 bits; a row that needs fewer has code 0 at index 0):
 * - `u4` container (2 to 4 bits), keep 4 or 8: keep/4 steps of 64 bytes, byte r·4 + j holds kept value 4·step + j: code
 *   + 8 in the low nibble, index in the high nibble. Keep 2: 32 bytes, byte r·2 + j.
 * - `s8` container (5 to 8 bits), keep 4 or 8: keep/4 steps of 64 bytes, byte r·4 + j the signed code; then the indices:
 *   of keep 8 in 64 bytes, byte r·4 + j has value j low and 4 + j high; of keep 4 in 32 bytes, byte r·2 + j has value j
 *   low and 2 + j high. Keep 2: 32 bytes, byte r·2 + j the code, then 16 bytes, byte r has index 0 low and 1 high.
 * - keep 16: the tile as in `rows16`, without indices. Keep 0: nothing.
 * - `u2` and `u3` containers (for devices; kernels read the other two), any keep but 0: codes as a bit stream of
 *   2·keep·bits bytes, kept value j of row r at bit bits·(r·keep + j), least significant bit first: code + 2 or code + 4.
 *   Then, unless keep is 16, the indices: 8·keep bytes, row r from byte r·keep/2 on, where byte j has value j low and
 *   keep/2 + j high (as in `s8`).
 *
 * So 16 activations are one vector of bytes, and an index is a lane of it: a gather is one shuffle.
 */
import { BitloomError } from '@bitloom/ir';
import { packCanonical, unpackCanonical } from '../scaled/group-integers.js';
import {
  type CanonicalMatrix,
  checkGroupShape,
  checkLength,
  type GroupShape,
  groupsPerRow,
} from './group-shape.js';

/** Rows and columns of a tile. */
export const SPARSE16_TILE = 16;
/** Numbers of values a tile may keep of each 16. */
export const SPARSE16_KEEPS: readonly number[] = [0, 2, 4, 8, 16];
const SCALE_BYTES = 32;

/** Width of a container of `sparse16`. */
export type Sparse16ContainerBits = 2 | 3 | 4 | 8;

/**
 * Width of the container that kernels read: 4 for codes of 2 to 4 bits, 8 for 5 to 8. It is also `bits` of the kernel
 * `gemmSparse`.
 */
export function sparse16ContainerBits(bits: number): 4 | 8 {
  return bits <= 4 ? 4 : 8;
}

/** Layout id, e.g. `sparse16.u4.g32`. */
export function sparse16LayoutId(bits: number, groupSize: number): string {
  return `sparse16.${sparse16ContainerBits(bits) === 4 ? 'u4' : 's8'}.g${groupSize}`;
}

/** Bytes of a tile: the codes and 4 bits of index of each, in a dense one the codes. */
export function sparse16TileBytes(
  bits: number,
  keep: number,
  containerBits: Sparse16ContainerBits = sparse16ContainerBits(bits),
): number {
  return keep * (2 * containerBits + (keep === SPARSE16_TILE ? 0 : 8));
}

/**
 * The container asked for, or that of kernels.
 *
 * @throws BitloomError `format-shape` when it is narrower than the codes.
 */
function chosenContainer(bits: number, containerBits?: Sparse16ContainerBits): Sparse16ContainerBits {
  if (containerBits === undefined) return sparse16ContainerBits(bits);
  if (containerBits >= bits) return containerBits;
  throw new BitloomError({
    code: 'format-shape',
    message: 'the container is narrower than the codes',
    where: 'containerBits',
    expected: `at least ${bits} bits`,
    got: String(containerBits),
  });
}

function checkShape(shape: GroupShape): void {
  checkGroupShape(shape);
  if (shape.groupSize % SPARSE16_TILE !== 0 && shape.groupSize < shape.cols) {
    throw new BitloomError({
      code: 'format-group-size',
      message: 'the layout sparse16 cannot hold groups of this size',
      expected: `a multiple of ${SPARSE16_TILE}, or at least ${shape.cols} columns`,
      got: String(shape.groupSize),
      hint: 'quantise with a group of 32, 64 or 128',
    });
  }
}

interface Grid {
  readonly blocks: number;
  readonly tiles: number;
  readonly groups: number;
  /** Tiles of a whole group. */
  readonly groupTiles: number;
  readonly keepBytes: number;
}

function gridOf(shape: GroupShape): Grid {
  const tiles = Math.ceil(shape.cols / SPARSE16_TILE);
  return {
    blocks: Math.ceil(shape.rows / SPARSE16_TILE),
    tiles,
    groups: groupsPerRow(shape),
    groupTiles: Math.ceil(Math.min(shape.groupSize, Math.max(1, shape.cols)) / SPARSE16_TILE),
    keepBytes: roundUp16(tiles),
  };
}

const roundUp16 = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/**
 * The smallest keep of each tile that holds its non-zero codes: [blocks of 16 rows, tiles of 16 columns].
 *
 * @throws BitloomError `format-shape`, `format-length`.
 */
export function sparse16Keeps(matrix: CanonicalMatrix): Uint8Array<ArrayBuffer> {
  checkGroupShape(matrix);
  const { codes } = unpackCanonical(matrix);
  const { blocks, tiles } = gridOf(matrix);
  const keeps = new Uint8Array(blocks * tiles);
  for (let row = 0; row < matrix.rows; row += 1) {
    for (let tile = 0; tile < tiles; tile += 1) {
      const end = Math.min(matrix.cols, (tile + 1) * SPARSE16_TILE);
      let count = 0;
      for (let col = tile * SPARSE16_TILE; col < end; col += 1)
        if (codes[row * matrix.cols + col] !== 0) count += 1;
      const keep = SPARSE16_KEEPS.find((candidate) => candidate >= count) ?? SPARSE16_TILE;
      const at = Math.floor(row / SPARSE16_TILE) * tiles + tile;
      keeps[at] = Math.max(keeps[at], keep);
    }
  }
  return keeps;
}

/**
 * Bytes of a matrix in this layout.
 *
 * @param keeps one number per tile, as {@link sparse16Keeps} gives them
 * @param containerBits a container of at least the width of the codes; by default that of kernels
 * @throws BitloomError `format-shape`, `format-group-size`, `format-length`.
 */
export function sparse16Bytes(
  shape: GroupShape,
  keeps: Uint8Array,
  containerBits?: Sparse16ContainerBits,
): number {
  checkShape(shape);
  const container = chosenContainer(shape.bits, containerBits);
  const { blocks, tiles } = gridOf(shape);
  checkLength('keeps', keeps.length, blocks * tiles);
  let total = directoryBytes(blocks);
  for (let block = 0; block < blocks; block += 1)
    total += blockBytes(shape, container, keeps.subarray(block * tiles, (block + 1) * tiles));
  return total;
}

const directoryBytes = (blocks: number): number => roundUp16(blocks * 4);

function blockBytes(shape: GroupShape, container: Sparse16ContainerBits, keeps: Uint8Array): number {
  const { groups, keepBytes } = gridOf(shape);
  return roundUp16(
    keeps.reduce(
      (sum, keep) => sum + sparse16TileBytes(shape.bits, keep, container),
      keepBytes + groups * SCALE_BYTES,
    ),
  );
}

/** Where in a tile the code and the index of a kept value lie. */
interface Place {
  /** Bit of the tile at which the code begins. */
  readonly code: number;
  readonly index: number;
  /** Bits to the left of an index in its byte. */
  readonly indexShift: number;
}

/** The place of kept value `j` of row `r` in a tile of `keep` values; of a dense one the place of column `j`. */
function placeOf(container: Sparse16ContainerBits, keep: number, r: number, j: number): Place {
  const half = keep / 2;
  // Indices that do not share their bytes with codes lie behind them.
  const index = keep * 2 * container + r * half + (j % half);
  const indexShift = j < half ? 0 : 4;
  if (container < 4) return { code: container * (r * keep + j), index, indexShift };
  if (keep === SPARSE16_TILE) {
    const columns = container === 4 ? 8 : 4;
    const byte = Math.floor(j / columns) * 64 + r * 4 + (j % 4);
    return { code: byte * 8 + (j % columns >= 4 ? 4 : 0), index, indexShift };
  }
  const step = keep === 2 ? 2 : 4;
  const byte = Math.floor(j / step) * 64 + r * step + (j % step);
  return container === 4
    ? { code: byte * 8, index: byte, indexShift: 4 }
    : { code: byte * 8, index, indexShift };
}

/** The stored number of `bits` bits at a bit of a tile. */
function readCode(bytes: Uint8Array, at: number, bit: number, bits: number): number {
  const byte = at + (bit >> 3);
  return ((bytes[byte] | ((bytes[byte + 1] ?? 0) << 8)) >> (bit & 7)) & (2 ** bits - 1);
}

function writeCode(bytes: Uint8Array, at: number, bit: number, bits: number, stored: number): void {
  const byte = at + (bit >> 3);
  const shift = bit & 7;
  const mask = (2 ** bits - 1) << shift;
  bytes[byte] = (bytes[byte] & ~mask) | ((stored << shift) & mask);
  if (shift + bits > 8)
    bytes[byte + 1] = (bytes[byte + 1] & ~(mask >> 8)) | (((stored << shift) & mask) >> 8);
}

/** What is added to a code before it is stored. */
const offsetOf = (container: Sparse16ContainerBits): number => (container === 8 ? 0 : 2 ** (container - 1));

/** Fills a tile with codes 0 at index 0. */
function clearTile(tile: Uint8Array, container: Sparse16ContainerBits, keep: number): void {
  if (container === 4) {
    tile.fill(keep === SPARSE16_TILE ? 0x88 : 0x08);
    return;
  }
  tile.fill(0);
  const codes = container === 8 ? 0 : keep * SPARSE16_TILE;
  for (let i = 0; i < codes; i += 1) writeCode(tile, 0, i * container, container, offsetOf(container));
}

/**
 * Transforms a canonical matrix to `sparse16`.
 *
 * @param keeps numbers of kept values per tile; by default the smallest that hold the non-zero codes
 * @param containerBits a container of at least the width of the codes; by default that of kernels
 * @throws BitloomError `format-shape`, `format-group-size`, `format-length`; `sparsity-pattern` when a row of a tile has
 *   more non-zero codes than the tile keeps, or a keep is not one of {@link SPARSE16_KEEPS}.
 */
export function packSparse16(
  matrix: CanonicalMatrix,
  keeps: Uint8Array = sparse16Keeps(matrix),
  containerBits?: Sparse16ContainerBits,
): Uint8Array<ArrayBuffer> {
  const { rows, cols, bits } = matrix;
  const container = chosenContainer(bits, containerBits);
  const out = new Uint8Array(sparse16Bytes(matrix, keeps, container));
  const view = new DataView(out.buffer);
  const { codes } = unpackCanonical(matrix);
  const grid = gridOf(matrix);
  const offset = offsetOf(container);
  let at = directoryBytes(grid.blocks);
  for (let block = 0; block < grid.blocks; block += 1) {
    view.setUint32(block * 4, at - block * 4, true);
    const own = keeps.subarray(block * grid.tiles, (block + 1) * grid.tiles);
    out.set(own, at);
    at += grid.keepBytes;
    for (let tile = 0; tile < grid.tiles; tile += 1) {
      const keep = own[tile];
      if (!SPARSE16_KEEPS.includes(keep)) throw badKeep(block, tile, keep);
      const bytes = sparse16TileBytes(bits, keep, container);
      // Lanes that keep nothing still say the code 0.
      clearTile(out.subarray(at, at + bytes), container, keep);
      for (let r = 0; r < SPARSE16_TILE; r += 1) {
        const row = block * SPARSE16_TILE + r;
        if (row >= rows) break;
        let kept = 0;
        for (let c = 0; c < SPARSE16_TILE; c += 1) {
          const col = tile * SPARSE16_TILE + c;
          const value = col < cols ? codes[row * cols + col] : 0;
          if (value === 0) continue;
          if (kept === keep) throw tooMany(row, tile, keep);
          const place = placeOf(container, keep, r, keep === SPARSE16_TILE ? c : kept);
          writeCode(out, at, place.code, container, value + offset);
          if (keep < SPARSE16_TILE) out[at + place.index] |= c << place.indexShift;
          kept += 1;
        }
      }
      at += bytes;
      if ((tile + 1) % grid.groupTiles !== 0 && tile + 1 !== grid.tiles) continue;
      const group = Math.floor(tile / grid.groupTiles);
      for (let r = 0; r < SPARSE16_TILE && block * SPARSE16_TILE + r < rows; r += 1) {
        view.setUint16(at + r * 2, matrix.scales[(block * SPARSE16_TILE + r) * grid.groups + group], true);
      }
      at += SCALE_BYTES;
    }
    at = roundUp16(at);
  }
  return out;
}

/**
 * The canonical matrix again; the inverse of {@link packSparse16}.
 *
 * @throws BitloomError `format-shape`, `format-group-size`; `format-length` when the bytes end before the matrix does;
 *   `sparsity-pattern` for a keep that the layout does not know.
 */
export function unpackSparse16(
  bytes: Uint8Array,
  shape: GroupShape,
  containerBits?: Sparse16ContainerBits,
): CanonicalMatrix {
  checkShape(shape);
  const { rows, cols, bits, groupSize } = shape;
  const grid = gridOf(shape);
  const container = chosenContainer(bits, containerBits);
  const offset = offsetOf(container);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const need = (end: number): void => {
    if (end > bytes.length) checkLength('bytes', bytes.length, end);
  };
  const codes = new Int8Array(rows * cols);
  const scales = new Uint16Array(rows * grid.groups);
  need(directoryBytes(grid.blocks));
  for (let block = 0; block < grid.blocks; block += 1) {
    const start = block * 4 + view.getUint32(block * 4, true);
    need(start + grid.keepBytes);
    let at = start + grid.keepBytes;
    for (let tile = 0; tile < grid.tiles; tile += 1) {
      const keep = bytes[start + tile];
      if (!SPARSE16_KEEPS.includes(keep)) throw badKeep(block, tile, keep);
      const tileBytes = sparse16TileBytes(bits, keep, container);
      need(at + tileBytes);
      for (let r = 0; r < SPARSE16_TILE && block * SPARSE16_TILE + r < rows; r += 1) {
        for (let j = 0; j < keep; j += 1) {
          const place = placeOf(container, keep, r, j);
          const stored = readCode(bytes, at, place.code, container);
          const value = container === 8 ? (stored << 24) >> 24 : stored - offset;
          const c = keep === SPARSE16_TILE ? j : (bytes[at + place.index] >> place.indexShift) & 15;
          const col = tile * SPARSE16_TILE + c;
          if (value !== 0 && col < cols) codes[(block * SPARSE16_TILE + r) * cols + col] = value;
        }
      }
      at += tileBytes;
      if ((tile + 1) % grid.groupTiles !== 0 && tile + 1 !== grid.tiles) continue;
      need(at + SCALE_BYTES);
      const group = Math.floor(tile / grid.groupTiles);
      for (let r = 0; r < SPARSE16_TILE && block * SPARSE16_TILE + r < rows; r += 1) {
        scales[(block * SPARSE16_TILE + r) * grid.groups + group] = view.getUint16(at + r * 2, true);
      }
      at += SCALE_BYTES;
    }
  }
  return packCanonical({ rows, cols, bits, groupSize, codes, scales });
}

function badKeep(block: number, tile: number, keep: number): BitloomError {
  return new BitloomError({
    code: 'sparsity-pattern',
    message: 'a tile keeps a number of values that the layout sparse16 does not know',
    where: `block ${block}, tile ${tile}`,
    expected: SPARSE16_KEEPS.join(', '),
    got: String(keep),
  });
}

function tooMany(row: number, tile: number, keep: number): BitloomError {
  return new BitloomError({
    code: 'sparsity-pattern',
    message: 'a row has more values to keep than its tile allows',
    where: `row ${row}, columns from ${tile * SPARSE16_TILE}`,
    expected: `at most ${keep} of ${SPARSE16_TILE}`,
    got: 'more',
    hint: 'prune the matrix, or let the tile keep more',
  });
}
