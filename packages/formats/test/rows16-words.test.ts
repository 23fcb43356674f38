/** The quick way into rows16 by whole words gives the bytes of the definition: where each code and scale must lie. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type CanonicalMatrix, packRows16, ROWS16_BLOCK_ROWS, rows16BlockBytes } from '../src/index.js';

interface Part {
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly groupStart: number;
  readonly groupEnd: number;
}

/** One code at a time, as the layout is described. */
function slowRows16(matrix: CanonicalMatrix, part: Part): Uint8Array {
  const { cols, bits, groupSize, codes, scales } = matrix;
  const groups = Math.ceil(cols / groupSize);
  const columns = Math.min(cols, part.groupEnd * groupSize) - part.groupStart * groupSize;
  const blockBytes = columns <= 0 ? 0 : rows16BlockBytes(bits, columns, groupSize);
  const rows = part.rowEnd - part.rowStart;
  const out = new Uint8Array(Math.ceil(rows / ROWS16_BLOCK_ROWS) * blockBytes);
  const stepColumns = 32 / bits;
  for (let row = 0; row < Math.ceil(rows / 16) * 16; row += 1) {
    let at = Math.floor(row / 16) * blockBytes;
    for (let group = part.groupStart; group < part.groupEnd; group += 1) {
      const length = Math.min(groupSize, cols - group * groupSize);
      const isReal = row < rows;
      const source = part.rowStart + row;
      for (let k = 0; k < length; k += 1) {
        const column = group * groupSize + k;
        const byte = codes[source * ((cols * bits) / 8) + Math.floor((column * bits) / 8)];
        const raw = !isReal ? 0 : bits === 8 ? byte : (byte >> (4 * (column % 2))) & 15;
        const to = at + Math.floor(k / stepColumns) * 64 + (row % 16) * 4 + (k % 4);
        if (bits === 8) out[to] = raw;
        else out[to] |= (raw ^ 8) << (k % 8 < 4 ? 0 : 4);
      }
      at += (length / stepColumns) * 64;
      const scale = isReal ? scales[source * groups + group] : 0;
      out[at + 2 * (row % 16)] = scale & 255;
      out[at + 2 * (row % 16) + 1] = scale >> 8;
      at += 32;
    }
  }
  return out;
}

const cases = fc
  .record({
    bits: fc.constantFrom(4, 8),
    rows: fc.integer({ min: 0, max: 40 }),
    eights: fc.integer({ min: 1, max: 14 }),
    groupEights: fc.integer({ min: 1, max: 16 }),
    seed: fc.nat(),
    cuts: fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat()),
    shift: fc.constantFrom(0, 1, 4),
  })
  .map(({ bits, rows, eights, groupEights, seed, cuts, shift }) => {
    const [cols, groupSize] = [8 * eights, 8 * groupEights];
    const groups = Math.ceil(cols / groupSize);
    const codes = Uint8Array.from({ length: (rows * cols * bits) / 8 }, (_, i) => (i * 167 + seed) >> 2);
    const scales = Uint16Array.from({ length: rows * groups }, (_, i) => i * 331 + seed);
    const cut = (limit: number, a: number, b: number): [number, number] => {
      const ends = [a % (limit + 1), b % (limit + 1)];
      return [Math.min(...ends), Math.max(...ends)];
    };
    const [rowStart, rowEnd] = cut(rows, cuts[0], cuts[1]);
    const [groupStart, groupEnd] = cut(groups, cuts[2], cuts[3]);
    const matrix: CanonicalMatrix = { rows, cols, bits, groupSize, codes, scales };
    return { matrix, part: { rowStart, rowEnd, groupStart, groupEnd }, shift };
  });

it('packs any part, padding and all, wherever the target begins', () => {
  fc.assert(
    fc.property(cases, ({ matrix, part, shift }) => {
      const expected = slowRows16(matrix, part);
      const room = new Uint8Array(expected.length + shift).fill(0xa5);
      const target = room.subarray(shift);
      expect(packRows16(matrix, part, target)).toBe(target);
      expect(target).toEqual(expected);
    }),
  );
});

it('takes misaligned codes another way to the same bytes', () => {
  const codes = Uint8Array.from({ length: 32 * 16 }, (_, i) => i * 7);
  const scales = Uint16Array.from({ length: 32 }, (_, i) => i);
  const room = new Uint8Array(codes.length + 1);
  room.set(codes, 1);
  const shape = { rows: 32, cols: 32, bits: 4, groupSize: 32, scales };
  expect(packRows16({ ...shape, codes: room.subarray(1) })).toEqual(packRows16({ ...shape, codes }));
});
