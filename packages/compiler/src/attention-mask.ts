/** Masks of blocks of scores on their way to the vector unit that applies them. */
import { BitloomError, type GraphNode, integerAttribute, multiply, TRANSFER_KINDS } from '@bitloom/ir';
import type { Allocation } from './data-buffer.js';
import type { Emitter } from './emitter.js';
import { dataAddress, runs, touchData, touchRegion } from './operands.js';
import { ownItems, ownStart } from './partition.js';
import { type MaskBlocks, sightTables, type VisibleColumns, visibleColumns } from './visible-columns.js';

const OTHER_KIND = TRANSFER_KINDS.indexOf('other');

/** Blocks of scores that are hidden, on chip: a byte each, [1 or heads of the core, rows, cols]. */
export interface AttentionMask {
  readonly stage: Allocation;
  /** Bytes from head to head; 0 where all share one mask. */
  readonly headBytes: number;
  readonly rowBytes: number;
  /** Queries and tokens of a block. */
  readonly maskRows: number;
  readonly maskCols: number;
  /** What it shows of all columns, where its bytes are known while compiling and something can be left out. */
  readonly visible: VisibleColumns | undefined;
}

/**
 * Brings the mask of a node on chip: whole, or the heads of the executing core.
 *
 * @param mostTile tokens that a tile of keys or values has room for
 */
export function loadMask(
  emitter: Emitter,
  node: GraphNode,
  headsPerCore: number,
  mostTile: number,
): AttentionMask | undefined {
  const name = node.inputs[3];
  if (name === undefined) return undefined;
  const { region, heads, rows, cols, seen } = emitter.image.mask(name);
  const [maskRows, maskCols] = [integerAttribute(node, 'maskRows'), integerAttribute(node, 'maskCols')];
  const covered = Math.min(rows * maskRows, cols * maskCols);
  if (covered < emitter.capacity) {
    throw new BitloomError({
      code: 'compiler-op-unsupported',
      message: 'the mask of attention is smaller than the context',
      where: `node '${node.name}'`,
      expected: `blocks for ${emitter.capacity} tokens`,
      got: `for ${covered}`,
      hint: 'use a shorter context (--context)',
    });
  }
  const headBytes = rows * cols;
  const ofCore = heads === 1 ? 1 : headsPerCore;
  const own = heads === 1 ? 1 : ownItems(heads, headsPerCore, emitter.cores);
  const stage = emitter.stage(`mask.${emitter.turn('mask')}.${ofCore * headBytes}`, ofCore * headBytes);
  const offset = heads === 1 ? 0 : ownStart(emitter.cores, headsPerCore * headBytes);
  emitter.push(
    emitter.draft(
      'LD',
      'fetch',
      runs(region, offset, dataAddress(stage), { length: multiply(headBytes, own) }, OTHER_KIND),
      [touchRegion(region, false), touchData(stage, true)],
    ),
  );
  return {
    stage,
    headBytes: heads === 1 ? 0 : headBytes,
    rowBytes: cols,
    maskRows,
    maskCols,
    visible:
      seen === undefined
        ? undefined
        : visibleThrough(emitter, name, { seen, heads, rows, cols, maskRows, maskCols }, mostTile),
  };
}

/** Layers share a mask, and so its tables. */
function visibleThrough(
  emitter: Emitter,
  name: string,
  blocks: MaskBlocks,
  mostTile: number,
): VisibleColumns | undefined {
  const { lengths, capacity, device, image, batch } = emitter;
  const key = `${name} ${blocks.maskRows} ${blocks.maskCols} ${lengths.maxRows} ${mostTile}`;
  if (!image.sights.has(key)) {
    const limits = { capacity, mostTile, engineColumns: device.matrix.mm.n };
    image.sights.set(key, sightTables(blocks, lengths.maxRows, limits));
  }
  const tables = image.sights.get(key);
  return tables === undefined ? undefined : visibleColumns(tables, lengths, batch.index > 0);
}
