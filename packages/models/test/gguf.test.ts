import { readFileSync } from 'node:fs';
import { gguf as peerGguf } from '@huggingface/gguf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBlob } from '../src/bytes/blob-source.js';
import type { ByteSource } from '../src/bytes/byte-source.js';
import { fromBytes } from '../src/bytes/memory-source.js';
import { ggufCheckpoint } from '../src/families/gguf.js';
import { shortestFloat32 } from '../src/gguf/metadata.js';
import { type GgufFile, readGguf } from '../src/gguf/reader.js';
import { GGUF_TENSOR_TYPES } from '../src/gguf/types.js';
import { openFile } from '../src/node/file-source.js';
import { readFloats, readFloatsAsync, type StoredTensor } from '../src/tensors/tensor-file.js';
import { createTokenizer } from '../src/tokenizers/create-tokenizer.js';
import { readGgufTokenizer } from '../src/tokenizers/gguf-tokenizer.js';
import { buildGguf, type GgufSpec, type Value } from './gguf-builder.js';
import {
  damage,
  damageArbitrary,
  dataPath,
  expectBitloomError,
  hasData,
  toleratesOrRejects,
} from './support.js';

const read = (spec: GgufSpec): Promise<GgufFile> => readGguf(fromBytes(buildGguf(spec), 'test.gguf'));

function tensor(file: GgufFile, name: string): StoredTensor {
  const found = file.tensors.get(name);
  if (found === undefined) throw new Error(`no tensor ${name}`);
  return found;
}

const EVERY_TYPE: readonly (readonly [string, Value])[] = [
  ['u8', { type: 'uint8', value: 255 }],
  ['i8', { type: 'int8', value: -128 }],
  ['u16', { type: 'uint16', value: 65535 }],
  ['i16', { type: 'int16', value: -32768 }],
  ['u32', { type: 'uint32', value: 4294967295 }],
  ['i32', { type: 'int32', value: -2147483648 }],
  ['f32', { type: 'float32', value: 1e-5 }],
  ['yes', { type: 'bool', value: 1 }],
  ['text', { type: 'string', value: 'grüße' }],
  ['u64', { type: 'uint64', value: 2n ** 64n - 1n }],
  ['i64', { type: 'int64', value: -(2n ** 63n) }],
  ['f64', { type: 'float64', value: 1e-300 }],
  ['strings', { type: 'array', of: 'string', value: ['a', ''].map((value) => ({ type: 'string', value })) }],
  ['floats', { type: 'array', of: 'float32', value: [0.5, -1].map((value) => ({ type: 'float32', value })) }],
  ['bools', { type: 'array', of: 'bool', value: [1, 0].map((value) => ({ type: 'bool', value })) }],
  ['longs', { type: 'array', of: 'uint64', value: [{ type: 'uint64', value: 7n }] }],
  [
    'nested',
    {
      type: 'array',
      of: 'array',
      value: [{ type: 'array', of: 'int16', value: [{ type: 'int16', value: -3 }] }],
    },
  ],
];

