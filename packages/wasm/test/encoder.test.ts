import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compileModule,
  createMemory,
  type Expression,
  type FunctionBuilder,
  f32,
  f32x4,
  i16x8,
  i32,
  i32x4,
  instantiateModule,
  LANE_LOADS,
  LANE_OPERATORS,
  LANE_STORES,
  type LaneLoadName,
  type LaneOperatorName,
  type LaneStoreName,
  LOADS,
  type LoadName,
  lane,
  load,
  loadLane,
  ModuleBuilder,
  OPERATORS,
  type OperatorName,
  op,
  probeFeatures,
  STORES,
  type StoreName,
  select,
  shuffle,
  type ValueType,
  v128,
  validateModule,
} from '../src/index.js';

const constants: { [T in ValueType]: Expression<T> } = { i32: i32(1), f32: f32(1), v128: i32x4(1) };

/** A module with one exported function `run`, instantiated. */
function run(
  params: Readonly<Record<string, ValueType>>,
  result: ValueType,
  body: (f: FunctionBuilder, p: Readonly<Record<string, Expression<'i32'>>>) => Expression,
): (...args: number[]) => number {
  const module = new ModuleBuilder();
  module.memory('memory', { initial: 1 });
  module.function('run', params, result, (f, p) => body(f, p as Record<string, Expression<'i32'>>));
  const { run: exported } = instantiateModule(compileModule(module.toBytes()));
  if (typeof exported !== 'function') throw new Error('run is not exported');
  return (...args) => exported(...args);
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof BitloomError) return error.code;
    throw error;
  }
  return 'nothing';
}

describe('every row of the instruction tables', () => {
  it('has the signature that the engine knows', () => {
    expect(probeFeatures()).toMatchObject({ simd: true, relaxedSimd: true });
    const module = new ModuleBuilder();
    module.memory('memory', { initial: 1 });
    let count = 0;
    const define = (name: string, type: ValueType, expression: Expression): void => {
      module.function(name, {}, type, () => expression);
      count += 1;
    };
    for (const name of Object.keys(OPERATORS) as OperatorName[]) {
      const { params, result } = OPERATORS[name];
      const operands = params.map((type) => constants[type]);
      // The operands follow the row, which the type system cannot see for a name that is not a literal.
      define(name, result, Reflect.apply(op, undefined, [name, ...operands]));
    }
    for (const name of Object.keys(LANE_OPERATORS) as LaneOperatorName[]) {
      const { params, result, lanes } = LANE_OPERATORS[name];
      const operands = params.map((type) => constants[type]);
      define(name, result, Reflect.apply(lane, undefined, [name, lanes - 1, ...operands]));
    }
    for (const name of Object.keys(LOADS) as LoadName[])
      define(name, LOADS[name].type, load(name, i32(0), 3));
    for (const name of Object.keys(LANE_LOADS) as LaneLoadName[]) {
      define(name, 'v128', loadLane(name, LANE_LOADS[name].lanes - 1, i32(0), i32x4(0), 1));
    }
    module.procedure('stores', {}, (f) => {
      for (const name of Object.keys(STORES) as StoreName[]) {
        Reflect.apply(f.store, f, [name, i32(0), constants[STORES[name].type], 5]);
      }
      for (const name of Object.keys(LANE_STORES) as LaneStoreName[]) {
        f.storeLane(name, LANE_STORES[name].lanes - 1, i32(0), i32x4(7), 70000);
      }
    });
    expect(validateModule(module.toBytes())).toBe(true);
    expect(count).toBeGreaterThan(200);
    compileModule(module.toBytes());
  });

  it('has the natural width: a load at the last bytes of memory succeeds, one later traps', () => {
    for (const [name, { bytes, type }] of Object.entries(LOADS)) {
      const at = run({ address: 'i32' }, 'i32', (f, p) => {
        const value = f.local(type, 'value');
        f.set(value, load(name as LoadName, p.address) as Expression<typeof type>);
        return i32(1);
      });
      expect(at(65536 - bytes), name).toBe(1);
      expect(() => at(65536 - bytes + 1), name).toThrow(/out of bounds/);
    }
  });
});

