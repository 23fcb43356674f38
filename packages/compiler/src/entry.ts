/**
 * One entry function as an instruction stream. Tokens go through the whole network chunk by chunk: a chunk's
 * activations never leave the chip. What needs only the last token (the head of `prefill`) comes behind the
 * chunk loop, once.
 */
import {
  add,
  BitloomError,
  ceilDivide,
  type Device,
  type Expression,
  type Frame,
  floorDivide,
  formatType,
  type GraphFunction,
  type GraphNode,
  type Instruction,
  internalError,
  type Model,
  maximum,
  minimum,
  modulo,
  multiply,
  type Port,
  type ProgramEntry,
  type Provenance,
  type QueueName,
  subtract,
  symbol,
  TRANSFER_KINDS,
} from '@bitloom/ir';
import { alternate, type Move, StepwiseTurns } from './alternation.js';
import type { Allocation } from './data-buffer.js';
import { wholeValue } from './divided-values.js';
import { attentionScratch, emitAttention } from './emit-attention.js';
import { emitLinear, type Product } from './emit-linear.js';
import { emitPieces, piecesBehind } from './emit-pieces.js';
import { emitQuantize } from './emit-quantize.js';
import { emitStateAppend } from './emit-state-append.js';
import { VECTOR_EMITTERS } from './emit-vector.js';
import { Emitter, type EntryPlan, type Floats, type MicroBatch, microBatch, type Ring } from './emitter.js';
import { fusePairs, type Grouping, groupNodes } from './fusion.js';
import type { MemoryImage } from './image.js';
import { dataAddress, runs, touchData, touchRegion } from './operands.js';
import { CORE, demandedColumns } from './partition.js';
import { type ResolvedItem, TokenPass } from './tokens.js';

type OpEmitter = (emitter: Emitter, node: GraphNode) => void;

const EMITTERS: ReadonlyMap<string, OpEmitter> = new Map<string, OpEmitter>([
  ...VECTOR_EMITTERS,
  ['quantize', emitQuantize],
  ['linear', emitLinear],
  ['stateAppend', emitStateAppend],
  ['attention', emitAttention],
]);

const ACTIVATIONS_KIND = TRANSFER_KINDS.indexOf('activations');

export interface EntryContext {
  readonly model: Model;
  readonly device: Device;
  readonly image: MemoryImage;
  readonly capacity: number;
  readonly provenance: Provenance[];
  readonly provenanceIndex: Map<string, number>;
  /** Told which share of the nodes of an entry has been emitted, a plan after the other. */
  readonly onEmitted?: ((share: number) => void) | undefined;
}

/** Splits nodes into those every token needs and those only the last token needs. */
function splitAtLast(nodes: readonly GraphNode[]): {
  each: readonly GraphNode[];
  last: readonly GraphNode[];
} {
  const lastValues = new Set<string>();
  const each: GraphNode[] = [];
  const last: GraphNode[] = [];
  for (const node of nodes) {
    const isLast = node.op === 'takeLast' || node.inputs.some((name) => lastValues.has(name));
    (isLast ? last : each).push(node);
    if (isLast) for (const output of node.outputs) lastValues.add(output);
  }
  return { each, last };
}

/** Index of the last node that reads each value. */
function lastReaders(nodes: readonly GraphNode[], outputs: readonly string[]): Map<string, number> {
  const out = new Map<string, number>();
  nodes.forEach((node, i) => {
    for (const name of node.inputs) out.set(name, i);
  });
  for (const name of outputs) out.set(name, nodes.length);
  return out;
}

class EntryBuilder {
  private readonly emitter: Emitter;
  private readonly fn: GraphFunction;
  private readonly ctx: EntryContext;
  private readonly nodes: readonly GraphNode[];
  private readonly readers: Map<string, number>;
  private readonly eachCount: number;
  private readonly grouping: Grouping;
  private readonly batches: readonly [MicroBatch, ...MicroBatch[]];
  readonly outputs: Port[] = [];

