/**
 * The quantisation operators of ONNX (QuantizeLinear and DequantizeLinear of operator set 25, DynamicQuantizeLinear of
 * 11) on row-major arrays: per tensor, per axis or blocked, with a zero point of any integer format. They are what an
 * imported ONNX graph means; schemes of bitloom's own go through `quantize`.
 */
import { BitloomError, type ElementFormat, FP32, uintFormat } from '@bitloom/ir';
import { type CodeArray, decode, decodePlainly, encodeNearestBy, newCodes } from '../elements/codes.js';
import { formatRange } from '../elements/element-formats.js';
import { encodeToNearest } from '../elements/encode-ranges.js';
import { checkLength } from '../layouts/group-shape.js';
import { roundToInteger } from '../rounding/rounding.js';

/** Which elements share a scale and a zero point, and what these are. */
export interface LinearQuantization {
  /** Shape of the tensor, row-major. */
  readonly shape: readonly number[];
  /** Format of the codes. */
  readonly format: ElementFormat;
  /**
   * One scale for the tensor; or one per index of `axis`; or, with a block size, the shape of the tensor with
   * ceil(length of axis / blockSize) in place of that length.
   */
  readonly scale: Float32Array;
  /** Codes of `format`, as many as scales. Floats allow zeros only. */
  readonly zeroPoint?: ArrayLike<number>;
  /** Negative axes count from the end. Default 1. */
  readonly axis?: number;
  /** Elements along the axis that share a scale; 0, the default, is per tensor or per axis. */
  readonly blockSize?: number;
  /**
   * The float format of scales, real values and the arithmetic on them. Default fp32; with fp16 or bf16 each result
   * is rounded to it.
   */
  readonly precision?: ElementFormat;
}

/**
 * Codes [shape]: saturate(rne(value / scale) + zeroPoint) for integers; value / scale encoded to nearest even for floats.
 * The quotient is rounded to `precision` first.
 *
 * @param values Row-major, of `shape`.
 * @param saturate Whether 8-bit floats saturate, or overflow to infinity or NaN; default `true`.
 * @throws BitloomError `format-length`, `linear-axis`, `linear-zero-point`, `element-nan` naming the element.
 */
export function quantizeLinear(
  values: Float32Array,
  quantization: LinearQuantization,
  saturate = true,
): CodeArray {
  const { format, scale, precision = FP32 } = quantization;
  const zeros = zeroPoints(quantization);
  const quotients = new Float32Array(values.length);
  forRuns(values.length, quantization, (start, end, index) => {
    for (let i = start; i < end; i += 1) quotients[i] = values[i] / scale[index];
  });
  roundTo(quotients, precision);
  if (format.kind !== 'int') {
    // A zero point of a float is a zero, and all that adding it does is to turn −0 into 0.
    if (quantization.zeroPoint !== undefined) {
      forRuns(values.length, quantization, (start, end, index) => {
        for (let i = start; i < end; i += 1) quotients[i] += zeros[index];
      });
    }
    return encodeNearestBy(encodeToNearest, quotients, format, { saturate });
  }
  const codes = newCodes(format, values.length);
  const { min, max } = formatRange(format);
  const modulus = 2 ** format.bits;
  forRuns(values.length, quantization, (start, end, index) => {
    for (let i = start; i < end; i += 1) {
      if (Number.isNaN(quotients[i])) throw quotientError(format, i, values[i], scale[index]);
      const sum = roundToInteger(quotients[i], 'nearest-even') + zeros[index];
      const code = Math.min(Math.max(sum, min), max);
      codes[i] = code < 0 ? code + modulus : code;
    }
  });
  return codes;
}

/**
 * Values [shape]: (code − zeroPoint) · scale, in float32 and then rounded to `precision`.
 *
 * @param codes One code per element, row-major, of `shape`.
 * @throws BitloomError `format-length`, `linear-axis`, `linear-zero-point`, `element-code` naming the element.
 */
export function dequantizeLinear(codes: ArrayLike<number>, quantization: LinearQuantization): Float32Array {
  const { format, scale, precision = FP32 } = quantization;
  const zeros = zeroPoints(quantization);
  const values = decode(codes, format);
  forRuns(values.length, quantization, (start, end, index) => {
    for (let i = start; i < end; i += 1) values[i] = Math.fround(values[i] - zeros[index]) * scale[index];
  });
  return roundTo(values, precision);
}

