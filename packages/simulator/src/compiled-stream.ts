/**
 * A stream made ready to run: every dynamic field is a function of the environment (lengths, number of the core, loop
 * variables, base registers), loops know their ends. Both readings, function and time, walk this form.
 */
import {
  type Address,
  BitloomError,
  CORE_SYMBOL,
  compileExpression,
  coresOf,
  type Device,
  deviceHash,
  type FieldSpec,
  type FieldValue,
  type Instruction,
  type InstructionSpec,
  instructionSpec,
  internalError,
  type Program,
  type ProgramEntry,
  QUEUES,
  type ResolvedFields,
  type SpaceName,
} from '@bitloom/ir';

/** Symbol and register values: lengths first, then the number of the core, loop variables, base registers. */
export type Environment = Float64Array;

export type Getter = (env: Environment) => number;

const LENGTHS = ['seq', 'past'] as const;
const LOOP_VARIABLES = 16;
const CORE_SLOT = LENGTHS.length;
const FIRST_VARIABLE = CORE_SLOT + 1;
const FIRST_REGISTER = FIRST_VARIABLE + LOOP_VARIABLES;
const REGISTER_COUNT = 128;

/** Where the environment holds each symbol. */
export const SYMBOL_SLOTS: ReadonlyMap<string, number> = new Map([
  ...LENGTHS.map((name, i) => [name, i] as const),
  [CORE_SYMBOL, CORE_SLOT],
  ...Array.from({ length: LOOP_VARIABLES }, (_, i) => [`i${i}`, FIRST_VARIABLE + i] as const),
]);

/** Lengths of one call: `seq` new tokens after `past` cached ones. */
export interface Lengths {
  readonly seq: number;
  readonly past: number;
}

export function createEnvironment(lengths: Lengths, core = 0): Environment {
  const env = new Float64Array(FIRST_REGISTER + REGISTER_COUNT);
  env[0] = lengths.seq;
  env[1] = lengths.past;
  env[CORE_SLOT] = core;
  return env;
}

/** Entries of an environment, and which of them an instruction of a stream writes. */
export const SLOT_COUNT = FIRST_REGISTER + REGISTER_COUNT;
/** The first slots are the lengths of the call. */
export const LENGTH_SLOTS = LENGTHS.length;
export const registerSlot = (register: number): number => FIRST_REGISTER + register;
export const variableSlot = (variable: number): number => FIRST_VARIABLE + variable;

export function setRegister(env: Environment, register: number, value: number): void {
  env[FIRST_REGISTER + register] = value;
}

export function setLoopVariable(env: Environment, variable: number, value: number): void {
  env[FIRST_VARIABLE + variable] = value;
}

/** What fields are read from until an environment is given: every symbol 0. Never written to. */
const NO_ENVIRONMENT: Environment = createEnvironment({ seq: 0, past: 0 });

function isAddress(value: FieldValue): value is Address {
  return typeof value === 'object' && 'space' in value;
}

/** Base registers whose value does not change while the stream runs. */
export type FixedRegisters = ReadonlyMap<number, number>;

/** One field, ready to be read. */
interface FieldReader {
  readonly value: Getter;
  /** Set when the value does not depend on the environment. */
  readonly constant: number | undefined;
  readonly space: SpaceName;
  readonly channel: number;
}

const ABSENT: FieldReader = { value: () => 0, constant: 0, space: 'hbm', channel: 0 };

function reader(spec: FieldSpec, value: FieldValue | undefined, fixed: FixedRegisters): FieldReader {
  if (value === undefined) return ABSENT;
  if (isAddress(value)) {
    refusePage(spec.name, value);
    const offset = compileExpression(value.offset, SYMBOL_SLOTS);
    const slot = FIRST_REGISTER + value.register;
    const base = { space: value.space, channel: value.channel };
    const register = value.register === 0 ? 0 : fixed.get(value.register);
    if (register !== undefined) {
      const constant = typeof value.offset === 'number' ? value.offset + register : undefined;
      const moved = register === 0 ? offset : (env: Environment) => offset(env) + register;
      return { value: moved, constant, ...base };
    }
    return { value: (env) => (env[slot] ?? 0) + offset(env), constant: undefined, ...base };
  }
  const constant = typeof value === 'number' ? value : undefined;
  return { value: compileExpression(value, SYMBOL_SLOTS), constant, space: 'hbm', channel: 0 };
}

/** @throws BitloomError `simulator-unsupported` for an address that goes through a page table */
export function refusePage(field: string, { page, register }: Address): void {
  if (!page) return;
  throw new BitloomError({
    code: 'simulator-unsupported',
    message: 'paged addresses are not executed by this version of the simulator',
    where: `field '${field}'`,
    expected: 'an address without a page table',
    got: `register ${register}`,
  });
}

/** An instruction with readers for its fields, in table order. */
export class CompiledInstruction implements ResolvedFields {
  readonly source: Instruction;
  readonly spec: InstructionSpec;
  readonly queue: number;
  private environment: Environment;
  private readonly readers: readonly FieldReader[];
  private readonly index: ReadonlyMap<string, number>;

