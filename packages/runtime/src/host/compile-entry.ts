/** Turns the plan of an entry into steps over addresses: constants loaded, values placed, operands resolved. */
import { formatType, internalError } from '@bitloom/ir';
import type { Arena } from '@bitloom/kernels';
import { constantRows, type Frame, type RowCount } from './frame.js';
import type { HostNode } from './host-graph.js';
import {
  type CodeOperand,
  type FloatOperand,
  hostOperation,
  type MemoryRegion,
  type Step,
  type StepSite,
} from './operations.js';
import type { EntryPlan, PlannedValue } from './plan.js';
import type { Shard } from './shard.js';
import type { StateLayout } from './states.js';
import { transferStep } from './transfer.js';
import { unsupportedNode } from './unsupported.js';

/** What the entries of one model share. */
export interface ModelMemory {
  readonly shards: readonly ShardMemory[];
  readonly states: ReadonlyMap<string, StateLayout>;
  readonly frame: Frame;
}

/** What compiling needs of one memory of the model. */
export type ShardMemory = Pick<Shard, 'kernels' | 'constants' | 'workspace'>;

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

/**
 * @param shards index of the memory that each node of the plan runs in
 * @throws BitloomError `host-op-unsupported`, and what loading a constant throws.
 */
export function compileEntry(plan: EntryPlan, shards: readonly number[], memory: ModelMemory): CompiledEntry {
  const { graph } = plan;
  const idsShard = shards[graph.nodes.findIndex((node) => node.inputs.includes(graph.ids))] ?? 0;
  const all = new StepList(plan, idsShard, memory);
  const forStates = new StepList(plan, idsShard, memory);
  graph.nodes.forEach((node, index) => {
    const step = compileNode(plan, index, shards[index], memory);
    all.add(node, shards[index], step);
    if (node.feedsState) forStates.add(node, shards[index], step);
  });
  const ids = requireValue(plan, graph.ids);
  const logits = requireValue(plan, graph.logits);
  const logitsShard = shards[graph.nodes.findIndex((node) => node.output === graph.logits)] ?? 0;
  const arenaOf = (shard: number): Arena => memory.shards[shard].kernels.arena;
  return {
    steps: all.steps,
    stateSteps: forStates.steps,
    ids: { arena: arenaOf(idsShard), pointer: memory.shards[idsShard].workspace + ids.offset },
    tokens: ids.rows === 'tokens' ? 'tokens' : 1,
    logits: {
      ...floatOperand(logits, memory.shards[logitsShard].workspace, memory.frame),
      arena: arenaOf(logitsShard),
    },
    logitsOfAll: logits.rows === ids.rows,
  };
}

/** A step, and the constant that most of its time goes into reading, if there is such. */
interface CompiledStep {
  readonly run: Step;
  readonly reads?: MemoryRegion;
}

/**
 * The step of one node in one memory; its constants are loaded on the way. Throws as {@link compileEntry}.
 */
export function compileNode(
  plan: EntryPlan,
  index: number,
  shard: number,
  memory: ModelMemory,
): CompiledStep {
  const node = plan.graph.nodes[index];
  const regions: MemoryRegion[] = [];
  const site = stepSite(node, plan.scratch[index], plan, shard, memory, (region) => regions.push(region));
  return { run: hostOperation(node).step(site), reads: regions.at(-1) };
}

/** A step in its memory. */
interface PlacedStep extends CompiledStep {
  readonly shard: number;
}

/**
 * Steps in order, with the copies between memories that their operands need. Each step that reads a large constant says
 * beforehand what the next such step of its memory will read, the last one that of the next call.
 */
class StepList {
  readonly #steps: PlacedStep[] = [];
  readonly #plan: EntryPlan;
  readonly #memory: ModelMemory;
  /** The memories that hold each value so far, the one that made it first. */
  readonly #holders: Map<string, number[]>;

  constructor(plan: EntryPlan, idsShard: number, memory: ModelMemory) {
    this.#plan = plan;
    this.#memory = memory;
    this.#holders = new Map([[plan.graph.ids, [idsShard]]]);
  }

