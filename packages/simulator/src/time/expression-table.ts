/**
 * The quasi-affine expressions of a stream, each distinct one once, as a table that a core evaluates without closures.
 * Tiles of a matrix share most of what their addresses and sizes are made of, so a value is kept until a variable that
 * it depends on moves.
 */
import { type Expression, internalError, operationCount, tableValue } from '@bitloom/ir';
import { type Environment, LENGTH_SLOTS } from '../compiled-stream.js';

const SLOT = 0;
const LINEAR = 1;
const FLOOR = 2;
const CEIL = 3;
const MOD = 4;
const MIN = 5;
const MAX = 6;
const LOOKUP = 7;

/** What a node depends on: nothing that moves during a run, one slot of the environment, or several. */
const FIXED = -1;
const SEVERAL = -2;

/** One distinct expression. */
interface Node {
  readonly op: number;
  /** Slot, constant of a sum, divisor, number of a table; unused otherwise. */
  readonly number: number;
  /** Operands, and their factors in a sum. */
  readonly operands: readonly number[];
  readonly factors: readonly number[];
  readonly moves: number;
}

/** A sum of nodes with factors, and a constant. */
interface Linear {
  constant: number;
  readonly terms: Map<number, number>;
}

/** An expression of a stream: a constant, or a node of the table. */
export interface TableEntry {
  readonly node: number;
  readonly constant: number;
}

/** `node` of an entry that is a constant. */
export const CONSTANT = -1;

/** Collects expressions; {@link ExpressionTable} is what becomes of them. */
export class ExpressionTableBuilder {
  readonly nodes: Node[] = [];
  /** Constant tables that lookups read. */
  readonly tables: (readonly number[])[] = [];
  private readonly byKey = new Map<string, number>();
  private readonly known = new Map<object, TableEntry>();
  private readonly operations = new Map<object, number>();
  private readonly slots: ReadonlyMap<string, number>;
  private readonly isFixedSlot: (slot: number) => boolean;

  /** @param isFixedSlot slots of the environment that no instruction of the stream moves */
  constructor(slots: ReadonlyMap<string, number>, isFixedSlot: (slot: number) => boolean) {
    this.slots = slots;
    this.isFixedSlot = isFixedSlot;
  }

  add(expression: Expression): TableEntry {
    if (typeof expression === 'number') return { node: CONSTANT, constant: expression };
    const known = this.known.get(expression);
    if (known !== undefined) return known;
    const linear: Linear = { constant: 0, terms: new Map() };
    this.accumulate(expression, 1, linear);
    const entry = this.close(linear);
    this.known.set(expression, entry);
    return entry;
  }

  /** The value of an expression plus a slot of the environment. */
  addSlot(expression: Expression, slot: number): TableEntry {
    const linear: Linear = { constant: 0, terms: new Map([[this.slot(slot), 1]]) };
    this.accumulate(expression, 1, linear);
    return this.close(linear);
  }

  /** Arithmetic operations of an expression. */
  operationCount(expression: Expression): number {
    if (typeof expression === 'number') return 0;
    const known = this.operations.get(expression);
    if (known !== undefined) return known;
    const count = operationCount(expression);
    this.operations.set(expression, count);
    return count;
  }

  private close({ constant, terms }: Linear): TableEntry {
    for (const [node, factor] of terms) if (factor === 0) terms.delete(node);
    if (terms.size === 0) return { node: CONSTANT, constant };
    const [first] = terms;
    if (terms.size === 1 && constant === 0 && first !== undefined && first[1] === 1)
      return { node: first[0], constant: 0 };
    const operands = [...terms.keys()].sort((a, b) => a - b);
    const factors = operands.map((node) => terms.get(node) ?? 0);
    return { node: this.node(LINEAR, constant, operands, factors), constant: 0 };
  }

  private accumulate(expression: Expression, factor: number, into: Linear): void {
    if (typeof expression === 'number') {
      into.constant += factor * expression;
    } else if ('add' in expression) {
      for (const term of expression.add) this.accumulate(term, factor, into);
    } else if ('mul' in expression) {
      this.accumulate(expression.mul[1], factor * expression.mul[0], into);
    } else {
      const { node, constant } = this.atom(expression);
      if (node === CONSTANT) into.constant += factor * constant;
      else into.terms.set(node, (into.terms.get(node) ?? 0) + factor);
    }
  }

