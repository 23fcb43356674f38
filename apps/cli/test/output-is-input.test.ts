/** An output that would replace what the command reads, or a protected file, is refused before any work. */
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { modelInputs, requireNotInput } from '../src/output/require-not-input.js';
import { requireNewFolder, requireWritable } from '../src/output/require-writable.js';
import { cliJson, expectRefusal, useBuiltCli, useScratch } from './support/cli.js';
import { expectRefused } from './support/in-process.js';
import { writeTinyModel } from './support/tiny-model.js';

useBuiltCli();
const scratch = useScratch();
const path = (...parts: string[]): string => scratch.path(...parts);

beforeAll(async () => {
  writeTinyModel(path('in.bin'));
  writeFileSync(path('text.txt'), 'the cat');
  writeFileSync(path('tok512.bin'), 'a tokenizer');
  mkdirSync(path('hf', 'more'), { recursive: true });
  for (const name of [['config.json'], ['more', 'shard']]) writeFileSync(path('hf', ...name), 'x');
  if (process.platform !== 'win32') {
    symlinkSync('in.bin', path('symbolic'));
    symlinkSync('.', path('loop'));
    symlinkSync('../text.txt', path('hf', 'blob'));
  }
  linkSync(path('in.bin'), path('hard'));
  linkSync(path('hf', 'config.json'), path('config-link'));
});

const refused = (output: string, ...inputs: string[]): unknown => {
  try {
    requireNotInput(output, inputs);
    return undefined;
  } catch (error) {
    return error;
  }
};

describe('the same file', () => {
  const links = process.platform === 'win32' ? [] : ['symbolic', join('loop', 'in.bin')];
  test.each(['in.bin', join('hf', '..', 'in.bin'), 'hard', ...links])('as %s', (name) => {
    expect(refused(path(name), path('in.bin'))).toMatchObject({ code: 'output-is-input', where: path(name) });
    expect(refused(path('in.bin'), 'gpt2', path(name))).toMatchObject({ code: 'output-is-input' });
  });

  test('as a file of a folder that is read', () => {
    const names = [join('hf', 'config.json'), join('hf', 'more', 'shard'), 'config-link'];
    for (const name of process.platform === 'win32' ? names : [...names, 'text.txt']) {
      expect(refused(path(name), path('hf')), name).toMatchObject({ code: 'output-is-input' });
    }
  });

  test('not as a copy, a new file or a name of the zoo', () => {
    copyFileSync(path('in.bin'), path('copy.bin'));
    expect(refused(path('copy.bin'), path('in.bin'), path('hf'))).toBeUndefined();
    expect(refused(path('hf', 'model.gguf'), path('hf'))).toBeUndefined();
    expect(refused(path('absent'), path('absent'))).toBeUndefined();
  });

  test('a tokenizer found beside the model is an input, unless one is named', () => {
    expect(modelInputs(path('in.bin'), undefined)).toEqual([path('in.bin'), path('tok512.bin')]);
    expect(modelInputs(path('in.bin'), 't.json')).toEqual([path('in.bin'), 't.json']);
    expect(modelInputs('gpt2', undefined)).toEqual(['gpt2']);
  });
});

describe('protected files', () => {
  test.skipIf(process.platform === 'win32')('are not replaced, by the superuser neither', () => {
    writeFileSync(path('kept'), 'kept');
    chmodSync(path('kept'), 0o444);
    expect(() => requireWritable(path('kept'), [])).toThrow(/protected against writing.*chmod u\+w/);
    chmodSync(path('kept'), 0o644);
    expect(() => requireWritable(path('kept'), [])).not.toThrow();
  });

  test('folders that are read are not taken for new ones', () => {
    expect(() => requireNewFolder(path('hf'), [path('hf')])).toThrow(/would replace/);
    expect(() => requireNewFolder(path('hf2'), [path('hf')])).not.toThrow();
  });
});

describe('every command that writes', () => {
  const html = ['--html', 'in.bin'];
  test.each([
    ['quantize', ['quantize', 'in.bin', '-s', 'MXFP4', '-o', 'in.bin']],
    ['quantize, its text', ['quantize', 'in.bin', '-s', 'MXFP4', '--text', 'text.txt', '-o', './text.txt']],
    ['import', ['import', './in.bin', '-o', 'hard']],
    ['import, the tokenizer', ['import', 'in.bin', '--tokenizer', 'tok512.bin', '-o', 'tok512.bin']],
    ['export to gguf', ['export', 'in.bin', '-f', 'gguf', '-o', 'in.bin']],
    ['export to hf', ['export', 'in.bin', '-f', 'hf', '-o', 'in.bin']],
    ['compile', ['compile', 'in.bin', '-o', 'in.bin']],
    ['compile, its device', ['compile', 'in.bin', '-d', 'u280.json', '-o', 'u280.json']],
    ['simulate', ['simulate', 'in.bin', ...html]],
    ['devices', ['devices', 'u280.json', '-o', 'u280.json']],
  ])('%s', async (_, args) => {
    writeFileSync(path('u280.json'), JSON.stringify({}));
    const names = readdirSync(path());
    const before = readFileSync(path('in.bin'));
    const placed = args.map((arg) =>
      /^-|\d$/.test(arg) || (!arg.includes('.') && arg !== 'hard') ? arg : path(arg),
    );
    await expectRefused(placed, 'output-is-input');
    expect(readFileSync(path('in.bin')).equals(before)).toBe(true);
    expect(readdirSync(path())).toEqual(names);
  });

  test.skipIf(process.platform === 'win32')('keeps protected files', async () => {
    writeFileSync(path('old'), 'old');
    chmodSync(path('old'), 0o444);
    await expectRefused(['formats', 'MXFP4', '--svg', path('old')], 'output-read-only');
    expect(readFileSync(path('old'), 'utf8')).toBe('old');
  });

  test('a program as the model is an input too', async () => {
    await cliJson(['compile', path('in.bin'), '-o', path('program')]);
    await expectRefusal(['simulate', 'program', '--save-report', 'program'], 'output-is-input', {
      cwd: path(),
    });
  });
});
