/**
 * One core in the event loop: its dispatcher, its in-order queues and units, its tokens and ports. It says when its
 * next instruction can start and executes it when told; which core goes first, and when an exchange starts, is
 * decided outside.
 *
 * The start of the head of a queue depends on the unit, on tokens and on writes of the unit itself, which change only
 * at known moments, and on ports. So it is kept, and reckoned again at those moments; what ports add to it is
 * looked up when the head is chosen, since ports only ever get later.
 */
import { type Device, QUEUES } from '@bitloom/ir';
import type { CompiledInstruction, Environment } from '../compiled-stream.js';
import { BufferPorts } from './buffer-ports.js';
import { AT_END, Dispatcher } from './dispatcher.js';
import { CONSTANT } from './expression-table.js';
import { type InstructionShape, MOST_ACCESSES } from './instruction-shape.js';
import type { MemoryChannels } from './memory-channels.js';
import type { PeriodWalk } from './period-walk.js';
import type { PreparedStream, StreamMemory } from './prepared-stream.js';
import type { RunTotals } from './run-totals.js';
import { TokenRings } from './token-rings.js';
import type { TraceRecorder } from './trace-recorder.js';
import { WritesInFlight } from './writes-in-flight.js';

const N = QUEUES.length;
const EXCHANGE = QUEUES.indexOf('exchange');
const NEVER = Number.POSITIVE_INFINITY;

/** Causes by their index in STALL_CAUSES; 0 is no stall. */
const TOKEN = 1;
const PORT = 3;
const DISPATCH = 4;
const BARRIER = 5;

/** Where `blockedOn` points when it is no queue. */
const ON_DRAIN = N;
const ON_NOTHING = N + 1;

/** One instruction as it starts. */
export interface StartedInstruction {
  readonly core: number;
  readonly instruction: CompiledInstruction;
  /** Lengths, number of the core, loop variables and registers it was dispatched with. */
  readonly environment: Environment;
  /** Cycle of its start, and from which its results are visible. */
  readonly start: number;
  readonly completed: number;
}

/** Told of every instruction as it starts, in the order of time. */
export type StartObserver = (started: StartedInstruction) => void;

/** What cores of a run share. */
export interface RunContext {
  readonly device: Device;
  readonly channels: readonly MemoryChannels[];
  readonly totals: RunTotals;
  readonly recorder: TraceRecorder | undefined;
  /** Cycle of the whole session at which this run begins, for the trace. */
  readonly origin: number;
  readonly observer: StartObserver | undefined;
}

/** Cycles of each unit of a core by cause, by queue index. */
export class UnitCycles {
  readonly busy = new Float64Array(N);
  readonly token = new Float64Array(N);
  readonly memory = new Float64Array(N);
  readonly bufferPort = new Float64Array(N);
  readonly dispatch = new Float64Array(N);
  readonly barrier = new Float64Array(N);
  readonly idle = new Float64Array(N);
}

export class CoreClock {
  readonly core: number;
  readonly cycles = new UnitCycles();
  readonly dispatcher: Dispatcher;
  /** Earliest start of all heads but exchanges, and its queue; exact up to ports. */
  earliest = NEVER;
  earliestQueue = 0;
  /** Cycle from which this core is ready for the exchange at the head of its queue, up to ports; infinity without. */
  exchangeAt = NEVER;

  private readonly context: RunContext;
  private readonly stream: PreparedStream;
  private readonly memory: StreamMemory;
  private readonly tokens: TokenRings;
  private readonly ports: BufferPorts;
  private readonly depth: number;

  // Queues: ring buffers of `depth` slots each, slot q * depth + i.
  private readonly head = new Int32Array(N);
  private readonly count = new Int32Array(N);
  private readonly pcs: Int32Array;
  private readonly readyAt: Float64Array;
  private readonly dispatchSince: Float64Array;
  private readonly restartRow: Int32Array;
  /** What each counts, see {@link PeriodWalk}. */
  private readonly weights: Float64Array;
  private readonly shapes: InstructionShape[] = [];
  private readonly accessStarts: Float64Array;
  private readonly environments: Environment[] = [];
  private queued = 0;

