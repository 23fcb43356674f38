/**
 * Emits the ShiftQuant product over packed bytes, for engines with relaxed SIMD and codes of few bits: codes of b are made
 * unsigned by an offset, products of bytes are added in int16 for as many quads of channels as their widths allow, then
 * in int32. Shifts that a code of a has no room for in a byte group the channels of a block into classes, packed one after
 * the other, the largest shift first; between classes the sums are doubled. What the offset adds is a weighted sum of the
 * row of a, subtracted at the end.
 *
 * Panels: [quad of channels][4 rows of a, or 8 of b][4 bytes]. A tile is 4 by 8 sums.
 */
import { i32, type Local, load, type ModuleBuilder, op, select } from '@bitloom/wasm';
import { SHIFT_CODE_BITS } from '../interface/integer-products.js';
import { add, advance, type I32, mul, sub } from './emit.js';
import { emitBytePack, orderedBytes } from './integer-products-bytes-pack.js';
import {
  CHANNELS,
  emitPlan,
  MOST_WORD_SHIFT,
  PLACES,
  PLAN,
  PLAN_BYTES,
} from './integer-products-bytes-places.js';
import { emitByteTile } from './integer-products-bytes-tile.js';
import { type Procedure, smaller } from './integer-products-pack.js';
import { TILE_BYTES, TILE_COLUMNS, TILE_ROWS } from './integer-products-tile.js';

/** Rows and columns of a block. */
const ROWS = 256;
const COLUMNS = 512;
/** Quads that may be added in int16, where there is room for so many. */
const STEPS = { many: 16, some: 8 } as const;

const CORRECTIONS = TILE_BYTES + PLAN_BYTES;
const ORDERED = CORRECTIONS + ROWS * 4;
const PANELS_B = ORDERED + orderedBytes(TILE_COLUMNS);
const PANELS_A = PANELS_B + COLUMNS * PLACES + 128;
const AT = {
  temporary: 0,
  plan: TILE_BYTES,
  corrections: CORRECTIONS,
  ordered: ORDERED,
  b: PANELS_B,
  a: PANELS_A,
} as const;

/** Bytes of scratch memory that the product of bytes uses; packing by vectors runs over the end by three quads. */
export const BYTE_PRODUCT_SCRATCH = AT.a + ROWS * PLACES + 64;

const PARAMS = {
  bitsA: 'i32',
  bitsB: 'i32',
  mostShift: 'i32',
  M: 'i32',
  N: 'i32',
  K: 'i32',
  a: 'i32',
  aM: 'i32',
  aK: 'i32',
  b: 'i32',
  bN: 'i32',
  bK: 'i32',
  shift: 'i32',
  out: 'i32',
  outR: 'i32',
  scratch: 'i32',
} as const;

/** Largest sum of two products in int16 of codes of these widths, b unsigned. */
function stepOf(largestA: I32, largestB: I32): I32 {
  return mul(op('i32.mul', largestA, largestB), 4);
}

function largestCode(bits: I32): I32 {
  return sub(op('i32.shl', i32(1), sub(bits, 1)), 1);
}

/** Whether products of these widths can be added over bytes, as an expression. */
export function bytesHold(bitsA: I32, bitsB: I32): I32 {
  const step = mul(stepOf(largestCode(bitsA), largestCode(bitsB)), STEPS.some);
  return op('i32.and', op('i32.le_s', step, i32(32767)), op('i32.lt_s', bitsB, i32(SHIFT_CODE_BITS.most)));
}

