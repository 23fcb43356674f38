/** Quasi-affine expressions: every reading of one (value, compiled form, text, interval) agrees with the others. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  add,
  bounds,
  ceilDivide,
  compileExpression,
  type Expression,
  evaluate,
  floorDivide,
  formatExpression,
  lookUp,
  maximum,
  minimum,
  modulo,
  multiply,
  operationCount,
  substitute,
  subtract,
  symbol,
  symbolsOf,
} from '../src/index.js';
import { iterationPeriod } from '../src/program/iteration-period.js';
import { errorOf } from './support/errors.js';

const NAMES = ['a', 'b', 'c'] as const;
const small = fc.integer({ min: -20, max: 20 });
const divisor = fc.integer({ min: 1, max: 9 });

/** Expressions as data, also such as the builders would fold. `isAffine` leaves out minimum and maximum. */
function expressions(isAffine = false): fc.Arbitrary<Expression> {
  return fc.letrec<{ node: Expression }>((tie) => {
    const node = tie('node');
    const extrema = [
      fc.array(node, { minLength: 1, maxLength: 3 }).map((min) => ({ min })),
      fc.array(node, { minLength: 1, maxLength: 3 }).map((max) => ({ max })),
      fc.tuple(node, fc.array(small, { minLength: 1, maxLength: 6 })).map((lookup) => ({ lookup })),
    ];
    return {
      node: fc.oneof(
        { maxDepth: 4, depthSize: 'small' },
        small,
        fc.constantFrom(...NAMES).map((sym) => ({ sym })),
        fc.array(node, { minLength: 1, maxLength: 4 }).map((list) => ({ add: list })),
        fc.tuple(small, node).map((mul) => ({ mul })),
        fc.tuple(node, divisor).map((floorDiv) => ({ floorDiv })),
        fc.tuple(node, divisor).map((ceilDiv) => ({ ceilDiv })),
        fc.tuple(node, divisor).map((mod) => ({ mod })),
        ...(isAffine ? [] : extrema),
      ),
    };
  }).node;
}

const value = fc.integer({ min: -60, max: 60 });
const point = fc.record({ a: value, b: value, c: value });

/** Reads the text of an expression back and gives its value: an evaluator that shares nothing with the library. */
function valueOfText(text: string, at: Readonly<Record<string, number>>): number {
  const tokens = text.match(/-?\d+|[a-z]+|[()+*/,[\]]/g) ?? [];
  let next = 0;
  const take = (wanted?: string): string => {
    const token = tokens[next++];
    if (token === undefined || (wanted !== undefined && token !== wanted))
      throw new Error(`'${text}' at ${next}`);
    return token;
  };
  const divide = (round: (x: number) => number): number => {
    take('(');
    const inner = read();
    take('/');
    const by = Number(take());
    take(')');
    return round(inner / by);
  };
  const list = (pick: (...values: number[]) => number): number => {
    take('(');
    const values = [read()];
    while (tokens[next] === ',') {
      take();
      values.push(read());
    }
    take(')');
    return pick(...values);
  };
  const entry = (): number => {
    take('(');
    const values: number[] = [];
    while (tokens[next] !== ')') values.push(Number(take()));
    take(')');
    take('[');
    const index = read();
    take(']');
    if (index < 0) return values[0];
    return index < values.length ? values[index] : values[values.length - 1];
  };
  const read = (): number => {
    const token = take();
    if (token === 'floor') return divide(Math.floor);
    if (token === 'ceil') return divide(Math.ceil);
    if (token === 'min') return list(Math.min);
    if (token === 'max') return list(Math.max);
    if (token === 'table') return entry();
    if (token === '(') {
      let sum = read();
      if (tokens[next] === 'mod') {
        take();
        const by = Number(take());
        sum = ((sum % by) + by) % by;
      }
      while (tokens[next] === '+') {
        take();
        sum += read();
      }
      take(')');
      return sum;
    }
    if (/^[a-z]/.test(token)) return at[token];
    if (tokens[next] !== '*') return Number(token);
    take();
    return Number(token) * read();
  };
  const result = read();
  if (next !== tokens.length) throw new Error(`text left over in '${text}'`);
  return result;
}

