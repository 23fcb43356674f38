/** What the engine can do beyond plain SIMD, as far as emitted code depends on it. */
export interface Features {
  /** Relaxed SIMD, with the deterministic result of `i16x8.relaxed_dot_i8x16_i7x16_s` for 7-bit operands. */
  readonly relaxedSimd: boolean;
}

/** Nothing beyond plain SIMD. */
export const PLAIN_FEATURES: Features = { relaxedSimd: false };

/** What this engine can do. */
export function probeFeatures(): Features {
  return PLAIN_FEATURES;
}
