/**
 * The groups of ShiftQuant (arXiv 2411.10948): channels of one operand by the power of two that their range lies
 * under, so that group scales differ by shifts. Thresholds follow from the largest channel alone; the optimal ones,
 * with which they are compared, are in `optimal-groups.ts`.
 */
import { checkChannelMaxima, checkGroupCount } from './channel-matrix.js';

export interface ShiftGroups {
  /** Group of each channel, 0 the one with the largest range. */
  readonly index: Uint8Array;
  /** Largest of the channel maxima. */
  readonly largest: number;
}

/**
 * The group of each channel: with r the largest maximum, group g holds the channels whose maximum is at most r / 2^g,
 * for the largest such g below `groups`. Channels of zeros are in the last group. Group 0 may be the only one that has
 * channels; the others may be empty.
 *
 * @param channelMax Largest magnitude of each channel, not negative.
 * @param groups 1 to 256.
 * @throws BitloomError `shift-option`, `quantize-not-finite`
 */
export function shiftGroups(channelMax: Float32Array, groups: number): ShiftGroups {
  checkGroupCount(groups);
  checkChannelMaxima(channelMax);
  const largest = channelMax.reduce((most, max) => Math.max(most, max), 0);
  const index = new Uint8Array(channelMax.length);
  for (let channel = 0; channel < channelMax.length; channel += 1) {
    index[channel] = largest === 0 ? groups - 1 : shiftGroup(channelMax[channel], largest, groups);
  }
  return { index, largest };
}

/** Exact: a float32 times 2^256 is a float64 without rounding. */
function shiftGroup(max: number, largest: number, groups: number): number {
  let group = 0;
  while (group < groups - 1 && max * 2 ** (group + 1) <= largest) group += 1;
  return group;
}

/**
 * Scale of the channels of a group, one float32: scale · 2^−group, exact unless it is subnormal.
 *
 * @param scale Scale of group 0.
 */
export function shiftGroupScale(scale: number, group: number): number {
  return Math.fround(scale * 2 ** -group);
}
