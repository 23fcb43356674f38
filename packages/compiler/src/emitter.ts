/**
 * The emitter collects drafts in program order and owns what they share: rings of on-chip slots, allocated
 * values, provenance and the symbolic lengths of the entry. Op emitters are functions over it.
 */
import {
  add,
  BitloomError,
  type Device,
  type Expression,
  type FieldValue,
  findBuffer,
  type GraphNode,
  internalError,
  type LiveRange,
  maximum,
  minimum,
  modulo,
  multiply,
  type Provenance,
  type QueueName,
  type SpaceName,
  subtract,
  symbol,
  TRANSFER_KINDS,
} from '@bitloom/ir';
import { type Allocation, DataBuffer } from './data-buffer.js';
import type { Draft, InstructionDraft, Touch } from './draft.js';
import { type MemoryImage, regionAddress, ringSlotBytes } from './image.js';
import { dataAddress, touchData, touchRegion } from './operands.js';
import { CORE, columnsPerCore, ownItems } from './partition.js';
import { checkTouches } from './tokens.js';
import { weightSlots } from './weight-ring.js';

/** A float32 value on chip. */
export interface Floats {
  readonly kind: 'f32';
  readonly allocation: Allocation;
  readonly offset: Expression;
  readonly rowBytes: number;
  /** Columns of the whole value. */
  readonly cols: number;
  /** Columns that each core holds, where it holds its own part only. */
  readonly perCore?: number;
  /** Rows that each core holds, where it holds its own rows only. */
  readonly rowsPerCore?: number;
}

/** The columns of a value that one instruction works on. */
export interface FloatColumns {
  readonly allocation: Allocation;
  readonly offset: Expression;
  readonly rowBytes: number;
  readonly cols: Expression;
}

/** A value that is on chip. */
export type Located =
  | Floats
  | {
      readonly kind: 'codes';
      readonly allocation: Allocation;
      readonly scales: Allocation;
      readonly rowBytes: number;
      readonly cols: number;
    };

/** A ring of equal slots in a buffer, filled by one queue and emptied by another. */
export interface Ring {
  readonly space: SpaceName;
  readonly producer: QueueName;
  readonly consumer: QueueName;
  readonly slots: number;
  readonly slotBytes: number;
}

/** How the entry is cut: tokens per chunk, key heads per block, rows of a KV tile. */
export interface EntryPlan {
  readonly name: string;
  /** Most tokens processed at once; 1 uses matrix x vector. */
  readonly chunk: number;
  /** Key heads whose scores are on chip together. */
  readonly headBlock: number;
  /** Nothing is fused: results of nodes, and of each head in attention, go to memory and come back. */
  readonly spills: boolean;
  /** Parts of a chunk whose steps alternate, so that one is on the matrix engine while another is on the vector unit. */
  readonly microBatches: number;
  /** Ranges of the data buffer rest before they are used again, where it is large enough for that. */
  readonly isSpread: boolean;
}

/** Lengths of the part of the entry that is being emitted, as expressions. */
export interface Lengths {
  /** Tokens in flight. */
  readonly rows: Expression;
  /** Most tokens in flight. */
  readonly maxRows: number;
  /** Position of the first token in flight. */
  readonly position: Expression;
  /** Cached tokens once those in flight are appended. */
  readonly context: Expression;
}

/** Emits work of another micro-batch up to a share of it. */
export type Filler = (share: number) => void;

/** Tokens of a chunk that go through the network together; others of the chunk take turns with them on every unit. */
export interface MicroBatch {
  readonly index: number;
  /** Index of its first token within the call. */
  readonly start: Expression;
  readonly lengths: Lengths;
  readonly values: Map<string, Located>;
  /** Tables already fetched for it. */
  readonly fetched: Set<string>;
  /** Values that are consecutive positions: their first position. */
  readonly positionOffsets: Map<string, Expression>;
  /** Value name of an updated state -> state name. */
  readonly stateAliases: Map<string, string>;
}

export function microBatch(index: number, start: Expression, lengths: Lengths): MicroBatch {
  return {
    index,
    start,
    lengths,
    values: new Map(),
    fetched: new Set(),
    positionOffsets: new Map(),
    stateAliases: new Map(),
  };
}

