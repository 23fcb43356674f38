/** Threads: the same bits for any number, clean shutdown, no hang. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { BitloomError } from '@bitloom/ir';
import { compileModule } from '@bitloom/wasm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAMILIES } from '../src/families.js';
import { probeFeatures } from '../src/features.js';
import { Arena, createKernels, FLAG_CONTINUE, FLAG_FINISH, type Kernels } from '../src/index.js';
import { cutRange } from '../src/parallel/division.js';
import { WorkerPool } from '../src/threads/worker-pool.js';
import { familyModuleBytes, instantiateFamily } from '../src/wasm/module.js';
import { SCRATCH_BYTES } from '../src/wasm/scratch.js';
import { type Bench, expectSame, type Operands } from './harness.js';

/** Waits until `count` threads take part; fails after ten seconds. */
async function untilReady(kernels: Kernels, count: number): Promise<void> {
  for (let i = 0; kernels.threads < count; i += 1) {
    if (i > 1000) throw new Error(`only ${kernels.threads} of ${count} threads are ready`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

it('cutRange covers everything once, in whole units', () => {
  expect(cutRange(33, 16, 2)).toEqual([
    [0, 16],
    [16, 33],
  ]);
  expect(cutRange(5, 16, 4)).toEqual([[0, 5]]);
  expect(cutRange(0, 4, 3)).toEqual([[0, 0]]);
  for (let total = 1; total < 100; total += 7) {
    for (const parts of [1, 2, 3, 7]) {
      const ranges = cutRange(total, 8, parts);
      expect(ranges[0][0]).toBe(0);
      expect(ranges.at(-1)?.[1]).toBe(total);
      ranges.slice(1).forEach(([start], i) => {
        expect(start).toBe(ranges[i][1]);
        expect(start % 8).toBe(0);
      });
    }
  }
});

describe.each([2, 3])('%i threads', (threads) => {
  const arena = new Arena();
  // Compared with one thread rather than the slow reference: the sizes must pass the thresholds.
  const reference = createKernels({ arena });
  const candidate = createKernels({ arena, threads });
  const bench: Bench = {
    arena,
    reference,
    candidates: [{ label: `${threads} threads`, kernels: candidate }],
  };
  const same = (prepare: (o: Operands) => (k: Kernels) => void): void =>
    expectSame(bench, 5, 'plain', prepare);

  beforeAll(() => untilReady(candidate, threads));
  afterAll(() => candidate.close());

  it('gemmGroups gives the bits of one thread', () => {
    for (const bits of [4, 8] as const) {
      for (const [M, N, K, group, flags] of [
        [1, 1000, 520, 32, FLAG_FINISH],
        [2, 400, 640, 128, FLAG_FINISH | FLAG_CONTINUE],
        [9, 333, 200, 64, FLAG_FINISH],
        [3, 17, 9000, 9000, FLAG_FINISH],
      ]) {
        same((o) => {
          const w = o.weights(bits, N, K, group);
          const x = o.codes(M * (K + 8));
          const scale = o.scales(M);
          const out = o.floats(M * N);
          return (k) =>
            k.gemmGroups(bits, group, M, N, K, x, Math.ceil(K / 8) * 8, scale, 4, w, out, N * 4, flags);
        });
      }
    }
  });

  it('gemmF32 gives the bits of one thread', () => {
    same((o) => {
      const [M, N, K] = [5, 333, 301];
      const x = o.floats(M * K);
      const w = o.floats(N * K);
      const out = o.floats(M * N);
      return (k) => k.gemmF32(M, N, K, x, K * 4, w, K * 4, out, N * 4);
    });
  });

  it.each([
    // Divided by groups of heads, and, with one group of heads, by query rows.
    { heads: 12, bDiv: 2, M: 3, tokens: 500, headDim: 64 },
    { heads: 4, bDiv: 4, M: 30, tokens: 300, headDim: 20 },
    { heads: 5, bDiv: 2, M: 40, tokens: 300, headDim: 16 },
  ])(
    'attention of $heads heads, $M queries gives the bits of one thread',
    ({ heads, bDiv, M, tokens, headDim }) => {
      const groups = Math.ceil(heads / bDiv);
      same((o) => {
        const q = o.codes(heads * M * headDim);
        const k8 = o.codes(groups * tokens * headDim);
        const qScale = o.scales(heads * M);
        const kScale = o.scales(groups * tokens);
        const scores = o.floats(heads * M * tokens);
        const p = o.block(heads * M * tokens);
        const pScale = o.block(heads * M * 4);
        const acc = o.block(heads * M * headDim * 4);
        const out = o.block(heads * M * headDim * 4);
        const head = headDim * 4;
        return (k) => {
          k.attentionScores(
            heads,
            M,
            tokens,
            headDim,
            q,
            M * headDim,
            headDim,
            qScale,
            M * 4,
            4,
            k8,
            tokens * headDim,
            headDim,
            kScale,
            tokens * 4,
            bDiv,
            scores,
            M * tokens * 4,
            tokens * 4,
          );
          k.softmaxQuantize(
            heads,
            M,
            tokens,
            scores,
            M * tokens * 4,
            tokens * 4,
            kScale,
            tokens * 4,
            bDiv,
            tokens - M + 1,
            1,
            0.1,
            p,
            M * tokens,
            tokens,
            0,
            pScale,
            M * 4,
            4,
          );
          k.attentionMix(
            heads,
            M,
            headDim,
            tokens,
            p,
            M * tokens,
            tokens,
            pScale,
            M * 4,
            4,
            k8,
            tokens * headDim,
            headDim,
            bDiv,
            acc,
            M * head,
            head,
            out,
            M * head,
            head,
            FLAG_FINISH,
          );
        };
      });
      same((o) => {
        const row = headDim * 4;
        const q = o.floats(heads * M * headDim);
        const keys = o.floats(groups * tokens * headDim);
        const scores = o.floats(heads * M * tokens);
        const out = o.block(heads * M * row);
        return (k) => {
          k.attentionScoresF32(
            heads,
            M,
            tokens,
            headDim,
            q,
            M * row,
            row,
            keys,
            tokens * row,
            row,
            bDiv,
            scores,
            M * tokens * 4,
            tokens * 4,
          );
          k.softmaxF32(
            heads,
            M,
            tokens,
            scores,
            M * tokens * 4,
            tokens * 4,
            tokens - M + 1,
            1,
            0.1,
            scores,
            M * tokens * 4,
            tokens * 4,
          );
          k.attentionMixF32(
            heads,
            M,
            headDim,
            tokens,
            scores,
            M * tokens * 4,
            tokens * 4,
            keys,
            tokens * row,
            row,
            bDiv,
            out,
            M * row,
            row,
          );
        };
      });
    },
  );

  it('many calls in a row, with pauses that let the workers fall asleep', async () => {
    const mark = arena.mark();
    const [N, K] = [512, 1024];
    const w = arena.alloc(N * K);
    const x = arena.alloc(K);
    const [a, b] = [arena.alloc(N * 4), arena.alloc(N * 4)];
    const scale = arena.alloc(4);
    arena.f32[scale / 4] = 1;
    arena.u8.fill(0x5a, w, w + N * K);
    for (let i = 0; i < 200; i += 1) {
      arena.i8[x + (i % K)] = i % 100;
      candidate.gemmGroups(4, 1024, 1, N, K, x, K, scale, 0, w, a, N * 4, FLAG_FINISH);
      reference.gemmGroups(4, 1024, 1, N, K, x, K, scale, 0, w, b, N * 4, FLAG_FINISH);
      expect(arena.u8.subarray(a, a + N * 4)).toEqual(arena.u8.subarray(b, b + N * 4));
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    arena.release(mark);
  });

  it('a trap on a worker is a typed error, and the next call works', () => {
    const mark = arena.mark();
    const row = arena.alloc(4 * 1024 * 4);
    const out = arena.alloc(4 * 1024 * 4);
    const call = (stride: number) => () =>
      candidate.gemmF32(1, 1024, 1024, row, 4096, row, stride, out, 4096);
    // The later rows of w lie past the end of the memory: the trap is on a worker, or here as well.
    expect(call(2 ** 20)).toThrow();
    expect(call(0)).not.toThrow();
    arena.release(mark);
  });
});

it('goes on with one thread after close', async () => {
  const kernels = createKernels({ threads: 2 });
  await untilReady(kernels, 2);
  kernels.close();
  kernels.close();
  expect(kernels.threads).toBe(1);
  const x = kernels.arena.alloc(4 * 700 * 700);
  const out = kernels.arena.alloc(4 * 700 * 700);
  kernels.gemmF32(700, 700, 700, x, 2800, x, 2800, out, 2800);
});

it('closing while the workers start up is fine', () => {
  for (let i = 0; i < 3; i += 1) createKernels({ threads: 3 }).close();
});

const bundle = new URL('../dist/index.js', import.meta.url);

it.skipIf(!existsSync(bundle))('workers never keep a process alive, closed or not', () => {
  // Plain Node on the built package: a test runner would end its own workers.
  for (const end of ['', 'kernels.close();', 'await new Promise((resolve) => setTimeout(resolve, 300));']) {
    const script = `
      import { createKernels } from ${JSON.stringify(bundle.href)};
      const kernels = createKernels({ threads: 2 });
      while (kernels.threads < 2) await new Promise((go) => setTimeout(go, 5));
      const { arena } = kernels;
      const [x, out] = [arena.alloc(1 << 21), arena.alloc(1 << 21)];
      kernels.gemmF32(700, 700, 700, x, 2800, x, 2800, out, 2800);
      ${end}
    `;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 30_000 });
    expect([run.status, run.signal, run.stderr.toString()], end).toEqual([0, null, '']);
  }
});

it('a trap on a worker alone is kernel-worker-failed', async () => {
  const arena = new Arena();
  const pool = new WorkerPool(arena, 0, [arena.alloc(SCRATCH_BYTES)]);
  pool.start();
  const index = FAMILIES.findIndex(({ name }) => name === 'vectors');
  const bytes = familyModuleBytes(FAMILIES[index], probeFeatures(), true);
  // On this thread a share traps nowhere and takes long enough for the worker to begin one.
  const pause = new Int32Array(new SharedArrayBuffer(4));
  pool.add(index, bytes, { add: () => Atomics.wait(pause, 0, 0, 5).length });
  const outside = [1, 1, 64, -1024, 0, 0, -1024, 0, 0, -1024, 0, 0];
  const shares = Array.from({ length: 16 }, () => outside);
  const run = (): unknown => {
    try {
      pool.run({ kernel: 'add', shares, scratchArgument: undefined });
      return undefined;
    } catch (error) {
      return error;
    }
  };
  try {
    for (let i = 0; pool.ready < 1 && i < 1000; i += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(pool.ready).toBe(1);
    // A busy machine may leave the worker out of a call.
    let error: unknown;
    for (let i = 0; error === undefined && i < 50; i += 1) error = run();
    expect(error).toBeInstanceOf(BitloomError);
    expect(error).toMatchObject({ code: 'kernel-worker-failed', got: expect.stringMatching(/^\d+ of 16 /) });
  } finally {
    pool.close();
  }
});

it('replaces a worker that ends, and works on meanwhile', async () => {
  const arena = new Arena();
  const scratch = Array.from({ length: 3 }, () => arena.alloc(SCRATCH_BYTES));
  const pool = new WorkerPool(arena, scratch[0], scratch.slice(1));
  pool.start();
  const ready = async (count: number): Promise<void> => {
    for (let i = 0; pool.ready !== count; i += 1) {
      if (i > 1000) throw new Error(`${pool.ready} workers instead of ${count}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const index = FAMILIES.findIndex(({ name }) => name === 'vectors');
  const bytes = familyModuleBytes(FAMILIES[index], probeFeatures(), true);
  pool.add(index, bytes, instantiateFamily(FAMILIES[index], compileModule(bytes), arena));
  const [a, out] = [arena.alloc(4096), arena.alloc(4096)];
  arena.f32.fill(2, a / 4, a / 4 + 1024);
  const double = (): void => {
    const shares = Array.from({ length: 16 }, (_, i) => {
      const at = i * 256;
      return [1, 1, 64, a + at, 0, 0, a + at, 0, 0, out + at, 0, 0];
    });
    arena.f32.fill(0, out / 4, out / 4 + 1024);
    pool.run({ kernel: 'add', shares, scratchArgument: undefined });
    expect(arena.f32.subarray(out / 4, out / 4 + 1024).every((value) => value === 4)).toBe(true);
  };
  try {
    await ready(2);
    double();
    for (let crash = 0; crash < 5; crash += 1) {
      const victim = pool.workers[crash % 2];
      victim?.terminate();
      for (let i = 0; i < 50; i += 1) double();
      while (pool.workers[crash % 2] === victim) await new Promise((resolve) => setTimeout(resolve, 1));
      // Three are replaced; after that the pool has fewer.
      await ready([2, 2, 2, 1, 0][crash]);
      double();
    }
  } finally {
    pool.close();
  }
});
