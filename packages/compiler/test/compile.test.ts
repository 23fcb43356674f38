/**
 * Whole programs: every one passes the verifier, on every card of the box and on cards that are hard to compile for,
 * at shapes that are multiples of no tile; and the same input gives the same bytes.
 */
import {
  CARDS,
  type Device,
  encodeStream,
  type Model,
  type Program,
  type ProgramEntry,
  symbolsOf,
  verifyProgram,
} from '@bitloom/ir';
import { describe, expect, it } from 'vitest';
import { cardWith, HARD_CARDS } from '../../../test/support/small-cards.js';
import { type CompileOptions, compile } from '../src/index.js';
import { type LlamaShape, quantizedLlama, STORIES } from './support/quantized-llama.js';
import { quantizedOpt } from './support/quantized-opt.js';

/** Shapes in which nothing is a multiple of anything. */
const ODD: Readonly<Record<string, LlamaShape>> = {
  stories: { ...STORIES, layers: 1 },
  'one head of 8': { layers: 2, width: 8, ffn: 172, heads: 1, kvHeads: 1, vocab: 50, context: 40, bits: 8 },
  'heads of 20, all sharing one': {
    layers: 1,
    width: 60,
    ffn: 172,
    heads: 3,
    kvHeads: 1,
    vocab: 50,
    context: 200,
    bits: 4,
  },
  'heads of 10, three to one': {
    layers: 1,
    width: 60,
    ffn: 50,
    heads: 6,
    kvHeads: 2,
    vocab: 51,
    context: 512,
    bits: 4,
  },
};

const ALL = [...CARDS, ...HARD_CARDS];

/** Compiles and verifies; few samples, because the corners are always taken. */
function verified(model: Model, device: Device, options: CompileOptions = {}): Program {
  const program = compile(model, device, options);
  const { entries } = verifyProgram(program, device, { samples: 3, maxExecuted: 20_000 });
  // Nothing stayed unlooked at: each access and field was proved for all lengths or met at some.
  for (const entry of entries)
    expect([entry.name, entry.accesses.unreached, entry.fields.unreached]).toEqual([entry.name, 0, 0]);
  return program;
}

function entryOf(program: Program, name: string): ProgramEntry {
  const entry = program.entries.find((candidate) => candidate.name === name);
  if (entry === undefined) throw new Error(`no entry ${name}`);
  return entry;
}

const instructionsOf = (entry: ProgramEntry): ProgramEntry['streams'][number]['instructions'] =>
  entry.streams[0].instructions;

describe.each(ALL.map((device) => [device.name, device] as const))('on %s', (_name, device) => {
  it.each(Object.keys(ODD))('Llama, %s', (shape) => {
    const model = quantizedLlama(ODD[shape]);
    const program = verified(model, device);
    expect(program).toMatchObject({
      kind: 'program',
      device: device.name,
      capacity: ODD[shape].context,
      shapeOnly: true,
    });
    expect(program.entries.map(({ name }) => name)).toEqual(['prefill', 'decode']);
    expect(entryOf(program, 'decode').symbols).toMatchObject([
      { name: 'seq', min: 1, max: 1 },
      { name: 'past', min: 0 },
    ]);
    const [logits] = entryOf(program, 'decode').outputs;
    expect(logits).toMatchObject({ dtype: 'f32', shape: [1, ODD[shape].vocab] });
    // Decode multiplies by a vector, prefill by a matrix as long as chunks hold several tokens.
    expect(instructionsOf(entryOf(program, 'decode')).some(({ name }) => name === 'MM')).toBe(false);
  });

  it('OPT', () => {
    const shape = { layers: 1, width: 60, ffn: 172, heads: 6, vocab: 50, context: 200, bits: 8 } as const;
    verified(quantizedOpt(shape), device);
  });
});

