/**
 * The expression pool of a stream: every distinct expression once, in postfix, so that a dispatcher evaluates it
 * with a stack and no recursion. Instructions refer to expressions by index.
 *
 * Bytes (little-endian; no bytes at all for an empty pool): uint32 expressions, uint32 symbols, uint32 code bytes;
 * uint32 start of each expression in the code; the code; each symbol's name as uint8 length and UTF-8; where there are
 * tables, their number, and of each its length and its values; zeros up to a multiple of 4. An item of the code is an
 * operator byte and an operand: constants, factors and divisors as signed, symbol and table indices and operand counts
 * as unsigned variable-length integers. Of tables, number and lengths are unsigned and values signed.
 */
import { BitloomError } from '../error.js';
import type { Expression } from '../expression.js';
import {
  EXPRESSION_BYTES,
  EXPRESSION_DEPTH,
  EXPRESSION_OPERANDS,
  EXPRESSION_TABLE,
  SYMBOL_BYTES,
} from '../expression-limits.js';

const POOL_HEADER_BYTES = 12;

/** Operators by code. `constant` and `symbol` push; the others take their operands from the stack. */
const OPERATORS = [
  'constant',
  'symbol',
  'add',
  'mul',
  'floorDiv',
  'ceilDiv',
  'mod',
  'min',
  'max',
  'lookup',
] as const;
const CODE = {
  constant: 0,
  symbol: 1,
  add: 2,
  mul: 3,
  floorDiv: 4,
  ceilDiv: 5,
  mod: 6,
  min: 7,
  max: 8,
  lookup: 9,
} as const;

/** Collects expressions. Equal expressions share an index. */
export interface ExpressionPool {
  /** Index of an expression, in order of first appearance. @throws BitloomError `expression-invalid` */
  intern(expression: Expression, where: () => string): number;
  readonly count: number;
  /** Size of the encoded pool. */
  readonly byteLength: number;
  /** The pool with its expressions in another order: `order[i]` is the index of the i-th. */
  encode(order: readonly number[]): Uint8Array;
}

export function createExpressionPool(): ExpressionPool {
  const symbols = new Map<string, number>();
  const names: Uint8Array[] = [];
  const codes: Uint8Array[] = [];
  const indexByCode = new Map<string, number>();
  // The same object comes back for every instruction of an unrolled tile, so most look-ups end here.
  const indexByObject = new Map<object, number>();
  const tables = createTablePool();
  let codeBytes = 0;
  let nameBytes = 0;

  const symbol = (name: string, where: () => string): number => {
    const known = symbols.get(name);
    if (known !== undefined) return known;
    const index = names.length;
    const bytes = new TextEncoder().encode(name);
    if (bytes.byteLength === 0 || bytes.byteLength > SYMBOL_BYTES) {
      throw invalidExpression(where(), `a symbol of 1 to ${SYMBOL_BYTES} bytes`, `${bytes.byteLength} bytes`);
    }
    symbols.set(name, index);
    names.push(bytes);
    nameBytes += 1 + bytes.byteLength;
    return index;
  };

  return {
    intern: (expression, where) => {
      const seen = typeof expression === 'object' ? indexByObject.get(expression) : undefined;
      if (seen !== undefined) return seen;
      const items: number[] = [];
      writePostfix(expression, items, 0, { symbol, table: tables.intern }, where);
      const key = String.fromCharCode(...items);
      let index = indexByCode.get(key);
      if (index === undefined) {
        index = codes.length;
        indexByCode.set(key, index);
        codes.push(Uint8Array.from(items));
        codeBytes += items.length;
      }
      if (typeof expression === 'object') indexByObject.set(expression, index);
      return index;
    },
    get count() {
      return codes.length;
    },
    get byteLength() {
      if (codes.length === 0) return 0;
      return (
        Math.ceil((POOL_HEADER_BYTES + 4 * codes.length + codeBytes + nameBytes + tables.byteLength) / 4) * 4
      );
    },
    encode(order) {
      const out = new Uint8Array(this.byteLength);
      if (codes.length === 0) return out;
      const view = new DataView(out.buffer);
      view.setUint32(0, codes.length, true);
      view.setUint32(4, names.length, true);
      view.setUint32(8, codeBytes, true);
      const codeStart = POOL_HEADER_BYTES + 4 * codes.length;
      let at = 0;
      order.forEach((index, i) => {
        view.setUint32(POOL_HEADER_BYTES + 4 * i, at, true);
        out.set(codes[index], codeStart + at);
        at += codes[index].byteLength;
      });
      at += codeStart;
      for (const name of names) {
        out[at] = name.byteLength;
        out.set(name, at + 1);
        at += 1 + name.byteLength;
      }
      out.set(tables.encode(), at);
      return out;
    },
  };
}

