/**
 * Emits the products of the family over packed int16 pairs: blocks of a and of b are packed into scratch memory, a
 * block of a for the second-level cache, 16 columns of b for the first, and tiles run over them. The shifts of
 * ShiftQuant are powers of two that multiply the codes while they are packed, so its sums cost what those of int8 cost.
 */
import { type FunctionBuilder, f32, i32, type Local, load, type ModuleBuilder, op } from '@bitloom/wasm';
import type { Features } from '../features.js';
import { FLAG_CONTINUE } from '../interface/group-products.js';
import { add, advance, atLeast, type I32, isSet, mul, sub } from './emit.js';
import { BYTE_PRODUCT_SCRATCH, bytesHold, emitByteProduct } from './integer-products-bytes.js';
import { emitMls, MLS_SCRATCH_BYTES } from './integer-products-mls.js';
import {
  emitPack,
  PACK_ROWS,
  type Procedure,
  pairsOf,
  panelBytes,
  smaller,
} from './integer-products-pack.js';
import { emitCopyTile, emitTile, TILE_BYTES, TILE_COLUMNS, TILE_ROWS } from './integer-products-tile.js';

/** Rows of a and channels of one block: 256 KiB of int16 pairs, half of a usual second-level cache. */
const BLOCK_ROWS = 256;
const BLOCK_CHANNELS = 512;
/** Columns of b that are packed at once. */
const BLOCK_COLUMNS = PACK_ROWS;

/** Where each part of the scratch memory starts. */
const PLACE = {
  temporary: 0,
  weightsA: TILE_BYTES,
  weightsB: TILE_BYTES + BLOCK_CHANNELS * 2 + 64,
  b: TILE_BYTES + BLOCK_CHANNELS * 4 + 128,
  a: TILE_BYTES + BLOCK_CHANNELS * 4 + 128 + BLOCK_COLUMNS * BLOCK_CHANNELS * 2,
} as const;

/** Bytes of scratch memory that one thread needs. */
export const INTEGER_PRODUCT_SCRATCH_BYTES = Math.max(
  PLACE.a + BLOCK_ROWS * BLOCK_CHANNELS * 2,
  BYTE_PRODUCT_SCRATCH,
  MLS_SCRATCH_BYTES,
);

const OPERANDS = {
  M: 'i32',
  N: 'i32',
  K: 'i32',
  a: 'i32',
  aM: 'i32',
  aK: 'i32',
  b: 'i32',
  bN: 'i32',
  bK: 'i32',
} as const;
type OperandLocals = { readonly [K in keyof typeof OPERANDS]: Local<'i32'> };

/** shiftWeights(shift, channels, most, weights, rest): 2^min(shift, most) of each channel at `weights`, what is left at `rest`. */
function emitShiftWeights(module: ModuleBuilder): Procedure {
  const params = { shift: 'i32', channels: 'i32', most: 'i32', weights: 'i32', rest: 'i32' } as const;
  return module.procedure(
    'shiftWeights',
    params,
    (f, p) => {
      const shift = f.local('i32', 'value');
      const first = f.local('i32', 'first');
      f.while(p.channels, () => {
        f.set(shift, load('i32.load8_u', p.shift));
        f.set(first, smaller(shift, p.most));
        f.store('i32.store16', p.weights, op('i32.shl', i32(1), first));
        f.store('i32.store16', p.rest, op('i32.shl', i32(1), sub(shift, first)));
        advance(f, p.shift, 1);
        advance(f, p.weights, 2);
        advance(f, p.rest, 2);
        advance(f, p.channels, -1);
      });
    },
    { export: false },
  );
}

/**
 * product<name>(operands, shift, most, out, outR, continue, scratch): all sums of one call. `shift` and `most` are read
 * by the weighted product only.
 */
