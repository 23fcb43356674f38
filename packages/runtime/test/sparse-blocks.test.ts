/** Packed N:M codes on their way to the layout of the sparse products: piece by piece as in one go. */
import {
  nmSparsity,
  nmType,
  packCanonical,
  packNm,
  packSparse16,
  preset,
  schemeType,
} from '@bitloom/formats';
import { internalError } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packSparseRows, type SparseMatrix, sparseMatrix } from '../src/host/sparse-blocks.js';

const CASES = fc.record({
  rows: fc.integer({ min: 1, max: 70 }),
  cols: fc.integer({ min: 1, max: 80 }),
  sparsity: fc.constantFrom(
    nmSparsity(2, 16),
    nmSparsity(4, 16),
    nmSparsity(8, 16),
    nmSparsity([0, 2, 8, 16], 16),
    nmSparsity(2, 4, [16, 16]),
    nmSparsity(3, 8, [16, 16]),
  ),
  scheme: fc.constantFrom('W4A8', 'W8A8', 'FlightLLM'),
  seed: fc.integer({ min: 0, max: 0x7fffffff }),
});

describe('sparse matrices', () => {
  it('are laid out alike by pieces and at once', () => {
    fc.assert(
      fc.property(CASES, fc.integer({ min: 1, max: 3 }), ({ rows, cols, sparsity, scheme, seed }, blocks) => {
        const { weights } = preset(scheme);
        const type = nmType(schemeType(weights, [rows, cols]), sparsity);
        const { bits } = type.element;
        const group = type.scales[0].block[1];
        let state = seed;
        const random = (): number => {
          state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
          return state >> 8;
        };
        const codes = new Int8Array(rows * cols);
        const least = Math.min(...sparsity.keep.filter((keep) => keep > 0));
        for (let row = 0; row < rows; row += 1) {
          for (let col = 0; col < cols; col += sparsity.m) {
            const width = Math.min(sparsity.m, cols - col);
            for (let i = 0; i < least; i += 1)
              codes[row * cols + col + (random() % width)] = (random() % 2 ** (bits - 1)) - 3;
          }
        }
        const scales = Uint16Array.from({ length: rows * Math.ceil(cols / group) }, (_, i) => 0x3000 + i);
        const packed = packNm(codes, { rows, cols, bits }, sparsity);
        const whole: SparseMatrix = sparseMatrix(type, group, packed, () => internalError('refused'));
        const matrix: SparseMatrix = { ...whole, stepRows: blocks * 16 };
        const out = new Uint8Array(matrix.bytes);
        const perRow = scales.length / rows;
        for (let row = 0; row < rows; row += matrix.stepRows) {
          const end = Math.min(rows, row + matrix.stepRows);
          packSparseRows(matrix, row, scales.subarray(row * perRow, end * perRow), out);
        }
        const dense = packCanonical({ rows, cols, bits, groupSize: group, codes, scales });
        expect(out).toEqual(packSparse16(dense, matrix.keeps));
      }),
      { numRuns: 150 },
    );
  });

  it('are refused where the kernel has no tiles for them', () => {
    const refuse = (expected: string, got: string): never => {
      throw internalError(`${expected} | ${got}`);
    };
    const of = (sparsity: ReturnType<typeof nmSparsity>, group: number): unknown => {
      const type = nmType(schemeType(preset('W4A8').weights, [16, 48]), sparsity);
      const packed = packNm(new Int8Array(16 * 48), { rows: 16, cols: 48, bits: 4 }, sparsity);
      return sparseMatrix(type, group, packed, refuse);
    };
    expect(() => of(nmSparsity(2, 4, [1, 4]), 32)).toThrow('blocks of 16 x 16');
    expect(() => of(nmSparsity(4, 32, [16, 32]), 32)).toThrow('divide 16');
    expect(() => of(nmSparsity(8, 16), 24)).toThrow('multiple of 16');
  });
});
