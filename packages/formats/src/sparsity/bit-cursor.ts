/**
 * Writing and reading fields of 1 to 32 bits one after another, least significant bit first: the stream in which the
 * sparsity layouts keep block headers, codes and indices. Positions are a byte and a bit, so a stream may be longer
 * than 2^32 bits. It knows no shapes and checks no bounds: callers size their buffers first.
 */

/** Appends fields to a buffer that begins as zeros. */
export class BitWriter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Byte that the next bit goes to. */
  #at = 0;
  /** Bits of that byte already taken, 0..7, and their values. */
  #used = 0;
  #pending = 0;

  constructor(byteLength: number) {
    this.bytes = new Uint8Array(byteLength);
  }

  /** Appends the low `width` bits of `value`. */
  write(value: number, width: number): void {
    if (width > 16) {
      this.write(value & 0xffff, 16);
      this.write(value >>> 16, width - 16);
      return;
    }
    // At most 7 + 16 bits are pending.
    this.#pending |= (value & ((1 << width) - 1)) << this.#used;
    this.#used += width;
    while (this.#used >= 8) {
      this.bytes[this.#at] = this.#pending;
      this.#at += 1;
      this.#pending >>>= 8;
      this.#used -= 8;
    }
  }

  /** Zero bits up to the next whole byte. Also what must end a stream: bits of a byte begun are not yet in it. */
  align(): void {
    if (this.#used === 0) return;
    this.bytes[this.#at] = this.#pending;
    this.#at += 1;
    this.#pending = 0;
    this.#used = 0;
  }
}

/** Reads fields from a buffer; past its end there are zeros. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #bit = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Moves to bit `bit` (any safe integer) behind byte `at`. */
  seek(at: number, bit = 0): void {
    this.#at = at + Math.floor(bit / 8);
    this.#bit = bit % 8;
  }

  /** The next `width` bits as an unsigned number. */
  read(width: number): number {
    if (width > 16) {
      const low = this.read(16);
      return low + this.read(width - 16) * 65536;
    }
    const bytes = this.#bytes;
    const at = this.#at;
    const three = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    const value = (three >>> this.#bit) & ((1 << width) - 1);
    const next = this.#bit + width;
    this.#at = at + (next >>> 3);
    this.#bit = next & 7;
    return value;
  }

  /** Moves to the next whole byte; whether the bits passed over are all zero. */
  align(): boolean {
    if (this.#bit === 0) return true;
    const isZero = (this.#bytes[this.#at] ?? 0) >>> this.#bit === 0;
    this.#at += 1;
    this.#bit = 0;
    return isZero;
  }

  /** Byte of the next bit. */
  get byteOffset(): number {
    return this.#at;
  }
}
