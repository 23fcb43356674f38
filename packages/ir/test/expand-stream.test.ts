/** Expansion of streams: loops, base registers, resolved fields, and what is left out of long loops. */
import { describe, expect, it } from 'vitest';
import {
  add,
  type Bindings,
  ceilDivide,
  type ExpandOptions,
  type Expression,
  expandStream,
  type Instruction,
  minimum,
  modulo,
  multiply,
  subtract,
  symbol,
} from '../src/index.js';
import { errorOf } from './support/errors.js';
import { at, copy, halt, instruction, load, loop } from './support/tiny-program.js';

const [i0, i1, seq] = [symbol('i0'), symbol('i1'), symbol('seq')];

function expand(
  instructions: readonly Instruction[],
  bindings: Bindings = {},
  registers?: ReadonlyMap<number, number>,
  options?: ExpandOptions,
): ReturnType<typeof expandStream> {
  return expandStream({ core: 0, instructions }, bindings, registers, options);
}

/** Destination offsets of the loads in order. */
function offsets(
  instructions: readonly Instruction[],
  bindings?: Bindings,
  options?: ExpandOptions,
): number[] {
  return [...expand(instructions, bindings, undefined, options)]
    .filter((step) => step.spec.name === 'LD')
    .map((step) => step.fields.offset('dst'));
}

const loadTo = (offset: Expression): Instruction => load(at('hbm', 0), at('data', offset), 16);

describe('loops', () => {
  it('run their body as often as the trip count says, also not at all', () => {
    const body = loop(0, ceilDivide(seq, 16), [loadTo(multiply(32, i0))]);
    expect(offsets(body, { seq: 0 })).toEqual([]);
    expect(offsets(body, { seq: 16 })).toEqual([0]);
    expect(offsets(body, { seq: 33 })).toEqual([0, 32, 64]);
    expect(offsets(loop(0, -3, [loadTo(0)]))).toEqual([]);
  });

  it('nest, and inner trip counts may depend on outer variables', () => {
    const inner = loop(1, add(i0, 1), [loadTo(add(multiply(100, i0), i1))]);
    expect(offsets(loop(0, 3, inner))).toEqual([0, 100, 101, 200, 201, 202]);
  });

  it('give dispatch order with control instructions and the loop variables', () => {
    const steps = [...expand([...loop(0, 2, [loadTo(i0)]), halt(), loadTo(9)])];
    expect(steps.map((s) => `${s.index} ${s.spec.name} [${s.iterations}]`)).toEqual([
      '0 LOOP []',
      '1 LD [0]',
      '2 END [0]',
      '1 LD [1]',
      '2 END [1]',
      '3 HALT []',
    ]);
  });

  it('can be used by name after their end', () => {
    const twice = [...loop(0, 2, [loadTo(i0)]), ...loop(0, 3, [loadTo(add(i0, 10))])];
    expect(offsets(twice)).toEqual([0, 1, 10, 11, 12]);
  });
});

describe('fields', () => {
  it('absent fields are zero, absent addresses an error', () => {
    const [step] = [...expand([instruction('VEC', 'vector', { function: 1, src0: at('data', 8) })])];
    expect(step.fields.number('rows')).toBe(0);
    expect(step.fields.offset('src0')).toBe(8);
    expect(step.fields.space('src0')).toBe('data');
    expect(errorOf(() => step.fields.offset('src1')).code).toBe('program-address-missing');
    expect(errorOf(() => step.fields.number('bogus')).code).toBe('internal');
  });

  it('keep their values when the expansion goes on', () => {
    const steps = [...expand(loop(0, 3, [loadTo(multiply(8, i0))]))].filter((s) => s.spec.name === 'LD');
    expect(steps.map((s) => s.fields.offset('dst'))).toEqual([0, 8, 16]);
  });

  it('add base registers, also those that BASE sets, but not to paged addresses', () => {
    const set = (value: Expression): Instruction => instruction('BASE', 'system', { register: 2, value });
    const through = load(at('hbm', 5, { register: 1 }), at('data', 7, { register: 2 }), 16);
    const paged = load(at('hbm', 5, { register: 1, page: true }), at('data', 0), 16);
    const stream = [...loop(0, 2, [set(add(multiply(1000, i0), 50)), through]), paged];
    const steps = [...expand(stream, {}, new Map([[1, 4096]]))].filter((s) => s.spec.name === 'LD');
    expect(steps.map((s) => s.fields.offset('src'))).toEqual([4101, 4101, 5]);
    expect(steps.map((s) => s.fields.offset('dst'))).toEqual([57, 1057, 0]);
  });

  it('need a value for each symbol and register', () => {
    expect(errorOf(() => [...expand([loadTo(seq)])])).toMatchObject({
      code: 'expression-unbound',
      got: 'seq',
    });
    const stream = [load(at('hbm', 0, { register: 3 }), at('data', 0), 4)];
    expect(errorOf(() => [...expand(stream)]).code).toBe('program-register');
  });
});

