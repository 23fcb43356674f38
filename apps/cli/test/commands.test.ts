/** The command itself: help, version, usage errors, lists, colour, and what it does with its streams. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createCommandLine } from '../src/command-line.js';
import { collect, integer, number } from '../src/option-values.js';
import { openTerminal } from '../src/terminal/terminal.js';
import { cli, cliJson, expectRefusal, shell, useBuiltCli, useScratch } from './support/cli.js';

useBuiltCli();
const scratch = useScratch();

const COMMANDS = [
  'devices',
  'dram',
  'models',
  'import',
  'formats',
  'compare',
  'quantize',
  'export',
  'compile',
  'simulate',
  'explore',
  'run',
  'eval',
  'inspect',
  'demo',
];

describe('help and version', () => {
  test('name every command', async () => {
    const { code, stdout, stderr } = await cli(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  });

  test('every command offers --json and says what it does', () => {
    const { commands } = createCommandLine(openTerminal({ json: false }), () => {});
    expect(commands.map((command) => command.name())).toEqual(COMMANDS);
    for (const command of commands) {
      expect(command.options.map(({ long }) => long)).toContain('--json');
      expect(command.description().length).toBeGreaterThan(10);
    }
  });

  test('say the version of the package', async () => {
    const manifest: { version: string } = JSON.parse(
      readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
    );
    expect(await cli(['--version'])).toMatchObject({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });
});

describe('usage errors', () => {
  test.each([
    ['no command', []],
    ['an unknown command', ['fly']],
    ['a missing argument', ['simulate']],
    ['a missing option', ['run', 'x']],
    ['a surplus argument', ['models', 'x']],
    ['an integer that is none', ['simulate', 'gpt2', '--prefill', '1.5']],
  ])('%s: exit 2, nothing on stdout', async (_, args) => {
    const { code, stdout, stderr } = await cli(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.length).toBeGreaterThan(20);
  });

  test('are one JSON line on stderr with --json', async () => {
    const { code, stdout, stderr } = await cli(['models', '--fast', '--json']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'usage', message: expect.any(String) } });
  });
});

test('option values', () => {
  expect(integer(1)('12')).toBe(12);
  for (const text of ['', '0', '1.5', '1e3', 'x', '9'.repeat(20)]) expect(() => integer(1)(text)).toThrow();
  expect(integer(0, 3)('+3')).toBe(3);
  expect(() => integer(0, 3)('4')).toThrow('from 0 to 3');
  expect(number(0, 1, true)('.5')).toBe(0.5);
  for (const text of ['', '0', '1.01', 'NaN', 'Infinity']) expect(() => number(0, 1, true)(text)).toThrow();
  expect(collect('b', collect('a', undefined))).toEqual(['a', 'b']);
});

describe('devices', () => {
  test('lists the cards', async () => {
    const { stdout } = await cli(['devices']);
    for (const name of ['u280', 'u280-flightllm', 'vhk158', 'vhk158-flightllm'])
      expect(stdout).toContain(name);
    expect(await cliJson(['devices'])).toEqual(
      expect.arrayContaining([expect.objectContaining({ kind: 'device', name: 'u280', clockHz: 225e6 })]),
    );
  });

  test('describes one, and takes back what it printed or wrote', async () => {
    const card = await cliJson(['devices', 'vhk158', '--output', scratch.path('card.bitloom')]);
    expect(await cliJson(['devices', scratch.path('card.bitloom')])).toEqual(card);
    const { resourceEstimate, ...device } = card;
    expect(resourceEstimate).toMatchObject({ total: { dsp: expect.any(Number) }, parts: expect.any(Array) });
    expect(await cliJson(['inspect', scratch.path('card.bitloom')])).toEqual(device);
    const changed = await shell(
      `$BITLOOM devices vhk158 --json | sed 's/"name": "vhk158"/"name": "mine"/' > mine.json && $BITLOOM devices mine.json`,
      { cwd: scratch.path() },
    );
    expect(changed).toMatchObject({ code: 0, stdout: expect.stringContaining('device mine') });
  });

  test('refuses what is no device', async () => {
    await expectRefusal(['devices', 'u281'], 'device-unknown');
    await shell('echo "{" > broken.json; echo "{}" > empty.json', { cwd: scratch.path() });
    await expectRefusal(['devices', scratch.path('broken.json')], 'device-file-invalid');
    await expectRefusal(['devices', scratch.path('empty.json')], 'artefact-invalid');
  });
});

test('models lists the zoo with its sources', async () => {
  const entries = await cliJson<{ readonly id: string }[]>(['models']);
  expect(entries).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ id: 'llama2-7b', parameters: 6_738_415_616, sources: expect.any(Array) }),
    ]),
  );
  const { stdout } = await cli(['models']);
  for (const { id } of entries) expect(stdout).toContain(id);
});

describe('streams', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what this is about
  const ESCAPE = /\u001b/;

  test('have no colour and no bars where there is no terminal', async () => {
    const { stdout, stderr } = await cli(['simulate', 'gpt2', '--prefill', '4']);
    expect(stdout).not.toMatch(ESCAPE);
    expect(stderr).toBe('');
  });

  test.skipIf(process.platform !== 'linux')('have colour on a terminal, unless NO_COLOR is set', async () => {
    const inTerminal = (env: NodeJS.ProcessEnv) =>
      shell(`script -qec '$BITLOOM devices' /dev/null`, { env: { TERM: 'xterm', ...env } });
    expect((await inTerminal({})).stdout).toMatch(ESCAPE);
    expect((await inTerminal({ NO_COLOR: '1' })).stdout).not.toMatch(ESCAPE);
  });

  test('a reader that has enough ends the command quietly', async () => {
    const { code, stderr } = await shell('set -o pipefail; $BITLOOM devices --json | head -c 5 >/dev/null');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test.skipIf(process.platform !== 'linux')('a full disk under stdout is an error with exit 2', async () => {
    const { code, stderr } = await shell('$BITLOOM devices > /dev/full');
    expect(code).toBe(2);
    expect(stderr).toContain('[output-failed]');
  });
});
