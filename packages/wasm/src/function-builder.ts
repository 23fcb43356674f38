/**
 * The body of one function: locals, statements, structured control flow. Statements are written in the order of the
 * calls; expressions are built beside it and consumed by statements.
 */
import { BitloomError } from '@bitloom/ir';
import { ByteWriter } from './binary.js';
import {
  appendMemoryAccess,
  checkOffset,
  checkOperands,
  checkType,
  type Expression,
  type Local,
  localExpression,
} from './expression.js';
import { CONTROL, EMPTY_BLOCK, LANE_STORES, type LaneStoreName, STORES, type StoreName } from './opcodes.js';
import { VALUE_TYPE_CODES, type ValueType } from './value-types.js';

/** A function of the module that can be called: its index and its signature. At most one result. */
export interface FunctionReference<
  P extends readonly ValueType[] = readonly ValueType[],
  R extends ValueType | undefined = ValueType | undefined,
> {
  readonly index: number;
  readonly name: string;
  readonly params: P;
  readonly result: R;
}

/** A branch target, valid inside the `block` or `loop` that made it. */
export interface Label {
  readonly depth: number;
  readonly kind: 'block' | 'loop';
}

/** Writes one function body. Made by the module builder. */
export class FunctionBuilder {
  readonly #name: string;
  readonly #paramCount: number;
  readonly #locals: { type: ValueType; name: string }[];
  readonly #code = new ByteWriter();
  #depth = 0;

  constructor(name: string, params: readonly ValueType[], paramNames: readonly string[]) {
    this.#name = name;
    this.#paramCount = params.length;
    this.#locals = params.map((type, i) => ({ type, name: paramNames[i] }));
  }

  /** A new local variable, zero at entry, or set to `initial` at this point. */
  local<T extends ValueType>(type: T, name: string, initial?: Expression<T>): Local<T> {
    const index = this.#locals.length;
    this.#locals.push({ type, name });
    const local = localExpression(type, index);
    if (initial !== undefined) this.set(local, initial);
    return local;
  }

