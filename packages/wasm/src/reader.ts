/** A cursor over a WebAssembly binary that fails with a typed error instead of reading past the end. */
import { BitloomError } from '@bitloom/ir';

export class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  get offset(): number {
    return this.#at;
  }

  byte(): number {
    if (this.#at >= this.#end) {
      throw new BitloomError({
        code: 'wasm-truncated',
        message: 'the binary ends in the middle of an item',
        where: `byte ${this.#at}`,
        expected: 'more bytes',
        got: 'the end',
      });
    }
    this.#at += 1;
    return this.#bytes[this.#at - 1];
  }

  /** Unsigned LEB128 of at most 32 bits. */
  unsigned(): number {
    const start = this.#at;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffffffff) break;
        return value;
      }
    }
    throw badNumber(start);
  }

  /** Signed LEB128 of at most 32 bits. */
  signed(): number {
    const start = this.#at;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return shift < 28 && byte & 0x40 ? value | (-1 << (shift + 7)) : value;
    }
    throw badNumber(start);
  }

  bytes(count: number): Uint8Array {
    if (count > this.#end - this.#at) {
      this.#at = this.#end;
      this.byte();
    }
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  name(): string {
    return new TextDecoder().decode(this.bytes(this.unsigned()));
  }

  float32(): number {
    const bytes = this.bytes(4);
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
  }

  /** A reader over the next `count` bytes, which this one skips. */
  sub(count: number): Reader {
    this.bytes(count);
    return new Reader(this.#bytes, this.#at - count, this.#at);
  }

  /** Reads a vector: a count, then that many items. */
  vector<T>(item: (index: number) => T): T[] {
    const count = this.unsigned();
    const out: T[] = [];
    for (let i = 0; i < count; i += 1) out.push(item(i));
    return out;
  }
}

function badNumber(at: number): BitloomError {
  return new BitloomError({
    code: 'wasm-bad-number',
    message: 'a LEB128 number is longer than 32 bits',
    where: `byte ${at}`,
    expected: 'at most 5 bytes',
    got: 'more',
  });
}
