/**
 * `@bitloom/compression`: rewrite a float graph into a quantised one. Round-to-nearest by named schemes.
 */
export { type QuantizedBundle, quantizeModel } from './quantize-model.js';
export { findScheme, SCHEMES, type Scheme, schemeNames, type WeightRole } from './schemes.js';
