/**
 * The committed module is what the emitter makes today. After a change of `src/fast/emit` write it anew:
 *
 *   npx vitest run packages/formats/test/fast-module.test.ts -u
 */
import { disassemble, validateModule } from '@bitloom/wasm';
import { expect, it } from 'vitest';
import { blockModuleBytes } from '../src/fast/emit/module.js';

const LINE = 100;

/** The source file that holds `bytes`. */
function moduleSource(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  const lines = Array.from({ length: Math.ceil(text.length / LINE) }, (_, i) =>
    text.slice(i * LINE, (i + 1) * LINE),
  );
  return [
    '/** The binary of the block functions, in base64: made by `emit/module.ts`, written by its test. Not for editing. */',
    `export const BLOCK_MODULE =\n  '${lines.join("' +\n  '")}';`,
    '',
  ].join('\n');
}

it('is committed as the emitter makes it', async () => {
  await expect(moduleSource(blockModuleBytes())).toMatchFileSnapshot('../src/fast/block-module.ts');
});

it('is small, well typed and readable', () => {
  const bytes = blockModuleBytes();
  expect(validateModule(bytes)).toBe(true);
  // Browsers compile modules of up to 4 kB synchronously on the main thread, whatever their age.
  expect(bytes.length).toBeLessThan(4096);
  expect(disassemble(bytes)).toContain('(export "encode")');
});
