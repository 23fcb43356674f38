/**
 * Runs the dispatcher's part of a stream: counted loops, base registers and quasi-affine fields become a
 * sequence of resolved instructions in dispatch order. The verifier, and tests of the compiler and the
 * simulator, read it. It moves no data, counts no cycles and checks nothing but loop nesting.
 */
import { BitloomError, internalError } from '../error.js';
import { type Bindings, compileExpression, type Expression, symbolsOf } from '../expression.js';
import {
  type InstructionSpec,
  isAddress,
  type ResolvedFields,
  type SpaceName,
} from './instruction-fields.js';
import { instructionSpec } from './instruction-set.js';
import { iterationPeriod } from './iteration-period.js';
import { type LoopRange, type LoopStructure, loopStructure } from './loop-structure.js';
import type { Instruction, Stream } from './program.js';

/** One executed instruction with the values of its fields. Each is a fresh object that may be kept. */
export interface ResolvedInstruction {
  /** Index in the stream. */
  readonly index: number;
  readonly instruction: Instruction;
  readonly spec: InstructionSpec;
  readonly fields: ResolvedFields;
  /** Values of the enclosing loop variables, outermost first. */
  readonly iterations: readonly number[];
}

/** Values of base registers by index, as the runtime writes them into a slot's descriptor. */
export type RegisterValues = ReadonlyMap<number, number>;

export interface ExpandOptions {
  /**
   * Cuts loops of more iterations to about that many (at least 3): the first `maxIterations - 2` and the last 2,
   * with more of each where a ring of buffers needs it, so that whole periods of the body's expressions are
   * left out. Iterations that a BARRIER keeps apart are only sampled: at most 8 phases of them, and the last 2.
   * Only bodies with balanced tokens stay meaningful when cut. Default: every iteration.
   */
  readonly maxIterations?: number;
  /**
   * Iterations of a loop over which its accesses may meet: so many are kept from the start, and more than so many
   * are left out, or none. Infinity: the loop is never cut. Default: 0, for addresses that are periodic.
   */
  readonly reach?: (loop: LoopRange) => number;
}

/** Most phases of a loop to show whose iterations a BARRIER keeps apart. */
const MOST_ISOLATED = 8;

/** A stream whose expressions are compiled: expand it as often as needed. */
export interface CompiledStream {
  readonly loops: LoopStructure;
  /** Iterations after which the body of a loop repeats itself, up to constants; see {@link iterationPeriod}. */
  readonly periodOf: (loop: LoopRange) => number;
  /** Loops whose body begins or ends with a BARRIER: their iterations never meet. */
  readonly isolated: ReadonlySet<LoopRange>;
  /** Names that `bindings` must give a value. */
  readonly symbols: readonly string[];
  /** @throws BitloomError `expression-unbound`, `program-register` */
  expand(
    bindings: Bindings,
    registers?: RegisterValues,
    options?: ExpandOptions,
  ): Generator<ResolvedInstruction>;
}

/**
 * Resolved instructions of a stream in dispatch order: everything the dispatcher meets, so also LOOP (once per
 * entry, with its trip count), END (once per iteration), BASE, FRAME, BARRIER and HALT, which ends the sequence.
 * An address has its base register added; a paged one stays relative to its page table.
 *
 * @throws BitloomError `program-loop`, `instruction-unknown`, `expression-unbound`, `program-register`
 */
export function expandStream(
  stream: Stream,
  bindings: Bindings,
  registers: RegisterValues = new Map(),
  options: ExpandOptions = {},
): Generator<ResolvedInstruction> {
  return compileStream(stream).expand(bindings, registers, options);
}

/** Field slots of an instruction name, shared by its instances. */
interface FieldLayout {
  readonly spec: InstructionSpec;
  readonly slots: ReadonlyMap<string, number>;
}

interface DynamicField {
  readonly slot: number;
  readonly evaluate: (values: Float64Array) => number;
  /** Base register to add, or 0. */
  readonly register: number;
}

interface CompiledInstruction {
  readonly instruction: Instruction;
  readonly layout: FieldLayout;
  /** Values of the constant fields. */
  readonly constants: Float64Array;
  readonly dynamic: readonly DynamicField[];
  /** Whether an expression holds a loop variable. */
  readonly isVarying: boolean;
  /** The resolved fields, where nothing is dynamic. */
  readonly fixed: ResolvedFields | undefined;
}

class FieldValues implements ResolvedFields {
  readonly #instruction: Instruction;
  readonly #slots: ReadonlyMap<string, number>;
  readonly #values: Float64Array;

  constructor(instruction: Instruction, layout: FieldLayout, values: Float64Array) {
    this.#instruction = instruction;
    this.#slots = layout.slots;
    this.#values = values;
  }

