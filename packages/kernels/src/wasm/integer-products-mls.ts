/**
 * Emits what the family has for MLS tensors, first of all the product with a float32 scale per group of channels. Groups
 * are packed as int16 pairs like int8 products; a tile of 4 x 4 outputs keeps the integer sums of the current group and
 * the float32 sums of all groups in registers.
 */
import { i32, i32x4, type Local, load, type ModuleBuilder, op, select } from '@bitloom/wasm';
import { MAX_MLS_GROUP } from '../interface/integer-products.js';
import { add, advance, atLeast, type I32, loadTail, mul, storeTail, sub } from './emit.js';
import {
  emitPack,
  PACK_ROWS,
  type Procedure,
  pairsOf,
  panelBytes,
  smaller,
} from './integer-products-pack.js';
import { emitMlsIntegers } from './mls-integers.js';

const TILE = 4;
/** Channels of a block, unless one group is longer; and room for the packed operands of a block. */
const BLOCK_CHANNELS = 512;
const BLOCK_COLUMNS = PACK_ROWS;
/** Groups of one channel take the room of eight. */
const MOST_GROUPS = 64;
/** Room for whole panels of a; bounds the rows of a block. */
const A_BYTES = 128 * 1024;
const B_BYTES = BLOCK_COLUMNS * MAX_MLS_GROUP * 2;
/** Group scales, [group][4] float32 per panel: a group of a panel of codes has 64 bytes at least. */
const SCALES_A_BYTES = A_BYTES / 4;
const SCALES_B_BYTES = MOST_GROUPS * BLOCK_COLUMNS * 4;
const PLACE = {
  scalesB: 0,
  scalesA: SCALES_B_BYTES,
  b: SCALES_B_BYTES + SCALES_A_BYTES,
  a: SCALES_B_BYTES + SCALES_A_BYTES + B_BYTES,
} as const;

/** Bytes of scratch memory that the MLS product uses. */
export const MLS_SCRATCH_BYTES = PLACE.a + A_BYTES;

/**
 * groupScales(scale, outer, inner, rows, groups, mantissaBits, dst): group scales of up to 4 rows as float32
 * [groups][4]; rows that are missing repeat the last one. A code <8, M> is the exponent and the first mantissa bits of
 * a float32, but for the smallest of <8, 0>, which is subnormal there.
 */
function emitGroupScales(module: ModuleBuilder): Procedure {
  const params = {
    scale: 'i32',
    outer: 'i32',
    inner: 'i32',
    rows: 'i32',
    groups: 'i32',
    mantissaBits: 'i32',
    dst: 'i32',
  } as const;
  return module.procedure(
    'groupScales',
    params,
    (f, p) => {
      const row = f.local('i32', 'row');
      const at = f.local('i32', 'at');
      const bits = f.local('i32', 'bits');
      const smallest = f.local('i32', 'smallest', select(i32(0), i32(0x00400000), p.mantissaBits));
      const places = sub(i32(23), p.mantissaBits);
      f.while(op('i32.gt_s', p.groups, i32(0)), () => {
        f.set(row, i32(0));
        f.set(at, p.scale);
        f.while(op('i32.lt_s', row, i32(TILE)), () => {
          f.set(bits, op('i32.shl', load16(at), places));
          f.if(op('i32.lt_u', bits, smallest), () => f.set(bits, smallest));
          f.store('i32.store', add(p.dst, mul(row, 4)), bits);
          advance(f, row, 1);
          f.if(op('i32.lt_s', row, p.rows), () => advance(f, at, p.outer));
        });
        advance(f, p.scale, p.inner);
        advance(f, p.dst, TILE * 4);
        advance(f, p.groups, -1);
      });
    },
    { export: false },
  );
}

/** An unsigned 16-bit number. */
function load16(address: I32): I32 {
  return op('i32.and', load('i32.load16_s', address), i32(0xffff));
}

/**
 * tileMls(a, b, groups, groupPairs, lastPairs, groupStride, scaleA, scaleB, rows, columns, out, outR, continue): adds
 * the terms of `groups` groups to up to 4 x 4 float32 accumulators, or starts them. Packed groups follow each other
 * groupStride bytes apart; the last one has lastPairs pairs.
 */
