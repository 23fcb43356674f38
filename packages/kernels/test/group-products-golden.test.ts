/**
 * The emitted functions of the products with group-scaled weights as text, one file each, so that a change of the
 * emitters is read as a diff of instructions. Regenerate with `npx vitest run packages/kernels/test/group-products-golden -u`.
 */
import { expect, it } from 'vitest';
import { emitGemmGroups } from '../src/wasm/gemm-groups.js';
import { emittedFunctions } from './emitted-functions.js';

/** Functions whose text depends on the features of the engine, apart from their name. */
const BY_FEATURES = new Set(['gemmGroups', 'gemmPanel_pairs']);

const emitted = (relaxedSimd: boolean): Map<string, string> =>
  emittedFunctions(emitGemmGroups, { relaxedSimd });

it.each([true, false])(
  'the functions with relaxed SIMD %s are those of the golden files',
  async (relaxedSimd) => {
    const functions = emitted(relaxedSimd);
    expect(functions.size).toBeGreaterThan(20);
    for (const [name, text] of functions) {
      const form = BY_FEATURES.has(name) ? (relaxedSimd ? '-relaxed' : '-plain') : '';
      await expect(text).toMatchFileSnapshot(`golden/group-products/${name}${form}.wat`);
    }
  },
);

it('no function calls what Node 20 computes wrongly, and the plain form has no relaxed instruction', () => {
  expect([...emitted(true).values()].join()).not.toContain('relaxed_dot_i8x16_i7x16_add');
  expect([...emitted(false).values()].join()).not.toContain('relaxed');
  expect([...emitted(true).values()].join()).toContain('relaxed_dot_i8x16_i7x16_s');
});
