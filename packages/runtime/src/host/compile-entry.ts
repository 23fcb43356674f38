/** Turns the plan of an entry into steps over addresses: constants loaded, values placed, operands resolved. */
import { formatType, internalError } from '@bitloom/ir';
import type { Arena } from '@bitloom/kernels';
import { constantRows, type Frame, type RowCount } from './frame.js';
import type { HostNode } from './host-graph.js';
import {
  type CodeOperand,
  type FloatOperand,
  hostOperation,
  type Passage,
  type Step,
  type StepSite,
} from './operations.js';
import type { EntryPlan, PlannedValue } from './plan.js';
import type { Shard } from './shard.js';
import type { StateLayout } from './states.js';
import { unsupportedNode } from './unsupported.js';

/** What the entries of one model share. */
export interface ModelMemory {
  /** One per memory, in the order of the plan's shards. */
  readonly shards: readonly Pick<Shard, 'kernels' | 'constants' | 'workspace'>[];
  readonly states: ReadonlyMap<string, StateLayout>;
  readonly frame: Frame;
}

/** An entry ready to run: set the frame, write the ids, call the steps. */
export interface CompiledEntry {
  /** Everything, in order. */
  readonly steps: readonly Step[];
  /** Only what the states need: enough for all but the last chunk of a prompt. */
  readonly stateSteps: readonly Step[];
  /** Where the int32 ids go; `pointer` in bytes. */
  readonly ids: { readonly arena: Arena; readonly pointer: number };
  /** Tokens of one sequence per call: any number, or one. */
  readonly tokens: 'tokens' | 1;
  /** float32 rows of logits. */
  readonly logits: FloatOperand & { readonly arena: Arena };
  /** Whether there is a row of logits per token, and not only one per sequence. */
  readonly logitsOfAll: boolean;
}

/** @throws BitloomError `host-op-unsupported`, and what loading a constant throws. */
export function compileEntry(plan: EntryPlan, memory: ModelMemory): CompiledEntry {
  const steps: Step[] = [];
  const stateSteps: Step[] = [];
  plan.graph.nodes.forEach((node, index) => {
    const step = compileNode(plan, index, memory);
    steps.push(step);
    if (node.feedsState) stateSteps.push(step);
  });
  const ids = requireValue(plan, plan.graph.ids);
  const logits = requireValue(plan, plan.graph.logits);
  return {
    steps,
    stateSteps,
    ids: { arena: arenaOf(ids, memory), pointer: addressOf(ids, memory) },
    tokens: ids.rows === 'tokens' ? 'tokens' : 1,
    logits: { ...floatOperand(logits, memory), arena: arenaOf(logits, memory) },
    logitsOfAll: logits.rows === ids.rows,
  };
}

/** The step of one node; its constants are loaded on the way. Throws as {@link compileEntry}. */
export function compileNode(plan: EntryPlan, index: number, memory: ModelMemory): Step {
  const node = plan.graph.nodes[index];
  return hostOperation(node).step(stepSite(node, plan.scratch[index], plan, memory));
}

function requireValue(plan: EntryPlan, name: string): PlannedValue {
  const value = plan.values.get(name);
  if (value === undefined) throw internalError(`the plan has no place for value '${name}'`);
  return value;
}

function arenaOf(value: PlannedValue, memory: ModelMemory): Arena {
  return memory.shards[value.shard].kernels.arena;
}

function addressOf(value: PlannedValue, memory: ModelMemory): number {
  return memory.shards[value.shard].workspace + value.offset;
}

function rowsOf(value: PlannedValue, { tokens, sequences }: Frame): RowCount {
  if (value.rows === 'tokens') return tokens;
  return value.rows === 'sequences' ? sequences : constantRows(value.rows);
}

function floatOperand(value: PlannedValue, memory: ModelMemory): FloatOperand {
  const { rowBytes, cols } = value;
  const rows = rowsOf(value, memory.frame);
  // One row that all sequences share serves every row of the other operand.
  return { pointer: addressOf(value, memory), rowBytes: value.rows === 1 ? 0 : rowBytes, cols, rows };
}

function codeOperand(value: PlannedValue, memory: ModelMemory): CodeOperand {
  const scales = memory.shards[value.shard].workspace + value.scalesOffset;
  return { ...floatOperand(value, memory), rowBytes: value.rowBytes, scales };
}