function emitTileMls(module: ModuleBuilder): Procedure {
  const params = {
    a: 'i32',
    b: 'i32',
    groups: 'i32',
    groupPairs: 'i32',
    lastPairs: 'i32',
    groupStride: 'i32',
    scaleA: 'i32',
    scaleB: 'i32',
    rows: 'i32',
    columns: 'i32',
    out: 'i32',
    outR: 'i32',
    continue: 'i32',
  } as const;
  return module.procedure(
    'tileMls',
    params,
    (f, p) => {
      const rows = [0, 1, 2, 3];
      const sums = rows.map((i) => f.local('v128', `sum${i}`));
      const totals = rows.map((i) => f.local('v128', `total${i}`));
      const column = f.local('v128', 'column');
      const aAt = f.local('i32', 'aAt');
      const bAt = f.local('i32', 'bAt');
      const pairs = f.local('i32', 'pairs');
      const outs = rows.map((i) => f.local('i32', `out${i}`));
      outs.forEach((out, i) => {
        f.set(out, i === 0 ? p.out : add(outs[i - 1], p.outR));
      });
      const isWhole = atLeast(p.columns, TILE);
      f.if(p.continue, () =>
        rows.forEach((i) => {
          f.if(op('i32.lt_s', i32(i), p.rows), () =>
            f.if(
              isWhole,
              () => f.set(totals[i], load('v128.load', outs[i])),
              () => loadTail(f, totals[i], outs[i], p.columns),
            ),
          );
        }),
      );
      f.while(p.groups, () => {
        f.set(aAt, p.a);
        f.set(bAt, p.b);
        f.set(pairs, p.groupPairs);
        f.if(op('i32.eq', p.groups, i32(1)), () => f.set(pairs, p.lastPairs));
        for (const sum of sums) f.set(sum, i32x4(0));
        f.while(pairs, () => {
          for (let u = 0; u < 2; u += 1) {
            f.set(column, load('v128.load', bAt, u * 16));
            rows.forEach((i) => {
              const row = load('v128.load32_splat', aAt, u * 16 + i * 4);
              f.set(sums[i], op('i32x4.add', sums[i], op('i32x4.dot_i16x8_s', row, column)));
            });
          }
          advance(f, aAt, 32);
          advance(f, bAt, 32);
          advance(f, pairs, -2);
        });
        f.set(column, load('v128.load', p.scaleB));
        rows.forEach((i) => {
          const scale = op('f32x4.mul', load('v128.load32_splat', p.scaleA, i * 4), column);
          const term = op('f32x4.mul', op('f32x4.convert_i32x4_s', sums[i]), scale);
          f.set(totals[i], op('f32x4.add', totals[i], term));
        });
        advance(f, p.a, p.groupStride);
        advance(f, p.b, p.groupStride);
        advance(f, p.scaleA, TILE * 4);
        advance(f, p.scaleB, TILE * 4);
        advance(f, p.groups, -1);
      });
      rows.forEach((i) => {
        f.if(op('i32.lt_s', i32(i), p.rows), () =>
          f.if(
            isWhole,
            () => f.store('v128.store', outs[i], totals[i]),
            () => storeTail(f, outs[i], totals[i], p.columns),
          ),
        );
      });
    },
    { export: false },
  );
}

/** scaleFloats(rows, columns, out, outR, scale): float32 times one number, in place. */
function emitScaleFloats(module: ModuleBuilder): Procedure {
  const params = { rows: 'i32', columns: 'i32', out: 'i32', outR: 'i32', scale: 'f32' } as const;
  return module.procedure(
    'scaleFloats',
    params,
    (f, p) => {
      const factor = f.local('v128', 'factor', op('f32x4.splat', p.scale));
      const value = f.local('v128', 'value');
      const at = f.local('i32', 'at');
      const left = f.local('i32', 'left');
      f.while(op('i32.gt_s', p.rows, i32(0)), () => {
        f.set(at, p.out);
        f.set(left, p.columns);
        f.while(atLeast(left, 4), () => {
          f.store('v128.store', at, op('f32x4.mul', load('v128.load', at), factor));
          advance(f, at, 16);
          advance(f, left, -4);
        });
        f.if(op('i32.gt_s', left, i32(0)), () => {
          loadTail(f, value, at, left);
          storeTail(f, at, op('f32x4.mul', value, factor), left);
        });
        advance(f, p.out, p.outR);
        advance(f, p.rows, -1);
      });
    },
    { export: false },
  );
}

