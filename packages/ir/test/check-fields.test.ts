/** Rule (a) of the program verifier: instructions, fields and loops; and the frame table. */
import { describe, expect, it } from 'vitest';
import {
  ceilDivide,
  type Expression,
  type Frame,
  INSTRUCTION_SET,
  type Instruction,
  maximum,
  minimum,
  multiply,
  subtract,
  symbol,
} from '../src/index.js';
import { failure, field, i0, mutant, past, place, seq, verified } from './support/pipeline-program.js';
import { at, copy, copyRows, halt, instruction, lengthSymbol, loop, sync } from './support/tiny-program.js';

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
    ['a load out of a buffer', 'program-space', mutant(3, field('src', at('weights', 0)))],
    ['a load into a memory', 'program-space', mutant(3, field('dst', at('hbm', 0)))],
    ['row numbers in a memory', 'program-space', mutant(3, field('indices', at('hbm', 0)))],
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

  it.each([
    ['MM', 'b', 'matrix'],
    ['MV', 'b', 'matrix'],
    ['CONV', 'weights', 'matrix'],
    ['POOL', 'input', 'vector'],
    ['VEC', 'src1', 'vector'],
    ['ST', 'src', 'store'],
  ] as const)('keeps units out of memories: %s', (name, operand, queue) => {
    const error = failure([instruction(name, queue, { [operand]: at('hbm', 0) }), halt()]);
    expect(error).toMatchObject({
      code: 'program-space',
      message: expect.stringContaining(`address '${operand}' is not in a buffer`),
      expected: 'weights, stream, data, accumulator, index',
      got: 'hbm',
    });
  });

  it('gives every address field a kind of space, and only those', () => {
    for (const spec of INSTRUCTION_SET.values()) {
      for (const { name, kind, space } of spec.fields)
        expect(space !== undefined, `${spec.name}.${name}`).toBe(kind === 'address');
    }
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
