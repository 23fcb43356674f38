/**
 * Rule (b), first half: accesses stay inside a buffer or region for every value in the intervals of the lengths
 * and loop variables. What intervals are too coarse for (correlated symbols, tails of tiles) is left open here
 * and checked in expansions.
 *
 * The two corners are enough because every access range of the table is monotone in the dynamic fields: a larger
 * count, length or stride never makes it start later or end earlier (tested for the whole table).
 */
import { bounds } from '../../expression.js';
import type { RegisterValues } from '../expand-stream.js';
import {
  type Access,
  type Address,
  type InstructionSpec,
  isAddress,
  type ResolvedFields,
  type SpaceName,
} from '../instruction-fields.js';
import { instructionSpec } from '../instruction-set.js';
import type { Instruction } from '../program.js';
import type { Area, MemoryAreas } from './memory-areas.js';
import type { Intervals, StreamScope } from './stream-scope.js';

export interface BoundsCheck {
  /** Accesses of static instructions that intervals prove, by `instruction:operand`. */
  readonly proved: ReadonlySet<string>;
  /** Those that only expansions can check. */
  readonly open: ReadonlySet<string>;
  /** Instructions that have an open access. */
  readonly openAt: ReadonlySet<number>;
  /** Every access of each instruction that may run, with the bytes that it spans at most. */
  readonly spans: ReadonlyMap<number, readonly AccessSpan[]>;
  /** Regions that some instruction may write; a superset. */
  readonly written: ReadonlySet<Area>;
}

/** An access at the bounds of the lengths and loop variables. */
export interface AccessSpan {
  readonly operand: string;
  readonly write: boolean;
  /** Most bytes from its first to its last. */
  readonly extent: number;
  /** All bytes that it may ever touch. */
  readonly start: number;
  readonly end: number;
}

/** Key of an access of a static instruction. */
export function accessKey(index: number, access: Access): string {
  return `${index}:${access.operand}:${access.write ? 'w' : 'r'}`;
}

/** @throws BitloomError `program-bounds`, `program-region-write`, `program-address-missing` */
export function checkBounds(
  scope: StreamScope,
  intervals: readonly (Intervals | undefined)[],
  areas: MemoryAreas,
  registers: RegisterValues,
): BoundsCheck {
  const proved = new Set<string>();
  const open = new Set<string>();
  const openAt = new Set<number>();
  const spans = new Map<number, AccessSpan[]>();
  const written = new Set<Area>();
  const set = registersSet(scope);
  for (const [index, instruction] of scope.stream.instructions.entries()) {
    const names = intervals[index];
    if (names === undefined || instruction.queue === 'system') continue;
    const spec = instructionSpec(instruction.name);
    const low = spec.accesses(new Corner(scope, index, spec, names, registers, 'min'));
    const high = spec.accesses(new Corner(scope, index, spec, names, registers, 'max'));
    const isConstant = Object.values(instruction.fields).every(
      (value) => typeof (isAddress(value) ? value.offset : value) === 'number',
    );
    const listed: AccessSpan[] = [];
    spans.set(index, listed);
    for (const [i, access] of high.entries()) {
      if (access.bytes === 0) continue;
      const address = addressOf(instruction, access);
      const [start, end] = [low[i]?.start ?? access.start, access.end];
      const { operand, write } = access;
      listed.push({ operand, write, extent: access.end - access.start, start, end });
      // The value of a register that the stream sets is known in expansions only.
      const isFixed = address.register === 0 || address.page || !set.has(address.register);
      if (access.write) {
        const isExact = isFixed && !address.page;
        const [from, to] = isExact ? [start, end] : [0, Number.POSITIVE_INFINITY];
        for (const area of areas.regionsIn(address, from, to)) written.add(area);
      }
      const area = isFixed ? areas.find(address, start, end) : undefined;
      if (area !== undefined) {
        if (access.write && area.isReadOnly) failReadOnly(scope, index, access, area);
        if (access.write && address.page) written.add(area);
        proved.add(accessKey(index, access));
      } else if (isFixed && isConstant) {
        failBounds(scope, index, access, areas.describe(address, start));
      } else {
        open.add(accessKey(index, access));
        openAt.add(index);
      }
    }
  }
  return { proved, open, openAt, spans, written };
}

/** Base registers that the stream itself sets. */
function registersSet(scope: StreamScope): Set<number> {
  const out = new Set<number>();
  for (const instruction of scope.stream.instructions) {
    const register = instruction.name === 'BASE' ? instruction.fields.register : undefined;
    if (typeof register === 'number') out.add(register);
  }
  return out;
}

/** The address field that an access goes through. */
export function addressOf(instruction: Instruction, access: Access): Address {
  const value = instruction.fields[access.operand];
  if (value !== undefined && isAddress(value)) return value;
  // Unreachable: the table read the address to make the access.
  return { space: access.space, channel: 0, register: 0, page: false, offset: 0 };
}

export function failBounds(
  scope: StreamScope,
  index: number,
  access: Access,
  expected: string,
  point?: string,
): never {
  return scope.fail('program-bounds', index, {
    message: `operand '${access.operand}' ${access.write ? 'writes' : 'reads'} outside of its buffer or region`,
    expected,
    got: `${access.space} ${access.start}..${access.end}${point === undefined ? '' : ` at ${point}`}`,
    hint: 'check the address, the strides and the counts of the operand',
  });
}

export function failReadOnly(scope: StreamScope, index: number, access: Access, area: Area): never {
  return scope.fail('program-region-write', index, {
    message: `operand '${access.operand}' writes into a region that holds constants of the model`,
    expected: 'a region that starts as zeros',
    got: `${area.name}, ${access.start}..${access.end}`,
  });
}

/** Fields at a corner of their intervals: counts at their largest, offsets at their smallest or largest. */
class Corner implements ResolvedFields {
  readonly #scope: StreamScope;
  readonly #index: number;
  readonly #spec: InstructionSpec;
  readonly #names: Intervals;
  readonly #registers: RegisterValues;
  readonly #offsets: 'min' | 'max';

  constructor(
    scope: StreamScope,
    index: number,
    spec: InstructionSpec,
    names: Intervals,
    registers: RegisterValues,
    offsets: 'min' | 'max',
  ) {
    this.#scope = scope;
    this.#index = index;
    this.#spec = spec;
    this.#names = names;
    this.#registers = registers;
    this.#offsets = offsets;
  }

  number(name: string): number {
    const value = this.#instruction.fields[name] ?? 0;
    return isAddress(value) ? this.offset(name) : bounds(value, this.#names).max;
  }

  offset(name: string): number {
    const address = this.#address(name);
    const base = address.page ? 0 : (this.#registers.get(address.register) ?? 0);
    return bounds(address.offset, this.#names)[this.#offsets] + base;
  }

  space(name: string): SpaceName {
    return this.#address(name).space;
  }

  channel(name: string): number {
    return this.#address(name).channel;
  }

  get #instruction(): Instruction {
    return this.#scope.stream.instructions[this.#index];
  }

  #address(name: string): Address {
    const value = this.#instruction.fields[name];
    if (value !== undefined && isAddress(value)) return value;
    return this.#scope.fail('program-address-missing', this.#index, {
      message: `${this.#spec.name} needs address '${name}' with these fields`,
      expected: `an address in field '${name}'`,
      got: 'none',
    });
  }
}
