import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elementFormat } from '../src/elements/element-formats.js';
import { encodeBf16Array } from '../src/elements/half-precision.js';
import { readFp4, readFp8, writeFp4, writeFp8 } from '../src/packings/compressed-floats.js';
import {
  type CompressedIntegerShape,
  readPackQuantized,
  readPlainIntegers,
  writePackQuantized,
  writePlainIntegers,
} from '../src/packings/compressed-integers.js';
import type { CompressedStrategy } from '../src/packings/compressed-strategy.js';
import { dequantizePacked, type PackedLinear, type ScaleGroups } from '../src/packings/packed-linear.js';
import { roundToStored, type StoredFloats } from '../src/packings/stored-floats.js';
import { expectSame, integerMatrix, random, seeds, valuesByDefinition } from './packing-arbitraries.js';

const bf16 = (...values: number[]): StoredFloats => ({
  format: 'bf16',
  data: encodeBf16Array(Float32Array.from(values)),
});

describe('pack-quantized', () => {
  it('offsets codes to unsigned ones and packs along the row', () => {
    // The example of compressed-tensors: [1, 2] in 8 bits is 0x8281.
    const shape = { rows: 1, cols: 2, bits: 8, scaling: { strategy: 'channel' } } as const;
    const packed = readPackQuantized({ packed: Int32Array.of(33409), scales: bf16(0.5) }, shape);
    expect([...packed.codes]).toEqual([1, 2]);
    expect([...dequantizePacked(packed)]).toEqual([0.5, 1]);
    expect(writePackQuantized(packed)).toEqual({ packed: Int32Array.of(33409), scales: bf16(0.5) });
  });

  it('runs odd widths across words, and reads the padded words of before', () => {
    // Codes 0..31 of 3 bits as -4..3; dense: 3 words, padded: 4 words of ten.
    const codes = Int8Array.from({ length: 32 }, (_, i) => (i % 8) - 4);
    const groups = { kind: 'columns', groupSize: 32 } as const;
    const matrix: PackedLinear = {
      ...integerMatrix({ rows: 1, cols: 32, bits: 3, signed: true, groups, zeros: 'none', seed: 1 }),
      codes,
    };
    const shape = { rows: 1, cols: 32, bits: 3, scaling: { strategy: 'channel' } } as const;
    const dense = writePackQuantized(matrix);
    // 76543210 in octal is eight codes; the ninth and tenth follow, and two bits of the eleventh.
    expect([...dense.packed].map((word) => word >>> 0)).toEqual(
      [
        0o76543210 + 0o10 * 2 ** 24 + ((0b10 << 30) >>> 0),
        0b0 | (0o76543 << 1) | (0o43210 * 2 ** 16) | ((0o5 << 31) >>> 0),
        (0o5 >> 1) | (0o76 << 2) | (0o76543210 * 2 ** 8),
      ].map((word) => word >>> 0),
    );
    expectSame(readPackQuantized(dense, shape), matrix);
    const padded = writePackQuantized(matrix, 'padded');
    expect([...padded.packed].map((word) => word.toString(8))).toEqual([
      '1076543210',
      '3210765432',
      '5432107654',
      '76',
    ]);
    expectSame(readPackQuantized(padded, shape), matrix);
  });

  it('packs zero points along the rows', () => {
    const shape: CompressedIntegerShape = {
      rows: 3,
      cols: 8,
      bits: 4,
      scaling: { strategy: 'group', groupSize: 4 },
    };
    const tensors = {
      packed: new Int32Array(3),
      scales: bf16(1, 1, 1, 1, 1, 1),
      // Group 0 has zero points -8, -7, -6 of rows 0, 1, 2; group 1 has 7, 6, 5.
      zeroPoints: Int32Array.of(0x210, 0xdef),
    };
    const packed = readPackQuantized(tensors, shape);
    expect([...(packed.zeros ?? [])]).toEqual([-8, 7, -7, 6, -6, 5]);
    expect(writePackQuantized(packed)).toEqual(tensors);
  });

  const strategies = (rows: number, cols: number, seed: number): CompressedStrategy[] => [
    { strategy: 'tensor' },
    { strategy: 'channel' },
    { strategy: 'group', groupSize: cols % 4 === 0 ? 4 : cols },
    { strategy: 'group', groupSize: cols + 5 },
    { strategy: 'block', blockShape: [1 + (seed % rows), 1 + (seed % cols)] },
  ];
  const groupsOf = (strategy: CompressedStrategy, rows: number, cols: number): ScaleGroups => {
    if (strategy.strategy === 'tensor') return { kind: 'blocks', blockRows: rows, blockCols: cols };
    if (strategy.strategy === 'channel') return { kind: 'columns', groupSize: cols };
    if (strategy.strategy === 'group') return { kind: 'columns', groupSize: strategy.groupSize };
    return { kind: 'blocks', blockRows: strategy.blockShape[0], blockCols: strategy.blockShape[1] };
  };

  it('reads what it writes, packed and plain, with every strategy', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 8 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 70 }),
        fc.constantFrom('none' as const, 'codes' as const),
        fc.constantFrom('dense' as const, 'padded' as const),
        seeds,
        (bits, rows, cols, zeros, layout, seed) => {
          const known = strategies(rows, cols, seed);
          const scaling = known[seed % known.length];
          const groups = groupsOf(scaling, rows, cols);
          const matrix = integerMatrix({ rows, cols, bits, signed: true, groups, zeros, seed });
          const packed = writePackQuantized(matrix, layout);
          expectSame(readPackQuantized(packed, { rows, cols, bits, scaling, layout }), matrix);
          const plain = writePlainIntegers(matrix);
          expectSame(readPlainIntegers(plain, { rows, cols, bits, scaling }), matrix);
          expectSame(
            dequantizePacked(matrix),
            valuesByDefinition(matrix, (code) => code),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it('tells dense from padded by the number of words, or refuses', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(3, 5, 6, 7),
        fc.integer({ min: 1, max: 200 }),
        fc.constantFrom('dense' as const, 'padded' as const),
        seeds,
        (bits, cols, layout, seed) => {
          const groups = { kind: 'columns', groupSize: cols } as const;
          const matrix = integerMatrix({ rows: 2, cols, bits, signed: true, groups, zeros: 'none', seed });
          const shape = { rows: 2, cols, bits, scaling: { strategy: 'channel' } } as const;
          const read = (): PackedLinear => readPackQuantized(writePackQuantized(matrix, layout), shape);
          // Only narrow matrices are ambiguous, and none whose width is a multiple of 32 is.
          const ambiguous =
            Math.ceil((cols * bits) / 32) === Math.ceil(cols / Math.floor(32 / bits)) &&
            cols > Math.floor(32 / bits);
          if (!ambiguous) expectSame(read(), matrix);
          else {
            expect(cols % 32).not.toBe(0);
            expect(cols).toBeLessThan(160);
            expect(read).toThrow(expect.objectContaining({ code: 'packing-ambiguous' }));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('reads columns in another order', () => {
    const groupIndex = Int32Array.of(1, 0, 0, 1, 1, 0, 0, 1);
    const groups = { kind: 'indexed', groupIndex, groups: 2 } as const;
    const matrix = integerMatrix({
      rows: 3,
      cols: 8,
      bits: 4,
      signed: true,
      groups,
      zeros: 'codes',
      seed: 9,
    });
    const shape = { rows: 3, cols: 8, bits: 4, scaling: { strategy: 'group', groupSize: 4 } } as const;
    const tensors = writePackQuantized(matrix);
    expectSame(readPackQuantized(tensors, shape), matrix);
    expectSame(readPlainIntegers(writePlainIntegers(matrix), shape), matrix);
    // An index that is not set is filled with -1.
    const unset = readPackQuantized({ ...tensors, groupIndex: new Int32Array(8).fill(-1) }, shape);
    expect(unset.groups).toEqual({ kind: 'columns', groupSize: 4 });
    for (const bad of [
      [1, 1, 1, 1, 1, 0, 0, 0],
      [0, 0, 0, 0, 2, 2, 2, 2],
      [0, 1],
    ]) {
      expect(() => readPackQuantized({ ...tensors, groupIndex: Int32Array.from(bad) }, shape)).toThrow(
        expect.objectContaining({ code: 'packing-group-index' }),
      );
    }
  });

  it.each<[string, string, object, object]>([
    ['9 bits', 'packing-bits', {}, { bits: 9 }],
    ['1 bit', 'packing-bits', {}, { bits: 1 }],
    ['no rows', 'packing-shape', {}, { rows: 0 }],
    ['a ragged group', 'packing-shape', {}, { scaling: { strategy: 'group', groupSize: 3 } }],
    ['a group of 0', 'packing-shape', {}, { scaling: { strategy: 'group', groupSize: 0 } }],
    ['a short weight', 'packing-length', { packed: new Int32Array(1) }, {}],
    ['scales of another strategy', 'packing-length', {}, { scaling: { strategy: 'tensor' } }],
    ['a NaN scale', 'packing-scale-not-finite', { scales: bf16(Number.NaN, 1, 1, 1) }, {}],
    ['short zero points', 'packing-length', { zeroPoints: new Int32Array(1) }, {}],
  ])('refuses %s', (_, code, change, other) => {
    const tensors = { packed: new Int32Array(2), scales: bf16(1, 1, 1, 1), zeroPoints: new Int32Array(2) };
    const shape = { rows: 2, cols: 8, bits: 4, scaling: { strategy: 'group', groupSize: 4 } } as const;
    expect(() => readPackQuantized(tensors, shape)).not.toThrow();
    expect(() => readPackQuantized({ ...tensors, ...change }, { ...shape, ...other })).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it('refuses plain codes past their width', () => {
    const shape = { rows: 1, cols: 2, bits: 4, scaling: { strategy: 'tensor' } } as const;
    expect(() => readPlainIntegers({ codes: Int8Array.of(0, 8), scales: bf16(1) }, shape)).toThrow(
      expect.objectContaining({ code: 'packing-code-range' }),
    );
    const zeroPoints = Int8Array.of(8);
    expect(() =>
      readPlainIntegers({ codes: Int8Array.of(0, 7), scales: bf16(1), zeroPoints }, shape),
    ).toThrow(expect.objectContaining({ code: 'packing-zero-range' }));
  });
});

describe('compressed floats', () => {
  it('put the left neighbour of fp4 low and divide by the global scale', () => {
    // 0x2 is 1, 0xf is -6; scale 0x38 is 1 in fp8; divided by 4.
    const tensors = {
      packed: Uint8Array.of(0xf2, 0x10),
      scales: { format: 'fp8_e4m3fn', data: Uint8Array.of(0x38) },
      tensorDivisor: 4,
    } as const;
    const packed = readFp4(tensors, { rows: 1, cols: 4, groupSize: 4 });
    expect([...dequantizePacked(packed)]).toEqual([0.25, -1.5, 0, 0.125]);
    expect(writeFp4(packed)).toEqual(tensors);
  });

  it('read e8m0 scales, the lowest one included', () => {
    const tensors = {
      packed: Uint8Array.of(0x72, 0x72),
      scales: { format: 'e8m0', data: Uint8Array.of(0, 128) },
    } as const;
    const packed = readFp4(tensors, { rows: 1, cols: 4, groupSize: 2 });
    expect([...dequantizePacked(packed)]).toEqual([2 ** -127, 6 * 2 ** -127, 2, 12]);
    expect(writeFp4(packed)).toEqual(tensors);
    const nan = { ...tensors, scales: { format: 'e8m0', data: Uint8Array.of(0, 255) } } as const;
    expect(() => readFp4(nan, { rows: 1, cols: 4, groupSize: 2 })).toThrow(
      expect.objectContaining({ code: 'packing-scale-not-finite' }),
    );
  });

  it('read what they write, value by value as defined', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom<['fp4' | 'fp8', StoredFloats['format']]>(
          ['fp4', 'fp8_e4m3fn'],
          ['fp4', 'e8m0'],
          ['fp8', 'bf16'],
          ['fp8', 'fp32'],
        ),
        seeds,
        (rows, groupCount, [kind, scaleFormat], seed) => {
          const next = random(seed);
          const cols = groupCount * 8;
          const bits = kind === 'fp4' ? 4 : 8;
          const element = elementFormat(kind === 'fp4' ? 'fp4_e2m1' : 'fp8_e4m3fn');
          const raw = Float32Array.from({ length: rows * groupCount }, () => 0.01 + 300 * next());
          const stored = roundToStored(raw, scaleFormat);
          // Not the codes of NaN.
          const code = (): number => {
            const drawn = Math.floor(next() * 2 ** bits);
            return bits === 8 && (drawn & 127) === 127 ? 0 : drawn;
          };
          const codes = Uint8Array.from({ length: rows * cols }, code);
          if (kind === 'fp4') {
            const packed = Uint8Array.from(
              { length: codes.length / 2 },
              (_, i) => codes[2 * i] | (codes[2 * i + 1] << 4),
            );
            const tensors = {
              packed,
              scales: stored,
              ...(scaleFormat === 'e8m0' ? {} : { tensorDivisor: 3 }),
            };
            const back = readFp4(tensors, { rows, cols, groupSize: 8 });
            expectSame(back.codes, codes);
            expectSame(writeFp4(back), tensors);
            const table = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
            const value = (c: number): number => (c & 8 ? -table[c & 7] : table[c & 7]);
            expectSame(dequantizePacked(back), valuesByDefinition(back, value));
            return;
          }
          const tensors = { codes, scales: stored };
          const back = readFp8(tensors, { rows, cols, scaling: { strategy: 'group', groupSize: 8 } });
          expectSame(writeFp8(back), tensors);
          const value = (c: number): number => {
            const [e, m] = [(c >> 3) & 15, c & 7];
            return (c & 128 ? -1 : 1) * (e === 0 ? m * 2 ** -9 : (1 + m / 8) * 2 ** (e - 7));
          };
          expect(element.name).toBe('fp8_e4m3fn');
          expectSame(dequantizePacked(back), valuesByDefinition(back, value));
        },
      ),
      { numRuns: 100 },
    );
  });

  it.each([
    [0x7f, '0x7f (NaN)'],
    [0xff, '0xff (NaN)'],
  ])('refuse the fp8 weight %i, which is NaN, and say where', (code, got) => {
    const codes = Uint8Array.of(0x7e, 0xfe, code, 0);
    const shape = { rows: 2, cols: 2, scaling: { strategy: 'tensor' } } as const;
    const tensors = { codes, scales: { format: 'fp32', data: Float32Array.of(1) } } as const;
    const problem = expect.objectContaining({ code: 'packing-code-range', where: 'weight, element 2', got });
    expect(() => readFp8(tensors, shape)).toThrow(problem);
    const finite = readFp8({ ...tensors, codes: codes.map((each) => (each === code ? 0 : each)) }, shape);
    expect(() => writeFp8({ ...finite, codes })).toThrow(problem);
  });

  it('refuse odd rows, ragged groups, divisors of zero and integers', () => {
    const scales = { format: 'fp8_e4m3fn', data: Uint8Array.of(0x38) } as const;
    const tensors = { packed: new Uint8Array(2), scales };
    const shape = { rows: 1, cols: 4, groupSize: 4 };
    const cases: [() => unknown, string][] = [
      [() => readFp4(tensors, { ...shape, cols: 3 }), 'packing-shape'],
      [() => readFp4(tensors, { ...shape, groupSize: 3 }), 'packing-shape'],
      [() => readFp4(tensors, { ...shape, cols: 8 }), 'packing-length'],
      [() => readFp4(tensors, { rows: 2, cols: 4, groupSize: 4 }), 'packing-length'],
      [() => readFp4({ ...tensors, tensorDivisor: 0 }, shape), 'packing-scale-not-finite'],
      [
        () => readFp4({ ...tensors, tensorDivisor: Number.POSITIVE_INFINITY }, shape),
        'packing-scale-not-finite',
      ],
      [
        () => readFp8({ codes: new Uint8Array(3), scales }, { ...shape, scaling: { strategy: 'tensor' } }),
        'packing-length',
      ],
      [
        () =>
          writeFp4(
            integerMatrix({
              rows: 1,
              cols: 4,
              bits: 4,
              signed: false,
              groups: { kind: 'columns', groupSize: 4 },
              zeros: 'none',
              seed: 1,
            }),
          ),
        'packing-unsupported',
      ],
    ];
    for (const [action, code] of cases) expect(action, code).toThrow(expect.objectContaining({ code }));
  });
});