  number(name: string): number {
    const slot = this.#slots.get(name);
    if (slot === undefined)
      throw internalError(`instruction ${this.#instruction.name} has no field '${name}'`);
    return this.#values[slot];
  }

  offset(name: string): number {
    this.#address(name);
    return this.number(name);
  }

  space(name: string): SpaceName {
    return this.#address(name).space;
  }

  channel(name: string): number {
    return this.#address(name).channel;
  }

  #address(name: string): { readonly space: SpaceName; readonly channel: number } {
    const value = this.#instruction.fields[name];
    if (value === undefined || !isAddress(value)) {
      throw new BitloomError({
        code: 'program-address-missing',
        message: `instruction ${this.#instruction.name} uses address '${name}', which is absent`,
        expected: `an address in field '${name}'`,
        got: 'none',
      });
    }
    return value;
  }
}

/** Compiles the expressions of a stream once. @throws BitloomError `program-loop`, `instruction-unknown` */
export function compileStream(stream: Stream): CompiledStream {
  const loops = loopStructure(stream.instructions);
  const variables = new Set([...loops.byIndex.values()].map((loop) => loop.variable));
  const names = new Set<string>();
  for (const instruction of stream.instructions) {
    for (const expression of expressionsOf(instruction)) symbolsOf(expression, names);
  }
  const symbols = [...names].filter((name) => !variables.has(name));
  const slots = new Map([...symbols, ...variables].map((name, slot) => [name, slot]));
  const layouts = new Map<string, FieldLayout>();
  const compiled = stream.instructions.map((instruction) => compile(instruction, slots, layouts, variables));
  const set = new Set<number>();
  for (const instruction of stream.instructions) {
    const register = instruction.name === 'BASE' ? instruction.fields.register : undefined;
    if (typeof register === 'number') set.add(register);
  }
  const isolated = new Set<LoopRange>();
  for (const loop of loops.byIndex.values()) {
    const edges = [stream.instructions[loop.begin + 1], stream.instructions[loop.end - 1]];
    if (edges.some((instruction) => instruction.name === 'BARRIER')) isolated.add(loop);
  }
  const periods = new Map<LoopRange, number>();
  const periodOf = (loop: LoopRange): number => {
    const known = periods.get(loop);
    if (known !== undefined) return known;
    const body = stream.instructions.slice(loop.begin + 1, loop.end).flatMap(expressionsOf);
    const period = iterationPeriod(body, loop.variable);
    periods.set(loop, period);
    return period;
  };
  return {
    loops,
    periodOf,
    isolated,
    symbols,
    expand: (bindings, registers = new Map(), options = {}) =>
      run({ compiled, loops, slots, symbols, periodOf, isolated, set }, bindings, registers, options),
  };
}

/** Every expression in the fields of an instruction, offsets of addresses included. */
export function expressionsOf(instruction: Instruction): Expression[] {
  return Object.values(instruction.fields).map((value) => (isAddress(value) ? value.offset : value));
}

function compile(
  instruction: Instruction,
  slots: ReadonlyMap<string, number>,
  layouts: Map<string, FieldLayout>,
  variables: ReadonlySet<string>,
): CompiledInstruction {
  let layout = layouts.get(instruction.name);
  if (layout === undefined) {
    const spec = instructionSpec(instruction.name);
    layout = { spec, slots: new Map(spec.fields.map((field, slot) => [field.name, slot])) };
    layouts.set(instruction.name, layout);
  }
  const constants = new Float64Array(layout.spec.fields.length);
  const dynamic: DynamicField[] = [];
  for (const [slot, field] of layout.spec.fields.entries()) {
    const value = Object.hasOwn(instruction.fields, field.name) ? instruction.fields[field.name] : 0;
    const [expression, register] = isAddress(value)
      ? [value.offset, value.page ? 0 : value.register]
      : [value, 0];
    if (typeof expression === 'number' && register === 0) constants[slot] = expression;
    else dynamic.push({ slot, evaluate: compileExpression(expression, slots), register });
  }
  const fixed = dynamic.length === 0 ? new FieldValues(instruction, layout, constants) : undefined;
  const isVarying = expressionsOf(instruction).some((expression) =>
    [...symbolsOf(expression)].some((name) => variables.has(name)),
  );
  return { instruction, layout, constants, dynamic, isVarying, fixed };
}

interface Plan {
  readonly compiled: readonly CompiledInstruction[];
  readonly loops: LoopStructure;
  readonly slots: ReadonlyMap<string, number>;
  readonly symbols: readonly string[];
  readonly periodOf: (loop: LoopRange) => number;
  /** Loops whose body begins or ends with a BARRIER. */
  readonly isolated: ReadonlySet<LoopRange>;
  /** Base registers that the stream sets. */
  readonly set: ReadonlySet<number>;
}