  // Units: cycle from which the next can start, when all before are complete, when a queue entry was last taken.
  private readonly free = new Float64Array(N);
  private readonly completed = new Float64Array(N);
  private readonly takenAt = new Float64Array(N);
  private readonly writes = QUEUES.map(() => new WritesInFlight());
  /** Start of each head up to ports, and the parts of it that tokens and writes of the unit make. */
  private readonly start = new Float64Array(N).fill(NEVER);
  private readonly tokenAt = new Float64Array(N);
  private readonly interlockAt = new Float64Array(N);
  // Trace rows: last of each unit, and the one that took the last queue entry.
  private readonly lastRow = new Int32Array(N).fill(-1);

  private pending = AT_END;
  private blockedOn = ON_NOTHING;

  constructor(
    context: RunContext,
    core: number,
    stream: PreparedStream,
    memory: StreamMemory,
    env: Environment,
    walk?: PeriodWalk,
  ) {
    const { device } = context;
    this.context = context;
    this.core = core;
    this.stream = stream;
    this.memory = memory;
    this.depth = Math.max(1, device.dispatcher.queueDepth);
    this.dispatcher = new Dispatcher(stream, env, device.dispatcher, walk);
    // A call begins when the one before it has ended.
    this.dispatcher.restartRow = context.recorder?.latest ?? -1;
    this.tokens = new TokenRings(device.tokens);
    this.ports = new BufferPorts(device.buffers);
    const slots = N * this.depth;
    this.pcs = new Int32Array(slots);
    this.readyAt = new Float64Array(slots);
    this.dispatchSince = new Float64Array(slots);
    this.restartRow = new Int32Array(slots);
    this.weights = new Float64Array(slots);
    this.accessStarts = new Float64Array(slots * MOST_ACCESSES);
    this.blockedOn = ON_NOTHING;
    this.pending = this.dispatcher.next();
    this.fill();
    this.scan();
  }

  /** Whether the stream is at its end and every queue empty. */
  get isDone(): boolean {
    return this.pending === AT_END && this.queued === 0;
  }

  /** Cycle at which everything so far is over. */
  get end(): number {
    let end = this.dispatcher.free;
    for (let q = 0; q < N; q++) end = Math.max(end, this.completed[q], this.free[q]);
    return end;
  }

  /** Counts what is left until the end of the run as idle. */
  finish(end: number): void {
    for (let q = 0; q < N; q++) this.cycles.idle[q] += end - this.free[q];
  }

  /** Exact start of the earliest head; when ports make it later than {@link earliest}, that is corrected. */
  confirm(): boolean {
    const q = this.earliestQueue;
    const at = this.ports.freeFrom(this.headShape(q).claimBuffers, this.earliest);
    if (at === this.earliest) return true;
    this.start[q] = at;
    this.scan();
    return false;
  }

  /** The same for the exchange: the cycle from which this core is ready, ports included. */
  confirmExchange(): number {
    this.exchangeAt = this.ports.freeFrom(this.headShape(EXCHANGE).claimBuffers, this.exchangeAt);
    return this.exchangeAt;
  }

  /** Row after which this core was ready for its exchange, see {@link blocker}. */
  exchangeBlocker(): number {
    return this.blocker(EXCHANGE, this.exchangeAt, this.exchangeAt > this.free[EXCHANGE] ? TOKEN : 0);
  }

  /** Cycles until all parts have arrived at this core. */
  get exchangeLatency(): number {
    const { latency, interval, portCycles } = this.headShape(EXCHANGE);
    return Math.max(latency, interval) + Math.max(0, portCycles - interval);
  }

  executeEarliest(): void {
    this.execute(this.earliestQueue, this.earliest, this.earliest, 0, -1);
  }

  /**
   * Executes the exchange at cycle `at`. It is complete at `doneAt` on all cores, since what a core gives must stay
   * until the last one has it.
   * @param lastBlocker trace row that the last core waited for
   */
  executeExchange(at: number, doneAt: number, lastBlocker: number): void {
    this.execute(EXCHANGE, at, this.exchangeAt, doneAt, lastBlocker);
  }

  /** What waits in the queues, for an error. */
  waiting(): string[] {
    return QUEUES.flatMap((queue, q) => {
      if (this.count[q] === 0) return [];
      const source = this.stream.source.instructions[this.pcs[q * this.depth + this.head[q]]];
      const isReady = q === EXCHANGE && this.exchangeAt < NEVER;
      const cause = isReady ? 'the other cores' : source.wait.join(', ');
      return [`${source.name} on ${queue} waits for ${cause} (core ${this.core})`];
    });
  }

