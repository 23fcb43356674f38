/**
 * `@bitloom/kernels`: tensor arithmetic over one shared memory. A slow reference defines every result; the
 * WebAssembly backend gives the same bits at machine speed.
 */
export { Arena, type ArenaOptions } from './arena.js';
export { createKernels, type KernelOptions } from './create.js';
export type { Features } from './features.js';
export type { AttentionKernels } from './interface/attention.js';
export * from './interface/convolutions.js';
export type { FloatProductKernels } from './interface/float-products.js';
export * from './interface/group-products.js';
export type { Int4RowKernels } from './interface/int4-rows.js';
export * from './interface/integer-products.js';
export * from './interface/l1-norms.js';
export type { RowPartKernels } from './interface/row-parts.js';
export type { SamplingKernels } from './interface/sampling.js';
export type { SparseProductKernels } from './interface/sparse-products.js';
export * from './interface/vectors.js';
export * from './interface/windows.js';
export * from './kernels.js';
export * from './reference/onnx-integer.js';
export { type RopeScaling, ropeFrequencies, ropeTable } from './rotary.js';
