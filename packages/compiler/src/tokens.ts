/**
 * Token insertion: turns drafts into instructions whose waits and releases order every pair of conflicting
 * accesses between queues. Works block by block in program order with vector clocks, so that a token is
 * added only where no chain of earlier tokens already orders the pair.
 *
 * Why the tokens of a queue pair never cross: a consumer waits for the latest producer it needs, and a later
 * consumer of the same queue that needs an earlier producer is already ordered behind it. So waits meet
 * releases first in, first out.
 */
import {
  BitloomError,
  type Instruction,
  internalError,
  QUEUES,
  type QueueName,
  type SpaceName,
} from '@bitloom/ir';
import type { BarrierMark, Draft, FrameMark, InstructionDraft, LoopDraft, Touch } from './draft.js';

const QUEUE_COUNT = QUEUES.length;

function queueIndex(queue: QueueName): number {
  return QUEUES.indexOf(queue);
}

/** A block: one instruction, or one loop. Sequence numbers count blocks. */
interface Block {
  readonly draft: InstructionDraft | LoopDraft;
  readonly sequence: number;
  /** Queues of the block and, for each, the tokens it must wait for and release. */
  readonly waits: Map<QueueName, Set<QueueName>>;
  readonly releases: Map<QueueName, Set<QueueName>>;
}

/** Last accesses of a byte range. */
interface RangeRecord {
  readonly start: number;
  readonly end: number;
  readonly write: boolean;
  readonly queue: number;
  readonly sequence: number;
}

/** Clock of a queue: for each queue, the last block known to be complete before the next block starts. */
type Clock = Int32Array;

function join(into: Clock, from: Clock): void {
  for (let q = 0; q < QUEUE_COUNT; q++) into[q] = Math.max(into[q] ?? -1, from[q] ?? -1);
}

function touchesByQueue(draft: InstructionDraft | LoopDraft): Map<QueueName, Touch[]> {
  const out = new Map<QueueName, Touch[]>();
  for (const instruction of draft.kind === 'loop' ? draft.body : [draft]) {
    const list = out.get(instruction.queue) ?? [];
    list.push(...instruction.touches);
    out.set(instruction.queue, list);
  }
  return out;
}

export interface TokenOptions {
  /** Queue pairs (`from>to`) that rings own; a derived edge on one of them is a bug. */
  readonly ringPairs: ReadonlySet<string>;
}

/** Records of a space above which those that no queue can conflict with any more are looked for. */
const PRUNE_ABOVE = 256;

/** One pass over a straight sequence of drafts. The sequence starts and ends with all queues in step. */
export class TokenPass {
  private readonly records = new Map<SpaceName, RangeRecord[]>();
  private readonly clocks: Clock[] = QUEUES.map(() => new Int32Array(QUEUE_COUNT).fill(-1));
  /** Clock of each block at its completion, by queue and sequence number. */
  private readonly completion = new Map<string, Clock>();
  private readonly blocks = new Map<number, Block>();
  private readonly options: TokenOptions;
  /** Queues of the whole sequence: only they can conflict with an access. */
  private used: ReadonlySet<number> = new Set();
  private sequence = 0;

  constructor(options: TokenOptions) {
    this.options = options;
  }

  /** Adds the edges that a sequence of drafts needs and gives it back as instructions. */
  run(drafts: readonly Draft[]): ResolvedItem[] {
    const items: (Block | FrameMark | BarrierMark)[] = [];
    this.used = new Set(drafts.flatMap(queuesOf));
    for (const draft of drafts) {
      if (draft.kind === 'frame') {
        items.push(draft);
      } else if (draft.kind === 'barrier') {
        items.push(draft);
        this.barrier();
      } else {
        const block: Block = { draft, sequence: this.sequence++, waits: new Map(), releases: new Map() };
        this.blocks.set(block.sequence, block);
        for (const [queue, touches] of touchesByQueue(draft)) this.order(block, queue, touches);
        items.push(block);
      }
    }
    return items.flatMap((item): ResolvedItem[] => {
      if ('sequence' in item) return emitBlock(item);
      return item.kind === 'barrier' ? [emitted(BARRIER)] : [item];
    });
  }

