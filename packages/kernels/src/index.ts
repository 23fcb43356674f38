/**
 * `@bitloom/kernels`: tensor arithmetic over one shared memory. A slow reference defines every result; the
 * WebAssembly backend gives the same bits at machine speed.
 */
export { Arena, type ArenaOptions } from './arena.js';
export { createKernels, type KernelOptions } from './create.js';
export * from './kernels.js';
export * from './reference/onnx-integer.js';
export { type RopeScaling, ropeFrequencies, ropeTable } from './rotary.js';
