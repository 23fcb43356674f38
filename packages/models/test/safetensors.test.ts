import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryFolder } from '../src/bytes/folder.js';
import { fromBytes } from '../src/bytes/memory-source.js';
import { openFile, openFolder } from '../src/node/file-source.js';
import { readSafetensors } from '../src/safetensors/reader.js';
import { openSafetensorsFolder } from '../src/safetensors/sharded.js';
import { f32Entry, writeSafetensors } from '../src/safetensors/writer.js';
import { readFloats, readFloatsAsync, type StoredTensor } from '../src/tensors/tensor-file.js';
import {
  damage,
  damageArbitrary,
  dataPath,
  expectBitloomError,
  hasData,
  toleratesOrRejects,
} from './support.js';

/** A file from a header text and data bytes. */
function file(header: string | Uint8Array, data = new Uint8Array(0), length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const out = new Uint8Array(8 + text.byteLength + data.byteLength);
  new DataView(out.buffer).setBigUint64(0, length ?? BigInt(text.byteLength), true);
  out.set(text, 8);
  out.set(data, 8 + text.byteLength);
  return out;
}

const read = (bytes: Uint8Array): Promise<unknown> => readSafetensors(fromBytes(bytes, 'test.safetensors'));

function tensor(tensors: ReadonlyMap<string, StoredTensor>, name: string): StoredTensor {
  const found = tensors.get(name);
  if (found === undefined) throw new Error(`no tensor ${name}`);
  return found;
}

