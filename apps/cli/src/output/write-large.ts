/**
 * Writes files that take their time: with a progress bar, and cancelled cleanly by an interrupt, so that no half of a
 * file stays behind under any name. Elsewhere an interrupt ends the command at once, because there is nothing to clean
 * up.
 */
import type { ContainerContent } from '@bitloom/ir/container';
import { type AsyncWriteOptions, writeContainerAsync } from '@bitloom/ir/node';
import type { Terminal } from '../terminal/terminal.js';

/**
 * Writes a container.
 *
 * @returns length of the file in bytes
 * @throws BitloomError `write-cancelled`, `write-failed`, and what the sections throw
 */
export function writeLarge(path: string, content: ContainerContent, terminal: Terminal): Promise<number> {
  return watchWrite(path, terminal, (options) => writeContainerAsync(path, content, options));
}

/** Runs a write that can be watched and cancelled. */
export function watchWrite<T>(
  path: string,
  terminal: Terminal,
  write: (options: AsyncWriteOptions) => Promise<T>,
): Promise<T> {
  return watchWork(`writing ${path}`, terminal, write);
}

/** Runs work that can be watched and cancelled. `name` is what the bar calls it. */
export async function watchWork<T>(
  name: string,
  terminal: Terminal,
  work: (options: AsyncWriteOptions) => Promise<T>,
): Promise<T> {
  const progress = await terminal.progress(name);
  const controller = new AbortController();
  const cancel = (): void => controller.abort();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, cancel);
  try {
    return await work({
      signal: controller.signal,
      onProgress: (done, total) => progress.update(done, total),
    });
  } finally {
    for (const signal of signals) process.off(signal, cancel);
    progress.stop();
  }
}
