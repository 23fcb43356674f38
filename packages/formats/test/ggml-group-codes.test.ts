/** GGML blocks of group integers in the canonical layout: the same values as GGML's decoder gives, from the same bits. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeGgmlBlocks,
  dequantize,
  encodeGgmlBlocks,
  GGML_BLOCK_NAMES,
  GGML_BLOCK_SIZES,
  type GgmlGroupBlock,
  ggmlGroupBytes,
  ggmlGroupCodes,
  ggmlGroupScales,
  ggmlGroupScheme,
  isGgmlGroupBlock,
  schemeType,
} from '../src/index.js';

const BLOCKS = GGML_BLOCK_NAMES.filter(isGgmlGroupBlock);

/** Random blocks whose scales are finite, negative ones and subnormal ones among them. */
function finiteBlocks(block: GgmlGroupBlock): fc.Arbitrary<Uint8Array> {
  const { bytes } = GGML_BLOCK_SIZES[block];
  return fc.array(fc.uint8Array({ minLength: bytes, maxLength: bytes }), { maxLength: 6 }).map((rows) => {
    const all = new Uint8Array(rows.length * bytes);
    rows.forEach((row, i) => {
      all.set(row, i * bytes);
      if ((row[1] & 0x7c) === 0x7c) all[i * bytes + 1] ^= 0x40;
    });
    return all;
  });
}

describe('group integers of GGML blocks', () => {
  it('are those of Q4_0 and Q8_0', () => expect(BLOCKS).toEqual(['q4_0', 'q8_0']));

  it.each(BLOCKS)('%s: codes times scales are the values of the blocks, bit for bit', (block) => {
    fc.assert(
      fc.property(finiteBlocks(block), fc.integer({ min: 0, max: 3 }), (blocks, shift) => {
        // At any alignment.
        const room = new Uint8Array(blocks.length + shift);
        room.set(blocks, shift);
        const view = room.subarray(shift);
        const count = blocks.length / GGML_BLOCK_SIZES[block].bytes;
        const type = schemeType(ggmlGroupScheme(block), [count, 32]);
        const components = { codes: ggmlGroupCodes(block, view), scales: ggmlGroupScales(block, view) };
        const values = dequantize({ type, components });
        const expected = decodeGgmlBlocks(block, blocks);
        expect(new Uint32Array(values.slice().buffer)).toEqual(new Uint32Array(expected.slice().buffer));
      }),
    );
  });

  it.each(BLOCKS)('%s: fills what it is given, at any alignment', (block) => {
    const blocks = encodeGgmlBlocks(
      block,
      Float32Array.from({ length: 96 }, (_, i) => Math.sin(i)),
    );
    const { codes, scales } = ggmlGroupBytes(block);
    for (const shift of [0, 1]) {
      const room = new Uint8Array(3 * codes + shift + 1).fill(99);
      const out = room.subarray(shift, shift + 3 * codes);
      expect(ggmlGroupCodes(block, blocks, out)).toBe(out);
      expect(out).toEqual(ggmlGroupCodes(block, blocks));
      expect(room[room.length - 1]).toBe(99);
      const halves = new Uint8Array(3 * scales + 1).subarray(1);
      expect(ggmlGroupScales(block, blocks, halves)).toEqual(ggmlGroupScales(block, blocks));
    }
  });

  it('keeps the lowest code and a negative scale', () => {
    const blocks = encodeGgmlBlocks(
      'q4_0',
      Float32Array.from({ length: 32 }, (_, i) => (i === 0 ? 8 : 1)),
    );
    expect([...ggmlGroupScales('q4_0', blocks)]).toEqual([0x00, 0xbc]);
    expect(ggmlGroupCodes('q4_0', blocks)[0]).toBe(0xf8);
  });

  it('refuses bytes that are no whole blocks, room of another size and scales that are not finite', () => {
    for (const block of BLOCKS) {
      const { bytes } = GGML_BLOCK_SIZES[block];
      const length = expect.objectContaining({ code: 'ggml-length' });
      expect(() => ggmlGroupCodes(block, new Uint8Array(bytes + 1))).toThrow(length);
      expect(() => ggmlGroupScales(block, new Uint8Array(bytes - 1))).toThrow(length);
      expect(() => ggmlGroupCodes(block, new Uint8Array(bytes), new Uint8Array(1))).toThrow(length);
      expect(() => ggmlGroupScales(block, new Uint8Array(bytes), new Uint8Array(3))).toThrow(length);
      for (const high of [0x7c, 0x7f, 0xfc]) {
        const blocks = new Uint8Array(2 * bytes);
        blocks[bytes + 1] = high;
        const expected = expect.objectContaining({ code: 'ggml-scale-not-finite', where: 'block 1' });
        expect(() => ggmlGroupScales(block, blocks)).toThrow(expected);
      }
    }
  });
});
