/** Matrices of a GGUF file as the codes they are stored as: the same values as their floats, any range, read lazily. */
import { dequantize } from '@bitloom/formats';
import { type ConstantDecl, fillFromSection } from '@bitloom/ir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bundleCheckpoint, type OpenModel } from '../src/bundle.js';
import { fromBytes } from '../src/bytes/memory-source.js';
import { ReadBuffer } from '../src/bytes/read-buffer.js';
import type { DecoderConfig } from '../src/decoder/decoder-config.js';
import { ggufCheckpoint } from '../src/families/gguf.js';
import { exportGguf } from '../src/families/gguf-export.js';
import { readGguf } from '../src/gguf/reader.js';
import { encodeGguf } from '../src/gguf/writer.js';
import { randomDecoder } from '../src/random/random-decoder.js';
import { ggmlEncoding } from '../src/tensors/encoding.js';
import { storedCodes } from '../src/tensors/stored-codes.js';
import { expectBitloomError } from './support.js';

const CONFIG: DecoderConfig = {
  family: 'llama',
  vocabSize: 40,
  layers: 1,
  width: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  hiddenWidth: 76,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'interleaved', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: true,
  maxPositions: 16,
};
const WHOLE = ['embedding', ...['q', 'k', 'v', 'o', 'gate', 'up'].map((part) => `layers.0.${part}`)];

/** A model whose file says what is read of it. */
async function opened(type: string): Promise<{ open: OpenModel; reads: [offset: number, length: number][] }> {
  const bytes = encodeGguf(exportGguf(randomDecoder(CONFIG, { seed: 5 }), { type }).content);
  const memory = fromBytes(bytes);
  const reads: [number, number][] = [];
  const file = await readGguf({
    ...memory,
    sync: {
      read: (offset, length) => {
        reads.push([offset, length]);
        return new Uint8Array(bytes.subarray(offset, offset + length));
      },
      readInto: (offset, target) => {
        reads.push([offset, target.length]);
        target.set(bytes.subarray(offset, offset + target.length));
      },
    },
  });
  const open = bundleCheckpoint(await ggufCheckpoint(file), { name: 'model', format: 'GGUF' });
  return { open, reads };
}

function valuesOf({ sections }: OpenModel, { type, components }: ConstantDecl): Float32Array {
  if (type.kind !== 'quantized') throw new Error('not codes');
  const shape = type.shape.map(Number);
  const bytes = Object.entries(components).map(([name, section]) => [name, sections.read(section)]);
  return dequantize({ type: { ...type, shape }, components: Object.fromEntries(bytes) });
}

