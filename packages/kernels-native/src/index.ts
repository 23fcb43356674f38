/**
 * `@bitloom/kernels-native`: optional native kernels over a shared memory. It exposes C++ functions by name and knows
 * neither what they compute (see `@bitloom/kernels`) nor who calls them. Where the addon is absent, nothing fails.
 */
export {
  NATIVE_ARGUMENTS,
  NATIVE_BLOCK_WORDS,
  NATIVE_BYTES_WORD,
  NATIVE_MAX_SHARES,
  NATIVE_NEXT_WORD,
  type NativeAddon,
  type NativeHandle,
  type NativeIsa,
  type NativeLimits,
  type NativeOptions,
  type PeakKind,
} from './addon.js';
export { loadNative, type NativeAbsence, type NativeStatus, nativeStatus } from './load.js';
export { checkNative } from './status.js';
