/**
 * Whole blocks of one format: what `ggml-blocks` does for a format by name, for a record. A browser bundle that uses
 * these with one record carries that format alone.
 */
import { BitloomError } from '@bitloom/ir';
import { createScratch, type GgmlBlock } from './block-format.js';

/** As `decodeGgmlBlocks`, for a record. */
export function decodeBlocks(
  format: GgmlBlock,
  blocks: Uint8Array,
  out?: Float32Array,
): Float32Array<ArrayBufferLike> {
  const { name, elements, bytes, decode } = format;
  const count = blocks.length / bytes;
  if (!Number.isInteger(count)) throw badLength(`${name} bytes`, `a multiple of ${bytes}`, blocks.length);
  const target = out ?? new Float32Array(count * elements);
  if (target.length !== count * elements) {
    throw badLength('output elements', String(count * elements), target.length);
  }
  for (let i = 0; i < count; i += 1) decode(blocks, i * bytes, target, i * elements);
  return target;
}

/** As `encodeGgmlBlocks`, for a record. */
export function encodeBlocks(format: GgmlBlock, values: Float32Array): Uint8Array<ArrayBuffer> {
  const { elements, bytes, encode } = format;
  const count = values.length / elements;
  if (!Number.isInteger(count)) throw badLength('values', `a multiple of ${elements}`, values.length);
  const bad = firstNotFinite(values);
  if (bad >= 0) {
    throw new BitloomError({
      code: 'quantize-not-finite',
      message: 'a value to quantise is not finite',
      where: `element ${bad}`,
      expected: 'a finite float32',
      got: String(values[bad]),
    });
  }
  const out = new Uint8Array(count * bytes);
  const scratch = createScratch();
  for (let i = 0; i < count; i += 1) {
    encode(values, i * elements, out, i * bytes, scratch);
    if (!scalesAreFinite(format, out, i * bytes)) throw scaleOverflow(format, values, i);
  }
  return out;
}

/** Index of the first NaN or infinity, or −1. */
function firstNotFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i += 1) if (!Number.isFinite(values[i])) return i;
  return -1;
}

const NONE: readonly number[] = [];

/** Whether no scale of the block at byte `at` is an infinity or a NaN: all bits of its exponent set. */
function scalesAreFinite({ halves, floats = NONE }: GgmlBlock, out: Uint8Array, at: number): boolean {
  for (let i = 0; i < halves.length; i += 1) {
    if ((out[at + halves[i] + 1] & 0x7c) === 0x7c) return false;
  }
  for (let i = 0; i < floats.length; i += 1) {
    const top = at + floats[i] + 3;
    if ((out[top] & 0x7f) === 0x7f && (out[top - 1] & 0x80) !== 0) return false;
  }
  return true;
}

function scaleOverflow(format: GgmlBlock, values: Float32Array, block: number): BitloomError {
  const start = block * format.elements;
  let amax = 0;
  for (let j = start; j < start + format.elements; j += 1) amax = Math.max(amax, Math.abs(values[j]));
  return new BitloomError({
    code: 'quantize-scale-overflow',
    message: `the scale of a ${format.name} block does not fit its format`,
    where: `elements ${start} to ${start + format.elements - 1}`,
    expected:
      format.halves.length > 0 ? 'scales and minimums below 65520' : 'a scale that decodes to finite values',
    got: `amax ${amax}`,
    hint: 'keep this tensor in floating point',
  });
}

export function badLength(where: string, expected: string, got: number): BitloomError {
  return new BitloomError({
    code: 'ggml-length',
    message: 'GGML blocks are read and written whole',
    where,
    expected,
    got: String(got),
  });
}
