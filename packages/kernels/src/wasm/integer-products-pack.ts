/**
 * Emits the packing of int8 matrices for the integer products: rows or columns become panels of int16 pairs along the
 * inner dimension, [panel of R rows][pair][R rows][2], so that one 32-bit lane of `i32x4.dot_i16x8_s` belongs to one
 * row. Every pair of a panel is whole, the last one filled with 0; panels of ragged rows hold numbers that nobody
 * reads the sums of. Loads may run over the end of a row: what they find is masked or lies in such rows.
 */
import {
  type Expression,
  type FunctionBuilder,
  type FunctionReference,
  i16x8,
  i32,
  i32x4,
  type Local,
  load,
  type ModuleBuilder,
  op,
  select,
  shuffle,
  type ValueType,
  v128,
} from '@bitloom/wasm';
import { add, advance, atLeast, fourRows, type I32, lanes32, mul, sub, type V128 } from './emit.js';

export type Procedure = FunctionReference<readonly ValueType[], undefined>;

/** Rows that the packing of a matrix with contiguous rows writes at once; round up the rows of a buffer to it. */
export const PACK_ROWS = 16;
/** Channels that packing writes at once; round up the channels of a buffer to it. */
const PACK_CHANNELS = 8;

/** Bytes of a panel of `rows` rows and `channels` channels, as an expression. */
export function panelBytes(channels: I32, rows: number): I32 {
  return mul(roundUp(channels, PACK_CHANNELS), rows * 2);
}

/** `value` rounded up to a multiple of a power of two. */
function roundUp(value: I32, unit: number): I32 {
  return op('i32.and', add(value, unit - 1), i32(-unit));
}

export const smaller = (a: I32, b: I32): I32 => select(a, b, op('i32.lt_s', a, b));

/** Pairs of a panel that a tile reads: an even number. */
export function pairsOf(channels: I32): I32 {
  return mul(op('i32.shr_u', add(channels, 3), i32(2)), 2);
}

/** (a0 b0 a1 b1 ...) of the first or the second eight bytes of two vectors. */
function zipBytes(a: V128, b: V128, half: 0 | 1): V128 {
  return shuffle(
    a,
    b,
    Array.from({ length: 16 }, (_, i) => half * 8 + (i >> 1) + (i % 2) * 16),
  );
}

/** Four vectors of four 32-bit lanes, transposed. */
export function transpose4(
  f: FunctionBuilder,
  [a, b, c, d]: readonly Expression<'v128'>[],
  [t0, t1, t2, t3]: readonly Local<'v128'>[],
): V128[] {
  const low = lanes32(0, 4, 1, 5);
  const high = lanes32(2, 6, 3, 7);
  f.set(t0, shuffle(a, b, low));
  f.set(t1, shuffle(c, d, low));
  f.set(t2, shuffle(a, b, high));
  f.set(t3, shuffle(c, d, high));
  const first = lanes32(0, 1, 4, 5);
  const second = lanes32(2, 3, 6, 7);
  return [shuffle(t0, t1, first), shuffle(t0, t1, second), shuffle(t2, t3, first), shuffle(t2, t3, second)];
}

/** What a packed matrix looks like. */
export interface Packing {
  /** Rows of a panel: 4 or 8. */
  readonly panelRows: 4 | 8;
  /** Whether int16 weights of the channels, at `weights`, multiply the numbers. */
  readonly weighted: boolean;
}

const PARAMS = {
  src: 'i32',
  outer: 'i32',
  inner: 'i32',
  rows: 'i32',
  channels: 'i32',
  dst: 'i32',
  panelStride: 'i32',
} as const;

/** Adds pack<name>(src, outer, inner, rows, channels, dst, panelStride[, weights]) to `module`. */
export function emitPack(module: ModuleBuilder, name: string, packing: Packing): Procedure {
  const params = { ...PARAMS, weights: 'i32' } as const;
  return module.procedure(
    `pack${name}`,
    params,
    (f, p) => {
      f.if(
        op('i32.eq', p.inner, i32(1)),
        () => packContiguousChannels(f, p, packing),
        () => packContiguousRows(f, p, packing),
      );
    },
    { export: false },
  );
}

type PackLocals = { readonly [K in keyof typeof PARAMS | 'weights']: Local<'i32'> };

