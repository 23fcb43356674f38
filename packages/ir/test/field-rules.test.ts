/** Combinations of fields that have a meaning: what the verifier takes and refuses, for each rule of the table. */
import { describe, expect, it } from 'vitest';
import {
  type FieldValue,
  INSTRUCTION_SET,
  type Instruction,
  MATRIX_MODES,
  minimum,
  VECTOR_FUNCTION_NAMES,
} from '../src/index.js';
import { failure, i0, place, seq, verified } from './support/pipeline-program.js';
import { at, halt, instruction, loop } from './support/tiny-program.js';

type Fields = Readonly<Record<string, FieldValue>>;

const [WEIGHTS, KEYS, VALUES] = MATRIX_MODES.map((_, code) => code);
const functionCode = (name: string): number => VECTOR_FUNCTION_NAMES.indexOf(name);

/** A product of 1 x 8 x 8 that is right in each mode. */
function product(mode: number, changes: Fields = {}): Instruction[] {
  const fields = {
    mode,
    bits: 8,
    ...(mode === WEIGHTS ? { group: 8 } : {}),
    batch: 1,
    bShare: 1,
    m: 1,
    n: 8,
    k: 8,
    a: at('data', 0),
    aScale: at('data', 64),
    b: at('weights', 0),
    bScale: at('data', 128),
    acc: at('data', 256),
    out: at('data', 512),
    finish: 1,
    ...changes,
  };
  return [...loop(0, 2, [instruction('MM', 'matrix', fields)]), halt()];
}

/** The same under MV's name. */
const asVector = (list: Instruction[]): Instruction[] =>
  list.map((item) => (item.name === 'MM' ? { ...item, name: 'MV' } : item));

function vec(name: string, changes: Fields = {}): Instruction[] {
  const fields = {
    function: functionCode(name),
    batch: 1,
    rows: 1,
    cols: 8,
    src0: at('data', 0),
    src1: at('data', 64),
    dst: at('data', 128),
    ...changes,
  };
  return [...loop(0, 2, [instruction('VEC', 'vector', fields)]), halt()];
}

function gather(changes: Fields = {}): Instruction[] {
  const fields = {
    src: at('hbm', 0),
    dst: at('data', 0),
    length: 16,
    count1: 4,
    count2: 1,
    srcStride1: 16,
    dstStride1: 16,
    gather: 1,
    indices: at('data', 1024),
    tableBytes: 1024,
    ...changes,
  };
  return [...loop(0, 2, [instruction('LD', 'load', fields)]), halt()];
}

