/**
 * The block functions of this process: the committed WebAssembly module, compiled when it is first asked for, with
 * its own scratch memory. It is a cache and nothing else: results never depend on what ran before. Where there is no
 * WebAssembly, or no SIMD in it, there are no block functions, and callers take the plain definition.
 */
import { internalError } from '@bitloom/ir';
import { compileModule, instantiateModule, type WasmFunction, type WasmMemory } from '@bitloom/wasm';
import { BLOCK_MODULE } from './block-module.js';

/** An instance of the module; see `emit/encode.ts` and `emit/decode.ts` for the arguments. */
export interface BlockFunctions {
  readonly memory: WasmMemory;
  readonly encode: WasmFunction;
  readonly decode: WasmFunction;
}

/** Gives the block functions, or undefined where the engine cannot run them. */
export type BlockSource = () => BlockFunctions | undefined;

/** Compiles and links a module; throws where the engine cannot. */
export type Instantiate = (bytes: Uint8Array) => Record<string, unknown>;

/** A source that makes its instance at the first call and keeps it; a failure is kept as well. */
export function blockSource(
  instantiate: Instantiate = (bytes) => instantiateModule(compileModule(bytes)),
): BlockSource {
  let made: { readonly functions: BlockFunctions | undefined } | undefined;
  return () => {
    made ??= { functions: tryInstantiate(instantiate) };
    return made.functions;
  };
}

/** The source that every fast path takes unless it is given another. */
export const sharedBlockSource: BlockSource = /* @__PURE__ */ blockSource();

function tryInstantiate(instantiate: Instantiate): BlockFunctions | undefined {
  let exports: Record<string, unknown>;
  try {
    exports = instantiate(Uint8Array.from(atob(BLOCK_MODULE), (character) => character.charCodeAt(0)));
  } catch {
    // No WebAssembly, no SIMD, or a policy of the page against compiling: the definition gives the same results.
    return undefined;
  }
  const { memory, encode, decode } = exports;
  if (!isMemory(memory) || !isFunction(encode) || !isFunction(decode)) {
    throw internalError('the block module does not export what its callers expect');
  }
  return { memory, encode, decode };
}

function isMemory(value: unknown): value is WasmMemory {
  return typeof value === 'object' && value !== null && 'buffer' in value;
}

function isFunction(value: unknown): value is WasmFunction {
  return typeof value === 'function';
}
