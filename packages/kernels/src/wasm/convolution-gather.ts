/**
 * Emits the gather product (see convolution-plan.ts): forward convolution and input gradient. Weights are laid out once
 * per block of outputs and chunk of taps, and serve every pixel; pixels are laid out {@link TILE_PIXELS} at a time, so no
 * image of columns is ever made. A float row that is one run of pixels is not copied at all. The sum over chunks
 * continues in the result, in the order of the taps, so it does not depend on how anything is cut.
 */
import { i32, load, type ModuleBuilder, op, select } from '@bitloom/wasm';
import { GATHER_ARGUMENTS } from '../convolution-plan.js';
import { emitDepthwise } from './convolution-depthwise.js';
import { emitPack, emitRun, emitZeros } from './convolution-pack.js';
import { emitNonNegative, emitScale } from './convolution-passes.js';
import { CHUNK_STEPS, PANEL_COLUMNS, PARTS, TILE_PIXELS } from './convolution-scratch.js';
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
  restart,
  smaller,
  times,
} from './convolution-walk.js';
import { add, advance, atLeast, countDown, type I32, mul, sub } from './emit.js';

/** The gather product of one arithmetic, not exported. `scale` finishes results of int8. */
function emitProduct(module: ModuleBuilder, arithmetic: Arithmetic, scale: Procedure | undefined): Procedure {
  const { name, size, perStep } = arithmetic;
  const zeros = emitZeros(module, arithmetic);
  const run = emitRun(module, arithmetic);
  const pack = emitPack(module, arithmetic, zeros);
  const tile = emitTile(module, arithmetic, 4);
  return module.procedure(
    `gather${name}`,
    integerParams(GATHER_ARGUMENTS),
    (f, p) => {
      const {
        group,
        first,
        block,
        depthFrom,
        depth,
        runTaps,
        runsX,
        length,
        runSteps,
        runs,
        chunkRuns,
        run0,
        runCount,
        steps,
        continues,
        finishes,
        column,
        lanes,
        r,
        tapY,
        tapX,
        to,
        pixel,
        pixels,
        count,
        i,
        entry,
        row,
        rowBytes,
        sourceY,
        sourceX,
        skip,
        inside,
        from,
        folds,
      } = integers(
        f,
        'group',
        'first',
        'block',
        'depthFrom',
        'depth',
        'runTaps',
        'runsX',
        'length',
        'runSteps',
        'runs',
        'chunkRuns',
        'run0',
        'runCount',
        'steps',
        'continues',
        'finishes',
        'column',
        'lanes',
        'r',
        'tapY',
        'tapX',
        'to',
        'pixel',
        'pixels',
        'count',
        'i',
        'entry',
        'row',
        'rowBytes',
        'sourceY',
        'sourceX',
        'skip',
        'inside',
        'from',
        'folds',
      );
      const walk = pixelWalk(f);
      const part = (offset: number): I32 => add(p.scratch, offset);
      const chunkOperands = CHUNK_STEPS * perStep;

      f.set(folds, i32(0));
      // Taps side by side that read neighbouring pixels, whole, are one run; short runs would be slow to copy.
      f.if(op('i32.eq', p.tapStepX, i32(1)), () => {
        f.if(op('i32.eq', p.srcPixel, mul(p.depth, size)), () => {
          f.if(op('i32.eq', p.wTapX, times(p.depth, p.wDepth)), () => {
            f.set(folds, op('i32.le_s', times(p.depth, p.tapsX), i32(chunkOperands)));
          });
        });
      });

      const packWeights = (): void => {
        f.set(column, i32(0));
        f.set(to, part(PARTS.panel));
        f.while(op('i32.lt_s', column, block), () => {
          f.set(lanes, smaller(i32(TILE_COLUMNS), sub(block, column)));
          f.set(r, run0);
          f.set(i, runCount);
          countDown(f, i, () => {
            f.set(tapY, op('i32.div_u', r, runsX));
            f.set(tapX, op('i32.rem_u', r, runsX));
            const filter = times(add(first, column), p.wFilter);
            const tap = add(times(tapY, p.wTapY), times(tapX, p.wTapX));
            const place = add(add(times(group, p.wGroup), times(depthFrom, p.wDepth)), add(filter, tap));
            f.call(pack, add(p.weights, place), lanes, length, p.wDepth, p.wFilter, to);
            advance(f, to, mul(runSteps, PANEL_STEP));
            advance(f, r, 1);
          });
          advance(f, column, TILE_COLUMNS);
        });
      };

      /** One run of the pixel at `walk` to `to`; leaves the source of a run that is whole in `from`. */
      const packRun = (): void => {
        f.set(tapY, op('i32.div_u', r, runsX));
        f.set(tapX, op('i32.rem_u', r, runsX));
        f.set(sourceY, add(add(times(walk.y, p.stepY), p.offsetY), times(tapY, p.tapStepY)));
        f.set(sourceX, add(add(times(walk.x, p.stepX), p.offsetX), times(tapX, p.tapStepX)));
        f.set(skip, larger(sub(i32(0), sourceX), i32(0)));
        f.set(inside, sub(smaller(runTaps, sub(p.srcWidth, sourceX)), skip));
        f.if(op('i32.ge_u', sourceY, p.srcHeight), () => f.set(inside, i32(0)));
        const at = add(times(add(times(sourceY, p.srcWidth), add(sourceX, skip)), p.srcPixel), p.src);
        const channel = mul(add(times(group, p.depth), depthFrom), size);
        f.set(from, add(add(at, channel), times(walk.image, p.srcImage)));
      };
      const copyRun = (): void => {
        f.if(
          op('i32.gt_s', inside, i32(0)),
          () => {
            const elementBytes = 4 / perStep;
            f.if(skip, () => f.call(zeros, to, mul(times(skip, depth), elementBytes)));
            f.call(run, from, times(inside, depth), add(to, mul(times(skip, depth), elementBytes)));
            f.if(op('i32.lt_s', add(skip, inside), runTaps), () => {
              f.set(from, mul(times(add(skip, inside), depth), elementBytes));
              f.call(zeros, add(to, from), sub(mul(runSteps, 4), from));
            });
          },
          () => f.call(zeros, to, mul(runSteps, 4)),
        );
      };

      /** Table entry and row of the pixel at `walk`. */
      const packPixel = (): void => {
        const place = add(times(walk.y, p.dstRow), times(walk.x, p.dstCol));
        const output = mul(add(times(group, p.width), first), 4);
        f.store('i32.store', entry, add(add(p.dst, times(walk.image, p.dstImage)), add(place, output)), 4);
        f.store('i32.store', entry, row);
        f.set(to, row);
        f.set(r, run0);
        f.while(op('i32.lt_s', r, add(run0, runCount)), () => {
          packRun();
          if (size * perStep === 4 && perStep !== 2) {
            const isWhole = op('i32.and', op('i32.eq', runCount, i32(1)), op('i32.eq', inside, runTaps));
            f.if(
              isWhole,
              () => f.store('i32.store', entry, from),
              () => copyRun(),
            );
          } else copyRun();
          advance(f, to, mul(runSteps, 4));
          advance(f, r, 1);
        });
      };

      const packPixels = (): void => {
        f.set(entry, part(PARTS.table));
        f.set(row, part(PARTS.rows));
        f.set(i, count);
        countDown(f, i, () => {
          packPixel();
          advance(f, entry, ENTRY_BYTES);
          advance(f, row, rowBytes);
          nextPixel(f, walk, p.rows, p.cols);
        });
        // A ragged tile repeats its last row: both write the same.
        for (let copy = 0; copy < TILE_ROWS - 1; copy += 1) {
          f.store('i32.store', entry, load('i32.load', sub(entry, ENTRY_BYTES)), copy * ENTRY_BYTES);
          f.store('i32.store', entry, load('i32.load', sub(entry, 4)), copy * ENTRY_BYTES + 4);
        }
      };

      const multiply = (): void => {
        f.set(column, i32(0));
        f.set(to, part(PARTS.panel));
        f.while(op('i32.lt_s', column, block), () => {
          f.set(entry, part(PARTS.table));
          f.set(i, count);
          f.while(op('i32.gt_s', i, i32(0)), () => {
            f.call(tile, entry, to, steps, sub(block, column), mul(column, 4), continues);
            advance(f, entry, TILE_ROWS * ENTRY_BYTES);
            advance(f, i, -TILE_ROWS);
          });
          advance(f, to, mul(steps, PANEL_STEP));
          advance(f, column, TILE_COLUMNS);
        });
        if (scale !== undefined) {
          f.if(finishes, () => {
            const factors = add(p.scale, mul(add(times(group, p.width), first), 4));
            f.call(scale, part(PARTS.table), count, block, i32(0), factors);
          });
        }
      };

      /** Every pixel with the runs run0 .. run0 + runCount of the channels depthFrom .. depthFrom + depth. */
      const chunk = (): void => {
        f.set(runCount, smaller(chunkRuns, sub(runs, run0)));
        f.set(steps, times(runCount, runSteps));
        f.set(rowBytes, add(mul(steps, 4), 16));
        const isLastRun = op('i32.ge_s', add(run0, runCount), runs);
        const isLastDepth = op('i32.ge_s', add(depthFrom, depth), p.depth);
        f.set(finishes, op('i32.and', op('i32.and', isLastRun, isLastDepth), op('i32.ne', p.scale, i32(0))));
        packWeights();
        restart(f, walk);
        f.set(pixel, i32(0));
        f.while(op('i32.lt_s', pixel, pixels), () => {
          f.set(count, smaller(i32(TILE_PIXELS), sub(pixels, pixel)));
          packPixels();
          multiply();
          advance(f, pixel, TILE_PIXELS);
        });
        f.set(continues, i32(1));
      };

      f.set(pixels, times(times(p.images, p.rows), p.cols));
      f.while(op('i32.lt_s', group, p.groups), () => {
        f.set(first, i32(0));
        f.while(op('i32.lt_s', first, p.width), () => {
          f.set(block, smaller(i32(PANEL_COLUMNS), sub(p.width, first)));
          f.set(continues, i32(0));
          f.set(depthFrom, i32(0));
          f.loop((nextDepth) => {
            f.set(depth, smaller(i32(chunkOperands), sub(p.depth, depthFrom)));
            f.set(runTaps, select(p.tapsX, i32(1), folds));
            f.set(runsX, select(i32(1), larger(p.tapsX, i32(1)), folds));
            f.set(length, times(runTaps, depth));
            f.set(runSteps, op('i32.div_u', add(length, perStep - 1), i32(perStep)));
            f.set(runs, times(p.tapsY, select(i32(1), p.tapsX, folds)));
            f.set(chunkRuns, larger(op('i32.div_u', i32(CHUNK_STEPS), larger(runSteps, i32(1))), i32(1)));
            f.set(run0, i32(0));
            f.loop((nextRuns) => {
              chunk();
              f.set(run0, add(run0, chunkRuns));
              f.branchIf(nextRuns, op('i32.lt_s', run0, runs));
            });
            advance(f, depthFrom, chunkOperands);
            f.branchIf(nextDepth, op('i32.lt_s', depthFrom, p.depth));
          });
          advance(f, first, PANEL_COLUMNS);
        });
        advance(f, group, 1);
      });
    },
    { export: false },
  );
}

