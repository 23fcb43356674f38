/**
 * The searches by which GGML chooses the scale of a small group of values: a few candidates around the obvious one,
 * each followed by a least-squares fit for the codes it gives. Bit-exact: every float32 operation of the C code is
 * one rounding here, in the same order. No importance matrix; the weights are functions of the values.
 * Source of the rules: ggml `make_qkx2_quants`, `make_qx_quants`, `make_q3_quants`.
 */
import type { EncodeScratch } from './block-format.js';
import { nearestInt } from './c-conversions.js';

const f = Math.fround;

/** Below this magnitude a group counts as zero. */
export const GROUP_EPSILON: number = 1.0000000036274937e-15;

const TENTH = 0.10000000149011612;

/** Candidates of {@link fitScaleAndMinimum}: maxCode + first, then in steps of 0.1, `steps` + 1 of them. */
export interface RangeSearch {
  readonly groupSize: number;
  readonly maxCode: number;
  readonly first: number;
  readonly steps: number;
  /**
   * Whether errors count by magnitude, weighted by the values' magnitudes; else by square, weighted by magnitude plus
   * the root mean square of the group, which has 32 values then.
   */
  readonly absolute: boolean;
}

/** Weights of the values of a group. */
function weigh(
  values: Float32Array,
  start: number,
  { groupSize, absolute }: RangeSearch,
  out: Float32Array,
): void {
  let mean = 0;
  if (!absolute) {
    for (let i = start; i < start + groupSize; i += 1) mean = f(mean + f(values[i] * values[i]));
    mean = f(Math.sqrt(f(mean / 32)));
  }
  for (let i = 0; i < groupSize; i += 1) out[i] = f(mean + Math.abs(values[start + i]));
}

/** {@link fitScaleAndMinimum} for the groups of a block. */
export function fitRanges(
  values: Float32Array,
  from: number,
  groups: number,
  search: RangeSearch,
  scratch: EncodeScratch,
): void {
  const together = scratch.search();
  if (together !== undefined) together.ranges(values, from, groups, search, scratch);
  else
    for (let group = 0; group < groups; group += 1) fitScaleAndMinimum(values, from, group, search, scratch);
}

/**
 * Fits value = scale · code − minimum, code 0..maxCode, to group `group` of a block that begins at `from`. Leaves codes, scale and minimum in `scratch`. The minimum is never negative: a group of
 * positive values starts at 0.
 */
function fitScaleAndMinimum(
  values: Float32Array,
  from: number,
  group: number,
  search: RangeSearch,
  scratch: EncodeScratch,
): void {
  const { groupSize, maxCode, first, steps, absolute } = search;
  const { weights, trial, codes } = scratch;
  const start = from + group * groupSize;
  const codesAt = group * groupSize;
  weigh(values, start, search, weights);
  let low = values[start];
  let high = values[start];
  let sumW = weights[0];
  let sumX = f(sumW * values[start]);
  for (let i = 1; i < groupSize; i += 1) {
    const x = values[start + i];
    if (x < low) low = x;
    if (x > high) high = x;
    sumW = f(sumW + weights[i]);
    sumX = f(sumX + f(weights[i] * x));
  }
  if (low > 0) low = 0;
  if (high === low) {
    codes.fill(0, codesAt, codesAt + groupSize);
    scratch.minimums[group] = -low;
    scratch.scales[group] = 0;
    return;
  }
  let inverse = f(maxCode / f(high - low));
  let scale = f(1 / inverse);
  let bestError = 0;
  for (let i = 0; i < groupSize; i += 1) {
    const x = values[start + i];
    const code = clamp(nearestInt(f(inverse * f(x - low))), 0, maxCode);
    codes[codesAt + i] = code;
    const miss = f(f(f(scale * code) + low) - x);
    bestError = f(bestError + f(weights[i] * (absolute ? Math.abs(miss) : f(miss * miss))));
  }
  for (let step = 0; step <= steps; step += 1) {
    // The low end is that of the best fit so far, the high end stays.
    inverse = f(f(f(first + f(TENTH * step)) + maxCode) / f(high - low));
    let sumL = 0;
    let sumL2 = 0;
    let sumXL = 0;
    for (let i = 0; i < groupSize; i += 1) {
      const x = values[start + i];
      const code = clamp(nearestInt(f(inverse * f(x - low))), 0, maxCode);
      trial[i] = code;
      const wl = f(weights[i] * code);
      sumL = f(sumL + wl);
      sumL2 = f(sumL2 + f(wl * code));
      sumXL = f(sumXL + f(wl * x));
    }
    const determinant = f(f(sumW * sumL2) - f(sumL * sumL));
    if (!(determinant > 0)) continue;
    let fitScale = f(f(f(sumW * sumXL) - f(sumX * sumL)) / determinant);
    let fitLow = f(f(f(sumL2 * sumX) - f(sumL * sumXL)) / determinant);
    if (fitLow > 0) {
      fitLow = 0;
      fitScale = f(sumXL / sumL2);
    }
    let error = 0;
    for (let i = 0; i < groupSize; i += 1) {
      const miss = f(f(f(fitScale * trial[i]) + fitLow) - values[start + i]);
      error = f(error + f(weights[i] * (absolute ? Math.abs(miss) : f(miss * miss))));
    }
    if (error < bestError) {
      for (let i = 0; i < groupSize; i += 1) codes[codesAt + i] = trial[i];
      bestError = error;
      scale = fitScale;
      low = fitLow;
    }
  }
  scratch.minimums[group] = -low;
  scratch.scales[group] = scale;
}

