/** Number formats from the command line: the list, one of them, and a model in several side by side. */
import { readFileSync, writeFileSync } from 'node:fs';
import { ELEMENT_FORMATS, presetNames } from '@bitloom/formats';
import { beforeAll, describe, expect, test } from 'vitest';
import { dataPath, hasData } from '../../../test/support/data.js';
import { splitSchemes } from '../src/option-values.js';
import { cli, cliJson, expectRefusal, useBuiltCli, useScratch } from './support/cli.js';
import { writeTinyModel } from './support/tiny-model.js';

useBuiltCli();
const scratch = useScratch();
const tiny = (): string => scratch.path('tiny.bitloom');
beforeAll(() => {
  writeTinyModel(tiny());
  writeFileSync(scratch.path('text.txt'), 'the cat sat, a dog ran. '.repeat(40));
});

describe('formats', () => {
  test('lists every scheme and element format', async () => {
    const { code, stdout } = await cli(['formats']);
    expect(code).toBe(0);
    for (const name of [...presetNames(), ...Object.keys(ELEMENT_FORMATS)]) {
      expect(stdout).toMatch(new RegExp(`^${name.replace(/[<>]/g, '.')} `, 'm'));
    }
    const document = await cliJson(['formats']);
    expect(document).toMatchObject({
      schemes: expect.arrayContaining([
        expect.objectContaining({ name: 'MXFP4', bitsPerWeight: 4.25, range: [-6, 6] }),
        expect.objectContaining({ name: 'Q4_K', bitsPerWeight: 4.5 }),
        expect.objectContaining({ name: 'W8A8', range: [-127, 127], activations: expect.any(String) }),
      ]),
      elements: expect.arrayContaining([expect.objectContaining({ name: 'fp8_e4m3fn', max: 448 })]),
    });
  });

  test('describes one scheme, member of a family or element', async () => {
    expect((await cli(['formats', 'NVFP4'])).stdout).toContain('fp8_e4m3fn per 16');
    expect((await cli(['formats', 'MLS<2,4>'])).stdout).toContain('mls_e2m4');
    expect((await cli(['formats', 'ShiftQuant5x7'])).stdout).toContain('7 groups');
    expect((await cli(['formats', 'fp4_e2m1'])).stdout).toContain('0 0.5 1 1.5 2 3 4 6 -0');
    expect(await cliJson(['formats', 'Q4_K'])).toMatchObject({ weights: { layout: 'ggml.q4_K' } });
  });

  test('draws the code points', async () => {
    const path = scratch.path('points.svg');
    expect(await cli(['formats', 'MXFP4', '--svg', path])).toMatchObject({ code: 0 });
    expect(readFileSync(path, 'utf8')).toMatch(/^<svg.*fp4_e2m1.*<\/svg>\s*$/s);
    await expectRefusal(['formats', 'MXFP4', '--svg', scratch.path('nowhere', 'points.svg')], 'write-failed');
  });

  test('refuses an unknown name with the names there are', async () => {
    expect((await expectRefusal(['formats', 'FP3'], 'preset-unknown')).stderr).toMatch(/MXFP4.*Q4_K/);
  });
});

test('schemes are divided by commas that are not inside a name', () => {
  expect(splitSchemes('W8A8,MLS<2,4>,Q4_K')).toEqual(['W8A8', 'MLS<2,4>', 'Q4_K']);
  expect(splitSchemes('MLS<2,1>', ['W4A8'])).toEqual(['W4A8', 'MLS<2,1>']);
  expect(splitSchemes('')).toEqual([]);
});

