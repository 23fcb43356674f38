/**
 * The headline figures of docs/flightllm.md stand: LLaMA2-7B (shapes only) on FlightLLM's cards beside the published
 * rows, each feature of the ablation, and what our own card is built for. All simulated, so the same everywhere.
 */
import { type CompileOptions, compile, estimateResources, instructionBytes } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { encodedLength, findCard, type Program, type Report } from '@bitloom/ir';
import { openModel } from '@bitloom/models/node';
import { simulate } from '@bitloom/simulator';
import { describe, expect, it } from 'vitest';

const MODEL = 'llama2-7b';
/** Of programs: the longest length of the artefact. */
const CONTEXT = 2048;
const TIMEOUT = 240_000;

const shapes = await openModel(MODEL);
const programs = new Map<string, Program>();
const reports = new Map<string, Report>();

/** Compiled once for all tests of this file. */
function programOf(card: string, scheme: string, options: CompileOptions = {}): Program {
  const key = JSON.stringify([card, scheme, options]);
  const known = programs.get(key);
  if (known !== undefined) return known;
  const { model } = quantizeModel(shapes, scheme);
  const program = compile(model, findCard(card), { capacity: CONTEXT, ...options });
  programs.set(key, program);
  return program;
}

function run(
  card: string,
  scheme: string,
  prefill: number,
  decode: number,
  options: CompileOptions = {},
): Report {
  const key = JSON.stringify([card, scheme, prefill, decode, options]);
  const known = reports.get(key);
  if (known !== undefined) return known;
  const { report } = simulate(programOf(card, scheme, options), findCard(card), {
    prefill,
    decode,
    model: MODEL,
    instructionBytes: { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 },
    encodedLength,
    reuse: decode > 32,
  });
  reports.set(key, report);
  return report;
}

/** Share of the peak of HBM that a decode step reaches. */
function utilization(report: Report): number {
  const hbm = report.phases[1].memories.find(({ name }) => name === 'hbm');
  if (hbm === undefined) throw new Error('the card has no hbm');
  return hbm.utilization;
}

const expectWithin = (seconds: number, published: number, share = 0.05): void => {
  expect(Math.abs((1e3 * seconds) / published - 1), `${1e3 * seconds} ms of ${published}`).toBeLessThan(
    share,
  );
};

describe('published rows, within 5 %', () => {
  it.each([
    [128, 17.5],
    [512, 18.99],
  ])(
    'u280-flightllm, a decode step at KV %d: %d ms',
    (kv, published) => {
      expectWithin(run('u280-flightllm', 'FlightLLM', kv, 1).totals.decodeSeconds, published);
    },
    TIMEOUT,
  );

  it(
    'vhk158-flightllm, a prompt of 128: 289.9 ms, and 512 tokens after it: 5236.3 ms',
    () => {
      const { totals } = run('vhk158-flightllm', 'FlightLLM', 128, 512);
      expectWithin(totals.prefillSeconds, 289.9);
      expectWithin(totals.prefillSeconds + totals.decodeSeconds, 5236.3);
    },
    TIMEOUT,
  );
});

describe('ablation on u280-flightllm', () => {
  it(
    'on-chip decode raises the use of HBM at least 1.85 times',
    () => {
      const spilled = run('u280-flightllm', 'FlightLLM', 128, 1, { onchipDecode: false });
      const on = run('u280-flightllm', 'FlightLLM', 128, 1);
      expect(utilization(on) / utilization(spilled)).toBeGreaterThanOrEqual(1.85);
    },
    TIMEOUT,
  );

  it(
    'sparse chains make a prompt of 8:16 at least 1.6 times as fast',
    () => {
      const dense = run('u280-flightllm', 'FlightLLM-8:16', 128, 0, { sparseChains: false });
      const sparse = run('u280-flightllm', 'FlightLLM-8:16', 128, 0);
      expect(dense.totals.prefillSeconds / sparse.totals.prefillSeconds).toBeGreaterThanOrEqual(1.6);
    },
    TIMEOUT,
  );

  it(
    'buckets that share code divide the instructions by 338, lengths in the scheduler leave less than 50 MB',
    () => {
      const program = programOf('u280-flightllm', 'FlightLLM');
      const { unbucketed, bucketed, resolved } = instructionBytes(program);
      expect(unbucketed / bucketed).toBeGreaterThanOrEqual(338);
      expect(resolved).toBeLessThan(50e6);
    },
    TIMEOUT,
  );
});

describe('u280-bitloom', () => {
  it(
    'decodes at least 112 token/s at KV 128',
    () => {
      const { totals } = run('u280-bitloom', 'FlightLLM', 128, 1);
      expect(totals.decodeTokensPerSecond).toBeGreaterThanOrEqual(112);
    },
    TIMEOUT,
  );

  it(
    'takes at least 700 token/s of a prompt of 512, 8:16',
    () => {
      const { totals } = run('u280-bitloom', 'FlightLLM-8:16', 512, 0);
      expect(512 / totals.prefillSeconds).toBeGreaterThanOrEqual(700);
    },
    TIMEOUT,
  );

  it.each(['dsp', 'bram', 'uram', 'lut'] as const)('uses at most 80 percent of its %s', (kind) => {
    const card = findCard('u280-bitloom');
    expect(estimateResources(card).total[kind] / card.resources[kind]).toBeLessThanOrEqual(0.8);
  });
});