/**
 * Adds the gather product under each of `names`, which share everything but the name. With `bytes`, a forward convolution
 * of pixels that are not negative goes its way.
 */
export function emitGather(
  module: ModuleBuilder,
  arithmetic: Arithmetic,
  names: readonly string[],
  bytes?: Arithmetic,
): void {
  const scale = arithmetic.size === 1 ? emitScale(module) : undefined;
  const depthwise = emitDepthwise(module, arithmetic, scale);
  const product = emitProduct(module, arithmetic, scale);
  const byBytes = bytes && { product: emitProduct(module, bytes, scale), test: emitNonNegative(module) };
  for (const exported of names) {
    module.procedure(exported, integerParams(GATHER_ARGUMENTS), (f, p) => {
      const args = [...GATHER_ARGUMENTS, 'scratch' as const].map((argument) => p[argument]);
      const isDepthwise = op(
        'i32.and',
        op('i32.and', op('i32.eq', p.depth, i32(1)), op('i32.eq', p.width, i32(1))),
        atLeast(p.groups, 2),
      );
      const general = (): void => {
        if (byBytes === undefined) {
          f.call(product, ...args);
          return;
        }
        const lanes = f.local('i32', 'lanes', times(p.groups, p.depth));
        const isDense = f.local('i32', 'isDense', op('i32.eq', lanes, p.srcPixel));
        const rows = select(p.srcHeight, times(p.srcHeight, p.srcWidth), isDense);
        const rowBytes = select(times(p.srcWidth, lanes), lanes, isDense);
        const rowStride = select(times(p.srcWidth, p.srcPixel), p.srcPixel, isDense);
        const tested = f.local('i32', 'tested', i32(0));
        f.if(op('i32.eq', p.wDepth, i32(1)), () => {
          f.set(tested, f.result(byBytes.test, p.src, p.images, p.srcImage, rows, rowBytes, rowStride));
        });
        f.if(
          tested,
          () => f.call(byBytes.product, ...args),
          () => f.call(product, ...args),
        );
      };
      f.if(isDepthwise, () => f.call(depthwise, ...args), general);
    });
  }
}
