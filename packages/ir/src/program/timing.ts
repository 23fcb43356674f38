/**
 * Cycles of each instruction as pure functions of its fields and the device, one file per kind of instruction, so
 * that the compiler's cost model, the simulator and RTL can be held against one definition. Memory and port
 * contention is not here: it depends on what else runs and belongs to the simulator.
 */
export * from './timing/control.js';
export * from './timing/convolution.js';
export * from './timing/exchange.js';
export * from './timing/matrix.js';
export * from './timing/pooling.js';
export * from './timing/transfer.js';
export * from './timing/vector.js';
