/** Lists with an entry for each layer of a configuration whose number of layers is not checked yet. */
import { MAX_LAYERS } from '../decoder/decoder-config.js';

/** Something of each layer, of as many as there may be: how many there are is checked afterwards. */
export function byLayer<T>(layers: number, of: (layer: number) => T): T[] {
  return Array.from({ length: Math.min(layers, MAX_LAYERS) }, (_, layer) => of(layer));
}
