/** The modules, as `encode-module.ts` and its neighbours hold them: each has a memory of its own. */
import { ModuleBuilder } from '@bitloom/wasm';
import { emitDecode } from './decode.js';
import { emitEncode } from './encode.js';
import { emitHalves } from './halves.js';
import { emitE8m0Scales, emitFp16Scales, emitLargest } from './scales.js';

function binary(emitters: readonly ((module: ModuleBuilder) => void)[]): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.memory('memory', { initial: 4 });
  for (const emit of emitters) emit(module);
  return module.toBytes({ names: false });
}

/** From float32 to codes. Equal for every call. */
export function encodeModuleBytes(): Uint8Array<ArrayBuffer> {
  return binary([emitLargest, emitFp16Scales, emitE8m0Scales, emitEncode]);
}

/** From codes to float32. Equal for every call. */
export function decodeModuleBytes(): Uint8Array<ArrayBuffer> {
  return binary([emitDecode]);
}

/** Between float32 and 16-bit floats. Equal for every call. */
export function halvesModuleBytes(): Uint8Array<ArrayBuffer> {
  return binary([emitHalves]);
}
