/**
 * Quasi-affine integer expressions of length symbols and loop variables: integer combinations, floor and
 * ceiling division and modulo by positive constants, minimum, maximum, and constant tables. Shapes of the model graph
 * and the dynamic fields of instructions are written in them, so that one program serves every length.
 * Plain data (JSON-able); nothing here knows what a symbol stands for.
 */
import { BitloomError, internalError } from './error.js';

/** A quasi-affine expression. Numbers are safe integers; divisors and moduli are positive. */
export type Expression =
  | number
  | { readonly sym: string }
  | { readonly add: readonly Expression[] }
  | { readonly mul: readonly [number, Expression] }
  | { readonly floorDiv: readonly [Expression, number] }
  | { readonly ceilDiv: readonly [Expression, number] }
  | { readonly mod: readonly [Expression, number] }
  | { readonly min: readonly Expression[] }
  | { readonly max: readonly Expression[] }
  | { readonly lookup: readonly [Expression, readonly number[]] };

/** Values of symbols by name. */
export type Bindings = Readonly<Record<string, number>>;

/** Closed integer interval. */
export interface Interval {
  readonly min: number;
  readonly max: number;
}

export function symbol(name: string): Expression {
  return { sym: name };
}

/** Sum, with constants folded and like terms joined, so that equal sums have equal text. */
export function add(...terms: readonly Expression[]): Expression {
  let constant = 0;
  const order: string[] = [];
  const factors = new Map<string, { factor: number; term: Expression }>();
  const visit = (term: Expression, factor: number): void => {
    if (typeof term === 'number') {
      constant += term * factor;
    } else if ('add' in term) {
      for (const inner of term.add) visit(inner, factor);
    } else if ('mul' in term) {
      visit(term.mul[1], factor * term.mul[0]);
    } else {
      const key = formatExpression(term);
      const known = factors.get(key);
      if (known === undefined) {
        order.push(key);
        factors.set(key, { factor, term });
      } else {
        known.factor += factor;
      }
    }
  };
  for (const term of terms) visit(term, 1);
  const out: Expression[] = [];
  for (const key of order) {
    const entry = factors.get(key);
    if (entry === undefined || entry.factor === 0) continue;
    out.push(entry.factor === 1 ? entry.term : { mul: [entry.factor, entry.term] });
  }
  if (constant !== 0 || out.length === 0) out.push(constant);
  const single = out.length === 1 ? out[0] : undefined;
  return single ?? { add: out };
}

export function multiply(factor: number, term: Expression): Expression {
  if (typeof term === 'number') return factor * term;
  if (factor === 0) return 0;
  if (factor === 1) return term;
  if ('mul' in term) return multiply(factor * term.mul[0], term.mul[1]);
  if ('add' in term) return add(...term.add.map((inner) => multiply(factor, inner)));
  return { mul: [factor, term] };
}

export function subtract(a: Expression, b: Expression): Expression {
  return add(a, multiply(-1, b));
}

function requireDivisor(divisor: number): void {
  if (!Number.isSafeInteger(divisor) || divisor <= 0) {
    throw new BitloomError({
      code: 'expression-divisor',
      message: 'a quasi-affine expression divides by a positive integer constant only',
      expected: 'a positive integer',
      got: String(divisor),
    });
  }
}

export function floorDivide(term: Expression, divisor: number): Expression {
  requireDivisor(divisor);
  if (divisor === 1) return term;
  return typeof term === 'number' ? Math.floor(term / divisor) : { floorDiv: [term, divisor] };
}

export function ceilDivide(term: Expression, divisor: number): Expression {
  requireDivisor(divisor);
  if (divisor === 1) return term;
  return typeof term === 'number' ? Math.ceil(term / divisor) : { ceilDiv: [term, divisor] };
}

export function modulo(term: Expression, divisor: number): Expression {
  requireDivisor(divisor);
  if (divisor === 1) return 0;
  return typeof term === 'number' ? term - Math.floor(term / divisor) * divisor : { mod: [term, divisor] };
}

/**
 * The value of a constant table at an index; one outside of the table takes the nearest end. Tables say what depends on
 * a length without rule, such as which tiles a mask shows.
 * @throws BitloomError `expression-table` for an empty table, or values that are no safe integers
 */
