/**
 * The program in a container: instructions, expressions, origins and relocations are sections, everything else is
 * the header.
 *
 * | section | holds |
 * |---|---|
 * | `entries/<i>/streams/<j>/code` | encoded instructions |
 * | `entries/<i>/streams/<j>/expressions` | expression pool |
 * | `entries/<i>/streams/<j>/origins` | uint32 per instruction: index into `provenance` |
 * | `entries/<i>/relocations` | uint32 pairs (instruction, field by its place in the table) of all frames in order |
 */
import * as z from 'zod';
import { BitloomError } from '../error.js';
import type { SectionSource } from '../model/graph.js';
import { decodeStream } from '../program/decode.js';
import { encodeStream } from '../program/encode.js';
import { INSTRUCTION_SET } from '../program/instruction-set.js';
import type { Frame, Instruction, Program, ProgramEntry, Stream } from '../program/program.js';
import { count, list, positive } from '../schema/pieces.js';
import { entryBase, frameBase, programBase, programTail } from '../schema/program-schema.js';
import { columnBytes, readColumn } from './columns.js';
import { type SectionInput, sectionOf } from './container-writer.js';

/** What stands in the header instead of a stream's instructions and a frame's relocations: how many there are. */
export const programHeaderForm = z.object({
  ...programBase,
  entries: list(
    z.object({
      ...entryBase,
      streams: list(z.object({ core: count, cores: positive.optional(), instructions: count })),
      frames: list(z.object({ ...frameBase, relocations: count })),
    }),
  ),
  ...programTail,
});

export type ProgramHeader = z.output<typeof programHeaderForm>;

const streamSection = (entry: number, stream: number, part: 'code' | 'expressions' | 'origins'): string =>
  `entries/${entry}/streams/${stream}/${part}`;
const relocationSection = (entry: number): string => `entries/${entry}/relocations`;

/**
 * Header (not yet checked against its schema) and sections of a program.
 *
 * @throws BitloomError the codes of `encodeStream`, `program-relocation`
 */
export function splitProgram(program: Program): { header: unknown; sections: readonly SectionInput[] } {
  const sections: SectionInput[] = [];
  const entries = program.entries.map((entry, i) => {
    entry.streams.forEach((stream, j) => {
      const encoded = encodeStream(stream.instructions);
      sections.push(sectionOf(streamSection(i, j, 'code'), encoded.code));
      sections.push(sectionOf(streamSection(i, j, 'expressions'), encoded.expressions));
      sections.push(sectionOf(streamSection(i, j, 'origins'), columnBytes(encoded.origins)));
    });
    sections.push(sectionOf(relocationSection(i), columnBytes(encodeRelocations(entry))));
    const streams = entry.streams.map((stream) => ({ ...stream, instructions: stream.instructions.length }));
    const frames = entry.frames.map((frame) => ({ ...frame, relocations: frame.relocations.length }));
    return { ...entry, streams, frames };
  });
  return { header: { ...program, entries }, sections };
}

/**
 * The program of a header and its sections.
 *
 * @throws BitloomError the codes of `decodeStream`, `section-missing`, `container-column`, `program-relocation`
 */
export function joinProgram(header: ProgramHeader, sections: SectionSource): Program {
  const entries = header.entries.map((entry, i): ProgramEntry => {
    const streams = entry.streams.map(
      ({ instructions, ...stream }, j): Stream => ({
        ...stream,
        instructions: decodeStream({
          code: sections.read(streamSection(i, j, 'code')),
          expressions: sections.read(streamSection(i, j, 'expressions')),
          origins: readColumn(sections, streamSection(i, j, 'origins'), instructions, Uint32Array),
        }),
      }),
    );
    const total = entry.frames.reduce((sum, frame) => sum + frame.relocations, 0);
    const pairs = readColumn(sections, relocationSection(i), 2 * total, Uint32Array);
    let next = 0;
    const frames = entry.frames.map((frame): Frame => {
      const first = next;
      next += frame.relocations;
      const relocations = Array.from({ length: frame.relocations }, (_, k) => {
        const [instruction, field] = [pairs[2 * (first + k)], pairs[2 * (first + k) + 1]];
        return { instruction, field: fieldAt(streams, frame, instruction, field) };
      });
      return { ...frame, relocations };
    });
    return { ...entry, streams, frames };
  });
  return { ...header, entries };
}

function encodeRelocations(entry: ProgramEntry): Uint32Array {
  const out = new Uint32Array(2 * entry.frames.reduce((sum, frame) => sum + frame.relocations.length, 0));
  let at = 0;
  for (const frame of entry.frames) {
    for (const { instruction, field } of frame.relocations) {
      const names = fieldNames(patched(entry.streams, frame, instruction));
      const index = names.indexOf(field);
      if (index < 0) throw relocationError(frame, `a field of ${names.join(', ')}`, field);
      out[at++] = instruction;
      out[at++] = index;
    }
  }
  return out;
}

function fieldAt(
  streams: readonly Stream[],
  frame: { name: string; core: number },
  instruction: number,
  field: number,
): string {
  const names = fieldNames(patched(streams, frame, instruction));
  if (field >= names.length) throw relocationError(frame, `a field below ${names.length}`, String(field));
  return names[field];
}

/** The instruction that a relocation of a frame patches. */
function patched(
  streams: readonly Stream[],
  frame: { name: string; core: number },
  index: number,
): Instruction {
  const stream = streams.find(({ core }) => core === frame.core);
  const instruction = stream?.instructions[index];
  if (instruction === undefined) {
    const size =
      stream === undefined
        ? `a stream of core ${frame.core}`
        : `an instruction below ${stream.instructions.length}`;
    throw relocationError(frame, size, String(index));
  }
  return instruction;
}

function fieldNames(instruction: Instruction): readonly string[] {
  return (INSTRUCTION_SET.get(instruction.name)?.fields ?? []).map((field) => field.name);
}

function relocationError(frame: { name: string }, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'program-relocation',
    message: 'a relocation of a frame points at nothing',
    where: `frame '${frame.name}'`,
    expected,
    got,
  });
}
