/**
 * Nearest value of a code book. A code book has no grid, so each rounding mode says what it means here; part of the
 * definition in `encode-element.ts`.
 */
import type { ElementFormat, RoundingMode } from '@bitloom/ir';
import type { RoundsAway } from '../rounding/rounding.js';
import { isStochastic } from '../rounding/stochastic.js';

/**
 * The code of `value` (not NaN). Past the ends it is the end; between two neighbours, by mode:
 *
 * - `nearest-even`, `nearest-away`: the nearer one; at a tie the one of smaller magnitude (`nearest-even`: a code book
 *   has no even values, and ternary then rounds as integers do) or of larger magnitude (`nearest-away`).
 * - `toward-negative`, `toward-positive`: the lower, the higher one. `toward-zero`: the one of smaller magnitude.
 * - `to-odd`: the one with the odd code; where both or neither are odd, the one of larger magnitude.
 * - the stochastic modes: away from the neighbour on the side of zero, in proportion to the distance.
 *
 * Where neighbours have the same magnitude, the sign of the value decides, and zero counts as positive. Of codes with
 * equal values the lowest is taken.
 *
 * @param away The mode as a function.
 */
export function encodeCodebook(
  value: number,
  format: ElementFormat,
  mode: RoundingMode,
  away: RoundsAway,
): number {
  const values = format.values ?? [];
  let low = -1;
  let high = -1;
  for (let code = 0; code < values.length; code += 1) {
    if (values[code] <= value && (low < 0 || values[code] > values[low])) low = code;
    if (values[code] >= value && (high < 0 || values[code] < values[high])) high = code;
  }
  if (low < 0) return high;
  if (high < 0 || values[low] === values[high]) return low;
  const near = value < 0 ? high : low;
  const far = value < 0 ? low : high;
  const below = value - values[low];
  const above = values[high] - value;
  if (isStochastic(mode)) {
    const fraction = (value < 0 ? above : below) / (values[high] - values[low]);
    return away(false, fraction, value < 0) ? far : near;
  }
  // By magnitude; of equal magnitudes the one with the sign of the value is on either side.
  const equal = Math.abs(values[low]) === Math.abs(values[high]);
  const smaller = equal ? far : Math.abs(values[low]) < Math.abs(values[high]) ? low : high;
  const larger = equal || smaller === low ? (equal ? far : high) : low;
  if (mode === 'toward-negative') return low;
  if (mode === 'toward-positive') return high;
  if (mode === 'toward-zero') return smaller;
  if (mode === 'to-odd') return low % 2 === high % 2 ? larger : low % 2 === 1 ? low : high;
  if (below !== above) return below < above ? low : high;
  return away(false, 0.5, value < 0) ? larger : smaller;
}
