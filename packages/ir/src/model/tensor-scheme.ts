/**
 * A scheme: the recipe by which a float tensor of any shape becomes codes. Where {@link QuantizedType} says what a
 * tensor is, a scheme also says how its codes were chosen, so it travels with the constant it made. `ir` owns the
 * record; `formats` owns the arithmetic, the named rules and the layouts.
 */
import type { ElementFormat } from './element-format.js';

/**
 * Rule for a value between two neighbours. The first six are deterministic. The stochastic three compare the dropped
 * fraction with random bits and differ in how they round that fraction to the bits they are given.
 */
export type RoundingMode =
  | 'nearest-even'
  | 'nearest-away'
  | 'toward-zero'
  | 'toward-negative'
  | 'toward-positive'
  | 'to-odd'
  | StochasticRounding;

export type StochasticRounding = 'stochastic' | 'stochastic-fast' | 'stochastic-fastest';

/** What becomes of a NaN in a format that has none. */
export type NanPolicy = 'throw' | 'zero' | 'max';

/** Which elements share a scale. */
export type Granularity =
  /** All of them. */
  | { readonly strategy: 'tensor' }
  /** Each row along the last axis: a token of activations, an output channel of weights [rows, cols]. */
  | { readonly strategy: 'token' }
  /** Each combination of indices of `axes` (0 is the outermost axis). */
  | { readonly strategy: 'axis'; readonly axes: readonly number[] }
  /** `groupSize` neighbours along the last axis; the last group of a row may be short. */
  | { readonly strategy: 'group'; readonly groupSize: number }
  /** Boxes of `blockShape` over the trailing axes; 0 is the whole axis; boxes at the edge may be short. */
  | { readonly strategy: 'block'; readonly blockShape: readonly number[] };

/** One level of scales. */
export interface ScaleScheme {
  readonly format: ElementFormat;
  readonly granularity: Granularity;
  /** `multiply`: value = code x scale; `divide`: value = code / scale. */
  readonly direction: 'multiply' | 'divide';
  /** Affine part of this level, where it has one. */
  readonly zero?: { readonly format: ElementFormat; readonly kind: 'zero-point' | 'minimum' };
  /** Name of the rule that chooses the scale, e.g. `amax/qmax`, `floor`, `minmax`. */
  readonly rule: string;
}

export interface TensorScheme {
  readonly name: string;
  readonly element: ElementFormat;
  /** Ordered from the codes outwards; the last one is the coarsest. */
  readonly scales: readonly ScaleScheme[];
  /** ShiftQuant: channels of the last axis in `groups` groups, group g scaled by 2^−g. */
  readonly shiftGroups?: number;
  readonly rounding: RoundingMode;
  /** Whether what lies past the largest value becomes the largest value; otherwise infinity or NaN, where they exist. */
  readonly saturate: boolean;
  /** Not asked where the first level's scales have a NaN of their own (E8M0): the block's scale becomes that. */
  readonly nan: NanPolicy;
  /** Key of the generator of stochastic rounding. */
  readonly seed?: number;
  /** Stream of that generator, 0 where absent: tensors of one model have different ones. */
  readonly stream?: number;
  /**
   * How a value is brought to the scale: by division, or by a multiplication with the reciprocal, which rounds twice.
   * The reciprocal of two levels is (1 / outer) / inner, as in newer versions of torchao. `divide` where absent.
   */
  readonly quotient?: 'divide' | 'reciprocal';
  /** `canonical`, or a layout with an encoder of its own, e.g. `ggml.q4_K`. */
  readonly layout: string;
}
