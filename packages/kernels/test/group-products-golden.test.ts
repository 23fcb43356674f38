/**
 * The emitted functions of the products with group-scaled weights as text, one file each, so that a change of the
 * emitters is read as a diff of instructions. Regenerate with `npx vitest run packages/kernels/test/group-products-golden -u`.
 */
import { disassemble, ModuleBuilder } from '@bitloom/wasm';
import { expect, it } from 'vitest';
import { emitGemmGroups } from '../src/wasm/gemm-groups.js';

/** Functions whose text depends on the features of the engine, apart from their name. */
const BY_FEATURES = new Set(['gemmGroups', 'gemmPanel_pairs']);

function emittedFunctions(relaxedSimd: boolean): Map<string, string> {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', { initial: 1, maximum: 65536, shared: true });
  emitGemmGroups(module, { relaxedSimd });
  const [, ...functions] = disassemble(module.toBytes()).split(/^ {2}\(func \$/m);
  return new Map(
    functions.map((text) => {
      const name = text.slice(0, text.search(/[ \n]/));
      const body = text.slice(0, text.lastIndexOf('\n  )\n') + 5);
      return [name, `(func $${body.replaceAll(/^ {2}/gm, '')}`];
    }),
  );
}

it.each([true, false])(
  'the functions with relaxed SIMD %s are those of the golden files',
  async (relaxedSimd) => {
    const functions = emittedFunctions(relaxedSimd);
    expect(functions.size).toBeGreaterThan(20);
    for (const [name, text] of functions) {
      const form = BY_FEATURES.has(name) ? (relaxedSimd ? '-relaxed' : '-plain') : '';
      await expect(text).toMatchFileSnapshot(`golden/group-products/${name}${form}.wat`);
    }
  },
);

it('no function calls what Node 20 computes wrongly, and the plain form has no relaxed instruction', () => {
  expect([...emittedFunctions(true).values()].join()).not.toContain('relaxed_dot_i8x16_i7x16_add');
  expect([...emittedFunctions(false).values()].join()).not.toContain('relaxed');
  expect([...emittedFunctions(true).values()].join()).toContain('relaxed_dot_i8x16_i7x16_s');
});
