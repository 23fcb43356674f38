/**
 * Quantised models on the host interpreter: against a second reading of the same graph in float64, which shares no
 * line with the interpreter or its kernels, and against themselves in other chunks.
 */
import { createKernels, type Kernels } from '@bitloom/kernels';
import { createHostEngine } from '@bitloom/runtime';
import { describe, expect, it } from 'vitest';
import { noise, type TinyShape, tinyModel } from '../../runtime/test/support/tiny-model.js';
import { quantizeModel } from '../src/index.js';
import { slowLogits } from './support/slow-graph.js';

const VARIANTS: readonly Partial<TinyShape>[] = [
  {},
  { tied: false, layout: 'interleaved' },
  { style: 'opt', kvHeads: 6 },
  { heads: 3, kvHeads: 1, headDim: 6, width: 17, hidden: 13, layers: 1 },
  { width: 70, hidden: 44, layers: 3 },
];
const IDS = Array.from(noise(5, 30), (v) => Math.floor(((v + 1) / 2) * 40));

function open(variant: Partial<TinyShape>, scheme: string, chunk?: number) {
  const kernels = createKernels({ backend: 'reference' });
  return createHostEngine(quantizeModel(tinyModel(variant), scheme), { kernels, chunk });
}

describe.each(['f32', 'W8A8', 'W4A8'])('%s', (scheme) => {
  it.each(VARIANTS)('agrees with the slow reading: %o', (variant) => {
    const logits = open(variant, scheme, 7).forward(IDS);
    const slow = slowLogits(quantizeModel(tinyModel(variant), scheme), IDS).flat();
    const differences = slow.map((value, i) => Math.abs(value - logits[i])).sort((a, b) => a - b);
    // A value within rounding error of a tie may take the next code, and then a few logits move by about 0.05.
    expect(differences[Math.floor(slow.length * 0.95)]).toBeLessThan(2e-5);
    expect(differences.at(-1)).toBeLessThan(0.2);
  });

  it('gives the same bits where scores do not fit into one block', () => {
    // 64 heads x 96 columns x 48 rows are more scores than attention keeps at once.
    const wide = { heads: 64, kvHeads: 2, headDim: 2, width: 8, layers: 1, context: 96 };
    const ids = Array.from(noise(6, 96), (v) => Math.floor(((v + 1) / 2) * 40));
    expect(open(wide, scheme, 48).forward(ids)).toEqual(open(wide, scheme, 5).forward(ids));
  });

  it('gives the same bits however a sequence is cut', () => {
    const expected = open({}, scheme, 48).forward(IDS);
    for (const chunk of [1, 5, 16]) {
      const engine = open({}, scheme, chunk);
      expect(engine.forward(IDS)).toEqual(expected);
      engine.reset();
      engine.prefill(IDS.slice(0, 11));
      engine.forward(IDS.slice(11, 13));
      const [last] = IDS.slice(13)
        .map((token) => engine.decode(token))
        .slice(-1);
      expect(last.slice()).toEqual(expected.slice(-40));
    }
  });
});

describe('a tied embedding', () => {
  /** Bytes of memory that a model takes. */
  function memory(tied: boolean): number {
    const kernels = createKernels({ backend: 'reference' });
    const before = kernels.arena.used;
    const model = tinyModel({ tied, vocabulary: 512, width: 64 });
    createHostEngine(quantizeModel(model, 'W8A8'), { kernels }).forward([1, 2, 3]);
    return kernels.arena.used - before;
  }

  it('is held once', () => {
    const matrix = 512 * 64 + (512 * 64 * 2) / 32;
    expect(Math.abs(memory(false) - memory(true) - matrix)).toBeLessThan(1024);
  });
});

describe('what is read next', () => {
  it('is said before each product, and is the weights of the next one, at the end of the first', () => {
    const said: number[] = [];
    const read: number[] = [];
    const real = createKernels({ backend: 'reference' });
    const kernels: Kernels = {
      ...real,
      arena: real.arena,
      willRead: (pointer, bytes) => {
        said.push(pointer);
        expect(bytes).toBeGreaterThan(0);
        expect(pointer + bytes).toBeLessThanOrEqual(real.arena.used);
      },
      gemmGroups: (...args) => {
        read.push(args[9]);
        real.gemmGroups(...args);
      },
    };
    const engine = createHostEngine(quantizeModel(tinyModel({ layers: 2 }), 'W8A8'), { kernels });
    engine.decode(3);
    const each = read.length;
    engine.decode(4);
    expect(new Set(read).size).toBe(each);
    expect(each).toBe(2 * 7 + 1);
    expect(said.slice(0, -1)).toEqual(read.slice(1));
    expect(said.at(-1)).toBe(read[0]);
  });
});