describe('combinations of fields', () => {
  it.each<[string, Instruction[]]>([
    ['weights', product(WEIGHTS)],
    ['weights of 4 bits', product(WEIGHTS, { bits: 4 })],
    ['weights of 3 bits', product(WEIGHTS, { bits: 3 })],
    ['sparse weights of 2 bits', product(WEIGHTS, { bits: 2, keep: 8 })],
    ['weights that go on', product(WEIGHTS, { continue: minimum(1, i0), finish: i0 })],
    ['keys', product(KEYS)],
    ['keys of 4 bits', product(KEYS, { bits: 4 })],
    ['values of 4 bits', product(VALUES, { bits: 4, continue: i0 })],
    ['values that go on', product(VALUES, { continue: i0, finish: minimum(1, seq) })],
    ['several batches of keys', product(KEYS, { batch: 2, bShare: 2 })],
    ['a gather', gather()],
    ['no gather, and two levels', gather({ gather: 0, count2: 2 })],
    ['rows of 5-bit codes', vec('dequantize', { immediate: 5, layout: 8 })],
    ['pairs of halves', vec('rope', { layout: 1 })],
    ['rows quantised by parts', vec('quantizeBy', { layout: 3, scale: at('data', 256) })],
    ['a layout where nobody reads it', vec('add', { layout: 7 })],
  ])('that have a meaning verify: %s', (_, list) => {
    expect(verified(list).instructions).toBe(4);
    expect(verified(asVector(list)).instructions).toBe(4);
  });

  it.each<[string, Instruction[], string, string, string]>([
    ['keys that go on', product(KEYS, { continue: 1 }), 'MM with mode keys', 'continue 0', '1'],
    ['keys that go on at some turn', product(KEYS, { continue: i0 }), 'mode keys', 'continue 0', '0..1'],
    ['keys that do not finish', product(KEYS, { finish: 0 }), 'mode keys', 'finish 1', '0'],
    ['a flag of 2', product(VALUES, { continue: 2 }), 'mode weights or values', '0..1', '2'],
    ['a finish of 2', product(WEIGHTS, { finish: 2 }), 'mode weights or values', '0..1', '2'],
    ['two batches of weights', product(WEIGHTS, { batch: 2 }), 'mode weights', 'batch 1', '2'],
    ['batches that may be none', product(WEIGHTS, { batch: i0 }), 'mode weights', 'batch 1', '0..1'],
    ['7 bits', product(WEIGHTS, { bits: 7 }), 'mode weights', 'bits 2 or 3 or 4 or 5 or 6 or 8', '7'],
    [
      'sparse of 5 bits',
      product(WEIGHTS, { bits: 5, keep: 8 }),
      'keep 2 or 4 or 8 or 16',
      'bits 2 or 3 or 4 or 8',
      '5',
    ],
    ['no bits', product(WEIGHTS, { bits: 0 }), 'mode weights', 'bits 2 or 3', '0'],
    ['keys of 3 bits', product(KEYS, { bits: 3 }), 'mode keys or values', 'bits 4 or 8', '3'],
    ['groups of nothing', product(WEIGHTS, { group: 0 }), 'mode weights', 'group an integer in 1..', '0'],
    ['b shared by no batch', product(VALUES, { bShare: 0 }), 'keys or values', 'bShare an integer in 1', '0'],
    ['MV like MM', asVector(product(KEYS, { continue: 1 })), 'MV with mode keys', 'continue 0', '1'],
    ['1-bit codes', vec('dequantize', { immediate: 1, layout: 8 }), 'dequantize', 'integer in 2..8', '1'],
    ['9-bit codes', vec('dequantize', { immediate: 9, layout: 8 }), 'dequantize', 'integer in 2..8', '9'],
    ['2.5 bits', vec('dequantize', { immediate: 2.5, layout: 8 }), 'dequantize', 'integer in 2..8', '2.5'],
    ['codes of no group', vec('dequantize', { immediate: 4 }), 'dequantize', 'layout an integer in 1', '0'],
    ['a third pair layout', vec('rope', { layout: 2 }), 'function rope', 'layout 0 or 1', '2'],
    ['rows of no part', vec('quantizeBy', {}), 'function quantizeBy', 'layout an integer in 1..', '0'],
    ['a gather of two levels', gather({ count2: 2 }), 'LD with gather 1', 'count2 1', '2'],
    ['a gather of none', gather({ count2: 0 }), 'LD with gather 1', 'count2 1', '0'],
    ['a gather of some', gather({ count2: minimum(1, seq) }), 'LD with gather 1', 'count2 1', '0..1'],
  ])('that mean nothing are refused: %s', (_, list, message, expected, got) => {
    const error = failure(list);
    expect(error.code).toBe('program-field-combination');
    expect(error.message).toContain(message);
    expect(error.where).toContain(place(1));
    expect(error.expected).toContain(expected);
    expect(error.got).toBe(got);
  });

  it('end at the table: a function or mode beyond it does not fit its field', () => {
    expect(failure(vec('add', { function: VECTOR_FUNCTION_NAMES.length })).code).toBe('program-field-range');
    expect(failure(vec('add', { function: 0.5 })).code).toBe('program-field-range');
    expect(failure(product(WEIGHTS, { mode: 3 })).code).toBe('program-field-range');
  });

  it('are about fields that the instruction has, where a fixed field says so', () => {
    for (const spec of INSTRUCTION_SET.values()) {
      for (const { when, field } of spec.rules ?? []) {
        const names = spec.fields.map((candidate) => candidate.name);
        expect(names).toContain(field);
        if (when === undefined) continue;
        const decider = spec.fields.find((candidate) => candidate.name === when.field);
        expect(decider?.dynamic).toBe(false);
        for (const value of when.is) {
          if (typeof value === 'string') expect(decider?.values).toContain(value);
        }
      }
    }
  });
});
