/** Models, programs, reports and traces on their way through the commands. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { reportSchema } from '@bitloom/ir/schema';
import { beforeAll, describe, expect, test } from 'vitest';
import { cli, cliJson, useBuiltCli, useScratch } from './support/cli.js';
import { TINY, writeTinyModel } from './support/tiny-model.js';

useBuiltCli();
const scratch = useScratch();
const tiny = (): string => scratch.path('tiny.bitloom');
beforeAll(() => writeTinyModel(tiny()));

describe('import and quantize', () => {
  test('write models that inspect understands', async () => {
    const imported = await cliJson(['import', tiny(), '--output', scratch.path('again.bitloom')]);
    expect(imported).toMatchObject({ name: 'tiny', scheme: 'f32', tokenizer: 'sentencepiece-bpe' });
    // Nothing changed on the way.
    expect(readFileSync(scratch.path('again.bitloom')).equals(readFileSync(tiny()))).toBe(true);

    const quantized = await cliJson([
      'quantize',
      tiny(),
      '--scheme',
      'W4A8',
      '-o',
      scratch.path('w4.bitloom'),
    ]);
    expect(quantized).toMatchObject({ scheme: 'W4A8', fileBytes: statSync(scratch.path('w4.bitloom')).size });
    const summary = await cliJson(['inspect', scratch.path('w4.bitloom'), '--verify']);
    expect(summary).toMatchObject({
      kind: 'model',
      scheme: 'W4A8',
      shapeOnly: false,
      context: TINY.maxPositions,
      verification: { ok: true },
    });
    expect(summary.tensors).toContainEqual({
      name: 'layers.1.down.weight',
      shape: [48, 76],
      type: 'int4, fp16 per 1x32',
      bytes: 48 * 38 + 48 * 3 * 2,
    });
  });

  test('of the same model give the same bytes', async () => {
    for (const name of ['a', 'b'])
      await cliJson(['quantize', tiny(), '-s', 'W8A8', '-o', scratch.path(name)]);
    expect(readFileSync(scratch.path('a')).equals(readFileSync(scratch.path('b')))).toBe(true);
  });
});

describe('compile', () => {
  test('writes a program and says how much instruction memory it takes', async () => {
    const path = scratch.path('tiny.program');
    const result = await cliJson([
      'compile',
      tiny(),
      '--device',
      'vhk158',
      '-s',
      'W8A8',
      '-o',
      path,
      '--stats',
    ]);
    expect(result).toMatchObject({
      device: 'vhk158',
      scheme: 'W8A8',
      context: 64,
      shapeOnly: false,
      verified: true,
    });
    const { instructionBytes } = result as { instructionBytes: Record<string, number> };
    expect(Object.keys(instructionBytes).sort()).toEqual(['bucketed', 'resolved', 'total', 'unbucketed']);
    expect(instructionBytes.unbucketed).toBeGreaterThan(instructionBytes.bucketed);
    expect(instructionBytes.bucketed).toBeGreaterThan(instructionBytes.resolved / 2);

    const summary = await cliJson(['inspect', path, '--verify']);
    expect(summary).toMatchObject({
      kind: 'program',
      device: 'vhk158',
      weights: true,
      modelHash: result.modelHash,
      verification: { ok: true, checks: expect.arrayContaining([expect.stringContaining('hazards')]) },
    });
    const listing = await cli(['inspect', path, '--disassemble', '--entry', 'decode']);
    expect(listing.stdout).toMatch(/entry decode[\s\S]*\bMV\b[\s\S]*\bHALT\b/);
    expect(listing.stdout).not.toContain('entry prefill');
  });

  test('leaves the weights out when asked to, and gives the same bytes each time', async () => {
    const lean = ['compile', tiny(), '--no-weights', '-o'];
    const first = await cliJson([...lean, scratch.path('lean-a')]);
    const second = await cliJson([...lean, scratch.path('lean-b')]);
    expect(readFileSync(scratch.path('lean-a')).equals(readFileSync(scratch.path('lean-b')))).toBe(true);
    expect({ ...second, file: first.file }).toEqual(first);
    expect(await cliJson(['inspect', scratch.path('lean-a')])).toMatchObject({ weights: false });
  });
});

describe('simulate', () => {
  test('--json prints a report artefact', async () => {
    const result = await cliJson(['simulate', tiny(), '--prefill', '5', '--decode', '3']);
    const report = reportSchema.parse(result);
    expect(report).toEqual(result);
    expect(report).toMatchObject({ device: 'u280', scheme: 'W4A8', prefillTokens: 5, decodeTokens: 3 });
    expect(report.phases.map(({ name }) => name)).toEqual(['prefill', 'decode', 'total']);
    for (const phase of report.phases) {
      for (const { busy, idle, stall, total } of phase.units) {
        expect(busy + idle + Object.values(stall).reduce((a, b) => a + b, 0)).toBe(total);
      }
    }
    expect(report.units).toEqual(report.phases[2].units);
  });

  test('takes a program where it takes a model, with the same result', async () => {
    const path = scratch.path('sim.program');
    await cliJson(['compile', tiny(), '-o', path, '--no-weights']);
    const lengths = ['--prefill', '9', '--decode', '2'];
    const fromModel = await cli(['simulate', tiny(), ...lengths, '--json']);
    const fromProgram = await cli(['simulate', path, ...lengths, '--json']);
    expect(fromProgram.stdout).toBe(fromModel.stdout);
  });

  test('--attention-blocks leaves work out, by rule, by file, and by a mask in the model', async () => {
    const run = ['simulate', 'gpt2', '--prefill', '192', '--decode', '0', '--context', '192'];
    const written = scratch.path('blocks.json');
    const rows = Array.from({ length: 16 }, (_, row) => '1'.padStart(row + 1, '0'));
    writeFileSync(written, JSON.stringify({ block: 64, rows }));
    const masked = scratch.path('masked.bl');
    await cliJson(['quantize', 'gpt2', '-s', 'W4A8', '-o', masked, '--attention-blocks', 'local=1']);
    const [dense, local, file, model] = await Promise.all(
      [[], ['local=1'], [written]]
        .map((rule) => [...run, ...rule.flatMap((one) => ['--attention-blocks', one])])
        .concat([['simulate', masked, ...run.slice(2)]])
        .map(async (args) => reportSchema.parse(await cliJson(args)).phases[0]),
    );
    expect(local.cycles).toBeLessThan(dense.cycles);
    expect(local.macs).toBeLessThan(dense.macs);
    for (const same of [file, model]) expect(same.cycles).toBe(local.cycles);
  });

  test('writes report and trace as artefacts, and a timeline for Perfetto', async () => {
    const files = ['r.report', 't.trace', 't.json'].map((name) => scratch.path(name));
    const [report, trace, json] = files;
    const lengths = ['--prefill', '3', '--decode', '2'];
    const printed = await cliJson([
      ...['simulate', tiny(), ...lengths],
      ...['--save-report', report, '--save-trace', trace, '--trace', json],
    ]);
    expect(await cliJson(['inspect', report, '--verify'])).toMatchObject({
      ...printed,
      verification: { ok: true },
    });
    const { totals, units } = printed as {
      totals: { prefillSeconds: number };
      units: { name: string; busy: number }[];
    };
    const summary = (await cliJson(['inspect', trace])) as { units: { name: string; busy: number }[] };
    expect(summary).toMatchObject({ kind: 'trace', dropped: 0 });
    for (const { name, busy } of summary.units) {
      expect(busy, name).toBe(units.find((unit) => unit.name === name)?.busy);
    }

    const timeline: { traceEvents: { ph: string; name: string; ts: number; dur: number; tid: number }[] } =
      JSON.parse(readFileSync(json, 'utf8'));
    const prefill = timeline.traceEvents.find(({ ph, name }) => ph === 'X' && name === 'prefill');
    expect(prefill?.dur).toBeCloseTo(totals.prefillSeconds * 1e6, 6);
    // Events of one thread follow each other; Perfetto drops what overlaps.
    const threads = new Set(timeline.traceEvents.map(({ tid }) => tid));
    for (const thread of threads) {
      const events = timeline.traceEvents
        .filter(({ ph, tid }) => ph === 'X' && tid === thread)
        .sort((one, other) => one.ts - other.ts);
      for (let i = 1; i < events.length; i++) {
        expect(events[i].ts).toBeGreaterThanOrEqual(events[i - 1].ts + events[i - 1].dur - 1e-6);
      }
    }
    expect(threads.size).toBeGreaterThan(3);
  });

  test('says the same to people', async () => {
    const { code, stdout } = await cli(['simulate', tiny(), '--prefill', '5', '--decode', '3']);
    expect(code).toBe(0);
    expect(stdout).toContain('tiny in W4A8 on u280');
    expect(stdout).toMatch(/decode +3 tokens in .* k?token\/s/);
    expect(stdout).toMatch(/matrix +\d+\.\d%/);
  });
});

describe('inspect --verify', () => {
  test('finds a flipped bit: exit 1, and the finding in the document', async () => {
    const bytes = readFileSync(tiny());
    bytes[bytes.length - 3] ^= 4;
    writeFileSync(scratch.path('flipped'), bytes);
    const result = await cliJson(['inspect', scratch.path('flipped'), '--verify'], { code: 1 });
    expect(result).toMatchObject({ verification: { ok: false, problem: { code: 'container-checksum' } } });
    // Without being asked, nobody reads the section.
    expect((await cli(['inspect', scratch.path('flipped')])).code).toBe(0);
  });

  test('finds a flipped bit in a program', async () => {
    const path = scratch.path('broken.program');
    await cliJson(['compile', tiny(), '-o', path, '--no-weights']);
    const bytes = readFileSync(path);
    bytes[bytes.length - 3] ^= 4;
    writeFileSync(path, bytes);
    const { code, stdout } = await cli(['inspect', path, '--verify']);
    expect(code).toBe(1);
    expect(stdout).toContain('[container-checksum]');
  });
});

test('the commands leave nothing beside what they were asked for', () => {
  expect(readdirSync(scratch.path()).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});
