/**
 * A stream as the event loop reads it: one number per instruction and property, expressions in a table, costs in
 * shapes. Belongs to one device; several cores may run it at once.
 */
import {
  BitloomError,
  type Device,
  type FieldValue,
  type Instruction,
  type InstructionSpec,
  instructionSpec,
  isAddress,
  QUEUES,
  type SpaceName,
} from '@bitloom/ir';
import {
  type EntryStream,
  type Environment,
  refusePage,
  registerSlot,
  SLOT_COUNT,
  SYMBOL_SLOTS,
  variableSlot,
} from '../compiled-stream.js';
import {
  CONSTANT,
  ExpressionTable,
  ExpressionTableBuilder,
  ExpressionValues,
  type TableEntry,
} from './expression-table.js';
import { fieldNames, type InstructionShape } from './instruction-shape.js';
import type { ShapeTable } from './shape-table.js';
import { findPeriod, type StreamPeriod } from './stream-period.js';

export const UNIT = 0;
export const LOOP = 1;
export const END = 2;
export const BARRIER = 3;
export const BASE = 4;
export const FRAME = 5;
export const HALT = 6;

const KINDS: ReadonlyMap<string, number> = new Map([
  ['LOOP', LOOP],
  ['END', END],
  ['BARRIER', BARRIER],
  ['BASE', BASE],
  ['FRAME', FRAME],
  ['HALT', HALT],
]);

const ZERO: TableEntry = { node: CONSTANT, constant: 0 };

const maskOf = (queues: readonly Instruction['queue'][]): number =>
  queues.reduce((bits, queue) => bits | (1 << QUEUES.indexOf(queue)), 0);

/** Entries of the expression table, one behind the other, with the first of each instruction. */
class EntryList {
  readonly first: number[] = [0];
  private readonly nodes: number[] = [];
  private readonly constants: number[] = [];

  /** Adds those of the next instruction. */
  push(entries: readonly TableEntry[]): void {
    for (const { node, constant } of entries) {
      this.nodes.push(node);
      this.constants.push(constant);
    }
    this.first.push(this.nodes.length);
  }

  finish(): { first: Int32Array; nodes: Int32Array; constants: Float64Array } {
    const { first, nodes, constants } = this;
    return {
      first: Int32Array.from(first),
      nodes: Int32Array.from(nodes),
      constants: Float64Array.from(constants),
    };
  }
}

/** What one core remembers of a stream from run to run: the shape it met last at each instruction, and its numbers. */
export class StreamMemory {
  readonly shapes: (InstructionShape | undefined)[];
  readonly numbers: Float64Array;

  constructor(length: number, numbers: number) {
    this.shapes = new Array<InstructionShape | undefined>(length).fill(undefined);
    this.numbers = new Float64Array(numbers).fill(Number.NaN);
  }
}

export class PreparedStream {
  readonly source: EntryStream;
  readonly length: number;
  readonly kind: Uint8Array;
  /** Cycles of the dispatcher. */
  readonly cost: Float64Array;
  readonly encodedBytes: Float64Array;
  /** Queue of a unit's instruction; masks of the queues it takes tokens of and gives tokens to, and how many. */
  readonly queue: Uint8Array;
  readonly waits: Uint8Array;
  readonly releases: Uint8Array;
  readonly tokenCount: Int32Array;
  readonly isExchange: Uint8Array;
  readonly origin: Uint32Array;
  readonly opcode: Uint8Array;
  /** Index of the END of a LOOP, of the LOOP of an END; whether the loop buffer holds the body. */
  readonly target: Int32Array;
  readonly isHeld: Uint8Array;
  /**
   * Whether a queue may read what it writes itself. One that only loads, or only stores, never does: it reads memories
   * and writes buffers, or the other way round; a gather reads its list in a buffer.
   */
  readonly isInterlocked: Uint8Array;
  /** Slot of the variable of a LOOP or the register of a BASE. */
  readonly slot: Int32Array;
  /** One past the largest origin. */
  readonly origins: number;
  /** Address fields of each instruction, in the order of the table: a constant and perhaps a node to add. */
  readonly addressFirst: Int32Array;
  readonly addressNodes: Int32Array;
  readonly addressConstants: Float64Array;
  private readonly expressions: ExpressionTable;
  /** Trips of a LOOP, value of a BASE. */
  private readonly valueNodes: Int32Array;
  private readonly valueConstants: Float64Array;
  /** Varying numbers of each instruction. */
  private readonly varyingFirst: Int32Array;
  private readonly varyingNodes: Int32Array;
  private readonly template: Int32Array;
  private readonly table: ShapeTable;

