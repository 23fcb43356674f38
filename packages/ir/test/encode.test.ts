import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Address,
  BitloomError,
  createStreamCounter,
  decodeStream,
  encodedLength,
  encodeStream,
  INSTRUCTION_SET,
  type Instruction,
  instructionSpec,
  streamBytes,
  symbol,
} from '../src/index.js';
import { expression, instruction, normalized } from './support/arbitraries.js';
import { errorOf } from './support/errors.js';

const at = (offset: Address['offset'], space: Address['space'] = 'data'): Address => ({
  space,
  channel: 0,
  register: 0,
  page: false,
  offset,
});

const sync: Instruction = { name: 'SYNC', queue: 'load', wait: [], release: [], fields: {}, origin: 0 };

function one(changes: Partial<Instruction>): () => unknown {
  return () => encodeStream([sync, { ...sync, ...changes }]);
}

describe('the table fits its encoding', () => {
  test.each([...INSTRUCTION_SET.values()])('$name', (spec) => {
    expect(spec.opcode).toBeGreaterThan(0);
    expect(spec.opcode).toBeLessThan(64);
    expect(spec.fields.length).toBeLessThanOrEqual(32);
    const names = spec.fields.map((field) => field.name);
    expect(new Set(names).size).toBe(names.length);
    for (const field of spec.fields) {
      expect(field.bits, field.name).toBeLessThanOrEqual(field.kind === 'address' ? 64 : 53);
      // A dynamic field holds an index into the pool, so it needs room for one.
      if (field.dynamic) expect(field.bits, field.name).toBeGreaterThanOrEqual(16);
      if (field.kind === 'enum')
        expect(field.values?.length, field.name).toBeLessThanOrEqual(2 ** field.bits);
      // Fields are looked up without asking whether a key is an object's own.
      expect(field.name in {}, field.name).toBe(false);
    }
  });
});

