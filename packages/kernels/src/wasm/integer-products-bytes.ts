/**
 * Emits the ShiftQuant product over packed bytes, for engines with relaxed SIMD and codes of few bits: codes of b are made
 * unsigned by an offset, products of bytes are added in int16 for as many quads of channels as their widths allow, then
 * in int32. Shifts that a code of a has no room for in a byte group the channels of a block into classes, packed one after
 * the other, the largest shift first; between classes the sums are doubled. What the offset adds is a weighted sum of the
 * row of a, subtracted at the end.
 *
 * Panels: [quad of channels][4 rows of a, or 8 of b][4 bytes]. A tile is 4 by 8 sums.
 */
import {
  type FunctionReference,
  i16x8,
  i32,
  i32x4,
  type Local,
  lane,
  load,
  type ModuleBuilder,
  op,
  select,
  type ValueType,
} from '@bitloom/wasm';
import { SHIFT_CODE_BITS } from '../interface/integer-products.js';
import { add, advance, type I32, mul, sub } from './emit.js';
import { type Procedure, smaller, transpose4 } from './integer-products-pack.js';
import { TILE_BYTES, TILE_COLUMNS, TILE_ROWS } from './integer-products-tile.js';

/** Channels of a block, and its places: every class may need three more to fill a quad. */
const CHANNELS = 512;
const CLASSES = 32;
const PLACES = CHANNELS + 4 * CLASSES;
/** Rows and columns of a block. */
const ROWS = 256;
const COLUMNS = 512;
/** Bytes of a place in the table: index of the channel, factor of a in its byte, factor of the channel. */
const PLACE_BYTES = 12;
const RUN_BYTES = 8;
/** Quads that may be added in int16, where there is room for so many. */
const STEPS = { many: 16, some: 8 } as const;

const AT = {
  temporary: 0,
  runs: TILE_BYTES,
  table: TILE_BYTES + CLASSES * RUN_BYTES,
  corrections: TILE_BYTES + CLASSES * RUN_BYTES + PLACES * PLACE_BYTES,
  factors: TILE_BYTES + CLASSES * RUN_BYTES + PLACES * PLACE_BYTES + ROWS * 4,
  b: TILE_BYTES + CLASSES * RUN_BYTES + PLACES * PLACE_BYTES + ROWS * 4 + PLACES,
  a: TILE_BYTES + CLASSES * RUN_BYTES + PLACES * PLACE_BYTES + ROWS * 4 + PLACES + COLUMNS * PLACES + 128,
} as const;

/** Bytes of scratch memory that the product of bytes uses; packing in order runs over the end by three quads. */
export const BYTE_PRODUCT_SCRATCH = AT.a + ROWS * PLACES + 64;

/** planRuns(shift, channels, most, unit, runs, table) → runs: the channels by class, shift / unit, the highest first. */
function emitPlan(module: ModuleBuilder): FunctionReference<readonly ValueType[], 'i32'> {
  const params = {
    shift: 'i32',
    channels: 'i32',
    most: 'i32',
    unit: 'i32',
    runs: 'i32',
    table: 'i32',
  } as const;
  return module.function(
    'planRuns',
    params,
    'i32',
    (f, p) => {
      const first = f.local('i32', 'first', p.runs);
      const c = f.local('i32', 'class', op('i32.div_u', p.most, p.unit));
      const previous = f.local('i32', 'previous', i32(0));
      const k = f.local('i32', 'k');
      const shift = f.local('i32', 'value');
      const count = f.local('i32', 'count');
      const place = (index: I32, factor: I32, weight: I32): void => {
        f.store('i32.store', p.table, index);
        f.store('i32.store', p.table, factor, 4);
        f.store('i32.store', p.table, weight, 8);
        advance(f, p.table, PLACE_BYTES);
      };
      f.while(op('i32.ge_s', c, i32(0)), () => {
        f.set(count, i32(0));
        f.set(k, i32(0));
        f.while(op('i32.lt_s', k, p.channels), () => {
          f.set(shift, load('i32.load8_u', add(p.shift, k)));
          f.if(op('i32.eq', op('i32.div_u', shift, p.unit), c), () => {
            const rest = op('i32.rem_u', shift, p.unit);
            place(k, op('i32.shl', i32(1), rest), op('i32.shl', i32(1), shift));
            advance(f, count, 1);
          });
          advance(f, k, 1);
        });
        f.if(count, () => {
          f.while(op('i32.and', count, i32(3)), () => {
            place(i32(0), i32(0), i32(0));
            advance(f, count, 1);
          });
          // How often sums are doubled before the run, in the place of the run before.
          f.if(op('i32.gt_u', p.runs, first), () =>
            f.store('i32.store', sub(p.runs, 4), op('i32.mul', sub(previous, c), p.unit)),
          );
          f.store('i32.store', p.runs, op('i32.shr_u', count, i32(2)));
          f.store('i32.store', p.runs, op('i32.mul', c, p.unit), 4);
          advance(f, p.runs, RUN_BYTES);
          f.set(previous, c);
        });
        advance(f, c, -1);
      });
      return op('i32.shr_u', sub(p.runs, first), i32(3));
    },
    { export: false },
  );
}

