/** GGML's own outputs, block by block: the data folder's vectors, and hashes that hold without it. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  decodeGgmlBlocks,
  encodeGgmlBlocks,
  GGML_BLOCK_NAMES,
  GGML_BLOCK_SIZES,
  type GgmlBlockName,
  ggmlBlockSize,
} from '../src/index.js';
import { readFormatVectors } from './data.js';
import { mixedValues } from './ggml-data.js';

interface GgmlVectors {
  input_f32_bits: string[];
  formats: Record<
    string,
    {
      block_elements: number;
      block_bytes: number;
      bits_per_weight: number;
      blocks: { offset: number; block: string; dequant_f32le: string }[];
    }
  >;
}

const vectors = readFormatVectors<GgmlVectors>('ggml-block-vectors.json');
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const floatBytes = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

describe.skipIf(vectors === undefined)('vectors of GGML', () => {
  it('are of every format', () => {
    expect(Object.keys(vectors?.formats ?? {}).sort()).toEqual([...GGML_BLOCK_NAMES].sort());
  });

  it.each(GGML_BLOCK_NAMES)('%s matches in both directions, byte for byte', (name) => {
    if (vectors === undefined) return;
    const { blocks, block_elements, block_bytes, bits_per_weight } = vectors.formats[name];
    expect(GGML_BLOCK_SIZES[name]).toEqual({
      elements: block_elements,
      bytes: block_bytes,
      bitsPerWeight: bits_per_weight,
    });
    const input = new Float32Array(
      Uint32Array.from(vectors.input_f32_bits, (word) => Number.parseInt(word, 16)).buffer,
    );
    expect(blocks.length).toBe(4096 / block_elements);
    for (const { offset, block, dequant_f32le } of blocks) {
      const stored = new Uint8Array(Buffer.from(block, 'hex'));
      expect(hex(floatBytes(decodeGgmlBlocks(name, stored))), `decode at ${offset}`).toBe(dequant_f32le);
      const values = input.slice(offset, offset + block_elements);
      const encoded = encodeGgmlBlocks(name, values);
      if (name === 'iq4_nl' && values.every((value) => value === 0)) {
        // For zeros GGML writes a scale of 0 and leaves the codes as they lay in memory (in these vectors, part of an
        // address), so only the scale can be compared.
        expect(hex(encoded), `encode at ${offset}`).toBe(block.slice(0, 4).padEnd(36, '8'));
      } else expect(hex(encoded), `encode at ${offset}`).toBe(block);
    }
  });
});

/**
 * First 16 hexadecimal digits of SHA-256 over the bytes that GGML's own library wrote for `mixedValues(7)`, and over
 * the float32 it read back from them (llama.cpp of November 2026, x86-64, without fused operations).
 */
const GGML_HASHES: Readonly<Record<GgmlBlockName, readonly [string, string]>> = {
  q1_0: ['910b7b640e6bc826', 'ef5e77dd97503066'],
  q2_0: ['58b4f33afd8f86e6', 'f46486009968f54a'],
  q4_0: ['c1c28041713a9736', '459261fc1f00bd03'],
  q4_1: ['728c636525d93a02', '1848f862f751e5b9'],
  q5_0: ['29e8d5112f33aef0', '0df90bb56562cece'],
  q5_1: ['4d90ae8816c619e9', '7b29741f75f49ee7'],
  q8_0: ['e51bf54d102f1133', '438136d0959b701d'],
  q2_K: ['fb1287a3b511ddf2', '6cf9b2a1852a76ef'],
  q3_K: ['959ece66e38294f7', '1d97a47436909180'],
  q4_K: ['f5fa2f08b6fb1c5b', 'f0a320e44fd10332'],
  q5_K: ['b679980976926427', '04dbeed6582354f5'],
  q6_K: ['2beb549dc7110f08', '56f46066eb5befe6'],
  q8_K: ['256cf2521cb72684', 'd139d800ae47689a'],
  iq4_nl: ['0ca51a464408542f', '61a46b70b01c8da4'],
  iq4_xs: ['7b775b33678f8a29', 'be90d007ebd4179f'],
  tq1_0: ['8929c88e3790f4f7', '7daa89286d75341e'],
  tq2_0: ['a5b65e16d26dbb74', '7daa89286d75341e'],
  mxfp4: ['8bee8e303b88ac1f', '7e95885e92dc029d'],
  nvfp4: ['95be84f2488e231d', 'c0bc0f6acc61c6fa'],
};

describe('hashes of what GGML wrote', () => {
  const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const values = mixedValues(7);

  it('are of this input', () => {
    expect(hash(floatBytes(values))).toBe('791a64887a32df28');
  });

  it.each(GGML_BLOCK_NAMES)('%s', (name) => {
    const blocks = encodeGgmlBlocks(name, values);
    const { elements, bytes } = ggmlBlockSize(name);
    expect(blocks.length).toBe((values.length / elements) * bytes);
    expect([hash(blocks), hash(floatBytes(decodeGgmlBlocks(name, blocks)))]).toEqual(GGML_HASHES[name]);
  });
});

/**
 * GGML's ceilings for its test data: the square root of the summed squared error, divided by the number of values (not
 * the square root of it). Source: ggml `test-quantize-fns`; q8_K is not tested there and held to the default.
 */
const CEILINGS: Readonly<Partial<Record<GgmlBlockName, number>>> = {
  q1_0: 0.025,
  tq1_0: 0.01,
  tq2_0: 0.01,
  q2_0: 0.01,
  q2_K: 0.0075,
  q3_K: 0.004,
  nvfp4: 0.003,
};

describe('round-trip error stays below the ceilings of GGML', () => {
  const values = Float32Array.from({ length: 32 * 128 }, (_, i) => 0.1 + 2 * Math.fround(Math.cos(i)));

  it.each(GGML_BLOCK_NAMES)('%s', (name) => {
    const restored = decodeGgmlBlocks(name, encodeGgmlBlocks(name, values));
    const squares = values.reduce((sum, value, i) => sum + (value - restored[i]) ** 2, 0);
    expect(Math.sqrt(squares) / values.length).toBeLessThan(CEILINGS[name] ?? 0.002);
  });
});
