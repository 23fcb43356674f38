/** A byte source over a Blob or File, for browsers: every read is a slice, awaited. */
import { BitloomError } from '@bitloom/ir';
import { type ByteSource, checkRange } from './byte-source.js';

/** The part of `Blob` this needs, so that tests and other runtimes can supply it. */
export interface BlobLike {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/**
 * Wraps a Blob. It has no synchronous reads.
 * @throws BitloomError (from `read`) `file-unreadable` when the browser refuses, `file-truncated` when it
 *   gives fewer bytes than asked for.
 */
export function fromBlob(blob: BlobLike, name = 'blob'): ByteSource {
  const self = { name, size: blob.size };
  return {
    ...self,
    async read(offset, length) {
      checkRange(self, offset, length);
      let buffer: ArrayBuffer;
      try {
        buffer = await blob.slice(offset, offset + length).arrayBuffer();
      } catch (cause) {
        throw new BitloomError({
          code: 'file-unreadable',
          message: 'the blob cannot be read',
          where: name,
          cause,
        });
      }
      if (buffer.byteLength !== length) throw truncated(name, offset, length, buffer.byteLength);
      return new Uint8Array(buffer);
    },
    close: () => {},
  };
}

/** The error of a read that came back short. */
export function truncated(name: string, offset: number, expected: number, got: number): BitloomError {
  return new BitloomError({
    code: 'file-truncated',
    message: 'the file ended before the bytes asked for',
    where: `${name} at byte ${offset}`,
    expected: `${expected} bytes`,
    got: `${got} bytes`,
    hint: 'the file changed while it was being read, or is cut short; fetch it again',
  });
}
