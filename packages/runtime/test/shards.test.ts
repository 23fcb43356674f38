/** Models over several memories: the bits of one memory, whatever is cut where; and what is said when it cannot be. */
import { readFileSync } from 'node:fs';
import { BitloomError, findFunction, type ModelBundle } from '@bitloom/ir';
import { Arena, createKernels, type Kernels } from '@bitloom/kernels';
import { openModel } from '@bitloom/models/node';
import { describe, expect, it } from 'vitest';
import { dataPath, hasData } from '../../../test/support/data.js';
import { prepareGraph } from '../src/host/host-graph.js';
import { cutUnits } from '../src/host/placement.js';
import { createHostEngine, type Engine, generate, loadHostModel, perplexity } from '../src/index.js';
import { noise, type TinyShape, tinyModel } from './support/tiny-model.js';

const KIB = 2 ** 10;

interface Memories {
  /** Kernels over another small memory; the same ones for every model, because each costs some milliseconds. */
  readonly next: () => Kernels;
  /** Those that were asked for. */
  readonly made: readonly Kernels[];
  close(): void;
}

const POOLS = new Map<string, Kernels[]>();

/** Memories of at least `bytes` bytes, in steps of 64 KiB, beside what the kernels themselves take. */
function memories(bytes: number, threads = 1): Memories {
  const pool = POOLS.get(`${bytes} ${threads}`) ?? [];
  POOLS.set(`${bytes} ${threads}`, pool);
  const made: Kernels[] = [];
  return {
    made,
    next() {
      const arena = (): Arena => new Arena({ maxBytes: KERNEL_BYTES[threads] + bytes });
      const kernels = pool[made.length] ?? createKernels({ threads, arena: arena() });
      if (made.length === pool.length) pool.push(kernels);
      made.push(kernels);
      return kernels;
    },
    close() {
      for (const kernels of pool.splice(0)) kernels.close();
    },
  };
}

/** What kernels with this many threads take of their memory. */
const KERNEL_BYTES = [0, 1, 2].map((threads) => {
  const kernels = createKernels({ threads: Math.max(1, threads) });
  kernels.close();
  return kernels.arena.used;
});

function ids(count: number, vocabulary: number, seed: number): number[] {
  return Array.from(noise(seed, count), (v) => Math.floor(((v + 1) / 2) * vocabulary));
}

/** Everything an engine can be asked, as bits. */
function record(engine: Engine): Float32Array[] {
  const tokens = ids(23, engine.vocabularySize, 5);
  engine.reset();
  const out: Float32Array[] = [engine.prefill(tokens.slice(0, 14)).slice()];
  for (const token of tokens.slice(14, 18)) out.push(engine.decode(token).slice());
  out.push(engine.forward(tokens.slice(18)));
  engine.reset();
  out.push(engine.forward(tokens));
  out.push(
    Float32Array.of(perplexity(engine, ids(70, engine.vocabularySize, 6), undefined, { context: 20 }).nll),
  );
  return out;
}

/** Logits of three sequences in batches, with prompts beside single tokens. */
function recordBatch(bundle: ModelBundle, kernels: Kernels | (() => Kernels), chunk: number): Float32Array[] {
  const host = loadHostModel(bundle, { kernels, chunk, capacity: 40, sequences: 3 });
  const engines = [host.open(), host.open(), host.open()];
  const out: Float32Array[] = [];
  const calls = [
    [9, 1, 4],
    [1, 12, 1],
    [3, 1, 1],
  ];
  for (let turn = 0; turn < 3; turn += 1) {
    const batch = engines.map((engine, i) => ({
      engine,
      tokens: ids(calls[i][turn], host.vocabularySize, 7 * i + turn),
    }));
    out.push(...host.step(batch).map((logits) => logits.slice()));
  }
  for (const engine of engines) engine.close();
  host.close();
  return out;
}

function errorOf(run: () => unknown): BitloomError {
  try {
    run();
  } catch (error) {
    if (error instanceof BitloomError) return error;
    throw error;
  }
  throw new Error('nothing thrown');
}