  private headShape(q: number): InstructionShape {
    return this.shapes[q * this.depth + this.head[q]];
  }

  /** Finds the earliest head again. */
  private scan(): void {
    let best = 0;
    let earliest = NEVER;
    for (let q = 0; q < N; q++) {
      if (this.start[q] < earliest) {
        earliest = this.start[q];
        best = q;
      }
    }
    this.earliest = earliest;
    this.earliestQueue = best;
  }

  /** Hands over instructions until a queue is full, or units must drain, or the stream ends. */
  private fill(): void {
    const { dispatcher } = this;
    for (;;) {
      if (this.pending >= 0) {
        const q = this.stream.queue[this.pending];
        if (this.count[q] >= this.depth) {
          this.blockedOn = q;
          return;
        }
        this.push(this.pending, q);
      } else if (this.pending === AT_END) {
        this.blockedOn = ON_NOTHING;
        return;
      } else {
        if (this.queued > 0) {
          this.blockedOn = ON_DRAIN;
          return;
        }
        this.passBarrier();
      }
      this.pending = dispatcher.next();
    }
  }

  private passBarrier(): void {
    let last = 0;
    for (let q = 1; q < N; q++) if (this.completed[q] > this.completed[last]) last = q;
    this.dispatcher.passBarrier(this.completed[last], this.lastRow[last]);
  }

  private push(pc: number, q: number): void {
    const { dispatcher, depth } = this;
    const at = Math.max(dispatcher.free, this.takenAt[q]);
    dispatcher.handOver(at, this.lastRow[q]);
    let place = this.head[q] + this.count[q];
    if (place >= depth) place -= depth;
    const slot = q * depth + place;
    const { stream } = this;
    const { values } = dispatcher;
    const shape = stream.shape(pc, values, this.memory);
    this.pcs[slot] = pc;
    this.readyAt[slot] = at;
    this.dispatchSince[slot] = dispatcher.workingSince;
    this.restartRow[slot] = dispatcher.restartRow;
    this.shapes[slot] = shape;
    this.weights[slot] = dispatcher.weight;
    this.context.totals.add(shape, stream.origin[pc], dispatcher.weight);
    if (stream.isInterlocked[q] === 1) {
      for (let i = 0; i < shape.located.length; i++) this.locate(slot, pc, shape, shape.located[i]);
    } else if (shape.memory >= 0) {
      this.locate(slot, pc, shape, shape.memoryAccess);
    }
    if (this.context.observer !== undefined) this.environments[slot] = dispatcher.env.slice();
    this.queued++;
    this.count[q]++;
    if (this.count[q] === 1) this.newHead(q);
  }

  /** First byte of an access, as addresses are now. */
  private locate(slot: number, pc: number, shape: InstructionShape, access: number): void {
    const { stream } = this;
    const at = stream.addressFirst[pc] + shape.fields[access];
    const node = stream.addressNodes[at];
    const moved = node === CONSTANT ? 0 : this.dispatcher.values.value(node);
    this.accessStarts[slot * MOST_ACCESSES + access] =
      stream.addressConstants[at] + moved + shape.shifts[access];
  }

  /** Reckons the start of an instruction that has come to the head of its queue. */
  private newHead(q: number): void {
    if (this.count[q] === 0) {
      this.start[q] = NEVER;
      if (q === EXCHANGE) this.exchangeAt = NEVER;
      return;
    }
    const slot = q * this.depth + this.head[q];
    this.interlockAt[q] = this.interlock(q, slot);
    this.reckon(q, slot);
  }

  private reckon(q: number, slot: number): void {
    const pc = this.pcs[slot];
    const tokenAt = this.tokenTime(q, pc);
    this.tokenAt[q] = tokenAt;
    const at = Math.max(this.free[q], this.readyAt[slot], tokenAt, this.interlockAt[q]);
    if (q === EXCHANGE) {
      const isExchange = this.stream.isExchange[pc] === 1;
      this.exchangeAt = isExchange ? at : NEVER;
      this.start[q] = isExchange ? NEVER : at;
    } else {
      this.start[q] = at;
    }
  }

