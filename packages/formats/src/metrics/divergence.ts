/**
 * How far two distributions over the same outcomes lie apart, from their logits: what a quantised language model is
 * judged by, token by token. Softmax and sums run in float64, logarithms are natural, so results are in nats.
 */
import { BitloomError } from '@bitloom/ir';
import { checkLength } from '../layouts/group-shape.js';

/**
 * Kullback–Leibler divergence KL(P‖Q) = Σ p·(ln p − ln q) of softmax(logitsP) from softmax(logitsQ), at least 0.
 *
 * A logit of −inf is an outcome of probability 0: it adds nothing in P, and makes the divergence +inf in Q unless P
 * has it too. A NaN, a logit of +inf, or logits that are all −inf make it NaN: they are no distribution.
 *
 * @param logitsP of the reference; one number per outcome.
 * @throws BitloomError `format-length` when the lengths differ, `metrics-empty` without an outcome.
 */
export function klDivergence(logitsP: ArrayLike<number>, logitsQ: ArrayLike<number>): number {
  checkLength('logits to compare', logitsQ.length, logitsP.length);
  const normP = logSumExp(logitsP);
  const normQ = logSumExp(logitsQ);
  let sum = 0;
  for (let i = 0; i < logitsP.length; i += 1) {
    const logP = logitsP[i] - normP;
    const logQ = logitsQ[i] - normQ;
    const p = Math.exp(logP);
    // 0·ln 0 is 0. A NaN in either norm is in every term, and some term has p > 0.
    if (p !== 0) sum += p * (logP - logQ);
  }
  // Rounding may leave a little less than nothing; Math.max keeps NaN.
  return Math.max(0, sum);
}

/**
 * Entropy −Σ p·ln p of softmax(logits), from 0 to ln(number of outcomes). NaN where there is no distribution, as for
 * {@link klDivergence}.
 *
 * @throws BitloomError `metrics-empty` without an outcome.
 */
export function entropy(logits: ArrayLike<number>): number {
  const norm = logSumExp(logits);
  let sum = 0;
  for (let i = 0; i < logits.length; i += 1) {
    const logP = logits[i] - norm;
    const p = Math.exp(logP);
    if (p !== 0) sum -= p * logP;
  }
  return Math.max(0, sum);
}

/** ln Σ exp(logit), without overflow; NaN where softmax has no meaning. */
function logSumExp(logits: ArrayLike<number>): number {
  if (logits.length === 0) {
    throw new BitloomError({
      code: 'metrics-empty',
      message: 'there is no distribution over no outcomes',
      expected: 'at least one logit',
      got: '0',
    });
  }
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i += 1) {
    if (Number.isNaN(logits[i])) return Number.NaN;
    if (logits[i] > max) max = logits[i];
  }
  // exp(x − max) with an infinite max is NaN wherever x equals it, so that all −inf and any +inf give NaN.
  let sum = 0;
  for (let i = 0; i < logits.length; i += 1) sum += Math.exp(logits[i] - max);
  return max + Math.log(sum);
}
