/**
 * `@bitloom/formats`: what a bit pattern means. Element formats as data, rounding by name, group integers,
 * canonical and kernel layouts with exact sizes, GGML blocks, error metrics.
 */
export { type CodeShape, packBitStream, unpackBitStream } from './bit-stream.js';
export * from './element-formats.js';
export * from './error-metrics.js';
export * from './ggml-blocks.js';
export {
  checkCanonical,
  dequantizeCanonical,
  dequantizeGroups,
  type GroupCodes,
  packCanonical,
  quantizeGroups,
  unpackCanonical,
} from './group-integers.js';
export {
  type CanonicalMatrix,
  canonicalBytes,
  canonicalRowBytes,
  type GroupShape,
  groupsPerRow,
  symmetricMaxCode,
} from './group-shape.js';
export * from './half-precision.js';
export * from './rounding.js';
export * from './rows16.js';