describe('builders', () => {
  it('fold constants and join like terms', () => {
    const a = symbol('a');
    expect(formatExpression(add(a, 2, multiply(3, a), -2))).toBe('4*a');
    expect(add(a, subtract(5, a))).toBe(5);
    expect(multiply(0, a)).toBe(0);
    expect(multiply(2, multiply(3, a))).toEqual({ mul: [6, a] });
    expect(formatExpression(multiply(2, add(a, 1)))).toBe('(2*a + 2)');
    expect(floorDivide(-7, 2)).toBe(-4);
    expect(ceilDivide(-7, 2)).toBe(-3);
    expect(modulo(-7, 4)).toBe(1);
    expect(modulo(a, 1)).toBe(0);
    expect(minimum(4, a, 3)).toEqual({ min: [a, 3] });
    expect(maximum(4, 9)).toBe(9);
    expect(minimum(a)).toBe(a);
  });

  it('make what they say', () => {
    fc.assert(
      fc.property(expressions(), expressions(), small, divisor, point, (x, y, k, by, at) => {
        const [vx, vy] = [evaluate(x, at), evaluate(y, at)];
        expect(evaluate(add(x, y, k), at) === vx + vy + k).toBe(true);
        expect(evaluate(subtract(x, y), at) === vx - vy).toBe(true);
        expect(evaluate(multiply(k, x), at) === k * vx).toBe(true);
        expect(evaluate(floorDivide(x, by), at) === Math.floor(vx / by)).toBe(true);
        expect(evaluate(ceilDivide(x, by), at) === Math.ceil(vx / by)).toBe(true);
        expect(evaluate(modulo(x, by), at) === vx - Math.floor(vx / by) * by).toBe(true);
        expect(evaluate(minimum(x, k, y), at) === Math.min(vx, vy, k)).toBe(true);
        expect(evaluate(maximum(x, k, y), at) === Math.max(vx, vy, k)).toBe(true);
        const table = [k, by, 7 - k];
        expect(evaluate(lookUp(table, x), at)).toBe(vx <= 0 ? k : vx === 1 ? by : 7 - k);
      }),
    );
  });

  it('refuse divisors that are not positive integers', () => {
    for (const by of [0, -1, 1.5, Number.NaN]) {
      expect(errorOf(() => floorDivide(symbol('a'), by)).code).toBe('expression-divisor');
      expect(errorOf(() => modulo(symbol('a'), by)).code).toBe('expression-divisor');
    }
  });
});

describe('tables', () => {
  it('hold at least one integer', () => {
    for (const table of [[], [1, 0.5], [Number.NaN]])
      expect(errorOf(() => lookUp(table, symbol('a'))).code).toBe('expression-table');
  });

  it('are joined in sums where they are equal, long ones too', () => {
    const table = Array.from({ length: 1000 }, (_, i) => (i * i) % 77);
    const other = table.map((value, i) => (i === 600 ? value + 1 : value));
    const [a, same, changed] = [table, [...table], other].map((values) => lookUp(values, symbol('a')));
    expect(add(a, same)).toEqual({ mul: [2, a] });
    expect(add(a, changed)).toEqual({ add: [a, changed] });
  });

  it('repeat where their index does', () => {
    const i = symbol('i0');
    const table = [5, 3, 8];
    expect(iterationPeriod([lookUp(table, modulo(i, 4))], 'i0')).toBe(4);
    expect(iterationPeriod([lookUp(table, symbol('seq')), modulo(i, 2)], 'i0')).toBe(2);
    expect(iterationPeriod([lookUp(table, i), modulo(i, 2)], 'i0')).toBe(Number.POSITIVE_INFINITY);
    expect(operationCount(lookUp(table, add(i, 1)))).toBe(2);
  });
});

