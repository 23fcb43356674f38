/**
 * How thoroughly a program is verified on the way: every rule that holds for all lengths, and hazards on a few
 * expansions. `inspect --verify` takes its time.
 */
import type { VerifyOptions } from '@bitloom/ir';

export const QUICK_CHECK: VerifyOptions = { samples: 1, maxExecuted: 20_000, maxIterations: 4 };
