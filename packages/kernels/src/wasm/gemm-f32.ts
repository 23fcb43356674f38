/**
 * Emits the float32 products over their tiles: in which blocks, from which memory. Few rows with columns side by side in
 * both operands (a token times weights) are read where they lie, once; everything else is laid out in panels first. A
 * block of K is the outermost loop, its rows of the left operand stay in the second-level cache, four columns of the
 * output at a time in the first. None of it changes a bit of the result, see gemm-f32-tile.
 */
import { type FunctionBuilder, f32x4, i32, type Local, type ModuleBuilder, op, select } from '@bitloom/wasm';
import type { Features } from '../features.js';
import { FLAG_CONTINUE } from '../interface/group-products.js';
import { add, advance, atLeast, type I32, isSet, mul, storeTail, sub } from './emit.js';
import {
  BLOCK_OUTPUTS,
  BLOCK_ROWS,
  COLUMNS,
  FLOAT_PLACES,
  TILE_OUTPUTS,
  TILE_ROWS,
} from './gemm-f32-blocks.js';
import { emitLineProduct } from './gemm-f32-lines.js';
import { emitPacking } from './gemm-f32-pack.js';
import { emitDirectTile, emitPackedTile } from './gemm-f32-tile.js';

/** Most rows of the left operand with which both are read where they lie, where columns lie side by side. */
const DIRECT_ROWS = 16;
/** Most rows that take the right operand line by line. */
const LINE_ROWS = 4;

const SHAPE = { M: 'i32', N: 'i32', K: 'i32' } as const;
const TARGET = { out: 'i32', outR: 'i32' } as const;

const smaller = (a: I32, b: I32): I32 => select(a, b, op('i32.lt_s', a, b));