  /** @throws BitloomError `program-loop` when loops do not nest, `simulator-unsupported` for paged addresses */
  constructor(source: EntryStream, device: Device, table: ShapeTable) {
    const { instructions, registers, encodedLength } = source;
    const { cyclesPerInstruction, cyclesPerOperation, loopBufferInstructions } = device.dispatcher;
    const count = instructions.length;
    this.source = source;
    this.length = count;
    this.table = table;
    this.kind = Uint8Array.from(instructions, ({ name }) => KINDS.get(name) ?? UNIT);
    this.encodedBytes = Float64Array.from(instructions, encodedLength);
    this.queue = Uint8Array.from(instructions, ({ queue }) => QUEUES.indexOf(queue));
    this.waits = Uint8Array.from(instructions, ({ wait }) => maskOf(wait));
    this.releases = Uint8Array.from(instructions, ({ release }) => maskOf(release));
    this.isExchange = Uint8Array.from(instructions, ({ name }) => (name === 'XCH' ? 1 : 0));
    this.origin = Uint32Array.from(instructions, ({ origin }) => origin);
    this.origins = instructions.reduce((most, { origin }) => Math.max(most, origin + 1), 0);
    this.target = loopTargets(instructions);
    this.isInterlocked = interlockedQueues(instructions);
    this.isHeld = Uint8Array.from(this.target, (end, i) =>
      this.kind[i] === LOOP && end - i <= loopBufferInstructions ? 1 : 0,
    );
    this.opcode = new Uint8Array(count);
    this.cost = new Float64Array(count);
    this.tokenCount = new Int32Array(count).fill(1);
    this.slot = new Int32Array(count);
    this.template = new Int32Array(count);
    this.valueNodes = new Int32Array(count).fill(CONSTANT);
    this.valueConstants = new Float64Array(count);

    const written = new Set(instructions.filter(({ name }) => name === 'BASE').map(registerOf));
    const isFixed = (slot: number): boolean =>
      slot < variableSlot(0) || (slot >= registerSlot(0) && !written.has(slot - registerSlot(0)));
    const builder = new ExpressionTableBuilder(SYMBOL_SLOTS, isFixed);
    const [addresses, varying] = [new EntryList(), new EntryList()];
    const names = new Map<InstructionSpec, ReturnType<typeof fieldNames>>();
    for (let pc = 0; pc < count; pc++) {
      const { name, fields } = instructions[pc];
      const spec = instructionSpec(name);
      const own = names.get(spec) ?? fieldNames(spec);
      names.set(spec, own);
      this.opcode[pc] = spec.opcode;
      let operations = 0;
      for (const field in fields) operations += builder.operationCount(offsetOf(fields[field]));
      this.cost[pc] = cyclesPerInstruction + operations * cyclesPerOperation;
      if (name === 'SYNC' && typeof fields.count === 'number')
        this.tokenCount[pc] = Math.max(1, fields.count);
      if (name === 'LOOP' || name === 'BASE') {
        const { node, constant } = builder.add(offsetOf(fields[name === 'LOOP' ? 'trips' : 'value']));
        this.valueNodes[pc] = node;
        this.valueConstants[pc] = constant;
        this.slot[pc] =
          name === 'LOOP'
            ? variableSlot(Number(fields.variable ?? 0))
            : registerSlot(registerOf(instructions[pc]));
      }
      if (this.kind[pc] !== UNIT) {
        addresses.push([]);
        varying.push([]);
        continue;
      }
      const spaces: SpaceName[] = [];
      const channels: number[] = [];
      addresses.push(
        own.addresses.map((field) => {
          const value = fields[field];
          const given = value !== undefined && isAddress(value);
          spaces.push(given ? value.space : 'hbm');
          channels.push(given ? value.channel : 0);
          if (!given) return ZERO;
          refusePage(field, value);
          const fixed = value.register === 0 ? 0 : registers.get(value.register);
          if (fixed === undefined) return builder.addSlot(value.offset, registerSlot(value.register));
          const { node, constant } = builder.add(value.offset);
          return { node, constant: constant + fixed };
        }),
      );
      const moving: TableEntry[] = [];
      const places: number[] = [];
      const numbers = Float64Array.from(own.numbers, (field, place) => {
        const value = fields[field];
        const entry = value === undefined ? ZERO : builder.add(offsetOf(value));
        if (entry.node === CONSTANT) return entry.constant;
        moving.push(entry);
        places.push(place);
        return 0;
      });
      varying.push(moving);
      this.template[pc] = table.template({ spec, numbers, varying: places, spaces, channels });
    }
    this.expressions = new ExpressionTable(builder, SLOT_COUNT);
    const address = addresses.finish();
    this.addressFirst = address.first;
    this.addressNodes = address.nodes;
    this.addressConstants = address.constants;
    const number = varying.finish();
    this.varyingFirst = number.first;
    this.varyingNodes = number.nodes;
  }

