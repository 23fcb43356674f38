/** What is said of a model that keeps the codes of its checkpoint: how many they are, and what it is compared with. */
import { statSync } from 'node:fs';
import type { CheckpointBundle } from '@bitloom/compression';
import { bytes, share } from '../terminal/quantity.js';
import type { ComparedScheme } from './compared-scheme.js';

/** Name of the float model that is compared with, where no file holds it: the codes decoded. */
export const DECODED = 'f32 decoded';

/** Lines below the comparison of a model with what its checkpoint's codes stand for. */
export function storedText(spec: string, { stored }: CheckpointBundle, { weights }: ComparedScheme): string {
  let [kept, all] = [0, 0];
  for (const { name, scheme, shape } of weights) {
    const elements = shape.reduce((product, size) => product * size, 1);
    all += elements;
    // A weight that could not be kept was rounded, in another scheme.
    if (stored?.get(name)?.scheme?.name === scheme) kept += elements;
  }
  return (
    `stored: ${share(kept, all)} of the quantised weights are the checkpoint's own codes, without error\n` +
    `${DECODED}: the values that those codes stand for; the checkpoint takes ${bytes(statSync(spec).size)}\n`
  );
}
