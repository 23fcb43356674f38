/**
 * Emits `gemmSparse`. The 16 activations of a tile are one vector, so that gathering those a row keeps is one swizzle by
 * the stored indices. As in `rows16`, 32-bit lane r of a step is row r: products of bytes are widened to int16 by parity
 * and summed within lanes by `i32x4.dot_i16x8_s`. A block is read once per token while it lies in the first-level cache.
 */
import {
  type FunctionBuilder,
  f32x4,
  i16x8,
  i32,
  i32x4,
  type Local,
  load,
  type ModuleBuilder,
  op,
  shuffle,
} from '@bitloom/wasm';
import { FLAG_CONTINUE, FLAG_FINISH } from '../interface/group-products.js';
import { add, advance, atLeast, type I32, isSet, loadTail, storeTail, sub, type V128 } from './emit.js';
import { halfToFloat } from './half.js';

const ROW_VECTORS = [0, 1, 2, 3] as const;

/** What the tiles work on. */
interface TileLocals {
  /** The tile in memory. */
  readonly at: Local<'i32'>;
  /** Its activations in memory, and as one vector. */
  readonly xAt: Local<'i32'>;
  readonly x: Local<'v128'>;
  /** Sums of 4 rows each. */
  readonly sums: readonly Local<'v128'>[];
  readonly codes: Local<'v128'>;
  readonly taken: Local<'v128'>;
  readonly index: Local<'v128'>;
}

/** Signed bytes of even and of odd places, as int16. */
const evenBytes = (v: V128): V128 => op('i16x8.shr_s', op('i16x8.shl', v, i32(8)), i32(8));
const oddBytes = (v: V128): V128 => op('i16x8.shr_s', v, i32(8));

/** Nibbles of even and of odd bytes less 8, as int16; `shift` 4 for the high nibbles. */
function evenNibbles(v: V128, shift: 0 | 4): V128 {
  const moved = shift === 0 ? v : op('i16x8.shr_u', v, i32(4));
  return op('i16x8.sub', op('v128.and', moved, i16x8(15)), i16x8(8));
}
function oddNibbles(v: V128, shift: 0 | 4): V128 {
  const moved = op('i16x8.shr_u', v, i32(8 + shift));
  return op('i16x8.sub', shift === 4 ? moved : op('v128.and', moved, i16x8(15)), i16x8(8));
}

/** sum += Σ of four products in each 32-bit lane. */
function addDots(f: FunctionBuilder, sum: Local<'v128'>, x: V128, even: V128, odd: V128): void {
  const dots = op(
    'i32x4.add',
    op('i32x4.dot_i16x8_s', evenBytes(x), even),
    op('i32x4.dot_i16x8_s', oddBytes(x), odd),
  );
  f.set(sum, op('i32x4.add', sum, dots));
}

/** Sums of two products per row, of eight rows, to two vectors of sums. */
function addPairs(
  f: FunctionBuilder,
  [low, high]: readonly Local<'v128'>[],
  x: V128,
  even: V128,
  odd: V128,
): void {
  const [evens, odds] = [op('i16x8.mul', evenBytes(x), even), op('i16x8.mul', oddBytes(x), odd)];
  const both = (extend: 'i32x4.extend_low_i16x8_s' | 'i32x4.extend_high_i16x8_s'): V128 =>
    op('i32x4.add', op(extend, evens), op(extend, odds));
  f.set(low, op('i32x4.add', low, both('i32x4.extend_low_i16x8_s')));
  f.set(high, op('i32x4.add', high, both('i32x4.extend_high_i16x8_s')));
}

const lowNibbles = (v: V128): V128 => op('v128.and', v, i16x8(0x0f0f));
const highNibbles = (v: V128): V128 => op('i8x16.shr_u', v, i32(4));

/** How a tile that keeps `keep` values is summed, by container. */
type EmitTile = (f: FunctionBuilder, tile: TileLocals) => void;

const NIBBLE_TILES: Readonly<Record<number, EmitTile>> = {
  2: (f, { at, x, sums, codes, taken }) => {
    for (const half of [0, 1]) {
      f.set(codes, load('v128.load', at, half * 16));
      f.set(taken, op('i8x16.swizzle', x, highNibbles(codes)));
      addPairs(f, sums.slice(half * 2, half * 2 + 2), taken, evenNibbles(codes, 0), oddNibbles(codes, 0));
    }
  },
  4: (f, tile) => emitNibbleSteps(f, tile, 1),
  8: (f, tile) => emitNibbleSteps(f, tile, 2),
  16: (f, { at, xAt, sums, codes, taken }) => {
    for (const step of [0, 1]) {
      for (const shift of [0, 4] as const) {
        f.set(taken, load('v128.load32_splat', xAt, step * 8 + shift));
        for (const q of ROW_VECTORS) {
          f.set(codes, load('v128.load', at, step * 64 + q * 16));
          addDots(f, sums[q], taken, evenNibbles(codes, shift), oddNibbles(codes, shift));
        }
      }
    }
  },
};

