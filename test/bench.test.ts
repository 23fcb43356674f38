/**
 * The harness of `npm run bench`: arguments, statistics, the fields of a row. Never the benchmarks themselves, which take
 * minutes and depend on the machine.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requireClose } from '../benchmarks/lib/data.mjs';
import { page } from '../benchmarks/lib/page.mjs';
import { row } from '../benchmarks/lib/rows.mjs';
import { ONLY, runBenchmark } from '../benchmarks/lib/run.mjs';
import { callable, figures, interleave, median } from '../benchmarks/lib/sample.mjs';
import { table } from '../benchmarks/lib/table.mjs';
import { randomVocabulary } from '../benchmarks/lib/vocabulary.mjs';

const root = join(import.meta.dirname, '..');
const FIELDS = ['name', 'ours', 'unit', 'peer', 'peerName', 'ratio', 'limit', 'limitShare', 'load'];

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(root, 'benchmarks/bench.mjs'), ...args], { encoding: 'utf8' });
}

describe('arguments', () => {
  it('are refused with exit code 2 and what is possible, before anything is built', () => {
    for (const args of [
      ['gem'],
      [],
      ['gemm', 'conv'],
      ['gemm', '--seconds', '0'],
      ['gemm', '--threads', '0'],
      ['gemm', '--backend', 'gpu'],
      ['gemm', '--fast'],
    ]) {
      const { status, stdout, stderr } = bench(...args);
      expect([args, status, stdout]).toEqual([args, 2, '']);
      expect(stderr).toContain('decode, prefill, gemm');
    }
    expect(bench('gem').stderr).toContain('there is no benchmark "gem"');
  });

  it('are explained, each of them, by --help and where one is unknown', () => {
    const { status, stdout, stderr } = bench('--help');
    expect([status, stderr]).toEqual([0, '']);
    for (const option of ['--json', '--seconds S', '--threads LIST', '--backend NAME', '--help']) {
      expect(stdout.split('\n')[0]).toContain(`[${option}]`);
      expect(stdout).toMatch(new RegExp(`^  ${option} +\\S.{10,}$`, 'm'));
    }
    expect(bench('gemm', '--second', '3').stderr).toBe(`bench: Unknown option '--second'\n${stdout}`);
  });

  it('are the script of the root', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(scripts.bench).toBe('node benchmarks/bench.mjs');
  });
});

describe('statistics', () => {
  it('takes the median of odd and even numbers of samples, in any order', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow(RangeError);
  });

  it('makes rates of work and keeps times as they are', () => {
    expect(figures([2, 4, 1], { work: 8e9, unit: 'GOPS', scale: 1e9 })).toEqual({
      best: 8,
      median: 4,
      samples: 3,
    });
    expect(figures([0.2, 0.1, 0.4], { work: 7, unit: 'ms' })).toEqual({ best: 100, median: 200, samples: 3 });
  });

  it('fills a sample with calls and gives the seconds of one', async () => {
    let now = 0;
    let calls = 0;
    const contender = callable(
      () => {
        now += 0.25;
        calls += 1;
        return 1;
      },
      1,
      { clock: () => now, sampleMs: 3 },
    );
    expect(await contender.sample()).toBe(0.25 / 1000);
    const before = calls;
    expect(await contender.sample()).toBe(0.25 / 1000);
    // Twelve in the sample and one before it.
    expect(calls - before).toBe(13);
    expect(contender.checksum()).toBe(calls);
  });

  it('takes samples in turn, each contender first as often as the others', async () => {
    const order: string[] = [];
    let now = 0;
    const contender = (
      name: string,
      isWarm = false,
    ): { work: number; isWarm: boolean; sample(): number } => ({
      work: 1,
      isWarm,
      sample() {
        order.push(name);
        now += 10;
        return 1;
      },
    });
    const samples = await interleave(
      { a: contender('a'), b: contender('b', true), c: contender('c') },
      { seconds: 0.05, clock: () => now },
    );
    expect(order.join('')).toBe('ac' + 'abc' + 'bca' + 'cab');
    expect(samples).toEqual({ a: [1, 1, 1], b: [1, 1, 1], c: [1, 1, 1] });
  });

  it('waits for the threads of the one before, and samples several times in a turn', async () => {
    const events: (string | number)[] = [];
    const contender = (
      name: string,
      restMs?: number,
    ): { work: number; restMs?: number; sample(): number } => ({
      work: 1,
      restMs,
      sample() {
        events.push(name);
        return 1;
      },
    });
    const samples = await interleave(
      { a: contender('a', 70), b: contender('b') },
      {
        seconds: 0,
        rounds: 2,
        perTurn: 2,
        pauseMs: 3,
        sleep: async (ms) => {
          events.push(ms);
        },
      },
    );
    expect(samples).toEqual({ a: [1, 1, 1, 1], b: [1, 1, 1, 1] });
    // Once each untimed, then a, b and b, a.
    expect(events).toEqual([3, 'a', 70, 'b', 3, 'a', 'a', 70, 'b', 'b', 3, 'b', 'b', 3, 'a', 'a']);
  });

  it('goes on until the time is over, and takes several samples from one run', async () => {
    let now = 0;
    const several = {
      work: 1,
      sample() {
        now += 100;
        return [1, 2];
      },
    };
    const { a } = await interleave({ a: several }, { seconds: 0.5, clock: () => now });
    expect(a).toEqual([1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
  });
});

describe('rows', () => {
  const ours = { best: 4, median: 2, samples: 5 };

  it('has the fields scripts read, first and in order, and null where there is nothing beside', () => {
    const alone = row({ name: 'a', unit: 'GOPS', ours }, 0.123);
    expect(Object.keys(alone).slice(0, FIELDS.length)).toEqual(FIELDS);
    expect(alone).toMatchObject({
      ours: 4,
      peer: null,
      peerName: null,
      ratio: null,
      limit: null,
      load: 0.12,
    });
    expect(alone.limitShare).toBeNull();
  });

  it('has a ratio above 1 where ours is ahead, for rates and for times', () => {
    const peer = { best: 2, median: 2, name: 'peer' };
    const limit = { best: 8, median: 8, name: 'machine' };
    expect(row({ name: 'a', unit: 'GOPS', ours, peer, limit })).toMatchObject({ ratio: 2, limitShare: 0.5 });
    expect(row({ name: 'a', unit: 'ms', ours, peer })).toMatchObject({ ratio: 0.5, peerName: 'peer' });
  });

  it('become a page with what stood beside them, without columns that nothing fills', () => {
    const peer = { best: 2, median: 2.5, name: 'their product' };
    const limit = { best: 8, median: 8, name: 'int8 in registers, 2 threads, native' };
    const rows = [
      row({ name: 'a, 2 T', unit: 'GOPS', ours, peer, limit }),
      row({ name: 'b', unit: 's', ours }),
    ];
    const run = { name: 'gemm', command: 'bench gemm', date: '2026-01-02', machine: 'Z80', rows };
    expect(page(run)).toBe(
      [
        '# Benchmark `gemm`',
        '',
        '`bench gemm`, 2026-01-02, Z80. How to read it: [benchmarks](../benchmarks.md).',
        '',
        '|  | ours | median | unit | peer | median | ratio | of medians | of the limit |',
        '| :-- | --: | --: | :-- | --: | --: | --: | --: | --: |',
        '| a, 2 T | 4.00 | 2.00 | GOPS | 2.00 | 2.50 | 2.00 | 0.80 | 50 % |',
        '| b | 4.00 | 2.00 | s |  |  |  |  |  |',
        '',
        'Beside: their product.',
        '',
        'Limits: int8 in registers, native.',
        '',
      ].join('\n'),
    );
  });

  it('come from cases, one for each backend, and from the summary of a benchmark', async () => {
    const closed: string[] = [];
    const contender = (value: number): { work: number; sample(): number } => ({
      work: 1,
      sample: () => value,
    });
    const benchmark = {
      seconds: 0,
      cases: async () => [
        {
          name: 'product',
          unit: 'GOPS',
          threads: 1,
          open: async () => ({
            ours: { wasm: contender(0.5), native: contender(0.25) },
            peer: { ...contender(1), name: 'theirs' },
            limit: { ...contender(0.125), name: 'machine' },
            close: () => closed.push('product'),
          }),
        },
        { name: 'time', unit: 's', open: async () => ({ ours: { [ONLY]: contender(3) } }) },
      ],
      summary: (rows: readonly BenchmarkRow[]) => [{ ...rows[0], name: 'all' }],
    };
    const rows = await runBenchmark(benchmark, { log() {} });
    expect(rows.map(({ name, ours: value, ratio, limitShare }) => [name, value, ratio, limitShare])).toEqual([
      ['product, wasm', 2, 2, 0.25],
      ['product, native', 4, 4, 0.5],
      ['time', 3, null, null],
      ['all', 2, 2, 0.25],
    ]);
    expect(closed).toEqual(['product']);
    expect(JSON.parse(JSON.stringify(rows))).toEqual(rows);
    expect(table(rows).split('\n')).toHaveLength(5);
  });
});

describe('operands', () => {
  it('are compared element by element', () => {
    expect(() => requireClose('sum', [1, 2], [1, 2])).not.toThrow();
    expect(() => requireClose('sum', [1, 2], [1, 2.5], 0.5)).not.toThrow();
    expect(() => requireClose('sum', [1, 2], [1, 3])).toThrow('element 1');
    expect(() => requireClose('sum', [1], [1, 2])).toThrow('1 values instead of 2');
    expect(() => requireClose('sum', [Number.NaN], [1], 9)).toThrow('element 0');
  });

  it('has vocabularies of any size without a piece twice', () => {
    const { pieces, scores, types } = randomVocabulary(32000);
    expect([pieces.length, scores.length, types.length, new Set(pieces).size]).toEqual([
      32000, 32000, 32000, 32000,
    ]);
  });
});
