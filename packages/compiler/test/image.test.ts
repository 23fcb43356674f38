/** Placement in the card's memories: what lies where, apart from each other and inside; and what is refused. */
import {
  type ConstantDecl,
  type Device,
  dense,
  FP16,
  FP32,
  findCard,
  findMemory,
  intFormat,
  type Model,
  type QuantizedType,
  type Region,
  rows16Bytes,
  symbol,
  type ValueType,
} from '@bitloom/ir';
import { describe, expect, it } from 'vitest';
import { cardWith } from '../../../test/support/small-cards.js';
import { MemoryImage } from '../src/image.js';
import { compile } from '../src/index.js';
import { errorOf } from './support/errors.js';
import { quantizedLlama, STORIES } from './support/quantized-llama.js';
import { quantizedOpt } from './support/quantized-opt.js';

const U280 = findCard('u280');
const WITHOUT_DDR = cardWith('no-ddr', { withoutDdr: true });
const MODELS: readonly Model[] = [
  quantizedLlama(STORIES),
  quantizedOpt({ layers: 2, width: 60, ffn: 172, heads: 6, vocab: 50, context: 77, bits: 4 }),
];

function inOrder(regions: readonly Region[]): Region[] {
  return [...regions].sort((a, b) => a.offset - b.offset);
}

describe.each([U280, WITHOUT_DDR])('on $name', (device) => {
  it.each(MODELS)('regions of $name lie apart, on whole pages, inside their memory', (model) => {
    const { regions } = compile(model, device);
    expect(new Set(regions.map(({ name }) => name)).size).toBe(regions.length);
    for (const space of ['hbm', 'ddr']) {
      const memory = findMemory(device, space);
      const here = inOrder(regions.filter((region) => region.space === space));
      expect(here.length > 0).toBe(memory !== undefined);
      let end = 0;
      for (const region of here) {
        expect(region.offset % 4096).toBe(0);
        expect(region.bytes).toBeGreaterThan(0);
        expect(region.offset).toBeGreaterThanOrEqual(end);
        end = region.offset + region.bytes;
      }
      expect(end).toBeLessThanOrEqual((memory?.channels ?? 0) * (memory?.bytesPerChannel ?? 0));
    }
  });

  it('weights and the cache lie in HBM, tables and mailboxes in the small memory', () => {
    const small = device === U280 ? 'ddr' : 'hbm';
    for (const { purpose, space } of compile(quantizedLlama(STORIES), device).regions) {
      expect(space).toBe(purpose === 'weights' || purpose === 'kv' ? 'hbm' : small);
    }
  });
});

describe('sizes and layouts', () => {
  const { regions } = compile(quantizedLlama({ ...STORIES, layers: 1, context: 40 }), U280);
  const find = (name: string): Region => {
    const region = regions.find((candidate) => candidate.name === name);
    if (region === undefined) throw new Error(`no region ${name}`);
    return region;
  };

  it('packs weights in whole blocks of 16 rows, and says how', () => {
    const down = find('L0.down');
    expect(down.bytes).toBe(rows16Bytes(8, 32, 172, 64));
    expect(down.contents).toMatchObject({ from: 'constant', constant: 'L0.down', component: 'packed' });
    expect(down.contents).toMatchObject({ layout: expect.stringMatching(/^rows16\.s8\.g32\.t\d+x\d+$/) });
    // The gate has 172 rows: eleven blocks.
    expect(find('L0.gate').bytes).toBe(rows16Bytes(8, 32, 64, 176));
  });

  it('keeps gathered tables canonical, caches per head, and mailboxes as long as the context', () => {
    expect(find('embed.codes')).toMatchObject({ bytes: 512 * 64, purpose: 'table' });
    expect(find('embed.scales')).toMatchObject({ bytes: 512 * 2 * 2, purpose: 'table' });
    expect(find('L0.keys.codes')).toMatchObject({
      bytes: 4 * 40 * 8,
      purpose: 'kv',
      contents: { from: 'zeros' },
    });
    expect(find('L0.keys.scales')).toMatchObject({ bytes: 4 * 40 * 4, purpose: 'kv' });
    expect(find('tokens')).toMatchObject({ bytes: 40 * 4, purpose: 'input' });
    expect(regions.filter(({ purpose }) => purpose === 'output').map(({ bytes }) => bytes)).toEqual([
      2048, 2048,
    ]);
  });

  it('places an embedding that is also the head twice: as rows and in blocks', () => {
    const opt = compile(MODELS[1], U280).regions.filter(({ name }) => name.startsWith('embed'));
    expect(opt.map(({ name, purpose }) => `${name} ${purpose}`).sort()).toEqual([
      'embed weights',
      'embed.codes table',
      'embed.scales table',
    ]);
  });
});

