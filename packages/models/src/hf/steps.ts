/**
 * Long work in steps: run to its end at once, or with a turn for everything else between steps, so that it can be
 * watched and cancelled.
 */
import { BitloomError } from '@bitloom/ir';

/** Work that stops after each step. */
export type Steps<T> = Generator<{ readonly done: number; readonly total: number }, T, void>;

/** How long work is watched. */
export interface WatchOptions {
  /** Cancels the work with `write-cancelled`, after the step it is at. */
  readonly signal?: AbortSignal;
  /** Called after each step. */
  onProgress?(done: number, total: number): void;
}

/** Runs all steps at once. */
export function runSteps<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

/**
 * Runs the steps with a turn of the event loop after each.
 * @throws BitloomError `write-cancelled`, and what the steps throw
 */
export async function watchSteps<T>(steps: Steps<T>, { signal, onProgress }: WatchOptions): Promise<T> {
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value;
    onProgress?.(step.value.done, step.value.total);
    await new Promise((resolve) => setTimeout(resolve));
    if (signal?.aborted === true) {
      throw new BitloomError({
        code: 'write-cancelled',
        message: 'the export was cancelled before anything was written',
        where: `tensor ${step.value.done} of ${step.value.total}`,
      });
    }
  }
}
