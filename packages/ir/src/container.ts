/**
 * `@bitloom/ir/container`: artefacts as bytes, on any platform. Files are behind `@bitloom/ir/node`.
 */
export * from './container/artefacts.js';
export * from './container/container-reader.js';
export {
  type ByteSink,
  type ContainerContent,
  type ContainerWrite,
  containerWrites,
  encodeContainer,
  MAX_SECTION_NAME,
  type SectionInput,
  sectionOf,
  writeContainerTo,
} from './container/container-writer.js';
export { crc32c } from './container/crc32c.js';
export { hashContainer } from './container/hash-container.js';
export {
  ARTEFACT_KINDS,
  type ArtefactKind,
  CHUNK_BYTES,
  CONTAINER_VERSION,
  type ContainerVersion,
  hasContainerMagic,
  MAX_HEADER_BYTES,
  SECTION_ALIGNMENT,
} from './container/preamble.js';