/** Adds productBytes(...): the sums of `gemmShift` where {@link bytesHold}. `copyTile` is that of the int16 tile. */
export function emitByteProduct(module: ModuleBuilder, copyTile: Procedure): Procedure {
  const plan = emitPlan(module);
  const packA = emitBytePack(module, 'A', TILE_ROWS);
  const packB = emitBytePack(module, 'B', TILE_COLUMNS);
  const tile = emitByteTile(module);
  return module.procedure(
    'productBytes',
    PARAMS,
    (f, p) => {
      const at = (offset: number): I32 => add(p.scratch, offset);
      const product = (x: I32, y: I32): I32 => op('i32.mul', x, y);
      const int = (name: string, value?: I32): Local<'i32'> => f.local('i32', name, value);
      const largestA = int('largestA', largestCode(p.bitsA));
      const offset = int('offset', largestCode(p.bitsB));
      const step = int('step', stepOf(largestA, offset));
      const isShort = op('i32.gt_s', mul(step, STEPS.many), i32(32767));
      const steps = int('steps', select(i32(STEPS.some), i32(STEPS.many), isShort));
      const unit = int('unit', i32(1));
      // As far as codes of a can be shifted within a byte, and sums stay in int16.
      f.while(
        op(
          'i32.and',
          op('i32.le_s', op('i32.shl', largestA, unit), i32(127)),
          op('i32.le_s', op('i32.shl', product(step, steps), unit), i32(32767)),
        ),
        () => advance(f, unit, 1),
      );
      const [m, n, k, runs, places] = [int('m'), int('n'), int('k'), int('runs'), int('places')];
      const [rows, columns, channels, i] = [int('rows'), int('columns'), int('channels'), int('i')];
      const isNarrow = int('isNarrow', op('i32.le_u', p.mostShift, i32(MOST_WORD_SHIFT)));
      const [aStride, bStride, aTile, bTile] = [int('aStride'), int('bStride'), int('aTile'), int('bTile')];
      const [left, correction, outTile] = [int('left'), int('correction'), int('outTile')];

      const tiles = (): void => {
        f.set(i, i32(0));
        f.set(bTile, at(AT.b));
        f.while(op('i32.lt_s', i, columns), () => {
          f.set(left, rows);
          f.set(aTile, at(AT.a));
          f.set(correction, at(AT.corrections));
          f.set(outTile, add(add(p.out, product(m, p.outR)), mul(add(n, i), 4)));
          f.while(op('i32.gt_s', left, i32(0)), () => {
            f.call(tile, aTile, bTile, at(AT.plan + PLAN.runs), runs, steps, correction, at(AT.temporary));
            const width = smaller(sub(columns, i), i32(TILE_COLUMNS));
            f.call(copyTile, at(AT.temporary), smaller(left, i32(TILE_ROWS)), width, outTile, p.outR, k);
            advance(f, aTile, aStride);
            advance(f, correction, TILE_ROWS * 4);
            advance(f, outTile, mul(p.outR, TILE_ROWS));
            advance(f, left, -TILE_ROWS);
          });
          advance(f, bTile, bStride);
          advance(f, i, TILE_COLUMNS);
        });
      };

      f.set(n, i32(0));
      f.while(op('i32.lt_s', n, p.N), () => {
        f.set(columns, smaller(i32(COLUMNS), sub(p.N, n)));
        f.set(k, i32(0));
        // K = 0 still starts the sums, so one block always runs.
        f.loop((next) => {
          f.set(channels, smaller(i32(CHANNELS), sub(p.K, k)));
          f.call(plan, add(p.shift, k), channels, p.mostShift, unit, at(AT.plan));
          f.set(runs, load('i32.load', at(AT.plan), PLAN.runCount));
          f.set(places, load('i32.load', at(AT.plan), PLAN.places));
          const isVector = (inner: I32): I32 => op('i32.and', isNarrow, op('i32.eq', inner, i32(1)));
          f.set(aStride, mul(places, TILE_ROWS));
          f.set(bStride, mul(places, TILE_COLUMNS));
          const bAt = add(add(p.b, product(n, p.bN)), product(k, p.bK));
          const order = [at(AT.plan), at(AT.ordered)];
          f.call(
            packB,
            bAt,
            p.bN,
            p.bK,
            columns,
            ...order,
            at(AT.b),
            bStride,
            i32(0),
            offset,
            isVector(p.bK),
          );
          f.set(m, i32(0));
          f.while(op('i32.lt_s', m, p.M), () => {
            f.set(rows, smaller(i32(ROWS), sub(p.M, m)));
            const aAt = add(add(p.a, product(m, p.aM)), product(k, p.aK));
            const corrections = at(AT.corrections);
            f.call(
              packA,
              aAt,
              p.aM,
              p.aK,
              rows,
              ...order,
              at(AT.a),
              aStride,
              corrections,
              offset,
              isVector(p.aK),
            );
            tiles();
            advance(f, m, ROWS);
          });
          advance(f, k, CHANNELS);
          f.branchIf(next, op('i32.lt_s', k, p.K));
        });
        advance(f, n, COLUMNS);
      });
    },
    { export: false },
  );
}
