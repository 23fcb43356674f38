/** Turns the plan of an entry into steps over addresses: constants loaded, values placed, operands resolved. */
import { formatType, internalError } from '@bitloom/ir';
import type { Kernels } from '@bitloom/kernels';
import type { ConstantStore } from './constants.js';
import { constantRows, type Frame, type RowCount } from './frame.js';
import type { HostNode } from './host-graph.js';
import {
  type CodeOperand,
  type FloatOperand,
  hostOperation,
  type Step,
  type StepSite,
} from './operations.js';
import type { EntryPlan, PlannedValue } from './plan.js';
import type { StateBuffer } from './states.js';
import { unsupportedNode } from './unsupported.js';

/** What the entries of one engine share. */
export interface EngineMemory {
  readonly kernels: Kernels;
  readonly constants: ConstantStore;
  readonly states: ReadonlyMap<string, StateBuffer>;
  readonly frame: Frame;
  /** Address of the workspace. */
  readonly workspace: number;
}

/** An entry ready to run: set the frame, write the ids, call the steps. */
export interface CompiledEntry {
  /** Everything, in order. */
  readonly steps: readonly Step[];
  /** Only what the states need: enough for all but the last chunk of a prompt. */
  readonly stateSteps: readonly Step[];
  /** Address of the int32 ids. */
  readonly ids: number;
  /** Fixed number of tokens per call, or `tokens`. */
  readonly tokens: number | 'tokens';
  readonly logits: FloatOperand;
  /** Whether there is a row of logits per token. */
  readonly logitsOfAll: boolean;
}

/** @throws BitloomError `host-op-unsupported`, and what loading a constant throws. */
export function compileEntry(plan: EntryPlan, memory: EngineMemory): CompiledEntry {
  const steps: Step[] = [];
  const stateSteps: Step[] = [];
  plan.graph.nodes.forEach((node, index) => {
    const step = hostOperation(node).step(stepSite(node, plan.scratch[index], plan, memory));
    steps.push(step);
    if (node.feedsState) stateSteps.push(step);
  });
  const ids = requireValue(plan, plan.graph.ids);
  const logits = requireValue(plan, plan.graph.logits);
  return {
    steps,
    stateSteps,
    ids: memory.workspace + ids.offset,
    tokens: ids.rows,
    logits: floatOperand(logits, memory),
    logitsOfAll: logits.rows === ids.rows,
  };
}

function requireValue(plan: EntryPlan, name: string): PlannedValue {
  const value = plan.values.get(name);
  if (value === undefined) throw internalError(`the plan has no place for value '${name}'`);
  return value;
}

function rowsOf(value: PlannedValue, frame: Frame): RowCount {
  return value.rows === 'tokens' ? frame : constantRows(value.rows);
}

function floatOperand(value: PlannedValue, memory: EngineMemory): FloatOperand {
  const { rowBytes, cols, offset } = value;
  return { pointer: memory.workspace + offset, rowBytes, cols, rows: rowsOf(value, memory.frame) };
}

function codeOperand(value: PlannedValue, memory: EngineMemory): CodeOperand {
  return { ...floatOperand(value, memory), scales: memory.workspace + value.scalesOffset };
}

function stepSite(node: HostNode, scratch: number, plan: EntryPlan, memory: EngineMemory): StepSite {
  const { graph, limits } = plan;
  const { kernels, constants, states, frame } = memory;
  const identity = { name: node.name, op: node.op };
  const planned = (name: string, kind: PlannedValue['kind']): PlannedValue => {
    const value = plan.values.get(name);
    if (value?.kind === kind) return value;
    const type = graph.types.get(name);
    throw unsupportedNode(
      identity,
      `'${name}' as a computed value of type ${kind}`,
      type === undefined ? 'nothing' : formatType(type),
    );
  };
  const constantFloat = (name: string): FloatOperand => {
    const { pointer, shape } = constants.float(name, identity);
    const cols = shape[shape.length - 1];
    // One row serves every row of the other operand.
    if (shape.length === 1) return { pointer, rowBytes: 0, cols, rows: constantRows(1) };
    return { pointer, rowBytes: cols * 4, cols, rows: constantRows(shape[0]) };
  };
  const isConstant = (name: string): boolean => !plan.values.has(name) && !graph.stateOf.has(name);
  return {
    node: node.source,
    identity,
    kernels,
    frame,
    limits,
    scratch: memory.workspace + scratch,
    operands: node.inputs.length,
    float(index) {
      const name = node.inputs[index];
      return isConstant(name) ? constantFloat(name) : floatOperand(planned(name, 'f32'), memory);
    },
    codes: (index) => codeOperand(planned(node.inputs[index], 'int8'), memory),
    ids(index) {
      const value = planned(node.inputs[index], 'i32');
      return { pointer: memory.workspace + value.offset, rows: rowsOf(value, frame) };
    },
    state(index) {
      const name = node.inputs[index];
      const state = states.get(graph.stateOf.get(name) ?? name);
      if (state === undefined)
        throw unsupportedNode(identity, `'${name}' as a state of this call`, 'another value');
      return state;
    },
    isQuantized: (index) => graph.types.get(node.inputs[index])?.kind === 'quantized',
    isGroupTable: (index) => constants.isTable(requireConstant(node, index, isConstant)),
    floatConstant: (index) => constants.float(requireConstant(node, index, isConstant), identity),
    blockConstant: (index) => constants.blocks(requireConstant(node, index, isConstant), identity),
    tableConstant: (index) => constants.table(requireConstant(node, index, isConstant), identity),
    floatResult: () => floatOperand(planned(node.output, 'f32'), memory),
    codeResult: () => codeOperand(planned(node.output, 'int8'), memory),
    idResult() {
      const value = planned(node.output, 'i32');
      return { pointer: memory.workspace + value.offset, rows: rowsOf(value, frame) };
    },
  };
}

function requireConstant(node: HostNode, index: number, isConstant: (name: string) => boolean): string {
  const name = node.inputs[index];
  if (isConstant(name)) return name;
  throw unsupportedNode(node, `operand ${index} a constant of the model`, `'${name}', which is computed`);
}
