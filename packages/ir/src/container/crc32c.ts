/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78, as in iSCSI and ext4): the check of every chunk of a
 * container. It finds damage, not malice. Eight bytes per step through eight tables.
 */

const POLYNOMIAL = 0x82f63b78;

/** Table s (of 8) at [s * 256, s * 256 + 256) is the CRC of a byte followed by s zero bytes. */
function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (POLYNOMIAL & -(crc & 1));
    tables[byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    let crc = tables[byte];
    for (let step = 1; step < 8; step++) {
      crc = (crc >>> 8) ^ tables[crc & 255];
      tables[step * 256 + byte] = crc;
    }
  }
  return tables;
}

const TABLES = /* @__PURE__ */ makeTables();

/**
 * CRC-32C of bytes, as an unsigned 32-bit integer. `seed` is the CRC of what came before, so that
 * `crc32c(b, crc32c(a))` is the CRC of a followed by b.
 */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.byteLength - (bytes.byteLength % 8);
  const t = TABLES;
  let crc = ~seed;
  for (let i = 0; i < whole; i += 8) {
    const low = view.getInt32(i, true) ^ crc;
    const high = view.getInt32(i + 4, true);
    crc =
      t[1792 + (low & 255)] ^
      t[1536 + ((low >>> 8) & 255)] ^
      t[1280 + ((low >>> 16) & 255)] ^
      t[1024 + (low >>> 24)] ^
      t[768 + (high & 255)] ^
      t[512 + ((high >>> 8) & 255)] ^
      t[256 + ((high >>> 16) & 255)] ^
      t[high >>> 24];
  }
  for (let i = whole; i < bytes.byteLength; i++) crc = (crc >>> 8) ^ t[(crc ^ bytes[i]) & 255];
  return ~crc >>> 0;
}