function emitNibbleSteps(f: FunctionBuilder, { at, x, sums, codes, taken }: TileLocals, steps: number): void {
  for (let step = 0; step < steps; step += 1) {
    for (const q of ROW_VECTORS) {
      f.set(codes, load('v128.load', at, step * 64 + q * 16));
      f.set(taken, op('i8x16.swizzle', x, highNibbles(codes)));
      addDots(f, sums[q], taken, evenNibbles(codes, 0), oddNibbles(codes, 0));
    }
  }
}

const BYTE_TILES: Readonly<Record<number, EmitTile>> = {
  2: (f, { at, x, sums, codes, taken, index }) => {
    f.set(index, load('v128.load', at, 32));
    for (const half of [0, 1]) {
      // Rows 8·half..: the index of value 0 lies low, that of value 1 high; they go side by side.
      const order = Array.from({ length: 16 }, (_, i) => half * 8 + (i >> 1) + (i & 1) * 16);
      f.set(taken, shuffle(lowNibbles(index), highNibbles(index), order));
      f.set(taken, op('i8x16.swizzle', x, taken));
      f.set(codes, load('v128.load', at, half * 16));
      addPairs(f, sums.slice(half * 2, half * 2 + 2), taken, evenBytes(codes), oddBytes(codes));
    }
  },
  4: (f, { at, x, sums, codes, taken, index }) => {
    // Bytes 2r + j: indices of values j low and 2 + j high.
    const order = [0, 1, 2, 3].flatMap((r) => [2 * r, 2 * r + 1, 16 + 2 * r, 17 + 2 * r]);
    for (const q of ROW_VECTORS) {
      f.set(index, load('v128.load64_zero', at, 64 + q * 8));
      f.set(taken, op('i8x16.swizzle', x, shuffle(lowNibbles(index), highNibbles(index), order)));
      f.set(codes, load('v128.load', at, q * 16));
      addDots(f, sums[q], taken, evenBytes(codes), oddBytes(codes));
    }
  },
  8: (f, { at, x, sums, codes, taken, index }) => {
    for (const q of ROW_VECTORS) {
      f.set(index, load('v128.load', at, 128 + q * 16));
      for (const [step, indices] of [lowNibbles, highNibbles].entries()) {
        f.set(taken, op('i8x16.swizzle', x, indices(index)));
        f.set(codes, load('v128.load', at, step * 64 + q * 16));
        addDots(f, sums[q], taken, evenBytes(codes), oddBytes(codes));
      }
    }
  },
  16: (f, { at, xAt, sums, codes, taken }) => {
    for (const step of [0, 1, 2, 3]) {
      f.set(taken, load('v128.load32_splat', xAt, step * 4));
      for (const q of ROW_VECTORS) {
        f.set(codes, load('v128.load', at, step * 64 + q * 16));
        addDots(f, sums[q], taken, evenBytes(codes), oddBytes(codes));
      }
    }
  },
};

const PARAMS = {
  group: 'i32',
  M: 'i32',
  N: 'i32',
  K: 'i32',
  x: 'i32',
  xR: 'i32',
  xScale: 'i32',
  xScaleR: 'i32',
  w: 'i32',
  out: 'i32',
  outR: 'i32',
  flags: 'i32',
} as const;

