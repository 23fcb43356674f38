/**
 * Packs fields of 1 to 53 bits into 32-bit little-endian words, lowest bit first, and reads them back. Numbers
 * stay exact: no value is ever wider than a safe integer.
 */
import { BitloomError } from '../error.js';

/** Powers of two by exponent; looking one up is many times faster than making it. */
export const POWERS_OF_TWO: readonly number[] = Array.from({ length: 65 }, (_, exponent) => 2 ** exponent);

/** A growing run of words. */
export interface WordWriter {
  /** Appends a word; between instructions only. */
  word(value: number): void;
  /** Appends the low `bits` bits of a non-negative integer. */
  bits(value: number, bits: number): void;
  /** Fills the current word with zeros. */
  align(): void;
  /** The bytes so far. */
  bytes(): Uint8Array;
}

export function createWordWriter(): WordWriter {
  let words = new Uint32Array(1024);
  let count = 0;
  let pending = 0;
  let filled = 0;

  const word = (value: number): void => {
    if (count === words.length) {
      const grown = new Uint32Array(2 * words.length);
      grown.set(words);
      words = grown;
    }
    words[count++] = value;
  };
  const put = (value: number, bits: number): void => {
    // `value` has at most 32 bits here; the part that does not fit starts the next word.
    const room = 32 - filled;
    pending = (pending | (value << filled)) >>> 0;
    if (bits < room) {
      filled += bits;
      return;
    }
    word(pending);
    pending = room === 32 ? 0 : value >>> room;
    filled = bits - room;
  };
  return {
    word,
    bits: (value, bits) => {
      if (bits <= 32) {
        put(value >>> 0, bits);
      } else {
        put((value % 2 ** 32) >>> 0, 32);
        put(Math.floor(value / 2 ** 32), bits - 32);
      }
    },
    align: () => {
      if (filled > 0) {
        word(pending);
        pending = 0;
        filled = 0;
      }
    },
    bytes: () => {
      const out = new Uint8Array(4 * count);
      const view = new DataView(out.buffer);
      for (let i = 0; i < count; i++) view.setUint32(4 * i, words[i], true);
      return out;
    },
  };
}

/** Reads words and fields in order. */
export interface WordReader {
  /** Byte position of the next word; between instructions only. */
  readonly position: number;
  readonly isAtEnd: boolean;
  word(): number;
  bits(bits: number): number;
  /** Ends the current word. @throws BitloomError `instruction-encoding` when its rest is not zero */
  align(): void;
}

/** @throws BitloomError `instruction-encoding` from any method that reads beyond the end */
export function createWordReader(bytes: Uint8Array): WordReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let current = 0;
  let left = 0;

  const word = (): number => {
    if (at + 4 > bytes.byteLength) {
      throw new BitloomError({
        code: 'instruction-encoding',
        message: 'the instruction stream ends inside of an instruction',
        where: `byte ${at}`,
        expected: 'another 32-bit word',
        got: `${bytes.byteLength - at} bytes`,
      });
    }
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const get = (bits: number): number => {
    if (bits < left) {
      const low = (current & (POWERS_OF_TWO[bits] - 1)) >>> 0;
      current >>>= bits;
      left -= bits;
      return low;
    }
    let value = 0;
    let done = 0;
    while (done < bits) {
      if (left === 0) {
        current = word();
        left = 32;
      }
      const step = Math.min(bits - done, left);
      const part = step === 32 ? current : current & (POWERS_OF_TWO[step] - 1);
      value += (part >>> 0) * POWERS_OF_TWO[done];
      current = step === 32 ? 0 : current >>> step;
      left -= step;
      done += step;
    }
    return value;
  };
  return {
    get position() {
      return at;
    },
    get isAtEnd() {
      return at === bytes.byteLength;
    },
    word,
    bits: get,
    align: () => {
      if (current !== 0) {
        throw new BitloomError({
          code: 'instruction-encoding',
          message: 'the padding of an instruction is not zero',
          where: `byte ${at - 4}`,
          expected: 'zeros up to the end of the word',
          got: `0x${current.toString(16)}`,
        });
      }
      left = 0;
    },
  };
}