  /** Values of the stream's expressions in an environment. */
  valuesIn(env: Environment): ExpressionValues {
    return new ExpressionValues(this.expressions, env);
  }

  /** What repeats in the stream, if anything does; looked for anew at each call. */
  findPeriod(): StreamPeriod | undefined {
    const known = new Map<string, number>();
    const depths = new Uint8Array(this.length);
    let depth = 0;
    const texts = Int32Array.from(this.kind, (kind, pc) => {
      if (kind === END) depth--;
      depths[pc] = depth;
      if (kind === LOOP) depth++;
      const text = this.text(pc);
      const id = known.get(text) ?? known.size;
      known.set(text, id);
      return id;
    });
    return findPeriod(texts, depths);
  }

  /** Origins that stand at the same place in each repetition of a period: what they cost is the same. */
  originGroups({ start, length, count }: StreamPeriod): number[][] {
    const groups = new Map<number, Set<number>>();
    for (let pc = start; pc < start + length; pc++) {
      const group = groups.get(this.origin[pc]) ?? new Set();
      groups.set(this.origin[pc], group);
      for (let k = 0; k < count; k++) group.add(this.origin[pc + k * length]);
    }
    return [...groups.values()].map((group) => [...group]);
  }

  /** All of an instruction that costs of units depend on: everything but addresses and where it comes from. */
  private text(pc: number): string {
    const { kind, queue, waits, releases, tokenCount, slot, template, valueNodes, valueConstants } = this;
    const varying = this.varyingNodes.subarray(this.varyingFirst[pc], this.varyingFirst[pc + 1]);
    return [
      kind[pc],
      queue[pc],
      waits[pc],
      releases[pc],
      tokenCount[pc],
      slot[pc],
      template[pc],
      kind[pc] === LOOP ? valueNodes[pc] : '',
      kind[pc] === LOOP ? valueConstants[pc] : '',
      varying.join(),
    ].join(' ');
  }

  newMemory(): StreamMemory {
    return new StreamMemory(this.length, this.varyingNodes.length);
  }

  /** Trips of a LOOP, value of a BASE. */
  control(pc: number, values: ExpressionValues): number {
    const node = this.valueNodes[pc];
    return node === CONSTANT ? this.valueConstants[pc] : values.value(node);
  }

  /** The shape of the instruction at `pc`. */
  shape(pc: number, values: ExpressionValues, { shapes, numbers }: StreamMemory): InstructionShape {
    const first = this.varyingFirst[pc];
    const end = this.varyingFirst[pc + 1];
    let isSame = true;
    for (let i = first; i < end; i++) {
      const value = values.value(this.varyingNodes[i]);
      if (value === numbers[i]) continue;
      numbers[i] = value;
      isSame = false;
    }
    const last = shapes[pc];
    if (isSame && last !== undefined) return last;
    const shape = this.table.shape(this.template[pc], numbers, first);
    shapes[pc] = shape;
    return shape;
  }
}

function offsetOf(value: FieldValue | undefined): Exclude<FieldValue, { readonly space: SpaceName }> {
  if (value === undefined) return 0;
  return isAddress(value) ? value.offset : value;
}

function registerOf({ fields }: Instruction): number {
  return Number(fields.register ?? 0);
}

function interlockedQueues(instructions: readonly Instruction[]): Uint8Array {
  const loads = QUEUES.map(() => false);
  const stores = QUEUES.map(() => false);
  const others = QUEUES.map(() => false);
  for (const { name, queue, fields } of instructions) {
    const q = QUEUES.indexOf(queue);
    if (name === 'LD' && (fields.gather ?? 0) === 0) loads[q] = true;
    else if (name === 'ST') stores[q] = true;
    else if (name !== 'SYNC') others[q] = true;
  }
  return Uint8Array.from(QUEUES, (_, q) => (others[q] || (loads[q] && stores[q]) ? 1 : 0));
}

/** For each LOOP the index of its END, for each END that of its LOOP. */
function loopTargets(instructions: readonly Instruction[]): Int32Array {
  const target = new Int32Array(instructions.length).fill(-1);
  const open: number[] = [];
  const fail = (message: string, at: number): never => {
    throw new BitloomError({ code: 'program-loop', message, where: `instruction ${at}` });
  };
  instructions.forEach(({ name }, at) => {
    if (name === 'LOOP') open.push(at);
    if (name !== 'END') return;
    const start = open.pop() ?? fail('END without a LOOP', at);
    target[start] = at;
    target[at] = start;
  });
  if (open.length > 0) fail('LOOP without an END', open[open.length - 1]);
  return target;
}
