/**
 * Perplexity as llama-perplexity computes it: the text is tokenised once and cut into windows; position 0 of each
 * holds the beginning-of-sequence token; tokens in the second half are scored given all before them in the window.
 */
import { BitloomError } from '@bitloom/ir';
import type { Engine } from '../engine.js';
import type { TextTokenizer } from '../generation/prompt.js';
import { logLikelihood } from './log-softmax.js';

export interface PerplexityProgress {
  /** Windows done and to do. */
  readonly chunk: number;
  readonly chunks: number;
  /** Perplexity so far. */
  readonly perplexity: number;
}

export interface PerplexityOptions {
  /** Tokens of a window; default 256. */
  readonly context?: number;
  /** Most windows; default: as many as the text fills. */
  readonly chunks?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PerplexityProgress) => void;
}

export interface PerplexityResult {
  /** exp(nll). */
  readonly perplexity: number;
  /** Mean negative log-likelihood per scored token, in nats. */
  readonly nll: number;
  /** Scored tokens: (context - 1 - floor(context / 2)) per window. */
  readonly tokens: number;
  readonly chunks: number;
  readonly context: number;
}

/**
 * Perplexity of a text. The tokenizer puts the beginning-of-sequence token where it belongs, or has none.
 * Throws as {@link perplexity}.
 */
export function textPerplexity(
  engine: Engine,
  tokenizer: Pick<TextTokenizer, 'bosId' | 'encode'> & { readonly addBos: boolean },
  text: string,
  options: PerplexityOptions = {},
): PerplexityResult {
  return perplexity(engine, tokenizer.encode(text), tokenizer.addBos ? tokenizer.bosId : undefined, options);
}

/**
 * Perplexity of a sequence of tokens. The engine is reset before each window and after the last.
 *
 * @param bosId replaces the first token of each window; undefined: the token stays
 * @throws BitloomError `perplexity-option`, `perplexity-text-short`, `evaluation-aborted`, and what the engine throws
 */
export function perplexity(
  engine: Engine,
  ids: readonly number[],
  bosId: number | undefined,
  options: PerplexityOptions = {},
): PerplexityResult {
  const context = options.context ?? 256;
  checkContext(context, engine.capacity);
  const chunks = Math.min(Math.floor(ids.length / context), checkChunks(options.chunks));
  if (chunks === 0) throw textTooShort(ids.length, context);
  const half = Math.floor(context / 2);
  const vocabulary = engine.vocabularySize;
  let sum = 0;
  let tokens = 0;
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    if (options.signal?.aborted === true) throw aborted(chunk, chunks, options.signal);
    const window = ids.slice(chunk * context, (chunk + 1) * context);
    if (bosId !== undefined) window[0] = bosId;
    engine.reset();
    engine.prefill(window.slice(0, half));
    // Row i holds the logits after token half + i, so it scores token half + i + 1.
    const logits = engine.forward(window.slice(half, context - 1));
    for (let i = 0; i < context - 1 - half; i += 1) {
      sum -= logLikelihood(logits, i * vocabulary, vocabulary, window[half + i + 1]);
      tokens += 1;
    }
    options.onProgress?.({ chunk: chunk + 1, chunks, perplexity: Math.exp(sum / tokens) });
  }
  engine.reset();
  return { perplexity: Math.exp(sum / tokens), nll: sum / tokens, tokens, chunks, context };
}

function checkContext(context: number, capacity: number): void {
  // One token to begin, one to condition on and one to score.
  if (Number.isSafeInteger(context) && context >= 3 && context - 1 <= capacity) return;
  throw new BitloomError({
    code: 'perplexity-option',
    message: 'the window of the perplexity does not fit the engine',
    where: 'context',
    expected: `an integer from 3 to ${capacity + 1}`,
    got: String(context),
    hint: 'choose a shorter context',
  });
}

function checkChunks(chunks: number | undefined): number {
  if (chunks === undefined) return Number.POSITIVE_INFINITY;
  if (Number.isSafeInteger(chunks) && chunks >= 1) return chunks;
  throw new BitloomError({
    code: 'perplexity-option',
    message: 'the number of windows is wrong',
    where: 'chunks',
    expected: 'a positive integer',
    got: String(chunks),
  });
}

function textTooShort(tokens: number, context: number): BitloomError {
  return new BitloomError({
    code: 'perplexity-text-short',
    message: 'the text does not fill one window',
    expected: `at least ${context} tokens`,
    got: `${tokens} tokens`,
    hint: 'use a longer text or a shorter context',
  });
}

function aborted(chunk: number, chunks: number, signal: AbortSignal): BitloomError {
  return new BitloomError({
    code: 'evaluation-aborted',
    message: 'the evaluation was cancelled',
    where: `after ${chunk} of ${chunks} windows`,
    cause: signal.reason,
  });
}
