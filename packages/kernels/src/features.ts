/** What the engine can do beyond plain SIMD, as far as emitted code depends on it. */
import { probeFeatures as probeEngine } from '@bitloom/wasm';

/** Features that choose between two emitted forms of a kernel; both give the same bits, but for float32 products. */
export interface Features {
  /** Relaxed SIMD, with the deterministic result of `i16x8.relaxed_dot_i8x16_i7x16_s` for 7-bit operands. */
  readonly relaxedSimd: boolean;
}

/** What this engine can do. In Node 20 this turns relaxed SIMD on for the process. */
export function probeFeatures(): Features {
  const { relaxedSimd } = probeEngine();
  return { relaxedSimd };
}
