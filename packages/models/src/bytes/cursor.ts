/**
 * Reads a header front to back through a small window, so that a header of any length costs one window of
 * memory and few reads. Integers are little-endian.
 *
 * Usage: `await cursor.need(n)` makes the next n bytes available, then the synchronous getters take them.
 * A getter that takes more than was made available throws `internal`.
 */
import { BitloomError, internalError } from '@bitloom/ir';
import type { ByteSource } from './byte-source.js';

/** Bytes fetched at a time. */
const WINDOW = 1 << 18;

export class Cursor {
  readonly source: ByteSource;
  /** Error code of a file that ends inside the header. */
  readonly #endCode: string;
  #window: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** File offset of the window's first byte. */
  #base: number;
  /** Index of the next byte in the window. */
  #index = 0;

  constructor(source: ByteSource, endCode: string, offset = 0) {
    this.source = source;
    this.#endCode = endCode;
    this.#base = offset;
  }

  /** File offset of the next byte. */
  get position(): number {
    return this.#base + this.#index;
  }

  /** Bytes between the next byte and the end of the file. */
  get remaining(): number {
    return this.source.size - this.position;
  }

  /** Whether the next `length` bytes are in the window already: then `need` may be skipped. */
  has(length: number): boolean {
    return this.#window.byteLength - this.#index >= length;
  }

  /**
   * Makes the next `length` bytes available.
   * @param what what is about to be read, for the error
   * @throws BitloomError with the cursor's end code when the file ends before them.
   */
  async need(length: number, what: string): Promise<void> {
    if (this.has(length)) return;
    if (length > this.remaining) {
      throw new BitloomError({
        code: this.#endCode,
        message: `the file ends inside ${what}`,
        where: `${this.source.name} at byte ${this.position}`,
        expected: `${length} more bytes`,
        got: `${this.remaining}`,
        hint: 'the file is cut short or damaged; fetch it again',
      });
    }
    const start = this.position;
    const size = Math.min(Math.max(length, WINDOW), this.source.size - start);
    const bytes = await this.source.read(start, size);
    this.#window = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#base = start;
    this.#index = 0;
  }

  /** Takes `length` bytes; a view of the window, valid until the next `need`. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#window.subarray(at, at + length);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  i8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  i16(): number {
    return this.#view.getInt16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  f32(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }

  #take(length: number): number {
    if (!this.has(length)) throw internalError(`cursor took ${length} bytes that were not made available`);
    const at = this.#index;
    this.#index = at + length;
    return at;
  }
}
