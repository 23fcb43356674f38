/** Sequences in one batch: the bits of each alone, whatever the others are, and refusals that change nothing. */
import { BitloomError } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHostEngine, type Engine, type HostModel, loadHostModel } from '../src/index.js';
import { type TinyModel, type TinyShape, tinyModel } from './support/tiny-model.js';

/** Models are closed before others are loaded, or stay until the end. */
const KERNELS = createKernels();
const VOCABULARY = 40;
const SHAPES: readonly Partial<TinyShape>[] = [
  {},
  { style: 'opt', kvHeads: 6 },
  { heads: 3, kvHeads: 1, headDim: 6, width: 17, hidden: 13, layers: 1, tied: false, layout: 'interleaved' },
];

function load(bundle: TinyModel, options: { chunk?: number; capacity?: number } = {}): HostModel {
  return loadHostModel(bundle, { kernels: KERNELS, ...options });
}

/** Logits after every call of a sequence that runs alone; call i appends `calls[i]`. */
function alone(bundle: TinyModel, calls: readonly (readonly number[])[]): Float32Array[] {
  const engine = createHostEngine(bundle, { kernels: KERNELS });
  const logits = calls.map((tokens) => engine.prefill(tokens).slice());
  engine.close();
  return logits;
}

/** The model with one of its entries. */
function only(bundle: TinyModel, name: string): TinyModel {
  const functions = bundle.model.functions.filter((fn) => fn.name === name);
  return { ...bundle, model: { ...bundle.model, functions } };
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

const token = fc.integer({ min: 0, max: VOCABULARY - 1 });
/** Up to four sequences of up to four calls of up to eleven tokens; some calls are single tokens. */
const sequences = fc.array(
  fc.array(
    fc.oneof(
      fc.array(token, { minLength: 1, maxLength: 1 }),
      fc.array(token, { minLength: 1, maxLength: 11 }),
    ),
    { minLength: 1, maxLength: 4 },
  ),
  { minLength: 1, maxLength: 4 },
);

describe('a batch of sequences', () => {
  it.each(SHAPES)('has the bits of each sequence alone: %o', (shape) => {
    const bundle = tinyModel(shape);
    fc.assert(
      fc.property(sequences, fc.integer({ min: 1, max: 20 }), fc.boolean(), (calls, chunk, backwards) => {
        const expected = calls.map((own) => alone(bundle, own));
        const host = load(bundle, { chunk });
        const engines = calls.map(() => host.open());
        // Sequences drop out as their calls end, so the batch becomes smaller and its members move.
        for (let turn = 0; calls.some((own) => turn < own.length); turn += 1) {
          const members = calls.flatMap((own, i) => (turn < own.length ? [i] : []));
          if (backwards) members.reverse();
          const logits = host.step(members.map((i) => ({ engine: engines[i], tokens: calls[i][turn] })));
          members.forEach((i, at) => {
            expect(logits[at]).toEqual(expected[i][turn]);
            expect(engines[i].position).toBe(calls[i].slice(0, turn + 1).flat().length);
          });
        }
        for (const engine of engines) engine.close();
        host.close();
      }),
      { numRuns: 30 },
    );
  });

  it.each(['forward', 'decode'])('runs on a model that has only the entry %s', (name) => {
    const bundle = tinyModel();
    const host = load(only(bundle, name), { chunk: 7 });
    const calls = [[[1, 2, 3, 4, 5]], [[6]], [[7, 8, 9]], [[3, 2, 1, 0, 9, 8, 7, 6]]];
    const batch = calls.map(([tokens]) => ({ engine: host.open(), tokens }));
    expect(host.step(batch)).toEqual(calls.map((own) => alone(bundle, own)[0]));
  });

  it('mixes with calls of the engines themselves', () => {
    const bundle = tinyModel();
    const host = load(bundle);
    const [a, b] = [host.open(), host.open()];
    a.prefill([1, 2, 3]);
    const stepped = host.step([
      { engine: b, tokens: [4, 5] },
      { engine: a, tokens: [6] },
    ]);
    const kept = stepped.map((row) => row.slice());
    expect(a.decode(7).slice()).toEqual(alone(bundle, [[1, 2, 3, 6, 7]])[0]);
    expect(b.forward([8, 9]).slice(VOCABULARY)).toEqual(alone(bundle, [[4, 5, 8, 9]])[0]);
    // Only the next step writes to what a step gave.
    expect(stepped).toEqual(kept);
    expect(kept[1]).toEqual(alone(bundle, [[1, 2, 3, 6]])[0]);
    a.reset();
    expect(host.step([{ engine: a, tokens: Int32Array.of(3, 4) }])).toEqual(alone(bundle, [[3, 4]]));
    expect(host.step([])).toEqual([]);
  });

  it('takes more sequences than tokens fit into a pass', () => {
    const bundle = tinyModel();
    const host = load(bundle, { chunk: 3 });
    const batch = Array.from({ length: 10 }, (_, i) => ({ engine: host.open(), tokens: [i, i + 1] }));
    expect(host.step(batch)).toEqual(batch.map(({ tokens }) => alone(bundle, [tokens])[0]));
  });

  it('refuses what an engine would, and then nothing has changed', () => {
    const bundle = tinyModel();
    const host = load(bundle, { capacity: 10 });
    const other = load(bundle);
    const [a, b, closed] = [host.open(), host.open(), host.open()];
    closed.close();
    b.prefill([1, 2, 3, 4, 5, 6, 7, 8]);
    const good = { engine: a, tokens: [1, 2] };
    const step = (engine: Engine, tokens: number[]) => () => host.step([good, { engine, tokens }]);
    expect(codeOf(step(b, []))).toBe('no-tokens');
    expect(codeOf(step(b, [40]))).toBe('token-out-of-range');
    expect(codeOf(step(b, [1, 2, 3]))).toBe('context-full');
    expect(codeOf(step(a, [1]))).toBe('batch-engine-twice');
    expect(codeOf(step(closed, [1]))).toBe('engine-closed');
    expect(codeOf(step(other.open(), [1]))).toBe('batch-engine-foreign');
    expect(step(b, [1, 40])).toThrow(/sequence 1 of the batch, token 1 of the call.*from 0 to 39.*got: 40/);
    expect([a.position, b.position]).toEqual([0, 8]);
    const [, last] = host.step([good, { engine: b, tokens: [9, 10] }]);
    expect(last).toEqual(alone(bundle, [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]])[0]);
    host.close();
    expect(host.step([{ engine: a, tokens: [3] }])).toEqual(alone(bundle, [[1, 2, 3]]));
  });
});
