/**
 * The GGML block formats of the first path, Q8_0 and Q4_0, as GGUF files store them: 32 elements per block, an fp16
 * scale d, then the codes. Decoding is exact; encoding follows GGML's own reference rounding, which differs from
 * ours (half away from zero for Q8_0, a signed scale for Q4_0), so that files come out byte for byte the same.
 * Source of the rules: ggml `quantize_row_q8_0_ref`, `quantize_row_q4_0_ref` and their `dequantize_row` mates.
 */
import { BitloomError } from '@bitloom/ir';
import { decodeFp16, encodeFp16 } from '../elements/half-precision.js';

const f = Math.fround;

/** One block format: sizes, and the two directions for the block at a byte and an element offset. */
interface BlockFormat {
  readonly elements: number;
  readonly bytes: number;
  readonly decode: (blocks: Uint8Array, at: number, out: Float32Array, outAt: number) => void;
  readonly encode: (values: Float32Array, from: number, out: Uint8Array, outAt: number) => void;
}

function readScale(blocks: Uint8Array, at: number): number {
  return decodeFp16(blocks[at] | (blocks[at + 1] << 8));
}

function writeScale(out: Uint8Array, at: number, scale: number): void {
  const bits = encodeFp16(scale);
  out[at] = bits & 255;
  out[at + 1] = bits >> 8;
}

/** d, then 32 int8 codes. Value = code·d. */
const Q8_0: BlockFormat = {
  elements: 32,
  bytes: 34,
  decode(blocks, at, out, outAt) {
    const d = readScale(blocks, at);
    for (let j = 0; j < 32; j += 1) out[outAt + j] = ((blocks[at + 2 + j] << 24) >> 24) * d;
  },
  encode(values, from, out, outAt) {
    let amax = 0;
    for (let j = 0; j < 32; j += 1) amax = Math.max(amax, Math.abs(values[from + j]));
    const d = f(amax / 127);
    const inverse = d === 0 ? 0 : f(1 / d);
    writeScale(out, outAt, d);
    for (let j = 0; j < 32; j += 1) {
      const scaled = f(values[from + j] * inverse);
      // Half away from zero. The sum is exact in float64, where the float32 sum could round up.
      out[outAt + 2 + j] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
    }
  },
};

/** d, then 16 bytes: element j in the low nibble of byte j, element j + 16 in the high one. Value = (code − 8)·d. */
const Q4_0: BlockFormat = {
  elements: 32,
  bytes: 18,
  decode(blocks, at, out, outAt) {
    const d = readScale(blocks, at);
    for (let j = 0; j < 16; j += 1) {
      const byte = blocks[at + 2 + j];
      out[outAt + j] = ((byte & 15) - 8) * d;
      out[outAt + j + 16] = ((byte >> 4) - 8) * d;
    }
  },
  encode(values, from, out, outAt) {
    // The first value of largest magnitude becomes exactly −8, so d carries its opposite sign.
    let extreme = 0;
    for (let j = 0; j < 32; j += 1) {
      if (Math.abs(values[from + j]) > Math.abs(extreme)) extreme = values[from + j];
    }
    const d = f(extreme / -8);
    const inverse = d === 0 ? 0 : f(1 / d);
    writeScale(out, outAt, d);
    const code = (value: number): number => Math.min(15, Math.trunc(f(f(value * inverse) + 8.5)));
    for (let j = 0; j < 16; j += 1) {
      out[outAt + 2 + j] = code(values[from + j]) | (code(values[from + j + 16]) << 4);
    }
  },
};

const BLOCK_FORMATS = { q8_0: Q8_0, q4_0: Q4_0 } as const satisfies Record<string, BlockFormat>;

/** GGML block formats that can be read and written here, by GGML's name in lower case. */
export type GgmlBlockName = keyof typeof BLOCK_FORMATS;

/** Elements and bytes of one block. */
export function ggmlBlockSize(name: GgmlBlockName): { elements: number; bytes: number } {
  const { elements, bytes } = BLOCK_FORMATS[name];
  return { elements, bytes };
}

/**
 * Decodes whole blocks to float32, bit for bit as GGML does.
 *
 * @param out as long as the blocks have elements; a new array by default
 * @throws BitloomError `ggml-length` when the bytes are not whole blocks or `out` has another length.
 */
export function decodeGgmlBlocks(
  name: GgmlBlockName,
  blocks: Uint8Array,
  out?: Float32Array,
): Float32Array<ArrayBufferLike> {
  const format = BLOCK_FORMATS[name];
  const count = blocks.length / format.bytes;
  if (!Number.isInteger(count))
    throw badLength(`${name} bytes`, `a multiple of ${format.bytes}`, blocks.length);
  const target = out ?? new Float32Array(count * format.elements);
  if (target.length !== count * format.elements) {
    throw badLength('output elements', String(count * format.elements), target.length);
  }
  for (let i = 0; i < count; i += 1) format.decode(blocks, i * format.bytes, target, i * format.elements);
  return target;
}

/**
 * Encodes float32 values as whole blocks, byte for byte as GGML's reference does. Values must be finite.
 *
 * @throws BitloomError `ggml-length` unless the number of values is a multiple of the block's elements,
 *   `quantize-not-finite` for a NaN or an infinity.
 */
export function encodeGgmlBlocks(name: GgmlBlockName, values: Float32Array): Uint8Array<ArrayBuffer> {
  const format = BLOCK_FORMATS[name];
  const count = values.length / format.elements;
  if (!Number.isInteger(count)) throw badLength('values', `a multiple of ${format.elements}`, values.length);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new BitloomError({
      code: 'quantize-not-finite',
      message: 'a value to quantise is not finite',
      where: `element ${bad}`,
      expected: 'a finite float32',
      got: String(values[bad]),
    });
  }
  const out = new Uint8Array(count * format.bytes);
  for (let i = 0; i < count; i += 1) format.encode(values, i * format.elements, out, i * format.bytes);
  return out;
}

function badLength(where: string, expected: string, got: number): BitloomError {
  return new BitloomError({
    code: 'ggml-length',
    message: 'GGML blocks are read and written whole',
    where,
    expected,
    got: String(got),
  });
}
