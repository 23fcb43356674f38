/**
 * Scales and zero points as a checkpoint stores them: the bits of one of five formats. Reading is exact, and writing
 * refuses what the format does not hold, so that a file never says something else than the numbers it was made from.
 */
import { decode, encode } from '../elements/codes.js';
import { elementFormat } from '../elements/element-formats.js';
import {
  decodeBf16Array,
  decodeFp16Array,
  encodeBf16Array,
  encodeFp16Array,
} from '../elements/half-precision.js';
import { packingError } from './packing-error.js';

/** Bits of numbers, by format. `fp32` are the numbers themselves. */
export type StoredFloats =
  | { readonly format: 'fp32'; readonly data: Float32Array }
  | { readonly format: 'fp16'; readonly data: Uint16Array }
  | { readonly format: 'bf16'; readonly data: Uint16Array }
  | { readonly format: 'fp8_e4m3fn'; readonly data: Uint8Array }
  | { readonly format: 'e8m0'; readonly data: Uint8Array };

export type StoredFormat = StoredFloats['format'];

/**
 * The float32 values, all of them exact.
 * @throws BitloomError `packing-scale-not-finite`
 */
export function decodeStoredFloats(stored: StoredFloats, where: string): Float32Array {
  const values = rawValues(stored);
  let bad = 0;
  while (bad < values.length && Number.isFinite(values[bad])) bad += 1;
  if (bad === values.length) return values;
  throw packingError(
    'packing-scale-not-finite',
    `${where}, element ${bad}`,
    'a finite number',
    String(values[bad]),
  );
}

function rawValues(stored: StoredFloats): Float32Array {
  switch (stored.format) {
    case 'fp32':
      return stored.data.slice();
    case 'fp16':
      return decodeFp16Array(stored.data);
    case 'bf16':
      return decodeBf16Array(stored.data);
    default:
      return decode(stored.data, elementFormat(stored.format));
  }
}

/** Values rounded to `format`, to nearest even; what is too large becomes the largest value. Not checked. */
export function roundToStored(values: Float32Array, format: StoredFormat): StoredFloats {
  switch (format) {
    case 'fp32':
      return { format, data: values.slice() };
    case 'fp16':
      return { format, data: encodeFp16Array(values) };
    case 'bf16':
      return { format, data: encodeBf16Array(values) };
    default:
      return { format, data: Uint8Array.from(encode(values, elementFormat(format))) };
  }
}

/**
 * The bits of `values`, each of which `format` must hold.
 * @throws BitloomError `packing-scale-inexact`, `packing-scale-not-finite`
 */
export function encodeStoredFloats(values: Float32Array, format: StoredFormat, where: string): StoredFloats {
  const stored = roundToStored(values, format);
  const back = decodeStoredFloats(stored, where);
  let bad = 0;
  while (bad < values.length && Object.is(values[bad], back[bad])) bad += 1;
  if (bad === values.length) return stored;
  throw packingError(
    'packing-scale-inexact',
    `${where}, element ${bad}`,
    `a value of ${format}`,
    String(values[bad]),
  );
}

/** Elements `first` to `first + count`, sharing memory. */
export function sliceStoredFloats(stored: StoredFloats, first: number, count: number): StoredFloats {
  const end = first + count;
  switch (stored.format) {
    case 'fp32':
      return { format: stored.format, data: stored.data.subarray(first, end) };
    case 'fp16':
    case 'bf16':
      return { format: stored.format, data: stored.data.subarray(first, end) };
    default:
      return { format: stored.format, data: stored.data.subarray(first, end) };
  }
}
