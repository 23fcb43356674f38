/**
 * The group quantiser that ShiftQuant is measured against: channels in G groups of free thresholds, each group with
 * the scale that its largest channel asks for, the thresholds chosen so that no others are better.
 *
 * The objective is Σ over channels of (range of its group)². A uniform quantiser of step s errs by s²/12 per element
 * when it rounds to nearest (s²/6 on average when it rounds stochastically), s is the range of the group over qmax,
 * and every channel has as many elements as the next; so the objective is the squared error up to a constant. Only
 * partitions into ranges of the sorted maxima need to be tried: exchanging two channels that are out of order never
 * makes a group's range larger.
 */
import { checkChannelMaxima, checkGroupCount } from './channel-matrix.js';

export interface ChannelGroups {
  /** Group of each channel, 0 the one with the largest range. */
  readonly index: Uint8Array;
  /** Range of each group, descending: the largest maximum of its channels. At most one per channel. */
  readonly ranges: Float32Array;
  /** Σ over channels of (range of its group)², in float64. */
  readonly objective: number;
}

/**
 * The best thresholds for a number of groups, by dynamic programming over the sorted maxima. The cost of a group is a
 * Monge function of its ends, so the best split moves one way as the end does, and each layer is solved by divide and
 * conquer: O(groups · channels · log channels) time. Exact up to the rounding of float64 sums.
 *
 * @param channelMax Largest magnitude of each channel, not negative.
 * @param groups 1 to 256.
 * @throws BitloomError `shift-option`, `quantize-not-finite`
 */
export function optimalChannelGroups(channelMax: Float32Array, groups: number): ChannelGroups {
  checkGroupCount(groups);
  checkChannelMaxima(channelMax);
  const channels = channelMax.length;
  const order = Uint32Array.from(channelMax.keys()).sort((a, b) => channelMax[b] - channelMax[a]);
  // Splitting a group never costs, so as many groups as there are channels to fill them.
  const layers = Math.min(groups, channels);
  if (layers === 0) return { index: new Uint8Array(0), ranges: new Float32Array(0), objective: 0 };

  const squares = Float64Array.from(order, (channel) => channelMax[channel] ** 2);
  // best[j]: least cost of the first j + 1 channels in the groups so far.
  let best = Float64Array.from({ length: channels }, (_, end) => (end + 1) * squares[0]);
  const firstOfLast: Uint32Array[] = [new Uint32Array(channels)];
  for (let layer = 1; layer < layers; layer += 1) {
    const next = solveLayer(best, squares, layer);
    firstOfLast.push(next.first);
    best = next.cost;
  }

  const index = new Uint8Array(channels);
  const ranges = new Float32Array(layers);
  for (let layer = layers - 1, end = channels - 1; layer >= 0; layer -= 1) {
    const first = firstOfLast[layer][end];
    ranges[layer] = channelMax[order[first]];
    for (let at = first; at <= end; at += 1) index[order[at]] = layer;
    end = first - 1;
  }
  return { index, ranges, objective: best[channels - 1] };
}

/** Least costs with one group more than `previous`, and where the last group begins. Ends below `layer` have none. */
function solveLayer(
  previous: Float64Array,
  squares: Float64Array,
  layer: number,
): { cost: Float64Array<ArrayBuffer>; first: Uint32Array } {
  const channels = squares.length;
  const cost = new Float64Array(channels).fill(Number.POSITIVE_INFINITY);
  const first = new Uint32Array(channels);
  const solve = (low: number, high: number, firstLow: number, firstHigh: number): void => {
    if (low > high) return;
    const end = (low + high) >>> 1;
    for (let start = firstLow; start <= Math.min(end, firstHigh); start += 1) {
      const candidate = previous[start - 1] + (end - start + 1) * squares[start];
      if (candidate < cost[end]) {
        cost[end] = candidate;
        first[end] = start;
      }
    }
    solve(low, end - 1, firstLow, first[end]);
    solve(end + 1, high, first[end], firstHigh);
  };
  solve(layer, channels - 1, layer, channels - 1);
  return { cost, first };
}

/**
 * The least value of the objective that any grouping into `groups` groups reaches: the bound of group quantisation.
 *
 * @throws BitloomError `shift-option`, `quantize-not-finite`
 */
export function groupQuantizationBound(channelMax: Float32Array, groups: number): number {
  return optimalChannelGroups(channelMax, groups).objective;
}
