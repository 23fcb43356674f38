/**
 * What the memory unit's expander does to sparse tiles whose codes are narrower than the kernels' containers: the same
 * tile with 4 bits per code, in a place of its own. Dense tiles need none: kernels read all containers of `rows16`.
 */
import { packSparse16, SPARSE16_TILE, type Sparse16ContainerBits, unpackSparse16 } from '@bitloom/formats';
import { type Device, findBuffer, type Program, weightTileBytes } from '@bitloom/ir';
import type { Arena } from '@bitloom/kernels';
import { parseBandedLayout, parseWeightLayout } from './weight-layout.js';

/** A tile as an instruction describes it; `keep` values of each 16 columns everywhere. */
export interface SparseTile {
  readonly bits: number;
  readonly group: number;
  readonly keep: number;
  readonly n: number;
  readonly k: number;
}

/** Whether a tile of this width is expanded before a kernel reads it. */
export function isExpanded(bits: number, keep: number): bits is 2 | 3 {
  return keep !== 0 && (bits === 2 || bits === 3);
}

/** The place for expanded tiles of a program, as long as any tile of its card's weight buffer; 0 where it has none. */
export function allocateExpanded(arena: Arena, program: Program, device: Device): number {
  const isNeeded = program.regions.some(({ contents }) => {
    if (contents.from !== 'constant') return false;
    const layout = parseWeightLayout(contents.layout);
    const layouts =
      layout === undefined ? parseBandedLayout(contents.layout)?.map((band) => band.layout) : [layout];
    return layouts?.some(({ containerBits, keep }) => isExpanded(containerBits, keep)) === true;
  });
  // Codes become at most twice as long.
  return isNeeded ? arena.alloc(2 * (findBuffer(device, 'weights')?.bytes ?? 0), 64) : 0;
}

/**
 * Writes the tile at `source` with 4 bits per code to `target`; pointers into the arena, ranges apart.
 * @throws BitloomError `sparsity-pattern` for bytes that are no tile, as a product would compute nonsense of them
 */
export function expandSparse(arena: Arena, source: number, target: number, tile: SparseTile): void {
  const { group, keep, n, k } = tile;
  if (n === 0 || k === 0) return;
  const containerBits: Sparse16ContainerBits = tile.bits === 2 ? 2 : 3;
  const shape = { rows: n, cols: k, bits: containerBits, groupSize: group };
  const bytes = weightTileBytes(containerBits, group, keep, k, n);
  const matrix = unpackSparse16(arena.u8.subarray(source, source + bytes), shape, containerBits);
  const keeps = new Uint8Array(Math.ceil(n / SPARSE16_TILE) * Math.ceil(k / SPARSE16_TILE)).fill(keep);
  arena.u8.set(packSparse16(matrix, keeps, 4), target);
}
