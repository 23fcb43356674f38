/** Finds tokens that are taken from a text whole, before anything else looks at it: control and user-defined ones. */

/** Either a token or a stretch of text between tokens. */
export type Fragment = { readonly id: number } | { readonly text: string };

export class SpecialTokens {
  /** Tokens by first UTF-16 unit, longest first. */
  readonly #byFirst = new Map<string, { text: string; id: number }[]>();
  #count = 0;

  constructor(tokens: Iterable<readonly [string, number]>) {
    for (const [text, id] of tokens) {
      if (text.length === 0) continue;
      const first = text.charAt(0);
      const list = this.#byFirst.get(first);
      if (list === undefined) this.#byFirst.set(first, [{ text, id }]);
      else list.push({ text, id });
      this.#count++;
    }
    for (const list of this.#byFirst.values()) list.sort((a, b) => b.text.length - a.text.length);
  }

  /** Cuts a text at its special tokens: leftmost first, longest first. */
  split(text: string): Fragment[] {
    if (this.#count === 0) return text.length === 0 ? [] : [{ text }];
    const out: Fragment[] = [];
    let start = 0;
    for (let at = 0; at < text.length; ) {
      const match = this.#byFirst.get(text.charAt(at))?.find((token) => text.startsWith(token.text, at));
      if (match === undefined) {
        at++;
        continue;
      }
      if (at > start) out.push({ text: text.slice(start, at) });
      out.push({ id: match.id });
      at += match.text.length;
      start = at;
    }
    if (start < text.length) out.push({ text: text.slice(start) });
    return out;
  }
}
