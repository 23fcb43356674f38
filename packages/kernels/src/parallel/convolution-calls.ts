/**
 * What each convolution and pooling calls: the exported functions take plans (see convolution-plan.ts), one call or a
 * few per kernel, and a thread's share is the same with fewer images, rows, outputs or groups.
 */
import {
  GATHER_ARGUMENTS,
  type GatherProduct,
  listed,
  POOLING_ARGUMENTS,
  type Pooling,
  planForward,
  planInputGradient,
  planPooling,
  planWeightGradient,
  WEIGHT_GRADIENT_ARGUMENTS,
  type WeightGradient,
} from '../convolution-plan.js';
import type { ConvolutionKernels, ConvolutionShape } from '../interface/convolutions.js';
import type { WindowKernels } from '../interface/windows.js';
import { cutRange, type Division, type Divisions, MIN_PRODUCTS } from './division.js';
import { MAX_SHARES } from './parallel-kernels.js';

/** Shares per thread: few, because each lays out operands for itself. */
const SHARES_PER_THREAD = 2;
/** Outputs are cut at multiples of this: a whole number of tiles of every backend. */
const OUTPUT_UNIT = 16;
/** Filters of a weight gradient that are worth laying out the pixels again. */
const FILTER_UNIT = 64;
/** Taps of a pooling, counted channel by channel, below which it stays on one thread. */
const MIN_TAPS = 200_000;

/** The calls of one kernel: for one thread, and cut into about `parts`. */
interface Calls {
  readonly whole: (args: readonly number[]) => number[][];
  readonly cut: (args: readonly number[], parts: number) => number[][];
  /** How many arguments a call has; the pointer to scratch memory follows. */
  readonly length: number;
  /** Calls before any cut. */
  readonly count: (args: readonly number[]) => number;
}

/** Cuts images, or the rows of each of them. */
function cutRows<P extends { readonly images: number; readonly rows: number }>(
  plan: P,
  parts: number,
  move: (plan: P, image: number, row: number) => P,
): P[] {
  if (plan.images >= parts) {
    return cutRange(plan.images, 1, parts).map(([from, to]) => ({
      ...move(plan, from, 0),
      images: to - from,
    }));
  }
  return Array.from({ length: plan.images }, (_, image) =>
    cutRange(plan.rows, 1, Math.floor(parts / plan.images)).map(([from, to]) => ({
      ...move(plan, image, from),
      images: 1,
      rows: to - from,
    })),
  ).flat();
}

/**
 * Cuts more than one group so that no share has a single one: where each has one channel and one filter, one group alone
 * takes another path than several, which agrees on finite operands only.
 */
function cutGroups(groups: number, parts: number): (readonly [from: number, to: number])[] {
  const lone = groups % OUTPUT_UNIT === 1 ? 1 : 0;
  const even = groups - lone;
  return cutRange(even, OUTPUT_UNIT, parts).map(([from, to]) => [from, to === even ? groups : to]);
}

/** @param size bytes of one operand */
function cutGather(plan: GatherProduct, size: number, parts: number): GatherProduct[] {
  const { groups, width, images, rows, cols } = plan;
  if (groups >= parts && groups > 1) {
    return cutGroups(groups, parts).map(([from, to]) => ({
      ...plan,
      groups: to - from,
      src: plan.src + from * plan.depth * size,
      weights: plan.weights + from * plan.wGroup,
      dst: plan.dst + from * width * 4,
      scale: plan.scale === 0 ? 0 : plan.scale + from * width * 4,
    }));
  }
  // Rows lay out the weights again, outputs the pixels: cut the longer side.
  if (groups === 1 && width > images * rows * cols) {
    return cutRange(width, OUTPUT_UNIT, parts).map(([from, to]) => ({
      ...plan,
      width: to - from,
      weights: plan.weights + from * plan.wFilter,
      dst: plan.dst + from * 4,
      scale: plan.scale === 0 ? 0 : plan.scale + from * 4,
    }));
  }
  return cutRows(plan, parts, (whole, image, row) => ({
    ...whole,
    src: whole.src + image * whole.srcImage,
    offsetY: whole.offsetY + row * whole.stepY,
    dst: whole.dst + image * whole.dstImage + row * whole.dstRow,
  }));
}

