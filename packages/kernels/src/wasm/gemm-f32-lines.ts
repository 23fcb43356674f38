/**
 * Few rows times a right operand whose outputs lie side by side (a token times weights [K, N]): read once, line by line.
 * The four chains of an output (see gemm-f32-tile) are lines of sums in the scratch memory; a line of sums takes four
 * lines of the operand at a time, four columns of K apart, so that it is read and written once for four products.
 */
import {
  type FunctionBuilder,
  type FunctionReference,
  f32x4,
  i32,
  type Local,
  load,
  type ModuleBuilder,
  op,
  select,
  type ValueType,
} from '@bitloom/wasm';
import type { Features } from '../features.js';
import { add, advance, atLeast, type I32, loadTail, mul, storeTail, sub } from './emit.js';
import { COLUMNS, LINE_OUTPUTS } from './gemm-f32-blocks.js';
import { multiplyAdd } from './gemm-f32-tile.js';

type Procedure = FunctionReference<readonly ValueType[], undefined>;

const INTERNAL = { export: false } as const;
/** Bytes of one line of sums, and of the four of a row. */
const LINE_BYTES = LINE_OUTPUTS * 4;
const ROW_BYTES = 4 * LINE_BYTES;

const smaller = (a: I32, b: I32): I32 => select(a, b, op('i32.lt_s', a, b));

/** Runs `body` over `outputs` outputs, four at a time; the last call of `load` is for 1 to 3 of them. */
function overOutputs(
  f: FunctionBuilder,
  outputs: Local<'i32'>,
  pointers: readonly Local<'i32'>[],
  whole: () => void,
  tail: () => void,
): void {
  f.while(atLeast(outputs, 4), () => {
    whole();
    for (const pointer of pointers) advance(f, pointer, 16);
    advance(f, outputs, -4);
  });
  f.if(outputs, tail);
}

/** sums += a[0]·b[0] + a[1]·b[1] + ..., over `count` columns of K, one after the other. */
function emitLines(module: ModuleBuilder, features: Features, count: 1 | 4): Procedure {
  const step = multiplyAdd(features);
  return module.procedure(
    `floatLines${count}`,
    { outputs: 'i32', a: 'i32', aStep: 'i32', b: 'i32', bStep: 'i32', sums: 'i32' },
    (f, { outputs, a, aStep, b, bStep, sums }) => {
      const indices = Array.from({ length: count }, (_, i) => i);
      const bs = indices.map((i) => f.local('i32', `b${i}`));
      const values = indices.map((i) => f.local('v128', `value${i}`));
      const sum = f.local('v128', 'sum');
      const line = f.local('v128', 'line');
      for (const i of indices) {
        f.set(bs[i], i === 0 ? b : add(bs[i - 1], bStep));
        f.set(values[i], load('v128.load32_splat', a));
        advance(f, a, aStep);
      }
      overOutputs(
        f,
        outputs,
        [sums, ...bs],
        () => {
          f.set(sum, load('v128.load', sums));
          for (const i of indices) f.set(sum, step(load('v128.load', bs[i]), values[i], sum));
          f.store('v128.store', sums, sum);
        },
        () => {
          f.set(sum, load('v128.load', sums));
          for (const i of indices) {
            loadTail(f, line, bs[i], outputs);
            f.set(sum, step(line, values[i], sum));
          }
          f.store('v128.store', sums, sum);
        },
      );
    },
    INTERNAL,
  );
}

/** Adds the four chains of a row to its outputs; chains from `tail` on (0: none) end with columns of zeros. */
function emitFold(module: ModuleBuilder): Procedure {
  return module.procedure(
    'floatFoldLines',
    { outputs: 'i32', sums: 'i32', out: 'i32', first: 'i32', tail: 'i32' },
    (f, { outputs, sums, out, first, tail }) => {
      const chains = [0, 1, 2, 3].map((j) => f.local('v128', `chain${j}`));
      const held = f.local('v128', 'held');
      const total = f.local('v128', 'total');
      const mask = f.local('v128', 'mask', op('i32x4.splat', sub(first, 1)));
      const fold = (): void => {
        chains.forEach((chain, j) => {
          f.set(chain, load('v128.load', sums, j * LINE_BYTES));
        });
        f.if(tail, () => {
          // A product of zeros turns −0 to +0, as it does in the tiles.
          for (const j of [1, 2, 3]) {
            f.if(op('i32.ge_s', i32(j), tail), () => f.set(chains[j], op('f32x4.add', chains[j], f32x4(0))));
          }
        });
        const [s0, s1, s2, s3] = chains;
        const product = op('f32x4.add', op('f32x4.add', s0, s2), op('f32x4.add', s1, s3));
        f.set(total, op('f32x4.add', op('v128.and', held, mask), product));
      };
      overOutputs(
        f,
        outputs,
        [sums, out],
        () => {
          f.set(held, load('v128.load', out));
          fold();
          f.store('v128.store', out, total);
        },
        () => {
          loadTail(f, held, out, outputs);
          fold();
          storeTail(f, out, total, outputs);
        },
      );
    },
    INTERNAL,
  );
}