/** Rows lie in memory as they are: four rows by eight channels are transposed in registers. */
function packContiguousChannels(f: FunctionBuilder, p: PackLocals, { panelRows, weighted }: Packing): void {
  const rows = [0, 1, 2, 3].map((i) => f.local('i32', `row${i}`));
  const values = [0, 1, 2, 3].map((i) => f.local('v128', `value${i}`));
  const turned = [0, 1, 2, 3].map((i) => f.local('v128', `turned${i}`));
  const weight = f.local('v128', 'weight');
  const mask = f.local('v128', 'mask');
  const at = f.local('i32', 'at');
  const to = f.local('i32', 'to');
  const left = f.local('i32', 'left');
  const tail = op('i32.and', p.channels, i32(7));
  const lanes = v128(new Uint8Array(Int16Array.of(0, 1, 2, 3, 4, 5, 6, 7).buffer));
  f.set(mask, op('i16x8.lt_s', lanes, op('i16x8.splat', tail)));
  f.set(at, i32(0));
  f.while(op('i32.gt_s', p.rows, i32(0)), () => {
    fourRows(f, rows, p.src, p.outer, p.rows);
    f.set(to, p.dst);
    f.set(left, p.channels);
    f.set(at, i32(0));
    const step = (masked: boolean): void => {
      rows.forEach((row, i) => {
        const value = load('v128.load8x8_s', add(row, at));
        f.set(values[i], masked ? op('v128.and', value, mask) : value);
      });
      if (weighted) {
        f.set(weight, load('v128.load', add(p.weights, mul(at, 2))));
        for (const value of values) f.set(value, op('i16x8.mul', value, weight));
      }
      transpose4(f, values, turned).forEach((pair, i) => {
        f.store('v128.store', to, pair, i * panelRows * 4);
      });
    };
    f.while(atLeast(left, 8), () => {
      step(false);
      advance(f, at, 8);
      advance(f, to, panelRows * 16);
      advance(f, left, -8);
    });
    f.if(left, () => step(true));
    nextFour(f, p, panelRows);
    advance(f, p.src, mul(p.outer, 4));
    advance(f, p.rows, -4);
  });
}

/** Moves `dst` to the next four rows: the other half of a panel of eight, or the next panel. */
function nextFour(f: FunctionBuilder, p: PackLocals, panelRows: number): void {
  if (panelRows === 4) {
    advance(f, p.dst, p.panelStride);
    return;
  }
  const half = f.local('i32', 'half');
  f.if(
    half,
    () => {
      advance(f, p.dst, sub(p.panelStride, 16));
      f.set(half, i32(0));
    },
    () => {
      advance(f, p.dst, 16);
      f.set(half, i32(1));
    },
  );
}

/** Channels lie in memory as they are: 16 rows of two channels are interleaved. */
function packContiguousRows(f: FunctionBuilder, p: PackLocals, { panelRows, weighted }: Packing): void {
  const even = f.local('v128', 'even');
  const odd = f.local('v128', 'odd');
  const zipped = f.local('v128', 'zipped');
  const weight = f.local('v128', 'pairWeight');
  const from = f.local('i32', 'from');
  const weightAt = f.local('i32', 'weightAt');
  const left = f.local('i32', 'channelsLeft');
  const panels = Array.from({ length: PACK_ROWS / panelRows }, (_, i) => f.local('i32', `panel${i}`));
  f.while(op('i32.gt_s', p.rows, i32(0)), () => {
    panels.forEach((panel, i) => {
      f.set(panel, i === 0 ? p.dst : add(panels[i - 1], p.panelStride));
    });
    f.set(from, p.src);
    f.set(weightAt, p.weights);
    f.set(left, p.channels);
    const storePair = (): void => {
      if (weighted) f.set(weight, load('v128.load32_splat', weightAt));
      const words = ([0, 1] as const).flatMap((half) => [
        { half, value: op('i16x8.extend_low_i8x16_s', zipped) },
        { half, value: op('i16x8.extend_high_i8x16_s', zipped) },
      ]);
      words.forEach(({ half, value }, i) => {
        if (i % 2 === 0) f.set(zipped, zipBytes(even, odd, half));
        const weighed = weighted ? op('i16x8.mul', value, weight) : value;
        const panel = panels[Math.floor((i * 4) / panelRows)];
        f.store('v128.store', panel, weighed, (i * 16) % (panelRows * 4));
      });
      for (const panel of panels) advance(f, panel, panelRows * 4);
      if (weighted) advance(f, weightAt, 4);
    };
    f.while(atLeast(left, 2), () => {
      f.set(even, load('v128.load', from));
      f.set(odd, load('v128.load', add(from, p.inner)));
      storePair();
      advance(f, from, mul(p.inner, 2));
      advance(f, left, -2);
    });
    f.set(odd, i16x8(0));
    f.if(left, () => {
      f.set(even, load('v128.load', from));
      storePair();
    });
    // The pair that makes their number even, if one is missing: it holds nothing.
    f.if(op('i32.and', op('i32.shr_u', add(p.channels, 1), i32(1)), i32(1)), () => {
      f.set(even, i32x4(0));
      storePair();
    });
    advance(f, p.dst, mul(p.panelStride, PACK_ROWS / panelRows));
    advance(f, p.src, PACK_ROWS);
    advance(f, p.rows, -PACK_ROWS);
  });
}
