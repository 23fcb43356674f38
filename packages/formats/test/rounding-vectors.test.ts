import type { RoundingMode } from '@bitloom/ir';
import { expect, it } from 'vitest';
import { elementFormat, encodeElement } from '../src/index.js';
import { readFormatVectors } from './data.js';

interface RoundingVectors {
  columns: string[];
  formats: Record<string, (string | number)[][]>;
}

const vectors = readFormatVectors<RoundingVectors>('rounding-modes-gfloat.json');

const MODES: Record<string, RoundingMode> = {
  TowardZero: 'toward-zero',
  TowardNegative: 'toward-negative',
  TowardPositive: 'toward-positive',
  TiesToEven: 'nearest-even',
  TiesToAway: 'nearest-away',
  ToOdd: 'to-odd',
  Stochastic: 'stochastic',
  StochasticFast: 'stochastic-fast',
  StochasticFastest: 'stochastic-fastest',
};

it.skipIf(vectors === undefined)('rounds as the gfloat vectors in every mode and format', () => {
  const { columns, formats } = vectors ?? { columns: [], formats: {} };
  let checked = 0;
  for (const [name, rows] of Object.entries(formats)) {
    const format = elementFormat(name);
    for (const row of rows) {
      const value = new Float32Array(Uint32Array.of(Number.parseInt(String(row[0]), 16)).buffer)[0];
      const random = { bits: 8, value: Number(row[1]) };
      for (const [column, rounding] of Object.entries(MODES)) {
        const code = encodeElement(value, format, { rounding, saturate: true, nan: 'throw' }, random);
        expect(code, `${name} ${row[0]} ${rounding}`).toBe(row[columns.indexOf(column)]);
        checked += 1;
      }
    }
  }
  expect(checked).toBe(6 * 160 * 9);
});
