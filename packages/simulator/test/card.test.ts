/** The simulated card as a whole: inputs, outputs, state, errors, and time beside function. */
import { compile } from '@bitloom/compiler';
import { encodedLength, findCard, type ModelBundle, memorySections, type Program } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { describe, expect, it } from 'vitest';
import { cardWith } from '../../../test/support/small-cards.js';
import { quantizedLlama, STORIES } from '../../compiler/test/support/quantized-llama.js';
import { errorOf } from '../../ir/test/support/errors.js';
import { type CardOptions, SimulatedCard, simulate } from '../src/index.js';
import { withWeights } from './support/random-weights.js';

const U280 = findCard('u280');
const NO_BYTES = { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 };
const BUNDLE = withWeights(quantizedLlama({ ...STORIES, layers: 1, vocab: 50, context: 40 }));
const PROGRAM = compile(BUNDLE.model, U280, { maxChunk: 4, entries: ['prefill', 'decode', 'forward'] });

function card(changes: Partial<CardOptions> = {}): SimulatedCard {
  return new SimulatedCard({
    program: PROGRAM,
    device: U280,
    bundle: BUNDLE,
    kernels: createKernels(),
    encodedLength,
    instructionBytes: NO_BYTES,
    mode: 'function',
    ...changes,
  });
}

const ids = (count: number, first = 0): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => (7 * (i + first) + 3) % 50);

/** The only output of a call, copied. */
function logits(on: SimulatedCard, entry: string, past: number, tokens: Int32Array): Float32Array {
  const [out] = Object.values(on.run(entry, { seq: tokens.length, past }, { tokens }));
  return out.slice();
}

describe('function', () => {
  it('the same tokens give the same logits through prefill, forward and decode, however they are cut', () => {
    const tokens = ids(11);
    const byForward = logits(card(), 'forward', 0, tokens);
    expect(byForward.length).toBe(11 * 50);
    expect(byForward.every(Number.isFinite)).toBe(true);
    const byPrefill = logits(card(), 'prefill', 0, tokens);
    expect(byPrefill).toEqual(byForward.slice(10 * 50));
    const stepwise = card();
    for (let i = 0; i < 11; i++)
      expect(logits(stepwise, 'decode', i, ids(1, i))).toEqual(byForward.slice(i * 50, (i + 1) * 50));
    const cut = card();
    logits(cut, 'prefill', 0, ids(3));
    expect(logits(cut, 'forward', 3, ids(8, 3))).toEqual(byForward.slice(3 * 50));
  });

  it('does not change when time is counted too, or when the reference computes', () => {
    const expected = logits(card(), 'prefill', 0, ids(9));
    expect(logits(card({ mode: 'both' }), 'prefill', 0, ids(9))).toEqual(expected);
    expect(logits(card({ kernels: createKernels({ backend: 'reference' }) }), 'prefill', 0, ids(9))).toEqual(
      expected,
    );
  });

  it('keeps its cache between calls, and a shorter past goes back', () => {
    const on = card();
    logits(on, 'prefill', 0, ids(9));
    const first = logits(on, 'decode', 9, ids(1, 9));
    logits(on, 'decode', 10, ids(1, 10));
    expect(logits(on, 'decode', 9, ids(1, 9))).toEqual(first);
  });

  it('runs up to the last place of the context', () => {
    const on = card();
    logits(on, 'prefill', 0, ids(39));
    expect(logits(on, 'decode', 39, ids(1)).every(Number.isFinite)).toBe(true);
    expect(errorOf(() => logits(on, 'decode', 40, ids(1)))).toMatchObject({
      code: 'context-full',
      got: '40 cached and 1 new',
    });
    expect(errorOf(() => logits(on, 'prefill', 30, ids(11))).code).toBe('context-full');
  });
});

describe('time beside function', () => {
  it('is what simulate says of the same calls', () => {
    const on = card({ mode: 'both' });
    logits(on, 'prefill', 0, ids(9));
    for (let i = 0; i < 3; i++) logits(on, 'decode', 9 + i, ids(1));
    const report = on.report();
    const timed = simulate(PROGRAM, U280, {
      prefill: 9,
      decode: 3,
      model: BUNDLE.model.name,
      instructionBytes: NO_BYTES,
      encodedLength,
    });
    expect(report).toEqual({ ...timed.report, mode: 'both' });
    on.resetCounters();
    expect(on.report().totals).toMatchObject({ prefillSeconds: 0, decodeSeconds: 0 });
  });

  it('is not there unless asked for', () => {
    expect(errorOf(() => card().report()).code).toBe('simulator-no-time');
  });

  it('needs a figure of energy for every space, which function alone does not', () => {
    const device = { ...U280, energy: { ...U280.energy, bytePicojoules: {} } };
    const program = { ...PROGRAM, deviceHash: '' };
    expect(errorOf(() => card({ program, device, mode: 'both' })).code).toBe('simulator-energy');
    expect(card({ program, device }).device).toBe(device);
  });
});