  constructor(
    source: Instruction,
    index: ReadonlyMap<string, number>,
    spec: InstructionSpec,
    fixed: FixedRegisters,
  ) {
    this.source = source;
    this.spec = spec;
    this.queue = QUEUES.indexOf(source.queue);
    this.index = index;
    this.readers = spec.fields.map((field) => reader(field, source.fields[field.name], fixed));
    this.environment = NO_ENVIRONMENT;
  }

  private reader(name: string): FieldReader {
    const found = this.readers[this.index.get(name) ?? -1];
    if (found === undefined) throw internalError(`instruction ${this.spec.name} has no field '${name}'`);
    return found;
  }

  /** Function that reads a field; addresses give their byte offset with the base register added. */
  getter(name: string): Getter {
    return this.reader(name).value;
  }

  /** The value of a field that no environment changes, or undefined. */
  constant(name: string): number | undefined {
    return this.reader(name).constant;
  }

  space(name: string): SpaceName {
    return this.reader(name).space;
  }

  /** Fields at an environment, for the functions of the instruction table. Valid until the next call. */
  at(env: Environment): ResolvedFields {
    this.environment = env;
    return this;
  }

  number(name: string): number {
    return this.reader(name).value(this.environment);
  }

  offset(name: string): number {
    return this.reader(name).value(this.environment);
  }

  channel(name: string): number {
    return this.reader(name).channel;
  }
}

/** One step of a compiled stream. */
export type Step =
  | { readonly kind: 'unit'; readonly instruction: CompiledInstruction }
  | {
      readonly kind: 'loop';
      readonly instruction: CompiledInstruction;
      readonly variable: number;
      readonly trips: Getter;
      readonly end: number;
    }
  | { readonly kind: 'end'; readonly instruction: CompiledInstruction; readonly start: number }
  | { readonly kind: 'barrier' | 'frame' | 'halt'; readonly instruction: CompiledInstruction }
  | {
      readonly kind: 'base';
      readonly instruction: CompiledInstruction;
      readonly register: Getter;
      readonly value: Getter;
    };

function fieldIndex(spec: InstructionSpec): ReadonlyMap<string, number> {
  return new Map(spec.fields.map((field, i) => [field.name, i]));
}

/** Bytes of an instruction in the stream; the encoder of `ir` by default. */
export type EncodedLength = (instruction: Instruction) => number;

/** Registers whose value stays what it is: those of `registers` that no instruction sets. */
export function fixedRegisters(
  instructions: readonly Instruction[],
  registers: FixedRegisters,
): FixedRegisters {
  const written = new Set(instructions.filter((i) => i.name === 'BASE').map((i) => i.fields.register));
  return new Map([...registers].filter(([register]) => !written.has(register)));
}

/**
 * Makes a stream ready to run. Values of `registers` are folded into addresses, unless the stream sets them.
 * @throws BitloomError `program-loop` when loops do not nest.
 */
export function compileStream(
  instructions: readonly Instruction[],
  registers: FixedRegisters = new Map(),
): readonly Step[] {
  const fixed = fixedRegisters(instructions, registers);
  const indexes = new Map<InstructionSpec, ReadonlyMap<string, number>>();
  const open: number[] = [];
  const steps: Step[] = [];
  instructions.forEach((source, at) => {
    const spec = instructionSpec(source.name);
    const index = indexes.get(spec) ?? fieldIndex(spec);
    indexes.set(spec, index);
    const instruction = new CompiledInstruction(source, index, spec, fixed);
    switch (source.name) {
      case 'LOOP': {
        open.push(at);
        steps.push({
          kind: 'loop',
          instruction,
          variable: instruction.number('variable'),
          trips: instruction.getter('trips'),
          end: -1,
        });
        break;
      }
      case 'END': {
        const start = open.pop();
        const loop = start === undefined ? undefined : steps[start];
        if (start === undefined || loop?.kind !== 'loop') {
          throw new BitloomError({
            code: 'program-loop',
            message: 'END without a LOOP',
            where: `instruction ${at}`,
          });
        }
        steps[start] = { ...loop, end: at };
        steps.push({ kind: 'end', instruction, start });
        break;
      }
      case 'BASE':
        steps.push({
          kind: 'base',
          instruction,
          register: instruction.getter('register'),
          value: instruction.getter('value'),
        });
        break;
      case 'BARRIER':
        steps.push({ kind: 'barrier', instruction });
        break;
      case 'FRAME':
        steps.push({ kind: 'frame', instruction });
        break;
      case 'HALT':
        steps.push({ kind: 'halt', instruction });
        break;
      default:
        steps.push({ kind: 'unit', instruction });
    }
  });
  if (open.length > 0)
    throw new BitloomError({
      code: 'program-loop',
      message: 'LOOP without an END',
      where: `instruction ${open[open.length - 1]}`,
    });
  return steps;
}

/** Registers of a program that a runtime has not moved: all 0. */
function restingRegisters(program: Program): FixedRegisters {
  return new Map(program.registers.map((register) => [register.index, 0]));
}

