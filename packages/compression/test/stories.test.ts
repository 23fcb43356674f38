/** A real trained model in the integer schemes: what rounding costs, and that the bits do not depend on how it runs. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readModel, writeModel } from '@bitloom/ir/node';
import { createKernels } from '@bitloom/kernels';
import type { OpenModel } from '@bitloom/models';
import { openModel } from '@bitloom/models/node';
import { createHostEngine, generate, textPerplexity } from '@bitloom/runtime';
import { beforeAll, describe, expect, it } from 'vitest';
import { dataPath, hasData } from '../../../test/support/data.js';
import { quantizeModel } from '../src/index.js';

/** Perplexity in float32 is 56.46; measured values are printed. Pruned once by magnitude and not trained again, it is 162; heads of 8 values take a cache of 4 bits badly. */
const CEILINGS = [
  ['W8A8', 57.5],
  ['W4A8', 72],
  ['W8A8-8:16', 170],
  // 3 bits throughout: 177.
  ['FlightLLM-mixed3.5', 115],
  ['FlightLLM-mixed3', 155],
  ['W8A8-KV4', 90],
  ['W4A8-KV4', 120],
] as const;

describe.skipIf(!hasData)('stories260K', () => {
  let bundle: OpenModel;

  beforeAll(async () => {
    bundle = await openModel(dataPath('stories260K', 'stories260K-f32.gguf'));
  });

  function open(scheme: string, backend: 'reference' | 'wasm', chunk = 64) {
    return createHostEngine(quantizeModel(bundle, scheme), { kernels: createKernels({ backend }), chunk });
  }

  it.each(CEILINGS)('%s stays below perplexity %f', (scheme, ceiling) => {
    if (bundle.tokenizer === undefined) throw new Error('no tokenizer');
    const shakespeare = readFileSync(dataPath('tinyshakespeare', 'input.txt'), 'utf8').slice(0, 12_000);
    const { perplexity } = textPerplexity(open(scheme, 'wasm'), bundle.tokenizer, shakespeare, { chunks: 8 });
    console.log(`${scheme}: perplexity ${perplexity.toFixed(3)} (float32 56.461), context 256, 8 windows`);
    expect(perplexity).toBeLessThan(ceiling);
    expect(perplexity).toBeGreaterThan(55);
  });

  it.each(CEILINGS)('%s gives the same bits on every backend and in every chunk', (scheme) => {
    const ids = [1, ...Array.from({ length: 13 }, (_, i) => 3 + ((i * 37) % 500))];
    const expected = open(scheme, 'reference', 14).forward(ids);
    for (const chunk of [1, 5, 64]) expect(open(scheme, 'wasm', chunk).forward(ids)).toEqual(expected);
    const engine = open(scheme, 'wasm');
    engine.prefill(ids.slice(0, 8));
    const last = ids.slice(8).map((token) => engine.decode(token).slice());
    expect(last.at(-1)).toEqual(expected.slice(-512));
  });

  it.each(['W4A8', 'W4A8-8:16', 'W8A8-KV4'])(
    'is the same artefact every time, and runs the same from a file: %s',
    (scheme) => {
      const folder = mkdtempSync(join(tmpdir(), 'bitloom-compression-'));
      try {
        const files = ['a', 'b'].map((name) => join(folder, name));
        for (const file of files) writeModel(file, quantizeModel(bundle, scheme));
        expect(readFileSync(files[0]).equals(readFileSync(files[1]))).toBe(true);
        const stored = readModel(files[0]);
        const engine = createHostEngine(stored, { kernels: createKernels() });
        expect(engine.forward([1, 5, 9])).toEqual(open(scheme, 'wasm').forward([1, 5, 9]));
        stored.close();
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );

  it.each(CEILINGS.slice(0, 2))('%s still tells a story', (scheme) => {
    if (bundle.tokenizer === undefined) throw new Error('no tokenizer');
    const steps = [...generate(open(scheme, 'wasm'), bundle.tokenizer, '', { maxTokens: 200 })];
    const text = steps.map((step) => step.text).join('');
    expect(text).toMatch(/^Once upon a time, there was a little girl named/);
    expect(text.length).toBeGreaterThan(400);
  });
});
