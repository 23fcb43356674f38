/**
 * Progress of work on stderr: a bar once the work has lasted a second, on a terminal only. Works inside synchronous
 * work, because it draws when it is told of progress.
 */

export interface Progress {
  update(done: number, total: number): void;
  /** Removes the bar. */
  stop(): void;
}

export const NO_PROGRESS: Progress = { update: () => {}, stop: () => {} };

/** Milliseconds of work before a bar appears. */
const PATIENCE = 1000;

/** A bar with a name on `stream`. */
export async function openProgress(name: string, stream: NodeJS.WriteStream): Promise<Progress> {
  const { default: cliProgress } = await import('cli-progress');
  const started = performance.now();
  let bar: InstanceType<typeof cliProgress.SingleBar> | undefined;
  return {
    update(done, total) {
      if (bar === undefined) {
        if (performance.now() - started < PATIENCE || done >= total) return;
        bar = new cliProgress.SingleBar({
          stream,
          format: `${name} {bar} {percentage}% | {eta_formatted}`,
          barCompleteChar: '#',
          barIncompleteChar: '.',
          barsize: 30,
          clearOnComplete: true,
          hideCursor: null,
        });
        bar.start(total, done);
      }
      bar.update(done);
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}
