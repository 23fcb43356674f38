/** Text of the functions that an emitter writes, for golden files: one function each, named as in the module. */
import { disassemble, ModuleBuilder } from '@bitloom/wasm';
import type { Features } from '../src/features.js';

export function emittedFunctions(
  emit: (module: ModuleBuilder, features: Features) => void,
  features: Features,
): Map<string, string> {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', { initial: 1, maximum: 65536, shared: true });
  emit(module, features);
  const [, ...functions] = disassemble(module.toBytes()).split(/^ {2}\(func \$/m);
  return new Map(
    functions.map((text) => {
      const name = text.slice(0, text.search(/[ \n]/));
      const body = text.slice(0, text.lastIndexOf('\n  )\n') + 5);
      return [name, `(func $${body.replaceAll(/^ {2}/gm, '')}`];
    }),
  );
}
