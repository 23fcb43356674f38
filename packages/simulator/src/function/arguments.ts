/**
 * From the fields of an instruction to a call: what executes an instruction, its context, and how constants and functions
 * of the environment become arguments. Knows no instruction.
 */
import { internalError } from '@bitloom/ir';
import type { KernelName, Kernels } from '@bitloom/kernels';
import type { CompiledInstruction, Environment, Getter } from '../compiled-stream.js';
import type { CoreMemory } from './card-memory.js';
import type { CopyRuns } from './copy-runs.js';
import type { DeferredLoads } from './deferred-loads.js';
import type { ExchangeHub } from './exchange-hub.js';
import type { Int4Scratch } from './int4-scratch.js';
import { invokeWith, type NumericFunction } from './invoke.js';

export type Execute = (env: Environment) => void;

export interface ExecuteContext {
  readonly kernels: Kernels;
  /** Number of the core that executes, and the spaces it sees. */
  readonly core: number;
  readonly memory: CoreMemory;
  readonly exchange: ExchangeHub;
  readonly copyRuns: CopyRuns;
  readonly deferred: DeferredLoads;
  /** int32 0, 1, 2, ...: row numbers for kernels that gather. */
  readonly identity: number;
  /** Where codes of 4 bits lie one per byte during an instruction. */
  readonly int4: Int4Scratch;
  /** Room for a sparse tile with its codes expanded; see `allocateExpanded`. */
  readonly expanded: number;
}

export const NOTHING: Execute = () => undefined;

/** One after the other. */
export function inTurn(first: Execute, second: Execute): Execute {
  return (env) => {
    first(env);
    second(env);
  };
}

/** An argument of a call: a constant, or a function of the environment. */
export type Argument = number | Getter;

/**
 * A call whose constant arguments are laid down once. Most arguments of most instructions are constants, so an
 * execution evaluates a few functions and calls.
 */
export function call(target: NumericFunction, args: readonly Argument[]): Execute {
  const invoke = invokeWith(args.length);
  const values = args.map((argument) => (typeof argument === 'number' ? argument : 0));
  const slots: number[] = [];
  const getters: Getter[] = [];
  args.forEach((argument, slot) => {
    if (typeof argument === 'number') return;
    slots.push(slot);
    getters.push(argument);
  });
  const count = slots.length;
  if (count === 0) return () => invoke(target, values);
  return (env) => {
    for (let i = 0; i < count; i++) values[slots[i]] = getters[i](env);
    invoke(target, values);
  };
}

/** Reads the fields of one instruction as arguments. */
export class Arguments {
  readonly ctx: ExecuteContext;
  readonly instruction: CompiledInstruction;

  constructor(ctx: ExecuteContext, instruction: CompiledInstruction) {
    this.ctx = ctx;
    this.instruction = instruction;
  }

  field(name: string): Argument {
    return this.instruction.constant(name) ?? this.instruction.getter(name);
  }

  fields(...names: readonly string[]): Argument[] {
    return names.map((name) => this.field(name));
  }

  /** An operand as a pointer into the arena; bytes of the weight buffer are put in place before. */
  pointer(name: string): Argument {
    const raw = this.address(name);
    if (this.instruction.space(name) !== 'weights') return raw;
    const at = getterOf(raw);
    return (env) => {
      this.ctx.deferred.settleAll();
      return at(env);
    };
  }

  /** An address as a pointer into the arena. */
  address(name: string): Argument {
    const base = this.ctx.memory.base(this.instruction.space(name));
    const offset = this.field(name);
    return typeof offset === 'number' ? base + offset : (env) => base + offset(env);
  }

  /** Pointer, batch stride, row stride. */
  strided(name: string): Argument[] {
    return [this.pointer(name), this.field(`${name}Batch`), this.field(`${name}Row`)];
  }

  constant(name: string): number {
    const value = this.instruction.constant(name);
    if (value === undefined)
      throw internalError(`field '${name}' of ${this.instruction.spec.name} must be static`);
    return value;
  }

  immediate(): number {
    return Math.fround(this.constant('immediate'));
  }

  kernel(name: KernelName, args: readonly Argument[]): Execute {
    // Kernels are plain functions over the arena: none of them needs its table.
    return call(this.ctx.kernels[name], args);
  }
}

export function combine(a: Argument, b: Argument, join: (a: number, b: number) => number): Argument {
  if (typeof a === 'number' && typeof b === 'number') return join(a, b);
  const [left, right] = [typeof a === 'number' ? () => a : a, typeof b === 'number' ? () => b : b];
  return (env) => join(left(env), right(env));
}

export function getterOf(argument: Argument): Getter {
  return typeof argument === 'number' ? () => argument : argument;
}
