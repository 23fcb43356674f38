/**
 * `@bitloom/ir`: the contract every room shares. Plain types, tables, verifiers and text dumps.
 * Schemas live behind `./schema`, files behind `./node`.
 */
export * from './error.js';
export * from './expression.js';
export * from './model/element-format.js';
export * from './model/graph.js';
export * from './model/numerics.js';
export * from './model/ops.js';
export * from './model/types.js';
