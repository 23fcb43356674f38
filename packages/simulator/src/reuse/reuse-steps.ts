/** Decode steps of which only some are executed; the sum of all is reckoned from them (`sampled-steps.ts`). */
import { addCounters, type Counters, roundCounters } from '../time/counters.js';
import { piecesOf, sampleSteps } from './sampled-steps.js';

/** Twice the standard error of a sum, relative to it, with which the executed steps are enough. */
export const REUSE_TOLERANCE = 0.0007;

export interface ReusableSteps {
  /** Number of steps, and the past of the first. */
  readonly steps: number;
  readonly first: number;
  /** Piece of the expressions in which a step is, see `TimedCard.piece`. */
  readonly piece: (past: number) => string;
  /** Executes a step. */
  readonly run: (past: number) => Counters;
  /** Where the costs of all steps are added; must be empty. */
  readonly into: Counters;
  /** Told how many steps are known. */
  readonly onProgress?: (done: number) => void;
}

/** The figures that must agree: the time, what each unit worked in it, what each memory moved. */
function figuresOf(counters: Counters): number[] {
  const { cycles } = counters;
  const moved = [...counters.memories.values()].map(
    ({ weights, kv, activations, other }) => weights + kv + activations + other,
  );
  // Relative to the whole time, of which a unit may work a small part.
  return [cycles, ...counters.units.map(({ busy }) => cycles + busy), ...moved];
}

/** Adds the costs of all steps. @returns what people should know of it */
export function reuseSteps({ steps, first, piece, run, into, onProgress }: ReusableSteps): string {
  const executed = new Map<number, Counters>();
  const execute = (past: number): Counters => {
    const known = executed.get(past) ?? run(past);
    executed.set(past, known);
    onProgress?.(Math.min(steps - 1, executed.size));
    return known;
  };
  let last = piece(first);
  const pieces = piecesOf(first, steps, (past) => {
    const own = piece(past);
    const isBreak = own !== last;
    last = own;
    return isBreak;
  });
  const { weights, error } = sampleSteps(pieces, (past) => figuresOf(execute(past)), REUSE_TOLERANCE);
  for (const [past, weight] of weights) addCounters(into, execute(past), weight);
  roundCounters(into);
  onProgress?.(steps);
  return (
    `decode: ${executed.size} of ${steps} steps executed, the sum of all reckoned from them; ` +
    `two standard errors of it are ${(100 * error).toFixed(3)} %`
  );
}
