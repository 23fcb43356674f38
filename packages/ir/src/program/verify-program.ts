/**
 * The program verifier: proves that a program is well-formed for a device, stays inside its buffers and regions,
 * cannot deadlock, and orders all accesses that could clash. Static rules hold for every length; the rest is
 * checked on expansions at chosen lengths, and the result says how much was proved which way. It computes no
 * numbers: whether the program computes the model is for the simulator's comparison with the host.
 */
import { type Device, numericsKey } from '../device/device.js';
import { BitloomError } from '../error.js';
import { type Bindings, symbolsOf } from '../expression.js';
import { type CompiledStream, compileStream, expressionsOf, type RegisterValues } from './expand-stream.js';
import { INSTRUCTION_SET_VERSION } from './instruction-set.js';
import { CORE_SYMBOL, coresOf, type Program, type ProgramEntry, type Stream } from './program.js';
import { checkBounds } from './verify/check-bounds.js';
import { checkCodes } from './verify/check-codes.js';
import { checkCores } from './verify/check-cores.js';
import { checkEntry } from './verify/check-entry.js';
import { checkExchanges } from './verify/check-exchanges.js';
import {
  checkExpansion,
  type ExpansionPlan,
  type ExpansionResult,
  fieldKey,
} from './verify/check-expansion.js';
import { checkFields } from './verify/check-fields.js';
import { checkTokens, counterName } from './verify/check-tokens.js';
import { checkWork } from './verify/check-work.js';
import { loopReach } from './verify/loop-reach.js';
import { type Area, checkRegions, MemoryAreas } from './verify/memory-areas.js';
import { divisorsOf, sampleLengths } from './verify/sample-lengths.js';
import { streamScope } from './verify/stream-scope.js';

export interface VerifyOptions {
  /**
   * Values of base registers at entry; 0 where none is given, which is the layout that the regions declare. A
   * runtime that moves what is behind a register must keep it apart from everything else.
   */
  readonly registers?: RegisterValues;
  /** Lengths to expand at beside the corners. Default 8. */
  readonly samples?: number;
  /** Lengths to expand at in any case, e.g. those of a failure seen elsewhere. */
  readonly lengths?: readonly Bindings[];
  /** Seed of the sampled lengths. Default 1. */
  readonly seed?: number;
  /**
   * Iterations of a long loop in an expansion: the first `maxIterations - 2` and the last 2, more where accesses
   * in it may meet only later. Default 7.
   */
  readonly maxIterations?: number;
  /** Once so many instructions were executed, no further samples are taken; corners always are. Default 200,000. */
  readonly maxExecuted?: number;
}

/** How something was shown: for all lengths, at the sampled lengths only, or not at all, for no sample met it. */
export interface ProofCounts {
  readonly proved: number;
  readonly sampled: number;
  readonly unreached: number;
}

export interface VerifiedEntry {
  readonly name: string;
  /** Instructions in the streams. */
  readonly instructions: number;
  /** Instructions executed in all expansions. */
  readonly executed: number;
  /** Lengths that were expanded. */
  readonly lengths: readonly Bindings[];
  /** Dynamic fields against their widths. */
  readonly fields: ProofCounts;
  /** Accesses against buffers and regions. */
  readonly accesses: ProofCounts;
  /** Pairs of accesses compared for hazards. */
  readonly comparisons: number;
  /** Most tokens in each counter: in program order, and over all orders of execution. */
  readonly tokens: Readonly<Record<string, { readonly inOrder: number; readonly most: number }>>;
}

export interface VerifiedProgram {
  readonly program: string;
  readonly device: string;
  readonly entries: readonly VerifiedEntry[];
}

/**
 * Verifies a program for a device.
 *
 * @throws BitloomError with a code `program-...` that names the entry, the core, the instruction and the node it
 *   comes from
 */
export function verifyProgram(
  program: Program,
  device: Device,
  options: VerifyOptions = {},
): VerifiedProgram {
  checkHeader(program, device);
  checkCodes(program, device);
  checkRegions(program, device);
  const areas = new MemoryAreas(program, device);
  const entries = program.entries.map((entry) => verifyEntry(program, device, entry, areas, options));
  return { program: program.name, device: device.name, entries };
}