describe('results of the engine', () => {
  it('encodes integer constants of every size', () => {
    const values = fc.oneof(
      fc.integer(),
      fc.integer({ min: -200, max: 200 }),
      fc.constantFrom(63, 64, -64, -65, 2 ** 31 - 1, -(2 ** 31)),
    );
    fc.assert(
      fc.property(values, (value) => {
        expect(run({}, 'i32', () => i32(value))()).toBe(value);
      }),
      { numRuns: 60 },
    );
    expect(run({}, 'i32', () => i32(0xfffffff0))()).toBe(-16);
  });

  it('encodes float and vector constants', () => {
    expect(run({}, 'f32', () => f32(0.1))()).toBe(Math.fround(0.1));
    expect(run({}, 'f32', () => f32(-0))()).toBe(-0);
    expect(run({}, 'f32', () => lane('f32x4.extract_lane', 3, f32x4(2.5)))()).toBe(2.5);
    expect(run({}, 'i32', () => lane('i16x8.extract_lane_s', 7, i16x8(-5)))()).toBe(-5);
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => i * 3);
    expect(run({}, 'i32', () => lane('i8x16.extract_lane_u', 9, v128(bytes)))()).toBe(27);
    const reversed = shuffle(
      v128(bytes),
      v128(bytes),
      [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 16],
    );
    expect(run({}, 'i32', () => lane('i8x16.extract_lane_u', 0, reversed))()).toBe(45);
    expect(run({}, 'i32', () => lane('i8x16.extract_lane_u', 15, reversed))()).toBe(0);
  });

  it('selects scalars and vectors', () => {
    const choose = run({ c: 'i32' }, 'i32', (_f, p) => select(i32(10), i32(20), p.c));
    expect([choose(1), choose(0)]).toEqual([10, 20]);
    const vector = run({ c: 'i32' }, 'i32', (_f, p) =>
      lane('i32x4.extract_lane', 2, select(i32x4(3), i32x4(4), p.c)),
    );
    expect([vector(5), vector(0)]).toEqual([3, 4]);
  });

  it('shifts 64-bit lanes', () => {
    const word = (low: number, high: number) =>
      v128(new Uint8Array(Int32Array.of(low, high, low, high).buffer));
    const part = (index: number, value: Expression<'v128'>): number =>
      run({}, 'i32', () => lane('i32x4.extract_lane', index, value))();
    const left = op('i64x2.shl', word(0x80000001, 5), i32(4));
    const right = op('i64x2.shr_u', word(1, 0x80000005), i32(4));
    expect([0, 1, 2, 3].map((i) => part(i, left))).toEqual([0x10, 0x58, 0x10, 0x58]);
    expect([0, 1, 2, 3].map((i) => part(i, right))).toEqual([0x50000000, 0x08000000, 0x50000000, 0x08000000]);
  });

  it('loops, branches, stores and loads', () => {
    // The sum of the first n squares, each stored and read back; a sum past 1000 leaves early.
    const sum = run({ n: 'i32' }, 'i32', (f, p) => {
      const i = f.local('i32', 'i');
      const total = f.local('i32', 'total', i32(0));
      f.block((out) => {
        f.while(op('i32.lt_s', i, p.n), () => {
          f.store('i32.store', op('i32.shl', i, i32(2)), op('i32.mul', i, i), 64);
          f.set(total, op('i32.add', total, load('i32.load', op('i32.shl', i, i32(2)), 64)));
          f.branchIf(out, op('i32.gt_s', total, i32(1000)));
          f.set(i, op('i32.add', i, i32(1)));
        });
        f.if(
          op('i32.eqz', total),
          () => f.set(total, i32(-1)),
          () => f.set(total, op('i32.mul', total, i32(2))),
        );
      });
      return total;
    });
    expect(sum(0)).toBe(-1);
    expect(sum(5)).toBe(60);
    expect(sum(100)).toBe(1015);
  });

  it('calls imported and own functions, in the order of their indices', () => {
    const seen: number[] = [];
    const module = new ModuleBuilder();
    module.importMemory('env', 'memory', { initial: 1, maximum: 2, shared: true });
    const note = module.importFunction('env', 'note', ['i32'], undefined);
    const twice = module.function('twice', { x: 'i32' }, 'i32', (_f, { x }) => op('i32.add', x, x), {
      export: false,
    });
    module.procedure('main', { x: 'i32' }, (f, { x }) => {
      f.call(note, f.result(twice, x));
      f.if(op('i32.gt_s', x, i32(3)), () => f.return());
      f.call(note, i32(99));
    });
    const memory = createMemory({ initial: 1, maximum: 2, shared: true });
    const exported = instantiateModule(compileModule(module.toBytes()), {
      env: { memory, note: (x: number) => seen.push(x) },
    });
    expect(Object.keys(exported)).toEqual(['main']);
    const { main } = exported;
    if (typeof main !== 'function') throw new Error('no main');
    main(3);
    main(4);
    expect(seen).toEqual([6, 99, 8]);
  });

  it('keeps tee, nested labels and many locals straight', () => {
    const value = run({ x: 'i32' }, 'i32', (f, p) => {
      const locals = Array.from({ length: 150 }, (_, i) => f.local(i % 3 === 0 ? 'v128' : 'i32', `l${i}`));
      const last = locals[149];
      if (last.type !== 'i32') throw new Error('unexpected');
      const y = f.local('i32', 'y');
      f.block((outer) => {
        f.loop(() => {
          f.block((inner) => {
            f.branchIf(inner, op('i32.eqz', p.x));
            f.set(y, i32(7));
            f.branch(outer);
          });
          f.set(y, i32(8));
        });
      });
      return op('i32.add', f.tee(y, op('i32.mul', y, i32(10))), y);
    });
    expect([value(0), value(1)]).toEqual([160, 140]);
  });
});

