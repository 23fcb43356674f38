/** What is said of options that are wrong: which one, what it takes, and whose help says more. */
import { fileURLToPath } from 'node:url';
import { createKernels } from '@bitloom/kernels';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createCommandLine } from '../src/command-line.js';
import { MOST_THREADS } from '../src/input/kernel-names.js';
import { openTerminal } from '../src/terminal/terminal.js';
import { useScratch } from './support/cli.js';
import { expectRefused, runInProcess } from './support/in-process.js';
import { writeTinyModel } from './support/tiny-model.js';

test.each([
  ['an unknown option of a command', ['run', 'x', '--prompt', 'a', '--fly'], 'bitloom run --help'],
  ['a missing option of a command', ['eval', 'x'], 'bitloom eval --help'],
  ['a value of an option', ['simulate', 'gpt2', '--prefill', '1.5'], 'bitloom simulate --help'],
  ['an option before the command', ['--json', 'run', 'x'], 'bitloom run --help'],
  ['an unknown command', ['fly', 'run'], 'bitloom --help'],
  ['an unknown option of the program', ['--fly'], 'bitloom --help'],
])('%s: points to the help that says more', async (_, args, help) => {
  const { error } = await expectRefused(args, 'usage');
  expect(error).toContain(`\nhint: see \`${help}\``);
});

test.each([
  ['run', 'x', '--prompt', 'a'],
  ['eval', 'x', '--text', 'y'],
  ['compare', 'x', '--schemes', 'W8A8'],
  ['quantize', 'x', '--scheme', 'W8A8', '--output', 'y'],
])('%s --threads: as many as kernels take, and its message names it', async (...args) => {
  for (const threads of ['0', String(MOST_THREADS + 1), '65', 'two']) {
    const { error } = await expectRefused([...args, '--threads', threads], 'usage');
    expect(error).toMatch(/'--threads <n>' argument '\w+' is invalid.* from 1 to 16\./);
  }
  const { commands } = createCommandLine(openTerminal({ json: false }), () => {});
  const [command] = commands.filter((one) => one.name() === args[0]);
  expect(command.helpInformation()).toMatch(/--threads <n>\s+threads[\w\s]*,\s+1\s+to\s+16/);
});

test('help marks the options that a command cannot do without, and no others', () => {
  const { commands } = createCommandLine(openTerminal({ json: false }), () => {});
  for (const command of commands) {
    const help = command.helpInformation().replace(/\s+/g, ' ');
    const required = command.options.filter(({ mandatory }) => mandatory);
    expect(help.split('(required)').length - 1, command.name()).toBe(required.length);
    for (const { flags } of required) expect(help.split(flags)[1]).toMatch(/^[^<]+ \(required\)/);
  }
  const named = (name: string) => commands.find((one) => one.name() === name)?.options ?? [];
  expect(named('run').some(({ long, mandatory }) => long === '--prompt' && mandatory)).toBe(true);
});

describe('--kernels native where there are none', () => {
  const scratch = useScratch();
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test.each([
    [
      'switched off',
      '0',
      /switched off\nwhere: --kernels native\ngot: BITLOOM_NATIVE=0 .*\nhint: unset BITLOOM/,
    ],
    [
      'names no file',
      '/nowhere/x.node',
      /cannot be loaded.*\n.*\ngot: BITLOOM_NATIVE names no file: \/nowhere\/x\.node\nhint: .*BITLOOM_NATIVE/,
    ],
    ['no addon', fileURLToPath(import.meta.url), /cannot be loaded.*\n.*\ngot: .+\nhint: build them here/],
  ])('%s: says so in the words of the option', async (_, wish, message) => {
    vi.stubEnv('BITLOOM_NATIVE', wish);
    writeTinyModel(scratch.path('tiny.bitloom'));
    const run = ['run', scratch.path('tiny.bitloom'), '--prompt', 'a', '--max-tokens', '1'];
    const { error } = await expectRefused([...run, '--kernels', 'native'], 'kernel-native-absent');
    expect(error).toMatch(message);
    expect(error).not.toContain('backend:');
    expect(await runInProcess(run)).toMatchObject({ exitCode: 0 });
  });
});

test('the most threads of the command are those of the kernels', () => {
  createKernels({ backend: 'reference', threads: MOST_THREADS }).close();
  expect(() => createKernels({ backend: 'reference', threads: MOST_THREADS + 1 })).toThrow('threads');
});