export function lookUp(table: readonly number[], index: Expression): Expression {
  if (table.length === 0 || !table.every((value) => Number.isSafeInteger(value))) {
    throw new BitloomError({
      code: 'expression-table',
      message: 'a table of an expression holds at least one integer, and nothing else',
      expected: 'safe integers',
      got:
        table.length === 0 ? 'an empty table' : String(table.find((value) => !Number.isSafeInteger(value))),
    });
  }
  return typeof index === 'number' ? tableValue(table, index) : { lookup: [index, table] };
}

/** Entry of a table at an index, or at the end that is nearest to it. */
export function tableValue(table: readonly number[], index: number): number {
  return table[Math.max(0, Math.min(table.length - 1, index))];
}

export function minimum(...terms: readonly Expression[]): Expression {
  return extremum(terms, Math.min, (list) => ({ min: list }));
}

export function maximum(...terms: readonly Expression[]): Expression {
  return extremum(terms, Math.max, (list) => ({ max: list }));
}

function extremum(
  terms: readonly Expression[],
  pick: (...values: number[]) => number,
  make: (list: Expression[]) => Expression,
): Expression {
  const constants = terms.filter((term): term is number => typeof term === 'number');
  const rest = terms.filter((term) => typeof term !== 'number');
  if (rest.length === 0) return pick(...constants);
  const list = constants.length > 0 ? [...rest, pick(...constants)] : [...rest];
  const single = list.length === 1 ? list[0] : undefined;
  return single ?? make(list);
}

/**
 * Value of an expression.
 * @throws BitloomError `expression-unbound` when a symbol has no value.
 */
export function evaluate(expression: Expression, bindings: Bindings): number {
  if (typeof expression === 'number') return expression;
  if ('sym' in expression) {
    const value = Object.hasOwn(bindings, expression.sym) ? bindings[expression.sym] : undefined;
    if (value === undefined) {
      throw new BitloomError({
        code: 'expression-unbound',
        message: `the symbol '${expression.sym}' has no value`,
        expected: `one of ${Object.keys(bindings).join(', ') || '(none)'}`,
        got: expression.sym,
      });
    }
    return value;
  }
  if ('add' in expression) return expression.add.reduce<number>((sum, e) => sum + evaluate(e, bindings), 0);
  if ('mul' in expression) return expression.mul[0] * evaluate(expression.mul[1], bindings);
  if ('floorDiv' in expression)
    return Math.floor(evaluate(expression.floorDiv[0], bindings) / expression.floorDiv[1]);
  if ('ceilDiv' in expression)
    return Math.ceil(evaluate(expression.ceilDiv[0], bindings) / expression.ceilDiv[1]);
  if ('mod' in expression) {
    const value = evaluate(expression.mod[0], bindings);
    return value - Math.floor(value / expression.mod[1]) * expression.mod[1];
  }
  if ('lookup' in expression) {
    const [index, table] = expression.lookup;
    return tableValue(table, evaluate(index, bindings));
  }
  if ('min' in expression) return Math.min(...expression.min.map((e) => evaluate(e, bindings)));
  return Math.max(...expression.max.map((e) => evaluate(e, bindings)));
}

/**
 * Turns an expression into a function over an array of symbol values, for code that evaluates it often.
 * `slots` gives each symbol's index in that array.
 */
export function compileExpression(
  expression: Expression,
  slots: ReadonlyMap<string, number>,
): (values: Float64Array) => number {
  if (typeof expression === 'number') return () => expression;
  if ('sym' in expression) {
    const slot = slots.get(expression.sym);
    if (slot === undefined) throw internalError(`no slot for symbol '${expression.sym}'`);
    return (values) => values[slot] ?? 0;
  }
  if ('add' in expression) return compileSum(expression.add, slots);
  if ('mul' in expression) {
    const [factor, inner] = [expression.mul[0], compileExpression(expression.mul[1], slots)];
    return (values) => factor * inner(values);
  }
  if ('floorDiv' in expression) {
    const [inner, by] = [compileExpression(expression.floorDiv[0], slots), expression.floorDiv[1]];
    return (values) => Math.floor(inner(values) / by);
  }
  if ('ceilDiv' in expression) {
    const [inner, by] = [compileExpression(expression.ceilDiv[0], slots), expression.ceilDiv[1]];
    return (values) => Math.ceil(inner(values) / by);
  }
  if ('mod' in expression) {
    const [inner, by] = [compileExpression(expression.mod[0], slots), expression.mod[1]];
    return (values) => {
      const value = inner(values);
      return value - Math.floor(value / by) * by;
    };
  }
  if ('lookup' in expression) {
    const [index, table] = expression.lookup;
    const inner = compileExpression(index, slots);
    return (values) => tableValue(table, inner(values));
  }
  const isMin = 'min' in expression;
  const list = (isMin ? expression.min : expression.max).map((e) => compileExpression(e, slots));
  const first = list[0];
  const second = list[1];
  if (first === undefined) throw internalError('empty minimum or maximum');
  if (list.length === 2 && second !== undefined) {
    return isMin
      ? (values) => Math.min(first(values), second(values))
      : (values) => Math.max(first(values), second(values));
  }
  return isMin
    ? (values) => list.reduce((best, f) => Math.min(best, f(values)), Number.POSITIVE_INFINITY)
    : (values) => list.reduce((best, f) => Math.max(best, f(values)), Number.NEGATIVE_INFINITY);
}

