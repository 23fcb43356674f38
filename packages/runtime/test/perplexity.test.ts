/** Perplexity: the windows, the tokens scored, and the value against a direct computation. */
import { BitloomError } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { describe, expect, it } from 'vitest';
import { createHostEngine, perplexity } from '../src/index.js';
import { noise, referenceLogits, tinyModel } from './support/tiny-model.js';

const bundle = tinyModel();
const ids = Array.from(noise(5, 50), (v) => Math.floor(((v + 1) / 2) * 40));

function engine() {
  return createHostEngine(bundle, { kernels: createKernels({ backend: 'reference' }), chunk: 7 });
}

describe('perplexity', () => {
  it.each([12, 13])('scores the second half of each window of %i', (context) => {
    const progress: number[] = [];
    const result = perplexity(engine(), ids, 1, {
      context,
      chunks: 3,
      onProgress: ({ chunk }) => progress.push(chunk),
    });
    let sum = 0;
    let count = 0;
    for (let chunk = 0; chunk < 3; chunk += 1) {
      const window = [1, ...ids.slice(chunk * context + 1, (chunk + 1) * context)];
      const logits = referenceLogits(bundle, window);
      for (let at = Math.floor(context / 2) + 1; at < context; at += 1) {
        const row = logits[at - 1];
        sum += Math.log(row.reduce((total, v) => total + Math.exp(v), 0)) - row[window[at]];
        count += 1;
      }
    }
    expect(result).toMatchObject({ tokens: count, chunks: 3, context });
    expect(result.nll).toBeCloseTo(sum / count, 5);
    expect(result.perplexity / Math.exp(sum / count)).toBeCloseTo(1, 5);
    expect(progress).toEqual([1, 2, 3]);
  });

  it('uses what the text fills, and refuses what cannot be', () => {
    expect(perplexity(engine(), ids, undefined, { context: 16 }).chunks).toBe(3);
    const code = (run: () => unknown): string => {
      try {
        run();
        return 'nothing thrown';
      } catch (error) {
        return error instanceof BitloomError ? error.code : String(error);
      }
    };
    expect(code(() => perplexity(engine(), ids, 1, { context: 64 }))).toBe('perplexity-option');
    expect(code(() => perplexity(engine(), ids, 1, { context: 16, chunks: 0 }))).toBe('perplexity-option');
    expect(code(() => perplexity(engine(), ids.slice(0, 10), 1, { context: 16 }))).toBe(
      'perplexity-text-short',
    );
    const signal = AbortSignal.abort();
    expect(code(() => perplexity(engine(), ids, 1, { context: 16, signal }))).toBe('evaluation-aborted');
  });
});