  private tokenTime(q: number, pc: number): number {
    let at = 0;
    const count = this.stream.tokenCount[pc];
    for (let mask = this.stream.waits[pc]; mask !== 0; mask &= mask - 1) {
      const arrival = this.tokens.arrival(31 - Math.clz32(mask & -mask), q, count);
      if (arrival > at) at = arrival;
    }
    return at;
  }

  /**
   * A unit is pipelined and ends instructions in order: one that reads what an earlier one of the unit still writes waits
   * for it, one that only writes there does not.
   */
  private interlock(q: number, slot: number): number {
    const writes = this.writes[q];
    if (writes.isEmpty) return 0;
    const shape = this.shapes[slot];
    const first = slot * MOST_ACCESSES;
    let at = 0;
    for (let i = 0; i < shape.accessCount; i++) {
      if (shape.interlocks[i] === 0) continue;
      const start = this.accessStarts[first + i];
      at = Math.max(at, writes.lastOn(shape.spaces[i], start, start + shape.spans[i]));
    }
    return at;
  }

  /**
   * @param ownReady when the core itself was ready: before `start` only where an exchange waits for other cores
   * @param notBefore cycle before which it is not complete
   */
  private execute(
    q: number,
    start: number,
    ownReady: number,
    notBefore: number,
    exchangeBlocker: number,
  ): void {
    const { context, stream, depth } = this;
    const slot = q * depth + this.head[q];
    const shape = this.shapes[slot];
    const pc = this.pcs[slot];
    const { recorder } = context;
    const waited = start - this.free[q];
    const weight = this.weights[slot];
    const cause = waited > 0 ? this.attributeGap(q, slot, start, ownReady) : 0;
    const isLate = start > ownReady;
    const blocker =
      recorder === undefined ? -1 : isLate ? exchangeBlocker : this.blocker(q, start, waited > 0 ? cause : 0);

    this.head[q] = this.head[q] + 1 === depth ? 0 : this.head[q] + 1;
    this.count[q]--;
    this.queued--;
    this.takenAt[q] = start;
    const tokenCount = stream.tokenCount[pc];
    for (let mask = stream.waits[pc]; mask !== 0; mask &= mask - 1) {
      this.tokens.take(31 - Math.clz32(mask & -mask), q, tokenCount);
    }

    let { interval, latency } = shape;
    let busy = interval;
    let stalled = 0;
    if (shape.memory >= 0) {
      const { runs } = shape;
      runs.start = this.accessStarts[slot * MOST_ACCESSES + shape.memoryAccess];
      const time = context.channels[shape.memory].serve(runs, start, shape.isStore);
      const passed = Math.max(interval, time.end - start);
      // Rounded up alone, but not behind the request before it: never more than what passed.
      busy = Math.min(passed, Math.max(interval, time.alone));
      interval = passed;
      stalled = interval - busy;
      this.cycles.memory[q] += weight * stalled;
      latency = interval + time.latency;
    }
    if (shape.portCycles > interval) {
      const more = shape.portCycles - interval;
      this.cycles.bufferPort[q] += weight * more;
      stalled += more;
      latency += more;
      interval = shape.portCycles;
    }
    if (latency < interval) latency = interval;
    this.cycles.busy[q] += weight * busy;
    context.totals.worked(q, stream.origin[pc], weight * busy);

    const free = start + interval;
    this.free[q] = free;
    // Completion is in order: a token never overtakes the instructions before it.
    const completed = Math.max(this.completed[q], start + latency, notBefore);
    this.completed[q] = completed;
    let row = -1;
    if (recorder !== undefined) {
      const { origin } = context;
      row = recorder.record(
        this.core,
        q,
        origin + start,
        origin + free,
        waited,
        cause,
        stalled,
        stream.origin[pc],
        stream.opcode[pc],
        blocker,
      );
      if (shape.memory >= 0) {
        const channels = context.channels[shape.memory];
        recorder.moved(shape.memory, origin + start, origin + free, shape.memoryBytes, channels);
      }
    }
    this.lastRow[q] = row;
    this.ports.take(shape.claimBuffers, free, row);
    if (stream.isInterlocked[q] === 1) this.keepWrites(q, slot, shape, free, completed);
    this.giveTokens(q, pc, completed, tokenCount, row);
    if (context.observer !== undefined) {
      const environment = this.environments[slot];
      const { instruction } = stream.source.steps[pc];
      context.observer({ core: this.core, instruction, environment, start, completed });
    }
    this.newHead(q);
    if (this.blockedOn === q || (this.blockedOn === ON_DRAIN && this.queued === 0)) this.fill();
    this.scan();
  }

