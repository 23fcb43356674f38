/**
 * Reads the checkpoint file of llama2.c (its first version, as `run.c` reads it): a header of seven int32, then
 * float32 tensors in a fixed order. There are no names and no checksum, so everything rests on the header: it must be
 * plausible, and the file exactly as long as it says.
 *
 * Source of the layout: karpathy/llama2.c, `run.c` (memory_map_weights) and `export.py` (legacy export).
 */
import { BitloomError } from '@bitloom/ir';
import type { ByteSource } from '../bytes/byte-source.js';
import { Cursor } from '../bytes/cursor.js';
import type { DecoderConfig } from '../decoder/decoder-config.js';
import { F32_ENCODING } from '../tensors/encoding.js';
import { checkedElementCount, type StoredTensor, type TensorFile } from '../tensors/tensor-file.js';

const HEADER_BYTES = 28;
/** `ak42`: later versions of the format begin with it. */
const VERSIONED_MAGIC = 0x616b3432;

export interface Llama2cFile extends TensorFile {
  readonly config: DecoderConfig;
}

/**
 * Reads a llama2.c checkpoint. The file stays open until `close`. Tensors have the names of llama2.c
 * (`wq`, `w1`, ...), each holding all layers: `wq` is [layers, heads * headDim, width].
 * @throws BitloomError `llama2c-truncated`, `llama2c-version`, `llama2c-header-invalid`, `llama2c-size-mismatch`
 */
export async function readLlama2c(source: ByteSource): Promise<Llama2cFile> {
  const config = await readHeader(source);
  const { vocabSize, layers, width, heads, kvHeads, headDim, hiddenWidth, maxPositions } = config;
  const order: readonly (readonly [string, readonly number[]])[] = [
    ['token_embedding_table', [vocabSize, width]],
    ['rms_att_weight', [layers, width]],
    ['wq', [layers, heads * headDim, width]],
    ['wk', [layers, kvHeads * headDim, width]],
    ['wv', [layers, kvHeads * headDim, width]],
    ['wo', [layers, width, heads * headDim]],
    ['rms_ffn_weight', [layers, width]],
    ['w1', [layers, hiddenWidth, width]],
    ['w2', [layers, width, hiddenWidth]],
    ['w3', [layers, hiddenWidth, width]],
    ['rms_final_weight', [width]],
    // Tables of rotary angles from before run.c computed them; kept in the file, never read.
    ['freq_cis_real', [maxPositions, headDim / 2]],
    ['freq_cis_imag', [maxPositions, headDim / 2]],
    ...(config.tiedEmbeddings ? [] : [['wcls', [vocabSize, width]] as const]),
  ];
  const tensors = new Map<string, StoredTensor>();
  let offset = HEADER_BYTES;
  for (const [name, shape] of order) {
    const byteLength = 4 * (checkedElementCount(shape) ?? Number.POSITIVE_INFINITY);
    tensors.set(name, { name, shape, encoding: F32_ENCODING, source, offset, byteLength });
    offset += byteLength;
  }
  if (offset !== source.size) {
    throw new BitloomError({
      code: 'llama2c-size-mismatch',
      message: 'the file is not as long as its header says',
      where: source.name,
      expected: `${offset} bytes for ${describeConfig(config)}`,
      got: `${source.size} bytes`,
      hint: 'this is not a llama2.c checkpoint, or it is cut short; fetch it again',
    });
  }
  return { name: source.name, config, tensors, close: () => source.close() };
}

/** A file may be this many times shorter or longer than its header says and still be taken for a damaged one. */
const TOLERANCE = 64;

/**
 * Whether a file that cannot be read as llama2.c was probably meant to be: it begins as later versions do, or its
 * header has sizes that fit its length roughly, as those of a file that is cut or damaged do. A text never has.
 */
export async function looksLikeLlama2c(source: ByteSource): Promise<boolean> {
  if (source.size < HEADER_BYTES) return false;
  const head = await source.read(0, HEADER_BYTES);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const sizes = Array.from({ length: 7 }, (_, i) => Math.abs(view.getInt32(4 * i, true)));
  if (sizes[0] === VERSIONED_MAGIC) return true;
  const [width, hidden, layers, , , vocabulary] = sizes;
  const most = 4 * (vocabulary * width + layers * width * (4 * width + 3 * hidden));
  return most <= TOLERANCE * source.size && source.size <= TOLERANCE * most;
}

async function readHeader(source: ByteSource): Promise<DecoderConfig> {
  const cursor = new Cursor(source, 'llama2c-truncated');
  await cursor.need(HEADER_BYTES, 'the header');
  const first = cursor.i32();
  if (first === VERSIONED_MAGIC) {
    throw new BitloomError({
      code: 'llama2c-version',
      message: 'this is a later version of the llama2.c format',
      where: source.name,
      expected: 'the first version, which run.c reads',
      got: `version ${cursor.i32()}`,
      hint: 'export the model with export.py --version 0, or convert it to GGUF or safetensors',
    });
  }
  const names = ['hidden_dim', 'n_layers', 'n_heads', 'n_kv_heads', 'vocab_size', 'seq_len'];
  const rest = names.map(() => cursor.i32());
  const [hiddenWidth, layers, heads, kvHeads, signedVocab, maxPositions] = rest;
  const check = (field: string, ok: boolean, expected: string, got: number): void => {
    if (ok) return;
    throw new BitloomError({
      code: 'llama2c-header-invalid',
      message: `the header has an impossible ${field}`,
      where: source.name,
      expected,
      got: String(got),
      hint: 'this is not a llama2.c checkpoint, or its first bytes are damaged',
    });
  };
  const plausible = (value: number, most: number): boolean => value >= 1 && value <= most;
  const size = 2 ** 24;
  check('dim', plausible(first, size), `1 to ${size}`, first);
  check('hidden_dim', plausible(hiddenWidth, size), `1 to ${size}`, hiddenWidth);
  check('n_layers', plausible(layers, 4096), '1 to 4096', layers);
  check('n_heads', plausible(heads, 65536) && first % heads === 0, `a divisor of dim ${first}`, heads);
  check(
    'n_kv_heads',
    plausible(kvHeads, heads) && heads % kvHeads === 0,
    `a divisor of n_heads ${heads}`,
    kvHeads,
  );
  check('head size', (first / heads) % 2 === 0, 'an even number', first / heads);
  check('vocab_size', plausible(Math.abs(signedVocab), size), `up to ${size} either sign`, signedVocab);
  check('seq_len', plausible(maxPositions, size), `1 to ${size}`, maxPositions);
  return {
    family: 'llama',
    vocabSize: Math.abs(signedVocab),
    layers,
    width: first,
    heads,
    kvHeads,
    headDim: first / heads,
    hiddenWidth,
    norm: { kind: 'rms', epsilon: 1e-5 },
    positions: { kind: 'rope', theta: 10000, layout: 'interleaved', scaling: { kind: 'none' } },
    biases: { qkv: false, output: false, feedForward: false },
    feedForward: { gated: true, activation: 'silu' },
    // A negative vocabulary size says that the output projection is stored on its own.
    tiedEmbeddings: signedVocab > 0,
    maxPositions,
  };
}

function describeConfig(config: DecoderConfig): string {
  const { width, hiddenWidth, layers, heads, kvHeads, vocabSize, maxPositions } = config;
  return `dim ${width}, hidden ${hiddenWidth}, ${layers} layers, ${heads}/${kvHeads} heads, vocabulary ${vocabSize}, length ${maxPositions}`;
}