describe('chunks and entries', () => {
  const [tinyWeights, tinyStream, tinyData, tiny] = HARD_CARDS;
  const model = quantizedLlama(ODD['heads of 10, three to one']);

  it.each([1, 2, 16])('of at most %i tokens', (maxChunk) => {
    for (const device of [CARDS[0], tinyStream]) {
      const program = verified(model, device, { maxChunk, entries: ['prefill', 'forward'] });
      expect(program.notes).toContainEqual(expect.stringContaining(`prefill: chunks of ${maxChunk} tokens`));
      const names = new Set(instructionsOf(entryOf(program, 'prefill')).map(({ name }) => name));
      expect(names.has('MM')).toBe(maxChunk > 1);
      expect(names.has('MV')).toBe(true);
      // `forward` gives a row of logits per token.
      expect(entryOf(program, 'forward').outputs[0].shape).toEqual([{ sym: 'seq' }, 51]);
    }
  });

  it('falls back to smaller chunks and blocks of heads where the data buffer asks for it', () => {
    const wide = quantizedLlama({ ...ODD['heads of 10, three to one'], kvHeads: 6 });
    const note = verified(wide, tinyData).notes.find((line) => line.startsWith('prefill'));
    const [, chunk, heads] = /chunks of (\d+) tokens, (\d+) key heads/.exec(note ?? '') ?? [];
    expect(Number(chunk)).toBeLessThan(128);
    expect(Number(heads)).toBe(1);
  });

  it('splits products along the inner length where the weight buffer asks for it', () => {
    const program = verified(model, tinyWeights);
    const products = instructionsOf(entryOf(program, 'decode')).filter(
      ({ name, fields }) => name === 'MV' && fields.bits !== undefined,
    );
    expect(products.some(({ fields }) => fields.continue === 1)).toBe(true);
    expect(products.some(({ fields }) => fields.finish === 0)).toBe(true);
  });

  it('loops over the KV cache with a number of trips that grows with the context', () => {
    const trips = (device: Device): boolean[] =>
      instructionsOf(entryOf(verified(model, device), 'decode')).flatMap(({ name, fields }) => {
        const { trips: count } = fields;
        return name === 'LOOP' && count !== undefined && typeof count === 'object' && !('space' in count)
          ? [symbolsOf(count).has('past')]
          : [];
      });
    expect(trips(tinyStream)).toContain(true);
    expect(trips(tiny)).toContain(true);
    expect(trips(CARDS[0])).not.toContain(true);
  });

  it('makes room for as many tokens as asked', () => {
    const program = verified(model, CARDS[0], { capacity: 33 });
    expect(program.capacity).toBe(33);
    const kv = program.regions.filter((region) => region.purpose === 'kv' && region.name.endsWith('codes'));
    expect(kv.map(({ bytes }) => bytes)).toEqual([2 * 33 * 10, 2 * 33 * 10]);
  });

  it('takes an entry with inputs of constant length 1 as one of a single token, bound or not', () => {
    const functions = model.functions.map((fn) => (fn.name === 'decode' ? { ...fn, bindings: {} } : fn));
    const options = { modelHash: 'aa' };
    const program = compile({ ...model, functions }, CARDS[0], options);
    expect(program).toEqual(compile(model, CARDS[0], options));
  });
});

describe('what programs say of themselves', () => {
  const program = compile(quantizedLlama(STORIES), CARDS[0], { modelHash: 'aa', deviceHash: 'bb' });

  it('frames cover the stream between the first and HALT, in order, one per fused group', () => {
    for (const entry of program.entries) {
      let end = entry.frames[0].first;
      for (const frame of entry.frames) {
        expect(frame.first).toBeGreaterThanOrEqual(end);
        end = frame.first + frame.count;
      }
      const ofAttention = entry.frames.map(({ name }) => name).filter((name) => /^L3.attention\b/.test(name));
      expect(new Set(ofAttention).size).toBe(ofAttention.length);
      expect(ofAttention.length).toBeGreaterThan(0);
    }
    expect(
      entryOf(program, 'decode')
        .frames.map(({ name }) => name)
        .slice(0, 5),
    ).toEqual(['embedding', 'L0.norm', 'L0.attention', 'L0.projection', 'L0.norm']);
  });

  it('every instruction of a unit comes from a node of the graph', () => {
    for (const entry of program.entries) {
      for (const { name, origin } of instructionsOf(entry)) {
        const from = program.provenance[origin];
        expect(from).toBeDefined();
        if (['LD', 'ST', 'MM', 'MV', 'VEC'].includes(name)) expect(from.op).not.toBe('system');
      }
    }
    expect(new Set(program.provenance.map(({ layer }) => layer))).toEqual(new Set([-1, 0, 1, 2, 3, 4]));
  });

  it('records the identities it was given, and what is ragged', () => {
    expect(program).toMatchObject({ modelHash: 'aa', deviceHash: 'bb', instructionSet: '1.0', slots: 1 });
    const odd = compile(quantizedLlama(ODD['one head of 8']), CARDS[0]);
    expect(odd.notes.join('\n')).toMatch(/weight 'head': 50 rows padded to 64 in memory/);
    expect(odd.notes.join('\n')).toMatch(/weight 'L0.down': last group of 12 of 32/);
  });
});

it('is deterministic: the same input twice gives the same program and the same bytes', () => {
  const bytes = (): Uint8Array[] =>
    [CARDS[0], ...HARD_CARDS].flatMap((device) => {
      const program = compile(quantizedLlama({ ...ODD.stories, context: 64 }), device);
      return [
        new TextEncoder().encode(JSON.stringify(program)),
        ...program.entries.flatMap((entry) => {
          const { code, expressions } = encodeStream(instructionsOf(entry));
          return [code, expressions];
        }),
      ];
    });
  const [first, second] = [bytes(), bytes()];
  expect(first.length).toBe(25);
  for (const [i, part] of first.entries()) expect(Buffer.compare(part, second[i])).toBe(0);
});

it('says how far it is, from 0 to 1, without going back when a plan is begun again', () => {
  const shares: number[] = [];
  // The longest chunks do not fit a small buffer.
  const card = cardWith('small', { buffers: { data: 64 * 1024 } });
  compile(quantizedLlama({ ...STORIES, layers: 2 }), card, { onProgress: (share) => shares.push(share) });
  expect(shares.length).toBeGreaterThan(20);
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
  expect(shares[0]).toBeLessThan(0.1);
  expect(shares.at(-1)).toBe(1);
});
