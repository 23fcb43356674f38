/**
 * The five artefacts as containers and back. Headers are checked against their schemas both ways, which also puts
 * their keys in schema order: equal artefacts give equal bytes.
 */
import * as z from 'zod';
import type { Device } from '../device/device.js';
import { BitloomError } from '../error.js';
import { modelSectionNames } from '../hash.js';
import type { Model, ModelBundle, SectionSource } from '../model/graph.js';
import { INSTRUCTION_SET_VERSION } from '../program/instruction-set.js';
import type { Program } from '../program/program.js';
import type { Report } from '../report/report.js';
import type { Trace, TraceColumns } from '../report/trace.js';
import { deviceForm } from '../schema/device-schema.js';
import { modelForm } from '../schema/model-schema.js';
import { parseWith } from '../schema/parse.js';
import { reportForm } from '../schema/report-schema.js';
import { channelsHeaderForm, traceBase, traceForm } from '../schema/trace-schema.js';
import { type Column, type ColumnType, columnBytes, readColumn } from './columns.js';
import type { ContainerReader } from './container-reader.js';
import { type ContainerContent, type SectionInput, sectionOf } from './container-writer.js';
import { type ArtefactKind, CHUNK_BYTES } from './preamble.js';
import { joinProgram, programHeaderForm, splitProgram } from './program-sections.js';

/**
 * A model with the sections its constants name. They are read while the container is written, a chunk at a time.
 *
 * @throws BitloomError `artefact-invalid`, `section-missing`
 */
export function modelToContainer(bundle: ModelBundle): ContainerContent {
  const header = parseWith<Model>(modelForm, bundle.model, 'model');
  const sections = modelSectionNames(header).map((name) => streamedSection(bundle.sections, name));
  return { kind: 'model', header, sections };
}

/**
 * The model of a container; its sections are read when they are asked for.
 *
 * @throws BitloomError `container-kind`, `artefact-invalid`, `section-missing`
 */
export function modelFromContainer(container: ContainerReader): ModelBundle {
  requireKind(container, 'model');
  const model = parseWith<Model>(modelForm, container.header, 'model', container.name);
  for (const name of modelSectionNames(model)) container.sections.byteLength(name);
  return { model, sections: container.sections };
}

/** @throws BitloomError `artefact-invalid`, the codes of `encodeStream`, `program-relocation` */
export function programToContainer(program: Program): ContainerContent {
  const { header, sections } = splitProgram(program);
  return { kind: 'program', header: parseWith(programHeaderForm, header, 'program'), sections };
}

/**
 * The program of a container, decoded.
 *
 * @throws BitloomError `container-kind`, `artefact-invalid`, `program-instruction-set`, the codes of
 *   `decodeStream`, `section-missing`, `container-column`, `container-checksum`, `program-relocation`
 */
export function programFromContainer(container: ContainerReader): Program {
  requireKind(container, 'program');
  const header = parseWith(programHeaderForm, container.header, 'program', container.name);
  if (majorOf(header.instructionSet) !== majorOf(INSTRUCTION_SET_VERSION)) {
    throw new BitloomError({
      code: 'program-instruction-set',
      message: 'the program was written for another instruction set',
      where: container.name,
      expected: `${majorOf(INSTRUCTION_SET_VERSION)}.x`,
      got: header.instructionSet,
      hint: 'compile the model again',
    });
  }
  return joinProgram(header, container.sections);
}

/** @throws BitloomError `artefact-invalid` */
export function deviceToContainer(device: Device): ContainerContent {
  return { kind: 'device', header: parseWith<Device>(deviceForm, device, 'device'), sections: [] };
}

/** @throws BitloomError `container-kind`, `artefact-invalid` */
export function deviceFromContainer(container: ContainerReader): Device {
  requireKind(container, 'device');
  return parseWith<Device>(deviceForm, container.header, 'device', container.name);
}

/** @throws BitloomError `artefact-invalid` */
export function reportToContainer(report: Report): ContainerContent {
  return { kind: 'report', header: parseWith<Report>(reportForm, report, 'report'), sections: [] };
}

/** @throws BitloomError `container-kind`, `artefact-invalid` */
export function reportFromContainer(container: ContainerReader): Report {
  requireKind(container, 'report');
  return parseWith<Report>(reportForm, container.header, 'report', container.name);
}

const traceHeaderForm = z.object({ ...traceBase, channels: z.array(channelsHeaderForm).default([]) });

const channelsSection = (space: string): string => `channels/${space}`;

/** Columns travel as sections `columns/<name>`, channels as `channels/<space>`. @throws BitloomError `artefact-invalid` */
export function traceToContainer(trace: Trace): ContainerContent {
  const { columns, channels, ...rest } = parseWith<Trace>(traceForm, trace, 'trace');
  const sections = [
    ...Object.entries(columns).map(([name, column]) => sectionOf(`columns/${name}`, columnBytes(column))),
    ...channels.map(({ space, bytes }) => sectionOf(channelsSection(space), columnBytes(bytes))),
  ];
  const heads = channels.map(({ bytes, ...head }) => ({ ...head, buckets: bytes.length / head.channels }));
  return { kind: 'trace', header: { ...rest, channels: heads }, sections };
}

/** @throws BitloomError `container-kind`, `artefact-invalid`, `section-missing`, `container-column` */
export function traceFromContainer(container: ContainerReader): Trace {
  requireKind(container, 'trace');
  const header = parseWith(traceHeaderForm, container.header, 'trace', container.name);
  const { rows } = header;
  const section = (name: keyof TraceColumns): string => `columns/${name}`;
  const column = <T extends Column>(name: keyof TraceColumns, type: ColumnType<T>): T =>
    readColumn(container.sections, section(name), rows, type);
  // Traces of before there were several cores lack what came with them.
  const later = <T extends Column>(name: keyof TraceColumns, type: ColumnType<T>, absent: T): T =>
    container.sections.has(section(name)) ? column(name, type) : absent;
  const columns: TraceColumns = {
    unit: column('unit', Uint8Array),
    core: later('core', Uint8Array, new Uint8Array(rows)),
    start: column('start', Float64Array),
    end: column('end', Float64Array),
    waited: column('waited', Float64Array),
    cause: column('cause', Uint8Array),
    stalled: later('stalled', Float64Array, new Float64Array(rows)),
    blocker: later('blocker', Int32Array, new Int32Array(rows).fill(-1)),
    origin: column('origin', Uint32Array),
    opcode: column('opcode', Uint8Array),
  };
  const channels = header.channels.map(({ buckets, ...head }) => ({
    ...head,
    bytes: readColumn(container.sections, channelsSection(head.space), buckets * head.channels, Float64Array),
  }));
  return { ...header, channels, columns };
}

function streamedSection(source: SectionSource, name: string): SectionInput {
  const byteLength = source.byteLength(name);
  return {
    name,
    byteLength,
    chunks: function* () {
      for (let offset = 0; offset < byteLength; offset += CHUNK_BYTES) {
        yield source.read(name, offset, Math.min(CHUNK_BYTES, byteLength - offset));
      }
    },
  };
}

function requireKind(container: ContainerReader, kind: ArtefactKind): void {
  if (container.kind === kind) return;
  throw new BitloomError({
    code: 'container-kind',
    message: 'the container holds another kind of artefact',
    where: container.name,
    expected: kind,
    got: container.kind,
  });
}

function majorOf(version: string): string {
  return version.split('.')[0];
}
