/** Containers built by hand, so that tests can break any part of them. */
import { encode } from '@msgpack/msgpack';
import { crc32c } from '../../src/container.js';

/** The 32 bytes before a header, with right checksums unless told otherwise. */
export function preamble(
  header: Uint8Array,
  options: { major?: number; minor?: number; kind?: number; headerBytes?: bigint; magic?: string } = {},
): Uint8Array {
  const {
    major = 1,
    minor = 0,
    kind = 3,
    headerBytes = BigInt(header.byteLength),
    magic = 'BITLOOM\0',
  } = options;
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(magic));
  view.setUint16(8, major, true);
  view.setUint16(10, minor, true);
  view.setUint32(12, kind, true);
  view.setBigUint64(16, headerBytes, true);
  view.setUint32(24, crc32c(header), true);
  view.setUint32(28, crc32c(bytes.subarray(0, 28)), true);
  return bytes;
}

/** A container with any header bytes and any rest. */
export function rawContainer(
  header: Uint8Array,
  options: Parameters<typeof preamble>[1] & { size?: number } = {},
): Uint8Array {
  const bytes = new Uint8Array(options.size ?? 32 + header.byteLength);
  bytes.set(preamble(header, options));
  bytes.set(header, 32);
  return bytes;
}

/** A container with a msgpack header. */
export function headerContainer(
  header: unknown,
  options: Parameters<typeof rawContainer>[1] = {},
): Uint8Array {
  return rawContainer(encode(header, { useBigInt64: true }), options);
}

/** A section entry of 16 bytes of zeros, as the header lists it. */
export function entry(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const checksums = new Uint8Array(4);
  new DataView(checksums.buffer).setUint32(0, crc32c(new Uint8Array(16)), true);
  return { name: 'a', offset: 4096n, length: 16n, checksums, ...changes };
}
