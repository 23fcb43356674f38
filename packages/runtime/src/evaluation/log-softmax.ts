/** Log-likelihood of a token under logits, in float64. */

/**
 * ln softmax(logits)[token] over `count` logits from `offset`: logit - max - ln sum exp(logit - max).
 */
export function logLikelihood(logits: Float32Array, offset: number, count: number, token: number): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = offset; i < offset + count; i += 1) {
    if (logits[i] > max) max = logits[i];
  }
  let sum = 0;
  for (let i = offset; i < offset + count; i += 1) sum += Math.exp(logits[i] - max);
  return logits[offset + token] - max - Math.log(sum);
}
