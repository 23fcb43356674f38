/** The search, with an evaluator that costs nothing. */
import { estimateResources } from '@bitloom/compiler';
import { BitloomError, type Device } from '@bitloom/ir';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DEFAULT_OBJECTIVES,
  designKey,
  dominates,
  type EvaluatedDesign,
  type ExploreOptions,
  explore,
  type Outcome,
  objectiveVector,
} from '../src/index.js';
import { BASE, madeUp, SMALL_KNOBS, smallSpace } from './support/small-space.js';

const OPTIONS: ExploreOptions = {
  space: smallSpace(),
  evaluate: madeUp,
  identity: 'made up',
  points: 60,
  seed: 3,
};

const vectorOf = ({ outcome, resources }: EvaluatedDesign): readonly number[] | undefined =>
  outcome.measures && objectiveVector(outcome.measures, resources, DEFAULT_OBJECTIVES);

/** Answers late and out of order. */
function slowly(delays: readonly number[]): (device: Device) => Promise<Outcome> {
  let calls = 0;
  return async (device) => {
    const delay = delays[calls++ % delays.length];
    for (let i = 0; i < delay; i++) await undefined;
    return madeUp(device);
  };
}

describe('a search', () => {
  test('does not depend on when answers come', async () => {
    const plain = await explore(OPTIONS);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(200), { minLength: 1, maxLength: 30 }), async (delays) => {
        expect(await explore({ ...OPTIONS, evaluate: slowly(delays) })).toEqual(plain);
      }),
      { numRuns: 5 },
    );
  });

  test('is another with another seed, and longer with more points', async () => {
    const plain = await explore(OPTIONS);
    const names = plain.designs.map(({ device }) => device.name);
    expect(new Set(names).size).toBe(60);
    const longer = await explore({ ...OPTIONS, points: 90 });
    expect(longer.designs.slice(0, 60)).toEqual(plain.designs);
    const other = await explore({ ...OPTIONS, seed: 4 });
    expect(other.designs.map(({ device }) => device.name)).not.toEqual(names);
  });

  test('goes on from what is known, without asking again', async () => {
    const plain = await explore({ ...OPTIONS, points: 100 });
    const known = new Map(plain.designs.slice(0, 37).map(({ key, outcome }) => [key, outcome]));
    const asked: string[] = [];
    const found: string[] = [];
    const resumed = await explore({
      ...OPTIONS,
      points: 100,
      known,
      evaluate: (device) => {
        asked.push(device.name);
        return madeUp(device);
      },
      onOutcome: ({ key }) => found.push(key),
    });
    expect(resumed).toEqual({ ...plain, reused: 37 });
    expect(asked).toEqual(plain.designs.slice(37).map(({ device }) => device.name));
    expect(found).toEqual(plain.designs.slice(37).map(({ key }) => key));
  });

  test('keys tell cards and what was asked apart', async () => {
    const { designs } = await explore({ ...OPTIONS, points: 2 });
    const [a, b] = designs;
    expect(a.key).toBe(designKey(a.device, 'made up'));
    expect(new Set([a.key, b.key, designKey(a.device, 'another')]).size).toBe(3);
  });

  test('asks only for designs within the budget, and says what refused the others', async () => {
    const limit = 0.6;
    const { designs, refused } = await explore({ ...OPTIONS, limit });
    for (const { device, resources } of designs) {
      expect(resources).toEqual(estimateResources(device).total);
      for (const kind of ['dsp', 'bram', 'uram', 'lut'] as const)
        expect(resources[kind]).toBeLessThanOrEqual(limit * BASE.resources[kind]);
    }
    expect(refused.proposals).toBeGreaterThan(0);
    const counts = Object.values(refused.byResource);
    expect(Math.max(...counts)).toBeLessThanOrEqual(refused.proposals);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(refused.proposals);
  });

  test('has a front that no design it saw dominates, fastest first', async () => {
    const { designs, front, failures } = await explore({ ...OPTIONS, points: 150 });
    const measured = designs.flatMap((design) => vectorOf(design) ?? []);
    expect(front.length).toBeGreaterThan(1);
    for (const { measures, resources } of front) {
      const own = objectiveVector(measures, resources, DEFAULT_OBJECTIVES);
      expect(designs.some((design) => dominates(vectorOf(design) ?? [], own))).toBe(false);
    }
    const speeds = front.map(({ measures }) => measures.tokensPerSecond);
    expect(speeds).toEqual([...speeds].sort((a, b) => b - a));
    expect(measured.length / 3 + (failures['compiler-does-not-fit'] ?? 0)).toBe(150);
    expect(failures['compiler-does-not-fit']).toBeGreaterThan(0);
  });

  test('comes closer to the best there is than chance, with the same number of designs', async () => {
    const fastest = (designs: readonly EvaluatedDesign[]): number =>
      Math.max(...designs.map(({ outcome }) => outcome.measures?.tokensPerSecond ?? 0));
    const seeds = [1, 2, 3, 4, 5];
    let [searched, drawn] = [0, 0];
    for (const seed of seeds) {
      const { designs } = await explore({ ...OPTIONS, seed, points: 160 });
      searched += fastest(designs);
      // First generations have no parents, so ten of them are ten times chance.
      for (let part = 0; part < 10; part++) {
        const first = await explore({ ...OPTIONS, seed: 100 * seed + part, points: 16 });
        drawn += fastest(first.designs) / 10;
      }
    }
    expect(searched).toBeGreaterThan(drawn * 1.02);
  });

  test('ends early when everything was seen', async () => {
    const space = smallSpace(SMALL_KNOBS.filter(({ name }) => name === 'cores' || name === 'lanes'));
    const { designs, isExhausted } = await explore({ ...OPTIONS, space, points: 500 });
    const all = space.dimensions.reduce((product, { values }) => product * values.length, 1);
    expect(designs.length).toBeLessThanOrEqual(all);
    expect(designs.length).toBeGreaterThan(0);
    expect(isExhausted).toBe(true);
  });

  test('searches for what it is asked for', async () => {
    const objectives = ['prefillTokensPerSecond'] as const;
    const { designs, front } = await explore({ ...OPTIONS, objectives });
    const best = Math.max(...designs.map(({ outcome }) => outcome.measures?.prefillTokensPerSecond ?? 0));
    expect(front.map(({ measures }) => measures.prefillTokensPerSecond)).toEqual([best]);
  });

  test('refuses a budget that nothing fits, and says by how much', async () => {
    await expect(explore({ ...OPTIONS, limit: 0.05 })).rejects.toMatchObject({
      code: 'exploration-nothing-fits',
      got: expect.stringMatching(/the smallest design takes .*\d/),
    });
  });

  test('ends when it is told to, with the reason given', async () => {
    const reason = new BitloomError({ code: 'internal', message: 'enough' });
    const controller = new AbortController();
    const endless = explore({
      ...OPTIONS,
      signal: controller.signal,
      evaluate: () => new Promise<Outcome>(() => {}),
    });
    controller.abort(reason);
    await expect(endless).rejects.toBe(reason);
    await expect(explore({ ...OPTIONS, signal: controller.signal })).rejects.toBe(reason);
  });

  test('passes on what the evaluator throws', async () => {
    const evaluate = () => Promise.reject(new Error('broken'));
    await expect(explore({ ...OPTIONS, evaluate })).rejects.toThrow('broken');
  });
});
