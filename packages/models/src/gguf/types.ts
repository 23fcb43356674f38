/**
 * What a GGUF file can hold: the types of metadata values, and the types of tensors with their block sizes.
 * The plain floats and every block format of `@bitloom/formats` can be read as float32; for the others the table
 * knows the size, so that a file's layout is checked, and the name, so that the error says it.
 *
 * Source of numbers and sizes: the GGUF specification (ggml-org/ggml docs/gguf.md) and ggml's type table.
 */
import {
  BF16_ENCODING,
  blockEncoding as blocks,
  elementEncoding,
  F16_ENCODING,
  F32_ENCODING,
  ggmlEncoding as ggml,
  type TensorEncoding,
} from '../tensors/encoding.js';

/** Metadata value types by number. */
export const GGUF_VALUE_TYPES = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'bool',
  'string',
  'array',
  'uint64',
  'int64',
  'float64',
] as const;

export type GgufValueType = (typeof GGUF_VALUE_TYPES)[number];

/** Fewest bytes a value of each type takes in a file: what bounds a count before anything is allocated. */
export const GGUF_MIN_BYTES: Readonly<Record<GgufValueType, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  string: 8,
  array: 12,
  uint64: 8,
  int64: 8,
  float64: 8,
};

/** Tensor types by number. Numbers that ggml has retired are absent. */
export const GGUF_TENSOR_TYPES: ReadonlyMap<number, TensorEncoding> = new Map<number, TensorEncoding>([
  [0, F32_ENCODING],
  [1, F16_ENCODING],
  [2, ggml('q4_0')],
  [3, ggml('q4_1')],
  [6, ggml('q5_0')],
  [7, ggml('q5_1')],
  [8, ggml('q8_0')],
  [9, blocks('Q8_1', 32, 36)],
  [10, ggml('q2_K')],
  [11, ggml('q3_K')],
  [12, ggml('q4_K')],
  [13, ggml('q5_K')],
  [14, ggml('q6_K')],
  [15, ggml('q8_K')],
  [16, blocks('IQ2_XXS', 256, 66)],
  [17, blocks('IQ2_XS', 256, 74)],
  [18, blocks('IQ3_XXS', 256, 98)],
  [19, blocks('IQ1_S', 256, 50)],
  [20, ggml('iq4_nl')],
  [21, blocks('IQ3_S', 256, 110)],
  [22, blocks('IQ2_S', 256, 82)],
  [23, ggml('iq4_xs')],
  [24, elementEncoding('I8', 1)],
  [25, elementEncoding('I16', 2)],
  [26, elementEncoding('I32', 4)],
  [27, elementEncoding('I64', 8)],
  [28, elementEncoding('F64', 8)],
  [29, blocks('IQ1_M', 256, 56)],
  [30, BF16_ENCODING],
  [34, ggml('tq1_0')],
  [35, ggml('tq2_0')],
  [39, ggml('mxfp4')],
  [40, ggml('nvfp4')],
  [41, ggml('q1_0')],
  [42, ggml('q2_0')],
]);
