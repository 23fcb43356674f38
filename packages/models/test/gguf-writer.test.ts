/** GGUF bytes: whatever is written is read back, by our reader and by an independent one; nothing unsound is written. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gguf as peerGguf } from '@huggingface/gguf';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { fromBytes } from '../src/bytes/memory-source.js';
import type { GgufValue } from '../src/gguf/metadata.js';
import { readGguf } from '../src/gguf/reader.js';
import { encodeGguf, type GgufContent, type GgufTensorInput, ggufWrites } from '../src/gguf/writer.js';
import { writeGguf } from '../src/node/write-gguf.js';
import { expectBitloomError } from './support.js';

const NUMBERS: readonly GgufValue[] = [
  { type: 'uint8', data: 255 },
  { type: 'int8', data: -128 },
  { type: 'uint16', data: 65535 },
  { type: 'int16', data: -32768 },
  { type: 'uint32', data: 4294967295 },
  { type: 'int32', data: -2147483648 },
  { type: 'float32', data: Math.fround(1e-5) },
  { type: 'float64', data: 1e-300 },
  { type: 'uint64', data: 2n ** 64n - 1n },
  { type: 'int64', data: -(2n ** 63n) },
];

const VALUES: readonly GgufValue[] = [
  ...NUMBERS,
  { type: 'bool', data: true },
  { type: 'string', data: 'grüße \u{1F600}\u0000' },
  { type: 'array', elementType: 'string', data: ['a', '', '\ufeff'] },
  { type: 'array', elementType: 'bool', data: [true, false] },
  { type: 'array', elementType: 'float32', data: Float32Array.of(0.5, -1, Number.POSITIVE_INFINITY) },
  { type: 'array', elementType: 'uint64', data: BigUint64Array.of(7n) },
  { type: 'array', elementType: 'int8', data: Int8Array.of(-1) },
  { type: 'array', elementType: 'int32', data: new Int32Array(0) },
  {
    type: 'array',
    elementType: 'array',
    data: [
      { type: 'array', elementType: 'int16', data: Int16Array.of(-3) },
      { type: 'array', elementType: 'string', data: ['deep'] },
    ],
  },
];

const content = (tensors: readonly GgufTensorInput[], values: readonly GgufValue[] = []): GgufContent => ({
  metadata: new Map(values.map((value, i) => [`key.${i}`, value])),
  tensors,
});

const floats = (name: string, shape: readonly number[], ...pieces: readonly number[]): GgufTensorInput => ({
  name,
  shape,
  type: 'F32',
  chunks: () => pieces.map((length) => new Uint8Array(length)),
});

const refuse = (bad: GgufContent, code: string): Promise<unknown> =>
  expectBitloomError(() => encodeGguf(bad), code);

describe('GGUF writer', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'bitloom-gguf-'));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it('writes every metadata type', async () => {
    const file = await readGguf(fromBytes(encodeGguf(content([], VALUES))));
    expect(file.version).toBe(3);
    expect([...file.metadata.values.values()]).toEqual(VALUES);
  });

  it('writes tensors that tile the data part, in pieces of any size', async () => {
    const bytes = (length: number, first: number): Uint8Array =>
      Uint8Array.from({ length }, (_, i) => first + i);
    const tensors: GgufTensorInput[] = [
      { name: 'a', shape: [3, 2], type: 'F16', chunks: () => [bytes(1, 1), bytes(0, 0), bytes(11, 2)] },
      { name: 'b', shape: [2, 32], type: 'Q8_0', chunks: () => [bytes(68, 100)] },
      { name: 'c', shape: [1, 2, 1, 3], type: 'F32', chunks: () => [bytes(24, 7)] },
    ];
    const file = encodeGguf(content(tensors));
    const { tensors: read } = await readGguf(fromBytes(file));
    const stored = [...read.values()].map(({ name, shape, encoding, offset, byteLength }) => {
      expect(offset % 32).toBe(0);
      return [name, shape, encoding.name, [...file.subarray(offset, offset + byteLength)]];
    });
    expect(stored).toEqual([
      ['a', [3, 2], 'F16', [...bytes(12, 1)]],
      ['b', [2, 32], 'Q8_0', [...bytes(68, 100)]],
      ['c', [1, 2, 1, 3], 'F32', [...bytes(24, 7)]],
    ]);
    // llama.cpp wants the last tensor padded too.
    expect(file.length % 32).toBe(0);
  });

  it('writes what an independent reader reads', async () => {
    const path = join(scratch, 'peer.gguf');
    const values = VALUES.filter(({ elementType }) => elementType !== 'array');
    writeFileSync(path, encodeGguf(content([floats('x', [2, 5], 40), floats('y', [3], 12)], values)));
    const { metadata, tensorInfos } = await peerGguf(path, { allowLocalFile: true });
    const plain = (data: unknown): unknown =>
      ArrayBuffer.isView(data) && !(data instanceof DataView)
        ? Array.from(data as Iterable<unknown> & ArrayBufferView)
        : data;
    // It shows 64-bit integers as bigint and drops a byte order mark at the start of a string.
    const expected = values.map(({ data }) => {
      const value = plain(data);
      return Array.isArray(value) ? value.map((item) => (item === '\ufeff' ? '' : item)) : value;
    });
    const got = new Map(Object.entries(metadata));
    expect(expected.map((_, i) => got.get(`key.${i}`))).toEqual(expected);
    expect(tensorInfos.map(({ name, shape, dtype }) => [name, shape.map(Number), dtype])).toEqual([
      ['x', [5, 2], 0],
      ['y', [3], 0],
    ]);
  });

  it('gives equal bytes for equal contents, and reads back any numbers', async () => {
    const integer = (type: 'uint8' | 'int16' | 'uint32', min: number, max: number): fc.Arbitrary<GgufValue> =>
      fc.integer({ min, max }).map((data): GgufValue => ({ type, data }));
    const value = fc.oneof(
      integer('uint8', 0, 255),
      integer('int16', -32768, 32767),
      integer('uint32', 0, 2 ** 32 - 1),
      fc.float({ noNaN: true }).map((data): GgufValue => ({ type: 'float32', data })),
      fc
        .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
        .map((data): GgufValue => ({ type: 'int64', data })),
      fc.string({ unit: 'grapheme' }).map((data): GgufValue => ({ type: 'string', data })),
      fc
        .array(fc.string({ unit: 'grapheme' }))
        .map((data): GgufValue => ({ type: 'array', elementType: 'string', data })),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({ minLength: 1, unit: 'grapheme' }), value),
        fc.array(fc.tuple(fc.nat(40), fc.nat(40)), { maxLength: 6 }),
        async (pairs, shapes) => {
          const made: GgufContent = {
            metadata: new Map(
              Object.entries(pairs).filter(([key]) => key !== 'split.count' && key !== 'general.alignment'),
            ),
            tensors: shapes.map(([a, b], i) => floats(`t${i}`, [a + 1, b + 1], 4 * (a + 1) * (b + 1))),
          };
          const bytes = encodeGguf(made);
          expect(encodeGguf(made)).toEqual(bytes);
          const file = await readGguf(fromBytes(bytes));
          expect([...file.metadata.values]).toEqual([...made.metadata]);
          expect([...file.tensors.values()].map(({ name, shape }) => [name, shape])).toEqual(
            made.tensors.map(({ name, shape }) => [name, shape]),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('refuses tensors that no file may have', async () => {
    await refuse(content([floats('', [1], 4)]), 'gguf-tensor-invalid');
    await refuse(content([floats('ä'.repeat(32), [1], 4)]), 'gguf-tensor-invalid');
    await refuse(content([floats('a', [1], 4), floats('a', [1], 4)]), 'gguf-tensor-invalid');
    await refuse(content([floats('a', [], 4)]), 'gguf-tensor-invalid');
    await refuse(content([floats('a', [1, 1, 1, 1, 1], 4)]), 'gguf-tensor-invalid');
    await refuse(content([floats('a', [0], 0)]), 'gguf-tensor-invalid');
    await refuse(content([floats('a', [1.5], 6)]), 'gguf-tensor-invalid');
    await refuse(content([floats('a', [2 ** 30, 2 ** 30], 0)]), 'gguf-tensor-invalid');
    await refuse(content([{ ...floats('a', [40], 0), type: 'Q8_0' }]), 'gguf-tensor-invalid');
    await refuse(content([{ ...floats('a', [40], 0), type: 'Q9_9' }]), 'gguf-tensor-type');
  });

  it('refuses bytes that are fewer or more than the shape says', async () => {
    await refuse(content([floats('a', [4], 8, 4)]), 'gguf-tensor-invalid');
    await refuse(content([floats('a', [4], 16, 4)]), 'gguf-tensor-invalid');
    await refuse(content([floats('a', [4])]), 'gguf-tensor-invalid');
  });

  it('refuses values that do not fit their type', async () => {
    const bad: readonly GgufValue[] = [
      { type: 'uint8', data: 256 },
      { type: 'int8', data: -129 },
      { type: 'uint32', data: -1 },
      { type: 'uint32', data: 0.5 },
      { type: 'uint64', data: -1n },
      { type: 'int64', data: 2n ** 63n },
      { type: 'uint64', data: 1 },
      { type: 'string', data: 1 },
      { type: 'bool', data: 1 },
      { type: 'array', data: ['a'] },
      { type: 'array', elementType: 'string', data: 'a' },
      { type: 'array', elementType: 'string', data: [true] },
      { type: 'array', elementType: 'array', data: ['a'] },
    ];
    for (const value of bad) await refuse(content([], [value]), 'gguf-value-type');
    const alignment: GgufValue = { type: 'uint32', data: 64 };
    await refuse({ metadata: new Map([['general.alignment', alignment]]), tensors: [] }, 'gguf-alignment');
  });

  it('never holds more than a piece', () => {
    const piece = 1 << 16;
    function* chunks(): Generator<Uint8Array> {
      for (let i = 0; i < 64; i++) yield new Uint8Array(piece);
    }
    const input: GgufTensorInput = { name: 'big', shape: [16, piece], type: 'F32', chunks };
    const sizes = [...ggufWrites(content([input]))].map(({ bytes }) => bytes.byteLength);
    expect(Math.max(...sizes)).toBe(piece);
    expect(sizes.length).toBe(65);
  });

  it('writes a file whole or not at all', async () => {
    const path = join(scratch, 'whole.gguf');
    writeFileSync(path, 'old');
    const good = content([floats('a', [1 << 10], ...Array<number>(16).fill(256))]);
    const bad = content([floats('a', [4], 8)]);
    await expectBitloomError(() => writeGguf(path, bad), 'gguf-tensor-invalid');
    const controller = new AbortController();
    await expectBitloomError(
      () => writeGguf(path, good, { signal: controller.signal, onProgress: () => controller.abort() }),
      'write-cancelled',
    );
    expect(readFileSync(path, 'utf8')).toBe('old');
    const progress: number[] = [];
    const length = await writeGguf(path, good, { onProgress: (done, total) => progress.push(done / total) });
    expect(readFileSync(path)).toEqual(Buffer.from(encodeGguf(good)));
    expect(length).toBe(readFileSync(path).length);
    expect(progress[progress.length - 1]).toBe(1);
    expect(readdirSync(scratch).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