describe('misuse', () => {
  const module = new ModuleBuilder();
  it('is refused with a typed error', () => {
    const wrong: Expression = f32(1);
    const asInteger = wrong as Expression<'i32'>;
    expect(codeOf(() => op('i32.add', asInteger, i32(1)))).toBe('wasm-type');
    expect(codeOf(() => Reflect.apply(op, undefined, ['i32.add', i32(1)]))).toBe('wasm-type');
    expect(codeOf(() => lane('i32x4.extract_lane', 4, i32x4(0)))).toBe('wasm-lane');
    expect(codeOf(() => shuffle(i32x4(0), i32x4(0), [32, ...new Array(15).fill(0)]))).toBe('wasm-lane');
    expect(codeOf(() => shuffle(i32x4(0), i32x4(0), [1]))).toBe('wasm-lane');
    expect(codeOf(() => v128(new Uint8Array(3)))).toBe('wasm-lane');
    expect(codeOf(() => load('i32.load', i32(0), -1))).toBe('wasm-offset');
    expect(codeOf(() => new ModuleBuilder().importMemory('a', 'b', { initial: 1, shared: true }))).toBe(
      'wasm-memory',
    );
    module.procedure('f', { x: 'i32' }, (f, { x }) => {
      expect(codeOf(() => f.set(x, asInteger))).toBe('wasm-type');
      expect(codeOf(() => f.storeLane('v128.store64_lane', 2, x, i32x4(0)))).toBe('wasm-lane');
      let escaped = { depth: 9, kind: 'block' as const };
      f.block((label) => {
        escaped = { ...label, kind: 'block' };
      });
      expect(codeOf(() => f.branch(escaped))).toBe('wasm-label');
    });
    expect(codeOf(() => module.importFunction('a', 'b', [], undefined))).toBe('wasm-import-order');
    module.memory('memory', { initial: 1 });
    expect(codeOf(() => module.memory('again', { initial: 1 }))).toBe('wasm-memory');
    module.procedure('g', {}, (f) => {
      const target = { index: 0, name: 'f', params: ['i32'] as const, result: undefined };
      expect(codeOf(() => f.call(target))).toBe('wasm-type');
    });
    expect(codeOf(() => module.function('h', {}, 'i32', () => asInteger))).toBe('wasm-type');
  });
});
