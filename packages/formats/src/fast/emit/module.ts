/** The module of the block functions: what `block-module.ts` holds as text. It has a memory of its own. */
import { ModuleBuilder } from '@bitloom/wasm';
import { emitDecode } from './decode.js';
import { emitEncode } from './encode.js';

/** The binary. Equal for every call. */
export function blockModuleBytes(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.memory('memory', { initial: 4 });
  emitEncode(module);
  emitDecode(module);
  return module.toBytes({ names: false });
}
