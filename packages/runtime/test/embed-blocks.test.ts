/** Look-ups in rows16 blocks: the bits of the kernel that looks up in a canonical table. */
import { type CanonicalMatrix, canonicalRowBytes, groupsPerRow, packRows16 } from '@bitloom/formats';
import { Arena, createKernels } from '@bitloom/kernels';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockRowReader } from '../src/host/embed-blocks.js';

const shape = fc
  .record({
    bits: fc.integer({ min: 2, max: 8 }),
    rows: fc.integer({ min: 1, max: 40 }),
    cols: fc.integer({ min: 1, max: 90 }),
    group: fc.integer({ min: 1, max: 6 }),
    seed: fc.integer({ min: 1, max: 2 ** 30 }),
  })
  .map(({ group, ...rest }) => ({ ...rest, groupSize: group === 6 ? Math.max(8, rest.cols) : 8 * group }));

/** Random codes, and scales of either sign from subnormal to large. */
function randomMatrix({
  seed,
  ...rest
}: {
  bits: number;
  rows: number;
  cols: number;
  groupSize: number;
  seed: number;
}): CanonicalMatrix {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 16;
  };
  const codes = Uint8Array.from({ length: rest.rows * canonicalRowBytes(rest) }, () => next() & 255);
  // Bits past the end of a row are 0.
  const spare = (canonicalRowBytes(rest) * 8 - rest.cols * rest.bits) % 8;
  for (let row = 1; row <= rest.rows; row += 1) codes[row * canonicalRowBytes(rest) - 1] &= 255 >> spare;
  const scales = Uint16Array.from({ length: rest.rows * groupsPerRow(rest) }, () => next() & 0xfbff & 0xf7ff);
  return { ...rest, codes, scales };
}

describe('blockRowReader', () => {
  const kernels = createKernels({ backend: 'reference', arena: new Arena() });
  const { arena } = kernels;

  it('has the bits of embedGroups for every width, shape and row', () => {
    fc.assert(
      fc.property(shape, (wanted) => {
        const matrix = randomMatrix(wanted);
        const { rows, cols, bits, groupSize: group } = matrix;
        const mark = arena.mark();
        const place = (bytes: Uint8Array<ArrayBufferLike>): number => {
          const at = arena.alloc(bytes.length);
          arena.u8.set(bytes, at);
          return at;
        };
        const codes = place(matrix.codes);
        const scales = place(new Uint8Array(matrix.scales.buffer));
        const ids = place(new Uint8Array(Int32Array.from({ length: rows }, (_, i) => i).buffer));
        const [expected, actual] = [arena.alloc(rows * cols * 4), arena.alloc(rows * cols * 4)];
        kernels.embedGroups(
          bits,
          group,
          rows,
          cols,
          ids,
          codes,
          canonicalRowBytes(matrix),
          scales,
          groupsPerRow(matrix) * 2,
          expected,
          cols * 4,
        );
        const blocks = { pointer: place(packRows16(matrix)), cols, bits: bits === 7 ? 8 : bits, group };
        const read = blockRowReader(arena, blocks);
        for (let row = 0; row < rows; row += 1) read(row, actual + row * cols * 4);
        const bitsAt = (at: number): number[] => [...arena.i32.subarray(at / 4, at / 4 + rows * cols)];
        const same = [bitsAt(actual), bitsAt(expected)];
        arena.release(mark);
        expect(same[0]).toEqual(same[1]);
      }),
      { numRuns: 150 },
    );
  });
});