/** By groups, or by filters and rows of taps: the sum over pixels stays whole. */
function cutWeightGradient(plan: WeightGradient, size: number, parts: number): WeightGradient[] {
  const { groups, width, tapsY } = plan;
  const filtersFrom = (first: number): Partial<WeightGradient> => ({
    gradient: plan.gradient + first * size,
    dst: plan.dst + first * plan.wFilter,
  });
  if (groups > 1) {
    return cutGroups(groups, parts).map(([from, to]) => ({
      ...plan,
      ...filtersFrom(from * width),
      groups: to - from,
      src: plan.src + from * plan.depth * size,
    }));
  }
  const filters = cutRange(width, FILTER_UNIT, parts);
  const taps = cutRange(tapsY, 1, Math.ceil(parts / filters.length));
  return filters.flatMap(([from, to]) =>
    taps.map(([top, bottom]) => {
      const part = { ...plan, ...filtersFrom(from), width: to - from };
      return {
        ...part,
        tapsY: bottom - top,
        offsetY: plan.offsetY + top * plan.tapStepY,
        dst: part.dst + top * plan.wTapY,
      };
    }),
  );
}

function cutPooling(plan: Pooling, parts: number): Pooling[] {
  return cutRows(plan, parts, (whole, image, row) => ({
    ...whole,
    src: whole.src + image * whole.srcImage,
    offsetY: whole.offsetY + row * whole.stepY,
    dst: whole.dst + image * whole.dstImage + row * whole.cols * whole.dstPixel,
  }));
}

/** Windows overlap in the gradient of a pooling, channels never do. */
function cutPoolingGradient(plan: Pooling, parts: number): Pooling[] {
  return cutRange(plan.lanes, OUTPUT_UNIT, parts).map(([from, to]) => ({
    ...plan,
    lanes: to - from,
    src: plan.src + from * 4,
    dst: plan.dst + from * 4,
    gradient: plan.gradient + from * 4,
  }));
}

