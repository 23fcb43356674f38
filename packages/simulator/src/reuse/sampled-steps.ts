/**
 * The sum of many steps from few of them. Steps lie in pieces: within a piece every loop has the same number of trips
 * and every length grows linearly. First steps of pieces, last steps and those between are classes of their own, since
 * a border may cost more. In each class the steps are divided into runs, one step of each run is executed, at a place
 * drawn by lot, and the class is taken as a line through them with what each differs from it.
 *
 * How far executed steps scatter about their line says how far the sum may be off: twice its standard error. More steps
 * are executed until that is within the tolerance. The result is a weight for each executed step. Knows nothing of what
 * a step is.
 */

/** Steps [first, first + count): consecutive whole numbers. */
export interface Piece {
  readonly first: number;
  readonly count: number;
}

export interface SampledSteps {
  /** Executed steps and the weight of each; the weights sum to the number of steps. */
  readonly weights: ReadonlyMap<number, number>;
  /** Twice the standard error of the sum, relative to it, of the figure where it is largest; 0 when all were executed. */
  readonly error: number;
}

/** Cuts steps where `isBreak(step)` says that a piece begins. */
export function piecesOf(first: number, count: number, isBreak: (step: number) => boolean): Piece[] {
  const out: Piece[] = [];
  let start = first;
  for (let step = first + 1; step <= first + count; step++) {
    if (step < first + count && !isBreak(step)) continue;
    out.push({ first: start, count: step - start });
    start = step;
  }
  return out;
}

/** Steps [from, to) of a class, of which one is executed. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly sample: number;
}

/**
 * Runs in a class to begin with; a class of fewer steps is executed whole. At least three: a line goes through any two
 * steps, which would then seem not to scatter.
 */
const FIRST_RUNS = { border: 6, between: 20 } as const;

/** Of the largest variance that a class has in the sum: classes with less are left as they are. */
const SHARE = 0.25;

/**
 * Chooses the steps to execute and weighs them.
 * @param figures executes a step, once, and gives the figures whose sums must be right, as many for every step
 * @param tolerance of the relative difference of sums
 */
export function sampleSteps(
  pieces: readonly Piece[],
  figures: (step: number) => readonly number[],
  tolerance: number,
): SampledSteps {
  const known = new Map<number, readonly number[]>();
  const measure = (step: number): readonly number[] => {
    const values = known.get(step) ?? figures(step);
    known.set(step, values);
    return values;
  };
  let runs = classesOf(pieces).map(({ steps, most }) => new ClassRuns(steps, most));
  for (;;) {
    const { error, variances } = doubleError(runs, measure);
    if (error <= tolerance) {
      const weights = new Map<number, number>();
      for (const one of runs) for (const [step, weight] of one.weights()) weights.set(step, weight);
      for (const step of weights.keys()) measure(step);
      return { weights, error };
    }
    const most = Math.max(...variances);
    // Variance falls as steps are added; a little more than what is missing, at most twice as many.
    const growth = Math.min(1, Math.max(0.1, 1.1 * (error / tolerance) ** 2 - 1));
    runs = runs.map((one, i) => (variances[i] >= SHARE * most ? one.divided(growth) : one));
  }
}

/** First steps of pieces, last ones, and what is between. */
function classesOf(pieces: readonly Piece[]): { steps: number[]; most: number }[] {
  const [first, last, between]: [number[], number[], number[]] = [[], [], []];
  for (const piece of pieces) {
    const end = piece.first + piece.count - 1;
    first.push(piece.first);
    if (end > piece.first) last.push(end);
    for (let step = piece.first + 1; step < end; step++) between.push(step);
  }
  return [
    { steps: first, most: FIRST_RUNS.border },
    { steps: last, most: FIRST_RUNS.border },
    { steps: between, most: FIRST_RUNS.between },
  ].filter(({ steps }) => steps.length > 0);
}

class ClassRuns {
  private readonly steps: readonly number[];
  private readonly runs: readonly Run[];

  constructor(steps: readonly number[], most: number, runs?: readonly Run[]) {
    this.steps = steps;
    const count = Math.min(most, steps.length);
    this.runs =
      runs ??
      Array.from({ length: count }, (_, i) => {
        const [from, to] = [
          Math.floor((i * steps.length) / count),
          Math.floor(((i + 1) * steps.length) / count),
        ];
        return { from, to, sample: draw(from, to) };
      });
  }

