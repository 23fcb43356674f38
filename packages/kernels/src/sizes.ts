/**
 * Which arguments of a kernel are counts, and their check: a whole number from 0 to the bytes of the arena, for no operand
 * has more of anything. It stands before the kernels whose call goes through a function of ours anyway, where it costs
 * about 10 ns. The others are exported functions themselves, which such a check would slow by half for a short row: there
 * a number that is none reads as 0, and nothing is done.
 */
import { BitloomError } from '@bitloom/ir';
import type { Arena } from './arena.js';
import type { KernelName, NumericKernel } from './kernels.js';

/** Half-open ranges of positions. */
type Ranges = readonly (readonly [from: number, to: number])[];

/** Images, pixels, channels, taps and strides; dilations, filters and groups. Paddings between them may be negative. */
const CONVOLUTION: Ranges = [
  [0, 10],
  [12, 16],
];
const POOLING: Ranges = [
  [0, 10],
  [12, 14],
];
/** The same for one image. */
const withoutImages = (ranges: Ranges): Ranges =>
  ranges.map(([from, to]) => [Math.max(0, from - 1), to - 1] as const);

function sizesOf(): Partial<Record<KernelName, Ranges>> {
  return {
    embedGroups: [[2, 4]],
    gemmGroups: [[2, 5]],
    gemmSparse: [[2, 5]],
    gemmF32: [[0, 3]],
    matmulF32: [[0, 3]],
    gemmInt8: [[0, 3]],
    gemmInt8Scaled: [[0, 3]],
    gemmShift: [[3, 6]],
    gemmShiftScaled: [[3, 6]],
    mlsIntegers: [[2, 4]],
    gemmMls: [[2, 5]],
    convolution: withoutImages(CONVOLUTION),
    pooling: withoutImages(POOLING),
    convolutionInt8: CONVOLUTION,
    convolutionInputGradientInt8: CONVOLUTION,
    convolutionWeightGradientInt8: CONVOLUTION,
    convolutionF32: CONVOLUTION,
    convolutionInputGradientF32: CONVOLUTION,
    convolutionWeightGradientF32: CONVOLUTION,
    poolingF32: POOLING,
    poolingGradientF32: POOLING,
  };
}

/** Throws unless the counts among the arguments are such. */
type Check = (args: readonly number[]) => void;
type Wrap = (kernel: NumericKernel, check: Check) => NumericKernel;

/** Whether a number is a count of less than 2^16: one operation, for the numbers of nearly every call. */
const isSmall = (size: number): boolean => (size & 0xffff) === size;
const areSmall = (M: number, N: number, K: number): boolean => isSmall(M) && isSmall(N) && isSmall(K);

/** How a product is wrapped, by the place of its counts. They are named: a list of them costs as much as the call. */
const PRODUCTS: Readonly<Record<number, Wrap>> = {
  0:
    (kernel, check) =>
    (M, N, K, ...others) => {
      if (!areSmall(M, N, K)) check([M, N, K]);
      kernel(M, N, K, ...others);
    },
  2:
    (kernel, check) =>
    (a, b, M, N, K, ...others) => {
      if (!areSmall(M, N, K)) check([a, b, M, N, K]);
      kernel(a, b, M, N, K, ...others);
    },
  3:
    (kernel, check) =>
    (a, b, c, M, N, K, ...others) => {
      if (!areSmall(M, N, K)) check([a, b, c, M, N, K]);
      kernel(a, b, c, M, N, K, ...others);
    },
};

const wrapConvolution: Wrap =
  (kernel, check) =>
  (...args) => {
    check(args);
    kernel(...args);
  };

/** The kernel behind the check of its counts, or the kernel itself where there is none. */
export function withSizes(name: KernelName, kernel: NumericKernel, arena: Arena): NumericKernel {
  const ranges = sizesOf()[name];
  if (ranges === undefined) return kernel;
  const wrap = ranges.length === 1 ? PRODUCTS[ranges[0][0]] : wrapConvolution;
  return wrap(kernel, (args) => {
    for (const [from, to] of ranges) {
      for (let i = from; i < to; i += 1) {
        const size = args[i];
        if (isSmall(size) || (Number.isInteger(size) && size >= 0 && size <= arena.capacity)) continue;
        throw sizeError(name, i, size, arena.capacity);
      }
    }
  });
}

function sizeError(name: KernelName, at: number, size: unknown, capacity: number): BitloomError {
  return new BitloomError({
    code: 'kernel-argument',
    message: `${name} was given a count that is none`,
    where: `argument ${at}`,
    expected: `a whole number from 0 to ${capacity}, the bytes of the arena`,
    got: String(size),
    hint: 'arguments are positional numbers: see whether one is missing or stands in the wrong place',
  });
}
