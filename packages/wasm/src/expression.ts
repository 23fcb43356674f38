/**
 * Expressions: typed values that an instruction sequence leaves on the stack. Building one writes nothing; it is
 * evaluated where a statement uses it, and once per use, so keep what is used twice in a local.
 */
import { BitloomError } from '@bitloom/ir';
import type { ByteWriter } from './binary.js';
import {
  CONTROL,
  LANE_LOADS,
  LANE_OPERATORS,
  type LaneLoadName,
  type LaneOperatorName,
  LOADS,
  type LoadName,
  OPERATORS,
  type Opcode,
  type OperatorName,
} from './opcodes.js';
import { VALUE_TYPE_CODES, type ValueType } from './value-types.js';

/** A value of type `T`, as a writer of the bytes that compute it. */
export interface Expression<T extends ValueType = ValueType> {
  readonly type: T;
  readonly write: (out: ByteWriter) => void;
}

/** A parameter or local variable; used as an expression it reads the variable. */
export interface Local<T extends ValueType = ValueType> extends Expression<T> {
  readonly index: number;
}

/** Operands of an operator, by the types its table row gives. */
export type Operands<P extends readonly ValueType[]> = {
  readonly [I in keyof P]: P[I] extends ValueType ? Expression<P[I]> : never;
};

/**
 * Checks that an operand has the type its place asks for; the compiler has done so already for typed callers.
 *
 * @throws BitloomError `wasm-type`.
 */
export function checkType(what: string, expected: ValueType, got: Expression): void {
  if (got.type !== expected) {
    throw new BitloomError({
      code: 'wasm-type',
      message: 'an operand has the wrong type',
      where: what,
      expected,
      got: got.type,
    });
  }
}

/**
 * Checks number and types of operands.
 *
 * @throws BitloomError `wasm-type`.
 */
export function checkOperands(
  name: string,
  types: readonly ValueType[],
  operands: readonly Expression[],
): void {
  if (operands.length !== types.length) {
    throw new BitloomError({
      code: 'wasm-type',
      message: 'the number of operands is wrong',
      where: name,
      expected: String(types.length),
      got: String(operands.length),
    });
  }
  // The message is made where it is needed only: this runs for every instruction.
  for (let i = 0; i < types.length; i += 1) {
    if (operands[i].type !== types[i]) checkType(`operand ${i} of ${name}`, types[i], operands[i]);
  }
}

function checkLane(name: string, lane: number, lanes: number): void {
  if (!Number.isInteger(lane) || lane < 0 || lane >= lanes) {
    throw new BitloomError({
      code: 'wasm-lane',
      message: 'a lane index lies outside the vector',
      where: name,
      expected: `0 to ${lanes - 1}`,
      got: String(lane),
    });
  }
}

/**
 * Checks a constant offset of a memory access.
 *
 * @throws BitloomError `wasm-offset`.
 */
export function checkOffset(name: string, offset: number): void {
  if (!Number.isInteger(offset) || offset < 0 || offset > 0xffffffff) {
    throw new BitloomError({
      code: 'wasm-offset',
      message: 'a memory offset is not an unsigned 32-bit integer',
      where: name,
      expected: '0 to 4294967295',
      got: String(offset),
    });
  }
}

/** Appends a memory access: the opcode, no promise of alignment (hint 1 byte), the constant byte offset. */
export function appendMemoryAccess(out: ByteWriter, opcode: Opcode, offset: number): void {
  out.opcode(opcode);
  out.byte(0);
  out.unsigned(offset);
}

/** Reads of local variable `index`. */
export function localExpression<T extends ValueType>(type: T, index: number): Local<T> {
  return {
    type,
    index,
    write(out) {
      out.byte(CONTROL['local.get']);
      out.unsigned(index);
    },
  };
}

/** Applies an operator without immediates, e.g. `op('i32.add', a, b)`. */
export function op<N extends OperatorName>(
  name: N,
  ...operands: Operands<(typeof OPERATORS)[N]['params']>
): Expression<(typeof OPERATORS)[N]['result']> {
  const { opcode, params, result } = OPERATORS[name];
  const list: readonly Expression[] = operands;
  checkOperands(name, params, list);
  return {
    type: result,
    write(out) {
      for (const operand of list) operand.write(out);
      out.opcode(opcode);
    },
  };
}

