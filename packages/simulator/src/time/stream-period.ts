/**
 * What repeats in a stream: layers of a model are the same text but for addresses and provenance. Found in the text
 * alone, so whatever a compiler unrolls is found, and nothing that differs in a cost, a token or a loop.
 */

/** Instructions [start, start + count * length) are `count` times the same, outside of all loops. */
export interface StreamPeriod {
  readonly start: number;
  readonly length: number;
  readonly count: number;
}

/** Fewer repetitions are not worth leaving any out. */
const LEAST_COUNT = 6;

/**
 * @param texts equal numbers for equal instructions
 * @param depths loops around each instruction
 */
export function findPeriod(texts: Int32Array, depths: Uint8Array): StreamPeriod | undefined {
  const length = likelyLength(texts);
  if (length === undefined) return undefined;
  let best: StreamPeriod | undefined;
  for (let from = 0; from + length < texts.length; from++) {
    if (texts[from] !== texts[from + length]) continue;
    let to = from;
    while (to + length < texts.length && texts[to] === texts[to + length]) to++;
    // A period begins and ends outside of loops: then so do all.
    let start = from;
    while (start < to && depths[start] > 0) start++;
    const count = Math.floor((to + length - start) / length);
    if (count >= LEAST_COUNT && count > (best?.count ?? 0)) best = { start, length, count };
    from = to;
  }
  return best;
}

/** The distance at which most of those texts come again that always come again at one distance. */
function likelyLength(texts: Int32Array): number | undefined {
  const places = new Map<number, number[]>();
  texts.forEach((text, at) => {
    const known = places.get(text);
    if (known === undefined) places.set(text, [at]);
    else known.push(at);
  });
  const votes = new Map<number, number>();
  for (const at of places.values()) {
    const distance = at[1] - at[0];
    if (at.length < LEAST_COUNT || at.some((place, i) => i > 0 && place - at[i - 1] !== distance)) continue;
    votes.set(distance, (votes.get(distance) ?? 0) + at.length);
  }
  let best: number | undefined;
  for (const [distance, count] of votes) {
    if (best === undefined || count > (votes.get(best) ?? 0)) best = distance;
  }
  return best;
}
