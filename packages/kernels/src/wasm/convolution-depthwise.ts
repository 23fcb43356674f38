/**
 * Emits the gather product where every group has one channel and one output: lanes run over the groups. Weights are laid
 * out by taps, the taps of a pixel become a list of pointers, and a tap outside of the image points to zeros. Int8 takes
 * two taps at a time, as pairs of int16; float32 adds tap after tap.
 */
import { i32, load, type ModuleBuilder, op, shuffle } from '@bitloom/wasm';
import { GATHER_ARGUMENTS } from '../convolution-plan.js';
import { DEPTHWISE_LANES, DEPTHWISE_TAPS, PARTS } from './convolution-scratch.js';
import type { Arithmetic, Procedure } from './convolution-tile.js';
import {
  integerParams,
  integers,
  larger,
  nextPixel,
  pixelWalk,
  restart,
  smaller,
  times,
} from './convolution-walk.js';
import { add, advance, atLeast, lanes16, loadTail, mul, storeTail, sub } from './emit.js';

/** depthwise<Name>: the arguments of a gather product. `scale` finishes int8 results. */
export function emitDepthwise(
  module: ModuleBuilder,
  arithmetic: Arithmetic,
  scale: Procedure | undefined,
): Procedure {
  const { name, size, perStep, zero, accumulate } = arithmetic;
  /** Channels of one vector step: eight int8, four float32. */
  const lanesPerStep = size === 1 ? 8 : 4;
  return module.procedure(
    `depthwise${name}`,
    integerParams(GATHER_ARGUMENTS),
    (f, p) => {
      const { channel, channels, tap0, taps, allTaps, t, c, from, to, left, at } = integers(
        f,
        'channel',
        'channels',
        'tap0',
        'taps',
        'allTaps',
        't',
        'c',
        'from',
        'to',
        'left',
        'at',
      );
      const { pixel, pixels, sourceY, sourceX, dst, w, rowBytes } = integers(
        f,
        'pixel',
        'pixels',
        'sourceY',
        'sourceX',
        'dst',
        'w',
        'rowBytes',
      );
      const walk = pixelWalk(f);
      const sums = [0, 1].map((i) => f.local('v128', `sum${i}`));
      const [a, b] = [f.local('v128', 'a'), f.local('v128', 'b')];
      const part = (offset: number) => add(p.scratch, offset);
      const used = size === 1 ? sums : [sums[0]];

      /** Weights [step][channels of this block][4 bytes]; the tap that an odd number lacks is 0. */
      const packWeights = (): void => {
        // The row of a step is a whole number of vector steps long.
        f.set(rowBytes, mul(op('i32.and', add(channels, 7), i32(-8)), 4));
        f.set(t, i32(0));
        f.while(op('i32.lt_s', t, taps), () => {
          f.set(at, add(tap0, t));
          f.set(
            from,
            add(times(op('i32.div_u', at, p.tapsX), p.wTapY), times(op('i32.rem_u', at, p.tapsX), p.wTapX)),
          );
          f.set(from, add(add(p.weights, from), times(channel, p.wGroup)));
          f.set(to, add(part(PARTS.lanes), times(op('i32.div_u', t, i32(perStep)), rowBytes)));
          f.set(c, i32(0));
          f.while(op('i32.lt_s', c, channels), () => {
            if (size === 1) {
              f.if(
                op('i32.and', t, i32(1)),
                () => f.store('i32.store16', to, load('i32.load8_s', from), 2),
                () => f.store('i32.store', to, op('i32.and', load('i32.load8_s', from), i32(0xffff))),
              );
            } else f.store('i32.store', to, load('i32.load', from));
            advance(f, to, 4);
            advance(f, from, p.wGroup);
            advance(f, c, 1);
          });
          advance(f, t, 1);
        });
      };

      /** Pointers to the taps of the pixel at `walk`; one more to the zeros where an odd number lacks one. */
      const listTaps = (): void => {
        f.set(t, i32(0));
        f.set(to, part(PARTS.taps));
        f.while(op('i32.lt_s', t, taps), () => {
          f.set(at, add(tap0, t));
          f.set(
            sourceY,
            add(add(times(walk.y, p.stepY), p.offsetY), times(op('i32.div_u', at, p.tapsX), p.tapStepY)),
          );
          f.set(
            sourceX,
            add(add(times(walk.x, p.stepX), p.offsetX), times(op('i32.rem_u', at, p.tapsX), p.tapStepX)),
          );
          f.set(from, part(PARTS.zeros));
          f.if(op('i32.lt_u', sourceY, p.srcHeight), () => {
            f.if(op('i32.lt_u', sourceX, p.srcWidth), () => {
              const place = times(add(times(sourceY, p.srcWidth), sourceX), p.srcPixel);
              f.set(from, add(add(p.src, times(walk.image, p.srcImage)), add(place, mul(channel, size))));
            });
          });
          f.store('i32.store', to, from);
          advance(f, to, 4);
          advance(f, t, 1);
        });
        f.store('i32.store', to, part(PARTS.zeros));
      };

      /** The sums of one vector step at channel c. */
      const accumulateTaps = (): void => {
        f.set(at, part(PARTS.taps));
        f.set(w, add(part(PARTS.lanes), mul(c, 4)));
        f.set(t, taps);
        f.while(op('i32.gt_s', t, i32(0)), () => {
          const tap = (index: number) => add(load('i32.load', at, index * 4), mul(c, size));
          if (size === 1) {
            f.set(a, load('v128.load8x8_s', tap(0)));
            f.set(b, load('v128.load8x8_s', tap(1)));
            const pairs = [
              shuffle(a, b, lanes16(0, 8, 1, 9, 2, 10, 3, 11)),
              shuffle(a, b, lanes16(4, 12, 5, 13, 6, 14, 7, 15)),
            ];
            pairs.forEach((pair, i) => {
              f.set(sums[i], accumulate(sums[i], load('v128.load', w, i * 16), pair));
            });
          } else f.set(sums[0], accumulate(sums[0], load('v128.load', w), load('v128.load', tap(0))));
          advance(f, at, perStep * 4);
          advance(f, w, rowBytes);
          advance(f, t, -perStep);
        });
      };

      const multiply = (): void => {
        const place = add(times(walk.y, p.dstRow), times(walk.x, p.dstCol));
        f.set(dst, add(add(p.dst, times(walk.image, p.dstImage)), add(place, mul(channel, 4))));
        f.store('i32.store', p.scratch, dst, 4);
        f.set(c, i32(0));
        f.while(op('i32.lt_s', c, channels), () => {
          f.set(left, sub(channels, c));
          for (const sum of used) f.set(sum, zero);
          // A vector that is partly there is loaded and stored in part.
          const touch = (full: (i: number) => void, tail: (i: number) => void): void => {
            used.forEach((_, i) => {
              f.if(
                atLeast(left, 4),
                () => full(i),
                () => f.if(op('i32.gt_s', left, i32(0)), () => tail(i)),
              );
              advance(f, left, -4);
              advance(f, dst, 16);
            });
            advance(f, left, 4 * used.length);
            advance(f, dst, -16 * used.length);
          };
          f.if(tap0, () =>
            touch(
              (i) => f.set(sums[i], load('v128.load', dst)),
              (i) => loadTail(f, sums[i], dst, left),
            ),
          );
          accumulateTaps();
          touch(
            (i) => f.store('v128.store', dst, sums[i]),
            (i) => storeTail(f, dst, sums[i], left),
          );
          advance(f, dst, lanesPerStep * 4);
          advance(f, c, lanesPerStep);
        });
        if (scale !== undefined) {
          const isFinished = op(
            'i32.and',
            op('i32.ge_s', add(tap0, taps), allTaps),
            op('i32.ne', p.scale, i32(0)),
          );
          f.if(isFinished, () =>
            f.call(scale, p.scratch, i32(1), channels, i32(0), add(p.scale, mul(channel, 4))),
          );
        }
      };

      f.set(pixels, times(times(p.images, p.rows), p.cols));
      f.set(allTaps, times(p.tapsY, p.tapsX));
      for (let offset = 0; offset < DEPTHWISE_LANES * size + 16; offset += 16) {
        f.store('v128.store', part(PARTS.zeros), zero, offset);
      }
      f.while(op('i32.lt_s', channel, p.groups), () => {
        f.set(channels, smaller(i32(DEPTHWISE_LANES), sub(p.groups, channel)));
        f.set(tap0, i32(0));
        f.loop((nextTaps) => {
          f.set(taps, larger(smaller(i32(DEPTHWISE_TAPS), sub(allTaps, tap0)), i32(0)));
          packWeights();
          restart(f, walk);
          f.set(pixel, i32(0));
          f.while(op('i32.lt_s', pixel, pixels), () => {
            listTaps();
            multiply();
            nextPixel(f, walk, p.rows, p.cols);
            advance(f, pixel, 1);
          });
          advance(f, tap0, DEPTHWISE_TAPS);
          f.branchIf(nextTaps, op('i32.lt_s', tap0, allTaps));
        });
        advance(f, channel, DEPTHWISE_LANES);
      });
    },
    { export: false },
  );
}
