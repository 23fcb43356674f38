/** Text and perplexity, on the host and on the simulated card. */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { dataPath, hasData } from '../../../test/support/data.js';
import { cli, cliJson, expectRefusal, useBuiltCli, useScratch } from './support/cli.js';
import { TINY, writeTinyModel } from './support/tiny-model.js';

useBuiltCli();
const scratch = useScratch();
const tiny = (): string => scratch.path('tiny.bitloom');
beforeAll(() => {
  writeTinyModel(tiny());
  writeFileSync(scratch.path('text.txt'), 'the cat sat, a dog ran. '.repeat(40));
});

const prompt = ['--prompt', 'the cat', '--max-tokens', '12'];

describe('run', () => {
  test('says on the card what the host says in the same scheme', async () => {
    for (const scheme of ['W8A8', 'W4A8']) {
      const host = await cliJson(['run', tiny(), ...prompt, '--scheme', scheme]);
      const card = await cliJson(['run', tiny(), ...prompt, '--scheme', scheme, '--device', 'u280']);
      expect(host).toMatchObject({ device: 'host', scheme, tokens: 12, promptTokens: 9, finish: 'length' });
      expect(card).toMatchObject({ device: 'u280', scheme, text: host.text, tokenIds: host.tokenIds });
      expect(host.card).toBeUndefined();
      expect(card.card).toMatchObject({
        decodeTokensPerSecond: expect.any(Number),
        joulesPerToken: expect.any(Number),
        instructionBytes: { total: expect.any(Number) },
      });
    }
  });

  test('prints the text and nothing else', async () => {
    const { text } = await cliJson(['run', tiny(), ...prompt]);
    for (const threads of ['1', '3']) {
      const said = await cli(['run', tiny(), ...prompt, '--threads', threads]);
      expect(said).toMatchObject({ code: 0, stdout: text, stderr: '' });
    }
  });

  test('draws the same text for the same seed, another one for another seed', async () => {
    const sampled = (seed: string): Promise<Record<string, unknown>> =>
      cliJson(['run', tiny(), ...prompt, '-t', '1.5', '--top-k', '20', '--top-p', '0.95', '--seed', seed]);
    const [one, again, other] = [await sampled('3'), await sampled('3'), await sampled('4')];
    expect(again.tokenIds).toEqual(one.tokenIds);
    expect(other.tokenIds).not.toEqual(one.tokenIds);
  });

  test('stops before a stop string', async () => {
    const { text } = await cliJson(['run', tiny(), ...prompt]);
    const stop = String(text).slice(3, 5);
    for (const options of [
      ['--stop', stop],
      ['--stop', 'qqq', stop],
      ['--stop', 'qqq', '--stop', stop],
    ]) {
      const stopped = await cliJson(['run', tiny(), ...prompt, ...options]);
      expect(stopped).toMatchObject({
        finish: 'stop',
        text: String(text).slice(0, String(text).indexOf(stop)),
      });
    }
  });

  test('takes a program with its weights, or with --model', async () => {
    const [full, lean] = [scratch.path('full.program'), scratch.path('lean.program')];
    await cliJson(['compile', tiny(), '-s', 'W8A8', '-o', full]);
    await cliJson(['compile', tiny(), '-s', 'W8A8', '-o', lean, '--no-weights']);
    const { text } = await cliJson(['run', tiny(), ...prompt, '--scheme', 'W8A8']);
    expect(await cli(['run', full, ...prompt])).toMatchObject({ code: 0, stdout: text });
    expect(await cli(['run', lean, ...prompt, '--model', tiny()])).toMatchObject({ code: 0, stdout: text });
    await expectRefusal(['run', lean, ...prompt], 'program-without-model');
    await expectRefusal(['run', full, ...prompt, '--scheme', 'W4A8'], 'program-option');
    await expectRefusal(['run', full, ...prompt, '--device', 'vhk158'], 'program-device-mismatch');
    const changed = scratch.path('changed.bitloom');
    await cliJson(['quantize', tiny(), '-s', 'W4A8', '-o', changed]);
    await expectRefusal(['run', lean, ...prompt, '--model', changed], 'model-already-quantized');
  });

  test('runs into the end of the context with an error after the text', async () => {
    const long = await cli(['run', tiny(), '--prompt', 'the cat', '--max-tokens', '100']);
    expect(long.code).toBe(2);
    expect(long.stdout.length).toBeGreaterThan(10);
    expect(long.stderr).toContain('[context-full]');
    const json = await cli(['run', tiny(), '--prompt', 'the cat', '--max-tokens', '100', '--json']);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({ text: long.stdout, finish: 'context' });
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'context-full' } });
  });

  test('refuses float32 on a card', async () => {
    await expectRefusal(
      ['run', tiny(), ...prompt, '--device', 'u280', '--scheme', 'f32'],
      'compiler-numerics-unsupported',
    );
  });
});

