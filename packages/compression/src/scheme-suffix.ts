/** Names of schemes with a sparsity behind them: `W4A8-8:16` is W4A8 with 8 of each 16 columns kept. */

/** A name with its suffix taken off, or undefined where it has none. */
export function splitSparsity(
  name: string,
): { readonly scheme: string; readonly keep: number; readonly m: number } | undefined {
  const match = /^(.+)-(\d{1,3}):(\d{1,3})$/.exec(name);
  if (match === null) return undefined;
  return { scheme: match[1], keep: Number(match[2]), m: Number(match[3]) };
}