/** Applies an operator with a lane index, e.g. `lane('f32x4.extract_lane', 2, v)`. */
export function lane<N extends LaneOperatorName>(
  name: N,
  index: number,
  ...operands: Operands<(typeof LANE_OPERATORS)[N]['params']>
): Expression<(typeof LANE_OPERATORS)[N]['result']> {
  const { opcode, params, result, lanes } = LANE_OPERATORS[name];
  checkLane(name, index, lanes);
  const list: readonly Expression[] = operands;
  checkOperands(name, params, list);
  return {
    type: result,
    write(out) {
      for (const operand of list) operand.write(out);
      out.opcode(opcode);
      out.byte(index);
    },
  };
}

/** Loads from `address` + `offset` bytes; any alignment is allowed. */
export function load<N extends LoadName>(
  name: N,
  address: Expression<'i32'>,
  offset = 0,
): Expression<(typeof LOADS)[N]['type']> {
  if (address.type !== 'i32') checkType(`address of ${name}`, 'i32', address);
  checkOffset(name, offset);
  const { opcode, type } = LOADS[name];
  return {
    type,
    write(out) {
      address.write(out);
      appendMemoryAccess(out, opcode, offset);
    },
  };
}

/** Replaces one lane of `vector` by what lies at `address` + `offset`. */
export function loadLane(
  name: LaneLoadName,
  index: number,
  address: Expression<'i32'>,
  vector: Expression<'v128'>,
  offset = 0,
): Expression<'v128'> {
  const { opcode, lanes } = LANE_LOADS[name];
  checkLane(name, index, lanes);
  checkOffset(name, offset);
  checkType(`address of ${name}`, 'i32', address);
  checkType(`vector of ${name}`, 'v128', vector);
  return {
    type: 'v128',
    write(out) {
      address.write(out);
      vector.write(out);
      appendMemoryAccess(out, opcode, offset);
      out.byte(index);
    },
  };
}

/** Bytes of `a` (indices 0..15) and `b` (16..31) in the order of `indices`. */
export function shuffle(
  a: Expression<'v128'>,
  b: Expression<'v128'>,
  indices: readonly number[],
): Expression<'v128'> {
  if (indices.length !== 16) {
    throw new BitloomError({
      code: 'wasm-lane',
      message: 'a shuffle needs one index per byte',
      expected: '16 indices',
      got: String(indices.length),
    });
  }
  for (const index of indices) checkLane('i8x16.shuffle', index, 32);
  checkType('operand 0 of i8x16.shuffle', 'v128', a);
  checkType('operand 1 of i8x16.shuffle', 'v128', b);
  return {
    type: 'v128',
    write(out) {
      a.write(out);
      b.write(out);
      out.opcode(CONTROL['i8x16.shuffle']);
      out.bytes(indices);
    },
  };
}

/** `condition` ≠ 0 ? `yes` : `no`; both are evaluated. */
export function select<T extends ValueType>(
  yes: Expression<T>,
  no: Expression<T>,
  condition: Expression<'i32'>,
): Expression<T> {
  checkType('second value of select', yes.type, no);
  checkType('condition of select', 'i32', condition);
  // Vectors need the typed form of select.
  return {
    type: yes.type,
    write(out) {
      yes.write(out);
      no.write(out);
      condition.write(out);
      out.bytes(yes.type === 'v128' ? [0x1c, 1, VALUE_TYPE_CODES.v128] : [CONTROL.select]);
    },
  };
}

/** A 32-bit integer constant; taken modulo 2^32. */
export function i32(value: number): Expression<'i32'> {
  return {
    type: 'i32',
    write(out) {
      out.byte(CONTROL['i32.const']);
      out.signed(value);
    },
  };
}

/** A float32 constant; `value` is rounded to float32. */
export function f32(value: number): Expression<'f32'> {
  return {
    type: 'f32',
    write(out) {
      out.byte(CONTROL['f32.const']);
      out.float32(value);
    },
  };
}

/** A vector constant from 16 bytes. */
export function v128(value: Uint8Array): Expression<'v128'> {
  if (value.length !== 16) {
    throw new BitloomError({
      code: 'wasm-lane',
      message: 'a vector constant has 16 bytes',
      expected: '16',
      got: String(value.length),
    });
  }
  return {
    type: 'v128',
    write(out) {
      out.opcode(CONTROL['v128.const']);
      out.bytes(value);
    },
  };
}

/** A vector constant of four equal float32. */
export function f32x4(value: number): Expression<'v128'> {
  return v128(new Uint8Array(Float32Array.of(value, value, value, value).buffer));
}

/** A vector constant of four equal 32-bit integers. */
export function i32x4(value: number): Expression<'v128'> {
  return v128(new Uint8Array(Int32Array.of(value, value, value, value).buffer));
}

/** A vector constant of eight equal 16-bit integers. */
export function i16x8(value: number): Expression<'v128'> {
  return v128(new Uint8Array(new Int16Array(8).fill(value).buffer));
}
