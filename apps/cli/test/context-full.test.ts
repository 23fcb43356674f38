/** A context that is full before the text is long enough: the text so far, then the error, in text and in JSON alike. */
import { beforeAll, expect, test } from 'vitest';
import { useScratch } from './support/cli.js';
import { type Run, runInProcess } from './support/in-process.js';
import { TINY, writeTinyModel } from './support/tiny-model.js';

const scratch = useScratch();
beforeAll(() => writeTinyModel(scratch.path('tiny.bitloom')));

const run = (...args: readonly string[]): Promise<Run> =>
  runInProcess(['run', scratch.path('tiny.bitloom'), '--scheme', 'W8A8', ...args]);

test.each([
  ['the host', []],
  ['a card', ['--device', 'u280']],
])('on %s the document has the text that plain output has', async (_, device) => {
  const long = ['--prompt', 'the cat', '--max-tokens', '100', '--stats', ...device];
  const plain = await run(...long);
  expect(plain).toMatchObject({ code: 'context-full', exitCode: 2 });
  expect(plain.stdout.length).toBeGreaterThan(10);
  expect(plain.log.join()).toContain('peak memory');
  const json = await run(...long, '--json');
  expect(json).toMatchObject({ code: 'context-full', exitCode: 2 });
  // The last token drawn is not in the context yet.
  const tokens = TINY.maxPositions - 9 + 1;
  expect(JSON.parse(json.stdout)).toMatchObject({
    text: plain.stdout,
    finish: 'context',
    promptTokens: 9,
    tokens,
    tokenIds: { length: tokens },
    host: { threads: 1 },
  });
  const fitting = await run('--prompt', 'the cat', '--max-tokens', String(tokens), ...device, '--json');
  expect(JSON.parse(fitting.stdout)).toMatchObject({ text: plain.stdout, finish: 'length' });
});

test('a prompt that does not fit has no text, and so no document', async () => {
  const prompt = ['--prompt', 'the cat '.repeat(20), '--max-tokens', '1'];
  for (const args of [prompt, [...prompt, '--json']]) {
    expect(await run(...args)).toMatchObject({ code: 'context-full', exitCode: 2, stdout: '' });
  }
});
