/**
 * The committed modules are what the emitters make today. After a change of `src/fast/emit` write them anew:
 *
 *   npx vitest run packages/formats/test/fast-module.test.ts -u
 */
import { disassemble, validateModule } from '@bitloom/wasm';
import { describe, expect, it } from 'vitest';
import { decodeModuleBytes, encodeModuleBytes, halvesModuleBytes } from '../src/fast/emit/modules.js';

const LINE = 100;

/** The source file that holds `bytes`. */
function moduleSource(name: string, bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  const lines = Array.from({ length: Math.ceil(text.length / LINE) }, (_, i) =>
    text.slice(i * LINE, (i + 1) * LINE),
  );
  return [
    '/** A WebAssembly binary in base64: made by `emit/modules.ts`, written by its test. Not for editing. */',
    `export const ${name} =\n  '${lines.join("' +\n  '")}';`,
    '',
  ].join('\n');
}

describe.each([
  ['encode', encodeModuleBytes],
  ['decode', decodeModuleBytes],
  ['halves', halvesModuleBytes],
])('the module of %s', (name, make) => {
  it('is committed as the emitters make it', async () => {
    const source = moduleSource(`${name.toUpperCase()}_MODULE`, make());
    await expect(source).toMatchFileSnapshot(`../src/fast/${name}-module.ts`);
  });

  it('is small, well typed and readable', () => {
    expect(validateModule(make())).toBe(true);
    // Browsers of any age compile modules of up to 4 kB synchronously on the main thread.
    expect(make().length).toBeLessThan(4096);
    expect(disassemble(make())).toContain('(export "memory")');
  });
});
