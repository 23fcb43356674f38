/**
 * Reads containers through a range source: the header at once, sections on demand. Only the chunks that a read
 * touches are read and checked, each once. Nothing in the file is trusted before it was checked.
 */
import { BitloomError } from '../error.js';
import type { SectionSource } from '../model/graph.js';
import { missingSection, requireSectionRange } from '../model/sections.js';
import { duplicateSection, MAX_SECTION_NAME } from './container-writer.js';
import { crc32c } from './crc32c.js';
import { decodeHeader, type HeaderMap, type HeaderValue } from './msgpack.js';
import {
  type ArtefactKind,
  CHUNK_BYTES,
  type ContainerVersion,
  decodePreamble,
  hex,
  PREAMBLE_BYTES,
  SECTION_ALIGNMENT,
  truncated,
} from './preamble.js';

/** Random access to the bytes of a container. They must not change while it is open. */
export interface RangeSource {
  readonly byteLength: number;
  /** Name for messages, e.g. the path. */
  readonly name: string;
  /** Exactly `length` bytes from `offset`; both inside of `byteLength`. */
  read(offset: number, length: number): Uint8Array;
}

/** A section as the header lists it. */
export interface SectionEntry {
  readonly name: string;
  readonly offset: number;
  readonly byteLength: number;
}

/** An open container. `header` is plain data, not yet checked against a schema. */
export interface ContainerReader {
  /** Name of the source, for messages. */
  readonly name: string;
  readonly version: ContainerVersion;
  readonly kind: ArtefactKind;
  readonly header: unknown;
  readonly entries: readonly SectionEntry[];
  readonly sections: SectionSource;
}

/** Range source over bytes in memory. */
export function bytesSource(bytes: Uint8Array, name = 'container'): RangeSource {
  // A Node Buffer is a Uint8Array whose `slice` does not copy; from here on there are plain arrays only.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    byteLength: plain.byteLength,
    name,
    read: (offset, length) => plain.subarray(offset, offset + length),
  };
}

/**
 * Opens a container: checks preamble, header and section table.
 *
 * @throws BitloomError `container-magic`, `container-version`, `container-kind`, `container-header-length`,
 *   `container-header`, `container-checksum`, `container-truncated`, `container-integer-range`,
 *   `container-section-name`, `container-section-duplicate`, `container-section-range`, `container-section-overlap`
 */
export function readContainer(source: RangeSource): ContainerReader {
  const start = readExactly(source, 0, Math.min(PREAMBLE_BYTES, source.byteLength));
  const preamble = decodePreamble(start, source.byteLength, source.name);
  const headerBytes = readExactly(source, PREAMBLE_BYTES, preamble.headerBytes);
  requireChecksum(headerBytes, preamble.headerChecksum, `${source.name}, header`);
  const root = decodeHeader(headerBytes, source.name);
  const { artefact, sections: listed } = isMap(root) ? root : {};
  if (artefact === undefined || !Array.isArray(listed)) {
    throw badHeader(source, "a map with 'artefact' and a list 'sections'", 'another value');
  }
  const headerEnd = PREAMBLE_BYTES + preamble.headerBytes;
  const sections = listed.map((value: HeaderValue) => readEntry(source, value, headerEnd));
  requireApart(source, sections);
  return {
    name: source.name,
    version: preamble.version,
    kind: preamble.kind,
    header: artefact,
    entries: sections.map(({ name, offset, byteLength }) => ({ name, offset, byteLength })),
    sections: checkedSections(source, sections),
  };
}

interface CheckedEntry extends SectionEntry {
  /** CRC-32C of each chunk, uint32 little-endian. */
  readonly checksums: DataView;
}

function readEntry(source: RangeSource, value: HeaderValue, headerEnd: number): CheckedEntry {
  if (!isMap(value)) throw badHeader(source, 'a map for each section', 'another value');
  const { name, offset, length, checksums } = value;
  if (typeof name !== 'string' || name.length === 0 || name.length > MAX_SECTION_NAME) {
    throw new BitloomError({
      code: 'container-section-name',
      message: 'a section has no usable name',
      where: source.name,
      expected: `1 to ${MAX_SECTION_NAME} characters`,
      got: typeof name === 'string' ? `${name.length} characters` : typeof name,
    });
  }
  if (!isCount(offset) || !isCount(length) || !(checksums instanceof Uint8Array)) {
    throw badHeader(source, `offset, length and checksums of section '${name}'`, 'values of another type');
  }
  const isPlaced =
    offset % SECTION_ALIGNMENT === 0 && offset >= headerEnd && offset + length <= source.byteLength;
  if (length === 0 ? offset !== 0 : !isPlaced) {
    throw new BitloomError({
      code: 'container-section-range',
      message: 'a section does not lie where it can',
      where: `${source.name}, section '${name}'`,
      expected: `a multiple of ${SECTION_ALIGNMENT} behind the header (byte ${headerEnd}) and an end within ${source.byteLength} bytes`,
      got: `offset ${offset}, length ${length}`,
      hint: 'the file is cut short or damaged; copy or write it again',
    });
  }
  const chunks = Math.ceil(length / CHUNK_BYTES);
  if (checksums.byteLength !== 4 * chunks) {
    throw badHeader(source, `${chunks} checksums of section '${name}'`, `${checksums.byteLength / 4}`);
  }
  return {
    name,
    offset,
    byteLength: length,
    checksums: new DataView(checksums.buffer, checksums.byteOffset, checksums.byteLength),
  };
}

