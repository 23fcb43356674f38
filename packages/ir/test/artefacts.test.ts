import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { columnBytes, readColumn } from '../src/container/columns.js';
import {
  bytesSource,
  type ContainerContent,
  deviceFromContainer,
  deviceToContainer,
  encodeContainer,
  hashContainer,
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
import { deviceHash, memorySections, modelHash, modelSectionNames, type Program } from '../src/index.js';
import * as files from '../src/node.js';
import { clusterProgram, tinyDevice, tinyReport, tinyTrace, trainingModel } from './support/artefacts.js';
import { errorOf, survives } from './support/errors.js';

const open = (bytes: Uint8Array) => readContainer(bytesSource(bytes, 'file.bitloom'));
const through = (content: ContainerContent) => open(encodeContainer(content));

/** The same data with the keys of every object in another order, and nothing else changed. */
function reordered<T>(value: T): T {
  if (Array.isArray(value)) return value.map(reordered) as T;
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const entries = Object.entries(value).reverse();
  return Object.fromEntries(entries.map(([key, inner]) => [key, reordered(inner)])) as T;
}

/** A value with fields of types that it must not have, as a caller without types gives it. */
function spoiled<T extends object>(value: T, fields: Readonly<Partial<Record<keyof T, unknown>>>): T {
  return Object.assign({ ...value }, fields);
}

describe('every artefact comes back', () => {
  test('a model that trains itself', () => {
    const bundle = trainingModel();
    const back = modelFromContainer(through(modelToContainer(bundle)));
    expect(back.model).toEqual(bundle.model);
    for (const name of modelSectionNames(bundle.model)) {
      expect(back.sections.read(name)).toEqual(bundle.sections.read(name));
    }
    expect(back.sections.has('unrelated')).toBe(false);
  });

  test('a shape-only model', () => {
    const { model } = trainingModel();
    const constants = model.constants.map((constant) => ({ ...constant, components: {} }));
    const back = modelFromContainer(
      through(modelToContainer({ model: { ...model, constants }, sections: memorySections({}) })),
    );
    expect(back.model.constants).toEqual(constants);
  });

  test('a program over cores, cards and slots', () => {
    expect(programFromContainer(through(programToContainer(clusterProgram())))).toEqual(clusterProgram());
  });

  test('a device, a report, a trace', () => {
    expect(deviceFromContainer(through(deviceToContainer(tinyDevice())))).toEqual(tinyDevice());
    expect(reportFromContainer(through(reportToContainer(tinyReport())))).toEqual(tinyReport());
    expect(traceFromContainer(through(traceToContainer(tinyTrace())))).toEqual(tinyTrace());
    expect(traceFromContainer(through(traceToContainer(tinyTrace(0))))).toEqual(tinyTrace(0));
  });
});

test('bytes in a Node Buffer, at any place of a shared pool, are read like any others', () => {
  const bytes = encodeContainer(traceToContainer(tinyTrace()));
  const pool = Buffer.alloc(bytes.byteLength + 3, 255);
  pool.set(bytes, 3);
  const back = traceFromContainer(open(pool.subarray(3)));
  expect(back).toEqual(tinyTrace());
  pool.fill(0);
  expect(back).toEqual(tinyTrace());
  const column = Buffer.concat([Buffer.of(9), Buffer.from(columnBytes(Uint32Array.of(7, 8)))]).subarray(1);
  expect(readColumn(memorySections({ c: column }), 'c', 2, Uint32Array)).toEqual(Uint32Array.of(7, 8));
});

describe('equal artefacts give equal bytes', () => {
  const pairs: [string, () => ContainerContent, () => ContainerContent][] = [
    [
      'model',
      () => modelToContainer(trainingModel()),
      () => modelToContainer({ ...trainingModel(), model: reordered(trainingModel().model) }),
    ],
    [
      'program',
      () => programToContainer(clusterProgram()),
      () => programToContainer(reordered(clusterProgram())),
    ],
    ['device', () => deviceToContainer(tinyDevice()), () => deviceToContainer(reordered(tinyDevice()))],
    ['report', () => reportToContainer(tinyReport()), () => reportToContainer(reordered(tinyReport()))],
    ['trace', () => traceToContainer(tinyTrace()), () => traceToContainer(reordered(tinyTrace()))],
  ];

  test.each(pairs)('%s, whatever the order of its keys', (_kind, once, again) => {
    expect(Buffer.compare(encodeContainer(once()), encodeContainer(again()))).toBe(0);
    expect(Buffer.compare(encodeContainer(once()), encodeContainer(once()))).toBe(0);
  });

  test.each(pairs)('%s read and written again', (kind, once) => {
    const bytes = encodeContainer(once());
    const container = open(bytes);
    const again: Record<string, () => ContainerContent> = {
      model: () => modelToContainer(modelFromContainer(container)),
      program: () => programToContainer(programFromContainer(container)),
      device: () => deviceToContainer(deviceFromContainer(container)),
      report: () => reportToContainer(reportFromContainer(container)),
      trace: () => traceToContainer(traceFromContainer(container)),
    };
    expect(Buffer.compare(encodeContainer(again[kind]()), bytes)).toBe(0);
  });

  test('unknown fields are left out', () => {
    const extended = { ...tinyDevice(), fan: 'loud', vector: { ...tinyDevice().vector, mood: 1 } };
    expect(
      Buffer.compare(
        encodeContainer(deviceToContainer(extended)),
        encodeContainer(deviceToContainer(tinyDevice())),
      ),
    ).toBe(0);
  });
});

test('an artefact has one hash, in memory and in a container', () => {
  const { model, sections } = trainingModel();
  expect(hashContainer(through(modelToContainer({ model, sections })))).toBe(modelHash(model, sections));
  expect(modelHash(reordered(model), sections)).toBe(modelHash(model, sections));
  expect(hashContainer(through(deviceToContainer(tinyDevice())))).toBe(deviceHash(tinyDevice()));
  expect(deviceHash({ ...tinyDevice(), cores: 3 })).not.toBe(deviceHash(tinyDevice()));
});

describe('what is not an artefact is refused', () => {
  const program = (change: (value: Program) => Program) => () =>
    encodeContainer(programToContainer(change(clusterProgram())));
  const [decode] = clusterProgram().entries;
  const [frame] = decode.frames;
  const withFrame = (relocations: Program['entries'][0]['frames'][0]['relocations'], core = 0) =>
    program((value) => ({ ...value, entries: [{ ...decode, frames: [{ ...frame, core, relocations }] }] }));

  test.each<[string, () => unknown, string, RegExp]>([
    [
      'another kind',
      () => modelFromContainer(through(deviceToContainer(tinyDevice()))),
      'container-kind',
      /expected: model; got: device/,
    ],
    [
      'a model without its bytes',
      () => modelToContainer({ ...trainingModel(), sections: memorySections({}) }),
      'section-missing',
      /nvfp4.codes/,
    ],
    [
      'a number out of range',
      () => deviceToContainer({ ...tinyDevice(), cores: 0 }),
      'artefact-invalid',
      /cores/,
    ],
    ['another type', () => deviceToContainer(spoiled(tinyDevice(), { name: 7 })), 'artefact-invalid', /name/],
    [
      'a hash that is none',
      program((value) => ({ ...value, modelHash: 'abc' })),
      'artefact-invalid',
      /modelHash/,
    ],
    [
      'a field that does not fit',
      program((value) => ({
        ...value,
        entries: [
          {
            ...decode,
            streams: [
              { core: 0, instructions: [{ ...decode.streams[0].instructions[0], fields: { frame: 1e9 } }] },
            ],
            frames: [],
          },
        ],
      })),
      'instruction-field',
      /field 'frame'/,
    ],
    [
      'a relocation of no instruction',
      withFrame([{ instruction: 99, field: 'src' }]),
      'program-relocation',
      /below 9.*99/,
    ],
    [
      'a relocation of no field',
      withFrame([{ instruction: 2, field: 'a' }]),
      'program-relocation',
      /a field of dst, src/,
    ],
    [
      'a relocation of no core',
      withFrame([{ instruction: 2, field: 'src' }], 7),
      'program-relocation',
      /core 7/,
    ],
    [
      'another instruction set',
      () => programFromContainer(through(programToContainer({ ...clusterProgram(), instructionSet: '2.0' }))),
      'program-instruction-set',
      /expected: 1\.x; got: 2\.0/,
    ],
    [
      'columns of another length',
      () => traceToContainer({ ...tinyTrace(3), rows: 4 }),
      'artefact-invalid',
      /columns.unit: expected 4 rows/,
    ],
    [
      'a list for a column',
      () =>
        traceToContainer({
          ...tinyTrace(3),
          columns: spoiled(tinyTrace(3).columns, { end: [1, 2, 3] }),
        }),
      'artefact-invalid',
      /columns.end: expected a Float64Array/,
    ],
  ])('%s', (_title, run, code, message) => {
    const error = errorOf(run);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  test('a model whose file lost a section', () => {
    const content = modelToContainer(trainingModel());
    const container = through({ ...content, sections: content.sections.slice(1) });
    expect(errorOf(() => modelFromContainer(container)).code).toBe('section-missing');
  });

  test('a trace whose column is too short', () => {
    const content = traceToContainer(tinyTrace());
    const sections = content.sections.map((section) =>
      section.name === 'columns/end'
        ? { ...section, byteLength: 8, chunks: () => [new Uint8Array(8)] }
        : section,
    );
    expect(errorOf(() => traceFromContainer(through({ ...content, sections }))).message).toMatch(
      /3 rows of 8 bytes/,
    );
  });
});

describe('bytes that nobody wrote', () => {
  const cases: [string, Uint8Array, (container: ReturnType<typeof open>) => unknown][] = [
    [
      'model',
      encodeContainer(modelToContainer(trainingModel())),
      (container) => {
        const { model, sections } = modelFromContainer(container);
        return [
          model,
          modelSectionNames(model).map((name) => Buffer.from(sections.read(name)).toString('hex')),
        ];
      },
    ],
    ['program', encodeContainer(programToContainer(clusterProgram())), programFromContainer],
    ['device', encodeContainer(deviceToContainer(tinyDevice())), deviceFromContainer],
    ['report', encodeContainer(reportToContainer(tinyReport())), reportFromContainer],
    ['trace', encodeContainer(traceToContainer(tinyTrace())), traceFromContainer],
  ];

  test.each(cases)('%s: a flipped bit changes nothing or is noticed', (_kind, bytes, read) => {
    const whole = JSON.stringify(read(open(bytes)));
    fc.assert(
      fc.property(fc.nat(8 * bytes.byteLength - 1), (bit) => {
        const damaged = bytes.slice();
        damaged[bit >>> 3] ^= 1 << (bit & 7);
        let back = whole;
        survives(() => (back = JSON.stringify(read(open(damaged)))));
        expect(back).toBe(whole);
      }),
      { numRuns: 150 },
    );
  });

  test.each(cases)('%s: a cut is noticed', (_kind, bytes, read) => {
    fc.assert(
      fc.property(fc.nat(bytes.byteLength - 1), (length) => {
        expect(survives(() => read(open(bytes.subarray(0, length))))).toBe(false);
      }),
    );
  });

  test.each(cases)(
    '%s: a section of other bytes, with right checksums, ends in a value or a typed error',
    (_kind, bytes, read) => {
      const container = open(bytes);
      fc.assert(
        fc.property(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 64 }), (at, noise) => {
          const sections = container.entries.map(({ name, byteLength }) => {
            const data = container.sections.read(name).slice();
            for (let i = 0; i < noise.byteLength && byteLength > 0; i++)
              data[(at + i) % byteLength] ^= noise[i];
            return { name, byteLength, chunks: () => [data] };
          });
          survives(() => read(through({ kind: container.kind, header: container.header, sections })));
        }),
      );
    },
  );
});

describe('columns', () => {
  test('are little-endian on machines of either order', () => {
    const column = Float64Array.of(1, -2.5);
    const little = columnBytes(column, true);
    expect(columnBytes(column, false)).toEqual(
      Uint8Array.from([...little.slice(0, 8).reverse(), ...little.slice(8).reverse()]),
    );
    const sections = memorySections({ c: columnBytes(column, false) });
    expect(readColumn(sections, 'c', 2, Float64Array, false)).toEqual(column);
  });

  test('are read from bytes at any position', () => {
    const shifted = new Uint8Array(13);
    shifted.set(columnBytes(Uint32Array.of(7, 8, 9)), 1);
    expect(readColumn(memorySections({ c: shifted.subarray(1) }), 'c', 3, Uint32Array)).toEqual(
      Uint32Array.of(7, 8, 9),
    );
  });
});

describe('artefact files', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bitloom-artefacts-'));
    return () => rmSync(folder, { recursive: true, force: true });
  });

  test('come back', () => {
    const path = (name: string) => join(folder, `${name}.bitloom`);
    const bundle = trainingModel();
    files.writeModel(path('model'), bundle);
    const model = files.readModel(path('model'));
    expect(model.model).toEqual(bundle.model);
    expect(model.sections.read('q4k.codes', 100, 50)).toEqual(bundle.sections.read('q4k.codes', 100, 50));
    model.close();
    expect(errorOf(() => model.sections.read('q4k.codes')).code).toBe('read-failed');
    files.writeProgram(path('program'), clusterProgram());
    expect(files.readProgram(path('program'))).toEqual(clusterProgram());
    files.writeDevice(path('device'), tinyDevice());
    expect(files.readDevice(path('device'))).toEqual(tinyDevice());
    files.writeReport(path('report'), tinyReport());
    expect(files.readReport(path('report'))).toEqual(tinyReport());
    expect(files.writeTrace(path('trace'), tinyTrace())).toBe(readFileSync(path('trace')).byteLength);
    expect(files.readTrace(path('trace'))).toEqual(tinyTrace());
    expect(errorOf(() => files.readModel(path('trace'))).where).toBe(path('trace'));
  });

  test('a model is written from a file onto itself', () => {
    const path = join(folder, 'model.bitloom');
    files.writeModel(path, trainingModel());
    const before = readFileSync(path);
    const model = files.readModel(path);
    files.writeModel(path, model);
    model.close();
    expect(Buffer.compare(readFileSync(path), before)).toBe(0);
  });

  test('a damaged file keeps failing closed', () => {
    const path = join(folder, 'device.bitloom');
    files.writeDevice(path, tinyDevice());
    const bytes = readFileSync(path);
    bytes[100] ^= 4;
    writeFileSync(path, bytes);
    const error = errorOf(() => files.readDevice(path));
    expect(error.code).toBe('container-checksum');
    expect(error.where).toContain(path);
  });
});
