/**
 * The block functions of this process: the committed WebAssembly module, compiled when it is first asked for, with
 * its own scratch memory. It is a cache and nothing else: results never depend on what ran before. Where there is no
 * WebAssembly, or no SIMD in it, there are no block functions, and callers take the plain definition.
 */
import { internalError } from '@bitloom/ir';
import { compileModule, instantiateModule, type WasmFunction, type WasmMemory } from '@bitloom/wasm';
import { BLOCK_MODULE } from './block-module.js';

/** Names of the exported functions; `emit/` says what they do and take. */
const NAMES = ['largest', 'fp16Scales', 'e8m0Scales', 'encode', 'decode', 'decodeHalves'] as const;

/** An instance of the module. */
export interface BlockFunctions extends Readonly<Record<(typeof NAMES)[number], WasmFunction>> {
  readonly memory: WasmMemory;
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
    made ??= { functions: makeFunctions(instantiate) };
    return made.functions;
  };
}

/** The source that every fast path takes unless it is given another. */
export const sharedBlockSource: BlockSource = /* @__PURE__ */ blockSource();

function makeFunctions(instantiate: Instantiate): BlockFunctions | undefined {
  let exports: Record<string, unknown>;
  try {
    exports = instantiate(Uint8Array.from(atob(BLOCK_MODULE), (character) => character.charCodeAt(0)));
  } catch {
    // No WebAssembly, no SIMD, or a policy of the page against compiling: the definition gives the same results.
    return undefined;
  }
  if (!isBlockFunctions(exports)) {
    throw internalError('the block module does not export what its callers expect');
  }
  return exports;
}

function isBlockFunctions(exports: object): exports is BlockFunctions {
  const { memory } = exports as Partial<BlockFunctions>;
  return (
    memory?.buffer instanceof ArrayBuffer &&
    NAMES.every((name) => typeof (exports as Partial<BlockFunctions>)[name] === 'function')
  );
}