  get steps(): Step[] {
    return this.#steps.map(({ run, reads, shard }, index) => {
      if (reads === undefined) return run;
      const { kernels } = this.#memory.shards[shard];
      const { pointer, bytes } = this.#readAfter(index, shard, reads);
      return () => {
        kernels.willRead(pointer, bytes);
        run();
      };
    });
  }

  #readAfter(index: number, shard: number, own: MemoryRegion): MemoryRegion {
    const others = [...this.#steps.slice(index + 1), ...this.#steps.slice(0, index)];
    return others.find((step) => step.shard === shard && step.reads !== undefined)?.reads ?? own;
  }

  add(node: HostNode, shard: number, step: CompiledStep): void {
    for (const name of node.inputs) {
      const holders = this.#holders.get(name);
      const value = this.#plan.values.get(name);
      if (holders === undefined || value === undefined || holders.includes(shard)) continue;
      const { shards, frame } = this.#memory;
      const run = transferStep(value, rowsOf(value, frame), shards[holders[0]], shards[shard]);
      this.#steps.push({ run, shard });
      holders.push(shard);
    }
    this.#holders.set(node.output, [shard]);
    this.#steps.push({ ...step, shard });
  }
}

function requireValue(plan: EntryPlan, name: string): PlannedValue {
  const value = plan.values.get(name);
  if (value === undefined) throw internalError(`the plan has no place for value '${name}'`);
  return value;
}

function rowsOf(value: PlannedValue, { tokens, sequences }: Frame): RowCount {
  if (value.rows === 'tokens') return tokens;
  return value.rows === 'sequences' ? sequences : constantRows(value.rows);
}

function floatOperand(value: PlannedValue, workspace: number, frame: Frame): FloatOperand {
  const { rowBytes, cols, offset } = value;
  // One row that all sequences share serves every row of the other operand.
  return {
    pointer: workspace + offset,
    rowBytes: value.rows === 1 ? 0 : rowBytes,
    cols,
    rows: rowsOf(value, frame),
  };
}

function codeOperand(value: PlannedValue, workspace: number, frame: Frame): CodeOperand {
  const { rowBytes, scalesOffset } = value;
  return { ...floatOperand(value, workspace, frame), rowBytes, scales: workspace + scalesOffset };
}

function stepSite(
  node: HostNode,
  scratch: number,
  plan: EntryPlan,
  shard: number,
  memory: ModelMemory,
  reads: StepSite['reads'],
): StepSite {
  const { graph, limits } = plan;
  const { states, frame } = memory;
  const { kernels, constants, workspace } = memory.shards[shard];
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
      return isConstant(name) ? constantFloat(name) : floatOperand(planned(name, 'f32'), workspace, frame);
    },
    tokenRows(index) {
      const name = node.inputs[index];
      return floatOperand(perToken(planned(name, 'f32'), name), workspace, frame);
    },
    codes: (index) => codeOperand(planned(node.inputs[index], 'int8'), workspace, frame),
    ids(index) {
      const value = planned(node.inputs[index], 'i32');
      return { pointer: workspace + value.offset, rows: rowsOf(value, frame) };
    },
    state(index) {
      const name = node.inputs[index];
      const state = states.get(graph.stateOf.get(name) ?? name);
      if (state === undefined)
        throw unsupportedNode(identity, `'${name}' as a state of this call`, 'another value');
      if (state.shard === shard) return state;
      throw internalError(`node '${node.name}' runs in another memory than state '${state.name}'`);
    },
    isQuantized: (index) => graph.types.get(node.inputs[index])?.kind === 'quantized',
    isGroupTable: (index) => constants.isTable(requireConstant(node, index, isConstant)),
    isMultiplied: (index) =>
      graph.nodes.some(
        ({ op, inputs }) =>
          op === 'linear' &&
          inputs[1] === node.inputs[index] &&
          graph.types.get(inputs[0])?.kind === 'quantized',
      ),
    floatConstant: (index) => constants.float(requireConstant(node, index, isConstant), identity),
    byteConstant: (index) => constants.bytes(requireConstant(node, index, isConstant), identity),
    blockConstant: (index) => constants.blocks(requireConstant(node, index, isConstant), identity),
    weightBands: (index) =>
      constants.bands(requireConstant(node, index, isConstant)).map(({ name, start }) => {
        const isSparse = constants.isSparse(name);
        const blocks = isSparse ? constants.sparse(name, identity) : constants.blocks(name, identity);
        return { start, isSparse, blocks };
      }),
    tableConstant: (index) => constants.table(requireConstant(node, index, isConstant), identity),
    floatResult: () => floatOperand(planned(node.output, 'f32'), workspace, frame),
    codeResult: () => codeOperand(planned(node.output, 'int8'), workspace, frame),
    reads,
    idResult() {
      const value = perToken(planned(node.output, 'i32'), node.output);
      return { pointer: workspace + value.offset };
    },
  };
}

function requireConstant(node: HostNode, index: number, isConstant: (name: string) => boolean): string {
  const name = node.inputs[index];
  if (isConstant(name)) return name;
  throw unsupportedNode(node, `operand ${index} a constant of the model`, `'${name}', which is computed`);
}
