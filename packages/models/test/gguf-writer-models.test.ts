/** Models as GGUF files: what is read back is the model, its values exactly those the blocks decode to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeGgmlBlocks } from '@bitloom/formats';
import { memorySections, type SectionSource } from '@bitloom/ir';
import { writeModel } from '@bitloom/ir/node';
import type { RopeScaling } from '@bitloom/kernels';
import { afterAll, describe, expect, it } from 'vitest';
import { bundleCheckpoint, type OpenModel } from '../src/bundle.js';
import { fromBytes } from '../src/bytes/memory-source.js';
import type { DecoderConfig } from '../src/decoder/decoder-config.js';
import { decoderParameters } from '../src/decoder/parameters.js';
import { recoverDecoderConfig } from '../src/decoder/recover-config.js';
import { halvesFirst, pairsFirst } from '../src/decoder/rotary-order.js';
import type { ExportSource } from '../src/families/export-source.js';
import { ggufCheckpoint } from '../src/families/gguf.js';
import { exportGguf } from '../src/families/gguf-export.js';
import { readGguf } from '../src/gguf/reader.js';
import { fittingType, GGUF_STORAGE_TYPES, ggufStorageType } from '../src/gguf/storage-types.js';
import { encodeGguf } from '../src/gguf/writer.js';
import { openModel } from '../src/node/open-model.js';
import { writeGguf } from '../src/node/write-gguf.js';
import { randomDecoder } from '../src/random/random-decoder.js';
import { readFloats } from '../src/tensors/tensor-file.js';
import { readGgufTokenizer } from '../src/tokenizers/gguf-tokenizer.js';
import { type SentencePieceRecord, TOKEN_TYPE } from '../src/tokenizers/tokenizer.js';
import { zooModel } from '../src/zoo/zoo.js';
import { dataPath, expectBitloomError, hasData } from './support.js';

/** Row lengths 256, 512 and 256: whole blocks of every type. */
const WIDE: DecoderConfig = {
  family: 'llama',
  vocabSize: 40,
  layers: 1,
  width: 256,
  heads: 16,
  kvHeads: 1,
  headDim: 16,
  hiddenWidth: 512,
  norm: { kind: 'rms', epsilon: 1e-5 },
  positions: { kind: 'rope', theta: 10000, layout: 'half', scaling: { kind: 'none' } },
  biases: { qkv: false, output: false, feedForward: false },
  feedForward: { gated: true, activation: 'silu' },
  tiedEmbeddings: false,
  maxPositions: 96,
};
/** Rows that few blocks divide; heads that together are not the width. */
const NARROW: DecoderConfig = {
  ...WIDE,
  layers: 2,
  width: 48,
  heads: 6,
  kvHeads: 3,
  headDim: 10,
  hiddenWidth: 76,
  tiedEmbeddings: true,
};
const ROPE: readonly RopeScaling[] = [
  { kind: 'none' },
  { kind: 'linear', factor: 4 },
  { kind: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 64 },
  { kind: 'factors', factors: [1, 1, 1.25, 2, 3] },
];

const PIECES = ['<unk>', '<s>', '</s>', ...'abcdefghijklmnopqrstuvwxyz', ' ', ' a', ' th', '<0x0A>'];
const LLAMA2C: SentencePieceRecord = {
  kind: 'sentencepiece-bpe',
  pieces: PIECES,
  scores: PIECES.map((_, id) => -1 - id / 4),
  types: PIECES.map((piece, id) => {
    if (id === 0) return TOKEN_TYPE.unknown;
    if (id < 3) return TOKEN_TYPE.control;
    return piece.startsWith('<0x') ? TOKEN_TYPE.byte : TOKEN_TYPE.normal;
  }),
  space: ' ',
  addSpacePrefix: true,
  bosId: 1,
  eosIds: [1, 2],
  unknownId: 0,
  addBos: true,
};

const random = (config: DecoderConfig, text?: object): ExportSource => ({
  ...randomDecoder(config, {
    seed: 3,
    name: 'random',
    ...(text === undefined ? {} : { text: { tokenizer: { ...text }, eosIds: [] } }),
  }),
  config,
});

async function readBack(source: ExportSource, type: string): Promise<OpenModel> {
  const bytes = encodeGguf(exportGguf(source, { type }).content);
  const file = await readGguf(fromBytes(bytes, 'exported.gguf'));
  const record = readGgufTokenizer(file.metadata);
  return bundleCheckpoint(await ggufCheckpoint(file), {
    name: 'exported',
    format: 'GGUF',
    ...(record === undefined ? {} : { tokenizer: record }),
  });
}