/** Adds `matmulF32` and `gemmF32` to `module`. */
export function emitGemmF32(module: ModuleBuilder, features: Features): void {
  const pack = emitPacking(module);
  const tiles = { one: emitPackedTile(module, features, 1), two: emitPackedTile(module, features, 2) };
  const direct = { one: emitDirectTile(module, features, 1), two: emitDirectTile(module, features, 2) };

  const lines = emitLineProduct(module, features);

  /** Calls `two` for pairs of `rows` rows and `one` for the last of an odd number, moving `pointers` along. */
  const inPairs = (
    f: FunctionBuilder,
    rows: Local<'i32'>,
    two: () => void,
    one: () => void,
    next: () => void,
  ): void => {
    f.while(atLeast(rows, TILE_ROWS), () => {
      two();
      next();
      advance(f, rows, -TILE_ROWS);
    });
    f.if(op('i32.gt_s', rows, i32(0)), one);
  };

  const general = module.procedure(
    'matmulF32',
    {
      ...SHAPE,
      a: 'i32',
      aM: 'i32',
      aK: 'i32',
      b: 'i32',
      bN: 'i32',
      bK: 'i32',
      ...TARGET,
      flags: 'i32',
      scratch: 'i32',
    },
    (f, p) => {
      const first = f.local('i32', 'first', op('i32.eqz', isSet(p.flags, FLAG_CONTINUE)));
      const rows = f.local('i32', 'rows');
      const out = f.local('i32', 'out');
      const n = f.local('i32', 'n');

      f.if(op('i32.le_s', p.K, i32(0)), () => {
        f.if(first, () => {
          f.while(op('i32.gt_s', p.M, i32(0)), () => {
            f.set(out, p.out);
            f.set(n, p.N);
            f.while(atLeast(n, 4), () => {
              f.store('v128.store', out, f32x4(0));
              advance(f, out, 16);
              advance(f, n, -4);
            });
            f.if(op('i32.gt_s', n, i32(0)), () => storeTail(f, out, f32x4(0), n));
            advance(f, p.out, p.outR);
            advance(f, p.M, -1);
          });
        });
        f.return();
      });

      // Few rows: every row of b is read once, for all of them.
      const both = (left: I32, right: I32): I32 => op('i32.and', left, right);
      const sideBySide = both(op('i32.eq', p.aK, i32(4)), op('i32.eq', p.bK, i32(4)));
      const a = f.local('i32', 'a');
      const atMost = (most: number): I32 => op('i32.le_s', p.M, i32(most));
      f.if(both(sideBySide, atMost(DIRECT_ROWS)), () => {
        f.while(op('i32.gt_s', p.N, i32(0)), () => {
          f.set(rows, p.M);
          f.set(a, p.a);
          f.set(out, p.out);
          const args = [p.K, a, p.aM, p.b, p.bN, out, p.outR, p.N, first];
          inPairs(
            f,
            rows,
            () => f.call(direct.two, ...args),
            () => f.call(direct.one, ...args),
            () => {
              advance(f, a, mul(p.aM, TILE_ROWS));
              advance(f, out, mul(p.outR, TILE_ROWS));
            },
          );
          advance(f, p.b, mul(p.bN, TILE_OUTPUTS));
          advance(f, p.out, TILE_OUTPUTS * 4);
          advance(f, p.N, -TILE_OUTPUTS);
        });
        f.return();
      });
      f.if(both(op('i32.eq', p.bN, i32(4)), atMost(LINE_ROWS)), () => {
        const sums = add(p.scratch, FLOAT_PLACES.left);
        f.call(lines, p.M, p.N, p.K, p.a, p.aM, p.aK, p.b, p.bK, p.out, p.outR, first, sums);
        f.return();
      });

      const columns = f.local('i32', 'columns');
      const m = f.local('i32', 'm');
      const blockRows = f.local('i32', 'blockRows');
      const steps = f.local('i32', 'steps');
      const outputs = f.local('i32', 'outputs');
      const left = f.local('i32', 'left');
      const right = f.local('i32', 'right');
      const packedLeft = f.local('i32', 'packedLeft', add(p.scratch, FLOAT_PLACES.left));
      const packedRight = f.local('i32', 'packedRight', add(p.scratch, FLOAT_PLACES.right));

      /** Every output of the rows in `packedLeft` and the `outputs` columns in `packedRight`. */
      const tilesOfPanels = (): void => {
        f.set(right, packedRight);
        f.while(op('i32.gt_s', outputs, i32(0)), () => {
          f.set(rows, blockRows);
          f.set(left, packedLeft);
          f.set(out, add(add(p.out, mul(p.outR, m)), mul(n, 4)));
          const spare = add(p.scratch, FLOAT_PLACES.spare);
          const args = [steps, left, right, out, p.outR, outputs, first, spare];
          inPairs(
            f,
            rows,
            () => f.call(tiles.two, ...args),
            () => f.call(tiles.one, ...args),
            () => {
              advance(f, left, mul(steps, TILE_ROWS * 16));
              advance(f, out, mul(p.outR, TILE_ROWS));
            },
          );
          advance(f, right, mul(steps, TILE_OUTPUTS * 16));
          advance(f, n, TILE_OUTPUTS);
          advance(f, outputs, -TILE_OUTPUTS);
        });
      };

      f.loop((nextBlock) => {
        f.set(columns, smaller(p.K, i32(COLUMNS)));
        f.set(steps, op('i32.shr_u', add(columns, 3), i32(2)));
        f.set(m, i32(0));
        f.while(op('i32.lt_s', m, p.M), () => {
          f.set(blockRows, smaller(sub(p.M, m), i32(BLOCK_ROWS)));
          f.call(pack[2], blockRows, columns, add(p.a, mul(p.aM, m)), p.aM, p.aK, packedLeft);
          f.set(n, i32(0));
          f.while(op('i32.lt_s', n, p.N), () => {
            f.set(outputs, smaller(sub(p.N, n), i32(BLOCK_OUTPUTS)));
            f.call(pack[4], outputs, columns, add(p.b, mul(p.bN, n)), p.bN, p.bK, packedRight);
            tilesOfPanels();
          });
          advance(f, m, blockRows);
        });
        advance(f, p.a, mul(p.aK, columns));
        advance(f, p.b, mul(p.bK, columns));
        advance(f, p.K, mul(columns, -1));
        f.set(first, i32(0));
        f.branchIf(nextBlock, p.K);
      });
    },
  );

  module.procedure(
    'gemmF32',
    { ...SHAPE, x: 'i32', xR: 'i32', w: 'i32', wR: 'i32', ...TARGET, scratch: 'i32' },
    (f, { M, N, K, x, xR, w, wR, out, outR, scratch }) => {
      f.call(general, M, N, K, x, xR, i32(4), w, wR, i32(4), out, outR, i32(0), scratch);
    },
  );
}
