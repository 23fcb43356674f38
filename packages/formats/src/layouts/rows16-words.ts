/**
 * The quick way into `rows16` for what models are made of: codes of 4 or 8 bits in a container of their width, rows and
 * groups of whole 32-bit words. A word of a row becomes its word of one step, so there is nothing to assemble; loading a
 * model takes as long as this. The same bytes as the general way, which takes everything else.
 */

/** A part of a matrix in words. A row's word of step s lies at distance 16·s in the target. */
export interface WordRows {
  readonly bits: 4 | 8;
  /** Canonical codes, and the words from one row to the next. */
  readonly codes: Int32Array;
  readonly rowWords: number;
  /** fp16 scales, and how many a row has. */
  readonly scales: Uint16Array;
  readonly rowGroups: number;
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly groupStart: number;
  readonly groupEnd: number;
  /** Words of a whole group, and of the last one of a row, which may be short. */
  readonly groupWords: number;
  readonly lastWords: number;
}

/** Words of one step, and of the scales of a group. */
const STEP_WORDS = 16;
const SCALE_WORDS = 8;

/** Lays out the part in blocks of 16 rows; `words` and `halves` are two views of the same bytes. */
export function packWordRows(part: WordRows, words: Int32Array, halves: Uint16Array): void {
  const { rowStart, rowEnd, groupStart, groupEnd, rowGroups, groupWords, lastWords } = part;
  const hasLast = groupEnd === rowGroups;
  const wholeGroups = groupEnd - groupStart - (hasLast ? 1 : 0);
  const groupStride = STEP_WORDS * groupWords + SCALE_WORDS;
  const lastStride = STEP_WORDS * lastWords + SCALE_WORDS;
  const blockWords = wholeGroups * groupStride + (hasLast ? lastStride : 0);
  const packGroups = part.bits === 4 ? packNibbles : packBytes;
  for (let row = rowStart; row < rowStart + 16 * Math.ceil((rowEnd - rowStart) / 16); row += 1) {
    const lane = (row - rowStart) % 16;
    const at = Math.floor((row - rowStart) / 16) * blockWords;
    const lastAt = at + wholeGroups * groupStride;
    if (row >= rowEnd) {
      const zero = part.bits === 4 ? NIBBLES_OF_ZERO : 0;
      clearGroups(zero, wholeGroups, groupWords, words, halves, at, lane);
      if (hasLast) clearGroups(zero, 1, lastWords, words, halves, lastAt, lane);
      continue;
    }
    const from = row * part.rowWords + groupStart * groupWords;
    packGroups(part.codes, from, wholeGroups, groupWords, words, at + lane);
    if (hasLast) packGroups(part.codes, from + wholeGroups * groupWords, 1, lastWords, words, lastAt + lane);
    const scale = row * rowGroups + groupStart;
    packScales(part.scales, scale, wholeGroups, groupWords, halves, at, lane);
    if (hasLast) packScales(part.scales, scale + wholeGroups, 1, lastWords, halves, lastAt, lane);
  }
}

/** Code 0 in every nibble. */
const NIBBLES_OF_ZERO = 0x88888888 | 0;

function packNibbles(
  codes: Int32Array,
  from: number,
  groups: number,
  groupWords: number,
  words: Int32Array,
  at: number,
): void {
  let source = from;
  let target = at;
  for (let group = 0; group < groups; group += 1) {
    for (let i = 0; i < groupWords; i += 1) {
      const eight = codes[source + i];
      // Columns 0..3 are the low 16 bits, one byte each from here on; columns 4..7 the high ones.
      let low = eight & 0xffff;
      let high = eight >>> 16;
      low = (low | (low << 8)) & 0x00ff00ff;
      high = (high | (high << 8)) & 0x00ff00ff;
      low = (low | (low << 4)) & 0x0f0f0f0f;
      high = (high | (high << 4)) & 0x0f0f0f0f;
      words[target] = (low | (high << 4)) ^ NIBBLES_OF_ZERO;
      target += STEP_WORDS;
    }
    source += groupWords;
    target += SCALE_WORDS;
  }
}

function packBytes(
  codes: Int32Array,
  from: number,
  groups: number,
  groupWords: number,
  words: Int32Array,
  at: number,
): void {
  let source = from;
  let target = at;
  for (let group = 0; group < groups; group += 1) {
    for (let i = 0; i < groupWords; i += 1) {
      words[target] = codes[source + i];
      target += STEP_WORDS;
    }
    source += groupWords;
    target += SCALE_WORDS;
  }
}

function packScales(
  scales: Uint16Array,
  from: number,
  groups: number,
  groupWords: number,
  halves: Uint16Array,
  at: number,
  lane: number,
): void {
  const step = 2 * (STEP_WORDS * groupWords + SCALE_WORDS);
  let target = 2 * (at + STEP_WORDS * groupWords) + lane;
  for (let group = 0; group < groups; group += 1) {
    halves[target] = scales[from + group];
    target += step;
  }
}

function clearGroups(
  zero: number,
  groups: number,
  groupWords: number,
  words: Int32Array,
  halves: Uint16Array,
  at: number,
  lane: number,
): void {
  const step = STEP_WORDS * groupWords + SCALE_WORDS;
  for (let group = 0; group < groups; group += 1) {
    for (let i = 0; i < groupWords; i += 1) words[at + group * step + lane + STEP_WORDS * i] = zero;
    halves[2 * (at + group * step + STEP_WORDS * groupWords) + lane] = 0;
  }
}