/**
 * packBytesA(src, outer, inner, rows, table, places, dst, stride, corrections, offset): panels of 4 rows, and offset times
 * the weighted sum of each. packBytesB(...): panels of 8 rows plus the offset; it has no use for corrections.
 */
function emitPack(module: ModuleBuilder, name: 'A' | 'B', panelRows: number): Procedure {
  const params = {
    src: 'i32',
    outer: 'i32',
    inner: 'i32',
    rows: 'i32',
    table: 'i32',
    places: 'i32',
    dst: 'i32',
    stride: 'i32',
    corrections: 'i32',
    offset: 'i32',
    factors: 'i32',
  } as const;
  return module.procedure(
    `packBytes${name}`,
    params,
    (f, p) => {
      const rows = Array.from({ length: panelRows }, (_, r) => f.local('i32', `row${r}`));
      const sums = Array.from({ length: name === 'A' ? panelRows : 0 }, (_, r) => f.local('i32', `sum${r}`));
      const entry = f.local('i32', 'entry');
      const end = f.local('i32', 'end', add(p.table, mul(p.places, PLACE_BYTES)));
      const from = f.local('i32', 'from');
      const to = f.local('i32', 'to');
      const value = f.local('i32', 'value');
      const factor = f.local('i32', 'factor');
      const weight = f.local('i32', 'weight');
      const at = f.local('i32', 'at');
      const codes = [0, 1, 2, 3].map((i) => f.local('v128', `codes${i}`));
      const turned = [0, 1, 2, 3].map((i) => f.local('v128', `turned${i}`));
      const totals = sums.map((_, r) => f.local('v128', `total${r}`));
      const factors = f.local('v128', 'factors');
      const offsets = f.local('v128', 'offsets', op('i8x16.splat', p.offset));
      /** Channels as they lie, one class: 16 at a time. Factors are 0 past the last, so what lies there does not matter. */
      const inOrder = (): void => {
        for (const total of totals) f.set(total, i32x4(0));
        f.set(at, i32(0));
        f.while(op('i32.lt_s', at, p.places), () => {
          f.set(factors, load('v128.load', add(p.factors, at)));
          for (let half = 0; half < panelRows; half += 4) {
            codes.forEach((code, i) => {
              f.set(code, load('v128.load', add(rows[half + i], at)));
              if (name === 'B') {
                f.set(code, op('i8x16.add', code, offsets));
                return;
              }
              const low = op('i16x8.extmul_low_i8x16_s', code, factors);
              const high = op('i16x8.extmul_high_i8x16_s', code, factors);
              f.set(code, op('i8x16.narrow_i16x8_s', low, high));
              const pairs = op('i16x8.extadd_pairwise_i8x16_s', code);
              f.set(totals[i], op('i32x4.add', totals[i], op('i32x4.extadd_pairwise_i16x8_s', pairs)));
            });
            transpose4(f, codes, turned).forEach((quad, i) => {
              f.store('v128.store', to, quad, i * panelRows * 4 + half * 4);
            });
          }
          advance(f, at, 16);
          advance(f, to, panelRows * 16);
        });
        // The factor of the class is that of a channel over what its code was multiplied by.
        f.set(weight, op('i32.div_u', load('i32.load', p.table, 8), load('i32.load', p.table, 4)));
        sums.forEach((sum, r) => {
          f.set(sum, op('i32.mul', sumLanes(totals[r]), weight));
        });
      };
      f.while(op('i32.gt_s', p.rows, i32(0)), () => {
        rows.forEach((row, r) => {
          const last = r === 0 ? p.src : rows[r - 1];
          f.set(row, r === 0 ? last : select(add(last, p.outer), last, op('i32.gt_s', p.rows, i32(r))));
        });
        for (const sum of sums) f.set(sum, i32(0));
        f.set(entry, p.table);
        f.set(to, p.dst);
        f.if(p.factors, () => {
          inOrder();
          // Nothing is left for the loop over places.
          f.set(entry, end);
        });
        f.while(op('i32.lt_u', entry, end), () => {
          for (let i = 0; i < 4; i += 1) {
            f.set(from, op('i32.mul', load('i32.load', entry), p.inner));
            if (name === 'A') {
              f.set(factor, load('i32.load', entry, 4));
              f.set(weight, load('i32.load', entry, 8));
            }
            rows.forEach((row, r) => {
              const code = load('i32.load8_s', add(row, from));
              if (name === 'B') {
                f.store('i32.store8', to, add(code, p.offset), r * 4 + i);
                return;
              }
              f.set(value, code);
              f.store('i32.store8', to, op('i32.mul', value, factor), r * 4 + i);
              f.set(sums[r], add(sums[r], op('i32.mul', value, weight)));
            });
            advance(f, entry, PLACE_BYTES);
          }
          advance(f, to, panelRows * 4);
        });
        sums.forEach((sum, r) => {
          f.store('i32.store', p.corrections, op('i32.mul', sum, p.offset), r * 4);
        });
        if (name === 'A') advance(f, p.corrections, panelRows * 4);
        advance(f, p.src, mul(p.outer, panelRows));
        advance(f, p.dst, p.stride);
        advance(f, p.rows, -panelRows);
      });
    },
    { export: false },
  );
}

