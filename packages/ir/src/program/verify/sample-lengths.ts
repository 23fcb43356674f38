/**
 * Lengths at which a program is expanded: every corner of the symbols' bounds under the joint constraint
 * past + seq <= capacity, then lengths around multiples of the divisors in the program's expressions (where tiles
 * begin and end), in a seeded order.
 */
import { BitloomError } from '../../error.js';
import type { Bindings, Expression } from '../../expression.js';
import type { SymbolDecl } from '../../model/graph.js';

/** Up to this many symbols are combined at their bounds in every way. */
const MOST_COMBINED = 4;

export interface LengthSamples {
  /** Corners of the bounds; an affine bound that holds at all of them holds everywhere. */
  readonly corners: readonly Bindings[];
  readonly others: readonly Bindings[];
}

/** Positive divisors and moduli of expressions, and factors, which are the steps of tiles. */
export function divisorsOf(expressions: Iterable<Expression>): Set<number> {
  const out = new Set<number>();
  const visit = (e: Expression): void => {
    if (typeof e === 'number' || 'sym' in e) return;
    if ('add' in e) e.add.forEach(visit);
    else if ('min' in e) e.min.forEach(visit);
    else if ('max' in e) e.max.forEach(visit);
    else if ('lookup' in e) visit(e.lookup[0]);
    else if ('mul' in e) {
      out.add(Math.abs(e.mul[0]));
      visit(e.mul[1]);
    } else {
      const [inner, by] = 'floorDiv' in e ? e.floorDiv : 'ceilDiv' in e ? e.ceilDiv : e.mod;
      out.add(by);
      visit(inner);
    }
  };
  for (const expression of expressions) visit(expression);
  return out;
}

/** Numbers in [0, 1) from a 32-bit seed: xorshift with a multiplicative output step. */
function seededFractions(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (Math.imul(state, 0x9e3779b1) >>> 0) / 2 ** 32;
  };
}

/** Pairs of symbols (past, seq) of a slot, which share the capacity: `past` and `seq`, or `past[3]` and `seq[3]`. */
function pairsOf(symbols: readonly SymbolDecl[]): [string, string][] {
  const names = new Set(symbols.map((decl) => decl.name));
  const out: [string, string][] = [];
  for (const name of names) {
    const slot = /^past(\[.*\])?$/.exec(name);
    if (slot === null) continue;
    const own = `seq${slot[1] ?? ''}`;
    out.push([name, names.has(own) ? own : 'seq']);
  }
  return out;
}

/**
 * Samples of the symbols in `used`; the others stand at their lower bounds. At most `count` beyond the corners.
 *
 * @throws BitloomError `program-symbol-bounds` when no lengths satisfy past + seq <= capacity
 */
export function sampleLengths(
  symbols: readonly SymbolDecl[],
  used: ReadonlySet<string>,
  capacity: number,
  divisors: ReadonlySet<number>,
  seed: number,
  count: number,
): LengthSamples {
  const pairs = pairsOf(symbols);
  const broken = (point: Bindings): [string, string] | undefined =>
    pairs.find(([past, seq]) => (point[past] ?? 0) + (point[seq] ?? 0) > capacity);
  const lowest = Object.fromEntries(symbols.map((decl) => [decl.name, decl.min]));
  const overfull = broken(lowest);
  if (overfull !== undefined) {
    throw new BitloomError({
      code: 'program-symbol-bounds',
      message: 'the shortest lengths do not fit into the capacity of the program',
      expected: `${overfull.join(' + ')} <= ${capacity}`,
      got: overfull.map((name) => `${name}=${lowest[name] ?? 0}`).join(', '),
    });
  }
  const free = symbols.filter((decl) => used.has(decl.name));
  // A point that breaks the constraint moves onto past + seq = capacity along either axis, within the bounds;
  // beyond a few symbols along the first axis that allows it.
  const legal = (point: Record<string, number>): Record<string, number>[] => {
    const pair = broken(point);
    if (pair === undefined) return [point];
    const [past, seq] = pair;
    const moves = [
      { moved: past, value: capacity - (point[seq] ?? 0) },
      { moved: seq, value: capacity - (point[past] ?? 0) },
    ].filter(({ moved, value }) => used.has(moved) && value >= lowest[moved]);
    const taken = free.length <= MOST_COMBINED ? moves : moves.slice(0, 1);
    return taken.flatMap(({ moved, value }) => legal({ ...point, [moved]: value }));
  };
  const seen = new Set<string>();
  const isNew = (point: Bindings): boolean => {
    const key = symbols.map((decl) => point[decl.name]).join(',');
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  };
  // With more than a few symbols (batch slots) not every combination: one symbol at its upper bound, or all.
  const highest = { ...lowest, ...Object.fromEntries(free.map(({ name, max }) => [name, max])) };
  let corners: Record<string, number>[] = [lowest];
  if (free.length <= MOST_COMBINED) {
    for (const { name, max } of free)
      corners = corners.flatMap((point) => [point, { ...point, [name]: max }]);
    corners = corners.flatMap(legal);
  } else {
    const single = free.map(({ name, max }) => ({ ...lowest, [name]: max }));
    corners = [lowest, highest, ...single].flatMap((point) => legal(point).slice(0, 1));
  }
  const kept = corners.filter(isNew);
  const fraction = seededFractions(seed);
  const candidates = free.map((decl) => ({
    name: decl.name,
    lengths: lengthsNear(decl, divisors, fraction),
  }));
  const others: Bindings[] = [];
  for (let attempt = 0; attempt < 8 * count && others.length < count && free.length > 0; attempt++) {
    const point = { ...lowest };
    for (const { name, lengths } of candidates)
      point[name] = lengths[Math.floor(fraction() * lengths.length)];
    const [first] = legal(point);
    if (first !== undefined && isNew(first)) others.push(first);
  }
  return { corners: kept, others };
}

/** Lengths where something may change: near the bounds, near multiples of divisors, and a few at random. */
function lengthsNear(decl: SymbolDecl, divisors: ReadonlySet<number>, fraction: () => number): number[] {
  const out = new Set<number>();
  const put = (value: number): void => {
    if (value >= decl.min && value <= decl.max) out.add(value);
  };
  for (const value of [decl.min, decl.min + 1, decl.max - 1, decl.max]) put(value);
  for (const by of divisors) {
    if (by < 2 || by > decl.max) continue;
    const multiples = Math.floor(decl.max / by);
    for (const k of [1, 2, 1 + Math.floor(fraction() * multiples), multiples]) {
      for (const near of [-1, 0, 1]) put(k * by + near);
    }
  }
  for (let i = 0; i < 4; i++) put(decl.min + Math.floor(fraction() * (decl.max - decl.min + 1)));
  return [...out];
}