function checkHeader(program: Program, device: Device): void {
  const fail = (code: string, message: string, expected: string, got: string, hint?: string): never => {
    throw new BitloomError({
      code,
      message,
      where: `program '${program.name}'`,
      expected,
      got,
      ...(hint === undefined ? {} : { hint }),
    });
  };
  if (program.instructionSet !== INSTRUCTION_SET_VERSION) {
    const message = 'the program is written for another version of the instruction set';
    fail(
      'program-instruction-set',
      message,
      INSTRUCTION_SET_VERSION,
      program.instructionSet,
      'compile it again',
    );
  }
  if (program.device !== device.name) {
    fail('program-device', 'the program is compiled for another device', device.name, program.device);
  }
  const key = numericsKey(program.numerics);
  if (!device.numerics.includes(key)) {
    fail('program-numerics', 'the device does not compute these numerics', device.numerics.join('; '), key);
  }
  if (!Number.isSafeInteger(program.capacity) || program.capacity < 1) {
    fail(
      'program-capacity',
      'the program has no room for a token',
      'a positive integer',
      String(program.capacity),
    );
  }
  const indices = program.registers.map((register) => register.index);
  const isLegal = indices.every((index) => Number.isInteger(index) && index >= 1 && index <= 127);
  if (!isLegal || new Set(indices).size !== indices.length) {
    fail(
      'program-register',
      'base registers are declared twice or out of range',
      '1..127, each once',
      indices.join(', '),
    );
  }
  const entryNames = program.entries.map((entry) => entry.name);
  if (new Set(entryNames).size !== entryNames.length) {
    fail('program-entry', 'two entries have one name', 'names of their own', entryNames.join(', '));
  }
}

function verifyEntry(
  program: Program,
  device: Device,
  entry: ProgramEntry,
  areas: MemoryAreas,
  options: VerifyOptions,
): VerifiedEntry {
  checkEntry(program, device, entry);
  const registers: RegisterValues = new Map(
    program.registers.map((decl) => [decl.index, options.registers?.get(decl.index) ?? 0]),
  );
  const tally = new Tally();
  const plans: ExpansionPlan[] = [];
  const used = new Set<string>();
  const divisors = new Set<number>();
  const written = new Set<Area>();
  let work = 0;
  for (const shared of entry.streams) {
    const expressions = shared.instructions.flatMap(expressionsOf);
    const isCoreRead = expressions.some((expression) => symbolsOf(expression).has(CORE_SYMBOL));
    // Cores differ in the value of their number only: what does not ask for it is made once for all of them.
    let compiled: CompiledStream | undefined;
    for (const stream of streamsByCore(shared)) {
      const scope = streamScope(
        program,
        device,
        isCoreRead ? entryOfCore(entry, stream.core) : entry,
        stream,
      );
      const fields = checkFields(scope);
      work = checkWork(scope, fields.intervals, work);
      tally.inOrder(checkTokens(scope));
      const bounds = checkBounds(scope, fields.intervals, areas, registers);
      tally.statically(fields.proved, bounds.proved.size);
      for (const area of bounds.written) written.add(area);
      for (const [index, open] of fields.open) {
        for (const field of open) tally.openFields.add(`${stream.core}/${fieldKey(index, field)}`);
      }
      for (const key of bounds.open) tally.openAccesses.add(`${stream.core}/${key}`);
      compiled ??= compileStream(shared);
      const maxIterations = options.maxIterations ?? 7;
      const reach = loopReach(scope, compiled, fields.intervals, bounds.spans);
      plans.push({
        scope,
        compiled,
        areas,
        registers,
        openFields: fields.open,
        bounds,
        written,
        maxIterations,
        reach,
      });
    }
    for (const name of compiled?.symbols ?? []) used.add(name);
    for (const divisor of divisorsOf(expressions)) divisors.add(divisor);
  }
  const seed = options.seed ?? 1;
  const samples = sampleLengths(entry.symbols, used, program.capacity, divisors, seed, options.samples ?? 8);
  const budget = options.maxExecuted ?? 200_000;
  for (const lengths of options.lengths ?? []) expandAll(plans, givenLengths(entry, lengths), tally);
  for (const lengths of samples.corners) expandAll(plans, lengths, tally);
  for (const lengths of samples.others) {
    if (tally.executed >= budget) break;
    expandAll(plans, lengths, tally);
  }
  return tally.result(entry);
}

