/** Decode steps on threads: the same report, to the bit, with any number of them, and threads that really work. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { repositoryRoot } from '../../../test/support/data.js';
import { cliJson, expectRefusal, shell, useBuiltCli, useScratch } from './support/cli.js';
import { writeTinyModel } from './support/tiny-model.js';

useBuiltCli();
const scratch = useScratch();

let args: string[] = [];
beforeAll(() => {
  writeTinyModel(scratch.path('tiny.bl'));
  args = [
    'simulate',
    scratch.path('tiny.bl'),
    '--device',
    'u280-bitloom',
    '--prefill',
    '7',
    '--decode',
    '35',
  ];
});

test('the report is the same with any number of threads', async () => {
  const [one, two, four, own] = await Promise.all([
    cliJson([...args, '--threads', '1']),
    cliJson([...args, '--threads', '2']),
    cliJson([...args, '--threads', '4']),
    cliJson(args),
  ]);
  expect(one).toMatchObject({ kind: 'report', totals: { decodeSeconds: expect.any(Number) } });
  expect(two).toEqual(one);
  expect(four).toEqual(one);
  expect(own).toEqual(one);
});

test('the last step alone is recorded beside threads', async () => {
  const trace = scratch.path('last.json');
  const traced = await cliJson([...args, '--threads', '2', '--trace-step', 'last', '--trace', trace]);
  expect(traced).toEqual(await cliJson([...args, '--threads', '1']));
});

/** Runs a program of its own on the built packages, since sources have no thread to start. */
async function progressOf(threads: number, decode: number, capacity: number): Promise<string> {
  const of = (name: string, file: string): string =>
    pathToFileURL(join(repositoryRoot, 'packages', name, 'dist', file)).href;
  const script = scratch.path(`progress-${threads}-${decode}.mjs`);
  writeFileSync(
    script,
    `import { compile } from '${of('compiler', 'index.js')}';
import { quantizeModel } from '${of('compression', 'index.js')}';
import { findCard } from '${of('ir', 'index.js')}';
import { openModel } from '${of('models', 'node.js')}';
import { simulateOnThreads } from '${of('simulator', 'node.js')}';
const device = findCard('u280-bitloom');
const { model } = quantizeModel(await openModel(${JSON.stringify(scratch.path('tiny.bl'))}), 'W4A8');
const program = compile(model, device, { capacity: ${capacity} });
const seen = [];
try {
  await simulateOnThreads(program, device, {
    prefill: 0, decode: ${decode}, model: 'tiny', threads: ${threads},
    instructionBytes: { total: 0, unbucketed: 0, bucketed: 0, resolved: 0 },
    onProgress: (done) => seen.push(done),
  });
} catch (error) { seen.push(error.code); }
console.log(seen.join());
`,
  );
  const { code, stdout, stderr } = await shell(`"${process.execPath}" "${script}"`);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

test('threads take four steps at a time; few steps, or one thread, are done in order', async () => {
  expect(await progressOf(2, 18, 32)).toMatch(
    /^(4,8,12,16,18|4,8,12,14,18|4,8,10,14,18|4,6,10,14,18)(,18)?$/,
  );
  expect(await progressOf(1, 5, 32)).toBe('1,2,3,4,5');
  expect(await progressOf(4, 5, 32)).toBe('1,2,3,4,5');
});

test('what a run could not reach is refused before a thread starts', async () => {
  expect(await progressOf(2, 40, 32)).toBe('program-length');
});

test.each(['0', '17', 'two'])('--threads %s is refused', async (threads) => {
  await expectRefusal([...args, '--threads', threads], 'usage');
});
