/** Hand-made programs of several cores: each loads its part of a row, works on it, exchanges, and stores what it got. */
import {
  type Address,
  add,
  type Expression,
  type Instruction,
  maximum,
  minimum,
  multiply,
  type Program,
  subtract,
  symbol,
} from '@bitloom/ir';
import {
  at,
  copyRows,
  halt,
  instruction,
  load,
  region,
  store,
  type Tokens,
  tinyProgram,
} from '../../../ir/test/support/tiny-program.js';

export const CORE = symbol('core');

export interface ExchangeShape {
  readonly src: Address;
  /** Bytes of a run of this core, and where they go. */
  readonly length: Expression;
  readonly dst: Expression;
  readonly all: number;
  readonly allLength: number;
  readonly rows?: number;
  readonly srcRow?: number;
  readonly dstRow?: number;
}

export function exchange(shape: ExchangeShape, tokens: Tokens = {}): Instruction {
  const { src, length, dst, all, allLength, rows = 1, srcRow = 0, dstRow = 0 } = shape;
  const fields = { src, dst: at('data', dst), length, rows, srcRow, dstRow, all: at('data', all), allLength };
  return instruction('XCH', 'exchange', fields, tokens);
}

/** Bytes of `total` that belong to the executing core of `perCore` each, the last ones having fewer. */
function ownBytes(total: number, perCore: number): Expression {
  return maximum(0, minimum(perCore, subtract(total, multiply(perCore, CORE))));
}

/**
 * Core c loads bytes [c * perCore, ...) of `in`, copies them, exchanges all `total` bytes with the others, and stores
 * the whole at c * 4096 of `out`.
 */
export function gatherStream(total: number, perCore: number): Instruction[] {
  const own = ownBytes(total, perCore);
  const first = multiply(perCore, CORE);
  const floats: Expression = { floorDiv: [own, 4] };
  return [
    load(at('hbm', first), at('data', 0), own, { release: ['vector'] }),
    copyRows(
      at('data', 0),
      at('data', 1024),
      { rows: 1, cols: floats },
      { wait: ['load'], release: ['exchange'] },
    ),
    exchange(
      { src: at('data', 1024), length: own, dst: add(2048, first), all: 2048, allLength: total },
      { wait: ['vector'], release: ['store'] },
    ),
    store(at('data', 2048), at('hbm', add(16_384, multiply(4096, CORE))), total, { wait: ['exchange'] }),
    halt(),
  ];
}

/** One stream for `cores` cores. */
export function sharedProgram(instructions: readonly Instruction[], cores: number): Program {
  const program = tinyProgram(instructions, {
    regions: [
      region('in', 0, 16_384, { from: 'zeros' }, { purpose: 'input' }),
      region('out', 16_384, 4096 * cores, { from: 'zeros' }, { purpose: 'output' }),
    ],
  });
  const entries = program.entries.map((entry) => ({ ...entry, streams: [{ core: 0, cores, instructions }] }));
  return { ...program, entries };
}
