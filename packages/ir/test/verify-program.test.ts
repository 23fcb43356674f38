/** The program verifier, rule by rule: a program that passes, and mutants that each break one rule. */
import { describe, expect, it } from 'vitest';
import {
  add,
  type BitloomError,
  ceilDivide,
  type Device,
  type Expression,
  type Frame,
  type Instruction,
  maximum,
  minimum,
  modulo,
  multiply,
  type Program,
  type Region,
  subtract,
  symbol,
  type VerifyOptions,
  verifyProgram,
} from '../src/index.js';
import { errorOf } from './support/errors.js';
import {
  at,
  copy,
  copyRows,
  halt,
  instruction,
  lengthSymbol,
  load,
  loop,
  type ProgramParts,
  region,
  store,
  sync,
  tinyDevice,
  tinyProgram,
  tinyRegions,
} from './support/tiny-program.js';

const [i0, i1, seq, past] = [symbol('i0'), symbol('i1'), symbol('seq'), symbol('past')];

/** Address of a slot of a ring of two 256-byte slots from `base` on. */
const slot = (base: number): Expression => add(multiply(256, modulo(i0, 2)), base);

/**
 * Load, copy, store, with a ring of two slots on either side of the copy and credits for both rings before the
 * loop. Indices: 0, 1 credits; 2 LOOP; 3 LD; 4 VEC; 5 ST; 6 END; 7, 8 drains; 9 HALT.
 */
