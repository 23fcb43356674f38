/** Program files that pass every checksum and schema but would hang, write elsewhere, or run other weights. */
import type { Instruction, Program } from '@bitloom/ir';
import { programFromContainer, programToContainer, sectionOf } from '@bitloom/ir/container';
import { openContainer, writeContainer } from '@bitloom/ir/node';
import { beforeAll, describe, expect, test } from 'vitest';
import { cli, expectRefusal, useBuiltCli, useScratch } from './support/cli.js';
import { writeTinyModel } from './support/tiny-model.js';

useBuiltCli();
const scratch = useScratch();

beforeAll(async () => {
  writeTinyModel(scratch.path('tiny.bitloom'));
  const compiled = await cli([
    'compile',
    scratch.path('tiny.bitloom'),
    '--scheme',
    'W8A8',
    '--device',
    'u280',
    '-o',
    scratch.path('good.bl'),
  ]);
  expect(compiled.code).toBe(0);
});

/** The good program with changed contents, every checksum right. */
function rewrite(
  name: string,
  change: (program: Program) => Program,
  bytes: (section: string, data: Uint8Array) => Uint8Array = (_, data) => data,
): string {
  const container = openContainer(scratch.path('good.bl'));
  const content = programToContainer(change(programFromContainer(container)));
  const own = new Set(content.sections.map((section) => section.name));
  const rest = container.entries
    .filter((entry) => !own.has(entry.name))
    .map((entry) => sectionOf(entry.name, bytes(entry.name, container.sections.read(entry.name).slice())));
  writeContainer(scratch.path(name), { ...content, sections: [...content.sections, ...rest] });
  container.close();
  return scratch.path(name);
}

function onInstructions(
  program: Program,
  change: (list: readonly Instruction[]) => readonly Instruction[],
): Program {
  return {
    ...program,
    entries: program.entries.map((entry) => ({
      ...entry,
      frames: [],
      streams: entry.streams.map((stream) => ({
        ...stream,
        instructions: change(stream.instructions.filter(({ name }) => name !== 'FRAME')),
      })),
    })),
  };
}

const run = (path: string): string[] => ['run', path, '--prompt', 'a', '--max-tokens', '2'];

describe('a program file', () => {
  test('as it was compiled runs', async () => {
    expect((await cli(run(rewrite('same.bl', (program) => program)))).code).toBe(0);
  });

  test('that stores outside of its regions is refused', async () => {
    const path = rewrite('outside.bl', (program) =>
      onInstructions(program, (list) =>
        list.map((instruction) => {
          const { dst } = instruction.fields;
          if (instruction.name !== 'ST' || typeof dst !== 'object' || !('space' in dst)) return instruction;
          return { ...instruction, fields: { ...instruction.fields, dst: { ...dst, offset: 2 ** 43 } } };
        }),
      ),
    );
    const { stderr } = await expectRefusal(run(path), 'program-bounds');
    expect(stderr).toContain('ST');
  });

  test('that waits for a token nobody releases is refused', async () => {
    const path = rewrite('token.bl', (program) =>
      onInstructions(program, (list) =>
        list.map((instruction) =>
          instruction.name === 'VEC' ? { ...instruction, release: [] } : instruction,
        ),
      ),
    );
    const result = await cli(run(path));
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(/program-(token|hazard)/);
  });

  test('whose weights are not those it was compiled from is refused', async () => {
    const path = rewrite(
      'weights.bl',
      (program) => program,
      (section, data) => {
        if (section.startsWith('model/sections/')) data[0] ^= 1;
        return data;
      },
    );
    await expectRefusal(run(path), 'program-model-mismatch');
  });

  test('whose model is not readable is refused', async () => {
    const path = rewrite(
      'header.bl',
      (program) => program,
      (section, data) => (section === 'model/header' ? data.subarray(0, 10) : data),
    );
    await expectRefusal(run(path), 'artefact-invalid');
  });
});
