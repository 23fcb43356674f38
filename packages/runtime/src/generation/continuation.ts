/**
 * One text as it grows: draws a token from logits, decodes it, watches for the end. It runs no engine; whoever does
 * asks for the prompt, then for the last token, and hands in the logits.
 */
import { BitloomError } from '@bitloom/ir';
import type { Engine } from '../engine.js';
import { createSampler, type Sampler, type SamplingOptions } from '../sampling/sampler.js';
import { promptIds, type TextTokenizer } from './prompt.js';
import { createStopFilter, type StopFilter } from './stop-strings.js';

export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to generate. */
  readonly maxTokens: number;
  /** Text ends before the first of these. */
  readonly stop?: readonly string[];
  /** Tokens that end the text; default: those of the tokenizer. */
  readonly eosIds?: readonly number[];
  readonly signal?: AbortSignal;
  /** Tokens of the prompt that `generateAsync` runs between two looks at `signal`; default 256. */
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

export class Continuation {
  readonly prompt: readonly number[];
  readonly #options: GenerateOptions;
  readonly #eosIds: ReadonlySet<number>;
  readonly #sampler: Sampler;
  readonly #filter: StopFilter;
  readonly #decoder: ReturnType<TextTokenizer['decodeStream']>;
  #generated = 0;
  #last: number | undefined;
  #isDone: boolean;

  /** @throws BitloomError `max-tokens`, `prompt-empty`, `sampling-option`, `stop-string-empty` */
  constructor(tokenizer: TextTokenizer, prompt: string | readonly number[], options: GenerateOptions) {
    if (!Number.isSafeInteger(options.maxTokens) || options.maxTokens < 0) {
      throw new BitloomError({
        code: 'max-tokens',
        message: 'the number of tokens to generate is wrong',
        expected: 'an integer, at least 0',
        got: String(options.maxTokens),
      });
    }
    this.#options = options;
    this.prompt = promptIds(tokenizer, prompt);
    this.#eosIds = new Set(options.eosIds ?? tokenizer.eosIds);
    this.#sampler = createSampler(options);
    this.#filter = createStopFilter(options.stop ?? []);
    this.#decoder = tokenizer.decodeStream({ after: this.prompt });
    this.#isDone = options.maxTokens === 0;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** The token to run next; undefined while none was drawn, and the prompt is. */
  get last(): number | undefined {
    return this.#last;
  }

  /**
   * Draws from the logits of the last token that was run.
   * @param engine where the sequence is; a full one can give no more logits
   */
  take(logits: Float32Array, engine: Pick<Engine, 'position' | 'capacity'>): GenerationStep {
    const token = this.#sampler.pick(logits);
    this.#last = token;
    this.#generated += 1;
    if (this.#eosIds.has(token)) return this.#finish(token, '', 'eos');
    const { text, stopped } = this.#filter.push(this.#decoder.push(token));
    if (stopped) {
      this.#isDone = true;
      return { token, text, finish: 'stop' };
    }
    if (this.#generated === this.#options.maxTokens) return this.#finish(token, text, 'length');
    // The next token would not fit any more: hand out what is held back before the engine says so.
    if (engine.position === engine.capacity) return { token, text: text + this.#flush().text };
    return { token, text };
  }

  /** @throws BitloomError `generation-aborted` */
  checkSignal(): void {
    const { signal } = this.#options;
    if (signal?.aborted !== true) return;
    this.#isDone = true;
    throw new BitloomError({
      code: 'generation-aborted',
      message: 'generation was cancelled',
      where: `after ${this.#generated} tokens`,
      cause: signal.reason,
    });
  }

  #finish(token: number, text: string, finish: 'eos' | 'length'): GenerationStep {
    this.#isDone = true;
    const rest = this.#flush();
    return { token, text: text + rest.text, finish: rest.stopped ? 'stop' : finish };
  }

  /** Everything held back; the end of the decoder may still complete a stop string. */
  #flush(): { readonly text: string; readonly stopped: boolean } {
    const { text, stopped } = this.#filter.push(this.#decoder.end());
    return { text: stopped ? text : text + this.#filter.end(), stopped };
  }
}
