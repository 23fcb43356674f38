/**
 * Content hashes: the identity by which a program names its model and its device. SHA-256 over the header as
 * canonical JSON (keys sorted by UTF-16 code units, no spaces, numbers in shortest form: RFC 8785) and over the
 * sections in order of their names, each preceded by its length. Any language can compute it; it does not depend
 * on the container, on the order in which an object was built, or on a schema.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import type { Device } from './device/device.js';
import type { Model, SectionSource } from './model/graph.js';
import { canonicalJson } from './plain-data.js';

/** A running SHA-256. */
export interface Hasher {
  update(bytes: Uint8Array): unknown;
  /** The 32 bytes of the digest. */
  digest(): Uint8Array;
}

/** Makes a fresh SHA-256. The portable default is slow (about 0.1 GB/s); `@bitloom/ir/node` has a faster one. */
export type CreateHasher = () => Hasher;

/** SHA-256 in JavaScript, for any platform. */
export const portableSha256: CreateHasher = () => sha256.create();

const HASH_CHUNK = 1 << 20;

/**
 * SHA-256 of a header and of named sections, in hex.
 *
 * @param names sections to cover, in any order; the digest takes them sorted
 */
export function contentHash(
  header: unknown,
  sections: SectionSource,
  names: readonly string[],
  createHasher: CreateHasher = portableSha256,
): string {
  const hasher = createHasher();
  const text = (value: string): void => {
    const bytes = new TextEncoder().encode(value);
    hasher.update(uint64(bytes.byteLength));
    hasher.update(bytes);
  };
  text(canonicalJson(header));
  for (const name of [...new Set(names)].sort()) {
    const byteLength = sections.byteLength(name);
    text(name);
    hasher.update(uint64(byteLength));
    for (let offset = 0; offset < byteLength; offset += HASH_CHUNK) {
      hasher.update(sections.read(name, offset, Math.min(HASH_CHUNK, byteLength - offset)));
    }
  }
  return [...hasher.digest()].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

/** Sections that the constants of a model name, sorted, each once. */
export function modelSectionNames(model: Model): readonly string[] {
  return [...new Set(model.constants.flatMap((constant) => Object.values(constant.components)))].sort();
}

/**
 * Identity of a model: its header, and the bytes of every section its constants name (none of a shape-only model).
 *
 * @throws BitloomError `section-missing`
 */
export function modelHash(
  model: Model,
  sections: SectionSource,
  createHasher: CreateHasher = portableSha256,
): string {
  return contentHash(model, sections, modelSectionNames(model), createHasher);
}

/** Identity of a device description. */
export function deviceHash(device: Device): string {
  return contentHash(device, NO_SECTIONS, []);
}

const NO_SECTIONS: SectionSource = {
  has: () => false,
  byteLength: () => 0,
  read: () => new Uint8Array(0),
};
