/**
 * Random decoders of every family, in random formats, on random cards of one to four cores: each compiles or is
 * refused, and what compiles is right in every order. `BITLOOM_FUZZ` multiplies how many are tried.
 */
import { quantizeModel } from '@bitloom/compression';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attempt } from './support/card-against-host.js';
import { decoderSizes, FAMILY_NAMES, familyModel } from './support/random-decoders.js';
import { card, options, scheme } from './support/random-machines.js';

const RUNS = Number(process.env.BITLOOM_FUZZ || 1);
const PROMPTS = [1, 31, 33, 64, 65, 200];

/** Calls that fill a context: a prompt, steps, more of a prompt behind what is cached, steps. */
const session = fc.record({
  first: fc.constantFrom(...PROMPTS),
  second: fc.constantFrom(...PROMPTS),
  steps: fc.integer({ min: 0, max: 3 }),
});

function callsFor(
  { first, second, steps }: { first: number; second: number; steps: number },
  most: number,
): number[] {
  const calls: number[] = [];
  let left = most;
  for (const length of [first, ...Array<number>(steps).fill(1), second, 1]) {
    const fits = Math.min(length, left);
    if (fits > 0) calls.push(fits);
    left -= fits;
  }
  return calls;
}

describe.each(FAMILY_NAMES)('%s', (family) => {
  it('random models on random cards are refused, or right', () => {
    const outcomes = new Map<string, number>();
    const sizes = decoderSizes(220);
    fc.assert(
      fc.property(
        sizes,
        fc.nat(1000),
        scheme,
        card,
        options,
        session,
        (shape, seed, formats, device, flags, calls) => {
          const bundle = quantizeModel(familyModel(family, shape, seed), formats);
          const outcome = attempt({
            bundle,
            device,
            options: flags,
            calls: callsFor(calls, shape.maxPositions),
          });
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        },
      ),
      { numRuns: 8 * RUNS, endOnFailure: process.env.BITLOOM_FUZZ !== undefined },
    );
    expect(outcomes.get('right') ?? 0).toBeGreaterThan(outcomes.get('compiler-does-not-fit') ?? 0);
  });
});
