/** Devices that no board is: each is refused by the schema alone, with the field, what is expected and what was found. */
import { describe, expect, test } from 'vitest';
import { CARDS, findCard } from '../src/index.js';
import { parseDevice } from '../src/schema.js';
import { errorOf } from './support/errors.js';

/** A copy of plain data with the value at a path of keys replaced, or removed when it is undefined. */
function changed(value: unknown, path: string, to: unknown): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(value));
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  const parent = keys.reduce<unknown>((at, key) => Object(at)[key], copy);
  Object.assign(Object(parent), { [last]: to });
  return JSON.parse(JSON.stringify(copy));
}

const u280 = findCard('u280');
const [hbm, ddr] = u280.memories;
const [weights] = u280.buffers;

/** A card whose resources are not checked, so that only the schema stands between a figure and the simulator. */
const published = changed(u280, 'calibration.published', true);

describe('a device is refused', () => {
  test.each<[string, unknown, string]>([
    ['matrix.chain.window', 1e9, '<=16, got 1000000000'],
    ['matrix.chain.window', 3, 'one of 1, 2, 4, 8, 16'],
    ['matrix.chain.dsps', 1e9, '<=1024, got 1000000000'],
    ['matrix.chain.groupDsps', 1e9, '<=1024'],
    ['matrix.mm.m', 5000, '<=4096, got 5000'],
    ['matrix.mv.n', 1e9, '<=4096'],
    ['matrix.mv.k', 1e9, '<=4096'],
    ['matrix.mm.startupCycles', 1e7, '<=1000000'],
    ['matrix.dsp.count', 1e9, '<=1048576'],
    ['matrix.dsp.productsPerDsp', 1e-300, '>=0.125, got 1e-300'],
    ['matrix.activationRows', 1e9, '<=65536'],
    ['matrix.rescale.units', 1e9, '<=65536'],
    ['cores', 100_000, '<=64, got 100000'],
    ['lumpedSlrs', 100_000, '<=64'],
    ['vector.lanes', 1e9, '<=4096'],
    ['vector.exponentLanes', 1e9, '<=4096'],
    ['buffers.0.bytes', 1e12, '<=1073741824'],
    ['buffers.0.ports', 1e9, '<=64'],
    ['buffers.0.bytesPerCyclePerPort', 1e-300, '>=0.01, got 1e-300'],
    ['dispatcher.queueDepth', 1e9, '<=4096, got 1000000000'],
    ['dispatcher.loopDepth', 1e9, '<=16'],
    ['dispatcher.loopBufferInstructions', 1e9, '<=65536'],
    ['dispatcher.barrierCycles', 1e15, '<=1000000'],
    ['clockHz', 1e-300, '>=1000000, got 1e-300'],
    ['clockHz', 1e300, '<=10000000000'],
    ['memories.0.bytesPerSecondPerChannel', 1e-300, '>=1000000, got 1e-300'],
    ['memories.0.bytesPerSecondPerChannel', 1e300, '<=10000000000000'],
    ['memories.0.controllerNs', 1e300, '<=1000000'],
    ['memories.0.efficiency', 1e-300, '>=0.001'],
    ['memories.0.scatteredEfficiency', 1e-300, '>=0.001'],
    ['memories.0.dram.clockNs', 1e-300, '>=0.01, got 1e-300'],
    ['memories.0.dram.clocks.nRFC', 1e12, '<=1000000'],
    ['exchange.bytesPerCycle', 1e-300, '>=0.01'],
    ['exchange.latencyCycles', 1e12, '<=1000000'],
    ['calibration.timeDivisor', 1e-300, '>=1, got 1e-300'],
    ['calibration.timeDivisor', 1e300, '<=1000'],
    ['energy.macPicojoules', 1e300, '<=1000000000'],
    ['energy.staticWatts', 1e300, '<=1000000'],
    ['energy.bytePicojoules.weights', undefined, 'expected picojoules per byte of buffers.0, got none'],
    ['energy.bytePicojoules.ddr', undefined, 'expected picojoules per byte of memories.1, got none'],
    // HBM2 has 29 bits of address, and bursts of 32 bytes.
    ['memories.0.bytesPerChannel', 2 ** 29 + 1, 'at most the 536870912 bytes'],
    ['memories.0.interleaveBytes', 48, 'whole bursts of 32 bytes'],
    ['memories.1.interleaveBytes', 32, 'whole bursts of 64 bytes'],
  ])('with %s of %j', (field, value, text) => {
    const error = errorOf(() => parseDevice(changed(published, field, value), 'card.json'));
    expect(error).toMatchObject({ code: 'artefact-invalid', where: 'card.json' });
    expect(error.got).toContain(`${field}: `);
    expect(error.got).toContain(text);
  });

  test.each<[string, unknown, string]>([
    ['buffers', [], 'buffers: too small'],
    ['memories', [], 'memories: too small'],
    ['buffers', [...u280.buffers, weights], "buffers.4.space: expected one of each space, got 'weights'"],
    ['memories', [hbm, ddr, hbm], "memories.2.space: expected one of each space, got 'hbm'"],
  ])('with %s that are none, or two of a space', (field, value, text) => {
    expect(errorOf(() => parseDevice(changed(published, field, value))).got).toContain(text);
  });

  test('not at the limits, and no card of the box', () => {
    for (const card of CARDS) expect(parseDevice(card)).toEqual(card);
    for (const window of [1, 2, 4, 8, 16])
      expect(parseDevice(changed(u280, 'matrix.chain.window', window)).matrix.chain.window).toBe(window);
    expect(parseDevice(changed(u280, 'cores', 64)).cores).toBe(64);
    const whole = changed(u280, 'memories.0.bytesPerChannel', 2 ** 29);
    expect(parseDevice(whole).memories[0].bytesPerChannel).toBe(2 ** 29);
  });
});

test('devices of release 0.1 may leave out what costs nothing', () => {
  const { dram: _, controllerNs, ...rest } = hbm;
  const memories = [{ ...rest, timing: { controllerNs } }];
  const old = changed({ ...u280, memories }, 'energy.bytePicojoules', { hbm: 3 });
  const { bytePicojoules } = parseDevice(old).energy;
  expect(bytePicojoules).toEqual({ accumulator: 0, data: 0, hbm: 3, stream: 0, weights: 0 });
});
