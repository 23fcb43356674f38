/**
 * The timing reading: an event-driven walk of one entry. The dispatcher hands instructions to in-order queues;
 * the unit whose next instruction can start first starts it. No idle cycle is ever stepped.
 *
 * Why starts never go back in time: every candidate's start is at least the start of the event before it, and
 * what an event releases (a token, a queue entry, a channel) is released at or after its own start. So shared
 * channels and ports are served in the order of time.
 */
import { BitloomError, type Device, internalError, type ProgramEntry, QUEUES } from '@bitloom/ir';
import type { CompiledInstruction, Environment, Step } from '../compiled-stream.js';
import { BufferPorts, earliestPorts, takePorts } from './buffer-ports.js';
import { addBytes, addMemoryBytes, type Counters, costOf } from './counters.js';
import { Dispatcher } from './dispatcher.js';
import { MemoryChannels } from './memory-channels.js';
import { type Pending, PendingFactory, type Traffic } from './pending.js';
import { TokenQueues } from './token-queues.js';
import type { TraceRecorder } from './trace-recorder.js';

/** One instruction as it starts. */
export interface StartedInstruction {
  readonly instruction: CompiledInstruction;
  /** Lengths, loop variables and registers it was dispatched with. */
  readonly environment: Environment;
  /** Cycle of its start, and from which its results are visible. */
  readonly start: number;
  readonly completed: number;
}

/** Told of every instruction as it starts, in the order of time. */
export type StartObserver = (started: StartedInstruction) => void;

interface InFlightWrite {
  readonly space: string;
  readonly start: number;
  readonly end: number;
  readonly doneAt: number;
}

interface Unit {
  readonly queue: Pending[];
  head: number;
  /** Cycle from which the next instruction can start, and when all before it are complete. */
  free: number;
  completed: number;
  inFlight: InFlightWrite[];
  /** Head for which `interlock` was computed: it changes only when the unit itself moves on. */
  interlockOf: Pending | undefined;
  interlock: number;
  /** Cycle at which the last queue entry was taken: when a full queue has room again. */
  takenAt: number;
}

/** One card's timing state: channels and ports. Each run starts with everything idle. */
export class TimedCard {
  private readonly device: Device;
  private readonly channels: Map<string, MemoryChannels>;
  private readonly ports: BufferPorts;

  constructor(device: Device) {
    this.device = device;
    this.channels = new Map(
      device.memories.map((memory) => [memory.space, new MemoryChannels(memory, device.clockHz)]),
    );
    this.ports = new BufferPorts(device);
  }

  /**
   * Runs one entry from an idle card and adds what it cost to `counters`.
   * @returns cycles from the first dispatch to the last completion.
   * @throws BitloomError `simulator-deadlock` when an instruction waits for a token that nobody will release.
   */
  run(
    steps: readonly Step[],
    env: Environment,
    counters: Counters,
    recorder: TraceRecorder | undefined,
    entry: ProgramEntry,
    origin: number,
    observer?: StartObserver,
  ): number {
    for (const channels of this.channels.values()) channels.reset();
    this.ports.reset();
    const run = new TimedRun(
      this.device,
      this.channels,
      this.ports,
      steps,
      env,
      counters,
      recorder,
      origin,
      observer,
      entry.name,
    );
    return run.toEnd();
  }
}

class TimedRun {
  private readonly device: Device;
  private readonly channels: Map<string, MemoryChannels>;
  private readonly pending: PendingFactory;
  private readonly env: Environment;
  private readonly counters: Counters;
  private readonly recorder: TraceRecorder | undefined;
  private readonly traceOffset: number;
  private readonly observer: StartObserver | undefined;
  private readonly entryName: string;
  private readonly units: Unit[] = QUEUES.map(() => ({
    queue: [],
    head: 0,
    free: 0,
    completed: 0,
    inFlight: [],
    interlockOf: undefined,
    interlock: 0,
    takenAt: 0,
  }));
  private readonly tokens: TokenQueues;
  private readonly dispatcher: Dispatcher;
  private next: Pending | undefined;

  constructor(
    device: Device,
    channels: Map<string, MemoryChannels>,
    ports: BufferPorts,
    steps: readonly Step[],
    env: Environment,
    counters: Counters,
    recorder: TraceRecorder | undefined,
    traceOffset: number,
    observer: StartObserver | undefined,
    entryName: string,
  ) {
    this.entryName = entryName;
    this.observer = observer;
    this.device = device;
    this.channels = channels;
    this.pending = new PendingFactory(device, ports, observer !== undefined);
    this.dispatcher = new Dispatcher(device, steps, env, counters);
    this.env = env;
    this.counters = counters;
    this.recorder = recorder;
    this.traceOffset = traceOffset;
    this.tokens = new TokenQueues(device.tokens);
  }

