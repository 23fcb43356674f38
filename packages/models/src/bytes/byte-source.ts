/**
 * A file as readers see it: a name, a size and range reads. No reader of this package ever asks for a whole
 * file, and none trusts a length it has not compared with `size` first.
 *
 * Not for: writing, or for knowing where the bytes live (a descriptor, memory, a Blob).
 */
import { BitloomError } from '@bitloom/ir';

/** Reads without waiting; only some sources can. Same bounds and errors as {@link ByteSource.read}. */
export interface SyncReader {
  /** Bytes [offset, offset + length). May be a view of shared memory: callers do not write to it. */
  read(offset: number, length: number): Uint8Array;
  /** Fills `target` (which may lie in shared memory) from `offset`. */
  readInto(offset: number, target: Uint8Array): void;
}

export interface ByteSource {
  /** What errors call it, usually the file name. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /**
   * Bytes [offset, offset + length). May be a view of shared memory: callers do not write to it.
   * @throws BitloomError `byte-range-outside` when the range leaves the source, `file-truncated` when the
   *   file has shrunk since it was opened, `file-unreadable` when the system refuses.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Absent where bytes cannot be had without waiting (a Blob). */
  readonly sync?: SyncReader;
  /** Releases what the source holds; reads after it fail. */
  close(): void;
}

/** @throws BitloomError `byte-range-outside` */
export function checkRange(source: { name: string; size: number }, offset: number, length: number): void {
  if (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= source.size
  ) {
    return;
  }
  throw new BitloomError({
    code: 'byte-range-outside',
    message: 'a read leaves the file',
    where: source.name,
    expected: `a range inside 0..${source.size}`,
    got: `${length} bytes at ${offset}`,
    hint: 'the file is probably cut short or damaged; fetch it again and compare its size and checksum',
  });
}

/**
 * The sync reader of a source.
 * @throws BitloomError `source-not-synchronous` for a Blob and the like.
 */
export function requireSync(source: ByteSource): SyncReader {
  if (source.sync !== undefined) return source.sync;
  throw new BitloomError({
    code: 'source-not-synchronous',
    message: 'this source can only be read asynchronously',
    where: source.name,
    expected: 'a file descriptor or memory',
    got: 'a source without synchronous reads',
    hint: 'read the tensors with their asynchronous methods, or copy the bytes into memory first',
  });
}
