import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  measureShiftDistance,
  type ShiftDistanceData,
  type ShiftDistanceRow,
  shiftDistanceTable,
  shiftQuantDistance,
} from '../src/index.js';
import { float32Within, normals, uniforms } from './support/random.js';

describe('the distance of ShiftQuant to the bound of group quantisation', () => {
  test('at least 1 and below the guarantee, whatever the maxima', () => {
    const maxima = fc.array(float32Within(10).map(Math.abs), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(maxima, fc.integer({ min: 1, max: 12 }), (values, groups) => {
        const distance = shiftQuantDistance(Float32Array.from(values), groups);
        // Float64 sums differ in their last bits.
        expect(distance.ratio).toBeGreaterThanOrEqual(1 - 1e-12);
        expect(distance.ratio).toBeLessThan(distance.guarantee);
        expect(distance.optimal).toBeGreaterThanOrEqual(distance.perChannel * (1 - 1e-12));
      }),
    );
  });

  test('the factor 4 is approached: many channels just above a threshold', () => {
    const maxima = new Float32Array(10_001).fill(0.5 + 2 ** -20);
    maxima[0] = 1;
    const { ratio } = shiftQuantDistance(maxima, 8);
    expect(ratio).toBeGreaterThan(3.99);
    expect(ratio).toBeLessThan(4);
  });

  test('too few groups for the number of channels cost channels / 4^(groups−1)', () => {
    const maxima = new Float32Array(1025).fill(2 ** -30);
    maxima[0] = 1;
    expect(shiftQuantDistance(maxima, 3).ratio).toBeCloseTo(1 + 1024 / 16, 6);
    expect(shiftQuantDistance(maxima, 6).ratio).toBeCloseTo(1 + 1024 / 1024, 6);
    expect(shiftQuantDistance(maxima, 11).ratio).toBeCloseTo(1, 2);
  });

  test('log-uniform ranges cost ln 4 / (1 − 1/4) = 1.848 of a group per channel', () => {
    const maxima = Float32Array.from({ length: 12_000 }, (_, i) => 2 ** (-12 * (i / 12_000)));
    const { shift, perChannel } = shiftQuantDistance(maxima, 13);
    expect(shift / perChannel).toBeCloseTo(Math.log(4) / 0.75, 2);
  });

  test('one group, and tensors of zeros, are no distance away', () => {
    expect(shiftQuantDistance(Float32Array.of(3, 1, 2), 1).ratio).toBe(1);
    expect(shiftQuantDistance(new Float32Array(4), 3).ratio).toBe(1);
    const zeros = measureShiftDistance(new Float32Array(6), { rows: 2, cols: 3, bits: 4, groups: 2 });
    expect(zeros).toMatchObject({ errorRatio: 1, shiftError: 0, tensorError: 0 });
  });

  test('the table of the design record', async () => {
    const table = shiftDistanceTable(dataSets(), [4, 6, 8], [2, 4, 8]);
    for (const row of table) {
      expect(row.ratio).toBeGreaterThanOrEqual(1 - 1e-12);
      expect(row.ratio).toBeLessThan(row.guarantee);
    }
    await expect(markdown(table)).toMatchFileSnapshot('../../../docs/design/0005-shiftquant-distance.md');
  });
});

const ROWS = 64;
const COLS = 256;

/** Normal entries under four kinds of channel ranges. */
function dataSets(): ShiftDistanceData[] {
  const entries = normals(ROWS * COLS, 11);
  const spread = normals(COLS, 12);
  const even = uniforms(COLS, 13);
  const gains: Readonly<Record<string, (channel: number) => number>> = {
    'equal channels': () => 1,
    'log-normal channels, σ = 1': (channel) => Math.exp(spread[channel]),
    'log-uniform channels, 2^−8 to 1': (channel) => 2 ** (-8 * even[channel]),
    '1 channel in 64 is 32 times larger': (channel) => (channel % 64 === 0 ? 32 : 1),
  };
  return Object.entries(gains).map(([name, gain]) => ({
    name,
    rows: ROWS,
    cols: COLS,
    values: Float32Array.from(entries, (entry, i) => entry * gain(i % COLS)),
  }));
}

function markdown(rows: readonly ShiftDistanceRow[]): string {
  const head = [
    'channels',
    'bits',
    'groups',
    'objective / bound',
    'error / error at the bound',
    'error / error of one scale',
    'guarantee',
  ];
  const lines = rows.map((row) =>
    [
      row.name,
      row.bits,
      row.groups,
      row.ratio.toFixed(2),
      row.errorRatio.toFixed(2),
      (row.shiftError / row.tensorError).toFixed(3),
      row.guarantee.toFixed(2),
    ].join(' | '),
  );
  return [
    '# Distance of ShiftQuant to the bound of group quantisation',
    '',
    `Written by \`packages/formats/test/shift-distance.test.ts\` (\`npx vitest run -u\` writes it anew) from \`shiftDistanceTable\`. ${ROWS} x ${COLS} normal entries, rounded to nearest; columns are channels. What the columns mean is in [0005](0005-shiftquant.md).`,
    '',
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---|').join('')}`,
    ...lines.map((line) => `| ${line} |`),
    '',
  ].join('\n');
}
