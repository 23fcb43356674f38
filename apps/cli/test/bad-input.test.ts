/** Input that is wrong: a typed error with what, where and how to mend, exit code 2, and nothing left behind. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { type Device, findCard } from '@bitloom/ir';
import { beforeAll, describe, expect, test } from 'vitest';
import { cli, expectRefusal, shell, useBuiltCli, useScratch } from './support/cli.js';
import { expectRefused } from './support/in-process.js';
import { writeTinyModel } from './support/tiny-model.js';

useBuiltCli();
const scratch = useScratch();
const tiny = (): string => scratch.path('tiny.bitloom');

/** A llama2.c checkpoint of zeros; `bytes` cuts it. */
function writeZeros(path: string, header: readonly number[], bytes?: number): void {
  const [dim, hidden, layers, heads, kvHeads, vocab, length] = header;
  const kv = (dim / heads) * kvHeads;
  const perLayer = 2 * dim + 2 * dim * dim + 2 * dim * kv + 3 * dim * hidden;
  const floats = vocab * dim + layers * perLayer + dim + length * (dim / heads);
  writeFileSync(path, new Uint8Array(Int32Array.from(header).buffer));
  truncateSync(path, bytes ?? 28 + 4 * floats);
}

beforeAll(() => {
  writeTinyModel(tiny());
  mkdirSync(scratch.path('empty'));
  writeZeros(scratch.path('short.bin'), [16, 24, 2, 4, 2, 10, 8], 600);
  writeFileSync(scratch.path('magic.gguf'), 'GGUF');
  writeFileSync(scratch.path('notes.txt'), 'Notes about a model. '.repeat(20));
  writeFileSync(scratch.path('nothing.bin'), '');
  writeFileSync(scratch.path('zip.bin'), Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
});

describe('models', () => {
  test.each([
    ['no such file', 'absent.bin', 'model-not-found'],
    ['a folder without a configuration', 'empty', 'file-not-found'],
    ['a checkpoint that was cut', 'short.bin', 'llama2c-size-mismatch'],
    ['a GGUF file that was cut', 'magic.gguf', 'gguf-truncated'],
    ['a zip archive', 'zip.bin', 'model-format-unknown'],
    ['a text', 'notes.txt', 'model-format-unknown'],
    ['an empty file', 'nothing.bin', 'model-format-unknown'],
  ])('%s', async (_, name, code) => {
    const run = await expectRefused(['run', scratch.path(name), '--prompt', 'x'], code);
    expect(run.error).toContain(`where: ${scratch.path(name)}`);
  });

  test.each([
    ['a text', 'notes.txt', /got: 420 bytes.+ 4e 6f 74 65 .+\("Notes about a mo"\)/],
    ['an empty file', 'nothing.bin', /got: no bytes, beginning with nothing/],
    [
      'a zip archive',
      'zip.bin',
      /got: a zip archive .+, beginning with 50 4b 03 04 .+\nhint: save the model as/,
    ],
    ['a tokenizer of llama2.c', 'tok.bin', /got: beginning with 07 00 00 00 .+\nhint: check the path/],
  ])('inspect lists what it knows beside how %s begins', async (_, name, message) => {
    writeFileSync(
      scratch.path('tok.bin'),
      Int32Array.from({ length: 600 }, (__, i) => [7, 0, 5][i % 3]),
    );
    const { error } = await expectRefused(['inspect', scratch.path(name)], 'inspect-format-unknown');
    expect(error).toMatch(message);
    for (const known of ['"BITLOOM"', '"GGUF"', 'llama2.c .bin', 'config.json'])
      expect(error).toContain(known);
    expect(error).not.toContain('impossible hidden_dim');
  });

  test('with --json the error is one line of JSON', async () => {
    const result = await cli(['run', scratch.path('short.bin'), '--prompt', 'x', '--json']);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    const { error } = JSON.parse(result.stderr) as { error: Record<string, string> };
    expect(error.code).toBe('llama2c-size-mismatch');
    expect(error.where).toContain(scratch.path('short.bin'));
  });

  test('shapes of the zoo cannot be run, and the error says what can be done', async () => {
    const { stderr } = await expectRefusal(['run', 'gpt2', '--prompt', 'x'], 'tokenizer-missing');
    expect(stderr).toContain('mend:');
  });
});

describe('files that users write', () => {
  /** A card of the box with one thing changed. */
  function writeCard(change: (card: Device) => object): string {
    const path = scratch.path('card.json');
    writeFileSync(
      path,
      JSON.stringify({ ...findCard('u280-flightllm'), ...change(findCard('u280-flightllm')) }),
    );
    return path;
  }

  test.each<[string, (card: Device) => object, string]>([
    [
      'a window without end',
      ({ matrix }) => ({ matrix: { ...matrix, chain: { ...matrix.chain, window: 1e9 } } }),
      'matrix.chain.window: too big: expected number to be <=16, got 1000000000',
    ],
    [
      'a queue without end',
      ({ dispatcher }) => ({ dispatcher: { ...dispatcher, queueDepth: 1e9 } }),
      'dispatcher.queueDepth: too big: expected number to be <=4096, got 1000000000',
    ],
    [
      'cores without end',
      () => ({ cores: 100_000 }),
      'cores: too big: expected number to be <=64, got 100000',
    ],
    ['no memory', () => ({ memories: [] }), 'memories: too small'],
    [
      'bytes that cost nothing',
      ({ energy }) => ({ energy: { ...energy, bytePicojoules: {} } }),
      'energy.bytePicojoules.weights: expected picojoules per byte',
    ],
  ])('a published card of %s', async (_, change, message) => {
    const args = ['simulate', 'gpt2', '--device', writeCard(change)];
    const { error } = await expectRefused(args, 'artefact-invalid');
    expect(error).toContain(message);
  });

  test.skipIf(process.platform === 'win32').each([
    [['simulate', 'gpt2', '--attention-blocks', '/dev/zero'], 'attention-blocks', 'no regular file'],
    [['simulate', 'gpt2', '--attention-blocks', 'large'], 'attention-blocks', '1099511627776 bytes'],
    [['simulate', 'gpt2', '--device', '/dev/zero'], 'read-failed', 'something else'],
    [['dram', '--device', '/dev/zero'], 'device-file-invalid', 'no regular file'],
    [['dram', '--device', 'large'], 'device-file-invalid', '1099511627776 bytes'],
    [
      ['explore', '--model', 'gpt2', '--budget', 'u280', '--state', '/dev/zero'],
      'exploration-state-invalid',
      'no regular file',
    ],
  ])('%j is refused at once', async (args, code, got) => {
    writeFileSync(scratch.path('large'), '');
    truncateSync(scratch.path('large'), 2 ** 40);
    const placed = args.map((arg) => (arg === 'large' ? scratch.path(arg) : arg));
    const { error } = await expectRefused(placed, code);
    expect(error).toContain(`got: ${got}`);
    expect(error).toContain('a regular file');
  });
});

describe('names and numbers', () => {
  test.each([
    ['a device that does not exist', ['simulate', 'gpt2', '--device', 'u281'], 'device-unknown'],
    ['a scheme that does not exist', ['simulate', 'gpt2', '--scheme', 'W5A5'], 'scheme-unknown'],
    [
      'a scheme of quantize',
      ['quantize', 'gpt2', '--scheme', 'w4a8', '-o', 'no-such-file'],
      'scheme-unknown',
    ],
    [
      'blocks of attention without a rule',
      ['simulate', 'gpt2', '--attention-blocks', 'some'],
      'attention-blocks',
    ],
    ['no token to simulate', ['simulate', 'gpt2', '--prefill', '0', '--decode', '0'], 'simulate-nothing'],
    [
      'a step to record beyond the run',
      ['simulate', 'gpt2', '--decode', '4', '--trace-step', '4'],
      'trace-step-missing',
    ],
    ['lengths beyond the context', ['simulate', 'gpt2', '--prefill', '1024'], 'context-full'],
  ])('%s', async (_, args, code) => {
    const { error } = await expectRefused(args, code);
    expect(error).toMatch(/\nhint: ./);
    expect(readdirSync(scratch.path('empty'))).toEqual([]);
  });
});

describe('outputs', () => {
  test.each([
    ['a folder that does not exist', ['import', 'tiny.bitloom', '--output', 'none/x']],
    ['a folder', ['quantize', 'tiny.bitloom', '-s', 'W8A8', '--output', 'empty']],
    ['a file as a folder', ['compile', 'tiny.bitloom', '--output', 'tiny.bitloom/x']],
    ['no name', ['simulate', 'tiny.bitloom', '--html', '']],
    ['a place of the demo', ['demo', '--output', 'none/x.html']],
  ])('%s', async (_, args) => {
    const placed = args.map((arg) => (/^(?:none|empty$|tiny)/.test(arg) ? scratch.path(arg) : arg));
    await expectRefused(placed, 'write-failed');
    expect(readdirSync(scratch.path('empty'))).toEqual([]);
  });

  test.skipIf(process.platform === 'win32')('a disk that fills up leaves no half of a file', async () => {
    mkdirSync(scratch.path('full'));
    // A limit on the size of files fails a write in the middle, as a full disk does.
    for (const command of [
      `quantize ${tiny()} -s W8A8 -o full/q`,
      `import ${tiny()} -o full/i`,
      `compile ${tiny()} -o full/p`,
      `simulate ${tiny()} --prefill 60 --html full/h`,
    ]) {
      const { code, stdout, stderr } = await shell(`ulimit -f 16; $BITLOOM ${command}`, {
        cwd: scratch.path(),
      });
      expect({ code, stdout }, command).toEqual({ code: 2, stdout: '' });
      expect(stderr, command).toContain('[write-failed]');
      expect(readdirSync(scratch.path('full')), command).toEqual([]);
    }
  });

  const isRoot = process.getuid?.() === 0;
  test.skipIf(!isRoot || spawnSync('/bin/mount', ['--version']).status !== 0)(
    'a small disk that is really full',
    async () => {
      const disk = scratch.path('disk');
      mkdirSync(disk);
      const mounted = spawnSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', disk]);
      // Some containers let nobody mount; the limit above has shown the same.
      if (mounted.status !== 0) return;
      try {
        await expectRefusal(['import', tiny(), '--output', `${disk}/x`], 'write-failed');
        expect(readdirSync(disk)).toEqual([]);
      } finally {
        spawnSync('/bin/umount', [disk]);
      }
    },
  );
});

test('an interrupt cancels a long write cleanly', async () => {
  // 300 MB of zeros, of which the file system stores none.
  writeZeros(scratch.path('large.bin'), [1024, 4096, 4, 16, 16, 8192, 128]);
  mkdirSync(scratch.path('out'));
  const { code, stderr, stdout } = await cli(
    ['import', scratch.path('large.bin'), '--output', scratch.path('out', 'large')],
    {
      onSpawn: (child) => {
        const watch = setInterval(() => {
          if (readdirSync(scratch.path('out')).length === 0) return;
          clearInterval(watch);
          child.kill('SIGINT');
        }, 5);
      },
    },
  );
  expect(stderr).toContain('[write-cancelled]');
  expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
  expect(readdirSync(scratch.path('out'))).toEqual([]);
  expect(existsSync(scratch.path('out', 'large'))).toBe(false);
});
