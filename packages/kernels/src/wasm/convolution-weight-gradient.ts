/**
 * Emits the weight gradient (see convolution-plan.ts): sums over pixels. A chunk of pixels is laid out once for
 * {@link TILE_PIXELS} filters and, tap after tap, for the channels; a step is two pixels of int8 or one of float32. The
 * sum over chunks continues in the result, so the order is that of the pixels, whatever is cut.
 */
import { i32, load, type ModuleBuilder, op } from '@bitloom/wasm';
import { WEIGHT_GRADIENT_ARGUMENTS } from '../convolution-plan.js';
import { storePairs } from './convolution-pack.js';
import {
  CHUNK_STEPS,
  GRADIENT_RUN,
  PANEL_COLUMNS,
  PARTS,
  sideBytes,
  TILE_PIXELS,
} from './convolution-scratch.js';
import {
  type Arithmetic,
  ENTRY_BYTES,
  emitTile,
  PANEL_STEP,
  type Procedure,
  TILE_COLUMNS,
  TILE_ROWS,
} from './convolution-tile.js';
import {
  integerParams,
  integers,
  larger,
  nextPixel,
  pixelWalk,
  setInside,
  smaller,
  times,
} from './convolution-walk.js';
import { add, advance, atLeast, countDown, mul, sub } from './emit.js';

/** Adds the weight gradient as `exported`. */
export function emitWeightGradient(module: ModuleBuilder, arithmetic: Arithmetic, exported: string): void {
  const product = emitProduct(module, arithmetic);
  const depthwise = emitDepthwiseProduct(module, arithmetic);
  module.procedure(exported, integerParams(WEIGHT_GRADIENT_ARGUMENTS), (f, p) => {
    const args = [...WEIGHT_GRADIENT_ARGUMENTS, 'scratch' as const].map((argument) => p[argument]);
    const isDepthwise = op(
      'i32.and',
      op('i32.and', op('i32.eq', p.depth, i32(1)), op('i32.eq', p.width, i32(1))),
      atLeast(p.groups, 2),
    );
    f.if(
      isDepthwise,
      () => f.call(depthwise, ...args),
      () => f.call(product, ...args),
    );
  });
}

