/**
 * A walk through a stream in which some repetitions of its period stand for all: a core executes those that a plan names
 * and jumps over the others. Each executed one has a weight, which is how many it stands for; times and costs count
 * by it.
 */
import type { StreamPeriod } from './stream-period.js';

/** Repetitions that are executed, in their order, and the weight of each. Weights sum to the number of repetitions. */
export interface PeriodPlan {
  readonly executed: readonly number[];
  readonly weights: readonly number[];
}

/** Repetitions that stand for those that are left out. */
const STEADY = 3;
/** Fewer repetitions than this are all executed. */
const LEAST_PLANNED = 10;

/** Repetitions that {@link drawPlan} executes. */
export const PLANNED = STEADY + 4;

/**
 * A plan for `count` repetitions: the first two, in which queues fill, the last, and a few between them at a place drawn
 * by lot, of which the one after the jump counts for itself and the others for all that are left out; undefined when there
 * are too few.
 * @param lot a whole number; the same gives the same plan
 */
export function drawPlan(count: number, lot: number): PeriodPlan | undefined {
  if (count < LEAST_PLANNED) return undefined;
  const jump = 2 + (mixed(lot) % (count - 3 - STEADY));
  const steady = Array.from({ length: STEADY }, (_, i) => jump + 1 + i);
  return {
    executed: [0, 1, jump, ...steady, count - 1],
    weights: [1, 1, 1, ...steady.map(() => (count - 4) / STEADY), 1],
  };
}

/** Standard deviation of the cycles that a run adds for what it jumped over, from how its repetitions scatter. */
export function skippedDeviation({ weights }: PeriodPlan, cycles: Float64Array): number {
  const steady = [...cycles].filter((_, i) => weights[i] > 1);
  if (steady.length < 2) return 0;
  const mean = steady.reduce((sum, value) => sum + value, 0) / steady.length;
  const squares = steady.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const stoodFor = weights.reduce((sum, weight) => sum + Math.max(0, weight - 1), 0);
  return stoodFor * Math.sqrt(squares / (steady.length - 1) / steady.length);
}

function mixed(lot: number): number {
  let bits = Math.imul(lot + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d);
  bits = Math.imul(bits ^ (bits >>> 12), 0x297a2d39);
  return (bits ^ (bits >>> 15)) >>> 0;
}

export class PeriodWalk {
  /** Index of the instruction at which {@link cross} is to be called next; -1: no more. */
  mark: number;
  /** What the repetition being handed over counts, 1 outside of the period. */
  weight = 1;
  /** Cycles that each executed repetition took, by its place in the plan. */
  readonly cycles: Float64Array;
  private readonly period: StreamPeriod;
  private readonly plan: PeriodPlan;
  /** Place in the plan of the repetition that is under way, and when it began. */
  private at = -1;
  private since = 0;

  constructor(period: StreamPeriod, plan: PeriodPlan) {
    this.period = period;
    this.plan = plan;
    this.cycles = new Float64Array(plan.executed.length);
    this.mark = period.start;
  }

  /** Told that the dispatcher stands at {@link mark} at cycle `now`; gives the index where it goes on. */
  cross(now: number): number {
    const { start, length, count } = this.period;
    const { executed, weights } = this.plan;
    if (this.at >= 0) this.cycles[this.at] = now - this.since;
    this.at++;
    this.since = now;
    if (this.at === executed.length) {
      this.mark = -1;
      this.weight = 1;
      return start + count * length;
    }
    this.weight = weights[this.at];
    const pc = start + executed[this.at] * length;
    this.mark = pc + length;
    return pc;
  }

  /** Cycles that the repetitions which were jumped over add. */
  get skipped(): number {
    return this.cycles.reduce((sum, cycles, i) => sum + (this.plan.weights[i] - 1) * cycles, 0);
  }
}