function emitProduct(module: ModuleBuilder, name: string, weighted: boolean, tile: Procedure): Procedure {
  const packA = emitPack(module, `${name}A`, { panelRows: TILE_ROWS, weighted });
  const packB = emitPack(module, `${name}B`, { panelRows: TILE_COLUMNS, weighted });
  const shiftWeights = weighted ? emitShiftWeights(module) : undefined;
  const params = {
    ...OPERANDS,
    shift: 'i32',
    most: 'i32',
    out: 'i32',
    outR: 'i32',
    continue: 'i32',
    scratch: 'i32',
  } as const;
  return module.procedure(
    `product${name}`,
    params,
    (f, p) => {
      const at = (offset: number): I32 => add(p.scratch, offset);
      const int = (local: string): Local<'i32'> => f.local('i32', local);
      const [m, k, n] = [int('m'), int('k'), int('n')];
      const [rows, channels, columns] = [int('rows'), int('channels'), int('columns')];
      const [pairs, aStride, bStride] = [int('pairs'), int('aStride'), int('bStride')];
      const [aTile, bPanel, outTile, left, width, continued] = [
        int('aTile'),
        int('bPanel'),
        int('outTile'),
        int('left'),
        int('width'),
        int('continued'),
      ];
      /** The tiles of all rows of the block against one panel of b. */
      const panel = (): void => {
        f.set(aTile, at(PLACE.a));
        f.set(left, rows);
        f.set(outTile, add(add(p.out, op('i32.mul', m, p.outR)), mul(sub(add(n, columns), width), 4)));
        f.while(op('i32.gt_s', left, i32(0)), () => {
          const shape = [aTile, bPanel, pairs, left, width];
          f.call(tile, ...shape, outTile, p.outR, continued, at(PLACE.temporary));
          advance(f, aTile, aStride);
          advance(f, outTile, mul(p.outR, TILE_ROWS));
          advance(f, left, -TILE_ROWS);
        });
      };
      const block = (): void => {
        if (shiftWeights !== undefined) {
          f.call(shiftWeights, add(p.shift, k), channels, p.most, at(PLACE.weightsA), at(PLACE.weightsB));
        }
        const aAt = add(add(p.a, op('i32.mul', m, p.aM)), op('i32.mul', k, p.aK));
        f.call(packA, aAt, p.aM, p.aK, rows, channels, at(PLACE.a), aStride, at(PLACE.weightsA));
        f.set(n, i32(0));
        f.while(op('i32.lt_s', n, p.N), () => {
          f.set(columns, smaller(i32(BLOCK_COLUMNS), sub(p.N, n)));
          const bAt = add(add(p.b, op('i32.mul', n, p.bN)), op('i32.mul', k, p.bK));
          f.call(packB, bAt, p.bN, p.bK, columns, channels, at(PLACE.b), bStride, at(PLACE.weightsB));
          f.set(bPanel, at(PLACE.b));
          // `width` counts the columns that are left; a tile writes the first eight of them at most.
          f.set(width, columns);
          f.while(op('i32.gt_s', width, i32(0)), () => {
            panel();
            advance(f, bPanel, bStride);
            advance(f, width, -TILE_COLUMNS);
          });
          advance(f, n, BLOCK_COLUMNS);
        });
      };
      f.while(op('i32.lt_s', m, p.M), () => {
        f.set(rows, smaller(i32(BLOCK_ROWS), sub(p.M, m)));
        f.set(k, i32(0));
        f.set(continued, p.continue);
        // K = 0 still starts the sums, so one block always runs.
        f.loop((next) => {
          f.set(channels, smaller(i32(BLOCK_CHANNELS), sub(p.K, k)));
          f.set(pairs, pairsOf(channels));
          f.set(aStride, panelBytes(channels, TILE_ROWS));
          f.set(bStride, panelBytes(channels, TILE_COLUMNS));
          block();
          f.set(continued, i32(1));
          advance(f, k, BLOCK_CHANNELS);
          f.branchIf(next, op('i32.lt_s', k, p.K));
        });
        advance(f, m, BLOCK_ROWS);
      });
    },
    { export: false },
  );
}

/**
 * finishSums(rows, columns, out, outR, scale, rowScale, colScale): int32 sums become float32 in place, times a number
 * per row (where rowScale is 0: `scale`), then times a number per column (where colScale is not 0).
 */
