/** Number formats from the command line: the list, one of them, and a model in several side by side. */
import { readFileSync, writeFileSync } from 'node:fs';
import { ELEMENT_FORMATS, presetNames } from '@bitloom/formats';
import { beforeAll, describe, expect, test } from 'vitest';
import { dataPath, hasData } from '../../../test/support/data.js';
import { announceWindows } from '../src/comparison/announce-windows.js';
import { splitSchemes } from '../src/option-values.js';
import { nearestName } from '../src/terminal/nearest-name.js';
import { cli, cliJson, expectRefusal, useBuiltCli, useScratch } from './support/cli.js';
import { expectRefused, runInProcess } from './support/in-process.js';
import { writeTinyModel } from './support/tiny-model.js';

useBuiltCli();
const scratch = useScratch();
const tiny = (): string => scratch.path('tiny.bitloom');
beforeAll(() => {
  writeTinyModel(tiny());
  writeFileSync(scratch.path('text.txt'), 'the cat sat, a dog ran. '.repeat(40));
});

const run = async (...args: string[]): Promise<string> => {
  const { error, stdout } = await runInProcess(args);
  expect(error).toBe('');
  return stdout;
};

describe('formats', () => {
  test('lists every scheme and element format', async () => {
    const { code, stdout } = await cli(['formats']);
    expect(code).toBe(0);
    for (const name of [...presetNames(), ...Object.keys(ELEMENT_FORMATS)]) {
      expect(stdout).toMatch(new RegExp(`^${name.replace(/[<>]/g, '.')} `, 'm'));
    }
    expect(JSON.parse(await run('formats', '--json'))).toMatchObject({
      schemes: expect.arrayContaining([
        expect.objectContaining({ name: 'MXFP4', bitsPerWeight: 4.25, range: [-6, 6] }),
        expect.objectContaining({ name: 'Q4_K', bitsPerWeight: 4.5 }),
        expect.objectContaining({ name: 'W8A8', range: [-127, 127], activations: expect.any(String) }),
      ]),
      elements: expect.arrayContaining([expect.objectContaining({ name: 'fp8_e4m3fn', max: 448 })]),
    });
  });

  test.each([
    ['NVFP4', 'fp8_e4m3fn per 16'],
    ['MLS<2,4>', 'mls_e2m4'],
    ['ShiftQuant5x7', '7 groups'],
    ['fp4_e2m1', '0 0.5 1 1.5 2 3 4 6 -0'],
    ['<2,1>', '0 0.5 1 1.5 2 3 4 6 -0'],
    ['e5m2fnuz', 'fp8_e5m2fnuz\n'],
    ['FP8', 'per output channel'],
    ['q4_k', 'Q4_K: GGML'],
  ])('describes %s', async (name, expected) => {
    expect(await run('formats', name)).toContain(expected);
  });

  test('describes as a document', async () => {
    expect(JSON.parse(await run('formats', 'Q4_K', '--json'))).toMatchObject({
      weights: { layout: 'ggml.q4_K' },
    });
    expect(JSON.parse(await run('formats', '<3,2>', '--json'))).toMatchObject({
      exponentBits: 3,
      mantissaBits: 2,
    });
  });

  test.each([
    ['FlightLLM-W3', [/^ {2}linear weights +int3 .*per 128 .*3\.125 bits per weight$/m, /embedding +int8/]],
    ['FlightLLM-mixed3.5', [/mixed +by matrix; 3\.5 bits/, /^ {4}2 bits +int2/m, /^ {4}8 bits +int8/m]],
    ['FlightLLM-mixed3-bands', [/by band of columns, at most 4 of a matrix; 3 bits/]],
    ['FlightLLM-8:16', [/kept +8 of each 16 linear weights/, /linear weights +int4/]],
    ['FlightLLM-KV4', [/KV cache +int4-per-token-head/]],
    ['W4A8-2:4-KV4', [/kept +2 of each 4/, /KV cache +int4/, /head +int8/]],
    ['stored', [/Q4_0 and Q8_0 weights of a GGUF file/]],
  ])('describes %s, a scheme of models', async (name, expected) => {
    const text = await run('formats', name);
    expect(text.startsWith(`${name}: `)).toBe(true);
    for (const line of expected) expect(text).toMatch(line);
  });

  test('describes schemes of models as documents', async () => {
    expect(JSON.parse(await run('formats', 'FlightLLM-mixed3.5-bands-8:16-KV4', '--json'))).toMatchObject({
      name: 'FlightLLM-mixed3.5-bands-8:16-KV4',
      weights: { embedding: { element: 'int8' } },
      mix: { average: 3.5, bands: 4, formats: [2, 3, 4, 8].map((elementBits) => ({ elementBits })) },
      sparsity: { linear: { keep: [8], m: 16 } },
      numerics: { kvCache: 'int4-per-token-head', linear: 'int8-activations' },
    });
    const { mix, sparsity, weights } = JSON.parse(await run('formats', 'FlightLLM-W3', '--json'));
    expect({ mix, sparsity }).toEqual({});
    expect(weights.linear).toMatchObject({ elementBits: 3, bitsPerWeight: 3.125, range: [-4, 3] });
  });

  test('says what a scheme of models cannot have', async () => {
    for (const [name, code] of [
      ['FlightLLM-mixed9', 'scheme-mix'],
      ['FlightLLM-3:16', 'scheme-sparsity'],
      ['FlightLLM-KV2', 'scheme-kv-cache'],
      ['FP3-KV4', 'preset-unknown'],
      ['FlightLLM-W9', 'preset-unknown'],
    ])
      await expectRefused(['formats', name], code);
  });

  test('draws the code points', async () => {
    const path = scratch.path('points.svg');
    await run('formats', 'MXFP4', '--svg', path);
    expect(readFileSync(path, 'utf8')).toMatch(/^<svg.*fp4_e2m1.*<\/svg>\s*$/s);
    await run('formats', 'FlightLLM-mixed3.5', '--svg', path);
    expect(readFileSync(path, 'utf8')).toMatch(/int2.*int3.*int4.*int8/s);
    await run('formats', '<2,3>', '--svg', path);
    expect(readFileSync(path, 'utf8')).toMatch(/^<svg.*<\/svg>\s*$/s);
    await expectRefused(['formats', 'MXFP4', '--svg', scratch.path('nowhere', 'points.svg')], 'write-failed');
  });

  test('refuses an unknown name with the names there are, the nearest first', async () => {
    expect((await expectRefusal(['formats', 'FP3'], 'preset-unknown')).stderr).toMatch(/MXFP4.*Q4_K/);
    const meant = await expectRefused(['formats', 'MXPF4'], 'preset-unknown');
    expect(meant.error).toContain('hint: did you mean MXFP4? `bitloom formats` lists them');
    for (const [name, code] of [
      ['<99,9>', 'format-record'],
      ['MLS<9,9>', 'mls-option'],
    ]) {
      expect((await expectRefused(['formats', name], code)).error).toContain('hint: `bitloom formats`');
    }
  });
});

