/**
 * Quantisers in a real browser, where there is one: the same bytes as here, on a plain page and on one whose security
 * policy forbids WebAssembly, where the plain definition steps in.
 */
import { existsSync } from 'node:fs';
import { dequantizeScaled, quantizeGroupsPacked, quantizeMx } from '@bitloom/formats';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleForBrowser } from './support/bundle.js';

const CHROMIUM = process.env.BITLOOM_CHROMIUM ?? '/usr/bin/chromium';
const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser)
  console.warn(`no browser at ${CHROMIUM}: formats are not tried in one (set BITLOOM_CHROMIUM)`);

const SHAPE = { rows: 3, cols: 70, bits: 4, groupSize: 32 };
const values = Array.from({ length: 210 }, (_, i) => Math.fround(Math.tan(i) * 3));

/** What the page does with the bundle, and what is done here for comparison. */
function quantised(formats: {
  quantizeGroupsPacked: typeof quantizeGroupsPacked;
  quantizeMx: typeof quantizeMx;
  dequantizeScaled: typeof dequantizeScaled;
}): number[][] {
  const data = Float32Array.from(values);
  const groups = formats.quantizeGroupsPacked(data, SHAPE);
  const mx = formats.quantizeMx({ data, shape: [3, 70] }, 'fp4_e2m1');
  const { codes, scales } = mx.components;
  return [groups.codes, groups.scales, codes, scales, formats.dequantizeScaled(mx)].map((array) => [
    ...array,
  ]);
}

describe.skipIf(!hasBrowser)('formats in a browser', () => {
  let browser: Browser;
  let bundle = '';

  beforeAll(async () => {
    const imports = 'quantizeGroupsPacked, quantizeMx, dequantizeScaled';
    ({ code: bundle } = await bundleForBrowser(`export { ${imports} } from '@bitloom/formats';`));
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
        ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ],
    });
  }, 300_000);
  afterAll(() => browser.close());

  test.each([
    ['a plain page', '', true],
    ['a page that forbids WebAssembly', "script-src 'unsafe-inline' blob:", false],
  ])('on %s', async (_name, policy, compiles) => {
    const page = await browser.newPage();
    const meta = policy === '' ? '' : `<meta http-equiv="Content-Security-Policy" content="${policy}">`;
    await page.setContent(`<!doctype html><html><head>${meta}</head></html>`);
    // The page imports one module, which imports the bundle: both as blobs, so that the policy applies to them.
    const program = `
      const values = ${JSON.stringify(values)};
      const SHAPE = ${JSON.stringify(SHAPE)};
      let compiled = true;
      try { new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)); } catch { compiled = false; }
      export const result = { compiled, arrays: (${quantised})(formats) };`;
    // As text, because what stands in this file is rewritten by the test runner.
    const script = `(async (library, main) => {
      const url = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
      return (await import(url("import * as formats from '" + url(library) + "';" + main))).result;
    })(${JSON.stringify(bundle)}, ${JSON.stringify(program)})`;
    const got: { compiled: boolean; arrays: number[][] } = await page.evaluate(script);
    expect(got.compiled).toBe(compiles);
    expect(got.arrays).toEqual(quantised({ quantizeGroupsPacked, quantizeMx, dequantizeScaled }));
    await page.close();
  });
});
