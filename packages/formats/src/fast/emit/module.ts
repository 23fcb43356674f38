/** The module of the block functions: what `block-module.ts` holds as text. It has a memory of its own. */
import { ModuleBuilder } from '@bitloom/wasm';
import { emitDecode } from './decode.js';
import { emitEncode } from './encode.js';
import { emitDecodeHalves } from './halves.js';
import { emitE8m0Scales, emitFp16Scales, emitLargest } from './scales.js';

const EMITTERS = [
  emitLargest,
  emitFp16Scales,
  emitE8m0Scales,
  emitEncode,
  emitDecode,
  emitDecodeHalves,
] as const;

/** The binary. Equal for every call. */
export function blockModuleBytes(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.memory('memory', { initial: 4 });
  for (const emit of EMITTERS) emit(module);
  return module.toBytes({ names: false });
}