describe('safetensors', () => {
  it('reads back what it writes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          fc.record({
            name: fc.string({ minLength: 1 }).filter((name) => name !== '__metadata__'),
            rows: fc.nat({ max: 4 }),
            values: fc.array(fc.float({ noNaN: true }), { maxLength: 5 }),
          }),
          { selector: (entry) => entry.name, maxLength: 5 },
        ),
        async (entries) => {
          const bytes = writeSafetensors(
            entries.map(({ name, rows, values }) =>
              f32Entry(name, [rows, values.length], Float32Array.from(Array(rows).fill(values).flat())),
            ),
            { format: 'pt' },
          );
          const read = await readSafetensors(fromBytes(bytes));
          expect(read.metadata.get('format')).toBe('pt');
          expect([...read.tensors.keys()].sort()).toEqual(entries.map((entry) => entry.name).sort());
          for (const { name, rows, values } of entries) {
            const stored = tensor(read.tensors, name);
            expect(stored.shape).toEqual([rows, values.length]);
            expect(Array.from(readFloats(stored))).toEqual(
              Array.from(Float32Array.from(Array(rows).fill(values).flat())),
            );
          }
        },
      ),
    );
  });

  it('reads halves from a Buffer at an odd address', async () => {
    const data = Uint8Array.of(0, 0x3c, 0, 0xc0);
    const bytes = writeSafetensors([{ name: 'x', dtype: 'F16', shape: [2], data }]);
    const pool = Buffer.alloc(bytes.length + 9);
    pool.set(bytes, 5);
    const { tensors } = await readSafetensors(fromBytes(pool.subarray(5, 5 + bytes.length)));
    expect(Array.from(readFloats(tensor(tensors, 'x')))).toEqual([1, -2]);
    expect(Array.from(readFloats(tensor(tensors, 'x'), 1, 1))).toEqual([-2]);
  });

  it('reads a range of a tensor, without waiting or with', async () => {
    const values = Float32Array.from({ length: 100 }, (_, i) => i / 3);
    const { tensors } = await readSafetensors(fromBytes(writeSafetensors([f32Entry('x', [10, 10], values)])));
    const x = tensor(tensors, 'x');
    expect(readFloats(x, 13, 20)).toEqual(values.slice(13, 33));
    expect(await readFloatsAsync(x, 99, 1)).toEqual(values.slice(99));
    await expectBitloomError(() => readFloats(x, 99, 2), 'tensor-range-outside');
    await expectBitloomError(() => readFloats(x, -1, 2), 'tensor-range-outside');
  });

  it.each([
    ['truncated length', Uint8Array.of(1, 2, 3), 'safetensors-truncated'],
    ['header length 2^63', file('{}', undefined, 2n ** 63n), 'safetensors-header-too-long'],
    ['header length 2^64 - 1', file('{}', undefined, 2n ** 64n - 1n), 'safetensors-header-too-long'],
    ['header longer than the file', file('{}', undefined, 3n), 'safetensors-header-too-long'],
    ['empty header', file(''), 'safetensors-header-invalid'],
    ['header not an object', file('[1]'), 'safetensors-header-invalid'],
    ['leading space', file(' {}'), 'safetensors-header-invalid'],
    ['header not JSON', file('{"a"'), 'json-invalid'],
    ['header not UTF-8', file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)), 'json-not-utf8'],
    [
      'duplicate tensor',
      file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{}}'),
      'json-duplicate-key',
    ],
    ['metadata not strings', file('{"__metadata__":{"a":1}}'), 'safetensors-tensor-invalid'],
    ['entry not an object', file('{"a":1}'), 'safetensors-tensor-invalid'],
    [
      'unknown dtype',
      file('{"a":{"dtype":"F7","shape":[],"data_offsets":[0,0]}}'),
      'safetensors-tensor-invalid',
    ],
    ['no shape', file('{"a":{"dtype":"U8","data_offsets":[0,0]}}'), 'safetensors-tensor-invalid'],
    [
      'negative size',
      file('{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}', Uint8Array.of(1)),
      'safetensors-tensor-invalid',
    ],
    [
      'fractional size',
      file('{"a":{"dtype":"U8","shape":[0.5],"data_offsets":[0,0]}}'),
      'safetensors-tensor-invalid',
    ],
    [
      'shape that overflows',
      file('{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}', new Uint8Array(4)),
      'safetensors-tensor-invalid',
    ],
    [
      'size against type',
      file('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', new Uint8Array(4)),
      'safetensors-tensor-invalid',
    ],
    [
      'offsets reversed',
      file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[1,0]}}'),
      'safetensors-tensor-invalid',
    ],
    [
      'outside the file',
      file('{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}', new Uint8Array(8)),
      'safetensors-tensor-outside',
    ],
    [
      'overlap',
      file(
        '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}',
        new Uint8Array(6),
      ),
      'safetensors-overlap',
    ],
    [
      'same bytes twice',
      file(
        '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
        new Uint8Array(4),
      ),
      'safetensors-overlap',
    ],
    [
      'hole',
      file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', new Uint8Array(2)),
      'safetensors-hole',
    ],
    [
      'rest',
      file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', new Uint8Array(2)),
      'safetensors-hole',
    ],
  ])('refuses %s', async (_, bytes, code) => {
    const error = await expectBitloomError(() => read(bytes), code);
    expect(error.message).toContain('test.safetensors');
  });

  it('takes prototype keys as tensor names and nothing more', async () => {
    const bytes = file('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', new Uint8Array(1));
    const { tensors } = await readSafetensors(fromBytes(bytes));
    expect([...tensors.keys()]).toEqual(['__proto__']);
    expect('dtype' in {}).toBe(false);
  });

  it('names the type it cannot read', async () => {
    const bytes = file('{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}', new Uint8Array(8));
    const { tensors } = await readSafetensors(fromBytes(bytes));
    const error = await expectBitloomError(
      () => readFloats(tensor(tensors, 'a')),
      'tensor-encoding-unsupported',
    );
    expect(error.got).toBe('I64');
  });

  it('refuses to write what it would refuse to read', async () => {
    const entry = f32Entry('a', [2], new Float32Array(1));
    await expectBitloomError(() => writeSafetensors([entry]), 'safetensors-tensor-invalid');
    const good = f32Entry('a', [1], new Float32Array(1));
    await expectBitloomError(() => writeSafetensors([good, good]), 'safetensors-tensor-invalid');
  });

  it('throws only typed errors on damaged files', async () => {
    const whole = writeSafetensors(
      [
        f32Entry('model.a', [3, 4], new Float32Array(12).fill(1)),
        f32Entry('model.b', [5], new Float32Array(5)),
      ],
      { format: 'pt' },
    );
    await fc.assert(
      fc.asyncProperty(damageArbitrary(whole.length), (how) =>
        toleratesOrRejects(async () => {
          const { tensors } = await readSafetensors(fromBytes(damage(whole, how)));
          for (const stored of tensors.values()) readFloats(stored);
        }),
      ),
      { numRuns: 500 },
    );
  });
});

