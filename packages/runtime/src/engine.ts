/**
 * The engine: one sequence of tokens with its KV cache, on whatever computes it. The host interpreter and a card
 * implement it, so that sampling, generation and evaluation do not know which one they drive. It knows ids and
 * logits only; text is the business of `generation/`.
 */
import { BitloomError, type Model } from '@bitloom/ir';

/** Token ids; a typed array avoids a copy. */
export type TokenIds = Int32Array | readonly number[];

/**
 * One sequence on one computing device. All methods are synchronous and not re-entrant.
 *
 * Logits are float32. What `prefill` and `decode` return is a view that the next call of any method overwrites;
 * copy it to keep it. What `forward` returns belongs to the caller.
 */
export interface Engine {
  readonly model: Model;
  /** Columns of the logits. */
  readonly vocabularySize: number;
  /** Most tokens the sequence can hold. */
  readonly capacity: number;
  /** Tokens in the sequence so far. */
  readonly position: number;
  /**
   * Appends tokens and returns the logits of every one of them, [tokens, vocab].
   * @throws BitloomError `no-tokens`, `token-out-of-range`, `context-full`, `engine-closed`; the sequence is then
   *   as before the call.
   */
  forward(tokens: TokenIds): Float32Array;
  /** Appends tokens and returns the logits of the last one, [vocab]. Throws as {@link Engine.forward}. */
  prefill(tokens: TokenIds): Float32Array;
  /** Appends one token and returns its logits, [vocab]. Throws as {@link Engine.forward}. */
  decode(token: number): Float32Array;
  /** Forgets the sequence: position 0. */
  reset(): void;
  /** Releases the memory. Any later call but `close` throws `engine-closed`. */
  close(): void;
}

/** The error of a sequence that would outgrow its context. */
export function contextFull(position: number, tokens: number, capacity: number): BitloomError {
  return new BitloomError({
    code: 'context-full',
    message: 'the sequence would be longer than the context',
    where: `position ${position}`,
    expected: `at most ${capacity} tokens in the context`,
    got: `${position + tokens} (${position} so far and ${tokens} more)`,
    hint: 'ask for fewer tokens, shorten the prompt, or reset the engine; a model with a longer context helps too',
  });
}

/**
 * Checks a call before anything runs.
 * @throws BitloomError `no-tokens`, `token-out-of-range`, `context-full`
 */
export function checkTokens(
  tokens: TokenIds,
  engine: Pick<Engine, 'position' | 'capacity' | 'vocabularySize'>,
): void {
  if (tokens.length === 0) {
    throw new BitloomError({
      code: 'no-tokens',
      message: 'an engine needs at least one token per call',
      expected: 'one token or more',
      got: '0',
      hint: 'start an empty prompt from the beginning-of-sequence token',
    });
  }
  for (let i = 0; i < tokens.length; i += 1) checkToken(tokens[i], i, engine.vocabularySize);
  if (engine.position + tokens.length > engine.capacity) {
    throw contextFull(engine.position, tokens.length, engine.capacity);
  }
}

/** @throws BitloomError `token-out-of-range` */
export function checkToken(token: number, index: number, vocabularySize: number): void {
  if (Number.isInteger(token) && token >= 0 && token < vocabularySize) return;
  throw new BitloomError({
    code: 'token-out-of-range',
    message: 'a token id is not in the vocabulary of the model',
    where: `token ${index} of the call`,
    expected: `an integer from 0 to ${vocabularySize - 1}`,
    got: String(token),
    hint: 'use the tokenizer that belongs to this model',
  });
}

/** The error of a call on an engine that was closed. */
export function engineClosed(): BitloomError {
  return new BitloomError({
    code: 'engine-closed',
    message: 'the engine was closed',
    expected: 'an open engine',
    got: 'a call after close()',
    hint: 'create a new engine',
  });
}
