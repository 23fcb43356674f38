/**
 * Rule (a): every instruction is one of the table, on a queue that may run it, with known fields of the right
 * kind and width, addresses in spaces that the device has, and expressions over names that have a value there.
 * Says nothing about what an address reaches; see check-bounds.
 */
import { findBuffer, findMemory } from '../../device/device.js';
import { bounds, type Expression, formatExpression, type Interval, symbolsOf } from '../../expression.js';
import { brokenRule, ruleCondition, ruleText } from '../field-rules.js';
import {
  type Address,
  type FieldSpec,
  type FieldValue,
  type InstructionSpec,
  isAddress,
  QUEUES,
  SPACE_KINDS,
  SPACES,
  STRIPED,
} from '../instruction-fields.js';
import { INSTRUCTION_SET } from '../instruction-set.js';
import { enclosingLoops, type LoopRange } from '../loop-structure.js';
import type { Instruction } from '../program.js';
import { type Intervals, type StreamScope, streamIntervals } from './stream-scope.js';

/** Bits of the offset in an encoded address. */
const OFFSET_BITS = 44;

/** Queues that take part in tokens: units. The dispatcher and the reserved queue do not. */
const TOKEN_QUEUES: ReadonlySet<string> = new Set(QUEUES.filter((q) => q !== 'system' && q !== 'reserved'));

export interface FieldCheck {
  /** Intervals of the names in scope at each instruction; undefined where it never runs. */
  readonly intervals: readonly (Intervals | undefined)[];
  /** Dynamic fields whose interval fits their width. */
  readonly proved: number;
  /** Fields, by instruction, whose interval is too wide: their values are checked in expansions. */
  readonly open: ReadonlyMap<number, readonly FieldSpec[]>;
}

/** @throws BitloomError with the codes named at each rule */
export function checkFields(scope: StreamScope): FieldCheck {
  for (const index of scope.stream.instructions.keys()) checkShape(scope, index);
  checkLoops(scope);
  const declared = new Set(scope.entry.symbols.map((decl) => decl.name));
  for (const index of scope.stream.instructions.keys()) checkNames(scope, index, declared);
  const intervals = streamIntervals(scope);
  const open = new Map<number, FieldSpec[]>();
  let proved = 0;
  for (const [index, instruction] of scope.stream.instructions.entries()) {
    const spec = specOf(scope, index, instruction);
    const names = intervals[index];
    for (const field of spec.fields) {
      const value = fieldOf(instruction, field.name);
      if (value === undefined || names === undefined) continue;
      const expression = isAddress(value) ? value.offset : value;
      const interval = bounds(expression, names);
      const limits = fieldLimits(field);
      const isInside = interval.min >= limits.min && interval.max <= limits.max;
      const isOutside = interval.max < limits.min || interval.min > limits.max;
      if (isOutside || (!isInside && typeof expression === 'number')) {
        failRange(scope, index, field, expression, `${interval.min}..${interval.max}`);
      }
      if (typeof expression === 'number') checkNumber(scope, index, field, expression);
      else if (isInside) proved++;
      else open.set(index, [...(open.get(index) ?? []), field]);
    }
    if (names !== undefined) checkRules(scope, index, spec, names);
  }
  return { intervals, proved, open };
}

