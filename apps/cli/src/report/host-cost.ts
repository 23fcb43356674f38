/**
 * What a command cost this machine, in wall time and memory: the `host` block of `--json` and the lines of `--stats`.
 * What a simulated card would have cost stands in its report, not here.
 */
import type { OpenEngine } from '../input/open-engine.js';
import { bytes, quantity } from '../terminal/quantity.js';

/** What every command that computes says about this machine. */
export interface HostCost {
  /** From the start of the command's work to an engine that is ready. */
  readonly loadSeconds: number;
  readonly kernels: string;
  readonly threads: number;
  /** Kernels that failed their check on this machine and run on a slower backend; empty when all is well. */
  readonly fallbacks: readonly string[];
  /** Largest resident memory of the process. */
  readonly peakMemoryBytes: number;
}

/** Work of one kind: tokens that went through the model, and how long they took. */
export interface Work {
  readonly name: string;
  readonly tokens: number;
  readonly seconds: number;
  /** What stands between the number of tokens and the time; default `tokens`. */
  readonly of?: string;
}

/** The cost so far. Asked for when the work is done, so that the largest memory is in it. */
export function hostCost({ kernels }: Pick<OpenEngine, 'kernels'>, loadSeconds: number): HostCost {
  return {
    loadSeconds,
    kernels: kernels.backend,
    threads: kernels.threads,
    fallbacks: kernels.fallbacks,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
  };
}

/** The line on stderr where the engine refuses or wrongly computes something and a slower backend stands in. */
function fallbacksText(names: readonly string[]): string {
  return `kernels that the engine refuses or that failed their check, and that run on a slower backend: ${names.join(', ')}`;
}

/** What `--stats` prints: a line for the load, one for each kind of work, then kernels and memory. */
function costText(cost: HostCost, work: readonly Work[]): string {
  const { loadSeconds, kernels, threads, fallbacks, peakMemoryBytes } = cost;
  const lines: readonly (readonly [name: string, value: string])[] = [
    ['load', quantity(loadSeconds, 's')],
    ...work.map((one) => [one.name, workText(one)] as const),
    [
      'kernels',
      `${kernels}, ${threads} ${threads === 1 ? 'thread' : 'threads'}; peak memory ${bytes(peakMemoryBytes)}`,
    ],
    ['fallback', fallbacks.length === 0 ? 'none' : fallbacks.join(', ')],
  ];
  return lines.map(([name, value]) => `${name.padEnd(8)} ${value}`).join('\n');
}

function workText({ tokens, seconds, of = 'tokens' }: Work): string {
  const rate = tokens > 0 && seconds > 0 ? `, ${quantity(tokens / seconds, 'token/s')}` : '';
  return `${tokens} ${of} in ${quantity(seconds, 's')}${rate}`;
}

/** What is said of the cost on stderr: all of it when asked for, else only what is wrong. */
export function costLine(cost: HostCost, work: readonly Work[], wanted: boolean): string | undefined {
  if (wanted) return costText(cost, work);
  return cost.fallbacks.length === 0 ? undefined : fallbacksText(cost.fallbacks);
}
