/** Rule (b) of the program verifier: accesses inside buffers and regions; and the regions and ports themselves. */
import { describe, expect, it } from 'vitest';
import {
  add,
  type BitloomError,
  type Expression,
  type Instruction,
  multiply,
  type Region,
  symbol,
} from '../src/index.js';
import {
  failure,
  field,
  LENGTHS,
  mutant,
  past,
  pipeline,
  place,
  seq,
  verified,
} from './support/pipeline-program.js';
import {
  at,
  copy,
  copyRows,
  halt,
  instruction,
  lengthSymbol,
  load,
  region,
  tinyDevice,
  tinyRegions,
} from './support/tiny-program.js';

describe('rule b: bounds', () => {
  it('refuses what lies outside for any length', () => {
    const error = failure([...pipeline(1).slice(0, -1), copy(at('data', 0), at('data', 8000), 256), halt()]);
    expect(error).toMatchObject({
      code: 'program-bounds',
      message: expect.stringContaining("operand 'dst' writes outside"),
      expected: "0..8192 (buffer 'data')",
      got: 'data 8000..8256',
    });
    expect(error.where).toContain(place(9));
  });

  it('refuses what lies outside for the longest length, and says at which', () => {
    const error = failure(pipeline(), {
      ...LENGTHS,
      symbols: [lengthSymbol('seq', 0, 1025)],
      capacity: 1025,
    });
    expect(error).toMatchObject({
      code: 'program-bounds',
      expected: "16384..32768 (region 'out')",
      got: 'hbm 32768..33024 at seq=1025, i0=64',
    });
  });

  it('wants an access in one region, of the right channel', () => {
    const straddle = mutant(3, field('src', at('hbm', 16_383)));
    expect(failure(straddle)).toMatchObject({ code: 'program-bounds', expected: "0..16384 (region 'in')" });
    const onChannel = mutant(3, field('src', at('hbm', 0, { channel: 1 })));
    expect(failure(onChannel).expected).toBe('a region in hbm, channel 1; there is none');
  });

  it('uses past + seq <= capacity where the interval does not', () => {
    const append = (rows: Expression): Instruction[] => [
      instruction('ST', 'store', {
        src: at('data', 0),
        dst: at('hbm', multiply(64, past)),
        length: multiply(64, rows),
        count1: 1,
        count2: 1,
      }),
      halt(),
    ];
    const parts = {
      symbols: [lengthSymbol('seq', 1, 64), lengthSymbol('past', 0, 127)],
      capacity: 128,
      regions: [region('cache', 0, 64 * 128)],
    };
    const result = verified(append(seq), parts);
    expect(result.accesses).toEqual({ proved: 1, sampled: 1, unreached: 0 });
    expect(result.lengths).toEqual(
      expect.arrayContaining([
        { seq: 64, past: 64 },
        { seq: 1, past: 127 },
        { seq: 64, past: 0 },
      ]),
    );
    const error = failure(append(add(seq, 1)), parts);
    expect(error.code).toBe('program-bounds');
    expect(error.got).toMatch(/^hbm \d+\.\.8256 at seq=\d+, past=\d+$/);
  });

  it('applies the capacity to each slot', () => {
    const [past2, seq2] = [symbol('past[2]'), symbol('seq[2]')];
    const list = [load(at('hbm', multiply(64, past2)), at('data', 0), multiply(64, seq2)), halt()];
    const parts = {
      symbols: [lengthSymbol('seq[2]', 1, 64), lengthSymbol('past[2]', 0, 127)],
      capacity: 128,
      regions: [region('cache', 0, 64 * 128)],
    };
    expect(verified(list, parts).accesses.sampled).toBe(1);
  });

  it('adds base registers, those given and those that BASE sets', () => {
    const registers = [{ index: 3, name: 'r', doc: '' }];
    const parts = { ...LENGTHS, registers };
    const through = load(at('hbm', 16_000, { register: 3 }), at('data', 0), 256);
    expect(verified([through, halt()], parts).accesses.proved).toBe(2);
    const options = { registers: new Map([[3, 256]]) };
    expect(failure([through, halt()], parts, tinyDevice(), options).got).toBe('hbm 16256..16512');
    const base = (value: Expression): Instruction => instruction('BASE', 'system', { register: 3, value });
    expect(verified([base(64), through, halt()], parts).accesses).toEqual({
      proved: 1,
      sampled: 1,
      unreached: 0,
    });
    expect(failure([base(200), through, halt()], parts).code).toBe('program-bounds');
    expect(failure([base(0), halt()])).toMatchObject({ code: 'program-register' });
  });

  it('keeps paged accesses inside their page table', () => {
    const registers = [{ index: 3, name: 'kv', doc: '', pageTable: { pageBytes: 4096, entries: 4 } }];
    const paged = (offset: number) =>
      load(at('hbm', offset, { register: 3, page: true }), at('data', 0), 256);
    expect(verified([paged(16_000), halt()], { registers }).accesses.proved).toBe(2);
    expect(failure([paged(16_200), halt()], { registers }).expected).toBe(
      '0..16384 (pages of register 3 (kv))',
    );
  });

  it('takes nothing from accesses of no bytes', () => {
    expect(
      verified([copyRows(at('data', 8192), at('data', 9000), { rows: 0, cols: 4 }), halt()]).executed,
    ).toBe(2);
  });
});

