/**
 * From logits to a token: greedy, or temperature, then top-k, then top-p, then one draw. Deterministic in every
 * engine: own exponential, counter-based random numbers, and the lower id wherever two tokens are equal.
 */
import { BitloomError } from '@bitloom/ir';
import { exponential } from './exponential.js';
import { uniform } from './random.js';

export interface SamplingOptions {
  /** 0 (the default) takes the most likely token; above, logits are divided by it. */
  readonly temperature?: number;
  /** Draw from the k most likely tokens; 0 (the default): all. */
  readonly topK?: number;
  /** Draw from the fewest most likely tokens whose probabilities reach this sum; 1 (the default): all. */
  readonly topP?: number;
  /** Non-negative safe integer; default 0. */
  readonly seed?: number;
}

/** Draws one token after another; the n-th draw depends on the seed, n and the logits only. */
export interface Sampler {
  /** @throws BitloomError `logits-not-finite` */
  pick(logits: Float32Array): number;
}

/** @throws BitloomError `sampling-option` */
export function createSampler(options: SamplingOptions = {}): Sampler {
  const checked = checkOptions(options);
  let counter = 0;
  return {
    pick(logits) {
      const token = drawToken(logits, checked, counter);
      counter += 1;
      return token;
    },
  };
}

/**
 * The token of one draw. Same arguments, same token.
 * @throws BitloomError `sampling-option`, `logits-not-finite`
 */
export function sampleToken(logits: Float32Array, options: SamplingOptions, counter: number): number {
  return drawToken(logits, checkOptions(options), counter);
}

/**
 * Index of the largest logit, the lowest where several are equal.
 * @throws BitloomError `logits-not-finite`
 */
export function greedyToken(logits: Float32Array): number {
  let best = -1;
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i += 1) {
    const value = logits[i];
    if (value > largest) {
      largest = value;
      best = i;
    } else if (Number.isNaN(value)) {
      throw notFinite(i, value);
    }
  }
  if (best < 0 || largest === Number.POSITIVE_INFINITY) throw notFinite(Math.max(0, best), largest);
  return best;
}

function drawToken(logits: Float32Array, options: Required<SamplingOptions>, counter: number): number {
  const best = greedyToken(logits);
  const { temperature, topK, topP, seed } = options;
  if (temperature === 0) return best;
  const max = logits[best];
  const ids = topK > 0 && topK < logits.length ? mostLikely(logits, topK) : undefined;
  const count = ids?.length ?? logits.length;
  const weights = new Float64Array(count);
  let total = 0;
  for (let i = 0; i < count; i += 1) {
    weights[i] = exponential((logits[ids === undefined ? i : ids[i]] - max) / temperature);
    total += weights[i];
  }
  const order =
    topP < 1 ? nucleus(weights, (at) => logits[ids === undefined ? at : ids[at]], total, topP) : undefined;
  const kept = order?.length ?? count;
  let mass = 0;
  for (let i = 0; i < kept; i += 1) mass += weights[order === undefined ? i : order[i]];
  const target = uniform(seed, counter) * mass;
  let reached = 0;
  let chosen = 0;
  for (let i = 0; i < kept; i += 1) {
    const at = order === undefined ? i : order[i];
    // Weights that underflowed can never be drawn, also not when rounding leaves the target at the very end.
    if (weights[at] === 0) continue;
    chosen = at;
    reached += weights[at];
    if (reached > target) break;
  }
  return ids === undefined ? chosen : ids[chosen];
}

/** Ids of the `k` largest logits, in increasing id; of equal logits the lower ids. A min-heap of size k. */
function mostLikely(logits: Float32Array, k: number): Int32Array {
  const heap = new Int32Array(k);
  const worse = (a: number, b: number): boolean =>
    logits[a] < logits[b] || (logits[a] === logits[b] && a > b);
  const sink = (start: number, length: number): void => {
    for (let at = start; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < length && worse(heap[child], heap[least])) least = child;
      }
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least], heap[at]];
      at = least;
    }
  };
  for (let i = 0; i < k; i += 1) heap[i] = i;
  for (let i = (k >> 1) - 1; i >= 0; i -= 1) sink(i, k);
  for (let i = k; i < logits.length; i += 1) {
    if (!worse(heap[0], i)) continue;
    heap[0] = i;
    sink(0, k);
  }
  return heap.sort();
}

