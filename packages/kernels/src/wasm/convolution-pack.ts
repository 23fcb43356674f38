/**
 * How operands of convolutions become rows and panels of a tile (see convolution-tile.ts): runs of source pixels, with
 * zeros where the image ends, and runs of weights across eight filters.
 */
import { type FunctionBuilder, i32, type Local, load, type ModuleBuilder, op, shuffle } from '@bitloom/wasm';
import { type Arithmetic, PANEL_STEP, type Procedure, TILE_COLUMNS } from './convolution-tile.js';
import { add, advance, atLeast, countDown, type I32, lanes16, mul } from './emit.js';

/** zeros<Name>(to, bytes): writes at least `bytes` bytes of 0, in whole vectors. */
export function emitZeros(module: ModuleBuilder, { name, zero }: Arithmetic): Procedure {
  return module.procedure(
    `zeros${name}`,
    { to: 'i32', bytes: 'i32' },
    (f, p) => {
      f.while(op('i32.gt_s', p.bytes, i32(0)), () => {
        f.store('v128.store', p.to, zero);
        advance(f, p.to, 16);
        advance(f, p.bytes, -16);
      });
    },
    { export: false },
  );
}

/**
 * run<Name>(from, count, to): `count` operands as a row of steps. Writes up to 15 bytes more, so rows are filled in
 * increasing order; the neighbours of the last int8 of a step have any value, and meet weights of 0.
 */
export function emitRun(module: ModuleBuilder, { name, size, perStep }: Arithmetic): Procedure {
  const batch = 4 * perStep;
  const value = perStep === 2 ? 'v128.load8x8_s' : 'v128.load';
  return module.procedure(
    `run${name}`,
    { from: 'i32', count: 'i32', to: 'i32' },
    (f, p) => {
      f.while(atLeast(p.count, 4 * batch), () => {
        for (let i = 0; i < 4; i += 1) {
          f.store('v128.store', p.to, load(value, p.from, i * batch * size), i * 16);
        }
        advance(f, p.from, 4 * batch * size);
        advance(f, p.to, 64);
        advance(f, p.count, -4 * batch);
      });
      f.while(op('i32.gt_s', p.count, i32(0)), () => {
        f.store('v128.store', p.to, load(value, p.from));
        advance(f, p.from, batch * size);
        advance(f, p.to, 16);
        advance(f, p.count, -batch);
      });
    },
    { export: false },
  );
}

/**
 * pack<Name>(w, filters, count, wDepth, wFilter, to): `count` operands of 1 to 8 filters as steps of a panel; filters
 * and operands that are not there are 0.
 */
export function emitPack(module: ModuleBuilder, arithmetic: Arithmetic, zeros: Procedure): Procedure {
  const { name, size, perStep } = arithmetic;
  const params = {
    w: 'i32',
    filters: 'i32',
    count: 'i32',
    wDepth: 'i32',
    wFilter: 'i32',
    to: 'i32',
  } as const;
  const batch = 4 * perStep;
  return module.procedure(
    `pack${name}`,
    params,
    (f, p) => {
      const value = f.local('v128', 'value');
      const other = f.local('v128', 'other');
      const steps = f.local('i32', 'steps', op('i32.div_s', add(p.count, perStep - 1), i32(perStep)));
      const from = f.local('i32', 'from');
      const at = f.local('i32', 'at');
      const left = f.local('i32', 'left');
      const place = f.local('i32', 'place');
      const packAcross = (): void => packColumns(f, arithmetic, p, steps, value, other);
      const isAcross = op(
        'i32.and',
        op('i32.eq', p.wFilter, i32(size)),
        op('i32.eq', p.filters, i32(TILE_COLUMNS)),
      );
      f.if(
        // Bytes are laid out for a forward convolution alone, whose operands of a filter are contiguous.
        perStep === 4 ? i32(0) : isAcross,
        perStep === 4 ? () => {} : packAcross,
        () => {
          f.call(zeros, p.to, mul(steps, PANEL_STEP));
          countDown(f, p.filters, () => {
            f.set(from, p.w);
            f.set(at, p.to);
            f.set(left, p.count);
            f.if(op('i32.eq', p.wDepth, i32(size)), () => {
              f.while(atLeast(left, batch), () => {
                f.set(value, load(perStep === 2 ? 'v128.load8x8_s' : 'v128.load', from));
                for (let step = 0; step < 4; step += 1) {
                  f.storeLane('v128.store32_lane', step, at, value, step * PANEL_STEP);
                }
                advance(f, from, batch * size);
                advance(f, at, 4 * PANEL_STEP);
                advance(f, left, -batch);
              });
            });
            f.set(place, i32(0));
            countDown(f, left, () => {
              if (size === 1) {
                const byte = load('i32.load8_s', from);
                f.store(perStep === 2 ? 'i32.store16' : 'i32.store8', add(at, place), byte);
                advance(f, place, 4 / perStep);
                f.if(op('i32.eq', place, i32(4)), () => {
                  f.set(place, i32(0));
                  advance(f, at, PANEL_STEP);
                });
              } else {
                f.store('i32.store', at, load('i32.load', from));
                advance(f, at, PANEL_STEP);
              }
              advance(f, from, p.wDepth);
            });
            advance(f, p.w, p.wFilter);
            advance(f, p.to, 4);
          });
        },
      );
    },
    { export: false },
  );
}

/** The panel where the eight filters of one operand are contiguous: whole vectors. */
function packColumns(
  f: FunctionBuilder,
  { size }: Arithmetic,
  p: Readonly<Record<'w' | 'count' | 'wDepth' | 'to', Local<'i32'>>>,
  steps: Local<'i32'>,
  value: Local<'v128'>,
  other: Local<'v128'>,
): void {
  countDown(f, steps, () => {
    if (size === 1) {
      f.set(value, load('v128.load8x8_s', p.w));
      f.set(other, op('v128.xor', value, value));
      f.if(atLeast(p.count, 2), () => f.set(other, load('v128.load8x8_s', add(p.w, p.wDepth))));
      storePairs(f, p.to, p.to, value, other, [0, 16]);
      advance(f, p.w, mul(p.wDepth, 2));
      advance(f, p.count, -2);
    } else {
      f.store('v128.store', p.to, load('v128.load', p.w));
      f.store('v128.store', p.to, load('v128.load', p.w, 16), 16);
      advance(f, p.w, p.wDepth);
    }
    advance(f, p.to, PANEL_STEP);
  });
}

/** Eight pairs of int16, one of each vector: four at `low`, four at `high`, each at its offset. */
export function storePairs(
  f: FunctionBuilder,
  low: I32,
  high: I32,
  a: Local<'v128'>,
  b: Local<'v128'>,
  offsets: readonly [number, number] = [0, 0],
): void {
  f.store('v128.store', low, shuffle(a, b, lanes16(0, 8, 1, 9, 2, 10, 3, 11)), offsets[0]);
  f.store('v128.store', high, shuffle(a, b, lanes16(4, 12, 5, 13, 6, 14, 7, 15)), offsets[1]);
}