/** What {@link dynamicQuantizeLinear} gives. */
export interface DynamicallyQuantized {
  /** uint8 codes, in the order of the values. */
  readonly codes: Uint8Array;
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * uint8 codes with the scale (max − min) / 255 over a range that holds zero, and zero point rne(−min / scale); float32
 * throughout. Values that are all zero have scale 1 and zero point 0.
 *
 * @throws BitloomError `quantize-not-finite`.
 */
export function dynamicQuantizeLinear(values: Float32Array): DynamicallyQuantized {
  let min = 0;
  let max = 0;
  for (let i = 0; i < values.length; i += 1) {
    if (!Number.isFinite(values[i])) throw notFinite(values[i], i);
    min = Math.min(min, values[i]);
    max = Math.max(max, values[i]);
  }
  const scale = Math.fround(Math.fround(max - min) / 255) || 1;
  if (!Number.isFinite(scale)) throw notFinite(scale);
  const format = uintFormat(8);
  const zeroPoint = Math.min(roundToInteger(Math.fround(-min / scale), 'nearest-even') + 0, 255);
  const codes = quantizeLinear(values, {
    shape: [values.length],
    format,
    scale: Float32Array.of(scale),
    zeroPoint: [zeroPoint],
    axis: 0,
  });
  return { codes: Uint8Array.from(codes), scale, zeroPoint };
}

/** Visits runs of neighbours that share the scale `index`. */
function forRuns(
  length: number,
  { shape, scale, axis = 1, blockSize = 0 }: LinearQuantization,
  visit: (start: number, end: number, index: number) => void,
): void {
  const elements = shape.reduce((product, size) => product * size, 1);
  checkLength('values', length, elements);
  if (blockSize === 0 && scale.length === 1) {
    visit(0, length, 0);
    return;
  }
  const at = axis < 0 ? axis + shape.length : axis;
  if (
    !(Number.isInteger(at) && at >= 0 && at < shape.length && Number.isInteger(blockSize) && blockSize >= 0)
  ) {
    throw new BitloomError({
      code: 'linear-axis',
      message: 'the axis of quantisation is not an axis of the tensor',
      expected: `axis from ${-shape.length} to ${shape.length - 1}, block size from 0`,
      got: `axis ${axis}, block size ${blockSize}`,
    });
  }
  const size = shape[at];
  const inner = shape.slice(at + 1).reduce((product, next) => product * next, 1);
  const outer = shape.slice(0, at).reduce((product, next) => product * next, 1);
  const blocks = blockSize === 0 ? size : Math.ceil(size / blockSize);
  checkLength('scales', scale.length, blockSize === 0 ? size : outer * blocks * inner);
  for (let o = 0; o < outer; o += 1) {
    for (let a = 0; a < size; a += 1) {
      const start = (o * size + a) * inner;
      if (blockSize === 0) {
        visit(start, start + inner, a);
        continue;
      }
      // Blocked: neighbours along the inner axes have scales of their own.
      const first = (o * blocks + Math.floor(a / blockSize)) * inner;
      for (let i = 0; i < inner; i += 1) visit(start + i, start + i + 1, first + i);
    }
  }
}

/** Values of the zero points, one per scale. */
function zeroPoints({ format, scale, zeroPoint }: LinearQuantization): Float32Array {
  if (zeroPoint === undefined) return new Float32Array(scale.length);
  checkLength('zero points', zeroPoint.length, scale.length);
  const zeros = decodePlainly(zeroPoint, format);
  const bad = format.kind === 'int' ? -1 : zeros.findIndex((value) => value !== 0);
  if (bad >= 0) {
    throw new BitloomError({
      code: 'linear-zero-point',
      message: `the zero point of a tensor in ${format.name} is not zero`,
      where: `zero point ${bad}`,
      expected: '0',
      got: String(zeros[bad]),
    });
  }
  return zeros;
}

/** Rounds every value to `precision`, in place. */
function roundTo(values: Float32Array, precision: ElementFormat): Float32Array {
  if (precision.bits === 32) return values;
  const codes = encodeNearestBy(encodeToNearest, values, precision, { saturate: false });
  return decodePlainly(codes, precision, values);
}

/** A quotient is NaN when the value is, and for 0 / 0 and infinity / infinity. */
function quotientError(format: ElementFormat, i: number, value: number, scale: number): BitloomError {
  return new BitloomError({
    code: 'element-nan',
    message: `a NaN cannot be encoded: the format ${format.name} has none`,
    where: `element ${i}`,
    expected: 'a number, or an infinity',
    got: `${value} / ${scale}`,
    hint: 'a scale must be positive and finite, and the values numbers',
  });
}

function notFinite(value: number, index?: number): BitloomError {
  return new BitloomError({
    code: 'quantize-not-finite',
    message: 'a value to quantise is not finite',
    where: index === undefined ? 'the range of the values' : `element ${index}`,
    expected: 'a finite float32',
    got: String(value),
    hint: 'the checkpoint is damaged or was stored after an overflow; check the tensor before quantising',
  });
}