describe('maxIterations', () => {
  const cut = { maxIterations: 7 };
  const visited = (trips: number, slot: Expression): number[] =>
    offsets(loop(0, trips, [loadTo(add(multiply(4096, i0), slot))]), {}, cut).map((o) =>
      Math.floor(o / 4096),
    );

  it('keeps the first and the last iterations', () => {
    expect(visited(7, 0)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(visited(100, 0)).toEqual([0, 1, 2, 3, 4, 98, 99]);
  });

  it('leaves out whole periods of rings only', () => {
    expect(visited(100, modulo(i0, 2))).toEqual([0, 1, 2, 3, 4, 97, 98, 99]);
    expect(visited(99, modulo(i0, 2))).toEqual([0, 1, 2, 3, 4, 97, 98]);
    expect(visited(100, modulo(i0, 3))).toEqual([0, 1, 2, 3, 4, 5, 96, 97, 98, 99]);
    const phases = visited(1000, modulo(i0, 3)).map((i) => i % 3);
    phases.slice(1).forEach((phase, n) => {
      expect(phase).toBe((phases[n] + 1) % 3);
    });
  });

  it('keeps what the caller says may meet, and cuts no less than that out', () => {
    const ends = (trips: number, reach: number): number[] => {
      const stream = loop(0, trips, [loadTo(i0)]);
      const kept = offsets(stream, {}, { maxIterations: 7, reach: () => reach });
      return kept.length === trips ? [] : kept;
    };
    expect(ends(100, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 98, 99]);
    expect(ends(100, 60)).toEqual([]);
    expect(ends(100, Number.POSITIVE_INFINITY)).toEqual([]);
  });

  it('expands in full where the period is not known to be short', () => {
    expect(visited(20, modulo(i0, 1_000_003))).toHaveLength(20);
  });

  it('cuts at any place where a barrier keeps the iterations apart', () => {
    const body = [loadTo(modulo(i0, 1_000_003)), instruction('BARRIER', 'system')];
    expect(offsets(loop(0, 100, body), {}, cut)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 98, 99]);
  });

  it('cuts nested loops each on its own', () => {
    const inner = loop(1, minimum(50, subtract(200, multiply(50, i0))), [
      copy(at('data', 0), at('data', 0), 4),
    ]);
    const steps = [...expand(loop(0, 4, inner), {}, undefined, cut)];
    expect(steps.filter((s) => s.spec.name === 'VEC')).toHaveLength(4 * 7);
  });
});

describe('malformed streams', () => {
  it('name the loop that does not nest', () => {
    const [open, , close] = loop(0, 1, [halt()]);
    expect(errorOf(() => [...expand([halt(), close])])).toMatchObject({
      code: 'program-loop',
      where: 'instruction 1',
    });
    expect(errorOf(() => [...expand([open, halt()])])).toMatchObject({
      code: 'program-loop',
      where: 'instruction 0',
    });
    expect(errorOf(() => [...expand([instruction('NOPE', 'load')])]).code).toBe('instruction-unknown');
  });
});