  private keepWrites(
    q: number,
    slot: number,
    shape: InstructionShape,
    free: number,
    completed: number,
  ): void {
    const writes = this.writes[q];
    writes.settle(free);
    if (completed <= free || !shape.hasWrites) return;
    const first = slot * MOST_ACCESSES;
    for (let i = 0; i < shape.accessCount; i++) {
      if (shape.writes[i] === 0 || shape.spans[i] <= 0) continue;
      const start = this.accessStarts[first + i];
      writes.add(shape.spaces[i], start, start + shape.spans[i], completed);
    }
  }

  private giveTokens(q: number, pc: number, completed: number, count: number, row: number): void {
    for (let mask = this.stream.releases[pc]; mask !== 0; mask &= mask - 1) {
      const to = 31 - Math.clz32(mask & -mask);
      this.tokens.give(q, to, completed, count, row);
      // The queue's own next head is reckoned later; another one's only if it waits for tokens.
      if (to !== q && this.count[to] > 0 && this.tokenAt[to] === NEVER) {
        this.reckon(to, to * this.depth + this.head[to]);
      }
    }
  }

  /** Says why the unit stood still between its last instruction and this one; gives the main cause. */
  private attributeGap(q: number, slot: number, start: number, ownReady: number): number {
    const { cycles, dispatcher } = this;
    const ready = this.readyAt[slot];
    let at = this.free[q];
    let stop = Math.min(start, dispatcher.lastBarrier);
    let [idle, token, port, dispatch, barrier] = [0, 0, 0, 0, 0];
    if (stop > at) {
      barrier = stop - at;
      at = stop;
    }
    // Before the dispatcher's unbroken run there was nothing to do; during it, decoding held the unit up.
    stop = Math.min(start, ready, this.dispatchSince[slot]);
    if (stop > at) {
      idle = stop - at;
      at = stop;
    }
    stop = Math.min(start, ready);
    if (stop > at) {
      dispatch = stop - at;
      at = stop;
    }
    stop = Math.min(start, Math.max(this.tokenAt[q], this.interlockAt[q]));
    if (stop > at) {
      token = stop - at;
      at = stop;
    }
    if (ownReady > at) {
      port = ownReady - at;
      at = ownReady;
    }
    if (start > at) barrier += start - at;
    const weight = this.weights[slot];
    cycles.idle[q] += weight * idle;
    cycles.token[q] += weight * token;
    cycles.bufferPort[q] += weight * port;
    cycles.dispatch[q] += weight * dispatch;
    cycles.barrier[q] += weight * barrier;
    const most = Math.max(idle, token, port, dispatch, barrier);
    if (idle === most) return 0;
    if (token === most) return TOKEN;
    if (port === most) return PORT;
    return dispatch === most ? DISPATCH : BARRIER;
  }

  /**
   * Trace row whose end, or for a dispatcher that had stopped whose start, made a start as late as it is; -1 when
   * only the dispatcher's own work did.
   */
  private blocker(q: number, start: number, cause: number): number {
    const slot = q * this.depth + this.head[q];
    if (this.free[q] === start && cause === 0 && this.lastRow[q] >= 0) return this.lastRow[q];
    const pc = this.pcs[slot];
    if (this.tokenAt[q] === start) {
      const count = this.stream.tokenCount[pc];
      for (let mask = this.stream.waits[pc]; mask !== 0; mask &= mask - 1) {
        const from = 31 - Math.clz32(mask & -mask);
        if (this.tokens.arrival(from, q, count) === start) return this.tokens.giver(from, q, count);
      }
    }
    if (this.interlockAt[q] === start) return this.lastRow[q];
    if (this.readyAt[slot] < start) {
      const holder = this.ports.holderUntil(this.shapes[slot].claimBuffers, start);
      if (holder >= 0) return holder;
    }
    return this.restartRow[slot];
  }
}
