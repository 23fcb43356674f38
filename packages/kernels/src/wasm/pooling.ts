/**
 * Emits pooling of int8 and float32 and the gradient of the latter. Lanes run over channels; the taps of a window that
 * lie inside of the image are a rectangle, found once per output pixel.
 */
import {
  type FunctionBuilder,
  f32x4,
  i32,
  i32x4,
  type Local,
  load,
  type ModuleBuilder,
  op,
  type ParameterLocals,
  select,
  v128,
} from '@bitloom/wasm';
import { POOLING_ARGUMENTS } from '../convolution-plan.js';
import { POOL_MAX } from '../interface/windows.js';
import {
  integerParams,
  integers,
  nextPixel,
  pixelWalk,
  setInside,
  smaller,
  times,
} from './convolution-walk.js';
import {
  add,
  advance,
  atLeast,
  countDown,
  type I32,
  loadTail,
  mul,
  storeTail,
  sub,
  type V128,
} from './emit.js';

type Params = ParameterLocals<Record<(typeof POOLING_ARGUMENTS)[number], 'i32'>>;

/** One window: where its taps are, channel by channel. */
interface Window {
  /** Taps inside of the image. */
  readonly count: Local<'i32'>;
  /** The channel, and channels from here to the end. */
  readonly c: Local<'i32'>;
  readonly left: Local<'i32'>;
  /** Pointer to the output pixel's channel `c`, which has the place of the gradient as well. */
  readonly place: I32;
  /** Runs `body` for every tap in order; `at` points to its channel `c`, relative to the first pixel. */
  readonly eachTap: (body: (at: Local<'i32'>, index: Local<'i32'>) => void) => void;
}

/** Runs `body` for every window and every `lanes` channels of `size` bytes. */
function forWindows(
  f: FunctionBuilder,
  p: Params,
  { size, lanes }: { readonly size: 1 | 4; readonly lanes: number },
  body: (window: Window) => void,
): void {
  const walk = pixelWalk(f);
  const { pixels, place, c, left, count, index, offsetY, offsetX } = integers(
    f,
    'pixels',
    'place',
    'c',
    'left',
    'count',
    'index',
    'offsetY',
    'offsetX',
  );
  const { top, bottom, first, last, tapY, tapX, row, at } = integers(
    f,
    'top',
    'bottom',
    'first',
    'last',
    'tapY',
    'tapX',
    'row',
    'at',
  );
  const eachTap = (visit: (at: Local<'i32'>, index: Local<'i32'>) => void): void => {
    f.set(index, i32(0));
    f.set(tapY, top);
    f.while(op('i32.lt_s', tapY, bottom), () => {
      f.set(row, times(add(offsetY, times(tapY, p.tapStepY)), p.srcWidth));
      f.set(at, add(row, add(offsetX, times(first, p.tapStepX))));
      f.set(at, add(add(times(at, p.srcPixel), times(walk.image, p.srcImage)), mul(c, size)));
      f.set(tapX, first);
      f.while(op('i32.lt_s', tapX, last), () => {
        visit(at, index);
        advance(f, at, times(p.tapStepX, p.srcPixel));
        advance(f, index, 1);
        advance(f, tapX, 1);
      });
      advance(f, tapY, 1);
    });
  };
  f.set(pixels, times(times(p.images, p.rows), p.cols));
  countDown(f, pixels, () => {
    f.set(offsetY, add(times(walk.y, p.stepY), p.offsetY));
    f.set(offsetX, add(times(walk.x, p.stepX), p.offsetX));
    setInside(
      f,
      { begin: top, end: bottom },
      { offset: offsetY, step: p.tapStepY, size: p.srcHeight, count: p.tapsY },
    );
    setInside(
      f,
      { begin: first, end: last },
      { offset: offsetX, step: p.tapStepX, size: p.srcWidth, count: p.tapsX },
    );
    f.set(count, i32(0));
    f.if(op('i32.gt_s', bottom, top), () => {
      f.if(op('i32.gt_s', last, first), () => f.set(count, times(sub(bottom, top), sub(last, first))));
    });
    f.set(c, i32(0));
    f.while(op('i32.lt_s', c, p.lanes), () => {
      f.set(left, sub(p.lanes, c));
      body({ count, c, left, place: add(place, mul(c, size)), eachTap });
      advance(f, c, lanes);
    });
    advance(f, place, p.dstPixel);
    nextPixel(f, walk, p.rows, p.cols);
  });
}

