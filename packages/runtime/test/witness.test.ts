/**
 * Outside witnesses: logits and greedy tokens of small random models of several families, computed by an independent
 * implementation. See the README of the data folder.
 */
import { readFileSync } from 'node:fs';
import { createKernels } from '@bitloom/kernels';
import { openModel } from '@bitloom/models/node';
import { describe, expect, it } from 'vitest';
import { dataPath, hasData } from '../../../test/support/data.js';
import { createHostEngine, greedyToken } from '../src/index.js';

interface WitnessSequence {
  readonly name: string;
  readonly input_ids: readonly number[];
  readonly argmax?: readonly number[];
  readonly logits?: { readonly base64: string };
  readonly last_position_logits?: { readonly base64: string };
  readonly greedy_continuation: readonly number[];
}

const TOLERANCE = 2e-4;
const FAMILIES = ['llama-gqa-untied', 'llama-tied-rope-scaled', 'opt-relu-bias', 'gpt2', 'qwen2-bias'];
const FILES = ['llama-gqa-untied/model-f32.gguf', 'llama-tied-rope-scaled/model-f32.gguf'];
const CASES = [...FAMILIES, ...FILES].map((path) => [path, path.split('/')[0]] as const);

function witnessOf(folder: string): { readonly sequences: readonly WitnessSequence[] } {
  return JSON.parse(readFileSync(dataPath('witness-models', folder, 'witness.json'), 'utf8'));
}

function floats({ base64 }: { readonly base64: string }): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer);
}

/** Fails with the largest difference and where it is. */
function expectClose(got: Float32Array, expected: Float32Array, what: string): void {
  expect(got.length, what).toBe(expected.length);
  let worst = 0;
  for (let i = 1; i < got.length; i += 1) {
    if (Math.abs(got[i] - expected[i]) > Math.abs(got[worst] - expected[worst])) worst = i;
  }
  const difference = Math.abs(got[worst] - expected[worst]);
  expect(difference, `${what}: logit ${worst} is ${got[worst]}, not ${expected[worst]}`).toBeLessThan(
    TOLERANCE,
  );
}

describe.skipIf(!hasData)('float32 against an independent implementation', () => {
  it.each(CASES)('%s', async (path, folder) => {
    const bundle = await openModel(dataPath('witness-models', ...path.split('/')));
    const engine = createHostEngine(bundle, { kernels: createKernels(), chunk: 10 });
    const vocabulary = engine.vocabularySize;
    for (const sequence of witnessOf(folder).sequences) {
      const ids = sequence.input_ids;
      engine.reset();
      const logits = engine.forward(ids);
      const last = logits.subarray((ids.length - 1) * vocabulary);
      if (sequence.logits !== undefined) expectClose(logits, floats(sequence.logits), sequence.name);
      if (sequence.last_position_logits !== undefined) {
        expectClose(last, floats(sequence.last_position_logits), sequence.name);
      }
      sequence.argmax?.forEach((token, t) => {
        expect(greedyToken(logits.subarray(t * vocabulary, (t + 1) * vocabulary))).toBe(token);
      });
      const greedy: number[] = [];
      for (let row: Float32Array = last; greedy.length < sequence.greedy_continuation.length; ) {
        const token = greedyToken(row);
        greedy.push(token);
        row = engine.decode(token);
      }
      expect(greedy, sequence.name).toEqual(sequence.greedy_continuation);
    }
    engine.close();
    bundle.close();
  });
});