describe.each([
  ['q4_0', 'Q4_0', 4],
  ['q8_0', 'Q8_0', 8],
])('%s', (type, name, bits) => {
  it('gives every matrix of whole blocks as constants beside the float ones', async () => {
    const { open } = await opened(type);
    const stored = open.stored ?? new Map<string, ConstantDecl>();
    expect([...stored.keys()]).toEqual(WHOLE.map((part) => `${part}.weight`));
    for (const constant of stored.values()) {
      const float = open.model.constants.find((one) => one.name === constant.name);
      expect(constant.type.shape).toEqual(float?.type.shape);
      expect(constant).toMatchObject({
        scheme: { name, layout: 'canonical' },
        type: {
          kind: 'quantized',
          element: { kind: 'int', bits, signed: true },
          scales: [{ block: [1, 32], direction: 'multiply', format: { name: 'fp16' } }],
          layout: 'canonical',
        },
      });
    }
    // The graph itself is the float one.
    expect(open.model.constants.every(({ type }) => type.kind === 'dense')).toBe(true);
  });

  it('has the values of the float sections, bit for bit', async () => {
    const { open } = await opened(type);
    for (const constant of open.stored?.values() ?? []) {
      const values = valuesOf(open, constant);
      expect(new Uint8Array(values.slice().buffer)).toEqual(
        new Uint8Array(open.sections.read(constant.name)),
      );
    }
  });

  it('reads nothing before a section is read, and then little more than the range', async () => {
    const { open, reads } = await opened(type);
    expect(reads).toEqual([]);
    const { sections } = open;
    expect(sections.has('embedding.weight.codes')).toBe(true);
    expect(sections.byteLength('embedding.weight.codes')).toBe((40 * 64 * bits) / 8);
    expect(sections.byteLength('embedding.weight.scales')).toBe(40 * 4);
    expect(reads).toEqual([]);
    sections.read('embedding.weight.codes', 30, 4);
    const blockBytes = 2 + 4 * bits;
    const [[, length]] = reads;
    expect([reads.length, length <= 2 * blockBytes]).toEqual([1, true]);
  });

  it('reads any range', async () => {
    const { open } = await opened(type);
    for (const section of ['layers.0.q.weight.codes', 'layers.0.up.weight.scales']) {
      const whole = new Uint8Array(open.sections.read(section));
      fc.assert(
        fc.property(fc.nat(whole.length), fc.nat(whole.length), (a, b) => {
          const [from, to] = [Math.min(a, b), Math.max(a, b)];
          expect(open.sections.read(section, from, to - from)).toEqual(whole.slice(from, to));
          const target = new Uint8Array(new SharedArrayBuffer(to - from));
          fillFromSection(open.sections, section, from, target);
          expect(new Uint8Array(target)).toEqual(whole.slice(from, to));
        }),
      );
    }
  });

  it('keeps what it gave when more is read', async () => {
    const { open } = await opened(type);
    const codes = open.sections.read('layers.0.q.weight.codes');
    const copy = codes.slice();
    open.sections.read('layers.0.gate.weight.codes');
    expect(codes).toEqual(copy);
  });

  it('refuses a range outside and a scale that is not finite', async () => {
    const { open } = await opened(type);
    await expectBitloomError(() => open.sections.read('embedding.weight.codes', 0, 1e6), 'section-range');
    const room = new Uint8Array(1e6);
    await expectBitloomError(
      () => fillFromSection(open.sections, 'embedding.weight.codes', 0, room),
      'section-range',
    );
    const damaged = encodeGguf(exportGguf(randomDecoder(CONFIG, { seed: 5 }), { type }).content);
    const file = await readGguf(fromBytes(damaged));
    const tensor = file.tensors.get('blk.0.attn_k.weight');
    damaged[(tensor?.offset ?? 0) + 1] = 0x7c;
    const bundle = bundleCheckpoint(await ggufCheckpoint(file), { name: 'model', format: 'GGUF' });
    await expectBitloomError(() => bundle.sections.read('layers.0.k.weight.scales'), 'ggml-scale-not-finite');
  });
});

describe('what is no group integers', () => {
  it.each(['f32', 'f16', 'q4_1', 'q5_0', 'iq4_nl', 'mxfp4'])('%s has no stored codes', async (type) => {
    expect((await opened(type)).open.stored).toBeUndefined();
  });

  it('a stretch of a tensor has codes where it begins at a block, and a vector has none', () => {
    const encoding = ggmlEncoding('q8_0');
    const source = fromBytes(Uint8Array.from({ length: 34 * 12 }, (_, i) => i % 90));
    const tensor = { name: 't', shape: [6, 64], encoding, source, offset: 0, byteLength: 34 * 12 };
    const buffer = new ReadBuffer();
    expect(storedCodes(tensor, [2, 33], 0, buffer)).toBeUndefined();
    expect(storedCodes(tensor, [2, 64], 33, buffer)).toBeUndefined();
    expect(storedCodes(tensor, [128], 0, buffer)).toBeUndefined();
    const whole = storedCodes(tensor, [6, 64], 0, buffer)?.components;
    const part = storedCodes(tensor, [2, 64], 128, buffer)?.components;
    expect(part?.codes.read(0, 128)).toEqual(whole?.codes.read(128, 128));
    expect(part?.scales.read(0, 8)).toEqual(whole?.scales.read(8, 8));
  });
});
