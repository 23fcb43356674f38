/** A real trained model on the host interpreter: its reference text and its reference perplexity. */
import { readFileSync } from 'node:fs';
import type { ModelBundle } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import {
  bundleCheckpoint,
  hfCheckpoint,
  memoryFolder,
  type OpenModel,
  type Tokenizer,
  writeHfLlama,
} from '@bitloom/models';
import { openModel } from '@bitloom/models/node';
import { beforeAll, describe, expect, it } from 'vitest';
import { dataPath, hasData } from '../../../test/support/data.js';
import { createHostEngine, generate, textPerplexity } from '../src/index.js';

function text(bundle: ModelBundle, tokenizer: Tokenizer, chunk?: number): string {
  const engine = createHostEngine(bundle, { kernels: createKernels(), chunk });
  const steps = [...generate(engine, tokenizer, '', { maxTokens: 200 })];
  expect(steps).toHaveLength(200);
  return steps.map((step) => step.text).join('');
}

describe.skipIf(!hasData)('stories260K in float32', () => {
  const folder = 'stories260K';
  let bin: OpenModel;
  let tokenizer: Tokenizer;
  let golden: string;

  beforeAll(async () => {
    bin = await openModel(dataPath(folder, 'stories260K.bin'), { tokenizer: dataPath(folder, 'tok512.bin') });
    if (bin.tokenizer === undefined) throw new Error('no tokenizer');
    tokenizer = bin.tokenizer;
    golden = readFileSync(dataPath(folder, 'golden_greedy_200steps.txt'), 'utf8');
  });

  it('says the reference text from the llama2.c file', () => {
    expect(text(bin, tokenizer)).toBe(golden);
  });

  it('says the reference text from the GGUF file, with the tokenizer inside', async () => {
    const gguf = await openModel(dataPath(folder, 'stories260K-f32.gguf'));
    if (gguf.tokenizer === undefined) throw new Error('no tokenizer');
    expect(text(gguf, gguf.tokenizer)).toBe(golden);
  });

  it('says it as a Hugging Face folder, with q and k in rotate-half order', async () => {
    if (bin.config === undefined) throw new Error('no configuration');
    const files = writeHfLlama(bin.config, bin.sections);
    const checkpoint = await hfCheckpoint(memoryFolder(files));
    expect(checkpoint.config.positions).toMatchObject({ kind: 'rope', layout: 'half' });
    expect(text(bundleCheckpoint(checkpoint, { name: 'rewritten', format: 'hf' }), tokenizer)).toBe(golden);
  });

  it('has the reference perplexity on tinyshakespeare', () => {
    // Eight windows of 256 tokens are less than 6000 characters; a cut at a space far beyond changes none of them.
    const shakespeare = readFileSync(dataPath('tinyshakespeare', 'input.txt'), 'utf8').slice(0, 12_000);
    const engine = createHostEngine(bin, { kernels: createKernels(), chunk: 100 });
    const result = textPerplexity(engine, tokenizer, shakespeare, { context: 256, chunks: 8 });
    expect(result).toMatchObject({ tokens: 8 * 127, chunks: 8, context: 256 });
    expect(Math.abs(result.perplexity - 56.47), String(result.perplexity)).toBeLessThan(0.05);
  });

  it('runs into its context with a typed error after 512 tokens', () => {
    const engine = createHostEngine(bin, { kernels: createKernels() });
    expect(engine.capacity).toBe(512);
    engine.prefill(Array.from({ length: 510 }, (_, i) => 3 + (i % 500)));
    let said = 0;
    const run = (): void => {
      for (const _ of generate(engine, tokenizer, [5], { maxTokens: 100 })) said += 1;
    };
    expect(run).toThrow(expect.objectContaining({ code: 'context-full' }));
    // Positions 510 and 511 are filled, and the logits of each give a token.
    expect(said).toBe(2);
    expect(engine.position).toBe(512);
  });
});