describe('sharded safetensors', () => {
  const shard = (name: string): Uint8Array => writeSafetensors([f32Entry(name, [1], Float32Array.of(1))]);
  const index = (map: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify({ weight_map: map }));
  const open = (files: Record<string, Uint8Array>): Promise<unknown> =>
    openSafetensorsFolder(memoryFolder(files));
  const INDEX = 'model.safetensors.index.json';

  it('joins the shards of an index', async () => {
    const folder = memoryFolder({
      [INDEX]: index({ a: '1.safetensors', b: '2.safetensors' }),
      '1.safetensors': shard('a'),
      '2.safetensors': shard('b'),
    });
    const { tensors } = await openSafetensorsFolder(folder);
    expect([...tensors.keys()].sort()).toEqual(['a', 'b']);
  });

  it('refuses names that leave the folder, and shards that differ from the index', async () => {
    for (const name of ['../1.safetensors', '/1.safetensors', 'x/1.safetensors', '..\\1.safetensors', '']) {
      await expectBitloomError(() => open({ [INDEX]: index({ a: name }) }), 'file-name-unsafe');
    }
    await expectBitloomError(() => open({ [INDEX]: index({ a: 'x' }) }), 'file-not-found');
    await expectBitloomError(() => open({ [INDEX]: index({ a: 1 }) }), 'safetensors-index-invalid');
    await expectBitloomError(() => open({ [INDEX]: index([]) }), 'safetensors-index-invalid');
    await expectBitloomError(() => open({}), 'file-not-found');
    const one = { '1.safetensors': shard('a') };
    await expectBitloomError(
      () => open({ ...one, [INDEX]: index({ b: '1.safetensors' }) }),
      'safetensors-index-mismatch',
    );
    const both = index({ a: '1.safetensors', b: '1.safetensors' });
    await expectBitloomError(() => open({ ...one, [INDEX]: both }), 'safetensors-index-mismatch');
    const two = writeSafetensors([
      f32Entry('a', [0], new Float32Array(0)),
      f32Entry('b', [0], new Float32Array(0)),
    ]);
    await expectBitloomError(
      () => open({ '1.safetensors': two, [INDEX]: index({ a: '1.safetensors' }) }),
      'safetensors-index-mismatch',
    );
  });
});

describe.skipIf(!hasData)('real safetensors files', () => {
  it('reads a published file', async () => {
    const source = openFile(dataPath('silero-vad/silero_vad_16k.safetensors'));
    const { tensors } = await readSafetensors(source);
    const total = [...tensors.values()].reduce((sum, stored) => sum + stored.byteLength, 0);
    expect(tensors.size).toBeGreaterThan(10);
    expect(total).toBeGreaterThan(1_200_000);
    for (const stored of tensors.values()) expect(readFloats(stored).every(Number.isFinite)).toBe(true);
    source.close();
  });

  it('reads bfloat16 values exactly', async () => {
    const path = dataPath('witness-models/llama-tied-rope-scaled/model.safetensors');
    const bytes = readFileSync(path);
    const source = openFile(path);
    const { tensors } = await readSafetensors(source);
    const norm = tensor(tensors, 'model.norm.weight');
    const values = readFloats(norm);
    expect(norm.encoding.name).toBe('BF16');
    const bits = new Uint32Array(values.buffer);
    for (let i = 0; i < values.length; i++)
      expect(bits[i]).toBe((bytes.readUInt16LE(norm.offset + 2 * i) << 16) >>> 0);
    source.close();
  });

  it('reads a checkpoint of three shards', async () => {
    const file = await openSafetensorsFolder(openFolder(dataPath('witness-models/qwen2-bias')));
    expect(new Set([...file.tensors.values()].map((stored) => stored.source.name)).size).toBe(3);
    expect(tensor(file.tensors, 'model.layers.0.self_attn.q_proj.bias').shape).toEqual([96]);
    file.close();
  });
});