  constructor(
    ctx: EntryContext,
    fn: GraphFunction,
    plan: EntryPlan,
    batches: readonly [MicroBatch, ...MicroBatch[]],
  ) {
    this.ctx = ctx;
    this.fn = fn;
    this.batches = batches;
    const { each, last } = splitAtLast(plan.spills ? fn.nodes : fusePairs(fn));
    this.nodes = [...each, ...last];
    this.readers = lastReaders(this.nodes, fn.outputs);
    this.emitter = new Emitter({
      ...ctx,
      plan,
      batch: batches[0],
      widestRow: widestParameter(ctx.model, this.nodes),
      demanded: demandedColumns(this.nodes, ctx.model.states, ctx.device.cores),
      shared: sharedBytes(this.nodes, ctx, plan),
    });
    this.eachCount = each.length;
    const { groupBarriers } = ctx.device.dispatcher;
    if (plan.spills) this.grouping = 'node';
    else if (groupBarriers) this.grouping = 'product';
    else this.grouping = batches.length > 1 ? 'alternating' : 'block';
  }

  /** Nodes of one part of the entry from node `first` on, frame by frame, as drafts. */
  private part(first: number, end: number, batches: readonly [MicroBatch, ...MicroBatch[]]): void {
    const groups = groupNodes(this.nodes.slice(first, end), this.grouping);
    const [ahead, behind] = batches;
    if (this.grouping === 'alternating' && behind !== undefined) {
      for (const move of alternate(groups, first, [ahead, behind])) this.emitMove(move);
      return;
    }
    let at = first;
    for (const group of groups) {
      for (const batch of batches) {
        this.emitter.batch = batch;
        this.emitter.openGroup(batches.length > 1 ? `${group.name}#${batch.index}` : group.name, group.layer);
        this.emitGroup(group.nodes, at);
      }
      at += group.nodes.length;
    }
  }

  /** Nodes from position `first` on, with ops behind products in pieces where that pays. */
  private emitGroup(nodes: readonly GraphNode[], first: number): void {
    const { emitter } = this;
    for (let i = 0; i < nodes.length; i++) {
      const consumer = nodes[i + 1];
      const pieces = piecesBehind(emitter, nodes[i], consumer);
      if (pieces === 1) {
        this.emitNode(nodes[i], first + i);
        continue;
      }
      this.emitNode(nodes[i], first + i, emitPieces(emitter, nodes[i], consumer, pieces));
      i++;
      this.emitNode(consumer, first + i, { finish: () => {} });
    }
  }

  /** A group of one micro-batch, and what goes into its pauses. */
  private emitMove({ turn, within }: Move): void {
    const { emitter } = this;
    const { group, first, batch } = turn;
    const others = new StepwiseTurns(emitter, within, (node, position, product) => {
      this.emitNode(node, position, product);
    });
    emitter.batch = batch;
    emitter.openGroup(`${group.name}#${batch.index}`, group.layer);
    if (within.length > 0) emitter.filler = others.fill;
    group.nodes.forEach((node, i) => {
      this.emitNode(node, first + i);
    });
    emitter.filler = undefined;
    others.finish();
  }

  /** @param emitted what is left of the node, where the rest of it is emitted already */
  private emitNode(node: GraphNode, position: number, emitted?: Pick<Product, 'finish'>): void {
    const emit = EMITTERS.get(node.op);
    if (emit === undefined) {
      throw new BitloomError({
        code: 'compiler-op-unsupported',
        message: `the op '${node.op}' has no instruction on this path`,
        where: `node '${node.name}'`,
        expected: [...EMITTERS.keys()].join(', '),
        got: node.op,
        hint: 'run the model on the host (--device host)',
      });
    }
    this.ctx.onEmitted?.(position / this.nodes.length);
    this.emitter.at(node);
    for (const name of new Set(node.inputs)) this.emitter.fetchSpilled(name);
    if (emitted === undefined) emit(this.emitter, node);
    else emitted.finish();
    this.storeOutputs(node);
    this.release(position);
    for (const name of node.outputs) this.emitter.spill(name);
  }

  /** What the epilogue reads lies on every core: it takes one row, which only one core may have. */
  private joinRows(): void {
    for (const batch of this.batches) {
      this.emitter.batch = batch;
      for (const [name, value] of [...batch.values])
        if (value.kind === 'f32' && value.rowsPerCore !== undefined) wholeValue(this.emitter, name);
    }
  }

