/**
 * Rule (d), and the second half of rules (a) and (b): one stream expanded at given lengths. Every field and
 * access that intervals left open is checked, and every two accesses of different queues to the same bytes, one
 * of them a write, must be ordered by tokens.
 *
 * Long loops are cut (see expandStream) where that loses nothing (see loop-reach).
 */
import type { Bindings } from '../../expression.js';
import type { CompiledStream, RegisterValues, ResolvedInstruction } from '../expand-stream.js';
import { type Access, type FieldSpec, isAddress, type ResolvedFields } from '../instruction-fields.js';
import type { LoopRange } from '../loop-structure.js';
import { AccessHistory, type AccessRecord } from './access-history.js';
import { accessKey, addressOf, type BoundsCheck, failBounds, failReadOnly } from './check-bounds.js';
import type { Exchange } from './check-exchanges.js';
import { failRange, fieldLimits } from './check-fields.js';
import { counterLimit, failOverflow, parseCounters } from './check-tokens.js';
import { HappensBefore } from './happens-before.js';
import type { Area, MemoryAreas } from './memory-areas.js';
import { atPoint, type StreamScope } from './stream-scope.js';

/** What static checks hand to the expansions of a stream. */
export interface ExpansionPlan {
  readonly scope: StreamScope;
  readonly compiled: CompiledStream;
  readonly areas: MemoryAreas;
  readonly registers: RegisterValues;
  readonly openFields: ReadonlyMap<number, readonly FieldSpec[]>;
  readonly bounds: BoundsCheck;
  /** Regions that some core may write: reads of all others need no comparison. */
  readonly written: ReadonlySet<Area>;
  readonly maxIterations: number;
  /** See ExpandOptions. */
  readonly reach: (loop: LoopRange) => number;
}

/** What one expansion saw. */
export interface ExpansionResult {
  /** Instructions executed on units and by the dispatcher. */
  readonly executed: number;
  /** Pairs of accesses compared for hazards. */
  readonly comparisons: number;
  /** Most tokens in each counter over all orders of execution. */
  readonly mostTokens: Int32Array;
  /** Keys of open accesses and open fields that were met, and so checked. */
  readonly reached: ReadonlySet<string>;
  /** Accesses to areas that cores share, where the program writes them. */
  readonly shared: readonly SharedAccess[];
  /** Exchanges with other cores, in order. */
  readonly exchanges: readonly Exchange[];
}

export interface SharedAccess {
  readonly area: Area;
  readonly access: Access;
  readonly index: number;
}

/** Key of an open field. */
export function fieldKey(index: number, field: FieldSpec): string {
  return `${index}.${field.name}`;
}

/**
 * @throws BitloomError `program-field-range`, `program-bounds`, `program-region-write`, `program-token-overflow`,
 *   `program-hazard`
 */
export function checkExpansion(
  plan: ExpansionPlan,
  bindings: Bindings,
  keepShared: boolean,
): ExpansionResult {
  return new Expansion(plan, bindings, keepShared).run();
}

function exchangeOf({ index, fields }: ResolvedInstruction): Exchange {
  return {
    index,
    space: fields.space('all'),
    rows: fields.number('rows'),
    dstRow: fields.number('dstRow'),
    all: fields.offset('all'),
    allLength: fields.number('allLength'),
    dst: fields.offset('dst'),
    length: fields.number('length'),
  };
}

class Expansion {
  readonly #plan: ExpansionPlan;
  readonly #bindings: Bindings;
  readonly #keepShared: boolean;
  readonly #order: HappensBefore;
  readonly #limit: number;
  readonly #histories = new Map<Area, AccessHistory>();
  /** Values of base registers so far. */
  readonly #bases: Map<number, number>;
  readonly #reached = new Set<string>();
  readonly #shared: SharedAccess[] = [];
  readonly #exchanges: Exchange[] = [];
  readonly #lastAccesses: ({ fields: ResolvedFields; accesses: readonly Access[] } | undefined)[] = [];

  constructor(plan: ExpansionPlan, bindings: Bindings, keepShared: boolean) {
    this.#plan = plan;
    this.#bindings = bindings;
    this.#keepShared = keepShared;
    const { device } = plan.scope;
    const credits = parseCounters(device.tokens.initialCredits, `device '${device.name}'`);
    const queues = new Set(plan.scope.stream.instructions.map((instruction) => instruction.queue));
    queues.delete('system');
    this.#order = new HappensBefore(credits, device.dispatcher.queueDepth, queues);
    this.#limit = counterLimit(device);
    this.#bases = new Map(plan.registers);
  }

