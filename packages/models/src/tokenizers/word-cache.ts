/** Remembers the tokens of words already seen. Bounded: when it is full it starts anew. */
export class WordCache {
  readonly #words = new Map<string, readonly number[]>();
  readonly #capacity: number;
  readonly #longest: number;

  /**
   * @param capacity words kept at most
   * @param longest longer words (in UTF-16 units) are not kept
   */
  constructor(capacity = 1 << 16, longest = 64) {
    this.#capacity = capacity;
    this.#longest = longest;
  }

  get(word: string, encode: (word: string) => readonly number[]): readonly number[] {
    const known = this.#words.get(word);
    if (known !== undefined) return known;
    const ids = encode(word);
    if (word.length <= this.#longest) {
      if (this.#words.size >= this.#capacity) this.#words.clear();
      this.#words.set(word, ids);
    }
    return ids;
  }
}