const floatsOf = (sections: SectionSource, name: string): Float32Array => {
  const bytes = new Uint8Array(sections.read(name));
  return new Float32Array(bytes.buffer);
};

/** Bit for bit, and without a list of differences, which takes seconds for a matrix. */
function expectSame(got: Float32Array, wanted: Float32Array, what: string): void {
  expect(got.length, what).toBe(wanted.length);
  const bits = (values: Float32Array): Uint32Array =>
    new Uint32Array(values.buffer, values.byteOffset, values.length);
  const [a, b] = [bits(got), bits(wanted)];
  const at = a.findIndex((word, i) => word !== b[i]);
  expect(at === -1 ? 'equal' : `element ${at}: ${got[at]} instead of ${wanted[at]}`, what).toBe('equal');
}

describe('export to GGUF', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'bitloom-gguf-models-'));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it('reads back what the blocks decode to, in every type', async () => {
    const wide = random(WIDE);
    expect(GGUF_STORAGE_TYPES).toEqual(
      expect.arrayContaining(['F32', 'F16', 'BF16', 'Q8_0', 'Q4_K', 'NVFP4']),
    );
    const names = [
      'token_embd.weight',
      'blk.0.attn_k.weight',
      'blk.0.attn_v.weight',
      'blk.0.ffn_norm.weight',
    ];
    const parameters = ['embedding', 'layers.0.k', 'layers.0.v', 'layers.0.ffn_norm'];
    for (const type of GGUF_STORAGE_TYPES) {
      const { content } = exportGguf(wide, { type: type.toLowerCase() });
      // The small tensors of the file: some encoders take their time.
      const tensors = content.tensors.filter(({ name }) => names.includes(name));
      const file = await readGguf(fromBytes(encodeGguf({ ...content, tensors })));
      expect([...file.tensors.keys()].sort()).toEqual([...names].sort());
      const storage = ggufStorageType(type);
      for (const [i, name] of names.entries()) {
        const values = floatsOf(wide.sections, `${parameters[i]}.weight`);
        const ordered = name.includes('attn_k') ? pairsFirst(values, WIDE.headDim, WIDE.width) : values;
        const expected = new Float32Array(ordered.length);
        if (name.includes('norm')) expected.set(ordered);
        else if (storage.block !== undefined)
          decodeGgmlBlocks(storage.block, storage.encode(ordered), expected);
        else storage.encoding.decode?.(storage.encode(ordered), expected);
        const stored = file.tensors.get(name);
        if (stored === undefined) throw new Error(`no tensor ${name}`);
        expect(stored.encoding.name).toBe(name.includes('norm') ? 'F32' : type);
        expectSame(readFloats(stored), expected, `${type} ${name}`);
      }
    }
  });

  it('is read as the same model, whatever the type', async () => {
    const wide = random(WIDE);
    for (const type of ['bf16', 'q8_0', 'TQ2_0']) {
      const back = await readBack(wide, type);
      expect(back.config).toEqual({ ...WIDE, positions: { ...WIDE.positions, layout: 'interleaved' } });
      const { block, encode } = ggufStorageType(type);
      const down = floatsOf(wide.sections, 'layers.0.down.weight');
      if (block === undefined) continue;
      const expected = new Float32Array(down.length);
      decodeGgmlBlocks(block, encode(down), expected);
      expectSame(floatsOf(back.sections, 'layers.0.down.weight'), expected, type);
    }
  });

  it('keeps configurations, scalings and orders of rows', async () => {
    for (const scaling of ROPE) {
      for (const layout of ['half', 'interleaved'] as const) {
        const config: DecoderConfig = { ...NARROW, positions: { kind: 'rope', theta: 5e5, layout, scaling } };
        const source = random(config);
        const back = await readBack(source, 'f32');
        const { positions, ...rest } = back.config ?? NARROW;
        expect({ ...rest, positions: undefined }).toEqual({ ...config, positions: undefined });
        expect(positions).toMatchObject({ kind: 'rope', theta: 5e5, layout: 'interleaved' });
        expectSame(floatsOf(back.sections, 'rope'), floatsOf(source.sections, 'rope'), 'rope');
        const turn = (values: Float32Array, columns: number): Float32Array =>
          layout === 'half' ? halvesFirst(values, config.headDim, columns) : values;
        for (const { name, shape } of decoderParameters(config)) {
          const values = floatsOf(back.sections, name);
          const ordered = /\.[qk]\.weight$/.test(name) ? turn(values, shape[1]) : values;
          expectSame(ordered, floatsOf(source.sections, name), name);
        }
      }
    }
  });

  it('writes Qwen2 as itself and biased Llamas with their biases turned', async () => {
    const biases = { qkv: true, output: false, feedForward: false };
    const qwen = random({ ...NARROW, family: 'qwen2', biases });
    const back = await readBack(qwen, 'f32');
    expect(back.config).toEqual(qwen.config);
    expect(floatsOf(back.sections, 'layers.1.k.bias')).toEqual(floatsOf(qwen.sections, 'layers.1.k.bias'));
    const qwen3 = random({ ...NARROW, family: 'qwen3', headNorms: true });
    const third = await readBack(qwen3, 'f32');
    expect(third.config).toEqual(qwen3.config);
    expect(floatsOf(third.sections, 'layers.1.k_norm.weight')).toEqual(
      floatsOf(qwen3.sections, 'layers.1.k_norm.weight'),
    );
    const llama = random({ ...NARROW, biases: { ...biases, output: true } });
    const turned = await readBack(llama, 'bf16');
    expect(turned.config?.family).toBe('llama');
    expect(floatsOf(turned.sections, 'layers.1.k.bias')).toEqual(
      pairsFirst(floatsOf(llama.sections, 'layers.1.k.bias'), NARROW.headDim, 1),
    );
  });

  it('refuses what no architecture has, and never writes it as another', async () => {
    const mistral = random({ ...NARROW, family: 'mistral' });
    expect((await readBack(mistral, 'f32')).config?.family).toBe('llama');
    const variants: Partial<DecoderConfig>[] = [
      { windows: [3, 3] },
      { scoreScales: [0.5, 0.5] },
      { embeddingWidth: 12 },
      { norm: { ...NARROW.norm, place: 'after' } },
      { norm: { ...NARROW.norm, final: false } },
      { headNorms: true, biases: { qkv: true, output: false, feedForward: false } },
    ];
    for (const variant of variants) {
      const source = random({ ...NARROW, family: 'mistral', ...variant });
      await expectBitloomError(() => exportGguf(source, { type: 'f32' }), 'export-unsupported');
      // What the graph holds is found again, so that an artefact is refused as its checkpoint is.
      const { config: _, ...artefact } = source;
      const found = recoverDecoderConfig(artefact.model, artefact.sections);
      expect(found).toMatchObject(variant);
    }
  });

  it('falls back where rows are no whole blocks, and says so', () => {
    const stored = (type: string, rowLength: number): string =>
      fittingType(ggufStorageType(type), rowLength).name;
    const table = ['q4_k', 'q5_k', 'q6_k', 'q2_k', 'q3_k', 'iq4_xs', 'tq1_0', 'nvfp4', 'q8_0', 'f16'].map(
      (type) => [type, stored(type, 512), stored(type, 96), stored(type, 172)],
    );
    expect(table).toEqual([
      ['q4_k', 'Q4_K', 'Q5_0', 'F16'],
      ['q5_k', 'Q5_K', 'Q5_1', 'F16'],
      ['q6_k', 'Q6_K', 'Q8_0', 'F16'],
      ['q2_k', 'Q2_K', 'IQ4_NL', 'F16'],
      ['q3_k', 'Q3_K', 'IQ4_NL', 'F16'],
      ['iq4_xs', 'IQ4_XS', 'IQ4_NL', 'F16'],
      ['tq1_0', 'TQ1_0', 'Q4_0', 'F16'],
      ['nvfp4', 'NVFP4', 'MXFP4', 'F16'],
      ['q8_0', 'Q8_0', 'Q8_0', 'F16'],
      ['f16', 'F16', 'F16', 'F16'],
    ]);
    const { tensors, notes } = exportGguf(random({ ...NARROW, width: 96 }), { type: 'Q4_K' });
    const types = new Map(tensors.map(({ name, type, isFallback }) => [name, `${type} ${isFallback}`]));
    expect(types.get('token_embd.weight')).toBe('Q5_0 true');
    expect(types.get('blk.1.ffn_down.weight')).toBe('F16 true');
    expect(types.get('blk.1.attn_norm.weight')).toBe('F32 false');
    expect(notes).toContain(
      "tensor 'blk.1.ffn_down.weight': rows of 76 are no whole blocks of 256, F16 instead of Q4_K",
    );
  });

  it('keeps the tokenizer of llama2.c, with the space of SentencePiece', async () => {
    const back = await readBack(random(NARROW, LLAMA2C), 'f32');
    const record = back.tokenizer?.toJSON();
    if (record?.kind !== 'sentencepiece-bpe') throw new Error('a SentencePiece tokenizer');
    const { pieces, scores, types, eosIds, ...rest } = record;
    expect(rest).toEqual({
      kind: 'sentencepiece-bpe',
      space: '\u2581',
      addSpacePrefix: true,
      bosId: 1,
      unknownId: 0,
      addBos: true,
    });
    expect(eosIds).toEqual([2, 1]);
    expect(pieces.slice(0, PIECES.length)).toEqual(PIECES.map((piece) => piece.replaceAll(' ', '\u2581')));
    expect(scores.slice(0, PIECES.length)).toEqual(LLAMA2C.scores);
    // The embedding has 40 rows and the vocabulary fewer.
    expect(pieces.length).toBe(NARROW.vocabSize);
    expect(types.slice(PIECES.length).every((type) => type === TOKEN_TYPE.unused)).toBe(true);
    expect(back.tokenizer?.encode('the cat\n[PAD0]')).toEqual(
      (await readBack(random({ ...NARROW, vocabSize: PIECES.length }, LLAMA2C), 'f32')).tokenizer?.encode(
        'the cat\n[PAD0]',
      ),
    );
  });

  it('writes a model without a tokenizer, and a chat template', async () => {
    const none = await readBack(random(NARROW), 'f32');
    expect(none.tokenizer).toBeUndefined();
    const source = random(NARROW, LLAMA2C);
    const text = { ...source.model.text, eosIds: [], chatTemplate: '{{ messages }}' };
    const { content } = exportGguf(
      { ...source, model: { ...source.model, text } },
      { type: 'f16', name: 'other' },
    );
    expect(content.metadata.get('tokenizer.chat_template')?.data).toBe('{{ messages }}');
    expect(content.metadata.get('general.name')?.data).toBe('other');
  });

  it('exports an artefact as it does the checkpoint', async () => {
    for (const [i, scaling] of ROPE.entries()) {
      for (const layout of ['half', 'interleaved'] as const) {
        const config: DecoderConfig = { ...NARROW, positions: { kind: 'rope', theta: 5e5, layout, scaling } };
        const source = random(config, { ...LLAMA2C, space: '\u2581' });
        const path = join(scratch, `${i}-${layout}.model`);
        writeModel(path, source);
        const artefact = await openModel(path);
        expect(artefact.config).toBeUndefined();
        const recovered = recoverDecoderConfig(artefact.model, artefact.sections);
        if (scaling.kind !== 'factors') expect(recovered).toEqual(config);
        const [ours, theirs] = [artefact, source].map((model) => exportGguf(model, { type: 'q8_0' }));
        if (scaling.kind !== 'factors')
          expect(Buffer.compare(encodeGguf(ours.content), encodeGguf(theirs.content))).toBe(0);
        const out = join(scratch, `${i}-${layout}.gguf`);
        await writeGguf(out, ours.content);
        const back = await openModel(out);
        expectSame(floatsOf(back.sections, 'rope'), floatsOf(source.sections, 'rope'), 'rope');
        back.close();
        artefact.close();
      }
    }
  });

  it('recovers learned positions too, and refuses what it cannot prove', async () => {
    const opt: DecoderConfig = {
      ...NARROW,
      family: 'opt',
      kvHeads: 6,
      norm: { kind: 'layer', epsilon: 1e-5 },
      positions: { kind: 'learned', offset: 2 },
      biases: { qkv: true, output: true, feedForward: true },
      feedForward: { gated: false, activation: 'relu' },
    };
    const { model, sections } = random(opt);
    expect(recoverDecoderConfig(model, sections)).toEqual(opt);
    await expectBitloomError(() => exportGguf({ model, sections }, { type: 'f16' }), 'export-unsupported');
    const llama = random(NARROW);
    const recover = (change: (name: string) => string): unknown => {
      const functions = llama.model.functions.map((fn) => ({
        ...fn,
        nodes: fn.nodes.map((node) => ({ ...node, op: change(node.op) })),
      }));
      return recoverDecoderConfig({ ...llama.model, functions }, llama.sections);
    };
    expect(recover((op) => op)).toEqual(NARROW);
    await expectBitloomError(
      () => recover((op) => (op === 'rmsNorm' ? 'layerNorm' : op)),
      'export-unsupported',
    );
    await expectBitloomError(() => recover((op) => (op === 'silu' ? 'tanh' : op)), 'export-unsupported');
    const noise = { ...llama.sections, read: () => new Uint8Array(4 * NARROW.headDim).fill(65) };
    await expectBitloomError(() => recoverDecoderConfig(llama.model, noise), 'export-unsupported');
  });

  it('refuses shapes without weights, unknown types and values with no place', async () => {
    const shapes = { model: zooModel('tinyllama-1.1b', 64), sections: memorySections({}) };
    await expectBitloomError(() => exportGguf(shapes, { type: 'f16' }), 'export-unsupported');
    await expectBitloomError(() => exportGguf(random(NARROW), { type: 'q8_K' }), 'export-type-unknown');
    await expectBitloomError(
      () => exportGguf(random(NARROW), { type: 'constructor' }),
      'export-type-unknown',
    );
    const source = random(WIDE);
    const withValue = (value: number): ExportSource => ({
      ...source,
      sections: {
        ...source.sections,
        read: (name, offset, length) => {
          const bytes = source.sections.read(name, offset, length);
          if (name !== 'layers.0.up.weight') return bytes;
          const changed = new Uint8Array(bytes);
          new DataView(changed.buffer).setFloat32(400, value, true);
          return changed;
        },
      },
    });
    const large = await expectBitloomError(
      () => encodeGguf(exportGguf(withValue(1e5), { type: 'f16' }).content),
      'export-value-outside',
    );
    expect(large.where).toBe("tensor 'blk.0.ffn_up.weight' from element 0, element 100");
    await expectBitloomError(
      () => encodeGguf(exportGguf(withValue(Number.NaN), { type: 'q8_0' }).content),
      'quantize-not-finite',
    );
    await expectBitloomError(
      () => encodeGguf(exportGguf(withValue(1e8), { type: 'q4_0' }).content),
      'quantize-scale-overflow',
    );
  });
});