/**
 * Indices of the smallest set of most likely candidates that reaches `topP` of the total, most likely first. Ordered
 * by logit, because different logits may have equal weights after rounding.
 */
function nucleus(
  weights: Float64Array,
  logitAt: (index: number) => number,
  total: number,
  topP: number,
): Int32Array {
  // All but the first of the set weigh more than the share of 1 - topP that falls to each of the others; the first
  // has weight 1. What lies below need not be sorted. The factor is room for rounding.
  const share = ((1 - topP) / Math.max(1, weights.length - 1)) * total;
  const cutoff = Math.min(1, share * 0.999);
  const candidates: number[] = [];
  for (let i = 0; i < weights.length; i += 1) {
    if (weights[i] >= cutoff && weights[i] > 0) candidates.push(i);
  }
  const sorted = mostLikelyFirst(candidates, weights.length, logitAt);
  let reached = 0;
  let length = 0;
  while (length < sorted.length) {
    reached += weights[sorted[length]];
    length += 1;
    if (reached >= topP * total) break;
  }
  return sorted.subarray(0, length);
}

/** Indices that fit beside the 32 bits of a logit in the 53 of a double. */
const PACKED_INDICES = 2 ** 21;

/**
 * Candidates by falling logit; of equal ones the lower index first. Logit and index are packed into one number, because
 * sorting numbers is several times as fast as sorting by a function.
 */
function mostLikelyFirst(
  candidates: readonly number[],
  indices: number,
  logitAt: (index: number) => number,
): Int32Array {
  const sorted = Int32Array.from(candidates);
  if (indices > PACKED_INDICES) return sorted.sort((a, b) => logitAt(b) - logitAt(a) || a - b);
  const logit = new Float32Array(1);
  const bits = new Int32Array(logit.buffer);
  const keys = new Float64Array(candidates.length);
  for (let i = 0; i < candidates.length; i += 1) {
    // Adding 0 makes one zero of two.
    logit[0] = logitAt(candidates[i]) + 0;
    // The bits of floats order as integers, those of negative ones backwards; falling logits are rising keys.
    const rising = bits[0] < 0 ? ~bits[0] : bits[0] | 0x80000000;
    keys[i] = (~rising >>> 0) * PACKED_INDICES + candidates[i];
  }
  keys.sort();
  for (let i = 0; i < keys.length; i += 1) sorted[i] = keys[i] % PACKED_INDICES;
  return sorted;
}

/** Legal range of each option. */
const RANGES: Readonly<
  Record<
    keyof SamplingOptions,
    { readonly legal: (value: number) => boolean; readonly text: string; readonly fallback: number }
  >
> = {
  temperature: {
    legal: (v) => v >= 0 && Number.isFinite(v),
    text: 'a finite number, at least 0',
    fallback: 0,
  },
  topK: { legal: (v) => Number.isSafeInteger(v) && v >= 0, text: 'an integer, at least 0', fallback: 0 },
  topP: { legal: (v) => v > 0 && v <= 1, text: 'a number above 0, at most 1', fallback: 1 },
  seed: { legal: (v) => Number.isSafeInteger(v) && v >= 0, text: 'a safe integer, at least 0', fallback: 0 },
};

function checkOptions(options: SamplingOptions): Required<SamplingOptions> {
  const read = (name: keyof SamplingOptions): number => {
    const { legal, text, fallback } = RANGES[name];
    const value = options[name] ?? fallback;
    if (legal(value)) return value;
    throw new BitloomError({
      code: 'sampling-option',
      message: `the sampling option '${name}' is out of range`,
      where: name,
      expected: text,
      got: String(value),
    });
  };
  return { temperature: read('temperature'), topK: read('topK'), topP: read('topP'), seed: read('seed') };
}

function notFinite(index: number, value: number): BitloomError {
  return new BitloomError({
    code: 'logits-not-finite',
    message: 'no token can be chosen from these logits',
    where: `logit ${index}`,
    expected: 'numbers below infinity, at least one of them finite',
    got: String(value),
    hint: 'the checkpoint is damaged, or its values overflow in this scheme',
  });
}