/** Stores the first `count` (1 to 16) bytes. */
function storeBytes(f: FunctionBuilder, at: Local<'i32'>, value: Local<'v128'>, count: Local<'i32'>): void {
  const rotate = (bytes: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => (i + bytes) % 16);
  f.if(
    atLeast(count, 16),
    () => f.store('v128.store', at, value),
    () => {
      for (const bytes of [8, 4, 2, 1]) {
        f.if(op('i32.and', count, i32(bytes)), () => {
          if (bytes === 8) f.storeLane('v128.store64_lane', 0, at, value);
          else if (bytes === 4) f.storeLane('v128.store32_lane', 0, at, value);
          else if (bytes === 2) f.storeLane('v128.store16_lane', 0, at, value);
          else f.storeLane('v128.store8_lane', 0, at, value);
          f.set(value, op('i8x16.swizzle', value, v128(rotate(bytes))));
          advance(f, at, bytes);
        });
      }
    },
  );
}

/** The four quotients sum / count rounded to nearest even, exactly: the float quotient is off by one at most. */
function roundedMean(
  f: FunctionBuilder,
  sum: Local<'v128'>,
  count: Local<'v128'>,
  work: { readonly quotient: Local<'v128'>; readonly twice: Local<'v128'> },
): V128 {
  const { quotient, twice } = work;
  const float = (v: V128): V128 => op('f32x4.convert_i32x4_s', v);
  f.set(
    quotient,
    op('i32x4.trunc_sat_f32x4_s', op('f32x4.nearest', op('f32x4.div', float(sum), float(count)))),
  );
  f.set(twice, op('i32x4.shl', op('i32x4.sub', sum, op('i32x4.mul', quotient, count)), i32(1)));
  // A remainder of more than half, or of exactly half beside an odd quotient, moves it away; a mask is −1.
  const odd = op('v128.and', quotient, i32x4(1));
  const limit = op('i32x4.sub', count, odd);
  const up = op('i32x4.gt_s', twice, limit);
  const down = op('i32x4.gt_s', op('i32x4.neg', twice), limit);
  return op('i32x4.add', op('i32x4.sub', quotient, up), down);
}

/** Adds `pooling` of int8 to `module`. */
export function emitPoolingInt8(module: ModuleBuilder): void {
  module.procedure('pooling', integerParams(POOLING_ARGUMENTS), (f, p) => {
    const value = f.local('v128', 'value');
    const result = f.local('v128', 'result');
    const sums = [0, 1, 2, 3].map((i) => f.local('v128', `sum${i}`));
    const [counts, quotient, twice] = ['counts', 'quotient', 'twice'].map((name) => f.local('v128', name));
    const { at, bytes } = integers(f, 'at', 'bytes');
    forWindows(f, p, { size: 1, lanes: 16 }, ({ count, left, place, eachTap }) => {
      f.set(result, v128(new Uint8Array(16)));
      f.if(count, () => {
        f.if(
          op('i32.eq', p.mode, i32(POOL_MAX)),
          () => {
            f.set(result, v128(new Uint8Array(16).fill(128)));
            eachTap((tap) => f.set(result, op('i8x16.max_s', result, load('v128.load', add(p.src, tap)))));
          },
          () => {
            for (const sum of sums) f.set(sum, i32x4(0));
            eachTap((tap) => {
              f.set(result, load('v128.load', add(p.src, tap)));
              for (const half of ['low', 'high'] as const) {
                const i = half === 'low' ? 0 : 2;
                f.set(value, op(`i16x8.extend_${half}_i8x16_s`, result));
                f.set(sums[i], op('i32x4.add', sums[i], op('i32x4.extend_low_i16x8_s', value)));
                f.set(sums[i + 1], op('i32x4.add', sums[i + 1], op('i32x4.extend_high_i16x8_s', value)));
              }
            });
            f.set(counts, op('i32x4.splat', count));
            for (const sum of sums) f.set(sum, roundedMean(f, sum, counts, { quotient, twice }));
            const [low, high] = [0, 2].map((i) => op('i16x8.narrow_i32x4_s', sums[i], sums[i + 1]));
            f.set(result, op('i8x16.narrow_i16x8_s', low, high));
          },
        );
      });
      f.set(at, add(p.dst, place));
      f.set(bytes, smaller(left, i32(16)));
      storeBytes(f, at, result, bytes);
    });
  });
}