function sumLanes(value: Local<'v128'>): I32 {
  const [a, b, c, d] = ([0, 1, 2, 3] as const).map((i) => lane('i32x4.extract_lane', i, value));
  return add(add(a, b), add(c, d));
}

/** tileBytes(a, b, runs, count, steps, corrections, out): 4 x 8 int32 sums at `out`, one row after the other. */
function emitTile(module: ModuleBuilder): Procedure {
  const params = {
    a: 'i32',
    b: 'i32',
    runs: 'i32',
    count: 'i32',
    steps: 'i32',
    corrections: 'i32',
    out: 'i32',
  } as const;
  return module.procedure(
    'tileBytes',
    params,
    (f, p) => {
      const sums = Array.from({ length: TILE_ROWS }, (_, i) =>
        [0, 1].map((v) => f.local('v128', `sum${i}_${v}`)),
      );
      const columns = [0, 1].map((v) => f.local('v128', `b${v}`));
      const row = f.local('v128', 'row');
      const quads = f.local('i32', 'quads');
      const chunk = f.local('i32', 'chunk');
      const doublings = f.local('i32', 'doublings');
      const each = (visit: (i: number, v: number) => void): void => {
        for (let i = 0; i < TILE_ROWS; i += 1) for (let v = 0; v < 2; v += 1) visit(i, v);
      };
      const at = (i: number, v: number): number => i * TILE_COLUMNS * 4 + v * 16;
      each((i, v) => f.store('v128.store', p.out, i32x4(0), at(i, v)));
      f.while(p.count, () => {
        f.set(quads, load('i32.load', p.runs));
        f.while(quads, () => {
          f.set(chunk, smaller(quads, p.steps));
          f.set(quads, sub(quads, chunk));
          each((i, v) => f.set(sums[i][v], i16x8(0)));
          f.loop((again) => {
            columns.forEach((column, v) => {
              f.set(column, load('v128.load', p.b, v * 16));
            });
            for (let i = 0; i < TILE_ROWS; i += 1) {
              f.set(row, load('v128.load32_splat', p.a, i * 4));
              for (let v = 0; v < 2; v += 1) {
                const dot = op('i16x8.relaxed_dot_i8x16_i7x16_s', row, columns[v]);
                f.set(sums[i][v], op('i16x8.add', sums[i][v], dot));
              }
            }
            advance(f, p.a, TILE_ROWS * 4);
            advance(f, p.b, TILE_COLUMNS * 4);
            f.branchIf(again, f.tee(chunk, sub(chunk, 1)));
          });
          each((i, v) => {
            const wide = op('i32x4.dot_i16x8_s', sums[i][v], i16x8(1));
            f.store('v128.store', p.out, op('i32x4.add', load('v128.load', p.out, at(i, v)), wide), at(i, v));
          });
        });
        f.set(doublings, load('i32.load', p.runs, 4));
        f.if(doublings, () =>
          each((i, v) =>
            f.store(
              'v128.store',
              p.out,
              op('i32x4.shl', load('v128.load', p.out, at(i, v)), doublings),
              at(i, v),
            ),
          ),
        );
        advance(f, p.runs, RUN_BYTES);
        advance(f, p.count, -1);
      });
      each((i, v) => {
        const correction = load('v128.load32_splat', p.corrections, i * 4);
        const sum = op('i32x4.sub', load('v128.load', p.out, at(i, v)), correction);
        f.store('v128.store', p.out, sum, at(i, v));
      });
    },
    { export: false },
  );
}

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
  const packA = emitPack(module, 'A', TILE_ROWS);
  const packB = emitPack(module, 'B', TILE_COLUMNS);
  const tile = emitTile(module);
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
      const isOrdered = int('isOrdered');
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
            f.call(tile, aTile, bTile, at(AT.runs), runs, steps, correction, at(AT.temporary));
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
          f.set(
            runs,
            f.result(plan, add(p.shift, k), channels, p.mostShift, unit, at(AT.runs), at(AT.table)),
          );
          f.set(places, i32(0));
          f.set(i, i32(0));
          f.while(op('i32.lt_s', i, runs), () => {
            f.set(places, add(places, mul(load('i32.load', add(at(AT.runs), mul(i, RUN_BYTES))), 4)));
            advance(f, i, 1);
          });
          // One class: channels are packed in their order, by their factors as bytes.
          f.set(isOrdered, op('i32.eq', runs, i32(1)));
          f.if(isOrdered, () => {
            f.set(i, i32(0));
            f.while(op('i32.lt_s', i, places), () => {
              const factor = load('i32.load', add(at(AT.table), mul(i, PLACE_BYTES)), 4);
              f.store('i32.store8', add(at(AT.factors), i), factor);
              advance(f, i, 1);
            });
            for (let byte = 0; byte < 16; byte += 4) {
              f.store('i32.store', add(at(AT.factors), i), i32(0), byte);
            }
          });
          const factorsFor = (inner: I32): I32 =>
            select(at(AT.factors), i32(0), op('i32.and', isOrdered, op('i32.eq', inner, i32(1))));
          f.set(aStride, mul(places, TILE_ROWS));
          f.set(bStride, mul(places, TILE_COLUMNS));
          const bAt = add(add(p.b, product(n, p.bN)), product(k, p.bK));
          const table = [at(AT.table), places];
          f.call(
            packB,
            bAt,
            p.bN,
            p.bK,
            columns,
            ...table,
            at(AT.b),
            bStride,
            i32(0),
            offset,
            factorsFor(p.bK),
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
              ...table,
              at(AT.a),
              aStride,
              corrections,
              offset,
              factorsFor(p.aK),
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
