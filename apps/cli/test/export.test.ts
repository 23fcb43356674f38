/** Checkpoints for other programs: what `export` writes is read back as the same model, or it is not written at all. */
import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { cli, cliJson, expectRefusal, shell, useBuiltCli, useScratch } from './support/cli.js';
import { expectRefused, runInProcess } from './support/in-process.js';
import { TINY, writeTinyModel } from './support/tiny-model.js';

useBuiltCli();
const scratch = useScratch();
const tiny = (): string => scratch.path('tiny.bitloom');
const PROMPT = ['--prompt', 'the cat', '--max-tokens', '12'];

beforeAll(() => {
  writeTinyModel(tiny());
  mkdirSync(scratch.path('empty'));
  mkdirSync(scratch.path('full'));
  writeFileSync(scratch.path('full', 'x'), 'x');
});

const text = async (model: string): Promise<string> => (await cli(['run', model, ...PROMPT])).stdout;

describe('gguf', () => {
  test('in float32 says the same', async () => {
    const path = scratch.path('f32.gguf');
    const result = await cliJson(['export', tiny(), '--format', 'gguf', '--type', 'f32', '-o', path]);
    expect(result).toMatchObject({
      file: path,
      fileBytes: statSync(path).size,
      name: 'tiny',
      format: 'gguf',
      type: 'F32',
      fallbacks: [],
      notes: [],
    });
    const [expected, got, summary] = await Promise.all([
      text(tiny()),
      text(path),
      cliJson(['inspect', path, '--verify']),
    ]);
    expect(expected).not.toBe('');
    expect(got).toBe(expected);
    expect(summary).toMatchObject({ format: 'GGUF' });
  });

  test('in blocks names the stand-ins', async () => {
    const path = scratch.path('q4.gguf');
    // Rows of 48 and 76: no whole blocks of 256 or of 32.
    const result = await cliJson(['export', tiny(), '-f', 'GGUF', '-t', 'q4_k', '-o', path]);
    expect(result.type).toBe('Q4_K');
    const layers = TINY.layers * 7 + 2;
    expect(result.types).toEqual([
      expect.objectContaining({ type: 'F16', tensors: layers }),
      expect.objectContaining({ type: 'F32', tensors: 2 * TINY.layers + 1 }),
    ]);
    expect(result.fallbacks).toHaveLength(layers);
    const { stdout, log } = await runInProcess(['export', tiny(), '-f', 'gguf', '-t', 'Q4_K', '-o', path]);
    expect(stdout).toContain(
      "tensor 'blk.*.ffn_down.weight': rows of 76 are no whole blocks of 256, F16 instead of Q4_K (2 times)",
    );
    expect(stdout).toMatch(/F16 +16 +[\d ]+ +[\d.]+ kB +16\.00/);
    expect(log.join()).toContain(`wrote ${path}`);
  });

  test('of the same model gives the same bytes', async () => {
    for (const name of ['a.gguf', 'b.gguf']) {
      await runInProcess(['export', tiny(), '-f', 'gguf', '-t', 'bf16', '-o', scratch.path(name)]);
    }
    expect(readFileSync(scratch.path('a.gguf')).equals(readFileSync(scratch.path('b.gguf')))).toBe(true);
  });

  test('is the default type and replaces a file', async () => {
    const path = scratch.path('again.gguf');
    writeFileSync(path, 'old');
    expect(await cliJson(['export', tiny(), '-f', 'gguf', '-o', path])).toMatchObject({ type: 'F16' });
    expect(readFileSync(path, 'latin1').slice(0, 4)).toBe('GGUF');
  });
});