interface OpenLoop {
  readonly loop: LoopRange;
  readonly trips: number;
  readonly slot: number;
  /** Iterations [skipFrom, skipTo) are left out. */
  readonly skipFrom: number;
  readonly skipTo: number;
  iteration: number;
}

function* run(
  plan: Plan,
  bindings: Bindings,
  registers: RegisterValues,
  options: ExpandOptions,
): Generator<ResolvedInstruction> {
  const values = new Float64Array(plan.slots.size);
  for (const [slot, name] of plan.symbols.entries()) values[slot] = boundValue(bindings, name);
  const base = new Map(registers);
  // Fields that neither a loop nor a BASE can change are resolved once.
  const settled = new Array<ResolvedFields | undefined>(plan.compiled.length);
  const open: OpenLoop[] = [];
  let iterations: readonly number[] = [];
  let at = 0;
  while (at < plan.compiled.length) {
    const entry = plan.compiled[at];
    let fields = entry.fixed ?? settled[at];
    if (fields === undefined) {
      fields = resolve(entry, values, base);
      if (isSettled(entry, plan.set)) settled[at] = fields;
    }
    yield { index: at, instruction: entry.instruction, spec: entry.layout.spec, fields, iterations };
    at++;
    switch (entry.layout.spec.name) {
      case 'LOOP': {
        const loop = plan.loops.byIndex.get(at - 1);
        if (loop === undefined) throw internalError('a LOOP outside of the loop structure');
        const trips = fields.number('trips');
        if (trips <= 0) {
          at = loop.end + 1;
          break;
        }
        const slot = plan.slots.get(loop.variable);
        if (slot === undefined) throw internalError(`no slot for loop variable '${loop.variable}'`);
        open.push({ loop, trips, slot, iteration: 0, ...gap(trips, loop, plan, options) });
        values[slot] = 0;
        iterations = open.map((o) => o.iteration);
        break;
      }
      case 'END': {
        const top = open[open.length - 1];
        if (top === undefined) throw internalError('an END outside of the loop structure');
        top.iteration++;
        if (top.iteration === top.skipFrom) top.iteration = top.skipTo;
        if (top.iteration < top.trips) {
          values[top.slot] = top.iteration;
          at = top.loop.begin + 1;
        } else {
          open.pop();
        }
        iterations = open.map((o) => o.iteration);
        break;
      }
      case 'BASE':
        base.set(fields.number('register'), fields.number('value'));
        break;
      case 'HALT':
        return;
      default:
    }
  }
}

function boundValue(bindings: Bindings, name: string): number {
  const value = Object.hasOwn(bindings, name) ? bindings[name] : undefined;
  if (value === undefined) {
    throw new BitloomError({
      code: 'expression-unbound',
      message: `the symbol '${name}' has no value`,
      expected: `one of ${Object.keys(bindings).join(', ') || '(none)'}`,
      got: name,
    });
  }
  return value;
}

function isSettled(entry: CompiledInstruction, set: ReadonlySet<number>): boolean {
  return !entry.isVarying && (set.size === 0 || !entry.dynamic.some((field) => set.has(field.register)));
}

function resolve(entry: CompiledInstruction, values: Float64Array, base: RegisterValues): ResolvedFields {
  const out = entry.constants.slice();
  for (const field of entry.dynamic) {
    let value = field.evaluate(values);
    if (field.register !== 0) {
      const register = base.get(field.register);
      if (register === undefined) {
        throw new BitloomError({
          code: 'program-register',
          message: `base register ${field.register} is read but has no value`,
          expected: 'a value from the caller or from a BASE instruction before',
          got: 'none',
        });
      }
      value += register;
    }
    out[field.slot] = value;
  }
  return new FieldValues(entry.instruction, entry.layout, out);
}

/** Iterations to leave out of a long loop: a multiple of the body's period, or none. */
function gap(
  trips: number,
  loop: LoopRange,
  { periodOf, isolated }: Plan,
  options: ExpandOptions,
): { skipFrom: number; skipTo: number } {
  const none = { skipFrom: -1, skipTo: -1 };
  const limit = options.maxIterations;
  if (limit === undefined || trips <= limit) return none;
  const isIsolated = isolated.has(loop);
  const period = periodOf(loop);
  const reach = options.reach?.(loop) ?? 0;
  // Two whole periods show every meeting of two phases of a ring; where no two iterations meet, one does.
  const phases = isIsolated ? Math.min(period, MOST_ISOLATED) : 2 * period;
  const head = Math.max(1, limit - 2, phases, reach);
  if (head + 2 >= trips) return none;
  const tail = isIsolated ? 2 : 2 + ((trips - head - 2) % period);
  // Less left out than the reach would bring together what is far apart.
  return trips - head - tail <= reach ? none : { skipFrom: head, skipTo: trips - tail };
}
