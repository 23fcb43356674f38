/**
 * Files that released versions wrote must stay readable. One folder per release, one container of each kind and what
 * is in it as JSON. Before a release: `BITLOOM_WRITE_FIXTURES=<version> npx vitest run packages/ir/test/fixtures.test.ts`
 * writes the folder of that version when there is none; a folder that is there is never written again.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import {
  type ArtefactKind,
  bytesSource,
  type ContainerContent,
  type ContainerReader,
  deviceFromContainer,
  deviceToContainer,
  encodeContainer,
  modelFromContainer,
  modelToContainer,
  programFromContainer,
  programToContainer,
  readContainer,
  reportFromContainer,
  reportToContainer,
  traceFromContainer,
  traceToContainer,
} from '../src/container.js';
import { modelSectionNames } from '../src/index.js';
import { parseDevice, parseReport } from '../src/schema.js';
import { clusterProgram, tinyDevice, tinyReport, tinyTrace, trainingModel } from './support/artefacts.js';

const root = join(import.meta.dirname, 'fixtures');

/** Artefacts of releases that had another form: they are read into the form of today. */
const UPGRADED: Readonly<Record<string, Readonly<Partial<Record<string, (old: unknown) => unknown>>>>> = {
  '0.1': {
    // Memories named seven figures of timing; now they name the part.
    device: (old) => parseDevice(old),
    // Energy of buffers and memories was not split by space.
    report: (old) => parseReport(old),
    // Traces knew one core, and neither what blocked a row nor what memories and channels moved.
    trace: (old) => {
      const { columns, ...rest } = tracePlain.parse(old);
      const zeros = columns.unit.map(() => 0);
      const added = { core: zeros, stalled: zeros, blocker: columns.unit.map(() => -1) };
      return { ...rest, memories: [], channels: [], columns: { ...columns, ...added } };
    },
  },
};

const tracePlain = z.looseObject({ columns: z.looseObject({ unit: z.array(z.number()) }) });

interface Kind {
  sample: () => ContainerContent;
  /** Everything in a container as plain data. */
  read: (container: ContainerReader) => unknown;
  rewrite: (container: ContainerReader) => ContainerContent;
}

const kinds: Record<ArtefactKind, Kind> = {
  model: {
    sample: () => modelToContainer(trainingModel()),
    read: (container) => {
      const { model, sections } = modelFromContainer(container);
      const names = modelSectionNames(model);
      return {
        model,
        sections: Object.fromEntries(
          names.map((name) => [name, Buffer.from(sections.read(name)).toString('base64')]),
        ),
      };
    },
    rewrite: (container) => modelToContainer(modelFromContainer(container)),
  },
  program: {
    sample: () => programToContainer(clusterProgram()),
    read: programFromContainer,
    rewrite: (container) => programToContainer(programFromContainer(container)),
  },
  device: {
    sample: () => deviceToContainer(tinyDevice()),
    read: deviceFromContainer,
    rewrite: (container) => deviceToContainer(deviceFromContainer(container)),
  },
  report: {
    sample: () => reportToContainer(tinyReport()),
    read: reportFromContainer,
    rewrite: (container) => reportToContainer(reportFromContainer(container)),
  },
  trace: {
    sample: () => traceToContainer(tinyTrace()),
    read: (container) => {
      const { columns, channels, ...rest } = traceFromContainer(container);
      return {
        ...rest,
        channels: channels.map(({ bytes, ...head }) => ({ ...head, bytes: [...bytes] })),
        columns: Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, [...column]])),
      };
    },
    rewrite: (container) => traceToContainer(traceFromContainer(container)),
  },
};

const asJson = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;

const wanted = process.env.BITLOOM_WRITE_FIXTURES;
if (wanted !== undefined && !existsSync(join(root, wanted))) {
  mkdirSync(join(root, wanted), { recursive: true });
  for (const [name, kind] of Object.entries(kinds)) {
    const bytes = encodeContainer(kind.sample());
    writeFileSync(join(root, wanted, `${name}.bitloom`), bytes);
    writeFileSync(join(root, wanted, `${name}.json`), asJson(kind.read(readContainer(bytesSource(bytes)))));
  }
}

describe.each(readdirSync(root))('files of release %s', (release) => {
  const upgraded = UPGRADED[release] ?? {};

  test.each(Object.entries(kinds))('%s', (name, kind) => {
    const bytes = readFileSync(join(root, release, `${name}.bitloom`));
    const container = readContainer(bytesSource(bytes, `${release}/${name}.bitloom`));
    expect(container.kind).toBe(name);
    const text = readFileSync(join(root, release, `${name}.json`), 'utf8');
    const expected = (upgraded[name] ?? ((same) => same))(JSON.parse(text));
    expect(JSON.parse(asJson(kind.read(container)))).toEqual(expected);
  });

  test.each(Object.entries(kinds))('%s written again gives the same bytes on this machine', (name, kind) => {
    const bytes = readFileSync(join(root, release, `${name}.bitloom`));
    const again = encodeContainer(kind.rewrite(readContainer(bytesSource(bytes))));
    if (upgraded[name] === undefined) return expect(Buffer.compare(again, bytes)).toBe(0);
    // The form of today is kept from then on.
    const third = encodeContainer(kind.rewrite(readContainer(bytesSource(again))));
    expect(Buffer.compare(third, again)).toBe(0);
  });
});

test('there is a folder of the first release', () => expect(readdirSync(root)).toContain('0.1'));
