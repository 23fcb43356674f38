import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeExpressionPool,
  decodeStream,
  type EncodedStream,
  encodeStream,
  type Instruction,
} from '../src/index.js';
import { instruction } from './support/arbitraries.js';
import { errorOf, survives } from './support/errors.js';

const words = (...values: number[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Uint32Array.from(values).buffer);
const stream = (code: Uint8Array, count = 1, expressions: Uint8Array = new Uint8Array(0)): EncodedStream => ({
  code,
  expressions,
  origins: new Uint32Array(count),
});

const FIELDS = 1 << 25;
const DYNAMIC = 1 << 26;
const LOOP = 16 | (5 << 6);

describe('decodeStream refuses', () => {
  test.each<[string, EncodedStream, RegExp]>([
    ['an unknown opcode', stream(words(63)), /instruction 0, byte 0.*a known opcode.*63/],
    ['reserved bits', stream(words(8 | (1 << 27))), /reserved bits/],
    ['the highest bit', stream(words((8 | (1 << 31)) >>> 0)), /reserved bits/],
    ['a queue that cannot run it', stream(words(7)), /a queue of vector.*load/],
    ['half a word', stream(new Uint8Array([8, 0])), /another 32-bit word/],
    ['missing fields', stream(words(LOOP | FIELDS, 1)), /another 32-bit word/],
    ['no field where some are announced', stream(words(LOOP | FIELDS, 0)), /presence mask/],
    ['a field the instruction does not have', stream(words(LOOP | FIELDS, 4, 0)), /presence mask of 2 bits/],
    ['a dynamic mask alone', stream(words(LOOP | DYNAMIC, 1)), /presence mask before/],
    ['an empty dynamic mask', stream(words(LOOP | FIELDS | DYNAMIC, 2, 0, 1)), /dynamic mask with a bit/],
    [
      'a dynamic field that is absent',
      stream(words(LOOP | FIELDS | DYNAMIC, 1, 2, 1)),
      /dynamic fields that are/,
    ],
    [
      'a dynamic field that is static',
      stream(words(LOOP | FIELDS | DYNAMIC, 1, 1, 0)),
      /a number in field 'var/,
    ],
    [
      'an expression that is not there',
      stream(words(LOOP | FIELDS | DYNAMIC, 2, 2, 3)),
      /one of 0 expressions.*3/,
    ],
    ['padding', stream(words(LOOP | FIELDS, 1, 0x10)), /padding/],
    ['more instructions than origins', stream(words(8, 8)), /1 instructions.*more/],
    ['fewer instructions than origins', stream(words(8), 2), /2 instructions.*fewer/],
    ['an unknown space', stream(words(7 | (4 << 6) | FIELDS, 1 << 4, 15, 0)), /a space below 11/],
    ['an unknown enumerator', stream(words(7 | (4 << 6) | FIELDS, 1, 200)), /one of copy.*code 200/],
    [
      'a float that is not finite',
      stream(words(7 | (4 << 6) | FIELDS, 1 << 24, 0x7f800000)),
      /finite.*Infinity/,
    ],
  ])('%s', (_title, encoded, message) => {
    const error = errorOf(() => decodeStream(encoded));
    expect(error.code).toBe('instruction-encoding');
    expect(error.message).toMatch(message);
  });

  test('keeps a field that is present and zero', () => {
    expect(decodeStream(stream(words(LOOP | FIELDS, 2, 0)))[0].fields).toEqual({ trips: 0 });
  });
});

describe('decodeExpressionPool refuses', () => {
  const pool = (
    code: readonly number[],
    options: { names?: readonly number[]; count?: number; starts?: readonly number[] } = {},
  ) => {
    const { names = [], count = 1, starts = [0] } = options;
    const symbols = names.length === 0 ? 0 : 1;
    const body = [...code, ...names];
    while (body.length % 4 !== 0) body.push(0);
    return Uint8Array.from([...words(count, symbols, code.length, ...starts), ...body]);
  };
  const past = [4, 0x70, 0x61, 0x73, 0x74];

  test('accepts what is right', () => {
    expect(decodeExpressionPool(pool([1, 0, 3, 3], { names: past }))).toEqual([
      { mul: [3, { sym: 'past' }] },
    ]);
    expect(decodeExpressionPool(pool([1, 0, 9, 0], { names: [...past, 1, 2, 7, 0x43] }))).toEqual([
      { lookup: [{ sym: 'past' }, [7, -3]] },
    ]);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['a short header', new Uint8Array(8), /a header of 12 bytes/],
    ['no expression', pool([0, 1], { count: 0, starts: [] }), /0 expressions/],
    ['more expressions than bytes', pool([0, 1], { count: 2 ** 31 }), /expressions/],
    ['an unknown operator', pool([10, 0]), /an operator in expression 0.*code 10/],
    ['an operand that is missing', pool([0]), /another byte/],
    ['a table that is not there', pool([1, 0, 9, 1], { names: [...past, 1, 1, 7] }), /one of 1 tables.*1/],
    ['a table of nothing', pool([1, 0, 9, 0], { names: [...past, 1, 0] }), /1 to 65536 values.*0 in table 0/],
    ['a table that ends too soon', pool([1, 0, 9, 0], { names: [...past, 1, 9, 1, 2] }), /another byte/],
    ['a table twice', pool([1, 0, 9, 0], { names: [...past, 2, 1, 7, 1, 7] }), /each table once/],
    ['too few values', pool([0, 1, 2, 2]), /2 operands/],
    ['too many values', pool([0, 1, 0, 1]), /one value.*2/],
    ['a sum of nothing', pool([0, 1, 2, 0]), /1 to 256 operands/],
    ['a divisor of zero', pool([0, 1, 4, 0]), /a positive divisor/],
    ['a negative divisor', pool([0, 1, 6, 0x41]), /a positive divisor.*-1/],
    ['a second spelling of a number', pool([0, 0x81, 0x00]), /shortest form/],
    ['minus zero', pool([0, 0x40]), /zero without a sign/],
    ['an integer that is not safe', pool([0, 0xff, 255, 255, 255, 255, 255, 255, 255, 127]), /shortest form/],
    ['a symbol that is not there', pool([1, 1], { names: past }), /one of 1 symbols.*1/],
    ['a name without bytes', pool([1, 0], { names: [9, 0x70] }), /the name of symbol 0/],
    ['a name that is no text', pool([1, 0], { names: [2, 0xff, 0xfe] }), /UTF-8/],
    ['bytes after the names', pool([0, 1, 0, 0, 0, 0, 0, 0]), /one value/],
    ['starts out of order', pool([0, 1, 0, 1], { count: 2, starts: [2, 2] }), /expression 0 behind/],
    ['an empty expression', pool([0, 1], { count: 2, starts: [0, 2] }), /expression 1 behind/],
    [
      'nesting without end',
      pool([0, 1, ...Array.from({ length: 40 }, () => [4, 2]).flat()]),
      /nesting of at most 32/,
    ],
  ])('%s', (_title, bytes, message) => {
    const error = errorOf(() => decodeExpressionPool(bytes));
    expect(error.code).toBe('expression-pool-invalid');
    expect(error.message).toMatch(message);
  });
});

describe('bytes that nobody wrote', () => {
  const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });

  test('random bytes end in instructions or in a typed error', () => {
    fc.assert(
      fc.property(bytes(256), bytes(128), fc.integer({ min: 0, max: 64 }), (code, expressions, count) => {
        survives(() => decodeStream(stream(code, count, expressions)));
        survives(() => decodeExpressionPool(expressions));
      }),
      { numRuns: 2000 },
    );
  });

  test('a flipped bit ends in instructions that encode again, or in a typed error', () => {
    const flip = (target: Uint8Array, bit: number): Uint8Array => {
      const copy = target.slice();
      if (copy.byteLength > 0) copy[(bit >>> 3) % copy.byteLength] ^= 1 << (bit & 7);
      return copy;
    };
    fc.assert(
      fc.property(
        fc.array(instruction, { minLength: 1, maxLength: 4 }),
        fc.nat(),
        fc.nat(),
        (instructions, a, b) => {
          const encoded = encodeStream(instructions);
          const damaged = {
            ...encoded,
            code: flip(encoded.code, a),
            expressions: flip(encoded.expressions, b),
          };
          let back: readonly Instruction[] = [];
          if (survives(() => (back = decodeStream(damaged))))
            expect(encodeStream(back).origins).toEqual(encoded.origins);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('a cut stream ends in a typed error', () => {
    fc.assert(
      fc.property(fc.array(instruction, { minLength: 1, maxLength: 4 }), fc.nat(), (instructions, cut) => {
        const encoded = encodeStream(instructions);
        const code = encoded.code.subarray(0, cut % encoded.code.byteLength);
        expect(survives(() => decodeStream({ ...encoded, code }))).toBe(false);
      }),
    );
  });
});
