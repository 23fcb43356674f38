/** Masks of blocks in the attention of a model: as a slow reading says, whatever the chunks, and what is refused. */
import { BitloomError, type ModelBundle, verifyModel } from '@bitloom/ir';
import { createKernels } from '@bitloom/kernels';
import { createHostEngine, loadHostModel } from '@bitloom/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noise, tinyModel } from '../../runtime/test/support/tiny-model.js';
import { type BlockMask, localGlobalMask, maskAttention, quantizeModel } from '../src/index.js';
import { slowLogits } from './support/slow-graph.js';

const CONTEXT = 48;
const IDS = Array.from(noise(5, 30), (v) => Math.floor(((v + 1) / 2) * 40));
const kernels = createKernels();

/** Any mask under which a position sees itself. */
const MASKS = fc
  .record({
    rows: fc.integer({ min: 1, max: 20 }),
    cols: fc.integer({ min: 1, max: 20 }),
    heads: fc.constantFrom(1, 6),
    seed: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ rows, cols, heads, seed }): BlockMask => {
    const shape = [heads, Math.ceil(CONTEXT / rows), Math.ceil(CONTEXT / cols)] as const;
    const seen = Uint8Array.from(noise(seed, shape[0] * shape[1] * shape[2]), (v) => (v > 0 ? 1 : 0));
    for (let head = 0; head < heads; head += 1) {
      for (let p = 0; p < CONTEXT; p += 1)
        seen[(head * shape[1] + Math.floor(p / rows)) * shape[2] + Math.floor(p / cols)] = 1;
    }
    return { block: [rows, cols], seen, shape };
  });

function forward(bundle: ModelBundle, chunk: number): Float32Array {
  const engine = createHostEngine(bundle, { kernels, chunk });
  const logits = engine.forward(IDS).slice();
  engine.close();
  return logits;
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof BitloomError ? error.code : String(error);
  }
  return undefined;
}

describe('masks of blocks', () => {
  it.each(['f32', 'W8A8', 'FlightLLM-8:16'])('hide what they say, %s', (scheme) => {
    fc.assert(
      fc.property(MASKS, fc.integer({ min: 1, max: 20 }), fc.boolean(), (mask, chunk, isEarly) => {
        const float = tinyModel();
        const bundle = isEarly
          ? quantizeModel(maskAttention(float, mask), scheme)
          : maskAttention(quantizeModel(float, scheme), mask);
        verifyModel(bundle.model);
        const logits = forward(bundle, 48);
        expect(forward(bundle, chunk)).toEqual(logits);
        const slow = slowLogits(bundle, IDS).flat();
        const differences = slow.map((value, i) => Math.abs(value - logits[i])).sort((a, b) => a - b);
        expect(differences[Math.floor(slow.length * 0.9)]).toBeLessThan(scheme === 'f32' ? 1e-5 : 0.05);
      }),
      { numRuns: 12 },
    );
  });

  it('of all blocks change nothing, and local ones are windows', () => {
    const float = tinyModel();
    const plain = forward(float, 7);
    const all = localGlobalMask(CONTEXT, { block: 8, local: 6, global: 0 });
    expect(forward(maskAttention(float, all), 7)).toEqual(plain);
    const local = localGlobalMask(CONTEXT, { block: 1, local: 5, global: 0 });
    const functions = float.model.functions.map((fn) => ({
      ...fn,
      nodes: fn.nodes.map((node) =>
        node.op === 'attention' ? { ...node, attributes: { ...node.attributes, window: 5 } } : node,
      ),
    }));
    const windowed = { ...float, model: { ...float.model, functions } };
    expect(forward(maskAttention(float, local), 7)).toEqual(forward(windowed, 7));
    expect(forward(windowed, 7)).not.toEqual(plain);
    // Both at once: what either hides is hidden.
    const both = maskAttention(windowed, localGlobalMask(CONTEXT, { block: 8, local: 1, global: 0 }));
    const slow = slowLogits(both, IDS).flat();
    const logits = forward(both, 11);
    expect(slow.every((value, i) => Math.abs(value - logits[i]) < 1e-4)).toBe(true);
  });

  it('are those of local and global blocks', () => {
    const { seen, shape, block } = localGlobalMask(40, { block: 8, local: 2, global: 1 });
    expect([block, shape]).toEqual([
      [8, 8],
      [1, 5, 5],
    ]);
    const lines = Array.from({ length: 5 }, (_, row) => seen.subarray(row * 5, row * 5 + row + 1).join(''));
    expect(lines).toEqual(['1', '11', '111', '1011', '10011']);
  });

  it('are refused where they do not fit', () => {
    const float = tinyModel();
    const refuse = (mask: BlockMask, bundle: ModelBundle = float): void =>
      expect(codeOf(() => maskAttention(bundle, mask))).toBe('block-mask');
    const mask = localGlobalMask(CONTEXT, { block: 8, local: 2, global: 1 });
    refuse(mask, maskAttention(float, mask));
    refuse(localGlobalMask(CONTEXT - 8, { block: 8, local: 2, global: 1 }));
    refuse({ ...mask, seen: new Uint8Array(36) });
    refuse({ ...mask, seen: mask.seen.subarray(1) });
    refuse({ ...mask, shape: [2, 6, 3] });
    expect(codeOf(() => localGlobalMask(48, { block: 0, local: 1, global: 0 }))).toBe('block-mask');
    expect(codeOf(() => localGlobalMask(48, { block: 8, local: 0, global: 1 }))).toBe('block-mask');
    // An artefact of a stranger is seen by nobody before the engine.
    const blind = maskAttention(float, mask);
    const sections = {
      ...blind.sections,
      read: (section: string, offset?: number, length?: number) =>
        section === 'attention.mask' ? new Uint8Array(36) : blind.sections.read(section, offset, length),
      readInto: undefined,
    };
    expect(codeOf(() => loadHostModel({ model: blind.model, sections }, { kernels }).open())).toBe(
      'host-op-unsupported',
    );
  });
});
