/**
 * `@bitloom/compression`: rewrite a float graph into a quantised one. Round-to-nearest by named schemes, or the codes a
 * checkpoint has.
 */
export {
  causalDensity,
  flightllmMask,
  maskByRule,
  maskFromRows,
  type WrittenMask,
} from './attention-blocks.js';
export { type BlockMask, type LocalGlobal, localGlobalMask, maskAttention } from './block-attention.js';
export { withCacheBits } from './cache-bits.js';
export { compareWeights, type ModelComparison, type WeightComparison } from './compare-weights.js';
export { type KeptOfEach, PRUNED_SPARSITIES, withSparsity } from './prune-nm.js';
export { type QuantizedBundle, quantizeModel } from './quantize-model.js';
export { findScheme, SCHEMES, type Scheme, schemeNames, type WeightRole, type WidthMix } from './schemes.js';
export { type CheckpointBundle, type StoredWeights, storedWeights } from './stored-weights.js';