  /** Whether every step is executed. */
  get isWhole(): boolean {
    return this.runs.length === this.steps.length;
  }

  /**
   * A share of the runs in two, the longest first: one half keeps the step that is executed already.
   * @param share above 0, up to 1 for all
   */
  divided(share: number): ClassRuns {
    const byLength = [...this.runs].sort((a, b) => b.to - b.from - (a.to - a.from) || a.from - b.from);
    const cut = new Set(byLength.slice(0, Math.ceil(share * byLength.length)));
    const runs = this.runs.flatMap((run) => (cut.has(run) ? halves(run) : [run]));
    return new ClassRuns(this.steps, runs.length, runs);
  }

  /** A line through the executed steps, summed over all steps, and each run with what its step differs from it. */
  weights(): Map<number, number> {
    const { steps, runs } = this;
    const { mean, spread } = this.middle();
    const all = steps.reduce((sum, step) => sum + step, 0);
    const missing = all - runs.reduce((sum, { from, to, sample }) => sum + (to - from) * steps[sample], 0);
    return new Map(
      runs.map(({ from, to, sample }) => {
        const step = steps[sample];
        return [step, to - from + (spread > 0 ? (missing * (step - mean)) / spread : 0)];
      }),
    );
  }

  /** Variance of the sum of one figure, from how executed steps scatter about their line. */
  variance(read: (step: number) => number): number {
    const { steps, runs } = this;
    if (this.isWhole) return 0;
    const { mean, spread } = this.middle();
    const values = runs.map(({ sample }) => read(steps[sample]));
    const average = values.reduce((sum, value) => sum + value, 0) / runs.length;
    const slope =
      runs.reduce((sum, { sample }, i) => sum + (steps[sample] - mean) * (values[i] - average), 0) /
      (spread || 1);
    const squares = runs.reduce((sum, { sample }, i) => {
      return sum + (values[i] - average - slope * (steps[sample] - mean)) ** 2;
    }, 0);
    const scatter = squares / (runs.length - 2);
    return (steps.length * (steps.length - runs.length) * scatter) / runs.length;
  }

  private middle(): { mean: number; spread: number } {
    const { steps, runs } = this;
    const mean = runs.reduce((sum, { sample }) => sum + steps[sample], 0) / runs.length;
    return { mean, spread: runs.reduce((sum, { sample }) => sum + (steps[sample] - mean) ** 2, 0) };
  }
}

function halves(run: Run): readonly Run[] {
  const { from, to, sample } = run;
  if (to - from < 2) return [run];
  const cut = (from + to) >> 1;
  const [low, high] = [
    { from, to: cut },
    { from: cut, to },
  ];
  return sample < cut
    ? [
        { ...low, sample },
        { ...high, sample: draw(cut, to) },
      ]
    : [
        { ...low, sample: draw(from, cut) },
        { ...high, sample },
      ];
}

/** A place in [from, to), the same for the same run. */
function draw(from: number, to: number): number {
  let bits = Math.imul(from + 1, 0x9e3779b1) ^ Math.imul(to + 1, 0x85ebca77);
  bits = Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d);
  bits = Math.imul(bits ^ (bits >>> 12), 0x297a2d39);
  return from + (((bits ^ (bits >>> 15)) >>> 0) % (to - from));
}

/** Twice the standard error of the sum of all steps, of the figure where it is largest, and what each class has in it. */
function doubleError(
  runs: readonly ClassRuns[],
  measure: (step: number) => readonly number[],
): { error: number; variances: readonly number[] } {
  let worst: { error: number; variances: readonly number[] } = { error: 0, variances: runs.map(() => 0) };
  const sums: number[] = [];
  for (const one of runs) {
    for (const [step, weight] of one.weights()) {
      measure(step).forEach((value, i) => {
        sums[i] = (sums[i] ?? 0) + weight * value;
      });
    }
  }
  sums.forEach((sum, i) => {
    const variances = runs.map((one) => one.variance((step) => measure(step)[i]));
    const error = (2 * Math.sqrt(variances.reduce((all, own) => all + own, 0))) / Math.abs(sum);
    if (error > worst.error) worst = { error, variances };
  });
  return worst;
}
