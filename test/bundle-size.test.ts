/**
 * What a browser pays for one function of `@bitloom/formats`: the minified size of a bundle that imports it from the
 * package's entry and nothing else. A ceiling that is passed means that an import drags in what it does not need.
 */
import { expect, test } from 'vitest';
import { bundleForBrowser } from './support/bundle.js';

/** What one family costs: the promise of the package. */
const ONE_QUANTISER = 15_000;

/** Ceilings in bytes, by what an entry imports. The general functions carry every rule, rounding mode and layout. */
const CEILINGS: readonly (readonly [imports: string, bytes: number])[] = [
  ['quantizeGroups', ONE_QUANTISER],
  ['quantizeGroupsPacked', ONE_QUANTISER],
  ['dequantizeGroupsPacked', ONE_QUANTISER],
  ['quantizeMx', ONE_QUANTISER],
  ['quantizeNvfp4', ONE_QUANTISER],
  ['quantizeFloat8', ONE_QUANTISER],
  ['quantizeAffine', ONE_QUANTISER],
  ['quantizeShift', ONE_QUANTISER],
  ['quantizeMls', ONE_QUANTISER],
  ['quantizeLinear', ONE_QUANTISER],
  ['dequantizeScaled', ONE_QUANTISER],
  ['encodeGgml, Q4_0', ONE_QUANTISER],
  ['encodeGgml, Q4_K', ONE_QUANTISER],
  ['encode', ONE_QUANTISER],
  ['decode', ONE_QUANTISER],
  ['encodeFp16Array, decodeFp16Array', 5_500],
  ['elementFormat', 5_000],
  ['encodeElement, decodeElement, FP8_E4M3FN', 8_000],
  ['FP4_E2M1, E8M0', 1_000],
  ['packRows16', 8_000],
  ['roundToInteger', 2_000],
  ['quantizeScaled, mxScheme', 40_000],
  ['quantize, dequantize', 100_000],
];

test.each(CEILINGS)('a bundle of %s has at most %i bytes', async (imports, ceiling) => {
  const { code, modules } = await bundleForBrowser(`export { ${imports} } from '@bitloom/formats';`);
  const bytes = new TextEncoder().encode(code).length;
  const largest = Object.entries(modules)
    .map(([id, { renderedLength }]) => ({ part: id.split('/packages/').at(-1), renderedLength }))
    .sort((a, b) => b.renderedLength - a.renderedLength)
    .slice(0, 8);
  expect(bytes, `the largest parts: ${JSON.stringify(largest)}`).toBeLessThan(ceiling);
  // A bundle that exports nothing would be small as well.
  for (const name of imports.split(', ')) expect(code).toContain(`as ${name}`);
});

test('a bundle works by itself', async () => {
  const { code } = await bundleForBrowser(`export { quantizeMx } from '@bitloom/formats';`);
  const { quantizeMx } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  const { components } = quantizeMx({ data: new Float32Array(32).fill(3), shape: [32] }, 'fp4_e2m1');
  // 3 is 6 · 2^−1: the largest code under the exponent −1.
  expect(components).toEqual({ codes: new Uint8Array(16).fill(0x77), scales: Uint8Array.of(126) });
});