  /** Everything so far is complete before anything goes on. */
  private barrier(): void {
    this.records.clear();
    for (const clock of this.clocks) clock.fill(this.sequence - 1);
  }

  private order(block: Block, queue: QueueName, touches: readonly Touch[]): void {
    const own = queueIndex(queue);
    const clock = this.clocks[own];
    if (clock === undefined) throw internalError('queue without a clock');
    for (const [from, sequence] of this.needed(own, touches, clock)) {
      if ((clock[from] ?? -1) >= sequence) continue;
      this.addEdge(from, sequence, own, block);
      join(clock, this.completionOf(from, sequence));
    }
    const done = clock.slice();
    done[own] = block.sequence;
    clock[own] = block.sequence;
    this.completion.set(`${own}:${block.sequence}`, done);
    for (const touch of touches) this.record(touch, own, block.sequence);
  }

  /** Latest conflicting block of each other queue, the most informative first. */
  private needed(own: number, touches: readonly Touch[], clock: Clock): [number, number][] {
    const latest = new Int32Array(QUEUE_COUNT).fill(-1);
    for (const touch of touches) {
      if (touch.end <= touch.start) continue;
      for (const record of this.records.get(touch.space) ?? []) {
        if (record.queue === own || record.end <= touch.start || record.start >= touch.end) continue;
        if (!record.write && !touch.write) continue;
        latest[record.queue] = Math.max(latest[record.queue] ?? -1, record.sequence);
      }
    }
    const list: [number, number][] = [];
    latest.forEach((sequence, from) => {
      if (sequence >= 0 && (clock[from] ?? -1) < sequence) list.push([from, sequence]);
    });
    // The latest block knows most; what it already implies needs no token of its own.
    list.sort((a, b) => b[1] - a[1]);
    return list.filter(
      ([from, sequence], i) =>
        !list.some(
          ([other, otherSequence], j) =>
            j < i && (this.completionOf(other, otherSequence)[from] ?? -1) >= sequence,
        ),
    );
  }

  private completionOf(queue: number, sequence: number): Clock {
    const clock = this.completion.get(`${queue}:${sequence}`);
    if (clock === undefined) throw internalError(`no completion clock for block ${sequence}`);
    return clock;
  }

  private addEdge(from: number, sequence: number, to: number, consumer: Block): void {
    const [fromName, toName] = [QUEUES[from], QUEUES[to]];
    const producer = this.blocks.get(sequence);
    if (fromName === undefined || toName === undefined || producer === undefined)
      throw internalError('edge of an unknown queue');
    if (producer === consumer) {
      throw internalError(
        `queues ${fromName} and ${toName} touch the same bytes inside of a ${describe(consumer.draft)}: only rings order a body`,
      );
    }
    if (this.options.ringPairs.has(`${fromName}>${toName}`)) {
      throw internalError(
        `a derived dependency falls on the ring pair ${fromName}>${toName}: ${describe(producer.draft)} -> ${describe(consumer.draft)}`,
      );
    }
    insert(producer.releases, fromName, toName);
    insert(consumer.waits, toName, fromName);
  }

  private record(touch: Touch, queue: number, sequence: number): void {
    if (touch.end <= touch.start) return;
    const list = this.records.get(touch.space) ?? [];
    // A write that covers an older access of its own queue, or a read that covers an older read of its own
    // queue, replaces it: whoever conflicts with the old one conflicts with the new one.
    const kept = list.filter(
      (r) =>
        !(r.queue === queue && r.start >= touch.start && r.end <= touch.end && (touch.write || !r.write)),
    );
    kept.push({ start: touch.start, end: touch.end, write: touch.write, queue, sequence });
    this.records.set(touch.space, kept.length > PRUNE_ABOVE ? this.prune(kept) : kept);
  }

