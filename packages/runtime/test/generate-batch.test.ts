/** Texts written together are the texts written alone, whoever comes, ends or fails beside them. */
import { BitloomError } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createHostEngine,
  createTextBatch,
  type GenerationStep,
  generate,
  generateBatch,
  type HostModel,
  loadHostModel,
  type TextBatchStep,
  type TextRequest,
} from '../src/index.js';
import { BYTE_TOKENIZER } from './support/script-engine.js';
import { tinyModel } from './support/tiny-model.js';

const BUNDLE = tinyModel({ vocabulary: 256, context: 48, layers: 1 });
const KERNELS = createKernels();

/** What a text is alone: its steps, and the code of the error that ends it. */
function alone({ prompt, ...options }: TextRequest): { steps: GenerationStep[]; code?: string } {
  const engine = createHostEngine(BUNDLE, { kernels: KERNELS });
  const steps: GenerationStep[] = [];
  try {
    for (const step of generate(engine, BYTE_TOKENIZER, prompt, options)) steps.push(step);
    return { steps };
  } catch (error) {
    if (error instanceof BitloomError) return { steps, code: error.code };
    throw error;
  } finally {
    engine.close();
  }
}

/** The steps of one request, in the same form. */
function stepsOf(all: readonly TextBatchStep[], request: number): { steps: GenerationStep[]; code?: string } {
  const own = all.filter((step) => step.request === request);
  expect(own.map(({ isLast }) => isLast)).toEqual(own.map((_, i) => i === own.length - 1));
  const steps = own.flatMap(({ step }) => (step === undefined ? [] : [step]));
  const code = own.at(-1)?.error?.code;
  return code === undefined ? { steps } : { steps, code };
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof BitloomError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

const request: fc.Arbitrary<TextRequest> = fc.record({
  prompt: fc.string({ maxLength: 30 }),
  maxTokens: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 25 }) },
    fc.constant(60),
    fc.constant(0),
  ),
  temperature: fc.constantFrom(0, 0.7, 1.5),
  topK: fc.constantFrom(0, 5),
  seed: fc.nat(1000),
  stop: fc.constantFrom([], ['a'], ['\n', 'qu']),
});

describe('texts in a batch', () => {
  let used: number;
  let host: HostModel;
  const open = (options: { chunk?: number } = {}): HostModel => {
    host = loadHostModel(BUNDLE, { kernels: KERNELS, ...options });
    return host;
  };
  beforeEach(() => {
    used = KERNELS.arena.used;
  });
  afterEach(() => {
    host.close();
    expect(KERNELS.arena.used).toBe(used);
  });

  it('are each the text that generate gives alone', () => {
    fc.assert(
      fc.property(
        fc.array(request, { maxLength: 7 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 40 }),
        (requests, sequences, chunk) => {
          const model = open({ chunk });
          const all = [...generateBatch(model, BYTE_TOKENIZER, requests, { sequences })];
          model.close();
          requests.forEach((own, i) => {
            expect(stepsOf(all, i)).toEqual(alone(own));
          });
        },
      ),
      { numRuns: 30 },
    );
  });

  it('come and go', () => {
    const batch = createTextBatch(open(), BYTE_TOKENIZER, { sequences: 2 });
    const ask = (prompt: string, maxTokens: number): TextRequest => ({ prompt, maxTokens, eosIds: [] });
    const requests = [ask('one', 20), ask('two', 3), ask('three', 5), ask('never', 5)];
    const all: TextBatchStep[] = [];
    expect(requests.slice(0, 3).map((own) => batch.submit(own))).toEqual([0, 1, 2]);
    expect([batch.waiting, batch.running]).toEqual([3, 0]);
    all.push(...batch.advance(), ...batch.advance());
    expect([batch.waiting, batch.running]).toEqual([1, 2]);
    batch.cancel(batch.submit(requests[3]));
    all.push(...batch.advance(), ...batch.advance());
    // The second has ended, and the third has its sequence.
    expect([batch.waiting, batch.running]).toEqual([0, 2]);
    batch.cancel(0);
    batch.cancel(77);
    while (batch.running > 0) all.push(...batch.advance());
    expect(stepsOf(all, 1)).toEqual(alone(requests[1]));
    expect(stepsOf(all, 2)).toEqual(alone(requests[2]));
    expect(all.filter((step) => step.request === 0)).toHaveLength(4);
    expect(batch.advance()).toEqual([]);
    batch.close();
  });

  it('end alone when they are cancelled, and the others go on', () => {
    const abort = new AbortController();
    const requests = [
      { prompt: 'a', maxTokens: 30, eosIds: [], signal: abort.signal },
      { prompt: 'b', maxTokens: 6, eosIds: [] },
    ];
    const all: TextBatchStep[] = [];
    for (const step of generateBatch(open(), BYTE_TOKENIZER, requests)) {
      all.push(step);
      if (all.length === 3) abort.abort();
    }
    expect(stepsOf(all, 0).code).toBe('generation-aborted');
    expect(stepsOf(all, 1)).toEqual(alone(requests[1]));
  });

  it('are refused once the batch is closed, and none stays behind', () => {
    const batch = createTextBatch(open(), BYTE_TOKENIZER, { sequences: 1 });
    batch.submit({ prompt: 'a', maxTokens: 3 });
    batch.submit({ prompt: 'b', maxTokens: 3 });
    batch.advance();
    batch.close();
    batch.close();
    expect([batch.waiting, batch.running]).toEqual([0, 0]);
    expect(codeOf(() => batch.submit({ prompt: 'c', maxTokens: 3 }))).toBe('batch-closed');
    expect(codeOf(() => batch.advance())).toBe('batch-closed');
    batch.cancel(0);
    expect([batch.waiting, batch.running]).toEqual([0, 0]);
  });

  it('are refused when they are submitted, if they never could run', () => {
    const batch = createTextBatch(open(), BYTE_TOKENIZER, { sequences: 1 });
    expect(codeOf(() => batch.submit({ prompt: 'x'.repeat(60), maxTokens: 1 }))).toBe('context-full');
    expect(codeOf(() => batch.submit({ prompt: [1, 256], maxTokens: 1 }))).toBe('token-out-of-range');
    expect(codeOf(() => batch.submit({ prompt: 'x', maxTokens: -1 }))).toBe('max-tokens');
    expect(codeOf(() => batch.submit({ prompt: 'x', maxTokens: 1, topP: 2 }))).toBe('sampling-option');
    expect(batch.waiting).toBe(0);
    batch.close();
    expect(codeOf(() => createTextBatch(host, BYTE_TOKENIZER, { sequences: 0 }))).toBe('batch-sequences');
  });
});
