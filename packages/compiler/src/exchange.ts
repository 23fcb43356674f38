/**
 * Exchanges between cores: a value of which every core has some columns, or some rows, comes to lie on all of them.
 * What is exchanged and when is for the emitters of ops; this file writes the instruction.
 */
import { type Expression, multiply } from '@bitloom/ir';
import type { Allocation } from './data-buffer.js';
import type { Emitter } from './emitter.js';
import { dataAddress, touchData } from './operands.js';
import { CORE, ownItems } from './partition.js';

/** A matrix in the data buffer; `offset` is that of its first byte. */
export interface Placed {
  readonly allocation: Allocation;
  readonly offset?: Expression;
  readonly rowBytes: number;
}

/**
 * Gathers columns: `from` is the part of the executing core, `to` the place of the whole value, which may hold the part
 * already.
 *
 * @param columns of the whole value and of each core, in items of `itemBytes`
 */
export function exchangeColumns(
  emitter: Emitter,
  from: Placed,
  to: Placed,
  columns: { readonly all: number; readonly perCore: number; readonly itemBytes: number },
): void {
  const { all, perCore, itemBytes } = columns;
  emitter.push(
    emitter.draft(
      'XCH',
      'exchange',
      {
        src: dataAddress(from.allocation, from.offset ?? 0),
        dst: dataAddress(to.allocation, multiply(itemBytes * perCore, CORE)),
        length: multiply(itemBytes, ownItems(all, perCore, emitter.cores)),
        rows: emitter.lengths.rows,
        srcRow: from.rowBytes,
        dstRow: to.rowBytes,
        all: dataAddress(to.allocation),
        allLength: itemBytes * all,
      },
      [touchData(from.allocation, false), touchData(to.allocation, true)],
    ),
  );
}

/**
 * Gathers rows, which lie behind each other: `from` holds those of the executing core, `to` all of them, and may be the
 * same place.
 *
 * @param perCore rows of each core, the last ones fewer
 */
export function exchangeRows(emitter: Emitter, from: Placed, to: Placed, perCore: number): void {
  const bytes = to.rowBytes;
  emitter.push(
    emitter.draft(
      'XCH',
      'exchange',
      {
        src: dataAddress(from.allocation, from.offset ?? 0),
        dst: dataAddress(to.allocation, multiply(bytes * perCore, CORE)),
        length: multiply(bytes, emitter.ownRows(perCore)),
        rows: 1,
        all: dataAddress(to.allocation),
        allLength: multiply(bytes, emitter.lengths.rows),
      },
      [touchData(from.allocation, false), touchData(to.allocation, true)],
    ),
  );
}