describe('GGUF metadata', () => {
  it('reads every type', async () => {
    const { metadata, version } = await read({ pairs: EVERY_TYPE });
    const data = (key: string): unknown => metadata.values.get(key)?.data;
    expect(version).toBe(3);
    expect(['u8', 'i8', 'u16', 'i16', 'u32', 'i32'].map(data)).toEqual([
      255, -128, 65535, -32768, 4294967295, -2147483648,
    ]);
    expect(data('f32')).toBe(Math.fround(1e-5));
    expect(metadata.float('f32')).toBe(1e-5);
    expect(metadata.optionalBoolean('yes')).toBe(true);
    expect(metadata.string('text')).toBe('grüße');
    expect([data('u64'), data('i64'), data('f64')]).toEqual([2n ** 64n - 1n, -(2n ** 63n), 1e-300]);
    expect(metadata.optionalStrings('strings')).toEqual(['a', '']);
    expect(metadata.optionalFloats('floats')).toEqual([0.5, -1]);
    expect(data('bools')).toEqual([true, false]);
    expect(data('longs')).toEqual(BigUint64Array.of(7n));
    expect(data('nested')).toEqual([{ type: 'array', elementType: 'int16', data: Int16Array.of(-3) }]);
  });

  it('reads a Buffer at an odd address as it reads a plain array', async () => {
    const bytes = buildGguf({ pairs: EVERY_TYPE });
    const pool = Buffer.alloc(bytes.length + 7);
    pool.set(bytes, 3);
    const plain = await readGguf(fromBytes(bytes));
    const odd = await readGguf(fromBytes(pool.subarray(3, 3 + bytes.length)));
    expect([...odd.metadata.values]).toEqual([...plain.metadata.values]);
  });

  it('says which key is missing or of the wrong kind', async () => {
    const { metadata } = await read({ pairs: EVERY_TYPE });
    await expectBitloomError(() => metadata.string('none'), 'gguf-metadata-missing');
    await expectBitloomError(() => metadata.integer('none'), 'gguf-metadata-missing');
    await expectBitloomError(() => metadata.float('none'), 'gguf-metadata-missing');
    await expectBitloomError(() => metadata.string('u8'), 'gguf-metadata-type');
    await expectBitloomError(() => metadata.integer('i8'), 'gguf-metadata-type');
    await expectBitloomError(() => metadata.integer('u64'), 'gguf-metadata-type');
    await expectBitloomError(() => metadata.optionalStrings('floats'), 'gguf-metadata-type');
    await expectBitloomError(() => metadata.optionalFloats('strings'), 'gguf-metadata-type');
    await expectBitloomError(() => metadata.optionalIntegers('floats'), 'gguf-metadata-type');
    await expectBitloomError(() => metadata.optionalBoolean('u8'), 'gguf-metadata-type');
  });

  it('gives float32 the shortest decimal that names it', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const short = shortestFloat32(value);
        expect(Math.fround(short)).toBe(value);
      }),
    );
    expect([1e-5, 1e-6, 1e-12, 10000, 0.1].map((x) => shortestFloat32(Math.fround(x)))).toEqual([
      1e-5, 1e-6, 1e-12, 10000, 0.1,
    ]);
  });
});

const F32_TENSOR = { name: 'a', dims: [4, 2], type: 0, offset: 0 };
const MAX = 2n ** 63n;

