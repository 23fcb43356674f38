/**
 * Small random models of every family and of the variants its configurations allow, against what transformers computes
 * from the same files. How they were made stands in `fixtures/families/README.md`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createKernels } from '@bitloom/kernels';
import { openModel } from '@bitloom/models/node';
import { describe, expect, it } from 'vitest';
import { createHostEngine, greedyToken } from '../src/index.js';

interface Sequence {
  readonly input_ids: readonly number[];
  /** Base64 of float32, [tokens, vocabulary] or [vocabulary]. */
  readonly logits?: string;
  readonly last: string;
  readonly greedy: readonly number[];
}

const TOLERANCE = 2e-4;
/** One for all: models are closed before others are loaded. */
const kernels = createKernels();
const FAMILIES = fileURLToPath(new URL('fixtures/families', import.meta.url));

function folders(): string[] {
  return readdirSync(FAMILIES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

function witnessOf(folder: string): readonly Sequence[] {
  return JSON.parse(readFileSync(`${FAMILIES}/${folder}/witness.json`, 'utf8')).sequences;
}

function floats(base64: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer);
}

function worst(got: Float32Array, expected: Float32Array): number {
  expect(got.length).toBe(expected.length);
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
}

describe('float32 against transformers', () => {
  it.each(folders())('%s', async (folder) => {
    const bundle = await openModel(`${FAMILIES}/${folder}`);
    // Chunks end inside of windows and inside of blocks of rows.
    const engine = createHostEngine(bundle, { kernels, chunk: 7 });
    const vocabulary = engine.vocabularySize;
    for (const { input_ids: ids, logits: all, last, greedy } of witnessOf(folder)) {
      engine.reset();
      const logits = engine.forward(ids);
      const row = logits.subarray((ids.length - 1) * vocabulary);
      if (all !== undefined) expect(worst(logits, floats(all))).toBeLessThan(TOLERANCE);
      expect(worst(row, floats(last))).toBeLessThan(TOLERANCE);
      const tokens = [greedyToken(row)];
      while (tokens.length < greedy.length)
        tokens.push(greedyToken(engine.decode(tokens[tokens.length - 1])));
      expect(tokens).toEqual(greedy);
    }
    engine.close();
    bundle.close();
  });
});
