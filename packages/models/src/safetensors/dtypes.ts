/** The element types a safetensors header may name, with their widths; three of them can be read as float32. */
import {
  BF16_ENCODING,
  blockEncoding,
  elementEncoding,
  F16_ENCODING,
  F32_ENCODING,
  type TensorEncoding,
} from '../tensors/encoding.js';

export const SAFETENSORS_DTYPES: ReadonlyMap<string, TensorEncoding> = new Map(
  [
    F32_ENCODING,
    F16_ENCODING,
    BF16_ENCODING,
    elementEncoding('F64', 8),
    elementEncoding('I64', 8),
    elementEncoding('I32', 4),
    elementEncoding('I16', 2),
    elementEncoding('I8', 1),
    elementEncoding('U64', 8),
    elementEncoding('U32', 4),
    elementEncoding('U16', 2),
    elementEncoding('U8', 1),
    elementEncoding('BOOL', 1),
    elementEncoding('C64', 8),
    elementEncoding('F8_E4M3', 1),
    elementEncoding('F8_E5M2', 1),
    elementEncoding('F8_E8M0', 1),
    // Types narrower than a byte are packed: two F4 in one byte, four F6 in three.
    blockEncoding('F4', 2, 1),
    blockEncoding('F6_E2M3', 4, 3),
    blockEncoding('F6_E3M2', 4, 3),
  ].map((encoding) => [encoding.name, encoding]),
);