describe('compare', () => {
  test('prints size, error and perplexity side by side, the baseline first', async () => {
    const schemes = ['W8A8', 'W4A8', 'MXFP4', 'Q8_0', 'MLS<2,4>'];
    const args = ['compare', tiny(), '--schemes', schemes.join(','), '--text', scratch.path('text.txt')];
    const { code, stdout, stderr } = await cli([...args, '--context', '32']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^f32 +32\.00/m);
    for (const name of schemes) expect(stdout).toMatch(new RegExp(`^${name} .*%`, 'm'));
    const document = (await cliJson([...args, '--context', '32'])) as {
      schemes: { scheme: string; bytes: number; relativeRmse?: number; perplexity: number }[];
    };
    expect(document.schemes.map(({ scheme }) => scheme)).toEqual(['f32', ...schemes]);
    const [f32, w8, , mx] = document.schemes;
    expect(f32.relativeRmse).toBeUndefined();
    expect(w8.relativeRmse).toBeLessThan(0.01);
    expect(mx.relativeRmse).toBeGreaterThan(0.05);
    expect(mx.bytes).toBeLessThan(f32.bytes);
    const evaluated = await cliJson([
      ...['eval', tiny(), '--text', scratch.path('text.txt'), '--context', '32', '--scheme', 'MXFP4'],
    ]);
    expect(mx.perplexity).toBe(evaluated.perplexity);
  });

  test('needs no text for sizes and errors, and says what fell back', async () => {
    const { stdout } = await cli(['compare', tiny(), '-s', 'Q4_K']);
    expect(stdout).toContain('no perplexity without --text');
    expect(stdout).toContain('48 columns are no blocks of 256; float32 instead of q4_K');
  });

  test('refuses unknown schemes and shapes without weights before any work', async () => {
    expect((await expectRefusal(['compare', tiny(), '-s', 'W8A8,W3A8'], 'scheme-unknown')).stderr).toMatch(
      /formats/,
    );
    expect((await expectRefusal(['compare', 'gpt2', '-s', 'W8A8'], 'model-shape-only')).stderr).toMatch(
      /checkpoint/,
    );
    expect(
      (await expectRefusal(['compare', tiny(), '-s', 'W8A8', '--text', 'nowhere'], 'file-unreadable')).stderr,
    ).toMatch(/nowhere/);
  });
});

describe('quantize', () => {
  test.each(['NVFP4', 'Q8_0', 'ShiftQuant4'])(
    '%s: an artefact that runs as the scheme does, and that no card takes',
    async (scheme) => {
      const path = scratch.path(`quantized-${scheme.replace(/\W/g, '_')}`);
      expect((await cli(['quantize', tiny(), '-s', scheme, '-o', path])).code).toBe(0);
      const prompt = ['--prompt', 'the cat', '--max-tokens', '8'];
      const direct = await cliJson(['run', tiny(), ...prompt, '--scheme', scheme]);
      const stored = await cliJson(['run', path, ...prompt]);
      expect(stored).toMatchObject({ scheme, tokenIds: direct.tokenIds });
      expect((await cli(['inspect', path, '--verify'])).code).toBe(0);
      expect((await expectRefusal(['compile', path], 'compiler-numerics-unsupported')).stderr).toMatch(
        /W4A8/,
      );
    },
  );
});

describe('quantize, measured', () => {
  test('says what it cost: size, error, and perplexity before and after where there is a text', async () => {
    const args = ['quantize', tiny(), '-s', 'MXFP4', '-o', scratch.path('measured')];
    const plain = await cliJson(args);
    expect(plain).toMatchObject({
      scheme: 'MXFP4',
      bitsPerWeight: expect.any(Number),
      sqnr: expect.any(Number),
    });
    expect(plain.perplexity).toBeUndefined();
    const scoring = ['--text', scratch.path('text.txt'), '--window', '32'];
    const scored = await cliJson([...args, ...scoring]);
    const compared = (await cliJson([
      ...['compare', tiny(), '-s', 'MXFP4', '--text', scratch.path('text.txt'), '--context', '32'],
    ])) as { schemes: { perplexity: number; sqnr?: number }[] };
    const [before, after] = compared.schemes;
    expect(scored).toMatchObject({
      perplexity: after.perplexity,
      sqnr: after.sqnr,
      original: { perplexity: before.perplexity },
    });
    expect((await cli([...args, ...scoring])).stdout).toMatch(/^MXFP4 .*%/m);
  });

  test('says nothing of errors where there are only shapes', async () => {
    const document = await cliJson(['quantize', 'gpt2', '-s', 'NVFP4', '-o', scratch.path('shapes')]);
    expect(document).toMatchObject({ shapeOnly: true, scheme: 'NVFP4' });
    expect(document.sqnr).toBeUndefined();
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