function emitProduct(module: ModuleBuilder, arithmetic: Arithmetic): Procedure {
  const { name, size, perStep, zero } = arithmetic;
  const tile = emitTile(module, arithmetic, 16);
  const chunkPixels = CHUNK_STEPS * perStep;
  return module.procedure(
    `weightGradient${name}`,
    integerParams(WEIGHT_GRADIENT_ARGUMENTS),
    (f, p) => {
      const { group, first, block, filter, pixels, pixel, count, steps, tileBytes, continues } = integers(
        f,
        'group',
        'first',
        'block',
        'filter',
        'pixels',
        'pixel',
        'count',
        'steps',
        'tileBytes',
        'continues',
      );
      const { tapY, tapX, channel, channels, column, i, j, from, to, entry, at } = integers(
        f,
        'tapY',
        'tapX',
        'channel',
        'channels',
        'column',
        'i',
        'j',
        'from',
        'to',
        'entry',
        'at',
      );
      const { sourceY, sourceX, skip, inside, side, runTaps, runsX, length } = integers(
        f,
        'sourceY',
        'sourceX',
        'skip',
        'inside',
        'side',
        'runTaps',
        'runsX',
        'length',
      );
      const start = pixelWalk(f);
      const walk = { x: f.local('i32', 'atX'), y: f.local('i32', 'atY'), image: f.local('i32', 'atImage') };
      const [a, b] = [f.local('v128', 'a'), f.local('v128', 'b')];
      const part = (offset: number) => add(p.scratch, offset);

      /** Gradients [tile of 4 filters][step][4 filters][4 bytes], and the table of the filters. */
      const packGradients = (): void => {
        f.set(tileBytes, mul(steps, 16));
        f.set(filter, i32(0));
        f.while(op('i32.lt_s', filter, block), () => {
          const index = add(times(group, p.width), add(first, filter));
          f.set(from, add(add(p.gradient, times(pixel, p.gradientPixel)), mul(index, size)));
          f.set(to, add(part(PARTS.rows), times(op('i32.shr_u', filter, i32(2)), tileBytes)));
          f.set(i, count);
          f.while(op('i32.gt_s', i, i32(0)), () => {
            if (size === 1) {
              f.set(a, load('v128.load8x8_s', from));
              f.set(b, zero);
              f.if(atLeast(i, 2), () => f.set(b, load('v128.load8x8_s', add(from, p.gradientPixel))));
              f.set(at, add(to, tileBytes));
              storePairs(f, to, at, a, b);
            } else f.store('v128.store', to, load('v128.load', from));
            advance(f, from, mul(p.gradientPixel, perStep));
            advance(f, to, 16);
            advance(f, i, -perStep);
          });
          advance(f, filter, size === 1 ? 8 : 4);
        });
        f.set(filter, i32(0));
        f.set(entry, part(PARTS.table));
        f.while(op('i32.lt_s', filter, block), () => {
          const index = add(times(group, p.width), add(first, filter));
          const tileAt = times(op('i32.shr_u', filter, i32(2)), tileBytes);
          f.store(
            'i32.store',
            entry,
            add(part(PARTS.rows), add(tileAt, mul(op('i32.and', filter, i32(3)), 4))),
          );
          f.store('i32.store', entry, add(p.dst, times(index, p.wFilter)), 4);
          advance(f, entry, ENTRY_BYTES);
          advance(f, filter, 1);
        });
        // A ragged tile repeats its last row: both write the same.
        for (let copy = 0; copy < TILE_ROWS - 1; copy += 1) {
          f.store('i32.store', entry, load('i32.load', sub(entry, ENTRY_BYTES)), copy * ENTRY_BYTES);
          f.store('i32.store', entry, load('i32.load', sub(entry, 4)), copy * ENTRY_BYTES + 4);
        }
      };

      /** Taps side by side that read neighbouring pixels, whole, are one run where there are few channels. */
      const foldTaps = (): void => {
        const conditions = [
          op('i32.eq', p.groups, i32(1)),
          op('i32.eq', p.tapStepX, i32(1)),
          op('i32.eq', p.srcPixel, mul(p.depth, size)),
          op('i32.eq', p.wTapX, mul(p.depth, 4)),
          op('i32.lt_s', p.depth, i32(TILE_COLUMNS)),
          op('i32.le_s', times(p.depth, p.tapsX), i32(GRADIENT_RUN)),
        ];
        const folds = conditions.reduce((all, condition) => op('i32.and', all, condition));
        f.set(runTaps, i32(1));
        f.set(runsX, p.tapsX);
        f.if(folds, () => {
          f.set(runTaps, p.tapsX);
          f.set(runsX, smaller(p.tapsX, i32(1)));
        });
        f.set(length, times(runTaps, p.depth));
      };

      /** A copy in `side` of a run that begins at `from` inside of the image, with zeros for what lies outside. */
      const copyInside = (): void => {
        for (let offset = 0; offset < sideBytes(size); offset += 16)
          f.store('v128.store', side, zero, offset);
        f.set(at, add(side, times(skip, p.srcPixel)));
        f.set(j, times(inside, p.srcPixel));
        countDown(f, j, () => {
          f.store('i32.store8', at, load('i32.load8_u', from));
          advance(f, at, 1);
          advance(f, from, 1);
        });
        f.set(from, side);
      };

      /**
       * Pointers to what the run of this tap reads for each pixel of the chunk, at `channel` of this group; one more to
       * zeros.
       */
      const listPixels = (): void => {
        f.set(walk.x, start.x);
        f.set(walk.y, start.y);
        f.set(walk.image, start.image);
        f.set(to, part(PARTS.pointers));
        f.set(side, part(PARTS.sides));
        f.set(i, count);
        countDown(f, i, () => {
          f.set(sourceY, add(add(times(walk.y, p.stepY), p.offsetY), times(tapY, p.tapStepY)));
          f.set(sourceX, add(add(times(walk.x, p.stepX), p.offsetX), times(tapX, p.tapStepX)));
          f.set(skip, larger(sub(i32(0), sourceX), i32(0)));
          f.set(inside, sub(smaller(runTaps, sub(p.srcWidth, sourceX)), skip));
          f.set(from, part(PARTS.pixelZeros));
          f.if(op('i32.lt_u', sourceY, p.srcHeight), () => {
            f.if(op('i32.gt_s', inside, i32(0)), () => {
              const place = times(add(times(sourceY, p.srcWidth), add(sourceX, skip)), p.srcPixel);
              const lane = mul(add(times(group, p.depth), channel), size);
              f.set(from, add(add(p.src, times(walk.image, p.srcImage)), add(place, lane)));
              f.if(op('i32.lt_s', inside, runTaps), copyInside);
            });
          });
          f.store('i32.store', to, from);
          advance(f, to, 4);
          advance(f, side, sideBytes(size));
          nextPixel(f, walk, p.rows, p.cols);
        });
        f.store('i32.store', to, part(PARTS.pixelZeros));
      };

      /** Channels [block of 8][step][8 channels][4 bytes]. */
      const packPixels = (): void => {
        f.set(column, i32(0));
        f.set(to, part(PARTS.panel));
        f.while(op('i32.lt_s', column, channels), () => {
          f.set(at, part(PARTS.pointers));
          f.set(i, steps);
          countDown(f, i, () => {
            const source = (index: number) => add(load('i32.load', at, index * 4), mul(column, size));
            if (size === 1) {
              f.set(a, load('v128.load8x8_s', source(0)));
              f.set(b, load('v128.load8x8_s', source(1)));
              storePairs(f, to, to, a, b, [0, 16]);
            } else {
              f.store('v128.store', to, load('v128.load', source(0)));
              f.store('v128.store', to, load('v128.load', source(0), 16), 16);
            }
            advance(f, at, perStep * 4);
            advance(f, to, PANEL_STEP);
          });
          advance(f, column, TILE_COLUMNS);
        });
      };

      const multiply = (): void => {
        f.set(column, i32(0));
        f.set(to, part(PARTS.panel));
        const tap = add(times(tapY, p.wTapY), times(tapX, p.wTapX));
        f.while(op('i32.lt_s', column, channels), () => {
          f.set(j, add(tap, mul(add(channel, column), 4)));
          f.set(entry, part(PARTS.table));
          f.set(i, block);
          f.while(op('i32.gt_s', i, i32(0)), () => {
            f.call(tile, entry, to, steps, sub(channels, column), j, continues);
            advance(f, entry, TILE_ROWS * ENTRY_BYTES);
            advance(f, i, -TILE_ROWS);
          });
          advance(f, to, mul(steps, PANEL_STEP));
          advance(f, column, TILE_COLUMNS);
        });
      };

      for (let offset = 0; offset < PANEL_COLUMNS * 4 + 32; offset += 16) {
        f.store('v128.store', part(PARTS.pixelZeros), zero, offset);
      }
      foldTaps();
      f.set(pixels, times(times(p.images, p.rows), p.cols));
      f.while(op('i32.lt_s', group, p.groups), () => {
        f.set(first, i32(0));
        f.while(op('i32.lt_s', first, p.width), () => {
          f.set(block, smaller(i32(TILE_PIXELS), sub(p.width, first)));
          f.set(pixel, i32(0));
          f.set(continues, i32(0));
          for (const local of Object.values(start)) f.set(local, i32(0));
          f.loop((nextChunk) => {
            f.set(count, smaller(i32(chunkPixels), sub(pixels, pixel)));
            f.set(steps, op('i32.div_u', add(count, perStep - 1), i32(perStep)));
            packGradients();
            f.set(tapY, i32(0));
            f.while(op('i32.lt_s', tapY, p.tapsY), () => {
              f.set(tapX, i32(0));
              f.while(op('i32.lt_s', tapX, runsX), () => {
                f.set(channel, i32(0));
                f.while(op('i32.lt_s', channel, length), () => {
                  f.set(channels, smaller(i32(PANEL_COLUMNS), sub(length, channel)));
                  listPixels();
                  packPixels();
                  multiply();
                  advance(f, channel, PANEL_COLUMNS);
                });
                advance(f, tapX, 1);
              });
              advance(f, tapY, 1);
            });
            f.set(i, count);
            countDown(f, i, () => nextPixel(f, start, p.rows, p.cols));
            f.set(continues, i32(1));
            advance(f, pixel, chunkPixels);
            f.branchIf(nextChunk, op('i32.lt_s', pixel, pixels));
          });
          advance(f, first, TILE_PIXELS);
        });
        advance(f, group, 1);
      });
    },
    { export: false },
  );
}

