/** The instruction table: what every entry must hold for the verifier, the encoder and the simulator to work. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Access,
  type FieldSpec,
  INSTRUCTION_BY_OPCODE,
  INSTRUCTION_SET,
  type InstructionSpec,
  instructionSpec,
  MATRIX_MODES,
  type ResolvedFields,
  rows16Bytes,
  TRANSFER_KINDS,
  VECTOR_FUNCTIONS,
} from '../src/index.js';
import { errorOf } from './support/errors.js';
import { bytesOf } from './support/interleavings.js';

/** Fields with given values, each address in `data` unless named otherwise. */
function fieldsOf(values: Readonly<Record<string, number>>): ResolvedFields {
  const number = (name: string): number => values[name] ?? 0;
  return { number, offset: number, space: () => 'data', channel: () => 0 };
}

function accesses(name: string, values: Readonly<Record<string, number>>): string[] {
  return instructionSpec(name)
    .accesses(fieldsOf(values))
    .map(
      ({ operand, start, end, write, bytes }) =>
        `${write ? 'w' : 'r'} ${operand} ${start}..${end} (${bytes})`,
    );
}

const functionCode = (name: string): number => VECTOR_FUNCTIONS.findIndex((fn) => fn.name === name);

describe('every entry', () => {
  it.each([...INSTRUCTION_SET])('%s has an opcode of its own and fields of sane widths', (name, spec) => {
    expect(INSTRUCTION_BY_OPCODE.get(spec.opcode)?.name).toBe(name);
    expect(spec.opcode).toBeLessThan(64);
    expect(new Set(spec.fields.map((field) => field.name)).size).toBe(spec.fields.length);
    for (const field of spec.fields) {
      expect(field.doc, field.name).not.toBe('');
      if (field.kind === 'enum') expect(field.values?.length ?? 0).toBeLessThanOrEqual(2 ** field.bits);
      if (field.kind === 'address') expect(field.bits).toBe(64);
    }
  });

  it('is found by name only when it is there', () => {
    expect(errorOf(() => instructionSpec('toString')).code).toBe('instruction-unknown');
    expect(VECTOR_FUNCTIONS.map((fn) => fn.code)).toEqual(VECTOR_FUNCTIONS.map((_, i) => i));
  });
});

/** Small random values for the fields of an instruction; enumerations and fixed fields within their meaning. */
function valuesOf(spec: InstructionSpec): fc.Arbitrary<Record<string, number>> {
  const value = (field: FieldSpec): fc.Arbitrary<number> => {
    if (field.kind === 'enum') return fc.nat((field.values?.length ?? 1) - 1);
    if (field.kind === 'address') return fc.nat(1000);
    if (field.kind === 'float32') return fc.constantFrom(2, 4, 8);
    if (field.bits === 1) return fc.nat(1);
    if (field.name === 'bits') return fc.constantFrom(4, 8);
    if (field.name === 'group' || field.name === 'layout') return fc.constantFrom(8, 16);
    return fc.nat(9);
  };
  return fc.record(Object.fromEntries(spec.fields.map((field) => [field.name, value(field)])));
}

