/** `bitloom explore` with a tiny model on a tiny budget, through the built command. */
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findCard } from '@bitloom/ir';
import { readDevice } from '@bitloom/ir/node';
import { beforeAll, describe, expect, test } from 'vitest';
import { repositoryRoot } from '../../../test/support/data.js';
import { cli, cliJson, expectRefusal, shell, useBuiltCli, useScratch } from './support/cli.js';
import { expectRefused } from './support/in-process.js';
import { writeTinyModel } from './support/tiny-model.js';

useBuiltCli();
const scratch = useScratch();

/** What the tests look at in the document. */
interface Found {
  readonly designs: readonly { readonly key: string; readonly outcome: object }[];
  readonly front: readonly {
    readonly device: { readonly name: string };
    readonly resources: Record<string, number>;
    readonly measures: Record<string, number>;
  }[];
  readonly refused: { readonly proposals: number };
  readonly reused: number;
}

const budget = { ...findCard('u280-flightllm'), name: 'tiny-budget' };
const resources = { ...budget.resources, dsp: 4000 };

let args: string[] = [];
beforeAll(() => {
  writeTinyModel(scratch.path('tiny.bl'));
  writeFileSync(scratch.path('budget.json'), JSON.stringify({ ...budget, resources }));
  args = ['explore', '--model', scratch.path('tiny.bl'), '--budget', scratch.path('budget.json')];
  args.push('--prefill', '8', '--points', '18');
});

function found(...more: string[]): Promise<Found> {
  return cliJson<Found>([...args, ...more]);
}