  run(): ExpansionResult {
    const { compiled, registers, maxIterations, reach } = this.#plan;
    let executed = 0;
    for (const step of compiled.expand(this.#bindings, registers, { maxIterations, reach })) {
      executed++;
      const open = this.#plan.openFields.get(step.index);
      if (open !== undefined) this.#checkFields(step, open);
      if (step.instruction.queue !== 'system') this.#execute(step);
      else if (step.instruction.name === 'BARRIER') this.#order.barrier();
      else if (step.instruction.name === 'BASE') {
        this.#bases.set(step.fields.number('register'), step.fields.number('value'));
      }
    }
    let comparisons = 0;
    for (const history of this.#histories.values()) comparisons += history.comparisons;
    return {
      executed,
      comparisons,
      mostTokens: this.#order.most,
      reached: this.#reached,
      shared: this.#shared,
      exchanges: this.#exchanges,
    };
  }

  #checkFields(step: ResolvedInstruction, open: readonly FieldSpec[]): void {
    for (const field of open) {
      this.#reached.add(fieldKey(step.index, field));
      const value = this.#rawValue(step, field);
      const { min, max } = fieldLimits(field);
      if (value >= min && value <= max) continue;
      const given = step.instruction.fields[field.name] ?? 0;
      const expression = isAddress(given) ? given.offset : given;
      failRange(this.#plan.scope, step.index, field, expression, `${value} at ${this.#point(step)}`);
    }
  }

  /** Value of a field as it is encoded: without the base register of an address. */
  #rawValue(step: ResolvedInstruction, field: FieldSpec): number {
    const given = step.instruction.fields[field.name] ?? 0;
    const value = step.fields.number(field.name);
    if (!isAddress(given) || given.page || given.register === 0) return value;
    return value - (this.#bases.get(given.register) ?? 0);
  }

  #execute(step: ResolvedInstruction): void {
    const { scope } = this.#plan;
    if (step.instruction.name === 'XCH') this.#exchanges.push(exchangeOf(step));
    const number = this.#order.start(step.instruction);
    const queue = this.#order.queue(step.instruction.queue);
    for (const access of this.#accesses(step)) {
      if (access.bytes > 0) this.#access(step, access, queue, number);
    }
    const over = this.#order.end(step.instruction, this.#limit);
    if (over !== undefined) {
      const when = `, when ${step.instruction.queue} runs ahead at ${this.#point(step)}`;
      failOverflow(scope, step.index, over.counter, over.tokens, when);
    }
  }

  /** Accesses of a step, made anew only when its fields are new. */
  #accesses(step: ResolvedInstruction): readonly Access[] {
    const last = this.#lastAccesses[step.index];
    if (last?.fields === step.fields) return last.accesses;
    const accesses = step.spec.accesses(step.fields);
    this.#lastAccesses[step.index] = { fields: step.fields, accesses };
    return accesses;
  }

  #access(step: ResolvedInstruction, access: Access, queue: number, number: number): void {
    const { scope, areas, bounds, written } = this.#plan;
    const address = addressOf(step.instruction, access);
    const area = areas.find(address, access.start, access.end);
    if (area === undefined) {
      failBounds(scope, step.index, access, areas.describe(address, access.start), this.#point(step));
    }
    if (access.write && area.isReadOnly) failReadOnly(scope, step.index, access, area);
    if (bounds.openAt.has(step.index)) this.#reached.add(accessKey(step.index, access));
    // Where nothing writes a region, nothing can clash with a read of it. Pages count as written.
    if (area.isShared && !address.page && !written.has(area)) return;
    if (area.isShared && this.#keepShared) this.#shared.push({ area, access, index: step.index });
    const record: AccessRecord = {
      start: access.start,
      end: access.end,
      runs: access.runs,
      write: access.write,
      queue,
      number,
      index: step.index,
      isDead: false,
    };
    const clash = this.#history(area).add(record, this.#order);
    if (clash !== undefined) this.#failHazard(step, record, clash, area);
  }

  #history(area: Area): AccessHistory {
    let history = this.#histories.get(area);
    if (history === undefined) {
      history = new AccessHistory(area.start, area.end);
      this.#histories.set(area, history);
    }
    return history;
  }

  #point(step: ResolvedInstruction): string {
    return atPoint(this.#plan.scope, step.index, this.#bindings, step.iterations);
  }

  #failHazard(step: ResolvedInstruction, now: AccessRecord, before: AccessRecord, area: Area): never {
    const { scope } = this.#plan;
    const message = !now.write
      ? 'bytes are read while their writer may still be at work'
      : before.write
        ? 'bytes are written by two instructions in no certain order'
        : 'buffer region is overwritten while a reader may still need it';
    const range = `${Math.max(now.start, before.start)}..${Math.min(now.end, before.end)}`;
    return scope.fail('program-hazard', step.index, {
      message: `${message}: ${area.name}, bytes ${range}`,
      expected: `a chain of tokens from ${scope.where(before.index)}`,
      got: `none at ${this.#point(step)}`,
      hint: 'release a token after the earlier instruction and wait for it before this one',
    });
  }
}
