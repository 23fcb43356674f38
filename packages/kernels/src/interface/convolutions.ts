/** Convolution and pooling for training: sums, gradients by the input and by the weights. Conventions: see {@link Kernels}. */

/** Most products of one int32 sum: 2^17 · 128 · 128 is 2^31. */
export const MAX_CONVOLUTION_PRODUCTS = 131072;

/** Positional arguments that all convolutions of the family begin with. */
export type ConvolutionShape = readonly [
  images: number,
  height: number,
  width: number,
  channels: number,
  outHeight: number,
  outWidth: number,
  kernelHeight: number,
  kernelWidth: number,
  strideHeight: number,
  strideWidth: number,
  padTop: number,
  padLeft: number,
  dilationHeight: number,
  dilationWidth: number,
  filters: number,
  groups: number,
];

/** Positional arguments that both poolings of the family begin with. */
export type PoolingShape = readonly [
  images: number,
  height: number,
  width: number,
  channels: number,
  outHeight: number,
  outWidth: number,
  kernelHeight: number,
  kernelWidth: number,
  strideHeight: number,
  strideWidth: number,
  padTop: number,
  padLeft: number,
  dilationHeight: number,
  dilationWidth: number,
  mode: number,
];

/**
 * Convolutions over `images` images, and their gradients.
 *
 * Shapes, all contiguous: `input` [images, height, width, channels]; `weights` [filters, kernelHeight, kernelWidth,
 * channels / groups]; `out` and its gradient [images, outHeight, outWidth, filters]. `groups` divides channels and
 * filters; filter f belongs to group floor(f · groups / filters) and reads that group's channels. Tap (ky, kx) of output
 * pixel (y, x) is the input pixel (y · strideHeight − padTop + ky · dilationHeight, x · strideWidth − padLeft + kx ·
 * dilationWidth). Taps outside of the image add nothing. Strides and dilations are at least 1; paddings may be negative,
 * and what lies below and to the right is given by outHeight and outWidth alone.
 *
 * The three are one trilinear form: Σ out · g = Σ input · inputGradient(g) = Σ weights · weightGradient(g).
 *
 * Int8: operands int8, result int32, exact. An int32 sum must not wrap: at most {@link MAX_CONVOLUTION_PRODUCTS}
 * products each (kernelHeight · kernelWidth · channels / groups; for the input gradient filters / groups in place of
 * channels / groups; for the weight gradient images · outHeight · outWidth).
 *
 * Float32: operands finite. The reference adds the products one by one in float32, in the order of the loops named at
 * each kernel; a backend may order them otherwise and fuse them, but each result must not depend on the number of images,
 * the tile or the threads (a weight gradient sums over the images it is given, in a fixed order). Stated tolerance:
 * |difference| ≤ 4 · n · 2^−24 · Σ|products| for n products, in practice far less.
 */
export interface ConvolutionKernels {
  /** out[i, y, x, f] = Σ over ky, kx, c of input[i, tap, c] · weights[f, ky, kx, c]; int8 to int32. */
  convolutionInt8(...args: [...ConvolutionShape, input: number, weights: number, out: number]): void;

  /**
   * The gradient by the input: out[i, y, x, c] = Σ over ky, kx, f of gradient[i, oy, ox, f] · weights[f, ky, kx, c], over
   * the taps and output pixels (oy, ox) that read (y, x); int8 to int32. `out` has the shape of the input.
   */
  convolutionInputGradientInt8(
    ...args: [...ConvolutionShape, gradient: number, weights: number, out: number]
  ): void;

  /**
   * The gradient by the weights: out[f, ky, kx, c] = Σ over i, y, x of gradient[i, y, x, f] · input[i, tap, c]; int8 to
   * int32. `out` has the shape of the weights.
   */
  convolutionWeightGradientInt8(
    ...args: [...ConvolutionShape, input: number, gradient: number, out: number]
  ): void;

  /** {@link ConvolutionKernels.convolutionInt8} in float32. */
  convolutionF32(...args: [...ConvolutionShape, input: number, weights: number, out: number]): void;

  /** {@link ConvolutionKernels.convolutionInputGradientInt8} in float32. */
  convolutionInputGradientF32(
    ...args: [...ConvolutionShape, gradient: number, weights: number, out: number]
  ): void;

  /** {@link ConvolutionKernels.convolutionWeightGradientInt8} in float32. */
  convolutionWeightGradientF32(
    ...args: [...ConvolutionShape, input: number, gradient: number, out: number]
  ): void;

  /**
   * Pooling of float32 [images, height, width, channels] to [images, outHeight, outWidth, channels], the same bits on
   * every backend. mode `POOL_MAX`: the maximum, taken by `>` from −∞ in the order ky, kx; `POOL_MEAN`: the sum in that
   * order from +0, divided by the number of taps inside the image. A window without any gives 0.
   */
  poolingF32(...args: [...PoolingShape, input: number, out: number]): void;

  /**
   * The gradient of {@link ConvolutionKernels.poolingF32} by its input, the same bits on every backend. `gradient` has
   * the shape of the pooled, `out` that of `input`. Every pixel of `out` starts at +0; output pixels add to it in
   * row-major order: `POOL_MAX` the gradient at the tap that is the first maximum (none when no tap exceeds −∞),
   * `POOL_MEAN` the gradient divided by the number of taps inside the image at each of them.
   */
  poolingGradientF32(...args: [...PoolingShape, input: number, gradient: number, out: number]): void;
}

/** Names of {@link ConvolutionKernels}. */
export const CONVOLUTION_KERNELS = [
  'convolutionInt8',
  'convolutionInputGradientInt8',
  'convolutionWeightGradientInt8',
  'convolutionF32',
  'convolutionInputGradientF32',
  'convolutionWeightGradientF32',
  'poolingF32',
  'poolingGradientF32',
] as const satisfies readonly (keyof ConvolutionKernels)[];