/** Loads or stores four floats, or the last 1 to 3. */
function loadFloats(f: FunctionBuilder, value: Local<'v128'>, at: I32, left: Local<'i32'>): void {
  f.if(
    atLeast(left, 4),
    () => f.set(value, load('v128.load', at)),
    () => loadTail(f, value, at, left),
  );
}

function storeFloats(f: FunctionBuilder, at: I32, value: V128, left: Local<'i32'>): void {
  f.if(
    atLeast(left, 4),
    () => f.store('v128.store', at, value),
    () => storeTail(f, at, value, left),
  );
}

/** Adds `poolingF32` to `module`. */
export function emitPoolingF32(module: ModuleBuilder): void {
  module.procedure('poolingF32', integerParams(POOLING_ARGUMENTS), (f, p) => {
    const result = f.local('v128', 'result');
    forWindows(f, p, { size: 4, lanes: 4 }, ({ count, left, place, eachTap }) => {
      f.set(result, f32x4(0));
      f.if(count, () => {
        const isMax = op('i32.eq', p.mode, i32(POOL_MAX));
        const value = (tap: I32): V128 => load('v128.load', add(p.src, tap));
        f.if(
          isMax,
          () => {
            f.set(result, f32x4(Number.NEGATIVE_INFINITY));
            eachTap((tap) => f.set(result, op('f32x4.pmax', result, value(tap))));
          },
          () => {
            eachTap((tap) => f.set(result, op('f32x4.add', result, value(tap))));
            f.set(result, op('f32x4.div', result, op('f32x4.convert_i32x4_s', op('i32x4.splat', count))));
          },
        );
      });
      storeFloats(f, add(p.dst, place), result, left);
    });
  });
}

/** Adds `poolingGradientF32` to `module`. */
export function emitPoolingGradientF32(module: ModuleBuilder): void {
  module.procedure('poolingGradientF32', integerParams(POOLING_ARGUMENTS), (f, p) => {
    const [largest, best, value, gradient] = ['largest', 'best', 'value', 'gradient'].map((name) =>
      f.local('v128', name),
    );
    const { image, pixel, c, left, at, target } = integers(f, 'image', 'pixel', 'c', 'left', 'at', 'target');

    f.while(op('i32.lt_s', image, p.images), () => {
      f.set(pixel, times(p.srcHeight, p.srcWidth));
      f.set(at, add(p.dst, times(image, p.srcImage)));
      countDown(f, pixel, () => {
        f.set(left, p.lanes);
        f.set(c, at);
        f.while(op('i32.gt_s', left, i32(0)), () => {
          storeFloats(f, c, f32x4(0), left);
          advance(f, c, 16);
          advance(f, left, -4);
        });
        advance(f, at, p.srcPixel);
      });
      advance(f, image, 1);
    });

    forWindows(f, p, { size: 4, lanes: 4 }, ({ count, left: lanes, place, eachTap }) => {
      f.if(count, () => {
        loadFloats(f, gradient, add(p.gradient, place), lanes);
        const isMax = op('i32.eq', p.mode, i32(POOL_MAX));
        f.set(best, i32x4(-1));
        f.if(
          isMax,
          () => {
            f.set(largest, f32x4(Number.NEGATIVE_INFINITY));
            eachTap((tap, index) => {
              f.set(value, load('v128.load', add(p.src, tap)));
              const more = op('f32x4.gt', value, largest);
              f.set(best, op('v128.bitselect', op('i32x4.splat', index), best, more));
              f.set(largest, op('f32x4.pmax', largest, value));
            });
          },
          () => {
            f.set(gradient, op('f32x4.div', gradient, op('f32x4.convert_i32x4_s', op('i32x4.splat', count))));
          },
        );
        eachTap((tap, index) => {
          f.set(target, add(p.dst, tap));
          loadFloats(f, value, target, lanes);
          // Where the tap is not the first maximum, +0 is added, which changes nothing: no sum here is −0.
          const chosen = op('v128.and', gradient, op('i32x4.eq', best, op('i32x4.splat', index)));
          f.set(largest, select(chosen, gradient, isMax));
          f.set(value, op('f32x4.add', value, largest));
          storeFloats(f, target, value, lanes);
        });
      });
    });
  });
}
