/** Checkpoints in Q4_0 and Q8_0: they run from their codes unless a scheme is asked for, on the host and on a card. */
import { statSync, writeFileSync } from 'node:fs';
import { zooModel } from '@bitloom/models';
import { beforeAll, describe, expect, test } from 'vitest';
import { usefulThreads } from '../src/input/command-kernels.js';
import { costLine, type HostCost } from '../src/report/host-cost.js';
import { bytes } from '../src/terminal/quantity.js';
import { useScratch } from './support/cli.js';
import { expectRefused, type Run, runInProcess } from './support/in-process.js';
import { TINY, writeTinyModel } from './support/tiny-model.js';

const scratch = useScratch();
const tiny = (): string => scratch.path('tiny.bitloom');
const prompt = ['--prompt', 'the cat', '--max-tokens', '12'];

async function run(...args: readonly string[]): Promise<Run> {
  const result = await runInProcess(args);
  expect(result, result.error).toMatchObject({ code: undefined, exitCode: 0 });
  return result;
}

async function document(...args: readonly string[]): Promise<Record<string, unknown>> {
  return JSON.parse((await run(...args, '--json')).stdout);
}

describe.each([
  ['q4_0', 'Q4_0'],
  ['q8_0', 'Q8_0'],
])('%s', (type, format) => {
  const file = (): string => scratch.path(`${type}.gguf`);
  const note = `weights as stored (${format}), activations INT8; --scheme chooses another`;

  beforeAll(async () => {
    // Rows of 64 and 96, which are whole blocks.
    writeTinyModel(tiny(), { ...TINY, width: 64, hiddenWidth: 96, heads: 4, kvHeads: 2, headDim: 16 });
    await run('export', tiny(), '--format', 'gguf', '--type', type, '-o', file());
  });

  test('runs from its codes and says so once, beside the text', async () => {
    const said = await run('run', file(), ...prompt);
    expect(said.log).toEqual([note]);
    const document_ = await document('run', file(), ...prompt);
    expect(document_).toMatchObject({ scheme: 'stored', device: 'host', text: said.stdout, tokens: 12 });
    expect(await document('run', file(), ...prompt, '--kernels', 'reference')).toMatchObject({
      tokenIds: document_.tokenIds,
      host: { kernels: 'reference', threads: 1 },
    });
  });

  test('says on a card what it says on the host, from the file and from a program', async () => {
    const host = await document('run', file(), ...prompt);
    const card = await document('run', file(), ...prompt, '--device', 'u280');
    expect(card).toMatchObject({ scheme: 'stored', device: 'u280', tokenIds: host.tokenIds });
    const program = scratch.path(`${type}.program`);
    await run('compile', file(), '-o', program, '--no-weights');
    const compiled = await document('run', program, '--model', file(), ...prompt);
    expect(compiled).toMatchObject({ scheme: 'stored', device: 'u280', tokenIds: host.tokenIds });
  });

  test('a scheme that is asked for wins', async () => {
    for (const scheme of ['f32', 'W8A8', 'W4A8', 'MXFP4']) {
      const { log } = await run('run', file(), ...prompt, '--scheme', scheme);
      expect(log).toEqual([]);
      expect(await document('run', file(), ...prompt, '--scheme', scheme)).toMatchObject({ scheme });
    }
  });

  test('is written as an artefact that says the same', async () => {
    const path = scratch.path(`${type}.bitloom`);
    await run('quantize', file(), '--scheme', 'stored', '-o', path);
    const [host, written] = [
      await document('run', file(), ...prompt),
      await document('run', path, ...prompt),
    ];
    expect(written).toMatchObject({ scheme: 'stored', tokenIds: host.tokenIds });
    expect((await run('inspect', path, '--verify')).stdout).toContain('sound');
  });

  test('is said to be without error, beside what its codes stand for', async () => {
    const path = scratch.path(`${type}.measured`);
    const { stdout } = await run('quantize', file(), '--scheme', 'stored', '-o', path);
    expect(stdout).toMatch(/^f32 decoded +32\.00 .+ - +- +-$/m);
    expect(stdout).toMatch(/^stored +[48]\.50 .+ 0\.000% +exact +0$/m);
    expect(stdout).not.toMatch(/Infinity|NaN/);
    expect(stdout).toContain("stored: 100.0% of the quantised weights are the checkpoint's own codes");
    expect(stdout).toContain(`the checkpoint takes ${bytes(statSync(file()).size)}\n`);
    const { bytes: tensors } = await document('inspect', path);
    expect(stdout).toContain(
      `size        ${bytes(Number(tensors))} of tensors in a file of ${bytes(statSync(path).size)}\n`,
    );
  });

  test('is simulated from its codes', async () => {
    const { log } = await run('simulate', file(), '--prefill', '8', '--decode', '2');
    expect(log).toEqual([note]);
    expect(await document('simulate', file(), '--prefill', '8', '--scheme', 'stored')).toMatchObject({
      totals: { prefillSeconds: expect.any(Number) },
    });
  });
});

