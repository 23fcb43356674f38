/**
 * Writes containers section by section: no more than one chunk of a section is in memory. The header goes last,
 * because it holds the checksums; until it is there, the bytes are not a container.
 */
import { BitloomError } from '../error.js';
import { requirePlainData } from '../plain-data.js';
import { crc32c } from './crc32c.js';
import { encodeHeader } from './msgpack.js';
import {
  type ArtefactKind,
  CHUNK_BYTES,
  encodePreamble,
  MAX_HEADER_BYTES,
  PREAMBLE_BYTES,
  SECTION_ALIGNMENT,
} from './preamble.js';

/** A section to be written. */
export interface SectionInput {
  readonly name: string;
  readonly byteLength: number;
  /** Its bytes in order, in pieces of any size; asked for once. */
  readonly chunks: () => Iterable<Uint8Array>;
}

/** What a container is made of. */
export interface ContainerContent {
  readonly kind: ArtefactKind;
  /** Plain data, keys in the order in which they are written. */
  readonly header: unknown;
  readonly sections: readonly SectionInput[];
}

/** Where a container goes. Bytes that are never written read as zero. */
export interface ByteSink {
  write(offset: number, bytes: Uint8Array): void;
}

/** Longest name of a section. */
export const MAX_SECTION_NAME = 512;

interface Placed {
  readonly input: SectionInput;
  readonly offset: number;
  readonly checksums: Uint8Array;
}

/** One write of a container that is being written. */
export interface ContainerWrite {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * Writes a container to a sink. Equal contents give equal bytes.
 *
 * @returns length of the container in bytes
 * @throws BitloomError `data-not-plain`, `container-header-length`, `container-section-name`,
 *   `container-section-duplicate`, `container-section-length`, and whatever the sink or the sections throw
 */
export function writeContainerTo(sink: ByteSink, content: ContainerContent): number {
  const writes = containerWrites(content);
  for (;;) {
    const { done, value } = writes.next();
    if (done === true) return value;
    sink.write(value.offset, value.bytes);
  }
}

/**
 * The writes of a container in order, for a writer that has other things to do in between. The last one makes it a
 * container. Ends with its length in bytes; throws as {@link writeContainerTo}.
 */
export function* containerWrites(content: ContainerContent): Generator<ContainerWrite, number, void> {
  requirePlainData(content.header);
  const placed = placeSections(content);
  for (const section of placed) yield* sectionWrites(section);
  const header = headerBytes(content, placed);
  yield { offset: PREAMBLE_BYTES, bytes: header };
  yield { offset: 0, bytes: encodePreamble(content.kind, header.byteLength, crc32c(header)) };
  return placed.reduce(
    (end, { input, offset }) => Math.max(end, offset + input.byteLength),
    PREAMBLE_BYTES + header.byteLength,
  );
}

/** A container in memory, for small ones. */
export function encodeContainer(content: ContainerContent): Uint8Array {
  let bytes = new Uint8Array(0);
  const length = writeContainerTo(
    {
      write: (offset, part) => {
        if (offset + part.byteLength > bytes.byteLength) {
          const grown = new Uint8Array(Math.max(2 * bytes.byteLength, offset + part.byteLength));
          grown.set(bytes);
          bytes = grown;
        }
        bytes.set(part, offset);
      },
    },
    content,
  );
  return bytes.slice(0, length);
}

/** Section input of bytes that are in memory already. */
export function sectionOf(name: string, bytes: Uint8Array): SectionInput {
  return { name, byteLength: bytes.byteLength, chunks: () => [bytes] };
}

function headerBytes(content: ContainerContent, placed: readonly Placed[]): Uint8Array {
  const sections = placed.map(({ input, offset, checksums }) => ({
    name: input.name,
    offset: BigInt(offset),
    length: BigInt(input.byteLength),
    checksums,
  }));
  return encodeHeader({ artefact: content.header, sections });
}

/**
 * Gives every section its offset. The header's length does not depend on offsets, lengths or checksums, because
 * those have a fixed width in it. An empty section stands at offset 0.
 */
function placeSections(content: ContainerContent): readonly Placed[] {
  const names = new Set<string>();
  for (const { name, byteLength } of content.sections) {
    if (name.length === 0 || name.length > MAX_SECTION_NAME) {
      throw new BitloomError({
        code: 'container-section-name',
        message: 'a section has no usable name',
        expected: `1 to ${MAX_SECTION_NAME} characters`,
        got: `${name.length} characters`,
      });
    }
    if (names.has(name)) throw duplicateSection(name);
    names.add(name);
    if (!Number.isSafeInteger(byteLength) || byteLength < 0) {
      throw sectionLengthError(name, 'a length in whole bytes', String(byteLength));
    }
  }
  const unplaced = content.sections.map((input) => ({
    input,
    offset: 0,
    checksums: new Uint8Array(4 * Math.ceil(input.byteLength / CHUNK_BYTES)),
  }));
  const length = headerBytes(content, unplaced).byteLength;
  if (length > MAX_HEADER_BYTES) {
    throw new BitloomError({
      code: 'container-header-length',
      message: 'the header is too long',
      expected: `at most ${MAX_HEADER_BYTES} bytes`,
      got: `${length} bytes`,
    });
  }
  let end = PREAMBLE_BYTES + length;
  return unplaced.map((section) => {
    if (section.input.byteLength === 0) return section;
    const offset = Math.ceil(end / SECTION_ALIGNMENT) * SECTION_ALIGNMENT;
    end = offset + section.input.byteLength;
    return { ...section, offset };
  });
}

/** Passes a section's bytes on and fills in its checksums. */
function* sectionWrites({ input, offset, checksums }: Placed): Generator<ContainerWrite, void, void> {
  const table = new DataView(checksums.buffer);
  let written = 0;
  let checksum = 0;
  for (const piece of input.chunks()) {
    if (written + piece.byteLength > input.byteLength) {
      throw sectionLengthError(input.name, `${input.byteLength} bytes`, 'more');
    }
    yield { offset: offset + written, bytes: piece };
    let at = 0;
    while (at < piece.byteLength) {
      const room = CHUNK_BYTES - (written % CHUNK_BYTES);
      const part = piece.subarray(at, at + room);
      checksum = crc32c(part, checksum);
      at += part.byteLength;
      written += part.byteLength;
      table.setUint32(4 * Math.floor((written - 1) / CHUNK_BYTES), checksum, true);
      if (written % CHUNK_BYTES === 0) checksum = 0;
    }
  }
  if (written !== input.byteLength)
    throw sectionLengthError(input.name, `${input.byteLength} bytes`, `${written}`);
}

export function duplicateSection(name: string): BitloomError {
  return new BitloomError({
    code: 'container-section-duplicate',
    message: 'two sections have one name',
    expected: 'each name once',
    got: name.slice(0, 64),
  });
}

function sectionLengthError(name: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'container-section-length',
    message: 'a section does not have the length it was announced with',
    where: `section '${name}'`,
    expected,
    got,
  });
}
