/** The WebAssembly module of one family. It imports the arena's memory and nothing else. */
import { internalError } from '@bitloom/ir';
import { instantiateModule, ModuleBuilder, type WasmFunction, type WasmModule } from '@bitloom/wasm';
import type { Arena } from '../arena.js';
import type { KernelFamily } from '../family.js';
import type { Features } from '../features.js';

/** Import names of the memory. */
export const MEMORY_IMPORT = { module: 'env', name: 'memory' } as const;

/** The binary of a family, for a memory that is shared or not. */
export function familyModuleBytes(
  { name, emit }: KernelFamily,
  features: Features,
  shared: boolean,
): Uint8Array<ArrayBuffer> {
  if (emit === undefined) throw internalError(`the family ${name} has no WebAssembly`);
  const module = new ModuleBuilder();
  module.importMemory(MEMORY_IMPORT.module, MEMORY_IMPORT.name, { initial: 1, maximum: 65536, shared });
  emit(module, features);
  return module.toBytes();
}

/** The functions of a family over the arena's memory, by name. */
export function instantiateFamily(
  { names }: KernelFamily,
  module: WasmModule,
  arena: Arena,
): Readonly<Record<string, WasmFunction>> {
  const exports = instantiateModule(module, {
    [MEMORY_IMPORT.module]: { [MEMORY_IMPORT.name]: arena.memory },
  });
  return Object.fromEntries(
    names.map((name) => {
      const value = exports[name];
      if (!isFunction(value)) throw internalError(`the kernel module does not export ${name}`);
      return [name, value];
    }),
  );
}

function isFunction(value: unknown): value is WasmFunction {
  return typeof value === 'function';
}