describe('eval', () => {
  const options = (): string[] => [
    'eval',
    tiny(),
    '--text',
    scratch.path('text.txt'),
    '--context',
    '32',
    '--chunks',
    '2',
  ];

  test('gives the same perplexity on host and card', async () => {
    const host = await cliJson([...options(), '--scheme', 'W8A8']);
    const card = await cliJson([...options(), '--scheme', 'W8A8', '--device', 'u280']);
    expect(host).toMatchObject({
      chunks: 2,
      context: 32,
      tokens: 2 * (32 - 1 - 16),
      device: 'host',
      scheme: 'W8A8',
    });
    expect(host.perplexity).toBeGreaterThan(1);
    expect(card.perplexity).toBe(host.perplexity);
  });

  test('checks a bound: exit 1 when it is missed, with the result all the same', async () => {
    expect(await cliJson([...options(), '--max-perplexity', '1e9'])).toMatchObject({ passed: true });
    const missed = await cliJson([...options(), '--max-perplexity', '1'], { code: 1 });
    expect(missed).toMatchObject({ passed: false, perplexity: expect.any(Number) });
  });

  test('refuses a text that is too short, absent or no text', async () => {
    writeFileSync(scratch.path('short.txt'), 'a');
    writeFileSync(scratch.path('bytes.txt'), Uint8Array.of(0xff, 0xfe, 0x41));
    const refused = (name: string, code: string): Promise<unknown> =>
      expectRefusal(['eval', tiny(), '--context', '32', '--text', scratch.path(name)], code);
    await refused('short.txt', 'perplexity-text-short');
    await refused('absent.txt', 'file-unreadable');
    await refused('bytes.txt', 'text-not-utf8');
    expect(TINY.maxPositions).toBeLessThan(100);
    await expectRefusal(
      ['eval', tiny(), '--context', '100', '--text', scratch.path('text.txt')],
      'perplexity-option',
    );
  });
});

describe.skipIf(!hasData)('stories260K', () => {
  const stories = (name: string): string => dataPath('stories260K', name);
  const bin = [stories('stories260K.bin'), '--tokenizer', stories('tok512.bin')];
  const steps = ['--prompt', '', '--max-tokens', '200', '--temperature', '0', '--scheme', 'f32'];

  test('says the reference text, byte for byte, from both files', async () => {
    const golden = readFileSync(stories('golden_greedy_200steps.txt'), 'utf8');
    expect(await cli(['run', ...bin, ...steps])).toMatchObject({ code: 0, stdout: golden });
    expect(await cli(['run', stories('stories260K-f32.gguf'), ...steps])).toMatchObject({
      code: 0,
      stdout: golden,
    });
    expect(await cliJson(['run', ...bin, ...steps])).toMatchObject({
      text: golden,
      tokens: 200,
      promptTokens: 1,
    });
  });

  test('keeps its text through import', async () => {
    const path = scratch.path('stories.bitloom');
    await cliJson(['import', ...bin, '--output', path]);
    const golden = readFileSync(stories('golden_greedy_200steps.txt'), 'utf8');
    expect(await cli(['run', path, ...steps])).toMatchObject({ code: 0, stdout: golden });
  });

  test('has the reference perplexity on tinyshakespeare', async () => {
    const text = dataPath('tinyshakespeare', 'input.txt');
    const result = await cliJson([
      'eval',
      ...bin,
      '--text',
      text,
      '--context',
      '256',
      '--chunks',
      '8',
      '--scheme',
      'f32',
    ]);
    expect(Math.abs(Number(result.perplexity) - 56.47), String(result.perplexity)).toBeLessThan(0.05);
  });
});