describe('accesses', () => {
  it.each([...INSTRUCTION_SET])('of %s only grow with the dynamic fields', (_, spec) => {
    const more = fc.record(
      Object.fromEntries(
        spec.fields
          .filter((field) => field.dynamic && field.kind === 'uint')
          .map((field) => [field.name, fc.nat(5)]),
      ),
    );
    fc.assert(
      fc.property(valuesOf(spec), more, (values, extra) => {
        const larger = { ...values };
        for (const [name, by] of Object.entries(extra)) larger[name] += by;
        const outer = spec.accesses(fieldsOf(larger));
        for (const inner of spec.accesses(fieldsOf(values))) {
          if (inner.bytes === 0) continue;
          const around = outer.find(
            ({ operand, write }) => operand === inner.operand && write === inner.write,
          );
          expect(around).toBeDefined();
          expect(around?.start).toBe(inner.start);
          expect(around?.end).toBeGreaterThanOrEqual(inner.end);
        }
      }),
    );
  });

  it.each([...INSTRUCTION_SET])('of %s go through its address fields and say their bytes', (_, spec) => {
    const isDense = (access: Access): boolean => access.runs === undefined;
    fc.assert(
      fc.property(valuesOf(spec), (values) => {
        for (const access of spec.accesses(fieldsOf(values))) {
          expect(spec.fields.find((field) => field.name === access.operand)?.kind).toBe('address');
          expect(access.end).toBeGreaterThanOrEqual(access.start);
          if (access.bytes === 0) continue;
          const touched = bytesOf(access);
          expect(Math.min(...touched)).toBe(access.start);
          expect(Math.max(...touched)).toBe(access.end - 1);
          // Rows may overlap or repeat (stride 0), so bytes moved can be more; a gather touches a part of its span.
          if (!isDense(access)) expect(touched.length).toBeLessThanOrEqual(access.bytes);
        }
      }),
    );
  });

  it('of transfers: two levels of strides, or a gathered table with its indices', () => {
    const transfer = {
      src: 100,
      dst: 0,
      length: 8,
      count1: 3,
      srcStride1: 16,
      dstStride1: 8,
      count2: 2,
      srcStride2: 64,
      dstStride2: 24,
    };
    expect(accesses('LD', transfer)).toEqual(['r src 100..204 (48)', 'w dst 0..48 (48)']);
    expect(accesses('ST', { ...transfer, count2: 0 })).toEqual(['r src 100..100 (0)', 'w dst 0..0 (0)']);
    expect(accesses('LD', { ...transfer, count2: 1, gather: 1, indices: 500, tableBytes: 4096 })).toEqual([
      'r src 100..4196 (24)',
      'r indices 500..512 (12)',
      'w dst 0..24 (24)',
    ]);
  });

  it('of products: the accumulators continue and finish', () => {
    const weights = {
      mode: MATRIX_MODES.indexOf('weights'),
      bits: 4,
      group: 32,
      batch: 1,
      bShare: 1,
      m: 2,
      n: 20,
      k: 64,
      a: 0,
      aRow: 64,
      aScale: 200,
      aScaleRow: 4,
      b: 1000,
      out: 300,
      outRow: 80,
    };
    const tile = rows16Bytes(4, 32, 64, 20);
    expect(tile).toBe(2 * (16 * 32 + 2 * 32));
    expect(accesses('MM', weights)).toEqual([
      'r a 0..128 (128)',
      `r b 1000..${1000 + tile} (${tile})`,
      'w out 300..460 (160)',
    ]);
    // Two blocks of 16 rows, two groups of 32 columns: 2·bits bytes of codes per column, 32 of scales per group. Sparse
    // blocks have a directory of 16 bytes, keeps of 16, and 4 bits of index per kept value.
    for (const [bits, keep, bytes] of [
      [2, 0, 2 * (64 * 4 + 2 * 32)],
      [3, 0, 2 * (64 * 6 + 2 * 32)],
      [2, 8, 16 + 2 * (16 + 4 * 8 * (4 + 8) + 2 * 32)],
      [3, 2, 16 + 2 * (16 + 4 * 2 * (6 + 8) + 2 * 32)],
      [3, 16, 16 + 2 * (16 + 4 * 96 + 2 * 32)],
    ])
      expect(accesses('MM', { ...weights, bits, keep })).toContain(`r b 1000..${1000 + bytes} (${bytes})`);
    expect(accesses('MV', { ...weights, continue: 1, finish: 1 })).toEqual([
      'r a 0..128 (128)',
      'r aScale 200..208 (8)',
      `r b 1000..${1000 + tile} (${tile})`,
      'r out 300..460 (160)',
      'w out 300..460 (160)',
    ]);
    const values = {
      mode: MATRIX_MODES.indexOf('values'),
      bits: 8,
      batch: 4,
      bShare: 2,
      m: 1,
      n: 8,
      k: 16,
      a: 0,
      aBatch: 16,
      aScale: 64,
      aScaleBatch: 4,
      b: 1000,
      bBatch: 128,
      bRow: 8,
      acc: 2000,
      out: 3000,
      outBatch: 32,
    };
    expect(accesses('MV', { ...values, continue: 1 })).toEqual([
      'r a 0..64 (64)',
      'r b 1000..1256 (256)',
      'r acc 2000..2128 (128)',
      'w acc 2000..2128 (128)',
    ]);
    expect(accesses('MV', { ...values, finish: 1 })).toContain('w out 3000..3128 (128)');
    expect(accesses('MV', { ...values, batch: 0 })).toEqual([]);
    // Two codes per byte; an odd last one has a byte of its own.
    const narrow = { ...values, bits: 4, bBatch: 64, bRow: 4 };
    expect(accesses('MV', narrow)).toContain('r b 1000..1128 (128)');
    expect(accesses('MV', { ...narrow, n: 7 })).toContain('r b 1000..1128 (128)');
    const keys = {
      ...narrow,
      mode: MATRIX_MODES.indexOf('keys'),
      n: 16,
      k: 8,
      bScale: 4000,
      bScaleBatch: 64,
    };
    expect(accesses('MV', keys)).toContain('r b 1000..1128 (128)');
    expect(accesses('MV', keys)).toContain('r bScale 4000..4128 (128)');
  });

  it('of the vector unit: by function, with shared sources and padded codes', () => {
    const softmax = {
      function: functionCode('softmaxQuantize'),
      batch: 4,
      rows: 1,
      cols: 10,
      share: 2,
      padTo: 16,
      src0: 0,
      src0Batch: 64,
      src1: 300,
      src1Batch: 40,
      dst: 400,
      dstBatch: 16,
      scale: 500,
      scaleBatch: 4,
    };
    // Two query heads share the value scales of one head: two rows of src1, not four.
    expect(accesses('VEC', softmax)).toEqual([
      'r src0 0..232 (160)',
      'r src1 300..380 (80)',
      'w dst 400..464 (64)',
      'w scale 500..516 (16)',
      'w src0 0..232 (160)',
    ]);
    const dequantize = {
      function: functionCode('dequantize'),
      batch: 1,
      rows: 2,
      cols: 20,
      layout: 8,
      immediate: 4,
      src0: 0,
      src0Row: 10,
      src1: 100,
      src1Row: 6,
      dst: 200,
      dstRow: 80,
    };
    expect(accesses('VEC', dequantize)).toEqual([
      'r src0 0..20 (20)',
      'r src1 100..112 (12)',
      'w dst 200..360 (160)',
    ]);
    expect(accesses('VEC', { function: 99, batch: 1, rows: 1, cols: 1 })).toEqual([]);
  });

  it('of rows as int4: two codes per byte, and a scale per row', () => {
    const rows = {
      function: functionCode('quantizeInt4'),
      batch: 2,
      rows: 3,
      cols: 10,
      src0: 0,
      src0Batch: 120,
      src0Row: 40,
      padTo: 16,
      dst: 500,
      dstBatch: 15,
      dstRow: 5,
      scale: 600,
      scaleBatch: 12,
      scaleRow: 4,
    };
    expect(accesses('VEC', rows)).toEqual([
      'r src0 0..240 (240)',
      'w dst 500..530 (30)',
      'w scale 600..624 (24)',
    ]);
    expect(accesses('VEC', { ...rows, cols: 9 })).toContain('w dst 500..530 (30)');
  });

  it('of rows in parts: one maximum per row and part, whatever the columns', () => {
    const rows = { batch: 2, rows: 3, cols: 10, src0: 0, src0Batch: 120, src0Row: 40 };
    const maxima = {
      ...rows,
      function: functionCode('rowMaxima'),
      padTo: 16,
      dst: 500,
      dstBatch: 40,
      dstRow: 12,
    };
    expect(accesses('VEC', maxima)).toEqual(['r src0 0..240 (240)', 'w dst 500..568 (24)']);
    // A part without columns has a maximum too.
    expect(accesses('VEC', { ...maxima, cols: 0 })).toEqual(['r src0 0..0 (0)', 'w dst 500..568 (24)']);
    const quantize = {
      ...rows,
      function: functionCode('quantizeBy'),
      layout: 3,
      // No source of it is shared between batches.
      share: 2,
      src1: 500,
      src1Batch: 40,
      src1Row: 12,
      dst: 600,
      dstBatch: 48,
      dstRow: 16,
      padTo: 16,
      scale: 700,
      scaleBatch: 12,
      scaleRow: 4,
    };
    expect(accesses('VEC', quantize)).toEqual([
      'r src0 0..240 (240)',
      'r src1 500..576 (72)',
      'w dst 600..696 (96)',
      'w scale 700..724 (24)',
    ]);
    expect(accesses('VEC', { ...quantize, cols: 0, padTo: 0 })).toEqual([
      'r src0 0..0 (0)',
      'r src1 500..576 (72)',
      'w dst 600..600 (0)',
      'w scale 700..724 (24)',
    ]);
  });

  it('of windows: whole images and filters', () => {
    const window = {
      height: 4,
      width: 4,
      channels: 8,
      outHeight: 2,
      outWidth: 2,
      kernelHeight: 3,
      kernelWidth: 3,
    };
    expect(
      accesses('CONV', { ...window, filters: 6, groups: 2, weights: 1000, scale: 2000, out: 3000 }),
    ).toEqual([
      'r input 0..128 (128)',
      'r weights 1000..1216 (216)',
      'r scale 2000..2024 (24)',
      'w out 3000..3096 (96)',
    ]);
    expect(accesses('POOL', { ...window, out: 500 })).toEqual([
      'r input 0..128 (128)',
      'w out 500..532 (32)',
    ]);
  });

  it('of a packed tile: padded groups, whole blocks of 16 rows', () => {
    expect(rows16Bytes(8, 32, 40, 1)).toBe(16 * 40 + 2 * 32);
    expect(rows16Bytes(8, 32, 41, 16)).toBe(16 * 44 + 2 * 32);
    expect(rows16Bytes(4, 32, 41, 17)).toBe(2 * (8 * 48 + 2 * 32));
    // Units of 16 columns of 2 bits, of 32 columns of 3 bits.
    expect(rows16Bytes(2, 32, 41, 16)).toBe(4 * 48 + 2 * 32);
    expect(rows16Bytes(3, 32, 41, 16)).toBe(6 * 64 + 2 * 32);
    expect(rows16Bytes(3, 128, 4096, 16)).toBe(6 * 4096 + 32 * 32);
    expect(TRANSFER_KINDS).toHaveLength(4);
  });
});