/**
 * Adds floatLines(M, N, K, a, aM, aK, b, bK, out, outR, first, sums): every output. `sums` has room for the chains of
 * M rows of {@link LINE_OUTPUTS} outputs.
 */
export function emitLineProduct(module: ModuleBuilder, features: Features): Procedure {
  const [one, four] = [emitLines(module, features, 1), emitLines(module, features, 4)];
  const fold = emitFold(module);
  const parameters = {
    M: 'i32',
    N: 'i32',
    K: 'i32',
    a: 'i32',
    aM: 'i32',
    aK: 'i32',
    b: 'i32',
    bK: 'i32',
    out: 'i32',
    outR: 'i32',
    first: 'i32',
    sums: 'i32',
  } as const;
  return module.procedure(
    'floatLineProduct',
    parameters,
    (f, p) => {
      const local = (name: string): Local<'i32'> => f.local('i32', name);
      const [n, k, m, j, outputs, columns, fresh] = ['n', 'k', 'm', 'j', 'outputs', 'columns', 'fresh'].map(
        local,
      );
      const [right, left, chain, end] = ['right', 'left', 'chain', 'end'].map(local);

      /** Adds `lines` columns of K, every fourth from `right` on, to chain j of every row. */
      const addLines = (lines: Procedure): void => {
        f.set(m, i32(0));
        f.set(chain, add(p.sums, mul(j, LINE_BYTES)));
        f.while(op('i32.lt_s', m, p.M), () => {
          const from = add(left, mul(p.aM, m));
          f.call(lines, outputs, from, mul(p.aK, 4), right, mul(p.bK, 4), chain);
          advance(f, chain, ROW_BYTES);
          advance(f, m, 1);
        });
        advance(f, left, p.aK);
        advance(f, right, p.bK);
      };

      f.while(op('i32.lt_s', n, p.N), () => {
        f.set(outputs, smaller(sub(p.N, n), i32(LINE_OUTPUTS)));
        f.set(fresh, p.first);
        f.set(k, i32(0));
        f.loop((nextBlock) => {
          f.set(columns, smaller(sub(p.K, k), i32(COLUMNS)));
          f.set(left, add(p.a, mul(p.aK, k)));
          f.set(right, add(add(p.b, mul(p.bK, k)), mul(n, 4)));
          f.set(chain, p.sums);
          f.set(end, add(p.sums, mul(p.M, ROW_BYTES)));
          f.while(op('i32.lt_u', chain, end), () => {
            f.store('v128.store', chain, f32x4(0));
            advance(f, chain, 16);
          });
          advance(f, k, columns);
          f.while(atLeast(columns, 16), () => {
            f.set(j, i32(0));
            f.while(op('i32.lt_s', j, i32(4)), () => {
              addLines(four);
              advance(f, j, 1);
            });
            advance(f, left, mul(p.aK, 12));
            advance(f, right, mul(p.bK, 12));
            advance(f, columns, -16);
          });
          f.set(end, columns);
          f.set(j, i32(0));
          f.while(op('i32.gt_s', columns, i32(0)), () => {
            addLines(one);
            f.set(j, op('i32.and', add(j, 1), i32(3)));
            advance(f, columns, -1);
          });
          f.set(m, i32(0));
          f.while(op('i32.lt_s', m, p.M), () => {
            const target = add(add(p.out, mul(p.outR, m)), mul(n, 4));
            f.call(fold, outputs, add(p.sums, mul(m, ROW_BYTES)), target, fresh, op('i32.and', end, i32(3)));
            advance(f, m, 1);
          });
          f.set(fresh, i32(0));
          f.branchIf(nextBlock, op('i32.lt_s', k, p.K));
        });
        advance(f, n, outputs);
      });
    },
    INTERNAL,
  );
}
