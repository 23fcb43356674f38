/**
 * A pipeline of load, copy and store over two rings, ways to break it, and short names for what the verifier says:
 * shared by the tests of its rules.
 */
import {
  add,
  type BitloomError,
  ceilDivide,
  type Device,
  type Expression,
  type Instruction,
  modulo,
  multiply,
  symbol,
  type VerifiedEntry,
  type VerifyOptions,
  verifyProgram,
} from '../../src/index.js';
import { errorOf } from './errors.js';
import {
  at,
  copy,
  halt,
  lengthSymbol,
  load,
  loop,
  type ProgramParts,
  store,
  sync,
  tinyDevice,
  tinyProgram,
} from './tiny-program.js';

export const [i0, i1, seq, past] = [symbol('i0'), symbol('i1'), symbol('seq'), symbol('past')];

/** Address of a slot of a ring of two 256-byte slots from `base` on. */
const slot = (base: number): Expression => add(multiply(256, modulo(i0, 2)), base);

/**
 * Load, copy, store, with a ring of two slots on either side of the copy and credits for both rings before the
 * loop. Indices: 0, 1 credits; 2 LOOP; 3 LD; 4 VEC; 5 ST; 6 END; 7, 8 drains; 9 HALT.
 */
export function pipeline(trips: Expression = ceilDivide(seq, 16)): Instruction[] {
  return [
    sync('vector', { release: ['load'] }, 2),
    sync('store', { release: ['vector'] }, 2),
    ...loop(0, trips, [
      load(at('hbm', multiply(256, i0)), at('data', slot(0)), 256, { wait: ['vector'], release: ['vector'] }),
      copy(at('data', slot(0)), at('data', slot(1024)), 256, {
        wait: ['load', 'store'],
        release: ['load', 'store'],
      }),
      store(at('data', slot(1024)), at('hbm', add(16_384, multiply(256, i0))), 256, {
        wait: ['vector'],
        release: ['vector'],
      }),
    ]),
    sync('load', { wait: ['vector'] }, 2),
    sync('vector', { wait: ['store'] }, 2),
    halt(),
  ];
}

export const LENGTHS = { symbols: [lengthSymbol('seq', 0, 1024)], capacity: 1024 };

/** The pipeline with instruction `index` changed. */
export function mutant(index: number, change: (old: Instruction) => Partial<Instruction>): Instruction[] {
  const list = pipeline();
  list[index] = { ...list[index], ...change(list[index]) };
  return list;
}

export const field = (name: string, value: Instruction['fields'][string]) => (old: Instruction) => ({
  fields: { ...old.fields, [name]: value },
});

export function failure(
  instructions: readonly Instruction[],
  parts: ProgramParts = LENGTHS,
  device: Device = tinyDevice(),
  options?: VerifyOptions,
): BitloomError {
  return errorOf(() => verifyProgram(tinyProgram(instructions, parts), device, options));
}

export function verified(
  instructions: readonly Instruction[],
  parts: ProgramParts = LENGTHS,
  options?: VerifyOptions,
): VerifiedEntry {
  return verifyProgram(tinyProgram(instructions, parts), tinyDevice(), options).entries[0];
}

/** Where an error of the only entry stands. */
export const place = (index: number): string => `entry 'main', core 0, instruction ${index} `;
