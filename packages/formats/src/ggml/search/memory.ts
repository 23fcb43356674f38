/** Where the emitted searches keep things: byte offsets in their memory. Values of four groups lie side by side. */
export const SEARCH_MEMORY = {
  /** Results, four float32 each: scales, and what is subtracted. */
  scales: 0,
  minimums: 16,
  /** Up to 32 vectors each: values, weights, codes under trial, best codes (all float32). */
  values: 1024,
  weights: 2048,
  trial: 3072,
  codes: 4096,
} as const;