describe('encodeStream', () => {
  test('any stream comes back, and its size is known beforehand', () => {
    fc.assert(
      fc.property(fc.array(instruction, { maxLength: 12 }), (instructions) => {
        const stream = encodeStream(instructions);
        expect(decodeStream(stream)).toEqual(instructions.map(normalized));
        expect(streamBytes(instructions)).toBe(stream.code.byteLength + stream.expressions.byteLength);
        const code = instructions.reduce((sum, item) => sum + encodedLength(item), 0);
        expect(code).toBe(stream.code.byteLength);
      }),
      { numRuns: 300 },
    );
  });

  test('what comes back encodes to the same bytes', () => {
    fc.assert(
      fc.property(fc.array(instruction, { maxLength: 8 }), (instructions) => {
        const stream = encodeStream(instructions);
        expect(encodeStream(decodeStream(stream))).toEqual(stream);
      }),
    );
  });

  test('any expression comes back', () => {
    fc.assert(
      fc.property(fc.array(expression, { minLength: 1, maxLength: 20 }), (expressions) => {
        const loops = expressions
          .filter((trips) => typeof trips !== 'number')
          .map((trips) => ({ ...sync, name: 'LOOP', queue: 'system' as const, fields: { trips } }));
        const back = decodeStream(encodeStream(loops)).map((loop) => loop.fields.trips);
        expect(back).toEqual(loops.map((loop) => loop.fields.trips));
      }),
    );
  });

  test('every opcode round-trips with every field at its largest', () => {
    const full = [...INSTRUCTION_SET.values()].map((spec): Instruction => {
      const fields = spec.fields.map((field) => {
        if (field.kind === 'address') {
          return [
            field.name,
            { space: 'peer-card', channel: 255, register: 127, page: true, offset: 2 ** 44 - 1 },
          ];
        }
        if (field.kind === 'float32') return [field.name, Math.fround(-3.4028234663852886e38)];
        return [field.name, field.kind === 'enum' ? (field.values?.length ?? 0) - 1 : 2 ** field.bits - 1];
      });
      const [queue] = spec.queues;
      return {
        name: spec.name,
        queue,
        wait: [],
        release: [],
        fields: Object.fromEntries(fields),
        origin: 0xffffffff,
      };
    });
    expect(decodeStream(encodeStream(full))).toEqual(full.map(normalized));
  });

  test('the words of an instruction are as documented', () => {
    const { code, expressions } = encodeStream([
      {
        name: 'BASE',
        queue: 'system',
        wait: ['load'],
        release: ['vector', 'exchange'],
        fields: { register: 5, value: { mul: [3, symbol('past')] } },
        origin: 9,
      },
      { ...sync, wait: ['fetch'] },
    ]);
    const words = [...new Uint32Array(code.buffer)];
    expect(words).toEqual([
      20 | (5 << 6) | (1 << 9) | (0b1010000 << 17) | (1 << 25) | (1 << 26),
      0b11,
      0b10,
      5, // register in 7 bits, then pool index 0 in 44
      0,
      8 | (0 << 6) | (0b10 << 9),
    ]);
    expect([...expressions]).toEqual([
      ...[1, 0, 0, 0],
      ...[1, 0, 0, 0],
      ...[4, 0, 0, 0],
      ...[0, 0, 0, 0],
      ...[1, 0, 3, 3], // symbol 0, times 3
      ...[4, 0x70, 0x61, 0x73, 0x74],
      ...[0, 0, 0],
    ]);
  });

  test('zeros cost nothing and equal expressions are stored once', () => {
    const loop = (trips: Instruction['fields'][string]): Instruction => ({
      ...sync,
      name: 'LOOP',
      queue: 'system',
      fields: { variable: 0, trips },
    });
    expect(encodedLength(loop(0))).toBe(4);
    expect(encodedLength(loop(7))).toBe(12);
    expect(encodedLength(loop(symbol('past')))).toBe(16);
    const once = encodeStream([loop({ add: [symbol('past'), 1] })]);
    const twice = encodeStream([loop({ add: [symbol('past'), 1] }), loop({ add: [symbol('past'), 1] })]);
    expect(twice.expressions).toEqual(once.expressions);
    expect(encodeStream([])).toEqual({
      code: new Uint8Array(0),
      expressions: new Uint8Array(0),
      origins: new Uint32Array(0),
    });
  });

  test('narrow fields get the low indices of a large pool', () => {
    const wide = Array.from(
      { length: 70_000 },
      (_, i): Instruction => ({
        ...sync,
        name: 'BASE',
        queue: 'system',
        fields: { value: { add: [symbol('past'), i + 1] } },
      }),
    );
    const narrow: Instruction = {
      name: 'VEC',
      queue: 'vector',
      wait: [],
      release: [],
      origin: 0,
      fields: { batch: symbol('heads') },
    };
    const back = decodeStream(encodeStream([...wide, narrow]));
    expect(back[70_000].fields).toEqual(narrow.fields);
    expect(back[69_999].fields).toEqual(wide[69_999].fields);
    const tooMany = wide.map(({ fields }): Instruction => ({ ...narrow, fields: { batch: fields.value } }));
    expect(errorOf(() => encodeStream(tooMany)).code).toBe('expression-pool-full');
  });

  test('counting keeps up with what was added so far', () => {
    const counter = createStreamCounter();
    const stream: Instruction[] = [];
    for (const trips of [4, symbol('past'), { add: [symbol('past'), 1] }, symbol('past')]) {
      const loop: Instruction = { ...sync, name: 'LOOP', queue: 'system', fields: { trips } };
      stream.push(loop);
      counter.add(loop);
      const encoded = encodeStream(stream);
      expect(counter.bytes).toBe(encoded.code.byteLength + encoded.expressions.byteLength);
    }
    expect(counter.instructions).toBe(4);
  });
});