test('the nearest name is one that could have been meant', () => {
  const names = ['W8A8', 'MXFP4', 'NVFP4', 'Q4_K', 'u280', 'llama2-7b'];
  expect(nearestName('mxfp4', names)).toBe('MXFP4');
  expect(nearestName('MXPF4', names)).toBe('MXFP4');
  expect(nearestName('Q4K', names)).toBe('Q4_K');
  expect(nearestName('u208', names)).toBe('u280');
  expect(nearestName('lama2-7b', names)).toBe('llama2-7b');
  for (const far of ['', 'x', 'int', 'checkpoint.bin']) expect(nearestName(far, names)).toBeUndefined();
  expect(nearestName('x', [])).toBeUndefined();
});

test('schemes are divided by commas that are not inside a name', () => {
  expect(splitSchemes('W8A8,MLS<2,4>,Q4_K')).toEqual(['W8A8', 'MLS<2,4>', 'Q4_K']);
  expect(splitSchemes('MLS<2,1>', ['W4A8'])).toEqual(['W4A8', 'MLS<2,1>']);
  expect(splitSchemes(' MXFP4, NVFP4 ,MLS<2, 4>')).toEqual(['MXFP4', 'NVFP4', 'MLS<2, 4>']);
  const said: string[] = [];
  expect(splitSchemes('MXFP4,,', [], (line) => void said.push(line))).toEqual(['MXFP4']);
  expect(said.join()).toContain('empty name');
  for (const none of ['', ' ', ', ,']) expect(() => splitSchemes(none)).toThrow('Expected names');
});

test('many windows are announced once, where nobody limited them', () => {
  const said: string[] = [];
  const terminal = { log: (line: string): void => void said.push(line) };
  const few = announceWindows(terminal, { context: 32 }, 2);
  for (let i = 0; i < 3; i += 1) few(64);
  announceWindows(terminal, { context: 32, chunks: 100 }, 2)(100);
  expect(said).toEqual([]);
  const many = announceWindows(terminal, { context: 32 }, 5);
  for (let i = 0; i < 3; i += 1) many(65);
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/65 windows of 32 tokens for each of 5 schemes; --chunks 8/);
});