  /**
   * Hands what the chunk loop leaves on chip to the epilogue. Of several micro-batches only one holds the last token:
   * its address is that of the first one, plus the distance between them times the number of the batch.
   *
   * @returns row of the last token in a value of the epilogue
   */
  private gatherLast(epilogue: MicroBatch, lastRow: Expression): Expression {
    const [first, second] = this.batches;
    for (const [name, value] of first?.values ?? []) {
      if (second === undefined || value.kind !== 'f32') {
        epilogue.values.set(name, value);
        continue;
      }
      const parts = this.batches.map((batch) => batch.values.get(name)).filter((v) => v?.kind === 'f32');
      const allocation = hull(parts);
      const perBatch = second.lengths.maxRows;
      const distances = parts.map((part) => part.allocation.start - value.allocation.start);
      const distance = distances[1] ?? 0;
      if (distances.some((d, i) => d !== i * distance))
        throw internalError('micro-batches are not evenly apart');
      const batch = floorDivide(lastRow, perBatch);
      const offset = add(
        value.allocation.start - allocation.start,
        multiply(distance - perBatch * value.rowBytes, batch),
      );
      epilogue.values.set(name, { ...value, allocation, offset });
    }
    return lastRow;
  }

  /** Frees what no later node reads. An alias shares its allocation, so free by allocation. */
  private release(position: number): void {
    const needed = new Set(
      [...this.emitter.values]
        .filter(([name]) => (this.readers.get(name) ?? -1) > position)
        .map(([, v]) => v.allocation),
    );
    for (const [name, value] of this.emitter.values) {
      if (needed.has(value.allocation)) continue;
      this.emitter.data.free(value.allocation);
      if (value.kind === 'codes') this.emitter.data.free(value.scales);
      this.emitter.values.delete(name);
    }
  }

  private storeOutputs(node: GraphNode): void {
    for (const name of node.outputs) {
      if (!this.fn.outputs.includes(name)) continue;
      const divided = this.emitter.floatValue(name);
      const value = divided.rowsPerCore === undefined ? divided : wholeValue(this.emitter, name);
      const { rows } = this.emitter.lengths;
      // Outside of the chunk loop there is one token: that of a single-token entry, or the last one.
      const isLast = this.emitter.loopDepth === 0;
      const bytes = (isLast ? 1 : this.ctx.capacity) * value.cols * 4;
      const region = this.ctx.image.mailbox(`${this.fn.name}.${name}`, 'output', bytes);
      const own = this.emitter.partOf(value);
      const { perCore } = value;
      // Of a value that all cores hold, the first one stores it.
      const storing =
        perCore === undefined && this.emitter.cores > 1 ? maximum(0, subtract(1, CORE)) : undefined;
      const load = runs(
        region,
        add(
          multiply(value.cols * 4, isLast ? 0 : this.emitter.batch.start),
          perCore === undefined ? 0 : multiply(4 * perCore, CORE),
        ),
        dataAddress(value.allocation, value.offset),
        {
          length: storing === undefined ? multiply(4, own.cols) : multiply(value.cols * 4, storing),
          count1: rows,
          srcStride1: value.cols * 4,
          dstStride1: value.rowBytes,
        },
        ACTIVATIONS_KIND,
      );
      const fields = {
        ...load,
        src: load.dst ?? 0,
        dst: load.src ?? 0,
        srcStride1: value.rowBytes,
        dstStride1: value.cols * 4,
      };
      this.emitter.push(
        this.emitter.draft('ST', 'store', fields, [
          touchData(value.allocation, false),
          touchRegion(region, true),
        ]),
      );
      if (this.outputs.some((port) => port.name === name)) continue;
      this.outputs.push({
        name,
        region: region.name,
        dtype: 'f32',
        shape: [isLast ? 1 : symbol('seq'), value.cols],
      });
    }
  }

