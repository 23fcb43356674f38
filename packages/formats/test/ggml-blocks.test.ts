import { describe, expect, it } from 'vitest';
import {
  decodeGgml,
  decodeGgmlBlocks,
  encodeFp16,
  encodeGgml,
  encodeGgmlBlocks,
  GGML_BLOCK_NAMES,
  GGML_BLOCK_SIZES,
  GGML_BLOCKS,
  GGML_MXFP4,
  GGML_NVFP4,
  type GgmlBlockName,
  ggmlBlock,
  ggmlBlockSize,
  Q4_K,
} from '../src/index.js';

describe('the table of formats', () => {
  it.each(GGML_BLOCK_NAMES)('%s: names, sizes and bits agree', (name) => {
    const { elements, bytes, bitsPerWeight } = GGML_BLOCK_SIZES[name];
    const block = ggmlBlock(name);
    expect(block).toBe(GGML_BLOCKS[name]);
    expect([block.name, block.elements, block.bytes]).toEqual([name, elements, bytes]);
    expect(ggmlBlockSize(name)).toEqual({ elements, bytes });
    expect(bitsPerWeight).toBe((8 * bytes) / elements);
  });

  it.each(GGML_BLOCK_NAMES)('%s: the type describes blocks along the last axis', (name) => {
    const { elements, bitsPerWeight } = GGML_BLOCK_SIZES[name];
    const type = ggmlBlock(name).type([4, 512]);
    expect(type.shape).toEqual([4, 512]);
    expect(type.layout).toBe(`ggml.${name}`);
    expect(type.scales.every(({ block }) => block[0] === 1 && elements % block[1] === 0)).toBe(true);
    expect(ggmlBlock(name).type([2, 4, 512]).scales[0].block).toEqual([1, 1, type.scales[0].block[1]]);
    // Elements and scales account for the size, but for sums, base-3 packing and unused bits.
    const bits = type.scales.reduce(
      (sum, { format, zero, block }) => sum + (format.bits + (zero?.format.bits ?? 0)) / block[1],
      type.element.bits,
    );
    const beside: Partial<Record<GgmlBlockName, number>> = {
      // Sixteen sums of int16.
      q8_K: (16 * 16) / 256,
      // 52 bytes instead of two bits each.
      tq1_0: (52 * 8) / 256 - 2,
      // The sign bit that an unsigned e4m3 has no use for.
      nvfp4: 1 / 16,
    };
    expect(bits + (beside[name] ?? 0)).toBe(bitsPerWeight);
  });

  it('refuses other names', () => {
    expect(() => ggmlBlock('q4_k')).toThrow(expect.objectContaining({ code: 'format-unknown', got: 'q4_k' }));
    expect(() => ggmlBlock('constructor')).toThrow(expect.objectContaining({ code: 'format-unknown' }));
  });
});

describe.each(GGML_BLOCK_NAMES)('%s', (name) => {
  const { elements, bytes } = ggmlBlockSize(name);

  it('refuses what is not whole blocks', () => {
    const length = expect.objectContaining({ code: 'ggml-length' });
    expect(() => decodeGgmlBlocks(name, new Uint8Array(bytes + 1))).toThrow(length);
    expect(() => decodeGgmlBlocks(name, new Uint8Array(bytes), new Float32Array(elements - 1))).toThrow(
      length,
    );
    expect(() => encodeGgmlBlocks(name, new Float32Array(elements - 1))).toThrow(length);
    expect(decodeGgmlBlocks(name, new Uint8Array(0)).length).toBe(0);
    expect(encodeGgmlBlocks(name, new Float32Array(0)).length).toBe(0);
  });

  it('names the first value that is not finite', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const values = new Float32Array(2 * elements);
      values[elements + 3] = value;
      expect(() => encodeGgmlBlocks(name, values)).toThrow(
        expect.objectContaining({ code: 'quantize-not-finite', where: `element ${elements + 3}` }),
      );
    }
  });

  it('decodes into a part of a larger array, at an odd address', () => {
    const values = Float32Array.from({ length: 2 * elements }, (_, i) => Math.sin(i));
    const blocks = encodeGgmlBlocks(name, values);
    const shifted = new Uint8Array(blocks.length + 3);
    shifted.set(blocks, 3);
    const target = new Float32Array(2 * elements + 5).fill(9);
    decodeGgmlBlocks(name, shifted.subarray(3), target.subarray(2, 2 + 2 * elements));
    expect(target.slice(2, -3)).toEqual(decodeGgmlBlocks(name, blocks));
    expect([...target.slice(0, 2), ...target.slice(-3)]).toEqual([9, 9, 9, 9, 9]);
  });
});

