/**
 * Float32 values that are divided over cores, as their readers want them: whole, or the part of the executing core.
 */
import { add, multiply } from '@bitloom/ir';
import type { Emitter, FloatColumns, Floats } from './emitter.js';
import { exchangeColumns, exchangeRows } from './exchange.js';
import { CORE, ownItems } from './partition.js';

/** A value with all of its rows and columns on every core: parts are exchanged where they are not. */
export function wholeValue(emitter: Emitter, name: string): Floats {
  const value = emitter.floatValue(name);
  if (value.perCore === undefined && value.rowsPerCore === undefined) return value;
  const whole = gather(emitter, `${name}.whole`, value);
  emitter.values.set(name, whole);
  if (![...emitter.values.values()].some((other) => other.allocation === value.allocation))
    emitter.data.free(value.allocation);
  return whole;
}

/**
 * As {@link wholeValue} for one reader: the value stays divided for others, and `release` frees what was gathered.
 */
export function borrowWhole(
  emitter: Emitter,
  name: string,
): { readonly value: Floats; readonly release: () => void } {
  const value = emitter.floatValue(name);
  if (value.perCore === undefined && value.rowsPerCore === undefined) return { value, release: () => {} };
  const whole = gather(emitter, `${name}.whole`, value);
  return { value: whole, release: () => emitter.data.free(whole.allocation) };
}

function gather(emitter: Emitter, name: string, value: Floats): Floats {
  const { cols, perCore, rowsPerCore } = value;
  const rowBytes = Math.ceil((cols * 4) / 64) * 64;
  const allocation = emitter.allocate(name, emitter.lengths.maxRows * rowBytes);
  const whole: Floats = { kind: 'f32', allocation, offset: 0, rowBytes, cols };
  if (perCore !== undefined) exchangeColumns(emitter, value, whole, { all: cols, perCore, itemBytes: 4 });
  else if (rowsPerCore !== undefined) exchangeRows(emitter, value, whole, rowsPerCore);
  return whole;
}

/** The columns of a value that the executing core works on when each has `perCore` of them. */
export function ownColumns(emitter: Emitter, name: string, perCore: number): FloatColumns {
  const value = emitter.floatValue(name);
  const own = ownItems(value.cols, perCore, emitter.cores);
  const isOwn = value.perCore === perCore && value.rowsPerCore === undefined;
  if (isOwn || emitter.cores === 1) return { ...value, cols: own };
  const whole = wholeValue(emitter, name);
  return { ...whole, offset: add(whole.offset, multiply(4 * perCore, CORE)), cols: own };
}