/** Indices of what expressions share. */
interface SharedIndices {
  readonly symbol: (name: string, where: () => string) => number;
  readonly table: (values: readonly number[], where: () => string) => number;
}

/** Tables of a pool, each distinct one once. */
function createTablePool() {
  const byObject = new Map<readonly number[], number>();
  const byText = new Map<string, number>();
  const encoded: number[][] = [];
  let bytes = 0;
  const head = (): number[] => {
    const out: number[] = [];
    if (encoded.length > 0) pushUnsigned(out, encoded.length);
    return out;
  };
  return {
    intern: (values: readonly number[], where: () => string): number => {
      const seen = byObject.get(values);
      if (seen !== undefined) return seen;
      if (values.length === 0 || values.length > EXPRESSION_TABLE)
        throw invalidExpression(where(), `a table of 1 to ${EXPRESSION_TABLE} values`, `${values.length}`);
      const text = values.join(' ');
      let index = byText.get(text);
      if (index === undefined) {
        index = encoded.length;
        const items: number[] = [];
        pushUnsigned(items, values.length);
        for (const value of values) pushSigned(items, value, where);
        encoded.push(items);
        bytes += items.length;
        byText.set(text, index);
      }
      byObject.set(values, index);
      return index;
    },
    get byteLength() {
      return head().length + bytes;
    },
    encode: (): Uint8Array => Uint8Array.from([...head(), ...encoded.flat()]),
  };
}

function writePostfix(
  expression: Expression,
  out: number[],
  depth: number,
  shared: SharedIndices,
  where: () => string,
): void {
  if (depth > EXPRESSION_DEPTH)
    throw invalidExpression(where(), `nesting of at most ${EXPRESSION_DEPTH}`, 'more');
  if (out.length > EXPRESSION_BYTES)
    throw invalidExpression(where(), `at most ${EXPRESSION_BYTES} bytes`, 'more');
  const inner = (term: Expression): void => writePostfix(term, out, depth + 1, shared, where);
  if (typeof expression === 'number') {
    writeSigned(out, CODE.constant, expression, where);
    return;
  }
  if ('sym' in expression) {
    writeUnsigned(out, CODE.symbol, shared.symbol(expression.sym, where));
    return;
  }
  if ('lookup' in expression) {
    inner(expression.lookup[0]);
    writeUnsigned(out, CODE.lookup, shared.table(expression.lookup[1], where));
    return;
  }
  if ('mul' in expression) {
    inner(expression.mul[1]);
    writeSigned(out, CODE.mul, expression.mul[0], where);
    return;
  }
  if ('floorDiv' in expression || 'ceilDiv' in expression || 'mod' in expression) {
    const [code, [term, divisor]] =
      'floorDiv' in expression
        ? [CODE.floorDiv, expression.floorDiv]
        : 'ceilDiv' in expression
          ? [CODE.ceilDiv, expression.ceilDiv]
          : [CODE.mod, expression.mod];
    inner(term);
    if (divisor <= 0) throw invalidExpression(where(), 'a positive divisor', String(divisor));
    writeSigned(out, code, divisor, where);
    return;
  }
  const [code, terms] =
    'add' in expression
      ? [CODE.add, expression.add]
      : 'min' in expression
        ? [CODE.min, expression.min]
        : [CODE.max, expression.max];
  if (terms.length === 0 || terms.length > EXPRESSION_OPERANDS) {
    throw invalidExpression(where(), `1 to ${EXPRESSION_OPERANDS} operands`, String(terms.length));
  }
  for (const term of terms) inner(term);
  writeUnsigned(out, code, terms.length);
}

/** Operator, then sign in bit 6 and the magnitude in 6 bits, then 7 bits per byte; bit 7 = more follows. */
function writeSigned(out: number[], code: number, value: number, where: () => string): void {
  out.push(code);
  pushSigned(out, value, where);
}

function pushSigned(out: number[], value: number, where: () => string): void {
  if (!Number.isSafeInteger(value)) throw invalidExpression(where(), 'safe integers', String(value));
  const magnitude = Math.abs(value);
  const rest = Math.floor(magnitude / 64);
  out.push((magnitude % 64) | (value < 0 ? 64 : 0) | (rest > 0 ? 128 : 0));
  writeRest(out, rest);
}