describe('regions and ports', () => {
  const withRegions = (regions: readonly Region[]): BitloomError => failure([halt()], { regions });

  it('refuses regions that cannot be', () => {
    const cases: [readonly Region[], RegExp][] = [
      [[region('a', 0, 16), region('a', 64, 16)], /one name/],
      [[region('a', 0, 16, { from: 'zeros' }, { space: 'data' })], /not in a memory/],
      [[region('a', 0, 4 * 65_536 + 1)], /does not fit/],
      [[region('a', 0, 65_537, { from: 'zeros' }, { channel: 0 })], /does not fit/],
      [[region('a', 0, 16, { from: 'zeros' }, { channel: 9 })], /channel/],
      [[region('a', 0, 100), region('b', 99, 100)], /share bytes/],
      [[region('a', 0, 1000), region('b', 10, 10), region('c', 990, 20)], /share bytes/],
      // Striped bytes 256..511 stand at 0..255 of channel 1.
      [[region('a', 256, 256), region('b', 255, 8, { from: 'zeros' }, { channel: 1 })], /share bytes/],
    ];
    for (const [regions, message] of cases) {
      expect(withRegions(regions)).toMatchObject({
        code: 'program-region',
        message: expect.stringMatching(message),
      });
    }
  });

  it('allows striped regions and regions on a channel side by side', () => {
    const onChannel = region('b', 256, 8, { from: 'zeros' }, { channel: 1 });
    expect(verified([halt()], { regions: [region('a', 0, 1024), onChannel] }).executed).toBe(1);
    // The last stripes of a: channel 0 up to 512, channel 1 up to 300.
    const ragged = [region('a', 0, 1024 + 256 + 44), region('b', 300, 8, { from: 'zeros' }, { channel: 1 })];
    expect(verified([halt()], { regions: ragged }).executed).toBe(1);
    expect(withRegions([ragged[0], { ...ragged[1], offset: 299 }]).code).toBe('program-region');
  });

  it('keeps constants from being written', () => {
    const constant = { from: 'constant', constant: 'w', component: 'data', layout: 'f32' } as const;
    const regions = [tinyRegions()[0], region('out', 16_384, 16_384, constant)];
    const error = failure(pipeline(), { ...LENGTHS, regions });
    expect(error).toMatchObject({
      code: 'program-region-write',
      got: expect.stringContaining("region 'out'"),
    });
    expect(error.where).toContain(place(5));
  });

  it('wants ports that fit into their regions', () => {
    const port = (name: string, length: Expression) => ({
      name,
      region: name,
      dtype: 'i32' as const,
      shape: [length],
    });
    const symbols = [lengthSymbol('seq', 1, 1024)];
    const parts = { symbols, capacity: 1024, regions: [region('ids', 0, 4096)] };
    expect(verified([halt()], { ...parts, inputs: [port('ids', seq)] }).executed).toBe(1);
    expect(failure([halt()], { ...parts, inputs: [port('ids', add(seq, 1))] }).code).toBe('program-port');
    expect(failure([halt()], { ...parts, inputs: [port('other', seq)] }).code).toBe('program-port');
    expect(failure([halt()], { ...parts, inputs: [port('ids', past)] }).got).toContain('past');
  });
});