function passage(value: PlannedValue, memory: ModelMemory): Passage {
  const { rowBytes, rows, pointer, scales } = codeOperand(value, memory);
  return {
    arena: arenaOf(value, memory),
    rowBytes,
    rows,
    pointer,
    scales: value.kind === 'int8' ? scales : 0,
  };
}

function stepSite(node: HostNode, scratch: number, plan: EntryPlan, memory: ModelMemory): StepSite {
  const { graph, limits } = plan;
  const { states, frame } = memory;
  const { kernels, constants, workspace } = memory.shards[node.shard];
  const identity = { name: node.name, op: node.op };
  const planned = (name: string, kind: PlannedValue['kind']): PlannedValue => {
    const value = plan.values.get(name);
    if (value?.kind === kind) {
      if (value.shard === node.shard) return value;
      throw internalError(`node '${node.name}' runs in another memory than '${name}'`);
    }
    const type = graph.types.get(name);
    throw unsupportedNode(
      identity,
      `'${name}' as a computed value of type ${kind}`,
      type === undefined ? 'nothing' : formatType(type),
    );
  };
  const perToken = (value: PlannedValue, name: string): PlannedValue => {
    if (value.rows === requireValue(plan, graph.ids).rows) return value;
    throw unsupportedNode(identity, `'${name}' with a row per token of the call`, `${value.rows} rows`);
  };
  const constantFloat = (name: string): FloatOperand => {
    const { pointer, shape } = constants.float(name, identity);
    const cols = shape[shape.length - 1];
    // One row serves every row of the other operand.
    if (shape.length === 1 || shape[0] === 1) return { pointer, rowBytes: 0, cols, rows: constantRows(1) };
    return { pointer, rowBytes: cols * 4, cols, rows: constantRows(shape[0]) };
  };
  const isConstant = (name: string): boolean => !plan.values.has(name) && !graph.stateOf.has(name);
  return {
    node: node.source,
    identity,
    kernels,
    frame,
    limits,
    scratch: workspace + scratch,
    operands: node.inputs.length,
    float(index) {
      const name = node.inputs[index];
      return isConstant(name) ? constantFloat(name) : floatOperand(planned(name, 'f32'), memory);
    },
    tokenRows(index) {
      const name = node.inputs[index];
      return floatOperand(perToken(planned(name, 'f32'), name), memory);
    },
    codes: (index) => codeOperand(planned(node.inputs[index], 'int8'), memory),
    ids(index) {
      const value = planned(node.inputs[index], 'i32');
      return { pointer: addressOf(value, memory), rows: rowsOf(value, frame) };
    },
    state(index) {
      const name = node.inputs[index];
      const state = states.get(graph.stateOf.get(name) ?? name);
      if (state === undefined)
        throw unsupportedNode(identity, `'${name}' as a state of this call`, 'another value');
      if (state.shard === node.shard) return state;
      throw internalError(`node '${node.name}' runs in another memory than state '${state.name}'`);
    },
    isQuantized: (index) => graph.types.get(node.inputs[index])?.kind === 'quantized',
    isGroupTable: (index) => constants.isTable(requireConstant(node, index, isConstant)),
    floatConstant: (index) => constants.float(requireConstant(node, index, isConstant), identity),
    blockConstant: (index) => constants.blocks(requireConstant(node, index, isConstant), identity),
    tableConstant: (index) => constants.table(requireConstant(node, index, isConstant), identity),
    floatResult: () => floatOperand(planned(node.output, 'f32'), memory),
    codeResult: () => codeOperand(planned(node.output, 'int8'), memory),
    idResult: () => ({ pointer: addressOf(perToken(planned(node.output, 'i32'), node.output), memory) }),
    passage: () => ({
      from: passage(requireValue(plan, node.inputs[0]), memory),
      to: passage(requireValue(plan, node.output), memory),
    }),
  };
}

function requireConstant(node: HostNode, index: number, isConstant: (name: string) => boolean): string {
  const name = node.inputs[index];
  if (isConstant(name)) return name;
  throw unsupportedNode(node, `operand ${index} a constant of the model`, `'${name}', which is computed`);
}