  toEnd(): number {
    for (;;) {
      // First: a barrier on the dispatcher's way lets units run.
      const pushAt = this.pushTime();
      const [queue, start] = this.earliestHead();
      if (pushAt <= start && pushAt < Number.POSITIVE_INFINITY) {
        this.push(pushAt);
      } else if (start < Number.POSITIVE_INFINITY) {
        this.execute(queue, start);
      } else if (this.dispatcher.isDone && this.units.every((unit) => unit.head >= unit.queue.length)) {
        return this.finish();
      } else {
        this.deadlock();
      }
    }
  }

  private deadlock(): never {
    const waiting = this.units.flatMap((unit) => {
      const head = unit.queue[unit.head];
      return head === undefined
        ? []
        : [
            `${head.instruction.spec.name} on ${head.instruction.source.queue} waits for ${head.instruction.source.wait.join(', ')}`,
          ];
    });
    throw new BitloomError({
      code: 'simulator-deadlock',
      message: 'no instruction can start: tokens are awaited that nobody releases',
      where: `entry '${this.entryName}'`,
      expected: 'a program that passes verification',
      got: waiting.join('; '),
    });
  }

  /** Queue whose head can start first, and when. */
  private earliestHead(): [number, number] {
    let best = -1;
    let bestStart = Number.POSITIVE_INFINITY;
    for (let q = 0; q < this.units.length; q++) {
      const unit = this.units[q];
      const head = unit?.queue[unit.head];
      if (unit === undefined || head === undefined) continue;
      const start = Math.max(this.dependencyTime(unit, head), earliestPorts(head.claims));
      if (start < bestStart) {
        best = q;
        bestStart = start;
      }
    }
    return [best, bestStart];
  }

  private tokenTime(head: Pending): number {
    const { instruction } = head;
    let at = 0;
    for (const from of instruction.waits) {
      if (this.tokens.available(from, instruction.queue) < instruction.tokenCount)
        return Number.POSITIVE_INFINITY;
      at = Math.max(at, this.tokens.arrival(from, instruction.queue, instruction.tokenCount - 1));
    }
    return at;
  }

  /** When dispatch, the unit, tokens and writes of the same unit that are still on their way allow a start. */
  private dependencyTime(unit: Unit, head: Pending): number {
    return Math.max(unit.free, head.readyAt, this.tokenTime(head), this.interlockTime(unit, head));
  }

  /** A unit is pipelined; an instruction that touches what an earlier one of the unit still writes waits for it. */
  private interlockTime(unit: Unit, head: Pending): number {
    if (unit.interlockOf === head) return unit.interlock;
    let at = 0;
    for (const write of unit.inFlight) {
      if (write.doneAt <= unit.free) continue;
      for (const access of head.accesses) {
        if (access.space === write.space && access.start < write.end && write.start < access.end)
          at = Math.max(at, write.doneAt);
      }
    }
    unit.interlockOf = head;
    unit.interlock = at;
    return at;
  }

  /** When the dispatcher can hand over its next instruction; infinity when its queue is full or it is done. */
  private pushTime(): number {
    if (this.next === undefined && !this.dispatcher.isDone) {
      const instruction = this.dispatcher.next(() => this.drain());
      if (instruction !== undefined) {
        this.next = this.pending.make(instruction, this.env);
      }
    }
    if (this.next === undefined) return Number.POSITIVE_INFINITY;
    const unit = this.units[this.next.instruction.queue];
    if (unit === undefined) throw internalError('instruction without a queue');
    const isFull = unit.queue.length - unit.head >= this.device.dispatcher.queueDepth;
    return isFull ? Number.POSITIVE_INFINITY : Math.max(this.dispatcher.free, unit.takenAt);
  }

  private push(at: number): void {
    const { next } = this;
    if (next === undefined) return;
    this.dispatcher.handOver(at);
    next.readyAt = at;
    next.dispatchSince = this.dispatcher.workingSince;
    this.units[next.instruction.queue]?.queue.push(next);
    this.next = undefined;
  }

  /** Lets every unit run dry; gives the cycle at which the last one has. */
  private drain(): number {
    for (;;) {
      const [queue, start] = this.earliestHead();
      if (start === Number.POSITIVE_INFINITY) break;
      this.execute(queue, start);
    }
    if (this.units.some((unit) => unit.head < unit.queue.length)) this.deadlock();
    return Math.max(...this.units.map((unit) => unit.completed));
  }

