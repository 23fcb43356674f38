/** A byte source over memory. Reads are views, so they cost nothing and share the caller's bytes. */
import { type ByteSource, checkRange } from './byte-source.js';

/**
 * Wraps bytes that are already in memory.
 * @param bytes not copied; must not change while the source is in use
 * @param name what errors call it
 */
export function fromBytes(bytes: Uint8Array, name = 'memory'): ByteSource {
  const self = { name, size: bytes.byteLength };
  // A plain view: Node's Buffer has a `slice` that shares memory where Uint8Array's copies.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (offset: number, length: number): Uint8Array => {
    checkRange(self, offset, length);
    return plain.subarray(offset, offset + length);
  };
  return {
    ...self,
    read: async (offset, length) => read(offset, length),
    sync: { read, readInto: (offset, target) => target.set(read(offset, target.byteLength)) },
    close: () => {},
  };
}
