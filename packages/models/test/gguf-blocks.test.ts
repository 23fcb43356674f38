/** Models whose matrices are stored in the block formats of GGML, opened like any other. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeGgmlBlocks, encodeGgmlBlocks, GGML_BLOCK_NAMES, type GgmlBlockName } from '@bitloom/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromBytes } from '../src/bytes/memory-source.js';
import { readGguf } from '../src/gguf/reader.js';
import { GGUF_TENSOR_TYPES } from '../src/gguf/types.js';
import { openModel } from '../src/node.js';
import { readFloats } from '../src/tensors/tensor-file.js';
import { buildGguf, type TensorSpec, type Value } from './gguf-builder.js';

const WIDTH = 256;
const LAYERS = 3;
const VOCABULARY = 4;

const PAIRS: readonly (readonly [string, Value])[] = [
  ['general.architecture', { type: 'string', value: 'llama' }],
  ['llama.block_count', { type: 'uint32', value: LAYERS }],
  ['llama.context_length', { type: 'uint32', value: 8 }],
  ['llama.embedding_length', { type: 'uint32', value: WIDTH }],
  ['llama.feed_forward_length', { type: 'uint32', value: WIDTH }],
  ['llama.attention.head_count', { type: 'uint32', value: 4 }],
  ['llama.attention.head_count_kv', { type: 'uint32', value: 1 }],
  ['llama.attention.layer_norm_rms_epsilon', { type: 'float32', value: 1e-6 }],
];

/** Tensors of the model and their rows; one row is a vector. */
const TENSORS: readonly (readonly [name: string, rows: number])[] = [
  ['token_embd.weight', VOCABULARY],
  ['output.weight', VOCABULARY],
  ['output_norm.weight', 1],
  ...Array.from({ length: LAYERS }, (_, i) => i).flatMap((layer): [string, number][] => [
    [`blk.${layer}.attn_norm.weight`, 1],
    [`blk.${layer}.attn_q.weight`, WIDTH],
    [`blk.${layer}.attn_k.weight`, WIDTH / 4],
    [`blk.${layer}.attn_v.weight`, WIDTH / 4],
    [`blk.${layer}.attn_output.weight`, WIDTH],
    [`blk.${layer}.ffn_norm.weight`, 1],
    [`blk.${layer}.ffn_gate.weight`, WIDTH],
    [`blk.${layer}.ffn_up.weight`, WIDTH],
    [`blk.${layer}.ffn_down.weight`, WIDTH],
  ]),
];

const numberOf = (block: GgmlBlockName): number => {
  for (const [number, { name }] of GGUF_TENSOR_TYPES) if (name === block.toUpperCase()) return number;
  throw new Error(`no number for ${block}`);
};

interface Stored {
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** A GGUF file with vectors in float32 and matrices as `store` says. */
function gguf(store: (matrix: number, values: Float32Array) => Stored): Uint8Array {
  const tensors: TensorSpec[] = [];
  const parts: Uint8Array[] = [];
  let offset = 0;
  let matrices = 0;
  for (const [index, [name, rows]] of TENSORS.entries()) {
    const values = Float32Array.from({ length: rows * WIDTH }, (_, i) => Math.sin(i * (1 + index / 97)));
    const floats = { type: 0, bytes: new Uint8Array(values.buffer) };
    const { type, bytes } = rows === 1 ? floats : store(matrices++, values);
    tensors.push({ name, dims: rows === 1 ? [WIDTH] : [WIDTH, rows], type, offset });
    const padded = new Uint8Array(Math.ceil(bytes.length / 32) * 32);
    padded.set(bytes);
    parts.push(padded);
    offset += padded.length;
  }
  return buildGguf({ pairs: PAIRS, tensors, data: Buffer.concat(parts) });
}

let scratch = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'bitloom-blocks-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

const blockOf = (matrix: number): GgmlBlockName => GGML_BLOCK_NAMES[matrix % GGML_BLOCK_NAMES.length];

describe('GGUF files in block formats', () => {
  it('open as the model of the values they stand for, whatever the format of each matrix', async () => {
    const decoded: Float32Array[] = [];
    const blocks = gguf((matrix, values) => {
      const bytes = encodeGgmlBlocks(blockOf(matrix), values);
      decoded.push(new Float32Array(decodeGgmlBlocks(blockOf(matrix), bytes)));
      return { type: numberOf(blockOf(matrix)), bytes };
    });
    expect(decoded.length).toBeGreaterThanOrEqual(GGML_BLOCK_NAMES.length);
    // The same file in float32, of the values the blocks decode to.
    const floats = gguf((matrix) => ({ type: 0, bytes: new Uint8Array(decoded[matrix].buffer) }));
    writeFileSync(join(scratch, 'blocks.gguf'), blocks);
    writeFileSync(join(scratch, 'floats.gguf'), floats);
    const quantised = await openModel(join(scratch, 'blocks.gguf'));
    const plain = await openModel(join(scratch, 'floats.gguf'));
    expect(quantised.config).toEqual(plain.config);
    for (const { name } of plain.model.constants) {
      expect(Buffer.compare(quantised.sections.read(name), plain.sections.read(name)), name).toBe(0);
    }
    quantised.close();
    plain.close();
  });

  it.each(GGML_BLOCK_NAMES)('%s can be read from inside one block into another', async (name) => {
    const values = Float32Array.from({ length: 768 }, (_, i) => Math.cos(i));
    const bytes = encodeGgmlBlocks(name, values);
    const tensors = [{ name: 'a', dims: [256, 3], type: numberOf(name), offset: 0 }];
    const file = await readGguf(fromBytes(buildGguf({ tensors, data: bytes })));
    const tensor = file.tensors.get('a');
    expect(tensor?.encoding.name).toBe(name.toUpperCase());
    if (tensor === undefined) return;
    expect(readFloats(tensor, 200, 300)).toEqual(decodeGgmlBlocks(name, bytes).slice(200, 500));
  });
});