  /**
   * @param chunks trips of the loop over chunks; undefined: no loop
   * @param lastRow row of the last token among those of its chunk
   * @param epilogue the last token by itself
   */
  build(
    chunks: Expression | undefined,
    epilogue: MicroBatch,
    lastRow: Expression,
  ): { items: ResolvedItem[]; peak: number } {
    const { emitter } = this;
    const ringPairs = new Set(
      [emitter.weights, emitter.stream].flatMap((r) => [
        `${r.producer}>${r.consumer}`,
        `${r.consumer}>${r.producer}`,
      ]),
    );
    const pass = (): ResolvedItem[] => new TokenPass({ ringPairs }).run(emitter.takeDrafts());
    const items: ResolvedItem[] = [];
    emitter.setOrigin('entry', 'system', -1, this.fn.name);
    items.push(...credits(emitter.weights), ...credits(emitter.stream));
    if (chunks !== undefined) {
      items.push(control('LOOP', { variable: 0, trips: chunks }));
      emitter.loopDepth = 1;
      this.part(0, this.eachCount, this.batches);
      this.joinRows();
      items.push(...pass(), control('BARRIER', {}), control('END', {}));
      emitter.loopDepth = 0;
      emitter.lastRow = this.gatherLast(epilogue, lastRow);
      this.part(this.eachCount, this.nodes.length, [epilogue]);
      items.push(...pass());
    } else {
      emitter.lastRow = lastRow;
      this.part(0, this.nodes.length, this.batches);
      items.push(...pass());
    }
    items.push(...drain(emitter.weights), ...drain(emitter.stream), control('HALT', {}));
    return { items, peak: emitter.data.peak() };
  }
}

