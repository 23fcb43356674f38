/**
 * Several texts at once on one model: each pass over the weights takes a token of every text that is being written,
 * and fills what is left of the pass with prompts. A text that ends makes room for the next one that waits. Each text
 * is the one that `generate` gives alone, because neither logits nor draws depend on company.
 */
import { BitloomError } from '@bitloom/ir';
import { checkTokens, contextFull, type Engine } from '../engine.js';
import type { HostModel } from '../host/host-model.js';
import { Continuation, type GenerateOptions, type GenerationStep } from './continuation.js';
import type { TextTokenizer } from './prompt.js';

/** A text to write, with options of its own. */
export interface TextRequest extends GenerateOptions {
  readonly prompt: string | readonly number[];
}

export interface TextBatchOptions {
  /** Most texts at once; each has caches of its own. Default 8. */
  readonly sequences?: number;
}

/** What happened to one text. */
export interface TextBatchStep {
  /** What {@link TextBatch.submit} gave; of {@link generateBatch}, the index of the request. */
  readonly request: number;
  /** The token drawn; absent when the text ended without one. */
  readonly step?: GenerationStep;
  /**
   * Why the text cannot go on: `context-full`, `generation-aborted` or `logits-not-finite`. The others go on.
   */
  readonly error?: BitloomError;
  /** Whether nothing more follows for this text. */
  readonly isLast: boolean;
}

/** Texts in progress. All methods are synchronous; between two calls of `advance` requests come and go. */
export interface TextBatch {
  /** Requests that have no sequence yet. */
  readonly waiting: number;
  /** Requests in progress. */
  readonly running: number;
  /**
   * Adds a request behind those that wait and returns its number: 0, 1, 2 and so on.
   * @throws BitloomError `max-tokens`, `prompt-empty`, `sampling-option`, `stop-string-empty`, `token-out-of-range`,
   *   `context-full`, `batch-closed`
   */
  submit(request: TextRequest): number;
  /** Drops a request, waiting or in progress; of an unknown or ended one, nothing. */
  cancel(request: number): void;
  /** One pass over the weights; what came of it, at most one step per request. Nothing to do gives nothing. @throws BitloomError `batch-closed` */
  advance(): TextBatchStep[];
  /**
   * Drops all requests and closes the sequences; the model stays open. After it `submit` and `advance` throw
   * `batch-closed`, `cancel` finds nothing, and closing again does nothing.
   */
  close(): void;
}

const DEFAULT_SEQUENCES = 8;

/**
 * Opens `sequences` sequences of a model and writes texts with them.
 * @throws BitloomError `batch-sequences`, `arena-full`, `model-closed`
 */
export function createTextBatch(
  model: HostModel,
  tokenizer: TextTokenizer,
  options: TextBatchOptions = {},
): TextBatch {
  const count = options.sequences ?? DEFAULT_SEQUENCES;
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new BitloomError({
      code: 'batch-sequences',
      message: 'the number of texts at once is wrong',
      expected: 'a positive integer',
      got: String(count),
    });
  }
  const engines: Engine[] = [];
  try {
    while (engines.length < count) engines.push(model.open());
  } catch (error) {
    for (const engine of engines) engine.close();
    throw error;
  }
  return new Texts(model, tokenizer, engines);
}

/**
 * Writes all requests and yields their steps as they come. Throws as {@link createTextBatch} and
 * {@link TextBatch.submit}; what befalls one text later is in its steps.
 */
export function* generateBatch(
  model: HostModel,
  tokenizer: TextTokenizer,
  requests: readonly TextRequest[],
  options: TextBatchOptions = {},
): Generator<TextBatchStep, void, void> {
  const batch = createTextBatch(model, tokenizer, {
    sequences: options.sequences ?? Math.max(1, Math.min(DEFAULT_SEQUENCES, requests.length)),
  });
  try {
    for (const request of requests) batch.submit(request);
    while (batch.waiting + batch.running > 0) yield* batch.advance();
  } finally {
    batch.close();
  }
}

/** A request on its way: without an engine while it waits. */
interface Text {
  readonly request: number;
  readonly continuation: Continuation;
  /** Tokens of the prompt that have run. */
  prefilled: number;
}

interface RunningText extends Text {
  readonly engine: Engine;
}

