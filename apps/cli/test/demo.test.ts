/** The demo, with the trained model where it is present and with the random one. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { dataPath, dataRoot, hasData } from '../../../test/support/data.js';
import { demoDataFolder, openDemoModel } from '../src/demo/demo-model.js';
import { publishedFor } from '../src/demo/published.js';
import { cli, cliJson, useBuiltCli, useScratch } from './support/cli.js';

useBuiltCli();
const scratch = useScratch();

test('says what it did in one document', async () => {
  const output = scratch.path('report.html');
  const result = await cliJson(['demo', '--max-tokens', '8', '--large', 'gpt2', '--output', output], {
    env: { BITLOOM_DATA: scratch.path('none') },
  });
  expect(result).toMatchObject({
    model: { trained: false, source: expect.stringContaining('random weights (seed 1)') },
    device: 'u280-bitloom',
    scheme: 'W4A8',
    tokens: 8,
    card: { decodeTokensPerSecond: expect.any(Number), joulesPerToken: expect.any(Number) },
    published: [],
    report: output,
  });
  const { large } = result as { large: { device: string; model: string; scheme: string }[] };
  expect(large.map(({ device, model, scheme }) => [device, model, scheme])).toEqual([
    ['u280-bitloom', 'gpt2', 'FlightLLM'],
    ['u280-flightllm', 'gpt2', 'FlightLLM'],
  ]);
  expect(readFileSync(output, 'utf8')).toContain('gpt2 in FlightLLM on u280-bitloom');
});

test('shows LLaMA2-7B beside what was published, and where the report is', async () => {
  const { code, stdout } = await cli(['demo', '--max-tokens', '12'], {
    cwd: scratch.path(),
    env: { BITLOOM_DATA: dataRoot },
  });
  expect(code).toBe(0);
  for (const word of ['card time', 'energy', 'bandwidth', 'units', 'LLaMA2-7B'])
    expect(stdout).toContain(word);
  if (hasData) expect(stdout).toContain('Once upon a time');
  // The same weights on the published configuration and on ours.
  expect(stdout).toMatch(/bitloom, u280-bitloom, FlightLLM, simulated +8\.\d+ ms/);
  expect(stdout).toMatch(/bitloom, u280-flightllm, FlightLLM, simulated +17\.\d+ ms/);
  expect(stdout).toMatch(/FlightLLM on a U280 board, .* measured by others +17\.5 ms +57\.1 token\/s/);
  expect(stdout).toMatch(/report +bitloom-report\.html/);
  expect(readFileSync(scratch.path('bitloom-report.html'), 'utf8')).toContain(
    'llama2-7b in FlightLLM on u280-bitloom',
  );
});

describe('the small model', () => {
  test('is random, and the same each time, where there are no data', async () => {
    const [one, other] = [
      await openDemoModel(scratch.path('none')),
      await openDemoModel(scratch.path('none')),
    ];
    expect(one).toMatchObject({ trained: false, parameters: 260_032 });
    expect(one.bundle.sections.read('embedding.weight')).toEqual(
      other.bundle.sections.read('embedding.weight'),
    );
    expect(one.tokenizer.vocabSize).toBe(512);
    expect(one.tokenizer.decode([3, 4, 507, 508])).toMatch(/^[a-z]+( [a-z]+)*$/);
  });

  test.skipIf(!hasData)('is the trained one where there are', async () => {
    const model = await openDemoModel(dataPath('stories260K'));
    expect(model).toMatchObject({ trained: true, parameters: 260_032 });
    model.close();
  });

  test('is looked for where BITLOOM_DATA says', () => {
    expect(demoDataFolder({ BITLOOM_DATA: '/data' })).toBe('/data/stories260K');
    expect(demoDataFolder({})).toBe('../shared/data/stories260K');
  });
});

test('published figures stand beside the card and the model they are of', () => {
  expect(publishedFor('llama2-7b', 'u280')).toMatchObject([
    { decodeSeconds: 17.5e-3, tokensPerSecond: 57.1 },
  ]);
  expect(publishedFor('llama2-7b', 'u280-bitloom')).toEqual(publishedFor('llama2-7b', 'u280'));
  expect(publishedFor('llama2-7b', 'vhk158-flightllm')).toHaveLength(1);
  expect(publishedFor('gpt2', 'u280')).toEqual([]);
});