/** Bytes that micro-batches take turns with: what attention needs beside its operands, and staging, which lies there too. */
function sharedBytes(nodes: readonly GraphNode[], ctx: EntryContext, plan: EntryPlan): number {
  const { capacity, device } = ctx;
  const maxRows = plan.chunk / plan.microBatches;
  const attention = nodes
    .filter(({ op }) => op === 'attention')
    .map((node) => {
      const on = { capacity, cores: device.cores, plan, maxRows };
      const { sets, scores, probabilities, scales } = attentionScratch(node, on);
      return sets * [scores, probabilities, scales].reduce((sum, bytes) => sum + roundUp(bytes, 64), 0);
    });
  return Math.max(0, ...attention);
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

function hull(parts: readonly Floats[]): Allocation {
  const start = Math.min(...parts.map(({ allocation }) => allocation.start));
  const end = Math.max(...parts.map(({ allocation }) => allocation.start + allocation.bytes));
  return { name: parts[0]?.allocation.name ?? '', start, bytes: end - start };
}

function control(name: string, fields: Instruction['fields']): ResolvedItem {
  return {
    kind: 'emitted',
    instruction: { name, queue: 'system', wait: [], release: [], fields, origin: 0 },
  };
}

/** All slots of a ring are free when an entry starts... */
function credits(ring: Ring): ResolvedItem[] {
  return [sync(ring.consumer, [], [ring.producer], ring.slots)];
}

/** ...and the producer takes the tokens back before it ends, so that every counter is zero between entries. */
function drain(ring: Ring): ResolvedItem[] {
  return [sync(ring.producer, [ring.consumer], [], ring.slots)];
}

function sync(queue: QueueName, wait: QueueName[], release: QueueName[], count: number): ResolvedItem {
  return {
    kind: 'emitted',
    instruction: { name: 'SYNC', queue, wait, release, fields: { count }, origin: 0 },
  };
}

function widestParameter(model: Model, nodes: readonly GraphNode[]): number {
  const read = new Set(nodes.flatMap((node) => node.inputs));
  let widest = 64;
  for (const constant of model.constants) {
    const dim = constant.type.shape[0];
    if (
      read.has(constant.name) &&
      constant.type.kind === 'dense' &&
      constant.type.shape.length === 1 &&
      typeof dim === 'number'
    )
      widest = Math.max(widest, dim * 4);
  }
  return widest;
}

/** Whether every call of an entry brings one token: `seq` is bound to 1, or the inputs have a constant length of 1. */
export function takesOneToken(fn: GraphFunction): boolean {
  return (
    fn.bindings.seq === 1 || (fn.inputs.length > 0 && fn.inputs.every(({ type }) => type.shape[0] === 1))
  );
}

function oneToken(): MicroBatch {
  const past = symbol('past');
  return microBatch(0, 0, { rows: 1, maxRows: 1, position: past, context: add(past, 1) });
}

/** The micro-batches of a chunk; the last ones of the last chunk may be short, or have no token. */
function chunkBatches({ chunk, microBatches }: EntryPlan): [MicroBatch, ...MicroBatch[]] {
  const [past, seq] = [symbol('past'), symbol('seq')];
  const size = chunk / microBatches;
  const batchAt = (index: number): MicroBatch => {
    const start = add(multiply(chunk, symbol('i0')), index * size);
    const left = minimum(size, subtract(seq, start));
    return microBatch(index, start, {
      rows: index === 0 ? left : maximum(0, left),
      maxRows: size,
      position: add(past, start),
      context: add(past, minimum(seq, add(start, size))),
    });
  };
  const [first, ...rest] = Array.from({ length: microBatches }, (_, index) => batchAt(index));
  if (first === undefined) throw internalError('a chunk without tokens');
  return [first, ...rest];
}

/** Lengths of an entry: fixed at one token, or a loop over chunks of `chunk` tokens. */
export function buildEntry(
  ctx: EntryContext,
  fn: GraphFunction,
  plan: EntryPlan,
): ProgramEntry & { readonly dataPeak: number } {
  for (const { name, type } of fn.inputs) {
    if (type.kind === 'dense' && type.dtype === 'i32' && type.shape.length === 1) continue;
    throw new BitloomError({
      code: 'compiler-input-unsupported',
      message: 'entries take token ids only',
      where: `entry '${fn.name}', input '${name}'`,
      expected: 'i32[seq] or i32[1]',
      got: formatType(type),
    });
  }
  const isSingle = takesOneToken(fn);
  const past = symbol('past');
  const seq = symbol('seq');
  const epilogue = microBatch(0, subtract(seq, 1), {
    rows: 1,
    maxRows: 1,
    position: subtract(add(past, seq), 1),
    context: add(past, seq),
  });
  const builder = new EntryBuilder(ctx, fn, plan, isSingle ? [oneToken()] : chunkBatches(plan));
  const chunks = isSingle ? undefined : ceilDivide(seq, plan.chunk);
  const lastRow = isSingle ? 0 : modulo(subtract(seq, 1), plan.chunk);
  const { items, peak } = builder.build(chunks, epilogue, lastRow);
  const { instructions, frames } = flatten(items);
  const ids = fn.inputs.map(
    (input): Port => ({
      name: input.name,
      region: input.name,
      dtype: 'i32',
      shape: [isSingle ? 1 : seq],
    }),
  );
  const max = ctx.capacity;
  return {
    name: fn.name,
    inputs: ids,
    outputs: builder.outputs,
    symbols: [
      { name: 'seq', min: 1, max: isSingle ? 1 : max, perSlot: true },
      { name: 'past', min: 0, max: max - 1, perSlot: true },
    ],
    streams: [
      ctx.device.cores === 1 ? { core: 0, instructions } : { core: 0, cores: ctx.device.cores, instructions },
    ],
    frames,
    dataPeak: peak,
  };
}

/** Lays items out in one stream and records frames with the token counters that hold at their entry. */
function flatten(items: readonly ResolvedItem[]): { instructions: Instruction[]; frames: Frame[] } {
  const instructions: Instruction[] = [];
  const frames: Frame[] = [];
  const counters = new Map<string, number>();
  const count = (key: string, by: number): void => {
    counters.set(key, (counters.get(key) ?? 0) + by);
  };
  const close = (): void => {
    const open = frames[frames.length - 1];
    if (open !== undefined && open.count < 0)
      frames[frames.length - 1] = { ...open, count: instructions.length - open.first };
  };
  for (const item of items) {
    if (item.kind === 'frame') {
      close();
      const held = [...counters].filter(([, value]) => value !== 0).sort(([a], [b]) => (a < b ? -1 : 1));
      frames.push({
        name: item.name,
        layer: item.layer,
        tile: '',
        core: 0,
        first: instructions.length,
        count: -1,
        entryTokens: Object.fromEntries(held),
        live: item.live,
        entryPrefetch: [],
        exitPrefetch: [],
        relocations: [],
      });
      instructions.push({
        name: 'FRAME',
        queue: 'system',
        wait: [],
        release: [],
        fields: { frame: frames.length - 1 },
        origin: 0,
      });
      continue;
    }
    const { instruction } = item;
    // A frame ends at the barrier behind the chunk loop's body and at HALT; inner loops belong to it.
    if (instruction.name === 'HALT' || instruction.name === 'BARRIER') close();
    const amount =
      instruction.name === 'SYNC' && typeof instruction.fields.count === 'number'
        ? Math.max(1, instruction.fields.count)
        : 1;
    for (const from of instruction.wait) count(`${from}>${instruction.queue}`, -amount);
    for (const to of instruction.release) count(`${instruction.queue}>${to}`, amount);
    instructions.push(instruction);
  }
  close();
  return { instructions, frames };
}
