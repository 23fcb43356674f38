/**
 * The content hash of a container: the same as of the artefact in memory, whatever the file's layout.
 */
import { type CreateHasher, contentHash, portableSha256 } from '../hash.js';
import type { ContainerReader } from './container-reader.js';

/** SHA-256, in hex, of a container's header and of all its sections. */
export function hashContainer(
  container: ContainerReader,
  createHasher: CreateHasher = portableSha256,
): string {
  const names = container.entries.map((entry) => entry.name);
  return contentHash(container.header, container.sections, names, createHasher);
}