export class Emitter {
  readonly device: Device;
  readonly image: MemoryImage;
  readonly plan: EntryPlan;
  readonly capacity: number;
  readonly data: DataBuffer;
  readonly weights: Ring;
  readonly stream: Ring;
  /** Cores that execute the stream. */
  readonly cores: number;
  private readonly demanded: ReadonlyMap<string, number>;
  /** Tokens that are being worked on. */
  batch: MicroBatch;
  private readonly provenance: Provenance[];
  private readonly provenanceIndex: Map<string, number>;
  private drafts: Draft[] = [];
  private readonly ringPosition = new Map<SpaceName, number>();
  private readonly staging = new Map<string, Allocation>();
  private readonly kept = new Set<Allocation>();
  private origin = 0;
  private node: GraphNode | undefined;
  loopDepth = 0;
  /** Row of the last token among those in flight, where a part of the entry needs only that one. */
  lastRow: Expression = 0;
  /** Bytes of the longest parameter row of the model: what a parameter stage must hold. */
  readonly widestRow: number;
  private readonly turns = new Map<string, number>();
  private readonly hasShared: boolean;
  /** Emits work of another micro-batch at a pause; undefined: there is none. */
  filler: Filler | undefined;

  constructor(options: {
    device: Device;
    image: MemoryImage;
    plan: EntryPlan;
    capacity: number;
    batch: MicroBatch;
    provenance: Provenance[];
    provenanceIndex: Map<string, number>;
    widestRow: number;
    demanded: ReadonlyMap<string, number>;
    shared: number;
  }) {
    this.cores = options.device.cores;
    this.demanded = options.demanded;
    this.widestRow = options.widestRow;
    this.device = options.device;
    this.image = options.image;
    this.plan = options.plan;
    this.capacity = options.capacity;
    this.batch = options.batch;
    this.provenance = options.provenance;
    this.provenanceIndex = options.provenanceIndex;
    const { microBatches, isSpread } = options.plan;
    this.hasShared = microBatches > 1 && options.shared > 0;
    const shared = this.hasShared ? options.shared : 0;
    this.data = new DataBuffer('data', this.bufferBytes('data'), microBatches, isSpread, shared);
    this.weights = this.ring('weights', 'load', weightSlots(this.device));
    this.stream = this.ring('stream', 'fetch', 2);
  }

  get lengths(): Lengths {
    return this.batch.lengths;
  }

  get values(): Map<string, Located> {
    return this.batch.values;
  }

  private ring(space: SpaceName, producer: QueueName, slots: number): Ring {
    this.bufferBytes(space);
    return {
      space,
      producer,
      consumer: 'matrix',
      slots,
      slotBytes: ringSlotBytes(this.device, space, slots),
    };
  }

  bufferBytes(space: SpaceName): number {
    const buffer = findBuffer(this.device, space);
    if (buffer === undefined) {
      throw new BitloomError({
        code: 'compiler-device-unsupported',
        message: `the card '${this.device.name}' has no ${space} buffer`,
        where: `device '${this.device.name}'`,
        expected: `a buffer of space '${space}'`,
        got: this.device.buffers.map((b) => b.space).join(', '),
      });
    }
    return buffer.bytes;
  }

  /** A group begins; on a card whose groups end with barriers, or where nothing is fused, behind one. */
  openGroup(name: string, layer: number): void {
    if (this.plan.spills || this.device.dispatcher.groupBarriers) this.push({ kind: 'barrier' });
    this.push({ kind: 'frame', name, layer, live: this.liveRanges() });
  }

  /** A part of the current node that is a group of its own where groups are fine. */
  openPart(name: string): void {
    if (!this.plan.spills && !this.device.dispatcher.groupBarriers) return;
    const layer = this.node?.layer ?? -1;
    this.openGroup(layer < 0 ? name : `L${layer}.${name}`, layer);
  }

  /** Sends a value to memory, where nothing is fused. */
  spill(name: string): void {
    const value = this.values.get(name);
    if (!this.plan.spills || value === undefined) return;
    for (const allocation of allocationsOf(value)) this.moveSpilled(allocation, false);
  }

  /** Brings a value back before a node reads it, where nothing is fused. */
  fetchSpilled(name: string): void {
    const value = this.values.get(name);
    if (!this.plan.spills || value === undefined) return;
    for (const allocation of allocationsOf(value)) this.moveSpilled(allocation, true);
  }

  /** A range goes to memory and comes back in a group of its own, where nothing is fused. */
  roundTrip(part: string, ...allocations: readonly Allocation[]): void {
    if (this.plan.spills) for (const allocation of allocations) this.moveSpilled(allocation, false);
    this.openPart(part);
    if (this.plan.spills) for (const allocation of allocations) this.moveSpilled(allocation, true);
  }