describe('refusals', () => {
  const hbm = (bytesPerChannel: number): Device => ({
    ...U280,
    memories: U280.memories.map((memory) =>
      memory.space === 'hbm' ? { ...memory, channels: 2, bytesPerChannel } : memory,
    ),
  });

  it('a model too large for the card: which memory, which region, by how much', () => {
    const error = errorOf(() => compile(quantizedLlama(STORIES), hbm(65_536)));
    expect(error).toMatchObject({ code: 'compiler-does-not-fit', expected: 'at most 131072 bytes' });
    expect(error.message).toContain("the hbm of 'u280'");
    expect(error.where).toMatch(/^region '/);
    const [, end, shortfall] = /^(\d+) bytes: short by (\d+)$/.exec(error.got ?? '') ?? [];
    expect(Number(end) - Number(shortfall)).toBe(131_072);
    // As much as is asked for is enough; how far heads of a cache are apart depends on the channels.
    const { regions } = compile(quantizedLlama(STORIES), hbm(2 ** 28));
    const needed = Math.max(
      ...regions
        .filter(({ space }) => space === 'hbm')
        .map((r) => Math.ceil((r.offset + r.bytes) / 4096) * 4096),
    );
    expect(compile(quantizedLlama(STORIES), hbm(needed / 2)).regions).toEqual(regions);
    expect(errorOf(() => compile(quantizedLlama(STORIES), hbm(needed / 2 - 4096))).code).toBe(
      'compiler-does-not-fit',
    );
  });

  const TYPE: QuantizedType = {
    kind: 'quantized',
    shape: [32, 64],
    element: intFormat(8),
    scales: [{ format: FP16, block: [1, 32], direction: 'multiply', rule: 'amax/127' }],
    layout: 'canonical',
  };
  const image = (type: ValueType, device = U280): MemoryImage => {
    const constants: ConstantDecl[] = [{ name: 'w', type, components: {} }];
    return new MemoryImage({ ...MODELS[0], constants, states: [] }, device, 16);
  };

  const level = TYPE.scales[0];
  it.each<[string, ValueType]>([
    ['a dense one', dense('f32', [32, 64])],
    ['float codes', { ...TYPE, element: FP16 }],
    ['unsigned codes', { ...TYPE, element: { ...intFormat(8), signed: false } }],
    ['two levels of scales', { ...TYPE, scales: [level, level] }],
    ['float32 scales', { ...TYPE, scales: [{ ...level, format: FP32 }] }],
    ['blocks of rows', { ...TYPE, scales: [{ ...level, block: [2, 32] }] }],
    ['zero points', { ...TYPE, scales: [{ ...level, zero: { format: intFormat(8), kind: 'zero-point' } }] }],
    ['sparsity', { ...TYPE, sparsity: { kind: 'block-mask', block: [16, 16] } }],
    ['an index map', { ...TYPE, indexMap: { axis: 1, purpose: 'act-order', groups: 2 } }],
  ])('a weight with %s', (_what, type) => {
    expect(errorOf(() => image(type).matrix('w')).code).toBe('compiler-weight-unsupported');
  });

  it('divisors for scales: the engine multiplies', () => {
    const divided: ValueType = { ...TYPE, scales: [{ ...level, direction: 'divide' }] };
    expect(errorOf(() => image(divided).matrix('w')).code).toBe('compiler-weight-unsupported');
  });

  it('a width of codes that the expander does not take', () => {
    const device = { ...U280, matrix: { ...U280.matrix, weightBits: [8] } };
    const error = errorOf(() => image({ ...TYPE, element: intFormat(3) }, device).matrix('w'));
    expect(error).toMatchObject({
      code: 'compiler-weight-unsupported',
      expected: '8',
      got: '4',
      where: "weight 'w'",
    });
    expect(image({ ...TYPE, element: intFormat(3) }).matrix('w')).toMatchObject({ bits: 4, group: 32 });
  });

  it('symbolic sizes, a quantised parameter row, a float table, and names that nobody declared', () => {
    expect(errorOf(() => image({ ...TYPE, shape: [symbol('seq'), 64] }).matrix('w')).code).toBe(
      'compiler-shape-unsupported',
    );
    expect(errorOf(() => image(TYPE).floats32('w')).code).toBe('compiler-weight-unsupported');
    expect(errorOf(() => image(dense('f32', [4, 4])).table('w')).code).toBe('compiler-weight-unsupported');
    for (const run of [
      () => image(TYPE).matrix('x'),
      () => image(TYPE).table('x'),
      () => image(TYPE).floats32('x'),
    ]) {
      expect(errorOf(run).code).toBe('compiler-weight-unsupported');
    }
    expect(errorOf(() => image(TYPE).cache('x')).code).toBe('compiler-numerics-unsupported');
  });

  it('parameters that are not float32: their bytes would be read as something else', () => {
    expect(errorOf(() => image(dense('f16', [64])).floats32('w')).code).toBe('compiler-weight-unsupported');
  });

  it('tables in another format than gathers can read', () => {
    for (const type of [
      { ...TYPE, scales: [{ ...level, format: FP32 }] },
      { ...TYPE, scales: [level, level] },
      { ...TYPE, element: FP16 },
      { ...TYPE, scales: [{ ...level, block: [2, 32] }] },
      { ...TYPE, layout: 'rows16.s8.g32' },
    ]) {
      expect(errorOf(() => image(type).table('w')).code).toBe('compiler-weight-unsupported');
    }
  });
});
