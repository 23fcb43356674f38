/**
 * How far ShiftQuant lies from the best that groups of channels can do: by the objective of `optimal-groups.ts`, and by
 * the squared error measured on data. The analysis is in docs/design/0005-shiftquant.md.
 */
import { symmetricMaxCode } from '../layouts/group-shape.js';
import { type ChannelMatrix, channelMaxima } from './channel-matrix.js';
import { optimalChannelGroups } from './optimal-groups.js';
import { dequantizeChannels, quantizeChannels, type ShiftRounding } from './quantize-shift.js';
import { shiftGroupScale, shiftGroups } from './shift-groups.js';

/** Values of the objective Σ over channels of (range of its group)². */
export interface ShiftDistance {
  readonly shift: number;
  /** The bound: free thresholds, as many groups. */
  readonly optimal: number;
  /** A group per channel: what no number of groups goes below. */
  readonly perChannel: number;
  /** shift / optimal, at least 1; 1 where all is zero. */
  readonly ratio: number;
  /** What the ratio is always below, whatever the maxima: 4 + channels of the last group / 4^(groups−1). */
  readonly guarantee: number;
}

/**
 * ShiftQuant against the bound of group quantisation with as many groups.
 *
 * @param channelMax Largest magnitude of each channel, not negative.
 * @param groups 1 to 256.
 * @throws BitloomError `shift-option`, `quantize-not-finite`
 */
export function shiftQuantDistance(channelMax: Float32Array, groups: number): ShiftDistance {
  const { index, largest } = shiftGroups(channelMax, groups);
  const { objective: optimal } = optimalChannelGroups(channelMax, groups);
  let shift = 0;
  let perChannel = 0;
  let last = 0;
  for (let channel = 0; channel < channelMax.length; channel += 1) {
    shift += (largest * 2 ** -index[channel]) ** 2;
    perChannel += channelMax[channel] ** 2;
    if (index[channel] === groups - 1) last += 1;
  }
  return {
    shift,
    optimal,
    perChannel,
    ratio: quotient(shift, optimal),
    guarantee: 4 + last * 4 ** -(groups - 1),
  };
}

/** Mean squared errors on data, and the distance by the objective. */
export interface MeasuredShiftDistance extends ShiftDistance {
  readonly shiftError: number;
  readonly optimalError: number;
  /** Error of one scale for the whole tensor, which both are to beat. */
  readonly tensorError: number;
  /** shiftError / optimalError; 1 where both are zero. */
  readonly errorRatio: number;
}

/**
 * The same, with both quantisers run on values.
 *
 * @param values [rows, cols] row-major.
 * @throws BitloomError `shift-option`, `quantize-not-finite`, `format-length`, `format-rounding-unknown`
 */
export function measureShiftDistance(
  values: Float32Array,
  options: ChannelMatrix & ShiftRounding & { readonly bits: number; readonly groups: number },
): MeasuredShiftDistance {
  const { bits, groups } = options;
  const maxima = channelMaxima(values, options);
  const maxCode = symmetricMaxCode(bits);
  const shift = shiftGroups(maxima, groups);
  const optimal = optimalChannelGroups(maxima, groups);
  const tensorScale = Math.fround(shift.largest / maxCode);
  const errorUnder = (scaleOf: (channel: number) => number): number => {
    const scales = Float32Array.from({ length: maxima.length }, (_, channel) => scaleOf(channel));
    const codes = quantizeChannels(values, options, scales, bits, options);
    return meanSquaredError(values, dequantizeChannels(codes, options, scales));
  };
  const shiftError = errorUnder((channel) => shiftGroupScale(tensorScale, shift.index[channel]));
  const optimalError = errorUnder((channel) => optimal.ranges[optimal.index[channel]] / maxCode);
  return {
    ...shiftQuantDistance(maxima, groups),
    shiftError,
    optimalError,
    tensorError: errorUnder(() => tensorScale),
    errorRatio: quotient(shiftError, optimalError),
  };
}

/** A matrix to measure on. */
export interface ShiftDistanceData extends ChannelMatrix {
  readonly name: string;
  readonly values: Float32Array;
}

/** A line of the table of distances. */
export interface ShiftDistanceRow extends MeasuredShiftDistance {
  readonly name: string;
  readonly bits: number;
  readonly groups: number;
}

/**
 * Distances of every data set at every width and number of groups, in that order, rounding to nearest even.
 *
 * @throws BitloomError `shift-option`, `quantize-not-finite`, `format-length`
 */
export function shiftDistanceTable(
  data: readonly ShiftDistanceData[],
  widths: readonly number[],
  groupCounts: readonly number[],
): ShiftDistanceRow[] {
  return data.flatMap(({ name, values, ...matrix }) =>
    widths.flatMap((bits) =>
      groupCounts.map((groups) => ({
        name,
        bits,
        groups,
        ...measureShiftDistance(values, { ...matrix, bits, groups }),
      })),
    ),
  );
}

function quotient(numerator: number, denominator: number): number {
  return numerator === denominator ? 1 : numerator / denominator;
}

function meanSquaredError(reference: Float32Array, actual: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < reference.length; i += 1) sum += (actual[i] - reference[i]) ** 2;
  return reference.length === 0 ? 0 : sum / reference.length;
}