function compileSum(
  terms: readonly Expression[],
  slots: ReadonlyMap<string, number>,
): (values: Float64Array) => number {
  const list = terms.map((e) => compileExpression(e, slots));
  const [a, b, c] = list;
  if (list.length === 2 && a !== undefined && b !== undefined) return (values) => a(values) + b(values);
  if (list.length === 3 && a !== undefined && b !== undefined && c !== undefined) {
    return (values) => a(values) + b(values) + c(values);
  }
  return (values) => {
    let sum = 0;
    for (const f of list) sum += f(values);
    return sum;
  };
}

/** Interval that holds every value of the expression while each symbol stays in its own interval. */
export function bounds(expression: Expression, intervals: Readonly<Record<string, Interval>>): Interval {
  if (typeof expression === 'number') return { min: expression, max: expression };
  if ('sym' in expression) {
    const known = Object.hasOwn(intervals, expression.sym) ? intervals[expression.sym] : undefined;
    if (known === undefined) {
      throw new BitloomError({
        code: 'expression-unbound',
        message: `the symbol '${expression.sym}' has no bounds`,
        expected: `one of ${Object.keys(intervals).join(', ') || '(none)'}`,
        got: expression.sym,
      });
    }
    return known;
  }
  if ('add' in expression) {
    let [low, high] = [0, 0];
    for (const term of expression.add) {
      const inner = bounds(term, intervals);
      low += inner.min;
      high += inner.max;
    }
    return { min: low, max: high };
  }
  if ('mul' in expression) {
    const inner = bounds(expression.mul[1], intervals);
    const [a, b] = [expression.mul[0] * inner.min, expression.mul[0] * inner.max];
    return { min: Math.min(a, b), max: Math.max(a, b) };
  }
  if ('floorDiv' in expression) {
    const inner = bounds(expression.floorDiv[0], intervals);
    const by = expression.floorDiv[1];
    return { min: Math.floor(inner.min / by), max: Math.floor(inner.max / by) };
  }
  if ('ceilDiv' in expression) {
    const inner = bounds(expression.ceilDiv[0], intervals);
    const by = expression.ceilDiv[1];
    return { min: Math.ceil(inner.min / by), max: Math.ceil(inner.max / by) };
  }
  if ('mod' in expression) {
    const inner = bounds(expression.mod[0], intervals);
    const by = expression.mod[1];
    const sameBlock = Math.floor(inner.min / by) === Math.floor(inner.max / by);
    return sameBlock
      ? { min: evaluate(modulo(inner.min, by), {}), max: evaluate(modulo(inner.max, by), {}) }
      : { min: 0, max: by - 1 };
  }
  if ('lookup' in expression) {
    const [index, table] = expression.lookup;
    const inner = bounds(index, intervals);
    const last = table.length - 1;
    const from = Math.max(0, Math.min(last, inner.min));
    let [min, max] = [table[from], table[from]];
    for (let i = from + 1; i <= Math.min(last, inner.max); i++) {
      min = Math.min(min, table[i]);
      max = Math.max(max, table[i]);
    }
    return { min, max };
  }
  const list = ('min' in expression ? expression.min : expression.max).map((e) => bounds(e, intervals));
  const pick = 'min' in expression ? Math.min : Math.max;
  return { min: pick(...list.map((i) => i.min)), max: pick(...list.map((i) => i.max)) };
}

/**
 * Replaces symbols by expressions, all at once (a replacement is not substituted again), and folds what
 * becomes constant. Symbols without a binding stay.
 */