/** Some 400 KiB of weights. */
const LARGE = { width: 48, hidden: 96, vocabulary: 120 } as const;
const SHAPES: readonly Partial<TinyShape>[] = [
  { ...LARGE, layers: 6 },
  { ...LARGE, layers: 6, tied: false, layout: 'interleaved' },
  { ...LARGE, layers: 7, style: 'opt', kvHeads: 6 },
];

describe('a model over several memories', () => {
  it.each(SHAPES)('gives the bits of one memory: %o', (shape) => {
    const bundle = tinyModel(shape);
    const one = createKernels();
    const expected = record(createHostEngine(bundle, { kernels: one, chunk: 8, capacity: 40 }));
    const together = recordBatch(bundle, one, 8);
    const counts = [3, 4, 6, 12].map((pages) => {
      const small = memories(pages * 64 * KIB);
      const options = { kernels: small.next, chunk: 8, capacity: 40, sequences: 3 };
      const engine = createHostEngine(bundle, options);
      const count = small.made.length;
      expect(record(engine)).toEqual(expected);
      engine.close();
      expect(small.made.every(({ arena }) => arena.used === KERNEL_BYTES[1])).toBe(true);
      expect(recordBatch(bundle, memories(pages * 64 * KIB).next, 8)).toEqual(together);
      return count;
    });
    expect(counts[3]).toBe(1);
    expect(counts[0]).toBeGreaterThan(2);
  });

  it.skipIf(!hasData)('tells the story of stories260K on two threads', async () => {
    const file = dataPath('stories260K', 'stories260K.bin');
    const bundle = await openModel(file, { tokenizer: dataPath('stories260K', 'tok512.bin') });
    if (bundle.tokenizer === undefined) throw new Error('no tokenizer');
    const small = memories(896 * KIB, 2);
    const engine = createHostEngine(bundle, { kernels: small.next, chunk: 16, capacity: 256 });
    expect(small.made.length).toBeGreaterThan(1);
    const steps = [...generate(engine, bundle.tokenizer, '', { maxTokens: 200 })];
    const golden = readFileSync(dataPath('stories260K', 'golden_greedy_200steps.txt'), 'utf8');
    expect(steps.map((step) => step.text).join('')).toBe(golden);
    engine.close();
    small.close();
  });

  it('takes one memory, and loads nothing twice, when one is enough', () => {
    const bundle = tinyModel(SHAPES[0]);
    const alone = createKernels();
    const before = alone.arena.used;
    createHostEngine(bundle, { kernels: alone, chunk: 8 });
    const many = memories(2 ** 24);
    createHostEngine(bundle, { kernels: many.next, chunk: 8 });
    expect(many.made).toHaveLength(1);
    expect(many.made[0].arena.used - KERNEL_BYTES[1]).toBe(alone.arena.used - before);
    const given = [createKernels(), createKernels()];
    const unused = given[1].arena.used;
    createHostEngine(bundle, { kernels: given, chunk: 8 });
    expect(given[1].arena.used).toBe(unused);
  });

  it('opens sequences as long as their caches fit, and takes nothing when they do not', () => {
    const bundle = tinyModel(SHAPES[0]);
    const small = memories(192 * KIB);
    const host = loadHostModel(bundle, { kernels: small.next, chunk: 8, capacity: 40 });
    expect(small.made.length).toBeGreaterThan(1);
    const engines: Engine[] = [];
    const fill = (): void => {
      for (;;) engines.push(host.open());
    };
    expect(errorOf(fill).code).toBe('arena-full');
    const used = small.made.map(({ arena }) => arena.used);
    expect(errorOf(() => host.open()).code).toBe('arena-full');
    expect(small.made.map(({ arena }) => arena.used)).toEqual(used);
    expect(engines.length).toBeGreaterThan(0);
    engines.pop()?.close();
    engines.push(host.open());
    for (const engine of engines) engine.close();
    host.close();
    expect(small.made.every(({ arena }) => arena.used === KERNEL_BYTES[1])).toBe(true);
  });

  it('says what a part needs when no memory is large enough', () => {
    const bundle = tinyModel({ ...SHAPES[0], hidden: 1200 });
    const small = memories(256 * KIB);
    const error = errorOf(() => createHostEngine(bundle, { kernels: small.next, chunk: 8, capacity: 40 }));
    expect(error.code).toBe('host-layer-too-large');
    expect(error.where).toBe("nodes '0.norm2' to '0.add2', model 'tiny'");
    expect(error.expected).toMatch(/^about 0\.\d\d MiB: weights 0\.66 MiB, caches 0\.00 MiB, workspace/);
    expect(error.got).toMatch(/ free of /);
    expect(small.made.every(({ arena }) => arena.used === KERNEL_BYTES[1])).toBe(true);
  });

  it('says when the memories it was given are full', () => {
    const small = memories(192 * KIB);
    const kernels = [small.next(), small.next()];
    const error = errorOf(() => createHostEngine(tinyModel(SHAPES[0]), { kernels, chunk: 8, capacity: 40 }));
    expect(error.code).toBe('host-memories-full');
    expect(error.got).toMatch(/^2 memories/);
    expect(small.made.every(({ arena }) => arena.used === KERNEL_BYTES[1])).toBe(true);
    expect(errorOf(() => createHostEngine(tinyModel(), { kernels: [] })).code).toBe('host-memories-full');
  });

  it('reports what it takes of each', () => {
    const bundle = tinyModel(SHAPES[0]);
    const weights = bundle.model.constants.reduce((bytes, { type }) => {
      return (
        bytes + type.shape.reduce<number>((count, size) => count * (typeof size === 'number' ? size : 1), 4)
      );
    }, 0);
    const small = memories(192 * KIB);
    const host = loadHostModel(bundle, { kernels: small.next, chunk: 8, capacity: 40, sequences: 2 });
    const engines = [host.open(), host.open()];
    engines[0].close();
    const report = host.memory();
    expect(report.memories).toHaveLength(small.made.length);
    expect(report.memories.length).toBeGreaterThan(1);
    // The table of angles is in every memory with attention; a constant is padded to 64 bytes.
    const rope = (bundle.weights.get('rope')?.byteLength ?? 0) * (small.made.length - 1);
    expect(report.weights).toBeGreaterThanOrEqual(weights);
    expect(report.weights).toBeLessThan(weights + rope + 64 * bundle.model.constants.length);
    expect(report).toMatchObject({ sequences: 2, cachesPerSequence: 6 * 2 * 2 * 40 * 4 * 4 });
    expect(report.caches).toBe(2 * report.cachesPerSequence);
    expect(report.total).toBe(report.weights + report.workspace + report.caches);
    small.made.forEach(({ arena }, i) => {
      const { total, free } = report.memories[i];
      expect(arena.used - KERNEL_BYTES[1] - total).toBeGreaterThanOrEqual(0);
      expect(arena.used - KERNEL_BYTES[1] - total).toBeLessThan(128);
      expect(free).toBe(arena.maxBytes - arena.used);
    });
    engines[1].close();
    host.close();
  });

  it('is cut where only the residual stream is alive', () => {
    const { model } = tinyModel({ layers: 2 });
    const fn = findFunction(model, 'prefill');
    if (fn === undefined) throw new Error('no entry');
    const graph = prepareGraph(model, fn);
    const units = cutUnits(graph).map(([first, end]) =>
      graph.nodes
        .slice(first, end)
        .map((node) => node.name)
        .join(' '),
    );
    const layer = (i: number): string[] => [
      `${i}.norm1 ${i}.q ${i}.k ${i}.v ${i}.q.rope ${i}.k.rope ${i}.keys.append ${i}.values.append ${i}.attention ${i}.o ${i}.add1`,
      `${i}.norm2 ${i}.up ${i}.gate ${i}.gated ${i}.down ${i}.add2`,
    ];
    expect(units).toEqual(['embed', ...layer(0), ...layer(1), 'last', 'norm', 'logits']);
  });
});