/** The largest value that a whole block may have where the scale is fp16: the scale, and the steps it takes. */
const LARGEST: Readonly<Partial<Record<GgmlBlockName, number>>> = {
  q1_0: 65519,
  q2_0: 65519,
  q4_0: 65519 * 8,
  q4_1: 65519,
  q5_0: 65519 * 16,
  q5_1: 65519,
  q8_0: 65519 * 127,
  q2_K: 65519 * 15 * 3,
  q3_K: 65519 * 32 * 4,
  q4_K: 65519 * 63 * 15,
  q5_K: 65519 * 63 * 31,
  q6_K: 65519 * 128 * 32,
  iq4_nl: 65519 * 127,
  iq4_xs: 65519 * 32 * 113,
  tq1_0: 65519,
  tq2_0: 65519,
};

describe('a scale that its format cannot hold', () => {
  const constant = (name: GgmlBlockName, value: number): Float32Array =>
    new Float32Array(ggmlBlockSize(name).elements).fill(value);

  it('is possible wherever a scale is fp16', () => {
    const halves = GGML_BLOCK_NAMES.filter((name) => ggmlBlock(name).halves.length > 0);
    expect(Object.keys(LARGEST).sort()).toEqual([...halves].sort());
  });

  it.each(Object.entries(LARGEST))('%s refuses it and takes the last that fits', (text, largest) => {
    const { name, elements } = ggmlBlock(text);
    const restored = decodeGgmlBlocks(name, encodeGgmlBlocks(name, constant(name, largest)));
    expect(restored.every(Number.isFinite)).toBe(true);
    // Up to where the squares, cubes and sums of the searches overflow as well.
    for (const value of [largest * 1.01, largest * 2, 1e13, -1e13, 1e19, -1e19, 3e38, -3e38]) {
      const values = new Float32Array(2 * elements);
      values.set(constant(name, value), elements);
      expect(() => encodeGgmlBlocks(name, values), `${value}`).toThrow(
        expect.objectContaining({
          code: 'quantize-scale-overflow',
          where: `elements ${elements} to ${2 * elements - 1}`,
        }),
      );
    }
  });

  it('does not arise in formats that saturate or keep float32 scales', () => {
    const value = Math.fround(3.4e38);
    const decode = (name: GgmlBlockName): number =>
      decodeGgmlBlocks(name, encodeGgmlBlocks(name, constant(name, value)))[0];
    expect(decode('q8_K') / value).toBeCloseTo(1, 6);
    expect(decode('mxfp4')).toBe(6 * 2 ** 125);
    expect(decodeGgmlBlocks('nvfp4', encodeGgmlBlocks('nvfp4', new Float32Array(64).fill(-5000)))[0]).toBe(
      -2688,
    );
  });
});

/** What a group of each format can say exactly, at a power of two: levels, those every group must have, group size. */
interface ExactGroup {
  readonly levels: readonly number[];
  readonly anchors: readonly number[];
  readonly size: number;
  readonly unit: number;
  readonly offset?: number;
}

const range = (low: number, high: number): number[] =>
  Array.from({ length: high - low + 1 }, (_, i) => low + i);
const NON_LINEAR = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const FP4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -1, -1.5, -2, -3, -4, -6];

const EXACT: Readonly<Record<GgmlBlockName, ExactGroup>> = {
  q1_0: { levels: [-1, 1], anchors: [], size: 128, unit: 1 },
  q2_0: { levels: [-1, 0, 1], anchors: [1], size: 64, unit: 1 },
  q4_0: { levels: range(-8, 7), anchors: [-8], size: 32, unit: 1 },
  q4_1: { levels: range(0, 15), anchors: [0, 15], size: 32, unit: 1, offset: -5.5 },
  q5_0: { levels: range(-16, 15), anchors: [-16], size: 32, unit: 1 },
  q5_1: { levels: range(0, 31), anchors: [0, 31], size: 32, unit: 1, offset: 2.25 },
  q8_0: { levels: range(-127, 127), anchors: [127], size: 32, unit: 1 },
  q2_K: { levels: range(0, 3), anchors: [0, 3], size: 16, unit: 15, offset: -15 },
  q3_K: { levels: range(-4, 3), anchors: [-4], size: 16, unit: 32 },
  q4_K: { levels: range(0, 15), anchors: [0, 15], size: 32, unit: 63, offset: -63 },
  q5_K: { levels: range(0, 31), anchors: [0, 31], size: 32, unit: 63, offset: -63 },
  q6_K: { levels: range(-32, 31), anchors: [-32], size: 16, unit: 128 },
  q8_K: { levels: range(-127, 127), anchors: [-127], size: 256, unit: 1 },
  iq4_nl: { levels: NON_LINEAR, anchors: [-127], size: 32, unit: 1 },
  iq4_xs: { levels: NON_LINEAR, anchors: [-127], size: 32, unit: 32 },
  tq1_0: { levels: [-1, 0, 1], anchors: [1], size: 256, unit: 1 },
  tq2_0: { levels: [-1, 0, 1], anchors: [-1], size: 256, unit: 1 },
  mxfp4: { levels: FP4, anchors: [6], size: 32, unit: 1 },
  nvfp4: { levels: FP4, anchors: [-6], size: 16, unit: 1 },
};

