/** The kernels of a family with the large calls divided over threads; small calls stay on the calling thread. */
import type { FamilyTable, KernelFamily } from '../family.js';
import type { KernelName, NumericKernel } from '../kernels.js';
import { type Division, SHARES_PER_THREAD } from './division.js';

/** Most shares of one job; fits the low byte of the tickets of a pool. */
export const MAX_SHARES = 64;

/** One job: the same kernel with the arguments of each share. */
export interface Job {
  readonly kernel: KernelName;
  readonly shares: readonly (readonly number[])[];
  /** Position of the pointer to scratch memory, which each thread appends to its share; undefined: none. */
  readonly scratchArgument: number | undefined;
}

/** Threads that take shares: workers with WebAssembly, or those of the native backend. */
export interface ShareRunner {
  /** Threads beside the calling one that take part at present. */
  readonly ready: number;
  /** Runs every share, here and elsewhere, and returns when all are finished. No two may write the same memory. */
  run(job: Job): void;
}

/** @param limit threads at most, the calling one included */
export function parallelKernels(
  serial: FamilyTable,
  family: Pick<KernelFamily, 'names' | 'divisions'>,
  runner: ShareRunner,
  limit: number,
): FamilyTable {
  const most = Math.min(limit, MAX_SHARES / SHARES_PER_THREAD);
  const divided = (kernel: KernelName, alone: NumericKernel, division: Division): NumericKernel => {
    const { least, work, shares, scratchArgument } = division;
    return (...args) => {
      const threads = work(args) < least ? 1 : Math.min(most, 1 + runner.ready);
      if (threads === 1) alone(...args);
      else runner.run({ kernel, shares: shares(args, threads), scratchArgument });
    };
  };
  const table: FamilyTable = { ...serial };
  for (const name of family.names) {
    const [alone, division] = [serial[name], family.divisions[name]];
    if (alone !== undefined && division !== undefined) table[name] = divided(name, alone, division);
  }
  return table;
}
