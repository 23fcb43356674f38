/**
 * Text from an engine, token by token: prompt, sampling, streaming, stop strings, cancellation. The engine keeps
 * its sequence, so a second call continues where the first one ended; the last token drawn is not part of it yet.
 */
import type { Engine } from '../engine.js';
import { Continuation, type GenerateOptions, type GenerationStep } from './continuation.js';
import type { TextTokenizer } from './prompt.js';

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
  const continuation = new Continuation(tokenizer, prompt, options);
  continuation.checkSignal();
  let logits = engine.prefill(continuation.prompt);
  while (!continuation.isDone) {
    continuation.checkSignal();
    if (continuation.last !== undefined) logits = engine.decode(continuation.last);
    yield continuation.take(logits, engine);
  }
}

/** As {@link generate}, giving the event loop a turn between tokens and between slices of the prompt. */
export async function* generateAsync(
  engine: Engine,
  tokenizer: TextTokenizer,
  prompt: string | readonly number[],
  options: GenerateOptions,
): AsyncGenerator<GenerationStep, void, void> {
  const continuation = new Continuation(tokenizer, prompt, options);
  const { prompt: ids } = continuation;
  const slice = Math.max(1, options.prefillSlice ?? 256);
  continuation.checkSignal();
  let logits = engine.prefill(ids.slice(0, slice));
  for (let at = slice; at < ids.length; at += slice) {
    await nextTurn();
    continuation.checkSignal();
    logits = engine.prefill(ids.slice(at, at + slice));
  }
  while (!continuation.isDone) {
    await nextTurn();
    continuation.checkSignal();
    if (continuation.last !== undefined) logits = engine.decode(continuation.last);
    yield continuation.take(logits, engine);
  }
}

/** Lets timers, signals and input run. `setImmediate` is a thousand times faster where it exists. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