describe('refusals', () => {
  it("another card's program, and a model without weights", () => {
    expect(errorOf(() => card({ device: findCard('vhk158') }))).toMatchObject({
      code: 'simulator-device-mismatch',
      expected: 'u280',
      got: 'vhk158',
    });
    const model = quantizedLlama({ ...STORIES, layers: 1, vocab: 50, context: 40 });
    expect(errorOf(() => card({ bundle: { model, sections: memorySections({}) } })).code).toBe(
      'simulator-shape-only',
    );
  });

  it('another model: a constant that is missing, or has another size', () => {
    const without: ModelBundle = {
      ...BUNDLE,
      model: { ...BUNDLE.model, constants: BUNDLE.model.constants.filter(({ name }) => name !== 'norm') },
    };
    expect(errorOf(() => card({ bundle: without }))).toMatchObject({
      code: 'simulator-model-mismatch',
      where: "region 'norm'",
    });
    const larger = withWeights(quantizedLlama({ ...STORIES, layers: 1, vocab: 66, context: 40 }));
    expect(errorOf(() => card({ bundle: larger }))).toMatchObject({ code: 'simulator-image-size' });
    const narrower = withWeights(quantizedLlama({ ...STORIES, layers: 1, vocab: 50, context: 40, bits: 4 }));
    expect(errorOf(() => card({ bundle: narrower }))).toMatchObject({ code: 'simulator-image-size' });
  });

  it('a layout that no transform gives', () => {
    const regions = PROGRAM.regions.map((region) =>
      region.contents.from === 'constant' && region.name === 'head'
        ? { ...region, contents: { ...region.contents, layout: 'cols8' } }
        : region,
    );
    expect(errorOf(() => card({ program: { ...PROGRAM, regions } }))).toMatchObject({
      code: 'simulator-layout',
      got: 'cols8',
    });
  });

  it('inputs that are missing or of another length, and lengths out of bounds', () => {
    const on = card();
    expect(errorOf(() => on.run('prefill', { seq: 3, past: 0 }, {}))).toMatchObject({
      code: 'simulator-input',
      expected: '3 values',
      got: 'none',
    });
    expect(errorOf(() => on.run('prefill', { seq: 3, past: 0 }, { tokens: ids(2) }))).toMatchObject({
      code: 'simulator-input',
      got: '2',
    });
    for (const lengths of [
      { seq: 0, past: 0 },
      { seq: 1.5, past: 0 },
      { seq: 1, past: -1 },
      { seq: 2, past: Number.NaN },
    ]) {
      expect(errorOf(() => on.run('forward', lengths, { tokens: ids(1) })).code).toBe('program-length');
    }
    expect(errorOf(() => on.run('decode', { seq: 2, past: 0 }, { tokens: ids(2) })).code).toBe(
      'program-length',
    );
    expect(errorOf(() => on.run('backward', { seq: 1, past: 0 }, { tokens: ids(1) }))).toMatchObject({
      code: 'program-entry-unknown',
      got: 'backward',
    });
  });

  it('token ids outside of the vocabulary', () => {
    for (const id of [50, -1, 1 << 30]) {
      const error = errorOf(() =>
        card().run('prefill', { seq: 2, past: 0 }, { tokens: Int32Array.of(3, id) }),
      );
      expect(error).toMatchObject({
        code: 'simulator-gather',
        where: 'row 1',
        expected: '0 to 49',
        got: String(id),
      });
    }
  });

  it('programs for cores that the card does not have', () => {
    const broken = (
      change: (program: Program['entries'][number]) => Program['entries'][number],
    ): Program => ({ ...PROGRAM, entries: PROGRAM.entries.map(change) });
    const cores = broken((entry) => ({
      ...entry,
      streams: [...entry.streams, { core: 1, instructions: [] }],
    }));
    expect(errorOf(() => logits(card({ program: cores }), 'decode', 0, ids(1))).code).toBe('simulator-cores');
  });

  it('a card of the same name and other contents, several slots, lengths it does not know, a channel of its own', () => {
    const faster = { ...U280, clockHz: 2 * U280.clockHz };
    expect(errorOf(() => card({ device: faster })).code).toBe('simulator-device-mismatch');
    expect(errorOf(() => card({ program: { ...PROGRAM, slots: 2 } }))).toMatchObject({
      code: 'simulator-unsupported',
      got: '2 slots',
    });
    const entries = PROGRAM.entries.map((entry) => ({
      ...entry,
      symbols: [...entry.symbols, { name: 'batch', min: 1, max: 4, perSlot: false }],
    }));
    expect(errorOf(() => card({ program: { ...PROGRAM, entries } })).got).toBe("the length 'batch'");
    const regions = PROGRAM.regions.map((region) => ({ ...region, channel: 3 }));
    expect(errorOf(() => card({ program: { ...PROGRAM, regions } }))).toMatchObject({
      code: 'simulator-unsupported',
      got: 'channel 3',
    });
  });

  it('closing gives the arena back', () => {
    const kernels = createKernels();
    const before = kernels.arena.used;
    for (let i = 0; i < 3; i++) card({ kernels }).close();
    expect(kernels.arena.used).toBe(before);
  });

  it('a space that the card does not have', () => {
    const program: Program = { ...PROGRAM, device: 'small', deviceHash: '' };
    const device = cardWith('small', { withoutDdr: true });
    expect(errorOf(() => card({ program, device }))).toMatchObject({ code: 'simulator-space', got: 'ddr' });
  });
});