describe('GGUF refusals', () => {
  it.each<[string, GgufSpec, string]>([
    ['another magic', { magic: 'GGML' }, 'gguf-magic'],
    ['version 1', { version: 1 }, 'gguf-version'],
    ['version 4', { version: 4 }, 'gguf-version'],
    ['big-endian', { version: 0x03000000 }, 'gguf-version'],
    ['2^63 pairs', { pairCount: MAX }, 'gguf-count'],
    ['2^63 tensors', { tensorCount: MAX }, 'gguf-count'],
    ['2^64 - 1 tensors', { tensorCount: 2n ** 64n - 1n }, 'gguf-count'],
    ['more pairs than there are', { pairCount: 1n }, 'gguf-count'],
    ['a key twice', { pairs: [EVERY_TYPE[0], EVERY_TYPE[0]] }, 'gguf-key-duplicate'],
    [
      'an unknown value type',
      { pairs: [['x', { type: 'array', of: 'nonsense', value: [] }]] },
      'gguf-value-type',
    ],
    ['a boolean of 2', { pairs: [['x', { type: 'bool', value: 2 }]] }, 'gguf-value-type'],
    [
      'bytes that are not UTF-8',
      { pairs: [['x', { type: 'string', value: Uint8Array.of(0xc0) }]] },
      'gguf-string-not-utf8',
    ],
    ['an odd alignment', { pairs: [['general.alignment', { type: 'uint32', value: 24 }]] }, 'gguf-alignment'],
    ['an alignment of 0', { pairs: [['general.alignment', { type: 'uint32', value: 0 }]] }, 'gguf-alignment'],
    [
      'an alignment of another type',
      { pairs: [['general.alignment', { type: 'string', value: '32' }]] },
      'gguf-metadata-type',
    ],
    ['a split model', { pairs: [['split.count', { type: 'uint16', value: 2 }]] }, 'gguf-split'],
    ['an unknown tensor type', { tensors: [{ ...F32_TENSOR, type: 4 }] }, 'gguf-tensor-type'],
    ['5 axes', { tensors: [{ ...F32_TENSOR, dims: [1, 1, 1, 1, 1] }] }, 'gguf-tensor-invalid'],
    ['2^32 axes', { tensors: [{ ...F32_TENSOR, dims: [] }], data: new Uint8Array(0) }, 'gguf-tensor-outside'],
    ['a size of 2^63', { tensors: [{ ...F32_TENSOR, dims: [MAX] }] }, 'gguf-tensor-invalid'],
    ['a size of 0', { tensors: [{ ...F32_TENSOR, dims: [0] }] }, 'gguf-tensor-invalid'],
    [
      'sizes that overflow',
      { tensors: [{ ...F32_TENSOR, dims: [2 ** 40, 2 ** 40] }] },
      'gguf-tensor-invalid',
    ],
    [
      'rows that are no whole blocks',
      { tensors: [{ ...F32_TENSOR, dims: [33], type: 8 }] },
      'gguf-tensor-invalid',
    ],
    ['an offset of 2^63', { tensors: [{ ...F32_TENSOR, offset: MAX }] }, 'gguf-tensor-invalid'],
    [
      'a misaligned offset',
      { tensors: [{ ...F32_TENSOR, offset: 4 }], data: new Uint8Array(64) },
      'gguf-tensor-invalid',
    ],
    ['a tensor outside the file', { tensors: [F32_TENSOR], data: new Uint8Array(31) }, 'gguf-tensor-outside'],
    [
      'a tensor twice',
      { tensors: [F32_TENSOR, { ...F32_TENSOR, offset: 32 }], data: new Uint8Array(64) },
      'gguf-tensor-invalid',
    ],
    [
      'an overlap',
      { tensors: [F32_TENSOR, { ...F32_TENSOR, name: 'b' }], data: new Uint8Array(64) },
      'gguf-overlap',
    ],
    ['a hole', { tensors: [{ ...F32_TENSOR, offset: 64 }], data: new Uint8Array(96) }, 'gguf-hole'],
  ])('%s', async (_, spec, code) => {
    const error = await expectBitloomError(() => read(spec), code);
    expect(error.message).toContain('test.gguf');
  });

  it('array and string lengths of 2^63, and deep arrays', async () => {
    const array = buildGguf({ pairs: [['x', { type: 'array', of: 'uint8', value: [] }]] });
    const view = new DataView(array.buffer);
    view.setBigUint64(array.length - 8, MAX, true);
    await expectBitloomError(() => readGguf(fromBytes(array)), 'gguf-count');
    const text = buildGguf({ pairs: [['x', { type: 'string', value: '' }]] });
    new DataView(text.buffer).setBigUint64(text.length - 8, MAX, true);
    await expectBitloomError(() => readGguf(fromBytes(text)), 'gguf-limit');
    let deep: Value = { type: 'uint8', value: 0 };
    for (let i = 0; i < 6; i++) deep = { type: 'array', of: i === 0 ? 'uint8' : 'array', value: [deep] };
    await expectBitloomError(() => read({ pairs: [['x', deep]] }), 'gguf-limit');
  });

  it('a header beyond the limits', async () => {
    const bytes = buildGguf({ pairs: EVERY_TYPE });
    await expectBitloomError(() => readGguf(fromBytes(bytes), { headerBytes: 100 }), 'gguf-limit');
    await expectBitloomError(() => readGguf(fromBytes(bytes), { stringBytes: 3 }), 'gguf-limit');
    await expectBitloomError(() => readGguf(fromBytes(bytes), { nestedValues: 1 }), 'gguf-limit');
  });

  it('only typed errors on damaged files', async () => {
    const whole = buildGguf({
      pairs: EVERY_TYPE,
      tensors: [F32_TENSOR, { name: 'b', dims: [32], type: 8, offset: 32 }],
      data: new Uint8Array(66),
    });
    await fc.assert(
      fc.asyncProperty(damageArbitrary(whole.length), (how) =>
        toleratesOrRejects(async () => {
          const file = await readGguf(fromBytes(damage(whole, how)));
          for (const stored of file.tensors.values()) readFloats(stored);
        }),
      ),
      { numRuns: 1000 },
    );
  });
});