test('weights that could not be kept are counted', async () => {
  // Rows of 76 are no whole blocks of 32.
  writeTinyModel(tiny(), { ...TINY, width: 64, hiddenWidth: 76, heads: 4, kvHeads: 2, headDim: 16 });
  const file = scratch.path('part.gguf');
  await run('export', tiny(), '--format', 'gguf', '--type', 'q8_0', '-o', file);
  const { stdout } = await run('quantize', file, '--scheme', 'stored', '-o', scratch.path('part'));
  const { tensors } = (await document('inspect', scratch.path('part'))) as {
    tensors: { name: string; shape: number[]; type: string }[];
  };
  const elements = (rows: typeof tensors): number =>
    rows.reduce((sum, { shape }) => sum + shape[0] * shape[1], 0);
  const coded = tensors.filter(({ type }) => type.startsWith('int'));
  const lost = coded.filter(({ shape }) => shape[1] === 76);
  expect(lost).toHaveLength(2);
  const kept = 100 * (1 - elements(lost) / elements(coded));
  expect(stdout).toContain(`stored: ${kept.toFixed(1)}% of the quantised weights`);
  expect(stdout).not.toContain('exact');
});

describe('other checkpoints', () => {
  test('run in float32 as before, and are refused as stored', async () => {
    writeTinyModel(scratch.path('float.bitloom'));
    for (const type of ['f16', 'q4_1']) {
      const path = scratch.path(`${type}.gguf`);
      await run('export', scratch.path('float.bitloom'), '-f', 'gguf', '-t', type, '-o', path);
      expect(await document('run', path, ...prompt)).toMatchObject({ scheme: 'f32' });
      await expectRefused(['run', path, ...prompt, '--scheme', 'stored'], 'scheme-not-stored');
    }
    await expectRefused(['simulate', 'llama2-7b', '--scheme', 'stored'], 'scheme-not-stored');
  });
});

describe('kernels and threads', () => {
  test('are chosen by name, and a wrong name is usage', async () => {
    writeTinyModel(scratch.path('float.bitloom'));
    const path = scratch.path('float.bitloom');
    const said = await run('run', path, ...prompt, '--kernels', 'wasm', '--stats');
    expect(said.log.join()).toMatch(
      /load .+\nprefill {2}9 tokens in .+\ndecode {3}11 tokens in .+\nkernels {2}wasm, 1 thread; peak memory .+\nfallback none/,
    );
    expect((await run('run', path, ...prompt)).stdout).toBe(said.stdout);
    await expectRefused(['run', path, ...prompt, '--kernels', 'fast'], 'usage');
    await expectRefused(['run', path, ...prompt, '--threads', '0'], 'usage');
  });

  test('that failed their check are named', async () => {
    writeTinyModel(scratch.path('float.bitloom'));
    const said = await document('run', scratch.path('float.bitloom'), ...prompt);
    expect(said).toMatchObject({ host: { fallbacks: [] } });
    const cost: HostCost = {
      loadSeconds: 1,
      kernels: 'native',
      threads: 1,
      fallbacks: ['relu', 'gemmF32'],
      peakMemoryBytes: 1e8,
    };
    expect(costLine(cost, [], true)).toMatch(/\nfallback relu, gemmF32$/);
    expect(costLine(cost, [], false)).toMatch(/slower backend: relu, gemmF32$/);
    expect(costLine({ ...cost, fallbacks: [] }, [], false)).toBeUndefined();
  });

  test('cost the same to say for eval', async () => {
    writeTinyModel(scratch.path('float.bitloom'));
    writeFileSync(scratch.path('text.txt'), 'the cat sat, a dog ran. '.repeat(20));
    const evaluated = ['eval', scratch.path('float.bitloom'), '--text', scratch.path('text.txt')];
    const short = [...evaluated, '--context', '32', '--chunks', '2', '--kernels', 'wasm', '--threads', '1'];
    const said = await run(...short, '--stats');
    expect(said.log.join()).toMatch(
      /^load .+\neval {5}62 tokens read, 30 of them scored, in [^,]+, [^\n]+token\/s\nkernels {2}wasm, 1 thread; peak memory .+\nfallback none$/,
    );
    expect(said.stdout).toMatch(/ 30 of 62 tokens scored in 2 windows of 32, .+token\/s read\n$/);
    expect((await run(...short)).log).toEqual([]);
    const counted = await document(...short);
    expect(Number(counted.tokensPerSecond) * Number(counted.seconds)).toBeCloseTo(62, 6);
    expect(counted).toMatchObject({
      tokens: 30,
      tokensRead: 62,
      host: { kernels: 'wasm', threads: 1, fallbacks: [], peakMemoryBytes: expect.any(Number) },
    });
  });

  test('of no tokens is that of the prompt', async () => {
    writeTinyModel(scratch.path('float.bitloom'));
    const none = ['run', scratch.path('float.bitloom'), '--prompt', 'the cat', '-n', '0'];
    const { host } = await document(...none);
    expect(host).toMatchObject({ decodeSeconds: 0, decodeTokensPerSecond: 0 });
    expect(host).not.toMatchObject({ prefillSeconds: 0 });
    expect((await run(...none, '--stats')).log.join()).toMatch(/\ndecode {3}0 tokens in 0 s\n/);
  });

  test('threads by default: one for what is small, else one per core up to 16', () => {
    expect(usefulThreads(zooModel('tinyllama-1.1b'), 2)).toBe(2);
    expect(usefulThreads(zooModel('tinyllama-1.1b'), 64)).toBe(16);
    const { constants, ...rest } = zooModel('gpt2');
    expect(usefulThreads({ ...rest, constants: constants.slice(2, 8) }, 8)).toBe(1);
  });
});
