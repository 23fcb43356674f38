/**
 * The timing reading: an event-driven walk of one entry on all of its cores. Of all instructions at the head of a
 * queue the one that can start first starts. No idle cycle is ever stepped.
 *
 * Why starts never go back in time: every candidate's start is at least the start of the event before it, and
 * what an event releases (a token, a queue entry, a channel) is released at or after its own start. So shared
 * channels and ports are served in the order of time. A dispatcher may hand instructions over ahead of the others'
 * events: when it does so depends on its own clock and on room in the queue alone.
 *
 * The k-th exchange of every core is one event: it starts when the last of them is ready.
 */
import { BitloomError, type Device, internalError, QUEUES } from '@bitloom/ir';
import { type CompiledEntry, createEnvironment, type Lengths, type Step } from '../compiled-stream.js';
import { CoreClock, type RunContext, type StartObserver } from './core-clock.js';
import { addBytes, addMemoryBytes, type Counters, costOf } from './counters.js';
import { MemoryChannels } from './memory-channels.js';
import { PreparedStream } from './prepared-stream.js';
import type { TraceRecorder } from './trace-recorder.js';

export type { StartedInstruction, StartObserver } from './core-clock.js';

export interface RunOptions {
  readonly recorder?: TraceRecorder | undefined;
  /** Cycle at which the run begins in the trace. */
  readonly origin?: number;
  readonly observer?: StartObserver | undefined;
}

/** One card's timing state: its memory channels. Each run starts with everything idle. */
export class TimedCard {
  private readonly device: Device;
  private readonly channels: readonly MemoryChannels[];
  private readonly prepared = new WeakMap<readonly Step[], PreparedStream>();

  constructor(device: Device) {
    this.device = device;
    this.channels = device.memories.map((memory) => new MemoryChannels(memory, device.clockHz));
  }

  /**
   * Runs one entry from an idle card and adds what it cost to `counters`.
   * @returns cycles from the first dispatch to the last completion.
   * @throws BitloomError `simulator-deadlock` when an instruction waits for a token that nobody will release, or
   *   for a core that will not come to its exchange
   */
  run(entry: CompiledEntry, lengths: Lengths, counters: Counters, options: RunOptions = {}): number {
    for (const channels of this.channels) channels.reset();
    const context: RunContext = {
      device: this.device,
      channels: this.channels,
      recorder: options.recorder,
      origin: options.origin ?? 0,
      observer: options.observer,
    };
    const clocks = entry.cores.map(
      ({ core, steps }) =>
        new CoreClock(context, core, this.prepare(steps), createEnvironment(lengths, core)),
    );
    runToEnd(clocks, entry.name);
    const end = clocks.reduce((latest, clock) => Math.max(latest, clock.end), 0);
    this.count(entry, clocks, end, counters);
    return end;
  }

  private prepare(steps: readonly Step[]): PreparedStream {
    const known = this.prepared.get(steps);
    if (known !== undefined) return known;
    const stream = new PreparedStream(steps, this.device);
    this.prepared.set(steps, stream);
    return stream;
  }

  private count(entry: CompiledEntry, clocks: readonly CoreClock[], end: number, counters: Counters): void {
    const isMemory = new Set<string>(this.device.memories.map(({ space }) => space));
    counters.units.forEach((unit, at) => {
      const [core, q] = [Math.floor(at / QUEUES.length), at % QUEUES.length];
      const clock = clocks.find((one) => one.core === core);
      if (clock === undefined) {
        // A core without a stream stands still all the time.
        unit.idle += end;
        return;
      }
      if (q === 0) clock.finish(end);
      const { cycles } = clock;
      unit.busy += cycles.busy[q];
      unit.token += cycles.token[q];
      unit.memory += cycles.memory[q];
      unit.bufferPort += cycles.bufferPort[q];
      unit.dispatch += cycles.dispatch[q];
      unit.barrier += cycles.barrier[q];
      unit.idle += cycles.idle[q];
    });
    const first = this.device.memories[0]?.space;
    const fetched = first === undefined ? undefined : counters.memories.get(first);
    for (const { dispatcher } of clocks) {
      counters.instructions += dispatcher.instructions;
      if (fetched !== undefined) fetched.instructions += dispatcher.fetchedBytes;
    }
    for (const steps of new Set(entry.cores.map((core) => core.steps))) {
      this.prepare(steps).drainShapes(({ instruction, executions, busy, work, traffic, transferKind }) => {
        const cost = costOf(counters, instruction.source.origin);
        cost.cycles[instruction.queue] += busy;
        cost.macs += executions * work.macs;
        counters.macs += executions * work.macs;
        counters.vectorElements += executions * work.vectorElements;
        for (const { space, bytes } of traffic) {
          addBytes(counters, space, executions * bytes);
          if (!isMemory.has(space)) continue;
          addMemoryBytes(counters, space, transferKind, executions * bytes);
          cost.memoryBytes += executions * bytes;
        }
      });
    }
    counters.cycles += end;
  }
}

/** Starts whatever can start first until everything is over. */
function runToEnd(clocks: readonly CoreClock[], entryName: string): void {
  for (;;) {
    let first = clocks[0];
    let exchangeAt = 0;
    for (let c = 0; c < clocks.length; c++) {
      const clock = clocks[c];
      if (clock.earliest < first.earliest) first = clock;
      if (clock.exchangeAt > exchangeAt) exchangeAt = clock.exchangeAt;
    }
    if (first === undefined) throw internalError('an entry without a stream');
    if (first.earliest <= exchangeAt && first.earliest < Number.POSITIVE_INFINITY) {
      if (first.confirm()) first.executeEarliest();
    } else if (exchangeAt < Number.POSITIVE_INFINITY) {
      exchange(clocks, exchangeAt);
    } else if (clocks.every((clock) => clock.isDone)) {
      return;
    } else {
      throw deadlock(clocks, entryName);
    }
  }
}

/** Starts the exchange on all cores at once, if ports do not put it off beyond `at`. */
function exchange(clocks: readonly CoreClock[], at: number): void {
  let last = clocks[0];
  for (const clock of clocks) if (clock.confirmExchange() > last.exchangeAt) last = clock;
  if (last.exchangeAt > at) return;
  const blocker = last.exchangeBlocker();
  const doneAt = clocks.reduce((latest, { exchangeLatency }) => Math.max(latest, at + exchangeLatency), 0);
  for (const clock of clocks) clock.executeExchange(at, doneAt, blocker);
}

function deadlock(clocks: readonly CoreClock[], entryName: string): BitloomError {
  return new BitloomError({
    code: 'simulator-deadlock',
    message: 'no instruction can start: tokens, or other cores, are awaited that never come',
    where: `entry '${entryName}'`,
    expected: 'a program that passes verification',
    got: clocks.flatMap((clock) => clock.waiting()).join('; '),
  });
}
