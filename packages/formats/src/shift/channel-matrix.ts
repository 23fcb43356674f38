/**
 * A matrix seen as channels along the inner dimension of a product, the axis that the product sums over. Which axis
 * of the row-major matrix that is differs between a forward product and the two of the backward pass, so it is said.
 */
import { BitloomError } from '@bitloom/ir';
import { checkLength } from '../layouts/group-shape.js';
import { requireBlocks } from '../tensor.js';

export interface ChannelMatrix {
  readonly rows: number;
  readonly cols: number;
  /** Inner dimension: 1, each column is a channel (the default); 0, each row is one. */
  readonly axis?: 0 | 1;
}

/** A channel matrix by counts and strides: element (outer o, channel k) lies at o · outerStride + k · channelStride. */
export interface ChannelStrides {
  readonly outer: number;
  readonly channels: number;
  readonly outerStride: number;
  readonly channelStride: number;
}

/**
 * @throws BitloomError `shift-option` for rows, columns or an axis that no matrix has; `format-shape` for more channels
 *   than there may be without elements
 */
export function channelStrides({ rows, cols, axis = 1 }: ChannelMatrix): ChannelStrides {
  for (const [name, size] of [
    ['rows', rows],
    ['cols', cols],
  ] as const) {
    if (!Number.isSafeInteger(size) || size < 0) throw shiftOptionError(name, 'a whole number', size);
  }
  requireBlocks(axis === 0 ? rows : cols, rows * cols, [rows, cols], 'channels');
  if (axis === 1) return { outer: rows, channels: cols, outerStride: cols, channelStride: 1 };
  if (axis === 0) return { outer: cols, channels: rows, outerStride: 1, channelStride: cols };
  throw shiftOptionError('axis', '0 or 1', axis);
}

/** An option of a channel quantiser that is out of range. */
export function shiftOptionError(where: string, expected: string, got: unknown): BitloomError {
  return new BitloomError({
    code: 'shift-option',
    message: 'a channel-grouped quantiser cannot work with this option',
    where,
    expected,
    got: String(got),
  });
}

/** @throws BitloomError `shift-option` unless there are 1 to 256 groups: an index is one byte */
export function checkGroupCount(groups: number): void {
  if (Number.isInteger(groups) && groups >= 1 && groups <= 256) return;
  throw shiftOptionError('groups', 'an integer from 1 to 256', groups);
}

/** @throws BitloomError `shift-option` unless codes have 2 to 8 bits */
export function checkCodeBits(bits: number): void {
  if (Number.isInteger(bits) && bits >= 2 && bits <= 8) return;
  throw shiftOptionError('bits', 'an integer from 2 to 8', bits);
}

/** @throws BitloomError `quantize-not-finite` for a NaN or an infinity: no range holds it */
export function requireFinite(value: number, where: string): void {
  if (Number.isFinite(value)) return;
  throw new BitloomError({
    code: 'quantize-not-finite',
    message: 'a value to quantise is not finite',
    where,
    expected: 'a finite float32',
    got: String(value),
    hint: 'find where it comes from: an overflow in the step before, or a damaged checkpoint',
  });
}

/** @throws BitloomError `quantize-not-finite`, `shift-option` unless each maximum is the magnitude of finite values */
export function checkChannelMaxima(channelMax: Float32Array): void {
  for (let channel = 0; channel < channelMax.length; channel += 1) {
    requireFinite(channelMax[channel], `maximum of channel ${channel}`);
    if (channelMax[channel] < 0) {
      throw shiftOptionError(`maximum of channel ${channel}`, 'a magnitude', channelMax[channel]);
    }
  }
}

/**
 * Largest magnitude of each channel.
 *
 * @param values [rows, cols] row-major.
 * @throws BitloomError `quantize-not-finite`, `format-length`, `format-shape`, `shift-option`
 */
export function channelMaxima(values: Float32Array, matrix: ChannelMatrix): Float32Array {
  const { axis = 1 } = matrix;
  const { channels } = channelStrides(matrix);
  const { rows, cols } = matrix;
  checkLength('values', values.length, rows * cols);
  const maxima = new Float32Array(channels);
  // Ends with the values, however many empty rows there are.
  for (let row = 0, at = 0; at < values.length; row += 1) {
    for (let col = 0; col < cols; col += 1, at += 1) {
      const magnitude = Math.abs(values[at]);
      const channel = axis === 1 ? col : row;
      // Also true for a NaN, which must not pass unseen.
      if (!(magnitude <= maxima[channel])) {
        requireFinite(values[at], `element [${row}, ${col}]`);
        maxima[channel] = magnitude;
      }
    }
  }
  return maxima;
}
