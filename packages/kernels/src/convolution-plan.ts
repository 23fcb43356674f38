/**
 * What a convolution becomes before it runs. Forward and input gradient are the same *gather product*: every output pixel
 * gathers source pixels through taps, whose places form a grid that moves with the output pixel, and multiplies them with
 * one matrix of weights. The input gradient with strides is one such product per phase, that is per remainder of the
 * pixel's place by the stride, because all pixels of a phase are read by the same taps; so no product with a stuffed zero
 * is ever computed. The exported functions of the backends take the arguments listed here, all numbers, so that a thread
 * needs nothing else. Places and strides are in bytes, counts in elements.
 */
import type { ConvolutionShape } from './interface/convolutions.js';

/** Arguments of a gather product, in order. Rows and columns are those of the output pixels. */
export const GATHER_ARGUMENTS = [
  'images',
  'srcImage',
  'dstImage',
  'srcHeight',
  'srcWidth',
  'srcPixel',
  'rows',
  'cols',
  'dstRow',
  'dstCol',
  /** Source pixels from one output row (column) to the next. */
  'stepY',
  'stepX',
  'tapsY',
  'tapsX',
  /** Source row (column) of tap 0 at output row (column) 0; may lie outside. */
  'offsetY',
  'offsetX',
  /** Source pixels from one tap to the next. */
  'tapStepY',
  'tapStepX',
  /** Channels of a group that are summed. */
  'depth',
  /** Outputs of a group. */
  'width',
  'groups',
  /** From the weights of one output to the next, of one channel, of one tap row and column, of one group. */
  'wFilter',
  'wDepth',
  'wTapY',
  'wTapX',
  'wGroup',
  'src',
  'weights',
  'dst',
  /** float32 per output that makes the result float32; 0: the result is the sum. */
  'scale',
] as const;

/** A gather product by the names of its arguments. */
export type GatherProduct = Readonly<Record<(typeof GATHER_ARGUMENTS)[number], number>>;

/** Arguments of a weight gradient, in order; gradients are contiguous over the pixels, results over the channels. */
export const WEIGHT_GRADIENT_ARGUMENTS = [
  'images',
  'srcImage',
  'srcHeight',
  'srcWidth',
  'srcPixel',
  'rows',
  'cols',
  'gradientPixel',
  'stepY',
  'stepX',
  'tapsY',
  'tapsX',
  'offsetY',
  'offsetX',
  'tapStepY',
  'tapStepX',
  /** Channels of a group. */
  'depth',
  /** Filters of a group. */
  'width',
  'groups',
  /** In the result: from one filter to the next, from one tap row and column to the next. */
  'wFilter',
  'wTapY',
  'wTapX',
  'src',
  'gradient',
  'dst',
] as const;

/** A weight gradient by the names of its arguments. */
export type WeightGradient = Readonly<Record<(typeof WEIGHT_GRADIENT_ARGUMENTS)[number], number>>;

/** Arguments of a pooling, in order. `lanes` channels are pooled, of `channels` that a pixel has. */
export const POOLING_ARGUMENTS = [
  'images',
  'srcImage',
  'dstImage',
  'srcHeight',
  'srcWidth',
  'srcPixel',
  'rows',
  'cols',
  'dstPixel',
  'stepY',
  'stepX',
  'tapsY',
  'tapsX',
  'offsetY',
  'offsetX',
  'tapStepY',
  'tapStepX',
  'mode',
  'lanes',
  'src',
  'dst',
  /** Gradient of the pooled; only for the gradient of a pooling, where `dst` has the shape of `src`. */
  'gradient',
] as const;

/** A pooling by the names of its arguments. */
export type Pooling = Readonly<Record<(typeof POOLING_ARGUMENTS)[number], number>>;

/** The numbers of a record in the order of its names. */
export function listed<N extends string>(names: readonly N[], values: Readonly<Record<N, number>>): number[] {
  return names.map((name) => values[name]);
}