describe('readings of one expression', () => {
  it('the compiled form gives the value', () => {
    const slots = new Map(NAMES.map((name, slot) => [name, slot]));
    fc.assert(
      fc.property(expressions(), point, (expression, at) => {
        const compiled = compileExpression(expression, slots);
        expect(compiled(Float64Array.of(at.a, at.b, at.c)) === evaluate(expression, at)).toBe(true);
      }),
    );
  });

  it('the text says the value', () => {
    fc.assert(
      fc.property(expressions(), point, (expression, at) => {
        expect(valueOfText(formatExpression(expression), at) === evaluate(expression, at)).toBe(true);
      }),
    );
  });

  it('the interval holds every value', () => {
    const interval = fc.tuple(value, fc.nat(30)).map(([min, width]) => ({ min, max: min + width }));
    const fraction = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        expressions(),
        fc.record({ a: interval, b: interval, c: interval }),
        fc.tuple(fraction, fraction, fraction),
        (expression, intervals, fractions) => {
          const inside = bounds(expression, intervals);
          const at = Object.fromEntries(
            NAMES.map((name, i) => {
              const { min, max } = intervals[name];
              return [name, Math.round(min + fractions[i] * (max - min))];
            }),
          );
          const got = evaluate(expression, at);
          expect(got).toBeGreaterThanOrEqual(inside.min);
          expect(got).toBeLessThanOrEqual(inside.max);
        },
      ),
    );
  });

  it('the interval is exact where each symbol occurs once and nothing is taken modulo', () => {
    const at = { a: { min: 0, max: 10 }, b: { min: 1, max: 4 } };
    const [a, b] = [symbol('a'), symbol('b')];
    expect(bounds(add(multiply(-2, a), b, 3), at)).toEqual({ min: -16, max: 7 });
    expect(bounds(minimum(ceilDivide(a, 4), multiply(2, b)), at)).toEqual({ min: 0, max: 3 });
    expect(bounds(modulo(add(a, 100), 16), at)).toEqual({ min: 4, max: 14 });
    expect(bounds(modulo(a, 4), at)).toEqual({ min: 0, max: 3 });
  });

  it('a symbol without a value is an error that names it', () => {
    expect(errorOf(() => evaluate(symbol('seq'), { past: 1 }))).toMatchObject({
      code: 'expression-unbound',
      got: 'seq',
      expected: 'one of past',
    });
    expect(errorOf(() => bounds(symbol('toString'), {})).code).toBe('expression-unbound');
    expect(errorOf(() => evaluate(symbol('constructor'), {})).code).toBe('expression-unbound');
  });
});

describe('substitute', () => {
  it('gives the value at the values of what is put in', () => {
    fc.assert(
      fc.property(expressions(), expressions(), expressions(), point, (expression, forA, forB, at) => {
        const replaced = substitute(expression, { a: forA, b: forB });
        const values = { a: evaluate(forA, at), b: evaluate(forB, at), c: at.c };
        expect(evaluate(replaced, at) === evaluate(expression, values)).toBe(true);
      }),
    );
  });

  it('replaces all symbols at once and folds what becomes constant', () => {
    const [a, b] = [symbol('a'), symbol('b')];
    expect(substitute(add(a, multiply(2, b)), { a: b, b: a })).toEqual({ add: [b, { mul: [2, a] }] });
    expect(substitute(ceilDivide(add(a, 1), 4), { a: 7 })).toBe(2);
    expect(substitute(a, {})).toBe(a);
    expect(substitute(symbol('toString'), {})).toEqual(symbol('toString'));
  });

  it('leaves no symbol that it replaces', () => {
    fc.assert(
      fc.property(expressions(), (expression) => {
        expect(symbolsOf(substitute(expression, { a: 1, b: 2, c: 3 })).size).toBe(0);
      }),
    );
  });
});

describe('operationCount', () => {
  it('counts what a dispatcher computes', () => {
    const [a, b] = [symbol('a'), symbol('b')];
    expect(operationCount(a)).toBe(0);
    expect(operationCount(add(a, b, 1))).toBe(2);
    expect(operationCount(floorDivide(add(multiply(2, a), b), 16))).toBe(3);
  });
});

describe('iterationPeriod', () => {
  it('is the number of iterations after which an expression has moved by a constant', () => {
    fc.assert(
      fc.property(expressions(true), value, value, (expression, b, c) => {
        const period = iterationPeriod([expression], 'a');
        fc.pre(period <= 200);
        const at = (a: number): number => evaluate(expression, { a, b, c });
        const step = at(period) - at(0);
        for (let a = 0; a < 2 * period; a++) expect(at(a + period) - at(a) === step).toBe(true);
      }),
    );
  });

  it('finds the period of rings, tiles and tails', () => {
    const i = symbol('i0');
    expect(iterationPeriod([modulo(i, 4), multiply(64, i)], 'i0')).toBe(4);
    expect(iterationPeriod([modulo(multiply(512, i), 2048)], 'i0')).toBe(4);
    expect(iterationPeriod([minimum(64, subtract(symbol('seq'), multiply(64, i)))], 'i0')).toBe(1);
    expect(iterationPeriod([modulo(i, 4), floorDivide(i, 6)], 'i0')).toBe(12);
    expect(iterationPeriod([modulo(symbol('i1'), 4)], 'i0')).toBe(1);
    expect(iterationPeriod([modulo(i, 65_537)], 'i0')).toBe(Number.POSITIVE_INFINITY);
  });
});
