import { expect, test } from 'vitest';
import { dequantizeMls, errorMetrics, type MlsScaleRule, quantizeMls } from '../src/index.js';
import { normals } from './support/random.js';

const PLANES = 32 * 32;
const ELEMENTS = [
  [2, 1],
  [2, 4],
] as const;
const ROUNDINGS = ['nearest-even', 'stochastic'] as const;

/** Normal planes whose ranges differ by up to 2^4. */
function planes(size: number): Float32Array {
  const gains = normals(PLANES, 21);
  return Float32Array.from(
    normals(PLANES * size, 22, size),
    (x, i) => x * 2 ** Math.max(-2, Math.min(2, gains[Math.floor(i / size)])),
  );
}

/** Mean over planes of (largest magnitude that came back) / (largest magnitude). */
function keptTop(values: Float32Array, actual: Float32Array, size: number): number {
  let sum = 0;
  for (let plane = 0; plane < PLANES; plane += 1) {
    let top = plane * size;
    for (let i = top; i < (plane + 1) * size; i += 1)
      if (Math.abs(values[i]) > Math.abs(values[top])) top = i;
    sum += actual[top] / values[top];
  }
  return sum / PLANES;
}

test('the table of the design record: both scale rules', async () => {
  const rows: string[] = [];
  for (const element of ELEMENTS) {
    for (const groupScaleMantissa of [0, 1] as const) {
      for (const rounding of ROUNDINGS) {
        for (const size of [9, 64]) {
          const values = planes(size);
          const measure = (scaleRule: MlsScaleRule) => {
            const options = {
              element,
              groupScaleMantissa,
              groups: 'nc',
              rounding,
              scaleRule,
              seed: 3,
            } as const;
            const actual = dequantizeMls(quantizeMls(values, [32, 32, size], options));
            return { sqnr: errorMetrics(values, actual).sqnr, top: keptTop(values, actual, size) };
          };
          const [free, paper] = [measure('amax/qmax'), measure('amax')];
          if (rounding === 'stochastic') {
            // Unbiased where nothing saturates: 1,024 draws of a step of at most 1/2 of the value.
            expect(Math.abs(free.top - 1)).toBeLessThan((5 * 0.25) / Math.sqrt(PLANES));
            expect(paper.top).toBeLessThan(free.top);
          }
          const cells = [
            `<${element.join(',')}>`,
            `<8,${groupScaleMantissa}>`,
            size,
            rounding,
            free.sqnr.toFixed(1),
            paper.sqnr.toFixed(1),
            free.top.toFixed(3),
            paper.top.toFixed(3),
          ];
          rows.push(`| ${cells.join(' | ')} |`);
        }
      }
    }
  }
  const head = [
    'element',
    'group scale',
    'elements of a group',
    'rounding',
    'SQNR, dB, `amax/qmax`',
    'SQNR, dB, `amax`',
    'top kept, `amax/qmax`',
    'top kept, `amax`',
  ];
  const text = [
    '# The two scale rules of MLS, measured',
    '',
    `Written by \`packages/formats/test/mls-scale-rules.test.ts\` (\`npx vitest run -u\` writes it anew). ${PLANES} normal planes with ranges up to 2^4 apart, groups \`nc\`. "Top kept" is the mean over groups of what the largest value of a group comes back as, relative to it. See [0006](0006-mls.md).`,
    '',
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---|').join('')}`,
    ...rows,
    '',
  ].join('\n');
  await expect(text).toMatchFileSnapshot('../../../docs/design/0006-mls-scale-rules.md');
});