describe.skipIf(!hasData)('export of real checkpoints', () => {
  it('gives stories260K the tensors, text and tokens of its published GGUF', async () => {
    const source = await openModel(dataPath('stories260K', 'stories260K.bin'));
    const published = await openModel(dataPath('stories260K', 'stories260K-f32.gguf'));
    const back = await readBack(source, 'f32');
    expect(back.config).toEqual(published.config);
    for (const { name } of decoderParameters(source.config ?? NARROW)) {
      expectSame(floatsOf(back.sections, name), floatsOf(published.sections, name), name);
    }
    for (const text of ['Once upon a time', ' two  spaces\n', 'Zoë said: “hi”', '']) {
      expect(back.tokenizer?.encode(text)).toEqual(published.tokenizer?.encode(text));
      expect(back.tokenizer?.decode(back.tokenizer.encode(text))).toBe(text);
    }
    expect(new Set(back.tokenizer?.eosIds)).toEqual(new Set(source.tokenizer?.eosIds));
    for (const model of [source, published, back]) model.close();
  });

  it('writes Hugging Face Llamas as gguf-py does', async () => {
    for (const folder of ['llama-gqa-untied', 'llama-tied-rope-scaled']) {
      const source = await openModel(dataPath('witness-models', folder));
      const published = await openModel(dataPath('witness-models', folder, 'model-f32.gguf'));
      const back = await readBack(source, 'f32');
      const { positions, ...config } = back.config ?? NARROW;
      const { positions: wanted, ...rest } = published.config ?? NARROW;
      expect(config).toEqual(rest);
      if (positions.kind !== 'rope' || wanted.kind !== 'rope') throw new Error('rotary positions');
      expect({ ...positions, scaling: 0 }).toEqual({ ...wanted, scaling: 0 });
      for (const { name } of decoderParameters(source.config ?? NARROW)) {
        expectSame(floatsOf(back.sections, name), floatsOf(published.sections, name), name);
      }
      // The same divisors up to rounding: ours give the table of the source exactly.
      expectSame(floatsOf(back.sections, 'rope'), floatsOf(source.sections, 'rope'), 'rope');
      if (positions.scaling.kind === 'factors' && wanted.scaling.kind === 'factors') {
        for (const [i, factor] of Array.from(positions.scaling.factors).entries()) {
          expect(Math.abs(factor / wanted.scaling.factors[i] - 1)).toBeLessThan(3e-7);
        }
      }
      for (const model of [source, published, back]) model.close();
    }
  });
});