function writeUnsigned(out: number[], code: number, value: number): void {
  out.push(code);
  pushUnsigned(out, value);
}

function pushUnsigned(out: number[], value: number): void {
  const rest = Math.floor(value / 128);
  out.push((value % 128) | (rest > 0 ? 128 : 0));
  writeRest(out, rest);
}

function writeRest(out: number[], value: number): void {
  for (let rest = value; rest > 0; ) {
    const next = Math.floor(rest / 128);
    out.push((rest % 128) | (next > 0 ? 128 : 0));
    rest = next;
  }
}

/**
 * Reads an encoded pool.
 *
 * @throws BitloomError `expression-pool-invalid`
 */
export function decodeExpressionPool(bytes: Uint8Array): readonly Expression[] {
  if (bytes.byteLength === 0) return [];
  if (bytes.byteLength < POOL_HEADER_BYTES)
    throw invalidPool('a header of 12 bytes', `${bytes.byteLength} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [count, symbolCount, codeBytes] = [
    view.getUint32(0, true),
    view.getUint32(4, true),
    view.getUint32(8, true),
  ];
  const codeStart = POOL_HEADER_BYTES + 4 * count;
  const namesStart = codeStart + codeBytes;
  if (count === 0 || namesStart + 2 * symbolCount > bytes.byteLength) {
    throw invalidPool(`${count} expressions and ${symbolCount} symbols`, `${bytes.byteLength} bytes`);
  }
  const { names, end: namesEnd } = readNames(bytes, namesStart, symbolCount);
  const tables = readTables(bytes, namesEnd);
  const out: Expression[] = [];
  for (let i = 0; i < count; i++) {
    const start = view.getUint32(POOL_HEADER_BYTES + 4 * i, true);
    const end = i + 1 < count ? view.getUint32(POOL_HEADER_BYTES + 4 * (i + 1), true) : codeBytes;
    if ((i === 0 && start !== 0) || start >= end || end > codeBytes) {
      throw invalidPool(
        `expression ${i} behind the one before, within ${codeBytes} bytes`,
        `bytes ${start} to ${end}`,
      );
    }
    out.push(readPostfix(bytes.subarray(codeStart + start, codeStart + end), names, tables, i));
  }
  return out;
}

function readNames(
  bytes: Uint8Array,
  start: number,
  count: number,
): { readonly names: readonly string[]; readonly end: number } {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const names: string[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    const length = at < bytes.byteLength ? bytes[at] : 0;
    const end = at + 1 + length;
    if (length === 0 || end > bytes.byteLength)
      throw invalidPool(`the name of symbol ${i}`, 'no bytes for it');
    try {
      names.push(text.decode(bytes.subarray(at + 1, end)));
    } catch (cause) {
      throw invalidPool(`the name of symbol ${i} in UTF-8`, 'other bytes', cause);
    }
    at = end;
  }
  if (new Set(names).size !== count) throw invalidPool('each symbol once', names.join(', ').slice(0, 128));
  return { names, end: at };
}

/** The tables behind the names, if there are any, and the zeros at the end. */
function readTables(bytes: Uint8Array, start: number): readonly (readonly number[])[] {
  const fail = (expected: string, got: string): never => {
    throw invalidPool(`${expected} in the tables`, got);
  };
  const reader = integerReader(bytes, start, fail);
  const tables: (readonly number[])[] = [];
  // A number of tables is not zero, and what fills the last word is.
  const count = start < bytes.byteLength && bytes[start] !== 0 ? reader.unsigned() : 0;
  for (let i = 0; i < count; i++) {
    const length = reader.unsigned();
    if (length === 0 || length > EXPRESSION_TABLE)
      fail(`1 to ${EXPRESSION_TABLE} values`, `${length} in table ${i}`);
    const values: number[] = [];
    while (values.length < length) values.push(reader.signed());
    tables.push(values);
  }
  if (new Set(tables.map((values) => values.join(' '))).size !== count) fail('each table once', 'one twice');
  const at = reader.position();
  if (
    bytes.byteLength - at > 3 ||
    bytes.subarray(at).some((byte) => byte !== 0) ||
    bytes.byteLength % 4 !== 0
  ) {
    throw invalidPool('zeros up to a multiple of 4 bytes', `${bytes.byteLength - at} other bytes`);
  }
  return tables;
}

/** Reads bytes and variable-length integers one after the other. */
function integerReader(code: Uint8Array, start: number, fail: (expected: string, got: string) => never) {
  let at = start;
  const next = (): number => (at < code.byteLength ? code[at++] : fail('another byte', 'the end'));
  const readRest = (low: number, scale: number, isMore: boolean): number => {
    let value = low;
    let factor = scale;
    for (let more = isMore; more; ) {
      const byte = next();
      value += (byte & 127) * factor;
      factor *= 128;
      more = byte >= 128;
      // A last byte of zero would be a second spelling of the same number.
      if (!Number.isSafeInteger(value) || (!more && byte === 0))
        fail('an integer in its shortest form', 'another');
    }
    return value;
  };
  return {
    next,
    position: (): number => at,
    signed: (): number => {
      const byte = next();
      const magnitude = readRest(byte & 63, 64, byte >= 128);
      if ((byte & 64) === 0) return magnitude;
      return magnitude === 0 ? fail('zero without a sign', '-0') : -magnitude;
    },
    unsigned: (): number => {
      const byte = next();
      return readRest(byte & 127, 128, byte >= 128);
    },
  };
}

interface StackItem {
  readonly expression: Expression;
  readonly depth: number;
}

function readPostfix(
  code: Uint8Array,
  names: readonly string[],
  tables: readonly (readonly number[])[],
  index: number,
): Expression {
  const stack: StackItem[] = [];
  const fail = (expected: string, got: string): never => {
    throw invalidPool(`${expected} in expression ${index}`, got);
  };
  const reader = integerReader(code, 0, fail);
  const { signed, unsigned } = reader;
  const pop = (count: number): readonly StackItem[] =>
    count <= stack.length
      ? stack.splice(stack.length - count)
      : fail(`${count} operands`, String(stack.length));
  const push = (expression: Expression, operands: readonly StackItem[]): void => {
    const depth = operands.reduce((deepest, item) => Math.max(deepest, item.depth + 1), 0);
    if (depth > EXPRESSION_DEPTH) fail(`nesting of at most ${EXPRESSION_DEPTH}`, 'more');
    stack.push({ expression, depth });
  };
  const pushUnary = (make: (term: Expression) => Expression): void => {
    const operands = pop(1);
    push(make(operands[0].expression), operands);
  };
  const pushList = (make: (terms: Expression[]) => Expression): void => {
    const count = unsigned();
    if (count === 0 || count > EXPRESSION_OPERANDS)
      fail(`1 to ${EXPRESSION_OPERANDS} operands`, String(count));
    const operands = pop(count);
    push(make(operands.map((item) => item.expression)), operands);
  };
  const divisor = (): number => {
    const value = signed();
    return value > 0 ? value : fail('a positive divisor', String(value));
  };
  const readers: Record<(typeof OPERATORS)[number], () => void> = {
    constant: () => push(signed(), []),
    symbol: () => {
      const which = unsigned();
      push(
        { sym: which < names.length ? names[which] : fail(`one of ${names.length} symbols`, String(which)) },
        [],
      );
    },
    add: () => pushList((add) => ({ add })),
    mul: () => {
      const factor = signed();
      pushUnary((term) => ({ mul: [factor, term] }));
    },
    floorDiv: () => {
      const by = divisor();
      pushUnary((term) => ({ floorDiv: [term, by] }));
    },
    ceilDiv: () => {
      const by = divisor();
      pushUnary((term) => ({ ceilDiv: [term, by] }));
    },
    mod: () => {
      const by = divisor();
      pushUnary((term) => ({ mod: [term, by] }));
    },
    min: () => pushList((min) => ({ min })),
    max: () => pushList((max) => ({ max })),
    lookup: () => {
      const which = unsigned();
      const table =
        which < tables.length ? tables[which] : fail(`one of ${tables.length} tables`, String(which));
      pushUnary((term) => ({ lookup: [term, table] }));
    },
  };
  while (reader.position() < code.byteLength) {
    const which = reader.next();
    const operator = OPERATORS[which];
    if (operator === undefined) fail('an operator', `code ${which}`);
    readers[operator]();
  }
  if (stack.length !== 1) fail('one value', `${stack.length}`);
  return stack[0].expression;
}

function invalidPool(expected: string, got: string, cause?: unknown): BitloomError {
  return new BitloomError({
    code: 'expression-pool-invalid',
    message: 'the expression pool of a stream is not valid',
    expected,
    got,
    hint: 'the program is damaged or was not written by bitloom',
    cause,
  });
}

function invalidExpression(where: string, expected: string, got: string): BitloomError {
  return new BitloomError({
    code: 'expression-invalid',
    message: 'an expression cannot be encoded',
    where,
    expected,
    got,
  });
}
