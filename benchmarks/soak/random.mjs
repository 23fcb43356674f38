/** A seeded generator for the soak: 32-bit xorshift, fast and reproducible; quality matters little here. */
export class Random {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  /** The state, to start again from here. */
  get state() {
    return this.#state;
  }

  /** 32 random bits. */
  bits() {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  /** An integer from `low` to `high`. */
  integer(low, high) {
    return low + (this.bits() % (high - low + 1));
  }

  /** One of a list. */
  pick(list) {
    return list[this.bits() % list.length];
  }

  /** A size: mostly at the edges of vectors and tiles, else anything up to `most`. */
  size(most) {
    const edge = this.pick([0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 128]);
    return edge <= most && this.bits() % 3 !== 0 ? edge : this.integer(0, most);
  }
}