/** The weight gradient where every group has one channel and one filter: lanes run over the groups. */
function emitDepthwiseProduct(module: ModuleBuilder, arithmetic: Arithmetic): Procedure {
  const { name, size, zero, accumulate } = arithmetic;
  const lanes = size === 1 ? 8 : 4;
  return module.procedure(
    `depthwiseWeightGradient${name}`,
    integerParams(WEIGHT_GRADIENT_ARGUMENTS),
    (f, p) => {
      const { channel, tapY, tapX, image, y, sourceY, offset, begin, end, x } = integers(
        f,
        'channel',
        'tapY',
        'tapX',
        'image',
        'y',
        'sourceY',
        'offset',
        'begin',
        'end',
        'x',
      );
      const { from, gradient, to, left } = integers(f, 'from', 'gradient', 'to', 'left');
      const sums = [0, 1].map((i) => f.local('v128', `sum${i}`));
      const value = f.local('v128', 'value');
      const used = size === 1 ? sums : [sums[0]];

      const addPixel = (): void => {
        if (size === 1) {
          f.set(value, op('i16x8.mul', load('v128.load8x8_s', from), load('v128.load8x8_s', gradient)));
          f.set(sums[0], op('i32x4.add', sums[0], op('i32x4.extend_low_i16x8_s', value)));
          f.set(sums[1], op('i32x4.add', sums[1], op('i32x4.extend_high_i16x8_s', value)));
        } else f.set(sums[0], accumulate(sums[0], load('v128.load', gradient), load('v128.load', from)));
      };

      /** All pixels of one row that the tap reads inside of the image. */
      const addRow = (): void => {
        const row = add(times(image, p.srcImage), times(times(sourceY, p.srcWidth), p.srcPixel));
        const first = times(add(times(begin, p.stepX), offset), p.srcPixel);
        f.set(from, add(add(p.src, row), add(first, mul(channel, size))));
        const place = times(add(times(add(times(image, p.rows), y), p.cols), begin), p.gradientPixel);
        f.set(gradient, add(add(p.gradient, place), mul(channel, size)));
        f.set(x, sub(end, begin));
        countDown(f, x, () => {
          addPixel();
          advance(f, from, times(p.stepX, p.srcPixel));
          advance(f, gradient, p.gradientPixel);
        });
      };

      const tap = (): void => {
        f.set(offset, add(p.offsetX, times(tapX, p.tapStepX)));
        setInside(f, { begin, end }, { offset, step: p.stepX, size: p.srcWidth, count: p.cols });
        for (const sum of used) f.set(sum, zero);
        f.set(image, i32(0));
        f.while(op('i32.lt_s', image, p.images), () => {
          f.set(y, i32(0));
          f.while(op('i32.lt_s', y, p.rows), () => {
            f.set(sourceY, add(add(times(y, p.stepY), p.offsetY), times(tapY, p.tapStepY)));
            f.if(op('i32.lt_u', sourceY, p.srcHeight), addRow);
            advance(f, y, 1);
          });
          advance(f, image, 1);
        });
        const place = add(times(tapY, p.wTapY), times(tapX, p.wTapX));
        f.set(to, add(add(p.dst, place), times(channel, p.wFilter)));
        f.set(left, sub(p.groups, channel));
        for (let lane = 0; lane < lanes; lane += 1) {
          f.if(atLeast(left, lane + 1), () => {
            f.storeLane('v128.store32_lane', lane % 4, to, sums[lane >> 2]);
            advance(f, to, p.wFilter);
          });
        }
      };

      f.while(op('i32.lt_s', channel, p.groups), () => {
        f.set(tapY, i32(0));
        f.while(op('i32.lt_s', tapY, p.tapsY), () => {
          f.set(tapX, i32(0));
          f.while(op('i32.lt_s', tapX, p.tapsX), () => {
            tap();
            advance(f, tapX, 1);
          });
          advance(f, tapY, 1);
        });
        advance(f, channel, lanes);
      });
    },
    { export: false },
  );
}