describe('explore', () => {
  test('gives the same with any number of threads, within the budget', async () => {
    const [one, two] = await Promise.all([found('--threads', '1'), found('--threads', '2')]);
    expect(one).toEqual(two);
    expect(one.designs).toHaveLength(18);
    expect(one.refused.proposals).toBeGreaterThan(0);
    expect(one.front.length).toBeGreaterThan(0);
    for (const design of one.front)
      for (const [kind, most] of Object.entries(resources))
        expect(design.resources[kind]).toBeLessThanOrEqual(0.8 * most);
    const other = await found('--seed', '2');
    expect(other.designs.map(({ key }) => key)).not.toEqual(one.designs.map(({ key }) => key));
  });

  test('goes on from its state file, though the last line is cut', async () => {
    const state = scratch.path('state.jsonl');
    const whole = await found('--state', state);
    const text = readFileSync(state, 'utf8');
    expect(text.split('\n')).toHaveLength(1 + 18 + 1);
    const cut = text.lastIndexOf('\n', Math.floor(text.length / 2)) + 40;
    truncateSync(state, cut);
    const lines = text.slice(0, cut).split('\n').length - 2;
    const { code, stdout, stderr } = await cli([...args, '--state', state, '--json']);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('half a line');
    expect(JSON.parse(stdout)).toEqual({ ...whole, reused: lines });
    expect(readFileSync(state, 'utf8').split('\n').sort()).toEqual(text.split('\n').sort());
    // More points take up where it ended.
    const more = await found('--state', state, '--points', '20');
    expect(more.designs.slice(0, 18)).toEqual(whole.designs);
    expect(more.reused).toBe(18);
  });

  test('an interrupt ends it with a whole file', async () => {
    const state = scratch.path('interrupted.jsonl');
    const result = await cli([...args, '--points', '2000', '--state', state], {
      onSpawn: (child) => {
        const timer = setInterval(() => {
          try {
            if (readFileSync(state, 'utf8').split('\n').length < 4) return;
          } catch {
            return;
          }
          clearInterval(timer);
          child.kill('SIGINT');
        }, 20);
      },
    });
    expect(result).toMatchObject({ code: 130, stdout: '' });
    expect(result.stderr).toContain('[exploration-interrupted]');
    const lines = readFileSync(state, 'utf8').split('\n');
    expect(lines.pop()).toBe('');
    for (const line of lines) expect(JSON.parse(line)).toBeTypeOf('object');
    expect((await found('--state', state)).reused).toBeGreaterThan(0);
  });

  test('saves the fastest as a device that is timed alike, a picture, and prints a table', async () => {
    const state = scratch.path('saved.jsonl');
    const [device, picture] = [scratch.path('fastest.bl'), scratch.path('front.svg')];
    const saving = ['--state', state, '--save-device', device, '--svg', picture];
    const { code, stdout, stderr } = await cli([...args, ...saving]);
    expect(code, stderr).toBe(0);
    const { front } = await found('--state', state);
    for (const design of front) expect(stdout).toContain(design.device.name);
    expect(stdout).toMatch(/proposals did not fit: .*(DSP|BRAM|URAM|LUT) \d/);
    const [{ device: fastest, measures }] = front;
    expect(readDevice(device)).toEqual(JSON.parse(JSON.stringify(fastest)));
    const simulation = ['simulate', scratch.path('tiny.bl'), '--device', device, '--prefill', '8'];
    const report = await cliJson([...simulation, '--decode', '1']);
    expect(report.totals).toMatchObject({
      decodeTokensPerSecond: measures.tokensPerSecond,
      prefillSeconds: measures.prefillSeconds,
      joulesPerToken: measures.joulesPerToken,
    });
    const svg = readFileSync(picture, 'utf8');
    expect(svg.match(/<circle class="front"/g)).toHaveLength(front.length);
  });

  test('a bug that a thread meets is an internal error with the name of the design', async () => {
    const built = join(repositoryRoot, 'packages', 'exploration', 'dist', 'node.js');
    const script = `import { openThreads } from ${JSON.stringify(pathToFileURL(built).href)};
      const threads = openThreads({ model: {}, prefill: 8, capacity: 32 }, 1);
      const said = (name) => threads.evaluate({ name }).catch((error) => error.toJSON());
      console.log(JSON.stringify([await said('broken'), await said('next')]));
      await threads.close();`;
    writeFileSync(scratch.path('broken.mjs'), script);
    const { stdout, stderr } = await shell('node broken.mjs', { cwd: scratch.path() });
    const message = expect.stringMatching(/^internal: TypeError.*report/s);
    expect(JSON.parse(stdout), stderr).toEqual([
      expect.objectContaining({ code: 'internal', where: 'broken', message }),
      expect.objectContaining({ code: 'exploration-thread' }),
    ]);
  });

  test('searches for what it is told', async () => {
    const { front } = await found('--objectives', 'prefillTokensPerSecond, dsp');
    expect(front.length).toBeGreaterThan(0);
  });

  test('refuses bad input with exit code 2', async () => {
    await expectRefusal([...args, '--limit', '0.05'], 'exploration-nothing-fits');
    await expectRefusal([...args, '--scheme', 'MXFP4', '--points', '3'], 'explore-nothing-runs');
    const other = scratch.path('other.jsonl');
    appendFileSync(other, 'a,b\n');
    await expectRefusal([...args, '--state', other], 'exploration-state-invalid');
  });
});

test.each([
  ['no model', [], 'usage'],
  ['a model that is not there', ['--model', 'nothing'], 'model-not-found'],
  ['a budget that is not there', ['--model', 'gpt2', '--budget', 'u999'], 'device-unknown'],
  ['a limit of nothing', ['--model', 'gpt2', '--limit', '0'], 'usage'],
  ['a limit of more than there is', ['--model', 'gpt2', '--limit', '1.1'], 'usage'],
  ['no points', ['--model', 'gpt2', '--points', '0'], 'usage'],
  ['something else to search for', ['--model', 'gpt2', '--objectives', 'dsp,beauty'], 'usage'],
  ['a prompt that fills the context', ['--model', 'gpt2', '--prefill', '1024'], 'explore-context'],
  ['a scheme that is none', ['--model', 'gpt2', '--scheme', 'W1A1'], 'scheme-unknown'],
])('refuses %s', async (_, more, code) => {
  await expectRefused(['explore', ...more], code);
});

test('refuses to write over what it reads', async () => {
  for (const option of ['--state', '--save-device', '--svg'])
    await expectRefused([...args, option, scratch.path('tiny.bl')], 'output-is-input');
});
