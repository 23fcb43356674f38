/**
 * How often a loop body repeats itself: the number of iterations after which every expression of the body has
 * moved by a constant. Leaving out whole periods of a long loop keeps the phase of every ring buffer, so that
 * the iterations around the gap meet the same buffers as in the full loop.
 */
import type { Expression } from '../expression.js';

/** Periods beyond this are not worth finding: such a loop is expanded in full. */
const LARGEST_PERIOD = 65_536;

/** How an expression moves with a variable. */
export interface Progress {
  /** Iterations after which it has changed by a constant. */
  readonly period: number;
  /** That constant; undefined where pieces of a minimum or maximum change differently. */
  readonly step: number | undefined;
}

function gcd(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}

function lcm(a: number, b: number): number {
  if (!Number.isFinite(a) || !Number.isFinite(b)) return Number.POSITIVE_INFINITY;
  return (a / gcd(a, b)) * b;
}

/**
 * Iterations of `variable` after which each expression has changed by a constant (piecewise, under minimum and
 * maximum). Infinity when that is more than 65,536.
 */
export function iterationPeriod(expressions: Iterable<Expression>, variable: string): number {
  let period = 1;
  for (const expression of expressions) {
    period = lcm(period, progress(expression, variable).period);
    if (period > LARGEST_PERIOD) return Number.POSITIVE_INFINITY;
  }
  return period;
}

/** Period and step of one expression, see {@link iterationPeriod}. */
export function progress(expression: Expression, variable: string): Progress {
  if (typeof expression === 'number') return { period: 1, step: 0 };
  if ('sym' in expression) return { period: 1, step: expression.sym === variable ? 1 : 0 };
  if ('mul' in expression) {
    const inner = progress(expression.mul[1], variable);
    return {
      period: inner.period,
      step: inner.step === undefined ? undefined : inner.step * expression.mul[0],
    };
  }
  if ('add' in expression) {
    const { period, steps } = together(expression.add, variable);
    const known = steps.filter((step) => step !== undefined);
    const isKnown = known.length === steps.length;
    return { period, step: isKnown ? known.reduce((sum, step) => sum + step, 0) : undefined };
  }
  if ('floorDiv' in expression) return divided(expression.floorDiv, variable, false);
  if ('ceilDiv' in expression) return divided(expression.ceilDiv, variable, false);
  if ('mod' in expression) return divided(expression.mod, variable, true);
  if ('lookup' in expression) {
    const { period, step } = progress(expression.lookup[0], variable);
    // A table follows no rule: its values repeat where its index does.
    return step === 0 ? { period, step } : { period: Number.POSITIVE_INFINITY, step: undefined };
  }
  const { period, steps } = together('min' in expression ? expression.min : expression.max, variable);
  return { period, step: steps.every((step) => step === steps[0]) ? steps[0] : undefined };
}

/** Common period of several expressions, and each one's change over it. */
function together(
  list: readonly Expression[],
  variable: string,
): { period: number; steps: (number | undefined)[] } {
  const parts = list.map((part) => progress(part, variable));
  const period = parts.reduce((all, part) => lcm(all, part.period), 1);
  const steps = parts.map((part) =>
    part.step === undefined ? undefined : part.step * (period / part.period),
  );
  return { period, steps };
}

/** Division repeats once its operand has moved by a multiple of the divisor; the remainder is then where it was. */
function divided(
  [operand, by]: readonly [Expression, number],
  variable: string,
  isModulo: boolean,
): Progress {
  const inner = progress(operand, variable);
  const repeats = inner.step === undefined ? by : by / gcd(inner.step, by);
  const period = inner.period * repeats;
  if (isModulo) return { period, step: 0 };
  return { period, step: inner.step === undefined ? undefined : (inner.step * repeats) / by };
}