/** A stream once for each of the cores that execute it. */
function streamsByCore(stream: Stream): Stream[] {
  return coresOf(stream).map((core) => ({ core, instructions: stream.instructions }));
}

/** The entry as one core sees it: its own number is a symbol that has one value. */
function entryOfCore(entry: ProgramEntry, core: number): ProgramEntry {
  const own = { name: CORE_SYMBOL, min: core, max: core, perSlot: false };
  return { ...entry, symbols: [...entry.symbols, own] };
}

/** Lengths from the caller, at the lower bound where none is given. */
function givenLengths(entry: ProgramEntry, given: Bindings): Bindings {
  return Object.fromEntries(
    entry.symbols.map(({ name, min, max }) => {
      const value = Object.hasOwn(given, name) ? given[name] : min;
      if (value >= min && value <= max) return [name, value];
      throw new BitloomError({
        code: 'program-symbol-bounds',
        message: `the length asked for is outside of the bounds of '${name}'`,
        where: `entry '${entry.name}'`,
        expected: `${min}..${max}`,
        got: String(value),
      });
    }),
  );
}

/** All cores of an entry at one choice of lengths. */
function expandAll(plans: readonly ExpansionPlan[], lengths: Bindings, tally: Tally): void {
  const isMany = plans.length > 1;
  const results = plans.map((plan) => {
    const isCoreRead = plan.compiled.symbols.includes(CORE_SYMBOL);
    const bindings = isCoreRead ? { ...lengths, [CORE_SYMBOL]: plan.scope.stream.core } : lengths;
    return { plan, result: checkExpansion(plan, bindings, isMany) };
  });
  if (isMany)
    checkExchanges(results.map(({ plan, result }) => ({ scope: plan.scope, exchanges: result.exchanges })));
  if (isMany) checkCores(results.map(({ plan, result }) => ({ scope: plan.scope, shared: result.shared })));
  tally.lengths.push(lengths);
  for (const { plan, result } of results) tally.add(plan.scope.stream.core, result);
}

/** Sums over streams and expansions. */
class Tally {
  readonly lengths: Bindings[] = [];
  readonly openFields = new Set<string>();
  readonly openAccesses = new Set<string>();
  readonly #reached = new Set<string>();
  readonly #inOrder = new Map<string, number>();
  readonly #most = new Map<string, number>();
  #provedFields = 0;
  #provedAccesses = 0;
  #comparisons = 0;
  executed = 0;

  statically(fields: number, accesses: number): void {
    this.#provedFields += fields;
    this.#provedAccesses += accesses;
  }

  inOrder(most: Int32Array): void {
    raise(this.#inOrder, most);
  }

  add(core: number, result: ExpansionResult): void {
    this.executed += result.executed;
    this.#comparisons += result.comparisons;
    raise(this.#most, result.mostTokens);
    for (const key of result.reached) this.#reached.add(`${core}/${key}`);
  }

  result(entry: ProgramEntry): VerifiedEntry {
    const counts = (proved: number, open: ReadonlySet<string>): ProofCounts => {
      const sampled = [...open].filter((key) => this.#reached.has(key)).length;
      return { proved, sampled, unreached: open.size - sampled };
    };
    const names = [...this.#most.keys()].sort();
    return {
      name: entry.name,
      instructions: entry.streams.reduce((sum, stream) => sum + stream.instructions.length, 0),
      executed: this.executed,
      lengths: this.lengths,
      fields: counts(this.#provedFields, this.openFields),
      accesses: counts(this.#provedAccesses, this.openAccesses),
      comparisons: this.#comparisons,
      tokens: Object.fromEntries(
        names.map((name) => [
          name,
          { inOrder: this.#inOrder.get(name) ?? 0, most: this.#most.get(name) ?? 0 },
        ]),
      ),
    };
  }
}

/** Raises named maxima to the non-zero counters of a list. */
function raise(into: Map<string, number>, counters: Int32Array): void {
  for (const [counter, count] of counters.entries()) {
    if (count === 0) continue;
    const name = counterName(counter);
    into.set(name, Math.max(into.get(name) ?? 0, count));
  }
}