/** The first of the 16 values from `from` whose magnitude is largest, or 0 when the group counts as zero. */
function extremeOf16(values: Float32Array, from: number): number {
  let extreme = 0;
  let magnitude = 0;
  for (let i = from; i < from + 16; i += 1) {
    const size = Math.abs(values[i]);
    if (size > magnitude) {
      magnitude = size;
      extreme = values[i];
    }
  }
  return magnitude < GROUP_EPSILON ? 0 : extreme;
}

/** {@link fitSymmetric} for 16 groups of a block. */
export function fitSymmetricGroups(
  values: Float32Array,
  from: number,
  half: number,
  scratch: EncodeScratch,
): void {
  const together = scratch.search();
  if (together !== undefined) {
    together.symmetric(values, from, half, scratch);
    return;
  }
  for (let group = 0; group < 16; group += 1) {
    scratch.scales[group] = fitSymmetric(values, from + 16 * group, half, scratch.codes, 16 * group);
  }
}

/**
 * Fits value = scale · (code − half), code 0..2·half − 1, to the 16 values from `from`, each weighted by its square:
 * the scale that takes the extreme to −half, and 18 candidates around it. Leaves codes from `codesAt`; gives the
 * scale, which may be negative.
 */
function fitSymmetric(
  values: Float32Array,
  from: number,
  half: number,
  codes: Int8Array,
  codesAt: number,
): number {
  const extreme = extremeOf16(values, from);
  if (extreme === 0) {
    codes.fill(0, codesAt, codesAt + 16);
    return 0;
  }
  let scale = 0;
  let best = 0;
  for (let candidate = 0; candidate <= 18; candidate += 1) {
    // −half first, then −(half − 0.9) .. −(half + 0.9) in tenths without 0.
    const offset = candidate === 0 ? 0 : candidate - (candidate <= 9 ? 10 : 9);
    const inverse = f(-f(half + f(TENTH * offset)) / extreme);
    let sumLX = 0;
    let sumL2 = 0;
    for (let i = 0; i < 16; i += 1) {
      const x = values[from + i];
      const level = clamp(nearestInt(f(inverse * x)), -half, half - 1);
      const w = f(x * x);
      sumLX = f(sumLX + f(f(w * x) * level));
      sumL2 = f(sumL2 + f(f(w * level) * level));
    }
    const better = candidate === 0 || (sumL2 > 0 && f(sumLX * sumLX) > f(best * sumL2));
    if (!better) continue;
    for (let i = 0; i < 16; i += 1) {
      codes[codesAt + i] = half + clamp(nearestInt(f(inverse * values[from + i])), -half, half - 1);
    }
    scale = sumL2 === 0 ? 0 : f(sumLX / sumL2);
    best = f(scale * sumLX);
  }
  return scale;
}

/**
 * As {@link fitSymmetric}, but by moving one code after another as long as that fits better, in at most five rounds.
 */
export function refineSymmetric(
  values: Float32Array,
  from: number,
  half: number,
  codes: Int8Array,
  codesAt: number,
): number {
  const extreme = extremeOf16(values, from);
  if (extreme === 0) {
    codes.fill(0, codesAt, codesAt + 16);
    return 0;
  }
  const inverse = f(-half / extreme);
  let sumLX = 0;
  let sumL2 = 0;
  for (let i = 0; i < 16; i += 1) {
    const x = values[from + i];
    const level = clamp(nearestInt(f(inverse * x)), -half, half - 1);
    codes[codesAt + i] = level;
    const w = f(x * x);
    sumLX = f(sumLX + f(f(w * x) * level));
    sumL2 = f(sumL2 + f(f(w * level) * level));
  }
  for (let round = 0; round < 5; round += 1) {
    let changed = false;
    for (let i = 0; i < 16; i += 1) {
      const x = values[from + i];
      const level = codes[codesAt + i];
      const w = f(x * x);
      let otherLX = f(sumLX - f(f(w * x) * level));
      if (!(otherLX > 0)) continue;
      let otherL2 = f(sumL2 - f(f(w * level) * level));
      const moved = clamp(nearestInt(f(f(x * otherL2) / otherLX)), -half, half - 1);
      if (moved === level) continue;
      otherLX = f(otherLX + f(f(w * x) * moved));
      otherL2 = f(otherL2 + f(f(w * moved) * moved));
      if (otherL2 > 0 && f(f(otherLX * otherLX) * sumL2) > f(f(sumLX * sumLX) * otherL2)) {
        codes[codesAt + i] = moved;
        sumLX = otherLX;
        sumL2 = otherL2;
        changed = true;
      }
    }
    if (!changed) break;
  }
  for (let i = 0; i < 16; i += 1) codes[codesAt + i] += half;
  return sumL2 > 0 ? f(sumLX / sumL2) : 0;
}

/** `value` held between two integers. */
export function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}
