/** `bitloom dram`: patterns on parts, by name and from files. */
import { existsSync, writeFileSync } from 'node:fs';
import { DRAM_STANDARDS, findDramStandard } from '@bitloom/ir';
import { describe, expect, test } from 'vitest';
import { dataPath } from '../../../test/support/data.js';
import { useScratch } from './support/cli.js';
import { expectRefused, runInProcess } from './support/in-process.js';

const scratch = useScratch();

const json = async (...args: string[]) => {
  const { error, stdout } = await runInProcess(['dram', '--json', ...args]);
  expect(error).toBe('');
  return JSON.parse(stdout);
};

describe('dram', () => {
  test('one pattern on one part is one document', async () => {
    const args = ['--device', 'hbm2-2g-2pc-1k', '--pattern', 'random_block_4096', '--requests', '4096'];
    expect(await json(...args)).toEqual({
      device: 'hbm2-2g-2pc-1k',
      pattern: 'random_block_4096',
      queue: '257r+257w',
      requests: 4096,
      memoryCycles: expect.any(Number),
      bytesPerSecond: expect.any(Number),
      peakBytesPerSecond: 32e9,
      percentOfPeak: expect.any(Number),
      rowHits: expect.any(Number),
      rowMisses: expect.any(Number),
      rowConflicts: expect.any(Number),
      refreshes: expect.any(Number),
      meanReadLatencyCycles: expect.any(Number),
    });
  });

  test('the queue counts, and so does what may be under way', async () => {
    const args = ['--device', 'ddr4-2400r-x8', '--requests', '20000'];
    const full = await json(...args);
    const small = await json(...args, '--queue', '32');
    const held = await json(...args, '--outstanding', '32');
    expect(full.percentOfPeak).toBeGreaterThan(90);
    expect(small).toMatchObject({ queue: '32r+32w' });
    expect(held).toMatchObject({ queue: 'at most 32 outstanding' });
    for (const one of [small, held]) expect(one.percentOfPeak).toBeLessThan(80);
  });

  test('all is every part and every pattern', async () => {
    const rows = await json('--device', 'all', '--pattern', 'all', '--requests', '500');
    expect(new Set(rows.map((row: { device: string }) => row.device)).size).toBe(DRAM_STANDARDS.length);
    expect(rows.length).toBe(12 * DRAM_STANDARDS.length);
    const { stdout } = await runInProcess(['dram', '-d', 'all', '-p', 'random', '--requests', '500']);
    for (const { name } of DRAM_STANDARDS) expect(stdout).toContain(name);
  });

  test('a part may come from a file', async () => {
    const path = scratch.path('part.json');
    writeFileSync(path, JSON.stringify({ ...findDramStandard('HBM2'), name: 'mine', refresh: 'none' }));
    expect(await json('--device', path, '--requests', '2000')).toMatchObject({
      device: 'mine',
      refreshes: 0,
    });
  });

  test.skipIf(!existsSync(dataPath('dram', 'devices.json')))(
    'the devices of the comparison are those in the box',
    async () => {
      const path = dataPath('dram', 'devices.json');
      for (const { name } of DRAM_STANDARDS.filter((dram) => dram.name === dram.name.toLowerCase())) {
        const args = ['--pattern', 'random', '--requests', '3000'];
        expect(await json('--device', `${path}#${name}`, ...args)).toEqual(
          await json('--device', name, ...args),
        );
      }
      await expectRefused(['dram', '--device', `${path}#x`], 'dram-unknown');
    },
  );

  test.each([
    ['a part that is not there', ['--device', 'hbm9'], 'dram-unknown'],
    ['a pattern that is none', ['--pattern', 'zigzag'], 'dram-pattern'],
    ['a block of half a burst', ['--pattern', 'random_block_16'], 'dram-pattern'],
    ['no request', ['--requests', '0'], 'usage'],
    ['a queue without entries', ['--queue', '0'], 'usage'],
  ])('refuses %s', async (_, args, code) => {
    await expectRefused(['dram', ...args], code);
  });

  test('refuses a file that is no part', async () => {
    const path = scratch.path('no.json');
    writeFileSync(path, '{');
    await expectRefused(['dram', '--device', path], 'device-file-invalid');
    writeFileSync(path, '{"name":"x"}');
    await expectRefused(['dram', '--device', path], 'artefact-invalid');
  });
});
