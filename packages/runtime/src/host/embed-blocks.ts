/**
 * Rows of a table that lies as `rows16` blocks, dequantised: what `embedGroups` does for a canonical one, with the same
 * bits. For a matrix that is a product's weight too (a tied embedding), so that memory holds it once. A call looks up a
 * row per token, which is nothing beside the product of that size, so it is plain code and not a kernel.
 */
import { decodeFp16, ROWS16_BLOCK_ROWS, rows16BlockBytes, rows16Container } from '@bitloom/formats';
import type { Arena } from '@bitloom/kernels';
import type { BlockConstant } from './constants.js';

/** int32 words between two steps of one row. */
const STEP_WORDS = 16;

/** Writes a row of the table to float32 at byte address `to`. Made once for a table: it keeps room for a unit. */
export type RowReader = (row: number, to: number) => void;

/** @throws BitloomError `format-shape` for a width that no container has */
export function blockRowReader(
  arena: Arena,
  table: Pick<BlockConstant, 'pointer' | 'cols' | 'bits' | 'group'>,
): RowReader {
  const { pointer, cols, bits, group } = table;
  const { planes, offset, unitColumns, unitBytes } = rows16Container(bits);
  const blockBytes = rows16BlockBytes(bits, cols, group);
  const quads = new Int32Array(unitColumns / 4);
  // Signed bytes are stored as they are, all others with an offset.
  const stored = offset === 0 ? new Int8Array(quads.buffer) : new Uint8Array(quads.buffer);
  const masks = planes.map((plane) => Math.imul((1 << plane.bits) - 1, 0x01010101));
  return (row, to) => {
    const { i32, u16, f32 } = arena;
    const lane = row % ROWS16_BLOCK_ROWS;
    let at = pointer + Math.floor(row / ROWS16_BLOCK_ROWS) * blockBytes;
    let out = to / 4;
    for (let start = 0; start < cols; start += group) {
      const end = out + Math.min(group, cols - start);
      const units = Math.ceil((end - out) / unitColumns);
      const scale = decodeFp16(u16[(at + units * unitBytes) / 2 + lane]);
      let word = at / 4 + lane;
      for (let unit = 0; unit < units; unit += 1) {
        quads.fill(0);
        planes.forEach((plane, index) => {
          for (let quad = 0; quad < quads.length; word += STEP_WORDS) {
            for (let bit = 0; bit < 8; bit += plane.bits, quad += 1) {
              quads[quad] |= ((i32[word] >>> bit) & masks[index]) << plane.shift;
            }
          }
        });
        const last = Math.min(end, out + unitColumns);
        // The store rounds to float32, once.
        for (let k = 0; out < last; k += 1, out += 1) f32[out] = (stored[k] - offset) * scale;
      }
      at += units * unitBytes + 2 * ROWS16_BLOCK_ROWS;
    }
  };
}