class Texts implements TextBatch {
  readonly #model: HostModel;
  readonly #tokenizer: TextTokenizer;
  readonly #engines: readonly Engine[];
  readonly #free: Engine[];
  #waiting: Text[] = [];
  #running: RunningText[] = [];
  #submitted = 0;
  #closed = false;

  constructor(model: HostModel, tokenizer: TextTokenizer, engines: readonly Engine[]) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#engines = engines;
    this.#free = [...engines];
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#running.length;
  }

  submit(request: TextRequest): number {
    this.#requireOpen('submit');
    const continuation = new Continuation(this.#tokenizer, request.prompt, request);
    const { capacity, vocabularySize } = this.#model;
    checkTokens(continuation.prompt, { position: 0, capacity, vocabularySize });
    this.#waiting.push({ request: this.#submitted, continuation, prefilled: 0 });
    this.#submitted += 1;
    return this.#submitted - 1;
  }

  cancel(request: number): void {
    this.#waiting = this.#waiting.filter((text) => text.request !== request);
    const text = this.#running.find((candidate) => candidate.request === request);
    if (text !== undefined) this.#end(text);
  }

  advance(): TextBatchStep[] {
    this.#requireOpen('advance');
    const out: TextBatchStep[] = [];
    this.#start();
    for (const text of [...this.#running]) this.#guard(text, out, () => checkText(text));
    const pass = this.#plan();
    const logits = this.#model.step(pass);
    pass.forEach(({ text, tokens, engine }, i) => {
      if (text.prefilled < text.continuation.prompt.length) text.prefilled += tokens.length;
      if (text.prefilled < text.continuation.prompt.length) return;
      if (text.continuation.isDone) {
        this.#end(text);
        out.push({ request: text.request, isLast: true });
        return;
      }
      this.#guard(text, out, () => {
        const step = text.continuation.take(logits[i], engine);
        const isLast = text.continuation.isDone;
        if (isLast) this.#end(text);
        out.push({ request: text.request, step, isLast });
      });
    });
    return out;
  }

  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#running = [];
    for (const engine of this.#engines) engine.close();
  }

  #requireOpen(call: string): void {
    if (!this.#closed) return;
    throw new BitloomError({
      code: 'batch-closed',
      message: 'the batch of texts was closed, so it has no sequences to write with',
      expected: 'an open batch',
      got: `${call}() after close()`,
      hint: 'create another batch of the model',
    });
  }

  /** Gives free sequences to those that wait. */
  #start(): void {
    while (this.#free.length > 0) {
      const text = this.#waiting.shift();
      if (text === undefined) return;
      const engine = this.#free.pop();
      if (engine !== undefined) this.#running.push({ ...text, engine });
    }
  }

  /** What the next pass runs: the texts in progress, then as much of the prompts as fits. */
  #plan(): { readonly text: RunningText; readonly engine: Engine; readonly tokens: readonly number[] }[] {
    const drawn = this.#running.flatMap((text) => {
      const { last } = text.continuation;
      return last === undefined ? [] : [{ text, engine: text.engine, tokens: [last] }];
    });
    let room = Math.max(1, this.#model.chunk - drawn.length);
    const prompts = this.#running.flatMap((text) => {
      if (text.continuation.last !== undefined || room === 0) return [];
      const tokens = text.continuation.prompt.slice(text.prefilled, text.prefilled + room);
      room -= tokens.length;
      return [{ text, engine: text.engine, tokens }];
    });
    return [...drawn, ...prompts];
  }

  /** Runs something that may fail for one text, which then ends with the error. */
  #guard(text: RunningText, out: TextBatchStep[], run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof BitloomError) || error.code === 'internal') throw error;
      this.#end(text);
      out.push({ request: text.request, error, isLast: true });
    }
  }

  #end(text: RunningText): void {
    this.#running = this.#running.filter((other) => other !== text);
    text.engine.reset();
    this.#free.push(text.engine);
  }
}

/** Whether a text can go on. @throws BitloomError `generation-aborted`, `context-full` */
function checkText({ continuation, engine }: RunningText): void {
  continuation.checkSignal();
  if (continuation.last !== undefined && engine.position >= engine.capacity) {
    throw contextFull(engine.position, 1, engine.capacity);
  }
}