  /** Each range of the buffer has its place in the scratch memory of its core, so that cores never meet there. */
  private moveSpilled(allocation: Allocation, isBack: boolean): void {
    const region = this.image.scratch(`${this.plan.name}.scratch`, this.bufferBytes('data'));
    const memory = regionAddress(
      region,
      add(region.offset + allocation.start, this.cores === 1 ? 0 : multiply(this.bufferBytes('data'), CORE)),
    );
    const buffer = dataAddress(allocation);
    const fields = {
      dst: isBack ? buffer : memory,
      src: isBack ? memory : buffer,
      length: allocation.bytes,
      count1: 1,
      count2: 1,
      kind: TRANSFER_KINDS.indexOf('activations'),
    };
    this.push(
      this.draft(isBack ? 'LD' : 'ST', isBack ? 'fetch' : 'store', fields, [
        touchData(allocation, isBack),
        touchRegion(region, !isBack),
      ]),
    );
    // The tokens from fetch to the matrix engine belong to the ring of KV tiles: the vector unit passes this one on.
    if (isBack) this.push(this.draft('SYNC', 'vector', { count: 1 }, [touchData(allocation, true)]));
  }

  /** From here on instructions belong to this node; `tile` says which part of it. */
  at(node: GraphNode, tile = ''): void {
    this.node = node;
    this.setOrigin(node.name, node.op, node.layer ?? -1, tile);
  }

  tile(tile: string): void {
    if (this.node === undefined) throw internalError('tile outside of a node');
    this.setOrigin(this.node.name, this.node.op, this.node.layer ?? -1, tile);
  }

  setOrigin(node: string, op: string, layer: number, tile: string): void {
    const key = `${node}\n${op}\n${layer}\n${tile}`;
    const known = this.provenanceIndex.get(key);
    if (known !== undefined) {
      this.origin = known;
      return;
    }
    this.origin = this.provenance.length;
    this.provenanceIndex.set(key, this.origin);
    this.provenance.push({ node, op, layer, tile });
  }

  /** An instruction as a draft, for a loop body. */
  draft(
    name: string,
    queue: QueueName,
    fields: Readonly<Record<string, FieldValue>>,
    touches: readonly Touch[],
    ringTokens: { wait?: QueueName; release?: QueueName } = {},
  ): InstructionDraft {
    const draft: InstructionDraft = {
      kind: 'instruction',
      name,
      queue,
      fields,
      touches,
      ringWait: ringTokens.wait === undefined ? [] : [ringTokens.wait],
      ringRelease: ringTokens.release === undefined ? [] : [ringTokens.release],
      origin: this.origin,
    };
    checkTouches(draft);
    return draft;
  }

  push(...drafts: readonly Draft[]): void {
    this.drafts.push(...drafts);
  }

  /** A counted loop, or its body straight away when it runs exactly once. */
  pushLoop(trips: Expression, body: (iteration: Expression) => readonly InstructionDraft[]): void {
    if (trips === 1) {
      this.push(...body(0));
      return;
    }
    const variable = this.loopDepth;
    if (variable + 1 > this.device.dispatcher.loopDepth) {
      throw new BitloomError({
        code: 'compiler-device-unsupported',
        message: 'the program nests more loops than the dispatcher holds',
        expected: `at most ${this.device.dispatcher.loopDepth}`,
        got: String(variable + 1),
      });
    }
    this.push({ kind: 'loop', variable, trips, body: body(symbol(`i${variable}`)), origin: this.origin });
  }

  /**
   * Here the matrix engine would wait for the vector unit: products of another micro-batch may go in between.
   *
   * @param share of the vector work of this node that has been handed out, 0 to 1
   */
  pause(share: number): void {
    const { filler, batch, node, origin } = this;
    if (filler === undefined) return;
    this.filler = undefined;
    filler(share);
    this.filler = filler;
    this.batch = batch;
    this.node = node;
    this.origin = origin;
  }

  takeDrafts(): Draft[] {
    const out = this.drafts;
    this.drafts = [];
    return out;
  }

  /** Slot of the next `count` uses of a ring; a loop of n iterations uses n * count of them. */
  ringSlots(
    ringOf: Ring,
    count: number,
    trips: Expression,
  ): (iteration: Expression, use: number) => Expression {
    const base = this.ringPosition.get(ringOf.space) ?? 0;
    const used = typeof trips === 'number' ? trips * count : count;
    // A symbolic number of iterations must leave the ring where it was.
    if (typeof trips !== 'number' && count % ringOf.slots !== 0)
      throw internalError('a symbolic loop must use whole turns of its ring');
    this.ringPosition.set(ringOf.space, (base + used) % ringOf.slots);
    return (iteration, use) => {
      // Whole turns per iteration make the slot independent of it.
      const varying = count % ringOf.slots === 0 ? 0 : multiply(count, iteration);
      return multiply(ringOf.slotBytes, modulo(add(varying, base + use), ringOf.slots));
    };
  }

  /** Staging memory that only `fetch` writes; its place is kept for the whole entry. */
  stage(name: string, bytes: number): Allocation {
    const known = this.staging.get(name);
    if (known !== undefined && known.bytes >= bytes) return known;
    if (known !== undefined) throw internalError(`staging '${name}' asked for with two sizes`);
    const allocation = this.data.reserve(name, bytes);
    this.staging.set(name, allocation);
    return allocation;
  }