describe('every code comes back from its value', () => {
  it.each(GGML_BLOCK_NAMES)('%s', (name) => {
    const { levels, anchors, size, unit, offset = 0 } = EXACT[name];
    const { elements } = ggmlBlockSize(name);
    for (const scale of [1, 2 ** -3, 2 ** 4]) {
      let next = 0;
      const seen = new Set<number>();
      const values = new Float32Array(elements * Math.ceil((levels.length * 4) / elements + 1));
      for (let i = 0; i < values.length; i += 1) {
        // Anchors first, at another place in every group; then all the levels in turn.
        const place = (i + (i - (i % size)) / size) % size;
        const level = place < anchors.length ? anchors[place] : levels[next++ % levels.length];
        seen.add(level);
        values[i] = (level * unit + offset) * scale;
      }
      expect(seen.size).toBe(levels.length);
      const blocks = encodeGgmlBlocks(name, values);
      // Adding 0 takes the sign off a zero.
      expect(decodeGgmlBlocks(name, blocks).map((value) => value + 0)).toEqual(
        values.map((value) => value + 0),
      );
    }
  });
});

it('a record of its own does what its name does, and comes alone', () => {
  const values = Float32Array.from({ length: 512 }, (_, i) => Math.sin(i));
  expect(Q4_K).toBe(ggmlBlock('q4_K'));
  const blocks = encodeGgml(Q4_K, values);
  expect(blocks).toEqual(encodeGgmlBlocks('q4_K', values));
  expect(decodeGgml(Q4_K, blocks)).toEqual(decodeGgmlBlocks('q4_K', blocks));
  expect([GGML_MXFP4.name, GGML_NVFP4.name]).toEqual(['mxfp4', 'nvfp4']);
});

describe('places', () => {
  it('q4_0: element j in the low nibble of byte j, element j + 16 in the high one', () => {
    const block = new Uint8Array(18);
    const one = encodeFp16(1);
    block[0] = one & 255;
    block[1] = one >> 8;
    block[2] = 0xf0;
    const values = decodeGgmlBlocks('q4_0', block);
    expect([values[0], values[16], values[1]]).toEqual([-8, 7, -8]);
  });

  it('e8m0 and e4m3 scales are read as GGML reads them', () => {
    const mxfp4 = (scale: number, code: number): number =>
      decodeGgmlBlocks('mxfp4', Uint8Array.of(scale, code, ...new Array(15).fill(0)))[0];
    expect([mxfp4(127, 2), mxfp4(0, 1), mxfp4(1, 1), mxfp4(2, 1)]).toEqual([
      1,
      2 ** -128,
      2 ** -127,
      2 ** -126,
    ]);
    expect([mxfp4(255, 1), mxfp4(255, 2), mxfp4(255, 0)]).toEqual([2 ** 127, Number.POSITIVE_INFINITY, 0]);
    const nvfp4 = (scale: number): number =>
      decodeGgmlBlocks('nvfp4', Uint8Array.of(scale, 0, 0, 0, 2, ...new Array(31).fill(0)))[0];
    expect([nvfp4(0x38), nvfp4(0x7e), nvfp4(1), nvfp4(0)]).toEqual([1, 448, 2 ** -9, 0]);
    expect([nvfp4(0x7f), nvfp4(0xff), nvfp4(0x80)]).toEqual([0, 480, 0]);
  });

  it('mxfp4: a magnitude just below a power of two counts as that power, one below 2^-125 gets the lowest scale', () => {
    const exponent = (value: number): number =>
      encodeGgmlBlocks('mxfp4', new Float32Array(32).fill(value))[0];
    expect([exponent(8), exponent(8 - 2 ** -21), exponent(7.9999)]).toEqual([128, 128, 127]);
    expect([exponent(2 ** -125), exponent(2 ** -130), exponent(0)]).toEqual([0, 0, 0]);
  });

  it('nvfp4: scales round halves up and leave out the steps between 240 and 448', () => {
    const scale = (amax: number): number => encodeGgmlBlocks('nvfp4', new Float32Array(64).fill(amax))[0];
    expect([scale(6), scale(6 * 1.0625), scale(6 * 240), scale(6 * 250), scale(6 * 300)]).toEqual([
      0x38, 0x39, 0x77, 0x7e, 0x7e,
    ]);
    expect([scale(6 / 512), scale(6 / 1023), scale(6 / 1025), scale(0)]).toEqual([1, 1, 0, 0]);
  });

  it('q8_K: sums of 16 codes follow the codes', () => {
    const values = Float32Array.from({ length: 256 }, (_, i) => (i < 16 ? -127 : i - 128));
    const block = encodeGgmlBlocks('q8_K', values);
    const sums = new Int16Array(block.slice(260).buffer);
    for (let group = 0; group < 16; group += 1) {
      const codes = new Int8Array(block.slice(4 + 16 * group, 20 + 16 * group).buffer);
      expect(sums[group]).toBe(codes.reduce((sum, code) => sum + code, 0));
    }
    expect(Math.abs(sums[0])).toBe(16 * 127);
  });
});
