/**
 * Names of schemes with something behind them: `W4A8-8:16` is W4A8 with 8 of each 16 columns kept, `W4A8-KV4` is W4A8
 * with a KV cache of 4 bits.
 */

/** A name with its suffix taken off, or undefined where it has none. */
export function splitSparsity(
  name: string,
): { readonly scheme: string; readonly keep: number; readonly m: number } | undefined {
  const match = /^(.+)-(\d{1,3}):(\d{1,3})$/.exec(name);
  if (match === null) return undefined;
  return { scheme: match[1], keep: Number(match[2]), m: Number(match[3]) };
}

/** A name with the width of its KV cache taken off, or undefined where it says none. */
export function splitCacheBits(name: string): { readonly scheme: string; readonly bits: number } | undefined {
  const match = /^(.+)-KV(\d{1,3})$/.exec(name);
  return match === null ? undefined : { scheme: match[1], bits: Number(match[2]) };
}