function requireApart(source: RangeSource, sections: readonly SectionEntry[]): void {
  const names = new Set<string>();
  for (const { name } of sections) {
    if (names.has(name)) throw duplicateSection(name);
    names.add(name);
  }
  const filled = sections.filter((section) => section.byteLength > 0).sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < filled.length; i++) {
    const [before, after] = [filled[i - 1], filled[i]];
    if (before.offset + before.byteLength > after.offset) {
      throw new BitloomError({
        code: 'container-section-overlap',
        message: 'two sections share bytes',
        where: `${source.name}, sections '${before.name}' and '${after.name}'`,
        expected: `an offset of at least ${before.offset + before.byteLength}`,
        got: String(after.offset),
      });
    }
  }
}

function checkedSections(source: RangeSource, entries: readonly CheckedEntry[]): SectionSource {
  const byName = new Map(
    entries.map((entry) => [entry.name, { entry, verified: new Uint8Array(entry.checksums.byteLength / 4) }]),
  );
  const find = (section: string) => {
    const found = byName.get(section);
    if (found === undefined) throw missingSection(section, [...byName.keys()]);
    return found;
  };
  return {
    has: (section) => byName.has(section),
    byteLength: (section) => find(section).entry.byteLength,
    read: (section, offset = 0, length) => {
      const { entry, verified } = find(section);
      const wanted = length ?? entry.byteLength - offset;
      requireSectionRange(section, offset, wanted, entry.byteLength);
      if (wanted === 0) return new Uint8Array(0);
      return readChecked(source, entry, verified, offset, wanted);
    },
  };
}

/** Reads a range; when any chunk of it was not checked before, reads whole chunks and checks those. */
function readChecked(
  source: RangeSource,
  entry: CheckedEntry,
  verified: Uint8Array,
  offset: number,
  length: number,
): Uint8Array {
  const first = Math.floor(offset / CHUNK_BYTES);
  const last = Math.floor((offset + length - 1) / CHUNK_BYTES);
  if (verified.subarray(first, last + 1).every((flag) => flag === 1)) {
    return readExactly(source, entry.offset + offset, length);
  }
  const start = first * CHUNK_BYTES;
  const end = Math.min(entry.byteLength, (last + 1) * CHUNK_BYTES);
  const bytes = readExactly(source, entry.offset + start, end - start);
  for (let chunk = first; chunk <= last; chunk++) {
    const from = chunk * CHUNK_BYTES - start;
    requireChecksum(
      bytes.subarray(from, Math.min(bytes.byteLength, from + CHUNK_BYTES)),
      entry.checksums.getUint32(4 * chunk, true),
      `${source.name}, section '${entry.name}', chunk ${chunk}`,
    );
    verified[chunk] = 1;
  }
  return bytes.subarray(offset - start, offset - start + length);
}

function readExactly(source: RangeSource, offset: number, length: number): Uint8Array {
  const bytes = source.read(offset, length);
  if (bytes.byteLength !== length) {
    throw truncated(source.name, `${length} bytes at byte ${offset}`, `${bytes.byteLength}`);
  }
  return bytes;
}

function requireChecksum(bytes: Uint8Array, expected: number, where: string): void {
  const got = crc32c(bytes);
  if (got === expected) return;
  throw new BitloomError({
    code: 'container-checksum',
    message: 'the bytes do not match their checksum',
    where,
    expected: `CRC-32C ${hex(expected)}`,
    got: hex(got),
    hint: 'the file is damaged; copy or write it again',
  });
}

function isMap(value: HeaderValue): value is HeaderMap {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

function isCount(value: HeaderValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function badHeader(source: RangeSource, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'container-header',
    message: 'the header is not valid',
    where: source.name,
    expected,
    got,
    hint: 'the file is damaged or was not written by bitloom',
  });
}