function pipeline(trips: Expression = ceilDivide(seq, 16)): Instruction[] {
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

const LENGTHS = { symbols: [lengthSymbol('seq', 0, 1024)], capacity: 1024 };

/** The pipeline with instruction `index` changed. */
function mutant(index: number, change: (old: Instruction) => Partial<Instruction>): Instruction[] {
  const list = pipeline();
  list[index] = { ...list[index], ...change(list[index]) };
  return list;
}

const field = (name: string, value: Instruction['fields'][string]) => (old: Instruction) => ({
  fields: { ...old.fields, [name]: value },
});

function failure(
  instructions: readonly Instruction[],
  parts: ProgramParts = LENGTHS,
  device: Device = tinyDevice(),
  options?: VerifyOptions,
): BitloomError {
  return errorOf(() => verifyProgram(tinyProgram(instructions, parts), device, options));
}

function verified(
  instructions: readonly Instruction[],
  parts: ProgramParts = LENGTHS,
  options?: VerifyOptions,
) {
  return verifyProgram(tinyProgram(instructions, parts), tinyDevice(), options).entries[0];
}

/** Where an error of the only entry stands. */
const place = (index: number): string => `entry 'main', core 0, instruction ${index} `;

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

describe('rule a: instructions and fields', () => {
  it.each<[string, string, Instruction[]]>([
    ['an unknown instruction', 'program-instruction', mutant(3, () => ({ name: 'LDX' }))],
    ['a queue that does not run it', 'program-queue', mutant(3, () => ({ queue: 'store' }))],
    ['a provenance that is not there', 'program-origin', mutant(3, () => ({ origin: 1 }))],
    ['a queue twice in a mask', 'program-mask', mutant(3, () => ({ wait: ['vector', 'vector'] }))],
    ['a token for the dispatcher', 'program-mask', mutant(3, () => ({ release: ['system'] }))],
    ['a field of another instruction', 'program-field-unknown', mutant(3, field('rows', 1))],
    ['a number for an address', 'program-field-kind', mutant(3, field('dst', 0))],
    ['an address for a number', 'program-field-kind', mutant(3, field('length', at('data', 0)))],
    ['an expression in a fixed field', 'program-field-kind', mutant(3, field('gather', seq))],
    ['a value wider than its field', 'program-field-range', mutant(3, field('count1', 2 ** 24))],
    ['a negative value', 'program-field-range', mutant(3, field('srcStride1', -1))],
    ['a fraction', 'program-field-range', mutant(3, field('srcStride1', 0.5))],
    ['a code beyond its enumeration', 'program-field-range', mutant(3, field('kind', 4))],
    ['a space the card lacks', 'program-space', mutant(3, field('src', at('ddr', 0)))],
    ['a channel the memory lacks', 'program-channel', mutant(3, field('src', at('hbm', 0, { channel: 4 })))],
    ['a channel of a buffer', 'program-channel', mutant(3, field('dst', at('data', 0, { channel: 1 })))],
    ['a register not declared', 'program-register', mutant(3, field('dst', at('data', 0, { register: 1 })))],
    ['pages without a page table', 'program-register', mutant(3, field('src', at('hbm', 0, { page: true })))],
    ['an undeclared symbol', 'program-symbol', mutant(3, field('length', symbol('width')))],
  ])('refuses %s', (_, code, instructions) => {
    const error = failure(instructions);
    expect(error.code).toBe(code);
    expect(error.where).toContain(place(3));
  });

  it('says which node an instruction comes from', () => {
    expect(failure(mutant(3, field('count1', -1))).where).toBe(
      "entry 'main', core 0, instruction 3 (LD on load), node 'n0', layer 3, tile t1",
    );
  });

  it('takes a float field as the float32 that it is', () => {
    const vec = (immediate: number): Instruction[] => [
      instruction('VEC', 'vector', {
        function: 7,
        batch: 1,
        rows: 1,
        cols: 4,
        immediate,
        src0: at('data', 0),
        src1: at('data', 64),
        dst: at('data', 128),
      }),
      halt(),
    ];
    expect(verified(vec(Math.fround(1e-5))).accesses.proved).toBe(3);
    expect(failure(vec(1e-5)).code).toBe('program-field-range');
  });

  it('asks for the addresses that the fields make necessary', () => {
    const { src0: _, ...rest } = copy(at('data', 0), at('data', 64), 16).fields;
    const error = failure([instruction('VEC', 'vector', rest), halt()]);
    expect(error).toMatchObject({ code: 'program-address-missing', expected: "an address in field 'src0'" });
  });

  it('keeps tokens off the dispatcher', () => {
    expect(failure(mutant(2, () => ({ wait: ['load'] }))).code).toBe('program-mask');
  });

  it('checks a dynamic field by its interval, or at lengths where the interval is too wide', () => {
    const tail = subtract(seq, multiply(16, i0));
    const body = (cols: Expression): Instruction[] => [
      ...loop(0, ceilDivide(seq, 16), [copyRows(at('data', 0), at('data', 4096), { rows: 1, cols })]),
      halt(),
    ];
    // Never below 1, but the interval of seq - 16 i0 does not know that.
    expect(verified(body(minimum(16, tail))).fields).toMatchObject({ sampled: 1, unreached: 0 });
    const error = failure(body(subtract(minimum(16, tail), 2)));
    expect(error.code).toBe('program-field-range');
    expect(error.got).toMatch(/^-1 at seq=\d+, i0=\d+$/);
    expect(failure(body(subtract(-1, seq))).got).toBe('-1025..-1');
  });

  it('counts what no length reaches', () => {
    const never = loop(0, maximum(0, subtract(seq, 1024)), [
      copyRows(at('data', past), at('data', 4096), { rows: 1, cols: 4 }),
    ]);
    const parts = { symbols: [lengthSymbol('seq', 1, 1025), lengthSymbol('past', 0, 9000)], capacity: 1000 };
    expect(verified([...never, halt()], parts).accesses).toEqual({ proved: 1, sampled: 0, unreached: 1 });
  });
});

describe('loops', () => {
  const nested = (depth: number, name = (d: number) => d): Instruction[] =>
    depth === 0 ? [] : loop(name(depth - 1), 2, nested(depth - 1, name));

  it('nest as deep as the dispatcher allows', () => {
    expect(verified([...nested(2), halt()]).instructions).toBe(5);
    const error = failure([...nested(3), halt()]);
    expect(error).toMatchObject({ code: 'program-loop-depth', expected: 'at most 2', got: '3' });
    expect(error.where).toContain(place(2));
  });

  it('count with a variable of their own', () => {
    const error = failure([...nested(2, () => 1), halt()]);
    expect(error.code).toBe('program-loop-variable');
    expect(error.where).toContain(place(1));
  });

  it('keep their variable to themselves', () => {
    const list = [...loop(0, 2, []), copyRows(at('data', i0), at('data', 64), { rows: 1, cols: 1 }), halt()];
    expect(failure(list)).toMatchObject({ code: 'program-symbol', got: 'i0' });
  });

  it('are closed', () => {
    expect(failure([instruction('LOOP', 'system', { trips: 1 }), halt()])).toMatchObject({
      code: 'program-loop',
      where: expect.stringContaining(place(0)),
    });
  });

  it('of no trips may hold what could not run', () => {
    const parts = { symbols: [lengthSymbol('seq', 1, 1)] };
    const dead = loop(0, subtract(1, seq), [copy(at('data', -64), at('data', 0), 64)]);
    expect(verified([...dead, halt()], parts).accesses).toEqual({ proved: 0, sampled: 0, unreached: 0 });
  });
});

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

describe('rule c: tokens', () => {
  it('refuses a wait for a token that nothing released', () => {
    const error = failure(mutant(0, () => ({ release: [] })));
    expect(error).toMatchObject({
      code: 'program-token-underflow',
      message: expect.stringContaining('vector>load'),
      expected: 'at least 1',
      got: '0',
    });
    expect(error.where).toContain(place(3));
  });

  it('refuses a wait that only a later instruction could serve', () => {
    const list = [sync('load', { wait: ['vector'] }), sync('vector', { release: ['load'] }), halt()];
    expect(failure(list).code).toBe('program-token-underflow');
  });

  it('refuses bodies that are not balanced, at their END', () => {
    const error = failure(mutant(5, () => ({ release: [] })));
    expect(error).toMatchObject({
      code: 'program-loop-unbalanced',
      message: expect.stringContaining('instruction 2'),
      expected: 'store>vector = 2',
      got: 'store>vector = 1',
    });
    expect(error.where).toContain(place(6));
  });

  it('holds what it found at loop entry, so that one pass proves every trip count', () => {
    // Balanced, but the second iteration of the body would be the first to lack a token: refused in the first.
    const body = [sync('load', { wait: ['vector'] }), sync('vector', { release: ['load'] })];
    expect(failure([...loop(0, 2, body), halt()]).code).toBe('program-token-underflow');
    const credit = sync('vector', { release: ['load'] });
    const drain = sync('load', { wait: ['vector'] });
    expect(verified([credit, ...loop(0, 2, body), drain, halt()]).executed).toBe(10);
  });

  it('refuses tokens left over at HALT', () => {
    const error = failure([sync('load', { release: ['vector'] }, 3), halt()]);
    expect(error).toMatchObject({ code: 'program-halt-tokens', got: 'load>vector = 3' });
    expect(error.where).toContain(place(1));
  });

  it('refuses more tokens than a counter holds, in program order', () => {
    const list = [sync('load', { release: ['vector'] }, 8), sync('vector', { wait: ['load'] }, 8), halt()];
    expect(failure(list)).toMatchObject({ code: 'program-token-overflow', expected: 'at most 7', got: '8' });
    const wide = tinyDevice({ tokens: { counterBits: 4, initialCredits: {}, overflow: 'error' } });
    expect(verifyProgram(tinyProgram(list), wide).entries[0].tokens['load>vector'].most).toBe(8);
  });

  it('refuses more tokens than a counter holds in any order of execution', () => {
    // Nothing holds `load` back: it may be done before `vector` has taken its first token.
    const pair = [sync('load', { release: ['vector'] }), sync('vector', { wait: ['load'] })];
    const list = [...Array.from({ length: 12 }, () => pair).flat(), halt()];
    const error = failure(list);
    expect(error).toMatchObject({ code: 'program-token-overflow', got: '8' });
    expect(error.where).toContain(place(14));
    // A short queue of `vector` holds the dispatcher, and so `load`, back.
    const { dispatcher } = tinyDevice();
    const short = tinyDevice({ dispatcher: { ...dispatcher, queueDepth: 4 } });
    expect(verifyProgram(tinyProgram(list), short).entries[0].tokens['load>vector']).toEqual({
      inOrder: 1,
      most: 5,
    });
  });

  it('starts from the credits of the device', () => {
    const credits = { counterBits: 3, initialCredits: { 'vector>load': 2 }, overflow: 'error' } as const;
    const list = [sync('load', { wait: ['vector'] }, 2), halt()];
    expect(verifyProgram(tinyProgram(list), tinyDevice({ tokens: credits })).entries[0].executed).toBe(2);
    expect(failure([halt()], {}, tinyDevice({ tokens: credits })).code).toBe('program-halt-tokens');
    const wrong = { ...credits, initialCredits: { 'vector-load': 2 } };
    expect(failure([halt()], {}, tinyDevice({ tokens: wrong })).code).toBe('token-counter-name');
  });

  it('wants one HALT, at the end', () => {
    expect(failure([sync('load', {})]).code).toBe('program-halt');
    expect(failure([halt(), halt()]).code).toBe('program-halt');
    expect(failure([]).code).toBe('program-halt');
  });
});

describe('frames', () => {
  const frame = (changes: Partial<Frame> = {}): Frame => ({
    name: 'layer 0',
    layer: 0,
    tile: '',
    core: 0,
    first: 1,
    count: 2,
    entryTokens: { 'load>vector': 1 },
    live: [],
    entryPrefetch: [],
    exitPrefetch: [],
    relocations: [],
    ...changes,
  });
  const list = (id = 0): Instruction[] => [
    sync('load', { release: ['vector'] }),
    instruction('FRAME', 'system', { frame: id }),
    copy(at('data', 0), at('data', 64), 16, { wait: ['load'] }),
    halt(),
  ];

  it('begin with the tokens that they declare', () => {
    expect(verified(list(), { frames: [frame()] }).executed).toBe(4);
    const error = failure(list(), {
      frames: [frame({ entryTokens: { 'load>vector': 2, 'vector>load': 1 } })],
    });
    expect(error).toMatchObject({
      code: 'program-frame-tokens',
      expected: 'load>vector = 2, vector>load = 1',
      got: 'load>vector = 1, vector>load = 0',
    });
    expect(error.where).toContain(place(1));
    expect(failure(list(), { frames: [frame({ entryTokens: { bogus: 1 } })] }).code).toBe(
      'token-counter-name',
    );
  });

  it('agree with the stream', () => {
    const wrong: Partial<Frame>[] = [
      { core: 1 },
      { first: 0 },
      { count: 9 },
      { first: -1 },
      { entryPrefetch: [2] },
      { exitPrefetch: [77] },
      { relocations: [{ instruction: 2, field: 'rows' }] },
      { live: [{ space: 'data', start: 9, end: 8, name: 'x' }] },
    ];
    for (const changes of wrong) {
      expect(failure(list(), { frames: [frame(changes)] }).code, JSON.stringify(changes)).toBe(
        'program-frame',
      );
    }
    expect(failure(list(1), { frames: [frame()] }).code).toBe('program-frame');
    expect(failure(list(), {}).code).toBe('program-frame');
    const relocations = [{ instruction: 2, field: 'src0' }];
    expect(verified(list(), { frames: [frame({ relocations })] }).executed).toBe(4);
  });
});

describe('rule d: hazards', () => {
  const hazard = (instructions: readonly Instruction[], parts?: ProgramParts) => {
    const error = failure(instructions, parts);
    expect(error.code).toBe('program-hazard');
    return error;
  };

  it('refuses a ring without credits enough to hold the producer back', () => {
    // Three credits for two slots: the load of iteration 2 may overwrite what iteration 0 still reads.
    const list = pipeline();
    list[0] = sync('vector', { release: ['load'] }, 3);
    list[7] = sync('load', { wait: ['vector'] }, 3);
    const error = hazard(list);
    expect(error.message).toContain(
      "buffer region is overwritten while a reader may still need it: buffer 'data', bytes 0..256",
    );
    expect(error.where).toContain(place(3));
    expect(error.expected).toContain(`a chain of tokens from ${place(4)}`);
    expect(error.got).toMatch(/none at seq=\d+, i0=2/);
  });

  it('refuses a reader that does not wait for its writer', () => {
    const list = [load(at('hbm', 0), at('data', 0), 64), copy(at('data', 32), at('data', 1024), 64), halt()];
    expect(hazard(list).message).toContain("writer may still be at work: buffer 'data', bytes 32..64");
  });

  it('refuses two writers in no order', () => {
    const list = [load(at('hbm', 0), at('data', 0), 64), copy(at('data', 512), at('data', 48), 64), halt()];
    expect(hazard(list).message).toContain("in no certain order: buffer 'data', bytes 48..64");
  });

  it('sees the first and the last iteration of long loops', () => {
    // Only the last iteration, where the tail is short, reaches into the constants behind the slots.
    const late = copy(at('data', add(2048, multiply(4, i0))), at('data', 4096), 4);
    const list = [load(at('hbm', 0), at('data', 2048 + 4 * 999), 4), ...loop(0, 1000, [late]), halt()];
    expect(hazard(list).got).toBe('none at seq=0, i0=999');
  });

  it('takes a chain over a third queue as order', () => {
    const chain = (isWhole: boolean): Instruction[] => [
      load(at('hbm', 0), at('data', 0), 64, { release: ['vector'] }),
      copy(at('data', 512), at('data', 1024), 64, { wait: ['load'], release: isWhole ? ['store'] : [] }),
      store(at('data', 0), at('hbm', 16_384), 64, { wait: isWhole ? ['vector'] : [] }),
      halt(),
    ];
    expect(verified(chain(true)).executed).toBe(4);
    hazard(chain(false));
  });

  it('takes a barrier as order', () => {
    const list = (barrier: Instruction[]): Instruction[] => [
      load(at('hbm', 0), at('data', 0), 64),
      ...barrier,
      copy(at('data', 0), at('data', 1024), 64),
      halt(),
    ];
    expect(verified(list([instruction('BARRIER', 'system')])).executed).toBe(4);
    hazard(list([]));
  });

  it('orders accesses of one queue by itself', () => {
    const list = [copy(at('data', 0), at('data', 64), 64), copy(at('data', 64), at('data', 0), 64), halt()];
    expect(verified(list).executed).toBe(3);
  });

  it('knows the gaps of strides', () => {
    const columns = (offset: number, dst: number) =>
      copyRows(at('data', offset), at('data', dst), { rows: 8, cols: 4, srcRow: 64, dstRow: 16 });
    const rows = (dst: number) =>
      instruction('LD', 'load', {
        src: at('hbm', 0),
        dst: at('data', dst),
        length: 16,
        count1: 8,
        srcStride1: 16,
        dstStride1: 64,
        count2: 1,
      });
    // Column 1 is loaded while column 0 is read; then the same column.
    expect(verified([columns(0, 1024), rows(16), halt()]).executed).toBe(3);
    hazard([columns(0, 1024), rows(12), halt()]);
  });

  it('remembers a strided writer under another strided writer', () => {
    const column = (queueDst: number) =>
      instruction('LD', 'load', {
        src: at('hbm', 0),
        dst: at('data', queueDst),
        length: 16,
        count1: 8,
        dstStride1: 64,
        count2: 1,
      });
    const other = copyRows(
      at('data', 4096),
      at('data', 16),
      { rows: 8, cols: 4, dstRow: 64 },
      { release: ['store'] },
    );
    const list = [
      column(0),
      other,
      store(at('data', 0), at('hbm', 16_384), 512, { wait: ['vector'] }),
      halt(),
    ];
    const error = hazard(list);
    expect(error.expected).toContain(place(0));
  });

  it('finds clashes in memory, and none in what nothing writes', () => {
    const write = store(at('data', 0), at('hbm', 64), 64);
    const read = load(at('hbm', 0), at('data', 1024), 128);
    expect(hazard([write, read, halt()]).message).toContain("region 'in'");
    const fetch: Instruction = { ...read, queue: 'fetch', fields: { ...read.fields, dst: at('data', 2048) } };
    expect(verified([read, fetch, halt()]).comparisons).toBe(0);
  });

  it('takes pages of one table as the same pages', () => {
    const registers = [{ index: 3, name: 'kv', doc: '', pageTable: { pageBytes: 4096, entries: 4 } }];
    const page = (offset: number) => at('hbm', offset, { register: 3, page: true });
    const list = (offset: number) => [
      store(at('data', 0), page(0), 64),
      load(page(offset), at('data', 64), 64),
      halt(),
    ];
    expect(verified(list(64), { registers }).executed).toBe(3);
    hazard(list(63), { registers });
  });

  it('sees an overwritten part of an older access apart from the rest', () => {
    // The middle of the loaded bytes is written again by `vector` after a token; the store knows of that only.
    const list = [
      load(at('hbm', 0), at('data', 0), 192, { release: ['vector'] }),
      copy(at('data', 512), at('data', 64), 64, { wait: ['load'], release: ['store'] }),
      store(at('data', 0), at('hbm', 16_384), 192, { wait: ['vector'] }),
      halt(),
    ];
    expect(verified(list).executed).toBe(4);
    const direct = list.with(1, { ...list[1], wait: [] }).with(0, { ...list[0], release: [] });
    hazard(direct);
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