describe('GGUF tensors', () => {
  it('reads ranges that begin and end inside blocks', async () => {
    const data = Uint8Array.from({ length: 34 * 4 }, (_, i) => (i % 34 === 0 ? 0 : i % 34 === 1 ? 0x3c : i));
    const file = await read({ tensors: [{ name: 'a', dims: [64, 2], type: 8, offset: 0 }], data });
    const whole = readFloats(tensor(file, 'a'));
    expect(tensor(file, 'a').shape).toEqual([2, 64]);
    fc.assert(
      fc.property(fc.nat({ max: 128 }), fc.nat({ max: 128 }), (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        expect(readFloats(tensor(file, 'a'), start, end - start)).toEqual(whole.slice(start, end));
      }),
    );
  });

  it('names the type it cannot read', async () => {
    const file = await read({
      tensors: [{ name: 'a', dims: [256], type: 16, offset: 0 }],
      data: new Uint8Array(66),
    });
    const error = await expectBitloomError(
      () => readFloats(tensor(file, 'a')),
      'tensor-encoding-unsupported',
    );
    expect(error.got).toBe('IQ2_XXS');
    // What it names instead are the types of the table that can be read.
    const readable = [...GGUF_TENSOR_TYPES.values()].filter(({ decode }) => decode !== undefined);
    expect(error.expected?.split(', ').sort()).toEqual(readable.map(({ name }) => name).sort());
  });
});

