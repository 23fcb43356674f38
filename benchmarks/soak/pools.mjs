/**
 * Operands of the soak: regions of the arena filled once with seeded data of one kind, of which a call takes any part,
 * so that a call costs no time for its data. Results have a region of their own.
 */
import { packCanonical, packRows16, packSparse16, quantizeGroups } from '@bitloom/formats';

const BYTES = 2 ** 19;
/** Largest shift of a channel of a ShiftQuant product. */
export const MOST_SHIFT = 3;
/** Room for the results of one call. */
export const OUT_BYTES = 2 ** 18;

export class Pools {
  /**
   * @param {import('@bitloom/kernels').Arena} arena
   * @param {import('./random.mjs').Random} random
   */
  constructor(arena, random) {
    this.arena = arena;
    const fill = (write) => {
      const at = arena.alloc(BYTES + 4096);
      write(at);
      return at;
    };
    this.#bytes = fill((at) => {
      for (let i = 0; i < BYTES + 4096; i += 1)
        arena.i8[at + i] = Math.max(-127, (random.bits() & 255) - 128);
    });
    this.#floats = fill((at) => {
      for (let i = 0; i < (BYTES + 4096) / 4; i += 1) {
        arena.f32[at / 4 + i] = random.bits() % 97 === 0 ? 0 : (random.bits() / 2 ** 31 - 1) * 3;
      }
    });
    this.#positives = fill((at) => {
      for (let i = 0; i < (BYTES + 4096) / 4; i += 1) arena.f32[at / 4 + i] = random.bits() / 2 ** 35 + 1e-6;
    });
    this.#ids = fill((at) => {
      for (let i = 0; i < (BYTES + 4096) / 4; i += 1) arena.i32[at / 4 + i] = random.integer(0, 15);
    });
    this.#halves = fill((at) => {
      for (let i = 0; i < (BYTES + 4096) / 2; i += 1) arena.u16[at / 2 + i] = random.bits() & 0xbbff;
    });
    this.#narrow = new Map(
      [4, 6].map((bits) => [
        bits,
        fill((at) => {
          const most = 2 ** (bits - 1) - 1;
          for (let i = 0; i < BYTES + 4096; i += 1) arena.i8[at + i] = random.integer(-most, most);
        }),
      ]),
    );
    this.#shifts = fill((at) => {
      for (let i = 0; i < BYTES + 4096; i += 1) arena.i8[at + i] = random.integer(0, MOST_SHIFT);
    });
    this.#scaleCodes = fill((at) => {
      for (let i = 0; i < (BYTES + 4096) / 2; i += 1) arena.u16[at / 2 + i] = random.integer(90, 127);
    });
    this.out = arena.alloc(OUT_BYTES + 4096);
    /** Matrices large enough that their products are divided over threads. */
    this.largeMatrices = [4, 8].map((bits) => this.#matrix(random, bits, 32, [1600, 256]));
    this.matrices = [];
    for (const bits of [2, 3, 4, 5, 6, 8]) {
      for (const group of [16, 32, 64, 128, 1000]) {
        for (let i = 0; i < 2; i += 1) this.matrices.push(this.#matrix(random, bits, group));
      }
    }
    this.largeSparse = this.#sparse(random, 4, 32, [1600, 256]);
    this.sparseMatrices = [4, 8].flatMap((bits) =>
      [16, 32, 1000].map((group) => this.#sparse(random, bits, group)),
    );
  }

  #bytes;
  #floats;
  #positives;
  #ids;
  #halves;
  #narrow;
  #shifts;
  #scaleCodes;

  #matrix(random, bits, groupSize, size = [random.integer(1, 100), random.integer(1, 300)]) {
    const [rows, cols] = size;
    const values = Float32Array.from({ length: rows * cols }, () => random.bits() / 2 ** 31 - 1);
    const shape = { rows, cols, bits, groupSize };
    const packed = packRows16(packCanonical(quantizeGroups(values, shape)));
    const at = this.arena.alloc(packed.length + 64);
    this.arena.u8.set(packed, at);
    return { ...shape, at };
  }

  #sparse(random, bits, groupSize, size = [random.integer(17, 100), random.integer(1, 300)]) {
    const [rows, cols] = size;
    const values = Float32Array.from({ length: rows * cols }, (_, i) => {
      // Tiles of 16 x 16 keep 0, 2, 4, 8 or 16 of each 16 values.
      const tile = Math.floor(i / cols / 16) * 31 + Math.floor((i % cols) / 16);
      const kept = ((i % cols) * 5 + Math.floor(i / cols)) % 16 < [0, 2, 4, 8, 16][tile % 5];
      return kept ? random.bits() / 2 ** 31 - 1 : 0;
    });
    const shape = { rows, cols, bits, groupSize };
    const packed = packSparse16(packCanonical(quantizeGroups(values, shape)));
    const at = this.arena.alloc(packed.length + 64);
    this.arena.u8.set(packed, at);
    return { ...shape, at };
  }

  /** A part of a region that has `bytes` bytes, at a multiple of `align`. */
  #part(region, random, bytes, align) {
    if (bytes > BYTES) throw new Error(`an operand of ${bytes} bytes is larger than its region`);
    return region + Math.floor((random.bits() % (BYTES - bytes + 1)) / align) * align;
  }

  codes = (random, count) => this.#part(this.#bytes, random, count, 1);
  floats = (random, count) => this.#part(this.#floats, random, count * 4, 4);
  positives = (random, count) => this.#part(this.#positives, random, count * 4, 4);
  ids = (random, count) => this.#part(this.#ids, random, count * 4, 4);
  halves = (random, count) => this.#part(this.#halves, random, count * 2, 2);
  /** Symmetric codes of 4 or 6 bits, one per byte. */
  narrow = (random, bits, count) => this.#part(this.#narrow.get(bits), random, count, 1);
  /** Bytes from 0 to {@link MOST_SHIFT}. */
  shifts = (random, count) => this.#part(this.#shifts, random, count, 1);
  /** MLS group scales without a mantissa bit, uint16. */
  scaleCodes = (random, count) => this.#part(this.#scaleCodes, random, count * 2, 2);
  /** int16, any bits. */
  words = (random, count) => this.#part(this.#bytes, random, count * 2, 2);
}
