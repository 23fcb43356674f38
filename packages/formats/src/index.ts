/**
 * `@bitloom/formats`: what a bit pattern means. Element formats as data, rounding by name, group integers,
 * canonical and kernel layouts with exact sizes, GGML blocks, error metrics.
 */

export * from './elements/codes.js';
export { decodeElement } from './elements/decode-element.js';
export * from './elements/element-formats.js';
export { DEFAULT_ENCODE_POLICY, type EncodePolicy, encodeElement } from './elements/encode-element.js';
export * from './elements/half-precision.js';
export * from './ggml/ggml-blocks.js';
export { type CodeShape, packBitStream, unpackBitStream } from './layouts/bit-stream.js';
export {
  type CanonicalMatrix,
  canonicalBytes,
  canonicalRowBytes,
  type GroupShape,
  groupsPerRow,
  symmetricMaxCode,
} from './layouts/group-shape.js';
export * from './layouts/rows16.js';
export * from './metrics/error-metrics.js';
export { philox4x32, randomWords } from './rounding/philox.js';
export {
  type DeterministicRounding,
  ROUNDING_MODES,
  roundShift,
  roundToInteger,
} from './rounding/rounding.js';
export { type RandomBits, STOCHASTIC_ROUNDING_MODES } from './rounding/stochastic.js';
export {
  checkCanonical,
  dequantizeCanonical,
  dequantizeGroups,
  type GroupCodes,
  packCanonical,
  quantizeGroups,
  unpackCanonical,
} from './scaled/group-integers.js';