/** The entry of that name. */
export function findEntry(program: Program, name: string): ProgramEntry {
  const entry = program.entries.find((e) => e.name === name);
  if (entry === undefined) {
    throw new BitloomError({
      code: 'program-entry-unknown',
      message: `the program has no entry '${name}'`,
      where: `program '${program.name}'`,
      expected: program.entries.map((e) => e.name).join(', '),
      got: name,
    });
  }
  return entry;
}

/**
 * Refuses a program that this simulator would read wrongly: one for another card, for several slots, or with
 * lengths other than `seq` and `past`.
 * @throws BitloomError `simulator-device-mismatch`, `simulator-unsupported`
 */
export function checkProgram(program: Program, device: Device): void {
  const where = `program '${program.name}'`;
  const isNamed = program.device === device.name;
  if (!isNamed || (program.deviceHash !== '' && program.deviceHash !== deviceHash(device))) {
    throw new BitloomError({
      code: 'simulator-device-mismatch',
      message: 'the program was compiled for another card',
      where,
      expected: isNamed ? `content ${program.deviceHash.slice(0, 12)}` : program.device,
      got: isNamed ? `content ${deviceHash(device).slice(0, 12)}` : device.name,
      hint: 'compile for this card',
    });
  }
  const symbols = program.entries.flatMap((entry) => entry.symbols.map((symbol) => symbol.name));
  const unknown = symbols.find((name) => !LENGTHS.some((length) => length === name));
  if (program.slots === 1 && unknown === undefined) return;
  throw new BitloomError({
    code: 'simulator-unsupported',
    message: 'programs of several slots, or with lengths of their own, are not run by this version',
    where,
    expected: `1 slot, lengths ${LENGTHS.join(' and ')}`,
    got: unknown === undefined ? `${program.slots} slots` : `the length '${unknown}'`,
  });
}

/** A stream of an entry: instructions for the reading of time, steps for that of function. Cores may share it. */
export class EntryStream {
  readonly instructions: readonly Instruction[];
  readonly registers: FixedRegisters;
  readonly encodedLength: EncodedLength;
  private compiled: readonly Step[] | undefined;

  constructor(instructions: readonly Instruction[], registers: FixedRegisters, encodedLength: EncodedLength) {
    this.instructions = instructions;
    this.registers = fixedRegisters(instructions, registers);
    this.encodedLength = encodedLength;
  }

  /** Steps by the index of their instruction; made when they are first asked for. */
  get steps(): readonly Step[] {
    this.compiled ??= compileStream(this.instructions, this.registers);
    return this.compiled;
  }
}

/** What one core of an entry executes. */
export interface CoreStream {
  readonly core: number;
  readonly stream: EntryStream;
}

/** An entry made ready to run, core by core in the order of their numbers. */
export interface CompiledEntry {
  readonly name: string;
  readonly cores: readonly CoreStream[];
}

/**
 * Makes every stream of an entry ready.
 * @throws BitloomError `simulator-cores` when a core is not on the card or has two streams
 */
export function compileEntry(
  program: Program,
  entry: ProgramEntry,
  device: Device,
  encodedLength: EncodedLength,
): CompiledEntry {
  const cores = entry.streams.flatMap((one): CoreStream[] => {
    const stream = new EntryStream(one.instructions, restingRegisters(program), encodedLength);
    return coresOf(one).map((core) => ({ core, stream }));
  });
  cores.sort((a, b) => a.core - b.core);
  const bad = cores.find(({ core }, i) => core < 0 || core >= device.cores || core === cores[i - 1]?.core);
  if (bad === undefined) return { name: entry.name, cores };
  throw new BitloomError({
    code: 'simulator-cores',
    message: 'a stream is for a core that the card does not have, or that has a stream already',
    where: `entry '${entry.name}'`,
    expected: `each core of '${device.name}' once: 0 to ${device.cores - 1}`,
    got: `core ${bad.core}`,
  });
}

/** Refuses lengths outside of the bounds the program was verified for. */
export function checkLengths(program: Program, entry: ProgramEntry, lengths: Lengths): void {
  // A full context is what a session runs into, so it has its own name; anything else is a wrong length.
  if (lengths.past <= program.capacity && lengths.seq >= 1 && lengths.past + lengths.seq > program.capacity) {
    throw new BitloomError({
      code: 'context-full',
      message: 'the context of the program is full',
      where: `entry '${entry.name}'`,
      expected: `at most ${program.capacity} tokens`,
      got: `${lengths.past} cached and ${lengths.seq} new`,
      hint: 'compile for a longer context (--context), or start a new session',
    });
  }
  for (const symbol of entry.symbols) {
    const value = symbol.name === 'seq' ? lengths.seq : lengths.past;
    if (!Number.isSafeInteger(value) || value < symbol.min || value > symbol.max) {
      throw new BitloomError({
        code: 'program-length',
        message: `'${symbol.name}' is outside of what the program was compiled for`,
        where: `entry '${entry.name}'`,
        expected: `${symbol.min} to ${symbol.max}`,
        got: String(value),
        hint: 'compile for a longer context (--context)',
      });
    }
  }
}