/** Names for the sixteen numbers of a shape. */
function named(shape: ConvolutionShape) {
  const [images, height, width, channels, outHeight, outWidth, kernelHeight, kernelWidth, ...rest] = shape;
  const [strideHeight, strideWidth, padTop, padLeft, dilationHeight, dilationWidth, filters, groups] = rest;
  return {
    images,
    height,
    width,
    channels,
    outHeight,
    outWidth,
    kernelHeight,
    kernelWidth,
    strideHeight,
    strideWidth,
    padTop,
    padLeft,
    dilationHeight,
    dilationWidth,
    filters,
    groups,
  };
}

/** Operands of a convolution: pointers, and bytes of one element of the source and of the weights. */
interface Operands {
  readonly src: number;
  readonly weights: number;
  readonly dst: number;
  readonly scale?: number;
  readonly size: number;
}

/** The forward convolution as a gather product. */
export function planForward(shape: ConvolutionShape, operands: Operands): GatherProduct {
  const s = named(shape);
  const { size } = operands;
  const depth = s.channels / s.groups;
  const wFilter = s.kernelHeight * s.kernelWidth * depth * size;
  return {
    images: s.images,
    srcImage: s.height * s.width * s.channels * size,
    dstImage: s.outHeight * s.outWidth * s.filters * 4,
    srcHeight: s.height,
    srcWidth: s.width,
    srcPixel: s.channels * size,
    rows: s.outHeight,
    cols: s.outWidth,
    dstRow: s.outWidth * s.filters * 4,
    dstCol: s.filters * 4,
    stepY: s.strideHeight,
    stepX: s.strideWidth,
    tapsY: s.kernelHeight,
    tapsX: s.kernelWidth,
    offsetY: -s.padTop,
    offsetX: -s.padLeft,
    tapStepY: s.dilationHeight,
    tapStepX: s.dilationWidth,
    depth,
    width: s.filters / s.groups,
    groups: s.groups,
    wFilter,
    wDepth: size,
    wTapY: s.kernelWidth * depth * size,
    wTapX: depth * size,
    wGroup: (s.filters / s.groups) * wFilter,
    src: operands.src,
    weights: operands.weights,
    dst: operands.dst,
    scale: operands.scale ?? 0,
  };
}

/** One phase along one axis: pixels `phase`, `phase + stride`, … of the input, and the taps that read them. */
interface Phase {
  readonly phase: number;
  readonly count: number;
  readonly taps: number;
  /** The first tap, and from one tap to the next: downwards, so that what they read goes upwards. */
  readonly firstTap: number;
  readonly tapStep: number;
  /** Output pixel read by the first tap at the first pixel of the phase, and from one tap to the next. */
  readonly offset: number;
  readonly offsetStep: number;
}

function planPhases(
  size: number,
  axis: { readonly kernel: number; readonly stride: number; readonly pad: number; readonly dilation: number },
): Phase[] {
  const { kernel, stride, pad, dilation } = axis;
  return Array.from({ length: Math.min(stride, size) }, (_, phase) => {
    const reading = Array.from({ length: kernel }, (_unused, i) => kernel - 1 - i).filter(
      (tap) => (phase + pad - tap * dilation) % stride === 0,
    );
    const [firstTap = 0, second = firstTap] = reading;
    return {
      phase,
      count: Math.ceil((size - phase) / stride),
      taps: reading.length,
      firstTap,
      tapStep: second - firstTap,
      offset: (phase + pad - firstTap * dilation) / stride,
      offsetStep: ((firstTap - second) * dilation) / stride,
    };
  }).map((phase) => (phase.taps === 0 ? { ...phase, offset: 0 } : phase));
}