  /** Drops accesses that every queue already knows to be complete. */
  private prune(records: RangeRecord[]): RangeRecord[] {
    return records.filter((r) =>
      this.clocks.some(
        (clock, q) => q !== r.queue && this.used.has(q) && (clock[r.queue] ?? -1) < r.sequence,
      ),
    );
  }
}

function queuesOf(draft: Draft): number[] {
  if (draft.kind === 'frame' || draft.kind === 'barrier') return [];
  return draft.kind === 'loop'
    ? draft.body.map((inner) => queueIndex(inner.queue))
    : [queueIndex(draft.queue)];
}

function describe(draft: InstructionDraft | LoopDraft): string {
  return draft.kind === 'loop'
    ? `loop of ${draft.body.map((d) => d.name).join(' ')}`
    : `${draft.name} (origin ${draft.origin})`;
}

function insert(map: Map<QueueName, Set<QueueName>>, key: QueueName, value: QueueName): void {
  const set = map.get(key) ?? new Set<QueueName>();
  set.add(value);
  map.set(key, set);
}

/** What the pass gives back: instructions, and marks left where they were. */
export type ResolvedItem = { readonly kind: 'emitted'; readonly instruction: Instruction } | FrameMark;

const BARRIER: Instruction = {
  name: 'BARRIER',
  queue: 'system',
  wait: [],
  release: [],
  fields: {},
  origin: 0,
};

function emitted(instruction: Instruction): ResolvedItem {
  return { kind: 'emitted', instruction };
}

function ordered(set: Iterable<QueueName>): QueueName[] {
  return [...new Set(set)].sort((a, b) => queueIndex(a) - queueIndex(b));
}

function emitBlock(block: Block): ResolvedItem[] {
  const { draft } = block;
  if (draft.kind === 'instruction') {
    const wait = ordered([...draft.ringWait, ...(block.waits.get(draft.queue) ?? [])]);
    const release = ordered([...draft.ringRelease, ...(block.releases.get(draft.queue) ?? [])]);
    return [emitted(toInstruction(draft, wait, release))];
  }
  const out: ResolvedItem[] = [];
  for (const [queue, from] of block.waits) {
    out.push(
      emitted({ name: 'SYNC', queue, wait: ordered(from), release: [], fields: {}, origin: draft.origin }),
    );
  }
  out.push(
    emitted({
      name: 'LOOP',
      queue: 'system',
      wait: [],
      release: [],
      fields: { variable: draft.variable, trips: draft.trips },
      origin: draft.origin,
    }),
  );
  for (const inner of draft.body)
    out.push(emitted(toInstruction(inner, ordered(inner.ringWait), ordered(inner.ringRelease))));
  out.push(
    emitted({ name: 'END', queue: 'system', wait: [], release: [], fields: {}, origin: draft.origin }),
  );
  for (const [queue, to] of block.releases) {
    out.push(
      emitted({ name: 'SYNC', queue, wait: [], release: ordered(to), fields: {}, origin: draft.origin }),
    );
  }
  return out;
}

function toInstruction(draft: InstructionDraft, wait: QueueName[], release: QueueName[]): Instruction {
  return { name: draft.name, queue: draft.queue, wait, release, fields: draft.fields, origin: draft.origin };
}

/** Guards against a draft that an emitter left without an extent. */
export function checkTouches(draft: InstructionDraft): void {
  for (const touch of draft.touches) {
    if (!Number.isSafeInteger(touch.start) || !Number.isSafeInteger(touch.end) || touch.end < touch.start) {
      throw new BitloomError({
        code: 'internal',
        message: `internal: bad range in ${draft.name}`,
        got: JSON.stringify(touch),
      });
    }
  }
}