describe('hf', () => {
  test('in float32 says the same, in an empty folder or a new one', async () => {
    mkdirSync(scratch.path('there'));
    const expected = await text(tiny());
    for (const name of ['there', 'new']) {
      const path = scratch.path(name);
      const { stdout } = await runInProcess(['export', tiny(), '-f', 'hf', '-o', path, '--json']);
      expect(JSON.parse(stdout)).toMatchObject({ format: 'hf', type: 'f32', notes: [] });
      expect(readdirSync(path).sort()).toEqual([
        'config.json',
        'model.safetensors',
        'tokenizer.json',
        'tokenizer_config.json',
      ]);
      if (name === 'new') expect(await text(path)).toBe(expected);
    }
  });

  test('quantised is read back, and says which layers stay float', async () => {
    const path = scratch.path('gptq');
    const result = await cliJson([
      'export',
      tiny(),
      '-f',
      'hf',
      '-t',
      'GPTQ',
      '--group-size',
      '16',
      '-o',
      path,
    ]);
    expect(result.type).toBe('gptq');
    expect(result.fallbacks).toContainEqual(
      expect.objectContaining({ tensor: 'model.layers.0.mlp.down_proj.weight', type: 'F32' }),
    );
    const config = JSON.parse(readFileSync(scratch.path('gptq', 'config.json'), 'utf8'));
    expect(config.quantization_config).toMatchObject({ quant_method: 'gptq', bits: 4, group_size: 16 });
    expect(await text(path)).not.toBe('');
  });

  test('knows types by the names people use', async () => {
    const args = [
      'export',
      tiny(),
      '-f',
      'hf',
      '-t',
      'compressed-tensors',
      '--group-size',
      '16',
      '--asymmetric',
    ];
    const { stdout } = await runInProcess([...args, '-o', scratch.path('ct'), '--json']);
    expect(JSON.parse(stdout).type).toBe('pack-quantized');
  });

  test('notes what settings do that nobody would guess', async () => {
    const args = ['export', tiny(), '-f', 'hf', '-t'];
    const short = await runInProcess([...args, 'gptq', '-o', scratch.path('short')]);
    expect(short.stdout).toMatch(/rows of 48 are shorter than a group of 128: one group per row \(2 times\)/);
    const wide = await runInProcess([...args, 'int8', '--bits', '4', '-o', scratch.path('wide')]);
    expect(wide.stdout).toContain('a byte for each code: 4 bits save no room');
    const four = await runInProcess([
      ...[...args, 'awq', '--bits', '4', '--group-size', '16', '-o', scratch.path('four')],
    ]);
    expect(four).toMatchObject({ exitCode: 0 });
  });

  test('that is being rounded is cancelled cleanly', async () => {
    const header = [512, 1376, 12, 8, 8, 512, 64];
    const large = scratch.path('large.bin');
    writeFileSync(large, new Uint8Array(Int32Array.from(header).buffer));
    const [dim, hidden, layers, , , vocabulary, length] = header;
    const floats =
      vocabulary * dim + layers * (2 * dim + 4 * dim * dim + 3 * dim * hidden) + dim + length * 64;
    truncateSync(large, 28 + 4 * floats);
    mkdirSync(scratch.path('cancelled'));
    const args = ['export', large, '-f', 'hf', '-t', 'hqq', '-o', scratch.path('cancelled', 'x')];
    const others = process.listeners('SIGINT');
    const run = runInProcess(args);
    // Only the command is interrupted, once it listens.
    const interrupt = setInterval(() => {
      for (const listen of process.listeners('SIGINT')) if (!others.includes(listen)) listen('SIGINT');
    });
    const { code, exitCode, error } = await run.finally(() => clearInterval(interrupt));
    expect({ code, exitCode }).toEqual({ code: 'write-cancelled', exitCode: 130 });
    expect(error).toContain('before anything was written');
    expect(readdirSync(scratch.path('cancelled'))).toEqual([]);
  });
});

