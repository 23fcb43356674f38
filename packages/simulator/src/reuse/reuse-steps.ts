/**
 * Decode steps of which only some are executed, and of these only some of the layers that repeat; the sum of all is
 * reckoned from them (`sampled-steps.ts`, `../time/period-walk.ts`).
 */
import { addCounters, type Counters, roundCounters } from '../time/counters.js';
import { drawPlan, type PeriodPlan, PLANNED, skippedDeviation } from '../time/period-walk.js';
import { piecesOf, sampleSteps } from './sampled-steps.js';

/** Twice the standard error of a sum, relative to it, with which the executed steps are enough. */
export const REUSE_TOLERANCE = 0.0005;

export interface ReusableSteps {
  /** Number of steps, and the past of the first. */
  readonly steps: number;
  readonly first: number;
  /** Piece of the expressions in which a step is, see `TimedCard.piece`. */
  readonly piece: (past: number) => string;
  /** How often layers repeat in a step, 0 when they do not. */
  readonly repetitions: number;
  /** Executes a step: of its layers only those of a plan, and tells their cycles. */
  readonly run: (past: number, plan?: PeriodPlan, onRepetitions?: (cycles: Float64Array) => void) => Counters;
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

/** Fewer steps than this do not even out what single ones are off by, so their layers are all executed. */
const LEAST_STEPS = 24;
/** The same of steps and layers together; where layers are too different for it, all of them are executed. */
const LAYERS_TOLERANCE = 0.0009;

/** Adds the costs of all steps. @returns what people should know of it */
export function reuseSteps(options: ReusableSteps): string {
  const { steps, first, piece, repetitions, run, into, onProgress } = options;
  const executed = new Map<number, Counters>();
  const deviations = new Map<number, number>();
  const areLayersReused = steps >= LEAST_STEPS && drawPlan(repetitions, first) !== undefined;
  const execute = (past: number): Counters => {
    const known = executed.get(past);
    if (known !== undefined) return known;
    const plan = areLayersReused ? drawPlan(repetitions, past) : undefined;
    const counters = run(past, plan, (cycles) => {
      if (plan !== undefined) deviations.set(past, skippedDeviation(plan, cycles));
    });
    executed.set(past, counters);
    onProgress?.(Math.min(steps - 1, executed.size));
    return counters;
  };
  let last = piece(first);
  const pieces = piecesOf(first, steps, (past) => {
    const own = piece(past);
    const isBreak = own !== last;
    last = own;
    return isBreak;
  });
  const { weights, error } = sampleSteps(pieces, (past) => figuresOf(execute(past)), REUSE_TOLERANCE);
  let [cycles, variance] = [0, 0];
  for (const [past, weight] of weights) {
    cycles += weight * execute(past).cycles;
    variance += (weight * (deviations.get(past) ?? 0)) ** 2;
  }
  const doubleError = Math.hypot(error, (2 * Math.sqrt(variance)) / cycles);
  if (doubleError > LAYERS_TOLERANCE && areLayersReused) return reuseSteps({ ...options, repetitions: 0 });
  for (const [past, weight] of weights) addCounters(into, execute(past), weight);
  roundCounters(into);
  onProgress?.(steps);
  const layers = areLayersReused ? `, in each ${PLANNED} of ${repetitions} layers that repeat` : '';
  return (
    `decode: ${executed.size} of ${steps} steps executed${layers}; the sum of all is reckoned from them, ` +
    `two standard errors of it are ${(100 * doubleError).toFixed(3)} %`
  );
}
