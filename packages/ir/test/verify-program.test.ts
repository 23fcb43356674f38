/** The program verifier as a whole: what passes and with which statistics, the header, symbols, cores, and its cost. */
import { describe, expect, it } from 'vitest';
import {
  add,
  type BitloomError,
  ceilDivide,
  type Instruction,
  minimum,
  multiply,
  type Program,
  symbol,
  verifyProgram,
} from '../src/index.js';
import { errorOf } from './support/errors.js';
import { failure, i0, i1, LENGTHS, pipeline, seq, verified } from './support/pipeline-program.js';
import {
  at,
  copyRows,
  halt,
  instruction,
  lengthSymbol,
  load,
  loop,
  region,
  store,
  tinyDevice,
  tinyProgram,
} from './support/tiny-program.js';

describe('a program that is right', () => {
  it('passes with statistics', () => {
    const result = verified(pipeline());
    expect(result).toMatchObject({ name: 'main', instructions: 10 });
    expect(result.fields).toEqual({ proved: 7, sampled: 0, unreached: 0 });
    expect(result.accesses).toEqual({ proved: 6, sampled: 0, unreached: 0 });
    expect(result.tokens).toEqual({
      'load>vector': { inOrder: 1, most: 2 },
      'store>vector': { inOrder: 2, most: 2 },
      'vector>load': { inOrder: 2, most: 2 },
      'vector>store': { inOrder: 1, most: 2 },
    });
    expect(result.lengths).toEqual(expect.arrayContaining([{ seq: 0 }, { seq: 1024 }]));
    expect(result.comparisons).toBeGreaterThan(50);
  });

  it('is expanded once where no symbol is used', () => {
    expect(verified(pipeline(3)).lengths).toEqual([{ seq: 0 }]);
  });

  it('gives the same result for the same seed', () => {
    expect(verified(pipeline(), LENGTHS, { seed: 7 })).toEqual(verified(pipeline(), LENGTHS, { seed: 7 }));
  });

  it('is expanded at given lengths too', () => {
    const { lengths } = verified(pipeline(), LENGTHS, { lengths: [{ seq: 77 }], samples: 0 });
    expect(lengths).toEqual([{ seq: 77 }, { seq: 0 }, { seq: 1024 }]);
    const options = { lengths: [{ seq: 2000 }] };
    expect(failure(pipeline(), LENGTHS, tinyDevice(), options).code).toBe('program-symbol-bounds');
  });
});

describe('the header', () => {
  const change = (parts: Partial<Program>): BitloomError =>
    errorOf(() => verifyProgram({ ...tinyProgram(pipeline(), LENGTHS), ...parts }, tinyDevice()));

  it('names version, device, numerics, capacity, registers and entries that fit', () => {
    const program = tinyProgram(pipeline(), LENGTHS);
    expect(change({ instructionSet: '0.9' }).code).toBe('program-instruction-set');
    expect(change({ device: 'other' }).code).toBe('program-device');
    expect(change({ numerics: { ...program.numerics, linear: 'f32' } }).code).toBe('program-numerics');
    expect(change({ capacity: 0 }).code).toBe('program-capacity');
    expect(change({ registers: [{ index: 0, name: 'none', doc: '' }] }).code).toBe('program-register');
    expect(change({ entries: [program.entries[0], program.entries[0]] }).code).toBe('program-entry');
  });
});

describe('symbols', () => {
  it('have bounds and names that they can have', () => {
    const wrong = [
      [lengthSymbol('seq', 2, 1)],
      [lengthSymbol('seq', -1, 1)],
      [lengthSymbol('i0', 0, 1)],
      [lengthSymbol('seq', 0, 1), lengthSymbol('seq', 0, 1)],
      [lengthSymbol('seq', 40, 50), lengthSymbol('past', 40, 50)],
    ];
    for (const symbols of wrong) {
      expect(failure([halt()], { symbols, capacity: 64 }).code).toBe('program-symbol-bounds');
    }
  });

  it('may be many, as batch slots make them', () => {
    const slots = Array.from({ length: 12 }, (_, s) => [
      lengthSymbol(`past[${s}]`, 0, 63),
      lengthSymbol(`seq[${s}]`, 1, 64),
    ]);
    const loads = slots.flatMap(([p, s]) => load(at('hbm', symbol(p.name)), at('data', 0), symbol(s.name)));
    const result = verified([...loads, halt()], { symbols: slots.flat(), capacity: 64 });
    expect(result.lengths.length).toBeLessThan(60);
    for (const lengths of result.lengths) {
      for (const s of slots.keys())
        expect(lengths[`past[${s}]`] + lengths[`seq[${s}]`]).toBeLessThanOrEqual(64);
    }
  });
});

describe('several cores', () => {
  const write = (offset: number): Instruction[] => [store(at('data', 0), at('hbm', offset), 64), halt()];

  it('have buffers of their own and must keep apart in memory', () => {
    expect(verified(write(0), { others: [write(64)] }).instructions).toBe(4);
    const error = failure(write(0), { others: [write(63)] });
    expect(error).toMatchObject({
      code: 'program-core-race',
      where: expect.stringContaining('core 1, instruction 0'),
    });
    expect(error.got).toContain('core 0, instruction 0');
    const read = [load(at('hbm', 60), at('data', 0), 8), halt()];
    expect(failure(read, { others: [write(0)] }).code).toBe('program-core-race');
    expect(verified(read, { others: [read] }).instructions).toBe(4);
  });

  it('are cores of the device, each once', () => {
    const program = tinyProgram(write(0), { others: [write(64), write(128)] });
    expect(errorOf(() => verifyProgram(program, tinyDevice())).code).toBe('program-core');
  });
});

describe('cost', () => {
  it('cuts long loops, so that work does not grow with the length', () => {
    const parts = (max: number) => ({
      symbols: [lengthSymbol('seq', 0, max)],
      capacity: max,
      regions: [region('in', 0, 65_536), region('out', 65_536, 65_536)],
    });
    const list = (max: number): Instruction[] =>
      pipeline(ceilDivide(seq, 16))
        .map((item) =>
          item.name === 'ST'
            ? { ...item, fields: { ...item.fields, dst: at('hbm', add(65_536, multiply(256, i0))) } }
            : item,
        )
        .with(2, instruction('LOOP', 'system', { variable: 0, trips: ceilDivide(minimum(seq, max), 16) }));
    const short = verified(list(1024), parts(1024), { samples: 0 });
    const long = verified(list(4096), parts(4096), { samples: 0 });
    expect(long.executed).toBe(short.executed);
    const nested = loop(
      1,
      1000,
      loop(0, 1000, [copyRows(at('data', i1), at('data', 4096), { rows: 1, cols: 1 })]),
    );
    expect(verified([...nested, halt()]).executed).toBeLessThan(200);
  });

  it('stops sampling when it has executed enough', () => {
    const { lengths } = verified(pipeline(), LENGTHS, { samples: 50, maxExecuted: 1 });
    expect(lengths).toEqual([{ seq: 0 }, { seq: 1024 }]);
    expect(verified(pipeline(), LENGTHS, { samples: 20 }).lengths.length).toBeGreaterThan(15);
  });
});
