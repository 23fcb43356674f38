/** A small space with figures that cost nothing, so that a search can be held against all there is. */
import { type Device, findCard } from '@bitloom/ir';
import { designSpace, KNOBS, type Knob, type Outcome } from '../../src/index.js';

const NAMES: readonly string[] = [
  'cores',
  'mm.n',
  'mv.n',
  'lanes',
  'data.kib',
  'weights.width',
  'rescale.units',
];

export const SMALL_KNOBS: readonly Knob[] = KNOBS.filter(({ name }) => NAMES.includes(name));

/** A card of which about a half of the designs fit. */
export const BASE: Device = { ...findCard('u280-flightllm'), name: 'small' };

export const smallSpace = (knobs: readonly Knob[] = SMALL_KNOBS) => designSpace(BASE, knobs);

/** Made-up figures: more of everything is faster, but not in proportion; designs of little data memory do not run. */
export function madeUp({ cores, matrix, vector, buffers }: Device): Outcome {
  const data = buffers.find(({ space }) => space === 'data')?.bytes ?? 0;
  if (data < 2 ** 21) return { failure: { code: 'compiler-does-not-fit', message: 'too small' } };
  const decodeSeconds = 1 / (cores * matrix.mv.n) + 1 / (vector.lanes * 40) + 1e-9 * matrix.mm.n;
  const prefillSeconds = 10 / (cores * matrix.mm.n) + 1 / vector.lanes;
  return {
    measures: {
      decodeSeconds,
      tokensPerSecond: 1 / decodeSeconds,
      prefillSeconds,
      prefillTokensPerSecond: 100 / prefillSeconds,
      joulesPerToken: 24 * decodeSeconds + 1e-3 * cores,
    },
  };
}
