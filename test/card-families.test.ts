/**
 * Models from files on cards of one to four cores: every family folder of the runtime's tests and every witness model of
 * the box. The scheme, the card and the options go round from folder to folder; every cycle of a unit is accounted for
 * and the order of the program and one of card time give the host's bits.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { quantizeModel } from '@bitloom/compression';
import { openModel } from '@bitloom/models/node';
import { describe, expect, it } from 'vitest';
import { attempt } from './support/card-against-host.js';
import { dataPath, hasData, repositoryRoot } from './support/data.js';
import { cardWith } from './support/small-cards.js';

const SMALL_BUFFERS = { weights: 16 * 1024, stream: 8 * 1024, data: 512 * 1024, accumulator: 16 * 1024 };
const CARDS = [
  cardWith('three cores', { cores: 3, buffers: SMALL_BUFFERS, queueDepth: 3, mv: { n: 16, k: 8 } }),
  cardWith('one core', { buffers: SMALL_BUFFERS, lanes: 3, exponentLanes: 1, hbmChannels: 3 }),
  cardWith('two cores and barriers', { cores: 2, groupBarriers: true, barrierCycles: 30, rescaleUnits: 2 }),
  cardWith('four cores', { cores: 4, bytesPerCyclePerPort: 32, exchange: { bytesPerCycle: 3 } }),
  cardWith('one core and barriers', { groupBarriers: true, queueDepth: 1, lanes: 5 }),
] as const;
const SCHEMES = [
  'W8A8',
  'W4A8',
  'FlightLLM',
  'FlightLLM-8:16',
  'W8A8-2:4',
  'W4A8-4:16',
  'FlightLLM-2:16',
  'FlightLLM-8:16-KV4',
];
const OPTIONS = [
  {},
  { onchipDecode: false },
  { maxChunk: 32 },
  { sparseChains: false, maxChunk: 16 },
  { onchipDecode: false, maxChunk: 64 },
  { sparseChains: false, onchipDecode: false },
] as const;
/** A prompt of two micro-batches and one token, a step, more of a prompt behind it, and steps to the end of 70. */
const CALLS = [33, 1, 34, 1, 1];

function folders(root: string): [string, string][] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => [name, join(root, name)]);
}

async function expectRight(path: string, turn: number): Promise<void> {
  const file = await openModel(path);
  const device = CARDS[turn % CARDS.length];
  const bundle = quantizeModel(file, SCHEMES[turn % SCHEMES.length]);
  const options = OPTIONS[turn % OPTIONS.length];
  const orders = ['program', turn % 2 === 0 ? 'start' : 'end'] as const;
  expect(attempt({ bundle, device, options, calls: CALLS, orders })).toBe('right');
  file.close();
}

describe('families', () => {
  const all = folders(join(repositoryRoot, 'packages/runtime/test/fixtures/families'));
  it.each(all.map((folder, turn) => [...folder, turn] as const))('%s', (_name, path, turn) =>
    expectRight(path, turn),
  );
});

describe.skipIf(!hasData)('witness models', () => {
  const all = hasData ? folders(dataPath('witness-models')) : [];
  it.each(all.map((folder, turn) => [...folder, 3 * turn] as const))('%s', (_name, path, turn) =>
    expectRight(path, turn),
  );
});
