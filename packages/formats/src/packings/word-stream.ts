/**
 * Codes in 32-bit words, least significant bit first: the one primitive under GPTQ, AWQ and compressed-tensors. A
 * stream may run through an array with a stride, as when codes are packed along the rows of a row-major matrix. That,
 * and padded words, is what streams of bytes do not have: `layouts/codes.ts` packs rows of codes of one width, and
 * `sparsity/bit-cursor.ts` fields of different widths one after another.
 *
 * - `dense`: code i begins at bit i·bits of the stream and may cross from one word into the next. Where `bits`
 *   divides 32 none does.
 * - `padded`: each word holds floor(32 / bits) whole codes, and its top bits are 0.
 */

export type WordLayout = 'dense' | 'padded';

/** Where the words of a stream lie in an array: word w at `start + w · stride`. */
export interface WordStream {
  readonly start: number;
  readonly stride: number;
  /** 1 to 8. */
  readonly bits: number;
  readonly layout: WordLayout;
}

/** Something codes are written to. */
type CodeSink = Uint8Array | Int8Array | Float32Array;

/** Words that `count` codes take. */
export function wordCount(count: number, bits: number, layout: WordLayout): number {
  return layout === 'dense' ? Math.ceil((count * bits) / 32) : Math.ceil(count / Math.floor(32 / bits));
}

/** Reads codes `first` to `first + count` of a stream as unsigned integers to `out[at + i · step]`. */
export function readWords(
  words: Int32Array,
  stream: WordStream,
  first: number,
  count: number,
  out: CodeSink,
  at: number,
  step: number,
): void {
  const { start, stride, bits, layout } = stream;
  const mask = (1 << bits) - 1;
  const perWord = Math.floor(32 / bits);
  if (layout === 'padded' || 32 % bits === 0) {
    let place = first % perWord;
    let from = start + Math.floor(first / perWord) * stride;
    let word = words[from] >>> (place * bits);
    for (let i = 0, to = at; i < count; i += 1, to += step) {
      if (place === perWord) {
        place = 0;
        from += stride;
        word = words[from];
      }
      out[to] = word & mask;
      word >>>= bits;
      place += 1;
    }
    return;
  }
  for (let i = 0, to = at; i < count; i += 1, to += step) {
    const bit = (first + i) * bits;
    const from = start + Math.floor(bit / 32) * stride;
    const shift = bit % 32;
    const low = words[from] >>> shift;
    out[to] = (shift + bits > 32 ? low | (words[from + stride] << (32 - shift)) : low) & mask;
  }
}

/** Outputs handled together, so that a cache line of words is used whole. */
const TILE = 16;

/**
 * Reads the streams that run down columns `start` to `end` of a row-major matrix of words [.., width], `count` codes
 * each, to out[end − start, count]. Equal to {@link readWords} for each of them, and faster.
 */
export function readColumnStreams(
  words: Int32Array,
  width: number,
  bits: number,
  start: number,
  end: number,
  count: number,
  out: Uint8Array,
): void {
  if (32 % bits !== 0) {
    for (let column = start; column < end; column += 1) {
      const stream = { start: column, stride: width, bits, layout: 'dense' } as const;
      readWords(words, stream, 0, count, out, (column - start) * count, 1);
    }
    return;
  }
  const perWord = 32 / bits;
  const mask = (1 << bits) - 1;
  for (let tile = start; tile < end; tile += TILE) {
    const tileEnd = Math.min(end, tile + TILE);
    for (let code = 0, row = 0; code < count; code += perWord, row += width) {
      const taken = Math.min(perWord, count - code);
      for (let column = tile; column < tileEnd; column += 1) {
        let word = words[row + column];
        const to = (column - start) * count + code;
        for (let i = 0; i < taken; i += 1, word >>>= bits) out[to + i] = word & mask;
      }
    }
  }
}

/** The inverse of {@link readColumnStreams} for all columns: codes [width, count] to words that are 0. */
export function writeColumnStreams(
  codes: Uint8Array,
  count: number,
  words: Int32Array,
  width: number,
  bits: number,
): void {
  if (32 % bits !== 0) {
    for (let column = 0; column < width; column += 1) {
      const stream = { start: column, stride: width, bits, layout: 'dense' } as const;
      writeWords(codes, column * count, 1, count, words, stream);
    }
    return;
  }
  const perWord = 32 / bits;
  for (let tile = 0; tile < width; tile += TILE) {
    const tileEnd = Math.min(width, tile + TILE);
    for (let code = 0, row = 0; code < count; code += perWord, row += width) {
      const taken = Math.min(perWord, count - code);
      for (let column = tile; column < tileEnd; column += 1) {
        const from = column * count + code;
        let word = 0;
        for (let i = 0; i < taken; i += 1) word |= codes[from + i] << (i * bits);
        words[row + column] = word;
      }
    }
  }
}

/** Adds `count` codes `codes[at + i · step]` (0 to 2^bits − 1) to a stream whose words are 0. */
export function writeWords(
  codes: ArrayLike<number>,
  at: number,
  step: number,
  count: number,
  words: Int32Array,
  stream: WordStream,
): void {
  const { start, stride, bits, layout } = stream;
  const perWord = Math.floor(32 / bits);
  for (let i = 0, from = at; i < count; i += 1, from += step) {
    const code = codes[from];
    const bit = layout === 'dense' ? i * bits : Math.floor(i / perWord) * 32 + (i % perWord) * bits;
    const to = start + Math.floor(bit / 32) * stride;
    const shift = bit % 32;
    words[to] |= code << shift;
    if (shift + bits > 32) words[to + stride] |= code >>> (32 - shift);
  }
}
