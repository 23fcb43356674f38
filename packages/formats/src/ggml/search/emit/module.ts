/** The module of the searches: what `search-module.ts` holds as text. It has a memory of its own. */
import { ModuleBuilder } from '@bitloom/wasm';
import { emitFitLevels } from './fit-levels.js';
import { emitFitRange } from './fit-range.js';
import { emitFitSymmetric } from './fit-symmetric.js';

/** The binary. Equal for every call. */
export function searchModuleBytes(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.memory('memory', { initial: 1 });
  for (const emit of [emitFitRange, emitFitSymmetric, emitFitLevels]) emit(module);
  return module.toBytes({ names: false });
}
