/**
 * The searches through WebAssembly: the committed module is what the emitter makes today, and encoders give the same
 * bytes with it and without. After a change of `src/ggml/search/emit` write it anew:
 *
 *   npx vitest run packages/formats/test/ggml-search-module.test.ts -u
 */
import { disassemble, validateModule } from '@bitloom/wasm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createScratch, type EncodeScratch } from '../src/ggml/block-format.js';
import type { GgmlBlockName } from '../src/ggml/block-sizes.js';
import { ggmlBlock } from '../src/ggml/ggml-blocks.js';
import { searchModuleBytes } from '../src/ggml/search/emit/module.js';
import { sharedSearchSource } from '../src/ggml/search/group-search.js';
import { mixedValues } from './ggml-data.js';

const LINE = 100;

/** The source file that holds `bytes`. */
function moduleSource(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  const lines = Array.from({ length: Math.ceil(text.length / LINE) }, (_, i) =>
    text.slice(i * LINE, (i + 1) * LINE),
  );
  return [
    '/** A WebAssembly binary in base64: made by `emit/module.ts`, written by its test. Not for editing. */',
    `export const SEARCH_MODULE =\n  '${lines.join("' +\n  '")}';`,
    '',
  ].join('\n');
}

it('is committed as the emitter makes it', async () => {
  await expect(moduleSource(searchModuleBytes())).toMatchFileSnapshot('../src/ggml/search/search-module.ts');
});

it('is small, well typed and readable', () => {
  const bytes = searchModuleBytes();
  expect(validateModule(bytes)).toBe(true);
  // Browsers of any age compile modules of up to 4 kB synchronously on the main thread.
  expect(bytes.length).toBeLessThan(4096);
  expect(disassemble(bytes)).toContain('(export "fitRange")');
});

describe('encoders with the module and without', () => {
  const SEARCHED: readonly GgmlBlockName[] = ['q2_K', 'q4_K', 'q5_K', 'q6_K', 'iq4_xs'];

  function encode(name: GgmlBlockName, values: Float32Array, scratch: EncodeScratch): Uint8Array {
    const { elements, bytes, encode } = ggmlBlock(name);
    const out = new Uint8Array((values.length / elements) * bytes);
    for (let i = 0; i < values.length / elements; i += 1)
      encode(values, i * elements, out, i * bytes, scratch);
    return out;
  }

  it('run where the tests run', () => {
    expect(sharedSearchSource()).toBeDefined();
    expect(createScratch(() => undefined).search()).toBeUndefined();
  });

  it.each(SEARCHED)('%s: equal bytes for all kinds of data', (name) => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: -40, max: 20 }), (seed, exponent) => {
        const values = mixedValues(seed).map((value) => value * 2 ** exponent);
        const plain = encode(
          name,
          values,
          createScratch(() => undefined),
        );
        expect(Buffer.compare(encode(name, values, createScratch()), plain)).toBe(0);
      }),
      { numRuns: 15 },
    );
  });

  it.each(SEARCHED)('%s: equal bytes for any finite values, up to where sums overflow', (name) => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(float, { minLength: 256, maxLength: 256 }), (list) => {
        const values = Float32Array.from(list);
        const plain = encode(
          name,
          values,
          createScratch(() => undefined),
        );
        expect(Buffer.compare(encode(name, values, createScratch()), plain)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});