  /** Staging that is fetched once per chunk and read by every layer: rows of tables, token ids. */
  keptStage(name: string, bytes: number): Allocation {
    const allocation = this.stage(`${name}#${this.batch.index}`, bytes);
    this.kept.add(allocation);
    return allocation;
  }

  /** What a frame that begins here may find on chip: values, and staging that later groups read again. */
  liveRanges(): LiveRange[] {
    const ranges = [...this.data.ranges(), ...this.kept];
    return ranges.map(({ name, start, bytes }) => ({ space: 'data', start, end: start + bytes, name }));
  }

  value(name: string): Located {
    const value = this.values.get(name);
    if (value === undefined) throw internalError(`value '${name}' is not on chip`);
    return value;
  }

  /** 0, 1, 0, 1, ...: which of two stages is next. */
  turn(purpose: string): number {
    const turn = this.turns.get(purpose) ?? 0;
    this.turns.set(purpose, 1 - turn);
    return turn;
  }

  /** The state behind a value name: itself, or what an append updated. */
  stateOf(name: string): string {
    return this.batch.stateAliases.get(name) ?? name;
  }

  /** Table row of the first token in flight when positions start at `offset`. */
  positionPlus(offset: number): Expression {
    return add(this.lengths.position, offset);
  }

  doesNotFit(node: GraphNode, space: SpaceName, needed: number, available: number): BitloomError {
    return new BitloomError({
      code: 'compiler-does-not-fit',
      message: `the ${space} buffer is too small`,
      where: `node '${node.name}'`,
      expected: `${needed} bytes`,
      got: `${available} bytes: short by ${needed - available}`,
      hint: 'use a card with a larger buffer, or a smaller context (--context)',
    });
  }

  floatValue(name: string): Floats {
    const value = this.value(name);
    if (value.kind !== 'f32') throw internalError(`value '${name}' holds codes where floats are needed`);
    return value;
  }

  /** Rows of each core where rows are divided; undefined where they are not: on one core, and for a single token. */
  get rowsPerCore(): number | undefined {
    const { maxRows } = this.lengths;
    return this.cores === 1 || maxRows === 1 ? undefined : Math.ceil(maxRows / this.cores);
  }

  /** Rows of the executing core. */
  ownRows(perCore: number): Expression {
    return maximum(0, minimum(perCore, subtract(this.lengths.rows, multiply(perCore, CORE))));
  }

  /** Columns per core of a value: what its readers demand, or blocks of 16. */
  columnsPerCore(name: string, cols: number): number {
    return this.cores === 1 ? cols : (this.demanded.get(name) ?? columnsPerCore(cols, this.cores));
  }

  /** A range for the tokens that are being worked on. @throws BitloomError `compiler-does-not-fit` */
  allocate(name: string, bytes: number): Allocation {
    return this.data.allocate(name, bytes, this.batch.index + (this.hasShared ? 1 : 0));
  }

  /** A range that micro-batches take turns with. @throws BitloomError `compiler-does-not-fit` */
  allocateShared(name: string, bytes: number): Allocation {
    return this.hasShared
      ? this.data.allocate(name, bytes, this.plan.microBatches)
      : this.allocate(name, bytes);
  }

  /** Room for the rows of the executing core of a float32 value. */
  allocateRows(name: string, cols: number, rowsPerCore: number): Floats {
    const rowBytes = Math.ceil((cols * 4) / 64) * 64;
    const allocation = this.allocate(name, rowsPerCore * rowBytes);
    const located: Floats = { kind: 'f32', allocation, offset: 0, rowBytes, cols, rowsPerCore };
    this.values.set(name, located);
    return located;
  }

  /** Room for a float32 value [rows, cols], or for the part of a core. */
  allocateFloats(name: string, cols: number, perCore?: number): Floats {
    const isPart = perCore !== undefined && this.cores > 1;
    const rowBytes = Math.ceil(((isPart ? perCore : cols) * 4) / 64) * 64;
    const allocation = this.allocate(name, this.lengths.maxRows * rowBytes);
    const located: Floats = {
      kind: 'f32',
      allocation,
      offset: 0,
      rowBytes,
      cols,
      ...(isPart ? { perCore } : {}),
    };
    this.values.set(name, located);
    return located;
  }

  /** The part of the executing core of a value that was just allocated for it, or all of it on one core. */
  partOf({ allocation, offset, rowBytes, cols, perCore }: Floats): FloatColumns {
    return {
      allocation,
      offset,
      rowBytes,
      cols: perCore === undefined ? cols : ownItems(cols, perCore, this.cores),
    };
  }
}

function allocationsOf(value: Located): readonly Allocation[] {
  return value.kind === 'codes' ? [value.allocation, value.scales] : [value.allocation];
}
