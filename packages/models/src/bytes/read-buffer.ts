/**
 * Room for bytes on their way from a file to something else, used again by every read, so that reading a large file in
 * pieces leaves no garbage behind. What it holds is valid until the next `take`.
 */
export class ReadBuffer {
  #bytes = new Uint8Array(0);

  /** `length` bytes that hold anything. */
  take(length: number): Uint8Array {
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(length);
    return this.#bytes.subarray(0, length);
  }
}
