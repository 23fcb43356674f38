/**
 * `@bitloom/wasm`: a small WebAssembly encoder (SIMD included) and a disassembler. It knows nothing of tensors.
 */
export { disassemble } from './disassemble.js';
export {
  type Expression,
  f32,
  f32x4,
  i16x8,
  i32,
  i32x4,
  type Local,
  lane,
  load,
  loadLane,
  op,
  select,
  shuffle,
  v128,
} from './expression.js';
export { type ProbeOptions, probeFeatures, type WasmFeatures } from './features.js';
export { FunctionBuilder, type FunctionReference, type Label } from './function-builder.js';
export * from './host.js';
export { ModuleBuilder, type ParameterLocals, type Parameters } from './module-builder.js';
export {
  LANE_LOADS,
  LANE_OPERATORS,
  LANE_STORES,
  type LaneLoadName,
  type LaneOperatorName,
  type LaneStoreName,
  LOADS,
  type LoadName,
  type MemoryOperator,
  OPERATORS,
  type Operator,
  type OperatorName,
  STORES,
  type StoreName,
} from './opcodes.js';
export type { ValueType } from './value-types.js';