describe('refusals leave nothing behind', () => {
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ['a format', ['tiny.bitloom', '-f', 'onnx', '-o', 'x'], 'export-format-unknown'],
    ['a type of gguf', ['tiny.bitloom', '-f', 'gguf', '-t', 'gptq', '-o', 'x'], 'export-type-unknown'],
    ['a type of hf', ['tiny.bitloom', '-f', 'hf', '-t', 'q4_0', '-o', 'x'], 'export-type-unknown'],
    [
      'a type that is for activations',
      ['tiny.bitloom', '-f', 'gguf', '-t', 'q8_K', '-o', 'x'],
      'export-type-unknown',
    ],
    ['a group of blocks', ['tiny.bitloom', '-f', 'gguf', '--group-size', '32', '-o', 'x'], 'export-option'],
    ['a width of floats', ['tiny.bitloom', '-f', 'hf', '--bits', '4', '-o', 'x'], 'export-option'],
    [
      'a width that the format lacks',
      ['tiny.bitloom', '-f', 'hf', '-t', 'gptq', '--bits', '7', '-o', 'x'],
      'packing-bits',
    ],
    ['groups that fit no layer', ['tiny.bitloom', '-f', 'hf', '-t', 'awq', '-o', 'x'], 'export-settings'],
    ['a width of AWQ', ['tiny.bitloom', '-f', 'hf', '-t', 'awq', '--bits', '8', '-o', 'x'], 'export-option'],
    [
      'no zero points of HQQ',
      ['tiny.bitloom', '-f', 'hf', '-t', 'hqq', '--asymmetric', '-o', 'x'],
      'export-option',
    ],
    [
      'a width of NVFP4',
      ['tiny.bitloom', '-f', 'hf', '-t', 'nvfp4', '--bits', '4', '-o', 'x'],
      'export-option',
    ],
    ['shapes of the zoo', ['tinyllama-1.1b', '-f', 'gguf', '-o', 'x'], 'export-unsupported'],
    ['a folder that is not empty', ['tiny.bitloom', '-f', 'hf', '-o', 'full'], 'write-failed'],
    ['a file where a folder goes', ['tiny.bitloom', '-f', 'hf', '-o', 'full/x'], 'write-failed'],
    ['a folder where a file goes', ['tiny.bitloom', '-f', 'gguf', '-o', 'full'], 'write-failed'],
    ['a folder that is not there', ['tiny.bitloom', '-f', 'hf', '-o', 'none/x'], 'write-failed'],
    ['no output', ['tiny.bitloom', '-f', 'gguf'], 'usage'],
    ['no model', ['absent', '-f', 'gguf', '-o', 'x'], 'model-not-found'],
  ];
  test.each(cases)('%s', async (_, args, code) => {
    const before = readdirSync(scratch.path()).sort();
    const paths = ['tiny.bitloom', 'x', 'full', 'full/x', 'none/x'];
    const placed = args.map((arg) => (paths.includes(arg) ? scratch.path(arg) : arg));
    await expectRefused(['export', ...placed], code);
    expect(readdirSync(scratch.path()).sort()).toEqual(before);
    expect(readdirSync(scratch.path('full'))).toEqual(['x']);
  });

  test('a model that is quantised already', async () => {
    await cliJson(['quantize', tiny(), '-s', 'W8A8', '-o', scratch.path('w8.bitloom')]);
    const { stderr } = await expectRefusal(
      ['export', 'w8.bitloom', '-f', 'gguf', '-o', 'w8.gguf'],
      'export-unsupported',
      { cwd: scratch.path() },
    );
    expect(stderr).toContain('export from the checkpoint the model was made from');
  });

  test.skipIf(process.platform === 'win32')('a disk that fills up', async () => {
    // A limit on the size of files fails a write in the middle, as a full disk does.
    for (const [format, output] of [
      ['gguf', 'empty/x.gguf'],
      ['hf', 'empty/x'],
    ]) {
      const line = `ulimit -f 8; trap '' XFSZ; $BITLOOM export ${tiny()} -f ${format} -t f32 -o ${output}`;
      const result = await shell(line, { cwd: scratch.path() });
      expect(result.code, result.stderr).toBe(2);
      expect(result.stderr).toContain('[write-failed]');
      expect(readdirSync(scratch.path('empty'))).toEqual([]);
    }
  });
});
