/**
 * The WebAssembly modules of this package: committed as text, compiled when they are first asked for, each with its own
 * scratch memory. What is kept is a cache and nothing else: results never depend on what ran before. Where there is no
 * WebAssembly, or no SIMD in it, there are no functions, and callers take the plain definition.
 */
import { internalError } from '@bitloom/ir';
import { compileModule, instantiateModule, type WasmFunction, type WasmMemory } from '@bitloom/wasm';
import { DECODE_MODULE } from './decode-module.js';
import { ENCODE_MODULE } from './encode-module.js';
import { HALVES_MODULE } from './halves-module.js';

/** An instance of a module: its memory and the functions of these names. `emit/` says what they do and take. */
export type SimdFunctions<N extends string> = Readonly<Record<N, WasmFunction>> & {
  readonly memory: WasmMemory;
};

/** Gives the functions, or undefined where the engine cannot run them. */
export type SimdSource<N extends string> = () => SimdFunctions<N> | undefined;

/** Compiles and links a module; throws where the engine cannot. */
export type Instantiate = (bytes: Uint8Array) => Record<string, unknown>;

/** From float32 to codes. */
export type EncodeSource = SimdSource<'largest' | 'fp16Scales' | 'e8m0Scales' | 'encode'>;

/** From codes to float32. */
export type DecodeSource = SimdSource<'decode'>;

/** Between float32 and 16-bit floats. */
export type HalvesSource = SimdSource<'encodeFp16' | 'decodeFp16' | 'encodeBf16' | 'decodeBf16'>;

/** A source that makes its instance at the first call and keeps it; a failure is kept as well. */
export function encodeSource(instantiate?: Instantiate): EncodeSource {
  return simdSource(ENCODE_MODULE, ['largest', 'fp16Scales', 'e8m0Scales', 'encode'], instantiate);
}

/** As {@link encodeSource}. */
export function decodeSource(instantiate?: Instantiate): DecodeSource {
  return simdSource(DECODE_MODULE, ['decode'], instantiate);
}

/** As {@link encodeSource}. */
export function halvesSource(instantiate?: Instantiate): HalvesSource {
  return simdSource(HALVES_MODULE, ['encodeFp16', 'decodeFp16', 'encodeBf16', 'decodeBf16'], instantiate);
}

/** The sources that fast paths take unless they are given others. */
export const sharedEncodeSource: EncodeSource = /* @__PURE__ */ encodeSource();
export const sharedDecodeSource: DecodeSource = /* @__PURE__ */ decodeSource();
export const sharedHalvesSource: HalvesSource = /* @__PURE__ */ halvesSource();

/** A source of the module in `text` (base64), which exports functions of these names and `memory`. */
export function simdSource<N extends string>(
  text: string,
  names: readonly N[],
  instantiate: Instantiate = (bytes) => instantiateModule(compileModule(bytes)),
): SimdSource<N> {
  let made: { readonly functions: SimdFunctions<N> | undefined } | undefined;
  return () => {
    made ??= { functions: makeFunctions(text, names, instantiate) };
    return made.functions;
  };
}

function makeFunctions<N extends string>(
  text: string,
  names: readonly N[],
  instantiate: Instantiate,
): SimdFunctions<N> | undefined {
  let exports: Record<string, unknown>;
  try {
    exports = instantiate(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
  } catch {
    // No WebAssembly, no SIMD, or a policy of the page against compiling: the definition gives the same results.
    return undefined;
  }
  if (hasFunctions(exports, names)) return exports;
  throw internalError(`a module does not export ${names.join(', ')} and its memory`);
}

function hasFunctions<N extends string>(
  exports: Record<string, unknown>,
  names: readonly N[],
): exports is Record<string, unknown> & SimdFunctions<N> {
  const { memory } = exports;
  return (
    typeof memory === 'object' &&
    memory !== null &&
    'buffer' in memory &&
    names.every((name) => typeof exports[name] === 'function')
  );
}
