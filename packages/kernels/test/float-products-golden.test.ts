/**
 * The emitted functions of the float32 products as text, one file each, so that a change of the emitters is read as a
 * diff of instructions. Regenerate with `npx vitest run packages/kernels/test/float-products-golden -u`.
 */
import { expect, it } from 'vitest';
import { emitGemmF32 } from '../src/wasm/gemm-f32.js';
import { emittedFunctions } from './emitted-functions.js';

/** Functions that multiply and add, whose text depends on the features of the engine. */
const BY_FEATURES = /^float(Tile|Direct|Lines)\d$/;

it.each([true, false])(
  'the functions with relaxed SIMD %s are those of the golden files',
  async (relaxedSimd) => {
    const functions = emittedFunctions(emitGemmF32, { relaxedSimd });
    expect(functions.size).toBe(16);
    for (const [name, text] of functions) {
      const form = BY_FEATURES.test(name) ? (relaxedSimd ? '-relaxed' : '-plain') : '';
      await expect(text).toMatchFileSnapshot(`golden/float-products/${name}${form}.wat`);
      expect(text.includes('relaxed'), name).toBe(relaxedSimd && form !== '');
    }
  },
);
