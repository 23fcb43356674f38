/** Knobs on the cards of the box. */
import { checkResources, estimateResources } from '@bitloom/compiler';
import { BitloomError, CARDS, type Device, findCard, modeDsps } from '@bitloom/ir';
import { parseDevice } from '@bitloom/ir/schema';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cardOf, settingsAt } from '../src/design-space.js';
import { fitDesign, shrinkToFit } from '../src/fit.js';
import { designSpace, deviceOf, KNOBS } from '../src/index.js';
import { createRandom } from '../src/random.js';

const U280 = findCard('u280');
/** Has every part that can be turned, and lanes for every number of exponentials. */
const FLIGHTLLM = { ...findCard('u280-flightllm'), vector: { ...U280.vector, lanes: 128 } };

describe.each(CARDS.map((card) => [card.name, card] as const))('%s', (_, base: Device) => {
  const space = designSpace(base);
  const indices = fc.tuple(
    ...space.dimensions.map(({ values }) => fc.nat(values.length - 1)),
  ) as fc.Arbitrary<number[]>;

  test('the settings of the base give the base', () => {
    const settings = settingsAt(
      space,
      space.dimensions.map((dimension) => dimension.base),
    );
    const card = cardOf(space, settings);
    // Units that were left open are named, which is what the resource model counts; DSPs are those of the modes.
    expect(estimateResources(card)).toEqual(estimateResources(base));
    const { matrix, vector, buffers, exchange, cores, lumpedSlrs } = card;
    expect({ cores, lumpedSlrs, vector, exchange }).toEqual({
      cores: base.cores,
      lumpedSlrs: base.lumpedSlrs,
      vector: base.vector,
      exchange: base.exchange,
    });
    expect(buffers).toEqual(base.buffers);
    expect([matrix.mm, matrix.mv, matrix.keeps]).toEqual([base.matrix.mm, base.matrix.mv, base.matrix.keeps]);
  });

  test('every design is a device that its schema takes, with the board of the base', () => {
    fc.assert(
      fc.property(indices, (at) => {
        const settings = settingsAt(space, at);
        const device = deviceOf(space, settings);
        expect(parseDevice(JSON.parse(JSON.stringify(device)), 'test')).toEqual(
          JSON.parse(JSON.stringify(device)),
        );
        const { matrix } = device;
        expect(matrix.dsp.count).toBe(
          Math.max(modeDsps(matrix.mm, matrix.dsp), modeDsps(matrix.mv, matrix.dsp)),
        );
        for (const part of ['clockHz', 'memories', 'dispatcher', 'energy', 'resources', 'numerics'] as const)
          expect(device[part]).toEqual(base[part]);
        expect(device.calibration.published).toBe(false);
        expect(deviceOf(space, settings)).toEqual(device);
      }),
      { numRuns: 40 },
    );
  });

  test('what is made smaller fits, by the check of the compiler, and keeps what is held', () => {
    fc.assert(
      fc.property(indices, fc.nat(), (at, seed) => {
        const limit = 0.8;
        const fitting = shrinkToFit(space, at, limit, createRandom(seed, 0), (axis) => axis === 0);
        if (fitting === undefined) return;
        expect(fitting[0]).toBe(at[0]);
        expect(fitDesign(space, fitting, limit)).toMatchObject({ lacks: [], excess: 0 });
        expect(() => checkResources(deviceOf(space, settingsAt(space, fitting)), { limit })).not.toThrow();
      }),
      { numRuns: 15 },
    );
  });
});

test('what a knob has put in is what it reads', () => {
  for (const knob of KNOBS) {
    expect(knob.read(FLIGHTLLM), knob.name).toBeDefined();
    for (const value of knob.values) {
      // A link needs two cores.
      const start = { ...FLIGHTLLM, cores: 2 };
      expect(knob.read(knob.write(start, value)), `${knob.name} = ${value}`).toBe(value);
    }
  }
  expect(new Set(KNOBS.map(({ name }) => name)).size).toBe(KNOBS.length);
});

test('different settings have different names, settings without effect the same', () => {
  const space = designSpace(U280);
  const settings = settingsAt(
    space,
    space.dimensions.map((dimension) => dimension.base),
  );
  const other = deviceOf(space, { ...settings, lanes: 8 });
  expect(other.name).toMatch(/^u280-x[0-9a-f]{8}$/);
  expect(other.name).not.toBe(deviceOf(space, settings).name);
  expect(deviceOf(space, { ...settings, 'exchange.width': 256 })).toEqual(deviceOf(space, settings));
});

test('a value that the table lacks is added in its place', () => {
  const vector = { ...U280.vector, lanes: 20 };
  const lanes = designSpace({ ...U280, vector }).dimensions.find(({ knob }) => knob.name === 'lanes');
  expect(lanes?.values[lanes.base]).toBe(20);
  expect(lanes?.values).toEqual([...(lanes?.values ?? [])].sort((a, b) => Number(a) - Number(b)));
});

test('refuses a card on which nothing can be turned', () => {
  expect(() => designSpace(U280, [])).toThrow(
    expect.objectContaining({ code: 'exploration-space', name: BitloomError.name }),
  );
});
