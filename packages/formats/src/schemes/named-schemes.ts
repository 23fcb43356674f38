/**
 * Schemes of the common families, from their few parameters. Presets are names for these; each is a plain record, and
 * a function of its own, so that a bundle carries only what it uses.
 */
import {
  type ElementFormat,
  FP16,
  FP32,
  type Granularity,
  intFormat,
  type ScaleScheme,
  type TensorScheme,
  uintFormat,
} from '@bitloom/ir';
import { elementFormat } from '../elements/element-formats.js';
import { E8M0, FP4_E2M1, FP8_E4M3FN } from '../elements/format-records.js';

type Parts = Pick<TensorScheme, 'element' | 'scales'> & Partial<TensorScheme>;

/** A scheme with the defaults of this package: nearest-even, saturating, NaN is an error, layout `canonical`. */
export function tensorScheme(name: string, parts: Parts): TensorScheme {
  return { name, rounding: 'nearest-even', saturate: true, nan: 'throw', layout: 'canonical', ...parts };
}

/** One level of multipliers. */
export function scaleBy(format: ElementFormat, granularity: Granularity, rule: string): ScaleScheme {
  return { format, granularity, direction: 'multiply', rule };
}

/** `groupSize` neighbours along the last axis share a scale. */
export function perGroup(groupSize: number): Granularity {
  return { strategy: 'group', groupSize };
}

/** One scale for all elements. */
export const PER_TENSOR: Granularity = { strategy: 'tensor' };

/** One scale per row of the last axis: per output channel of weights [rows, cols], per token of activations. */
export const PER_ROW: Granularity = { strategy: 'token' };

/** What {@link integerScheme} and {@link affineScheme} may say beside bits and granularity. */
export interface IntegerOptions {
  readonly name?: string;
  /** Format of the scales; fp16 by default. */
  readonly scale?: ElementFormat;
  /** Symmetric: `amax/qmax` (default), `amax/half-range`. */
  readonly rule?: string;
}

/** Signed integers of 2 to 8 bits under one multiplier. */
export function integerScheme(
  bits: number,
  granularity: Granularity,
  { name = `INT${bits}`, scale = FP16, rule = 'amax/qmax' }: IntegerOptions = {},
): TensorScheme {
  return tensorScheme(name, { element: intFormat(bits), scales: [scaleBy(scale, granularity, rule)] });
}

/** Unsigned integers with a zero point of their own width; rule `minmax` by default, or `2amax/levels`. */
export function affineScheme(
  bits: number,
  granularity: Granularity,
  { name = `UINT${bits}`, scale = FP16, rule = 'minmax' }: IntegerOptions = {},
): TensorScheme {
  const element = uintFormat(bits);
  const zero = { format: element, kind: 'zero-point' } as const;
  return tensorScheme(name, { element, scales: [{ ...scaleBy(scale, granularity, rule), zero }] });
}

/**
 * OCP MX: 32 elements along the last axis under one power of two.
 *
 * @param element `fp8_e4m3fn`, `fp8_e5m2`, `fp6_e2m3`, `fp6_e3m2`, `fp4_e2m1` or `mxint8`
 * @param rule `floor` (as the specification), `rceil`, `ceil` or `even`
 */
export function mxScheme(element: string, rule = 'floor', name = `MX ${element}`): TensorScheme {
  return tensorScheme(name, {
    element: elementFormat(element),
    scales: [scaleBy(E8M0, perGroup(32), rule)],
  });
}

/** What {@link nvfp4Scheme} may say beside the tensor scale. */
export interface Nvfp4Options {
  readonly name?: string;
  /**
   * `divide` (default): x / (block · tensor), as compressed-tensors and torchao up to 2025. `reciprocal`:
   * x · ((1 / tensor) / block), as newer versions of torchao; codes differ where a quotient lies next to a tie.
   */
  readonly quotient?: 'divide' | 'reciprocal';
}

/**
 * NVFP4: 16 elements of FP4 along the last axis under one e4m3fn, which is in units of a float32 per tensor.
 *
 * @param tensorScale `multiply` stores the multiplier (torchao), `divide` its reciprocal (compressed-tensors), `none`
 *   leaves it out
 */
export function nvfp4Scheme(
  tensorScale: 'multiply' | 'divide' | 'none' = 'multiply',
  { name = 'NVFP4', quotient }: Nvfp4Options = {},
): TensorScheme {
  const divides = tensorScale === 'divide';
  const rule = divides ? 'nvfp4-block-divided' : 'nvfp4-block';
  const block = scaleBy(FP8_E4M3FN, perGroup(16), rule);
  const outer: ScaleScheme = divides
    ? { ...scaleBy(FP32, PER_TENSOR, '448·6/amax'), direction: 'divide' }
    : scaleBy(FP32, PER_TENSOR, 'amax/(448·6)');
  return tensorScheme(name, {
    element: FP4_E2M1,
    scales: tensorScale === 'none' ? [block] : [block, outer],
    ...(quotient === undefined ? {} : { quotient }),
  });
}

/**
 * ShiftQuant (arXiv 2411.10948): integers, channels of the last axis in groups scaled by powers of two under one
 * scale per tensor.
 */
export function shiftScheme(bits: number, groups = 4, name = `ShiftQuant${bits}`): TensorScheme {
  const scales = [scaleBy(FP32, PER_TENSOR, 'amax/qmax')];
  return tensorScheme(name, { element: intFormat(bits), scales, shiftGroups: groups });
}
