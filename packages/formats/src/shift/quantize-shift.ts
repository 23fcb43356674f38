/**
 * ShiftQuant (arXiv 2411.10948): symmetric integers of 2 to 8 bits, one float32 scale per tensor, and per channel of
 * the inner dimension a shift. value = fround(code · s), s = scale · 2^−index of the channel.
 *
 * Rule: scale = fround(amax / qmax) with qmax = 2^(bits−1) − 1, code = round(fround(x / s)) clamped to ±qmax. There is
 * no zero point, so a product of codes needs no correction terms. A scale of 0 gives codes 0.
 */
import { intFormat, type RoundingMode } from '@bitloom/ir';
import { encodeBy } from '../elements/codes.js';
import { encodeIntegers } from '../elements/encode-ranges.js';
import { checkLength, symmetricMaxCode } from '../layouts/group-shape.js';
import { type ChannelMatrix, channelMaxima, channelStrides, checkCodeBits } from './channel-matrix.js';
import { shiftGroupScale, shiftGroups } from './shift-groups.js';

const f = Math.fround;

/** How values are rounded to codes. */
export interface ShiftRounding {
  /** Default nearest-even. */
  readonly rounding?: RoundingMode;
  /** Stochastic rounding: element i of the matrix takes word i of this stream of this seed. Both default to 0. */
  readonly seed?: number;
  readonly stream?: number;
}

export interface ShiftOptions extends ChannelMatrix, ShiftRounding {
  /** 2 to 8. */
  readonly bits: number;
  /** 1 to 256. */
  readonly groups: number;
}

/** A matrix quantised by ShiftQuant. */
export interface ShiftTensor {
  readonly rows: number;
  readonly cols: number;
  /** Inner dimension. */
  readonly axis: 0 | 1;
  readonly bits: number;
  readonly groups: number;
  /** [rows, cols] row-major, −qmax to qmax. */
  readonly codes: Int8Array;
  /** Group of each channel; its scale is `scale` · 2^−index. */
  readonly index: Uint8Array;
  /** Scale of group 0, a float32. */
  readonly scale: number;
}

/**
 * Quantises a matrix.
 *
 * @param values [rows, cols] row-major.
 * @throws BitloomError `quantize-not-finite`, `format-length`, `format-shape`, `shift-option`, `format-rounding-unknown`
 */
export function quantizeShift(values: Float32Array, options: ShiftOptions): ShiftTensor {
  const { rows, cols, axis = 1, bits, groups } = options;
  checkCodeBits(bits);
  const { index, largest } = shiftGroups(channelMaxima(values, options), groups);
  const scale = f(largest / symmetricMaxCode(bits));
  const scales = Float32Array.from(index, (group) => shiftGroupScale(scale, group));
  const codes = quantizeChannels(values, options, scales, bits, options);
  return { rows, cols, axis, bits, groups, codes, index, scale };
}

/**
 * Codes under one scale per channel, however it was chosen.
 *
 * @param values [rows, cols] row-major.
 * @param scales Scale of each channel; 0 gives codes 0.
 * @throws BitloomError `format-length`, `format-shape`, `shift-option`, `format-rounding-unknown`
 */
export function quantizeChannels(
  values: Float32Array,
  matrix: ChannelMatrix,
  scales: Float32Array,
  bits: number,
  options: ShiftRounding = {},
): Int8Array {
  checkCodeBits(bits);
  const { channels } = channelStrides(matrix);
  const { rows, cols, axis = 1 } = matrix;
  checkLength('values', values.length, rows * cols);
  checkLength('channel scales', scales.length, channels);
  const maxCode = symmetricMaxCode(bits);
  const scaled = new Float32Array(values.length);
  for (let row = 0, at = 0; at < values.length; row += 1) {
    for (let col = 0; col < cols; col += 1, at += 1) {
      const scale = scales[axis === 1 ? col : row];
      const quotient = scale === 0 ? 0 : f(values[at] / scale);
      // Clamped before rounding: a subnormal scale may lie far below amax / qmax.
      scaled[at] = Math.max(-maxCode, Math.min(maxCode, quotient));
    }
  }
  const { rounding = 'nearest-even', seed = 0, stream = 0 } = options;
  const unsigned = encodeBy(encodeIntegers, scaled, intFormat(bits), { rounding, seed, stream });
  const signShift = 32 - bits;
  const out = new Int8Array(unsigned.length);
  for (let i = 0; i < out.length; i += 1) out[i] = (unsigned[i] << signShift) >> signShift;
  return out;
}

/**
 * The float32 values of codes under one scale per channel, [rows, cols]: fround(code · scale).
 *
 * @throws BitloomError `format-length`, `format-shape`, `shift-option`
 */
export function dequantizeChannels(
  codes: Int8Array,
  matrix: ChannelMatrix,
  scales: Float32Array,
): Float32Array<ArrayBuffer> {
  const { channels } = channelStrides(matrix);
  const { rows, cols, axis = 1 } = matrix;
  checkLength('codes', codes.length, rows * cols);
  checkLength('channel scales', scales.length, channels);
  const out = new Float32Array(codes.length);
  for (let row = 0, at = 0; at < codes.length; row += 1) {
    for (let col = 0; col < cols; col += 1, at += 1) out[at] = codes[at] * scales[axis === 1 ? col : row];
  }
  return out;
}

/**
 * The float32 values of a quantised matrix, [rows, cols].
 *
 * @throws BitloomError `format-length`, `format-shape`, `shift-option`
 */
export function dequantizeShift(tensor: ShiftTensor): Float32Array<ArrayBuffer> {
  const scales = Float32Array.from(tensor.index, (group) => shiftGroupScale(tensor.scale, group));
  return dequantizeChannels(tensor.codes, tensor, scales);
}
