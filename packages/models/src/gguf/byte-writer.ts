/**
 * Little-endian bytes of a header, appended to a buffer that grows. For headers only: tensors are written in pieces.
 */

const INITIAL = 1 << 16;

export class ByteWriter {
  #bytes = new Uint8Array(INITIAL);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #encoder = new TextEncoder();

  get length(): number {
    return this.#length;
  }

  /** What was written so far; a view. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  raw(bytes: Uint8Array): void {
    // Taking room may replace the buffer, so it comes first: here and below.
    const at = this.#take(bytes.byteLength);
    this.#bytes.set(bytes, at);
  }

  zeros(count: number): void {
    // Fresh bytes of the buffer are zero.
    this.#take(count);
  }

  u8(value: number): void {
    const at = this.#take(1);
    this.#view.setUint8(at, value);
  }

  i8(value: number): void {
    const at = this.#take(1);
    this.#view.setInt8(at, value);
  }

  u16(value: number): void {
    const at = this.#take(2);
    this.#view.setUint16(at, value, true);
  }

  i16(value: number): void {
    const at = this.#take(2);
    this.#view.setInt16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#take(4);
    this.#view.setUint32(at, value, true);
  }

  i32(value: number): void {
    const at = this.#take(4);
    this.#view.setInt32(at, value, true);
  }

  f32(value: number): void {
    const at = this.#take(4);
    this.#view.setFloat32(at, value, true);
  }

  f64(value: number): void {
    const at = this.#take(8);
    this.#view.setFloat64(at, value, true);
  }

  u64(value: number | bigint): void {
    const at = this.#take(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  i64(value: number | bigint): void {
    const at = this.#take(8);
    this.#view.setBigInt64(at, BigInt(value), true);
  }

  /** A length of 64 bits, then the text in UTF-8. */
  string(text: string): void {
    const bytes = this.#encoder.encode(text);
    this.u64(bytes.byteLength);
    this.raw(bytes);
  }

  /** Room for `count` bytes; gives their place. */
  #take(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(2 * this.#bytes.byteLength, this.#length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}