/** Smallest and largest value a field can hold. */
export function fieldLimits(field: FieldSpec): Interval {
  switch (field.kind) {
    case 'uint':
      return { min: 0, max: 2 ** field.bits - 1 };
    case 'int':
      return { min: -(2 ** (field.bits - 1)), max: 2 ** (field.bits - 1) - 1 };
    case 'enum':
      return { min: 0, max: (field.values?.length ?? 0) - 1 };
    case 'address':
      return { min: 0, max: 2 ** OFFSET_BITS - 1 };
    case 'float32':
      return { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
  }
}

export function failRange(
  scope: StreamScope,
  index: number,
  field: FieldSpec,
  expression: Expression,
  got: string,
): never {
  const { min, max } = fieldLimits(field);
  return scope.fail('program-field-range', index, {
    message: `field '${field.name}' does not hold ${formatExpression(expression)}`,
    expected: `${min}..${max}`,
    got,
    hint: 'use a smaller tile, or split the instruction',
  });
}

function fieldOf(instruction: Instruction, name: string): FieldValue | undefined {
  return Object.hasOwn(instruction.fields, name) ? instruction.fields[name] : undefined;
}

function specOf(scope: StreamScope, index: number, instruction: Instruction): InstructionSpec {
  const spec = INSTRUCTION_SET.get(instruction.name);
  if (spec !== undefined) return spec;
  return scope.fail('program-instruction', index, {
    message: `no instruction is named '${instruction.name}'`,
    expected: [...INSTRUCTION_SET.keys()].join(', '),
    got: instruction.name,
  });
}

/** Everything that needs no interval: name, queue, masks, kinds of fields, addresses. */
function checkShape(scope: StreamScope, index: number): void {
  const instruction = scope.stream.instructions[index];
  const spec = specOf(scope, index, instruction);
  if (!spec.queues.includes(instruction.queue)) {
    scope.fail('program-queue', index, {
      message: `${spec.name} does not run on queue '${instruction.queue}'`,
      expected: spec.queues.join(' or '),
      got: instruction.queue,
    });
  }
  if (scope.program.provenance[instruction.origin] === undefined) {
    scope.fail('program-origin', index, {
      message: 'the provenance of the instruction is not in the table',
      expected: `0..${scope.program.provenance.length - 1}`,
      got: String(instruction.origin),
    });
  }
  checkMask(scope, index, 'wait', instruction.wait);
  checkMask(scope, index, 'release', instruction.release);
  if (spec.name === 'BASE') checkBase(scope, index);
  for (const [name, value] of Object.entries(instruction.fields)) {
    const field = spec.fields.find((candidate) => candidate.name === name);
    if (field === undefined) {
      scope.fail('program-field-unknown', index, {
        message: `${spec.name} has no field '${name}'`,
        expected: spec.fields.map((candidate) => candidate.name).join(', ') || 'no field',
        got: name,
      });
    } else {
      checkKind(scope, index, field, value);
      if (isAddress(value)) checkAddress(scope, index, field, value);
    }
  }
}

/** Combinations of fields that have a meaning, for every value that their intervals allow. */
function checkRules(scope: StreamScope, index: number, spec: InstructionSpec, names: Intervals): void {
  const interval = (field: string): Interval => {
    const value = fieldOf(scope.stream.instructions[index], field) ?? 0;
    return isAddress(value) ? { min: 0, max: 0 } : bounds(value, names);
  };
  const rule = brokenRule(spec, interval);
  if (rule === undefined) return;
  const condition = ruleCondition(rule);
  const { min, max } = interval(rule.field);
  scope.fail('program-field-combination', index, {
    message: `${spec.name}${condition === '' ? '' : ` with ${condition}`} means nothing with this '${rule.field}'`,
    expected: ruleText(rule),
    got: min === max ? String(min) : `${min}..${max}`,
    hint: 'docs/instructions.md lists the combinations of fields that have a meaning',
  });
}

function checkBase(scope: StreamScope, index: number): void {
  const { registers } = scope.program;
  const register = scope.stream.instructions[index].fields.register ?? 0;
  if (registers.some((decl) => decl.index === register)) return;
  scope.fail('program-register', index, {
    message: 'BASE sets a register that the program does not declare',
    expected: registers.map((decl) => `${decl.index} (${decl.name})`).join(', ') || 'no register',
    got: String(register),
  });
}

function checkMask(
  scope: StreamScope,
  index: number,
  name: 'wait' | 'release',
  mask: readonly string[],
): void {
  const instruction = scope.stream.instructions[index];
  if (mask.length > 0 && !TOKEN_QUEUES.has(instruction.queue)) {
    scope.fail('program-mask', index, {
      message: 'instructions of the dispatcher take no part in tokens',
      expected: `an empty ${name} mask`,
      got: mask.join(', '),
      hint: 'put the token on a SYNC of a unit, or use BARRIER',
    });
  }
  if (new Set(mask).size !== mask.length || mask.some((queue) => !TOKEN_QUEUES.has(queue))) {
    scope.fail('program-mask', index, {
      message: `the ${name} mask is not a set of unit queues`,
      expected: `each at most once of ${[...TOKEN_QUEUES].join(', ')}`,
      got: mask.join(', '),
    });
  }
}

function checkKind(scope: StreamScope, index: number, field: FieldSpec, value: FieldValue): void {
  const isRight = field.kind === 'address' ? isAddress(value) : !isAddress(value);
  if (!isRight) {
    scope.fail('program-field-kind', index, {
      message: `field '${field.name}' holds the wrong kind of value`,
      expected: field.kind === 'address' ? 'an address' : 'an expression',
      got: isAddress(value) ? `an address in ${value.space}` : formatExpression(value),
    });
  }
  if (!field.dynamic && !isAddress(value) && typeof value !== 'number') {
    scope.fail('program-field-kind', index, {
      message: `field '${field.name}' is fixed in the encoding`,
      expected: 'a number',
      got: formatExpression(value),
    });
  }
}

function checkAddress(scope: StreamScope, index: number, field: FieldSpec, value: Address): void {
  const { device, program } = scope;
  const legal: readonly string[] = field.space === undefined ? SPACES : SPACE_KINDS[field.space];
  if (!legal.includes(value.space)) {
    scope.fail('program-space', index, {
      message: `address '${field.name}' is not in a ${field.space}`,
      expected: legal.join(', '),
      got: value.space,
      hint: 'move bytes between memories and buffers with LD and ST',
    });
  }
  const buffer = findBuffer(device, value.space);
  const memory = findMemory(device, value.space);
  if (buffer === undefined && memory === undefined) {
    const known = [...device.buffers, ...device.memories].map((decl) => decl.space).join(', ');
    scope.fail('program-space', index, {
      message: `address '${field.name}' is in a space that device '${device.name}' does not have`,
      expected: known,
      got: value.space,
    });
  }
  const channels = memory?.channels ?? 1;
  const isChannel = Number.isInteger(value.channel) && value.channel >= 0 && value.channel < channels;
  if (!isChannel && !(memory !== undefined && value.channel === STRIPED)) {
    scope.fail('program-channel', index, {
      message: `address '${field.name}' is on a channel that ${value.space} does not have`,
      expected:
        memory === undefined ? 'channel 0 of a buffer' : `0..${channels - 1}, or ${STRIPED} (striped)`,
      got: String(value.channel),
    });
  }
  const decl = program.registers.find((register) => register.index === value.register);
  if (value.register !== 0 && decl === undefined) {
    scope.fail('program-register', index, {
      message: `address '${field.name}' uses a base register that the program does not declare`,
      expected: program.registers.map((r) => `${r.index} (${r.name})`).join(', ') || 'no register',
      got: String(value.register),
    });
  }
  if (value.page && decl?.pageTable === undefined) {
    scope.fail('program-register', index, {
      message: `address '${field.name}' is paged, but its register has no page table`,
      expected: 'a register declared with a page table',
      got: `register ${value.register}`,
    });
  }
}

function checkLoops(scope: StreamScope): void {
  const { loopDepth } = scope.device.dispatcher;
  for (const [index, loop] of scope.loops.byIndex) {
    if (index !== loop.begin) continue;
    if (loop.depth > loopDepth) {
      scope.fail('program-loop-depth', index, {
        message: 'loops are nested deeper than the dispatcher allows',
        expected: `at most ${loopDepth}`,
        got: String(loop.depth),
      });
    }
    if (enclosingLoops(loop.parent).some((outer) => outer.variable === loop.variable)) {
      scope.fail('program-loop-variable', index, {
        message: 'a loop counts with the variable of a loop around it',
        expected: 'a variable of its own',
        got: loop.variable,
      });
    }
  }
}

/** Expressions use declared symbols and variables of enclosing loops only. */
function checkNames(scope: StreamScope, index: number, declared: ReadonlySet<string>): void {
  const loop = scope.loops.around[index];
  for (const [name, value] of Object.entries(scope.stream.instructions[index].fields)) {
    const expression = isAddress(value) ? value.offset : value;
    if (typeof expression === 'number') continue;
    for (const used of symbolsOf(expression)) {
      if (declared.has(used) || isVariable(loop, used)) continue;
      const known = [...declared, ...enclosingLoops(loop).map((outer) => outer.variable)];
      scope.fail('program-symbol', index, {
        message: `field '${name}' uses '${used}', which has no value here`,
        expected: known.join(', ') || 'no symbol',
        got: used,
      });
    }
  }
}

function isVariable(loop: LoopRange | undefined, name: string): boolean {
  return loop !== undefined && (loop.variable === name || isVariable(loop.parent, name));
}

/** Constants beyond their range check: integers, or numbers that a float32 holds exactly. */
function checkNumber(scope: StreamScope, index: number, field: FieldSpec, value: number): void {
  if (field.kind === 'float32') {
    if (Number.isFinite(value) && Math.fround(value) === value) return;
    scope.fail('program-field-range', index, {
      message: `field '${field.name}' is not a finite float32`,
      expected: 'a value that a float32 holds exactly',
      got: String(value),
      hint: 'round it with Math.fround before it enters the program',
    });
  }
  if (!Number.isSafeInteger(value)) failRange(scope, index, field, value, String(value));
}
