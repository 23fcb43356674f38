/** The resource model: against the published row, by its rules, and what is refused. */
import { readFileSync } from 'node:fs';
import { BitloomError, CARDS, type Device, findCard } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkResources,
  estimateResources,
  RESOURCE_KINDS,
  resourceExcess,
  resourceNotes,
} from '../src/index.js';
import { memoryBlocks } from '../src/resources/memory-blocks.js';
import { PUBLISHED_U280, publishedU280 } from './support/published-card.js';

const base = findCard('u280');
const partOf = (device: Device, name: string) =>
  estimateResources(device).parts.find((part) => part.name === name);

describe('beside the published row of the U280', () => {
  const { total } = estimateResources(publishedU280());
  /** Ours over theirs, less one. The model is fitted to none of them; LUTs are the pessimistic part. */
  const deviation = (kind: (typeof RESOURCE_KINDS)[number]): number => total[kind] / PUBLISHED_U280[kind] - 1;

  it.each([
    ['dsp', 0, 0.05],
    ['bram', 0, 0.1],
    ['uram', -0.01, 0.01],
    ['lut', 0, 0.8],
  ] as const)('%s is between %d and %d off', (kind, least, most) => {
    expect(deviation(kind)).toBeGreaterThanOrEqual(least);
    expect(deviation(kind)).toBeLessThanOrEqual(most);
  });

  it('stands in docs/resources.md as it is', () => {
    const page = readFileSync(new URL('../../../docs/resources.md', import.meta.url), 'utf8');
    for (const kind of RESOURCE_KINDS) {
      const share = `${deviation(kind) < 0 ? '−' : '+'}${Math.abs(100 * deviation(kind)).toFixed(1)} %`;
      const published = Math.round(PUBLISHED_U280[kind]);
      expect(page).toContain(`| ${kind.toUpperCase()} | ${published} | ${total[kind]} | ${share} |`);
    }
  });

  it('has the DSPs of three engines of 2x16x128 at two products each', () => {
    expect(partOf(publishedU280(), 'matrix: DSPs of the chains')?.dsp).toBe(3 * 2048);
  });
});

describe('parts', () => {
  it.each(CARDS.map((card) => card.name))('of %s sum up to the total', (name) => {
    const { parts, total } = estimateResources(findCard(name));
    for (const kind of RESOURCE_KINDS) {
      expect(parts.reduce((sum, part) => sum + part[kind], 0)).toBe(total[kind]);
      expect(Number.isInteger(total[kind])).toBe(true);
    }
    expect(new Set(parts.map((part) => part.name)).size).toBe(parts.length);
  });

  it('of a core are there for each core, those of the card once', () => {
    const one = estimateResources({ ...base, cores: 1 });
    const three = estimateResources({ ...base, cores: 3 });
    for (const part of one.parts) {
      const isShared = part.name.startsWith('memory') || part.name === 'host interface';
      const again = three.parts.find((other) => other.name === part.name);
      expect(again?.lut, part.name).toBe(isShared ? part.lut : 3 * part.lut);
      expect(again?.dsp, part.name).toBe(isShared ? part.dsp : 3 * part.dsp);
    }
    expect(three.parts.some((part) => part.name === 'exchange')).toBe(true);
  });

  it('grow with what they are for', () => {
    const more = (change: (device: Device) => Device, kind: (typeof RESOURCE_KINDS)[number]): void =>
      expect(estimateResources(change(base)).total[kind]).toBeGreaterThan(
        estimateResources(base).total[kind],
      );
    more((d) => ({ ...d, vector: { ...d.vector, lanes: d.vector.lanes + 1 } }), 'lut');
    more((d) => ({ ...d, vector: { ...d.vector, build: 'dsp' } }), 'dsp');
    more((d) => ({ ...d, matrix: { ...d.matrix, mm: { ...d.matrix.mm, n: 400 } } }), 'dsp');
    more((d) => ({ ...d, matrix: { ...d.matrix, weightBits: [2, 3, 4, 8] } }), 'lut');
  });

  it('of a smaller mode cost nothing: both modes share the DSPs', () => {
    const mv = { ...base.matrix.mv, n: 64 };
    expect(estimateResources({ ...base, matrix: { ...base.matrix, mv } }).total.dsp).toBe(
      estimateResources(base).total.dsp,
    );
  });

  it('multiplexers reach no further than the numbers of kept values ask', () => {
    const luts = (keeps: readonly number[], window = 16): number => {
      const matrix = { ...base.matrix, keeps, chain: { ...base.matrix.chain, window } };
      return partOf({ ...base, matrix }, 'matrix: N:M multiplexers')?.lut ?? 0;
    };
    const perBit = (lut: number): number => lut / (6144 * 16);
    expect(perBit(luts([]))).toBe(0);
    expect(perBit(luts([16]))).toBe(0);
    // Value j of eight is one of columns j..j+8: nine inputs.
    expect(perBit(luts([8]))).toBe(3);
    expect(perBit(luts([2, 4, 8, 16]))).toBe(4);
    // 2:4 reaches three columns of its window of four, and the dense one.
    expect(perBit(luts([8], 4))).toBeLessThanOrEqual(1);
  });

  it('a DSP58 packs three products of one sum', () => {
    const card = findCard('vhk158');
    expect(partOf(card, 'matrix: DSPs of the chains')?.dsp).toBe(2 * 512 * Math.ceil(16 / 3));
  });
});

