/** Colour for people, as functions that do nothing where colour is not wanted. */

export interface Style {
  strong(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
  accent(text: string): string;
}

const CODES: Readonly<Record<keyof Style, readonly [on: number, off: number]>> = {
  strong: [1, 22],
  dim: [2, 22],
  good: [32, 39],
  warn: [33, 39],
  bad: [31, 39],
  accent: [36, 39],
};

export function createStyle(color: boolean): Style {
  const paint =
    (name: keyof Style) =>
    (text: string): string =>
      color ? `\u001b[${CODES[name][0]}m${text}\u001b[${CODES[name][1]}m` : text;
  return {
    strong: paint('strong'),
    dim: paint('dim'),
    good: paint('good'),
    warn: paint('warn'),
    bad: paint('bad'),
    accent: paint('accent'),
  };
}

/** Whether a stream gets colour: it is a terminal, `NO_COLOR` is empty or absent, `TERM` is not `dumb`. */
export function wantsColor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
}
