/** Elements of a dense float constant as float32, by range. */
import { decodeBf16Array, decodeFp16Array } from '@bitloom/formats';
import { DTYPE_BYTES, type DType, type SectionSource } from '@bitloom/ir';

/** Element types that widen to float32 without loss. */
export type FloatDType = Extract<DType, 'f32' | 'f16' | 'bf16'>;

export function isFloat(dtype: DType): dtype is FloatDType {
  return dtype === 'f32' || dtype === 'f16' || dtype === 'bf16';
}

/** Elements [start, start + count) of a section. The result may be a view that must not be written to. */
export function readFloats(
  sections: SectionSource,
  section: string,
  dtype: FloatDType,
  start: number,
  count: number,
): Float32Array {
  const size = DTYPE_BYTES[dtype];
  const read = sections.read(section, start * size, count * size);
  const bytes = read.byteOffset % size === 0 ? read : read.slice();
  if (dtype === 'f32') return new Float32Array(bytes.buffer, bytes.byteOffset, count);
  const codes = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
  return dtype === 'f16' ? decodeFp16Array(codes) : decodeBf16Array(codes);
}

/** Columns [start, start + count) of a matrix of `cols` columns, row-major; the matrix itself where that is all of it. */
export function takeColumns(data: Float32Array, cols: number, start: number, count: number): Float32Array {
  if (start === 0 && count === cols) return data;
  const rows = cols === 0 ? 0 : data.length / cols;
  const out = new Float32Array(rows * count);
  for (let row = 0; row < rows; row += 1) {
    out.set(data.subarray(row * cols + start, row * cols + start + count), row * count);
  }
  return out;
}