export function substitute(
  expression: Expression,
  bindings: Readonly<Record<string, Expression>>,
): Expression {
  if (typeof expression === 'number') return expression;
  if ('sym' in expression) {
    return Object.hasOwn(bindings, expression.sym) ? bindings[expression.sym] : expression;
  }
  const inner = (operand: Expression): Expression => substitute(operand, bindings);
  if ('add' in expression) return add(...expression.add.map(inner));
  if ('mul' in expression) return multiply(expression.mul[0], inner(expression.mul[1]));
  if ('floorDiv' in expression) return floorDivide(inner(expression.floorDiv[0]), expression.floorDiv[1]);
  if ('ceilDiv' in expression) return ceilDivide(inner(expression.ceilDiv[0]), expression.ceilDiv[1]);
  if ('mod' in expression) return modulo(inner(expression.mod[0]), expression.mod[1]);
  if ('lookup' in expression) return lookUp(expression.lookup[1], inner(expression.lookup[0]));
  return 'min' in expression ? minimum(...expression.min.map(inner)) : maximum(...expression.max.map(inner));
}

/** Symbols that occur in an expression, in order of first appearance. */
export function symbolsOf(expression: Expression, into: Set<string> = new Set()): Set<string> {
  if (typeof expression === 'number') return into;
  if ('sym' in expression) into.add(expression.sym);
  else for (const operand of operandsOf(expression)) symbolsOf(operand, into);
  return into;
}

/** Number of arithmetic operations in an expression: what a dispatcher pays to evaluate it. */
export function operationCount(expression: Expression): number {
  if (typeof expression === 'number' || 'sym' in expression) return 0;
  const operands = operandsOf(expression);
  const own = 'add' in expression || 'min' in expression || 'max' in expression ? operands.length - 1 : 1;
  return operands.reduce<number>((sum, operand) => sum + operationCount(operand), own);
}

function operandsOf(
  expression: Exclude<Expression, number | { readonly sym: string }>,
): readonly Expression[] {
  if ('add' in expression) return expression.add;
  if ('mul' in expression) return [expression.mul[1]];
  if ('floorDiv' in expression) return [expression.floorDiv[0]];
  if ('ceilDiv' in expression) return [expression.ceilDiv[0]];
  if ('mod' in expression) return [expression.mod[0]];
  if ('lookup' in expression) return [expression.lookup[0]];
  return 'min' in expression ? expression.min : expression.max;
}

/** Text of an expression, e.g. `past + 64*chunk`, `ceil(past / 16)`. Equal expressions give equal text. */
export function formatExpression(expression: Expression): string {
  if (typeof expression === 'number') return String(expression);
  if ('sym' in expression) return expression.sym;
  if ('add' in expression) return `(${expression.add.map(formatExpression).join(' + ')})`;
  if ('mul' in expression) return `${expression.mul[0]}*${formatExpression(expression.mul[1])}`;
  if ('floorDiv' in expression)
    return `floor(${formatExpression(expression.floorDiv[0])} / ${expression.floorDiv[1]})`;
  if ('ceilDiv' in expression)
    return `ceil(${formatExpression(expression.ceilDiv[0])} / ${expression.ceilDiv[1]})`;
  if ('mod' in expression) return `(${formatExpression(expression.mod[0])} mod ${expression.mod[1]})`;
  if ('lookup' in expression)
    return `${formatTable(expression.lookup[1])}[${formatExpression(expression.lookup[0])}]`;
  const [name, list] = 'min' in expression ? ['min', expression.min] : ['max', expression.max];
  return `${name}(${list.map(formatExpression).join(', ')})`;
}

/** Tables of up to so many values are written out. */
const SHORT_TABLE = 16;

/** Text of a table: its values, or of a long one its length and 64 bits that depend on all of them. */
function formatTable(table: readonly number[]): string {
  if (table.length <= SHORT_TABLE) return `table(${table.join(' ')})`;
  let [a, b] = [0x811c9dc5, 0x9e3779b9];
  for (const value of table) {
    const [low, high] = [value | 0, Math.floor(value / 2 ** 32)];
    a = Math.imul(a ^ low, 0x01000193) ^ Math.imul(high + (a >>> 15), 0x85ebca6b);
    b = Math.imul(b + low, 0xc2b2ae35) ^ (b >>> 13) ^ Math.imul(high, 0x27d4eb2f);
  }
  const text = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
  return `table(${table.length}: ${text(a)}${text(b)})`;
}