  /** What is no sum: a symbol, a division, an extremum. */
  private atom(expression: Exclude<Expression, number>): TableEntry {
    const known = this.known.get(expression);
    if (known !== undefined) return known;
    const entry = this.makeAtom(expression);
    this.known.set(expression, entry);
    return entry;
  }

  private makeAtom(expression: Exclude<Expression, number>): TableEntry {
    if ('sym' in expression) {
      const slot = this.slots.get(expression.sym);
      if (slot === undefined) throw internalError(`no slot for symbol '${expression.sym}'`);
      return { node: this.slot(slot), constant: 0 };
    }
    if ('floorDiv' in expression) return this.divided(FLOOR, expression.floorDiv);
    if ('ceilDiv' in expression) return this.divided(CEIL, expression.ceilDiv);
    if ('mod' in expression) return this.divided(MOD, expression.mod);
    if ('min' in expression) return this.extremum(MIN, expression.min);
    if ('max' in expression) return this.extremum(MAX, expression.max);
    if ('lookup' in expression) return this.lookup(expression.lookup);
    throw internalError('a sum is no atom');
  }

  private divided(op: number, [operand, by]: readonly [Expression, number]): TableEntry {
    const { node, constant } = this.add(operand);
    if (node !== CONSTANT) return { node: this.node(op, by, [node], []), constant: 0 };
    const quotient = op === CEIL ? Math.ceil(constant / by) : Math.floor(constant / by);
    return { node: CONSTANT, constant: op === MOD ? constant - quotient * by : quotient };
  }

  private lookup([index, table]: readonly [Expression, readonly number[]]): TableEntry {
    const { node, constant } = this.add(index);
    if (node === CONSTANT) return { node: CONSTANT, constant: tableValue(table, constant) };
    const known = this.tables.indexOf(table);
    const number = known >= 0 ? known : this.tables.push(table) - 1;
    return { node: this.node(LOOKUP, number, [node], []), constant: 0 };
  }

  private extremum(op: number, list: readonly Expression[]): TableEntry {
    const pick = op === MIN ? Math.min : Math.max;
    const entries = list.map((one) => this.add(one));
    const constants = entries.filter(({ node }) => node === CONSTANT).map(({ constant }) => constant);
    const bound = pick(...constants);
    const operands = [...new Set(entries.map(({ node }) => node).filter((node) => node !== CONSTANT))];
    if (operands.length === 0) return { node: CONSTANT, constant: bound };
    return {
      node: this.node(
        op,
        bound,
        operands.sort((a, b) => a - b),
        [],
      ),
      constant: 0,
    };
  }

  private slot(slot: number): number {
    return this.node(SLOT, slot, [], []);
  }

  private node(op: number, number: number, operands: readonly number[], factors: readonly number[]): number {
    const key = `${op} ${number} ${operands.join(',')} ${factors.join(',')}`;
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    let moves = op === SLOT && !this.isFixedSlot(number) ? number : FIXED;
    for (const operand of operands) {
      const own = this.nodes[operand].moves;
      if (own === FIXED || own === moves) continue;
      moves = moves === FIXED ? own : SEVERAL;
    }
    this.nodes.push({ op, number, operands, factors, moves });
    this.byKey.set(key, this.nodes.length - 1);
    return this.nodes.length - 1;
  }
}

/** Nodes as arrays. */
export class ExpressionTable {
  readonly size: number;
  /** Divisions and extrema of lengths alone: where they change their piece, costs may change their slope. */
  readonly lengthNodes: readonly number[];
  readonly op: Uint8Array;
  readonly number: Float64Array;
  /** Operands of node n are entries first[n] to first[n + 1]. */
  readonly first: Int32Array;
  readonly operands: Int32Array;
  readonly factors: Float64Array;
  /** Where the change of a node is counted: a slot, one behind all slots for several, two behind for none. */
  readonly moves: Int32Array;
  readonly slotCount: number;
  readonly tables: readonly (readonly number[])[];

