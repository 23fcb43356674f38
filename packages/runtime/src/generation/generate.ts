/**
 * Text from an engine, token by token: prompt, sampling, streaming, stop strings, cancellation. The engine keeps
 * its sequence, so a second call continues where the first one ended; the last token drawn is not part of it yet.
 */
import { BitloomError } from '@bitloom/ir';
import type { Engine } from '../engine.js';
import { createSampler, type Sampler, type SamplingOptions } from '../sampling/sampler.js';
import { createStopFilter, type StopFilter } from './stop-strings.js';

/** What generation needs of a tokenizer; those of `@bitloom/models` fit. */
export interface TextTokenizer {
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
  encode(text: string): number[];
  /** Decodes token by token and never gives half a character; `after` are the tokens before. */
  decodeStream(options: { readonly after: readonly number[] }): { push(id: number): string; end(): string };
}

export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to generate. */
  readonly maxTokens: number;
  /** Text ends before the first of these. */
  readonly stop?: readonly string[];
  /** Tokens that end the text; default: those of the tokenizer. */
  readonly eosIds?: readonly number[];
  readonly signal?: AbortSignal;
  /** Tokens of the prompt that {@link generateAsync} runs between two looks at `signal`; default 256. */
  readonly prefillSlice?: number;
}

/** One generated token. */
export interface GenerationStep {
  readonly token: number;
  /** Text that became certain with it: may be empty, or belong in part to earlier tokens. */
  readonly text: string;
  /** Why generation ends with this step: an end token, a stop string, or `maxTokens`. Absent before the end. */
  readonly finish?: 'eos' | 'stop' | 'length';
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

/**
 * Generates text synchronously. `signal` is looked at before every token, which helps only a caller that aborts
 * while it handles a step; use {@link generateAsync} elsewhere.
 *
 * @throws BitloomError `context-full` (after all text was handed out), `generation-aborted`, `sampling-option`,
 *   `stop-string-empty`, `max-tokens`, `prompt-empty`, and what the engine throws
 */
export function* generate(
  engine: Engine,
  tokenizer: TextTokenizer,
  prompt: string | readonly number[],
  options: GenerateOptions,
): Generator<GenerationStep, void, void> {
  const generation = new Generation(engine, tokenizer, prompt, options);
  generation.prefill(generation.promptLength);
  while (!generation.done) yield generation.next();
}

/** As {@link generate}, giving the event loop a turn between tokens and between slices of the prompt. */
export async function* generateAsync(
  engine: Engine,
  tokenizer: TextTokenizer,
  prompt: string | readonly number[],
  options: GenerateOptions,
): AsyncGenerator<GenerationStep, void, void> {
  const generation = new Generation(engine, tokenizer, prompt, options);
  const slice = Math.max(1, options.prefillSlice ?? 256);
  while (!generation.prefill(slice)) await nextTurn();
  while (!generation.done) {
    await nextTurn();
    yield generation.next();
  }
}

/** The state between two tokens. */
class Generation {
  readonly promptLength: number;
  readonly #engine: Engine;
  readonly #options: GenerateOptions;
  readonly #prompt: readonly number[];
  readonly #eosIds: ReadonlySet<number>;
  readonly #sampler: Sampler;
  readonly #filter: StopFilter;
  readonly #decoder: ReturnType<TextTokenizer['decodeStream']>;
  #prefilled = 0;
  #logits: Float32Array | undefined;
  #generated = 0;
  #last: number | undefined;
  #done = false;

  constructor(
    engine: Engine,
    tokenizer: TextTokenizer,
    prompt: string | readonly number[],
    options: GenerateOptions,
  ) {
    if (!Number.isSafeInteger(options.maxTokens) || options.maxTokens < 0) {
      throw new BitloomError({
        code: 'max-tokens',
        message: 'the number of tokens to generate is wrong',
        expected: 'an integer, at least 0',
        got: String(options.maxTokens),
      });
    }
    this.#engine = engine;
    this.#options = options;
    this.#prompt = promptIds(tokenizer, prompt);
    this.promptLength = this.#prompt.length;
    this.#eosIds = new Set(options.eosIds ?? tokenizer.eosIds);
    this.#sampler = createSampler(options);
    this.#filter = createStopFilter(options.stop ?? []);
    this.#decoder = tokenizer.decodeStream({ after: this.#prompt });
    this.#done = options.maxTokens === 0;
  }

  get done(): boolean {
    return this.#done;
  }

  /** Runs up to `count` more tokens of the prompt; true when it is complete. */
  prefill(count: number): boolean {
    this.#checkSignal();
    const end = Math.min(this.promptLength, this.#prefilled + count);
    this.#logits = this.#engine.prefill(this.#prompt.slice(this.#prefilled, end));
    this.#prefilled = end;
    return end === this.promptLength;
  }

  next(): GenerationStep {
    this.#checkSignal();
    const logits = this.#last === undefined ? this.#logits : this.#engine.decode(this.#last);
    const token = this.#sampler.pick(logits ?? new Float32Array(0));
    this.#last = token;
    this.#generated += 1;
    if (this.#eosIds.has(token)) return this.#finish(token, '', 'eos');
    const { text, stopped } = this.#filter.push(this.#decoder.push(token));
    if (stopped) {
      this.#done = true;
      return { token, text, finish: 'stop' };
    }
    if (this.#generated === this.#options.maxTokens) return this.#finish(token, text, 'length');
    // The next token would not fit any more: hand out what is held back before the engine says so.
    if (this.#engine.position === this.#engine.capacity) return { token, text: text + this.#flush().text };
    return { token, text };
  }

  #finish(token: number, text: string, finish: 'eos' | 'length'): GenerationStep {
    this.#done = true;
    const rest = this.#flush();
    return { token, text: text + rest.text, finish: rest.stopped ? 'stop' : finish };
  }

  /** Everything held back; the end of the decoder may still complete a stop string. */
  #flush(): { readonly text: string; readonly stopped: boolean } {
    const { text, stopped } = this.#filter.push(this.#decoder.end());
    return { text: stopped ? text : text + this.#filter.end(), stopped };
  }

  #checkSignal(): void {
    const { signal } = this.#options;
    if (signal?.aborted !== true) return;
    this.#done = true;
    throw new BitloomError({
      code: 'generation-aborted',
      message: 'generation was cancelled',
      where: `after ${this.#generated} tokens`,
      cause: signal.reason,
    });
  }
}

/** Lets timers, signals and input run. `setImmediate` is a thousand times faster where it exists. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