/** The input gradient as gather products, one per phase: their outputs are disjoint and cover the input. */
export function planInputGradient(shape: ConvolutionShape, operands: Operands): GatherProduct[] {
  const s = named(shape);
  const { size } = operands;
  const width = s.channels / s.groups;
  const depth = s.filters / s.groups;
  const tapBytes = width * size;
  const filterBytes = s.kernelHeight * s.kernelWidth * tapBytes;
  const [dstCol, dstRow] = [s.channels * 4, s.width * s.channels * 4];
  const vertical = planPhases(s.height, {
    kernel: s.kernelHeight,
    stride: s.strideHeight,
    pad: s.padTop,
    dilation: s.dilationHeight,
  });
  const horizontal = planPhases(s.width, {
    kernel: s.kernelWidth,
    stride: s.strideWidth,
    pad: s.padLeft,
    dilation: s.dilationWidth,
  });
  return vertical.flatMap((v) =>
    horizontal.map((h) => ({
      images: s.images,
      srcImage: s.outHeight * s.outWidth * s.filters * size,
      dstImage: s.height * dstRow,
      srcHeight: s.outHeight,
      srcWidth: s.outWidth,
      srcPixel: s.filters * size,
      rows: v.count,
      cols: h.count,
      dstRow: dstRow * s.strideHeight,
      dstCol: dstCol * s.strideWidth,
      stepY: 1,
      stepX: 1,
      tapsY: h.taps === 0 ? 0 : v.taps,
      tapsX: v.taps === 0 ? 0 : h.taps,
      offsetY: v.offset,
      offsetX: h.offset,
      tapStepY: v.offsetStep,
      tapStepX: h.offsetStep,
      depth,
      width,
      groups: s.groups,
      wFilter: size,
      wDepth: filterBytes,
      wTapY: v.tapStep * s.kernelWidth * tapBytes,
      wTapX: h.tapStep * tapBytes,
      wGroup: depth * filterBytes,
      src: operands.src,
      weights: operands.weights + (v.firstTap * s.kernelWidth + h.firstTap) * tapBytes,
      dst: operands.dst + v.phase * dstRow + h.phase * dstCol,
      scale: 0,
    })),
  );
}

/** The weight gradient. */
export function planWeightGradient(
  shape: ConvolutionShape,
  { src, gradient, dst, size }: Readonly<Record<'src' | 'gradient' | 'dst' | 'size', number>>,
): WeightGradient {
  const s = named(shape);
  const depth = s.channels / s.groups;
  return {
    images: s.images,
    srcImage: s.height * s.width * s.channels * size,
    srcHeight: s.height,
    srcWidth: s.width,
    srcPixel: s.channels * size,
    rows: s.outHeight,
    cols: s.outWidth,
    gradientPixel: s.filters * size,
    stepY: s.strideHeight,
    stepX: s.strideWidth,
    tapsY: s.kernelHeight,
    tapsX: s.kernelWidth,
    offsetY: -s.padTop,
    offsetX: -s.padLeft,
    tapStepY: s.dilationHeight,
    tapStepX: s.dilationWidth,
    depth,
    width: s.filters / s.groups,
    groups: s.groups,
    wFilter: s.kernelHeight * s.kernelWidth * depth * 4,
    wTapY: s.kernelWidth * depth * 4,
    wTapX: depth * 4,
    src,
    gradient,
    dst,
  };
}

/** A pooling of `size`-byte pixels, or its gradient. */
export function planPooling(
  shape: readonly number[],
  { src, dst, gradient = 0, size }: { readonly src: number; dst: number; gradient?: number; size: number },
): Pooling {
  const [images, height, width, channels, rows, cols, tapsY, tapsX, ...rest] = shape;
  const [stepY, stepX, padTop, padLeft, tapStepY, tapStepX, mode] = rest;
  return {
    images,
    srcImage: height * width * channels * size,
    dstImage: rows * cols * channels * size,
    srcHeight: height,
    srcWidth: width,
    srcPixel: channels * size,
    rows,
    cols,
    dstPixel: channels * size,
    stepY,
    stepX,
    tapsY,
    tapsX,
    offsetY: -padTop,
    offsetX: -padLeft,
    tapStepY,
    tapStepX,
    mode,
    lanes: channels,
    src,
    dst,
    gradient,
  };
}
