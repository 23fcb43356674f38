/** Notes for people: what is the same in every layer is said once. */

/**
 * `weight 'layers.0.up.weight': padded`, and so for 31 more layers, becomes one line with `layers.*` and `(32 times)`.
 * GGUF's `blk.0.` counts as a layer too.
 */
export function groupNotes(notes: readonly string[]): readonly string[] {
  const counts = new Map<string, { first: string; times: number }>();
  for (const note of notes) {
    const key = note.replace(/\b(layers|blk)\.\d+\./g, '$1.*.');
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { first: note, times: 1 });
    else known.times += 1;
  }
  return [...counts].map(([key, { first, times }]) => (times === 1 ? first : `${key} (${times} times)`));
}