function emitFinish(module: ModuleBuilder): Procedure {
  const params = {
    rows: 'i32',
    columns: 'i32',
    out: 'i32',
    outR: 'i32',
    scale: 'f32',
    rowScale: 'i32',
    colScale: 'i32',
  } as const;
  return module.procedure(
    'finishSums',
    params,
    (f, p) => {
      const value = f.local('v128', 'value');
      const factor = f.local('v128', 'factor', op('f32x4.splat', p.scale));
      const at = f.local('i32', 'at');
      const left = f.local('i32', 'left');
      const step = (count: 4 | 1): void => {
        const read = count === 4 ? 'v128.load' : 'v128.load32_zero';
        const sums = load(read, add(p.out, at));
        f.set(value, op('f32x4.mul', op('f32x4.convert_i32x4_s', sums), factor));
        f.if(p.colScale, () => f.set(value, op('f32x4.mul', value, load(read, add(p.colScale, at)))));
        if (count === 4) f.store('v128.store', add(p.out, at), value);
        else f.storeLane('v128.store32_lane', 0, add(p.out, at), value);
        advance(f, at, count * 4);
        advance(f, left, -count);
      };
      f.while(op('i32.gt_s', p.rows, i32(0)), () => {
        f.if(p.rowScale, () => {
          f.set(factor, load('v128.load32_splat', p.rowScale));
          advance(f, p.rowScale, 4);
        });
        f.set(at, i32(0));
        f.set(left, p.columns);
        f.while(atLeast(left, 4), () => step(4));
        f.while(op('i32.gt_s', left, i32(0)), () => step(1));
        advance(f, p.out, p.outR);
        advance(f, p.rows, -1);
      });
    },
    { export: false },
  );
}

const SHIFT_PARAMS = { bitsA: 'i32', bitsB: 'i32', mostShift: 'i32', ...OPERANDS, shift: 'i32' } as const;

/** Adds every kernel of the family to `module`. */
export function emitIntegerProducts(module: ModuleBuilder, features: Features): void {
  const copyTile = emitCopyTile(module);
  const tile = emitTile(module, copyTile);
  const bytes = features.relaxedSimd ? emitByteProduct(module, copyTile) : undefined;
  const finish = emitFinish(module);
  const int8 = emitProduct(module, 'Int8', false, tile);
  const shift = emitProduct(module, 'Shift', true, tile);
  const operands = (p: OperandLocals): Local<'i32'>[] => [p.M, p.N, p.K, p.a, p.aM, p.aK, p.b, p.bN, p.bK];

  module.procedure(
    'gemmInt8',
    { ...OPERANDS, out: 'i32', outR: 'i32', flags: 'i32', scratch: 'i32' },
    (f, p) => {
      const continued = isSet(p.flags, FLAG_CONTINUE);
      f.call(int8, ...operands(p), i32(0), i32(0), p.out, p.outR, continued, p.scratch);
    },
  );
  const scales = { rowScale: 'i32', colScale: 'i32', out: 'i32', outR: 'i32', scratch: 'i32' } as const;
  module.procedure('gemmInt8Scaled', { ...OPERANDS, ...scales }, (f, p) => {
    f.call(int8, ...operands(p), i32(0), i32(0), p.out, p.outR, i32(0), p.scratch);
    f.call(finish, p.M, p.N, p.out, p.outR, f32(1), p.rowScale, p.colScale);
  });

  type ShiftLocals = OperandLocals & {
    readonly [K in 'bitsA' | 'bitsB' | 'mostShift' | 'shift' | 'out' | 'outR' | 'scratch']: Local<'i32'>;
  };
  const shifted = (f: FunctionBuilder, p: ShiftLocals): void => {
    const words = (): void => {
      // What a code of a can be shifted by within int16; b takes the rest, which the bound on the sum lets it.
      const most = sub(i32(16), p.bitsA);
      f.call(shift, ...operands(p), p.shift, most, p.out, p.outR, i32(0), p.scratch);
    };
    if (bytes === undefined) {
      words();
      return;
    }
    const widths = [p.bitsA, p.bitsB, p.mostShift];
    f.if(
      bytesHold(p.bitsA, p.bitsB),
      () => f.call(bytes, ...widths, ...operands(p), p.shift, p.out, p.outR, p.scratch),
      words,
    );
  };
  const result = { out: 'i32', outR: 'i32', scratch: 'i32' } as const;
  module.procedure('gemmShift', { ...SHIFT_PARAMS, ...result }, shifted);
  module.procedure('gemmShiftScaled', { ...SHIFT_PARAMS, scale: 'f32', ...result }, (f, p) => {
    shifted(f, p);
    f.call(finish, p.M, p.N, p.out, p.outR, p.scale, i32(0), i32(0));
  });
  emitMls(module);
}
