/**
 * What is checked of the arguments of a kernel: how many they are, and that counts are whole numbers from 0 to the bytes
 * of the arena, for no operand has more of anything. It stands before the kernels whose call goes through a function of ours anyway, where it costs
 * about 10 ns. The others are exported functions themselves, which such a check would slow by half for a short row: there
 * a number that is none reads as 0, and nothing is done.
 */
import { BitloomError } from '@bitloom/ir';
import type { Arena } from './arena.js';
import type { KernelName, NumericKernel } from './kernels.js';

/** Half-open ranges of positions. */
type Ranges = readonly (readonly [from: number, to: number])[];

/**
 * Images, pixels, channels, taps and strides; dilations, filters and groups. Paddings between them may be negative.
 * Strides, dilations and groups are steps: 0 of them lead nowhere.
 */
const CONVOLUTION: Ranges = [
  [0, 10],
  [12, 16],
];
const POOLING: Ranges = [
  [0, 10],
  [12, 14],
];
const CONVOLUTION_STEPS = [8, 9, 12, 13, 15];
const POOLING_STEPS = [8, 9, 12, 13];
/** The same for one image. */
const withoutImages = (ranges: Ranges): Ranges =>
  ranges.map(([from, to]) => [Math.max(0, from - 1), to - 1] as const);
const stepsWithoutImages = (steps: readonly number[]): number[] => steps.map((at) => at - 1);

/** What is checked of the arguments of a kernel. */
interface ArgumentRules {
  /** How many there are. */
  readonly arity: number;
  readonly counts: Ranges;
  /** Positions of counts that are at least 1. */
  readonly steps?: readonly number[];
  /** Positions of finite numbers above 0. */
  readonly factors?: readonly number[];
}

function rulesOf(): Partial<Record<KernelName, ArgumentRules>> {
  const convolution = { arity: 19, counts: CONVOLUTION, steps: CONVOLUTION_STEPS };
  const pooling = { counts: POOLING, steps: POOLING_STEPS };
  return {
    rowMaxima: { arity: 9, counts: [[0, 3]] },
    quantizeRowsBy: {
      arity: 17,
      counts: [
        [0, 3],
        [9, 10],
        [13, 14],
      ],
    },
    embedGroups: { arity: 11, counts: [[2, 4]] },
    gemmGroups: { arity: 13, counts: [[2, 5]] },
    gemmSparse: { arity: 13, counts: [[2, 5]] },
    gemmF32: { arity: 9, counts: [[0, 3]] },
    matmulF32: { arity: 12, counts: [[0, 3]] },
    gemmInt8: { arity: 12, counts: [[0, 3]] },
    gemmInt8Scaled: { arity: 13, counts: [[0, 3]] },
    gemmShift: { arity: 15, counts: [[3, 6]] },
    gemmShiftScaled: { arity: 16, counts: [[3, 6]] },
    mlsIntegers: { arity: 8, counts: [[2, 4]] },
    gemmMls: { arity: 20, counts: [[2, 5]] },
    l1NormInt8: {
      arity: 9,
      counts: [
        [0, 1],
        [1, 2],
      ],
      factors: [6],
    },
    convolution: {
      arity: 19,
      counts: withoutImages(CONVOLUTION),
      steps: stepsWithoutImages(CONVOLUTION_STEPS),
    },
    pooling: { arity: 16, counts: withoutImages(POOLING), steps: stepsWithoutImages(POOLING_STEPS) },
    convolutionInt8: convolution,
    convolutionInputGradientInt8: convolution,
    convolutionWeightGradientInt8: convolution,
    convolutionF32: convolution,
    convolutionInputGradientF32: convolution,
    convolutionWeightGradientF32: convolution,
    poolingF32: { ...pooling, arity: 17 },
    poolingGradientF32: { ...pooling, arity: 18 },
  };
}

/** Throws unless there are as many arguments as the kernel has, and the counts among them are such. */
type Check = (args: readonly number[]) => void;
type Wrap = (kernel: NumericKernel, check: Check, arity: number) => NumericKernel;

/** Whether a number is a count of less than 2^16: one operation, for the numbers of nearly every call. */
const isSmall = (size: number): boolean => (size & 0xffff) === size;
const areSmall = (M: number, N: number, K: number): boolean => isSmall(M) && isSmall(N) && isSmall(K);

/** How a product is wrapped, by the place of its three counts. They are named: a list of them costs as much as the call. */
const PRODUCTS: Readonly<Record<number, Wrap>> = {
  0:
    (kernel, check, arity) =>
    (M, N, K, ...others) => {
      if (others.length !== arity - 3 || !areSmall(M, N, K)) check([M, N, K, ...others]);
      kernel(M, N, K, ...others);
    },
  2:
    (kernel, check, arity) =>
    (a, b, M, N, K, ...others) => {
      if (others.length !== arity - 5 || !areSmall(M, N, K)) check([a, b, M, N, K, ...others]);
      kernel(a, b, M, N, K, ...others);
    },
  3:
    (kernel, check, arity) =>
    (a, b, c, M, N, K, ...others) => {
      if (others.length !== arity - 6 || !areSmall(M, N, K)) check([a, b, c, M, N, K, ...others]);
      kernel(a, b, c, M, N, K, ...others);
    },
};

const wrapAll: Wrap =
  (kernel, check) =>
  (...args) => {
    check(args);
    kernel(...args);
  };

/** The kernel behind the check of its arguments, or the kernel itself where there is none. */
export function withArgumentChecks(name: KernelName, kernel: NumericKernel, arena: Arena): NumericKernel {
  const rules = rulesOf()[name];
  if (rules === undefined) return kernel;
  const { arity, counts, steps = [], factors = [] } = rules;
  const [[from, to], ...others] = counts;
  const wrap = others.length === 0 && to - from === 3 ? PRODUCTS[from] : wrapAll;
  const check: Check = (args) => {
    for (const [from, to] of counts) {
      for (let i = from; i < to; i += 1) {
        const size = args[i];
        if (isSmall(size) || (Number.isInteger(size) && size >= 0 && size <= arena.capacity)) continue;
        const expected = `a whole number from 0 to ${arena.capacity}, the bytes of the arena`;
        throw argumentError(name, 'a count that is none', `argument ${i}`, expected, String(size));
      }
    }
    // After the counts: where one is missing at the end, that it is missing says more than how many there are.
    if (args.length !== arity) {
      const what = `too ${args.length < arity ? 'few' : 'many'} arguments`;
      throw argumentError(name, what, undefined, String(arity), String(args.length));
    }
    for (const i of steps) {
      if (args[i] > 0) continue;
      throw argumentError(name, 'a step that is none', `argument ${i}`, 'at least 1', String(args[i]));
    }
    for (const i of factors) {
      if (args[i] > 0 && Number.isFinite(args[i])) continue;
      throw argumentError(
        name,
        'a factor that is none',
        `argument ${i}`,
        'a number above 0',
        String(args[i]),
      );
    }
  };
  return wrap(kernel, check, arity);
}

function argumentError(
  name: KernelName,
  what: string,
  where: string | undefined,
  expected: string,
  got: string,
): BitloomError {
  return new BitloomError({
    code: 'kernel-argument',
    message: `${name} was given ${what}`,
    where,
    expected,
    got,
    hint: 'arguments are positional numbers: see whether one is missing or stands in the wrong place',
  });
}