describe('what does not fit is refused with its place', () => {
  const vector = { name: 'VEC', queue: 'vector' as const };
  test.each<[string, Partial<Instruction>, string, RegExp]>([
    [
      'too large',
      { ...vector, fields: { cols: 2 ** 24 } },
      'instruction-field',
      /instruction 1 \(VEC\), field 'cols'/,
    ],
    ['negative', { ...vector, fields: { rows: -1 } }, 'instruction-field', /field 'rows'.*0 to 16777215.*-1/],
    ['not whole', { ...vector, fields: { rows: 0.5 } }, 'instruction-field', /field 'rows'/],
    ['not a number', { ...vector, fields: { rows: Number.NaN } }, 'instruction-field', /NaN/],
    ['no such enumerator', { ...vector, fields: { function: 99 } }, 'instruction-field', /field 'function'/],
    ['not a float32', { ...vector, fields: { immediate: 0.1 } }, 'instruction-field', /Math.fround/],
    [
      'infinite',
      { ...vector, fields: { immediate: Number.POSITIVE_INFINITY } },
      'instruction-field',
      /immediate/,
    ],
    [
      'unknown field',
      { ...vector, fields: { toString: 1 } },
      'instruction-field',
      /'toString'.*one of function/,
    ],
    ['static field', { ...vector, fields: { share: symbol('past') } }, 'instruction-field', /static/],
    ['number for an address', { ...vector, fields: { dst: 4 } }, 'instruction-field', /an address/],
    ['address for a number', { ...vector, fields: { rows: at(4) } }, 'instruction-field', /field 'rows'/],
    ['offset', { ...vector, fields: { dst: at(2 ** 44) } }, 'instruction-field', /an offset of 44 bits/],
    [
      'channel',
      { ...vector, fields: { dst: { ...at(0), channel: 256 } } },
      'instruction-field',
      /channel of 8/,
    ],
    [
      'register',
      { ...vector, fields: { dst: { ...at(0), register: 128 } } },
      'instruction-field',
      /register of 7/,
    ],
    ['queue', { queue: 'system' }, 'instruction-queue', /instruction 1 \(SYNC\).*load, fetch/],
    ['a queue twice', { wait: ['load', 'load'] }, 'instruction-queue', /each queue once/],
    ['origin', { origin: -1 }, 'instruction-origin', /instruction 1/],
    ['instruction', { name: 'FFT' }, 'instruction-unknown', /instruction 1.*LD, ST.*FFT/],
    [
      'divisor',
      { ...vector, fields: { rows: { mod: [symbol('past'), 0] } } },
      'expression-invalid',
      /'rows'/,
    ],
    ['empty sum', { ...vector, fields: { rows: { add: [] } } }, 'expression-invalid', /operands/],
    [
      'fraction',
      { ...vector, fields: { rows: { mul: [0.5, symbol('past')] } } },
      'expression-invalid',
      /safe/,
    ],
    ['symbol', { ...vector, fields: { rows: symbol('') } }, 'expression-invalid', /a symbol of 1 to 255/],
  ])('%s', (_title, changes, code, message) => {
    const error = errorOf(one(changes));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test('expressions that are too deep or too large', () => {
    let deep: Instruction['fields'][string] = symbol('past');
    for (let i = 0; i < 40; i++) deep = { floorDiv: [deep as { sym: string }, 2] };
    expect(errorOf(one({ ...vector, fields: { rows: deep } })).message).toMatch(/nesting of at most 32/);
    // A graph of shared nodes is small in memory and huge when written out.
    let wide: { add: readonly (typeof wide | { sym: string })[] } = { add: [symbol('a') as { sym: string }] };
    for (let i = 0; i < 30; i++) wide = { add: [wide, wide] };
    expect(errorOf(one({ ...vector, fields: { rows: wide } })).code).toBe('expression-invalid');
  });

  test('a table entry that is not there is named', () => {
    expect(() => instructionSpec('FFT')).toThrow(BitloomError);
  });
});
