/** Writing the binary format: bytes, LEB128 numbers, names, opcodes, sized parts. No knowledge of instructions. */
import { isSimd, type Opcode, simdNumber } from './opcodes.js';

/** A growing run of bytes. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** The bytes written so far; valid until the next write. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  bytes(values: ArrayLike<number>): void {
    this.#reserve(values.length);
    // A loop is faster than `set` for the few bytes of an immediate, and most writes are that.
    if (values.length > 64) this.#bytes.set(values, this.#length);
    else for (let i = 0; i < values.length; i += 1) this.#bytes[this.#length + i] = values[i];
    this.#length += values.length;
  }

  /** Unsigned LEB128 of an integer below 2^32. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed LEB128 of a 32-bit integer. */
  signed(value: number): void {
    let rest = value | 0;
    while (rest < -64 || rest > 63) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.byte(rest & 0x7f);
  }

  /** A float32, little-endian. */
  float32(value: number): void {
    this.bytes(new Uint8Array(Float32Array.of(value).buffer));
  }

  /** An opcode, prefix included. */
  opcode(opcode: Opcode): void {
    if (isSimd(opcode)) {
      this.byte(0xfd);
      this.unsigned(simdNumber(opcode));
    } else {
      this.byte(opcode);
    }
  }

  /** A UTF-8 name with its length. */
  name(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.unsigned(bytes.length);
    this.bytes(bytes);
  }

  /** A vector: the number of items, then each item as `write` puts it. */
  vector<T>(items: readonly T[], write: (item: T, index: number) => void): void {
    this.unsigned(items.length);
    items.forEach(write);
  }

  /** What `write` puts, preceded by its size in bytes. */
  sized(write: (part: ByteWriter) => void): void {
    const part = new ByteWriter();
    write(part);
    this.unsigned(part.written.length);
    this.bytes(part.written);
  }
}
