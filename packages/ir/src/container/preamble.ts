/**
 * The fixed start of a container: 32 bytes that say what follows and how long the header is. All numbers are
 * little-endian.
 *
 * | byte | size | meaning |
 * |---|---|---|
 * | 0 | 8 | magic `BITLOOM\0` |
 * | 8 | 2 | format version, major |
 * | 10 | 2 | format version, minor |
 * | 12 | 4 | kind of artefact |
 * | 16 | 8 | length of the header in bytes |
 * | 24 | 4 | CRC-32C of the header |
 * | 28 | 4 | CRC-32C of the 28 bytes before |
 */
import { BitloomError } from '../error.js';
import { crc32c } from './crc32c.js';

/** Kinds of artefacts, by their code in the file (index + 1). */
export const ARTEFACT_KINDS = ['model', 'program', 'device', 'report', 'trace'] as const;
export type ArtefactKind = (typeof ARTEFACT_KINDS)[number];

/** The version this package writes. It reads every minor of this major; what a newer minor adds is ignored. */
export const CONTAINER_VERSION = { major: 1, minor: 0 } as const;

export const PREAMBLE_BYTES = 32;
/** Sections start at multiples of this. */
export const SECTION_ALIGNMENT = 4096;
/** Bytes of a section that share a checksum. */
export const CHUNK_BYTES = 1 << 20;
/** Longest header that is written or read; whatever is larger belongs in a section. */
export const MAX_HEADER_BYTES = 256 * 1024 * 1024;

const MAGIC = [0x42, 0x49, 0x54, 0x4c, 0x4f, 0x4f, 0x4d, 0x00];

export interface ContainerVersion {
  readonly major: number;
  readonly minor: number;
}

export interface Preamble {
  readonly version: ContainerVersion;
  readonly kind: ArtefactKind;
  readonly headerBytes: number;
  readonly headerChecksum: number;
}

/** The 32 bytes of a preamble of the current version. */
export function encodePreamble(kind: ArtefactKind, headerBytes: number, headerChecksum: number): Uint8Array {
  const bytes = new Uint8Array(PREAMBLE_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint16(8, CONTAINER_VERSION.major, true);
  view.setUint16(10, CONTAINER_VERSION.minor, true);
  view.setUint32(12, ARTEFACT_KINDS.indexOf(kind) + 1, true);
  view.setBigUint64(16, BigInt(headerBytes), true);
  view.setUint32(24, headerChecksum, true);
  view.setUint32(28, crc32c(bytes.subarray(0, 28)), true);
  return bytes;
}

/** Whether bytes start like a container; enough to tell it from other file formats. */
export function hasContainerMagic(bytes: Uint8Array): boolean {
  return bytes.byteLength >= MAGIC.length && MAGIC.every((byte, i) => bytes[i] === byte);
}

/**
 * Reads and checks a preamble.
 *
 * @param fileBytes length of the whole container
 * @throws BitloomError `container-magic`, `container-version`, `container-checksum`, `container-kind`,
 *   `container-header-length`
 */
export function decodePreamble(bytes: Uint8Array, fileBytes: number, where: string): Preamble {
  if (!hasContainerMagic(bytes)) {
    throw new BitloomError({
      code: 'container-magic',
      message: 'this is not a bitloom container',
      where,
      expected: "a file that starts with 'BITLOOM' and a zero byte",
      got: describeStart(bytes),
      hint: 'checkpoints in other formats are read by @bitloom/models',
    });
  }
  if (bytes.byteLength < PREAMBLE_BYTES)
    throw truncated(where, `${PREAMBLE_BYTES} bytes`, `${bytes.byteLength} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, PREAMBLE_BYTES);
  const version = { major: view.getUint16(8, true), minor: view.getUint16(10, true) };
  // Another major may lay out the rest differently, so nothing after the version is looked at before this test.
  if (version.major !== CONTAINER_VERSION.major) {
    throw new BitloomError({
      code: 'container-version',
      message: 'this container has a format version that this bitloom does not read',
      where,
      expected: `${CONTAINER_VERSION.major}.x (written here: ${CONTAINER_VERSION.major}.${CONTAINER_VERSION.minor})`,
      got: `${version.major}.${version.minor}`,
      hint: version.major > CONTAINER_VERSION.major ? 'use a newer bitloom' : 'write the artefact again',
    });
  }
  if (crc32c(bytes.subarray(0, 28)) !== view.getUint32(28, true)) {
    throw new BitloomError({
      code: 'container-checksum',
      message: 'the first bytes of the container are damaged',
      where: `${where}, preamble`,
      expected: `CRC-32C ${hex(view.getUint32(28, true))}`,
      got: hex(crc32c(bytes.subarray(0, 28))),
      hint: 'copy or write the file again',
    });
  }
  const code = view.getUint32(12, true);
  const kind = ARTEFACT_KINDS[code - 1];
  if (kind === undefined) {
    throw new BitloomError({
      code: 'container-kind',
      message: 'the container holds an unknown kind of artefact',
      where,
      expected: ARTEFACT_KINDS.map((name, i) => `${i + 1} (${name})`).join(', '),
      got: String(code),
    });
  }
  const headerBytes = view.getBigUint64(16, true);
  const room = Math.min(MAX_HEADER_BYTES, Math.max(0, fileBytes - PREAMBLE_BYTES));
  if (headerBytes > BigInt(room)) {
    throw new BitloomError({
      code: 'container-header-length',
      message: 'the header is longer than the file or than the limit',
      where,
      expected: `at most ${room} bytes`,
      got: `${headerBytes} bytes`,
      hint: 'the file is cut short or damaged',
    });
  }
  return { version, kind, headerBytes: Number(headerBytes), headerChecksum: view.getUint32(24, true) };
}

/** The error of a file that ends too early. */
export function truncated(where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'container-truncated',
    message: 'the container ends too early',
    where,
    expected,
    got,
    hint: 'copy or write the file again',
  });
}

export function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

function describeStart(bytes: Uint8Array): string {
  if (bytes.byteLength === 0) return 'an empty file';
  const shown = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0'));
  return `bytes ${shown.join(' ')}`;
}