describe.skipIf(!hasData)('real GGUF files', () => {
  const FILES = [
    'llamacpp-vocab/ggml-vocab-llama-spm.gguf',
    'llamacpp-vocab/ggml-vocab-gpt-2.gguf',
    'stories260K/stories260K-f32.gguf',
    'witness-models/llama-tied-rope-scaled/model-f32.gguf',
  ];

  it.each(FILES)('%s: same metadata and tensors as another reader', async (name) => {
    const path = dataPath(name);
    const file = await readGguf(openFile(path));
    const peer = await peerGguf(path, { allowLocalFile: true });
    const skip = new Set(['version', 'tensor_count', 'kv_count']);
    const peerMetadata = new Map<string, unknown>(Object.entries(peer.metadata));
    const keys = [...peerMetadata.keys()].filter((key) => !skip.has(key));
    expect([...file.metadata.values.keys()]).toEqual(keys);
    for (const key of keys) {
      const mine = file.metadata.values.get(key)?.data;
      const plain: unknown = ArrayBuffer.isView(mine) ? Array.from(mine as Float32Array) : mine;
      // The other reader loses U+FEFF at the start of a string, and with it a token of the Llama vocabulary.
      const shown = Array.isArray(plain)
        ? plain.map((x) => (typeof x === 'string' ? x.replace(/^\ufeff/, '') : x))
        : plain;
      expect(shown, key).toEqual(peerMetadata.get(key));
    }
    expect(
      [...file.tensors.values()].map((t) => ({
        name: t.name,
        shape: [...t.shape].reverse(),
        type: t.encoding.name,
      })),
    ).toEqual(
      peer.tensorInfos.map((t) => ({
        name: t.name,
        shape: t.shape.map(Number),
        type: GGUF_TENSOR_TYPES.get(t.dtype)?.name,
      })),
    );
    file.close();
  });

  it('reads a header by range, not the file', async () => {
    const source = openFile(dataPath('stories260K/stories260K-f32.gguf'));
    let bytes = 0;
    const counting: ByteSource = {
      ...source,
      read: (offset, length) => {
        bytes += length;
        return source.read(offset, length);
      },
    };
    const file = await readGguf(counting);
    expect(bytes).toBeLessThan(source.size / 2);
    bytes = 0;
    await readFloatsAsync(tensor(file, 'output_norm.weight'), 8, 8);
    expect(bytes).toBe(32);
    file.close();
  });

  it('says that a vocabulary is cut short', async () => {
    const whole = readFileSync(dataPath('llamacpp-vocab/ggml-vocab-llama-spm.gguf'));
    for (const size of [24, 2000, 100_000, whole.length - 5]) {
      await expectBitloomError(
        () => readGguf(fromBytes(whole.subarray(0, size))),
        'gguf-truncated',
        'gguf-count',
      );
    }
  });

  it('reads through a Blob', async () => {
    const bytes = readFileSync(dataPath('stories260K/stories260K-f32.gguf'));
    const file = await readGguf(fromBlob(new Blob([bytes])));
    const norm = tensor(file, 'output_norm.weight');
    await expectBitloomError(() => readFloats(norm), 'source-not-synchronous');
    const disk = await readGguf(openFile(dataPath('stories260K/stories260K-f32.gguf')));
    expect(await readFloatsAsync(norm)).toEqual(readFloats(tensor(disk, 'output_norm.weight')));
    disk.close();
  });

  it('decodes the blocks of every format as ggml does', () => {
    const vectors: {
      formats: Record<string, { block_elements: number; blocks: { block: string; dequant_f32le: string }[] }>;
    } = JSON.parse(readFileSync(dataPath('format-vectors/ggml-block-vectors.json'), 'utf8'));
    const encodings = new Map([...GGUF_TENSOR_TYPES.values()].map((encoding) => [encoding.name, encoding]));
    for (const [name, { blocks, block_elements }] of Object.entries(vectors.formats)) {
      const encoding = encodings.get(name.toUpperCase());
      for (const { block, dequant_f32le } of blocks) {
        const out = new Float32Array(block_elements);
        encoding?.decode?.(Uint8Array.from(Buffer.from(block, 'hex')), out);
        expect(Buffer.from(out.buffer).toString('hex'), name).toBe(dequant_f32le);
      }
    }
  });

  it('knows the block sizes ggml has', () => {
    const vectors: { formats: Record<string, { block_elements: number; block_bytes: number }> } = JSON.parse(
      readFileSync(dataPath('format-vectors/ggml-block-vectors.json'), 'utf8'),
    );
    for (const encoding of GGUF_TENSOR_TYPES.values()) {
      const known = vectors.formats[encoding.name.toLowerCase()];
      if (known === undefined) continue;
      expect([encoding.blockElements, encoding.blockBytes], encoding.name).toEqual([
        known.block_elements,
        known.block_bytes,
      ]);
    }
  });

  it('throws only typed errors on a damaged real file, up to model and tokenizer', async () => {
    const whole = readFileSync(dataPath('stories260K/stories260K-f32.gguf'));
    await fc.assert(
      fc.asyncProperty(damageArbitrary(whole.length, 16_000), (how) =>
        toleratesOrRejects(async () => {
          const file = await readGguf(fromBytes(damage(whole, how)));
          const checkpoint = await ggufCheckpoint(file);
          for (const weights of checkpoint.weights(16).values()) weights.read(0, 8);
          createTokenizer(readGgufTokenizer(file.metadata)).encode('Once upon a time');
        }),
      ),
      { numRuns: 300 },
    );
  });
});
