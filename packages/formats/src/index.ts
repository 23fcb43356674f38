/**
 * `@bitloom/formats`: what a bit pattern means. Element formats as data, rounding by name, group integers,
 * canonical and kernel layouts with exact sizes, GGML blocks, error metrics.
 */

export { type CastOptions, castElements } from './elements/cast-elements.js';
export * from './elements/codes.js';
export { decodeElement } from './elements/decode-element.js';
export { decodeTable } from './elements/decode-table.js';
export * from './elements/element-formats.js';
export { DEFAULT_ENCODE_POLICY, type EncodePolicy, encodeElement } from './elements/encode-element.js';
export * from './elements/format-records.js';
export * from './elements/half-precision.js';
export { type QuantizeFloat8Options, quantizeFloat8 } from './fast/float8.js';
export { dequantizeGroupsPacked, quantizeGroupsPacked } from './fast/group-integers.js';
export { type MxElement, type MxOptions, quantizeMx } from './fast/microscaling.js';
export { type QuantizeNvfp4Options, quantizeNvfp4 } from './fast/nvfp4.js';
export type { EncodeScratch, GgmlBlock } from './ggml/block-format.js';
export * from './ggml/block-sizes.js';
export { ggmlFallback } from './ggml/fallback.js';
export { MXFP4 as GGML_MXFP4, NVFP4 as GGML_NVFP4 } from './ggml/fp4-blocks.js';
export * from './ggml/ggml-blocks.js';
export {
  type GgmlGroupBlock,
  ggmlGroupBytes,
  ggmlGroupCodes,
  ggmlGroupScales,
  ggmlGroupScheme,
  isGgmlGroupBlock,
} from './ggml/group-codes.js';
export { IQ4_NL, IQ4_XS } from './ggml/iq4.js';
export { Q2_K, Q4_K, Q5_K } from './ggml/k-quants-range.js';
export { Q3_K, Q6_K, Q8_K } from './ggml/k-quants-symmetric.js';
export { Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 } from './ggml/legacy-blocks.js';
export { Q1_0, Q2_0 } from './ggml/one-two-bit.js';
export { TQ1_0, TQ2_0 } from './ggml/ternary.js';
export { decodeBlocks as decodeGgml, encodeBlocks as encodeGgml } from './ggml/whole-blocks.js';
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
export {
  ROWS16_CONTAINERS,
  ROWS16_STEP_BYTES,
  type Rows16Container,
  type Rows16ContainerBits,
  type Rows16ContainerName,
  type Rows16Plane,
  rows16Container,
} from './layouts/rows16-container.js';
export * from './layouts/sparse16.js';
export { entropy, klDivergence } from './metrics/divergence.js';
export * from './metrics/error-metrics.js';
export {
  mlsElementFormat,
  mlsFractionBits,
  mlsGroupScaleFormat,
  mlsProductBits,
} from './mls/mls-formats.js';
export type { MlsGroups } from './mls/mls-groups.js';
export { type MlsDot, mlsAccumulatorBits, mlsDot, mlsGroupProduct } from './mls/mls-product.js';
export { type MlsScaleRule, mlsEffectiveScale, mlsGroupScale, mlsWantedScale } from './mls/mls-scales.js';
export * from './mls/quantize-mls.js';
export * from './packings/awq.js';
export * from './packings/compressed-floats.js';
export {
  type CompressedIntegerShape,
  compressedGroups,
  type PackQuantizedTensors,
  type PlainIntegerTensors,
  packedLayout,
  readPackQuantized,
  readPlainIntegers,
  writePackQuantized,
  writePlainIntegers,
} from './packings/compressed-integers.js';
export {
  type CompressedStrategy,
  type StrategyScales,
  strategyScales,
} from './packings/compressed-strategy.js';
export * from './packings/gptq.js';
export * from './packings/hqq.js';
export {
  checkPackedLinear,
  dequantizePacked,
  type PackedLinear,
  type RowRange,
  type ScaleGroups,
} from './packings/packed-linear.js';
export { type RoundToNearestRule, roundToNearest } from './packings/round-to-nearest.js';
export {
  decodeStoredFloats,
  encodeStoredFloats,
  type StoredFloats,
  type StoredFormat,
} from './packings/stored-floats.js';
export { type WordLayout, wordCount } from './packings/word-stream.js';
export { type CodePointsOptions, codePointsSvg } from './pictures/code-points.js';
export * from './quantize.js';
export { philox4x32, randomWords } from './rounding/philox.js';
export {
  type DeterministicRounding,
  ROUNDING_MODES,
  roundShift,
  roundToInteger,
} from './rounding/rounding.js';
export { type RandomBits, STOCHASTIC_ROUNDING_MODES } from './rounding/stochastic.js';
export { canonicalComponents, dequantizeScaled } from './scaled/dequantize-scaled.js';
export {
  checkCanonical,
  dequantizeCanonical,
  dequantizeGroups,
  type GroupCodes,
  packCanonical,
  quantizeGroups,
  unpackCanonical,
} from './scaled/group-integers.js';
export { quantizeAffine } from './scaled/quantize-affine.js';
export * from './scaled/quantize-linear.js';
export { type QuantizeOptions, quantizeScaled } from './scaled/quantize-scaled.js';
export { quantizeShifted } from './scaled/quantize-shifted.js';
export { describe, type SchemeDescription } from './schemes/describe.js';
export { ggmlLayoutName, ggmlScheme } from './schemes/ggml-scheme.js';
export { type MlsOptions, mlsScheme } from './schemes/mls-scheme.js';
export * from './schemes/named-schemes.js';
export { type Preset, preset, presetNames } from './schemes/presets.js';
export { SCALE_RULES } from './schemes/scale-rules.js';
export { isRowLocal, schemeType } from './schemes/scheme-type.js';
export type { Accumulator } from './shift/accumulator-bits.js';
export { type ChannelMatrix, channelMaxima } from './shift/channel-matrix.js';
export * from './shift/optimal-groups.js';
export * from './shift/quantize-shift.js';
export * from './shift/shift-distance.js';
export * from './shift/shift-groups.js';
export * from './shift/shift-product.js';
export {
  type Bitmask24Matrix,
  type BitmaskMatrix,
  decode24Bitmask,
  decodeBitmask,
  encode24Bitmask,
  encodeBitmask,
  type MatrixShape,
} from './sparsity/bitmask-tensor.js';
export * from './sparsity/block-mask.js';
export * from './sparsity/block-pack.js';
export {
  FLIGHTLLM_SPARSITY,
  type NmBits,
  type NmSparsity,
  nmLayoutId,
  nmPackedBits,
  nmPackedBytes,
  nmSparsity,
  parseNmLayoutId,
  type SparseShape,
  type SparseValues,
} from './sparsity/nm-layout.js';
export { type NmPackOptions, packNm } from './sparsity/nm-pack.js';
export { densityOf, magnitudeMask, patternOf, type ZeroOptions } from './sparsity/nm-pattern.js';
export {
  denseNmType,
  isNmLayout,
  nmCodes,
  nmType,
  packNmTensor,
  unpackNmTensor,
} from './sparsity/nm-tensor.js';
export { type NmDirectory, nmDirectory, nmMask, unpackNm, unpackNmRows } from './sparsity/nm-unpack.js';
export {
  checkShape,
  elementsOf,
  type FixedQuantizedType,
  type QuantizedTensor,
  rowsOf,
  type Tensor,
} from './tensor.js';
