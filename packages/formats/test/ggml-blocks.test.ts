import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeGgmlBlocks, encodeFp16, encodeGgmlBlocks, errorMetrics, ggmlBlockSize } from '../src/index.js';
import { readFormatVectors } from './data.js';

interface GgmlVectors {
  input_f32_bits: string[];
  formats: Record<
    string,
    {
      block_elements: number;
      block_bytes: number;
      blocks: { offset: number; block: string; dequant_f32le: string }[];
    }
  >;
}

const vectors = readFormatVectors<GgmlVectors>('ggml-block-vectors.json');

describe.each(['q8_0', 'q4_0'] as const)('%s', (name) => {
  it.skipIf(vectors === undefined)('matches the GGML vectors in both directions, byte for byte', () => {
    if (vectors === undefined) return;
    const { blocks, block_elements: elements, block_bytes: bytes } = vectors.formats[name];
    expect(ggmlBlockSize(name)).toEqual({ elements, bytes });
    const inputBits = Uint32Array.from(vectors.input_f32_bits, (hex) => Number.parseInt(hex, 16));
    const input = new Float32Array(inputBits.buffer);
    for (const { offset, block, dequant_f32le } of blocks) {
      const decoded = decodeGgmlBlocks(name, new Uint8Array(Buffer.from(block, 'hex')));
      const decodedBytes = Buffer.from(decoded.buffer, decoded.byteOffset, decoded.byteLength).toString(
        'hex',
      );
      expect(decodedBytes, `decode at ${offset}`).toBe(dequant_f32le);
      const encoded = encodeGgmlBlocks(name, input.slice(offset, offset + elements));
      expect(Buffer.from(encoded).toString('hex'), `encode at ${offset}`).toBe(block);
    }
    expect(blocks.length).toBe(128);
  });

  it('keeps to the round-trip ceilings of GGML', () => {
    const values = Float32Array.from({ length: 4096 }, (_, i) => 0.1 + 2 * Math.cos(i));
    const restored = decodeGgmlBlocks(name, encodeGgmlBlocks(name, values));
    // GGML's own gate measures sqrt(Σ error²) / n on this input.
    const { rmse } = errorMetrics(values, restored);
    expect(rmse / Math.sqrt(values.length)).toBeLessThan(0.002);
  });

  it('refuses broken blocks and values', () => {
    expect(() => decodeGgmlBlocks(name, new Uint8Array(35))).toThrow(/whole/);
    expect(() =>
      decodeGgmlBlocks(name, new Uint8Array(ggmlBlockSize(name).bytes), new Float32Array(31)),
    ).toThrow(/whole/);
    expect(() => encodeGgmlBlocks(name, new Float32Array(31))).toThrow(/whole/);
    expect(() => encodeGgmlBlocks(name, new Float32Array(32).fill(Number.NaN))).toThrow(/finite/);
  });
});

it('places the nibbles of q4_0 as GGML does', () => {
  const block = new Uint8Array(18);
  const one = encodeFp16(1);
  block[0] = one & 255;
  block[1] = one >> 8;
  block[2] = 0xf0;
  const values = decodeGgmlBlocks('q4_0', block);
  expect([values[0], values[16], values[1]]).toEqual([-8, 7, -8]);
});

it('decodes any bytes without throwing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 34, maxLength: 34 }), (bytes) => {
      expect(decodeGgmlBlocks('q8_0', bytes).length).toBe(32);
    }),
  );
});