describe('buffers in blocks', () => {
  it('are as wide as two ports ask and as deep as their bytes', () => {
    const buffer = { space: 'data', ports: 2, bytesPerCyclePerPort: 2048 } as const;
    expect(memoryBlocks({ ...buffer, bytes: 2048 * 512 })).toMatchObject({ kind: 'bram', blocks: 256 });
    expect(memoryBlocks({ ...buffer, bytes: 2048 * 513 })).toMatchObject({ kind: 'uram', blocks: 256 });
    expect(memoryBlocks({ ...buffer, bytes: 2048 * 4096 })).toMatchObject({ kind: 'uram', blocks: 256 });
    expect(memoryBlocks({ ...buffer, bytes: 2048 * 4097 })).toMatchObject({ kind: 'uram', blocks: 512 });
    expect(memoryBlocks({ ...buffer, ports: 4, bytes: 2048 * 512 })).toMatchObject({
      kind: 'bram',
      wide: 512,
    });
  });

  it('lie where the card says', () => {
    const buffer = { space: 'data', bytes: 2048 * 1024, ports: 2, bytesPerCyclePerPort: 2048 } as const;
    expect(memoryBlocks({ ...buffer, storage: 'bram' })).toMatchObject({ kind: 'bram', blocks: 512 });
    expect(memoryBlocks({ ...buffer, storage: 'uram' })).toMatchObject({ kind: 'uram', blocks: 256 });
  });

  it('hold their bytes and move the bytes of their ports', () => {
    const any = fc.record({
      bytes: fc.integer({ min: 1, max: 2 ** 26 }),
      ports: fc.integer({ min: 1, max: 8 }),
      bytesPerCyclePerPort: fc.integer({ min: 1, max: 8192 }),
    });
    fc.assert(
      fc.property(any, (shape) => {
        const { kind, blocks, wide } = memoryBlocks({ space: 'data', ...shape });
        expect(blocks * 8 * (kind === 'uram' ? 4096 : 512)).toBeGreaterThanOrEqual(shape.bytes);
        expect(wide * 8 * 2).toBeGreaterThanOrEqual(shape.ports * shape.bytesPerCyclePerPort);
        expect(blocks % wide).toBe(0);
      }),
    );
  });
});

describe('a card that does not fit', () => {
  const tight: Device = { ...base, resources: { dsp: 100, bram: 1e6, uram: 1e6, lut: 1e9 } };
  const needed = estimateResources(tight).total.dsp;

  it('is refused, with what is needed and what there is', () => {
    expect(() => checkResources(tight)).toThrowError(
      expect.objectContaining({
        code: 'resources-exceeded',
        message: expect.stringContaining(`${needed} DSP of 100`),
        expected: 'dsp at most 100',
        got: `dsp ${needed}`,
      }),
    );
  });

  it('is a note of the report when it is a published configuration', () => {
    const published = { ...tight, calibration: { ...tight.calibration, published: true } };
    expect(() => checkResources(published)).not.toThrow();
    expect(resourceNotes(published)).toEqual([
      `'u280' exceeds its own budget by our resource model: ${needed} DSP of 100`,
    ]);
  });

  it('is not one that fits, within the share that may be used', () => {
    const wide: Device = { ...base, resources: { dsp: 1e5, bram: 1e5, uram: 1e5, lut: 1e7 } };
    expect(resourceNotes(wide)).toEqual([]);
    expect(() => checkResources(wide)).not.toThrow();
    const exact: Device = { ...wide, resources: { ...wide.resources, dsp: needed } };
    expect(() => checkResources(exact)).not.toThrow();
    expect(resourceExcess(exact, 0.8)).toEqual([
      { kind: 'dsp', needed, available: Math.floor(0.8 * needed) },
    ]);
  });

  it('cannot claim products that its DSPs do not make', () => {
    const matrix = { ...base.matrix, dsp: { ...base.matrix.dsp, productsPerDsp: 3 } };
    expect(() => estimateResources({ ...base, matrix })).toThrowError(BitloomError);
    expect(() => estimateResources({ ...base, matrix })).toThrowError(/cannot make so many/);
  });
});