describe('compare', () => {
  test('prints size, error and perplexity side by side, the baseline first', async () => {
    const schemes = ['W8A8', 'W4A8', 'MXFP4', 'Q8_0', 'MLS<2,4>'];
    const scoring = ['--text', scratch.path('text.txt'), '--context', '32'];
    const args = ['compare', tiny(), '--schemes', schemes.join(', '), ...scoring];
    const [{ code, stdout, stderr }, document, evaluated] = await Promise.all([
      cli(args),
      cliJson<{
        schemes?: { scheme: string; bytes: number; relativeRmse?: number; perplexity: number }[];
      }>(args),
      cliJson(['eval', tiny(), ...scoring, '--scheme', 'MXFP4']),
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^f32 +32\.00/m);
    for (const name of schemes) expect(stdout).toMatch(new RegExp(`^${name} .*%`, 'm'));
    const rows = document.schemes ?? [];
    expect(rows.map(({ scheme }) => scheme)).toEqual(['f32', ...schemes]);
    const [f32, w8, , mx] = rows;
    expect(f32.relativeRmse).toBeUndefined();
    expect(w8.relativeRmse).toBeLessThan(0.01);
    expect(mx.relativeRmse).toBeGreaterThan(0.05);
    expect(mx.bytes).toBeLessThan(f32.bytes);
    expect(mx.perplexity).toBe(evaluated.perplexity);
  });

  test('needs no text for sizes and errors, and says what fell back', async () => {
    const stdout = await run('compare', tiny(), '-s', 'Q4_K');
    expect(stdout).toContain('no perplexity without --text');
    expect(stdout).toContain('48 columns are no blocks of 256; float32 instead of q4_K');
  });

  test('refuses unknown schemes and shapes without weights before any work', async () => {
    const unknown = await expectRefused(['compare', tiny(), '-s', 'W8A8,W3A8'], 'scheme-unknown');
    expect(unknown.error).toMatch(/did you mean W8A8\? `bitloom formats`/);
    const shapes = await expectRefused(['compare', 'gpt2', '-s', 'W8A8'], 'model-shape-only');
    expect(shapes.error).toContain('checkpoint');
    const absent = ['compare', tiny(), '-s', 'W8A8', '--text', 'nowhere'];
    expect((await expectRefused(absent, 'file-unreadable')).error).toContain('nowhere');
    await expectRefused(['compare', tiny(), '-s', ','], 'usage');
  });
});

describe('quantize', () => {
  test.each(['NVFP4', 'Q8_0', 'ShiftQuant4'])(
    '%s: an artefact that runs as the scheme does, and that no card takes',
    async (scheme) => {
      const path = scratch.path(`quantized-${scheme.replace(/\W/g, '_')}`);
      expect((await runInProcess(['quantize', tiny(), '-s', scheme, '-o', path])).error).toBe('');
      const prompt = ['--prompt', 'the cat', '--max-tokens', '8'];
      const [direct, stored] = await Promise.all([
        cliJson(['run', tiny(), ...prompt, '--scheme', scheme]),
        cliJson(['run', path, ...prompt]),
      ]);
      expect(stored).toMatchObject({ scheme, tokenIds: direct.tokenIds });
      expect((await runInProcess(['inspect', path, '--verify'])).exitCode).toBe(0);
      const { error } = await expectRefused(['compile', path], 'compiler-numerics-unsupported');
      expect(error).toMatch(/dequantised weights where it has them: cards compute W8A8 and W4A8/);
    },
  );
});

describe('quantize, measured', () => {
  test('says what it cost: size, error, and perplexity before and after where there is a text', async () => {
    const args = ['quantize', tiny(), '-s', 'MXFP4', '-o', scratch.path('measured')];
    const plain = JSON.parse(await run(...args, '--json'));
    expect(plain).toMatchObject({
      scheme: 'MXFP4',
      bitsPerWeight: expect.any(Number),
      sqnr: expect.any(Number),
    });
    expect(plain.perplexity).toBeUndefined();
    const scoring = ['--text', scratch.path('text.txt'), '--window', '32'];
    const scored = await cliJson([...args, ...scoring]);
    const comparing = ['--text', scratch.path('text.txt'), '--context', '32', '--json'];
    const compared: { schemes: { perplexity: number; sqnr?: number }[] } = JSON.parse(
      await run('compare', tiny(), '-s', 'MXFP4', ...comparing),
    );
    const [before, after] = compared.schemes;
    expect(scored).toMatchObject({
      perplexity: after.perplexity,
      sqnr: after.sqnr,
      original: { perplexity: before.perplexity },
    });
    expect(await run(...args, ...scoring)).toMatch(/^MXFP4 .*%/m);
  });

  test('says nothing of errors where there are only shapes', async () => {
    const document = await cliJson(['quantize', 'gpt2', '-s', 'Q4_K', '-o', scratch.path('shapes')]);
    expect(document).toMatchObject({ shapeOnly: true, scheme: 'Q4_K' });
    expect(document.sqnr).toBeUndefined();
    // Blocks of 256 take 144 bytes, minimums and all.
    const { tensors } = (await cliJson(['inspect', scratch.path('shapes')])) as {
      tensors: { type: string; shape: number[]; bytes: number }[];
    };
    const [weight] = tensors.filter(({ type }) => type.startsWith('uint4'));
    expect(weight.bytes).toBe((weight.shape[0] * weight.shape[1] * 144) / 256);
  });
});

describe.skipIf(!hasData)('stories260K', () => {
  test('the order of schemes by error is the order of their bits', async () => {
    const document = (await cliJson([
      ...['compare', dataPath('stories260K', 'stories260K.bin'), '-s', 'W8A8,MXFP8,MXFP6,MXFP4,TERNARY'],
    ])) as { schemes: { relativeRmse?: number }[] };
    const errors = document.schemes.slice(1).map(({ relativeRmse = 0 }) => relativeRmse);
    expect(errors[0]).toBeLessThan(0.006);
    expect(errors[3]).toBeGreaterThan(Math.max(...errors.slice(0, 3)));
    expect(errors[4]).toBeGreaterThan(errors[3]);
  });
});
