/**
 * `@bitloom/formats`: what a bit pattern means. Element formats as data, rounding by name, group integers,
 * canonical and kernel layouts with exact sizes, GGML blocks, error metrics.
 */

export * from './elements/element-formats.js';
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
export * from './rounding/rounding.js';
export {
  checkCanonical,
  dequantizeCanonical,
  dequantizeGroups,
  type GroupCodes,
  packCanonical,
  quantizeGroups,
  unpackCanonical,
} from './scaled/group-integers.js';
