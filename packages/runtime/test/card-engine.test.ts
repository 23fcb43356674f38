/** The adapter from a card to an engine, on a card that answers from the host interpreter. */
import { BitloomError, type Program, type ProgramEntry } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { describe, expect, it } from 'vitest';
import { type Card, createCardEngine, createHostEngine } from '../src/index.js';
import { tinyModel } from './support/tiny-model.js';

const IDS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];

function entry(name: string, seq: number, past: number, logits: readonly ('seq' | number)[]): ProgramEntry {
  return {
    name,
    inputs: [{ name: 'ids', region: 'ids', dtype: 'i32', shape: [seq === 1 ? 1 : { sym: 'seq' }] }],
    outputs: [
      {
        name: 'logits',
        region: 'logits',
        dtype: 'f32',
        shape: logits.map((d) => (d === 'seq' ? { sym: d } : d)),
      },
    ],
    symbols: [
      { name: 'seq', min: 1, max: seq, perSlot: true },
      { name: 'past', min: 0, max: past, perSlot: true },
    ],
    streams: [],
    frames: [],
  };
}

function setUp(entries: readonly ProgramEntry[], capacity = 48) {
  const bundle = tinyModel();
  const host = createHostEngine(bundle, { kernels: createKernels({ backend: 'reference' }) });
  const calls: string[] = [];
  const card: Card = {
    run(name, { seq, past }, inputs) {
      calls.push(`${name} ${past}+${seq}`);
      if (past === 0) host.reset();
      expect(host.position).toBe(past);
      expect(inputs.ids.length).toBe(seq);
      return { logits: name === 'forward' ? host.forward(inputs.ids) : host.prefill(inputs.ids) };
    },
    close: () => void calls.push('close'),
  };
  const program: Pick<Program, 'name' | 'entries' | 'capacity'> = { name: 'tiny', entries, capacity };
  return { calls, bundle, engine: createCardEngine(card, program as Program, bundle.model) };
}

const DECODE = entry('decode', 1, 47, [1, 40]);

describe('card engine', () => {
  const expected = createHostEngine(tinyModel(), {
    kernels: createKernels({ backend: 'reference' }),
  }).forward(IDS);

  it('cuts a prompt to the lengths the program was compiled for', () => {
    const { engine, calls } = setUp([
      DECODE,
      entry('prefill', 4, 47, [1, 40]),
      entry('forward', 5, 47, ['seq', 40]),
    ]);
    expect(engine.vocabularySize).toBe(40);
    expect(engine.prefill(IDS.slice(0, 10))).toEqual(expected.slice(9 * 40, 10 * 40));
    expect(engine.decode(IDS[10]).slice()).toEqual(expected.slice(10 * 40));
    engine.reset();
    expect(engine.forward(IDS)).toEqual(expected);
    engine.close();
    engine.close();
    expect(calls).toEqual([
      ...['prefill 0+4', 'prefill 4+4', 'prefill 8+2', 'decode 10+1'],
      ...['forward 0+5', 'forward 5+5', 'forward 10+1', 'close'],
    ]);
    expect(() => engine.decode(1)).toThrow(/closed/);
  });

  it('goes token by token where the program has nothing better', () => {
    const { engine, calls } = setUp([DECODE, entry('prefill', 4, 0, [1, 40])]);
    expect(engine.prefill(IDS.slice(0, 6)).slice()).toEqual(expected.slice(5 * 40, 6 * 40));
    expect(calls).toEqual(['prefill 0+4', 'decode 4+1', 'decode 5+1']);
    engine.reset();
    expect(engine.forward(IDS)).toEqual(expected);
  });

  it('refuses what does not fit', () => {
    const code = (run: () => unknown): string => {
      try {
        run();
        return 'nothing thrown';
      } catch (error) {
        return error instanceof BitloomError ? error.code : String(error);
      }
    };
    const { engine } = setUp([DECODE], 3);
    engine.prefill([1, 2, 3]);
    expect(code(() => engine.decode(1))).toBe('context-full');
    expect(code(() => engine.prefill([1]))).toBe('context-full');
    expect(code(() => setUp([entry('prefill', 4, 0, [1, 40])]))).toBe('program-entry-missing');
    expect(code(() => setUp([{ ...DECODE, outputs: [] }]))).toBe('program-ports');
    expect(code(() => setUp([entry('decode', 1, 47, [1, 39])]).engine.decode(1))).toBe('card-output');
  });
});
