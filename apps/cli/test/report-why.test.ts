/** Why a run is not faster: reasons cover each phase without a rest, and say what they should of known runs. */
import { compile, instructionBytes } from '@bitloom/compiler';
import { quantizeModel } from '@bitloom/compression';
import { type Device, encodedLength, findCard, type Report, type Trace } from '@bitloom/ir';
import { randomDecoder } from '@bitloom/models';
import { PATH_CAUSES, simulate } from '@bitloom/simulator';
import { expect, test } from 'vitest';
import { memoryMoved, unitBusy } from '../src/report/why/busy-index.js';
import { REASONS } from '../src/report/why/reasons.js';
import { type WhyNotFaster, whyNotFaster } from '../src/report/why/why-not-faster.js';
import { TINY } from './support/tiny-model.js';

function run(device: Device): { report: Report; trace: Trace; why: WhyNotFaster[] } {
  const { model } = quantizeModel(randomDecoder(TINY, { name: 'tiny' }), 'W4A8');
  const program = compile(model, device);
  const { report, trace } = simulate(program, device, {
    prefill: 6,
    decode: 3,
    model: model.name,
    instructionBytes: instructionBytes(program),
    encodedLength,
    trace: true,
  });
  if (trace === undefined) throw new Error('no trace');
  const whyOf = whyNotFaster(trace, device);
  let start = 0;
  const why = report.phases.map((phase) => {
    const from = phase.name === 'total' ? 0 : start;
    start += phase.cycles;
    return whyOf(phase, from, from + phase.cycles);
  });
  return { report, trace, why };
}

const top = (why: WhyNotFaster): string => why.items[0].id;

test.each(['u280', 'u280-flightllm', 'u280-bitloom'])('reasons of %s cover every phase', (card) => {
  const { report, why } = run(findCard(card));
  why.forEach(({ items, cycles }, i) => {
    expect(cycles).toBe(report.phases[i].cycles);
    expect(items.length).toBeGreaterThan(2);
    expect(items.reduce((sum, item) => sum + item.cycles, 0)).toBe(cycles);
    expect(items.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    for (const { matrixUse, memoryUse, hint, title } of items) {
      expect(matrixUse).toBeGreaterThanOrEqual(0);
      expect(matrixUse).toBeLessThanOrEqual(1 + 1e-9);
      expect(memoryUse ?? 0).toBeLessThanOrEqual(1.01);
      expect(hint.length).toBeGreaterThan(10);
      expect(title).not.toMatch(/[{}]/);
    }
  });
});

test('a slow memory, slow lanes and slow decoding are found', () => {
  const card = findCard('u280');
  const memories = card.memories.map((memory) => ({
    ...memory,
    bytesPerSecondPerChannel: memory.bytesPerSecondPerChannel / 200,
  }));
  expect(top(run({ ...card, memories }).why[1])).toBe('weights');
  const vector = { ...card.vector, lanes: 1, exponentLanes: 1 };
  expect(top(run({ ...card, vector }).why[1])).toMatch(/^vector /);
  const dispatcher = { ...card.dispatcher, cyclesPerInstruction: 5000 };
  const slow = run({ ...card, dispatcher }).why[1];
  expect(top(slow)).toBe('dispatch');
  expect(slow.items[0].share).toBeGreaterThan(0.8);
});

test('every cause of every unit has a reason', () => {
  for (const unit of ['load', 'fetch', 'store', 'matrix', 'vector', 'exchange']) {
    for (const cause of PATH_CAUSES) {
      const found = REASONS.find((one) => (one.units?.includes(unit) ?? true) && one.causes.includes(cause));
      expect(found, `${unit} ${cause}`).toBeDefined();
    }
  }
});

test('prefix sums say what happened between two cycles', () => {
  const moved = memoryMoved({ space: 'hbm', bucketCycles: 10, bytes: [100, 0, 50] });
  expect([moved(0, 30), moved(5, 10), moved(10, 25), moved(25, 99)]).toEqual([150, 50, 25, 25]);
  const { trace, report } = run(findCard('u280'));
  const busy = unitBusy(trace, 0, 'matrix');
  const matrix = report.units.find(({ name }) => name === 'matrix');
  expect(busy(0, Number.POSITIVE_INFINITY)).toBeCloseTo(matrix?.busy ?? 0, 6);
  expect(busy(0, 1000) + busy(1000, 5000)).toBeCloseTo(busy(0, 5000), 6);
});