/** Adds `mlsIntegers` and `gemmMls`, which takes a pointer to scratch memory as its last argument. */
export function emitMls(module: ModuleBuilder): void {
  emitMlsIntegers(module);
  const pack = emitPack(module, 'Mls', { panelRows: TILE, weighted: false });
  const groupScales = emitGroupScales(module);
  const tile = emitTileMls(module);
  const scaleFloats = emitScaleFloats(module);
  const params = {
    group: 'i32',
    scaleMantissa: 'i32',
    M: 'i32',
    N: 'i32',
    K: 'i32',
    a: 'i32',
    aM: 'i32',
    aK: 'i32',
    aScale: 'i32',
    aScaleM: 'i32',
    aScaleG: 'i32',
    b: 'i32',
    bN: 'i32',
    bK: 'i32',
    bScale: 'i32',
    bScaleN: 'i32',
    bScaleG: 'i32',
    scale: 'f32',
    out: 'i32',
    outR: 'i32',
    scratch: 'i32',
  } as const;
  module.procedure('gemmMls', params, (f, p) => {
    const int = (name: string, value?: I32): Local<'i32'> => f.local('i32', name, value);
    const at = (offset: number): I32 => add(p.scratch, offset);
    const product = (a: I32, b: I32): I32 => op('i32.mul', a, b);
    const groups = int('groups', op('i32.div_u', add(p.K, sub(p.group, 1)), p.group));
    const groupStride = int('groupStride', panelBytes(p.group, TILE));
    const chunk = int('chunk', op('i32.div_u', i32(BLOCK_CHANNELS * TILE * 2), groupStride));
    f.set(chunk, select(chunk, i32(1), chunk));
    const panelStride = int('panelStride', product(chunk, groupStride));
    const blockRows = mul(op('i32.div_u', i32(A_BYTES / (PACK_ROWS / TILE)), panelStride), PACK_ROWS);
    const most = int('most', blockRows);
    const groupPairs = int('groupPairs', pairsOf(p.group));
    const lastLength = int('lastLength', sub(p.K, product(sub(groups, 1), p.group)));
    const [m, n, g, count, i] = [int('m'), int('n'), int('g'), int('count'), int('i')];
    const [rows, columns, lastPairs, continued] = [
      int('rows'),
      int('columns'),
      int('lastPairs'),
      int('continued'),
    ];
    const [aPanel, aScale, bPanel, bScale] = [int('aPanel'), int('aScale'), int('bPanel'), int('bScale')];
    const [left, width, outTile] = [int('left'), int('width'), int('outTile')];

    /** Packs `count` groups of rows of an operand, and their scales. */
    const packBlock = (
      [matrix, outer, inner]: readonly I32[],
      [scale, scaleOuter, scaleInner]: readonly I32[],
      [first, total]: readonly I32[],
      [to, scalesTo]: readonly I32[],
    ): void => {
      f.set(i, i32(0));
      f.while(op('i32.lt_s', i, count), () => {
        const from = add(add(matrix, product(first, outer)), product(product(add(g, i), p.group), inner));
        const length = select(lastLength, p.group, op('i32.eq', add(g, i), sub(groups, 1)));
        const target = add(to, product(i, groupStride));
        f.call(pack, from, outer, inner, total, length, target, panelStride, i32(0));
        advance(f, i, 1);
      });
      f.set(i, i32(0));
      f.while(op('i32.lt_s', i, total), () => {
        const from = add(add(scale, product(add(first, i), scaleOuter)), product(g, scaleInner));
        const target = add(scalesTo, product(i, mul(chunk, 4)));
        f.call(groupScales, from, scaleOuter, scaleInner, sub(total, i), count, p.scaleMantissa, target);
        advance(f, i, TILE);
      });
    };

    f.while(op('i32.lt_s', m, p.M), () => {
      f.set(rows, smaller(most, sub(p.M, m)));
      f.set(g, i32(0));
      f.set(continued, i32(0));
      // K = 0 still starts the sums, so one chunk always runs.
      f.loop((next) => {
        f.set(count, smaller(chunk, sub(groups, g)));
        const isLast = op('i32.ge_s', add(g, count), groups);
        f.set(lastPairs, select(pairsOf(lastLength), groupPairs, isLast));
        packBlock(
          [p.a, p.aM, p.aK],
          [p.aScale, p.aScaleM, p.aScaleG],
          [m, rows],
          [at(PLACE.a), at(PLACE.scalesA)],
        );
        f.set(n, i32(0));
        f.while(op('i32.lt_s', n, p.N), () => {
          f.set(columns, smaller(i32(BLOCK_COLUMNS), sub(p.N, n)));
          packBlock(
            [p.b, p.bN, p.bK],
            [p.bScale, p.bScaleN, p.bScaleG],
            [n, columns],
            [at(PLACE.b), at(PLACE.scalesB)],
          );
          f.set(bPanel, at(PLACE.b));
          f.set(bScale, at(PLACE.scalesB));
          f.set(width, columns);
          f.while(op('i32.gt_s', width, i32(0)), () => {
            f.set(aPanel, at(PLACE.a));
            f.set(aScale, at(PLACE.scalesA));
            f.set(left, rows);
            f.set(outTile, add(add(p.out, product(m, p.outR)), mul(sub(add(n, columns), width), 4)));
            f.while(op('i32.gt_s', left, i32(0)), () => {
              const shape = [count, groupPairs, lastPairs, groupStride];
              const output = [left, width, outTile, p.outR, continued];
              f.call(tile, aPanel, bPanel, ...shape, aScale, bScale, ...output);
              advance(f, aPanel, panelStride);
              advance(f, aScale, mul(chunk, TILE * 4));
              advance(f, outTile, mul(p.outR, TILE));
              advance(f, left, -TILE);
            });
            advance(f, bPanel, panelStride);
            advance(f, bScale, mul(chunk, TILE * 4));
            advance(f, width, -TILE);
          });
          advance(f, n, BLOCK_COLUMNS);
        });
        f.set(continued, i32(1));
        f.set(g, add(g, chunk));
        f.branchIf(next, op('i32.lt_s', g, groups));
      });
      f.call(scaleFloats, rows, p.N, add(p.out, product(m, p.outR)), p.outR, p.scale);
      f.set(m, add(m, most));
    });
  });
}