  /** local = value. */
  set<T extends ValueType>(local: Local<T>, value: Expression<T>): void {
    if (value.type !== local.type) {
      checkType(`value of local ${this.#locals[local.index].name}`, local.type, value);
    }
    value.write(this.#code);
    this.#code.byte(CONTROL['local.set']);
    this.#code.unsigned(local.index);
  }

  /** local = value, and the value itself. The assignment happens where the expression is used. */
  tee<T extends ValueType>(local: Local<T>, value: Expression<T>): Expression<T> {
    if (value.type !== local.type) {
      checkType(`value of local ${this.#locals[local.index].name}`, local.type, value);
    }
    return {
      type: local.type,
      write(out) {
        value.write(out);
        out.byte(CONTROL['local.tee']);
        out.unsigned(local.index);
      },
    };
  }

  /** Stores `value` at `address` + `offset` bytes; any alignment is allowed. */
  store<N extends StoreName>(
    name: N,
    address: Expression<'i32'>,
    value: Expression<(typeof STORES)[N]['type']>,
    offset = 0,
  ): void {
    const { opcode, type } = STORES[name];
    if (address.type !== 'i32') checkType(`address of ${name}`, 'i32', address);
    if (value.type !== type) checkType(`value of ${name}`, type, value);
    checkOffset(name, offset);
    address.write(this.#code);
    value.write(this.#code);
    appendMemoryAccess(this.#code, opcode, offset);
  }

  /** Stores one lane of `vector`. */
  storeLane(
    name: LaneStoreName,
    lane: number,
    address: Expression<'i32'>,
    vector: Expression<'v128'>,
    offset = 0,
  ): void {
    const { opcode, lanes } = LANE_STORES[name];
    checkType(`address of ${name}`, 'i32', address);
    checkType(`vector of ${name}`, 'v128', vector);
    checkOffset(name, offset);
    if (!Number.isInteger(lane) || lane < 0 || lane >= lanes) {
      throw new BitloomError({
        code: 'wasm-lane',
        message: 'a lane index lies outside the vector',
        where: name,
        expected: `0 to ${lanes - 1}`,
        got: String(lane),
      });
    }
    address.write(this.#code);
    vector.write(this.#code);
    appendMemoryAccess(this.#code, opcode, offset);
    this.#code.byte(lane);
  }

  /** A block; branching to its label leaves it. */
  block(body: (label: Label) => void): void {
    this.#structure('block', body);
  }

  /** A loop; branching to its label starts the next turn, falling out of the body leaves it. */
  loop(body: (label: Label) => void): void {
    this.#structure('loop', body);
  }

  #structure(kind: 'block' | 'loop', body: (label: Label) => void): void {
    this.#code.bytes([CONTROL[kind], EMPTY_BLOCK]);
    this.#depth += 1;
    body({ depth: this.#depth, kind });
    this.#depth -= 1;
    this.#code.byte(CONTROL.end);
  }

  /** Runs `then` when `condition` is not 0, else `otherwise`. */
  if(condition: Expression<'i32'>, then: () => void, otherwise?: () => void): void {
    checkType('condition of if', 'i32', condition);
    condition.write(this.#code);
    this.#code.bytes([CONTROL.if, EMPTY_BLOCK]);
    this.#depth += 1;
    then();
    if (otherwise !== undefined) {
      this.#code.byte(CONTROL.else);
      otherwise();
    }
    this.#depth -= 1;
    this.#code.byte(CONTROL.end);
  }

  /** Repeats `body` while `condition` is not 0; the condition is tested first. */
  while(condition: Expression<'i32'>, body: () => void): void {
    this.if(condition, () => {
      this.loop((again) => {
        body();
        this.branchIf(again, condition);
      });
    });
  }

  /** Branches to a label of an enclosing structure. */
  branch(label: Label): void {
    this.#code.byte(CONTROL.br);
    this.#code.unsigned(this.#distance(label));
  }

  /** Branches when `condition` is not 0. */
  branchIf(label: Label, condition: Expression<'i32'>): void {
    checkType('condition of br_if', 'i32', condition);
    condition.write(this.#code);
    this.#code.byte(CONTROL.br_if);
    this.#code.unsigned(this.#distance(label));
  }

  #distance(label: Label): number {
    const distance = this.#depth - label.depth;
    if (distance < 0) {
      throw new BitloomError({
        code: 'wasm-label',
        message: 'a branch goes to a label outside its structure',
        where: `function ${this.#name}`,
        expected: `a label of depth at most ${this.#depth}`,
        got: String(label.depth),
      });
    }
    return distance;
  }

  /** Calls a function without a result. */
  call(target: FunctionReference<readonly ValueType[], undefined>, ...args: readonly Expression[]): void {
    writeCall(this.#code, target, args);
  }

  /** Calls a function for its result, where the expression is used. */
  result<R extends ValueType>(
    target: FunctionReference<readonly ValueType[], R>,
    ...args: readonly Expression[]
  ): Expression<R> {
    return { type: target.result, write: (out) => writeCall(out, target, args) };
  }

  /** Leaves the function, with its result if it has one. */
  return(value?: Expression): void {
    value?.write(this.#code);
    this.#code.byte(CONTROL.return);
  }

  /** Names of parameters and locals, by index. */
  get localNames(): readonly string[] {
    return this.#locals.map(({ name }) => name);
  }

  /** Writes the code entry: size, local declarations (runs of equal types), the body, the end. Called once. */
  finish(out: ByteWriter, result?: Expression): void {
    const runs: { type: ValueType; count: number }[] = [];
    for (const { type } of this.#locals.slice(this.#paramCount)) {
      const last = runs.at(-1);
      if (last?.type === type) last.count += 1;
      else runs.push({ type, count: 1 });
    }
    result?.write(this.#code);
    this.#code.byte(CONTROL.end);
    out.sized((entry) => {
      entry.vector(runs, ({ type, count }) => {
        entry.unsigned(count);
        entry.byte(VALUE_TYPE_CODES[type]);
      });
      entry.bytes(this.#code.written);
    });
  }
}

function writeCall(out: ByteWriter, target: FunctionReference, args: readonly Expression[]): void {
  checkOperands(target.name, target.params, args);
  for (const argument of args) argument.write(out);
  out.byte(CONTROL.call);
  out.unsigned(target.index);
}