/** The sixteen numbers that the convolutions of the family begin with. */
function shapeOf(args: readonly number[]): ConvolutionShape {
  const [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = args;
  return [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
}

function gatherCalls(size: number, plans: (args: readonly number[]) => readonly GatherProduct[]): Calls {
  const list = (plan: GatherProduct): number[] => listed(GATHER_ARGUMENTS, plan);
  return {
    whole: (args) => plans(args).map(list),
    cut(args, parts) {
      const whole = plans(args);
      const each = Math.max(1, Math.floor(parts / whole.length));
      return whole.flatMap((plan) => cutGather(plan, size, each).map(list));
    },
    length: GATHER_ARGUMENTS.length,
    count: (args) => plans(args).length,
  };
}

const forward = (size: number): Calls =>
  gatherCalls(size, (args) => [
    planForward(shapeOf(args), { src: args[16], weights: args[17], dst: args[18], size }),
  ]);

const inputGradient = (size: number): Calls =>
  gatherCalls(size, (args) =>
    planInputGradient(shapeOf(args), { src: args[16], weights: args[17], dst: args[18], size }),
  );

const weightGradient = (size: number): Calls => {
  const plan = (args: readonly number[]): WeightGradient =>
    planWeightGradient(shapeOf(args), { src: args[16], gradient: args[17], dst: args[18], size });
  const list = (part: WeightGradient): number[] => listed(WEIGHT_GRADIENT_ARGUMENTS, part);
  return {
    whole: (args) => [list(plan(args))],
    cut: (args, parts) => cutWeightGradient(plan(args), size, parts).map(list),
    length: WEIGHT_GRADIENT_ARGUMENTS.length,
    count: () => 1,
  };
};

function poolingCalls(
  plan: (args: readonly number[]) => Pooling,
  cut: (plan: Pooling, parts: number) => Pooling[],
): Calls {
  const list = (part: Pooling): number[] => listed(POOLING_ARGUMENTS, part);
  return {
    whole: (args) => [list(plan(args))],
    cut: (args, parts) => cut(plan(args), parts).map(list),
    length: POOLING_ARGUMENTS.length,
    count: () => 1,
  };
}

/** How many products a convolution of the family has at most. */
function products(args: readonly number[]): number {
  const [images, , , channels, outHeight, outWidth, kernelHeight, kernelWidth] = args;
  const [filters, groups] = [args[14], args[15]];
  return (images * outHeight * outWidth * kernelHeight * kernelWidth * filters * channels) / groups;
}

function pooledTaps([images, , , channels, outHeight, outWidth, tapsY, tapsX]: readonly number[]): number {
  return images * outHeight * outWidth * tapsY * tapsX * channels;
}

/** One image in front: the kernels for the simulator have no number of images. */
const oneImage = (args: readonly number[]): number[] => [1, ...args];

/** Calls and work of each kernel of the family `windows`. */
export const WINDOW_CALLS: Readonly<Record<keyof WindowKernels, Calls>> = {
  convolution: gatherCalls(1, (given) => {
    const args = oneImage(given);
    const [src, weights, scale, dst] = args.slice(16);
    return [planForward(shapeOf(args), { src, weights, scale, dst, size: 1 })];
  }),
  pooling: poolingCalls((given) => {
    const args = oneImage(given);
    return planPooling(args, { src: args[15], dst: args[16], size: 1 });
  }, cutPooling),
};

/** Calls and work of each kernel of the family `convolutions`. */
export const CONVOLUTION_CALLS: Readonly<Record<keyof ConvolutionKernels, Calls>> = {
  convolutionInt8: forward(1),
  convolutionInputGradientInt8: inputGradient(1),
  convolutionWeightGradientInt8: weightGradient(1),
  convolutionF32: forward(4),
  convolutionInputGradientF32: inputGradient(4),
  convolutionWeightGradientF32: weightGradient(4),
  poolingF32: poolingCalls(
    (args) => planPooling(args, { src: args[15], dst: args[16], size: 4 }),
    cutPooling,
  ),
  poolingGradientF32: poolingCalls(
    (args) => planPooling(args, { src: args[15], gradient: args[16], dst: args[17], size: 4 }),
    cutPoolingGradient,
  ),
};

function division(calls: Calls, least: number, work: (args: readonly number[]) => number): Division {
  return {
    least,
    // More phases than a job holds run one after the other.
    work: (args) => (work(args) < least || calls.count(args) > MAX_SHARES ? 0 : work(args)),
    shares: (args, threads) => calls.cut(args, Math.min(MAX_SHARES, threads * SHARES_PER_THREAD)),
    scratchArgument: calls.length,
  };
}

export const WINDOW_DIVISIONS: Divisions<WindowKernels> = {
  convolution: division(WINDOW_CALLS.convolution, MIN_PRODUCTS, (args) => products(oneImage(args))),
  pooling: division(WINDOW_CALLS.pooling, MIN_TAPS, (args) => pooledTaps(oneImage(args))),
};

const divided = (name: Exclude<keyof ConvolutionKernels, `pooling${string}`>): Division =>
  division(CONVOLUTION_CALLS[name], MIN_PRODUCTS, products);

export const CONVOLUTION_DIVISIONS: Divisions<ConvolutionKernels> = {
  convolutionInt8: divided('convolutionInt8'),
  convolutionInputGradientInt8: divided('convolutionInputGradientInt8'),
  convolutionWeightGradientInt8: divided('convolutionWeightGradientInt8'),
  convolutionF32: divided('convolutionF32'),
  convolutionInputGradientF32: divided('convolutionInputGradientF32'),
  convolutionWeightGradientF32: divided('convolutionWeightGradientF32'),
  poolingF32: division(CONVOLUTION_CALLS.poolingF32, MIN_TAPS, pooledTaps),
  poolingGradientF32: division(CONVOLUTION_CALLS.poolingGradientF32, MIN_TAPS, pooledTaps),
};