/** The product for one container; `group` is at least 1 and at most K (or 1). */
function emitProduct(module: ModuleBuilder, bits: 4 | 8): ReturnType<ModuleBuilder['procedure']> {
  const tiles = bits === 4 ? NIBBLE_TILES : BYTE_TILES;
  // Bytes of a tile are keep times this, but for dense ones.
  const keptBytes = bits === 4 ? 16 : 24;
  return module.procedure(
    `gemmSparse${bits === 4 ? 'U4' : 'S8'}`,
    PARAMS,
    (f, p) => {
      const int = (name: string): Local<'i32'> => f.local('i32', name);
      const vector = (name: string): Local<'v128'> => f.local('v128', name);
      const [block, at, xAt, keepAt, keep, left, inGroup] = [
        'block',
        'at',
        'xAt',
        'keepAt',
        'keep',
        'left',
        'inGroup',
      ].map(int);
      const [xRow, outRow, scaleRow, m, rows] = ['xRow', 'outRow', 'scaleRow', 'm', 'rows'].map(int);
      const [x, codes, taken, index, factor] = ['x', 'codes', 'taken', 'index', 'factor'].map(vector);
      const sums = ROW_VECTORS.map((q) => vector(`sum${q}`));
      const acc = ROW_VECTORS.map((q) => vector(`acc${q}`));
      const tile: TileLocals = { at, xAt, x, sums, codes, taken, index };
      const tilesOf = (columns: I32): I32 => op('i32.shr_u', add(columns, 15), i32(4));
      const allTiles = f.local('i32', 'tiles', tilesOf(p.K));
      const groupTiles = f.local('i32', 'groupTiles', tilesOf(p.group));

      /** Runs `full` or `part` for each vector of four outputs that exist. */
      const eachOutput = (full: (q: number) => void, part: (q: number, count: I32) => void): void => {
        for (const q of ROW_VECTORS) {
          f.if(
            atLeast(rows, q * 4 + 4),
            () => full(q),
            () => f.if(atLeast(rows, q * 4 + 1), () => part(q, sub(rows, q * 4))),
          );
        }
      };

      const emitTile = (): void => {
        f.set(keep, load('i32.load8_u', keepAt));
        f.if(keep, () => {
          f.set(x, load('v128.load', xAt));
          const of = (value: number, next: () => void): void =>
            f.if(op('i32.eq', keep, i32(value)), () => tiles[value](f, tile), next);
          of(4, () => of(8, () => of(2, () => tiles[16](f, tile))));
          const dense = op('i32.eq', keep, i32(16));
          f.if(
            dense,
            () => advance(f, at, bits * 32),
            () => advance(f, at, op('i32.mul', keep, i32(keptBytes))),
          );
        });
        advance(f, keepAt, 1);
        advance(f, xAt, 16);
      };

      const emitToken = (): void => {
        for (const q of ROW_VECTORS) f.set(acc[q], f32x4(0));
        f.if(isSet(p.flags, FLAG_CONTINUE), () =>
          eachOutput(
            (q) => f.set(acc[q], load('v128.load', outRow, q * 16)),
            (q, count) => loadTail(f, acc[q], add(outRow, q * 16), count),
          ),
        );
        f.set(keepAt, block);
        f.set(at, add(block, op('i32.and', add(allTiles, 15), i32(-16))));
        f.set(xAt, xRow);
        f.set(left, allTiles);
        f.while(op('i32.gt_s', left, i32(0)), () => {
          for (const q of ROW_VECTORS) f.set(sums[q], i32x4(0));
          f.set(inGroup, groupTiles);
          f.if(op('i32.lt_s', left, groupTiles), () => f.set(inGroup, left));
          f.set(left, sub(left, inGroup));
          f.while(inGroup, () => {
            emitTile();
            advance(f, inGroup, -1);
          });
          for (const q of ROW_VECTORS) {
            const scale = halfToFloat(load('v128.load16x4_s', at, q * 8));
            const product = op('f32x4.mul', op('f32x4.convert_i32x4_s', sums[q]), scale);
            f.set(acc[q], op('f32x4.add', acc[q], product));
          }
          advance(f, at, 32);
        });
        f.if(isSet(p.flags, FLAG_FINISH), () => {
          f.set(factor, load('v128.load32_splat', scaleRow));
          for (const q of ROW_VECTORS) f.set(acc[q], op('f32x4.mul', acc[q], factor));
        });
        eachOutput(
          (q) => f.store('v128.store', outRow, acc[q], q * 16),
          (q, count) => storeTail(f, add(outRow, q * 16), acc[q], count),
        );
      };

      f.while(op('i32.gt_s', p.N, i32(0)), () => {
        f.set(rows, p.N);
        f.set(block, add(p.w, load('i32.load', p.w)));
        f.set(m, p.M);
        f.set(xRow, p.x);
        f.set(outRow, p.out);
        f.set(scaleRow, p.xScale);
        f.while(op('i32.gt_s', m, i32(0)), () => {
          emitToken();
          advance(f, xRow, p.xR);
          advance(f, outRow, p.outR);
          advance(f, scaleRow, p.xScaleR);
          advance(f, m, -1);
        });
        advance(f, p.w, 4);
        advance(f, p.out, 64);
        advance(f, p.N, -16);
      });
    },
    { export: false },
  );
}

/** Adds gemmSparse(bits, group, M, ..., flags) and both containers to `module`. */
export function emitSparseProducts(module: ModuleBuilder): void {
  const [u4, s8] = [emitProduct(module, 4), emitProduct(module, 8)];
  module.procedure('gemmSparse', { bits: 'i32', ...PARAMS }, (f, { bits, ...p }) => {
    const args = Object.values(p);
    f.if(
      op('i32.eq', bits, i32(4)),
      () => f.call(u4, ...args),
      () => f.call(s8, ...args),
    );
  });
}