  private execute(q: number, start: number): void {
    const unit = this.units[q];
    const head = unit?.queue[unit.head];
    if (unit === undefined || head === undefined) throw internalError('nothing to execute');
    const gap = this.attributeGap(q, unit, head, start);
    unit.head++;
    unit.takenAt = start;
    if (unit.head > 64) {
      unit.queue.splice(0, unit.head);
      unit.head = 0;
    }
    const { instruction } = head;
    for (const from of instruction.waits) this.tokens.take(from, q, instruction.tokenCount);
    const { interval, latency, busy, memoryStall, portStall } = this.duration(head, start);
    const counters = this.counters.units[q];
    if (counters === undefined) throw internalError('unit without counters');
    counters.busy += busy;
    counters.memory += memoryStall;
    counters.bufferPort += portStall;
    unit.free = start + interval;
    // Completion is in order: a token never overtakes the instructions before it.
    unit.completed = Math.max(unit.completed, start + latency);
    takePorts(head.claims, start + interval);
    unit.inFlight = unit.inFlight.filter((write) => write.doneAt > unit.free);
    for (const access of head.accesses) {
      if (access.write && access.end > access.start)
        unit.inFlight.push({
          space: access.space,
          start: access.start,
          end: access.end,
          doneAt: unit.completed,
        });
    }
    for (const to of instruction.releases) this.tokens.give(q, to, unit.completed, instruction.tokenCount);
    this.count(q, head, busy);
    if (head.environment !== undefined) {
      this.observer?.({ instruction, environment: head.environment, start, completed: unit.completed });
    }
    this.recorder?.record(
      q,
      this.traceOffset + start,
      this.traceOffset + start + interval,
      gap.cycles,
      gap.cause,
      instruction.source.origin,
      instruction.spec.opcode,
    );
  }

  private duration(
    head: Pending,
    start: number,
  ): { interval: number; latency: number; busy: number; memoryStall: number; portStall: number } {
    const { timing } = head;
    let interval = timing.initiationInterval;
    let { latency } = timing;
    let busy = interval;
    let memoryStall = 0;
    const space = this.memoryTraffic(head);
    if (head.runs !== undefined && space !== undefined) {
      const channels = this.channels.get(space.space);
      if (channels === undefined)
        throw new BitloomError({
          code: 'simulator-space',
          message: `the card has no memory '${space.space}'`,
        });
      if (space.bytes > 0) {
        const time = channels.serve(head.runs, start);
        const passed = Math.max(interval, time.end - start);
        // Rounded up alone, but not behind the request before it: never more than what passed.
        busy = Math.min(passed, Math.max(interval, time.alone));
        interval = passed;
        memoryStall = interval - busy;
        latency = interval + time.latency;
      }
    }
    let portStall = 0;
    for (const claim of head.claims) {
      if (claim.cycles <= interval) continue;
      portStall += claim.cycles - interval;
      latency += claim.cycles - interval;
      interval = claim.cycles;
    }
    return { interval, latency: Math.max(latency, interval), busy, memoryStall, portStall };
  }

  private memoryTraffic(head: Pending): Traffic | undefined {
    return head.traffic.find(({ space }) => this.channels.has(space));
  }

  /** Says why the unit stood still between its last instruction and this one. */
  private attributeGap(
    q: number,
    unit: Unit,
    head: Pending,
    start: number,
  ): { cycles: number; cause: number } {
    const counters = this.counters.units[q];
    if (counters === undefined) throw internalError('unit without counters');
    let at = unit.free;
    const total = start - at;
    if (total <= 0) return { cycles: 0, cause: 0 };
    const parts = [0, 0, 0, 0, 0, 0];
    const until = (time: number, cause: number): void => {
      const stop = Math.min(start, time);
      if (stop <= at) return;
      parts[cause] = (parts[cause] ?? 0) + stop - at;
      at = stop;
    };
    until(this.dispatcher.lastBarrier, 5);
    // Before the dispatcher's unbroken run there was nothing to do; during it, decoding held the unit up.
    until(Math.min(head.dispatchSince, head.readyAt), 0);
    until(head.readyAt, 4);
    until(Math.max(this.tokenTime(head), this.interlockTime(unit, head)), 1);
    until(start, 3);
    counters.idle += parts[0] ?? 0;
    counters.token += parts[1] ?? 0;
    counters.bufferPort += parts[3] ?? 0;
    counters.dispatch += parts[4] ?? 0;
    counters.barrier += parts[5] ?? 0;
    const cause = parts.indexOf(Math.max(...parts));
    return { cycles: total, cause };
  }

  private count(q: number, head: Pending, busy: number): void {
    const { counters } = this;
    counters.macs += head.work.macs;
    counters.vectorElements += head.work.vectorElements;
    const cost = costOf(counters, head.instruction.source.origin);
    cost.cycles[q] = (cost.cycles[q] ?? 0) + busy;
    cost.macs += head.work.macs;
    for (const { space, bytes } of head.traffic) {
      addBytes(counters, space, bytes);
      if (!this.channels.has(space)) continue;
      addMemoryBytes(counters, space, head.transferKind, bytes);
      cost.memoryBytes += bytes;
    }
  }

  private finish(): number {
    const end = Math.max(
      this.dispatcher.free,
      ...this.units.map((unit) => Math.max(unit.completed, unit.free)),
    );
    this.units.forEach((unit, q) => {
      const counters = this.counters.units[q];
      if (counters !== undefined) counters.idle += end - unit.free;
    });
    this.counters.cycles += end;
    return end;
  }
}
