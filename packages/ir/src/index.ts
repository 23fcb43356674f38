/**
 * `@bitloom/ir`: the contract every room shares. Plain types, tables, verifiers and text dumps.
 * Schemas live behind `./schema`, files behind `./node`.
 */

export * from './device/cards.js';
export * from './device/chain.js';
export * from './device/device.js';
export * from './device/dram.js';
export * from './device/dram-standards.js';
export * from './device/print-device.js';
export * from './error.js';
export * from './expression.js';
export * from './expression-limits.js';
export * from './hash.js';
export * from './model/bands.js';
export * from './model/element-format.js';
export * from './model/graph.js';
export { isGroupIntegers } from './model/group-integers.js';
export * from './model/numerics.js';
export * from './model/ops.js';
export * from './model/print-model.js';
export * from './model/sections.js';
export * from './model/tensor-scheme.js';
export * from './model/types.js';
export * from './model/verify-model.js';
export * from './plain-data.js';
export * from './program/access-runs.js';
export * from './program/decode.js';
export * from './program/disassemble.js';
export * from './program/encode.js';
export * from './program/expand-stream.js';
export {
  createExpressionPool,
  decodeExpressionPool,
  type ExpressionPool,
} from './program/expression-pool.js';
export * from './program/instruction-fields.js';
export * from './program/instruction-reference.js';
export * from './program/instruction-set.js';
export * from './program/loop-structure.js';
export * from './program/matrix-operands.js';
export * from './program/print-program.js';
export * from './program/program.js';
export * from './program/timing.js';
export * from './program/vector-functions.js';
export * from './program/verify-program.js';
export * from './report/print-report.js';
export * from './report/report.js';
export * from './report/trace.js';