  constructor({ nodes, tables }: ExpressionTableBuilder, slotCount: number) {
    this.size = nodes.length;
    this.tables = tables;
    this.slotCount = slotCount;
    this.op = Uint8Array.from(nodes, ({ op }) => op);
    this.number = Float64Array.from(nodes, ({ number }) => number);
    this.first = new Int32Array(nodes.length + 1);
    nodes.forEach(({ operands }, i) => {
      this.first[i + 1] = this.first[i] + operands.length;
    });
    this.operands = Int32Array.from(nodes.flatMap(({ operands }) => operands));
    this.factors = Float64Array.from(
      nodes.flatMap(({ operands, factors }) => operands.map((_, i) => factors[i] ?? 1)),
    );
    this.moves = Int32Array.from(nodes, ({ moves }) =>
      moves === FIXED ? slotCount + 1 : moves === SEVERAL ? slotCount : moves,
    );
    const isLength: boolean[] = [];
    for (const { op, number, operands, moves } of nodes) {
      const isOfLengths = op === SLOT ? number < LENGTH_SLOTS : operands.some((operand) => isLength[operand]);
      isLength.push(moves === FIXED && isOfLengths);
    }
    this.lengthNodes = nodes.flatMap(({ op }, i) => (isLength[i] && op >= FLOOR ? [i] : []));
  }
}

/** Values of a table in the environment of one core. */
export class ExpressionValues {
  private readonly table: ExpressionTable;
  private readonly env: Environment;
  private readonly values: Float64Array;
  /** Count of changes at which a value was reckoned; 0: never. */
  private readonly stamps: Int32Array;
  private readonly changes: Int32Array;

  constructor(table: ExpressionTable, env: Environment) {
    this.table = table;
    this.env = env;
    this.values = new Float64Array(table.size);
    this.stamps = new Int32Array(table.size);
    this.changes = new Int32Array(table.slotCount + 2).fill(1);
  }

  /** To be called when a slot of the environment was written. */
  moved(slot: number): void {
    this.changes[slot]++;
    this.changes[this.table.slotCount]++;
  }

  value(node: number): number {
    const change = this.changes[this.table.moves[node]];
    if (this.stamps[node] === change) return this.values[node];
    const value = this.reckon(node);
    this.values[node] = value;
    this.stamps[node] = change;
    return value;
  }

  /** In which piece every division and extremum of the lengths is. */
  pieces(): number[] {
    const { lengthNodes, op, number, first, operands } = this.table;
    return lengthNodes.map((node) => {
      const value = this.value(node);
      if (op[node] === MOD) return Math.floor(this.value(operands[first[node]]) / number[node]);
      if (op[node] < MIN || op[node] === LOOKUP) return value;
      for (let i = first[node]; i < first[node + 1]; i++) if (this.value(operands[i]) === value) return i;
      return -1;
    });
  }

  private reckon(node: number): number {
    const { op, number, first, operands, factors } = this.table;
    const [start, end] = [first[node], first[node + 1]];
    const constant = number[node];
    switch (op[node]) {
      case SLOT:
        return this.env[constant];
      case LINEAR: {
        let sum = constant;
        for (let i = start; i < end; i++) sum += factors[i] * this.value(operands[i]);
        return sum;
      }
      case FLOOR:
        return Math.floor(this.value(operands[start]) / constant);
      case CEIL:
        return Math.ceil(this.value(operands[start]) / constant);
      case MOD: {
        const value = this.value(operands[start]);
        return value - Math.floor(value / constant) * constant;
      }
      case MIN: {
        let least = constant;
        for (let i = start; i < end; i++) least = Math.min(least, this.value(operands[i]));
        return least;
      }
      case LOOKUP:
        return tableValue(this.table.tables[constant], this.value(operands[start]));
      default: {
        let most = constant;
        for (let i = start; i < end; i++) most = Math.max(most, this.value(operands[i]));
        return most;
      }
    }
  }
}
