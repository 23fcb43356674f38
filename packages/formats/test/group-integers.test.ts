import { BitloomError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalBytes,
  decodeFp16,
  dequantizeCanonical,
  dequantizeGroups,
  encodeFp16,
  errorMetrics,
  packBitStream,
  packCanonical,
  quantizeGroups,
  roundToInteger,
  unpackBitStream,
  unpackCanonical,
} from '../src/index.js';

const f = Math.fround;

const shapes = fc.record({
  rows: fc.integer({ min: 0, max: 5 }),
  cols: fc.integer({ min: 0, max: 70 }),
  bits: fc.integer({ min: 2, max: 8 }),
  groupSize: fc.constantFrom(1, 3, 8, 32, 128),
});

const matrices = shapes.chain((shape) =>
  fc.tuple(
    fc.constant(shape),
    fc.float32Array({
      minLength: shape.rows * shape.cols,
      maxLength: shape.rows * shape.cols,
      noNaN: true,
      min: -1000,
      max: 1000,
    }),
  ),
);

function codeOf(action: () => unknown): { code: string; where: string | undefined } {
  try {
    action();
  } catch (error) {
    if (error instanceof BitloomError) return { code: error.code, where: error.where };
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('quantizeGroups', () => {
  it('follows the rule element by element', () => {
    fc.assert(
      fc.property(matrices, ([shape, values]) => {
        const { rows, cols, bits, groupSize } = shape;
        const quantized = quantizeGroups(values, shape);
        const restored = dequantizeGroups(quantized);
        const groups = Math.ceil(cols / groupSize);
        const maxCode = 2 ** (bits - 1) - 1;
        for (let row = 0; row < rows; row += 1) {
          for (let col = 0; col < cols; col += 1) {
            const group = Math.floor(col / groupSize);
            const members = values.subarray(
              row * cols + group * groupSize,
              row * cols + Math.min(cols, (group + 1) * groupSize),
            );
            const amax = Math.max(...members.map(Math.abs));
            const scale = decodeFp16(encodeFp16(f(amax / maxCode)));
            const x = values[row * cols + col];
            const code = scale === 0 ? 0 : roundToInteger(f(x / scale), 'nearest-even');
            const clamped = Math.max(-maxCode, Math.min(maxCode, code));
            expect(decodeFp16(quantized.scales[row * groups + group])).toBe(scale);
            expect(quantized.codes[row * cols + col]).toBe(clamped + 0);
            expect(restored[row * cols + col]).toBe(f(clamped * scale) + 0);
          }
        }
      }),
    );
  });

  it('keeps the error of 4 bits within half a step', () => {
    const values = Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i * 12.9898) * 0.05);
    const restored = dequantizeGroups(
      quantizeGroups(values, { rows: 16, cols: 256, bits: 4, groupSize: 32 }),
    );
    const { maxError, sqnr } = errorMetrics(values, restored);
    expect(maxError).toBeLessThan((0.05 / 7) * 0.501);
    expect(sqnr).toBeGreaterThan(20);
  });

  it('gives zero codes where the scale underflows', () => {
    const quantized = quantizeGroups(Float32Array.of(1e-9, -1e-9), {
      rows: 1,
      cols: 2,
      bits: 8,
      groupSize: 2,
    });
    expect([...quantized.codes]).toEqual([0, 0]);
    expect([...quantized.scales]).toEqual([0]);
  });

  it('clamps where a subnormal scale is rounded down', () => {
    // amax/7 = 1.4 steps of 2^-24 rounds to one step, so x/scale is 9.8.
    const x = 9.8 * 2 ** -24;
    const quantized = quantizeGroups(Float32Array.of(x, -x), { rows: 1, cols: 2, bits: 4, groupSize: 2 });
    expect([...quantized.codes]).toEqual([7, -7]);
  });

  it('names row and group of a value it refuses', () => {
    const shape = { rows: 2, cols: 40, bits: 4, groupSize: 32 };
    const values = new Float32Array(80);
    values[40 + 35] = Number.NaN;
    expect(codeOf(() => quantizeGroups(values, shape))).toEqual({
      code: 'quantize-not-finite',
      where: 'row 1, group 1, column 35',
    });
    values[40 + 35] = 65520 * 7;
    expect(codeOf(() => quantizeGroups(values, shape))).toEqual({
      code: 'quantize-scale-overflow',
      where: 'row 1, group 1',
    });
    values[40 + 35] = 65504 * 7;
    expect(quantizeGroups(values, shape).codes[75]).toBe(7);
  });

  it('refuses shapes and lengths that do not fit', () => {
    const bad = (over: object) =>
      codeOf(() => quantizeGroups(new Float32Array(4), { rows: 2, cols: 2, bits: 4, groupSize: 8, ...over }));
    expect(bad({ bits: 9 })).toEqual({ code: 'format-shape', where: 'bits' });
    expect(bad({ groupSize: 0 })).toEqual({ code: 'format-shape', where: 'groupSize' });
    expect(bad({ rows: 1.5 })).toEqual({ code: 'format-shape', where: 'rows' });
    expect(bad({ rows: 3 })).toEqual({ code: 'format-length', where: 'values' });
  });
});

describe('canonical layout', () => {
  it('packs nibbles low first and rows on bytes', () => {
    const codes = Int8Array.of(1, -1, 7, -7, 2, 3);
    expect([...packBitStream(codes, { rows: 2, cols: 3, bits: 4 })]).toEqual([0xf1, 0x07, 0x29, 0x03]);
    expect([...packBitStream(codes, { rows: 1, cols: 6, bits: 8 })]).toEqual([1, 255, 7, 249, 2, 3]);
    // 3 bits: 1, 7 (-1), 3, 5 (-3): 001 111 011 101 from the lowest bit up.
    expect([...packBitStream(Int8Array.of(1, -1, 3, -3), { rows: 1, cols: 4, bits: 3 })]).toEqual([
      0xf9, 0x0a,
    ]);
  });

  it('loses nothing, and its sizes are exact', () => {
    fc.assert(
      fc.property(matrices, ([shape, values]) => {
        const quantized = quantizeGroups(values, shape);
        const canonical = packCanonical(quantized);
        expect({
          codes: canonical.codes.byteLength,
          scales: canonical.scales.byteLength,
          total: canonical.codes.byteLength + canonical.scales.byteLength,
        }).toEqual(canonicalBytes(shape));
        expect(unpackCanonical(canonical)).toEqual(quantized);
        expect(dequantizeCanonical(canonical)).toEqual(dequantizeGroups(quantized));
      }),
    );
  });

  it('holds every code of every width', () => {
    for (let bits = 2; bits <= 8; bits += 1) {
      const codes = Int8Array.from({ length: 2 ** bits }, (_, i) => i - 2 ** (bits - 1));
      const shape = { rows: 1, cols: codes.length, bits };
      expect(unpackBitStream(packBitStream(codes, shape), shape)).toEqual(codes);
    }
  });
});
