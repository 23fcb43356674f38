/** From a prompt to token ids: what generation and evaluation need of a tokenizer. */
import { BitloomError } from '@bitloom/ir';

/** What generation needs of a tokenizer; those of `@bitloom/models` fit. */
export interface TextTokenizer {
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
  encode(text: string): number[];
  /** Decodes token by token and never gives half a character; `after` are the tokens before. */
  decodeStream(options: { readonly after: readonly number[] }): { push(id: number): string; end(): string };
}

/**
 * The ids of a prompt. Empty text starts from the beginning-of-sequence token.
 * @throws BitloomError `prompt-empty` when there is nothing to start from
 */
export function promptIds(
  tokenizer: Pick<TextTokenizer, 'bosId' | 'encode'>,
  prompt: string | readonly number[],
): readonly number[] {
  const ids = typeof prompt === 'string' ? tokenizer.encode(prompt) : prompt;
  if (ids.length > 0) return ids;
  if (tokenizer.bosId !== undefined) return [tokenizer.bosId];
  throw new BitloomError({
    code: 'prompt-empty',
    message: 'an empty prompt needs a beginning-of-sequence token, and this tokenizer has none',
    expected: 'at least one token',
    got: '0',
    hint: 'give a prompt',
  });
}
